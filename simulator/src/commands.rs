//! The verbs, one file each, with what it may be told.

mod anonymize;
mod check;
mod compare;
mod convert;
mod cut;
mod diff;
mod explain;
mod import;
mod info;
mod merge;
mod recover;
mod replay;
mod report;
mod snapshot;
mod stats;
mod sweep;
mod synth;
mod tune;
mod verify;

use std::path::Path;

use anyhow::bail;
use clap::Subcommand;
use engine::SEMANTICS;
use recorder::{Origin, Trace};

use crate::console::Console;
use crate::named_traces::NamedTrace;
use crate::outcome::{Outcome, is_broken_pipe};
use crate::reading::shown;

pub(crate) use report::DamagedSource;
pub(crate) use sweep::DamagedRows;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(verify::VerifyArgs),
    Info(info::InfoArgs),
    Replay(replay::ReplayArgs),
    Compare(compare::CompareArgs),
    Diff(diff::DiffArgs),
    Snapshot(snapshot::SnapshotArgs),
    Explain(explain::ExplainArgs),
    Check(check::CheckArgs),
    Cut(cut::CutArgs),
    Merge(merge::MergeArgs),
    Recover(recover::RecoverArgs),
    Anonymize(anonymize::AnonymizeArgs),
    Import(import::ImportArgs),
    Stats(stats::StatsArgs),
    Convert(convert::ConvertArgs),
    Synth(synth::SynthArgs),
    Sweep(sweep::SweepArgs),
    Tune(tune::TuneArgs),
    Report(report::ReportArgs),
}

/// Runs a verb.
pub(crate) fn run(command: Command, console: &mut Console) -> anyhow::Result<Outcome> {
    match command {
        Command::Verify(args) => verify::run(&args, console),
        Command::Info(args) => info::run(&args, console),
        Command::Replay(args) => replay::run(args, console),
        Command::Compare(args) => compare::run(args, console),
        Command::Import(args) => import::run(args, console),
        Command::Diff(args) => diff::run(args, console),
        Command::Snapshot(args) => snapshot::run(args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Check(args) => check::run(&args, console),
        Command::Cut(args) => cut::run(args, console),
        Command::Merge(args) => merge::run(&args, console),
        Command::Recover(args) => recover::run(&args, console),
        Command::Anonymize(args) => anonymize::run(&args, console),
        Command::Stats(args) => stats::run(&args, console),
        Command::Convert(args) => convert::run(&args, console),
        Command::Sweep(args) => sweep::run(args, console),
        Command::Tune(args) => tune::run(&args, console),
        Command::Synth(args) => synth::run(&args, console),
        Command::Report(args) => report::run(&args, console),
    }
}

/// Does the same with each trace. One that fails is told, and the others go on; the worst outcome
/// counts.
fn each_trace(
    traces: Vec<NamedTrace>,
    console: &mut Console,
    mut run: impl FnMut(&Path, anyhow::Result<Trace>, &mut Console) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    each(traces, console, |NamedTrace { path, trace }, console| {
        run(&path, trace, console)
    })
}

/// The same with each of anything.
fn each<T>(
    all: Vec<T>,
    console: &mut Console,
    mut run: impl FnMut(T, &mut Console) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let mut worst = Outcome::Yes;
    for one in all {
        let outcome = match run(one, console) {
            Ok(outcome) => outcome,
            Err(error) if is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                console.error(&error);
                Outcome::of_error(&error)
            }
        };
        worst = worst.max(outcome);
    }
    Ok(worst)
}

/// Refuses a folder for results in which those of another command stand: nobody could tell which are
/// meant.
fn refuse_beside(out: &Path, files: &[&str], whose: &str) -> anyhow::Result<()> {
    if let Some(file) = files.iter().find(|file| out.join(file).exists()) {
        bail!(
            "{}: found {file}, which is {whose}'s; give a tuning and a sweep a folder each",
            shown(out)
        );
    }
    Ok(())
}

/// Tells what a trace leaves open that a score should say. `is_sampled` is whether it has a sample of
/// the machine.
fn note_what_is_not_scored(path: &Path, trace: &Trace, is_sampled: bool, console: &mut Console) {
    let path = shown(path);
    if !is_sampled {
        console.note_of_many(
            format_args!("{path}: there is no sample of the machine in it"),
            "what was saved under pressure, the minutes of pressure and the most memory in use are \
             not scored, and policies that wait for pressure decide nothing; `gate = \"always\"` \
             lets ours act without",
        );
    }
    let engine = trace.header().engine;
    if engine != SEMANTICS && trace.header().origin != Origin::Synthetic {
        console.note(format_args!(
            "{path}: it was recorded by version {engine} of the engine, and is replayed by version \
             {SEMANTICS}: decisions of the recording's own policy may differ"
        ));
    }
}
