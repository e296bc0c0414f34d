//! A producer that goes on writing grains while it rewrites any word of its control region at random: header, seats, slots,
//! descriptors. Four consumers and a bystander read meanwhile: no panic, nothing out of range, bounded steps; and a
//! consumer of another ring sees nothing of it (I8).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use media::GrainIndex;

use super::*;
use crate::fixture::{TestConsumer, TestRing, geometry, leased, line_bytes};
use crate::mapping::LOADS;
use crate::{Access, RingProbe};

const SLOTS: u16 = 16;
const LINES: u16 = 70;
/// Grains that each consumer asks for, and how often it looks for one at the most.
const ROUNDS: u32 = 20_000;
const TRIES: u32 = 400_000;
/// Descriptors of the ring.
const DESCS: u64 = 2 * SLOTS as u64;
/// Words that a question about one grain, or about the whole ring, may load.
const OF_A_GRAIN: u64 = 32;
/// Words that a question about all grains that are named may load.
const OF_ALL: u64 = 16 * (DESCS + SLOTS as u64);

/// What `call` gives, which loaded no more than `most` words.
#[track_caller]
fn bounded<T>(most: u64, call: impl FnOnce() -> T) -> T {
    LOADS.set(0);
    let given = call();
    assert!(LOADS.get() <= most, "{} loads in one call", LOADS.get());
    given
}

/// Everything that may be asked of a reader, once.
fn ask(consumer: &mut TestConsumer, held: &mut Vec<GrainLease>, line: u16) {
    let reader = &mut consumer.reader;
    bounded(OF_A_GRAIN, || reader.status());
    bounded(OF_A_GRAIN, || reader.newest()).into_iter().for_each(|newest| assert!(newest.0 < GrainIndex::LIMIT));
    assert!(u64::from(bounded(OF_ALL, || reader.waiting())) <= DESCS + u64::from(SLOTS));
    let Some(index) = bounded(OF_ALL, || reader.next_available()) else { return };
    if held.len() > 1 {
        held.remove(0);
    }
    // If it is gone, the answer names the oldest that is not.
    let Ok(lease) = bounded(OF_ALL, || reader.lease(index)) else { return };
    assert!(lease.grain().slot() < SLOTS && lease.index() == index);
    let state = bounded(OF_A_GRAIN, || lease.state());
    assert!(state.is_ok_and(|state| state.slices <= LINES) || state.is_err());
    assert_eq!(bounded(OF_A_GRAIN, || lease.lines(0..line)), None, "a pod's bytes are never lent");
    let lost = bounded(OF_A_GRAIN, || reader.lost_lines(&lease.grain()).take(4).max());
    assert!(lost.is_none_or(|line| line < LINES));
    let mut out = [0; LINES as usize * 40];
    let _ = bounded(OF_A_GRAIN, || lease.copy_lines(0..line, &mut out));
    held.push(lease);
}

/// Passes over indices that are absurd: having gone there, a reader would see nothing any more.
fn consume(mut consumer: TestConsumer, newest: &AtomicU64) -> u32 {
    let (mut held, mut round) = (Vec::new(), 0);
    // All tries may be over before the producer has written its first grain.
    while newest.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    for _ in 0..TRIES {
        if round == ROUNDS {
            break;
        }
        let ahead = newest.load(Ordering::Relaxed) + 64;
        if consumer.reader.next_available().is_some_and(|index| index.0 < ahead) {
            ask(&mut consumer, &mut held, (round % u32::from(LINES)) as u16);
            round += 1;
        }
    }
    held.clear();
    consumer.reader.skip_to(GrainIndex(u64::MAX));
    ask(&mut consumer, &mut held, 1);
    round
}

/// Xorshift64*.
struct Numbers(u64);

impl Numbers {
    fn any(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.any() >> 8) % end
    }

    /// A word that is likely to hurt.
    fn nasty(&mut self, near: u64) -> u64 {
        match self.below(5) {
            0 => self.below(20),
            1 => near.wrapping_add(self.below(40)).wrapping_sub(20),
            2 => 1 << self.below(64),
            3 => (1_u64 << self.below(64)).wrapping_sub(1),
            _ => self.any(),
        }
    }
}

#[test]
fn a_producer_that_scribbles_harms_itself_alone() {
    let (mut ring, scribble) = TestRing::with_scribbler(geometry(SLOTS, LINES.into()));
    let classes = [leased(2), leased(2), ConsumerClass::Lossy, ConsumerClass::Lossy];
    let consumers = (0_u8..).zip(classes).map(|(seat, class)| {
        ring.notices();
        let TestConsumer { page, consumer, nonce, .. } = ring.join(seat, class);
        ring.attach(page, consumer, nonce, class, Trust::Pod)
    });
    let consumers: Vec<TestConsumer> = consumers.collect();
    let (control, _data) = ring.region.map_for_reading().unwrap();
    let probe = RingProbe::new(ring.writer.geometry(), control).unwrap();
    let page = consumers[0].page.map(Access::ReadOnly).unwrap();
    let (stop, newest) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let readers: Vec<_> =
            consumers.into_iter().map(|consumer| scope.spawn(|| consume(consumer, &newest))).collect();
        scope.spawn(|| {
            for index in 1.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // Its consumers may make it drop a grain; that is its own affair.
                let _ = ring.grain(index);
                ring.notices();
                newest.store(index, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let mut numbers = Numbers(7);
            let words = scribble.octets() as u64 / 8;
            while !stop.load(Ordering::Relaxed) {
                let value = numbers.nasty(newest.load(Ordering::Relaxed));
                let at = numbers.below(words) as usize * 8;
                let before = scribble.load(at);
                scribble.store(at, value);
                // The writer says once who sits there, and without a seat a reader sees no more than that.
                if (layout::seat(0)..layout::seat(CONSUMERS_MAX)).contains(&at) {
                    scribble.store(at, before);
                }
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(bounded(OF_ALL, || probe.lag(&page)) <= DESCS + u64::from(SLOTS));
                let seen = bounded(OF_A_GRAIN, || (probe.newest(), probe.head(), probe.status(0)));
                assert!(seen.0.is_none_or(|index| index.0 < GrainIndex::LIMIT), "{seen:?}");
            }
        });
        other_ring_sees_nothing(|| readers.iter().all(std::thread::ScopedJoinHandle::is_finished));
        stop.store(true, Ordering::Relaxed);
        // How many still come through is up to the scheduler: nobody waits for anybody here.
        let asked: u32 = readers.into_iter().map(|reader| reader.join().unwrap()).sum();
        assert!(asked > 0);
    });
}

/// Grains through another ring, each read whole, until it is `over`.
fn other_ring_sees_nothing(over: impl Fn() -> bool) {
    let mut ring = TestRing::new(4, 3);
    let mut consumer = ring.join(0, leased(1));
    for index in 0.. {
        ring.grain(index).unwrap();
        let lease = consumer.reader.lease(GrainIndex(index)).unwrap();
        assert_eq!(lease.lines(0..1).unwrap(), line_bytes(index, 0, 40));
        if over() {
            return;
        }
    }
}
