//! `sim synth`: people that never were, and whether they are like real ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use recorder::{Compression, Source, TraceComposer};
use serde::Serialize;
use simulator::calibration::{Measures, Pool, Row};
use simulator::synth::generation::{GENERATOR, Generation, Measuring};
use simulator::synth::judgement::{Judged, judge, missed};
use simulator::synth::profile::{Population, unknown_profile};

use super::stats::write_rows;
use crate::args::time::parse_date;
use crate::console::{Console, Safe, bytes, count, date};
use crate::outcome::Outcome;
use crate::reading::shown;
use crate::writing::Beside;

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

const DAY_MS: i64 = 86_400_000;

/// How many people a check makes unless told otherwise: enough that somebody stands above the
/// ninetieth percentile by some margin.
const PEOPLE_CHECKED: u64 = 200;

/// For how many days.
const DAYS_CHECKED: u32 = 28;

/// After how many lines the progress is told.
const LINES_A_TICK: u64 = 8_192;

/// Everything that the command line says, resolved.
struct Plan {
    generation: Generation,
    people: u64,
    days: u32,
    out: Option<PathBuf>,
    /// Whether the folder becomes the one trace, rather than a folder of traces.
    is_one_trace: bool,
    compression: Compression,
    is_checked: bool,
}

pub(crate) fn run(args: &SynthArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let default = if args.check { "mixed" } else { "typical" };
    let name = args.profile.as_deref().unwrap_or(default);
    let population = population(name)?;
    if args.print_profile {
        console.line(population.text.trim_end())?;
        return Ok(Outcome::Yes);
    }
    let plan = plan(args, population)?;
    let made = make(&plan)?;
    let judged = made.pool.map(|pool| {
        let rows = judge(pool.rows(), &plan.generation.population.expect);
        (pool.people(), rows)
    });
    let report = Report {
        generator: GENERATOR,
        version: env!("CARGO_PKG_VERSION"),
        profile: &plan.generation.population.name,
        seed: plan.generation.seed,
        from: date(plan.generation.from_ms),
        days: plan.days,
        people: plan.people,
        kinds: kinds(&plan),
        events: made.events,
        bytes: made.bytes,
        output: plan.out.as_ref().map(|out| out.display().to_string()),
        rows: judged.as_ref().map(|(_, rows)| &**rows),
    };
    if args.json {
        console.json(&report)?;
    } else {
        write_report(&report, console)?;
    }
    let is_off = |(_, rows): &(usize, Vec<Judged>)| missed(rows).next().is_some();
    Ok(if judged.as_ref().is_some_and(is_off) {
        Outcome::No
    } else {
        Outcome::Yes
    })
}

/// Finds what people are drawn from: a bundled profile by its name, or a file.
fn population(name: &str) -> anyhow::Result<Population> {
    if let Some(population) = Population::named(name) {
        return Ok(population);
    }
    let path = Path::new(name);
    let is_meant_as_file = path.extension().is_some() || path.components().count() > 1;
    if !is_meant_as_file && !path.exists() {
        bail!("{}, or a TOML file", unknown_profile(name));
    }
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the profile {}", shown(path)))?;
    let stem = path
        .file_stem()
        .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    Population::from_toml(&stem, &text).map_err(|error| anyhow!("{}, {error}", shown(path)))
}

fn plan(args: &SynthArgs, mut population: Population) -> anyhow::Result<Plan> {
    if let Some(sample_every_s) = args.sample_every {
        for member in &mut population.members {
            member.profile.machine.sample_every_s = f64::from(sample_every_s);
        }
    }
    let days = match (args.days, args.weeks) {
        (Some(days), _) => days,
        (None, Some(weeks)) => 7 * weeks,
        (None, None) if args.check => DAYS_CHECKED,
        (None, None) => 7,
    };
    let people = args
        .people
        .unwrap_or(if args.check { PEOPLE_CHECKED } else { 1 });
    if args.output.is_none() && !args.check {
        bail!("--output must name a folder for the traces; --check alone writes none");
    }
    if let Some(out) = &args.output {
        Beside::check_is_free(out)?;
    }
    let until_ms = args.from.checked_add(i64::from(days) * DAY_MS);
    Ok(Plan {
        generation: Generation {
            population,
            seed: args.seed,
            from_ms: args.from,
            until_ms: until_ms.context("that is later than any time")?,
        },
        people,
        days,
        out: args.output.clone(),
        is_one_trace: args.people.is_none() && people == 1,
        compression: if args.compress {
            Compression::Zstd
        } else {
            Compression::Plain
        },
        is_checked: args.check,
    })
}

/// What was made.
#[derive(Default)]
struct Made {
    events: u64,
    /// On the disk.
    bytes: u64,
    pool: Option<Pool>,
}

fn make(plan: &Plan) -> anyhow::Result<Made> {
    let beside = plan.out.as_deref().map(Beside::new).transpose()?;
    if let Some(beside) = &beside
        && !plan.is_one_trace
    {
        let whole = beside.whole();
        fs::create_dir(&whole).with_context(|| format!("cannot write {}", shown(&whole)))?;
    }
    let folder = beside.as_ref().map(Beside::whole);
    // It has megabytes of counters, which are only for those who ask for it.
    let pool = plan.is_checked.then(|| Mutex::new(Pool::new()));
    let progress = Making::new(plan);
    let totals = (0..plan.people)
        .into_par_iter()
        .map(|number| {
            let (totals, measures) = make_one(plan, number, folder.as_deref(), &progress)?;
            if let (Some(pool), Some(measures)) = (&pool, measures) {
                // What is in the pool is whole, whoever else failed.
                pool.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(&measures);
            }
            Ok::<_, anyhow::Error>(totals)
        })
        .try_reduce(
            || (0, 0),
            |one, other| Ok((one.0 + other.0, one.1 + other.1)),
        );
    progress.finish();
    let (events, bytes) = totals?;
    if let Some(beside) = beside {
        beside.finish()?;
    }
    let pool = pool.map(|pool| pool.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(Made {
        events,
        bytes,
        pool,
    })
}

/// Makes one person: events, bytes on the disk, and what was measured.
fn make_one(
    plan: &Plan,
    number: u64,
    folder: Option<&Path>,
    progress: &Making,
) -> anyhow::Result<((u64, u64), Option<Measures>)> {
    let generation = &plan.generation;
    let opening = generation.opening(number);
    let from_ms = generation.from_ms;
    let trace = folder.map(|folder| {
        if plan.is_one_trace {
            folder.to_owned()
        } else {
            folder.join(folder_name(number, plan.people))
        }
    });
    let mut composer = trace
        .as_ref()
        .map(|trace| TraceComposer::create(trace, &opening, from_ms, plan.compression))
        .transpose()?;
    let mut measuring = plan.is_checked.then(|| Measuring::new(&opening, from_ms));
    let mut events = 0;
    let mut told = (0, from_ms);
    for (t_ms, body) in generation.person(number) {
        events += 1;
        match (&mut composer, &mut measuring) {
            (Some(composer), measuring) => {
                if let Some(measuring) = measuring {
                    measuring.take(t_ms, body.clone());
                }
                let at_ms = (body.source() == Some(Source::Ext)).then_some(t_ms);
                composer.append(t_ms, at_ms, body)?;
            }
            (None, Some(measuring)) => measuring.take(t_ms, body),
            (None, None) => {}
        }
        if events % LINES_A_TICK == 0 {
            progress.tell(events - told.0, t_ms - told.1);
            told = (events, t_ms);
        }
    }
    progress.tell(events - told.0, generation.until_ms - told.1);
    let mut bytes = 0;
    if let Some(composer) = composer {
        let trace = composer.finish(generation.until_ms)?.folder;
        for file in fs::read_dir(&trace).with_context(|| shown(&trace))? {
            bytes += file
                .and_then(|file| file.metadata())
                .with_context(|| shown(&trace))?
                .len();
        }
    }
    Ok(((events, bytes), measuring.map(Measuring::finish)))
}

/// A person's folder. Names have as many digits as the last one's needs, four at least.
fn folder_name(number: u64, people: u64) -> String {
    let digits = people.to_string().len().max(4);
    format!("person-{:0digits$}", number + 1)
}

/// How far the making has come: on stderr, and only where that is a terminal.
struct Making {
    bar: ProgressBar,
    begun: Instant,
    events: AtomicU64,
}

impl Making {
    fn new(plan: &Plan) -> Self {
        let style = "making {wide_bar} {percent} %, {msg}, {eta} left";
        let style = ProgressStyle::with_template(style).expect("the template is well formed");
        let days_ms = plan.generation.until_ms.abs_diff(plan.generation.from_ms);
        let bar = ProgressBar::new(days_ms.saturating_mul(plan.people)).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            bar,
            begun: Instant::now(),
            events: AtomicU64::new(0),
        }
    }

    fn tell(&self, events: u64, passed_ms: i64) {
        let events = self.events.fetch_add(events, Ordering::Relaxed) + events;
        let rate = events as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        self.bar
            .set_message(format!("{:.2} million events/s", rate / 1e6));
        self.bar.inc(passed_ms.unsigned_abs());
    }

    fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// How many people there are of each kind.
fn kinds(plan: &Plan) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for number in 0..plan.people {
        *kinds
            .entry(&*plan.generation.member(number).name)
            .or_default() += 1;
    }
    kinds
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    generator: u32,
    version: &'static str,
    profile: &'a str,
    seed: u64,
    from: String,
    days: u32,
    people: u64,
    kinds: BTreeMap<&'a str, u64>,
    events: u64,
    bytes: u64,
    output: Option<String>,
    rows: Option<&'a [Judged]>,
}

fn write_report(report: &Report<'_>, console: &mut Console) -> anyhow::Result<()> {
    let kinds: Vec<String> = report
        .kinds
        .iter()
        .map(|(kind, people)| format!("{people} {}", Safe(kind)))
        .collect();
    console.line(format_args!(
        "{} ({}), {} from {}, seed {}: {}",
        if report.people == 1 {
            "1 person".to_owned()
        } else {
            format!("{} people", crate::console::number(report.people))
        },
        kinds.join(", "),
        count(u64::from(report.days), "day"),
        report.from,
        report.seed,
        count(report.events, "event"),
    ))?;
    if let Some(output) = &report.output {
        console.line(format_args!(
            "{}: {}",
            shown(Path::new(output)),
            bytes(report.bytes)
        ))?;
    }
    let Some(judged) = report.rows else {
        return Ok(());
    };
    let rows: Vec<Row> = judged.iter().map(|judged| judged.row.clone()).collect();
    write_rows(&rows, console)?;
    for Judged { row, why } in judged {
        if let Some(why) = why {
            console.line(format_args!("{}: {}", row.name, Safe(why)))?;
        }
    }
    Ok(())
}
