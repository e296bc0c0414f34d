//! What a port can be asked for, before its worker is.

use std::net::{IpAddr, SocketAddr};

use control::{DataplaneError, SenderSpec};

use super::port::ServedPort;
use crate::pool::WorkerIndex;

/// Octets of an IP header without options.
const IPV4_OCTETS: u32 = 20;
const IPV6_OCTETS: u32 = 40;

impl ServedPort {
    /// Whether packets to `destination` come in here: to one of the port's addresses, or to a group.
    pub(super) fn check_destination(&self, destination: SocketAddr) -> Result<(), DataplaneError> {
        let (plan, address) = (&self.facts.plan, destination.ip());
        if address.is_multicast() || plan.network.is_ours(address) {
            return Ok(());
        }
        let own: Vec<String> = plan.network.addresses().iter().map(|own| own.address.to_string()).collect();
        Err(DataplaneError::Address {
            address: destination,
            cause: format!("port \"{}\" has not that address", plan.name),
            remedy: format!("send to a group, or to one of its own: {}", own.join(", ")),
        })
    }

    /// The workers that receive by this port and by all `others`: two legs are one worker's.
    pub(super) fn workers_that_hear(&self, others: &[&Self]) -> Result<Vec<WorkerIndex>, DataplaneError> {
        let hears_all = |worker: &WorkerIndex| others.iter().all(|other| other.lane_heard_by(*worker).is_some());
        let lanes = self.lanes();
        let workers = lanes.iter().filter(|lane| lane.receives()).map(|lane| lane.worker);
        let shared: Vec<WorkerIndex> = workers.filter(hears_all).collect();
        if !shared.is_empty() {
            return Ok(shared);
        }
        let two = others.first().map_or("", |other| other.facts.plan.name.as_str());
        let one = &self.facts.plan.name;
        Err(DataplaneError::Unsupported {
            what: format!("one leg by port \"{one}\" and the other by \"{two}\", which receive by other cores"),
            remedy: format!("give \"{one}\" and \"{two}\" the same first core (port.core, port.cores)"),
        })
    }

    /// Whether one worker has the first queue of this port and of `other`, where no stream can be put on another one.
    pub(super) fn check_receives_first_with(&self, other: &Self, refusal: &str) -> Result<(), DataplaneError> {
        if self.worker() == other.worker() {
            return Ok(());
        }
        let (one, two) = (&self.facts.plan.name, &other.facts.plan.name);
        Err(DataplaneError::Unsupported {
            what: format!(
                "one leg by port \"{one}\" and the other by \"{two}\", whose first receive queues other cores have ({refusal})"
            ),
            remedy: format!("give \"{one}\" and \"{two}\" the same first core (port.core, port.cores)"),
        })
    }

    /// The workers that send by this port and by `other`: a sender's two legs are one worker's.
    pub(super) fn workers_shared_with(&self, other: Option<&Self>) -> Result<Vec<WorkerIndex>, DataplaneError> {
        let Some(other) = other else { return Ok(self.workers().collect()) };
        let shared: Vec<WorkerIndex> = self.workers().filter(|worker| other.output_of(*worker).is_some()).collect();
        if !shared.is_empty() {
            return Ok(shared);
        }
        let (one, two) = (&self.facts.plan.name, &other.facts.plan.name);
        Err(DataplaneError::Unsupported {
            what: format!("a sender with one leg on port \"{one}\" and one on \"{two}\", which other cores serve"),
            remedy: format!("give \"{one}\" and \"{two}\" a core in common (port.core, port.cores)"),
        })
    }

    /// Whether the longest packets of a sender fit the port.
    pub(super) fn check_packets(&self, spec: &SenderSpec) -> Result<(), DataplaneError> {
        let plan = &self.facts.plan;
        let header = match spec.destination.ip() {
            IpAddr::V4(_) => IPV4_OCTETS,
            IpAddr::V6(_) => IPV6_OCTETS,
        };
        let (longest, udp) = (spec.limit.octets() + header, spec.limit.octets());
        if longest <= u32::from(plan.mtu) {
            return Ok(());
        }
        Err(DataplaneError::Unsupported {
            what: format!("max_udp = {udp} on port \"{}\", whose mtu is {}", plan.name, plan.mtu),
            remedy: format!("give the port an mtu of {longest} or more, or the sender a smaller max_udp"),
        })
    }
}
