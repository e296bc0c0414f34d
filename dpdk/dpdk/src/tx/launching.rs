//! Has the device send each packet at its own time.

use media::Clock;
use netio::{BURST, Burst, PathId, Planned, StableBytes, TxFull};

use super::{DpdkTx, DpdkTxBuf};
use crate::counters::PortCounters;
use crate::device_clock::DeviceClock;
use crate::launch::LaunchTimes;
use crate::payload::Payload;

/// Writes times into packets, as the device's clock has them.
#[derive(Debug)]
pub(super) struct Launcher {
    times: LaunchTimes,
    clock: DeviceClock,
}

impl<L: StableBytes, C: Clock> DpdkTx<L, C> {
    /// Makes packets, as [`Self::gather_each`], and has each leave at its time.
    pub(super) fn gather_launched(
        &mut self,
        path: PathId,
        payload: &Payload<L>,
        packets: impl Iterator<Item = Planned>,
        out: &mut Burst<DpdkTxBuf>,
    ) -> Result<(), TxFull> {
        let mut planned = [Planned::default(); BURST];
        let places = planned.iter_mut().take(out.room());
        let count = places.zip(packets).map(|(place, packet)| *place = packet).count();
        let (planned, before) = (planned.get(..count).unwrap_or_default(), out.len());
        let outcome = self.gather_each(path, payload, planned.iter().copied(), out);
        if let Some(launcher) = &self.launcher {
            launcher.give(planned, (out, before), &self.counters);
        }
        outcome
    }
}

impl Launcher {
    pub(super) const fn new(times: LaunchTimes, clock: DeviceClock) -> Self {
        Self { times, clock }
    }

    /// Gives the packets of `burst` behind the first `before` the times of `planned`, of which they are the first ones. Without a
    /// pairing of the clocks a packet has no time, and leaves as soon as it can.
    pub(super) fn give(
        &self,
        planned: &[Planned],
        (burst, before): (&mut Burst<DpdkTxBuf>, usize),
        counters: &PortCounters,
    ) {
        let pairing = self.clock.pairing();
        let (mut timed, mut untimed) = (0, 0);
        for (packet, planned) in burst.iter_mut().skip(before).zip(planned) {
            let Some(launch) = planned.launch else { continue };
            let is_timed = pairing.is_some_and(|pairing| packet.leave_at(&self.times, pairing.ticks_at(launch)));
            timed += u64::from(is_timed);
            untimed += u64::from(!is_timed);
        }
        counters.tx.launch_timed.add(timed);
        counters.tx.launch_untimed.add(untimed);
    }
}
