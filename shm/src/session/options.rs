//! What a pod may ask for when it produces or subscribes; the defaults serve most.

use media::FlowFormat;

use crate::{Blocking, ConsumerClass, Start, WakeMode};

/// How a flow is produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceOptions {
    /// Slots of the ring; none takes the gateway's default.
    pub slots: Option<u16>,
    /// Grains that may be open at a time: 1 to 8.
    pub open_max: u16,
    /// Who wakes consumers that sleep: by default the writer, as it publishes.
    pub wake: WakeMode,
    /// Whether consumers may hold the writer up.
    pub blocking: Blocking,
}

impl Default for ProduceOptions {
    fn default() -> Self {
        Self { slots: None, open_max: 1, wake: WakeMode::Inline, blocking: Blocking::default() }
    }
}

impl From<Option<u16>> for ProduceOptions {
    fn from(slots: Option<u16>) -> Self {
        Self { slots, ..Self::default() }
    }
}

/// How a flow is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// What the consumer may hold, and what becomes of it when it is late.
    pub class: ConsumerClass,
    /// Where it begins.
    pub start: Start,
    /// The format that the flow must have; none takes any.
    pub expect: Option<FlowFormat>,
}

impl From<ConsumerClass> for SubscribeOptions {
    fn from(class: ConsumerClass) -> Self {
        Self { class, start: Start::default(), expect: None }
    }
}

/// A class that no consumer can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassError {
    /// A lease of nothing.
    #[error("a consumer that may hold 0 grains reads none: let it hold 1 or more, or ask for lossy")]
    NoGrains,
    /// Late before it begins.
    #[error("a deadline of {nanos} ns is over at once: give it some time, or i64::MAX for as long as it likes")]
    Deadline {
        /// What was asked for, ns.
        nanos: i64,
    },
}

impl SubscribeOptions {
    /// Finds what could not be said to a gateway.
    pub(super) const fn check(&self) -> Result<(), ClassError> {
        match self.class {
            ConsumerClass::Leased { k: 0, .. } | ConsumerClass::Blocking { k: 0 } => Err(ClassError::NoGrains),
            ConsumerClass::Leased { deadline_nanos: nanos @ ..=0, .. } => Err(ClassError::Deadline { nanos }),
            _ => Ok(()),
        }
    }
}
