//! Rings that pods bring and that are not taken over: what the gateway is told of them.
//!
//! It shall hear of each, for nobody else says why a flow is not there. But a pod may bring what it likes as often as it
//! likes: so each ring and reason is told once a minute, and of one user no more than a user may have flows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use media::Name;

use super::snapshot::FlowEvent;
use super::state::State;
use crate::protocol::Refusal;

/// What has been told is told again after this.
const AGAIN: Duration = Duration::from_secs(60);
/// Told of one user in that time.
const OF_A_USER: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stranded {
    /// By user: the kernel says who they are, so nobody makes them up.
    users: HashMap<u32, Told>,
}

#[derive(Debug)]
struct Told {
    since: Instant,
    rings: Vec<(u128, Refusal)>,
}

impl Stranded {
    /// Whether this is to be told.
    fn is_news(&mut self, uid: u32, ring: (u128, Refusal), now: Instant) -> bool {
        let told = self.users.entry(uid).or_insert_with(|| Told { since: now, rings: Vec::new() });
        if now.saturating_duration_since(told.since) >= AGAIN {
            *told = Told { since: now, rings: Vec::new() };
        }
        let is_news = told.rings.len() < OF_A_USER && !told.rings.contains(&ring);
        if is_news {
            told.rings.push(ring);
        }
        is_news
    }
}

impl State {
    /// Counts a ring that is not taken over, and tells the gateway.
    pub(super) fn not_adopted(&mut self, uid: u32, (epoch, name): (u128, Name), refusal: Refusal) {
        self.counters.refused += 1;
        self.counters.adoptions_refused += 1;
        if self.stranded.is_news(uid, (epoch, refusal), Instant::now()) {
            self.events.push(FlowEvent::NotAdopted { name, uid, refusal });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::AdoptionFault;

    #[test]
    fn each_ring_and_reason_is_told_once_a_minute_and_nobody_floods() {
        let (mut stranded, now) = (Stranded::default(), Instant::now());
        let lost = |epoch| (epoch, Refusal::Adoption(AdoptionFault::NoRecord));
        let mut is_news = |uid, ring, second| stranded.is_news(uid, ring, now + Duration::from_secs(second));
        assert!(is_news(1, lost(7), 0) && !is_news(1, lost(7), 59));
        assert!(is_news(1, (7, Refusal::Adoption(AdoptionFault::Known)), 59), "another reason");
        assert_eq!((100..1100).filter(|epoch| is_news(1, lost(*epoch), 59)).count(), OF_A_USER - 2);
        assert!(is_news(2, lost(7), 59), "another user");
        assert!(is_news(1, lost(7), 60), "a minute later");
    }
}
