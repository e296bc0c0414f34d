//! Packets in a pool's buffers, as a card would have left them, again and again.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use arrayvec::ArrayVec;
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::TxHandle;
use ip::{MacAddr, Template, TemplateConfig};
use media::{PayloadType, RtpTimestamp, SeqNum, Ssrc, VideoFormat};
use rtp::{FIXED_HEADER_OCTETS, FixedHeader, write_header};

/// Packets of one lap.
pub(super) const LAP: usize = 4_095;
/// Packets that net_ring takes at a time.
pub(super) const BATCH: usize = 1_000;
/// Octets that push everything else out of the inner caches.
const SWEEP_OCTETS: usize = 3 << 20;

/// A stream that goes on from lap to lap, in pieces of `payload_octets` regardless of rows.
pub(super) struct Packets {
    format: VideoFormat,
    payload_octets: u32,
    template: Template,
    group: MacAddr,
    /// Number of the next packet, from the beginning.
    number: u64,
    sweep: Vec<u8>,
}

impl Packets {
    pub(super) fn new(format: VideoFormat, payload_octets: u16, destination: SocketAddr) -> Result<Self> {
        let pgroup = u32::from(format.pgroup().octets);
        let payload_octets = u32::from(payload_octets);
        ensure!(payload_octets.is_multiple_of(pgroup), "{payload_octets} octets are no whole pgroups of {pgroup}");
        ensure!(payload_octets <= format.row_octets(), "a payload of more than a row");
        let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
        let source = SocketAddr::from(([192, 0, 2, 7], 5_004));
        let template = Template::new(&TemplateConfig { source_mac, vlan: None, source, destination, dscp: 0, ttl: 1 })?;
        let group = template.group_mac().context("a group")?;
        Ok(Self { format, payload_octets, template, group, number: 0, sweep: vec![1; SWEEP_OCTETS] })
    }

    /// Packets of a frame.
    fn per_frame(&self) -> u64 {
        u64::from(self.format.frame_octets().div_ceil(self.payload_octets))
    }

    /// Fills all buffers of the pool with the next packets, and sees that they are not in the inner caches.
    pub(super) fn lap(&mut self, pool: &Mempool) -> Result<Vec<Mbuf>> {
        let mut packets = Vec::with_capacity(LAP);
        while packets.len() < LAP {
            let mut mbuf = pool.alloc().context("a buffer")?;
            self.fill(&mut mbuf)?;
            packets.push(mbuf);
        }
        self.sweep.iter_mut().step_by(64).for_each(|octet| *octet = octet.wrapping_add(1));
        Ok(packets)
    }

    /// Where a packet's samples begin in its frame, and how many octets there are.
    pub(super) fn place(&self, number: u64) -> (u32, u32) {
        let start = (number % self.per_frame()) as u32 * self.payload_octets;
        (start, self.payload_octets.min(self.format.frame_octets() - start))
    }

    /// Octets in front of the samples.
    pub(super) fn header_octets(&self, number: u64) -> usize {
        self.template.octets() + FIXED_HEADER_OCTETS + 2 + 6 * self.segments(number).len()
    }

    /// Rows, offsets in octets, octets.
    fn segments(&self, number: u64) -> ArrayVec<(u32, u32, u32), 2> {
        let (start, octets) = self.place(number);
        let row_octets = self.format.row_octets();
        let (row, offset) = (start / row_octets, start % row_octets);
        let first = octets.min(row_octets - offset);
        let second = (octets > first).then(|| (row + 1, 0, octets - first));
        [(row, offset, first)].into_iter().chain(second).collect()
    }

    fn fill(&mut self, mbuf: &mut Mbuf) -> Result<()> {
        let number = self.number;
        self.number += 1;
        let (_, octets) = self.place(number);
        let segments = self.segments(number);
        let below = self.template.octets();
        let header = self.header_octets(number);
        let udp = header - below + octets as usize;
        let out = mbuf.append((header + octets as usize) as u16).context("room in a buffer")?;
        self.template.write(&mut out[..below], self.group, udp as u16);
        let rtp = FixedHeader {
            marker: (number + 1).is_multiple_of(self.per_frame()),
            payload_type: PayloadType(96),
            sequence: SeqNum(number as u16),
            timestamp: RtpTimestamp((number / self.per_frame()) as u32 * 1_800),
            ssrc: Ssrc(7),
        };
        let (fixed, rest) = out[below..].split_first_chunk_mut().context("room for RTP")?;
        write_header(fixed, &rtp);
        rest[..2].copy_from_slice(&((number >> 16) as u16).to_be_bytes());
        let pgroup = self.format.pgroup();
        let last = segments.len() - 1;
        for (at, (srd, (row, offset, octets))) in rest[2..].chunks_exact_mut(6).zip(segments).enumerate() {
            let pixels = offset / u32::from(pgroup.octets) * u32::from(pgroup.pixels);
            let goes_on = if at < last { 0x8000 } else { 0 };
            srd[..2].copy_from_slice(&(octets as u16).to_be_bytes());
            srd[2..4].copy_from_slice(&(row as u16).to_be_bytes());
            srd[4..].copy_from_slice(&(pixels as u16 | goes_on).to_be_bytes());
        }
        Ok(())
    }
}

/// Puts the first packets of a lap into a ring; what is left stays.
pub(super) fn put(packets: &mut std::vec::IntoIter<Mbuf>, ring: &mut TxHandle) -> Result<usize> {
    let mut put = 0;
    while put < BATCH {
        let mut burst: ArrayVec<Mbuf, BURST> = packets.by_ref().take(BURST.min(BATCH - put)).collect();
        if burst.is_empty() {
            break;
        }
        put += ring.burst(&mut burst);
        ensure!(burst.is_empty(), "net_ring has room for {BATCH} packets");
    }
    Ok(put)
}
