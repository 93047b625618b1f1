//! What is written reads back, and what cannot be written leaves nothing behind.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, io};

use engine::{HostKnowledge, TabId};
use proptest::prelude::*;
use recorder::*;

use crate::any;
use crate::faulty::Faults;
use crate::support::*;

#[test]
fn a_segment_is_private_and_named_by_time_session_and_number() {
    let parent = folder();
    let folder = parent.path().join("state/traces");
    let writer = TraceWriter::create(&folder, &opening(), START_MS).unwrap();
    let name = writer
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let session = writer.header().session.simple().to_string();
    assert_eq!(name, format!("20260102T030405Z-{session}-0000.jsonl"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for path in files(&folder) {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_symbolic_link_in_the_place_of_a_segment_is_not_followed() {
    let folder = folder();
    let opening = opening();
    let name = format!("20260102T030405Z-{}-0000.jsonl", opening.session.simple());
    let target = folder.path().join("target");
    symlink(&target, folder.path().join(name)).unwrap();
    assert!(matches!(
        TraceWriter::create(folder.path(), &opening, START_MS),
        Err(WriteError::Io { .. })
    ));
    assert!(!target.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let folder = folder();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = TraceWriter::create(&file.join("traces"), &opening(), START_MS)
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot write {}", file.display())),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn everything_written_reads_back(bodies in proptest::collection::vec(any::body(), 0..40)) {
        let folder = folder();
        let mut writer = create(folder.path());
        let mut expect = Vec::new();
        for body in bodies {
            let src = body.source().unwrap();
            let (n, at_ms) = match src {
                Source::Ext => (Some(writer.last_n() + 1), Some(-1)),
                _ => (None, None),
            };
            let is_the_writers =
                matches!(body, Body::LogOpened(_) | Body::Checkpoint(_) | Body::LogClosed(_));
            let is_far = matches!(&body, Body::Dropped(it) if it.from.is_some_and(|from| from > 1 << 60));
            if is_far {
                continue;
            }
            match writer.append(START_MS, src, n, at_ms, &body) {
                Ok(seq) => expect.push(Line { seq, t_ms: START_MS, src, n, at_ms, body }),
                Err(error) => prop_assert!(is_the_writers, "{error}"),
            }
        }
        let path = writer.path().to_owned();
        writer.close(START_MS, None).unwrap();
        let (lines, reader) = read(&path);
        prop_assert!(reader.sealed());
        prop_assert_eq!(&lines[1..lines.len() - 2], &expect[..]);
    }
}

#[test]
fn a_line_is_one_write() {
    let folder = folder();
    let faults = Faults::default();
    let mut writer =
        TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
    let before = faults.set(|plan| plan.writes);
    append_events(&mut writer, 1, 10);
    assert_eq!(faults.set(|plan| plan.writes) - before, 10);
}

#[test]
fn a_time_before_the_last_counts_as_the_last() {
    let folder = folder();
    let mut writer = create(folder.path());
    writer
        .append(START_MS + 9, Source::Host, None, None, &metrics())
        .unwrap();
    writer
        .append(START_MS + 3, Source::Host, None, None, &metrics())
        .unwrap();
    assert_eq!(writer.last_t_ms(), START_MS + 9);
    assert_eq!(read(writer.path()).0[2].t_ms, START_MS + 9);
}

#[test]
fn only_what_can_be_read_is_written() {
    #[track_caller]
    fn check(result: Result<engine::Seq, WriteError>, expect: &str) {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expect), "found: {error}\nexpected: {expect}");
    }
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 7, 1);
    let before = fs::read(writer.path()).unwrap();
    check(
        writer.append(START_MS, Source::Ext, None, None, &metrics()),
        "src: found \"ext\", expected \"host\"",
    );
    check(
        writer.append(START_MS, Source::Host, Some(1), None, &metrics()),
        "n: found on a line of \"host\"",
    );
    check(append_event(&mut writer, 7), "found n 7 after 7");
    check(append_event(&mut writer, 9), "found n 9 after 7");
    let unknown = Body::Unknown {
        type_name: "dream".to_owned(),
    };
    check(
        writer.append(START_MS, Source::Host, None, None, &unknown),
        "type \"dream\": its type is not known",
    );
    let header = Body::LogOpened(writer.header().clone());
    check(
        writer.append(START_MS, Source::Host, None, None, &header),
        "the writer makes it itself",
    );
    let host = "x".repeat(250);
    let known = HostKnowledge {
        host,
        familiarity: 1,
        last_in_front_ms: None,
        bytes: None,
    };
    let hosts = vec![known; 5_000];
    let body = Body::KnowledgeCarried(KnowledgeCarried { hosts });
    check(
        writer.append(START_MS, Source::Host, None, None, &body),
        "longer than a line may be",
    );
    assert_eq!(fs::read(writer.path()).unwrap(), before);
    append_events(&mut writer, 8, 1);
    assert_eq!(counters(&read(writer.path()).0), [7, 8]);
}

#[test]
fn lost_events_are_told_and_acknowledged() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 3);
    let dropped = Body::Dropped(Dropped {
        from: Some(4),
        count: 10,
        why: "outbox_full".to_owned(),
    });
    writer
        .append(START_MS, Source::Host, None, None, &dropped)
        .unwrap();
    assert_eq!((writer.last_n(), writer.synced_n()), (13, 0));
    writer.sync().unwrap();
    assert_eq!(writer.synced_n(), 13);
    append_events(&mut writer, 14, 1);
    assert_eq!(counters(&read(writer.path()).0), [1, 2, 3, 14]);
}

#[test]
fn what_is_acknowledged_is_what_is_synced() {
    let folder = folder();
    let mut writer = create(folder.path());
    assert_eq!((writer.synced_n(), writer.unsynced_lines()), (0, 0));
    append_events(&mut writer, 1, 5);
    assert_eq!((writer.synced_n(), writer.unsynced_lines()), (0, 5));
    writer.sync().unwrap();
    assert_eq!((writer.synced_n(), writer.unsynced_lines()), (5, 0));
    // An owner that forgets to sync is not let go on for ever.
    append_events(&mut writer, 6, UNSYNCED_LINES_MAX as u64 + 1);
    assert_eq!(
        (writer.synced_n(), writer.unsynced_lines()),
        (5 + UNSYNCED_LINES_MAX as u64, 1)
    );
}

#[test]
fn a_checkpoint_is_due_by_count_and_by_time() {
    let folder = folder();
    let mut writer = create(folder.path());
    writer.checkpoint(START_MS, None).unwrap();
    assert!(
        !writer.checkpoint_due(START_MS + CHECKPOINT_MS),
        "nothing happened since"
    );
    writer
        .append(START_MS, Source::Host, None, None, &metrics())
        .unwrap();
    assert!(!writer.checkpoint_due(START_MS + CHECKPOINT_MS - 1));
    assert!(writer.checkpoint_due(START_MS + CHECKPOINT_MS));
    append_events(&mut writer, 1, CHECKPOINT_LINES - 2);
    assert!(!writer.checkpoint_due(START_MS));
    append_events(&mut writer, CHECKPOINT_LINES - 1, 1);
    assert!(writer.checkpoint_due(START_MS));
    writer.checkpoint(START_MS, None).unwrap();
    assert!(!writer.checkpoint_due(START_MS));
    read(writer.path());
}

#[test]
fn a_segment_is_closed_by_size_and_by_day_and_compressed() {
    let folder = folder();
    let mut writer = create(folder.path()).with_segment_bytes(4_000);
    let mut n = 1;
    while !writer.rotation_due(START_MS) {
        append_events(&mut writer, n, 1);
        n += 1;
    }
    let rotation = writer.rotate(START_MS, Some("aa")).unwrap();
    assert!(!rotation.closed.exists());
    assert!(rotation.compressed.unwrap().exists());
    assert!(!writer.rotation_due(START_MS));

    let midnight = (START_MS / 86_400_000 + 1) * 86_400_000;
    assert!(!writer.rotation_due(midnight - 1));
    assert!(writer.rotation_due(midnight));
    writer.rotate(midnight, Some("bb")).unwrap();
    assert!(!writer.rotation_due(midnight));
    append_events(&mut writer, n, 3);
    let path = writer.path().to_owned();
    assert!(
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("20260103T000000Z")
    );
    writer.close(midnight, Some("cc")).unwrap();

    let (lines, reader) = read(&path);
    assert_eq!(counters(&lines), Vec::from_iter(1..n + 3));
    assert!(reader.sealed());
    assert_eq!(files_ending(folder.path(), ".jsonl.zst").len(), 2);
    assert_eq!(
        files(folder.path()).len(),
        3,
        "nothing else is left, the lock neither"
    );
}

#[test]
fn a_full_disk_leaves_no_part_of_a_line_whatever_fits() {
    for space in 0..110 {
        let folder = folder();
        let faults = Faults::default();
        let mut writer =
            TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
        append_events(&mut writer, 1, 1);
        let before = fs::read(writer.path()).unwrap();
        faults.set(|plan| plan.space = Some(space));
        let error = append_event(&mut writer, 2).unwrap_err();
        assert!(
            matches!(&error, WriteError::Io { error, .. } if error.kind() == std::io::ErrorKind::StorageFull)
        );
        assert_eq!(
            fs::read(writer.path()).unwrap(),
            before,
            "{space} bytes fitted"
        );
        assert_eq!(writer.last_n(), 1);
        faults.set(|plan| plan.space = None);
        append_events(&mut writer, 2, 2);
        assert_eq!(counters(&read(writer.path()).0), [1, 2, 3]);
    }
}

#[test]
fn a_stump_that_cannot_be_cut_off_stops_the_writer_until_it_can() {
    let folder = folder();
    let faults = Faults::default();
    let mut writer =
        TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
    append_events(&mut writer, 1, 1);
    faults.set(|plan| {
        plan.space = Some(20);
        plan.truncate_fails = true;
    });
    append_event(&mut writer, 2).unwrap_err();
    let (lines, reader) = read(writer.path());
    assert_eq!(counters(&lines), [1]);
    assert_eq!(reader.torn_tail().unwrap().bytes, 20);
    faults.set(|plan| plan.space = None);
    append_event(&mut writer, 2).unwrap_err();
    assert_eq!(
        read(writer.path()).1.torn_tail().unwrap().bytes,
        20,
        "nothing is glued onto it"
    );
    faults.set(|plan| plan.truncate_fails = false);
    append_events(&mut writer, 2, 1);
    assert_eq!(counters(&read(writer.path()).0), [1, 2]);
}

#[test]
fn after_a_failed_sync_what_was_not_on_the_disk_is_written_anew() {
    let folder = folder();
    let faults = Faults::default();
    let mut writer =
        TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
    append_events(&mut writer, 1, 3);
    writer.sync().unwrap();
    append_events(&mut writer, 4, 2);
    writer
        .append(START_MS + 5_000, Source::Host, None, None, &metrics())
        .unwrap();
    let decision = Body::PressureChanged(PressureChanged {
        cause: engine::Seq(6),
        score: 80,
        level: engine::Level::High,
        was: engine::Level::Low,
        reasons: vec![],
    });
    writer
        .append(START_MS + 5_000, Source::Engine, None, None, &decision)
        .unwrap();
    writer.checkpoint(START_MS + 5_000, None).unwrap();
    faults.set(|plan| plan.sync_fails = true);
    assert!(matches!(writer.sync(), Err(WriteError::SyncFailed { .. })));
    assert_eq!(
        writer.synced_n(),
        3,
        "nothing is acknowledged that is not on the disk"
    );
    assert!(matches!(
        append_event(&mut writer, 6),
        Err(WriteError::SyncFailed { .. })
    ));

    // While the disk is broken there is no way on, and nothing is spoilt.
    let mut seen = Vec::new();
    assert!(writer.recover(&mut |line| seen.push(line.clone())).is_err());
    assert_eq!(files_ending(folder.path(), ".jsonl").len(), 1);

    faults.set(|plan| plan.sync_fails = false);
    seen.clear();
    let again = writer.recover(&mut |line| seen.push(line.clone())).unwrap();
    assert_eq!(counters(&seen), [1, 2, 3]);
    assert_eq!(
        type_names(&again),
        ["tab_activated", "tab_activated", "metrics"]
    );
    for line in again {
        writer
            .append(line.t_ms, line.src, line.n, line.at_ms, &line.body)
            .unwrap();
    }
    append_events(&mut writer, 6, 1);
    let path = writer.path().to_owned();
    writer.close(START_MS + 9_000, None).unwrap();

    let (lines, reader) = read(&path);
    assert_eq!(counters(&lines), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        lines[5].t_ms,
        START_MS + 4_000,
        "what is written anew keeps its time"
    );
    assert!(reader.sealed());
    assert!(reader.superseded_bytes() > 0);

    // A host that is started later reads it so, too.
    let mut seen = Vec::new();
    let resumed = TraceWriter::resume(folder.path(), &opening(), START_MS + 10_000, &mut |line| {
        seen.push(line.clone());
    });
    assert_eq!(resumed.unwrap().unwrap().last_n, 6);
    assert_eq!(seen, lines);
}

#[test]
fn recovering_a_writer_that_is_well_changes_nothing() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 3);
    let mut seen = Vec::new();
    assert_eq!(
        writer.recover(&mut |line| seen.push(line.clone())).unwrap(),
        []
    );
    assert_eq!(counters(&seen), [1, 2, 3]);
    append_events(&mut writer, 4, 1);
    assert_eq!(counters(&read(folder.path()).0), [1, 2, 3, 4]);
}

#[test]
fn a_rotation_that_fails_half_way_is_finished_by_the_next_line_or_try() {
    for by_a_line in [true, false] {
        let folder = folder();
        let faults = Faults::default();
        let mut writer =
            TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS).unwrap();
        append_events(&mut writer, 1, 3);
        faults.set(|plan| plan.create_fails = true);
        assert!(writer.rotate(START_MS + 4_000, None).is_err());
        assert!(append_event(&mut writer, 4).is_err());
        assert!(writer.rotate(START_MS + 4_000, None).is_err());
        faults.set(|plan| plan.create_fails = false);
        if !by_a_line {
            writer.rotate(START_MS + 4_000, None).unwrap();
        }
        append_events(&mut writer, 4, 2);
        writer.close(START_MS + 9_000, None).unwrap();
        let (lines, reader) = read(folder.path());
        assert_eq!(counters(&lines), [1, 2, 3, 4, 5]);
        assert!(reader.sealed());
    }
}

/// A disk on which, while it is full, whoever makes room removes each new segment.
#[derive(Clone, Default)]
struct Tidied {
    is_full: Arc<AtomicBool>,
}

struct TidiedFile {
    file: Box<dyn SegmentFile>,
    path: PathBuf,
    is_full: bool,
}

impl Storage for Tidied {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(TidiedFile {
            file: Disk.create(path)?,
            path: path.to_owned(),
            is_full: self.is_full.load(Ordering::Relaxed),
        }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Disk.append(path)
    }
}

impl SegmentFile for TidiedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_full {
            fs::remove_file(&self.path)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }
}

#[test]
fn a_segment_that_was_never_begun_and_is_gone_is_not_looked_for() {
    let folder = folder();
    let disk = Tidied::default();
    let storage = Box::new(disk.clone());
    let mut writer = TraceWriter::create_on(storage, folder.path(), &opening(), START_MS).unwrap();
    append_events(&mut writer, 1, 3);
    disk.is_full.store(true, Ordering::Relaxed);
    writer.rotate(START_MS + 4_000, None).unwrap_err();
    disk.is_full.store(false, Ordering::Relaxed);
    append_events(&mut writer, 4, 2);
    assert_eq!(counters(&read(folder.path()).0), [1, 2, 3, 4, 5]);
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 3);
    let resume = || TraceWriter::resume(folder.path(), &opening(), START_MS, &mut |_| {});
    let error = resume().err().unwrap();
    assert!(
        matches!(error, WriteError::Locked { pid: Some(pid), .. } if pid == std::process::id())
    );
    let expect = format!(
        "is held by process {}, which writes this trace",
        std::process::id()
    );
    assert!(error.to_string().contains(&expect), "{error}");

    // It waits: the one before it may be about to end.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(resume);
        append_events(&mut writer, 4, 1);
        drop(writer);
        assert_eq!(waiting.join().unwrap().unwrap().unwrap().last_n, 4);
    });
}

#[test]
fn a_removed_lock_is_not_taken_for_one() {
    let folder = folder();
    let writer = create(folder.path());
    let lock = files_ending(folder.path(), ".lock").remove(0);
    // What a host that was killed leaves behind.
    drop(writer);
    fs::write(&lock, "12345\n").unwrap();
    let resumed = TraceWriter::resume(folder.path(), &opening(), START_MS, &mut |_| {})
        .unwrap()
        .unwrap();
    assert_eq!(
        fs::read_to_string(&lock).unwrap().trim(),
        std::process::id().to_string()
    );
    drop(resumed);
    assert!(!lock.exists());
}

#[test]
fn a_tab_id_reads_back_whatever_it_is() {
    let folder = folder();
    let mut writer = create(folder.path());
    for (n, tab) in (1..).zip([i64::MIN, -1, 0, i64::MAX]) {
        let body = Body::TabClosed(TabClosed { tab: TabId(tab) });
        writer
            .append(START_MS, Source::Ext, Some(n), Some(i64::MAX), &body)
            .unwrap();
        assert_eq!(read(writer.path()).0.pop().unwrap().body, body);
    }
}
