//! The figures that a report draws: what stands on its page, and as JSON.

use serde::Serialize;
use serde_json::{Map, Value};
use simulator::pareto;
use simulator::replay::{Point, Rates};
use simulator::sweep::Version;
use simulator::timeline::Timeline;

use super::super::tune::{Changed, Judged, Member, SplitTold, TraceTold};

/// A report.
#[derive(Serialize)]
pub(super) struct Report {
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    pub(super) of: Kind,
    pub(super) title: String,
    pub(super) question: String,
    /// In sentences, the most important first.
    pub(super) answer: Vec<String>,
    /// The settings that were varied, by their paths.
    pub(super) varied: Vec<String>,
    /// Those that stand beside the variants, then the chosen one, then the variants.
    pub(super) policies: Vec<Policy>,
    /// What a clairvoyant saves at most, those with fewest reloads first.
    pub(super) frontier: Vec<Place>,
    pub(super) held_out: Vec<HeldOutFront>,
    /// What was chosen against others, where nobody had looked.
    pub(super) evidence: Vec<Evidence>,
    /// What the chosen policy has otherwise than the base.
    pub(super) changed: Vec<Changed>,
    pub(super) sensitivity: Vec<Sensitivity>,
    /// What is changed where a setting's sensitivity is shown.
    pub(super) sensitivity_is: String,
    pub(super) partition: Option<Partition>,
    pub(super) timelines: Vec<Course>,
    pub(super) provenance: Provenance,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Tune,
    Sweep,
}

/// A policy and what it came to on all traces.
#[derive(Clone, Serialize)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) policy_hash: Option<String>,
    pub(super) role: Role,
    /// Whether no other variant beats it in both what is saved and reloads.
    pub(super) is_on_front: bool,
    /// What was varied; empty in a policy that is no variant.
    pub(super) settings: Map<String, Value>,
    #[serde(flatten)]
    pub(super) rates: Rates,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Stands beside the variants.
    Reference,
    /// The variant that was chosen, or that comes nearest to the limits where none was.
    Chosen,
    Variant,
}

/// A place in the plane of what is saved against reloads.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Place {
    pub(super) reloads_per_active_hour: f64,
    pub(super) saved_share: f64,
}

impl Place {
    /// None where nothing could be saved, or nobody was there.
    pub(super) fn of(rates: &Rates) -> Option<Self> {
        Some(Self {
            reloads_per_active_hour: rates.reloads_per_active_hour?,
            saved_share: rates.saved_share?,
        })
    }

    /// What it is judged by: reloads, and what is saved.
    fn costs(&self) -> [f64; 2] {
        [self.reloads_per_active_hour, -self.saved_share]
    }
}

/// The front of a search in training, and the same policies where it had not looked.
#[derive(Serialize)]
pub(super) struct HeldOutFront {
    /// Who or what was held out.
    pub(super) about: String,
    pub(super) training: Vec<Place>,
    pub(super) held_out: Vec<Place>,
}

impl HeldOutFront {
    pub(super) fn new(split: &SplitTold, about: String) -> Self {
        let members = split.front.iter();
        let members = members.filter_map(|it| Some((it, Place::of(&it.training)?)));
        let on_front = pareto::places(members, |(_, place)| place.costs());
        let places = |of: fn(&Member) -> Option<Rates>| {
            let members = on_front.iter().map(|(it, _)| it);
            let mut places: Vec<Place> = members.filter_map(|it| Place::of(&of(it)?)).collect();
            places.sort_by(|a, b| {
                let reloads = |it: &Place| it.reloads_per_active_hour;
                (reloads(a).total_cmp(&reloads(b))).then(a.saved_share.total_cmp(&b.saved_share))
            });
            places
        };
        Self {
            about,
            training: places(|it| Some(it.training)),
            held_out: places(|it| it.held_out),
        }
    }
}

/// Marks the variants that no other beats; of those in one place the first.
pub(super) fn mark_front(policies: &mut [Policy]) {
    let variants = policies.iter_mut().filter(|it| it.role != Role::Reference);
    let variants = variants.filter_map(|it| Some((Place::of(&it.rates)?, it)));
    for (_, policy) in pareto::places(variants, |(place, _)| place.costs()) {
        policy.is_on_front = true;
    }
}

/// A frontier, where other policies are compared by shares and hours.
pub(super) fn frontier(points: &[Point], background_gib_h: f64, active_hours: f64) -> Vec<Place> {
    if background_gib_h <= 0.0 || active_hours <= 0.0 {
        return Vec::new();
    }
    let place = |it: &Point| Place {
        reloads_per_active_hour: it.reloads as f64 / active_hours,
        saved_share: it.saved_gib_h / background_gib_h,
    };
    points.iter().map(place).collect()
}

/// What was chosen against others on what was held out.
#[derive(Serialize)]
pub(super) struct Evidence {
    /// Where it was held out.
    pub(super) about: &'static str,
    pub(super) tuned: Rates,
    pub(super) against: Vec<Judged>,
}

/// What becomes of a policy when a setting is changed.
#[derive(Serialize)]
pub(super) struct Sensitivity {
    pub(super) setting: String,
    /// What it counts; empty for what is no number.
    pub(super) unit: &'static str,
    /// Its value in the chosen policy; in the base where there is none.
    pub(super) marked: Value,
    pub(super) points: Vec<SensitivityPoint>,
}

/// A value of a setting.
#[derive(Serialize)]
pub(super) struct SensitivityPoint {
    pub(super) value: Value,
    pub(super) saved_share: Option<Spread>,
    pub(super) reloads_per_active_hour: Option<Spread>,
    pub(super) early_return_rate: Option<Spread>,
}

/// The mean of some policies, and how far they lie apart; of one policy, itself.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Spread {
    pub(super) mean: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Spread {
    pub(super) fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let values: Vec<f64> = values.flatten().collect();
        Some(Self {
            least: values.iter().copied().min_by(f64::total_cmp)?,
            most: values.iter().copied().max_by(f64::total_cmp)?,
            mean: values.iter().sum::<f64>() / values.len() as f64,
        })
    }
}

impl SensitivityPoint {
    pub(super) fn of<'a>(value: Value, of: impl Iterator<Item = &'a Rates> + Clone) -> Self {
        Self {
            value,
            saved_share: Spread::of(of.clone().map(|it| it.saved_share)),
            reloads_per_active_hour: Spread::of(of.clone().map(|it| it.reloads_per_active_hour)),
            early_return_rate: Spread::of(of.map(|it| it.early_return_rate)),
        }
    }
}

/// Early returns against savings with and without the focus partition: of each side the variants
/// that no other of that side beats in both, those that save least first.
#[derive(Serialize)]
pub(super) struct Partition {
    pub(super) with: Vec<PartitionPoint>,
    pub(super) without: Vec<PartitionPoint>,
}

/// A variant of one side.
#[derive(Clone, Serialize)]
pub(super) struct PartitionPoint {
    pub(super) settings: Map<String, Value>,
    pub(super) saved_share: f64,
    pub(super) early_return_rate: f64,
    pub(super) reloads_per_active_hour: Option<f64>,
}

/// A trace under a policy.
#[derive(Serialize)]
pub(super) struct Course {
    pub(super) trace: String,
    pub(super) digest: String,
    pub(super) lines: u64,
    pub(super) policy: String,
    pub(super) policy_hash: Option<String>,
    pub(super) active_hours: f64,
    pub(super) saved_gib_h: f64,
    pub(super) saved_share: Option<f64>,
    pub(super) discards: u64,
    pub(super) reloads: u64,
    pub(super) early_returns: u64,
    pub(super) timeline: Timeline,
}

/// What a report was made from.
#[derive(Serialize)]
pub(super) struct Provenance {
    pub(super) version: Version,
    pub(super) seed: u64,
    pub(super) traces: Vec<TraceTold>,
    pub(super) active_hours: f64,
    /// What else is to be known, as name and value.
    pub(super) facts: Vec<Fact>,
}

#[derive(Serialize)]
pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_passes_over_what_is_not_there() {
        let spread = Spread::of([Some(1.0), None, Some(4.0)].into_iter()).unwrap();
        assert_eq!((spread.least, spread.mean, spread.most), (1.0, 2.5, 4.0));
        assert!(Spread::of([None].into_iter()).is_none());
    }
}
