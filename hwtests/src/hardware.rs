//! The cards and cameras of a test rack, named in the file that `FLYPACK_HW` points to, and what the kernel says of them.
//!
//! The file is TOML; `docs/hardware.md` has a sample and says what each key means.

mod kernel;
mod trial;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use kernel::{driver_of, nodes_at, nodes_in, numa_node, pinned_octets};
pub use trial::Trial;

/// The variable that names the file.
pub const VARIABLE: &str = "FLYPACK_HW";

/// What there is to test on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rack {
    /// Hugepages for DPDK, in MiB; as many more are wanted for a ring.
    #[serde(default = "hugepages_mib")]
    pub hugepages_mib: u32,
    /// Where each test says on which device it ran, a line each.
    #[serde(default)]
    pub report: Option<PathBuf>,
    /// Ports that are wired to each other.
    #[serde(default, rename = "pair")]
    pub pairs: Vec<PortPair>,
    /// Senders of ST 2110-20 that nobody here wrote.
    #[serde(default, rename = "camera")]
    pub cameras: Vec<RackCamera>,
}

/// Two ports that are wired to each other, or to a switch that passes everything on between them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortPair {
    /// How tests call it.
    pub name: String,
    /// Sends. A PCI address; `net_af_packet:NETDEV` and its like try the tests rather than a card.
    pub a: String,
    /// Receives, and has the features.
    pub b: String,
    /// The kernel's network device on the card of `b`, where the two share it (mlx5).
    #[serde(default)]
    pub netdev_b: Option<String>,
    /// Where datagrams come from.
    #[serde(default = "address_a")]
    pub address_a: Ipv4Addr,
    /// Where they go; not an address of any kernel.
    #[serde(default = "address_b")]
    pub address_b: Ipv4Addr,
    /// The kernel's own address on `netdev_b`.
    #[serde(default)]
    pub kernel_address_b: Option<Ipv4Addr>,
    /// The VLAN that the switch wants tagged.
    #[serde(default)]
    pub vlan: Option<u16>,
    /// The NUMA node that both cards are on, where sysfs does not tell.
    #[serde(default)]
    pub numa: Option<u16>,
    /// The longest IP packet, in octets.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Of the rack; `None` for ordinary pages, which cards do not take.
    #[serde(skip)]
    pub hugepages_mib: Option<u32>,
}

/// A camera, and the port that hears it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RackCamera {
    /// How tests call it.
    pub name: String,
    /// Its SDP, a file.
    pub sdp: PathBuf,
    /// The device that hears it, as a `[[port]]` of the gateway has it.
    pub port: String,
    /// The port's own address, with the length of its prefix.
    pub address: String,
    /// The router to sources elsewhere.
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// The VLAN of the port; 0 for untagged frames.
    #[serde(default)]
    pub vlan: u16,
    /// Frames that must come whole.
    #[serde(default = "frames")]
    pub frames: u64,
}

fn hugepages_mib() -> u32 {
    512
}

fn address_a() -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, 1)
}

fn address_b() -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, 2)
}

fn mtu() -> u16 {
    1_500
}

fn frames() -> u64 {
    250
}

impl Rack {
    /// What the environment names; `None` when it names nothing.
    ///
    /// # Errors
    /// When the file cannot be read, or says what nobody understands.
    pub fn from_environment() -> Result<Option<Self>> {
        let Some(path) = std::env::var_os(VARIABLE) else { return Ok(None) };
        let path = Path::new(&path);
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{VARIABLE} names {}, which cannot be read", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Self::parse(&text, folder).with_context(|| format!("in {}, which {VARIABLE} names", path.display())).map(Some)
    }

    /// Reads the file's text; the files that it names are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str, folder: &Path) -> Result<Self> {
        let mut rack: Self = toml::from_str(text)?;
        ensure!(
            !rack.pairs.is_empty() || !rack.cameras.is_empty(),
            "it names neither a [[pair]] of ports nor a [[camera]]"
        );
        rack.report = rack.report.map(|report| folder.join(report));
        for pair in &mut rack.pairs {
            pair.hugepages_mib = Some(rack.hugepages_mib);
            pair.check().with_context(|| format!("pair {:?}", pair.name))?;
        }
        for camera in &mut rack.cameras {
            camera.sdp = folder.join(&camera.sdp);
            ensure!(camera.sdp.is_file(), "camera {:?}: there is no file {}", camera.name, camera.sdp.display());
        }
        let mut names: Vec<&String> = rack.pairs.iter().map(|pair| &pair.name).collect();
        names.extend(rack.cameras.iter().map(|camera| &camera.name));
        names.sort();
        if let Some(twice) = names.windows(2).find(|two| two[0] == two[1]) {
            bail!("two are called {:?}: give each a name of its own", twice[0]);
        }
        Ok(rack)
    }
}

impl PortPair {
    /// Two devices of a kernel, in the place of cards.
    #[must_use]
    pub fn on_netdevs(name: &str, near: &str, far: &str) -> Self {
        Self {
            name: name.to_owned(),
            a: format!("net_af_packet:{near}"),
            b: format!("net_af_packet:{far}"),
            netdev_b: None,
            address_a: address_a(),
            address_b: address_b(),
            kernel_address_b: None,
            vlan: None,
            numa: None,
            mtu: mtu(),
            hugepages_mib: None,
        }
    }

    /// As the report names it.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} ({} to {})", self.name, self.a, self.b)
    }

    /// Whether `a` is a card.
    #[must_use]
    pub fn is_hardware(&self) -> bool {
        !self.a.starts_with("net_")
    }

    fn check(&self) -> Result<()> {
        let wired = "a test needs two ports that are wired to each other";
        for port in [&self.a, &self.b] {
            let right = "a PCI address such as 0000:3b:00.0 (see `lspci -D`)";
            ensure!(port.parse::<dpdk::device::Device>().is_ok(), "{port:?} is not {right}");
        }
        ensure!(self.a != self.b, "a and b are the same: {wired}");
        ensure!(self.address_a != self.address_b, "address_a and address_b are the same");
        ensure!(self.vlan.is_none_or(|vlan| (1..=4_094).contains(&vlan)), "vlan is from 1 to 4094");
        ensure!(self.mtu >= 1_500, "mtu is {}: the tests send packets of 1500 octets", self.mtu);
        let alone = self.netdev_b.is_some() == self.kernel_address_b.is_some();
        ensure!(alone, "netdev_b and kernel_address_b go together: the kernel is asked at this address on this device");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = "[[pair]]\nname = \"x\"\na = \"0000:3b:00.0\"\nb = \"0000:3b:00.1\"\n";

    fn parse(text: &str) -> Result<Rack> {
        Rack::parse(text, Path::new("/nonexistent"))
    }

    #[test]
    fn two_ports_are_enough() {
        let rack = parse(PAIR).unwrap();
        let pair = &rack.pairs[0];
        assert_eq!((&*pair.a, &*pair.b, pair.is_hardware()), ("0000:3b:00.0", "0000:3b:00.1", true));
        assert_eq!((pair.mtu, pair.vlan, pair.hugepages_mib), (1_500, None, Some(512)));
        assert_eq!(pair.words(), "x (0000:3b:00.0 to 0000:3b:00.1)");
    }

    /// The sample of the guide, so that it cannot go out of date.
    #[test]
    fn the_guides_sample_is_read() {
        let guide = include_str!("../../docs/hardware.md");
        let (_, rest) = guide.split_once("```toml\n").unwrap();
        let (sample, _) = rest.split_once("```").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("studio-1.sdp"), "v=0").unwrap();
        // What is commented out is right, too.
        for sample in [sample.to_owned(), sample.replace("\n#", "\n")] {
            let rack = Rack::parse(&sample, folder.path()).unwrap();
            assert_eq!((rack.pairs.len(), rack.cameras.len()), (2, 1));
            assert_eq!(rack.report, Some(folder.path().join("rack-report.txt")));
            assert_eq!(rack.cameras[0].sdp, folder.path().join("studio-1.sdp"));
            assert_eq!(rack.pairs[1].kernel_address_b, Some([198, 18, 0, 3].into()));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("", "neither a [[pair]]"),
            ("[[pair]]\nname = \"x\"\na = \"0000:3b:00.0\"", "missing field `b`"),
            (&PAIR.replace("00.1", "00.0"), "the same"),
            (&PAIR.replace("0000:3b:00.1", "eth1"), "\"eth1\" is not a PCI address such as"),
            (&format!("{PAIR}{PAIR}"), "two are called \"x\""),
            (&format!("{PAIR}speed = 100"), "unknown field `speed`, expected one of"),
            (&format!("{PAIR}vlan = 4095"), "from 1 to 4094"),
            (&format!("{PAIR}mtu = 900"), "1500"),
            (&format!("{PAIR}netdev_b = \"z\""), "go together"),
            (&format!("{PAIR}address_b = \"300.0.0.1\""), "IPv4 address"),
            (
                "[[camera]]\nname = \"c\"\nsdp = \"c.sdp\"\nport = \"0000:3b:00.0\"\naddress = \"10.0.0.1/24\"",
                "no file /nonexistent/c.sdp",
            ),
        ] {
            let refusal = format!("{:#}", parse(text).unwrap_err());
            assert!(refusal.contains(said), "{text:?}: {refusal}");
        }
    }
}
