//! What a run sends and receives by.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A device, as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// `udp`: the kernel's sockets.
    Udp,
    /// Anything else: one of DPDK's.
    Dpdk(String),
}

impl FromStr for DeviceName {
    type Err = Infallible;

    /// DPDK says what is no device of its own. `net_af_packet,iface=eth1`, as its own programs write it, is
    /// `net_af_packet:eth1` here.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "udp" => Self::Udp,
            _ => Self::Dpdk(text.replacen(",iface=", ":", 1)),
        })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp => f.write_str("udp"),
            Self::Dpdk(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_dpdk_does_too() {
        let named = |text: &str| text.parse::<DeviceName>().unwrap().to_string();
        assert_eq!(named("udp"), "udp");
        assert_eq!(named("net_af_packet,iface=eth1"), "net_af_packet:eth1");
        assert_eq!(named("0000:3b:00.0"), "0000:3b:00.0");
    }
}
