//! Every error of the SDK as a number, a text and values. Which values a number has stands in [`Status`], in
//! docs/sdk.md and in the Python package; `tests.rs` holds all three to what is done here.

mod refused;
#[cfg(test)]
mod tests;

use std::ffi::CStr;

use media::{AncillaryFormatError, AudioFormatError, FormatError, Name, NameError, RateError};
use shm::{MapError, OpenError, ProduceError, ReadError, SessionError, WaitError, WriteError};

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

numbers!(u8 u16 i32 u32 u64 usize);

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

    /// Lines up to `end` (excluded) of a grain that has `slices`.
    pub(crate) fn lines(end: u64, slices: u16) -> Self {
        let text = format!("lines up to {end} are more than a grain has: {slices}");
        Self::new(FLYPACK_E_RANGE, text).with(c"end", end).with(c"slices", slices)
    }

    /// `grain` is the number that C has for it.
    pub(crate) fn not_open(grain: u64) -> Self {
        let text = format!("no grain {grain} is open: it has ended, or never was");
        Self::new(FLYPACK_E_NOT_OPEN, text).with(c"grain", grain)
    }

    /// With the flow that was asked for, where the gateway's answer leaves it out.
    pub(crate) fn about(self, flow: &Name) -> Self {
        match self.status {
            FLYPACK_E_NO_SUCH_FLOW | FLYPACK_E_NAME_TAKEN => {
                let text = format!("flow {flow}: {}", self.text);
                Self { text, ..self }.with(c"flow", flow.to_string())
            }
            _ => self,
        }
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
            SessionError::Refused(refusal) => refused::refused(refusal, error.to_string()),
            SessionError::Class(_) => failure(FLYPACK_E_INVALID),
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
            SessionError::Map(MapError::Kernel(errno)) => {
                failure(FLYPACK_E_SYSTEM).with(c"errno", errno.raw_os_error())
            }
            SessionError::Thread(error) => failure(FLYPACK_E_SYSTEM).with_some(c"errno", error.raw_os_error()),
            SessionError::Decode(_)
            | SessionError::Encode(_)
            | SessionError::Descriptors { .. }
            | SessionError::Disorder
            | SessionError::Map(MapError::Size(_) | MapError::Short { .. })
            | SessionError::Unsealed(_)
            | SessionError::Attach(_)
            | SessionError::Ring(_) => failure(FLYPACK_E_DISORDER),
        }
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
            ReadError::Foreign { index } => failure(FLYPACK_E_INVALID).with(c"index", index),
            ReadError::Lines { end, slices, .. } => failure(FLYPACK_E_RANGE).with(c"end", end).with(c"slices", slices),
            ReadError::Size { octets, room } => failure(FLYPACK_E_RANGE).with(c"octets", octets).with(c"room", room),
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
