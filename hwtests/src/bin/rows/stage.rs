//! A gateway whose own sender plays to its own receiver: a pod's pictures leave by the kernel's sockets and come back.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use hwtests::gateway::Spot;
use hwtests::{Gateway, Launch, Process, gateway};
use media::{Depth, Rate, Sampling, VideoFormat};
use serde_json::Value;

use crate::place::Place;
use crate::report::Report;

/// Frames of the pictures that are played again and again.
const PICTURES: usize = 4;

/// Pictures as they are sent.
#[derive(Clone, Copy)]
pub(crate) struct Show {
    pub(crate) width: u32,
    pub(crate) rows: u32,
    pub(crate) frames_per_second: u32,
}

impl Show {
    pub(crate) fn format(self) -> Result<VideoFormat> {
        let rate = Rate::new(self.frames_per_second, 1)?;
        Ok(VideoFormat::new(self.width, self.rows, Sampling::YCbCr422, Depth::Bits10, rate)?)
    }

    /// Milliseconds of a frame.
    pub(crate) fn frame_ms(self) -> f64 {
        1e3 / f64::from(self.frames_per_second)
    }

    /// The SDP of a stream to this address, in a file.
    pub(crate) fn sdp(self, place: &Place, name: &str, address: SocketAddr) -> Result<PathBuf> {
        let file = place.file(name);
        std::fs::write(&file, self.sdp_text(address))?;
        Ok(file)
    }

    fn sdp_text(self, address: SocketAddr) -> String {
        let Self { width, rows, frames_per_second } = self;
        let (ip, port) = (address.ip(), address.port());
        format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=rows\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\nc=IN IP4 {ip}\r\na=rtpmap:96 raw/90000\r\n\
             a=fmtp:96 sampling=YCbCr-4:2:2; width={width}; height={rows}; exactframerate={frames_per_second}; depth=10; \
             colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017\r\na=ts-refclk:localmac=02-00-00-00-00-01\r\na=mediaclk:sender\r\n"
        )
    }
}

/// A gateway with the pod that plays `show` into the flow `src`.
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) endpoint: String,
    _player: Process,
}

/// A sender that takes `src`, by whatever way leads there.
pub(crate) fn sender(name: &str, address: SocketAddr) -> String {
    sender_by("", name, address)
}

/// A sender that takes `src`, by a port.
pub(crate) fn sender_by(port: &str, name: &str, address: SocketAddr) -> String {
    format!(
        "[[sender]]\nname = \"{name}\"\ndestination = \"{address}\"\ninterface = \"{port}\"\nlateness_frames = 10\n\
         [[crosspoint]]\ndestination = \"{name}\"\nsource = \"src\"\n"
    )
}

/// The receiver `cam` of what is sent to `address`.
pub(crate) fn receiver(show: Show, address: SocketAddr) -> String {
    let sdp = show.sdp_text(address).replace('\r', "");
    format!("[[receiver]]\nname = \"cam\"\nsdp_text = \"\"\"\n{sdp}\"\"\"\n")
}

/// An address of the loopback interface that nobody receives at.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0").context("no socket")?;
    Ok(socket.local_addr()?)
}

impl Stage {
    /// Starts it at `spot`, with more keys of `[broker]` and objects: the sender `out`, and whatever else.
    pub(crate) fn start(place: &Place, show: Show, spot: Spot<'_>, (broker, objects): (&str, &str)) -> Result<Self> {
        let (folder, log) = (place.scratch.path(), place.out.join("flypackd.log"));
        let gateway = Gateway::start_at(spot, folder, broker, objects, &log)?;
        let pictures = place.file("pictures.raw");
        let octets = show.format()?.frame_octets() as usize;
        let noise = |frame: usize| (0..octets).map(move |at| (at * (2 * frame + 3) / 7) as u8);
        std::fs::write(&pictures, (0..PICTURES).flat_map(noise).collect::<Vec<u8>>())?;
        // Of its SDP a pod's flow takes the format alone.
        let sdp = show.sdp(place, "src.sdp", SocketAddr::from(([127, 0, 0, 1], 5_004)))?;
        let player = Launch::new(&gateway.flypack, &place.file("player.log"))
            .words(&format!("send --name src --loop --sdp {} --input {}", sdp.display(), pictures.display()))
            .words(&format!("--broker {}", gateway.broker.display()))
            .start()?;
        let endpoint = format!("unix:{}", gateway.broker.with_file_name("flypack.sock").display());
        Ok(Self { gateway, endpoint, _player: player })
    }

    /// Waits until `out` sends and, where there is one, `cam` has whole frames.
    pub(crate) fn until_playing(&self) -> Result<()> {
        let limit = std::time::Duration::from_secs(20);
        let has_begun = |now: &hwtests::Statistics| {
            now.of("sender", "out", "grains_sent").is_ok_and(|sent| sent > 2)
                && now.of("receiver", "cam", "grains_complete").unwrap_or(u64::MAX) > 2
        };
        let now = self.gateway.settle(limit, has_begun)?;
        anyhow::ensure!(
            has_begun(&now),
            "nothing plays after {limit:?}: out {:?}, cam {:?}",
            now.all("sender", "out"),
            now.all("receiver", "cam")
        );
        Ok(())
    }

    /// What `flypack` says to these words.
    pub(crate) fn flypack(&self, words: &str) -> Result<Report> {
        let endpoint = format!("--endpoint {} {words}", self.endpoint);
        Report::run(&gateway::program("flypack")?, &endpoint)
    }

    /// Nanoseconds that threads of the gateway whose names begin so have run.
    pub(crate) fn ran_ns(&self, name: &str) -> u64 {
        let folder = format!("/proc/{}/task", self.gateway.process().id());
        let tasks = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|task| task.path());
        let is_ours = |task: &PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|thread| thread.trim().starts_with(name))
        };
        let ran = |task: PathBuf| std::fs::read_to_string(task.join("schedstat")).ok();
        tasks.filter(is_ours).filter_map(ran).filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// The gateway's workers, as status shows them.
    pub(crate) fn workers(&self) -> Result<Vec<Value>> {
        let node = self.gateway.node()?;
        node["workers"].as_array().cloned().context("status shows no workers")
    }
}
