//! A device's clock, for ports that send and receive by it: measured before the first packet, and looked at from then on.
//!
//! **Untested on hardware**: of the devices without any only net_pcap has a clock, and none has launch times.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use dpdk::device_clock::{ClockFollower, DeviceClock};
use dpdk::eal::Eal;
use dpdk::launch::LaunchTimes;
use dpdk::port::{Port, Started, Wish};
use dpdk::timestamp::{RxTimestamps, TimestampError};

use super::error::PortCause;
use super::{Rx, Tx};
use crate::clock::TaiClock;
use crate::config::{ArrivalConfig, PacingConfig};
use crate::port_plan::PortPlan;

/// Between the two looks that a port's first pace is taken from: 20 ms tell it to some ten parts in a million.
const FIRST_LOOKS_APART: Duration = Duration::from_millis(20);

/// What a port has of its device's clock.
pub(super) struct Timing {
    ours: TaiClock,
    follower: Mutex<ClockFollower>,
    /// Packets leave at the times that stand in them.
    pub(super) launch: Option<LaunchTimes>,
    /// Packets have the times of their arrival.
    pub(super) arrival: Option<RxTimestamps>,
}

/// Whether a port is to have launch times.
pub(super) const fn launch_wish(plan: &PortPlan) -> Wish {
    match plan.pacing {
        PacingConfig::Auto => Wish::WhereThere,
        PacingConfig::Launch => Wish::Needed,
        PacingConfig::Software => Wish::No,
    }
}

/// Whether its packets are to have the times of their arrival.
pub(super) const fn arrival_wish(plan: &PortPlan) -> Wish {
    match plan.arrival {
        ArrivalConfig::Auto => Wish::WhereThere,
        ArrivalConfig::Device => Wish::Needed,
        ArrivalConfig::Burst => Wish::No,
    }
}

/// A queue that has packets leave at their times, where its port does.
pub(super) fn on_tx(timing: Option<&Timing>, tx: Tx) -> Tx {
    match timing.and_then(|timing| Some((timing.launch?, timing.clock()))) {
        Some((times, clock)) => tx.launched_by(times, clock),
        None => tx,
    }
}

/// A queue that says when packets arrived as its device does, where its port does.
pub(super) fn on_rx(timing: Option<&Timing>, rx: Rx) -> Rx {
    match timing.and_then(|timing| Some((timing.arrival?, timing.clock()))) {
        Some((times, clock)) => rx.timed_by(times, clock),
        None => rx,
    }
}

impl Timing {
    /// What is asked for and there; `None` when that is nothing. Takes a moment: the device's clock is measured.
    pub(super) fn of(
        port: &Port<Started>,
        plan: &PortPlan,
        eal: &Eal,
        ours: &TaiClock,
    ) -> Result<Option<Self>, PortCause> {
        let can = port.capabilities();
        let launches = launch_wish(plan) != Wish::No && can.launch_time;
        let arrives = arrival_wish(plan) != Wish::No && can.rx_timestamps;
        if !launches && !arrives {
            return Ok(None);
        }
        match Self::measured(port, eal, ours, (launches, arrives)) {
            Ok(timing) => Ok(Some(timing)),
            Err(error) if launch_wish(plan) == Wish::Needed || arrival_wish(plan) == Wish::Needed => {
                Err(PortCause::Clock(error))
            }
            Err(error) => {
                tracing::info!("port {}: {error}: its worker paces, and packets arrive when they are taken", plan.name);
                Ok(None)
            }
        }
    }

    fn measured(
        port: &Port<Started>,
        eal: &Eal,
        ours: &TaiClock,
        (launches, arrives): (bool, bool),
    ) -> Result<Self, TimestampError> {
        let mut follower = ClockFollower::default();
        follower.follow(port.clock_pair(ours)?);
        thread::sleep(FIRST_LOOKS_APART);
        follower.follow(port.clock_pair(ours)?);
        if follower.clock().pairing().is_none() {
            return Err(TimestampError::StandsStill { device: port.config().device.clone() });
        }
        let launch = launches.then(|| LaunchTimes::register(eal)).transpose()?;
        let arrival = arrives.then(|| RxTimestamps::register(eal)).transpose()?;
        Ok(Self { ours: ours.clone(), follower: Mutex::new(follower), launch, arrival })
    }

    /// What the port's queues read.
    pub(super) fn clock(&self) -> DeviceClock {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner).clock()
    }

    /// Times that the device's clock, or ours, was set.
    pub(super) fn steps(&self) -> u64 {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner).steps()
    }

    /// Looks at both clocks. One that cannot be read for a while goes on as it went.
    pub(super) fn look(&self, port: &Port<Started>) {
        if let Ok(pair) = port.clock_pair(&self.ours) {
            self.follower.lock().unwrap_or_else(PoisonError::into_inner).follow(pair);
        }
    }
}
