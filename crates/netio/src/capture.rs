//! Copies of frames for whoever wants to see what passes a port: taken by its worker, bounded, sampled, cut.
//!
//! ```text
//!  worker                                   capture thread
//!  CaptureEnd (receive queue)  ─ take ──►
//!  CaptureEnd (transmit queue) ─ take ──►   CaptureRing ── next ──► a file
//!         ▲────────── on, off ───────────── CaptureTap
//! ```
//! While nothing is captured an end costs its queue one load and one branch a burst. A ring is allocated before an
//! end gets it, and freed by the tap: on a worker nothing allocates, frees, waits or locks. What finds no room is counted, and lost to
//! the capture only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use media::Tai;

use crate::switch::{Lead, Switch};
use crate::wait::Doorbell;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureWay {
    /// It was received.
    In,
    /// It was sent.
    Out,
}

/// How much is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Frames under way to the capture thread, at least 1.
    pub frames: u32,
    /// Octets of a frame that are kept, at least 1.
    pub snap_octets: u16,
    /// One of so many frames is taken, at least 1.
    pub sample: u32,
}

/// A frame, or its beginning.
#[derive(Debug)]
pub struct CapturedFrame {
    storage: Box<[u8]>,
    kept: usize,
    /// When it passed: arrived, as well as its queue knows, or was handed to the device.
    pub time: Tai,
    /// Which way it went.
    pub way: CaptureWay,
    /// How long it was, octets.
    pub octets: u32,
}

impl CapturedFrame {
    /// What was kept of it, from the destination's link address on.
    #[must_use]
    pub fn kept(&self) -> &[u8] {
        &self.storage[..self.kept]
    }
}

/// Frames between a worker and the capture thread.
#[derive(Debug)]
pub struct CaptureRing {
    config: CaptureConfig,
    free: ArrayQueue<CapturedFrame>,
    full: ArrayQueue<CapturedFrame>,
    seen: AtomicU64,
    dropped: AtomicU64,
}

impl CaptureRing {
    fn new(config: CaptureConfig) -> Self {
        let config = CaptureConfig { frames: config.frames.max(1), sample: config.sample.max(1), ..config };
        let frames = config.frames as usize;
        let ring = Self {
            config,
            free: ArrayQueue::new(frames),
            full: ArrayQueue::new(frames),
            seen: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        for _ in 0..frames {
            let storage = vec![0; usize::from(config.snap_octets.max(1))].into_boxed_slice();
            ring.give_back(CapturedFrame { storage, kept: 0, time: Tai::EPOCH, way: CaptureWay::In, octets: 0 });
        }
        ring
    }

    /// The oldest frame; to be given back.
    #[must_use]
    pub fn next(&self) -> Option<CapturedFrame> {
        self.full.pop()
    }

    /// Makes room for another frame.
    pub fn give_back(&self, frame: CapturedFrame) {
        let pushed = self.free.push(frame);
        debug_assert!(pushed.is_ok(), "there is room for every frame");
    }

    /// Frames that passed, sampled or not.
    #[must_use]
    pub fn seen(&self) -> u64 {
        // A count alone.
        self.seen.load(Ordering::Relaxed)
    }

    /// Frames that were to be taken and found no room: the capture thread is late.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        // A count alone.
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The end in a queue.
#[derive(Debug)]
pub struct CaptureEnd {
    lead: Lead<CaptureRing>,
    way: CaptureWay,
    /// Frames until the next one that is taken.
    skip: u32,
}

impl CaptureEnd {
    /// Whether frames are to be taken. Once per burst.
    #[inline]
    pub fn is_on(&mut self) -> bool {
        self.lead.is_on() && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        let skip = &mut self.skip;
        // The next capture begins with the next frame.
        self.lead.look(|_| *skip = 0)
    }

    /// Takes a frame of `octets` octets that passed at `time`, of which `fill` copies the first into what it is given and says
    /// how many.
    #[cold]
    pub fn take(&mut self, time: Tai, octets: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        let Some(ring) = self.lead.held() else { return };
        // Counts alone.
        ring.seen.fetch_add(1, Ordering::Relaxed);
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        self.skip = ring.config.sample - 1;
        let Some(mut frame) = ring.free.pop() else {
            ring.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        frame.time = time;
        frame.way = self.way;
        frame.octets = u32::try_from(octets).unwrap_or(u32::MAX);
        let room = frame.storage.len().min(octets);
        frame.kept = fill(&mut frame.storage[..room]).min(room);
        let pushed = ring.full.push(frame);
        debug_assert!(pushed.is_ok(), "there is room for every frame");
    }
}

/// The side that turns a port's capture on and off.
#[derive(Debug)]
pub struct CaptureTap(Switch<CaptureRing>);

/// A port that is captured already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frames of this port are being captured already: stop that capture first, or wait for its end")]
pub struct CaptureBusy;

/// A tap with the ends for a port's receive and transmit queue.
#[must_use]
pub fn capture() -> (CaptureTap, CaptureEnd, CaptureEnd) {
    let mut tap = CaptureTap(Switch::new());
    let (rx, tx) = (tap.further(CaptureWay::In), tap.further(CaptureWay::Out));
    (tap, rx, tx)
}

impl CaptureTap {
    /// An end for one more queue of the port.
    pub fn further(&mut self, way: CaptureWay) -> CaptureEnd {
        CaptureEnd { lead: self.0.lead(), way, skip: 0 }
    }

    /// From now on a worker that has one of the ends is woken when a capture begins or ends.
    pub fn wakes_by(&self, bell: Arc<Doorbell>) {
        self.0.wakes_by(bell);
    }

    /// Turns the capture on.
    ///
    /// # Errors
    /// [`CaptureBusy`].
    pub fn start(&self, config: CaptureConfig) -> Result<Arc<CaptureRing>, CaptureBusy> {
        self.0.give(|| CaptureRing::new(config)).ok_or(CaptureBusy)
    }

    /// Turns the capture off; what was taken may still be read.
    pub fn stop(&self) {
        self.0.take();
    }

    /// Frees what no end has any more; returns whether none is left. After a stop, when the worker had a turn.
    pub fn tidy(&self) -> bool {
        self.0.tidy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: CaptureConfig = CaptureConfig { frames: 4, snap_octets: 3, sample: 1 };

    fn take(end: &mut CaptureEnd, octets: &[u8]) {
        if end.is_on() {
            end.take(Tai::from_nanos(5), octets.len(), |out| {
                out.copy_from_slice(&octets[..out.len()]);
                out.len()
            });
        }
    }

    #[test]
    fn frames_are_cut_and_keep_their_length_and_way() {
        let (tap, mut rx, mut tx) = capture();
        take(&mut rx, b"before");
        let ring = tap.start(CONFIG).unwrap();
        take(&mut rx, b"received");
        take(&mut tx, b"tx");
        let (first, second) = (ring.next().unwrap(), ring.next().unwrap());
        assert_eq!((first.kept(), first.octets, first.way, first.time.as_nanos()), (&b"rec"[..], 8, CaptureWay::In, 5));
        assert_eq!((second.kept(), second.octets, second.way), (&b"tx"[..], 2, CaptureWay::Out));
        assert!(ring.next().is_none());
        tap.stop();
        take(&mut rx, b"after");
        take(&mut tx, b"after");
        assert!(ring.next().is_none() && ring.seen() == 2);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_one_of_so_many_is_taken() {
        let (tap, mut rx, _tx) = capture();
        let ring = tap.start(CaptureConfig { sample: 3, ..CONFIG }).unwrap();
        (0..30).for_each(|at| take(&mut rx, &[at]));
        assert_eq!((ring.seen(), ring.dropped()), (30, 6));
        let kept: Vec<u8> = std::iter::from_fn(|| ring.next()).map(|frame| frame.kept()[0]).collect();
        assert_eq!(kept, [0, 3, 6, 9]);
    }

    #[test]
    fn further_queues_are_captured_with_the_others() {
        let (mut tap, mut rx, mut tx) = capture();
        let mut further = tap.further(CaptureWay::Out);
        let ring = tap.start(CONFIG).unwrap();
        take(&mut rx, b"x");
        take(&mut further, b"f");
        take(&mut tx, b"y");
        let taken: Vec<_> = std::iter::from_fn(|| ring.next()).map(|frame| (frame.kept()[0], frame.way)).collect();
        assert_eq!(taken, [(b'x', CaptureWay::In), (b'f', CaptureWay::Out), (b'y', CaptureWay::Out)]);
        tap.stop();
        [&mut rx, &mut tx, &mut further].into_iter().for_each(|end| take(end, b"z"));
        assert!(ring.next().is_none() && tap.start(CONFIG).is_err());
        drop(ring);
        assert!(tap.start(CONFIG).is_ok(), "every end has let go of it");
    }

    #[test]
    fn a_port_is_captured_once_at_a_time_and_a_worker_never_frees() {
        let (tap, mut rx, mut tx) = capture();
        let ring = tap.start(CONFIG).unwrap();
        take(&mut rx, b"x");
        assert_eq!(tap.start(CONFIG).unwrap_err(), CaptureBusy);
        tap.stop();
        drop(ring);
        // An end has it still.
        assert_eq!(tap.start(CONFIG).unwrap_err(), CaptureBusy);
        take(&mut rx, b"x");
        take(&mut tx, b"x");
        assert!(!rx.lead.is_on() && !tx.lead.is_on());
        let again = tap.start(CONFIG).unwrap();
        take(&mut tx, b"y");
        assert_eq!(again.next().unwrap().kept(), b"y");
        tap.stop();
        drop(again);
        assert!(!tap.tidy(), "an end has it still");
        take(&mut tx, b"y");
        assert!(tap.tidy(), "its memory is free before another capture begins");
    }
}
