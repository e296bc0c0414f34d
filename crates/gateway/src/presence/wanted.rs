//! What receivers listen to on one port: which datagrams are media, and which groups to be a member of.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use netio::exchange::{MEDIA_LIMIT, MediaTable};

/// Who may send to a group: anybody where the list is empty. Sorted.
pub(super) type Sources = Vec<IpAddr>;

/// Everything that somebody listens to, and how many do.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    listens: BTreeMap<(SocketAddr, Sources), u32>,
}

impl Wanted {
    /// One more listens. False when the port has no room for another destination.
    pub(super) fn listen(&mut self, destination: SocketAddr, sources: &[IpAddr]) -> bool {
        let key = key(destination, sources);
        if !self.listens.contains_key(&key) && self.listens.len() >= MEDIA_LIMIT {
            return false;
        }
        *self.listens.entry(key).or_default() += 1;
        true
    }

    /// One less listens. False when nobody did.
    pub(super) fn unlisten(&mut self, destination: SocketAddr, sources: &[IpAddr]) -> bool {
        let key = key(destination, sources);
        match self.listens.get_mut(&key) {
            None => return false,
            Some(count) if *count > 1 => *count -= 1,
            Some(_) => drop(self.listens.remove(&key)),
        }
        true
    }

    /// The datagrams that are media.
    pub(super) fn table(&self) -> MediaTable {
        self.listens.keys().map(|(destination, _)| *destination).collect()
    }

    /// The groups, each with the sources that anybody listens to; none of them for anybody.
    pub(super) fn groups(&self) -> BTreeMap<IpAddr, Sources> {
        let mut groups: BTreeMap<IpAddr, Sources> = BTreeMap::new();
        for (destination, sources) in self.listens.keys().filter(|(destination, _)| destination.ip().is_multicast()) {
            match groups.get_mut(&destination.ip()) {
                None => drop(groups.insert(destination.ip(), sources.clone())),
                // Whoever wants any source has the others' too.
                Some(all) if all.is_empty() || sources.is_empty() => all.clear(),
                Some(all) => {
                    all.extend(sources);
                    all.sort_unstable();
                    all.dedup();
                }
            }
        }
        groups
    }
}

fn key(destination: SocketAddr, sources: &[IpAddr]) -> (SocketAddr, Sources) {
    let mut sources = sources.to_vec();
    sources.sort_unstable();
    sources.dedup();
    (SocketAddr::new(destination.ip(), destination.port()), sources)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_group_has_the_sources_that_anybody_wants() {
        let (a, b) = (ip("10.0.0.1"), ip("10.0.0.2"));
        let mut wanted = Wanted::default();
        assert!(wanted.listen(to("232.1.1.1:5004"), &[b, a]));
        assert!(wanted.listen(to("232.1.1.1:5006"), &[a]));
        assert!(wanted.listen(to("10.0.0.9:5004"), &[]));
        assert_eq!(wanted.groups(), BTreeMap::from([(ip("232.1.1.1"), vec![a, b])]));
        assert!(wanted.listen(to("232.1.1.1:5008"), &[]));
        assert_eq!(wanted.groups()[&ip("232.1.1.1")], Sources::new());
        assert!(wanted.unlisten(to("232.1.1.1:5008"), &[]));
        assert!(wanted.unlisten(to("232.1.1.1:5004"), &[a, b]));
        assert_eq!(wanted.groups()[&ip("232.1.1.1")], [a]);
        assert_eq!(wanted.table().len(), 2);
    }

    #[test]
    fn what_two_listen_to_goes_with_the_second() {
        let mut wanted = Wanted::default();
        let media = to("239.1.1.1:5004");
        assert!(wanted.listen(media, &[]) && wanted.listen(media, &[]));
        assert!(wanted.unlisten(media, &[]));
        assert!(wanted.table().contains(media));
        assert!(wanted.unlisten(media, &[]));
        assert!(!wanted.unlisten(media, &[]));
        assert!(wanted.table().is_empty() && wanted.groups().is_empty());
    }

    #[test]
    fn a_port_takes_as_many_destinations_as_its_table() {
        let mut wanted = Wanted::default();
        let address = ip("10.0.0.1");
        assert!((1..=MEDIA_LIMIT as u16).all(|port| wanted.listen(SocketAddr::new(address, port), &[])));
        assert!(!wanted.listen(SocketAddr::new(address, 60_000), &[]));
        assert!(wanted.listen(SocketAddr::new(address, 1), &[]), "a second listener takes no room");
    }
}
