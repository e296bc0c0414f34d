//! The end of an epoch, as its ring says it: the index where it ends, and the epoch that goes on from there.
//!
//! Three words of the control region, stored once. Whoever finds the first of them finds the others, and every grain
//! that was opened before.

use media::GrainIndex;

use crate::layout;
use crate::mapping::Mapping;
use crate::seed::{planted, sound};

/// The epoch in which a flow goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Successor {
    /// None is known: the flow's name leads to it, if there is one.
    #[default]
    Unnamed,
    /// The epoch of the ring that follows. Not 0.
    Epoch(u128),
}

/// Where an epoch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The first index that is not this epoch's: one past its last grain.
    pub end: GrainIndex,
    /// The epoch that goes on from there, if the writer named one.
    pub successor: Option<u128>,
}

/// Writes that no grain at or above `end` will be opened.
pub(crate) fn store(control: &Mapping, end: u64, successor: Successor) {
    let epoch = match successor {
        Successor::Unnamed => 0,
        Successor::Epoch(epoch) => epoch,
    };
    planted!(ConcludedFirst => control.store_release(layout::CONCLUDED, end + 1));
    control.store(layout::SUCCESSOR_LOW, epoch as u64);
    control.store(layout::SUCCESSOR_HIGH, (epoch >> 64) as u64);
    // Pairs with load.
    sound!(control.store_release(layout::CONCLUDED, end + 1), unless ConcludedRelaxed
        => control.store(layout::CONCLUDED, end + 1));
}

/// The end of the epoch, once the writer has concluded it. The words may hold anything.
pub(crate) fn load(control: &Mapping) -> Option<EpochEnd> {
    // Pairs with store: the successor and all grains of the epoch are visible.
    let end = control.load_acquire(layout::CONCLUDED).checked_sub(1)?;
    let [low, high] = [layout::SUCCESSOR_LOW, layout::SUCCESSOR_HIGH].map(|word| u128::from(control.load(word)));
    let successor = Some(high << 64 | low).filter(|epoch| *epoch != 0);
    Some(EpochEnd { end: GrainIndex(end.min(GrainIndex::LIMIT)), successor })
}
