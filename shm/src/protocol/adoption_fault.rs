//! Why a restarted broker does not take over a ring that a pod brings.

/// What is wrong with a ring that a pod brings, or with what it says of its consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptionFault {
    /// Nothing was written down of such an epoch.
    #[error("the gateway has no record of it")]
    NoRecord,
    /// Somebody else produced it.
    #[error("its record names another user than {uid}")]
    User {
        /// Who brings it.
        uid: u32,
    },
    /// The record is of another flow.
    #[error("its record names another flow")]
    Name,
    /// Not the memory that the record names.
    #[error("its memory is not what the gateway made")]
    Memory,
    /// The memory is not sealed as the gateway left it.
    #[error("its memory is not sealed as the gateway left it")]
    Seals,
    /// The memory cannot be mapped or is smaller than the record says.
    #[error("its memory cannot be mapped")]
    Mapping,
    /// It has been taken over before.
    #[error("it is a flow already")]
    Known,
    /// Its name is taken by now.
    #[error("its name is taken by another flow")]
    NameTaken,
    /// Two consumers in one seat, or one consumer twice.
    #[error("two of its consumers have seat {seat}, or the same number")]
    Seat {
        /// The seat.
        seat: u8,
    },
    /// More consumers than a ring has seats.
    #[error("it names more than {limit} consumers")]
    Members {
        /// The seats of a ring.
        limit: u8,
    },
    /// Consumers of several rings at once.
    #[error("the consumers that were named are of another ring")]
    Mixed,
}

impl AdoptionFault {
    /// Code and value.
    pub(super) const fn parts(self) -> (u64, u64) {
        match self {
            Self::NoRecord => (1, 0),
            Self::User { uid } => (2, uid as u64),
            Self::Name => (3, 0),
            Self::Memory => (4, 0),
            Self::Seals => (5, 0),
            Self::Mapping => (6, 0),
            Self::Known => (7, 0),
            Self::NameTaken => (8, 0),
            Self::Seat { seat } => (9, seat as u64),
            Self::Members { limit } => (10, limit as u64),
            Self::Mixed => (11, 0),
        }
    }

    pub(super) const fn of_parts(code: u64, value: u64) -> Option<Self> {
        Some(match code {
            1 => Self::NoRecord,
            2 => Self::User { uid: value as u32 },
            3 => Self::Name,
            4 => Self::Memory,
            5 => Self::Seals,
            6 => Self::Mapping,
            7 => Self::Known,
            8 => Self::NameTaken,
            9 => Self::Seat { seat: value as u8 },
            10 => Self::Members { limit: value as u8 },
            11 => Self::Mixed,
            _ => return None,
        })
    }
}
