//! The waker thread of a process that produces: it hears the bells of its consumers, and wakes those whom no inline
//! writer wakes.
//!
//! No consumer can make it spin or wait: while it polls, bells are heard at most once a period, and one that an inline
//! writer looks after is not listened to again.

mod keeper;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;

use super::bell::Bell;
use super::reached::Reached;
use super::sleepers::Sleepers;
use crate::mapping::Mapping;
use crate::poll::{Poll, Token};
use keeper::Keeper;

/// Who wakes the consumers of a ring, with what it needs.
#[derive(Clone, Debug)]
pub(crate) enum Waking {
    /// The writer, which looks at these.
    Inline(Arc<Sleepers>),
    /// The waker thread.
    Housekeeping,
}

/// A ring as it is made known to the waker.
#[derive(Debug)]
pub(crate) struct WakingRing {
    pub(crate) epoch: u128,
    /// Mapped for writing.
    pub(crate) control: Mapping,
    pub(crate) reached: Reached,
    pub(crate) waking: Waking,
}

/// A consumer as it is made known to the waker.
#[derive(Debug)]
pub(crate) struct WakingSeat {
    pub(crate) epoch: u128,
    pub(crate) seat: u8,
    pub(crate) lease: Arc<Mapping>,
    /// The producer's end.
    pub(crate) bell: Arc<Bell>,
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Waker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// Names a watched consumer, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WatchId(u64);

#[cfg(all(test, loom))]
impl WatchId {
    pub(crate) fn modelled() -> Self {
        Self(1)
    }
}

#[derive(Debug)]
struct Shared {
    poll: Poll,
    orders: Mutex<Vec<Order>>,
    /// There are orders.
    ordered: AtomicBool,
    last_id: AtomicU64,
    /// Turns of the thread.
    turns: AtomicU64,
}

#[derive(Debug)]
enum Order {
    Add(WakingRing),
    Remove(u128),
    Watch(WatchId, WakingSeat),
    Forget(WatchId),
    Stop,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Vec<Order>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn order(&self, order: Order) {
        self.orders().push(order);
        // Release: pairs with the Acquire in Keeper::take_orders.
        self.ordered.store(true, Ordering::Release);
    }
}

impl Waker {
    /// How often it looks while somebody sleeps, unless another period is chosen.
    pub(crate) const PERIOD: Duration = Duration::from_micros(30);

    /// Starts the thread; `period` is how often it looks while somebody sleeps.
    pub(crate) fn start(period: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            poll: Poll::new()?,
            orders: Mutex::new(Vec::new()),
            ordered: AtomicBool::new(false),
            last_id: AtomicU64::new(0),
            turns: AtomicU64::new(0),
        });
        let keeper = Keeper::new(Arc::clone(&shared), period);
        let thread = std::thread::Builder::new().name("flypack-waker".to_owned()).spawn(move || keeper.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Makes a ring known; its consumers are watched from [`Self::watch`] on.
    pub(crate) fn add(&self, ring: WakingRing) {
        self.order(Order::Add(ring));
    }

    /// Forgets a ring with all its consumers. Its mapping is dropped on the thread.
    pub(crate) fn remove(&self, epoch: u128) {
        self.order(Order::Remove(epoch));
    }

    /// Looks after a consumer of a ring that was added.
    ///
    /// # Errors
    /// What the kernel says of one descriptor more to wait for.
    pub(crate) fn watch(&self, seat: WakingSeat) -> Result<WatchId, Errno> {
        let id = WatchId(self.shared.last_id.fetch_add(1, Ordering::Relaxed));
        let bell = Arc::clone(&seat.bell);
        // First the order: whoever hears the bell finds it.
        self.order(Order::Watch(id, seat));
        self.shared.poll.watch_input(&*bell, Token::Bell(id.0)).inspect_err(|_| self.order(Order::Forget(id)))?;
        Ok(id)
    }

    /// Lets go of a consumer.
    pub(crate) fn forget(&self, id: WatchId) {
        self.order(Order::Forget(id));
    }

    /// How often the thread has looked.
    #[cfg(test)]
    fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    fn order(&self, order: Order) {
        self.shared.order(order);
        self.shared.poll.wake();
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook.
            let _ = thread.join();
        }
    }
}
