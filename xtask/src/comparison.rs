//! The comparison of all policies on the bundled recorded traces: the table in `README.md`, the
//! whole one in `simulator/COMPARISON.md`, and the picture, light and dark.
//!
//! All of it comes out of `sim compare`; here it is only put in its places.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::steps::{cargo, root};

/// Between these lines of the README stands the table.
const BEGIN: &str = "<!-- made by `cargo xtask comparison` -->";
const END: &str = "<!-- made until here -->";

/// What of the table fits into the README.
const COLUMNS: &str = "saved_gib_h,saved_share,early_return_rate,reloads,frontier_share,\
                       excess_reloads,violations";

const PICTURES: [&str; 2] = ["comparison-light.svg", "comparison-dark.svg"];

/// A file as it should be.
struct Made {
    file: PathBuf,
    text: String,
}

/// Writes all of it anew.
pub(crate) fn write() -> anyhow::Result<()> {
    for Made { file, text } in make()? {
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// Checks that what is written is what the policies come to.
pub(crate) fn check() -> anyhow::Result<()> {
    for Made { file, text } in make()? {
        let written = read(&file)?;
        if written != text {
            bail!(
                "{} is not what sim compare says: {}; look whether it should say so, then run \
                 cargo xtask comparison",
                file.display(),
                first_difference(&written, &text)
            );
        }
    }
    Ok(())
}

fn make() -> anyhow::Result<Vec<Made>> {
    let pictures = root().join("target/comparison");
    let whole = compare(&["--svg", &pictures.to_string_lossy()])?;
    let short = compare(&["--columns", COLUMNS])?;
    let readme = root().join("README.md");
    let readme = Made {
        text: put_in(&read(&readme)?, &short)
            .with_context(|| format!("{} has no place for the table", readme.display()))?,
        file: readme,
    };
    let page = Made {
        file: root().join("simulator/COMPARISON.md"),
        text: page(&whole),
    };
    let pictures = PICTURES.iter().map(|name| {
        Ok(Made {
            file: root().join("simulator").join(name),
            text: read(&pictures.join(name))?,
        })
    });
    let pages = [Ok(readme), Ok(page)];
    pages.into_iter().chain(pictures).collect()
}

/// Calls `sim compare` on all recorded traces.
fn compare(args: &[&str]) -> anyhow::Result<String> {
    let recorded = "traces/recorded";
    let mut traces = Vec::new();
    for entry in fs::read_dir(root().join(recorded)).context(recorded)? {
        let entry = entry.context(recorded)?;
        if entry.path().is_dir() {
            traces.push(format!("{recorded}/{}", entry.file_name().display()));
        }
    }
    traces.sort();
    let mut sim = cargo(["run", "--quiet", "--package", "simulator", "--bin", "sim"]);
    sim.args(["--", "compare", "--markdown"]).args(args);
    let output = (sim.args(traces).output()).context("sim compare cannot be run")?;
    if !output.status.success() {
        bail!(
            "sim compare: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).context("what sim compare says")
}

/// Puts the table in its place; none where the place is not there.
fn put_in(readme: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    let table = table.trim_end();
    Some(format!("{before}{BEGIN}\n\n{table}\n\n{END}{after}"))
}

fn page(table: &str) -> String {
    format!(
        "# All policies on the recorded traces\n\n\
         Made by `cargo xtask comparison`, which CI runs again. What each score means: \
         [SCORES.md](SCORES.md). As a page of its own, with intervals and with what no trace can \
         tell each policy: `sim compare traces/recorded/* --html comparison.html`.\n\n\
         <picture>\n  \
         <source media=\"(prefers-color-scheme: dark)\" srcset=\"{dark}\">\n  \
         <img src=\"{light}\" alt=\"Memory saved against reloads, each policy a point that the table \
         has by its number\">\n\
         </picture>\n\n\
         {table}",
        light = PICTURES[0],
        dark = PICTURES[1],
    )
}

/// Says where two texts part.
fn first_difference(written: &str, made: &str) -> String {
    let mut lines = (1..).zip(written.lines()).zip(made.lines());
    match lines.find(|((_, written), made)| written != made) {
        Some(((line, written), made)) => {
            format!("line {line} is {written:?} and should be {made:?}")
        }
        None => format!(
            "it has {} lines and should have {}",
            written.lines().count(),
            made.lines().count()
        ),
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before_and_nothing_else() {
        let readme = format!("above\n{BEGIN}\n\n| old |\n\n{END}\nbelow\n");
        let put = put_in(&readme, "| new |\n").unwrap();
        assert_eq!(put, format!("above\n{BEGIN}\n\n| new |\n\n{END}\nbelow\n"));
        assert_eq!(put_in(&put, "| new |\n"), Some(put.clone()));
        assert_eq!(put_in("above\n", "| new |\n"), None);
    }

    #[test]
    fn a_difference_is_told_by_its_line() {
        let check = |written, made, expect| assert_eq!(first_difference(written, made), expect);
        check("a\nb\n", "a\nc\n", "line 2 is \"b\" and should be \"c\"");
        check("a\n", "a\nb\n", "it has 1 lines and should have 2");
    }
}
