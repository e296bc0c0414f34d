//! Why a flow resource cannot be a ring.

use media::{AncillaryFormatError, AudioFormatError, FormatError};

/// Why a flow resource cannot be a ring. Paths are as in `components[1].bit_depth`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NmosError {
    /// No JSON at all.
    #[error(
        "line {line}, column {column}: {}; give one flow resource of NMOS IS-04 v1.3 in JSON",
        if *eof { "the text ends too soon" } else { "this is no JSON" }
    )]
    Json {
        /// From 1.
        line: usize,
        /// In octets; 0: at the beginning of the line.
        column: usize,
        /// Whether the text ended before the resource did.
        eof: bool,
    },
    /// A member that a ring needs.
    #[error("{path} is missing: give {wanted}")]
    Missing {
        /// Where it should be.
        path: String,
        /// What would work.
        wanted: &'static str,
    },
    /// A member of another type or value.
    #[error("{path} is {found}: give {wanted}")]
    Wrong {
        /// Where it is.
        path: String,
        /// What is there, shortened.
        found: String,
        /// What would work.
        wanted: &'static str,
    },
    /// A member that another one settles.
    #[error("{path} is {found}: {settles} makes it {wanted}")]
    Disagrees {
        /// Where it is.
        path: String,
        /// What is there.
        found: u32,
        /// What settles it.
        settles: &'static str,
        /// What it would have to be.
        wanted: u32,
    },
    /// A picture that cannot be carried.
    #[error("frame_width and frame_height: {source}")]
    Video {
        /// What is wrong with it.
        #[from]
        source: FormatError,
    },
    /// Audio that cannot be carried.
    #[error("{path}: {source}")]
    Audio {
        /// The member that has the value.
        path: String,
        /// What is wrong with it.
        source: AudioFormatError,
    },
    /// Ancillary data that cannot be carried.
    #[error("{path}: {source}")]
    Ancillary {
        /// The member that has the value.
        path: String,
        /// What is wrong with it.
        source: AncillaryFormatError,
    },
}
