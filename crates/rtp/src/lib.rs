//! RTP (RFC 3550): the fixed header, sequence numbers extended over wraps, reception statistics, the legs of a stream that
//! is sent twice.
//!
//! Sans-I/O and without a clock: octets and numbers in, values out. A datagram is judged once, by
//! [`RtpHeader::parse`]; whoever holds an [`RtpHeader`] may take its payload range as true.
#![forbid(unsafe_code)]

pub mod header;
pub mod merge;
pub mod reception;
pub mod sequence;

pub use header::{FIXED_HEADER_OCTETS, FixedHeader, RtpError, RtpHeader, first_word, with_number, write_header};
pub use merge::{Heard, LegReception, Merge};
pub use reception::{Arrival, Reception, ReceptionCounters};
pub use sequence::{SequenceExtender, Step};
