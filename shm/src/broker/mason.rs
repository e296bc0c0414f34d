//! The thread that makes, seals and unmaps regions: prefaulting hundreds of megabytes takes time that the
//! housekeeping thread does not have.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use media::Name;

use super::Shared;
use super::brought::identity;
use super::records::Records;
use super::state::State;
use crate::protocol::{Blocking, RingRecord};
use crate::view::DataView;
use crate::{Geometry, PagePolicy, Region, SealedRegion, WakeMode};

/// What it does.
#[derive(Debug)]
pub(super) enum Job {
    /// Makes a region for a pod.
    Make(Geometry, PagePolicy),
    /// Seals a region that its producer has mapped, and writes it down.
    Seal(Box<Region>, Box<Draft>),
    /// Removes the record of an epoch that is gone.
    Forget(u128),
    /// Unmaps a region that nobody uses here any more, from devices first.
    Unmap(DataView),
}

/// What is written down of a ring besides what its region says.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Name,
    pub(super) uid: u32,
    pub(super) blocking: Blocking,
    pub(super) wake: WakeMode,
}

impl Draft {
    /// Whether it was written.
    fn write(self, ring: &SealedRegion, records: &Records) -> bool {
        let Self { name, uid, blocking, wake } = self;
        let files = identity(&ring.fds().control).zip(identity(&ring.fds().data));
        files.is_some_and(|(control, data)| {
            let geometry = *ring.geometry();
            records.write(&RingRecord { name, uid, control, data, blocking, wake, geometry }).is_ok()
        })
    }
}

/// Works until the broker stops.
pub(super) fn run(shared: &Arc<Shared>, jobs: &Receiver<Job>) {
    for job in jobs {
        match job {
            Job::Make(geometry, _) if !shared.lock().is_wanted(geometry.epoch) => {}
            Job::Make(geometry, policy) => {
                let made = shared.make(geometry, policy);
                shared.lock().region_made(geometry.epoch, made);
            }
            Job::Seal(region, draft) => {
                let epoch = region.geometry().epoch;
                let sealed = region.seal_or_return();
                let records = shared.lock().records.clone();
                // Before the flow exists: it is never without its record.
                let written = sealed.as_ref().ok().zip(records).map(|(ring, records)| draft.write(ring, &records));
                let mut state = shared.lock();
                state.counters.records_failed += u64::from(written == Some(false));
                state.region_sealed(epoch, sealed);
            }
            Job::Forget(epoch) => {
                let records = shared.lock().records.clone();
                records.iter().for_each(|records| records.remove(epoch));
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
    /// Queues a job. The number waiting is bounded by those of flows and of rings being made: what was to be made counts
    /// until the mason has seen that nobody wants it any more. False if the mason is gone: then the job is dropped here.
    pub(super) fn hand_to_mason(&mut self, job: Job) -> bool {
        self.mason.as_ref().is_some_and(|mason| mason.send(job).is_ok())
    }
}
