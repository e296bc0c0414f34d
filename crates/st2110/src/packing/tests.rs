//! Plans against the standard's numbers, and every plan as a whole tiling of its frame.

use super::*;
use media::{Depth, Rate, Sampling};
use proptest::prelude::*;

fn format(width: u32, height: u32, depth: Depth) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, depth, Rate::new(50, 1).unwrap()).unwrap()
}

fn plan(width: u32, height: u32, mode: PackingMode, limit: UdpLimit) -> PackingPlan {
    PackingPlan::new(format(width, height, Depth::Bits10), mode, limit).unwrap()
}

#[test]
fn general_packing_of_1920_wide_rows_is_1200_octets_4_a_row() {
    let plan = plan(1920, 1080, PackingMode::Gpm, UdpLimit::Standard);
    assert_eq!(plan.packets_per_frame(), 4320);
    assert!(plan.packets().iter().all(|p| p.octets == 1200));
    assert_eq!(plan.max_header_octets(), 20);
    // UDP length 1228, as in a capture of a device
    assert_eq!(u32::from(plan.packets()[0].octets) + 20 + UDP_HEADER_OCTETS, 1228);
}

#[test]
fn numbers_of_packets_are_those_of_the_rate_tables() {
    for (width, height, gpm, bpm) in [
        (1920, 1080, 4320, 4115),
        (3840, 2160, 17_280, 16_458),
        // 4 × 800 octets a row: 640 pgroups divide by 4, not by 3
        (1280, 720, 2880, 1829),
        // 15 × 1280 octets a row
        (7680, 4320, 64_800, 65_829),
    ] {
        let general = plan(width, height, PackingMode::Gpm, UdpLimit::Standard);
        let block = plan(width, height, PackingMode::Bpm, UdpLimit::Standard);
        assert_eq!((general.packets_per_frame(), block.packets_per_frame()), (gpm, bpm), "{width}x{height}");
    }
}

#[test]
fn block_packing_fills_1260_octets_and_8820_extended() {
    for (limit, octets) in [(UdpLimit::Standard, 1260), (UdpLimit::Extended, 8820)] {
        let plan = plan(1920, 1080, PackingMode::Bpm, limit);
        let (last, others) = plan.packets().split_last().unwrap();
        assert!(others.iter().all(|p| p.octets == octets));
        assert_eq!(u32::from(last.octets), 5_184_000 % u32::from(octets));
    }
}

#[test]
fn a_frame_that_is_no_whole_number_of_blocks_ends_where_its_samples_end() {
    let plan = plan(1922, 3, PackingMode::Bpm, UdpLimit::Standard); // 14,415 octets: 80 blocks and 15
    let last = plan.packets().last().unwrap();
    assert_eq!((last.range().end, u32::from(last.octets)), (14_415, 14_415 % 1260));
    assert_eq!(last.last_row, 2);
}

#[test]
fn block_packing_of_narrow_rows_takes_fewer_blocks_and_then_gives_up() {
    let narrow = plan(160, 90, PackingMode::Bpm, UdpLimit::Standard); // rows of 400 octets
    assert!(narrow.packets().iter().all(|p| p.srd_headers().len() <= MAX_SRDS * SRD_OCTETS));
    assert!(narrow.packets()[0].octets < 1260 && narrow.packets()[0].octets.is_multiple_of(180));
    let error = PackingPlan::new(format(2, 4000, Depth::Bits10), PackingMode::Bpm, UdpLimit::Standard).unwrap_err();
    assert_eq!(error, PlanError::TooNarrow { row_octets: 5 });
    assert!(error.to_string().contains("2110GPM"), "{error}");
}

#[test]
fn rows_that_divide_badly_are_cut_nearly_equally() {
    // 961 pgroups have no divisor but 31: 4 pieces of which the last is shorter.
    let plan = plan(1922, 1, PackingMode::Gpm, UdpLimit::Standard);
    let octets: Vec<u16> = plan.packets().iter().map(|p| p.octets).collect();
    assert_eq!(octets, [1205, 1205, 1205, 1190]);
}

#[test]
fn the_widest_row_is_carried() {
    for mode in [PackingMode::Gpm, PackingMode::Bpm] {
        for limit in [UdpLimit::Standard, UdpLimit::Extended] {
            check(&plan(32_767, 2, mode, limit)).unwrap();
        }
    }
}

#[test]
fn the_words_are_those_of_sdp() {
    assert_eq!((PackingMode::Gpm.to_string(), PackingMode::Bpm.to_string()), ("2110GPM".into(), "2110BPM".into()));
}

/// Every rule that holds for every plan.
fn check(plan: &PackingPlan) -> Result<(), TestCaseError> {
    let format = plan.format();
    let pgroup = u32::from(format.pgroup().octets);
    let mut at = 0;
    for packet in plan.packets() {
        prop_assert_eq!(packet.start, at);
        prop_assert!(packet.octets > 0);
        at = packet.range().end;
        prop_assert_eq!(u32::from(packet.octets) % pgroup, 0);
        prop_assert_eq!(u32::from(packet.last_row), (at - 1) / format.row_octets());
        let header = FIXED_HEADER_OCTETS + EXTENDED_SEQUENCE_OCTETS + packet.srd_headers().len();
        prop_assert!(header <= plan.max_header_octets() && plan.max_header_octets() <= MAX_HEADER_OCTETS);
        let udp = UDP_HEADER_OCTETS + header as u32 + u32::from(packet.octets);
        prop_assert!(udp <= plan.limit().octets(), "UDP length {}", udp);
        let (srds, rest) = packet.srd_headers().as_chunks::<SRD_OCTETS>();
        prop_assert!(rest.is_empty() && !srds.is_empty());
        let rows = u32::from(packet.last_row) - packet.start / format.row_octets() + 1;
        prop_assert_eq!(srds.len() as u32, rows);
        if plan.mode() == PackingMode::Gpm {
            prop_assert_eq!(rows, 1);
        }
    }
    prop_assert_eq!(at, format.frame_octets());
    if plan.mode() == PackingMode::Bpm {
        let first = plan.packets()[0].octets;
        let (last, others) = plan.packets().split_last().unwrap();
        prop_assert!(others.iter().all(|p| p.octets == first && first.is_multiple_of(180)));
        prop_assert!(last.octets <= first);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_plan_tiles_its_frame_within_the_limits(
        width in prop_oneof![1u32..100, 100u32..4200, Just(32_767)],
        height in 1u32..40,
        ten_bits in any::<bool>(),
        block in any::<bool>(),
        extended in any::<bool>(),
    ) {
        let depth = if ten_bits { Depth::Bits10 } else { Depth::Bits8 };
        let mode = if block { PackingMode::Bpm } else { PackingMode::Gpm };
        let limit = if extended { UdpLimit::Extended } else { UdpLimit::Standard };
        match PackingPlan::new(format(width, height, depth), mode, limit) {
            Ok(plan) => check(&plan)?,
            Err(PlanError::TooNarrow { row_octets }) => {
                prop_assert!(block, "general packing carries every size");
                prop_assert!(row_octets < 180, "{} octets a row are enough for one block in three rows", row_octets);
            }
        }
    }
}
