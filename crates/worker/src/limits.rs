//! How much one worker serves, and how much of it in a turn: sizes of what is allocated before it starts.

use netio::BURST;

/// Receivers, senders, relays, and forwarders, that one worker serves at most.
pub const WORKER_LIMIT: usize = 256;

/// Bursts that one queue may take from a turn before others have theirs.
pub(crate) const BURSTS_PER_TURN: usize = 8;

/// Packets that one queue may bring in a turn.
pub(crate) const PACKETS_PER_TURN: usize = BURSTS_PER_TURN * BURST;
