//! A pod as a process: this test binary again, told by lines on its standard input what to do.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use media::{GrainIndex, Tai};
use rustix::process::{Pid, Signal, kill_process};
use shm::{Consumer, FrameReader, GrainLease, Producer, Session};

use crate::stage::{self, Stage, fill, leased, name, tiny};

const ROLE: &str = "FLYPACK_TORTURE_ROLE";
const SOCKET: &str = "FLYPACK_TORTURE_SOCKET";
const FLOW: &str = "FLYPACK_TORTURE_FLOW";
const K: &str = "FLYPACK_TORTURE_K";

/// A child of this test; killed when dropped.
pub(crate) struct Pod {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Pod {
    /// Starts a pod that may not have got anywhere yet.
    pub(crate) fn spawn(stage: &Stage, role: &str, flow: &str, k: u16) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["pod_main", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(SOCKET, stage.socket()).env(FLOW, flow).env(K, k.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, orders, answers }
    }

    /// A pod that has joined `flow`.
    pub(crate) fn consumer(stage: &Stage, flow: &str, k: u16) -> Self {
        let mut pod = Self::spawn(stage, "consumer", flow, k);
        pod.expect("ready");
        pod
    }

    /// A pod that produces `flow`.
    pub(crate) fn producer(stage: &Stage, flow: &str) -> Self {
        let mut pod = Self::spawn(stage, "producer", flow, 0);
        pod.expect("ready");
        pod
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives an order; it may be dead.
    pub(crate) fn tell(&mut self, order: &str) {
        let _ = writeln!(self.orders, "{order}");
    }

    /// Waits for an answer; anything else fails the test.
    pub(crate) fn expect(&mut self, answer: &str) {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the pod ended instead of: {answer}");
            // The test harness of the child writes lines of its own, and the start of one of ours.
            if let Some((_, said)) = line.trim_end().split_once("pod: ") {
                assert_eq!(said, answer);
                return;
            }
        }
    }

    pub(crate) fn ask(&mut self, order: &str, answer: &str) {
        self.tell(order);
        self.expect(answer);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id() as i32).unwrap(), signal).unwrap();
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets it end by itself.
    pub(crate) fn leave(&mut self) {
        self.tell("leave");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs as a pod, if the environment says so.
pub(crate) fn main() {
    let Ok(role) = env::var(ROLE) else { return };
    let (socket, flow) = (env::var(SOCKET).unwrap(), env::var(FLOW).unwrap());
    let session = Session::connect(Path::new(&socket)).unwrap();
    let orders = orders();
    if role == "producer" {
        let producer = session.produce(&name(&flow), tiny(), None).unwrap();
        say("ready");
        produce(producer, &orders);
    } else {
        let k = env::var(K).unwrap().parse().unwrap();
        let consumer = session.subscribe(&name(&flow), leased(k)).unwrap();
        say("ready");
        consume(consumer, &orders);
    }
}

fn say(text: &str) {
    println!("pod: {text}");
}

fn orders() -> Receiver<String> {
    let (order, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            if order.send(line.unwrap()).is_err() {
                return;
            }
        }
    });
    orders
}

/// The order's word and its number, if it has one.
fn parse(order: &str) -> (&str, u64) {
    let (word, number) = order.split_once(' ').unwrap_or((order, "0"));
    (word, number.parse().unwrap())
}

fn consume(mut consumer: Consumer, orders: &Receiver<String>) {
    let mut held = Vec::new();
    for order in orders {
        match parse(&order) {
            ("read", index) => {
                drop(take(consumer.reader(), index));
                say(&format!("ok {index}"));
            }
            ("hold", index) => {
                held.push(take(consumer.reader(), index));
                say(&format!("held {index}"));
            }
            ("check", _) => {
                held.iter().for_each(intact);
                say("intact");
            }
            ("acknowledge", _) => {
                held.clear();
                consumer.reader().acknowledge_eviction().unwrap();
                say("acknowledged");
            }
            ("sleep", index) => {
                // Until the grain is closed: it has fewer slices than that.
                let waited = consumer.reader().wait_until(GrainIndex(index), u16::MAX, stage::far());
                match waited {
                    Ok(state) => say(&format!("closed {index} complete {}", state.complete)),
                    Err(error) => say(&error.to_string()),
                }
            }
            ("gone", _) => {
                stage::until("the producer is gone", || consumer.producer_gone());
                say("gone");
            }
            ("leave", _) => return,
            // The victims are told things that only the other role understands.
            _ => {}
        }
    }
}

/// Leases a grain and checks it. It was written before the order came, and this pod is not late.
fn take(reader: &mut FrameReader, index: u64) -> GrainLease {
    let lease = reader.lease(GrainIndex(index)).unwrap();
    intact(&lease);
    lease
}

fn intact(lease: &GrainLease) {
    let index = lease.index().0;
    let mut copy = vec![0; tiny().frame_octets() as usize];
    lease.copy_lines(0..tiny().height(), &mut copy).unwrap();
    let whole = lease.lines(0..tiny().height()).unwrap_or(&copy);
    assert!(whole.iter().chain(&copy).all(|octet| *octet == fill(index)), "grain {index}");
}

fn produce(mut producer: Producer, orders: &Receiver<String>) {
    let mut now = Tai::EPOCH;
    loop {
        now = now.plus_nanos(1_000_000);
        producer.writer().poll(now);
        let order = match orders.recv_timeout(Duration::from_millis(1)) {
            Ok(order) => order,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        match parse(&order) {
            ("write", index) => {
                stage::write(producer.writer(), index, tiny().height(), now).unwrap();
                say(&format!("wrote {index}"));
            }
            ("begin", index) => {
                stage::write(producer.writer(), index, 1, now).unwrap();
                say(&format!("begun {index}"));
            }
            ("leave", _) => return,
            // The victims are told things that only the other role understands.
            _ => {}
        }
    }
}
