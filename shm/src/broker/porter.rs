//! What may wait for files of a pod's choosing: descriptors that it passes are received and closed in a thread of
//! the connection's own, without the lock.
//!
//! The close of a passed descriptor can wait as long as its maker pleases ([`crate::passing`]). So the listener refuses
//! descriptors, which needs Linux 6.16, and a connection takes them only while its user has a ring to bring. On an older
//! kernel every connection might carry some. Where they are possible, the housekeeping thread looks before it receives,
//! lends the connection to a porter when there are any, and has it closed by one. A connection counts until its porter is
//! through, so the threads are as bounded as connections are.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Shared;
use super::connection::Breach;
use super::state::State;
use crate::poll::Token;
use crate::protocol::{MAX_MESSAGE_OCTETS, PodMessage, Version};
use crate::seqpacket::{Received, SeqPacket, Wait};

/// Descriptors that a message of a pod may bring.
const DESCRIPTORS: usize = 2;

/// What a porter is asked to do.
#[derive(Debug)]
pub(super) struct Errand {
    /// The connection.
    id: u64,
    socket: Arc<SeqPacket>,
    task: Task,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    /// Receive the next message, with its descriptors.
    Receive(Version),
    /// Close the connection with what is unread in it.
    Close,
}

/// A message of a pod, as the broker hears it.
type Heard = Result<(u32, PodMessage), Breach>;

impl State {
    /// The next message of this connection brings descriptors: a porter receives it.
    pub(super) fn lend(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.lent = true;
        self.poll.forget(&*connection.socket);
        let (socket, task) = (Arc::clone(&connection.socket), Task::Receive(connection.version()));
        self.errands.push(Errand { id, socket, task });
    }

    /// Has a socket closed in which descriptors may wait.
    pub(super) fn have_closed(&mut self, id: u64, uid: u32, socket: Arc<SeqPacket>, lent: bool) {
        self.closing.insert(id, uid);
        // Whoever has it on loan closes it.
        if !lent {
            self.errands.push(Errand { id, socket, task: Task::Close });
        }
    }

    /// A porter brings a connection back. True if it was closed meanwhile.
    fn give_back(&mut self, id: u64, heard: Heard, fds: &[OwnedFd]) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return true };
        connection.lent = false;
        let watched = self.poll.watch_input(&*connection.socket, Token::Connection(id)).is_ok();
        match heard.and_then(|(request, message)| self.hear(id, request, message, fds)) {
            Ok(()) if watched => {}
            Ok(()) => self.disconnect(id),
            Err(breach) => self.breach(id, breach),
        }
        false
    }
}

impl Errand {
    fn run(self, shared: &Weak<Shared>) {
        match self.task {
            Task::Close => self.close(shared),
            Task::Receive(version) => {
                let (heard, fds) = receive(&self.socket, version);
                let Some(broker) = shared.upgrade() else { return };
                let mut state = broker.lock();
                let closed = state.give_back(self.id, heard, &fds);
                if closed {
                    drop(state);
                    self.close(shared);
                } else {
                    // Not the last reference, unless the connection was closed by what was heard; then an errand has
                    // the other one.
                    drop(self.socket);
                    drop(state);
                }
                broker.poll.wake();
            }
        }
    }

    fn close(self, shared: &Weak<Shared>) {
        drop(self.socket);
        if let Some(broker) = shared.upgrade() {
            broker.lock().closing.remove(&self.id);
        }
    }
}

/// The next message and its descriptors. Of those only memory is kept: of any other file the broker could not even ask
/// what it is without waiting for whoever serves it.
fn receive(socket: &SeqPacket, version: Version) -> (Heard, Vec<OwnedFd>) {
    let mut buffer = [0; MAX_MESSAGE_OCTETS];
    let Ok(Received::Message(octets, mut fds)) = socket.receive(&mut buffer, DESCRIPTORS, Wait::Never) else {
        return (Err(Breach), Vec::new());
    };
    let heard = PodMessage::decode(&buffer[..octets], version).map_err(|_| Breach);
    let heard = heard.and_then(|(request, message)| match message.takes(fds.len()) {
        true => Ok((request, message)),
        false => Err(Breach),
    });
    if fds.iter().any(|fd| rustix::fs::fcntl_get_seals(fd).is_err()) {
        fds.clear();
    }
    (heard, fds)
}

/// Sends porters off with what there is to do.
pub(super) fn dispatch(shared: &Arc<Shared>) {
    let errands = std::mem::take(&mut shared.lock().errands);
    for errand in errands {
        if let Err(errand) = send_off(errand, Arc::downgrade(shared)) {
            // No thread now: the next tick tries again.
            shared.lock().errands.push(errand);
        }
    }
}

/// The broker ends: what is left is closed by threads that nobody waits for.
pub(super) fn dispatch_last(errands: Vec<Errand>) {
    for errand in errands {
        if let Err(errand) = send_off(errand, Weak::new()) {
            // The end of the process closes it, and does not linger.
            std::mem::forget(errand);
        }
    }
}

fn send_off(errand: Errand, shared: Weak<Shared>) -> Result<(), Errand> {
    let errand = Arc::new(Mutex::new(Some(errand)));
    let take = |errand: &Mutex<Option<Errand>>| errand.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = Arc::clone(&errand);
    let run = move || take(&theirs).into_iter().for_each(|errand| errand.run(&shared));
    let thread = std::thread::Builder::new().name("flypack-porter".to_owned());
    match thread.spawn(run) {
        Ok(_) => Ok(()),
        Err(_) => take(&errand).map_or(Ok(()), Err),
    }
}
