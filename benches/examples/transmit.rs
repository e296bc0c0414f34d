//! What a packet costs a worker: a ring's grains, cut into valid ST 2110-20 packets, gathered and handed to a device that
//! has nothing to do (net_null), or to one whose other end frees them on another core (net_ring).
//!
//! `cargo run --release -p flypack-benches --example transmit [DEVICE] [GRAINS] [HEIGHT] [FLOWS] [huge]`: one round. The writers
//! of the rings are here too, on the same core: they open and commit grains and write nothing into them, as nobody reads their
//! octets. One flow goes as fast as it can; several are senders of type N, of which each turn finds four packets due.
//! Instructions of a packet: `valgrind --tool=callgrind --toggle-collect=*turns*` over 2 and over 12 grains, see `results/transmit.md`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, Reception};
use dpdk::references::References;
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::{DpdkTx, DpdkTxConfig, TxPools};
use ip::{MacAddr, Network};
use media::{
    Clock, Depth, GrainIndex, ManualClock, Name, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, Tai, VideoFormat,
};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use netio::{Burst, Path, RxQueue};
use shm::{
    Broker, BrokerConfig, ConsumerClass, FrameReader, FrameWriter, GrainEnd, GrainLease, GrainStamp, PagePolicy,
};
use st2110::{PackingMode, PackingPlan, ReadSchedule, Schedule, SenderType, UdpLimit};
use worker::{
    Command, Lateness, Mailbox, OutputIndex, Report, Sender, SenderConfig, SenderKey, SenderTiming, Source, Worker,
};

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

const GROUP: &str = "239.1.2.3:5004";
const FRAME_NANOS: i64 = 40_000_000;
const START: Tai = Tai::from_nanos(1_790_000_000_000_000_000);
/// C_MAX of a sender of type N (ST 2110-21 §7.1), unless its pictures are very large.
const BUNCH: u32 = 4;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, otherwise: &str| words.get(at).map_or_else(|| otherwise.to_owned(), Clone::clone);
    let (device, grains, height) =
        (word(0, "net_null"), word(1, "1000").parse().unwrap(), word(2, "1080").parse().unwrap());
    let flows = word(3, "1").parse().unwrap_or(1);
    let huge = words.iter().any(|word| word == "huge");
    let memory = if huge { Memory::Huge { mib: 128 } } else { Memory::NoHuge { mib: 128 } };
    let eal = Eal::start(&EalConfig::new(memory)).unwrap();
    let pages = if huge { PagePolicy::HugeOnly } else { PagePolicy::PlainOnly };
    let mut stage = Stage::set(&eal, &device, (height, flows), pages);
    let consumer = stage.consume(&eal, device == "net_ring");
    let _lcore = eal.register_thread().unwrap();
    stage.turns(2);
    let before = stage.packets();
    let start = Instant::now();
    stage.turns(grains);
    let (seconds, packets) = (start.elapsed().as_secs_f64(), (stage.packets() - before) as f64);
    stage.stop.store(true, Ordering::Relaxed);
    if let Some(consumer) = consumer {
        consumer.join().unwrap();
    }
    let freed = stage.freed.load(Ordering::Relaxed);
    println!(
        "{device}: {:.2} Mpps, {:.1} ns a packet, {packets} packets, {freed} freed elsewhere",
        packets / seconds / 1e6,
        seconds * 1e9 / packets
    );
}

struct Stage {
    clock: ManualClock,
    flows: Vec<Flow>,
    worker: Worker<Rx, Tx, ManualClock>,
    mailbox: Arc<Mailbox<Rx, Tx>>,
    /// In which the next packets of each flow come due; 0 where all of them are.
    step_nanos: i64,
    next: u64,
    rx: Option<Rx>,
    stop: Arc<AtomicBool>,
    freed: Arc<AtomicU64>,
    broker: Broker,
    _port: Port<dpdk::port::Started>,
    _host: HostEnd,
    _folder: tempfile::TempDir,
}

/// A ring, and who sends of it.
struct Flow {
    writer: FrameWriter,
    sent: Arc<worker::SenderCounters>,
}

fn format(height: u32) -> VideoFormat {
    let rate = Rate::new(25, 1).unwrap();
    VideoFormat::new(height * 16 / 9, height, Sampling::YCbCr422, Depth::Bits10, rate).unwrap()
}

impl Stage {
    fn set(eal: &Eal, device: &str, (height, flows): (u32, u16), pages: PagePolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = pages;
        let broker = Broker::start(config, |_| {}).unwrap();
        let clock = ManualClock::at(START);
        let (port, tx, rx, host) = port(eal, device, flows, &clock);
        let mailbox = Mailbox::new();
        let worker = Worker::new(clock.clone(), vec![tx], Arc::clone(&mailbox));
        let plan = Arc::new(PackingPlan::new(format(height), PackingMode::Gpm, UdpLimit::Standard).unwrap());
        let schedule = Schedule::new(plan.format(), plan.packets_per_frame(), ReadSchedule::Gapped);
        let step_nanos = if flows == 1 { 0 } else { schedule.at(BUNCH, Tai::EPOCH).as_nanos() };
        let (stop, freed) = Default::default();
        let mut stage = Self {
            clock,
            flows: Vec::new(),
            worker,
            mailbox,
            step_nanos,
            next: 0,
            rx: Some(rx),
            stop,
            freed,
            broker,
            _port: port,
            _host: host,
            _folder: folder,
        };
        for number in 0..u64::from(flows) {
            let (writer, reader) = stage.ring(number, height);
            let source = Source::new(reader, Arc::clone(&plan), ReadSchedule::Gapped);
            let source = if flows == 1 { source.unpaced() } else { source.of_type(SenderType::N) };
            let sent = stage.send(number, source);
            stage.flows.push(Flow { writer, sent });
        }
        stage
    }

    /// A ring and a reader of it.
    fn ring(&self, number: u64, height: u32) -> (FrameWriter, FrameReader) {
        let (broker, now) = (&self.broker, self.clock.now());
        let flow: Name = format!("flow-{number}").parse().unwrap();
        let mut writer = broker.create_flow(&flow, format(height), Some(8)).unwrap();
        let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
        let reader = std::thread::scope(|scope| {
            let joining = scope.spawn(|| broker.subscribe(&flow, class).unwrap());
            while !joining.is_finished() {
                writer.poll(now);
                // Who counts instructions runs one thread at a time, and the others' answers have a deadline.
                std::thread::yield_now();
            }
            joining.join().unwrap()
        });
        (writer, reader)
    }

    /// Has the worker send of `source`.
    fn send(&mut self, number: u64, source: Source) -> Arc<worker::SenderCounters> {
        let config = SenderConfig {
            path: Path::to(GROUP.parse().unwrap()),
            output: OutputIndex(0),
            payload_type: PayloadType(96),
            ssrc: Ssrc(3),
            first_sequence: 65_000,
            timing: SenderTiming::Source,
            lateness: Lateness::Frames(10),
        };
        let sender = Sender::new(SenderKey(number), config);
        let sent = sender.counters();
        assert!(matches!(self.ask(Command::AddSender(Box::new(sender))), Report::Added));
        let connect = Command::Connect(SenderKey(number), Some(Box::new(source)));
        assert!(matches!(self.ask(connect), Report::Disconnected(None)));
        sent
    }

    /// Packets of all flows so far.
    fn packets(&self) -> u64 {
        self.flows.iter().map(|flow| flow.sent.packets.value()).sum()
    }

    fn ask(&mut self, command: Command<Rx, Tx>) -> Report<Rx, Tx> {
        assert!(self.mailbox.send(command).is_ok());
        loop {
            self.worker.turn();
            if let Some(report) = self.mailbox.report() {
                return report;
            }
        }
    }

    /// Frees what arrives, on a thread of its own, where there is somebody to do so.
    fn consume(&mut self, eal: &Eal, does: bool) -> Option<std::thread::JoinHandle<()>> {
        let mut rx = self.rx.take().filter(|_| does)?;
        let (stop, freed, eal) = (Arc::clone(&self.stop), Arc::clone(&self.freed), eal.clone());
        Some(std::thread::spawn(move || {
            let _lcore = eal.register_thread().unwrap();
            let mut burst = Burst::new();
            while !stop.load(Ordering::Relaxed) {
                freed.fetch_add(rx.rx_burst(&mut burst) as u64, Ordering::Relaxed);
                burst.clear();
            }
        }))
    }

    /// So many grains of each flow, one after the other.
    #[inline(never)]
    fn turns(&mut self, grains: u64) {
        let until = self.next + grains;
        while self.next < until {
            let now = START.plus_nanos(self.next as i64 * FRAME_NANOS);
            self.clock.set(now);
            let stamp = GrainStamp { tai: now, rtp: RtpTimestamp(self.next as u32 * 3_600) };
            for flow in &mut self.flows {
                let key = flow.writer.open(GrainIndex(self.next), stamp, now).unwrap();
                flow.writer.commit(key, GrainEnd::default());
                flow.writer.poll(now);
            }
            self.next += 1;
            // This turn sees the grains.
            self.worker.turn();
            while self.flows.iter().any(|flow| flow.sent.grains_sent.value() < self.next) {
                self.clock.advance_nanos(self.step_nanos);
                self.worker.turn();
            }
        }
    }
}

fn port(eal: &Eal, name: &str, flows: u16, clock: &ManualClock) -> (Port<dpdk::port::Started>, Tx, Rx, HostEnd) {
    let device = name.parse().unwrap();
    let demand = Demand { packets_per_second: 1_000_000, hold_ms: 1, mtu: 1_500, streams: flows };
    let sizing = Sizing::new(&device, demand).unwrap();
    let pool = |config| Mempool::create(eal, &config).unwrap();
    let pools = TxPools {
        headers: pool(sizing.header_pool(None)),
        references: References::create(eal, &sizing.reference_pool(None)).unwrap(),
    };
    let rx_pool = pool(sizing.rx_pool(None));
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let (port, queues) = Port::probe(eal, config, rx_pool).unwrap().start().unwrap();
    let (rx_end, tx_end, mut host) = exchange(ExchangeConfig::default());
    host.publish([GROUP.parse().unwrap()].into_iter().collect());
    let network = Network::new(vec!["192.0.2.1/24".parse().unwrap()], None, None).unwrap();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let station = Station { name: name.to_owned(), mac, vlan: None, network, mtu: 1_500 };
    let can = port.capabilities();
    let rx = DpdkRx::new(queues.rx, &station, can, rx_end, Arc::default(), clock.clone());
    let config = DpdkTxConfig { payloads: 2 * flows.max(32), ..DpdkTxConfig::default() };
    let tx = DpdkTx::new(queues.tx, station.clone(), can, pools, tx_end, Arc::default(), config);
    (port, tx, rx, host)
}
