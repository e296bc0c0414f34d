//! The devices that a port can be on, as the operator writes them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::pci::{PciAddress, PciAddressError};

/// A device and the driver it is used with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Device {
    /// `net_af_packet:NETDEV`: packet sockets on a network device of the kernel.
    AfPacket {
        /// Its name.
        netdev: String,
    },
    /// `net_af_xdp:NETDEV`: XDP sockets on it.
    AfXdp {
        /// Its name.
        netdev: String,
    },
    /// `net_tap:NETDEV`: a TAP device that DPDK makes under this name.
    Tap {
        /// Its name.
        netdev: String,
    },
    /// `net_pcap:rx=FILE,tx=FILE`: capture files; either may be left out.
    Pcap {
        /// What is received: each packet once.
        rx: Option<PathBuf>,
        /// Where what is sent is written; overwritten at each start.
        tx: Option<PathBuf>,
    },
    /// `net_ring`: what is sent is received again, the same buffers.
    Ring,
    /// `net_null`: what is sent disappears, nothing is received.
    Null,
    /// `0000:3b:00.0`: a network card.
    Pci(PciAddress),
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// Not one of the drivers.
    #[error(
        "{0:?} is no device; write a PCI address (0000:3b:00.0), net_af_packet:NETDEV, net_af_xdp:NETDEV, \
         net_tap:NETDEV, net_pcap:rx=FILE,tx=FILE, net_ring or net_null"
    )]
    Unknown(String),
    /// A bad PCI address.
    #[error(transparent)]
    Pci(#[from] PciAddressError),
    /// The kernel would not have such a name.
    #[error("{0:?} is no name of a network device: 1 to 15 characters without blanks, '/', ',', ':' and '='")]
    Netdev(String),
    /// A file name that cannot be passed to the driver.
    #[error(
        "the file name {0:?} contains a comma, an equals sign, a quote or a blank, which DPDK's arguments cannot hold"
    )]
    File(PathBuf),
    /// `net_pcap:` without a file.
    #[error("{0:?} names no file; write net_pcap:rx=FILE,tx=FILE or one of both")]
    NoFile(String),
}

/// Longest name of a network device, without its NUL (IFNAMSIZ).
const NETDEV_OCTETS_MAX: usize = 15;

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let (driver, argument) = text.split_once(':').unwrap_or((text, ""));
        match driver {
            "net_af_packet" => Ok(Self::AfPacket { netdev: netdev(argument)? }),
            "net_af_xdp" => Ok(Self::AfXdp { netdev: netdev(argument)? }),
            "net_tap" => Ok(Self::Tap { netdev: netdev(argument)? }),
            "net_pcap" => pcap(text, argument),
            "net_ring" if text == driver => Ok(Self::Ring),
            "net_null" if text == driver => Ok(Self::Null),
            _ if resembles_pci(text) => Ok(Self::Pci(text.parse()?)),
            _ => Err(DeviceError::Unknown(text.to_owned())),
        }
    }
}

impl Device {
    /// The driver's name, which begins the name of a virtual device; `None` for a card, whose driver EAL finds.
    #[must_use]
    pub fn driver(&self) -> Option<&'static str> {
        match self {
            Self::AfPacket { .. } => Some("net_af_packet"),
            Self::AfXdp { .. } => Some("net_af_xdp"),
            Self::Tap { .. } => Some("net_tap"),
            Self::Pcap { .. } => Some("net_pcap"),
            Self::Ring => Some("net_ring"),
            Self::Null => Some("net_null"),
            Self::Pci(_) => None,
        }
    }

    /// The kernel's network device below, whose link state is the port's.
    #[must_use]
    pub fn netdev(&self) -> Option<&str> {
        match self {
            Self::AfPacket { netdev } | Self::AfXdp { netdev } | Self::Tap { netdev } => Some(netdev),
            _ => None,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(address) => return address.fmt(f),
            _ => f.write_str(self.driver().unwrap_or_default())?,
        }
        let file = |file: &Option<PathBuf>, key: &str| file.as_ref().map(|path| format!("{key}={}", path.display()));
        match self {
            Self::AfPacket { netdev } | Self::AfXdp { netdev } | Self::Tap { netdev } => write!(f, ":{netdev}"),
            Self::Pcap { rx, tx } => {
                let files: Vec<String> = [file(rx, "rx"), file(tx, "tx")].into_iter().flatten().collect();
                write!(f, ":{}", files.join(","))
            }
            _ => Ok(()),
        }
    }
}

/// Nothing but what an address is made of, so that the refusal can be about addresses.
fn resembles_pci(text: &str) -> bool {
    text.contains(':') && text.chars().all(|letter| letter.is_ascii_hexdigit() || ":.".contains(letter))
}

fn netdev(name: &str) -> Result<String, DeviceError> {
    let letters =
        name.chars().all(|letter| !letter.is_whitespace() && !letter.is_control() && !"/,:=\"'[]".contains(letter));
    let known = (1..=NETDEV_OCTETS_MAX).contains(&name.len()) && letters && name != "." && name != "..";
    known.then(|| name.to_owned()).ok_or_else(|| DeviceError::Netdev(name.to_owned()))
}

fn pcap(text: &str, arguments: &str) -> Result<Device, DeviceError> {
    let (mut rx, mut tx) = (None, None);
    for argument in arguments.split(',').filter(|argument| !argument.is_empty()) {
        match argument.split_once('=') {
            Some(("rx", path)) if rx.is_none() => rx = Some(file(path)?),
            Some(("tx", path)) if tx.is_none() => tx = Some(file(path)?),
            _ => return Err(DeviceError::Unknown(text.to_owned())),
        }
    }
    if rx.is_none() && tx.is_none() {
        return Err(DeviceError::NoFile(text.to_owned()));
    }
    Ok(Device::Pcap { rx, tx })
}

fn file(path: &str) -> Result<PathBuf, DeviceError> {
    let refused = |letter: char| letter.is_whitespace() || letter.is_control() || ",=\"'[]".contains(letter);
    if path.is_empty() || path.contains(refused) {
        return Err(DeviceError::File(Path::new(path).to_owned()));
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_reads_what_it_writes() {
        let texts = [
            "net_af_packet:eth1",
            "net_af_xdp:ens3f0np0",
            "net_tap:fp-0",
            "net_pcap:rx=in.pcap,tx=/tmp/out.pcap",
            "net_pcap:rx=in.pcap",
            "net_pcap:tx=/dev/null",
            "net_ring",
            "net_null",
            "0000:3b:00.0",
        ];
        for text in texts {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("3b:00.0".parse::<Device>().unwrap().to_string(), "0000:3b:00.0");
    }

    #[test]
    fn an_argument_cannot_smuggle_another_one_in() {
        for text in
            ["net_af_packet:eth1,framecnt=1", "net_tap:a b", "net_tap:", "net_af_xdp:abcdefghijklmnop", "net_tap:.."]
        {
            assert!(matches!(text.parse::<Device>(), Err(DeviceError::Netdev(_))), "{text}");
        }
        assert!(matches!("net_pcap:rx=a b".parse::<Device>(), Err(DeviceError::File(_))));
        assert!(matches!("net_pcap:rx=a,infinite_rx=1".parse::<Device>(), Err(DeviceError::Unknown(_))));
        assert!(matches!("net_pcap:".parse::<Device>(), Err(DeviceError::NoFile(_))));
    }

    #[test]
    fn what_is_no_device_is_told_what_would_be() {
        for text in ["", "eth0", "net_memif", "net_null:size=64", "net_ringo", "af_packet:eth0"] {
            let refusal = text.parse::<Device>().unwrap_err().to_string();
            assert!(refusal.contains("net_af_packet:NETDEV"), "{text}: {refusal}");
        }
        assert!(matches!("3b:00.9".parse::<Device>(), Err(DeviceError::Pci(_))));
    }
}
