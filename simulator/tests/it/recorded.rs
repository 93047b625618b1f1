//! The bundled recordings of real sessions: each is verified, and what each policy decides on it
//! stands in a snapshot, a decision a line.
//!
//! A recording is a folder in `traces/recorded/`. A new one needs nothing here but its snapshots.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use simulator::baselines::ALL;

pub(crate) fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/recorded");
    let entries = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    assert!(
        !folders.is_empty(),
        "there is no recording in traces/recorded"
    );
    folders
}

/// Calls `sim` and returns what it writes to stdout.
#[track_caller]
fn sim(args: &[&str], trace: &Path) -> String {
    let output = cargo_bin_cmd!("sim")
        .args(args)
        .arg(trace)
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success(),
        "sim {args:?} {}\n{stdout}{stderr}",
        trace.display()
    );
    stdout
}

#[test]
fn every_recorded_decision_is_the_engines_own() {
    for recording in recordings() {
        let said = sim(&["verify", "--json"], &recording);
        assert!(said.contains(r#""verdict":"equal""#), "{said}");
        assert!(
            !said.contains(r#""checkpoints":{"equal":0"#),
            "nothing was compared: {said}"
        );
    }
}

#[test]
fn the_recording_policy_decides_as_recorded_in_open_and_closed_loop() {
    let summary = |args: &[&str], recording: &Path| -> Value {
        serde_json::from_str(&sim(args, recording)).unwrap()
    };
    let mut enforced = 0;
    for recording in recordings() {
        let info = summary(&["info", "--json"], &recording);
        // In observe mode nothing was discarded, so any discard departs from the recording.
        if info["decisions"]["enforce"] == 0 {
            continue;
        }
        enforced += 1;
        let closed = summary(&["replay", "--summary", "--json"], &recording);
        let open = summary(
            &["replay", "--summary", "--json", "--open-loop"],
            &recording,
        );
        for replayed in [&closed, &open] {
            assert_eq!(replayed["departure"], Value::Null, "{replayed}");
            assert_eq!(
                replayed["decisions"], info["decisions"]["enforce"],
                "{replayed}"
            );
            assert_eq!(replayed["violations"], 0, "{replayed}");
        }
        assert_eq!(closed["saved_gib_h"], open["saved_gib_h"]);
        assert_eq!(closed["reloads"], open["reloads"]);
    }
    assert!(
        enforced >= 2,
        "{enforced} recordings were made in enforce mode"
    );
}

#[test]
fn decisions_of_every_policy_on_every_recording() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/recorded");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        // Of those with a number, the one that tells most on recordings of half an hour.
        let baselines = ALL.iter().map(|it| it.compared()[0]);
        for recording in recordings() {
            let name = recording.file_name().unwrap().to_str().unwrap();
            for policy in engine::PRESETS.into_iter().chain(baselines.clone()) {
                let decisions = sim(&["replay", "--decisions", "--policy", policy], &recording);
                insta::assert_snapshot!(format!("{name}_{policy}"), decisions);
            }
        }
    });
}

/// What every policy comes to on every synthetic trace, a line each; and none that keeps our guards
/// beats the frontier.
#[test]
fn every_policy_on_every_synthetic_trace() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/synthetic");
    let mut traces: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    traces.sort();
    assert_eq!(traces.len(), 7);
    let output = cargo_bin_cmd!("sim")
        .args(["compare", "--json"])
        .args(&traces)
        .output()
        .unwrap();
    assert!(output.status.success());
    let compared: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut lines = String::new();
    for (index, trace) in traces.iter().enumerate() {
        for row in compared["rows"].as_array().unwrap() {
            let score = &row["each"][index];
            let share = score["frontier_share"].as_f64();
            if score["violations"] == 0 {
                assert!(share.is_none_or(|share| share <= 1.0 + 1e-12), "{row}");
            }
            lines += &format!(
                "{} {}: {} discards, {} reloads, {} early, {} violations, {:.4} GiB·h\n",
                trace.file_name().unwrap().to_str().unwrap(),
                row["name"].as_str().unwrap(),
                score["discards"],
                score["reloads"],
                score["early_returns"],
                score["violations"],
                score["saved_gib_h"].as_f64().unwrap(),
            );
        }
    }
    insta::assert_snapshot!(lines);
}
