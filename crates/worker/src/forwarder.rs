//! A forwarder: one destination of a relay, with its own path and its own header.
//!
//! It has its own place in the relay's window, so that what one port does not take, or a next hop that is not known, costs
//! no other destination a packet. Taken to another relay it begins with that one's next picture (the next time stamp),
//! and its own numbers go on.

mod rewrite;
mod serving;

use std::sync::Arc;

use media::ExtSeqNum;
use netio::{Burst, PacketBuf, Path, PathId, Relayed, TxFull, TxQueue};
use shm::GrainLease;

use crate::counters::SenderCounters;
use crate::kept::Kept;
use crate::key::{OutputIndex, ReceiverKey, SenderKey};
use crate::limits::PACKETS_PER_TURN;
use crate::output::Output;
use crate::refusal::SenderRefusal;
use crate::window::Window;
use rewrite::Rewriter;
pub use rewrite::{Rewrite, Timestamps};
pub(crate) use serving::Serving;

/// Packets that one destination may get in a turn before others have theirs: twice what two legs bring, so that it makes up
/// for what it was kept from.
const PACKETS_AT_ONCE: usize = 4 * PACKETS_PER_TURN;

/// What a forwarder is, whatever it forwards.
#[derive(Clone, Debug)]
pub struct ForwarderConfig {
    /// Where to.
    pub path: Path,
    /// The worker's output that leads there.
    pub output: OutputIndex,
    /// What of the header is its own.
    pub rewrite: Rewrite,
}

/// One destination of a relay.
#[derive(Debug)]
pub struct Forwarder {
    key: SenderKey,
    config: ForwarderConfig,
    path: Option<PathId>,
    follows: Option<ReceiverKey>,
    /// The relay in whose window `next` is.
    joined: Option<ReceiverKey>,
    /// The next packet of that window.
    next: u64,
    /// The run of the stream that it is in; `None`: the next picture is waited for.
    run: Option<u32>,
    /// The first packet of this run that it took.
    first: ExtSeqNum,
    rewriter: Rewriter,
    counters: Arc<SenderCounters>,
}

/// What a destination gets of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Whole,
    /// And its numbers are to be settled first.
    Begins,
    Nothing,
}

impl Forwarder {
    /// A forwarder that follows no relay. Its counters are the sender's for which it stands.
    #[must_use]
    pub fn new(key: SenderKey, config: ForwarderConfig, counters: Arc<SenderCounters>) -> Self {
        Self {
            key,
            path: None,
            follows: None,
            joined: None,
            next: 0,
            run: None,
            first: ExtSeqNum(0),
            rewriter: Rewriter::new(config.rewrite),
            counters,
            config,
        }
    }

    /// The key under which it is removed.
    #[must_use]
    pub fn key(&self) -> SenderKey {
        self.key
    }

    /// The counters, for whoever reports them.
    #[must_use]
    pub fn counters(&self) -> Arc<SenderCounters> {
        Arc::clone(&self.counters)
    }

    /// The relay that it follows.
    #[must_use]
    pub fn follows(&self) -> Option<ReceiverKey> {
        self.follows
    }

    /// Follows another relay, or none, from the next turn on. To be relinked.
    pub fn follow(&mut self, relay: Option<ReceiverKey>) {
        self.follows = relay;
        if relay != self.joined {
            self.joined = None;
        }
    }

    /// Sends by another output from now on. It is on no worker.
    pub fn set_output(&mut self, output: OutputIndex) {
        self.config.output = output;
    }

    /// Its output has come to another worker with it, and has another place there.
    pub(crate) fn renumber(&mut self, renumbered: impl Fn(OutputIndex) -> OutputIndex) {
        self.config.output = renumbered(self.config.output);
    }

    /// Where its output stands among the worker's.
    pub(crate) fn output_place(&self) -> usize {
        usize::from(self.config.output.0)
    }

    /// Its place in the window of its relay.
    #[inline]
    pub(crate) fn place(&self) -> u64 {
        self.next
    }

    /// Follows a relay whose window ends at `head`; it goes on where it was when it has followed it before. A window that ends
    /// before that place is another one.
    pub(crate) fn join(&mut self, head: u64) {
        if self.joined != self.follows || self.next > head {
            self.joined = self.follows;
            self.next = head;
            self.run = None;
        }
    }

    pub(crate) fn open<T>(&mut self, output: &mut Output<T>) -> Result<(), SenderRefusal>
    where
        T: TxQueue<Lease = GrainLease>,
    {
        let queue = output.queue().ok_or(SenderRefusal::Detached)?;
        self.path = Some(queue.open_path(&self.config.path)?);
        Ok(())
    }

    /// Leaves its worker. Where it was in the window of its relay it knows on, for the relay may go along.
    pub(crate) fn close<T: TxQueue<Lease = GrainLease>>(&mut self, output: &mut Output<T>) {
        if let Some(path) = self.path.take() {
            output.close_path(path);
        }
    }

    /// Forwards what it has not got yet of `window`, by way of `waiting`, as far as the queue takes it; returns how many
    /// packets were made. There is no queue while its port is detached.
    fn forward<B, T>(
        &mut self,
        window: &Window<Kept<B>>,
        clock_hz: u32,
        queue: Option<&mut T>,
        waiting: &mut Burst<T::Buf>,
    ) -> usize
    where
        B: PacketBuf,
        T: TxQueue<Lease = GrainLease, Received = B>,
    {
        if self.next < window.tail() {
            self.overtaken(window.tail());
        }
        let (Some(queue), Some(path)) = (queue, self.path) else {
            self.counters.packets_dropped_detached.add(window.head() - self.next);
            self.next = window.head();
            return 0;
        };
        let mut packets = 0;
        while self.next < window.head() && packets < PACKETS_AT_ONCE && self.has_room(queue, waiting) {
            let run = self.run(window, clock_hz, waiting.room());
            if run.is_empty() {
                self.pass_over(window);
                continue;
            }
            let made = queue.forward_burst(path, run.as_slice(), waiting);
            drop(run);
            packets += made.packets;
            self.pass(window, made.packets);
            if let Some(refusal) = made.refusal
                && !self.give_up(window, refusal)
            {
                break;
            }
        }
        if !waiting.is_empty() {
            queue.tx_burst(waiting);
        }
        self.counters.packets.add(packets as u64);
        self.counters.packets_forwarded.add(packets as u64);
        packets
    }

    /// The window has moved on: packets that it has not got are gone.
    #[cold]
    fn overtaken(&mut self, tail: u64) {
        self.counters.packets_dropped_backlog.add(tail - self.next);
        self.next = tail;
    }

    /// Whether a packet more has room; the queue is asked when it has not.
    #[inline]
    fn has_room<T: TxQueue>(&self, queue: &mut T, waiting: &mut Burst<T::Buf>) -> bool {
        if waiting.is_full() {
            queue.tx_burst(waiting);
            if waiting.is_full() {
                self.counters.queue_full.add(1);
                return false;
            }
        }
        true
    }

    /// The next packets that it gets, up to `room`, each under its header. They belong to one run of the stream.
    #[inline]
    fn run<'a, B>(&mut self, window: &'a Window<Kept<B>>, clock_hz: u32, room: usize) -> Burst<Relayed<'a, B>> {
        let mut run = Burst::new();
        for number in self.next..window.head().min(self.next + room as u64) {
            let Some(kept) = window.at(number) else { break };
            match self.share(kept) {
                Share::Whole => {}
                // The numbers go on from what was sent before: that has to be sent first.
                Share::Begins if run.is_empty() => self.begin(kept, clock_hz),
                Share::Begins | Share::Nothing => break,
            }
            let relayed = Relayed { header: self.rewriter.header(&kept.original), packet: &kept.packet };
            if run.push(relayed).is_err() {
                break;
            }
        }
        run
    }

    /// What it gets of a packet.
    #[inline]
    fn share<B>(&self, kept: &Kept<B>) -> Share {
        match (kept.run, self.run) {
            (Some(run), Some(current)) if run == current => {
                if kept.original.number >= self.first {
                    Share::Whole
                } else {
                    Share::Nothing
                }
            }
            (Some(_), _) => {
                if kept.begins {
                    Share::Begins
                } else {
                    Share::Nothing
                }
            }
            (None, current) => {
                let is_apart = self.rewriter.rewrite().keeps_streams_apart();
                if is_apart && current.is_some() { Share::Whole } else { Share::Nothing }
            }
        }
    }

    /// A picture begins, with which this destination begins, or which begins the stream anew.
    #[cold]
    fn begin<B>(&mut self, kept: &Kept<B>, clock_hz: u32) {
        self.run = kept.run;
        self.first = kept.original.number;
        self.rewriter.begin(&kept.original, clock_hz);
    }

    /// The next packet is not for this destination.
    #[cold]
    fn pass_over<B>(&mut self, window: &Window<Kept<B>>) {
        match window.at(self.next).map(|kept| kept.run) {
            Some(None) => self.counters.packets_dropped_foreign.add(1),
            _ => self.counters.packets_before_picture.add(1),
        }
        self.next += 1;
    }

    /// The next packets have been made.
    #[inline]
    fn pass<B: PacketBuf>(&mut self, window: &Window<Kept<B>>, packets: usize) {
        let mut octets = 0;
        for number in self.next..self.next + packets as u64 {
            let Some(kept) = window.at(number) else { break };
            octets += kept.packet.octets() as u64;
            if kept.run.is_some() {
                self.rewriter.passed(&kept.original);
            }
        }
        self.counters.octets.add(octets);
        self.next += packets as u64;
    }

    /// The next packet was not made; returns whether it is given up.
    #[cold]
    fn give_up<B: PacketBuf>(&mut self, window: &Window<Kept<B>>, refusal: TxFull) -> bool {
        match refusal {
            TxFull::Buffers | TxFull::Payloads => {
                self.counters.queue_full.add(1);
                return false;
            }
            // Kept, packets for a next hop that may never be known would be the pool's.
            TxFull::Unresolved => self.counters.packets_dropped_unresolved.add(1),
            _ => self.counters.packets_refused.add(1),
        }
        if let Some(kept) = window.at(self.next).filter(|kept| kept.run.is_some()) {
            self.rewriter.passed(&kept.original);
        }
        self.next += 1;
        true
    }
}
