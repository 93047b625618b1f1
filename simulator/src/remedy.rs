//! Which single setting would have led to another answer about a tab.
//!
//! No rule of the policy is known here. Every setting in the table is tried, and the engine is asked
//! for its explanation under the changed document; what is said is what it answered. A number is
//! looked for by halving, which finds the smallest change wherever more of a change does no less.

use std::fmt;

use engine::{
    Explanation, GateState, Guard, Orchestrator, PolicyDocument, SETTINGS, Setting, TabId, Takes,
    Verdict, World,
};
use serde::Serialize;
use serde_json::Value;

/// What stands between a tab and its discard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// Hard guards hold.
    Guard,
    /// It was opened or in front too lately.
    Ttl,
    /// Nothing is discarded now.
    Gate,
    /// Others come first.
    Turn,
}

impl Obstacle {
    /// What is in the way, by an explanation. Where a guard holds, nothing else counts; of a tab
    /// that is discarded nothing more is wanted.
    pub fn of(explanation: &Explanation) -> Vec<Self> {
        if explanation.guards.contains(&Guard::Discarded) {
            return Vec::new();
        }
        if !explanation.guards.is_empty() {
            return vec![Self::Guard];
        }
        let is_open = explanation.gate == GateState::Open;
        [
            (explanation.verdict == Verdict::Keep, Self::Ttl),
            (!is_open, Self::Gate),
            (is_open && explanation.verdict == Verdict::Wait, Self::Turn),
        ]
        .into_iter()
        .filter_map(|(holds, obstacle)| holds.then_some(obstacle))
        .collect()
    }

    /// Whether it is out of the way, by an explanation.
    pub fn is_lifted(self, explanation: &Explanation) -> bool {
        match self {
            Self::Guard => explanation.guards.is_empty(),
            Self::Ttl => explanation.rank.is_some(),
            Self::Gate => explanation.gate == GateState::Open,
            Self::Turn => explanation.verdict == Verdict::Discard,
        }
    }
}

impl fmt::Display for Obstacle {
    /// Writes what somebody does who lifts it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guard => "lifts the hard guard",
            Self::Ttl => "ends its TTL",
            Self::Gate => "opens the gate",
            Self::Turn => "brings its turn",
        })
    }
}

/// What is to become of a setting.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// This number or a smaller one.
    AtMost(Value),
    /// This number or a larger one.
    AtLeast(Value),
    /// This word or switch.
    Is(Value),
    /// The list without this entry.
    Without(String),
}

/// A change of one setting that lifts an obstacle.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Remedy {
    /// What it lifts.
    pub lifts: Obstacle,
    /// The setting.
    pub setting: &'static str,
    /// What it is now. Absent for a list.
    pub now: Option<Value>,
    /// What it is to become.
    pub to: To,
    /// What would be done with the tab then.
    pub then: Verdict,
}

impl Remedy {
    /// The document with the change.
    pub fn apply(&self, document: &PolicyDocument) -> Option<PolicyDocument> {
        match &self.to {
            To::AtMost(value) | To::AtLeast(value) | To::Is(value) => {
                with(document, self.setting, value.clone())
            }
            To::Without(entry) => without(document, self.setting, entry),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = self.setting;
        match &self.to {
            To::AtMost(value) => write!(f, "{setting} at most {}", plain(value))?,
            To::AtLeast(value) => write!(f, "{setting} at least {}", plain(value))?,
            To::Is(value) => write!(f, "{setting} = {value}")?,
            To::Without(entry) => write!(f, "{setting} without {entry:?}")?,
        }
        match &self.now {
            Some(Value::Null) => f.write_str(" (now off)"),
            Some(now) => write!(f, " (now {})", plain(now)),
            None => Ok(()),
        }
    }
}

/// A value for people: 15 rather than 15.0.
fn plain(value: &Value) -> String {
    match value.as_f64() {
        Some(number) => number.to_string(),
        None => value.to_string(),
    }
}

/// Finds for each obstacle between a tab and its discard the settings any of which would lift it,
/// in the order of the document. Each is asked of the engine anew.
pub fn remedies(policy: &Orchestrator, world: &World, tab: TabId) -> Vec<Remedy> {
    let Some(explanation) = policy.explain(world, tab) else {
        return Vec::new();
    };
    let question = |lifts| Question {
        policy,
        world,
        tab,
        lifts,
    };
    let obstacles = Obstacle::of(&explanation).into_iter();
    obstacles
        .flat_map(|lifts| {
            SETTINGS
                .iter()
                .flat_map(move |setting| question(lifts).ask(setting))
        })
        .collect()
}

/// What is asked of the engine.
#[derive(Clone, Copy)]
struct Question<'a> {
    policy: &'a Orchestrator,
    world: &'a World<'a>,
    tab: TabId,
    lifts: Obstacle,
}

impl Question<'_> {
    /// The changes of a setting that lift the obstacle.
    fn ask(self, setting: &Setting) -> Vec<Remedy> {
        let now = self.policy.document().to_json();
        let now = now
            .pointer(&pointer(setting.path))
            .cloned()
            .unwrap_or_default();
        let remedy = |to: To, then: Verdict| Remedy {
            lifts: self.lifts,
            setting: setting.path,
            now: (!now.is_array()).then(|| now.clone()),
            to,
            then,
        };
        let is = |value: Value| {
            let then = self.then(with(self.policy.document(), setting.path, value.clone())?)?;
            Some(remedy(To::Is(value), then))
        };
        match setting.takes {
            Takes::Switch => is(Value::Bool(now != Value::Bool(true)))
                .into_iter()
                .collect(),
            Takes::Choice { of } => (of.iter())
                .filter(|&&word| now != word)
                .filter_map(|&word| is(word.into()))
                .collect(),
            Takes::Domains => (now.as_array().into_iter().flatten())
                .filter_map(Value::as_str)
                .filter_map(|entry| {
                    let document = without(self.policy.document(), setting.path, entry)?;
                    let then = self.then(document)?;
                    Some(remedy(To::Without(entry.to_owned()), then))
                })
                .collect(),
            Takes::Number {
                min, max, whole, ..
            } => {
                let scale = Scale { whole };
                let (min, max) = (scale.steps(min), scale.steps(max));
                // A number that is off is looked for from the smallest one on.
                let (below, above) = match now.as_f64() {
                    Some(now) => (scale.steps(now).min(max), scale.steps(now).max(min)),
                    None => (min, min.saturating_sub(1)),
                };
                let mut found = Vec::new();
                if let Some((value, then)) = self.search(setting, scale, below, min) {
                    found.push(remedy(To::AtMost(value), then));
                }
                if let Some((value, then)) = self.search(setting, scale, above, max) {
                    found.push(remedy(To::AtLeast(value), then));
                }
                found
            }
        }
    }

    /// Looks for the number next to `near`, on the way to `far`, that lifts the obstacle.
    fn search(
        self,
        setting: &Setting,
        scale: Scale,
        near: i64,
        far: i64,
    ) -> Option<(Value, Verdict)> {
        let document = |steps| with(self.policy.document(), setting.path, scale.value(steps));
        // Beyond another setting's value a document may be none.
        let far = if document(far).is_some() {
            far
        } else {
            halve(far, near, |steps| document(steps).is_some())
        };
        let then = |steps| self.then(document(steps)?);
        if near == far || then(far).is_none() {
            return None;
        }
        let found = halve(near, far, |steps| then(steps).is_some());
        Some((scale.value(found), then(found)?))
    }

    /// What would be done under a document, if it lifts the obstacle.
    fn then(self, document: PolicyDocument) -> Option<Verdict> {
        let explanation = self.policy.explain_under(self.world, self.tab, document)?;
        self.lifts
            .is_lifted(&explanation)
            .then_some(explanation.verdict)
    }
}

/// The numbers of a setting that are tried: whole ones, or tenths.
#[derive(Clone, Copy)]
struct Scale {
    whole: bool,
}

impl Scale {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the ranges of the settings are small"
    )]
    fn steps(self, number: f64) -> i64 {
        let steps = if self.whole { number } else { number * 10.0 };
        steps.round() as i64
    }

    fn value(self, steps: i64) -> Value {
        if self.whole {
            steps.into()
        } else {
            (steps as f64 / 10.0).into()
        }
    }
}

/// The number next to `not` for which something holds: it does not for `not`, and does for `does`.
fn halve(not: i64, does: i64, holds: impl Fn(i64) -> bool) -> i64 {
    let (mut not, mut does) = (not, does);
    while not.abs_diff(does) > 1 {
        let middle = not.midpoint(does);
        if holds(middle) {
            does = middle;
        } else {
            not = middle;
        }
    }
    does
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

/// A document with another value, if that is a document.
fn with(document: &PolicyDocument, path: &str, value: Value) -> Option<PolicyDocument> {
    let mut json = document.to_json();
    *json.pointer_mut(&pointer(path))? = value;
    serde_json::from_value(json).ok()
}

/// A document without an entry of a list.
fn without(document: &PolicyDocument, path: &str, entry: &str) -> Option<PolicyDocument> {
    let mut json = document.to_json();
    let list = json.pointer_mut(&pointer(path))?.as_array_mut()?;
    list.retain(|other| other != entry);
    serde_json::from_value(json).ok()
}
