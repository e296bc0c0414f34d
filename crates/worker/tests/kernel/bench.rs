//! A worker that the test turns itself, in virtual time, and all that it needs.

use std::net::SocketAddr;
use std::sync::Arc;

use media::{Depth, ManualClock, PayloadType, Rate, Sampling, Ssrc, Tai, VideoFormat};
use netio::{Doorbell, KernelRx, KernelRxConfig, KernelTx, KernelTxConfig, Path, RxQueue};
use shm::{Broker, BrokerConfig, ConsumerClass, FrameReader, GrainLease, PagePolicy};
use st2110::{PackingMode, PackingPlan, TimelineMode, UdpLimit};
use worker::{
    Berth, Command, Input, InputKey, Lateness, Leg, Mailbox, OutputIndex, Receiver, ReceiverConfig, ReceiverKey,
    Report, SenderConfig, SenderTiming, SteeredReceiver, Worker,
};

pub(super) type Rx = KernelRx<ManualClock>;
pub(super) type Tx = KernelTx<GrainLease>;

pub(super) const FRAME_NANOS: i64 = 40_000_000;

pub(super) fn format() -> VideoFormat {
    VideoFormat::new(720, 16, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

pub(super) fn plan() -> Arc<PackingPlan> {
    Arc::new(PackingPlan::new(format(), PackingMode::Gpm, UdpLimit::Standard).unwrap())
}

pub(super) fn sender_config(destination: SocketAddr, output: u8, timing: SenderTiming) -> SenderConfig {
    SenderConfig {
        path: Path::to(destination),
        output: OutputIndex(output),
        payload_type: PayloadType(96),
        ssrc: Ssrc(3),
        first_sequence: 1,
        timing,
        lateness: Lateness::Frames(1),
    }
}

/// Joins a flow; `poll` lets its writer look after its readers.
pub(super) fn join(broker: &Broker, flow: &str, mut poll: impl FnMut()) -> FrameReader {
    let class = ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX };
    let name = flow.parse().unwrap();
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| broker.subscribe(&name, class).unwrap());
        while !joining.is_finished() {
            poll();
        }
        joining.join().unwrap()
    })
}

pub(super) struct Bench {
    pub(super) clock: ManualClock,
    pub(super) broker: Broker,
    pub(super) mailbox: Arc<Mailbox<Rx, Tx>>,
    pub(super) worker: Worker<Rx, Tx, ManualClock>,
    pub(super) bell: Arc<Doorbell>,
    pub(super) berth: Berth,
    pub(super) folder: tempfile::TempDir,
}

impl Bench {
    /// A worker with so many outputs.
    pub(super) fn new(outputs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(folder.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        let broker = Broker::start(config, |_| {}).unwrap();
        let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
        let mailbox = Mailbox::new();
        let queues = (0..outputs).map(|_| Tx::new(KernelTxConfig::default())).collect();
        let worker = Worker::new(clock.clone(), queues, Arc::clone(&mailbox));
        let bell = Doorbell::new().unwrap();
        let berth = Berth::new(Arc::clone(&bell));
        Self { clock, broker, mailbox, worker, bell, berth, folder }
    }

    pub(super) fn ask(&mut self, command: Command<Rx, Tx>) -> Report<Rx, Tx> {
        assert!(self.mailbox.send(command).is_ok());
        loop {
            self.worker.turn();
            if let Some(report) = self.mailbox.report() {
                return report;
            }
            self.clock.advance_nanos(1_000_000);
        }
    }

    pub(super) fn receiver(&self, key: u64, legs: &[Leg], flow: &str) -> SteeredReceiver<<Rx as RxQueue>::Buf> {
        let config = ReceiverConfig {
            format: format(),
            payload_type: PayloadType(96),
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 64,
            grain_timeout_nanos: 2 * FRAME_NANOS,
            stores: shm::StoreChoice::default(),
        };
        let receiver =
            Receiver::new(&config, self.broker.create_flow(&flow.parse().unwrap(), format(), Some(16)).unwrap());
        SteeredReceiver::new(ReceiverKey(key), legs, receiver)
    }

    /// A socket of its own for one receiver or relay.
    pub(super) fn socket(&mut self, key: u64) -> Leg {
        let queue = self.open("127.0.0.1:0");
        let leg = Leg { input: InputKey(key), destination: queue.local_addr() };
        assert!(matches!(self.ask(Command::AddInput(Box::new(Input::private(leg.input, queue)))), Report::Added));
        leg
    }

    pub(super) fn open(&self, address: &str) -> Rx {
        Rx::open(&KernelRxConfig::of(address.parse().unwrap()), self.clock.clone()).unwrap()
    }
}
