//! Why a command failed, with a stable code for scripts.

use std::io;
use std::path::PathBuf;

use control::ConnectError;
use media::NameError;
use media::recording::RecordingError;
use st2110::SdpError;
use tonic::Code;

use crate::Exit;

/// Why a command failed. What it says is what was asked, what is wrong, and what would work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{}", .0.trim_end())]
    Usage(String),
    /// No gateway answers.
    #[error("{0}{hint}", hint = endpoint_hint(.0))]
    Connect(#[from] ConnectError),
    /// The gateway refused.
    #[error("{}", .0.message())]
    Refused(Box<tonic::Status>),
    /// No such sender, or it does not know its format yet.
    #[error("{0}")]
    NoSdp(String),
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An SDP that is none.
    #[error("{path}: {cause}")]
    Sdp {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: SdpError,
    },
    /// A file cannot be read or written.
    #[error("{action} {}: {cause}", .path.display())]
    File {
        /// "cannot read" and the like.
        action: &'static str,
        /// The file, or "stdin", "stdout".
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The input ends inside a frame.
    #[error(
        "the input ends inside frame {frame}: {octets} octets of {frame_octets}; it must hold whole frames of {format}"
    )]
    PartialFrame {
        /// Number of the frame, from 1.
        frame: u64,
        /// Octets of it that are there.
        octets: u32,
        /// Octets that a frame has.
        frame_octets: u32,
        /// The format of the SDP.
        format: media::VideoFormat,
    },
    /// There is not one frame in the input.
    #[error("the input {} is empty: it must hold at least one frame of {frame_octets} octets", .path.display())]
    EmptyInput {
        /// The input.
        path: PathBuf,
        /// Octets that a frame has.
        frame_octets: u32,
    },
    /// What is no recording, or not a whole one.
    #[error("{}: {cause}", .path.display())]
    Recording {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: RecordingError,
    },
    /// The broker of the rings refused, or is not there.
    #[error("{message}")]
    Broker {
        /// What it said, and what would work.
        message: String,
        /// Whether there is no broker at all.
        absent: bool,
    },
    /// A picture cannot be made.
    #[error("cannot write the picture {}: {cause}", .path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        cause: png::EncodingError,
    },
    /// The program that measures cannot be run.
    #[error(
        "cannot run {}: {cause}; it belongs beside flypack: cargo build --release -p flypack-bench, or make bench-ring",
        .path.display()
    )]
    Bench {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The system refused something that every machine has.
    #[error("{what}: {cause}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
}

impl Failure {
    /// The exit code that belongs to it.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Connect(_) | Self::Broker { absent: true, .. } => Exit::Unreachable,
            _ => Exit::Failure,
        }
    }

    /// A word for scripts: stable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::Connect(_) | Self::Broker { absent: true, .. } => "unreachable",
            Self::Refused(status) => refusal_code(status.code()),
            Self::NoSdp(_) => "no_sdp",
            Self::Name(_) => "invalid_argument",
            Self::Sdp { .. } => "invalid_sdp",
            Self::File { .. } => "file",
            Self::PartialFrame { .. } => "partial_frame",
            Self::EmptyInput { .. } => "empty_input",
            Self::Recording { .. } => "recording",
            Self::Broker { .. } => "broker",
            Self::Picture { .. } => "picture",
            Self::Bench { .. } => "bench",
            Self::System { .. } => "system",
        }
    }
}

fn endpoint_hint(error: &ConnectError) -> &'static str {
    if matches!(error, ConnectError::NotRunning { .. }) { " (--endpoint or FLYPACK_ENDPOINT)" } else { "" }
}

fn refusal_code(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument | Code::OutOfRange => "invalid_argument",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::FailedPrecondition => "failed_precondition",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded => "deadline_exceeded",
        _ => "internal",
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}
