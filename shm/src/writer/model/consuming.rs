//! What consumers do, honest ones and others, and what the operator does to them.

use std::collections::{BTreeMap, BTreeSet};

use media::GrainIndex;

use super::Model;
use super::seat::{Seat, lease};
use super::step::Step;
use crate::writer::consumers::Turn;
use crate::{ConsumerClass, Geometry, Start};

impl Model {
    pub(super) fn evict(&mut self, number: u8) {
        let Some(seat) = self.seats.get_mut(&number) else { return };
        self.ring.evict(&seat.consumer);
        // What its consumer says is read before its quarantine begins, but not once more.
        if seat.hi.is_none() {
            seat.hi = Some(self.end);
            self.notices.push(("evicted", number, seat.consumer.nonce));
        }
        self.observe(Turn::Poll);
    }

    pub(super) fn join(&mut self, number: u8, class: ConsumerClass, start: Start) {
        let admitted = self.seats.values().map(|seat| seat.class).chain([class]).filter_map(|class| class.holds());
        let Geometry { slots, open_max, .. } = *self.ring.writer.geometry();
        if self.seats.contains_key(&number)
            || matches!(class, ConsumerClass::Leased { k, .. } if k < open_max)
            || self.admission && Geometry::slots_for(open_max, admitted) > u32::from(slots)
        {
            return;
        }
        let there: BTreeSet<u64> = self.done.iter().chain(self.open.keys()).copied().collect();
        let first = match class.holds() {
            None => 0,
            Some(k) => self.opened.iter().rev().nth(usize::from(k) - 1).copied().unwrap_or(0),
        };
        let end = match start {
            Start::Live => self.end,
            Start::Oldest => there.range(first..).next().copied().unwrap_or(self.end),
        };
        let consumer = self.ring.join_from(number, class, start);
        self.observe(Turn::Poll);
        let seat = Seat {
            consumer,
            leases: BTreeMap::new(),
            class,
            next: end,
            cursor: end,
            acknowledged: false,
            ended: false,
            honest: true,
            eff: end,
            hi: None,
        };
        self.seats.insert(number, seat);
    }

    pub(super) fn gone(&mut self, number: u8) {
        if let Some(seat) = self.seats.remove(&number) {
            let Seat { consumer, leases, .. } = seat;
            drop(leases);
            self.ring.gone(&consumer);
            self.notices.push(("released", number, consumer.nonce));
            self.observe(Turn::Poll);
        }
    }

    pub(super) fn consume(&mut self, step: &Step) {
        let number = match *step {
            Step::Lease(seat) | Step::Acknowledge(seat) => seat,
            Step::Release { seat, .. } | Step::Skip { seat, .. } | Step::Scribble { seat, .. } => seat,
            _ => return,
        };
        let used: BTreeSet<u64> = self.done.iter().chain(self.open.keys()).copied().collect();
        let Some(seat) = self.seats.get_mut(&number) else { return };
        match *step {
            Step::Lease(_) => {
                let named = self.descs.values().chain(&used).copied();
                let expected = named.filter(|index| *index >= seat.next).min();
                lease(seat, expected, &used);
            }
            Step::Release { which, .. } => {
                if let Some(index) = seat.leases.keys().nth(which).copied() {
                    seat.leases.remove(&index);
                    seat.raise();
                }
            }
            Step::Skip { by, .. } => {
                seat.next += by;
                seat.consumer.reader.skip_to(GrainIndex(seat.next));
                // Who passes nothing shows nothing: what was scribbled over the cursor stays.
                if by > 0 {
                    seat.raise();
                }
            }
            Step::Acknowledge(_) => {
                let may = seat.hi.is_some() && seat.leases.is_empty();
                assert_eq!(seat.consumer.reader.acknowledge_eviction().is_ok(), may);
                seat.acknowledged |= may;
                seat.ended |= may;
            }
            Step::Scribble { cursor, acknowledge, .. } => {
                seat.consumer.scribble(&[(0, cursor)]);
                (seat.cursor, seat.honest) = (cursor, false);
                if let Some(beside) = acknowledge {
                    seat.consumer.scribble(&[(128, seat.consumer.nonce + beside)]);
                    seat.acknowledged = beside == 0;
                }
            }
            _ => {}
        }
    }
}
