//! Being present on the wire: one thread that is, for every port, the host whose addresses the port has.
//!
//! Workers hand over all that is not media ([`netio::exchange`]). Without an exception path an [`ip::Host`] answers
//! ARP, neighbour discovery and ICMP, joins groups and resolves next hops. With one the kernel does: everything goes to
//! it through a TAP with the port's MAC and addresses, so that TCP works on the port; joins are put on that TAP, and
//! next hops are asked of the kernel. Either way exactly one host answers for an address.
//!
//! The thread works in bounded turns and sleeps a millisecond at the most, because a worker wakes nobody. What an
//! operator should know is logged at once and at a bounded rate, and counted by reason.

mod answers;
mod by_kernel;
mod conflicts;
mod error;
mod groups;
mod hops;
mod hush;
mod journal;
mod kernel;
mod netlink;
mod port;
mod port_presence;
mod port_state;
mod report;
mod tag;
mod tap;
mod thread;
mod wanted;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use media::Name;
use netio::exchange::HostEnd;

pub use error::PresenceError;
use kernel::Kernel;
pub(crate) use kernel::interface_addresses;
pub use port_presence::PortPresence;
pub use report::PresenceReport;
use report::Shared;
use thread::{Command, Thread};

/// The presence thread. It ends when this drops, and with it the TAPs and the memberships.
#[derive(Debug)]
pub struct Presence {
    handle: PresenceHandle,
    thread: Option<JoinHandle<()>>,
}

/// Tells the presence thread what to do. Clones tell the same one; each call waits for its answer, a few milliseconds.
#[derive(Clone)]
pub struct PresenceHandle {
    commands: Sender<Command>,
    reports: Arc<Mutex<BTreeMap<Name, Shared>>>,
}

impl Presence {
    /// Starts the thread in the network namespace of the caller's: TAPs and memberships will be there.
    ///
    /// # Errors
    /// [`PresenceError::Start`].
    pub fn start() -> Result<Self, PresenceError> {
        let kernel = Kernel::open().map_err(PresenceError::Start)?;
        let (commands, commanded) = channel();
        let thread = Thread::new(commanded, kernel);
        let thread = std::thread::Builder::new().name("presence".to_owned()).spawn(move || thread.run());
        let handle = PresenceHandle { commands, reports: Arc::default() };
        Ok(Self { handle, thread: Some(thread.map_err(PresenceError::Start)?) })
    }

    /// What tells the thread.
    #[must_use]
    pub fn handle(&self) -> PresenceHandle {
        self.handle.clone()
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let _ = self.handle.commands.send(Command::End);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the presence thread panicked; please report the message above");
        }
    }
}

impl PresenceHandle {
    /// Makes a port present: its TAP is there and answers when this returns.
    ///
    /// # Errors
    /// Why it cannot be; the exchange's end is dropped then.
    pub fn attach(&self, port: PortPresence, host: HostEnd) -> Result<(), PresenceError> {
        let name = port.name.clone();
        let shared = self.ask(|answer| Command::Attach(Box::new(port), host, answer))??;
        self.reports().insert(name, shared);
        Ok(())
    }

    /// Ends a port's presence, its TAP and its memberships, and gives back its end of the exchange.
    ///
    /// # Errors
    /// [`PresenceError::NoPort`] or [`PresenceError::Ended`].
    pub fn detach(&self, port: &Name) -> Result<HostEnd, PresenceError> {
        self.reports().remove(port);
        self.ask(|answer| Command::Detach(port.clone(), answer))?
    }

    /// Datagrams to `destination` are media from now on, and where that is a group the port is a member, for `sources`
    /// only if there are any. What is listened to twice must be unlistened twice.
    ///
    /// # Errors
    /// [`PresenceError::Full`], [`PresenceError::NoPort`] or [`PresenceError::Ended`]. A group that cannot be joined
    /// now is counted, logged and tried again.
    pub fn listen(&self, port: &Name, destination: SocketAddr, sources: &[IpAddr]) -> Result<(), PresenceError> {
        self.ask(|answer| Command::Listen(port.clone(), destination, sources.to_vec(), answer))?
    }

    /// Takes one [`Self::listen`] with the same destination and sources back.
    ///
    /// # Errors
    /// [`PresenceError::NotListening`], [`PresenceError::NoPort`] or [`PresenceError::Ended`].
    pub fn unlisten(&self, port: &Name, destination: SocketAddr, sources: &[IpAddr]) -> Result<(), PresenceError> {
        self.ask(|answer| Command::Unlisten(port.clone(), destination, sources.to_vec(), answer))?
    }

    /// What the device says of its link, where no netdev tells. Returns at once.
    pub fn link(&self, port: &Name, is_up: bool) {
        // A thread that has ended needs no news.
        let _ = self.commands.send(Command::Link(port.clone(), is_up));
    }

    /// How a port's presence did a moment ago; none for a port that is not present.
    #[must_use]
    pub fn report(&self, port: &Name) -> Option<PresenceReport> {
        self.reports().get(port).map(Shared::read)
    }

    fn ask<T>(&self, command: impl FnOnce(std::sync::mpsc::SyncSender<T>) -> Command) -> Result<T, PresenceError> {
        let (answer, answered) = sync_channel(1);
        self.commands.send(command(answer)).map_err(|_| PresenceError::Ended)?;
        answered.recv().map_err(|_| PresenceError::Ended)
    }

    fn reports(&self) -> MutexGuard<'_, BTreeMap<Name, Shared>> {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PresenceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresenceHandle")
    }
}

#[cfg(test)]
mod tests;
