//! A transmit queue: one connected UDP socket per path.

pub(super) mod buf;
mod open;
#[cfg(test)]
mod tests;

pub use buf::KernelTxBuf;
pub use open::source_address;

use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;

use shm::StableBytes;
use socket2::Socket;

use crate::kernel::payload::{Payload, PayloadTable};
use crate::kernel::referred::Referred;
use crate::kernel::rx::KernelBuf;
use crate::kernel::{SocketBuffer, send};
use crate::{BURST, Burst, Pacing, Path, PathError, PathId, PathTable, TxCounters, TxFull, TxQueue};

/// Sizes of a transmit queue, fixed when it is made.
#[derive(Clone, Copy, Debug)]
pub struct KernelTxConfig {
    /// Most packets that are handed to the kernel as one message: they leave back to back, so no more than C_MAX of
    /// the narrowest sender (ST 2110-21 §7.1). 1: no merging.
    pub max_gso_segments: u16,
    /// Octets of each socket's send buffer.
    pub send_buffer_octets: usize,
    /// Most paths open at a time.
    pub paths: u16,
    /// Most leases attached at a time.
    pub payloads: u16,
}

impl Default for KernelTxConfig {
    fn default() -> Self {
        Self { max_gso_segments: 16, send_buffer_octets: 4 * 1024 * 1024, paths: 64, payloads: 64 }
    }
}

/// A transmit queue over the kernel's UDP sockets.
pub struct KernelTx<L> {
    config: KernelTxConfig,
    paths: PathTable<Link>,
    payloads: PayloadTable<L>,
    counters: TxCounters,
}

/// A path's socket.
struct Link {
    socket: Socket,
    send_buffer: SocketBuffer,
    /// Most packets of a message: 1 once the kernel has refused to segment.
    segments: usize,
}

/// How a run of packets of one path ended.
enum Run {
    Done,
    Blocked,
}

impl<L: StableBytes> KernelTx<L> {
    /// A queue without paths. Allocates all memory that it will ever use on the hot path.
    #[must_use]
    pub fn new(config: KernelTxConfig) -> Self {
        let segments = config.max_gso_segments.clamp(1, BURST as u16);
        Self {
            config: KernelTxConfig { max_gso_segments: segments, ..config },
            paths: PathTable::new(config.paths),
            payloads: PayloadTable::new(config.payloads),
            counters: TxCounters::default(),
        }
    }

    /// The size of a path's send buffer.
    #[must_use]
    pub fn send_buffer(&self, path: PathId) -> Option<SocketBuffer> {
        self.paths.at(path).map(|link| link.send_buffer)
    }
}

impl<L: StableBytes> TxQueue for KernelTx<L> {
    type Buf = KernelTxBuf<L>;
    type Payload = Payload<L>;
    type Lease = L;
    type Received = KernelBuf;

    fn pacing(&self) -> Pacing {
        Pacing::Software
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        let (socket, send_buffer) = open::open(path, self.config.send_buffer_octets)?;
        let segments = usize::from(self.config.max_gso_segments);
        let limit = self.paths.limit();
        self.paths.insert(Link { socket, send_buffer, segments }).ok_or(PathError::Full { limit })
    }

    fn close_path(&mut self, path: PathId) {
        self.paths.remove(path);
    }

    fn attach(&mut self, lease: L, packets: u32) -> Result<Payload<L>, (TxFull, L)> {
        self.payloads.attach(lease, packets)
    }

    fn gather(
        &mut self,
        path: PathId,
        header: &[u8],
        payload: &Payload<L>,
        range: Range<u32>,
    ) -> Result<KernelTxBuf<L>, TxFull> {
        KernelTxBuf::new(&self.paths, path, header, || payload.gather(range).map(Referred::Leased))
    }

    fn forward(
        &mut self,
        path: PathId,
        header: &[u8],
        received: &KernelBuf,
        skip: u16,
    ) -> Result<KernelTxBuf<L>, TxFull> {
        KernelTxBuf::new(&self.paths, path, header, || received.share(skip).map(Referred::Received))
    }

    fn tx_burst(&mut self, burst: &mut Burst<KernelTxBuf<L>>) -> usize {
        let mut done = 0;
        while let Some(first) = burst.as_slice().get(done) {
            let rest = &burst.as_slice()[done..];
            let run = rest.iter().take_while(|packet| packet.path == first.path).count();
            let Some(link) = self.paths.at_mut(first.path) else {
                self.counters.errors += run as u64;
                done += run;
                continue;
            };
            let (sent, end) = link.send(&rest[..run], &mut self.counters);
            done += sent;
            if matches!(end, Run::Blocked) {
                self.counters.would_block += 1;
                break;
            }
        }
        burst.drain_front(done).len()
    }

    fn cancel(&mut self, payload: Payload<L>, unsent: u32) {
        debug_assert!(unsent <= payload.ungathered(), "{unsent} cancelled of {}", payload.ungathered());
    }

    fn reap(&mut self) {
        self.payloads.reap();
    }

    fn counters(&self) -> TxCounters {
        self.counters
    }
}

impl Link {
    /// Sends packets of this path in order; returns how many were sent or given up.
    fn send<L>(&mut self, packets: &[KernelTxBuf<L>], counters: &mut TxCounters) -> (usize, Run) {
        let mut done = 0;
        let mut failed_at = None;
        while done < packets.len() {
            match send::send(self.socket.as_raw_fd(), &packets[done..], self.segments) {
                Ok(taken) => {
                    counters.peer_errors += u64::from(failed_at == Some(done));
                    counters.packets += taken.packets as u64;
                    counters.octets += taken.octets;
                    counters.octets_copied_by_kernel += taken.octets;
                    done += taken.packets;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (done, Run::Blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A socket first tells what the network answered to an earlier packet (port unreachable, say), and sends
                // nothing: only what fails twice is this packet's own error.
                Err(_) if failed_at != Some(done) => failed_at = Some(done),
                Err(error) => {
                    failed_at = None;
                    done += self.refused(&packets[done..], &error, counters);
                }
            }
        }
        (done, Run::Done)
    }

    /// The kernel refused the first message of `packets`; returns how many of them to give up.
    #[cold]
    fn refused<L>(&mut self, packets: &[KernelTxBuf<L>], error: &io::Error, counters: &mut TxCounters) -> usize {
        let merged = send::merged(packets.iter().map(KernelTxBuf::octets), self.segments);
        // udp(7): the device cannot segment, or the segments exceed the path's MTU.
        if merged > 1 && matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE)) {
            self.segments = 1;
            counters.gso_refused += 1;
            return 0;
        }
        counters.errors += merged as u64;
        merged
    }
}
