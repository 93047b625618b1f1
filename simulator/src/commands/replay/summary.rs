//! What came of a replay, and what it was made from: as JSON, and for people.

use std::path::Path;

use engine::{Level, Policy as _, SEMANTICS};
use recorder::{Origin, Trace};
use serde::Serialize;
use simulator::replay::Score;
use simulator::state::Before;

use super::score_in_words::{departure, list, time, write_scores};
use super::start::Start;
use crate::console::{Console, Safe, count, number};
use crate::reading::{Ending, shown};

/// What came of it, and what it was made from.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: Provenance<'a>,
    policy: PolicyName<'a>,
    /// The policies that decided before it, the first one first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    before: &'a [Before],
    /// The version of the engine's semantics that decided here.
    engine: u32,
    sim: &'static str,
    /// Absent where nothing is drawn at random.
    seed: Option<u64>,
    #[serde(flatten)]
    score: &'a Score,
}

#[derive(Serialize)]
struct Provenance<'a> {
    path: String,
    session: String,
    origin: Origin,
    engine: u32,
    #[serde(flatten)]
    end: &'a Ending,
}

#[derive(Serialize)]
pub(super) struct PolicyName<'a> {
    name: &'a str,
    /// The hash of its document; a baseline has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    /// What it would have to see and the trace cannot tell.
    not_observable: &'a [&'a str],
}

impl<'a> PolicyName<'a> {
    pub(super) fn of(start: &'a Start) -> Self {
        Self {
            name: &start.policy.name,
            hash: start.policy.hash.as_deref(),
            not_observable: start.replay.policy().not_observable(),
        }
    }
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        path: &Path,
        trace: &Trace,
        start: &'a Start,
        end: &'a Ending,
        score: &'a Score,
    ) -> Self {
        let header = trace.header();
        Self {
            type_name: "summary",
            trace: Provenance {
                path: path.display().to_string(),
                session: header.session.to_string(),
                origin: header.origin,
                engine: header.engine,
                end,
            },
            policy: PolicyName::of(start),
            before: &start.before,
            engine: SEMANTICS,
            sim: env!("CARGO_PKG_VERSION"),
            seed: start.policy.seed,
            score,
        }
    }
}

pub(super) fn write(summary: &Summary<'_>, console: &mut Console) -> anyhow::Result<()> {
    let Summary {
        trace,
        policy,
        before,
        score,
        ..
    } = summary;
    let mut row = |label: &str, text: String| console.line(format_args!("{label:<10}  {text}"));
    row("trace", shown(Path::new(&trace.path)))?;
    row(
        "",
        format!(
            "session {}, {}, digest {}",
            trace.session,
            count(trace.end.lines, "line"),
            trace.end.digest
        ),
    )?;
    row(
        "policy",
        format!(
            "{} ({}), engine {}, sim {}, {}",
            shown(Path::new(policy.name)),
            Safe(policy.hash.unwrap_or("baseline")),
            summary.engine,
            summary.sim,
            (summary.seed).map_or("no seed".to_owned(), |seed| format!("seed {seed}"))
        ),
    )?;
    for Before { until, policy } in *before {
        row(
            "before",
            format!(
                "{} ({}) up to seq {until}",
                shown(Path::new(&policy.name)),
                policy
                    .hash
                    .as_deref()
                    .map_or("baseline".to_owned(), |hash| Safe(hash).to_string()),
            ),
        )?;
    }
    for (index, what) in policy.not_observable.iter().enumerate() {
        let label = if index == 0 { "not seen" } else { "" };
        row(label, (*what).to_owned())?;
    }
    row("time", time(score))?;
    row(
        "decisions",
        format!(
            "{}: {} carried out, {} refused, {} without an outcome",
            number(score.decisions),
            number(score.discards),
            number(score.refused),
            number(score.unanswered)
        ),
    )?;
    if score.decisions > 0 {
        let levels = [Level::High, Level::Medium, Level::Low].into_iter();
        let by_level = levels.filter_map(|level| Some((level, *score.by_level.get(&level)?)));
        row("", format!("by level: {}", list(by_level)))?;
        row("", format!("by reason: {}", list(&score.by_reason)))?;
    }
    write_scores(score, &mut row)?;
    row("recording", departure(score))?;
    row(
        "",
        format!(
            "{} of the recorded policy's making taken out, {} of tabs that are discarded here",
            count(score.taken_out, "event"),
            number(score.impossible)
        ),
    )
}
