//! Spare regions: made and faulted in before anybody asks for a ring of their size.
//!
//! Faulting in a hundred megabytes takes tens of milliseconds, and many times that where the machine has to find the pages
//! first. A spare is a memfd that no other process ever had: what a pod has mapped once is sealed, may be mapped there
//! still, and is never a ring again. A spare serves a ring of exactly its size and pages, so that all accounts of memory
//! stay true. Where hugepages are preferred and there are none, spares have what rings have then: plain pages.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use crate::region::spare_data;
use crate::{PagePolicy, Pages, PlacementHooks};

/// When a spare that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The spares, and the thread that makes them. Dropping it ends both.
pub(super) struct Stock {
    shelf: Arc<Shelf>,
    /// Sizes to be made; `None` once it ends.
    orders: Option<Mutex<Sender<u64>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shelf {
    spares: Mutex<Vec<Spare>>,
    taken: AtomicU64,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Spare {
    octets: u64,
    pages: Pages,
    data: OwnedFd,
}

impl Stock {
    /// Keeps a spare of each of these sizes, in octets; the same size twice is two.
    pub(super) fn keep(
        sizes: &[u64],
        policy: PagePolicy,
        hooks: Arc<dyn PlacementHooks + Send + Sync>,
    ) -> io::Result<Self> {
        let kinds: &[Pages] = match policy {
            PagePolicy::Prefer => &[Pages::Huge2M, Pages::Plain],
            PagePolicy::HugeOnly => &[Pages::Huge2M],
            PagePolicy::PlainOnly => &[Pages::Plain],
        };
        let shelf = Arc::<Shelf>::default();
        if sizes.is_empty() {
            return Ok(Self { shelf, orders: None, thread: None });
        }
        let (orders, ordered) = mpsc::channel();
        let (first, filled) = (sizes.to_vec(), Arc::clone(&shelf));
        let one = move |octets, pages| {
            let data = spare_data(octets, pages, &*hooks).ok()?;
            Some(Spare { octets, pages, data })
        };
        let make = move || filled.fill(first, &ordered, |octets| kinds.iter().find_map(|pages| one(octets, *pages)));
        let thread = std::thread::Builder::new().name("flypack-stock".to_owned()).spawn(make)?;
        Ok(Self { shelf, orders: Some(Mutex::new(orders)), thread: Some(thread) })
    }

    /// A spare of this size and pages; another is made in its place.
    pub(super) fn take(&self, octets: u64, pages: Pages) -> Option<OwnedFd> {
        let orders = self.orders.as_ref()?;
        let mut spares = self.shelf.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let at = spares.iter().position(|spare| (spare.octets, spare.pages) == (octets, pages))?;
        let Spare { data, .. } = spares.swap_remove(at);
        drop(spares);
        self.shelf.taken.fetch_add(1, Ordering::Relaxed);
        // An error is the thread gone, which a panic there has reported.
        let _ = orders.lock().unwrap_or_else(PoisonError::into_inner).send(octets);
        Some(data)
    }

    /// Regions that were spares.
    pub(super) fn taken(&self) -> u64 {
        self.shelf.taken.load(Ordering::Relaxed)
    }

    /// How often a spare could not be made.
    pub(super) fn failures(&self) -> u64 {
        self.shelf.failures.load(Ordering::Relaxed)
    }

    /// Spares that are there.
    pub(super) fn ready(&self) -> u64 {
        self.shelf.spares.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

impl Shelf {
    /// Makes what is ordered until nobody can order any more: one at a time, as each may take long and an end waits for it.
    fn fill(&self, mut wanted: Vec<u64>, orders: &Receiver<u64>, make: impl Fn(u64) -> Option<Spare>) {
        let mut failed = Vec::new();
        loop {
            if let Some(octets) = wanted.pop() {
                match make(octets) {
                    Some(spare) => self.spares.lock().unwrap_or_else(PoisonError::into_inner).push(spare),
                    None => {
                        self.failures.fetch_add(1, Ordering::Relaxed);
                        failed.push(octets);
                    }
                }
            }
            let order = match (wanted.is_empty(), failed.is_empty()) {
                (false, _) => orders.recv_timeout(Duration::ZERO),
                (true, false) => orders.recv_timeout(AGAIN),
                (true, true) => orders.recv().map_err(Into::into),
            };
            match order {
                Ok(octets) => wanted.push(octets),
                Err(RecvTimeoutError::Timeout) if wanted.is_empty() => wanted.append(&mut failed),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stock").field("shelf", &self.shelf).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn an_end_waits_for_one_spare_at_the_most() {
        let (orders, ordered) = mpsc::channel();
        let (orders, made) = (Cell::new(Some(orders)), Cell::new(0));
        let shelf = Shelf::default();
        // The end comes while the first is made.
        shelf.fill(vec![1, 2, 3], &ordered, |_| {
            orders.set(None);
            made.set(made.get() + 1);
            None
        });
        assert_eq!((made.get(), shelf.failures.load(Ordering::Relaxed)), (1, 1));
    }

    #[test]
    fn all_that_is_wanted_is_tried_also_when_one_cannot_be_made() {
        let (orders, ordered) = mpsc::channel();
        let (orders, tried) = (Cell::new(Some(orders)), Cell::new(Vec::new()));
        Shelf::default().fill(vec![1, 2, 3], &ordered, |octets| {
            let mut so_far = tried.take();
            so_far.push(octets);
            if so_far.len() == 3 {
                orders.set(None);
            }
            tried.set(so_far);
            None
        });
        let mut tried = tried.take();
        tried.sort_unstable();
        assert_eq!(tried, [1, 2, 3]);
    }
}
