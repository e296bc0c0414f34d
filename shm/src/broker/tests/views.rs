//! What devices reach: leases lie in it, nobody unmaps it under a lease, and no thread that drops one has to.

use super::*;
use crate::fixture::device::{Device, Left, mappings_of};
use crate::protocol::Reason;
use crate::{GrainLease, SessionError, StableBytes};

fn bench() -> (Bench, Device) {
    let device = Device::default();
    (Bench::placed(|_| {}, Box::new(device.clone())), device)
}

fn left_by(thread: &str) -> Left {
    Left { thread: thread.to_owned(), mapped: true }
}

/// A lease of the newest grain of `cam`, whose reader has dropped.
fn orphan(bench: &Bench, worker: &Worker<FrameWriter>) -> GrainLease {
    let mut reader = bench.broker.subscribe(&name("cam"), leased(1)).unwrap();
    worker.write(1);
    reader.lease(GrainIndex(1)).unwrap()
}

/// Drops it where a worker would.
fn drop_elsewhere(lease: GrainLease) {
    std::thread::spawn(move || drop(lease)).join().unwrap();
}

#[test]
fn leases_lie_in_the_one_mapping_that_devices_reach() {
    let (bench, device) = bench();
    let own = bench.flow("cam", 8);
    let pods = Worker::start(bench.session().produce(&name("gfx"), tiny(), Some(8)).unwrap());
    for (flow, place) in [("cam", 0), ("gfx", 1)] {
        let (reached, inode) = (device.reached()[place].clone(), device.inodes()[place]);
        let before = mappings_of(inode);
        assert!(before.contains(&reached.start));
        let mut readers = [(); 2].map(|()| bench.broker.subscribe(&name(flow), leased(1)).unwrap());
        assert_eq!(mappings_of(inode), before, "{flow}: subscribing maps no data");
        for index in 1..20 {
            if place == 0 {
                own.write(index);
            } else {
                pods.write(index);
            }
            let leases = readers.each_mut().map(|reader| reader.lease(GrainIndex(index)).unwrap());
            let address = leases[0].as_ptr() as usize;
            assert_eq!(address, leases[1].as_ptr() as usize);
            assert!(reached.contains(&address) && reached.contains(&(address + leases[0].octets() - 1)));
            let mut out = vec![0; tiny().frame_octets() as usize];
            leases[0].copy_lines(0..tiny().height(), &mut out).unwrap();
            assert!(out.iter().all(|octet| *octet == fill(index)), "{flow}, grain {index}");
        }
    }
}

#[test]
fn a_view_outlives_its_flow_until_the_last_lease_has_dropped() {
    let (bench, device) = bench();
    let worker = bench.flow("cam", 4);
    let lease = orphan(&bench, &worker);
    bench.broker.remove_flow(&name("cam")).unwrap();
    drop(worker.stop());
    let inode = device.inodes()[0];
    bench.broker.shared.lock().collect_views();
    assert_eq!((bench.broker.retired_views(), device.left().len()), (1, 0));
    assert_eq!(mappings_of(inode), [device.reached()[0].start]);
    {
        // The broker cannot help while this is held: whatever goes now is the dropping thread's doing.
        let _busy = bench.broker.shared.lock();
        drop_elsewhere(lease);
        assert_eq!((mappings_of(inode).len(), device.left().len()), (1, 0));
    }
    until("it is collected", || bench.broker.retired_views() == 0);
    assert_eq!(device.left(), [left_by("flypack-mason")]);
    assert!(mappings_of(inode).is_empty());
}

#[test]
fn the_thread_that_drops_the_last_lease_closes_nothing() {
    let (bench, _device) = bench();
    let worker = bench.flow("cam", 4);
    let lease = orphan(&bench, &worker);
    {
        // The broker has heard that the reader is gone, and cannot help while this is held.
        let mut state = bench.broker.shared.lock();
        state.collect_views();
        drop_elsewhere(lease);
        let member = state.memberships.values().next().unwrap();
        assert!(!member.life.as_ref().unwrap().is_gone(), "the life pipe was closed with the lease");
    }
    until("the seat comes free", || bench.consumers("cam").is_empty());
    assert_eq!(worker.accounts().leased, 0);
}

#[test]
fn a_flow_that_nobody_reads_is_unmapped_at_once() {
    let (bench, device) = bench();
    drop(bench.flow("cam", 4).stop());
    bench.broker.remove_flow(&name("cam")).unwrap();
    until("it is collected", || bench.broker.retired_views() == 0);
    assert_eq!(device.left(), [left_by("flypack-mason")]);
    assert!(mappings_of(device.inodes()[0]).is_empty());
}

#[test]
fn a_broker_that_stops_leaves_what_is_leased_and_reached() {
    let (bench, device) = bench();
    let worker = bench.flow("cam", 4);
    let lease = orphan(&bench, &worker);
    let Bench { broker, .. } = bench;
    assert_eq!(broker.stop(), 1);
    drop(worker.stop());
    drop_elsewhere(lease);
    assert_eq!(device.left(), []);
    assert_eq!(mappings_of(device.inodes()[0]), [device.reached()[0].start]);
}

#[test]
fn a_broker_that_stops_leaves_nothing_else() {
    let (bench, device) = bench();
    let worker = bench.flow("cam", 4);
    drop(orphan(&bench, &worker));
    let Bench { broker, .. } = bench;
    assert_eq!(broker.stop(), 0);
    drop(worker.stop());
    assert_eq!(device.left().len(), 1);
    assert!(mappings_of(device.inodes()[0]).is_empty());
}

#[test]
fn memory_that_devices_cannot_reach_refuses_the_flow_in_their_words() {
    const FULL: &str = "121 regions are registered, the most that there can be: end a flow";
    let (bench, device) = bench();
    device.refuse(Some(FULL));
    let error = bench.broker.create_flow(&name("cam"), tiny(), Some(4)).unwrap_err();
    assert!(error.to_string().contains(FULL), "{error}");
    match bench.session().produce(&name("gfx"), tiny(), Some(4)) {
        Err(SessionError::Refused(Refusal::Placement(reason))) => assert_eq!(reason, Reason::new(FULL)),
        other => panic!("{other:?}"),
    }
    for inode in device.inodes() {
        assert!(mappings_of(inode).is_empty());
    }
    device.refuse(None);
    let names = ["cam", "gfx"].map(|flow| bench.broker.create_flow(&name(flow), tiny(), Some(4)).is_ok());
    assert_eq!(names, [true; 2], "the names are free again");
}

#[test]
fn a_ring_whose_pod_left_before_it_was_a_flow_is_unmapped() {
    let (bench, device) = bench();
    let raw = raw::Raw::greeted(&bench);
    let (_epoch, fds) = raw.produce("gfx");
    drop((raw, fds));
    until("it is collected", || !device.left().is_empty() && bench.broker.retired_views() == 0);
    assert_eq!(device.left(), [left_by("flypack-mason")]);
    assert!(mappings_of(device.inodes()[0]).is_empty());
}
