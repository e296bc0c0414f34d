//! STATUS, derived from counters and snapshots at the moment of asking.

use std::time::{Duration, Instant};

use control::{CrosspointTable, NodeStatus, ReceiverStatus, SenderState, SenderStatus, Signal};
use media::{Clock, GrainIndex, Rate};

use super::entries::ReceiverEntry;
use super::parts::Parts;
use super::sender_entry::SenderEntry;

/// Values that the counters carry along and that are no counts.
const NO_COUNTS: [&str; 2] = ["last_grain", "is_async"];

fn counts(values: Vec<(&'static str, u64)>) -> Vec<(&'static str, u64)> {
    values.into_iter().filter(|(name, _)| !NO_COUNTS.contains(name)).collect()
}

fn period(rate: Rate) -> Duration {
    Duration::from_nanos(rate.period_nanos().unsigned_abs())
}

/// A receiver as it is now.
pub(super) fn receiver(entry: &ReceiverEntry, worker: Option<String>) -> ReceiverStatus {
    let counters = &entry.counters;
    let period = period(entry.spec.sdp.format.rate());
    let is_recent = entry.packets.is_recent(period);
    let signal = match (is_recent, counters.is_async.value()) {
        (false, _) => Signal::None,
        (true, 0) => Signal::Locked,
        (true, _) => Signal::Async,
    };
    let last_grain = (counters.grains_opened.value() > 0).then(|| GrainIndex(counters.last_grain.value()));
    let mut counters = counts(counters.values());
    counters.extend(entry.losses.located().counters());
    let legs = entry.legs.status(period);
    ReceiverStatus { name: entry.spec.name.clone(), signal, worker, last_grain, legs, counters }
}

/// A sender as it is now.
pub(super) fn sender(entry: &SenderEntry, table: &CrosspointTable, worker: Option<String>) -> SenderStatus {
    let counters = &entry.counters;
    let is_recent = |rate: Rate| entry.packets.is_recent(period(rate));
    let state = match (table.source(&entry.spec.name), &entry.trouble, &entry.connection) {
        (None, ..) => SenderState::Idle,
        (Some(_), Some(trouble), _) => SenderState::Refused { trouble: trouble.clone() },
        (Some(_), None, None) if entry.forwards() && entry.packets.is_recent(Duration::ZERO) => SenderState::Sending,
        (Some(_), None, Some(connection)) if is_recent(connection.format.rate()) => SenderState::Sending,
        _ => SenderState::Waiting,
    };
    let last_grain = (counters.grains_sent.value() > 0).then(|| GrainIndex(counters.last_grain.value()));
    SenderStatus {
        name: entry.spec.name.clone(),
        state,
        worker,
        sdp: entry.sdp.clone(),
        last_grain,
        counters: counts(counters.values()),
    }
}

/// The node as a whole.
pub(super) fn node(parts: &Parts, started: Instant, mut warnings: Vec<String>) -> NodeStatus {
    let clock_locked = parts.clock.is_locked();
    if !clock_locked {
        warnings.push(
            "the kernel's TAI offset is 0: the clock is unlocked and every stream counts as async; let PTP set it \
             (phc2sys -w, or ptp4l with time stamping)"
                .to_owned(),
        );
    }
    if parts.engines.iter().any(|engine| engine.has_failed()) {
        warnings.push("a worker has ended: restart flypackd, and report what its log says".to_owned());
    }
    let workers: Vec<_> = parts.engines.iter().flat_map(|engine| engine.workers()).collect();
    warnings.extend(workers.iter().filter_map(|worker| {
        let still = worker.pulse.still?.as_millis();
        Some(format!(
            "{} has stood still for {still} ms: nobody serves its flows; see what else runs on its core, or restart flypackd",
            worker.name
        ))
    }));
    NodeStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_s: started.elapsed().as_secs(),
        clock_locked,
        tai_offset_s: i32::try_from(parts.clock.tai_offset_seconds()).unwrap_or(0),
        pages: pages(parts),
        workers,
        warnings,
        broker_socket: parts.broker_socket.clone(),
        ports: parts.engines.iter().flat_map(|engine| engine.port_status()).collect(),
        broker: parts.broker.counters().named(),
    }
}

/// What backs the rings: of the flows there are, or the policy where there is none.
fn pages(parts: &Parts) -> String {
    let mut kinds: Vec<_> = parts.broker.flows().iter().map(|flow| flow.pages.to_string()).collect();
    kinds.sort();
    kinds.dedup();
    if kinds.is_empty() { parts.page_policy.clone() } else { kinds.join(" and ") }
}
