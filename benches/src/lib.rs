//! What the benchmarks share: packets of a picture, ready to be received again and again.
#![forbid(unsafe_code)]

use std::sync::Arc;

use media::{Depth, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, Tai, VideoFormat};
use netio::{PacketBuf, PacketMeta, TimeSource};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, PlannedPacket, UdpLimit};

/// 1080p50, 10 bit.
///
/// # Panics
/// Never: the numbers are sound.
#[must_use]
pub fn hd() -> VideoFormat {
    let rate = Rate::new(50, 1).expect("50 is a rate");
    VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, rate).expect("HD fits")
}

/// The packets of one frame: headers that are numbered on from frame to frame, payloads each in a buffer of
/// its own as a queue has them.
pub struct Packets {
    packetiser: Packetiser,
    payloads: Vec<&'static [u8]>,
    timestamp: u32,
}

/// A packet of two segments: header, payload.
#[derive(Clone, Copy)]
pub struct Packet {
    header: [u8; MAX_HEADER_OCTETS],
    header_octets: usize,
    payload: &'static [u8],
    meta: PacketMeta,
}

impl Packets {
    /// One frame of `format`, general packing. Its payloads stay in memory to the end of the process.
    ///
    /// # Panics
    /// When the format cannot be packed.
    #[must_use]
    pub fn new(format: VideoFormat) -> Self {
        let plan = Arc::new(PackingPlan::new(format, PackingMode::Gpm, UdpLimit::Standard).expect("a plan"));
        let payload = |(number, packet): (usize, &PlannedPacket)| -> &'static [u8] {
            Box::leak(vec![number as u8; usize::from(packet.octets)].into_boxed_slice())
        };
        let payloads = plan.packets().iter().enumerate().map(payload).collect();
        Self { packetiser: Packetiser::new(plan, PayloadType(96), Ssrc(1), 0), payloads, timestamp: 0 }
    }

    /// Hands out each packet once, as those of the next frame.
    pub fn next_frame(&mut self, mut each: impl FnMut(Packet)) {
        self.timestamp = self.timestamp.wrapping_add(1800);
        let meta = PacketMeta {
            source: ([127, 0, 0, 1], 1).into(),
            destination: ([127, 0, 0, 1], 2).into(),
            arrival: Tai::from_nanos(1),
            timed_by: TimeSource::Burst,
        };
        for (number, payload) in self.payloads.iter().enumerate() {
            let mut header = [0; MAX_HEADER_OCTETS];
            let header_octets = self.packetiser.header(number, RtpTimestamp(self.timestamp), &mut header);
            each(Packet { header, header_octets, payload, meta });
        }
    }

    /// Each packet's samples.
    pub fn payloads(&self) -> impl Iterator<Item = &'static [u8]> {
        self.payloads.iter().copied()
    }
}

impl PacketBuf for Packet {
    fn again(&self) -> Self {
        *self
    }

    fn meta(&self) -> &PacketMeta {
        &self.meta
    }

    fn octets(&self) -> usize {
        self.header_octets + self.payload.len()
    }

    fn head(&self) -> &[u8] {
        &self.header[..self.header_octets]
    }

    fn segments(&self) -> impl Iterator<Item = &[u8]> {
        [self.head(), self.payload].into_iter()
    }

    fn last_octet(&self) -> u8 {
        self.payload.last().copied().unwrap_or(0)
    }
}
