//! Puts rows together: in the order of the plan, whatever order they came in, so that the same
//! rows make the same bytes.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "analysis")]
use std::fs::File;
use std::io::Write as _;
#[cfg(feature = "analysis")]
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use comfy_table::{CellAlignment, Table, presets};
use engine::hex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use simulator::pareto;
#[cfg(feature = "analysis")]
use simulator::parquet::ResultsWriter;
use simulator::replay::{Frontier, Point, Sums};
#[cfg(feature = "analysis")]
use simulator::sweep::Row;
use simulator::sweep::{FrontierRow, Task, Unit, Version};

use super::rows::{DamagedRows, RowFile};
use crate::console::{Console, Safe, count, percent};
use crate::outcome::Outcome;
use crate::reading::shown;
use crate::writing::{Readers, WholeFile, write_whole};

/// How many missing units are named.
const MISSING_NAMED: usize = 5;

/// How many points of the frontier are written, about evenly spaced.
const FRONTIER_POINTS: usize = 2_000;

/// How many policies of the front the table shows.
const FRONT_SHOWN: usize = 24;

/// Every row of a plan.
pub(super) struct Results<'a> {
    units: &'a [Unit],
    files: &'a [RowFile],
}

impl<'a> Results<'a> {
    /// Looks for the row of each unit. Where some are missing it says which, and there are no
    /// results.
    ///
    /// # Errors
    /// Rows of another version, of no unit of the plan, and two of one unit that differ.
    pub(super) fn gather(
        units: &'a [Unit],
        files: &'a [RowFile],
        console: &mut Console,
    ) -> anyhow::Result<Option<Self>> {
        let Some(first) = units.first() else {
            bail!("there is no unit in the plan");
        };
        let known: BTreeSet<&str> = units.iter().map(|it| &*it.unit).collect();
        for file in files {
            check_versions(file, &first.version)?;
            let strangers = file.units().filter(|unit| !known.contains(unit)).count();
            if strangers > 0 {
                console.note(format_args!(
                    "{}: {} of units that are not in the plan are left out",
                    shown(file.path()),
                    count(strangers as u64, "row")
                ));
            }
        }
        let is_missing = |unit: &&Unit| !files.iter().any(|file| file.has(&unit.unit));
        let missing: Vec<&Unit> = units.iter().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(Some(Self { units, files }));
        }
        let named = missing.iter().take(MISSING_NAMED);
        let mut named: Vec<String> = named.map(|it| told(it)).collect();
        if missing.len() > MISSING_NAMED {
            named.push(format!("and {} more", missing.len() - MISSING_NAMED));
        }
        console.error(&anyhow!(
            "{} of {} are missing: {}",
            count(missing.len() as u64, "row"),
            units.len(),
            named.join("; ")
        ));
        Ok(None)
    }

    /// The row of a unit. All that there are must be the same.
    fn row(&self, unit: &Unit) -> anyhow::Result<String> {
        let mut found: Option<(String, &RowFile)> = None;
        for file in self.files {
            let Some(row) = file.row(&unit.unit)? else {
                continue;
            };
            match &found {
                Some((other, before)) if *other != row => {
                    let places = format!("{} and {}", shown(before.path()), shown(file.path()));
                    return Err(DamagedRows::differing(&places, &unit.unit).into());
                }
                Some(_) => {}
                None => found = Some((row, file)),
            }
        }
        Ok(found.context("a row was found before")?.0)
    }

    /// Writes the results into a folder, each file beside and then renamed.
    pub(super) fn write(&self, out: &Path, recheck: Option<Recheck>) -> anyhow::Result<Told> {
        let mut frontier = Frontier::default();
        let mut pools: BTreeMap<&str, Pool> = BTreeMap::new();
        let mut order = Vec::new();
        let mut hash = Sha256::new();
        let mut row_count = 0_u64;
        let results = out.join("results.jsonl");
        let mut file = WholeFile::begin(&results, Readers::Anybody)?;
        for unit in self.units {
            let row = self.row(unit)?;
            let Task::Score { policy, .. } = &unit.task else {
                let row: FrontierRow = self.read(unit, &row)?;
                frontier = frontier.pooled(&row.frontier);
                continue;
            };
            let summed: Summed = self.read(unit, &row)?;
            let pool = pools.entry(policy).or_insert_with(|| {
                order.push(&**policy);
                Pool::default()
            });
            pool.add(unit, &summed);
            hash.update(&row);
            hash.update(b"\n");
            writeln!(file, "{row}").with_context(|| format!("cannot write {}", shown(&results)))?;
            row_count += 1;
        }
        file.end()?;
        #[cfg(feature = "analysis")]
        write_table(out, self.units)?;

        let points: Vec<Point> = frontier.points().collect();
        let has_frontier = points.last().is_some_and(|last| last.saved_gib_h > 0.0);
        let points = serde_json::to_string(&thinned(&points, FRONTIER_POINTS))?;
        write_whole(&out.join("frontier.json"), points.as_bytes())?;
        let manifest = Manifest::new(self.units, row_count, &hex(&hash.finalize()));
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        write_whole(&out.join("manifest.json"), text.as_bytes())?;

        let frontier = has_frontier.then_some(&frontier);
        let summary = |policy: &str| pools[policy].summary(policy, frontier);
        let policies: Vec<Summary> = order.into_iter().map(summary).collect();
        let front = front(&policies)
            .iter()
            .map(|it| it.policy.clone())
            .collect();
        Ok(Told {
            type_name: "sweep",
            out: out.display().to_string(),
            recheck,
            front,
            manifest,
            policies,
        })
    }

    /// Reads what stands in a row.
    fn read<T: DeserializeOwned>(&self, unit: &Unit, row: &str) -> anyhow::Result<T> {
        serde_json::from_str(row).map_err(|error| self.damaged(unit, &error))
    }

    fn damaged(&self, unit: &Unit, error: &serde_json::Error) -> anyhow::Error {
        let holders = self.files.iter().filter(|file| file.has(&unit.unit));
        let files: Vec<String> = holders.map(|file| shown(file.path())).collect();
        DamagedRows::new(
            &files.join(", "),
            format!("the row of unit {} cannot be read: {error}", unit.unit),
        )
        .into()
    }
}

/// Refuses rows of another version than the plan's.
fn check_versions(file: &RowFile, ours: &Version) -> anyhow::Result<()> {
    if let Some(other) = file.versions().find(|version| *version != ours) {
        let Version { engine, sim, rows } = other;
        bail!(
            "{}: found rows of engine {engine}, sim {sim}, rows {rows}, expected engine {}, sim {}, \
             rows {}: rows of different versions cannot be compared",
            shown(file.path()),
            ours.engine,
            ours.sim,
            ours.rows
        );
    }
    Ok(())
}

/// A unit, for people.
fn told(unit: &Unit) -> String {
    let what = match &unit.task {
        Task::Frontier { .. } => "the frontier",
        Task::Score { policy, .. } => policy,
    };
    format!(
        "{} on {} ({})",
        Safe(what),
        Safe(&unit.trace.name),
        unit.unit
    )
}

/// Some of many, both ends among them.
pub(in super::super) fn thinned<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most {
        return all.to_vec();
    }
    let last = all.len() - 1;
    (0..most)
        .map(|index| all[index * last / (most - 1)])
        .collect()
}

/// What the results were made from.
#[derive(Serialize)]
struct Manifest {
    #[serde(rename = "type")]
    type_name: &'static str,
    #[serde(flatten)]
    version: Version,
    traces: Vec<TraceTold>,
    /// The settings that were varied.
    varied: Vec<String>,
    /// What the policy that was varied has otherwise than the default one.
    base: Map<String, Value>,
    #[serde(rename = "loop")]
    loop_: Option<Value>,
    seed: Option<u64>,
    variant_count: usize,
    unit_count: usize,
    row_count: u64,
    /// A hash of the rows.
    results_sha256: String,
}

#[derive(Serialize)]
struct TraceTold {
    name: String,
    digest: String,
    lines: u64,
}

impl Manifest {
    fn new(units: &[Unit], row_count: u64, results_sha256: &str) -> Self {
        let mut traces: Vec<TraceTold> = Vec::new();
        let mut this = Self {
            type_name: "manifest",
            version: units[0].version.clone(),
            traces: Vec::new(),
            varied: Vec::new(),
            base: Map::new(),
            loop_: None,
            seed: None,
            variant_count: 0,
            unit_count: units.len(),
            row_count,
            results_sha256: results_sha256.to_owned(),
        };
        for unit in units {
            if traces
                .last()
                .is_none_or(|last| last.digest != unit.trace.digest)
            {
                traces.push(TraceTold {
                    name: unit.trace.name.clone(),
                    digest: unit.trace.digest.clone(),
                    lines: unit.trace.lines,
                });
            }
            if let Task::Score {
                varied,
                base,
                loop_,
                seed,
                is_variant,
                ..
            } = &unit.task
            {
                this.variant_count += usize::from(*is_variant && traces.len() == 1);
                this.varied = varied.keys().cloned().collect();
                this.base = base.clone();
                this.loop_ = serde_json::to_value(loop_).ok();
                this.seed = Some(*seed);
            }
        }
        this.traces = traces;
        this
    }
}

/// What a policy came to over the traces so far.
#[derive(Default)]
struct Pool {
    is_variant: bool,
    is_ours: bool,
    varied: Map<String, Value>,
    sums: Sums,
    bounded_gib_h: f64,
}

/// A row of results, as far as it is added up.
#[derive(Deserialize)]
struct Summed {
    #[serde(flatten)]
    sums: Sums,
    bounded_gib_h: f64,
}

impl Pool {
    fn add(&mut self, unit: &Unit, row: &Summed) {
        if let Task::Score {
            varied,
            is_variant,
            settings,
            ..
        } = &unit.task
        {
            self.varied = varied.clone();
            self.is_variant = *is_variant;
            self.is_ours = settings.is_some();
        }
        self.sums = self.sums + row.sums;
        self.bounded_gib_h += row.bounded_gib_h;
    }

    fn summary(&self, policy: &str, frontier: Option<&Frontier>) -> Summary {
        let sums = &self.sums;
        let rates = sums.rates();
        let most_gib_h = frontier.map(|it| it.saved_gib_h(sums.reloads));
        let most_gib_h = most_gib_h.filter(|&most| most > 0.0);
        Summary {
            policy: policy.to_owned(),
            is_variant: self.is_variant,
            is_ours: self.is_ours,
            settings: self.varied.clone(),
            saved_gib_h: sums.saved_gib_h,
            saved_share: rates.saved_share,
            early_return_rate: rates.early_return_rate,
            discards: sums.discards,
            reloads: sums.reloads,
            reloads_per_active_hour: rates.reloads_per_active_hour,
            frontier_share: most_gib_h.map(|most| self.bounded_gib_h / most),
            pressure_medium_minutes: sums.pressure_medium_minutes,
            pressure_high_minutes: sums.pressure_high_minutes,
            violations: sums.violations,
        }
    }
}

/// What a policy came to on all traces together.
#[derive(Serialize)]
pub(super) struct Summary {
    policy: String,
    is_variant: bool,
    #[serde(skip)]
    is_ours: bool,
    settings: Map<String, Value>,
    saved_gib_h: f64,
    saved_share: Option<f64>,
    early_return_rate: Option<f64>,
    discards: u64,
    reloads: u64,
    reloads_per_active_hour: Option<f64>,
    frontier_share: Option<f64>,
    /// Absent where memory was never sampled.
    pressure_medium_minutes: Option<f64>,
    pressure_high_minutes: Option<f64>,
    violations: u64,
}

/// The variants that no other beats in both what is saved and reloads, those that save least
/// first.
fn front(summaries: &[Summary]) -> Vec<&Summary> {
    let variants = summaries.iter().filter(|it| it.is_variant);
    pareto::places(variants, |it| [it.reloads as f64, -it.saved_gib_h])
}

/// How many units were done again.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Recheck {
    pub(super) units: usize,
    /// How many of them came out otherwise.
    pub(super) differing: usize,
}

/// What is told of a finished sweep.
#[derive(Serialize)]
pub(super) struct Told {
    #[serde(rename = "type")]
    type_name: &'static str,
    out: String,
    recheck: Option<Recheck>,
    manifest: Manifest,
    /// The variants that no other beats in both what is saved and reloads.
    front: Vec<String>,
    policies: Vec<Summary>,
}

impl Told {
    /// Whether a unit came out otherwise when it was done again, or a policy of ours discarded
    /// what a hard guard protects.
    pub(super) fn outcome(&self, console: &mut Console) -> Outcome {
        let bad = self
            .policies
            .iter()
            .filter(|it| it.is_ours && it.violations > 0);
        let mut outcome = match self.recheck {
            Some(recheck) if recheck.differing > 0 => Outcome::No,
            _ => Outcome::Yes,
        };
        for policy in bad {
            outcome = Outcome::No;
            console.error(&anyhow::anyhow!(
                "{} discarded tabs that a hard guard protects: {}",
                policy.policy,
                policy.violations
            ));
        }
        outcome
    }

    /// Writes it, for people or as JSON.
    pub(super) fn tell(&self, json: bool, console: &mut Console) -> anyhow::Result<()> {
        if json {
            return console.json(self);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header([
            "",
            "saved GiB·h",
            "of all",
            "early",
            "reloads",
            "/ h",
            "frontier",
            "HIGH min",
        ]);
        let front = front(&self.policies);
        let references = self.policies.iter().filter(|it| !it.is_variant);
        for it in references.chain(thinned(&front, FRONT_SHOWN)) {
            let share = |share: Option<f64>| share.map_or("–".to_owned(), percent);
            table.add_row([
                Safe(&it.policy).to_string(),
                format!("{:.3}", it.saved_gib_h),
                share(it.saved_share),
                share(it.early_return_rate),
                it.reloads.to_string(),
                it.reloads_per_active_hour
                    .map_or("–".to_owned(), |rate| format!("{rate:.2}")),
                share(it.frontier_share),
                it.pressure_high_minutes
                    .map_or("–".to_owned(), |minutes| format!("{minutes:.1}")),
            ]);
        }
        for index in 1..8 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for line in table.lines() {
            console.line(line.trim_end())?;
        }
        console.line("")?;
        let shown_of_front = if front.len() > FRONT_SHOWN {
            format!("{FRONT_SHOWN} of {}", front.len())
        } else {
            front.len().to_string()
        };
        console.line(format_args!(
            "{} on {}; {shown_of_front} that no other beats stand above. Engine {}, sim {}, seed {}.",
            count(self.manifest.variant_count as u64, "variant"),
            count(self.manifest.traces.len() as u64, "trace"),
            self.manifest.version.engine,
            self.manifest.version.sim,
            self.manifest.seed.unwrap_or(0)
        ))?;
        if let Some(Recheck { units, differing }) = self.recheck {
            let units = count(units as u64, "unit");
            if differing == 0 {
                console.line(format_args!(
                    "{units} done again, each with the same bytes."
                ))?;
            } else {
                console.line(format_args!(
                    "{units} done again, {differing} of them with other bytes: do not trust these \
                     results."
                ))?;
            }
        }
        console.line(format_args!("Results: {}", Safe(&self.out)))
    }
}

/// Writes `results.parquet` beside `results.jsonl`, of which it is made.
#[cfg(feature = "analysis")]
fn write_table(out: &Path, units: &[Unit]) -> anyhow::Result<()> {
    let varied = units.iter().find_map(|unit| match &unit.task {
        Task::Score { varied, .. } => Some(varied.keys().map(String::as_str)),
        Task::Frontier { .. } => None,
    });
    let columns = Row::columns(varied.into_iter().flatten());
    let lines = out.join("results.jsonl");
    let mut lines = BufReader::new(File::open(&lines).with_context(|| shown(&lines))?);
    let path = out.join("results.parquet");
    let cannot = || format!("cannot write {}", shown(&path));
    let file = WholeFile::begin(&path, Readers::Anybody)?;
    let mut table = ResultsWriter::new(file, columns).with_context(cannot)?;
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        table.push(line.trim_end()).with_context(cannot)?;
        line.clear();
    }
    table.finish().with_context(cannot)?.end()?;
    Ok(())
}
