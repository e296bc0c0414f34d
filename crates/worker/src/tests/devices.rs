//! Simulated devices with more than one stream: a port that hears many destinations, and a transmit queue with a valve.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use media::{Clock, ManualClock, Tai};
use netio::sim::{SimBuf, SimRx, SimTx};
use netio::{Burst, Pacing, Path, PathError, PathId, Planned, RxCounters, RxQueue, TxCounters, TxFull, TxQueue};
use shm::GrainLease;

/// A receive queue that hears several destinations, the first of them first.
pub(super) struct SimPort {
    pub(super) destinations: Vec<SimRx>,
    pub(super) shortage: Shortage,
    pub(super) drag: Drag,
}

/// Has a device take its time.
#[derive(Clone)]
pub(super) struct Drag(ManualClock, Arc<AtomicI64>);

impl Drag {
    pub(super) fn on(clock: &ManualClock) -> Self {
        Self(clock.clone(), Arc::default())
    }

    /// From now on each call takes so long.
    pub(super) fn set(&self, nanos: i64) {
        self.1.store(nanos, Ordering::Relaxed);
    }

    fn now(&self) -> Tai {
        self.0.now()
    }

    fn pass(&self) {
        self.0.advance_nanos(self.1.load(Ordering::Relaxed));
    }
}

/// Lets a [`SimPort`] say that it had no buffer.
#[derive(Clone, Default)]
pub(super) struct Shortage(Arc<AtomicU64>);

impl Shortage {
    pub(super) fn strike(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl RxQueue for SimPort {
    type Buf = SimBuf;

    fn rx_burst(&mut self, burst: &mut Burst<SimBuf>) -> usize {
        self.drag.pass();
        self.destinations.iter_mut().map(|queue| queue.rx_burst(burst)).sum()
    }

    fn counters(&self) -> RxCounters {
        let mut sum = RxCounters { no_buffers: self.shortage.0.load(Ordering::Relaxed), ..RxCounters::default() };
        for counters in self.destinations.iter().map(RxQueue::counters) {
            sum.packets += counters.packets;
            sum.octets += counters.octets;
            sum.socket_drops += counters.socket_drops;
        }
        sum
    }
}

/// Lets a [`ValvedTx`] take packets or not.
#[derive(Clone, Default)]
pub(super) struct Valve(
    Arc<AtomicU8>,
    Arc<AtomicU32>,
    Arc<Mutex<Option<SocketAddr>>>,
    Launches,
    Arc<AtomicU32>,
    Arc<AtomicU32>,
);

/// What a port that paces was told: now, and when the packet is to leave. `None` for a port that does not pace.
type Launches = Arc<Mutex<Option<Vec<(Tai, Option<Tai>)>>>>;

const OPEN: u8 = 0;
const SHUT: u8 = 1;
const UNRESOLVED: u8 = 2;

impl Valve {
    pub(super) fn shut(&self) {
        self.0.store(SHUT, Ordering::Relaxed);
    }

    /// Stops at the packets to `destination` alone, as a socket does whose buffer is full; those behind wait with them.
    pub(super) fn bar(&self, destination: Option<SocketAddr>) {
        *self.2.lock().unwrap() = destination;
    }

    /// From now on the port sends each packet at its time.
    pub(super) fn launch(&self) {
        *self.3.lock().unwrap() = Some(Vec::new());
    }

    /// When packets were handed over, and when they are to leave.
    pub(super) fn launches(&self) -> Vec<(Tai, Option<Tai>)> {
        self.3.lock().unwrap().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// No next hop has told its address.
    pub(super) fn unresolve(&self) {
        self.0.store(UNRESOLVED, Ordering::Relaxed);
    }

    /// Lets so many packets more through although it is shut.
    pub(super) fn pass(&self, packets: u32) {
        self.1.fetch_add(packets, Ordering::Relaxed);
    }

    /// Shuts behind so many packets, which the device takes and keeps; those that it has kept come back when it is to keep none.
    pub(super) fn keep(&self, packets: u32) {
        self.4.store(packets, Ordering::Relaxed);
        self.shut();
    }

    /// How often the worker has offered packets since this was asked last.
    pub(super) fn offers(&self) -> u32 {
        self.5.swap(0, Ordering::Relaxed)
    }

    pub(super) fn open(&self) {
        self.4.store(0, Ordering::Relaxed);
        self.0.store(OPEN, Ordering::Relaxed);
    }
}

/// A transmit queue that takes nothing while its valve is shut.
pub(super) struct ValvedTx {
    pub(super) tx: SimTx<GrainLease>,
    pub(super) valve: Valve,
    pub(super) drag: Drag,
    /// What was opened, and where it leads.
    pub(super) paths: Vec<(PathId, SocketAddr)>,
    /// What it keeps.
    pub(super) kept: Vec<<SimTx<GrainLease> as TxQueue>::Buf>,
}

impl ValvedTx {
    /// Keeps of the burst what it is to keep.
    fn keep(&mut self, burst: &mut Burst<<Self as TxQueue>::Buf>) -> usize {
        let room = (self.valve.4.load(Ordering::Relaxed) as usize).saturating_sub(self.kept.len());
        let packets = room.min(burst.len());
        self.kept.extend(burst.drain_front(packets).map(|(_, packet)| packet));
        packets
    }

    /// Whether a packet of this path is let through now.
    fn takes(&self, path: PathId) -> bool {
        let barred = *self.valve.2.lock().unwrap();
        if self.paths.iter().any(|(open, destination)| *open == path && barred == Some(*destination)) {
            return false;
        }
        let passes = |left: u32| left.checked_sub(1);
        self.valve.0.load(Ordering::Relaxed) != SHUT
            || self.valve.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, passes).is_ok()
    }
}

impl TxQueue for ValvedTx {
    type Buf = (PathId, <SimTx<GrainLease> as TxQueue>::Buf);
    type Payload = <SimTx<GrainLease> as TxQueue>::Payload;
    type Lease = GrainLease;
    type Received = SimBuf;

    fn pacing(&self) -> Pacing {
        if self.valve.3.lock().unwrap().is_some() { Pacing::LaunchTime } else { self.tx.pacing() }
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        let id = self.tx.open_path(path)?;
        self.paths.push((id, path.destination));
        Ok(id)
    }

    fn close_path(&mut self, path: PathId) {
        self.paths.retain(|(open, _)| *open != path);
        self.tx.close_path(path);
    }

    fn attach(&mut self, lease: GrainLease, packets: u32) -> Result<Self::Payload, (TxFull, GrainLease)> {
        self.tx.attach(lease, packets)
    }

    fn gather(
        &mut self,
        path: PathId,
        header: &[u8],
        payload: &Self::Payload,
        range: Range<u32>,
    ) -> Result<Self::Buf, TxFull> {
        if self.valve.0.load(Ordering::Relaxed) == UNRESOLVED {
            return Err(TxFull::Unresolved);
        }
        Ok((path, self.tx.gather(path, header, payload, range)?))
    }

    fn gather_burst(
        &mut self,
        path: PathId,
        payload: &Self::Payload,
        packets: impl Iterator<Item = Planned>,
        out: &mut Burst<Self::Buf>,
    ) -> Result<(), TxFull> {
        for packet in packets.take(out.room()) {
            out.push(self.gather(path, packet.header(), payload, packet.range())?).unwrap();
            let mut launches = self.valve.3.lock().unwrap();
            launches.iter_mut().for_each(|launches| launches.push((self.drag.now(), packet.launch)));
        }
        Ok(())
    }

    fn forward(&mut self, path: PathId, header: &[u8], received: &SimBuf, skip: u16) -> Result<Self::Buf, TxFull> {
        if self.valve.0.load(Ordering::Relaxed) == UNRESOLVED {
            return Err(TxFull::Unresolved);
        }
        Ok((path, self.tx.forward(path, header, received, skip)?))
    }

    fn tx_burst(&mut self, burst: &mut Burst<Self::Buf>) -> usize {
        if !burst.is_empty() {
            self.drag.pass();
            self.valve.5.fetch_add(1, Ordering::Relaxed);
        }
        let mut taken = self.keep(burst);
        while burst.as_slice().first().is_some_and(|(path, _)| self.takes(*path)) {
            let mut alone = Burst::new();
            alone.push(burst.drain_front(1).next().unwrap().1).unwrap();
            taken += self.tx.tx_burst(&mut alone);
            assert!(alone.is_empty(), "the device has room for all that a test sends");
        }
        taken
    }

    fn cancel(&mut self, payload: Self::Payload, unsent: u32) {
        self.tx.cancel(payload, unsent);
    }

    fn reap(&mut self) {
        if self.valve.4.load(Ordering::Relaxed) == 0 {
            self.kept.clear();
        }
        self.tx.reap();
    }

    fn counters(&self) -> TxCounters {
        self.tx.counters()
    }
}
