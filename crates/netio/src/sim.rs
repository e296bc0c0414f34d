//! A seeded simulator: transmit and receive queues joined by a wire with faults, in virtual time.
//!
//! Everything that happens is decided by the seed, the order of the calls and a [`ManualClock`]: a failing seed is a
//! test. The simulator allocates per packet; what is proven about allocations is proven on other backends.

mod faults;
mod rx;
mod tx;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media::ManualClock;
use shm::StableBytes;

pub use faults::{Faults, SimCounters};
pub use rx::{SimBuf, SimRx, SimRxConfig};
pub use tx::{SimTx, SimTxBuf, SimTxConfig};
use wire::Wire;

/// A network of simulated queues. Clones are the same network.
#[derive(Clone)]
pub struct SimNet {
    wire: Arc<Mutex<Wire>>,
    clock: ManualClock,
}

impl SimNet {
    /// A network whose faults are drawn from `seed` and whose time is `clock`.
    #[must_use]
    pub fn new(seed: u64, faults: Faults, clock: ManualClock) -> Self {
        Self { wire: Arc::new(Mutex::new(Wire::new(seed, faults))), clock }
    }

    /// A queue that receives what is sent to an address or group from now on.
    #[must_use]
    pub fn open_rx(&self, config: SimRxConfig) -> SimRx {
        SimRx::open(self.clone(), config)
    }

    /// A queue that sends.
    #[must_use]
    pub fn open_tx<L: StableBytes>(&self, config: SimTxConfig) -> SimTx<L> {
        SimTx::open(self.clone(), config)
    }

    /// A sender, and a receiver on `destination`.
    #[must_use]
    pub fn pair<L: StableBytes>(&self, destination: SocketAddr) -> (SimTx<L>, SimRx) {
        (self.open_tx(SimTxConfig::default()), self.open_rx(SimRxConfig::of(destination)))
    }

    /// Faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.wire().faults = faults;
    }

    /// What has happened on the wire.
    #[must_use]
    pub fn counters(&self) -> SimCounters {
        self.wire().counters
    }

    /// The wire. A panic elsewhere leaves it usable: each change to it is complete when the lock is let go.
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
