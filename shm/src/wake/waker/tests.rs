//! Sleepers and wakers of one process, each with mappings of its own.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use media::GrainIndex;

use super::*;
use crate::fixture::{TestConsumer, TestRing, leased};
use crate::layout;
use crate::pipe::{LifeEnd, LifeWatch, life_pipe};
use crate::wake::bell::Rung;
use crate::wake::{Alarm, Waiting, Want, bell_pair};
use crate::{Access, ConsumerClass, ReadError, WaitError, WakeMode};

const MODES: [WakeMode; 2] = [WakeMode::Inline, WakeMode::Housekeeping];
/// Longer than anybody here sleeps, unless its wake is lost.
const FOR_EVER: Duration = Duration::from_secs(20);

/// A ring with its waker.
struct Stage {
    ring: TestRing,
    waker: Waker,
    mode: WakeMode,
    ends: Vec<LifeEnd>,
}

impl Stage {
    fn new(mode: WakeMode) -> Self {
        Self::with(mode, Waker::PERIOD)
    }

    fn with(mode: WakeMode, period: Duration) -> Self {
        let mut ring = TestRing::new(8, 64);
        let waker = Waker::start(period).unwrap();
        let waking = if mode == WakeMode::Inline {
            let sleepers = Arc::new(Sleepers::new());
            ring.writer.wake_inline(Arc::clone(&sleepers));
            Waking::Inline(sleepers)
        } else {
            Waking::Housekeeping
        };
        let geometry = *ring.writer.geometry();
        let control = ring.second_control.take().unwrap();
        waker.add(WakingRing { epoch: geometry.epoch, control, reached: Reached::of(&geometry), waking });
        Self { ring, waker, mode, ends: Vec::new() }
    }

    /// A consumer that sleeps until it is woken, and its bell's other end.
    fn join(&mut self, seat: u8, class: ConsumerClass) -> (TestConsumer, WatchId) {
        let mut consumer = self.ring.join(seat, class);
        let (bell, id) = self.watch(&consumer);
        let (end, producer) = life_pipe().unwrap();
        self.ends.push(end);
        let waiting = self.waiting(bell, Some(producer)).sleeping_at_most(FOR_EVER);
        consumer.reader.wait_with(waiting);
        (consumer, id)
    }

    fn watch(&self, consumer: &TestConsumer) -> (Bell, WatchId) {
        let (ours, theirs) = bell_pair().unwrap();
        let lease = Arc::new(consumer.page.map(Access::ReadOnly).unwrap());
        let epoch = self.ring.writer.geometry().epoch;
        let seat = WakingSeat { epoch, seat: consumer.consumer, lease, bell: Arc::new(theirs) };
        (ours, self.waker.watch(seat).unwrap())
    }

    fn waiting(&self, bell: Bell, producer: Option<LifeWatch>) -> Waiting {
        Waiting::new(self.ring.writer.geometry(), self.mode, Some(bell), producer)
    }

    fn tick(&self) -> u64 {
        self.ring.writer_control().load(layout::TICK)
    }
}

fn later() -> Instant {
    Instant::now() + FOR_EVER
}

/// Until what another thread does has come about.
fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        std::thread::yield_now();
    }
}

/// Spins for a while, to meet the other side at another place each time.
struct Dawdler(u32);

impl Dawdler {
    fn dawdle(&mut self) {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        for _ in 0..self.0 >> 21 {
            std::hint::spin_loop();
        }
    }
}

/// Every slice of many grains, one by one: the writer goes on when the consumers have it. With a lost wake somebody would
/// sleep for ever.
fn no_wake_is_lost(mode: WakeMode, consumers: u8, grains: u64) {
    let mut stage = Stage::new(mode);
    let slices = stage.ring.writer.geometry().slices;
    let members: Vec<_> = (0..consumers).map(|seat| stage.join(seat, ConsumerClass::Lossy).0).collect();
    let had: Vec<AtomicU64> = (0..consumers).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        for (mut member, had) in members.into_iter().zip(&had) {
            scope.spawn(move || {
                let mut dawdler = Dawdler(member.nonce as u32);
                for index in 1..=grains {
                    for slice in 0..=slices {
                        let state = member.reader.wait_until(GrainIndex(index), slice, later()).unwrap();
                        assert!(state.slices >= slice);
                        had.store(index << 16 | u64::from(slice), Ordering::Release);
                        dawdler.dawdle();
                    }
                }
                assert_eq!(member.reader.overslept(), 0);
            });
        }
        let mut dawdler = Dawdler(0);
        for index in 1..=grains {
            for slice in 0..=slices {
                dawdler.dawdle();
                match slice {
                    0 => drop(stage.ring.open(index).unwrap()),
                    _ => stage.ring.publish(index, slice),
                }
                until(|| had.iter().all(|had| had.load(Ordering::Acquire) == index << 16 | u64::from(slice)));
            }
            stage.ring.commit(index);
        }
    });
}

#[test]
fn no_inline_wake_is_lost() {
    no_wake_is_lost(WakeMode::Inline, 1, 150);
    no_wake_is_lost(WakeMode::Inline, 3, 50);
}

#[test]
fn no_wake_by_the_housekeeper_is_lost() {
    no_wake_is_lost(WakeMode::Housekeeping, 1, 60);
    no_wake_is_lost(WakeMode::Housekeeping, 3, 20);
}

#[test]
fn an_idle_waker_stands_still_until_somebody_sleeps() {
    let mut stage = Stage::new(WakeMode::Housekeeping);
    let (mut member, _) = stage.join(0, ConsumerClass::Lossy);
    for index in 1..5 {
        until(|| stage.tick() == 0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| member.reader.wait_until(GrainIndex(index), 1, later()));
            until(|| stage.tick() != 0);
            stage.ring.grain(index).unwrap();
            assert!(sleeper.join().unwrap().unwrap().complete);
        });
    }
}

#[test]
fn what_ends_a_wait_wakes() {
    for mode in MODES {
        let mut stage = Stage::new(mode);
        let class = ConsumerClass::Leased { k: 2, deadline_nanos: 5 };
        let (mut member, _) = stage.join(0, class);
        let reader = &mut member.reader;
        stage.ring.grain(1).unwrap();
        stage.ring.open(3).unwrap();
        let gone = WaitError::Read(ReadError::Gone { index: GrainIndex(2), oldest: Some(GrainIndex(1)) });
        assert_eq!(reader.wait_until(GrainIndex(2), 0, later()), Err(gone), "left out");
        let first = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| reader.wait_until(GrainIndex(3), 2, later()).unwrap());
            stage.ring.publish(3, 1);
            stage.ring.cancel(3);
            sleeper.join().unwrap()
        });
        assert_eq!((first.slices, first.cancelled, first.complete), (1, true, false));
        let error = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| reader.wait_until(GrainIndex(4), 0, later()).unwrap_err());
            stage.ring.advance(6);
            stage.ring.writer.poll(stage.ring.now);
            sleeper.join().unwrap()
        });
        assert_eq!(error, ReadError::Evicted { hi: GrainIndex(4) }.into(), "{mode:?}");
    }
}

#[test]
fn the_end_of_a_grain_can_be_waited_for() {
    let mut stage = Stage::new(WakeMode::Inline);
    let (mut member, _) = stage.join(0, leased(2));
    stage.ring.open(9).unwrap();
    stage.ring.publish(9, 64);
    let state = std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let index = member.reader.wait_next(later()).unwrap();
            member.reader.wait_until(index, u16::MAX, later()).unwrap()
        });
        stage.ring.commit(9);
        sleeper.join().unwrap()
    });
    assert!(state.complete);
}

#[test]
fn a_deadline_that_passes_says_how_far_it_came() {
    for mode in [WakeMode::None, WakeMode::Inline, WakeMode::Housekeeping] {
        let mut stage = Stage::new(if mode == WakeMode::None { WakeMode::Inline } else { mode });
        let (mut member, _) = stage.join(0, ConsumerClass::Lossy);
        if mode == WakeMode::None {
            member.reader.wait_with(Waiting::alone(stage.ring.writer.geometry()));
        }
        let soon = || Instant::now() + Duration::from_millis(2);
        let timed_out = |reached| WaitError::TimedOut { index: GrainIndex(5), slices: 3, reached };
        let waited = member.reader.wait_until(GrainIndex(5), 3, soon());
        assert_eq!(waited, Err(timed_out(None)));
        stage.ring.open(5).unwrap();
        stage.ring.publish(5, 2);
        assert_eq!(member.reader.wait_until(GrainIndex(5), 3, soon()), Err(timed_out(Some(2))));
        assert_eq!(member.reader.wait_until(GrainIndex(5), 2, soon()).unwrap().slices, 2);
        let page = member.page.map(Access::ReadOnly).unwrap();
        assert_eq!(crate::lease_page::wanted(&page), 0, "taken back");
    }
}

#[test]
fn whoever_sleeps_hears_that_its_producer_is_gone() {
    for mode in MODES {
        let mut stage = Stage::new(mode);
        let (mut member, _) = stage.join(0, ConsumerClass::Lossy);
        // Sleeps as long as in earnest: nobody wakes it.
        let (bell, _) = stage.watch(&member);
        let (end, producer) = life_pipe().unwrap();
        member.reader.wait_with(stage.waiting(bell, Some(producer)));
        let error = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| member.reader.wait_until(GrainIndex(7), 1, later()).unwrap_err());
            drop(end);
            sleeper.join().unwrap()
        });
        assert_eq!(error, WaitError::ProducerGone { index: GrainIndex(7) });
        stage.ring.grain(7).unwrap();
        assert!(member.reader.wait_until(GrainIndex(7), 64, later()).unwrap().complete, "what is there is there");
    }
}

#[test]
fn one_who_never_hears_its_bell_is_in_nobodys_way() {
    for mode in MODES {
        let mut stage = Stage::new(mode);
        let (deaf, _) = stage.join(0, ConsumerClass::Lossy);
        let (mut member, _) = stage.join(1, ConsumerClass::Lossy);
        let (bell, _) = stage.watch(&deaf);
        bell.ring();
        let page = deaf.page.map(Access::ReadWrite).unwrap();
        for index in 1..40 {
            stage.ring.open(index).unwrap();
            for slice in 1..=64 {
                // Wants each slice by the bell, and never reads it.
                let want = Want { index: GrainIndex(index), slices: slice, alarm: Alarm::Bell };
                crate::lease_page::post_want(&page, want.encode());
                stage.ring.publish(index, slice);
            }
            assert_eq!(member.reader.wait_until(GrainIndex(index), 64, later()).unwrap().slices, 64);
            stage.ring.commit(index);
        }
    }
}

/// Rings so often; how often the waker looked meanwhile, and how long it took.
fn flood(stage: &Stage, bell: &Bell, rings: u32) -> (u64, Duration) {
    let (before, begun) = (stage.waker.turns(), Instant::now());
    (0..rings).for_each(|_| assert_eq!(bell.ring(), Rung::Queued));
    (stage.waker.turns() - before, begun.elapsed())
}

#[test]
fn a_flood_of_rings_does_not_make_the_waker_spin() {
    for mode in MODES {
        let mut stage = Stage::new(mode);
        let (hostile, _) = stage.join(0, ConsumerClass::Lossy);
        let (mut member, _) = stage.join(1, ConsumerClass::Lossy);
        let (bell, _) = stage.watch(&hostile);
        let (turns, took) = flood(&stage, &bell, 200_000);
        // Nobody listens to it after the first ring, or once a period: each turn that is not the first sleeps so long.
        let at_most = if mode == WakeMode::Inline { 16 } else { 16 + took.as_nanos() / Waker::PERIOD.as_nanos() };
        assert!(u128::from(turns) <= at_most, "{mode:?}: {turns} turns in {took:?}");
        let state = std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| member.reader.wait_until(GrainIndex(1), 64, later()).unwrap());
            stage.ring.grain(1).unwrap();
            sleeper.join().unwrap()
        });
        assert_eq!(state.slices, 64, "others are looked after");
    }
}

#[test]
fn who_is_forgotten_is_let_go_of() {
    for mode in MODES {
        let mut stage = Stage::new(mode);
        let (consumer, first) = stage.join(0, ConsumerClass::Lossy);
        let (bell, second) = stage.watch(&consumer);
        bell.ring();
        stage.waker.forget(first);
        stage.waker.forget(second);
        // The only other holder of the waker's end.
        until(|| bell.hear() == crate::wake::bell::Heard::HungUp);
        stage.ring.grain(1).unwrap();
    }
}

/// A slice is published and the waker lets go of the consumer before it looks again: it pauses so long.
fn the_last_wake(end: impl FnOnce(Waker, WatchId, u128)) {
    let mut stage = Stage::with(WakeMode::Housekeeping, Duration::from_millis(50));
    let (mut member, id) = stage.join(0, ConsumerClass::Lossy);
    let page = member.page.map(Access::ReadOnly).unwrap();
    stage.ring.open(1).unwrap();
    until(|| stage.tick() != 0);
    let Stage { mut ring, waker, ends: _ends, .. } = stage;
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| member.reader.wait_until(GrainIndex(1), 1, later()));
        until(|| crate::lease_page::wanted(&page) != 0);
        ring.publish(1, 1);
        end(waker, id, ring.writer.geometry().epoch);
        assert_eq!(sleeper.join().unwrap().unwrap().slices, 1);
    });
    assert_eq!(member.reader.overslept(), 0, "the last wake is lost");
}

#[test]
fn whoever_sleeps_is_woken_as_its_waker_ends() {
    the_last_wake(|waker, _, _| drop(waker));
}

#[test]
fn whoever_sleeps_is_woken_as_its_ring_is_forgotten() {
    the_last_wake(|waker, _, epoch| waker.remove(epoch));
}

#[test]
fn whoever_sleeps_is_woken_as_it_is_forgotten() {
    the_last_wake(|waker, id, _| waker.forget(id));
}

#[test]
fn stolen_wakes_are_missed_once() {
    let mut stage = Stage::new(WakeMode::Inline);
    let (mut member, _) = stage.join(0, ConsumerClass::Lossy);
    let (bell, _) = stage.watch(&member);
    let mut waiting = stage.waiting(bell, None).sleeping_at_most(Duration::from_millis(20));
    let (control, _) = stage.ring.region.map_for_reading().unwrap();
    // Nobody wakes, and yet the word changes: as if the wake had reached others only.
    let before = crate::wake::futex::seen(&control, 0);
    assert_eq!(waiting.alarm(), Alarm::Futex);
    crate::wake::futex::bump(stage.ring.writer_control(), 0);
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let want = Want { index: GrainIndex(1), slices: 0, alarm: Alarm::Futex };
            until_alarm_is_the_bell(&mut waiting, &member, want);
        });
        while !sleeper.is_finished() {
            crate::wake::futex::bump(stage.ring.writer_control(), 0);
            std::thread::sleep(Duration::from_millis(1));
        }
        sleeper.join().unwrap();
    });
    assert_ne!(crate::wake::futex::seen(&control, 0), before);
    member.reader.wait_with(waiting.sleeping_at_most(FOR_EVER));
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| member.reader.wait_until(GrainIndex(1), 64, later()).unwrap());
        stage.ring.grain(1).unwrap();
        assert!(sleeper.join().unwrap().complete, "by the bell");
    });
}

fn until_alarm_is_the_bell(waiting: &mut Waiting, member: &TestConsumer, want: Want) {
    while waiting.alarm() != Alarm::Bell {
        waiting.sleep(member.reader.bed(), want, FOR_EVER);
    }
}
