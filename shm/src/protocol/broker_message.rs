//! What the broker says to a pod, and how many descriptors travel with it.

use media::GrainIndex;

use super::wire::{DecodeError, Decoder, Encoder};
use super::{EncodeError, FlowEntry, MAX_FLOWS_A_PAGE, Refusal, SuccessionToken, Version};
use crate::{ConsumerClass, Geometry, Start, Trust, WakeMode};

/// A message from the broker to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerMessage {
    /// Answers `Hello`.
    Welcome {
        /// The protocol version of this connection.
        version: u16,
        /// The ABI of the rings' control memory.
        ring_abi: u64,
    },
    /// Answers `ListFlows`.
    Flows {
        /// At most [`MAX_FLOWS_A_PAGE`], by name.
        entries: Vec<FlowEntry>,
        /// More follow after the last name.
        more: bool,
    },
    /// First answer to `Produce`. Descriptors: control and data, both read-write.
    Region {
        /// The ring that was made.
        geometry: Geometry,
    },
    /// Answers `Mapped`: the ring is sealed and the flow exists.
    Produced {
        /// Which ring.
        epoch: u128,
        /// What it takes to succeed it; none in version 1.
        token: Option<SuccessionToken>,
    },
    /// Answers `Subscribe`. Descriptors: control and data read-only, the consumer's lease page read-write, its end of
    /// its life pipe (held open for as long as it reads), the end of the producer's life pipe on which it hears
    /// that the producer is gone, and from version 2 on its end of the bell.
    Subscribed {
        /// The ring.
        geometry: Geometry,
        /// Who writes it.
        trust: Trust,
        /// The consumer's number in the ring.
        consumer: u8,
        /// What the consumer writes into its lease page to acknowledge an eviction.
        nonce: u64,
        /// The first grain that it may read.
        first: GrainIndex,
        /// Who wakes it; in version 1 nobody.
        wake: WakeMode,
    },
    /// To a producer, unasked: take this consumer in. Descriptors: its lease page read-only, the end of its life pipe
    /// on which the producer hears that it is gone, the producer's end of its own life pipe to it, and from version 2
    /// on the producer's end of its bell.
    Join {
        /// Names this join in the answer.
        join: u64,
        /// Which ring.
        epoch: u128,
        /// The consumer's number in the ring.
        consumer: u8,
        /// What it may expect.
        class: ConsumerClass,
        /// What the consumer writes to acknowledge an eviction.
        nonce: u64,
        /// Where it begins; in version 1 at the live end.
        start: Start,
    },
    /// Answers any request: no, and why.
    Refused(Refusal),
    /// To a producer, unasked: evict this consumer, however well it keeps up. Answered by `Evicted`. From version 2 on.
    Evict {
        /// Which join.
        join: u64,
    },
    /// Answers `Adopt`: the flow is there again. From version 2 on.
    Adopted {
        /// Which ring.
        epoch: u128,
        /// What the gateway wants of its producer.
        successor: Succession,
        /// What it takes to succeed it from now on: what an earlier gateway gave is worth nothing.
        token: Option<SuccessionToken>,
    },
}

/// Whether a ring that was taken over should be succeeded by a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// It is as good as a new one.
    NotNeeded,
    /// A ring that the gateway makes can be mapped for its devices; this one cannot any more.
    Wanted,
}

const WELCOME: u16 = 0x8001;
const FLOWS: u16 = 0x8002;
const REGION: u16 = 0x8003;
const PRODUCED: u16 = 0x8004;
const SUBSCRIBED: u16 = 0x8005;
const JOIN: u16 = 0x8006;
const REFUSED: u16 = 0x8007;
const EVICT: u16 = 0x8008;
const ADOPTED: u16 = 0x8009;

impl BrokerMessage {
    /// The descriptors that travel with this message: exactly so many, or it is refused.
    #[must_use]
    pub const fn descriptors(&self, version: Version) -> usize {
        let bell = match version {
            Version::V1 => 0,
            Version::V2 => 1,
        };
        match self {
            Self::Region { .. } => 2,
            Self::Subscribed { .. } => 5 + bell,
            Self::Join { .. } => 3 + bell,
            Self::Welcome { .. }
            | Self::Flows { .. }
            | Self::Produced { .. }
            | Self::Refused(_)
            | Self::Evict { .. }
            | Self::Adopted { .. } => 0,
        }
    }

    /// The message as one datagram; `request` is that of what it answers, 0 for what nobody asked for.
    ///
    /// # Errors
    /// [`EncodeError`] for what a peer of `version` cannot be told.
    pub fn encode(&self, request: u32, version: Version) -> Result<Vec<u8>, EncodeError> {
        let mut out = Encoder::new(self.kind(), request, version);
        match self {
            Self::Welcome { version, ring_abi } => {
                out.u16(*version);
                out.u64(*ring_abi);
            }
            Self::Flows { entries, more } => {
                out.u8(u8::from(*more));
                out.u8(entries.len() as u8);
                entries.iter().for_each(|entry| entry.encode(&mut out));
            }
            Self::Region { geometry } => out.geometry(geometry),
            Self::Produced { epoch, token } => {
                out.u128(*epoch);
                if !out.is_first() {
                    SuccessionToken::encode(*token, &mut out);
                }
            }
            Self::Subscribed { geometry, trust, consumer, nonce, first, wake } => {
                out.geometry(geometry);
                out.u8(u8::from(*trust == Trust::Gateway));
                out.u8(*consumer);
                out.u64(*nonce);
                out.u64(first.0);
                if !out.is_first() {
                    out.wake(*wake);
                }
            }
            Self::Join { join, epoch, consumer, class, nonce, start } => {
                out.u64(*join);
                out.u128(*epoch);
                out.u8(*consumer);
                out.class(*class);
                out.u64(*nonce);
                out.start(*start);
            }
            Self::Refused(refusal) => refusal.encode(&mut out),
            Self::Evict { join } => {
                out.needs_newer(true, "an eviction by the operator");
                out.u64(*join);
            }
            Self::Adopted { epoch, successor, token } => {
                out.needs_newer(true, "adoption");
                out.u128(*epoch);
                out.u8(u8::from(*successor == Succession::Wanted));
                SuccessionToken::encode(*token, &mut out);
            }
        }
        out.finish()
    }

    /// The request number and the message in one datagram of a connection of `version`.
    ///
    /// # Errors
    /// [`DecodeError`] for what [`Self::encode`] does not produce.
    pub fn decode(datagram: &[u8], version: Version) -> Result<(u32, Self), DecodeError> {
        let (kind, request, mut body) = Decoder::open(datagram, version)?;
        let message = match kind {
            WELCOME => Self::Welcome { version: body.u16("version")?, ring_abi: body.u64("ring ABI")? },
            FLOWS => Self::decode_flows(&mut body)?,
            REGION => Self::Region { geometry: body.geometry()? },
            PRODUCED => {
                let epoch = body.u128("epoch")?;
                let token = if body.is_first() { None } else { SuccessionToken::decode(&mut body)? };
                Self::Produced { epoch, token }
            }
            SUBSCRIBED => Self::decode_subscribed(&mut body)?,
            JOIN => {
                let (join, epoch) = (body.u64("join")?, body.u128("epoch")?);
                let (consumer, class) = (body.consumer()?, body.class()?);
                let nonce = body.u64("nonce")?;
                Self::Join { join, epoch, consumer, class, nonce, start: body.start()? }
            }
            REFUSED => Self::Refused(Refusal::decode(&mut body)?),
            EVICT if !body.is_first() => Self::Evict { join: body.u64("join")? },
            ADOPTED if !body.is_first() => {
                let epoch = body.u128("epoch")?;
                let wanted = body.flag("successor")?;
                let successor = if wanted { Succession::Wanted } else { Succession::NotNeeded };
                Self::Adopted { epoch, successor, token: SuccessionToken::decode(&mut body)? }
            }
            other => return Err(DecodeError::Kind(other)),
        };
        body.close((request, message))
    }

    fn decode_flows(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let more = body.flag("more")?;
        let count = usize::from(body.u8("count")?);
        if count > MAX_FLOWS_A_PAGE {
            return Err(DecodeError::Field("count"));
        }
        let entries = (0..count).map(|_| FlowEntry::decode(body)).collect::<Result<_, _>>()?;
        Ok(Self::Flows { entries, more })
    }

    fn decode_subscribed(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let geometry = body.geometry()?;
        let trust = if body.flag("trust")? { Trust::Gateway } else { Trust::Pod };
        let (consumer, nonce) = (body.consumer()?, body.u64("nonce")?);
        let first = body.index("first grain")?;
        let wake = if body.is_first() { WakeMode::None } else { body.wake()? };
        Ok(Self::Subscribed { geometry, trust, consumer, nonce, first, wake })
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::Welcome { .. } => WELCOME,
            Self::Flows { .. } => FLOWS,
            Self::Region { .. } => REGION,
            Self::Produced { .. } => PRODUCED,
            Self::Subscribed { .. } => SUBSCRIBED,
            Self::Join { .. } => JOIN,
            Self::Refused(_) => REFUSED,
            Self::Evict { .. } => EVICT,
            Self::Adopted { .. } => ADOPTED,
        }
    }
}
