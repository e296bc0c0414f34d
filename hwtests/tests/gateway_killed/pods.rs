//! The parts of pods: one writes a flow, others read it, one would like to be somebody else.

use std::io::stdin;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use hwtests::actor;
use media::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use shm::{
    Consumer, ConsumerClass, GrainEnd, GrainKey, GrainStamp, Producer, ReadError, Session, Start, SubscribeOptions,
};

/// From one grain to the next, on the writer's clock.
const PERIOD_NANOS: i64 = 20_000_000;
/// How long anything may take. Far more than it does.
const LIMIT: Duration = Duration::from_secs(30);
const SLOTS: u16 = 16;

fn format() -> VideoFormat {
    VideoFormat::new(64, 16, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

/// Every octet of a line.
fn fill(index: u64, line: u16) -> u8 {
    (index as u8).wrapping_mul(31).wrapping_add(line as u8).wrapping_mul(7)
}

/// From `socket flow`.
fn session_and_flow(words: &[String]) -> (Session, Name) {
    let [socket, flow] = words else { panic!("a pod was told {words:?}") };
    (Session::connect(Path::new(socket)).unwrap(), flow.parse().unwrap())
}

/// What comes in by lines; when the test is gone, so are the orders.
fn orders() -> Receiver<String> {
    let (order, orders) = mpsc::channel();
    std::thread::spawn(move || stdin().lines().map_while(Result::ok).try_for_each(|line| order.send(line)));
    orders
}

/// Writes grains as it is told: `write INDEX`, or `begin INDEX` and `end`.
pub(crate) struct Writing {
    producer: Producer,
    open: Option<GrainKey>,
    now: Tai,
}

impl Writing {
    pub(crate) fn from_words(words: &[String]) -> Self {
        let (session, flow) = session_and_flow(words);
        Self { producer: session.produce(&flow, format(), Some(SLOTS)).unwrap(), open: None, now: Tai::EPOCH }
    }

    pub(crate) fn run(mut self) {
        let orders = orders();
        actor::say("ready");
        loop {
            match orders.recv_timeout(Duration::from_millis(1)) {
                Ok(order) => self.follow(&order),
                Err(RecvTimeoutError::Timeout) => self.producer.writer().poll(self.now),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn follow(&mut self, order: &str) {
        match order.split_once(' ') {
            Some(("begin", index)) => self.begin(index.parse().unwrap()),
            Some((_, index)) => {
                self.begin(index.parse().unwrap());
                self.end();
            }
            None => self.end(),
        }
        actor::say("done");
    }

    fn begin(&mut self, index: u64) {
        self.now = Tai::from_nanos(index as i64 * PERIOD_NANOS);
        let stamp = GrainStamp { tai: self.now, rtp: RtpTimestamp(index as u32) };
        self.open = Some(self.producer.writer().open(GrainIndex(index), stamp, self.now).unwrap());
    }

    fn end(&mut self) {
        let key = self.open.take().unwrap();
        let row = format().row_octets();
        for line in 0..format().height() {
            let octets = vec![fill(key.index().0, line); row as usize];
            self.producer.writer().write(key, u32::from(line) * row, &octets).unwrap();
        }
        self.producer.writer().commit(key, GrainEnd::default());
    }
}

/// Reads the grains that it is told to, in the epoch where they are.
pub(crate) struct Reading {
    session: Session,
    consumer: Consumer,
}

impl Reading {
    pub(crate) fn from_words(words: &[String]) -> Self {
        let (session, flow) = session_and_flow(words);
        let class = ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX };
        // So that the first grain of a new epoch is not missed while it is being joined.
        let options = SubscribeOptions { start: Start::Oldest, ..class.into() };
        Self { consumer: session.subscribe_with(&flow, options).unwrap(), session }
    }

    pub(crate) fn run(mut self) {
        actor::say("joined");
        for order in stdin().lines().map_while(Result::ok) {
            let index = order.strip_prefix("read ").unwrap().parse().unwrap();
            self.read(index);
            actor::say(&format!("{index} in {:032x}", self.consumer.reader().geometry().epoch));
        }
    }

    /// Every octet of a grain.
    fn read(&mut self, index: u64) {
        let begun = Instant::now();
        let mut copy = vec![0; format().frame_octets() as usize];
        loop {
            let lease = self.consumer.reader().lease(GrainIndex(index));
            match lease.and_then(|lease| lease.copy_lines(0..format().height(), &mut copy)) {
                Ok(()) => break,
                Err(ReadError::NotYet { .. } | ReadError::Unpublished { .. }) => {}
                Err(ReadError::EpochEnded { .. }) => self.go_over(),
                Err(error) => panic!("grain {index}: {error}"),
            }
            assert!(begun.elapsed() < LIMIT, "grain {index} never comes");
            std::thread::sleep(Duration::from_micros(200));
        }
        let rows = copy.chunks_exact(format().row_octets() as usize).zip(0..);
        for (row, line) in rows {
            assert!(row.iter().all(|octet| *octet == fill(index, line)), "line {line} of grain {index}");
        }
    }

    /// To the epoch that follows; the gateway that has it may just be starting.
    fn go_over(&mut self) {
        let begun = Instant::now();
        while let Err(error) = self.consumer.rejoin(&self.session) {
            assert!(begun.elapsed() < LIMIT, "{error}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Tries to produce a flow, and says what it was told.
pub(crate) fn impersonate(words: &[String]) {
    let (session, flow) = session_and_flow(words);
    match session.produce(&flow, format(), Some(SLOTS)) {
        Ok(_) => actor::say("it is mine"),
        Err(error) => actor::say(&error.to_string()),
    }
}
