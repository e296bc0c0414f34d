//! The broker and the SDK against each other in one process; the hostile client; the socket.

mod adoption;
mod dance;
mod hostile;
mod limits;
mod old;
mod passing;
mod producing;
mod raw;
mod socket;
mod stock;
mod succession;
mod views;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use tempfile::TempDir;

use super::*;
use crate::{GrainEnd, GrainStamp, OpenError, PagePolicy, Producer, Session, SlotAccounts};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// 16 × 4 pixels: 40 octets a line.
fn tiny() -> VideoFormat {
    VideoFormat::new(16, 4, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

fn leased(k: u16) -> ConsumerClass {
    ConsumerClass::Leased { k, deadline_nanos: i64::MAX }
}

/// Waits until `condition` holds. The bound only ends a test that would hang.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A broker on a socket of its own.
struct Bench {
    dir: TempDir,
    broker: Broker,
    events: Receiver<FlowEvent>,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut BrokerConfig)) -> Self {
        Self::placed(change, Box::new(IdentityPlacement))
    }

    fn placed(change: impl FnOnce(&mut BrokerConfig), hooks: Box<dyn PlacementHooks + Send + Sync>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        change(&mut config);
        let (tell, events) = mpsc::channel();
        let broker = Broker::start_placed(config, hooks, move |event| tell.send(event).unwrap()).unwrap();
        Self { dir, broker, events }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("broker.sock")
    }

    fn session(&self) -> Session {
        Session::connect(&self.path()).unwrap()
    }

    /// A flow of the gateway with a worker that polls its writer.
    fn flow(&self, flow: &str, slots: u16) -> Worker<FrameWriter> {
        Worker::start(self.broker.create_flow(&name(flow), tiny(), Some(slots)).unwrap())
    }

    fn event(&self) -> FlowEvent {
        self.events.recv_timeout(Duration::from_secs(60)).unwrap()
    }

    fn snapshot(&self, flow: &str) -> Option<FlowSnapshot> {
        self.broker.flows().into_iter().find(|snapshot| snapshot.name.as_str() == flow)
    }

    fn consumers(&self, flow: &str) -> Vec<ConsumerSnapshot> {
        self.snapshot(flow).map(|snapshot| snapshot.consumers).unwrap_or_default()
    }
}

/// What has a writer.
trait Writes: Send + 'static {
    fn writer(&mut self) -> &mut FrameWriter;
}

impl Writes for FrameWriter {
    fn writer(&mut self) -> &mut FrameWriter {
        self
    }
}

impl Writes for Producer {
    fn writer(&mut self) -> &mut FrameWriter {
        Producer::writer(self)
    }
}

enum Order {
    /// Open, fill with the index, publish so many lines; the whole grain is committed.
    Write(u64, u16, Sender<Result<(), OpenError>>),
    Accounts(Sender<SlotAccounts>),
}

/// A thread that polls a writer and writes grains as told.
struct Worker<W> {
    orders: Sender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<W>>,
}

impl<W: Writes> Worker<W> {
    fn start(mut writes: W) -> Self {
        let (orders, waiting) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut now = Tai::EPOCH;
            while !stopped.load(Ordering::Relaxed) {
                now = now.plus_nanos(1_000_000);
                writes.writer().poll(now);
                match waiting.recv_timeout(Duration::from_millis(1)) {
                    Ok(Order::Write(index, lines, answer)) => {
                        answer.send(write(writes.writer(), index, lines, now)).unwrap();
                    }
                    Ok(Order::Accounts(answer)) => answer.send(writes.writer().slot_accounts()).unwrap(),
                    Err(_) => {}
                }
            }
            writes
        });
        Self { orders, stop, thread: Some(thread) }
    }

    fn write_lines(&self, index: u64, lines: u16) -> Result<(), OpenError> {
        let (answer, answered) = mpsc::channel();
        self.orders.send(Order::Write(index, lines, answer)).unwrap();
        answered.recv().unwrap()
    }

    fn write(&self, index: u64) {
        self.write_lines(index, tiny().height()).unwrap();
    }

    fn accounts(&self) -> SlotAccounts {
        let (answer, answered) = mpsc::channel();
        self.orders.send(Order::Accounts(answer)).unwrap();
        answered.recv().unwrap()
    }

    /// Stops polling and gives the writer back.
    fn stop(mut self) -> W {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl<W> Drop for Worker<W> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Every octet of grain `index`.
fn fill(index: u64) -> u8 {
    (index as u8).wrapping_mul(31).wrapping_add(7)
}

fn write(writer: &mut FrameWriter, index: u64, lines: u16, now: Tai) -> Result<(), OpenError> {
    let open = writer.open_grains().find(|(open, _)| *open == GrainIndex(index));
    let key = match open {
        Some((_, key)) => key,
        None => writer.open(GrainIndex(index), GrainStamp { tai: now, rtp: RtpTimestamp(index as u32) }, now)?,
    };
    let row = tiny().row_octets();
    for line in writer.published(key)..lines {
        writer.write(key, u32::from(line) * row, &vec![fill(index); row as usize]).unwrap();
    }
    if lines == tiny().height() {
        writer.commit(key, GrainEnd::default());
    } else {
        writer.publish(key, lines);
    }
    Ok(())
}

/// Reads a whole grain and checks every octet.
fn check(reader: &mut FrameReader, index: u64) {
    let lease = reader.lease(GrainIndex(index)).unwrap();
    let mut out = vec![0; tiny().frame_octets() as usize];
    lease.copy_lines(0..tiny().height(), &mut out).unwrap();
    assert!(out.iter().all(|octet| *octet == fill(index)), "grain {index}");
}
