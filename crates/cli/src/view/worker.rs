//! Workers as printed.

use control::v1;
use serde::Serialize;

/// A thread that moves packets.
#[derive(Debug, Serialize)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// The core it is pinned to.
    pub core: Option<u32>,
    /// Who else may run there: "shared", "isolated" or "tickless"; null when it floats.
    pub isolation: Option<&'static str>,
    /// The NUMA node of that core; null where there is one only.
    pub numa_node: Option<u32>,
    /// Receivers that it serves.
    pub receivers: u32,
    /// Senders that it serves.
    pub senders: u32,
    /// Packets a second of what was placed on it, as far as that is known.
    pub placed_packets_per_second: u64,
    /// How long it has not turned, where it should have; null while it turns.
    pub standing_still_ms: Option<u64>,
    /// How often it stood still for 50 ms or more.
    pub standstills: u64,
    /// The longest of these.
    pub longest_standstill_ns: u64,
    /// Its turns.
    pub turns: SpansView,
    /// Its sleeps on purpose.
    pub rests: SpansView,
}

/// `move`.
#[derive(Debug, Serialize)]
pub struct MovedView {
    /// The receiver that was moved.
    pub receiver: Option<String>,
    /// The sender that was moved.
    pub sender: Option<String>,
    /// The relay that was moved.
    pub relay: Option<String>,
    /// The port that was moved, with all that is on it.
    pub port: Option<String>,
    /// The worker that serves it now, as it was named.
    pub worker: String,
}

impl MovedView {
    pub(crate) fn text(&self) -> String {
        let name = |kind: &str, name: &Option<String>| name.as_ref().map(|name| format!("{kind} {name}"));
        let what = name("receiver", &self.receiver).or_else(|| name("sender", &self.sender));
        let what = what.or_else(|| name("relay", &self.relay)).or_else(|| name("port", &self.port)).unwrap_or_default();
        format!("{what} is served by worker {} now\n", self.worker)
    }
}

/// Lengths of time.
#[derive(Debug, Default, Serialize)]
pub struct SpansView {
    /// All together.
    pub sum_ns: u64,
    /// Half of them are shorter; this and the next two are good to a factor of two.
    pub median_ns: u64,
    /// All but one in 100 are shorter.
    pub p99_ns: u64,
    /// All but one in 1,000 are shorter.
    pub p999_ns: u64,
    /// The longest.
    pub longest_ns: u64,
    /// How many, by length: number i counts those of at least 2^i and less than 2^(i+1) ns.
    pub by_power_of_two: Vec<u64>,
}

impl From<v1::Worker> for WorkerView {
    fn from(worker: v1::Worker) -> Self {
        let isolation = match worker.isolation() {
            v1::CoreIsolation::Unspecified => None,
            v1::CoreIsolation::Shared => Some("shared"),
            v1::CoreIsolation::Isolated => Some("isolated"),
            v1::CoreIsolation::Tickless => Some("tickless"),
        };
        Self {
            name: worker.name,
            core: worker.core,
            isolation,
            numa_node: worker.numa_node,
            receivers: worker.receivers,
            senders: worker.senders,
            placed_packets_per_second: worker.placed_packets_per_second,
            standing_still_ms: worker.standing_still_ms,
            standstills: worker.standstills,
            longest_standstill_ns: worker.longest_standstill_ns,
            turns: worker.turns.unwrap_or_default().into(),
            rests: worker.rests.unwrap_or_default().into(),
        }
    }
}

impl From<v1::Spans> for SpansView {
    fn from(spans: v1::Spans) -> Self {
        let v1::Spans { sum_ns, median_ns, p99_ns, p999_ns, longest_ns, by_power_of_two } = spans;
        Self { sum_ns, median_ns, p99_ns, p999_ns, longest_ns, by_power_of_two }
    }
}

impl WorkerView {
    /// Its lines of `status`.
    pub(super) fn line(&self) -> String {
        let isolation = self.isolation.map(|words| format!(" ({words})")).unwrap_or_default();
        let core = self.core.map_or("no core of its own".to_owned(), |core| format!("core {core}{isolation}"));
        let mut text =
            format!("worker   {} on {core}: {} receivers, {} senders", self.name, self.receivers, self.senders);
        if self.placed_packets_per_second > 0 {
            text += &format!(", {} packets/s", self.placed_packets_per_second);
        }
        if self.turns.longest_ns > 0 {
            let SpansView { p999_ns, longest_ns, .. } = self.turns;
            text += &format!("; turns {} at p99.9, {} at longest", short(p999_ns), short(longest_ns));
        }
        if self.standstills > 0 {
            let (times, longest) = (self.standstills, short(self.longest_standstill_ns));
            text += &format!("; stood still {times} times, {longest} at longest");
        }
        if let Some(ms) = self.standing_still_ms {
            text += &format!("; STANDS STILL for {ms} ms");
        }
        text.push('\n');
        text
    }
}

/// Nanoseconds in the unit that they are read in.
fn short(nanos: u64) -> String {
    match nanos {
        0..1_000 => format!("{nanos} ns"),
        1_000..1_000_000 => format!("{:.1} µs", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanos as f64 / 1e6),
        _ => format!("{:.1} s", nanos as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_stands_still_says_so_and_one_that_is_well_does_not() {
        let mut worker = v1::Worker {
            name: "worker-0".to_owned(),
            core: Some(1),
            isolation: 1,
            receivers: 2,
            ..v1::Worker::default()
        };
        assert_eq!(
            WorkerView::from(worker.clone()).line(),
            "worker   worker-0 on core 1 (shared): 2 receivers, 0 senders\n"
        );
        worker.turns = Some(v1::Spans { p999_ns: 16_384, longest_ns: 104_200_000, ..v1::Spans::default() });
        (worker.standstills, worker.longest_standstill_ns) = (1, 104_200_000);
        worker.standing_still_ms = Some(3_210);
        assert_eq!(
            WorkerView::from(worker).line(),
            "worker   worker-0 on core 1 (shared): 2 receivers, 0 senders; turns 16.4 µs at p99.9, 104.2 ms at longest; stood still 1 \
             times, 104.2 ms at longest; STANDS STILL for 3210 ms\n"
        );
    }
}
