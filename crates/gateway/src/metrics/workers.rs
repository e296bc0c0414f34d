//! How the workers' turns go: histograms by powers of two, and who stands still.

use std::fmt;

use control::{SpanStatus, WorkerStatus};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The shortest and the longest bucket that is told, as powers of two of a nanosecond: 128 ns to 2.1 s.
const SHORTEST: usize = 6;
const LONGEST: usize = 30;

pub(super) fn encode(encoder: &mut DescriptorEncoder, workers: &[WorkerStatus]) -> Result<(), fmt::Error> {
    let turns = "turns of a worker, from the beginning of one to that of the next";
    spans(encoder, "flypack_worker_turn_seconds", turns, workers, |worker| &worker.pulse.turns)?;
    let rests = "sleeps of a worker that found nothing to do";
    spans(encoder, "flypack_worker_rest_seconds", rests, workers, |worker| &worker.pulse.rests)?;
    let longest = "the longest time that a worker stood still without meaning to";
    gauge(encoder, "flypack_worker_longest_standstill_seconds", longest, workers, |worker| {
        seconds(worker.pulse.longest_standstill_ns)
    })?;
    let still = "how long a worker has stood still by now; 0 while it turns";
    gauge(encoder, "flypack_worker_standing_still_seconds", still, workers, |worker| {
        worker.pulse.still.map_or(0.0, |still| still.as_secs_f64())
    })
}

fn spans(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    workers: &[WorkerStatus],
    of: impl Fn(&WorkerStatus) -> &SpanStatus,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for worker in workers {
        let spans = of(worker);
        let buckets = buckets(&spans.by_power_of_two);
        let count = buckets.iter().map(|(_, count)| count).sum();
        let labels = [("worker", worker.name.as_str())];
        let mut of_worker = family.encode_family(&labels)?;
        of_worker.encode_histogram::<NoLabelSet>(seconds(spans.sum_ns), count, &buckets, None)?;
    }
    Ok(())
}

/// Each bucket's limit in seconds and its own count; the ends take what lies beyond them.
fn buckets(counts: &[u64]) -> Vec<(f64, u64)> {
    let sum = |counts: &[u64]| counts.iter().sum::<u64>();
    let from = SHORTEST.min(counts.len());
    let to = LONGEST.clamp(from, counts.len());
    let limit = |place: usize| seconds(2 << place);
    let mut buckets: Vec<(f64, u64)> = (from..to).map(|place| (limit(place), counts[place])).collect();
    if let Some((_, first)) = buckets.first_mut() {
        *first += sum(&counts[..from]);
    }
    buckets.push((f64::MAX, sum(&counts[to..])));
    buckets
}

fn gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    workers: &[WorkerStatus],
    of: impl Fn(&WorkerStatus) -> f64,
) -> Result<(), fmt::Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for worker in workers {
        family.encode_family(&[("worker", worker.name.as_str())])?.encode_gauge(&of(worker))?;
    }
    Ok(())
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_is_in_one_bucket() {
        let counts: Vec<u64> = (0..32).map(|place| 1 << place).collect();
        let buckets = buckets(&counts);
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), u64::from(u32::MAX));
        assert_eq!(buckets[0], (128e-9, 127), "all that is shorter than 128 ns");
        assert_eq!(buckets[1], (256e-9, 128));
        assert_eq!(buckets.last(), Some(&(f64::MAX, (1 << 30) + (1 << 31))));
        assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
