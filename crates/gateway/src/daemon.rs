//! `flypackd` from its configuration to its end.
//!
//! Start: DPDK where there are ports, clock, broker (which refuses a second instance), workers, ports, data plane, then
//! the file's receivers, senders and crosspoints, then the API. End, at SIGTERM or SIGINT: the API closes, senders finish
//! the grain they are at, open grains are closed, the ports close, then the rings and the sockets go. DPDK stays until the
//! process ends: rings are registered with it.

mod ports;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use control::{Controller, Dataplane, Endpoint, Listener, Scope, SourcePresence};
use netio::KernelTxConfig;
use shm::{Broker, BrokerConfig, FlowEvent, FlowOrigin, PagePolicy};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::check::own_address_warnings;
use crate::clock::ClockKeeper;
use crate::config::{AccessConfig, Config, PagesConfig, octal};
use crate::dataplane::{Gateway, Parts};
use crate::engine::{Engine, KernelEngine, KernelSettings};
use crate::idleness::Idleness;
use crate::pool::ThreadSettings;
use crate::{cores, metrics, port_plan, specs};
use ports::Ports;

/// Between two ticks of the housekeeping thread.
const TICK: Duration = Duration::from_millis(50);

/// A socket's send buffer, octets: some frames of headers and payloads.
const SEND_BUFFER_OCTETS: usize = 8 << 20;

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// What kept it from starting, or ended it.
pub fn run(config_path: &Path) -> Result<()> {
    let config = Config::load(config_path)?;
    let ports = Ports::prepare(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let ending = Ending::catch(&runtime)?;
    let stores = config.workers.store.choice();
    tracing::info!("received samples are stored {stores} (workers.store)");
    let keeper = ClockKeeper::start();
    let (events, from_broker) = std::sync::mpsc::channel();
    make_folder_of(&config.broker.socket);
    if let Ok(Endpoint::Unix(socket)) = config.api.listen.parse() {
        make_folder_of(&socket);
    }
    let broker = Broker::start_placed(broker_config(&config)?, ports.placement(), move |event| {
        // The receiver ends with the housekeeping thread, after the broker: nothing is lost before.
        let _ = events.send(event);
    })?;
    let mut engines: Vec<Arc<dyn Engine>> = vec![Arc::new(start_kernel(&config, &keeper)?)];
    engines.extend(ports.start(&config, thread_settings(&config), &keeper.clock())?);
    let gateway = Gateway::new(Parts {
        engines,
        broker,
        clock: keeper.clock(),
        node: node_name(&config),
        slots: config.broker.slots,
        broker_socket: config.broker.socket.display().to_string(),
        page_policy: page_words(config.broker.pages).to_owned(),
        recorder: config.record.settings(),
        stores,
    });
    for warning in own_address_warnings(&port_plan::ports(&config.ports)?) {
        tracing::warn!("{warning}");
        gateway.warn(warning);
    }
    for warning in cores::warnings(&gateway.node().workers) {
        tracing::warn!("{warning}");
        gateway.warn(warning);
    }
    let (stop, stopping) = watch::channel(false);
    let housekeeping = spawn_housekeeping(keeper, gateway.clone(), from_broker, stopping.clone())?;
    let controller = Arc::new(Controller::new(gateway.clone()));
    let served = load(&config, &controller).and_then(|()| serve(&config, &controller, &gateway, &runtime, ending));
    drop(runtime); // waits for the calls of the API that still run
    tracing::info!("stopping: senders finish their grain");
    gateway.drain();
    let _ = stop.send(true);
    if housekeeping.join().is_err() {
        tracing::error!("the housekeeping thread panicked; please report the message above");
    }
    drop(controller);
    gateway.end();
    served
}

/// Makes the folder of a socket where only that is missing: /run is empty after each boot. Where it cannot be made,
/// opening the socket says why.
fn make_folder_of(socket: &Path) {
    let Some(folder) = socket.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) else {
        return;
    };
    if std::fs::create_dir(folder).is_ok() {
        tracing::info!("made the folder {}", folder.display());
    }
}

fn node_name(config: &Config) -> String {
    if !config.node.name.is_empty() {
        return config.node.name.clone();
    }
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn broker_config(config: &Config) -> Result<BrokerConfig> {
    let broker = &config.broker;
    Ok(BrokerConfig {
        mode: octal("broker.mode", &broker.mode)?,
        group: (!broker.group.is_empty()).then(|| broker.group.clone()),
        uids: broker.uids.clone(),
        page_policy: match broker.pages {
            PagesConfig::PreferHuge => PagePolicy::Prefer,
            PagesConfig::Huge => PagePolicy::HugeOnly,
            PagesConfig::Plain => PagePolicy::PlainOnly,
        },
        default_slots: broker.slots,
        spares: broker.spares_mb.iter().map(|mb| u64::from(*mb) << 20).collect(),
        rules: broker.access.iter().map(AccessConfig::rule).collect::<Result<_, _>>()?,
        limits: broker.limits.limits(),
        ..BrokerConfig::new(broker.socket.clone())
    })
}

fn page_words(pages: PagesConfig) -> &'static str {
    match pages {
        PagesConfig::PreferHuge => "huge 2 MiB where there are any",
        PagesConfig::Huge => "huge 2 MiB",
        PagesConfig::Plain => "plain 4 KiB",
    }
}

/// Of every worker's thread, whatever it polls.
fn thread_settings(config: &Config) -> ThreadSettings {
    ThreadSettings { idle: Idleness::of(&config.workers), nice: config.workers.nice }
}

fn start_kernel(config: &Config, keeper: &ClockKeeper) -> Result<KernelEngine> {
    let workers = &config.workers;
    let tx = KernelTxConfig {
        max_gso_segments: workers.max_gso_segments,
        send_buffer_octets: SEND_BUFFER_OCTETS,
        paths: worker::WORKER_LIMIT as u16,
        payloads: 4 * worker::WORKER_LIMIT as u16,
    };
    let settings = KernelSettings { cores: workers.cores.clone(), thread: thread_settings(config), tx };
    Ok(KernelEngine::start(&settings, &keeper.clock())?)
}

/// The thread that keeps the clock, follows the broker's events and notes what moves.
fn spawn_housekeeping(
    mut keeper: ClockKeeper,
    gateway: Gateway,
    events: Receiver<FlowEvent>,
    stopping: watch::Receiver<bool>,
) -> Result<std::thread::JoinHandle<()>> {
    let thread = std::thread::Builder::new().name("housekeeping".to_owned()).spawn(move || {
        while !*stopping.borrow() {
            match events.recv_timeout(TICK) {
                Ok(FlowEvent::PlainPages { name, origin, fallback }) => {
                    let warning = format!("flow {name} stands on plain 4 KiB pages: {fallback}");
                    tracing::warn!("{warning}");
                    // The status shows a bounded number, and pods think of any number of names.
                    if origin == FlowOrigin::Gateway {
                        gateway.warn(warning);
                    }
                }
                Ok(FlowEvent::Unaccounted { pages }) => {
                    let warning = format!(
                        "this kernel has no file leases on {pages}: what pods keep of rings that have ended counts against \
                         nobody; let in trusted users only"
                    );
                    tracing::warn!("{warning}");
                    gateway.warn(warning);
                }
                Ok(FlowEvent::Added { name }) => {
                    tracing::info!("flow {name} is there");
                    gateway.reconcile();
                }
                Ok(FlowEvent::Succeeded { name }) => {
                    tracing::info!("flow {name} goes on in another epoch");
                    gateway.reconcile();
                }
                Ok(FlowEvent::Removed { name }) => {
                    tracing::info!("flow {name} is gone");
                    gateway.reconcile();
                }
                Ok(FlowEvent::NotAdopted { name, uid, refusal }) => {
                    tracing::warn!(
                        "flow {name}, which user {uid} brings from an earlier gateway, stays alone: {refusal}"
                    );
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(TICK),
            }
            keeper.tick();
            gateway.tick(Instant::now());
            gateway.watch(Instant::now());
        }
    })?;
    Ok(thread)
}

/// What the file says exists, and is connected.
fn load(config: &Config, controller: &Controller<Gateway>) -> Result<()> {
    for receiver in &config.receivers {
        let spec = specs::receiver(receiver)?;
        controller.add_receiver(Scope::File, spec).with_context(|| format!("receiver {}", receiver.name))?;
    }
    for relay in &config.relays {
        let spec = specs::relay(relay)?;
        controller.add_relay(Scope::File, spec).with_context(|| format!("relay {}", relay.name))?;
    }
    for sender in &config.senders {
        let spec = specs::sender(sender)?;
        controller.add_sender(Scope::File, spec).with_context(|| format!("sender {}", sender.name))?;
    }
    for crosspoint in &config.crosspoints {
        let (destination, source) = specs::crosspoint(crosspoint)?;
        controller.take(&destination, Some(&source), SourcePresence::Awaited).context("crosspoint")?;
    }
    Ok(())
}

/// The signals that end the gateway. Caught before anything is opened: rings may take seconds to make, and a start
/// that is broken off is drained too.
struct Ending {
    terminate: Signal,
    interrupt: Signal,
}

impl Ending {
    fn catch(runtime: &Runtime) -> std::io::Result<Self> {
        let _context = runtime.enter();
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn comes(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves the API and `/metrics` until a signal comes.
fn serve(
    config: &Config,
    controller: &Arc<Controller<Gateway>>,
    gateway: &Gateway,
    runtime: &Runtime,
    ending: Ending,
) -> Result<()> {
    let endpoint: Endpoint = config.api.listen.parse().context("api.listen")?;
    let listener = Listener::bind(&endpoint, octal("api.mode", &config.api.mode)?).context("api.listen")?;
    let metrics = bind_metrics(&config.metrics.listen)?;
    runtime.block_on(async {
        let (end, ended) = watch::channel(false);
        if let Some(metrics) = metrics {
            let listener = tokio::net::TcpListener::from_std(metrics)?;
            tokio::spawn(metrics::serve(listener, gateway.clone(), until(ended)));
        }
        let shutdown = async move {
            tokio::select! {
                () = ending.comes() => {}
                () = failed(gateway) => tracing::error!("a worker has ended by itself: flypackd ends too, start it again"),
            }
            end.send_replace(true);
        };
        tracing::info!("ready: API at {endpoint}");
        control::serve(Arc::clone(controller), listener, shutdown).await?;
        anyhow::ensure!(!gateway.has_failed(), "a worker ended by itself; its log line above says where");
        Ok(())
    })
}

/// Waits until a worker's thread has ended although nobody stopped it: its flows stand still, so the daemon goes
/// down loudly and whoever supervises it starts another.
async fn failed(gateway: &Gateway) {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    while !gateway.has_failed() {
        look.tick().await;
    }
}

async fn until(mut ended: watch::Receiver<bool>) {
    // An error is the sender dropped, which is an end as well.
    let _ = ended.wait_for(|ended| *ended).await;
}

fn bind_metrics(listen: &str) -> Result<Option<std::net::TcpListener>> {
    if listen.is_empty() {
        return Ok(None);
    }
    let address: SocketAddr =
        listen.parse().with_context(|| format!("metrics.listen = {listen:?}: write address:port, or \"\" for none"))?;
    let bound = metrics::bind(address);
    bound
        .map(Some)
        .with_context(|| format!("metrics.listen = {listen:?}: it must be an address of this host and a free port"))
}
