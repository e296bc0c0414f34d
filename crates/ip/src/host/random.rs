//! Random delays: the protocols want stations that start together not to speak together, nothing more.

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Nanoseconds from 0 to `most`, both included; 0 when there is no such span.
    pub(super) fn nanos(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = mixed ^ (mixed >> 31);
        let span = u64::try_from(most).map_or(1, |most| most + 1);
        // Below `most`, which is an i64.
        (mixed % span) as i64
    }
}
