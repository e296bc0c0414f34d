//! What the waker thread does.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::thread::{nanosleep, set_current_timer_slack};
use rustix::time::Timespec;

use super::{Order, Shared, Waking, WakingRing, WakingSeat, WatchId};
use crate::mapping::Mapping;
use crate::poll::Token;
use crate::wake::bell::{Bell, Heard};
use crate::wake::rounds::Rounds;
use crate::wake::sleeper::Sleeper;
use crate::wake::sleepers::Sleepers;

/// See [`super::Waker`].
pub(super) struct Keeper {
    shared: Arc<Shared>,
    period: Duration,
    rings: HashMap<u128, Ring>,
    watched: HashMap<WatchId, Watched>,
}

enum Ring {
    Housekeeping(Rounds),
    Inline { control: Mapping, sleepers: Arc<Sleepers> },
}

struct Watched {
    epoch: u128,
    seat: u8,
    lease: Arc<Mapping>,
    bell: Arc<Bell>,
}

impl Watched {
    fn sleeper(&self) -> Sleeper {
        Sleeper::new(self.seat, Arc::clone(&self.lease), Arc::clone(&self.bell))
    }
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, period: Duration) -> Self {
        Self { shared, period, rings: HashMap::new(), watched: HashMap::new() }
    }

    /// Until it is told to stop. What was published before is published: whoever sleeps for it is woken.
    pub(super) fn run(mut self) {
        self.go_round();
        let epochs: Vec<u128> = self.rings.keys().copied().collect();
        epochs.into_iter().for_each(|epoch| self.remove(epoch));
    }

    fn go_round(&mut self) {
        // Without it the kernel adds 50 µs to every sleep. If it refuses, that is how late wakes are.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut tokens = Vec::new();
        while self.take_orders() {
            self.shared.turns.fetch_add(1, Ordering::Relaxed);
            self.pause(&mut tokens);
            // Orders come before the bells that they are about.
            if !self.take_orders() {
                return;
            }
            for token in tokens.drain(..) {
                if let Token::Bell(id) = token {
                    self.hear(WatchId(id));
                }
            }
            self.rounds().for_each(Rounds::look);
        }
    }

    /// Sleeps for a period while somebody waits, otherwise until something happens. Whatever rings, the bells are heard
    /// once a period.
    fn pause(&mut self, tokens: &mut Vec<Token>) {
        let period = self.period;
        let pace = self.rounds().filter_map(|rounds| rounds.pace(period)).min();
        let Some(pace) = pace else { return self.listen(None, tokens) };
        if let Ok(pace) = Timespec::try_from(pace) {
            // Ended early by a signal: then it looks early.
            let _ = nanosleep(&pace);
        }
        let all_are_polled = self.rings.values().all(Ring::is_polled);
        // Acquire: as in take_orders.
        if !all_are_polled || self.shared.ordered.load(Ordering::Acquire) {
            self.listen(Some(Duration::ZERO), tokens);
        }
    }

    fn listen(&self, timeout: Option<Duration>, tokens: &mut Vec<Token>) {
        if self.shared.poll.wait(timeout, tokens).is_err() {
            // Only a bug of ours gets here; without a pause it would spin.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// False if it is to stop.
    fn take_orders(&mut self) -> bool {
        // Acquire: pairs with the Release in Shared::order.
        if !self.shared.ordered.swap(false, Ordering::Acquire) {
            return true;
        }
        let orders = std::mem::take(&mut *self.shared.orders());
        for order in orders {
            match order {
                Order::Add(ring) => self.add(ring),
                Order::Remove(epoch) => self.remove(epoch),
                Order::Watch(id, seat) => self.watch(id, seat),
                Order::Forget(id) => self.forget(id),
                Order::Stop => return false,
            }
        }
        true
    }

    fn add(&mut self, ring: WakingRing) {
        let WakingRing { epoch, control, reached, waking } = ring;
        let ring = match waking {
            Waking::Housekeeping => Ring::Housekeeping(Rounds::new(control, reached)),
            Waking::Inline(sleepers) => Ring::Inline { control, sleepers },
        };
        self.rings.insert(epoch, ring);
    }

    fn remove(&mut self, epoch: u128) {
        let gone: Vec<WatchId> = self.watched.iter().filter(|(_, w)| w.epoch == epoch).map(|(id, _)| *id).collect();
        gone.into_iter().for_each(|id| self.forget(id));
        self.rings.remove(&epoch);
    }

    fn watch(&mut self, id: WatchId, watching: WakingSeat) {
        let WakingSeat { epoch, seat, lease, bell } = watching;
        let watched = Watched { epoch, seat, lease, bell };
        if let Some(Ring::Housekeeping(rounds)) = self.rings.get_mut(&epoch) {
            rounds.add(id, watched.sleeper());
        }
        self.watched.insert(id, watched);
    }

    fn forget(&mut self, id: WatchId) {
        let Some(watched) = self.watched.remove(&id) else { return };
        self.shared.poll.forget(&*watched.bell);
        match self.rings.get_mut(&watched.epoch) {
            Some(Ring::Housekeeping(rounds)) => rounds.remove(id),
            Some(Ring::Inline { control, sleepers }) => {
                sleepers.remove(watched.seat);
                // It may have rung, and not been heard.
                watched.sleeper().let_go(control);
            }
            None => {}
        }
    }

    /// A bell rang, or its other end closed.
    fn hear(&mut self, id: WatchId) {
        let Some(watched) = self.watched.get(&id) else { return };
        let heard = watched.bell.hear();
        if heard == Heard::HungUp {
            // Its life pipe tells the rest.
            return self.shared.poll.forget(&*watched.bell);
        }
        match self.rings.get_mut(&watched.epoch) {
            Some(Ring::Housekeeping(rounds)) => rounds.begin(),
            Some(Ring::Inline { control, sleepers }) => {
                // Once is enough: from now on the writer looks after it. The waker is not in the way of the writer.
                self.shared.poll.forget(&*watched.bell);
                sleepers.add(watched.sleeper());
                watched.sleeper().wake_anyway(control);
            }
            None => self.shared.poll.forget(&*watched.bell),
        }
    }

    fn rounds(&mut self) -> impl Iterator<Item = &mut Rounds> {
        self.rings.values_mut().filter_map(|ring| match ring {
            Ring::Housekeeping(rounds) => Some(rounds),
            Ring::Inline { .. } => None,
        })
    }
}

impl Ring {
    /// Whether nothing is missed if its bells are not heard now: its sleepers are looked at, or it has none that ring.
    fn is_polled(&self) -> bool {
        match self {
            Self::Housekeeping(rounds) => rounds.is_polled(),
            Self::Inline { .. } => false,
        }
    }
}
