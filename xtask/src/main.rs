//! The project's chores, behind `cargo xtask`: what CI runs, what it generates, what it measures.
//!
//! Each chore is a list of named and timed steps. The first one that fails ends it.

mod bench;
mod comparison;
mod crash;
mod fuzz;
mod instructions;
mod notebooks;
mod python;
mod schema;
mod spark;
mod steps;
mod synthetic;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};

use crate::steps::{Steps, browser, cargo, is_ci, npm, root};

/// Run a chore of this project
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Chore {
    /// Run every test: Rust, the extension's, in a real browser, on Spark, and the notebooks
    ///
    /// The tests in a browser want Chromium at /usr/bin/chromium, or where CHROMIUM says, and
    /// Firefox at /usr/bin/firefox-esr, or where FIREFOX says; the notebooks and the sweep on Spark
    /// want Python 3.11 or newer, with venv, and Spark Java 17.
    /// Where there is none they are skipped, aloud; with CI=true that is a failure.
    Test,
    /// Run all of CI: lint, then test
    Ci,
    /// Check everything but the tests: fmt, clippy, generated files, dependencies, docs
    Lint,
    /// Look the dependencies up in the database of known flaws, which is fetched anew
    Advisories,
    /// Write traces/schema/ anew from the types
    Schema,
    /// Compare all policies on traces/recorded/ anew: README.md, simulator/COMPARISON.md, pictures
    Comparison,
    /// Write traces/synthetic/ anew: a person of each profile, and the table of all of them
    Synthetic,
    /// Measure everything, beside what it is compared with: a table of what was to be reached
    ///
    /// Takes a quarter of an hour on a machine that does nothing else, and fails on no figure. What
    /// was measured goes to simulator/benches/results/; simulator/SPEED.md says what it means.
    Bench {
        /// Fewer runs, on 500,000 events instead of 5,000,000
        #[arg(long, conflicts_with = "full")]
        quick: bool,
        /// 50,000,000 events, too, which take 9 GB of disk
        #[arg(long)]
        full: bool,
    },
    /// Count the instructions of what must stay fast; fail where they are a tenth more than before
    ///
    /// Wants valgrind (apt-get install valgrind).
    Instructions {
        /// Take what is counted now for what it shall be
        #[arg(long)]
        bless: bool,
    },
    /// Kill the real host at random moments, and hold its log to what was acknowledged
    ///
    /// The test of `cargo xtask test`, at length, and with `sim verify` after every kill. What it
    /// found stands in recorder/FAULTS.md.
    Crash {
        /// How many times
        #[arg(long, default_value_t = 2_000)]
        kills: u64,
        /// What the moments are drawn from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Fuzz what reads input of others, and see that the fuzzer finds a bug that is there
    ///
    /// Wants cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler.
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 5)]
        minutes: u64,
    },
    /// Run the notebooks top to bottom
    ///
    /// Makes a Python environment of what notebooks/requirements.txt pins, builds `sim`, and runs
    /// all notebooks. Fails on errors and warnings, and on outputs in what is to be committed.
    /// The runs, with their charts, are then in target/notebooks/. Tests traces/webtrackr.py, too.
    Notebooks {
        /// Open them in JupyterLab instead
        #[arg(long)]
        open: bool,
        /// Take their outputs out instead, as they are committed
        #[arg(long, conflicts_with = "open")]
        strip: bool,
    },
    /// Carry a sweep out on a real Spark and compare it with one on this machine alone
    ///
    /// Makes a Python environment of what simulator/examples/spark/requirements.txt pins.
    Spark,
}

fn main() -> ExitCode {
    let mut steps = Steps::default();
    let result = match Args::parse().chore {
        Chore::Test => test(&mut steps),
        Chore::Ci => lint(&mut steps).and_then(|()| test(&mut steps)),
        Chore::Lint => lint(&mut steps),
        Chore::Advisories => advisories(&mut steps),
        Chore::Schema => steps.run("write the schema", schema::write),
        Chore::Comparison => steps.run("write the comparison", comparison::write),
        Chore::Synthetic => steps.run("make the synthetic traces", synthetic::write),
        Chore::Bench { quick, full } => {
            let effort = bench::Effort {
                is_quick: quick,
                is_full: full,
            };
            bench::run(&mut steps, effort)
        }
        Chore::Instructions { bless } => instructions::check(&mut steps, bless),
        Chore::Fuzz { minutes } => fuzz::run(&mut steps, minutes),
        Chore::Crash { kills, seed } => crash::test(&mut steps, kills, seed),
        Chore::Notebooks { open: true, .. } => notebooks::open(&mut steps),
        Chore::Notebooks { strip: true, .. } => notebooks::strip(&mut steps),
        Chore::Notebooks { .. } => notebooks::run(&mut steps),
        Chore::Spark => spark::test(&mut steps),
    };
    steps.finish(result)
}

fn test(steps: &mut Steps) -> anyhow::Result<()> {
    let mut rust = cargo(["test", "--workspace"]);
    if is_ci() {
        // A snapshot that differs is a failure, not a new snapshot.
        rust.env("INSTA_UPDATE", "no");
    }
    steps.command("Rust tests", rust)?;
    // A step of its own: without the feature, which brings polars' Parquet layer, the rest is built
    // in half the time.
    let mut parquet = cargo(["test", "--package", "simulator", "--features", "analysis"]);
    parquet.args(["--test", "it", "--", "convert::", "sweep::"]);
    steps.command("Rust tests of Parquet", parquet)?;
    instructions::check(steps, false)?;
    spark::test(steps)?;
    install_node_modules(steps)?;
    extension_tests(steps)?;
    notebooks::test(steps)
}

fn lint(steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("fmt", cargo(["fmt", "--all", "--check"]))?;
    let clippy = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    steps.command("clippy", cargo(clippy))?;
    steps.run("generated files are up to date", || {
        schema::check()?;
        comparison::check()?;
        synthetic::check()
    })?;
    let deny = ["deny", "check", "bans", "licenses", "sources"];
    steps.command("dependencies", cargo(deny))?;
    steps.skip(
        "known flaws of dependencies",
        "they are looked up over the network, by `cargo xtask advisories`",
    );
    let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("docs", doc)
}

fn advisories(steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("advisories", cargo(["deny", "check", "advisories"]))
}

fn install_node_modules(steps: &mut Steps) -> anyhow::Result<()> {
    if !is_ci() && root().join("extension/node_modules").is_dir() {
        return Ok(());
    }
    steps.command(
        "install the extension's tools",
        npm(["ci", "--no-audit", "--no-fund"]),
    )
}

fn extension_tests(steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("extension: types and unit tests", npm(["test"]))?;
    let name = "extension in a real browser";
    let browser = browser();
    if browser.exists() {
        return steps.command(name, npm(["run", "e2e"]));
    }
    let why = format!(
        "there is no browser at {}; CHROMIUM may name one",
        browser.display()
    );
    if is_ci() {
        bail!("{name}: {why}");
    }
    steps.skip(name, &why);
    Ok(())
}
