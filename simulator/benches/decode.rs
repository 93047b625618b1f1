//! What reading a trace costs, stage by stage: beside the practical floor, a scan by hand of the
//! same fields that checks and keeps nothing, and beside serde_json with an internally tagged
//! enum, which is what one would write first.
//!
//! The trace is a person's, about one fifth samples of the machine. Before the figures it is told
//! how many lines it has, and how many of them are not in the canonical form.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]
#![expect(
    clippy::print_stderr,
    reason = "what is measured stands beside the figures"
)]

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use recorder::{Compression, Line, Source, Trace, TraceComposer};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use simulator::packed::{About, Packer};
use simulator::synth::generation::Generation;
use simulator::synth::profile::Population;
use tempfile::TempDir;

const MONDAY_MS: i64 = 1_767_571_200_000;
const DAYS: i64 = 56;
const DAY_MS: i64 = 86_400_000;

/// How often the machine is measured, so that about one line in five is a sample.
const SAMPLE_EVERY_S: f64 = 85.0;

/// The trace that all benches read.
static SAMPLE: LazyLock<Sample> = LazyLock::new(Sample::make);

fn main() {
    let is_metrics = |line: &&[u8]| line.starts_with(b"{\"type\":\"metrics\"");
    eprintln!(
        "{} lines, {} bytes, {} samples of the machine; {} lines not in the canonical form",
        SAMPLE.lines().count(),
        SAMPLE.text.len(),
        SAMPLE.lines().filter(is_metrics).count(),
        SAMPLE
            .lines()
            .filter(|line| Line::parse_canonical(line).is_none())
            .count(),
    );
    divan::main();
}

struct Sample {
    plain: Trace,
    compressed: Trace,
    /// All lines of the trace, each with its end.
    text: Vec<u8>,
    /// Where the files are, for as long as they are read.
    _folder: TempDir,
}

impl Sample {
    fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let written = |name: &str, compression| {
            let folder = folder.path().join(name);
            compose(&folder, compression);
            Trace::open(folder).unwrap()
        };
        let plain = written("plain", Compression::Plain);
        let mut text = Vec::new();
        for segment in plain.segments() {
            text.append(&mut fs::read(&segment.path).unwrap());
        }
        Self {
            compressed: written("compressed", Compression::Zstd),
            plain,
            text,
            _folder: folder,
        }
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let text = self.text.strip_suffix(b"\n").unwrap();
        text.split(|&byte| byte == b'\n')
    }
}

fn compose(folder: &Path, compression: Compression) {
    let mut population = Population::named("heavy").unwrap();
    population.members[0].profile.machine.sample_every_s = SAMPLE_EVERY_S;
    let generation = Generation {
        population,
        seed: 0,
        from_ms: MONDAY_MS,
        until_ms: MONDAY_MS + DAYS * DAY_MS,
    };
    let opening = generation.opening(0);
    let mut composer = TraceComposer::create(folder, &opening, MONDAY_MS, compression).unwrap();
    for (t_ms, body) in generation.person(0) {
        let at_ms = (body.source() == Some(Source::Ext)).then_some(t_ms);
        composer.append(t_ms, at_ms, body).unwrap();
    }
    composer.finish(generation.until_ms).unwrap();
}

/// Runs something over all lines again and again.
fn each_line(bencher: Bencher<'_, '_>, mut read: impl FnMut(&[u8])) {
    each_time(bencher, || SAMPLE.lines().for_each(&mut read));
}

fn each_time<T>(bencher: Bencher<'_, '_>, read: impl FnMut() -> T) {
    bencher
        .counter(ItemsCount::new(SAMPLE.lines().count()))
        .counter(BytesCount::new(SAMPLE.text.len()))
        .bench_local(read);
}

// ---- Beside what ------------------------------------------------------------------------------

#[divan::bench(sample_count = 15)]
fn floor_scan_by_hand(bencher: Bencher<'_, '_>) {
    each_line(bencher, |line| {
        black_box(scan(line).unwrap());
    });
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

tagged! {
    TabOpened(Tab), TabActivated(TabActivated), TabNavigated(TabNavigated), TabLoaded(TabLoaded),
    TabChanged(TabChanged), TabMoved(TabMoved), TabReplaced(TabReplaced),
    TabDiscarded(TabDiscarded), TabRestored(TabRestored), TabClosed(TabClosed),
    WindowOpened(WindowOpened), WindowClosed(WindowClosed), WindowFocused(WindowFocused),
    UserIdle(UserIdle), Metrics(Metrics), TabMemory(TabMemory), Suspended(Suspended),
}

/// The envelope is left out, in its favour.
#[divan::bench(sample_count = 5)]
fn serde_json_tagged_enum(bencher: Bencher<'_, '_>) {
    each_line(bencher, |line| {
        let line: Tagged = serde_json::from_slice(line).unwrap();
        black_box(line);
    });
}

// ---- A line -----------------------------------------------------------------------------------

#[divan::bench(sample_count = 5)]
fn line_general(bencher: Bencher<'_, '_>) {
    each_line(bencher, |line| {
        black_box(Line::parse_general(line).unwrap());
    });
}

#[divan::bench(sample_count = 15)]
fn line_canonical(bencher: Bencher<'_, '_>) {
    each_line(bencher, |line| {
        black_box(Line::parse(line).unwrap());
    });
}

// ---- A trace ----------------------------------------------------------------------------------

/// What the checks of a trace cost by themselves: the sums of its bytes.
#[divan::bench(sample_count = 15)]
fn sum_sha256(bencher: Bencher<'_, '_>) {
    each_time(bencher, || Sha256::digest(&SAMPLE.text));
}

#[divan::bench(sample_count = 15)]
fn sum_sha256_by_line(bencher: Bencher<'_, '_>) {
    each_time(bencher, || {
        let mut sum = Sha256::new();
        SAMPLE.lines().for_each(|line| sum.update(line));
        sum.finalize()
    });
}

#[divan::bench(sample_count = 15)]
fn sum_crc32c_by_line(bencher: Bencher<'_, '_>) {
    each_time(bencher, || SAMPLE.lines().fold(0, crc32c::crc32c_append));
}

/// Lines in memory, to the packed form.
#[divan::bench(sample_count = 15)]
fn packed_from_memory(bencher: Bencher<'_, '_>) {
    each_time(bencher, || {
        let mut packer = Packer::new(Vec::new());
        for line in SAMPLE.lines() {
            packer.push(&Line::parse(line).unwrap()).unwrap();
        }
        packer.finish(About::default()).unwrap()
    });
}

fn pack(trace: &Trace) -> Vec<u8> {
    let mut packer = Packer::new(Vec::new());
    for line in trace.read() {
        packer.push(&line.unwrap()).unwrap();
    }
    packer.finish(About::default()).unwrap()
}

#[divan::bench(sample_count = 15)]
fn trace_read(bencher: Bencher<'_, '_>) {
    each_time(bencher, || {
        for line in SAMPLE.plain.read() {
            black_box(line.unwrap());
        }
    });
}

#[divan::bench(sample_count = 15)]
fn trace_packed(bencher: Bencher<'_, '_>) {
    each_time(bencher, || pack(&SAMPLE.plain));
}

#[divan::bench(sample_count = 15)]
fn trace_packed_from_zstd(bencher: Bencher<'_, '_>) {
    each_time(bencher, || pack(&SAMPLE.compressed));
}

/// Lines that are read already, to the packed form.
#[divan::bench(sample_count = 15)]
fn packed_from_lines(bencher: Bencher<'_, '_>) {
    let lines: Vec<Line> = SAMPLE.plain.read().map(Result::unwrap).collect();
    each_time(bencher, || {
        let mut packer = Packer::new(Vec::new());
        lines.iter().for_each(|line| packer.push(line).unwrap());
        packer.finish(About::default()).unwrap()
    });
}
