//! The two ends of a pair, whatever their messages go through.

use anyhow::Result;

use crate::clock;
use crate::message::Mark;

/// How messages go out.
pub trait Sender {
    /// Meets the receivers.
    ///
    /// # Errors
    /// When they are not there.
    fn connect(&mut self) -> Result<()> {
        Ok(())
    }

    /// Lets receivers join; called now and then while nothing is measured.
    fn host(&mut self) {}

    /// Opens or loans the next message, and writes its number into its first and last octets.
    ///
    /// # Errors
    /// When there is no room for one.
    fn prepare(&mut self, number: u64) -> Result<()>;

    /// Writes when it was finished, and publishes it.
    ///
    /// # Errors
    /// When it cannot be sent.
    fn send(&mut self, stamp: u64) -> Result<()>;
}

/// A message that was read.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// What it carries; none where messages carry nothing.
    pub(crate) mark: Option<Mark>,
    /// When it was read.
    pub(crate) seen: u64,
}

impl Taken {
    /// Read just now.
    #[inline]
    #[must_use]
    pub fn now(mark: Option<Mark>) -> Self {
        Self { mark, seen: clock::now() }
    }
}

/// How messages come in.
pub trait Receiver {
    /// Meets the sender.
    ///
    /// # Errors
    /// When it is not there.
    fn connect(&mut self) -> Result<()>;

    /// Waits for the next message, validates and reads it, and looks at the clock. The message stays as it is until
    /// [`Self::release`].
    ///
    /// # Errors
    /// When none comes, or it is not whole.
    fn take(&mut self) -> Result<Taken>;

    /// Lets the message go.
    fn release(&mut self);
}
