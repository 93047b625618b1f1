//! A trace that is composed reads as one that was recorded, and is there whole or not at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use engine::{DiscardedBy, TabId};
use proptest::prelude::*;
use recorder::*;

use crate::any;
use crate::support::*;

fn derived() -> Opening {
    Opening {
        session: session_made_from(START_MS, b"a test"),
        extension_session: None,
        origin: Origin::Derived,
        derived_from: Some("9f3c2ab04d17e65b".to_owned()),
        ..opening()
    }
}

fn compose(folder: &Path, compression: Compression) -> TraceComposer {
    TraceComposer::create(folder, &derived(), START_MS, compression).unwrap()
}

/// What a reader is given, less what the writers make themselves.
fn said(lines: Vec<Line>) -> Vec<(i64, Option<i64>, Body)> {
    let is_owners = |line: &Line| {
        !matches!(
            line.body,
            Body::LogOpened(_) | Body::Checkpoint(_) | Body::LogClosed(_)
        )
    };
    lines
        .into_iter()
        .filter(is_owners)
        .map(|line| (line.t_ms, line.at_ms, line.body))
        .collect()
}

proptest! {
    #[test]
    fn what_is_composed_reads_back_in_any_segments(
        events in prop::collection::vec(
            (0..100_000_i64, prop_oneof![any::from_extension(), any::from_host(), any::from_engine()]),
            0..80,
        ),
        segment_bytes in 300..20_000_u64,
        compression in prop::sample::select(vec![Compression::Plain, Compression::Zstd]),
    ) {
        let parent = folder();
        let folder = parent.path().join("trace");
        let mut composer = compose(&folder, compression).with_segment_bytes(segment_bytes);
        let mut t_ms = START_MS;
        let mut expected = Vec::new();
        let mut seqs = Vec::new();
        for (later_ms, body) in events {
            t_ms += later_ms;
            let at_ms = (body.source() == Some(Source::Ext)).then_some(t_ms - 3);
            seqs.push(composer.append(t_ms, at_ms, body.clone()).unwrap());
            expected.push((t_ms, at_ms, body));
        }
        prop_assert_eq!(composer.finish(t_ms).unwrap().folder, folder.clone());

        let (lines, reader) = read(&folder);
        prop_assert!(reader.sealed());
        for pair in lines.windows(2) {
            let is_writers = matches!(
                pair[0].body,
                Body::LogOpened(_) | Body::Checkpoint(_) | Body::LogClosed(_)
            );
            // The first events of a trace may be outputs here, which nothing led to.
            let is_first = pair[0].seq.0 == 0;
            prop_assert!(pair[1].src != Source::Engine || !is_writers || is_first);
        }
        let numbers = counters(&lines);
        prop_assert_eq!(&numbers, &Vec::from_iter(1..=numbers.len() as u64));
        for seq in seqs {
            let line = &lines[usize::try_from(seq.0).unwrap()];
            prop_assert_eq!(line.seq, seq);
        }
        prop_assert_eq!(said(lines), expected);
        prop_assert_eq!(files(parent.path()), vec![folder]);
    }
}

#[test]
fn the_same_lines_make_the_same_files() {
    let parent = folder();
    let made = |name: &str, compression| {
        let folder = parent.path().join(name);
        let mut composer = compose(&folder, compression);
        for n in 0..3_000 {
            composer
                .append(START_MS + n, Some(START_MS), event(1))
                .unwrap();
        }
        composer.finish(START_MS + 3_000).unwrap();
        let (_, reader) = read(&folder);
        let bytes = |path: &std::path::PathBuf| fs::read(path).unwrap();
        (
            reader.digest(),
            files(&folder).iter().map(bytes).collect::<Vec<_>>(),
        )
    };
    let plain = made("plain", Compression::Plain);
    assert_eq!(plain, made("plain again", Compression::Plain));
    let compressed = made("compressed", Compression::Zstd);
    assert_eq!(compressed, made("compressed again", Compression::Zstd));
    assert_eq!(plain.0, compressed.0);
}

#[test]
fn lost_events_are_told_and_the_count_goes_on_after_them() {
    let parent = folder();
    let folder = parent.path().join("trace");
    let mut composer = compose(&folder, Compression::Plain);
    composer.append(START_MS, None, event(1)).unwrap();
    let dropped = Dropped {
        from: Some(900),
        count: 3,
        why: "outbox_full".to_owned(),
    };
    composer
        .append(START_MS, None, Body::Dropped(dropped))
        .unwrap();
    composer.append(START_MS, None, event(2)).unwrap();
    composer.finish(START_MS).unwrap();
    assert_eq!(counters(&read(&folder).0), [1, 5]);
}

#[test]
fn a_composed_trace_is_private() {
    let parent = folder();
    let folder = parent.path().join("trace");
    compose(&folder, Compression::Zstd)
        .finish(START_MS)
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&files(&folder)[0]), 0o600);
}

#[test]
fn a_trace_that_is_not_finished_leaves_nothing() {
    let parent = folder();
    let mut composer = compose(&parent.path().join("trace"), Compression::Plain);
    composer.append(START_MS, None, event(1)).unwrap();
    drop(composer);
    assert!(files(parent.path()).is_empty());
}

#[test]
fn what_a_killed_try_left_is_written_over() {
    let parent = folder();
    let partial = parent.path().join(".trace.partial");
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("of-another-day.jsonl"), "{\"type\":").unwrap();
    let folder = parent.path().join("trace");
    compose(&folder, Compression::Plain)
        .finish(START_MS)
        .unwrap();
    assert_eq!(read(&folder).0.len(), 3);
    assert_eq!(files(parent.path()), [folder]);
}

#[test]
fn what_is_there_already_stays() {
    let parent = folder();
    let folder = parent.path().join("trace");
    let again = || TraceComposer::create(&folder, &derived(), START_MS, Compression::Plain);
    compose(&folder, Compression::Plain)
        .finish(START_MS)
        .unwrap();
    assert!(matches!(again(), Err(WriteError::Exists { .. })));
    assert_eq!(read(&folder).0.len(), 3);

    // What came into its place while it was composed stays as well.
    fs::remove_dir_all(&folder).unwrap();
    let composer = again().unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a file"), "").unwrap();
    let error = composer.finish(START_MS).unwrap_err();
    assert!(matches!(error, WriteError::Exists { .. }), "{error}");
    assert_eq!(files(parent.path()), [folder]);
}

#[test]
fn two_do_not_compose_one_trace() {
    let parent = folder();
    let folder = parent.path().join("trace");
    let first = compose(&folder, Compression::Plain);
    let second = TraceComposer::create(&folder, &derived(), START_MS, Compression::Plain);
    assert!(matches!(second, Err(WriteError::Locked { .. })));
    first.finish(START_MS).unwrap();
    assert_eq!(read(&folder).0.len(), 3);
}

#[test]
fn a_symbolic_link_in_the_place_of_the_unfinished_folder_is_not_followed() {
    let parent = folder();
    let target = folder();
    symlink(target.path(), parent.path().join(".trace.partial")).unwrap();
    let made = TraceComposer::create(
        &parent.path().join("trace"),
        &derived(),
        START_MS,
        Compression::Plain,
    );
    assert!(matches!(made, Err(WriteError::Io { .. })));
    assert!(files(target.path()).is_empty());
}

#[test]
fn a_line_that_no_trace_can_have_stops_nothing() {
    let parent = folder();
    let folder = parent.path().join("trace");
    let mut composer = compose(&folder, Compression::Plain);
    let unknown = Body::Unknown {
        type_name: "tab_hummed".to_owned(),
    };
    assert!(matches!(
        composer.append(START_MS, None, unknown),
        Err(WriteError::BadLine(_))
    ));
    assert!(matches!(
        composer.append(START_MS, Some(1), metrics()),
        Err(WriteError::BadLine(_))
    ));
    let by = DiscardedBy::Other;
    let discarded = Body::TabDiscarded(TabDiscarded { tab: TabId(1), by });
    composer.append(START_MS - 9, None, discarded).unwrap();
    composer.finish(START_MS).unwrap();
    let (lines, _) = read(&folder);
    assert_eq!(
        type_names(&lines),
        ["log_opened", "tab_discarded", "checkpoint", "log_closed"]
    );
    assert_eq!(lines[1].t_ms, START_MS);
}
