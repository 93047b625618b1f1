//! The command line, all of it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use engine::{Seq, TabId};
use simulator::baselines;
use simulator::replay::{Definition, SCORES};

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or the answer is yes
  1  the answer is no: something differs, or is not there
  2  not answered: wrong use, a file that cannot be opened, nothing that can be compared
  3  a trace or a saved state is damaged

A TRACE is a folder that holds one trace, or any segment of it (.jsonl or .jsonl.zst).";

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
    Explain(ExplainArgs),
}

/// Check that the engine makes the recorded decisions from the recorded inputs
///
/// Feeds the recorded inputs to a fresh engine and compares every decision and every change of
/// pressure with the recorded one, field by field, and the engine's state at every checkpoint.
/// Exits with 1 and names the first difference if there is one, and with 2 where there is nothing
/// to compare: a trace that was not recorded live, or one of another version of the engine.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim verify traces/recorded/enforce
  sim verify --json ~/.local/state/tab-orchestrator/traces/20260102T*.jsonl")]
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
  sim compare my-traces/* -p default -p eager --curve")]
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
}

/// Explain what would happen to a tab, and why
///
/// Gives the engine's own explanation of a tab after a line of the trace, under the recorded
/// policy, and what was decided on it in the whole trace. A discarded tab gets another id; any of
/// its ids names it. Exits with 1 where the tab was not open at that line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim explain traces/recorded/enforce --tab 1813275475
  sim explain traces/recorded/enforce --tab 1813275475 --at 4711 --json")]
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
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The scores and the examples.
fn replay_help() -> String {
    let mut text = "Scores, as they are called in JSON:\n".to_owned();
    for Definition { name, unit, about } in SCORES {
        text += &format!("  {name} ({unit})\n");
        let mut line = String::new();
        for word in about.split(' ') {
            if line.len() + word.len() > 88 {
                text += &format!("     {line}\n");
                line.clear();
            }
            line += &format!(" {word}");
        }
        text += &format!("     {line}\n");
    }
    text + "\n" + &replay_examples()
}

fn parse_tab(text: &str) -> Result<TabId, std::num::ParseIntError> {
    text.parse().map(TabId)
}

fn parse_seq(text: &str) -> Result<Seq, std::num::ParseIntError> {
    text.parse().map(Seq)
}

fn replay_examples() -> String {
    let mut text = "\
Examples:
  sim replay traces/recorded/observe
  sim replay traces/recorded/observe --policy gentle --summary
  sim replay traces/recorded/observe --policy ttl-15 --summary
  sim replay traces/recorded/observe --policy my-policy.toml --json > decisions.jsonl
  sim replay traces/recorded/observe --policy gentle --until 1000 --save-state at-1000.state
  sim replay traces/recorded/observe --from-state at-1000.state --policy eager

Baselines, each what another system does as it is documented; N is a number:"
        .to_owned();
    for (name, about) in baselines::NAMES {
        text += &format!("\n  {name:<32}  {about}");
    }
    text
}
