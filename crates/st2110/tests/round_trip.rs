//! Packetise, damage the order, depacketise: the grain comes back, whatever its size.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::sync::Arc;

use media::{Depth, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, VideoFormat};
use proptest::prelude::*;
use rtp::{Reception, RtpHeader};
use st2110::{Coverage, MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, UdpLimit, srd};

/// A receiver of one grain.
struct Receiver {
    format: VideoFormat,
    grain: Vec<u8>,
    coverage: Coverage,
    reception: Reception,
    markers: usize,
}

impl Receiver {
    fn new(format: VideoFormat) -> Self {
        let grain = vec![0xee; format.frame_octets() as usize];
        let coverage = Coverage::new(&format);
        Self { format, grain, coverage, reception: Reception::new(), markers: 0 }
    }

    fn receive(&mut self, datagram: &[u8]) {
        let last = datagram.last().copied().unwrap();
        let header = RtpHeader::parse(datagram, datagram.len(), last).unwrap();
        let payload = &datagram[header.payload()];
        let (number, _) = self.reception.observe(header.sequence);
        let payload_header = srd::parse(payload, payload.len()).unwrap();
        assert_eq!(number.0 as u16, header.sequence.0);
        self.markers += usize::from(header.marker);
        for segment in payload_header.segments(&self.format) {
            let s = segment.unwrap();
            let data = &payload[s.payload_start as usize..][..usize::from(s.octets)];
            self.grain[s.grain_start as usize..][..data.len()].copy_from_slice(data);
            self.coverage.mark(&s);
        }
    }
}

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(60_000, 1001).unwrap()).unwrap()
}

fn grain(format: &VideoFormat, seed: u32) -> Vec<u8> {
    (0..format.frame_octets()).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8).collect()
}

fn packetise(plan: PackingPlan, grain: &[u8], first_sequence: u32) -> Vec<Vec<u8>> {
    let mut sender = Packetiser::new(Arc::new(plan), PayloadType(96), Ssrc(1), first_sequence);
    let ranges: Vec<_> = sender.plan().packets().iter().map(st2110::PlannedPacket::range).collect();
    let mut out = [0; MAX_HEADER_OCTETS];
    ranges
        .iter()
        .enumerate()
        .map(|(packet, range)| {
            let octets = sender.header(packet, RtpTimestamp(0x1234), &mut out);
            let mut datagram = out[..octets].to_vec();
            datagram.extend(&grain[range.start as usize..range.end as usize]);
            datagram
        })
        .collect()
}

#[test]
fn rows_complete_in_the_order_in_which_packets_are_sent() {
    let format = format(1920, 1080, Depth::Bits10);
    let plan = PackingPlan::new(format, PackingMode::Bpm, UdpLimit::Standard).unwrap();
    let last_rows: Vec<u16> = plan.packets().iter().map(|p| p.last_row).collect();
    let mut receiver = Receiver::new(format);
    let sent = grain(&format, 1);
    for (datagram, last_row) in packetise(plan, &sent, 0).iter().zip(last_rows) {
        assert!(!receiver.coverage.row_complete(last_row));
        receiver.receive(datagram);
        assert!(receiver.coverage.complete_prefix() >= last_row);
    }
    assert!(receiver.coverage.is_complete() && receiver.grain == sent);
}

#[test]
fn the_widest_picture_comes_back() {
    for depth in [Depth::Bits8, Depth::Bits10] {
        for (mode, limit) in [(PackingMode::Gpm, UdpLimit::Standard), (PackingMode::Bpm, UdpLimit::Extended)] {
            let format = format(32_767, 3, depth);
            let sent = grain(&format, 2);
            let mut receiver = Receiver::new(format);
            let plan = PackingPlan::new(format, mode, limit).unwrap();
            packetise(plan, &sent, 9).iter().rev().for_each(|datagram| receiver.receive(datagram));
            assert!(receiver.coverage.is_complete() && receiver.grain == sent);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// In any order, with duplicates: bit-exact and complete. With one packet left out: exactly its rows
    /// are missing and one packet is lost.
    #[test]
    fn a_grain_survives_any_order_and_duplicates(
        (width, height) in (prop_oneof![1u32..40, 1u32..2500], 1u32..30),
        (ten_bits, block, extended) in (any::<bool>(), any::<bool>(), any::<bool>()),
        first_sequence in any::<u32>(),
        keys in prop::collection::vec(any::<u32>(), 64),
        leave_out in any::<prop::sample::Index>(),
    ) {
        let format = format(width, height, if ten_bits { Depth::Bits10 } else { Depth::Bits8 });
        let mode = if block { PackingMode::Bpm } else { PackingMode::Gpm };
        let limit = if extended { UdpLimit::Extended } else { UdpLimit::Standard };
        let Ok(plan) = PackingPlan::new(format, mode, limit) else { return Ok(()) };
        let packets = plan.packets().to_vec();
        let sent = grain(&format, first_sequence);
        let datagrams = packetise(plan, &sent, first_sequence);
        let missing = leave_out.index(packets.len());
        let mut order: Vec<usize> = (0..packets.len()).filter(|n| *n != missing).collect();
        order.extend((0..packets.len()).filter(|n| *n != missing && keys[n % 64].is_multiple_of(3)));
        order.sort_by_key(|n| keys[n % 64].rotate_left(*n as u32));
        let mut receiver = Receiver::new(format);
        order.iter().for_each(|n| receiver.receive(&datagrams[*n]));

        let row_octets = format.row_octets();
        let rows = packets[missing].start / row_octets..=u32::from(packets[missing].last_row);
        let missing_rows: Vec<u32> = receiver.coverage.missing_rows().map(u32::from).collect();
        prop_assert_eq!(missing_rows, rows.collect::<Vec<_>>());
        prop_assert!(!receiver.coverage.is_complete());

        receiver.receive(&datagrams[missing]);
        prop_assert!(receiver.coverage.is_complete());
        prop_assert!(receiver.grain == sent, "the grain differs");
        prop_assert_eq!(receiver.coverage.complete_prefix(), format.height());
        let counters = receiver.reception.counters();
        prop_assert_eq!((counters.received, counters.lost()), (packets.len() as u64, 0));
        prop_assert_eq!(counters.duplicates, (order.len() + 1 - packets.len()) as u64);
        prop_assert!(receiver.markers >= 1);
    }
}
