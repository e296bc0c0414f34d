//! Ports that leave a worker, and that come to it.

use media::Clock;
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::Worker;
use crate::command::Report;
use crate::convoy::{ArrivalRefusal, Convoy, DepartureRefusal};
use crate::forwarder::Serving;
use crate::key::{InputKey, OutputIndex};
use crate::limits::WORKER_LIMIT;
use crate::output::Output;
use crate::steered::Leg;
use crate::steering::Target;

/// Outputs that a worker can have: as many as an index counts.
const OUTPUTS_MAX: usize = 1 << u8::BITS;

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>, C: Clock> Worker<R, T, C> {
    /// Keeps places for so many transmit queues more, which come later ([`crate::Command::Arrive`]).
    #[must_use]
    pub fn with_vacancies(mut self, outputs: usize) -> Self {
        let vacant = std::iter::repeat_with(Output::vacant).take(outputs);
        self.outputs = self.outputs.into_iter().chain(vacant).take(OUTPUTS_MAX).collect();
        self
    }

    /// Loads a convoy with its ports and all that is served on them; all of it or nothing.
    #[cold]
    pub(super) fn depart(&mut self, mut convoy: Box<Convoy<R, T>>) -> Report<R, T> {
        if let Some(refusal) = self.detained(&convoy) {
            return Report::DepartureRefused(convoy, refusal);
        }
        self.load_listeners(&mut convoy);
        self.load_senders(&mut convoy);
        self.load_queues(&mut convoy);
        self.relink();
        self.is_holding = self.forwarders.iter().any(Serving::holds);
        Report::Departed(convoy)
    }

    fn load_queues(&mut self, convoy: &mut Convoy<R, T>) {
        let Convoy { ports, inputs, outputs, .. } = convoy;
        for (port, place) in ports.iter().zip(outputs) {
            let input = port.input.and_then(|key| self.inputs.find(|input| input.key() == key));
            if let Some(mut input) = input.and_then(|place| self.inputs.remove(place)) {
                input.finish(&mut self.receivers);
                input.leave();
                inputs.push(input);
            }
            if let Some(output) = self.outputs.get_mut(usize::from(port.output.0)) {
                output.leave();
                self.left.add(output.counters_ref());
                std::mem::swap(output, place);
            }
        }
    }

    /// Why the ports cannot leave.
    fn detained(&self, convoy: &Convoy<R, T>) -> Option<DepartureRefusal> {
        let is_here = |port: &crate::PortKey| {
            let output = self.outputs.get(usize::from(port.output.0)).is_some_and(Output::is_attached);
            let input = |key: InputKey| self.inputs.iter().any(|input| input.key() == key && input.is_attached());
            output && port.input.is_none_or(input)
        };
        if !convoy.ports.iter().all(is_here) {
            return Some(DepartureRefusal::NoPort);
        }
        let legs = self.receivers.iter().map(|receiver| receiver.legs());
        let mut legs = legs.chain(self.relays.iter().map(|relay| relay.legs()));
        if let Some(input) = legs.find_map(|legs| left_behind(convoy, legs)) {
            return Some(DepartureRefusal::BoundToInput(input));
        }
        let bound = self.senders.iter().find_map(|sender| {
            let by = || (0..self.outputs.len()).filter(|place| sender.leaves_by(*place));
            if by().any(|place| convoy.has_output(place)) {
                by().find(|place| !convoy.has_output(*place))
            } else {
                None
            }
        });
        if let Some(place) = bound {
            return Some(DepartureRefusal::BoundToOutput(OutputIndex(place as u8)));
        }
        self.forwarders.iter().find_map(|serving| self.torn(convoy, serving))
    }

    /// A forwarder whose relay would go without it, or it without its relay.
    fn torn(&self, convoy: &Convoy<R, T>, serving: &Serving<T::Buf>) -> Option<DepartureRefusal> {
        let followed = serving.forwarder.follows();
        let relay = self.relays.iter().find(|relay| Some(relay.key()) == followed)?;
        let input = relay.legs().first()?.input;
        let place = serving.forwarder.output_place();
        match (convoy.has_input(input), convoy.has_output(place)) {
            (true, false) => Some(DepartureRefusal::BoundToOutput(OutputIndex(place as u8))),
            (false, true) => Some(DepartureRefusal::BoundToInput(input)),
            _ => None,
        }
    }

    fn load_listeners(&mut self, convoy: &mut Convoy<R, T>) {
        for place in 0..self.receivers.len() {
            let goes = |legs: &[Leg]| legs.iter().any(|leg| convoy.has_input(leg.input));
            if self.receivers.at(place).is_some_and(|receiver| goes(receiver.legs()))
                && let Some(mut receiver) = self.receivers.remove(place)
            {
                self.inputs.iter_mut().for_each(|input| input.unsteer(Target::Receiver(place, 0)));
                receiver.release();
                convoy.receivers.push(receiver);
            }
        }
        for place in 0..self.relays.len() {
            let goes = |legs: &[Leg]| legs.iter().any(|leg| convoy.has_input(leg.input));
            if self.relays.at(place).is_some_and(|relay| goes(relay.legs()))
                && let Some(relay) = self.relays.remove(place)
            {
                self.inputs.iter_mut().for_each(|input| input.unsteer(Target::Relay(place, 0)));
                convoy.relays.push(relay);
            }
        }
    }

    fn load_senders(&mut self, convoy: &mut Convoy<R, T>) {
        let mut at = 0;
        while let Some(sender) = self.senders.get(at) {
            if convoy.ports.iter().any(|port| sender.leaves_by(usize::from(port.output.0))) {
                convoy.senders.push(self.senders.swap_remove(at));
            } else {
                at += 1;
            }
        }
        for place in 0..self.forwarders.len() {
            let goes = |serving: &Serving<T::Buf>| convoy.has_output(serving.forwarder.output_place());
            if self.forwarders.at(place).is_some_and(goes)
                && let Some(serving) = self.forwarders.remove(place)
            {
                convoy.forwarders.push(serving);
            }
        }
    }

    /// Unloads a convoy, and serves what it has brought; all of it or nothing.
    #[cold]
    pub(super) fn arrive(&mut self, mut convoy: Box<Convoy<R, T>>) -> Report<R, T> {
        if let Some(refusal) = self.overfull(&convoy) {
            return Report::ArrivalRefused(convoy, refusal);
        }
        self.unload_outputs(&mut convoy);
        while let Some(input) = convoy.inputs.pop() {
            drop(self.add_input(input));
        }
        while let Some(sender) = convoy.senders.pop() {
            self.senders.push(sender);
        }
        // Before the relays: what these have kept has somebody to go to.
        while let Some(serving) = convoy.forwarders.pop() {
            self.is_holding |= serving.holds();
            drop(self.forwarders.add(serving));
        }
        while let Some(receiver) = convoy.receivers.pop() {
            drop(self.add_receiver(receiver));
        }
        while let Some(relay) = convoy.relays.pop() {
            drop(self.add_relay(relay));
        }
        Report::Arrived(convoy)
    }

    /// What there is no room for.
    fn overfull(&self, convoy: &Convoy<R, T>) -> Option<ArrivalRefusal> {
        let vacant = self.outputs.iter().filter(|output| output.is_vacant()).count();
        let lacks = [
            (self.inputs.vacancies() < convoy.inputs.len(), ArrivalRefusal::Inputs),
            (vacant < convoy.outputs.len(), ArrivalRefusal::Outputs),
            (self.receivers.vacancies() < convoy.receivers.len(), ArrivalRefusal::Receivers),
            (self.relays.vacancies() < convoy.relays.len(), ArrivalRefusal::Relays),
            (self.senders.len() + convoy.senders.len() > WORKER_LIMIT, ArrivalRefusal::Senders),
            (self.forwarders.vacancies() < convoy.forwarders.len(), ArrivalRefusal::Forwarders),
        ];
        lacks.into_iter().find_map(|(lacks, refusal)| lacks.then_some(refusal))
    }

    /// Puts the transmit queues where there is a place; who sends by them knows them by it.
    fn unload_outputs(&mut self, convoy: &mut Convoy<R, T>) {
        let mut before = [OutputIndex(0); OUTPUTS_MAX];
        let mut now = before;
        let ports = convoy.ports.len();
        for at in 0..ports {
            let Some(place) = self.outputs.iter().position(Output::is_vacant) else { break };
            self.left.take(convoy.outputs[at].counters_ref());
            std::mem::swap(&mut self.outputs[place], &mut convoy.outputs[at]);
            let index = OutputIndex(place as u8);
            before[at] = std::mem::replace(&mut convoy.ports[at].output, index);
            now[at] = index;
        }
        convoy.renumber(&before[..ports], &now[..ports]);
    }
}

/// The input that is not in the convoy, where another leg's is.
fn left_behind<R: RxQueue, T: TxQueue<Lease = GrainLease>>(convoy: &Convoy<R, T>, legs: &[Leg]) -> Option<InputKey> {
    let goes = legs.iter().any(|leg| convoy.has_input(leg.input));
    legs.iter().map(|leg| leg.input).find(|input| goes && !convoy.has_input(*input))
}
