//! `sim merge`: traces of one person as one.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use simulator::derivation::opening;
use simulator::merge::Merge;

use crate::args::output::OutputArgs;
use crate::console::Console;
use crate::named_traces::open_all;
use crate::outcome::Outcome;
use crate::reading::{Show, read, shown};
use crate::writing::{self, NewTrace};

/// Put traces of one person into one, one after another
///
/// They must not overlap; they are taken in the order of time. Ids of tabs, windows and groups in
/// the first trace stay; those of each later one are moved up by the lowest multiple of 2^32 that is
/// above all ids before it. Between two traces everything is closed, and the time is told as sleep,
/// so that it ages nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim merge monday tuesday wednesday --output week")]
pub(crate) struct MergeArgs {
    /// The traces: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Write one JSON object about what was written
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &MergeArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let traces = open_all(&args.traces, console)?.into_iter();
    let mut traces: Vec<_> = traces
        .map(|(path, trace)| (trace.segments()[0].opened_t_ms, path, trace))
        .collect();
    if let [(_, path, _)] = &traces[..] {
        bail!("found one trace, {}, expected two or more", shown(path));
    }
    traces.sort_by_key(|(t_ms, _, trace)| (*t_ms, trace.header().session));
    let sessions: Vec<String> = traces
        .iter()
        .map(|(_, _, trace)| trace.header().session.to_string())
        .collect();
    let (begin_ms, _, first) = &traces[0];
    let opening = opening(
        first.header(),
        *begin_ms,
        &format!("merged with {}", sessions[1..].join(", ")),
    );
    let mut made = NewTrace::begin(&args.output, &opening, *begin_ms)?;
    let mut merge = Merge::default();
    for (t_ms, path, trace) in &traces {
        made.begin_source();
        for piece in merge
            .begin(trace.header(), *t_ms)
            .with_context(|| format!("{} cannot follow", shown(path)))?
        {
            made.append(piece)?;
        }
        read(trace, Show::Progress, console, |line, _| {
            let piece = merge
                .take(line.clone())
                .with_context(|| format!("{} cannot follow", shown(path)))?;
            made.append(piece)?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let written = made.finish()?;
    writing::tell(&written, args.json, console)?;
    Ok(Outcome::Yes)
}
