//! What the ring itself costs one process, step by step, beside memcpy. Hand-over between processes is
//! `flypack bench shm`.
#![allow(missing_docs, reason = "criterion's macros make undocumented items")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::{FrameSize, Writing};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use media::GrainIndex;

const SIZE: FrameSize = FrameSize::MIB_8;

fn writer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring, writer");
    for consumers in [1, 16, 64] {
        let mut writing = Writing::new(SIZE, consumers).expect("a ring");
        group.bench_function(BenchmarkId::new("open, commit, consumers pass", consumers), |bencher| {
            bencher.iter(|| {
                let grain = writing.open();
                writing.commit(grain);
                writing.keep_up();
            });
        });
        group.bench_function(BenchmarkId::new("publish a line", consumers), |bencher| {
            bencher.iter_custom(|lines| publish(&mut writing, lines));
        });
    }
    group.finish();
}

/// Publishes so many lines, each by itself, in as many grains as that takes; their opening is not timed.
fn publish(writing: &mut Writing, lines: u64) -> Duration {
    let (mut left, mut spent) = (lines, Duration::ZERO);
    while left > 0 {
        let now = left.min(u64::from(writing.lines()));
        let grain = writing.open();
        let began = Instant::now();
        writing.publish(grain, now as u16);
        spent += began.elapsed();
        writing.commit(grain);
        writing.keep_up();
        left -= now;
    }
    spent
}

fn reader(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ring, reader");
    let mut writing = Writing::new(SIZE, 1).expect("a ring");
    let mut next = 0;
    group.bench_function("open, commit, lease, borrow, release", |bencher| {
        bencher.iter(|| {
            let grain = writing.open();
            writing.commit(grain);
            let lease = writing.reader().lease(GrainIndex(next)).expect("the newest grain");
            black_box(lease.lines(0..SIZE.lines()).expect("all lines"));
            next += 1;
        });
    });
    let grain = writing.open();
    writing.commit(grain);
    let lease = writing.reader().lease(GrainIndex(next)).expect("the newest grain");
    for lines in [1, 256] {
        let octets = usize::from(lines) * SIZE.line_octets();
        let mut out = vec![0; octets];
        group.throughput(Throughput::Bytes(octets as u64));
        group.bench_function(BenchmarkId::new("copy_lines, octets", octets), |bencher| {
            bencher.iter(|| lease.copy_lines(0..lines, &mut out).expect("published lines"));
        });
        let source = vec![1_u8; octets];
        group.bench_function(BenchmarkId::new("memcpy, octets", octets), |bencher| {
            bencher.iter(|| black_box(&mut out[..]).copy_from_slice(black_box(&source)));
        });
    }
    group.finish();
}

criterion_group!(benches, writer, reader);
criterion_main!(benches);
