//! A sender's share of a turn: what is due and there goes onto the bursts of its outputs, which it fills with others.

use media::{Clock, Tai};
use netio::{Burst, TxQueue};
use shm::GrainLease;

use super::Sender;
use super::active::Ready;
use super::book::Book;
use super::leg::{At, Leg};
use crate::output::{Output, Parted};
use crate::watch::Watch;

/// What a sender has loaded.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// Packets that were made.
    pub(crate) packets: usize,
    /// The output whose burst has to leave before more can be loaded.
    pub(crate) blocked: Option<usize>,
}

impl<T: TxQueue<Lease = GrainLease>> Sender<T> {
    /// A turn begins: sees what is new, and begins the next grain where a leg has none. [`Self::load`] follows.
    #[inline]
    pub(crate) fn begin_turn(&mut self, outputs: &mut [Output<T>], now: Tai) {
        if let Some(source) = &self.source {
            self.picker.observe(source.reader(), now);
        }
        self.legs.iter_mut().flatten().for_each(Leg::begin_turn);
        self.look(now);
        self.begin(outputs, now);
    }

    /// Loads what is due and there onto the bursts of the legs' outputs, first what waited there; a grain ends when all legs
    /// have made its packets. `number`: which one of the worker's senders this is.
    pub(crate) fn load<C: Clock>(&mut self, number: u16, outputs: &mut [Output<T>], watch: &Watch<'_, C>) -> Load {
        let book = Book { watch, counters: &self.counters, lateness: &self.lateness };
        let (source, packetiser) = (self.source.as_deref(), self.packetiser.as_ref());
        let ready =
            source.zip(packetiser).map(|(source, packetiser)| Ready { source, packetiser, number, book: &book });
        let mut packets = 0;
        for leg in self.legs.iter_mut().flatten() {
            let Some((queue, shared)) = outputs.get_mut(leg.place()).and_then(Output::loading) else { continue };
            let blocked = Load { packets, blocked: Some(leg.place()) };
            let Some(is_aboard) = leg.board(number, shared) else { return blocked };
            let Some(ready) = ready.as_ref().filter(|_| is_aboard) else { continue };
            // Twice: the rest of one grain, and the beginning of the next, when that is due.
            for _ in 0..2 {
                let Some(At { place, .. }) = leg.at else { break };
                let Some(active) = self.grains.at(place) else { break };
                let loaded = leg.load((queue, shared), active, ready);
                packets += loaded.packets;
                if leg.at.is_some_and(|at| at.next < ready.source.schedule().packets()) {
                    if loaded.is_blocked {
                        return Load { packets, blocked: Some(leg.place()) };
                    }
                    break;
                }
                if self.grains.done(place, leg.bit()) {
                    Self::finish(&mut self.grains, place, &self.counters);
                }
                leg.at = self.grains.oldest_of(leg.bit()).map(|place| At { place, next: 0 });
            }
        }
        Load { packets, blocked: None }
    }

    /// What became of packets of a leg, those that were not taken at the front of `burst`.
    #[inline]
    pub(crate) fn departed<C: Clock>(&mut self, parted: Parted, burst: &mut Burst<T::Buf>, watch: &Watch<'_, C>) {
        let book = Book { watch, counters: &self.counters, lateness: &self.lateness };
        if let Some(leg) = self.legs.get_mut(usize::from(parted.of.leg)).and_then(Option::as_mut) {
            leg.departed(parted, burst, &book);
        }
    }
}
