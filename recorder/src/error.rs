//! What can be wrong with a trace, for people and for exit codes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::line::{LineError, MAX_LINE_BYTES};
use crate::wire::FORMAT_VERSION;

/// A trace that could not be read, or not to its end.
#[derive(Debug)]
pub struct ReadError {
    /// The file or folder.
    pub file: PathBuf,
    /// The place in it, where there is one.
    pub at: Option<LinePlace>,
    /// What is wrong.
    pub flaw: Flaw,
}

/// The place of a line in its file. In a compressed file it counts what is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePlace {
    /// The line, from 1.
    pub line: u64,
    /// The line's first byte, from 0.
    pub byte: u64,
}

impl ReadError {
    pub(crate) fn new(file: &Path, flaw: Flaw) -> Self {
        Self {
            file: file.to_owned(),
            at: None,
            flaw,
        }
    }

    /// Whether what was written is lost or damaged, rather than not there, not readable or not
    /// for this version.
    pub fn is_corruption(&self) -> bool {
        self.flaw.is_corruption()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(LinePlace { line, byte }) = self.at {
            write!(f, ", line {line} (byte {byte})")?;
        }
        write!(f, ": {}", self.flaw)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Its words are in ours already.
        None
    }
}

/// What is wrong with a trace.
#[derive(Debug, Error)]
pub enum Flaw {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file or folder holds something else.
    #[error("not a trace: {0}")]
    NotATrace(String),
    /// There is no line in it.
    #[error("an empty trace: there is no line in it")]
    Empty,
    /// The folder holds more than one trace.
    #[error("holds {} traces; name one of{}", .0.len(), listed(.0))]
    SeveralTraces(Vec<PathBuf>),
    /// The format is newer than this program.
    #[error(
        "is in version {found} of the trace format, and this program reads up to version {FORMAT_VERSION}; use one that reads version {found}"
    )]
    NewerVersion {
        /// What the trace says.
        found: u64,
    },
    /// A segment of the trace is not there.
    #[error("segment {0} of the trace is missing")]
    MissingSegment(u32),
    /// Two files say that they are the same segment.
    #[error("says that it is segment {segment}, and so does {}; name one of them, or give each a folder", .other.display())]
    SameSegment {
        /// The number that they share.
        segment: u32,
        /// The other file.
        other: PathBuf,
    },
    /// A line does not hold.
    #[error("{0}")]
    BadLine(LineError),
    /// A line is longer than any may be.
    #[error("found a line of more than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// A line has no end, and is not the last of the trace.
    #[error("found a line without an end, and the trace goes on after it")]
    NoLineEnd,
    /// Lines are missing, or stand twice.
    #[error("found seq {found}, expected {expected}")]
    Gap {
        /// What would have followed.
        expected: u64,
        /// What did.
        found: u64,
    },
    /// A line is earlier than the one before it.
    #[error("found t_ms {found}, expected no less than the last, which was {last_t_ms}")]
    TimeWentBack {
        /// The line before.
        last_t_ms: i64,
        /// This line.
        found: i64,
    },
    /// Events of the extension are missing, or stand twice.
    #[error("found n {found} after {last_n}, and no line that tells of lost events between")]
    CounterJumped {
        /// The highest that was there or told as lost.
        last_n: u64,
        /// This line's.
        found: u64,
    },
    /// The bytes before a checkpoint are not those it was made of.
    #[error("the checkpoint does not match: {0}")]
    CheckpointMismatch(String),
    /// The bytes before a seal are not those it was made of.
    #[error("the seal does not match: {0}")]
    SealMismatch(String),
    /// There is something after the seal.
    #[error("found bytes after the seal of the segment")]
    AfterSeal,
    /// A segment begins with a header that does not go on from the segment before.
    #[error("the header does not fit: {0}")]
    HeaderMismatch(String),
    /// Compressed data is damaged.
    #[error("the compressed data is damaged: {0}")]
    Compressed(io::Error),
    /// A file that holds the lines in another form is damaged.
    #[error("the file is damaged: {0}")]
    Damaged(io::Error),
}

impl Flaw {
    fn is_corruption(&self) -> bool {
        match self {
            Self::Io(_)
            | Self::NotATrace(_)
            | Self::Empty
            | Self::SeveralTraces(_)
            | Self::NewerVersion { .. } => false,
            Self::MissingSegment(_)
            | Self::SameSegment { .. }
            | Self::BadLine(_)
            | Self::TooLong
            | Self::NoLineEnd
            | Self::Gap { .. }
            | Self::TimeWentBack { .. }
            | Self::CounterJumped { .. }
            | Self::CheckpointMismatch(_)
            | Self::SealMismatch(_)
            | Self::AfterSeal
            | Self::HeaderMismatch(_)
            | Self::Compressed(_)
            | Self::Damaged(_) => true,
        }
    }
}

/// A few paths, or the last few of many: the host names its logs by their time.
fn listed(paths: &[PathBuf]) -> String {
    let (which, shown) = match paths.len() {
        0..=5 => ("", paths),
        count => (" them, the last of which are", &paths[count - 3..]),
    };
    let names: Vec<String> = shown
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    format!("{which}: {}", names.join(", "))
}
