//! A sweep on a real Spark, in local mode: it must come to the bytes of one on this machine alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::python::{Environment, NO_PYTHON, has_python};
use crate::steps::{Steps, cargo, is_ci, root};

const ENVIRONMENT: Environment = Environment {
    folder: "target/spark/venv",
    requirements: "simulator/examples/spark/requirements.txt",
};

const EXAMPLE: &str = "simulator/examples/spark/sweep_on_spark.py";

/// What is swept: 68 variants, three policies beside them and the frontier, on three traces.
const SWEPT: [&str; 7] = [
    "traces/recorded/enforce",
    "traces/recorded/long",
    "traces/recorded/observe",
    "--vary",
    "ttl_minutes=1..60:17",
    "--vary",
    "batch_high=1,2,4,8",
];

/// The fewest units that are worth the name of a sweep.
const FEWEST_UNITS: usize = 200;

/// The results that must be the same.
const RESULTS: [&str; 3] = ["results.jsonl", "frontier.json", "manifest.json"];

/// Sweeps on Spark where there are a Python and a Java to do so.
pub(crate) fn test(steps: &mut Steps) -> anyhow::Result<()> {
    let name = "sweep on Spark";
    let missing = if !has_python() {
        Some(NO_PYTHON)
    } else if !has_java() {
        Some("there is no java (Debian: apt-get install default-jre-headless)")
    } else {
        None
    };
    match missing {
        Some(why) if is_ci() => bail!("{name}: {why}"),
        Some(why) => {
            steps.skip(name, why);
            Ok(())
        }
        None => run(steps, name),
    }
}

fn has_java() -> bool {
    let answer = Command::new("java").arg("-version").output();
    answer.is_ok_and(|answer| answer.status.success())
}

fn run(steps: &mut Steps, name: &str) -> anyhow::Result<()> {
    ENVIRONMENT.install(steps, name)?;
    let build = ["build", "--package", "simulator", "--bin", "sim"];
    steps.command(&format!("{name}: build sim"), cargo(build))?;
    steps.run(&format!("{name}: here and there"), || {
        let folder = root().join("target/spark");
        let (here, there) = (folder.join("here"), folder.join("there"));
        for old in [&here, &there] {
            if old.exists() {
                fs::remove_dir_all(old).with_context(|| format!("{}", old.display()))?;
            }
        }
        let units = folder.join("units.jsonl");
        let plan = output(sim(&folder).args(["sweep", "plan"]).args(SWEPT))?;
        let count = plan.iter().filter(|&&byte| byte == b'\n').count();
        ensure!(
            count >= FEWEST_UNITS,
            "found {count} units, expected {FEWEST_UNITS}"
        );
        fs::write(&units, plan)?;
        output(
            sim(&folder)
                .arg("sweep")
                .args(SWEPT)
                .arg("--output")
                .arg(&here),
        )?;

        let rows = folder.join("rows.jsonl");
        let mut spark = Command::new(ENVIRONMENT.python());
        spark
            .arg(root().join(EXAMPLE))
            .arg("--sim")
            .arg(program())
            .arg("--units")
            .arg(&units)
            .arg("--rows")
            .arg(&rows)
            .env("XDG_CACHE_HOME", folder.join("cache"))
            .current_dir(root());
        output(&mut spark)?;
        let mut collect = sim(&folder);
        collect.args(["sweep", "collect", "--units"]).arg(&units);
        output(collect.arg(&rows).arg("--output").arg(&there))?;
        RESULTS
            .into_iter()
            .try_for_each(|file| compare(&here.join(file), &there.join(file)))
    })
}

fn compare(here: &Path, there: &Path) -> anyhow::Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("{}", path.display()));
    ensure!(
        read(here)? == read(there)?,
        "{} and {} differ",
        here.display(),
        there.display()
    );
    Ok(())
}

fn program() -> PathBuf {
    root().join("target/debug/sim")
}

/// A call of `sim` with a cache below the folder.
fn sim(folder: &Path) -> Command {
    let mut sim = Command::new(program());
    sim.current_dir(root())
        .env("XDG_CACHE_HOME", folder.join("cache"));
    sim
}

/// Runs a command, and returns what it wrote on stdout.
fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let program = command.get_program().to_owned();
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        program.display(),
        output.status
    );
    Ok(output.stdout)
}
