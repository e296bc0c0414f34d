//! What the broker says to a pod, and how many descriptors travel with it.

use media::{FlowId, GrainIndex, Name, VideoFormat};

use super::wire::{DecodeError, Decoder, Encoder};
use super::{MAX_FLOWS_A_PAGE, Refusal};
use crate::{ConsumerClass, Geometry, Trust};

/// Who produces a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowOrigin {
    /// The gateway itself.
    Gateway,
    /// A pod.
    Pod {
        /// Its user.
        uid: u32,
        /// Its process, where the kernel can say (not across PID namespaces).
        pid: Option<u32>,
    },
}

/// One line of the list of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEntry {
    /// Its name.
    pub name: Name,
    /// Its identifier.
    pub id: FlowId,
    /// What is in its grains.
    pub format: VideoFormat,
    /// Who produces it.
    pub origin: FlowOrigin,
    /// Slots of its ring.
    pub slots: u16,
    /// Consumers that it has.
    pub consumers: u16,
}

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
    },
    /// Answers `Subscribe`. Descriptors: control and data read-only, the consumer's lease page read-write, its end of
    /// its life pipe (held open for as long as it reads), and the end of the producer's life pipe on which it hears
    /// that the producer is gone.
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
    },
    /// To a producer, unasked: take this consumer in. Descriptors: its lease page read-only, the end of its life pipe
    /// on which the producer hears that it is gone, and the producer's end of its own life pipe to it.
    Join {
        /// Names this join in the answer.
        join: u64,
        /// Which ring.
        epoch: u128,
        /// The consumer's number in the ring.
        consumer: u8,
        /// Leased or lossy.
        class: ConsumerClass,
        /// What the consumer writes to acknowledge an eviction.
        nonce: u64,
    },
    /// Answers any request: no, and why.
    Refused(Refusal),
}

const WELCOME: u16 = 0x8001;
const FLOWS: u16 = 0x8002;
const REGION: u16 = 0x8003;
const PRODUCED: u16 = 0x8004;
const SUBSCRIBED: u16 = 0x8005;
const JOIN: u16 = 0x8006;
const REFUSED: u16 = 0x8007;

impl BrokerMessage {
    /// The descriptors that travel with this message: exactly so many, or it is refused.
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        match self {
            Self::Region { .. } => 2,
            Self::Subscribed { .. } => 5,
            Self::Join { .. } => 3,
            Self::Welcome { .. } | Self::Flows { .. } | Self::Produced { .. } | Self::Refused(_) => 0,
        }
    }

    /// The message as one datagram; `request` is that of what it answers, 0 for [`Self::Join`].
    #[must_use]
    pub fn encode(&self, request: u32) -> Vec<u8> {
        let mut out = Encoder::new(self.kind(), request);
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
            Self::Produced { epoch } => out.u128(*epoch),
            Self::Subscribed { geometry, trust, consumer, nonce, first } => {
                out.geometry(geometry);
                out.u8(u8::from(*trust == Trust::Gateway));
                out.u8(*consumer);
                out.u64(*nonce);
                out.u64(first.0);
            }
            Self::Join { join, epoch, consumer, class, nonce } => {
                out.u64(*join);
                out.u128(*epoch);
                out.u8(*consumer);
                out.class(*class);
                out.u64(*nonce);
            }
            Self::Refused(refusal) => refusal.encode(&mut out),
        }
        out.finish()
    }

    /// The request number and the message in one datagram.
    ///
    /// # Errors
    /// [`DecodeError`] for what [`Self::encode`] does not produce.
    pub fn decode(datagram: &[u8]) -> Result<(u32, Self), DecodeError> {
        let (kind, request, mut body) = Decoder::open(datagram)?;
        let message = match kind {
            WELCOME => Self::Welcome { version: body.u16("version")?, ring_abi: body.u64("ring ABI")? },
            FLOWS => Self::decode_flows(&mut body)?,
            REGION => Self::Region { geometry: body.geometry()? },
            PRODUCED => Self::Produced { epoch: body.u128("epoch")? },
            SUBSCRIBED => {
                let geometry = body.geometry()?;
                let trust = if body.flag("trust")? { Trust::Gateway } else { Trust::Pod };
                let (consumer, nonce) = (body.consumer()?, body.u64("nonce")?);
                Self::Subscribed { geometry, trust, consumer, nonce, first: body.index("first grain")? }
            }
            JOIN => {
                let (join, epoch) = (body.u64("join")?, body.u128("epoch")?);
                let (consumer, class) = (body.consumer()?, body.class()?);
                Self::Join { join, epoch, consumer, class, nonce: body.u64("nonce")? }
            }
            REFUSED => Self::Refused(Refusal::decode(&mut body)?),
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

    const fn kind(&self) -> u16 {
        match self {
            Self::Welcome { .. } => WELCOME,
            Self::Flows { .. } => FLOWS,
            Self::Region { .. } => REGION,
            Self::Produced { .. } => PRODUCED,
            Self::Subscribed { .. } => SUBSCRIBED,
            Self::Join { .. } => JOIN,
            Self::Refused(_) => REFUSED,
        }
    }
}

impl FlowEntry {
    /// `name, id, format, pod u8, uid u32, pid u32, slots u16, consumers u16`: 110 octets.
    fn encode(&self, out: &mut Encoder) {
        out.name(Some(&self.name));
        out.flow(self.id);
        out.format(&self.format);
        let (pod, uid, pid) = match self.origin {
            FlowOrigin::Gateway => (0, 0, 0),
            FlowOrigin::Pod { uid, pid } => (1, uid, pid.unwrap_or(0)),
        };
        out.u8(pod);
        out.u32(uid);
        out.u32(pid);
        out.u16(self.slots);
        out.u16(self.consumers);
    }

    fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (name, id, format) = (body.named()?, body.flow()?, body.format()?);
        let (pod, uid, pid) = (body.flag("origin")?, body.u32("uid")?, body.u32("pid")?);
        let origin = match pod {
            true => FlowOrigin::Pod { uid, pid: Some(pid).filter(|pid| *pid != 0) },
            false if uid == 0 && pid == 0 => FlowOrigin::Gateway,
            false => return Err(DecodeError::Field("origin")),
        };
        Ok(Self { name, id, format, origin, slots: body.u16("slots")?, consumers: body.u16("consumers")? })
    }
}
