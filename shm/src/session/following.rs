//! Reading one grain after the other: the next, one by its index, one by its instant; waiting for its lines.

use std::time::Instant;

use media::{GrainIndex, Tai};

use super::consumer::Consumer;
use crate::{GrainLease, GrainState, ReadError, WaitError};

impl Consumer {
    /// The oldest grain that was opened and not passed yet; sleeps until there is one, at most until `deadline`. It may
    /// still be open: see [`Self::wait`]. It may be partial or cancelled, as its [`GrainLease::state`] says.
    ///
    /// # Errors
    /// [`WaitError`]; after [`ReadError::Evicted`], [`Self::rejoin`].
    pub fn next(&mut self, deadline: Instant) -> Result<GrainLease, WaitError> {
        loop {
            let index = self.reader().wait_next(deadline)?;
            match self.reader().lease(index) {
                // Overwritten between the two: there is a later one.
                Err(ReadError::Gone { .. } | ReadError::NotYet { .. } | ReadError::Torn { .. }) => {
                    if Instant::now() >= deadline {
                        return Err(WaitError::TimedOut { index, slices: 0, reached: None });
                    }
                }
                leased => return leased.map_err(WaitError::Read),
            }
        }
    }

    /// Grain `index`, if it was opened and is still there; passes what is below it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn get(&mut self, index: GrainIndex) -> Result<GrainLease, ReadError> {
        self.reader().lease(index)
    }

    /// The grain nearest to `instant`, as [`Self::get`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn at(&mut self, instant: Tai) -> Result<GrainLease, ReadError> {
        let index = self.reader().geometry().index_at(instant);
        self.get(index)
    }

    /// Sleeps until `slices` slices of a leased grain are final, or it has ended, at most until `deadline`. More slices
    /// than a grain has wait for its end.
    ///
    /// # Errors
    /// [`WaitError`]; [`ReadError::Foreign`] for a lease of another consumer, or of this one before [`Self::rejoin`]: the
    /// same index may be another picture there.
    pub fn wait(&mut self, lease: &GrainLease, slices: u16, deadline: Instant) -> Result<GrainState, WaitError> {
        self.reader().check_own(lease)?;
        self.wait_until(lease.index(), slices, deadline)
    }

    /// As [`Self::wait`] for grain `index`, leased or not, also one that is not open yet.
    ///
    /// # Errors
    /// [`WaitError`].
    pub fn wait_until(&mut self, index: GrainIndex, slices: u16, deadline: Instant) -> Result<GrainState, WaitError> {
        self.reader().wait_until(index, slices, deadline)
    }
}
