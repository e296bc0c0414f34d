//! A consumer that dies with grains in use: its slots are free at the very next open after its life pipe hung up, whether
//! it was live or quarantined. How long the kernel takes from `kill -9` to the hang-up is printed, for plain pages and
//! for hugepages.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::path::Path;
use std::time::{Duration, Instant};

use hwtests::{Actor, Actors, Sysctl, actor, eventually, take_turn};
use media::{Depth, GrainIndex, Name, Rate, RtpTimestamp, Sampling, Tai, VideoFormat};
use rustix::process::Signal;
use shm::{Broker, BrokerConfig, ConsumerClass, ConsumerState, FrameWriter, GrainEnd, GrainStamp, PagePolicy, Session};

/// 20 MiB each: 500 MiB.
const SLOTS: u16 = 25;
/// The largest lease that such a ring gives.
const K: u16 = SLOTS - 3;
const DEATHS: usize = 5;

fn format() -> VideoFormat {
    VideoFormat::new(3840, 2160, Sampling::YCbCr422, Depth::Bits10, Rate::new(50, 1).unwrap()).unwrap()
}

fn name() -> Name {
    "cam".parse().unwrap()
}

/// The parts that other processes play.
#[test]
fn actor() {
    let Some((part, words)) = actor::part() else { return };
    assert_eq!(part, "reader");
    let session = Session::connect(Path::new(&words[0])).unwrap();
    let class = ConsumerClass::Leased { k: K, deadline_nanos: i64::MAX };
    let mut consumer = session.subscribe(&name(), class).unwrap();
    actor::say("joined");
    let mut held = Vec::new();
    for order in std::io::stdin().lines().map_while(Result::ok) {
        let lease = consumer.reader().lease(GrainIndex(order.parse().unwrap())).unwrap();
        let lines = lease.lines(0..format().height()).unwrap();
        // Every page is in its page tables: that is what makes a death slow.
        let sum: u64 = lines.iter().step_by(4096).map(|octet| u64::from(*octet)).sum();
        held.push(lease);
        actor::say(&format!("held {} {sum}", held.len()));
    }
}

struct Bench {
    actors: Actors,
    broker: Broker,
    writer: FrameWriter,
    index: u64,
}

impl Bench {
    fn new(pages: PagePolicy) -> Self {
        let actors = Actors::new().unwrap();
        let mut config = BrokerConfig::new(actors.folder().join("broker.sock"));
        config.page_policy = pages;
        let broker = Broker::start(config, |_| {}).unwrap();
        let writer = broker.create_flow(&name(), format(), Some(SLOTS)).unwrap();
        Self { actors, broker, writer, index: 0 }
    }

    fn grain(&mut self) -> u64 {
        self.index += 1;
        let stamp = GrainStamp { tai: Tai::EPOCH, rtp: RtpTimestamp(self.index as u32) };
        let key = self.writer.open(GrainIndex(self.index), stamp, Tai::EPOCH).unwrap();
        self.writer.commit(key, GrainEnd::default());
        self.index
    }

    fn poll(&mut self) {
        self.writer.poll(Tai::EPOCH);
    }

    fn state(&self) -> Option<ConsumerState> {
        self.broker.flows()[0].consumers.first().map(|consumer| consumer.state)
    }

    /// A process that holds K grains.
    fn reader(&mut self) -> Actor {
        let socket = self.actors.folder().join("broker.sock");
        let mut reader = self.actors.start("reader", socket.to_str().unwrap(), None).unwrap();
        eventually("the reader has joined", || {
            self.poll();
            matches!(self.state(), Some(ConsumerState::Live { .. }))
        });
        assert_eq!(reader.hear().as_deref(), Some("joined"));
        for number in 1..=K {
            let index = self.grain();
            reader.tell(&index.to_string());
            assert!(reader.hear().unwrap().starts_with(&format!("held {number} ")));
        }
        self.poll();
        assert_eq!(self.writer.slot_accounts().leased, K);
        reader
    }

    /// From `kill -9` until the broker has heard it; the writer does nothing meanwhile.
    fn death(&self, reader: &Actor) -> Duration {
        let killed = Instant::now();
        reader.signal(Signal::KILL);
        // Looked at often, for the time is what is asked for.
        while self.state() != Some(ConsumerState::Leaving) {
            assert!(killed.elapsed() < Duration::from_secs(30), "the broker never hears of the death");
            std::thread::sleep(Duration::from_micros(20));
        }
        killed.elapsed()
    }

    /// All is free after one open.
    fn check_next_open(&mut self) {
        self.grain();
        let accounts = self.writer.slot_accounts();
        assert_eq!((accounts.leased, accounts.quarantined), (0, 0), "{accounts:?}");
        assert_eq!(accounts.free + accounts.done, SLOTS);
        eventually("the seat is free", || self.state().is_none());
    }
}

fn deaths(pages: PagePolicy, what: &str) {
    let mut bench = Bench::new(pages);
    let mut took = Vec::new();
    for death in 0..DEATHS {
        let mut reader = bench.reader();
        if death % 2 == 1 {
            // Too slow as well: one more grain evicts it, and it is asked to give back what it will never give back.
            bench.grain();
            bench.grain();
            assert!(bench.writer.slot_accounts().quarantined >= K, "{:?}", bench.writer.slot_accounts());
            eventually("the broker hears it", || matches!(bench.state(), Some(ConsumerState::Evicted { .. })));
        }
        took.push(bench.death(&reader));
        bench.check_next_open();
        reader.kill();
    }
    took.sort();
    let octets = u64::from(K) * 20;
    println!(
        "kill -9 to the broker's notice, {octets} MiB in use on {what}: median {:?}, from {:?} to {:?} ({DEATHS} deaths)",
        took[DEATHS / 2],
        took[0],
        took[DEATHS - 1]
    );
    assert_eq!(bench.writer.counters().no_slot(), 0);
}

#[test]
fn a_dead_consumers_slots_are_free_at_the_next_open() {
    let _turn = take_turn();
    deaths(PagePolicy::PlainOnly, "4 KiB pages");
}

#[test]
fn a_dead_consumers_hugepages_are_free_at_the_next_open() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: only root reserves hugepages");
    }
    let _turn = take_turn();
    let _pages = Sysctl::free_hugepages(u64::from(SLOTS) * 10).unwrap();
    deaths(PagePolicy::HugeOnly, "2 MiB pages");
}
