//! What `sim import` may be told of each source.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

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

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ if text == "\\t" => Ok(b'\t'),
        _ => Err("expected one ASCII character, or \\t".to_owned()),
    }
}
