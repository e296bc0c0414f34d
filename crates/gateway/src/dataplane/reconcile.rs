//! Making what is connected agree with the table and with the flows that exist.

use std::time::{Instant, SystemTime};

use control::{CrosspointTable, DataplaneError, SenderSpec};
use media::Name;
use worker::SenderKey;

use super::connection::Connection;
use super::entries::Entries;
use super::placement::Place;
use super::relays::SourceKind;
use super::unmet::Unmet;
use super::wish::Wish;
use super::{Gateway, build, sdp};
use crate::engine::{ChangeError, Stands};

impl Gateway {
    /// Makes what is connected agree with the table and with the flows that exist; nothing once it drains.
    pub fn reconcile(&self) {
        let _change = self.change();
        if self.check_running().is_ok() {
            self.reconcile_changing();
        }
    }

    /// Notes which streams and senders moved since the last time; rejoins evicted senders, and tries refused ones
    /// again.
    pub fn tick(&self, now: Instant) {
        self.parts().engines.iter().for_each(|engine| engine.look(now));
        self.locate_losses(now);
        let is_due = self.entries().tick(now);
        if is_due {
            self.reconcile();
        }
    }

    pub(super) fn reconcile_changing(&self) {
        let _ = self.connect_all(&[]);
    }

    /// Acts upon `table`. When a sender cannot have what it is given anew, the table before stays.
    pub(super) fn change_table(&self, table: &CrosspointTable) -> Result<(), DataplaneError> {
        let before = std::mem::replace(&mut self.entries().table, table.clone());
        let changed = self.entries().ask_anew(&before);
        let Err(cause) = self.connect_all(&changed) else { return Ok(()) };
        let mut entries = self.entries();
        let refused = std::mem::replace(&mut entries.table, before);
        entries.ask_anew(&refused);
        drop(entries);
        self.reconcile_changing();
        Err(cause)
    }

    /// Connects all senders; the first failure among those of `vital`.
    fn connect_all(&self, vital: &[Name]) -> Result<(), DataplaneError> {
        let names: Vec<Name> = self.entries().senders.keys().cloned().collect();
        let mut outcome = Ok(());
        for name in names {
            let Err(unmet) = self.connect(&name) else { continue };
            self.note_unmet(&name, &unmet);
            if outcome.is_ok() && vital.contains(&name) {
                outcome = Err(unmet.error.cause);
            }
        }
        outcome
    }

    fn note_unmet(&self, name: &Name, unmet: &Unmet) {
        let mut entries = self.entries();
        let Some(sender) = entries.senders.get_mut(name) else { return };
        if unmet.error.stands == Stands::Apart {
            sender.come_apart();
        }
        if sender.refuse(unmet.wish.clone(), unmet.error.to_string(), unmet.is_lasting) {
            tracing::warn!("sender {name}: {}", unmet.error);
        }
    }

    /// Gives one sender the source that the table says, if that is another than it has.
    fn connect(&self, name: &Name) -> Result<(), Box<Unmet>> {
        if self.forward(name)? == SourceKind::Relay {
            return Ok(());
        }
        let Some(wanted) = self.wanted(name) else { return Ok(()) };
        let (source, connection) = match wanted.connection {
            None => (None, None),
            Some(connection) => match build::source(self.parts(), &wanted.spec, &connection) {
                Ok(source) => (Some(Box::new(source)), Some(connection)),
                Err(error) => {
                    self.refuse(name, &connection, &error);
                    return Ok(());
                }
            },
        };
        let engine = self.engine(&wanted.place);
        engine.connect(wanted.key, source).map_err(|cause| {
            let wish = connection.as_ref().map_or(Wish::Home, Connection::wish);
            Unmet::change(wish, ChangeError { cause, stands: Stands::Apart })
        })?;
        let identity = engine.identity(&wanted.spec, wanted.place.port.as_ref());
        let second = wanted.spec.second_leg().map(|leg| {
            let identity = engine.identity(&leg, wanted.second_port.as_ref());
            (leg, identity)
        });
        let mut entries = self.entries();
        if let Some(sender) = entries.senders.get_mut(name) {
            sender.sdp = connection.as_ref().and_then(|connection| connection.format.as_video()).map(|video| {
                let receiver = wanted.receiver_sdp.as_ref();
                let legs = [Some((&sender.spec, identity)), second.as_ref().map(|(leg, identity)| (leg, *identity))];
                sdp::of_legs(legs.into_iter().flatten(), sender.ssrc, video, receiver, SystemTime::now())
            });
            sender.settle();
            sender.evictions_seen = sender.counters.evictions.value();
            match &connection {
                Some(connection) => tracing::info!("sender {name}: sends {} ({})", connection.flow, connection.format),
                None => tracing::info!("sender {name}: has no source now"),
            }
            sender.connection = connection;
        }
        Ok(())
    }

    fn refuse(&self, name: &Name, connection: &Connection, error: &build::SourceError) {
        let mut entries = self.entries();
        let Some(sender) = entries.senders.get_mut(name) else { return };
        if sender.refuse(connection.wish(), error.to_string(), error.is_lasting()) {
            tracing::warn!("sender {name} cannot send {}: {error}", connection.flow);
        }
    }

    /// What a sender should have, when that differs from what it has and may be tried.
    fn wanted(&self, name: &Name) -> Option<Wanted> {
        let flows = self.parts().broker.flows();
        let mut entries = self.entries();
        let Entries { senders, table, receivers, .. } = &mut *entries;
        let sender = senders.get_mut(name)?;
        let flow = table.source(name).and_then(|source| flows.iter().find(|flow| flow.name == *source));
        let connection = flow.map(Connection::to);
        let key = |connection: &Connection| connection.key();
        if connection.as_ref().map(key) == sender.connection.as_ref().map(key) && !sender.is_evicted() {
            sender.settle();
            return None;
        }
        if !sender.may_try(&connection.as_ref().map_or(Wish::Home, Connection::wish)) {
            return None;
        }
        let receiver_sdp = flow.and_then(|flow| receivers.get(&flow.name)).map(|receiver| receiver.spec.sdp.clone());
        Some(Wanted {
            connection,
            spec: sender.spec.clone(),
            place: sender.place.clone(),
            second_port: sender.second_port.clone(),
            key: sender.key,
            receiver_sdp,
        })
    }
}

/// What a sender should have.
struct Wanted {
    connection: Option<Connection>,
    spec: SenderSpec,
    place: Place,
    second_port: Option<Name>,
    key: SenderKey,
    receiver_sdp: Option<st2110::VideoSdp>,
}
