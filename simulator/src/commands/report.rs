//! `sim report`: what a tuning or a sweep found, as a page.

mod course;
mod figures;
mod page;
mod plots;
mod source;
mod swept;
mod tuned;

use std::path::{Path, PathBuf};

use engine::{SETTINGS, Takes};
use serde_json::Value;
use simulator::replay::Rates;

use crate::console::{Console, Safe, percent};
use crate::named_traces::open_all;
use crate::outcome::Outcome;
use crate::policy;
use crate::reading::shown;

use figures::{Course, Fact, Report};
use source::Source;

pub(crate) use source::DamagedSource;

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

pub(crate) fn run(args: &ReportArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut report = match source::open(&args.folder)? {
        Source::Tune(tuned) => tuned::report(*tuned),
        Source::Sweep(sweep) => swept::report(*sweep),
    };
    report.timelines = timelines(args, console)?;
    if let Some(file) = &args.html {
        page::write(&report, file)?;
    }
    if args.json {
        console.json(&report)?;
    } else if let Some(file) = &args.html {
        tell(&report, file, console)?;
    }
    Ok(Outcome::Yes)
}

/// Replays each trace under each policy: those that are named, else what was recommended, else the
/// default.
fn timelines(args: &ReportArgs, console: &mut Console) -> anyhow::Result<Vec<Course>> {
    let recommended = args.folder.join("policy.toml");
    let names = match args.policies.as_slice() {
        [] if recommended.is_file() => vec![recommended.display().to_string()],
        [] => vec!["default".to_owned()],
        named => named.to_vec(),
    };
    let mut all = Vec::new();
    if args.traces.is_empty() {
        return Ok(all);
    }
    let policies = names.iter().map(|name| policy::find(name, args.seed));
    let policies = policies.collect::<anyhow::Result<Vec<_>>>()?;
    for (path, trace) in open_all(&args.traces, console)? {
        for policy in &policies {
            all.push(course::course(&path, &trace, policy, console)?);
        }
    }
    Ok(all)
}

fn tell(report: &Report, file: &Path, console: &mut Console) -> anyhow::Result<()> {
    console.line(Safe(&report.title))?;
    for sentence in &report.answer {
        console.line(Safe(sentence))?;
    }
    console.line(format_args!("Page: {}", shown(file)))
}

/// A number that may not be there, in words.
struct Words(Option<f64>);

impl Words {
    /// A share.
    fn percent(&self) -> String {
        self.0.map_or("–".to_owned(), percent)
    }

    fn decimal(&self, decimals: usize) -> String {
        self.0
            .map_or("–".to_owned(), |it| format!("{it:.decimals$}"))
    }
}

/// The price of what was saved, in words.
fn early_returns(rates: &Rates) -> String {
    match rates.early_return_rate {
        Some(rate) => format!("{} early returns", percent(rate)),
        None => "nothing discarded".to_owned(),
    }
}

/// The value of a setting, for people.
fn shown_value(value: &Value) -> String {
    match value {
        Value::Null => "off".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number
            .as_f64()
            .map_or(number.to_string(), |it| it.to_string()),
        other => other.to_string(),
    }
}

/// What a setting counts; empty for what is no number.
fn unit_of(setting: &str) -> &'static str {
    let found = SETTINGS.iter().find(|it| it.path == setting);
    match found.map(|it| it.takes) {
        Some(Takes::Number { unit, .. }) => unit,
        _ => "",
    }
}

impl Fact {
    fn new(name: &'static str, value: String) -> Self {
        Self { name, value }
    }
}
