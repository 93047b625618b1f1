//! A trace, from the bytes of its lines to the packed form, stage by stage: beside the practical
//! floor, a scan by hand of the same fields that checks and keeps nothing, and beside serde_json
//! with an internally tagged enum, which is what one would write first.

use std::fs::File;
use std::io::{self, Read as _};
use std::thread;

use memchr::{memchr, memrchr};
use recorder::{Line, Trace, TraceReader};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use simulator::packed::{About, Packer};

use crate::{Figures, Subject, sink};

const BLOCK_BYTES: usize = 256 << 10;

/// The lines of a text, without their ends.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (line, after) = rest.split_at_checked(memchr(b'\n', rest)?)?;
        rest = &after[1..];
        Some(line)
    })
}

/// Comes past every field of a line, lists included, and reads every number and word of it.
fn scan(line: &[u8]) -> Option<u64> {
    let mut sum = 0_u64;
    let mut rest = line;
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'"' => {
                let length = after.iter().position(|&byte| byte == b'"')?;
                // A word is told by its length and its first letter.
                sum += length as u64 ^ u64::from(*after.first()?);
                &after[length + 1..]
            }
            b'-' | b'0'..=b'9' => {
                let mut number = 0_u64;
                let mut length = 0;
                for &byte in rest {
                    match byte {
                        b'0'..=b'9' => number = number.wrapping_mul(10) + u64::from(byte - b'0'),
                        b'-' | b'.' | b'e' => {}
                        _ => break,
                    }
                    length += 1;
                }
                sum = sum.wrapping_add(number);
                &rest[length..]
            }
            _ => after,
        };
    }
    Some(sum)
}

/// The same of the files of a trace, with the sums that a reader of them has to check.
fn scan_files(trace: &Trace) -> io::Result<u64> {
    let mut sum = 0_u64;
    let mut block = vec![0; BLOCK_BYTES];
    for segment in trace.segments() {
        let mut file = File::open(&segment.path)?;
        let (mut sha256, mut crc32c, mut kept) = (Sha256::new(), 0, 0);
        loop {
            let count = file.read(&mut block[kept..])?;
            if count == 0 {
                break;
            }
            sha256.update(&block[kept..kept + count]);
            crc32c = crc32c::crc32c_append(crc32c, &block[kept..kept + count]);
            let filled = kept + count;
            let end = memrchr(b'\n', &block[..filled]).map_or(0, |end| end + 1);
            for line in lines(&block[..end]) {
                sum = sum.wrapping_add(scan(line).unwrap_or_default());
            }
            block.copy_within(end..filled, 0);
            kept = filled - end;
        }
        sum ^= u64::from(sha256.finalize()[0]) ^ u64::from(crc32c);
    }
    Ok(sum)
}

/// Makes the enum that reads a line as serde_json does by itself.
macro_rules! tagged {
    ($($variant:ident($wire:ident),)+) => {
        #[derive(Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case")]
        enum Tagged {
            $( $variant(#[expect(dead_code, reason = "it is read, and no more")] recorder::$wire), )+
            #[serde(other)]
            Other,
        }
    };
}

// The envelope is left out, in its favour.
tagged! {
    TabOpened(Tab), TabActivated(TabActivated), TabNavigated(TabNavigated), TabLoaded(TabLoaded),
    TabChanged(TabChanged), TabMoved(TabMoved), TabReplaced(TabReplaced),
    TabDiscarded(TabDiscarded), TabRestored(TabRestored), TabClosed(TabClosed),
    WindowOpened(WindowOpened), WindowClosed(WindowClosed), WindowFocused(WindowFocused),
    UserIdle(UserIdle), Metrics(Metrics), TabMemory(TabMemory), Suspended(Suspended),
}

/// Packs lines that stand in memory.
pub(crate) fn pack_lines(text: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut packer = Packer::new(Vec::new());
    let mut parsed = Line::default();
    for line in lines(text) {
        parsed.parse_over(line)?;
        packer.push(&parsed)?;
    }
    Ok(packer.finish(About::default())?)
}

/// Packs a trace: everything that a reader of it checks is checked.
pub(crate) fn pack(mut lines: TraceReader) -> anyhow::Result<Vec<u8>> {
    let mut packer = Packer::new(Vec::new());
    while let Some(line) = lines.lend()? {
        packer.push(line)?;
    }
    Ok(packer.finish(About::default())?)
}

/// All lines of a trace, as they stand in its files.
pub(crate) fn text(trace: &Trace) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut reader = trace.read();
    while reader.next().transpose()?.is_some() {
        text.extend_from_slice(reader.text().unwrap_or_default());
        text.push(b'\n');
    }
    Ok(text)
}

/// Measures all of it.
///
/// # Errors
/// The traces cannot be read.
pub(crate) fn measure(
    rounds: usize,
    plain: &Trace,
    zstd: &Trace,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let text = text(plain)?;
    // Once, so that what is wrong is told: below it is only measured.
    pack(plain.read())?;
    pack(zstd.read())?;
    scan_files(plain)?;
    let middle = memchr(b'\n', &text[text.len() / 2..]).map_or(0, |end| text.len() / 2 + end + 1);
    let (first, second) = text.split_at(middle);
    let count = lines(&text).count() as u64;
    let subjects = vec![
        Subject::new("scan", count, || {
            lines(&text).for_each(|line| sink(scan(line)));
        }),
        Subject::new("serde_tagged", count, || {
            lines(&text).for_each(|line| sink(serde_json::from_slice::<Tagged>(line)));
        }),
        Subject::new("line_general", count, || {
            lines(&text).for_each(|line| sink(Line::parse_general(line)));
        }),
        Subject::new("line", count, || {
            lines(&text).for_each(|line| sink(Line::parse(line)));
        }),
        Subject::new("lines_packed", count, || {
            sink(pack_lines(&text));
        }),
        Subject::new("lines_packed_by_two", count, || {
            thread::scope(|scope| {
                let first = scope.spawn(|| pack_lines(first));
                sink(pack_lines(second));
                sink(first.join());
            });
        }),
        Subject::new("scan_files", count, || {
            sink(scan_files(plain));
        }),
        Subject::new("trace_packed", count, || sink(pack(plain.read()))),
        Subject::new("trace_packed_ahead", count, || {
            sink(pack(plain.read_ahead()));
        }),
        Subject::new("trace_packed_ahead_from_zstd", count, || {
            sink(pack(zstd.read_ahead()));
        }),
    ];
    crate::measure(rounds, subjects, figures);
    let is_general = |line: &&[u8]| Line::parse_canonical(line).is_none();
    let general = lines(&text).filter(is_general).count();
    figures.insert("general_share", general as f64 / count as f64);
    Ok(())
}
