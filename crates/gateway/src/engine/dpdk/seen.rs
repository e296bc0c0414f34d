//! What a device says when it is asked, kept for those who must not wait for it.

use dpdk::port::PortStats;

use crate::loss::Locator;

/// The names of the device's counters, as operators see them, in the order of [`PortStats::named`].
const NAMES: [&str; 8] = [
    "device_rx_packets",
    "device_rx_octets",
    "device_rx_missed_packets",
    "device_rx_error_packets",
    "device_rx_no_buffers",
    "device_tx_packets",
    "device_tx_octets",
    "device_tx_error_packets",
];

/// What the device said last.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Whether the link is up; `None` before the first look.
    pub(super) link_up: Option<bool>,
    pub(super) speed_mbps: Option<u32>,
    /// Why it is stopped.
    pub(super) trouble: Option<String>,
    /// Why its receive queue dropped what it dropped.
    pub(super) losses: Locator,
    counted: Counted,
}

/// Sums that go on when a device begins at 0 again: some do when they restart.
#[derive(Debug, Default)]
struct Counted {
    before: [u64; NAMES.len()],
    now: [u64; NAMES.len()],
}

impl Seen {
    /// Notes the device's counters.
    pub(super) fn note(&mut self, stats: &PortStats) {
        self.counted.note(stats.named().map(|(_, value)| value));
    }

    /// One of them.
    pub(super) fn counter(&self, wanted: &str) -> u64 {
        self.counters().find(|(name, _)| *name == wanted).map_or(0, |(_, value)| value)
    }

    /// The device's counters since the gateway's start.
    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let Counted { before, now } = &self.counted;
        let sums = before.iter().zip(now).map(|(before, now)| before.saturating_add(*now));
        NAMES.into_iter().zip(sums).collect::<Vec<_>>().into_iter()
    }
}

impl Counted {
    fn note(&mut self, values: [u64; NAMES.len()]) {
        if values.iter().zip(&self.now).any(|(value, now)| value < now) {
            for (before, now) in self.before.iter_mut().zip(self.now) {
                *before = before.saturating_add(now);
            }
        }
        self.now = values;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_with_the_devices_own() {
        for ((own, _), name) in PortStats::default().named().iter().zip(NAMES) {
            assert!(name.contains(own.trim_end_matches('s').trim_end_matches("error")), "{own} {name}");
        }
    }

    #[test]
    fn a_device_that_begins_anew_takes_nothing_away() {
        let mut seen = Seen::default();
        let stats = |packets: u64| PortStats { rx_packets: packets, ..PortStats::default() };
        for packets in [10, 30, 5, 7] {
            seen.note(&stats(packets));
        }
        assert_eq!(seen.counters().next(), Some(("device_rx_packets", 37)));
    }
}
