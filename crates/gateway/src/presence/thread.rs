//! The presence thread's loop: commands, the kernel's notices, then a turn of every port; then it sleeps.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

use media::Name;
use netio::exchange::{FRAME_OCTETS, HostEnd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::PresenceError;
use super::kernel::{Kernel, Notice};
use super::port::Port;
use super::port_presence::PortPresence;
use super::report::Shared;
use super::tag::TAG;

/// Commands, and datagrams of notices, in one turn.
const ITEMS: usize = 64;
/// Between two ticks of a port.
const TICK: Duration = Duration::from_millis(100);
/// The first sleep after work; each further one is twice as long.
const SLEEP_FIRST: Duration = Duration::from_micros(50);
/// The longest: what a worker hands over waits no longer.
const SLEEP_LONGEST: Duration = Duration::from_millis(1);

/// Where the answer to a command goes. The asker may have gone.
type Answer<T> = SyncSender<T>;

/// What the data plane tells the presence thread.
pub(super) enum Command {
    Attach(Box<PortPresence>, HostEnd, Answer<Result<Shared, PresenceError>>),
    Detach(Name, Answer<Result<HostEnd, PresenceError>>),
    Listen(Name, SocketAddr, Vec<IpAddr>, Answer<Result<(), PresenceError>>),
    Unlisten(Name, SocketAddr, Vec<IpAddr>, Answer<Result<(), PresenceError>>),
    Link(Name, bool),
    End,
}

/// All that the thread has.
pub(super) struct Thread {
    commands: Receiver<Command>,
    kernel: Kernel,
    ports: BTreeMap<Name, Port>,
    /// One frame, and a tag in front of it.
    room: Vec<u8>,
    sleep: Duration,
    next_tick: Instant,
}

/// The thread is to end.
struct Ended;

impl Thread {
    pub(super) fn new(commands: Receiver<Command>, kernel: Kernel) -> Self {
        Self {
            commands,
            kernel,
            ports: BTreeMap::new(),
            room: vec![0; TAG + FRAME_OCTETS],
            sleep: SLEEP_FIRST,
            next_tick: Instant::now(),
        }
    }

    /// Runs until it is told to end, or nobody is left to tell.
    pub(super) fn run(mut self) {
        while self.obey().is_ok() {
            let worked = self.turn(Instant::now());
            self.rest(worked);
        }
    }

    /// Carries out what has been commanded; waits for a command while there is no port.
    fn obey(&mut self) -> Result<(), Ended> {
        if self.ports.is_empty() {
            let command = self.commands.recv().map_err(|_| Ended)?;
            self.carry_out(command, Instant::now())?;
        }
        for _ in 0..ITEMS {
            match self.commands.try_recv() {
                Ok(command) => self.carry_out(command, Instant::now())?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(Ended),
            }
        }
        Ok(())
    }

    fn carry_out(&mut self, command: Command, now: Instant) -> Result<(), Ended> {
        self.sleep = SLEEP_FIRST;
        // Whoever asked may be gone: then nobody wants the answer.
        match command {
            Command::Attach(port, host, answer) => drop(answer.try_send(self.attach(*port, host, now))),
            Command::Detach(name, answer) => {
                let port = self.ports.remove(&name).ok_or_else(|| self.no_port(&name));
                drop(answer.try_send(port.map(Port::into_host)));
            }
            Command::Listen(name, destination, sources, answer) => {
                let listens = self.port(&name).and_then(|port| port.listen(destination, &sources, now));
                drop(answer.try_send(listens));
            }
            Command::Unlisten(name, destination, sources, answer) => {
                let done = self.port(&name).and_then(|port| port.unlisten(destination, &sources, now));
                drop(answer.try_send(done));
            }
            Command::Link(name, is_up) => {
                if let Some(port) = self.ports.get_mut(&name) {
                    port.link(is_up, now);
                }
            }
            Command::End => return Err(Ended),
        }
        Ok(())
    }

    fn attach(&mut self, spec: PortPresence, host: HostEnd, now: Instant) -> Result<Shared, PresenceError> {
        if self.ports.contains_key(&spec.name) {
            return Err(PresenceError::Attached(spec.name));
        }
        let name = spec.name.clone();
        let (port, shared) = Port::open(spec, host, &mut self.kernel, now)?;
        self.ports.insert(name, port);
        Ok(shared)
    }

    fn port(&mut self, name: &Name) -> Result<&mut Port, PresenceError> {
        let unknown = self.no_port(name);
        self.ports.get_mut(name).ok_or(unknown)
    }

    fn no_port(&self, name: &Name) -> PresenceError {
        let names: Vec<&str> = self.ports.keys().map(Name::as_str).collect();
        let present = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        PresenceError::NoPort { asked: name.clone(), present }
    }

    /// One bounded turn over everything. True when there was something to do.
    fn turn(&mut self, now: Instant) -> bool {
        let mut worked = self.hear(now);
        let Self { ports, kernel, room, .. } = self;
        for port in ports.values_mut() {
            worked |= port.turn(kernel, room, now);
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            for port in self.ports.values_mut() {
                port.tick(&mut self.kernel, now);
            }
        }
        worked
    }

    /// Tells the ports what the kernel has told.
    fn hear(&mut self, now: Instant) -> bool {
        for heard in 0..ITEMS {
            let Some(notices) = self.kernel.hear() else { return heard > 0 };
            for notice in &notices {
                for port in self.ports.values_mut() {
                    port.notice(notice, &mut self.kernel, now);
                }
            }
            if notices.contains(&Notice::Lost) {
                // What there is was asked for again; the socket is read on in the next turn.
                return true;
            }
        }
        true
    }

    /// Sleeps until a TAP or the kernel has something, or it is time to look at the workers again.
    fn rest(&mut self, worked: bool) {
        self.sleep = if worked { SLEEP_FIRST } else { (self.sleep * 2).min(SLEEP_LONGEST) };
        let timeout = Timespec::try_from(if worked { Duration::ZERO } else { self.sleep }).unwrap_or_default();
        let taps = self.ports.values().filter_map(Port::fd);
        let mut fds: Vec<PollFd<'_>> =
            taps.chain([self.kernel.notices.as_fd()]).map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        // An interrupted sleep is a short one.
        let _ = poll(&mut fds, Some(&timeout));
    }
}
