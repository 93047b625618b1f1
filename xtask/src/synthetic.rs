//! The bundled synthetic traces, in `traces/synthetic/`, and the table that compares synthetic
//! people with published figures: both made by `sim synth`, a folder for each profile.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use recorder::{Line, ReadError, Trace};
use serde_json::Value;

use crate::steps::{cargo, root};

/// The bundled traces: a person of each profile, for as many days as fit in [`LARGEST`].
const TRACES: &[(&str, &str)] = &[
    ("light", "4"),
    ("typical", "2"),
    ("heavy", "2"),
    ("power", "2"),
    ("developer", "1"),
    ("researcher", "2"),
    ("kiosk", "1"),
];

/// A seed under which their machines run short of memory at times.
const SEED: &str = "10";

/// The most bytes that a bundled trace may have.
const LARGEST: u64 = 300_000;

/// The population that is compared, as the simulator's own test does.
const CHECK: [&str; 8] = [
    "--check",
    "--people",
    "120",
    "--days",
    "21",
    "--sample-every",
    "120",
    "--json",
];

const BEGIN: &str = "<!-- The table is written by cargo xtask synthetic. -->";
const END: &str = "<!-- Here it ends. -->";

fn folder() -> PathBuf {
    root().join("traces/synthetic")
}

fn page() -> PathBuf {
    folder().join("README.md")
}

/// Writes traces and table anew.
pub(crate) fn write() -> anyhow::Result<()> {
    for (profile, days) in TRACES {
        let trace = folder().join(profile);
        if trace.exists() {
            fs::remove_dir_all(&trace)
                .with_context(|| format!("cannot remove {}", trace.display()))?;
        }
        make(profile, days, &trace)?;
        check_size(&trace)?;
    }
    let page = page();
    let text = with_table(&read(&page)?, &table()?)?;
    fs::write(&page, text).with_context(|| format!("cannot write {}", page.display()))
}

/// Checks that traces and table are what the generator makes.
pub(crate) fn check() -> anyhow::Result<()> {
    let beside = root().join("target/synthetic");
    if beside.exists() {
        fs::remove_dir_all(&beside)
            .with_context(|| format!("cannot remove {}", beside.display()))?;
    }
    for (profile, days) in TRACES {
        let (bundled, made) = (folder().join(profile), beside.join(profile));
        make(profile, days, &made)?;
        // Line by line: another version of zstd may compress the same lines to other bytes.
        ensure!(
            lines(&bundled)? == lines(&made)?,
            "{} differs from what the generator makes; run cargo xtask synthetic",
            bundled.display()
        );
        check_size(&bundled)?;
    }
    let text = read(&page())?;
    if with_table(&text, &table()?)? != text {
        bail!(
            "{} differs from what the generator makes; run cargo xtask synthetic",
            page().display()
        );
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn make(profile: &str, days: &str, trace: &Path) -> anyhow::Result<()> {
    let mut sim = cargo(["run", "--quiet", "--package", "simulator", "--bin", "sim"]);
    sim.args(["--", "synth", "--profile", profile, "--days", days])
        .args(["--seed", SEED, "--compress", "--json", "--output"])
        .arg(trace);
    let output = sim.output().context("sim cannot be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "sim synth: {said}");
    Ok(())
}

fn lines(trace: &Path) -> anyhow::Result<Vec<Line>> {
    let lines: Result<Vec<Line>, ReadError> = Trace::open(trace)?.read().collect();
    Ok(lines?)
}

fn check_size(trace: &Path) -> anyhow::Result<()> {
    for file in fs::read_dir(trace)? {
        let file = file?;
        let bytes = file.metadata()?.len();
        ensure!(
            bytes <= LARGEST,
            "{} has {bytes} bytes, {LARGEST} are allowed; make fewer days of it",
            file.path().display()
        );
    }
    Ok(())
}

/// Compares the mixed population with the calibration table, and writes that as a table.
fn table() -> anyhow::Result<String> {
    let mut sim = cargo(["run", "--quiet", "--package", "simulator", "--bin", "sim"]);
    sim.args(["--", "synth"]).args(CHECK);
    let output = sim.output().context("sim cannot be run")?;
    let said = String::from_utf8_lossy(&output.stderr);
    let is_report = matches!(output.status.code(), Some(0 | 1));
    ensure!(is_report, "sim synth --check: {said}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let rows = report["rows"]
        .as_array()
        .context("the report has no rows")?;
    let mut table = "| | row | unit | published | tolerance | got | by person |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let judged = match row["within"].as_bool() {
            Some(true) => "ok",
            Some(false) => "**off**",
            None => "",
        };
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let number = |value: &Value| value.as_f64().map_or(String::new(), |it| it.to_string());
        let range = |value: &Value| match value.as_array().map(Vec::as_slice) {
            Some([from, to]) => format!("{} to {}", number(from), number(to)),
            _ => String::new(),
        };
        writeln!(
            table,
            "| {judged} | `{}` | {} | {} | {} | {} | {} |",
            text("name"),
            text("unit"),
            number(&row["target"]),
            range(&row["tolerance"]),
            number(&row["got"]),
            range(&row["by_person"]),
        )?;
    }
    Ok(table)
}

/// Puts the table in its place on the page.
fn with_table(text: &str, table: &str) -> anyhow::Result<String> {
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.with_context(|| format!("the page has no {BEGIN:?} or {END:?}"))?;
    Ok(format!("{before}{BEGIN}\n\n{table}\n{END}{after}"))
}
