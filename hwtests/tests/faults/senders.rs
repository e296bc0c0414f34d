//! A port that does not give back what it is to send: on a ring that hands the sender's own buffers on, receivers that wait for
//! packets which never come keep them.

use std::collections::BTreeSet;
use std::time::Duration;

use hwtests::crowd::{Crowd, Setting, cam, format, frame};
use hwtests::{Statistics, eventually, gateway_bench, peer, take_turn};

use crate::{can_run, is_told, is_troubled};

/// Flows that go to that port too.
const BROKEN: u16 = 16;

/// How long a frame takes to come round at most.
const ROUND: Duration = Duration::from_secs(3);

/// A frame with a packet missing ends when the next one begins: its rest goes out in time, with the gap.
const IMPATIENT: &str = "reorder_packets = 0\ngrain_timeout_ms = 1000";

/// The port, with a sender and a receiver on it for each of the broken flows.
fn looped() -> String {
    let mut objects = "[[port]]\nname = \"loop\"\ndevice = \"net_ring\"\naddresses = [\"10.78.0.2/24\"]\n\
                       packets_per_second = 1000\nhold_ms = 1\n"
        .to_owned();
    for number in 0..BROKEN {
        let group = format!("239.78.1.{number}:5004");
        let sdp = peer::sdp(&format(), group.parse().unwrap()).replace('\r', "");
        objects += &format!(
            "[[receiver]]\nname = \"echo-{number}\"\ninterface = \"loop\"\nreorder_packets = 1024\ngrain_timeout_ms = 2000\n\
             sdp_text = \"\"\"\n{sdp}\"\"\"\n"
        );
        let sender = gateway_bench::sender_of(&cam(number), &format!("loop-{number}"), &group);
        objects += &sender
            .replace("lateness_frames = 10", "lateness_frames = 4")
            .replace("[[crosspoint]]", "interface = \"loop\"\n[[crosspoint]]");
    }
    objects
}

/// Frames that came round.
fn echoes(now: &Statistics) -> u64 {
    (0..BROKEN).map(|number| now.of("receiver", &format!("echo-{number}"), "grains_complete").unwrap_or(0)).sum()
}

#[test]
fn a_port_that_gives_nothing_back_costs_its_own_senders_only() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let more = looped();
    let setting = Setting { receiver_keys: IMPATIENT, more: &more, ..Setting::default() };
    let mut crowd = Crowd::set_up(setting).unwrap();
    crowd.play(10);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    let broken: BTreeSet<u16> = (0..BROKEN).collect();
    let of_loop =
        |crowd: &Crowd, counter: &str| crowd.gateway.statistics().unwrap().of("port", "loop", counter).unwrap();
    let of_sender = |crowd: &Crowd, number: u16, counter: &str| {
        crowd.gateway.statistics().unwrap().of("sender", &format!("loop-{number}"), counter).unwrap()
    };
    // A packet of each frame is missing: who hears it on the loop waits for it, and keeps what comes meanwhile.
    let lossy = |crowd: &mut Crowd, frames: u32| {
        crowd.play_with(frames, |number, stream, timestamp| {
            let mut datagrams = frame(stream, timestamp);
            if broken.contains(&number) {
                datagrams.remove(2);
            }
            datagrams
        });
    };
    eventually("frames come round", || echoes(&crowd.gateway.statistics().unwrap()) == 10 * u64::from(BROKEN));
    // Before the port's buffers are, the leases of each sender are used up: no sender can take more than its share.
    eventually("its senders miss frames", || {
        lossy(&mut crowd, 5);
        (0..BROKEN).all(|number| of_sender(&crowd, number, "grains_missed") > 0)
    });
    is_told(&crowd.gateway, "flow cam-0: consumers evicted");
    lossy(&mut crowd, 50);
    crowd.others_are_whole(&broken).unwrap();
    assert_eq!(of_loop(&crowd, "tx_no_mbufs"), 0);

    // Good frames: who waited gives up in time, and the port goes on.
    let missed = |crowd: &Crowd| (0..BROKEN).map(|number| of_sender(crowd, number, "grains_missed")).sum::<u64>();
    eventually("nothing is missed any more", || {
        let before = missed(&crowd);
        crowd.play(25);
        missed(&crowd) == before
    });
    eventually("frames come round again, all of ten", || {
        let before = echoes(&crowd.gateway.statistics().unwrap());
        crowd.play(10);
        let all = before + 10 * u64::from(BROKEN);
        let settled = crowd.gateway.settle(ROUND, |now| echoes(now) >= all).unwrap();
        echoes(&settled) >= all
    });
    crowd.others_are_whole(&broken).unwrap();
    eventually("every lease is back", || of_loop(&crowd, "tx_leases_held") == 0);
    eventually("status is content", || !is_troubled(&crowd.gateway, "sender loop-"));
    crowd.gateway.stop().unwrap();
}
