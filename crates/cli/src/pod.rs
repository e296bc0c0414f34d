//! What `send` and `recv` share as pods: the way to the broker, and its refusals as failures.

use std::path::Path;
use std::time::Duration;

use media::{FlowFormat, Name};
use rustix::io::Errno;
use shm::{Refusal, Session, SessionError};

use crate::Failure;

/// How long a loop rests when there is nothing to do: a small part of a frame.
pub(crate) const REST: Duration = Duration::from_micros(500);

/// Connects to the broker at `path`.
pub(crate) fn connect(path: &Path) -> Result<Session, Failure> {
    Session::connect(path).map_err(|error| broker_failure(&error))
}

/// Why the broker did not do it, and what would work.
pub(crate) fn broker_failure(error: &SessionError) -> Failure {
    let absent = matches!(error, SessionError::Connect { source: Errno::NOENT | Errno::CONNREFUSED, .. });
    let hint = if absent { " (--broker or FLYPACK_BROKER)" } else { "" };
    Failure::Broker { message: format!("{error}{hint}"), absent }
}

/// The same, with the flows that there are if the one asked for is not.
pub(crate) fn subscribe_failure(session: &Session, flow: &str, error: &SessionError) -> Failure {
    if !matches!(error, SessionError::Refused(Refusal::NoSuchFlow)) {
        return broker_failure(error);
    }
    let names: Vec<String> =
        session.flows().map(|flows| flows.iter().map(|flow| flow.name.to_string()).collect()).unwrap_or_default();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::Broker { message: format!("there is no flow \"{flow}\"; there are: {names}"), absent: false }
}

/// A flow that is read as pictures and is something else.
pub(crate) fn not_video(flow: &Name, format: &FlowFormat) -> Failure {
    let message = format!("flow \"{flow}\" carries {format}: recv reads pictures only, choose a flow of video");
    Failure::Broker { message, absent: false }
}
