//! What crossed, and what did not.

use std::sync::atomic::{AtomicU64, Ordering};

/// What has crossed an exchange since it was made. Counters of different ends may be a moment apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExchangeCounters {
    /// Frames that the worker handed over.
    pub offered: u64,
    /// Frames of the worker that were dropped because the presence thread had not read the earlier ones.
    pub offered_full: u64,
    /// Frames of the worker that were dropped because they are longer than the exchange takes.
    pub offered_too_long: u64,
    /// Frames that the presence thread handed over.
    pub sent: u64,
    /// Frames of the presence thread that were refused because the worker had not sent the earlier ones.
    pub sent_full: u64,
    /// Frames of the presence thread that were refused because they are longer than the exchange takes.
    pub sent_too_long: u64,
    /// Questions for a neighbour.
    pub requests: u64,
    /// Questions for a neighbour that found the queue full; they are asked again.
    pub requests_full: u64,
    /// Tables of media destinations that were published.
    pub tables: u64,
}

impl ExchangeCounters {
    /// The sum of both.
    #[must_use]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            offered: self.offered + other.offered,
            offered_full: self.offered_full + other.offered_full,
            offered_too_long: self.offered_too_long + other.offered_too_long,
            sent: self.sent + other.sent,
            sent_full: self.sent_full + other.sent_full,
            sent_too_long: self.sent_too_long + other.sent_too_long,
            requests: self.requests + other.requests,
            requests_full: self.requests_full + other.requests_full,
            tables: self.tables + other.tables,
        }
    }
}

/// One end's counters, away from the other end's cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Side {
    pub(super) taken: Count,
    pub(super) full: Count,
    pub(super) too_long: Count,
}

/// The counters of all ends. Each has one writer.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) rx: Side,
    pub(super) tx: Side,
    pub(super) host: Side,
    pub(super) tables: Count,
}

impl Counters {
    pub(super) fn read(&self) -> ExchangeCounters {
        ExchangeCounters {
            offered: self.rx.taken.load(),
            offered_full: self.rx.full.load(),
            offered_too_long: self.rx.too_long.load(),
            sent: self.host.taken.load(),
            sent_full: self.host.full.load(),
            sent_too_long: self.host.too_long.load(),
            requests: self.tx.taken.load(),
            requests_full: self.tx.full.load(),
            tables: self.tables.load(),
        }
    }
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Relaxed: a counter orders nothing.
    pub(super) fn add_one(&self) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    fn load(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
