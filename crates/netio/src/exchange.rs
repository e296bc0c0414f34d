//! What is not media crosses here: frames between a port's workers and the thread that is present on the wire.
//!
//! ```text
//!  worker                                        presence thread
//!  RxEnd ── offer(frame) ────────► received ───► receive()
//!        ◄─ media() ────────────── tables  ◄──── publish(MediaTable)
//!  TxEnd ◄─ next() ─────────────── to send ◄──── send(frame)
//!        ── resolve(hop, cell) ──► requests ───► request()
//!              ▲ NeighbourCell ◄──────────────── store(link address)
//! ```
//!
//! A worker's packet buffers stay its own: frames cross as copied octets, in buffers that are allocated once and go
//! round. Everything is bounded; what does not fit is refused and counted. On the worker's side nothing allocates,
//! frees, waits or locks. One thread holds each end; the ends may drop in any order. Where several workers serve a port, each
//! has two ends of its own ([`exchange_of`]), and the presence thread one for all of them.

mod counters;
mod frames;
mod host_end;
mod media;
mod neighbour;
mod rx_end;
#[cfg(test)]
mod tests;
mod tx_end;

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;

use counters::Counters;
pub use counters::ExchangeCounters;
pub use frames::ExchangedFrame;
use frames::Frames;
pub use host_end::HostEnd;
pub use media::{MEDIA_LIMIT, MediaTable};
pub use neighbour::{NeighbourCell, Resolve};
pub use rx_end::{Offer, RxEnd};
pub use tx_end::TxEnd;

/// Longest frame that can cross, from the destination's link address on, without the check sequence: a jumbo frame.
pub const FRAME_OCTETS: usize = 9_216;

/// How much may be on its way between a worker and the presence thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeConfig {
    /// Frames under way, in each direction; at least 1.
    pub frames: u16,
    /// Octets of the longest frame, at most [`FRAME_OCTETS`]. Enough for the port's MTU, link header and VLAN tag.
    pub frame_octets: u16,
    /// Questions for neighbours that have not been read; at least 1.
    pub requests: u16,
}

impl Default for ExchangeConfig {
    fn default() -> Self {
        Self { frames: 256, frame_octets: 1_600, requests: 256 }
    }
}

/// What the two ends of a worker share with the third.
struct Shared {
    received: Frames,
    to_send: Frames,
    requests: ArrayQueue<Resolve>,
    /// The newest table, until the worker takes it up.
    fresh: ArrayQueue<Box<MediaTable>>,
    /// Tables that the worker has done with. Between two calls of `publish` there come two at most: one that was
    /// still fresh at the first, and that one's successor.
    retired: ArrayQueue<Box<MediaTable>>,
    counters: Counters,
}

/// Frames that may be under way with a worker that is not the port's first: what comes for the host comes to the first.
const FURTHER_FRAMES: u16 = 8;

/// An exchange between one port of one worker and the presence thread, and all memory that it will ever use.
#[must_use]
pub fn exchange(config: ExchangeConfig) -> (RxEnd, TxEnd, HostEnd) {
    let (shared, rx, tx) = lane(config);
    (rx, tx, HostEnd::new([shared].into()))
}

/// The same for a port of several workers, at least one: what the host sends leaves by the first.
#[must_use]
pub fn exchange_of(config: ExchangeConfig, workers: usize) -> (Vec<(RxEnd, TxEnd)>, HostEnd) {
    let further = ExchangeConfig { frames: FURTHER_FRAMES.min(config.frames), ..config };
    let (mut lanes, mut ends) = (Vec::new(), Vec::new());
    for at in 0..workers.max(1) {
        let (shared, rx, tx) = lane(if at == 0 { config } else { further });
        lanes.push(shared);
        ends.push((rx, tx));
    }
    (ends, HostEnd::new(lanes.into()))
}

fn lane(config: ExchangeConfig) -> (Arc<Shared>, RxEnd, TxEnd) {
    let frame_octets = usize::from(config.frame_octets).min(FRAME_OCTETS);
    let frames = usize::from(config.frames).max(1);
    let shared = Arc::new(Shared {
        received: Frames::new(frames, frame_octets),
        to_send: Frames::new(frames, frame_octets),
        requests: ArrayQueue::new(usize::from(config.requests).max(1)),
        fresh: ArrayQueue::new(1),
        retired: ArrayQueue::new(2),
        counters: Counters::default(),
    });
    let (rx, tx) = (RxEnd::new(Arc::clone(&shared)), TxEnd::new(Arc::clone(&shared)));
    (shared, rx, tx)
}
