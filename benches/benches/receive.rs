//! Packets into a ring, beside a bare copy of the same octets and a whole-frame memcpy, in one run.
//!
//! The receiver checks every header, tracks every pgroup and publishes every line; the bare loop only copies
//! each payload to where it belongs; memcpy is the limit.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;

use benches::{Packets, hd};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use media::{Name, PayloadType, Tai};
use shm::{Broker, BrokerConfig, PagePolicy};
use st2110::TimelineMode;
use worker::{Receiver, ReceiverConfig};

fn receive(criterion: &mut Criterion) {
    let format = hd();
    let mut group = criterion.benchmark_group("receive 1080p 10 bit, one frame");
    group.throughput(Throughput::Bytes(u64::from(format.frame_octets())));

    let folder = tempfile::tempdir().expect("a folder");
    let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
    config.page_policy = PagePolicy::Prefer;
    let broker = Broker::start(config, |_| {}).expect("a broker");
    let name: Name = "bench".parse().expect("a name");
    let writer = broker.create_flow(&name, format, Some(16)).expect("a flow");
    let config = ReceiverConfig {
        format,
        payload_type: PayloadType(96),
        sources: Vec::new(),
        timeline: TimelineMode::Async,
        reorder_packets: 64,
        grain_timeout_nanos: i64::MAX,
        stores: shm::StoreChoice::default(),
    };
    let mut packets = Packets::new(format);
    let mut receiver = Receiver::new(&config, writer);
    let counters = receiver.counters();
    let mut now = 0;
    group.bench_function("receiver into a ring", |bencher| {
        bencher.iter(|| {
            now += 20_000_000;
            packets.next_frame(|packet| receiver.accept(&packet, 0, Tai::from_nanos(now), false));
            receiver.end_burst();
        });
    });
    assert_eq!(counters.packets_lost.value() + counters.grains_incomplete.value(), 0, "the bench lost packets");

    let mut frames = vec![vec![0_u8; format.frame_octets() as usize]; 16];
    let mut next = 0;
    group.bench_function("bare copy of each payload", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % frames.len();
            let mut at = 0;
            for payload in packets.payloads() {
                frames[next][at..at + payload.len()].copy_from_slice(payload);
                at += payload.len();
            }
            black_box(&frames[next]);
        });
    });

    let source = frames[0].clone();
    group.bench_function("memcpy of the frame", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % frames.len();
            frames[next].copy_from_slice(black_box(&source));
        });
    });
    group.finish();
}

criterion_group!(benches, receive);
criterion_main!(benches);
