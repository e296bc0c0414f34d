//! The two queues of a started port, to be moved to a worker.

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

/// What is sent leaves by the first queue.
const QUEUE: u16 = 0;

/// Both queues; of several receive queues, the first.
#[derive(Debug)]
pub struct PortQueues {
    /// Receives.
    pub rx: RxHandle,
    /// Sends.
    pub tx: TxHandle,
}

/// A receive queue. There is one handle of it, so bursts cannot meet.
#[derive(Debug)]
pub struct RxHandle {
    /// Before the port, so that it goes first.
    pub(crate) interrupt: Option<RxInterrupt>,
    port: Arc<Attached>,
    id: u16,
    queue: u16,
    /// For a further queue: counted by the port, which does not stop before it is gone.
    _out: Option<Arc<()>>,
}

/// The transmit queue. There is one of it, so bursts cannot meet.
#[derive(Debug)]
pub struct TxHandle {
    port: Arc<Attached>,
    id: u16,
    cleanup_unsupported: bool,
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
        let (port, id) = (port.clone(), port.id);
        let rx = RxHandle::new(&port, 0, None);
        Self { rx, tx: TxHandle { port, id, cleanup_unsupported: false } }
    }

    pub(super) fn belong_to(&self, port: &Arc<Attached>) -> bool {
        Arc::ptr_eq(&self.rx.port, port) && Arc::ptr_eq(&self.tx.port, port)
    }
}

impl RxHandle {
    pub(super) fn new(port: &Arc<Attached>, queue: u16, out: Option<Arc<()>>) -> Self {
        Self { interrupt: None, port: port.clone(), id: port.id, queue, _out: out }
    }

    /// Appends what has arrived to `out`, as far as there is room. Returns how many packets that were.
    ///
    /// The calling thread should be registered ([`crate::eal::Eal::register_thread`]).
    #[inline]
    pub fn burst(&mut self, out: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let filled = out.len();
        // At most BURST, which is 32.
        let room = out.remaining_capacity() as u16;
        // SAFETY: the port is started and this queue is configured for as long as `self.port` lives and the handles
        // are out; `&mut self` makes this the only burst. `room` places are allocated behind `filled`, and Mbuf is
        // transparent over the pointers that DPDK writes there, each a chain that is now ours.
        unsafe {
            let places = out.as_mut_ptr().add(filled).cast();
            let received = usize::from(dpdk_sys::rte_eth_rx_burst(self.id, self.queue, places, room));
            out.set_len(filled + received);
            received
        }
    }

    /// Whether the pool has a buffer left for what arrives.
    #[inline]
    #[must_use]
    pub fn has_buffers(&self) -> bool {
        self.port.rx_pool.alloc().is_some()
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

    /// Whether both are queues of one port.
    #[must_use]
    pub fn is_of_the_port_of(&self, tx: &TxHandle) -> bool {
        Arc::ptr_eq(&self.port, &tx.port)
    }
}

impl TxHandle {
    /// Hands packets to the device, from the first on. Those that it took are gone from `packets`; the others stay, in
    /// order. Returns how many it took.
    #[inline]
    pub fn burst(&mut self, packets: &mut ArrayVec<Mbuf, BURST>) -> usize {
        if !self.port.has_way_out() {
            return 0;
        }
        let count = packets.len();
        // SAFETY: the port is started and its queue 0 configured (see `RxHandle::burst`); `&mut self` makes this the
        // only burst. The array holds `count` pointers to whole chains. Those taken are the device's from here on:
        // the rest is moved to the front without dropping them.
        unsafe {
            let first: *mut Mbuf = packets.as_mut_ptr();
            // At most BURST, which is 32.
            let taken = usize::from(dpdk_sys::rte_eth_tx_burst(self.id, QUEUE, first.cast(), count as u16));
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
        // SAFETY: the port is started and its queue 0 configured (see `RxHandle::burst`); `&mut self` makes this the only
        // burst; NonNull is transparent over the pointers, which DPDK only reads.
        usize::from(unsafe { dpdk_sys::rte_eth_tx_burst(self.id, QUEUE, first, packets.len().min(BURST) as u16) })
    }

    /// Prepares packets whose flags ask the device for checksums (pseudo headers, as the driver wants them). Returns
    /// how many of them, from the first on, the device can send.
    #[inline]
    pub fn prepare(&mut self, packets: &mut ArrayVec<Mbuf, BURST>) -> usize {
        let count = packets.len() as u16;
        // SAFETY: as in `burst`; the packets stay ours, and their headers may be written by this call only while
        // nobody else reads them, which is so for headers.
        usize::from(unsafe { dpdk_sys::rte_eth_tx_prepare(self.id, QUEUE, packets.as_mut_ptr().cast(), count) })
    }

    /// Asks the device to give back what it has sent. For idle turns.
    #[inline]
    pub fn cleanup(&mut self) -> Cleanup {
        if self.cleanup_unsupported {
            return Cleanup::Unsupported;
        }
        // SAFETY: the port is started and its queue 0 configured; 0 means as many as there are.
        let freed = unsafe { dpdk_sys::rte_eth_tx_done_cleanup(self.id, QUEUE, 0) };
        u32::try_from(freed).map_or_else(|_| self.no_cleanup(), Cleanup::Freed)
    }

    #[cold]
    fn no_cleanup(&mut self) -> Cleanup {
        self.cleanup_unsupported = true;
        Cleanup::Unsupported
    }
}
