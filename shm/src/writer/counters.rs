//! What a writer counts, for status and metrics. Relaxed throughout: each number stands for itself.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one writer, read by any thread.
#[derive(Debug, Default)]
pub struct WriterCounters {
    opened: AtomicU64,
    committed: AtomicU64,
    cancelled: AtomicU64,
    no_slot: AtomicU64,
    held: AtomicU64,
    evicted: AtomicU64,
    lines_lost: AtomicU64,
    accounts: [AtomicU64; 5],
}

/// Where the slots of a ring are. `free + open + done` is the slot count, always; `leased` and `quarantined`
/// count those of the rest that some consumer holds, and may overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotAccounts {
    /// Never used so far.
    pub free: u16,
    /// Being written.
    pub open: u16,
    /// Committed or cancelled.
    pub done: u16,
    /// Held for a live consumer.
    pub leased: u16,
    /// Held for an evicted consumer that has not acknowledged.
    pub quarantined: u16,
}

impl WriterCounters {
    /// Grains opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Grains committed.
    #[must_use]
    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    /// Grains given up while open.
    #[must_use]
    pub fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Grains dropped whole because every slot was held.
    #[must_use]
    pub fn no_slot(&self) -> u64 {
        self.no_slot.load(Ordering::Relaxed)
    }

    /// Times that a grain was not opened, and not dropped, because a blocking consumer held what was needed.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Consumers evicted.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted.load(Ordering::Relaxed)
    }

    /// Lines declared lost.
    #[must_use]
    pub fn lines_lost(&self) -> u64 {
        self.lines_lost.load(Ordering::Relaxed)
    }

    /// The slots as of the writer's last change. The five numbers may be of different moments; the writer's
    /// own [`crate::FrameWriter::slot_accounts`] is exact.
    #[must_use]
    pub fn slot_accounts(&self) -> SlotAccounts {
        let [free, open, done, leased, quarantined] =
            self.accounts.each_ref().map(|number| number.load(Ordering::Relaxed) as u16);
        SlotAccounts { free, open, done, leased, quarantined }
    }

    pub(super) fn count_opened(&self) {
        add(&self.opened, 1);
    }

    pub(super) fn count_committed(&self) {
        add(&self.committed, 1);
    }

    pub(super) fn count_cancelled(&self) {
        add(&self.cancelled, 1);
    }

    pub(super) fn count_no_slot(&self) {
        add(&self.no_slot, 1);
    }

    pub(super) fn count_held(&self) {
        add(&self.held, 1);
    }

    pub(super) fn count_evicted(&self, consumers: u64) {
        add(&self.evicted, consumers);
    }

    pub(super) fn count_lines_lost(&self, lines: u64) {
        add(&self.lines_lost, lines);
    }

    /// One slot that was open is done. Who holds it is as before.
    pub(super) fn count_closed(&self) {
        let [_, open, done, ..] = &self.accounts;
        open.store(open.load(Ordering::Relaxed).wrapping_sub(1), Ordering::Relaxed);
        add(done, 1);
    }

    pub(super) fn set_accounts(&self, accounts: SlotAccounts) {
        let SlotAccounts { free, open, done, leased, quarantined } = accounts;
        for (number, value) in self.accounts.iter().zip([free, open, done, leased, quarantined]) {
            number.store(u64::from(value), Ordering::Relaxed);
        }
    }
}

/// Only the writer counts, so a load and a store do for an atomic addition.
fn add(number: &AtomicU64, more: u64) {
    if more > 0 {
        number.store(number.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }
}
