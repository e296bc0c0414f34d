//! What a copy of a relayed packet costs: received from one port, forwarded to any number of destinations by another.
//!
//! `cargo run --release -p flypack-benches --example relay [OUT] [DESTINATIONS] [ROUNDS] [huge]`: bursts of 32 packets of
//! 1,400 octets come in over a net_ring, which this thread fills, and leave by OUT: `net_null`, or `net_ring`, where a second
//! thread, on a core of its own where there is one, counts what comes to each destination. In alternation: the backend alone
//! (`forward` and `tx_burst`, nothing read), and a worker with a relay and its forwarders. DPDK's memory is of plain pages, as
//! callgrind needs it, or of hugepages.
//! Instructions of a copy: `valgrind --tool=callgrind --toggle-collect='worker::worker::Worker<R,T,C>::turn'` (or
//! `'*forward_round*'` for the backend alone) over 20 and over 120 rounds: the difference, by copies.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig, Sharing};
use dpdk::port::{Port, PortConfig, PortQueues, Reception, RxHandle, Started, TxHandle};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, TxPools};
use ip::{MacAddr, Network};
use media::{ManualClock, SeqNum, Ssrc, Tai};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use netio::{Burst, PacketBuf, Path, PathId, Relayed, RxQueue, TxQueue};
use shm::GrainLease;
use worker::run::{pin, usable_cores};
use worker::{
    Command, Core, Forwarder, ForwarderConfig, Input, InputKey, Leg, Mailbox, OutputCounters, OutputIndex, ReceiverKey,
    Relay, RelayConfig, Report, Rewrite, SenderCounters, SenderKey, Timestamps, Worker,
};

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

const GROUP: &str = "239.1.2.3:5004";
const RTP_OCTETS: usize = 1_400;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, otherwise: &str| words.get(at).map_or_else(|| otherwise.to_owned(), Clone::clone);
    let (out, destinations) = (word(0, "net_null"), word(1, "64").parse().unwrap());
    let rounds: u32 = word(2, "20000").parse().unwrap();
    let memory = if word(3, "") == "huge" { Memory::Huge { mib: 256 } } else { Memory::NoHuge { mib: 256 } };
    let eal = Eal::start(&EalConfig::new(memory)).unwrap();
    let mut bare = Stage::set(&eal, &out, destinations);
    let mut served = Served::set(Stage::set(&eal, &out, destinations));
    let stop = Arc::new(AtomicBool::new(false));
    let counting = (out == "net_ring").then(|| count([&mut bare, &mut served.stage], &eal, &stop));
    let [core, _] = cores();
    pin(Core(core)).unwrap();
    let _lcore = eal.register_thread().unwrap();
    let copies = u64::from(rounds) * BURST as u64 * destinations as u64;
    for _ in 0..3 {
        report(&format!("{out}, 1 to {destinations}, backend alone"), timed(|| bare.rounds(rounds)), copies);
        report(&format!("{out}, 1 to {destinations}, worker"), timed(|| served.rounds(rounds)), copies);
    }
    assert_eq!(served.dropped(), 0);
    stop.store(true, Ordering::Release); // pairs with the load in `count`
    for counts in counting.into_iter().flat_map(|counting| counting.join().unwrap()) {
        assert!(counts.iter().all(|count| *count == 3 * u64::from(rounds) * BURST as u64), "{counts:?}");
        println!("each of {} destinations got {} packets", counts.len(), counts[0]);
    }
}

/// Of this thread and of the one that counts.
fn cores() -> [usize; 2] {
    let usable = usable_cores();
    [usable[0], *usable.get(1).unwrap_or(&usable[0])]
}

/// Counts what arrives by each stage for each destination, on one thread for both, until `stop`.
fn count(stages: [&mut Stage; 2], eal: &Eal, stop: &Arc<AtomicBool>) -> std::thread::JoinHandle<[Vec<u64>; 2]> {
    let (stop, eal) = (Arc::clone(stop), eal.clone());
    let mut of = stages.map(|stage| (stage.far_rx.take().unwrap(), vec![0_u64; stage.paths.len()]));
    std::thread::spawn(move || {
        let [_, core] = cores();
        pin(Core(core)).unwrap();
        let _lcore = eal.register_thread().unwrap();
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        loop {
            // Asked before the rings: what was sent before is in them.
            let is_last = stop.load(Ordering::Acquire);
            let mut arrived = 0;
            for (rx, counts) in &mut of {
                arrived += rx.burst(&mut burst);
                for packet in burst.drain(..) {
                    // The last two octets of the destination's address (RFC 791 §3.1).
                    let head = packet.head();
                    counts[usize::from(head[32]) * 250 + usize::from(head[33])] += 1;
                }
            }
            if is_last && arrived == 0 {
                return of.map(|(_, counts)| counts);
            }
        }
    })
}

/// Wall clock, and the time of this thread: the machine may be shared.
fn timed(work: impl FnOnce()) -> [Duration; 2] {
    // Nanoseconds that the thread has run, first of three numbers. Not by clock_gettime: valgrind hides the vDSO.
    let on_core = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    };
    let (start, core) = (Instant::now(), on_core());
    work();
    [start.elapsed(), on_core() - core]
}

fn report(what: &str, times: [Duration; 2], copies: u64) {
    let [wall, core] = times.map(|time| time.as_nanos() as f64 / copies as f64);
    println!(
        "{what}: {wall:.1} ns a copy, {core:.1} ns of the core: {:.1} Mpps, {:.1} Mpps a core",
        1e3 / wall,
        1e3 / core
    );
}

/// Two ports: packets come in by one and leave by the other.
struct Stage {
    feed: Feed,
    clock: ManualClock,
    rx: Option<Rx>,
    tx: Option<Tx>,
    paths: Vec<Path>,
    open: Vec<PathId>,
    far_rx: Option<RxHandle>,
    _near: Port<Started>,
    _far: Port<Started>,
    _hosts: [HostEnd; 2],
}

/// The same by a worker.
struct Served {
    stage: Stage,
    worker: Worker<Rx, Tx, ManualClock>,
    counters: Vec<Arc<SenderCounters>>,
    output: Arc<OutputCounters>,
    sequence: u16,
    sent: u64,
}

/// Puts packets into the ring that the relay receives from.
struct Feed {
    pool: Mempool,
    queue: TxHandle,
    frame: Vec<u8>,
}

impl Stage {
    fn set(eal: &Eal, out: &str, destinations: usize) -> Self {
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let (near, near_queues, near_pools, near_station) = port(eal, "net_ring");
        let (far, far_queues, far_pools, far_station) = port(eal, out);
        let (rx_end, _, mut near_host) = exchange(ExchangeConfig::default());
        near_host.publish([GROUP.parse().unwrap()].into_iter().collect());
        let (_, tx_end, far_host) = exchange(ExchangeConfig::default());
        let rx = Rx::new(near_queues.rx, &near_station, near.capabilities(), rx_end, Arc::default(), clock.clone());
        let config = DpdkTxConfig { paths: 256, ..DpdkTxConfig::default() };
        let capabilities = far.capabilities();
        let mut tx = Tx::new(far_queues.tx, far_station, capabilities, far_pools, tx_end, Arc::default(), config);
        let path = |n: usize| Path::to(SocketAddr::from(([239, 2, (n / 250) as u8, (n % 250) as u8], 5004)));
        let paths: Vec<Path> = (0..destinations).map(path).collect();
        let open = paths.iter().map(|path| tx.open_path(path).unwrap()).collect();
        let feed = Feed { pool: near_pools.headers, queue: near_queues.tx, frame: frame() };
        let (rx, tx, far_rx, hosts) = (Some(rx), Some(tx), Some(far_queues.rx), [near_host, far_host]);
        Self { feed, clock, rx, tx, paths, open, far_rx, _near: near, _far: far, _hosts: hosts }
    }

    fn rounds(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.feed.fill(0);
            self.forward_round();
        }
    }

    /// 32 packets to every destination, destination by destination.
    #[inline(never)]
    fn forward_round(&mut self) {
        let (Some(rx), Some(tx)) = (&mut self.rx, &mut self.tx) else { return };
        let mut received = Burst::new();
        assert_eq!(rx.rx_burst(&mut received), BURST);
        received.iter().for_each(|packet| packet.expect_copies(self.paths.len()));
        let mut burst = Burst::new();
        for path in &self.open {
            let relayed = received.iter().map(|packet| Relayed { header: [0x80; 12], packet });
            let relayed: ArrayVec<_, BURST> = relayed.collect();
            assert_eq!(tx.forward_burst(*path, &relayed, &mut burst).packets, BURST);
            while !burst.is_empty() {
                tx.tx_burst(&mut burst);
            }
        }
        drop(received);
        tx.reap();
    }
}

impl Served {
    fn set(mut stage: Stage) -> Self {
        let mailbox = Mailbox::new();
        let tx = stage.tx.take().into_iter().collect();
        let mut worker = Worker::new(stage.clock.clone(), tx, Arc::clone(&mailbox));
        let mut ask = |command| {
            assert!(mailbox.send(command).is_ok());
            worker.turn();
            assert!(matches!(mailbox.report(), Some(Report::Added | Report::Following)));
        };
        let (input, relay) = (InputKey(1), ReceiverKey(1));
        ask(Command::AddInput(Box::new(Input::shared(input, stage.rx.take().unwrap(), 1))));
        let leg = Leg { input, destination: GROUP.parse().unwrap() };
        let config = RelayConfig { sources: vec![], clock_hz: 90_000, backlog_packets: 0, backlog_nanos: 100_000_000 };
        ask(Command::AddRelay(Box::new(Relay::new(relay, [leg], &config))));
        let rewrite = Rewrite {
            payload_type: None,
            ssrc: Some(Ssrc(7)),
            first_sequence: Some(SeqNum(1)),
            timestamps: Timestamps::Continue,
        };
        let mut counters = Vec::new();
        for (n, path) in (0..).zip(&stage.paths) {
            let config = ForwarderConfig { path: path.clone(), output: OutputIndex(0), rewrite };
            let forwarder = Forwarder::new(SenderKey(n), config, Arc::default());
            counters.push(forwarder.counters());
            ask(Command::AddForwarder(Box::new(forwarder)));
            ask(Command::Follow(SenderKey(n), Some(relay)));
        }
        let output = worker.output_counters().remove(0);
        Self { stage, worker, counters, output, sequence: 0, sent: 0 }
    }

    fn rounds(&mut self, rounds: u32) {
        for _ in 0..rounds {
            self.stage.feed.fill(self.sequence);
            self.sequence = self.sequence.wrapping_add(BURST as u16);
            self.sent += BURST as u64;
            while self.counters.iter().any(|counters| counters.packets.value() < self.sent) {
                self.served_turn();
            }
        }
        // What was made for a destination may wait for the queue still.
        while self.output.packets.value() < self.sent * self.counters.len() as u64 {
            self.served_turn();
        }
    }

    #[inline(never)]
    fn served_turn(&mut self) {
        self.worker.turn();
    }

    /// Packets that some destination did not get.
    fn dropped(&self) -> u64 {
        self.counters.iter().map(|counters| counters.packets_dropped_backlog.value()).sum()
    }
}

impl Feed {
    fn fill(&mut self, first: u16) {
        let mut burst = ArrayVec::<Mbuf, BURST>::new();
        assert!(self.pool.alloc_burst(&mut burst, BURST));
        for (packet, n) in burst.iter_mut().zip(0..) {
            let out = packet.append(self.frame.len() as u16).unwrap();
            out.copy_from_slice(&self.frame);
            let sequence = out.len() - RTP_OCTETS + 2;
            out[sequence..sequence + 2].copy_from_slice(&first.wrapping_add(n).to_be_bytes());
        }
        assert_eq!(self.queue.burst(&mut burst), BURST);
    }
}

/// An RTP packet to the group.
fn frame() -> Vec<u8> {
    let (source, destination) = ("192.0.2.7:7000".parse().unwrap(), GROUP.parse().unwrap());
    let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
    let config = ip::TemplateConfig { source_mac, vlan: None, source, destination, dscp: 0, ttl: 1 };
    let template = ip::Template::new(&config).unwrap();
    let mut frame = vec![0; template.octets() + RTP_OCTETS];
    template.write(&mut frame, template.group_mac().unwrap(), RTP_OCTETS as u16);
    frame[template.octets()] = 0x80;
    frame
}

fn port(eal: &Eal, name: &str) -> (Port<Started>, PortQueues, TxPools, Station) {
    let device = name.parse().unwrap();
    let demand = Demand { packets_per_second: 100_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    // What is sent into a ring is freed by who reads it.
    let pool = |config| Mempool::create(eal, &MempoolConfig { sharing: Sharing::Threads, ..config }).unwrap();
    let pools = TxPools {
        headers: pool(sizing.linear_pool(None)),
        references: References::create(eal, &sizing.reference_pool(None)).unwrap(),
    };
    let rx_pool = pool(sizing.rx_pool(None));
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let (port, queues) = Port::probe(eal, config, rx_pool).unwrap().start().unwrap();
    let network = Network::new(vec!["192.0.2.1/24".parse().unwrap()], None, None).unwrap();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    (port, queues, pools, Station { name: name.to_owned(), mac, vlan: None, network, mtu: 1_500 })
}
