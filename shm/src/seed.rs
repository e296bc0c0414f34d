//! Bugs that a model plants, to show that it would find them. Outside models there is no trace of them:
//! [`sound`] then is its first argument and nothing else.

#[cfg(loom)]
pub(crate) use bugs::{Bug, forget, is_planted, put_off, settle, with};

/// `sound!(right, unless Bug)` leaves the statement `right` away where that bug is planted;
/// `sound!(right, unless Bug => wrong)` puts `wrong` in its place.
#[cfg(not(loom))]
macro_rules! sound {
    ($right:expr, unless $bug:ident $(=> $wrong:expr)?) => {
        $right
    };
}

#[cfg(loom)]
macro_rules! sound {
    ($right:expr, unless $bug:ident) => {
        $crate::seed::sound!($right, unless $bug => ())
    };
    ($right:expr, unless $bug:ident => $wrong:expr) => {
        if $crate::seed::is_planted($crate::seed::Bug::$bug) { $wrong } else { $right }
    };
}

/// `planted!(Bug => wrong)` does `wrong` where that bug is planted, and nothing elsewhere.
#[cfg(not(loom))]
macro_rules! planted {
    ($bug:ident => $wrong:expr) => {};
}

#[cfg(loom)]
macro_rules! planted {
    ($bug:ident => $wrong:expr) => {
        if $crate::seed::is_planted($crate::seed::Bug::$bug) {
            $wrong
        }
    };
}

pub(crate) use {planted, sound};

#[cfg(loom)]
mod bugs {
    use std::cell::{Cell, RefCell};

    /// One mistake that somebody could make.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Bug {
        /// `FrameWriter::begin_slot` without its fence.
        LapUnannounced,
        /// `FrameWriter::begin_slot` stores the lap's number Relaxed, after what the slot says of its grain.
        LapRelaxed,
        /// `FrameWriter::describe` without its fence.
        DescUnannounced,
        /// `FrameReader::read_descriptor` without its fence.
        DescUnchecked,
        /// `Membership::lap_holds` without its fence.
        LapUnchecked,
        /// A slot's lap follows from the grain's index, as where four slots take turns, and is not counted by the
        /// slot itself. (The index itself would do: an epoch opens none of them twice.)
        LapOfIndex,
        /// Progress stored Relaxed.
        ProgressRelaxed,
        /// `head` stored Relaxed.
        HeadRelaxed,
        /// `head` is that of the last commit, as if grains ended in order.
        HeadOfTheLast,
        /// A line is marked lost after the progress that passes it.
        LostLate,
        /// The grain is closed before its end is written down.
        ClosedEarly,
        /// A grain's end stored Relaxed.
        ClosedRelaxed,
        /// `Mapping::load_acquire` without its fence.
        AcquireUnfenced,
        /// The end of the epoch stored Relaxed.
        ConcludedRelaxed,
        /// The end of the epoch stored before the epoch that follows.
        ConcludedFirst,
        /// Who finds that the epoch is over takes it to be over for every grain that it did not find.
        EndForAll,
        /// Nobody is woken when the epoch ends.
        ConcludedUnwoken,
        /// The reader passes a grain before it takes it.
        TakenLate,
        /// `LeaseTable::skip_to` stores Relaxed.
        PassedRelaxed,
        /// `LeaseTable::release` vacates Relaxed.
        VacatedRelaxed,
        /// `LeaseTable::used` loads Relaxed.
        UsedRelaxed,
        /// `LeaseTable::cursor` without its fence.
        TableUnfenced,
        /// `LeaseTable::cursor` loads `next` last.
        TableNextLast,
        /// `LeaseTable::release` counts Relaxed.
        LeasesRelaxed,
        /// The consumer's cursor stored Relaxed.
        CursorRaisedRelaxed,
        /// The consumer's cursor loaded Relaxed.
        CursorReadRelaxed,
        /// The writer stores an eviction after the grain that it was made for.
        EvictedLate,
        /// A status stored Relaxed.
        VerdictRelaxed,
        /// A status stored before whose it is.
        VerdictFirst,
        /// The reader asks whose status it is before it asks for the status.
        NonceReadFirst,
        /// The newest grain of an evicted consumer's window, which may be open, is not quarantined.
        NewestUnquarantined,
        /// Of several blocking consumers the last counts, not the one that is furthest behind.
        LastBlocks,
        /// A consumer that has shown no cursor yet holds nothing.
        FreshUnheld,
        /// A consumer is told that it is in before its status says so.
        JoinedEarly,
        /// The acknowledgement stored Relaxed.
        AcknowledgedRelaxed,
        /// The acknowledgement loaded Relaxed.
        AcknowledgementReadRelaxed,
        /// `lease_page::post_want` without its fence.
        WantUnfenced,
        /// `Sleepers::after_publishing` without its fence.
        PublishedUnfenced,
        /// `Sleepers::add` without its fence: that is for those who give a wait up after they have rung. Others are woken
        /// anyway, and fence themselves before they look again.
        SleeperUnfenced,
        /// `Rounds::rest` without its fence.
        RestUnfenced,
        /// A bell that could not be rung introduces its consumer.
        UnheardIntroduced,
        /// A consumer whose bell could not be rung counts as woken.
        UnrungWoken,
        /// A consumer that was woken for one slice is not woken for the next one of that grain.
        WokenForGrain,
        /// A sleeper takes what was rung after it has looked, and then sleeps by the bell.
        HeardEarly,
        /// The waker does not let go of a consumer that the writer looks at.
        RemoveTried,
        /// Whoever is awake still wants what it slept for.
        WantLeft,
        /// `Sleeper::let_go` without its fence.
        LetGoUnfenced,
        /// `Sleeper::let_go` without its wake.
        LetGoAsleep,
        /// A sleeper reads its futex word after it has looked, not before.
        SeenLate,
        /// `Reached::holds` does not look at the seat.
        LossUnseen,
        /// Nobody is woken when a grain is given up.
        CancelledUnwoken,
        /// Nobody is woken by what a poll changed.
        PolledUnwoken,
        /// Nobody is woken by an `open` that finds no slot.
        RefusedUnwoken,
        /// A reader that finds no next grain looks afterwards for which one it waits.
        AwaitedLate,
        /// What was pushed into a mailbox is counted Relaxed.
        PushedRelaxed,
        /// The count of what was pushed is loaded Relaxed.
        PushedReadRelaxed,
        /// What was popped from a mailbox is counted Relaxed.
        PoppedRelaxed,
        /// The count of what was popped is loaded Relaxed.
        PoppedReadRelaxed,
        /// Two threads have the same end of a mailbox's queue.
        EndShared,
        /// An end is left Relaxed.
        EndLeftRelaxed,
        /// Whoever pops waits for one who is pushing.
        PopWaits,
        /// Whoever sits in the seat leaves, whatever the nonce.
        AnyNonceLeaves,
    }

    // Loom's threads are coroutines of the thread that runs the test.
    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    thread_local! {
        static PUT_OFF: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
    }

    /// For a store that comes too late: does it when [`settle`] is called.
    pub(crate) fn put_off(store: impl FnOnce() + 'static) {
        PUT_OFF.with_borrow_mut(|stores| stores.push(Box::new(store)));
    }

    /// Does what was put off.
    pub(crate) fn settle() {
        PUT_OFF.take().into_iter().for_each(|store| store());
    }

    /// What was put off is never done.
    pub(crate) fn forget() {
        PUT_OFF.take();
    }

    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    /// Runs `act` with `bug` planted.
    pub(crate) fn with<R>(bug: Bug, act: impl FnOnce() -> R) -> R {
        PLANTED.set(Some(bug));
        let result = act();
        PLANTED.set(None);
        result
    }
}
