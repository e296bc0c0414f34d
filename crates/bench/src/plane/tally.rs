//! Counters of a run, summed over its streams, and what they say of a second.

use serde::{Deserialize, Serialize};

use super::relaying::RelayingWatch;
use super::stage::{ListeningWatch, SendingWatch};
use crate::desk::Meter;
use crate::{Percentiles, clock};

/// Octets around a UDP payload: UDP, IPv4, Ethernet, its check sequence, preamble and gap.
const AROUND_OCTETS: u64 = 8 + 20 + 14 + 4 + 8 + 12;

/// Sums over all streams since the start.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// When it was taken, ns.
    #[serde(skip)]
    pub at: u64,
    /// Packets that the device took.
    pub tx_packets: u64,
    /// Octets of their UDP payloads.
    pub tx_octets: u64,
    /// Packets that the source of a relay sent to it; 0 without a relay.
    pub source_packets: u64,
    /// Times that the device was full.
    pub tx_full: u64,
    /// Counts of the sending thread in turns that did something, ns that it was on a core, and counts in all turns.
    #[serde(skip)]
    pub tx_spent: [u64; 3],
    /// Grains of which every packet was made.
    pub grains_sent: u64,
    /// Packets that were not sent, because they were too late.
    pub late_skipped: u64,
    /// Packets that were not sent because their grain, or lines of it, were gone.
    pub not_sent: u64,
    /// Packets that the device or its queue refused for good.
    pub refused_by_device: u64,
    /// Grains that the source or the sender did not get to.
    pub grains_missed: u64,
    /// Times that a ring went on without its sender or its consumer, which was too slow for it.
    #[serde(default)]
    pub evictions: u64,
    /// Packets that receivers were given.
    pub rx_packets: u64,
    /// Octets of their UDP payloads.
    pub rx_octets: u64,
    /// The same of the receiving thread.
    #[serde(skip)]
    pub rx_spent: [u64; 3],
    /// Packets that never came, by their sequence numbers.
    pub lost: u64,
    /// Packets that came in another order than sent.
    pub reordered: u64,
    /// Packets that came after their grain had been closed.
    pub late: u64,
    /// Packets that brought nothing new.
    pub duplicates: u64,
    /// Packets that were malformed, foreign, or had no place in the ring.
    pub refused: u64,
    /// Grains that were complete.
    pub grains_complete: u64,
    /// Grains that were not, or never came.
    pub grains_incomplete: u64,
    /// Octets that were checked.
    pub checked_octets: u64,
    /// Blocks of 512 octets that did not show what was sent.
    pub wrong_blocks: u64,
}

impl Tally {
    /// The sums now.
    pub(crate) fn take(sending: Option<&SendingWatch>, listening: Option<&ListeningWatch>) -> Self {
        let mut tally = Self { at: clock::now(), ..Self::default() };
        if let Some(sending) = sending {
            tally.add_sending(sending);
        }
        if let Some(listening) = listening {
            tally.add_listening(listening);
        }
        tally
    }

    /// The sums of a relay: what it forwarded is what was sent, what came in is what was received. What its source did not get
    /// to, and what came to no destination, is amiss as well.
    pub(crate) fn of_relay(watch: &RelayingWatch, source: Option<&SendingWatch>) -> Self {
        let source = Self::take(source, None);
        let mut tally = Self {
            at: clock::now(),
            tx_packets: watch.output.packets.value(),
            tx_octets: watch.output.octets.value(),
            tx_full: watch.output.would_block.value(),
            tx_spent: spent(&watch.meter),
            source_packets: source.tx_packets,
            grains_sent: source.grains_sent,
            grains_missed: source.grains_missed,
            evictions: source.evictions,
            late_skipped: source.late_skipped,
            not_sent: source.not_sent,
            refused_by_device: source.refused_by_device + watch.output.errors.value(),
            ..Self::default()
        };
        for relay in &watch.relays {
            tally.rx_packets += relay.packets.value();
            tally.rx_octets += relay.octets.value();
            tally.lost += relay.packets_lost.value();
            tally.reordered += relay.reordered.value();
            tally.duplicates += relay.duplicates.value();
            tally.refused += relay.rtp_malformed.value() + relay.ssrc_foreign.value();
        }
        for forwarder in &watch.forwarders {
            tally.not_sent += forwarder.packets_dropped_backlog.value() + forwarder.packets_dropped_detached.value();
            tally.not_sent += forwarder.packets_dropped_foreign.value();
            tally.refused_by_device += forwarder.packets_refused.value() + forwarder.packets_dropped_unresolved.value();
        }
        tally
    }

    fn add_sending(&mut self, watch: &SendingWatch) {
        for output in &watch.outputs {
            self.tx_packets += output.packets.value();
            self.tx_octets += output.octets.value();
            self.tx_full += output.would_block.value();
            self.refused_by_device += output.errors.value();
        }
        self.tx_spent = spent(&watch.meter);
        for sender in &watch.senders {
            self.grains_sent += sender.grains_sent.value();
            self.late_skipped += sender.packets_skipped_late.value() + sender.packets_taken_back.value();
            self.not_sent += sender.packets_skipped_lost.value() + sender.packets_skipped_gone.value();
            self.refused_by_device += sender.packets_refused.value();
            self.grains_missed += sender.grains_missed.value();
            self.evictions += sender.evictions.value();
        }
        for producer in &watch.producers {
            self.grains_missed += producer.grains_no_slot.value() + producer.grains_skipped.value();
        }
    }

    fn add_listening(&mut self, watch: &ListeningWatch) {
        self.rx_spent = spent(&watch.meter);
        for receiver in &watch.receivers {
            self.rx_packets += receiver.packets.value();
            self.rx_octets += receiver.octets.value();
            self.lost += receiver.packets_lost.value();
            self.reordered += receiver.reordered.value();
            self.late += receiver.late.value();
            self.duplicates += receiver.duplicates.value();
            let refused = [
                &receiver.rtp_malformed,
                &receiver.payload_type_wrong,
                &receiver.ssrc_foreign,
                &receiver.payload_malformed,
                &receiver.packets_dropped_with_grain,
            ];
            self.refused += refused.into_iter().map(netio::Counter::value).sum::<u64>();
        }
        for verifier in &watch.verifiers {
            self.grains_complete += verifier.grains_complete.value();
            self.grains_incomplete += verifier.grains_incomplete.value() + verifier.grains_unread.value();
            self.grains_incomplete += verifier.grains_missing.value();
            self.evictions += verifier.evictions.value();
            self.checked_octets += verifier.octets.value();
            self.wrong_blocks += verifier.blocks_wrong.value();
        }
    }
}

fn spent(meter: &Meter) -> [u64; 3] {
    [meter.busy_counts.value(), meter.cpu_ns(), meter.all_counts.value()]
}

/// A second of a run, or all of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// How long it was, s.
    pub seconds: f64,
    /// Packets a second that the device took.
    pub tx_packets_per_second: f64,
    /// What they take of a link, Gb/s: with headers, preamble and gap.
    pub tx_gbps: f64,
    /// Counts of the time-stamp counter for a packet in turns of the worker that sends; none where none was sent.
    pub tx_cycles_per_packet: Option<f64>,
    /// The part of the time in which the kernel let the thread that sends run: below 1, something else had its core, and
    /// what was measured is that too.
    pub tx_on_core: Option<f64>,
    /// The part of the time that turns of the worker take which do something; the rest it spins.
    pub tx_busy: Option<f64>,
    /// Packets a second that receivers were given.
    pub rx_packets_per_second: f64,
    /// What they take of a link, Gb/s.
    pub rx_gbps: f64,
    /// As for the one that sends.
    pub rx_cycles_per_packet: Option<f64>,
    /// As for the thread that sends.
    pub rx_on_core: Option<f64>,
    /// As for the worker that sends.
    pub rx_busy: Option<f64>,
    /// Packets lost in it.
    pub lost: u64,
    /// Packets reordered in it.
    pub reordered: u64,
    /// Packets skipped by the sender, or too late for the receiver.
    pub late: u64,
    /// From the beginning of a grain at its source to its commit in the receiver's ring, as its consumer sees it, ns.
    pub latency_ns: Option<Percentiles>,
}

impl Interval {
    /// Between two looks; `latencies` are those of the grains in between.
    pub(crate) fn between(before: &Tally, after: &Tally, latencies: &mut [u64]) -> Self {
        let seconds = (after.at - before.at) as f64 / 1e9;
        let [tx_packets, rx_packets] =
            [after.tx_packets - before.tx_packets, after.rx_packets.saturating_sub(before.rx_packets)];
        let gbps = |octets: u64, packets: u64| (octets + AROUND_OCTETS * packets) as f64 * 8e-9 / seconds;
        let busy = |after: [u64; 3], before: [u64; 3], packets: u64| {
            (packets > 0 && after[0] > before[0]).then(|| (after[0] - before[0]) as f64 / packets as f64)
        };
        let on_core = |after: [u64; 3], before: [u64; 3]| {
            (after[1] > before[1]).then(|| (after[1] - before[1]) as f64 / 1e9 / seconds)
        };
        let part = |after: [u64; 3], before: [u64; 3]| {
            (after[2] > before[2]).then(|| (after[0] - before[0]) as f64 / (after[2] - before[2]) as f64)
        };
        let late = |tally: &Tally| tally.late_skipped + tally.late;
        Self {
            seconds,
            tx_packets_per_second: tx_packets as f64 / seconds,
            tx_gbps: gbps(after.tx_octets - before.tx_octets, tx_packets),
            tx_cycles_per_packet: busy(after.tx_spent, before.tx_spent, tx_packets),
            tx_busy: part(after.tx_spent, before.tx_spent),
            tx_on_core: on_core(after.tx_spent, before.tx_spent),
            rx_packets_per_second: rx_packets as f64 / seconds,
            rx_gbps: gbps(after.rx_octets - before.rx_octets, rx_packets),
            rx_cycles_per_packet: busy(after.rx_spent, before.rx_spent, rx_packets),
            rx_busy: part(after.rx_spent, before.rx_spent),
            rx_on_core: on_core(after.rx_spent, before.rx_spent),
            lost: after.lost.saturating_sub(before.lost),
            reordered: after.reordered - before.reordered,
            late: late(after) - late(before),
            latency_ns: (!latencies.is_empty()).then(|| Percentiles::of(latencies)),
        }
    }

    /// Packets a second that the device took while the kernel let the thread run.
    #[must_use]
    pub fn tx_packets_per_core_second(&self) -> f64 {
        self.tx_packets_per_second / self.tx_on_core.unwrap_or(1.0)
    }

    /// In one line.
    #[must_use]
    pub fn text(&self) -> String {
        let way = |name: &str, gbps: f64, packets: f64, cycles: Option<f64>, on_core: Option<f64>| {
            let mut text = format!("{name} {gbps:.2} Gb/s {:.3} Mpps", packets / 1e6);
            text += &cycles.map_or(String::new(), |cycles| format!(" {cycles:.0} cycles/packet"));
            text + &on_core.map_or(String::new(), |part| format!(" ({:.0} % on core)", part * 100.0))
        };
        let mut parts = Vec::new();
        if self.tx_packets_per_second > 0.0 || self.tx_on_core.is_some() {
            let packets = self.tx_packets_per_second;
            parts.push(way("tx", self.tx_gbps, packets, self.tx_cycles_per_packet, self.tx_on_core));
        }
        if self.rx_packets_per_second > 0.0 || self.rx_on_core.is_some() {
            let packets = self.rx_packets_per_second;
            parts.push(way("rx", self.rx_gbps, packets, self.rx_cycles_per_packet, self.rx_on_core));
            parts.push(format!("lost {} reordered {}", self.lost, self.reordered));
        }
        parts.push(format!("late {}", self.late));
        if let Some(Percentiles { p50, p99, p99_9, max }) = self.latency_ns {
            let [p50, p99, p99_9, max] = [p50, p99, p99_9, max].map(|ns| ns / 1e6);
            parts.push(format!("latency ms p50 {p50:.2} p99 {p99:.2} p99.9 {p99_9:.2} max {max:.2}"));
        }
        parts.join(" | ")
    }
}
