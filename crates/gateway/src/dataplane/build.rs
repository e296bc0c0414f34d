//! Flows and sources, built before an engine gets them.

use std::sync::Arc;

use control::{DataplaneError, ReceiverSpec, SenderSpec, SenderTiming};
use media::{FlowFormat, Name};
use shm::{BrokerError, ConsumerClass, FrameWriter, Geometry, SubscribeError};
use st2110::{PackingPlan, PlanError};
use worker::Source;

use super::Parts;
use super::connection::Connection;
use crate::memory;

/// Grains that a sender may hold of its source: in flight, next, and one in hand.
const LEASES_SOURCE: u16 = 3;

/// On the grid also the one that may be repeated.
const LEASES_GRID: u16 = 4;

/// How long a sender may hold a grain beyond its own lateness bound.
const LEASE_NANOS: i64 = 5_000_000_000;

/// Makes a receiver's flow, if the machine has room for it.
pub(super) fn flow(parts: &Parts, spec: &ReceiverSpec) -> Result<FrameWriter, DataplaneError> {
    let open_max = open_grains(spec);
    let slots = spec.slots.unwrap_or(parts.slots.saturating_add(open_max - 1));
    memory::check_ring(&spec.name, &spec.sdp.format, slots, memory::free_octets())?;
    let flow = parts.broker.create_flow_open(&spec.name, spec.sdp.format, Some(slots), open_max);
    flow.map_err(|error| flow_error(&spec.name, error))
}

/// Grains that may be open at a time: those that the leg that is ahead has begun while the other may still bring packets of
/// the first (ST 2022-7).
fn open_grains(spec: &ReceiverSpec) -> u16 {
    let period = spec.sdp.format.rate().period_nanos().unsigned_abs().max(1);
    let apart = (u64::from(spec.skew_ms()) * 1_000_000).div_ceil(period);
    u16::try_from(apart + 1).unwrap_or(u16::MAX).min(Geometry::OPEN_MAX)
}

fn flow_error(name: &Name, error: BrokerError) -> DataplaneError {
    DataplaneError::System { what: format!("making the flow {name}"), cause: std::io::Error::other(error) }
}

/// Why a sender cannot send a flow.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// Its format cannot be packed so.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// It is not video.
    #[error("the flow carries {format}, and a sender sends pictures only: connect it to a flow of video")]
    NotVideo {
        /// What the flow carries.
        format: FlowFormat,
    },
    /// The ring does not admit one more.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl SourceError {
    /// Whether trying again with the same ring is in vain.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(self, Self::Plan(_) | Self::NotVideo { .. })
    }
}

/// A reader of the flow and its plan.
pub(super) fn source(parts: &Parts, spec: &SenderSpec, connection: &Connection) -> Result<Source, SourceError> {
    let format = connection.format;
    let video = *format.as_video().ok_or(SourceError::NotVideo { format })?;
    let plan = Arc::new(PackingPlan::new(video, spec.packing, spec.limit)?);
    let k = match spec.timing {
        SenderTiming::Source => LEASES_SOURCE,
        SenderTiming::Grid => LEASES_GRID,
    };
    // Those that are open come on top: the first of them may be the last that is complete.
    let k = k + connection.open_max - 1;
    let period = connection.format.rate().period_nanos();
    let deadline_nanos = LEASE_NANOS.saturating_add(period.saturating_mul(i64::from(k) + 1));
    let reader = parts.broker.subscribe(&connection.flow, ConsumerClass::Leased { k, deadline_nanos })?;
    Ok(Source::new(reader, plan, spec.read_schedule()).of_type(spec.sender_type))
}
