//! A segment's bytes: read by the block, decompressed where they have to be, and cut into lines.
//!
//! Memory is bounded: a block or a line, and the window of a decompressor.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memchr::memchr;
use zstd::zstd_safe::DParameter;

use crate::error::{Flaw, LinePlace, ReadError};
use crate::line::MAX_LINE_BYTES;

/// What a block of a file is read in. Blocks of this size were as fast as mapping the file, and a
/// mapped file counts as resident.
const BLOCK_BYTES: usize = 256 << 10;

/// The largest window that compressed data may ask for: 8 MiB, what zstd's levels up to 19 use.
/// It bounds the memory that a file from a stranger can take.
const WINDOW_LOG_MAX: u32 = 23;

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

/// Whether what stands in a file is compressed, by its name.
pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}
