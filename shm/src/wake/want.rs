//! What a sleeping consumer waits for, as one word of its lease page.
//!
//! ```text
//! 63 62                                 16 15            0
//! +-+-------------------------------------+---------------+
//! |b|             grain index             |  slices + 1   |
//! +-+-------------------------------------+---------------+
//! b: wake by the bell, not by the futex. 0: nobody sleeps.
//! ```

use media::GrainIndex;

/// How a sleeper is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// By the futex of its seat.
    Futex,
    /// By an octet on its bell.
    Bell,
}

/// A number of slices of one grain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// Below [`GrainIndex::LIMIT`].
    pub(crate) index: GrainIndex,
    /// At most [`Want::SLICES_MAX`]; 0 waits for the grain to be opened.
    pub(crate) slices: u16,
    pub(crate) alarm: Alarm,
}

const BELL: u64 = 1 << 63;

impl Want {
    /// Most slices that can be waited for.
    pub(crate) const SLICES_MAX: u16 = u16::MAX - 1;

    /// Never 0.
    pub(crate) fn encode(self) -> u64 {
        let alarm = if self.alarm == Alarm::Bell { BELL } else { 0 };
        let index = self.index.0.min(GrainIndex::LIMIT - 1);
        alarm | index << 16 | (u64::from(self.slices.min(Self::SLICES_MAX)) + 1)
    }

    /// From a word that may hold anything. None: nobody sleeps, or it says nothing.
    pub(crate) fn decode(word: u64) -> Option<Self> {
        let slices = (word as u16).checked_sub(1)?;
        let alarm = if word & BELL == 0 { Alarm::Futex } else { Alarm::Bell };
        Some(Self { index: GrainIndex((word & !BELL) >> 16), slices, alarm })
    }
}

const _: () = assert!(GrainIndex::LIMIT == 1 << 47, "an index fills the bits 16 to 62");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for index in [0, 1, 107_000_000_000, GrainIndex::LIMIT - 1] {
            for slices in [0, 1, 1080, Want::SLICES_MAX] {
                for alarm in [Alarm::Futex, Alarm::Bell] {
                    let want = Want { index: GrainIndex(index), slices, alarm };
                    assert_ne!(want.encode(), 0);
                    assert_eq!(Want::decode(want.encode()), Some(want));
                }
            }
        }
        assert_eq!(Want { index: GrainIndex(1), slices: 0, alarm: Alarm::Bell }.encode(), 1 << 63 | 1 << 16 | 1);
    }

    #[test]
    fn any_word_is_nothing_or_within_bounds() {
        assert_eq!(Want::decode(0), None);
        assert_eq!(Want::decode(7 << 16), None);
        for word in [u64::MAX, u64::MAX << 1 | 1, 1, BELL | 1] {
            let want = Want::decode(word).unwrap();
            assert!(want.index.0 < GrainIndex::LIMIT && want.slices <= Want::SLICES_MAX);
            assert_eq!(want.encode(), word);
        }
        let beyond = Want { index: GrainIndex(u64::MAX), slices: u16::MAX, alarm: Alarm::Futex };
        assert_eq!(Want::decode(beyond.encode()).unwrap().index, GrainIndex(GrainIndex::LIMIT - 1));
    }
}
