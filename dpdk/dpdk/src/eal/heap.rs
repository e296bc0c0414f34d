//! EAL's heap, from which pools and drivers have their memory.

use dpdk_sys::rte_malloc_socket_stats;

/// What is taken from the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapUse {
    /// Octets, those of the heap's own headers included.
    pub octets: u64,
    /// Pieces.
    pub pieces: u64,
}

/// The sums over all NUMA nodes.
pub(super) fn in_use() -> HeapUse {
    (0..dpdk_sys::RTE_MAX_NUMA_NODES as i32).fold(HeapUse::default(), |sum, node| {
        let mut stats = rte_malloc_socket_stats::default();
        // SAFETY: `stats` is ours to write; a node that there is not is refused.
        let result = unsafe { dpdk_sys::rte_malloc_get_socket_stats(node, &raw mut stats) };
        if result < 0 {
            return sum;
        }
        let pieces = sum.pieces + u64::from(stats.alloc_count);
        HeapUse { octets: sum.octets + stats.heap_allocsz_bytes as u64, pieces }
    })
}
