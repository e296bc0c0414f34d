//! Frames that a port's worker receives as if they had come by the wire, each at its time: out of a capture file, for one.
//!
//! ```text
//!  injecting thread                                   worker
//!  a file ── put ──► InjectionRing ── due, pass ──► InjectionEnd (receive queue) ─► what the device brought
//!  InjectionTap ───────────── on, off ──────────────────▲
//! ```
//! The thread is ahead of time by what the ring holds; the worker takes a frame in the first turn after its time. While
//! nothing is injected the end costs its queue one load and one branch a burst, and on a worker nothing allocates, frees,
//! waits or locks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use media::Tai;

use crate::switch::{Lead, Switch};
use crate::wait::Doorbell;

/// How much may be on its way to the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectionConfig {
    /// Frames, at least 1.
    pub frames: u32,
    /// Octets of the longest frame, at least 1.
    pub frame_octets: u16,
}

/// A frame on its way.
#[derive(Debug)]
struct Waiting {
    storage: Box<[u8]>,
    octets: usize,
    due: Tai,
}

/// Frames between the injecting thread and a worker.
#[derive(Debug)]
pub struct InjectionRing {
    free: ArrayQueue<Waiting>,
    full: ArrayQueue<Waiting>,
    injected: AtomicU64,
    dropped: AtomicU64,
    latest_nanos: AtomicU64,
}

impl InjectionRing {
    fn new(config: InjectionConfig) -> Self {
        let frames = config.frames.max(1) as usize;
        let ring = Self {
            free: ArrayQueue::new(frames),
            full: ArrayQueue::new(frames),
            injected: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            latest_nanos: AtomicU64::new(0),
        };
        for _ in 0..frames {
            let storage = vec![0; usize::from(config.frame_octets.max(1))].into_boxed_slice();
            ring.give_back(Waiting { storage, octets: 0, due: Tai::EPOCH });
        }
        ring
    }

    /// Has a frame received at `due`, after those before it. Returns whether there is room for it; one that is longer than
    /// the ring's longest never finds any.
    #[must_use]
    pub fn put(&self, due: Tai, frame: &[u8]) -> bool {
        let Some(mut waiting) = self.free.pop() else { return false };
        let fits = frame.len() <= waiting.storage.len();
        if fits {
            waiting.storage[..frame.len()].copy_from_slice(frame);
            (waiting.octets, waiting.due) = (frame.len(), due);
            let pushed = self.full.push(waiting);
            debug_assert!(pushed.is_ok(), "there is room for every frame");
        } else {
            self.give_back(waiting);
        }
        fits
    }

    /// Whether the worker has taken all of them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.is_full()
    }

    /// Frames that the worker received.
    #[must_use]
    pub fn injected(&self) -> u64 {
        // A count alone; so are the others.
        self.injected.load(Ordering::Relaxed)
    }

    /// Frames that the worker had no packet buffer for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How late the latest of them was, nanoseconds.
    #[must_use]
    pub fn latest_nanos(&self) -> u64 {
        self.latest_nanos.load(Ordering::Relaxed)
    }

    fn give_back(&self, waiting: Waiting) {
        let pushed = self.free.push(waiting);
        debug_assert!(pushed.is_ok(), "there is room for every frame");
    }
}

/// The end in a receive queue.
#[derive(Debug)]
pub struct InjectionEnd {
    lead: Lead<InjectionRing>,
    /// The next one, whose time may not have come.
    next: Option<Waiting>,
}

impl InjectionEnd {
    /// Whether frames are injected. Once per burst.
    #[inline]
    pub fn is_on(&mut self) -> bool {
        self.lead.is_on() && self.look()
    }

    #[cold]
    fn look(&mut self) -> bool {
        let next = &mut self.next;
        // What was not due goes back to where it came from.
        self.lead.look(|ring| next.take().into_iter().for_each(|waiting| ring.give_back(waiting)))
    }

    /// The next frame, if its time has come; until it is passed.
    #[cold]
    pub fn due(&mut self, now: Tai) -> Option<&[u8]> {
        if self.next.is_none() {
            self.next = self.lead.held()?.full.pop();
        }
        self.next.as_ref().filter(|waiting| waiting.due <= now).map(|waiting| &waiting.storage[..waiting.octets])
    }

    /// Goes on to the one after it. `has_buffer`: whether it was received.
    #[cold]
    pub fn pass(&mut self, now: Tai, has_buffer: bool) {
        let (Some(ring), Some(waiting)) = (self.lead.held(), self.next.take()) else { return };
        let counter = if has_buffer { &ring.injected } else { &ring.dropped };
        // Counts alone.
        counter.fetch_add(1, Ordering::Relaxed);
        ring.latest_nanos.fetch_max(now.nanos_since(waiting.due).max(0).unsigned_abs(), Ordering::Relaxed);
        ring.give_back(waiting);
    }
}

/// The side that injects into a port.
#[derive(Debug)]
pub struct InjectionTap(Switch<InjectionRing>);

/// A port into which somebody injects already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frames are being injected into this port already: stop that first, or wait for its end")]
pub struct InjectionBusy;

/// A tap with the end for a port's receive queue.
#[must_use]
pub fn injection() -> (InjectionTap, InjectionEnd) {
    let mut switch = Switch::new();
    let lead = switch.lead();
    (InjectionTap(switch), InjectionEnd { lead, next: None })
}

impl InjectionTap {
    /// From now on the worker that has the end is woken when something begins.
    pub fn wakes_by(&self, bell: Arc<Doorbell>) {
        self.0.wakes_by(bell);
    }

    /// Begins: what is put into the ring is received.
    ///
    /// # Errors
    /// [`InjectionBusy`].
    pub fn start(&self, config: InjectionConfig) -> Result<Arc<InjectionRing>, InjectionBusy> {
        self.0.give(|| InjectionRing::new(config)).ok_or(InjectionBusy)
    }

    /// Ends: what was not received by then never is.
    pub fn stop(&self) {
        self.0.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: InjectionConfig = InjectionConfig { frames: 3, frame_octets: 4 };

    fn at(nanos: i64) -> Tai {
        Tai::from_nanos(nanos)
    }

    /// What a worker receives in a turn.
    fn turn(end: &mut InjectionEnd, now: Tai) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        while end.is_on()
            && let Some(frame) = end.due(now)
        {
            received.push(frame.to_vec());
            end.pass(now, true);
        }
        received
    }

    #[test]
    fn frames_come_in_order_and_not_before_their_time() {
        let (tap, mut end) = injection();
        assert!(!end.is_on());
        let ring = tap.start(CONFIG).unwrap();
        assert!(ring.put(at(10), b"a") && ring.put(at(20), b"bcd") && ring.put(at(15), b"late"));
        assert!(!ring.put(at(30), b"full") && !ring.is_empty());
        assert_eq!(turn(&mut end, at(9)), Vec::<Vec<u8>>::new());
        assert_eq!(turn(&mut end, at(12)), [b"a"]);
        assert_eq!(turn(&mut end, at(25)), [&b"bcd"[..], b"late"], "in the order of the file");
        assert!(ring.is_empty());
        assert_eq!((ring.injected(), ring.dropped(), ring.latest_nanos()), (3, 0, 10));
        assert!(!ring.put(at(30), b"longer"), "too long");
        assert!(ring.is_empty());
    }

    #[test]
    fn what_is_not_due_when_it_ends_is_given_back() {
        let (tap, mut end) = injection();
        let ring = tap.start(CONFIG).unwrap();
        assert!(ring.put(at(10), b"a") && ring.put(at(10), b"b"));
        assert!(end.is_on() && end.due(at(0)).is_none());
        assert_eq!(tap.start(CONFIG).unwrap_err(), InjectionBusy);
        tap.stop();
        assert!(!end.is_on() && end.next.is_none());
        // One was in the worker's hands, the other never was.
        assert_eq!((ring.free.len(), ring.full.len()), (2, 1));
        drop(ring);
        assert!(tap.start(CONFIG).is_ok());
    }

    #[test]
    fn what_finds_no_buffer_is_counted_and_lost() {
        let (tap, mut end) = injection();
        let ring = tap.start(CONFIG).unwrap();
        assert!(ring.put(at(1), b"a") && end.is_on() && end.due(at(1)).is_some());
        end.pass(at(1), false);
        assert!(end.due(at(1)).is_none());
        assert_eq!((ring.injected(), ring.dropped(), ring.is_empty()), (0, 1, true));
    }

    #[test]
    fn a_worker_that_sleeps_is_woken() {
        let (tap, _end) = injection();
        let bell = Doorbell::new().unwrap();
        tap.wakes_by(Arc::clone(&bell));
        let bed = crate::wait::Bed::new(Arc::clone(&bell)).unwrap();
        tap.start(CONFIG).unwrap();
        assert!(bed.sleep(std::time::Duration::from_secs(20)));
    }
}
