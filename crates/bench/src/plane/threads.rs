//! The threads of a run: each turns what it was given until it is told to stop, and goes on while something is on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow};
use media::Clock as _;
use netio::{Burst, RxQueue, TxQueue};
use shm::GrainLease;
use worker::Core;

use super::ends::Enter;
use super::relaying::Relaying;
use super::stage::{Listening, Sending};
use crate::clock;
use crate::producer::Producer;

/// How long the threads go on when nothing is on its way any more, as it seems.
const DRAIN_NS: u64 = 300_000_000;
/// How long they go on at the most.
const DRAIN_NS_MAX: u64 = 10_000_000_000;

/// A thread, and what stops it.
pub(super) type Started = (JoinHandle<Result<()>>, Arc<AtomicBool>);

pub(super) fn start(
    name: &str,
    core: Option<usize>,
    enter: &Enter,
    body: impl FnOnce(&AtomicBool) -> Result<()> + Send + 'static,
) -> Result<Started> {
    let (enter, stop) = (Arc::clone(enter), Arc::new(AtomicBool::new(false)));
    let stopped = Arc::clone(&stop);
    let thread = thread::Builder::new().name(format!("bench-{name}")).spawn(move || {
        if let Some(core) = core {
            let pinned = worker::run::pin(Core(core));
            pinned.map_err(|usable| anyhow!("core {core} cannot be had; usable: {usable:?}"))?;
        }
        let _entered = enter()?;
        body(&stopped)
    });
    Ok((thread.context("no thread")?, stop))
}

pub(super) fn forward<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut relaying: Relaying<R, T>,
    stop: &AtomicBool,
) -> Result<()> {
    relaying.desk.sit_down();
    while !stop.load(Ordering::Relaxed) {
        relaying.desk.turn();
    }
    let mut until = clock::now() + DRAIN_NS;
    while clock::now() < until {
        if relaying.desk.turn() {
            until = clock::now() + DRAIN_NS;
        }
    }
    Ok(())
}

/// Frees what arrives, as it arrives.
pub(super) fn empty<R: RxQueue>(mut queues: Vec<R>, stop: &AtomicBool) -> Result<()> {
    let mut burst = Burst::new();
    let mut turn = || {
        let mut packets = 0;
        for queue in &mut queues {
            packets += queue.rx_burst(&mut burst);
            burst.clear();
        }
        packets > 0
    };
    while !stop.load(Ordering::Relaxed) {
        turn();
    }
    let mut until = clock::now() + DRAIN_NS;
    while clock::now() < until {
        if turn() {
            until = clock::now() + DRAIN_NS;
        }
    }
    Ok(())
}

pub(super) fn send<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut sending: Sending<R, T>,
    stop: &AtomicBool,
) -> Result<()> {
    sending.desk.sit_down();
    while !stop.load(Ordering::Relaxed) {
        sending.turn()?;
    }
    sending.finish(|| {});
    Ok(())
}

pub(super) fn listen<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut listening: Listening<R, T>,
    stop: &AtomicBool,
) -> Result<()> {
    listening.desk.sit_down();
    while !stop.load(Ordering::Relaxed) {
        listening.turn()?;
    }
    listening.finish()
}

pub(super) fn both<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    mut sending: Sending<R, T>,
    mut listening: Listening<R, T>,
    stop: &AtomicBool,
) -> Result<()> {
    sending.desk.sit_down();
    listening.desk.sit_down();
    while !stop.load(Ordering::Relaxed) {
        sending.turn()?;
        listening.turn()?;
    }
    let mut heard = Ok(false);
    sending.finish(|| {
        if heard.is_ok() {
            heard = listening.turn();
        }
    });
    heard?;
    listening.finish()
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Sending<R, T> {
    #[inline]
    fn turn(&mut self) -> Result<()> {
        self.desk.turn();
        let now = self.clock.now();
        for producer in self.rota.now(&mut self.producers) {
            producer.turn(now);
        }
        if self.rota.is_at_a_round() { self.renew() } else { Ok(()) }
    }

    /// Senders whose ring went on without them begin anew.
    fn renew(&mut self) -> Result<()> {
        for ((sender, seat), counters) in self.seats.iter_mut().zip(&self.watch.senders) {
            if let Some(reader) = seat.renewed(counters.evictions.value())? {
                self.desk.connect(*sender, self.traffic.source(reader, &self.plan))?;
            }
        }
        Ok(())
    }

    /// No new grains; those that are there leave.
    fn finish(&mut self, mut beside: impl FnMut()) {
        self.producers.iter_mut().for_each(Producer::finish);
        // A machine that does other work may take its time.
        let at_last = clock::now() + DRAIN_NS_MAX;
        let mut until = clock::now() + DRAIN_NS;
        while clock::now() < until.min(at_last) {
            if self.desk.turn() {
                until = clock::now() + DRAIN_NS;
            }
            beside();
        }
    }
}

impl<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>> Listening<R, T> {
    #[inline]
    fn turn(&mut self) -> Result<bool> {
        let is_busy = self.desk.turn();
        let clock = self.desk.clock();
        let mut has_checked = false;
        for verifier in self.rota.now(&mut self.verifiers) {
            has_checked |= verifier.turn(|| clock.now());
        }
        if self.rota.is_at_a_round() {
            self.renew()?;
        }
        Ok(is_busy || has_checked)
    }

    /// Consumers whose ring went on without them begin anew.
    fn renew(&mut self) -> Result<()> {
        for (verifier, seat) in self.verifiers.iter_mut().zip(&mut self.seats) {
            if let Some(reader) = seat.renewed(verifier.evictions())? {
                verifier.go_on_with(reader);
            }
        }
        Ok(())
    }

    /// What is on its way comes in.
    fn finish(&mut self) -> Result<()> {
        let mut until = clock::now() + DRAIN_NS;
        while clock::now() < until {
            if self.turn()? {
                until = clock::now() + DRAIN_NS;
            }
        }
        Ok(())
    }
}
