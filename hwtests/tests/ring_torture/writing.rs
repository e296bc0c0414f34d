//! The part of a producer: a flow of its own, epoch after epoch, into which it writes grains as it is told.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use hwtests::{Dice, actor};
use media::Name;
use shm::{Blocking, OpenError, ProduceOptions, Producer, Refusal, Session, SessionError, WakeMode};

use crate::author::Author;
use crate::grain::format;

/// Slots of a pod's ring: for four consumers with K 3 beside three open grains.
const SLOTS: u16 = 20;

/// A producer at work.
struct Writing {
    producer: Producer,
    author: Author,
    dice: Dice,
    /// It was told to open a grain, and has not.
    is_told: bool,
}

/// From `socket flow seed`.
pub(crate) fn run(words: &[String], orders: &Receiver<String>) {
    let [socket, flow, seed] = words else { panic!("a producer was told {words:?}") };
    let session = Session::connect(Path::new(socket)).unwrap();
    let mut dice = Dice::new(seed.parse().unwrap());
    let mut producer = produce(&session, &flow.parse().unwrap(), &mut dice);
    let author = Author::of(producer.writer());
    actor::say("ready");
    Writing { producer, author, dice, is_told: false }.run(orders);
}

impl Writing {
    fn run(mut self, orders: &Receiver<String>) {
        loop {
            match orders.recv_timeout(Duration::from_millis(1)) {
                Ok(order) if order == "write" => self.is_told = true,
                Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.is_told {
                self.open();
            }
            // Also while nobody wants a grain: who reads an open one waits for its end.
            self.author.go_on(self.producer.writer(), &mut self.dice);
            let now = self.author.now();
            self.producer.writer().poll(now);
            self.check();
        }
    }

    fn open(&mut self) {
        match self.author.open(self.producer.writer(), &mut self.dice) {
            Ok(()) => {
                self.is_told = false;
                if self.dice.below(100) == 0 {
                    self.go_over();
                }
                actor::say("wrote");
            }
            // Somebody blocks: it will read on, or its death will be told.
            Err(OpenError::Held { .. }) => actor::say("held up"),
            Err(error) => panic!("{error}"),
        }
    }

    /// To another epoch, whose indices begin anew.
    fn go_over(&mut self) {
        self.author.finish(self.producer.writer(), &mut self.dice);
        self.producer.succeed(format(), Some(SLOTS)).unwrap();
        self.author = Author::of(self.producer.writer());
        actor::say("went over");
    }

    fn check(&mut self) {
        let writer = self.producer.writer();
        let accounts = writer.slot_accounts();
        assert_eq!(accounts.free + accounts.open + accounts.done, SLOTS, "{accounts:?}");
        assert_eq!(writer.counters().no_slot(), 0);
    }
}

/// A flow of that name; the one of a process that was killed may still be there for a moment.
fn produce(session: &Session, flow: &Name, dice: &mut Dice) -> Producer {
    let wake = *dice.choose(&[WakeMode::Inline, WakeMode::Housekeeping]);
    let open_max = dice.between(1, 4) as u16;
    let options = ProduceOptions { slots: Some(SLOTS), open_max, wake, blocking: Blocking::Allowed };
    loop {
        match session.produce(flow, format(), options) {
            Ok(producer) => return producer,
            Err(SessionError::Refused(Refusal::NameTaken)) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{flow}: {error}"),
        }
    }
}
