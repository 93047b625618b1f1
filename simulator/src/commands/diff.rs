//! `sim diff`: where do two policies decide differently, and why?

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use engine::SEMANTICS;
use recorder::Trace;
use serde::Serialize;
use simulator::difference::{Answer, CAUSES, Cause, Diff, Difference, Differences, Group};
use simulator::replay::{AnyReplay, Score, Side};
use simulator::state::PolicyLabel;

use super::{each_trace, note_what_is_not_scored};
use crate::args::glossary::described;
use crate::console::{Console, Safe, count, cut, date, number, span};
use crate::named_traces::{Distinct, named_traces};
use crate::outcome::Outcome;
use crate::policy::{self, NamedPolicy};
use crate::reading::{Ending, Show, read, shown};

/// Show where two policies decide differently, and why
///
/// Runs both over each trace side by side. A decision differs where one policy discards a tab and
/// the other leaves it loaded, or discards it only later in the same absence. Such decisions are
/// grouped by why the other one did not discard the tab at that moment, each group with what was
/// saved and the reloads that the other did without. Several traces are told one by one, then
/// pooled. A decision that was refused, in the recording or here, discards nothing and does not
/// count. Like diff(1) it exits with 0 where all decisions are the same and with 1 where some
/// differ.
#[derive(Debug, clap::Args)]
#[command(after_help = DIFF_EXAMPLES, after_long_help = diff_help())]
pub(crate) struct DiffArgs {
    /// Traces to run both policies over: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// The policy to compare with, as `sim replay` knows it
    #[arg(long, value_name = "FILE|NAME", default_value = "default")]
    pub(crate) base: String,
    /// The policy to compare
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) with: String,
    /// What the policy «random» draws from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// List every decision that differs
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Write JSON Lines: with --all an object for each decision, then one for each trace
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave samples of memory as recorded, whatever a policy frees
    #[arg(long)]
    pub(crate) open_loop: bool,
}

const DIFF_EXAMPLES: &str = "\
Examples:
  sim diff traces/recorded/enforce --base default --with gentle
  sim diff traces/recorded/* --with ttl-15 --all
  sim diff traces/recorded/* --base original-2026 --with my-policy.toml --json";

/// The causes and the examples.
fn diff_help() -> String {
    let mut text = "\
Causes, as they are called in JSON: what keeps the other policy from discarding the tab at that
moment. The first that holds counts. A baseline cannot explain itself: of it are told the hard
guards of ours that hold in its world, whether it heeds them or not.
"
    .to_owned();
    for (_, name, about) in CAUSES {
        text += &described(name, about);
    }
    text + "\n" + DIFF_EXAMPLES
}

/// Everything that the command line says, resolved.
struct Plan {
    traces: Vec<PathBuf>,
    base: NamedPolicy,
    with: NamedPolicy,
    all: bool,
    json: bool,
    open_loop: bool,
}

impl Plan {
    fn resolve(args: DiffArgs) -> anyhow::Result<Self> {
        Ok(Self {
            traces: args.traces,
            base: policy::find(&args.base, args.seed)?,
            with: policy::find(&args.with, args.seed)?,
            all: args.all,
            json: args.json,
            open_loop: args.open_loop,
        })
    }

    fn policy(&self, side: Side) -> &NamedPolicy {
        match side {
            Side::Base => &self.base,
            Side::With => &self.with,
        }
    }

    /// What a policy is called, for people.
    fn name(&self, side: Side) -> String {
        Safe(&self.policy(side).name).to_string()
    }

    fn replay(&self, side: Side) -> AnyReplay {
        let replay = self.policy(side).replay();
        if self.open_loop {
            replay.open_loop()
        } else {
            replay
        }
    }
}

pub(crate) fn run(args: DiffArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let plan = Plan::resolve(args)?;
    let mut pooled = Differences::default();
    let mut traces = 0;
    let mut distinct = Distinct::default();
    let named = named_traces(&plan.traces, console);
    let outcome = each_trace(named, console, |path, trace, console| {
        let answer = diff(path, &trace?, &plan, &mut distinct, console)?;
        traces += 1;
        pooled.pool(&answer.differences);
        Ok(if answer.differences.count() == 0 {
            Outcome::Yes
        } else {
            Outcome::No
        })
    })?;
    if traces > 1 {
        if plan.json {
            console.json(&PooledLine {
                type_name: "pooled",
                traces,
                base: plan.base.label(),
                with: plan.with.label(),
                found: Found::of(&pooled),
            })?;
        } else {
            console.line("")?;
            console.line(format_args!("pooled      {}", count(traces, "trace")))?;
            write_differences(&pooled, &plan, console)?;
        }
    }
    Ok(outcome)
}

fn diff(
    path: &Path,
    trace: &Trace,
    plan: &Plan,
    distinct: &mut Distinct,
    console: &mut Console,
) -> anyhow::Result<Answer> {
    let mut diff = Diff::new(plan.replay(Side::Base), plan.replay(Side::With));
    let end = read(trace, Show::Progress, console, |line, _| {
        diff.take(line);
        Ok(ControlFlow::Continue(()))
    })?;
    distinct.take(path, &end.digest)?;
    let answer = diff.finish();
    note_what_is_not_scored(path, trace, answer.scores[0].samples > 0, console);
    if plan.json {
        write_json(path, trace, plan, &end, &answer, console)?;
    } else {
        write(path, trace, plan, &end, &answer, console)?;
    }
    Ok(answer)
}

/// A decision that differs, as JSON.
#[derive(Serialize)]
struct DifferenceLine<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: &'a str,
    #[serde(flatten)]
    difference: &'a Difference,
}

/// A trace as JSON.
#[derive(Serialize)]
struct TraceLine<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: Provenance<'a>,
    base: PolicyLabel,
    with: PolicyLabel,
    engine: u32,
    sim: &'static str,
    #[serde(flatten)]
    found: Found,
    scores: Scores,
}

/// Several traces as JSON.
#[derive(Serialize)]
struct PooledLine {
    #[serde(rename = "type")]
    type_name: &'static str,
    traces: u64,
    base: PolicyLabel,
    with: PolicyLabel,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
struct Provenance<'a> {
    path: String,
    session: String,
    #[serde(flatten)]
    end: &'a Ending,
}

/// What the two sides came to, each on its own.
#[derive(Serialize)]
struct Scores {
    base: Brief,
    with: Brief,
}

#[derive(Serialize)]
struct Brief {
    discards: u64,
    saved_gib_h: f64,
    reloads: u64,
    early_return_rate: Option<f64>,
}

impl Brief {
    fn of(score: &Score) -> Self {
        Self {
            discards: score.discards,
            saved_gib_h: score.saved_gib_h,
            reloads: score.reloads,
            early_return_rate: score.early_return_rate,
        }
    }
}

#[derive(Serialize)]
struct Found {
    same: u64,
    different: u64,
    groups: Vec<GroupLine>,
}

#[derive(Serialize)]
struct GroupLine {
    by: Side,
    cause: Cause,
    about: &'static str,
    #[serde(flatten)]
    group: Group,
}

impl Found {
    fn of(differences: &Differences) -> Self {
        let groups = differences.groups.iter();
        Self {
            same: differences.same,
            different: differences.count(),
            groups: groups
                .map(|(&(by, cause), &group)| GroupLine {
                    by,
                    cause,
                    about: cause.about(),
                    group,
                })
                .collect(),
        }
    }
}

fn write_json(
    path: &Path,
    trace: &Trace,
    plan: &Plan,
    end: &Ending,
    answer: &Answer,
    console: &mut Console,
) -> anyhow::Result<()> {
    let session = trace.header().session.to_string();
    for difference in answer.list.iter().filter(|_| plan.all) {
        console.json(&DifferenceLine {
            type_name: "difference",
            trace: &session,
            difference,
        })?;
    }
    let [base, with] = &answer.scores;
    console.json(&TraceLine {
        type_name: "trace",
        trace: Provenance {
            path: path.display().to_string(),
            session,
            end,
        },
        base: plan.base.label(),
        with: plan.with.label(),
        engine: SEMANTICS,
        sim: env!("CARGO_PKG_VERSION"),
        found: Found::of(&answer.differences),
        scores: Scores {
            base: Brief::of(base),
            with: Brief::of(with),
        },
    })
}

fn write(
    path: &Path,
    trace: &Trace,
    plan: &Plan,
    end: &Ending,
    answer: &Answer,
    console: &mut Console,
) -> anyhow::Result<()> {
    let mut row = |label: &str, text: String| console.line(format_args!("{label:<10}  {text}"));
    row("trace", shown(path))?;
    row(
        "",
        format!(
            "session {}, {}, digest {}",
            trace.header().session,
            count(end.lines, "line"),
            end.digest
        ),
    )?;
    let sides = [("base", Side::Base), ("with", Side::With)];
    for ((label, side), score) in sides.into_iter().zip(&answer.scores) {
        row(label, side_text(plan, side, score))?;
    }
    row(
        "",
        format!("engine {SEMANTICS}, sim {}", env!("CARGO_PKG_VERSION")),
    )?;
    write_differences(&answer.differences, plan, console)?;
    if plan.all && !answer.list.is_empty() {
        console.line("")?;
        for difference in &answer.list {
            write_difference(difference, plan, console)?;
        }
    }
    Ok(())
}

fn side_text(plan: &Plan, side: Side, score: &Score) -> String {
    let policy = plan.policy(side);
    let early = (score.early_return_rate).map_or(String::new(), |rate| {
        format!(", early returns {}", crate::console::percent(rate))
    });
    let seed = (policy.seed).map_or(String::new(), |seed| format!(", seed {seed}"));
    format!(
        "{} ({}{seed}): {}, {:.3} GiB·h, {}{early}",
        plan.name(side),
        policy.hash.as_deref().unwrap_or("baseline"),
        count(score.discards, "discard"),
        score.saved_gib_h,
        count(score.reloads, "reload"),
    )
}

fn write_differences(
    differences: &Differences,
    plan: &Plan,
    console: &mut Console,
) -> anyhow::Result<()> {
    console.line(format_args!(
        "decisions   {} the same, {} different",
        number(differences.same),
        number(differences.count())
    ))?;
    if differences.groups.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(vec![
        "discarded by",
        "why the other did not",
        "count",
        "only later",
        "GiB·h",
        "reloads",
        "early",
    ]);
    for (&(by, cause), group) in &differences.groups {
        table.add_row(vec![
            plan.name(by),
            cause.name().to_owned(),
            number(group.count),
            number(group.later),
            format!("{:.3}", group.saved_gib_h),
            number(group.reloads),
            number(group.early_returns),
        ]);
    }
    for index in 2..7 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    console.line("")?;
    for line in table.lines() {
        console.line(line.trim_end())?;
    }
    console.line("")?;
    let causes: BTreeSet<Cause> = differences.groups.keys().map(|&(_, cause)| cause).collect();
    for cause in causes {
        console.line(format_args!("  {}: {}", cause.name(), cause.about()))?;
    }
    Ok(())
}

fn write_difference(
    difference: &Difference,
    plan: &Plan,
    console: &mut Console,
) -> anyhow::Result<()> {
    let Difference {
        by,
        decided,
        cause,
        later,
        ..
    } = difference;
    let after = match later {
        Some(later) => format!(
            "{} does so {} later, at seq {}",
            plan.name(by.other()),
            span(later.t_ms.saturating_sub(decided.t_ms)),
            later.seq
        ),
        None => format!("{} does not", plan.name(by.other())),
    };
    let cost = match (difference.is_reload, difference.is_early_return) {
        (true, true) => ", an early return",
        (true, false) => ", a reload",
        (false, _) => "",
    };
    console.line(format_args!(
        "{}  seq {}  tab {} ({})",
        date(decided.t_ms),
        decided.seq,
        decided.tab,
        cut(difference.host.as_deref().unwrap_or("no web page"), 40),
    ))?;
    console.line(format_args!(
        "  discarded by {}; {after}: {}{}; {:.3} GiB·h{cost}",
        plan.name(*by),
        cause.name(),
        difference.other.map_or(String::new(), |other| format!(
            ", idle {} of {}, familiarity {}{}, {} (score {})",
            span(other.idle_ms),
            span(other.ttl_ms),
            other.familiarity,
            if other.in_focus {
                ", in the working context"
            } else {
                ""
            },
            other.level,
            other.score,
        )),
        difference.saved_gib_h,
    ))
}
