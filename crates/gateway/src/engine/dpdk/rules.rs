//! Flow rules of a port: what puts a stream on the receive queue of the worker that it was placed on.
//!
//! A stream on the first queue needs none: it gets what no rule puts elsewhere (ARP, PTP, neighbour discovery, streams whose
//! rules were refused).

use std::net::SocketAddr;
use std::sync::{Arc, MutexGuard, PoisonError};

use dpdk::flow::{Datagrams, FlowRule};

use super::port::{ServedPort, State};

/// What became of the rules of a port.
#[derive(Debug, Default)]
pub(super) struct RulesSeen {
    /// Put in place since the start, those of moves and restarts too.
    pub(super) put: u64,
    /// Refused since the start.
    pub(super) refused: u64,
    /// What the device said of the last one; none once it has taken another.
    pub(super) refusal: Option<String>,
}

/// How a stream comes to a queue.
#[derive(Clone, Debug)]
pub(super) enum Steered {
    /// By itself: it is the first one, or the port is stopped and gets its rules when it starts.
    AsItComes,
    /// By a rule, which is there as long as this.
    ByRule(Arc<FlowRule>),
}

impl Steered {
    /// Whether what comes goes to a lane's queue, as things stand.
    pub(super) fn holds(&self, lane: usize) -> bool {
        match self {
            Self::AsItComes => lane == 0,
            Self::ByRule(rule) => rule.is_in_place(),
        }
    }
}

impl ServedPort {
    /// Puts what comes to `destination` on the receive queue of a lane.
    ///
    /// # Errors
    /// The device does not take the rule, in its words: it stays on the first queue.
    pub(super) fn steer(&self, destination: SocketAddr, lane: usize) -> Result<Steered, String> {
        let state = self.state();
        let (1.., State::Running(port)) = (lane, &*state) else { return Ok(Steered::AsItComes) };
        let datagrams = Datagrams { destination, vlan: self.facts.plan.vlan };
        let outcome = port.steer(datagrams, u16::try_from(lane).unwrap_or(u16::MAX));
        drop(state);
        let mut seen = self.rules_seen();
        match outcome {
            Ok(rule) => {
                (seen.put, seen.refusal) = (seen.put + 1, None);
                Ok(Steered::ByRule(Arc::new(rule)))
            }
            Err(refusal) => {
                let words = refusal.to_string();
                (seen.refused, seen.refusal) = (seen.refused + 1, Some(words.clone()));
                drop(seen);
                tracing::warn!("port {}: {words}", self.facts.plan.name);
                Err(words)
            }
        }
    }

    pub(super) fn rules_seen(&self) -> MutexGuard<'_, RulesSeen> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
