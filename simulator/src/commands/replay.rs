//! `sim replay`: what would a policy have decided?

mod args;
mod decisions;
mod score_in_words;
mod start;
mod state_file;
mod summary;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use engine::Seq;
use recorder::Trace;
use serde::Serialize;
use simulator::baselines::AnyPolicy;
use simulator::replay::{Clairvoyance, Foresight, Frontier, Replay, Score, Step};
use simulator::state::State;

use super::{each_trace, note_what_is_not_scored};
use crate::console::{Console, count};
use crate::named_traces::{Distinct, NamedTrace, named_traces};
use crate::outcome::Outcome;
use crate::policy;
use crate::reading::{Ending, Show, read_with, shown};
use crate::writing::{Readers, WholeFile};

use decisions::Decisions;
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
        pooled.write(&plan, console)?;
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

impl Pooled {
    fn write(&self, plan: &Plan, console: &mut Console) -> anyhow::Result<()> {
        if plan.json {
            return console.json(&PooledLine {
                type_name: "pooled",
                traces: self.traces,
                policy: PolicyName::of(&plan.start),
                score: &self.score,
            });
        }
        console.line("")?;
        let mut row = |label: &str, text: String| console.line(format_args!("{label:<10}  {text}"));
        row("pooled", count(self.traces, "trace"))?;
        row("time", time(&self.score))?;
        write_scores(&self.score, &mut row)
    }

    fn take(&mut self, score: &Score, foresight: Option<&Foresight>) {
        self.traces += 1;
        self.score.pool(score);
        if let Some(foresight) = foresight {
            let frontier = self.frontier.take().unwrap_or_default();
            self.frontier = Some(frontier.pooled(&foresight.frontier()));
        }
    }
}

fn replay(
    path: &Path,
    trace: &Trace,
    plan: &Plan,
    pooled: &mut Pooled,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let start = &plan.start;
    start.check_is_of(trace, path)?;
    let decisions = Decisions {
        session: trace.header().session.to_string(),
        are_shown: plan.decisions,
        json: plan.json,
    };
    decisions.begin(console)?;
    let Passed {
        replay,
        clairvoyance,
        last_seq,
        end,
    } = pass(path, trace, plan, &decisions, console)?;
    pooled.distinct.take(path, &end.digest)?;
    check_reach(path, plan, last_seq)?;
    if let (Some(file), Some(seq)) = (&plan.save_state, last_seq) {
        let state = State {
            about: start.about(decisions.session.clone(), seq, end.digest.clone()),
            replay: replay.clone(),
        };
        save(file, &state, console)?;
    }
    let mut decided = Vec::new();
    let (mut score, holds) = replay.finish_with_holds(&mut decided);
    let foresight = clairvoyance.map(Clairvoyance::finish);
    if let Some(foresight) = &foresight {
        foresight.measure(&mut score, &holds);
    }
    note_what_is_not_scored(path, trace, score.samples > 0, console);
    pooled.take(&score, foresight.as_ref());
    // Of a state that is saved, whoever goes on writes the last ones.
    if plan.save_state.is_none() {
        decisions.write(&mut decided, console)?;
    }
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
    Ok(verdict(path, start, &score, console))
}

/// A replay that has gone through the lines of a trace.
struct Passed {
    replay: Replay<Box<dyn AnyPolicy>>,
    /// Where the frontier is asked for.
    clairvoyance: Option<Clairvoyance>,
    last_seq: Option<Seq>,
    end: Ending,
}

/// Goes through the lines, and writes what is decided on the way.
fn pass(
    path: &Path,
    trace: &Trace,
    plan: &Plan,
    decisions: &Decisions,
    console: &mut Console,
) -> anyhow::Result<Passed> {
    let start = &plan.start;
    let mut replay = start.replay.clone();
    let mut clairvoyance = None;
    if plan.frontier {
        replay = replay.keeping_holds();
        clairvoyance = Some(Clairvoyance::new(&start.protected_domains));
    }
    let mut last_seq = None;
    let mut decided = Vec::new();
    let show = if plan.decisions && console.is_terminal() {
        Show::Nothing
    } else {
        Show::Progress
    };
    let end = read_with(trace, show, console, |line, reader, console| {
        last_seq = Some(line.seq);
        let is_new = !start.has_seen(line.seq, path, reader)?;
        if let Some(step) = Step::of(line) {
            if let Some(clairvoyance) = &mut clairvoyance {
                clairvoyance.take_step(&step);
            }
            if is_new {
                replay.take_step(&step, &mut decided);
                decisions.write(&mut decided, console)?;
            }
        }
        Ok(if plan.until == last_seq {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })?;
    Ok(Passed {
        replay,
        clairvoyance,
        last_seq,
        end,
    })
}

/// Refuses a line that the trace does not reach.
fn check_reach(path: &Path, plan: &Plan, last_seq: Option<Seq>) -> anyhow::Result<()> {
    let from = plan.start.from.as_ref().map(|from| from.seq);
    for (what, wanted) in [("--until", plan.until), ("the state", from)] {
        if let Some(wanted) = wanted.filter(|&wanted| last_seq < Some(wanted)) {
            bail!(
                "{}: {what} is at seq {wanted}, and the trace goes as far as {}",
                shown(path),
                last_seq.map_or("no line at all".to_owned(), |seq| format!("seq {seq}"))
            );
        }
    }
    Ok(())
}

fn save(file: &Path, state: &State, console: &mut Console) -> anyhow::Result<()> {
    WholeFile::begin(file, Readers::Owner)?.end_with(&state.to_bytes())?;
    let open = match state.replay.open_decisions() as u64 {
        0 => String::new(),
        open => format!(", with {} on that line", count(open, "decision")),
    };
    console.note(format_args!(
        "the state after seq {} is saved in {}{open}",
        state.about.seq,
        shown(file)
    ));
    Ok(())
}

/// Whether a policy of ours has kept to our guards. What others discard is for their own guards to
/// say.
fn verdict(path: &Path, start: &Start, score: &Score, console: &mut Console) -> Outcome {
    let violations = score.violations.saturating_sub(start.violations_before);
    if violations == 0 || !start.policy.is_ours() {
        return Outcome::Yes;
    }
    let guards: Vec<&str> = score.violated.keys().copied().collect();
    console.error(&anyhow!(
        "{}: {} of tabs that a hard guard protects ({})",
        shown(path),
        count(violations, "discard"),
        guards.join(", ")
    ));
    Outcome::No
}
