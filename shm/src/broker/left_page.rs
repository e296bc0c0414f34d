//! Lease pages of consumers that are gone, until it is known that nobody has them.
//!
//! A page is small, but it is charged to this process, and who joins and leaves again and again could keep any number.
//! The consumer has a description for writing; the pod that produces has one for reading. So it is known who keeps it: that
//! many of a user's pages and no more, then its consumers, or those of its flows, are refused.

use super::given_file::GivenFile;
use super::state::State;
use crate::CONSUMERS_MAX;
use crate::protocol::Refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct LeftPage {
    /// Whose consumer it was.
    consumer: u32,
    /// Whose pod produces the flow; none: the gateway does.
    producer: Option<u32>,
    file: GivenFile,
    /// Whose process keeps it, as far as is known.
    keeper: u32,
}

impl LeftPage {
    pub(super) const fn new(consumer: u32, producer: Option<u32>, file: GivenFile) -> Self {
        Self { consumer, producer, file, keeper: consumer }
    }

    /// Whether another process has it; and who that is of.
    pub(super) fn is_held(&mut self) -> bool {
        let held = self.file.is_held();
        if held && let Some(producer) = self.producer {
            self.keeper = if self.file.is_held_for_writing() { self.consumer } else { producer };
        }
        held
    }
}

impl State {
    /// Whether a pod of `consumer` may join a flow that a pod of `producer` produces (none: the gateway), as far as the pages
    /// go that they keep.
    ///
    /// # Errors
    /// The refusal.
    pub(super) fn check_pages(&mut self, consumer: u32, producer: Option<u32>) -> Result<(), Refusal> {
        self.may_leave_pages(consumer, producer).or_else(|_| {
            self.collect_released();
            self.may_leave_pages(consumer, producer)
        })
    }

    fn may_leave_pages(&self, uid: u32, producer: Option<u32>) -> Result<(), Refusal> {
        let kept_by = |uid: u32| self.left_pages.iter().filter(|page| page.keeper == uid).count();
        let limit = self.limits.consumers_per_uid;
        if kept_by(uid) >= limit as usize {
            return Err(Refusal::UserConsumers { uid, limit });
        }
        match producer.filter(|uid| kept_by(*uid) >= usize::from(CONSUMERS_MAX)) {
            Some(_) => Err(Refusal::ProducerRefused),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LeasePage;

    #[test]
    fn a_page_counts_against_whoever_keeps_it() {
        let page = LeasePage::create().unwrap();
        let (consumers, producers) = (page.consumer_fd().unwrap(), page.producer_fd().unwrap());
        let mut left = LeftPage::new(7, Some(8), GivenFile::new(page.into_fd()));
        assert!(left.is_held());
        assert_eq!(left.keeper, 7);
        drop(consumers);
        assert!(left.is_held());
        assert_eq!(left.keeper, 8);
        drop(producers);
        assert!(!left.is_held());
    }
}
