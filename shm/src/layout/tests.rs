//! Golden bytes of A and C: what is in these files is what other programs have compiled in.

use super::*;
use crate::fixture::{self, TestRing};
use crate::{Access, GrainEnd, Mapping, SeatStatus};
use media::{GrainIndex, Tai};

const CASE: &str = "golden bytes differ: a change of the layout needs a new ABI";

fn word_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
}

/// The control region, byte for byte.
fn control_bytes(ring: &TestRing) -> Vec<u8> {
    let (control, _data) = ring.region.map_for_reading().unwrap();
    let mut bytes = vec![0; control.octets()];
    control.copy_out(0, &mut bytes);
    bytes
}

#[test]
fn header_of_a_is_golden() {
    let geometry = Geometry { epoch: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff, ..fixture::geometry(4, 3) };
    let ring = TestRing::with(Geometry { tai_base: Tai::from_nanos(-2), ..geometry });
    let bytes = control_bytes(&ring);
    let mut golden: Vec<u8> = Vec::new();
    golden.extend(b"FLYPRING");
    golden.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend(12288_u64.to_le_bytes());
    golden.extend(4096_u64.to_le_bytes());
    golden.extend(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_le_bytes());
    golden.extend(geometry.flow.octets());
    // N, stride, M, slices, slice octets, grain octets, K max
    for number in [4_u64, 128, 8, 3, 40, 120, 1] {
        golden.extend(number.to_le_bytes());
    }
    golden.extend([25, 0, 0, 0, 1, 0, 0, 0]);
    golden.extend([16, 0, 3, 0, 10, 0, 0, 0]);
    golden.extend((-2_i64).to_le_bytes());
    golden.extend([0xff; 8]);
    assert_eq!(bytes[..golden.len()], golden, "{CASE}");
    assert!(bytes[golden.len()..].iter().all(|octet| *octet == 0), "an empty ring is zero");
}

/// What tells formats apart stands in one word; that of video is as it was when there was nothing else.
#[test]
fn the_format_word_of_each_kind_is_golden() {
    let flow = fixture::geometry(4, 3).flow;
    let word = |format: FlowFormat| {
        let geometry = Geometry::new(flow, format, 9, 8, crate::Pages::Plain).unwrap();
        let words = header_words(&geometry);
        assert_eq!((words[19], words[15]), (7, u64::from(format.rate().num()) | u64::from(format.rate().den()) << 32));
        words[offset_of!(Header, picture) / 8].to_le_bytes()
    };
    let rate = media::Rate::new(25, 1).unwrap();
    assert_eq!(word(fixture::format(3).into()), [16, 0, 3, 0, 10, 0, 0, 0], "{CASE}");
    for (depth, number) in [(AudioDepth::L16, 1), (AudioDepth::L24, 2), (AudioDepth::F32, 3)] {
        let audio = media::AudioFormat::new(64, 48_000, depth, 4800).unwrap();
        assert_eq!(word(audio.into()), [64, 0, 0xc0, 0x12, number, 0, 1, 0], "{CASE}");
    }
    let ancillary = media::AncillaryFormat::new(rate, 64).unwrap();
    assert_eq!(word(ancillary.into()), [0, 0, 0, 0, 0, 0, 2, 0], "{CASE}");
}

#[test]
fn words_of_a_ring_in_use_are_golden() {
    let mut ring = TestRing::new(4, 70);
    let consumer = ring.join(3, fixture::leased(1));
    ring.open(9).unwrap();
    for line in [0, 1, 69] {
        ring.writer.mark_lost(ring.key(9), line);
    }
    let end = GrainEnd { first_arrival: Tai::from_nanos(-5), last_arrival: Tai::from_nanos(6), octets: None };
    ring.writer.commit(ring.key(9), end);
    let key = ring.open(10).unwrap();
    ring.writer.publish(key, 2);
    let bytes = control_bytes(&ring);

    // Both grains had the writer's first place; the second has slot 1.
    let ring_words = [(256, 10), (264, 11), (296, 2), (304, 0), (384, 1)];
    let seat = 512 + 3 * 128;
    let seat_words = [(seat, 1 << 48), (seat + 8, consumer.nonce)];
    // Slots begin at 8704; 70 lines take two bitmap words, padded to a line: 384 octets a slot.
    let (slot0, slot1) = (8704, 8704 + 384);
    let slot_words = [
        (slot0, 4),
        (slot0 + 8, 1 << 16 | 70),
        (slot0 + 16, 10),
        (slot0 + 128, 0),
        (slot0 + 136, 2800),
        (slot0 + 144, 360_000_000),
        (slot0 + 152, 32_400),
        (slot0 + 160, (-5_i64) as u64),
        (slot0 + 168, 6),
        (slot0 + 176, 3),
        (slot0 + 256, 0b11),
        (slot0 + 264, 1 << 5),
        (slot1, 3),
        (slot1 + 8, 1 << 16 | 2),
        (slot1 + 16, 11),
        (slot1 + 144, 400_000_000),
        (slot1 + 152, 36_000),
    ];
    // Eight descriptors: index 9 uses the second one.
    let desc = 8704 + 4 * 384 + 128;
    let desc_words =
        [(desc, 10), (desc + 8, 0), (desc + 16, 1), (desc + 24, 360_000_000), (desc + 32, 32_400), (desc + 128, 11)];
    let all = [&ring_words[..], &seat_words, &slot_words, &desc_words].concat();
    for (offset, expected) in all {
        assert_eq!(word_at(&bytes, offset), expected, "word at {offset}: {CASE}");
    }
    ring.writer.conclude(crate::Successor::Epoch(7 << 64 | 5));
    ring.cancel(10);
    let bytes = control_bytes(&ring);
    assert_eq!((word_at(&bytes, slot1), word_at(&bytes, slot1 + 128)), (4, FLAG_CANCELLED), "{CASE}");
    assert_eq!(word_at(&bytes, 256), 10, "a cancelled grain moves no head");
    assert_eq!([272, 280, 288].map(|at| word_at(&bytes, at)), [12, 5, 7], "the end of the epoch: {CASE}");
}

#[test]
fn a_lease_page_is_golden() {
    let mut ring = TestRing::new(5, 3);
    let mut consumer = ring.join(0, fixture::leased(1));
    ring.grain(7).unwrap();
    drop(consumer.reader.lease(GrainIndex(7)).unwrap());
    let bytes = page_bytes(&consumer.page.map(Access::ReadOnly).unwrap());
    assert_eq!(bytes.len(), 4096);
    assert_eq!((word_at(&bytes, 0), word_at(&bytes, 128)), (8, 0), "{CASE}");

    ring.grain(8).unwrap();
    ring.grain(9).unwrap();
    ring.grain(10).unwrap();
    assert_eq!(consumer.reader.status(), SeatStatus::Evicted { hi: GrainIndex(10) });
    consumer.reader.acknowledge_eviction().unwrap();
    let bytes = page_bytes(&consumer.page.map(Access::ReadOnly).unwrap());
    assert_eq!(word_at(&bytes, 128), consumer.nonce, "{CASE}");
    let rest = bytes.iter().enumerate().filter(|(at, _)| !(0..8).contains(at) && !(128..136).contains(at));
    assert!(rest.into_iter().all(|(_, octet)| *octet == 0), "{CASE}");
}

fn page_bytes(page: &Mapping) -> Vec<u8> {
    let mut bytes = vec![0; page.octets()];
    page.copy_out(0, &mut bytes);
    bytes
}

/// Every block of the region as (start, octets).
fn blocks(geometry: &Geometry) -> Vec<(usize, usize)> {
    let layout = Layout::of(geometry);
    let slot_octets = BITMAP_AT + layout.bitmap_words() * 8;
    let mut blocks = vec![(0, size_of::<Header>()), (RING_AT, size_of::<RingWords>())];
    blocks.extend((0..CONSUMERS_MAX).map(|consumer| (seat(consumer), LINE)));
    blocks.extend((0..geometry.slots).map(|slot| (layout.slot(slot), slot_octets)));
    blocks.extend((0..u64::from(geometry.descs)).map(|position| (layout.desc(position), LINE)));
    blocks
}

proptest::proptest! {
    /// I8: whatever the geometry and the index, words lie inside the region, on lines of their own.
    #[test]
    fn blocks_are_disjoint_and_in_range(slots in 2_u16..=1024, height in 1_u32..=32_767, index: u64) {
        let geometry = fixture::geometry(slots, height);
        let end = geometry.control_octets() as usize;
        let mut blocks = blocks(&geometry);
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        assert!(blocks.iter().all(|(start, octets)| start % LINE == 0 && start + octets <= end));
        let layout = Layout::of(&geometry);
        assert!(layout.desc(index) + LINE <= end);
        let last_word = layout.bitmap(slots - 1, layout.bitmap_words() - 1);
        assert!(last_word + 8 <= layout.desc(0));
        let last_octet = u64::from(slots - 1) * geometry.slot_stride + u64::from(geometry.grain_octets);
        assert!(last_octet <= geometry.data_octets());
    }
}
