//! State and status as messages of the API.

mod flow;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use media::Name;
use st2110::packing::{PackingMode, UdpLimit};
use st2110::schedule::{ReadSchedule, SenderType};

use crate::config::Owned;
use crate::{
    CoreIsolation, Counters, Dataplane, FlowStatus, HeardLegSpec, LegStatus, NodeStatus, PortStatus, ReceiverSpec,
    ReceiverStatus, Scope, SenderSpec, SenderState, SenderStatus, SenderTiming, Signal, SpanStatus, State, v1,
};
pub(crate) use flow::{consumer, flows, video};

pub(crate) fn node(status: NodeStatus) -> v1::Node {
    let workers = status.workers.into_iter().map(|worker| v1::Worker {
        name: worker.name,
        core: worker.core,
        receivers: worker.receivers,
        senders: worker.senders,
        standing_still_ms: worker.pulse.still.map(|still| u64::try_from(still.as_millis()).unwrap_or(u64::MAX)),
        standstills: worker.pulse.standstills,
        longest_standstill_ns: worker.pulse.longest_standstill_ns,
        turns: Some(spans(worker.pulse.turns)),
        rests: Some(spans(worker.pulse.rests)),
        isolation: worker.core.map_or(v1::CoreIsolation::Unspecified, |_| isolation(worker.isolation)).into(),
        numa_node: worker.numa_node.map(u32::from),
        placed_packets_per_second: worker.placed_packets_per_second,
    });
    v1::Node {
        version: status.version,
        uptime_s: status.uptime_s,
        clock_locked: status.clock_locked,
        tai_offset_s: status.tai_offset_s,
        pages: status.pages,
        workers: workers.collect(),
        warnings: status.warnings,
        broker_socket: status.broker_socket,
        ports: status.ports.into_iter().map(port).collect(),
    }
}

fn isolation(isolation: CoreIsolation) -> v1::CoreIsolation {
    match isolation {
        CoreIsolation::Shared => v1::CoreIsolation::Shared,
        CoreIsolation::Isolated => v1::CoreIsolation::Isolated,
        CoreIsolation::Tickless => v1::CoreIsolation::Tickless,
    }
}

fn spans(status: SpanStatus) -> v1::Spans {
    let SpanStatus { sum_ns, median_ns, p99_ns, p999_ns, longest_ns, by_power_of_two } = status;
    v1::Spans { sum_ns, median_ns, p99_ns, p999_ns, longest_ns, by_power_of_two }
}

fn port(status: PortStatus) -> v1::Port {
    v1::Port {
        name: status.name,
        device: status.device,
        driver: status.driver,
        mac: status.mac,
        link_up: status.link_up,
        addresses: status.addresses,
        vlan: status.vlan.unwrap_or(0).into(),
        mtu: status.mtu.into(),
        exception: status.exception,
        gathers: status.gathers,
        driver_copies_in: status.driver_copies_in,
        driver_copies_out: status.driver_copies_out,
        sizing: status.sizing,
        capabilities: status.capabilities,
        troubles: status.troubles,
        worker: status.worker,
    }
}

pub(crate) fn receivers(state: &State, dataplane: &impl Dataplane) -> Vec<v1::Receiver> {
    let by_name: BTreeMap<Name, ReceiverStatus> =
        dataplane.receivers().into_iter().map(|status| (status.name.clone(), status)).collect();
    state.config().receivers().map(|owned| receiver(owned, by_name.get(&owned.spec.name))).collect()
}

fn receiver(owned: &Owned<ReceiverSpec>, status: Option<&ReceiverStatus>) -> v1::Receiver {
    let spec = &owned.spec;
    let signal = match status.map_or(Signal::None, |status| status.signal) {
        Signal::None => v1::Signal::None,
        Signal::Async => v1::Signal::Async,
        Signal::Locked => v1::Signal::Locked,
    };
    v1::Receiver {
        name: spec.name.to_string(),
        scope: scope(owned.scope).into(),
        sdp: spec.sdp.to_sdp(),
        interface: spec.interface.clone().unwrap_or_default(),
        format: Some(video(&spec.sdp.format)),
        signal: signal.into(),
        last_grain_index: status.and_then(|status| status.last_grain).map(|index| index.0),
        sdp_warnings: spec.sdp.warnings.clone(),
        destination: spec.sdp.destination.to_string(),
        lost: status.map(|status| lost(&status.counters)).unwrap_or_default(),
        worker: status.and_then(|status| status.worker.clone()).unwrap_or_default(),
        legs: legs((spec.sdp.destination, &spec.interface), spec.second.as_ref(), status.map(|status| &status.legs)),
        timed_by: status.map_or("", timed_by).to_owned(),
    }
}

/// Who told the arrival of most of its packets.
fn timed_by(status: &ReceiverStatus) -> &'static str {
    let packets = status.counter("packets");
    let most = |counter| status.counter(counter).saturating_mul(2) > packets;
    match packets {
        0 => "",
        _ if most("packets_timed_by_nic") => "nic",
        _ if most("packets_timed_by_kernel") => "kernel",
        _ => "burst",
    }
}

/// The two legs of what comes twice; none of what comes once.
pub(crate) fn legs(
    (destination, interface): (SocketAddr, &Option<String>),
    second: Option<&HeardLegSpec>,
    status: Option<&Vec<LegStatus>>,
) -> Vec<v1::HeardLeg> {
    let Some(second) = second else { return Vec::new() };
    let ways = [(destination, interface), (second.destination, &second.interface)];
    let leg = |(at, (destination, interface)): (usize, (SocketAddr, &Option<String>))| {
        let status = status.and_then(|legs| legs.get(at)).copied().unwrap_or_default();
        v1::HeardLeg {
            destination: destination.to_string(),
            interface: interface.clone().unwrap_or_default(),
            alive: status.is_alive,
            packets: status.packets,
            packets_lost: status.packets_lost,
            behind_ns: status.behind_ns,
            lost: lost(&status.lost),
        }
    };
    ways.into_iter().enumerate().map(leg).collect()
}

/// The counters of lost packets, and the places that they stand for.
const LOST: [(&str, &str); 5] = [
    ("lost_wire_packets", "wire"),
    ("lost_queue_packets", "queue"),
    ("lost_late_worker_packets", "late_worker"),
    ("lost_no_buffer_packets", "no_buffer"),
    ("packets_dropped_with_grain", "no_slot"),
];

/// Where packets were lost, as messages; only places where some were.
pub(crate) fn lost(counters: &[(&'static str, u64)]) -> Vec<v1::Counter> {
    let value = |counter: &str| counters.iter().find(|(name, _)| *name == counter).map_or(0, |(_, value)| *value);
    let places = LOST.map(|(counter, place)| v1::Counter { name: place.to_owned(), value: value(counter) });
    places.into_iter().filter(|place| place.value > 0).collect()
}

pub(crate) fn senders(state: &State, dataplane: &impl Dataplane) -> Vec<v1::Sender> {
    let by_name: BTreeMap<Name, SenderStatus> =
        dataplane.senders().into_iter().map(|status| (status.name.clone(), status)).collect();
    let message = |owned: &Owned<SenderSpec>| {
        let name = &owned.spec.name;
        sender(owned, state.routing().source(name), by_name.get(name))
    };
    state.config().senders().map(message).collect()
}

fn sender(owned: &Owned<SenderSpec>, source: Option<&Name>, status: Option<&SenderStatus>) -> v1::Sender {
    let spec = &owned.spec;
    let (state, trouble) = match status.map(|status| &status.state) {
        None | Some(SenderState::Idle) => (v1::SenderState::Idle, ""),
        Some(SenderState::Waiting) => (v1::SenderState::Waiting, ""),
        Some(SenderState::Sending) => (v1::SenderState::Sending, ""),
        Some(SenderState::Refused { trouble }) => (v1::SenderState::Refused, trouble.as_str()),
    };
    v1::Sender {
        name: spec.name.to_string(),
        scope: scope(owned.scope).into(),
        destination: spec.destination.to_string(),
        source_address: spec.source.map(|address| address.to_string()).unwrap_or_default(),
        interface: spec.interface.clone().unwrap_or_default(),
        payload_type: spec.payload_type.0.into(),
        packing: packing(spec.packing).into(),
        limit: limit(spec.limit).into(),
        timing: timing(spec.timing).into(),
        sender_type: sender_type(spec.sender_type).into(),
        second: spec.second.as_ref().map(|leg| v1::SenderLeg {
            destination: leg.destination.to_string(),
            source_address: leg.source.map(|address| address.to_string()).unwrap_or_default(),
            interface: leg.interface.clone().unwrap_or_default(),
        }),
        schedule: schedule(spec.read_schedule()).into(),
        lateness_frames: spec.lateness.frames().into(),
        lateness_ms: spec.lateness.ms().into(),
        dscp: spec.dscp.into(),
        ttl: spec.ttl.into(),
        source: source.map(Name::to_string).unwrap_or_default(),
        state: state.into(),
        sdp: status.and_then(|status| status.sdp.clone()).unwrap_or_default(),
        last_grain_index: status.and_then(|status| status.last_grain).map(|index| index.0),
        trouble: trouble.to_owned(),
        worker: status.and_then(|status| status.worker.clone()).unwrap_or_default(),
        relay_keep: spec.rewriting.kept().into_iter().map(str::to_owned).collect(),
        relay_payload_type: spec.rewriting.payload_type.map_or(0, |payload_type| payload_type.0.into()),
    }
}

pub(crate) fn crosspoints(state: &State, flows: &[FlowStatus]) -> v1::ListCrosspointsResponse {
    let table = state.table();
    let is_relay = |name: &Name| state.config().relays().any(|relay| relay.spec.name == *name);
    let crosspoints = table.entries.iter().map(|(destination, source)| v1::Crosspoint {
        destination: destination.to_string(),
        source: source.to_string(),
        source_present: is_relay(source) || flows.iter().any(|flow| flow.name == *source),
    });
    v1::ListCrosspointsResponse { version: table.version, crosspoints: crosspoints.collect() }
}

pub(crate) fn statistics(dataplane: &impl Dataplane) -> Vec<v1::Statistics> {
    let of = |kind: v1::StatisticsKind, name: String, counters: Counters| {
        let counters = counters.into_iter().map(|(name, value)| v1::Counter { name: name.to_owned(), value });
        v1::Statistics { kind: kind.into(), name, counters: counters.collect() }
    };
    use v1::StatisticsKind::{Broker, Flow, Port, Receiver, Relay, Sender, Worker};
    let node = dataplane.node();
    let receivers = dataplane.receivers().into_iter().map(|s| of(Receiver, s.name.to_string(), s.counters));
    let senders = dataplane.senders().into_iter().map(|s| of(Sender, s.name.to_string(), s.counters));
    let flows = dataplane.flows().into_iter().map(|s| of(Flow, s.name.to_string(), s.counters));
    let relays = dataplane.relays().into_iter().map(|s| of(Relay, s.name.to_string(), s.counters));
    let workers = node.workers.into_iter().map(|s| of(Worker, s.name, s.counters));
    let ports = node.ports.into_iter().map(|s| of(Port, s.name, s.counters));
    let broker = std::iter::once(of(Broker, "broker".to_owned(), node.broker));
    let mut all: Vec<v1::Statistics> =
        receivers.chain(senders).chain(relays).chain(flows).chain(workers).chain(ports).chain(broker).collect();
    all.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    all
}

pub(crate) fn scope(scope: Scope) -> v1::Scope {
    match scope {
        Scope::File => v1::Scope::File,
        Scope::Operator => v1::Scope::Operator,
    }
}

fn packing(mode: PackingMode) -> v1::PackingMode {
    match mode {
        PackingMode::Gpm => v1::PackingMode::General,
        PackingMode::Bpm => v1::PackingMode::Block,
    }
}

fn limit(limit: UdpLimit) -> v1::UdpLimit {
    match limit {
        UdpLimit::Standard => v1::UdpLimit::Standard,
        UdpLimit::Extended => v1::UdpLimit::Extended,
    }
}

fn timing(timing: SenderTiming) -> v1::SenderTiming {
    match timing {
        SenderTiming::Source => v1::SenderTiming::Source,
        SenderTiming::Grid => v1::SenderTiming::Grid,
    }
}

fn sender_type(sender_type: SenderType) -> v1::SenderType {
    match sender_type {
        SenderType::N => v1::SenderType::Narrow,
        SenderType::NL => v1::SenderType::NarrowLinear,
        SenderType::W => v1::SenderType::Wide,
    }
}

fn schedule(schedule: ReadSchedule) -> v1::ReadSchedule {
    match schedule {
        ReadSchedule::Gapped => v1::ReadSchedule::Gapped,
        ReadSchedule::Linear => v1::ReadSchedule::Linear,
    }
}
