//! What the data plane orders of an engine: a receiver or a sender, with everything that does not depend on who
//! moves the packets.

use control::{Lateness, ReceiverSpec, SenderSpec, SenderTiming};
use media::{Name, Ssrc};
use netio::{PacketBuf, Path, TxQueue};
use shm::{FrameWriter, GrainLease, StoreChoice};
use st2110::TimelineMode;
use uuid::Uuid;
use worker::{
    ForwarderConfig, Leg, OutputIndex, Receiver, ReceiverConfig, ReceiverKey, Sender, SenderConfig, SenderKey,
    SteeredReceiver,
};

use super::way::{Way, admitted};

/// Reorder window where the receiver states none, packets.
const REORDER_PACKETS: u16 = 64;

/// A grain's time-out: so many periods, and at least so long.
const TIMEOUT_PERIODS: i64 = 2;
const TIMEOUT_NANOS_MIN: i64 = 50_000_000;

/// A receiver to be served.
pub struct ReceiverOrder<'a> {
    /// Its name among all receivers of this gateway, never used twice.
    pub key: ReceiverKey,
    /// What was asked for.
    pub spec: &'a ReceiverSpec,
    /// The port that it was placed on; `None` for the kernel's choice.
    pub port: Option<&'a Name>,
    /// The port of its second leg.
    pub second_port: Option<&'a Name>,
    /// The writer of its flow.
    pub writer: FrameWriter,
    /// How samples are stored.
    pub stores: StoreChoice,
}

impl<'a> ReceiverOrder<'a> {
    /// The ways by which its packets come.
    #[must_use]
    pub fn ways(&self) -> Vec<Way<'a>> {
        Way::of_receiver(self.spec, [self.port, self.second_port])
    }

    /// Packets that it may hold.
    #[must_use]
    pub fn reorder_packets(&self) -> u16 {
        self.spec.reorder_packets.unwrap_or(REORDER_PACKETS)
    }

    /// The receiver, for what comes in by `legs`.
    #[must_use]
    pub fn build<B: PacketBuf>(self, legs: impl Into<Box<[Leg]>>) -> SteeredReceiver<B> {
        let config = self.config();
        SteeredReceiver::new(self.key, legs, Receiver::new(&config, self.writer))
    }

    fn config(&self) -> ReceiverConfig {
        let sdp = &self.spec.sdp;
        let skew = i64::from(self.spec.skew_ms()) * 1_000_000;
        let default = (sdp.format.rate().period_nanos() * TIMEOUT_PERIODS).max(TIMEOUT_NANOS_MIN);
        ReceiverConfig {
            format: sdp.format,
            payload_type: sdp.payload_type,
            sources: admitted(&self.ways()),
            timeline: if sdp.is_ptp_locked() { TimelineMode::Locked } else { TimelineMode::Async },
            reorder_packets: self.reorder_packets(),
            grain_timeout_nanos: self.spec.grain_timeout_ms.map_or(default + skew, |ms| i64::from(ms) * 1_000_000),
            stores: self.stores,
        }
    }
}

/// A sender to be served.
#[derive(Clone, Copy, Debug)]
pub struct SenderOrder<'a> {
    /// Its name among all senders of this gateway, never used twice.
    pub key: SenderKey,
    /// What was asked for.
    pub spec: &'a SenderSpec,
    /// The port that it was placed on; `None` for the kernel's choice.
    pub port: Option<&'a Name>,
    /// The second leg, as a sender of its own, and its port.
    pub second: Option<(&'a SenderSpec, Option<&'a Name>)>,
    /// The SSRC of its packets.
    pub ssrc: Ssrc,
    first_sequence: u32,
}

impl<'a> SenderOrder<'a> {
    /// An order with a random SSRC and first sequence number (RFC 3550 §5.1, §8).
    #[must_use]
    pub fn new(key: SenderKey, spec: &'a SenderSpec, port: Option<&'a Name>) -> Self {
        let random = Uuid::new_v4().as_u128();
        Self { key, spec, port, second: None, ssrc: Ssrc(random as u32), first_sequence: (random >> 96) as u32 }
    }

    /// With a second leg by `port`.
    #[must_use]
    pub const fn with_second(mut self, leg: &'a SenderSpec, port: Option<&'a Name>) -> Self {
        self.second = Some((leg, port));
        self
    }

    /// The sender, by the outputs of its legs.
    #[must_use]
    pub fn build<T: TxQueue<Lease = GrainLease>>(&self, output: OutputIndex, second: OutputIndex) -> Sender<T> {
        let sender = Sender::new(self.key, self.config(output));
        match self.second {
            Some((leg, _)) => sender.with_second_leg(sender_path(leg), second),
            None => sender,
        }
    }

    /// What the worker is told, for a sender by `output`.
    fn config(&self, output: OutputIndex) -> SenderConfig {
        SenderConfig {
            path: sender_path(self.spec),
            output,
            payload_type: self.spec.payload_type,
            ssrc: self.ssrc,
            first_sequence: self.first_sequence,
            timing: match self.spec.timing {
                SenderTiming::Source => worker::SenderTiming::Source,
                SenderTiming::Grid => worker::SenderTiming::Grid,
            },
            lateness: match self.spec.lateness {
                Lateness::Frames(frames) => worker::Lateness::Frames(frames),
                Lateness::Ms(ms) => worker::Lateness::Ms(ms.into()),
            },
        }
    }
}

impl SenderOrder<'_> {
    /// What the worker is told of the sender while it forwards.
    #[must_use]
    pub fn forwarder(&self, output: OutputIndex) -> ForwarderConfig {
        let rewrite = super::relaying::rewrite(&self.spec.rewriting, self.ssrc, self.first_sequence);
        ForwarderConfig { path: sender_path(self.spec), output, rewrite }
    }
}

/// The way of a sender's packets.
#[must_use]
pub fn sender_path(spec: &SenderSpec) -> Path {
    Path {
        source: spec.source,
        dscp: spec.dscp,
        ttl: spec.ttl,
        interface: spec.interface.clone(),
        ..Path::to(spec.destination)
    }
}
