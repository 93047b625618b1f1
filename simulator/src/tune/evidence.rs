//! Whether a policy is better than another on people it was not made for, and how sure that is.

use serde::{Deserialize, Serialize};

use crate::comparison::{Estimate, difference_of_ratios};
use crate::replay::{Sums, Tally};

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
    /// For how many of them that is more; absent where nobody has anything in the background.
    pub gain: Option<Gain>,
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
            gain: Gain::of(&differences.collect::<Vec<_>>()),
        }
    }
}

/// For how many people a policy saves more of the background than another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gain {
    /// Those who have anything in the background.
    pub people: usize,
    /// Those of them for whom it saves more.
    pub more: usize,
}

impl Gain {
    fn of(differences: &[f64]) -> Option<Self> {
        (!differences.is_empty()).then(|| Self {
            people: differences.len(),
            more: differences.iter().filter(|&&it| it > 0.0).count(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gains_is_counted_among_those_who_can() {
        let gain = |people, more| Some(Gain { people, more });
        assert_eq!(Gain::of(&[0.1, 0.0, -0.2, 0.3]), gain(4, 2));
        assert_eq!(Gain::of(&[]), None);
    }
}
