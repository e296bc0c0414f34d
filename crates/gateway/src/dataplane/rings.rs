//! Rings as they stand at the broker.

use control::{
    ConsumerHolder, ConsumerStatus, Counters, DataplaneError, FlowProducer, FlowStanding, FlowStatus, SlotUse,
};
use media::Name;
use shm::{
    Broker, ConsumerClass, ConsumerSnapshot, ConsumerState, EvictError, FlowOrigin, FlowSnapshot, Standing,
    WriterCounters,
};

/// All flows, those that were succeeded too.
pub(super) fn all(broker: &Broker) -> Vec<FlowStatus> {
    broker.flows().iter().map(flow).collect()
}

/// Has a consumer evicted, and says who it is. A sender of ours reads again at the next tick.
pub(super) fn evict(broker: &Broker, flow: &Name, seat: u8) -> Result<ConsumerStatus, DataplaneError> {
    let flows = all(broker);
    let ring = flows.iter().find(|ring| ring.name == *flow && ring.standing == FlowStanding::Current);
    let consumer = ring.and_then(|ring| ring.consumers.iter().find(|consumer| consumer.seat == seat));
    let nobody = || DataplaneError::no_consumer(flow, seat, &flows);
    let consumer = consumer.ok_or_else(nobody)?;
    broker.evict(flow, seat).map_err(|error| match error {
        // It went between the two questions.
        EvictError::NoSuchFlow { .. } | EvictError::NoSuchConsumer { .. } => nobody(),
        error => DataplaneError::NotEvicted(Box::new(error)),
    })?;
    tracing::info!("flow {flow}: the operator has the consumer at seat {seat} evicted");
    Ok(consumer.clone())
}

/// A flow as the broker has it.
fn flow(flow: &FlowSnapshot) -> FlowStatus {
    let producer = match flow.origin {
        FlowOrigin::Gateway => FlowProducer::Gateway,
        FlowOrigin::Pod { uid, pid } => FlowProducer::Pod { uid, pid: pid.unwrap_or(0) },
    };
    let writer = flow.counters.as_deref();
    let slot_use = writer.map(slot_use);
    FlowStatus {
        name: flow.name.clone(),
        id: flow.id,
        format: flow.format,
        producer,
        epoch: flow.epoch,
        slots: flow.slots,
        pages: flow.pages.to_string(),
        last_grain: flow.newest,
        standing: standing(flow.standing),
        is_adopted: flow.adopted,
        slot_use,
        consumers_evicted: flow.evictions,
        consumers: flow.consumers.iter().map(consumer).collect(),
        counters: writer.zip(slot_use).map_or_else(Vec::new, |(writer, slots)| counters(writer, slots)),
    }
}

fn standing(standing: Standing) -> FlowStanding {
    match standing {
        Standing::Current => FlowStanding::Current,
        Standing::Waiting => FlowStanding::Waiting,
        Standing::Concluded => FlowStanding::Concluded,
    }
}

fn slot_use(writer: &WriterCounters) -> SlotUse {
    let slots = writer.slot_accounts();
    SlotUse {
        free: slots.free,
        open: slots.open,
        done: slots.done,
        leased: slots.leased,
        quarantined: slots.quarantined,
    }
}

fn counters(writer: &WriterCounters, slots: SlotUse) -> Counters {
    vec![
        ("grains_opened", writer.opened()),
        ("grains_committed", writer.committed()),
        ("grains_cancelled", writer.cancelled()),
        ("grains_no_slot", writer.no_slot()),
        ("consumers_evicted", writer.evicted()),
        ("lines_lost", writer.lines_lost()),
        ("slots_free", slots.free.into()),
        ("slots_open", slots.open.into()),
        ("slots_done", slots.done.into()),
        ("slots_leased", slots.leased.into()),
        ("slots_quarantined", slots.quarantined.into()),
    ]
}

fn consumer(consumer: &ConsumerSnapshot) -> ConsumerStatus {
    ConsumerStatus {
        seat: consumer.number,
        holder: match consumer.holder {
            shm::ConsumerHolder::Gateway => ConsumerHolder::Gateway,
            shm::ConsumerHolder::Pod { uid, pid } => ConsumerHolder::Pod { uid, pid },
            shm::ConsumerHolder::Outlived => ConsumerHolder::Outlived,
        },
        class: match consumer.class {
            ConsumerClass::Leased { k, .. } => control::ConsumerClass::Leased { k },
            ConsumerClass::Blocking { k } => control::ConsumerClass::Blocking { k },
            ConsumerClass::Lossy => control::ConsumerClass::Lossy,
        },
        state: match consumer.state {
            ConsumerState::Joining => "joining",
            ConsumerState::Live { .. } => "live",
            ConsumerState::Evicted { .. } => "evicted",
            ConsumerState::Leaving => "leaving",
        },
        lag_grains: consumer.lag.unwrap_or(0),
        held_slots: consumer.held,
        quarantined_slots: consumer.quarantined,
    }
}
