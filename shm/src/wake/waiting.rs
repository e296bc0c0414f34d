//! The sleeping half of a consumer: what it tells its waker, and how it sleeps.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bell::{Bell, Heard, Rung};
use super::futex::{self, Slept};
use super::reached::Reached;
use super::want::{Alarm, Want};
use crate::WakeMode;
use crate::geometry::Geometry;
use crate::layout;
use crate::lease_page;
use crate::mapping::Mapping;
use crate::pipe::LifeWatch;
use crate::seed::{planted, sound};

/// The longest sleep: then the consumer looks for itself whether its producer lives. A producer that does not wake, or
/// lies, costs a consumer so much and no more.
pub(crate) const LONGEST_SLEEP: Duration = Duration::from_millis(100);
/// Looks for the next grain that may be in vain, one after the other, before there is a pause: a producer that opens grains
/// and names none, or takes them away, shall not have a core for that.
pub(crate) const FRUITLESS_TURNS: u32 = 64;
/// The sleep of one whom nobody wakes.
pub(crate) const LOOK_EVERY: Duration = Duration::from_micros(500);
/// So often in a row an honest producer's slice can come between two looks.
const DOUBTS_MAX: u32 = 1000;

/// The pause after [`FRUITLESS_TURNS`], of a thread.
pub(crate) fn pause_in_vain(turns: u32) {
    if turns.is_multiple_of(FRUITLESS_TURNS) {
        futex::doze(LOOK_EVERY);
    }
}

/// What a consumer sleeps with.
#[derive(Debug)]
pub(crate) struct Waiting {
    mode: WakeMode,
    /// Shared with a task that sleeps by it.
    bell: Option<Arc<Bell>>,
    producer: Option<LifeWatch>,
    reached: Reached,
    /// The bell has been rung in this membership.
    introduced: bool,
    /// How it is woken when it blocks.
    alarm: Alarm,
    /// When it was asked last whether the producer lives.
    life_asked: Instant,
    /// What was waited for was there at the second look, so many times in a row.
    doubts: u32,
    longest: Duration,
    /// Sleeps that nobody ended.
    #[cfg(test)]
    overslept: u64,
}

/// What became of a want that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    /// It is there already: no need to sleep.
    Reached,
    /// Somebody looks after this consumer.
    ToWaker,
    /// Nobody does: sleep for a moment and look.
    ToNobody,
}

/// The mappings and the seat of the one who sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bed<'a> {
    pub(crate) control: &'a Mapping,
    pub(crate) lease: &'a Mapping,
    pub(crate) seat: u8,
}

impl Waiting {
    /// For whom nobody is known to wake.
    pub(crate) fn alone(geometry: &Geometry) -> Self {
        Self::new(geometry, WakeMode::None, None, None)
    }

    pub(crate) fn new(geometry: &Geometry, mode: WakeMode, bell: Option<Bell>, producer: Option<LifeWatch>) -> Self {
        let mode = if bell.is_some() { mode } else { WakeMode::None };
        Self {
            mode,
            bell: bell.map(Arc::new),
            producer,
            reached: Reached::of(geometry),
            introduced: false,
            alarm: Alarm::Futex,
            life_asked: Instant::now(),
            doubts: 0,
            longest: LONGEST_SLEEP,
            #[cfg(test)]
            overslept: 0,
        }
    }

    /// As one whose wakes on the futex are stolen.
    #[cfg(all(test, loom))]
    pub(crate) fn by_the_bell(self) -> Self {
        Self { alarm: Alarm::Bell, ..self }
    }

    /// For tests that would hang rather than oversleep.
    #[cfg(test)]
    pub(crate) fn sleeping_at_most(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    #[cfg(all(test, feature = "tokio"))]
    pub(crate) fn sleep_at_most(&mut self, longest: Duration) {
        self.longest = longest;
    }

    #[cfg(test)]
    pub(crate) fn overslept(&self) -> u64 {
        self.overslept
    }

    #[cfg(test)]
    pub(crate) fn alarm(&self) -> Alarm {
        self.alarm
    }

    /// Whether the producer is known to be gone. A system call.
    pub(crate) fn producer_gone(&self) -> bool {
        self.producer.as_ref().is_some_and(LifeWatch::is_gone)
    }

    /// The same, a system call once in [`LONGEST_SLEEP`] however often it is asked.
    pub(crate) fn producer_gone_at(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.life_asked) >= LONGEST_SLEEP;
        if is_due {
            self.life_asked = now;
        }
        is_due && self.producer_gone()
    }

    /// Sleeps until `want` is reached, at most `limit` and at most [`LONGEST_SLEEP`]. May end early: look again.
    pub(crate) fn sleep(&mut self, bed: Bed<'_>, want: Want, limit: Duration) {
        let seen = futex::seen(bed.control, bed.seat);
        match self.announce(bed, want, self.alarm) {
            Announced::Reached => {}
            Announced::ToNobody => futex::doze(limit.min(LOOK_EVERY)),
            Announced::ToWaker => match self.alarm {
                Alarm::Futex => self.sleep_on_the_futex(
                    bed,
                    sound!(seen, unless SeenLate => futex::seen(bed.control, bed.seat)),
                    limit.min(self.longest),
                ),
                Alarm::Bell => self.sleep_by_the_bell(limit.min(self.longest)),
            },
        }
        lease_page::take_back_want(bed.lease);
    }

    /// Posts what is wanted, for a waker to see. The consumer looked for it in vain just before.
    pub(crate) fn announce(&mut self, bed: Bed<'_>, want: Want, alarm: Alarm) -> Announced {
        if self.mode == WakeMode::None {
            return Announced::ToNobody;
        }
        lease_page::post_want(bed.lease, Want { alarm, ..want }.encode());
        if self.reached.holds(bed.control, bed.seat, want) {
            return self.believe();
        }
        self.doubts = 0;
        let is_looked_after = match self.mode {
            WakeMode::None => true,
            WakeMode::Inline => self.introduced,
            // Dekker: after the fence in post_want; pairs with the waker's when it stops polling.
            WakeMode::Housekeeping => bed.control.load(layout::TICK) != 0,
        };
        if !is_looked_after && let Some(bell) = &self.bell {
            match bell.ring() {
                Rung::Queued => self.introduced = true,
                // It looks by itself this time, and rings the next.
                Rung::NotNow => sound!(return Announced::ToNobody, unless UnheardIntroduced => self.introduced = true),
                Rung::HungUp => {
                    self.mode = WakeMode::None;
                    return Announced::ToNobody;
                }
            }
        }
        Announced::ToWaker
    }

    /// It is there now, though it was not a moment ago. Seen once that is a matter of luck; a producer that shows it to
    /// the one look and not to the other, again and again, would keep its consumer awake.
    fn believe(&mut self) -> Announced {
        self.doubts = self.doubts.saturating_add(1);
        if self.doubts > DOUBTS_MAX { Announced::ToNobody } else { Announced::Reached }
    }

    /// Takes what the waker has rung. If it has hung up, nobody wakes any more.
    pub(crate) fn hear(&mut self) {
        if self.bell.as_ref().is_some_and(|bell| bell.hear() == Heard::HungUp) {
            self.mode = WakeMode::None;
        }
    }

    /// Who wakes this consumer.
    pub(crate) fn mode(&self) -> WakeMode {
        self.mode
    }

    /// The longest that it sleeps.
    #[cfg(feature = "tokio")]
    pub(crate) fn longest_sleep(&self) -> Duration {
        self.longest
    }

    /// The bell of this membership; none where nobody wakes.
    #[cfg(not(loom))]
    pub(crate) fn bell(&self) -> Option<&Arc<Bell>> {
        self.bell.as_ref()
    }

    /// Everybody who reads a ring can sleep on any seat's word, and a wake reaches a bounded number of sleepers: another
    /// consumer may take ours. It cannot take what rings our bell.
    fn sleep_on_the_futex(&mut self, bed: Bed<'_>, seen: u32, limit: Duration) {
        let overslept = futex::sleep(bed.control, bed.seat, seen, limit) == Slept::ToTheEnd;
        #[cfg(test)]
        {
            self.overslept += u64::from(overslept);
        }
        if overslept && futex::seen(bed.control, bed.seat) != seen {
            self.alarm = Alarm::Bell;
        }
    }

    fn sleep_by_the_bell(&mut self, limit: Duration) {
        planted!(HeardEarly => self.hear());
        if let Some(bell) = &self.bell {
            bell.sleep(self.producer.as_ref(), limit);
        }
        self.hear();
    }
}
