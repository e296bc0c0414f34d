//! A relay that goes over to another queue of a model of a device: two sockets, and a rule that says to which of them packets
//! are sent.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use netio::{Counter, KernelRx, KernelRxConfig, KernelTx, KernelTxConfig};
use worker::{IdlePolicy, Input, ReceiverKey, Relay, RelayConfig, RelayCounters};

use super::*;
use crate::clock::{ClockKeeper, TaiClock};
use crate::pool::{PoolNames, Seat, ThreadSettings};

type Rx = KernelRx<TaiClock>;
type TestPool = Pool<Rx, KernelTx<GrainLease>>;

const KEY: ReceiverKey = ReceiverKey(1);
/// How long packets are waited for.
const LIMIT: Duration = Duration::from_secs(30);
/// Packets that come at a time.
const PACKETS: u16 = 200;

/// The model: packets go to the socket that the rule says.
struct Card {
    camera: UdpSocket,
    queues: [SocketAddr; 2],
    rule: usize,
    next: u16,
    /// The next change of the rule is refused.
    is_full: bool,
    changes: u32,
}

impl Card {
    fn play(&mut self) {
        for _ in 0..PACKETS {
            let mut packet = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4];
            packet[2..4].copy_from_slice(&self.next.to_be_bytes());
            self.camera.send_to(&packet, self.queues[self.rule]).unwrap();
            self.next += 1;
        }
    }
}

/// Packets come up to the moment of the change, and from it on.
impl Switch for Card {
    fn over(&mut self) -> Result<(), DataplaneError> {
        if self.is_full {
            return Err(unexpected("changing a rule of the model"));
        }
        self.play();
        self.rule = 1;
        self.changes += 1;
        self.play();
        Ok(())
    }

    fn back(&mut self) {
        self.rule = 0;
        self.changes += 1;
    }
}

struct Bench {
    pool: TestPool,
    card: Card,
    sides: [Side; 2],
    counters: Arc<RelayCounters>,
    _clock: ClockKeeper,
}

impl Bench {
    fn new() -> Self {
        let keeper = ClockKeeper::start();
        let clock = keeper.clock();
        let seat = || Seat { core: None, outputs: vec![KernelTx::new(KernelTxConfig::default())], vacancies: 0 };
        let idle = IdlePolicy::Event { longest: Duration::from_micros(250) }.into();
        let names = PoolNames { worker: "worker", cores_key: "workers.cores" };
        let settings = ThreadSettings { idle, nice: 0 };
        let pool = TestPool::start(names, vec![seat(), seat()], settings, &clock, |_| Ok(())).unwrap();
        let side = |(number, address): (usize, &str)| {
            let rx = Rx::open(&KernelRxConfig::of(address.parse().unwrap()), clock.clone()).unwrap();
            let (destination, input) = (rx.local_addr(), InputKey(number as u64));
            pool.add_input(WorkerIndex(number), Box::new(Input::shared(input, rx, 4))).unwrap();
            (Side { worker: WorkerIndex(number), legs: vec![Leg { input, destination }] }, destination)
        };
        let [(first, here), (second, there)] = [(0, "127.0.0.1:0"), (1, "127.0.0.1:0")].map(side);
        let config =
            RelayConfig { sources: Vec::new(), clock_hz: 90_000, backlog_packets: 1_024, backlog_nanos: 1_000_000_000 };
        let relay = Relay::new(KEY, first.legs.clone(), &config);
        let counters = relay.counters();
        pool.add_relay(first.worker, Box::new(relay)).unwrap();
        let camera = UdpSocket::bind("127.0.0.1:0").unwrap();
        let card = Card { camera, queues: [here, there], rule: 0, next: 0, is_full: false, changes: 0 };
        Self { pool, card, sides: [first, second], counters, _clock: keeper }
    }

    fn cross(
        &mut self,
        carry: impl FnOnce(&TestPool, &[Side; 2]) -> Result<(), DataplaneError>,
    ) -> Result<(), DataplaneError> {
        let Self { pool, card, sides, .. } = self;
        pool.cross(&sides[0], &sides[1], card, || carry(pool, sides))
    }

    fn wait_for(&self, packets: u16) {
        let until = Instant::now() + LIMIT;
        while self.counters.packets.value() < packets.into() {
            assert!(Instant::now() < until, "{} packets of {packets}", self.counters.packets.value());
            std::thread::yield_now();
        }
    }

    /// All that was sent has been heard, in its order.
    fn has_all(&self) {
        self.wait_for(self.card.next);
        let counters = &self.counters;
        let odd = [&counters.packets_lost, &counters.reordered, &counters.duplicates, &counters.doubtful];
        assert_eq!(odd.map(Counter::value), [0; 4]);
    }
}

fn carry(pool: &TestPool, [from, to]: &[Side; 2]) -> Result<(), DataplaneError> {
    let mut relay = pool.release_relay(from.worker, KEY)?.ok_or_else(|| unexpected("releasing the relay"))?;
    relay.set_legs(to.legs.clone());
    pool.add_relay(to.worker, relay).map_err(DataplaneError::from)
}

#[test]
fn a_stream_goes_over_between_two_packets() {
    let mut bench = Bench::new();
    bench.card.play();
    bench.cross(carry).unwrap();
    bench.card.play();
    bench.has_all();
    assert_eq!((bench.card.rule, bench.card.changes), (1, 1));
}

#[test]
fn a_move_that_is_refused_leaves_all_as_it_was() {
    let mut bench = Bench::new();
    bench.card.is_full = true;
    bench.cross(|_, _| panic!("its rule was refused")).unwrap_err();
    assert_eq!((bench.card.rule, bench.card.changes), (0, 0));
    bench.card.is_full = false;
    // What went to the new queue before the refusal is nobody's there: counted, and the queue goes on.
    bench.cross(|_, _| Err(unexpected("carrying"))).unwrap_err();
    assert_eq!((bench.card.rule, bench.card.changes), (0, 2));
    bench.cross(carry).unwrap();
    bench.card.play();
    bench.wait_for(bench.card.next - PACKETS);
    assert_eq!(bench.counters.packets_lost.value(), u64::from(PACKETS));
}
