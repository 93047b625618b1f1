//! A trace's files: their names, their first lines, and which of them make one trace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use engine::Seq;
use serde::Deserialize;
use uuid::Uuid;

use crate::bytes::{RawLine, RawLines, is_compressed};
use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::Line;
use crate::reader::TornTail;
use crate::wire::{Body, FORMAT_NAME, FORMAT_VERSION, LogOpened};

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
    let ending = lines.read()?;
    if ending != RawLine::Whole {
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
