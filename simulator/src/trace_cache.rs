//! Packed traces, kept from one run to the next in the user's cache folder.
//!
//! A trace is packed the first time it is asked for and mapped into memory from then on. What is
//! kept names the files it was made from, with their sizes and times of change, and the version of the
//! program that packed it: where one differs, it is made anew. A damaged one is, too. All of it can be deleted at any time; what was asked for
//! the longest ago is, where all together have more than 4 GiB. It is written beside its place and
//! renamed, so nobody ever maps a file that still changes.

use std::fs::{self, File};
use std::io::{self, BufWriter, IntoInnerError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use engine::hex;
use etcetera::BaseStrategy as _;
use memmap2::Mmap;
use recorder::Trace;
use sha2::{Digest as _, Sha256};
use simulator::packed::{About, PackedTrace, Packer, SourceFile};
use tempfile::NamedTempFile;

use crate::console::Console;
use crate::reading::{Show, read, shown};

/// How much is kept. A file that is removed while it is mapped stays with those who map it.
const KEPT_BYTES: u64 = 4 << 30;

const SUFFIX: &str = "tabpack";

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How far packed traces are trusted.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct CacheArgs {
    /// Read traces through that are packed already, in case one was changed and kept its size and
    /// time
    #[arg(long)]
    pub(crate) verify_cache: bool,
}

/// The folder in which packed traces are kept.
pub(crate) struct TraceCache {
    /// None where the user has no place for such things.
    folder: Option<PathBuf>,
    /// Whether a trace is read through before what is kept of it is believed.
    is_verified: bool,
}

impl TraceCache {
    /// The user's own: `tab-orchestrator/packed` below `XDG_CACHE_HOME` or its default. Files are
    /// known again by their sizes and times, unless it is said that they are read through as well.
    pub(crate) fn of_user(args: CacheArgs) -> Self {
        let folders = etcetera::choose_base_strategy();
        let folder = folders.map(|folders| folders.cache_dir().join("tab-orchestrator/packed"));
        Self {
            folder: folder.ok(),
            is_verified: args.verify_cache,
        }
    }

    /// Opens a trace, packed before or now.
    ///
    /// # Errors
    /// What is wrong with the trace, or with the disk.
    pub(crate) fn open(
        &self,
        path: &Path,
        trace: &Trace,
        console: &mut Console,
    ) -> anyhow::Result<PackedTrace> {
        let files = files(path, trace)?;
        let place = self.place(&files);
        let mut show = Show::Progress;
        if let Some(place) = place.as_deref().filter(|place| place.exists()) {
            match File::open(place)
                .map_err(anyhow::Error::from)
                .and_then(|file| mapped(&file))
            {
                Ok(packed) if packed.about().files == files && packed.about().sim == VERSION => {
                    if !self.is_verified || is_of(&packed, trace, console)? {
                        // Where it cannot be noted that it was asked for it is removed too soon.
                        let _ = note_use(place);
                        return Ok(packed);
                    }
                    show = Show::ProgressAgain;
                    console.note(format_args!(
                        "{}: it was changed and kept its size and time; it is packed anew",
                        shown(path)
                    ));
                }
                Ok(_) => {}
                Err(error) => {
                    console.note(format_args!("{}: {error}; it is made anew", shown(place)));
                }
            }
        }
        self.pack(path, trace, files, place, show, console)
    }

    /// Where a trace of these files is kept.
    fn place(&self, files: &[SourceFile]) -> Option<PathBuf> {
        let first = Sha256::digest(files.first()?.path.as_bytes());
        let name = hex(&first[..12]);
        Some(self.folder.as_ref()?.join(name).with_extension(SUFFIX))
    }

    /// Packs a trace. Where it cannot be kept it is gone with the program.
    fn pack(
        &self,
        path: &Path,
        trace: &Trace,
        files: Vec<SourceFile>,
        place: Option<PathBuf>,
        show: Show,
        console: &mut Console,
    ) -> anyhow::Result<PackedTrace> {
        let beside = (self.folder.as_deref()).filter(|folder| fs::create_dir_all(folder).is_ok());
        let beside = beside.and_then(|folder| NamedTempFile::new_in(folder).ok());
        let is_kept = beside.is_some();
        let file = match beside {
            Some(file) => file,
            None => NamedTempFile::new().context("there is no place for a packed trace")?,
        };
        let folder = file.path().parent().map(shown).unwrap_or_default();
        let cannot = || {
            format!(
                "{} cannot be packed into {folder}; make room there, or name another cache folder \
                 with XDG_CACHE_HOME",
                shown(path)
            )
        };
        let mut packer = Packer::new(BufWriter::new(file));
        let ending = read(trace, show, console, |line, _| {
            packer.push(line).with_context(cannot)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let header = trace.header();
        let about = About {
            session: header.session.to_string(),
            sim: VERSION.to_owned(),
            engine: header.engine,
            lines: ending.lines,
            digest: ending.digest,
            files,
        };
        let file = packer.finish(about).with_context(cannot)?;
        let file = file.into_inner().map_err(IntoInnerError::into_error);
        let file = file.with_context(cannot)?;
        let packed = mapped(file.as_file())?;
        // It is mapped already: where it cannot be put in its place, it serves this once.
        if let Some(place) = place.filter(|_| is_kept) {
            if let Err(error) = file.persist(&place) {
                console.note(format_args!(
                    "{}: {}; the packed trace is not kept",
                    shown(&place),
                    error.error
                ));
            } else if let Some(folder) = place.parent()
                && let Err(error) = remove_surplus(folder, KEPT_BYTES)
            {
                console.note(format_args!(
                    "{}: {error}; packed traces that are too much stay",
                    shown(folder)
                ));
            }
        }
        Ok(packed)
    }
}

/// Whether a trace is line by line what was packed.
fn is_of(packed: &PackedTrace, trace: &Trace, console: &mut Console) -> anyhow::Result<bool> {
    let ending = read(trace, Show::Progress, console, |_, _| {
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(packed.about().digest == ending.digest && packed.about().lines == ending.lines)
}

/// Makes a packed trace the last one that was asked for.
fn note_use(place: &Path) -> io::Result<()> {
    File::options()
        .append(true)
        .open(place)?
        .set_modified(SystemTime::now())
}

/// Removes what was asked for the longest ago, until the rest has at most so many bytes. The last
/// one stays in any case.
fn remove_surplus(folder: &Path, bytes_max: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|suffix| suffix == SUFFIX) {
            let metadata = fs::metadata(&path)?;
            kept.push((metadata.modified()?, path, metadata.len()));
        }
    }
    kept.sort();
    let mut bytes: u64 = kept.iter().map(|(.., bytes)| bytes).sum();
    kept.pop();
    for (_, path, its_bytes) in kept {
        if bytes <= bytes_max {
            break;
        }
        fs::remove_file(&path)?;
        bytes -= its_bytes;
    }
    Ok(())
}

/// The files of a trace as they are now.
fn files(path: &Path, trace: &Trace) -> anyhow::Result<Vec<SourceFile>> {
    let of_segments = trace.segments().iter().map(|segment| &*segment.path);
    let mut files = Vec::new();
    for file in of_segments {
        let here = fs::canonicalize(file).with_context(|| shown(path))?;
        let metadata = fs::metadata(&here).with_context(|| shown(&here))?;
        let modified = metadata.modified()?;
        let modified_ns = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos())?,
            Err(before) => -i128::try_from(before.duration().as_nanos())?,
        };
        files.push(SourceFile {
            path: here.display().to_string(),
            bytes: metadata.len(),
            modified_ns,
        });
    }
    files.dedup();
    Ok(files)
}

#[expect(
    unsafe_code,
    reason = "mapping a file is unsafe where somebody may change it: this one is written under a \
              name of its own and renamed, never changed, and only its owner may write to it"
)]
fn mapped(file: &File) -> anyhow::Result<PackedTrace> {
    // SAFETY: see the reason above.
    let bytes = unsafe { Mmap::map(file) }?;
    Ok(PackedTrace::open(Arc::new(bytes))?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_asked_for_the_longest_ago_goes_and_the_last_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name).with_extension(SUFFIX);
        for (name, age_s) in [("b", 40), ("a", 30), ("c", 20)] {
            let file = File::create(place(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_s))
                .unwrap();
        }
        fs::write(folder.path().join("of-another"), [0; 500]).unwrap();
        let left = |bytes_max| {
            remove_surplus(folder.path(), bytes_max).unwrap();
            ["a", "b", "c"].map(|name| place(name).exists())
        };
        assert_eq!(left(300), [true, true, true]);
        note_use(&place("b")).unwrap();
        assert_eq!(left(200), [false, true, true]);
        assert_eq!(left(0), [false, true, false]);
        assert!(folder.path().join("of-another").exists());
    }
}
