//! Writes files for a command: derived traces, and others as a whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use recorder::{Compression, Opening, TraceComposer};
use serde::Serialize;
use simulator::derivation::{Copied, Derivation};

use crate::console::{Console, count};
use crate::reading::shown;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Written {
    /// The folder.
    output: String,
    /// What of the lines became of it.
    #[serde(flatten)]
    copied: Copied,
}

/// Begins a trace in a folder.
pub(crate) fn create(
    folder: &Path,
    compress: bool,
    opening: &Opening,
    t_ms: i64,
) -> anyhow::Result<Derivation> {
    let compression = if compress {
        Compression::Zstd
    } else {
        Compression::Plain
    };
    let composer = TraceComposer::create(folder, opening, t_ms, compression)?;
    Ok(Derivation::new(composer))
}

/// Ends a trace. It is there from now on.
pub(crate) fn finish(derivation: Derivation) -> anyhow::Result<Written> {
    let copied = derivation.copied();
    let output = derivation.finish()?.display().to_string();
    Ok(Written { output, copied })
}

/// Tells what was written.
pub(crate) fn tell(written: &Written, json: bool, console: &mut Console) -> anyhow::Result<()> {
    if json {
        return console.json(written);
    }
    let Copied {
        lines,
        left_out,
        unknown,
    } = written.copied;
    console.line(format_args!(
        "{}: {}",
        shown(Path::new(&written.output)),
        count(lines, "line")
    ))?;
    if left_out > 0 {
        console.note(format_args!(
            "{} left out: what they refer to is not in the new trace",
            count(left_out, "output")
        ));
    }
    if unknown > 0 {
        console.note(format_args!(
            "{} left out: their type is not known to this version",
            count(unknown, "line")
        ));
    }
    Ok(())
}

/// Writes a file so that it is there as a whole or not at all. Folders on the way to it are made.
pub(crate) fn write_whole(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Not the private file that a temporary one is otherwise: it is to be read by others.
    let mut beside = tempfile::Builder::new().make_in(folder, |path| File::create_new(path))?;
    beside.write_all(bytes)?;
    beside.persist(file)?;
    Ok(())
}
