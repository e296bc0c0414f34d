//! A broker, workers that poll writers, and grains that can be checked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use media::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use shm::{
    Broker, BrokerConfig, ConsumerClass, ConsumerSnapshot, FlowEvent, FrameReader, FrameWriter, GrainEnd, GrainStamp,
    OpenError, PagePolicy, SlotAccounts, WriterCounters,
};
use tempfile::TempDir;

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// 16 × 4 pixels: 40 octets a line.
pub(crate) fn tiny() -> VideoFormat {
    VideoFormat::new(16, 4, Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

pub(crate) fn leased(k: u16) -> ConsumerClass {
    ConsumerClass::Leased { k, deadline_nanos: i64::MAX }
}

/// Waits until `condition` holds. The bound only ends a test that would hang.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never came: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Later than any test ends.
pub(crate) fn far() -> Instant {
    Instant::now() + Duration::from_secs(120)
}

/// Every octet of grain `index`.
pub(crate) fn fill(index: u64) -> u8 {
    (index as u8).wrapping_mul(31).wrapping_add(7)
}

/// Opens a grain if need be, fills `lines` lines with [`fill`] and publishes them; all lines commit it.
pub(crate) fn write(writer: &mut FrameWriter, index: u64, lines: u16, now: Tai) -> Result<(), OpenError> {
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
pub(crate) fn check(reader: &mut FrameReader, index: u64) {
    let lease = reader.lease(GrainIndex(index)).unwrap();
    let mut out = vec![0; tiny().frame_octets() as usize];
    lease.copy_lines(0..tiny().height(), &mut out).unwrap();
    assert!(out.iter().all(|octet| *octet == fill(index)), "grain {index}");
}

/// A broker on a socket of its own.
pub(crate) struct Stage {
    dir: TempDir,
    pub(crate) broker: Broker,
    events: Receiver<FlowEvent>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        config.default_slots = 8;
        let (tell, events) = mpsc::channel();
        let broker = Broker::start(config, move |event| drop(tell.send(event))).unwrap();
        Self { dir, broker, events }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("broker.sock")
    }

    /// A flow of the gateway with a worker that polls its writer.
    pub(crate) fn flow(&self, flow: &str, slots: u16) -> Worker {
        Worker::start(self.broker.create_flow(&name(flow), tiny(), Some(slots)).unwrap())
    }

    pub(crate) fn event(&self) -> FlowEvent {
        self.events.recv_timeout(Duration::from_secs(120)).unwrap()
    }

    pub(crate) fn consumers(&self, flow: &str) -> Vec<ConsumerSnapshot> {
        let flow = self.broker.flows().into_iter().find(|snapshot| snapshot.name.as_str() == flow);
        flow.map(|snapshot| snapshot.consumers).unwrap_or_default()
    }

    pub(crate) fn counters(&self, flow: &str) -> Arc<WriterCounters> {
        let flow = self.broker.flows().into_iter().find(|snapshot| snapshot.name.as_str() == flow);
        flow.unwrap().counters.unwrap()
    }
}

enum Order {
    Write(u64, Sender<()>),
    Accounts(Sender<SlotAccounts>),
}

/// A thread that polls a writer and writes grains as told.
pub(crate) struct Worker {
    orders: Sender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start(mut writer: FrameWriter) -> Self {
        let (orders, waiting) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut now = Tai::EPOCH;
            while !stopped.load(Ordering::Relaxed) {
                now = now.plus_nanos(1_000_000);
                writer.poll(now);
                match waiting.recv_timeout(Duration::from_millis(1)) {
                    Ok(Order::Write(index, done)) => {
                        write(&mut writer, index, tiny().height(), now).unwrap();
                        done.send(()).unwrap();
                    }
                    Ok(Order::Accounts(answer)) => answer.send(writer.slot_accounts()).unwrap(),
                    Err(_) => {}
                }
            }
        });
        Self { orders, stop, thread: Some(thread) }
    }

    /// Writes a whole grain; every grain must find a slot.
    pub(crate) fn write(&self, index: u64) {
        let (done, wait) = mpsc::channel();
        self.orders.send(Order::Write(index, done)).unwrap();
        wait.recv().unwrap();
    }

    pub(crate) fn accounts(&self) -> SlotAccounts {
        let (answer, wait) = mpsc::channel();
        self.orders.send(Order::Accounts(answer)).unwrap();
        wait.recv().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
