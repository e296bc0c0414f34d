//! Whether what a consumer waits for is there: one condition for the consumer and for both of its wakers.
//!
//! It is monotone: what was reached once stays reached for that membership, so a waker that has woken somebody for one
//! `want` need not do so again. It is also reached when it can never come: the grain is gone or closed, the seat is lost.

use std::mem::offset_of;
use std::time::Duration;

use super::want::Want;
use crate::atomics::{Ordering, fence};
use crate::consumer::SeatStatus;
use crate::directory::Directory;
use crate::epoch_end;
use crate::geometry::Geometry;
use crate::layout::{self, DescWords, Layout, SeatWords, SlotWords};
use crate::mapping::Mapping;
use crate::seed::sound;

/// The part of a ring's shape by which its control words are found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached {
    layout: Layout,
    slots: u16,
    slices: u16,
    /// From one grain to the next, at least 1.
    grain_nanos: u64,
}

impl Reached {
    pub(crate) fn of(geometry: &Geometry) -> Self {
        let rate = geometry.format.rate();
        let grain_nanos = 1_000_000_000 * u64::from(rate.den()) / u64::from(rate.num().max(1));
        let Geometry { slots, slices, .. } = *geometry;
        Self { layout: Layout::of(geometry), slots, slices, grain_nanos: grain_nanos.max(1) }
    }

    /// Whether the consumer in seat `seat` need not sleep for `want`. The control region may hold anything: a bounded
    /// number of loads, and no word is an index that was not checked.
    pub(crate) fn holds(&self, control: &Mapping, seat: u8, want: Want) -> bool {
        if sound!(is_lost(control, seat, want), unless LossUnseen => false) {
            return true;
        }
        // Pairs with FrameWriter::open: the descriptor is written before.
        if control.load_acquire(layout::OPENED) <= want.index.0 {
            return is_over(control, want);
        }
        want.slices == 0 || self.has_slices(control, want)
    }

    /// How long it should take from now until `want` is reached, if grains come at their rate and their slices one by one;
    /// the newest grain came `since_opened` ago. A guess, from words that may hold anything.
    pub(crate) fn guess(&self, control: &Mapping, want: Want, since_opened: Duration) -> Duration {
        let opened = control.load_acquire(layout::OPENED); // pairs with FrameWriter::open
        let grains = (want.index.0 + 1).saturating_sub(opened).min(1000);
        let to_opening = Duration::from_nanos(grains.saturating_mul(self.grain_nanos)).saturating_sub(since_opened);
        let there = if grains == 0 { self.progress(control, want).unwrap_or(self.slices) } else { 0 };
        let slices = want.slices.min(self.slices).saturating_sub(there);
        let for_slices = u128::from(self.grain_nanos) * u128::from(slices) / u128::from(self.slices.max(1));
        // No more than of one grain, which is a u64.
        to_opening + Duration::from_nanos(for_slices as u64)
    }

    /// Slices that there are of a grain that was opened at some time.
    fn progress(&self, control: &Mapping, want: Want) -> Option<u16> {
        let slot = control.load(self.layout.desc(want.index.0) + offset_of!(DescWords, slot));
        let slot = u16::try_from(slot).ok().filter(|slot| *slot < self.slots)?;
        Some(control.load(self.layout.slot(slot) + offset_of!(SlotWords, progress)) as u16)
    }

    /// Whether the grain, which was opened at some time, has the slices, or is closed or gone.
    fn has_slices(&self, control: &Mapping, want: Want) -> bool {
        let Some((slot, q)) = self.described(control, want).or_else(|| self.lodged(control, want)) else { return true };
        let Some(slot) = u16::try_from(slot).ok().filter(|slot| *slot < self.slots) else { return true };
        let at = self.layout.slot(slot);
        // Pairs with FrameWriter::publish.
        let progress = control.load_acquire(at + offset_of!(SlotWords, progress));
        // Pairs with FrameWriter::close.
        let generation = control.load_acquire(at + offset_of!(SlotWords, generation));
        progress >> 16 != q || progress as u16 >= want.slices || generation != q.wrapping_mul(2).wrapping_add(1)
    }

    /// Slot and lap of the grain, as its descriptor says; none if that is another grain's.
    fn described(&self, control: &Mapping, want: Want) -> Option<(u64, u64)> {
        let at = self.layout.desc(want.index.0);
        let announced = want.index.0 + 1;
        if control.load_acquire(at + offset_of!(DescWords, index)) != announced {
            return None;
        }
        let slot = control.load(at + offset_of!(DescWords, slot));
        let q = control.load(at + offset_of!(DescWords, q));
        // Pairs with the Release fence in FrameWriter::describe. No wake depends on it: what is read of two grains is put
        // right by the look that follows the later one's announcement. It spares needless wakes.
        fence(Ordering::Acquire);
        (control.load(at + offset_of!(DescWords, index)) == announced).then_some((slot, q))
    }

    /// The same of a grain whose descriptor a later one has, while it is open: one that is closed has all that it will.
    #[cold]
    fn lodged(&self, control: &Mapping, want: Want) -> Option<(u64, u64)> {
        let directory = Directory::new(control, &self.layout);
        let Some(slot) = directory.slot_of_open(want.index) else {
            // What shows that it is closed was stored after its end: whoever is woken by this sees that.
            fence(Ordering::Acquire); // pairs with the Release of `opened`
            return None;
        };
        let at = self.layout.slot(slot);
        // Pairs with FrameWriter::begin_slot: if the slot still names the grain then, this is the grain's lap.
        let q = control.load_acquire(at + offset_of!(SlotWords, progress)) >> 16;
        (control.load(at + offset_of!(SlotWords, index)) == want.index.0 + 1).then_some((u64::from(slot), q))
    }
}

/// Whether the epoch ends before the grain.
fn is_over(control: &Mapping, want: Want) -> bool {
    epoch_end::load(control).is_some_and(|epoch| want.index >= epoch.end)
}

/// Whether the grain is out of the consumer's reach, for it was evicted or has left. Whose the seat is by now is not asked:
/// it goes to another only when its consumer is no more, or has acknowledged, and then does not wait for a waker.
fn is_lost(control: &Mapping, seat: u8, want: Want) -> bool {
    // Pairs with the writer's `show`.
    match SeatStatus::decode(control.load_acquire(layout::seat(seat) + offset_of!(SeatWords, status))) {
        SeatStatus::Live { .. } => false,
        SeatStatus::Evicted { hi } => want.index >= hi,
        SeatStatus::Empty => true,
    }
}

#[cfg(test)]
mod tests {
    use media::GrainIndex;

    use super::*;
    use crate::ConsumerClass;
    use crate::fixture::{TestRing, geometry_of, leased};
    use crate::wake::Alarm;

    struct Stage {
        ring: TestRing,
        control: Mapping,
        reached: Reached,
    }

    impl Stage {
        fn new() -> Self {
            Self::of(geometry_of(8, 1, 3))
        }

        fn of(geometry: Geometry) -> Self {
            let ring = TestRing::with(geometry);
            let reached = Reached::of(ring.writer.geometry());
            let (control, _) = ring.region.map_for_reading().unwrap();
            Self { ring, control, reached }
        }

        fn has(&self, index: u64, slices: u16) -> bool {
            let want = Want { index: GrainIndex(index), slices, alarm: Alarm::Futex };
            self.reached.holds(&self.control, 0, want)
        }
    }

    #[test]
    fn slices_are_reached_one_by_one() {
        let mut stage = Stage::new();
        let _consumer = stage.ring.join(0, ConsumerClass::Lossy);
        assert!(!stage.has(7, 0));
        stage.ring.open(7).unwrap();
        assert!(stage.has(7, 0) && !stage.has(7, 1) && !stage.has(8, 0));
        stage.ring.publish(7, 2);
        assert!(stage.has(7, 2) && !stage.has(7, 3));
        stage.ring.commit(7);
        assert!(stage.has(7, 3) && stage.has(7, u16::MAX - 1) && !stage.has(8, 0));
    }

    #[test]
    fn slices_of_a_grain_whose_descriptor_a_later_one_has_are_reached_one_by_one() {
        let mut stage = Stage::of(geometry_of(8, 3, 3));
        let _consumer = stage.ring.join(0, leased(3));
        for index in [7, 7 + 16, 7 + 32] {
            stage.ring.open(index).unwrap();
        }
        assert!(stage.has(7, 0) && !stage.has(7, 1) && !stage.has(23, 1) && !stage.has(39, 1));
        stage.ring.publish(23, 2);
        assert!(!stage.has(7, 1) && stage.has(23, 2) && !stage.has(23, 3));
        stage.ring.cancel(7);
        assert!(stage.has(7, 1) && !stage.has(23, 3));
        stage.ring.open(40).unwrap();
        assert!(stage.has(7, 1) && !stage.has(23, 3) && stage.has(8, 1), "another has its place");
    }

    #[test]
    fn what_never_comes_is_reached() {
        let mut stage = Stage::new();
        assert!(stage.has(7, 1), "nobody sits there");
        let _consumer = stage.ring.join(0, ConsumerClass::Lossy);
        stage.ring.open(7).unwrap();
        stage.ring.publish(7, 1);
        stage.ring.cancel(7);
        assert!(stage.has(7, 2), "cancelled");
        stage.ring.grain(9).unwrap();
        assert!(stage.has(8, 1), "left out");
        for index in 10..20 {
            stage.ring.grain(index).unwrap();
        }
        assert!(stage.has(9, 1), "overwritten");
        assert!(!stage.has(20, 1));
        stage.ring.writer.conclude(crate::Successor::Unnamed);
        assert!(stage.has(20, 0) && stage.has(25, 1), "the epoch is over");
    }

    #[test]
    fn an_evicted_consumer_waits_for_what_it_still_has() {
        let mut stage = Stage::new();
        let _consumer = stage.ring.join(0, ConsumerClass::Leased { k: 2, deadline_nanos: 5 });
        stage.ring.grain(1).unwrap();
        stage.ring.open(2).unwrap();
        stage.ring.advance(6);
        stage.ring.writer.poll(stage.ring.now);
        assert!(stage.has(3, 0), "out of reach");
        assert!(stage.has(2, 0) && !stage.has(2, 1), "in quarantine, and still written");
        stage.ring.publish(2, 1);
        assert!(stage.has(2, 1));
    }

    #[test]
    fn guesses_go_by_the_rate() {
        let mut stage = Stage::new();
        let _consumer = stage.ring.join(0, ConsumerClass::Lossy);
        stage.ring.grain(6).unwrap();
        stage.ring.open(7).unwrap();
        stage.ring.publish(7, 1);
        let ms = |stage: &Stage, index, slices, since| {
            let want = Want { index: GrainIndex(index), slices, alarm: Alarm::Futex };
            stage.reached.guess(&stage.control, want, Duration::from_millis(since)).as_millis()
        };
        // 25 grains of three slices a second.
        assert_eq!([ms(&stage, 7, 1, 5), ms(&stage, 7, 2, 5), ms(&stage, 7, 3, 5)], [0, 13, 26]);
        assert_eq!([ms(&stage, 8, 0, 5), ms(&stage, 8, 0, 50), ms(&stage, 9, 3, 5)], [35, 0, 115]);
        assert_eq!(ms(&stage, 8, Want::SLICES_MAX, 0), 80, "until it is closed");
        assert_eq!(ms(&stage, GrainIndex::LIMIT - 1, 0, 0), 40_000, "far away");
    }

    /// Any rate of two u32 may come from a pod.
    #[test]
    fn the_slowest_flow_is_waited_for() {
        let format = media::AncillaryFormat::new(media::Rate::new(1, u32::MAX).unwrap(), 64).unwrap();
        let flow = geometry_of(8, 1, 3).flow;
        let stage = Stage::of(Geometry::new(flow, format, 8, 1, crate::Pages::Plain).unwrap());
        let want = |index, slices| Want { index: GrainIndex(index), slices, alarm: Alarm::Futex };
        let guess = |want| stage.reached.guess(&stage.control, want, Duration::ZERO);
        assert_eq!(guess(want(0, 0)), Duration::from_secs(u32::MAX.into()));
        assert_eq!(guess(want(0, 1)), 2 * Duration::from_secs(u32::MAX.into()));
        assert!(guess(want(GrainIndex::LIMIT - 1, 1)) >= Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn any_words_give_an_answer() {
        let mut stage = Stage::new();
        let _consumer = stage.ring.join(0, ConsumerClass::Lossy);
        stage.ring.open(1).unwrap();
        let layout = Layout::of(stage.ring.writer.geometry());
        let at = layout.desc(1);
        for slot in [8, 1 << 16, u64::MAX] {
            stage.ring.writer_control().store(at + offset_of!(DescWords, slot), slot);
            assert!(stage.has(1, 1));
            let want = Want { index: GrainIndex(1), slices: 3, alarm: Alarm::Futex };
            stage.reached.guess(&stage.control, want, Duration::MAX);
        }
        assert!(!stage.reached.holds(&stage.control, 0, Want::decode(u64::MAX).unwrap()));
    }
}
