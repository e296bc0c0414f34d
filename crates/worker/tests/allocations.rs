//! A worker's turn allocates nothing, from its first packet on: kernel UDP in, a ring, kernel UDP out. Nor does its sleep.
//!
//! The far end is one receive queue with two receivers, each fed by an output of its own, and its port is restarted in
//! the middle.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::{Depth, ManualClock, Name, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, Tai, VideoFormat};
use netio::{Burst, Doorbell, KernelRx, KernelRxConfig, KernelTx, KernelTxConfig, OwnedBytes, Path, RxQueue, TxQueue};
use shm::{Broker, BrokerConfig, ConsumerClass, FrameReader, GrainLease, PagePolicy};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, ReadSchedule, TimelineMode, UdpLimit};
use worker::{
    Berth, Command, Input, InputKey, Leg, Mailbox, OutputIndex, PortKey, Receiver, ReceiverConfig, ReceiverCounters,
    ReceiverKey, Report, Sender, SenderConfig, SenderKey, SenderTiming, Source, SteeredReceiver, Worker,
};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting what each thread takes and gives back.
struct Counting;

#[allow(unsafe_code, reason = "a test allocator")]
// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local cell that needs no
// allocation and no destructor.
unsafe impl GlobalAlloc for Counting {
    // SAFETY: the caller keeps the contract of GlobalAlloc.
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    // SAFETY: the caller keeps the contract of GlobalAlloc.
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

type Rx = KernelRx<ManualClock>;
type Tx = KernelTx<GrainLease>;

const FRAMES: u32 = 50;
const FRAME_NANOS: i64 = 40_000_000;

fn format() -> VideoFormat {
    VideoFormat::new(720, 16, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

struct Bench {
    clock: ManualClock,
    broker: Broker,
    mailbox: Arc<Mailbox<Rx, Tx>>,
    worker: Worker<Rx, Tx, ManualClock>,
    berth: Berth,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        let broker = Broker::start(config, |_| {}).unwrap();
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let mailbox = Mailbox::new();
        let queues = (0..2).map(|_| Tx::new(KernelTxConfig::default())).collect();
        let worker = Worker::new(clock.clone(), queues, Arc::clone(&mailbox));
        let berth = Berth::new(Doorbell::new().unwrap());
        Self { clock, broker, mailbox, worker, berth, _folder: folder }
    }

    fn ask(&mut self, command: Command<Rx, Tx>) -> Report<Rx, Tx> {
        assert!(self.mailbox.send(command).is_ok());
        loop {
            self.worker.turn();
            if let Some(report) = self.mailbox.report() {
                return report;
            }
            self.clock.advance_nanos(1_000_000);
        }
    }

    /// A turn and a sleep, and how often they allocated.
    fn turn(&mut self) -> u64 {
        let before = ALLOCATIONS.get();
        self.worker.turn();
        self.worker.sleep_in(&mut self.berth, Duration::ZERO);
        ALLOCATIONS.get() - before
    }

    fn receiver(&self, key: u64, leg: Leg, flow: &str) -> SteeredReceiver<<Rx as RxQueue>::Buf> {
        let flow: Name = flow.parse().unwrap();
        let config = ReceiverConfig {
            format: format(),
            payload_type: PayloadType(96),
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 64,
            grain_timeout_nanos: 2 * FRAME_NANOS,
            stores: shm::StoreChoice::default(),
        };
        let receiver = Receiver::new(&config, self.broker.create_flow(&flow, format(), Some(16)).unwrap());
        SteeredReceiver::new(ReceiverKey(key), [leg], receiver)
    }

    /// A socket with a receiver of its own.
    fn socket(&mut self, flow: &str) -> (SocketAddr, Arc<ReceiverCounters>) {
        let queue = Rx::open(&KernelRxConfig::of("127.0.0.1:0".parse().unwrap()), self.clock.clone()).unwrap();
        let address = queue.local_addr();
        let leg = Leg { input: InputKey(1), destination: address };
        let receiver = self.receiver(1, leg, flow);
        let counters = receiver.receiver().counters();
        assert!(matches!(self.ask(Command::AddInput(Box::new(Input::private(leg.input, queue)))), Report::Added));
        assert!(matches!(self.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        (address, counters)
    }

    /// A socket for many receivers, as a port: the UDP port that it has.
    fn port(&mut self) -> u16 {
        let queue = Rx::open(&KernelRxConfig::of("0.0.0.0:0".parse().unwrap()), self.clock.clone()).unwrap();
        let port = queue.local_addr().port();
        assert!(matches!(self.ask(Command::AddInput(Box::new(Input::shared(InputKey(2), queue, 16)))), Report::Added));
        port
    }

    /// A receiver on that port, and a sender to it by an output of its own.
    fn road(&mut self, key: u8, port: u16, plan: &Arc<PackingPlan>) -> Arc<ReceiverCounters> {
        let far = SocketAddr::from(([127, 0, 0, key], port));
        let receiver = self.receiver(key.into(), Leg { input: InputKey(2), destination: far }, &format!("far-{key}"));
        let arrived = receiver.receiver().counters();
        let report = self.ask(Command::AddReceiver(Box::new(receiver)));
        assert!(matches!(report, Report::Added));
        let config = SenderConfig {
            path: Path::to(far),
            output: OutputIndex(key % 2),
            payload_type: PayloadType(96),
            ssrc: Ssrc(3),
            first_sequence: 1,
            timing: SenderTiming::Source,
            lateness_frames: 1,
        };
        let key = SenderKey(key.into());
        assert!(matches!(self.ask(Command::AddSender(Box::new(Sender::new(key, config)))), Report::Added));
        let source = Source::new(self.reader("near"), Arc::clone(plan), ReadSchedule::Gapped);
        let connect = Command::Connect(key, Some(Box::new(source)));
        assert!(matches!(self.ask(connect), Report::Disconnected(None)));
        arrived
    }

    /// Takes the far end's queues away and gives them back; how often that allocated.
    fn restart(&mut self) -> u64 {
        let port = PortKey { input: Some(InputKey(2)), output: OutputIndex(0) };
        assert!(self.mailbox.send(Command::Detach(port)).is_ok());
        let mut allocations = self.turn();
        let Some(Report::Detached(queues)) = self.mailbox.report() else { panic!("not detached") };
        for _ in 0..100 {
            self.clock.advance_nanos(500_000);
            allocations += self.turn();
        }
        assert!(self.mailbox.send(Command::Attach(port, queues)).is_ok());
        allocations += self.turn();
        assert!(matches!(self.mailbox.report(), Some(Report::Attached)));
        allocations
    }

    /// Joins a flow: the broker waits for the worker's next turns.
    fn reader(&mut self, flow: &str) -> FrameReader {
        let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
        let (broker, worker, name) = (&self.broker, &mut self.worker, flow.parse().unwrap());
        std::thread::scope(|scope| {
            let joining = scope.spawn(|| broker.subscribe(&name, class).unwrap());
            while !joining.is_finished() {
                worker.turn();
            }
            joining.join().unwrap()
        })
    }
}

#[test]
fn a_turn_allocates_nothing() {
    let mut bench = Bench::new();
    let plan = Arc::new(PackingPlan::new(format(), PackingMode::Gpm, UdpLimit::Standard).unwrap());
    let (near, received) = bench.socket("near");
    let port = bench.port();
    let arrived = [2, 3].map(|key| bench.road(key, port, &plan));

    let mut camera = Camera::new(near, plan);
    let (mut turns, mut allocations) = (0, 0);
    for frame in 0..FRAMES {
        camera.send(frame);
        for _ in 0..FRAME_NANOS / 500_000 {
            bench.clock.advance_nanos(500_000);
            allocations += bench.turn();
            turns += 1;
        }
        if frame == FRAMES / 2 {
            allocations += bench.restart();
        }
    }

    assert_eq!(allocations, 0, "in {turns} turns");
    assert!(received.grains_complete.value() > u64::from(FRAMES) / 2, "{:?}", received.values());
    for arrived in &arrived {
        assert!(arrived.grains_opened.value() > u64::from(FRAMES) / 2, "{:?}", arrived.values());
    }
    assert!(ALLOCATIONS.get() > 0, "the allocator counts");
}

/// A camera on a socket.
struct Camera {
    tx: KernelTx<OwnedBytes>,
    path: netio::PathId,
    packetiser: Packetiser,
    plan: Arc<PackingPlan>,
}

impl Camera {
    fn new(destination: SocketAddr, plan: Arc<PackingPlan>) -> Self {
        let mut tx = KernelTx::new(KernelTxConfig::default());
        let path = tx.open_path(&Path::to(destination)).unwrap();
        Self { tx, path, packetiser: Packetiser::new(Arc::clone(&plan), PayloadType(96), Ssrc(1), 9), plan }
    }

    /// One frame with two packets exchanged, and one that is no RTP at all.
    fn send(&mut self, frame: u32) {
        let total = self.plan.packets_per_frame();
        let bytes = OwnedBytes::new(vec![frame as u8; format().frame_octets() as usize]);
        let payload = self.tx.attach(bytes, total + 1).unwrap();
        let mut burst = Burst::new();
        let mut packets: Vec<_> = (0..total as usize)
            .map(|packet| {
                let mut header = [0; MAX_HEADER_OCTETS];
                let octets = self.packetiser.header(packet, RtpTimestamp(frame * 3600), &mut header);
                let range = self.plan.packets()[packet].range();
                self.tx.gather(self.path, &header[..octets], &payload, range).unwrap()
            })
            .collect();
        packets.push(self.tx.gather(self.path, &[0; 20], &payload, 0..80).unwrap());
        packets.swap(3, 7);
        self.tx.cancel(payload, 0);
        for packet in packets {
            assert!(burst.push(packet).is_ok());
            self.tx.tx_burst(&mut burst);
        }
        self.tx.reap();
    }
}
