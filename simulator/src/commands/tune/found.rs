//! What a tuning found, as it is written.

use std::sync::Arc;

use engine::PolicyDocument;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use simulator::comparison::Person;
use simulator::replay::{Point, Rates, Tally};
use simulator::sweep::{Space, UnitTrace, Variant, Version};
use simulator::tune::{Cells, Evidence, Limits, Part, Plateau, SplitKind};

use super::HeldAgainst;
use super::task::Task;
use crate::policy::NamedPolicy;

/// What stands in the `type` of what a tuning found.
pub(in super::super) const TUNED: &str = "tune";

/// Everything that a tuning found.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Tuned {
    #[serde(rename = "type")]
    pub(in super::super) type_name: String,
    pub(in super::super) version: Version,
    pub(in super::super) seed: u64,
    /// The policy that was tuned.
    pub(in super::super) base: String,
    pub(in super::super) base_hash: Option<String>,
    /// What was varied.
    pub(in super::super) vary: Vec<String>,
    /// The limits as they were asked for.
    pub(in super::super) asked_limits: Limits,
    /// How far below them a search keeps.
    pub(in super::super) margin: f64,
    /// Distinct policies that were run, neighbours among them.
    pub(in super::super) variants_tried: usize,
    pub(in super::super) people: Vec<PersonTold>,
    pub(in super::super) traces: Vec<TraceTold>,
    pub(in super::super) windows: usize,
    /// Whether what was chosen is better where it was held out, beyond the noise.
    pub(in super::super) recommended: bool,
    pub(in super::super) why: String,
    /// What was chosen on all traces.
    pub(in super::super) chosen: Option<Member>,
    /// Its settings that differ from the base: from what, to what.
    pub(in super::super) changed: Option<Vec<Changed>>,
    /// Where nothing keeps the limits: what comes nearest.
    pub(in super::super) nearest: Option<Member>,
    /// The base and the other policies on all traces.
    pub(in super::super) in_training: Vec<Member>,
    pub(in super::super) on_held_out_people: Option<HeldOut>,
    pub(in super::super) walking_forward: Option<HeldOut>,
    /// Every variant of the last search, on all traces.
    pub(in super::super) evaluations: Vec<Member>,
    pub(in super::super) sensitivity: Vec<Sensitivity>,
    /// What a clairvoyant saves at most on all traces, by the number of reloads.
    pub(in super::super) frontier: Vec<Point>,
    /// What could be saved on all traces, in GiB·h of the active clock.
    pub(in super::super) background_gib_h: f64,
    pub(in super::super) active_hours: f64,
    pub(in super::super) splits: Vec<SplitTold>,
}

/// A trace, without where it was.
#[derive(Clone, Serialize, Deserialize)]
pub(in super::super) struct TraceTold {
    pub(in super::super) name: String,
    pub(in super::super) digest: String,
    pub(in super::super) lines: u64,
}

impl TraceTold {
    pub(super) fn new(trace: &UnitTrace) -> Self {
        Self {
            name: trace.name.clone(),
            digest: trace.digest.clone(),
            lines: trace.lines,
        }
    }
}

/// A person and their traces.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct PersonTold {
    pub(in super::super) name: String,
    pub(in super::super) traces: Vec<String>,
}

impl PersonTold {
    pub(super) fn new(person: &Person, traces: &[UnitTrace]) -> Self {
        Self {
            name: person.name.clone(),
            traces: person
                .traces
                .iter()
                .map(|&it| traces[it].name.clone())
                .collect(),
        }
    }
}

/// A part of the traces.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct PartTold {
    pub(in super::super) people: Vec<String>,
    /// Windows of time, from 0: the first one, included, and the last one, excluded.
    pub(in super::super) windows: (usize, usize),
}

impl PartTold {
    pub(super) fn new(part: &Part, people: &[Person]) -> Self {
        Self {
            people: part
                .people
                .iter()
                .map(|&it| people[it].name.clone())
                .collect(),
            windows: part.windows,
        }
    }
}

/// A policy and what it came to.
#[derive(Clone, Serialize, Deserialize)]
pub(in super::super) struct Member {
    /// Its name; of a variant there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in super::super) policy: Option<String>,
    pub(in super::super) policy_hash: Option<String>,
    /// What was varied.
    pub(in super::super) settings: Map<String, Value>,
    pub(in super::super) training: Rates,
    pub(in super::super) held_out: Option<Rates>,
}

impl Member {
    pub(super) fn new(
        space: &Space,
        variant: &Variant,
        training: Rates,
        held_out: Option<Rates>,
    ) -> Self {
        Self {
            policy: None,
            policy_hash: Some(variant.document.hash()),
            settings: settings_of(space, variant),
            training,
            held_out,
        }
    }

    pub(super) fn of_policy(
        policy: &NamedPolicy,
        training: Rates,
        held_out: Option<Rates>,
    ) -> Self {
        Self {
            policy: Some(policy.name.clone()),
            policy_hash: policy.hash.clone(),
            settings: Map::new(),
            training,
            held_out,
        }
    }
}

/// What was varied in a variant.
fn settings_of(space: &Space, variant: &Variant) -> Map<String, Value> {
    let names = space.dimensions().iter().map(|it| it.name().to_owned());
    names.zip(variant.values.iter().cloned()).collect()
}

/// The base and the other policies on all traces.
pub(super) fn in_training(
    task: &Task,
    part: &Part,
    against: HeldAgainst<&Arc<Cells>>,
    others: &[Arc<Cells>],
) -> Vec<Member> {
    let policies = [&task.base, &task.original];
    let policies = policies.into_iter().chain(&task.others);
    let cells = [against.base, against.original].into_iter().chain(others);
    let all = policies.zip(cells);
    all.map(|(policy, cells)| Member::of_policy(policy, cells.sum(part).rates(), None))
        .collect()
}

/// A setting that is another than in the base.
#[derive(Clone, Serialize, Deserialize)]
pub(in super::super) struct Changed {
    pub(in super::super) setting: String,
    pub(in super::super) from: Value,
    pub(in super::super) to: Value,
}

/// The settings of a policy that differ from the base.
pub(super) fn changed(base: &PolicyDocument, tuned: &PolicyDocument) -> Vec<Changed> {
    let (base, tuned) = (base.to_json(), tuned.to_json());
    let at = |document: &Value, path: &str| {
        path.split('.')
            .fold(document.clone(), |value, name| value[name].clone())
    };
    let settings = engine::SETTINGS.iter().map(|setting| Changed {
        setting: setting.path.to_owned(),
        from: at(&base, setting.path),
        to: at(&tuned, setting.path),
    });
    settings.filter(|it| it.from != it.to).collect()
}

/// What came of it where it was held out.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct HeldOut {
    /// The limits that must be kept there.
    pub(in super::super) limits: Limits,
    /// What the searches chose, each on what it did not see.
    pub(in super::super) tuned: Rates,
    /// The base first, then the others.
    pub(in super::super) against: Vec<Judged>,
    /// By how much less it saves over the base there than in training, as a share of the
    /// background: the mean of the searches that chose something.
    pub(in super::super) gap_saved_share: Option<f64>,
}

/// What is left of what was gained in training, where a kind of splits held out. A part may be an
/// easier one than another for any policy, so it is the lead over the base that is followed.
pub(super) fn gap(splits: &[SplitTold], kind: SplitKind) -> Option<f64> {
    let gap = |it: &Member| Some(it.training.saved_share? - it.held_out?.saved_share?);
    let splits = splits.iter().filter(|split| split.kind == kind);
    let gaps = splits.filter_map(|split| Some(gap(split.chosen.as_ref()?)? - gap(&split.base)?));
    let gaps: Vec<f64> = gaps.collect();
    (!gaps.is_empty()).then(|| gaps.iter().sum::<f64>() / gaps.len() as f64)
}

/// A policy on the same people and windows, and how the tuned one differs.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Judged {
    pub(in super::super) name: String,
    pub(in super::super) rates: Rates,
    /// The tuned one less this one.
    pub(in super::super) evidence: Evidence,
}

impl Judged {
    pub(super) fn new(name: &str, theirs: &[Tally], tuned: &[Tally], seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            rates: theirs.iter().copied().sum::<Tally>().rates(),
            evidence: Evidence::between(theirs, tuned, seed),
        }
    }

    /// Whether there was nobody to judge by.
    pub(super) fn is_empty(&self) -> bool {
        self.evidence.people == 0
    }
}

/// What a split came to.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct SplitTold {
    pub(in super::super) kind: SplitKind,
    pub(in super::super) training: PartTold,
    pub(in super::super) held_out: PartTold,
    /// The limits that the search kept.
    pub(in super::super) limits: Limits,
    /// How many variants it tried.
    pub(in super::super) tried: usize,
    pub(in super::super) chosen: Option<Member>,
    /// What lies around it, in training.
    pub(in super::super) plateau: Option<Plateau>,
    pub(in super::super) base: Member,
    /// The variants that no other beats in training, those that save least first.
    pub(in super::super) front: Vec<Member>,
}

/// What becomes of the chosen policy when one setting alone is changed.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct Sensitivity {
    pub(in super::super) setting: String,
    /// Its value in the chosen policy.
    pub(in super::super) chosen: Value,
    pub(in super::super) points: Vec<SensitivityPoint>,
}

/// A value of the setting and what it comes to on all traces.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct SensitivityPoint {
    pub(in super::super) value: Value,
    #[serde(flatten)]
    pub(in super::super) rates: Rates,
}
