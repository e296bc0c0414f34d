//! Rings in `/metrics`: what their slots are used for, and where their readers stand.
//!
//! Rings that a name does not stand for are left out, and counted if a later one has succeeded them: their series would
//! have the labels of the ring that the name stands for now. `flypack rings` shows them whole.

use std::collections::BTreeMap;
use std::fmt;

use control::{ConsumerClass, ConsumerHolder, ConsumerStatus, FlowProducer, FlowStanding, FlowStatus};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The labels of a value, and it.
type Sample = (Vec<(&'static str, String)>, u64);

/// Encodes the metrics of all rings.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, flows: &[FlowStatus]) -> fmt::Result {
    let rings: Vec<&FlowStatus> = flows.iter().filter(|flow| flow.standing == FlowStanding::Current).collect();
    let gauge = MetricType::Gauge;
    family(
        encoder,
        "capacity_slots",
        "Grains that a ring has room for",
        gauge,
        rings.iter().map(|ring| capacity(ring)),
    )?;
    let slots = rings.iter().flat_map(|ring| slots(ring));
    family(encoder, "slots", "Slots of a ring by what they are used for", gauge, slots)?;
    let adopted = rings.iter().map(|ring| (vec![flow(ring)], ring.is_adopted.into()));
    family(encoder, "adopted", "1 while a ring of an earlier gateway is read, by copying", gauge, adopted)?;
    let evicted = rings.iter().map(|ring| (vec![flow(ring)], ring.consumers_evicted));
    let help = "Consumers that the writer of a ring has evicted";
    family(encoder, "consumers_evicted", help, MetricType::Counter, evicted)?;
    let help = "Earlier rings of a flow that are still read to their end";
    family(encoder, "earlier_epochs", help, gauge, earlier_epochs(flows))?;
    family(encoder, "consumers", "Consumers of a ring by class and state", gauge, consumers(&rings))?;
    let of_each = |value| rings.iter().flat_map(move |ring| samples(ring, value));
    let lag = of_each(|consumer| consumer.lag_grains);
    family(encoder, "consumer_lag_grains", "Grains from a consumer to the newest", gauge, lag)?;
    let held = of_each(|consumer| consumer.held_slots);
    family(encoder, "consumer_held_slots", "Slots that are kept for a consumer that reads", gauge, held)?;
    let quarantined = of_each(|consumer| consumer.quarantined_slots);
    let help = "Slots that are kept since a consumer was evicted";
    family(encoder, "consumer_quarantined_slots", help, gauge, quarantined)
}

fn flow(ring: &FlowStatus) -> (&'static str, String) {
    ("flow", ring.name.to_string())
}

fn capacity(ring: &FlowStatus) -> Sample {
    let origin = match ring.producer {
        FlowProducer::Gateway => "gateway",
        FlowProducer::Pod { .. } => "pod",
    };
    (vec![flow(ring), ("origin", origin.to_owned())], ring.slots.into())
}

/// By use; nothing for a ring whose use only its pod knows.
fn slots(ring: &FlowStatus) -> impl Iterator<Item = Sample> {
    let uses = ring.slot_use.map(|slots| {
        [
            ("free", slots.free),
            ("open", slots.open),
            ("done", slots.done),
            ("leased", slots.leased),
            ("quarantined", slots.quarantined),
        ]
    });
    let sample = |(state, count): (&str, u16)| (vec![flow(ring), ("state", state.to_owned())], count.into());
    uses.into_iter().flatten().map(sample)
}

fn earlier_epochs(flows: &[FlowStatus]) -> impl Iterator<Item = Sample> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for ring in flows {
        *counts.entry(ring.name.to_string()).or_default() += u64::from(ring.standing == FlowStanding::Concluded);
    }
    counts.into_iter().map(|(name, count)| (vec![("flow", name)], count))
}

fn consumers(rings: &[&FlowStatus]) -> impl Iterator<Item = Sample> {
    let mut counts: BTreeMap<(String, &'static str, &'static str), u64> = BTreeMap::new();
    for ring in rings {
        for consumer in &ring.consumers {
            *counts.entry((ring.name.to_string(), class(consumer), consumer.state)).or_default() += 1;
        }
    }
    let sample = |((name, class, state), count): ((String, &str, &str), u64)| {
        (vec![("flow", name), ("class", class.to_owned()), ("state", state.to_owned())], count)
    };
    counts.into_iter().map(sample)
}

fn class(consumer: &ConsumerStatus) -> &'static str {
    match consumer.class {
        ConsumerClass::Leased { .. } => "leased",
        ConsumerClass::Lossy => "lossy",
        ConsumerClass::Blocking { .. } => "blocking",
    }
}

/// One value of each consumer of a ring. Processes are no labels: each new one would be a new series.
fn samples(ring: &FlowStatus, value: fn(&ConsumerStatus) -> u64) -> impl Iterator<Item = Sample> {
    ring.consumers.iter().map(move |consumer| {
        let who = match consumer.holder {
            ConsumerHolder::Gateway => "gateway".to_owned(),
            ConsumerHolder::Pod { uid, .. } => uid.to_string(),
            ConsumerHolder::Outlived => "unknown".to_owned(),
        };
        let labels = vec![flow(ring), ("seat", consumer.seat.to_string()), ("uid", who)];
        (labels, value(consumer))
    })
}

/// Encodes one metric, if anything has it.
fn family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: MetricType,
    samples: impl IntoIterator<Item = Sample>,
) -> fmt::Result {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let name = format!("flypack_ring_{name}");
    let mut family = encoder.encode_descriptor(&name, help, None, metric)?;
    for (labels, value) in samples {
        let mut sample = family.encode_family(&labels)?;
        match metric {
            MetricType::Gauge => sample.encode_gauge(&value)?,
            _ => sample.encode_counter::<NoLabelSet, u64, f64>(&value, None)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use control::SlotUse;
    use media::{AudioDepth, AudioFormat, FlowId};
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Rings(Vec<FlowStatus>);

    impl Collector for Rings {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            encode(&mut encoder, &self.0)
        }
    }

    fn text(rings: Vec<FlowStatus>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Rings(rings)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    fn ring(epoch: u128) -> FlowStatus {
        let name = "mic".parse().unwrap();
        let consumer = ConsumerStatus {
            seat: 3,
            holder: ConsumerHolder::Pod { uid: 1000, pid: Some(4711) },
            class: ConsumerClass::Leased { k: 2 },
            state: "evicted",
            lag_grains: 7,
            held_slots: 0,
            quarantined_slots: 2,
        };
        let live = ConsumerStatus { state: "live", held_slots: 1, ..consumer.clone() };
        let own = ConsumerStatus { seat: 4, holder: ConsumerHolder::Gateway, ..live.clone() };
        let outlived = ConsumerStatus { seat: 5, holder: ConsumerHolder::Outlived, ..live };
        FlowStatus {
            id: FlowId::from_name(&name),
            name,
            format: AudioFormat::new(2, 48_000, AudioDepth::L24, 48).unwrap().into(),
            producer: FlowProducer::Gateway,
            epoch,
            slots: 16,
            pages: String::new(),
            last_grain: None,
            standing: FlowStanding::Current,
            is_adopted: true,
            slot_use: Some(SlotUse { free: 10, open: 1, done: 2, leased: 1, quarantined: 2 }),
            consumers_evicted: 9,
            consumers: vec![consumer, own, outlived],
            counters: Vec::new(),
        }
    }

    #[test]
    fn slots_and_readers_have_their_labels() {
        let text = text(vec![ring(1)]);
        for line in [
            r#"flypack_ring_capacity_slots{flow="mic",origin="gateway"} 16"#,
            r#"flypack_ring_slots{flow="mic",state="free"} 10"#,
            r#"flypack_ring_slots{flow="mic",state="quarantined"} 2"#,
            r#"flypack_ring_consumers_evicted_total{flow="mic"} 9"#,
            r#"flypack_ring_earlier_epochs{flow="mic"} 0"#,
            r#"flypack_ring_consumers{flow="mic",class="leased",state="evicted"} 1"#,
            r#"flypack_ring_consumers{flow="mic",class="leased",state="live"} 2"#,
            r#"flypack_ring_adopted{flow="mic"} 1"#,
            r#"flypack_ring_consumer_lag_grains{flow="mic",seat="3",uid="1000"} 7"#,
            r#"flypack_ring_consumer_held_slots{flow="mic",seat="4",uid="gateway"} 1"#,
            r#"flypack_ring_consumer_held_slots{flow="mic",seat="5",uid="unknown"} 1"#,
            r#"flypack_ring_consumer_quarantined_slots{flow="mic",seat="3",uid="1000"} 2"#,
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn no_series_is_there_twice_when_a_ring_has_a_successor() {
        let earlier = FlowStatus { standing: FlowStanding::Concluded, ..ring(1) };
        let next = FlowStatus { standing: FlowStanding::Waiting, ..ring(3) };
        let text = text(vec![earlier, ring(2), next]);
        let mut series: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.rsplit_once(' ')?.0))
            .collect();
        let all = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), all, "{text}");
        assert!(text.contains(r#"flypack_ring_earlier_epochs{flow="mic"} 1"#), "{text}");
    }

    #[test]
    fn a_ring_that_only_its_pod_knows_has_no_slots_by_use() {
        let producer = FlowProducer::Pod { uid: 1000, pid: 1 };
        let text = text(vec![FlowStatus { producer, slot_use: None, ..ring(1) }]);
        assert!(!text.contains("flypack_ring_slots"), "{text}");
        assert!(text.contains(r#"flypack_ring_capacity_slots{flow="mic",origin="pod"} 16"#), "{text}");
        assert_eq!(self::text(Vec::new()), "# EOF\n");
    }
}
