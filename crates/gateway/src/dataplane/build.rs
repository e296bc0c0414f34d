//! Receivers, senders and sources, built before a worker gets them.

use std::sync::Arc;

use control::{DataplaneError, ReceiverSpec, SenderSpec, SenderTiming};
use media::{Name, Ssrc};
use netio::{KernelRxConfig, Path};
use shm::{BrokerError, ConsumerClass, SubscribeError};
use st2110::{PackingPlan, PlanError, TimelineMode};
use uuid::Uuid;
use worker::{
    InputKey, OutputIndex, Receiver, ReceiverConfig, ReceiverCounters, ReceiverKey, SenderConfig, SenderKey, Source,
    SteeredReceiver,
};

use super::connection::Connection;
use super::{Input, Parts, Sender};
use crate::memory;
use crate::pool::Rx;

/// Reorder window where the receiver states none, packets.
const REORDER_PACKETS: u16 = 64;

/// Receive buffer where the receiver states none, octets.
const RECEIVE_BUFFER_OCTETS: u32 = 33_554_432;

/// A grain's time-out: so many periods, and at least so long.
const TIMEOUT_PERIODS: i64 = 2;
const TIMEOUT_NANOS_MIN: i64 = 50_000_000;

/// Buffers of a receive queue beside those of the reorder window.
const QUEUE_BUFFERS: usize = 128;

/// Grains that a sender may hold of its source: in flight, next, and one in hand.
const LEASES_SOURCE: u16 = 3;

/// On the grid also the one that may be repeated.
const LEASES_GRID: u16 = 4;

/// How long a sender may hold a grain beyond its own lateness bound.
const LEASE_NANOS: i64 = 5_000_000_000;

/// A receiver ready for its worker.
pub(super) struct BuiltReceiver {
    pub(super) input: Input,
    pub(super) counters: Arc<ReceiverCounters>,
    pub(super) buffer_warning: Option<String>,
}

/// Opens the socket, makes the flow, and joins both.
pub(super) fn receiver(parts: &Parts, spec: &ReceiverSpec, key: ReceiverKey) -> Result<BuiltReceiver, DataplaneError> {
    let window = spec.reorder_packets.unwrap_or(REORDER_PACKETS);
    let queue = Rx::open(
        &KernelRxConfig {
            destination: spec.sdp.destination,
            interface: spec.interface.clone(),
            sources: spec.sdp.sources.clone(),
            receive_buffer_octets: spec.receive_buffer_octets.unwrap_or(RECEIVE_BUFFER_OCTETS) as usize,
            buffers: QUEUE_BUFFERS + usize::from(window),
        },
        parts.clock.clone(),
    )
    .map_err(|error| DataplaneError::PacketIo(Box::new(error)))?;
    let buffer = queue.receive_buffer();
    let buffer_warning = buffer.is_short().then(|| format!("receiver {}: {buffer}", spec.name));
    let slots = spec.slots.unwrap_or(parts.slots);
    memory::check_ring(&spec.name, &spec.sdp.format, slots, memory::free_octets())?;
    let writer = parts
        .broker
        .create_flow(&spec.name, spec.sdp.format, Some(slots))
        .map_err(|error| flow_error(&spec.name, error))?;
    let receiver = Receiver::new(&receiver_config(spec, window), writer);
    let counters = receiver.counters();
    let receiver = SteeredReceiver::new(key, queue.local_addr(), receiver);
    let input = Box::new(worker::Input::sole(InputKey(key.0), queue, receiver));
    Ok(BuiltReceiver { input, counters, buffer_warning })
}

fn receiver_config(spec: &ReceiverSpec, reorder_packets: u16) -> ReceiverConfig {
    let sdp = &spec.sdp;
    let period = sdp.format.rate().period_nanos();
    let timeout =
        spec.grain_timeout_ms.map_or((period * TIMEOUT_PERIODS).max(TIMEOUT_NANOS_MIN), |ms| i64::from(ms) * 1_000_000);
    ReceiverConfig {
        format: sdp.format,
        payload_type: sdp.payload_type,
        sources: sdp.sources.clone(),
        timeline: if sdp.is_ptp_locked() { TimelineMode::Locked } else { TimelineMode::Async },
        reorder_packets,
        grain_timeout_nanos: timeout,
    }
}

fn flow_error(name: &Name, error: BrokerError) -> DataplaneError {
    DataplaneError::System { what: format!("making the flow {name}"), cause: std::io::Error::other(error) }
}

/// A sender with a random SSRC and first sequence number (RFC 3550 §5.1, §8).
pub(super) fn sender(spec: &SenderSpec, key: SenderKey) -> (Sender, Ssrc) {
    let random = Uuid::new_v4().as_u128();
    let ssrc = Ssrc(random as u32);
    let config = SenderConfig {
        path: path(spec),
        output: OutputIndex(0),
        payload_type: spec.payload_type,
        ssrc,
        first_sequence: (random >> 96) as u32,
        timing: match spec.timing {
            SenderTiming::Source => worker::SenderTiming::Source,
            SenderTiming::Grid => worker::SenderTiming::Grid,
        },
        lateness_frames: spec.lateness_frames,
    };
    (Sender::new(key, config), ssrc)
}

/// The way of a sender's packets.
pub(super) fn path(spec: &SenderSpec) -> Path {
    Path {
        source: spec.source,
        dscp: spec.dscp,
        ttl: spec.ttl,
        interface: spec.interface.clone(),
        ..Path::to(spec.destination)
    }
}

/// Why a sender cannot send a flow.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// Its format cannot be packed so.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The ring does not admit one more.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl SourceError {
    /// Whether trying again with the same ring is in vain.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Plan(_))
    }
}

/// A reader of the flow and its plan.
pub(super) fn source(parts: &Parts, spec: &SenderSpec, connection: &Connection) -> Result<Source, SourceError> {
    let plan = Arc::new(PackingPlan::new(connection.format, spec.packing, spec.limit)?);
    let k = match spec.timing {
        SenderTiming::Source => LEASES_SOURCE,
        SenderTiming::Grid => LEASES_GRID,
    };
    let period = connection.format.rate().period_nanos();
    let deadline_nanos = LEASE_NANOS.saturating_add(period.saturating_mul(i64::from(k) + 1));
    let reader = parts.broker.subscribe(&connection.flow, ConsumerClass::Leased { k, deadline_nanos })?;
    Ok(Source::new(reader, plan, spec.schedule))
}
