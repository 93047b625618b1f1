//! Steps of a chore: named, timed, and told at the end.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, bail};

/// The steps of a chore, as they are done.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<String>,
}

impl Steps {
    /// Runs a command as a step.
    pub(crate) fn command(&mut self, name: &str, mut command: Command) -> anyhow::Result<()> {
        self.run(name, || {
            let program = command.get_program().to_owned();
            let status = command
                .status()
                .with_context(|| format!("{} cannot be run", program.display()))?;
            if !status.success() {
                bail!("{status}");
            }
            Ok(())
        })
    }

    /// Runs something as a step.
    pub(crate) fn run(
        &mut self,
        name: &str,
        step: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        say(&format!("==> {name}"));
        let start = Instant::now();
        step().with_context(|| format!("FAILED: {name}"))?;
        self.done
            .push(format!("{:>7.1} s  {name}", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Tells of a step that is not done.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        say(&format!("==> SKIPPED: {name}: {why}"));
        self.done.push(format!("  SKIPPED  {name}: {why}"));
    }

    /// Tells what was done, and how it ended.
    pub(crate) fn finish(self, result: anyhow::Result<()>) -> ExitCode {
        say("");
        for step in &self.done {
            say(step);
        }
        match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("{error:#}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Where the project is.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A call of the cargo that called us.
pub(crate) fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let cargo = env::var_os("CARGO");
    let mut command = Command::new(cargo.as_deref().unwrap_or(OsStr::new("cargo")));
    command.args(args).current_dir(root());
    command
}

/// Builds packages as they are released. With the host among them its features are those of every
/// such build, so that none undoes another's work.
pub(crate) fn release<const N: usize>(packages: [&str; N]) -> Command {
    let mut build = cargo(["build", "--release"]);
    for package in packages {
        build.args(["--package", package]);
    }
    build
}

/// A call of npm on the extension.
pub(crate) fn npm<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new("npm");
    command.args(args).current_dir(root().join("extension"));
    command
}

/// The browser that the tests drive.
pub(crate) fn browser() -> PathBuf {
    env::var_os("CHROMIUM").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from)
}

/// Whether nothing may be skipped that could be had.
pub(crate) fn is_ci() -> bool {
    env::var_os("CI").is_some_and(|ci| ci == "true")
}

/// Says something on stderr. Where that is closed, nobody listens.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
