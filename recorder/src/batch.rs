//! The lines of a segment: read where they are asked for, or in batches ahead in a thread.
//!
//! Which of the two it is changes nothing of what is read, nor of the place at which an error is
//! told.

use std::iter;
use std::mem;
use std::ops::Range;
use std::path::PathBuf;
use std::vec;

use crate::ahead::Ahead;
use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::{Line, LineError};
use crate::segment::{RawLine, RawLines};

/// How much a batch holds, about: some 200 lines. What is that small stays in the processor's cache,
/// and is not fetched from the system anew for each batch, as larger pieces of memory are.
const BATCH_BYTES: usize = 32 << 10;

/// Room for as many lines as most batches hold.
const BATCH_LINES: usize = 256;

/// Lines that follow each other, and what is behind them.
#[derive(Default)]
struct Batch {
    /// The lines with their ends, and what stands there unfinished.
    bytes: Vec<u8>,
    /// What each line says, and its length with its end.
    lines: Vec<(usize, Result<Line, LineError>)>,
    /// What is behind the lines; `None` if it is another batch.
    end: Option<Result<RawLine, ReadError>>,
}

impl Batch {
    fn read(lines: &mut RawLines) -> Self {
        let mut batch = Self {
            bytes: Vec::with_capacity(2 * BATCH_BYTES),
            lines: Vec::with_capacity(BATCH_LINES),
            end: None,
        };
        while batch.bytes.len() < BATCH_BYTES {
            match lines.read() {
                Ok(RawLine::Whole) => {
                    let bytes = lines.bytes();
                    batch.bytes.extend_from_slice(bytes);
                    batch.lines.push((bytes.len(), Line::parse(lines.text())));
                }
                end => {
                    batch.bytes.extend_from_slice(lines.bytes());
                    batch.end = Some(end);
                    break;
                }
            }
        }
        batch
    }
}

/// What was found where a line was looked for.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all of them are lines, and a line in a box would cost more than it weighs"
)]
pub(crate) enum FoundLine {
    /// A line and its end.
    Whole(Result<Line, LineError>),
    /// Some bytes without an end, the last of the file.
    Torn,
    /// The end of the file.
    End,
}

/// The lines of a segment.
pub(crate) enum SegmentLines {
    /// They are read and parsed as they are asked for.
    Here(RawLines),
    /// They are read and parsed in a thread of their own.
    Ahead(Box<LinesAhead>),
}

impl SegmentLines {
    /// Reads the next line.
    pub(crate) fn read(&mut self) -> Result<FoundLine, ReadError> {
        match self {
            Self::Here(lines) => Ok(match lines.read()? {
                RawLine::Whole => FoundLine::Whole(Line::parse(lines.text())),
                RawLine::Torn => FoundLine::Torn,
                RawLine::End => FoundLine::End,
            }),
            Self::Ahead(lines) => lines.read(),
        }
    }

    /// Whether there is nothing after what was read.
    pub(crate) fn is_at_end(&mut self) -> Result<bool, ReadError> {
        match self {
            Self::Here(lines) => lines.is_at_end(),
            Self::Ahead(lines) => lines.is_at_end(),
        }
    }

    /// The last line that was read, with its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Here(lines) => lines.bytes(),
            Self::Ahead(lines) => &lines.batch.bytes[lines.line.clone()],
        }
    }

    /// The last line that was read, without its end.
    pub(crate) fn text(&self) -> &[u8] {
        let line = self.bytes();
        line.strip_suffix(b"\n").unwrap_or(line)
    }

    /// The place of the last line that was read.
    pub(crate) fn place(&self) -> LinePlace {
        match self {
            Self::Here(lines) => lines.place(),
            Self::Ahead(lines) => lines.place(),
        }
    }

    /// Bytes read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        match self {
            Self::Here(lines) => lines.read_bytes(),
            Self::Ahead(lines) => lines.read_bytes,
        }
    }

    /// Makes an error that names the last line that was read.
    pub(crate) fn fail(&self, flaw: Flaw) -> ReadError {
        match self {
            Self::Here(lines) => lines.fail(flaw),
            Self::Ahead(lines) => lines.fail(flaw),
        }
    }
}

/// Lines that another thread reads and parses.
pub(crate) struct LinesAhead {
    path: PathBuf,
    batches: Ahead<Batch>,
    /// The present batch, less the lines that were read.
    batch: Batch,
    lines: vec::IntoIter<(usize, Result<Line, LineError>)>,
    /// The batch after it, where somebody had to look.
    following: Option<Batch>,
    /// Where in the batch the last line stands that was read, with its end.
    line: Range<usize>,
    /// The number of the last line that was read, from 1.
    number: u64,
    /// Where that line begins.
    start: u64,
    /// Bytes read so far.
    read_bytes: u64,
}

impl LinesAhead {
    /// Begins to read.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn new(mut lines: RawLines) -> Result<Self, ReadError> {
        let path = lines.path().to_owned();
        let mut is_done = false;
        let batches = Ahead::new(iter::from_fn(move || {
            let batch = (!is_done).then(|| Batch::read(&mut lines))?;
            is_done = batch.end.is_some();
            Some(batch)
        }));
        Ok(Self {
            batches: batches.map_err(|error| ReadError::new(&path, Flaw::Io(error)))?,
            path,
            batch: Batch::default(),
            lines: Vec::new().into_iter(),
            following: None,
            line: 0..0,
            number: 0,
            start: 0,
            read_bytes: 0,
        })
    }

    /// Reads the next line.
    fn read(&mut self) -> Result<FoundLine, ReadError> {
        self.number += 1;
        self.start = self.read_bytes;
        loop {
            if let Some((length, line)) = self.lines.next() {
                self.pass(length);
                return Ok(FoundLine::Whole(line));
            }
            let Some(end) = self.batch.end.take() else {
                self.turn()?;
                continue;
            };
            self.pass(self.batch.bytes.len() - self.line.end);
            let end = end?;
            self.batch.end = Some(Ok(RawLine::End));
            return Ok(match end {
                RawLine::Torn => FoundLine::Torn,
                RawLine::Whole | RawLine::End => FoundLine::End,
            });
        }
    }

    /// Goes past so many bytes.
    fn pass(&mut self, length: usize) {
        self.line = self.line.end..self.line.end + length;
        self.read_bytes += length as u64;
    }

    /// Goes to the next batch.
    fn turn(&mut self) -> Result<(), ReadError> {
        self.batch = match self.following.take() {
            Some(batch) => batch,
            None => self.next_batch()?,
        };
        self.lines = mem::take(&mut self.batch.lines).into_iter();
        self.line = 0..0;
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Batch, ReadError> {
        let batch = self.batches.next();
        batch.map_err(|error| ReadError::new(&self.path, Flaw::Io(error)))
    }

    /// Whether there is nothing after what was read.
    fn is_at_end(&mut self) -> Result<bool, ReadError> {
        if self.lines.len() > 0 {
            return Ok(false);
        }
        if self.batch.end.is_none() && self.following.is_none() {
            self.following = Some(self.next_batch()?);
        }
        let end = match &mut self.following {
            Some(batch) if !batch.lines.is_empty() => return Ok(false),
            Some(batch) => &mut batch.end,
            None => &mut self.batch.end,
        };
        match end.take() {
            // There is a line, though no good one.
            Some(Err(error)) if !matches!(error.flaw, Flaw::TooLong) => Err(self.fail(error.flaw)),
            found => {
                let is_at_end = matches!(found, Some(Ok(RawLine::End)));
                *end = found;
                Ok(is_at_end)
            }
        }
    }

    fn place(&self) -> LinePlace {
        LinePlace {
            line: self.number,
            byte: self.start,
        }
    }

    fn fail(&self, flaw: Flaw) -> ReadError {
        ReadError {
            file: self.path.clone(),
            at: Some(self.place()),
            flaw,
        }
    }
}
