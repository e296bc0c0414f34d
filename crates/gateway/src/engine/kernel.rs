//! The engine of the kernel's sockets: a socket for each receiver, one transmit queue for each worker.

mod homes;
mod identity;
mod moves;
mod sockets;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use control::{DataplaneError, PortStatus, RelaySpec, SenderSpec, WorkerStatus};
use media::{Name, VideoFormat};
use netio::{KernelRx, KernelTx, KernelTxConfig};
use shm::GrainLease;
use worker::{Core, OutputIndex, ReceiverKey, SenderCounters, SenderKey, Source};

use super::forwarders::{Followed, Forwarders};
use super::{
    ChangeError, Engine, EnginePort, ReceiverOrder, Receiving, RelayOrder, Relaying, SenderIdentity, SenderOrder,
    StreamKey,
};
use crate::clock::TaiClock;
use crate::loss::Reception;
use crate::pool::{
    Pool, PoolError, PoolNames, Seat, ThreadSettings, UNKNOWN_PACKETS_PER_SECOND, packets_per_second, unexpected,
};
use homes::{Homes, ReceiverHome};
use sockets::{Sockets, inputs_of, unseat};

type Rx = KernelRx<TaiClock>;
type Tx = KernelTx<GrainLease>;

/// Receive buffer where the receiver states none, octets.
const RECEIVE_BUFFER_OCTETS: u32 = 33_554_432;

/// Buffers of a receive queue beside those of the reorder window.
const QUEUE_BUFFERS: usize = 128;

/// What the kernel counts for a packet that waits in a socket, about.
const PACKET_OCTETS: u64 = 2_304;

const NAMES: PoolNames = PoolNames { worker: "worker", cores_key: "workers.cores" };

/// What the engine starts with.
#[derive(Clone, Debug)]
pub struct KernelSettings {
    /// One pinned worker for each core; none: one that floats.
    pub cores: Vec<usize>,
    /// Of each worker's thread.
    pub thread: ThreadSettings,
    /// Each worker's transmit queue.
    pub tx: KernelTxConfig,
}

/// Workers over sockets.
pub struct KernelEngine {
    pool: Pool<Rx, Tx>,
    clock: TaiClock,
    homes: Mutex<Homes>,
    /// Held while a worker is waited for; those that tell do without.
    forwarders: Mutex<Forwarders<Tx>>,
}

impl KernelEngine {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`PoolError`]: a core that cannot be had, or no thread.
    pub fn start(settings: &KernelSettings, clock: &TaiClock) -> Result<Self, PoolError> {
        let cores = settings.cores.iter().map(|core| Some(Core(*core)));
        let cores: Vec<_> = if settings.cores.is_empty() { vec![None] } else { cores.collect() };
        let seat = |core| Seat { core, outputs: vec![Tx::new(settings.tx)], vacancies: 0 };
        let seats = cores.into_iter().map(seat).collect();
        let pool = Pool::start(NAMES, seats, settings.thread, clock, |_| Ok(()))?;
        Ok(Self { pool, clock: clock.clone(), homes: Mutex::default(), forwarders: Mutex::default() })
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forwarders(&self) -> MutexGuard<'_, Forwarders<Tx>> {
        self.forwarders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each socket of a receiver or a relay says of losses.
    fn receptions(&self, key: ReceiverKey) -> Vec<Reception> {
        let found = self.homes().sockets_of(key);
        let seen = found.and_then(|(worker, sockets)| Some((self.pool.pulse(worker)?, sockets)));
        seen.map(|(pulse, sockets)| sockets.iter().map(|socket| socket.reception(&pulse)).collect()).unwrap_or_default()
    }
}

impl Engine for KernelEngine {
    fn ports(&self) -> Vec<EnginePort> {
        Vec::new()
    }

    fn add_receiver(&self, order: ReceiverOrder<'_>) -> Result<Receiving, DataplaneError> {
        let (key, spec) = (order.key, order.spec);
        let buffers = QUEUE_BUFFERS + usize::from(order.reorder_packets());
        let ways = order.ways();
        let asked = (spec.receive_buffer_octets, buffers);
        let holds = |octets| holds_nanos(octets, &spec.sdp.format);
        let mut sockets = Sockets::open(&spec.name, key, &ways, asked, &holds, &self.clock)?;
        let packets_per_second = packets_per_second(&spec.sdp.format) * ways.len() as u64;
        let worker = self.pool.lightest(near(spec.interface.as_deref()));
        let receiver = order.build(sockets.legs.clone());
        let (counters, legs) = (receiver.receiver().counters(), receiver.receiver().leg_counters());
        sockets.seat(&self.pool, worker)?;
        if let Err(refused) = self.pool.add_receiver(worker, Box::new(receiver)) {
            unseat(&self.pool, worker, inputs_of(key, ways.len()))?;
            return Err(refused.cause);
        }
        self.pool.burden(worker, 0, packets_per_second);
        let home = ReceiverHome { worker, sockets: sockets.seen, packets_per_second };
        self.homes().receivers.insert(key, home);
        Ok(Receiving { counters, legs, warning: sockets.warning })
    }

    fn remove_receiver(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().receivers.get(&key).cloned() else { return Ok(()) };
        let worker = home.worker;
        // The socket and the writer end here, off the worker.
        drop(self.pool.remove_receiver(worker, key)?);
        unseat(&self.pool, worker, inputs_of(key, home.sockets.len()))?;
        self.pool.burden(worker, home.packets_per_second, 0);
        self.homes().receivers.remove(&key);
        Ok(())
    }

    fn reception(&self, key: ReceiverKey) -> Option<Reception> {
        self.receptions(key).into_iter().reduce(|one, other| one.beside(&other))
    }

    fn leg_receptions(&self, key: ReceiverKey) -> Vec<Reception> {
        self.receptions(key)
    }

    fn add_sender(&self, order: &SenderOrder<'_>) -> Result<Arc<SenderCounters>, DataplaneError> {
        let worker = self.pool.lightest(near(order.spec.interface.as_deref()));
        let sender = order.build(OutputIndex(0), OutputIndex(0));
        let counters = sender.counters();
        self.pool.add_sender(worker, Box::new(sender))?;
        self.homes().add_sender(&self.pool, order.key, worker);
        self.forwarders().note(order.key, worker, order.forwarder(OutputIndex(0)), &counters);
        Ok(counters)
    }

    fn remove_sender(&self, key: SenderKey) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        let is_aside = self.forwarders().remove(&self.pool, key)?;
        if !is_aside {
            drop(self.pool.remove_sender(home.worker, key)?);
        }
        self.homes().remove_sender(&self.pool, key);
        Ok(())
    }

    fn connect(&self, key: SenderKey, source: Option<Box<Source>>) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        // Without a source it counts for what it sent last: it will send something like it again.
        let packets_per_second = source.as_ref().map_or(home.packets_per_second, |source| source.packets_per_second());
        drop(self.pool.connect(home.worker, key, source)?);
        self.homes().change_sender(&self.pool, key, |home| home.packets_per_second = packets_per_second);
        Ok(())
    }

    fn worker_of(&self, stream: StreamKey) -> Option<String> {
        let homes = self.homes();
        let worker = match stream {
            StreamKey::Receiver(key) => homes.receivers.get(&key)?.worker,
            StreamKey::Sender(key) => homes.senders.get(&key)?.serves(),
            StreamKey::Relay(key) => homes.relays.get(&key)?.worker,
        };
        Some(self.pool.worker_name(worker).to_owned())
    }

    fn move_to(&self, stream: StreamKey, worker: &str) -> Result<(), ChangeError> {
        let to = self.pool.named(worker)?;
        self.pool.check_room(to)?;
        match stream {
            StreamKey::Receiver(key) => Ok(self.move_receiver(key, to)?),
            StreamKey::Sender(key) => self.move_sender(key, to),
            StreamKey::Relay(key) => self.move_relay(key, to),
        }
    }

    fn add_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        let (key, spec, ways) = (order.key, order.spec, order.ways());
        // What a turn may bring is kept at least.
        let kept = usize::from(order.backlog_packets().max(RelaySpec::DEFAULT_BACKLOG_PACKETS)) * ways.len();
        let buffers = QUEUE_BUFFERS + kept;
        let asked = (spec.receive_buffer_octets, buffers);
        let mut sockets = Sockets::open(&spec.name, key, &ways, asked, &holds_nanos_unknown, &self.clock)?;
        let relay = order.build(sockets.legs.clone());
        let (counters, legs) = (relay.counters(), relay.leg_counters());
        let worker = self.pool.lightest(near(spec.interface.as_deref()));
        sockets.seat(&self.pool, worker)?;
        if let Err(refused) = self.pool.add_relay(worker, Box::new(relay)) {
            unseat(&self.pool, worker, inputs_of(key, ways.len()))?;
            return Err(refused.cause);
        }
        let inputs = sockets.seen.iter().map(|socket| Arc::clone(&socket.counters)).collect();
        self.homes().add_relay(&self.pool, key, worker, sockets.seen, &counters);
        Ok(Relaying { counters, legs, inputs, warning: sockets.warning })
    }

    fn remove_relay(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let found = self.homes().relays.get(&key).map(|home| (home.worker, home.sockets.len()));
        let Some((worker, ways)) = found else { return Ok(()) };
        drop(self.pool.remove_relay(worker, key)?);
        unseat(&self.pool, worker, inputs_of(key, ways))?;
        self.homes().remove_relay(&self.pool, key);
        Ok(())
    }

    fn forward(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        let at = |relay| {
            let worker = self.homes().relays.get(&relay).map(|home| home.worker);
            let worker = worker.ok_or_else(|| unexpected("having a sender forward a relay"))?;
            Ok::<_, DataplaneError>(Followed { relay, worker, output: OutputIndex(0) })
        };
        let followed = relay.map(at).transpose()?;
        let mut forwarders = self.forwarders();
        let outcome = forwarders.follow(&self.pool, key, followed);
        let follows = forwarders.followed(key);
        drop(forwarders);
        self.homes().change_sender(&self.pool, key, |home| home.follows = follows);
        outcome
    }

    fn identity(&self, spec: &SenderSpec, _port: Option<&Name>) -> SenderIdentity {
        SenderIdentity { address: identity::address(spec), mac: identity::mac(spec.interface.as_deref()) }
    }

    fn restart_port(&self, port: &Name) -> Result<(), DataplaneError> {
        Err(DataplaneError::NoPort { name: port.clone(), available: Vec::new() })
    }

    fn port_status(&self) -> Vec<PortStatus> {
        Vec::new()
    }

    fn look(&self, now: Instant) {
        self.pool.look(now);
        self.homes().weigh_relays(&self.pool, now);
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.pool.status()
    }

    fn has_failed(&self) -> bool {
        self.pool.has_failed()
    }

    fn stop(&self) {
        self.pool.stop();
    }
}

/// The NUMA node of the card behind an interface, where the kernel tells it.
fn near(interface: Option<&str>) -> Option<u16> {
    let file = Path::new("/sys/class/net").join(interface?).join("device/numa_node");
    // -1 where there is one node only.
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// How long a socket's buffer takes a stream that nobody reads. The kernel counts some 2.3 KB for a packet of 1.4 KB,
/// so half of it is payload, about.
fn holds_nanos(buffer_octets: usize, format: &VideoFormat) -> u64 {
    let frames = buffer_octets as u64 / 2 * 1_000 / u64::from(format.frame_octets()).max(1);
    frames.saturating_mul(format.rate().period_nanos().unsigned_abs()) / 1_000
}

/// The same of a stream that nobody has described: of the packets that a sender counts for.
fn holds_nanos_unknown(buffer_octets: usize) -> u64 {
    let packets = buffer_octets as u64 / PACKET_OCTETS;
    packets.saturating_mul(1_000_000_000) / UNKNOWN_PACKETS_PER_SECOND
}

#[cfg(test)]
mod tests;
