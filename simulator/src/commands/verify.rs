//! `sim verify`: are the recorded decisions the engine's own?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use recorder::Trace;
use serde::Serialize;
use simulator::verify::{Count, Difference, Obstacle, Parity, Verification};

use super::each_trace;
use crate::console::{Console, Safe, count, date, number};
use crate::named_traces::named_traces;
use crate::outcome::Outcome;
use crate::reading::{Ending, Show, read, shown};

/// Check that the engine makes the recorded decisions from the recorded inputs
///
/// Feeds the recorded inputs to a fresh engine and compares every decision and every change of
/// pressure with the recorded one, field by field, and the engine's state at every checkpoint.
/// Exits with 1 and names the first difference if there is one, and with 2 where there is nothing
/// to compare: a trace that was not recorded live, one of another version of the engine, or one that
/// is too short to hold a decision, a change of pressure or a checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim verify traces/recorded/enforce
  sim verify --json ~/.local/state/tab-orchestrator/traces")]
pub(crate) struct VerifyArgs {
    /// Traces to verify: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &VerifyArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    each_trace(
        named_traces(&args.traces, console),
        console,
        |path, trace, console| verify(path, &trace?, args.json, console),
    )
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    session: String,
    engine: u32,
    verdict: &'static str,
    obstacle: Option<Obstacle>,
    #[serde(flatten)]
    parity: Option<&'a Parity>,
    end: Option<&'a Ending>,
}

fn verify(
    path: &Path,
    trace: &Trace,
    json: bool,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let header = trace.header();
    let mut report = Report {
        trace: path.display().to_string(),
        session: header.session.to_string(),
        engine: header.engine,
        verdict: "not_comparable",
        obstacle: None,
        parity: None,
        end: None,
    };
    if let Err(obstacle) = Verification::check(header) {
        return write_obstacle(path, report, obstacle, json, console);
    }
    let mut verification = Verification::new();
    let end = read(trace, Show::Progress, console, |line, _| {
        verification.take(line);
        Ok(ControlFlow::Continue(()))
    })?;
    let parity = verification.finish(end.is_sealed);
    if parity.compared() == 0 {
        report.end = Some(&end);
        return write_obstacle(path, report, Obstacle::NothingRecorded, json, console);
    }
    let outcome = if parity.is_equal() {
        Outcome::Yes
    } else {
        Outcome::No
    };
    if json {
        report.verdict = if parity.is_equal() {
            "equal"
        } else {
            "different"
        };
        report.parity = Some(&parity);
        report.end = Some(&end);
        console.json(&report)?;
    } else {
        write(path, &parity, console)?;
    }
    Ok(outcome)
}

fn write_obstacle(
    path: &Path,
    mut report: Report<'_>,
    obstacle: Obstacle,
    json: bool,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    if json {
        report.obstacle = Some(obstacle);
        console.json(&report)?;
    } else {
        console.line(format_args!("{}: {obstacle}", shown(path)))?;
    }
    Ok(Outcome::NotAnswered)
}

fn write(path: &Path, parity: &Parity, console: &mut Console) -> anyhow::Result<()> {
    let equal = |count: Count, what: &str| {
        format!(
            "{} of {} {what} equal",
            number(count.equal),
            number(count.of)
        )
    };
    console.line(format_args!(
        "{}: {}, {}, {}",
        shown(path),
        equal(parity.decisions, "decisions"),
        equal(parity.pressure_changes, "pressure changes"),
        equal(parity.checkpoints, "checkpoints"),
    ))?;
    if parity.not_written > 0 {
        console.note(format_args!(
            "the log ends before {} of the last input were written",
            count(parity.not_written, "output")
        ));
    }
    match &parity.first_difference {
        Some(difference) => write_difference(difference, console),
        None => Ok(()),
    }
}

fn write_difference(difference: &Difference, console: &mut Console) -> anyhow::Result<()> {
    let side = |side: &Option<serde_json::Value>| match side {
        Some(value) => Safe(&value.to_string()).to_string(),
        None => "nothing".to_owned(),
    };
    console.line(format_args!(
        "  first difference at seq {}: {}",
        difference.seq, difference.what
    ))?;
    if let Some(input) = &difference.last_input {
        let (seq, type_name, date) = (input.seq, &input.type_name, date(input.t_ms));
        console.line(format_args!(
            "    last input  seq {seq}, {type_name}, {date}"
        ))?;
    }
    console.line(format_args!(
        "    recorded    {}",
        side(&difference.recorded)
    ))?;
    console.line(format_args!(
        "    computed    {}",
        side(&difference.computed)
    ))?;
    let fields = difference.fields();
    if !fields.is_empty() {
        console.line(format_args!("    differs in  {}", fields.join(", ")))?;
    }
    Ok(())
}
