//! Our own ring as the measurements use it, through the broker and the SDK, as every pod has it.

mod acks;
mod receiver;
mod sender;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use media::{Name, Tai};
use shm::{Broker, BrokerConfig, ConsumerClass, PagePolicy, Session};

pub use acks::{AckReader, AckWriter};
pub use receiver::RingReceiver;
pub(crate) use receiver::{spin_for_grain, spin_for_lines, subscribe};
pub use sender::{GatewayRing, PodRing, RingWriter};

use crate::clock;

/// Grains that a measured consumer may hold.
const HELD: u16 = 2;

/// Slots of a ring for so many consumers: as the admission's rule asks for (one newest, one open, and of each consumer what
/// it holds and one more), and 8 at least.
#[must_use]
pub const fn slots_for(consumers: u16) -> u16 {
    let slots = 2 + consumers * (HELD + 1);
    if slots < 8 { 8 } else { slots }
}

/// No deadline that a machine under load could miss.
const DEADLINE_NANOS: i64 = 3_600_000_000_000;

/// A consumer that holds what it reads.
pub const LEASED: ConsumerClass = ConsumerClass::Leased { k: HELD, deadline_nanos: DEADLINE_NANOS };

/// Where the broker of the run listens: for pods and acknowledgements.
#[must_use]
pub fn common_socket(folder: &Path) -> PathBuf {
    folder.join("broker.sock")
}

/// Where a gateway that writes `meeting` listens.
#[must_use]
pub fn own_socket(folder: &Path, meeting: &str) -> PathBuf {
    folder.join(format!("{meeting}.broker.sock"))
}

/// Starts a broker at `socket`.
///
/// # Errors
/// When it cannot listen there.
pub fn start_broker(socket: &Path, pages: PagePolicy) -> Result<Broker> {
    let mut config = BrokerConfig::new(socket);
    config.page_policy = pages;
    Broker::start(config, |_| {}).with_context(|| format!("a broker at {}", socket.display()))
}

/// Now, on the writer's clock.
#[must_use]
pub fn tai_now() -> Tai {
    Tai::from_nanos(clock::now() as i64)
}

fn connect(socket: &Path) -> Result<Session> {
    Session::connect(socket).with_context(|| format!("no session at {}", socket.display()))
}

pub(crate) fn name_of(flow: &str) -> Result<Name> {
    flow.parse().with_context(|| format!("{flow} is no name of a flow"))
}
