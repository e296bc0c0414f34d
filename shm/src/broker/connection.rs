//! Connections of pods: who they are, what they say, what they are told.
//!
//! A pod that sends what is no message, or speaks out of turn, or does not read its answers, loses its connection;
//! nothing it does makes the broker wait.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::adopting::Named;
use super::flow::Flow;
use super::listener::Listener;
use super::membership::Subscriber;
use super::state::State;
use crate::access::{Peer, peer_of};
use crate::layout::ABI;
use crate::passing;
use crate::poll::Token;
use crate::protocol::{BrokerMessage, MAX_FLOWS_A_PAGE, MAX_MESSAGE_OCTETS, PodMessage, Refusal, Version};
use crate::seqpacket::{Received, SeqPacket, Wait};

/// Messages taken from one connection before the others have their turn.
const MESSAGES_A_TURN: usize = 16;
/// Connections accepted before the others have their turn.
const ACCEPTS_A_TURN: usize = 16;
/// What the kernel queues for a pod that does not read: some dozens of messages.
const SEND_QUEUE_OCTETS: usize = 64 << 10;

/// One pod's connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: Arc<SeqPacket>,
    /// Descriptors may wait in the socket: reading and closing it may wait for what they are.
    passing: bool,
    /// A porter has it.
    pub(super) lent: bool,
    pub(super) peer: Peer,
    since: Instant,
    /// What it speaks; none until it has said so.
    version: Option<Version>,
    /// Requests whose answers are still to come.
    waiting: u32,
    /// Consumers of a ring that it is about to bring.
    pub(super) named: Named,
}

impl Connection {
    fn new(socket: Arc<SeqPacket>, passing: bool, peer: Peer) -> Self {
        let (since, named) = (Instant::now(), Named::default());
        Self { socket, passing, lent: false, peer, since, version: None, waiting: 0, named }
    }

    /// Whether the next message brings descriptors, which only a porter may touch.
    fn next_brings_descriptors(&self) -> Result<bool, Errno> {
        if self.passing { self.socket.next_brings_descriptors() } else { Ok(false) }
    }

    pub(super) const fn is_greeted(&self) -> bool {
        self.version.is_some()
    }

    /// The version that is spoken here; before one is agreed upon, what all versions have in common.
    pub(super) fn version(&self) -> Version {
        self.version.unwrap_or(Version::OLDEST)
    }
}

/// A pod broke the protocol.
#[derive(Debug)]
pub(super) struct Breach;

impl State {
    /// Takes in who connects. False if the kernel has no descriptors left: try again later.
    pub(super) fn accept(&mut self, listener: &Listener) -> bool {
        for _ in 0..ACCEPTS_A_TURN {
            // Whoever makes porters wait keeps the others from connecting rather than have ever more of them.
            if self.closing.len() >= self.limits.connections as usize {
                return false;
            }
            match listener.accept() {
                Ok(Some(fd)) => self.greet(fd),
                Ok(None) => return true,
                Err(_) => {
                    self.counters.accept_errors += 1;
                    return false;
                }
            }
        }
        true
    }

    fn greet(&mut self, fd: OwnedFd) {
        let socket = Arc::new(SeqPacket::from_fd(fd));
        let (id, passing) = (self.fresh_id(), passing::is_possible(&*socket));
        let Ok(peer) = peer_of(&*socket) else {
            // Only a bug of ours gets here.
            let nobody = Peer { uid: u32::MAX, gid: u32::MAX, pid: None };
            return self.close(id, Connection::new(socket, passing, nobody));
        };
        if let Err(refusal) = self.check_peer(&peer) {
            self.counters.refused += 1;
            if let Ok(octets) = BrokerMessage::Refused(refusal).encode(0, Version::OLDEST) {
                let _ = socket.send(&octets, &[], Wait::Never);
            }
            return self.close(id, Connection::new(socket, passing, peer));
        }
        let queue = socket.limit_send_queue(SEND_QUEUE_OCTETS);
        let ready = queue.and_then(|()| self.poll.watch_input(&*socket, Token::Connection(id)));
        let connection = Connection::new(socket, passing, peer);
        if ready.is_err() {
            return self.close(id, connection);
        }
        self.counters.connections += 1;
        self.connections.insert(id, connection);
    }

    fn check_peer(&self, peer: &Peer) -> Result<(), Refusal> {
        let (limit, of_user) = (self.limits.connections, self.limits.connections_per_uid);
        if !self.access.admits(peer) {
            return Err(Refusal::User { uid: peer.uid });
        }
        if self.connections.len() + self.closing.len() >= limit as usize {
            return Err(Refusal::Connections { limit });
        }
        let users = self.connections.values().map(|other| other.peer.uid).chain(self.closing.values().copied());
        if users.filter(|uid| *uid == peer.uid).count() >= of_user as usize {
            return Err(Refusal::UserConnections { uid: peer.uid, limit: of_user });
        }
        Ok(())
    }

    /// A connection is readable: its next messages.
    pub(super) fn serve(&mut self, id: u64) {
        let mut buffer = [0; MAX_MESSAGE_OCTETS];
        for _ in 0..MESSAGES_A_TURN {
            let Some(connection) = self.connections.get(&id).filter(|connection| !connection.lent) else { return };
            let version = connection.version();
            match connection.next_brings_descriptors() {
                Ok(false) => {}
                // Only a ring that is to be taken over brings some; of the first version none is ever taken.
                Ok(true) if version > Version::V1 => return self.lend(id),
                Ok(true) => return self.breach(id, Breach),
                Err(Errno::AGAIN) => return,
                Err(_) => return self.disconnect(id),
            }
            let octets = match connection.socket.receive(&mut buffer, 0, Wait::Never) {
                Ok(Received::Message(octets, _)) => octets,
                Err(Errno::AGAIN) => return,
                Ok(Received::Overlong) => return self.breach(id, Breach),
                Ok(Received::Closed) | Err(_) => return self.disconnect(id),
            };
            let heard = PodMessage::decode(&buffer[..octets], version).map_err(|_| Breach);
            let heard = heard.and_then(|(request, message)| match message.takes(0) {
                true => self.hear(id, request, message, &[]),
                false => Err(Breach),
            });
            if let Err(breach) = heard {
                return self.breach(id, breach);
            }
        }
    }

    pub(super) fn breach(&mut self, id: u64, _: Breach) {
        self.counters.protocol_errors += 1;
        self.disconnect(id);
    }

    /// Hears a message with the descriptors that it brought, if they are memory.
    pub(super) fn hear(&mut self, id: u64, request: u32, message: PodMessage, fds: &[OwnedFd]) -> Result<(), Breach> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let (greeted, version, peer) = (connection.is_greeted(), connection.version(), connection.peer);
        match message {
            PodMessage::Hello { min, max } if !greeted => self.welcome(id, request, min, max),
            PodMessage::Hello { .. } => return Err(Breach),
            _ if !greeted => return Err(Breach),
            PodMessage::ListFlows { after } => {
                let (entries, more) = self.list_flows(after.as_ref(), MAX_FLOWS_A_PAGE, version, &peer);
                self.tell(id, request, &BrokerMessage::Flows { entries, more }, &[]);
            }
            PodMessage::Produce(_) | PodMessage::Subscribe { .. } => self.undertake(id, request, message),
            PodMessage::Mapped { epoch } => return if self.mapped(id, epoch) { Ok(()) } else { Err(Breach) },
            PodMessage::Withdraw { epoch } => self.withdraw(id, epoch),
            PodMessage::Conclude { epoch } => self.conclude(id, epoch),
            PodMessage::Member(member) => {
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.named.push(member);
                }
            }
            PodMessage::Adopt { epoch, name } => {
                if let Err(refusal) = self.adopt((id, request), peer, (epoch, name.clone()), fds) {
                    self.not_adopted(peer.uid, (epoch, name), refusal);
                    self.tell(id, request, &BrokerMessage::Refused(refusal), &[]);
                }
            }
            PodMessage::Joined { join, .. }
            | PodMessage::NotJoined { join }
            | PodMessage::Evicted { join, .. }
            | PodMessage::Left { join } => {
                // Else of a membership that ended while this was on its way.
                if let Some(member) = self.member_of(id, join) {
                    self.hear_of_member(member, &message);
                }
            }
        }
        Ok(())
    }

    /// What a producer says of one of its consumers.
    fn hear_of_member(&mut self, member: u64, message: &PodMessage) {
        match message {
            PodMessage::Joined { first, .. } => self.joined(member, *first),
            PodMessage::NotJoined { .. } => self.not_joined(member),
            PodMessage::Evicted { end, .. } => self.evicted(member, *end),
            _ => self.left(member),
        }
    }

    fn welcome(&mut self, id: u64, request: u32, min: u16, max: u16) {
        if let Some(version) = Version::common(min, max) {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.version = Some(version);
                let mut left = self.left_records.values();
                if version > Version::V1 && left.any(|record| record.uid == connection.peer.uid) {
                    passing::allow(&*connection.socket);
                    connection.passing = true;
                }
            }
            self.tell(id, request, &BrokerMessage::Welcome { version: version.number(), ring_abi: ABI }, &[]);
        } else {
            self.counters.refused += 1;
            let refusal = Refusal::Version { min: Version::OLDEST.number(), max: Version::NEWEST.number() };
            self.tell(id, request, &BrokerMessage::Refused(refusal), &[]);
            self.doomed.push(id);
        }
    }

    /// Requests that are answered later, a bounded number at a time.
    fn undertake(&mut self, id: u64, request: u32, message: PodMessage) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (peer, version) = (connection.peer, connection.version());
        connection.waiting += 1;
        let begun = match message {
            _ if connection.waiting > self.limits.requests => Err(Refusal::Requests { limit: self.limits.requests }),
            PodMessage::Produce(ring) => self.produce((id, request), &peer, ring),
            PodMessage::Subscribe { name, class, start } => {
                let subscriber = Subscriber::Pod { connection: id, request, version };
                self.subscribe(&subscriber, Some(peer), &name, class, start)
            }
            _ => Ok(()),
        };
        if let Err(refusal) = begun {
            self.counters.refused += 1;
            self.answer(id, request, &BrokerMessage::Refused(refusal), &[]);
        }
    }

    fn withdraw(&mut self, id: u64, epoch: u128) {
        if self.flows.of_epoch(epoch).is_some_and(|flow| flow.producer() == Some(id)) {
            self.end_flow(epoch);
        } else if self.makings.get(&epoch).is_some_and(|making| making.connection() == Some(id)) {
            self.cancel_making(epoch);
        }
    }

    /// Sends a message, or closes the connection if it cannot take it now. False if it is closed.
    pub(super) fn tell(&mut self, id: u64, request: u32, message: &BrokerMessage, fds: &[BorrowedFd<'_>]) -> bool {
        let Some(connection) = self.connections.get(&id).filter(|_| !self.doomed.contains(&id)) else { return false };
        let version = connection.version();
        debug_assert_eq!(fds.len(), message.descriptors(version), "descriptors belong to the message");
        // What an old pod cannot be told is asked for by nobody or answered otherwise before it gets here.
        let encoded = message.encode(request, version).map_err(|_| Errno::PROTO);
        match encoded.and_then(|octets| connection.socket.send(&octets, fds, Wait::Never)) {
            Ok(()) => true,
            Err(errno) => {
                self.counters.stuck += u64::from(errno == Errno::AGAIN);
                self.doomed.push(id);
                false
            }
        }
    }

    /// The last message about a request.
    pub(super) fn answer(&mut self, id: u64, request: u32, message: &BrokerMessage, fds: &[BorrowedFd<'_>]) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.waiting = connection.waiting.saturating_sub(1);
        }
        self.tell(id, request, message, fds);
    }

    /// Closes a connection and ends what it produces. What it reads goes on: its life pipes tell when that ends.
    pub(super) fn disconnect(&mut self, id: u64) {
        let Some(connection) = self.connections.remove(&id) else { return };
        self.poll.forget(&*connection.socket);
        self.close(id, connection);
        self.forget_makings(|making| making.connection() == Some(id));
        self.withdraw_offers(id);
        let produced = self.flows.all().filter(|flow| flow.producer() == Some(id));
        let produced: Vec<u128> = produced.map(Flow::epoch).collect();
        produced.into_iter().for_each(|epoch| self.end_flow(epoch));
    }

    fn close(&mut self, id: u64, connection: Connection) {
        let Connection { socket, passing, lent, peer, .. } = connection;
        if passing {
            self.have_closed(id, peer.uid, socket, lent);
        }
    }

    /// Closes the connections that could not be told something. Closing one may doom another.
    pub(super) fn close_doomed(&mut self) {
        while let Some(id) = self.doomed.pop() {
            self.disconnect(id);
        }
    }

    /// Closes connections that have not said who they are.
    pub(super) fn expire_silent(&mut self, now: Instant) {
        let limit = Duration::from_millis(self.limits.answer_ms.into());
        let late = |c: &Connection| !c.is_greeted() && now.saturating_duration_since(c.since) >= limit;
        let silent: Vec<u64> = self.connections.iter().filter(|(_, c)| late(c)).map(|(id, _)| *id).collect();
        for id in silent {
            self.counters.silent += 1;
            self.disconnect(id);
        }
    }
}
