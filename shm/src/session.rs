//! The SDK: what a pod links to read and to produce flows.
//!
//! A [`Session`] is one connection to the gateway's broker, by which flows are listed and subscribed to. A
//! [`Consumer`] needs the session no more once it has its ring. A [`Producer`] has a connection and a housekeeping
//! thread of its own, so that consumers come and go while its writer writes.
//!
//! ```no_run
//! use shm::{ConsumerClass, Session};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::connect("/run/flypack/broker.sock".as_ref())?;
//! let class = ConsumerClass::Leased { k: 2, deadline_nanos: 500_000_000 };
//! let mut consumer = session.subscribe(&"cam-1".parse()?, class)?;
//! while !consumer.producer_gone() {
//!     if let Some(index) = consumer.reader().next_available() {
//!         let grain = consumer.reader().lease(index)?;
//!         println!("{index}: {} lines so far", grain.state()?.slices);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod consumer;
mod error;
mod housekeeper;
mod link;
mod producer;
mod waking;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use media::{FlowFormat, Name};

pub use consumer::Consumer;
pub use error::SessionError;
pub use producer::Producer;

use crate::WakeMode;
use crate::protocol::{BrokerMessage, FlowEntry, PodMessage, RingRequest};
use crate::{ConsumerClass, Start};
use link::Link;

/// A connection to the gateway's broker.
#[derive(Debug)]
pub struct Session {
    path: PathBuf,
    link: Mutex<Link>,
}

impl Session {
    /// Connects to the broker's socket at `path` and agrees upon a protocol version.
    ///
    /// # Errors
    /// [`SessionError::Connect`] when nobody listens there, [`SessionError::Refused`] when the gateway does not let
    /// this user in.
    pub fn connect(path: &Path) -> Result<Self, SessionError> {
        Ok(Self { path: path.to_owned(), link: Mutex::new(Link::open(path)?) })
    }

    /// The flows of the gateway, by name.
    ///
    /// # Errors
    /// [`SessionError`] when the connection fails.
    pub fn flows(&self) -> Result<Vec<FlowEntry>, SessionError> {
        let mut flows: Vec<FlowEntry> = Vec::new();
        let mut link = self.link();
        loop {
            let after = flows.last().map(|flow| flow.name.clone());
            let (answer, _) = link.ask(&PodMessage::ListFlows { after })?;
            let BrokerMessage::Flows { entries, more } = answer else { return Err(SessionError::unexpected(&answer)) };
            // Names rise from page to page, so a gateway that keeps to the protocol ends.
            let advanced = entries.first().zip(flows.last()).is_none_or(|(first, last)| first.name > last.name);
            if !advanced || (more && entries.is_empty()) {
                return Err(SessionError::Disorder);
            }
            flows.extend(entries);
            if !more {
                return Ok(flows);
            }
        }
    }

    /// Produces a flow into a ring of `slots` slots (none takes the gateway's default).
    ///
    /// # Errors
    /// [`SessionError::Refused`] with what would work; [`SessionError`] when the connection or the mapping fails.
    pub fn produce(
        &self,
        name: &Name,
        format: impl Into<FlowFormat>,
        slots: Option<u16>,
    ) -> Result<Producer, SessionError> {
        let wake = WakeMode::Inline;
        let ring = RingRequest { slots, wake, ..RingRequest::new(name.clone(), format) };
        Producer::start(Link::open(&self.path)?, ring)
    }

    /// Reads a flow. Waits until its writer has taken the consumer in.
    ///
    /// # Errors
    /// [`SessionError::Refused`] with what would work; [`SessionError`] when the connection or the mapping fails.
    pub fn subscribe(&self, name: &Name, class: ConsumerClass) -> Result<Consumer, SessionError> {
        let (answer, fds) =
            self.link().ask(&PodMessage::Subscribe { name: name.clone(), class, start: Start::Live })?;
        Consumer::attach(&answer, fds, class)
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
