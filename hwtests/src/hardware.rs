//! The cards of a test rack, named in the file that `FLYPACK_HW` points to, and what the kernel says of them.
//!
//! The file has one `key = value` a line, values in quotes or not, `#` begins a comment. `docs/hardware.md` has a sample.

mod kernel;

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

pub use kernel::{driver_of, nodes_at, nodes_in, numa_node, pinned_octets};

/// The variable that names the file.
pub const VARIABLE: &str = "FLYPACK_HW";

const KEYS: &str = "port_a, port_b, netdev_b, address_a, address_b, kernel_address_b, vlan, numa, mtu, hugepages_mib";

/// Two ports that are wired to each other, or to a switch that passes everything on between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Sends. A PCI address; `net_af_packet:NETDEV` and its like try the tests rather than a card.
    pub port_a: String,
    /// Receives, and has the features.
    pub port_b: String,
    /// The kernel's network device on the card of `port_b`, where the two share it (mlx5).
    pub netdev_b: Option<String>,
    /// Where datagrams come from.
    pub address_a: Ipv4Addr,
    /// Where they go; not an address of any kernel.
    pub address_b: Ipv4Addr,
    /// The kernel's own address on `netdev_b`.
    pub kernel_address_b: Option<Ipv4Addr>,
    /// The VLAN that the switch wants tagged.
    pub vlan: Option<u16>,
    /// The NUMA node that both cards are on, where sysfs does not tell.
    pub numa: Option<u16>,
    /// The longest IP packet, in octets.
    pub mtu: u16,
    /// Hugepages for DPDK, in MiB; as many more are wanted for a ring.
    pub hugepages_mib: u32,
}

impl Hardware {
    /// What the environment names; `None` when it names nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or says what nobody understands.
    pub fn from_environment() -> Result<Option<Self>> {
        let Some(path) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let path = Path::new(&path);
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{VARIABLE} names {}, which cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("in {}, which {VARIABLE} names", path.display())).map(Some)
    }

    /// Reads the file's text.
    ///
    /// # Errors
    /// Which line is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Self> {
        let mut draft = Draft::default();
        for (number, line) in text.lines().enumerate() {
            draft.take(line).with_context(|| format!("line {}: {}", number + 1, line.trim()))?;
        }
        draft.finish()
    }
}

#[derive(Default)]
struct Draft {
    port_a: Option<String>,
    port_b: Option<String>,
    netdev_b: Option<String>,
    address_a: Option<Ipv4Addr>,
    address_b: Option<Ipv4Addr>,
    kernel_address_b: Option<Ipv4Addr>,
    vlan: Option<u16>,
    numa: Option<u16>,
    mtu: Option<u16>,
    hugepages_mib: Option<u32>,
}

impl Draft {
    fn take(&mut self, line: &str) -> Result<()> {
        let line = line.split_once('#').map_or(line, |(before, _)| before).trim();
        if line.is_empty() {
            return Ok(());
        }
        let (key, value) = line.split_once('=').context("write KEY = VALUE")?;
        let (key, value) = (key.trim(), value.trim());
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
        ensure!(!value.is_empty(), "{key} has no value; leave the line out where there is none");
        match key {
            "port_a" => put(&mut self.port_a, value, "a PCI address such as 0000:3b:00.0 (see `lspci -D`)"),
            "port_b" => put(&mut self.port_b, value, "a PCI address such as 0000:3b:00.1 (see `lspci -D`)"),
            "netdev_b" => put(&mut self.netdev_b, value, "the name of a network device (see `ip link`)"),
            "address_a" => put(&mut self.address_a, value, "an IPv4 address such as 198.18.0.1"),
            "address_b" => put(&mut self.address_b, value, "an IPv4 address such as 198.18.0.2"),
            "kernel_address_b" => put(&mut self.kernel_address_b, value, "an IPv4 address such as 198.18.0.3"),
            "vlan" => put(&mut self.vlan, value, "a VLAN from 1 to 4094"),
            "numa" => put(&mut self.numa, value, "the number of a NUMA node (see `numactl -H`)"),
            "mtu" => put(&mut self.mtu, value, "a number of octets such as 1500"),
            "hugepages_mib" => put(&mut self.hugepages_mib, value, "a number of mebibytes such as 512"),
            _ => bail!("nobody knows {key}; there are {KEYS}"),
        }
    }

    fn finish(self) -> Result<Hardware> {
        let wired = "a test needs two ports that are wired to each other";
        let hardware = Hardware {
            port_a: self.port_a.with_context(|| format!("port_a is missing: {wired}"))?,
            port_b: self.port_b.with_context(|| format!("port_b is missing: {wired}"))?,
            netdev_b: self.netdev_b,
            address_a: self.address_a.unwrap_or(Ipv4Addr::new(198, 18, 0, 1)),
            address_b: self.address_b.unwrap_or(Ipv4Addr::new(198, 18, 0, 2)),
            kernel_address_b: self.kernel_address_b,
            vlan: self.vlan,
            numa: self.numa,
            mtu: self.mtu.unwrap_or(1_500),
            hugepages_mib: self.hugepages_mib.unwrap_or(512),
        };
        ensure!(hardware.port_a != hardware.port_b, "port_a and port_b are the same: {wired}");
        ensure!(hardware.address_a != hardware.address_b, "address_a and address_b are the same");
        ensure!(hardware.vlan.is_none_or(|vlan| (1..=4_094).contains(&vlan)), "vlan is from 1 to 4094");
        ensure!(hardware.mtu >= 1_500, "mtu is {}: the tests send packets of 1500 octets", hardware.mtu);
        let alone = hardware.netdev_b.is_some() == hardware.kernel_address_b.is_some();
        ensure!(alone, "netdev_b and kernel_address_b go together: the kernel is asked at this address on this device");
        Ok(hardware)
    }
}

fn put<T: std::str::FromStr>(place: &mut Option<T>, value: &str, right: &str) -> Result<()> {
    let Ok(value) = value.parse() else { bail!("{value:?} is not {right}") };
    ensure!(place.replace(value).is_none(), "it stands there twice");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "port_a = \"0000:3b:00.0\"\nport_b=0000:3b:00.1 # the other\n";

    #[test]
    fn two_ports_are_enough() {
        let hardware = Hardware::parse(TWO).unwrap();
        assert_eq!((&*hardware.port_a, &*hardware.port_b), ("0000:3b:00.0", "0000:3b:00.1"));
        assert_eq!((hardware.mtu, hardware.vlan, hardware.netdev_b), (1_500, None, None));
    }

    #[test]
    fn every_key_is_read() {
        let rest = "# all\n\naddress_a = 192.0.2.1\naddress_b = 192.0.2.2\nnetdev_b = \"ens1\"\n\
                    kernel_address_b = 192.0.2.3\nvlan = 7\nnuma = 1\nmtu = 9000\nhugepages_mib = 64\n";
        let hardware = Hardware::parse(&format!("{TWO}{rest}")).unwrap();
        assert_eq!((hardware.address_a, hardware.address_b), ([192, 0, 2, 1].into(), [192, 0, 2, 2].into()));
        assert_eq!(hardware.kernel_address_b, Some([192, 0, 2, 3].into()));
        assert_eq!((hardware.netdev_b.as_deref(), hardware.vlan, hardware.numa), (Some("ens1"), Some(7), Some(1)));
        assert_eq!((hardware.mtu, hardware.hugepages_mib), (9_000, 64));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("", "port_a is missing"),
            ("port_a = 3b:00.0", "port_b is missing"),
            ("port_a = x\nport_b = x", "the same"),
            ("port_a = x\nport_a = y", "line 2: port_a = y: it stands there twice"),
            ("port_a x", "line 1: port_a x: write KEY = VALUE"),
            ("port_a = \"\"", "no value"),
            ("speed = 100", "nobody knows speed; there are port_a,"),
            ("\nvlan = x", "line 2: vlan = x: \"x\" is not a VLAN from 1 to 4094"),
            ("port_a = x\nport_b = y\nvlan = 4095", "from 1 to 4094"),
            ("port_a = x\nport_b = y\nmtu = 900", "1500"),
            ("port_a = x\nport_b = y\nnetdev_b = z", "go together"),
            ("address_b = 300.0.0.1", "an IPv4 address such as"),
        ] {
            let refusal = format!("{:#}", Hardware::parse(text).unwrap_err());
            assert!(refusal.contains(said), "{text:?}: {refusal}");
        }
    }
}
