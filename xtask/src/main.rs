//! The project's chores, behind `cargo xtask`: what CI runs, what it generates, what it measures.
//!
//! Each chore is a list of named and timed steps. The first one that fails ends it.

mod schema;
mod steps;

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
    /// Run every test: Rust, the extension's, and in a real browser
    ///
    /// The tests in a browser want Chromium at /usr/bin/chromium, or where CHROMIUM says. Where
    /// there is none they are skipped, aloud; with CI=true that is a failure.
    Test,
    /// Run all of CI: fmt, clippy, generated files, dependencies, docs, and every test
    Ci,
    /// Write traces/schema/ anew from the types
    Schema,
    /// Run the benches
    Bench,
}

fn main() -> ExitCode {
    let mut steps = Steps::default();
    let result = match Args::parse().chore {
        Chore::Test => test(&mut steps),
        Chore::Ci => ci(&mut steps),
        Chore::Schema => steps.run("write the schema", schema::write),
        Chore::Bench => bench(&mut steps),
    };
    steps.finish(result)
}

fn test(steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("Rust tests", cargo(["test", "--workspace"]))?;
    install_node_modules(steps, false)?;
    extension_tests(steps)
}

fn ci(steps: &mut Steps) -> anyhow::Result<()> {
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
    steps.run("generated files are up to date", schema::check)?;
    let deny = ["deny", "check", "bans", "licenses", "sources"];
    steps.command("dependencies", cargo(deny))?;
    advisories(steps)?;
    let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    steps.command("docs", doc)?;
    let mut rust = cargo(["test", "--workspace"]);
    // A snapshot that differs is a failure, not a new snapshot.
    rust.env("INSTA_UPDATE", "no");
    steps.command("Rust tests", rust)?;
    install_node_modules(steps, true)?;
    extension_tests(steps)
}

fn bench(steps: &mut Steps) -> anyhow::Result<()> {
    steps.command("benches", cargo(["bench", "--workspace", "--bench", "*"]))
}

/// The list of known flaws changes every day, so it is asked for anew; without a network there is
/// none to be had.
fn advisories(steps: &mut Steps) -> anyhow::Result<()> {
    if steps::is_reachable("github.com:443") {
        steps.command("advisories", cargo(["deny", "check", "advisories"]))
    } else {
        steps.skip("advisories", "the database of advisories cannot be reached");
        Ok(())
    }
}

fn install_node_modules(steps: &mut Steps, anew: bool) -> anyhow::Result<()> {
    if !anew && root().join("extension/node_modules").is_dir() {
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
