//! `sim check`: is anything odd in a trace?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use recorder::{ReadError, Trace};
use serde::Serialize;
use simulator::check::{Check, Finding};

use super::each_trace;
use crate::console::{Console, Safe, count, number};
use crate::named_traces::named_traces;
use crate::outcome::Outcome;
use crate::reading::{Ending, Show, read_with, shown};

/// Look for what is odd in a trace
///
/// Reads the whole trace, checks its form, its seqs, checkpoints and seals, and looks for things
/// that cannot have happened (events about tabs that are not open, a tab opened twice), for text
/// that no trace may hold (addresses, titles, ports, users), for times that do not fit, and for
/// types and fields that this version does not know. Exits with 1 where something was found, and
/// with 3 where the trace is damaged: then «sim recover» tells what is left of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim check traces/recorded/enforce
  sim check --json traces/recorded/enforce | jq .findings")]
pub(crate) struct CheckArgs {
    /// Traces to check: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &CheckArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    each_trace(
        named_traces(&args.traces, console),
        console,
        |path, trace, console| check(path, trace, args.json, console),
    )
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    verdict: &'static str,
    damage: Option<String>,
    findings: &'a [Finding],
    end: Option<&'a Ending>,
}

fn check(
    path: &Path,
    trace: anyhow::Result<Trace>,
    json: bool,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let mut check = Check::default();
    let read = trace.and_then(|trace| {
        read_with(&trace, Show::Progress, console, |line, reader, _| {
            check.take(line, reader.text().unwrap_or_default());
            Ok(ControlFlow::Continue(()))
        })
    });
    let (end, damage) = match read {
        Ok(end) => (Some(end), None),
        Err(error) => match error.downcast_ref::<ReadError>() {
            Some(damage) if damage.is_corruption() => (None, Some(error)),
            _ => return Err(error),
        },
    };
    let findings = check.finish();
    let (outcome, verdict) = match (&damage, findings.is_empty()) {
        (Some(_), _) => (Outcome::Damaged, "damaged"),
        (None, true) => (Outcome::Yes, "in_order"),
        (None, false) => (Outcome::No, "odd"),
    };
    if json {
        console.json(&Report {
            trace: path.display().to_string(),
            verdict,
            damage: damage.map(|it| it.to_string()),
            findings: &findings,
            end: end.as_ref(),
        })?;
        return Ok(outcome);
    }
    match &end {
        Some(end) => console.line(format_args!(
            "{}: {}, {}",
            shown(path),
            count(end.lines, "line"),
            if findings.is_empty() {
                "nothing odd".to_owned()
            } else {
                count(findings.len() as u64, "kind") + " of odd things"
            }
        ))?,
        None => console.line(format_args!("{}: damaged", shown(path)))?,
    }
    for finding in &findings {
        console.line(format_args!(
            "  {:>6}  {}",
            number(finding.count),
            finding.kind.about()
        ))?;
        for place in &finding.first {
            console.line(format_args!(
                "          seq {}, {}: {}",
                place.seq,
                Safe(&place.type_name),
                Safe(&place.what)
            ))?;
        }
    }
    if let Some(damage) = damage {
        console.error(&damage);
    }
    Ok(outcome)
}
