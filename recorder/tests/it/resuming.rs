//! A restarted host goes on with its trace: nothing lost, nothing doubled.

use std::io::Write as _;
use std::path::Path;
use std::{fs, thread};

use recorder::*;

use crate::support::*;

fn resume(folder: &std::path::Path, t_ms: i64) -> Resumed {
    TraceWriter::resume(folder, &opening(), t_ms, &mut |_| {})
        .unwrap()
        .unwrap()
}

#[test]
fn a_trace_goes_on_after_its_host_was_killed() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 5);
    let path = writer.path().to_owned();
    drop(writer);
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"type\":\"tab_a")
        .unwrap();

    let mut seen = Vec::new();
    let resumed = TraceWriter::resume(folder.path(), &opening(), START_MS + 9_000, &mut |line| {
        seen.push(line.clone());
    });
    let Resumed {
        mut writer,
        torn_bytes,
        last_n,
        last_t_ms,
        was_sealed,
    } = resumed.unwrap().unwrap();
    assert_eq!(
        (torn_bytes, last_n, last_t_ms, was_sealed),
        (14, 5, START_MS + 5_000, false)
    );
    assert_eq!(counters(&seen), [1, 2, 3, 4, 5]);
    assert_eq!(writer.path(), path, "the segment goes on");
    assert_eq!(writer.synced_n(), 5, "what was read is on the disk");
    let body = Body::LogResumed(LogResumed {
        torn_bytes,
        last_n,
        engine: 1,
        why: ResumeReason::HostRestarted,
    });
    writer
        .append(START_MS + 9_000, Source::Host, None, None, &body)
        .unwrap();
    append_events(&mut writer, 6, 2);
    writer.checkpoint(START_MS + 9_500, None).unwrap();
    writer.close(START_MS + 10_000, None).unwrap();

    let (lines, reader) = read(&path);
    assert_eq!(counters(&lines), [1, 2, 3, 4, 5, 6, 7]);
    assert!(reader.sealed());
    let aside = files_ending(folder.path(), ".torn").remove(0);
    assert_eq!(fs::read(aside).unwrap(), b"{\"type\":\"tab_a");
}

#[test]
fn a_torn_segment_that_somebody_compressed_stays_as_it_is_and_the_trace_goes_on() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 200);
    let path = writer.path().to_owned();
    drop(writer);
    let mut text = fs::read(&path).unwrap();
    text.extend(b"{\"type\":\"tab_a");
    let compressed = path.with_extension("jsonl.zst");
    let mut zstd = compressor(fs::File::create(&compressed).unwrap()).unwrap();
    zstd.write_all(&text).unwrap();
    zstd.finish().unwrap();
    fs::remove_file(&path).unwrap();
    let bytes = fs::read(&compressed).unwrap();

    for unfinished_bytes in 0..2 {
        let Resumed {
            writer,
            torn_bytes,
            last_n,
            ..
        } = resume(folder.path(), START_MS + 300_000);
        assert_eq!((torn_bytes, last_n), (14 + unfinished_bytes, 200));
        assert_eq!(writer.header().segment, 1);
        let second = writer.path().to_owned();
        drop(writer);
        fs::write(&second, "{").unwrap();
    }
    let mut resumed = resume(folder.path(), START_MS + 300_000);
    append_events(&mut resumed.writer, 201, 2);
    resumed.writer.close(START_MS + 400_000, None).unwrap();

    assert_eq!(fs::read(&compressed).unwrap(), bytes);
    let (lines, reader) = read(folder.path());
    assert_eq!(counters(&lines), Vec::from_iter(1..=202));
    assert!(reader.sealed());
}

#[test]
fn a_trace_that_was_closed_goes_on_in_a_new_segment() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 2);
    let first = writer.path().to_owned();
    writer.close(START_MS + 3_000, None).unwrap();

    let Resumed {
        mut writer,
        was_sealed,
        ..
    } = resume(folder.path(), START_MS + 4_000);
    assert!(was_sealed);
    assert_eq!(writer.header().segment, 1);
    append_events(&mut writer, 3, 2);
    writer.close(START_MS + 5_000, None).unwrap();
    assert!(
        !first.exists(),
        "a closed segment that has a follower is compressed"
    );
    let (lines, reader) = read(folder.path());
    assert_eq!(counters(&lines), [1, 2, 3, 4]);
    assert!(reader.sealed());
}

#[test]
fn a_host_killed_while_it_began_a_segment_is_gone_on_from() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 3);
    writer.rotate(START_MS + 3_000, None).unwrap();
    let second = writer.path().to_owned();
    drop(writer);
    let header = fs::read(&second).unwrap();
    for left in [&b""[..], &header[..40], &header[..header.len() - 1]] {
        fs::write(&second, left).unwrap();
        let (lines, reader) = read(folder.path());
        assert_eq!(counters(&lines), [1, 2, 3]);
        assert_eq!(reader.torn_tail().unwrap().bytes, left.len() as u64);
        let Resumed {
            writer, torn_bytes, ..
        } = resume(folder.path(), START_MS + 4_000);
        assert_eq!(torn_bytes, left.len() as u64);
        assert_eq!(writer.header().segment, 1);
        read(folder.path());
        fs::remove_file(writer.path()).unwrap();
    }
}

#[test]
fn a_new_trace_begins_where_none_can_go_on() {
    let folder = folder();
    let resume = |opening: &Opening, folder: &std::path::Path| {
        TraceWriter::resume(folder, opening, START_MS, &mut |_| {})
            .unwrap()
            .is_some()
    };
    assert!(!resume(&opening(), folder.path()), "an empty folder");
    assert!(
        !resume(&opening(), &folder.path().join("none")),
        "no folder"
    );
    drop(create(folder.path()));
    assert!(resume(&opening(), folder.path()));
    assert!(
        !resume(
            &Opening {
                engine: 2,
                ..opening()
            },
            folder.path()
        ),
        "another engine"
    );
    assert!(!resume(
        &Opening {
            privacy: Privacy::Site,
            ..opening()
        },
        folder.path()
    ));
    assert!(!resume(
        &Opening {
            extension_session: None,
            ..opening()
        },
        folder.path()
    ));
    let other = Some("another browser's session".to_owned());
    assert!(!resume(
        &Opening {
            extension_session: other,
            ..opening()
        },
        folder.path()
    ));
}

#[test]
fn the_newest_trace_of_a_session_goes_on_whatever_stands_beside_it() {
    let folder = folder();
    let older = create(folder.path());
    let newer = TraceWriter::create(folder.path(), &opening(), START_MS + 60_000).unwrap();
    let session = newer.header().session;
    drop((older, newer));
    fs::write(folder.path().join("zzz.jsonl"), "no trace\n").unwrap();
    let resumed = resume(folder.path(), START_MS + 90_000);
    assert_eq!(resumed.writer.header().session, session);
}

#[test]
fn the_newest_trace_of_a_session_goes_on_though_the_clock_was_set_back_before_it() {
    let folder = folder();
    let begin = |t_ms| {
        let session = new_session(t_ms);
        let opening = Opening {
            session,
            ..opening()
        };
        let writer = TraceWriter::create(folder.path(), &opening, t_ms).unwrap();
        writer.header().session
    };
    let mut begun = Vec::new();
    for hours in [5, 5, 1, 3, 0] {
        begun.push(begin(START_MS + hours * 3_600_000));
        assert!(begun.is_sorted(), "{begun:?}");
        let resumed = resume(folder.path(), START_MS);
        assert_eq!(Some(&resumed.writer.header().session), begun.last());
    }
    // Of another browser session nothing is known.
    let other = Opening {
        extension_session: Some("another browser's session".to_owned()),
        ..opening()
    };
    let other = TraceWriter::create(folder.path(), &other, START_MS).unwrap();
    assert!(other.header().session < begun[0]);
}

#[test]
fn a_trace_that_was_begun_while_another_was_waited_for_goes_on_under_its_own_lock() {
    let folder = folder();
    let older = create(folder.path());
    thread::scope(|scope| {
        let waiting = scope.spawn(|| resume(folder.path(), START_MS));
        let lock = files_ending(folder.path(), ".lock").remove(0);
        while handles_of(&lock) < 2 {
            thread::yield_now();
        }
        let newer = TraceWriter::create(folder.path(), &opening(), START_MS + 60_000).unwrap();
        let session = newer.header().session;
        drop(newer);
        drop(older);
        let resumed = waiting.join().unwrap();
        assert_eq!(resumed.writer.header().session, session);
        let second = TraceWriter::resume(folder.path(), &opening(), START_MS, &mut |_| {});
        let second = second.map(|resumed| resumed.is_some());
        assert!(
            matches!(second, Err(WriteError::Locked { .. })),
            "two write one trace: {second:?}"
        );
    });
}

/// How many handles this process has on a file.
fn handles_of(path: &Path) -> usize {
    let handles = fs::read_dir("/proc/self/fd").unwrap();
    // One may be closed while it is looked at.
    let targets = handles.filter_map(|handle| fs::read_link(handle.ok()?.path()).ok());
    targets.filter(|target| target == path).count()
}

#[test]
fn a_damaged_trace_is_not_gone_on_with_and_not_touched() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 5);
    let path = writer.path().to_owned();
    drop(writer);
    let text = fs::read_to_string(&path)
        .unwrap()
        .replacen("\"seq\":2", "\"seq\":9", 1);
    fs::write(&path, &text).unwrap();
    let error = TraceWriter::resume(folder.path(), &opening(), START_MS, &mut |_| {})
        .err()
        .unwrap();
    assert!(matches!(error, WriteError::Unreadable(error) if error.is_corruption()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(files(folder.path()), [path]);
}
