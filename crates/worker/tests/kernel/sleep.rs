//! A worker that sleeps is woken by what it waits for: a packet, the gateway, a pod's grain. Where something that it waits
//! for rings no bell, it does not sleep.
//!
//! The sleeps here are longer than any test may take: one that nobody ends hangs, and does not pass.

use std::net::UdpSocket;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use media::{GrainIndex, ManualClock, PayloadType, RtpTimestamp, Ssrc, Tai};
use netio::sim::{Faults, SimNet, SimRx, SimRxConfig, SimTx};
use netio::{Doorbell, RxQueue};
use shm::{GrainEnd, GrainLease, GrainStamp, Producer, Session};
use st2110::{MAX_HEADER_OCTETS, Packetiser, ReadSchedule};
use worker::{
    Berth, Command, Input, InputKey, Mailbox, Report, Sender, SenderKey, SenderTiming, Slept, Source, Worker,
};

use super::bench::{Bench, format, join, plan, sender_config};

const LONG: Duration = Duration::from_secs(1_000);

impl Bench {
    /// A socket with a receiver.
    fn listen(&mut self) -> std::net::SocketAddr {
        let leg = self.socket(1);
        let receiver = self.receiver(1, &[leg], "near");
        assert!(matches!(self.ask(Command::AddReceiver(Box::new(receiver))), Report::Added));
        leg.destination
    }

    /// A pod, and a sender that follows its flow.
    fn follow(&mut self, timing: SenderTiming) -> Producer {
        let session = Session::connect(&self.folder.path().join("broker.sock")).unwrap();
        let mut pod = session.produce(&"pod".parse().unwrap(), format(), Some(16)).unwrap();
        let reader = join(&self.broker, "pod", || pod.writer().poll(Tai::EPOCH));
        let far = UdpSocket::bind("127.0.0.1:0").unwrap();
        let config = sender_config(far.local_addr().unwrap(), 0, timing);
        assert!(matches!(self.ask(Command::AddSender(Box::new(Sender::new(SenderKey(1), config)))), Report::Added));
        let source = Box::new(Source::new(reader, plan(), ReadSchedule::Linear));
        assert!(matches!(self.ask(Command::Connect(SenderKey(1), Some(source))), Report::Disconnected(None)));
        pod
    }

    fn sleep(&mut self) -> bool {
        self.worker.sleep_in(&mut self.berth, LONG) == Slept::UntilWoken
    }

    /// Turns until there is nothing to do.
    fn rest(&mut self) {
        while self.worker.turn().is_busy {}
    }
}

/// Opens a grain, and ends it where it is to be whole.
fn write(pod: &mut Producer, index: u64, lines: u16) {
    let writer = pod.writer();
    let stamp = GrainStamp { tai: Tai::EPOCH, rtp: RtpTimestamp(index as u32) };
    let key = writer.open(GrainIndex(index), stamp, Tai::EPOCH).unwrap();
    if lines == format().height() { writer.commit(key, GrainEnd::default()) } else { writer.publish(key, lines) }
}

#[test]
fn a_packet_ends_the_sleep() {
    let mut bench = Bench::new(1);
    let address = bench.listen();
    for octet in 0..5_u8 {
        bench.rest();
        let sending =
            thread::spawn(move || UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[octet], address).unwrap());
        assert!(bench.sleep());
        while !bench.worker.turn().is_busy {}
        sending.join().unwrap();
    }
}

/// What may be given up by time alone is looked at again, however long the sleep may be.
#[test]
fn an_open_grain_ends_the_sleep() {
    let mut bench = Bench::new(1);
    let address = bench.listen();
    bench.rest();
    let (mut header, plan) = ([0; MAX_HEADER_OCTETS], plan());
    let octets =
        Packetiser::new(Arc::clone(&plan), PayloadType(96), Ssrc(7), 1).header(0, RtpTimestamp(90), &mut header);
    let mut packet = header[..octets].to_vec();
    packet.resize(octets + plan.packets()[0].range().len(), 0);
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&packet, address).unwrap();
    while !bench.worker.turn().is_busy {}
    bench.rest();
    assert_eq!(bench.worker.sleep_in(&mut bench.berth, LONG), Slept::ToTheEnd);
}

/// A socket whose receiver is not there yet is not polled, and rings for nobody: a command ends that.
#[test]
fn a_socket_without_its_receiver_is_slept_on() {
    let mut bench = Bench::new(1);
    bench.socket(1);
    bench.rest();
    assert_eq!(bench.worker.sleep_in(&mut bench.berth, Duration::ZERO), Slept::ToTheEnd);
}

#[test]
fn a_command_ends_the_sleep_and_what_it_brings_is_slept_on() {
    let mut bench = Bench::new(1);
    bench.rest();
    let (mailbox, bell) = (Arc::clone(&bench.mailbox), Arc::clone(&bench.bell));
    let asking = thread::spawn(move || {
        assert!(mailbox.send(Command::RemoveInput(InputKey(7))).is_ok());
        bell.ring();
    });
    assert!(bench.sleep());
    asking.join().unwrap();
    assert!(bench.worker.turn().is_busy);
    assert!(matches!(bench.mailbox.report(), Some(Report::Unknown(None))));
    // The bed was made up without the socket that comes now.
    let address = bench.listen();
    bench.rest();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(&[1], address).unwrap();
    assert!(bench.sleep());
    assert!(bench.worker.turn().is_busy);
    // And what has left wakes nobody.
    assert!(matches!(bench.ask(Command::RemoveInput(InputKey(1))), Report::InputRemoved(_)));
    bench.rest();
    bench.bell.ring();
    assert!(bench.sleep());
}

#[test]
fn a_pods_grain_ends_the_sleep() {
    let mut bench = Bench::new(1);
    let mut pod = bench.follow(SenderTiming::Source);
    for index in 1..6 {
        bench.rest();
        pod = thread::scope(|scope| {
            let writing = scope.spawn(move || {
                write(&mut pod, index, format().height());
                pod
            });
            // It would hang without the alarm, and does not sleep when the grain is there already.
            bench.sleep();
            writing.join().unwrap()
        });
        assert!(bench.worker.turn().is_busy, "grain {index}");
        // Its packets are sent as time passes.
        for _ in 0..100 {
            bench.clock.advance_nanos(1_000_000);
            bench.worker.turn();
        }
    }
}

#[test]
fn who_waits_for_a_line_does_not_sleep_and_who_waits_for_the_time_does() {
    let mut bench = Bench::new(1);
    let mut pod = bench.follow(SenderTiming::Source);
    write(&mut pod, 1, 1);
    for _ in 0..30 {
        bench.clock.advance_nanos(1_000_000);
        bench.worker.turn();
    }
    assert!(bench.worker.turn().due_in_nanos.is_none());
    let slept = bench.worker.sleep_in(&mut bench.berth, LONG);
    assert_eq!(slept, Slept::NotAtAll, "the next line may come at any time, and rings no bell");

    let mut bench = Bench::new(1);
    let _pod = bench.follow(SenderTiming::Grid);
    bench.rest();
    assert!(bench.worker.turn().due_in_nanos.is_some());
    assert_eq!(bench.worker.sleep_in(&mut bench.berth, Duration::ZERO), Slept::ToTheEnd);
}

#[test]
fn a_queue_without_an_alarm_is_not_slept_on() {
    let clock = ManualClock::at(Tai::from_nanos(1_790_000_000_000_000_000));
    let net = SimNet::new(1, Faults::default(), clock.clone());
    let mailbox = Mailbox::<SimRx, SimTx<GrainLease>>::new();
    let mut worker = Worker::new(clock, Vec::new(), Arc::clone(&mailbox));
    let bell = Doorbell::new().unwrap();
    let mut berth = Berth::new(Arc::clone(&bell));
    bell.ring();
    assert_eq!(worker.sleep_in(&mut berth, LONG), Slept::UntilWoken, "there is nothing but the bell");
    let queue = net.open_rx(SimRxConfig::of("239.1.1.1:5004".parse().unwrap()));
    assert!(queue.alarm().is_none());
    assert!(mailbox.send(Command::AddInput(Box::new(Input::shared(InputKey(1), queue, 1)))).is_ok());
    worker.turn();
    assert_eq!(worker.sleep_in(&mut berth, LONG), Slept::NotAtAll);
}
