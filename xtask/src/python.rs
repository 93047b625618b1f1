//! Python environments below `target/`, each made of what a file of requirements pins.

use std::path::PathBuf;
use std::process::Command;

use crate::steps::{Steps, root};

/// What is said where there is no Python.
pub(crate) const NO_PYTHON: &str =
    "there is no python3 of 3.11 or newer with venv (Debian: apt-get install python3-venv)";

/// Whether there is a Python that the pinned packages run on, and that can make an environment.
pub(crate) fn has_python() -> bool {
    let ask = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
    let answer = Command::new("python3").args(["-c", ask]).output();
    answer.is_ok_and(|answer| answer.status.success())
}

/// An environment of its own.
pub(crate) struct Environment {
    /// Where it is, from the project's root on.
    pub(crate) folder: &'static str,
    /// The file that pins what is in it, from there on, too.
    pub(crate) requirements: &'static str,
}

impl Environment {
    /// Makes it what its requirements say. Where it is that already, no registry is asked.
    pub(crate) fn install(&self, steps: &mut Steps, what: &str) -> anyhow::Result<()> {
        if !self.python().exists() {
            let mut make = Command::new("python3");
            make.args(["-m", "venv"]).arg(root().join(self.folder));
            steps.command(&format!("{what}: make a Python environment"), make)?;
        }
        let mut install = Command::new(self.python());
        install
            .args(["-m", "pip", "install", "--quiet"])
            .arg("--disable-pip-version-check")
            .arg("--requirement")
            .arg(root().join(self.requirements));
        steps.command(&format!("{what}: install what is pinned"), install)
    }

    /// Its Python.
    pub(crate) fn python(&self) -> PathBuf {
        root().join(self.folder).join("bin/python")
    }
}
