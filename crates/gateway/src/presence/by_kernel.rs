//! A port for which the kernel answers: through a TAP, or through the network interface of the same hardware.
//!
//! What is not media goes to the TAP and what the kernel sends comes from it; joins are put on the interface by a
//! socket that receives nothing; next hops are resolved by the kernel, whose neighbours are followed by netlink.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use ip::conflict::conflict;
use netio::kernel::interface;

use super::PresenceError;
use super::groups::Groups;
use super::hops::Asked;
use super::hush::Hush;
use super::kernel::{Index, Kernel, Known, Neighbour};
use super::port_presence::PortPresence;
use super::port_state::PortState;
use super::tag::{TAG, tagged, untagged};
use super::tap::{Tap, is_gone};

/// Frames in one turn, each way.
const BURST: usize = 64;
/// Questions to the kernel in one turn or tick.
const QUESTIONS: usize = 32;
/// Between two attempts to mend what failed.
const RETRY: Duration = Duration::from_secs(1);

/// What the kernel has of the port.
#[derive(Clone, Copy)]
pub(super) enum Through<'a> {
    /// A TAP of this name, which is made.
    Tap(&'a str),
    /// A network interface of this name, which is there.
    Netdev(&'a str),
}

/// The kernel's side of one port.
pub(super) struct ByKernel {
    /// The name of the TAP or the netdev.
    interface: String,
    is_tap: bool,
    /// The TAP, while it is there.
    tap: Option<Tap>,
    /// The interface's number, while it is there.
    index: Option<Index>,
    groups: Groups,
    retry_at: Option<Instant>,
    /// The kernel is deaf on the device's own netdev.
    _hush: Option<Hush>,
}

impl ByKernel {
    pub(super) fn open(state: &PortState, through: Through<'_>, kernel: &mut Kernel) -> Result<Self, PresenceError> {
        let spec = &state.spec;
        let hush = hushed(spec);
        let (interface, tap) = match through {
            Through::Tap(name) => (name.to_owned(), Some(Tap::open(name, spec, kernel)?)),
            Through::Netdev(name) => (name.to_owned(), None),
        };
        let index = tap.as_ref().map(Tap::index).or_else(|| interface::index(&interface));
        if index.is_none() {
            let present = interface::names();
            return Err(PresenceError::NoInterface { port: spec.name.clone(), asked: interface, present });
        }
        Ok(Self {
            interface,
            is_tap: tap.is_some(),
            tap,
            index,
            groups: Groups::default(),
            retry_at: None,
            _hush: hush,
        })
    }

    /// What to wait for besides the workers.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.tap.as_ref().map(Tap::as_fd)
    }

    /// Moves what there is to move, boundedly. `room` is for one frame and a tag. True when there was something.
    pub(super) fn turn(&mut self, state: &mut PortState, kernel: &mut Kernel, room: &mut [u8], now: Instant) -> bool {
        let asked = self.questions(state, kernel, now);
        let received = self.give_to_kernel(state, now);
        let sent = self.take_from_kernel(state, room, now);
        asked || received || sent
    }

    fn questions(&mut self, state: &mut PortState, kernel: &mut Kernel, now: Instant) -> bool {
        let mut first = Vec::new();
        let mut had_any = false;
        while first.len() < QUESTIONS {
            let Some(question) = state.host.request() else { break };
            had_any = true;
            match state.hops.ask(&question) {
                Asked::First => first.push(question.next_hop),
                Asked::Again => {}
                Asked::Full => state.counts.neighbour_limit_requests += 1,
            }
        }
        if !first.is_empty() {
            // The tick would ask for them too, a little later.
            self.ask(state, kernel, now);
        }
        had_any
    }

    /// Has the kernel look for the next hops that are due, and takes what it knows already.
    fn ask(&mut self, state: &mut PortState, kernel: &mut Kernel, now: Instant) {
        let Some(index) = self.index else { return };
        let due = state.hops.due(now, QUESTIONS);
        if due.is_empty() {
            return;
        }
        for hop in due {
            if let Err(cause) = kernel.use_neighbour(index, hop) {
                state.counts.neighbour_failures += 1;
                state.journal.warn(
                    "ask",
                    now,
                    &format!("the kernel cannot ask for {hop} on {}: {cause}", self.interface),
                );
            }
        }
        self.take_neighbours(state, kernel, now);
    }

    /// Takes all that the kernel knows of our next hops.
    fn take_neighbours(&mut self, state: &mut PortState, kernel: &mut Kernel, now: Instant) {
        match kernel.neighbours() {
            Ok(all) => all.into_iter().for_each(|neighbour| self.neighbour(state, neighbour, now)),
            Err(cause) => {
                state.counts.neighbour_failures += 1;
                state.journal.warn("ask", now, &format!("the kernel does not tell its neighbours: {cause}"));
            }
        }
    }

    /// What the kernel says of a neighbour.
    pub(super) fn neighbour(&mut self, state: &mut PortState, neighbour: Neighbour, now: Instant) {
        if self.index.is_none_or(|index| index.get() != neighbour.index) {
            return;
        }
        let address = neighbour.address;
        match neighbour.state {
            Known::At(mac) => {
                let change = state.hops.found(address, mac);
                state.note(address, change, Some(mac), now);
            }
            Known::Silent => {
                let change = state.hops.silent(address);
                state.note(address, change, None, now);
            }
            Known::Forgotten => state.hops.ask_soon(address),
            Known::Asking => {}
        }
    }

    /// Notices were lost: everything is looked at again.
    pub(super) fn look_again(&mut self, state: &mut PortState, kernel: &mut Kernel, now: Instant) {
        state.counts.lost_notices += 1;
        self.take_neighbours(state, kernel, now);
    }

    fn give_to_kernel(&mut self, state: &mut PortState, now: Instant) -> bool {
        let mut moved = false;
        for _ in 0..BURST {
            let Some(frame) = state.host.receive() else { break };
            moved = true;
            let Some(tap) = &self.tap else {
                let count =
                    if self.is_tap { &mut state.counts.tap_absent_frames } else { &mut state.counts.ignored_frames };
                *count += 1;
                continue;
            };
            let Some(pieces) = untagged(&frame, state.spec.vlan) else {
                state.counts.foreign_vlan_frames += 1;
                continue;
            };
            let written = tap.write(pieces);
            let spec = &state.spec;
            if let Some(other) = conflict(&frame, spec.mac.into(), spec.vlan, &spec.network) {
                state.conflicts.claimed(other.address, other.mac, now);
            }
            drop(frame);
            match written {
                Ok(Some(_)) => state.counts.tap_sent_frames += 1,
                Ok(None) => state.counts.tap_full_frames += 1,
                Err(cause) => self.trouble(state, &cause, now),
            }
        }
        moved
    }

    fn take_from_kernel(&mut self, state: &mut PortState, room: &mut [u8], now: Instant) -> bool {
        let mut moved = false;
        for _ in 0..BURST {
            let Some(tap) = &self.tap else { break };
            match tap.read(&mut room[TAG..]) {
                Ok(Some(octets)) => {
                    moved = true;
                    state.counts.tap_received_frames += 1;
                    if let Some(frame) = tagged(&mut room[..TAG + octets], state.spec.vlan) {
                        // What is refused is counted by the exchange.
                        state.host.send(frame);
                    }
                }
                Ok(None) => break,
                // What can be read fails only when it is gone, and would wake us for ever.
                Err(_) => {
                    state.counts.tap_failures += 1;
                    self.lose_tap(state, now);
                }
            }
        }
        moved
    }

    /// A TAP that is gone is made again; a frame that was refused (the TAP is down) is only counted.
    fn trouble(&mut self, state: &mut PortState, cause: &std::io::Error, now: Instant) {
        state.counts.tap_failures += 1;
        if is_gone(cause) {
            self.lose_tap(state, now);
        } else {
            state.journal.warn("tap", now, &format!("the TAP {} takes no frame: {cause}", self.interface));
        }
    }

    fn lose_tap(&mut self, state: &mut PortState, now: Instant) {
        self.tap = None;
        state.counts.tap_removals += 1;
        let words = format!("the TAP {} was removed: TCP does not work until it is made again", self.interface);
        state.journal.warn("tap", now, &words);
        self.lose_interface(state);
        self.retry_at = Some(now + RETRY);
    }

    fn lose_interface(&mut self, state: &mut PortState) {
        self.index = None;
        self.groups.leave_all();
        state.hops.ask_all_soon();
    }

    /// The interface of this name is there under this number.
    pub(super) fn is_there(&mut self, state: &mut PortState, name: &str, index: u32, now: Instant) {
        if !self.is_tap && name == self.interface && self.index.map(Index::get) != Some(index) {
            self.lose_interface(state);
            self.index = Index::new(index);
            self.join(state, now);
        }
    }

    /// The interface under this number is gone.
    pub(super) fn is_gone(&mut self, state: &mut PortState, index: u32, now: Instant) {
        if self.index.map(Index::get) != Some(index) {
            return;
        }
        if self.tap.is_some() {
            return self.lose_tap(state, now);
        }
        self.lose_interface(state);
        let words = format!("the interface {} is gone: no group is joined and no neighbour found", self.interface);
        state.journal.warn("tap", now, &words);
    }

    /// Makes the kernel a member of the groups that are wanted, and of no other.
    pub(super) fn join(&mut self, state: &mut PortState, now: Instant) {
        let Some(index) = self.index else { return };
        for words in self.groups.keep(state.wanted.groups(), index, &self.interface) {
            state.counts.join_failures += 1;
            self.retry_at.get_or_insert(now + RETRY);
            state.journal.warn("join", now, &words);
        }
    }

    /// What is due now and then: questions to the kernel, and another attempt at what failed.
    pub(super) fn tick(&mut self, state: &mut PortState, kernel: &mut Kernel, now: Instant) {
        let _ = state.hops.sweep();
        self.ask(state, kernel, now);
        if self.retry_at.is_none_or(|at| now < at) {
            return;
        }
        self.retry_at = None;
        if self.is_tap && self.tap.is_none() {
            match Tap::open(&self.interface, &state.spec, kernel) {
                Ok(tap) => {
                    self.index = Some(tap.index());
                    self.tap = Some(tap);
                    state.journal.info("tap", now, &format!("the TAP {} is there again", self.interface));
                }
                Err(cause) => {
                    state.counts.tap_failures += 1;
                    self.retry_at = Some(now + RETRY);
                    state.journal.warn("tap", now, &cause.to_string());
                }
            }
        }
        self.join(state, now);
    }

    /// What an operator should see to now.
    pub(super) fn troubles(&self) -> impl Iterator<Item = String> {
        let what = if self.is_tap { "TAP" } else { "interface" };
        let gone = || format!("the {what} {} is gone: TCP does not work on this port", self.interface);
        self.index.is_none().then(gone).into_iter().chain(self.groups.refused())
    }
}

/// Where the kernel sees the port's frames on its netdev as well, it is not to answer them there.
fn hushed(port: &PortPresence) -> Option<Hush> {
    let netdev = port.netdev.as_ref().filter(|_| port.kernel_sees)?;
    let refused = |cause: std::io::Error| {
        let (name, settings) = (&port.name, Hush::words(netdev));
        tracing::warn!(
            "port {name}: the kernel cannot be kept from answering on {netdev} too ({cause}): set {settings}"
        );
    };
    Hush::on(netdev).map_err(refused).ok()
}
