//! On which engine, and which of its ports, a receiver or sender is placed.
//!
//! 1. An interface that names a port: that port. Another interface is the kernel's.
//! 2. Without one, an address: of a receiver the destination, of a sender the source; where it gives none, the network
//!    of its destination.
//! 3. Everything else is the kernel's: groups among it, which say nothing about where they come in or go out.

use std::net::IpAddr;
use std::sync::Arc;

use control::{DataplaneError, HeardLegSpec, ReceiverSpec, RelaySpec, SenderSpec};
use media::Name;

use crate::engine::{Engine, EnginePort};

/// Where something is placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Among the data plane's engines.
    pub(super) engine: usize,
    /// One of that engine's ports; `None` on the kernel.
    pub(super) port: Option<Name>,
}

impl Place {
    /// The place of a second leg beside this one of the first.
    ///
    /// # Errors
    /// No worker could serve both.
    pub(super) fn with_second(&self, second: Self, name: &Name) -> Result<Self, DataplaneError> {
        if second.engine == self.engine {
            return Ok(second);
        }
        Err(DataplaneError::Unsupported {
            what: format!("{name}: one leg on a DPDK port, the other on the kernel's network"),
            remedy: "name two interfaces of one kind".to_owned(),
        })
    }
}

/// What the first engine takes: the kernel.
const KERNEL: Place = Place { engine: 0, port: None };

pub(super) fn of_receiver(engines: &[Arc<dyn Engine>], spec: &ReceiverSpec) -> Place {
    let destination = spec.sdp.destination.ip();
    match &spec.interface {
        Some(interface) => named(engines, interface),
        None => first(engines, |port| has(port, destination)),
    }
}

/// Where the second leg is placed: by the same engine, as one worker serves both.
pub(super) fn of_second(
    engines: &[Arc<dyn Engine>],
    name: &Name,
    first: &Place,
    leg: Option<&HeardLegSpec>,
) -> Result<Option<Place>, DataplaneError> {
    let Some(leg) = leg else { return Ok(None) };
    let second = match &leg.interface {
        Some(interface) => named(engines, interface),
        None => self::first(engines, |port| has(port, leg.destination.ip())),
    };
    first.with_second(second, name).map(Some)
}

pub(super) fn of_relay(engines: &[Arc<dyn Engine>], spec: &RelaySpec) -> Place {
    match &spec.interface {
        Some(interface) => named(engines, interface),
        None => first(engines, |port| has(port, spec.listen.ip())),
    }
}

pub(super) fn of_sender(engines: &[Arc<dyn Engine>], spec: &SenderSpec) -> Place {
    match (&spec.interface, spec.source.map(|source| source.ip()).filter(|source| !source.is_unspecified())) {
        (Some(interface), _) => named(engines, interface),
        (None, Some(source)) => first(engines, |port| has(port, source)),
        (None, None) => first(engines, |port| reaches(port, spec.destination.ip())),
    }
}

fn named(engines: &[Arc<dyn Engine>], interface: &str) -> Place {
    first(engines, |port| port.name.as_str() == interface)
}

fn has(port: &EnginePort, address: IpAddr) -> bool {
    port.network.is_ours(address)
}

fn reaches(port: &EnginePort, address: IpAddr) -> bool {
    // Every IPv6 port is on a network fe80::/64: such an address says nothing about which.
    let is_told_by_address =
        !address.is_multicast() && !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    is_told_by_address && port.network.addresses().iter().any(|ours| ours.reaches(address))
}

/// The first port that `fits`, in the order of the engines and their ports.
fn first(engines: &[Arc<dyn Engine>], fits: impl Fn(&EnginePort) -> bool) -> Place {
    let mut ports = engines.iter().enumerate().flat_map(|(engine, ports)| {
        let of = move |port: EnginePort| (engine, port);
        ports.ports().into_iter().map(of)
    });
    let found = ports.find(|(_, port)| fits(port));
    found.map_or(KERNEL, |(engine, port)| Place { engine, port: Some(port.name) })
}

#[cfg(test)]
mod tests;
