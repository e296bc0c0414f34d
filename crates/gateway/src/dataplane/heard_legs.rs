//! What the legs of a receiver or a relay bring (ST 2022-7), and where each loses packets.

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::LegStatus;
use worker::HeardLegCounters;

use super::movement::Movement;
use crate::loss::{Locator, Reception};

/// The legs in their order; none where there is one only.
#[derive(Default)]
pub(super) struct HeardLegs(Vec<Leg>);

struct Leg {
    counters: Arc<HeardLegCounters>,
    packets: Movement,
    losses: Locator,
}

impl HeardLegs {
    pub(super) fn new(counters: Vec<Arc<HeardLegCounters>>) -> Self {
        let leg = |counters| Leg { counters, packets: Movement::default(), losses: Locator::default() };
        Self(counters.into_iter().map(leg).collect())
    }

    /// Notes which of them move.
    pub(super) fn note(&mut self, now: Instant) {
        for leg in &mut self.0 {
            leg.packets.note(leg.counters.packets.value(), now);
        }
    }

    /// Finds out where each has lost packets: `receptions` are those of their queues, in their order.
    pub(super) fn locate(&mut self, now: Instant, receptions: &[Reception]) {
        for (leg, reception) in self.0.iter_mut().zip(receptions) {
            leg.losses.look(now, leg.counters.packets_lost.value(), reception);
        }
    }

    /// How they do; grains come `period` apart.
    pub(super) fn status(&self, period: Duration) -> Vec<LegStatus> {
        let status = |Leg { counters, packets, losses }: &Leg| LegStatus {
            is_alive: packets.is_recent(period),
            packets: counters.packets.value(),
            packets_lost: counters.packets_lost.value(),
            behind_ns: counters.behind_ns.value(),
            lost: losses.located().counters(),
        };
        self.0.iter().map(status).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_leg_is_charged_with_what_its_own_port_has_dropped() {
        let counters: Vec<Arc<HeardLegCounters>> = vec![Arc::default(), Arc::default()];
        let mut legs = HeardLegs::new(counters.clone());
        let reception = |dropped| Reception {
            pulse: Arc::default(),
            holds_nanos: 100_000_000,
            dropped: Some(dropped),
            without_buffer: 0,
        };
        let start = Instant::now();
        legs.locate(start, &[reception(0), reception(0)]);
        counters.iter().for_each(|leg| leg.packets_lost.set(5));
        legs.locate(start + Duration::from_millis(500), &[reception(0), reception(5)]);
        legs.locate(start + Duration::from_secs(3), &[reception(0), reception(5)]);
        let lost = |leg: &LegStatus| leg.lost.map(|(_, packets)| packets);
        let status = legs.status(Duration::from_millis(20));
        // Wire, queue, late worker, no buffer.
        assert_eq!([lost(&status[0]), lost(&status[1])], [[5, 0, 0, 0], [0, 5, 0, 0]]);
        let both = reception(2).beside(&Reception { dropped: Some(3), without_buffer: 1, ..reception(0) });
        assert_eq!((both.dropped, both.without_buffer), (Some(5), 1));
        assert_eq!(reception(2).beside(&Reception { dropped: None, ..reception(0) }).dropped, Some(2));
    }
}
