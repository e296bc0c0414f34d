//! Who wakes the consumers of a pod's own ring.

use std::io;
use std::sync::Arc;

use rustix::io::Errno;

use crate::WakeMode;
use crate::wake::{Bell, Reached, Sleepers, Waker, Waking, WakingRing, WakingSeat, WatchId};
use crate::{FrameWriter, Geometry, Mapping};

/// The waker of one producer.
#[derive(Debug)]
pub(super) struct RingWaker {
    waker: Waker,
    epoch: u128,
}

impl RingWaker {
    /// Starts the thread, if somebody is to wake, and has `writer` do its part. `control` is mapped for writing.
    pub(super) fn start(mode: WakeMode, writer: &mut FrameWriter, control: Mapping) -> io::Result<Option<Self>> {
        let waking = match mode {
            WakeMode::None => return Ok(None),
            WakeMode::Housekeeping => Waking::Housekeeping,
            WakeMode::Inline => {
                let sleepers = Arc::new(Sleepers::new());
                writer.wake_inline(Arc::clone(&sleepers));
                Waking::Inline(sleepers)
            }
        };
        let geometry: &Geometry = writer.geometry();
        let (epoch, waker) = (geometry.epoch, Waker::start(Waker::PERIOD)?);
        waker.add(WakingRing { epoch, control, reached: Reached::of(geometry), waking });
        Ok(Some(Self { waker, epoch }))
    }

    /// Looks after a new consumer.
    pub(super) fn watch(&self, seat: u8, lease: &Arc<Mapping>, bell: &Arc<Bell>) -> Result<WatchId, Errno> {
        let (lease, bell) = (Arc::clone(lease), Arc::clone(bell));
        self.waker.watch(WakingSeat { epoch: self.epoch, seat, lease, bell })
    }

    pub(super) fn forget(&self, id: WatchId) {
        self.waker.forget(id);
    }
}
