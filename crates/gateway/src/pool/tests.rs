//! Threads of workers over queues of nobody: what is started, entered, and left.

use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use netio::{Burst, KernelTxConfig, Pacing, Path, PathError, PathId, TxCounters, TxFull};
use worker::{IdlePolicy, OutputIndex, PortKey};

use super::*;
use crate::clock::ClockKeeper;

type Rx = netio::KernelRx<TaiClock>;
type Tx = netio::KernelTx<GrainLease>;

const NAMES: PoolNames = PoolNames { worker: "worker", cores_key: "workers.cores" };

fn settings() -> ThreadSettings {
    ThreadSettings { idle: IdlePolicy::Event { longest: Duration::from_micros(250) }.into(), nice: 0 }
}

fn seats(cores: &[Option<usize>]) -> Vec<Seat<Tx>> {
    let seat = |core: &Option<usize>| Seat {
        core: core.map(Core),
        outputs: vec![Tx::new(KernelTxConfig::default())],
        vacancies: 0,
    };
    cores.iter().map(seat).collect()
}

#[test]
fn a_core_that_is_named_twice_is_an_error() {
    let core = worker::run::usable_cores()[0];
    let clock = ClockKeeper::start().clock();
    let pool = Pool::<Rx, Tx>::start(NAMES, seats(&[Some(core); 2]), settings(), &clock, |_| Ok(()));
    assert!(matches!(pool, Err(PoolError::CoreTwice { core: twice, .. }) if twice == core));
}

#[test]
fn a_core_that_is_not_there_is_an_error_that_names_those_that_are() {
    let clock = ClockKeeper::start().clock();
    let pool = Pool::<Rx, Tx>::start(NAMES, seats(&[Some(usize::MAX)]), settings(), &clock, |_| Ok(()));
    let error = pool.err().unwrap().to_string();
    assert!(error.contains("workers.cores") && error.contains(&worker::run::usable_cores()[0].to_string()), "{error}");
}

#[test]
fn the_kernel_ends_a_workers_naps_on_time() {
    let clock = ClockKeeper::start().clock();
    let (told, slack) = channel();
    let enter = move |_| {
        told.send(rustix::thread::current_timer_slack().unwrap()).unwrap();
        Ok(())
    };
    let pool = Pool::<Rx, Tx>::start(NAMES, seats(&[None]), settings(), &clock, enter).unwrap();
    assert_eq!(slack.recv().unwrap(), TIMER_SLACK_NANOS.get());
    drop(pool);
}

/// A transmit queue that nobody sends by. It notes when it drops, and holds its worker up when it is told to.
struct JournalTx {
    queue: Tx,
    journal: Arc<Mutex<Vec<String>>>,
    holds: Receiver<Hold>,
}

/// `entered` is told when the worker waits, which it does until the other end of `until` is gone.
struct Hold {
    entered: SyncSender<()>,
    until: Receiver<()>,
}

impl Drop for JournalTx {
    fn drop(&mut self) {
        self.journal.lock().unwrap().push("the queue is gone".to_owned());
    }
}

impl JournalTx {
    fn new(journal: Arc<Mutex<Vec<String>>>) -> (Self, Sender<Hold>) {
        let (holder, holds) = channel();
        (Self { queue: Tx::new(KernelTxConfig::default()), journal, holds }, holder)
    }
}

impl TxQueue for JournalTx {
    type Buf = <Tx as TxQueue>::Buf;
    type Payload = <Tx as TxQueue>::Payload;
    type Lease = GrainLease;
    type Received = <Tx as TxQueue>::Received;

    fn pacing(&self) -> Pacing {
        self.queue.pacing()
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        self.queue.open_path(path)
    }

    fn close_path(&mut self, path: PathId) {
        self.queue.close_path(path);
    }

    fn attach(&mut self, lease: GrainLease, packets: u32) -> Result<Self::Payload, (TxFull, GrainLease)> {
        self.queue.attach(lease, packets)
    }

    fn gather(&mut self, _: PathId, _: &[u8], _: &Self::Payload, _: Range<u32>) -> Result<Self::Buf, TxFull> {
        Err(TxFull::Path)
    }

    fn forward(&mut self, _: PathId, _: &[u8], _: &Self::Received, _: u16) -> Result<Self::Buf, TxFull> {
        Err(TxFull::Path)
    }

    fn tx_burst(&mut self, burst: &mut Burst<Self::Buf>) -> usize {
        self.queue.tx_burst(burst)
    }

    fn cancel(&mut self, payload: Self::Payload, unsent: u32) {
        self.queue.cancel(payload, unsent);
    }

    fn reap(&mut self) {
        if let Ok(hold) = self.holds.try_recv() {
            hold.entered.send(()).unwrap();
            let _ = hold.until.recv();
        }
        self.queue.reap();
    }

    fn counters(&self) -> TxCounters {
        self.queue.counters()
    }
}

/// Notes when it drops, and on which thread. Not `Send`, as a thread's registration may not be.
struct Guard(Arc<Mutex<Vec<String>>>, PhantomData<Rc<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(format!("{thread} left"));
    }
}

#[test]
fn the_hook_runs_on_the_workers_thread_and_its_guard_lives_as_long() {
    let journal: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&journal);
    let clock = ClockKeeper::start().clock();
    let (queue, _holder) = JournalTx::new(Arc::clone(&journal));
    let seats = vec![Seat { core: None, outputs: vec![queue], vacancies: 0 }];
    let pool = Pool::<Rx, JournalTx>::start(NAMES, seats, settings(), &clock, move |index| {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        noted.lock().unwrap().push(format!("{thread} is {}", index.0));
        Ok(Guard(Arc::clone(&noted), PhantomData))
    })
    .unwrap();
    assert_eq!(*journal.lock().unwrap(), ["worker-0 is 0"]);
    pool.stop();
    assert!(!pool.has_failed());
    assert_eq!(*journal.lock().unwrap(), ["worker-0 is 0", "the queue is gone", "worker-0 left"]);
}

#[test]
fn a_hook_that_refuses_stops_the_start() {
    let clock = ClockKeeper::start().clock();
    let pool = Pool::<Rx, Tx>::start(NAMES, seats(&[None, None]), settings(), &clock, |index| {
        if index.0 == 1 { Err("no lcore is left".into()) } else { Ok(()) }
    });
    assert_eq!(pool.err().unwrap().to_string(), "worker-1 cannot start: no lcore is left");
}

#[test]
fn a_port_that_is_not_there_cannot_be_detached() {
    let clock = ClockKeeper::start().clock();
    let pool = Pool::<Rx, Tx>::start(NAMES, seats(&[None]), settings(), &clock, |_| Ok(())).unwrap();
    let port = PortKey { input: Some(worker::InputKey(7)), output: OutputIndex(0) };
    assert!(pool.detach(WorkerIndex(0), port).is_err());
}

#[test]
fn a_worker_that_is_held_up_is_seen_while_it_lasts() {
    let clock = ClockKeeper::start().clock();
    let (queue, holder) = JournalTx::new(Arc::default());
    let seats = vec![Seat { core: None, outputs: vec![queue], vacancies: 0 }];
    let pool = Pool::<Rx, JournalTx>::start(NAMES, seats, settings(), &clock, |_| Ok(())).unwrap();
    let (entered, is_held) = sync_channel(1);
    let (release, until) = channel::<()>();
    holder.send(Hold { entered, until }).unwrap();
    is_held.recv().unwrap();
    // The first look sees the last turns, the second none since.
    let start = Instant::now();
    pool.look(start);
    let still = |pool: &Pool<Rx, JournalTx>, later: Duration| {
        let worker = &pool.workers[0];
        worker.look(start + later);
        worker.heartbeat().status(start + later).still
    };
    // Housekeeping may have looked a moment earlier.
    let lasted = still(&pool, Duration::from_millis(900));
    assert!(lasted.is_some_and(|lasted| lasted >= Duration::from_millis(900)), "{lasted:?}");
    drop(release);
    while still(&pool, Duration::from_secs(2)).is_some() {
        std::thread::yield_now();
    }
}
