//! The receiving end of the simulated wire.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use media::Clock;

use super::SimNet;
use crate::kernel::referred::ReceivedRange;
use crate::{Burst, PacketBuf, PacketMeta, RxCounters, RxQueue, TimeSource, TxFull};

/// What to receive.
#[derive(Clone, Debug)]
pub struct SimRxConfig {
    /// The address or group.
    pub destination: SocketAddr,
    /// The sources to hear a group from; none: any.
    pub sources: Vec<IpAddr>,
    /// Packets that fit on the way and in the queue; more are dropped and counted.
    pub queue_packets: usize,
}

impl SimRxConfig {
    /// Receives `destination` from any source, with room for 65,536 packets.
    #[must_use]
    pub const fn of(destination: SocketAddr) -> Self {
        Self { destination, sources: Vec::new(), queue_packets: 65_536 }
    }
}

/// A simulated receive queue. Closed when it drops.
pub struct SimRx {
    net: SimNet,
    port: u64,
    destination: SocketAddr,
    counters: RxCounters,
}

impl SimRx {
    pub(super) fn open(net: SimNet, config: SimRxConfig) -> Self {
        let SimRxConfig { destination, sources, queue_packets } = config;
        let port = net.wire().open(destination, sources, queue_packets);
        Self { net, port, destination, counters: RxCounters::default() }
    }
}

impl RxQueue for SimRx {
    type Buf = SimBuf;

    fn rx_burst(&mut self, burst: &mut Burst<SimBuf>) -> usize {
        let now = self.net.clock.now();
        let mut wire = self.net.wire();
        let mut received = 0;
        while !burst.is_full() {
            let Some(flight) = wire.arrived(self.port, now) else { break };
            let (source, destination, arrival) = (flight.source, self.destination, flight.due);
            let meta = PacketMeta { source, destination, arrival, timed_by: TimeSource::Burst };
            let buf = SimBuf { octets: flight.octets, kept: flight.kept, head: flight.head.min(flight.kept), meta };
            self.counters.packets += 1;
            self.counters.octets += buf.kept as u64;
            let fits = burst.push(buf).is_ok();
            debug_assert!(fits, "the burst was not full");
            received += 1;
        }
        self.counters.socket_drops = wire.drops(self.port);
        self.counters.bursts += u64::from(received > 0);
        received
    }

    fn counters(&self) -> RxCounters {
        self.counters
    }
}

impl Drop for SimRx {
    fn drop(&mut self) {
        self.net.wire().close(self.port);
    }
}

/// A packet from the simulated wire, in one segment or two.
#[derive(Clone, Debug)]
pub struct SimBuf {
    octets: Arc<[u8]>,
    kept: usize,
    head: usize,
    meta: PacketMeta,
}

impl SimBuf {
    /// All but the first `skip` octets, for a packet that is sent on.
    pub(super) fn share(&self, skip: u16) -> Result<ReceivedRange, TxFull> {
        ReceivedRange::new(&self.octets, 0, self.kept as u32, skip)
    }
}

impl PacketBuf for SimBuf {
    fn again(&self) -> Self {
        self.clone()
    }

    fn meta(&self) -> &PacketMeta {
        &self.meta
    }

    fn octets(&self) -> usize {
        self.kept
    }

    fn head(&self) -> &[u8] {
        &self.octets[..self.head]
    }

    fn segments(&self) -> impl Iterator<Item = &[u8]> {
        [&self.octets[..self.head], &self.octets[self.head..self.kept]].into_iter().filter(|part| !part.is_empty())
    }

    fn last_octet(&self) -> u8 {
        self.octets[..self.kept].last().copied().unwrap_or(0)
    }
}
