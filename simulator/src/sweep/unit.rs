//! A unit of work: one policy on one trace, and all that its answer depends on.

use engine::{PolicyDocument, PolicyError, SEMANTICS, Settings, hex};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::design::Variant;
use super::space::Space;
use crate::comparison::Loop;

/// The version of what a row says. It is raised whenever the same unit could make another row for
/// a reason that no other version tells.
const ROWS: u32 = 3;

/// How many bytes of the hash an id has: 24 hex digits.
const ID_BYTES: usize = 12;

/// Who carries units out: rows of different versions are never put together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version {
    /// Of the engine's semantics.
    pub engine: u32,
    /// Of this program.
    pub sim: String,
    /// Of what a row says.
    pub rows: u32,
}

impl Version {
    /// This program.
    pub fn ours() -> Self {
        Self {
            engine: SEMANTICS,
            sim: env!("CARGO_PKG_VERSION").to_owned(),
            rows: ROWS,
        }
    }
}

/// A unit of work, as it stands on a line of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unit {
    /// Says what the line is: "unit".
    #[serde(rename = "type")]
    pub type_name: UnitType,
    /// A hash of everything else but the trace's path.
    pub unit: String,
    /// Who may carry it out.
    pub version: Version,
    /// The trace.
    pub trace: UnitTrace,
    /// What is to be found out.
    pub task: Task,
}

/// What stands in a unit's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnitType {
    /// The only one.
    #[serde(rename = "unit")]
    Unit,
}

/// Which trace a unit is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitTrace {
    /// What it is called in rows.
    pub name: String,
    /// Where it is. Another place with the same trace does as well.
    pub path: String,
    /// A hash of its lines.
    pub digest: String,
    /// How many lines it has.
    pub lines: u64,
}

/// What is to be found out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// What a clairvoyant saves at most, by the number of reloads.
    Frontier {
        /// The policy that is varied, whose protected domains it spares: what differs from the
        /// default one.
        base: Map<String, Value>,
    },
    /// What a policy comes to.
    Score {
        /// What it is called in rows.
        policy: String,
        /// Our own policy: what differs from the default one. None for a baseline of that name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settings: Option<Map<String, Value>>,
        /// The hash of our own policy's document.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy_hash: Option<String>,
        /// What is varied, by the settings' paths; null in a policy that is no variant.
        varied: Map<String, Value>,
        /// Whether it is one.
        is_variant: bool,
        /// Whether it is measured against the frontier.
        frontier: bool,
        /// Whether it sees what its discards free.
        #[serde(rename = "loop")]
        loop_: Loop,
        /// What it draws from, if it draws.
        seed: u64,
        /// The policy that is varied, as in [`Task::Frontier`].
        base: Map<String, Value>,
    },
}

impl Unit {
    /// Makes a unit for this program.
    pub fn new(trace: UnitTrace, task: Task) -> Self {
        let version = Version::ours();
        Self {
            type_name: UnitType::Unit,
            unit: id(&version, &trace, &task),
            version,
            trace,
            task,
        }
    }

    /// Whether its id is the hash of what it says: whether nobody has changed it since.
    pub fn is_whole(&self) -> bool {
        self.unit == id(&self.version, &self.trace, &self.task)
    }

    /// Whether another one can be carried out beside it: on the same trace, with the same loop, and
    /// measured against the same frontier.
    pub fn can_go_beside(&self, other: &Self) -> bool {
        self.trace.digest == other.trace.digest
            && match (&self.task, &other.task) {
                (Task::Frontier { base: one }, Task::Frontier { base: other }) => one == other,
                (
                    Task::Score {
                        frontier: with_frontier,
                        loop_,
                        base,
                        ..
                    },
                    Task::Score {
                        frontier,
                        loop_: other_loop,
                        base: other_base,
                        ..
                    },
                ) => (with_frontier, loop_, base) == (frontier, other_loop, other_base),
                _ => false,
            }
    }
}

fn id(version: &Version, trace: &UnitTrace, task: &Task) -> String {
    let content = (version, &trace.name, &trace.digest, task);
    let content = serde_json::to_vec(&content).expect("it has only string keys");
    hex(&Sha256::digest(content)[..ID_BYTES])
}

/// What a policy has otherwise than the default one, as nested tables.
pub(super) fn differences(document: &PolicyDocument) -> Map<String, Value> {
    fn keep(of: Value, from: &Value) -> Option<Value> {
        match of {
            Value::Object(table) => {
                let rows = table.into_iter();
                let kept = rows.filter_map(|(name, value)| {
                    let kept = keep(value, &from[&name])?;
                    Some((name, kept))
                });
                let kept: Map<String, Value> = kept.collect();
                (!kept.is_empty()).then_some(Value::Object(kept))
            }
            value => (value != *from).then_some(value),
        }
    }
    match keep(document.to_json(), &PolicyDocument::default().to_json()) {
        Some(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

/// The policy that differs so from the default one.
///
/// # Errors
/// What keeps it from being a policy.
pub fn document(differences: &Map<String, Value>) -> Result<PolicyDocument, PolicyError> {
    let settings = serde_json::from_value::<Settings>(Value::Object(differences.clone()));
    let settings = settings.map_err(|error| PolicyError {
        line: None,
        field: None,
        problem: error.to_string(),
    })?;
    PolicyDocument::new(settings)
}

/// How the policies of a sweep are run.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Whether a policy sees what its discards free.
    pub loop_: Loop,
    /// Whether each is measured against the frontier.
    pub frontier: bool,
    /// What policies draw from that draw.
    pub seed: u64,
    /// The policy that is varied. The frontier spares its protected domains.
    pub base: PolicyDocument,
}

impl Conditions {
    /// The task of finding out the frontier.
    pub fn frontier_task(&self) -> Task {
        Task::Frontier {
            base: differences(&self.base),
        }
    }

    /// The task of a variant.
    pub fn variant_task(&self, space: &Space, variant: &Variant) -> Task {
        let names = space.dimensions().iter().map(|it| it.name().to_owned());
        let varied = names.zip(variant.values.iter().cloned()).collect();
        self.task(variant.label(space), Some(&variant.document), varied, true)
    }

    /// The task of a policy to compare variants with: our own under a document, or a baseline.
    pub fn reference_task(
        &self,
        space: &Space,
        name: &str,
        document: Option<&PolicyDocument>,
    ) -> Task {
        let names = space.dimensions().iter().map(|it| it.name().to_owned());
        let varied = names.map(|name| (name, Value::Null)).collect();
        self.task(name.to_owned(), document, varied, false)
    }

    fn task(
        &self,
        policy: String,
        document: Option<&PolicyDocument>,
        varied: Map<String, Value>,
        is_variant: bool,
    ) -> Task {
        Task::Score {
            policy,
            settings: document.map(differences),
            policy_hash: document.map(PolicyDocument::hash),
            varied,
            is_variant,
            frontier: self.frontier,
            loop_: self.loop_,
            seed: self.seed,
            base: differences(&self.base),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_what_differs_from_the_default_one() {
        for name in engine::PRESETS {
            let preset = PolicyDocument::preset(name).unwrap();
            let differences = differences(&preset);
            assert_eq!(differences.is_empty(), name == "default");
            assert_eq!(document(&differences), Ok(preset));
        }
    }

    #[test]
    fn an_id_follows_from_what_a_unit_says_and_not_from_where_its_trace_is() {
        let trace = |path: &str| UnitTrace {
            name: "one".to_owned(),
            path: path.to_owned(),
            digest: "00".to_owned(),
            lines: 1,
        };
        let task = Task::Frontier { base: Map::new() };
        let unit = Unit::new(trace("here"), task.clone());
        assert_eq!(unit.unit, Unit::new(trace("there"), task).unit);
        assert!(unit.is_whole());
        let mut other = unit.clone();
        other.trace.digest = "11".to_owned();
        assert!(!other.is_whole());
        let line = serde_json::to_string(&unit).unwrap();
        assert_eq!(serde_json::from_str::<Unit>(&line).unwrap(), unit);
    }
}
