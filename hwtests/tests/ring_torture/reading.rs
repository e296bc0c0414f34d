//! The part of a consumer: joins, reads, holds, leaves, joins elsewhere.

use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use hwtests::{Dice, actor};
use shm::{Consumer, ConsumerClass, Session, SessionError, Start, SubscribeOptions};

use crate::grain::PERIOD_NANOS;
use crate::stay::{End, Stay};

/// What a consumer is told when it starts.
pub(crate) struct Reading {
    session: Session,
    flows: Vec<String>,
    /// Stays in its flow for ever.
    steady: bool,
    dice: Dice,
    orders: Receiver<String>,
}

impl Reading {
    /// From `socket flow,flow steady seed`.
    pub(crate) fn from_words(words: &[String], orders: Receiver<String>) -> Self {
        let [socket, flows, kind, seed] = words else { panic!("a consumer was told {words:?}") };
        let session = Session::connect(Path::new(socket)).unwrap();
        let flows = flows.split(',').map(str::to_owned).collect();
        Self { session, flows, steady: kind == "steady", dice: Dice::new(seed.parse().unwrap()), orders }
    }

    fn options(&mut self) -> SubscribeOptions {
        let start = *self.dice.choose(&[Start::Live, Start::Oldest]);
        SubscribeOptions { class: self.class(), start, expect: None }
    }

    fn class(&mut self) -> ConsumerClass {
        let k = self.dice.between(1, 4) as u16;
        match self.dice.below(6) {
            _ if self.steady => ConsumerClass::Leased { k: 3, deadline_nanos: i64::MAX },
            0 => ConsumerClass::Lossy,
            // Ten grains: nobody who is waited for is ever so late.
            1 => ConsumerClass::Leased { k, deadline_nanos: 10 * PERIOD_NANOS },
            // Not of the gateway's flow, which waits for nobody.
            2 | 3 => ConsumerClass::Blocking { k },
            _ => ConsumerClass::Leased { k, deadline_nanos: i64::MAX },
        }
    }

    pub(crate) fn run(mut self) {
        while !self.is_told() {
            let options = self.options();
            let flow = self.dice.choose(&self.flows).parse().unwrap();
            let mut joined = self.take_seat(self.session.subscribe_with(&flow, options));
            while let Some(consumer) = joined {
                actor::say(if options.start == Start::Oldest { "joined at the oldest" } else { "joined" });
                joined = match self.stay(consumer) {
                    (End::Told, _) => return,
                    (End::Enough | End::ProducerGone, _) => None,
                    (End::Evicted, mut consumer) => {
                        actor::say("evicted");
                        let again = consumer.rejoin(&self.session);
                        self.take_seat(again.map(|()| consumer))
                    }
                    (End::EpochEnded(successor), consumer) => self.follow(consumer, successor),
                };
            }
        }
    }

    fn stay(&mut self, consumer: Consumer) -> (End, Consumer) {
        let enough = if self.steady { u64::MAX } else { self.dice.between(1, 200) };
        let (end, consumer) = Stay::new(consumer, &mut self.dice, &self.orders).last(enough);
        assert!(!self.steady || end == End::Told, "the end of one who stays: {end:?}");
        (end, consumer)
    }

    /// Into the epoch that follows.
    fn follow(&mut self, mut consumer: Consumer, successor: Option<u128>) -> Option<Consumer> {
        let before = consumer.reader().geometry().epoch;
        let again = consumer.rejoin(&self.session);
        let mut consumer = self.take_seat(again.map(|()| consumer))?;
        let epoch = consumer.reader().geometry().epoch;
        assert_ne!(epoch, before, "the epoch that has ended was given out again");
        // The producer may have gone over once more, or be another one.
        actor::say(if successor == Some(epoch) { "followed" } else { "followed later" });
        Some(consumer)
    }

    fn take_seat(&mut self, answer: Result<Consumer, SessionError>) -> Option<Consumer> {
        match answer {
            Ok(consumer) => Some(consumer),
            Err(SessionError::Refused(refusal)) => {
                actor::say(&format!("refused {}", format!("{refusal:?}").split(' ').next().unwrap()));
                std::thread::sleep(Duration::from_millis(self.dice.below(20)));
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn is_told(&self) -> bool {
        !matches!(self.orders.try_recv(), Err(TryRecvError::Empty))
    }
}
