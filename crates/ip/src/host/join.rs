//! What can be joined.

use std::net::IpAddr;

use super::{GROUPS_MAX, Host, SOURCES_MAX};

/// A group that cannot be joined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Not a group.
    #[error("{group} is no multicast group: 224.0.0.0/4 and ff00::/8 are")]
    NotAGroup {
        /// What was asked for.
        group: IpAddr,
    },
    /// A source of another family, or one that no station can have.
    #[error("{from} cannot send to {group}: give the address of a station, of the same family")]
    Source {
        /// The group.
        group: IpAddr,
        /// The source.
        from: IpAddr,
    },
    /// The port has no address of the group's family to report from.
    #[error("{group}: the port has no address of this family; give it one")]
    Family {
        /// The group.
        group: IpAddr,
    },
    /// More sources than a report can name.
    #[error("{group}: {asked} sources; {SOURCES_MAX} are the most, beyond that join the group without sources")]
    TooManySources {
        /// The group.
        group: IpAddr,
        /// How many were asked for.
        asked: usize,
    },
    /// More groups than a port can join.
    #[error("{group}: the port has joined {GROUPS_MAX} groups already, which is the most")]
    TooManyGroups {
        /// The group.
        group: IpAddr,
    },
}

impl Host {
    pub(super) fn check_join(&self, group: IpAddr, sources: &[IpAddr]) -> Result<(), JoinError> {
        if !group.is_multicast() {
            return Err(JoinError::NotAGroup { group });
        }
        let cannot_send = |from: &&IpAddr| {
            from.is_ipv4() != group.is_ipv4() || from.is_multicast() || from.is_unspecified() || from.is_loopback()
        };
        if let Some(&from) = sources.iter().find(cannot_send) {
            return Err(JoinError::Source { group, from });
        }
        if !self.network.addresses().iter().any(|ours| ours.address.is_ipv4() == group.is_ipv4()) {
            return Err(JoinError::Family { group });
        }
        if sources.len() > SOURCES_MAX {
            return Err(JoinError::TooManySources { group, asked: sources.len() });
        }
        let groups = if group.is_ipv4() { &self.groups_v4 } else { &self.groups_v6 };
        if groups.has_room_for(group) { Ok(()) } else { Err(JoinError::TooManyGroups { group }) }
    }
}
