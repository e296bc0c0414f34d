//! Chance that a seed repeats: SplitMix64, for tests that do things at random instants.

/// A source of numbers that follow from its seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// A number that follows from these and looks like no other.
#[must_use]
pub fn mixed(numbers: &[u64]) -> u64 {
    numbers.iter().fold(0, |so_far, number| mix(so_far ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Dice {
    /// The numbers of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed that the environment variable gives, or one that no run before had; said on standard output.
    #[must_use]
    pub fn from_environment(variable: &str) -> Self {
        let drawn = || std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64);
        let seed = std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or_else(drawn);
        println!("{variable}={seed}");
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end
    }

    /// A number from `first` to below `end`.
    pub fn between(&mut self, first: u64, end: u64) -> u64 {
        first + self.below(end - first)
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn choose<'a, T>(&mut self, these: &'a [T]) -> &'a T {
        &these[self.below(these.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_one_does_not() {
        let numbers = |seed| {
            std::iter::repeat_with({
                let mut dice = Dice::new(seed);
                move || dice.any()
            })
            .take(100)
        };
        assert!(numbers(7).eq(numbers(7)));
        assert!(numbers(7).zip(numbers(8)).all(|(one, other)| one != other));
        let mut dice = Dice::new(1);
        assert!((0..1_000).all(|_| (3..9).contains(&dice.between(3, 9))));
        assert_ne!(mixed(&[1, 2]), mixed(&[2, 1]));
    }
}
