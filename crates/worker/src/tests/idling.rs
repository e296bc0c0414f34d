//! How long a worker that has nothing to do stays away: never longer than its queues can be left alone.

use std::sync::Arc;
use std::time::Duration;

use media::ManualClock;
use netio::sim::{Faults, SimBuf, SimNet, SimRx, SimRxConfig, SimTx};
use netio::{Burst, Doorbell, RxCounters, RxQueue};
use shm::GrainLease;

use crate::command::{Command, Mailbox, Report};
use crate::idle::{Idle, IdlePolicy, Rest};
use crate::input::Input;
use crate::key::InputKey;
use crate::run::nap_of;
use crate::worker::{Berth, Slept, Worker};

/// A queue that rings for nothing, and may be left alone for so long.
struct Patient(SimRx, Duration);

impl RxQueue for Patient {
    type Buf = SimBuf;

    fn rx_burst(&mut self, burst: &mut Burst<SimBuf>) -> usize {
        self.0.rx_burst(burst)
    }

    fn counters(&self) -> RxCounters {
        self.0.counters()
    }

    fn patience(&self) -> Duration {
        self.1
    }
}

type Polling = Worker<Patient, SimTx<GrainLease>, ManualClock>;

fn polling(patiences: &[Duration]) -> Polling {
    let (clock, mailbox) = (ManualClock::default(), Mailbox::new());
    let net = SimNet::new(1, Faults::default(), clock.clone());
    let mut worker = Worker::new(clock, Vec::new(), Arc::clone(&mailbox));
    for (key, patience) in (0..).zip(patiences) {
        let rx = net.open_rx(SimRxConfig::of(([239, 1, 1, key as u8], 5_004).into()));
        let input = Input::private(InputKey(key), Patient(rx, *patience));
        assert!(mailbox.send(Command::AddInput(Box::new(input))).is_ok());
        worker.turn();
        assert!(matches!(mailbox.report(), Some(Report::Added)));
    }
    worker
}

#[test]
fn a_worker_stays_away_no_longer_than_every_queue_can_be_left_alone() {
    let (longest, micros) = (Duration::from_millis(10), Duration::from_micros);
    for patiences in [vec![], vec![Duration::MAX], vec![micros(3_000), micros(70), micros(400)], vec![micros(5)]] {
        let bound = patiences.iter().copied().fold(longest, Duration::min);
        for policy in [IdlePolicy::Sleep { longest }, IdlePolicy::Event { longest }] {
            let (mut worker, mut idle) = (polling(&patiences), Idle::new(policy));
            let mut berth = Berth::new(Doorbell::new().unwrap());
            let mut away = Vec::new();
            for _ in 0..40 {
                let nap = match idle.next(None) {
                    Rest::Spin => continue,
                    Rest::Nap(nap) => nap,
                    Rest::Sleep { or_nap, .. } => {
                        // Nothing would end a sleep but the bell, where there is a queue.
                        let slept = !patiences.is_empty() && worker.sleep_in(&mut berth, longest) != Slept::NotAtAll;
                        assert!(!slept, "it sleeps on a queue that does not ring");
                        or_nap
                    }
                };
                away.push(nap_of(&worker, nap));
            }
            assert!(away.iter().all(|nap| *nap <= bound), "{policy:?} {patiences:?}: {away:?}");
            assert_eq!(away.last(), Some(&bound), "{policy:?} {patiences:?}");
        }
    }
}
