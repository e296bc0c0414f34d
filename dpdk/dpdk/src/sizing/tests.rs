//! Rules that every sizing keeps, over all demands; and the figures that were measured.

use proptest::prelude::*;

use super::*;

fn device(kind: usize) -> Device {
    let netdev = "eth0".to_owned();
    match kind {
        0 => Device::AfPacket { netdev },
        1 => Device::AfXdp { netdev },
        2 => Device::Tap { netdev },
        3 => Device::Ring,
        4 => Device::Null,
        _ => Device::Pci("3b:00.0".parse().unwrap()),
    }
}

fn demand(packets_per_second: u32, hold_ms: u32, mtu: u16, streams: u16) -> Demand {
    Demand { packets_per_second, hold_ms, mtu, streams }
}

proptest! {
    #[test]
    fn sizes_keep_every_rule(
        kind in 0_usize..6,
        packets_per_second in 0_u32..40_000_000,
        hold_ms in 0_u32..1_000,
        mtu in 0_u16..u16::MAX,
        streams in any::<u16>(),
    ) {
        let device = device(kind);
        let demand = demand(packets_per_second, hold_ms, mtu, streams);
        let Ok(sizing) = Sizing::new(&device, demand) else { return Ok(()) };
        for descriptors in [sizing.rx_descriptors, sizing.tx_descriptors] {
            prop_assert!(descriptors.is_power_of_two() && (512..=4_096).contains(&descriptors));
        }
        for mbufs in [sizing.rx_mbufs, sizing.tx_mbufs] {
            prop_assert!((mbufs + 1).is_power_of_two() && mbufs <= MBUFS_MAX);
            prop_assert!(mbufs > u32::from(sizing.rx_descriptors) + packets_in(packets_per_second, hold_ms));
            prop_assert!(u32::from(CACHE) * 3 / 2 <= mbufs);
        }
        let held = packets_in(packets_per_second, hold_ms);
        prop_assert!(sizing.held_packets >= held);
        prop_assert!(sizing.held_packets + 2 * u32::from(sizing.rx_descriptors) <= sizing.rx_mbufs);
        for elsewhere in [0, 512, 4_096, 40_000] {
            let Ok(more) = sizing.relaying_by(elsewhere) else { continue };
            prop_assert!(more.held_packets >= held);
            prop_assert_eq!(more.rx_mbufs - more.held_packets, sizing.rx_mbufs - sizing.held_packets + elsewhere);
            prop_assert!(more.rx_mbufs <= sizing.rx_mbufs + elsewhere, "no more than is wanted");
        }
        prop_assert!(sizing.rx_data_octets >= mtu + LINK_OCTETS);
        prop_assert!(sizing.linear_pool(None).data_octets >= mtu + LINK_OCTETS);
        prop_assert_eq!(sizing.packet_ring.is_some(), kind == 0);
        if let Some(ring) = sizing.packet_ring {
            prop_assert!(ring.frame_octets >= u32::from(mtu) + u32::from(LINK_OCTETS) + 66);
            prop_assert!(ring.frame_octets.is_power_of_two() && ring.frames.is_power_of_two());
            prop_assert!(ring.block_octets % 4_096 == 0 && ring.block_octets % ring.frame_octets == 0);
            prop_assert!(ring.frames % (ring.block_octets / ring.frame_octets) == 0);
            prop_assert!(ring.frames >= 16_384 && ring.bridged_ms >= 100);
            prop_assert!(u32::from(sizing.rx_data_octets) >= ring.frame_octets - 32);
            prop_assert!(2 * u64::from(ring.frames) * u64::from(ring.frame_octets) < 1 << 32);
        }
    }

    #[test]
    fn more_is_never_sized_for_less(rate in 0_u32..2_000_000, more in 0_u32..2_000_000, hold_ms in 0_u32..200) {
        for kind in 0..6 {
            let size = |rate| Sizing::new(&device(kind), demand(rate, hold_ms, 1_500, 8));
            if let (Ok(small), Ok(large)) = (size(rate), size(rate + more)) {
                prop_assert!(large.rx_mbufs >= small.rx_mbufs && large.tx_mbufs >= small.tx_mbufs);
                prop_assert!(large.rx_descriptors >= small.rx_descriptors);
            }
        }
    }
}

#[test]
fn a_frame_of_af_xdp_fits_a_page() {
    let xdp = device(1);
    assert_eq!(AF_XDP_MTU_MAX, 3_438);
    let widest = Sizing::new(&xdp, demand(1, 0, AF_XDP_MTU_MAX, 1)).unwrap();
    let object = 64 + 128 + 128 + u32::from(widest.rx_data_octets);
    assert_eq!(object.next_multiple_of(64), 63 * 64);
    let refusal = Sizing::new(&xdp, demand(1, 0, AF_XDP_MTU_MAX + 1, 1)).unwrap_err();
    assert_eq!(refusal, SizingError::XdpMtu { asked: AF_XDP_MTU_MAX + 1 });
    assert!(refusal.to_string().contains("at most 3438 octets"), "{refusal}");
}

#[test]
fn an_ordinary_port_of_af_packet_is_told_in_words() {
    let sizing = Sizing::new(&device(0), demand(90_000, 20, 1_500, 4)).unwrap();
    let ring = sizing.packet_ring.unwrap();
    assert_eq!((ring.frame_octets, ring.frames, ring.block_octets), (2_048, 16_384, 65_536));
    let words = sizing.to_string();
    assert!(words.contains("16384 frames of 2048 octets (64 MiB), which bridge 182 ms"), "{words}");
    let jumbo = Sizing::new(&device(0), demand(400_000, 20, 9_000, 4)).unwrap().packet_ring.unwrap();
    assert_eq!((jumbo.frame_octets, jumbo.frames, jumbo.block_octets), (16_384, 65_536, 65_536));
}

#[test]
fn half_of_the_ring_may_pass_unseen() {
    let patience = |kind, rate| {
        let device = device(kind);
        Sizing::new(&device, demand(rate, 20, 1_500, 4)).unwrap().patience(&device)
    };
    // 16,384 frames of net_af_packet; the descriptors of a card.
    assert_eq!(patience(0, 81_920), Duration::from_millis(100));
    let card = Sizing::new(&device(4), demand(260_000, 20, 1_500, 4)).unwrap();
    assert_eq!(card.patience(&device(4)), Duration::from_secs(1) * u32::from(card.rx_descriptors) / 520_000);
    assert!(patience(4, 1_036_000) < Duration::from_millis(4), "a card that is fast is looked at often");
    // A driver that made its ring shorter.
    assert_eq!(card.with_descriptors(520).patience(&device(4)), Duration::from_millis(1));
}

#[test]
fn what_cannot_be_is_refused_with_what_can() {
    assert_eq!(Sizing::new(&device(4), demand(1, 0, 9_199, 1)), Err(SizingError::Mtu { asked: 9_199 }));
    assert_eq!(Sizing::new(&device(4), demand(1, 0, 575, 1)), Err(SizingError::Mtu { asked: 575 }));
    assert!(matches!(Sizing::new(&device(0), demand(2_000_000, 0, 9_000, 1)), Err(SizingError::PacketRing { .. })));
    assert!(matches!(Sizing::new(&device(4), demand(u32::MAX, 1_000, 1_500, 1)), Err(SizingError::Buffers { .. })));
}

#[test]
fn what_relays_have_on_the_way_out_is_not_missing_where_packets_come_in() {
    for packets_per_second in (10_000..400_000).step_by(10_000) {
        let sizing = Sizing::new(&device(5), demand(packets_per_second, 20, 1_500, 1)).unwrap();
        let queues = u32::from(sizing.rx_descriptors) + u32::from(sizing.tx_descriptors);
        let held = packets_in(packets_per_second, 20) + u32::from(CACHE) * 3 / 2;
        assert!(sizing.rx_mbufs > queues + held, "{} buffers at {packets_per_second}/s", sizing.rx_mbufs);
    }
}
