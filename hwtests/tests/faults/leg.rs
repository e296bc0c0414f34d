//! Sixty-four senders of two legs (ST 2022-7), of which one leg stops to drain.

use hwtests::crowd::{Crowd, FLOWS, Setting, cam, out};
use hwtests::gateway_bench::{LIMIT, port_counter};
use hwtests::{Statistics, StuckPeer, eventually, take_turn};

use crate::{can_run, is_told};

/// By the second port, to a peer that answers on it.
const PEER: &str = "10.79.0.1";
const SECOND: &str = "second_destination = \"10.79.0.1:5004\"\nsecond_interface = \"blue\"\n";
const PORT: &str = "[[port]]\nname = \"blue\"\ndevice = \"net_af_packet:near2\"\naddresses = [\"10.79.0.2/24\"]\n\
                    packets_per_second = 20000\nhold_ms = 20\n";

/// Packets of a frame as it is sent: one for each row.
const PACKETS: u64 = 32;

/// Whether the first legs have sent every packet of the frames that came in.
fn first_legs_are_whole(now: &Statistics) -> bool {
    let frames = now.sum("receiver", "grains_complete");
    port_counter(now, "tx_media_packets") == frames * PACKETS
}

#[test]
fn a_leg_that_stands_still_costs_the_other_leg_no_packet() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let setting = Setting { sender_keys: SECOND, more: PORT, ..Setting::default() };
    let mut peer = None;
    let mut crowd = Crowd::set_up_with(setting, |bench| {
        peer = Some(StuckPeer::wire(&bench.rack, &format!("{PEER}/24"))?);
        Ok(())
    })
    .unwrap();
    let peer = peer.unwrap();
    let blue = |crowd: &Crowd, counter: &str| crowd.gateway.statistics().unwrap().of("port", "blue", counter).unwrap();
    eventually("the peer is found", || blue(&crowd, "neighbours_found") > 0);
    crowd.play(10);
    let all = 10 * u64::from(FLOWS) * PACKETS;
    let both =
        |now: &Statistics| [port_counter(now, "tx_media_packets"), now.of("port", "blue", "tx_media_packets").unwrap()];
    let statistics = crowd.gateway.settle(LIMIT, |now| both(now) == [all; 2]).unwrap();
    assert_eq!(both(&statistics), [all; 2], "both legs are whole");

    peer.stop_draining().unwrap();
    eventually("the second port is full", || {
        crowd.play(5);
        blue(&crowd, "tx_queue_full") > 0
    });
    let skipped = |crowd: &Crowd| crowd.gateway.statistics().unwrap().sum("sender", "packets_skipped_late");
    eventually("its packets are skipped when they are late", || {
        crowd.play(5);
        skipped(&crowd) > 0
    });
    crowd.play(50);
    is_told(&crowd.gateway, &format!("sender {}: packets skipped because their frame was late", out(0)));
    let whole = crowd.gateway.settle(LIMIT, first_legs_are_whole).unwrap();
    let frames = whole.of("receiver", &cam(0), "grains_complete").unwrap();
    assert!((0..FLOWS).all(|number| whole.of("receiver", &cam(number), "grains_complete").unwrap() == frames));
    assert_eq!(whole.sum("receiver", "packets_lost") + whole.sum("receiver", "grains_no_slot"), 0);
    assert_eq!(whole.sum("sender", "grains_missed"), 0, "no sender fell behind its ring");
    assert_eq!(
        port_counter(&whole, "tx_media_packets"),
        frames * u64::from(FLOWS) * PACKETS,
        "no first leg lost a packet"
    );

    // It drains again: both legs are whole from then on, without anybody's help.
    peer.drain().unwrap();
    eventually("nothing is late any more", || {
        let before = skipped(&crowd);
        crowd.play(10);
        skipped(&crowd) == before
    });
    let (before, first) =
        (blue(&crowd, "tx_media_packets"), port_counter(&crowd.gateway.statistics().unwrap(), "tx_media_packets"));
    crowd.play(10);
    eventually("both legs carry the same", || {
        let now = crowd.gateway.statistics().unwrap();
        port_counter(&now, "tx_media_packets") >= first + all && blue(&crowd, "tx_media_packets") >= before + all
    });
    crowd.gateway.stop().unwrap();
}
