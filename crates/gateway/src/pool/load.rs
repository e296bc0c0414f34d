//! Where something new is placed: on the worker that has the fewest packets a second, among those near its memory.

use std::sync::atomic::Ordering;

use control::DataplaneError;
use media::VideoFormat;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::{Pool, WorkerIndex, WorkerThread};

/// Payload of a packet that the load is reckoned with, octets.
const PAYLOAD_OCTETS: u32 = 1_200;

/// What a sender counts for as long as nobody knows what it will send: a stream of 1080p59.94.
pub const UNKNOWN_PACKETS_PER_SECOND: u64 = 260_000;

/// Packets a second of a stream, about.
#[must_use]
pub fn packets_per_second(format: &VideoFormat) -> u64 {
    let period = format.rate().period_nanos().unsigned_abs().max(1);
    u64::from(format.frame_octets().div_ceil(PAYLOAD_OCTETS)) * 1_000_000_000 / period
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// The worker with the least to do; where some have cores on the NUMA node `near`, one of these.
    #[must_use]
    pub fn lightest(&self, near: Option<u16>) -> WorkerIndex {
        self.lightest_of(near, |_| true)
    }

    /// The same among some workers, of which there is one at least.
    #[must_use]
    pub fn lightest_of(&self, near: Option<u16>, serves: impl Fn(WorkerIndex) -> bool) -> WorkerIndex {
        let is_near = |worker: &WorkerThread<R, T>| near.is_none() || worker.numa_node == near;
        let candidates = || self.workers.iter().enumerate().filter(|(index, _)| serves(WorkerIndex(*index)));
        let any_is_near = candidates().any(|(_, worker)| is_near(worker));
        let nearby = candidates().filter(|(_, worker)| !any_is_near || is_near(worker));
        let least = nearby.min_by_key(|(_, worker)| worker.load_and_number());
        WorkerIndex(least.map_or(0, |(index, _)| index))
    }

    /// Something that a worker serves has other packets a second than before; 0: it comes, or goes.
    pub fn burden(&self, worker: WorkerIndex, before: u64, now: u64) {
        let Some(worker) = self.workers.get(worker.0) else { return };
        // Relaxed: changes come one at a time, and who reads it only compares.
        let _ = worker.load.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |load| {
            Some(load.saturating_sub(before).saturating_add(now))
        });
    }

    /// The worker of that name, or its number.
    ///
    /// # Errors
    /// There is none; the error names those that there are.
    pub fn named(&self, name: &str) -> Result<WorkerIndex, DataplaneError> {
        let number = name.parse().ok().filter(|index| *index < self.workers.len());
        let found = self.workers.iter().position(|worker| worker.name == name).or(number);
        found.map(WorkerIndex).ok_or_else(|| {
            let names: Vec<&str> = self.workers.iter().map(|worker| worker.name.as_str()).collect();
            DataplaneError::Unsupported {
                what: format!("a move to worker {name:?}"),
                remedy: format!("it can go to one of: {}", names.join(", ")),
            }
        })
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> WorkerThread<R, T> {
    /// By which workers are compared.
    fn load_and_number(&self) -> (u64, usize) {
        let number = self.receivers.load(Ordering::Relaxed) + self.senders.load(Ordering::Relaxed);
        (self.load.load(Ordering::Relaxed), number)
    }
}
