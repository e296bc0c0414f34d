//! Where the demo plays: namespaces, settings and folders, or what is left of them without root.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use hwtests::namespace::{self, Link};
use hwtests::sysctl::{self, RECEIVE_BUFFER_OCTETS};
use hwtests::{Namespace, Peer, Scratch, Sysctl, User};

const STUDIO: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const RACK: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Two rings of 1080p and two of 720p, 32 slots each, with their control pages, in pages of 2 MB.
const RING_HUGEPAGES: u64 = 352;
/// What DPDK's pools and descriptors take, MB.
const DPDK_MEGABYTES: u64 = 256;
/// The rack's interface, at the other end of which the studio is.
const RACK_INTERFACE: &str = "studio";

/// How the gateway's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketIo {
    /// A DPDK port over the rack's interface.
    Dpdk,
    /// The kernel's sockets.
    Udp,
}

impl FromStr for PacketIo {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "dpdk" => Ok(Self::Dpdk),
            "udp" => Ok(Self::Udp),
            _ => bail!("there are dpdk and udp"),
        }
    }
}

/// The three places of the demo.
pub(crate) struct Network {
    /// Cameras and receivers.
    pub(crate) studio: Namespace,
    /// The gateway.
    pub(crate) rack: Namespace,
    /// The consumer: a namespace without any link. Pictures reach it through memory only.
    pub(crate) viewer: Namespace,
}

/// The demo's surroundings. Dropping it puts the machine back.
pub(crate) struct Stage {
    io: PacketIo,
    pub(crate) network: Option<Network>,
    pub(crate) scratch: Scratch,
    /// Where pictures and logs stay.
    pub(crate) out: PathBuf,
    pub(crate) peers: Vec<Peer>,
    /// Who the consumer is.
    pub(crate) viewer: User,
    left_out: Vec<String>,
    _settings: Vec<Sysctl>,
}

impl Stage {
    pub(crate) fn set_up(asked: PacketIo, out: &Path) -> Result<Self> {
        let mut left_out = Vec::new();
        let mut settings = Vec::new();
        for name in ["net.core.rmem_max", "net.core.wmem_max"] {
            keep(Sysctl::at_least(name, RECEIVE_BUFFER_OCTETS), &mut settings, &mut left_out);
        }
        let network = network(asked, &mut left_out)?;
        let io = if network.is_some() { asked } else { PacketIo::Udp };
        if io != asked {
            left_out.push("DPDK ports: they need the namespaces; the kernel's sockets it is".to_owned());
        }
        let dpdk = if io == PacketIo::Dpdk { DPDK_MEGABYTES / 2 } else { 0 };
        keep(Sysctl::free_hugepages(RING_HUGEPAGES + dpdk), &mut settings, &mut left_out);
        let viewer = viewer(&mut left_out);
        let (peers, absent): (Vec<Peer>, Vec<Peer>) =
            [Peer::Ffmpeg, Peer::Gstreamer].into_iter().partition(|p| p.is_installed());
        left_out.extend(absent.iter().map(|peer| format!("{} is not installed (scripts/install peers)", peer.name())));
        if peers.is_empty() {
            bail!("neither FFmpeg nor GStreamer is installed; as root, scripts/install peers installs both");
        }
        let out = out.to_owned();
        Ok(Self { io, network, scratch: Scratch::create()?, out, peers, viewer, left_out, _settings: settings })
    }

    /// Says where it plays and what had to be left out.
    pub(crate) fn announce(&self) {
        let place = match &self.network {
            Some(_) => {
                let port = match self.io {
                    PacketIo::Dpdk => "DPDK port net_af_packet",
                    PacketIo::Udp => "kernel UDP",
                };
                format!(
                    "studio {STUDIO} (cameras, receivers) — veth — rack {RACK} (flypackd, {port}); viewer: no network"
                )
            }
            None => "everything on the loopback interface".to_owned(),
        };
        println!("{place}");
        for what in &self.left_out {
            println!("LEFT OUT: {what}");
        }
    }

    /// Whether a socket can hold bursts of large frames.
    pub(crate) fn has_large_buffers(&self) -> bool {
        sysctl::read("net.core.rmem_max").is_ok_and(|octets| octets >= RECEIVE_BUFFER_OCTETS)
    }

    /// What the gateway's configuration says of this place.
    pub(crate) fn config(&self) -> String {
        match self.io {
            PacketIo::Udp => String::new(),
            PacketIo::Dpdk => format!(
                "\n[dpdk]\nmemory_mb = {DPDK_MEGABYTES}\n\n[[port]]\nname = \"rack\"\n\
                 device = \"net_af_packet:{RACK_INTERFACE}\"\naddresses = [\"{RACK}/24\"]\n"
            ),
        }
    }

    pub(crate) fn studio(&self) -> Option<&Namespace> {
        self.network.as_ref().map(|network| &network.studio)
    }

    pub(crate) fn rack(&self) -> Option<&Namespace> {
        self.network.as_ref().map(|network| &network.rack)
    }

    pub(crate) fn viewer_space(&self) -> Option<&Namespace> {
        self.network.as_ref().map(|network| &network.viewer)
    }

    /// The address of cameras and receivers.
    pub(crate) fn studio_address(&self) -> IpAddr {
        self.network.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| STUDIO).into()
    }

    /// The address of the gateway.
    pub(crate) fn rack_address(&self) -> IpAddr {
        self.network.as_ref().map_or(Ipv4Addr::LOCALHOST, |_| RACK).into()
    }

    /// An even UDP port above `above` that, with the next (FFmpeg's RTCP), is free.
    pub(crate) fn free_port(&self, above: u16) -> Result<u16> {
        let is_free = |port: u16| {
            let both = [port, port + 1].map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok());
            self.network.is_some() || both == [true, true]
        };
        (above..u16::MAX - 10).step_by(10).skip(1).find(|&port| is_free(port)).context("there is no free UDP port")
    }

    /// Packets that the veth pair dropped so far.
    pub(crate) fn wire_drops(&self) -> Result<u64> {
        let Some(network) = &self.network else { return Ok(0) };
        Ok(network.studio.interface_drops("rack")? + network.rack.interface_drops("studio")?)
    }
}

fn keep(setting: Result<Sysctl>, settings: &mut Vec<Sysctl>, left_out: &mut Vec<String>) {
    match setting {
        Ok(setting) => settings.push(setting),
        Err(error) => left_out.push(format!("{error:#}")),
    }
}

fn network(io: PacketIo, left_out: &mut Vec<String>) -> Result<Option<Network>> {
    if let Some(reason) = namespace::unavailable() {
        left_out.push(format!("network namespaces: {reason}"));
        return Ok(None);
    }
    let [studio, rack, viewer] = ["studio", "rack", "viewer"].map(Namespace::create);
    let network = Network { studio: studio?, rack: rack?, viewer: viewer? };
    let (near, far) = (format!("{STUDIO}/24"), format!("{RACK}/24"));
    // The address of a DPDK port is the gateway's: the kernel would answer for it, and refuse the media.
    let rack_addresses: &[&str] = if io == PacketIo::Udp { &[&far] } else { &[] };
    let studio = Link { namespace: &network.studio, interface: "rack", addresses: &[&near] };
    let rack = Link { namespace: &network.rack, interface: RACK_INTERFACE, addresses: rack_addresses };
    namespace::join(studio, rack, 1500)?;
    if io == PacketIo::Dpdk {
        // A veth pair passes unfinished checksums and packets of 64 KB on; a wire does not.
        for offload in ["tx", "gso", "tso", "tx-udp-segmentation"] {
            namespace::set_offload(studio, offload, "off")?;
        }
    }
    Ok(Some(network))
}

fn viewer(left_out: &mut Vec<String>) -> User {
    if rustix::process::geteuid().is_root() {
        return User::Nobody;
    }
    left_out.push("a consumer under another user: only root can become nobody".to_owned());
    User::Own
}
