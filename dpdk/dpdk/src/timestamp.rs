//! When a packet arrived, as the card's own clock has it.
//!
//! A driver writes the time into a field of the packet that both sides register. It counts ticks of the device's clock
//! ([`Port::clock_ticks`]), whose unit and beginning are the card's: nanoseconds of its PTP clock on most.
//!
//! Tried on net_pcap, which gives the microseconds of its file; **untested on hardware**: `hwtests/tests/hardware.rs`.

use std::time::SystemTime;

use media::Clock;
use thiserror::Error;

use crate::device::Device;
use crate::device_clock::ClockPair;
use crate::eal::{Eal, errno, meaning};
use crate::mbuf::Mbuf;
use crate::port::{Port, Started};

/// Why there are no times.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Packets have no room for it.
    #[error("DPDK's packets have no field left for a time: {} (rte_errno {errno})", meaning(*errno))]
    NoField {
        /// `rte_errno`.
        errno: i32,
    },
    /// The device does not tell its clock.
    #[error("the clock of {device} cannot be read: {} ({errno})", meaning(*errno))]
    NoClock {
        /// The device.
        device: Device,
        /// Positive.
        errno: i32,
    },
    /// The device's clock does not go.
    #[error("the clock of {device} stands still: times by it mean nothing")]
    StandsStill {
        /// The device.
        device: Device,
    },
}

/// Reads the times of received packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxTimestamps(Field);

/// Where the time is in a packet, and the flag that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    offset: usize,
    pub(crate) flag: u64,
}

impl RxTimestamps {
    /// Makes room in all packets, once per process. A port gives the times when it is probed with
    /// [`crate::port::Features::rx_timestamps`].
    ///
    /// # Errors
    /// [`TimestampError::NoField`].
    pub fn register(eal: &Eal) -> Result<Self, TimestampError> {
        // SAFETY: the function writes through both pointers, during the call only.
        Field::register(eal, |offset, flag| unsafe { dpdk_sys::rte_mbuf_dyn_rx_timestamp_register(offset, flag) })
            .map(Self)
    }

    /// The ticks at which a packet arrived, when its device has said so.
    #[inline]
    #[must_use]
    pub fn of(&self, packet: &Mbuf) -> Option<u64> {
        self.0.read(packet)
    }
}

/// Readings of both clocks for one pair: the one that took the least time counts.
const TRIES: usize = 5;

impl Port<Started> {
    /// The device's clock now, in ticks: the clock of received packets' times and of launch times.
    ///
    /// # Errors
    /// [`TimestampError::NoClock`]: virtual devices, but for net_pcap, and drivers that do not tell.
    pub fn clock_ticks(&self) -> Result<u64, TimestampError> {
        let (id, device) = (self.id(), self.config().device.clone());
        self.eal().run(move || ticks(id, &device))
    }

    /// The device's clock and `clock`, read together: apart by half of what reading the device's takes. May wait for other
    /// devices; not for workers.
    ///
    /// # Errors
    /// As [`Self::clock_ticks`].
    pub fn clock_pair<C: Clock + Clone + Send + 'static>(&self, clock: &C) -> Result<ClockPair, TimestampError> {
        let (id, device, clock) = (self.id(), self.config().device.clone(), clock.clone());
        self.eal().run(move || {
            let mut best: Option<(i64, ClockPair)> = None;
            for _ in 0..TRIES {
                let before = clock.now();
                let ticks = ticks(id, &device)?;
                let width = clock.now().nanos_since(before).max(0);
                if best.is_none_or(|(least, _)| width < least) {
                    best = Some((width, ClockPair { ticks, tai: before.plus_nanos(width / 2) }));
                }
            }
            Ok(best.expect("it was tried").1)
        })
    }
}

/// On EAL's thread, of a port that exists.
fn ticks(id: u16, device: &Device) -> Result<u64, TimestampError> {
    if matches!(device, Device::Pcap { .. }) {
        // Its packets' times are those of the file: microseconds of the kernel's real-time clock.
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        return Ok(since.as_micros() as u64);
    }
    let mut ticks = 0;
    // SAFETY: the port exists (its holder waits for this); the number is ours to write.
    let result = unsafe { dpdk_sys::rte_eth_read_clock(id, &raw mut ticks) };
    if result == 0 { Ok(ticks) } else { Err(TimestampError::NoClock { device: device.clone(), errno: -result }) }
}

impl Field {
    pub(crate) fn register(
        eal: &Eal,
        register: fn(*mut std::ffi::c_int, *mut u64) -> std::ffi::c_int,
    ) -> Result<Self, TimestampError> {
        eal.run(move || {
            let (mut offset, mut flag) = (0, 0);
            let result = register(&raw mut offset, &raw mut flag);
            match usize::try_from(offset) {
                Ok(offset) if result == 0 => Ok(Self { offset, flag }),
                _ => Err(TimestampError::NoField { errno: errno() }),
            }
        })
    }

    /// The time, where the flag says that there is one.
    #[inline]
    pub(crate) fn read(&self, packet: &Mbuf) -> Option<u64> {
        let there = packet.flags() & self.flag != 0;
        // SAFETY: DPDK has set eight octets at this offset within every mbuf aside; the packet is valid while it is borrowed.
        there.then(|| unsafe { self.place(packet).read_unaligned() })
    }

    /// Writes the time and raises the flag.
    #[inline]
    pub(crate) fn write(&self, packet: &mut Mbuf, ticks: u64) {
        // SAFETY: as in `read`; the caller has seen that nobody else refers to the packet.
        unsafe {
            self.place(packet).write_unaligned(ticks);
            (*packet.as_ptr()).ol_flags |= self.flag;
        }
    }

    fn place(&self, packet: &Mbuf) -> *mut u64 {
        // Within the mbuf, whose size DPDK has kept to.
        packet.as_ptr().cast::<u8>().wrapping_add(self.offset).cast()
    }
}
