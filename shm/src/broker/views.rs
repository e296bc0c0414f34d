//! Views of data regions that outlive their flows, and the readers of this process that hold them.
//!
//! The broker keeps a reference to each view and to each membership of this process until nobody else has one. So
//! whoever drops the last lease, a worker perhaps, never unmaps anything and never waits for a device to be told: the
//! housekeeping thread finds the reference that is left, and what takes long the mason does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Shared;
use super::mason::Job;
use super::state::State;
use crate::FrameReader;
use crate::reader::{Departure, Remains};
use crate::view::DataView;

/// How soon to look whether the leases of a reader that is gone have dropped, too.
const DEPARTED: Duration = Duration::from_millis(5);
/// How soon to look whether a view is still in use that nobody says anything about.
const RETIRED: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Views {
    readers: Vec<OwnReader>,
    /// Of regions that are no flow's any more.
    retired: Vec<DataView>,
    /// How many the mason has yet to unmap.
    unmapping: usize,
}

/// A reader of this process.
#[derive(Debug)]
struct OwnReader {
    remains: Remains,
    /// The reader has dropped; leases of it may be left.
    departed: Arc<AtomicBool>,
}

impl Views {
    /// How soon to look again; none is until a reader drops, which wakes the housekeeping thread.
    pub(super) fn patience(&self) -> Option<Duration> {
        // Acquire: pairs with Departure::drop.
        if self.readers.iter().any(|reader| reader.departed.load(Ordering::Acquire)) {
            return Some(DEPARTED);
        }
        (!self.retired.is_empty()).then_some(RETIRED)
    }

    /// Views of flows that are gone, which are still mapped.
    pub(super) fn uncollected(&self) -> usize {
        self.retired.len() + self.unmapping
    }

    /// The mason has unmapped one.
    pub(super) fn unmapped(&mut self) {
        self.unmapping -= 1;
    }
}

impl Shared {
    /// A new reader of this process, which the broker puts away in the end.
    pub(super) fn keep(&self, mut reader: FrameReader) -> FrameReader {
        let departed = Arc::new(AtomicBool::new(false));
        let remains = reader.depart_with(Departure::new(Arc::clone(&departed), Arc::clone(&self.poll)));
        self.lock().views.readers.push(OwnReader { remains, departed });
        reader
    }
}

impl State {
    /// Unmaps a region's view once nobody reads through it.
    pub(super) fn retire(&mut self, view: DataView) {
        self.views.retired.push(view);
    }

    /// Puts away what only the broker still holds.
    pub(super) fn collect_views(&mut self) {
        self.views.readers.retain_mut(|reader| !reader.remains.are_all());
        let unused: Vec<DataView> = self.views.retired.extract_if(.., DataView::is_last).collect();
        for view in unused {
            if self.hand_to_mason(Job::Unmap(view)) {
                self.views.unmapping += 1;
            }
        }
    }

    /// The broker ends. What devices reach and somebody still holds is never unmapped: whoever drops it last must not,
    /// and nobody is left who could. How many views that are.
    pub(super) fn abandon_views(&mut self) -> usize {
        self.collect_views();
        let Views { readers, retired, .. } = std::mem::take(&mut self.views);
        let reached = readers.into_iter().filter(|reader| reader.remains.are_mapped_for_dma());
        reached.for_each(|reader| std::mem::forget(reader.remains));
        let kept = retired.into_iter().filter(DataView::is_mapped_for_dma).map(std::mem::forget);
        kept.count()
    }
}
