//! What a round found.

use serde::{Deserialize, Serialize};
use worker::{SenderCounters, SpanCounts};

use super::stage::SendingWatch;
use super::tally::{Interval, Tally};

/// A round of a measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How the device has its memory.
    pub memory: String,
    /// Pages of the rings.
    pub ring_pages: String,
    /// Memory of the process at the end, with all of its rings.
    pub memory_octets: u64,
    /// Each second.
    pub seconds: Vec<Interval>,
    /// All of them.
    pub whole: Interval,
    /// From the first packet, also before and after these seconds, to the last.
    pub total: Tally,
    /// Packets over what the format has in a second, all streams together: of the receivers or relays, or of the senders where
    /// there is none of them.
    pub times_real_time: f64,
    /// How late packets were handed over; where something was sent on a schedule.
    pub lateness_ns: Option<Lateness>,
    /// The longest turn of the worker that sends, or that relays, and of the one that receives, µs.
    pub longest_turn_us: [f64; 2],
    /// Packets that were lost: those that are missing by number, and those that were never sent.
    pub packets_lost: u64,
}

/// What senders say of their own pacing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lateness {
    /// Half of the packets were handed over less than so long after their time; ns, good to a factor of two.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
    /// 999 of 1000.
    pub p99_9: u64,
    /// The latest.
    pub max: u64,
    /// Packets by how late they were: less than so many ns, and not less than half of that.
    pub histogram: Vec<(u64, u64)>,
    /// Most packets at once in the network compatibility model, and how many it may hold (ST 2110-21 §7.1).
    pub bunched_largest: [u64; 2],
    /// Packets on top of that.
    pub packets_over_c_max: u64,
}

impl Lateness {
    /// Of all senders of a run.
    pub(crate) fn of(watch: &SendingWatch) -> Self {
        let mut all = SpanCounts::default();
        for spans in &watch.lateness {
            let counted = spans.counted();
            all.longest_nanos = all.longest_nanos.max(counted.longest_nanos);
            all.counts.iter_mut().zip(counted.counts).for_each(|(sum, count)| *sum += count);
        }
        let places = all.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let most = |value: fn(&SenderCounters) -> u64| watch.senders.iter().map(|sender| value(sender)).max();
        Self {
            p50: all.quantile_nanos(500_000),
            p99: all.quantile_nanos(990_000),
            p99_9: all.quantile_nanos(999_000),
            max: all.longest_nanos,
            histogram: places.map(|(place, count)| (SpanCounts::limit_nanos(place), *count)).collect(),
            bunched_largest: [
                most(|sender| sender.bunched_largest.value()).unwrap_or(0),
                most(|sender| sender.c_max.value()).unwrap_or(0),
            ],
            packets_over_c_max: watch.senders.iter().map(|sender| sender.packets_over_c_max.value()).sum(),
        }
    }

    fn text(&self) -> String {
        let Self { p50, p99, p99_9, max, bunched_largest: [largest, c_max], packets_over_c_max, .. } = self;
        let us = |ns: u64| ns as f64 / 1e3;
        format!(
            "  handed over late, µs: p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0}; bunched at most {largest}, C_MAX {c_max}, \
             above it {packets_over_c_max}\n",
            us(*p50),
            us(*p99),
            us(*p99_9),
            us(*max)
        )
    }
}

impl Outcome {
    /// Whether everything arrived as it was sent.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Tally { late_skipped, not_sent, refused_by_device, grains_missed, evictions, late, refused, .. } =
            self.total;
        let Tally { grains_incomplete, wrong_blocks, .. } = self.total;
        let sender = [late_skipped, not_sent, refused_by_device, grains_missed, evictions];
        let receiver = [late, refused, grains_incomplete, wrong_blocks];
        let mut amiss = sender.into_iter().chain(receiver);
        // Nothing at all is nothing to be whole.
        let packets = self.total.tx_packets + self.total.rx_packets;
        packets > 0 && self.packets_lost == 0 && amiss.all(|count| count == 0)
    }

    /// For a person.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { total, whole, packets_lost, .. } = self;
        let source = match total.source_packets {
            0 => String::new(),
            packets => format!("the source sent {packets}, "),
        };
        let lateness = self.lateness_ns.as_ref().map_or(String::new(), Lateness::text);
        let word = if self.is_whole() { "whole" } else { "NOT WHOLE" };
        format!(
            "{word}: {}\n  {:.2} times real time; {source}sent {}, received {}, lost {packets_lost}, late-skipped {}, not sent {}, refused by the device {}, \
             reordered {}, late {}, refused {}; grains complete {}, incomplete {}, missed by the source {}, evictions {}; {:.1} GiB \
             checked, wrong blocks {}; longest turn µs tx {:.0} rx {:.0}\n  rings on {}; {}\n{lateness}",
            whole.text(),
            self.times_real_time,
            total.tx_packets,
            total.rx_packets,
            total.late_skipped,
            total.not_sent,
            total.refused_by_device,
            total.reordered,
            total.late,
            total.refused,
            total.grains_complete,
            total.grains_incomplete,
            total.grains_missed,
            total.evictions,
            total.checked_octets as f64 / f64::from(1 << 30),
            total.wrong_blocks,
            self.longest_turn_us[0],
            self.longest_turn_us[1],
            self.ring_pages,
            self.memory,
        )
    }
}

#[cfg(test)]
impl Outcome {
    /// Of a round of a second in which ten packets were sent and received.
    pub(crate) fn of_ten_packets() -> Self {
        let whole = Interval::between(&Tally::default(), &Tally { at: 1_000_000_000, ..Tally::default() }, &mut []);
        Self {
            memory: String::new(),
            ring_pages: String::new(),
            memory_octets: 0,
            seconds: Vec::new(),
            whole,
            total: Tally { tx_packets: 10, rx_packets: 10, ..Tally::default() },
            times_real_time: 1.0,
            lateness_ns: None,
            longest_turn_us: [0.0; 2],
            packets_lost: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(change: impl FnOnce(&mut Outcome)) -> Outcome {
        let mut outcome = Outcome::of_ten_packets();
        change(&mut outcome);
        outcome
    }

    #[test]
    fn whatever_is_amiss_makes_a_round_not_whole() {
        assert!(outcome(|_| {}).is_whole());
        let faults: [fn(&mut Outcome); 7] = [
            |outcome| outcome.total = Tally::default(),
            |outcome| outcome.packets_lost = 1,
            |outcome| outcome.total.wrong_blocks = 1,
            |outcome| outcome.total.late_skipped = 1,
            |outcome| outcome.total.grains_incomplete = 1,
            |outcome| outcome.total.grains_missed = 1,
            |outcome| outcome.total.evictions = 1,
        ];
        for fault in faults {
            let faulty = outcome(fault);
            assert!(!faulty.is_whole() && faulty.text().starts_with("NOT WHOLE"), "{faulty:?}");
        }
    }

    #[test]
    fn an_outcome_crosses_a_wire() {
        let sent = outcome(|outcome| outcome.packets_lost = 7);
        let text = serde_json::to_string(&sent).unwrap();
        let received: Outcome = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&received).unwrap(), text);
    }
}
