//! The address of a PCI function.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Domain, bus, device and function, written `0000:3b:00.0` as the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    domain: u16,
    bus: u8,
    device: u8,
    function: u8,
}

/// A text that is no PCI address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no PCI address; one looks like 0000:3b:00.0 or 3b:00.0 (see `lspci -D`)")]
pub struct PciAddressError(String);

/// Devices on a bus, functions of a device.
const DEVICES: u8 = 32;
const FUNCTIONS: u8 = 8;

impl FromStr for PciAddress {
    type Err = PciAddressError;

    /// Accepts the short form without a domain too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).ok_or_else(|| PciAddressError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.rsplit(':');
    let (device, bus) = (hex(parts.next()?, 2)?, hex(parts.next()?, 2)?);
    let domain = parts.next().map_or(Some(0), |domain| hex(domain, 4))?;
    let (device, function) = (u8::try_from(device).ok()?, u8::try_from(hex(function, 1)?).ok()?);
    let valid = parts.next().is_none() && device < DEVICES && function < FUNCTIONS;
    valid.then_some(PciAddress { domain, bus: u8::try_from(bus).ok()?, device, function })
}

/// Exactly `digits` hexadecimal digits.
fn hex(text: &str, digits: usize) -> Option<u16> {
    let plain = text.len() == digits && text.bytes().all(|octet| octet.is_ascii_hexdigit());
    plain.then(|| u16::from_str_radix(text, 16).ok())?
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_the_long_one_is_written() {
        for (text, long) in
            [("0000:3b:00.0", "0000:3b:00.0"), ("3b:1f.7", "0000:3b:1f.7"), ("10ab:FF:00.1", "10ab:ff:00.1")]
        {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), long);
        }
    }

    #[test]
    fn what_the_kernel_would_not_write_is_refused() {
        let wrong =
            ["", "3b", "3b:00", "3b:00.8", "3b:20.0", "3b:0.0", "0:3b:00.0", "0:0000:3b:00.0", "+b:00.0", "3b:00.0 "];
        for text in wrong {
            let refusal = text.parse::<PciAddress>().unwrap_err().to_string();
            assert!(refusal.contains("0000:3b:00.0"), "{text}: {refusal}");
        }
    }
}
