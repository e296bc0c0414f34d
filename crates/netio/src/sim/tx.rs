//! The sending end of the simulated wire: a device queue in front of a line of some rate.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use media::{Clock, Tai};
use shm::StableBytes;

use super::wire::Flight;
use super::{SimBuf, SimNet};
use crate::kernel::payload::PayloadTable;
use crate::kernel::referred::Referred;
use crate::{
    Burst, MAX_HEADER_OCTETS, Pacing, Path, PathError, PathId, PathTable, Payload, TxCounters, TxFull, TxQueue,
};

/// A simulated device.
#[derive(Clone, Copy, Debug)]
pub struct SimTxConfig {
    /// Where packets come from on paths that name no source.
    pub source: SocketAddr,
    /// Packets that the device holds. The rest waits in the burst.
    pub queue_packets: usize,
    /// Time that one packet occupies the line, in nanoseconds. Until it has passed the device holds the payload.
    pub packet_nanos: i64,
    /// Most paths open at a time.
    pub paths: u16,
    /// Most leases attached at a time.
    pub payloads: u16,
}

impl Default for SimTxConfig {
    fn default() -> Self {
        let source = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 5004);
        Self { source, queue_packets: 1024, packet_nanos: 0, paths: 64, payloads: 64 }
    }
}

/// A simulated transmit queue.
pub struct SimTx<L> {
    net: SimNet,
    config: SimTxConfig,
    paths: PathTable<Link>,
    payloads: PayloadTable<L>,
    /// Payloads that the device reads, and until when.
    in_device: VecDeque<(Tai, Referred<L>)>,
    /// When the line has sent all that it was given.
    line_free: Tai,
    counters: TxCounters,
}

#[derive(Clone, Copy)]
struct Link {
    source: SocketAddr,
    destination: SocketAddr,
}

/// A packet to be sent on the simulated wire.
#[derive(Debug)]
pub struct SimTxBuf<L> {
    path: PathId,
    header: Vec<u8>,
    payload: Referred<L>,
}

impl<L: StableBytes> SimTx<L> {
    pub(super) fn open(net: SimNet, config: SimTxConfig) -> Self {
        Self {
            net,
            config,
            paths: PathTable::new(config.paths),
            payloads: PayloadTable::new(config.payloads),
            in_device: VecDeque::new(),
            line_free: Tai::from_nanos(i64::MIN),
            counters: TxCounters::default(),
        }
    }

    fn check(&self, path: PathId, header: &[u8]) -> Result<(), TxFull> {
        if self.paths.at(path).is_none() {
            return Err(TxFull::Path);
        }
        if header.len() > MAX_HEADER_OCTETS { Err(TxFull::Header) } else { Ok(()) }
    }

    /// Lets go of payloads that the device has sent.
    fn complete(&mut self, now: Tai) {
        while self.in_device.front().is_some_and(|(until, _)| *until <= now) {
            self.in_device.pop_front();
        }
    }

    fn send(&mut self, packet: SimTxBuf<L>, now: Tai) {
        let Some(&link) = self.paths.at(packet.path) else {
            self.counters.errors += 1;
            return;
        };
        let SimTxBuf { mut header, payload, .. } = packet;
        let head = header.len();
        payload.append_to(&mut header);
        let octets = header.len();
        let due = self.line_free.max(now).plus_nanos(self.config.packet_nanos);
        self.line_free = due;
        let flight = Flight { octets: header.into(), kept: octets, head, source: link.source, due };
        self.net.wire().send(link.destination, &flight);
        self.counters.packets += 1;
        self.counters.octets += octets as u64;
        // The simulated wire stands for kernel and driver.
        self.counters.octets_copied_by_kernel += octets as u64;
        self.in_device.push_back((due, payload));
    }
}

impl<L: StableBytes> TxQueue for SimTx<L> {
    type Buf = SimTxBuf<L>;
    type Payload = Payload<L>;
    type Lease = L;
    type Received = SimBuf;

    fn pacing(&self) -> Pacing {
        Pacing::Software
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        path.check()?;
        let limit = self.paths.limit();
        let mut source = path.source.unwrap_or(self.config.source);
        if source.port() == 0 {
            source.set_port(self.config.source.port());
        }
        self.paths.insert(Link { source, destination: path.destination }).ok_or(PathError::Full { limit })
    }

    fn close_path(&mut self, path: PathId) {
        self.paths.remove(path);
    }

    fn attach(&mut self, lease: L, packets: u32) -> Result<Payload<L>, (TxFull, L)> {
        self.payloads.attach(lease, packets)
    }

    fn gather(
        &mut self,
        path: PathId,
        header: &[u8],
        payload: &Payload<L>,
        range: Range<u32>,
    ) -> Result<SimTxBuf<L>, TxFull> {
        self.check(path, header)?;
        let payload = Referred::Leased(payload.gather(range)?);
        Ok(SimTxBuf { path, header: header.to_vec(), payload })
    }

    fn forward(&mut self, path: PathId, header: &[u8], received: &SimBuf, skip: u16) -> Result<SimTxBuf<L>, TxFull> {
        self.check(path, header)?;
        let payload = Referred::Received(received.share(skip)?);
        Ok(SimTxBuf { path, header: header.to_vec(), payload })
    }

    fn tx_burst(&mut self, burst: &mut Burst<SimTxBuf<L>>) -> usize {
        let now = self.net.clock.now();
        let mut taken = 0;
        while !burst.is_empty() {
            self.complete(now);
            if self.in_device.len() >= self.config.queue_packets.max(1) {
                self.counters.would_block += 1;
                break;
            }
            let Some(packet) = burst.drain_front(1).next() else { break };
            self.send(packet, now);
            taken += 1;
        }
        taken
    }

    fn cancel(&mut self, payload: Payload<L>, unsent: u32) {
        debug_assert!(unsent <= payload.ungathered(), "{unsent} cancelled of {}", payload.ungathered());
    }

    fn reap(&mut self) {
        self.complete(self.net.clock.now());
        self.payloads.reap();
    }

    fn counters(&self) -> TxCounters {
        self.counters
    }
}
