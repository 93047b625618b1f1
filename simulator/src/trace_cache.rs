//! Packed traces, kept from one run to the next in the user's cache folder.
//!
//! A trace is packed the first time it is asked for and mapped into memory from then on. What is
//! kept names the files it was made from, with their sizes and times of change, and the version of the
//! program that packed it: where one differs, it is made anew. A damaged one is, too. All of it can be
//! deleted at any time. What is packed of files that are gone or were changed is, whenever the cache
//! is opened, and what was asked for the longest ago, where all together have more than 4 GiB. It is
//! written beside its place and renamed, so nobody ever maps a file that still changes.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, IntoInnerError};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use memmap2::Mmap;
use recorder::{PackedFile, PackedFolder, Trace};
use simulator::packed::{About, PackedTrace, Packer, SourceFile, Unfit};
use tempfile::TempPath;

use crate::console::Console;
use crate::reading::{Show, read, shown};

/// How much is kept. A file that is removed while it is mapped stays with those who map it.
const KEPT_BYTES: u64 = 4 << 30;

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
    folder: Option<PackedFolder>,
    /// Whether a trace is read through before what is kept of it is believed.
    is_verified: bool,
}

impl TraceCache {
    /// The user's own, without what is left there of traces that are gone. Files are known again by
    /// their sizes and times, unless it is said that they are read through as well.
    pub(crate) fn of_user(args: CacheArgs, console: &mut Console) -> Self {
        let folders = etcetera::choose_base_strategy();
        let folder = folders.map(|folders| PackedFolder::below(&folders.cache_dir()));
        let folder = folder.ok();
        if let Some(folder) = &folder {
            for problem in remove_leftovers(folder) {
                console.note(problem);
            }
        }
        Self {
            folder,
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
        let session = trace.header().session;
        let place = (self.folder.as_ref().zip(files.first()))
            .map(|(folder, first)| folder.place(session, Path::new(&first.path)));
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
                Err(error) if error.downcast_ref() == Some(&Unfit::OtherLayout) => {}
                Err(error) => {
                    console.note(format_args!("{}: {error}; it is made anew", shown(place)));
                }
            }
        }
        self.pack(path, trace, files, place, show, console)
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
        let header = trace.header();
        let prefix = PackedFolder::unfinished(header.session);
        let beside = (self.folder.as_ref()).and_then(|folder| begin(folder, &prefix).ok());
        let (file, unfinished) = match beside {
            Some((file, path)) => (file, Some(path)),
            None => {
                let file = tempfile::tempfile().context("there is no place for a packed trace")?;
                (file, None)
            }
        };
        let folder = (unfinished.as_deref().and_then(Path::parent))
            .map_or_else(std::env::temp_dir, Path::to_owned);
        let cannot = || {
            format!(
                "{} cannot be packed into {}; make room there, or name another cache folder with \
                 XDG_CACHE_HOME",
                shown(path),
                shown(&folder)
            )
        };
        let mut packer = Packer::new(BufWriter::new(file));
        let ending = read(trace, show, console, |line, _| {
            packer.push(line).with_context(cannot)?;
            Ok(ControlFlow::Continue(()))
        })?;
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
        let packed = mapped(&file)?;
        // It is mapped already: where it cannot be put in its place, it serves this once.
        if let Some((folder, (unfinished, place))) = self.folder.as_ref().zip(unfinished.zip(place))
        {
            if let Err(error) = unfinished.persist(&place) {
                console.note(format_args!(
                    "{}: {}; the packed trace is not kept",
                    shown(&place),
                    error.error
                ));
            } else if let Err(error) = remove_surplus(folder, KEPT_BYTES) {
                console.note(format_args!(
                    "{}: {error}; packed traces that are too much stay",
                    shown(folder.path())
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

/// Begins to pack a trace beside its place. As long as the file is open nobody takes it for one that
/// was left behind.
fn begin(folder: &PackedFolder, prefix: &str) -> io::Result<(File, TempPath)> {
    folder.create()?;
    let mut named = tempfile::Builder::new();
    let named = named.prefix(prefix).tempfile_in(folder.path())?;
    named.as_file().lock()?;
    Ok(named.into_parts())
}

/// Removes what is packed of files that are gone or were changed, what does not tell of what it is,
/// and what a killed process was packing. Returns what went wrong.
fn remove_leftovers(folder: &PackedFolder) -> Vec<String> {
    let packed = match folder.list() {
        Ok(packed) => packed,
        Err(error) => return vec![format!("{}: {error}", shown(folder.path()))],
    };
    let mut problems = Vec::new();
    for file in packed {
        let mut tell = |error, then| {
            problems.push(format!("{}: {error}{then}", shown(&file.path)));
        };
        let is_left_over = is_left_over(&file).unwrap_or_else(|error| {
            let is_damaged = error.kind() == io::ErrorKind::InvalidData;
            tell(error, if is_damaged { "; it is removed" } else { "" });
            is_damaged
        });
        if is_left_over && let Err(error) = file.remove() {
            tell(error, "");
        }
    }
    problems
}

/// Whether nobody will ask for a file again.
///
/// # Errors
/// What the file system says; that it is damaged.
fn is_left_over(packed: &PackedFile) -> io::Result<bool> {
    let file = match File::open(&packed.path) {
        // Another process was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if packed.is_whole {
        let about = match About::read(file) {
            // What another version packed is no use, and no news to anybody.
            Err(error) if is_other_layout(&error) => return Ok(true),
            about => about?,
        };
        let mut files = about.files.into_iter();
        return Ok(files.any(|it| !as_it_is(Path::new(&it.path)).is_ok_and(|now| now == it)));
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn is_other_layout(error: &io::Error) -> bool {
    let unfit = error.get_ref().and_then(|inner| inner.downcast_ref());
    unfit == Some(&Unfit::OtherLayout)
}

/// Removes what was asked for the longest ago, until the rest has at most so many bytes. The last
/// one stays in any case.
fn remove_surplus(folder: &PackedFolder, bytes_max: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for file in folder.list()?.into_iter().filter(|it| it.is_whole) {
        kept.push((fs::metadata(&file.path)?.modified()?, file));
    }
    kept.sort_by(|(a, one), (b, other)| (a, &one.path).cmp(&(b, &other.path)));
    let mut bytes: u64 = kept.iter().map(|(_, file)| file.bytes).sum();
    kept.pop();
    for (_, file) in kept {
        if bytes <= bytes_max {
            break;
        }
        file.remove()?;
        bytes -= file.bytes;
    }
    Ok(())
}

/// The files of a trace as they are now.
fn files(path: &Path, trace: &Trace) -> anyhow::Result<Vec<SourceFile>> {
    let of_segments = trace.segments().iter().map(|segment| &*segment.path);
    let mut files = Vec::new();
    for file in of_segments {
        let here = fs::canonicalize(file).with_context(|| shown(path))?;
        files.push(as_it_is(&here).with_context(|| shown(&here))?);
    }
    files.dedup();
    Ok(files)
}

/// A file as it is now.
fn as_it_is(path: &Path) -> io::Result<SourceFile> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?;
    let ns = |duration: Duration| i128::try_from(duration.as_nanos()).map_err(io::Error::other);
    let modified_ns = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => ns(after)?,
        Err(before) => -ns(before.duration())?,
    };
    Ok(SourceFile {
        path: path.display().to_string(),
        bytes: metadata.len(),
        modified_ns,
    })
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
    use super::*;

    #[test]
    fn what_was_asked_for_the_longest_ago_goes_and_the_last_one_stays() {
        let cache = tempfile::tempdir().unwrap();
        let folder = PackedFolder::below(cache.path());
        folder.create().unwrap();
        let session = recorder::new_session(0);
        let place = |name: &str| folder.place(session, Path::new(name));
        for (name, age_s) in [("b", 40), ("a", 30), ("c", 20)] {
            let file = File::create(place(name)).unwrap();
            file.set_len(100).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age_s))
                .unwrap();
        }
        let others = folder.path().join("of-another");
        fs::write(&others, [0; 500]).unwrap();
        let left = |bytes_max| {
            remove_surplus(&folder, bytes_max).unwrap();
            ["a", "b", "c"].map(|name| place(name).exists())
        };
        assert_eq!(left(300), [true, true, true]);
        note_use(&place("b")).unwrap();
        assert_eq!(left(200), [false, true, true]);
        assert_eq!(left(0), [false, true, false]);
        assert!(others.exists());
    }

    #[test]
    fn what_is_being_packed_is_not_left_over() {
        let cache = tempfile::tempdir().unwrap();
        let folder = PackedFolder::below(cache.path());
        let prefix = PackedFolder::unfinished(recorder::new_session(0));
        let (file, unfinished) = begin(&folder, &prefix).unwrap();
        assert_eq!(remove_leftovers(&folder), [""; 0]);
        assert!(unfinished.exists());
        // Killed, it leaves the file and no lock.
        let path = unfinished.keep().unwrap();
        drop(file);
        assert_eq!(remove_leftovers(&folder), [""; 0]);
        assert!(!path.exists());
    }
}
