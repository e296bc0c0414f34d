//! Three workers that refuse paths when they are told to.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use control::SenderSpec;
use netio::{KernelTxConfig, Pacing, Path, PathError, PathId, TxCounters, TxFull};
use worker::IdlePolicy;

use super::super::SenderOrder;
use super::*;
use crate::clock::{ClockKeeper, TaiClock};
use crate::pool::{PoolNames, Seat, ThreadSettings};

type Rx = netio::KernelRx<TaiClock>;
type Kernel = netio::KernelTx<GrainLease>;

/// A kernel queue that opens no path while it refuses.
struct PickyTx {
    queue: Kernel,
    refuses: Arc<AtomicBool>,
}

impl TxQueue for PickyTx {
    type Buf = <Kernel as TxQueue>::Buf;
    type Payload = <Kernel as TxQueue>::Payload;
    type Lease = GrainLease;
    type Received = <Kernel as TxQueue>::Received;

    fn pacing(&self) -> Pacing {
        self.queue.pacing()
    }

    fn open_path(&mut self, path: &Path) -> Result<PathId, PathError> {
        // Relaxed: told before a command that the worker takes through its mailbox.
        if self.refuses.load(Ordering::Relaxed) {
            return Err(PathError::Full { limit: 0 });
        }
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

    fn tx_burst(&mut self, burst: &mut netio::Burst<Self::Buf>) -> usize {
        self.queue.tx_burst(burst)
    }

    fn cancel(&mut self, payload: Self::Payload, unsent: u32) {
        self.queue.cancel(payload, unsent);
    }

    fn reap(&mut self) {
        self.queue.reap();
    }

    fn counters(&self) -> TxCounters {
        self.queue.counters()
    }
}

const KEY: SenderKey = SenderKey(1);

/// Three workers, and the sender that the first serves.
struct Stage {
    pool: Pool<Rx, PickyTx>,
    senders: Forwarders<PickyTx>,
    refuse: [Arc<AtomicBool>; 3],
}

impl Stage {
    fn new() -> Self {
        let refuse: [Arc<AtomicBool>; 3] = Default::default();
        let queue = |refuses: &Arc<AtomicBool>| PickyTx {
            queue: Kernel::new(KernelTxConfig::default()),
            refuses: Arc::clone(refuses),
        };
        let seats =
            refuse.iter().map(|refuses| Seat { core: None, outputs: vec![queue(refuses)], vacancies: 0 }).collect();
        let idle = IdlePolicy::Event { longest: Duration::from_micros(250) }.into();
        let names = PoolNames { worker: "worker", cores_key: "workers.cores" };
        let clock = ClockKeeper::start().clock();
        let pool = Pool::start(names, seats, ThreadSettings { idle, nice: 0 }, &clock, |_| Ok(())).unwrap();
        let destination: SocketAddr = "127.0.0.1:9".parse().unwrap();
        let spec = SenderSpec::new("out".parse().unwrap(), destination);
        let order = SenderOrder::new(KEY, &spec, None);
        let sender = order.build(OutputIndex(0), OutputIndex(0));
        let mut senders = Forwarders::default();
        senders.note(KEY, WorkerIndex(0), order.forwarder(OutputIndex(0)), &sender.counters());
        pool.add_sender(WorkerIndex(0), Box::new(sender)).unwrap();
        Self { pool, senders, refuse }
    }

    fn refuse(&self, workers: &[usize]) {
        for (worker, refuses) in self.refuse.iter().enumerate() {
            refuses.store(workers.contains(&worker), Ordering::Relaxed);
        }
    }

    /// Follows a relay on that worker, or none.
    fn follow(&mut self, worker: Option<usize>) -> Result<(), Stands> {
        let at = |worker| Followed {
            relay: ReceiverKey(70 + worker as u64),
            worker: WorkerIndex(worker),
            output: OutputIndex(0),
        };
        self.senders.follow(&self.pool, KEY, worker.map(at)).map_err(|error| error.stands)
    }

    fn move_to(&mut self, worker: usize) -> Result<(), Stands> {
        self.senders.move_to(&self.pool, KEY, WorkerIndex(worker)).map_err(|error| error.stands)
    }

    /// The workers that have the sender, and those that have its forwarder.
    fn served(&self) -> (Vec<usize>, Vec<usize>) {
        let has = |found: &dyn Fn(WorkerIndex) -> bool| (0..3).filter(|index| found(WorkerIndex(*index))).collect();
        let forwards = |worker| {
            let follows = self.senders.followed(KEY).map(|followed| followed.relay);
            self.pool.follow(worker, KEY, follows).is_ok()
        };
        (has(&|worker| self.pool.connect(worker, KEY, None).is_ok()), has(&forwards))
    }
}

#[test]
fn a_forwarder_that_is_refused_leaves_the_sender_at_home() {
    let mut stage = Stage::new();
    stage.refuse(&[1]);
    assert_eq!(stage.follow(Some(1)), Err(Stands::AsBefore));
    assert_eq!(stage.served(), (vec![0], vec![]));
    assert_eq!(stage.follow(None), Ok(()));
    stage.refuse(&[]);
    assert_eq!(stage.follow(Some(1)), Ok(()));
    assert_eq!(stage.served(), (vec![], vec![1]));
    assert!(stage.senders.remove(&stage.pool, KEY).unwrap());
    assert_eq!(stage.served(), (vec![], vec![]));
}

#[test]
fn a_sender_that_is_not_taken_home_goes_on_forwarding() {
    let mut stage = Stage::new();
    stage.follow(Some(1)).unwrap();
    stage.refuse(&[0]);
    assert_eq!(stage.follow(None), Err(Stands::AsBefore));
    assert_eq!(stage.served(), (vec![], vec![1]));
    stage.refuse(&[]);
    assert_eq!(stage.follow(None), Ok(()));
    assert_eq!(stage.served(), (vec![0], vec![]));
}

#[test]
fn a_forwarder_that_another_worker_refuses_stays_with_its_relay() {
    let mut stage = Stage::new();
    stage.follow(Some(1)).unwrap();
    stage.refuse(&[2]);
    assert_eq!(stage.follow(Some(2)), Err(Stands::AsBefore));
    assert_eq!(stage.served(), (vec![], vec![1]));
    stage.refuse(&[]);
    assert_eq!(stage.follow(Some(2)), Ok(()));
    assert_eq!(stage.served(), (vec![], vec![2]));
}

#[test]
fn a_sender_that_is_not_moved_stays_where_it_was() {
    let mut stage = Stage::new();
    stage.refuse(&[1]);
    assert_eq!(stage.move_to(1), Err(Stands::AsBefore));
    assert_eq!(stage.served(), (vec![0], vec![]));
    stage.refuse(&[]);
    assert_eq!(stage.move_to(1), Ok(()));
    assert_eq!(stage.served(), (vec![1], vec![]));
    stage.follow(Some(2)).unwrap();
    assert_eq!(stage.move_to(0), Err(Stands::AsBefore), "the relay's worker sends its packets");
    stage.follow(None).unwrap();
    assert_eq!(stage.served(), (vec![1], vec![]), "its home is the one that it was moved to");
}

#[test]
fn a_sender_that_nobody_takes_waits_and_comes_home_with_the_next_change() {
    let mut stage = Stage::new();
    stage.refuse(&[0, 1]);
    assert_eq!(stage.move_to(1), Err(Stands::Apart));
    assert_eq!(stage.served(), (vec![], vec![]));
    assert_eq!(stage.move_to(2), Ok(()), "also to another worker");
    assert_eq!(stage.served(), (vec![2], vec![]));
    stage.refuse(&[1, 2]);
    assert_eq!(stage.move_to(1), Err(Stands::Apart));
    assert_eq!(stage.follow(None), Err(Stands::AsBefore));
    stage.refuse(&[1]);
    assert_eq!(stage.follow(None), Ok(()));
    assert_eq!(stage.served(), (vec![2], vec![]));
}

#[test]
fn a_sender_that_waits_is_forgotten() {
    let mut stage = Stage::new();
    stage.refuse(&[0, 1]);
    stage.move_to(1).unwrap_err();
    assert!(stage.senders.remove(&stage.pool, KEY).unwrap());
    assert!(!stage.senders.remove(&stage.pool, KEY).unwrap());
}
