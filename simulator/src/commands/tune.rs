//! `sim tune`: which settings are better on these traces, and can that be trusted?

mod args;
mod bench;
mod found;
mod judge;
mod policy_file;
mod search;
mod task;
mod text;
mod verdict;

use std::fs;

use anyhow::{Context as _, bail};
use simulator::tune::{Split, SplitKind, split};

use crate::commands::refuse_beside;
use crate::commands::sweep::Workshop;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::policy::NamedPolicy;
use crate::reading::shown;
use crate::writing::write_whole;

use bench::Bench;
use judge::judge;
use search::{Chosen, Searched, search};
use task::Task;

pub(super) use args::TuneArgs;
pub(super) use found::{Changed, Judged, Member, Sensitivity, SplitTold, TUNED, TraceTold, Tuned};
pub(super) use text::lead;

/// What the tuned policy is always held against.
#[derive(Clone, Copy)]
struct HeldAgainst<T> {
    base: T,
    original: T,
}

pub(crate) fn run(args: &TuneArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let task = Task::resolve(args)?;
    refuse_beside(&args.output, &["units.jsonl", "results.jsonl"], "a sweep")?;
    let threads = args.threads.unwrap_or_default().0;
    let workshop = Workshop::new(args.cache, console);
    let mut bench = Bench::open(
        &args.traces,
        &args.person,
        args.windows,
        threads,
        workshop,
        console,
    )?;
    let splits = split(bench.people.len(), args.folds, args.windows, task.seed)?;
    let base = bench
        .cells(std::slice::from_ref(&task.base.entrant()))?
        .remove(0);
    base.check()?;
    if let Some(limit) = task.limits.max_high_minutes_per_awake_hour
        && base.sum(&whole(&splits)?.training).sums().sampled_hours == 0.0
    {
        bail!(
            "--max-high-minutes-per-hour {limit}: no trace has samples of memory, so nobody knows \
             how long the pressure was HIGH"
        );
    }
    let others = std::iter::once(&task.original).chain(&task.others);
    let others: Vec<_> = others.map(NamedPolicy::entrant).collect();
    let mut others = bench.cells(&others)?;
    let original = others.remove(0);
    let against = HeldAgainst {
        base: &base,
        original: &original,
    };

    let mut searches = Vec::new();
    for (split, number) in splits.iter().zip(1..) {
        let about = format!("search {number} of {}", splits.len());
        // What was chosen elsewhere may have seen what is held out here.
        let known: Vec<Chosen> = match split.kind {
            SplitKind::Whole => (searches.iter())
                .filter_map(|it: &Searched| it.chosen.clone())
                .collect(),
            SplitKind::ByPerson | SplitKind::WalkForward => Vec::new(),
        };
        searches.push(search(&task, split, &known, against, &mut bench, &about)?);
    }
    let tuned = judge(&task, &splits, &searches, against, &others, &mut bench)?;

    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make {}", shown(&args.output)))?;
    let mut json = serde_json::to_string(&tuned)?;
    json.push('\n');
    write_whole(&args.output.join("tune.json"), json.as_bytes())?;
    let policy_file = args.output.join("policy.toml");
    match searches
        .last()
        .and_then(|it| it.chosen.as_ref())
        .filter(|_| tuned.recommended)
    {
        Some(chosen) => {
            let text = policy_file::written(&chosen.variant.document, &tuned);
            write_whole(&policy_file, text.as_bytes())?;
        }
        // One of a run before would be taken for this one's.
        None if policy_file.exists() => fs::remove_file(&policy_file)?,
        None => {}
    }
    if args.json {
        console.json(&tuned)?;
    } else {
        text::write(&tuned, &args.output, console)?;
    }
    Ok(match tuned.recommended {
        true => Outcome::Yes,
        false => Outcome::No,
    })
}

/// The last split, which holds nothing out.
fn whole(splits: &[Split]) -> anyhow::Result<&Split> {
    splits.last().context("the last split is the whole")
}
