//! Packets of several senders that leave in one burst.
//!
//! A call to a queue costs as much for four packets as for thirty-two, and a sender of type N never has more than a few. So the
//! senders of an output fill one burst together, each with packets that follow one another. Nobody waits for anybody by that:
//! what the queue does not take goes back to its leg, and what stands behind it is offered anew.

use std::mem;

use media::Clock;
use netio::{BURST, Burst, TxQueue};

use crate::watch::Watch;

/// A leg of a sender, as its worker counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LegPlace {
    pub(crate) sender: u16,
    pub(crate) leg: u8,
}

/// Packets of one leg.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    of: LegPlace,
    packets: u8,
}

/// What became of a part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parted {
    pub(crate) of: LegPlace,
    /// So many packets the queue took.
    pub(crate) taken: usize,
    /// So many it did not: they are the first ones of the burst.
    pub(crate) left: usize,
}

/// A burst that is being filled. Between the turns of its worker it is empty.
pub(crate) struct SharedBurst<B> {
    packets: Burst<B>,
    parts: [Part; BURST],
    /// Of the places of `parts`.
    count: usize,
    /// Somebody wants to know when it has left.
    is_timed: bool,
}

impl<B> SharedBurst<B> {
    pub(crate) fn new() -> Self {
        Self { packets: Burst::new(), parts: [Part::default(); BURST], count: 0, is_timed: false }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Packets that still fit.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.packets.room()
    }

    /// Whether the last packets are of this leg: others of it may follow.
    #[inline]
    pub(crate) fn ends_with(&self, of: LegPlace) -> bool {
        self.last().is_some_and(|part| part.of == of)
    }

    /// Who fills it wants to know when its packets have left: reading the clock costs what making a packet does.
    #[inline]
    pub(crate) fn time(&mut self) {
        self.is_timed = true;
    }

    /// Has `fill` append packets of a leg; returns how many it did, and what it returned.
    #[inline]
    pub(crate) fn fill<R>(&mut self, of: LegPlace, fill: impl FnOnce(&mut Burst<B>) -> R) -> (usize, R) {
        let before = self.packets.len();
        let result = fill(&mut self.packets);
        let more = self.packets.len() - before;
        if more > 0 {
            self.note(of, more as u8);
        }
        (more, result)
    }

    #[inline]
    fn last(&self) -> Option<&Part> {
        self.count.checked_sub(1).and_then(|last| self.parts.get(last))
    }

    #[inline]
    fn note(&mut self, of: LegPlace, packets: u8) {
        let is_more = self.ends_with(of);
        self.count += usize::from(!is_more);
        // There are no more parts than packets.
        if let Some(part) = self.count.checked_sub(1).and_then(|last| self.parts.get_mut(last)) {
            *part = Part { of, packets: packets + if is_more { part.packets } else { 0 } };
        }
    }

    /// Offers all of it to `queue`; what that does not take goes back to its leg, and what stands behind it is offered anew.
    /// `parted` is told of each part, and takes out what is left of it. Returns how many packets the queue took.
    #[inline]
    pub(crate) fn depart<T: TxQueue<Buf = B>, C: Clock>(
        &mut self,
        queue: &mut T,
        watch: &Watch<'_, C>,
        mut parted: impl FnMut(Parted, &mut Burst<B>),
    ) -> usize {
        let is_timed = mem::take(&mut self.is_timed);
        let parts = mem::take(&mut self.count);
        let mut parts = self.parts.get(..parts).unwrap_or_default().iter();
        let mut all = 0;
        while !parts.as_slice().is_empty() {
            let mut taken = queue.tx_burst(&mut self.packets);
            if is_timed {
                watch.look();
            }
            all += taken;
            for part in parts.by_ref() {
                let packets = usize::from(part.packets);
                let own = packets.min(taken);
                taken -= own;
                parted(Parted { of: part.of, taken: own, left: packets - own }, &mut self.packets);
                if own < packets {
                    break;
                }
            }
        }
        debug_assert!(self.packets.is_empty(), "who is told takes out what is left");
        all
    }
}
