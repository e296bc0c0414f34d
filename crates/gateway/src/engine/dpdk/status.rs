//! A port as operators see it. Nothing here waits for the device.

use std::sync::LazyLock;
use std::sync::atomic::Ordering;

use control::PortStatus;
use dpdk::counters::PortCounters;
use dpdk::extmem::Registration;
use dpdk::tx::Reads;

use super::port::ServedPort;
use super::sizes;
use super::timing::Timing;
use crate::presence::PresenceReport;

/// The names of a port's counters: by direction, and by reason where frames were dropped.
static RX: LazyLock<Vec<String>> = LazyLock::new(|| names("rx_", "", &PortCounters::default().rx.values()));
static BAD: LazyLock<Vec<String>> =
    LazyLock::new(|| names("rx_bad_", "_frames", &PortCounters::default().bad.values()));
static TX: LazyLock<Vec<String>> = LazyLock::new(|| names("tx_", "", &PortCounters::default().tx.values()));

fn names(before: &str, after: &str, counters: &[(&'static str, u64)]) -> Vec<String> {
    counters.iter().map(|(name, _)| format!("{before}{name}{after}")).collect()
}

/// Adds a queue's counters to those of the others.
fn add(sums: &mut Vec<(&'static str, u64)>, values: Vec<(&'static str, u64)>) {
    if sums.is_empty() {
        *sums = values;
    } else {
        sums.iter_mut().zip(values).for_each(|(sum, (_, value))| sum.1 = sum.1.saturating_add(value));
    }
}

fn named(
    names: &'static LazyLock<Vec<String>>,
    values: Vec<(&'static str, u64)>,
) -> impl Iterator<Item = (&'static str, u64)> {
    names.iter().map(String::as_str).zip(values.into_iter().map(|(_, value)| value))
}

impl ServedPort {
    /// The port now; `presence` is what its host says, `workers` who sends by it, the receiving one first, and
    /// `left_to_cpu` how many rings no device reaches.
    pub(super) fn status(&self, presence: PresenceReport, workers: &[&str], left_to_cpu: u64) -> PortStatus {
        let (plan, capabilities) = (&self.facts.plan, &self.facts.capabilities);
        let seen = self.seen();
        let mut troubles: Vec<String> = seen.trouble.iter().cloned().chain(presence.troubles).collect();
        if self.facts.reads == Reads::Registered && left_to_cpu > 0 {
            troubles.push(format!("{left_to_cpu} rings could not be registered: their frames are copied when sent"));
        }
        troubles.extend(self.lacking_queues());
        let rules = self.rules_seen();
        troubles.extend(rules.refusal.clone());
        let mut counters = vec![
            ("restarts", self.restarts.load(Ordering::Relaxed)),
            ("restart_failures", self.restart_failures.load(Ordering::Relaxed)),
            // Of the process: all ports reach the same rings.
            ("registrations_held", Registration::living() as u64),
            ("flow_rules_put", rules.put),
            ("flow_rules_refused", rules.refused),
            ("device_clock_steps", self.facts.timing.as_ref().map_or(0, Timing::steps)),
        ];
        counters.extend(self.counted());
        counters.extend(seen.counters());
        // What was lost before is nothing that the port knows of.
        counters.extend(seen.losses.located().counters().into_iter().filter(|(name, _)| *name != "lost_wire_packets"));
        counters.extend(presence.counters);
        PortStatus {
            name: plan.name.to_string(),
            device: plan.device.to_string(),
            driver: capabilities.driver.clone(),
            mac: self.facts.mac.to_string(),
            link_up: if seen.trouble.is_some() { Some(false) } else { presence.link_up.or(seen.link_up) },
            addresses: plan.network.addresses().iter().map(ToString::to_string).collect(),
            vlan: plan.vlan,
            mtu: plan.mtu,
            exception: plan.exception.to_string(),
            gathers: capabilities.gathers,
            driver_copies_in: capabilities.driver_copies_rx.into(),
            driver_copies_out: capabilities.driver_copies_tx.into(),
            sizing: self.sizing_words(workers),
            capabilities: self.capability_words(seen.speed_mbps),
            troubles,
            worker: workers.join(", "),
            counters,
        }
    }

    /// Over all its queues.
    fn counted(&self) -> Vec<(&'static str, u64)> {
        let (mut rx, mut bad, mut tx) = (Vec::new(), Vec::new(), Vec::new());
        let lanes = self.lanes();
        for PortCounters { rx: received, bad: dropped, tx: sent } in lanes.iter().map(|lane| &*lane.counters) {
            add(&mut rx, received.values());
            add(&mut bad, dropped.values());
            add(&mut tx, sent.values());
        }
        let refused = lanes.iter().map(|lane| lane.output.errors.value()).sum();
        let unsteered = lanes.iter().map(|lane| lane.input.packets_unsteered.value()).sum();
        let worker = [("rx_unsteered_packets", unsteered), ("tx_refused_packets", refused)];
        named(&RX, rx).chain(named(&BAD, bad)).chain(named(&TX, tx)).chain(worker).collect()
    }

    /// Workers that were asked for, and have no queue here.
    fn lacking_queues(&self) -> Option<String> {
        let (has, asked) = (self.lanes().len(), usize::from(self.facts.plan.seating.workers));
        (has < asked).then(|| {
            let device = &self.facts.plan.device;
            format!("{asked} workers were to send by it, and {device} has transmit queues for {has}: name fewer cores")
        })
    }

    fn sizing_words(&self, workers: &[&str]) -> Vec<String> {
        let lanes = self.lanes();
        let receiving = lanes.iter().filter(|lane| lane.receives()).count();
        let queues = sizes::Queues { rx: receiving as u16, tx: lanes.len() as u16 };
        let mib = sizes::pools_octets(&self.facts.sizing, queues).div_ceil(1 << 20);
        let (most, first) = (self.facts.capabilities.tx_queues_max, workers.first().unwrap_or(&""));
        let queues = match workers {
            [_] if most == 1 => format!("one queue each way, which is all that the device has: {first}"),
            [_] => format!("one queue each way, {first}; more cores (port.cores) would send by queues of their own"),
            _ if receiving == 1 => {
                format!("{} transmit queues: {}; {first} receives", workers.len(), workers.join(", "))
            }
            _ => format!(
                "{receiving} receive and {} transmit queues: {}; flow rules put streams on them, {first} has all else",
                workers.len(),
                workers.join(", ")
            ),
        };
        let holds = self.facts.holds.as_secs_f64() * 1e3;
        let holds = format!("its device holds {holds:.1} ms of them while nobody polls");
        vec![self.facts.sizing.to_string(), holds, format!("its pools take at most {mib} MiB"), queues]
    }

    /// Who paces, and who says when packets arrived.
    fn timing_words(&self) -> [&'static str; 2] {
        let timing = self.facts.timing.as_ref();
        let paces = match timing.and_then(|timing| timing.launch) {
            Some(_) => "paced by the device, which sends packets at a time that stands in them",
            None if self.facts.capabilities.launch_time => "paced by the worker, though the device could",
            None => "paced by the worker",
        };
        let arrives = match timing.and_then(|timing| timing.arrival) {
            Some(_) => "times of arrival are the device's",
            None => "times of arrival are those of the burst",
        };
        [paces, arrives]
    }

    fn capability_words(&self, speed_mbps: Option<u32>) -> Vec<String> {
        let can = &self.facts.capabilities;
        let by = |device: bool| if device { "by the device" } else { "by us" };
        let mut words = vec![
            format!("payload is {}", if can.gathers { "sent from where it lies" } else { "copied into one buffer" }),
            format!(
                "checksums: checked {}, UDP over IPv6 completed {}",
                by(can.rx_checksums_vouched),
                by(can.tx_udp_checksum)
            ),
            format!("MTU up to {}", can.mtu_max),
        ];
        words.extend(self.timing_words().map(str::to_owned));
        words.extend(can.numa.map(|node| format!("on NUMA node {node}")));
        words.extend(speed_mbps.map(|mbps| format!("link at {mbps} Mb/s")));
        words
    }
}
