//! The published tables of rates and limits, and the schedule as a function and its inverse.

use super::*;
use media::{Depth, Sampling};
use proptest::prelude::*;

fn format(width: u32, height: u32, num: u32, den: u32) -> VideoFormat {
    VideoFormat::new(width, height, Sampling::YCbCr422, Depth::Bits10, Rate::new(num, den).unwrap()).unwrap()
}

/// Height, rate, N_PKTS, T_RS gapped (tenths of ns), C_MAX N/NL/W, VRX_FULL N/W, TRO_DEFAULT (tens of ns).
type Row = (u32, (u32, u32), u32, u64, [u32; 3], [u32; 2], i64);

/// Block packing, 1260 octets.
const BPM: [Row; 12] = [
    (720, (50, 1), 1829, 104_975, [4, 4, 16], [8, 720], 74_667),
    (720, (60_000, 1001), 1829, 87_567, [4, 4, 16], [8, 720], 62_284),
    (1080, (25, 1), 4115, 93_317, [4, 4, 16], [8, 720], 152_889),
    (1080, (30_000, 1001), 4115, 77_842, [4, 4, 16], [8, 720], 127_535),
    (1080, (50, 1), 4115, 46_659, [4, 4, 16], [8, 720], 76_444),
    (1080, (60_000, 1001), 4115, 38_921, [5, 5, 16], [9, 822], 63_767),
    (1080, (60, 1), 4115, 38_882, [5, 5, 16], [9, 823], 63_704),
    (2160, (25, 1), 16_458, 23_332, [9, 9, 19], [15, 1371], 152_889),
    (2160, (50, 1), 16_458, 11_666, [19, 19, 38], [30, 2743], 76_444),
    (2160, (60_000, 1001), 16_458, 9731, [23, 22, 45], [36, 3288], 63_767),
    (2160, (60, 1), 16_458, 9722, [23, 22, 45], [36, 3291], 63_704),
    (4320, (60_000, 1001), 65_829, 2433, [95, 91, 182], [146, 13_152], 63_767),
];

/// General packing, 1200 octets.
const GPM: [Row; 11] = [
    (720, (50, 1), 1920, 100_000, [4, 4, 16], [8, 720], 74_667),
    (720, (60_000, 1001), 1920, 83_417, [4, 4, 16], [8, 720], 62_284),
    (1080, (25, 1), 4320, 88_889, [4, 4, 16], [8, 720], 152_889),
    (1080, (30_000, 1001), 4320, 74_148, [4, 4, 16], [8, 720], 127_535),
    (1080, (50, 1), 4320, 44_444, [5, 5, 16], [8, 720], 76_444),
    (1080, (60_000, 1001), 4320, 37_074, [6, 5, 16], [9, 863], 63_767),
    (1080, (60, 1), 4320, 37_037, [6, 6, 16], [9, 864], 63_704),
    (2160, (25, 1), 17_280, 22_222, [10, 10, 20], [16, 1440], 152_889),
    (2160, (50, 1), 17_280, 11_111, [20, 20, 40], [32, 2880], 76_444),
    (2160, (60_000, 1001), 17_280, 9269, [24, 23, 47], [38, 3452], 63_767),
    (2160, (60, 1), 17_280, 9259, [25, 24, 48], [38, 3456], 63_704),
];

#[test]
fn the_tables_of_rates_and_limits_come_out() {
    for (height, (num, den), packets, t_rs, c_max, vrx, tro) in BPM.into_iter().chain(GPM) {
        let format = format(height * 16 / 9, height, num, den);
        let schedule = Schedule::new(&format, packets, ReadSchedule::Gapped);
        let row = format!("{format}, {packets} packets");
        assert_eq!((schedule.t_rs_picos() + 50) / 100, t_rs, "T_RS of {row}");
        let types = [SenderType::N, SenderType::NL, SenderType::W];
        assert_eq!(types.map(|t| schedule.c_max(t)), c_max, "C_MAX of {row}");
        assert_eq!([SenderType::N, SenderType::W].map(|t| schedule.vrx_full(t)), vrx, "VRX_FULL of {row}");
        assert_eq!(schedule.vrx_full(SenderType::NL), vrx[0]);
        assert_eq!((schedule.tro_default_nanos() + 5) / 10, tro, "TRO_DEFAULT of {row}");
    }
}

#[test]
fn numbers_of_packets_in_the_table_are_those_of_the_plans() {
    use crate::{PackingMode, PackingPlan, UdpLimit};
    for (height, (num, den), packets, ..) in BPM {
        let plan = PackingPlan::new(format(height * 16 / 9, height, num, den), PackingMode::Bpm, UdpLimit::Standard);
        assert_eq!(plan.unwrap().packets_per_frame(), packets, "{height}");
    }
    for (height, (num, den), packets, ..) in GPM.into_iter().filter(|row| row.0 >= 1080) {
        let plan = PackingPlan::new(format(height * 16 / 9, height, num, den), PackingMode::Gpm, UdpLimit::Standard);
        assert_eq!(plan.unwrap().packets_per_frame(), packets, "{height}");
    }
}

#[test]
fn a_linear_schedule_takes_the_whole_frame_and_a_gapped_one_24_of_25() {
    let format = format(1920, 1080, 50, 1);
    let t_vd = Tai::from_nanos(1_000_000);
    for (schedule, last) in [(ReadSchedule::Linear, 20_000_000), (ReadSchedule::Gapped, 19_200_000)] {
        let schedule = Schedule::new(&format, 4320, schedule);
        assert_eq!(schedule.at(0, t_vd), t_vd);
        assert_eq!(schedule.at(4320, t_vd).nanos_since(t_vd), last);
        assert_eq!(schedule.at(2160, t_vd).nanos_since(t_vd), last / 2);
    }
}

#[test]
fn nothing_is_due_before_t_vd_and_everything_is_in_the_end() {
    let schedule = Schedule::new(&format(1920, 1080, 60_000, 1001), 4320, ReadSchedule::Gapped);
    let t_vd = schedule.t_vd(Tai::from_nanos(5_000_000_000));
    assert_eq!(t_vd.as_nanos(), 5_000_637_674);
    assert_eq!(schedule.due(t_vd.plus_nanos(-1), t_vd), 0);
    assert_eq!(schedule.due(t_vd, t_vd), 1);
    assert_eq!(schedule.due(t_vd.plus_nanos(17_000_000), t_vd), 4320);
    assert_eq!(schedule.due(Tai::from_nanos(i64::MAX), Tai::from_nanos(i64::MIN)), 4320);
    assert_eq!(schedule.due(Tai::from_nanos(i64::MIN), t_vd), 0);
}

#[test]
fn the_words_are_those_of_sdp() {
    let words = [SenderType::N, SenderType::NL, SenderType::W].map(|t| t.to_string());
    assert_eq!(words, ["2110TPN", "2110TPNL", "2110TPW"]);
}

proptest! {
    /// `at` is the first nanosecond at which `due` counts the packet: at any rate, also where 64 bits
    /// are not enough.
    #[test]
    fn due_and_at_are_inverse(
        num in prop_oneof![1u32..130, Just(60_000), any::<u32>()],
        den in prop_oneof![Just(1u32), Just(1001), 1..u32::MAX],
        packets in 1u32..2_000_000,
        pick in 0.0f64..1.0,
        linear in any::<bool>(),
    ) {
        prop_assume!(num > 0);
        // Frames of up to a day.
        prop_assume!(u64::from(den) < u64::from(num) * 86_400);
        let schedule = if linear { ReadSchedule::Linear } else { ReadSchedule::Gapped };
        let schedule = Schedule::new(&format(1920, 1080, num, den), packets, schedule);
        let packet = (f64::from(packets - 1) * pick) as u32;
        let t_vd = Tai::from_nanos(1_790_000_000_000_000_000);
        let at = schedule.at(packet, t_vd);
        prop_assert!(schedule.due(at, t_vd) > packet);
        prop_assert!(schedule.due(at.plus_nanos(-1), t_vd) <= packet);
    }

    #[test]
    fn due_never_falls(packets in 1u32..20_000, a in 0i64..40_000_000, b in 0i64..40_000_000) {
        let schedule = Schedule::new(&format(1920, 1080, 60_000, 1001), packets, ReadSchedule::Gapped);
        let due = |nanos| schedule.due(Tai::from_nanos(nanos), Tai::EPOCH);
        prop_assert!(due(a.min(b)) <= due(a.max(b)));
        prop_assert!(due(a) <= packets);
    }
}
