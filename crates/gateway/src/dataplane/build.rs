//! Flows and sources, built before an engine gets them.

use std::sync::Arc;

use control::{DataplaneError, ReceiverSpec, SenderSpec, SenderTiming};
use media::{FlowFormat, Name};
use shm::{BrokerError, ConsumerClass, FrameWriter, Geometry, SubscribeError};
use st2110::{PackingPlan, PlanError};
use worker::Source;

use super::connection::Connection;
use super::parts::Parts;
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
    let slots = spec.slots.unwrap_or_else(|| slots_with(parts.slots, open_max));
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

/// Slots of a ring of which `open_max` grains may be open, for as many consumers like senders as `slots` have room for where
/// one is: the leases of each are raised by those that are open besides ([`Geometry::slots_for`]).
fn slots_with(slots: u16, open_max: u16) -> u16 {
    let consumers = slots.saturating_sub(2) / (LEASES_SOURCE + 1);
    let more = (open_max - 1).saturating_mul(1 + consumers);
    slots.saturating_add(more).min(Geometry::SLOTS_MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_of_two_legs_has_room_for_as_many_senders_as_one_of_one() {
        for slots in Geometry::SLOTS_MIN..=64 {
            for open_max in 1..=Geometry::OPEN_MAX {
                let senders = |slots: u16, open: u16| {
                    let with = |n: usize| std::iter::repeat_n(LEASES_SOURCE + open - 1, n);
                    (0..).take_while(|n| Geometry::slots_for(open, with(*n)) <= slots.into()).count()
                };
                assert_eq!(
                    senders(slots_with(slots, open_max), open_max),
                    senders(slots, 1),
                    "{slots} slots, {open_max} open"
                );
            }
        }
        assert_eq!((slots_with(16, 1), slots_with(16, 8), slots_with(1024, 8)), (16, 44, 1024));
    }
}
