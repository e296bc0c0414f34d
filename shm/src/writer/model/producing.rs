//! What the writer does, and what it should come to.

use media::GrainIndex;

use super::Model;
use super::seat::Seat;
use crate::writer::consumers::Turn;
use crate::{ConsumerClass, Geometry, GrainEnd, GrainKey, OpenError};

impl Model {
    pub(super) fn nth_open(&self, which: usize) -> Option<(u64, GrainKey)> {
        self.open.iter().nth(which).map(|(index, key)| (*index, *key))
    }

    pub(super) fn held(&self, index: u64) -> bool {
        self.seats.values().any(|seat| seat.holds(index))
    }

    /// What the writer does about its consumers at a poll, or before it opens a grain.
    pub(super) fn observe(&mut self, turn: Turn) {
        let (end, mut over) = (self.end, Vec::new());
        let grains = |eff| self.opened.iter().filter(|index| **index >= eff).count();
        for (number, seat) in &mut self.seats {
            let nonce = seat.consumer.nonce;
            if !seat.is_lossy() && seat.hi.is_none() {
                seat.eff = seat.eff.max(seat.cursor.min(end));
                let limit = if let ConsumerClass::Leased { k, .. } = seat.class { k.into() } else { usize::MAX };
                if turn == Turn::Open && grains(seat.eff) > limit {
                    seat.hi = Some(end);
                    self.notices.push(("evicted", *number, nonce));
                }
            } else if seat.hi.is_some() && seat.acknowledged {
                self.notices.push(("released", *number, nonce));
                over.push(*number);
            }
        }
        self.seats.retain(|number, _| !over.contains(number));
    }

    pub(super) fn open(&mut self, index: u64) {
        let outcome = self.ring.open(index);
        let Geometry { slots, open_max: limit, .. } = *self.ring.writer.geometry();
        if self.open.len() == usize::from(limit) {
            assert_eq!(outcome, Err(OpenError::TooManyOpen { limit }));
            return;
        }
        self.observe(Turn::Open);
        let newest = self.end.saturating_sub(1);
        let victim = self.done.iter().copied().find(|done| *done < newest && !self.held(*done));
        if self.free == 0 && victim.is_none() {
            if let Some(consumer) = self.blocker(newest) {
                assert_eq!(outcome, Err(OpenError::Held { consumer }));
                return;
            }
            let held = self.done.iter().chain(self.open.keys()).filter(|index| self.held(**index)).count() as u16;
            assert_eq!(outcome, Err(OpenError::NoSlot { slots, held }));
            // Of a blocking consumer that was evicted any number of grains may stand in quarantine.
            let is_beyond = |seat: &Seat| seat.hi.is_some() && matches!(seat.class, ConsumerClass::Blocking { .. });
            assert!(!self.admission || self.seats.values().any(is_beyond), "the sizing rule promises a slot");
            return;
        }
        if self.free > 0 {
            self.free -= 1;
        } else {
            self.done.remove(&victim.unwrap());
        }
        let key = outcome.expect("there is a slot");
        assert_eq!(key.index(), GrainIndex(index));
        self.open.insert(index, key);
        self.opened.push(index);
        self.descs.insert(index % u64::from(self.ring.writer.geometry().descs), index);
        self.end = index + 1;
    }

    /// The blocking consumer that is furthest behind, if a slot would be free without those.
    pub(super) fn blocker(&self, newest: u64) -> Option<u8> {
        let is_held = |index| self.seats.values().any(|seat| !seat.is_waited_for() && seat.holds(index));
        self.done.iter().find(|done| **done < newest && !is_held(**done))?;
        let waited_for = self.seats.iter().filter(|(_, seat)| seat.is_waited_for());
        waited_for.map(|(number, seat)| (seat.eff, *number)).min().map(|(_, number)| number)
    }

    pub(super) fn publish(&mut self, which: usize, lines: u16) {
        let Some((index, key)) = self.nth_open(which) else { return };
        for line in self.ring.writer.published(key)..lines {
            self.ring.write_line(index, line);
        }
        self.ring.writer.publish(key, lines);
    }

    pub(super) fn lose(&mut self, which: usize, line: u16) {
        let Some((index, key)) = self.nth_open(which) else { return };
        self.ring.writer.mark_lost(key, line);
        if line >= self.ring.writer.published(key) {
            self.lost.entry(index).or_default().insert(line);
        }
    }

    pub(super) fn commit(&mut self, which: usize) {
        let Some((index, key)) = self.nth_open(which) else { return };
        self.ring.fill(index);
        self.ring.writer.commit(key, GrainEnd::default());
        self.open.remove(&index);
        self.done.insert(index);
        self.head = self.head.max(index + 1);
    }
}
