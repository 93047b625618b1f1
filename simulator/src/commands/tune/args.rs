//! What `sim tune` may be told.

use std::ops::RangeBounds;
use std::path::PathBuf;

use crate::args::threads::Threads;
use crate::people::PersonArgs;
use crate::trace_cache::CacheArgs;

/// Find better settings, and say how far that can be trusted
///
/// Searches for variants of a policy (--base) that save most and need few reloads, return early
/// rarely and leave little pressure, within limits. Unless --max-reloads-per-hour names another, the
/// limit is what the base or original-2026 needs, whichever needs fewer. What a search finds is
/// judged on what it did not see: people are held out in turn (--folds), and each window of time but
/// the first is, for what was chosen on those before it (--windows). Of the candidates one is chosen
/// whose neighbours do as well.
///
/// --output holds tune.json (every variant, the fronts in training and held out, sensitivities, the
/// evidence) and, where what was chosen is better than the base beyond the noise and keeps the limits
/// wherever it was held out, policy.toml, ready for the host. Exits with 1 where nothing can be
/// recommended, as with fewer than 10 people who had something to save.
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
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) max_reloads_per_hour: Option<f64>,
    /// At most this share of discards whose tab is back within 10 minutes, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(crate) max_early_returns: Option<f64>,
    /// At most so many minutes at HIGH in an hour awake
    #[arg(long, value_name = "MINUTES", value_parser = parse_minutes_of_an_hour)]
    pub(crate) max_high_minutes_per_hour: Option<f64>,
    /// How far below the limits a search keeps, as a share of each
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_margin)]
    pub(crate) margin: f64,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// Into how many groups people are dealt, each held out once; 1 holds nobody out
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_few)]
    pub(crate) folds: usize,
    /// Into how many windows everybody's time is cut; 1 does without walking forward
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = parse_few)]
    pub(crate) windows: usize,
    /// How many variants each search tries before it polishes the best and looks at their neighbours,
    /// which takes hundreds more
    #[arg(long, value_name = "N", default_value_t = 160, value_parser = parse_trials)]
    pub(crate) trials: usize,
    /// How many of them are tried at a time, before the search learns of them
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = parse_trials)]
    pub(crate) population: usize,
    /// What everything random is drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// How many threads work [default: one a core]
    #[arg(short = 'j', long, value_name = "N")]
    pub(crate) threads: Option<Threads>,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_rate(text: &str) -> Result<f64, String> {
    within(text, 0.0..=1e6).ok_or_else(|| "expected a number from 0".to_owned())
}

fn parse_share(text: &str) -> Result<f64, String> {
    within(text, 0.0..=1.0).ok_or_else(|| "expected a share from 0 to 1".to_owned())
}

fn parse_minutes_of_an_hour(text: &str) -> Result<f64, String> {
    within(text, 0.0..=60.0).ok_or_else(|| "expected minutes of an hour, from 0 to 60".to_owned())
}

/// All of a limit would leave no room below it.
fn parse_margin(text: &str) -> Result<f64, String> {
    within(text, 0.0..1.0)
        .ok_or_else(|| "expected a share from 0, included, to 1, excluded".to_owned())
}

fn within(text: &str, range: impl RangeBounds<f64>) -> Option<f64> {
    text.parse().ok().filter(|number| range.contains(number))
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
