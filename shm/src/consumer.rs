//! Consumers as the ring knows them: a seat number, a class, and the status word the writer keeps for each.

use media::GrainIndex;

/// Seats of one ring.
pub const CONSUMERS_MAX: u8 = 64;

/// What a consumer may expect of the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerClass {
    /// Grains at or after its cursor are not overwritten while it keeps up.
    Leased {
        /// Grains it may hold besides the one being opened, at most the geometry's `k_max`. For a writer at least its
        /// `open_max`, to which the broker raises it.
        k: u16,
        /// How long it may sit on its oldest grain before it is evicted, in ns. `i64::MAX` means no limit.
        deadline_nanos: i64,
    },
    /// Nothing is held for it: each read is validated afterwards and may turn out torn.
    Lossy,
    /// Grains at or after its cursor are not overwritten, and it is never evicted for being slow: the writer waits.
    /// Only where the writer can, never on what comes from a network.
    ///
    /// It is no way out to evict one that is stuck ([`crate::Mail::Evict`]): all that it held, the whole ring perhaps, is
    /// then in quarantine until it acknowledges or its process ends, and the writer, which waited and lost nothing, drops
    /// each grain. Ending the process frees the slots at once.
    Blocking {
        /// Grains it may hold at a time. At least 1, at most the geometry's `k_max`.
        k: u16,
    },
}

impl ConsumerClass {
    /// Grains that it may hold; `None` when nothing is held for it.
    #[must_use]
    pub const fn holds(&self) -> Option<u16> {
        match self {
            Self::Leased { k, .. } | Self::Blocking { k } => Some(*k),
            Self::Lossy => None,
        }
    }

    /// The same, but leased for no fewer grains than may be open at a time: a consumer need not know how many that are.
    #[must_use]
    pub(crate) fn with_open(self, open_max: u16) -> Self {
        match self {
            Self::Leased { k, deadline_nanos } => Self::Leased { k: k.max(open_max), deadline_nanos },
            other => other,
        }
    }
}

/// Where a consumer begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Start {
    /// At the next grain that is opened.
    #[default]
    Live,
    /// At the oldest that can still be had: for whom grains are held, of the last K that were opened; for a lossy one,
    /// of all that are still in their slots.
    Oldest,
}

/// The writer's verdict on a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatStatus {
    /// Nobody sits here, or somebody else.
    Empty,
    /// Joined; grains from `eff` on are the consumer's to read.
    Live {
        /// First grain of the membership.
        eff: GrainIndex,
    },
    /// Evicted; grains at or above `hi` are not held for the consumer.
    Evicted {
        /// First grain that is out of reach.
        hi: GrainIndex,
    },
}

const LIVE: u64 = 1;
const EVICTED: u64 = 2;
const INDEX_BITS: u32 = 48;

impl SeatStatus {
    /// As one word: the state above an index of 48 bits (indices end at 2⁴⁷).
    pub(crate) const fn encode(self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Live { eff } => LIVE << INDEX_BITS | eff.0,
            Self::Evicted { hi } => EVICTED << INDEX_BITS | hi.0,
        }
    }

    /// From a word that may hold anything: an unknown state is an empty seat, an index is held to the limit.
    pub(crate) fn decode(word: u64) -> Self {
        let index = GrainIndex((word & ((1 << INDEX_BITS) - 1)).min(GrainIndex::LIMIT));
        match word >> INDEX_BITS {
            LIVE => Self::Live { eff: index },
            EVICTED => Self::Evicted { hi: index },
            _ => Self::Empty,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words_round_trip_and_unknown_ones_are_empty() {
        let index = GrainIndex(GrainIndex::LIMIT);
        for status in [SeatStatus::Empty, SeatStatus::Live { eff: index }, SeatStatus::Evicted { hi: index }] {
            assert_eq!(SeatStatus::decode(status.encode()), status);
        }
        assert_eq!(SeatStatus::decode(u64::MAX), SeatStatus::Empty);
        let beyond = LIVE << 48 | ((1 << 48) - 1);
        assert_eq!(SeatStatus::decode(beyond), SeatStatus::Live { eff: index });
    }
}
