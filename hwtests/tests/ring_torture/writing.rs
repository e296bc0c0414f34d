//! The part of a producer: a flow of its own, into which it writes grains as it is told.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hwtests::{Dice, actor};
use media::{Name, Tai};
use shm::{Producer, Refusal, Session, SessionError};

use crate::grain::{Grains, PERIOD_NANOS, format};

/// Slots of a pod's ring: for four consumers with K 3, and some to spare.
const SLOTS: u16 = 20;

/// From `socket flow seed`.
pub(crate) fn run(words: &[String], orders: &Receiver<String>) {
    let [socket, flow, seed] = words else { panic!("a producer was told {words:?}") };
    let session = Session::connect(Path::new(socket)).unwrap();
    let mut producer = produce(&session, &flow.parse().unwrap());
    let grains = Grains::of(producer.writer().geometry().epoch);
    let mut dice = Dice::new(seed.parse().unwrap());
    let mut index = 0;
    actor::say("ready");
    loop {
        match orders.recv_timeout(Duration::from_millis(1)) {
            Ok(order) if order == "write" => {
                index = grains.opened_from(index + 1);
                grains.write(producer.writer(), index, &mut dice).unwrap();
                check(&mut producer);
                actor::say("wrote");
            }
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                producer.writer().poll(Tai::from_nanos(index as i64 * PERIOD_NANOS));
            }
        }
    }
}

/// A flow of that name; the one of a process that was killed may still be there for a moment.
fn produce(session: &Session, flow: &Name) -> Producer {
    loop {
        match session.produce(flow, format(), Some(SLOTS)) {
            Ok(producer) => return producer,
            Err(SessionError::Refused(Refusal::NameTaken)) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{flow}: {error}"),
        }
    }
}

fn check(producer: &mut Producer) {
    let accounts = producer.writer().slot_accounts();
    assert_eq!(accounts.free + accounts.open + accounts.done, SLOTS, "{accounts:?}");
    assert_eq!(producer.writer().counters().no_slot(), 0);
}
