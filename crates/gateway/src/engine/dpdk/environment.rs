//! DPDK's environment, which a process starts once and before anything else: it must come before the threads of the API.

use dpdk::device::Device;
use dpdk::eal::{Eal, EalConfig, IovaMode, Memory};
use dpdk::extmem::DmaPlacement;
use dpdk::sizing::Sizing;
use media::Name;

use super::error::{DpdkStartError, PortCause};
use super::sizes;
use crate::config::{DpdkMemoryConfig, IovaConfig};
use crate::cores::Cores;
use crate::port_plan::{self, DpdkPlan, PortPlan};

/// Rings from here on are given to devices; smaller ones (audio, ancillary data) are copied from: EAL takes few.
const REGISTERED_OCTETS_MIN: u64 = 1 << 20;

/// A port that has been sized.
#[derive(Clone, Debug)]
pub(super) struct Sized {
    pub(super) plan: PortPlan,
    pub(super) device: Device,
    pub(super) sizing: Sizing,
}

/// DPDK, and the ports that it is to drive.
#[derive(Debug)]
pub struct Environment {
    pub(super) eal: Eal,
    pub(super) placement: DmaPlacement,
    pub(super) ports: Vec<Sized>,
}

impl Environment {
    /// Sizes the ports and starts DPDK with the memory that they need, in a gateway with so many senders.
    ///
    /// # Errors
    /// [`DpdkStartError`]; nothing is left of it but what DPDK keeps.
    pub fn start(plan: &DpdkPlan, ports: Vec<PortPlan>, senders: usize) -> Result<Self, DpdkStartError> {
        let sized = |plan: PortPlan| {
            let refuse = |cause: PortCause| cause.of(&plan.name);
            let device = sizes::device(&plan).map_err(|error| refuse(error.into()))?;
            let sizing = sizes::sizing(&plan, &device, senders).map_err(|error| refuse(PortCause::Sizing(error)))?;
            Ok(Sized { plan, device, sizing })
        };
        let mut ports = ports.into_iter().map(sized).collect::<Result<Vec<_>, DpdkStartError>>()?;
        seat(&mut ports, &plan.cores);
        relaying(&mut ports)?;
        let eal = Eal::start(&config(plan, &ports))?;
        let names: Vec<&str> = ports.iter().map(|port| Name::as_str(&port.plan.name)).collect();
        tracing::info!("{} drives the ports {}", eal.version(), names.join(", "));
        let placement = DmaPlacement::new(&eal, REGISTERED_OCTETS_MIN);
        Ok(Self { eal, placement, ports })
    }

    /// What the broker is to do with its regions, so that the ports' devices reach them.
    #[must_use]
    pub fn placement(&self) -> DmaPlacement {
        self.placement.clone()
    }
}

/// Gives ports that name no core theirs.
fn seat(ports: &mut [Sized], pool: &[usize]) {
    let cores = Cores::here();
    let nodes: Vec<(Name, Option<u16>)> =
        ports.iter().map(|port| (port.plan.name.clone(), sizes::numa(&port.device))).collect();
    let near = |plan: &PortPlan, core: usize| {
        let node = nodes.iter().find(|(name, _)| *name == plan.name).and_then(|(_, node)| *node);
        node.is_none() || cores.numa_node(core) == node
    };
    port_plan::assign(&mut ports.iter_mut().map(|port| &mut port.plan).collect::<Vec<_>>(), pool, near);
}

/// Has each port's buffers suffice although all ports that its relays' packets leave by are stuck.
fn relaying(ports: &mut [Sized]) -> Result<(), DpdkStartError> {
    let unsent: Vec<(PortPlan, u32)> =
        ports.iter().map(|port| (port.plan.clone(), port.sizing.unsent(&port.device))).collect();
    for port in ports {
        let elsewhere = sizes::elsewhere(&port.plan, unsent.iter().map(|(plan, packets)| (plan, *packets)));
        let sizing = port.sizing.relaying_by(elsewhere);
        port.sizing = sizing.map_err(|error| PortCause::Sizing(error).of(&port.plan.name))?;
    }
    Ok(())
}

fn config(plan: &DpdkPlan, ports: &[Sized]) -> EalConfig {
    let octets = ports.iter().map(|port| sizes::pools_octets(&port.sizing, sizes::Queues::of(&port.plan))).sum();
    let mib = sizes::memory_mib(plan, octets);
    let memory = match plan.memory {
        DpdkMemoryConfig::Huge => Memory::Huge { mib },
        DpdkMemoryConfig::NoHuge => Memory::NoHuge { mib },
    };
    let allow = ports.iter().filter_map(|port| match port.device {
        Device::Pci(address) => Some(address),
        _ => None,
    });
    EalConfig {
        iova: match plan.iova {
            IovaConfig::Auto => IovaMode::Auto,
            IovaConfig::Va => IovaMode::Va,
            IovaConfig::Pa => IovaMode::Pa,
        },
        file_prefix: plan.file_prefix.clone(),
        allow: allow.collect(),
        allow_no_iommu: plan.allow_no_iommu,
        ..EalConfig::new(memory)
    }
}
