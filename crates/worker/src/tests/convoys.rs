//! Ports that go over to another worker with all that is served on them.

use std::sync::Arc;

use netio::Counter;
use netio::sim::Faults;

use super::relay::{Far, Relaying, Source, own};
use super::studio::{Camera, Command, Receiving, Report, SimWorker, Studio, drain, format, picture};
use crate::convoy::{ArrivalRefusal, Convoy, DepartureRefusal, Load};
use crate::counters::{SenderCounters, WorkerCounters};
use crate::key::{InputKey, OutputIndex};
use crate::port::PortKey;
use crate::sender::{Lateness, Sender, SenderConfig, SenderTiming};
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const MS: i64 = 1_000_000;
const TICKS: u32 = 3600;

/// Packets of the relayed stream that come before all others.
const FIRST: u16 = 5;

/// A port on which two cameras and a relayed stream come in; the relay's destination and a sender of the first camera's
/// pictures leave by it. The far end of that sender stays where it is.
struct Stage {
    studio: Studio,
    port: PortKey,
    near: [Receiving; 2],
    cameras: [Camera; 2],
    far: Receiving,
    sent: Arc<SenderCounters>,
    relay: Relaying,
    source: Source,
    relayed: Far,
    sequence: u16,
    other: SimWorker,
    post: Arc<crate::Mailbox<super::devices::SimPort, super::devices::ValvedTx>>,
}

impl Stage {
    fn new(vacancies: usize) -> Self {
        let faults = Faults { reorder_per_mille: 200, ..Faults::default() };
        let mut studio = Studio::new(5, faults);
        let destinations = [studio.address(), studio.address(), studio.address()];
        let (input, _) = studio.shared(&destinations, 8);
        let mut near = [0, 1].map(|at| {
            let leg = Leg { input, destination: destinations[at] };
            let (receiver, receiving) = studio.receiver(&[leg], format(25), 16, |_| {});
            assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
            receiving
        });
        let cameras = [studio.camera(&near[0], 1), studio.camera(&near[1], 2)];
        let far = studio.receive(format(25), 16);
        let (key, sent) = studio.sender(far.destination, SenderTiming::Source);
        studio.connect(key, &mut near[0], 4);
        let relay = studio.relay_of(&[Leg { input, destination: destinations[2] }], |_| {});
        let relayed = studio.forward(Some(&relay), own());
        let mut source = Source::new(&studio, destinations[2], 7);
        // Packets change places: those with which the relay takes up its stream are not counted.
        (0..FIRST).for_each(|number| source.send(number, 0));
        studio.pass(MS);
        let (other, post) = studio.idle_worker(vacancies);
        let port = PortKey { input: Some(input), output: OutputIndex(0) };
        Self { studio, port, near, cameras, far, sent, relay, source, relayed, sequence: FIRST, other, post }
    }

    /// Both workers turn through `nanos`.
    fn pass(&mut self, nanos: i64) {
        for _ in 0..nanos / 50_000 {
            self.studio.pass(50_000);
            self.other.turn();
        }
    }

    fn ask_other(&mut self, command: Command) -> Report {
        assert!(self.post.send(command).is_ok());
        self.other.turn();
        self.post.report().expect("an answer")
    }

    /// Packets `from..to` of frame `number` of both cameras, and some of the relayed stream.
    fn send(&mut self, number: u32, from: u32, to: u32) {
        for (at, camera) in (0..).zip(&mut self.cameras) {
            for packet in from..to {
                let datagram = camera.datagram(number + 100 * at, number * TICKS, packet);
                camera.send_raw(&datagram);
            }
        }
        for _ in 0..5 {
            self.source.send(self.sequence, number);
            self.sequence += 1;
        }
    }

    fn convoy(&mut self) -> Box<Convoy<super::devices::SimPort, super::devices::ValvedTx>> {
        match self.studio.ask(Command::Depart(Convoy::new(vec![self.port]))) {
            Report::Departed(convoy) => convoy,
            Report::DepartureRefused(_, refusal) => panic!("{refusal}"),
            _ => panic!("another answer"),
        }
    }

    /// Everything of `frames` frames has come through, each octet where it belongs.
    fn check(&mut self, readers: &mut [shm::FrameReader; 3], frames: u32) {
        let streams = [0, 100, 0];
        for (stream, (reader, first)) in readers.iter_mut().zip(streams).enumerate() {
            let grains: Vec<_> = drain(reader).into_iter().map(|(octets, _)| octets).collect();
            let sent: Vec<_> = (0..frames).map(|number| picture(&format(25), first + number)).collect();
            assert!(grains == sent, "stream {stream}: {} of {frames}", grains.len());
        }
        for receiving in self.near.iter().chain([&self.far]) {
            let counters = &receiving.counters;
            let lost = [&counters.packets_lost, &counters.lines_lost, &counters.ssrc_changes, &counters.socket_drops];
            assert_eq!(lost.map(Counter::value), [0; 4]);
        }
        let sent = &self.sent;
        let skipped =
            [&sent.packets_skipped_gone, &sent.packets_skipped_late, &sent.packets_taken_back, &sent.grains_missed];
        assert_eq!(skipped.map(Counter::value), [0; 4]);
        let mut numbers = self.relayed.sequences();
        numbers.sort_unstable_by_key(|number| number.wrapping_sub(65_534));
        let before = numbers.len() - usize::from(self.sequence - FIRST);
        assert!((1..=usize::from(FIRST)).contains(&before), "{} of {}", numbers.len(), self.sequence);
        let first = numbers[0];
        assert!((0..).zip(&numbers).all(|(at, number)| first.wrapping_add(at) == *number), "{numbers:?}");
        let (relay, relayed) = (&self.relay.counters, &self.relayed.counters);
        assert_eq!([&relay.packets_lost, &relayed.packets_taken_back].map(Counter::value), [0; 2]);
    }
}

fn tx_packets(counters: &WorkerCounters) -> u64 {
    counters.tx_packets.value()
}

#[test]
fn a_port_goes_over_in_the_middle_of_grains_without_losing_a_packet() {
    let mut stage = Stage::new(3);
    let mut readers = {
        let Stage { studio, near: [one, two], far, .. } = &mut stage;
        [studio.reader(one, 8), studio.reader(two, 8), studio.reader(far, 8)]
    };
    let packets = stage.cameras[0].packets();
    // The relay takes up its stream with the first picture that it sees begin.
    stage.send(0, 0, packets);
    stage.pass(FRAME);
    stage.send(1, 0, packets / 2);
    stage.pass(MS);
    // What is made of it waits for the queue when the port goes.
    stage.studio.valves[0].shut();
    stage.send(1, packets / 2, packets / 2 + 4);
    stage.pass(2 * MS);
    let before = tx_packets(&stage.studio.worker.counters());
    let convoy = stage.convoy();
    assert_eq!(convoy.load(), Load { receivers: 3, senders: 2 });
    stage.send(1, packets / 2 + 4, packets - 4);
    stage.pass(2 * MS);
    assert_eq!(tx_packets(&stage.studio.worker.counters()), before, "what left takes no count along");
    let Report::Arrived(convoy) = stage.ask_other(Command::Arrive(convoy)) else { panic!("not taken") };
    // The other worker numbers its queues in another way.
    let port = PortKey { output: OutputIndex(1), ..stage.port };
    assert_eq!((convoy.load(), convoy.ports()), (Load::default(), &[port][..]));
    assert_eq!(tx_packets(&stage.other.counters()), 0, "it has sent nothing yet");
    stage.studio.valves[0].open();
    stage.pass(MS);
    stage.send(1, packets - 4, packets);
    stage.pass(FRAME);
    for number in 2..5 {
        stage.send(number, 0, packets);
        stage.pass(FRAME);
    }
    stage.pass(FRAME);
    assert_eq!(tx_packets(&stage.studio.worker.counters()), before);
    let after = stage.sent.packets.value() + stage.relayed.counters.packets_forwarded.value() - before;
    assert_eq!(tx_packets(&stage.other.counters()), after, "the other one has sent the rest");
    stage.check(&mut readers, 5);
}

#[test]
fn a_port_that_finds_no_room_goes_back_and_nothing_is_lost() {
    let mut stage = Stage::new(0);
    let mut readers = {
        let Stage { studio, near: [one, two], far, .. } = &mut stage;
        [studio.reader(one, 8), studio.reader(two, 8), studio.reader(far, 8)]
    };
    let packets = stage.cameras[0].packets();
    stage.send(0, 0, packets / 2);
    stage.pass(MS);
    let convoy = stage.convoy();
    stage.send(0, packets / 2, packets);
    let Report::ArrivalRefused(convoy, ArrivalRefusal::Outputs) = stage.ask_other(Command::Arrive(convoy)) else {
        panic!("taken")
    };
    assert_eq!(convoy.load(), Load { receivers: 3, senders: 2 });
    let Report::Arrived(_) = stage.studio.ask(Command::Arrive(convoy)) else { panic!("not taken back") };
    stage.pass(FRAME);
    stage.send(1, 0, packets);
    stage.pass(2 * FRAME);
    stage.check(&mut readers, 2);
    let unknown = PortKey { input: Some(InputKey(999)), output: OutputIndex(0) };
    let report = stage.studio.ask(Command::Depart(Convoy::new(vec![unknown])));
    assert!(matches!(report, Report::DepartureRefused(_, DepartureRefusal::NoPort)));
}

/// What the worker says of the ports, one for each number: `input` and output of that number.
fn refusal(studio: &mut Studio, ports: &[PortKey]) -> Option<DepartureRefusal> {
    match studio.ask(Command::Depart(Convoy::new(ports.to_vec()))) {
        Report::DepartureRefused(convoy, refusal) => {
            assert_eq!(convoy.load(), Load::default());
            Some(refusal)
        }
        Report::Departed(convoy) => {
            assert!(matches!(studio.ask(Command::Arrive(convoy)), Report::Arrived(_)));
            None
        }
        _ => panic!("another answer"),
    }
}

#[test]
fn what_stands_on_two_ports_keeps_them_together() {
    let mut studio = Studio::with_outputs(1, Faults::default(), 3);
    let destinations = [studio.address(), studio.address(), studio.address()];
    let inputs = destinations.map(|destination| studio.shared(&[destination], 4).0);
    let ports = [0_u8, 1, 2].map(|at| PortKey { input: Some(inputs[usize::from(at)]), output: OutputIndex(at) });
    assert_eq!(refusal(&mut studio, &ports[..1]), None);
    // A receiver of two legs.
    let legs = [0, 1].map(|at| Leg { input: inputs[at], destination: destinations[at] });
    let (receiver, receiving) = studio.receiver(&legs, format(25), 16, |_| {});
    assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
    assert_eq!(refusal(&mut studio, &ports[1..2]), Some(DepartureRefusal::BoundToInput(inputs[0])));
    assert_eq!(refusal(&mut studio, &ports[..2]), None);
    assert!(matches!(studio.ask(Command::RemoveReceiver(receiving.key)), Report::ReceiverRemoved(_)));
    // A relay whose destination is reached by another port.
    let relay = studio.relay_of(&[Leg { input: inputs[0], destination: destinations[0] }], |_| {});
    let far = studio.forward_by(Some(&relay), own(), 2);
    assert_eq!(refusal(&mut studio, &ports[..1]), Some(DepartureRefusal::BoundToOutput(OutputIndex(2))));
    assert_eq!(refusal(&mut studio, &ports[2..]), Some(DepartureRefusal::BoundToInput(inputs[0])));
    assert_eq!(refusal(&mut studio, &[ports[0], ports[2]]), None);
    assert!(matches!(studio.ask(Command::RemoveForwarder(far.key)), Report::ForwarderRemoved(_)));
    // A sender of two legs.
    let config = SenderConfig {
        path: netio::Path::to(destinations[0]),
        output: OutputIndex(1),
        payload_type: super::studio::PT,
        ssrc: media::Ssrc(9),
        first_sequence: 7,
        timing: SenderTiming::Source,
        lateness: Lateness::Frames(1),
    };
    let sender = Sender::new(crate::SenderKey(77), config);
    let sender = sender.with_second_leg(netio::Path::to(destinations[1]), OutputIndex(2));
    assert!(matches!(studio.ask(Command::AddSender(Box::new(sender))), Report::Added));
    assert_eq!(refusal(&mut studio, &ports[2..]), Some(DepartureRefusal::BoundToOutput(OutputIndex(1))));
    assert_eq!(refusal(&mut studio, &ports[1..]), None);
}
