//! What a packet costs a worker on its way from a queue to its place in a ring: valid ST 2110-20 packets of 1080p, 10 bit, come over
//! a net_ring in bursts of 32, which this thread fills.
//!
//! `cargo run --release -p flypack-benches --example receive [FRAMES] [STREAMS]`: one round. With more than one stream, each of 180 rows of
//! 1,280 pixels, they come in runs of four packets. Instructions of a packet: `valgrind --tool=callgrind
//! --toggle-collect='*served_turn*'` over 2 and over 12 frames, see `baseline/instructions.toml`.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on ends here")]

use std::iter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use arrayvec::ArrayVec;
use benches::{Packet, Packets, hd};
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::Mempool;
use dpdk::port::{Port, PortConfig, Reception, Started, TxHandle};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::DpdkTx;
use ip::{MacAddr, Network, Template, TemplateConfig};
use media::{Depth, ManualClock, Name, PayloadType, Rate, Sampling, Tai, VideoFormat};
use netio::PacketBuf;
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use shm::{Broker, BrokerConfig, GrainLease, PagePolicy};
use st2110::TimelineMode;
use worker::{
    Command, Input, InputKey, Leg, Mailbox, Receiver, ReceiverConfig, ReceiverCounters, ReceiverKey, Report,
    SteeredReceiver, Worker,
};

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

const FRAME_NANOS: i64 = 20_000_000;
/// Packets of one stream that come one after the other, where there are several.
const RUN: usize = 4;

fn main() {
    let frames: u32 = std::env::args().nth(1).map_or(1_000, |word| word.parse().unwrap());
    let eal = Eal::start(&EalConfig::new(Memory::NoHuge { mib: 128 })).unwrap();
    let streams: u8 = std::env::args().nth(2).map_or(1, |word| word.parse().unwrap());
    let mut stage = Stage::set(&eal, streams);
    let _lcore = eal.register_thread().unwrap();
    let start = Instant::now();
    (0..frames).for_each(|_| stage.frame());
    let (seconds, packets) = (start.elapsed().as_secs_f64(), stage.received());
    for counters in &stage.counters {
        assert_eq!(counters.packets_lost.value() + counters.grains_incomplete.value(), 0);
    }
    println!("net_ring: {packets} packets, {:.1} ns a packet with what fills the ring", seconds * 1e9 / packets as f64);
}

/// The worker, and what comes to it.
struct Stage {
    clock: ManualClock,
    worker: Worker<Rx, Tx, ManualClock>,
    mailbox: Arc<Mailbox<Rx, Tx>>,
    counters: Vec<Arc<ReceiverCounters>>,
    packets: Packets,
    run: usize,
    way_in: TxHandle,
    pool: Mempool,
    /// One for each stream.
    templates: Vec<Template>,
    sent: u64,
    _kept: (Broker, Port<Started>, HostEnd, tempfile::TempDir),
}

impl Stage {
    fn set(eal: &Eal, streams: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        let broker = Broker::start(config, |_| {}).unwrap();
        let (format, run) = if streams > 1 { (ribbon(), RUN) } else { (hd(), BURST) };
        let groups: Vec<SocketAddr> = (0..streams).map(|stream| ([239, 1, 2, stream], 5004).into()).collect();
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let (port, rx, way_in, pool, host) = port(eal, &clock, &groups);
        let mailbox = Mailbox::new();
        let worker = Worker::new(clock.clone(), Vec::new(), Arc::clone(&mailbox));
        let (packets, templates) = (Packets::new(format), groups.iter().copied().map(template).collect());
        let receivers: Vec<_> = (1..=streams).map(|stream| receiver(&broker, stream, format)).collect();
        let counters = receivers.iter().map(Receiver::counters).collect();
        let _kept = (broker, port, host, folder);
        let mut stage =
            Self { clock, worker, mailbox, counters, packets, run, way_in, pool, templates, sent: 0, _kept };
        stage.command(Command::AddInput(Box::new(Input::shared(InputKey(1), rx, groups.len()))));
        for ((key, destination), receiver) in (1..).zip(groups).zip(receivers) {
            let leg = Leg { input: InputKey(1), destination };
            stage.command(Command::AddReceiver(Box::new(SteeredReceiver::new(ReceiverKey(key), [leg], receiver))));
        }
        stage
    }

    fn command(&mut self, command: Command<Rx, Tx>) {
        assert!(self.mailbox.send(command).is_ok());
        self.worker.turn();
        assert!(matches!(self.mailbox.report(), Some(Report::Added)));
    }

    fn received(&self) -> u64 {
        self.counters.iter().map(|counters| counters.packets.value()).sum()
    }

    /// The packets of one frame of each stream, a burst at a time.
    fn frame(&mut self) {
        self.clock.advance_nanos(FRAME_NANOS);
        let mut frame = Vec::new();
        self.packets.next_frame(|packet| frame.push(packet));
        let streams = 0..self.templates.len();
        let run = |packets| streams.clone().flat_map(move |stream| iter::repeat(stream).zip(packets));
        let all: Vec<(usize, &Packet)> = frame.chunks(self.run).flat_map(run).collect();
        for burst in all.chunks(BURST) {
            self.send(burst);
            while self.received() < self.sent {
                self.served_turn();
            }
        }
    }

    fn send(&mut self, burst: &[(usize, &Packet)]) {
        let mut mbufs = ArrayVec::<Mbuf, BURST>::new();
        assert!(self.pool.alloc_burst(&mut mbufs, burst.len()));
        for (mbuf, (stream, packet)) in mbufs.iter_mut().zip(burst) {
            let template = &self.templates[*stream];
            let below = template.octets();
            let out = mbuf.append((below + packet.octets()) as u16).unwrap();
            template.write(&mut out[..below], template.group_mac().unwrap(), packet.octets() as u16);
            let mut at = below;
            for segment in packet.segments() {
                out[at..at + segment.len()].copy_from_slice(segment);
                at += segment.len();
            }
        }
        self.sent += burst.len() as u64;
        self.way_in.burst(&mut mbufs);
        assert!(mbufs.is_empty());
    }

    #[inline(never)]
    fn served_turn(&mut self) {
        self.worker.turn();
    }
}

/// A quarter of 720p, whose rows are four packets of 800 octets.
fn ribbon() -> VideoFormat {
    VideoFormat::new(1_280, 180, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

fn receiver<B: PacketBuf>(broker: &Broker, stream: u8, format: VideoFormat) -> Receiver<B> {
    let config = ReceiverConfig {
        format,
        payload_type: PayloadType(96),
        sources: Vec::new(),
        timeline: TimelineMode::Async,
        reorder_packets: 64,
        grain_timeout_nanos: i64::MAX,
        stores: shm::StoreChoice::default(),
    };
    let flow: Name = format!("flow-{stream}").parse().unwrap();
    Receiver::new(&config, broker.create_flow(&flow, format, Some(8)).unwrap())
}

fn template(destination: SocketAddr) -> Template {
    let (source_mac, source) = (MacAddr::new([2, 0, 0, 0, 0, 7]), "192.0.2.7:5004".parse().unwrap());
    Template::new(&TemplateConfig { source_mac, vlan: None, source, destination, dscp: 0, ttl: 1 }).unwrap()
}

fn port(eal: &Eal, clock: &ManualClock, groups: &[SocketAddr]) -> (Port<Started>, Rx, TxHandle, Mempool, HostEnd) {
    let device: dpdk::device::Device = "net_ring".parse().unwrap();
    let demand = Demand { packets_per_second: 100_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand).unwrap();
    let pool = |config| Mempool::create(eal, &config).unwrap();
    let (rx_pool, frames) = (pool(sizing.rx_pool(None)), pool(sizing.linear_pool(None)));
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let (port, queues) = Port::probe(eal, config, rx_pool).unwrap().start().unwrap();
    let (rx_end, _, mut host) = exchange(ExchangeConfig::default());
    host.publish(groups.iter().copied().collect());
    let network = Network::new(vec!["192.0.2.1/24".parse().unwrap()], None, None).unwrap();
    let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
    let station = Station { name: "receive".to_owned(), mac, vlan: None, network, mtu: 1_500 };
    let rx = Rx::new(queues.rx, &station, port.capabilities(), rx_end, Arc::default(), clock.clone());
    (port, rx, queues.tx, frames, host)
}
