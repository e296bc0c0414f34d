//! The one place where state changes: checks, tells the data plane, then remembers.
//!
//! Changes come one at a time; reading never waits for one. When the data plane refuses, nothing has
//! changed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use media::Name;

use crate::config::{Config, Owned, Scope};
use crate::{
    ConsumerStatus, CrosspointTable, Dataplane, DataplaneError, ReceiverSpec, RelaySpec, Routing, SenderSpec,
    SpecError, StreamName, resolve,
};

/// Everything that control knows by itself, at one moment.
#[derive(Clone, Debug, Default)]
pub struct State {
    config: Config,
    routing: Routing,
    version: u64,
}

impl State {
    /// What exists.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is connected.
    #[must_use]
    pub fn routing(&self) -> &Routing {
        &self.routing
    }

    /// What both amount to.
    #[must_use]
    pub fn table(&self) -> CrosspointTable {
        resolve(&self.config, &self.routing, self.version)
    }
}

/// Whether a Take needs its source to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourcePresence {
    /// A flow that is not there is an error: it is most likely misspelt.
    Required,
    /// The sender begins when the flow comes.
    Awaited,
}

/// What a Take did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakeOutcome {
    /// The version of the table with the change.
    pub version: u64,
    /// What the destination was connected to before.
    pub previous: Option<Name>,
}

/// Why something was refused.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The specification is not possible.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// No such object.
    #[error("there is no {kind} \"{name}\"; there are: {}", list(available))]
    NotFound {
        /// "receiver", "sender", "relay" or "flow".
        kind: &'static str,
        /// The name that was asked for.
        name: Name,
        /// The names that exist.
        available: Vec<Name>,
    },
    /// The name is taken.
    #[error("a {kind} \"{name}\" is there already; choose another name, or delete that one first")]
    Exists {
        /// "receiver", "sender" or "relay".
        kind: &'static str,
        /// The name.
        name: Name,
    },
    /// The object belongs to somebody else.
    #[error(
        "{kind} \"{name}\" belongs to the configuration file; take it out of the file and restart the gateway \
         (only objects made over the API can be deleted over it)"
    )]
    Owned {
        /// "receiver", "sender" or "relay".
        kind: &'static str,
        /// The name.
        name: Name,
    },
    /// As many as there may be.
    #[error("there are {max} {kind}s already, which is the limit; delete one first")]
    TooMany {
        /// "receiver", "sender" or "relay".
        kind: &'static str,
        /// The limit.
        max: usize,
    },
    /// The data plane cannot do it.
    #[error(transparent)]
    Dataplane(#[from] DataplaneError),
}

fn list(names: &[Name]) -> String {
    const SHOWN: usize = 20;
    let mut text = names.iter().take(SHOWN).map(Name::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => text.push_str("none"),
        n if n > SHOWN => text.push_str(&format!(" and {} more", n - SHOWN)),
        _ => {}
    }
    text
}

/// Control over one data plane. Shared by the gRPC service and the loader of the configuration file.
#[derive(Debug)]
pub struct Controller<D> {
    dataplane: D,
    /// Held through a whole change, so that changes come one at a time.
    change: Mutex<()>,
    /// Swapped whole at the end of a change.
    state: RwLock<Arc<State>>,
}

impl<D: Dataplane> Controller<D> {
    /// Control over `dataplane`, which has neither receivers nor senders yet.
    pub fn new(dataplane: D) -> Self {
        Self { dataplane, change: Mutex::new(()), state: RwLock::default() }
    }

    /// The data plane, for its status.
    pub fn dataplane(&self) -> &D {
        &self.dataplane
    }

    /// The state as of now.
    pub fn state(&self) -> Arc<State> {
        // A poisoned lock still holds a whole state: it is only ever swapped.
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes a receiver, and with it the flow of its name.
    ///
    /// # Errors
    /// When the specification is impossible, the name taken, the limit reached, or the data plane refuses.
    pub fn add_receiver(&self, scope: Scope, spec: ReceiverSpec) -> Result<(), ControlError> {
        spec.check()?;
        let (_change, mut next) = self.begin();
        if next.config.receivers.contains_key(&spec.name) {
            return Err(ControlError::Exists { kind: "receiver", name: spec.name });
        }
        if next.config.receivers.len() >= Config::MAX_RECEIVERS {
            return Err(ControlError::TooMany { kind: "receiver", max: Config::MAX_RECEIVERS });
        }
        self.check_vacant(&next, &spec.name)?;
        self.dataplane.add_receiver(&spec)?;
        next.config.receivers.insert(spec.name.clone(), Owned { scope, spec });
        self.finish(next);
        Ok(())
    }

    /// Removes a receiver that `scope` owns. Crosspoints to its flow stay, and wait.
    ///
    /// # Errors
    /// When there is none of that name, another scope owns it, or the data plane refuses.
    pub fn remove_receiver(&self, scope: Scope, name: &Name) -> Result<(), ControlError> {
        let (_change, mut next) = self.begin();
        check_owner("receiver", scope, name, &next.config.receivers)?;
        self.dataplane.remove_receiver(name)?;
        next.config.receivers.remove(name);
        self.finish(next);
        Ok(())
    }

    /// Relays a stream.
    ///
    /// # Errors
    /// When the specification is impossible, the name taken, the limit reached, or the data plane refuses.
    pub fn add_relay(&self, scope: Scope, spec: RelaySpec) -> Result<(), ControlError> {
        spec.check()?;
        let (_change, mut next) = self.begin();
        if next.config.receivers.contains_key(&spec.name) {
            return Err(ControlError::Exists { kind: "receiver", name: spec.name });
        }
        if next.config.relays.len() >= Config::MAX_RELAYS {
            return Err(ControlError::TooMany { kind: "relay", max: Config::MAX_RELAYS });
        }
        self.check_vacant(&next, &spec.name)?;
        self.dataplane.add_relay(&spec)?;
        next.config.relays.insert(spec.name.clone(), Owned { scope, spec });
        self.finish(next);
        Ok(())
    }

    /// Removes a relay that `scope` owns. Crosspoints to it stay, and wait.
    ///
    /// # Errors
    /// When there is none of that name, another scope owns it, or the data plane refuses.
    pub fn remove_relay(&self, scope: Scope, name: &Name) -> Result<(), ControlError> {
        let (_change, mut next) = self.begin();
        check_owner("relay", scope, name, &next.config.relays)?;
        self.dataplane.remove_relay(name)?;
        next.config.relays.remove(name);
        self.finish(next);
        Ok(())
    }

    /// Whether a source may have this name: no flow and no relay has it.
    fn check_vacant(&self, state: &State, name: &Name) -> Result<(), ControlError> {
        if state.config.relays.contains_key(name) {
            return Err(ControlError::Exists { kind: "relay", name: name.clone() });
        }
        if self.dataplane.flows().iter().any(|flow| flow.name == *name) {
            return Err(DataplaneError::FlowExists { name: name.clone() }.into());
        }
        Ok(())
    }

    /// Makes a sender without a source.
    ///
    /// # Errors
    /// When the specification is impossible, the name taken, the limit reached, or the data plane refuses.
    pub fn add_sender(&self, scope: Scope, spec: SenderSpec) -> Result<(), ControlError> {
        spec.check()?;
        let (_change, mut next) = self.begin();
        if next.config.senders.contains_key(&spec.name) {
            return Err(ControlError::Exists { kind: "sender", name: spec.name });
        }
        if next.config.senders.len() >= Config::MAX_SENDERS {
            return Err(ControlError::TooMany { kind: "sender", max: Config::MAX_SENDERS });
        }
        self.dataplane.add_sender(&spec)?;
        next.config.senders.insert(spec.name.clone(), Owned { scope, spec });
        self.finish(next);
        Ok(())
    }

    /// Removes a sender that `scope` owns, and its crosspoint.
    ///
    /// # Errors
    /// When there is none of that name, another scope owns it, or the data plane refuses.
    pub fn remove_sender(&self, scope: Scope, name: &Name) -> Result<(), ControlError> {
        let (_change, mut next) = self.begin();
        check_owner("sender", scope, name, &next.config.senders)?;
        let before = next.table();
        if next.routing.take(name, None).is_some() {
            next.version += 1;
        }
        next.config.senders.remove(name);
        let after = next.table();
        let was_connected = after.version != before.version;
        if was_connected {
            self.dataplane.apply(&after)?;
        }
        if let Err(refusal) = self.dataplane.remove_sender(name) {
            if was_connected {
                // Connected again, under a version of its own: the one before has been used.
                let mut same = State::clone(&self.state());
                same.version = after.version + 1;
                let table = same.table();
                self.finish(same);
                self.dataplane.apply(&table)?;
            }
            return Err(refusal.into());
        }
        self.finish(next);
        Ok(())
    }

    /// Connects the sender `destination` to the flow `source`, or to nothing.
    ///
    /// # Errors
    /// When there is no such sender, no such flow though it is required, or the data plane refuses.
    pub fn take(
        &self,
        destination: &Name,
        source: Option<&Name>,
        presence: SourcePresence,
    ) -> Result<TakeOutcome, ControlError> {
        let (_change, mut next) = self.begin();
        if !next.config.senders.contains_key(destination) {
            let available = next.config.senders.keys().cloned().collect();
            return Err(ControlError::NotFound { kind: "sender", name: destination.clone(), available });
        }
        if let (Some(source), SourcePresence::Required) = (source, presence) {
            self.check_source(source, &next)?;
        }
        let previous = next.routing.take(destination, source);
        if previous.as_ref() != source {
            next.version += 1;
            self.dataplane.apply(&next.table())?;
        }
        let version = next.version;
        self.finish(next);
        Ok(TakeOutcome { version, previous })
    }

    fn check_source(&self, name: &Name, state: &State) -> Result<(), ControlError> {
        let mut available: Vec<Name> = self.dataplane.flows().into_iter().map(|flow| flow.name).collect();
        available.extend(state.config.relays.keys().cloned());
        if available.contains(name) {
            return Ok(());
        }
        available.sort();
        Err(ControlError::NotFound { kind: "flow", name: name.clone(), available })
    }

    /// Stops a port and starts it again.
    ///
    /// # Errors
    /// When there is none of that name, or the data plane cannot start it again.
    pub fn restart_port(&self, name: &Name) -> Result<(), ControlError> {
        let (_change, _) = self.begin();
        Ok(self.dataplane.restart_port(name)?)
    }

    /// Gives a receiver, sender or relay to another worker.
    ///
    /// # Errors
    /// When there is none of that name, or the data plane cannot move it there.
    pub fn move_stream(&self, stream: &StreamName, worker: &str) -> Result<(), ControlError> {
        let (_change, state) = self.begin();
        let config = &state.config;
        let not_found = |kind, name: &Name, available| ControlError::NotFound { kind, name: name.clone(), available };
        match stream {
            StreamName::Receiver(name) if !config.receivers.contains_key(name) => {
                return Err(not_found("receiver", name, config.receivers.keys().cloned().collect()));
            }
            StreamName::Sender(name) if !config.senders.contains_key(name) => {
                return Err(not_found("sender", name, config.senders.keys().cloned().collect()));
            }
            StreamName::Relay(name) if !config.relays.contains_key(name) => {
                return Err(not_found("relay", name, config.relays.keys().cloned().collect()));
            }
            _ => {}
        }
        Ok(self.dataplane.move_stream(stream, worker)?)
    }

    /// Has the writer of a ring evict a consumer, and says who that is.
    ///
    /// # Errors
    /// When nobody has that seat, or the data plane cannot evict it now.
    pub fn evict(&self, flow: &Name, seat: u8) -> Result<ConsumerStatus, ControlError> {
        let (_change, _) = self.begin();
        Ok(self.dataplane.evict(flow, seat)?)
    }

    /// Begins a change: nobody else changes anything while the guard lives.
    fn begin(&self) -> (MutexGuard<'_, ()>, State) {
        let change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let next = State::clone(&self.state());
        (change, next)
    }

    fn finish(&self, next: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

fn check_owner<S>(
    kind: &'static str,
    scope: Scope,
    name: &Name,
    objects: &std::collections::BTreeMap<Name, Owned<S>>,
) -> Result<(), ControlError> {
    match objects.get(name) {
        Some(object) if object.scope == scope => Ok(()),
        Some(_) => Err(ControlError::Owned { kind, name: name.clone() }),
        None => {
            let available = objects.keys().cloned().collect();
            Err(ControlError::NotFound { kind, name: name.clone(), available })
        }
    }
}

#[cfg(test)]
mod tests;
