//! What is played: a round for every format and camera, one after the other (two cores have no more to give),
//! each with one flow and a sender for every receiver.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;
use hwtests::{Peer, peer};
use media::{Depth, Rate, Sampling, VideoFormat};

use crate::stage::Stage;

/// All rounds; the gateway is configured for all of them at once.
pub(crate) struct Plan {
    pub(crate) rounds: Vec<Round>,
}

/// One camera sends pictures of one format.
pub(crate) struct Round {
    pub(crate) format: VideoFormat,
    pub(crate) frames: u32,
    pub(crate) flow: Flow,
}

/// Slots of each ring: enough for two senders and for viewers who write files and may be slow at times.
const SLOTS: u32 = 32;

/// Two cores serve the peers and us: a camera that has to pause in the middle of a frame has lost nothing.
const PATIENCE: &str = "grain_timeout_ms = 1000\n";

/// A camera, the flow that the gateway makes of it, and where it is sent on to.
pub(crate) struct Flow {
    pub(crate) name: String,
    pub(crate) camera: Peer,
    /// Where the gateway receives it.
    pub(crate) at: SocketAddr,
    pub(crate) outputs: Vec<Output>,
}

/// A sender of the gateway and the receiver that it sends to.
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) receiver: Peer,
    pub(crate) to: SocketAddr,
}

impl Plan {
    /// Rounds of `seconds` each.
    pub(crate) fn new(stage: &Stage, seconds: u32) -> Result<Self> {
        // Both peers burst whole frames: without large socket buffers only small ones arrive whole.
        let sizes: &[(u32, u32, u32)] =
            if stage.has_large_buffers() { &[(1920, 1080, 5), (1280, 720, 10)] } else { &[(320, 180, 10)] };
        let mut port = 5_000;
        let mut rounds = Vec::new();
        for &(width, height, rate) in sizes {
            let format = VideoFormat::new(width, height, Sampling::YCbCr422, Depth::Bits10, Rate::new(rate, 1)?)?;
            for &camera in &stage.peers {
                let flow = Flow::new(stage, camera, &format, &mut port)?;
                rounds.push(Round { format, frames: rate * seconds, flow });
            }
        }
        Ok(Self { rounds })
    }

    /// The receivers, senders and crosspoints of all rounds, as the gateway's configuration has them.
    pub(crate) fn config(&self) -> String {
        let mut text = String::new();
        for Round { format, flow, .. } in &self.rounds {
            let sdp = peer::sdp(format, flow.at).replace('\r', "");
            let name = &flow.name;
            // Writing into a String cannot fail.
            let _ = write!(
                text,
                "\n[[receiver]]\nname = \"{name}\"\nslots = {SLOTS}\n{PATIENCE}sdp_text = \"\"\"\n{sdp}\"\"\"\n"
            );
            for Output { name: out, to, .. } in &flow.outputs {
                // Two cores serve the peers and us: a pause of the host must not count as a late frame.
                let _ = write!(text, "\n[[sender]]\nname = \"{out}\"\ndestination = \"{to}\"\nlateness_frames = 4\n");
                let _ = write!(text, "\n[[crosspoint]]\ndestination = \"{out}\"\nsource = \"{name}\"\n");
            }
        }
        text
    }
}

impl Flow {
    fn new(stage: &Stage, camera: Peer, format: &VideoFormat, port: &mut u16) -> Result<Self> {
        let mut address = |ip| -> Result<SocketAddr> {
            *port = stage.free_port(*port)?;
            Ok(SocketAddr::new(ip, *port))
        };
        let name = format!("{}-{}p{}", camera.name().to_lowercase(), format.height(), format.rate());
        let at = address(stage.rack_address())?;
        let mut outputs = Vec::new();
        for &receiver in &stage.peers {
            let to = address(stage.studio_address())?;
            outputs.push(Output { name: format!("{name}-to-{}", receiver.name().to_lowercase()), receiver, to });
        }
        Ok(Self { name, camera, at, outputs })
    }
}
