//! `sim snapshot`: what policies decide on a folder of traces, as text that changes with the
//! decisions and with nothing else.

use std::fs;
use std::path::Path;

use engine::{Mode, Orchestrator, PolicyDocument};
use recorder::Line;
use serde_json::{Value, json};
use simulator::replay::Replay;
use simulator::snapshot::Snapshot;
use tempfile::TempDir;

use crate::commands::{check, sim};
use crate::recording::{Recorded, START_MS, short_of_memory};

fn snapshot(lines: &[Line]) -> String {
    let policy = Orchestrator::new(PolicyDocument::default());
    let mut snapshot = Snapshot::new("trace", "default", Replay::new(Box::new(policy)));
    for line in lines {
        snapshot.take(&line.clone());
    }
    snapshot.finish()
}

fn values(recorded: &Recorded) -> Vec<Value> {
    let text = fs::read_to_string(recorded.segment()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

fn parse(values: &[Value]) -> Vec<Line> {
    let lines = values.iter();
    lines
        .map(|value| Line::parse(value.to_string().as_bytes()).unwrap())
        .collect()
}

/// Gives every tab another id, every line another seq and the session another name, and adds a
/// line that decides nothing.
fn recorded_anew(mut values: Vec<Value>) -> Vec<Value> {
    values.iter_mut().for_each(change);
    let extra = json!({
        "seq": ADDED_SEQ,
        "t_ms": START_MS,
        "src": "host",
        "type": "note",
        "text": "something else was there",
    });
    values.insert(usize::try_from(ADDED_SEQ).unwrap(), extra);
    values
}

/// Where the line is added: behind the session's beginning.
const ADDED_SEQ: i64 = 4;

fn change(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(change),
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_i64()) {
                    ("tab" | "old", Some(id)) => *value = (3 * id + 5_000).into(),
                    ("seq" | "cause" | "decision", Some(seq)) if seq >= ADDED_SEQ => {
                        *value = (seq + 1).into();
                    }
                    ("session", _) => *value = "019b7700-0000-7000-8000-00000000000f".into(),
                    _ => change(value),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn a_trace_that_is_recorded_anew_gives_the_same_text() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let recorded = short_of_memory(mode).close();
        let there = values(&recorded);
        let text = snapshot(&parse(&there));
        assert!(text.lines().count() > 4, "{text}");
        assert_eq!(snapshot(&parse(&recorded_anew(there))), text);
    }
}

/// A folder in which `snapshots` knows a folder of one trace.
fn folder(recorded: &Recorded) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let snapshots = folder.path().join("snapshots");
    fs::create_dir(&snapshots).unwrap();
    let traces = recorded.root().to_str().unwrap();
    fs::write(folder.path().join("short.toml"), "ttl_minutes = 5\n").unwrap();
    let settings =
        format!("traces = '{traces}'\npolicies = ['default', 'ttl-5', '../short.toml']\n");
    fs::write(snapshots.join("snapshots.toml"), settings).unwrap();
    folder
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder.join("snapshots")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn what_was_accepted_is_checked() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let folder = folder(&recorded);
    let folder = folder.path();
    let verb = |action: &'static str| ["snapshot", action, "snapshots"];
    let settled = "3 snapshots the same, 0 different, 0 missing, 0 stale\n";
    check(
        folder,
        &verb("check"),
        1,
        &[
            "snapshots/trace.default.txt: missing",
            "0 snapshots the same, 0 different, 3 missing",
        ],
    );
    assert_eq!(files(folder), ["snapshots.toml"], "to check writes nothing");
    check(
        folder,
        &verb("accept"),
        0,
        &[
            "snapshots/trace.short.txt: written",
            "0 as they were, 3 written",
        ],
    );
    check(folder, &verb("check"), 0, &[settled]);
    let names = [
        "snapshots.toml",
        "trace.default.txt",
        "trace.short.txt",
        "trace.ttl-5.txt",
    ];
    assert_eq!(files(folder), names);
    let path = folder.join("snapshots/trace.default.txt");
    let text = fs::read_to_string(&path).unwrap();
    insta::assert_snapshot!("snapshot_text", text);

    // An editor on another system changed nothing but the ends of lines.
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    check(folder, &verb("check"), 0, &[settled]);

    fs::write(&path, text.replace("t2 ", "t3 ")).unwrap();
    fs::write(folder.join("snapshots/trace.gone.txt"), &text).unwrap();
    fs::write(folder.join("snapshots/notes.txt"), "Not a snapshot.\n").unwrap();
    insta::assert_snapshot!("snapshot_check", sim(folder, &verb("check")));
    let json = [&verb("check")[..], &["--json"]].concat();
    insta::assert_snapshot!("snapshot_check_json", sim(folder, &json));
    // Only what is asked for is looked at, so nothing else is stale.
    let some = [&verb("accept")[..], &["--policies", "ttl-5"]].concat();
    check(folder, &some, 0, &["1 as they were, 0 written, 0 removed"]);
    check(
        folder,
        &verb("accept"),
        0,
        &[
            "snapshots/trace.gone.txt: removed",
            "2 as they were, 1 written, 1 removed",
        ],
    );
    check(folder, &verb("check"), 0, &[settled]);
    assert!(files(folder).contains(&"notes.txt".to_owned()));
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn what_cannot_be_done_is_told_with_a_hint() {
    let recorded = short_of_memory(Mode::Observe).close();
    let folder = folder(&recorded);
    let folder = folder.path();
    check(
        folder,
        &["snapshot", "review", "snapshots"],
        2,
        &["review asks file by file and needs a terminal; use `sim snapshot check`"],
    );
    check(
        folder,
        &["snapshot", "check", "elsewhere"],
        2,
        &["recorded: name the folder of traces with --traces, or in snapshots.toml"],
    );
    check(
        folder,
        &[
            "snapshot",
            "accept",
            "snapshots",
            "--policies",
            "short.toml,sub/short.json",
        ],
        2,
        &["two policies are called short"],
    );
    check(
        folder,
        &["snapshot", "check", "snapshots", "--policies", "gentel"],
        2,
        &["did you mean gentle?"],
    );
    check(
        folder,
        &["snapshot", "check", "snapshots", "--traces", "snapshots"],
        2,
        &["there is no trace in it"],
    );
    let settings = folder.join("snapshots/snapshots.toml");
    fs::write(&settings, "traces = '.'\npolicy = 'default'\n").unwrap();
    check(
        folder,
        &["snapshot", "check", "snapshots"],
        2,
        &[
            "snapshots/snapshots.toml, line 2: unknown field `policy`, expected `traces` or `policies`",
        ],
    );
}

#[test]
fn a_damaged_trace_does_not_keep_the_others_from_being_checked() {
    let recorded = short_of_memory(Mode::Observe).close();
    let folder = folder(&recorded);
    fs::create_dir(recorded.root().join("another")).unwrap();
    check(
        folder.path(),
        &["snapshot", "accept", "snapshots"],
        2,
        &[
            "another: not a trace",
            "snapshots/trace.default.txt: written",
        ],
    );
}
