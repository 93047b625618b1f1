//! The JSON Schema of a line of the log, in `traces/schema/`, made from the wire types.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::steps::root;

fn path() -> PathBuf {
    root().join("traces/schema/line.schema.json")
}

/// Writes it.
pub(crate) fn write() -> anyhow::Result<()> {
    let path = path();
    fs::write(&path, recorder::schema()).with_context(|| format!("cannot write {}", path.display()))
}

/// Checks that what is written is what the types say.
pub(crate) fn check() -> anyhow::Result<()> {
    let path = path();
    let written =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    if written != recorder::schema() {
        bail!(
            "{} differs from the types; run cargo xtask schema",
            path.display()
        );
    }
    Ok(())
}
