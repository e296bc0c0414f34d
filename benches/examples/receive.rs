//! What a packet costs a worker on its way from a queue to its place in a ring: valid ST 2110-20 packets of 1080p, 10 bit, come over
//! a net_ring in bursts of 32, which this thread fills.
//!
//! `cargo run --release -p flypack-benches --example receive [FRAMES]`: one round. Instructions of a packet:
//! `valgrind --tool=callgrind --toggle-collect='*served_turn*'` over 2 and over 12 frames, see `baseline/instructions.toml`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;
use benches::{Packets, hd};
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, Reception, Started, TxHandle};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::DpdkTx;
use ip::{MacAddr, Network, Template, TemplateConfig};
use media::{ManualClock, Name, PayloadType, Tai};
use netio::PacketBuf as _;
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use shm::{Broker, BrokerConfig, GrainLease, PagePolicy};
use st2110::TimelineMode;
use worker::{
    Command, Input, InputKey, Leg, Mailbox, Receiver, ReceiverConfig, ReceiverCounters, ReceiverKey, Report,
    SteeredReceiver, Worker,
};

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

const GROUP: &str = "239.1.2.3:5004";
const FRAME_NANOS: i64 = 20_000_000;

fn main() {
    let frames: u32 = std::env::args().nth(1).map_or(1_000, |word| word.parse().unwrap());
    let eal = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 128 })).unwrap();
    let mut stage = Stage::set(&eal);
    let _lcore = eal.register_thread().unwrap();
    let start = Instant::now();
    (0..frames).for_each(|_| stage.frame());
    let (seconds, packets) = (start.elapsed().as_secs_f64(), stage.counters.packets.value());
    assert_eq!(stage.counters.packets_lost.value() + stage.counters.grains_incomplete.value(), 0);
    println!("net_ring: {packets} packets, {:.1} ns a packet with what fills the ring", seconds * 1e9 / packets as f64);
}

/// The worker, and what comes to it.
struct Stage {
    clock: ManualClock,
    worker: Worker<Rx, Tx, ManualClock>,
    counters: Arc<ReceiverCounters>,
    packets: Packets,
    way_in: TxHandle,
    pool: Mempool,
    template: Template,
    sent: u64,
    _kept: (Broker, Port<Started>, HostEnd, tempfile::TempDir),
}

impl Stage {
    fn set(eal: &Eal) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        let broker = Broker::start(config, |_| {}).unwrap();
        let flow: Name = "flow".parse().unwrap();
        let config = ReceiverConfig {
            format: hd(),
            payload_type: PayloadType(96),
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 64,
            grain_timeout_nanos: i64::MAX,
            stores: shm::StoreChoice::default(),
        };
        let receiver = Receiver::new(&config, broker.create_flow(&flow, hd(), Some(8)).unwrap());
        let counters = receiver.counters();
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let (port, rx, way_in, pool, host) = port(eal, &clock);
        let mailbox = Mailbox::new();
        let mut worker = Worker::new(clock.clone(), Vec::new(), Arc::clone(&mailbox));
        let leg = Leg { input: InputKey(1), destination: GROUP.parse().unwrap() };
        let steered = SteeredReceiver::new(ReceiverKey(1), [leg], receiver);
        let input = Input::shared(leg.input, rx, 1);
        for command in [Command::AddInput(Box::new(input)), Command::AddReceiver(Box::new(steered))] {
            assert!(mailbox.send(command).is_ok());
            worker.turn();
            assert!(matches!(mailbox.report(), Some(Report::Added)));
        }
        let (source, destination) = ("192.0.2.7:5004".parse().unwrap(), GROUP.parse().unwrap());
        let source_mac = MacAddr::new([2, 0, 0, 0, 0, 7]);
        let config = TemplateConfig { source_mac, vlan: None, source, destination, dscp: 0, ttl: 1 };
        let template = Template::new(&config).unwrap();
        let _kept = (broker, port, host, folder);
        Self { clock, worker, counters, packets: Packets::new(hd()), way_in, pool, template, sent: 0, _kept }
    }

    /// The packets of one frame, a burst at a time.
    fn frame(&mut self) {
        self.clock.advance_nanos(FRAME_NANOS);
        let mut frame = Vec::new();
        self.packets.next_frame(|packet| frame.push(packet));
        for burst in frame.chunks(BURST) {
            let mut mbufs = ArrayVec::<Mbuf, BURST>::new();
            assert!(self.pool.alloc_burst(&mut mbufs, burst.len()));
            for (mbuf, packet) in mbufs.iter_mut().zip(burst) {
                let below = self.template.octets();
                let out = mbuf.append((below + packet.octets()) as u16).unwrap();
                self.template.write(&mut out[..below], self.template.group_mac().unwrap(), packet.octets() as u16);
                let mut at = below;
                for segment in packet.segments() {
                    out[at..at + segment.len()].copy_from_slice(segment);
                    at += segment.len();
                }
            }
            self.sent += burst.len() as u64;
            self.way_in.burst(&mut mbufs);
            assert!(mbufs.is_empty());
            while self.counters.packets.value() < self.sent {
                self.served_turn();
            }
        }
    }

    #[inline(never)]
    fn served_turn(&mut self) {
        self.worker.turn();
    }
}

fn port(eal: &Eal, clock: &ManualClock) -> (Port<Started>, Rx, TxHandle, Mempool, HostEnd) {
    let device: dpdk::device::Device = "net_ring".parse().unwrap();
    let demand = Demand { packets_per_second: 100_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    let pool = |config| Mempool::create(eal, &config).unwrap();
    let (rx_pool, frames) = (pool(sizing.rx_pool(None)), pool(sizing.linear_pool(None)));
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let (port, queues) = Port::probe(eal, config, rx_pool).unwrap().start().unwrap();
    let (rx_end, _, mut host) = exchange(ExchangeConfig::default());
    host.publish([GROUP.parse().unwrap()].into_iter().collect());
    let network = Network::new(vec!["192.0.2.1/24".parse().unwrap()], None, None).unwrap();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let station = Station { name: "receive".to_owned(), mac, vlan: None, network, mtu: 1_500 };
    let rx = Rx::new(queues.rx, &station, port.capabilities(), rx_end, Arc::default(), clock.clone());
    (port, rx, queues.tx, frames, host)
}
