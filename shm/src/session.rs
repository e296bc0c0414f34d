//! The SDK: what a pod links to read and to produce flows.
//!
//! A [`Session`] is a connection to the gateway's broker, by which flows are listed and subscribed to; where that was
//! restarted, the next question makes a new connection. A
//! [`Consumer`] needs the session no more once it has its ring. A [`Producer`] has a connection and a housekeeping
//! thread of its own, so that consumers come and go while its writer writes.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use shm::{ConsumerClass, GrainStamp, KernelTai, ProduceOptions, Session};
//! # use media::{Depth, Rate, Sampling, VideoFormat};
//! # use media::Clock as _;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::connect("/run/flypack/broker.sock".as_ref())?;
//!
//! let class = ConsumerClass::Leased { k: 2, deadline_nanos: 500_000_000 };
//! let mut consumer = session.subscribe(&"cam-1".parse()?, class)?;
//! let second = Duration::from_secs(1);
//! let lease = consumer.next(Instant::now() + second)?;
//! let state = consumer.wait(&lease, 540, Instant::now() + second)?;
//! println!("{}: {} lines so far", lease.index(), state.slices);
//!
//! let format = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1)?)?;
//! let mut producer = session.produce(&"gfx".parse()?, format, ProduceOptions::default())?;
//! let index = producer.index_now();
//! let mut grain = producer.open(index, GrainStamp { tai: KernelTai.now(), ..GrainStamp::default() })?;
//! grain.lines_mut(0..540)?.fill(0x80);
//! grain.publish(540);
//! grain.lines_mut(540..1080)?.fill(0x80);
//! grain.commit();
//! # Ok(())
//! # }
//! ```

mod consumer;
mod error;
mod following;
mod grain;
mod housekeeper;
mod link;
mod next;
mod options;
mod part;
mod producer;
mod returning;
mod signals;
mod tai_clock;
mod waking;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use media::{FlowFormat, Name};

pub use consumer::Consumer;
pub use error::SessionError;
pub use grain::{AHEAD_SECONDS_MAX, Grain, ProduceError};
pub use options::{ClassError, ProduceOptions, SubscribeOptions};
pub use producer::Producer;
pub use tai_clock::KernelTai;

use crate::ConsumerClass;
use crate::protocol::{BrokerMessage, FlowEntry, PodMessage, RingRequest};
use link::{Answer, Link};

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
        loop {
            let after = flows.last().map(|flow| flow.name.clone());
            let (answer, _) = self.ask(&PodMessage::ListFlows { after })?;
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

    /// Produces a flow.
    ///
    /// # Errors
    /// [`SessionError::Refused`] with what would work; [`SessionError`] when the connection or the mapping fails.
    pub fn produce(
        &self,
        name: &Name,
        format: impl Into<FlowFormat>,
        options: impl Into<ProduceOptions>,
    ) -> Result<Producer, SessionError> {
        let ProduceOptions { slots, open_max, wake, blocking } = options.into();
        let plain = RingRequest::new(name.clone(), format);
        Producer::start(&self.path, RingRequest { slots, open_max, wake, blocking, ..plain })
    }

    /// Reads a flow. Waits until its writer has taken the consumer in.
    ///
    /// # Errors
    /// [`SessionError::Class`] for a class that nobody can be of; [`SessionError::Refused`] with what would work;
    /// [`SessionError`] when the connection or the mapping fails.
    pub fn subscribe(&self, name: &Name, class: ConsumerClass) -> Result<Consumer, SessionError> {
        self.subscribe_with(name, class.into())
    }

    /// As [`Self::subscribe`], with all that may be asked for.
    ///
    /// # Errors
    /// As [`Self::subscribe`]; [`SessionError::Format`] when the flow is not what was expected.
    pub fn subscribe_with(&self, name: &Name, options: SubscribeOptions) -> Result<Consumer, SessionError> {
        options.check()?;
        let SubscribeOptions { class, start, .. } = options;
        let (answer, fds) = self.ask(&PodMessage::Subscribe { name: name.clone(), class, start })?;
        Consumer::attach(&answer, fds, name, options)
    }

    /// The answer of the gateway, or of the one that came after it.
    fn ask(&self, question: &PodMessage) -> Result<Answer, SessionError> {
        let mut link = self.link();
        match link.ask(question) {
            Err(error) if error.is_lost() => {
                *link = Link::open(&self.path)?;
                link.ask(question)
            }
            answered => answered,
        }
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
