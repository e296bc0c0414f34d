//! A port's receive queue: media datagrams to the worker, everything else to the port's host, what is bad to a counter.
//!
//! A frame is read in one pass ([`ip::frame`]); nothing of its payload is touched unless the checksum is ours to compute. A
//! datagram is media when its destination is in the port's [`netio::exchange::MediaTable`]. What is for the host crosses
//! a bounded exchange as copied octets, so that no buffer of the worker's pool leaves it.

mod arrivals;
mod buf;
mod piece;
mod sort;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use media::{Clock, Tai};
use netio::capture::CaptureEnd;
use netio::exchange::RxEnd;
use netio::injection::InjectionEnd;
use netio::{Alarm, Burst, RxCounters, RxQueue, TimeSource};

use arrivals::Arrivals;
pub use buf::DpdkBuf;
use buf::First;
pub(crate) use piece::Piece;
use sort::Sorter;

use crate::capabilities::Capabilities;
use crate::counters::PortCounters;
use crate::device_clock::DeviceClock;
use crate::free::free_together;
use crate::interrupt::InterruptError;
use crate::mbuf::{BURST, Mbuf};
use crate::port::RxHandle;
use crate::station::Station;
use crate::timestamp::RxTimestamps;

/// Bursts of the device that one call looks through for media. A worker takes a call without a packet for a queue that is
/// dry: it sleeps, and closes grains whose time has passed. Frames that are not media must not look like that.
const BURSTS_PER_CALL: usize = 32;

/// A port's receive queue.
pub struct DpdkRx<C> {
    device: Option<RxHandle>,
    /// Whoever sleeps is to be woken by it.
    has_alarm: bool,
    clock: C,
    sorter: Sorter,
    driver_copies: u64,
    /// Packets that have not been sorted.
    arrived: ArrayVec<Mbuf, BURST>,
    counters: Arc<PortCounters>,
    totals: RxCounters,
    capture: Option<CaptureEnd>,
    injection: Option<InjectionEnd>,
    arrivals: Option<Arrivals>,
}

impl<C: Clock> DpdkRx<C> {
    /// A queue on a port. Allocates all memory that it will ever use.
    #[must_use]
    pub fn new(
        device: RxHandle,
        station: &Station,
        capabilities: &Capabilities,
        exchange: RxEnd,
        counters: Arc<PortCounters>,
        clock: C,
    ) -> Self {
        Self {
            device: Some(device),
            has_alarm: false,
            clock,
            sorter: Sorter::new(station, capabilities, exchange, Arc::clone(&counters)),
            driver_copies: capabilities.driver_copies_rx.into(),
            arrived: ArrayVec::new(),
            counters,
            totals: RxCounters::default(),
            capture: None,
            injection: None,
            arrivals: None,
        }
    }

    /// Has frames taken for captures.
    #[must_use]
    pub fn captured_by(mut self, capture: CaptureEnd) -> Self {
        self.capture = Some(capture);
        self
    }

    /// Receives frames of an injection beside those of the device.
    #[must_use]
    pub fn injected_by(mut self, injection: InjectionEnd) -> Self {
        self.injection = Some(injection);
        self
    }

    /// Says when packets arrived as the device does. `clock` is the device's.
    #[must_use]
    pub fn timed_by(mut self, times: RxTimestamps, clock: DeviceClock) -> Self {
        self.arrivals = Some(Arrivals::new(times, clock));
        self
    }

    #[inline]
    fn is_injected(&mut self) -> bool {
        self.injection.as_mut().is_some_and(InjectionEnd::is_on)
    }

    /// Appends what is due of an injection to what the device brought.
    #[cold]
    fn inject(&mut self) {
        let Self { device: Some(device), injection: Some(injection), arrived, clock, .. } = self else { return };
        let now = clock.now();
        while !arrived.is_full()
            && let Some(frame) = injection.due(now)
        {
            let mbuf = device.packet_of(frame);
            injection.pass(now, mbuf.is_some());
            arrived.extend(mbuf);
        }
    }

    /// Takes what has arrived for a capture, before anybody has looked at it.
    #[cold]
    fn show(&mut self) {
        let Self { capture: Some(capture), arrived, arrivals, clock, .. } = self else { return };
        let taken = clock.now();
        let times = arrivals.as_ref().and_then(|arrivals| arrivals.of(taken));
        for mbuf in arrived.iter() {
            let arrival = times.as_ref().map_or(taken, |times| times.arrival(mbuf).0);
            capture.take(arrival, mbuf.octets(), |out| mbuf.copy_out(out));
        }
    }

    /// Takes the port's handle out, for a stop. What has arrived and was not handed out is dropped.
    pub fn detach_device(&mut self) -> Option<RxHandle> {
        self.arrived.clear();
        self.device.take()
    }

    /// Goes on with the handle of the port as started again.
    pub fn attach_device(&mut self, mut device: RxHandle) {
        if self.has_alarm {
            // It had one, and it is the same device. Without one it is polled.
            let _ = device.make_alarm();
        }
        self.device = Some(device);
    }

    /// Wakes who sleeps on it from here on, where the device can ([`RxHandle::make_alarm`]).
    ///
    /// # Errors
    /// [`InterruptError`]; the queue is polled then.
    pub fn wake_by_interrupt(&mut self) -> Result<(), InterruptError> {
        self.has_alarm = true;
        self.device.as_mut().map_or(Ok(()), RxHandle::make_alarm)
    }

    /// Whether there are packets to sort; the device is asked when none are left.
    #[inline]
    fn has_arrived(&mut self, is_captured: bool, is_injected: bool) -> bool {
        if !self.arrived.is_empty() {
            return true;
        }
        let Some(device) = &mut self.device else { return false };
        device.burst(&mut self.arrived);
        if is_injected {
            self.inject();
        }
        if !self.arrived.is_empty() {
            // One wait for memory for all of them, not one for each.
            self.arrived.iter().for_each(Mbuf::prefetch);
            self.arrived.iter().for_each(Mbuf::prefetch_head);
            if is_captured {
                self.show();
            }
            return true;
        }
        let Some(device) = &self.device else { return false };
        // Drivers count this in their own ways, net_af_packet (22.11) not at all.
        let is_dry = !device.has_buffers();
        self.totals.no_buffers += u64::from(is_dry);
        self.counters.rx.no_mbufs.add(u64::from(is_dry));
        false
    }

    /// Sorts as many packets as the burst has room for.
    #[inline]
    fn hand_out(&mut self, burst: &mut Burst<DpdkBuf>, taken: Tai) {
        let Self { sorter, arrived, totals, counters, arrivals, .. } = self;
        let count = arrived.len().min(burst.room());
        let times = arrivals.as_ref().and_then(|arrivals| arrivals.of(taken));
        let (mut packets, mut octets, mut frames) = (0, 0, 0);
        for mbuf in arrived.drain(..count) {
            frames += mbuf.octets() as u64;
            let Some(datagram) = sorter.media(&mbuf) else { continue };
            let arrival = times.map_or((taken, TimeSource::Burst), |times| times.arrival(&mbuf));
            packets += 1;
            octets += u64::from(datagram.payload_octets());
            match First::of(&mbuf, datagram).filter(|first| first.has_head(datagram.payload_octets())) {
                Some(first) => DpdkBuf::place(burst, mbuf, first, datagram, arrival),
                None => place_split(burst, DpdkBuf::split(mbuf, datagram, arrival), counters),
            }
        }
        let copied = self.driver_copies * frames;
        totals.packets += packets;
        totals.octets += octets;
        totals.octets_copied_by_kernel += copied;
        counters.rx.media_packets.add(packets);
        counters.rx.media_octets.add(octets);
        counters.rx.octets_copied_by_driver.add(copied);
    }
}

#[cold]
fn place_split(burst: &mut Burst<DpdkBuf>, packet: DpdkBuf, counters: &PortCounters) {
    counters.rx.headers_pulled_up.add(packet.is_pulled_up().into());
    let fits = burst.push(packet).is_ok();
    debug_assert!(fits, "the burst had room");
}

impl<C: Clock> RxQueue for DpdkRx<C> {
    type Buf = DpdkBuf;

    fn rx_burst(&mut self, burst: &mut Burst<DpdkBuf>) -> usize {
        let before = burst.len();
        let (is_captured, is_injected) = (self.capture.as_mut().is_some_and(CaptureEnd::is_on), self.is_injected());
        for _ in 0..BURSTS_PER_CALL {
            if !self.has_arrived(is_captured, is_injected) {
                break;
            }
            self.sorter.renew();
            let arrival = self.clock.now();
            self.hand_out(burst, arrival);
            if burst.len() > before || burst.room() == 0 {
                break;
            }
        }
        let received = burst.len() - before;
        self.totals.bursts += u64::from(received > 0);
        received
    }

    #[inline]
    fn take_back(&mut self, burst: &mut Burst<DpdkBuf>) {
        free_together(burst.drain().map(DpdkBuf::into_mbuf));
    }

    fn leave(&mut self) {
        self.device.iter().for_each(RxHandle::leave);
    }

    fn counters(&self) -> RxCounters {
        self.totals
    }

    fn alarm(&self) -> Option<Alarm<'_>> {
        self.device.as_ref()?.alarm().map(Alarm)
    }

    fn arm(&mut self) -> bool {
        // The device does not ring for what is injected.
        self.arrived.is_empty() && !self.is_injected() && self.device.as_mut().is_some_and(RxHandle::arm)
    }

    fn disarm(&mut self) {
        self.device.iter_mut().for_each(RxHandle::disarm);
    }

    fn patience(&self) -> Duration {
        self.device.as_ref().map_or(Duration::MAX, RxHandle::patience)
    }
}

impl<C> fmt::Debug for DpdkRx<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpdkRx").field("device", &self.device).field("totals", &self.totals).finish_non_exhaustive()
    }
}
