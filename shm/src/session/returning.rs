//! The way back to a gateway that was restarted.
//!
//! A producer goes on without a gateway. Meanwhile a thread tries to reach the next one; then the producer brings its
//! ring, and names its consumers, which the gateway has to know to give out no seat twice.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use rustix::io::Errno;

use super::link::Link;
use super::signals::Signals;
use crate::protocol::{AdoptionFault, Member, PodMessage, Refusal, RingRequest, Version};

/// Between two attempts: at first, and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The request under which a ring is brought.
pub(super) const ADOPTION: u32 = 1;

/// What it takes to come back.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) path: PathBuf,
    /// As the ring was asked for.
    pub(super) request: RingRequest,
    /// The ring's memory, to show that it is the same.
    control: OwnedFd,
    data: OwnedFd,
    found: Receiver<Link>,
    finder: Sender<Link>,
}

impl Home {
    pub(super) fn new(path: PathBuf, request: RingRequest, control: OwnedFd, data: OwnedFd) -> Self {
        let (finder, found) = mpsc::channel();
        Self { path, request, control, data, found, finder }
    }

    /// Has a thread look for a gateway; [`Self::found`] has the connection then. It waits where this thread may not.
    pub(super) fn search(&self, signals: &Arc<Signals>) {
        let (path, finder, signals) = (self.path.clone(), self.finder.clone(), Arc::clone(signals));
        let search = move || {
            let mut pause = FIRST_PAUSE;
            while !signals.is_stopping() {
                std::thread::sleep(pause);
                pause = (2 * pause).min(LONGEST_PAUSE);
                if let Ok(link) = Link::open(&path) {
                    // Nobody takes it: the producer has dropped.
                    let _ = finder.send(link);
                    return signals.poll.wake();
                }
            }
        };
        // Without a thread the producer goes on alone.
        let _ = std::thread::Builder::new().name("flypack-return".to_owned()).spawn(search);
    }

    /// A connection that was found.
    pub(super) fn found(&self) -> Option<Link> {
        self.found.try_recv().ok()
    }

    /// Brings the ring with its consumers. The answer comes as that of the request [`ADOPTION`].
    pub(super) fn bring(&self, link: &Link, epoch: u128, members: impl Iterator<Item = Member>) -> Result<(), Errno> {
        if link.version() < Version::V2 {
            return Err(Errno::PROTO);
        }
        for member in members {
            link.say(&PodMessage::Member(member))?;
        }
        let message = PodMessage::Adopt { epoch, name: self.request.name.clone() };
        match link.say_with(&message, ADOPTION, &[self.control.as_fd(), self.data.as_fd()]) {
            // It lets no descriptors be passed by who has no ring to bring: it shall say so.
            Err(Errno::PERM) => link.say_with(&message, ADOPTION, &[]),
            said => said,
        }
    }
}

/// Whether a gateway that refuses a ring so may take it later.
pub(super) const fn may_change(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Adoption(AdoptionFault::Known | AdoptionFault::NameTaken)
            | Refusal::Stopping
            | Refusal::NameTaken
            | Refusal::Flows { .. }
            | Refusal::UserFlows { .. }
            | Refusal::UserMemory { .. }
            | Refusal::PodMemory { .. }
    )
}
