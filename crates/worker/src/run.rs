//! The thread of a worker: pinned, turning until it is told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use media::Clock;
use netio::{Doorbell, RxQueue, TxQueue};
use shm::GrainLease;

use crate::idle::{Idle, IdlePolicy, Rest};
use crate::worker::{Berth, Slept, Worker};

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

/// Turns `worker` until `stop` is set. What it serves then stays as it is: who wants a grain whole, or what waits sent, asks for
/// that first. Whoever sends it a command, or sets `stop`, rings `bell`, or waits for the end of a nap.
pub fn run<R, T, C>(worker: &mut Worker<R, T, C>, policy: IdlePolicy, bell: &Arc<Doorbell>, stop: &AtomicBool)
where
    R: RxQueue,
    T: TxQueue<Lease = GrainLease, Received = R::Buf>,
    C: Clock,
{
    let (mut idle, mut berth) = (Idle::new(policy), Berth::new(Arc::clone(bell)));
    // Relaxed: a flag without data behind it.
    while !stop.load(Ordering::Relaxed) {
        let turn = worker.turn();
        if turn.is_busy {
            idle.awake();
            continue;
        }
        match idle.next(turn.due_in_nanos) {
            Rest::Spin => std::hint::spin_loop(),
            Rest::Nap(nap) => take_nap(worker, nap),
            Rest::Sleep { longest, or_nap } => {
                match worker.sleep_in(&mut berth, longest) {
                    // What woke it may be a moment away still.
                    Slept::UntilWoken => idle.awake(),
                    Slept::ToTheEnd => {}
                    Slept::NotAtAll => take_nap(worker, or_nap),
                }
            }
        }
    }
}

/// How long a nap of `nap` is to be.
pub(crate) fn nap_of<R, T, C>(worker: &Worker<R, T, C>, nap: Duration) -> Duration
where
    R: RxQueue,
    T: TxQueue<Lease = GrainLease, Received = R::Buf>,
    C: Clock,
{
    nap.min(worker.patience())
}

/// Leaves the queues alone for a while, but not for longer than they can be.
fn take_nap<R, T, C>(worker: &mut Worker<R, T, C>, nap: Duration)
where
    R: RxQueue,
    T: TxQueue<Lease = GrainLease, Received = R::Buf>,
    C: Clock,
{
    let nap = nap_of(worker, nap);
    worker.rest(u64::try_from(nap.as_nanos()).unwrap_or(u64::MAX));
    std::thread::sleep(nap);
}
