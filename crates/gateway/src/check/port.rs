//! One port: how it is sized, and what its exception path and its device need.

use std::path::Path;

use super::finding::Finding;
use crate::config::Config;
use crate::port_plan::{DpdkPlan, Exception, PortPlan};

/// What makes TAPs.
const TUN: &str = "/dev/net/tun";

/// What was found, and the octets of pool that the port needs.
pub(super) fn look(plan: &PortPlan, ports: &[PortPlan], dpdk: &DpdkPlan, config: &Config) -> (Vec<Finding>, u64) {
    let name = format!("port {}", plan.name);
    let on_it = |interface: &str| interface == plan.name.as_str();
    let receivers = config.receivers.iter().filter(|receiver| on_it(&receiver.interface)).count();
    let senders = config.senders.iter().filter(|sender| on_it(&sender.interface)).count();
    let mut findings = vec![Finding::ok(
        &name,
        format!("{} with {receivers} receivers and {senders} senders, exception {}", plan.device, plan.exception),
    )];
    if matches!(plan.exception, Exception::Tap(_)) && !Path::new(TUN).exists() {
        let fix = "modprobe tun; in a container let /dev/net/tun in";
        findings.push(Finding::fail(&name, format!("there is no {TUN}, and it wants a TAP"), fix));
    }
    let (found, octets) = sizing(&name, plan, ports, dpdk, config);
    findings.extend(found);
    (findings, octets)
}

/// Without DPDK a configuration with ports is refused before this.
#[cfg(not(feature = "dpdk"))]
fn sizing(_: &str, _: &PortPlan, _: &[PortPlan], _: &DpdkPlan, _: &Config) -> (Vec<Finding>, u64) {
    (Vec::new(), 0)
}

#[cfg(feature = "dpdk")]
fn sizing(name: &str, plan: &PortPlan, ports: &[PortPlan], shared: &DpdkPlan, config: &Config) -> (Vec<Finding>, u64) {
    use ::dpdk::device::Device;
    use ::dpdk::iommu;

    use crate::engine::dpdk::sizes;

    let device = match sizes::device(plan) {
        Ok(device) => device,
        Err(refusal) => {
            return (vec![Finding::fail(name, format!("{refusal}"), "name another device")], 0);
        }
    };
    let mut findings = Vec::new();
    if let (Device::Pci(address), false) = (&device, shared.allow_no_iommu)
        && let Err(refusal) = iommu::check(Path::new(iommu::SYSFS), &[*address])
    {
        findings.push(Finding::fail(name, refusal.to_string(), "turn the IOMMU on, or set dpdk.allow_no_iommu"));
    }
    let senders = config.senders.len();
    let unsent = ports.iter().filter_map(|other| {
        let device = sizes::device(other).ok()?;
        Some((other, sizes::sizing(other, &device, senders).ok()?.unsent(&device)))
    });
    let sized = sizes::sizing(plan, &device, senders).and_then(|it| it.relaying_by(sizes::elsewhere(plan, unsent)));
    match sized {
        Ok(sizing) => {
            findings.push(Finding::ok(name, sizing.to_string()));
            findings.extend(backlogs(name, plan, &sizing, config));
            (findings, sizes::pools_octets(&sizing, sizes::Queues::of(plan)))
        }
        Err(refusal) => {
            findings.push(Finding::fail(name, refusal.to_string(), "lower packets_per_second, hold_ms or mtu"));
            (findings, 0)
        }
    }
}

/// Relays that would keep more than the port's buffers have room for beside those before them.
#[cfg(feature = "dpdk")]
fn backlogs(name: &str, plan: &PortPlan, sizing: &::dpdk::sizing::Sizing, config: &Config) -> Vec<Finding> {
    use crate::engine::dpdk::backlog;
    use crate::specs;

    let specs = config.relays.iter().filter_map(|relay| specs::relay(relay).ok());
    let on_it = specs.filter(|spec| match &spec.interface {
        Some(interface) => interface == plan.name.as_str(),
        None => plan.network.is_ours(spec.listen.ip()),
    });
    let mut before = 0;
    let refusals = on_it.filter_map(|spec| {
        let checked = backlog::check(&plan.name, sizing, &spec, before);
        before += checked.as_ref().map_or(0, |()| backlog::packets_kept(&spec).into());
        checked.err()
    });
    refusals.map(|refusal| Finding::fail(name, refusal.to_string(), "lower the relay's backlog_packets")).collect()
}
