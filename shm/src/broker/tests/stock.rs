//! Spare regions: taken by rings of their size, made again, and never the memory that a pod has had.

use super::*;
use crate::{Geometry, IdentityPlacement, Pages};

/// A ring of 8 slots of `tiny`.
fn octets() -> u64 {
    let flow = media::FlowId::from_name(&name("any"));
    Geometry::new(flow, tiny(), 8, 1, Pages::Plain).unwrap().data_octets()
}

fn bench(spares: usize) -> Bench {
    let bench = Bench::with(|config| config.spares = vec![octets(); spares]);
    until("the spares are made", || bench.broker.counters().spares_ready == spares as u64);
    bench
}

#[test]
fn a_ring_of_its_size_takes_a_spare_and_another_is_made() {
    let bench = bench(1);
    for round in 1..4 {
        let worker = bench.flow("own", 8);
        let mut reader = bench.broker.subscribe(&name("own"), leased(2)).unwrap();
        worker.write(1);
        check(&mut reader, 1);
        until("it is made again", || bench.broker.counters().spares_ready == 1);
        assert_eq!(bench.broker.counters().spares_taken, round);
        bench.broker.remove_flow(&name("own")).unwrap();
    }
    // A pod's ring too: sealed like any other, or its session would refuse it.
    let worker = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    let mut reader = bench.session().subscribe(&name("gfx"), leased(2)).unwrap();
    worker.write(1);
    check(reader.reader(), 1);
    assert_eq!((bench.broker.counters().spares_taken, bench.broker.counters().spares_failed), (4, 0));
}

#[test]
fn a_ring_of_another_size_takes_none() {
    let bench = bench(2);
    let _worker = bench.flow("own", 9);
    let counters = bench.broker.counters();
    assert_eq!((counters.spares_taken, counters.spares_ready), (0, 2));
}

#[test]
fn a_spare_that_cannot_be_made_is_counted_and_rings_are_made_without() {
    let bench = Bench::with(|config| config.spares = vec![1 << 50, octets()]);
    let counts = || (bench.broker.counters().spares_ready, bench.broker.counters().spares_failed);
    until("the other is made", || counts() == (1, 1));
    let worker = bench.flow("own", 8);
    worker.write(1);
}

/// With hugepages on this machine the spares have those, and without plain pages, as the rings do.
#[test]
fn where_hugepages_are_preferred_there_are_spares_whether_there_are_any_or_not() {
    let octets_with = |pages| {
        let flow = media::FlowId::from_name(&name("any"));
        Geometry::new(flow, tiny(), 8, 1, pages).unwrap().data_octets()
    };
    let sizes = vec![octets_with(Pages::Huge2M), octets_with(Pages::Plain)];
    let change = |config: &mut BrokerConfig| (config.spares, config.page_policy) = (sizes, PagePolicy::Prefer);
    let bench = Bench::placed(change, Box::new(IdentityPlacement));
    until("the spares are made", || bench.broker.counters().spares_ready == 2);
    let _worker = bench.flow("own", 8);
    let counters = bench.broker.counters();
    assert_eq!((counters.spares_taken, counters.spares_failed), (1, 0));
}

/// How long rings of 1080p take to make, with and without a spare. On hugepages, where there are 144 of them.
#[test]
#[ignore = "a measurement"]
fn measure() {
    let format = VideoFormat::new(1920, 1080, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap();
    let run = |spares: Vec<u64>| {
        let ready = spares.len() as u64;
        let bench = Bench::placed(
            |config| (config.spares, config.page_policy) = (spares, PagePolicy::Prefer),
            Box::new(IdentityPlacement),
        );
        let mut millis = Vec::new();
        for _ in 0..10 {
            until("the spares are made", || bench.broker.counters().spares_ready == ready);
            let begun = Instant::now();
            let writer = bench.broker.create_flow(&name("own"), format, Some(16)).unwrap();
            millis.push(begun.elapsed().as_secs_f64() * 1_000.0);
            bench.broker.remove_flow(&name("own")).unwrap();
            drop(writer);
            until("it is unmapped", || bench.broker.retired_views() == 0);
        }
        millis.sort_by(f64::total_cmp);
        println!("{ready} spares: {:.1} ms to {:.1} ms, median {:.1} ms", millis[0], millis[9], millis[5]);
    };
    run(Vec::new());
    run(vec![96 << 20]);
}
