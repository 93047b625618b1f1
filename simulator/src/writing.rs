//! Writes files and folders for a command: derived traces, and others, all of it or nothing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{Compression, Opening, TraceComposer};
use serde::Serialize;
use simulator::derivation::{Copied, Derivation};
use tempfile::TempDir;

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

/// A folder that is made beside its place and gets its name when all of it is there. Dropped
/// before, it leaves nothing.
pub(crate) struct Beside {
    out: PathBuf,
    /// Holds the folder until then.
    around: TempDir,
}

impl Beside {
    /// Says early, and before anything is done, that there is something in the way.
    pub(crate) fn check_is_free(out: &Path) -> anyhow::Result<()> {
        let is_taken = match fs::read_dir(out) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => out.exists(),
        };
        if is_taken {
            bail!(
                "{} is there already; name a folder that is empty or not there yet",
                shown(out)
            );
        }
        Ok(())
    }

    /// Begins. The folder itself is for the caller to make.
    pub(crate) fn new(out: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", shown(out));
        let parent = match out.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).with_context(cannot)?;
        let around = tempfile::Builder::new()
            .prefix(".sim-")
            .tempdir_in(parent)
            .with_context(cannot)?;
        Ok(Self {
            out: out.to_owned(),
            around,
        })
    }

    /// Returns where the folder is until it gets its name.
    pub(crate) fn whole(&self) -> PathBuf {
        self.around.path().join("whole")
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", shown(&self.out));
        fs::rename(self.whole(), &self.out).with_context(cannot)
    }
}
