//! Writes files and folders for a command: derived traces, and others, all of it or nothing.

use std::fs::{self, Permissions};
use std::io::{BufWriter, IntoInnerError, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{Compression, Opening, TraceComposer};
use serde::Serialize;
use simulator::derivation::{Copied, Derivation};
use tempfile::{NamedTempFile, TempDir};

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

/// A file that is written beside its place, and is there whole or not at all.
pub(crate) struct WholeFile {
    pub(crate) path: PathBuf,
    pub(crate) out: BufWriter<NamedTempFile>,
}

impl WholeFile {
    /// Begins. Folders on the way to it are made.
    pub(crate) fn begin(path: &Path) -> anyhow::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", shown(folder)))?;
        // Others may read results, as far as the user's mask lets them.
        let mut named = tempfile::Builder::new();
        named.permissions(Permissions::from_mode(0o666));
        let file = named.tempfile_in(folder);
        let file = file.with_context(|| format!("cannot write into {}", shown(folder)))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
        })
    }

    /// Adds to it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.out.write_all(bytes);
        written.with_context(|| format!("cannot write {}", shown(&self.path)))
    }

    /// Gives it its name.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", shown(&self.path));
        let file = self.out.into_inner().map_err(IntoInnerError::into_error);
        let file = file.with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        file.persist(&self.path).with_context(cannot)?;
        Ok(())
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = WholeFile::begin(path)?;
    file.write(bytes)?;
    file.end()
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
