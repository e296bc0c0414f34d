//! A received packet: its UDP payload and where it came from.

use std::net::SocketAddr;

use media::Tai;

/// Who told when a packet arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeSource {
    /// Nobody: it is when its burst was taken from the queue.
    #[default]
    Burst,
    /// The kernel, when the network card's driver handed it over.
    Kernel,
    /// The network card itself.
    Nic,
}

/// What is known of a received packet besides its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMeta {
    /// Who sent it.
    pub source: SocketAddr,
    /// The address and port it was sent to (the group, for multicast). The scope of an IPv6 address is 0.
    pub destination: SocketAddr,
    /// When it arrived, as near to the wire as the backend can tell.
    pub arrival: Tai,
    /// Who told that.
    pub timed_by: TimeSource,
}

/// The UDP payload of a received packet, in one or several contiguous segments.
///
/// The value keeps its memory: a worker may hold it for a reorder window. Every value held is missing from
/// the queue's pool until it drops.
pub trait PacketBuf: Sized {
    /// Source, destination and arrival.
    fn meta(&self) -> &PacketMeta;

    /// The same packet once more, for whoever keeps it beyond its burst: its memory is shared, not copied.
    #[must_use]
    fn again(&self) -> Self;

    /// Says that the octets will be read soon: a backend may ask for those that are not in the caches yet.
    #[inline]
    fn prefetch(&self) {}

    /// Says that the packet will go on to so many destinations ([`crate::TxQueue::forward`]): a backend may then count them
    /// at once. No promise.
    fn expect_copies(&self, copies: usize) {
        let _ = copies;
    }

    /// Octets of all segments together.
    fn octets(&self) -> usize;

    /// The first segment. It holds at least the RTP header when the packet is long enough for one.
    fn head(&self) -> &[u8];

    /// All segments in order, the first included. None is empty.
    fn segments(&self) -> impl Iterator<Item = &[u8]>;

    /// `octets` octets behind the first `skip`, where they lie in one segment.
    #[inline]
    fn run(&self, skip: usize, octets: usize) -> Option<&[u8]> {
        let mut skip = skip;
        for segment in self.segments() {
            if let Some(rest) = segment.get(skip..).filter(|rest| !rest.is_empty()) {
                return rest.get(..octets);
            }
            skip -= segment.len();
        }
        None
    }

    /// The last octet (RTP's padding count, RFC 3550 §5.1); 0 when the packet is empty.
    fn last_octet(&self) -> u8;
}
