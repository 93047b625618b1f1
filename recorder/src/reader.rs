//! Reads traces: a line at a time, all segments of a trace as one, nothing taken on trust.
//!
//! Memory does not grow with the files. Reading ends quietly in two places only: after the last
//! line, and before a torn tail, which a writer that was stopped leaves behind. Everything else
//! that does not hold is an error, and never repaired here.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::hex;
use sha2::{Digest, Sha256};

use crate::batch::{FoundLine, SegmentLines};
use crate::bytes::{RawLines, SegmentBytes, check_frames, is_compressed};
use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::Line;
use crate::segment::{ByFirstFile, Segment, SegmentFiles, probe_lines};
use crate::tally::{Place, Tally};
use crate::wire::{Body, LogClosed, LogOpened};

/// A trace on disk: which files it is made of.
#[derive(Debug)]
pub struct Trace {
    files: SegmentFiles,
    source: Option<Arc<dyn SegmentSource>>,
}

/// Gives the lines of a trace that is kept in another form than files of lines.
///
/// What it gives is read and checked as a file is: every line, checkpoint and seal.
pub trait SegmentSource: fmt::Debug + Send + Sync {
    /// How many segments there are.
    fn segment_count(&self) -> usize;

    /// Begins to give a segment's bytes, as they would stand in its file.
    ///
    /// # Errors
    /// What the system refuses. Data that are damaged have the kind `InvalidData`, here and while
    /// they are read.
    fn open(&self, segment: usize) -> io::Result<Box<dyn Read + Send>>;
}

impl Trace {
    /// Finds the trace that a path names: any of its segments, or a folder that holds no other.
    ///
    /// # Errors
    /// What cannot be read; a folder with no trace or several; a first line that is none of this
    /// format, or of a newer version; a missing segment.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let files = SegmentFiles::find(path.as_ref())?;
        Ok(Self {
            files,
            source: None,
        })
    }

    /// Finds each trace that a folder holds, with its first file, in the order of these files' names.
    ///
    /// # Errors
    /// A folder that cannot be read; for each trace what [`Trace::open`] says of that file.
    pub fn open_each(folder: impl AsRef<Path>) -> Result<ByFirstFile<Self>, ReadError> {
        let found = SegmentFiles::find_each(folder.as_ref())?;
        let found = found.into_iter().map(|(first, files)| {
            let trace = files.map(|files| Self {
                files,
                source: None,
            });
            (first, trace)
        });
        Ok(found.collect())
    }

    /// Takes a trace from a source. `path` is what its segments are called by.
    ///
    /// # Errors
    /// As [`Trace::open`].
    pub fn from_source(path: &Path, source: Arc<dyn SegmentSource>) -> Result<Self, ReadError> {
        let mut segments = Vec::new();
        for index in 0..source.segment_count() {
            let mut lines = RawLines::of(open_segment(path, Some(&*source), index)?);
            segments.push(probe_lines(path, &mut lines)?.whole(path)?);
        }
        for (expected, segment) in (0..).zip(&segments) {
            if segment.header.segment != expected {
                return Err(ReadError::new(path, Flaw::MissingSegment(expected)));
            }
        }
        if segments.is_empty() {
            return Err(ReadError::new(path, Flaw::Empty));
        }
        let files = SegmentFiles {
            segments,
            unfinished: None,
        };
        Ok(Self {
            files,
            source: Some(source),
        })
    }

    /// Returns the header of the first segment: what the trace is.
    pub fn header(&self) -> &LogOpened {
        &self.files.segments[0].header
    }

    /// Returns the segments, in their order. There is at least one.
    pub fn segments(&self) -> &[Segment] {
        &self.files.segments
    }

    /// A segment after the last one whose first line was never finished.
    pub(crate) fn unfinished(&self) -> Option<&TornTail> {
        self.files.unfinished.as_ref()
    }

    /// Begins to read, from the first line.
    pub fn read(&self) -> TraceReader {
        self.reader(false)
    }

    /// The same, on two threads: lines are read and parsed in one of their own, and are checked
    /// where they are asked for. For traces that are long.
    pub fn read_ahead(&self) -> TraceReader {
        self.reader(true)
    }

    fn reader(&self, is_ahead: bool) -> TraceReader {
        TraceReader {
            is_ahead,
            segments: self.files.segments.clone(),
            source: self.source.clone(),
            unfinished: self.files.unfinished.clone(),
            stop_before: None,
            index: 0,
            current: None,
            segment_lines: 0,
            segment_bytes: 0,
            place: Place::START,
            digest: Sha256::new(),
            seal: None,
            torn_tail: None,
            superseded_bytes: 0,
            line_count: 0,
            unknown_count: 0,
            lines_since_checkpoint: 0,
            last_checkpoint_t_ms: None,
            is_done: false,
        }
    }
}

/// Opens a segment where it is kept.
fn open_segment(
    path: &Path,
    source: Option<&dyn SegmentSource>,
    index: usize,
) -> Result<SegmentBytes, ReadError> {
    let Some(source) = source else {
        return SegmentBytes::open_to_sum(path);
    };
    match source.open(index) {
        Ok(input) => Ok(SegmentBytes::of(path, input)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(ReadError::new(path, Flaw::Damaged(error)))
        }
        Err(error) => Err(ReadError::new(path, Flaw::Io(error))),
    }
}

/// An unfinished end of a trace: what was not written to its end when the writer was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// The file it stands in.
    pub file: PathBuf,
    /// Where it begins.
    pub byte: u64,
    /// How long it is.
    pub bytes: u64,
}

/// Where a reader stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub file: PathBuf,
    /// The last line that was read.
    pub at: LinePlace,
}

/// Reads the lines of a trace. After an error it ends.
pub struct TraceReader {
    is_ahead: bool,
    segments: Vec<Segment>,
    source: Option<Arc<dyn SegmentSource>>,
    unfinished: Option<TornTail>,
    /// The seq before which to stop, if not at the end.
    stop_before: Option<u64>,
    /// The segment that is read.
    index: usize,
    current: Option<Box<SegmentLines>>,
    /// How many lines of it were read, and how many bytes they have.
    segment_lines: u64,
    segment_bytes: u64,
    pub(crate) place: Place,
    digest: Sha256,
    seal: Option<LogClosed>,
    torn_tail: Option<TornTail>,
    superseded_bytes: u64,
    line_count: u64,
    unknown_count: u64,
    pub(crate) lines_since_checkpoint: u64,
    pub(crate) last_checkpoint_t_ms: Option<i64>,
    is_done: bool,
}

impl TraceReader {
    /// Reads no line whose seq is `seq` or higher.
    #[must_use]
    pub(crate) fn stopping_before(mut self, seq: u64) -> Self {
        self.stop_before = Some(seq);
        self
    }

    /// Returns the place of the line that was read last; `None` before the first.
    pub fn position(&self) -> Option<Position> {
        let lines = self.current.as_ref()?;
        let file = self.segments.get(self.index)?.path.clone();
        Some(Position {
            file,
            at: lines.place(),
        })
    }

    /// Returns the bytes of the line that was read last, without its end: what it says beyond the
    /// fields that are known here. `None` before the first.
    pub fn text(&self) -> Option<&[u8]> {
        self.current.as_deref().map(SegmentLines::text)
    }

    /// Returns what stands unfinished at the end, once the end was reached.
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.torn_tail.as_ref()
    }

    /// Whether the end was reached and is sealed: the host closed the log in order.
    pub fn sealed(&self) -> bool {
        self.is_done
            && self
                .seal
                .as_ref()
                .is_some_and(|seal| seal.next_segment.is_none())
    }

    /// Returns the segment that the last seal promises and that is not there. A host that is
    /// stopped between the two leaves that behind; so does a lost file.
    pub fn missing_segment(&self) -> Option<u32> {
        self.seal
            .as_ref()
            .filter(|_| self.is_done)
            .and_then(|seal| seal.next_segment)
    }

    /// Returns how many bytes were passed over because the next segment has their lines anew,
    /// after a sync that failed. Those of a compressed segment are not decompressed to be counted.
    pub fn superseded_bytes(&self) -> u64 {
        self.superseded_bytes
    }

    /// Returns how many lines were read.
    pub fn line_count(&self) -> u64 {
        self.line_count
    }

    /// Returns how many of them are of a type that this version does not know.
    pub fn unknown_count(&self) -> u64 {
        self.unknown_count
    }

    /// Returns a hash of all lines read so far: the first 16 hex digits of the SHA-256 of the
    /// segments' SHA-256. It is the same for plain and compressed files.
    pub fn digest(&self) -> String {
        let digest = self.digest.clone();
        let digest = digest.chain_update(self.tally().sha256());
        hex(&digest.finalize()[..8])
    }

    /// Returns the account of the present segment's lines.
    pub(crate) fn tally(&self) -> Tally {
        match &self.current {
            Some(lines) => lines.tally(self.segment_lines, self.segment_bytes),
            None => Tally::default(),
        }
    }

    /// Reads the next line and lends it, which saves moving it; `None` at the end.
    ///
    /// # Errors
    /// What does not hold. There is nothing after it.
    pub fn lend(&mut self) -> Result<Option<&Line>, ReadError> {
        Ok(self.read()?.map(|line| &*line))
    }

    /// Returns the line that was lent last, beside the rest of the reader; `None` before the first
    /// and after the last.
    pub fn line(&self) -> Option<&Line> {
        let lines = self.current.as_deref();
        let has_one = self.line_count > 0 && !self.is_done;
        lines.filter(|_| has_one).map(SegmentLines::line)
    }

    fn read(&mut self) -> Result<Option<&mut Line>, ReadError> {
        if self.is_done {
            return Ok(None);
        }
        let found = self.advance();
        if matches!(found, Ok(true)) {
            return Ok(self.current.as_deref_mut().map(SegmentLines::line_mut));
        }
        self.is_done = true;
        if found.is_err() {
            self.seal = None;
        } else if self.torn_tail.is_none() && self.stop_before.is_none() {
            self.torn_tail = self.unfinished.take();
        }
        found.map(|_| None)
    }

    /// Reads the next line; `false` at the end.
    fn advance(&mut self) -> Result<bool, ReadError> {
        loop {
            if self.stop_before == Some(self.place.next_seq) {
                return Ok(false);
            }
            let next_first_seq = self
                .segments
                .get(self.index + 1)
                .map(|next| next.first_seq.0);
            let mut lines = match self.current.take() {
                Some(lines) => lines,
                None => {
                    let path = &self.segments[self.index].path;
                    let bytes = open_segment(path, self.source.as_deref(), self.index)?;
                    Box::new(match self.is_ahead {
                        true => SegmentLines::ahead(bytes)?,
                        false => SegmentLines::here(bytes),
                    })
                }
            };
            if next_first_seq == Some(self.place.next_seq) && self.segment_lines > 0 {
                let left = self.leave_segment(&mut lines);
                if left.is_err() {
                    self.current = Some(lines);
                }
                left?;
                continue;
            }
            let found = self.read_line(&mut lines, next_first_seq.is_none());
            self.current = Some(lines);
            if found? {
                return Ok(true);
            }
            let Some(found) = next_first_seq else {
                return Ok(false);
            };
            let flaw = Flaw::Gap {
                expected: self.place.next_seq,
                found,
            };
            return Err(ReadError {
                at: Some(LinePlace { line: 1, byte: 0 }),
                ..ReadError::new(&self.segments[self.index + 1].path, flaw)
            });
        }
    }

    /// Reads a line of the current segment; `false` at its end.
    fn read_line(&mut self, lines: &mut SegmentLines, is_last: bool) -> Result<bool, ReadError> {
        let found = lines.read()?;
        if self.seal.is_some() && !matches!(found, FoundLine::End) {
            return Err(lines.fail(Flaw::AfterSeal));
        }
        match found {
            FoundLine::Line => {}
            FoundLine::End => {
                self.check_unsealed(lines)?;
                return Ok(false);
            }
            FoundLine::Bad(error) if !is_last || !lines.is_at_end()? => {
                return Err(lines.fail(Flaw::BadLine(error)));
            }
            FoundLine::Torn if !is_last => return Err(lines.fail(Flaw::NoLineEnd)),
            FoundLine::Bad(_) | FoundLine::Torn => {
                self.check_unsealed(lines)?;
                self.torn_tail = Some(TornTail {
                    file: self.segments[self.index].path.clone(),
                    byte: lines.place().byte,
                    bytes: lines.bytes().len() as u64,
                });
                return Ok(false);
            }
        }
        self.check(lines).map_err(|flaw| lines.fail(flaw))?;
        self.place.advance(lines.line());
        self.segment_lines += 1;
        self.segment_bytes = lines.read_bytes();
        self.line_count += 1;
        Ok(true)
    }

    /// Holds a compressed segment that no seal covers against what zstd's checksums say of it.
    fn check_unsealed(&self, lines: &SegmentLines) -> Result<(), ReadError> {
        let path = &self.segments[self.index].path;
        if self.seal.is_some() || self.source.is_some() || !is_compressed(path) {
            return Ok(());
        }
        check_frames(path).map_err(|error| lines.fail(error.flaw))
    }

    /// Checks a line against everything that was read before it.
    fn check(&mut self, lines: &SegmentLines) -> Result<(), Flaw> {
        let line = lines.line();
        self.place.check(line)?;
        let tally = || lines.tally(self.segment_lines, self.segment_bytes);
        self.lines_since_checkpoint += 1;
        match &line.body {
            Body::LogOpened(header) => self.check_header(header)?,
            _ if self.segment_lines == 0 => {
                let problem = format!("found a line of type {:?} first", line.body.type_name());
                return Err(Flaw::HeaderMismatch(problem));
            }
            Body::Checkpoint(found) => {
                let expected = tally().checkpoint(found.state.clone());
                if *found != expected {
                    return Err(Flaw::CheckpointMismatch(format!(
                        "it says {} lines with the sum {}, and before it there are {} with {}",
                        found.events, found.crc32c, expected.events, expected.crc32c
                    )));
                }
                self.lines_since_checkpoint = 0;
                self.last_checkpoint_t_ms = Some(line.t_ms);
            }
            Body::LogClosed(found) => {
                let expected = tally().seal(found.next_segment);
                if *found != expected {
                    return Err(Flaw::SealMismatch(format!(
                        "it says {} lines with the sum {}, and before it there are {} with {}",
                        found.events, found.sha256, expected.events, expected.sha256
                    )));
                }
                // No sum covers the seal itself. Its other fields say what is known already.
                if line.t_ms != self.place.last_t_ms {
                    return Err(Flaw::SealMismatch(format!(
                        "its t_ms is {}, and that of the line before it {}",
                        line.t_ms, self.place.last_t_ms
                    )));
                }
                let next = self.segments[self.index].header.segment + 1;
                if let Some(named) = found.next_segment.filter(|&named| named != next) {
                    return Err(Flaw::SealMismatch(format!(
                        "it says that the trace goes on in segment {named}, expected {next}"
                    )));
                }
                self.seal = Some(found.clone());
            }
            Body::Unknown { .. } => self.unknown_count += 1,
            _ => {}
        }
        Ok(())
    }

    fn check_header(&self, header: &LogOpened) -> Result<(), Flaw> {
        let problem = if self.segment_lines > 0 {
            "found log_opened, which stands on first lines only".to_owned()
        } else if header.session != self.segments[0].header.session {
            format!(
                "session {}, expected {}",
                header.session, self.segments[0].header.session
            )
        } else if header.engine != self.segments[0].header.engine {
            format!(
                "engine {}, expected {}",
                header.engine, self.segments[0].header.engine
            )
        } else if *header != self.segments[self.index].header {
            "the file was changed while it was read".to_owned()
        } else {
            return Ok(());
        };
        Err(Flaw::HeaderMismatch(problem))
    }

    /// Goes to the next segment, which begins with the seq that is to come.
    fn leave_segment(&mut self, lines: &mut SegmentLines) -> Result<(), ReadError> {
        let path = &self.segments[self.index].path;
        let next = &self.segments[self.index + 1];
        if !lines.is_at_end()? && next.header.replaces_from != Some(next.first_seq) {
            let problem = format!(
                "it begins with seq {}, and the segment before it goes on from there",
                next.first_seq
            );
            return Err(ReadError {
                at: Some(LinePlace { line: 1, byte: 0 }),
                ..ReadError::new(&next.path, Flaw::HeaderMismatch(problem))
            });
        }
        if !lines.is_at_end()? && !is_compressed(path) {
            let length = fs::metadata(path)
                .map_err(|error| ReadError::new(path, Flaw::Io(error)))?
                .len();
            self.superseded_bytes += length.saturating_sub(lines.read_bytes());
        }
        self.check_unsealed(lines)?;
        let tally = lines.tally(self.segment_lines, self.segment_bytes);
        self.digest.update(tally.sha256());
        (self.segment_lines, self.segment_bytes) = (0, 0);
        self.seal = None;
        self.index += 1;
        Ok(())
    }
}

impl Iterator for TraceReader {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().map(|line| line.map(mem::take)).transpose()
    }
}
