//! What a tuning found, as it is written.

use engine::PolicyDocument;
use serde::Serialize;
use serde_json::{Map, Value};
use simulator::replay::{Point, Rates, Tally};
use simulator::sweep::{Space, UnitTrace, Variant, Version};
use simulator::tune::{Cells, Evidence, Limits, Part, Person, Plateau, SplitKind};

use super::{Arc, Task};
use crate::policy::NamedPolicy;

/// Everything that a tuning found.
#[derive(Serialize)]
pub(super) struct Tuned {
    #[serde(rename = "type")]
    pub(super) type_name: &'static str,
    pub(super) version: Version,
    pub(super) seed: u64,
    /// The policy that was tuned.
    pub(super) base: String,
    pub(super) base_hash: Option<String>,
    /// What was varied.
    pub(super) vary: Vec<String>,
    /// The limits as they were asked for.
    pub(super) asked_limits: Limits,
    /// How far below them a search keeps.
    pub(super) margin: f64,
    /// Distinct policies that were run, neighbours among them.
    pub(super) variants_tried: usize,
    pub(super) people: Vec<PersonTold>,
    #[serde(serialize_with = "without_paths")]
    pub(super) traces: Vec<UnitTrace>,
    pub(super) windows: usize,
    /// Whether what was chosen is better where it was held out, beyond the noise.
    pub(super) recommended: bool,
    pub(super) why: String,
    /// What was chosen on all traces.
    pub(super) chosen: Option<Member>,
    /// Its settings that differ from the base: from what, to what.
    pub(super) changed: Option<Vec<Changed>>,
    /// Where nothing keeps the limits: what comes nearest.
    pub(super) nearest: Option<Member>,
    /// The base and the other policies on all traces.
    pub(super) in_training: Vec<Member>,
    pub(super) on_held_out_people: Option<HeldOut>,
    pub(super) walking_forward: Option<HeldOut>,
    /// What was saved in training over what was saved where it was held out, by split.
    pub(super) gap_saved_share: Option<f64>,
    /// Every variant of the last search, on all traces.
    pub(super) evaluations: Vec<Member>,
    pub(super) sensitivity: Vec<Sensitivity>,
    /// What a clairvoyant saves at most on all traces, by the number of reloads.
    pub(super) frontier: Vec<Point>,
    /// What could be saved on all traces, in GiB·h of the active clock.
    pub(super) background_gib_h: f64,
    pub(super) active_hours: f64,
    pub(super) splits: Vec<SplitTold>,
}

fn without_paths<S: serde::Serializer>(
    traces: &[UnitTrace],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Told<'a> {
        name: &'a str,
        digest: &'a str,
        lines: u64,
    }
    serializer.collect_seq(traces.iter().map(|it| Told {
        name: &it.name,
        digest: &it.digest,
        lines: it.lines,
    }))
}

/// A person and their traces.
#[derive(Serialize)]
pub(super) struct PersonTold {
    name: String,
    traces: Vec<String>,
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
#[derive(Serialize)]
pub(super) struct PartTold {
    people: Vec<String>,
    /// Windows of time, from 0: the first one, included, and the last one, excluded.
    windows: (usize, usize),
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
#[derive(Clone, Serialize)]
pub(super) struct Member {
    /// Its name; of a variant there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<String>,
    pub(super) policy_hash: Option<String>,
    /// What was varied.
    pub(super) settings: Map<String, Value>,
    pub(super) training: Rates,
    pub(super) held_out: Option<Rates>,
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
    base: &Cells,
    against: &[Arc<Cells>],
) -> Vec<Member> {
    let mut all = vec![Member::of_policy(&task.base, base.sum(part).rates(), None)];
    let others = task.against.iter().zip(against);
    all.extend(
        others.map(|(policy, cells)| Member::of_policy(policy, cells.sum(part).rates(), None)),
    );
    all
}

/// A setting that is another than in the base.
#[derive(Clone, Serialize)]
pub(super) struct Changed {
    pub(super) setting: &'static str,
    pub(super) from: Value,
    pub(super) to: Value,
}

/// The settings of a policy that differ from the base.
pub(super) fn changed(base: &PolicyDocument, tuned: &PolicyDocument) -> Vec<Changed> {
    let (base, tuned) = (base.to_json(), tuned.to_json());
    let at = |document: &Value, path: &str| {
        path.split('.')
            .fold(document.clone(), |value, name| value[name].clone())
    };
    let settings = engine::SETTINGS.iter().map(|setting| Changed {
        setting: setting.path,
        from: at(&base, setting.path),
        to: at(&tuned, setting.path),
    });
    settings.filter(|it| it.from != it.to).collect()
}

/// What came of it where it was held out.
#[derive(Serialize)]
pub(super) struct HeldOut {
    /// What the searches chose, each on what it did not see.
    pub(super) tuned: Rates,
    /// The base first, then the others.
    pub(super) against: Vec<Judged>,
}

/// A policy on the same people and windows, and how the tuned one differs.
#[derive(Serialize)]
pub(super) struct Judged {
    pub(super) name: String,
    pub(super) rates: Rates,
    /// The tuned one less this one.
    pub(super) evidence: Evidence,
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
#[derive(Serialize)]
pub(super) struct SplitTold {
    pub(super) kind: SplitKind,
    pub(super) training: PartTold,
    pub(super) held_out: PartTold,
    /// The limits that the search kept.
    pub(super) limits: Limits,
    /// How many variants it tried.
    pub(super) tried: usize,
    pub(super) chosen: Option<Member>,
    /// What lies around it, in training.
    pub(super) plateau: Option<Plateau>,
    pub(super) base: Member,
    /// The variants that no other beats in training, those that save least first.
    pub(super) front: Vec<Member>,
}

/// What becomes of the chosen policy when one setting alone is changed.
#[derive(Serialize)]
pub(super) struct Sensitivity {
    pub(super) setting: &'static str,
    /// Its value in the chosen policy.
    pub(super) chosen: Value,
    pub(super) points: Vec<SensitivityPoint>,
}

/// A value of the setting and what it comes to on all traces.
#[derive(Serialize)]
pub(super) struct SensitivityPoint {
    pub(super) value: Value,
    #[serde(flatten)]
    pub(super) rates: Rates,
}
