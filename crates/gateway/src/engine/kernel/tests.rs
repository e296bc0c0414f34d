//! The engine over loopback, and what becomes of requests to workers that are gone.

use std::time::Duration;

use control::SenderSpec;
use worker::IdlePolicy;

use super::*;
use crate::clock::ClockKeeper;

/// An engine with one worker that floats.
fn engine() -> KernelEngine {
    let thread = ThreadSettings { idle: IdlePolicy::Sleep { longest: Duration::from_micros(250) }.into(), nice: 0 };
    let settings = KernelSettings { cores: Vec::new(), thread, tx: KernelTxConfig::default() };
    KernelEngine::start(&settings, &ClockKeeper::start().clock()).unwrap()
}

fn spec(destination: &str) -> SenderSpec {
    SenderSpec::new("out".parse().unwrap(), destination.parse().unwrap())
}

#[test]
fn workers_tell_whom_they_serve() {
    let engine = engine();
    let spec = spec("127.0.0.1:9");
    for key in 1..=3 {
        engine.add_sender(&SenderOrder::new(SenderKey(key), &spec, None)).unwrap();
    }
    engine.remove_sender(SenderKey(2)).unwrap();
    engine.remove_sender(SenderKey(2)).unwrap();
    engine.connect(SenderKey(3), None).unwrap();
    let workers = engine.workers();
    assert_eq!((workers.len(), workers[0].name.as_str(), workers[0].senders), (1, "worker-0", 2));
}

#[test]
fn what_cannot_be_sent_to_is_told_in_the_queues_words() {
    let refused = engine().add_sender(&SenderOrder::new(SenderKey(1), &spec("[fe80::1]:5004"), None)).unwrap_err();
    assert!(refused.to_string().contains("name the interface"), "{refused}");
    let (engine, one, second) = (engine(), spec("127.0.0.1:9"), spec("[fe80::1]:5006"));
    let order = SenderOrder::new(SenderKey(1), &one, None).with_second(&second, None);
    let refused = engine.add_sender(&order).unwrap_err();
    assert!(refused.to_string().contains("[fe80::1]:5006"), "{refused}");
    let second = spec("127.0.0.2:9");
    engine.add_sender(&SenderOrder::new(SenderKey(1), &one, None).with_second(&second, None)).unwrap();
}

#[test]
fn a_worker_that_has_ended_is_not_waited_for() {
    let engine = engine();
    let spec = spec("127.0.0.1:9");
    engine.add_sender(&SenderOrder::new(SenderKey(1), &spec, None)).unwrap();
    engine.stop();
    let error = engine.remove_sender(SenderKey(1)).unwrap_err();
    assert!(error.to_string().contains("worker-0 has ended"), "{error}");
    assert!(!engine.has_failed(), "it was stopped");
}

#[test]
fn a_socket_with_a_small_buffer_is_looked_at_often() {
    let rate = media::Rate::new(25, 1).unwrap();
    let format = VideoFormat::new(1280, 720, media::Sampling::YCbCr422, media::Depth::Bits10, rate).unwrap();
    // Two frames of 2,304,000 octets, and as much for what the kernel counts beside the payload.
    assert_eq!(holds_nanos(4 * 2_304_000, &format), 80_000_000);
    assert!(holds_nanos(2 * 65_536, &format) / 2 < 1_000_000, "less than the usual nap");
    assert_eq!(holds_nanos_unknown(260_000 * 2_304), 1_000_000_000);
}
