//! Flows that hold the port's last packet buffers, because each waits for a packet that never comes.

use std::collections::BTreeSet;

use hwtests::crowd::{Crowd, FLOWS, Setting, cam, frame};
use hwtests::{eventually, take_turn};

use crate::{can_run, is_told};

/// Waits for as many packets, and for as long, as a receiver may.
const PATIENT: &str = "reorder_packets = 1024\ngrain_timeout_ms = 60000";

#[test]
fn flows_that_wait_for_packets_cannot_keep_the_ports_buffers_from_the_others() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    // The smallest pool there is.
    let setting = Setting { port_packets_per_second: Some(1_000), receiver_keys: PATIENT, ..Setting::default() };
    let mut crowd = Crowd::set_up(setting).unwrap();
    crowd.play(5);
    crowd.others_are_whole(&BTreeSet::new()).unwrap();
    let broken: BTreeSet<u16> = (0..FLOWS / 2).collect();
    crowd.play_with(1, |number, stream, timestamp| {
        let mut datagrams = frame(stream, timestamp);
        if broken.contains(&number) {
            datagrams.remove(2);
        }
        datagrams
    });
    let cut = |crowd: &Crowd| {
        let statistics = crowd.gateway.statistics().unwrap();
        broken.iter().map(|number| statistics.of("receiver", &cam(*number), "waits_cut").unwrap()).sum::<u64>()
    };
    eventually("the pool is empty, and somebody lets go", || {
        crowd.play(5);
        cut(&crowd) > 0
    });
    is_told(&crowd.gateway, "port media: times without a free packet buffer to receive into");
    crowd.play(100);
    crowd.others_are_whole(&broken).unwrap();
    // Who has let go is whole from then on; the others of the broken still wait for their packet, and hold no more than there is.
    let whole = |number: u16| crowd.count(number, "waits_cut").unwrap() > 0;
    let let_go: Vec<u16> = broken.iter().copied().filter(|number| whole(*number)).collect();
    let before: Vec<u64> = let_go.iter().map(|number| crowd.count(*number, "grains_complete").unwrap()).collect();
    crowd.play(10);
    for (number, before) in let_go.into_iter().zip(before) {
        eventually("who let go is whole", || crowd.count(number, "grains_complete").unwrap() >= before + 10);
    }
    crowd.gateway.stop().unwrap();
}
