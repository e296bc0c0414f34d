//! From a slice's publication to the consumer that slept for it: the writer wakes, or a thread beside it. Then what
//! publishing costs the writer. Median and tail of ten rounds each; `cargo bench -p flypack-benches --bench wake`.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use media::{Depth, GrainIndex, Name, Rate, Sampling, Tai, VideoFormat};
use shm::{
    Broker, BrokerConfig, Consumer, ConsumerClass, FrameWriter, GrainEnd, GrainStamp, PagePolicy, Producer, Session,
};

const LINES: u16 = 1080;
const ROUNDS: u64 = 10;
/// What a line takes at 1080p60.
const LINE: Duration = Duration::from_micros(15);
/// `USER_HZ`, the same on every Linux of ours.
const TICKS_A_SECOND: f64 = 100.0;
/// Long enough for a consumer to fall asleep.
const PAUSE: Duration = Duration::from_micros(200);

/// What has a writer.
trait Writes {
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

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("broker.sock");
    let config = BrokerConfig { page_policy: PagePolicy::PlainOnly, ..BrokerConfig::new(&socket) };
    let period_us = config.wake_period_us;
    let broker = Broker::start(config, |_| {}).unwrap();
    let session = Session::connect(&socket).unwrap();
    let (own, pods): (Name, Name) = ("own".parse().unwrap(), "pod".parse().unwrap());
    let mut gateway = broker.create_flow(&own, format(), Some(4)).unwrap();
    let mut pod = session.produce(&pods, format(), Some(4)).unwrap();
    measure("inline", &mut pod, &session, &pods);
    measure(&format!("housekeeping, every {period_us} us"), &mut gateway, &session, &own);
    waker_share(&mut gateway, &session, &own);
}

/// What the waker takes of a core while a consumer sleeps from frame to frame.
fn waker_share(writer: &mut FrameWriter, session: &Session, flow: &Name) {
    let mut consumer = subscribe(session, flow, writer);
    let frames = 4000..4120;
    std::thread::scope(|scope| {
        let last = GrainIndex(frames.end - 1);
        scope.spawn(move || {
            consumer.reader().wait_until(last, LINES, Instant::now() + Duration::from_secs(10)).unwrap()
        });
        let (begun, before) = (Instant::now(), waker_ticks());
        for index in frames {
            let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
            writer.commit(key, GrainEnd::default());
            std::thread::sleep(Duration::from_micros(16_667));
        }
        let (ticks, took) = (waker_ticks() - before, begun.elapsed());
        let share = ticks as f64 / TICKS_A_SECOND / took.as_secs_f64();
        println!("  the waker while a consumer sleeps: {:.1} % of a core", share * 100.0);
    });
}

/// User and system time of the broker's waker thread, in ticks.
fn waker_ticks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let stats = tasks.map(|task| std::fs::read_to_string(task.join("stat")).unwrap_or_default());
    let of_waker = |stat: String| {
        let fields: Vec<u64> = stat
            .split_once("(flypack-waker) ")?
            .1
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse().unwrap())
            .collect();
        Some(fields.iter().sum::<u64>())
    };
    stats.filter_map(of_waker).sum()
}

fn measure(mode: &str, producer: &mut impl Writes, session: &Session, flow: &Name) {
    let writer = producer.writer();
    println!("{mode}");
    print("publish, nobody joined", publish(writer, 1));
    let mut consumer = subscribe(session, flow, writer);
    for (what, pause, first) in [("after 200 us of sleep", PAUSE, 1000), ("a line every 15 us", LINE, 2000)] {
        print(&format!("hand-over, {what}"), hand_over(writer, &mut consumer, pause, first));
    }
    print("publish, a consumer that is awake", publish(writer, 3000));
}

fn subscribe(session: &Session, flow: &Name, writer: &mut FrameWriter) -> Consumer {
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| session.subscribe(flow, ConsumerClass::Lossy).unwrap());
        while !joining.is_finished() {
            writer.poll(Tai::EPOCH);
        }
        joining.join().unwrap()
    })
}

/// ns from the publication of each line to the consumer's return from its wait.
fn hand_over(writer: &mut FrameWriter, consumer: &mut Consumer, pause: Duration, first: u64) -> Vec<u64> {
    let (begun, had) = (Instant::now(), AtomicU64::new(0));
    let now = move || begun.elapsed().as_nanos() as u64;
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut times = Vec::new();
            for index in first..first + ROUNDS {
                for lines in 0..=LINES {
                    let deadline = Instant::now() + Duration::from_secs(10);
                    consumer.reader().wait_until(GrainIndex(index), lines, deadline).unwrap();
                    times.push(now());
                    had.store(index << 16 | u64::from(lines), Ordering::Release);
                }
            }
            times
        });
        let mut published = Vec::new();
        for index in first..first + ROUNDS {
            let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
            published.push(now());
            for lines in 1..=LINES {
                while had.load(Ordering::Acquire) < index << 16 | u64::from(lines - 1) {
                    spin_loop();
                }
                let until = now() + pause.as_nanos() as u64;
                while now() < until {
                    spin_loop();
                }
                published.push(now());
                writer.publish(key, lines);
            }
            while had.load(Ordering::Acquire) < index << 16 | u64::from(LINES) {
                spin_loop();
            }
            writer.commit(key, GrainEnd::default());
        }
        let read = reading.join().unwrap();
        read.iter().zip(published).map(|(read, published)| read.saturating_sub(published)).collect()
    })
}

/// ns of one publication, in the mean of a grain's.
fn publish(writer: &mut FrameWriter, first: u64) -> Vec<u64> {
    let mut times = Vec::new();
    for index in first..first + 10 * ROUNDS {
        let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
        let begun = Instant::now();
        for lines in 1..=LINES {
            writer.publish(key, lines);
        }
        times.push(begun.elapsed().as_nanos() as u64 / u64::from(LINES));
        writer.commit(key, GrainEnd::default());
    }
    times
}

fn print(what: &str, mut times: Vec<u64>) {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 1000];
    println!("  {what:<36} p50 {:>8} ns   p99 {:>8} ns   p99.9 {:>8} ns", at(500), at(990), at(999));
}

fn format() -> VideoFormat {
    let rate = Rate::new(60, 1).unwrap();
    VideoFormat::new(16, LINES.into(), Sampling::YCbCr422, Depth::Bits10, rate).unwrap()
}
