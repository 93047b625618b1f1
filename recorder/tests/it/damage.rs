//! Every place at which a log can be cut, and every bit that can turn over: what a reader says of
//! each. `FAULTS.md` has the numbers, and is held to them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use recorder::*;

use crate::faulty::Faults;
use crate::support::*;

/// What a reader makes of a damaged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It stops with an error.
    Error,
    /// It ends before a torn tail, and says so. What it read is the beginning of what was written.
    TornTail,
    /// It says that the log was not closed. What it read is the beginning of what was written.
    NotClosed,
    /// It counts a line of a type that it does not know.
    UnknownType,
    /// It reads what was written.
    Harmless,
    /// It reads something else and says nothing.
    Silent,
}

/// How often a reader came to each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Verdicts {
    error: u32,
    torn_tail: u32,
    not_closed: u32,
    unknown_type: u32,
    harmless: u32,
    silent: u32,
}

impl Verdicts {
    fn count(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Error => &mut self.error,
            Verdict::TornTail => &mut self.torn_tail,
            Verdict::NotClosed => &mut self.not_closed,
            Verdict::UnknownType => &mut self.unknown_type,
            Verdict::Harmless => &mut self.harmless,
            Verdict::Silent => &mut self.silent,
        } += 1;
    }

    fn row(&self, what: &str) -> String {
        let Self {
            error,
            torn_tail,
            not_closed,
            unknown_type,
            harmless,
            silent,
        } = self;
        let damages = error + torn_tail + not_closed + unknown_type + harmless + silent;
        format!(
            "| {what} | {damages} | {error} | {torn_tail} | {not_closed} | {unknown_type} \
             | {harmless} | {silent} |"
        )
    }
}

/// A log to damage, and what it says.
struct Sample {
    /// The file that is damaged. Its neighbours stay.
    path: PathBuf,
    bytes: Vec<u8>,
    lines: Vec<Line>,
    is_sealed: bool,
}

impl Sample {
    fn of(path: PathBuf) -> Self {
        let (lines, reader) = read(&path);
        Self {
            bytes: fs::read(&path).unwrap(),
            is_sealed: reader.sealed(),
            lines,
            path,
        }
    }

    /// What a reader makes of the file as it is now.
    fn judge(&self) -> Verdict {
        let Ok(trace) = Trace::open(&self.path) else {
            return Verdict::Error;
        };
        let mut reader = trace.read();
        let Ok(lines) = reader.by_ref().collect::<Result<Vec<_>, _>>() else {
            return Verdict::Error;
        };
        let is_beginning = self.lines.starts_with(&lines);
        if reader.unknown_count() > 0 {
            Verdict::UnknownType
        } else if reader.torn_tail().is_some() && is_beginning {
            Verdict::TornTail
        } else if self.is_sealed && !reader.sealed() && is_beginning {
            Verdict::NotClosed
        } else if lines == self.lines && reader.sealed() == self.is_sealed {
            Verdict::Harmless
        } else {
            Verdict::Silent
        }
    }

    /// Cuts the file at every byte before its end, and makes it whole again.
    fn cut_everywhere(&self) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let file = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        for length in (0..self.bytes.len()).rev() {
            file.set_len(length as u64).unwrap();
            verdicts.count(self.judge());
            if let Ok(trace) = Trace::open(&self.path) {
                check_ahead(&trace);
            }
        }
        file.write_all_at(&self.bytes, 0).unwrap();
        assert_eq!(self.judge(), Verdict::Harmless);
        verdicts
    }

    /// Turns every bit over and back, one at a time.
    fn flip_everything(&self) -> Verdicts {
        self.flip(0..self.bytes.len())
    }

    /// The same with the bits of these bytes.
    fn flip(&self, places: impl Iterator<Item = usize>) -> Verdicts {
        let mut verdicts = Verdicts::default();
        let file = fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        for place in places {
            let (byte, at) = (self.bytes[place], place as u64);
            for bit in 0..8 {
                file.write_all_at(&[byte ^ (1 << bit)], at).unwrap();
                verdicts.count(self.judge());
            }
            file.write_all_at(&[byte], at).unwrap();
        }
        assert_eq!(self.judge(), Verdict::Harmless);
        verdicts
    }
}

/// A writer with some events behind a checkpoint, and some after it.
fn write(folder: &Path) -> TraceWriter {
    let opening = Opening {
        // So that every run has the same bytes.
        session: session_made_from(START_MS, b"damage"),
        ..opening()
    };
    let mut writer = TraceWriter::create(folder, &opening, START_MS).unwrap();
    append_events(&mut writer, 1, 4);
    writer.checkpoint(START_MS + 4_500, Some("00ff")).unwrap();
    append_events(&mut writer, 5, 2);
    writer
        .append(START_MS + 7_000, Source::Host, None, None, &metrics())
        .unwrap();
    writer
}

#[test]
fn damage_to_a_sealed_log_is_never_silent_and_the_page_tells_what_is() {
    let folder = folder();
    let of = |name: &str| folder.path().join(name);

    let writer = write(&of("sealed"));
    let path = writer.path().to_owned();
    writer.close(START_MS + 8_000, Some("0f0f")).unwrap();
    let sealed = Sample::of(path);

    let mut writer = write(&of("rotated"));
    let rotation = writer.rotate(START_MS + 8_000, Some("0f0f")).unwrap();
    append_events(&mut writer, 7, 1);
    writer.close(START_MS + 9_000, Some("0f0f")).unwrap();
    let compressed = Sample::of(rotation.compressed.unwrap());

    let mut writer = write(&of("open"));
    writer.sync().unwrap();
    let open = Sample::of(writer.path().to_owned());
    drop(writer);

    let mut table = String::new();
    for (what, sample) in [
        ("sealed", &sealed),
        ("sealed, compressed, with a segment after it", &compressed),
        ("not sealed", &open),
    ] {
        let (cuts, flips) = (sample.cut_everywhere(), sample.flip_everything());
        if sample.is_sealed {
            assert_eq!((cuts.silent, flips.silent), (0, 0), "{what}");
        }
        writeln!(table, "{}", cuts.row(&format!("{what}: cut at every byte"))).unwrap();
        let flips = flips.row(&format!("{what}: every bit turned over"));
        writeln!(table, "{flips}").unwrap();
    }
    assert!(
        include_str!("../../FAULTS.md").contains(&table),
        "FAULTS.md has another table than\n{table}"
    );
}

#[test]
fn the_end_of_a_file_is_told_at_every_cut_and_within_what_may_be_read() {
    let folder = folder();
    let mut writer = write(folder.path());
    let plain = fs::read(writer.path()).unwrap();
    let cut = folder.path().join("cut.jsonl");
    let mut left = 0;
    for length in 0..=plain.len() {
        fs::write(&cut, &plain[..length]).unwrap();
        let expect = match plain[..length].last() {
            None | Some(b'\n') => FileEnd::Whole,
            Some(_) => FileEnd::Torn,
        };
        assert_eq!(FileEnd::of(&cut, &mut left).unwrap(), expect, "{length}");
    }

    let rotation = writer.rotate(START_MS + 8_000, None).unwrap();
    let compressed = rotation.compressed.unwrap();
    let bytes = fs::read(&compressed).unwrap();
    let lines = zstd::decode_all(&*bytes).unwrap().len() as u64;
    for (allowed, expect, rest) in [
        (lines + 1, FileEnd::Whole, 1),
        (lines, FileEnd::Unread, 0),
        (1, FileEnd::Unread, 0),
        (0, FileEnd::Unread, 0),
    ] {
        let mut left = allowed;
        let found = FileEnd::of(&compressed, &mut left).unwrap();
        assert_eq!((found, left), (expect, rest), "{allowed} bytes");
    }
    for length in 1..bytes.len() {
        fs::write(&compressed, &bytes[..length]).unwrap();
        let error = FileEnd::of(&compressed, &mut u64::from(u32::MAX)).unwrap_err();
        assert!(error.is_corruption(), "{length}: {error}");
    }
    let torn = zstd::encode_all(&plain[..plain.len() - 1], 1).unwrap();
    fs::write(&compressed, torn).unwrap();
    let found = FileEnd::of(&compressed, &mut u64::from(u32::MAX)).unwrap();
    assert_eq!(found, FileEnd::Torn);
}

#[test]
fn the_time_of_a_seal_is_not_taken_on_trust() {
    let folder = folder();
    let writer = write(folder.path());
    let path = writer.path().to_owned();
    writer.close(START_MS + 8_000, None).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let later = format!("\"t_ms\":{}", START_MS + 8_001);
    let (before, seal) = text.split_at(text.rfind("{\"type\":\"log_closed\"").unwrap());
    let seal = seal.replacen(&format!("\"t_ms\":{}", START_MS + 8_000), &later, 1);
    fs::write(&path, format!("{before}{seal}")).unwrap();
    let error = read_error(&path);
    assert!(error.is_corruption());
    assert!(
        error.to_string().contains("its t_ms is 1767323053001"),
        "{error}"
    );
}

/// No seal covers it, so zstd's own checksum has to be looked at.
#[test]
fn damage_to_a_compressed_log_that_is_not_sealed_is_never_silent() {
    let folder = folder();
    let mut writer = TraceWriter::create(folder.path(), &opening(), START_MS).unwrap();
    // More than is read at once to see whose segment it is.
    append_events(&mut writer, 1, 6_000);
    writer.sync().unwrap();
    let plain = writer.path().to_owned();
    drop(writer);
    let bytes = fs::read(&plain).unwrap();
    assert!(bytes.len() > 600_000, "{}", bytes.len());
    // As `sim convert` leaves it.
    let path = plain.with_extension("jsonl.zst");
    let mut compressor = compressor(fs::File::create(&path).unwrap()).unwrap();
    compressor.write_all(&bytes).unwrap();
    compressor.finish().unwrap();
    fs::remove_file(plain).unwrap();

    let sample = Sample::of(path);
    let verdicts = sample.flip((sample.bytes.len() / 2..sample.bytes.len()).step_by(331));
    assert!(verdicts.error > 100, "{verdicts:?}");
    assert_eq!(verdicts.silent, 0, "{verdicts:?}");
}

/// A host that ended while it replaced a segment by its compressed form left both. The compressed
/// one begins as the plain one does, with the seq from which on it has lines anew.
#[test]
fn a_damaged_copy_of_a_segment_takes_nothing_from_what_is_left() {
    let folder = folder();
    let faults = Faults::default();
    let mut writer =
        TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
    append_events(&mut writer, 1, 2);
    writer.sync().unwrap();
    append_events(&mut writer, 3, 1);
    faults.set(|plan| plan.sync_fails = true);
    writer.sync().unwrap_err();
    faults.set(|plan| plan.sync_fails = false);
    for line in writer.recover(&mut |_| {}).unwrap() {
        let Line {
            t_ms,
            src,
            n,
            at_ms,
            body,
            ..
        } = line;
        writer.append(t_ms, src, n, at_ms, &body).unwrap();
    }
    append_events(&mut writer, 4, 2);
    let plain = fs::read(writer.path()).unwrap();
    let (header, rest) = plain.split_at(1 + plain.iter().position(|&it| it == b'\n').unwrap());
    let [mut copy, rest] = [header, rest].map(|part| zstd::encode_all(part, 1).unwrap());
    copy.extend(&rest[..rest.len() / 2]);
    fs::write(format!("{}.zst", writer.path().display()), copy).unwrap();

    let found = Salvage::open(folder.path()).unwrap().read();
    let lines = found.filter_map(|found| match found.unwrap() {
        Found::Line(line) => Some(*line),
        Found::Damage(_) => None,
    });
    let mut left = counters(&Vec::from_iter(lines));
    left.sort_unstable();
    left.dedup();
    assert_eq!(left, [1, 2, 3, 4, 5]);
}
