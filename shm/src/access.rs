//! Who may talk to the broker: the socket's mode and group, and a list of users.
//!
//! The kernel checks mode and group when a pod connects; the broker checks the user list against the peer's
//! credentials (`SO_PEERCRED`: those of the process that connected, which nobody can forge).

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, chmodat, chownat};
use rustix::io::Errno;

/// The process at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
    /// Its process; none across PID namespaces.
    pub pid: Option<u32>,
}

/// Who may connect.
#[derive(Clone, Debug)]
pub(crate) struct SocketAccess {
    mode: Mode,
    group: Option<Gid>,
    uids: Vec<u32>,
    /// The number that stands for many users, where there is one.
    pub(crate) overflow: Option<u32>,
}

/// Why the access rules of the configuration make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// More than permission bits.
    #[error("socket mode {0:#o} is none: use permission bits only, such as 0o660")]
    Mode(u32),
    /// No such group.
    #[error("there is no group \"{0}\" in /etc/group: create it, or give its number")]
    Group(String),
}

impl SocketAccess {
    /// Rules of `mode`, a group by name or number, and the users allowed (none listed: whoever the mode lets in).
    pub(crate) fn new(mode: u32, group: Option<&str>, uids: &[u32]) -> Result<Self, AccessError> {
        if mode & !0o777 != 0 {
            return Err(AccessError::Mode(mode));
        }
        let group = group.map(gid_of).transpose()?;
        Ok(Self { mode: Mode::from_raw_mode(mode), group, uids: uids.to_vec(), overflow: overflow_uid() })
    }

    /// Gives the socket at `path` its group and mode. Call between bind and listen: before listen nobody connects.
    pub(crate) fn apply(&self, path: &Path) -> Result<(), Errno> {
        if self.group.is_some() {
            chownat(CWD, path, None, self.group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        chmodat(CWD, path, self.mode, AtFlags::empty())
    }

    /// Whether the list lets this user in.
    pub(crate) fn admits(&self, peer: &Peer) -> bool {
        self.uids.is_empty() || self.uids.contains(&peer.uid)
    }
}

/// The number that the kernel shows for every user whom this process's user namespace does not map (user_namespaces(7));
/// none where it maps all.
fn overflow_uid() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    if maps_all(&map) {
        return None;
    }
    let number = fs::read_to_string("/proc/sys/kernel/overflowuid").ok();
    Some(number.and_then(|text| text.trim().parse().ok()).unwrap_or(NOBODY))
}

/// What the kernel shows where nobody has set another number.
const NOBODY: u32 = 65_534;

/// Whether a namespace's map (`inside outside count` a line) has every user; 2³² − 1 is none.
fn maps_all(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(u32::MAX)
}

/// The number of a group that is given by name or number. Names come from /etc/group alone: a directory service's
/// group is given by number.
fn gid_of(group: &str) -> Result<Gid, AccessError> {
    if let Ok(number) = group.parse() {
        return Ok(Gid::from_raw(number));
    }
    let file = fs::read_to_string("/etc/group").unwrap_or_default();
    find_gid(&file, group).map(Gid::from_raw).ok_or_else(|| AccessError::Group(group.to_owned()))
}

/// The number of `name` in the text of a group file (group(5): `name:password:gid:members`).
fn find_gid(file: &str, name: &str) -> Option<u32> {
    file.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// The credentials of the process that connected.
pub(crate) fn peer_of(socket: &impl AsFd) -> Result<Peer, Errno> {
    // Not rustix: its credentials hold a non-zero pid, and across PID namespaces the kernel says 0.
    let mut credentials = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut octets = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the pointers are to a ucred and to its size,
    // both live and writable for the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut credentials).cast(),
            &raw mut octets,
        )
    };
    if result != 0 || octets as usize != size_of::<libc::ucred>() {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL));
    }
    let pid = u32::try_from(credentials.pid).ok().filter(|pid| *pid != 0);
    Ok(Peer { uid: credentials.uid, gid: credentials.gid, pid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_by_name_or_number() {
        let file = "root:x:0:\nvideo:x:44:alice\nbroken\nmedia:x:none:\n";
        assert_eq!(find_gid(file, "video"), Some(44));
        assert_eq!(find_gid(file, "vide"), None);
        assert_eq!(find_gid(file, "media"), None);
        assert_eq!(gid_of("1234").unwrap().as_raw(), 1234);
        let refused = SocketAccess::new(0o660, Some("no-such-group-here"), &[]).unwrap_err();
        assert!(refused.to_string().contains("no-such-group-here"));
    }

    #[test]
    fn a_list_of_users_admits_those_alone() {
        let peer = |uid| Peer { uid, gid: 0, pid: None };
        let any = SocketAccess::new(0o666, None, &[]).unwrap();
        assert!(any.admits(&peer(0)) && any.admits(&peer(1000)));
        let listed = SocketAccess::new(0o666, None, &[1000, 1001]).unwrap();
        assert!(listed.admits(&peer(1001)) && !listed.admits(&peer(0)));
        assert_eq!(SocketAccess::new(0o4777, None, &[]).unwrap_err(), AccessError::Mode(0o4777));
    }

    #[test]
    fn a_namespace_that_leaves_users_out_shows_them_as_one() {
        assert!(maps_all("         0          0 4294967295\n"));
        assert!(maps_all("0 1 1\n1 0 1\n2 2 4294967293\n"), "in pieces");
        assert!(!maps_all("0 100000 65536\n") && !maps_all("0 1000 1\n") && !maps_all(""));
    }

    #[test]
    fn a_peer_is_who_connected() {
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = peer_of(&a).unwrap();
        assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
        assert_eq!(peer.pid, Some(std::process::id()));
    }
}
