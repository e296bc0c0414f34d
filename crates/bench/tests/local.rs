//! `flypack-bench local`, `server` and `client` over the kernel's sockets: what is said adds up. No rate is looked at, and
//! what a busy machine loses is for the exit status to tell.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn bench(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flypack-bench"));
    command.args(words.split_whitespace());
    command
}

/// The exit status is 1 just when something is amiss.
fn agrees(output: &Output, is_whole: bool) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(i32::from(!is_whole)), "{log}");
}

fn number(value: &Value, path: &str) -> u64 {
    value.pointer(path).and_then(Value::as_u64).unwrap_or_else(|| panic!("{path} in {value:#}"))
}

/// Nothing lost, late, skipped, refused or wrong.
fn is_whole(outcome: &Value) -> bool {
    let sender = ["late_skipped", "not_sent", "refused_by_device", "grains_missed"];
    let mut amiss = sender.iter().chain(&["late", "refused", "grains_incomplete", "wrong_blocks"]);
    number(outcome, "/packets_lost") == 0 && amiss.all(|what| number(outcome, &format!("/total/{what}")) == 0)
}

#[test]
fn a_loop_over_sockets_accounts_for_every_packet() {
    let output = bench("local loop --device udp --format 360p25 --streams 2 --seconds 2 --pages plain --json --seed 7")
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let round = &report["rounds"][0];
    agrees(&output, is_whole(round));
    assert_eq!(number(round, "/total/wrong_blocks"), 0, "{report:#}");
    let (sent, received) = (number(round, "/total/tx_packets"), number(round, "/total/rx_packets"));
    assert!(received > 0 && received <= sent, "{received} of {sent}");
    assert!(sent - received <= number(round, "/packets_lost"), "{report:#}");
    // Every frame that was complete was checked whole.
    let frame = number(&report, "/plan/frame_octets");
    assert!(number(round, "/total/checked_octets") >= frame * number(round, "/total/grains_complete"), "{report:#}");
    assert_eq!(number(&report, "/plan/packets_per_frame"), 720);
    assert!(report["machine"]["kernel"].as_str().is_some_and(|kernel| !kernel.is_empty()));
    assert_eq!(String::from_utf8_lossy(&output.stderr).matches(" s  tx ").count(), 2);
}

#[test]
fn grains_can_be_checked_without_their_octets() {
    let words =
        "local loop --device udp --check grains --format 360p25 --seconds 1 --pages plain --json --lateness-ms 1000";
    let output = bench(words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let round = &report["rounds"][0];
    agrees(&output, is_whole(round));
    assert_eq!((number(round, "/total/wrong_blocks"), number(round, "/total/checked_octets")), (0, 0), "{report:#}");
    assert!(number(round, "/total/grains_complete") + number(round, "/total/grains_incomplete") > 0, "{report:#}");
    assert!(report["content"].as_str().unwrap().contains("lines of each grain"), "{report:#}");
}

#[test]
fn of_two_legs_one_copy_is_kept() {
    let words = "local loop --device udp --legs 2 --format 360p25 --seconds 1 --pages plain --json --lateness-ms 1000";
    let output = bench(words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let round = &report["rounds"][0];
    agrees(&output, is_whole(round));
    let (sent, received) = (number(round, "/total/tx_packets"), number(round, "/total/rx_packets"));
    let complete = number(round, "/total/grains_complete");
    assert!(complete > 0 && sent >= 2 * 720 * complete, "{report:#}");
    assert!(number(round, "/total/duplicates") > 0 && received <= sent, "{report:#}");
    assert_eq!(number(round, "/total/wrong_blocks"), 0, "{report:#}");
}

#[test]
fn both_threads_may_have_one_core() {
    let core = worker::run::usable_cores()[0];
    let words = format!("local loop --device udp --format 360p25 --seconds 1 --pages plain --json --cores {core}");
    let output = bench(&words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    agrees(&output, is_whole(&report["rounds"][0]));
    assert!(number(&report["rounds"][0], "/total/rx_packets") > 0, "{report:#}");
    assert_eq!(number(&report["rounds"][0], "/total/wrong_blocks"), 0, "{report:#}");
}

/// Ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_client_reports_what_the_server_has_heard() {
    let mut server =
        Server(bench("server --listen 127.0.0.1:0 --clients 1 --pages plain").stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let address = line.split_whitespace().nth(2).unwrap().trim_end_matches(',').to_owned();
    let words = format!("client {address} --format 360p25 --seconds 1 --pages plain --json");
    let output = bench(&words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    agrees(&output, is_whole(&report["sender"]) && is_whole(&report["receiver"]));
    let (sent, heard) = (number(&report["sender"], "/total/tx_packets"), &report["receiver"]);
    assert_eq!(number(heard, "/total/tx_packets"), sent);
    assert!(number(heard, "/total/rx_packets") > 0 && number(heard, "/total/wrong_blocks") == 0, "{report:#}");
    assert!(sent - number(heard, "/total/rx_packets") <= number(heard, "/packets_lost"), "{report:#}");
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(rest.contains(" s  rx "), "{rest}");
    assert_eq!(server.0.wait().unwrap().code(), output.status.code());
}

#[test]
fn more_flows_take_more_memory_and_are_plotted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scale.svg");
    let words = format!("scale --flows 1,3 --format 360p25 --device udp --seconds 1 --json --svg {}", file.display());
    let output = bench(&words).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let points = report["points"].as_array().unwrap();
    assert_eq!((number(&points[0], "/flows"), number(&points[1], "/flows")), (1, 3));
    let memory: Vec<f64> = points.iter().map(|point| point["memory_mib"].as_f64().unwrap()).collect();
    assert!(memory[0] > 1.0 && memory[1] > memory[0], "{memory:?}");
    agrees(&output, points.iter().all(|point| number(point, "/packets_lost") == 0));
    assert_eq!(std::fs::read_to_string(file).unwrap().matches("<polyline").count(), 3);
}

#[test]
fn what_cannot_be_measured_is_refused_with_what_would_work() {
    for (words, says) in [
        ("local loop --format 1081p50", "WIDTHx1081pRATE"),
        ("local copy --device udp", "leave --device out"),
        ("local relay --device udp", "leave --device out"),
        ("scale --flows 65", "1..=64"),
        ("local loop --device udp --against testpmd", "testpmd only sends"),
        ("local loop --device udp --against bare", "net_ring"),
        ("local loop --device udp --streams 65", "1..=64"),
        ("client 127.0.0.1:1", "start `flypack bench server` there"),
    ] {
        let output = bench(words).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {log}");
        assert!(log.contains(says), "{words}: {log}");
    }
}
