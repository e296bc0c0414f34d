//! The queues of a started port, to be moved to workers.

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use super::attach::Attached;
use crate::device::Device;
use crate::eal::Eal;
use crate::interrupt::RxInterrupt;
use crate::mbuf::{BURST, Mbuf};
use crate::mempool::Mempool;

/// The first queue each way.
#[derive(Debug)]
pub struct PortQueues {
    /// Receives.
    pub rx: RxHandle,
    /// Sends.
    pub tx: TxHandle,
}

/// A receive queue; the first of a port with the others that nobody else polls. There is one handle of it, so bursts cannot
/// meet.
#[derive(Debug)]
pub struct RxHandle {
    /// Before the port, so that it goes first.
    pub(crate) interrupt: Option<RxInterrupt>,
    port: Arc<Attached>,
    id: u16,
    queue: u16,
    /// Polled with it.
    others: Range<u16>,
    /// Who of them comes first, counted from the queue itself.
    turn: u16,
    /// For a further queue: counted by the port, which does not stop before it is gone.
    _out: Option<Arc<()>>,
}

/// A transmit queue. There is one handle of it, so bursts cannot meet.
#[derive(Debug)]
pub struct TxHandle {
    port: Arc<Attached>,
    id: u16,
    queue: u16,
    cleanup_unsupported: bool,
    /// As in [`RxHandle`].
    _out: Option<Arc<()>>,
}

/// What asking a device for finished buffers has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// So many packets were given back.
    Freed(u32),
    /// The driver gives back when it likes, at the latest when the port stops.
    Unsupported,
}

impl PortQueues {
    pub(super) fn new(port: &Arc<Attached>) -> Self {
        let rx = RxHandle { others: port.shape.beside_the_first(), ..RxHandle::new(port, 0, None) };
        Self { rx, tx: TxHandle::new(port, 0, None) }
    }

    pub(super) fn belong_to(&self, port: &Arc<Attached>) -> bool {
        Arc::ptr_eq(&self.rx.port, port) && Arc::ptr_eq(&self.tx.port, port)
    }
}

impl RxHandle {
    pub(super) fn new(port: &Arc<Attached>, queue: u16, out: Option<Arc<()>>) -> Self {
        Self { interrupt: None, port: port.clone(), id: port.id, queue, others: 0..0, turn: 0, _out: out }
    }

    /// Appends what has arrived to `out`, as far as there is room. Returns how many packets that were.
    ///
    /// The calling thread should be registered ([`crate::eal::Eal::register_thread`]).
    #[inline]
    pub fn burst(&mut self, out: &mut ArrayVec<Mbuf, BURST>) -> usize {
        if self.others.is_empty() { self.poll(self.queue, out) } else { self.poll_all(out) }
    }

    /// Each queue in turn, as long as there is room: one that is always full keeps none of the others waiting.
    fn poll_all(&mut self, out: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let (filled, others) = (out.len(), self.others.len() as u16);
        for _ in 0..=others {
            let queue = if self.turn == 0 { self.queue } else { self.others.start + self.turn - 1 };
            self.turn = if self.turn < others { self.turn + 1 } else { 0 };
            self.poll(queue, out);
            if out.is_full() {
                break;
            }
        }
        out.len() - filled
    }

    #[inline]
    fn poll(&mut self, queue: u16, out: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let filled = out.len();
        // At most BURST, which is 32.
        let room = out.remaining_capacity() as u16;
        // SAFETY: the port is started and this queue, which is one of this handle's, is configured for as long as `self.port`
        // lives and the handles are out; `&mut self` makes this the only burst. `room` places are allocated behind `filled`, and Mbuf is
        // transparent over the pointers that DPDK writes there, each a chain that is now ours.
        unsafe {
            let places = out.as_mut_ptr().add(filled).cast();
            let received = usize::from(dpdk_sys::rte_eth_rx_burst(self.id, queue, places, room));
            out.set_len(filled + received);
            received
        }
    }

    /// What arrives on the queue lies in buffers of this.
    fn pool(&self) -> &Mempool {
        self.port.rx_pools.of(self.queue)
    }

    /// A packet in a buffer of the pool for what arrives; none where no buffer is free, or `frame` does not fit one.
    #[must_use]
    pub fn packet_of(&self, frame: &[u8]) -> Option<Mbuf> {
        let mut packet = self.pool().alloc()?;
        packet.append(u16::try_from(frame.len()).ok()?)?.copy_from_slice(frame);
        Some(packet)
    }

    /// Whether the pool has a buffer left for what arrives.
    #[inline]
    #[must_use]
    pub fn has_buffers(&self) -> bool {
        self.pool().alloc().is_some()
    }

    /// Gives the buffers that the calling thread keeps for itself back to the pool, before another thread polls the queue.
    pub(crate) fn leave(&self) {
        self.pool().flush_own_cache();
    }

    /// How long nobody may look at the queue, and nothing is lost.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.port.patience
    }

    pub(crate) fn eal(&self) -> Eal {
        self.port.eal.clone()
    }

    pub(crate) fn device(&self) -> Device {
        self.port.device.clone()
    }

    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// Counted from 0.
    pub(crate) fn queue(&self) -> u16 {
        self.queue
    }

    /// Whether it is more than one queue of the device: an interrupt is one queue's.
    pub(crate) fn is_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Whether both are queues of one port.
    #[must_use]
    pub fn is_of_the_port_of(&self, tx: &TxHandle) -> bool {
        Arc::ptr_eq(&self.port, &tx.port)
    }
}

impl TxHandle {
    pub(super) fn new(port: &Arc<Attached>, queue: u16, out: Option<Arc<()>>) -> Self {
        Self { port: port.clone(), id: port.id, queue, cleanup_unsupported: false, _out: out }
    }

    /// Hands packets to the device, from the first on. Those that it took are gone from `packets`; the others stay, in
    /// order. Returns how many it took.
    #[inline]
    pub fn burst(&mut self, packets: &mut ArrayVec<Mbuf, BURST>) -> usize {
        if !self.port.has_way_out() {
            return 0;
        }
        let count = packets.len();
        // SAFETY: the port is started and this queue configured (see `RxHandle::burst`); `&mut self` makes this the
        // only burst. The array holds `count` pointers to whole chains. Those taken are the device's from here on:
        // the rest is moved to the front without dropping them.
        unsafe {
            let first: *mut Mbuf = packets.as_mut_ptr();
            // At most BURST, which is 32.
            let taken = usize::from(dpdk_sys::rte_eth_tx_burst(self.id, self.queue, first.cast(), count as u16));
            packets.set_len(0);
            std::ptr::copy(first.add(taken), first, count - taken);
            packets.set_len(count - taken);
            taken
        }
    }

    /// As [`Self::burst`], for packets that stay in the caller's hands until they are taken. Returns how many were, from the
    /// first on.
    ///
    /// # Safety
    /// Each of `packets` is a whole chain that the caller owns. Those that were taken are the device's from here on.
    #[inline]
    pub(crate) unsafe fn burst_raw(&mut self, packets: &[NonNull<rte_mbuf>]) -> usize {
        if !self.port.has_way_out() {
            return 0;
        }
        let first = packets.as_ptr().cast_mut().cast();
        // SAFETY: the port is started and this queue configured (see `RxHandle::burst`); `&mut self` makes this the only
        // burst; NonNull is transparent over the pointers, which DPDK only reads.
        usize::from(unsafe { dpdk_sys::rte_eth_tx_burst(self.id, self.queue, first, packets.len().min(BURST) as u16) })
    }

    /// Prepares packets whose flags ask the device for checksums (pseudo headers, as the driver wants them). Returns
    /// how many of them, from the first on, the device can send.
    #[inline]
    pub fn prepare(&mut self, packets: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let count = packets.len() as u16;
        // SAFETY: as in `burst`; the packets stay ours, and their headers may be written by this call only while
        // nobody else reads them, which is so for headers.
        usize::from(unsafe { dpdk_sys::rte_eth_tx_prepare(self.id, self.queue, packets.as_mut_ptr().cast(), count) })
    }

    /// Asks the device to give back what it has sent. For idle turns.
    #[inline]
    pub fn cleanup(&mut self) -> Cleanup {
        if self.cleanup_unsupported {
            return Cleanup::Unsupported;
        }
        // SAFETY: the port is started and this queue configured; 0 means as many as there are.
        let freed = unsafe { dpdk_sys::rte_eth_tx_done_cleanup(self.id, self.queue, 0) };
        u32::try_from(freed).map_or_else(|_| self.no_cleanup(), Cleanup::Freed)
    }

    #[cold]
    fn no_cleanup(&mut self) -> Cleanup {
        self.cleanup_unsupported = true;
        Cleanup::Unsupported
    }
}
