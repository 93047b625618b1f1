//! The lines of a segment, in batches: read where they are asked for, or on two threads.
//!
//! Which of the two it is changes nothing of what is read, nor of the place at which an error is
//! told. Sums can only be made from the first byte to the last, by one of the threads: of a plain file
//! by the one that works ahead and reads, of a compressed one, which that has to decompress, by the
//! one that asks for lines. Either may parse: the one ahead does when enough waits to be taken, and
//! else hands over what it read as it is. So both have something to do all the time, whatever becomes
//! of a line.

use std::io;
use std::mem;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread;

use memchr::memrchr;

use crate::bytes::{SegmentBytes, TooLong, line_length};
use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::{Line, LineError, MAX_LINE_BYTES};
use crate::tally::{Sums, Tally};

/// How much a batch holds, unless a line is longer: some 200 lines. What is that small stays in the
/// processor's cache.
const BATCH_BYTES: usize = 32 << 10;

/// How many batches wait to be taken. One more is being made, and one is being looked at.
const BATCHES_AHEAD: usize = 4;

/// How many have to wait before the thread ahead parses. Were that as many as may wait, it would be
/// stopped once a batch, and to wake it takes some 10 µs.
const ENOUGH_AHEAD: usize = 2;

/// Lines that follow each other, and what is behind them.
#[derive(Default)]
struct Batch {
    /// Whole lines, then what stands unfinished at the segment's end; the rest is room.
    bytes: Vec<u8>,
    /// How much of that there is.
    length: usize,
    /// Places for what the lines say, and how long they are with their ends.
    lines: Vec<(usize, Line)>,
    /// How many of the lines, from the first on, are parsed.
    parsed: usize,
    /// The segment's sums up to its end, where they were made ahead.
    sums: Option<Sums>,
    /// What is behind them: the segment's end, or what kept it from being read. `None` if it is
    /// another batch.
    end: Option<Result<(), Flaw>>,
}

impl Batch {
    /// What was read.
    fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Parses the lines up to one that is none: whoever looks at that says what is wrong with it.
    fn parse(&mut self) {
        let mut rest = &self.bytes[..self.length];
        while let Ok(Some(length)) = line_length(rest) {
            if self.parsed == self.lines.len() {
                self.lines.push((0, Line::default()));
            }
            let (line_length, line) = &mut self.lines[self.parsed];
            if line.parse_over(&rest[..length - 1]).is_err() {
                break;
            }
            *line_length = length;
            self.parsed += 1;
            rest = &rest[length..];
        }
        // What is left in the others would stay there.
        self.lines.truncate(self.parsed);
    }
}

/// Makes batches of a segment's bytes.
struct Batches {
    bytes: SegmentBytes,
    /// The beginning of a line whose end was not read yet.
    unfinished: Vec<u8>,
}

impl Batches {
    fn of(bytes: SegmentBytes) -> Self {
        Self {
            bytes,
            unfinished: Vec::new(),
        }
    }

    /// Reads the next batch, into the room of one that was consumed.
    fn read(&mut self, mut batch: Batch) -> Batch {
        if batch.bytes.len() > 2 * BATCH_BYTES {
            // A long line was in it. It, and what was made of it, would stay there.
            batch = Batch::default();
        }
        let bytes = &mut batch.bytes;
        let mut filled = self.unfinished.len();
        bytes.resize(filled + BATCH_BYTES, 0);
        bytes[..filled].copy_from_slice(&self.unfinished);
        self.unfinished.clear();
        let mut searched = filled;
        batch.end = loop {
            if filled == bytes.len() {
                if let Some(end) = memrchr(b'\n', &bytes[searched..]) {
                    self.unfinished
                        .extend_from_slice(&bytes[searched + end + 1..]);
                    filled = searched + end + 1;
                    break None;
                }
                // That is no line, and will not be one.
                if filled >= MAX_LINE_BYTES {
                    break None;
                }
                searched = filled;
                bytes.resize(filled + BATCH_BYTES, 0);
            }
            match self.bytes.read(&mut bytes[filled..]) {
                Ok(0) => break Some(Ok(())),
                Ok(count) => filled += count,
                Err(flaw) => break Some(Err(flaw)),
            }
        };
        batch.length = filled;
        batch.parsed = 0;
        batch
    }
}

/// Where the batches come from.
enum Origin {
    Here(Batches),
    Ahead {
        batches: Receiver<Batch>,
        /// How many of them wait.
        waiting: Arc<AtomicUsize>,
        /// Takes those that were consumed: their room is used again.
        consumed: Sender<Batch>,
    },
}

impl Origin {
    /// Begins to make batches in another thread.
    fn ahead(mut batches: Batches) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(BATCHES_AHEAD);
        let (consumed, to_use_again) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let ahead = waiting.clone();
        let mut sums = batches.bytes.is_plain().then(Sums::default);
        let work = move || {
            let mut is_done = false;
            while !is_done {
                let mut batch = batches.read(to_use_again.try_recv().unwrap_or_default());
                is_done = batch.end.is_some();
                if let Some(sums) = &mut sums {
                    sums.add(batch.text());
                    batch.sums = Some(sums.clone());
                }
                if ahead.load(Ordering::Relaxed) >= ENOUGH_AHEAD {
                    batch.parse();
                }
                ahead.fetch_add(1, Ordering::Relaxed);
                if sender.send(batch).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("ahead".to_owned())
            .spawn(work)?;
        Ok(Self::Ahead {
            batches: receiver,
            waiting,
            consumed,
        })
    }

    /// Makes the next batch, which must be to come.
    fn next(&mut self, consumed: Batch) -> Result<Batch, Flaw> {
        match self {
            Self::Here(batches) => Ok(batches.read(consumed)),
            Self::Ahead {
                batches,
                waiting,
                consumed: to_use_again,
            } => {
                // A thread that has read all has no use for it.
                let _ = to_use_again.send(consumed);
                let ended = "the thread that works ahead ended too early";
                let batch = (batches.recv()).map_err(|_| Flaw::Io(io::Error::other(ended)))?;
                waiting.fetch_sub(1, Ordering::Relaxed);
                Ok(batch)
            }
        }
    }
}

/// What was found where a line was looked for.
pub(crate) enum FoundLine {
    /// A line and its end.
    Line,
    /// The same, but what stands there is no line.
    Bad(LineError),
    /// Some bytes without an end, the last of the file.
    Torn,
    /// The end of the file.
    End,
}

/// The lines of a segment.
pub(crate) struct SegmentLines {
    path: PathBuf,
    origin: Origin,
    batch: Batch,
    /// The batch after it, where somebody had to look.
    following: Option<Batch>,
    /// Where in the batch the last line stands that was read, with its end.
    line: Range<usize>,
    /// In which of the batch's places is what it says.
    place: usize,
    /// How many of the batch's parsed lines were read.
    taken: usize,
    /// The number of the last line that was read, from 1.
    number: u64,
    /// Where the batch begins.
    start: u64,
    /// The sums of what is before it.
    sums: Sums,
}

impl SegmentLines {
    /// Reads lines as they are asked for.
    pub(crate) fn here(bytes: SegmentBytes) -> Self {
        Self::of(bytes.path().to_owned(), Origin::Here(Batches::of(bytes)))
    }

    /// Reads lines on two threads.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn ahead(bytes: SegmentBytes) -> Result<Self, ReadError> {
        let path = bytes.path().to_owned();
        match Origin::ahead(Batches::of(bytes)) {
            Ok(origin) => Ok(Self::of(path, origin)),
            Err(error) => Err(ReadError::new(&path, Flaw::Io(error))),
        }
    }

    fn of(path: PathBuf, origin: Origin) -> Self {
        Self {
            path,
            origin,
            batch: Batch::default(),
            following: None,
            line: 0..0,
            place: 0,
            taken: 0,
            number: 0,
            start: 0,
            sums: Sums::default(),
        }
    }

    /// Reads the next line.
    pub(crate) fn read(&mut self) -> Result<FoundLine, ReadError> {
        self.number += 1;
        loop {
            self.line.start = self.line.end;
            let batch = &mut self.batch;
            if self.taken < batch.parsed {
                self.place = self.taken;
                self.taken += 1;
                self.line.end += batch.lines[self.place].0;
                return Ok(FoundLine::Line);
            }
            match line_length(&batch.bytes[self.line.start..batch.length]) {
                Ok(Some(length)) => {
                    self.line.end += length;
                    return Ok(self.parse());
                }
                Ok(None) => {}
                Err(TooLong) => {
                    self.line.end += MAX_LINE_BYTES;
                    return Err(self.fail(Flaw::TooLong));
                }
            }
            match self.batch.end.take() {
                None => self.turn()?,
                Some(Err(flaw)) => return Err(self.fail(flaw)),
                end @ Some(Ok(())) => {
                    self.batch.end = end;
                    self.line.end = self.batch.length;
                    return Ok(match self.line.is_empty() {
                        true => FoundLine::End,
                        false => FoundLine::Torn,
                    });
                }
            }
        }
    }

    /// Parses the last line that was read.
    fn parse(&mut self) -> FoundLine {
        let Batch { lines, bytes, .. } = &mut self.batch;
        if lines.is_empty() {
            lines.push((0, Line::default()));
        }
        // Those that were parsed before are taken.
        self.place = 0;
        let text = &bytes[self.line.start..self.line.end - 1];
        match lines[0].1.parse_over(text) {
            Ok(()) => FoundLine::Line,
            Err(error) => FoundLine::Bad(error),
        }
    }

    /// What the last line says that was read.
    pub(crate) fn line(&self) -> &Line {
        &self.batch.lines[self.place].1
    }

    /// The same, to be taken.
    pub(crate) fn line_mut(&mut self) -> &mut Line {
        &mut self.batch.lines[self.place].1
    }

    /// Goes to the next batch.
    fn turn(&mut self) -> Result<(), ReadError> {
        self.start += self.batch.length as u64;
        self.line = 0..0;
        self.taken = 0;
        match self.batch.sums.take() {
            Some(sums) => self.sums = sums,
            None => self.sums.add(self.batch.text()),
        }
        let consumed = mem::take(&mut self.batch);
        self.batch = match self.following.take() {
            Some(batch) => batch,
            None => (self.origin.next(consumed)).map_err(|flaw| self.fail(flaw))?,
        };
        Ok(())
    }

    /// Whether there is nothing after what was read.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, ReadError> {
        if self.line.end < self.batch.length {
            return Ok(false);
        }
        if self.batch.end.is_none() && self.following.is_none() {
            let batch = self.origin.next(Batch::default());
            self.following = Some(batch.map_err(|flaw| self.fail(flaw))?);
        }
        let end = match &mut self.following {
            Some(batch) if batch.length > 0 => return Ok(false),
            Some(batch) => &mut batch.end,
            None => &mut self.batch.end,
        };
        match end.replace(Ok(())) {
            Some(Err(flaw)) => Err(self.fail(flaw)),
            Some(Ok(())) | None => Ok(true),
        }
    }

    /// The last line that was read, with its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.batch.bytes[self.line.clone()]
    }

    /// The last line that was read, without its end.
    pub(crate) fn text(&self) -> &[u8] {
        let line = self.bytes();
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    /// The place of the last line that was read.
    pub(crate) fn place(&self) -> LinePlace {
        LinePlace {
            line: self.number,
            byte: self.start + self.line.start as u64,
        }
    }

    /// Bytes read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.start + self.line.end as u64
    }

    /// The account of the segment up to a byte of the present batch, which so many lines end at.
    pub(crate) fn tally(&self, lines: u64, bytes: u64) -> Tally {
        let portion = usize::try_from(bytes - self.start).map(|end| &self.batch.bytes[..end]);
        Tally::resume(lines, bytes, &self.sums, portion.unwrap_or_default())
    }

    /// Makes an error that names the last line that was read.
    pub(crate) fn fail(&self, flaw: Flaw) -> ReadError {
        ReadError {
            file: self.path.clone(),
            at: Some(self.place()),
            flaw,
        }
    }
}
