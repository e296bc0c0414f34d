//! The network interfaces and addresses of this network namespace.

use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::ptr;

/// The index of the interface called `name`, if there is one.
#[must_use]
pub fn index(name: &str) -> Option<NonZeroU32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the argument is a string that ends in NUL and lives through the call.
    NonZeroU32::new(unsafe { libc::if_nametoindex(name.as_ptr()) })
}

/// The names of all interfaces, for messages.
#[must_use]
pub fn names() -> Vec<String> {
    // SAFETY: the call takes nothing; what it returns is checked, read and given back below.
    let list = unsafe { libc::if_nameindex() };
    let mut names = Vec::new();
    let mut entry = list;
    // SAFETY: the list is an array of entries that ends in one with index 0; `entry` moves no further than that.
    while !entry.is_null() && unsafe { (*entry).if_index } != 0 {
        // SAFETY: the name of an entry before the last is a string that ends in NUL and lives as long as the list.
        names.push(unsafe { CStr::from_ptr((*entry).if_name) }.to_string_lossy().into_owned());
        // SAFETY: this entry was not the last, so there is one behind it in the same array.
        entry = unsafe { entry.add(1) };
    }
    if !list.is_null() {
        // SAFETY: `list` came from if_nameindex and is given back once; nothing of it is used after.
        unsafe { libc::if_freenameindex(list) };
    }
    names
}

/// All addresses of this host, for messages.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let mut list = ptr::null_mut();
    // SAFETY: the argument points to a pointer that the call sets.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Vec::new();
    }
    let mut addresses = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: entries are linked by ifa_next and live until freeifaddrs; ifa_addr is null or a socket address of
        // the size that its family says.
        addresses.extend(unsafe { address((*entry).ifa_addr) });
        // SAFETY: as above.
        entry = unsafe { (*entry).ifa_next };
    }
    // SAFETY: `list` came from getifaddrs and is given back once; nothing of it is used after.
    unsafe { libc::freeifaddrs(list) };
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// # Safety
/// `at` is null or points to a socket address that is as large as its family says.
unsafe fn address(at: *const libc::sockaddr) -> Option<IpAddr> {
    if at.is_null() {
        return None;
    }
    // SAFETY: not null, and every socket address begins with its family (caller).
    match i32::from(unsafe { (*at).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says that it is a sockaddr_in (caller); read_unaligned asks for no alignment.
            let v4 = unsafe { at.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says that it is a sockaddr_in6 (caller); read_unaligned asks for no alignment.
            let v6 = unsafe { at.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_found() {
        assert!(names().iter().any(|name| name == "lo"), "{:?}", names());
        assert!(index("lo").is_some());
        assert!(addresses().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)), "{:?}", addresses());
    }

    #[test]
    fn no_index_for_names_that_no_interface_can_have() {
        for name in ["", "nosuch0", "a\0b", "a name longer than an interface can have"] {
            assert_eq!(index(name), None);
        }
    }
}
