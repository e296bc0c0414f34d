//! The thread that makes, seals and unmaps regions: prefaulting hundreds of megabytes takes time that the
//! housekeeping thread does not have.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::Shared;
use super::state::State;
use crate::view::DataView;
use crate::{Geometry, PagePolicy, Region};

/// What it does.
#[derive(Debug)]
pub(super) enum Job {
    /// Makes a region for a pod.
    Make(Geometry, PagePolicy),
    /// Seals a region that its producer has mapped.
    Seal(Box<Region>),
    /// Unmaps a region that nobody uses here any more, from devices first.
    Unmap(DataView),
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
            Job::Unmap(view) => {
                drop(view);
                shared.lock().views.unmapped();
            }
        }
        shared.poll.wake();
    }
}

impl State {
    /// Queues a job. The number waiting is bounded by that of flows and rings being made. False if the mason is gone:
    /// then the job is dropped here.
    pub(super) fn hand_to_mason(&mut self, job: Job) -> bool {
        self.mason.as_ref().is_some_and(|mason| mason.send(job).is_ok())
    }
}
