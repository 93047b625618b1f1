//! What comes of a unit of work: a flat row of columns, the same for every reader.

use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::unit::{Task, Unit, Version};
use crate::replay::{Frontier, SCORES, Score};

/// A row of results: every column with its value, in order.
///
/// First which unit it is of, then what was varied, by the settings' paths, then the scores, then
/// what sums over traces are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// Makes the row of a unit; `None` where it is none that asks for a score.
    pub fn new(unit: &Unit, score: &Score) -> Option<Self> {
        let Task::Score {
            policy,
            policy_hash,
            varied,
            is_variant,
            ..
        } = &unit.task
        else {
            return None;
        };
        let Version { engine, sim, rows } = &unit.version;
        let mut cells: Vec<(String, Value)> = [
            ("unit", Value::from(&*unit.unit)),
            ("engine", Value::from(*engine)),
            ("sim", Value::from(&**sim)),
            ("rows", Value::from(*rows)),
            ("trace", Value::from(&*unit.trace.name)),
            ("trace_digest", Value::from(&*unit.trace.digest)),
            ("policy", Value::from(&**policy)),
            ("policy_hash", Value::from(policy_hash.clone())),
            ("is_variant", Value::from(*is_variant)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        cells.extend(varied.clone());
        let mut scores = serde_json::to_value(score).unwrap_or_default();
        let names = SCORES.iter().map(|score| score.name);
        let besides = [
            "early_returns",
            "samples",
            "withheld_share",
            "departed_saved_share",
        ];
        let named = (names.chain(besides)).map(|name| (name.to_owned(), scores[name].take()));
        cells.extend(named.collect::<Vec<_>>());
        let hours = |ms: i64| Value::from(ms as f64 / 3_600_000.0);
        cells.extend(
            [
                ("active_hours", hours(score.span.active_ms)),
                ("awake_hours", hours(score.span.awake_ms)),
                ("background_gib_h", Value::from(score.background_gib_h())),
                ("bounded_gib_h", Value::from(score.bounded_gib_h())),
                (
                    "never_pressure_medium_minutes",
                    Value::from(score.never.pressure_medium_minutes),
                ),
                (
                    "never_pressure_high_minutes",
                    Value::from(score.never.pressure_high_minutes),
                ),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        Some(Self(cells))
    }

    /// The columns.
    pub fn cells(&self) -> &[(String, Value)] {
        &self.0
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// What comes of a unit that asks for a frontier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontierRow {
    /// The unit.
    pub unit: String,
    /// The version of the engine, as in [`Version`].
    pub engine: u32,
    /// As in [`Version`].
    pub sim: String,
    /// As in [`Version`].
    pub rows: u32,
    /// What the trace is called.
    pub trace: String,
    /// The frontier, in byte-milliseconds of the active clock.
    pub frontier: Frontier,
}

impl FrontierRow {
    /// Makes the row of a unit.
    pub fn new(unit: &Unit, frontier: Frontier) -> Self {
        let Version { engine, sim, rows } = unit.version.clone();
        Self {
            unit: unit.unit.clone(),
            engine,
            sim,
            rows,
            trace: unit.trace.name.clone(),
            frontier,
        }
    }
}
