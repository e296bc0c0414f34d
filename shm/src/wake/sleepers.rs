//! Whom an inline writer looks at after it has published: the consumers of its ring that ever sleep.
//!
//! One word says whether there are any. It is this process's own, so a writer whose consumers are all awake pays the
//! same for any number of them: a fence and a load.

use super::reached::Reached;
use super::sleeper::Sleeper;
use crate::atomics::{AtomicU64, Mutex, Ordering, fence};
use crate::consumer::CONSUMERS_MAX;
use crate::mapping::Mapping;
use crate::seed::sound;

/// Shared by a writer and the waker of its process.
#[derive(Debug)]
pub(crate) struct Sleepers {
    /// One bit a seat.
    present: AtomicU64,
    /// Locked by the waker only while the seat's bit is not set: the writer never finds one locked that it needs.
    seats: Box<[Mutex<Option<Sleeper>>]>,
}

impl Sleepers {
    pub(crate) fn new() -> Self {
        let seats = (0..CONSUMERS_MAX).map(|_| Mutex::new(None)).collect();
        Self { present: AtomicU64::new(0), seats }
    }

    /// Waker: from now on the writer looks at this consumer. What was published before is visible afterwards, so the
    /// waker looks for itself then.
    pub(crate) fn add(&self, sleeper: Sleeper) {
        let seat = sleeper.seat();
        self.put(seat, Some(sleeper));
        self.present.fetch_or(1 << seat, Ordering::Release); // pairs with after_publishing
        // Dekker: pairs with the fence in `after_publishing`.
        sound!(fence(Ordering::SeqCst), unless SleeperUnfenced);
    }

    /// Waker: the consumer is gone.
    pub(crate) fn remove(&self, seat: u8) {
        self.present.fetch_and(!(1 << seat), Ordering::Relaxed);
        sound!(self.put(seat, None), unless RemoveTried => self.put_if_free(seat));
    }

    /// Writer, after it has published or taken a seat: wakes those for whom that was enough.
    #[inline]
    pub(crate) fn after_publishing(&self, reached: &Reached, control: &Mapping) {
        // Dekker: pairs with the fences in `lease_page::post_want` and in `add`.
        sound!(fence(Ordering::SeqCst), unless PublishedUnfenced);
        let present = self.present.load(Ordering::Acquire); // pairs with add
        if present != 0 {
            self.look(present, reached, control);
        }
    }

    #[cold]
    fn look(&self, mut present: u64, reached: &Reached, control: &Mapping) {
        while present != 0 {
            let seat = present.trailing_zeros() as usize;
            present &= present - 1;
            // Locked: it is being removed.
            if let Ok(mut sleeper) = self.seats[seat].try_lock()
                && let Some(sleeper) = sleeper.as_mut()
            {
                sleeper.look(reached, control);
            }
        }
    }

    /// A mistake, for models to find.
    #[cfg(loom)]
    fn put_if_free(&self, seat: u8) {
        self.seats[usize::from(seat)].try_lock().into_iter().for_each(|mut place| *place = None);
    }

    /// What leaves the seat is dropped by the waker, never by the writer: it is unmapped and closed.
    fn put(&self, seat: u8, sleeper: Option<Sleeper>) {
        if let Ok(mut place) = self.seats[usize::from(seat)].lock() {
            *place = sleeper;
        }
    }
}
