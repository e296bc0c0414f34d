//! The engine of DPDK's ports: each port is one device with a transmit queue for each of its workers, and a receive queue for the
//! first of them, or for more where flow rules put streams on queues.
//!
//! ```text
//!  Environment::start (before all other threads)   EAL, memory for the ports
//!  DpdkEngine::start                               ports probed and started → queues → workers → presence
//!  DpdkEngine::restart_port                        worker gives the queues back → device stops and starts → worker goes on
//!  DpdkEngine::stop                                queues back → workers end → devices closed → presence ends
//! ```
//! Ports that name the same core share its worker; those that name none share one that floats, or are given cores of
//! `dpdk.cores`. A sender, a receiver or a relay goes to the worker of its port that has the fewest packets a second.

pub(crate) mod backlog;
mod checks;
mod crossing;
mod environment;
mod error;
mod homes;
mod lane;
mod moves;
mod open;
mod port;
mod port_moves;
mod relays;
mod rules;
mod seen;
mod serve;
pub(crate) mod sizes;
mod status;
mod timing;
mod watch;
mod ways;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use control::{CoreIsolation, DataplaneError, PortStatus, SenderSpec, WorkerStatus};
use dpdk::extmem::DmaPlacement;
use dpdk::payload::retired_leases;
use dpdk::rx::DpdkRx;
use dpdk::sizing::LINK_OCTETS;
use dpdk::tx::DpdkTx;
use media::Name;
use netio::capture::CaptureTap;
use shm::GrainLease;
use worker::{IdlePolicy, ReceiverKey, SenderCounters, SenderKey, Source};

use super::forwarders::Forwarders;
use super::{
    ChangeError, Engine, EnginePort, Inlet, ReceiverOrder, Receiving, RelayOrder, Relaying, SenderIdentity,
    SenderOrder, StreamKey,
};
use crate::clock::TaiClock;
use crate::cores::Cores;
use crate::idleness::Idleness;
use crate::loss::Reception;
use crate::pool::{Pool, PoolNames, ThreadSettings, UNKNOWN_PACKETS_PER_SECOND, packets_per_second};
use crate::presence::{Presence, PresenceHandle};
use crossing::Listener;
pub use environment::Environment;
pub use error::{DpdkStartError, PortCause, RestartError};
use homes::{Homes, ReceiverHome, SenderHome};
use open::{Opened, Wakes};
use port::ServedPort;
use serve::Seated;
use watch::Watch;
use ways::{Choice, Placed};

type Rx = DpdkRx<TaiClock>;
type Tx = DpdkTx<GrainLease, TaiClock>;

const NAMES: PoolNames = PoolNames { worker: "port-worker", cores_key: "port.cores" };

/// What the engine starts with, beside DPDK and the ports.
#[derive(Clone, Debug)]
pub struct DpdkSettings {
    /// Of each worker's thread.
    pub thread: ThreadSettings,
    /// The cores of the workers that poll sockets: no port can have one of those.
    pub taken_cores: Vec<usize>,
}

/// Workers over ports.
pub struct DpdkEngine {
    // In the order in which they end: nobody looks at the ports, no worker has their queues, nobody answers for them.
    watch: Mutex<Option<Watch>>,
    pool: Pool<Rx, Tx>,
    ports: Arc<Vec<ServedPort>>,
    presence: Mutex<Option<Presence>>,
    present: PresenceHandle,
    placement: DmaPlacement,
    homes: Mutex<Homes>,
    /// Held while a worker is waited for; those that tell do without.
    forwarders: Mutex<Forwarders<Tx>>,
}

impl DpdkEngine {
    /// Starts the ports and the workers that own them, and makes the ports present on their networks.
    ///
    /// # Errors
    /// [`DpdkStartError`]; what was started is stopped again.
    pub fn start(environment: Environment, settings: &DpdkSettings, clock: &TaiClock) -> Result<Self, DpdkStartError> {
        let Environment { eal, placement, ports } = environment;
        let taken = |port: &environment::Sized| {
            port.plan.seating.cores.iter().copied().find(|core| settings.taken_cores.contains(core))
        };
        if let Some((port, core)) = ports.iter().find_map(|port| Some((port, taken(port)?))) {
            return Err(DpdkStartError::CoreTaken { port: port.plan.name.clone(), core });
        }
        let cores = Cores::here();
        let open = |sized: environment::Sized| {
            let wakes = wakes(settings.thread.idle, &cores, sized.plan.seating.cores.first().copied());
            Opened::open(&eal, sized, wakes, clock)
        };
        let opened = ports.into_iter().map(open);
        let (seats, seated) = serve::seats(opened.collect::<Result<_, _>>()?);
        let registering = eal.clone();
        let pool = Pool::start(NAMES, seats, settings.thread, clock, move |_| Ok(registering.register_thread()?))?;
        let presence = Presence::start()?;
        let present = presence.handle();
        let serve = |(at, seated): (usize, Seated)| seated.serve(at as u64, &pool, &present);
        let mut served = seated.into_iter().enumerate().map(serve).collect::<Result<Vec<_>, _>>()?;
        served.sort_by(|one, other| one.facts.plan.name.cmp(&other.facts.plan.name));
        let ports = Arc::new(served);
        let watch = Watch::start(Arc::clone(&ports), present.clone(), placement.clone());
        let watch = Mutex::new(Some(watch.map_err(DpdkStartError::Thread)?));
        let presence = Mutex::new(Some(presence));
        Ok(Self {
            watch,
            pool,
            ports,
            presence,
            present,
            placement,
            homes: Mutex::default(),
            forwarders: Mutex::default(),
        })
    }

    fn homes(&self) -> MutexGuard<'_, Homes> {
        self.homes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forwarders(&self) -> MutexGuard<'_, Forwarders<Tx>> {
        self.forwarders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port of that name, and which it is.
    fn port(&self, name: Option<&Name>) -> Result<(usize, &ServedPort), DataplaneError> {
        let found = self.ports.iter().enumerate().find(|(_, port)| Some(&port.facts.plan.name) == name);
        found.ok_or_else(|| DataplaneError::Unsupported {
            what: "a receiver or sender without a port".to_owned(),
            remedy: format!("name one as its interface: {}", self.names()),
        })
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.ports.iter().map(|port| port.facts.plan.name.as_str()).collect();
        names.join(", ")
    }

    /// Stops everything. Whoever comes second finds nothing to do.
    fn end(&self) {
        let take = |presence: &Mutex<Option<Presence>>| presence.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
        let Some(presence) = take(&self.presence) else { return };
        self.ports.iter().for_each(|port| port.close(&self.pool));
        self.pool.stop();
        // The devices are closed: what they had is back.
        let kept = retired_leases();
        if kept > 0 {
            tracing::warn!(
                "{kept} frames are still in the hands of a device: their memory is kept until flypackd ends"
            );
        }
        drop(presence);
        tracing::info!("ports closed: {}", self.names());
    }
}

/// Whether a worker that has no core, or this one, sleeps until something happens.
fn wakes(idle: Idleness, cores: &Cores, core: Option<usize>) -> Wakes {
    let isolation = core.map_or(CoreIsolation::Shared, |core| cores.isolation(core));
    match idle.on(isolation) {
        // "event" in so many words is meant for every core.
        IdlePolicy::Event { .. } if idle.isolated == idle.shared => Wakes::ByInterrupt,
        IdlePolicy::Event { .. } => Wakes::ByTap,
        IdlePolicy::Sleep { .. } | IdlePolicy::Spin => Wakes::Never,
    }
}

impl Drop for DpdkEngine {
    fn drop(&mut self) {
        self.end();
    }
}

impl Engine for DpdkEngine {
    fn ports(&self) -> Vec<EnginePort> {
        let port = |port: &ServedPort| EnginePort {
            name: port.facts.plan.name.clone(),
            network: port.facts.plan.network.clone(),
        };
        self.ports.iter().map(port).collect()
    }

    fn add_receiver(&self, order: ReceiverOrder<'_>) -> Result<Receiving, DataplaneError> {
        let Placed { worker, legs, mut ways, warning } = self.place(&order.ways(), Choice::Lightest)?;
        let key = order.key;
        let packets_per_second = packets_per_second(&order.spec.sdp.format) * ways.len() as u64;
        let receiver = order.build(legs);
        let (counters, legs) = (receiver.receiver().counters(), receiver.receiver().leg_counters());
        self.pool.add_receiver(worker, Box::new(receiver))?;
        // Now there is somebody to take what comes.
        if let Err(refusal) = self.listen(&mut ways) {
            drop(self.pool.remove_receiver(worker, key)?);
            return Err(refusal);
        }
        self.pool.burden(worker, 0, packets_per_second);
        self.homes().receivers.insert(key, ReceiverHome { ways, packets_per_second });
        Ok(Receiving { counters, legs, warning })
    }

    fn remove_receiver(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        let Some((worker, packets_per_second)) = self.leave(|homes| homes.receivers.get_mut(&key)) else {
            return Ok(());
        };
        // The flow's writer ends here, off the worker.
        drop(self.pool.remove_receiver(worker, key)?);
        self.pool.burden(worker, packets_per_second, 0);
        let home = self.homes().receivers.remove(&key);
        // Its rules go: nobody waits for the lock meanwhile.
        drop(home);
        Ok(())
    }

    fn reception(&self, key: ReceiverKey) -> Option<Reception> {
        let homes = self.homes();
        let lanes = homes.receivers.get(&key).or_else(|| homes.relays.get(&key))?.lanes();
        drop(homes);
        let receptions = lanes.into_iter().map(|(port, lane)| self.ports[port].reception_of(lane));
        receptions.reduce(|one, other| one.beside(&other))
    }

    fn leg_receptions(&self, key: ReceiverKey) -> Vec<Reception> {
        let ways = self.homes().ways_of(key);
        ways.iter().map(|way| self.ports[way.port].reception_of(way.lane)).collect()
    }

    fn add_sender(&self, order: &SenderOrder<'_>) -> Result<Arc<SenderCounters>, DataplaneError> {
        let (at, port) = self.port(order.port)?;
        port.check_packets(order.spec)?;
        let second = match order.second {
            Some((leg, name)) => {
                let (at, other) = self.port(name)?;
                other.check_packets(leg)?;
                Some((at, other))
            }
            None => None,
        };
        let workers = port.workers_shared_with(second.map(|(_, other)| other))?;
        let worker = self.pool.lightest_of(port.facts.capabilities.numa, |worker| workers.contains(&worker));
        let outputs = port.outputs_of(worker, second.map(|(_, other)| other));
        let sender = order.build(outputs[0], outputs[1]);
        let counters = sender.counters();
        self.pool.add_sender(worker, Box::new(sender))?;
        let packets_per_second = UNKNOWN_PACKETS_PER_SECOND;
        self.pool.burden(worker, 0, packets_per_second);
        let second = second.map(|(at, _)| at);
        let home = SenderHome { port: at, second, worker, forwarded_by: None, packets_per_second };
        self.homes().senders.insert(order.key, home);
        let mut forwarders = self.forwarders();
        forwarders.note(order.key, worker, order.forwarder(outputs[0]), &counters);
        forwarders.leaves_by(order.key, outputs);
        Ok(counters)
    }

    fn remove_sender(&self, key: SenderKey) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        let is_aside = self.forwarders().remove(&self.pool, key)?;
        if !is_aside {
            drop(self.pool.remove_sender(home.worker, key)?);
        }
        self.pool.burden(home.worker, home.packets_per_second, 0);
        self.homes().senders.remove(&key);
        Ok(())
    }

    fn connect(&self, key: SenderKey, source: Option<Box<Source>>) -> Result<(), DataplaneError> {
        let Some(home) = self.homes().senders.get(&key).copied() else { return Ok(()) };
        // Without a source it counts for what it sent last: it will send something like it again.
        let packets_per_second = source.as_ref().map_or(home.packets_per_second, |source| source.packets_per_second());
        drop(self.pool.connect(home.worker, key, source)?);
        self.pool.burden(home.worker, home.packets_per_second, packets_per_second);
        self.homes().senders.insert(key, SenderHome { packets_per_second, ..home });
        Ok(())
    }

    fn worker_of(&self, stream: StreamKey) -> Option<String> {
        let homes = self.homes();
        let worker = match stream {
            StreamKey::Receiver(key) => self.worker_hearing(&homes.receivers.get(&key)?.ways),
            StreamKey::Sender(key) => homes.senders.get(&key).map(|home| home.forwarded_by.unwrap_or(home.worker))?,
            StreamKey::Relay(key) => self.worker_hearing(&homes.relays.get(&key)?.ways),
        };
        Some(self.pool.worker_name(worker).to_owned())
    }

    fn move_to(&self, stream: StreamKey, worker: &str) -> Result<(), ChangeError> {
        match stream {
            StreamKey::Sender(key) => self.move_sender(key, worker),
            StreamKey::Receiver(key) => self.move_listener(Listener::Receiver(key), worker),
            StreamKey::Relay(key) => self.move_listener(Listener::Relay(key), worker),
        }
    }

    fn move_port(&self, port: &Name, worker: &str) -> Result<(), DataplaneError> {
        self.move_port_to(port, worker)
    }

    fn add_relay(&self, order: &RelayOrder<'_>) -> Result<Relaying, DataplaneError> {
        self.serve_relay(order)
    }

    fn remove_relay(&self, key: ReceiverKey) -> Result<(), DataplaneError> {
        self.end_relay(key)
    }

    fn forward(&self, key: SenderKey, relay: Option<ReceiverKey>) -> Result<(), ChangeError> {
        self.have_forwarded(key, relay)
    }

    fn identity(&self, spec: &SenderSpec, port: Option<&Name>) -> SenderIdentity {
        let found = self.port(port).ok().map(|(_, port)| port);
        let given = spec.source.map(|source| source.ip()).filter(|source| !source.is_unspecified());
        let source = || found.and_then(|port| port.facts.plan.network.source_for(spec.destination.ip()));
        let none = || match spec.destination {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        SenderIdentity {
            address: given.or_else(source).unwrap_or_else(none),
            mac: found.map_or([2, 0, 0, 0, 0, 0], |port| port.facts.mac.octets()),
        }
    }

    fn restart_port(&self, port: &Name) -> Result<(), DataplaneError> {
        let (at, port) = self.port(Some(port))?;
        let outcome = port.restart(&self.pool);
        self.steer_again(at);
        outcome.map_err(|error| DataplaneError::PacketIo(Box::new(error)))
    }

    fn capture_tap(&self, port: &Name) -> Option<Arc<CaptureTap>> {
        self.port(Some(port)).ok().map(|(_, port)| Arc::clone(&port.facts.tap))
    }

    fn inlet(&self, port: &Name) -> Option<Inlet> {
        let (_, port) = self.port(Some(port)).ok()?;
        let frame_octets = port.facts.plan.mtu + LINK_OCTETS;
        Some(Inlet { tap: Arc::clone(&port.facts.inlet), mac: port.facts.mac, frame_octets })
    }

    fn port_status(&self) -> Vec<PortStatus> {
        let left = self.placement.left_to_cpu();
        let status = |port: &ServedPort| {
            let report = self.present.report(&port.facts.plan.name).unwrap_or_default();
            let workers: Vec<&str> = port.workers().map(|worker| self.pool.worker_name(worker)).collect();
            port.status(report, &workers, left)
        };
        self.ports.iter().map(status).collect()
    }

    fn look(&self, now: Instant) {
        self.pool.look(now);
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        self.pool.status()
    }

    fn has_failed(&self) -> bool {
        self.pool.has_failed()
    }

    fn stop(&self) {
        self.end();
    }
}
