//! Small traces to test on.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use engine::{Seq, TabId, WindowId};
use recorder::*;
use tempfile::TempDir;

/// 2026-01-02T03:04:05Z.
pub(crate) const START_MS: i64 = 1_767_323_045_000;

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

pub(crate) fn opening() -> Opening {
    Opening {
        session: new_session(START_MS),
        extension_session: Some("a browser's session".to_owned()),
        engine: 1,
        host_version: "0.1.0".to_owned(),
        platform: "linux-x86_64".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Recorded,
        generator: None,
        seed: None,
        importer: None,
        derived_from: None,
    }
}

pub(crate) fn create(folder: &Path) -> TraceWriter {
    TraceWriter::create(folder, &opening(), START_MS).unwrap()
}

/// The n-th event of a session of clicking back and forth.
pub(crate) fn event(n: u64) -> Body {
    let tab = TabId(i64::try_from(n % 5).unwrap());
    Body::TabActivated(TabActivated {
        tab,
        win: WindowId(1),
    })
}

pub(crate) fn metrics() -> Body {
    Body::Metrics(Metrics {
        cpu: Some(12.5),
        ram_total: Some(16 << 30),
        ..Metrics::default()
    })
}

/// Appends the events `from`, `from` + 1 … of the extension, a second apart.
pub(crate) fn append_events(writer: &mut TraceWriter, from: u64, count: u64) {
    for n in from..from + count {
        append_event(writer, n).unwrap();
    }
}

pub(crate) fn append_event(writer: &mut TraceWriter, n: u64) -> Result<Seq, WriteError> {
    let t_ms = START_MS + i64::try_from(n).unwrap() * 1_000;
    writer.append(t_ms, Source::Ext, Some(n), Some(t_ms - 5), &event(n))
}

/// Everything that a reader tells, from its beginning to its end.
fn told(mut reader: TraceReader) -> String {
    let mut told = String::new();
    while let Some(line) = reader.next() {
        let text = reader.text().map(String::from_utf8_lossy);
        writeln!(told, "{line:?} {text:?} {:?}", reader.position()).unwrap();
        // In the midst of what is read at one go, too.
        if reader.line_count() % 500 == 1 {
            writeln!(told, "{}", reader.digest()).unwrap();
        }
    }
    let end = (
        reader.torn_tail(),
        reader.sealed(),
        reader.missing_segment(),
    );
    let counts = (reader.line_count(), reader.unknown_count());
    let passed_over = reader.superseded_bytes();
    writeln!(told, "{end:?} {counts:?} {passed_over} {}", reader.digest()).unwrap();
    told
}

/// Holds what is read ahead to what is read where it is asked for.
pub(crate) fn check_ahead(trace: &Trace) {
    assert_eq!(told(trace.read_ahead()), told(trace.read()));
}

/// Reads a whole trace that must be in order.
pub(crate) fn read(path: &Path) -> (Vec<Line>, TraceReader) {
    check_ahead(&Trace::open(path).unwrap());
    let mut reader = Trace::open(path).unwrap().read();
    let lines = reader
        .by_ref()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}"));
    (lines, reader)
}

/// The first error of a trace.
pub(crate) fn read_error(path: &Path) -> ReadError {
    match Trace::open(path) {
        Err(error) => error,
        Ok(trace) => {
            check_ahead(&trace);
            (trace.read().find_map(Result::err)).expect("the trace should not be in order")
        }
    }
}

/// The `n` of the lines of the extension.
pub(crate) fn counters(lines: &[Line]) -> Vec<u64> {
    lines.iter().filter_map(|line| line.n).collect()
}

pub(crate) fn type_names(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(|line| line.body.type_name()).collect()
}

/// The files of a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// The files of a folder whose names end so.
pub(crate) fn files_ending(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut paths = files(folder);
    paths.retain(|path| path.to_str().unwrap().ends_with(end));
    paths
}
