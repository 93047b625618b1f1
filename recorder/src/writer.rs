//! Writes traces: one write a line, only at the end, by one writer at a time.
//!
//! Time comes in as an argument; only waiting for the lock looks at a clock. What cannot be
//! written leaves no trace of itself: a part of a line is cut off again, and after a failed sync
//! nothing more goes to the file it failed on. (The kernel may forget what it could not write,
//! and the next sync of the same file then says that all is well.)

mod resuming;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::Seq;
use thiserror::Error;

use crate::compress::compress;
use crate::error::{Flaw, ReadError};
use crate::line::{Line, LineError, MAX_LINE_BYTES, Source};
use crate::lock::TraceLock;
use crate::opening::{Opening, session_to_begin};
use crate::reader::Trace;
use crate::segment::file_name;
use crate::storage::{
    Disk, SegmentFile, Storage, create_folder, remove_if_there, sync_folder, write_all,
};
use crate::tally::{Place, Tally};
use crate::wire::{Body, LogOpened};

pub use resuming::Resumed;

/// A segment is closed when it has grown to this many bytes.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// No more lines than this are ever written without a sync.
pub const UNSYNCED_LINES_MAX: usize = 256;

/// A checkpoint is due after this many lines.
pub const CHECKPOINT_LINES: u64 = 1_000;

/// A checkpoint is due after this time, in milliseconds.
pub const CHECKPOINT_MS: i64 = 60_000;

/// How long a writer waits for the one before it.
pub const LOCK_WAIT: Duration = Duration::from_secs(3);

const DAY_MS: i64 = 86_400_000;

/// Why a trace could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// The file system refused. Nothing was written; the same may be tried again.
    #[error("cannot write {}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Another process writes this trace.
    #[error("{} is held by {}, which writes this trace", .path.display(), holder(.pid))]
    Locked {
        /// The lock.
        path: PathBuf,
        /// The process that holds it, where that is known.
        pid: Option<u32>,
    },
    /// There is something where the finished trace would go.
    #[error("{} is there already; name a folder that is empty or not there yet", .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// What was written may not be on the disk. [`TraceWriter::recover`] is the way on.
    #[error("cannot sync {}: {error}", .path.display())]
    SyncFailed {
        /// The segment.
        path: PathBuf,
        /// What the file system said when it failed.
        error: io::Error,
    },
    /// No line can say this, or no one but the writer itself may.
    #[error("cannot be a line: {0}")]
    BadLine(#[from] LineError),
    /// The line would be longer than any may be.
    #[error("a {type_name} of {bytes} bytes is longer than a line may be, {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// The type of the line.
        type_name: String,
        /// Its length.
        bytes: usize,
    },
    /// The line does not go on from the one before.
    #[error("cannot be the next line: {0}")]
    OutOfOrder(Flaw),
    /// The trace that is to go on cannot be read.
    #[error(transparent)]
    Unreadable(#[from] ReadError),
}

impl WriteError {
    /// Makes an error of what the file system says of a file or folder.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + Copy {
        move |error| Self::Io {
            path: path.to_owned(),
            error,
        }
    }
}

fn holder(pid: &Option<u32>) -> String {
    pid.map_or_else(
        || "another process".to_owned(),
        |pid| format!("process {pid}"),
    )
}

/// Writes a trace.
///
/// Dropped without [`TraceWriter::close`], it leaves a trace that is not sealed and can be gone
/// on with.
pub struct TraceWriter {
    storage: Box<dyn Storage>,
    folder: PathBuf,
    /// The header of the present segment.
    header: LogOpened,
    path: PathBuf,
    state: State,
    tally: Tally,
    place: Place,
    /// The place after the last line that is known to be on the disk.
    synced: Place,
    /// What an owner must give again if the next sync fails.
    unsynced: Vec<Line>,
    lines_since_checkpoint: u64,
    last_checkpoint_t_ms: i64,
    /// When the present segment was opened.
    opened_t_ms: i64,
    segment_bytes: u64,
    /// A file that could not be removed when opening a segment failed.
    leftover: Option<PathBuf>,
    buffer: Vec<u8>,
    _lock: TraceLock,
}

enum State {
    /// There is a segment to write to.
    Open {
        file: Box<dyn SegmentFile>,
        /// Whether a part of a line stands at its end that could not be cut off.
        has_stump: bool,
    },
    /// The next line needs the segment of this number.
    Between { next_segment: u32 },
    /// A sync has failed.
    SyncFailed,
}

/// What became of a rotation.
#[derive(Debug)]
pub struct Rotation {
    /// The segment that was closed, as it was called before it was compressed.
    pub closed: PathBuf,
    /// Its compressed form; or why it stays as it is, which harms nothing.
    pub compressed: io::Result<PathBuf>,
}

impl TraceWriter {
    /// Begins a trace: makes the folder where there is none, takes the lock, and writes the first
    /// line to the disk.
    ///
    /// # Errors
    /// What the file system refuses.
    pub fn create(folder: &Path, opening: &Opening, t_ms: i64) -> Result<Self, WriteError> {
        Self::create_on(Box::new(Disk), folder, opening, t_ms)
    }

    /// Like [`TraceWriter::create`], with segments on a storage of one's own.
    ///
    /// # Errors
    /// As [`TraceWriter::create`].
    pub fn create_on(
        storage: Box<dyn Storage>,
        folder: &Path,
        opening: &Opening,
        t_ms: i64,
    ) -> Result<Self, WriteError> {
        create_folder(folder).map_err(WriteError::io(folder))?;
        let session = session_to_begin(folder, opening)?;
        let lock = TraceLock::take(folder, session, LOCK_WAIT)?;
        let mut writer = Self {
            storage,
            folder: folder.to_owned(),
            header: LogOpened {
                session,
                ..opening.header()
            },
            path: folder.to_owned(),
            state: State::Between { next_segment: 0 },
            tally: Tally::default(),
            place: Place::START,
            synced: Place::START,
            unsynced: Vec::new(),
            lines_since_checkpoint: 0,
            last_checkpoint_t_ms: t_ms,
            opened_t_ms: t_ms,
            segment_bytes: SEGMENT_BYTES,
            leftover: None,
            buffer: Vec::new(),
            _lock: lock,
        };
        writer.begin_segment(0, None, t_ms)?;
        Ok(writer)
    }

    /// Closes segments when they have grown to so many bytes, instead of [`SEGMENT_BYTES`].
    #[must_use]
    pub fn with_segment_bytes(mut self, segment_bytes: u64) -> Self {
        self.segment_bytes = segment_bytes;
        self
    }

    /// Appends a line and returns its seq. A time before the last line's counts as the last
    /// line's. Where 256 lines are unsynced they are synced first.
    ///
    /// # Errors
    /// Nothing was written then, and the same line may be given again: after the cause is gone, or
    /// after [`TraceWriter::recover`] where it was [`WriteError::SyncFailed`].
    pub fn append(
        &mut self,
        t_ms: i64,
        src: Source,
        n: Option<u64>,
        at_ms: Option<i64>,
        body: &Body,
    ) -> Result<Seq, WriteError> {
        check_is_owners(body)?;
        self.make_ready(t_ms)?;
        self.put(t_ms, src, n, at_ms, body.clone())
    }

    /// Returns once all lines are on the disk.
    ///
    /// # Errors
    /// [`WriteError::SyncFailed`]; from then on only [`TraceWriter::recover`] helps.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        let file = match &mut self.state {
            _ if self.synced == self.place => return Ok(()),
            State::Open { file, .. } => file,
            State::Between { .. } => return Ok(()),
            State::SyncFailed => return Err(self.sync_failed_before()),
        };
        if let Err(error) = file.sync() {
            self.state = State::SyncFailed;
            return Err(WriteError::SyncFailed {
                path: self.path.clone(),
                error,
            });
        }
        self.synced = self.place;
        self.unsynced.clear();
        Ok(())
    }

    /// Makes a trace whose sync failed writable again. It goes on after the last line that is
    /// surely on the disk, in a new segment; readers leave the old one there.
    ///
    /// Gives every line up to there to `on_line`, so that the owner can make its engine anew, and
    /// returns the lines after it that were not the engine's nor the writer's own. The owner
    /// appends those again, in order, steps its engine on them and appends what it answers. Their
    /// seqs and those of the answers may be others now: nobody was told of the old ones, since
    /// nothing is told before it is synced.
    ///
    /// # Errors
    /// As [`TraceWriter::create`] and [`Trace::open`]. It may be called again, and then begins
    /// with the first line again.
    pub fn recover(&mut self, on_line: &mut dyn FnMut(&Line)) -> Result<Vec<Line>, WriteError> {
        if !matches!(self.state, State::SyncFailed) {
            self.sync()?;
        }
        let mut reader = Trace::open(&self.path)?
            .read()
            .stopping_before(self.synced.next_seq);
        for line in &mut reader {
            on_line(&line?);
        }
        if reader.place != self.synced {
            let flaw = Flaw::Gap {
                expected: self.synced.next_seq,
                found: reader.place.next_seq,
            };
            return Err(ReadError::new(&self.path, flaw).into());
        }
        if matches!(self.state, State::SyncFailed) {
            self.place = self.synced;
            self.lines_since_checkpoint = reader.lines_since_checkpoint;
            // At the time of the line before it, so that the lines to come keep theirs.
            let (segment, seq) = (self.header.segment + 1, Seq(self.synced.next_seq));
            self.begin_segment(segment, Some(seq), self.synced.last_t_ms)?;
        }
        Ok(std::mem::take(&mut self.unsynced))
    }

    /// Whether a checkpoint should be made.
    pub fn checkpoint_due(&self, t_ms: i64) -> bool {
        self.lines_since_checkpoint >= CHECKPOINT_LINES
            || (self.lines_since_checkpoint > 0
                && t_ms.saturating_sub(self.last_checkpoint_t_ms) >= CHECKPOINT_MS)
    }

    /// Appends a checkpoint. `state_hash` is the engine's, after the last line; `None` where no
    /// engine runs.
    ///
    /// # Errors
    /// As [`TraceWriter::append`].
    pub fn checkpoint(&mut self, t_ms: i64, state_hash: Option<&str>) -> Result<Seq, WriteError> {
        self.make_ready(t_ms)?;
        let body = Body::Checkpoint(self.tally.checkpoint(state_hash.map(str::to_owned)));
        let seq = self.put(t_ms, Source::Host, None, None, body)?;
        self.lines_since_checkpoint = 0;
        self.last_checkpoint_t_ms = self.place.last_t_ms;
        Ok(seq)
    }

    /// Whether the segment should be closed and another begun: it is large, or of another day.
    pub fn rotation_due(&self, t_ms: i64) -> bool {
        self.tally.bytes >= self.segment_bytes
            || t_ms.max(self.place.last_t_ms).div_euclid(DAY_MS)
                != self.opened_t_ms.div_euclid(DAY_MS)
    }

    /// Closes the segment, begins the next one and compresses the closed one.
    ///
    /// # Errors
    /// As [`TraceWriter::append`]. Where the segment was closed already and only the next one
    /// could not be begun, the next line begins it, or the next try of this.
    pub fn rotate(&mut self, t_ms: i64, state_hash: Option<&str>) -> Result<Rotation, WriteError> {
        let next_segment = self.header.segment + 1;
        if !matches!(self.state, State::Between { .. }) {
            self.seal(t_ms, state_hash, Some(next_segment))?;
        }
        let closed = self.path.clone();
        self.begin_segment(next_segment, None, t_ms)?;
        let compressed = compress(&closed);
        Ok(Rotation { closed, compressed })
    }

    /// Seals the trace: a checkpoint, the seal, and a sync. Then lets go of the lock.
    ///
    /// # Errors
    /// As [`TraceWriter::append`]. What is on the disk then can be gone on with.
    pub fn close(mut self, t_ms: i64, state_hash: Option<&str>) -> Result<(), WriteError> {
        self.seal(t_ms, state_hash, None)
    }

    /// Returns the header of the present segment.
    pub fn header(&self) -> &LogOpened {
        &self.header
    }

    /// Returns the file of the present segment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how many lines are not known to be on the disk.
    pub fn unsynced_lines(&self) -> usize {
        usize::try_from(self.place.next_seq - self.synced.next_seq).unwrap_or(usize::MAX)
    }

    /// Returns the highest `n` up to which every event is on the disk or told as lost; 0 for none.
    /// This is what may be acknowledged.
    pub fn synced_n(&self) -> u64 {
        self.synced.last_n
    }

    /// Returns the highest `n` that the log has or tells as lost, synced or not; 0 for none.
    pub fn last_n(&self) -> u64 {
        self.place.last_n
    }

    /// Returns the time of the last line.
    pub fn last_t_ms(&self) -> i64 {
        self.place.last_t_ms
    }

    /// Returns the seq that the next line will have.
    pub fn next_seq(&self) -> Seq {
        Seq(self.place.next_seq)
    }

    /// Makes sure that there is a segment to write to, and that not too much is unsynced.
    fn make_ready(&mut self, t_ms: i64) -> Result<(), WriteError> {
        match self.state {
            State::Open { .. } if self.unsynced_lines() >= UNSYNCED_LINES_MAX => self.sync(),
            State::Open { .. } => Ok(()),
            State::Between { next_segment } => self.begin_segment(next_segment, None, t_ms),
            State::SyncFailed => Err(self.sync_failed_before()),
        }
    }

    /// Writes a line to the open segment.
    fn put(
        &mut self,
        t_ms: i64,
        src: Source,
        n: Option<u64>,
        at_ms: Option<i64>,
        body: Body,
    ) -> Result<Seq, WriteError> {
        let t_ms = t_ms.max(self.place.last_t_ms);
        let line = Line {
            seq: Seq(self.place.next_seq),
            t_ms,
            src,
            n,
            at_ms,
            body,
        };
        self.buffer.clear();
        encode_next(&line, &self.place, &mut self.buffer)?;
        let State::Open { file, has_stump } = &mut self.state else {
            return Err(self.sync_failed_before());
        };
        let fail = WriteError::io(&self.path);
        if *has_stump {
            file.truncate(self.tally.bytes).map_err(fail)?;
            *has_stump = false;
        }
        if let Err(error) = write_all(&mut **file, &self.buffer) {
            *has_stump = file.truncate(self.tally.bytes).is_err();
            return Err(fail(error));
        }
        self.tally.add(&self.buffer);
        self.place.advance(&line);
        self.lines_since_checkpoint += 1;
        let seq = line.seq;
        let is_owners = line.src != Source::Engine
            && !matches!(
                line.body,
                Body::LogOpened(_) | Body::Checkpoint(_) | Body::LogClosed(_)
            );
        if is_owners {
            self.unsynced.push(line);
        }
        Ok(seq)
    }

    /// Writes a checkpoint and the seal, and syncs them.
    fn seal(
        &mut self,
        t_ms: i64,
        state_hash: Option<&str>,
        next_segment: Option<u32>,
    ) -> Result<(), WriteError> {
        self.checkpoint(t_ms, state_hash)?;
        let body = Body::LogClosed(self.tally.seal(next_segment));
        self.put(t_ms, Source::Host, None, None, body)?;
        self.sync()?;
        self.state = State::Between {
            next_segment: self.header.segment + 1,
        };
        Ok(())
    }

    /// Creates a segment with its first line, on the disk. If that fails nothing has changed.
    fn begin_segment(
        &mut self,
        segment: u32,
        replaces_from: Option<Seq>,
        t_ms: i64,
    ) -> Result<(), WriteError> {
        let t_ms = t_ms.max(self.place.last_t_ms);
        let header = LogOpened {
            segment,
            replaces_from,
            ..self.header.clone()
        };
        let path = self.folder.join(segment_name(t_ms, &header)?);
        let line = Line {
            seq: Seq(self.place.next_seq),
            t_ms,
            src: Source::Host,
            n: None,
            at_ms: None,
            body: Body::LogOpened(header.clone()),
        };
        let mut bytes = Vec::new();
        encode(&line, &mut bytes)?;

        if let Some(leftover) = &self.leftover {
            remove_if_there(leftover).map_err(WriteError::io(leftover))?;
            self.leftover = None;
        }
        let fail = WriteError::io(&path);
        let mut file = self.storage.create(&path).map_err(fail)?;
        let written = write_all(&mut *file, &bytes)
            .and_then(|()| file.sync())
            .and_then(|()| sync_folder(&self.folder));
        if let Err(error) = written {
            if remove_if_there(&path).is_err() {
                self.leftover = Some(path.clone());
            }
            return Err(fail(error));
        }

        self.state = State::Open {
            file,
            has_stump: false,
        };
        self.header = header;
        self.path = path;
        self.tally = Tally::default();
        self.tally.add(&bytes);
        self.place.advance(&line);
        self.synced = self.place;
        self.opened_t_ms = t_ms;
        self.lines_since_checkpoint += 1;
        Ok(())
    }

    fn sync_failed_before(&self) -> WriteError {
        let error = io::Error::other("a sync failed before, and what it left is not trusted");
        WriteError::SyncFailed {
            path: self.path.clone(),
            error,
        }
    }
}

/// Checks that a line is one for the owner of a trace to give, and not the writer's own.
pub(crate) fn check_is_owners(body: &Body) -> Result<(), LineError> {
    let problem = match body {
        Body::LogOpened(_) | Body::Checkpoint(_) | Body::LogClosed(_) => {
            "the writer makes it itself"
        }
        Body::Unknown { .. } => "its type is not known",
        _ => return Ok(()),
    };
    Err(LineError {
        column: None,
        field: Some(format!("type {:?}", body.type_name())),
        problem: problem.to_owned(),
    })
}

/// Names the segment that a header begins.
pub(crate) fn segment_name(t_ms: i64, header: &LogOpened) -> Result<String, LineError> {
    file_name(t_ms, header.session, header.segment).ok_or_else(|| LineError {
        column: None,
        field: Some("t_ms".to_owned()),
        problem: format!("found {t_ms}, expected a time of the calendar"),
    })
}

/// Appends the bytes of a line, if it may be the next line.
pub(crate) fn encode_next(
    line: &Line,
    place: &Place,
    buffer: &mut Vec<u8>,
) -> Result<(), WriteError> {
    line.check()?;
    place.check(line).map_err(WriteError::OutOfOrder)?;
    encode(line, buffer)
}

/// Appends the bytes of a line, or nothing.
fn encode(line: &Line, buffer: &mut Vec<u8>) -> Result<(), WriteError> {
    let start = buffer.len();
    line.write(buffer);
    let bytes = buffer.len() - start;
    if bytes > MAX_LINE_BYTES {
        buffer.truncate(start);
        return Err(WriteError::TooLong {
            type_name: line.body.type_name().to_owned(),
            bytes,
        });
    }
    Ok(())
}
