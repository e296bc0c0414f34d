//! A port's device by its name in the file. Only the shape is judged here: the crate `dpdk` opens it.

use std::fmt;
use std::str::FromStr;

/// A device, as the file names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortDevice {
    /// A packet socket on a network interface of the kernel.
    AfPacket(String),
    /// An XDP socket on a network interface of the kernel.
    AfXdp(String),
    /// A TAP that DPDK makes.
    Tap(String),
    /// Files of captured packets.
    Pcap {
        /// Read from here.
        rx: Option<String>,
        /// Written to here.
        tx: Option<String>,
    },
    /// A loop: what is sent is received.
    Ring,
    /// Takes everything, gives nothing.
    Null,
    /// Hardware, by its PCI address in full.
    Pci(String),
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "net_af_packet:NETDEV, net_af_xdp:NETDEV, net_tap:NAME (names of 1 to 15 characters without '/', ':', ',', '=' \
     or blanks), net_pcap:rx=FILE,tx=FILE, net_ring, net_null, or a PCI address such as 0000:3b:00.0"
)]
pub struct PortDeviceError;

impl PortDevice {
    /// The network interface of the kernel that the device stands on, or makes.
    #[must_use]
    pub fn netdev(&self) -> Option<&str> {
        match self {
            Self::AfPacket(netdev) | Self::AfXdp(netdev) | Self::Tap(netdev) => Some(netdev),
            Self::Pcap { .. } | Self::Ring | Self::Null | Self::Pci(_) => None,
        }
    }

    /// Whether a second port on the same text would be a second device.
    pub(super) fn is_made_for_each_port(&self) -> bool {
        matches!(self, Self::Ring | Self::Null)
    }

    /// What two ports on one device have in common: two drivers on one network interface are one device.
    pub(super) fn identity(&self) -> String {
        self.netdev().map_or_else(|| self.to_string(), str::to_owned)
    }
}

impl FromStr for PortDevice {
    type Err = PortDeviceError;

    fn from_str(text: &str) -> Result<Self, PortDeviceError> {
        match text.split_once(':') {
            None if text == "net_ring" => Ok(Self::Ring),
            None if text == "net_null" => Ok(Self::Null),
            Some(("net_af_packet", netdev)) => Ok(Self::AfPacket(interface(netdev)?)),
            Some(("net_af_xdp", netdev)) => Ok(Self::AfXdp(interface(netdev)?)),
            Some(("net_tap", name)) => Ok(Self::Tap(interface(name)?)),
            Some(("net_pcap", files)) => pcap(files),
            Some(_) if is_pci_address(text) => Ok(Self::Pci(text.to_ascii_lowercase())),
            _ => Err(PortDeviceError),
        }
    }
}

impl fmt::Display for PortDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfPacket(netdev) => write!(f, "net_af_packet:{netdev}"),
            Self::AfXdp(netdev) => write!(f, "net_af_xdp:{netdev}"),
            Self::Tap(name) => write!(f, "net_tap:{name}"),
            Self::Pcap { rx, tx } => {
                let files = [("rx", rx), ("tx", tx)].into_iter().filter_map(|(way, file)| Some((way, file.as_ref()?)));
                let files: Vec<String> = files.map(|(way, file)| format!("{way}={file}")).collect();
                write!(f, "net_pcap:{}", files.join(","))
            }
            Self::Ring => f.write_str("net_ring"),
            Self::Null => f.write_str("net_null"),
            Self::Pci(address) => f.write_str(address),
        }
    }
}

/// A name that the kernel takes for a network interface, and that DPDK's arguments can carry.
pub(super) fn interface(name: &str) -> Result<String, PortDeviceError> {
    let legal = |c: char| !c.is_whitespace() && !c.is_control() && !"/:,=".contains(c);
    let fits = (1..=15).contains(&name.len());
    if fits && name != "." && name != ".." && name.chars().all(legal) {
        Ok(name.to_owned())
    } else {
        Err(PortDeviceError)
    }
}

/// `rx=FILE,tx=FILE` or one of them; DPDK's arguments cannot hold a comma or an equals sign in a file's name.
fn pcap(files: &str) -> Result<PortDevice, PortDeviceError> {
    let (mut rx, mut tx) = (None, None);
    for part in files.split(',') {
        let (way, file) = part.split_once('=').ok_or(PortDeviceError)?;
        let slot = match way {
            "rx" => &mut rx,
            "tx" => &mut tx,
            _ => return Err(PortDeviceError),
        };
        let is_legal = !file.is_empty() && !file.contains(|c: char| c.is_whitespace() || "=\"'".contains(c));
        if !is_legal || slot.replace(file.to_owned()).is_some() {
            return Err(PortDeviceError);
        }
    }
    Ok(PortDevice::Pcap { rx, tx })
}

/// `DDDD:BB:DD.F`, hexadecimal.
fn is_pci_address(text: &str) -> bool {
    let shape = b"xxxx:xx:xx.x";
    let fits = |(&octet, &shape): (&u8, &u8)| if shape == b'x' { octet.is_ascii_hexdigit() } else { octet == shape };
    text.len() == shape.len()
        && text.bytes().last().is_some_and(|f| (b'0'..=b'7').contains(&f))
        && text.as_bytes().iter().zip(shape).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_device_is_written_as_it_is_read() {
        for text in [
            "net_af_packet:eth1",
            "net_af_xdp:enp59s0f0",
            "net_tap:studio",
            "net_pcap:rx=/tmp/in.pcap,tx=/tmp/out.pcap",
            "net_pcap:tx=/tmp/out.pcap",
            "net_ring",
            "net_null",
            "0000:3b:00.0",
        ] {
            assert_eq!(text.parse::<PortDevice>().unwrap().to_string(), text);
        }
        assert_eq!("0000:3B:00.1".parse(), Ok(PortDevice::Pci("0000:3b:00.1".to_owned())));
    }

    #[test]
    fn what_is_no_device_is_refused() {
        for text in [
            "",
            "eth1",
            "net_af_packet",
            "net_af_packet:",
            "net_af_packet:eth1,blocksz=4096",
            "net_tap:a/b",
            "net_tap:..",
            "net_af_xdp:eth 1",
            "net_pcap:",
            "net_pcap:rx=",
            "net_pcap:rx=a,rx=b",
            "net_pcap:rx=a,tx=b,c",
            "net_pcap:rx=a b",
            "net_tap:a=b",
            "net_ring:x",
            "net_memif:x",
            "3b:00.0",
            "0000:3b:00.8",
            "0000:3g:00.0",
        ] {
            assert_eq!(text.parse::<PortDevice>(), Err(PortDeviceError), "{text}");
        }
        assert!(format!("net_tap:{}", "x".repeat(15)).parse::<PortDevice>().is_ok());
        assert!(format!("net_tap:{}", "x".repeat(16)).parse::<PortDevice>().is_err());
    }
}
