//! What has been counted between two looks.

use control::Counters;

/// How much each counter of an object grew between two looks.
pub(super) struct Growth<'a> {
    pub(super) before: &'a Counters,
    pub(super) now: &'a Counters,
}

impl Growth<'_> {
    /// Of one counter; 0 where the object does not have it, or began anew.
    pub(super) fn of(&self, counter: &str) -> u64 {
        let value = |counters: &Counters| counters.iter().find(|(name, _)| *name == counter).map(|(_, value)| *value);
        value(self.now).unwrap_or(0).saturating_sub(value(self.before).unwrap_or(0))
    }

    /// Of some counters together.
    pub(super) fn sum(&self, counters: &[&str]) -> u64 {
        counters.iter().map(|counter| self.of(counter)).sum()
    }
}
