//! The legs of receivers and relays (ST 2022-7), one sample for each: `flypack_receiver_leg_packets_total{receiver,leg}`.

use std::fmt;

use control::LegStatus;
use media::Name;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// What is told of a leg: name, help, kind, value.
type Column = (&'static str, &'static str, MetricType, fn(&LegStatus) -> u64);

const COLUMNS: [Column; 8] = [
    ("leg_packets", "packets of the stream by this leg", MetricType::Counter, |leg| leg.packets),
    ("leg_packets_lost", "packets that did not come by this leg", MetricType::Counter, |leg| leg.packets_lost),
    ("leg_lost_wire_packets", "of those, lost before they came here", MetricType::Counter, |leg| leg.lost[0].1),
    ("leg_lost_queue_packets", "of those, dropped by a full queue", MetricType::Counter, |leg| leg.lost[1].1),
    ("leg_lost_late_worker_packets", "of those, by a worker that came late", MetricType::Counter, |leg| leg.lost[2].1),
    ("leg_lost_no_buffer_packets", "of those, for want of a buffer", MetricType::Counter, |leg| leg.lost[3].1),
    ("leg_behind_ns", "how much later than the other leg", MetricType::Gauge, |leg| leg.behind_ns),
    ("leg_alive", "1 while packets come by this leg", MetricType::Gauge, |leg| u64::from(leg.is_alive)),
];

/// Encodes the legs of all objects of a `kind`; legs are counted from 1.
pub(super) fn encode<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    kind: &str,
    objects: impl Iterator<Item = (&'a Name, &'a [LegStatus])>,
) -> Result<(), fmt::Error> {
    let of = |(name, legs): (&'a Name, &'a [LegStatus])| {
        legs.iter().zip(1_u32..).map(move |(leg, number)| (name, number, leg))
    };
    let all: Vec<_> = objects.flat_map(of).collect();
    if all.is_empty() {
        return Ok(());
    }
    for (name, help, metric, value) in COLUMNS {
        let full = format!("flypack_{kind}_{name}");
        let mut family = encoder.encode_descriptor(&full, help, None, metric)?;
        for (object, number, leg) in &all {
            let labels = [(kind, object.to_string()), ("leg", number.to_string())];
            let mut encoder = family.encode_family(&labels)?;
            match metric {
                MetricType::Gauge => encoder.encode_gauge(&value(leg))?,
                _ => encoder.encode_counter::<NoLabelSet, u64, f64>(&value(leg), None)?,
            }
        }
    }
    Ok(())
}
