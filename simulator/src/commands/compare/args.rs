//! What `sim compare` may be told.

use std::path::PathBuf;

use crate::people::PersonArgs;

/// Compare policies on the same traces
///
/// Runs every policy over every trace and writes one table: what each saved, how often it was
/// wrong, and how near it came to a clairvoyant, who knows how each trace goes on. With several
/// traces the differences from the base come with 95 % intervals, from a bootstrap over people.
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
    #[command(flatten)]
    pub(crate) person: PersonArgs,
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
