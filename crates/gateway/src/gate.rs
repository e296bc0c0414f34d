//! Log lines about what a network does: the first at once, many in a row as one.

use std::time::{Duration, Instant};

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);
/// Lines of one kind that come at once.
const BURST: u32 = 4;

/// Lets lines of one kind through, so many at once and then one at a time.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    spent: u32,
    last: Option<Instant>,
    held_back: u64,
}

impl Gate {
    /// Whether a line may be written; with it, how many were held back before.
    pub(crate) fn pass(&mut self, now: Instant) -> Option<u64> {
        if let Some(last) = self.last {
            let pauses = now.saturating_duration_since(last).as_secs() / PAUSE.as_secs();
            if pauses > 0 {
                self.spent = self.spent.saturating_sub(u32::try_from(pauses).unwrap_or(u32::MAX));
                self.last = Some(now);
            }
        }
        if self.spent >= BURST {
            self.held_back += 1;
            return None;
        }
        self.spent += 1;
        self.last.get_or_insert(now);
        Some(std::mem::take(&mut self.held_back))
    }
}

/// Words for lines that were held back.
pub(crate) fn held_back(lines: u64) -> String {
    if lines == 0 { String::new() } else { format!(" ({lines} more such lines were held back)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_a_few_lines_and_their_number() {
        let mut gate = Gate::default();
        let start = Instant::now();
        let passed = (0..1000).filter(|_| gate.pass(start).is_some()).count();
        assert_eq!(passed, BURST as usize);
        assert_eq!(gate.pass(start + PAUSE), Some(1000 - u64::from(BURST)));
        assert_eq!(gate.pass(start + PAUSE), None);
        assert_eq!(gate.pass(start + 100 * PAUSE), Some(1));
        assert_eq!((0..10).filter(|_| gate.pass(start + 100 * PAUSE).is_some()).count(), BURST as usize - 1);
    }
}
