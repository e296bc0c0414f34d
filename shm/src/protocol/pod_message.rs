//! What a pod says to the broker. None of these carries descriptors.

use media::{GrainIndex, Name, VideoFormat};

use super::wire::{DecodeError, Decoder, Encoder};
use crate::ConsumerClass;

/// A message from a pod to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodMessage {
    /// First on every connection: the protocol versions that the pod speaks.
    Hello {
        /// Oldest.
        min: u16,
        /// Newest.
        max: u16,
    },
    /// Asks for a page of the flows, in the order of their names.
    ListFlows {
        /// The page begins after this name; none is the first page.
        after: Option<Name>,
    },
    /// Asks for a ring to produce into; answered by `Region`, and after [`PodMessage::Mapped`] by `Produced`.
    Produce {
        /// The flow's name.
        name: Name,
        /// What is in its grains.
        format: VideoFormat,
        /// Slots of the ring; none takes the broker's default.
        slots: Option<u16>,
    },
    /// The producer has mapped both memfds read-write: the broker may seal them. Goes on with the request of its
    /// `Produce`.
    Mapped {
        /// Which ring.
        epoch: u128,
    },
    /// Asks to read a flow; answered by `Subscribed`.
    Subscribe {
        /// The flow's name.
        name: Name,
        /// Leased or lossy.
        class: ConsumerClass,
    },
    /// The producer's writer has taken the consumer in.
    Joined {
        /// Which `Join` this answers.
        join: u64,
        /// The first grain that the consumer may read.
        first: GrainIndex,
    },
    /// The producer could not take the consumer in.
    NotJoined {
        /// Which `Join` this answers.
        join: u64,
    },
    /// The producer's writer has evicted the consumer.
    Evicted {
        /// Which join.
        join: u64,
        /// The first grain that is no longer the consumer's.
        end: GrainIndex,
    },
    /// The consumer holds nothing any more and its number is free.
    Left {
        /// Which join.
        join: u64,
    },
    /// The producer ends its flow.
    Withdraw {
        /// Which ring.
        epoch: u128,
    },
}

impl PodMessage {
    /// The message as one datagram.
    #[must_use]
    pub fn encode(&self, request: u32) -> Vec<u8> {
        let mut out = Encoder::new(self.kind(), request);
        match self {
            Self::Hello { min, max } => {
                out.u16(*min);
                out.u16(*max);
            }
            Self::ListFlows { after } => out.name(after.as_ref()),
            Self::Produce { name, format, slots } => {
                out.name(Some(name));
                out.u8(0);
                out.u16(slots.unwrap_or(0));
                out.format(format);
            }
            Self::Mapped { epoch } | Self::Withdraw { epoch } => out.u128(*epoch),
            Self::Subscribe { name, class } => {
                out.name(Some(name));
                out.class(*class);
            }
            Self::Joined { join, first: index } | Self::Evicted { join, end: index } => {
                out.u64(*join);
                out.u64(index.0);
            }
            Self::NotJoined { join } | Self::Left { join } => out.u64(*join),
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
            1 => Self::Hello { min: body.u16("version")?, max: body.u16("version")? },
            2 => Self::ListFlows { after: body.name()? },
            3 => {
                let name = body.named()?;
                body.spare()?;
                let slots = Some(body.u16("slots")?).filter(|slots| *slots != 0);
                Self::Produce { name, slots, format: body.format()? }
            }
            4 => Self::Mapped { epoch: body.u128("epoch")? },
            5 => Self::Subscribe { name: body.named()?, class: body.class()? },
            6 => Self::Joined { join: body.u64("join")?, first: body.index("first grain")? },
            7 => Self::NotJoined { join: body.u64("join")? },
            8 => Self::Evicted { join: body.u64("join")?, end: body.index("end")? },
            9 => Self::Left { join: body.u64("join")? },
            10 => Self::Withdraw { epoch: body.u128("epoch")? },
            other => return Err(DecodeError::Kind(other)),
        };
        body.close((request, message))
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::Hello { .. } => 1,
            Self::ListFlows { .. } => 2,
            Self::Produce { .. } => 3,
            Self::Mapped { .. } => 4,
            Self::Subscribe { .. } => 5,
            Self::Joined { .. } => 6,
            Self::NotJoined { .. } => 7,
            Self::Evicted { .. } => 8,
            Self::Left { .. } => 9,
            Self::Withdraw { .. } => 10,
        }
    }
}
