//! What is sent in a run, for its report.

use anyhow::Result;
use serde::Serialize;

use crate::traffic::Traffic;

/// See the file's head.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The format.
    pub format: String,
    /// Streams of it.
    pub streams: u16,
    /// Packets of a frame.
    pub packets_per_frame: u32,
    /// Sample octets of its first packet.
    pub payload_octets: u16,
    /// Packets a second, all streams together, in real time.
    pub packets_per_second: f64,
    /// Octets of a frame.
    pub frame_octets: u32,
    /// Who says when packets go.
    pub pacing: String,
    /// How late a frame may be, milliseconds; `None` without a schedule.
    pub lateness_ms: Option<u32>,
}

impl Plan {
    /// Of what runs.
    ///
    /// # Errors
    /// When the format is none.
    pub fn of(traffic: &Traffic) -> Result<Self> {
        let plan = traffic.plan()?;
        let pacing = if traffic.unpaced { "unpaced".to_owned() } else { format!("type {:?}", traffic.sender_type) };
        Ok(Self {
            format: plan.format().to_string(),
            streams: traffic.streams,
            packets_per_frame: plan.packets_per_frame(),
            payload_octets: plan.packets().first().map_or(0, |packet| packet.octets),
            packets_per_second: traffic.packets_per_second()?,
            frame_octets: plan.format().frame_octets(),
            pacing,
            lateness_ms: (!traffic.unpaced).then_some(traffic.lateness_ms),
        })
    }

    /// In one sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let streams = if self.streams == 1 { "one stream".to_owned() } else { format!("{} streams", self.streams) };
        format!(
            "{streams} of {}: {} packets of {} octets a frame, {:.3} Mpps in real time, {}",
            self.format,
            self.packets_per_frame,
            self.payload_octets,
            self.packets_per_second / 1e6,
            self.pacing
        )
    }
}
