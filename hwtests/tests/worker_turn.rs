//! A worker's turn on DPDK ports asks nothing of anybody: no system call, no allocation in Rust, in C or in DPDK's heap,
//! while pictures flow from a ring to net_null, from that ring over net_ring to another one and by a second leg to net_null, and
//! over net_ring to a relay with two destinations on net_null.
//!
//! Each test counts in a process of its own; and what would have to be seen is seen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::hint::black_box;
use std::ops::Range;
use std::sync::Arc;

use dpdk::eal::Eal;
use dpdk::mempool::{Mempool, MempoolConfig, Sharing};
use dpdk::rx::{DpdkBuf, DpdkRx};
use dpdk::tx::{DpdkTx, DpdkTxBuf};
use hwtests::interpose::{self, Interposer};
use hwtests::isolated::{self, Isolated};
use hwtests::port_bench::small_eal;
use hwtests::{PortBench, PortMake, Road, Turning, road, syscalls, take_turn};
use media::{Clock, ManualClock, SeqNum, Ssrc};
use netio::{Burst, Made, Pacing, Path, PathError, PathId, Planned, Relayed, TxCounters, TxFull, TxQueue};
use shm::{FrameReader, FrameWriter, GrainEnd, GrainLease, PagePolicy};
use worker::{
    Forwarder, ForwarderConfig, InputKey, Leg, OutputIndex, ReceiverKey, Relay, RelayConfig, Rewrite, SenderCounters,
    SenderKey, Timestamps,
};

const GROUP: &str = "239.1.2.3:5004";
const RELAYED: &str = "239.1.2.4:5004";
const FORWARDED: [&str; 2] = ["239.1.2.5:5004", "239.1.2.6:5004"];
const FRAMES: u64 = 40;

/// What a turn must not do, done in the middle of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    CallsTheKernel,
    Allocates,
    /// From DPDK's heap, as a driver would.
    TakesAPool,
}

/// A queue of which one burst has a fault.
struct Faulty {
    queue: DpdkTx<GrainLease>,
    fault: Fault,
    eal: Eal,
    bursts: u32,
}

impl Faulty {
    fn fail(&self) {
        match self.fault {
            Fault::None => {}
            Fault::CallsTheKernel => drop(black_box(rustix::process::getppid())),
            Fault::Allocates => drop(black_box(Box::new(1_u64))),
            Fault::TakesAPool => {
                let sharing = Sharing::OneWorker;
                let config = MempoolConfig { mbufs: 63, data_octets: 777, cache: 0, sharing, numa: None };
                std::mem::forget(Mempool::create(&self.eal, &config).unwrap());
            }
        }
    }
}

impl TxQueue for Faulty {
    type Buf = DpdkTxBuf;
    type Payload = <DpdkTx<GrainLease> as TxQueue>::Payload;
    type Lease = GrainLease;
    type Received = DpdkBuf;

    fn pacing(&self) -> Pacing {
        self.queue.pacing()
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        self.queue.open_path(path)
    }

    fn close_path(&mut self, path: PathId) {
        self.queue.close_path(path);
    }

    fn attach(&mut self, lease: GrainLease, packets: u32) -> Result<Self::Payload, (TxFull, GrainLease)> {
        self.queue.attach(lease, packets)
    }

    fn gather(
        &mut self,
        path: PathId,
        header: &[u8],
        payload: &Self::Payload,
        range: Range<u32>,
    ) -> Result<DpdkTxBuf, TxFull> {
        self.queue.gather(path, header, payload, range)
    }

    fn gather_burst(
        &mut self,
        path: PathId,
        payload: &Self::Payload,
        packets: impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Result<(), TxFull> {
        self.queue.gather_burst(path, payload, packets, out)
    }

    fn forward(&mut self, path: PathId, header: &[u8], received: &DpdkBuf, skip: u16) -> Result<DpdkTxBuf, TxFull> {
        self.queue.forward(path, header, received, skip)
    }

    fn forward_burst(&mut self, path: PathId, packets: &[Relayed<'_, DpdkBuf>], burst: &mut Burst<DpdkTxBuf>) -> Made {
        self.queue.forward_burst(path, packets, burst)
    }

    fn tx_burst(&mut self, burst: &mut Burst<DpdkTxBuf>) -> usize {
        if !burst.is_empty() {
            self.bursts += 1;
            if self.bursts == 20 {
                self.fail();
            }
        }
        self.queue.tx_burst(burst)
    }

    fn cancel(&mut self, payload: Self::Payload, unsent: u32) {
        self.queue.cancel(payload, unsent);
    }

    fn reap(&mut self) {
        self.queue.reap();
    }

    fn counters(&self) -> TxCounters {
        self.queue.counters()
    }
}

/// Everything that the pictures flow through, and what sees to it that they arrive.
struct Stage {
    clock: ManualClock,
    near: FrameWriter,
    far: FrameReader,
    turning: Turning<DpdkRx<ManualClock>, Faulty>,
    ports: [PortBench; 2],
    road: Road,
    eal: Eal,
    /// Packets of each destination of the relay.
    forwarded: Vec<Arc<SenderCounters>>,
}

impl Stage {
    fn set(fault: Fault) -> Self {
        let eal = small_eal(128).unwrap();
        let road = Road::new(&eal, PagePolicy::PlainOnly).unwrap();
        let clock = ManualClock::at(road::NOON);
        let open = |device| PortBench::open::<GrainLease, _>(&eal, &PortMake::on(device), clock.clone()).unwrap();
        let ((null, to_null, _nothing), (mut ring, to_ring, from_ring)) = (open("net_null"), open("net_ring"));
        ring.listen(&[GROUP, RELAYED]);
        let faulty = |queue, fault| Faulty { queue, fault, eal: eal.clone(), bursts: 0 };
        let outputs = vec![faulty(to_null, Fault::None), faulty(to_ring, fault)];
        let mut turning = Turning::new(&clock, outputs);
        turning.listen(1, from_ring).unwrap();
        let receiver = road.receiver::<DpdkRx<ManualClock>>(1, 1, GROUP, "far").unwrap();
        turning.receive(receiver).unwrap();
        let mut near = road.ring("near", 16).unwrap();
        let twice = |key| {
            let sender = road::sender(key, 1, GROUP).unwrap();
            sender.with_second_leg(Path::to(GROUP.parse().unwrap()), OutputIndex(0))
        };
        let senders = [road::sender(1, 0, GROUP).unwrap(), twice(2), road::sender(3, 1, RELAYED).unwrap()];
        for sender in senders {
            let reader = road.reader("near", 3, || near.poll(clock.now())).unwrap();
            turning.send_as(sender, reader).unwrap();
        }
        let forwarded = relay(&mut turning);
        let far = road.reader("far", 4, || turning.turn()).unwrap();
        Self { clock, near, far, turning, ports: [null, ring], road, eal, forwarded }
    }

    /// One picture after the other; how many arrived as they were sent.
    fn play(&mut self) -> u64 {
        let mut arrived = 0;
        for number in 0..FRAMES {
            let key = road::open(&mut self.near, number, self.clock.now()).unwrap();
            road::fill(&mut self.near, key, number).unwrap();
            self.near.commit(key, GrainEnd::default());
            self.turning.pass(1);
            self.near.poll(self.clock.now());
            while let Some(index) = self.far.next_available() {
                let Ok(lease) = self.far.lease(index) else { break };
                let Some(lines) = lease.lines(0..road::format().height()) else { break };
                // The last one may be on its way.
                arrived += u64::from(road::shows(lines, number) || road::shows(lines, number.wrapping_sub(1)));
            }
        }
        arrived
    }

    /// What was sent, so that a run in which nothing moved is none.
    fn check(&self, arrived: u64) {
        assert!(arrived >= FRAMES - 2, "{arrived} of {FRAMES} pictures");
        let packets = u64::from(road::plan().packets_per_frame()) * (FRAMES - 2);
        for port in &self.ports {
            assert!(port.counters.tx.media_packets.value() >= packets, "{:?}", port.counters.tx.values());
            assert_eq!(port.counters.tx.octets_copied_by_us.value(), 0);
        }
        for forwarded in &self.forwarded {
            assert!(forwarded.packets_forwarded.value() >= packets, "{:?}", forwarded.values());
        }
        assert_eq!(self.road.broker().flows().len(), 2);
    }
}

/// A relay of what comes back, and its destinations: one gets it as it is, one with numbers of its own.
fn relay(turning: &mut Turning<DpdkRx<ManualClock>, Faulty>) -> Vec<Arc<SenderCounters>> {
    let (key, leg) = (ReceiverKey(7), Leg { input: InputKey(1), destination: RELAYED.parse().unwrap() });
    let config =
        RelayConfig { sources: Vec::new(), clock_hz: 90_000, backlog_packets: 0, backlog_nanos: road::FRAME_NANOS };
    turning.relay(Relay::new(key, [leg], &config)).unwrap();
    let own = Rewrite {
        ssrc: Some(Ssrc(8)),
        first_sequence: Some(SeqNum(1)),
        timestamps: Timestamps::Continue,
        ..Rewrite::default()
    };
    let serve = |(number, rewrite): (usize, Rewrite)| {
        let path = Path::to(FORWARDED[number].parse().unwrap());
        let config = ForwarderConfig { path, output: OutputIndex(0), rewrite };
        let forwarder = Forwarder::new(SenderKey(20 + number as u64), config, Arc::default());
        turning.forward(key, forwarder).unwrap()
    };
    [Rewrite::default(), own].into_iter().enumerate().map(serve).collect()
}

/// As an lcore, which a worker is.
fn on_stage(fault: Fault, work: impl FnOnce(&mut Stage)) {
    let mut stage = Stage::set(fault);
    let _lcore = stage.eal.register_thread().unwrap();
    // What a cold processor, or a first use, needs is not the turn's.
    stage.turning.turn();
    work(&mut stage);
}

/// The system calls of the run.
fn calls(test: &str, fault: Fault) -> Option<Vec<String>> {
    let body = |stage: &mut Stage| {
        let arrived = syscalls::between(|| stage.play());
        stage.check(arrived);
    };
    syscalls::of(test, || on_stage(fault, body)).unwrap()
}

#[test]
fn a_turn_calls_no_kernel() {
    if let Some(calls) = calls("a_turn_calls_no_kernel", Fault::None) {
        assert_eq!(calls, Vec::<String>::new());
    }
}

#[test]
fn a_call_of_the_kernel_in_a_turn_is_seen() {
    if let Some(calls) = calls("a_call_of_the_kernel_in_a_turn_is_seen", Fault::CallsTheKernel) {
        assert!(calls.len() == 1 && calls[0].starts_with("getppid("), "{calls:?}");
    }
}

/// What the allocators of C and of DPDK were asked during the run, which a test of that name compares.
fn allocations(test: &str, fault: Fault, compare: impl FnOnce(&interpose::Allocations, bool)) {
    if isolated::is_inside(test) {
        return on_stage(fault, |stage| {
            let before = stage.eal.heap_use();
            let (arrived, allocations) = interpose::between(|| stage.play()).unwrap();
            let after = stage.eal.heap_use();
            assert!(before.octets > 1 << 20 && before.pieces > 10, "{before:?}");
            stage.check(arrived);
            compare(&allocations, before == after);
        });
    }
    let _turn = take_turn();
    Interposer::build().unwrap().preload(Isolated::new(test)).run().unwrap();
}

#[test]
fn a_turn_allocates_nothing() {
    allocations("a_turn_allocates_nothing", Fault::None, |allocations, heap_is_unchanged| {
        assert_eq!(allocations.to_string(), "no allocation");
        assert!(heap_is_unchanged);
    });
}

#[test]
fn an_allocation_in_a_turn_is_seen() {
    allocations("an_allocation_in_a_turn_is_seen", Fault::Allocates, |allocations, heap_is_unchanged| {
        assert_eq!(allocations.to_string(), "1 free, 1 malloc");
        assert!(heap_is_unchanged);
    });
}

#[test]
fn memory_of_dpdks_heap_in_a_turn_is_seen() {
    allocations("memory_of_dpdks_heap_in_a_turn_is_seen", Fault::TakesAPool, |_, heap_is_unchanged| {
        assert!(!heap_is_unchanged);
    });
}
