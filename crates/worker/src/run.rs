//! The thread of a worker: pinned, turning until it is told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use media::Clock;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use crate::idle::{Idle, IdlePolicy};
use crate::worker::Worker;

/// A core to pin to, by the kernel's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core(pub usize);

/// Pins the calling thread.
///
/// # Errors
/// The cores that this process may use, when `core` is none of them or the kernel refuses.
pub fn pin(core: Core) -> Result<(), Vec<usize>> {
    let pinned = core_affinity::set_for_current(core_affinity::CoreId { id: core.0 });
    if pinned { Ok(()) } else { Err(usable_cores()) }
}

/// The cores that this process may use.
#[must_use]
pub fn usable_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Turns `worker` until `stop` is set; what it serves is finished in the last turn.
pub fn run<R, T, C>(worker: &mut Worker<R, T, C>, policy: IdlePolicy, stop: &AtomicBool)
where
    R: RxQueue,
    T: TxQueue<Lease = GrainLease>,
    C: Clock,
{
    let mut idle = Idle::new(policy);
    // Relaxed: a flag without data behind it.
    while !stop.load(Ordering::Relaxed) {
        let turn = worker.turn();
        if turn.is_busy {
            idle.awake();
        } else if let Some(sleep) = idle.next_sleep(turn.due_in_nanos) {
            worker.rest(u64::try_from(sleep.as_nanos()).unwrap_or(u64::MAX));
            std::thread::sleep(sleep);
        } else {
            std::hint::spin_loop();
        }
    }
}
