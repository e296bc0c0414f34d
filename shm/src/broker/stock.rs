//! Spare regions: made and faulted in before anybody asks for a ring of their size.
//!
//! Faulting in a hundred megabytes takes tens of milliseconds, and many times that where the machine has to find the pages
//! first. A spare is a memfd that no other process ever had: what a pod has mapped once is sealed, may be mapped there
//! still, and is never a ring again. A spare serves a ring of exactly its size, so that all accounts of memory stay true.

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
    pages: Pages,
    /// Sizes to be made; `None` once it ends.
    orders: Option<Mutex<Sender<u64>>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shelf {
    spares: Mutex<Vec<(u64, OwnedFd)>>,
    taken: AtomicU64,
    failures: AtomicU64,
}

impl Stock {
    /// Keeps a spare of each of these sizes, in octets; the same size twice is two.
    pub(super) fn keep(
        sizes: &[u64],
        policy: PagePolicy,
        hooks: Arc<dyn PlacementHooks + Send + Sync>,
    ) -> io::Result<Self> {
        let pages = if policy == PagePolicy::PlainOnly { Pages::Plain } else { Pages::Huge2M };
        let shelf = Arc::<Shelf>::default();
        if sizes.is_empty() {
            return Ok(Self { shelf, pages, orders: None, thread: None });
        }
        let (orders, ordered) = mpsc::channel();
        let (first, filled) = (sizes.to_vec(), Arc::clone(&shelf));
        let make = move || filled.fill(first, &ordered, |octets| spare_data(octets, pages, &*hooks).ok());
        let thread = std::thread::Builder::new().name("flypack-stock".to_owned()).spawn(make)?;
        Ok(Self { shelf, pages, orders: Some(Mutex::new(orders)), thread: Some(thread) })
    }

    /// A spare of this size; another is made in its place.
    pub(super) fn take(&self, octets: u64, pages: Pages) -> Option<OwnedFd> {
        let orders = self.orders.as_ref().filter(|_| pages == self.pages)?;
        let mut spares = self.shelf.spares.lock().unwrap_or_else(PoisonError::into_inner);
        let at = spares.iter().position(|(size, _)| *size == octets)?;
        let (_, data) = spares.swap_remove(at);
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
    /// Makes what is ordered until nobody can order any more.
    fn fill(&self, mut wanted: Vec<u64>, orders: &Receiver<u64>, make: impl Fn(u64) -> Option<OwnedFd>) {
        loop {
            wanted.retain(|octets| match make(*octets) {
                Some(data) => {
                    self.spares.lock().unwrap_or_else(PoisonError::into_inner).push((*octets, data));
                    false
                }
                None => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    true
                }
            });
            let order = if wanted.is_empty() { orders.recv().map_err(Into::into) } else { orders.recv_timeout(AGAIN) };
            match order {
                Ok(octets) => wanted.push(octets),
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
