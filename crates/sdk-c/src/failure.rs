//! Every error of the SDK as a number, a text and values.

use std::ffi::CStr;

use media::{AncillaryFormatError, AudioFormatError, FormatError, NameError, RateError};
use shm::{OpenError, ProduceError, ReadError, Refusal, SessionError, WaitError, WriteError};

use crate::status::Status::{self, *};

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    pub(crate) text: String,
    pub(crate) values: Vec<(&'static CStr, Value)>,
}

/// One value of an error.
#[derive(Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Numbers that may not fit are held to the end of the range.
macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )*};
}

numbers!(u8 u16 i32 u32 u64);

impl From<media::GrainIndex> for Value {
    fn from(index: media::GrainIndex) -> Self {
        index.0.into()
    }
}

impl Failure {
    pub(crate) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), values: Vec::new() }
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::new(FLYPACK_E_INVALID, text)
    }

    pub(crate) fn null(name: &str) -> Self {
        Self::invalid(format!("{name} is null"))
    }

    pub(crate) fn panic(words: &str) -> Self {
        Self::new(FLYPACK_E_PANIC, format!("a bug in the Flypack library: {words}"))
    }

    /// With one more value where it is known.
    fn with_some(self, name: &'static CStr, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With one more value.
    fn with(mut self, name: &'static CStr, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

/// What is wrong with an argument is in the text.
macro_rules! invalid {
    ($($error:ty)*) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::invalid(error.to_string())
            }
        }
    )*};
}

invalid!(NameError RateError FormatError AudioFormatError AncillaryFormatError);

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        let failure = |status| Self::new(status, error.to_string());
        match &error {
            SessionError::Refused(refusal) => refused(failure(refusal_status(refusal)), refusal),
            SessionError::Connect { source, .. } => failure(FLYPACK_E_CONNECT).with(c"errno", source.raw_os_error()),
            SessionError::Closed => failure(FLYPACK_E_CLOSED),
            SessionError::Connection(errno) => failure(FLYPACK_E_CLOSED).with(c"errno", errno.raw_os_error()),
            SessionError::Silent { waited_ms } => failure(FLYPACK_E_SILENT).with(c"waited_ms", *waited_ms),
            SessionError::RingAbi { theirs, ours } => {
                failure(FLYPACK_E_VERSION).with(c"theirs", *theirs).with(c"ours", *ours)
            }
            SessionError::Format { expected, found } => {
                failure(FLYPACK_E_FORMAT).with(c"expected", expected.to_string()).with(c"found", found.to_string())
            }
            SessionError::GrainOpen { index } => failure(FLYPACK_E_GRAIN_OPEN).with(c"index", index.0),
            SessionError::Map(_) | SessionError::Thread(_) => failure(FLYPACK_E_SYSTEM),
            _ => failure(FLYPACK_E_DISORDER),
        }
    }
}

const fn refusal_status(refusal: &Refusal) -> Status {
    match refusal {
        Refusal::Version { .. } => FLYPACK_E_VERSION,
        Refusal::User { .. } | Refusal::Flow { .. } => FLYPACK_E_NOT_ALLOWED,
        Refusal::NoSuchFlow => FLYPACK_E_NO_SUCH_FLOW,
        Refusal::NameTaken => FLYPACK_E_NAME_TAKEN,
        Refusal::Memory { .. } | Refusal::PodMemory { .. } => FLYPACK_E_NO_MEMORY,
        Refusal::Connections { .. }
        | Refusal::UserConnections { .. }
        | Refusal::Requests { .. }
        | Refusal::Flows { .. }
        | Refusal::RingTooLarge { .. }
        | Refusal::Slots { .. }
        | Refusal::Lease { .. }
        | Refusal::Admission { .. }
        | Refusal::Consumers { .. }
        | Refusal::UserConsumers { .. }
        | Refusal::UserFlows { .. }
        | Refusal::UserMemory { .. }
        | Refusal::UserSlots { .. }
        | Refusal::OpenGrains { .. } => FLYPACK_E_LIMIT,
        Refusal::Live => FLYPACK_E_LIVE,
        // Whatever else a gateway may have to say is in the text.
        _ => FLYPACK_E_REFUSED,
    }
}

/// The values of a refusal.
fn refused(failure: Failure, refusal: &Refusal) -> Failure {
    match *refusal {
        Refusal::Version { min, max } => failure.with(c"min", min).with(c"max", max),
        Refusal::User { uid } => failure.with(c"uid", uid),
        Refusal::Connections { limit } | Refusal::Requests { limit } | Refusal::Flows { limit } => {
            failure.with(c"limit", limit)
        }
        Refusal::UserConnections { uid, limit } | Refusal::UserConsumers { uid, limit } => {
            failure.with(c"limit", limit).with(c"uid", uid)
        }
        Refusal::RingTooLarge { octets, limit } => failure.with(c"limit", limit).with(c"octets", octets),
        Refusal::Slots { slots, min, max } => {
            failure.with(c"limit", max).with(c"slots", slots).with(c"min", min).with(c"max", max)
        }
        Refusal::Lease { k, limit } => failure.with(c"limit", limit).with(c"k", k),
        Refusal::Admission { slots, k, needed, works } => {
            failure.with(c"limit", works).with(c"k", k).with(c"slots", slots).with(c"needed", needed)
        }
        Refusal::Consumers { limit } => failure.with(c"limit", limit),
        Refusal::Memory { octets, errno } => failure.with(c"octets", octets).with(c"errno", errno),
        Refusal::PodMemory { octets, left } => failure.with(c"octets", octets).with(c"left", left),
        Refusal::WriterSilent { waited_ms } | Refusal::NotMapped { waited_ms } => failure.with(c"waited_ms", waited_ms),
        Refusal::Descriptors { errno } => failure.with(c"errno", errno),
        Refusal::Flow { uid, right, flow } => {
            failure.with(c"uid", uid).with(c"right", right.to_string()).with(c"flow", flow.to_string())
        }
        Refusal::UserFlows { uid, limit } => failure.with(c"limit", limit).with(c"uid", uid),
        Refusal::UserMemory { uid, octets, left } => {
            failure.with(c"limit", left).with(c"octets", octets).with(c"uid", uid)
        }
        Refusal::UserSlots { uid, k, left } => failure.with(c"limit", left).with(c"k", k).with(c"uid", uid),
        Refusal::OpenGrains { open_max, max } => failure.with(c"limit", max).with(c"open_max", open_max),
        _ => failure,
    }
}

impl From<ProduceError> for Failure {
    fn from(error: ProduceError) -> Self {
        let failure = |status| Self::new(status, error.to_string());
        match error {
            ProduceError::TooFarAhead { index, now, limit } => {
                failure(FLYPACK_E_TOO_FAR_AHEAD).with(c"index", index).with(c"now", now).with(c"limit", limit)
            }
            ProduceError::Open(error) => match error {
                OpenError::NotMonotone { index, last } => {
                    failure(FLYPACK_E_NOT_MONOTONE).with(c"index", index).with(c"last", last)
                }
                OpenError::Limit { index } => failure(FLYPACK_E_INDEX_LIMIT).with(c"index", index),
                OpenError::NoSlot { slots, held } => {
                    failure(FLYPACK_E_NO_SLOT).with(c"slots", slots).with(c"held", held)
                }
                OpenError::Held { consumer } => failure(FLYPACK_E_HELD).with(c"consumer", consumer),
                OpenError::Concluded { end } => failure(FLYPACK_E_EPOCH_ENDED).with(c"end", end),
                OpenError::TooManyOpen { limit } => failure(FLYPACK_E_TOO_MANY_OPEN).with(c"limit", limit),
            },
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        let failure = |status| Self::new(status, error.to_string());
        match error {
            WriteError::NotOpen { index } => failure(FLYPACK_E_NOT_OPEN).with(c"index", index),
            WriteError::Range { end, grain_octets } => {
                failure(FLYPACK_E_RANGE).with(c"end", end).with(c"grain_octets", grain_octets)
            }
            WriteError::Published { offset, published_octets } => {
                failure(FLYPACK_E_PUBLISHED).with(c"offset", offset).with(c"published_octets", published_octets)
            }
        }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let failure = |status| Self::new(status, error.to_string());
        match error {
            ReadError::NotYet { index, newest } => {
                failure(FLYPACK_E_NOT_YET).with(c"index", index).with_some(c"newest", newest)
            }
            ReadError::Unpublished { index, wanted, slices } => {
                failure(FLYPACK_E_NOT_YET).with(c"index", index).with(c"wanted", wanted).with(c"slices", slices)
            }
            ReadError::Cancelled { index, slices } => {
                failure(FLYPACK_E_CANCELLED).with(c"index", index).with(c"slices", slices)
            }
            ReadError::Gone { index, oldest } => {
                failure(FLYPACK_E_GONE).with(c"index", index).with_some(c"oldest", oldest)
            }
            ReadError::Torn { index } => failure(FLYPACK_E_TORN).with(c"index", index),
            ReadError::Evicted { hi } => failure(FLYPACK_E_EVICTED).with(c"end", hi),
            ReadError::EpochEnded { end, successor } => failure(FLYPACK_E_EPOCH_ENDED)
                .with(c"end", end)
                .with_some(c"successor", successor.map(|epoch| format!("{epoch:032x}"))),
            ReadError::TooManyLeases { k } => failure(FLYPACK_E_TOO_MANY_LEASES).with(c"k", k),
            ReadError::Foreign { .. } => failure(FLYPACK_E_INVALID),
            ReadError::Lines { end, slices, .. } => failure(FLYPACK_E_RANGE).with(c"end", end).with(c"slices", slices),
            ReadError::Size { .. } => failure(FLYPACK_E_RANGE),
        }
    }
}

impl From<WaitError> for Failure {
    fn from(error: WaitError) -> Self {
        let failure = |status| Self::new(status, error.to_string());
        match error {
            WaitError::TimedOut { index, slices, reached } => failure(FLYPACK_E_TIMED_OUT)
                .with(c"index", index)
                .with(c"slices", slices)
                .with(c"reached", reached.unwrap_or(0)),
            WaitError::ProducerGone { index } => failure(FLYPACK_E_PRODUCER_GONE).with(c"index", index),
            WaitError::Read(error) => error.into(),
        }
    }
}
