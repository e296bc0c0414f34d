//! The peers: FFmpeg and GStreamer as cameras and as receivers of RFC 4175 video.
//!
//! Both are bit-exact to each other in 4:2:2 (`tests/peers.rs`) with these options. FFmpeg's own raw video at
//! 10 bits is not, so it goes through the `bitpacked` codec. Both burst whole frames: receivers need large
//! socket buffers.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use media::{Depth, VideoFormat};

use crate::clip::Clip;
use crate::namespace::Namespace;
use crate::planes::Layout;
use crate::process::{Launch, Process};
use crate::udp_state;

/// Octets of RTP in one datagram: the standard UDP limit of 1460 without the UDP header (ST 2110-10 §6.3).
const RTP_OCTETS_MAX: u32 = 1452;
/// Socket buffers; the kernel doubles what is asked for.
const BUFFER_OCTETS: u32 = 16_777_216;
/// The payload type that both peers send and expect.
pub const PAYLOAD_TYPE: u8 = 96;

/// A program that speaks RFC 4175.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// FFmpeg 5.1.
    Ffmpeg,
    /// GStreamer 1.22.
    Gstreamer,
}

impl Peer {
    /// The layout of the raw files that it reads and writes for a format.
    #[must_use]
    pub fn layout(self, format: &VideoFormat) -> Layout {
        match (self, format.depth()) {
            (Self::Ffmpeg, Depth::Bits10) => Layout::Planar,
            _ => Layout::Wire,
        }
    }

    /// Its name as people write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ffmpeg => "FFmpeg",
            Self::Gstreamer => "GStreamer",
        }
    }

    /// Whether its programs are installed.
    #[must_use]
    pub fn is_installed(self) -> bool {
        let program = match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Gstreamer => "gst-launch-1.0",
        };
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
    }
}

/// A peer that plays a clip once, in real time, and ends.
#[derive(Clone, Copy, Debug)]
pub struct Camera<'a> {
    /// Who plays.
    pub peer: Peer,
    /// What.
    pub clip: &'a Clip,
    /// Where to.
    pub destination: SocketAddr,
}

impl Camera<'_> {
    /// Starts it; `folder` takes its log and, from FFmpeg, the SDP that it writes (`name.sdp`).
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, namespace: Option<&Namespace>, folder: &Path, name: &str) -> Result<Process> {
        let log = folder.join(format!("{name}.log"));
        let launch = match self.peer {
            Peer::Ffmpeg => self.ffmpeg(&log, &folder.join(format!("{name}.sdp"))),
            Peer::Gstreamer => self.gstreamer(&log),
        };
        launch.inside(namespace).start()
    }

    fn ffmpeg(&self, log: &Path, sdp: &Path) -> Launch<'static> {
        let format = self.clip.format();
        let (pixels, codec) = ffmpeg_names(format);
        let (width, height, rate) = (format.width(), format.height(), format.rate());
        Launch::new("ffmpeg", log)
            .words("-nostdin -v warning -re -f rawvideo")
            .words(&format!("-pix_fmt {pixels} -video_size {width}x{height} -framerate {rate} -i"))
            .arg(self.clip.path(self.peer.layout(format)).to_string_lossy())
            .words(&format!("-c:v {codec} -f rtp -payload_type {PAYLOAD_TYPE} -sdp_file"))
            .arg(sdp.to_string_lossy())
            .arg(format!("rtp://{}?pkt_size={RTP_OCTETS_MAX}&buffer_size={BUFFER_OCTETS}", self.destination))
    }

    fn gstreamer(&self, log: &Path) -> Launch<'static> {
        let format = self.clip.format();
        let (width, height) = (format.width(), format.height());
        let rate = format!("{}/{}", format.rate().num(), format.rate().den());
        let pixels = gstreamer_name(format).to_lowercase();
        let (host, port) = (self.destination.ip(), self.destination.port());
        Launch::new("gst-launch-1.0", log)
            .arg("filesrc")
            .arg(format!("location={}", self.clip.path(Layout::Wire).display()))
            .words(&format!("blocksize={} !", format.frame_octets()))
            .words(&format!("rawvideoparse format={pixels} width={width} height={height} framerate={rate} !"))
            .words(&format!("rtpvrawpay pt={PAYLOAD_TYPE} mtu={RTP_OCTETS_MAX} !"))
            .words(&format!("udpsink host={host} port={port} sync=true buffer-size={BUFFER_OCTETS}"))
    }
}

/// A peer that receives until it is told to end, into one raw file.
#[derive(Debug)]
pub struct Receiver {
    process: Process,
    port: u16,
}

impl Receiver {
    /// Starts `peer` on `address` and waits until its socket is there. It writes `folder/name.raw` in its
    /// [`Peer::layout`].
    ///
    /// # Errors
    /// When it cannot be started or does not open its socket.
    pub fn start(
        peer: Peer,
        format: &VideoFormat,
        address: SocketAddr,
        namespace: Option<&Namespace>,
        (folder, name): (&Path, &str),
    ) -> Result<Self> {
        let path = |extension: &str| folder.join(format!("{name}.{extension}"));
        let (log, raw) = (path("log"), path("raw"));
        let launch = match peer {
            Peer::Ffmpeg => {
                let description = path("rx.sdp");
                std::fs::write(&description, sdp(format, address)).context("cannot write an SDP")?;
                ffmpeg_receiver(format, &description, &raw, &log)
            }
            Peer::Gstreamer => gstreamer_receiver(format, address, &raw, &log),
        };
        let mut process = launch.inside(namespace).start()?;
        let port = address.port();
        process.until(Duration::from_secs(20), "its socket was open", |pid| udp_state::is_bound(pid, port))?;
        Ok(Self { process, port })
    }

    /// Waits until it has read all that its socket holds, tells it to end, and says how many datagrams the
    /// socket had dropped.
    ///
    /// # Errors
    /// When it does not read on, or does not end.
    pub fn stop(mut self) -> Result<u64> {
        let port = self.port;
        let limit = Duration::from_secs(20);
        self.process.until(limit, "it had read its socket", |pid| udp_state::queued_octets(pid, port) == 0)?;
        let drops = udp_state::drops(self.process.id(), port);
        self.process.interrupt(limit)?;
        Ok(drops)
    }
}

fn ffmpeg_receiver(format: &VideoFormat, description: &Path, raw: &Path, log: &Path) -> Launch<'static> {
    let (pixels, _) = ffmpeg_names(format);
    Launch::new("ffmpeg", log)
        .words("-nostdin -y -v warning -protocol_whitelist file,udp,rtp -reorder_queue_size 0")
        .words(&format!("-buffer_size {BUFFER_OCTETS} -probesize 32 -analyzeduration 0 -f sdp -i"))
        .arg(description.to_string_lossy())
        .words(&format!("-fps_mode passthrough -pix_fmt {pixels} -f rawvideo"))
        .arg(raw.to_string_lossy())
}

fn gstreamer_receiver(format: &VideoFormat, address: SocketAddr, raw: &Path, log: &Path) -> Launch<'static> {
    let caps = format!(
        "caps=application/x-rtp,media=video,clock-rate=90000,encoding-name=RAW,payload={PAYLOAD_TYPE},\
         sampling=YCbCr-4:2:2,depth=(string){},width=(string){},height=(string){}",
        format.depth().bits(),
        format.width(),
        format.height()
    );
    Launch::new("gst-launch-1.0", log)
        .words("-e udpsrc")
        .words(&format!("address={} port={} buffer-size={BUFFER_OCTETS}", address.ip(), address.port()))
        .arg(caps)
        .words("! rtpvrawdepay ! filesink")
        .arg(format!("location={}", raw.display()))
}

/// An SDP with what RFC 4175 §6 demands and no more.
#[must_use]
pub fn sdp(format: &VideoFormat, address: SocketAddr) -> String {
    let family = match address.ip() {
        IpAddr::V4(_) => "IP4",
        IpAddr::V6(_) => "IP6",
    };
    let (ip, port, rate) = (address.ip(), address.port(), format.rate());
    let (width, height, depth) = (format.width(), format.height(), format.depth().bits());
    let rate = f64::from(rate.num()) / f64::from(rate.den());
    format!(
        "v=0\r\no=- 1 1 IN {family} {ip}\r\ns=peer\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
         m=video {port} RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} raw/90000\r\n\
         a=fmtp:{PAYLOAD_TYPE} sampling=YCbCr-4:2:2; width={width}; height={height}; depth={depth}\r\n\
         a=framerate:{rate}\r\n"
    )
}

/// FFmpeg's pixel format and the codec that puts it on the wire.
fn ffmpeg_names(format: &VideoFormat) -> (&'static str, &'static str) {
    match format.depth() {
        Depth::Bits8 => ("uyvy422", "rawvideo"),
        Depth::Bits10 => ("yuv422p10le", "bitpacked"),
    }
}

fn gstreamer_name(format: &VideoFormat) -> &'static str {
    match format.depth() {
        Depth::Bits8 => "UYVY",
        Depth::Bits10 => "UYVP",
    }
}
