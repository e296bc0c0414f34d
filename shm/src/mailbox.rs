//! The mailbox between a writer and its housekeeping thread: who joins and who is gone goes in, what became of
//! it comes out. Both ways are bounded; neither side waits for the other, also not for one that was stopped in the middle
//! of a call.

pub(crate) mod queue;

use std::sync::Arc;

use media::GrainIndex;

use crate::consumer::{CONSUMERS_MAX, ConsumerClass, Start};
use crate::mapping::Mapping;
use queue::Queue;

/// To the writer.
#[derive(Debug)]
pub enum Mail {
    /// A consumer was admitted.
    Join {
        /// Its seat, below [`CONSUMERS_MAX`].
        consumer: u8,
        /// Its class.
        class: ConsumerClass,
        /// Where it begins.
        start: Start,
        /// Its lease page, mapped read-only. Shared: whoever wakes the consumer reads the same page.
        lease: Arc<Mapping>,
        /// Drawn at random per membership; not 0.
        nonce: u64,
    },
    /// A consumer is gone: its life pipe hung up, and no device reads on its behalf.
    Gone {
        /// Its seat.
        consumer: u8,
        /// Its membership; another one in the same seat is left alone.
        nonce: u64,
    },
    /// The operator wants a consumer out, whatever its class and however well it keeps up. It is evicted as one that
    /// was too slow: what it holds is in quarantine until it acknowledges or is gone. Of a blocking consumer that may be
    /// the whole ring, and each grain is dropped meanwhile.
    Evict {
        /// Its seat.
        consumer: u8,
        /// Its membership; another one in the same seat is left alone.
        nonce: u64,
    },
}

/// From the writer.
#[derive(Debug)]
pub enum Notice {
    /// The consumer is in: now it may be told.
    Joined {
        /// Its seat.
        consumer: u8,
        /// Its membership.
        nonce: u64,
        /// Its first grain.
        eff: GrainIndex,
    },
    /// The consumer cannot join: the seat is taken or does not exist, K is not within the geometry's limits, or it is a
    /// blocking one and this writer does not wait.
    Refused {
        /// The seat that was asked for.
        consumer: u8,
        /// The membership.
        nonce: u64,
        /// To be dropped by the housekeeper (munmap is a system call).
        lease: Arc<Mapping>,
    },
    /// The consumer was too slow, or the operator wanted it out. Its slots stay quarantined until it acknowledges or is gone.
    Evicted {
        /// Its seat.
        consumer: u8,
        /// Its membership.
        nonce: u64,
        /// First grain that is out of its reach.
        hi: GrainIndex,
    },
    /// The seat is empty again and may be given away.
    Released {
        /// The seat.
        consumer: u8,
        /// The membership that ended.
        nonce: u64,
        /// To be dropped by the housekeeper (munmap is a system call).
        lease: Arc<Mapping>,
    },
}

/// Both ways of one ring.
#[derive(Debug)]
pub struct Mailbox {
    mail: Queue<Mail>,
    notices: Queue<Notice>,
}

/// Notices that the seats may still bring forth without any further mail: `Evicted` and `Released` each.
const NOTICES_RESERVED: usize = 2 * CONSUMERS_MAX as usize;

impl Mailbox {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        Self {
            mail: Queue::new(2 * CONSUMERS_MAX as usize),
            notices: Queue::new(NOTICES_RESERVED + CONSUMERS_MAX as usize),
        }
    }

    /// Housekeeper: hands `mail` to the writer.
    ///
    /// # Errors
    /// Gives the mail back when the writer has not polled for long, or another thread posts at this moment; try again
    /// later.
    pub fn post(&self, mail: Mail) -> Result<(), Mail> {
        self.mail.push(mail)
    }

    /// Housekeeper: the next notice. None also while another thread takes one.
    #[must_use]
    pub fn take_notice(&self) -> Option<Notice> {
        self.notices.pop()
    }

    /// Writer: the next mail. None also while the housekeeper leaves notices lying: each mail brings at
    /// most one, and the room for those that need no mail stays reserved, so that [`Self::notify`] always finds room.
    pub(crate) fn next_mail(&self) -> Option<Mail> {
        if self.mail.seems_empty() || self.notices.room() <= NOTICES_RESERVED { None } else { self.mail.pop() }
    }

    /// Writer: tells the housekeeper.
    pub(crate) fn notify(&self, notice: Notice) {
        let kept = self.notices.push(notice);
        debug_assert!(kept.is_ok(), "room for notices is reserved");
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}
