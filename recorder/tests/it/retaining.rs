//! Whole traces go, the oldest first, and never one that is written.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use recorder::{
    Opening, PackedFolder, Removal, Retention, StoredTrace, TraceWriter, WriteError, new_session,
};

use crate::support::{START_MS, append_events, files, files_ending, folder, opening, read};

const DAY_MS: i64 = 86_400_000;

const NONE: [i64; 0] = [];

const FOREVER: Retention = Retention {
    days: 10_000,
    bytes: u64::MAX,
};

/// Where nothing is packed.
fn unpacked() -> PackedFolder {
    PackedFolder::below(Path::new("/nowhere"))
}

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
    write_and_end(folder, day, day);
}

/// Writes a trace with a clock that shows one day at its beginning, and maybe another at its end.
fn write_and_end(folder: &Path, day: i64, end_day: i64) {
    let writer = begin(folder, day);
    let path = writer.path().to_owned();
    let t_ms = START_MS + day * DAY_MS + 100_000;
    writer.close(t_ms, None).unwrap();
    end(&path, end_day);
}

/// Has the clock show a day when a file was written last.
fn end(path: &Path, day: i64) {
    let at_ms = u64::try_from(START_MS + day * DAY_MS).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
    File::open(path).unwrap().set_modified(at).unwrap();
}

/// What goes by age on a day, where logs are kept for 30.
fn removed_on(folder: &Path, day: i64) -> Vec<i64> {
    let retention = Retention {
        days: 30,
        ..FOREVER
    };
    let now_ms = START_MS + day * DAY_MS + 600_000;
    days(&retention.apply(folder, &unpacked(), now_ms).unwrap())
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
    for day in [0, 9, 40] {
        write(folder, day);
    }
    let oldest = StoredTrace::list(folder).unwrap().remove(0);
    let name = oldest.files[0].to_str().unwrap().to_owned();
    for suffix in [".torn", ".zst.tmp"] {
        let path = format!("{name}{suffix}");
        fs::write(&path, "x").unwrap();
        end(Path::new(&path), 0);
    }
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    fs::write(format!("{name}.bak"), "mine").unwrap();

    let now_ms = START_MS + 41 * DAY_MS;
    let retention = Retention {
        days: 30,
        ..FOREVER
    };
    assert_eq!(
        days(&retention.apply(folder, &unpacked(), now_ms).unwrap()),
        [0, 9]
    );
    assert_eq!(days_left(folder), [40]);
    let left = files(folder);
    assert_eq!(left.len(), 3, "{left:?}");
    assert_eq!(
        days(&retention.apply(folder, &unpacked(), now_ms).unwrap()),
        NONE
    );
}

#[test]
fn a_trace_is_as_old_as_its_last_segment() {
    let folder = folder();
    let folder = folder.path();
    let mut writer = begin(folder, 0);
    writer.rotate(START_MS + 20 * DAY_MS, None).unwrap();
    append_events(&mut writer, 21, 1);
    writer.close(START_MS + 20 * DAY_MS, None).unwrap();
    for (file, day) in files(folder).iter().zip([19, 20]) {
        end(&folder.join(file), day);
    }
    assert_eq!(StoredTrace::list(folder).unwrap()[0].files.len(), 2);

    write(folder, 49);
    assert_eq!(removed_on(folder, 50), NONE);
    write(folder, 51);
    assert_eq!(removed_on(folder, 52), [20]);
    assert_eq!(files(folder).len(), 2);
}

#[test]
fn the_oldest_go_until_the_rest_is_small_enough() {
    let folder = folder();
    let folder = folder.path();
    for day in [3, 1, 2, 0] {
        write(folder, day);
    }
    let now_ms = START_MS + 4 * DAY_MS;
    assert_eq!(
        days(&FOREVER.apply(folder, &unpacked(), now_ms).unwrap()),
        NONE
    );
    let each = StoredTrace::list(folder).unwrap()[0].bytes;
    let bytes = each * 5 / 2;
    let retention = Retention { bytes, ..FOREVER };
    assert_eq!(
        days(&retention.apply(folder, &unpacked(), now_ms).unwrap()),
        [0, 1]
    );
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
    assert_eq!(
        days(&retention.apply(folder, &unpacked(), now_ms).unwrap()),
        [0]
    );
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
    let removal = nothing
        .apply(folder, &unpacked(), START_MS + 90 * DAY_MS)
        .unwrap();
    assert_eq!(days(&removal), [1]);
    assert_eq!(days_left(folder), [0]);
    let stored = StoredTrace::list(folder).unwrap().remove(0);
    match stored.check_is_free() {
        Err(WriteError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(writer);
    let removal = nothing
        .apply(folder, &unpacked(), START_MS + 90 * DAY_MS)
        .unwrap();
    assert_eq!(days(&removal), [0]);
    assert_eq!(files(folder).len(), 0, "no lock is left either");
}

#[test]
fn a_damaged_trace_goes_like_another() {
    let folder = folder();
    let folder = folder.path();
    write(folder, 0);
    let file = StoredTrace::list(folder).unwrap().remove(0).files.remove(0);
    fs::write(&file, "\0\0\0").unwrap();
    end(&file, 0);
    write(folder, 31);
    assert_eq!(removed_on(folder, 32), [0]);
    assert_eq!(days_left(folder), [31]);
}

#[test]
fn a_folder_that_is_not_there_has_no_traces() {
    let folder = folder();
    let none = folder.path().join("none");
    assert_eq!(StoredTrace::list(&none).unwrap(), []);
    assert_eq!(
        days(&FOREVER.apply(&none, &unpacked(), START_MS).unwrap()),
        NONE
    );
}

// ---- What a clock says ------------------------------------------------------------------------

/// The day on which this runs: when a file was changed nobody can set.
fn today() -> i64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    (i64::try_from(now.as_millis()).unwrap() - START_MS) / DAY_MS
}

#[test]
fn a_clock_that_is_a_year_ahead_for_a_moment_takes_no_trace() {
    let folder = folder();
    let folder = folder.path();
    let today = today();
    for ago in [30, 10, 1] {
        write(folder, today - ago);
    }
    // Of the browser sessions of the moment one was begun before.
    let ahead = today + 365;
    assert_eq!(removed_on(folder, ahead), NONE);
    write(folder, ahead);
    write_and_end(folder, today, ahead);
    assert_eq!(removed_on(folder, ahead), NONE);
    let all = [today - 30, today - 10, today - 1, today, ahead];
    assert_eq!(days_left(folder), all);
    // It was set right, and goes on. Those of the moment were compressed today.
    assert_eq!(removed_on(folder, today + 1), NONE);
    write(folder, today + 1);
    assert_eq!(removed_on(folder, today + 2), [today - 30]);
    write(folder, today + 30);
    assert_eq!(removed_on(folder, today + 31), [today - 10, today - 1]);
    write(folder, today + 33);
    assert_eq!(removed_on(folder, today + 34), [today, today + 1, ahead]);
}

#[test]
fn a_clock_that_is_wrong_at_each_start_takes_no_trace() {
    #[track_caller]
    fn check(wrong_by: i64) {
        let folder = folder();
        let folder = folder.path();
        let today = today();
        for day in today..today + 40 {
            let wrong = if wrong_by < 0 { 10 } else { day + wrong_by };
            assert_eq!(removed_on(folder, wrong), NONE, "at the start of day {day}");
            // It is set over the network soon after, before the session's end and the next look.
            write_and_end(folder, wrong, day);
            let gone = removed_on(folder, day);
            assert_eq!(gone.len(), usize::from(day > today + 31), "on day {day}");
        }
    }
    // A battery that is empty has each day begin as the first; a year that is wrong goes on.
    check(-1);
    check(365);
}

#[test]
fn a_clock_that_is_behind_takes_no_trace_that_ended_by_another() {
    let folder = folder();
    let folder = folder.path();
    let today = today();
    write(folder, today - 3);
    // Begun by a clock that started anew, and one that went back before the end.
    write_and_end(folder, 0, today - 2);
    write_and_end(folder, today - 1, 2);
    for day in [1, 4, 30, today - 2] {
        assert_eq!(removed_on(folder, day), NONE, "on day {day}");
    }
    for day in [0, 3, 29] {
        write(folder, day);
        assert_eq!(removed_on(folder, day + 1), NONE, "on day {day}");
    }
    write(folder, today);
    assert_eq!(
        removed_on(folder, today + 1),
        [0, 3, 29],
        "as old as all says"
    );
    assert_eq!(days_left(folder), [0, today - 3, today - 1, today]);
}

#[test]
fn after_a_time_without_a_machine_what_is_old_goes_a_day_after_the_next_trace() {
    let folder = folder();
    let folder = folder.path();
    for day in [0, 10] {
        write(folder, day);
    }
    assert_eq!(removed_on(folder, 100), NONE);
    write(folder, 100);
    assert_eq!(removed_on(folder, 100), NONE);
    assert_eq!(removed_on(folder, 101), [0, 10]);
}

#[test]
fn one_trace_alone_stays_until_there_is_another() {
    let folder = folder();
    let folder = folder.path();
    write(folder, 0);
    assert_eq!(removed_on(folder, 50), NONE);
    // One that goes on for long tells the time by the segments that it has closed.
    let mut writer = begin(folder, 50);
    let closed = writer.path().to_owned();
    let t_ms = START_MS + 51 * DAY_MS;
    let _ = writer.rotate(t_ms, None).unwrap();
    end(&closed.with_extension("jsonl.zst"), 50);
    end(writer.path(), 51);
    assert_eq!(removed_on(folder, 51), [0]);
}

#[test]
fn too_much_goes_by_when_it_was_written_whatever_the_clock_said_at_first() {
    let folder = folder();
    let folder = folder.path();
    let today = today();
    write_and_end(folder, 0, today + 2);
    write(folder, today);
    write_and_end(folder, today + 365, today + 1);
    let now_ms = START_MS + (today + 3) * DAY_MS;
    assert_eq!(
        days(&FOREVER.apply(folder, &unpacked(), now_ms).unwrap()),
        NONE
    );
    let bytes = StoredTrace::list(folder).unwrap()[0].bytes * 3 / 2;
    let retention = Retention { bytes, ..FOREVER };
    assert_eq!(
        days(&retention.apply(folder, &unpacked(), now_ms).unwrap()),
        [today, today + 365]
    );
}

#[test]
fn a_compressed_segment_was_written_when_the_plain_one_was() {
    let folder = folder();
    let folder = folder.path();
    write(folder, 3);
    let written = |suffix| {
        let [file] = &files_ending(folder, suffix)[..] else {
            panic!("not one {suffix}");
        };
        fs::metadata(file).unwrap().modified().unwrap()
    };
    let before = written(".jsonl");
    assert_eq!(removed_on(folder, 4), NONE);
    assert_eq!(written(".jsonl.zst"), before);
}
