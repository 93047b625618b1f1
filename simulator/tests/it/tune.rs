//! `sim tune` on the bundled recordings: three short people, which is enough to see that nothing is
//! left to chance and that nothing is claimed which they cannot bear out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;
use serde_json::Value;
use tempfile::TempDir;

use crate::recording::{MINUTE, Recording};

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../traces/recorded")
        .join(name)
}

/// Tunes on these recordings in a folder of its own.
fn tune(folder: &Path, names: &[&str], args: &[&str]) -> Output {
    tune_on(folder, names.iter().map(|name| recorded(name)), args)
}

fn tune_on(folder: &Path, traces: impl Iterator<Item = PathBuf>, args: &[&str]) -> Output {
    cargo_bin_cmd!("sim")
        .arg("tune")
        .args(traces)
        .args(["--output", "out", "--trials", "12", "--population", "6"])
        .args(args)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap()
}

const EVERYBODY: [&str; 3] = ["enforce", "long", "observe"];

fn found(folder: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(folder.join("out/tune.json")).unwrap()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_same_call_finds_the_same_with_any_number_of_threads() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    for (folder, threads) in folders.iter().zip(["1", "2"]) {
        let output = tune(folder.path(), &EVERYBODY, &["--threads", threads]);
        assert!(output.status.code() <= Some(1), "{}", said(&output));
    }
    let [one, two] = folders.map(|folder| fs::read(folder.path().join("out/tune.json")).unwrap());
    assert!(one == two);
}

#[test]
fn everybody_is_judged_where_nobody_had_looked() {
    let folder = TempDir::new().unwrap();
    let output = tune(
        folder.path(),
        &EVERYBODY,
        &["--folds", "3", "--windows", "2"],
    );
    let found = found(folder.path());
    let splits = found["splits"].as_array().unwrap();
    let kinds: Vec<&str> = splits
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "by_person",
            "by_person",
            "by_person",
            "walk_forward",
            "whole"
        ]
    );
    for split in splits {
        let front = split["front"].as_array().unwrap();
        assert!(!front.is_empty());
        let is_whole = split["kind"] == "whole";
        assert!(front.iter().all(|it| it["held_out"].is_null() == is_whole));
    }
    assert_eq!(found["on_held_out_people"]["against"][0]["name"], "default");
    assert_eq!(
        found["on_held_out_people"]["against"][1]["name"],
        "original-2026"
    );
    assert_eq!(
        found["on_held_out_people"]["against"][0]["evidence"]["people"],
        3
    );
    // A policy is written where it is recommended, and nowhere else.
    let is_recommended = found["recommended"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(!is_recommended)));
    assert_eq!(
        folder.path().join("out/policy.toml").exists(),
        is_recommended
    );
}

/// Without a gate short TTLs save much more than pressure does.
const UNGATED: [&str; 8] = [
    "--vary",
    "gate=pressure,always",
    "--vary",
    "ttl_minutes=1..30:log",
    "--vary",
    "focus.enabled=false,true",
    "--max-reloads-per-hour",
    "60",
];

#[test]
fn few_people_bear_no_recommendation_whatever_they_save() {
    let folder = TempDir::new().unwrap();
    let output = tune(folder.path(), &EVERYBODY, &UNGATED);
    let found = found(folder.path());
    let saved = &found["on_held_out_people"]["against"][0]["evidence"]["saved_share"];
    assert!(saved["low"].as_f64().unwrap() > 0.0, "{saved}");
    assert_eq!(found["recommended"], false);
    assert_eq!(
        found["why"],
        "it takes 10 people with something to save to tell what is better from chance, and there are 3"
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("out/policy.toml").exists());
}

#[test]
fn what_is_better_beyond_the_noise_becomes_a_policy_that_runs() {
    let folder = TempDir::new().unwrap();
    let synth = cargo_bin_cmd!("sim")
        .args("synth -p heavy -n 10 --days 1 --sample-every 60 --output people".split(' '))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(synth.status.success(), "{}", said(&synth));
    let people = fs::read_dir(folder.path().join("people")).unwrap();
    let people = people.map(|it| it.unwrap().path());
    let output = tune_on(
        folder.path(),
        people,
        &[&UNGATED[..], &["--folds", "2", "--windows", "2"]].concat(),
    );
    let found = found(folder.path());
    let why = found["why"].as_str().unwrap();
    assert!(why.contains("the interval leaves 0 out"), "{why}");
    for kind in ["on_held_out_people", "walking_forward"] {
        let reloads = &found[kind]["limits"]["max_reloads_per_active_hour"];
        assert_eq!(*reloads, 60.0, "{kind}");
        assert!(found[kind]["gap_saved_share"].is_number(), "{kind}");
    }
    assert_eq!(found["recommended"], true, "{}", found["why"]);
    assert!(output.status.success(), "{}", said(&output));
    let policy = fs::read_to_string(folder.path().join("out/policy.toml")).unwrap();
    assert!(
        policy.starts_with("# Tuned from default by `sim tune`, seed 0"),
        "{policy}"
    );
    let replay = cargo_bin_cmd!("sim")
        .arg("replay")
        .arg(recorded("long"))
        .args(["--policy", "out/policy.toml", "--summary", "--json"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(replay.status.success(), "{}", said(&replay));
    let hash = found["chosen"]["policy_hash"].as_str().unwrap();
    assert!(String::from_utf8(replay.stdout).unwrap().contains(hash));
}

#[test]
fn a_limit_that_nothing_keeps_is_answered_with_what_comes_nearest() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/policy.toml"), "# of a run before\n").unwrap();
    let args = [
        "--max-high-minutes-per-hour",
        "0",
        "--folds",
        "1",
        "--windows",
        "2",
    ];
    let output = tune(folder.path(), &EVERYBODY, &args);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("no variant that was tried keeps the limits"),
        "{text}"
    );
    assert!(
        text.contains("Nearest to the limits: batch_medium="),
        "{text}"
    );
    assert!(!folder.path().join("out/policy.toml").exists());
}

#[test]
fn a_limit_of_what_nobody_measured_is_refused() {
    let folder = TempDir::new().unwrap();
    let recorded = ["one", "another"].map(|name| {
        let mut recording = Recording::new(Mode::Enforce);
        let tabs = i64::try_from(name.len()).unwrap();
        recording.session(tabs).wait(MINUTE).activate(2);
        let recorded = recording.close();
        let trace = recorded.root().join(name);
        fs::rename(recorded.root().join("trace"), &trace).unwrap();
        (trace, recorded)
    });
    let traces = recorded.iter().map(|(trace, _)| trace.clone());
    let args = "--max-high-minutes-per-hour 5 --folds 2 --windows 1";
    let args: Vec<&str> = args.split(' ').collect();
    let output = tune_on(folder.path(), traces, &args);
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(said.contains("no trace has samples of memory"), "{said}");
}

#[test]
fn people_are_found_in_names() {
    let folder = TempDir::new().unwrap();
    let args = ["--person", "^(.).*", "--folds", "2", "--windows", "1"];
    tune(folder.path(), &EVERYBODY, &args);
    let people = found(folder.path())["people"].clone();
    let names: Vec<&str> = people
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["e", "l", "o"]);
}

#[test]
fn what_cannot_be_tuned_is_said() {
    #[track_caller]
    fn check(names: &[&str], args: &[&str], expect: &str) {
        let folder = TempDir::new().unwrap();
        let output = tune(folder.path(), names, args);
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains(expect), "{}", said(&output));
        assert!(!folder.path().join("out").exists());
    }
    check(
        &["long"],
        &["--windows", "1"],
        "there is one person and too little time",
    );
    check(
        &EVERYBODY,
        &["--vary", "ttl_minute=1..5"],
        "did you mean ttl_minutes?",
    );
    check(
        &EVERYBODY,
        &["--base", "ttl-15"],
        "ttl-15 is a baseline and has no settings to tune",
    );
    check(
        &EVERYBODY,
        &["--person", "("],
        "'--person <REGEX>': not a regular expression: unclosed group\n",
    );
    check(
        &EVERYBODY,
        &["--person", r"^(\d+"],
        "'--person <REGEX>': not a regular expression: unclosed group\n",
    );
    check(
        &EVERYBODY,
        &["--max-early-returns", "5"],
        "expected a share from 0 to 1",
    );
    check(
        &EVERYBODY,
        &["--max-high-minutes-per-hour", "61"],
        "expected minutes of an hour, from 0 to 60",
    );
    check(
        &EVERYBODY,
        &["--person", "^x"],
        "does not match the trace \"enforce\"",
    );
    check(
        &EVERYBODY,
        &["--margin", "1"],
        "expected a share from 0, included, to 1, excluded",
    );
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/units.jsonl"), "").unwrap();
    let output = tune(folder.path(), &EVERYBODY, &[]);
    let expect =
        "out: found units.jsonl, which is a sweep's; give a tuning and a sweep a folder each";
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains(expect), "{}", said(&output));
    let invalid = ["--vary", "pressure.medium_score=90"];
    check(
        &EVERYBODY,
        &invalid,
        "no combination of these values is a valid policy",
    );
}
