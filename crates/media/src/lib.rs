//! The nouns of Flypack: identifiers, time, rates and the formats of flows.
//!
//! Everything here is plain data without I/O. Time is rational arithmetic on [`Tai`]; a [`Rate`] is
//! never pre-divided (ARCHITECTURE, invariant 10).
#![forbid(unsafe_code)]

pub mod ancillary_format;
pub mod audio_format;
pub mod clock;
pub mod flow_format;
pub mod format;
pub mod ids;
pub mod media_clock;
pub mod rate;
pub mod recording;
pub mod rtp_time;
pub mod tai;

pub use ancillary_format::{AncillaryFormat, AncillaryFormatError};
pub use audio_format::{AudioDepth, AudioFormat, AudioFormatError};
pub use clock::{Clock, ManualClock};
pub use flow_format::FlowFormat;
pub use format::{Depth, FormatError, Pgroup, Sampling, VideoFormat};
pub use ids::{FlowId, GrainIndex, Name, NameError};
pub use media_clock::{VIDEO_CLOCK_HZ, grain_index_nearest, grain_start, rtp_timestamp, unwrap_nearest};
pub use rate::{Rate, RateError};
pub use rtp_time::{ExtSeqNum, PayloadType, RtpTimestamp, SeqNum, Ssrc};
pub use tai::Tai;
