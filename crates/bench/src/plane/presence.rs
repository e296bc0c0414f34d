//! What a run's port owes its network beside the media, as the gateway's presence thread has it: joins of its groups, answers for its
//! address, and the Ethernet addresses of those whom it sends to.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result};
use dpdk::station::Station;
use ip::host::{Event, Host, HostConfig};
use media::Clock as _;
use netio::exchange::{HostEnd, NeighbourCell};

use crate::tai::RunClock;

/// Between two probes for the port's own address: a run is short, and 0.5 s until it begins are enough.
const PROBE_INTERVAL_NS: i64 = 100_000_000;
/// Between two looks: what asks for a neighbour waits no longer.
const LOOK: Duration = Duration::from_micros(500);
/// How long it may take until the port's address is its own.
const LOOKS_UNTIL_READY: u32 = 10_000;

/// A thread that does so until it is dropped.
pub(crate) struct Presence {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Presence {
    /// Begins, and waits until the port's address is in use.
    ///
    /// # Errors
    /// Without a thread; when another station has the address.
    pub(crate) fn begin(station: &Station, host: HostEnd, joined: &[SocketAddr]) -> Result<Self> {
        let (stop, ready) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let config = HostConfig {
            mac: station.mac,
            network: station.network.clone(),
            vlan: station.vlan,
            mtu: station.mtu,
            probe_interval_ns: PROBE_INTERVAL_NS,
        };
        let clock = RunClock::start();
        let mut port = Port { host: Host::new(config, clock.now()), end: host, waiting: HashMap::new(), clock };
        for group in joined.iter().map(SocketAddr::ip).filter(IpAddr::is_multicast) {
            port.host.join(group, &[], clock.now()).with_context(|| format!("the group {group}"))?;
        }
        let (stopped, is_ready) = (Arc::clone(&stop), Arc::clone(&ready));
        let thread = thread::Builder::new().name("bench-presence".to_owned()).spawn(move || {
            // Relaxed: flags without data behind them.
            while !stopped.load(Ordering::Relaxed) {
                if port.turn() {
                    is_ready.store(true, Ordering::Relaxed);
                }
                thread::sleep(LOOK);
            }
        })?;
        let presence = Self { stop, thread: Some(thread) };
        for _ in 0..LOOKS_UNTIL_READY {
            if ready.load(Ordering::Relaxed) {
                return Ok(presence);
            }
            thread::sleep(LOOK);
        }
        anyhow::bail!("the address of {} is not its own: another station may have it", station.name)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Relaxed: a flag without data behind it.
        self.stop.store(true, Ordering::Relaxed);
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What the thread has.
struct Port {
    host: Host,
    end: HostEnd,
    /// Who wants to know of a neighbour.
    waiting: HashMap<IpAddr, Vec<Arc<NeighbourCell>>>,
    clock: RunClock,
}

impl Port {
    /// Everything that there is to do; whether the port's address has come into use.
    fn turn(&mut self) -> bool {
        let now = self.clock.now();
        while let Some(frame) = self.end.receive() {
            self.host.receive(&frame, now);
        }
        while let Some(asked) = self.end.request() {
            self.host.resolve(asked.next_hop, now);
            if let Some(mac) = self.host.neighbour(asked.next_hop) {
                asked.cell.store(mac.octets());
            }
            self.waiting.entry(asked.next_hop).or_default().push(asked.cell);
        }
        self.host.poll(now);
        let mut frame = Vec::new();
        // A frame that is not taken is asked for again, by whoever needs it.
        while self.host.transmit(&mut frame) && self.end.send(&frame) {}
        self.end.collect();
        let mut is_ready = false;
        while let Some(event) = self.host.event() {
            match event {
                Event::Ready { .. } => is_ready = true,
                Event::Resolved { address, mac } => {
                    self.waiting.get(&address).into_iter().flatten().for_each(|cell| cell.store(mac.octets()));
                }
                Event::Unanswered { address } => {
                    self.waiting.get(&address).into_iter().flatten().for_each(|cell| cell.clear());
                }
                Event::Conflict { .. } | Event::ConflictOver { .. } => {}
            }
        }
        is_ready
    }
}
