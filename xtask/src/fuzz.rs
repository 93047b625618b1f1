//! Fuzzing, and the proof that the fuzzer finds what is there.
//!
//! cargo-fuzz wants options of an unstable compiler; the stable one takes them when it is told to.
//! No sanitizer: the project has next to no unsafe code, and what overflows panics.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::steps::{Steps, cargo, root};

const TARGETS: [&str; 6] = ["frame", "line", "trace", "policy", "importers", "packed"];

/// What finding the canary may take. It was seen to take less than a minute.
const CANARY_SECONDS: u64 = 300;

/// Runs each target for so long, from its corpus. What is found on the way is kept in `fuzz/target`.
pub(crate) fn run(steps: &mut Steps, minutes: u64) -> anyhow::Result<()> {
    find_canary(steps)?;
    for target in TARGETS {
        let seconds = Duration::from_mins(minutes).as_secs();
        let command = fuzz(target, &[], seconds)?;
        steps.command(&format!("fuzz {target}"), command)?;
    }
    Ok(())
}

/// A bug is put where only a line that parses leads to it. The fuzzer has to fail of it.
fn find_canary(steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("the fuzzer finds the canary", || {
        let output = fuzz("line", &["--features", "canary"], CANARY_SECONDS)?.output()?;
        if !String::from_utf8_lossy(&output.stderr).contains("the canary") {
            bail!("the fuzzer did not find the canary in {CANARY_SECONDS} s");
        }
        Ok(())
    })
}

fn fuzz(target: &str, features: &[&str], seconds: u64) -> anyhow::Result<Command> {
    let fuzz = root().join("fuzz");
    let found = fuzz.join("target/found").join(target);
    fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
    let mut command = cargo(["fuzz", "run", "--sanitizer", "none"]);
    command
        .args(features)
        .arg(target)
        .args([&found, &fuzz.join("corpus").join(target)])
        .arg("--")
        .args([
            &*format!("-max_total_time={seconds}"),
            "-timeout=10",
            "-print_final_stats=1",
        ])
        .current_dir(fuzz)
        .env("RUSTC_BOOTSTRAP", "1");
    Ok(command)
}
