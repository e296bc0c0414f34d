//! The names under which a worker knows what it serves.

/// Names a receiver on its worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReceiverKey(pub u64);

/// Names a sender on its worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SenderKey(pub u64);

/// Names an input (a receive queue) on its worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InputKey(pub u64);

/// Names an output (a transmit queue) of a worker: its place in the order in which the worker was given them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputIndex(pub u8);
