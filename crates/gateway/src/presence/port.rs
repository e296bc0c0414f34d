//! One port in the presence thread.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Instant;

use netio::exchange::HostEnd;

use super::PresenceError;
use super::answers::Answers;
use super::by_kernel::{ByKernel, Through};
use super::conflicts::Conflicts;
use super::hops::{Change, Hops};
use super::journal::{Journal, silence};
use super::kernel::{Kernel, Notice};
use super::port_presence::PortPresence;
use super::report::{Counts, PresenceReport, Shared};
use super::wanted::Wanted;
use crate::port_plan::Exception;

/// Neighbours and addresses in trouble that one report names.
const TROUBLES: usize = 8;

/// What a port has, whoever answers for it.
pub(super) struct Common {
    pub(super) spec: PortPresence,
    pub(super) host: HostEnd,
    pub(super) hops: Hops,
    pub(super) wanted: Wanted,
    pub(super) conflicts: Conflicts,
    pub(super) counts: Counts,
    pub(super) journal: Journal,
}

impl Common {
    /// Counts and tells what has changed about a neighbour.
    pub(super) fn note(&mut self, address: IpAddr, change: Change, mac: Option<[u8; 6]>, now: Instant) {
        match change {
            Change::None => {}
            Change::Found | Change::Back => self.counts.neighbours_found += 1,
            Change::Moved(_) => self.counts.neighbours_moved += 1,
            Change::Silent => self.counts.neighbours_silent += 1,
        }
        self.journal.neighbour(address, change, mac, now);
    }
}

/// Who answers for a port.
enum Side {
    Gateway(Box<Answers>),
    Kernel(Box<ByKernel>),
}

/// One port.
pub(super) struct Port {
    common: Common,
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
        let mut common = Common {
            spec,
            host,
            hops: Hops::default(),
            wanted: Wanted::default(),
            conflicts: Conflicts::default(),
            counts: Counts::default(),
            journal,
        };
        let side = match &common.spec.exception {
            Exception::None => Side::Gateway(Box::new(Answers::new(&common, now))),
            Exception::Tap(name) => Side::Kernel(Box::new(ByKernel::open(&common, Through::Tap(name), kernel)?)),
            Exception::Netdev(name) => Side::Kernel(Box::new(ByKernel::open(&common, Through::Netdev(name), kernel)?)),
        };
        // Until somebody listens nothing is media.
        common.host.publish(common.wanted.table());
        let shared = Shared::default();
        let mut port = Self { common, side, shared: shared.clone(), link_up: None, refused: 0 };
        for notice in kernel.links().unwrap_or_default() {
            port.notice(&notice, kernel, now);
        }
        port.publish();
        Ok((port, shared))
    }

    /// Ends the port's presence; its exchange goes on with another.
    pub(super) fn into_host(self) -> HostEnd {
        self.common.host
    }

    pub(super) fn listen(
        &mut self,
        destination: SocketAddr,
        sources: &[IpAddr],
        now: Instant,
    ) -> Result<(), PresenceError> {
        if !self.common.wanted.listen(destination, sources) {
            return Err(PresenceError::Full { port: self.common.spec.name.clone(), destination });
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
        if !self.common.wanted.unlisten(destination, sources) {
            return Err(PresenceError::NotListening { port: self.common.spec.name.clone(), destination });
        }
        self.listens(now);
        Ok(())
    }

    fn listens(&mut self, now: Instant) {
        // First the table: what the join brings is media from its first packet on.
        self.common.host.publish(self.common.wanted.table());
        match &mut self.side {
            Side::Gateway(side) => side.join(&mut self.common, now),
            Side::Kernel(side) => side.join(&mut self.common, now),
        }
    }

    /// The link came or went, as the port's device says.
    pub(super) fn link(&mut self, is_up: bool, now: Instant) {
        let before = self.link_up.replace(is_up);
        if before == Some(is_up) {
            return;
        }
        if before.is_some() {
            self.common.counts.link_changes += 1;
        }
        if let (true, Side::Gateway(side)) = (is_up, &mut self.side) {
            side.link_up(now);
        }
        // The first word on a link that is up is no news.
        if before.is_some() || !is_up {
            self.common.journal.link(is_up, now);
        }
    }

    /// What the kernel tells of its interfaces and neighbours.
    pub(super) fn notice(&mut self, notice: &Notice, kernel: &mut Kernel, now: Instant) {
        let netdev = self.common.spec.netdev.as_ref();
        match notice {
            Notice::Link { name, is_up, .. } if netdev == Some(name) => self.link(*is_up, now),
            Notice::Gone { name, .. } if netdev == Some(name) => self.link(false, now),
            _ => {}
        }
        let Side::Kernel(side) = &mut self.side else { return };
        match notice {
            Notice::Neighbour(neighbour) => side.neighbour(&mut self.common, *neighbour, now),
            Notice::Link { index, name, .. } => side.is_there(&mut self.common, name, *index, now),
            Notice::Gone { index, .. } => side.is_gone(&mut self.common, *index, now),
            Notice::Lost => side.look_again(&mut self.common, kernel, now),
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
            Side::Gateway(side) => side.turn(&mut self.common, now),
            Side::Kernel(side) => side.turn(&mut self.common, kernel, room, now),
        }
    }

    /// What is due now and then.
    pub(super) fn tick(&mut self, kernel: &mut Kernel, now: Instant) {
        match &mut self.side {
            Side::Gateway(side) => side.tick(&mut self.common),
            Side::Kernel(side) => side.tick(&mut self.common, kernel, now),
        }
        self.common.host.collect();
        self.tell_conflicts(now);
        self.tell_refused(now);
        self.publish();
    }

    fn tell_conflicts(&mut self, now: Instant) {
        for (address, mac) in self.common.conflicts.begun() {
            self.common.counts.conflicts += 1;
            self.common.journal.conflict(address, mac, now);
        }
        for address in self.common.conflicts.over(now) {
            self.common.journal.conflict_over(address, now);
        }
    }

    fn tell_refused(&mut self, now: Instant) {
        let counters = self.common.host.counters();
        let refused = counters.offered_full + counters.sent_full;
        let more = refused.saturating_sub(std::mem::replace(&mut self.refused, refused));
        if more > 0 {
            let words = format!("{more} frames beside the media were dropped: more came at once than are held");
            self.common.journal.warn("exchange", now, &words);
        }
    }

    fn publish(&self) {
        let Common { host, hops, conflicts, counts, .. } = &self.common;
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
