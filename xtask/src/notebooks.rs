//! The notebooks: a Python environment of their own, running them top to bottom, opening them.
//!
//! What is committed has no outputs and begins with its question; what a run leaves has no error
//! and no warning. Both are read off the notebook's JSON, so the first needs no Python.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::python::{Environment, NO_PYTHON, has_python};
use crate::steps::{Steps, cargo, is_ci, root};

/// What the notebooks run in.
const PYTHON: Environment = Environment {
    folder: "target/notebooks/venv",
    requirements: "notebooks/requirements.txt",
};

/// Runs all notebooks; their runs, with the charts, are then in `target/notebooks/`.
pub(crate) fn run(steps: &mut Steps) -> anyhow::Result<()> {
    steps.run("notebooks: as they are committed", check_sources)?;
    prepare(steps)?;
    let mut table = Command::new(PYTHON.python());
    table
        .args(["-m", "doctest", "traces/webtrackr.py"])
        .current_dir(root());
    steps.command("notebooks: webtrackR's sample as a table", table)?;
    let mut run = jupyter("nbconvert");
    run.args(["--to", "notebook", "--execute"])
        // A machine that has other things to do starts Python slowly.
        .arg("--ExecutePreprocessor.startup_timeout=300")
        .arg("--output-dir")
        .arg(runs())
        .args(sources()?);
    steps.command("notebooks: top to bottom", run)?;
    steps.run("notebooks: no warnings", check_runs)
}

/// Runs all notebooks where there is a Python to do so.
pub(crate) fn test(steps: &mut Steps) -> anyhow::Result<()> {
    if has_python() {
        return run(steps);
    }
    steps.run("notebooks: as they are committed", check_sources)?;
    let name = "notebooks: top to bottom";
    if is_ci() {
        bail!("{name}: {NO_PYTHON}");
    }
    steps.skip(name, NO_PYTHON);
    Ok(())
}

/// Starts JupyterLab on the notebooks, and waits for its end. It listens on this machine alone and
/// asks nobody for news, updates or extensions.
pub(crate) fn open(steps: &mut Steps) -> anyhow::Result<()> {
    prepare(steps)?;
    let mut lab = jupyter("lab");
    lab.current_dir(folder()).args([
        "--ip=127.0.0.1",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
    ]);
    steps.command("JupyterLab", lab)
}

/// Takes the outputs out of the notebooks, as they are committed.
pub(crate) fn strip(steps: &mut Steps) -> anyhow::Result<()> {
    PYTHON.install(steps, "notebooks")?;
    let mut clear = jupyter("nbconvert");
    clear.args(["--clear-output", "--inplace"]).args(sources()?);
    steps.command("take outputs out", clear)?;
    steps.run("notebooks: as they are committed", check_sources)
}

fn prepare(steps: &mut Steps) -> anyhow::Result<()> {
    PYTHON.install(steps, "notebooks")?;
    let build = [
        "build",
        "--release",
        "--bin",
        "sim",
        "--features",
        "analysis",
    ];
    steps.command("notebooks: build sim", cargo(build))
}

/// A call of Jupyter, with the settings of nobody's home.
fn jupyter(command: &str) -> Command {
    let mut jupyter = Command::new(PYTHON.python());
    jupyter
        .args(["-m", "jupyter", command])
        .env("IPYTHONDIR", runs().join("ipython"))
        .env("JUPYTER_CONFIG_DIR", runs().join("jupyter"))
        .current_dir(root());
    jupyter
}

fn folder() -> PathBuf {
    root().join("notebooks")
}

fn runs() -> PathBuf {
    root().join("target/notebooks")
}

/// The notebooks, by name.
fn sources() -> anyhow::Result<Vec<PathBuf>> {
    let folder = folder();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "ipynb")
        {
            found.push(path);
        }
    }
    if found.is_empty() {
        bail!("{} holds no notebook", folder.display());
    }
    found.sort();
    Ok(found)
}

fn check_sources() -> anyhow::Result<()> {
    let hint = "cargo xtask notebooks --strip takes outputs out";
    report(&sources()?, faults_of_source).context(hint)
}

fn check_runs() -> anyhow::Result<()> {
    let names = sources()?;
    let runs: Vec<_> = names
        .iter()
        .filter_map(|path| Some(runs().join(path.file_name()?)))
        .collect();
    report(&runs, faults_of_run)
}

/// Fails with what is wrong with any of the notebooks.
fn report(paths: &[PathBuf], faults: fn(&Value) -> Vec<String>) -> anyhow::Result<()> {
    let mut told = Vec::new();
    for path in paths {
        let found = faults(&read(path)?);
        told.extend(
            found
                .iter()
                .map(|fault| format!("{}: {fault}", path.display())),
        );
    }
    if told.is_empty() {
        return Ok(());
    }
    bail!("{}", told.join("\n"))
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: not a notebook", path.display()))
}

/// What keeps a notebook from being committed.
fn faults_of_source(notebook: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let first = cells(notebook).first();
    if !first
        .is_some_and(|cell| cell["cell_type"] == "markdown" && text(&cell["source"]).contains('?'))
    {
        faults.push("the first cell does not say what question this answers".to_owned());
    }
    for (index, cell) in code(notebook) {
        if !outputs(cell).is_empty() || !cell["execution_count"].is_null() {
            faults.push(format!("cell {index} has outputs"));
        }
    }
    faults
}

/// What is wrong with a notebook that was run. An error ends a run; this is what does not.
fn faults_of_run(notebook: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (index, cell) in code(notebook) {
        if cell["execution_count"].is_null() {
            faults.push(format!("cell {index} was not run"));
        }
        for output in outputs(cell) {
            if output["output_type"] == "error" || output["name"] == "stderr" {
                let what = text(&output["text"]) + &text(&output["evalue"]);
                faults.push(format!("cell {index}: {}", what.trim()));
            }
        }
    }
    let drawn = code(notebook)
        .flat_map(|(_, cell)| outputs(cell))
        .any(|output| !output["data"]["image/svg+xml"].is_null());
    if !drawn {
        faults.push("no chart was drawn".to_owned());
    }
    faults
}

fn cells(notebook: &Value) -> &[Value] {
    notebook["cells"].as_array().map_or(&[], Vec::as_slice)
}

/// The cells of code, with their places from 0.
fn code(notebook: &Value) -> impl Iterator<Item = (usize, &Value)> {
    let cells = cells(notebook).iter().enumerate();
    cells.filter(|(_, cell)| cell["cell_type"] == "code")
}

fn outputs(cell: &Value) -> &[Value] {
    cell["outputs"].as_array().map_or(&[], Vec::as_slice)
}

/// A text of a notebook, which may be cut into lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{faults_of_run, faults_of_source};

    fn notebook(question: &str, outputs: &Value, execution_count: &Value) -> Value {
        json!({"cells": [
            {"cell_type": "markdown", "source": ["# Title\n", question]},
            {"cell_type": "code", "source": "1", "outputs": outputs, "execution_count": execution_count},
        ]})
    }

    #[test]
    fn what_is_committed_asks_and_has_no_outputs() {
        let check = |notebook: &Value, expect: &[&str]| {
            assert_eq!(faults_of_source(notebook), expect);
        };
        check(&notebook("Why?", &json!([]), &json!(null)), &[]);
        let silent = "the first cell does not say what question this answers";
        check(&notebook("Because.", &json!([]), &json!(null)), &[silent]);
        check(&json!({"cells": []}), &[silent]);
        check(&json!({}), &[silent]);
        let stream = json!([{"output_type": "stream", "name": "stdout", "text": "1"}]);
        check(
            &notebook("Why?", &stream, &json!(null)),
            &["cell 1 has outputs"],
        );
        check(
            &notebook("Why?", &json!([]), &json!(3)),
            &["cell 1 has outputs"],
        );
    }

    #[test]
    fn a_run_has_charts_and_no_warning() {
        let chart = json!({"output_type": "display_data", "data": {"image/svg+xml": "<svg/>"}});
        let warning = json!({"output_type": "stream", "name": "stderr", "text": ["Deprecation", "Warning\n"]});
        let check = |outputs: Value, ran: Value, expect: &[&str]| {
            assert_eq!(faults_of_run(&notebook("Why?", &outputs, &ran)), expect);
        };
        check(json!([chart]), json!(1), &[]);
        check(json!([chart]), json!(null), &["cell 1 was not run"]);
        check(json!([]), json!(1), &["no chart was drawn"]);
        check(
            json!([chart, warning]),
            json!(1),
            &["cell 1: DeprecationWarning"],
        );
    }
}
