//! `sim import`: traces from what other programs know of browsing.

mod args;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use engine::SEMANTICS;
use etcetera::BaseStrategy as _;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use recorder::{Body, Compression, Opening, Origin, Privacy, TraceComposer, session_made_from};
use serde::{Deserialize, Serialize};
use simulator::import::profiles::{self, Family, Places, Profile};
use simulator::import::visits::{Layout, Place, TimeUnit};
use simulator::import::{
    Dates, ImportError, Person, PoweredTrace, Progress, Rules, Source, Staged, Staging, Told,
    activitywatch, chrome, firefox, visits, weave,
};
use simulator::synth::machine::MachineProfile;

use crate::console::{Console, Safe, count, date, span};
use crate::outcome::Outcome;
use crate::reading::{from_toml, shown};
use crate::writing::Beside;

use args::{ImportFrom, ImportOptions, ProfileArgs, UnitArg, VisitsArgs};

pub(super) use args::ImportArgs;

/// A shorter import shows no progress: it is done before a bar could be read.
const PROGRESS_FROM_ROWS: u64 = 100_000;

/// The longest name of a folder that is made of a person's name, in characters.
const FOLDER_NAME_MAX: usize = 64;

const HOUR_MS: i64 = 3_600_000;

/// Everything that the command line says, resolved.
struct Plan {
    importer: &'static str,
    /// The file that is imported.
    path: PathBuf,
    from: From,
    output: PathBuf,
    /// Whether the folder becomes the one trace, rather than a folder of traces.
    is_one_trace: bool,
    /// What the machine under each trace is drawn from.
    machine: Option<MachineProfile>,
    options: ImportOptions,
}

/// What is imported.
enum From {
    Chrome,
    Firefox,
    ActivityWatch,
    Visits(Layout),
}

pub(crate) fn run(args: ImportArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let plan = match args.from {
        ImportFrom::Chrome(args) if args.profile.list => {
            return list(Family::Chromium, args.options.json, console);
        }
        ImportFrom::Firefox(args) if args.profile.list => {
            return list(Family::Firefox, args.options.json, console);
        }
        ImportFrom::Chrome(args) => Plan {
            importer: "chrome",
            path: find(Family::Chromium, &args.profile)?,
            from: From::Chrome,
            output: output_of(args.profile)?,
            is_one_trace: true,
            machine: machine(&args.options)?,
            options: args.options,
        },
        ImportFrom::Firefox(args) => Plan {
            importer: "firefox",
            path: find(Family::Firefox, &args.profile)?,
            from: From::Firefox,
            output: output_of(args.profile)?,
            is_one_trace: true,
            machine: machine(&args.options)?,
            options: args.options,
        },
        ImportFrom::Activitywatch(args) => Plan {
            importer: "activitywatch",
            path: args.file,
            from: From::ActivityWatch,
            output: args.output,
            is_one_trace: false,
            machine: machine(&args.options)?,
            options: args.options,
        },
        ImportFrom::Visits(args) => Plan {
            importer: "visits",
            path: args.file.clone(),
            from: From::Visits(layout(&args)?),
            output: args.output,
            is_one_trace: false,
            machine: machine(&args.options)?,
            options: args.options,
        },
    };
    import(&plan, console)
}

/// Finds what the machine is drawn from.
fn machine(options: &ImportOptions) -> anyhow::Result<Option<MachineProfile>> {
    #[derive(Deserialize)]
    struct File {
        machine: MachineProfile,
    }
    let path = match options.metrics.as_deref() {
        None => return Ok(None),
        Some("typical") => return Ok(Some(MachineProfile::default())),
        Some(path) => path,
    };
    let text = fs::read_to_string(path).with_context(|| {
        let path = Safe(path);
        format!("--metrics {path} is neither \"typical\" nor a file that can be read")
    })?;
    Ok(Some(from_toml::<File>(Path::new(path), &text)?.machine))
}

fn output_of(profile: ProfileArgs) -> anyhow::Result<PathBuf> {
    profile.output.context("--output names no folder")
}

fn layout(args: &VisitsArgs) -> anyhow::Result<Layout> {
    let place = match (&args.url, &args.host) {
        (Some(column), None) => Place::Url(column.clone()),
        (None, Some(column)) => Place::Host(column.clone()),
        _ => bail!("one of --url and --host must name a column"),
    };
    Ok(Layout {
        user: args.user.clone(),
        time: args.time.clone(),
        place,
        page: args.page.clone(),
        unit: match args.time_unit {
            UnitArg::S => TimeUnit::Seconds,
            UnitArg::Ms => TimeUnit::Milliseconds,
            UnitArg::Us => TimeUnit::Microseconds,
            UnitArg::Date => TimeUnit::Dates,
        },
        delimiter: args.delimiter,
    })
}

/// The profiles that this machine has.
fn found(family: Family) -> anyhow::Result<Vec<Profile>> {
    let base = etcetera::choose_base_strategy().context("cannot find the home folder")?;
    let places = Places {
        home: base.home_dir().to_owned(),
        config: base.config_dir(),
    };
    Ok(profiles::find(family, &places))
}

fn list(family: Family, json: bool, console: &mut Console) -> anyhow::Result<Outcome> {
    let profiles = found(family)?;
    for profile in &profiles {
        if json {
            console.json(profile)?;
        } else {
            console.line(format_args!(
                "{:<12}  {:<16}  {}",
                profile.browser,
                Safe(&profile.name),
                shown(&profile.history)
            ))?;
        }
    }
    if profiles.is_empty() {
        console.note("no profile was found where browsers keep them; name its folder");
        return Ok(Outcome::No);
    }
    Ok(Outcome::Yes)
}

/// Finds the database: the one that is named, or the only one there is.
fn find(family: Family, args: &ProfileArgs) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.path {
        return Ok(profiles::history_of(family, path));
    }
    match found(family)?.as_slice() {
        [only] => Ok(only.history.clone()),
        [] => bail!("no profile was found where browsers keep them; name its folder"),
        several => bail!(
            "{} profiles were found; name one of those that --list shows",
            several.len()
        ),
    }
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    importer: &'static str,
    version: &'static str,
    source: &'a Source,
    traces: &'a [Imported],
}

/// A trace that was made.
#[derive(Serialize)]
struct Imported {
    trace: String,
    person: String,
    #[serde(flatten)]
    told: Told,
}

fn import(plan: &Plan, console: &mut Console) -> anyhow::Result<Outcome> {
    Beside::check_is_free(&plan.output)?;
    let beside = Beside::new(&plan.output)?;
    let now = Timestamp::now().as_millisecond();
    let dates = Dates::until(now);
    let mut staging = Staging::new()?;
    let source = with_progress("reading", |progress| {
        let path = &plan.path;
        match &plan.from {
            From::Chrome => chrome::read(path, beside.folder(), dates, &mut staging, progress),
            From::Firefox => firefox::read(path, beside.folder(), dates, &mut staging, progress),
            From::ActivityWatch => activitywatch::read(path, dates, &mut staging, progress),
            From::Visits(layout) => visits::read(path, layout, dates, &mut staging, progress),
        }
    })?;
    let traces = write_all(plan, beside, staging.sorted()?, &source)?;
    let left_out = source.skips.to_string();
    if !left_out.is_empty() {
        console.note(format_args!("left out: {left_out}"));
    }
    if plan.options.json {
        console.json(&Report {
            importer: plan.importer,
            version: env!("CARGO_PKG_VERSION"),
            source: &source,
            traces: &traces,
        })?;
    } else {
        for Imported { trace, told, .. } in &traces {
            console.line(format_args!(
                "{}: {} in {} as {}, {} over {}",
                Safe(trace),
                count(told.visits, "visit"),
                count(told.tabs, "tab"),
                count(told.events, "event"),
                date(told.from_ms),
                span(told.to_ms.saturating_sub(told.from_ms)),
            ))?;
        }
    }
    Ok(Outcome::Yes)
}

/// Writes all traces beside their place, then gives them their names at once.
fn write_all(
    plan: &Plan,
    beside: Beside,
    mut staged: Staged,
    source: &Source,
) -> anyhow::Result<Vec<Imported>> {
    let whole = beside.whole();
    let people = staged.people().to_vec();
    let mut traces = Vec::new();
    let mut taken = BTreeSet::new();
    if !plan.is_one_trace {
        fs::create_dir(&whole).with_context(|| format!("cannot write {}", shown(&plan.output)))?;
    }
    for person in &people {
        let (folder, shown_as) = if plan.is_one_trace {
            (whole.clone(), plan.output.clone())
        } else {
            let name = folder_name(&person.name, &taken);
            let places = (whole.join(&name), plan.output.join(&name));
            taken.insert(name);
            places
        };
        let told = write(plan, &folder, &mut staged, person, source)?;
        traces.push(Imported {
            trace: shown_as.display().to_string(),
            person: person.name.clone(),
            told,
        });
    }
    beside.finish()?;
    Ok(traces)
}

fn write(
    plan: &Plan,
    folder: &Path,
    staged: &mut Staged,
    person: &Person,
    source: &Source,
) -> anyhow::Result<Told> {
    let importer = importer(plan, source);
    let material = format!(
        "{importer}\n{}\n{}\n{}\n{}",
        person.name, person.visits, person.from_ms, person.to_ms
    );
    let opening = Opening {
        session: session_made_from(person.from_ms, material.as_bytes()),
        extension_session: None,
        engine: SEMANTICS,
        host_version: env!("CARGO_PKG_VERSION").to_owned(),
        // The same source gives the same bytes wherever it is imported.
        platform: "unknown".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Imported,
        generator: None,
        seed: plan.machine.is_some().then_some(plan.options.seed),
        importer: Some(importer),
        derived_from: None,
    };
    let compression = if plan.options.compress {
        Compression::Zstd
    } else {
        Compression::Plain
    };
    let mut composer = TraceComposer::create(folder, &opening, person.from_ms, compression)?;
    let rules = Rules {
        close_after_ms: i64::from(plan.options.close_after_hours) * HOUR_MS,
    };
    let seed = plan.options.seed;
    let mut powered = plan
        .machine
        .as_ref()
        .map(|machine| PoweredTrace::new(machine, seed, person.id, person.from_ms));
    let mut append = |t_ms: i64, body: Body| {
        let at_ms = (body.source() == Some(recorder::Source::Ext)).then_some(t_ms);
        composer.append(t_ms, at_ms, body)?;
        Ok(())
    };
    let mut tell = |t_ms: i64, body: Body| match &mut powered {
        Some(powered) => powered.take(t_ms, body, &mut append),
        None => append(t_ms, body),
    };
    let mut told = with_progress("writing", |progress| {
        weave(staged, person, source, rules, progress, &mut tell)
    })?;
    told.events += powered.map_or(0, |powered| powered.samples);
    composer.finish(told.to_ms)?;
    Ok(told)
}

/// What the header says of how the trace came about.
fn importer(plan: &Plan, source: &Source) -> String {
    let rules: Vec<String> = source
        .rules
        .iter()
        .map(|&rule| match rule {
            "close-after" => format!("{rule}={}h", plan.options.close_after_hours),
            rule => rule.to_owned(),
        })
        .chain(plan.machine.as_ref().map(|_| {
            let model = plan.options.metrics.as_deref().unwrap_or_default();
            match model {
                "typical" => "seeded-machine=typical".to_owned(),
                _ => "seeded-machine=file".to_owned(),
            }
        }))
        .collect();
    let version = source
        .version
        .as_ref()
        .map_or_else(String::new, |version| format!(" ({version})"));
    format!(
        "{} {}{version}; rules: {}",
        plan.importer,
        env!("CARGO_PKG_VERSION"),
        rules.join(", ")
    )
}

/// A name for a person's folder that no other person's has, of characters that do no harm.
fn folder_name(person: &str, taken: &BTreeSet<String>) -> String {
    let fit = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    let mut name: String = person
        .chars()
        .take(FOLDER_NAME_MAX)
        .map(|char| if fit(char) { char } else { '_' })
        .collect();
    if name.is_empty() || name.starts_with('.') {
        name.insert(0, '_');
    }
    let mut candidate = name.clone();
    let mut again = 1_u64;
    while taken.contains(&candidate) {
        again += 1;
        candidate = format!("{name}-{again}");
    }
    candidate
}

/// Runs something long, and shows how far it has come on a terminal.
fn with_progress<T>(
    what: &'static str,
    run: impl FnOnce(&mut Progress<'_>) -> Result<T, ImportError>,
) -> anyhow::Result<T> {
    let bar: Cell<Option<ProgressBar>> = Cell::new(None);
    let result = run(&mut |done, of| {
        let shown = bar.take().unwrap_or_else(|| bar_for(what, of));
        shown.set_position(done);
        bar.set(Some(shown));
    });
    if let Some(bar) = bar.take() {
        bar.finish_and_clear();
    }
    result.map_err(|error| anyhow!(error))
}

/// Bars go to stderr, and only where that is a terminal.
fn bar_for(what: &'static str, of: u64) -> ProgressBar {
    if of < PROGRESS_FROM_ROWS {
        return ProgressBar::hidden();
    }
    let style = "{prefix} {wide_bar} {percent} %, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(style).expect("the template is well formed");
    ProgressBar::new(of).with_style(style).with_prefix(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_folder_is_theirs_alone_and_stays_where_it_is() {
        let mut taken = BTreeSet::new();
        for (person, expect) in [
            ("AiDS4k1rQZ-w1", "AiDS4k1rQZ-w1"),
            ("a/../b", "a_.._b"),
            ("a b__b", "a_b__b"),
            ("..", "_.."),
            ("", "_"),
            ("a?b__b", "a_b__b-2"),
        ] {
            let name = folder_name(person, &taken);
            assert_eq!(name, expect);
            taken.insert(name);
        }
    }
}
