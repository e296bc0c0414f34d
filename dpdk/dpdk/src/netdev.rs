//! What the kernel says of a network device, asked through a socket: it then speaks of the network namespace in which
//! the socket was made, which `/sys` may not.

use std::io;
use std::os::fd::OwnedFd;

use rustix::ioctl::{Opcode, Updater, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// netdevice(7).
const SIOCGIFFLAGS: Opcode = 0x8913;
const SIOCGIFMTU: Opcode = 0x8921;
const IFF_UP: u16 = 0x1;
const IFF_RUNNING: u16 = 0x40;

/// A network device of the namespace in which this was made.
#[derive(Debug)]
pub(crate) struct Netdev {
    name: [u8; 16],
    socket: OwnedFd,
}

/// `struct ifreq`: the name, and a union of 24 octets.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    value: [u8; 24],
}

const _: () = assert!(size_of::<InterfaceRequest>() == 40);

impl Netdev {
    /// Does not look whether it is there.
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let mut padded = [0; 16];
        let fits = name.len() < padded.len() && !name.is_empty();
        if !fits {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        padded[..name.len()].copy_from_slice(name.as_bytes());
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self { name: padded, socket })
    }

    /// Administratively up, and with a carrier.
    pub(crate) fn is_running(&self) -> io::Result<bool> {
        let [low, high, ..] = self.ask::<SIOCGIFFLAGS>()?;
        let flags = u16::from_ne_bytes([low, high]);
        Ok(flags & (IFF_UP | IFF_RUNNING) == IFF_UP | IFF_RUNNING)
    }

    /// The longest IP packet.
    pub(crate) fn mtu(&self) -> io::Result<u32> {
        let [a, b, c, d, ..] = self.ask::<SIOCGIFMTU>()?;
        Ok(u32::from_ne_bytes([a, b, c, d]))
    }

    fn ask<const QUESTION: Opcode>(&self) -> io::Result<[u8; 24]> {
        let mut request = InterfaceRequest { name: self.name, value: [0; 24] };
        // SAFETY: both questions take a `struct ifreq` with a name that ends with a NUL (one of 16 octets is always
        // left), and write into its union; the layout is asserted above.
        unsafe { ioctl(&self.socket, Updater::<QUESTION, _>::new(&mut request))? };
        Ok(request.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_has_an_mtu_and_nonsense_is_absent() {
        let loopback = Netdev::new("lo").unwrap();
        assert!(loopback.mtu().unwrap() >= 1_280);
        assert!(loopback.is_running().is_ok());
        assert_eq!(Netdev::new("fp-absent").unwrap().mtu().unwrap_err().raw_os_error(), Some(19));
        assert!(Netdev::new("a-name-of-16-oct").is_err());
    }
}
