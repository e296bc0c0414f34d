//! The thread that asks devices what they are slow to say: nobody else waits for them.

use std::sync::Arc;
use std::sync::TryLockError;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dpdk::extmem::DmaPlacement;

use super::port::{ServedPort, State};
use crate::presence::PresenceHandle;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// The thread; it ends when this drops.
pub(super) struct Watch {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks at the ports now, and then twice a second.
    pub(super) fn start(
        ports: Arc<Vec<ServedPort>>,
        presence: PresenceHandle,
        placement: DmaPlacement,
    ) -> std::io::Result<Self> {
        let (end, ended) = channel::<()>();
        ports.iter().for_each(|port| port.look(&presence));
        let thread = std::thread::Builder::new().name("ports".to_owned()).spawn(move || {
            let mut left_to_cpu = 0;
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                ports.iter().for_each(|port| port.look(&presence));
                tell_left(&placement, &mut left_to_cpu);
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.end.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that watches the ports panicked; please report the message above");
        }
    }
}

/// Logs that further rings could not be given to devices.
fn tell_left(placement: &DmaPlacement, before: &mut u64) {
    let now = placement.left_to_cpu();
    if now > *before {
        tracing::warn!("{now} rings could not be registered with DPDK: cards send copies of their frames");
        *before = now;
    }
}

impl ServedPort {
    /// Finds out why the receive queue has dropped what it says that it dropped.
    fn locate_losses(&self) {
        let reception = self.reception();
        self.seen().losses.look(Instant::now(), reception.dropped.unwrap_or(0), &reception);
    }

    /// Asks the device for its link and counters, unless it is just being restarted.
    fn look(&self, presence: &PresenceHandle) {
        let state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let (link, speed_mbps, stats, trouble) = match &*state {
            State::Running(port) => {
                self.facts.timing.iter().for_each(|timing| timing.look(port));
                let link = port.link();
                (link.up, link.speed_mbps, Some(port.stats()), None)
            }
            State::Stopped { why, .. } => {
                let tries = format!("`flypack ports restart {}` starts it", self.facts.plan.name);
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                (false, None, None, Some(format!("is stopped{why}; {tries}")))
            }
            State::Closed(why) => (false, None, None, Some(format!("is closed: {why}; restart flypackd"))),
        };
        drop(state);
        let mut seen = self.seen();
        let was_up = seen.link_up.replace(link);
        (seen.speed_mbps, seen.trouble) = (speed_mbps, trouble);
        if let Some(stats) = stats {
            seen.note(&stats);
        }
        drop(seen);
        self.locate_losses();
        // Of a network interface of the kernel the presence thread hears it from the kernel.
        if self.facts.plan.device.netdev().is_none() && was_up != Some(link) {
            presence.link(&self.facts.plan.name, link);
        }
    }
}
