//! `sim anonymize`: a copy of a trace that can be given away.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;
use simulator::anonymize::{Anonymizer, BYTES_GRID, Plan, Survey, TREATMENT};

use crate::args::glossary::described;
use crate::args::output::OptionalOutputArgs;
use crate::console::{Console, bytes, number, span};
use crate::outcome::Outcome;
use crate::reading::{Show, open, read, shown};
use crate::writing::{self, NewTrace, Written};

/// Make a copy of a trace that can be given away
///
/// Without --output it only shows what would leave. With it, it shows the same on stderr and writes
/// the copy. No host of the original stands in the copy, and the key is kept nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim anonymize traces/recorded/enforce
  sim anonymize traces/recorded/enforce --output to-publish", after_long_help = anonymize_help())]
pub(crate) struct AnonymizeArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    #[command(flatten)]
    pub(crate) output: OptionalOutputArgs,
    /// Let hosts that were in front less often than this share one name
    #[arg(long, value_name = "VISITS", default_value_t = 3)]
    pub(crate) pool_below: u64,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn anonymize_help() -> String {
    let mut text = "What becomes of what:\n".to_owned();
    for (fact, becomes) in TREATMENT {
        text += &described(fact, becomes);
    }
    text + "\n\
Examples:
  sim anonymize traces/recorded/enforce
  sim anonymize traces/recorded/enforce --output to-publish"
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    #[serde(flatten)]
    plan: &'a Plan,
    written: Option<&'a Written>,
}

pub(crate) fn run(args: &AnonymizeArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let trace = open(&args.trace)?;
    let mut survey = Survey::default();
    read(&trace, Show::Progress, console, |line, _| {
        survey.take(line);
        Ok(ControlFlow::Continue(()))
    })?;
    let plan = survey.finish(args.pool_below);
    let preview = preview(&plan);
    let mut written = None;
    if let Some(output) = args.output.given() {
        for line in &preview {
            console.note(line);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).context("the system gives no random key")?;
        let mut anonymizer = Anonymizer::new(&plan, key);
        let opening = anonymizer.opening(trace.header());
        let begin_ms = anonymizer.begin_ms();
        let mut made = NewTrace::begin(&output, &opening, begin_ms)?;
        read(&trace, Show::Progress, console, |line, _| {
            if let Some(piece) = anonymizer.take(line.clone()) {
                made.append(piece)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        written = Some(made.finish()?);
    }
    if args.json {
        console.json(&Report {
            trace: args.trace.display().to_string(),
            plan: &plan,
            written: written.as_ref(),
        })?;
        return Ok(Outcome::Yes);
    }
    match &written {
        Some(written) => writing::tell(written, false, console)?,
        None => {
            console.line(format_args!("{}: what would leave", shown(&args.trace)))?;
            for line in &preview {
                console.line(format_args!("  {line}"))?;
            }
            console.note("nothing was written; name a folder with --output to write the copy");
        }
    }
    Ok(Outcome::Yes)
}

/// What leaves, for people.
fn preview(plan: &Plan) -> Vec<String> {
    let mut lines = vec![
        format!("{} lines over {}", number(plan.lines), span(plan.span_ms)),
        format!(
            "{} hosts: {} get a name of their own such as 3fa9c0d2b1e45678.invalid, {} were in \
             front less than {} times and share one",
            number(plan.hosts),
            number(plan.hosts_named),
            number(plan.hosts_pooled),
            number(plan.pool_below),
        ),
        format!(
            "times on another day, to {}; memory of tabs to {}",
            span(plan.time_grid_ms),
            bytes(BYTES_GRID)
        ),
    ];
    if let (Some(from), Some(to)) = (plan.ram_total, plan.ram_total_told) {
        lines.push(format!(
            "a machine of {} is told as one of {}",
            bytes(from),
            bytes(to)
        ));
    }
    for (fact, becomes) in TREATMENT {
        lines.push(format!("{fact}: {becomes}"));
    }
    lines
}
