//! What the pictures of a run show: a seeded pattern that differs from grain to grain, cheap to write and to check whole.
//!
//! ```text
//!  block 0      | tag | number | sent | ground | check | ground words …
//!  block b > 0  | tag | ground words …                                   512 octets each
//! ```
//! The ground is laid once in each slot of a ring. What is new in each grain are its front and one tag a block, made of seed,
//! number and place: a packet of at least two blocks that is missing, stale or misplaced is seen, and so is each wrong
//! octet, since the ground is checked whole.

/// Octets between two tags.
pub const BLOCK_OCTETS: usize = 512;
const WORD_OCTETS: usize = 8;
const BLOCK_WORDS: u64 = (BLOCK_OCTETS / WORD_OCTETS) as u64;
/// From word to word of the ground; odd, so that no two of a grain are alike.
const STEP: u64 = 0xd1b5_4a32_d192_ed03;
/// Octets of the front.
pub const FRONT_OCTETS: usize = 5 * WORD_OCTETS;

/// The pattern of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
}

/// What a grain says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Front {
    /// Its number, counted by the source.
    pub number: u64,
    /// When the source began it, TAI in ns.
    pub sent: i64,
    /// What its ground was made from.
    pub ground: u64,
}

impl Pattern {
    /// The pattern of stream `stream` of a run.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        Self { seed: mix(seed ^ mix(stream.wrapping_add(1))) }
    }

    /// A ground for slot `slot` of a ring.
    #[must_use]
    pub fn ground(self, slot: u64) -> u64 {
        mix(self.seed ^ slot.rotate_left(32))
    }

    /// Lays the ground over a whole grain.
    pub fn lay(ground: u64, grain: &mut [u8]) {
        let (words, rest) = grain.as_chunks_mut::<WORD_OCTETS>();
        let mut value = ground;
        for word in words {
            *word = value.to_le_bytes();
            value = value.wrapping_add(STEP);
        }
        rest.fill(0);
    }

    /// Writes the front into the first octets of a grain.
    ///
    /// # Panics
    /// When `grain` is shorter than [`FRONT_OCTETS`].
    pub fn write_front(self, front: &Front, grain: &mut [u8]) {
        let words = [self.tag(front.number, 0), front.number, front.sent as u64, front.ground, self.check(front)];
        for (word, out) in words.iter().zip(grain[..FRONT_OCTETS].as_chunks_mut::<WORD_OCTETS>().0) {
            *out = word.to_le_bytes();
        }
    }

    /// The front of a grain, if it is one of this pattern.
    #[must_use]
    pub fn read_front(self, grain: &[u8]) -> Option<Front> {
        let (words, _) = grain.get(..FRONT_OCTETS)?.as_chunks::<WORD_OCTETS>();
        let word = |at: usize| u64::from_le_bytes(words[at]);
        let front = Front { number: word(1), sent: word(2) as i64, ground: word(3) };
        (word(4) == self.check(&front) && word(0) == self.tag(front.number, 0)).then_some(front)
    }

    /// Writes the tags that lie in `octets`, which begin at octet `start` of the grain; the front's is written with it.
    pub fn write_tags(self, number: u64, start: usize, octets: &mut [u8]) {
        let first = start.div_ceil(BLOCK_OCTETS).max(1);
        let mut at = first * BLOCK_OCTETS - start;
        let mut block = first as u64;
        while let Some(tag) = octets.get_mut(at..at + WORD_OCTETS) {
            tag.copy_from_slice(&self.tag(number, block).to_le_bytes());
            at += BLOCK_OCTETS;
            block += 1;
        }
    }

    /// How many blocks of `octets` are wrong, which begin at block `block` of the grain; the last one may be short.
    #[must_use]
    pub fn count_wrong(self, front: &Front, block: usize, octets: &[u8]) -> usize {
        let (blocks, tail) = octets.as_chunks::<BLOCK_OCTETS>();
        let is_wrong = |(at, octets): (usize, &[u8; BLOCK_OCTETS])| self.differs(front, (block + at) as u64, octets);
        let wrong = blocks.iter().enumerate().filter(|block| is_wrong(*block)).count();
        let tail_is_wrong = !tail.is_empty() && self.differs(front, (block + blocks.len()) as u64, tail);
        wrong + usize::from(tail_is_wrong)
    }

    #[inline]
    fn differs(self, front: &Front, block: u64, octets: &[u8]) -> bool {
        let (words, _) = octets.as_chunks::<WORD_OCTETS>();
        let told = if block == 0 { FRONT_OCTETS / WORD_OCTETS } else { 1 };
        let (Some(tag), Some(ground)) = (words.first(), words.get(told..)) else { return false };
        let mut expected = front.ground.wrapping_add((block * BLOCK_WORDS + told as u64).wrapping_mul(STEP));
        let mut difference = u64::from_le_bytes(*tag) ^ self.tag(front.number, block);
        for word in ground {
            difference |= u64::from_le_bytes(*word) ^ expected;
            expected = expected.wrapping_add(STEP);
        }
        difference != 0
    }

    #[inline]
    fn tag(self, number: u64, block: u64) -> u64 {
        mix(self.seed ^ number.rotate_left(20)).wrapping_add((block + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn check(self, front: &Front) -> u64 {
        mix(self.seed.rotate_left(7) ^ front.number ^ mix(front.sent as u64 ^ mix(front.ground)))
    }
}

/// Steele, Lea and Flood's SplitMix64 finaliser: one word to another that looks unrelated.
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: usize = 5 * BLOCK_OCTETS + 80;

    fn grain(pattern: Pattern, number: u64) -> (Front, Vec<u8>) {
        let front = Front { number, sent: 77, ground: pattern.ground(2) };
        let mut octets = vec![0; OCTETS];
        Pattern::lay(front.ground, &mut octets);
        pattern.write_front(&front, &mut octets);
        // In pieces, as a source does.
        for (piece, octets) in octets.chunks_mut(200).enumerate() {
            pattern.write_tags(number, piece * 200, octets);
        }
        (front, octets)
    }

    #[test]
    fn a_grain_is_right_as_a_whole_and_from_every_block_on() {
        let pattern = Pattern::new(1, 0);
        let (front, octets) = grain(pattern, 9);
        assert_eq!(pattern.read_front(&octets), Some(front));
        for block in 0..6 {
            assert_eq!(pattern.count_wrong(&front, block, &octets[block * BLOCK_OCTETS..]), 0, "{block}");
        }
    }

    #[test]
    fn every_changed_octet_is_seen() {
        let pattern = Pattern::new(1, 0);
        let (front, octets) = grain(pattern, 9);
        for at in FRONT_OCTETS..OCTETS {
            let mut other = octets.clone();
            other[at] ^= 1;
            assert_eq!(pattern.count_wrong(&front, 0, &other), 1, "{at}");
        }
        for at in 0..FRONT_OCTETS {
            let mut other = octets.clone();
            other[at] ^= 1;
            assert_eq!(pattern.read_front(&other), None, "{at}");
        }
    }

    #[test]
    fn what_an_earlier_grain_left_and_what_is_another_stream_s_is_seen() {
        let pattern = Pattern::new(1, 0);
        let ((front, octets), (_, earlier)) = (grain(pattern, 9), grain(pattern, 8));
        let mut mixed = octets.clone();
        mixed[1200..2400].copy_from_slice(&earlier[1200..2400]);
        assert_eq!(pattern.count_wrong(&front, 0, &mixed), 2);
        let mut moved = octets;
        moved.copy_within(1024..2224, 1048);
        assert!(pattern.count_wrong(&front, 0, &moved) >= 2);
        assert_eq!(Pattern::new(1, 1).read_front(&earlier), None);
        assert_eq!(Pattern::new(2, 0).read_front(&earlier), None);
    }
}
