//! The neighbours that were asked for, and only those: strangers cannot fill the table.
//!
//! A neighbour is asked for at once, then after 1 s, twice as long each time up to 30 s, for as long as it is wanted. A
//! known one is asked again from time to time, of it alone, while packets go on being sent to it. When another
//! station claims its address, the old one is asked first: only when that is silent does the claim count, so that one
//! forged packet cannot divert a stream.

use std::net::IpAddr;

use media::Tai;

use super::random::Random;
use crate::MacAddr;

/// Most neighbours of a port.
pub(super) const NEIGHBOURS_MAX: usize = 256;
/// Between two questions in a row (RFC 4861 §10, RetransTimer).
const RETRY_NS: i64 = 1_000_000_000;
/// The longest that back-off comes to.
const RETRY_NS_MAX: i64 = 30_000_000_000;
/// Questions without an answer after which the neighbour counts as silent (RFC 4861 §10).
const TRIES: u8 = 3;
/// How long a neighbour counts as confirmed (RFC 4861 §10, ReachableTime), and up to half as long again.
const CONFIRMED_NS: i64 = 30_000_000_000;
/// How long a confirmed neighbour is believed when a stranger claims its address, before it is asked again.
const DOUBT_NS: i64 = 5_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked of everybody.
    Asking { tries: u8, wait_ns: i64, at: Tai },
    /// Known. Asked again at this time.
    Known { mac: MacAddr, confirmed: Tai, at: Tai },
    /// Known, and asked of it alone whether it still is.
    Checking { mac: MacAddr, tries: u8, at: Tai },
}

#[derive(Clone, Copy, Debug)]
struct Neighbour {
    address: IpAddr,
    state: State,
}

/// What is to be done about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Ask everybody for it.
    Ask(IpAddr),
    /// Ask it alone.
    Confirm(IpAddr, MacAddr),
    /// It is known now, or with another Ethernet address.
    Resolved(IpAddr, MacAddr),
    /// It has not answered.
    Unanswered(IpAddr),
    /// A claim was not believed.
    Poisoning,
    /// There is no room for it.
    Full,
}

/// The neighbours of a port.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    neighbours: Vec<Neighbour>,
}

impl Neighbours {
    /// A neighbour is wanted. One that is known is said again, so that whoever asks now learns it.
    pub(super) fn resolve(&mut self, address: IpAddr, now: Tai) -> Option<Act> {
        if let Some(known) = self.neighbours.iter().find(|neighbour| neighbour.address == address) {
            return known.mac().map(|mac| Act::Resolved(address, mac));
        }
        if self.neighbours.len() >= NEIGHBOURS_MAX {
            return Some(Act::Full);
        }
        self.neighbours.push(Neighbour { address, state: State::Asking { tries: 0, wait_ns: RETRY_NS, at: now } });
        None
    }

    /// A neighbour is no longer wanted.
    pub(super) fn forget(&mut self, address: IpAddr) {
        self.neighbours.retain(|neighbour| neighbour.address != address);
    }

    pub(super) fn mac(&self, address: IpAddr) -> Option<MacAddr> {
        self.neighbours.iter().find(|neighbour| neighbour.address == address)?.mac()
    }

    /// The link was down: who is known is asked at once, who is not is asked without waiting.
    pub(super) fn ask_again(&mut self, now: Tai) {
        for neighbour in &mut self.neighbours {
            neighbour.state = match neighbour.state {
                State::Asking { tries, .. } => State::Asking { tries, wait_ns: RETRY_NS, at: now },
                State::Known { mac, .. } | State::Checking { mac, .. } => State::Checking { mac, tries: 0, at: now },
            };
        }
    }

    /// A station says that it has an address.
    pub(super) fn heard(&mut self, address: IpAddr, mac: MacAddr, now: Tai, random: &mut Random) -> Option<Act> {
        let neighbour = self.neighbours.iter_mut().find(|neighbour| neighbour.address == address)?;
        let confirmed =
            State::Known { mac, confirmed: now, at: now.plus_nanos(CONFIRMED_NS + random.nanos(CONFIRMED_NS / 2)) };
        match neighbour.state {
            State::Asking { .. } => {
                neighbour.state = confirmed;
                Some(Act::Resolved(address, mac))
            }
            State::Known { mac: known, .. } | State::Checking { mac: known, .. } if known == mac => {
                neighbour.state = confirmed;
                None
            }
            // One that was confirmed just now is asked a little later: a flood of claims must not become one of questions.
            State::Known { mac, confirmed, at } => {
                let doubt = confirmed.plus_nanos(DOUBT_NS).max(now);
                neighbour.state = State::Known { mac, confirmed, at: at.min(doubt) };
                Some(Act::Poisoning)
            }
            State::Checking { .. } => Some(Act::Poisoning),
        }
    }

    /// What is due about the neighbours that we have an address to ask from; the others wait.
    pub(super) fn poll(&mut self, now: Tai, can_ask: impl Fn(IpAddr) -> bool) -> Vec<Act> {
        let asked = self.neighbours.iter_mut().filter(|neighbour| can_ask(neighbour.address));
        asked.filter_map(|neighbour| neighbour.step(now)).flatten().collect()
    }

    pub(super) fn next_deadline(&self, can_ask: impl Fn(IpAddr) -> bool) -> Option<Tai> {
        self.neighbours.iter().filter(|neighbour| can_ask(neighbour.address)).map(Neighbour::deadline).min()
    }
}

impl Neighbour {
    const fn mac(&self) -> Option<MacAddr> {
        match self.state {
            State::Asking { .. } => None,
            State::Known { mac, .. } | State::Checking { mac, .. } => Some(mac),
        }
    }

    const fn deadline(&self) -> Tai {
        match self.state {
            State::Asking { at, .. } | State::Known { at, .. } | State::Checking { at, .. } => at,
        }
    }

    fn step(&mut self, now: Tai) -> Option<impl Iterator<Item = Act> + use<>> {
        if now < self.deadline() {
            return None;
        }
        let address = self.address;
        let (first, second) = match self.state {
            State::Asking { tries, wait_ns, .. } => self.ask(tries, wait_ns, now),
            State::Known { mac, .. } => {
                self.state = State::Checking { mac, tries: 1, at: now.plus_nanos(RETRY_NS) };
                (Act::Confirm(address, mac), None)
            }
            State::Checking { mac, tries, .. } if tries < TRIES => {
                self.state = State::Checking { mac, tries: tries + 1, at: now.plus_nanos(RETRY_NS) };
                (Act::Confirm(address, mac), None)
            }
            // Silent: nothing is sent to it any more, or the switches would flood its stream to everybody.
            State::Checking { .. } => {
                let (ask, _) = self.ask(TRIES, RETRY_NS, now);
                (Act::Unanswered(address), Some(ask))
            }
        };
        Some([Some(first), second].into_iter().flatten())
    }

    /// One more question to everybody; the third without an answer is told once.
    fn ask(&mut self, tries: u8, wait_ns: i64, now: Tai) -> (Act, Option<Act>) {
        let address = self.address;
        let told = (tries == TRIES).then_some(Act::Unanswered(address));
        let next_ns = if tries + 1 < TRIES { wait_ns } else { (wait_ns * 2).min(RETRY_NS_MAX) };
        let tries = tries.saturating_add(1).min(TRIES + 1);
        self.state = State::Asking { tries, wait_ns: next_ns, at: now.plus_nanos(wait_ns) };
        (Act::Ask(address), told)
    }
}
