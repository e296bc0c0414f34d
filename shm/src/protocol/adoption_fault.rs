//! Why a restarted broker does not take over a ring that a pod brings.

/// What is wrong with a ring that a pod brings, or with what it says of its consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptionFault {
    /// Nothing was written down of such an epoch.
    #[error(
        "the gateway has no record of it (lost, or given up when nobody brought it for a minute): restart its producer"
    )]
    NoRecord,
    /// Somebody else produced it.
    #[error("its record names another user than {uid}: bring it as the user that produced it")]
    User {
        /// Who brings it.
        uid: u32,
    },
    /// The record is of another flow.
    #[error("its record is of a flow of another name: bring it under the name that it was produced under")]
    Name,
    /// Not the memory that the record names.
    #[error(
        "the memory that was brought (inode {inode}) is not what the gateway made: bring control and data, in this order"
    )]
    Memory {
        /// The file that was brought, as the kernel numbers it; 0 where none was.
        inode: u64,
    },
    /// The memory is not sealed as the gateway left it.
    #[error("its memory has the seals {actual:#x}, not those that the gateway set: restart its producer")]
    Seals {
        /// `F_GET_SEALS` of the file; 0 where it has none.
        actual: u32,
    },
    /// The memory cannot be mapped or is smaller than the record says.
    #[error(
        "the {octets} octets of its record cannot be mapped: see the gateway's limits of memory, then restart its producer"
    )]
    Mapping {
        /// Control and data together.
        octets: u64,
    },
    /// It has been taken over before.
    #[error("it is a flow already: wait until that connection has ended")]
    Known,
    /// Its name is taken by now.
    #[error("its name is taken by another flow: end that one")]
    NameTaken,
    /// Two consumers in one seat, or one consumer twice.
    #[error("two of its consumers have seat {seat}, or the same number: name each once")]
    Seat {
        /// The seat.
        seat: u8,
    },
    /// More consumers than a ring has seats.
    #[error("it names more than the {limit} consumers that a ring can have")]
    Members {
        /// The seats of a ring.
        limit: u8,
    },
    /// Consumers of several rings at once.
    #[error(
        "the consumers that were named are of another ring: name those of the ring that is brought, just before it"
    )]
    Mixed,
    /// Brought by somebody who can only read it.
    #[error("its memory came by a descriptor that only reads: its producer, who got one for writing, must bring it")]
    ReadOnly,
    /// The gateway made it as another user.
    #[error(
        "its memory is owned by user {uid} and not by the gateway's: run the gateway as before, or restart its producer"
    )]
    Owner {
        /// Whose the file is.
        uid: u32,
    },
    /// Parts of the memory are not there, and touching them might end who does.
    #[error("only {octets} octets of its memory are there: restart its producer")]
    Holes {
        /// What the kernel has of the file.
        octets: u64,
    },
    /// Many users look like this one to the gateway.
    #[error(
        "user {uid} stands for all whom the gateway's user namespace does not map: map this one there, and restart the producer"
    )]
    Unmapped {
        /// Who brings it, as the gateway sees it.
        uid: u32,
    },
}

impl AdoptionFault {
    /// Code and value.
    pub(super) const fn parts(self) -> (u64, u64) {
        match self {
            Self::NoRecord => (1, 0),
            Self::User { uid } => (2, uid as u64),
            Self::Name => (3, 0),
            Self::Memory { inode } => (4, inode),
            Self::Seals { actual } => (5, actual as u64),
            Self::Mapping { octets } => (6, octets),
            Self::Known => (7, 0),
            Self::NameTaken => (8, 0),
            Self::Seat { seat } => (9, seat as u64),
            Self::Members { limit } => (10, limit as u64),
            Self::Mixed => (11, 0),
            Self::ReadOnly => (12, 0),
            Self::Owner { uid } => (13, uid as u64),
            Self::Holes { octets } => (14, octets),
            Self::Unmapped { uid } => (15, uid as u64),
        }
    }

    pub(super) const fn of_parts(code: u64, value: u64) -> Option<Self> {
        Some(match code {
            1 => Self::NoRecord,
            2 => Self::User { uid: value as u32 },
            3 => Self::Name,
            4 => Self::Memory { inode: value },
            5 => Self::Seals { actual: value as u32 },
            6 => Self::Mapping { octets: value },
            7 => Self::Known,
            8 => Self::NameTaken,
            9 => Self::Seat { seat: value as u8 },
            10 => Self::Members { limit: value as u8 },
            11 => Self::Mixed,
            12 => Self::ReadOnly,
            13 => Self::Owner { uid: value as u32 },
            14 => Self::Holes { octets: value },
            15 => Self::Unmapped { uid: value as u32 },
            _ => return None,
        })
    }
}
