//! What a report is made from: a folder of `sim tune` or of `sim sweep`, found out by what is in it.
//!
//! Nothing is measured anew. What another version wrote is not read: the same column may mean
//! something else there.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use engine::hex;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use simulator::replay::{Point, Sums};
use simulator::sweep::Version;
use thiserror::Error;

use super::super::tune::{TUNED, TraceTold, Tuned};
use crate::reading::shown;

/// A file in the folder that is not as it was written.
#[derive(Debug, Error)]
#[error("{file}, line {line}: {problem}")]
pub(crate) struct DamagedSource {
    file: String,
    line: usize,
    problem: String,
}

impl DamagedSource {
    fn new(file: &Path, line: usize, problem: &dyn Display) -> Self {
        Self {
            file: shown(file),
            line,
            problem: problem.to_string(),
        }
    }
}

/// What is in the folder.
pub(super) enum Source {
    Tune(Box<Tuned>),
    Sweep(Box<Sweep>),
}

/// What a sweep found, each policy over all traces.
pub(super) struct Sweep {
    pub(super) manifest: Manifest,
    pub(super) version: Version,
    /// Those that stand beside the variants first, in the order of the rows.
    pub(super) policies: Vec<Swept>,
    pub(super) frontier: Vec<Point>,
}

/// What a sweep tells of itself, as far as it is needed here.
#[derive(Deserialize)]
pub(super) struct Manifest {
    pub(super) traces: Vec<TraceTold>,
    pub(super) varied: Vec<String>,
    /// What the policy that was varied has otherwise than the default one.
    pub(super) base: Map<String, Value>,
    #[serde(rename = "loop")]
    pub(super) loop_: Option<String>,
    pub(super) seed: Option<u64>,
    pub(super) unit_count: usize,
    pub(super) results_sha256: String,
}

/// A policy of a sweep.
pub(super) struct Swept {
    pub(super) name: String,
    pub(super) hash: Option<String>,
    pub(super) is_variant: bool,
    pub(super) settings: Map<String, Value>,
    pub(super) sums: Sums,
}

/// A row of results, as far as it is needed here.
#[derive(Deserialize)]
struct ResultRow {
    engine: u32,
    sim: String,
    rows: u32,
    policy: String,
    policy_hash: Option<String>,
    is_variant: bool,
    #[serde(flatten)]
    sums: Sums,
    /// The settings that were varied, among others.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Reads what is in a folder.
///
/// # Errors
/// A folder of neither kind or of another version; [`DamagedSource`], with the file and the line.
pub(super) fn open(folder: &Path) -> anyhow::Result<Source> {
    if !folder.is_dir() {
        bail!(
            "{} is no folder; expected one that `sim tune` or `sim sweep` wrote with --output",
            shown(folder)
        );
    }
    let has = |name: &str| folder.join(name).is_file();
    match (has("tune.json"), has("results.jsonl")) {
        (true, false) => Ok(Source::Tune(read_tune(&folder.join("tune.json"))?)),
        (false, true) => Ok(Source::Sweep(Box::new(read_sweep(folder)?))),
        (true, true) => bail!(
            "{}: found tune.json and results.jsonl, expected one of them: give a tuning and a sweep \
             a folder each",
            shown(folder)
        ),
        (false, false) if has("rows.jsonl") => bail!(
            "{}: found rows.jsonl and no results.jsonl: the sweep is not finished; the same command \
             goes on from there",
            shown(folder)
        ),
        (false, false) => bail!(
            "{}: found neither tune.json nor results.jsonl, expected a folder that `sim tune` or \
             `sim sweep` wrote with --output",
            shown(folder)
        ),
    }
}

fn read_text(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", shown(file)))
}

fn parse<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, DamagedSource> {
    serde_json::from_str(text).map_err(|error| DamagedSource::new(file, error.line(), &error))
}

fn expect_our_version(file: &Path, found: &Version) -> anyhow::Result<()> {
    let ours = Version::ours();
    if *found != ours {
        let told = |it: &Version| format!("engine {}, sim {}, rows {}", it.engine, it.sim, it.rows);
        bail!(
            "{}: found results of {}, expected {}: run it again with this version, or report it \
             with that one",
            shown(file),
            told(found),
            told(&ours)
        );
    }
    Ok(())
}

fn read_tune(file: &Path) -> anyhow::Result<Box<Tuned>> {
    #[derive(Deserialize)]
    struct Label {
        #[serde(rename = "type")]
        type_name: String,
        version: Version,
    }
    let text = read_text(file)?;
    let label: Label = parse(file, &text)?;
    if label.type_name != TUNED {
        let problem = format!("found type {:?}, expected {TUNED:?}", label.type_name);
        return Err(DamagedSource::new(file, 1, &problem).into());
    }
    expect_our_version(file, &label.version)?;
    Ok(Box::new(parse(file, &text)?))
}

fn read_sweep(folder: &Path) -> anyhow::Result<Sweep> {
    let file = folder.join("manifest.json");
    let manifest: Manifest = parse(&file, &read_text(&file)?)?;
    let file = folder.join("frontier.json");
    let frontier = parse(&file, &read_text(&file)?)?;
    let file = folder.join("results.jsonl");
    let policies = read_rows(&file, &manifest)?;
    Ok(Sweep {
        manifest,
        version: Version::ours(),
        policies,
        frontier,
    })
}

/// Adds the rows of each policy up, one row at a time.
fn read_rows(file: &Path, manifest: &Manifest) -> anyhow::Result<Vec<Swept>> {
    let cannot_read = || format!("cannot read {}", shown(file));
    let mut reader = BufReader::new(File::open(file).with_context(cannot_read)?);
    let mut policies: Vec<Swept> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    let mut hash = Sha256::new();
    let mut line = Vec::new();
    let mut number = 0;
    while reader
        .read_until(b'\n', &mut line)
        .with_context(cannot_read)?
        > 0
    {
        number += 1;
        hash.update(&line);
        let damaged = |problem: &dyn Display| DamagedSource::new(file, number, problem);
        let row: ResultRow = serde_json::from_slice(&line).map_err(|error| damaged(&error))?;
        let version = Version {
            engine: row.engine,
            sim: row.sim.clone(),
            rows: row.rows,
        };
        expect_our_version(file, &version)?;
        let place = match places.get(&row.policy) {
            Some(&place) => place,
            None => {
                let setting = |name: &String| {
                    let value = row.others.get(name).cloned();
                    let problem = format!("there is no column {name:?}, which was varied");
                    Ok((name.clone(), value.ok_or_else(|| damaged(&problem))?))
                };
                let settings = manifest.varied.iter().map(setting);
                policies.push(Swept {
                    name: row.policy.clone(),
                    hash: row.policy_hash.clone(),
                    is_variant: row.is_variant,
                    settings: settings.collect::<Result<_, DamagedSource>>()?,
                    sums: Sums::default(),
                });
                places.insert(row.policy.clone(), policies.len() - 1);
                policies.len() - 1
            }
        };
        let policy = &mut policies[place];
        policy.sums = policy.sums + row.sums;
        line.clear();
    }
    let hash = hex(&hash.finalize());
    if hash != manifest.results_sha256 {
        let problem = format!(
            "up to here the rows have the hash {hash}, and manifest.json says {}: they were changed \
             or cut off; collect them again",
            manifest.results_sha256
        );
        return Err(DamagedSource::new(file, number, &problem).into());
    }
    Ok(policies)
}
