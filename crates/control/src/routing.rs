//! ROUTING: crosspoints. A destination has one source or none; a source fans out. Only Take changes it.

use std::collections::BTreeMap;

use media::Name;

/// The crosspoints, by destination. A source need not exist: its sender then waits for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing(BTreeMap<Name, Name>);

impl Routing {
    /// The flow of the sender `destination`.
    #[must_use]
    pub fn source(&self, destination: &Name) -> Option<&Name> {
        self.0.get(destination)
    }

    /// Every crosspoint as (destination, source), by destination.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.0.iter()
    }

    /// Connects `destination` to `source`, or to nothing; gives what it was connected to.
    pub(crate) fn take(&mut self, destination: &Name, source: Option<&Name>) -> Option<Name> {
        match source {
            Some(source) => self.0.insert(destination.clone(), source.clone()),
            None => self.0.remove(destination),
        }
    }
}
