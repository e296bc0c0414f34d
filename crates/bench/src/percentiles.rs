//! What is said of many samples, and of many rounds.

use serde::{Deserialize, Serialize};

/// Percentiles by nearest rank, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// 99 of 100 are not above.
    pub p99: f64,
    /// 999 of 1000 are not above.
    pub p99_9: f64,
    /// The largest.
    pub max: f64,
}

impl Percentiles {
    /// Of samples, which are sorted meanwhile; zeros without any.
    #[must_use]
    pub fn of(samples: &mut [u64]) -> Self {
        samples.sort_unstable();
        let at = |rank: f64| samples.get(rank_of(samples.len(), rank)).copied().unwrap_or(0) as f64;
        Self { p50: at(0.5), p99: at(0.99), p99_9: at(0.999), max: at(1.0) }
    }

    /// Each percentile's median over rounds, and the largest of all.
    #[must_use]
    pub fn over(rounds: &[Self]) -> Self {
        let median = |of: fn(&Self) -> f64| Spread::of(rounds.iter().map(of)).median;
        Self {
            p50: median(|round| round.p50),
            p99: median(|round| round.p99),
            p99_9: median(|round| round.p99_9),
            max: rounds.iter().map(|round| round.max).fold(0.0, f64::max),
        }
    }
}

fn rank_of(count: usize, rank: f64) -> usize {
    ((count as f64 * rank).ceil() as usize).clamp(1, count.max(1)) - 1
}

/// A median with the quartiles around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// A quarter is not above.
    pub low: f64,
    /// The middle.
    pub median: f64,
    /// Three quarters are not above.
    pub high: f64,
}

impl Spread {
    /// Of some values; zeros without any.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let at = |rank: f64| values.get(rank_of(values.len(), rank)).copied().unwrap_or(0.0);
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// Of one series over another, round by round: what disturbs a round disturbs both.
    #[must_use]
    pub fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        Self::of(ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0).map(|(ours, theirs)| ours / theirs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_at_their_rank() {
        let mut samples: Vec<u64> = (1..=1000).rev().collect();
        let found = Percentiles::of(&mut samples);
        assert_eq!(found, Percentiles { p50: 500.0, p99: 990.0, p99_9: 999.0, max: 1000.0 });
        assert_eq!(Percentiles::of(&mut [7]), Percentiles { p50: 7.0, p99: 7.0, p99_9: 7.0, max: 7.0 });
        assert_eq!(Percentiles::of(&mut []), Percentiles::default());
    }

    #[test]
    fn rounds_give_medians_and_the_largest_of_all() {
        let round = |p50: f64, max: f64| Percentiles { p50, p99: 2.0 * p50, p99_9: 3.0 * p50, max };
        let over = Percentiles::over(&[round(10.0, 90.0), round(30.0, 50.0), round(20.0, 70.0)]);
        assert_eq!(over, Percentiles { p50: 20.0, p99: 40.0, p99_9: 60.0, max: 90.0 });
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let ratios = Spread::of_ratios(&[1.0, 20.0, 3.0, 4.0], &[2.0, 40.0, 3.0, 0.0]);
        assert_eq!(ratios, Spread { low: 0.5, median: 0.5, high: 1.0 });
    }
}
