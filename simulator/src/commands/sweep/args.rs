//! What `sim sweep` and its parts may be told.

use std::path::PathBuf;

use clap::Subcommand;

use super::shard::Shard;
use crate::args::threads::Threads;
use crate::trace_cache::CacheArgs;

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
  sim sweep traces/recorded/* --vary ttl_minutes=5..60:12 --vary gate=pressure,always --output ttl
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
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<Threads>,
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

#[derive(Debug, clap::Args)]
pub(crate) struct SweepRunArgs {
    /// Read units from stdin until it ends, and write a row on stdout for each as it is done
    #[arg(long, value_name = "-", value_parser = ["-"], required_unless_present = "units")]
    pub(crate) unit: Option<String>,
    /// Read them from a file
    #[arg(long, value_name = "FILE", conflicts_with = "unit")]
    pub(crate) units: Option<PathBuf>,
    /// Take every N-th unit alone, from the I-th on
    #[arg(long, value_name = "I/N", requires = "units")]
    pub(crate) shard: Option<Shard>,
    /// Add the rows to this file, and do none again that stands in it [default: to stdout]
    #[arg(long, value_name = "FILE", requires = "units")]
    pub(crate) rows: Option<PathBuf>,
    /// How many threads work [default: one a core]
    #[arg(short = 'j', long, value_name = "N", requires = "units")]
    pub(crate) threads: Option<Threads>,
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
