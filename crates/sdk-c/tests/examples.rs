//! The C examples, compiled by a C compiler and run against a broker.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "stage/broker.rs"]
mod stage;

use std::process::{Child, Stdio};

use stage::{Camera, Stage, example, name, sum};

/// Killed at the latest when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs consume.c on `flow` for `grains` grains, checks each of them, and gives back how they were read.
fn consume(stage: &Stage, flow: &str, grains: usize) -> Vec<String> {
    let consumer = stage.compile(&example("consume.c"));
    let output = stage.command(&consumer).arg(stage.socket()).args([flow, &grains.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut last = 0;
    let hows = text.lines().map(|line| {
        let mut words = line.splitn(3, ' ');
        let index: u64 = words.next().unwrap().parse().unwrap();
        let read: u64 = words.next().unwrap().parse().unwrap();
        assert_eq!(read, sum(index), "grain {index}");
        assert!(index > last);
        last = index;
        words.next().unwrap().to_owned()
    });
    hows.collect()
}

#[test]
fn a_c_program_reads_what_another_one_produces() {
    let stage = Stage::new();
    let producer = stage.compile(&example("produce.c"));
    let mut command = stage.command(&producer);
    let running = Running(command.arg(stage.socket()).args(["gfx", "1000000"]).spawn().unwrap());
    while !stage.broker.flows().iter().any(|flow| flow.name == name("gfx")) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(consume(&stage, "gfx", 12), vec!["copied"; 12]);
    drop(running);
}

#[test]
fn a_c_program_reads_the_gateways_pictures_in_place() {
    let stage = Stage::new();
    let _camera = Camera::start(&stage);
    assert_eq!(consume(&stage, "cam", 12), vec!["in place"; 12]);
}

#[test]
fn a_c_producer_ends_its_flow() {
    let stage = Stage::new();
    let producer = stage.compile(&example("produce.c"));
    let output = stage.command(&producer).arg(stage.socket()).args(["gfx", "3"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_c_program_says_what_is_wrong() {
    let stage = Stage::new();
    let consumer = stage.compile(&example("consume.c"));
    let said = |socket: &str, flow: &str| {
        let output = stage.command(&consumer).args([socket, flow, "1"]).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let socket = stage.socket().into_os_string().into_string().unwrap();
    assert!(said(&socket, "none").contains("there is no such flow"));
    let elsewhere = stage.path("missing/broker.sock").into_os_string().into_string().unwrap();
    let text = said(&elsewhere, "cam");
    assert!(text.contains(&elsewhere) && text.contains("start flypackd"), "{text}");
}
