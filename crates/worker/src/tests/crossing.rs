//! A receiver that goes over to another receive queue, which another worker polls, while its device puts the stream there.
//!
//! The device's rule is the address that the packets are sent to: the one queue hears one, the other another, and the receiver
//! takes what comes to either.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use netio::sim::Faults;
use shm::FrameReader;

use super::devices::{SimPort, ValvedTx};
use super::studio::{Camera, Command, Receiving, Report, SimWorker, Studio, drain, picture, tall};
use crate::input::Input;
use crate::key::InputKey;
use crate::limits::PACKETS_PER_TURN;
use crate::steered::Leg;

const FRAME: i64 = 40_000_000;
const TICKS: u32 = 3600;

/// What packets are sent to while they go to the one queue, and to the other.
const BEFORE: ([u8; 4], u16) = ([192, 0, 2, 1], 5004);
const AFTER: ([u8; 4], u16) = ([192, 0, 2, 2], 5004);

/// Two workers, each with a queue of one device, and a receiver on the first.
struct Card {
    studio: Studio,
    other: SimWorker,
    mailbox: Arc<crate::Mailbox<SimPort, ValvedTx>>,
    inputs: [InputKey; 2],
    receiving: Receiving,
    /// One stream; each sends what is put on its queue.
    cameras: [Camera; 2],
    reader: FrameReader,
}

impl Card {
    fn new(seed: u64) -> Self {
        let faults = Faults { reorder_per_mille: 300, ..Faults::default() };
        let mut studio = Studio::new(seed, faults);
        let (other, mailbox) = studio.another_worker();
        let (here, _) = studio.shared(&[SocketAddr::from(BEFORE)], 4);
        let any = Leg { input: here, destination: SocketAddr::from(([0, 0, 0, 0], BEFORE.1)) };
        let (receiver, mut receiving) = studio.receiver(&[any], tall(), 16, |_| {});
        assert!(matches!(studio.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        let there = InputKey(studio.key());
        let port = studio.port(&[SocketAddr::from(AFTER)]);
        let to = |address: ([u8; 4], u16)| Leg { input: here, destination: SocketAddr::from(address) };
        let cameras = [BEFORE, AFTER].map(|address| studio.camera_to(to(address), &receiving, 1));
        let reader = studio.reader(&mut receiving, 8);
        let mut card = Self { studio, other, mailbox, inputs: [here, there], receiving, cameras, reader };
        assert!(matches!(card.ask_other(Command::AddInput(Box::new(Input::shared(there, port, 4)))), Report::Added));
        card
    }

    fn ask_other(&mut self, command: Command) -> Report {
        assert!(self.mailbox.send(command).is_ok());
        (0..1_000)
            .find_map(|_| {
                self.other.turn();
                self.mailbox.report()
            })
            .expect("an answer")
    }

    /// Sends some packets of a grain by the queue of that number.
    fn send(&mut self, queue: usize, grain: u32, packets: Range<u32>) {
        for packet in packets {
            let datagram = self.cameras[0].datagram(grain, grain * TICKS, packet);
            self.cameras[queue].send_raw(&datagram);
        }
    }

    /// The receiver goes over, as the gateway has it; the device puts `meanwhile` of a grain on the new queue before it is there.
    fn cross(&mut self, grain: u32, meanwhile: Range<u32>) {
        let [here, there] = self.inputs;
        assert!(matches!(self.ask_other(Command::Pause(there)), Report::Done));
        self.send(1, grain, meanwhile);
        self.other.turn();
        assert!(matches!(self.studio.ask(Command::Drain(here)), Report::Done));
        let Report::ReceiverRemoved(mut receiver) = self.studio.ask(Command::ReleaseReceiver(self.receiving.key))
        else {
            panic!("not released")
        };
        let legs: Vec<Leg> = receiver.legs().iter().map(|leg| Leg { input: there, ..*leg }).collect();
        receiver.set_legs(legs);
        assert!(matches!(self.ask_other(Command::AddReceiver(receiver)), Report::Added));
        assert!(matches!(self.ask_other(Command::Resume(there)), Report::Done));
    }

    fn pass(&mut self, nanos: i64) {
        for _ in 0..nanos / 50_000 {
            self.studio.clock.advance_nanos(50_000);
            self.studio.worker.turn();
            self.other.turn();
        }
    }
}

#[test]
fn a_receiver_crosses_to_another_queue_in_the_middle_of_a_grain_without_losing_a_packet() {
    let mut card = Card::new(3);
    card.cameras[0].send(0, 0);
    card.studio.pass(FRAME);
    let packets = card.cameras[0].packets();
    let (half, most) = (packets / 2, packets / 2 + packets / 4);
    // Nobody has looked at these when the rule changes: they lie in the old queue, more than a worker takes in a turn.
    assert!(2 * packets > PACKETS_PER_TURN as u32);
    for grain in 1..3 {
        card.send(0, grain, 0..packets);
    }
    card.send(0, 3, 0..half);
    card.cross(3, half..most);
    card.send(1, 3, most..packets);
    card.pass(FRAME);
    let format = card.receiving.format;
    let expected: Vec<_> = (0..4).map(|number| (picture(&format, number), Vec::new())).collect();
    assert_eq!(drain(&mut card.reader), expected);
    let counters = &card.receiving.counters;
    assert_eq!(counters.packets_lost.value(), 0);
}

#[test]
fn a_paused_input_keeps_what_comes_and_lets_no_time_pass() {
    let mut card = Card::new(5);
    let [here, there] = card.inputs;
    let packets = card.cameras[0].packets();
    card.send(0, 0, 0..packets / 2);
    card.studio.pass(FRAME / 8);
    let heard = card.receiving.counters.packets.value();
    assert!(heard > 0);
    assert!(matches!(card.studio.ask(Command::Pause(here)), Report::Done));
    card.send(0, 0, packets / 2..packets);
    // Longer than a grain is waited for.
    card.studio.pass(3 * FRAME);
    assert_eq!(card.receiving.counters.packets.value(), heard);
    assert!(matches!(card.studio.ask(Command::Resume(here)), Report::Done));
    card.studio.pass(FRAME);
    assert_eq!(drain(&mut card.reader), [(picture(&card.receiving.format, 0), Vec::new())]);
    // Of queues that are not polled nobody waits for an answer, and of unknown ones there is none.
    assert!(matches!(card.studio.ask(Command::Pause(here)), Report::Done));
    assert!(matches!(card.studio.ask(Command::Drain(here)), Report::Done));
    for command in [Command::Pause(there), Command::Resume(there), Command::Drain(there)] {
        assert!(matches!(card.studio.ask(command), Report::Unknown(None)));
    }
}
