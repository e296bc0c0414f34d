//! The effective state: the one table that a data plane acts upon.

use media::Name;

use crate::{Config, Routing};

/// Which sender sends which flow. Immutable: a change makes a new table with a higher version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrosspointTable {
    /// Grows with every change.
    pub version: u64,
    /// (sender, flow), by sender; senders without a source are left out.
    pub entries: Vec<(Name, Name)>,
}

impl CrosspointTable {
    /// The flow of `sender`.
    #[must_use]
    pub fn source(&self, sender: &Name) -> Option<&Name> {
        let found = self.entries.binary_search_by(|(name, _)| name.cmp(sender));
        found.ok().map(|at| &self.entries[at].1)
    }
}

/// What `config` and `routing` amount to. Pure: the same input gives the same table.
///
/// Crosspoints of senders that do not exist are left out. Flows may be absent: a pod's comes and goes, and
/// its sender waits.
#[must_use]
pub fn resolve(config: &Config, routing: &Routing, version: u64) -> CrosspointTable {
    let known = routing.iter().filter(|(sender, _)| config.sender(sender).is_some());
    let entries = known.map(|(sender, flow)| (sender.clone(), flow.clone())).collect();
    CrosspointTable { version, entries }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Owned, Scope};
    use crate::spec::SenderSpec;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn config(senders: &[&str]) -> Config {
        let mut config = Config::default();
        for sender in senders {
            let spec = SenderSpec::new(name(sender), "10.0.0.1:5004".parse().unwrap());
            config.senders.insert(name(sender), Owned { scope: Scope::Operator, spec });
        }
        config
    }

    #[test]
    fn only_senders_that_exist_are_in_the_table() {
        let mut routing = Routing::default();
        for (sender, flow) in [("out-2", "cam"), ("gone", "cam"), ("out-1", "not-there-yet")] {
            routing.take(&name(sender), Some(&name(flow)));
        }
        let table = resolve(&config(&["out-1", "out-2", "idle"]), &routing, 7);
        let expected = vec![(name("out-1"), name("not-there-yet")), (name("out-2"), name("cam"))];
        assert_eq!(table, CrosspointTable { version: 7, entries: expected });
        assert_eq!(table.source(&name("out-2")), Some(&name("cam")));
        assert_eq!(table.source(&name("idle")), None);
    }

    #[test]
    fn a_destination_has_one_source_and_a_source_fans_out() {
        let mut routing = Routing::default();
        assert_eq!(routing.take(&name("out-1"), Some(&name("a"))), None);
        assert_eq!(routing.take(&name("out-1"), Some(&name("b"))), Some(name("a")));
        assert_eq!(routing.take(&name("out-2"), Some(&name("b"))), None);
        assert_eq!(resolve(&config(&["out-1", "out-2"]), &routing, 0).entries.len(), 2);
        assert_eq!(routing.take(&name("out-1"), None), Some(name("b")));
        assert_eq!(resolve(&config(&["out-1", "out-2"]), &routing, 0).entries.len(), 1);
    }
}
