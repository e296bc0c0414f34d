//! Bad input from the wire: counted by reason, nothing good lost, never a panic.

use netio::sim::Faults;
use proptest::prelude::*;

use super::relay::Source;
use super::studio::{Command, Report, Studio, drain, format, picture};
use crate::forwarder::Rewrite;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// Sends `spoil`'s version of one packet between two sound frames; both frames must be whole.
fn beside_sound_frames(spoil: impl Fn(&mut Vec<u8>), counted: &str) {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut stranger = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    camera.send(0, 0);
    studio.pass(1_000_000);
    let mut bad = stranger.datagram(7, 0, 3);
    spoil(&mut bad);
    stranger.send_raw(&bad);
    studio.pass(FRAME);
    camera.send(1, TICKS);
    studio.pass(FRAME);
    let values = receiving.counters.values();
    let count = values.iter().find(|(name, _)| *name == counted).map(|(_, value)| *value);
    assert_eq!(count, Some(1), "{counted}: {values:?}");
    let grains = drain(&mut reader);
    assert_eq!(grains[0].0, picture(&receiving.format, 0), "{counted}");
    assert_eq!(grains[1].0, picture(&receiving.format, 1), "{counted}");
}

#[test]
fn what_is_no_packet_of_the_stream_is_counted_by_reason() {
    beside_sound_frames(|p| p.truncate(11), "rtp_malformed");
    beside_sound_frames(|p| p[0] = 0x40, "rtp_malformed");
    beside_sound_frames(|p| p[1] = 97, "payload_type_wrong");
    beside_sound_frames(|p| p[11] ^= 1, "ssrc_foreign");
    beside_sound_frames(|_| {}, "duplicates");
    beside_sound_frames(|p| p[2..4].copy_from_slice(&50_000_u16.to_be_bytes()), "doubtful");
}

/// One burst of a port: `spoil`'s version of a packet, a packet for nobody, and datagrams that are no RTP for a relay, each in
/// front of sound packets of its own stream and of others.
fn before_sound_packets_of_one_burst(spoil: fn(&mut Vec<u8>), counted: &str) {
    let mut studio = Studio::new(1, Faults::default());
    let destinations: Vec<_> = (0..4).map(|_| studio.address()).collect();
    let (input, heard) = studio.shared(&destinations, 4);
    let receive = |studio: &mut Studio, at: usize| {
        let legs = [Leg { input, destination: destinations[at] }];
        let (receiver, receiving) = studio.receiver(&legs, format(25), 16, |_| {});
        assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        receiving
    };
    let (mut broken, mut other) = (receive(&mut studio, 0), receive(&mut studio, 2));
    let relay = studio.relay_of(&[Leg { input, destination: destinations[3] }], |_| {});
    let mut far = studio.forward(Some(&relay), Rewrite::default());
    let (mut camera, mut stranger) = (studio.camera(&broken, 1), studio.camera(&broken, 1));
    let mut beside = studio.camera(&other, 1);
    let mut nobody = Source::new(&studio, destinations[1], 7);
    let mut relayed = Source::new(&studio, relay.destination, 7);
    let mut readers = [studio.reader(&mut broken, 8), studio.reader(&mut other, 8)];
    let packets = camera.packets();
    for packet in 0..packets {
        let mut bad = stranger.datagram(0, 0, packet);
        spoil(&mut bad);
        camera.send_raw(&bad);
        let good = camera.datagram(0, 0, packet);
        camera.send_raw(&good);
        nobody.send(packet as u16, 0);
        let good = beside.datagram(0, 0, packet);
        beside.send_raw(&good);
        relayed.send_raw(&[0x40; 12], &[1; 8]);
        relayed.send(packet as u16, 0);
        studio.pass(50_000);
    }
    studio.pass(FRAME);
    let (values, wrong) = (broken.counters.values(), u64::from(packets));
    let count = values.iter().find(|(name, _)| *name == counted).map(|(_, value)| *value);
    assert_eq!((count, heard.packets_unsteered.value()), (Some(wrong), wrong), "{counted}: {values:?}");
    for (reader, receiving) in readers.iter_mut().zip([&broken, &other]) {
        let counters = &receiving.counters;
        assert_eq!((counters.grains_complete.value(), counters.packets_lost.value()), (1, 0), "{counted}");
        assert_eq!(drain(reader)[0].0, picture(&receiving.format, 0), "{counted}");
    }
    assert_eq!(relay.counters.rtp_malformed.value(), wrong);
    assert!(far.sequences().into_iter().eq(0..packets as u16), "{counted}: the relay has lost some");
}

#[test]
fn what_is_bad_costs_nothing_that_comes_behind_it_in_its_burst() {
    before_sound_packets_of_one_burst(|p| p.truncate(11), "rtp_malformed");
    before_sound_packets_of_one_burst(|p| p[0] = 0x40, "rtp_malformed");
    before_sound_packets_of_one_burst(|p| p[1] = 97, "payload_type_wrong");
    before_sound_packets_of_one_burst(|p| p[11] ^= 1, "ssrc_foreign");
    before_sound_packets_of_one_burst(|p| p[16..18].copy_from_slice(&[0, 16]), "segment_row");
    before_sound_packets_of_one_burst(|p| p.truncate(100), "segment_truncated");
}

#[test]
fn padding_extensions_and_contributors_are_read_over() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    for packet in 0..camera.packets() {
        let mut datagram = camera.datagram(3, 0, packet);
        datagram.splice(12..12, [0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8]); // RFC 3550 §5.3.1: two words
        datagram.splice(12..12, [9; 8]); // two CSRCs
        datagram.extend([0, 0, 3]);
        datagram[0] |= 0b0011_0010; // P, X, CC = 2
        camera.send_raw(&datagram);
    }
    studio.pass(FRAME);
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 3), "{:?}", receiving.counters.values());
    assert_eq!(receiving.counters.octets_trailing.value(), 0);
}

/// Puts `spoil`'s version of a packet into an open frame in place of the sound one, which comes after it.
fn within_a_frame(spoil: impl Fn(&mut Vec<u8>), counted: &str) {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    camera.send_some(0, 0, |packet| packet != 3 && packet < 31);
    let mut bad = camera.datagram(0, 0, 3);
    spoil(&mut bad);
    camera.send_raw(&bad);
    for packet in [3, 31] {
        let good = camera.datagram(0, 0, packet);
        camera.send_raw(&good);
    }
    studio.pass(FRAME);
    let values = receiving.counters.values();
    let count = values.iter().find(|(name, _)| *name == counted).map(|(_, value)| *value);
    assert!(count.is_some_and(|count| count > 0), "{counted}: {values:?}");
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 0), "{counted}");
}

// Octets of the datagram: RTP 0..12, extended sequence 12..14, then SRD length, row, offset.
#[test]
fn bad_segments_are_counted_by_reason_and_write_nothing() {
    within_a_frame(|p| p[16..18].copy_from_slice(&[0, 16]), "segment_row");
    within_a_frame(|p| p[16] |= 0x80, "segment_field");
    within_a_frame(|p| p[18..20].copy_from_slice(&[0x02, 0xd0]), "segment_offset");
    within_a_frame(|p| p[19] |= 1, "segment_offset");
    within_a_frame(|p| p[14..16].copy_from_slice(&[0, 0]), "segment_length");
    within_a_frame(|p| p[14..16].copy_from_slice(&[0, 7]), "segment_length");
    within_a_frame(|p| p.truncate(100), "segment_truncated");
    within_a_frame(|p| p[18..20].copy_from_slice(&[0x01, 0xf4]), "segment_offset");
    within_a_frame(
        |p| {
            p[18] |= 0x80;
            p.truncate(22);
        },
        "payload_malformed",
    );
    within_a_frame(|p| p.extend([0xee; 9]), "octets_trailing");
}

/// Sends `spoil`'s version of one packet right before the sound one of that number, inside a frame and between two.
fn in_the_number_of_a_sound_packet(spoil: impl Fn(&mut Vec<u8>), counted: &str) {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    for number in 0..3 {
        for packet in 0..camera.packets() {
            let good = camera.datagram(number, number * TICKS, packet);
            if packet % 5 == 0 {
                let mut bad = good.clone();
                spoil(&mut bad);
                camera.send_raw(&bad);
            }
            camera.send_raw(&good);
        }
        studio.pass(FRAME);
    }
    let values = receiving.counters.values();
    let count = values.iter().find(|(name, _)| *name == counted).map(|(_, value)| *value);
    assert!(count.is_some_and(|count| count > 0), "{counted}: {values:?}");
    let pictures: Vec<_> = drain(&mut reader).into_iter().map(|(bytes, _)| bytes).collect();
    let sent: Vec<_> = (0..3).map(|number| picture(&receiving.format, number)).collect();
    assert!(pictures == sent, "{counted}: {} frames, {values:?}", pictures.len());
}

#[test]
fn a_packet_without_samples_takes_no_number_and_opens_no_grain() {
    // Row 16 of 16, and a payload that is not there: as RFC 6263 keeps paths open.
    let row: fn(&mut Vec<u8>) = |p| p[16..18].copy_from_slice(&[0, 16]);
    let empty: fn(&mut Vec<u8>) = |p| p.truncate(12);
    for (spoil, counted) in [(row, "segment_row"), (empty, "payload_malformed")] {
        in_the_number_of_a_sound_packet(spoil, counted);
        // Octets 4 to 7 are the timestamp, 2 and 3 the number.
        in_the_number_of_a_sound_packet(|p| (spoil(p), p[4] ^= 0x55).1, counted);
        in_the_number_of_a_sound_packet(|p| (spoil(p), p[4] ^= 0x55, p[3] ^= 0x10).1, counted);
    }
}

#[test]
fn a_stranger_cannot_take_a_stream_that_is_alive() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut camera = studio.camera(&receiving, 1);
    let mut stranger = studio.camera(&receiving, 2);
    let mut reader = studio.reader(&mut receiving, 8);
    for number in 0..4 {
        camera.send(number, number * TICKS);
        stranger.send(100 + number, number * TICKS + 5);
        studio.pass(FRAME);
    }
    assert_eq!(receiving.counters.ssrc_foreign.value(), 4 * u64::from(camera.packets()));
    let grains = drain(&mut reader);
    assert!((0..4).zip(&grains).all(|(number, (bytes, _))| *bytes == picture(&receiving.format, number)));
    // The camera falls silent: whoever sends the same picture may take over.
    studio.pass(400_000_000);
    stranger.send(200, 77);
    studio.pass(FRAME);
    assert_eq!(receiving.counters.ssrc_changes.value(), 1);
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 200));
}

#[test]
fn sources_outside_of_the_filter_are_counted_and_dropped() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive_with(format(25), 16, |c| c.sources = vec!["192.0.2.10".parse().unwrap()]);
    let mut foreign = studio.camera_from(&receiving, "192.0.2.66:40000".parse().unwrap());
    let mut camera = studio.camera(&receiving, 1);
    let mut reader = studio.reader(&mut receiving, 8);
    foreign.send(1, 0);
    camera.send(2, 0);
    studio.pass(FRAME);
    assert_eq!(receiving.counters.source_foreign.value(), u64::from(foreign.packets()));
    assert_eq!(drain(&mut reader)[0].0, picture(&receiving.format, 2));
}

#[test]
fn a_sender_that_starts_its_sequence_anew_loses_nothing() {
    let mut studio = Studio::new(1, Faults::default());
    let mut receiving = studio.receive(format(25), 16);
    let mut reader = studio.reader(&mut receiving, 8);
    let mut first = studio.camera(&receiving, 5);
    let mut second = studio.camera(&receiving, 5);
    // The second camera has the same SSRC and begins far from where the first one is.
    for _ in 0..50_000 {
        second.datagram(0, 0, 0);
    }
    first.send(0, 0);
    studio.pass(FRAME);
    second.send(1, TICKS);
    studio.pass(FRAME);
    let grains = drain(&mut reader);
    assert_eq!(grains.len(), 2, "{:?}", receiving.counters.values());
    assert_eq!(grains[1].0, picture(&receiving.format, 1));
    assert!(grains[1].1.is_empty());
    assert_eq!(receiving.counters.sequence_restarts.value(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the wire does, what is published is either right or declared lost.
    #[test]
    fn every_published_line_is_right_or_lost(seed in any::<u64>(), loss in 0_u16..200, truncate in 0_u16..100) {
        let faults = Faults {
            loss_per_mille: loss,
            reorder_per_mille: 100,
            duplicate_per_mille: 50,
            truncate_per_mille: truncate,
            chain_per_mille: 100,
            ..Faults::default()
        };
        let mut studio = Studio::new(seed, faults);
        let mut receiving = studio.receive(format(25), 16);
        let mut camera = studio.camera(&receiving, 1);
        let mut reader = studio.reader(&mut receiving, 12);
        for number in 0..4 {
            camera.send(number, number * TICKS);
            studio.pass(FRAME);
        }
        studio.pass(3 * FRAME);
        let row = receiving.format.row_octets() as usize;
        let pictures: Vec<_> = (0..4).map(|number| picture(&receiving.format, number)).collect();
        for (bytes, lost) in drain(&mut reader) {
            let right = |candidate: &Vec<u8>| (0..16_u16).all(|line| {
                let at = usize::from(line) * row;
                lost.contains(&line) || bytes[at..at + row] == candidate[at..at + row]
            });
            prop_assert!(pictures.iter().any(right));
        }
    }

    /// Random octets on the wire neither panic nor open a grain.
    #[test]
    fn random_datagrams_are_harmless(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..40)) {
        let mut studio = Studio::new(1, Faults::default());
        let receiving = studio.receive(format(25), 16);
        let mut camera = studio.camera(&receiving, 1);
        for datagram in &datagrams {
            camera.send_raw(datagram);
        }
        studio.pass(FRAME);
        prop_assert_eq!(receiving.counters.packets.value(), datagrams.len() as u64);
    }
}
