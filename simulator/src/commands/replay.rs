//! `sim replay`: what would a policy have decided?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use engine::{Level, Policy, Reason, SEMANTICS};
use recorder::{Origin, Trace};
use serde::Serialize;
use simulator::replay::{
    Clairvoyance, EARLY_RETURN_MS, Feedback, Frontier, Machine, Replay, Replayed, Score, THRASH_MS,
};

use super::{each_trace, note_what_is_not_scored};
use crate::args::ReplayArgs;
use crate::console::{Console, bytes, count, cut, date, number, percent, span};
use crate::outcome::Outcome;
use crate::policy::{self, NamedPolicy};
use crate::reading::{Ending, Show, read, shown};

/// Everything that the command line says, resolved.
struct Plan {
    traces: Vec<PathBuf>,
    policy: NamedPolicy,
    json: bool,
    decisions: bool,
    summary: bool,
    open_loop: bool,
    frontier: bool,
}

impl Plan {
    fn resolve(args: ReplayArgs) -> anyhow::Result<Self> {
        Ok(Self {
            traces: args.traces,
            policy: policy::find(&args.policy, args.seed)?,
            json: args.json,
            decisions: !args.summary,
            summary: !args.decisions,
            open_loop: args.open_loop,
            frontier: args.frontier,
        })
    }
}

pub(crate) fn run(args: ReplayArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let plan = Plan::resolve(args)?;
    let mut pooled = Pooled::default();
    let outcome = each_trace(&plan.traces, console, |path, console| {
        replay(path, &plan, &mut pooled, console)
    })?;
    if let Some(frontier) = &pooled.frontier {
        pooled.score.measure_pooled(frontier);
    }
    if plan.summary && pooled.traces > 1 {
        if plan.json {
            console.json(&PooledLine {
                type_name: "pooled",
                traces: pooled.traces,
                policy: PolicyName::of(&plan),
                score: &pooled.score,
            })?;
        } else {
            console.line("")?;
            let mut row =
                |label: &str, text: String| console.line(format_args!("{label:<10}  {text}"));
            row("pooled", count(pooled.traces, "trace"))?;
            row("time", time(&pooled.score))?;
            write_scores(&pooled.score, &mut row)?;
        }
    }
    Ok(outcome)
}

/// The traces that were replayed to their end, taken together.
#[derive(Default)]
struct Pooled {
    traces: u64,
    score: Score,
    /// Where it was asked for.
    frontier: Option<Frontier>,
}

/// Several traces as JSON.
#[derive(Serialize)]
struct PooledLine<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    traces: u64,
    policy: PolicyName<'a>,
    #[serde(flatten)]
    score: &'a Score,
}

fn replay(
    path: &Path,
    plan: &Plan,
    pooled: &mut Pooled,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let trace = Trace::open(path)?;
    let session = trace.header().session.to_string();
    let NamedPolicy {
        policy,
        protected_domains,
        ..
    } = &plan.policy;
    let mut replay = Replay::new(policy.clone()).protecting(protected_domains);
    if plan.open_loop {
        replay = replay.open_loop();
    }
    if plan.policy.is_ticking() {
        replay = replay.ticking();
    }
    let mut clairvoyance = plan.frontier.then(|| Clairvoyance::new(protected_domains));
    if plan.frontier {
        replay = replay.keeping_holds();
    }
    let mut decided = Vec::new();
    if plan.decisions && !plan.json {
        console.line(HEADER)?;
    }
    let write_all = |decided: &mut Vec<Replayed>, console: &mut Console| {
        for decision in decided.drain(..).filter(|_| plan.decisions) {
            if plan.json {
                console.json(&DecisionLine {
                    type_name: "decision",
                    trace: &session,
                    decision: &decision,
                })?;
            } else {
                console.line(decision_line(&decision))?;
            }
        }
        anyhow::Ok(())
    };
    let show = if plan.decisions && console.is_terminal() {
        Show::Nothing
    } else {
        Show::Progress
    };
    let end = read(&trace, show, console, |line, console| {
        if let Some(clairvoyance) = &mut clairvoyance {
            clairvoyance.take(&line);
        }
        replay.take(line, &mut decided);
        write_all(&mut decided, console)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let (mut score, holds) = replay.finish_with_holds(&mut decided);
    if let Some(foresight) = clairvoyance.map(Clairvoyance::finish) {
        foresight.measure(&mut score, &holds);
        let frontier = pooled.frontier.take().unwrap_or_default();
        pooled.frontier = Some(frontier.pooled(&foresight.frontier()));
    }
    note_what_is_not_scored(path, &trace, &score, console);
    pooled.traces += 1;
    pooled.score.pool(&score);
    write_all(&mut decided, console)?;
    if plan.summary {
        let summary = Summary::new(path, &trace, plan, &end, &score);
        if plan.json {
            console.json(&summary)?;
        } else {
            if plan.decisions {
                console.line("")?;
            }
            write_summary(&summary, console)?;
        }
    }
    // What others discard is for their own guards to say; ours are held to ours.
    if score.violations > 0 && plan.policy.is_ours() {
        let guards: Vec<&str> = score.violated.keys().copied().collect();
        console.error(&anyhow!(
            "{}: {} of tabs that a hard guard protects ({})",
            shown(path),
            count(score.violations, "discard"),
            guards.join(", ")
        ));
        return Ok(Outcome::No);
    }
    Ok(Outcome::Yes)
}

/// A decision as JSON.
#[derive(Serialize)]
struct DecisionLine<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: &'a str,
    #[serde(flatten)]
    decision: &'a Replayed,
}

const HEADER: &str = "  time (UTC)                  tab  host                                 \
                      idle           TTL  fam  level   reasons";

/// A decision for people. The first column says whether the recording has it, too.
fn decision_line(replayed: &Replayed) -> String {
    let Replayed { decision, .. } = replayed;
    let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
    format!(
        "{} {}  {:>10}  {:<28}  {:>12}  {:>12}  {:>3}  {:<6}  {}",
        if replayed.as_recorded { '=' } else { '+' },
        date(replayed.t_ms),
        decision.tab,
        cut(replayed.host.as_deref().unwrap_or("-"), 28),
        span(decision.idle_ms),
        span(decision.ttl_ms),
        decision.familiarity,
        decision.level,
        reasons.join(" "),
    )
}

/// What came of it, and what it was made from.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: Provenance<'a>,
    policy: PolicyName<'a>,
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
struct PolicyName<'a> {
    name: &'a str,
    /// The hash of its document; a baseline has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<&'a str>,
    /// What it would have to see and the trace cannot tell.
    not_observable: &'a [&'a str],
}

impl<'a> PolicyName<'a> {
    fn of(plan: &'a Plan) -> Self {
        Self {
            name: &plan.policy.name,
            hash: plan.policy.hash.as_deref(),
            not_observable: plan.policy.policy.not_observable(),
        }
    }
}

impl<'a> Summary<'a> {
    fn new(path: &Path, trace: &Trace, plan: &'a Plan, end: &'a Ending, score: &'a Score) -> Self {
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
            policy: PolicyName::of(plan),
            engine: SEMANTICS,
            sim: env!("CARGO_PKG_VERSION"),
            seed: plan.policy.seed,
            score,
        }
    }
}

fn write_summary(summary: &Summary<'_>, console: &mut Console) -> anyhow::Result<()> {
    let Summary {
        trace,
        policy,
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
            policy.hash.unwrap_or("baseline"),
            summary.engine,
            summary.sim,
            (summary.seed).map_or("no seed".to_owned(), |seed| format!("seed {seed}"))
        ),
    )?;
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

/// A row of the summary: its label and its text.
type Row<'a> = dyn FnMut(&str, String) -> anyhow::Result<()> + 'a;

fn write_scores(score: &Score, row: &mut Row<'_>) -> anyhow::Result<()> {
    row(
        "discards",
        format!(
            "{}, which the policy expected to free {}",
            number(score.discards),
            bytes(score.expected_bytes)
        ),
    )?;
    row("saved", saved(score))?;
    row(
        "",
        format!(
            "{:.3} GiB·h while awake, {} under pressure",
            score.saved_awake_gib_h,
            known(score.saved_pressed_gib_h, |gib_h| format!(
                "{gib_h:.3} GiB·h"
            )),
        ),
    )?;
    if !score.saved_by_source.is_empty() {
        let sources = score.saved_by_source.iter();
        let sources: Vec<String> = sources
            .map(|(source, share)| format!("{} {}", source.name(), percent(*share)))
            .collect();
        row("", format!("bytes by {}", sources.join(", ")))?;
    }
    row(
        "reloads",
        format!(
            "{}{}, {} of them within {} of the user's time{}",
            number(score.reloads),
            (score.reloads_per_active_hour)
                .map_or(String::new(), |rate| format!(" ({rate:.2} an hour)")),
            number(score.early_returns),
            span(EARLY_RETURN_MS),
            (score.early_return_rate).map_or(String::new(), |rate| format!(
                ": {} of the discards",
                percent(rate)
            ))
        ),
    )?;
    row(
        "",
        format!(
            "{} waited for, measured on {} of them; {} twice within {}",
            known(score.reload_wait_s, |seconds| format!("{seconds:.1} s")),
            number(score.timed_reloads),
            count(score.thrash, "discard"),
            span(THRASH_MS),
        ),
    )?;
    row(
        "",
        format!(
            "{} closed without having been needed, {} still discarded at the end",
            number(score.closed_while_held),
            number(score.held_at_end)
        ),
    )?;
    let here = Machine {
        pressure_medium_minutes: score.pressure_medium_minutes,
        pressure_high_minutes: score.pressure_high_minutes,
        peak_used: score.peak_used,
    };
    row("pressure", machine(&here))?;
    row(
        "",
        format!("without any discard: {}", machine(&score.never)),
    )?;
    row("metrics", feedback(score))?;
    if let Some(excess) = score.excess_reloads {
        row("frontier", frontier(score.frontier_share, excess))?;
    }
    row("violations", violations(score))
}

fn time(score: &Score) -> String {
    format!(
        "{}, awake {}, the user there {}",
        span(score.span.wall_ms),
        span(score.span.awake_ms),
        span(score.span.active_ms)
    )
}

/// Bytes, and beside them how often the policy was wrong.
fn saved(score: &Score) -> String {
    let share = score.saved_share.map_or(String::new(), |share| {
        format!(", {} of the background", percent(share))
    });
    let early = score.early_return_rate.map_or(String::new(), |rate| {
        format!("; early returns {}", percent(rate))
    });
    format!("{:.3} GiB·h{share}{early}", score.saved_gib_h)
}

fn machine(machine: &Machine) -> String {
    let minutes = |minutes| known(minutes, |minutes: f64| format!("{minutes:.1} min"));
    format!(
        "MEDIUM {}, HIGH {}, at most {} in use",
        minutes(machine.pressure_medium_minutes),
        minutes(machine.pressure_high_minutes),
        known(machine.peak_used, bytes)
    )
}

fn feedback(score: &Score) -> String {
    match score.feedback {
        Feedback::Open => "open loop: as recorded, whatever this policy frees".to_owned(),
        Feedback::Closed => format!(
            "closed loop: they follow what this policy frees; stall time and swap withheld from {} \
             of {}, {} left out",
            number(score.withheld_samples),
            count(score.samples, "sample"),
            count(score.withheld_signals, "signal")
        ),
    }
}

fn frontier(share: Option<f64>, excess_reloads: u64) -> String {
    match share {
        None => "there was nothing to save".to_owned(),
        Some(share) => format!(
            "{} of what a clairvoyant saves with as many reloads; {} too many for what was saved",
            percent(share),
            count(excess_reloads, "reload")
        ),
    }
}

fn violations(score: &Score) -> String {
    match score.violations {
        0 => "none".to_owned(),
        found => format!("{}: {}", number(found), list(&score.violated)),
    }
}

fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("unknown".to_owned(), show)
}

fn departure(score: &Score) -> String {
    let Some(departure) = score.departure else {
        return "decided as recorded, to the end".to_owned();
    };
    let after = score.departed_share.map_or(String::new(), |share| {
        format!("; {} of the discards come after", percent(share))
    });
    let after = score.departed_saved_share.map_or(after.clone(), |share| {
        format!("{after}, and {} of what was saved", percent(share))
    });
    format!(
        "decided otherwise first at seq {}, {}{after}",
        departure.seq,
        date(departure.t_ms)
    )
}

fn list<K: ToString, N: std::borrow::Borrow<u64>>(
    counts: impl IntoIterator<Item = (K, N)>,
) -> String {
    let counts = counts.into_iter();
    let shown: Vec<String> = counts
        .map(|(name, count)| format!("{} {}", name.to_string(), number(*count.borrow())))
        .collect();
    shown.join(", ")
}
