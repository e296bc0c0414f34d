//! 16-bit sequence numbers extended over their wraps (after RFC 3550 appendix A.1).
//!
//! The windows are wider than the RFC's: a kernel socket that overflows loses whole frames of raw video
//! at once (some 4,000 packets for 1080 rows), which is loss and not a new stream. A step that fits
//! neither window is doubted, and believed when the very next number follows it.

use media::{ExtSeqNum, SeqNum};

/// What a packet's number is, seen from the highest so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The first packet of all.
    First,
    /// Ahead by this many: 1 is the next in order.
    Ahead(u32),
    /// The highest once more (0) or before it by this many.
    Behind(u32),
    /// Neither near: a stray, or the first packet after the sender began anew.
    Doubtful,
    /// The packet after a doubtful one, in order with it: the sender began anew.
    Restart,
}

/// Extends the sequence numbers of one stream.
#[derive(Clone, Debug, Default)]
pub struct SequenceExtender {
    highest: Option<ExtSeqNum>,
    /// The number that would confirm a restart.
    awaited: Option<SeqNum>,
}

impl SequenceExtender {
    /// Furthest step ahead that is loss.
    pub const MAX_DROPOUT: u16 = 40_000;
    /// Furthest step back that is reordering.
    pub const MAX_MISORDER: u16 = 8_191;

    /// Before the first packet.
    #[must_use]
    pub const fn new() -> Self {
        Self { highest: None, awaited: None }
    }

    /// Goes on from `highest`.
    pub(crate) const fn from(highest: ExtSeqNum) -> Self {
        Self { highest: Some(highest), awaited: None }
    }

    /// The number that `sequence` stands for if the sender begins anew with it: above all that there were.
    pub(crate) fn anew(highest: ExtSeqNum, sequence: SeqNum) -> ExtSeqNum {
        ExtSeqNum(((highest.0 >> 16) + 2) << 16 | u64::from(sequence.0))
    }

    /// The highest number so far.
    #[must_use]
    pub const fn highest(&self) -> Option<ExtSeqNum> {
        self.highest
    }

    /// Takes a number if it is the next in order, as nearly all are.
    #[inline]
    pub(crate) fn next(&mut self, sequence: SeqNum) -> Option<ExtSeqNum> {
        let next = ExtSeqNum(self.highest?.0 + 1);
        (next.0 as u16 == sequence.0).then(|| {
            self.advance(next);
            next
        })
    }

    /// Takes the next packet's number. A doubtful number is extended as if the sender began anew there,
    /// which the packet after it confirms or not.
    #[inline]
    pub fn extend(&mut self, sequence: SeqNum) -> (ExtSeqNum, Step) {
        let Some(highest) = self.highest else {
            let first = ExtSeqNum(0x1_0000 | u64::from(sequence.0));
            self.highest = Some(first);
            return (first, Step::First);
        };
        let ahead = sequence.0.wrapping_sub(highest.0 as u16);
        let behind = ahead.wrapping_neg();
        if ahead != 0 && ahead <= Self::MAX_DROPOUT {
            let extended = ExtSeqNum(highest.0 + u64::from(ahead));
            self.advance(extended);
            (extended, Step::Ahead(u32::from(ahead)))
        } else if behind <= Self::MAX_MISORDER {
            // At least 65,536 below `highest` is never reached: a stream starts at 65,536 or above.
            (ExtSeqNum(highest.0 - u64::from(behind)), Step::Behind(u32::from(behind)))
        } else {
            self.doubt(sequence, highest)
        }
    }

    #[cold]
    fn doubt(&mut self, sequence: SeqNum, highest: ExtSeqNum) -> (ExtSeqNum, Step) {
        let anew = Self::anew(highest, sequence);
        if self.awaited == Some(sequence) {
            self.advance(anew);
            return (anew, Step::Restart);
        }
        self.awaited = Some(SeqNum(sequence.0.wrapping_add(1)));
        (anew, Step::Doubtful)
    }

    #[inline]
    fn advance(&mut self, highest: ExtSeqNum) {
        self.highest = Some(highest);
        self.awaited = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn extend_all(numbers: &[u16]) -> Vec<(u64, Step)> {
        let mut extender = SequenceExtender::new();
        numbers.iter().map(|&n| extender.extend(SeqNum(n))).map(|(e, s)| (e.0, s)).collect()
    }

    #[test]
    fn a_wrap_goes_on_upwards_and_late_packets_keep_their_place() {
        let got = extend_all(&[65_534, 0, 65_535, 1, 1]);
        let want = [
            (0x1_fffe, Step::First),
            (0x2_0000, Step::Ahead(2)),
            (0x1_ffff, Step::Behind(1)),
            (0x2_0001, Step::Ahead(1)),
            (0x2_0001, Step::Behind(0)),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_packet_before_the_first_has_a_place() {
        assert_eq!(extend_all(&[0, 65_535])[1], (0xffff, Step::Behind(1)));
    }

    #[test]
    fn a_restart_needs_two_packets_in_order() {
        let got = extend_all(&[10, 50_000, 11, 50_001, 50_002, 50_003]);
        let steps: Vec<Step> = got.iter().map(|&(_, step)| step).collect();
        let want = [Step::First, Step::Doubtful, Step::Ahead(1), Step::Doubtful, Step::Restart, Step::Ahead(1)];
        assert_eq!(steps, want);
        assert!(got[4].0 > got[2].0);
        assert_eq!(got[4].0 as u16, 50_002);
    }

    #[test]
    fn a_restart_at_a_lower_number_is_extended_above_the_highest() {
        let got = extend_all(&[60_000, 50_000, 50_001, 50_002]);
        assert_eq!((got[2].1, got[3].1), (Step::Restart, Step::Ahead(1)));
        assert!(got[2].0 > got[0].0, "{got:?}");
    }

    #[test]
    fn the_windows_end_where_they_say() {
        assert_eq!(extend_all(&[0, SequenceExtender::MAX_DROPOUT])[1].1, Step::Ahead(40_000));
        assert_eq!(extend_all(&[0, SequenceExtender::MAX_DROPOUT + 1])[1].1, Step::Doubtful);
        assert_eq!(extend_all(&[8_191, 0])[1].1, Step::Behind(8_191));
        assert_eq!(extend_all(&[8_192, 0])[1].1, Step::Doubtful);
    }

    proptest! {
        #[test]
        fn any_numbers_keep_their_low_16_bits_and_the_highest_never_falls(numbers in prop::collection::vec(any::<u16>(), 0..300)) {
            let mut extender = SequenceExtender::new();
            let mut before = None;
            for n in numbers {
                let (extended, _) = extender.extend(SeqNum(n));
                prop_assert_eq!(extended.0 as u16, n);
                prop_assert!(extender.highest() >= before);
                before = extender.highest();
            }
        }
    }
}
