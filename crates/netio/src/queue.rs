//! The seam: receive and transmit queues.

use std::ops::Range;
use std::time::Duration;

use shm::StableBytes;

use crate::{Alarm, Burst, PacketBuf, Path, PathError, PathId, Planned, RxCounters, TxCounters};

/// Longest header that [`TxQueue::gather`] takes: RTP, the payload header and room for an extension.
pub const MAX_HEADER_OCTETS: usize = 64;

/// Octets of the header that a relayed packet gets: RTP's without CSRCs and extension (RFC 3550 §5.1).
pub const RELAYED_HEADER_OCTETS: usize = 12;

/// A received packet and the header that takes the place of its first [`RELAYED_HEADER_OCTETS`].
#[derive(Debug)]
pub struct Relayed<'a, B> {
    /// The header for this path.
    pub header: [u8; RELAYED_HEADER_OCTETS],
    /// What was received.
    pub packet: &'a B,
}

/// What became of packets that were to be made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// So many, from the first on, are in the burst.
    pub packets: usize,
    /// Why the next one is not; `None` when all were made, or the burst is full.
    pub refusal: Option<TxFull>,
}

/// Who holds packets to the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pacing {
    /// The caller: a packet goes when it is given to `tx_burst`.
    Software,
    /// The port: it holds a queue to a rate.
    RateLimit,
    /// The port: it sends each packet at its time.
    LaunchTime,
}

/// Why a transmit queue did not take something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxFull {
    /// Every payload slot is in use: send, then `reap`.
    #[error("all payload slots are in use")]
    Payloads,
    /// No packet buffer is free: send first.
    #[error("no packet buffer is free")]
    Buffers,
    /// The payload has been gathered as often as `attach` announced.
    #[error("more packets than were announced for the payload")]
    Packets,
    /// The range is inverted or ends outside of the payload, or more is to be skipped than was received.
    #[error("the range lies outside of the payload")]
    Range,
    /// The header is longer than [`MAX_HEADER_OCTETS`].
    #[error("the header is too long")]
    Header,
    /// The path is closed or of another queue.
    #[error("the path is not open")]
    Path,
    /// The packet would not fit the port's MTU.
    #[error("the packet is longer than the port's MTU")]
    Mtu,
    /// The link address of the path's next hop is not known yet. It is being asked for.
    #[error("the next hop has not told its link address yet")]
    Unresolved,
}

impl TxFull {
    /// Whether the same call may succeed later. The others are a caller's error.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Payloads | Self::Buffers | Self::Unresolved)
    }
}

/// A queue that packets come from.
pub trait RxQueue {
    /// A received packet.
    type Buf: PacketBuf;

    /// Appends what has arrived to `burst`, as far as it has room; returns how many. Never blocks.
    fn rx_burst(&mut self, burst: &mut Burst<Self::Buf>) -> usize;

    /// Takes back packets that nobody needs any more, and leaves `burst` empty. As dropping them, which a backend may do at a
    /// lower price for all of them at once.
    #[inline]
    fn take_back(&mut self, burst: &mut Burst<Self::Buf>) {
        burst.clear();
    }

    /// Called by the thread that polls it before another one does: what it keeps by thread it gives back here.
    fn leave(&mut self) {}

    /// The counters since the queue was opened.
    fn counters(&self) -> RxCounters;

    /// What turns readable as packets arrive, for whoever would sleep until then; `None` where the queue must be polled.
    /// It stays the same until the device is attached anew.
    fn alarm(&self) -> Option<Alarm<'_>> {
        None
    }

    /// Has the alarm ring at the next packet; returns whether that may be slept on: `false` when packets wait already, or the
    /// device does not ring. The queue was polled dry before. May call the kernel.
    fn arm(&mut self) -> bool {
        false
    }

    /// Ends what [`Self::arm`] began: the queue is polled from here on. May call the kernel.
    fn disarm(&mut self) {}

    /// How long nobody may look at the queue and nothing is lost: half of what it buffers at the rate that it was sized for.
    fn patience(&self) -> Duration {
        Duration::MAX
    }
}

/// A queue that packets go to. Packets gather a copied header and a referenced range of a lease, or of a packet that was
/// received.
///
/// `header` starts at RTP on every backend: the backend adds what is below it. A payload may be gathered on
/// any queue of the same backend that the same worker holds; attach, cancel and reap happen on the first.
pub trait TxQueue {
    /// A packet to be sent. Dropped unsent, it gives its reference to the payload back.
    type Buf;
    /// An attached lease. Dropped, it is cancelled.
    type Payload;
    /// What keeps the payload's memory in place.
    type Lease: StableBytes;
    /// What the same backend receives.
    type Received: PacketBuf;

    /// Who paces on this port; read once at start.
    fn pacing(&self) -> Pacing;

    /// Resolves a path. Off the hot path: may block briefly and allocate.
    ///
    /// # Errors
    /// [`PathError`] says what was asked, what is wrong and what would work.
    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError>;

    /// Forgets a path. Packets of it that were not sent yet count as errors when their turn comes. Off the hot path.
    fn close_path(&mut self, path: PathId);

    /// Takes a lease, once per grain or line range of it. `packets`: how many packets on all legs will refer to it.
    ///
    /// # Errors
    /// [`TxFull::Payloads`], with the lease.
    fn attach(&mut self, lease: Self::Lease, packets: u32) -> Result<Self::Payload, (TxFull, Self::Lease)>;

    /// A packet of `header`, which is copied, and `range` (octets) of the payload, which is referenced until the
    /// device is done with it.
    ///
    /// # Errors
    /// Any [`TxFull`] but [`TxFull::Payloads`]. Nothing is consumed then.
    fn gather(
        &mut self,
        path: PathId,
        header: &[u8],
        payload: &Self::Payload,
        range: Range<u32>,
    ) -> Result<Self::Buf, TxFull>;

    /// Packets of one path and one payload, behind what `out` holds, as far as it has room. Those that were made before an
    /// error stay there; `packets` may then have been asked for more, but for no more than there was room for.
    ///
    /// # Errors
    /// As [`Self::gather`], of the first packet that was not made.
    fn gather_burst(
        &mut self,
        path: PathId,
        payload: &Self::Payload,
        packets: impl Iterator<Item = Planned>,
        out: &mut Burst<Self::Buf>,
    ) -> Result<(), TxFull> {
        for packet in packets.take(out.room()) {
            let buf = self.gather(path, packet.header(), payload, packet.range())?;
            let pushed = out.push(buf).is_ok();
            debug_assert!(pushed, "a packet more than there was room for");
        }
        Ok(())
    }

    /// Relay: a packet of `header`, which is copied, and what follows the first `skip` octets of a received packet.
    /// These are shared by reference count until the device is done with them: `received` may drop before.
    ///
    /// # Errors
    /// Any [`TxFull`] but [`TxFull::Payloads`] and [`TxFull::Packets`]; [`TxFull::Range`] when the packet has fewer octets
    /// than `skip`.
    fn forward(
        &mut self,
        path: PathId,
        header: &[u8],
        received: &Self::Received,
        skip: u16,
    ) -> Result<Self::Buf, TxFull>;

    /// Relay: [`Self::forward`] for several packets to one path, appended to `burst` as far as it has room.
    fn forward_burst(
        &mut self,
        path: PathId,
        packets: &[Relayed<'_, Self::Received>],
        burst: &mut Burst<Self::Buf>,
    ) -> Made {
        let mut made = 0;
        for relayed in packets.iter().take(burst.room()) {
            match self.forward(path, &relayed.header, relayed.packet, RELAYED_HEADER_OCTETS as u16) {
                Ok(packet) => {
                    let fits = burst.push(packet).is_ok();
                    debug_assert!(fits, "no more than the burst has room for");
                }
                Err(full) => return Made { packets: made, refusal: Some(full) },
            }
            made += 1;
        }
        Made { packets: made, refusal: None }
    }

    /// Sends from the front; returns how many left the burst, given-up ones included. What was not taken stays, and
    /// goes first next time. Never blocks.
    fn tx_burst(&mut self, burst: &mut Burst<Self::Buf>) -> usize;

    /// Ends a payload of which `unsent` announced packets were never gathered. Packets that were gathered keep it.
    fn cancel(&mut self, payload: Self::Payload, unsent: u32);

    /// Ends (drops) the leases that the device has finished with.
    fn reap(&mut self);

    /// Called by the thread that sends by it before another one does: what it keeps by thread it gives back here.
    fn leave(&mut self) {}

    /// The counters since the queue was opened.
    fn counters(&self) -> TxCounters;
}
