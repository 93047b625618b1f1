//! Which traces a folder keeps, and how whole ones go.
//!
//! It goes by the names of files and by when they were written: what is damaged goes like everything
//! else, and what has another name is not touched. A trace that somebody writes stays, whatever its
//! age. What stays is compressed where it is sealed: its writer leaves its last segment plain.
//!
//! No clock is taken at its word. One that is ahead for a moment would make every trace too old, so
//! time has passed when traces were written in it: a trace ages up to the last writing that was a day
//! ago or more. And one that was wrong when a trace began may have been set right before its end, so
//! that counts.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use uuid::Uuid;

use crate::compress::compress;
use crate::line::Line;
use crate::lock::TraceLock;
use crate::packed_folder::PackedFolder;
use crate::segment::parse_file_name;
use crate::storage::{remove_if_there, sync_folder};
use crate::wire::Body;
use crate::writer::WriteError;

/// What the files of a segment are called after its plain name: itself, compressed, half
/// compressed, and what was cut off a torn end.
const SUFFIXES: [&str; 5] = [".zst.torn", ".zst.tmp", ".zst", ".torn", ""];

const DAY_MS: i64 = 86_400_000;

/// A trace as it lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTrace {
    /// Its id.
    pub session: Uuid,
    /// The folder.
    pub folder: PathBuf,
    /// When its last segment was opened, in Unix milliseconds. No segment is open for more than a
    /// day. Of a trace that is only begun, with a lock and no segment, [`i64::MAX`].
    pub last_opened_ms: i64,
    /// Its files, in their order.
    pub files: Vec<PathBuf>,
    /// When something was done to these, in no order.
    pub times: Vec<FileTimes>,
    /// What they take together.
    pub bytes: u64,
}

/// What a file system tells of a file, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileTimes {
    /// When it was written last. A compressed segment was when the plain one was.
    pub written_ms: i64,
    /// When it or its name was changed last, as when it was compressed. Nobody can set it.
    pub changed_ms: i64,
}

impl FileTimes {
    fn of(metadata: &Metadata) -> Self {
        let whole_ms = |s: i64, ns: i64| s.saturating_mul(1_000).saturating_add(ns / 1_000_000);
        Self {
            written_ms: whole_ms(metadata.mtime(), metadata.mtime_nsec()),
            changed_ms: whole_ms(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl StoredTrace {
    /// Finds the traces of a folder, oldest first. A folder that is not there has none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn list(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut traces: BTreeMap<Uuid, Self> = BTreeMap::new();
        for entry in entries {
            let path = entry?.path();
            let new = |session| Self {
                session,
                folder: folder.to_owned(),
                last_opened_ms: i64::MAX,
                files: Vec::new(),
                times: Vec::new(),
                bytes: 0,
            };
            if let Some(session) = session_of_lock(&path) {
                traces.entry(session).or_insert_with(|| new(session));
            }
            let Some((session, opened_ms)) = told_by_name(&path) else {
                continue;
            };
            let metadata = match fs::symlink_metadata(&path) {
                // Its writer compressed it meanwhile, or somebody else removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let trace = traces.entry(session).or_insert_with(|| new(session));
            trace.last_opened_ms = match trace.files.is_empty() {
                true => opened_ms,
                false => trace.last_opened_ms.max(opened_ms),
            };
            trace.bytes += metadata.len();
            trace.times.push(FileTimes::of(&metadata));
            trace.files.push(path);
        }
        let mut traces = Vec::from_iter(traces.into_values());
        for trace in &mut traces {
            trace.files.sort();
        }
        traces.sort_by_key(|trace| (trace.last_opened_ms, trace.session));
        Ok(traces)
    }

    /// When it ended, as far as is known; `None` where what tells it is after now.
    fn ended_ms(&self, now_ms: i64) -> Option<i64> {
        let written_ms = self.times.iter().map(|it| it.written_ms).max()?;
        // They differ where the clock was set between the two.
        let told_ms = written_ms.max(self.last_opened_ms);
        if told_ms <= now_ms {
            return Some(told_ms);
        }
        // The clock was ahead, and since then it was set right and files were compressed. Or it is
        // behind now, and so are all of these after it.
        let changed_ms = self.times.iter().map(|it| it.changed_ms).max()?;
        let is_past = |&at_ms: &i64| at_ms <= now_ms;
        let past_ms = [written_ms, changed_ms].into_iter().filter(is_past).max();
        past_ms.filter(|_| is_past(&changed_ms))
    }

    /// Looks whether nobody writes the trace.
    ///
    /// # Errors
    /// [`WriteError::Locked`] where somebody does; what the file system says.
    pub fn check_is_free(&self) -> Result<(), WriteError> {
        TraceLock::check_is_free(&self.folder, self.session)
    }

    /// Compresses the segments of it that are sealed and plain. Nobody can write it meanwhile.
    ///
    /// # Errors
    /// [`WriteError::Locked`] where somebody writes it; what the file system says. A segment is
    /// plain or compressed then, and whole.
    pub fn compress(&self) -> Result<(), WriteError> {
        let is_plain = |path: &&PathBuf| path.extension().is_some_and(|it| it == "jsonl");
        let mut plain = self.files.iter().filter(is_plain).peekable();
        if plain.peek().is_none() {
            return Ok(());
        }
        let _lock = TraceLock::take(&self.folder, self.session, Duration::ZERO)?;
        for path in plain {
            let compressed = is_sealed(path).and_then(|is_sealed| match is_sealed {
                true => compress(path).map(drop),
                false => Ok(()),
            });
            match compressed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(WriteError::io(path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes all its files, the last first: what is left when that is interrupted is the
    /// beginning of a trace, and reads as one. Nobody can write it meanwhile.
    ///
    /// # Errors
    /// [`WriteError::Locked`] where somebody writes it, and it is as it was; what the file system
    /// says, and the files before that one are there still.
    pub fn remove(&self) -> Result<(), WriteError> {
        self.remove_after(|| Ok(()))
    }

    /// Removes what is packed of it, and then all its files: while there are any, whoever looks
    /// next finds what is left of both.
    fn remove_with(&self, packed: &PackedFolder) -> Result<(), WriteError> {
        self.remove_after(|| {
            let removed = packed.remove_of(self.session);
            removed.map_err(WriteError::io(packed.path()))
        })
    }

    fn remove_after(
        &self,
        first: impl FnOnce() -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        let _lock = TraceLock::take(&self.folder, self.session, Duration::ZERO)?;
        first()?;
        for path in self.files.iter().rev() {
            remove_if_there(path).map_err(WriteError::io(path))?;
        }
        sync_folder(&self.folder).map_err(WriteError::io(&self.folder))
    }
}

/// How long traces are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// No trace that ended longer before the last writing that is a day old.
    pub days: u32,
    /// No more than this together.
    pub bytes: u64,
}

/// What became of a folder's traces.
#[derive(Debug, Default)]
pub struct Removal {
    /// Those that were removed.
    pub removed: Vec<StoredTrace>,
    /// Why others could not be, or not be compressed.
    pub failures: Vec<WriteError>,
}

impl Removal {
    /// Removes a trace. False if it stays.
    fn remove(&mut self, trace: StoredTrace, packed: &PackedFolder) -> bool {
        let is_removed = self.note(trace.remove_with(packed));
        if is_removed {
            self.removed.push(trace);
        }
        is_removed
    }

    /// Notes why something was not done. That somebody writes the trace is no failure.
    fn note(&mut self, result: Result<(), WriteError>) -> bool {
        match result {
            Ok(()) => return true,
            Err(WriteError::Locked { .. }) => {}
            Err(error) => self.failures.push(error),
        }
        false
    }
}

impl Retention {
    /// Removes the traces that are too old, compresses what is left, and then removes the oldest
    /// until the rest is small enough. One that is being written stays and counts. What is packed of
    /// a trace goes with it, or both stay.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn apply(&self, folder: &Path, packed: &PackedFolder, now_ms: i64) -> io::Result<Removal> {
        let traces = StoredTrace::list(folder)?;
        let times = traces.iter().flat_map(|trace| &trace.times);
        let day_ago_ms = now_ms.saturating_sub(DAY_MS);
        let written_ms = times.map(|it| it.written_ms).filter(|&it| it <= day_ago_ms);
        let proven_ms = written_ms.max().unwrap_or(i64::MIN);
        let oldest_ms = proven_ms.saturating_sub(i64::from(self.days) * DAY_MS);
        let mut removal = Removal::default();
        for trace in traces {
            if trace.ended_ms(now_ms).is_some_and(|it| it < oldest_ms) {
                removal.remove(trace, packed);
            } else {
                removal.note(trace.compress());
            }
        }
        let mut traces = StoredTrace::list(folder)?;
        traces.sort_by_key(|trace| trace.ended_ms(now_ms).unwrap_or(i64::MAX));
        let mut bytes: u64 = traces.iter().map(|trace| trace.bytes).sum();
        for trace in traces {
            if bytes <= self.bytes {
                break;
            }
            let bytes_of_trace = trace.bytes;
            if removal.remove(trace, packed) {
                bytes -= bytes_of_trace;
            }
        }
        Ok(removal)
    }
}

/// The session and the opening of the segment that a file belongs to.
fn told_by_name(path: &Path) -> Option<(Uuid, i64)> {
    let name = path.file_name()?.to_str()?;
    let plain = SUFFIXES
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))?;
    let (session, _) = parse_file_name(Path::new(plain))?;
    let (opened, _) = plain.split_once('-')?;
    let opened = DateTime::strptime("%Y%m%dT%H%M%SZ", opened).ok()?;
    let opened = TimeZone::UTC.to_timestamp(opened).ok()?;
    Some((session, opened.as_millisecond()))
}

/// Whether the last line of a plain segment is a seal.
fn is_sealed(path: &Path) -> io::Result<bool> {
    /// No seal is longer.
    const SEAL_BYTES: u64 = 1_024;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(SEAL_BYTES)))?;
    let mut end = Vec::new();
    file.take(SEAL_BYTES).read_to_end(&mut end)?;
    let last = end
        .strip_suffix(b"\n")
        .and_then(|it| it.rsplit(|&byte| byte == b'\n').next());
    let last = last.and_then(|text| Line::parse(text).ok());
    Ok(last.is_some_and(|line| matches!(line.body, Body::LogClosed(_))))
}

/// The session whose lock a file is.
fn session_of_lock(path: &Path) -> Option<Uuid> {
    let session = path.file_name()?.to_str()?.strip_suffix(".lock")?;
    Uuid::try_parse(session).ok()
}
