//! A port's transmit queue: packets gather a copied header and a payload that stays where it is.
//!
//! ```text
//!  header buffer (pool)                    payload buffer (pool of references)
//!  | Ethernet | IP | UDP | RTP header | ──► | address in the lease, octets | ──► counted in the lease's part
//! ```
//! Where the driver takes no chains, or the device cannot read the lease's memory, and only there, the payload is copied
//! behind the header, and counted.
//! Frames of the port's host leave by the same queue, a few in each turn, whether there is media or not.

mod buf;
mod buffers;
mod bursts;
mod captured;
mod checksum;
mod forward;
mod host;
mod launching;
mod parts;
mod ways;

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use media::Clock;
use netio::exchange::TxEnd;
use netio::{
    Burst, Made, Pacing, PacketBuf, Path, PathError, PathId, Planned, RELAYED_HEADER_OCTETS, Relayed, StableBytes,
    TxCounters, TxFull, TxQueue,
};

use crate::capabilities::Capabilities;
use crate::counters::PortCounters;
use crate::device_clock::DeviceClock;
pub use crate::iova::Reads;
use crate::launch::LaunchTimes;
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::payload::{Payload, PayloadTable};
use crate::port::TxHandle;
use crate::references::References;
use crate::rx::DpdkBuf;
use crate::station::Station;
pub use buf::DpdkTxBuf;
use buf::Note;
use buffers::Buffers;
use captured::Captured;
pub use captured::Uncaptured;
use host::HostFrames;
use launching::Launcher;
use ways::Ways;

/// Sizes of a transmit queue, fixed when it is made.
#[derive(Clone, Copy, Debug)]
pub struct DpdkTxConfig {
    /// Most paths open at a time.
    pub paths: u16,
    /// Most leases attached at a time, those included that the device has not finished with.
    pub payloads: u16,
    /// Which memory the device reads.
    pub reads: Reads,
}

impl Default for DpdkTxConfig {
    fn default() -> Self {
        Self { paths: 64, payloads: 64, reads: Reads::Process }
    }
}

/// Where a transmit queue takes its packet buffers from.
#[derive(Debug)]
pub struct TxPools {
    /// For headers, for whole frames, and for parts of received packets: with room for a frame where the port does not gather.
    pub headers: Mempool,
    /// For what refers to leases; no other queue's. Of a port that does not gather nobody takes one.
    pub references: References,
}

/// A port's transmit queue. `C` tells captures the time.
pub struct DpdkTx<L: StableBytes, C = Uncaptured> {
    device: Option<TxHandle>,
    ways: Ways,
    buffers: Buffers,
    payloads: PayloadTable<L>,
    host: HostFrames,
    counters: Arc<PortCounters>,
    totals: TxCounters,
    driver_copies: u64,
    /// Nothing was sent since the last turn.
    is_idle: bool,
    capture: Option<Captured<C>>,
    launcher: Option<Launcher>,
}

impl<L: StableBytes> DpdkTx<L> {
    /// A queue on a port, without paths. Allocates all memory that it will ever use on the hot path.
    #[must_use]
    pub fn new(
        device: TxHandle,
        station: Station,
        capabilities: &Capabilities,
        pools: TxPools,
        exchange: TxEnd,
        counters: Arc<PortCounters>,
        config: DpdkTxConfig,
    ) -> Self {
        Self {
            device: Some(device),
            ways: Ways::new(exchange, station, config.paths, Arc::clone(&counters)),
            buffers: Buffers::new(pools, capabilities, config.reads),
            payloads: PayloadTable::new(config.payloads),
            host: HostFrames::default(),
            counters,
            totals: TxCounters::default(),
            driver_copies: capabilities.driver_copies_tx.into(),
            is_idle: false,
            capture: None,
            launcher: None,
        }
    }
}

impl<L: StableBytes, C: Clock> DpdkTx<L, C> {
    /// Has the device send each packet of a planned burst at its time. `clock` is the device's.
    #[must_use]
    pub fn launched_by(mut self, times: LaunchTimes, clock: DeviceClock) -> Self {
        self.launcher = Some(Launcher::new(times, clock));
        self
    }

    /// Takes the port's handle out, for a stop; the queue keeps everything else and sends nothing meanwhile.
    pub fn detach_device(&mut self) -> Option<TxHandle> {
        self.host.clear();
        self.device.take()
    }

    /// Goes on with the handle of the port as started again.
    pub fn attach_device(&mut self, device: TxHandle) {
        self.device = Some(device);
    }

    /// Leases that are attached, or that the device has not finished with.
    #[must_use]
    pub const fn leases_held(&self) -> usize {
        self.payloads.held()
    }

    /// Counts what was made, and what was not.
    #[inline]
    fn made(&self, made: Result<Mbuf, TxFull>, path: PathId, octets: usize) -> Result<DpdkTxBuf, TxFull> {
        match made {
            Ok(mbuf) => {
                let below = mbuf.octets() - octets;
                Ok(DpdkTxBuf::new(mbuf, path, below as u16))
            }
            Err(full) => {
                self.counters.tx.no_mbufs.add(u64::from(full == TxFull::Buffers));
                Err(full)
            }
        }
    }

    /// A payload was copied behind its header.
    #[cold]
    fn copied(&mut self, payload_octets: usize) {
        self.totals.octets_copied_by_us += payload_octets as u64;
        self.counters.tx.octets_copied_by_us.add(payload_octets as u64);
        self.counters.tx.copied_packets.add(1);
    }

    /// Sends packets of open paths from the front; returns how many the device took.
    fn transmit(&mut self, burst: &mut Burst<DpdkTxBuf>, Front { open, mut octets, mut below }: Front) -> usize {
        if self.capture.as_mut().is_some_and(Captured::is_on) {
            self.show(burst, open);
        }
        let packets = burst.as_slice().get(..open).unwrap_or_default();
        let Some(device) = &mut self.device else { return 0 };
        // SAFETY: each is a whole packet that `burst` owns; those that were taken are forgotten below, and nothing happens
        // in between. No chain is among them where the driver takes none: `Buffers` makes none.
        let taken = self.buffers.references.while_sending(|| unsafe { device.burst_raw(DpdkTxBuf::raw(packets)) });
        for left in packets.iter().skip(taken) {
            octets -= left.mbuf().octets() as u64;
            below -= left.note().below();
        }
        // The device's now.
        burst.drain_front(taken).for_each(mem::forget);
        self.sent(taken as u64, octets, below);
        taken
    }

    /// So many packets, with so many octets, of which `below` are of headers below RTP.
    #[inline]
    fn sent(&mut self, packets: u64, octets: u64, below: u64) {
        let copied = self.driver_copies * octets;
        let octets = octets - below;
        self.totals.packets += packets;
        self.totals.octets += octets;
        self.totals.octets_copied_by_kernel += copied;
        self.counters.tx.media_packets.add(packets);
        self.counters.tx.media_octets.add(octets);
        self.counters.tx.octets_copied_by_driver.add(copied);
        self.is_idle &= packets == 0;
    }

    /// The packets, from the first on, that have open paths: looked at before they are the device's.
    #[inline]
    fn open_from_the_front(&self, burst: &Burst<DpdkTxBuf>) -> Front {
        let mut front = Front { open: 0, octets: 0, below: 0 };
        // Packets of a sender come together: what is noted in them is looked at once.
        let (mut last, mut below) = (Note::NONE, 0);
        for packet in burst {
            let note = packet.note();
            if note != last {
                if !self.ways.is_open(note.path()) {
                    break;
                }
                (last, below) = (note, note.below());
            }
            front.open += 1;
            front.octets += packet.mbuf().octets() as u64;
            front.below += below;
        }
        front
    }

    /// The first packet of a burst has no path any more.
    #[cold]
    fn give_up_first(&mut self, burst: &mut Burst<DpdkTxBuf>) {
        drop(burst.drain_front(1));
        self.totals.errors += 1;
        self.counters.tx.path_closed.add(1);
    }
}

/// Packets at the front of a burst: how many, their octets, and those of the headers below RTP among them.
struct Front {
    open: usize,
    octets: u64,
    below: u64,
}

impl<L: StableBytes, C: Clock> TxQueue for DpdkTx<L, C> {
    type Buf = DpdkTxBuf;
    type Payload = Payload<L>;
    type Lease = L;
    type Received = DpdkBuf;

    fn pacing(&self) -> Pacing {
        if self.launcher.is_some() { Pacing::LaunchTime } else { Pacing::Software }
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        self.ways.open(path)
    }

    fn close_path(&mut self, path: PathId) {
        self.ways.close(path);
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
    ) -> Result<DpdkTxBuf, TxFull> {
        let address = payload.check(&range)?;
        // What does not fit 16 bits does not fit the MTU either.
        let octets = u16::try_from(range.end - range.start).map_err(|_| TxFull::Mtu)?;
        let way = self.ways.of(path, header, octets.into(), self.buffers.frame_octets_max)?;
        let pieces = self.buffers.pieces(payload, address, octets);
        let made = match &pieces {
            Some(pieces) if octets > 0 => self.buffers.gather(way, header, payload, pieces),
            _ => self.buffers.copy(way, header, payload, (address, octets)),
        };
        if pieces.is_none() && made.is_ok() {
            self.copied(octets.into());
        }
        self.made(made, path, header.len() + usize::from(octets))
    }

    fn gather_burst(
        &mut self,
        path: PathId,
        payload: &Payload<L>,
        packets: impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Result<(), TxFull> {
        if self.launcher.is_some() {
            self.gather_launched(path, payload, packets, out)
        } else {
            self.gather_each(path, payload, packets, out)
        }
    }

    fn forward(&mut self, path: PathId, header: &[u8], received: &DpdkBuf, skip: u16) -> Result<DpdkTxBuf, TxFull> {
        let octets = received.octets().checked_sub(skip.into()).ok_or(TxFull::Range)?;
        let way = self.ways.of(path, header, octets, self.buffers.frame_octets_max)?;
        let made = if self.buffers.gathers {
            self.buffers.forward(way, header, received, skip)
        } else {
            self.buffers.copy_forward(way, header, received, skip)
        };
        if made.is_ok() {
            self.counters.tx.forwarded.add(1);
            if !self.buffers.gathers {
                self.copied(octets);
            }
        }
        self.made(made, path, header.len() + octets)
    }

    fn forward_burst(&mut self, path: PathId, packets: &[Relayed<'_, DpdkBuf>], burst: &mut Burst<DpdkTxBuf>) -> Made {
        let packets = &packets[..packets.len().min(burst.room())];
        let mut made = 0;
        while made < packets.len() {
            if let Some(way) = self.ways.known(path) {
                let run = self.buffers.forward_run(path, way, &packets[made..], burst);
                self.counters.tx.forwarded.add(run as u64);
                made += run;
            }
            let Some(next) = packets.get(made) else { break };
            match self.forward(path, &next.header, next.packet, RELAYED_HEADER_OCTETS as u16) {
                Ok(packet) => {
                    let fits = burst.push(packet).is_ok();
                    debug_assert!(fits, "no more than the burst has room for");
                }
                Err(full) => return Made { packets: made, refusal: Some(full) },
            }
            made += 1;
        }
        Made { packets: made, refusal: None }
    }

    fn tx_burst(&mut self, burst: &mut Burst<DpdkTxBuf>) -> usize {
        let before = burst.len();
        while !burst.is_empty() {
            let front = self.open_from_the_front(burst);
            let open = front.open;
            if open == 0 {
                self.give_up_first(burst);
            } else if self.transmit(burst, front) < open {
                self.totals.would_block += 1;
                self.counters.tx.queue_full.add(1);
                break;
            }
        }
        before - burst.len()
    }

    fn cancel(&mut self, payload: Payload<L>, unsent: u32) {
        debug_assert!(unsent <= payload.ungathered(), "{unsent} cancelled of {}", payload.ungathered());
    }

    fn leave(&mut self) {
        self.buffers.headers.pool().flush_own_cache();
    }

    fn reap(&mut self) {
        // Also on a port that sends nothing: a capture that has ended is given back here.
        let _ = self.capture.as_mut().map(Captured::is_on);
        if let Some(device) = &mut self.device {
            let capture = self.capture.as_mut();
            let from = (&mut self.ways.exchange, self.ways.frame_octets_max);
            self.host.send(from, &mut self.buffers, device, &self.counters.tx, capture);
            if mem::replace(&mut self.is_idle, true) && self.payloads.held() > 0 {
                // NICs reclaim what they have sent when more is sent: an idle turn asks for it.
                self.buffers.references.while_sending(|| device.cleanup());
            }
        }
        self.buffers.references.collect();
        self.payloads.reap();
        self.counters.tx.leases_held.set(self.payloads.held() as u64);
    }

    fn counters(&self) -> TxCounters {
        TxCounters { unresolved: self.ways.unresolved, ..self.totals }
    }
}
