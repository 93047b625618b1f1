//! Writes files and folders for a command: derived traces, and others, all of it or nothing.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, IntoInnerError, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use recorder::{Compression, Opening, TraceComposer, WriteError};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use simulator::derivation::{Copied, Derivation, Piece};
use tempfile::NamedTempFile;

use crate::args::output::OutputArgs;
use crate::console::{Console, count};
use crate::reading::shown;
use crate::unfinished::Unfinished;

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Written {
    /// The folder.
    output: String,
    /// What of the lines became of it.
    #[serde(flatten)]
    copied: Copied,
}

/// A trace that is being made.
pub(crate) struct NewTrace {
    derivation: Derivation,
    _unfinished: Unfinished,
}

impl NewTrace {
    /// Begins it.
    pub(crate) fn begin(place: &OutputArgs, opening: &Opening, t_ms: i64) -> anyhow::Result<Self> {
        let compression = if place.compress {
            Compression::Zstd
        } else {
            Compression::Plain
        };
        let (composer, _unfinished) = Unfinished::begin(|| {
            let composer = TraceComposer::create(&place.output, opening, t_ms, compression)?;
            let partial = composer.partial().to_owned();
            Ok((composer, partial))
        })?;
        Ok(Self {
            derivation: Derivation::new(composer),
            _unfinished,
        })
    }

    /// Goes on to another trace, as [`Derivation::begin_source`].
    pub(crate) fn begin_source(&mut self) {
        self.derivation.begin_source();
    }

    /// Appends a line, as [`Derivation::append`].
    pub(crate) fn append(&mut self, piece: Piece) -> Result<(), WriteError> {
        self.derivation.append(piece)
    }

    /// Ends it. It is there from now on.
    pub(crate) fn finish(self) -> anyhow::Result<Written> {
        let (folder, copied) = self.derivation.finish()?;
        let output = folder.display().to_string();
        Ok(Written { output, copied })
    }
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

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone: it holds a trace, or the state of a replay.
    Owner,
    /// Others, too, as far as the user's mask lets them: it holds results.
    Anybody,
}

/// A file that is written beside its place, and is there whole or not at all. What a killed process
/// has left beside it the next one for the same place removes.
pub(crate) struct WholeFile {
    pub(crate) path: PathBuf,
    out: BufWriter<NamedTempFile>,
    _unfinished: Unfinished,
}

impl WholeFile {
    /// Begins. Folders on the way to it are made.
    pub(crate) fn begin(path: &Path, readers: Readers) -> anyhow::Result<Self> {
        let cannot = || format!("cannot write {}", shown(path));
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut partial_name = OsString::from(".sim-");
        partial_name.push(path.file_name().with_context(cannot)?);
        partial_name.push(".partial");
        let partial = folder.join(&partial_name);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", shown(folder)))?;
        let mut named = tempfile::Builder::new();
        named.prefix(&partial_name).rand_bytes(0);
        named.permissions(Permissions::from_mode(match readers {
            Readers::Owner => 0o600,
            Readers::Anybody => 0o666,
        }));
        let (file, _unfinished) = Unfinished::begin(|| {
            if let Some(leftover) = leftover(&partial).with_context(cannot)? {
                hold(&leftover, path)?;
                if is_at(&leftover, &partial).with_context(cannot)? {
                    fs::remove_file(&partial).with_context(cannot)?;
                }
            }
            let file = named.tempfile_in(folder).map_err(of_target);
            let file = file.with_context(cannot)?;
            hold(file.as_file(), path)?;
            Ok((file, partial))
        })?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
            _unfinished,
        })
    }

    /// Adds this, and ends it.
    pub(crate) fn end_with(mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let written = self.write_all(bytes);
        written.with_context(|| format!("cannot write {}", shown(&self.path)))?;
        self.end()?;
        Ok(())
    }

    /// Gives it its name, and tells how many bytes it has.
    pub(crate) fn end(self) -> anyhow::Result<u64> {
        let cannot = || format!("cannot write {}", shown(&self.path));
        let file = self.out.into_inner().map_err(IntoInnerError::into_error);
        let file = file.map_err(of_target).with_context(cannot)?;
        file.as_file().sync_all().with_context(cannot)?;
        let persisted = file.persist(&self.path).map_err(|it| it.error);
        let bytes = persisted.and_then(|file| file.metadata());
        Ok(bytes.with_context(cannot)?.len())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes).map_err(of_target)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush().map_err(of_target)
    }
}

/// What a killed process has left of a file, or another one is about to make.
fn leftover(partial: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(partial, flags, Mode::empty()) {
        Ok(file) => Ok(Some(file.into())),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether this is the file that a path leads to.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let here = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (here.dev(), here.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps other processes from making the same. It ends with the process.
fn hold(lock: &File, made: &Path) -> anyhow::Result<()> {
    match lock.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            bail!("another process makes {} right now", shown(made))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot write {}", shown(made)))
        }
    }
}

/// An error without the name of the file beside, which nobody has heard of.
fn of_target(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}

/// Writes a file of results, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    WholeFile::begin(path, Readers::Anybody)?.end_with(bytes)
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
    _unfinished: Unfinished,
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
        let (lock, _unfinished) = Unfinished::begin(|| {
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
            hold(&lock, out)?;
            Ok((lock, around.clone()))
        })?;
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
            _unfinished,
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
