//! Reception statistics of one stream: what was expected, came, came twice, came late (RFC 3550 §6.4.1,
//! appendix A.3, with duplicates told apart from late packets by a window of the last numbers).

use media::{ExtSeqNum, SeqNum};

use crate::sequence::{SequenceExtender, Step};

/// Numbers that are remembered of one leg; more than [`SequenceExtender::MAX_MISORDER`] reaches back.
const WINDOW: u64 = 8_192;

/// Numbers that are remembered of a stream on several legs, of which one may be that far behind the other: 63 ms at a
/// million packets a second.
const WIDE_WINDOW: u64 = 65_536;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Next in order, or the first.
    InOrder,
    /// After a gap: so many numbers were passed over, and may yet come.
    AfterGap(u32),
    /// Late: it fills a gap.
    Reordered,
    /// Seen before.
    Duplicate,
    /// Far from everything before: a stray, or a restart that its successor must confirm.
    Doubtful,
    /// The sender began anew, the packet before this one in its sequence being its first: that was [`Arrival::Doubtful`].
    Restarted,
}

/// What came so far. All but the derived numbers only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceptionCounters {
    /// Packets taken in, duplicates and strays with them.
    pub packets: u64,
    /// Numbers between the first and the highest packet, both included, summed over restarts. A packet
    /// before the first widens it.
    pub expected: u64,
    /// Different packets among the expected.
    pub received: u64,
    /// Late packets that filled a gap.
    pub reordered: u64,
    /// Packets seen before.
    pub duplicates: u64,
    /// Packets far from all others, and not the first of a restart.
    pub strays: u64,
    /// Times that the sender began anew.
    pub restarts: u64,
}

impl ReceptionCounters {
    /// Packets expected and not (yet) received. Falls when a late packet comes.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

/// The statistics of one stream (one SSRC of one leg).
#[derive(Clone, Debug)]
pub struct Reception {
    extender: SequenceExtender,
    first: ExtSeqNum,
    /// A bit for each number of the window; a power of two.
    seen: Box<[u64]>,
    counters: ReceptionCounters,
}

impl Default for Reception {
    fn default() -> Self {
        Self::new()
    }
}

impl Reception {
    /// Before the first packet.
    #[must_use]
    pub fn new() -> Self {
        Self::remembering(WINDOW)
    }

    /// Before the first packet of a stream on several legs.
    pub(crate) fn wide() -> Self {
        Self::remembering(WIDE_WINDOW)
    }

    fn remembering(numbers: u64) -> Self {
        let counters = ReceptionCounters::default();
        Self {
            extender: SequenceExtender::new(),
            first: ExtSeqNum(0),
            seen: vec![0; (numbers / 64) as usize].into(),
            counters,
        }
    }

    /// Forgets everything, as for another stream. Allocates nothing.
    pub fn reset(&mut self) {
        self.extender = SequenceExtender::new();
        self.first = ExtSeqNum(0);
        self.seen.fill(0);
        self.counters = ReceptionCounters::default();
    }

    /// The highest number so far.
    #[must_use]
    pub const fn highest(&self) -> Option<ExtSeqNum> {
        self.extender.highest()
    }

    const fn window(&self) -> u64 {
        self.seen.len() as u64 * 64
    }

    /// What came so far.
    #[must_use]
    pub const fn counters(&self) -> &ReceptionCounters {
        &self.counters
    }

    /// Takes in one packet; bounded work, no allocation.
    #[inline]
    pub fn observe(&mut self, sequence: SeqNum) -> (ExtSeqNum, Arrival) {
        if let Some(extended) = self.extender.next(sequence) {
            self.counters.packets += 1;
            return (extended, self.next(extended));
        }
        self.observe_step(sequence)
    }

    /// As [`Self::observe`], of any packet.
    #[inline(never)]
    fn observe_step(&mut self, sequence: SeqNum) -> (ExtSeqNum, Arrival) {
        let (extended, step) = self.extender.extend(sequence);
        self.counters.packets += 1;
        let arrival = match step {
            Step::First => self.begin(extended, 1),
            Step::Ahead(numbers) => self.ahead(extended, numbers),
            Step::Behind(_) => self.behind(extended),
            Step::Doubtful => {
                self.counters.strays += 1;
                Arrival::Doubtful
            }
            Step::Restart => {
                self.counters.strays -= 1;
                self.counters.restarts += 1;
                self.begin(extended, 2);
                Arrival::Restarted
            }
        };
        (extended, arrival)
    }

    /// Takes in a packet whose number is known already.
    #[inline]
    pub(crate) fn take(&mut self, number: ExtSeqNum) -> Arrival {
        self.counters.packets += 1;
        let highest = self.extender.highest().unwrap_or(number);
        if number > highest {
            self.extender = SequenceExtender::from(number);
            return match number.0 - highest.0 {
                1 => self.next(number),
                numbers => self.ahead(number, u32::try_from(numbers).unwrap_or(u32::MAX)),
            };
        }
        if highest.0 - number.0 < self.window() {
            return self.behind(number);
        }
        // Too far behind to be remembered: whatever it belongs to is long closed.
        self.counters.duplicates += 1;
        Arrival::Duplicate
    }

    /// The sender began anew; so many of its packets have come, of which this is the last and those before it were strays.
    pub(crate) fn take_anew(&mut self, sequence: SeqNum, packets: u64) -> ExtSeqNum {
        let number = SequenceExtender::anew(self.extender.highest().unwrap_or(ExtSeqNum(0)), sequence);
        self.extender = SequenceExtender::from(number);
        self.counters.packets += 1;
        self.counters.restarts += 1;
        self.counters.strays = self.counters.strays.saturating_sub(packets - 1);
        self.begin(number, packets);
        number
    }

    /// Counts a packet that has no place in the sequence.
    pub(crate) fn stray(&mut self) -> Arrival {
        self.counters.packets += 1;
        self.counters.strays += 1;
        Arrival::Doubtful
    }

    /// A stream begins whose first `packets` numbers, up to `highest`, have come.
    fn begin(&mut self, highest: ExtSeqNum, packets: u64) -> Arrival {
        self.seen.fill(0);
        self.first = ExtSeqNum(highest.0 + 1 - packets);
        for number in self.first.0..=highest.0 {
            self.see(number);
        }
        self.counters.expected += packets;
        self.counters.received += packets;
        Arrival::InOrder
    }

    /// The next in order, as nearly all are. The place of its number may hold the one a window before it, and says the same.
    #[inline]
    fn next(&mut self, extended: ExtSeqNum) -> Arrival {
        let (word, bit) = self.place(extended.0);
        self.seen[word] |= bit;
        self.counters.expected += 1;
        self.counters.received += 1;
        Arrival::InOrder
    }

    fn ahead(&mut self, extended: ExtSeqNum, numbers: u32) -> Arrival {
        let numbers = u64::from(numbers);
        if numbers >= self.window() {
            self.seen.fill(0);
        } else {
            for number in extended.0 + 1 - numbers..extended.0 {
                self.forget(number);
            }
        }
        self.forget(extended.0);
        self.see(extended.0);
        self.counters.expected += numbers;
        self.counters.received += 1;
        Arrival::AfterGap((numbers - 1) as u32)
    }

    fn behind(&mut self, extended: ExtSeqNum) -> Arrival {
        if !self.see(extended.0) {
            self.counters.duplicates += 1;
            return Arrival::Duplicate;
        }
        if extended < self.first {
            self.counters.expected += self.first.0 - extended.0;
            self.first = extended;
        }
        self.counters.received += 1;
        self.counters.reordered += 1;
        Arrival::Reordered
    }

    /// Notes a number; whether it is new.
    fn see(&mut self, number: u64) -> bool {
        let (word, bit) = self.place(number);
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }

    fn forget(&mut self, number: u64) {
        let (word, bit) = self.place(number);
        self.seen[word] &= !bit;
    }

    /// Word and bit of a number.
    #[inline]
    const fn place(&self, number: u64) -> (usize, u64) {
        ((number / 64) as usize & (self.seen.len() - 1), 1 << (number % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(numbers: &[u16]) -> (ReceptionCounters, Vec<Arrival>) {
        let mut reception = Reception::new();
        let arrivals = numbers.iter().map(|&n| reception.observe(SeqNum(n)).1).collect();
        (*reception.counters(), arrivals)
    }

    #[test]
    fn loss_is_expected_less_different_packets() {
        let (c, _) = after(&[1, 2, 2, 5, 4, 4, 9]);
        assert_eq!((c.expected, c.received, c.lost()), (9, 5, 4));
        assert_eq!((c.packets, c.duplicates, c.reordered), (7, 2, 1));
    }

    #[test]
    fn a_packet_before_the_first_is_reordered_not_lost() {
        let (c, arrivals) = after(&[3, 1, 2]);
        assert_eq!((c.expected, c.received, c.lost(), c.reordered), (3, 3, 0, 2));
        assert_eq!(arrivals, [Arrival::InOrder, Arrival::Reordered, Arrival::Reordered]);
    }

    #[test]
    fn an_overflowing_socket_is_loss_and_not_a_restart() {
        let (c, arrivals) = after(&[0, 20_001]);
        assert_eq!((c.lost(), c.restarts), (20_000, 0));
        assert_eq!(arrivals[1], Arrival::AfterGap(20_000));
    }

    #[test]
    fn a_late_packet_is_not_taken_for_the_one_8192_before_it() {
        let mut reception = Reception::new();
        for n in 0..WINDOW as u16 {
            assert_eq!(reception.observe(SeqNum(n)).1, Arrival::InOrder);
        }
        assert_eq!(reception.observe(SeqNum(8_202)).1, Arrival::AfterGap(10));
        assert_eq!(reception.observe(SeqNum(8_197)).1, Arrival::Reordered);
        assert_eq!(reception.observe(SeqNum(8_197)).1, Arrival::Duplicate);
        assert_eq!(reception.observe(SeqNum(20_000)).1, Arrival::AfterGap(11_797));
        assert_eq!(reception.observe(SeqNum(16_389)).1, Arrival::Reordered);
    }

    #[test]
    fn a_restart_counts_no_loss_and_a_stray_is_only_that() {
        let (c, _) = after(&[10, 11, 50_000, 50_001, 50_002]);
        assert_eq!((c.restarts, c.strays, c.lost(), c.received), (1, 0, 0, 5));
        let (c, _) = after(&[10, 50_000, 11]);
        assert_eq!((c.restarts, c.strays, c.lost(), c.received), (0, 1, 0, 2));
    }

    proptest! {
        /// Against a set that remembers everything: any order within the window, any repetition.
        #[test]
        fn shuffled_repeated_and_dropped_packets_are_counted_as_a_set_counts_them(
            start in any::<u16>(),
            sent in prop::collection::vec((0u16..4_000, 1usize..3), 1..600),
        ) {
            let mut reception = Reception::new();
            let mut set = std::collections::BTreeSet::new();
            let mut packets = 0;
            for (offset, times) in sent {
                for _ in 0..times {
                    reception.observe(SeqNum(start.wrapping_add(offset)));
                    set.insert(offset);
                    packets += 1;
                }
            }
            let c = *reception.counters();
            let span = u64::from(set.last().unwrap() - set.first().unwrap()) + 1;
            prop_assert_eq!((c.packets, c.received), (packets, set.len() as u64));
            prop_assert_eq!((c.expected, c.duplicates), (span, packets - set.len() as u64));
        }
    }
}
