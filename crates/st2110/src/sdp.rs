//! The SDP of a raw video stream (ST 2110-10 §8, ST 2110-20 §7, ST 2110-21 §8, RFC 8866).
//!
//! Liberal on receipt: LF as well as CRLF, a trailing `;`, names in any case, parameters we do not know
//! (kept, with a warning), and the SDP of an RFC 4175 peer that has never heard of ST 2110 (general
//! packing is assumed; the rate comes from `a=framerate` or from the caller). What cannot be received is
//! refused with what would work. What [`VideoSdp::to_sdp`] writes is a whole ST 2110-20 description that
//! FFmpeg and GStreamer also accept.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use media::{FormatError, PayloadType, Rate, RateError, Ssrc, VideoFormat};

use crate::packing::{PackingMode, UdpLimit};
use crate::schedule::SenderType;

mod clock;
mod fmtp;
mod legs;
mod parse;
mod reading;
mod rtp;
mod write;

pub use clock::{Grandmaster, MediaClock, ReferenceClock};
pub use rtp::{Forwarded, RtpSdp};

/// Who made the description, and which version it is (RFC 8866 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Session id: digits.
    pub session_id: String,
    /// Session version, raised at every change.
    pub session_version: u64,
    /// The sender's address; RFC 8866 allows a host name.
    pub address: String,
}

/// The second way of a stream that is sent twice (ST 2022-7, RFC 7104).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondLeg {
    /// Address of its `c=` and port of its `m=`.
    pub destination: SocketAddr,
    /// Time to live of an IPv4 multicast destination.
    pub ttl: Option<u8>,
    /// Sources that its `a=source-filter: incl` admits; empty for any.
    pub sources: Vec<IpAddr>,
}

/// One raw video stream, progressive, as SDP describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSdp {
    /// `s=`; empty for none.
    pub session_name: String,
    /// `o=`.
    pub origin: Origin,
    /// Address of `c=` and port of `m=`.
    pub destination: SocketAddr,
    /// Time to live of an IPv4 multicast destination.
    pub ttl: Option<u8>,
    /// Sources that `a=source-filter: incl` admits; empty for any.
    pub sources: Vec<IpAddr>,
    /// Where the same packets come once more; the rest of the description is that of the first leg.
    pub second: Option<SecondLeg>,
    /// Payload type.
    pub payload_type: PayloadType,
    /// Width, height, sampling, depth, exactframerate.
    pub format: VideoFormat,
    /// `PM`.
    pub packing: PackingMode,
    /// `MAXUDP`.
    pub limit: UdpLimit,
    /// `TP`.
    pub sender_type: Option<SenderType>,
    /// `TROFF`, microseconds: TR_OFFSET where it is not TRO_DEFAULT.
    pub troff_micros: Option<u32>,
    /// `CMAX`, packets.
    pub c_max: Option<u32>,
    /// `a=ts-refclk`.
    pub reference_clock: Option<ReferenceClock>,
    /// `a=mediaclk`.
    pub media_clock: Option<MediaClock>,
    /// `a=ssrc`, if there is one and only one.
    pub ssrc: Option<Ssrc>,
    /// `colorimetry`.
    pub colorimetry: Option<String>,
    /// `TCS`.
    pub tcs: Option<String>,
    /// `RANGE`.
    pub range: Option<String>,
    /// `SSN`; none says that the description is RFC 4175's.
    pub ssn: Option<String>,
    /// All other parameters of `a=fmtp` in their order, as they were: `PAR`, `TSMODE`, `TSDELAY` and those
    /// that we do not know.
    pub other: Vec<(String, Option<String>)>,
    /// What was odd and got by, for the operator. Not written.
    pub warnings: Vec<String>,
}

impl VideoSdp {
    /// Longest description that is read, in octets.
    pub const MAX_OCTETS: usize = 65_536;

    /// A description of an ST 2110-20 stream from `source` to `destination`: general packing, standard UDP
    /// limit, BT.709, SDR, no clocks. The fields are there to be changed.
    #[must_use]
    pub fn new(
        name: &str,
        source: IpAddr,
        destination: SocketAddr,
        payload_type: PayloadType,
        format: VideoFormat,
    ) -> Self {
        let group = destination.ip().is_multicast();
        Self {
            session_name: name.to_owned(),
            origin: Origin { session_id: "0".to_owned(), session_version: 0, address: source.to_string() },
            destination,
            ttl: (group && destination.is_ipv4()).then_some(64),
            sources: if group && !source.is_unspecified() { vec![source] } else { Vec::new() },
            second: None,
            payload_type,
            format,
            packing: PackingMode::Gpm,
            limit: UdpLimit::Standard,
            sender_type: None,
            troff_micros: None,
            c_max: None,
            reference_clock: None,
            media_clock: None,
            ssrc: None,
            colorimetry: Some("BT709".to_owned()),
            tcs: Some("SDR".to_owned()),
            range: None,
            ssn: Some("ST2110-20:2017".to_owned()),
            other: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Reads a description. `default_rate` stands in when neither `exactframerate` nor `a=framerate` is
    /// there, as in what FFmpeg prints.
    ///
    /// # Errors
    /// [`SdpError`]: what is wrong and what would work.
    pub fn parse(text: &str, default_rate: Option<Rate>) -> Result<Self, SdpError> {
        reading::video(text, default_rate)
    }

    /// Writes the description, CRLF line ends; of a stream with a second leg both (RFC 7104 §3.1).
    #[must_use]
    pub fn to_sdp(&self) -> String {
        match self.second_leg() {
            Some(second) => write::legs(self, &second),
            None => write::video(self),
        }
    }

    /// The second leg as a stream of its own.
    #[must_use]
    pub fn second_leg(&self) -> Option<Self> {
        let SecondLeg { destination, ttl, sources } = self.second.clone()?;
        Some(Self { destination, ttl, sources, second: None, ..self.clone() })
    }

    /// Writes the description of a stream that is sent twice (ST 2022-7): this is the first leg, the other the second
    /// (RFC 7104 §3.1: `a=group:DUP`).
    #[must_use]
    pub fn to_sdp_with_second(&self, second: &Self) -> String {
        write::legs(self, second)
    }

    /// Whether timestamps are TAI: PTP as reference, and a media clock without offset (ST 2110-10 §7.3).
    #[must_use]
    pub fn is_ptp_locked(&self) -> bool {
        matches!(self.reference_clock, Some(ReferenceClock::Ptp { .. }))
            && self.media_clock == Some(MediaClock::Direct(0))
    }
}

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It is longer than [`VideoSdp::MAX_OCTETS`].
    #[error("SDP of {octets} octets is too long: at most {} are read", VideoSdp::MAX_OCTETS)]
    TooLong {
        /// Its length.
        octets: usize,
    },
    /// It is no SDP.
    #[error("no SDP: {reason}; it must begin with v=0 and have lines of the form x=value")]
    Syntax {
        /// Where and why.
        reason: String,
    },
    /// It describes no raw video.
    #[error("no raw video in the SDP (found: {found}): an m=video section with a=rtpmap:<pt> raw/90000 is needed")]
    NoRawVideo {
        /// The media there are.
        found: String,
    },
    /// It describes no RTP stream.
    #[error("no RTP stream in the SDP (found: {found}): an m= section with RTP/AVP is needed, not encrypted")]
    NoRtp {
        /// The media there are.
        found: String,
    },
    /// Something needed is not there.
    #[error("SDP lacks {name}: {remedy}")]
    Missing {
        /// The line or parameter.
        name: &'static str,
        /// What would work.
        remedy: &'static str,
    },
    /// A parameter stands twice.
    #[error("SDP has {name} twice in a=fmtp: leave one")]
    Doubled {
        /// The parameter.
        name: String,
    },
    /// A value that it cannot have.
    #[error("SDP has {name}={value}: {want}")]
    Value {
        /// The line or parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would work.
        want: &'static str,
    },
    /// A legal value that is not supported.
    #[error("{name}={value} is not supported: {want}")]
    Unsupported {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is supported.
        want: &'static str,
    },
    /// Fields, or frames in two segments.
    #[error("{name} video is not supported: use progressive")]
    Interlaced {
        /// The flag, `interlace` or `segmented`.
        name: &'static str,
    },
    /// A picture that cannot be carried.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A rate that is none.
    #[error(transparent)]
    Rate(#[from] RateError),
}

impl fmt::Display for VideoSdp {
    /// `1920x1080p50 4:2:2 10 bit to 239.1.1.1:5004`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.format, self.destination)
    }
}

#[cfg(test)]
mod tests;
