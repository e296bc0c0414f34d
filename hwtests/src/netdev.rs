//! Interfaces as a port without the kernel needs them: no address of the kernel's on the port's side, plain packets
//! with whole checksums from the other, and a link that goes down and comes back.

use std::process::Command;

use anyhow::{Context, Result};

use crate::namespace::{self, Link, Namespace, add_pair, bring_up, ip, output};

/// Offloads by which a veth's kernel sends partial checksums or packets of 64 KiB, and by which it glues received
/// packets together.
const OFFLOADS: [&str; 5] = ["tx", "gso", "tso", "tx-udp-segmentation", "gro"];

/// An interface of a namespace.
#[derive(Clone, Copy, Debug)]
pub struct Netdev<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// What it is called there, 15 octets at most.
    pub name: &'a str,
}

/// Joins a port's interface to a peer by a veth pair with an MTU of `mtu` octets.
///
/// The port's end carries no address, IPv6's link-local one neither: the kernel answers nothing there. The peer's end
/// has its addresses, and its offloads off: what it sends are packets as on a wire.
///
/// # Errors
/// What `ip`, `sysctl` or `ethtool` says. The pair goes when either namespace goes.
pub fn wire(port: Netdev<'_>, peer: Link<'_>, mtu: u32) -> Result<()> {
    let end = Link { namespace: port.namespace, interface: port.name, addresses: &[] };
    add_pair(end, peer, mtu)?;
    port.without_ipv6()?;
    OFFLOADS.into_iter().try_for_each(|offload| namespace::set_offload(peer, offload, "off"))?;
    bring_up(end)?;
    bring_up(peer)
}

impl<'a> Netdev<'a> {
    /// A new TAP interface that stays when no program has it open. It has a carrier while one has.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn tap(namespace: &'a Namespace, name: &'a str) -> Result<Self> {
        ip(&["-n", namespace.name(), "tuntap", "add", "dev", name, "mode", "tap"])?;
        Ok(Self { namespace, name })
    }

    /// Keeps the kernel from giving it IPv6 addresses. Before it is set up.
    ///
    /// # Errors
    /// What `sysctl` says.
    pub fn without_ipv6(&self) -> Result<()> {
        let mut command = self.namespace.command("sysctl");
        output(command.args(["-qw", &format!("net.ipv6.conf.{}.disable_ipv6=1", self.name)])).map(drop)
    }

    /// Sets it up.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn up(&self) -> Result<()> {
        ip(&["-n", self.namespace.name(), "link", "set", self.name, "up"])
    }

    /// Sets it down: the other end of a pair then has no carrier.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn down(&self) -> Result<()> {
        ip(&["-n", self.namespace.name(), "link", "set", self.name, "down"])
    }

    /// Whether it is up and has a carrier.
    ///
    /// # Errors
    /// When `ip` fails or there is no such interface.
    pub fn has_link(&self) -> Result<bool> {
        let flags = self.show()?["flags"].take();
        let flags = flags.as_array().context("ip -j shows no flags")?;
        Ok(["UP", "LOWER_UP"].iter().all(|flag| flags.iter().any(|shown| shown == flag)))
    }

    /// Its hardware address.
    ///
    /// # Errors
    /// When `ip` fails or there is no such interface.
    pub fn mac(&self) -> Result<[u8; 6]> {
        let shown = self.show()?;
        let octets = shown["address"].as_str().context("ip -j shows no address")?.split(':');
        let octets: Vec<u8> = octets.map(|octet| u8::from_str_radix(octet, 16)).collect::<Result<_, _>>()?;
        octets.try_into().ok().context("a hardware address that is not 6 octets long")
    }

    /// Its addresses, IPv4 and IPv6.
    ///
    /// # Errors
    /// When `ip` fails or there is no such interface.
    pub fn addresses(&self) -> Result<Vec<String>> {
        let shown = self.ask(&["addr", "show", self.name])?;
        let addresses = shown["addr_info"].as_array().context("ip -j shows no addresses")?;
        Ok(addresses.iter().filter_map(|address| address["local"].as_str().map(str::to_owned)).collect())
    }

    fn show(&self) -> Result<serde_json::Value> {
        self.ask(&["link", "show", self.name])
    }

    fn ask(&self, words: &[&str]) -> Result<serde_json::Value> {
        let said = output(Command::new("ip").args(["-n", self.namespace.name(), "-j"]).args(words))?;
        let mut links: serde_json::Value = serde_json::from_str(&said).context("ip -j wrote no JSON")?;
        Ok(links[0].take())
    }
}
