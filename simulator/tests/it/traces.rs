//! Reads traces that commands have written.

use std::fs;
use std::path::Path;

use recorder::{Body, Line, Trace};

/// All lines of a trace that must be in order and sealed.
pub(crate) fn lines(path: &Path) -> Vec<Line> {
    let mut reader = Trace::open(path).unwrap().read();
    let lines = reader
        .by_ref()
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(reader.sealed(), "{}", path.display());
    lines
}

/// Whether a line is one that each writer makes for itself.
pub(crate) fn is_writers(line: &Line) -> bool {
    matches!(
        line.body,
        Body::LogOpened(_) | Body::LogResumed(_) | Body::Checkpoint(_) | Body::LogClosed(_)
    )
}

/// What a trace says, without its writer's own lines.
pub(crate) fn said(path: &Path) -> Vec<Line> {
    let mut lines = lines(path);
    lines.retain(|line| !is_writers(line));
    lines
}

/// The bytes of all segments of a plain trace.
pub(crate) fn text(folder: &Path) -> String {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| {
            path.file_name().unwrap().to_str().unwrap().to_owned()
                + &fs::read_to_string(path).unwrap()
        })
        .collect()
}
