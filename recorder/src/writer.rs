//! Writes traces: one write a line, only at the end, by one writer at a time.
//!
//! Time comes in as an argument; only waiting for the lock looks at a clock. What cannot be
//! written leaves no trace of itself: a part of a line is cut off again, and after a failed sync
//! nothing more goes to the file it failed on. (The kernel may forget what it could not write,
//! and the next sync of the same file then says that all is well.)

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::Seq;
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use uuid::{Builder, NoContext, Timestamp, Uuid};

use crate::bytes::is_compressed;
use crate::compress::{compress, with_suffix};
use crate::error::{Flaw, ReadError};
use crate::line::{Line, LineError, MAX_LINE_BYTES, Source};
use crate::lock::TraceLock;
use crate::reader::{TornTail, Trace};
use crate::segment::{SegmentFiles, file_name};
use crate::storage::{
    Disk, SegmentFile, Storage, create_folder, open_private, remove_if_there, sync_folder,
    write_all,
};
use crate::tally::{Place, Tally};
use crate::wire::{Body, FORMAT_NAME, FORMAT_VERSION, LogOpened, Origin, Privacy};

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

/// What a trace is: what its first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The id of the trace; see [`new_session`]. A recorded one gets a later id where its
    /// extension's session has a trace already that would sort after it.
    pub session: Uuid,
    /// The id that the extension gave its session; `None` where there is no extension.
    pub extension_session: Option<String>,
    /// The version of the engine's semantics.
    pub engine: u32,
    /// The version of the program that writes.
    pub host_version: String,
    /// The operating system and machine, such as "linux-x86_64".
    pub platform: String,
    /// How hostnames are written.
    pub privacy: Privacy,
    /// Where the trace comes from.
    pub origin: Origin,
    /// The program and settings that make a synthetic trace.
    pub generator: Option<String>,
    /// The seed of a synthetic trace.
    pub seed: Option<u64>,
    /// The importer that makes an imported trace.
    pub importer: Option<String>,
    /// What a derived trace is made from.
    pub derived_from: Option<String>,
}

impl Opening {
    /// Makes the first line of the first segment.
    pub fn header(&self) -> LogOpened {
        let opening = self.clone();
        LogOpened {
            format: FORMAT_NAME.to_owned(),
            v: FORMAT_VERSION,
            engine: opening.engine,
            session: opening.session,
            extension_session: opening.extension_session,
            segment: 0,
            replaces_from: None,
            host_version: opening.host_version,
            platform: opening.platform,
            privacy: opening.privacy,
            origin: opening.origin,
            generator: opening.generator,
            seed: opening.seed,
            importer: opening.importer,
            derived_from: opening.derived_from,
        }
    }
}

/// Makes the id of a new trace: a version 7 UUID, so that ids sort by time.
pub fn new_session(t_ms: i64) -> Uuid {
    let t_ms = u64::try_from(t_ms).unwrap_or(0);
    let nanos = u32::try_from(t_ms % 1_000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, t_ms / 1_000, nanos))
}

/// The id of the trace that is begun now: that of its opening, or the next one after those of the
/// extension's session where the clock was set back since, or did not go on. (RFC 9562, section
/// 6.2, has ids go on from the last time, too.)
fn session_to_begin(folder: &Path, opening: &Opening) -> Result<Uuid, ReadError> {
    let Some(extension_session) = &opening.extension_session else {
        return Ok(opening.session);
    };
    let newest = SegmentFiles::newest_of(folder, extension_session)?;
    let next = newest.map(|newest| {
        let t_ms = newest.header.session.as_u128() >> 80;
        new_session(i64::try_from(t_ms + 1).unwrap_or(i64::MAX))
    });
    Ok(next.map_or(opening.session, |next| next.max(opening.session)))
}

/// Makes the id of a trace that is made from something else: the same for the same time and
/// material, so that the same input gives the same bytes. It has the form of [`new_session`]'s.
pub fn session_made_from(t_ms: i64, material: &[u8]) -> Uuid {
    let mut bits = [0; 10];
    bits.copy_from_slice(&Sha256::digest(material)[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(t_ms).unwrap_or(0), &bits).into_uuid()
}

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

/// A trace that goes on.
pub struct Resumed {
    /// Its writer.
    pub writer: TraceWriter,
    /// Bytes of an unfinished last line that were set aside.
    pub torn_bytes: u64,
    /// The highest `n` that the log has or tells as lost; 0 for none.
    pub last_n: u64,
    /// The time of its last line.
    pub last_t_ms: i64,
    /// Whether it had been closed in order, so that it goes on in a new segment.
    pub was_sealed: bool,
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
        create_folder(folder).map_err(|error| WriteError::Io {
            path: folder.to_owned(),
            error,
        })?;
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

    /// Goes on with the newest trace of an extension's session, where there is one: takes its
    /// lock, gives every line of it to `on_line`, sets aside what stands unfinished at its end, and
    /// makes sure that the rest is on the disk. A trace that was closed goes on in a new segment,
    /// and so does one whose last segment somebody compressed.
    ///
    /// `None` where a new trace is to begin: there is none, or it is of another version of the
    /// engine's semantics or another privacy. Of `opening`, `session` is not looked at.
    ///
    /// # Errors
    /// [`WriteError::Locked`] where another process still writes it after 3 s;
    /// [`WriteError::Unreadable`] where the trace is damaged, and nothing was changed then; what
    /// the file system refuses.
    pub fn resume(
        folder: &Path,
        opening: &Opening,
        t_ms: i64,
        on_line: &mut dyn FnMut(&Line),
    ) -> Result<Option<Resumed>, WriteError> {
        Self::resume_on(Box::new(Disk), folder, opening, t_ms, on_line)
    }

    /// Like [`TraceWriter::resume`], with segments on a storage of one's own.
    ///
    /// # Errors
    /// As [`TraceWriter::resume`].
    pub fn resume_on(
        storage: Box<dyn Storage>,
        folder: &Path,
        opening: &Opening,
        t_ms: i64,
        on_line: &mut dyn FnMut(&Line),
    ) -> Result<Option<Resumed>, WriteError> {
        let Some(extension_session) = &opening.extension_session else {
            return Ok(None);
        };
        if !folder.exists() {
            return Ok(None);
        }
        let mut held: Option<(TraceLock, Uuid)> = None;
        let (lock, found) = loop {
            let Some(found) = SegmentFiles::newest_of(folder, extension_session)? else {
                return Ok(None);
            };
            if found.header.engine != opening.engine || found.header.privacy != opening.privacy {
                return Ok(None);
            }
            let session = found.header.session;
            match held {
                Some((lock, of)) if of == session => break (lock, found),
                // It is looked for once more behind the lock: its writer may have closed,
                // compressed and begun segments until it let go, and another trace.
                _ => held = Some((TraceLock::take(folder, session, LOCK_WAIT)?, session)),
            }
        };

        let trace = Trace::open(&found.path)?;
        let mut reader = trace.read();
        for line in &mut reader {
            on_line(&line?);
        }
        // Of a host that was stopped twice there may be both: the end of a segment, and the
        // beginning of the next.
        let mut torn_tails = Vec::from_iter(reader.torn_tail().cloned());
        torn_tails.extend(
            trace
                .unfinished()
                .filter(|&it| Some(it) != reader.torn_tail())
                .cloned(),
        );
        let was_sealed = reader.sealed();
        let last = trace.segments().last().unwrap_or(&found);
        let goes_on_in_new =
            was_sealed || reader.missing_segment().is_some() || is_compressed(&last.path);

        // Somebody compressed it by hand. It is not cut: what comes takes the place of its end.
        let stays = |torn_tail: &&TornTail| is_compressed(&torn_tail.file) && torn_tail.byte > 0;
        let has_torn_end = torn_tails.iter().any(|torn_tail| stays(&torn_tail));
        let replaces_from = has_torn_end.then_some(Seq(reader.place.next_seq));

        for torn_tail in torn_tails.iter().filter(|torn_tail| !stays(torn_tail)) {
            set_aside(folder, torn_tail).map_err(|error| WriteError::Io {
                path: torn_tail.file.clone(),
                error,
            })?;
        }
        let mut writer = Self {
            storage,
            folder: folder.to_owned(),
            header: LogOpened {
                host_version: opening.host_version.clone(),
                platform: opening.platform.clone(),
                ..last.header.clone()
            },
            path: last.path.clone(),
            state: State::Between {
                next_segment: last.header.segment + 1,
            },
            tally: reader.tally(),
            place: reader.place,
            synced: reader.place,
            unsynced: Vec::new(),
            lines_since_checkpoint: reader.lines_since_checkpoint,
            last_checkpoint_t_ms: reader
                .last_checkpoint_t_ms
                .unwrap_or(reader.place.last_t_ms),
            opened_t_ms: last.opened_t_ms,
            segment_bytes: SEGMENT_BYTES,
            leftover: None,
            buffer: Vec::new(),
            _lock: lock,
        };
        let (last_n, last_t_ms) = (writer.place.last_n, writer.place.last_t_ms);
        if goes_on_in_new {
            let closed = writer.path.clone();
            writer.begin_segment(last.header.segment + 1, replaces_from, t_ms)?;
            if was_sealed && !is_compressed(&closed) {
                // A plain segment reads as well.
                let _ = compress(&closed);
            }
        } else {
            let fail = |error| WriteError::Io {
                path: last.path.clone(),
                error,
            };
            let mut file = writer.storage.append(&last.path).map_err(fail)?;
            // What the host before had written need not have been synced.
            file.sync().map_err(fail)?;
            sync_folder(folder).map_err(|error| WriteError::Io {
                path: folder.to_owned(),
                error,
            })?;
            writer.state = State::Open {
                file,
                has_stump: false,
            };
        }
        let torn_bytes = torn_tails.iter().map(|torn_tail| torn_tail.bytes).sum();
        Ok(Some(Resumed {
            writer,
            torn_bytes,
            last_n,
            last_t_ms,
            was_sealed,
        }))
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
        let fail = |error| WriteError::Io {
            path: self.path.clone(),
            error,
        };
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

        let fail = |error| WriteError::Io {
            path: path.clone(),
            error,
        };
        if let Some(leftover) = &self.leftover {
            remove_if_there(leftover).map_err(|error| WriteError::Io {
                path: leftover.clone(),
                error,
            })?;
            self.leftover = None;
        }
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

/// Moves what stands unfinished at the end of a segment to a file beside it, so that no line is
/// ever glued onto it. Nothing of it is lost: it goes to the end of what is there already.
fn set_aside(folder: &Path, torn_tail: &TornTail) -> io::Result<()> {
    let mut tail = Vec::new();
    let mut segment = File::open(&torn_tail.file)?;
    segment.seek(io::SeekFrom::Start(torn_tail.byte))?;
    segment.read_to_end(&mut tail)?;
    let aside = with_suffix(&torn_tail.file, ".torn");
    let mut file = open_private(&aside, OFlags::CREATE | OFlags::APPEND)?;
    write_all(&mut file, &tail)?;
    file.sync_all()?;
    if torn_tail.byte == 0 {
        // The segment never had a line. One of its number will be begun when there is one.
        fs::remove_file(&torn_tail.file)?;
    } else {
        let segment = open_private(&torn_tail.file, OFlags::empty())?;
        segment.set_len(torn_tail.byte)?;
        segment.sync_all()?;
    }
    sync_folder(folder)
}
