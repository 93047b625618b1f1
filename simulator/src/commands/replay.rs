//! `sim replay`: what would a policy have decided?

mod args;
mod score_in_words;
mod start;
mod state_file;
mod summary;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use engine::{Reason, Seq};
use recorder::Trace;
use serde::Serialize;
use simulator::replay::{Clairvoyance, Frontier, Replayed, Score, Step};
use simulator::state::State;

use super::{each_trace, note_what_is_not_scored};
use crate::console::{Console, Safe, count, cut, date, span};
use crate::named_traces::{Distinct, NamedTrace, named_traces};
use crate::outcome::Outcome;
use crate::policy;
use crate::reading::{Show, read_with, shown};
use crate::writing::{Readers, WholeFile};

use score_in_words::{time, write_scores};
use start::Start;
use summary::{PolicyName, Summary};

pub(super) use args::ReplayArgs;

/// Everything that the command line says, resolved.
struct Plan {
    start: Start,
    json: bool,
    decisions: bool,
    summary: bool,
    frontier: bool,
    until: Option<Seq>,
    save_state: Option<PathBuf>,
}

impl Plan {
    fn resolve(args: ReplayArgs, traces: &[NamedTrace]) -> anyhow::Result<Self> {
        let is_of_one = [
            (args.from_state.is_some(), "--from-state"),
            (args.save_state.is_some(), "--save-state"),
            (args.until.is_some(), "--until"),
        ];
        let is_of_one = is_of_one.into_iter().find(|(is_given, _)| *is_given);
        if let (Some((_, name)), [_, second, ..]) = (is_of_one, traces) {
            bail!(
                "{name} means a line of one trace, and {} is a second one: replay them one by one",
                shown(&second.path)
            );
        }
        let seed = args.seed.unwrap_or_default();
        let start = match (&args.from_state, &args.policy) {
            (Some(file), _) => {
                let state = state_file::load(file)?;
                if let Some(until) = args.until.filter(|&until| until < state.about.seq) {
                    bail!(
                        "{} was saved after seq {}, which lies behind --until {until}",
                        shown(file),
                        state.about.seq
                    );
                }
                if args.policy.is_none() && args.seed.is_some() {
                    bail!(
                        "--seed is for a policy that begins: give --policy, too, or leave it out"
                    );
                }
                let policy = args.policy.as_deref();
                let policy = policy.map(|name| policy::find(name, seed)).transpose()?;
                Start::from_state(state, policy)
            }
            (None, policy) => {
                let policy = policy::find(policy.as_deref().unwrap_or("default"), seed)?;
                Start::at_the_beginning(policy, args.open_loop)
            }
        };
        Ok(Self {
            start,
            json: args.json,
            decisions: !args.summary,
            summary: !args.decisions,
            frontier: args.frontier,
            until: args.until,
            save_state: args.save_state,
        })
    }
}

pub(crate) fn run(args: ReplayArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let traces = named_traces(&args.traces, console);
    let plan = Plan::resolve(args, &traces)?;
    let mut pooled = Pooled::default();
    let outcome = each_trace(traces, console, |path, trace, console| {
        replay(path, &trace?, &plan, &mut pooled, console)
    })?;
    if let Some(frontier) = &pooled.frontier {
        pooled.score.measure_pooled(frontier);
    }
    if plan.summary && pooled.traces > 1 {
        if plan.json {
            console.json(&PooledLine {
                type_name: "pooled",
                traces: pooled.traces,
                policy: PolicyName::of(&plan.start),
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
    distinct: Distinct,
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
    trace: &Trace,
    plan: &Plan,
    pooled: &mut Pooled,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let session = trace.header().session.to_string();
    let start = &plan.start;
    let from = start.from.as_ref();
    if let Some(from) = from.filter(|from| from.session != session) {
        bail!(
            "{} is of session {session}, and the state was saved in session {}",
            shown(path),
            Safe(&from.session)
        );
    }
    let mut replay = start.replay.clone();
    let protected_domains = &start.protected_domains;
    let mut clairvoyance = plan.frontier.then(|| Clairvoyance::new(protected_domains));
    if plan.frontier {
        replay = replay.keeping_holds();
    }
    let mut last_seq = None;
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
    let end = read_with(trace, show, console, |line, reader, console| {
        let seq = line.seq;
        last_seq = Some(seq);
        let is_new = !start.has_seen(seq, path, reader)?;
        if let Some(step) = Step::of(line) {
            if let Some(clairvoyance) = &mut clairvoyance {
                clairvoyance.take_step(&step);
            }
            if is_new {
                replay.take_step(&step, &mut decided);
                write_all(&mut decided, console)?;
            }
        }
        Ok(if plan.until == last_seq {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    pooled.distinct.take(path, &end.digest)?;
    for (what, wanted) in [
        ("--until", plan.until),
        ("the state", from.map(|from| from.seq)),
    ] {
        if let Some(wanted) = wanted.filter(|&wanted| last_seq < Some(wanted)) {
            bail!(
                "{}: {what} is at seq {wanted}, and the trace goes as far as {}",
                shown(path),
                last_seq.map_or("no line at all".to_owned(), |seq| format!("seq {seq}"))
            );
        }
    }
    if let (Some(file), Some(seq)) = (&plan.save_state, last_seq) {
        let state = State {
            about: start.about(session.clone(), seq, end.digest.clone()),
            replay: replay.clone(),
        };
        WholeFile::begin(file, Readers::Owner)?.end_with(&state.to_bytes())?;
        let open = match replay.open_decisions() as u64 {
            0 => String::new(),
            open => format!(", with {} on that line", count(open, "decision")),
        };
        console.note(format_args!(
            "the state after seq {seq} is saved in {}{open}",
            shown(file)
        ));
    }
    let (mut score, holds) = replay.finish_with_holds(&mut decided);
    if let Some(foresight) = clairvoyance.map(Clairvoyance::finish) {
        foresight.measure(&mut score, &holds);
        let frontier = pooled.frontier.take().unwrap_or_default();
        pooled.frontier = Some(frontier.pooled(&foresight.frontier()));
    }
    note_what_is_not_scored(path, trace, &score, console);
    pooled.traces += 1;
    pooled.score.pool(&score);
    if plan.save_state.is_some() {
        // Whoever goes on writes them.
        decided.clear();
    }
    write_all(&mut decided, console)?;
    if plan.summary {
        let summary = Summary::new(path, trace, start, &end, &score);
        if plan.json {
            console.json(&summary)?;
        } else {
            if plan.decisions {
                console.line("")?;
            }
            summary::write(&summary, console)?;
        }
    }
    // What others discard is for their own guards to say; ours are held to ours.
    let violations = score.violations.saturating_sub(start.violations_before);
    if violations > 0 && start.policy.is_ours() {
        let guards: Vec<&str> = score.violated.keys().copied().collect();
        console.error(&anyhow!(
            "{}: {} of tabs that a hard guard protects ({})",
            shown(path),
            count(violations, "discard"),
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
