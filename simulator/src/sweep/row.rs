//! What comes of a unit of work: a flat row of columns, the same for every reader.

use std::fmt::{self, Write as _};

use engine::{SETTINGS, Takes};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::unit::{Task, Unit, Version};
use crate::replay::{Definition, Frontier, SCORES, Score};

/// What a column holds. Any may be null, where there is no such value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// A number without a fraction.
    Count,
    /// A number.
    Number,
    /// Yes or no.
    Switch,
}

impl fmt::Display for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Count => "whole number",
            Self::Number => "number",
            Self::Switch => "switch",
        })
    }
}

/// A column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
}

/// The columns that say which unit a row is of.
const LABELS: [(&str, Holds, &str); 9] = [
    ("unit", Holds::Text, "the id of the unit of work"),
    (
        "engine",
        Holds::Count,
        "the version of the engine's semantics",
    ),
    ("sim", Holds::Text, "the version of the program"),
    ("rows", Holds::Count, "the version of what a row says"),
    (
        "trace",
        Holds::Text,
        "what the trace is called: its file or folder, without the ending",
    ),
    ("trace_digest", Holds::Text, "a hash of the trace's lines"),
    (
        "policy",
        Holds::Text,
        "what the policy is called; a variant, by what was varied",
    ),
    (
        "policy_hash",
        Holds::Text,
        "the hash of our own policy's document; null for a baseline",
    ),
    (
        "is_variant",
        Holds::Switch,
        "whether it is a variant, or stands beside them to compare",
    ),
];

/// The columns behind the scores: what else a replay tells, and what sums over traces are made of.
const BESIDES: [(&str, Holds, &str); 11] = [
    (
        "early_returns",
        Holds::Count,
        "reloads within 10 minutes of the user's own time",
    ),
    (
        "samples",
        Holds::Count,
        "samples of the machine in the trace",
    ),
    (
        "withheld_share",
        Holds::Number,
        "the share of samples whose stall time and swap were withheld",
    ),
    (
        "departed_saved_share",
        Holds::Number,
        "the share of what was saved that comes after the first decision that was not recorded",
    ),
    ("active_hours", Holds::Number, "how long the user was there"),
    (
        "awake_hours",
        Holds::Number,
        "how long the machine was awake",
    ),
    (
        "sampled_hours",
        Holds::Number,
        "how long of that since its memory was first sampled",
    ),
    (
        "background_gib_h",
        Holds::Number,
        "what `saved_share` is a share of",
    ),
    (
        "bounded_gib_h",
        Holds::Number,
        "what of `saved_gib_h` the frontier bounds; 0 without the frontier",
    ),
    (
        "never_pressure_medium_minutes",
        Holds::Number,
        "awake time at MEDIUM had no policy discarded anything",
    ),
    (
        "never_pressure_high_minutes",
        Holds::Number,
        "the same at HIGH",
    ),
];

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
        let labels = [
            Value::from(&*unit.unit),
            Value::from(*engine),
            Value::from(&**sim),
            Value::from(*rows),
            Value::from(&*unit.trace.name),
            Value::from(&*unit.trace.digest),
            Value::from(&**policy),
            Value::from(policy_hash.clone()),
            Value::from(*is_variant),
        ];
        let hours = |ms: i64| Value::from(ms as f64 / 3_600_000.0);
        let mut scores = serde_json::to_value(score).unwrap_or_default();
        let named = SCORES.iter().map(|it| (it.name, scores[it.name].take()));
        let named: Vec<(&str, Value)> = named.collect();
        let besides = [
            Value::from(score.early_returns),
            Value::from(score.samples),
            Value::from(score.withheld_share),
            Value::from(score.departed_saved_share),
            hours(score.span.active_ms),
            hours(score.span.awake_ms),
            hours(score.sampled_ms()),
            Value::from(score.background_gib_h()),
            Value::from(score.bounded_gib_h()),
            Value::from(score.never.pressure_medium_minutes),
            Value::from(score.never.pressure_high_minutes),
        ];
        let names = |table: &[(&'static str, Holds, &str)]| -> Vec<&str> {
            table.iter().map(|&(name, ..)| name).collect()
        };
        let labels = names(&LABELS).into_iter().zip(labels);
        let besides = names(&BESIDES).into_iter().zip(besides);
        let varied = varied.iter().map(|(name, value)| (&**name, value.clone()));
        let cells = labels.chain(varied).chain(named).chain(besides);
        Some(Self(
            cells
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ))
    }

    /// The columns of every row in which these settings are varied, given by their paths.
    pub fn columns<'a>(varied: impl Iterator<Item = &'a str>) -> Vec<Column> {
        let column = |name: &str, holds| Column {
            name: name.to_owned(),
            holds,
        };
        let scores = SCORES.iter().map(|it| column(it.name, holds_score(it)));
        let labels = LABELS.iter().map(|&(name, holds, _)| column(name, holds));
        let varied = varied.map(|name| column(name, held_by(name)));
        let besides = BESIDES.iter().map(|&(name, holds, _)| column(name, holds));
        labels.chain(varied).chain(scores).chain(besides).collect()
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

/// What the column of a score holds.
fn holds_score(score: &Definition) -> Holds {
    if score.is_whole {
        Holds::Count
    } else {
        Holds::Number
    }
}

/// What the column of a setting holds.
fn held_by(path: &str) -> Holds {
    let setting = SETTINGS.iter().find(|setting| setting.path == path);
    match setting.map(|setting| setting.takes) {
        Some(Takes::Number { .. }) => Holds::Number,
        Some(Takes::Switch) => Holds::Switch,
        Some(Takes::Choice { .. } | Takes::Domains) | None => Holds::Text,
    }
}

/// Writes the table of columns, in Markdown: what `SWEEP.md` holds.
pub fn columns_table() -> String {
    let mut text = "| column | holds | meaning |\n|---|---|---|\n".to_owned();
    let mut line = |name: &str, holds: &str, about: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {name} | {holds} | {about} |");
    };
    for (name, holds, about) in LABELS {
        line(&format!("`{name}`"), &holds.to_string(), about);
    }
    line(
        "the varied settings, by their paths, sorted",
        "number, switch or text",
        "the value; null where it is off, and in policies that are no variant",
    );
    for score in SCORES {
        let holds = holds_score(score).to_string();
        let about = format!("{}: see [SCORES.md](SCORES.md)", score.unit);
        line(&format!("`{}`", score.name), &holds, &about);
    }
    for (name, holds, about) in BESIDES {
        line(&format!("`{name}`"), &holds.to_string(), about);
    }
    text
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
