//! Our own addresses: asked for before they are used, announced, defended (RFC 5227; RFC 4862 §5.4 for IPv6).
//!
//! An address that another station claims is kept: an operator has configured it, and giving it up would end the
//! streams. It is defended once in ten seconds (RFC 5227 §2.4 c). One that is claimed while we still probe is not
//! used, and probed again later.

use std::net::IpAddr;

use media::Tai;

use super::random::Random;
use crate::MacAddr;

// RFC 5227 §1.1
const PROBES_V4: u8 = 3;
const ANNOUNCEMENTS: u8 = 2;
const DEFEND_INTERVAL_NS: i64 = 10_000_000_000;
// RFC 4862 §5.1, DupAddrDetectTransmits.
const PROBES_V6: u8 = 1;
/// An address is probed again this long after another station was heard to have it, and up to twice as long.
const RETRY_NS: i64 = 10_000_000_000;
/// A conflict is over when nobody has claimed the address for so long: three defences' time.
const SILENCE_NS: i64 = 3 * DEFEND_INTERVAL_NS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Is anybody there? Not used yet.
    Probing {
        sent: u8,
        at: Tai,
    },
    /// Ours: say so.
    Announcing {
        sent: u8,
        at: Tai,
    },
    Owned,
    /// Somebody was there; probed again at this time.
    Contested {
        at: Tai,
    },
}

#[derive(Clone, Copy, Debug)]
struct Claim {
    address: IpAddr,
    state: State,
    /// When another station last claimed it; `None`: no conflict.
    conflict: Option<Tai>,
    defended: Option<Tai>,
}

/// What is to be done about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Ask whether somebody has it.
    Probe(IpAddr),
    /// Say that it is ours.
    Announce(IpAddr),
    /// From now on it is ours: announce it, and speak from it.
    Own(IpAddr),
    /// Say that it is ours, against another.
    Defend(IpAddr),
    /// A conflict begins.
    Conflict(IpAddr, MacAddr),
    /// A conflict is over.
    Over(IpAddr),
}

/// The addresses of a port.
#[derive(Debug)]
pub(super) struct Claims {
    claims: Vec<Claim>,
    /// RFC 5227's PROBE_MIN and PROBE_WAIT; PROBE_MAX and ANNOUNCE_WAIT are twice that.
    interval_ns: i64,
}

impl Claims {
    pub(super) fn new(
        addresses: impl Iterator<Item = IpAddr>,
        interval_ns: i64,
        now: Tai,
        random: &mut Random,
    ) -> Self {
        let claims = addresses.map(|address| {
            let at = now.plus_nanos(random.nanos(interval_ns));
            Claim { address, state: State::Probing { sent: 0, at }, conflict: None, defended: None }
        });
        Self { claims: claims.collect(), interval_ns }
    }

    /// Whether packets may be sent from an address, and questions for it answered.
    pub(super) fn is_usable(&self, address: IpAddr) -> bool {
        self.claims
            .iter()
            .any(|claim| claim.address == address && matches!(claim.state, State::Announcing { .. } | State::Owned))
    }

    /// Whether an address is ours but not used yet.
    pub(super) fn is_tentative(&self, address: IpAddr) -> bool {
        self.claims.iter().any(|claim| claim.address == address) && !self.is_usable(address)
    }

    /// Says again that the addresses which are ours are ours: the link was down.
    pub(super) fn announce_again(&mut self, now: Tai) {
        for claim in &mut self.claims {
            if claim.state == State::Owned {
                claim.state = State::Announcing { sent: 0, at: now };
            }
        }
    }

    /// Another station says that an address of ours is its own, or probes for it while we do.
    pub(super) fn contest(&mut self, address: IpAddr, by: MacAddr, now: Tai, random: &mut Random) -> Vec<Act> {
        let mut acts = Vec::new();
        let Some(claim) = self.claims.iter_mut().find(|claim| claim.address == address) else { return acts };
        if claim.conflict.replace(now).is_none() {
            acts.push(Act::Conflict(address, by));
        }
        match claim.state {
            State::Probing { .. } => {
                claim.state = State::Contested { at: now.plus_nanos(RETRY_NS + random.nanos(RETRY_NS)) };
            }
            State::Contested { .. } => {}
            State::Announcing { .. } | State::Owned => {
                // RFC 5227 §2.4 (c): at most one defence per interval, so that two of us never fight in a loop.
                let recently = claim.defended.is_some_and(|at| now.nanos_since(at) < DEFEND_INTERVAL_NS);
                if !recently {
                    claim.defended = Some(now);
                    acts.push(Act::Defend(address));
                }
            }
        }
        acts
    }

    pub(super) fn poll(&mut self, now: Tai, random: &mut Random) -> Vec<Act> {
        let interval_ns = self.interval_ns;
        let mut acts = Vec::new();
        for claim in &mut self.claims {
            acts.extend(claim.step(now, interval_ns, random));
            let silent = claim.conflict.is_some_and(|last| now.nanos_since(last) >= SILENCE_NS);
            if silent && matches!(claim.state, State::Announcing { .. } | State::Owned) {
                claim.conflict = None;
                acts.push(Act::Over(claim.address));
            }
        }
        acts
    }

    pub(super) fn next_deadline(&self) -> Option<Tai> {
        self.claims.iter().flat_map(Claim::deadlines).min()
    }
}

impl Claim {
    fn step(&mut self, now: Tai, interval_ns: i64, random: &mut Random) -> Option<Act> {
        let address = self.address;
        match self.state {
            State::Probing { at, .. } | State::Announcing { at, .. } | State::Contested { at } if now < at => None,
            State::Owned => None,
            State::Contested { .. } => {
                self.state = State::Probing { sent: 1, at: self.after_probe(1, now, interval_ns, random) };
                Some(Act::Probe(address))
            }
            State::Probing { sent, .. } if sent < self.probes() => {
                let sent = sent + 1;
                self.state = State::Probing { sent, at: self.after_probe(sent, now, interval_ns, random) };
                Some(Act::Probe(address))
            }
            State::Probing { .. } => {
                self.state = State::Announcing { sent: 1, at: now.plus_nanos(2 * interval_ns) };
                Some(Act::Own(address))
            }
            State::Announcing { sent, .. } => {
                let sent = sent + 1;
                let at = now.plus_nanos(2 * interval_ns);
                let last = sent >= ANNOUNCEMENTS;
                self.state = if last { State::Owned } else { State::Announcing { sent, at } };
                Some(Act::Announce(address))
            }
        }
    }

    /// RFC 5227 §2.1.1: one to two intervals between probes, two after the last. RFC 4862: one.
    fn after_probe(&self, sent: u8, now: Tai, interval_ns: i64, random: &mut Random) -> Tai {
        now.plus_nanos(match (self.address.is_ipv6(), sent < self.probes()) {
            (true, _) => interval_ns,
            (false, true) => interval_ns + random.nanos(interval_ns),
            (false, false) => 2 * interval_ns,
        })
    }

    const fn probes(&self) -> u8 {
        if self.address.is_ipv4() { PROBES_V4 } else { PROBES_V6 }
    }

    fn deadlines(&self) -> impl Iterator<Item = Tai> {
        let (step, usable) = match self.state {
            State::Probing { at, .. } | State::Contested { at } => (Some(at), false),
            State::Announcing { at, .. } => (Some(at), true),
            State::Owned => (None, true),
        };
        let over = self.conflict.filter(|_| usable).map(|last| last.plus_nanos(SILENCE_NS));
        step.into_iter().chain(over)
    }
}
