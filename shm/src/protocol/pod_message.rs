//! What a pod says to the broker.

use media::{GrainIndex, Name};

use super::wire::{DecodeError, Decoder, Encoder};
use super::{EncodeError, RingRequest, Version};
use crate::{ConsumerClass, Start};

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
    Produce(RingRequest),
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
        /// What the consumer expects of the writer.
        class: ConsumerClass,
        /// Where it begins; in version 1 at the live end.
        start: Start,
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
    /// Its writer has gone over to a successor: the name is the successor's from now on, and this ring is only read to its
    /// end. What is open there is still being written. From version 2 on.
    Conclude {
        /// Which ring.
        epoch: u128,
    },
    /// To a restarted gateway, before [`PodMessage::Adopt`]: one consumer that the producer has. From version 2 on.
    Member(Member),
    /// To a restarted gateway: the ring is there, and these were its consumers. Descriptors: control and data, as the
    /// producer has them, or none where the gateway lets none be passed: then it is refused. Answered by `Adopted`. From
    /// version 2 on.
    Adopt {
        /// Which ring.
        epoch: u128,
        /// The flow's name.
        name: Name,
    },
}

/// A consumer as its producer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which ring.
    pub epoch: u128,
    /// What the producer calls it.
    pub join: u64,
    /// Its number in the ring.
    pub consumer: u8,
    /// What it expects of the writer.
    pub class: ConsumerClass,
    /// What it writes to acknowledge an eviction.
    pub nonce: u64,
    /// Where it stands.
    pub stage: MemberStage,
}

/// Where a consumer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStage {
    /// It reads.
    Live {
        /// From this grain on.
        first: GrainIndex,
    },
    /// It was evicted and has not acknowledged.
    Evicted {
        /// Its first grain.
        first: GrainIndex,
        /// The first grain that is no longer its own.
        end: GrainIndex,
    },
}

const MEMBER: u16 = 11;
const ADOPT: u16 = 12;
const CONCLUDE: u16 = 13;

impl PodMessage {
    /// The descriptors that travel with this message.
    #[must_use]
    pub const fn descriptors(&self) -> usize {
        if matches!(self, Self::Adopt { .. }) { 2 } else { 0 }
    }

    /// Whether so many descriptors may have come with this message. A ring is also brought without: a gateway that has no
    /// record of any ring of this user has descriptors refused at their sender, and answers why.
    #[must_use]
    pub const fn takes(&self, descriptors: usize) -> bool {
        descriptors == 0 || descriptors == self.descriptors()
    }

    /// The message as one datagram.
    ///
    /// # Errors
    /// [`EncodeError`] for what a gateway of `version` cannot be told.
    pub fn encode(&self, request: u32, version: Version) -> Result<Vec<u8>, EncodeError> {
        let mut out = Encoder::new(self.kind(), request, version);
        match self {
            Self::Hello { min, max } => {
                out.u16(*min);
                out.u16(*max);
            }
            Self::ListFlows { after } => out.name(after.as_ref()),
            Self::Produce(ring) => ring.encode(&mut out),
            Self::Mapped { epoch } | Self::Withdraw { epoch } => out.u128(*epoch),
            Self::Subscribe { name, class, start } => {
                out.name(Some(name));
                out.class(*class);
                out.start(*start);
            }
            Self::Joined { join, first: index } | Self::Evicted { join, end: index } => {
                out.u64(*join);
                out.u64(index.0);
            }
            Self::NotJoined { join } | Self::Left { join } => out.u64(*join),
            Self::Member(member) => {
                out.needs_newer(true, "adoption");
                member.encode(&mut out);
            }
            Self::Conclude { epoch } => {
                out.needs_newer(true, "a successor");
                out.u128(*epoch);
            }
            Self::Adopt { epoch, name } => {
                out.needs_newer(true, "adoption");
                out.u128(*epoch);
                out.name(Some(name));
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
            1 => Self::Hello { min: body.u16("version")?, max: body.u16("version")? },
            2 => Self::ListFlows { after: body.name()? },
            3 => Self::Produce(RingRequest::decode(&mut body)?),
            4 => Self::Mapped { epoch: body.u128("epoch")? },
            5 => Self::Subscribe { name: body.named()?, class: body.class()?, start: body.start()? },
            6 => Self::Joined { join: body.u64("join")?, first: body.index("first grain")? },
            7 => Self::NotJoined { join: body.u64("join")? },
            8 => Self::Evicted { join: body.u64("join")?, end: body.index("end")? },
            9 => Self::Left { join: body.u64("join")? },
            10 => Self::Withdraw { epoch: body.u128("epoch")? },
            MEMBER if !body.is_first() => Self::Member(Member::decode(&mut body)?),
            ADOPT if !body.is_first() => Self::Adopt { epoch: body.u128("epoch")?, name: body.named()? },
            CONCLUDE if !body.is_first() => Self::Conclude { epoch: body.u128("epoch")? },
            other => return Err(DecodeError::Kind(other)),
        };
        body.close((request, message))
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::Hello { .. } => 1,
            Self::ListFlows { .. } => 2,
            Self::Produce(_) => 3,
            Self::Mapped { .. } => 4,
            Self::Subscribe { .. } => 5,
            Self::Joined { .. } => 6,
            Self::NotJoined { .. } => 7,
            Self::Evicted { .. } => 8,
            Self::Left { .. } => 9,
            Self::Withdraw { .. } => 10,
            Self::Member(_) => MEMBER,
            Self::Adopt { .. } => ADOPT,
            Self::Conclude { .. } => CONCLUDE,
        }
    }
}

impl Member {
    /// `epoch u128, join u64, consumer u8, class, nonce u64, evicted u8, first u64, end u64 (0 while it reads)`.
    fn encode(&self, out: &mut Encoder) {
        out.u128(self.epoch);
        out.u64(self.join);
        out.u8(self.consumer);
        out.class(self.class);
        out.u64(self.nonce);
        let (evicted, first, end) = match self.stage {
            MemberStage::Live { first } => (0, first.0, 0),
            MemberStage::Evicted { first, end } => (1, first.0, end.0),
        };
        out.u8(evicted);
        out.u64(first);
        out.u64(end);
    }

    fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (epoch, join) = (body.u128("epoch")?, body.u64("join")?);
        let (consumer, class, nonce) = (body.consumer()?, body.class()?, body.u64("nonce")?);
        let (evicted, first, end) = (body.flag("stage")?, body.index("first grain")?, body.index("end")?);
        let stage = match evicted {
            true => MemberStage::Evicted { first, end },
            false if end.0 == 0 => MemberStage::Live { first },
            false => return Err(DecodeError::Field("end")),
        };
        Ok(Self { epoch, join, consumer, class, nonce, stage })
    }
}
