//! A run that is going on: a thread that sends, one that receives, and a look at their counters each second.

use std::any::Any;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use netio::{RxQueue, TxQueue};
use shm::GrainLease;

use super::ends::{Around, Ends, Receiving};
use super::memory;
use super::outcome::{Lateness, Outcome};
use super::relaying::{self, Relaying, RelayingWatch};
use super::stage::{self, Listening, ListeningWatch, Sending, SendingWatch};
use super::tally::{Interval, Tally};
use super::threads::{self, Started};
use crate::clock;
use crate::desk::{Desk, Meter};
use crate::producer::Content;
use crate::traffic::{Check, Traffic};

/// Before the first second: caches, pages and clocks settle.
const WARM_UP: Duration = Duration::from_millis(300);
const SECOND_NS: u64 = 1_000_000_000;

/// Which ends of a run are in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Here {
    /// What sends, to nobody in particular.
    Sender(Content),
    /// What sends, to a server elsewhere.
    Client,
    /// What sends, and a thread that takes what arrives and frees it at once: over a ring that holds what nobody takes.
    Emptied(Content),
    /// What receives.
    Receiver,
    /// Both.
    Both,
    /// What sends, and a relay of each stream to so many destinations by the second port.
    Relay(u16),
}

/// A run.
pub(crate) struct Live {
    /// What sends comes first, and stops first.
    threads: Vec<Started>,
    sending: Option<SendingWatch>,
    listening: Option<ListeningWatch>,
    relaying: Option<RelayingWatch>,
    counts_per_us: f64,
    memory: String,
    ring_pages: String,
    /// Packets a second in real time.
    real_rate: f64,
    is_paced: bool,
    /// Outlives the queues, which go with the threads.
    keep: Box<dyn Any>,
}

/// What was seen of a run while it went on.
pub(crate) struct Seen {
    seconds: Vec<Interval>,
    whole: Interval,
}

impl Live {
    /// Begins. What receives is there before anything is sent.
    pub(crate) fn begin<R, T>(ends: Ends<R, T>, traffic: &Traffic, here: Here) -> Result<Self>
    where
        R: RxQueue + Send + 'static,
        T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
        Desk<R, T>: Send,
    {
        let Ends { mut tx, mut rx, around } = ends;
        let emptied = match (here, &mut rx) {
            (Here::Emptied(_), Receiving::Shared(ports)) => std::mem::take(ports),
            _ => Vec::new(),
        };
        let relaying = match here {
            Here::Relay(destinations) => Some(relay(&mut tx, &mut rx, &around, destinations)?),
            _ => None,
        };
        let content = match here {
            Here::Sender(content) | Here::Emptied(content) => Some(content),
            Here::Receiver => None,
            Here::Client | Here::Both if traffic.check == Check::Grains => Some(Content::FrontAlone),
            Here::Client | Here::Both | Here::Relay(_) => Some(Content::EachAnew),
        };
        let (tx, beside_tx, rx, beside_rx) = shares(here, tx, rx);
        let listening = rx.map(|rx| stage::listen::<R, T>(rx, beside_rx, &around, traffic)).transpose()?;
        let sending =
            content.map(|content| stage::send::<R, T>((tx, beside_tx), &around, traffic, content)).transpose()?;
        let mut live = Self {
            threads: Vec::new(),
            sending: sending.as_ref().map(|sending| sending.watch.clone()),
            listening: listening.as_ref().map(|listening| listening.watch.clone()),
            relaying: relaying.as_ref().map(|relaying| relaying.watch.clone()),
            counts_per_us: quanta_rate(),
            memory: around.memory.clone(),
            ring_pages: sending.as_ref().map_or_else(
                || listening.as_ref().map_or(String::new(), |listening| listening.pages.to_string()),
                |sending| sending.pages.to_string(),
            ),
            real_rate: traffic.packets_per_second()?,
            is_paced: !traffic.unpaced,
            keep: Box::new(()),
        };
        if let Some(relaying) = relaying {
            let [_, core] = traffic.pair_of_cores();
            live.threads
                .push(threads::start("relay", core, &around.enter, move |stop| threads::forward(relaying, stop))?);
        }
        if !emptied.is_empty() {
            let [_, core] = traffic.pair_of_cores();
            live.threads
                .push(threads::start("empties", core, &around.enter, move |stop| threads::empty(emptied, stop))?);
        }
        live.start(sending, listening, &around, traffic)?;
        live.keep = around.keep;
        Ok(live)
    }

    fn start<R, T>(
        &mut self,
        sending: Option<Sending<R, T>>,
        listening: Option<Listening<R, T>>,
        around: &Around,
        traffic: &Traffic,
    ) -> Result<()>
    where
        R: RxQueue + 'static,
        T: TxQueue<Lease = GrainLease, Received = R::Buf> + 'static,
        Desk<R, T>: Send,
    {
        let ([tx_core, rx_core], enter) = (traffic.pair_of_cores(), &around.enter);
        match (sending, listening) {
            // Taking turns on one core: one thread.
            (Some(sending), Some(listening)) if tx_core == rx_core => {
                self.threads
                    .push(threads::start("both", tx_core, enter, move |stop| threads::both(sending, listening, stop))?);
            }
            (sending, listening) => {
                if let Some(listening) = listening {
                    self.threads
                        .push(threads::start("rx", rx_core, enter, move |stop| threads::listen(listening, stop))?);
                }
                if let Some(sending) = sending {
                    self.threads
                        .insert(0, threads::start("tx", tx_core, enter, move |stop| threads::send(sending, stop))?);
                }
            }
        }
        Ok(())
    }

    /// Looks each second, tells what it saw, until `is_over` says so or a thread has ended.
    pub(crate) fn watch(
        &self,
        mut tell: impl FnMut(u32, &Interval) -> Result<()>,
        mut is_over: impl FnMut(u32) -> bool,
    ) -> Result<Seen> {
        thread::sleep(WARM_UP);
        drop(self.latencies());
        let first = self.take();
        let (mut last, mut seconds, mut all) = (first, Vec::new(), Vec::new());
        for second in 1.. {
            let until = first.at + u64::from(second) * SECOND_NS;
            thread::sleep(Duration::from_nanos(until.saturating_sub(clock::now())));
            let (now, mut latencies) = (self.take(), self.latencies());
            let interval = Interval::between(&last, &now, &mut latencies);
            tell(second, &interval)?;
            seconds.push(interval);
            all.append(&mut latencies);
            last = now;
            if is_over(second) || self.threads.iter().any(|(thread, _)| thread.is_finished()) {
                break;
            }
        }
        Ok(Seen { seconds, whole: Interval::between(&first, &last, &mut all) })
    }

    /// Ends it: first what sends, then, when all of that has come in, what receives.
    pub(crate) fn end(mut self, seen: Seen) -> Result<Outcome> {
        let memory_octets = memory::octets();
        self.stop()?;
        let total = self.take();
        let Seen { seconds, whole } = seen;
        let is_heard = self.listening.is_some();
        // A relay keeps up with what comes in, however often that leaves.
        let is_taken = is_heard || self.relaying.is_some();
        let rate = if is_taken { whole.rx_packets_per_second } else { whole.tx_packets_per_second };
        let missing = match (&self.sending, &self.listening) {
            _ if self.relaying.is_some() => self.missing_of_relay(&total),
            // Of two legs one may lose what the other brings: one copy of each packet is to be there.
            (Some(sending), Some(_)) => {
                (total.tx_packets / sending.outputs.len().max(1) as u64).saturating_sub(total.rx_packets)
            }
            _ => 0,
        };
        let sending = self.sending.as_ref().map(|watch| &*watch.meter);
        let sending = self.relaying.as_ref().map_or(sending, |watch| Some(&*watch.meter));
        let meters = [sending, self.listening.as_ref().map(|watch| &*watch.meter)];
        let longest = |meter: Option<&Meter>| meter.map_or(0, |meter| meter.longest_turn.value()) as f64;
        Ok(Outcome {
            memory: std::mem::take(&mut self.memory),
            ring_pages: std::mem::take(&mut self.ring_pages),
            memory_octets,
            seconds,
            whole,
            total,
            times_real_time: rate / self.real_rate,
            lateness_ns: self.sending.as_ref().filter(|_| self.is_paced).map(Lateness::of),
            longest_turn_us: meters.map(|meter| longest(meter) / self.counts_per_us),
            // What was never sent is missing by its number too.
            packets_lost: if is_taken {
                missing.max(total.lost)
            } else {
                total.lost + total.late_skipped + total.not_sent
            },
        })
    }

    /// Packets that came to no relay, and copies that left for no destination.
    fn missing_of_relay(&self, total: &Tally) -> u64 {
        let destinations = self.relaying.iter().map(RelayingWatch::destinations).sum::<u64>();
        let copies = (total.rx_packets * destinations).saturating_sub(total.tx_packets);
        total.source_packets.saturating_sub(total.rx_packets) + copies
    }

    fn stop(&mut self) -> Result<()> {
        for (thread, stop) in self.threads.drain(..) {
            // Relaxed: a flag without data behind it.
            stop.store(true, Ordering::Relaxed);
            thread.join().map_err(|_| anyhow!("a thread of the run panicked"))??;
        }
        Ok(())
    }

    fn take(&self) -> Tally {
        match &self.relaying {
            Some(relaying) => Tally::of_relay(relaying, self.sending.as_ref()),
            None => Tally::take(self.sending.as_ref(), self.listening.as_ref()),
        }
    }

    /// What has come since the last look.
    fn latencies(&self) -> Vec<u64> {
        let watch = self.listening.iter();
        watch.flat_map(|watch| std::iter::from_fn(|| watch.latencies.pop())).collect()
    }
}

impl Drop for Live {
    /// Also when something failed meanwhile: the threads have the queues, which go before what is kept.
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// What each end has of the queues: what it sends by, the shared queues that it only empties; what it receives by, and what it
/// only answers by. Where one end is here a port still has both: questions of neighbours come in, and answers go out.
fn shares<R, T>(here: Here, tx: Vec<T>, rx: Receiving<R>) -> (Vec<T>, Vec<R>, Option<Receiving<R>>, Vec<T>) {
    match (here, rx) {
        (Here::Both, rx) => (tx, Vec::new(), Some(rx), Vec::new()),
        (Here::Receiver, rx) => (Vec::new(), Vec::new(), Some(rx), tx),
        (Here::Client, Receiving::Shared(ports)) => (tx, ports, None, Vec::new()),
        (Here::Sender(_) | Here::Emptied(_) | Here::Client | Here::Relay(_), _) => (tx, Vec::new(), None, Vec::new()),
    }
}

/// Takes the second port's queues for what forwards, and what comes in by the first.
fn relay<R: RxQueue, T: TxQueue<Lease = GrainLease, Received = R::Buf>>(
    tx: &mut Vec<T>,
    rx: &mut Receiving<R>,
    around: &Around,
    destinations: u16,
) -> Result<Relaying<R, T>> {
    let Receiving::Shared(ports) = rx else { bail!("a relay stands between two ports of DPDK's") };
    let (Some(out), Some(back), Some(feed)) = (tx.pop(), ports.pop(), ports.pop()) else {
        bail!("a relay has two ports")
    };
    relaying::relay((feed, back), out, around, destinations)
}

/// Counts of the time-stamp counter in a microsecond.
fn quanta_rate() -> f64 {
    1e6 / quanta::Clock::new().delta_as_nanos(0, 1_000_000_000).max(1) as f64 * 1e6
}
