//! What a worker does when the gateway asks it.

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;
use crate::command::{Command, Report};
use crate::input::Input;
use crate::key::{InputKey, ReceiverKey, SenderKey};
use crate::limits::WORKER_LIMIT;
use crate::port::{PortKey, QueuePair};
use crate::refusal::{ReceiverRefusal, SenderRefusal};
use crate::sender::{Sender, Source};
use crate::steered::{Leg, SteeredReceiver};
use crate::steering::{Target, named};

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// Takes the next command, if there is one; tells whether there was.
    pub(super) fn take_command(&mut self, now: Tai) -> bool {
        // A sender still owes its answer, or an input: one command at a time.
        if self.draining.is_some() || self.senders.iter().any(|sender| sender.is_unsettled()) {
            return false;
        }
        let Some(command) = self.mailbox.next() else { return false };
        self.obeyed += 1;
        if let Some(report) = self.obey(command, now) {
            self.mailbox.answer(report);
        }
        true
    }

    /// Does what is asked; the answer, unless a sender has to settle first.
    #[cold]
    fn obey(&mut self, command: Command<R, T>, now: Tai) -> Option<Report<R, T>> {
        Some(match command {
            Command::AddInput(input) => self.add_input(input),
            Command::RemoveInput(key) => self.remove_input(key),
            Command::Pause(key) => self.pause(key),
            Command::Resume(key) => self.resume(key),
            Command::Drain(key) => return self.drain(key),
            Command::AddReceiver(receiver) => self.add_receiver(receiver),
            Command::RemoveReceiver(key) => self.remove_receiver(key),
            Command::ReleaseReceiver(key) => self.release_receiver(key),
            Command::AddSender(sender) => self.add_sender(sender),
            Command::RemoveSender(key) => return self.remove_sender(key, now),
            Command::Connect(key, source) => return self.connect(key, source, now),
            Command::AddRelay(relay) => self.add_relay(relay),
            Command::RemoveRelay(key) => self.remove_relay(key),
            Command::ReleaseRelay(key) => self.release_relay(key),
            Command::AddForwarder(forwarder) => self.add_forwarder(forwarder),
            Command::RemoveForwarder(key) => self.remove_forwarder(key),
            Command::Follow(key, relay) => self.follow(key, relay),
            Command::Detach(port) => self.detach(port),
            Command::Attach(port, queues) => self.attach(port, queues),
            Command::Depart(convoy) => self.depart(convoy),
            Command::Arrive(convoy) => self.arrive(convoy),
        })
    }

    pub(super) fn input(&self, key: InputKey) -> Option<u16> {
        self.inputs.find(|input| input.key() == key)
    }

    pub(super) fn add_input(&mut self, input: Box<Input<R>>) -> Report<R, T> {
        match self.inputs.add(input) {
            Ok(_) => Report::Added,
            Err(input) => Report::InputRefused(input),
        }
    }

    fn remove_input(&mut self, key: InputKey) -> Report<R, T> {
        let Some(place) = self.input(key) else { return Report::Unknown(None) };
        let Some(mut input) = self.inputs.remove(place) else { return Report::Unknown(None) };
        input.finish(&mut self.receivers);
        self.receivers.iter_mut().for_each(|receiver| receiver.lose(place));
        Report::InputRemoved(input)
    }

    pub(super) fn add_receiver(&mut self, receiver: Box<SteeredReceiver<R::Buf>>) -> Report<R, T> {
        if let Some(refusal) = self.refusal(receiver.legs()) {
            return Report::ReceiverRefused(receiver, refusal);
        }
        let place = match self.receivers.add(receiver) {
            Ok(place) => place,
            Err(receiver) => {
                let refusal = ReceiverRefusal::WorkerFull { room: WORKER_LIMIT };
                return Report::ReceiverRefused(receiver, refusal);
            }
        };
        let (inputs, receivers) = (&mut self.inputs, &mut self.receivers);
        let Some(receiver) = receivers.at_mut(place) else { return Report::Unknown(None) };
        for (at, number) in (0..receiver.legs().len()).zip(0_u8..) {
            let leg = receiver.legs()[at];
            let Some(input) = inputs.find(|input| input.key() == leg.input) else { continue };
            receiver.hear(input);
            if let Some(input) = inputs.at_mut(input) {
                input.steer(leg.destination, Target::Receiver(place, number));
            }
        }
        Report::Added
    }

    /// Why a receiver or relay of these legs cannot be served.
    pub(super) fn refusal(&self, legs: &[Leg]) -> Option<ReceiverRefusal> {
        if legs.is_empty() {
            return Some(ReceiverRefusal::NoLeg);
        }
        (0..).zip(legs).find_map(|(at, leg)| {
            let before = || legs[..at].iter().filter(|other| other.input == leg.input);
            if before().any(|other| named(other.destination) == named(leg.destination)) {
                return Some(ReceiverRefusal::Taken { destination: leg.destination });
            }
            match self.input(leg.input).and_then(|place| self.inputs.at(place)) {
                Some(input) => input.refusal(leg.destination, before().count()),
                None => Some(ReceiverRefusal::NoInput),
            }
        })
    }

    fn remove_receiver(&mut self, key: ReceiverKey) -> Report<R, T> {
        let Some(mut removed) = self.released(key) else { return Report::Unknown(None) };
        removed.finish();
        Report::ReceiverRemoved(removed)
    }

    fn release_receiver(&mut self, key: ReceiverKey) -> Report<R, T> {
        self.released(key).map_or(Report::Unknown(None), Report::ReceiverRemoved)
    }

    /// A receiver that nothing is steered to any more.
    fn released(&mut self, key: ReceiverKey) -> Option<Box<SteeredReceiver<R::Buf>>> {
        let place = self.receivers.find(|receiver| receiver.key() == key)?;
        self.inputs.iter_mut().for_each(|input| input.unsteer(Target::Receiver(place, 0)));
        let mut released = self.receivers.remove(place)?;
        released.release();
        Some(released)
    }

    fn add_sender(&mut self, mut sender: Box<Sender<T>>) -> Report<R, T> {
        if self.senders.len() == WORKER_LIMIT {
            return Report::SenderRefused(sender, SenderRefusal::Full { room: WORKER_LIMIT });
        }
        match sender.open(&mut self.outputs) {
            Ok(()) => {
                self.senders.push(sender);
                Report::Added
            }
            Err(refusal) => Report::SenderRefused(sender, refusal),
        }
    }

    /// Ends a sender; its answer follows when none of its packets waits any more.
    fn remove_sender(&mut self, key: SenderKey, now: Tai) -> Option<Report<R, T>> {
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.key() == key) else {
            return Some(Report::Unknown(None));
        };
        sender.leave(now);
        None
    }

    /// Takes a source to a sender; its answer follows at the grain boundary.
    fn connect(&mut self, key: SenderKey, source: Option<Box<Source>>, now: Tai) -> Option<Report<R, T>> {
        let Some(sender) = self.senders.iter_mut().find(|sender| sender.key() == key) else {
            return Some(Report::Unknown(source));
        };
        sender.connect(source, now);
        None
    }

    fn detach(&mut self, port: PortKey) -> Report<R, T> {
        let place = usize::from(port.output.0);
        let Some(output) = self.outputs.get_mut(place).filter(|output| output.is_attached()) else {
            return Report::Unknown(None);
        };
        let rx = match port.input {
            None => None,
            Some(key) => {
                let input = self.inputs.find(|input| input.key() == key).and_then(|input| self.inputs.at_mut(input));
                let Some(rx) = input.and_then(|input| input.detach(&mut self.receivers)) else {
                    return Report::Unknown(None);
                };
                Some(rx)
            }
        };
        for sender in self.senders.iter_mut().filter(|sender| sender.leaves_by(place)) {
            sender.detach(place);
        }
        for serving in self.forwarders.iter_mut().filter(|serving| serving.forwarder.output_place() == place) {
            serving.take_back();
        }
        match output.detach() {
            Some(tx) => Report::Detached(QueuePair { rx, tx }),
            None => Report::Unknown(None),
        }
    }

    fn attach(&mut self, port: PortKey, queues: QueuePair<R, T>) -> Report<R, T> {
        let place = port.input.map(|key| self.input(key));
        let Some(output) = self.outputs.get_mut(usize::from(port.output.0)).filter(|output| !output.is_attached())
        else {
            return Report::AttachRefused(queues);
        };
        let QueuePair { rx, tx } = queues;
        let input = place.map(|place| place.and_then(|place| self.inputs.at_mut(place)));
        match (input, rx) {
            (None, None) => {}
            (Some(Some(input)), Some(rx)) if !input.is_attached() => input.attach(rx),
            (_, rx) => return Report::AttachRefused(QueuePair { rx, tx }),
        }
        output.attach(tx);
        Report::Attached
    }
}
