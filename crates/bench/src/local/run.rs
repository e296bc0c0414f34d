//! One round: a thread that sends, one that receives, and a look at their counters each second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use media::Clock as _;
use netio::{RxQueue, TxQueue};
use serde::Serialize;
use shm::GrainLease;
use worker::Core;

use super::ends::{Ends, Enter};
use super::stage::{Listening, Placed, Sending, Stage};
use super::summary::Plan;
use super::tally::{Interval, Tally};
use crate::arguments::Local;
use crate::clock;
use crate::desk::{Desk, Meter};

/// Before the first second: caches, pages and clocks settle.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long the threads go on for what is on its way: longer than a receiver waits for a grain's last packet.
const DRAIN_NS: u64 = 300_000_000;
/// What a stepped clock is moved by while the last grains leave.
const DRAIN_STEP_NANOS: i64 = 50_000_000;

/// What a round found.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// How the device and the rings have their memory.
    pub memory: String,
    /// Pages of the rings.
    pub ring_pages: &'static str,
    /// Each second.
    pub seconds: Vec<Interval>,
    /// All of them.
    pub whole: Interval,
    /// From the first packet, also before and after these seconds, to the last.
    pub total: Tally,
    /// Packets over what the format has in a second, all streams together: of the receiver, or of the sender where there is
    /// none.
    pub times_real_time: f64,
    /// The longest turn of the worker that sends and of the one that receives, µs.
    pub longest_turn_us: [f64; 2],
    /// Packets that were lost: those that are missing by sequence, and those that were never sent.
    pub packets_lost: u64,
}

impl Outcome {
    /// Whether everything arrived as it was sent.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Tally { late_skipped, not_sent, grains_missed, late, refused, grains_incomplete, wrong_blocks, .. } =
            self.total;
        let amiss = [late_skipped, not_sent, grains_missed, late, refused, grains_incomplete, wrong_blocks];
        self.packets_lost == 0 && amiss.iter().all(|count| *count == 0)
    }
}

/// Measures once.
pub(super) fn round<R, T>(ends: Ends<R, T>, arguments: &Local, plan: &Plan) -> Result<Outcome>
where
    R: RxQueue + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let Ends { tx, rx, destinations, enter, hooks, memory, keep } = ends;
    let placed = Placed { destinations: &destinations, hooks: &*hooks };
    let stage = Stage::set(tx, rx, &placed, arguments)?;
    let ring_pages = match stage.ring_pages {
        shm::Pages::Huge2M => "2 MiB",
        shm::Pages::Plain => "4 KiB",
    };
    let outcome = play(stage, &enter, arguments, plan)?;
    // The queues went with their workers.
    drop(keep);
    Ok(Outcome { memory, ring_pages, ..outcome })
}

fn play<R, T>(stage: Stage<R, T>, enter: &Enter, arguments: &Local, plan: &Plan) -> Result<Outcome>
where
    R: RxQueue + 'static,
    T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
    Desk<R, T>: Send,
{
    let Stage { sending, listening, .. } = stage;
    let watches = (sending.watch.clone(), listening.as_ref().map(|listening| listening.watch.clone()));
    let counts_per_us = sending.desk.counts_per_second() / 1e6;
    let [stop_sending, stop_listening] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let [tx_core, rx_core] = arguments.traffic.pair_of_cores();
    let mut threads = Vec::new();
    let is_alone = tx_core == rx_core;
    match listening {
        // Taking turns on one core: one thread.
        Some(listening) if is_alone => {
            threads.push(start("both", tx_core, enter, &stop_sending, move |stop| both(sending, listening, stop))?);
        }
        listening => {
            if let Some(listening) = listening {
                threads.push(start("rx", rx_core, enter, &stop_listening, move |stop| listen(listening, stop))?);
            }
            threads.insert(0, start("tx", tx_core, enter, &stop_sending, move |stop| send(sending, stop))?);
        }
    }
    let take = || Tally::take(&watches.0, watches.1.as_ref());
    let latencies = watches.1.as_ref().map(|watch| Arc::clone(&watch.latencies));
    let drain = || latencies.iter().flat_map(|queue| std::iter::from_fn(|| queue.pop())).collect::<Vec<_>>();
    thread::sleep(WARM_UP);
    drop(drain());
    let first = take();
    let (mut last, mut seconds, mut all) = (first, Vec::new(), Vec::new());
    for second in 1..=arguments.traffic.seconds {
        let until = first.at + u64::from(second) * 1_000_000_000;
        thread::sleep(Duration::from_nanos(until.saturating_sub(clock::now())));
        let (now, mut some) = (take(), drain());
        let interval = Interval::between(&last, &now, &mut some);
        if !arguments.quiet {
            tell(arguments, second, &interval);
        }
        seconds.push(interval);
        all.append(&mut some);
        last = now;
        if threads.iter().any(JoinHandle::is_finished) {
            break;
        }
    }
    let whole = Interval::between(&first, &last, &mut all);
    for (thread, stop) in threads.into_iter().zip([stop_sending, stop_listening]) {
        // Relaxed: a flag without data behind it.
        stop.store(true, Ordering::Relaxed);
        thread.join().map_err(|_| anyhow!("a thread of the run panicked"))??;
    }
    let total = take();
    let is_heard = watches.1.is_some();
    let missing = if is_heard { total.tx_packets.saturating_sub(total.rx_packets) } else { 0 };
    let rate = if is_heard { whole.rx_packets_per_second } else { whole.tx_packets_per_second };
    let longest = |meter: Option<&Meter>| meter.map_or(0, |meter| meter.longest_turn.value()) as f64;
    Ok(Outcome {
        memory: String::new(),
        ring_pages: "",
        seconds,
        whole,
        total,
        times_real_time: rate / plan.packets_per_second,
        longest_turn_us: [Some(&*watches.0.meter), watches.1.as_ref().map(|watch| &*watch.meter)]
            .map(|meter| longest(meter) / counts_per_us),
        packets_lost: missing.max(total.lost) + total.late_skipped + total.not_sent,
    })
}

/// A line for a person, who is elsewhere when the output is for a program.
fn tell(arguments: &Local, second: u32, interval: &Interval) {
    if arguments.json {
        eprintln!("{second:>4} s  {}", interval.text());
    } else {
        println!("{second:>4} s  {}", interval.text());
    }
}

fn start(
    name: &str,
    core: Option<usize>,
    enter: &Enter,
    stop: &Arc<AtomicBool>,
    body: impl FnOnce(&AtomicBool) + Send + 'static,
) -> Result<JoinHandle<Result<()>>> {
    let (enter, stop) = (Arc::clone(enter), Arc::clone(stop));
    let thread = thread::Builder::new().name(format!("bench-{name}")).spawn(move || {
        if let Some(core) = core {
            let pinned = worker::run::pin(Core(core));
            pinned.map_err(|usable| anyhow!("core {core} cannot be had; usable: {usable:?}"))?;
        }
        let _entered = enter()?;
        body(&stop);
        Ok(())
    });
    thread.context("no thread")
}

fn send<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(mut sending: Sending<R, T>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sending.turn();
    }
    sending.finish(|| {});
}

fn listen<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut listening: Listening<R, T>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        listening.turn();
    }
    listening.finish();
}

fn both<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut sending: Sending<R, T>,
    mut listening: Listening<R, T>,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        sending.turn();
        listening.turn();
    }
    sending.finish(|| {
        listening.turn();
    });
    listening.finish();
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Sending<R, T> {
    #[inline]
    fn turn(&mut self) {
        self.desk.turn();
        let now = self.clock.now();
        for producer in &mut self.producers {
            producer.turn(now);
        }
    }

    /// No new grains; those that are there leave.
    fn finish(&mut self, mut beside: impl FnMut()) {
        self.producers.iter_mut().for_each(crate::producer::Producer::finish);
        let until = clock::now() + DRAIN_NS;
        let mut quiet = 0;
        while clock::now() < until {
            quiet = if self.desk.turn() { 0 } else { quiet + 1 };
            if quiet == 1_000 {
                self.desk.clock().step(DRAIN_STEP_NANOS);
            }
            beside();
        }
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Listening<R, T> {
    #[inline]
    fn turn(&mut self) -> bool {
        let is_busy = self.desk.turn();
        let clock = self.desk.clock();
        let mut has_checked = false;
        for verifier in &mut self.verifiers {
            has_checked |= verifier.turn(|| clock.now());
        }
        is_busy || has_checked
    }

    /// What is on its way comes in.
    fn finish(&mut self) {
        let mut until = clock::now() + DRAIN_NS;
        while clock::now() < until {
            if self.turn() {
                until = clock::now() + DRAIN_NS;
            }
        }
    }
}
