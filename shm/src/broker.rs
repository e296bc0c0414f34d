//! The broker: makes and seals rings, decides who may read them, and passes the descriptors.
//!
//! It lives in the gateway. A housekeeping thread serves the socket and the life pipes; a second thread makes and
//! seals regions, which takes long. Neither is on a media path: when both stand still, rings in place go on. Writers
//! are asked through their [`crate::Mailbox`] and never wait for the broker.
//!
//! What pods can do to it is bounded by [`Limits`]: connections, flows, octets, requests, consumers. Messages are
//! decoded by [`crate::protocol`]; a pod that breaks the protocol or does not read its answers is disconnected. A
//! connection that ends ends the flows it produced; it takes no memory from a consumer that lives.

mod access_list;
mod admission;
mod adopting;
mod brought;
mod catalogue;
mod config;
mod connection;
mod error;
mod evicting;
mod flow;
mod given_file;
mod housekeeper;
mod joining;
mod leaving;
mod left_page;
mod listener;
mod making;
mod mason;
mod membership;
mod porter;
mod quotas;
mod records;
mod released;
mod snapshot;
mod state;
mod stock;
mod stranded;
#[cfg(test)]
mod tests;
mod views;
mod waking;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use media::{FlowFormat, Name};

pub use access_list::{FlowPattern, FlowRule, PatternError, Who};
pub use config::{BrokerConfig, Limits};
pub use error::{BrokerError, SubscribeError};
pub use evicting::EvictError;
pub use snapshot::{
    BrokerCounters, ConsumerHolder, ConsumerSnapshot, ConsumerState, FlowEvent, FlowSnapshot, Standing,
};

use crate::WakeMode;
use crate::access::SocketAccess;
use crate::poll::{Poll, Token};
use crate::protocol::Refusal;
use crate::wake::{Waiting, Waker};
use crate::{
    Access, ConsumerClass, Fallback, FrameReader, FrameWriter, Geometry, IdentityPlacement, Mailbox, Mapping,
    PagePolicy, Pages, PlacementHooks, ReaderParts, Region, RegionError, Start,
};
use flow::{Flow, WriterSide};
use listener::{Listener, Lock};
use membership::{Seat, Subscriber};
use records::Records;
use state::State;
use stock::Stock;

/// What the threads and the gateway's calls share.
struct Shared {
    state: Mutex<State>,
    poll: Arc<Poll>,
    hooks: Arc<dyn PlacementHooks + Send + Sync>,
    stock: Stock,
    stopping: AtomicBool,
}

impl Shared {
    /// The state. A panic elsewhere leaves it usable: every change is complete before anything that may panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A region, of a spare one where there is one.
    fn make(&self, geometry: Geometry, policy: PagePolicy) -> Result<Region, RegionError> {
        Region::create_from(&|octets, pages| self.stock.take(octets, pages), geometry, policy, &*self.hooks)
    }
}

/// A running broker. Dropping it stops it.
pub struct Broker {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Last field: the next instance begins when all of this one has been put away.
    _lock: Lock,
}

impl Broker {
    /// Starts a broker whose regions are placed nowhere in particular.
    ///
    /// `on_event` runs on the housekeeping thread: it must not wait, and must not subscribe.
    ///
    /// # Errors
    /// [`BrokerError`]: another instance, a socket that cannot be made, access rules that make no sense.
    pub fn start(config: BrokerConfig, on_event: impl Fn(FlowEvent) + Send + 'static) -> Result<Self, BrokerError> {
        Self::start_placed(config, Box::new(IdentityPlacement), on_event)
    }

    /// Starts a broker whose regions go through `hooks`, which run on the thread that makes regions and on those
    /// that call [`Self::create_flow`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_placed(
        config: BrokerConfig,
        hooks: Box<dyn PlacementHooks + Send + Sync>,
        on_event: impl Fn(FlowEvent) + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let BrokerConfig {
            socket,
            mode,
            group,
            uids,
            page_policy,
            default_slots,
            rules,
            limits,
            wake_period_us,
            records,
            spares,
        } = config;
        let access = SocketAccess::new(mode, group.as_deref(), &uids)?;
        let (listener, lock) = Listener::open(&socket, &access)?;
        // After the lock of the socket: nobody else writes them.
        let records = records.map(|folder| Records::open(&folder)).transpose()?;
        let no_poll = |errno: rustix::io::Errno| BrokerError::Thread { step: "epoll", source: errno.into() };
        let poll = Arc::new(Poll::new().map_err(no_poll)?);
        poll.watch_input(&listener, Token::Listener).map_err(no_poll)?;
        let (mason, jobs) = mpsc::channel();
        let waker = Waker::start(Duration::from_micros(wake_period_us.max(10).into()))
            .map_err(|source| BrokerError::Thread { step: "waker thread", source })?;
        let first = first_id().map_err(|errno| BrokerError::Thread { step: "random numbers", source: errno.into() })?;
        let bounds = (limits, rules);
        let mut state =
            State::new(bounds, default_slots, page_policy, access, (Arc::clone(&poll), mason, waker), first);
        if let Some((records, left, ignored)) = records {
            (state.records, state.left_records) = (Some(Arc::new(records)), left);
            state.counters.records_ignored = ignored;
        }
        let kinds =
            [Pages::Plain, Pages::Huge2M].into_iter().take(if page_policy == PagePolicy::PlainOnly { 1 } else { 2 });
        let blind = kinds.filter(|pages| !given_file::are_accounted(*pages));
        state.events.extend(blind.map(|pages| FlowEvent::Unaccounted { pages }));
        let hooks = Arc::from(hooks);
        let stock = Stock::keep(&spares, page_policy, Arc::clone(&hooks))
            .map_err(|source| BrokerError::Thread { step: "stock thread", source })?;
        let shared = Shared { state: Mutex::new(state), poll, hooks, stock, stopping: AtomicBool::new(false) };
        let mut broker = Self { shared: Arc::new(shared), threads: Vec::new(), _lock: lock };
        let shared = Arc::clone(&broker.shared);
        broker.spawn("flypack-mason", move || mason::run(&shared, &jobs))?;
        let shared = Arc::clone(&broker.shared);
        broker.spawn("flypack-broker", move || housekeeper::run(&shared, &listener, &on_event))?;
        Ok(broker)
    }

    fn spawn(&mut self, name: &'static str, run: impl FnOnce() + Send + 'static) -> Result<(), BrokerError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        self.threads.push(thread.map_err(|source| BrokerError::Thread { step: "thread", source })?);
        Ok(())
    }

    /// Makes a flow that this process writes, and its writer for a worker. `slots`: none takes the default.
    ///
    /// Takes as long as its memory takes to be faulted in.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] for a name that is taken or a slot count that is none; [`BrokerError::Region`] for
    /// memory that there is not.
    pub fn create_flow(
        &self,
        name: &Name,
        format: impl Into<FlowFormat>,
        slots: Option<u16>,
    ) -> Result<FrameWriter, BrokerError> {
        self.create_flow_open(name, format, slots, 1)
    }

    /// As [`Self::create_flow`], with up to `open_max` grains open at a time; consumers that lease fewer are evicted while
    /// so many are.
    ///
    /// # Errors
    /// As there, and a number of open grains that no ring has.
    pub fn create_flow_open(
        &self,
        name: &Name,
        format: impl Into<FlowFormat>,
        slots: Option<u16>,
        open_max: u16,
    ) -> Result<FrameWriter, BrokerError> {
        let (policy, default_slots) = {
            let state = self.shared.lock();
            (state.page_policy, state.default_slots)
        };
        let geometry = making::plan(name, format.into(), slots.unwrap_or(default_slots), open_max)?;
        self.shared.lock().reserve_name(name, geometry.epoch)?;
        let made = self.shared.make(geometry, policy).map_err(BrokerError::from);
        let made = made.and_then(|region| build_flow(name, region));
        let mut state = self.shared.lock();
        match made {
            Ok((writer, flow, control, fallback)) => {
                state.wake_for(&flow, control);
                let epoch = flow.epoch();
                state.finish_own(flow, fallback).inspect_err(|_| state.waker.remove(epoch))?;
                drop(state);
                self.shared.poll.wake();
                Ok(writer)
            }
            Err(error) => {
                state.release_name(geometry.epoch);
                Err(error)
            }
        }
    }

    /// Ends a flow, whoever produces it. Nobody new gets to see it; a pod that produces it loses its connection.
    ///
    /// Consumers of a flow of this process hear that the producer is gone; drop the writer soon, for nobody looks
    /// after its consumers any more. Consumers of a pod's flow read on until that pod ends.
    ///
    /// # Errors
    /// [`Refusal::NoSuchFlow`].
    pub fn remove_flow(&self, name: &Name) -> Result<(), BrokerError> {
        let mut state = self.shared.lock();
        // The successors first, so that the name does not move on to them.
        let epochs: Vec<_> = state.flows.queue(name).rev().map(|flow| (flow.epoch(), flow.producer())).collect();
        if epochs.is_empty() {
            return Err(Refusal::NoSuchFlow.into());
        }
        for (epoch, producer) in epochs {
            state.end_flow(epoch);
            producer.into_iter().for_each(|connection| state.disconnect(connection));
        }
        drop(state);
        self.shared.poll.wake();
        Ok(())
    }

    /// Reads a flow from this process. Waits for the flow's writer to take the reader in, at most
    /// [`Limits::join_ms`] and a little: so never call it on the thread that polls that writer.
    ///
    /// A flow of a pod is read as [`crate::Trust::Pod`]; [`FlowEvent::Removed`] tells when its producer is gone. The
    /// seat comes free when the reader and all its leases have dropped.
    ///
    /// All readers of a flow read through one mapping, the one that was mapped for DMA. The broker is the last to let
    /// go of it, and of the reader's other pages: a lease may drop on a worker.
    ///
    /// # Errors
    /// [`SubscribeError::Refused`] says what would work.
    pub fn subscribe(&self, name: &Name, class: ConsumerClass) -> Result<FrameReader, SubscribeError> {
        let (answer, waiting) = mpsc::sync_channel(1);
        let join_ms = {
            let mut state = self.shared.lock();
            state.subscribe(&Subscriber::Gateway(answer), None, name, class, Start::Live)?;
            state.limits.join_ms
        };
        self.shared.poll.wake();
        // The broker answers in any case; the margin is for a housekeeping thread that is late itself.
        let patience = Duration::from_millis(2 * u64::from(join_ms) + 1000);
        let seat = waiting.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Refusal::WriterSilent { waited_ms: join_ms },
            RecvTimeoutError::Disconnected => Refusal::Stopping,
        })??;
        Ok(self.shared.keep(attach(*seat, class)?))
    }

    /// Has a consumer evicted, whatever its class and however well it keeps up: its slots stay quarantined until it
    /// acknowledges or is gone. Its number is that of [`FlowSnapshot::consumers`]. The flow's writer does it soon.
    ///
    /// # Errors
    /// [`EvictError`].
    pub fn evict(&self, name: &Name, consumer: u8) -> Result<(), EvictError> {
        let asked = self.shared.lock().evict(name, consumer);
        self.shared.poll.wake();
        asked
    }

    /// The flows as they stand, by name; those that were succeeded stand behind their successors.
    #[must_use]
    pub fn flows(&self) -> Vec<FlowSnapshot> {
        self.shared.lock().snapshot()
    }

    /// Regions of flows that are gone, which are still mapped here because leases are out, or are being unmapped.
    #[must_use]
    pub fn retired_views(&self) -> usize {
        self.shared.lock().views.uncollected()
    }

    /// What has been counted since the start.
    #[must_use]
    pub fn counters(&self) -> BrokerCounters {
        let (counters, stock) = (self.shared.lock().counters, &self.shared.stock);
        let (spares_taken, spares_failed, spares_ready) = (stock.taken(), stock.failures(), stock.ready());
        BrokerCounters { spares_taken, spares_failed, spares_ready, ..counters }
    }

    /// Ends all flows, closes all connections and removes the socket. The gateway's own readers and writers keep
    /// their mappings until they drop.
    ///
    /// Regions that devices reach and that are still leased stay mapped until the process ends, whenever those leases
    /// drop. Gives back how many that are: 0 when every port was stopped before.
    pub fn stop(mut self) -> usize {
        self.shut_down()
    }

    fn shut_down(&mut self) -> usize {
        // Release: pairs with the Acquire in housekeeper::run.
        self.shared.stopping.store(true, Ordering::Release);
        {
            let mut state = self.shared.lock();
            state.mason = None;
            state.forget_makings(|_| true);
        }
        self.shared.poll.wake();
        for thread in self.threads.drain(..) {
            // A panic there has been reported by the panic hook; the rest is to be put away all the same.
            let _ = thread.join();
        }
        let mut state = self.shared.lock();
        let epochs = state.flows.epochs();
        epochs.into_iter().for_each(|epoch| state.end_flow(epoch));
        state.connections.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| state.disconnect(id));
        porter::dispatch_last(std::mem::take(&mut state.errands));
        state.records.iter().for_each(|records| records.put_away());
        state.abandon_views()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

/// Where the numbers of joins begin: those of two instances never meet, so a producer that outlived the first is not
/// answered as the second's. Far below 2⁶⁰, which [`Token`] bounds.
fn first_id() -> Result<u64, rustix::io::Errno> {
    let mut octets = [0; 8];
    rustix::io::retry_on_intr(|| rustix::rand::getrandom(&mut octets, rustix::rand::GetRandomFlags::empty()))?;
    Ok(u64::from_le_bytes(octets) >> 8)
}

/// A flow of this process: mapped for its writer, then sealed.
fn build_flow(name: &Name, region: Region) -> Result<(FrameWriter, Flow, Mapping, Option<Fallback>), BrokerError> {
    let fallback = region.fallback();
    let (control, data) = region.map_for_writing()?;
    let waking = region.map_control_for_waking()?;
    let ring = region.seal()?;
    let mailbox = Arc::new(Mailbox::new());
    let geometry: Geometry = *ring.geometry();
    // What comes from a network does not wait.
    let writer = FrameWriter::new(geometry, control, data, Arc::clone(&mailbox))?.without_blocking();
    let side = WriterSide::Gateway { mailbox, counters: writer.counters() };
    let flow = Flow { wake: WakeMode::Housekeeping, ..Flow::new(name.clone(), ring, side) };
    Ok((writer, flow, waking, fallback))
}

/// A reader in this process.
fn attach(seat: Seat, class: ConsumerClass) -> Result<FrameReader, SubscribeError> {
    let Seat { geometry, control, data, page, seat: consumer, nonce, trust, life, wake: (mode, bell) } = seat;
    let parts = ReaderParts {
        geometry,
        control,
        data,
        lease: page.map(Access::ReadWrite)?,
        consumer,
        class,
        nonce,
        trust,
        life: Some(life.into_fd()),
    };
    let mut reader = FrameReader::new(parts)?;
    // Whether a producing pod lives is the broker's to hear.
    reader.wait_with(Waiting::new(&geometry, mode, Some(bell), None));
    Ok(reader)
}
