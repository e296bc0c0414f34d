//! The names under which a worker knows what it serves.

/// Names a receiver on its worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceiverKey(pub u64);

/// Names a sender on its worker; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SenderKey(pub u64);
