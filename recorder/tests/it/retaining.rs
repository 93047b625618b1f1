//! Whole traces go, the oldest first, and never one that is written.

use std::fs;
use std::path::Path;

use recorder::{Opening, Removal, Retention, StoredTrace, TraceWriter, WriteError, new_session};

use crate::support::{START_MS, append_events, files, files_ending, folder, opening, read};

const DAY_MS: i64 = 86_400_000;

const NONE: [i64; 0] = [];

const FOREVER: Retention = Retention {
    days: 10_000,
    bytes: u64::MAX,
};

/// Begins a trace so many days after the start.
fn begin(folder: &Path, day: i64) -> TraceWriter {
    let t_ms = START_MS + day * DAY_MS;
    let opening = Opening {
        session: new_session(t_ms),
        ..opening()
    };
    let mut writer = TraceWriter::create(folder, &opening, t_ms).unwrap();
    append_events(&mut writer, 1, 20);
    writer
}

fn write(folder: &Path, day: i64) {
    let t_ms = START_MS + day * DAY_MS;
    begin(folder, day).close(t_ms, None).unwrap();
}

fn days(removal: &Removal) -> Vec<i64> {
    assert!(removal.failures.is_empty(), "{:?}", removal.failures);
    let day = |trace: &StoredTrace| (trace.last_opened_ms - START_MS) / DAY_MS;
    removal.removed.iter().map(day).collect()
}

fn days_left(folder: &Path) -> Vec<i64> {
    let traces = StoredTrace::list(folder).unwrap();
    let day = |trace: &StoredTrace| (trace.last_opened_ms - START_MS) / DAY_MS;
    traces.iter().map(day).collect()
}

#[test]
fn traces_go_by_age_with_everything_that_is_theirs() {
    let folder = folder();
    let folder = folder.path();
    for day in [0, 10, 40] {
        write(folder, day);
    }
    let oldest = StoredTrace::list(folder).unwrap().remove(0);
    let name = oldest.files[0].to_str().unwrap().to_owned();
    for suffix in [".torn", ".zst.tmp"] {
        fs::write(format!("{name}{suffix}"), "x").unwrap();
    }
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::write(format!("{name}.bak"), "mine").unwrap();

    let now_ms = START_MS + 41 * DAY_MS;
    let retention = Retention {
        days: 30,
        ..FOREVER
    };
    assert_eq!(days(&retention.apply(folder, now_ms).unwrap()), [0, 10]);
    assert_eq!(days_left(folder), [40]);
    let left = files(folder);
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(days(&retention.apply(folder, now_ms).unwrap()), NONE);
}

#[test]
fn a_trace_is_as_old_as_its_last_segment() {
    let folder = folder();
    let folder = folder.path();
    let mut writer = begin(folder, 0);
    writer.rotate(START_MS + 20 * DAY_MS, None).unwrap();
    append_events(&mut writer, 21, 1);
    writer.close(START_MS + 20 * DAY_MS, None).unwrap();
    assert_eq!(StoredTrace::list(folder).unwrap()[0].files.len(), 2);

    let at = |day| START_MS + day * DAY_MS;
    let retention = Retention {
        days: 30,
        ..FOREVER
    };
    assert_eq!(days(&retention.apply(folder, at(49)).unwrap()), NONE);
    assert_eq!(days(&retention.apply(folder, at(51)).unwrap()), [20]);
    assert_eq!(files(folder).len(), 0);
}

#[test]
fn the_oldest_go_until_the_rest_is_small_enough() {
    let folder = folder();
    let folder = folder.path();
    for day in [3, 1, 2, 0] {
        write(folder, day);
    }
    let now_ms = START_MS + 4 * DAY_MS;
    assert_eq!(days(&FOREVER.apply(folder, now_ms).unwrap()), NONE);
    let each = StoredTrace::list(folder).unwrap()[0].bytes;
    let bytes = each * 5 / 2;
    let retention = Retention { bytes, ..FOREVER };
    assert_eq!(days(&retention.apply(folder, now_ms).unwrap()), [0, 1]);
    assert_eq!(days_left(folder), [2, 3]);
}

#[test]
fn what_stays_is_compressed_if_it_is_sealed_and_not_written() {
    let folder = folder();
    let folder = folder.path();
    for day in [0, 10] {
        write(folder, day);
    }
    let trace = |index: usize| StoredTrace::list(folder).unwrap().swap_remove(index);
    let before = trace(1);
    let lines = read(&before.files[0]).0;
    let unsealed = begin(folder, 11).path().to_owned();
    let written = begin(folder, 12);
    let mut resumed = begin(folder, 13);
    resumed.rotate(START_MS + 13 * DAY_MS, None).unwrap();
    resumed.close(START_MS + 13 * DAY_MS, None).unwrap();

    let retention = Retention { days: 5, ..FOREVER };
    let now_ms = START_MS + 15 * DAY_MS;
    assert_eq!(days(&retention.apply(folder, now_ms).unwrap()), [0]);
    let plain = files_ending(folder, ".jsonl");
    assert_eq!(plain, [unsealed, written.path().to_owned()]);
    assert_eq!(files_ending(folder, ".zst").len(), 3);
    assert_eq!(
        files(folder).len(),
        6,
        "and the lock of the one that is written"
    );
    let after = trace(0);
    assert_eq!(read(&after.files[0]).0, lines);
    assert!(after.bytes * 2 < before.bytes, "{after:?}, {before:?}");
}

#[test]
fn a_trace_that_is_written_stays_and_counts() {
    let folder = folder();
    let folder = folder.path();
    let writer = begin(folder, 0);
    write(folder, 1);
    let nothing = Retention { days: 1, bytes: 0 };
    let removal = nothing.apply(folder, START_MS + 90 * DAY_MS).unwrap();
    assert_eq!(days(&removal), [1]);
    assert_eq!(days_left(folder), [0]);
    let stored = StoredTrace::list(folder).unwrap().remove(0);
    match stored.check_is_free() {
        Err(WriteError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(writer);
    let removal = nothing.apply(folder, START_MS + 90 * DAY_MS).unwrap();
    assert_eq!(days(&removal), [0]);
    assert_eq!(files(folder).len(), 0, "no lock is left either");
}

#[test]
fn a_damaged_trace_goes_like_another() {
    let folder = folder();
    let folder = folder.path();
    write(folder, 0);
    fs::write(&StoredTrace::list(folder).unwrap()[0].files[0], "\0\0\0").unwrap();
    let retention = Retention {
        days: 30,
        ..FOREVER
    };
    let removal = retention.apply(folder, START_MS + 31 * DAY_MS).unwrap();
    assert_eq!(days(&removal), [0]);
    assert_eq!(files(folder).len(), 0);
}

#[test]
fn a_folder_that_is_not_there_has_no_traces() {
    let folder = folder();
    let none = folder.path().join("none");
    assert_eq!(StoredTrace::list(&none).unwrap(), []);
    assert_eq!(days(&FOREVER.apply(&none, START_MS).unwrap()), NONE);
}
