//! An input while its worker rests.

use std::time::Duration;

use netio::{Bed, RxQueue};

use super::Input;

impl<R: RxQueue> Input<R> {
    /// How long its queue may be left alone.
    pub(crate) fn patience(&self) -> Duration {
        self.queue.as_ref().map_or(Duration::MAX, |queue| queue.patience())
    }

    /// Puts the queue's alarm into `bed`. Returns whether packets end the sleep; on a detached port there are none.
    pub(crate) fn rouse_by(&self, bed: &Bed) -> bool {
        let Some(queue) = &self.queue else { return true };
        queue.alarm().is_some_and(|alarm| bed.set(alarm).is_ok())
    }

    /// As [`RxQueue::arm`]. One whose receiver is not there is not polled: a command ends that.
    pub(crate) fn arm(&mut self) -> bool {
        if self.is_waiting() {
            return true;
        }
        self.queue.as_mut().is_none_or(|queue| queue.arm())
    }

    /// As [`RxQueue::disarm`].
    pub(crate) fn disarm(&mut self) {
        self.queue.iter_mut().for_each(|queue| queue.disarm());
    }
}
