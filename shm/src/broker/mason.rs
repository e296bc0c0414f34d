//! The thread that makes, seals and unmaps regions: prefaulting hundreds of megabytes takes time that the
//! housekeeping thread does not have.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::Shared;
use super::state::State;
use crate::{Geometry, PagePolicy, Region, SealedRegion};

/// What it does.
#[derive(Debug)]
pub(super) enum Job {
    /// Makes a region for a pod.
    Make(Geometry, PagePolicy),
    /// Seals a region that its producer has mapped.
    Seal(Box<Region>),
    /// Unmaps a region that nobody uses here any more.
    Drop(SealedRegion),
}

/// Works until the broker stops.
pub(super) fn run(shared: &Arc<Shared>, jobs: &Receiver<Job>) {
    for job in jobs {
        match job {
            Job::Make(geometry, policy) => {
                let made = Region::create(geometry, policy, &*shared.hooks);
                shared.lock().region_made(geometry.epoch, made);
            }
            Job::Seal(region) => {
                let epoch = region.geometry().epoch;
                let sealed = region.seal();
                shared.lock().region_sealed(epoch, sealed);
            }
            Job::Drop(region) => drop(region),
        }
        shared.poll.wake();
    }
}

impl State {
    /// Queues a job. The number waiting is bounded by that of flows and rings being made.
    pub(super) fn hand_to_mason(&mut self, job: Job) {
        if let Some(mason) = &self.mason {
            // It ends only after `mason` is gone; a job that comes back is dropped here instead.
            let _ = mason.send(job);
        }
    }
}
