//! A receive queue over one UDP socket.

mod open;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use media::{Clock, Tai};
use socket2::Socket;

use crate::kernel::pool::Pool;
use crate::kernel::receive::{Datagram, Receiver};
use crate::kernel::referred::ReceivedRange;
use crate::kernel::{OpenError, SocketBuffer, socket};
use crate::{Alarm, BURST, Burst, PacketBuf, PacketMeta, RxCounters, RxQueue, TimeSource, TxFull};

/// The largest datagram, coalesced or not.
const BUFFER_OCTETS: usize = 65_536;

/// After so many empty turns in a row the socket is asked for drops that no later packet will report.
const IDLE_TURNS: u32 = 16;

/// What to receive, and with how much memory.
#[derive(Clone, Debug)]
pub struct KernelRxConfig {
    /// The group, an address of this host, or 0.0.0.0 or ::; port 0 lets the system choose.
    pub destination: SocketAddr,
    /// The interface that a group is joined on, or that unicast must arrive by. `None`: as the routes say.
    pub interface: Option<String>,
    /// The sources to join a group from (RFC 4607); none: any. Unicast is not filtered: see [`PacketMeta::source`].
    pub sources: Vec<IpAddr>,
    /// Octets of the kernel's receive buffer.
    pub receive_buffer_octets: usize,
    /// Buffers of 64 KiB. One holds a whole coalesced datagram, and is free again when the last packet of it has dropped.
    pub buffers: usize,
}

impl KernelRxConfig {
    /// Receives `destination` from any source, on the interface that the routes say.
    #[must_use]
    pub const fn of(destination: SocketAddr) -> Self {
        Self {
            destination,
            interface: None,
            sources: Vec::new(),
            receive_buffer_octets: 32 * 1024 * 1024,
            buffers: 4 * BURST,
        }
    }
}

/// A receive queue over one UDP socket.
pub struct KernelRx<C> {
    socket: Socket,
    clock: C,
    local: SocketAddr,
    receive_buffer: SocketBuffer,
    is_coalescing: bool,
    pool: Pool,
    receiver: Box<Receiver>,
    /// Datagrams whose packets have not all been handed out, from `next` on.
    pending: ArrayVec<Pending, BURST>,
    next: usize,
    /// The last look found the socket empty.
    is_dry: bool,
    idle_turns: u32,
    /// The kernel's own count of drops, as last seen.
    drops_seen: u32,
    patience: Duration,
    counters: RxCounters,
}

/// The part of a datagram that has not been handed out.
#[derive(Clone, Copy)]
struct Pending {
    buffer: usize,
    start: u32,
    end: u32,
    segment_octets: u32,
    meta: PacketMeta,
}

/// When a burst was taken from the socket, by our clock and by the kernel's.
#[derive(Clone, Copy)]
struct Taken {
    at: Tai,
    wall_nanos: i64,
}

impl Taken {
    /// When a packet arrived that the kernel noted at `wall_nanos`: as long before as its clock says. That clock may have been
    /// set meanwhile: what lies in the future, or longer ago than a socket's buffer lasts, is not believed.
    fn arrival(self, wall_nanos: Option<i64>) -> (Tai, TimeSource) {
        let age = wall_nanos.map(|noted| self.wall_nanos.saturating_sub(noted));
        match age.filter(|age| (0..=AGE_NANOS_MAX).contains(age)) {
            Some(age) => (self.at.plus_nanos(-age), TimeSource::Kernel),
            None => (self.at, TimeSource::Burst),
        }
    }
}

/// The longest that a packet is believed to have waited in a socket, ns.
const AGE_NANOS_MAX: i64 = 10_000_000_000;

/// The kernel's real-time clock, ns. No system call: the kernel maps it into every process.
fn wall_nanos() -> i64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

impl<C: Clock> KernelRx<C> {
    /// Opens the socket, joins the group, and allocates all memory that the queue will ever use.
    ///
    /// # Errors
    /// [`OpenError`] says what was asked, what is wrong and what would work.
    pub fn open(config: &KernelRxConfig, clock: C) -> Result<Self, OpenError> {
        let opened = open::open(config)?;
        Ok(Self {
            socket: opened.socket,
            clock,
            local: opened.local,
            receive_buffer: opened.receive_buffer,
            is_coalescing: opened.is_coalescing,
            pool: Pool::new(config.buffers.max(1), BUFFER_OCTETS),
            receiver: Receiver::new(),
            pending: ArrayVec::new(),
            next: 0,
            is_dry: false,
            idle_turns: 0,
            drops_seen: 0,
            patience: Duration::MAX,
            counters: RxCounters::default(),
        })
    }

    /// Says how long its socket may be left alone: half of what it buffers of what comes, which it does not know.
    #[must_use]
    pub const fn left_alone_for(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The address and port that the socket is bound to.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The size of the kernel's receive buffer.
    #[must_use]
    pub const fn receive_buffer(&self) -> SocketBuffer {
        self.receive_buffer
    }

    /// Whether the kernel may hand over several datagrams at once (`UDP_GRO`).
    #[must_use]
    pub const fn is_coalescing(&self) -> bool {
        self.is_coalescing
    }

    /// Hands out packets of pending datagrams as far as the burst has room.
    fn hand_out(&mut self, burst: &mut Burst<KernelBuf>) {
        while let Some(pending) = self.pending.get_mut(self.next) {
            if burst.is_full() {
                return;
            }
            let octets = pending.segment_octets.min(pending.end - pending.start);
            let buffer = self.pool.share(pending.buffer);
            let packet = KernelBuf { buffer, start: pending.start, octets, meta: pending.meta };
            pending.start += octets;
            if pending.start >= pending.end {
                self.next += 1;
            }
            self.counters.packets += 1;
            self.counters.octets += u64::from(octets);
            let fits = burst.push(packet).is_ok();
            debug_assert!(fits, "the burst was not full");
        }
        self.pending.clear();
        self.next = 0;
    }

    /// Receives datagrams into free buffers. Nothing is pending before.
    fn receive(&mut self) {
        debug_assert!(self.pending.is_empty());
        self.is_dry = false;
        let count = self.receiver.prepare(&mut self.pool);
        if count == 0 {
            self.counters.no_buffers += 1;
            return;
        }
        // SAFETY: `count` buffers of our own pool were just prepared, and nothing happened in between.
        let received = unsafe { self.receiver.receive(self.socket.as_raw_fd(), count) };
        match received {
            Ok(received) => {
                self.idle_turns = 0;
                let taken = Taken { at: self.clock.now(), wall_nanos: wall_nanos() };
                for at in 0..received {
                    let datagram = self.receiver.datagram(at);
                    self.accept(&datagram, taken);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.idle(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.counters.errors += 1,
        }
    }

    fn accept(&mut self, datagram: &Datagram, taken: Taken) {
        if let Some(drops) = datagram.control.drops {
            self.dropped(drops);
        }
        self.counters.octets_copied_by_kernel += datagram.octets as u64;
        if datagram.is_truncated {
            self.counters.truncated += 1;
            return;
        }
        let Some(source) = datagram.source else {
            self.counters.errors += 1;
            return;
        };
        let address = datagram.control.destination.unwrap_or(self.local.ip());
        let (arrival, timed_by) = taken.arrival(datagram.control.arrived_nanos);
        let destination = SocketAddr::new(address, self.local.port());
        let meta = PacketMeta { source, destination, arrival, timed_by };
        let end = datagram.octets as u32;
        let segment_octets = datagram.control.segment_octets.unwrap_or(end);
        self.pending.push(Pending { buffer: datagram.buffer, start: 0, end, segment_octets, meta });
    }

    #[cold]
    fn idle(&mut self) {
        self.is_dry = true;
        self.idle_turns = self.idle_turns.saturating_add(1);
        if self.idle_turns == IDLE_TURNS
            && let Some(drops) = socket::drops(&self.socket)
        {
            self.dropped(drops);
        }
    }

    fn dropped(&mut self, drops: u32) {
        let fresh = drops.wrapping_sub(self.drops_seen);
        // The count told beside a packet is from when the packet was queued: it may lie behind what the socket told.
        if fresh < u32::MAX / 2 {
            self.counters.socket_drops += u64::from(fresh);
            self.drops_seen = drops;
        }
    }
}

impl<C: Clock> RxQueue for KernelRx<C> {
    type Buf = KernelBuf;

    fn rx_burst(&mut self, burst: &mut Burst<KernelBuf>) -> usize {
        let before = burst.len();
        self.hand_out(burst);
        if !burst.is_full() {
            self.receive();
            self.hand_out(burst);
        }
        let received = burst.len() - before;
        self.counters.bursts += u64::from(received > 0);
        received
    }

    fn counters(&self) -> RxCounters {
        self.counters
    }

    fn alarm(&self) -> Option<Alarm<'_>> {
        Some(Alarm(self.socket.as_fd()))
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    /// A socket always rings, but not again for what waited while no buffer was free.
    fn arm(&mut self) -> bool {
        self.is_dry && self.pending.is_empty()
    }
}

impl<C> AsFd for KernelRx<C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A received packet in a buffer of the pool.
#[derive(Clone, Debug)]
pub struct KernelBuf {
    buffer: Arc<[u8]>,
    start: u32,
    octets: u32,
    meta: PacketMeta,
}

impl KernelBuf {
    /// All but the first `skip` octets, for a packet that is sent on.
    pub(crate) fn share(&self, skip: u16) -> Result<ReceivedRange, TxFull> {
        ReceivedRange::new(&self.buffer, self.start, self.octets, skip)
    }
}

impl PacketBuf for KernelBuf {
    fn again(&self) -> Self {
        self.clone()
    }

    #[inline]
    fn meta(&self) -> &PacketMeta {
        &self.meta
    }

    #[inline]
    fn octets(&self) -> usize {
        self.octets as usize
    }

    #[inline]
    fn head(&self) -> &[u8] {
        let start = self.start as usize;
        &self.buffer[start..start + self.octets as usize]
    }

    fn segments(&self) -> impl Iterator<Item = &[u8]> {
        Some(self.head()).filter(|segment| !segment.is_empty()).into_iter()
    }

    #[inline]
    fn last_octet(&self) -> u8 {
        self.head().last().copied().unwrap_or(0)
    }
}
