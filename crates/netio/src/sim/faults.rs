//! What may go wrong on the wire, and what did.

use rand::Rng;
use rand::rngs::SmallRng;

/// How often things go wrong, in packets per thousand, and how long all of them travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Packets that never arrive.
    pub loss_per_mille: u16,
    /// Packets that overtake 1 to 8 of those still under way to the same receiver.
    pub reorder_per_mille: u16,
    /// Packets that arrive twice.
    pub duplicate_per_mille: u16,
    /// Packets that arrive cut short, down to nothing.
    pub truncate_per_mille: u16,
    /// Packets that arrive as a chain, first the gathered header and then the payload. No fault: some devices do so.
    pub chain_per_mille: u16,
    /// Time from leaving to arriving, in nanoseconds.
    pub delay_nanos: i64,
}

/// What has happened on the wire, counted per receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimCounters {
    /// Packets that left a sender.
    pub sent: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Arrived before one that left earlier.
    pub reordered: u64,
    /// Arrived twice.
    pub duplicated: u64,
    /// Arrived cut short.
    pub truncated: u64,
    /// Sent to an address that nobody receives, or that nobody receives from that source.
    pub unheard: u64,
}

/// What happens to one packet on its way to one receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) is_lost: bool,
    pub(super) is_duplicated: bool,
    pub(super) is_chained: bool,
    /// Packets to overtake, when there are as many.
    pub(super) overtakes: usize,
    /// Octets to keep of 65,536, when it is cut.
    pub(super) kept: Option<u32>,
}

impl Faults {
    /// Draws a fate. The same number of draws is made whatever the rates are, so that a seed keeps its meaning
    /// when a rate changes.
    pub(super) fn draw(&self, rng: &mut SmallRng) -> Fate {
        let mut strikes = |per_mille: u16| rng.random_range(0..1000) < per_mille;
        let is_lost = strikes(self.loss_per_mille);
        let is_reordered = strikes(self.reorder_per_mille);
        let is_duplicated = strikes(self.duplicate_per_mille);
        let is_cut = strikes(self.truncate_per_mille);
        let is_chained = strikes(self.chain_per_mille);
        let places = rng.random_range(1..=8);
        let kept = rng.random_range(0..65_536);
        Fate {
            is_lost,
            is_duplicated,
            is_chained,
            overtakes: if is_reordered { places } else { 0 },
            kept: is_cut.then_some(kept),
        }
    }
}
