//! The worker threads, and the conversation with them.
//!
//! One conversation at a time per worker: a command, then its report. What a report brings back is dropped
//! here, never on the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use netio::{KernelRx, KernelTx, KernelTxConfig};
use shm::GrainLease;
use worker::{Command, Core, IdlePolicy, Mailbox, Report, Worker, WorkerCounters};

use crate::clock::TaiClock;

/// Receive queues of this build.
pub type Rx = KernelRx<TaiClock>;
/// Transmit queues of this build.
pub type Tx = KernelTx<GrainLease>;

/// How long a worker may take to answer. A switch waits for a grain to end.
const ANSWER: Duration = Duration::from_secs(10);

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_micros(200);

/// What each worker's thread is started with.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSettings {
    /// When there is nothing to do.
    pub idle: IdlePolicy,
    /// Nice value of the thread.
    pub nice: i32,
    /// The transmit queue.
    pub tx: KernelTxConfig,
}

/// Which worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerIndex(pub usize);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The worker takes too long.
    #[error("worker-{} did not answer within {} s; if this lasts, restart flypackd", .0.0, ANSWER.as_secs())]
    Silent(WorkerIndex),
    /// The worker's thread is gone.
    #[error("worker-{} has ended: restart flypackd, and report what its log says", .0.0)]
    Ended(WorkerIndex),
}

/// Why no worker could be started.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// A core that this process may not use.
    #[error("workers.cores names core {core}, which this process may not use; it may use {usable:?}")]
    Core {
        /// The core asked for.
        core: usize,
        /// Those that would work.
        usable: Vec<usize>,
    },
    /// Two workers on one core would take turns.
    #[error("workers.cores names core {0} twice: one worker a core; name each once")]
    CoreTwice(usize),
    /// The system gave no thread.
    #[error("a worker's thread cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// A worker as the gateway sees it.
pub struct WorkerThread {
    /// Its core; `None` when it floats.
    pub core: Option<Core>,
    /// Its own counters.
    pub counters: Arc<WorkerCounters>,
    /// Receivers that it serves.
    pub receivers: AtomicUsize,
    /// Senders that it serves.
    pub senders: AtomicUsize,
    mailbox: Arc<Mailbox<Rx, Tx>>,
    /// Answers that came too late for their question and are still owed.
    owed: Mutex<usize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// All workers.
pub struct Pool {
    workers: Vec<WorkerThread>,
    stop: Arc<AtomicBool>,
}

impl Pool {
    /// Starts one pinned worker per core, or one that floats.
    ///
    /// # Errors
    /// [`PoolError`]; workers started so far are stopped.
    pub fn start(cores: &[usize], settings: &ThreadSettings, clock: &TaiClock) -> Result<Self, PoolError> {
        let usable = worker::run::usable_cores();
        if let Some(&core) = cores.iter().find(|core| !usable.contains(core)) {
            return Err(PoolError::Core { core, usable });
        }
        if let Some((_, &core)) = cores.iter().enumerate().find(|(at, core)| cores[..*at].contains(core)) {
            return Err(PoolError::CoreTwice(core));
        }
        let wanted: Vec<Option<Core>> =
            if cores.is_empty() { vec![None] } else { cores.iter().map(|core| Some(Core(*core))).collect() };
        let mut pool = Self { workers: Vec::new(), stop: Arc::default() };
        for (index, core) in wanted.into_iter().enumerate() {
            let worker = pool.spawn(index, core, settings, clock)?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    fn spawn(
        &self,
        index: usize,
        core: Option<Core>,
        settings: &ThreadSettings,
        clock: &TaiClock,
    ) -> Result<WorkerThread, PoolError> {
        let mailbox = Mailbox::new();
        let tx = Tx::new(settings.tx);
        let mut worker = Worker::<Rx, Tx, TaiClock>::new(clock.clone(), vec![tx], Arc::clone(&mailbox));
        let counters = worker.counters();
        let stop = Arc::clone(&self.stop);
        let ThreadSettings { idle, nice, .. } = *settings;
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            if let Some(core) = core
                && let Err(usable) = worker::run::pin(core)
            {
                tracing::warn!("worker-{index} could not be pinned to core {}; usable: {usable:?}", core.0);
            }
            if let Err(error) = rustix::process::setpriority_process(None, nice) {
                tracing::info!("worker-{index} keeps its priority, not workers.nice = {nice}: {error}");
            }
            worker::run(&mut worker, idle, &stop);
        })?;
        Ok(WorkerThread {
            core,
            counters,
            receivers: AtomicUsize::new(0),
            senders: AtomicUsize::new(0),
            mailbox,
            owed: Mutex::new(0),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The workers in order.
    #[must_use]
    pub fn workers(&self) -> &[WorkerThread] {
        &self.workers
    }

    /// The worker that serves the fewest.
    #[must_use]
    pub fn least_loaded(&self) -> WorkerIndex {
        let load =
            |worker: &WorkerThread| worker.receivers.load(Ordering::Relaxed) + worker.senders.load(Ordering::Relaxed);
        let least = self.workers.iter().enumerate().min_by_key(|(_, worker)| load(worker));
        WorkerIndex(least.map_or(0, |(index, _)| index))
    }

    /// Sends a command and waits for its report.
    ///
    /// # Errors
    /// [`NoAnswer`]; the command's parts are then dropped when the late report is found.
    pub fn ask(&self, index: WorkerIndex, command: Command<Rx, Tx>) -> Result<Report<Rx, Tx>, NoAnswer> {
        let worker = self.workers.get(index.0).ok_or(NoAnswer::Ended(index))?;
        let mut owed = worker.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + ANSWER;
        while *owed > 0 {
            worker.wait(index, until)?;
            *owed -= 1;
        }
        worker.mailbox.send(command).map_err(|_| NoAnswer::Silent(index))?;
        worker.wait(index, until).inspect_err(|_| *owed += 1)
    }

    /// Stops all workers and waits for them.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in &self.workers {
            let thread = worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("a worker panicked; please report the message above");
            }
        }
    }

    /// Whether any worker's thread has ended although nobody stopped it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.workers.iter().any(WorkerThread::has_ended)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.stop();
    }
}

impl WorkerThread {
    fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn wait(&self, index: WorkerIndex, until: Instant) -> Result<Report<Rx, Tx>, NoAnswer> {
        loop {
            // Asked before the mailbox: an answer may be the last thing that the thread did.
            let has_ended = self.has_ended();
            if let Some(report) = self.mailbox.report() {
                return Ok(report);
            }
            if has_ended {
                return Err(NoAnswer::Ended(index));
            }
            if Instant::now() >= until {
                return Err(NoAnswer::Silent(index));
            }
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockKeeper;

    #[test]
    fn a_core_that_is_named_twice_is_an_error() {
        let core = worker::run::usable_cores()[0];
        let idle = IdlePolicy::Sleep { longest: Duration::from_micros(250) };
        let settings = ThreadSettings { idle, nice: 0, tx: KernelTxConfig::default() };
        let pool = Pool::start(&[core, core], &settings, &ClockKeeper::start().clock());
        assert!(matches!(pool, Err(PoolError::CoreTwice(twice)) if twice == core));
    }
}
