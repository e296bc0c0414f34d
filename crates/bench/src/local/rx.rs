//! `flypack bench local rx`: what it costs a worker to bring packets from a queue to their places in a ring, beside a bare loop that
//! copies the same packets there and reads nothing of them, and beside memcpy of whole frames.
//!
//! The packets lie in 4,095 buffers of a pool, all of them used in turn, and come over net_ring in batches of 1,000; only taking
//! them out is timed, in time of the thread's own on its core. Both loops store into rings of at least 128 MB. The worker is whole:
//! queue, frames, RTP, payload headers, coverage, publication, clock.

mod packets;
mod report;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use arrayvec::ArrayVec;
use dpdk::capabilities::Capabilities;
use dpdk::eal::{Eal, EalConfig, Memory};
use dpdk::mbuf::{BURST, Mbuf};
use dpdk::mempool::{Mempool, MempoolConfig, Sharing};
use dpdk::port::{Port, PortConfig, PortQueues, Reception, RxHandle, Started, TxHandle};
use dpdk::rx::DpdkRx;
use dpdk::sizing::{Demand, Sizing};
use dpdk::station::Station;
use dpdk::tx::DpdkTx;
use ip::{MacAddr, Network};
use media::{Depth, FlowId, GrainIndex, ManualClock, Name, PayloadType, Tai, VideoFormat};
use netio::exchange::{ExchangeConfig, HostEnd, exchange};
use rustix::time::{ClockId, clock_gettime};
use shm::{
    FrameWriter, Geometry, GrainEnd, GrainKey, GrainLease, GrainStamp, IdentityPlacement, Mailbox as RingMailbox,
    PagePolicy, Pages, Region, SealedRegion, Store, StoreChoice,
};
use st2110::TimelineMode;
use worker::{
    Command, Core, Input, InputKey, Leg, Mailbox, Receiver, ReceiverConfig, ReceiverCounters, ReceiverKey,
    Report as Answer, SteeredReceiver, Worker,
};

use packets::{LAP, Packets, put};
use report::{Report, Round, Took};

use crate::arguments::Local;
use crate::frame_format::FrameFormat;
use crate::role::Policy;

/// Octets of samples in the packets that are measured.
const PAYLOADS: [u16; 3] = [1_200, 1_260, 1_430];
/// The picture, 10 bit.
const FORMAT: &str = "1080p50";
/// Rounds for each that is asked for.
const ROUNDS: usize = 10;
/// Laps each way of a round.
const LAPS: usize = 8;
/// Octets that the frames of a ring have together, at least.
const RING_OCTETS: u64 = 128 << 20;

/// Turns that a batch may take: one for each of its packets would be slow.
const TURNS_MOST: usize = 1_000_000;

type Rx = DpdkRx<ManualClock>;
type Tx = DpdkTx<GrainLease>;

/// Time that this thread has spent on a core.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Where time goes.
#[derive(Default)]
struct Watch {
    time: Duration,
    packets: u64,
    octets: u64,
}

impl Watch {
    fn took(&self) -> Took {
        let nanos = self.time.as_nanos() as f64;
        Took { packet_ns: nanos / self.packets as f64, gigaoctets_per_second: self.octets as f64 / nanos }
    }
}

/// A ring that nobody reads.
struct Ring {
    writer: FrameWriter,
    _ring: SealedRegion,
}

impl Ring {
    fn new(format: VideoFormat, pages: PagePolicy) -> Result<Self> {
        let name: Name = "rx".parse()?;
        let slots = (RING_OCTETS / u64::from(format.frame_octets()) + 1).try_into()?;
        let geometry = Geometry::new(FlowId::from_name(&name), format, slots, 1, Pages::Plain)?;
        let region = Region::create(geometry, pages, &IdentityPlacement)?;
        let (control, data) = region.map_for_writing()?;
        let ring = region.seal()?;
        let writer = FrameWriter::new(*ring.geometry(), control, data, Arc::new(RingMailbox::new()))?;
        Ok(Self { writer, _ring: ring })
    }

    fn open(&mut self, number: u64) -> Result<GrainKey> {
        Ok(self.writer.open(GrainIndex(number), GrainStamp::default(), Tai::from_nanos(0))?)
    }
}

/// A net_ring port.
struct Lane {
    _port: Port<Started>,
    capabilities: Capabilities,
}

fn lane(eal: &Eal, pool: &Mempool) -> Result<(Lane, PortQueues)> {
    let device: dpdk::device::Device = "net_ring".parse()?;
    let demand = Demand { packets_per_second: 100_000, hold_ms: 1, mtu: 1_500, streams: 1 };
    let sizing = Sizing::new(&device, demand)?;
    let config = PortConfig { device, sizing, reception: Reception::Multicast };
    let port = Port::probe(eal, config, pool.clone())?;
    let capabilities = port.capabilities().clone();
    let (port, queues) = port.start().map_err(|refused| refused.error)?;
    Ok((Lane { _port: port, capabilities }, queues))
}

/// The worker and its way in.
struct Served {
    worker: Worker<Rx, Tx, ManualClock>,
    clock: ManualClock,
    way_in: TxHandle,
    packets: Packets,
    counters: Arc<ReceiverCounters>,
    _kept: (Lane, HostEnd, SealedRegion),
}

impl Served {
    fn new(bench: &Bench, format: VideoFormat, payload_octets: u16) -> Result<Self> {
        let destination = SocketAddr::from(([239, 192, 1, 1], 5_004));
        let (lane, queues) = lane(&bench.eal, &bench.spare)?;
        let network = Network::new(vec!["192.0.2.1/24".parse()?], None, None)?;
        let mac = MacAddr::new([2, 0, 0, 0, 0, 1]);
        let station = Station { name: "rx".to_owned(), mac, vlan: None, network, mtu: 1_500 };
        let (rx_end, _, mut host) = exchange(ExchangeConfig::default());
        host.publish([destination].into_iter().collect());
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let rx = Rx::new(queues.rx, &station, &lane.capabilities, rx_end, Arc::default(), clock.clone());
        let ring = Ring::new(format, bench.pages)?;
        let config = ReceiverConfig {
            format,
            payload_type: PayloadType(96),
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 64,
            grain_timeout_nanos: i64::MAX,
            stores: bench.stores,
        };
        let receiver = Receiver::new(&config, ring.writer);
        let counters = receiver.counters();
        let mailbox = Mailbox::new();
        let mut worker = Worker::new(clock.clone(), Vec::new(), Arc::clone(&mailbox));
        let input = InputKey(1);
        let steered = SteeredReceiver::new(ReceiverKey(1), [Leg { input, destination }], receiver);
        for command in
            [Command::AddInput(Box::new(Input::shared(input, rx, 16))), Command::AddReceiver(Box::new(steered))]
        {
            ensure!(mailbox.send(command).is_ok(), "the mailbox is full");
            worker.turn();
            ensure!(matches!(mailbox.report(), Some(Answer::Added)), "the worker refuses");
        }
        let packets = Packets::new(format, payload_octets, destination)?;
        let _kept = (lane, host, ring._ring);
        Ok(Self { worker, clock, way_in: queues.tx, packets, counters, _kept })
    }

    /// One lap of packets through the worker.
    fn lap(&mut self, pool: &Mempool, watch: &mut Watch) -> Result<()> {
        let before = self.counters.octets_copied_by_us.value();
        let mut lap = self.packets.lap(pool)?.into_iter();
        while lap.len() > 0 {
            let count = put(&mut lap, &mut self.way_in)? as u64;
            let until = self.counters.packets.value() + count;
            self.clock.advance_nanos(200_000);
            let began = thread_time();
            let mut turns = 0;
            while self.counters.packets.value() < until {
                self.worker.turn();
                turns += 1;
                ensure!(turns < TURNS_MOST, "packets were lost on the way to the worker: {:?}", self.counters.values());
            }
            watch.time += thread_time() - began;
            watch.packets += count;
        }
        watch.octets += self.counters.octets_copied_by_us.value() - before;
        Ok(())
    }
}

/// The bare loop and its way in.
struct BareLoop {
    rx: RxHandle,
    way_in: TxHandle,
    packets: Packets,
    ring: Ring,
    store: Store,
    /// Number of the next packet, and the frame that it belongs to.
    number: u64,
    frames: u64,
    key: Option<GrainKey>,
    _lane: Lane,
}

impl BareLoop {
    fn new(bench: &Bench, format: VideoFormat, payload_octets: u16) -> Result<Self> {
        let (_lane, queues) = lane(&bench.eal, &bench.spare)?;
        let packets = Packets::new(format, payload_octets, SocketAddr::from(([239, 192, 1, 1], 5_004)))?;
        let ring = Ring::new(format, bench.pages)?;
        let (rx, way_in) = (queues.rx, queues.tx);
        Ok(Self { rx, way_in, packets, ring, store: Store::Cached, number: 0, frames: 0, key: None, _lane })
    }

    fn lap(&mut self, pool: &Mempool, watch: &mut Watch) -> Result<()> {
        let mut lap = self.packets.lap(pool)?.into_iter();
        while lap.len() > 0 {
            let count = put(&mut lap, &mut self.way_in)? as u64;
            let until = self.number + count;
            let began = thread_time();
            let mut turns = 0;
            while self.number < until {
                watch.octets += self.drain()?;
                turns += 1;
                ensure!(
                    turns < TURNS_MOST,
                    "packets were lost on the way to the bare loop: {} are missing",
                    until - self.number
                );
            }
            watch.time += thread_time() - began;
            watch.packets += count;
        }
        Ok(())
    }

    /// One burst to its place.
    fn drain(&mut self) -> Result<u64> {
        let mut arrived = ArrayVec::<Mbuf, BURST>::new();
        self.rx.burst(&mut arrived);
        let mut copied = 0;
        for mbuf in arrived {
            let (start, octets) = self.packets.place(self.number);
            if start == 0 {
                self.turn_page()?;
            }
            let key = self.key.context("a frame is open")?;
            let head = mbuf.head();
            let samples = &head[head.len() - octets as usize..];
            match self.store {
                Store::Cached => self.ring.writer.write(key, start, samples)?,
                // Where neighbours share lines, streaming is faster by a half if those are asked for.
                Store::Streamed => self.ring.writer.write_on(self.store, key, start, samples)?,
            }
            self.number += 1;
            copied += u64::from(octets);
        }
        Ok(copied)
    }

    fn turn_page(&mut self) -> Result<()> {
        if let Some(key) = self.key.take() {
            self.ring.writer.commit(key, GrainEnd::default());
        }
        self.key = Some(self.ring.open(self.frames)?);
        self.frames += 1;
        Ok(())
    }
}

/// Whole frames by memcpy, from as many octets as the packets have, to a ring.
fn memcpy(ring: &mut Ring, number: &mut u64, source: &[u8], watch: &mut Watch) -> Result<()> {
    for _ in 0..2 {
        let key = ring.open(*number)?;
        *number += 1;
        let began = thread_time();
        ring.writer.write(key, 0, source)?;
        watch.time += thread_time() - began;
        watch.packets += 1;
        watch.octets += source.len() as u64;
        ring.writer.commit(key, GrainEnd::default());
    }
    Ok(())
}

/// What every payload is measured with.
struct Bench {
    eal: Eal,
    pages: PagePolicy,
    /// As the gateway chooses them by itself.
    stores: StoreChoice,
    pool: Mempool,
    /// Ports keep a pool, and fill nothing from it.
    spare: Mempool,
}

impl Bench {
    fn start(pages: Policy) -> Result<Self> {
        let memory = if pages == Policy::Plain { Memory::NoHuge { mib: 128 } } else { Memory::Huge { mib: 64 } };
        let eal = Eal::start(&EalConfig::new(memory)).context("DPDK does not start")?;
        let sharing = Sharing::OneWorker;
        let config = MempoolConfig { mbufs: LAP as u32, data_octets: 2_048, cache: 256, sharing, numa: None };
        let pool = Mempool::create(&eal, &config)?;
        let spare = Mempool::create(&eal, &MempoolConfig { mbufs: 511, cache: 64, ..config })?;
        Ok(Self { eal, pages: pages.into(), stores: StoreChoice::measured(), pool, spare })
    }

    /// Rounds of laps each way, in alternation.
    fn measure(&self, payload_octets: u16, rounds: usize) -> Result<Vec<Round>> {
        let format = FORMAT.parse::<FrameFormat>()?.video(Depth::Bits10)?;
        let mut served = Served::new(self, format, payload_octets)?;
        let mut bare = BareLoop::new(self, format, payload_octets)?;
        let (mut whole, mut frames) = (Ring::new(format, self.pages)?, 0);
        let source: Vec<Vec<u8>> = (0..2).map(|frame| vec![frame; format.frame_octets() as usize]).collect();
        let mut measured = Vec::new();
        for round in 0..=rounds {
            let mut watches: [Watch; 4] = Default::default();
            for lap in 0..LAPS {
                served.lap(&self.pool, &mut watches[0])?;
                for (store, watch) in Store::ALL.into_iter().zip(&mut watches[1..3]) {
                    bare.store = store;
                    bare.lap(&self.pool, watch)?;
                }
                memcpy(&mut whole, &mut frames, &source[lap % 2], &mut watches[3])?;
            }
            // The first one only touches what the others measure.
            if round > 0 {
                let [worker, cached, streamed, memcpy] = watches.map(|watch| watch.took());
                measured.push(Round { worker, bare: [cached, streamed], memcpy });
            }
        }
        let counters = &served.counters;
        let lost = counters.packets_lost.value() + counters.grains_incomplete.value();
        ensure!(lost == 0 && counters.grains_complete.value() > 0, "packets were lost: {:?}", counters.values());
        Ok(measured)
    }
}

/// Measures each payload and prints.
///
/// # Errors
/// What could not be opened, or packets that were lost.
pub(super) fn run(arguments: &Local) -> Result<()> {
    let bench = Bench::start(arguments.traffic.pages)?;
    let _core = arguments.traffic.pair_of_cores()[1].map(|core| worker::run::pin(Core(core)));
    let _lcore = bench.eal.register_thread()?;
    let rounds = ROUNDS * arguments.rounds as usize;
    let mut report = Report::new(bench.eal.version());
    for payload_octets in PAYLOADS {
        report.add(payload_octets, bench.stores.of(payload_octets.into()), &bench.measure(payload_octets, rounds)?);
    }
    report.print(arguments.json)
}
