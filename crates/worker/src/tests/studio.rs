//! A studio in virtual time: rings, cameras and one worker over the simulated network.

use std::net::SocketAddr;
use std::sync::Arc;

use media::{Depth, FlowId, ManualClock, Name, PayloadType, Rate, RtpTimestamp, Sampling, Ssrc, Tai, VideoFormat};
use netio::sim::{Faults, SimBuf, SimNet, SimRxConfig, SimTx, SimTxConfig};
use netio::{Burst, OwnedBytes, Path, PathId, TxQueue};
use shm::{
    Access, ConsumerClass, FrameReader, FrameWriter, Geometry, IdentityPlacement, LeasePage, Mail, Mailbox, PagePolicy,
    Pages, ReaderParts, Region, SealedRegion, Start, Trust, WriterCounters,
};
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingMode, PackingPlan, ReadSchedule, TimelineMode, UdpLimit};

use super::devices::{Drag, Shortage, SimPort, Valve, ValvedTx};
use crate::counters::{HeardLegCounters, InputCounters, OutputCounters, ReceiverCounters, SenderCounters};
use crate::input::Input;
use crate::key::{InputKey, OutputIndex, ReceiverKey, SenderKey};
use crate::receiver::{Receiver, ReceiverConfig};
use crate::sender::{Lateness, Sender, SenderConfig, SenderTiming, Source};
use crate::steered::{Leg, SteeredReceiver};
use crate::worker::Worker;

pub(super) type SimWorker = Worker<SimPort, ValvedTx, ManualClock>;
pub(super) type Command = crate::Command<SimPort, ValvedTx>;
pub(super) type Report = crate::Report<SimPort, ValvedTx>;

/// Payload type of every stream here.
pub(super) const PT: PayloadType = PayloadType(96);

/// Packets that a receive queue holds for each destination.
pub(super) const QUEUE_PACKETS: usize = 4096;

/// An instant some decades after the epoch.
pub(super) const NOON: Tai = Tai::from_nanos(1_790_000_000_000_000_000);

/// A small picture with several packets a row at 10 bits.
pub(super) fn format(rate: u32) -> VideoFormat {
    VideoFormat::new(720, 16, Sampling::YCbCr422, Depth::Bits10, Rate::new(rate, 1).unwrap()).unwrap()
}

/// A picture of some 180 packets, far more than C_MAX of any sender.
pub(super) fn tall() -> VideoFormat {
    VideoFormat::new(720, 128, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

/// The octets of frame `number`: different in every frame and place.
pub(super) fn picture(format: &VideoFormat, number: u32) -> Vec<u8> {
    (0..format.frame_octets()).map(|at| (at.wrapping_mul(31) ^ number.wrapping_mul(101) ^ (at >> 8)) as u8).collect()
}

/// A ring with its broker's side in hand.
pub(super) struct Ring {
    pub(super) region: SealedRegion,
    pub(super) mailbox: Arc<Mailbox>,
    seats: u8,
}

impl Ring {
    pub(super) fn new(format: VideoFormat, slots: u16) -> (Self, FrameWriter) {
        Self::with_open(format, slots, 1)
    }

    /// A ring of which up to `open_max` grains may be open at a time.
    pub(super) fn with_open(format: VideoFormat, slots: u16, open_max: u16) -> (Self, FrameWriter) {
        let name: Name = "test".parse().unwrap();
        let geometry = Geometry::new(FlowId::from_name(&name), format, slots, open_max, Pages::Plain).unwrap();
        let region = Region::create(geometry, PagePolicy::PlainOnly, &IdentityPlacement).unwrap();
        let (control, data) = region.map_for_writing().unwrap();
        let mailbox = Arc::new(Mailbox::new());
        let writer = FrameWriter::new(*region.geometry(), control, data, Arc::clone(&mailbox)).unwrap();
        let region = region.seal().unwrap();
        (Self { region, mailbox, seats: 0 }, writer)
    }

    /// Admits a consumer; `turn` must let the writer poll.
    pub(super) fn join(&mut self, k: u16, turn: impl FnOnce()) -> FrameReader {
        let page = LeasePage::create().unwrap();
        let class = ConsumerClass::Leased { k, deadline_nanos: i64::MAX };
        let (consumer, nonce) = (self.seats, u64::from(self.seats) + 1);
        self.seats += 1;
        let lease = Arc::new(page.map(Access::ReadOnly).unwrap());
        let start = Start::Live;
        self.mailbox.post(Mail::Join { consumer, class, start, lease, nonce }).unwrap();
        turn();
        let (control, data) = self.region.map_for_reading().unwrap();
        FrameReader::new(ReaderParts {
            geometry: *self.region.geometry(),
            control,
            data,
            lease: page.map(Access::ReadWrite).unwrap(),
            consumer,
            class,
            nonce,
            trust: Trust::Gateway,
            life: None,
        })
        .unwrap()
    }
}

/// A camera that nobody paces.
pub(super) struct Camera {
    tx: SimTx<OwnedBytes>,
    path: PathId,
    packetiser: Packetiser,
    format: VideoFormat,
}

impl Camera {
    fn new(net: &SimNet, destination: SocketAddr, source: SocketAddr, format: VideoFormat, ssrc: u32) -> Self {
        let config = SimTxConfig { source, queue_packets: 4096, ..SimTxConfig::default() };
        let mut tx = net.open_tx(config);
        let path = tx.open_path(&Path::to(destination)).unwrap();
        let plan = Arc::new(PackingPlan::new(format, PackingMode::Gpm, UdpLimit::Standard).unwrap());
        Self { tx, path, packetiser: Packetiser::new(plan, PT, Ssrc(ssrc), 65_530), format }
    }

    pub(super) fn packets(&self) -> u32 {
        self.packetiser.plan().packets_per_frame()
    }

    /// Sends frame `number` whole.
    pub(super) fn send(&mut self, number: u32, timestamp: u32) {
        self.send_some(number, timestamp, |_| true);
    }

    /// Sends those packets of frame `number` that `wanted` says; the others are lost.
    pub(super) fn send_some(&mut self, number: u32, timestamp: u32, wanted: impl Fn(u32) -> bool) {
        let total = self.packets();
        let bytes = OwnedBytes::new(picture(&self.format, number));
        let (payload, mut lost) = (self.tx.attach(bytes, total).unwrap(), 0);
        let mut burst = Burst::new();
        for index in 0..total {
            let mut header = [0; MAX_HEADER_OCTETS];
            let octets = self.packetiser.header(index as usize, RtpTimestamp(timestamp), &mut header);
            let range = self.packetiser.plan().packets()[index as usize].range();
            if !wanted(index) {
                lost += 1;
                continue;
            }
            let buf = self.tx.gather(self.path, &header[..octets], &payload, range).unwrap();
            assert!(burst.push(buf).is_ok());
            self.tx.tx_burst(&mut burst);
        }
        self.tx.cancel(payload, lost);
        self.tx.reap();
    }

    /// Sends octets as they are.
    pub(super) fn send_raw(&mut self, octets: &[u8]) {
        // The path's header is free-form: a datagram of any octets is a header of some and a payload of others.
        let (header, rest) = octets.split_at(octets.len().min(12));
        let payload = self.tx.attach(OwnedBytes::new(rest.to_vec()), 1).unwrap();
        let mut burst = Burst::new();
        let buf = self.tx.gather(self.path, header, &payload, 0..rest.len() as u32).unwrap();
        assert!(burst.push(buf).is_ok());
        self.tx.tx_burst(&mut burst);
        self.tx.reap();
    }

    /// The datagram of one packet of frame `number`, to be spoilt.
    pub(super) fn datagram(&mut self, number: u32, timestamp: u32, packet: u32) -> Vec<u8> {
        let mut header = [0; MAX_HEADER_OCTETS];
        let octets = self.packetiser.header(packet as usize, RtpTimestamp(timestamp), &mut header);
        let planned = &self.packetiser.plan().packets()[packet as usize];
        let range = planned.range().start as usize..planned.range().end as usize;
        [&header[..octets], &picture(&self.format, number)[range]].concat()
    }
}

/// One worker and everything around it.
pub(super) struct Studio {
    pub(super) clock: ManualClock,
    pub(super) net: SimNet,
    pub(super) worker: SimWorker,
    mailbox: Arc<crate::Mailbox<SimPort, ValvedTx>>,
    /// One for each output.
    pub(super) valves: Vec<Valve>,
    pub(super) outputs: Vec<Arc<OutputCounters>>,
    /// Of all inputs.
    pub(super) shortage: Shortage,
    /// Of all inputs.
    pub(super) rx_drag: Drag,
    /// Of all outputs.
    pub(super) tx_drag: Drag,
    device: SimTxConfig,
    ports: u16,
    keys: u64,
}

/// A worker with an output behind each valve.
fn worker_on(
    clock: &ManualClock,
    net: &SimNet,
    valves: &[Valve],
    drag: &Drag,
    config: SimTxConfig,
) -> (SimWorker, Arc<crate::Mailbox<SimPort, ValvedTx>>) {
    let mailbox = crate::Mailbox::new();
    let queues = valves
        .iter()
        .map(|valve| ValvedTx {
            tx: net.open_tx(config),
            valve: valve.clone(),
            drag: drag.clone(),
            paths: Vec::new(),
            kept: Vec::new(),
        })
        .collect();
    (Worker::new(clock.clone(), queues, Arc::clone(&mailbox)), mailbox)
}

/// A receiver that the worker serves.
pub(super) struct Receiving {
    pub(super) ring: Ring,
    pub(super) key: ReceiverKey,
    pub(super) counters: Arc<ReceiverCounters>,
    pub(super) legs: Vec<Arc<HeardLegCounters>>,
    pub(super) writer: Arc<WriterCounters>,
    pub(super) destination: SocketAddr,
    pub(super) format: VideoFormat,
}

impl Studio {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self::with_outputs(seed, faults, 1)
    }

    pub(super) fn with_outputs(seed: u64, faults: Faults, outputs: usize) -> Self {
        let device = SimTxConfig { queue_packets: 4096, ..SimTxConfig::default() };
        Self::with_devices(seed, faults, outputs, device)
    }

    pub(super) fn with_devices(seed: u64, faults: Faults, outputs: usize, device: SimTxConfig) -> Self {
        let clock = ManualClock::at(NOON);
        let net = SimNet::new(seed, faults, clock.clone());
        let valves = (0..outputs).map(|_| Valve::default()).collect::<Vec<_>>();
        let (rx_drag, tx_drag) = (Drag::on(&clock), Drag::on(&clock));
        let (worker, mailbox) = worker_on(&clock, &net, &valves, &tx_drag, device);
        let outputs = worker.output_counters();
        let shortage = Shortage::default();
        Self { clock, net, worker, mailbox, valves, outputs, ports: 5000, keys: 0, shortage, rx_drag, tx_drag, device }
    }

    /// Goes on with a fresh worker on queues of its own; the one before is gone with all that it still serves.
    pub(super) fn change_worker(&mut self) {
        (self.worker, self.mailbox) = self.another_worker();
    }

    /// A second worker, on queues of its own behind the same valves.
    pub(super) fn another_worker(&self) -> (SimWorker, Arc<crate::Mailbox<SimPort, ValvedTx>>) {
        worker_on(&self.clock, &self.net, &self.valves, &self.tx_drag, self.device)
    }

    /// A second worker, on a queue of its own, that has room for so many more.
    pub(super) fn idle_worker(&self, vacancies: usize) -> (SimWorker, Arc<crate::Mailbox<SimPort, ValvedTx>>) {
        let own = [Valve::default()];
        let (worker, mailbox) = worker_on(&self.clock, &self.net, &own, &self.tx_drag, self.device);
        (worker.with_vacancies(vacancies), mailbox)
    }

    pub(super) fn key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }

    pub(super) fn address(&mut self) -> SocketAddr {
        self.ports += 2;
        SocketAddr::from(([192, 0, 2, 1], self.ports))
    }

    pub(super) fn receive(&mut self, format: VideoFormat, slots: u16) -> Receiving {
        self.receive_with(format, slots, |_| {})
    }

    pub(super) fn receive_with(
        &mut self,
        format: VideoFormat,
        slots: u16,
        change: impl FnOnce(&mut ReceiverConfig),
    ) -> Receiving {
        let destination = self.address();
        let leg = self.socket(destination);
        let (receiver, receiving) = self.receiver(&[leg], format, slots, change);
        assert!(matches!(self.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        receiving
    }

    /// An input of its own for what goes to `destination`.
    pub(super) fn socket(&mut self, destination: SocketAddr) -> Leg {
        let input = InputKey(self.key());
        let socket = Box::new(Input::private(input, self.port(&[destination])));
        assert!(matches!(self.ask(Command::AddInput(socket)), Report::Added));
        Leg { input, destination }
    }

    /// A receiver that no worker serves yet.
    pub(super) fn receiver(
        &mut self,
        legs: &[Leg],
        format: VideoFormat,
        slots: u16,
        change: impl FnOnce(&mut ReceiverConfig),
    ) -> (SteeredReceiver<SimBuf>, Receiving) {
        self.receiver_into(Ring::new(format, slots), legs, format, change)
    }

    /// A receiver into a ring.
    pub(super) fn receiver_into(
        &mut self,
        (ring, writer): (Ring, FrameWriter),
        legs: &[Leg],
        format: VideoFormat,
        change: impl FnOnce(&mut ReceiverConfig),
    ) -> (SteeredReceiver<SimBuf>, Receiving) {
        let counters_of_ring = writer.counters();
        let mut config = ReceiverConfig {
            format,
            payload_type: PT,
            sources: Vec::new(),
            timeline: TimelineMode::Async,
            reorder_packets: 16,
            grain_timeout_nanos: 80_000_000,
            stores: shm::StoreChoice::default(),
        };
        change(&mut config);
        let receiver = Receiver::new(&config, writer);
        let counters = receiver.counters();
        let key = ReceiverKey(self.key());
        let steered = SteeredReceiver::new(key, legs, receiver);
        let (destination, legs) = (legs[0].destination, steered.receiver().leg_counters());
        (steered, Receiving { ring, key, counters, legs, writer: counters_of_ring, destination, format })
    }

    /// A queue that hears `destinations`.
    pub(super) fn port(&self, destinations: &[SocketAddr]) -> SimPort {
        let open = |destination: &SocketAddr| {
            self.net.open_rx(SimRxConfig { queue_packets: QUEUE_PACKETS, ..SimRxConfig::of(*destination) })
        };
        let destinations = destinations.iter().map(open).collect();
        SimPort { destinations, shortage: self.shortage.clone(), drag: self.rx_drag.clone() }
    }

    /// An input for many receivers that hears `destinations`; none of them is there yet.
    pub(super) fn shared(&mut self, destinations: &[SocketAddr], room: usize) -> (InputKey, Arc<InputCounters>) {
        let key = InputKey(self.key());
        let input = Box::new(Input::shared(key, self.port(destinations), room));
        let counters = input.counters();
        assert!(matches!(self.ask(Command::AddInput(input)), Report::Added));
        (key, counters)
    }

    pub(super) fn camera(&self, receiving: &Receiving, ssrc: u32) -> Camera {
        let source = SocketAddr::from(([192, 0, 2, 10], 40_000));
        Camera::new(&self.net, receiving.destination, source, receiving.format, ssrc)
    }

    /// The camera of a receiver's other leg: it sends the same.
    pub(super) fn camera_to(&self, leg: Leg, receiving: &Receiving, ssrc: u32) -> Camera {
        let source = SocketAddr::from(([192, 0, 2, 11], 40_000));
        Camera::new(&self.net, leg.destination, source, receiving.format, ssrc)
    }

    pub(super) fn camera_from(&self, receiving: &Receiving, source: SocketAddr) -> Camera {
        Camera::new(&self.net, receiving.destination, source, receiving.format, 77)
    }

    pub(super) fn reader(&mut self, receiving: &mut Receiving, k: u16) -> FrameReader {
        let worker = &mut self.worker;
        receiving.ring.join(k, || {
            worker.turn();
        })
    }

    pub(super) fn sender(&mut self, destination: SocketAddr, timing: SenderTiming) -> (SenderKey, Arc<SenderCounters>) {
        self.sender_with(destination, timing, |_| {})
    }

    pub(super) fn sender_with(
        &mut self,
        destination: SocketAddr,
        timing: SenderTiming,
        change: impl FnOnce(&mut SenderConfig),
    ) -> (SenderKey, Arc<SenderCounters>) {
        let key = SenderKey(self.key());
        let mut config = SenderConfig {
            path: Path::to(destination),
            output: OutputIndex(0),
            payload_type: PT,
            ssrc: Ssrc(9),
            first_sequence: 7,
            timing,
            lateness: Lateness::Frames(1),
        };
        change(&mut config);
        let sender = Sender::new(key, config);
        let counters = sender.counters();
        assert!(matches!(self.ask(Command::AddSender(Box::new(sender))), Report::Added));
        (key, counters)
    }

    pub(super) fn connect(&mut self, key: SenderKey, receiving: &mut Receiving, k: u16) {
        self.connect_with(key, receiving, k, |source| source);
    }

    pub(super) fn connect_with(
        &mut self,
        key: SenderKey,
        receiving: &mut Receiving,
        k: u16,
        change: impl FnOnce(Source) -> Source,
    ) {
        let reader = self.reader(receiving, k);
        let plan = PackingPlan::new(receiving.format, PackingMode::Bpm, UdpLimit::Standard).unwrap();
        let source = change(Source::new(reader, Arc::new(plan), ReadSchedule::Gapped));
        let report = self.ask(Command::Connect(key, Some(Box::new(source))));
        assert!(matches!(report, Report::Disconnected(_)));
    }

    pub(super) fn ask(&mut self, command: Command) -> Report {
        assert!(self.mailbox.send(command).is_ok());
        // Ten seconds of virtual time: as long as the gateway waits.
        for _ in 0..100_000 {
            self.worker.turn();
            if let Some(report) = self.mailbox.report() {
                return report;
            }
            self.clock.advance_nanos(100_000);
        }
        panic!("the worker did not answer");
    }

    /// Turns the worker through `nanos` of virtual time in steps of 50 µs.
    pub(super) fn pass(&mut self, nanos: i64) {
        for _ in 0..nanos / 50_000 {
            self.clock.advance_nanos(50_000);
            self.worker.turn();
        }
    }
}

/// Every committed grain that the reader has not had, as (octets, lost lines).
pub(super) fn drain(reader: &mut FrameReader) -> Vec<(Vec<u8>, Vec<u16>)> {
    let mut grains = Vec::new();
    while reader.waiting() > 0 {
        let Some(index) = reader.next_available() else { break };
        let Ok(lease) = reader.lease(index) else { continue };
        let lines = reader.geometry().slices;
        let Some(bytes) = lease.lines(0..lines) else { continue };
        grains.push((bytes.to_vec(), reader.lost_lines(&lease.grain()).collect()));
    }
    grains
}
