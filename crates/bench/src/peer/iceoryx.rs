//! iceoryx2, with the settings of its own benchmarks, which are its fastest that are documented: the service variant
//! `ipc` (not the thread-safe one); no history, a buffer of one sample with safe overflow, room for just the ports
//! that there are; samples loaned uninitialised. A notifier and its listeners: its events as they are.
#![allow(unsafe_code, reason = "its interface for loans that are not written whole is unsafe")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use iceoryx2::node::Node;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    Config, FileName, LogLevel, NodeBuilder, Path, SemanticString as _, ServiceName, SignalHandlingMode, ipc,
    set_log_level,
};
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut::SampleMut;
use iceoryx2::service::port_factory::{event, publish_subscribe};

use super::remains::mark_of;
use crate::PATIENCE_NS;
use crate::message::Mark;
use crate::role::{Receiver, Role, Sender, Taken};

type Ipc = ipc::Service;

/// Listeners of one service at most.
const LISTENERS: usize = 64;

/// A node whose files are in the run's folder or begin with its name, so that they go with it ([`super::clean`]).
fn node(role: &Role) -> Result<Node<Ipc>> {
    set_log_level(LogLevel::Error);
    let mut config = Config::default();
    config.global.set_root_path(&Path::new(role.folder.as_os_str().as_encoded_bytes())?);
    config.global.prefix = FileName::new(mark_of(&role.folder).as_bytes())?;
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    builder.create::<Ipc>().context("a node")
}

/// Apart from every other run on this machine: the folder of a run is its own.
fn service_of(role: &Role) -> Result<ServiceName> {
    let run = role.folder.file_name().unwrap_or_default().to_string_lossy();
    Ok(ServiceName::new(&format!("flypack-bench/{run}/{}", role.meeting))?)
}

fn samples(node: &Node<Ipc>, role: &Role) -> Result<publish_subscribe::PortFactory<Ipc, [u8], ()>> {
    let service = node.service_builder(&service_of(role)?).publish_subscribe::<[u8]>();
    let service = service.max_publishers(1).max_subscribers(1).history_size(0).subscriber_max_buffer_size(1);
    Ok(service.enable_safe_overflow(true).open_or_create()?)
}

fn events(node: &Node<Ipc>, role: &Role) -> Result<event::PortFactory<Ipc>> {
    let service = node.service_builder(&service_of(role)?).event();
    Ok(service.max_notifiers(1).max_listeners(LISTENERS).max_nodes(LISTENERS + 1).open_or_create()?)
}

/// Publishes.
#[derive(Debug)]
pub(crate) struct IceoryxSender {
    publisher: Publisher<Ipc, [u8], ()>,
    octets: usize,
    loaned: Option<SampleMut<Ipc, [u8], ()>>,
    _node: Node<Ipc>,
}

impl IceoryxSender {
    pub(crate) fn create(role: &Role) -> Result<Self> {
        let node = node(role)?;
        let octets = role.size.octets();
        let publisher = samples(&node, role)?.publisher_builder().initial_max_slice_len(octets).create()?;
        Ok(Self { publisher, octets, loaned: None, _node: node })
    }
}

impl Sender for IceoryxSender {
    #[inline]
    fn prepare(&mut self, number: u64) -> Result<()> {
        let sample = self.publisher.loan_slice_uninit(self.octets)?;
        // SAFETY: octets of shared memory, which the kernel gave out zeroed: any value is one.
        let mut sample = unsafe { sample.assume_init() };
        Mark::number(sample.payload_mut(), number);
        self.loaned = Some(sample);
        Ok(())
    }

    #[inline]
    fn send(&mut self, stamp: u64) -> Result<()> {
        let mut sample = self.loaned.take().context("nothing is loaned")?;
        Mark::stamp(sample.payload_mut(), stamp);
        sample.send()?;
        Ok(())
    }
}

/// Subscribes, and spins.
#[derive(Debug)]
pub(crate) struct IceoryxReceiver {
    role: Role,
    node: Node<Ipc>,
    subscriber: Option<Subscriber<Ipc, [u8], ()>>,
    held: Option<Sample<Ipc, [u8], ()>>,
}

impl IceoryxReceiver {
    pub(crate) fn new(role: &Role) -> Result<Self> {
        Ok(Self { role: role.clone(), node: node(role)?, subscriber: None, held: None })
    }
}

impl Receiver for IceoryxReceiver {
    fn connect(&mut self) -> Result<()> {
        self.subscriber = Some(samples(&self.node, &self.role)?.subscriber_builder().create()?);
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> Result<Taken> {
        let subscriber = self.subscriber.as_ref().context("not connected")?;
        let sample = crate::spin::until(|| subscriber.receive().transpose()).context("no sample")??;
        let mark = Mark::read(&sample, &sample)?;
        let taken = Taken::now(Some(mark));
        self.held = Some(sample);
        Ok(taken)
    }

    fn release(&mut self) {
        self.held = None;
    }
}

/// Notifies.
#[derive(Debug)]
pub(crate) struct IceoryxNotifier {
    notifier: Notifier<Ipc>,
    _node: Node<Ipc>,
}

impl IceoryxNotifier {
    pub(crate) fn create(role: &Role) -> Result<Self> {
        let node = node(role)?;
        Ok(Self { notifier: events(&node, role)?.notifier_builder().create()?, _node: node })
    }
}

impl Sender for IceoryxNotifier {
    fn prepare(&mut self, _: u64) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn send(&mut self, _: u64) -> Result<()> {
        self.notifier.notify()?;
        Ok(())
    }
}

/// Listens, asleep.
#[derive(Debug)]
pub(crate) struct IceoryxListener {
    role: Role,
    node: Node<Ipc>,
    listener: Option<Listener<Ipc>>,
}

impl IceoryxListener {
    pub(crate) fn new(role: &Role) -> Result<Self> {
        Ok(Self { role: role.clone(), node: node(role)?, listener: None })
    }
}

impl Receiver for IceoryxListener {
    fn connect(&mut self) -> Result<()> {
        self.listener = Some(events(&self.node, &self.role)?.listener_builder().create()?);
        Ok(())
    }

    /// Waits with a limit, so that a lost event ends the run instead of hanging it.
    #[inline]
    fn take(&mut self) -> Result<Taken> {
        let listener = self.listener.as_ref().context("not connected")?;
        let events = listener.timed_wait(|_| {}, Duration::from_nanos(PATIENCE_NS))?;
        let taken = Taken::now(None);
        ensure!(events == 1, "{events} events where 1 was due");
        Ok(taken)
    }

    fn release(&mut self) {}
}
