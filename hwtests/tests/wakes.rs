//! What it costs a writer that its consumers sleep: nothing where a thread beside it wakes them, and nothing where it
//! wakes them itself while they are awake.
//!
//! Each test counts in a process of its own; and what would have to be seen is seen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hwtests::{eventually, syscalls};
use media::{Depth, GrainIndex, Name, Rate, Sampling, Tai, VideoFormat};
use shm::{Broker, BrokerConfig, Consumer, ConsumerClass, FrameWriter, GrainEnd, GrainStamp, PagePolicy, Session};

const LINES: u16 = 16;
const GRAINS: u64 = 20;
/// The number of the system call in which threads sleep.
#[cfg(target_arch = "x86_64")]
const FUTEX: u32 = 202;
#[cfg(not(target_arch = "x86_64"))]
const FUTEX: u32 = 98;

/// A broker in a folder of its own.
struct Stage {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    broker: Broker,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("broker.sock");
        let config = BrokerConfig { page_policy: PagePolicy::PlainOnly, ..BrokerConfig::new(&socket) };
        Self { _folder: folder, socket, broker: Broker::start(config, |_| {}).unwrap() }
    }

    /// A consumer of a flow whose writer is polled meanwhile.
    fn subscribe(&self, flow: &Name, writer: &mut FrameWriter) -> Consumer {
        let session = Session::connect(&self.socket).unwrap();
        std::thread::scope(|scope| {
            let joining = scope.spawn(|| session.subscribe(flow, ConsumerClass::Lossy).unwrap());
            while !joining.is_finished() {
                writer.poll(Tai::EPOCH);
                std::thread::sleep(Duration::from_micros(200));
            }
            joining.join().unwrap()
        })
    }
}

fn format() -> VideoFormat {
    let rate = Rate::new(50, 1).unwrap();
    VideoFormat::new(16, LINES.into(), Sampling::YCbCr422, Depth::Bits10, rate).unwrap()
}

fn flow() -> Name {
    "camera".parse().unwrap()
}

/// Sleeps for every line of every grain, and says how far it is.
fn sleep_through(consumer: &mut Consumer, grains: std::ops::Range<u64>, had: &AtomicU64) {
    for index in grains {
        for lines in 0..=LINES {
            let deadline = Instant::now() + Duration::from_secs(50);
            let state = consumer.reader().wait_until(GrainIndex(index), lines, deadline).unwrap();
            assert!(state.slices >= lines);
            had.store(index << 16 | u64::from(lines), Ordering::Release);
        }
    }
}

/// Writes line by line; after each it goes on when `is_read` says so. No system call of its own.
fn write(writer: &mut FrameWriter, grains: std::ops::Range<u64>, is_read: impl Fn(u64, u16)) {
    for index in grains {
        let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
        is_read(index, 0);
        for lines in 1..=LINES {
            writer.publish(key, lines);
            is_read(index, lines);
        }
        writer.commit(key, GrainEnd::default());
        writer.poll(Tai::EPOCH);
    }
}

fn until_read(had: &AtomicU64) -> impl Fn(u64, u16) {
    move |index, lines| {
        while had.load(Ordering::Acquire) < index << 16 | u64::from(lines) {
            std::hint::spin_loop();
        }
    }
}

#[test]
fn the_gateways_writer_calls_no_kernel_whoever_sleeps() {
    let calls = syscalls::of("the_gateways_writer_calls_no_kernel_whoever_sleeps", || {
        let stage = Stage::set();
        let mut writer = stage.broker.create_flow(&flow(), format(), Some(8)).unwrap();
        let mut consumer = stage.subscribe(&flow(), &mut writer);
        let had = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| sleep_through(&mut consumer, 1..GRAINS, &had));
            syscalls::between(|| write(&mut writer, 1..GRAINS, until_read(&had)));
            sleeper.join().unwrap();
        });
    });
    if let Some(calls) = calls.unwrap() {
        assert_eq!(calls, Vec::<String>::new());
    }
}

#[test]
fn an_inline_writer_calls_no_kernel_while_nobody_sleeps() {
    let calls = syscalls::of("an_inline_writer_calls_no_kernel_while_nobody_sleeps", || {
        let stage = Stage::set();
        let mut producer = Session::connect(&stage.socket).unwrap().produce(&flow(), format(), Some(8)).unwrap();
        let mut consumers: Vec<_> = (0..4).map(|_| stage.subscribe(&flow(), producer.writer())).collect();
        // Before anybody has slept, and after all have.
        syscalls::between(|| write(producer.writer(), 1..GRAINS, |_, _| {}));
        for (consumer, first) in consumers.iter_mut().zip(1..) {
            let (grains, had) = (first * GRAINS..first * GRAINS + 2, AtomicU64::new(0));
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| sleep_through(consumer, grains.clone(), &had));
                write(producer.writer(), grains.clone(), until_read(&had));
                sleeper.join().unwrap();
            });
        }
        syscalls::between(|| write(producer.writer(), 10 * GRAINS..11 * GRAINS, |_, _| {}));
    });
    if let Some(calls) = calls.unwrap() {
        assert_eq!(calls, Vec::<String>::new());
    }
}

/// Waits until a thread of this process sleeps on a futex.
fn until_asleep(thread: &AtomicU64) {
    eventually("it sleeps", || {
        let path = format!("/proc/self/task/{}/syscall", thread.load(Ordering::Acquire));
        std::fs::read_to_string(path).is_ok_and(|call| call.starts_with(&format!("{FUTEX} ")))
    });
}

#[test]
fn an_inline_writer_calls_no_kernel_for_one_who_sleeps_for_more() {
    let calls = syscalls::of("an_inline_writer_calls_no_kernel_for_one_who_sleeps_for_more", || {
        let stage = Stage::set();
        let mut producer = Session::connect(&stage.socket).unwrap().produce(&flow(), format(), Some(8)).unwrap();
        let mut consumer = stage.subscribe(&flow(), producer.writer());
        let thread = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                thread.store(rustix::thread::gettid().as_raw_nonzero().get() as u64, Ordering::Release);
                let deadline = Instant::now() + Duration::from_secs(50);
                consumer.reader().wait_until(GrainIndex(GRAINS), 1, deadline).unwrap()
            });
            until_asleep(&thread);
            syscalls::between(|| write(producer.writer(), 1..GRAINS, |_, _| {}));
            assert!(!sleeper.is_finished());
            write(producer.writer(), GRAINS..GRAINS + 1, |_, _| {});
            sleeper.join().unwrap();
        });
    });
    if let Some(calls) = calls.unwrap() {
        assert_eq!(calls, Vec::<String>::new());
    }
}

#[test]
fn an_inline_writer_wakes_whoever_sleeps_and_does_nothing_else() {
    let calls = syscalls::of("an_inline_writer_wakes_whoever_sleeps_and_does_nothing_else", || {
        let stage = Stage::set();
        let mut producer = Session::connect(&stage.socket).unwrap().produce(&flow(), format(), Some(8)).unwrap();
        let mut consumer = stage.subscribe(&flow(), producer.writer());
        let had = AtomicU64::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| sleep_through(&mut consumer, 1..GRAINS, &had));
            syscalls::between(|| write(producer.writer(), 1..GRAINS, until_read(&had)));
            sleeper.join().unwrap();
        });
    });
    if let Some(calls) = calls.unwrap() {
        assert!(!calls.is_empty(), "it slept for {} lines", (GRAINS - 1) * u64::from(LINES));
        // Shared, not private: the sleeper is another process.
        let wakes = |call: &String| call.starts_with("futex(") && call.contains("FUTEX_WAKE, 16");
        assert!(calls.iter().all(wakes), "{calls:?}");
    }
}
