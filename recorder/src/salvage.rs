//! Reads what is left of a damaged trace: past everything that a reader stops at.
//!
//! It repairs nothing and changes no file. It hands out every line that still is one, in the order
//! of the files, and what is none as so many damaged bytes; it is for the caller to judge whether
//! the lines belong together. Memory does not grow with the files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use uuid::Uuid;

use crate::bytes::{RawLine, RawLines};
use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::Line;
use crate::segment::{Probe, list, parse_file_name, probe};
use crate::tally::Tally;
use crate::wire::{Body, LogOpened};

/// A damaged trace on disk: the files that are its own, by their names or their first lines.
#[derive(Debug)]
pub struct Salvage {
    files: Vec<Piece>,
}

#[derive(Clone, Debug)]
struct Piece {
    path: PathBuf,
    segment: Option<u32>,
    /// What its first line says, if that can still be read.
    header: Option<LogOpened>,
}

/// What was found at a place of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// A line.
    Line(Box<Line>),
    /// Bytes that are no line.
    Damage(Damage),
}

/// Bytes that are no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where they begin.
    pub at: LinePlace,
    /// How many there are, as far as they could be read.
    pub bytes: u64,
    /// Whether they end as a line does. If not, nothing of the file can be read after them.
    pub has_end: bool,
    /// What is wrong with them.
    pub problem: String,
}

/// What the checkpoints and seals say of the bytes before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Vouched {
    /// Lines that a checkpoint or a seal that matches vouches for.
    pub lines: u64,
    /// Checkpoints and seals that match.
    pub matches: u64,
    /// Checkpoints and seals that do not.
    pub mismatches: u64,
}

impl Salvage {
    /// Finds the files of the trace that a path names: any of them, or a folder that holds no
    /// other trace.
    ///
    /// # Errors
    /// What the file system refuses; a folder with no trace or with several; a newer version of
    /// the format.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let metadata = fs::metadata(path).map_err(|error| ReadError::new(path, Flaw::Io(error)))?;
        let (folder, wanted) = if metadata.is_dir() {
            (path, None)
        } else {
            let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
            (folder.unwrap_or(Path::new(".")), Some(path))
        };
        let mut found = Vec::new();
        for file in list(folder)? {
            found.push((session_of(&file)?, file));
        }
        let session = match wanted {
            Some(wanted) => session_of(wanted)?,
            None => None,
        };
        let mut files: Vec<Piece> = match (wanted, session) {
            // Neither name nor first line tells what it is, so it stands alone.
            (Some(wanted), None) => vec![Piece::of(wanted)],
            (_, session) => {
                let sessions: BTreeSet<Uuid> = found.iter().filter_map(|it| it.0).collect();
                if session.is_none() && sessions.len() > 1 {
                    let names = found.into_iter().map(|(_, file)| file).collect();
                    return Err(ReadError::new(path, Flaw::SeveralTraces(names)));
                }
                let is_ours = |other: &Option<Uuid>| session.is_none() || *other == session;
                found
                    .iter()
                    .filter(|(other, _)| is_ours(other))
                    .map(|(_, file)| Piece::of(file))
                    .collect()
            }
        };
        if files.is_empty() {
            let problem = "there is no .jsonl or .jsonl.zst file in the folder".to_owned();
            return Err(ReadError::new(path, Flaw::NotATrace(problem)));
        }
        // Of a plain and a compressed file of one segment the plain one comes first, and the
        // lines of the other are then known already.
        files.sort_by(|a, b| (a.segment, &a.path).cmp(&(b.segment, &b.path)));
        Ok(Self { files })
    }

    /// Returns the header of the first segment that still has one.
    pub fn header(&self) -> Option<&LogOpened> {
        self.files.iter().find_map(|file| file.header.as_ref())
    }

    /// Returns the files, in their order.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*file.path)
    }

    /// Begins to read, from the first line.
    pub fn read(&self) -> SalvageReader {
        SalvageReader {
            files: self.files.clone(),
            index: 0,
            current: None,
            tally: Tally::default(),
            vouched: Vouched::default(),
            vouched_in_segment: 0,
        }
    }
}

impl Piece {
    fn of(path: &Path) -> Self {
        let header = match probe(path) {
            Ok(Probe::Segment(segment)) => Some(segment.header),
            _ => None,
        };
        let named = parse_file_name(path).map(|(_, segment)| segment);
        Self {
            path: path.to_owned(),
            segment: named.or(header.as_ref().map(|header| header.segment)),
            header,
        }
    }
}

/// Tells the session of a file; `None` where nothing does.
fn session_of(path: &Path) -> Result<Option<Uuid>, ReadError> {
    match probe(path) {
        Err(error) if matches!(error.flaw, Flaw::Io(_) | Flaw::NewerVersion { .. }) => Err(error),
        // A file is renamed less easily than a byte is changed.
        probed => Ok(parse_file_name(path)
            .map(|(session, _)| session)
            .or(match probed {
                Ok(Probe::Segment(segment)) => Some(segment.header.session),
                _ => None,
            })),
    }
}

/// Reads what is left of a trace.
pub struct SalvageReader {
    files: Vec<Piece>,
    index: usize,
    current: Option<RawLines>,
    tally: Tally,
    vouched: Vouched,
    vouched_in_segment: u64,
}

impl SalvageReader {
    /// Returns what the checkpoints and seals say so far.
    pub fn vouched(&self) -> Vouched {
        self.vouched
    }

    /// Returns the file that is read, and how far.
    pub fn position(&self) -> Option<(&Path, u64)> {
        let file = self.files.get(self.index)?;
        let byte = self.current.as_ref().map_or(0, RawLines::read_bytes);
        Some((&file.path, byte))
    }

    fn advance(&mut self) -> Result<Option<Found>, ReadError> {
        while let Some(file) = self.files.get(self.index) {
            let mut lines = match self.current.take() {
                Some(lines) => lines,
                None => {
                    self.tally = Tally::default();
                    self.vouched_in_segment = 0;
                    RawLines::open(&file.path)?
                }
            };
            let path = file.path.clone();
            let found = self.read(&mut lines, &path)?;
            match &found {
                None => self.index += 1,
                Some(Found::Damage(Damage { has_end: false, .. })) => self.index += 1,
                Some(_) => self.current = Some(lines),
            }
            match found {
                // It is not lost: the next segment has it.
                Some(Found::Line(line)) if self.is_superseded(&line) => {}
                Some(found) => return Ok(Some(found)),
                None => {}
            }
        }
        Ok(None)
    }

    /// Reads at one place of the present file; `None` at its end.
    fn read(&mut self, lines: &mut RawLines, file: &Path) -> Result<Option<Found>, ReadError> {
        let damage = |lines: &RawLines, bytes: u64, has_end: bool, problem: String| {
            Ok(Some(Found::Damage(Damage {
                file: file.to_owned(),
                at: lines.place(),
                bytes,
                has_end,
                problem,
            })))
        };
        match lines.read() {
            Ok(RawLine::End) => Ok(None),
            Ok(RawLine::Torn) => {
                let problem = "the line has no end".to_owned();
                damage(lines, lines.bytes().len() as u64, false, problem)
            }
            Ok(RawLine::Whole) => {
                let parsed = Line::parse(lines.text());
                if let Ok(line) = &parsed {
                    self.vouch(line);
                }
                self.tally.add(lines.bytes());
                match parsed {
                    Ok(line) => Ok(Some(Found::Line(Box::new(line)))),
                    Err(error) => {
                        let bytes = lines.bytes().len() as u64;
                        damage(lines, bytes, true, error.to_string())
                    }
                }
            }
            Err(error) if matches!(error.flaw, Flaw::TooLong) => {
                let bytes = lines.skip_rest()?;
                self.tally.add(lines.bytes());
                damage(lines, bytes, true, error.flaw.to_string())
            }
            Err(error) if matches!(error.flaw, Flaw::Compressed(_)) => {
                let bytes = lines.bytes().len() as u64;
                damage(lines, bytes, false, error.flaw.to_string())
            }
            Err(error) => Err(error),
        }
    }

    fn vouch(&mut self, line: &Line) {
        let is_match = match &line.body {
            Body::Checkpoint(found) => *found == self.tally.checkpoint(found.state.clone()),
            Body::LogClosed(found) => *found == self.tally.seal(found.next_segment),
            _ => return,
        };
        if is_match {
            // A checkpoint vouches for all of its segment up to it.
            self.vouched.lines += self.tally.lines - self.vouched_in_segment;
            self.vouched_in_segment = self.tally.lines;
            self.vouched.matches += 1;
        } else {
            self.vouched.mismatches += 1;
        }
    }

    /// Whether the next segment has the line anew. Another file of the present one does not: that has
    /// the same line.
    fn is_superseded(&self, line: &Line) -> bool {
        let present = self.files[self.index].segment;
        let mut later = self.files[self.index + 1..].iter();
        let next = later.find(|file| file.segment != present);
        next.and_then(|next| next.header.as_ref()?.replaces_from)
            .is_some_and(|from| line.seq >= from)
    }
}

impl Iterator for SalvageReader {
    type Item = Result<Found, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.advance().transpose().inspect(|found| {
            if found.is_err() {
                self.index = self.files.len();
            }
        })
    }
}
