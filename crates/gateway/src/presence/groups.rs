//! The groups that the kernel has joined on a port's interface.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use netio::kernel::Membership;

use super::kernel::Index;
use super::wanted::Sources;

/// Memberships on one interface.
#[derive(Debug, Default)]
pub(super) struct Groups {
    members: BTreeMap<IpAddr, (Sources, Membership)>,
    /// Words for those that cannot be joined now.
    refused: BTreeMap<IpAddr, String>,
}

impl Groups {
    /// Joins what is wanted and leaves the rest; words for each group that was refused.
    pub(super) fn keep(&mut self, wanted: BTreeMap<IpAddr, Sources>, index: Index, interface: &str) -> Vec<String> {
        self.members.retain(|group, _| wanted.contains_key(group));
        self.refused.clear();
        for (group, sources) in wanted {
            if self.members.get(&group).is_some_and(|(joined, _)| *joined == sources) {
                continue;
            }
            match Membership::join(group, index, &sources) {
                // The membership before ends after this one begins: the group is not left in between.
                Ok(membership) => drop(self.members.insert(group, (sources, membership))),
                Err(cause) => {
                    let words = format!("cannot join {group} on {interface}: {cause}{}", limit(&cause));
                    self.refused.insert(group, words);
                }
            }
        }
        self.refused.values().cloned().collect()
    }

    /// The interface is gone, and the kernel's memberships with it.
    pub(super) fn leave_all(&mut self) {
        self.members.clear();
    }

    /// Words for the groups that cannot be joined now.
    pub(super) fn refused(&self) -> impl Iterator<Item = String> {
        self.refused.values().cloned()
    }
}

/// What would work, where a limit of the kernel is the cause.
fn limit(cause: &io::Error) -> &'static str {
    if cause.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) {
        "; raise net.ipv4.igmp_max_msf or net.ipv6.mld_max_msf, which limit the sources of one group"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn groups_come_and_go_and_one_that_is_refused_is_told() {
        let loopback = netio::kernel::interface::index("lo").unwrap();
        let group: IpAddr = Ipv4Addr::new(239, 254, 77, 67).into();
        let sources: Sources = (0..200).map(|last| Ipv4Addr::new(10, 0, 0, last).into()).collect();
        let shown = format!("{:08X}", u32::from_ne_bytes([239, 254, 77, 67]));
        let is_member = || std::fs::read_to_string("/proc/net/igmp").unwrap().contains(&shown);
        let mut groups = Groups::default();
        let few = BTreeMap::from([(group, sources[1..3].to_vec())]);
        assert!(groups.keep(few.clone(), loopback, "lo").is_empty() && is_member());
        let refused = groups.keep(BTreeMap::from([(group, sources)]), loopback, "lo");
        assert!(refused[0].contains("igmp_max_msf") && refused[0].contains("239.254.77.67 on lo"), "{refused:?}");
        assert!(is_member(), "what was joined before stays");
        assert_eq!(groups.refused().count(), 1);
        assert!(groups.keep(few, loopback, "lo").is_empty() && groups.refused().next().is_none());
        assert!(groups.keep(BTreeMap::new(), loopback, "lo").is_empty() && !is_member());
    }
}
