//! Goes on with a trace, after the host before ended in whatever way.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use engine::Seq;
use rustix::fs::OFlags;
use uuid::Uuid;

use super::{LOCK_WAIT, SEGMENT_BYTES, State, TraceWriter, WriteError};
use crate::bytes::is_compressed;
use crate::compress::{compress, with_suffix};
use crate::error::ReadError;
use crate::line::Line;
use crate::lock::TraceLock;
use crate::opening::Opening;
use crate::reader::{TornTail, Trace, TraceReader};
use crate::segment::{Segment, SegmentFiles};
use crate::storage::{Disk, Storage, open_private, sync_folder, write_all};
use crate::wire::LogOpened;

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
        let Some((found, lock)) = take_newest(folder, opening)? else {
            return Ok(None);
        };
        let trace = Trace::open(&found.path)?;
        let mut reader = trace.read();
        for line in &mut reader {
            on_line(&line?);
        }
        let torn_tails = torn_tails(&trace, &reader);
        // One in a segment that somebody compressed by hand is not cut off: what comes takes its
        // place.
        let (staying, cut_off): (Vec<&TornTail>, Vec<_>) = (torn_tails.iter())
            .partition(|torn_tail| is_compressed(&torn_tail.file) && torn_tail.byte > 0);
        for torn_tail in cut_off {
            set_aside(folder, torn_tail).map_err(WriteError::io(&torn_tail.file))?;
        }

        let last = trace.segments().last().unwrap_or(&found);
        let next_segment = last.header.segment + 1;
        let mut writer = Self {
            storage,
            folder: folder.to_owned(),
            header: LogOpened {
                host_version: opening.host_version.clone(),
                platform: opening.platform.clone(),
                ..last.header.clone()
            },
            path: last.path.clone(),
            state: State::Between { next_segment },
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
        let was_sealed = reader.sealed();
        if was_sealed || reader.missing_segment().is_some() || is_compressed(&last.path) {
            let replaces_from = (!staying.is_empty()).then_some(Seq(reader.place.next_seq));
            writer.begin_segment(next_segment, replaces_from, t_ms)?;
            if was_sealed && !is_compressed(&last.path) {
                // A plain segment reads as well.
                let _ = compress(&last.path);
            }
        } else {
            let mut file = (writer.storage)
                .append(&last.path)
                .map_err(WriteError::io(&last.path))?;
            // What the host before had written need not have been synced.
            file.sync().map_err(WriteError::io(&last.path))?;
            sync_folder(folder).map_err(WriteError::io(folder))?;
            writer.state = State::Open {
                file,
                has_stump: false,
            };
        }
        Ok(Some(Resumed {
            writer,
            torn_bytes: torn_tails.iter().map(|torn_tail| torn_tail.bytes).sum(),
            last_n,
            last_t_ms,
            was_sealed,
        }))
    }
}

/// Finds the newest trace of an extension's session, and takes its lock; `None` where there is none
/// that may be gone on with.
fn take_newest(
    folder: &Path,
    opening: &Opening,
) -> Result<Option<(Segment, TraceLock)>, WriteError> {
    let Some(extension_session) = &opening.extension_session else {
        return Ok(None);
    };
    if !folder.exists() {
        return Ok(None);
    }
    let find = || -> Result<Option<Segment>, ReadError> {
        let found = SegmentFiles::newest_of(folder, extension_session)?;
        Ok(found.filter(|found| {
            found.header.engine == opening.engine && found.header.privacy == opening.privacy
        }))
    };
    let mut held: Option<(TraceLock, Uuid)> = None;
    loop {
        let Some(found) = find()? else {
            return Ok(None);
        };
        let session = found.header.session;
        match held {
            Some((lock, of)) if of == session => return Ok(Some((found, lock))),
            // It is looked for once more behind the lock: its writer may have closed, compressed
            // and begun segments until it let go, and another trace.
            _ => held = Some((TraceLock::take(folder, session, LOCK_WAIT)?, session)),
        }
    }
}

/// What stands unfinished in a trace that was read. Of a host that was stopped twice there may be
/// both: the end of a segment, and the beginning of the next.
fn torn_tails(trace: &Trace, reader: &TraceReader) -> Vec<TornTail> {
    let at_end = reader.torn_tail();
    let next = trace.unfinished().filter(|&next| Some(next) != at_end);
    at_end.into_iter().chain(next).cloned().collect()
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
