//! A thousand receivers and pods that come and go, over an hour: what the gateway holds stays the same.
//!
//! Each cycle adds a receiver to the gateway's DPDK port and reads its flow, produces a pod's flow, reads it, has a sender
//! of the port send it, and takes all of that away again. Sampled are the gateway's resident memory, descriptors and
//! mappings of rings, its registrations with DPDK, the leases of its port, and the machine's hugepages in use. After a
//! warm-up they are flat: what is counted is as it was, and memory has grown by less than a ring's control region a cycle,
//! the least that could be left behind.
//!
//! `SOAK_SECONDS` (3600) says how long, `SOAK_CYCLES` (1000) how many. Needs root, and a flypackd with its feature `dpdk`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use hwtests::gateway_bench::{self, GatewayBench, LIMIT, PERIOD, PORT, SCREEN, STUDIO, flypack, format, port_counter};
use hwtests::{Gateway, Sysctl, eventually, namespace, peer, take_turn};
use media::{GrainIndex, Name, RtpTimestamp, Tai};
use shm::{ConsumerClass, GrainEnd, GrainStamp, Producer, Session};

/// Cycles until everything that is allocated once has been.
const WARM_UP: u64 = 50;
/// Between two samples.
const SAMPLE: u64 = 25;
/// Slots of each ring: 2 MiB each.
const SLOTS: u16 = 16;
/// What resident memory may have grown by at the end, however many cycles: an allocator's own noise. A ring that is left
/// behind has 32 MiB; its control region alone is 20 KiB, and a thousand of them would be twice this.
const GROWTH_KIB: u64 = 8 << 10;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What is held at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sample {
    cycle: u64,
    resident_kib: u64,
    held: Held,
}

/// What must be the same after each cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    ring_mappings: usize,
    registrations: u64,
    leases: u64,
    hugepages_used: u64,
}

impl Sample {
    const HEAD: &str = " cycle  RSS KiB  descriptors  ring mappings  registrations  leases  HugePages used";

    fn take(gateway: &Gateway, cycle: u64) -> Self {
        let process = format!("/proc/{}", gateway.process().id());
        let read = |file: &str| std::fs::read_to_string(format!("{process}/{file}")).unwrap();
        let maps = read("maps");
        let statistics = gateway.statistics().unwrap();
        Self {
            cycle,
            resident_kib: field(&read("status"), "VmRSS"),
            held: Held {
                descriptors: std::fs::read_dir(format!("{process}/fd")).unwrap().count(),
                ring_mappings: maps.lines().filter(|line| line.contains("memfd:flypack")).count(),
                registrations: port_counter(&statistics, "registrations_held"),
                leases: port_counter(&statistics, "tx_leases_held"),
                hugepages_used: hugepages_used(),
            },
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cycle, resident_kib, held } = self;
        let Held { descriptors, ring_mappings, registrations, leases, hugepages_used } = held;
        write!(
            f,
            "{cycle:6}  {resident_kib:7}  {descriptors:11}  {ring_mappings:13}  {registrations:13}  {leases:6}  {hugepages_used:14}"
        )
    }
}

/// Not those that are free: whoever reserves some changes their number.
fn hugepages_used() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    field(&text, "HugePages_Total") - field(&text, "HugePages_Free")
}

/// `Name:   123 kB`.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap()
}

fn order(gateway: &Gateway, words: &str) {
    let (said, went_well) = flypack(gateway, words).unwrap();
    assert!(went_well, "flypack {words}: {said}");
}

fn leased() -> ConsumerClass {
    ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX }
}

/// A pod's grains, at their places on the TAI grid.
struct Pod(Producer);

impl Pod {
    fn poll(&mut self) {
        self.0.writer().poll(now());
    }

    fn grain(&mut self) {
        let index = now().as_nanos() as u64 / PERIOD.as_nanos() as u64;
        let tai = Tai::from_nanos((index * PERIOD.as_nanos() as u64) as i64);
        let stamp = GrainStamp { tai, rtp: RtpTimestamp((index as u32).wrapping_mul(1_800)) };
        let key = self.0.writer().open(GrainIndex(index), stamp, now()).unwrap();
        self.0.writer().commit(key, GrainEnd::default());
    }
}

/// TAI has been 37 s ahead of UTC since 2017.
fn now() -> Tai {
    let since = UNIX_EPOCH.elapsed().unwrap() + Duration::from_secs(37);
    Tai::from_nanos(i64::try_from(since.as_nanos()).unwrap())
}

/// What comes and goes.
fn cycle(bench: &GatewayBench, gateway: &Gateway, number: u64) {
    let (receiver, flow) = (format!("in-{number}"), format!("pod-{number}"));
    let name = |text: &str| text.parse::<Name>().unwrap();
    order(gateway, &format!("receivers add {receiver} --sdp {} --slots {SLOTS}", bench.file("in.sdp").display()));
    let session = Session::connect(&gateway.broker).unwrap();
    let of_receiver = session.subscribe(&name(&receiver), leased()).unwrap();
    let mut pod = Pod(session.produce(&name(&flow), format(), Some(SLOTS)).unwrap());
    let mut of_pod = std::thread::scope(|scope| {
        let joining = scope.spawn(|| session.subscribe(&name(&flow), leased()));
        while !joining.is_finished() {
            pod.poll();
        }
        joining.join().unwrap().unwrap()
    });
    let sent = || gateway.statistics().unwrap().of("sender", "out", "grains_sent").unwrap();
    let before = sent();
    std::thread::scope(|scope| {
        let taking = scope.spawn(|| order(gateway, &format!("take out {flow}")));
        while !taking.is_finished() {
            pod.poll();
        }
        taking.join().unwrap();
    });
    // The pod's own consumer reads each of them; the sender has sent one when it says so.
    eventually("the sender has sent a grain of the pod", || {
        // From one place on the grid to another.
        std::thread::sleep(PERIOD + PERIOD / 2);
        pod.grain();
        let index = of_pod.reader().next_available().unwrap();
        assert_eq!(of_pod.reader().lease(index).unwrap().state().unwrap().slices, format().height());
        sent() > before
    });
    order(gateway, "take out --clear");
    drop((of_receiver, of_pod, pod, session));
    order(gateway, &format!("receivers del {receiver}"));
}

/// Waits until what was held before the cycle is held again, so that no sample is of a moment in between.
fn settled(gateway: &Gateway, cycle: u64, expected: Option<Held>) -> Sample {
    let begun = Instant::now();
    loop {
        let sample = Sample::take(gateway, cycle);
        if expected.is_none_or(|expected| sample.held == expected) || begun.elapsed() > LIMIT {
            return sample;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn check(samples: &[Sample]) {
    let warm = samples.iter().find(|sample| sample.cycle >= WARM_UP.min(samples[samples.len() - 1].cycle / 2)).unwrap();
    for sample in samples.iter().filter(|sample| sample.cycle >= warm.cycle) {
        assert_eq!(sample.held, warm.held, "after cycle {} and after cycle {}", sample.cycle, warm.cycle);
        let grown = sample.resident_kib.saturating_sub(warm.resident_kib);
        assert!(grown < GROWTH_KIB, "{grown} KiB more after cycle {} than after cycle {}", sample.cycle, warm.cycle);
    }
}

fn sdp(path: &Path) {
    let text = peer::sdp(&format(), format!("{PORT}:5100").parse().unwrap());
    std::fs::write(path, text).unwrap();
}

#[test]
#[ignore = "an hour: make soak"]
fn what_comes_and_goes_leaves_nothing() {
    if let Some(reason) = namespace::unavailable() {
        return eprintln!("SKIPPED: no network namespaces here: {reason}");
    }
    let _turn = take_turn();
    let (cycles, time) = (number("SOAK_CYCLES", 1_000), Duration::from_secs(number("SOAK_SECONDS", 3_600)));
    let _pages = Sysctl::free_hugepages(4 * u64::from(SLOTS)).unwrap();
    let bench = GatewayBench::set_up().unwrap();
    sdp(&bench.file("in.sdp"));
    let sender = format!("[[sender]]\nname = \"out\"\ndestination = \"{STUDIO}:{SCREEN}\"\nlateness_frames = 10\n");
    let gateway = bench.start(&(gateway_bench::port("net_af_packet:near", "") + &sender)).unwrap();
    eventually("the port answers pings", || bench.answers_pings().unwrap());
    let begun = Instant::now();
    let mut samples = vec![Sample::take(&gateway, 0)];
    println!("{}\n{}", Sample::HEAD, samples[0]);
    for number in 1..=cycles {
        cycle(&bench, &gateway, number);
        if number % SAMPLE == 0 || number == cycles {
            let sample = settled(&gateway, number, Some(samples[samples.len() - 1].held));
            println!("{sample}");
            samples.push(sample);
        }
        // Paced, so that a slow leak has its hour.
        let due = time.mul_f64(number as f64 / cycles as f64);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    check(&samples);
    gateway.stop().unwrap();
    let log = std::fs::read_to_string(bench.file("flypackd.log")).unwrap();
    assert!(!log.contains("could not be registered") && !log.contains("ERROR"), "{log}");
}
