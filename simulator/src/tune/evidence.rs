//! Whether a policy is better than another on people it was not made for, and how sure that is.

use serde::{Deserialize, Serialize};

use crate::comparison::{Estimate, difference_of_ratios};
use crate::replay::{Sums, Tally};
use crate::synth::draw::Draw;

/// Up to so many people every assignment of signs is gone through; beyond, some are drawn.
const EXACT_UP_TO: usize = 16;

/// How many are drawn.
const DRAWN: u64 = 100_000;

/// The stream of random numbers that signs are drawn from.
const SIGN_STREAM: u64 = 2;

/// How a policy differs from another on the same people, the first less the second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// How many people.
    pub people: usize,
    /// Of the bytes in the background, what is saved more: 95 % interval, drawn over people.
    pub saved_share: Option<Estimate>,
    /// Reloads more in an hour of the user's time.
    pub reloads_per_active_hour: Option<Estimate>,
    /// Early returns more, of the discards.
    pub early_return_rate: Option<Estimate>,
    /// Minutes at HIGH more in an hour awake.
    pub high_minutes_per_awake_hour: Option<Estimate>,
    /// Whether a difference in the share saved could be chance.
    pub test: Option<PairedTest>,
}

impl Evidence {
    /// Compares two policies, person by person. `seed` is what intervals are drawn from.
    pub fn between(base: &[Tally], other: &[Tally], seed: u64) -> Self {
        let estimate = |part: fn(&Sums) -> (f64, f64)| {
            let pairs = base.iter().zip(other);
            let pairs: Vec<_> = pairs
                .map(|(base, other)| (part(&base.sums()), part(&other.sums())))
                .collect();
            difference_of_ratios(&pairs, seed)
        };
        let differences = base.iter().zip(other).filter_map(|(base, other)| {
            Some(other.rates().saved_share? - base.rates().saved_share?)
        });
        Self {
            people: base.len(),
            saved_share: estimate(|it| (it.saved_gib_h, it.background_gib_h)),
            reloads_per_active_hour: estimate(|it| (it.reloads as f64, it.active_hours)),
            early_return_rate: estimate(|it| (it.early_returns as f64, it.discards as f64)),
            // Of people whose memory was not sampled there is nothing in either sum.
            high_minutes_per_awake_hour: estimate(|it| {
                (it.pressure_high_minutes.unwrap_or(0.0), it.sampled_hours)
            }),
            test: paired_test(&differences.collect::<Vec<_>>(), seed),
        }
    }
}

/// A paired test of whether differences lie about zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedTest {
    /// How many pairs.
    pub pairs: usize,
    /// In how many the difference is above zero.
    pub above: usize,
    /// The mean difference.
    pub mean: f64,
    /// How likely a mean as far from zero is if every difference might as well have the other
    /// sign: two-sided, by Fisher's randomization (1935), exact up to 16 pairs.
    pub p: f64,
}

/// Tests whether differences lie about zero; `None` without any.
pub fn paired_test(differences: &[f64], seed: u64) -> Option<PairedTest> {
    let pairs = differences.len();
    if pairs == 0 {
        return None;
    }
    let sum: f64 = differences.iter().sum();
    // What rounding alone makes smaller is not smaller.
    let as_far = sum.abs() * (1.0 - 1e-9);
    let p = if pairs <= EXACT_UP_TO {
        let all = 1_u64 << pairs;
        let is_as_far = |&signs: &u64| flipped_sum(differences, || signs).abs() >= as_far;
        (0..all).filter(is_as_far).count() as f64 / all as f64
    } else {
        let mut draw = Draw::new(seed, SIGN_STREAM);
        let mut is_as_far = || flipped_sum(differences, || draw.bits()).abs() >= as_far;
        let count = (0..DRAWN).filter(|_| is_as_far()).count();
        // The signs as they are count as one of the draws, so p is never 0.
        (count + 1) as f64 / (DRAWN + 1) as f64
    };
    Some(PairedTest {
        pairs,
        above: differences.iter().filter(|&&it| it > 0.0).count(),
        mean: sum / pairs as f64,
        p,
    })
}

/// The sum with some signs changed: those whose bit is set. `bits` gives the next 64.
fn flipped_sum(differences: &[f64], mut bits: impl FnMut() -> u64) -> f64 {
    let chunks = differences.chunks(64);
    let flipped = chunks.flat_map(|chunk| {
        let bits = bits();
        let chunk = chunk.iter().enumerate();
        chunk.map(move |(place, it)| if bits >> place & 1 == 1 { -it } else { *it })
    });
    flipped.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_counts_signs() {
        let all_above = paired_test(&[1.0, 2.0, 3.0, 4.0], 0).unwrap();
        assert_eq!(
            (all_above.p, all_above.above, all_above.mean),
            (2.0 / 16.0, 4, 2.5)
        );
        let about_zero = paired_test(&[1.0, -1.0, 2.0, -2.0], 0).unwrap();
        assert!(about_zero.p > 0.999);
        assert_eq!(paired_test(&[], 0), None);
    }

    #[test]
    fn the_drawn_test_comes_to_what_the_exact_one_does() {
        // Sixteen pairs exactly, and the same with a seventeenth that says nothing.
        let mut differences: Vec<f64> = (0..16).map(|it| f64::from(it) - 5.0).collect();
        let exact = paired_test(&differences, 0).unwrap().p;
        differences.push(0.0);
        let drawn = paired_test(&differences, 0).unwrap().p;
        assert!((exact - drawn).abs() < 0.01, "{exact} {drawn}");
    }
}
