//! The worker threads of one engine, and the conversation with them.
//!
//! One conversation at a time per worker: a command, then its report. What a report brings back is dropped
//! here, never on the worker. The pool names no backend: its workers poll whatever queues they are started with.

mod convoys;
mod crossing;
mod error;
mod heartbeat;
mod load;
mod refused;
mod relays;
mod requests;

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::{CoreIsolation, WorkerStatus};
use netio::{Doorbell, RxQueue, TxQueue};
use shm::GrainLease;
use worker::{Command, Core, Mailbox, OutputCounters, PulseCounters, Report, Worker, WorkerCounters};

use crate::clock::TaiClock;
use crate::cores::Cores;
use crate::idleness::{self, Idleness};
pub use convoys::Departure;
pub use crossing::{Side, Switch};
use error::ANSWER;
pub(crate) use error::unexpected;
pub use error::{EnterError, NoAnswer, PoolError};
use heartbeat::{Beat, Heartbeat};
pub use load::{UNKNOWN_PACKETS_PER_SECOND, packets_per_second};
pub use refused::Refused;

/// Between two looks for an answer.
const LOOK: Duration = Duration::from_micros(200);

/// What mostly keeps a worker from its turns.
const CORE_TAKEN: &str = "because its core was somebody else's: give it an isolated one (`flypack doctor` says how)";

/// What each worker's thread is started with.
#[derive(Clone, Copy, Debug)]
pub struct ThreadSettings {
    /// When there is nothing to do.
    pub idle: Idleness,
    /// Nice value of the thread.
    pub nice: i32,
}

/// What a pool's workers are called, and which key of the configuration names their cores.
#[derive(Clone, Copy, Debug)]
pub struct PoolNames {
    /// Threads are called this, a dash and their index.
    pub worker: &'static str,
    /// For messages.
    pub cores_key: &'static str,
}

/// A worker to be started.
pub struct Seat<T> {
    /// Its core; `None` lets it float.
    pub core: Option<Core>,
    /// Its transmit queues.
    pub outputs: Vec<T>,
    /// How many more may come.
    pub vacancies: usize,
}

/// Which worker of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerIndex(pub usize);

/// A worker as the gateway sees it.
struct WorkerThread<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    name: String,
    core: Option<Core>,
    isolation: CoreIsolation,
    numa_node: Option<u16>,
    counters: Arc<WorkerCounters>,
    pulse: Arc<PulseCounters>,
    heartbeat: Mutex<Heartbeat>,
    outputs: Vec<Arc<OutputCounters>>,
    receivers: AtomicUsize,
    senders: AtomicUsize,
    /// Packets a second of what it serves, as far as that is known.
    load: AtomicU64,
    mailbox: Arc<Mailbox<R, T>>,
    /// Wakes it when it sleeps.
    bell: Arc<Doorbell>,
    /// Answers that came too late for their question and are still owed.
    owed: Mutex<usize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// All workers of one engine.
pub struct Pool<R: RxQueue, T: TxQueue<Lease = GrainLease>> {
    names: PoolNames,
    workers: Vec<WorkerThread<R, T>>,
    cores: Cores,
    stop: Arc<AtomicBool>,
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Pool<R, T> {
    /// Starts a worker for each seat. `enter` runs first on each worker's thread, pinned already; what it returns is
    /// dropped there after the worker and everything that it serves.
    ///
    /// # Errors
    /// [`PoolError`]; workers started so far are stopped.
    pub fn start<G, E>(
        names: PoolNames,
        seats: Vec<Seat<T>>,
        settings: ThreadSettings,
        clock: &TaiClock,
        enter: E,
    ) -> Result<Self, PoolError>
    where
        T: TxQueue<Lease = GrainLease, Received = R::Buf>,
        G: 'static,
        E: Fn(WorkerIndex) -> Result<G, EnterError> + Clone + Send + 'static,
        Worker<R, T, TaiClock>: Send + 'static,
    {
        check_cores(names.cores_key, seats.iter().filter_map(|seat| seat.core))?;
        let mut pool = Self { names, workers: Vec::new(), cores: Cores::here(), stop: Arc::default() };
        for (index, seat) in seats.into_iter().enumerate() {
            let worker = pool.spawn(WorkerIndex(index), seat, settings, clock, enter.clone())?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    fn spawn<G, E>(
        &self,
        index: WorkerIndex,
        seat: Seat<T>,
        settings: ThreadSettings,
        clock: &TaiClock,
        enter: E,
    ) -> Result<WorkerThread<R, T>, PoolError>
    where
        T: TxQueue<Lease = GrainLease, Received = R::Buf>,
        G: 'static,
        E: Fn(WorkerIndex) -> Result<G, EnterError> + Send + 'static,
        Worker<R, T, TaiClock>: Send + 'static,
    {
        let name = format!("{}-{}", self.names.worker, index.0);
        let (mailbox, bell) = (Mailbox::new(), Doorbell::new()?);
        let worker = Worker::new(clock.clone(), seat.outputs, Arc::clone(&mailbox)).with_vacancies(seat.vacancies);
        let (counters, pulse, outputs) = (worker.counters(), worker.pulse(), worker.output_counters());
        let stop = Arc::clone(&self.stop);
        let core = seat.core;
        let isolation = core.map_or(CoreIsolation::Shared, |core| self.cores.isolation(core.0));
        let (idle, rung) = (settings.idle.on(isolation), Arc::clone(&bell));
        tracing::info!("{name} on {}: idle = {}", place(core), idleness::words(idle));
        let (entered, has_entered) = sync_channel(1);
        let thread = std::thread::Builder::new().name(name.clone()).spawn(move || {
            prepare(core, settings.nice);
            let _guard = match enter(index) {
                Ok(guard) => guard,
                Err(error) => return tell(&entered, Err(error)),
            };
            tell(&entered, Ok(()));
            // Moved here, so that it drops before the guard does.
            let mut worker = worker;
            worker::run(&mut worker, idle, &rung, &stop);
        })?;
        match has_entered.recv() {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => return Err(PoolError::Enter { worker: name, cause }),
            Err(_) => return Err(PoolError::Panicked { worker: name }),
        }
        let heartbeat = Heartbeat::new(Arc::clone(&counters), Arc::clone(&pulse), Instant::now());
        Ok(WorkerThread {
            name,
            core,
            isolation,
            numa_node: core.and_then(|core| self.cores.numa_node(core.0)),
            counters,
            pulse,
            heartbeat: Mutex::new(heartbeat),
            outputs,
            receivers: AtomicUsize::new(0),
            senders: AtomicUsize::new(0),
            load: AtomicU64::new(0),
            mailbox,
            bell,
            owed: Mutex::new(0),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The counters of a worker's outputs, in the order of their indices.
    #[must_use]
    pub fn output_counters(&self, index: WorkerIndex) -> &[Arc<OutputCounters>] {
        self.workers.get(index.0).map_or(&[], |worker| &worker.outputs)
    }

    /// A worker's name, as in its thread's and in status.
    #[must_use]
    pub fn worker_name(&self, index: WorkerIndex) -> &str {
        self.workers.get(index.0).map_or("", |worker| &worker.name)
    }

    /// How long a worker's turns are, and when it stood still.
    #[must_use]
    pub fn pulse(&self, index: WorkerIndex) -> Option<Arc<PulseCounters>> {
        self.workers.get(index.0).map(|worker| Arc::clone(&worker.pulse))
    }

    /// What wakes a worker that sleeps.
    #[cfg(feature = "dpdk")]
    pub(crate) fn bell(&self, index: WorkerIndex) -> Option<&Arc<Doorbell>> {
        self.workers.get(index.0).map(|worker| &worker.bell)
    }

    /// Looks whether the workers turn, and logs what an operator should hear. Some times a second.
    pub fn look(&self, now: Instant) {
        if !self.stop.load(Ordering::Relaxed) {
            self.workers.iter().for_each(|worker| worker.look(now));
        }
    }

    /// The workers as they are now.
    #[must_use]
    pub fn status(&self) -> Vec<WorkerStatus> {
        self.workers.iter().map(WorkerThread::status).collect()
    }

    /// Sends a command and waits for its report.
    ///
    /// # Errors
    /// [`NoAnswer`]; the command's parts are then dropped when the late report is found.
    pub fn ask(&self, index: WorkerIndex, command: Command<R, T>) -> Result<Report<R, T>, NoAnswer> {
        let worker = self.workers.get(index.0).ok_or_else(|| NoAnswer::Ended(self.names.worker.to_owned()))?;
        let mut owed = worker.owed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + ANSWER;
        while *owed > 0 {
            worker.wait(until)?;
            *owed -= 1;
        }
        worker.mailbox.send(command).map_err(|_| NoAnswer::Silent(worker.name.clone()))?;
        worker.bell.ring();
        worker.wait(until).inspect_err(|_| *owed += 1)
    }

    /// Stops all workers and waits for them.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        for worker in &self.workers {
            worker.bell.ring();
            let thread = worker.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if thread.is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("{} panicked; please report the message above", worker.name);
            }
        }
    }

    /// Whether any worker's thread has ended although nobody stopped it.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && self.workers.iter().any(WorkerThread::has_ended)
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> Drop for Pool<R, T> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>> WorkerThread<R, T> {
    fn has_ended(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn heartbeat(&self) -> MutexGuard<'_, Heartbeat> {
        self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, now: Instant) {
        let name = &self.name;
        match self.heartbeat().look(now) {
            None => {}
            Some(Beat::Still(still)) => tracing::error!(
                "{name} stands still for {} ms: nobody serves its flows; if this lasts, see what else runs on its core \
                 (`flypack doctor`), or restart flypackd",
                still.as_millis()
            ),
            Some(Beat::Again) => tracing::info!("{name} turns again"),
            Some(Beat::Stood { times: 1, last }) => {
                tracing::warn!("{name} stood still for {} ms, {CORE_TAKEN}", last.as_millis());
            }
            Some(Beat::Stood { times, last }) => {
                tracing::warn!("{name} stood still {times} times, lastly for {} ms, {CORE_TAKEN}", last.as_millis());
            }
        }
    }

    fn wait(&self, until: Instant) -> Result<Report<R, T>, NoAnswer> {
        loop {
            // Asked before the mailbox: an answer may be the last thing that the thread did.
            let has_ended = self.has_ended();
            if let Some(report) = self.mailbox.report() {
                return Ok(report);
            }
            if has_ended {
                return Err(NoAnswer::Ended(self.name.clone()));
            }
            if Instant::now() >= until {
                return Err(NoAnswer::Silent(self.name.clone()));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn status(&self) -> WorkerStatus {
        let count = |number: &AtomicUsize| number.load(Ordering::Relaxed) as u32;
        let pulse = self.heartbeat().status(Instant::now());
        let mut counters = self.counters.values();
        counters.push(("standstills", pulse.standstills));
        WorkerStatus {
            name: self.name.clone(),
            core: self.core.map(|core| core.0 as u32),
            isolation: self.isolation,
            numa_node: self.numa_node,
            receivers: count(&self.receivers),
            senders: count(&self.senders),
            placed_packets_per_second: self.load.load(Ordering::Relaxed),
            pulse,
            counters,
        }
    }
}

/// An operator's words.
fn place(core: Option<Core>) -> String {
    core.map_or_else(|| "any core".to_owned(), |Core(core)| format!("core {core}"))
}

/// How much later than asked for the kernel may end a nap, nanoseconds. Its own 50 µs are a bunch of packets that were due, and
/// more than the first nap.
const TIMER_SLACK_NANOS: NonZeroU64 = NonZeroU64::new(5_000).expect("not zero");

/// Makes the calling thread a worker's.
fn prepare(core: Option<Core>, nice: i32) {
    let thread = std::thread::current();
    let name = thread.name().unwrap_or_default();
    if let Some(core) = core
        && let Err(usable) = worker::run::pin(core)
    {
        tracing::warn!("{name} could not be pinned to core {}; usable: {usable:?}", core.0);
    }
    if let Err(error) = rustix::process::setpriority_process(None, nice) {
        tracing::info!("{name} keeps its priority, not workers.nice = {nice}: {error}");
    }
    if let Err(error) = rustix::thread::set_current_timer_slack(Some(TIMER_SLACK_NANOS)) {
        tracing::info!("the naps of {name} may be 50 µs longer than they are to be: {error}");
    }
}

fn tell(entered: &SyncSender<Result<(), EnterError>>, outcome: Result<(), EnterError>) {
    // Whoever starts the pool waits for this.
    let _ = entered.send(outcome);
}

/// Refuses cores that this process may not use, and two workers on one: they would take turns.
///
/// # Errors
/// [`PoolError::Core`] or [`PoolError::CoreTwice`], naming `key`.
pub fn check_cores(key: &'static str, cores: impl Iterator<Item = Core>) -> Result<(), PoolError> {
    let usable = worker::run::usable_cores();
    let mut taken = Vec::new();
    for Core(core) in cores {
        if !usable.contains(&core) {
            return Err(PoolError::Core { key, core, usable });
        }
        if taken.contains(&core) {
            return Err(PoolError::CoreTwice { key, core });
        }
        taken.push(core);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
