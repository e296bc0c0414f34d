//! A worker's turn allocates nothing, from its first packet on: kernel UDP in, a ring, kernel UDP out; and from kernel UDP to
//! kernel UDP by a relay. Nor does its sleep.
//!
//! The far end is one receive queue with two receivers, one of them of two legs, each fed by an output of its own, and its
//! port is restarted in the middle. The relay has destinations on both outputs, one with numbers of its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use media::{PayloadType, RtpTimestamp, SeqNum, Ssrc};
use netio::{Burst, KernelTx, KernelTxConfig, OwnedBytes, Path, TxQueue};
use shm::FrameReader;
use st2110::{MAX_HEADER_OCTETS, Packetiser, PackingPlan, ReadSchedule};
use worker::{
    Command, Forwarder, ForwarderConfig, Input, InputKey, Leg, OutputIndex, PortKey, ReceiverCounters, ReceiverKey,
    Relay, RelayConfig, Report, Rewrite, Sender, SenderCounters, SenderKey, SenderTiming, Source, Timestamps,
};

use super::bench::{Bench, FRAME_NANOS, format, join, plan, sender_config};

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

const FRAMES: u32 = 50;

impl Bench {
    /// A turn and a sleep, and how often they allocated.
    fn turn(&mut self) -> u64 {
        let before = ALLOCATIONS.get();
        self.worker.turn();
        self.worker.sleep_in(&mut self.berth, Duration::ZERO);
        ALLOCATIONS.get() - before
    }

    /// A socket with a receiver of its own.
    fn near(&mut self) -> (SocketAddr, Arc<ReceiverCounters>) {
        let leg = self.socket(1);
        let receiver = self.receiver(1, &[leg], "near");
        let counters = receiver.receiver().counters();
        assert!(matches!(self.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        (leg.destination, counters)
    }

    /// A socket for many receivers, as a port: the UDP port that it has.
    fn port(&mut self) -> u16 {
        let queue = self.open("0.0.0.0:0");
        let port = queue.local_addr().port();
        assert!(matches!(self.ask(Command::AddInput(Box::new(Input::shared(InputKey(2), queue, 16)))), Report::Added));
        port
    }

    /// A receiver on that port, and a sender to it by an output of its own; the last one has a second leg by the other.
    fn road(&mut self, key: u8, port: u16, plan: &Arc<PackingPlan>) -> Arc<ReceiverCounters> {
        let legs = [key, 10 + key].map(|host| SocketAddr::from(([127, 0, 0, host], port)));
        let legs = legs.map(|destination| Leg { input: InputKey(2), destination });
        let legs = if key == 3 { &legs[..] } else { &legs[..1] };
        let receiver = self.receiver(key.into(), legs, &format!("far-{key}"));
        let arrived = receiver.receiver().counters();
        assert!(matches!(self.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        let (key, output) = (SenderKey(key.into()), key % 2);
        let mut sender = Sender::new(key, sender_config(legs[0].destination, output, SenderTiming::Source));
        if let Some(second) = legs.get(1) {
            sender = sender.with_second_leg(Path::to(second.destination), OutputIndex(1 - output));
        }
        assert!(matches!(self.ask(Command::AddSender(Box::new(sender))), Report::Added));
        let source = Source::new(self.reader("near"), Arc::clone(plan), ReadSchedule::Gapped);
        let connect = Command::Connect(key, Some(Box::new(source)));
        assert!(matches!(self.ask(connect), Report::Disconnected(None)));
        arrived
    }

    /// A relay on a socket of its own, and where to send to it.
    fn relay(&mut self) -> (ReceiverKey, SocketAddr) {
        let (key, leg) = (ReceiverKey(9), self.socket(9));
        let config = RelayConfig { sources: vec![], clock_hz: 90_000, backlog_packets: 0, backlog_nanos: FRAME_NANOS };
        let relay = Relay::new(key, [leg], &config);
        assert!(matches!(self.ask(Command::AddRelay(Box::new(relay))), Report::Added));
        (key, leg.destination)
    }

    /// One of its destinations, where nobody listens.
    fn forward(&mut self, relay: ReceiverKey, key: u8, port: u16, rewrite: Rewrite) -> Arc<SenderCounters> {
        let path = Path::to(SocketAddr::from(([127, 0, 0, key], port)));
        let config = ForwarderConfig { path, output: OutputIndex(key % 2), rewrite };
        let forwarder = Forwarder::new(SenderKey(key.into()), config, Arc::default());
        let counters = forwarder.counters();
        assert!(matches!(self.ask(Command::AddForwarder(Box::new(forwarder))), Report::Added));
        let follow = Command::Follow(SenderKey(key.into()), Some(relay));
        assert!(matches!(self.ask(follow), Report::Following));
        counters
    }

    /// Takes a destination off its relay and back; how often that allocated.
    fn take(&mut self, key: u8, relay: ReceiverKey) -> u64 {
        let mut allocations = 0;
        for follows in [None, Some(relay)] {
            assert!(self.mailbox.send(Command::Follow(SenderKey(key.into()), follows)).is_ok());
            allocations += self.turn();
            assert!(matches!(self.mailbox.report(), Some(Report::Following)));
        }
        allocations
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

    /// Joins a flow that the worker writes.
    fn reader(&mut self, flow: &str) -> FrameReader {
        let (broker, worker) = (&self.broker, &mut self.worker);
        join(broker, flow, || {
            worker.turn();
        })
    }
}

fn own() -> Rewrite {
    let timestamps = Timestamps::Continue;
    Rewrite { ssrc: Some(Ssrc(7)), first_sequence: Some(SeqNum(1)), timestamps, ..Rewrite::default() }
}

#[test]
fn a_turn_allocates_nothing() {
    let mut bench = Bench::new(2);
    let plan = plan();
    let (near, received) = bench.near();
    let port = bench.port();
    let arrived = [2, 3].map(|key| bench.road(key, port, &plan));
    let (relay, relayed) = bench.relay();
    let forwarded = [(20, Rewrite::default()), (21, own())].map(|(key, what)| bench.forward(relay, key, port, what));

    let mut cameras = [near, relayed].map(|destination| Camera::new(destination, Arc::clone(&plan)));
    let (mut turns, mut allocations) = (0, 0);
    for frame in 0..FRAMES {
        cameras.iter_mut().for_each(|camera| camera.send(frame));
        for _ in 0..FRAME_NANOS / 500_000 {
            bench.clock.advance_nanos(500_000);
            allocations += bench.turn();
            turns += 1;
        }
        if frame == FRAMES / 2 {
            allocations += bench.restart() + bench.take(21, relay);
        }
    }

    assert_eq!(allocations, 0, "in {turns} turns");
    assert!(received.grains_complete.value() > u64::from(FRAMES) / 2, "{:?}", received.values());
    for arrived in &arrived {
        assert!(arrived.grains_opened.value() > u64::from(FRAMES) / 2, "{:?}", arrived.values());
    }
    assert!(arrived[1].duplicates.value() > 0, "both legs arrive: {:?}", arrived[1].values());
    for forwarded in &forwarded {
        let packets = u64::from(FRAMES / 2 * plan.packets_per_frame());
        assert!(forwarded.packets_forwarded.value() > packets, "{:?}", forwarded.values());
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
