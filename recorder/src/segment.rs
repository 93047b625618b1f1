//! A trace's files: their names, their first lines, and which of them make one trace.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::Seq;
use memchr::memchr;
use serde::Deserialize;
use uuid::Uuid;
use zstd::zstd_safe::DParameter;

use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::{Line, MAX_LINE_BYTES};
use crate::reader::TornTail;
use crate::wire::{Body, FORMAT_NAME, FORMAT_VERSION, LogOpened};

/// What a block of a file is read in. Blocks of this size were as fast as mapping the file, and a
/// mapped file counts as resident.
const BLOCK_BYTES: usize = 256 << 10;

/// The largest window that compressed data may ask for: 8 MiB, what zstd's levels up to 19 use.
/// It bounds the memory that a file from a stranger can take.
const WINDOW_LOG_MAX: u32 = 23;

const PLAIN: &str = ".jsonl";
const COMPRESSED: &str = ".jsonl.zst";

/// Returns the file name of a segment that is opened at `t_ms`; `None` for a time that no calendar
/// has.
pub fn file_name(t_ms: i64, session: Uuid, segment: u32) -> Option<String> {
    let utc = jiff::Timestamp::from_millisecond(t_ms)
        .ok()?
        .strftime("%Y%m%dT%H%M%SZ");
    Some(format!("{utc}-{}-{segment:04}{PLAIN}", session.simple()))
}

/// Returns the session and the segment that a file name tells.
pub(crate) fn parse_file_name(path: &Path) -> Option<(Uuid, u32)> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(COMPRESSED)
        .or_else(|| name.strip_suffix(PLAIN))?;
    let (rest, segment) = stem.rsplit_once('-')?;
    let (_, session) = rest.rsplit_once('-')?;
    Some((Uuid::try_parse(session).ok()?, segment.parse().ok()?))
}

/// A segment of a trace.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its file.
    pub path: PathBuf,
    /// What its first line says.
    pub header: LogOpened,
    /// The seq of its first line.
    pub first_seq: Seq,
    /// The time of its first line.
    pub opened_t_ms: i64,
}

impl Segment {
    /// Reads the first line of a file.
    ///
    /// # Errors
    /// What cannot be read; a first line that has no end, or is none of this format, or of a newer
    /// version.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        probe(path)?.whole(path)
    }
}

/// How a segment's file ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// With the end of a line, or it is empty.
    Whole,
    /// In the middle of a line.
    Torn,
    /// Not known: more would have to be decompressed than was allowed.
    Unread,
}

impl FileEnd {
    /// Looks at the last byte of a file. A compressed one is decompressed to there, in bounded
    /// memory; what that gives is taken from `left_bytes`.
    ///
    /// # Errors
    /// What cannot be read; compressed data that are damaged or cut off.
    pub fn of(path: &Path, left_bytes: &mut u64) -> Result<Self, ReadError> {
        let last = if is_compressed(path) {
            let Some(last) = last_decompressed(path, left_bytes)? else {
                return Ok(Self::Unread);
            };
            last
        } else {
            last_byte(path).map_err(|error| ReadError::new(path, Flaw::Io(error)))?
        };
        Ok(match last {
            b'\n' => Self::Whole,
            _ => Self::Torn,
        })
    }
}

/// The last byte of a plain file; a line's end where there is none.
fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last[0])
}

/// The same of a compressed file; `None` where it may not be read to its end.
fn last_decompressed(path: &Path, left_bytes: &mut u64) -> Result<Option<u8>, ReadError> {
    let mut bytes = SegmentBytes::open(path)?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut last = b'\n';
    while *left_bytes > 0 {
        let room = usize::try_from(*left_bytes).map_or(BLOCK_BYTES, |it| it.min(BLOCK_BYTES));
        let count = bytes.read(&mut block[..room]);
        match count.map_err(|flaw| ReadError::new(path, flaw))? {
            0 => return Ok(Some(last)),
            count => {
                last = block[count - 1];
                *left_bytes -= count as u64;
            }
        }
    }
    Ok(None)
}

/// A file that may be a segment, as far as its first line tells.
pub(crate) enum Probe {
    /// It is one.
    Segment(Box<Segment>),
    /// A segment by its name whose first line was never finished.
    Unfinished {
        path: PathBuf,
        session: Uuid,
        segment: u32,
    },
}

/// Reads what a file says of itself.
pub(crate) fn probe(path: &Path) -> Result<Probe, ReadError> {
    let mut lines = RawLines::open(path)?;
    probe_lines(path, &mut lines)
}

/// Reads what the first line of some lines says.
pub(crate) fn probe_lines(path: &Path, lines: &mut RawLines) -> Result<Probe, ReadError> {
    let fail = |flaw| ReadError {
        at: None,
        ..ReadError::new(path, flaw)
    };
    let at_first = |flaw| ReadError {
        at: Some(LinePlace { line: 1, byte: 0 }),
        ..fail(flaw)
    };
    let ending = match lines.read()? {
        RawLine::Whole => None,
        ending => Some(ending),
    };
    if let Some(ending) = ending {
        return match (parse_file_name(path), ending) {
            (Some((session, segment)), _) => Ok(Probe::Unfinished {
                path: path.to_owned(),
                session,
                segment,
            }),
            (None, RawLine::End) => Err(fail(Flaw::Empty)),
            (None, _) => Err(fail(Flaw::NotATrace(
                "its first line has no end".to_owned(),
            ))),
        };
    }
    let no_trace = |found: &str| {
        let problem =
            format!("{found}, expected a line of type \"log_opened\" and format \"{FORMAT_NAME}\"");
        at_first(Flaw::NotATrace(problem))
    };
    let head: Head = serde_json::from_slice(lines.text()).map_err(|_| {
        let problem = Line::parse(lines.text())
            .err()
            .map(|error| error.to_string());
        no_trace(&problem.unwrap_or_else(|| "its first line is of another kind".to_owned()))
    })?;
    if head.type_name != "log_opened" || head.format.as_deref() != Some(FORMAT_NAME) {
        return Err(no_trace(&format!(
            "it begins with a line of type {:?}",
            head.type_name
        )));
    }
    match head.v {
        Some(found) if found > u64::from(FORMAT_VERSION) => {
            return Err(at_first(Flaw::NewerVersion { found }));
        }
        Some(1) => {}
        _ => return Err(no_trace("it tells no version that ever was")),
    }
    let line = Line::parse(lines.text()).map_err(|error| at_first(Flaw::BadLine(error)))?;
    let Body::LogOpened(header) = line.body else {
        return Err(no_trace(&format!(
            "it begins with a line of type {:?}",
            line.body.type_name()
        )));
    };
    Ok(Probe::Segment(Box::new(Segment {
        path: path.to_owned(),
        header,
        first_seq: line.seq,
        opened_t_ms: line.t_ms,
    })))
}

/// As much of a first line as must be understood in any version.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "type")]
    type_name: String,
    format: Option<String>,
    v: Option<u64>,
}

/// The traces of a folder or what is wrong with them, each with its first file.
pub type ByFirstFile<T> = Vec<(PathBuf, Result<T, ReadError>)>;

/// The segments that make one trace, in their order.
#[derive(Debug)]
pub(crate) struct SegmentFiles {
    pub(crate) segments: Vec<Segment>,
    /// A segment after the last one that was created and has no whole line.
    pub(crate) unfinished: Option<TornTail>,
}

impl SegmentFiles {
    /// Finds the trace that a segment or a folder names.
    pub(crate) fn find(path: &Path) -> Result<Self, ReadError> {
        let metadata = fs::metadata(path).map_err(|error| ReadError::new(path, Flaw::Io(error)))?;
        if metadata.is_dir() {
            return Self::find_only(path);
        }
        if !is_named_as_segment(path) {
            let problem = format!("its name ends neither in {PLAIN} nor in {COMPRESSED}");
            return Err(ReadError::new(path, Flaw::NotATrace(problem)));
        }
        let session = match probe(path)? {
            Probe::Segment(segment) => segment.header.session,
            Probe::Unfinished { session, .. } => session,
        };
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut found = Found::default();
        for other in list(folder)? {
            match probe(&other) {
                Ok(probe) if probe.session() == session => found.add(probe),
                // A neighbour that is no trace is no concern of this one, unless its name says so.
                Err(error) if parse_file_name(&other).is_some_and(|name| name.0 == session) => {
                    return Err(error);
                }
                _ => {}
            }
        }
        found.finish(path)
    }

    /// Finds the only trace of a folder.
    fn find_only(folder: &Path) -> Result<Self, ReadError> {
        let mut traces: BTreeMap<Uuid, Found> = BTreeMap::new();
        for path in list(folder)? {
            let probe = probe(&path)?;
            traces.entry(probe.session()).or_default().add(probe);
        }
        let mut traces = traces.into_values();
        match (traces.next(), traces.len()) {
            (None, _) => {
                let problem = format!("there is no {PLAIN} or {COMPRESSED} file in the folder");
                Err(ReadError::new(folder, Flaw::NotATrace(problem)))
            }
            (Some(only), 0) => only.finish(folder),
            (Some(first), _) => {
                let mut names: Vec<PathBuf> = std::iter::once(first)
                    .chain(traces)
                    .filter_map(|found| found.first_path())
                    .collect();
                names.sort();
                Err(ReadError::new(folder, Flaw::SeveralTraces(names)))
            }
        }
    }

    /// Finds each trace of a folder, with its first file, in the order of these files' names. What is
    /// wrong with one is no concern of the others.
    pub(crate) fn find_each(folder: &Path) -> Result<ByFirstFile<Self>, ReadError> {
        let mut traces: BTreeMap<Uuid, Result<Found, ReadError>> = BTreeMap::new();
        let mut found = Vec::new();
        for path in list(folder)? {
            match probe(&path) {
                Ok(probe) => {
                    let trace = traces.entry(probe.session());
                    if let Ok(trace) = trace.or_insert_with(|| Ok(Found::default())) {
                        trace.add(probe);
                    }
                }
                Err(error) => match parse_file_name(&path) {
                    Some((session, _)) => drop(traces.insert(session, Err(error))),
                    None => found.push((path, Err(error))),
                },
            }
        }
        let is_only = traces.len() + found.len() == 1;
        found.extend(traces.into_values().map(|trace| match trace {
            Ok(trace) => {
                let first = trace.first_path().unwrap_or_else(|| folder.to_owned());
                let files = trace
                    .finish(folder)
                    .map_err(|error| match error.file == folder {
                        true if !is_only => ReadError {
                            file: first.clone(),
                            ..error
                        },
                        _ => error,
                    });
                (first, files)
            }
            Err(error) => (error.file.clone(), Err(error)),
        }));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(found)
    }

    /// Finds the newest trace of an extension's session in a folder, and of it the last segment;
    /// `None` where there is none. Files that cannot be read are passed over: they are no reason
    /// not to begin a trace.
    pub(crate) fn newest_of(
        folder: &Path,
        extension_session: &str,
    ) -> Result<Option<Segment>, ReadError> {
        // Ids sort by when traces were begun. The times in the names do not, where the clock was
        // set back in between.
        let mut paths = list(folder)?;
        paths.sort_by_key(|path| parse_file_name(path));
        for path in paths.into_iter().rev() {
            if let Ok(Probe::Segment(segment)) = probe(&path)
                && segment.header.extension_session.as_deref() == Some(extension_session)
            {
                return Ok(Some(*segment));
            }
        }
        Ok(None)
    }
}

impl Probe {
    /// The segment, if its first line has an end.
    pub(crate) fn whole(self, path: &Path) -> Result<Segment, ReadError> {
        match self {
            Self::Segment(segment) => Ok(*segment),
            Self::Unfinished { .. } => Err(ReadError::new(path, Flaw::Empty)),
        }
    }

    fn session(&self) -> Uuid {
        match self {
            Self::Segment(segment) => segment.header.session,
            Self::Unfinished { session, .. } => *session,
        }
    }
}

/// The files of one trace, as they are found.
#[derive(Default)]
struct Found {
    segments: Vec<Segment>,
    unfinished: Vec<(u32, PathBuf)>,
}

impl Found {
    fn add(&mut self, probe: Probe) {
        match probe {
            Probe::Segment(segment) => self.segments.push(*segment),
            Probe::Unfinished { path, segment, .. } => self.unfinished.push((segment, path)),
        }
    }

    fn first_path(&self) -> Option<PathBuf> {
        let whole = self
            .segments
            .iter()
            .map(|segment| (segment.header.segment, &segment.path));
        let unfinished = self
            .unfinished
            .iter()
            .map(|(segment, path)| (*segment, path));
        whole.chain(unfinished).min().map(|(_, path)| path.clone())
    }

    fn finish(mut self, named: &Path) -> Result<SegmentFiles, ReadError> {
        self.segments.sort_by(|a, b| {
            // Of a plain and a compressed file of one segment the plain one comes first.
            (a.header.segment, is_compressed(&a.path), &a.path).cmp(&(
                b.header.segment,
                is_compressed(&b.path),
                &b.path,
            ))
        });
        // A host that ended while it replaced a segment by its compressed form left both.
        self.segments.dedup_by(|later, earlier| {
            later.path.file_name().is_some_and(|name| {
                earlier.path.file_name().is_some_and(|plain| {
                    name.to_str().and_then(|name| name.strip_suffix(".zst")) == plain.to_str()
                })
            })
        });
        // Whoever names a file means it, and no copy that lies beside it.
        let is_named = |segment: &Segment| segment.path.file_name() == named.file_name();
        if let Some(segment) = self.segments.iter().find(|it| is_named(it)) {
            let number = segment.header.segment;
            self.segments
                .retain(|it| it.header.segment != number || is_named(it));
        }
        for pair in self.segments.windows(2) {
            if pair[0].header.segment == pair[1].header.segment {
                let flaw = Flaw::SameSegment {
                    segment: pair[0].header.segment,
                    other: pair[0].path.clone(),
                };
                return Err(ReadError::new(&pair[1].path, flaw));
            }
        }
        for (expected, segment) in (0..).zip(&self.segments) {
            if segment.header.segment != expected {
                return Err(ReadError::new(named, Flaw::MissingSegment(expected)));
            }
        }
        if self.segments.is_empty() {
            return Err(ReadError::new(named, Flaw::Empty));
        }
        let mut unfinished = None;
        for (segment, path) in self.unfinished {
            if segment as usize != self.segments.len() {
                return Err(ReadError::new(&path, Flaw::Empty));
            }
            let bytes = fs::metadata(&path)
                .map_err(|error| ReadError::new(&path, Flaw::Io(error)))?
                .len();
            unfinished = Some(TornTail {
                file: path,
                byte: 0,
                bytes,
            });
        }
        Ok(SegmentFiles {
            segments: self.segments,
            unfinished,
        })
    }
}

/// Lists the files of a folder that are segments by their names, in the order of the names.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let fail = |error| ReadError::new(folder, Flaw::Io(error));
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if is_named_as_segment(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Whether a file has the name of a segment, whatever is in it. Others are none.
pub fn is_named_as_segment(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.ends_with(PLAIN) || name.ends_with(COMPRESSED))
}

pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}

/// What was found where a line was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawLine {
    /// A line and its end.
    Whole,
    /// Some bytes without an end, the last of the file.
    Torn,
    /// The end of the file.
    End,
}

/// A segment's bytes, decompressed. `path` is what they are called by.
pub(crate) struct SegmentBytes {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    is_plain: bool,
}

impl SegmentBytes {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        Self::open_with(path, Checksums::Checked)
    }

    /// The same for who checks the sums of the segment: zstd's own take a tenth of the time, and a
    /// seal says more than they do. Where there is none, [`check_frames`] looks at them.
    pub(crate) fn open_to_sum(path: &Path) -> Result<Self, ReadError> {
        Self::open_with(path, Checksums::PassedOver)
    }

    fn open_with(path: &Path, checksums: Checksums) -> Result<Self, ReadError> {
        let fail = |error| ReadError::new(path, Flaw::Io(error));
        let file = File::open(path).map_err(fail)?;
        if is_compressed(path) {
            let decoder = decoder(file, checksums).map_err(fail)?;
            return Ok(Self::of(path, Box::new(decoder)));
        }
        Ok(Self {
            is_plain: true,
            ..Self::of(path, Box::new(file))
        })
    }

    /// Takes bytes that stand in no file of lines.
    pub(crate) fn of(path: &Path, input: Box<dyn Read + Send>) -> Self {
        Self {
            path: path.to_owned(),
            input,
            is_plain: false,
        }
    }

    /// Whether they stand in their file as they are, which makes reading them little work.
    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads some bytes, and returns how many; 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize, Flaw> {
        loop {
            match self.input.read(out) {
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.flaw(error)),
            }
        }
    }

    /// Tells a failing file from damaged data: only the system's own errors have a number.
    fn flaw(&self, error: io::Error) -> Flaw {
        if is_compressed(&self.path) && error.raw_os_error().is_none() {
            Flaw::Compressed(error)
        } else if error.kind() == io::ErrorKind::InvalidData {
            Flaw::Damaged(error)
        } else {
            Flaw::Io(error)
        }
    }
}

/// A line that is too long to be one.
pub(crate) struct TooLong;

/// Returns the length of the line at the front, its end included; `None` where there is no end.
#[inline]
pub(crate) fn line_length(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    // What is longer is no line, whatever comes.
    let bytes = &bytes[..bytes.len().min(MAX_LINE_BYTES)];
    match memchr(b'\n', bytes) {
        Some(index) => Ok(Some(index + 1)),
        None if bytes.len() == MAX_LINE_BYTES => Err(TooLong),
        None => Ok(None),
    }
}

/// The lines of a file as bytes. They stay where a block of the file was read to.
pub(crate) struct RawLines {
    bytes: SegmentBytes,
    block: Vec<u8>,
    /// How much of the block is read.
    filled: usize,
    /// Where in the block the last line stands that was read, with its end.
    line: Range<usize>,
    /// The number of the last line that was read, from 1.
    number: u64,
    /// Where that line begins.
    start: u64,
    /// Bytes of whole lines, and of an unfinished last one, read so far.
    read_bytes: u64,
}

impl RawLines {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        SegmentBytes::open(path).map(Self::of)
    }

    pub(crate) fn of(bytes: SegmentBytes) -> Self {
        Self {
            bytes,
            block: vec![0; BLOCK_BYTES],
            filled: 0,
            line: 0..0,
            number: 0,
            start: 0,
            read_bytes: 0,
        }
    }

    /// Reads the next line.
    pub(crate) fn read(&mut self) -> Result<RawLine, ReadError> {
        self.line = self.line.end..self.line.end;
        self.number += 1;
        self.start = self.read_bytes;
        let mut searched = 0;
        let (found, length) = loop {
            let rest = &self.block[self.line.start..self.filled];
            // What is longer is no line, whatever comes.
            let rest = &rest[..rest.len().min(MAX_LINE_BYTES)];
            if let Some(index) = memchr(b'\n', &rest[searched..]) {
                break (RawLine::Whole, searched + index + 1);
            }
            searched = rest.len();
            if searched == MAX_LINE_BYTES {
                self.line.end += searched;
                return Err(self.fail(Flaw::TooLong));
            }
            if self.fill()? == 0 {
                let is_there = searched > 0;
                let found = if is_there {
                    RawLine::Torn
                } else {
                    RawLine::End
                };
                break (found, searched);
            }
        };
        self.line.end += length;
        self.read_bytes += length as u64;
        Ok(found)
    }

    /// Reads more of the file behind what is there, and returns how much; 0 at its end. Before
    /// the last line nothing is kept.
    fn fill(&mut self) -> Result<usize, ReadError> {
        self.block.copy_within(self.line.start..self.filled, 0);
        self.filled -= self.line.start;
        self.line = 0..self.line.len();
        if self.filled == self.block.len() {
            self.block.resize(2 * self.filled, 0);
        }
        let count = self.bytes.read(&mut self.block[self.filled..]);
        let count = count.map_err(|flaw| self.fail(flaw))?;
        self.filled += count;
        Ok(count)
    }

    /// Passes over what is left of a line that is too long to be one, and returns its whole length
    /// with its end.
    pub(crate) fn skip_rest(&mut self) -> Result<u64, ReadError> {
        let mut bytes = self.line.len() as u64;
        loop {
            let rest = &self.block[self.line.end..self.filled];
            let end = memchr(b'\n', rest);
            let count = end.map_or(rest.len(), |end| end + 1);
            self.line = self.line.end + count..self.line.end + count;
            bytes += count as u64;
            if end.is_some() || self.fill()? == 0 {
                self.read_bytes = self.start + bytes;
                return Ok(bytes);
            }
        }
    }

    /// The last line that was read, with its end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.block[self.line.clone()]
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
            byte: self.start,
        }
    }

    /// Bytes read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Makes an error that names the last line that was read.
    pub(crate) fn fail(&self, flaw: Flaw) -> ReadError {
        ReadError {
            file: self.bytes.path().to_owned(),
            at: Some(self.place()),
            flaw,
        }
    }
}

/// What becomes of the checksums that compressed data have of their own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Checksums {
    Checked,
    PassedOver,
}

/// Begins to decompress a file, in bounded memory.
fn decoder(
    file: File,
    checksums: Checksums,
) -> io::Result<zstd::Decoder<'static, BufReader<File>>> {
    let mut decoder = zstd::Decoder::new(file)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let are_passed_over = checksums == Checksums::PassedOver;
    decoder.set_parameter(DParameter::ForceIgnoreChecksum(are_passed_over))?;
    Ok(decoder)
}

/// Decompresses a file to its end, to hold it against the checksums that it has of its own.
pub(crate) fn check_frames(path: &Path) -> Result<(), ReadError> {
    let mut all = u64::MAX;
    last_decompressed(path, &mut all).map(drop)
}
