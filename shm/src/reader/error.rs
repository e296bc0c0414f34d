//! Why a reader does not get what it asks for.

use media::GrainIndex;

use crate::writer::RingError;

/// Why a reader cannot attach.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// Geometry and mappings do not fit each other.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// There is no such seat.
    #[error("there is no seat {0}: seats are numbered 0 to 63")]
    Seat(u8),
    /// The header says something else than the broker: another epoch, or another version of the layout.
    #[error("word {word} of the ring's header is {found:#x} where the broker says {expected:#x}")]
    Header {
        /// Which 64-bit word.
        word: usize,
        /// What the control region holds.
        found: u64,
        /// What it should hold.
        expected: u64,
    },
    /// The writer has not let this membership in, or not yet.
    #[error("the writer does not know this consumer")]
    NotJoined,
}

/// Why a grain cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Not opened yet.
    #[error("grain {index} is not there yet: {}", Newest(*newest))]
    NotYet {
        /// What was asked for.
        index: GrainIndex,
        /// The newest grain that was opened.
        newest: Option<GrainIndex>,
    },
    /// The grain is being written, and has not come so far.
    #[error("grain {index} has {slices} slices so far where {wanted} are wanted")]
    Unpublished {
        /// The grain.
        index: GrainIndex,
        /// Slices from the top that are needed.
        wanted: u16,
        /// Slices that there are.
        slices: u16,
    },
    /// The producer gave the grain up: what is wanted of it never comes.
    #[error("grain {index} was given up with {slices} slices")]
    Cancelled {
        /// The grain.
        index: GrainIndex,
        /// Slices that there are.
        slices: u16,
    },
    /// Overwritten, never opened, or already passed by this reader.
    #[error("grain {index} is gone: {}", Oldest(*oldest))]
    Gone {
        /// What was asked for.
        index: GrainIndex,
        /// The oldest grain that this reader can still have, where that is known and there is one.
        oldest: Option<GrainIndex>,
    },
    /// This consumer was evicted, and the grain is out of its reach. It must acknowledge and join again.
    #[error("evicted: grains from {hi} on are out of reach, join again")]
    Evicted {
        /// First grain that is out of reach.
        hi: GrainIndex,
    },
    /// Overwritten while it was being read.
    #[error("grain {index} was overwritten while it was read")]
    Torn {
        /// The grain.
        index: GrainIndex,
    },
    /// The epoch ended before this grain: the flow goes on elsewhere, or nowhere.
    #[error("the epoch ended at grain {end}: subscribe again")]
    EpochEnded {
        /// One past the last grain of the epoch.
        end: GrainIndex,
        /// The epoch that goes on from there, if one was named.
        successor: Option<u128>,
    },
    /// As many grains are in use as the class allows.
    #[error("{k} grains are in use, and no more may be: release one first")]
    TooManyLeases {
        /// The limit.
        k: u16,
    },
    /// The lease is of another reader.
    #[error("the lease of grain {index} is of another reader")]
    Foreign {
        /// Its grain.
        index: GrainIndex,
    },
    /// Lines that the grain does not have.
    #[error("there are no lines {start} to {end}: a grain has {slices}")]
    Lines {
        /// The first that was asked for.
        start: u16,
        /// One past the last.
        end: u16,
        /// Lines of a grain.
        slices: u16,
    },
    /// A buffer that is too small.
    #[error("{octets} octets do not fit into a buffer of {room}")]
    Size {
        /// Octets to copy.
        octets: usize,
        /// Octets of the buffer.
        room: usize,
    },
}

/// Why an eviction was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AcknowledgeError {
    /// This consumer is not evicted.
    #[error("nothing to acknowledge: the consumer is not evicted")]
    NotEvicted,
    /// Grains are still in use: their slots would be overwritten under them.
    #[error("{0} grains are still in use: drop them first")]
    InUse(u16),
}

struct Newest(Option<GrainIndex>);

impl std::fmt::Display for Newest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(newest) => write!(f, "the newest is {newest}"),
            None => f.write_str("there is none so far"),
        }
    }
}

struct Oldest(Option<GrainIndex>);

impl std::fmt::Display for Oldest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(oldest) => write!(f, "the oldest to be had is {oldest}"),
            None => f.write_str("wait for the next one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_says_what_is() {
        let (index, other) = (GrainIndex(5), Some(GrainIndex(3)));
        let texts = [
            ReadError::NotYet { index, newest: other },
            ReadError::NotYet { index, newest: None },
            ReadError::Gone { index, oldest: other },
            ReadError::Gone { index, oldest: None },
        ];
        assert_eq!(
            texts.map(|error| error.to_string()),
            [
                "grain 5 is not there yet: the newest is 3",
                "grain 5 is not there yet: there is none so far",
                "grain 5 is gone: the oldest to be had is 3",
                "grain 5 is gone: wait for the next one",
            ]
        );
    }
}
