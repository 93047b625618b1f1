//! Writes traces that were not recorded: imported, synthetic, or made from another trace.
//!
//! All of it is there or none: a trace is composed in a folder beside its place, and gets its name
//! when its last segment is sealed. Nothing is synced line by line, as a writer of live events
//! must, since what it was made from is still there; what a power cut takes away, the seals tell.
//! It reads no clock, so that the same lines make the same bytes.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use engine::Seq;
use rustix::fs::{Mode, OFlags};

use crate::compress::with_suffix;
use crate::line::{Line, LineError, Source};
use crate::opening::Opening;
use crate::outflow::{BLOCK_BYTES, Outflow, Sink, new_block};
use crate::segment::list;
use crate::storage::{create_folder, open_private};
use crate::tally::{self, Place};
use crate::wire::{Body, Dropped, LogOpened};
use crate::writer::{
    CHECKPOINT_LINES, SEGMENT_BYTES, WriteError, check_is_owners, encode_next, segment_name,
};

/// Whether the segments of a composed trace are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// They are plain text.
    #[default]
    Plain,
    /// They are compressed with zstd as they are written.
    Zstd,
}

/// A trace that was composed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Where it is.
    pub folder: PathBuf,
    /// How many lines it has, headers, checkpoints and seals among them.
    pub lines: u64,
}

/// Composes a trace from lines that are known already.
///
/// It gives each line its seq, and each of the extension's lines its `n`, without gaps; makes
/// checkpoints, which have no state since no engine runs; and begins a segment where one has grown
/// to [`SEGMENT_BYTES`]. Neither comes between an input and the outputs that follow it. Unlike in a
/// live log there is no rule of time for either: an imported year would be little else.
///
/// Dropped without [`TraceComposer::finish`], it leaves nothing.
pub struct TraceComposer {
    /// Where the trace will be.
    folder: PathBuf,
    /// Where it is until then.
    partial: PathBuf,
    /// The header of the present segment.
    header: LogOpened,
    compression: Compression,
    path: PathBuf,
    /// Where the bytes of the present segment go; `None` after an error.
    outflow: Option<Outflow>,
    /// Whether they are summed and written in a thread of its own.
    is_behind: bool,
    /// Lines that are not handed on yet.
    block: Vec<u8>,
    account: Account,
    place: Place,
    lines_since_checkpoint: u64,
    segment_bytes: u64,
    is_finished: bool,
    /// Holds the lock on the unfinished folder as long as it is open.
    _lock: File,
}

/// An account of the present segment's bytes so far, but for the sum that [`Sink`] makes.
#[derive(Default)]
struct Account {
    lines: u64,
    /// Bytes that were handed on.
    handed_on: u64,
    /// CRC-32C of those, and of as many of the block.
    crc32c: u32,
    summed: usize,
}

impl Account {
    /// Sums what of the block is not summed yet.
    fn sum(&mut self, block: &[u8]) {
        self.crc32c = crc32c::crc32c_append(self.crc32c, &block[self.summed..]);
        self.summed = block.len();
    }
}

impl TraceComposer {
    /// Begins a trace in a folder that is not there yet, or is empty. What an earlier try that was
    /// killed has left beside it is written over.
    ///
    /// # Errors
    /// [`WriteError::Exists`] where the folder holds something; [`WriteError::Locked`] where
    /// another process composes it right now; what the file system refuses.
    pub fn create(
        folder: &Path,
        opening: &Opening,
        t_ms: i64,
        compression: Compression,
    ) -> Result<Self, WriteError> {
        let fail = WriteError::io(folder);
        let is_taken = match fs::read_dir(folder) {
            Ok(mut entries) => entries.next().is_some(),
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        if is_taken {
            return Err(WriteError::Exists {
                path: folder.to_owned(),
            });
        }
        let name = folder
            .file_name()
            .ok_or_else(|| fail(io::Error::other("it has no name that it could be given")))?;
        let mut partial_name = OsString::from(".");
        partial_name.push(name);
        partial_name.push(".partial");
        let partial = folder.with_file_name(partial_name);
        let lock = take_over(&partial)?;
        let mut composer = Self {
            folder: folder.to_owned(),
            path: partial.clone(),
            partial,
            header: opening.header(),
            compression,
            outflow: None,
            is_behind: thread::available_parallelism().is_ok_and(|count| count.get() > 1),
            block: new_block(),
            account: Account::default(),
            place: Place::START,
            lines_since_checkpoint: 0,
            segment_bytes: SEGMENT_BYTES,
            is_finished: false,
            _lock: lock,
        };
        composer.begin_segment(t_ms)?;
        Ok(composer)
    }

    /// Closes segments when they have grown to so many bytes, instead of [`SEGMENT_BYTES`].
    #[must_use]
    pub fn with_segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// Appends a line and returns its seq. A time before the last line's counts as the last
    /// line's. `at_ms` is for lines of the extension only. The `from` of a `dropped` becomes the
    /// `n` that is next.
    ///
    /// # Errors
    /// [`WriteError::BadLine`] and [`WriteError::TooLong`], of which nothing was written: others
    /// may follow. After what the file system refuses, none may; it is told some lines later, or
    /// at the end.
    pub fn append(&mut self, t_ms: i64, at_ms: Option<i64>, body: Body) -> Result<Seq, WriteError> {
        check_is_owners(&body)?;
        let unknown = || LineError {
            column: None,
            field: None,
            problem: "its type has no source".to_owned(),
        };
        let source = body.source().ok_or_else(unknown)?;
        // Outputs follow their input with no line between.
        if source != Source::Engine {
            if self.account.handed_on + self.block.len() as u64 >= self.segment_bytes {
                self.seal(t_ms, Some(self.header.segment + 1))?;
                self.header.segment += 1;
                self.begin_segment(t_ms)?;
            } else if self.lines_since_checkpoint >= CHECKPOINT_LINES {
                self.checkpoint(t_ms)?;
            }
        }
        let next_n = self.place.last_n + 1;
        let mut line = self.next_line(t_ms, body);
        line.src = source;
        line.n = (source == Source::Ext).then_some(next_n);
        line.at_ms = at_ms;
        if let Body::Dropped(Dropped { from, .. }) = &mut line.body {
            *from = from.map(|_| next_n);
        }
        self.put(&line)
    }

    /// Returns the seq that the next line will have, unless a checkpoint or a segment's end comes
    /// before it.
    pub fn next_seq(&self) -> Seq {
        Seq(self.place.next_seq)
    }

    /// Returns the time of the last line.
    pub fn last_t_ms(&self) -> i64 {
        self.place.last_t_ms
    }

    /// Returns where the trace is until it is finished.
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Seals the trace and gives the folder its name.
    ///
    /// # Errors
    /// What the file system refuses. Nothing is left of the trace then.
    pub fn finish(mut self, t_ms: i64) -> Result<Composed, WriteError> {
        self.seal(t_ms, None)?;
        fs::rename(&self.partial, &self.folder).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotADirectory => WriteError::Exists {
                path: self.folder.clone(),
            },
            _ => WriteError::io(&self.folder)(error),
        })?;
        self.is_finished = true;
        Ok(Composed {
            folder: self.folder.clone(),
            lines: self.place.next_seq,
        })
    }

    fn checkpoint(&mut self, t_ms: i64) -> Result<(), WriteError> {
        self.account.sum(&self.block);
        let Account { lines, crc32c, .. } = self.account;
        let body = Body::Checkpoint(tally::checkpoint(lines, crc32c, None));
        self.put(&self.next_line(t_ms, body))?;
        self.lines_since_checkpoint = 0;
        Ok(())
    }

    /// Writes a checkpoint and the seal, and ends the file.
    fn seal(&mut self, t_ms: i64, next_segment: Option<u32>) -> Result<(), WriteError> {
        self.checkpoint(t_ms)?;
        let sink = self.hand_on().and_then(Outflow::end);
        let sink = sink.map_err(|error| self.fail(error))?;
        let seal = tally::seal(self.account.lines, &sink.sha256(), next_segment);
        let body = Body::LogClosed(seal);
        self.put(&self.next_line(t_ms, body))?;
        let ended = sink.end(&self.block);
        self.block.clear();
        ended.map_err(|error| self.fail(error))
    }

    /// Creates the file that the header is for, with its first line.
    fn begin_segment(&mut self, t_ms: i64) -> Result<(), WriteError> {
        let t_ms = t_ms.max(self.place.last_t_ms);
        let plain = self.partial.join(segment_name(t_ms, &self.header)?);
        self.path = match self.compression {
            Compression::Plain => plain,
            Compression::Zstd => with_suffix(&plain, ".zst"),
        };
        let begun = open_private(&self.path, OFlags::CREATE | OFlags::EXCL)
            .and_then(|file| match self.compression {
                Compression::Plain => Ok(Sink::plain(file)),
                Compression::Zstd => Sink::zstd(file),
            })
            .and_then(|sink| Outflow::new(sink, self.is_behind));
        self.outflow = Some(begun.map_err(|error| self.fail(error))?);
        self.account = Account::default();
        let body = Body::LogOpened(self.header.clone());
        self.put(&self.next_line(t_ms, body))?;
        Ok(())
    }

    /// A line of the host's at the next place. (Inlined, a body is moved into it once.)
    #[inline(always)]
    fn next_line(&self, t_ms: i64, body: Body) -> Line {
        Line {
            seq: Seq(self.place.next_seq),
            t_ms: t_ms.max(self.place.last_t_ms),
            src: Source::Host,
            n: None,
            at_ms: None,
            body,
        }
    }

    fn put(&mut self, line: &Line) -> Result<Seq, WriteError> {
        if self.block.len() >= BLOCK_BYTES {
            let outflow = self.hand_on().map_err(|error| self.fail(error))?;
            self.outflow = Some(outflow);
        }
        encode_next(line, &self.place, &mut self.block)?;
        self.place.advance(line);
        self.account.lines += 1;
        self.lines_since_checkpoint += 1;
        Ok(line.seq)
    }

    /// Hands the block on. What it goes to is the caller's now.
    fn hand_on(&mut self) -> io::Result<Outflow> {
        let closed = || io::Error::other("the segment is closed");
        let outflow = self.outflow.take().ok_or_else(closed)?;
        self.account.sum(&self.block);
        self.account.handed_on += self.block.len() as u64;
        self.account.summed = 0;
        outflow.give(&mut self.block)
    }

    fn fail(&self, error: io::Error) -> WriteError {
        WriteError::io(&self.path)(error)
    }
}

impl Drop for TraceComposer {
    fn drop(&mut self) {
        if !self.is_finished {
            // What cannot be removed is written over by the next try.
            let _ = fs::remove_dir_all(&self.partial);
        }
    }
}

/// Makes the folder in which a trace is composed, or takes over what a killed process has left of
/// one. The lock on it goes with the process.
fn take_over(partial: &Path) -> Result<File, WriteError> {
    let fail = WriteError::io(partial);
    create_folder(partial).map_err(fail)?;
    // A symbolic link in its place is not followed.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder =
        rustix::fs::open(partial, flags, Mode::empty()).map_err(|error| fail(error.into()))?;
    let folder = File::from(folder);
    match folder.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(WriteError::Locked {
                path: partial.to_owned(),
                pid: None,
            });
        }
        Err(TryLockError::Error(error)) => return Err(fail(error)),
    }
    for leftover in list(partial)? {
        fs::remove_file(&leftover).map_err(WriteError::io(&leftover))?;
    }
    Ok(folder)
}
