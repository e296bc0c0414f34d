//! The writer's private book of its consumers: who holds which window of grains.
//!
//! A window is all that is ever taken from a lease page, clamped between what the consumer had and what there
//! is. It only rises: a page full of garbage costs its own consumer its lease, nobody else anything.

use std::mem::offset_of;
use std::sync::Arc;

use media::GrainIndex;

use super::history::History;
use super::quarantine::Quarantine;
use super::slots::Slots;
use crate::consumer::{CONSUMERS_MAX, ConsumerClass, SeatStatus, Start};
use crate::geometry::Geometry;
use crate::layout::{self, SeatWords};
use crate::lease_page;
use crate::mailbox::{Mail, Mailbox, Notice};
use crate::mapping::Mapping;
use crate::seed::{planted, sound};

/// What the writer is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing: only deadlines are enforced.
    Poll,
    /// Open the next grain: windows longer than K are evicted too.
    Open,
}

/// What the writer knows when it looks after its consumers.
pub(super) struct Scene<'a> {
    pub(super) mailbox: &'a Mailbox,
    pub(super) control: &'a Mapping,
    pub(super) history: &'a History,
    pub(super) slots: &'a Slots,
    /// On the patience clock.
    pub(super) at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Live {
    hold: Hold,
    /// Least grain that it may still use.
    eff: u64,
    /// When it last moved, or held nothing but the newest grains, as many as may be open (they are being written or
    /// never given up anyway, so that costs nobody anything and may last as long as the flow is silent). On the
    /// patience clock.
    since: i64,
}

/// What is held for a consumer.
#[derive(Clone, Copy, Debug)]
enum Hold {
    /// Lossy: nothing.
    Nothing,
    /// Its window, as long as it keeps to its limits.
    Leased(Limits),
    /// Its window, as long as it likes.
    Blocking,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    k: u16,
    deadline_nanos: i64,
}

#[derive(Clone, Copy, Debug)]
enum Standing {
    Live(Live),
    /// Evicted: grains `lo..hi` stay until it acknowledges or is gone.
    Quarantined {
        lo: u64,
        hi: u64,
    },
}

#[derive(Debug)]
struct Seat {
    standing: Standing,
    nonce: u64,
    lease: Arc<Mapping>,
}

/// All seats of a ring.
#[derive(Debug)]
pub(super) struct Consumers {
    seats: Box<[Option<Seat>]>,
    /// Those that are taken, a bit each: a writer looks after its consumers on every turn, and most rings have few.
    taken: u64,
    k_max: u16,
    open_max: u16,
    allows_blocking: bool,
    /// Least grain that a live leased consumer holds; `u64::MAX` without one.
    leased_from: u64,
    /// The blocking consumer that is furthest behind, and the least grain that it holds.
    blocker: Option<(u64, u8)>,
    quarantine: Quarantine,
    /// Whether a seat came into quarantine or left it since [`Self::quarantine`] was set.
    quarantine_changed: bool,
}

impl Consumers {
    pub(super) fn new(geometry: &Geometry) -> Self {
        let seats = (0..CONSUMERS_MAX).map(|_| None).collect();
        let Geometry { k_max, open_max, .. } = *geometry;
        Self {
            seats,
            taken: 0,
            k_max,
            open_max,
            allows_blocking: true,
            leased_from: u64::MAX,
            blocker: None,
            quarantine: Quarantine::new(),
            quarantine_changed: false,
        }
    }

    pub(super) fn refuse_blocking(&mut self) {
        self.allows_blocking = false;
    }

    /// Whether a live consumer holds grain `index`.
    pub(super) fn leases(&self, index: u64) -> bool {
        index >= self.leased_from || self.blocker.is_some_and(|(from, _)| index >= from)
    }

    /// The blocking consumer that is furthest behind.
    pub(super) fn blocker(&self) -> Option<u8> {
        self.blocker.map(|(_, consumer)| consumer)
    }

    /// Whether anybody would hold grain `index` if no consumer were blocking.
    pub(super) fn holds_anyway(&self, index: u64) -> bool {
        index >= self.leased_from || self.quarantines(index)
    }

    /// Whether an evicted consumer that has not acknowledged holds grain `index`.
    pub(super) fn quarantines(&self, index: u64) -> bool {
        self.quarantine.contains(index)
    }

    /// Whether anybody holds grain `index`.
    pub(super) fn holds(&self, index: u64) -> bool {
        self.leases(index) || self.quarantines(index)
    }

    /// Takes at most one mail per seat. Returns whether there was any, and how many consumers were evicted.
    pub(super) fn drain(&mut self, scene: &Scene<'_>) -> (bool, u64) {
        let (mut any, mut evicted) = (false, 0);
        for _ in 0..CONSUMERS_MAX {
            match scene.mailbox.next_mail() {
                None => break,
                Some(Mail::Gone { consumer, nonce }) => self.leave(scene, consumer, nonce),
                Some(Mail::Evict { consumer, nonce }) => evicted += u64::from(self.evict(scene, consumer, nonce)),
                Some(Mail::Join { consumer, class, start, lease, nonce }) => {
                    match self.admit(scene, consumer, class, start, nonce) {
                        Some(standing) => self.sit(scene, consumer, Seat { standing, nonce, lease }),
                        None => scene.mailbox.notify(Notice::Refused { consumer, nonce, lease }),
                    }
                }
            }
            any = true;
        }
        (any, evicted)
    }

    /// Reads every lease page once and draws the consequences. Returns whether any window changed, and
    /// how many consumers were evicted.
    pub(super) fn observe(&mut self, scene: &Scene<'_>, turn: Turn) -> (bool, u64) {
        let (mut changed, mut evicted) = (false, 0);
        (self.leased_from, self.blocker) = (u64::MAX, None);
        for consumer in Taken(self.taken) {
            let entry = &mut self.seats[usize::from(consumer)];
            let Some(seat) = entry else { continue };
            if let Standing::Live(live) = &mut seat.standing {
                if matches!(live.hold, Hold::Nothing) {
                    continue;
                }
                changed |= live.follow(lease_page::cursor(&seat.lease), scene, self.open_max);
                if live.is_too_slow(scene, self.open_max, turn) {
                    seat.evict(scene, consumer);
                    self.quarantine_changed = true;
                    evicted += 1;
                } else {
                    planted!(FreshUnheld => if lease_page::cursor(&seat.lease) == 0 { continue });
                    note(*live, consumer, &mut self.leased_from, &mut self.blocker);
                }
            } else if lease_page::acknowledged(&seat.lease) == seat.nonce {
                release(scene.mailbox, consumer, entry.take());
                self.taken &= !bit(consumer);
                self.quarantine_changed = true;
                changed = true;
            }
        }
        if std::mem::take(&mut self.quarantine_changed) {
            self.quarantine.set(self.seats.iter().flatten().filter_map(Seat::quarantined));
        }
        (changed || evicted > 0, evicted)
    }

    fn admit(
        &self,
        scene: &Scene<'_>,
        consumer: u8,
        class: ConsumerClass,
        start: Start,
        nonce: u64,
    ) -> Option<Standing> {
        let vacant = self.seats.get(usize::from(consumer))?.is_none();
        let hold = self.hold(class)?;
        let end = scene.history.end();
        let eff = match (start, class.holds()) {
            (Start::Live, _) => end,
            (Start::Oldest, None) => scene.slots.oldest(0, end),
            // A window that is not too long, so that joining evicts nobody.
            (Start::Oldest, Some(k)) => scene.slots.oldest(scene.history.newest(k), end),
        };
        (vacant && nonce != 0).then_some(Standing::Live(Live { hold, eff, since: scene.at }))
    }

    /// What is held for a class, if it may join.
    fn hold(&self, class: ConsumerClass) -> Option<Hold> {
        let k_max = self.k_max.min(Geometry::LEASES_MAX);
        match class {
            ConsumerClass::Lossy => Some(Hold::Nothing),
            ConsumerClass::Leased { k, deadline_nanos } => {
                // Fewer than may be open, and it would be late with nothing but what is being written.
                (self.open_max..=k_max).contains(&k).then_some(Hold::Leased(Limits { k, deadline_nanos }))
            }
            ConsumerClass::Blocking { k } => {
                (self.allows_blocking && (1..=k_max).contains(&k)).then_some(Hold::Blocking)
            }
        }
    }

    fn sit(&mut self, scene: &Scene<'_>, consumer: u8, seat: Seat) {
        let nonce = seat.nonce;
        let Standing::Live(live) = seat.standing else { return };
        note(live, consumer, &mut self.leased_from, &mut self.blocker);
        self.seats[usize::from(consumer)] = Some(seat);
        self.taken |= bit(consumer);
        let eff = GrainIndex(live.eff);
        planted!(JoinedEarly => scene.mailbox.notify(Notice::Joined { consumer, nonce, eff }));
        show(scene.control, consumer, nonce, SeatStatus::Live { eff });
        scene.mailbox.notify(Notice::Joined { consumer, nonce, eff });
    }

    /// The operator's eviction of whatever class. Whether it was that membership, and live.
    fn evict(&mut self, scene: &Scene<'_>, consumer: u8, nonce: u64) -> bool {
        let entry = self.seats.get_mut(usize::from(consumer)).and_then(Option::as_mut);
        let seat = entry.filter(|seat| seat.nonce == nonce && matches!(seat.standing, Standing::Live(_)));
        let was_live = seat.map(|seat| seat.evict(scene, consumer)).is_some();
        self.quarantine_changed |= was_live;
        was_live
    }

    /// Someone else in the seat by now, or nobody, is left alone: each membership ends once.
    fn leave(&mut self, scene: &Scene<'_>, consumer: u8, nonce: u64) {
        let Some(entry) = self.seats.get_mut(usize::from(consumer)) else { return };
        if let Some(seat) = entry.take_if(|seat| sound!(seat.nonce == nonce, unless AnyNonceLeaves => true)) {
            self.taken &= !bit(consumer);
            self.quarantine_changed |= seat.quarantined().is_some();
            show(scene.control, consumer, nonce, SeatStatus::Empty);
            release(scene.mailbox, consumer, Some(seat));
        }
    }
}

impl Live {
    /// Moves the window up to what the consumer says, between what it had and what there is. Returns
    /// whether it moved.
    fn follow(&mut self, cursor: u64, scene: &Scene<'_>, open_max: u16) -> bool {
        let eff = self.eff.max(cursor.min(scene.history.end()));
        let moved = eff > self.eff;
        if moved || scene.history.at_most(open_max, eff) {
            self.since = scene.at;
        }
        self.eff = eff;
        moved
    }

    fn is_too_slow(&self, scene: &Scene<'_>, open_max: u16, turn: Turn) -> bool {
        let Hold::Leased(limits) = self.hold else { return false };
        let too_many = turn == Turn::Open && !scene.history.at_most(limits.k, self.eff);
        let late = !scene.history.at_most(open_max, self.eff) && scene.at - self.since > limits.deadline_nanos;
        too_many || late
    }
}

impl Seat {
    /// What it holds, if it was evicted.
    fn quarantined(&self) -> Option<(u64, u64)> {
        match self.standing {
            Standing::Live(_) => None,
            Standing::Quarantined { lo, hi } => Some((lo, hi)),
        }
    }

    /// Stored before any grain at or above the newest so far is published, so a consumer that sees such a grain sees
    /// this too. What holds nothing, a lossy consumer, goes into a quarantine of nothing.
    fn evict(&mut self, scene: &Scene<'_>, consumer: u8) {
        let Standing::Live(Live { eff, hold, .. }) = self.standing else { return };
        let end = scene.history.end();
        let lo = if matches!(hold, Hold::Nothing) { end } else { eff };
        self.standing = Standing::Quarantined { lo, hi: sound!(end, unless NewestUnquarantined => end - 1) };
        let (nonce, hi) = (self.nonce, GrainIndex(end));
        let status = SeatStatus::Evicted { hi };
        sound!(show(scene.control, consumer, nonce, status), unless EvictedLate => show_late(scene.control, consumer, nonce, status));
        scene.mailbox.notify(Notice::Evicted { consumer, nonce, hi });
    }
}

const _: () = assert!(CONSUMERS_MAX as u32 <= u64::BITS, "each seat has a bit");

/// The bit of a seat.
const fn bit(consumer: u8) -> u64 {
    1 << consumer
}

/// The seats of set bits, the lowest first.
struct Taken(u64);

impl Iterator for Taken {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let consumer = self.0.trailing_zeros();
        // Clears the lowest bit.
        self.0 &= self.0.checked_sub(1)?;
        Some(consumer as u8)
    }
}

#[cfg(test)]
#[test]
fn taken_seats_are_told_the_lowest_first() {
    let all = |seats: &[u8]| seats.iter().fold(0, |bits, seat| bits | bit(*seat));
    for seats in [&[][..], &[0], &[CONSUMERS_MAX - 1], &[0, 1, 7, 31, 32, CONSUMERS_MAX - 1]] {
        assert_eq!(Taken(all(seats)).collect::<Vec<_>>(), seats);
    }
}

/// Takes down from where on a live consumer holds grains.
fn note(live: Live, consumer: u8, leased_from: &mut u64, blocker: &mut Option<(u64, u8)>) {
    match live.hold {
        Hold::Nothing => {}
        Hold::Leased(_) => *leased_from = (*leased_from).min(live.eff),
        Hold::Blocking => {
            let least = blocker.unwrap_or((u64::MAX, consumer)).min((live.eff, consumer));
            *blocker = Some(sound!(least, unless LastBlocks => (live.eff, consumer)));
        }
    }
}

fn release(mailbox: &Mailbox, consumer: u8, seat: Option<Seat>) {
    if let Some(Seat { nonce, lease, .. }) = seat {
        mailbox.notify(Notice::Released { consumer, nonce, lease });
    }
}

/// A mistake, for models to find: shows it after the grain.
#[cfg(loom)]
fn show_late(control: &Mapping, consumer: u8, nonce: u64, status: SeatStatus) {
    let control = control.shared(crate::Access::ReadWrite);
    crate::seed::put_off(move || show(&control, consumer, nonce, status));
}

fn show(control: &Mapping, consumer: u8, nonce: u64, status: SeatStatus) {
    let at = layout::seat(consumer);
    let (status_at, status) = (at + offset_of!(SeatWords, status), status.encode());
    planted!(VerdictFirst => control.store_release(status_at, status));
    control.store(at + offset_of!(SeatWords, nonce), nonce);
    // Pairs with Membership::status: whose status it is shows before the status.
    sound!(control.store_release(status_at, status), unless VerdictRelaxed => control.store(status_at, status));
}
