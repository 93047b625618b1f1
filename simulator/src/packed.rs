//! A trace, decoded once: packed, interned and read-only, for any number of replays to share.
//!
//! What a replay takes from a line is written as a tag and a few variable-length integers, most of
//! them differences from the line before; hosts are numbers of a table. That makes 5 to 20 bytes of
//! the 150 or more of a line. Steps are read back one after the other, each as it was: a replay
//! of the packed trace and one of the log come to the same decisions and the same scores.
//!
//! What is packed is a cache and can be thrown away. It begins with the steps; behind them come a
//! [`Head`] as JSON, its length, a checksum of all that, and [`MAGIC`], so that an unfinished or
//! damaged one is never taken for a trace. Nothing here opens a file.

mod codec;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::mem;
use std::sync::Arc;

use recorder::{Body, Line};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::replay::Step;

use codec::{Decoder, Encoder};

/// What a packed trace ends in: a name, and a number of one digit that is raised whenever the layout
/// changes.
pub const MAGIC: &[u8; 8] = b"tabpack5";

/// How many bytes gather before they are summed and written: 64 KiB.
const PORTION_BYTES: usize = 64 << 10;

/// The length of the head, the checksum and [`MAGIC`].
const TRAILER_BYTES: usize = 16;

const TOO_SHORT: &str = "it is too short";
const TOO_LONG: &str = "its head is too long";
const NO_HEAD: &str = "its head cannot be read";

/// What is told of a packed trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What the one who packed it wants to find again.
    pub about: About,
    /// How many steps there are.
    steps: u64,
    /// The times of the first and the last line, in Unix milliseconds.
    span_ms: Option<(i64, i64)>,
    /// Whether there is a sample of the machine in it.
    is_sampled: bool,
    /// The hosts, by their number.
    hosts: Vec<Arc<str>>,
}

/// Which trace was packed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The session's id.
    pub session: String,
    /// The version of the program that packed it: another may read more in the same lines.
    #[serde(default)]
    pub sim: String,
    /// The version of the engine that recorded it.
    pub engine: u32,
    /// How many lines it has.
    pub lines: u64,
    /// A hash of them.
    pub digest: String,
    /// The files it was read from, as they were then.
    pub files: Vec<SourceFile>,
}

/// A file as it was when it was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Where it is.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// When it was changed last, in Unix nanoseconds.
    pub modified_ns: i128,
}

/// What is kept is no packed trace that this version can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Another version of the program packed it, which lays it out otherwise.
    #[error("another version packed it")]
    OtherLayout,
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl From<Unfit> for io::Error {
    fn from(unfit: Unfit) -> Self {
        Self::new(io::ErrorKind::InvalidData, unfit)
    }
}

/// What is packed is damaged, or was never finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the packed trace is damaged: {0}")]
pub struct Damaged(&'static str);

/// Packs a trace, a line at a time. It grows with the distinct hosts alone.
#[derive(Debug)]
pub struct Packer<W> {
    out: W,
    crc: u32,
    steps: u64,
    span_ms: Option<(i64, i64)>,
    is_sampled: bool,
    encoder: Encoder,
}

impl<W: Write> Packer<W> {
    /// Begins to pack.
    pub fn new(out: W) -> Self {
        Self {
            out,
            crc: 0,
            steps: 0,
            span_ms: None,
            is_sampled: false,
            encoder: Encoder::default(),
        }
    }

    /// Packs the next line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn push(&mut self, line: &Line) -> io::Result<()> {
        if self.encoder.push(line) {
            self.steps += 1;
        }
        self.is_sampled |= matches!(line.body, Body::Metrics(_));
        let (first_ms, _) = self.span_ms.unwrap_or((line.t_ms, line.t_ms));
        self.span_ms = Some((first_ms, line.t_ms));
        if self.encoder.written().len() >= PORTION_BYTES {
            self.write_portion()?;
        }
        Ok(())
    }

    /// Writes what has gathered.
    fn write_portion(&mut self) -> io::Result<()> {
        let bytes = self.encoder.written();
        self.crc = crc32c::crc32c_append(self.crc, bytes);
        self.out.write_all(bytes)?;
        self.encoder.clear();
        Ok(())
    }

    /// Ends the packed trace.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(mut self, about: About) -> io::Result<W> {
        self.write_portion()?;
        let head = Head {
            about,
            steps: self.steps,
            span_ms: self.span_ms,
            is_sampled: self.is_sampled,
            hosts: self.encoder.hosts(),
        };
        let head = serde_json::to_vec(&head)?;
        self.crc = crc32c::crc32c_append(self.crc, &head);
        self.out.write_all(&head)?;
        let length = u32::try_from(head.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&self.crc.to_le_bytes())?;
        self.out.write_all(MAGIC)?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl About {
    /// Reads which trace was packed, and neither its steps nor whether they are whole.
    ///
    /// # Errors
    /// What the reader says; [`Unfit`], as [`io::ErrorKind::InvalidData`].
    pub fn read(mut packed: impl Read + Seek) -> io::Result<Self> {
        let damaged = |what| io::Error::from(Unfit::Damaged(Damaged(what)));
        let length = packed.seek(SeekFrom::End(0))?;
        let content = length.checked_sub(TRAILER_BYTES as u64);
        let content = content.ok_or_else(|| damaged(TOO_SHORT))?;
        let mut trailer = [0; TRAILER_BYTES];
        packed.seek(SeekFrom::Start(content))?;
        packed.read_exact(&mut trailer)?;
        let Trailer { head_bytes, .. } = Trailer::of(trailer)?;
        let start = content.checked_sub(head_bytes.into());
        packed.seek(SeekFrom::Start(start.ok_or_else(|| damaged(TOO_LONG))?))?;
        let head = serde_json::from_reader(io::BufReader::new(packed.take(head_bytes.into())));
        let head: Head = head.map_err(|_| damaged(NO_HEAD))?;
        Ok(head.about)
    }
}

/// What stands behind the head.
struct Trailer {
    head_bytes: u32,
    crc: [u8; 4],
}

impl Trailer {
    fn of(bytes: [u8; TRAILER_BYTES]) -> Result<Self, Unfit> {
        let [a, b, c, d, e, f, g, h, magic @ ..] = bytes;
        let ([name @ .., layout], [our_name @ .., our_layout]) = (magic, *MAGIC);
        if name != our_name {
            return Err(Damaged("it does not end as one").into());
        }
        if layout != our_layout {
            return Err(Unfit::OtherLayout);
        }
        Ok(Self {
            head_bytes: u32::from_le_bytes([a, b, c, d]),
            crc: [e, f, g, h],
        })
    }
}

/// A packed trace. A copy shares everything.
#[derive(Clone)]
pub struct PackedTrace {
    bytes: Arc<dyn AsRef<[u8]> + Send + Sync>,
    head: Arc<Head>,
    /// Where the steps end.
    end: usize,
}

impl PackedTrace {
    /// Takes what a [`Packer`] has written, wherever that is kept.
    ///
    /// # Errors
    /// What is not as it was written, or is not written as it is now.
    pub fn open(bytes: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Result<Self, Unfit> {
        let all = (*bytes).as_ref();
        let (content, trailer) = all.split_last_chunk().ok_or(Damaged(TOO_SHORT))?;
        let Trailer { head_bytes, crc } = Trailer::of(*trailer)?;
        if crc32c::crc32c(content).to_le_bytes() != crc {
            return Err(Damaged("its checksum does not match").into());
        }
        let end = content.len().checked_sub(head_bytes as usize);
        let end = end.ok_or(Damaged(TOO_LONG))?;
        let head = serde_json::from_slice(&content[end..]);
        let head: Head = head.map_err(|_| Damaged(NO_HEAD))?;
        Ok(Self {
            head: Arc::new(head),
            end,
            bytes,
        })
    }

    /// Which trace it is.
    pub fn about(&self) -> &About {
        &self.head.about
    }

    /// How many steps there are.
    pub fn step_count(&self) -> u64 {
        self.head.steps
    }

    /// The times of the first and the last line, in Unix milliseconds.
    pub fn span_ms(&self) -> Option<(i64, i64)> {
        self.head.span_ms
    }

    /// Whether there is a sample of the machine in it.
    pub fn is_sampled(&self) -> bool {
        self.head.is_sampled
    }

    /// How many bytes the steps take.
    pub fn byte_count(&self) -> u64 {
        self.end as u64
    }

    /// The steps, in their order. After an error there are no more.
    pub fn steps(&self) -> Steps<'_> {
        Steps {
            decoder: Decoder::new(&(*self.bytes).as_ref()[..self.end], &self.head.hosts),
            step: Step::Unknown,
            is_done: false,
        }
    }
}

impl fmt::Debug for PackedTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackedTrace")
            .field("about", &self.head.about)
            .field("steps", &self.head.steps)
            .finish_non_exhaustive()
    }
}

/// The steps of a packed trace.
#[derive(Debug)]
pub struct Steps<'a> {
    decoder: Decoder<'a>,
    /// The last that was read.
    step: Step,
    is_done: bool,
}

impl Steps<'_> {
    /// Reads the next step and lends it, which saves moving it; `None` at the end.
    ///
    /// # Errors
    /// What is damaged. There is nothing after it.
    pub fn lend(&mut self) -> Result<Option<&Step>, Damaged> {
        if self.is_done || self.decoder.is_at_end() {
            return Ok(None);
        }
        let read = self.decoder.step(&mut self.step);
        self.is_done = read.is_err();
        read.map(|()| Some(&self.step))
    }
}

impl Iterator for Steps<'_> {
    type Item = Result<Step, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.lend() {
            Ok(None) => None,
            Ok(Some(_)) => Some(Ok(mem::replace(&mut self.step, Step::Unknown))),
            Err(damage) => Some(Err(damage)),
        }
    }
}
