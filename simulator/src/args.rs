//! The command line, all of it.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use engine::{Seq, TabId};
use simulator::anonymize::TREATMENT;
use simulator::baselines;
use simulator::difference::CAUSES;
use simulator::replay::{Definition, SCORES};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or the answer is yes
  1  the answer is no: something differs, or is not there
  2  not answered: wrong use, a file that cannot be opened, nothing that can be compared
  3  a trace or a saved state is damaged

A TRACE is a folder that holds one trace, or any segment of it (.jsonl or .jsonl.zst). Where several
can be named, a folder stands for each trace in it or, where it has none itself, in the folders in
it; a trace is taken once, however many of its segments are named. A program built with
`--features analysis` takes a Parquet file as well.";

/// Replay recorded browser sessions: verify, describe, explain, and try other policies
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(VerifyArgs),
    Info(InfoArgs),
    Replay(ReplayArgs),
    Compare(CompareArgs),
    Diff(DiffArgs),
    Snapshot(SnapshotArgs),
    Explain(ExplainArgs),
    Check(CheckArgs),
    Cut(CutArgs),
    Merge(MergeArgs),
    Recover(RecoverArgs),
    Anonymize(AnonymizeArgs),
    Import(ImportArgs),
    Stats(StatsArgs),
    Convert(ConvertArgs),
    Synth(SynthArgs),
    Sweep(SweepArgs),
    Tune(TuneArgs),
    Report(ReportArgs),
}

/// Check that the engine makes the recorded decisions from the recorded inputs
///
/// Feeds the recorded inputs to a fresh engine and compares every decision and every change of
/// pressure with the recorded one, field by field, and the engine's state at every checkpoint.
/// Exits with 1 and names the first difference if there is one, and with 2 where there is nothing
/// to compare: a trace that was not recorded live, one of another version of the engine, or one that
/// is too short to hold a decision, a change of pressure or a checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim verify traces/recorded/enforce
  sim verify --json ~/.local/state/tab-orchestrator/traces")]
pub(crate) struct VerifyArgs {
    /// Traces to verify: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what is in a trace
///
/// Tells who wrote it and when, what happened in it by type, how many tabs and windows were open,
/// the pressure on the machine, readings of memory, what was decided and discarded, where the
/// recording has holes, which policies were in force, and whether it is whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim info traces/recorded/enforce
  sim info --json traces/recorded/enforce | jq .pressure")]
pub(crate) struct InfoArgs {
    /// Traces to describe: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

/// Find out what a policy would have decided
///
/// Runs the trace through a policy, which enforces from the first line on. The recorded policy's
/// own decisions, discards and restores are taken out; what the user and the machine did is kept;
/// a tab that the policy discards comes back when the recording says that it was needed. Samples of
/// memory are shifted by what the policy's discards differ from the recorded ones. Several
/// traces are scored one by one, then pooled. Exits with 1 where a policy of ours discards a tab
/// that a hard guard protects.
///
/// A replay can be stopped at a line, saved, and gone on with: the same decisions follow, byte for
/// byte, as without the stop. It can also go on under another policy. That one takes over as if it
/// had been installed at this moment and the browser had told it of its tabs: what is open, and
/// when each tab was last in front. Tabs that are discarded by then stay so, and it sees of the
/// machine what comes after. One of our policies that follows another of ours takes the new
/// settings over as it does live, and its cooldown, its pressure and what it has under way go on.
#[derive(Debug, clap::Args)]
#[command(after_help = replay_examples(), after_long_help = replay_help())]
pub(crate) struct ReplayArgs {
    /// Traces to replay, one after another: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// The policy: a preset (default, gentle, eager), a baseline, or a TOML or JSON file
    /// [default: default, or that of the saved state]
    #[arg(short, long, value_name = "FILE|NAME")]
    pub(crate) policy: Option<String>,
    /// What the policy «random» draws from [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write JSON Lines: an object for each decision, then one for the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the summary alone
    #[arg(short, long, conflicts_with = "decisions")]
    pub(crate) summary: bool,
    /// Write the decisions alone
    #[arg(short, long)]
    pub(crate) decisions: bool,
    /// Leave samples of memory as recorded, whatever the policy frees
    #[arg(long)]
    pub(crate) open_loop: bool,
    /// Measure it against the clairvoyant frontier, which keeps what every tab could have saved
    #[arg(long, conflicts_with_all = ["save_state", "from_state"])]
    pub(crate) frontier: bool,
    /// Stop after this line of the trace, by its seq
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub(crate) until: Option<Seq>,
    /// Save the state to go on from later, as it stands after the last line. Decisions on that line
    /// itself are left to whoever goes on: the recorded ones may follow it
    #[arg(long, value_name = "FILE")]
    pub(crate) save_state: Option<PathBuf>,
    /// Go on from a state that was saved at a line of this trace. Decisions before it are not
    /// written again; the summary is of the whole. The loop stays open or closed, as it was
    #[arg(long, value_name = "FILE", conflicts_with = "open_loop")]
    pub(crate) from_state: Option<PathBuf>,
}

/// Compare policies on the same traces
///
/// Runs every policy over every trace and writes one table: what each saved, how often it was
/// wrong, and how near it came to a clairvoyant, who knows how each trace goes on. With several
/// traces the differences from the base come with 95 % intervals, from a bootstrap over the traces.
/// The rows lru-10, never and clairvoyant are always there. Exits with 1 where a policy of ours
/// discards a tab that a hard guard protects.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim compare traces/recorded/*
  sim compare traces/recorded/* -p default -p ttl-15 -p my-policy.toml
  sim compare traces/recorded/* -p default --ablate
  sim compare traces/recorded/* --html comparison.html
  sim compare my-traces -p default -p eager --curve")]
pub(crate) struct CompareArgs {
    /// Traces to compare on: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// A policy that takes part, as `sim replay` knows it; may be given several times [default: all
    /// presets and baselines]
    #[arg(short, long = "policy", value_name = "FILE|NAME")]
    pub(crate) policies: Vec<String>,
    /// The policy that the others are held against [default: the first]
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) base: Option<String>,
    /// Take a part of the base away at a time: focus, PSI, hysteresis, cooldown, familiarity
    #[arg(long)]
    pub(crate) ablate: bool,
    /// Compare families with all TTLs scaled together, at 70, 80 and 90 % saved
    #[arg(long)]
    pub(crate) curve: bool,
    /// What intervals, and the policy «random», draw from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Leave samples of memory as recorded, whatever a policy frees
    #[arg(long)]
    pub(crate) open_loop: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the table in Markdown
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
    /// Show only these scores, by their names in SCORES.md; bytes saved bring early returns with
    /// them
    #[arg(long, value_name = "SCORES", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Write savings against reloads as SVG files, light and dark, into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) svg: Option<PathBuf>,
    /// Write tables and plots as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

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

/// Explain what would happen to a tab, and why
///
/// Gives the engine's own explanation of a tab after a line of the trace, under the recorded
/// policy, which single settings would have led to another answer, and what was decided on it in the
/// whole trace; on demand also what another policy would have made of it, and what a clairvoyant. A
/// discarded tab gets another id; any of its ids names it. Exits with 1 where the tab was not open
/// at that line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim explain traces/recorded/enforce --tab 2013157484
  sim explain traces/recorded/enforce --tab 2013157484 --at 191 --json
  sim explain traces/recorded/enforce --tab 2013157484 --at 191 --policy gentle --clairvoyant")]
pub(crate) struct ExplainArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The tab, by any id it ever had
    #[arg(long, value_name = "ID", allow_negative_numbers = true, value_parser = parse_tab)]
    pub(crate) tab: TabId,
    /// The line after which to explain it, by its seq [default: the last]
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub(crate) at: Option<Seq>,
    /// Say what this policy would have made of it: a preset, a baseline or a file
    #[arg(short, long, value_name = "FILE|NAME")]
    pub(crate) policy: Option<String>,
    /// What the policy «random» draws from
    #[arg(long, value_name = "N", default_value_t = 0, requires = "policy")]
    pub(crate) seed: u64,
    /// Say what somebody would have done who knew how the trace goes on
    #[arg(long)]
    pub(crate) clairvoyant: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Look for what is odd in a trace
///
/// Reads the whole trace, checks its form, its seqs, checkpoints and seals, and looks for things
/// that cannot have happened (events about tabs that are not open, a tab opened twice), for text
/// that no trace may hold (addresses, titles, ports, users), for times that do not fit, and for
/// types and fields that this version does not know. Exits with 1 where something was found, and
/// with 3 where the trace is damaged: then «sim recover» tells what is left of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim check traces/recorded/enforce
  sim check --json traces/recorded/enforce | jq .findings")]
pub(crate) struct CheckArgs {
    /// Traces to check: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

/// Cut a piece out of a trace, as a trace of its own
///
/// A cut that begins in the middle begins with what was the case there: the policy and the mode in
/// force, what was known of the hosts, everything open, the last sample of the machine. A cut by
/// tabs keeps what happened to them under any id they had, and all of windows, user and machine;
/// where another tab takes the front from them, a snapshot says so. Decisions whose input, and
/// outcomes whose decision is not in the piece are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim cut traces/recorded/long --from-seq 500 --to-seq 900 --output piece
  sim cut traces/recorded/long --from 2026-11-30T08:30:00Z --output piece
  sim cut traces/recorded/long --tab 1782797111 --tab 1782797126 --output two-tabs")]
pub(crate) struct CutArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Begin with this line
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub(crate) from_seq: Option<Seq>,
    /// End with this line
    #[arg(long, value_name = "SEQ", value_parser = parse_seq)]
    pub(crate) to_seq: Option<Seq>,
    /// Begin at this time: 2026-01-02T03:04:05Z, or Unix milliseconds
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<i64>,
    /// End at this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<i64>,
    /// Keep this tab alone, by any id it ever had; may be given several times
    #[arg(long = "tab", value_name = "ID", allow_negative_numbers = true, value_parser = parse_tab)]
    pub(crate) tabs: Vec<TabId>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Write one JSON object about what was written
    #[arg(long)]
    pub(crate) json: bool,
}

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

/// Save what a damaged trace still holds
///
/// Reads on past damage, keeps each line that still is one and goes on from those around it, and
/// counts exactly what is lost: lines by their seqs, bytes that are no lines, ends of files. With
/// --output it writes what is kept as a trace; where lines are missing, a «dropped» says how many.
/// The damaged files are not touched. Exits with 3 where anything is lost, with 0 where nothing is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim recover damaged
  sim recover damaged --output recovered")]
pub(crate) struct RecoverArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Write what is kept to this folder, which must not be there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Compress what is written with zstd
    #[arg(long, requires = "output")]
    pub(crate) compress: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Make a copy of a trace that can be given away
///
/// Without --output it only shows what would leave. With it, it shows the same on stderr and writes
/// the copy. No host of the original stands in the copy, and the key is kept nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim anonymize traces/recorded/enforce
  sim anonymize traces/recorded/enforce --output to-publish", after_long_help = anonymize_help())]
pub(crate) struct AnonymizeArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Write the copy to this folder, which must not be there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Compress what is written with zstd
    #[arg(long, requires = "output")]
    pub(crate) compress: bool,
    /// Let hosts that were in front less often than this share one name
    #[arg(long, value_name = "VISITS", default_value_t = 3)]
    pub(crate) pool_below: u64,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a new trace goes.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write to this folder, which must not be there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Compress what is written with zstd
    #[arg(long)]
    pub(crate) compress: bool,
}

fn anonymize_help() -> String {
    let mut text = "What becomes of what:\n".to_owned();
    for (fact, becomes) in TREATMENT {
        text += &described(fact, becomes);
    }
    text + "\n\
Examples:
  sim anonymize traces/recorded/enforce
  sim anonymize traces/recorded/enforce --output to-publish"
}

/// A name and what it is, broken into lines.
fn described(name: &str, about: &str) -> String {
    let mut text = format!("  {name}\n");
    let mut line = String::new();
    for word in about.split(' ') {
        if line.len() + word.len() > 88 {
            text += &format!("     {line}\n");
            line.clear();
        }
        line += &format!(" {word}");
    }
    text + &format!("     {line}\n")
}

/// Make traces from what other programs know of browsing
///
/// Reads a browser's own history, an export of ActivityWatch or a table of visits, and writes a
/// trace for each person, with `origin` "imported". Only hostnames come in, never a path or a
/// title. What a source does not tell is filled by rules that the trace names; traces/IMPORTING.md
/// says what each does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim import chrome --list
  sim import chrome ~/.config/chromium/Default --output mine
  sim import firefox --output mine
  sim import activitywatch aw-buckets-export.json --output mine
  sim import visits visits.csv --user user --time t_ms --host site --page url_id --output people
  sim import chrome --metrics typical --seed 7 --output mine
  sim replay mine --policy ttl-15 --summary")]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    Chrome(ChromeArgs),
    Firefox(FirefoxArgs),
    Activitywatch(ActivityWatchArgs),
    Visits(VisitsArgs),
}

/// Import the history of Chrome, Edge, Brave, Vivaldi, Opera or Chromium
///
/// Reads a copy of the `History` database, so that the browser may run meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct ChromeArgs {
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) options: ImportOptions,
}

/// Import the history of Firefox
///
/// Reads a copy of `places.sqlite`, so that the browser may run meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct FirefoxArgs {
    #[command(flatten)]
    pub(crate) profile: ProfileArgs,
    #[command(flatten)]
    pub(crate) options: ImportOptions,
}

/// Which profile of a browser.
#[derive(Debug, clap::Args)]
pub(crate) struct ProfileArgs {
    /// The folder of a profile, or its database [default: the one profile there is]
    #[arg(value_name = "PROFILE")]
    pub(crate) path: Option<PathBuf>,
    /// Only list the profiles that are found
    #[arg(long, conflicts_with_all = ["path", "output"])]
    pub(crate) list: bool,
    /// The folder that the trace becomes; it must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "list")]
    pub(crate) output: Option<PathBuf>,
}

/// Import buckets of ActivityWatch: its web watchers, and when nobody was there
///
/// Reads what the server exports as JSON. Each browser becomes a trace in a folder of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct ActivityWatchArgs {
    /// The export
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The folder for the traces; it must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) options: ImportOptions,
}

/// Import a table of page visits
///
/// Reads a CSV file with a header line. Each user becomes a trace in a folder of its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim import visits visits.csv --user user --time t_ms --host site --page url_id --output people
  sim import visits panel.csv --user id --time at --time-unit date --url url --output people")]
pub(crate) struct VisitsArgs {
    /// The table
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The column that says who
    #[arg(long, value_name = "COLUMN")]
    pub(crate) user: String,
    /// The column that says when
    #[arg(long, value_name = "COLUMN")]
    pub(crate) time: String,
    /// What the times are in; dates without an offset are UTC
    #[arg(long, value_name = "UNIT", value_enum, default_value_t = UnitArg::Ms)]
    pub(crate) time_unit: UnitArg,
    /// The column that says where, as a URL
    #[arg(long, value_name = "COLUMN", required_unless_present = "host")]
    pub(crate) url: Option<String>,
    /// The column that says where, as a host
    #[arg(long, value_name = "COLUMN", conflicts_with = "url")]
    pub(crate) host: Option<String>,
    /// A column that tells the pages of a host apart; coming back to the same one is no load
    #[arg(long, value_name = "COLUMN")]
    pub(crate) page: Option<String>,
    /// What stands between two cells
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = parse_delimiter)]
    pub(crate) delimiter: u8,
    /// The folder for the traces; it must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) options: ImportOptions,
}

/// What every importer may be told.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ImportOptions {
    /// Close a tab that is not returned to within so many hours
    #[arg(long, value_name = "HOURS", default_value_t = 24,
          value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(crate) close_after_hours: u32,
    /// Add a machine that never was, so that memory runs short: «typical», or a TOML file with
    /// a table «machine»
    #[arg(long, value_name = "MODEL")]
    pub(crate) metrics: Option<String>,
    /// What that machine is drawn from
    #[arg(long, value_name = "N", default_value_t = 0, requires = "metrics")]
    pub(crate) seed: u64,
    /// Compress what is written with zstd
    #[arg(long)]
    pub(crate) compress: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UnitArg {
    /// Unix seconds
    S,
    /// Unix milliseconds
    Ms,
    /// Unix microseconds
    Us,
    /// Dates such as 2019-03-01T18:32:04Z
    Date,
}

/// Compare how tabs are used in a trace with what is known of it
///
/// Computes, for each trace and for all of them together, the calibration table: tabs and windows
/// open, lives of tabs, time on pages and sites, sessions, switches, returns to a site by how long
/// it was away, discards and memory; each beside the value that was published or measured, its
/// source, and a tolerance. Sources are marked Q (quoted), S (at second hand), C (computed from
/// data) and D (read off a graph). What a trace cannot tell is left out, and said why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim stats traces/recorded/long
  sim stats --json traces/recorded/long | jq '.rows[] | select(.within == false)'
  sim stats --person my-traces --html mine.html")]
pub(crate) struct StatsArgs {
    /// Traces to measure, each of another person: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Take all traces as one person's, the earliest first
    #[arg(long)]
    pub(crate) person: bool,
    /// Write plots as SVG files, light and dark, into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) svg: Option<PathBuf>,
    /// Write tables and plots as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write one JSON object for each person, then one for all of them
    #[arg(long)]
    pub(crate) json: bool,
}

/// Write a trace in another form, nothing lost
///
/// Reads and checks a whole trace and writes it as JSON Lines, as compressed JSON Lines or, in a
/// program built with `--features analysis`, as Parquet: a row a line, a column a field. Each form
/// gives the same lines again, byte for byte. What a torn end leaves unfinished, and what was
/// written anew after a failed sync, is left out and told. Nothing is left behind where it fails.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim convert traces/recorded/long long.jsonl.zst
  sim convert traces/recorded/long long.parquet
  sim convert long.parquet restored/ --to jsonl")]
pub(crate) struct ConvertArgs {
    /// The trace: a folder, a segment or a Parquet file
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The file to write; for JSON Lines also a folder, which takes a file for each segment
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The form to write [default: what the name of OUT ends in]
    #[arg(long, value_name = "FORM")]
    pub(crate) to: Option<Form>,
    /// Replace files that are there
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Write one JSON object that says what was done
    #[arg(long)]
    pub(crate) json: bool,
}

/// A form that a trace can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// JSON Lines
    #[value(name = "jsonl")]
    Jsonl,
    /// JSON Lines, compressed
    #[value(name = "jsonl.zst")]
    Compressed,
    /// Parquet
    #[value(name = "parquet")]
    Parquet,
}

/// Make traces of people that never were
///
/// Each person is drawn from a profile: when they use the browser, how long they look at pages,
/// where they go next, which tabs they open, keep and close, and what their machine does meanwhile.
/// The same seed gives the same bytes, whoever else is made with them and on however many threads.
/// Every number of a profile stands in one TOML file, which --print-profile shows; a file that says
/// `like = "typical"` needs only what differs. With --check the people are measured as `sim stats`
/// does, and the result is held against the calibration table: it exits with 1 where a row is off.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Profiles: light, typical, heavy, power, developer, researcher, kiosk, and mixed, which is some of
each.

Examples:
  sim synth --output one
  sim synth --profile mixed --people 100 --weeks 4 --seed 7 --compress --output people
  sim synth --profile researcher --print-profile > mine.toml
  sim synth --profile mine.toml --days 2 --output mine
  sim synth --check
  sim synth --check --profile heavy --people 40")]
pub(crate) struct SynthArgs {
    /// A profile by its name, or a TOML file [default: typical; mixed with --check]
    #[arg(short, long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// How many people to make, each a trace in a folder of its own [default: one, whose trace the
    /// folder becomes; 200 with --check]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) people: Option<u64>,
    /// For how many days [default: 7; 28 with --check]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_525))]
    pub(crate) days: Option<u32>,
    /// The same, in weeks
    #[arg(long, value_name = "N", conflicts_with = "days",
          value_parser = clap::value_parser!(u32).range(1..=5_217))]
    pub(crate) weeks: Option<u32>,
    /// When the traces begin
    #[arg(long, value_name = "DATE", default_value = "2026-01-05", value_parser = parse_date)]
    pub(crate) from: i64,
    /// What everything is drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Sample the machine every so many seconds [default: as the profile says]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) sample_every: Option<u32>,
    /// The folder for the traces; it must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
    /// Compress what is written with zstd
    #[arg(long)]
    pub(crate) compress: bool,
    /// Compare what comes out with the calibration table
    #[arg(long)]
    pub(crate) check: bool,
    /// Only write the profile, every number of it
    #[arg(long, conflicts_with_all = ["output", "check"])]
    pub(crate) print_profile: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Try many variants of a policy on the same traces
///
/// Gives settings of a policy (--base) other values (--vary), and runs each variant over each trace,
/// on every core. All combinations are tried, or with --sobol or --latin-hypercube so many samples
/// that fill the space. Traces are decoded once and kept packed in the user's cache folder, which
/// may be deleted at any time. The folder that --output names holds afterwards:
///
///   results.jsonl   a flat row a trace and policy: what was varied, and every score; with a
///                   program built with `--features analysis` results.parquet, too
///   frontier.json   what a clairvoyant saves at most on all traces, by the number of reloads
///   manifest.json   versions, hashes and seeds: what the results were made from
///   plan.toml, units.jsonl, rows.jsonl   what was asked for, its units of work, what is done
///
/// Stopped at any moment it goes on where it was when it is called again with the same arguments,
/// and comes to the same bytes, whatever the number of threads. Of the finished units one in twenty
/// is done again and compared. Exits with 1 where one differs, or where a policy of ours discards a
/// tab that a hard guard protects.
///
/// On many machines: «plan» writes the units, a line each; «run» carries any of them out, in any
/// order and as often as you like; «collect» puts the rows together. docs: simulator/SWEEP.md
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  sim sweep traces/recorded/* --vary ttl_minutes=5..60:12 --vary focus.enabled=false,true --output ttl
  sim sweep people/* --vary ttl_minutes=1..240:log --vary batch_high=1..8 --sobol 256 --output wide
  sim sweep --plan ttl/plan.toml --output again
  sim sweep plan traces/recorded/* --vary ttl_minutes=5..60:12 > units.jsonl
  sim sweep run --units units.jsonl --shard 3/8 --rows rows-3.jsonl
  head -1 units.jsonl | sim sweep run --unit -
  sim sweep collect --units units.jsonl rows-*.jsonl --output together"
)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    pub(crate) part: Option<SweepPart>,
    #[command(flatten)]
    pub(crate) space: SweepSpace,
    /// The folder for the results; where a sweep was stopped in it, that one goes on
    #[arg(short, long, value_name = "FOLDER", required = true)]
    pub(crate) output: Option<PathBuf>,
    /// How many threads work [default: one a core]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// Begin even if it will take longer than a day
    #[arg(long)]
    pub(crate) long: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SweepPart {
    /// Write the units of work of a sweep, a line each
    Plan(SweepSpace),
    /// Carry units of work out
    Run(SweepRunArgs),
    /// Put rows from anywhere together
    Collect(SweepCollectArgs),
}

/// What is varied, and on what.
#[derive(Debug, clap::Args)]
pub(crate) struct SweepSpace {
    /// Traces to run over: folders, segments or Parquet files
    #[arg(value_name = "TRACE", required_unless_present = "plan")]
    pub(crate) traces: Vec<PathBuf>,
    /// A setting and its values: a list with commas, or FROM..TO with :STEPS and, for equal
    /// factors, :log. May be given several times
    #[arg(
        long = "vary",
        value_name = "SETTING=VALUES",
        required_unless_present = "plan"
    )]
    pub(crate) vary: Vec<String>,
    /// Take all this from a plan in TOML, as it stands in a finished folder
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "traces", "vary", "base", "with", "latin_hypercube", "sobol", "seed", "open_loop", "no_frontier",
    ])]
    pub(crate) plan: Option<PathBuf>,
    /// The policy that is varied: a preset or a file
    #[arg(long, value_name = "FILE|NAME", default_value = "default")]
    pub(crate) base: String,
    /// A policy to run beside the variants, as `sim replay` knows it; may be given several times.
    /// The base, never and lru-10 always are
    #[arg(long = "with", value_name = "FILE|NAME")]
    pub(crate) with: Vec<String>,
    /// Try so many samples of a Latin hypercube instead of every combination
    #[arg(long, value_name = "N", conflicts_with = "sobol")]
    pub(crate) latin_hypercube: Option<usize>,
    /// Try so many points of a Sobol sequence instead
    #[arg(long, value_name = "N")]
    pub(crate) sobol: Option<usize>,
    /// What samples, the recheck, and the policy «random» are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Leave samples of memory as recorded, whatever a policy frees
    #[arg(long)]
    pub(crate) open_loop: bool,
    /// Do without the clairvoyant frontier
    #[arg(long)]
    pub(crate) no_frontier: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// How far traces that were packed before are trusted.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// Read traces through that are packed already, in case one was changed and kept its size and
    /// time
    #[arg(long)]
    pub(crate) verify_cache: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepRunArgs {
    /// Read units from stdin until it ends, and write a row on stdout for each as it is done
    #[arg(long, value_name = "-", value_parser = ["-"], required_unless_present = "units")]
    pub(crate) unit: Option<String>,
    /// Read them from a file
    #[arg(long, value_name = "FILE", conflicts_with = "unit")]
    pub(crate) units: Option<PathBuf>,
    /// Take every N-th unit alone, from the I-th on
    #[arg(long, value_name = "I/N", requires = "units", value_parser = parse_shard)]
    pub(crate) shard: Option<Shard>,
    /// Add the rows to this file, and do none again that stands in it [default: to stdout]
    #[arg(long, value_name = "FILE", requires = "units")]
    pub(crate) rows: Option<PathBuf>,
    /// How many threads work [default: one a core]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_threads, requires = "units")]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SweepCollectArgs {
    /// Files of rows, in any order; a row may stand in several
    #[arg(value_name = "ROWS", required = true)]
    pub(crate) rows: Vec<PathBuf>,
    /// The units that they are the rows of
    #[arg(long, value_name = "FILE")]
    pub(crate) units: PathBuf,
    /// The folder for the results
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Find better settings, and say how far that can be trusted
///
/// Searches for variants of a policy (--base) that save most and need few reloads, return early
/// rarely and leave little pressure, within limits. Unless --max-reloads-per-hour names another, the
/// limit is what the base itself needs. What a search finds is judged on what it did not see: people
/// are held out in turn (--folds), and each window of time is judged by what was chosen on those
/// before it (--windows). Of the candidates one is chosen whose neighbours do as well.
///
/// --output holds tune.json (every variant, the fronts in training and held out, sensitivities, the
/// evidence) and, where what was chosen is better than the base beyond the noise and keeps the limits
/// wherever it was held out, policy.toml, ready for the host. Exits with 1 where nothing can be
/// recommended, as with fewer than 10 people.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim tune people/* --output tuned
  sim tune people/* --max-reloads-per-hour 0.5 --output tuned
  sim tune people/* --vary ttl_minutes=2..240:log --vary familiarity_cap=1,2,4,8 --output tuned
  sim tune waves/* --person '^(.*)-w[0-9]$' --folds 5 --windows 4 --output tuned
  sim report tuned --html tuned.html")]
pub(crate) struct TuneArgs {
    /// Traces to tune on: folders, segments or Parquet files
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// The folder for what is found
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// The policy to tune: a preset or a file
    #[arg(long, value_name = "FILE|NAME", default_value = "default")]
    pub(crate) base: String,
    /// A setting and its values, as `sim sweep` takes them; may be given several times [default:
    /// the settings that a policy does most of its work by]
    #[arg(long = "vary", value_name = "SETTING=VALUES")]
    pub(crate) vary: Vec<String>,
    /// Another policy to hold the tuned one against; original-2026 always is
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) against: Vec<String>,
    /// At most so many reloads in an hour of the user's time [default: as many as
    /// the base or original-2026, whichever needs fewer]
    #[arg(long, value_name = "RATE", value_parser = parse_limit)]
    pub(crate) max_reloads_per_hour: Option<f64>,
    /// At most this share of discards whose tab is back within 10 minutes, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = parse_limit)]
    pub(crate) max_early_returns: Option<f64>,
    /// At most so many minutes at HIGH in an hour awake
    #[arg(long, value_name = "MINUTES", value_parser = parse_limit)]
    pub(crate) max_high_minutes_per_hour: Option<f64>,
    /// How far below the limits a search keeps, as a share of each
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_share)]
    pub(crate) margin: f64,
    /// A regular expression that finds the person in a trace's name, by its first group [default:
    /// each trace is another person's]
    #[arg(long, value_name = "REGEX")]
    pub(crate) person: Option<String>,
    /// Into how many groups people are dealt, each held out once; 1 holds nobody out
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_few)]
    pub(crate) folds: usize,
    /// Into how many windows everybody's time is cut; 1 does without walking forward
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = parse_few)]
    pub(crate) windows: usize,
    /// How many variants each search tries
    #[arg(long, value_name = "N", default_value_t = 160, value_parser = parse_trials)]
    pub(crate) trials: usize,
    /// How many of them are tried at a time, before the search learns of them
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = parse_trials)]
    pub(crate) population: usize,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many threads work [default: one a core]
    #[arg(short = 'j', long, value_name = "N", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_limit(text: &str) -> Result<f64, String> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (0.0..=1e6).contains(limit));
    limit.ok_or_else(|| "expected a number from 0".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..1.0).contains(share));
    share.ok_or_else(|| "expected a share from 0, included, to 1, excluded".to_owned())
}

fn parse_few(text: &str) -> Result<usize, String> {
    let few = text.parse().ok().filter(|few| (1..=50).contains(few));
    few.ok_or_else(|| "expected a number from 1 to 50".to_owned())
}

fn parse_trials(text: &str) -> Result<usize, String> {
    let trials = text
        .parse()
        .ok()
        .filter(|trials| (4..=100_000).contains(trials));
    trials.ok_or_else(|| "expected a number from 4 to 100000".to_owned())
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which, from 1.
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl Shard {
    /// Whether the unit with this index, from 0, belongs to it.
    pub(crate) fn has(self, unit: usize) -> bool {
        unit % self.of == self.index - 1
    }
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    let shard = text.split_once('/').and_then(|(index, of)| {
        let (index, of) = (index.parse().ok()?, of.parse().ok()?);
        (1..=of).contains(&index).then_some(Shard { index, of })
    });
    shard.ok_or_else(|| "expected I/N with I from 1 to N, such as 3/8".to_owned())
}

fn parse_threads(text: &str) -> Result<usize, String> {
    let threads = text
        .parse()
        .ok()
        .filter(|threads| (1..=1_024).contains(threads));
    threads.ok_or_else(|| "expected a number from 1 to 1024".to_owned())
}

/// The scores and the examples.
fn replay_help() -> String {
    let mut text = "Scores, as they are called in JSON:\n".to_owned();
    for Definition {
        name, unit, about, ..
    } in SCORES
    {
        text += &described(&format!("{name} ({unit})"), about);
    }
    text + "\n" + &replay_examples()
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ if text == "\\t" => Ok(b'\t'),
        _ => Err("expected one ASCII character, or \\t".to_owned()),
    }
}

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

fn parse_tab(text: &str) -> Result<TabId, std::num::ParseIntError> {
    text.parse().map(TabId)
}

fn parse_seq(text: &str) -> Result<Seq, std::num::ParseIntError> {
    text.parse().map(Seq)
}

fn parse_time(text: &str) -> Result<i64, String> {
    let time = text
        .parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_millisecond);
    text.parse()
        .ok()
        .or(time.ok())
        .ok_or_else(|| "expected a time as 2026-01-02T03:04:05Z, or Unix milliseconds".to_owned())
}

/// The beginning of a day, or a time.
fn parse_date(text: &str) -> Result<i64, String> {
    let day = text
        .parse::<jiff::civil::Date>()
        .ok()
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|day| day.timestamp().as_millisecond());
    day.map_or_else(|| parse_time(text), Ok)
        .map_err(|_| "expected a date as 2026-01-05, or a time as 2026-01-05T03:04:05Z".to_owned())
}

fn replay_examples() -> String {
    let mut text = "\
Examples:
  sim replay traces/recorded/observe
  sim replay traces/recorded/observe --policy gentle --summary
  sim replay traces/recorded/observe --policy ttl-15 --summary
  sim replay traces/recorded/observe --policy my-policy.toml --json > decisions.jsonl
  sim replay traces/recorded/observe --policy gentle --until 100 --save-state at-100.state
  sim replay traces/recorded/observe --from-state at-100.state --policy eager

Baselines, each what another system does as it is documented; N is a number:"
        .to_owned();
    for (name, about) in baselines::NAMES {
        text += &format!("\n  {name:<32}  {about}");
    }
    text
}

/// Show what a tuning or a sweep found, as a page
///
/// FOLDER is one that `sim tune` or `sim sweep` wrote with --output; which of them is found out by what
/// is in it. --html writes one file that needs nothing else: savings against reloads under the
/// clairvoyant frontier, what each setting does, the variants, and what all of it was made from. With
/// --trace it shows how a trace goes, too: pressure, loaded tabs, discards and returns, under the
/// recommended policy of a tuning or the default one unless --policy names others.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim report tuned --html tuned.html
  sim report swept --html swept.html
  sim report tuned --html tuned.html --trace people/anna --policy default --policy lru-10
  sim report swept --json | jq .sensitivity")]
pub(crate) struct ReportArgs {
    /// What `sim tune` or `sim sweep` wrote
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
    /// Write the page
    #[arg(long, value_name = "FILE", required_unless_present = "json")]
    pub(crate) html: Option<PathBuf>,
    /// Show how a trace goes; may be given several times
    #[arg(long = "trace", value_name = "TRACE")]
    pub(crate) traces: Vec<PathBuf>,
    /// A policy for --trace: a preset, a baseline or a file; may be given several times
    #[arg(long = "policy", short, value_name = "FILE|NAME", requires = "traces")]
    pub(crate) policies: Vec<String>,
    /// What such a policy draws its random numbers from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Write the figures as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
