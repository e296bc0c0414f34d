//! Where the demo plays: namespaces, settings and folders, or what is left of them without root.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hwtests::namespace::{self, Link};
use hwtests::sysctl::{self, RECEIVE_BUFFER_OCTETS};
use hwtests::{Namespace, Peer, Scratch, Sysctl, User};

const STUDIO: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const RACK: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Two rings of 1080p and two of 720p, 32 slots each, with their control pages, in pages of 2 MB.
const HUGEPAGES: u64 = 352;

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
    pub(crate) fn set_up(out: &Path) -> Result<Self> {
        let mut left_out = Vec::new();
        let mut settings = Vec::new();
        for name in ["net.core.rmem_max", "net.core.wmem_max"] {
            keep(Sysctl::at_least(name, RECEIVE_BUFFER_OCTETS), &mut settings, &mut left_out);
        }
        keep(Sysctl::free_hugepages(HUGEPAGES), &mut settings, &mut left_out);
        let network = network(&mut left_out)?;
        let viewer = viewer(&mut left_out);
        let (peers, absent): (Vec<Peer>, Vec<Peer>) =
            [Peer::Ffmpeg, Peer::Gstreamer].into_iter().partition(|p| p.is_installed());
        left_out.extend(absent.iter().map(|peer| format!("{} is not installed (scripts/install peers)", peer.name())));
        if peers.is_empty() {
            bail!("neither FFmpeg nor GStreamer is installed; as root, scripts/install peers installs both");
        }
        let out = out.to_owned();
        Ok(Self { network, scratch: Scratch::create()?, out, peers, viewer, left_out, _settings: settings })
    }

    /// Says where it plays and what had to be left out.
    pub(crate) fn announce(&self) {
        let place = match &self.network {
            Some(_) => {
                format!("studio {STUDIO} (cameras, receivers) — veth — rack {RACK} (flypackd); viewer: no network")
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

fn network(left_out: &mut Vec<String>) -> Result<Option<Network>> {
    if let Some(reason) = namespace::unavailable() {
        left_out.push(format!("network namespaces: {reason}"));
        return Ok(None);
    }
    let [studio, rack, viewer] = ["studio", "rack", "viewer"].map(Namespace::create);
    let network = Network { studio: studio?, rack: rack?, viewer: viewer? };
    let (near, far) = ([format!("{STUDIO}/24")], [format!("{RACK}/24")]);
    let studio = Link { namespace: &network.studio, interface: "rack", addresses: &near.each_ref().map(|a| &**a) };
    let rack = Link { namespace: &network.rack, interface: "studio", addresses: &far.each_ref().map(|a| &**a) };
    namespace::join(studio, rack, 1500)?;
    Ok(Some(network))
}

fn viewer(left_out: &mut Vec<String>) -> User {
    if rustix::process::geteuid().is_root() {
        return User::Nobody;
    }
    left_out.push("a consumer under another user: only root can become nobody".to_owned());
    User::Own
}
