//! `sim replay`: what would a policy have decided?

mod args;

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use engine::{Level, Policy, Reason, SEMANTICS, Seq};
use recorder::{Origin, Trace, TraceReader};
use serde::Serialize;
use simulator::baselines::AnyPolicy;
use simulator::replay::{
    Clairvoyance, EARLY_RETURN_MS, Feedback, Frontier, Machine, Replay, Replayed, Score, Step,
    THRASH_MS,
};
use simulator::state::{About, BYTES_MAX, Before, PolicyLabel, State};
use tempfile::NamedTempFile;

use super::{each_trace, note_what_is_not_scored};
use crate::console::{Console, Safe, bytes, count, cut, date, number, percent, span};
use crate::named_traces::{NamedTrace, named_traces};
use crate::outcome::Outcome;
use crate::policy::{self, NamedPolicy};
use crate::reading::{Ending, Show, read_with, shown};

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

/// Where a replay begins: what decides there, and who decided before.
struct Start {
    policy: PolicyLabel,
    replay: Replay<Box<dyn AnyPolicy>>,
    /// The place of a saved state, in its trace.
    from: Option<About>,
    before: Vec<Before>,
    violations_before: u64,
    protected_domains: Vec<String>,
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
                let state = load(file)?;
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

impl Start {
    fn at_the_beginning(policy: NamedPolicy, open_loop: bool) -> Self {
        let label = policy.label();
        let mut replay = policy.replay();
        if open_loop {
            replay = replay.open_loop();
        }
        Self {
            policy: label,
            replay,
            from: None,
            before: Vec::new(),
            violations_before: 0,
            protected_domains: policy.protected_domains,
        }
    }

    /// Goes on from a state, under its own policy or another.
    fn from_state(state: State, policy: Option<NamedPolicy>) -> Self {
        let State { about, replay } = state;
        let mut start = Self {
            policy: about.policy.clone(),
            replay,
            before: about.before.clone(),
            violations_before: about.violations_before,
            // The replay knows them; nobody else asks, once it has begun.
            protected_domains: Vec::new(),
            from: Some(about),
        };
        if let Some(policy) = policy {
            start.go_on_under(policy);
        }
        start
    }

    fn go_on_under(&mut self, policy: NamedPolicy) {
        let label = policy.label();
        let last = std::mem::replace(&mut self.policy, label);
        let Some(from) = self
            .from
            .as_ref()
            .filter(|_| !last.is_same_policy(&self.policy))
        else {
            return;
        };
        if !last.is_ours() {
            self.violations_before = self.replay.violations();
        }
        self.before.push(Before {
            until: from.seq,
            policy: last.clone(),
        });
        self.replay.protect(&policy.protected_domains);
        self.replay.tick_from_here(policy.is_ticking());
        match policy.document {
            Some(document) if last.is_ours() && self.replay.has_begun() => {
                self.replay.change_document(document);
            }
            _ => self.replay.hand_over(policy.policy),
        }
    }

    /// Where a state belongs that is saved on the way.
    fn about(&self, session: String, seq: Seq, digest: String) -> About {
        About {
            engine: SEMANTICS,
            session,
            seq,
            digest,
            policy: self.policy.clone(),
            before: self.before.clone(),
            violations_before: self.violations_before,
        }
    }

    /// Tells a line that the state has taken in from one that is to be replayed. Where it is the
    /// state's last one, the lines up to it must be those that the state has seen.
    fn has_seen(&self, seq: Seq, path: &Path, reader: &TraceReader) -> anyhow::Result<bool> {
        let Some(from) = self.from.as_ref().filter(|from| seq <= from.seq) else {
            return Ok(false);
        };
        if seq == from.seq && reader.digest() != from.digest {
            let digest = reader.digest();
            bail!(
                "{}: the lines up to seq {seq} have the digest {digest}, and the state was saved \
                 after lines with the digest {}: the trace was changed, or it is another",
                shown(path),
                from.digest
            );
        }
        Ok(true)
    }
}

/// Reads a saved state.
fn load(file: &Path) -> anyhow::Result<State> {
    let cannot_read = || format!("cannot read the state {}", shown(file));
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(cannot_read)?;
    opened
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(cannot_read)?;
    if bytes.len() as u64 > BYTES_MAX {
        bail!(
            "{} is larger than any state that is read, which is {} MiB",
            shown(file),
            BYTES_MAX >> 20
        );
    }
    State::from_bytes(&bytes).with_context(|| shown(file))
}

/// Writes a file beside, then gives it its name: whatever happens, what is there under that name
/// is whole.
fn save(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> io::Result<()> {
        let mut beside = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write the state {}", shown(file)))
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
        save(file, &state.to_bytes())?;
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
            write_summary(&summary, console)?;
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

/// What came of it, and what it was made from.
#[derive(Serialize)]
struct Summary<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: Provenance<'a>,
    policy: PolicyName<'a>,
    /// The policies that decided before it, the first one first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    before: &'a [Before],
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
    fn of(start: &'a Start) -> Self {
        Self {
            name: &start.policy.name,
            hash: start.policy.hash.as_deref(),
            not_observable: start.replay.policy().not_observable(),
        }
    }
}

impl<'a> Summary<'a> {
    fn new(
        path: &Path,
        trace: &Trace,
        start: &'a Start,
        end: &'a Ending,
        score: &'a Score,
    ) -> Self {
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
            policy: PolicyName::of(start),
            before: &start.before,
            engine: SEMANTICS,
            sim: env!("CARGO_PKG_VERSION"),
            seed: start.policy.seed,
            score,
        }
    }
}

fn write_summary(summary: &Summary<'_>, console: &mut Console) -> anyhow::Result<()> {
    let Summary {
        trace,
        policy,
        before,
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
            Safe(policy.hash.unwrap_or("baseline")),
            summary.engine,
            summary.sim,
            (summary.seed).map_or("no seed".to_owned(), |seed| format!("seed {seed}"))
        ),
    )?;
    for Before { until, policy } in *before {
        row(
            "before",
            format!(
                "{} ({}) up to seq {until}",
                shown(Path::new(&policy.name)),
                policy
                    .hash
                    .as_deref()
                    .map_or("baseline".to_owned(), |hash| Safe(hash).to_string()),
            ),
        )?;
    }
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
    let taken_over = match score.taken_over {
        0 => String::new(),
        tabs => format!("{} discarded by another program, too, ", number(tabs)),
    };
    row(
        "",
        format!(
            "{} closed without having been needed, {taken_over}{} still discarded at the end",
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
        format!("had no policy discarded: {}", machine(&score.never)),
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
