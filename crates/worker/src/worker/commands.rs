//! What a worker does when the gateway asks it.

use media::{Clock, Tai};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::{WORKER_LIMIT, Worker};
use crate::command::{Command, ReceiverRefusal, Report, SenderRefusal};
use crate::input::{Input, SteeredReceiver};
use crate::key::{InputKey, ReceiverKey, SenderKey};
use crate::port::{PortKey, QueuePair};
use crate::sender::{Sender, Source};

impl<R: RxQueue, T: TxQueue<Lease = GrainLease>, C: Clock> Worker<R, T, C> {
    /// Takes the next command, if there is one; tells whether there was.
    pub(super) fn take_command(&mut self, now: Tai) -> bool {
        // A sender still owes its answer: one command at a time.
        if self.senders.iter().any(|sender| sender.is_unsettled()) {
            return false;
        }
        let Some(command) = self.mailbox.next() else { return false };
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
            Command::AddReceiver(input, receiver) => self.add_receiver(input, receiver),
            Command::RemoveReceiver(input, key) => self.remove_receiver(input, key),
            Command::AddSender(sender) => self.add_sender(sender),
            Command::RemoveSender(key) => return self.remove_sender(key, now),
            Command::Connect(key, source) => return self.connect(key, source, now),
            Command::Detach(port) => self.detach(port),
            Command::Attach(port, queues) => self.attach(port, queues),
        })
    }

    fn input(&mut self, key: InputKey) -> Option<&mut Input<R>> {
        self.inputs.iter_mut().find(|input| input.key() == key).map(AsMut::as_mut)
    }

    fn add_input(&mut self, input: Box<Input<R>>) -> Report<R, T> {
        if self.inputs.len() == WORKER_LIMIT {
            return Report::InputRefused(input);
        }
        self.inputs.push(input);
        Report::Added
    }

    fn remove_input(&mut self, key: InputKey) -> Report<R, T> {
        let Some(at) = self.inputs.iter().position(|input| input.key() == key) else { return Report::Unknown(None) };
        let mut input = self.inputs.swap_remove(at);
        input.finish();
        Report::InputRemoved(input)
    }

    fn add_receiver(&mut self, input: InputKey, receiver: Box<SteeredReceiver<R::Buf>>) -> Report<R, T> {
        let Some(input) = self.input(input) else {
            return Report::ReceiverRefused(receiver, ReceiverRefusal::NoInput);
        };
        match input.add(receiver) {
            Ok(()) => Report::Added,
            Err((receiver, refusal)) => Report::ReceiverRefused(receiver, refusal),
        }
    }

    fn remove_receiver(&mut self, input: InputKey, key: ReceiverKey) -> Report<R, T> {
        let removed = self.input(input).and_then(|input| input.remove(key));
        removed.map_or(Report::Unknown(None), Report::ReceiverRemoved)
    }

    fn add_sender(&mut self, mut sender: Box<Sender<T>>) -> Report<R, T> {
        if self.senders.len() == WORKER_LIMIT {
            return Report::SenderRefused(sender, SenderRefusal::Full { room: WORKER_LIMIT });
        }
        let Some(output) = self.outputs.get_mut(sender.output_place()) else {
            return Report::SenderRefused(sender, SenderRefusal::NoOutput);
        };
        match sender.open(output) {
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
        let output = self.outputs.get_mut(sender.output_place())?;
        sender.leave(output, now);
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
        let Some(input) = self.inputs.iter_mut().find(|input| input.key() == port.input) else {
            return Report::Unknown(None);
        };
        let Some(output) = self.outputs.get_mut(place).filter(|output| output.is_attached()) else {
            return Report::Unknown(None);
        };
        let Some(rx) = input.detach() else { return Report::Unknown(None) };
        for sender in self.senders.iter_mut().filter(|sender| sender.output_place() == place) {
            sender.detach(output);
        }
        match output.detach() {
            Some(tx) => Report::Detached(QueuePair { rx, tx }),
            None => Report::Unknown(None),
        }
    }

    fn attach(&mut self, port: PortKey, queues: QueuePair<R, T>) -> Report<R, T> {
        let input = self.inputs.iter_mut().find(|input| input.key() == port.input);
        let output = self.outputs.get_mut(usize::from(port.output.0));
        let (Some(input), Some(output)) = (input, output) else { return Report::AttachRefused(queues) };
        if input.is_attached() || output.is_attached() {
            return Report::AttachRefused(queues);
        }
        input.attach(queues.rx);
        output.attach(queues.tx);
        Report::Attached
    }
}
