//! Sleeping until a packet arrives, where a device can wake a thread.
//!
//! A thread sleeps on the queue alone ([`RxHandle::wait`]), or on its alarm among others ([`RxHandle::alarm`]). For ports
//! that have nothing to do for long, never within a worker's turn: it calls the kernel. The port must be probed
//! with [`crate::port::Features::rx_interrupts`]. Tried on net_tap, which wakes without being armed; arming a card is
//! **untested on hardware**: `hwtests/tests/hardware.rs`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;
use rustix::io::Errno;
use thiserror::Error;

use crate::device::Device;
use crate::eal::{Eal, meaning};
use crate::port::RxHandle;

/// Why it cannot be slept on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InterruptError {
    /// Not asked for, or the driver has none.
    #[error(
        "{device} wakes nobody when a packet arrives: {} ({errno}). The port must be probed for it, and the driver \
         have receive interrupts; without them a port is polled", meaning(*errno)
    )]
    Unsupported {
        /// The device.
        device: Device,
        /// Positive.
        errno: i32,
    },
    /// A step.
    #[error("{device}: {step} failed: {} ({errno})", meaning(*errno))]
    Failed {
        /// The device.
        device: Device,
        /// What was being done.
        step: &'static str,
        /// Positive.
        errno: i32,
    },
}

/// A queue's interrupt among the events of an epoll of its own, until this drops.
#[derive(Debug)]
pub(crate) struct RxInterrupt {
    eal: Eal,
    port: u16,
    queue: u16,
    epoll: OwnedFd,
    /// The driver wakes always, and has nothing to arm.
    is_always_armed: bool,
}

impl RxHandle {
    /// Sleeps until a packet arrives, or `limit` (rounded up to milliseconds) has passed; returns whether one may have.
    ///
    /// First receive until nothing is left: what waits already may wake nobody.
    ///
    /// # Errors
    /// [`InterruptError`]; the queue can be polled all the same.
    pub fn wait(&mut self, limit: Duration) -> Result<bool, InterruptError> {
        self.make_alarm()?;
        let outcome = self.interrupt.as_mut().map_or(Ok(false), |interrupt| interrupt.wait(limit));
        outcome.map_err(|(step, errno)| InterruptError::Failed { device: self.device(), step, errno })
    }

    /// Has an alarm from here on. On a thread that may wait for EAL's.
    ///
    /// # Errors
    /// [`InterruptError::Unsupported`], also where the handle is several queues; they can be polled all the same.
    pub fn make_alarm(&mut self) -> Result<(), InterruptError> {
        if self.is_several() {
            let errno = Errno::NOTSUP.raw_os_error();
            return Err(InterruptError::Unsupported { device: self.device(), errno });
        }
        if self.interrupt.is_none() {
            let made = RxInterrupt::new(self.eal(), self.id(), self.queue());
            let unsupported = |errno| InterruptError::Unsupported { device: self.device(), errno };
            self.interrupt = Some(made.map_err(unsupported)?);
        }
        Ok(())
    }

    /// What turns readable as packets arrive, while it is armed.
    #[must_use]
    pub fn alarm(&self) -> Option<BorrowedFd<'_>> {
        self.interrupt.as_ref().map(|interrupt| interrupt.epoll.as_fd())
    }

    /// Arms the alarm, after the queue was polled dry; whether it may be slept on. [`Self::disarm`] must follow.
    pub fn arm(&mut self) -> bool {
        let Some(interrupt) = &mut self.interrupt else { return false };
        interrupt.arm().is_ok() && !interrupt.is_something_waiting()
    }

    /// Ends what [`Self::arm`] began.
    pub fn disarm(&mut self) {
        if let Some(interrupt) = &mut self.interrupt {
            interrupt.disarm();
            // What rang has been heard: the next packet rings again.
            interrupt.hear(0);
        }
    }
}

impl RxInterrupt {
    fn new(eal: Eal, port: u16, queue: u16) -> Result<Self, i32> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(Errno::raw_os_error)?;
        let interrupt = Self { eal, port, queue, epoll, is_always_armed: false };
        match interrupt.control(dpdk_sys::FLYPACK_INTERRUPT_ADD) {
            0 => Ok(interrupt),
            result => Err(-result),
        }
    }

    fn wait(&mut self, limit: Duration) -> Result<bool, (&'static str, i32)> {
        self.arm()?;
        let limit_ms = i32::try_from(limit.as_micros().div_ceil(1_000)).unwrap_or(i32::MAX);
        // What arrived before the queue was armed may not wake: it is looked for once more.
        let limit_ms = if self.is_something_waiting() { 0 } else { limit_ms };
        let ready = self.hear(limit_ms);
        self.disarm();
        if ready < 0 { Err(("waiting for a packet", -ready)) } else { Ok(ready > 0 || self.is_something_waiting()) }
    }

    fn arm(&mut self) -> Result<(), (&'static str, i32)> {
        if self.is_always_armed {
            return Ok(());
        }
        // SAFETY: the queue is of a started port: its handle, which holds this, keeps it so.
        let result = unsafe { dpdk_sys::rte_eth_dev_rx_intr_enable(self.port, self.queue) };
        self.is_always_armed = -result == Errno::NOTSUP.raw_os_error();
        if result == 0 || self.is_always_armed { Ok(()) } else { Err(("arming its receive interrupt", -result)) }
    }

    fn disarm(&mut self) {
        if !self.is_always_armed {
            // SAFETY: the queue exists (see `arm`). That it cannot be disarmed costs a wake-up at most.
            unsafe { dpdk_sys::rte_eth_dev_rx_intr_disable(self.port, self.queue) };
        }
    }

    /// How often it rang, after `limit_ms` at most; negative: what the kernel says.
    fn hear(&mut self, limit_ms: i32) -> i32 {
        // SAFETY: the epoll is open, and waits for the queue's interrupt only, which is registered as long as `self` lives.
        unsafe { dpdk_sys::flypack_epoll_wait(self.epoll.as_raw_fd(), limit_ms) }
    }

    /// `false` where the driver does not tell.
    fn is_something_waiting(&self) -> bool {
        // SAFETY: as in `arm`; the caller holds the queue exclusively, so nobody bursts on it meanwhile.
        unsafe { dpdk_sys::rte_eth_rx_queue_count(self.port, self.queue) > 0 }
    }

    fn control(&self, operation: i32) -> i32 {
        let (port, queue, epoll) = (self.port, self.queue, self.epoll.as_raw_fd());
        // SAFETY: the queue exists (see `arm`), and the epoll is open: `self` waits for this.
        self.eal.run(move || unsafe {
            dpdk_sys::rte_eth_dev_rx_intr_ctl_q(port, queue, epoll, operation, std::ptr::null_mut())
        })
    }
}

impl Drop for RxInterrupt {
    fn drop(&mut self) {
        // It fails only for an interrupt that was never added.
        self.control(dpdk_sys::FLYPACK_INTERRUPT_REMOVE);
    }
}
