//! What a recorder has under way: a thread each, told to stop, waited for, and forgotten when it ended long ago.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use control::ArchiveError;

/// How many that have ended are remembered, of each kind.
pub(super) const ENDED_MAX: usize = 32;

/// A thread, what it says of itself, and how it is told to stop.
pub(super) struct Job<P> {
    /// Rises from one to the next.
    number: u32,
    pub(super) progress: Arc<P>,
    pub(super) stop: Arc<AtomicBool>,
    /// None once somebody waits for it.
    pub(super) thread: Option<JoinHandle<()>>,
}

impl<P: Send + Sync + 'static> Job<P> {
    /// Begins to `run`, which looks at the flag whether it is to stop.
    ///
    /// # Errors
    /// The system has no thread to give; `run` is dropped then.
    pub(super) fn begin(
        number: u32,
        name: &str,
        progress: P,
        run: impl FnOnce(&P, &AtomicBool) + Send + 'static,
    ) -> Result<Self, ArchiveError> {
        let (progress, stop) = (Arc::new(progress), Arc::new(AtomicBool::new(false)));
        let (words, flag) = (Arc::clone(&progress), Arc::clone(&stop));
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || run(&words, &flag));
        let thread = thread.map_err(|cause| ArchiveError::Refused(Box::new(cause)))?;
        Ok(Self { number, progress, stop, thread: Some(thread) })
    }
}

impl<P> Job<P> {
    /// Has it stop, and waits for its last word.
    pub(super) fn end(&mut self) {
        // A flag alone: what the thread did is seen by the join.
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic has been reported by the panic hook.
            let _ = thread.join();
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

/// Forgets those that have ended, all but the [`ENDED_MAX`] that were begun last.
pub(super) fn forget<K: Ord + Clone, P>(jobs: &mut BTreeMap<K, Job<P>>) {
    let ended = jobs.iter().filter(|(_, job)| !job.is_running());
    let mut ended: Vec<(u32, K)> = ended.map(|(key, job)| (job.number, key.clone())).collect();
    ended.sort_unstable();
    ended.iter().rev().skip(ENDED_MAX).for_each(|(_, key)| {
        // A thread that has ended keeps its stack until somebody joins it.
        jobs.remove(key).iter_mut().for_each(Job::end);
    });
}
