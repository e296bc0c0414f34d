//! What stands at each end: rings, sources and consumers, and a worker between them.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use crossbeam_queue::ArrayQueue;
use media::{Clock as _, PayloadType, Ssrc};
use netio::{Path, RxQueue, TxQueue};
use shm::{ConsumerClass, Geometry, GrainLease, Pages};
use st2110::{PackingPlan, TimelineMode};
use worker::{
    InputKey, Leg, OutputCounters, OutputIndex, Receiver, ReceiverConfig, ReceiverCounters, Sender, SenderConfig,
    SenderCounters, SenderKey, SenderTiming, Spans,
};

use super::ends::{Around, Receiving};
use super::rota::Rota;
use super::seat::Seat;
use crate::desk::{Desk, Meter};
use crate::flow::Flow;
use crate::pattern::Pattern;
use crate::producer::{Coming, Content, Producer, ProducerCounters};
use crate::tai::RunClock;
use crate::traffic::{Check, Traffic};
use crate::verifier::{Verifier, VerifierCounters};

const PAYLOAD_TYPE: PayloadType = PayloadType(96);
/// Packets that may overtake one another.
const REORDER_PACKETS: u16 = 512;
/// Grains that a receiver's consumer may hold: the one that it checks, and those that came meanwhile.
const CHECKED: u16 = 4;
/// Grains that a sender may hold beside those that it may be late with.
const SENT: u16 = 3;
/// Latencies that are kept until somebody looks, each second.
const LATENCIES: usize = 1 << 14;

/// What sends.
pub(crate) struct Sending<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> {
    pub(crate) desk: Desk<R, T>,
    pub(crate) producers: Vec<Producer>,
    pub(crate) rota: Rota,
    pub(crate) seats: Vec<(SenderKey, Seat)>,
    pub(crate) watch: SendingWatch,
    /// Of real time.
    pub(crate) clock: RunClock,
    /// Of the rings.
    pub(crate) pages: Pages,
    pub(crate) traffic: Traffic,
    pub(crate) plan: Arc<PackingPlan>,
}

/// Its counters.
#[derive(Clone)]
pub(crate) struct SendingWatch {
    pub(crate) meter: Arc<Meter>,
    pub(crate) outputs: Vec<Arc<OutputCounters>>,
    pub(crate) senders: Vec<Arc<SenderCounters>>,
    pub(crate) lateness: Vec<Arc<Spans>>,
    pub(crate) producers: Vec<Arc<ProducerCounters>>,
}

/// What receives.
pub(crate) struct Listening<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> {
    pub(crate) desk: Desk<R, T>,
    pub(crate) verifiers: Vec<Verifier>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) rota: Rota,
    pub(crate) watch: ListeningWatch,
    /// Of the rings.
    pub(crate) pages: Pages,
}

/// Its counters.
#[derive(Clone)]
pub(crate) struct ListeningWatch {
    pub(crate) meter: Arc<Meter>,
    pub(crate) receivers: Vec<Arc<ReceiverCounters>>,
    pub(crate) verifiers: Vec<Arc<VerifierCounters>>,
    pub(crate) latencies: Arc<ArrayQueue<u64>>,
}

/// Sets what sends: `content` is new in each grain. What comes in beside it by ports is taken and dropped.
pub(crate) fn send<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    (tx, beside): (Vec<T>, Vec<R>),
    around: &Around,
    traffic: &Traffic,
    content: Content,
) -> Result<Sending<R, T>> {
    let clock = RunClock::start();
    let (mut desk, plan) = (Desk::new(tx, clock), Arc::new(traffic.plan()?));
    for queue in beside {
        desk.add_port(queue, 1)?;
    }
    let held = if traffic.unpaced { SENT } else { SENT.saturating_add(traffic.frames_late()?) };
    let class = if traffic.unpaced {
        ConsumerClass::Blocking { k: held }
    } else {
        ConsumerClass::Leased { k: held, deadline_nanos: i64::MAX }
    };
    let slots = u16::try_from(Geometry::slots_for(1, [held]))?;
    let (mut producers, mut senders, mut seats) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lateness, mut pages) = (Vec::new(), Pages::Plain);
    for (stream, legs) in around.destinations.iter().enumerate() {
        let name = format!("bench-tx-{stream}");
        let (mut flow, writer) = Flow::create(&name, *plan.format(), slots, traffic.pages.into(), &*around.hooks)?;
        pages = flow.pages();
        let pattern = Pattern::new(traffic.seed, stream as u64);
        let coming = if traffic.unpaced { Coming::AsTaken } else { Coming::OnTime };
        let mut producer = Producer::new(writer, pattern, coming, content, clock.now())?;
        let reader = flow.join(producer.writer(), class).context("the sender's seat")?;
        let path = |destination: &SocketAddr| Path { interface: around.interface.clone(), ..Path::to(*destination) };
        let config = SenderConfig {
            path: path(legs.first().context("a stream that goes somewhere")?),
            output: OutputIndex(0),
            payload_type: PAYLOAD_TYPE,
            ssrc: Ssrc(stream as u32 + 1),
            first_sequence: 65_000,
            timing: SenderTiming::Source,
            lateness: traffic.lateness(),
        };
        let mut sender = Sender::new(desk.sender_key(), config);
        if let Some(second) = legs.get(1) {
            sender = sender.with_second_leg(path(second), OutputIndex(1));
        }
        lateness.push(sender.lateness());
        seats.push((sender.key(), Seat::new(flow, class)));
        senders.push(desk.send(sender, traffic.source(reader, &plan))?);
        producers.push(producer);
    }
    let outputs = desk.outputs();
    let counters = producers.iter().map(Producer::counters).collect();
    let watch = SendingWatch { meter: desk.meter(), outputs, senders, lateness, producers: counters };
    let rota = match content {
        Content::EachAnew => Rota::of_all(producers.len()),
        Content::FrontAlone => Rota::of_some(producers.len()),
    };
    Ok(Sending { desk, producers, rota, seats, watch, clock, pages, traffic: traffic.clone(), plan })
}

/// Sets what receives, and checks. By `beside` ports answer.
pub(crate) fn listen<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    rx: Receiving<R>,
    beside: Vec<T>,
    around: &Around,
    traffic: &Traffic,
) -> Result<Listening<R, T>> {
    let (mut desk, format) = (Desk::new(beside, RunClock::start()), traffic.video()?);
    let latencies = Arc::new(ArrayQueue::new(LATENCIES));
    let slots = u16::try_from(Geometry::slots_for(1, [CHECKED]))?;
    let class = ConsumerClass::Leased { k: CHECKED, deadline_nanos: i64::MAX };
    let config = ReceiverConfig {
        format,
        payload_type: PAYLOAD_TYPE,
        sources: Vec::new(),
        timeline: TimelineMode::Async,
        reorder_packets: REORDER_PACKETS,
        // A sender may be as late as it likes.
        grain_timeout_nanos: 1_000_000_000,
        stores: shm::StoreChoice::default(),
    };
    let (mut receivers, mut verifiers, mut seats, mut pages) = (Vec::new(), Vec::new(), Vec::new(), Pages::Plain);
    for stream in 0..around.destinations.len() {
        let name = format!("bench-rx-{stream}");
        let (mut flow, mut writer) = Flow::create(&name, format, slots, traffic.pages.into(), &*around.hooks)?;
        pages = flow.pages();
        let reader = flow.join(&mut writer, class).context("the consumer's seat")?;
        let pattern = Pattern::new(traffic.seed, stream as u64);
        verifiers.push(Verifier::new(reader, pattern, traffic.check, Arc::clone(&latencies)));
        receivers.push(Receiver::new(&config, writer));
        seats.push(Seat::new(flow, class));
    }
    let inputs = add_inputs(&mut desk, rx, receivers.len())?;
    let mut counters = Vec::new();
    for (stream, receiver) in receivers.into_iter().enumerate() {
        let legs = around.destinations[stream].iter().zip(&inputs);
        let leg = |(destination, inputs): (&SocketAddr, &Vec<InputKey>)| Leg {
            input: inputs[stream],
            destination: *destination,
        };
        counters.push(desk.listen(legs.map(leg).collect(), receiver)?);
    }
    let of_verifiers = verifiers.iter().map(Verifier::counters).collect();
    let watch = ListeningWatch { meter: desk.meter(), receivers: counters, verifiers: of_verifiers, latencies };
    let rota = match traffic.check {
        Check::Octets => Rota::of_all(verifiers.len()),
        Check::Grains => Rota::of_some(verifiers.len()),
    };
    Ok(Listening { desk, verifiers, seats, rota, watch, pages })
}

/// The input of each stream on each leg.
fn add_inputs<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    desk: &mut Desk<R, T>,
    rx: Receiving<R>,
    streams: usize,
) -> Result<Vec<Vec<InputKey>>> {
    match rx {
        Receiving::Shared(legs) => {
            legs.into_iter().map(|queue| Ok(vec![desk.add_port(queue, streams)?; streams])).collect()
        }
        Receiving::Own(legs) => {
            let mut add = |queues: Vec<R>| queues.into_iter().map(|queue| desk.add_socket(queue)).collect();
            legs.into_iter().map(&mut add).collect()
        }
    }
}
