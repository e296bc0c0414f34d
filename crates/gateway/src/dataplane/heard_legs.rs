//! What the legs of a receiver or a relay bring (ST 2022-7).

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::LegStatus;
use worker::HeardLegCounters;

use super::entries::Movement;

/// The legs in their order; none where there is one only.
#[derive(Default)]
pub(super) struct HeardLegs(Vec<(Arc<HeardLegCounters>, Movement)>);

impl HeardLegs {
    pub(super) fn new(counters: Vec<Arc<HeardLegCounters>>) -> Self {
        Self(counters.into_iter().map(|counters| (counters, Movement::default())).collect())
    }

    /// Notes which of them move.
    pub(super) fn note(&mut self, now: Instant) {
        for (counters, packets) in &mut self.0 {
            packets.note(counters.packets.value(), now);
        }
    }

    /// How they do; grains come `period` apart.
    pub(super) fn status(&self, period: Duration) -> Vec<LegStatus> {
        let status = |(counters, packets): &(Arc<HeardLegCounters>, Movement)| LegStatus {
            is_alive: packets.is_recent(period),
            packets: counters.packets.value(),
            packets_lost: counters.packets_lost.value(),
            behind_ns: counters.behind_ns.value(),
        };
        self.0.iter().map(status).collect()
    }
}
