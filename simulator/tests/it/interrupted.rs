//! Whatever ends a command: what it was making goes with it, or else with the next one.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use assert_cmd::cargo::cargo_bin;
use engine::{Mode, TabId, WindowId};
use recorder::{Body, Compression, TabActivated, TraceComposer};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::commands::check;
use crate::recording::{START_MS, opening, short_of_memory};
use crate::synth::entries;

/// What takes long, and what is there as long as it does.
const LONG: [(&[&str], &str); 4] = [
    (
        &["convert", "trace", "out.jsonl.zst"],
        ".sim-out.jsonl.zst.partial",
    ),
    (&["cut", "trace", "--output", "out"], ".out.partial"),
    (&["anonymize", "trace", "--output", "out"], ".out.partial"),
    (
        &["synth", "--people", "40", "--days", "2", "--output", "out"],
        ".sim-out",
    ),
];

/// A folder with a trace of so many lines.
fn with_trace(lines: i64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let mut composer =
        TraceComposer::create(&trace, &opening(), START_MS, Compression::Plain).unwrap();
    for number in 0..lines {
        let tab = TabId(number % 9);
        let win = WindowId(1);
        let body = Body::TabActivated(TabActivated { tab, win });
        composer.append(START_MS + number, None, body).unwrap();
    }
    composer.finish(START_MS + lines).unwrap();
    folder
}

fn sim(folder: &Path, args: &[&str]) -> Command {
    let mut sim = Command::new(cargo_bin!("sim"));
    sim.args(args)
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    sim
}

/// Ends a command by a signal while something is there.
fn end(mut child: Child, is_being_made: &Path, signal: Signal) {
    while !is_being_made.exists() {
        assert_eq!(child.try_wait().unwrap(), None, "{is_being_made:?}");
        thread::yield_now();
    }
    kill_process(Pid::from_child(&child), signal).unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(ended.signal(), Some(signal.as_raw()), "{is_being_made:?}");
}

#[test]
fn what_is_being_made_goes_with_the_program() {
    let folder = with_trace(100_000);
    for (args, is_being_made) in LONG {
        for signal in [Signal::INT, Signal::TERM] {
            let child = sim(folder.path(), args).spawn().unwrap();
            end(child, &folder.path().join(is_being_made), signal);
            assert_eq!(entries(folder.path()), ["trace"], "{args:?}");
        }
    }
}

#[test]
fn what_a_killed_program_has_left_goes_with_the_next() {
    let folder = with_trace(30_000);
    for (args, is_being_made) in LONG {
        let child = sim(folder.path(), args).spawn().unwrap();
        end(child, &folder.path().join(is_being_made), Signal::KILL);
        assert_eq!(entries(folder.path()), [is_being_made, "trace"]);
        assert!(sim(folder.path(), args).status().unwrap().success());
        let out = args.iter().find(|arg| arg.starts_with("out")).unwrap();
        assert_eq!(entries(folder.path()), [*out, "trace"]);
        let out = folder.path().join(out);
        fs::remove_dir_all(&out)
            .or_else(|_| fs::remove_file(&out))
            .unwrap();
    }
}

#[test]
fn what_another_process_makes_it_keeps() {
    let recorded = short_of_memory(Mode::Observe).close();
    let folder = recorded.root();
    let convert = ["convert", "trace", "out.jsonl"];
    let save = [
        "replay",
        "trace",
        "--until",
        "9",
        "--save-state",
        "out.jsonl",
    ];
    for args in [&convert[..], &save] {
        let partial = folder.join(".sim-out.jsonl.partial");
        let other = File::create(&partial).unwrap();
        other.lock().unwrap();
        check(
            folder,
            args,
            2,
            &["another process makes out.jsonl right now"],
        );
        assert_eq!(entries(folder), [".sim-out.jsonl.partial", "trace"]);
        drop(other);
        check(folder, args, 0, &[]);
        assert_eq!(entries(folder), ["out.jsonl", "trace"]);
        fs::remove_file(folder.join("out.jsonl")).unwrap();
    }
}
