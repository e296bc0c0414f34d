//! Which grains a reader has in use, and the cursor that follows from them; released from any thread.

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::geometry::Geometry;
use crate::seed::{planted, sound};

/// A fixed table of outstanding indices and the next index that may be leased.
///
/// The cursor that is shown to the writer is the least index that is in use or may yet be taken into use. Three
/// parties change the table at once: the reader's thread takes entries and raises `next`; any thread
/// clears the entry of the last lease that drops. Each then computes the cursor and raises it (`fetch_max`).
///
/// *Never too high.* Take a grain j in use throughout a computation. It was entered before `next` rose above it
/// (Release). The computation loads `next` **first** (Acquire): if that shows n ≤ j, the result is at most
/// n ≤ j. If it shows n > j, the entry's store happened before, and as j is still in use, the scan finds it and
/// the result is at most j. Grains taken later have indices ≥ n. So no computation, however late its
/// result is stored, passes a grain that was in use during it; and since what is taken later is never below a
/// `next` that was seen, it passes no grain that is taken after it either.
///
/// *Not too low for long.* Stale results are lower than newer ones and `fetch_max` ignores them. When two
/// changes race, each may miss the other only if neither's store is visible to the other's scan; the SeqCst fence
/// between store and scan on both sides excludes that, so the last computation sees the final table.
///
/// A grain that is leased more than once stays in *one* entry, which counts its leases. It could not move to
/// another: a scan might pass the new entry before it is taken and come to the old one after it is cleared, and
/// so miss a grain that was in use all the time.
#[derive(Debug)]
pub(crate) struct LeaseTable {
    entries: Box<[Entry]>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Entry {
    /// Index + 1 of a grain in use; 0 is vacant.
    grain: AtomicU64,
    /// Leases of it.
    leases: AtomicU64,
}

const VACANT: u64 = 0;

impl LeaseTable {
    /// Room for `leases` grains at a time.
    pub(super) fn new(leases: u16) -> Self {
        let leases = leases.clamp(1, Geometry::LEASES_MAX);
        let vacant = |_| Entry { grain: AtomicU64::new(VACANT), leases: AtomicU64::new(0) };
        Self { entries: (0..leases).map(vacant).collect(), next: AtomicU64::new(0) }
    }

    /// Grains that it has room for.
    pub(super) fn room(&self) -> u16 {
        self.entries.len() as u16
    }

    /// A vacant entry. Only the reader's thread takes entries, so it stays vacant for it.
    pub(super) fn vacancy(&self) -> Option<u8> {
        // Pairs with `release`, so that `take` comes after the last lease's count; an entry that is cleared just now may be
        // missed. No model shows it: loom's stores do not go back before others that were made.
        let vacant = self.entries.iter().position(|entry| entry.grain.load(Ordering::Acquire) == VACANT)?;
        u8::try_from(vacant).ok()
    }

    /// Takes a vacant entry for `index`; the reader's thread only, before it passes the index.
    pub(super) fn take(&self, entry: u8, index: u64) {
        let entry = &self.entries[usize::from(entry)];
        entry.leases.store(1, Ordering::Relaxed);
        // Made visible by the Release of `skip_to`, which passes the index afterwards.
        entry.grain.store(index + 1, Ordering::Relaxed);
    }

    /// One more lease of the grain in this entry; the caller has one, so the entry stays.
    pub(crate) fn share(&self, entry: u8) {
        self.entries[usize::from(entry)].leases.fetch_add(1, Ordering::Relaxed);
    }

    /// Nothing below `next` will be taken from now on.
    pub(super) fn skip_to(&self, next: u64) {
        // Pairs with `cursor`.
        self.next.store(next, sound!(Ordering::Release, unless PassedRelaxed => Ordering::Relaxed));
    }

    /// One lease of this entry has dropped: its reads are over. Returns whether it was the last, and the entry
    /// is vacant.
    pub(super) fn release(&self, entry: u8) -> bool {
        let entry = &self.entries[usize::from(entry)];
        // AcqRel pairs with itself: the last one knows that the reads of the others are over, too.
        let last = sound!(entry.leases.fetch_sub(1, Ordering::AcqRel), unless LeasesRelaxed
            => entry.leases.fetch_sub(1, Ordering::Relaxed))
            == 1;
        if last {
            // Pairs with `used` and `vacancy`.
            entry.grain.store(VACANT, sound!(Ordering::Release, unless VacatedRelaxed => Ordering::Relaxed));
        }
        last
    }

    /// The least index in use or still to come. To be called after each change.
    pub(super) fn cursor(&self) -> u64 {
        sound!(fence(Ordering::SeqCst), unless TableUnfenced); // pairs with itself on the other threads
        planted!(TableNextLast => return self.used().fold(u64::MAX, u64::min).min(self.next.load(Ordering::Acquire)));
        let next = self.next.load(Ordering::Acquire); // first; pairs with `skip_to`
        self.used().fold(next, u64::min)
    }

    /// Grains in use.
    pub(super) fn in_use(&self) -> u16 {
        self.used().map(|_| 1).sum()
    }

    fn used(&self) -> impl Iterator<Item = u64> {
        // Pairs with `release`: whoever finds the entry vacant may let the slot go.
        let order = sound!(Ordering::Acquire, unless UsedRelaxed => Ordering::Relaxed);
        self.entries.iter().filter_map(move |entry| entry.grain.load(order).checked_sub(1))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_cursor_is_the_least_index_in_use() {
        let table = LeaseTable::new(2);
        table.skip_to(5);
        assert_eq!(table.cursor(), 5);
        for index in [5, 6] {
            let entry = table.vacancy().unwrap();
            table.take(entry, index);
            table.skip_to(index + 1);
        }
        assert_eq!((table.cursor(), table.in_use(), table.vacancy()), (5, 2, None));
        assert!(table.release(1));
        assert_eq!(table.cursor(), 5);
        assert!(table.release(0));
        assert_eq!((table.cursor(), table.in_use()), (7, 0));
    }

    #[test]
    fn a_grain_leased_twice_is_in_use_until_the_second_release() {
        let table = LeaseTable::new(1);
        table.take(0, 3);
        table.skip_to(4);
        table.share(0);
        assert!(!table.release(0));
        assert_eq!((table.cursor(), table.in_use(), table.vacancy()), (3, 1, None));
        assert!(table.release(0));
        assert_eq!((table.cursor(), table.in_use()), (4, 0));
    }

    /// Both release at the same moment, again and again. That no order of memory spoils it is loom's to show, below.
    #[test]
    fn releases_from_two_threads_leave_the_final_cursor() {
        let table = LeaseTable::new(2);
        let (cursor, round) = (AtomicU64::new(0), AtomicU64::new(0));
        let rounds = 3_000;
        let release = |entry| {
            table.release(entry);
            cursor.fetch_max(table.cursor(), Ordering::AcqRel);
        };
        std::thread::scope(|scope| {
            // Odd: both release. Even: the other has released.
            scope.spawn(|| {
                for number in 0..rounds {
                    wait_for(&round, 2 * number + 1);
                    release(1);
                    round.store(2 * number + 2, Ordering::Release);
                }
            });
            for number in 0..rounds {
                for entry in 0..2 {
                    let index = 2 * number + u64::from(entry);
                    table.take(entry, index);
                    table.skip_to(index + 1);
                }
                round.store(2 * number + 1, Ordering::Release);
                release(0);
                wait_for(&round, 2 * number + 2);
                assert_eq!(cursor.load(Ordering::Acquire), 2 * number + 2, "round {number}");
            }
        });
    }

    /// Spins for a while, for a start at the same moment; then lets others run.
    fn wait_for(round: &AtomicU64, value: u64) {
        for spin in 0_u64.. {
            if round.load(Ordering::Acquire) == value {
                return;
            }
            if spin < 2_000 { std::hint::spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// The table by itself; `crate::models` has it in a ring.
#[cfg(all(test, loom))]
mod models {
    use loom::cell::UnsafeCell;
    use loom::thread;

    use super::*;
    use crate::atomics::Arc;
    use crate::models::exploration::{catches_within, explore, outcome};
    use crate::seed::Bug;

    struct Shown {
        table: LeaseTable,
        cursor: AtomicU64,
    }

    impl Shown {
        /// Grains 0 to `taken` are in use.
        fn with(taken: u8) -> Arc<Self> {
            let shown = Arc::new(Self { table: LeaseTable::new(3), cursor: AtomicU64::new(0) });
            (0..taken).for_each(|entry| shown.take(entry, u64::from(entry)));
            shown
        }

        fn take(&self, entry: u8, index: u64) {
            self.table.take(entry, index);
            self.table.skip_to(index + 1);
            self.cursor.fetch_max(self.table.cursor(), Ordering::Release);
        }

        fn release(&self, entry: u8) {
            if self.table.release(entry) {
                self.cursor.fetch_max(self.table.cursor(), Ordering::Release);
            }
        }
    }

    fn model(taken: u8, check: impl Fn(&Arc<Shown>) + Sync + Send + 'static) {
        loom::model(move || check(&Shown::with(taken)));
    }

    /// Two grains are released on two threads, the first after it was read. Whoever sees it passed writes to it. (A load
    /// with Acquire, not a fence as the writer's: loom's fences also acquire what those have read Relaxed whom they
    /// acquire from.)
    fn apart() {
        let shown = Shown::with(2);
        let grain = Arc::new(UnsafeCell::new(()));
        loom::explore();
        let (first, second, read) = (Arc::clone(&shown), Arc::clone(&shown), Arc::clone(&grain));
        let releasing = thread::spawn(move || {
            read.with(|_| ());
            first.release(0);
        });
        let beside = thread::spawn(move || second.release(1));
        let passed = shown.cursor.load(Ordering::Acquire);
        outcome(["none", "one", "both"][passed as usize]);
        if passed > 0 {
            grain.with_mut(|_| ());
        }
        [releasing, beside].into_iter().for_each(|thread| thread.join().expect("the model"));
    }

    #[test]
    fn a_grain_is_passed_after_all_reads_of_it() {
        explore("two releases of one table", 3, apart).are(["none", "one", "both"]);
        for bug in [Bug::VacatedRelaxed, Bug::UsedRelaxed] {
            catches_within(3, bug, "Causality violation", apart);
        }
    }

    #[test]
    fn two_releases_leave_the_final_cursor() {
        model(2, |shown| {
            let other = Arc::clone(shown);
            let thread = thread::spawn(move || other.release(0));
            shown.release(1);
            thread.join().expect("the model");
            assert_eq!(shown.cursor.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn a_release_never_passes_what_is_taken_meanwhile() {
        model(2, |shown| {
            let other = Arc::clone(shown);
            let thread = thread::spawn(move || {
                other.release(0);
                other.release(1);
            });
            shown.take(2, 2);
            assert!(shown.cursor.load(Ordering::Relaxed) <= 2, "grain 2 is in use");
            thread.join().expect("the model");
            assert_eq!(shown.cursor.load(Ordering::Relaxed), 2);
        });
    }

    #[test]
    fn a_grain_leased_twice_is_passed_by_the_last_release() {
        model(1, |shown| {
            shown.table.share(0);
            let other = Arc::clone(shown);
            let thread = thread::spawn(move || other.release(0));
            shown.release(0);
            thread.join().expect("the model");
            assert_eq!(shown.cursor.load(Ordering::Relaxed), 1);
        });
    }
}
