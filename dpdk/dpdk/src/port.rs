//! A port: a device with one receive and one transmit queue; with more transmit queues where several workers send by it, and a
//! few receive queues where flow rules fill them.
//!
//! ```text
//!  probe ─► Port<Stopped> ── start ─► Port<Started> + PortQueues (to a worker)
//!                 ▲────────── stop ◄─────── both, by value
//! ```
//!
//! The queues hold the device: as long as one lives, it is neither stopped nor closed. When the last of port and queues
//! drops, the device is stopped, closed and taken out of EAL.

mod attach;
mod configure;
mod error;
mod features;
mod link;
mod packet_sockets;
mod queues;
mod rx_pools;
mod shape;
mod stats;

use std::marker::PhantomData;
use std::sync::Arc;

use ip::MacAddr;

use crate::capabilities::Capabilities;
use crate::device::Device;
use crate::eal::Eal;
use crate::flow::Rules;
use crate::mempool::Mempool;
use crate::sizing::Sizing;

pub use error::{PortError, StartRefused};
pub use features::{Features, Wish};
pub use link::Link;
pub use queues::{Cleanup, PortQueues, RxHandle, TxHandle};
pub use rx_pools::RxPools;
pub(crate) use shape::receives_on_all;
pub use stats::PortStats;

use attach::Attached;
pub(crate) use attach::InEal;

/// The device is there, and moves nothing.
#[derive(Debug)]
pub enum Stopped {}
/// The device runs; its queues were handed out.
#[derive(Debug)]
pub enum Started {}

/// What is received besides packets to the port's own address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reception {
    /// All multicast. A driver that cannot ask for it alone asks for everything.
    #[default]
    Multicast,
    /// Everything on the wire.
    Promiscuous,
}

/// What a port is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// The device.
    pub device: Device,
    /// How large rings are; its demand's MTU is the port's.
    pub sizing: Sizing,
    /// What is received.
    pub reception: Reception,
}

/// A port in one of its two states.
#[derive(Debug)]
pub struct Port<State> {
    eal: Eal,
    config: PortConfig,
    features: Features,
    capabilities: Capabilities,
    mac: MacAddr,
    rx_pools: RxPools,
    /// Each further receive queue that was handed out has a clone.
    rx_out: Arc<()>,
    /// Each further transmit queue likewise.
    tx_out: Arc<()>,
    /// `None` when a restart could not find the device again; the next start looks once more.
    attached: Option<Arc<Attached>>,
    state: PhantomData<State>,
}

impl Port<Stopped> {
    /// Finds the device (makes it, when it is virtual), and configures its queues. What is received goes into
    /// `rx_pool`, of the shape that [`Sizing::rx_pool`] says.
    ///
    /// # Errors
    /// [`PortError`] says what is wrong with the device, and what would work.
    pub fn probe(eal: &Eal, config: PortConfig, rx_pool: Mempool) -> Result<Self, PortError> {
        Self::probe_with(eal, config, Features::default(), rx_pool)
    }

    /// As [`Self::probe`], with more than one queue each way, and perhaps a pool for each of those that receive.
    ///
    /// # Errors
    /// As [`Self::probe`]; [`PortError::Feature`] and [`PortError::RxQueues`] for what the device does not have.
    pub fn probe_with(
        eal: &Eal,
        config: PortConfig,
        features: Features,
        rx_pools: impl Into<RxPools>,
    ) -> Result<Self, PortError> {
        let rx_pools = rx_pools.into();
        let attached = Attached::new(eal, &config, features, &rx_pools)?;
        let (capabilities, mac) = (attached.capabilities().clone(), attached.mac());
        let attached = Some(Arc::new(attached));
        let (eal, rx_out, tx_out) = (eal.clone(), Arc::default(), Arc::default());
        Ok(Self { eal, config, features, capabilities, mac, rx_pools, rx_out, tx_out, attached, state: PhantomData })
    }

    /// Starts the device, and hands its queues out.
    ///
    /// What arrived while the port was stopped is not received: net_af_packet is attached anew, and what other devices
    /// of the kernel have kept is dropped.
    ///
    /// # Errors
    /// [`StartRefused`] with the port, which may be started again.
    pub fn start(mut self) -> Result<(Port<Started>, PortQueues), Box<StartRefused>> {
        match self.begin() {
            Ok(attached) => {
                let queues = PortQueues::new(&attached);
                Ok((self.into_state(), queues))
            }
            Err(error) => Err(Box::new(StartRefused { port: self, error })),
        }
    }

    fn begin(&mut self) -> Result<Arc<Attached>, PortError> {
        // What a stop has spoilt is detached first: two devices cannot have one name, or one socket's place.
        if self.attached.as_ref().is_some_and(|attached| attached.is_spent()) {
            self.attached = None;
        }
        let attached = match self.attached.take() {
            Some(attached) => attached,
            None => Arc::new(Attached::new(&self.eal, &self.config, self.features, &self.rx_pools)?),
        };
        self.capabilities = attached.capabilities().clone();
        self.mac = attached.mac();
        let attached = self.attached.insert(attached);
        attached.start(self.config.reception)?;
        Ok(attached.clone())
    }
}

impl Port<Started> {
    /// The receive queues behind the first, in order, to be moved to workers. Empty when there is one only, and as long as
    /// those that were handed out live.
    ///
    /// They drop before the port stops.
    #[must_use]
    pub fn further_rx(&mut self) -> Vec<RxHandle> {
        let attached = self.attached.as_ref().expect("a started port has its device");
        let there = if Arc::strong_count(&self.rx_out) == 1 { attached.shape.rules } else { 0 };
        (1..there).map(|queue| RxHandle::new(attached, queue, Some(Arc::clone(&self.rx_out)))).collect()
    }

    /// The transmit queues behind the first, in order, each to be moved to a worker. Empty when there is one only, and as
    /// long as those that were handed out live.
    ///
    /// They drop before the port stops.
    #[must_use]
    pub fn further_tx(&mut self) -> Vec<TxHandle> {
        let attached = self.attached.as_ref().expect("a started port has its device");
        let there = if Arc::strong_count(&self.tx_out) == 1 { attached.shape.tx } else { 0 };
        (1..there).map(|queue| TxHandle::new(attached, queue, Some(Arc::clone(&self.tx_out)))).collect()
    }

    /// How many transmit queues it has: as many as were asked for, or as the device has.
    #[must_use]
    pub fn tx_queues(&self) -> u16 {
        self.attached.as_ref().expect("a started port has its device").shape.tx
    }

    /// How many receive queues it has that rules can name.
    #[must_use]
    pub fn rx_queues(&self) -> u16 {
        self.features.rx_queues
    }

    pub(crate) fn id(&self) -> u16 {
        self.attached.as_ref().expect("a started port has its device").id
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.attached.as_ref().expect("a started port has its device").rules)
    }

    /// Stops the device. The queues come back from their worker first.
    ///
    /// # Errors
    /// [`PortError::Stop`] when the driver fails; the device is then closed, and the next start attaches it anew.
    ///
    /// # Panics
    /// When the queues are another port's, or one of [`Self::further_rx`] or [`Self::further_tx`] lives.
    pub fn stop(mut self, queues: PortQueues) -> Result<Port<Stopped>, Box<StartRefused>> {
        let attached = self.attached.take().expect("a started port has its device");
        assert!(queues.belong_to(&attached), "the queues are those of another port");
        let are_back = Arc::strong_count(&self.rx_out) == 1 && Arc::strong_count(&self.tx_out) == 1;
        assert!(are_back, "a further queue has not come back");
        drop(queues);
        let outcome = attached.stop();
        let mut stopped: Port<Stopped> = self.into_state();
        match outcome {
            Ok(()) => {
                stopped.attached = Some(attached);
                Ok(stopped)
            }
            Err(error) => Err(Box::new(StartRefused { port: stopped, error })),
        }
    }
}

impl<State> Port<State> {
    /// What was asked for.
    #[must_use]
    pub fn config(&self) -> &PortConfig {
        &self.config
    }

    /// What the device can do.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// The device's own address.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The state of the link now; does not wait for one to come up.
    #[must_use]
    pub fn link(&self) -> Link {
        self.attached.as_ref().map_or_else(Link::down, |attached| attached.link())
    }

    /// The driver's counters. All are 0 when it has none, or the device is gone.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        self.attached.as_ref().map_or_else(PortStats::default, |attached| attached.stats())
    }

    /// The driver's own further counters, under its own names.
    #[must_use]
    pub fn xstats(&self) -> Vec<(String, u64)> {
        self.attached.as_ref().map_or_else(Vec::new, |attached| attached.xstats())
    }

    pub(crate) fn eal(&self) -> &Eal {
        &self.eal
    }

    fn into_state<Next>(self) -> Port<Next> {
        let Self { eal, config, features, capabilities, mac, rx_pools, rx_out, tx_out, attached, state: _ } = self;
        Port { eal, config, features, capabilities, mac, rx_pools, rx_out, tx_out, attached, state: PhantomData }
    }
}
