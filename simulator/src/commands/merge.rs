//! `sim merge`: traces of one person as one.

use std::ops::ControlFlow;

use anyhow::{Context as _, bail};
use simulator::derivation::opening;
use simulator::merge::Merge;

use crate::args::MergeArgs;
use crate::console::Console;
use crate::named_traces::open_all;
use crate::outcome::Outcome;
use crate::reading::{Show, read, shown};
use crate::writing;

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
    let mut derivation = writing::create(
        &args.output.output,
        args.output.compress,
        &opening,
        *begin_ms,
    )?;
    let mut merge = Merge::default();
    for (t_ms, path, trace) in &traces {
        derivation.begin_source();
        for piece in merge
            .begin(trace.header(), *t_ms)
            .with_context(|| format!("{} cannot follow", shown(path)))?
        {
            derivation.append(piece)?;
        }
        read(trace, Show::Progress, console, |line, _| {
            let piece = merge
                .take(line.clone())
                .with_context(|| format!("{} cannot follow", shown(path)))?;
            derivation.append(piece)?;
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let written = writing::finish(derivation)?;
    writing::tell(&written, args.json, console)?;
    Ok(Outcome::Yes)
}
