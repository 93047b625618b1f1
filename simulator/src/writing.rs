//! Writes files and folders for a command: derived traces, and others, all of it or nothing.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, IntoInnerError, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{Compression, Opening, TraceComposer};
use serde::Serialize;
use simulator::derivation::{Copied, Derivation};
use tempfile::NamedTempFile;

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
    let (folder, copied) = derivation.finish()?;
    let output = folder.display().to_string();
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
        let file = named.tempfile_in(folder).map_err(of_target);
        let file = file.with_context(|| format!("cannot write into {}", shown(folder)))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
        })
    }

    /// Adds to it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.out.write_all(bytes).map_err(of_target);
        written.with_context(|| format!("cannot write {}", shown(&self.path)))
    }

    /// Gives it its name.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", shown(&self.path));
        let file = self.out.into_inner().map_err(IntoInnerError::into_error);
        let file = file.map_err(of_target).with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        let persisted = file.persist(&self.path).map_err(|it| it.error);
        persisted.with_context(cannot)?;
        Ok(())
    }
}

/// An error without the name of the file beside, which nobody has heard of.
pub(crate) fn of_target(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}

/// Writes a file whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = WholeFile::begin(path)?;
    file.write(bytes)?;
    file.end()
}

/// A folder that is made beside its place and gets its name when all of it is there. Dropped
/// before, it leaves nothing; what a killed process has left the next one for the same place
/// removes.
pub(crate) struct Beside {
    out: PathBuf,
    /// Holds the folder until then.
    around: PathBuf,
    /// Held as long as anything is made there. It goes with the process.
    _lock: File,
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
        let name = out.file_name().with_context(cannot)?;
        let mut around_name = OsString::from(".sim-");
        around_name.push(name);
        let around = out.with_file_name(around_name);
        if let Some(parent) = out.parent() {
            fs::create_dir_all(parent).with_context(cannot)?;
        }
        let cannot = || format!("cannot write {}", shown(&around));
        match DirBuilder::new().mode(0o700).create(&around) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(error).with_context(cannot);
            }
            _ => {}
        }
        // Where others may write, they could have put a folder or a link of theirs there.
        let found = fs::symlink_metadata(&around).with_context(cannot)?;
        if !found.is_dir() || found.uid() != rustix::process::getuid().as_raw() {
            bail!("{} is no folder of yours; remove it", shown(&around));
        }
        let lock = File::open(&around).with_context(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another process makes {} right now", shown(out));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        for leftover in fs::read_dir(&around).with_context(cannot)? {
            let leftover = leftover.with_context(cannot)?;
            let is_folder = leftover.file_type().with_context(cannot)?.is_dir();
            let removed = match is_folder {
                true => fs::remove_dir_all(leftover.path()),
                false => fs::remove_file(leftover.path()),
            };
            removed.with_context(cannot)?;
        }
        Ok(Self {
            out: out.to_owned(),
            around,
            _lock: lock,
        })
    }

    /// Returns the folder around it, which nobody else may enter and which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        &self.around
    }

    /// Returns where the folder is until it gets its name.
    pub(crate) fn whole(&self) -> PathBuf {
        self.around.join("whole")
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", shown(&self.out));
        fs::rename(self.whole(), &self.out).with_context(cannot)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // What cannot be removed the next one removes.
        let _ = fs::remove_dir_all(&self.around);
    }
}
