//! Lease pages that hold anything, at any moment (I6): the writer's steps stay bounded, and nobody but the owner of a page
//! notices what stands in it.

use std::mem::offset_of;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use media::GrainIndex;

use crate::fixture::{TestConsumer, TestRing, leased, line_bytes};
use crate::geometry::Geometry;
use crate::layout::LeaseWords;
use crate::mapping::LOADS;
use crate::{Access, ConsumerClass, Mapping};

/// Of the hostile consumers and of the honest one.
const K: u16 = 2;
const HOSTILE: u8 = 4;
const LINES: u16 = 3;

/// What a step may load at the most: two words of each lease page.
const LOADS_MAX: u64 = 2 * (HOSTILE as u64 + 2);

/// The words of a page that the writer reads, or that a waker may.
const WORDS: [usize; 3] = [offset_of!(LeaseWords, cursor), offset_of!(LeaseWords, ack), offset_of!(LeaseWords, want)];

/// Values that have a reason to hurt, around the newest index `last`.
fn adversarial(last: u64, nonce: u64) -> Vec<u64> {
    let near = [last.wrapping_sub(1), last, last + 1, last + 2, last + u64::from(K) + 2, nonce, nonce ^ 1];
    let limits = [0, 1, u64::MAX, u64::MAX - 1, i64::MAX as u64, 1 << 63, GrainIndex::LIMIT - 1, GrainIndex::LIMIT];
    // Each bit, and everything below it: among them 2^47, 2^47 - 1, 2^48.
    let bits = (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) - 1, u64::MAX << bit]);
    near.into_iter().chain(limits).chain(bits).collect()
}

/// A ring that the sizing rule admits, with an honest consumer in seat 0 and hostile ones behind it.
struct Scene {
    ring: TestRing,
    honest: TestConsumer,
    hostile: Vec<TestConsumer>,
    index: u64,
}

impl Scene {
    fn new() -> Self {
        let slots = Geometry::slots_for(1, [K; HOSTILE as usize + 1]) as u16;
        let mut ring = TestRing::new(slots, LINES.into());
        let mut join = |seat, class| {
            ring.notices();
            ring.join(seat, class)
        };
        let honest = join(0, leased(K));
        let mut hostile: Vec<_> = (1..=HOSTILE).map(|seat| join(seat, leased(K))).collect();
        hostile.push(join(HOSTILE + 1, ConsumerClass::Lossy));
        Self { ring, honest, hostile, index: 0 }
    }

    /// One grain through the ring: found a slot in bounded steps, and read whole by the honest consumer.
    fn grain(&mut self) {
        self.index += 1;
        LOADS.set(0);
        self.ring.grain(self.index).unwrap();
        self.ring.writer.poll(self.ring.now);
        let loads = LOADS.get();
        assert!(loads <= 2 * LOADS_MAX, "{loads} loads for a grain and a poll");
        let lease = self.honest.reader.lease(GrainIndex(self.index)).unwrap();
        let expected = (0..LINES).map(|line| line_bytes(self.index, line, 40)).collect::<Vec<_>>().concat();
        assert_eq!(lease.lines(0..LINES).unwrap(), expected);
        let accounts = self.ring.writer.slot_accounts();
        let slots = self.ring.writer.geometry().slots;
        assert_eq!(accounts.free + accounts.open + accounts.done, slots, "{accounts:?}");
        assert!(accounts.leased + accounts.quarantined <= u16::from(HOSTILE + 1) * (K + 1) + 1, "{accounts:?}");
        self.ring.notices();
    }
}

/// Each value in each word, of consumers that keep up (a cursor far ahead counts as that) and of such that are in
/// quarantine; and then 0, for a cursor never falls.
#[test]
fn no_value_in_a_lease_page_reaches_beyond_its_owner() {
    for (word, position) in WORDS.into_iter().flat_map(|word| (0..adversarial(0, 0).len()).map(move |at| (word, at))) {
        for patience in [1, u16::from(HOSTILE)] {
            let mut scene = Scene::new();
            (0..patience).for_each(|_| scene.grain());
            for consumer in &scene.hostile {
                consumer.scribble(&[(word, adversarial(scene.index, consumer.nonce)[position])]);
            }
            (0..2).for_each(|_| scene.grain());
            scene.hostile.iter().for_each(|consumer| consumer.scribble(&[(word, 0)]));
            (0..4).for_each(|_| scene.grain());
            assert_eq!(scene.ring.writer.counters().no_slot(), 0);
        }
    }
}

/// As above, while the writer reads the pages.
#[test]
fn pages_that_change_all_the_time_cost_nobody_else_anything() {
    let mut scene = Scene::new();
    let (stop, newest) = (AtomicBool::new(false), AtomicU64::new(0));
    let written = AtomicU64::new(0);
    let pages: Vec<(Mapping, u64)> =
        scene.hostile.iter().map(|consumer| (consumer.page.map(Access::ReadWrite).unwrap(), consumer.nonce)).collect();
    std::thread::scope(|scope| {
        let (stop, newest, written) = (&stop, &newest, &written);
        for (page, nonce) in &pages {
            scope.spawn(move || {
                let mut turn = *nonce as usize;
                while !stop.load(Ordering::Relaxed) {
                    for value in adversarial(newest.load(Ordering::Relaxed), *nonce) {
                        turn = turn.wrapping_add(1);
                        page.store(WORDS[turn % 3], value);
                    }
                    written.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // So many that all of the scribblers had several turns.
        while scene.index < 20_000 || written.load(Ordering::Relaxed) < 1_000 {
            scene.grain();
            newest.store(scene.index, Ordering::Relaxed);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(scene.ring.writer.counters().no_slot(), 0);
    let seat = scene.honest.reader.status();
    assert!(matches!(seat, crate::SeatStatus::Live { .. }), "{seat:?}");
}
