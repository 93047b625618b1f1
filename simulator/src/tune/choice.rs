//! Which of the variants is chosen: one that keeps the limits, on a plateau and not on a peak.
//!
//! A variant that is the best by chance has worse ones all around it; one whose neighbours do as
//! well as it does is as good with other people, too. So a candidate is judged by the median of
//! what it and its neighbours save, and by how many of them keep the limits.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::replay::Rates;
use crate::sweep::{Dimension, Space, Variant};

/// Of its neighbours, so many must keep the limits.
const KEPT_BY: f64 = 0.75;

/// A neighbour keeps a limit that it exceeds by no more than this share of it: a limit that is
/// reached exactly has half its neighbours beyond it.
const NEIGHBOURS_MAY_EXCEED: f64 = 0.1;

/// What a policy must keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Reloads in an hour of the user's time.
    pub max_reloads_per_active_hour: Option<f64>,
    /// Discards whose tab was back within 10 minutes, as a share.
    pub max_early_return_rate: Option<f64>,
    /// Minutes at HIGH in an hour awake. Not kept where the memory was never sampled.
    pub max_high_minutes_per_awake_hour: Option<f64>,
}

impl Limits {
    /// By how much a policy exceeds the limits, as a share of the one that it exceeds most; 0 or
    /// less where it keeps all. No limit lets a hard guard be violated.
    pub fn excess(&self, rates: &Rates) -> f64 {
        let high = rates.high_minutes_per_awake_hour;
        let is_unknown = high.is_none() && self.max_high_minutes_per_awake_hour.is_some();
        if rates.violations > 0 || is_unknown {
            return f64::INFINITY;
        }
        let pairs = [
            (
                rates.reloads_per_active_hour,
                self.max_reloads_per_active_hour,
            ),
            (rates.early_return_rate, self.max_early_return_rate),
            (high, self.max_high_minutes_per_awake_hour),
        ];
        let excess = pairs.into_iter().filter_map(|(found, limit)| {
            // Below a thousandth a share of the limit says nothing.
            Some((found.unwrap_or(0.0) - limit?) / limit?.max(1e-3))
        });
        excess.fold(-1.0, f64::max)
    }
}

/// What lies around a variant.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// How many neighbours were tried.
    pub neighbours: usize,
    /// How many of them keep the limits, or nearly.
    pub keep_limits: usize,
    /// The median of the share that it and they save.
    pub saved_share: f64,
}

impl Plateau {
    /// Looks at a variant and its neighbours.
    pub fn new(own: &Rates, neighbours: &[Rates], limits: &Limits) -> Self {
        let keep = |rates: &&Rates| limits.excess(rates) <= NEIGHBOURS_MAY_EXCEED;
        let saved = |rates: &Rates| rates.saved_share.unwrap_or(0.0);
        let mut all: Vec<f64> = neighbours.iter().chain([own]).map(saved).collect();
        all.sort_by(f64::total_cmp);
        Self {
            neighbours: neighbours.len(),
            keep_limits: neighbours.iter().filter(keep).count(),
            // Of an even number the lower one: a plateau is not said to be higher than it is.
            saved_share: all[(all.len() - 1) / 2],
        }
    }

    /// Whether it is one: whether enough neighbours keep the limits.
    pub fn is_stable(&self) -> bool {
        self.keep_limits as f64 >= KEPT_BY * self.neighbours as f64
    }
}

/// A variant that was chosen.
#[derive(Clone, Debug)]
pub struct Choice {
    /// Its number among those that were looked at.
    pub index: usize,
    /// What lies around it.
    pub plateau: Plateau,
}

impl Choice {
    /// Chooses among candidates that keep the limits, by what lies around each: the highest stable
    /// plateau, or where none is stable the one whose neighbours keep the limits most.
    pub fn of(plateaus: &[Plateau]) -> Option<Self> {
        let rank = |it: &Plateau| {
            let kept = it.keep_limits as f64 / it.neighbours.max(1) as f64;
            let kept = if it.is_stable() { 1.0 } else { kept };
            (it.is_stable(), kept, it.saved_share)
        };
        let better = |one: &Plateau, other: &Plateau| {
            let (one, other) = (rank(one), rank(other));
            (one.0.cmp(&other.0))
                .then(one.1.total_cmp(&other.1))
                .then(one.2.total_cmp(&other.2))
        };
        // Of equals the first.
        let best = (plateaus.iter().enumerate())
            .rev()
            .max_by(|a, b| better(a.1, b.1))?;
        Some(Self {
            index: best.0,
            plateau: *best.1,
        })
    }
}

/// The variants around one: a step to either side in each dimension that has sides.
pub fn neighbours(space: &Space, variant: &Variant) -> Vec<Variant> {
    around(space, variant, Dimension::beside)
}

/// The variants that one step leads to: its neighbours, and every other choice in each dimension
/// that has no sides.
pub fn steps(space: &Space, variant: &Variant) -> Vec<Variant> {
    around(space, variant, Dimension::one_step_away)
}

/// The variants that two steps in different dimensions lead to. Along a limit no single step may be
/// better where two are: what one saves more the other pays for in reloads.
pub fn double_steps(space: &Space, variant: &Variant) -> Vec<Variant> {
    let singles = steps(space, variant);
    let differs = |it: &Variant| {
        let pairs = it.values.iter().zip(&variant.values);
        pairs.into_iter().position(|(there, here)| there != here)
    };
    let pairs = singles.iter().enumerate().flat_map(|(index, one)| {
        singles[index + 1..].iter().filter_map(move |other| {
            let (of_one, of_other) = (differs(one)?, differs(other)?);
            let mut values = one.values.clone();
            values[of_other] = other.values[of_other].clone();
            let document = space.document(&values).ok()?;
            (of_one != of_other).then_some(Variant { values, document })
        })
    });
    pairs.filter(|it| it.document != variant.document).collect()
}

fn around(
    space: &Space,
    variant: &Variant,
    values_around: fn(&Dimension, &Value) -> Vec<Value>,
) -> Vec<Variant> {
    let dimensions = space.dimensions().iter().enumerate();
    let around = dimensions.flat_map(|(place, dimension)| {
        let values = values_around(dimension, &variant.values[place]).into_iter();
        values.filter_map(move |value| {
            let mut values = variant.values.clone();
            values[place] = value;
            let document = space.document(&values).ok()?;
            Some(Variant { values, document })
        })
    });
    // What a setting does not change is nowhere else.
    around
        .filter(|it| it.document != variant.document)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Tally;

    fn rates(saved_share: f64, reloads_per_active_hour: f64) -> Rates {
        Rates {
            saved_share: Some(saved_share),
            reloads_per_active_hour: Some(reloads_per_active_hour),
            ..Tally::default().rates()
        }
    }

    #[test]
    fn a_plateau_is_chosen_before_a_peak() {
        let limits = Limits {
            max_reloads_per_active_hour: Some(1.0),
            ..Limits::default()
        };
        let peak = Plateau::new(
            &rates(0.9, 1.0),
            &[rates(0.2, 0.5), rates(0.3, 0.9)],
            &limits,
        );
        let plain = Plateau::new(
            &rates(0.5, 1.0),
            &[rates(0.5, 0.9), rates(0.5, 1.05)],
            &limits,
        );
        let edge = Plateau::new(
            &rates(0.8, 1.0),
            &[rates(0.8, 5.0), rates(0.8, 0.9)],
            &limits,
        );
        assert_eq!(
            (peak.saved_share, plain.saved_share, edge.keep_limits),
            (0.3, 0.5, 1)
        );
        assert_eq!(Choice::of(&[peak, plain, edge]).unwrap().index, 1);
        assert_eq!(Choice::of(&[edge]).unwrap().index, 0, "better than nothing");
        assert!(Choice::of(&[]).is_none());
    }

    #[test]
    fn a_violated_guard_exceeds_every_limit() {
        let mut rates = rates(0.1, 0.0);
        assert!(Limits::default().excess(&rates) < 0.0);
        rates.violations = 1;
        assert!(Limits::default().excess(&rates).is_infinite());
    }

    #[test]
    fn a_limit_of_what_is_not_known_is_not_kept() {
        let limits = Limits {
            max_high_minutes_per_awake_hour: Some(5.0),
            ..Limits::default()
        };
        let mut rates = rates(0.1, 0.0);
        assert!(limits.excess(&rates).is_infinite());
        rates.high_minutes_per_awake_hour = Some(5.0);
        assert!(limits.excess(&rates) <= 0.0);
    }
}
