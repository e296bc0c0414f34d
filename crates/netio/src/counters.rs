//! Counters of a queue. Plain values: the worker copies them into its own published ones.

/// What a receive queue has seen since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RxCounters {
    /// Packets handed out.
    pub packets: u64,
    /// Their UDP payload octets.
    pub octets: u64,
    /// Bursts that held at least one packet.
    pub bursts: u64,
    /// Packets that the kernel or the device dropped because the queue was full.
    pub socket_drops: u64,
    /// Packets that did not fit their buffer and were dropped.
    pub truncated: u64,
    /// Failed receive calls, and packets whose description was unusable.
    pub errors: u64,
    /// Turns in which no buffer was free: what the worker holds has exhausted the pool.
    pub no_buffers: u64,
    /// Octets that the kernel or a driver copied on the way here.
    pub octets_copied_by_kernel: u64,
}

/// What a transmit queue has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxCounters {
    /// Packets that the kernel or the device took.
    pub packets: u64,
    /// Their UDP payload octets, headers included.
    pub octets: u64,
    /// Bursts that stopped early because the kernel or the device was full.
    pub would_block: u64,
    /// Packets that could not be sent and were given up.
    pub errors: u64,
    /// Answers of the network to earlier packets (such as port unreachable), which lost no packet here.
    pub peer_errors: u64,
    /// Packets that were not made because the next hop's link address was not known; the same packet may count often.
    pub unresolved: u64,
    /// Paths on which segmentation offload was refused; they go on packet by packet.
    pub gso_refused: u64,
    /// Octets that the kernel or a driver copied, headers included.
    pub octets_copied_by_kernel: u64,
    /// Payload octets that the backend itself copied.
    pub octets_copied_by_us: u64,
}
