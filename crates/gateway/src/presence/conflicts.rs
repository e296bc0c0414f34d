//! Addresses of a port that somebody else uses too, where the kernel answers and only we can notice (RFC 5227 §2.4).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ip::MacAddr;

use super::journal::conflict;

/// A conflict is over when the other has been silent for so long.
const OVER: Duration = Duration::from_secs(60);

/// Who else uses which address.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// At most one per address of the port.
    others: BTreeMap<IpAddr, Other>,
}

#[derive(Debug)]
struct Other {
    mac: MacAddr,
    heard: Instant,
    is_told: bool,
}

impl Conflicts {
    /// Somebody claims an address that is the port's.
    pub(super) fn claimed(&mut self, address: IpAddr, mac: MacAddr, now: Instant) {
        let other = self.others.entry(address).or_insert(Other { mac, heard: now, is_told: false });
        (other.mac, other.heard) = (mac, now);
    }

    /// The conflicts that were not named before.
    pub(super) fn begun(&mut self) -> Vec<(IpAddr, MacAddr)> {
        let fresh = self.others.iter_mut().filter(|(_, other)| !other.is_told);
        fresh
            .map(|(address, other)| {
                other.is_told = true;
                (*address, other.mac)
            })
            .collect()
    }

    /// The addresses whose conflict is over; they are forgotten.
    pub(super) fn over(&mut self, now: Instant) -> Vec<IpAddr> {
        let is_over = |other: &Other| other.is_told && now.saturating_duration_since(other.heard) >= OVER;
        let over: Vec<IpAddr> =
            self.others.iter().filter(|(_, other)| is_over(other)).map(|(address, _)| *address).collect();
        self.others.retain(|address, _| !over.contains(address));
        over
    }

    /// Words for those that last.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.others.iter().map(|(address, other)| conflict(*address, other.mac))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_told_once_and_ends_with_silence() {
        let address: IpAddr = [10, 0, 0, 1].into();
        let mac = MacAddr::new([2, 0, 0, 0, 0, 9]);
        let mut conflicts = Conflicts::default();
        let start = Instant::now();
        conflicts.claimed(address, mac, start);
        assert_eq!(conflicts.begun(), [(address, mac)]);
        conflicts.claimed(address, mac, start + OVER / 2);
        assert!(conflicts.begun().is_empty());
        assert!(conflicts.over(start + OVER).is_empty(), "heard half a minute ago");
        assert_eq!(conflicts.words().count(), 1);
        assert_eq!(conflicts.over(start + 2 * OVER), [address]);
        assert!(conflicts.over(start + 3 * OVER).is_empty() && conflicts.words().next().is_none());
    }
}
