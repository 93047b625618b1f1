//! `sim snapshot`: do policies still decide as they did?

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, bail};
use clap::Subcommand;
use engine::PRESETS;
use serde::{Deserialize, Serialize};
use similar::TextDiff;
use simulator::snapshot::{Snapshot, TITLE};

use super::each_trace;
use crate::console::{Console, Safe, count, number};
use crate::named_traces::named_traces;
use crate::outcome::Outcome;
use crate::policy::{self, NamedPolicy};
use crate::reading::{Show, from_toml, read, shown};
use crate::writing::write_whole;

/// Keep what policies decide on a folder of traces as text under version control
///
/// A snapshot is a text file for each trace and policy, with a decision a line: when it was made
/// since the trace began, the tab by its order of appearance, its host, idle time, TTL, familiarity,
/// level and reasons. It does not change where a trace is recorded anew with other ids, other seqs or
/// more lines that decide nothing. The folder may hold a snapshots.toml that names the folder of
/// traces and the policies, both as seen from there:
///
///   traces = "../recorded"
///   policies = ["default", "gentle", "../policies/mine.toml"]
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Examples:
  sim snapshot accept --policies default,gentle,my-policy.toml
  sim snapshot check
  sim snapshot check my-snapshots --traces my-traces --json
  sim snapshot review"
)]
pub(crate) struct SnapshotArgs {
    #[command(subcommand)]
    pub(crate) action: SnapshotAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotAction {
    /// Compare with the files; exit with 1 and show how they differ where they do
    Check(SnapshotCheckArgs),
    /// Go through the files that differ, and accept or skip each
    Review(SnapshotSet),
    /// Write the files anew, and remove those of no trace or policy
    Accept(SnapshotSet),
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotCheckArgs {
    #[command(flatten)]
    pub(crate) set: SnapshotSet,
    /// Write one JSON object for each file, then one for all
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SnapshotSet {
    /// The folder of the snapshots
    #[arg(value_name = "FOLDER", default_value = "traces/snapshots")]
    pub(crate) folder: PathBuf,
    /// The folder of the traces, a folder each [default: as snapshots.toml says, else «recorded»
    /// beside the snapshots]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) traces: Option<PathBuf>,
    /// The policies, as `sim replay` knows them [default: as snapshots.toml says, else the presets]
    #[arg(long, value_name = "FILE|NAME", value_delimiter = ',')]
    pub(crate) policies: Vec<String>,
    /// What the policy «random» draws from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

/// What a folder of snapshots may say of itself.
const SETTINGS: &str = "snapshots.toml";

/// How many lines are shown around a change.
const CONTEXT_LINES: usize = 2;

/// What `snapshots.toml` holds. Paths are seen from its folder.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    traces: Option<PathBuf>,
    policies: Option<Vec<String>>,
}

/// Everything that the command line and the folder say, resolved.
struct Plan {
    folder: PathBuf,
    traces: Vec<PathBuf>,
    /// The policies, each with what its files are called by.
    policies: Vec<(String, NamedPolicy)>,
    /// Whether these are all of the folder's traces and policies, so that any other file is stale.
    is_whole: bool,
}

impl Plan {
    fn resolve(set: SnapshotSet) -> anyhow::Result<Self> {
        let settings = settings(&set.folder)?;
        let traces = match (&set.traces, &settings.traces) {
            (Some(traces), _) => traces.clone(),
            (None, Some(traces)) => set.folder.join(traces),
            (None, None) if set.folder.file_name().is_some() => {
                set.folder.with_file_name("recorded")
            }
            (None, None) => set.folder.join("..").join("recorded"),
        };
        let names = match (set.policies.is_empty(), settings.policies) {
            (false, _) => set.policies.clone(),
            (true, Some(names)) => (names.iter())
                .map(|name| seen_from(&set.folder, name))
                .collect::<anyhow::Result<_>>()?,
            (true, None) => PRESETS.map(str::to_owned).to_vec(),
        };
        let mut policies: Vec<(String, NamedPolicy)> = Vec::new();
        for name in names {
            let label = label(&name)?;
            if policies.iter().any(|(other, _)| *other == label) {
                bail!("two policies are called {label}: their snapshots would be the same files");
            }
            policies.push((label, policy::find(&name, set.seed)?));
        }
        Ok(Self {
            is_whole: set.traces.is_none() && set.policies.is_empty(),
            traces: traces_in(&traces)?,
            folder: set.folder,
            policies,
        })
    }
}

fn settings(folder: &Path) -> anyhow::Result<Settings> {
    let path = folder.join(SETTINGS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(error).with_context(|| format!("{}", path.display())),
    };
    from_toml(&path, &text)
}

/// A policy that a settings file names: a preset or baseline as it is, a file as seen from there.
fn seen_from(folder: &Path, name: &str) -> anyhow::Result<String> {
    let path = Path::new(name);
    if path.extension().is_none() && path.components().count() == 1 {
        return Ok(name.to_owned());
    }
    let path = folder.join(path);
    let path = path.to_str().context("the folder's name is not Unicode")?;
    Ok(path.to_owned())
}

/// What a policy's files are called by.
fn label(name: &str) -> anyhow::Result<String> {
    let stem = Path::new(name).file_stem().and_then(|stem| stem.to_str());
    let stem = stem.with_context(|| format!("{name:?} names no policy"))?;
    Ok(stem.to_owned())
}

fn traces_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let hint = "name the folder of traces with --traces, or in snapshots.toml";
    let entries = fs::read_dir(folder).with_context(|| format!("{}: {hint}", folder.display()))?;
    let mut traces = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("{}", folder.display()))?
            .path();
        if path.is_dir() {
            traces.push(path);
        }
    }
    traces.sort();
    if traces.is_empty() {
        bail!("{}: there is no trace in it; {hint}", folder.display());
    }
    Ok(traces)
}

pub(crate) fn run(args: SnapshotArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    match args.action {
        SnapshotAction::Check(args) => {
            let plan = Plan::resolve(args.set)?;
            check(&plan, args.json, console)
        }
        SnapshotAction::Review(set) => {
            if !console.is_terminal() || !io::stdin().is_terminal() {
                bail!(
                    "review asks file by file and needs a terminal; use `sim snapshot check` to see \
                     what differs, and `sim snapshot accept` to accept all of it"
                );
            }
            review(&Plan::resolve(set)?, console)
        }
        SnapshotAction::Accept(set) => accept(&Plan::resolve(set)?, console),
    }
}

/// How a file stands to what is decided now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Same,
    Differs,
    Missing,
    /// It belongs to no trace and policy.
    Stale,
}

/// A file and what it should hold.
struct Compared {
    path: PathBuf,
    state: State,
    before: String,
    /// Empty for a stale one.
    now: String,
}

impl Compared {
    fn of(path: PathBuf, now: String) -> anyhow::Result<Self> {
        let before = match fs::read_to_string(&path) {
            // A checkout may have changed the ends of lines.
            Ok(before) => Some(before.replace("\r\n", "\n")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("{}", path.display())),
        };
        let state = match &before {
            None => State::Missing,
            Some(before) if *before == now => State::Same,
            Some(_) => State::Differs,
        };
        Ok(Self {
            path,
            state,
            before: before.unwrap_or_default(),
            now,
        })
    }

    fn diff(&self) -> String {
        TextDiff::from_lines(&self.before, &self.now)
            .unified_diff()
            .context_radius(CONTEXT_LINES)
            .to_string()
    }

    /// Makes the file hold what is decided now, or removes it.
    fn accept(&self) -> anyhow::Result<()> {
        match self.state {
            State::Same => Ok(()),
            State::Stale => fs::remove_file(&self.path).map_err(anyhow::Error::from),
            State::Differs | State::Missing => write_whole(&self.path, self.now.as_bytes()),
        }
        .with_context(|| format!("{}", self.path.display()))
    }
}

/// Runs every policy over every trace and compares with the files. A trace that cannot be read is
/// told, and the others go on.
fn compare(plan: &Plan, console: &mut Console) -> anyhow::Result<(Vec<Compared>, Outcome)> {
    let mut compared = Vec::new();
    let mut expected = BTreeSet::new();
    let named = named_traces(&plan.traces, console);
    let outcome = each_trace(named, console, |path, trace, console| {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{}: its name is not Unicode", path.display()))?;
        let files = plan.policies.iter().map(|(label, _)| {
            let file = format!("{name}.{label}.txt");
            plan.folder.join(file)
        });
        let files: Vec<PathBuf> = files.collect();
        expected.extend(files.clone());
        let trace = trace?;
        let snapshots =
            (plan.policies.iter()).map(|(label, named)| Snapshot::new(name, label, named.replay()));
        let mut snapshots: Vec<Snapshot> = snapshots.collect();
        read(&trace, Show::Progress, console, |line, _| {
            for snapshot in &mut snapshots {
                snapshot.take(line);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        for (path, snapshot) in files.into_iter().zip(snapshots) {
            compared.push(Compared::of(path, snapshot.finish())?);
        }
        Ok(Outcome::Yes)
    })?;
    if plan.is_whole {
        compared.extend(stale(&plan.folder, &expected)?);
    }
    Ok((compared, outcome))
}

/// The snapshots that belong to no trace and policy, by name. Other files are left alone.
fn stale(folder: &Path, expected: &BTreeSet<PathBuf>) -> anyhow::Result<Vec<Compared>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("{}", folder.display())),
    };
    let mut stale = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("{}", folder.display()))?
            .path();
        let is_text = path.extension().is_some_and(|extension| extension == "txt");
        if !is_text || expected.contains(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        if text.lines().next() == Some(TITLE) {
            stale.push(Compared {
                path,
                state: State::Stale,
                before: text,
                now: String::new(),
            });
        }
    }
    stale.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(stale)
}

/// A file as JSON.
#[derive(Serialize)]
struct FileLine {
    #[serde(rename = "type")]
    type_name: &'static str,
    file: String,
    state: State,
    /// What changed, as a unified diff. Absent where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

/// All files as JSON.
#[derive(Serialize)]
struct Summary {
    #[serde(rename = "type")]
    type_name: &'static str,
    same: u64,
    differs: u64,
    missing: u64,
    stale: u64,
    sim: &'static str,
}

impl Summary {
    fn of(compared: &[Compared]) -> Self {
        let count = |state| compared.iter().filter(|one| one.state == state).count() as u64;
        Self {
            type_name: "summary",
            same: count(State::Same),
            differs: count(State::Differs),
            missing: count(State::Missing),
            stale: count(State::Stale),
            sim: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn check(plan: &Plan, json: bool, console: &mut Console) -> anyhow::Result<Outcome> {
    let (compared, outcome) = compare(plan, console)?;
    for one in &compared {
        if json {
            console.json(&FileLine {
                type_name: "snapshot",
                file: one.path.display().to_string(),
                state: one.state,
                diff: (one.state != State::Same).then(|| one.diff()),
            })?;
        } else if one.state != State::Same {
            write_compared(one, console)?;
        }
    }
    let summary = Summary::of(&compared);
    if json {
        console.json(&summary)?;
    } else {
        console.line(format_args!(
            "{} the same, {} different, {} missing, {} stale",
            count(summary.same, "snapshot"),
            number(summary.differs),
            number(summary.missing),
            number(summary.stale)
        ))?;
    }
    let is_same = compared.iter().all(|one| one.state == State::Same);
    if !is_same {
        console.note("accept all of it with `sim snapshot accept`, or file by file with `review`");
    }
    Ok(outcome.max(if is_same { Outcome::Yes } else { Outcome::No }))
}

fn write_compared(one: &Compared, console: &mut Console) -> anyhow::Result<()> {
    let what = match one.state {
        State::Same => "the same",
        State::Differs => "different",
        State::Missing => "missing; it would hold",
        State::Stale => "stale: no trace and policy of this name",
    };
    console.line(format_args!("{}: {what}", shown(&one.path)))?;
    if one.state == State::Stale {
        return Ok(());
    }
    let is_coloured = console.is_coloured();
    for line in one.diff().lines() {
        let style = match line.as_bytes().first() {
            _ if !is_coloured => Style::new(),
            Some(b'+') => AnsiColor::Green.on_default(),
            Some(b'-') => AnsiColor::Red.on_default(),
            Some(b'@') => AnsiColor::Cyan.on_default(),
            _ => Style::new(),
        };
        console.line(format_args!("{style}{}{style:#}", Safe(line)))?;
    }
    console.line("")
}

fn accept(plan: &Plan, console: &mut Console) -> anyhow::Result<Outcome> {
    let (compared, outcome) = compare(plan, console)?;
    for one in compared.iter().filter(|one| one.state != State::Same) {
        one.accept()?;
        let done = match one.state {
            State::Stale => "removed",
            _ => "written",
        };
        console.line(format_args!("{}: {done}", shown(&one.path)))?;
    }
    let summary = Summary::of(&compared);
    console.line(format_args!(
        "{} as they were, {} written, {} removed",
        number(summary.same),
        number(summary.differs + summary.missing),
        number(summary.stale)
    ))?;
    Ok(outcome)
}

fn review(plan: &Plan, console: &mut Console) -> anyhow::Result<Outcome> {
    let (compared, outcome) = compare(plan, console)?;
    let open: Vec<&Compared> = (compared.iter())
        .filter(|one| one.state != State::Same)
        .collect();
    let mut left = open.len() as u64;
    'files: for one in open {
        write_compared(one, console)?;
        let question = match one.state {
            State::Stale => "remove it? [y]es, [s]kip, [q]uit:",
            _ => "accept it? [y]es, [s]kip, [q]uit:",
        };
        loop {
            match console.ask(question)?.as_deref() {
                Some("y" | "yes" | "a" | "accept") => {
                    one.accept()?;
                    left -= 1;
                    break;
                }
                Some("s" | "skip") => break,
                None | Some("q" | "quit") => break 'files,
                Some(_) => {}
            }
        }
    }
    console.line(format_args!("{} left open", count(left, "snapshot")))?;
    Ok(outcome.max(if left == 0 { Outcome::Yes } else { Outcome::No }))
}
