//! One port in the presence thread.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use netio::exchange::HostEnd;

use super::PresenceError;
use super::answers::Answers;
use super::by_kernel::{ByKernel, Through};
use super::conflicts::Conflicts;
use super::hops::Hops;
use super::journal::{Journal, silence};
use super::kernel::{Kernel, Notice};
use super::port_presence::PortPresence;
use super::port_state::PortState;
use super::report::{Counts, PresenceReport, Shared};
use super::wanted::Wanted;
use crate::port_plan::Exception;

/// Neighbours and addresses in trouble that one report names.
const TROUBLES: usize = 8;

/// Who answers for a port.
enum Side {
    Gateway(Box<Answers>),
    Kernel(Box<ByKernel>),
}

/// One port.
pub(super) struct Port {
    state: PortState,
    side: Side,
    shared: Shared,
    link_up: Option<bool>,
    /// Frames that the exchange had refused when it was looked at last.
    refused: u64,
}

impl Port {
    pub(super) fn open(
        spec: PortPresence,
        host: HostEnd,
        kernel: &mut Kernel,
        now: Instant,
    ) -> Result<(Self, Shared), PresenceError> {
        let journal = Journal::new(&spec.name);
        let mut state = PortState {
            spec,
            host,
            hops: Hops::default(),
            wanted: Wanted::default(),
            conflicts: Conflicts::default(),
            counts: Counts::default(),
            journal,
        };
        let side = match &state.spec.exception {
            Exception::None => Side::Gateway(Box::new(Answers::new(&state, now))),
            Exception::Tap(name) => Side::Kernel(Box::new(ByKernel::open(&state, Through::Tap(name), kernel)?)),
            Exception::Netdev(name) => Side::Kernel(Box::new(ByKernel::open(&state, Through::Netdev(name), kernel)?)),
        };
        // Until somebody listens nothing is media.
        state.host.publish(state.wanted.table());
        let shared = Shared::default();
        let mut port = Self { state, side, shared: shared.clone(), link_up: None, refused: 0 };
        for notice in kernel.links().unwrap_or_default() {
            port.notice(&notice, kernel, now);
        }
        port.publish();
        Ok((port, shared))
    }

    /// Ends the port's presence; its exchange goes on with another.
    pub(super) fn into_host(self) -> HostEnd {
        self.state.host
    }

    pub(super) fn listen(
        &mut self,
        destination: SocketAddr,
        sources: &[IpAddr],
        now: Instant,
    ) -> Result<(), PresenceError> {
        if !self.state.wanted.listen(destination, sources) {
            return Err(PresenceError::Full { port: self.state.spec.name.clone(), destination });
        }
        self.listens(now);
        Ok(())
    }

    pub(super) fn unlisten(
        &mut self,
        destination: SocketAddr,
        sources: &[IpAddr],
        now: Instant,
    ) -> Result<(), PresenceError> {
        if !self.state.wanted.unlisten(destination, sources) {
            return Err(PresenceError::NotListening { port: self.state.spec.name.clone(), destination });
        }
        self.listens(now);
        Ok(())
    }

    fn listens(&mut self, now: Instant) {
        // First the table: what the join brings is media from its first packet on.
        self.state.host.publish(self.state.wanted.table());
        match &mut self.side {
            Side::Gateway(side) => side.join(&mut self.state, now),
            Side::Kernel(side) => side.join(&mut self.state, now),
        }
    }

    /// The link came or went, as the port's device says.
    pub(super) fn link(&mut self, is_up: bool, now: Instant) {
        let before = self.link_up.replace(is_up);
        if before == Some(is_up) {
            return;
        }
        if before.is_some() {
            self.state.counts.link_changes += 1;
        }
        if let (true, Side::Gateway(side)) = (is_up, &mut self.side) {
            side.link_up(now);
        }
        // The first word on a link that is up is no news.
        if before.is_some() || !is_up {
            self.state.journal.link(is_up, now);
        }
    }

    /// What the kernel tells of its interfaces and neighbours.
    pub(super) fn notice(&mut self, notice: &Notice, kernel: &mut Kernel, now: Instant) {
        let netdev = self.state.spec.netdev.as_ref();
        match notice {
            Notice::Link { name, is_up, .. } if netdev == Some(name) => self.link(*is_up, now),
            Notice::Gone { name, .. } if netdev == Some(name) => self.link(false, now),
            _ => {}
        }
        let Side::Kernel(side) = &mut self.side else { return };
        match notice {
            Notice::Neighbour(neighbour) => side.neighbour(&mut self.state, *neighbour, now),
            Notice::Link { index, name, .. } => side.is_there(&mut self.state, name, *index, now),
            Notice::Gone { index, .. } => side.is_gone(&mut self.state, *index, now),
            Notice::Lost => side.look_again(&mut self.state, kernel, now),
        }
    }

    /// What to wait for besides the workers.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.side {
            Side::Gateway(_) => None,
            Side::Kernel(side) => side.fd(),
        }
    }

    /// Moves what there is to move, boundedly. True when there was something.
    pub(super) fn turn(&mut self, kernel: &mut Kernel, room: &mut [u8], now: Instant) -> bool {
        match &mut self.side {
            Side::Gateway(side) => side.turn(&mut self.state, now),
            Side::Kernel(side) => side.turn(&mut self.state, kernel, room, now),
        }
    }

    /// What is due now and then.
    pub(super) fn tick(&mut self, kernel: &mut Kernel, now: Instant) {
        match &mut self.side {
            Side::Gateway(side) => side.tick(&mut self.state),
            Side::Kernel(side) => side.tick(&mut self.state, kernel, now),
        }
        self.state.host.collect();
        self.tell_conflicts(now);
        self.tell_refused(now);
        self.publish();
    }

    fn tell_conflicts(&mut self, now: Instant) {
        for (address, mac) in self.state.conflicts.begun() {
            self.state.counts.conflicts += 1;
            self.state.journal.conflict(address, mac, now);
        }
        for address in self.state.conflicts.over(now) {
            self.state.journal.conflict_over(address, now);
        }
    }

    fn tell_refused(&mut self, now: Instant) {
        let counters = self.state.host.counters();
        let refused = counters.offered_full + counters.sent_full;
        let more = refused.saturating_sub(std::mem::replace(&mut self.refused, refused));
        if more > 0 {
            let words = format!("{more} frames beside the media were dropped: more came at once than are held");
            self.state.journal.warn("exchange", now, &words);
        }
    }

    fn publish(&self) {
        let PortState { host, hops, conflicts, counts, .. } = &self.state;
        let silent = hops.silent_ones().take(TROUBLES).map(silence);
        let mut troubles: Vec<String> = silent.chain(conflicts.words()).collect();
        let mut counters = counts.named(host.counters());
        match &self.side {
            Side::Gateway(side) => {
                troubles.extend(side.troubles());
                counters.extend(side.counters());
            }
            Side::Kernel(side) => troubles.extend(side.troubles()),
        }
        if self.link_up == Some(false) {
            troubles.push("the link is down".to_owned());
        }
        self.shared.publish(PresenceReport { link_up: self.link_up, counters, troubles });
    }
}
