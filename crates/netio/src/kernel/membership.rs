//! Membership of a group without receiving from it: for a port whose packets another driver takes.

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use socket2::{Domain, Socket, Type};

use super::socket;

/// A group that the kernel has joined on one interface, until this drops. Nothing is received through it.
#[derive(Debug)]
pub struct Membership {
    /// Holds the membership. It is bound to no UDP port, so no datagram comes to it.
    _socket: Socket,
}

impl Membership {
    /// Joins `group` on an interface: from any source, or from `sources` if there are any (RFC 3376, RFC 3810).
    ///
    /// # Errors
    /// What the kernel says: EINVAL for what is no group, ENODEV for no interface, ENOBUFS for more sources than
    /// `net.ipv4.igmp_max_msf` or `net.ipv6.mld_max_msf` admits.
    pub fn join(group: IpAddr, interface: NonZeroU32, sources: &[IpAddr]) -> io::Result<Self> {
        let domain = if group.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        let membership = Socket::new(domain, Type::DGRAM, None)?;
        if sources.is_empty() {
            socket::join(&membership, group, interface.get(), None)?;
        }
        for source in sources {
            socket::join(&membership, group, interface.get(), Some(*source))?;
        }
        Ok(Self { _socket: membership })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::kernel::interface;

    #[test]
    fn the_kernel_is_a_member_for_as_long_as_the_value_lives() {
        let loopback = interface::index("lo").unwrap();
        // 239.254.77.66, as /proc/net/igmp writes it on a little-endian machine.
        let group = Ipv4Addr::new(239, 254, 77, 66);
        let shown = format!("{:08X}", u32::from_ne_bytes(group.octets()));
        let is_member = || std::fs::read_to_string("/proc/net/igmp").unwrap().contains(&shown);
        let membership = Membership::join(group.into(), loopback, &[Ipv4Addr::new(10, 0, 0, 1).into()]).unwrap();
        assert!(is_member());
        drop(membership);
        assert!(!is_member());
    }

    #[test]
    fn what_is_no_group_cannot_be_joined() {
        let loopback = interface::index("lo").unwrap();
        let refused = Membership::join(Ipv4Addr::LOCALHOST.into(), loopback, &[]).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }
}
