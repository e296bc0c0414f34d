//! A port that is restarted again and again while media flows.

use std::fs;

use hwtests::gateway_bench::flypack;
use hwtests::{eventually, take_turn};

use crate::{Road, can_run};

const RESTARTS: u64 = 10;
/// Octets that the process may grow by from the second restart on: what allocators keep.
const GROWTH_OCTETS: u64 = 4 << 20;

/// What the gateway's process holds: octets in memory, and open files.
fn held(road: &Road) -> (u64, usize) {
    let process = format!("/proc/{}", road.gateway.process().id());
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    (kib << 10, fs::read_dir(format!("{process}/fd")).unwrap().count())
}

#[test]
fn ten_restarts_under_media_leave_what_one_leaves() {
    if !can_run() {
        return;
    }
    let _turn = take_turn();
    let road = Road::begin("", "");
    let restart = |time: u64| {
        assert!(flypack(&road.gateway, "ports restart media").unwrap().1);
        eventually("the port answers pings again", || road.bench.answers_pings().unwrap());
        road.flows("after a restart");
        assert_eq!((road.count("restarts"), road.count("restart_failures")), (time, 0));
        held(&road)
    };
    restart(1);
    let (octets, files) = restart(2);
    let (octets_after, files_after) = (3..=RESTARTS).fold((octets, files), |_, time| restart(time));
    assert_eq!(files_after, files, "open files");
    assert!(octets_after < octets + GROWTH_OCTETS, "{octets} octets in memory became {octets_after}");
    let log = road.end();
    assert_eq!(log.matches("port media: was restarted").count() as u64, RESTARTS, "{log}");
    assert!(!log.contains("ERROR") && !log.contains("still in the hands of a device"), "{log}");
}
