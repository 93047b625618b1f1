//! Counts the instructions of what must stay fast, and holds them to what they were.
//!
//! Time depends on the machine and on who else uses it; how many instructions a fixed job takes
//! hardly does. They are counted by valgrind, within one function of `simulator/benches/limits`.
//! What was counted stands in `simulator/benches/limits/instructions.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::steps::{Steps, is_ci, release, root};

const SUBJECTS: [&str; 7] = [
    "canonical",
    "packing",
    "step",
    "replay",
    "sweep",
    "many_tabs",
    "import",
];

/// By how much a count may go up.
const TOLERANCE: f64 = 0.10;

fn baseline() -> PathBuf {
    root().join("simulator/benches/limits/instructions.json")
}

/// Compares, or takes what is counted for what it shall be from now on.
pub(crate) fn check(steps: &mut Steps, is_blessing: bool) -> anyhow::Result<()> {
    let name = "instructions of what must stay fast";
    if Command::new("valgrind").arg("--version").output().is_err() {
        let why = "there is no valgrind (apt-get install valgrind)";
        if is_ci() || is_blessing {
            bail!("{name}: {why}");
        }
        steps.skip(name, why);
        return Ok(());
    }
    steps.command("build the limits", release(["limits", "native-host"]))?;
    steps.run(name, || {
        let limits = root().join("target/release/limits");
        let mut counted = BTreeMap::new();
        for subject in SUBJECTS {
            counted.insert(subject.to_owned(), count(&limits, subject)?);
        }
        if is_blessing {
            let text = serde_json::to_string_pretty(&counted)? + "\n";
            return Ok(fs::write(baseline(), text)?);
        }
        let before = fs::read_to_string(baseline()).context("cargo xtask instructions --bless")?;
        compare(&serde_json::from_str(&before)?, &counted)
    })
}

fn count(limits: &Path, subject: &str) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--toggle-collect=limits::counts::counted*"])
        .arg(limits)
        .args(["count", subject])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{subject}: {}\n{said}", output.status);
    }
    let collected = said.lines().find_map(|line| line.split_once("Collected :"));
    let collected = collected.and_then(|(_, count)| count.trim().parse().ok());
    match collected {
        Some(count) if count > 0 => Ok(count),
        _ => bail!("{subject}: nothing was counted\n{said}"),
    }
}

fn compare(before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> anyhow::Result<()> {
    if !before.keys().eq(now.keys()) {
        bail!("other things are counted than before; cargo xtask instructions --bless");
    }
    let mut slower = Vec::new();
    for ((subject, &before), &now) in before.iter().zip(now.values()) {
        let change = now as f64 / before as f64 - 1.0;
        let line = format!(
            "{subject}: {before} before, {now} now, {:+.1} %",
            100.0 * change
        );
        crate::steps::say(&line);
        if change > TOLERANCE {
            slower.push(line);
        }
    }
    if !slower.is_empty() {
        bail!(
            "more than {:.0} % more instructions:\n{}\nIf it has to be: cargo xtask instructions \
             --bless",
            100.0 * TOLERANCE,
            slower.join("\n")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_tenth_more_fails() {
        let counts = |count| BTreeMap::from([("step".to_owned(), count)]);
        assert!(compare(&counts(1_000), &counts(1_099)).is_ok());
        assert!(compare(&counts(1_000), &counts(1_101)).is_err());
        assert!(compare(&counts(1_000), &BTreeMap::new()).is_err());
    }
}
