//! What stands at each end: rings, sources and consumers, and a worker between them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use crossbeam_queue::ArrayQueue;
use media::{Clock as _, PayloadType, Ssrc};
use netio::{Path, RxQueue, TxQueue};
use shm::{ConsumerClass, Geometry, GrainLease, Pages};
use st2110::TimelineMode;
use worker::{
    Leg, OutputCounters, OutputIndex, Receiver, ReceiverConfig, ReceiverCounters, SenderConfig, SenderCounters,
    SenderTiming, Source,
};

use super::ends::Receiving;
use crate::arguments::Local;
use crate::desk::{Desk, Meter};
use crate::flow::Flow;
use crate::local::Kind;
use crate::pattern::Pattern;
use crate::producer::{Coming, Content, Producer, ProducerCounters};
use crate::tai::RunClock;
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
pub(super) struct Sending<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    pub(super) desk: Desk<R, T>,
    pub(super) producers: Vec<Producer>,
    pub(super) watch: SendingWatch,
    /// Of real time.
    pub(super) clock: RunClock,
}

/// Its counters.
#[derive(Clone)]
pub(super) struct SendingWatch {
    pub(super) meter: Arc<Meter>,
    pub(super) output: Arc<OutputCounters>,
    pub(super) senders: Vec<Arc<SenderCounters>>,
    pub(super) producers: Vec<Arc<ProducerCounters>>,
}

/// What receives.
pub(super) struct Listening<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    pub(super) desk: Desk<R, T>,
    pub(super) verifiers: Vec<Verifier>,
    pub(super) watch: ListeningWatch,
}

/// Its counters.
#[derive(Clone)]
pub(super) struct ListeningWatch {
    pub(super) meter: Arc<Meter>,
    pub(super) receivers: Vec<Arc<ReceiverCounters>>,
    pub(super) verifiers: Vec<Arc<VerifierCounters>>,
    pub(super) latencies: Arc<ArrayQueue<u64>>,
}

/// Both sides of a run.
pub(super) struct Stage<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    pub(super) sending: Sending<R, T>,
    pub(super) listening: Option<Listening<R, T>>,
    pub(super) ring_pages: Pages,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Stage<R, T> {
    /// Sets it; what receives comes first, so that nothing is sent to nobody.
    pub(super) fn set(tx: T, rx: Receiving<R>, ends: &Placed<'_>, arguments: &Local) -> Result<Self> {
        let listening = match arguments.kind {
            Kind::Loop => Some(listen(rx, ends, arguments)?),
            Kind::Tx | Kind::Copy => None,
        };
        let (sending, ring_pages) = send(tx, ends, arguments)?;
        Ok(Self { sending, listening, ring_pages })
    }
}

/// What of [`super::ends::Ends`] is not queues.
pub(super) struct Placed<'a> {
    pub(super) destinations: &'a [std::net::SocketAddr],
    pub(super) hooks: &'a dyn shm::PlacementHooks,
}

fn send<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    tx: T,
    ends: &Placed<'_>,
    arguments: &Local,
) -> Result<(Sending<R, T>, Pages)> {
    let traffic = &arguments.traffic;
    let clock = RunClock::real();
    let worker_clock = if traffic.unpaced { clock.stepped() } else { clock.clone() };
    let (mut desk, plan) = (Desk::new(vec![tx], worker_clock.clone()), Arc::new(traffic.plan()?));
    let lateness_frames = traffic.lateness_frames()?;
    let held = if traffic.unpaced { SENT } else { SENT + u16::from(lateness_frames) };
    let class = if traffic.unpaced {
        ConsumerClass::Blocking { k: held }
    } else {
        ConsumerClass::Leased { k: held, deadline_nanos: i64::MAX }
    };
    let slots = u16::try_from(Geometry::slots_for(1, [held]))?;
    let content = if arguments.kind == Kind::Tx { Content::FrontAlone } else { Content::EachAnew };
    let (mut producers, mut senders, mut pages) = (Vec::new(), Vec::new(), Pages::Plain);
    for (stream, destination) in ends.destinations.iter().enumerate() {
        let name = format!("bench-tx-{stream}");
        let (mut flow, writer) = Flow::create(&name, *plan.format(), slots, traffic.pages.into(), ends.hooks)?;
        pages = flow.pages();
        let pattern = Pattern::new(traffic.seed, stream as u64);
        let coming = if traffic.unpaced { Coming::AsTaken(worker_clock.clone()) } else { Coming::OnTime };
        let mut producer = Producer::new(writer, pattern, coming, content, clock.now())?;
        let reader = flow.join(producer.writer(), class).context("the sender's seat")?;
        let config = SenderConfig {
            path: Path::to(*destination),
            output: OutputIndex(0),
            payload_type: PAYLOAD_TYPE,
            ssrc: Ssrc(stream as u32 + 1),
            first_sequence: 65_000,
            timing: SenderTiming::Source,
            lateness_frames,
        };
        let source = Source::new(reader, Arc::clone(&plan), traffic.read_schedule()).of_type(traffic.sender_type());
        senders.push(desk.send(config, if traffic.unpaced { source.unpaced() } else { source })?);
        producers.push(producer);
    }
    let output = desk.outputs().into_iter().next().context("a worker with an output")?;
    let counters = producers.iter().map(Producer::counters).collect();
    let watch = SendingWatch { meter: desk.meter(), output, senders, producers: counters };
    Ok((Sending { desk, producers, watch, clock }, pages))
}

fn listen<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    rx: Receiving<R>,
    ends: &Placed<'_>,
    arguments: &Local,
) -> Result<Listening<R, T>> {
    let traffic = &arguments.traffic;
    let (mut desk, format) = (Desk::new(Vec::new(), RunClock::real()), traffic.video()?);
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
    };
    let (mut receivers, mut verifiers) = (Vec::new(), Vec::new());
    for (stream, destination) in ends.destinations.iter().enumerate() {
        let name = format!("bench-rx-{stream}");
        let (mut flow, mut writer) = Flow::create(&name, format, slots, traffic.pages.into(), ends.hooks)?;
        let reader = flow.join(&mut writer, class).context("the consumer's seat")?;
        let pattern = Pattern::new(traffic.seed, stream as u64);
        verifiers.push(Verifier::new(reader, pattern, Arc::clone(&latencies)));
        receivers.push((*destination, Receiver::new(&config, writer)));
    }
    let inputs = match rx {
        Receiving::Shared(queue) => vec![desk.add_port(queue, receivers.len())?; receivers.len()],
        Receiving::Own(queues) => queues.into_iter().map(|queue| desk.add_socket(queue)).collect::<Result<Vec<_>>>()?,
    };
    let served = inputs.into_iter().zip(receivers);
    let serve = |(input, (destination, receiver))| desk.listen(vec![Leg { input, destination }], receiver);
    let counters = served.map(serve).collect::<Result<_>>()?;
    let of_verifiers = verifiers.iter().map(Verifier::counters).collect();
    let watch = ListeningWatch { meter: desk.meter(), receivers: counters, verifiers: of_verifiers, latencies };
    Ok(Listening { desk, verifiers, watch })
}
