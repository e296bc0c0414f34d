//! Tasks that wait, against a broker and producers of this process.

use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use media::{Depth, Name, Rate, Sampling, Tai, VideoFormat};
use tempfile::TempDir;

use super::*;
use crate::lease_page;
use crate::wake::Want as Posting;
use crate::{Broker, BrokerConfig, ConsumerClass, FrameWriter, GrainEnd, GrainStamp, PagePolicy, Producer, Session};

const SLICES: u16 = 4;
/// Longer than anybody here sleeps, unless its wake is lost.
const FOR_EVER: Duration = Duration::from_secs(20);

/// A broker, and one flow of each kind of producer.
struct Bench {
    dir: TempDir,
    broker: Broker,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = BrokerConfig::new(dir.path().join("broker.sock"));
        config.page_policy = PagePolicy::PlainOnly;
        let broker = Broker::start(config, |_| {}).unwrap();
        Self { dir, broker }
    }

    fn session(&self) -> Session {
        Session::connect(&self.dir.path().join("broker.sock")).unwrap()
    }

    fn own(&self, flow: &Name) -> FrameWriter {
        self.broker.create_flow(flow, format(), Some(8)).unwrap()
    }

    fn pods(&self, flow: &Name) -> Producer {
        self.session().produce(flow, format(), Some(8)).unwrap()
    }

    /// Polls the writer until the consumer is in.
    fn subscribe(&self, flow: &Name, writer: &mut FrameWriter) -> Consumer {
        let session = self.session();
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

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn format() -> VideoFormat {
    VideoFormat::new(16, SLICES.into(), Sampling::YCbCr422, Depth::Bits10, Rate::new(25, 1).unwrap()).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The task's half of [`follow`]; says how many slices it has, each time.
async fn read_along(consumer: &mut AsyncConsumer, grains: RangeInclusive<u64>, had: &Sender<u16>) {
    consumer.consumer().reader().sleep_at_most(FOR_EVER);
    for index in grains {
        let lease = consumer.next().await.unwrap();
        assert_eq!(lease.index(), GrainIndex(index));
        had.send(0).unwrap();
        for slices in 1..=SLICES {
            assert_eq!(consumer.wait_until(lease.index(), slices).await.unwrap().slices, slices);
            had.send(slices).unwrap();
        }
        assert!(consumer.wait_until(lease.index(), u16::MAX).await.unwrap().complete);
    }
    assert_eq!(consumer.overslept, 0, "a wake is lost");
}

/// The writer's half.
fn write_along(writer: &mut FrameWriter, grains: RangeInclusive<u64>, heard: &Receiver<u16>) {
    for index in grains {
        let key = writer.open(GrainIndex(index), GrainStamp::default(), Tai::EPOCH).unwrap();
        assert_eq!(heard.recv().unwrap(), 0);
        for slices in 1..=SLICES {
            writer.publish(key, slices);
            assert_eq!(heard.recv().unwrap(), slices);
        }
        writer.commit(key, GrainEnd::default());
    }
}

/// Each slice is published only when the task has the one before: a wake that is lost is missed until the task looks by
/// itself.
fn follow(consumer: Consumer, writer: &mut FrameWriter, grains: u64) {
    let (had, heard) = channel();
    std::thread::scope(|scope| {
        let task = scope.spawn(move || {
            run(async move {
                let mut consumer = AsyncConsumer::new(consumer).unwrap();
                read_along(&mut consumer, 1..=grains, &had).await;
            });
        });
        write_along(writer, 1..=grains, &heard);
        task.join().unwrap();
    });
}

#[test]
fn a_task_follows_the_slices_of_the_gateway() {
    let (bench, flow) = (Bench::new(), name("own"));
    let mut writer = bench.own(&flow);
    let consumer = bench.subscribe(&flow, &mut writer);
    follow(consumer, &mut writer, 30);
}

#[test]
fn a_task_follows_the_slices_of_a_pod() {
    let (bench, flow) = (Bench::new(), name("pod"));
    let mut producer = bench.pods(&flow);
    let consumer = bench.subscribe(&flow, producer.writer());
    follow(consumer, producer.writer(), 30);
}

#[test]
fn a_task_is_woken_in_the_seat_that_it_takes_next() {
    let (bench, flow) = (Bench::new(), name("pod"));
    let mut producer = bench.pods(&flow);
    let consumer = bench.subscribe(&flow, producer.writer());
    let (session, (had, heard), writer) = (bench.session(), channel(), producer.writer());
    std::thread::scope(|scope| {
        let task = scope.spawn(move || {
            run(async move {
                let mut consumer = AsyncConsumer::new(consumer).unwrap();
                read_along(&mut consumer, 1..=2, &had).await;
                consumer.consumer().rejoin(&session).unwrap();
                had.send(0).unwrap();
                read_along(&mut consumer, 3..=20, &had).await;
                let (followed, seats) = (consumer.bell.as_ref().unwrap(), consumer.consumer.reader().bell().unwrap());
                assert!(Arc::ptr_eq(followed.get_ref(), seats), "the bell of the seat that was left");
            });
        });
        write_along(writer, 1..=2, &heard);
        while heard.try_recv().is_err() {
            writer.poll(Tai::EPOCH);
            std::thread::sleep(Duration::from_micros(200));
        }
        write_along(writer, 3..=20, &heard);
        task.join().unwrap();
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing() {
    let (bench, flow) = (Bench::new(), name("pod"));
    let mut producer = bench.pods(&flow);
    let consumer = bench.subscribe(&flow, producer.writer());
    run(async {
        let mut consumer = AsyncConsumer::new(consumer).unwrap();
        let posted = |consumer: &mut AsyncConsumer| {
            Posting::decode(lease_page::wanted(consumer.consumer().reader().bed().lease))
        };
        {
            let mut waiting = std::pin::pin!(consumer.wait_until(GrainIndex(3), 1));
            let mut context = Context::from_waker(Waker::noop());
            assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
        }
        assert_eq!(posted(&mut consumer), None);
        let key = producer.writer().open(GrainIndex(3), GrainStamp::default(), Tai::EPOCH).unwrap();
        producer.writer().publish(key, 1);
        assert_eq!(consumer.wait_until(GrainIndex(3), 1).await.unwrap().slices, 1);
    });
}

#[test]
fn a_task_hears_that_the_producer_is_gone() {
    let (bench, flow) = (Bench::new(), name("pod"));
    let mut producer = bench.pods(&flow);
    let consumer = bench.subscribe(&flow, producer.writer());
    run(async {
        let mut consumer = AsyncConsumer::new(consumer).unwrap();
        drop(producer);
        let gone = consumer.next().await.unwrap_err();
        assert_eq!(gone, WaitError::ProducerGone { index: GrainIndex(0) });
    });
}
