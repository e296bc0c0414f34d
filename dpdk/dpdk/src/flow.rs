//! Flow rules (rte_flow): the datagrams of one destination go to a receive queue of their own, sorted by the card.
//!
//! Cards that can are not at hand: what is tried is how rules are refused and removed (net_null, net_tap). The rules
//! themselves are **untested on hardware**; `hwtests/tests/hardware.rs` has their test.

use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;

use crate::device::Device;
use crate::eal::{Eal, meaning};
use crate::port::{Port, Started};

/// Room for what a driver says.
const REASON_OCTETS: usize = 256;

/// Which datagrams a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagrams {
    /// UDP to this address and port.
    pub destination: SocketAddr,
    /// In this 802.1Q VLAN; `None`: untagged.
    pub vlan: Option<u16>,
}

/// A rule that is in place until this drops, or its port stops: after a start it is made anew.
#[derive(Debug)]
pub struct FlowRule {
    eal: Eal,
    rules: Arc<Rules>,
    number: u64,
}

/// Why there is no rule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FlowRuleError {
    /// The port has fewer queues.
    #[error("{device} has {queues} receive queues, counted from 0: there is no queue {queue} to put {destination} on")]
    NoQueue {
        /// The device.
        device: Device,
        /// Where the datagrams go.
        destination: SocketAddr,
        /// What was asked for.
        queue: u16,
        /// What there is.
        queues: u16,
    },
    /// The driver or the card.
    #[error(
        "{device} does not put datagrams to {destination} on queue {queue}: {reason} ({errno}); they come to its \
         first queue"
    )]
    Refused {
        /// The device.
        device: Device,
        /// Where the datagrams go.
        destination: SocketAddr,
        /// What was asked for.
        queue: u16,
        /// Positive.
        errno: i32,
        /// In the driver's words, or DPDK's where it has none.
        reason: String,
    },
}

/// The rules of one port. Changed on EAL's thread only.
#[derive(Debug)]
pub(crate) struct Rules {
    port: u16,
    living: Mutex<Living>,
}

/// The rules that are in place, by number. Drivers use the address of a rule that has gone for the next one: by address, whoever
/// had the first would end the second.
#[derive(Debug, Default)]
struct Living {
    rules: Vec<(u64, Raw)>,
    numbered: u64,
}

/// A driver's own record of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raw(NonNull<dpdk_sys::rte_flow>);

// SAFETY: the pointer is used on EAL's thread only.
unsafe impl Send for Raw {}
// SAFETY: as for Send.
unsafe impl Sync for Raw {}

impl Port<Started> {
    /// Puts `datagrams` on the receive queue `queue`, counted from 0.
    ///
    /// # Errors
    /// [`FlowRuleError`]; the datagrams then arrive where all others do.
    pub fn steer(&self, datagrams: Datagrams, queue: u16) -> Result<FlowRule, FlowRuleError> {
        let (eal, rules) = (self.eal().clone(), self.rules());
        let (device, destination, queues) = (self.config().device.clone(), datagrams.destination, self.rx_queues());
        if queue >= queues {
            return Err(FlowRuleError::NoQueue { device, destination, queue, queues });
        }
        let on_thread = Arc::clone(&rules);
        match eal.run(move || on_thread.create(&datagrams, queue)) {
            Ok(number) => Ok(FlowRule { eal, rules, number }),
            Err((errno, reason)) => Err(FlowRuleError::Refused { device, destination, queue, errno, reason }),
        }
    }
}

impl FlowRule {
    /// Whether the rule is in place still.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        self.rules.living().has(self.number)
    }
}

impl Drop for FlowRule {
    fn drop(&mut self) {
        let (rules, number) = (Arc::clone(&self.rules), self.number);
        self.eal.run(move || rules.destroy(number));
    }
}

impl Rules {
    pub(crate) fn of(port: u16) -> Arc<Self> {
        Arc::new(Self { port, living: Mutex::default() })
    }

    /// Drivers differ in what they do with rules when a port stops; so none is left then. On EAL's thread.
    pub(crate) fn destroy_all(&self) {
        let living = std::mem::take(&mut self.living().rules);
        living.into_iter().for_each(|(_, raw)| self.forget(raw));
    }

    fn living(&self) -> MutexGuard<'_, Living> {
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create(&self, datagrams: &Datagrams, queue: u16) -> Result<u64, (i32, String)> {
        let rule = pattern(datagrams, queue);
        let (mut result, mut reason) = (0, [0; REASON_OCTETS]);
        // SAFETY: the port exists and is started (its `Port<Started>` waits for this); the rule is read during the call, and
        // what the driver says is cut to the room that is passed, with its NUL.
        let flow = unsafe {
            let room = reason.len();
            dpdk_sys::flypack_flow_create(self.port, &raw const rule, &raw mut result, reason.as_mut_ptr(), room)
        };
        if let Some(flow) = NonNull::new(flow) {
            return Ok(self.living().add(Raw(flow)));
        }
        // SAFETY: snprintf has ended it with a NUL.
        let reason = unsafe { CStr::from_ptr(reason.as_ptr()) }.to_string_lossy().into_owned();
        Err((-result, if reason.is_empty() { meaning(-result) } else { reason }))
    }

    fn destroy(&self, number: u64) {
        let found = self.living().take(number);
        if let Some(raw) = found {
            self.forget(raw);
        }
    }

    fn forget(&self, raw: Raw) {
        // SAFETY: the rule was made on this port, which is not closed as long as rules live, and has just been taken out of
        // the list: nobody destroys it twice. A driver that fails keeps it until the port is closed.
        unsafe { dpdk_sys::flypack_flow_destroy(self.port, raw.0.as_ptr()) };
    }
}

impl Living {
    fn add(&mut self, raw: Raw) -> u64 {
        self.numbered += 1;
        self.rules.push((self.numbered, raw));
        self.numbered
    }

    fn has(&self, number: u64) -> bool {
        self.rules.iter().any(|(known, _)| *known == number)
    }

    fn take(&mut self, number: u64) -> Option<Raw> {
        let place = self.rules.iter().position(|(known, _)| *known == number)?;
        Some(self.rules.swap_remove(place).1)
    }
}

fn pattern(datagrams: &Datagrams, queue: u16) -> dpdk_sys::flypack_flow_rule {
    let mut address = [0; 16];
    match datagrams.destination.ip() {
        IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
        IpAddr::V6(ip) => address = ip.octets(),
    }
    dpdk_sys::flypack_flow_rule {
        address,
        is_ipv6: datagrams.destination.is_ipv6().into(),
        is_tagged: datagrams.vlan.is_some().into(),
        vlan: datagrams.vlan.unwrap_or(0),
        udp_port: datagrams.destination.port(),
        queue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_has_gone_does_not_end_the_one_that_has_its_address_now() {
        let raw = Raw(NonNull::dangling());
        let mut living = Living::default();
        let first = living.add(raw);
        // The port stops, and the driver uses the same memory afterwards.
        living.rules.clear();
        let second = living.add(raw);
        assert_eq!((living.take(first), living.has(first), living.has(second)), (None, false, true));
        assert_eq!((living.take(second), living.take(second)), (Some(raw), None));
    }
}
