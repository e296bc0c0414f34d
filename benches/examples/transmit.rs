//! What a packet costs a worker: a ring's grains, cut into valid ST 2110-20 packets, gathered and handed to a device that
//! has nothing to do (net_null), or to one whose other end frees them on another core (net_ring).
//!
//! `cargo run --release -p flypack-benches --example transmit [DEVICE] [GRAINS] [HEIGHT] [huge]`: one round. The writer of the
//! ring is here too, on the same core: it opens and commits grains and writes nothing into them, as nobody reads their octets.
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
use shm::{Broker, BrokerConfig, ConsumerClass, FrameWriter, GrainEnd, GrainLease, GrainStamp, PagePolicy};
use st2110::{PackingMode, PackingPlan, ReadSchedule, UdpLimit};
use worker::{
    Command, Lateness, Mailbox, OutputIndex, Report, Sender, SenderConfig, SenderKey, SenderTiming, Source, Worker,
};

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

const GROUP: &str = "239.1.2.3:5004";
const FRAME_NANOS: i64 = 40_000_000;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |at: usize, otherwise: &str| words.get(at).map_or_else(|| otherwise.to_owned(), Clone::clone);
    let (device, grains, height) =
        (word(0, "net_null"), word(1, "1000").parse().unwrap(), word(2, "1080").parse().unwrap());
    let huge = words.iter().any(|word| word == "huge");
    let memory = if huge { Memory::Huge { mib: 128 } } else { Memory::NoHuge { mib: 128 } };
    let eal = Eal::start(&EalConfig::new(memory)).unwrap();
    let mut stage = Stage::set(&eal, &device, height, if huge { PagePolicy::HugeOnly } else { PagePolicy::PlainOnly });
    let consumer = stage.consume(&eal, device == "net_ring");
    let _lcore = eal.register_thread().unwrap();
    stage.turns(8);
    let before = stage.sent.value();
    let start = Instant::now();
    stage.turns(grains);
    let (seconds, packets) = (start.elapsed().as_secs_f64(), (stage.sent.value() - before) as f64);
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
    writer: FrameWriter,
    worker: Worker<Rx, Tx, ManualClock>,
    mailbox: Arc<Mailbox<Rx, Tx>>,
    sent: Sent,
    next: u64,
    rx: Option<Rx>,
    stop: Arc<AtomicBool>,
    freed: Arc<AtomicU64>,
    _broker: Broker,
    _port: Port<dpdk::port::Started>,
    _host: HostEnd,
    _folder: tempfile::TempDir,
}

/// The sender's counters.
struct Sent(Arc<worker::SenderCounters>);

impl Sent {
    fn value(&self) -> u64 {
        self.0.packets.value()
    }
}

fn format(height: u32) -> VideoFormat {
    let rate = Rate::new(25, 1).unwrap();
    VideoFormat::new(height * 16 / 9, height, Sampling::YCbCr422, Depth::Bits10, rate).unwrap()
}

impl Stage {
    fn set(eal: &Eal, device: &str, height: u32, pages: PagePolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = pages;
        let broker = Broker::start(config, |_| {}).unwrap();
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let (port, tx, rx, host) = port(eal, device, &clock);
        let mailbox = Mailbox::new();
        let worker = Worker::new(clock.clone(), vec![tx], Arc::clone(&mailbox));
        let flow: Name = "flow".parse().unwrap();
        let mut writer = broker.create_flow(&flow, format(height), Some(8)).unwrap();
        let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
        let reader = std::thread::scope(|scope| {
            let joining = scope.spawn(|| broker.subscribe(&flow, class).unwrap());
            while !joining.is_finished() {
                writer.poll(clock.now());
            }
            joining.join().unwrap()
        });
        let config = SenderConfig {
            path: Path::to(GROUP.parse().unwrap()),
            output: OutputIndex(0),
            payload_type: PayloadType(96),
            ssrc: Ssrc(3),
            first_sequence: 65_000,
            timing: SenderTiming::Source,
            lateness: Lateness::Frames(10),
        };
        let sender = Sender::new(SenderKey(1), config);
        let sent = Sent(sender.counters());
        let plan = PackingPlan::new(format(height), PackingMode::Gpm, UdpLimit::Standard).unwrap();
        let source = Source::new(reader, Arc::new(plan), ReadSchedule::Gapped).unpaced();
        let (stop, freed) = Default::default();
        let mut stage = Self {
            clock,
            writer,
            worker,
            mailbox,
            sent,
            next: 0,
            rx: Some(rx),
            stop,
            freed,
            _broker: broker,
            _port: port,
            _host: host,
            _folder: folder,
        };
        assert!(matches!(stage.ask(Command::AddSender(Box::new(sender))), Report::Added));
        let connect = Command::Connect(SenderKey(1), Some(Box::new(source)));
        assert!(matches!(stage.ask(connect), Report::Disconnected(None)));
        stage
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

    /// So many grains, one after the other.
    #[inline(never)]
    fn turns(&mut self, grains: u64) {
        let until = self.next + grains;
        while self.next < until {
            let now = self.clock.now();
            let stamp = GrainStamp { tai: now, rtp: RtpTimestamp(self.next as u32 * 3_600) };
            let key = self.writer.open(GrainIndex(self.next), stamp, now).unwrap();
            self.writer.commit(key, GrainEnd::default());
            self.writer.poll(now);
            self.next += 1;
            // This turn sees the grain; a frame later in virtual time all of it is due.
            self.worker.turn();
            self.clock.advance_nanos(FRAME_NANOS);
            let sent = self.sent.0.grains_sent.value();
            while self.sent.0.grains_sent.value() == sent {
                self.worker.turn();
            }
        }
    }
}

fn port(eal: &Eal, name: &str, clock: &ManualClock) -> (Port<dpdk::port::Started>, Tx, Rx, HostEnd) {
    let device = name.parse().unwrap();
    let demand = Demand { packets_per_second: 1_000_000, hold_ms: 1, mtu: 1_500, streams: 1 };
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
    let tx = DpdkTx::new(queues.tx, station.clone(), can, pools, tx_end, Arc::default(), DpdkTxConfig::default());
    (port, tx, rx, host)
}
