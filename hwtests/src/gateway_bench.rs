//! A gateway on a port of its own, which takes a small stream in and sends it out again: a studio with a camera and
//! screens, and a rack whose end of the wire no kernel answers on.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use media::{Depth, Rate, Sampling, VideoFormat};

use crate::gateway::{Gateway, Statistics};
use crate::namespace::{self, Link, Namespace};
use crate::netdev::{self, Netdev};
use crate::peer;
use crate::ping::ping;
use crate::process::{Launch, Process};
use crate::scratch::Scratch;

mod camera;
mod screen;

pub use camera::{Camera, Playing};
pub use screen::{Screen, Watching};

/// Between two frames.
pub const PERIOD: Duration = Duration::from_millis(20);
/// Slots of a flow's ring.
pub const SLOTS: u64 = 16;
/// How long anything is waited for.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The address of the port.
pub const PORT: &str = "10.77.0.2";
/// The address of the studio.
pub const STUDIO: &str = "10.77.0.1";
/// Where the stream comes in.
pub const MEDIA: u16 = 5004;
/// Where it is seen again.
pub const SCREEN: u16 = 5006;

/// The stream: 64 × 32 at 50 frames a second, some packets a frame.
///
/// # Panics
/// Never: it is a format.
#[must_use]
pub fn format() -> VideoFormat {
    let rate = Rate::new(50, 1).expect("50 is a rate");
    VideoFormat::new(64, 32, Sampling::YCbCr422, Depth::Bits10, rate).expect("64 × 32 is a picture")
}

/// The cores of a bench whose port has two workers.
///
/// # Errors
/// Why there is no such test here.
pub fn two_cores() -> Result<[usize; 2], String> {
    if let Some(reason) = namespace::unavailable() {
        return Err(format!("no network namespaces here: {reason}"));
    }
    match worker::run::usable_cores()[..] {
        [first, second, ..] => Ok([first, second]),
        ref cores => Err(format!("two workers need two cores, and this process may use {cores:?}")),
    }
}

/// The studio with its address, and the rack with a netdev for a port.
#[derive(Debug)]
pub struct GatewayBench {
    /// Holds what the gateway writes.
    pub scratch: Scratch,
    /// Where the camera and the screens are; its netdev is `far`.
    pub studio: Namespace,
    /// Where the gateway is; its netdev is `near`.
    pub rack: Namespace,
}

impl GatewayBench {
    /// Makes the two and the wire between them.
    ///
    /// # Errors
    /// Without root; what `ip` says.
    pub fn set_up() -> Result<Self> {
        let scratch = Scratch::create()?;
        let (studio, rack) = (Namespace::create("studio")?, Namespace::create("rack")?);
        let address = format!("{STUDIO}/24");
        let peer = Link { namespace: &studio, interface: "far", addresses: &[&address] };
        netdev::wire(Netdev { namespace: &rack, name: "near" }, peer, 1500)?;
        Ok(Self { scratch, studio, rack })
    }

    /// A file of this bench.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Starts a gateway in the rack; its log is `flypackd.log`.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start(&self, objects: &str) -> Result<Gateway> {
        Gateway::start(self.scratch.path(), objects, Some(&self.rack), &self.file("flypackd.log"))
    }

    /// Starts a reader of a flow, which writes so many frames to `FLOW.raw`.
    ///
    /// # Errors
    /// When it cannot be started, or does not join.
    pub fn recv(&self, gateway: &mut Gateway, flow: &str, frames: usize) -> Result<Process> {
        let output = self.file(&format!("{flow}.raw"));
        let recv = Launch::new(&gateway.flypack, &self.file("recv.log"))
            .words(&format!("recv {flow} --format raw --frames {frames} --output {}", output.display()))
            .words(&format!("--broker {}", gateway.broker.display()))
            .start()?;
        gateway.wait_for_consumer(flow, recv.id())?;
        Ok(recv)
    }

    /// Whether the port answers the studio.
    ///
    /// # Errors
    /// As [`ping`].
    pub fn answers_pings(&self) -> Result<bool> {
        ping(&self.studio, PORT.parse()?, Duration::from_secs(1))
    }

    /// The port's netdev.
    #[must_use]
    pub fn near(&self) -> Netdev<'_> {
        Netdev { namespace: &self.rack, name: "near" }
    }

    /// The studio's.
    #[must_use]
    pub fn far(&self) -> Netdev<'_> {
        Netdev { namespace: &self.studio, name: "far" }
    }
}

/// `[dpdk]` and the port `media`, with further keys of the port's.
#[must_use]
pub fn port(device: &str, more: &str) -> String {
    format!(
        "[dpdk]\nmemory = \"no-huge\"\n[[port]]\nname = \"media\"\ndevice = \"{device}\"\naddresses = [\"{PORT}/24\"]\n\
         packets_per_second = 20000\nhold_ms = 20\n{more}\n"
    )
}

/// The receiver `cam`, to which the camera plays.
///
/// # Panics
/// Never: its address is one.
#[must_use]
pub fn receiver() -> String {
    let sdp = peer::sdp(&format(), format!("{PORT}:{MEDIA}").parse().expect("an address")).replace('\r', "");
    format!("[[receiver]]\nname = \"cam\"\nslots = {SLOTS}\nsdp_text = \"\"\"\n{sdp}\"\"\"\n")
}

/// A sender of what `cam` receives.
#[must_use]
pub fn sender(name: &str, destination: &str) -> String {
    sender_of("cam", name, destination)
}

/// A sender of the flow `source`.
#[must_use]
pub fn sender_of(source: &str, name: &str, destination: &str) -> String {
    format!(
        "[[sender]]\nname = \"{name}\"\ndestination = \"{destination}\"\nlateness_frames = 10\n\
         [[crosspoint]]\ndestination = \"{name}\"\nsource = \"{source}\"\n"
    )
}

/// A counter of the port `media`.
///
/// # Panics
/// When there is none of that name.
#[must_use]
pub fn port_counter(statistics: &Statistics, counter: &str) -> u64 {
    statistics.of("port", "media", counter).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Packets a second of what was placed on `port-worker-0` and `port-worker-1`.
///
/// # Panics
/// When the gateway does not answer, or has no such workers.
#[must_use]
pub fn placed(gateway: &Gateway) -> [u64; 2] {
    let node = gateway.node().unwrap_or_else(|error| panic!("{error:#}"));
    ["port-worker-0", "port-worker-1"].map(|name| {
        let mut workers = node["workers"].as_array().into_iter().flatten();
        let placed = workers.find(|worker| worker["name"] == name).map(|worker| &worker["placed_packets_per_second"]);
        placed.and_then(serde_json::Value::as_u64).unwrap_or_else(|| panic!("no {name}: {node}"))
    })
}

/// What `flypack` says when it is asked `words`, and whether that went well.
///
/// # Errors
/// When it cannot be asked.
pub fn flypack(gateway: &Gateway, words: &str) -> Result<(String, bool)> {
    let api = gateway.broker.with_file_name("flypack.sock");
    let endpoint = format!("unix:{}", api.display());
    let mut command = Command::new(&gateway.flypack);
    let output = command.env("FLYPACK_ENDPOINT", endpoint).args(words.split(' ')).output()?;
    Ok((String::from_utf8(output.stdout)? + &String::from_utf8(output.stderr)?, output.status.success()))
}

/// Waits until nothing of `cam` is held: no slot is leased or being written, no lease is in the port's hands. All its
/// slots are accounted for then.
///
/// # Errors
/// When that does not come to be; what is held then.
pub fn all_is_back(gateway: &Gateway) -> Result<Statistics> {
    const STATES: [&str; 5] = ["slots_open", "slots_leased", "slots_quarantined", "slots_free", "slots_done"];
    let slots = |now: &Statistics| STATES.map(|state| now.of("flow", "cam", state).unwrap_or(u64::MAX));
    let leases = |now: &Statistics| now.of("port", "media", "tx_leases_held").unwrap_or(u64::MAX);
    let is_back = |now: &Statistics| slots(now)[..3] == [0, 0, 0] && leases(now) == 0;
    let statistics = gateway.settle(LIMIT, is_back).context("no statistics")?;
    let (held, leases) = (slots(&statistics), leases(&statistics));
    ensure!(is_back(&statistics), "still held after {LIMIT:?}: {STATES:?} {held:?}, leases of the port {leases}");
    ensure!(held[3] + held[4] == SLOTS, "not every slot is accounted for: {STATES:?} {held:?}");
    Ok(statistics)
}
