//! What names a trace: each counts once, and a folder stands for all in it.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;
use serde_json::Value;

use crate::commands::{check, sim};
use crate::recording::{MINUTE, Recorded, short_of_memory, short_of_memory_again};

/// A trace of three segments.
fn of_three_segments() -> Recorded {
    let mut recording = short_of_memory(Mode::Enforce);
    for _ in 0..2 {
        recording.wait(MINUTE).rotate().wait(MINUTE).sample(70);
    }
    recording.close()
}

/// Two sessions in the folder "both", as a host leaves them.
fn of_two_sessions() -> Recorded {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.copy_as("both");
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "both");
    recorded
}

/// The files of a folder, as a shell writes `FOLDER/*`.
fn files(root: &Path, folder: &str) -> Vec<String> {
    let files = fs::read_dir(root.join(folder)).unwrap();
    let mut names: Vec<String> = files
        .map(|file| format!("{folder}/{}", file.unwrap().file_name().to_str().unwrap()))
        .collect();
    names.sort();
    names
}

fn call(root: &Path, verb: &[&str], traces: &[&str], options: &[&str]) -> (String, Vec<Value>) {
    let said = sim(root, &[verb, traces, options].concat());
    let objects = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let objects = objects.collect();
    (said, objects)
}

#[test]
fn a_trace_counts_once_however_many_of_its_segments_are_named() {
    let recorded = of_three_segments();
    let root = recorded.root();
    let files = files(root, "trace");
    let segments: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(segments.len(), 3);
    let note = format!(
        "stderr: sim: note: {} and 1 more name what is named already; each trace is taken once\n",
        segments[1]
    );

    let default = ["-p", "default", "--json"];
    let eager = ["--with", "eager", "--json"];
    let ttl = ["--vary", "ttl_minutes=5"];
    for (verb, options) in [
        (&["verify"][..], &["--json"][..]),
        (&["info"], &["--json"]),
        (&["check"], &["--json"]),
        (&["stats"], &["--json"]),
        (&["stats"], &["--json", "--person", "^"]),
        (&["replay"], &["--json", "-s"]),
        (&["compare"], &default),
        (&["diff"], &eager),
        (&["sweep", "plan"], &ttl),
    ] {
        let (said, objects) = call(root, verb, &segments, options);
        assert!(said.contains(&note), "{said}");
        let (said_of_one, mut of_one) = call(root, verb, &["trace"], options);
        assert!(!said_of_one.contains("note: "), "{said_of_one}");
        let text = |objects: &[Value]| {
            let called = serde_json::to_string(objects).unwrap();
            let short = segments[0].trim_start_matches("trace/");
            let short = short.trim_end_matches(".zst").trim_end_matches(".jsonl");
            called.replace(segments[0], "trace").replace(short, "trace")
        };
        // A sweep's units are numbered by what their traces are called, too.
        if verb == ["sweep", "plan"] {
            assert_eq!(objects.len(), of_one.len(), "{said}");
            continue;
        }
        assert_eq!(text(&objects), text(&of_one), "{said}");
        of_one.retain(|it| it["type"] == "pooled");
        assert!(of_one.is_empty(), "{said}");
    }

    // By its folder under two names, and by a segment.
    let (said, objects) = call(
        root,
        &["replay"],
        &["trace", "./trace/", segments[2]],
        &["--json", "-s"],
    );
    assert_eq!(objects.len(), 1, "{said}");
    assert!(
        said.contains("note: ./trace/ and 1 more name what is named already"),
        "{said}"
    );
    check(
        root,
        &["replay", segments[0], segments[1], "--until", "9", "-s"],
        0,
        &["names what is named already"],
    );
    check(
        root,
        &["merge", segments[0], segments[1], "-o", "merged"],
        2,
        &["found one trace, ", "expected two or more"],
    );
}

#[test]
fn a_folder_stands_for_each_trace_in_it() {
    let recorded = of_two_sessions();
    let root = recorded.root();
    let segments = files(root, "both");
    for verb in ["verify", "replay", "check"] {
        let expect: Vec<&str> = segments.iter().map(String::as_str).collect();
        check(root, &[verb, "both"], 0, &expect);
    }
    // Of the folder above: the one trace of "trace" by its folder, those of "both" by their files.
    check(
        root,
        &["verify", "."],
        0,
        &[&segments[0], &segments[1], "./trace: 5 of 5"],
    );
    check(
        root,
        &["replay", "both", "--until", "9"],
        2,
        &["--until means a line of one trace, and both/"],
    );
    // What means one trace says which there are.
    check(
        root,
        &["explain", "both", "--tab", "2", "--at", "9"],
        2,
        &["both: holds 2 traces; name one of: "],
    );
}

/// As a shell writes `FOLDER/*`: a folder's own files may lie between its traces.
#[test]
fn a_file_between_traces_that_is_none_by_its_name_is_passed_over() {
    let recorded = of_three_segments();
    let root = recorded.root();
    fs::write(root.join("README.md"), "# Traces\n").unwrap();
    fs::write(root.join("notes"), "").unwrap();
    let one = "note: README.md is no trace by its name, and was passed over\n";
    for verb in ["verify", "info", "check", "stats", "replay", "compare"] {
        check(root, &[verb, "README.md", "trace"], 0, &[one]);
    }
    let plan = ["sweep", "plan", "README.md", "notes", "trace"];
    check(
        root,
        &[&plan[..], &["--vary", "ttl_minutes=5"]].concat(),
        0,
        &["note: README.md and 1 more are no traces by their names, and were passed over\n"],
    );

    // Where it is all there is, or has a trace's name, it is meant.
    for names in [&["README.md"][..], &["README.md", "notes"]] {
        check(
            root,
            &[&["verify"], names].concat(),
            2,
            &["README.md: not a trace: its name ends neither in .jsonl nor in .jsonl.zst"],
        );
    }
    fs::write(root.join("odd.jsonl"), "# Traces\n").unwrap();
    check(
        root,
        &["verify", "odd.jsonl", "trace"],
        2,
        &["odd.jsonl, line 1 (byte 0): not a trace: "],
    );
    check(
        root,
        &["verify", "none", "trace"],
        2,
        &["none: cannot be read: "],
    );
}

#[test]
fn what_is_wrong_with_one_trace_of_a_folder_does_not_keep_the_others_from_being_read() {
    let recorded = of_two_sessions();
    let root = recorded.root();
    let segments = files(root, "both");
    let second = root.join(&segments[1]);
    let text = fs::read_to_string(&second).unwrap();
    fs::write(&second, text.replacen(r#""v":1"#, r#""v":9"#, 1)).unwrap();
    check(
        root,
        &["verify", "both"],
        2,
        &[
            &format!("{}: 5 of 5 decisions", segments[0]),
            &format!("{}, line 1", segments[1]),
            "is in version 9",
        ],
    );

    // The first segment of one is gone.
    let recorded = of_three_segments();
    let root = recorded.root();
    let segments = files(root, "trace");
    fs::remove_file(root.join(&segments[0])).unwrap();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "trace");
    let other = files(root, "trace").remove(0);
    check(
        root,
        &["verify", "trace"],
        3,
        &[
            &format!("{other}: 5 of 5 decisions"),
            &format!("{}: segment 0 of the trace is missing", segments[1]),
        ],
    );
}

#[test]
fn a_copy_of_a_trace_is_not_compared_with_as_another_person() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.copy_as("copy");
    let args = ["compare", "trace", "copy", "-p", "default", "--json"];
    let said = sim(recorded.root(), &args);
    assert!(
        said.contains("trace and copy are the same trace; name each once"),
        "{said}"
    );
    assert!(said.ends_with("exit code 2\n"), "{said}");
    let objects = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let comparison: Vec<Value> = objects.collect();
    assert_eq!(
        comparison[0]["traces"].as_array().unwrap().len(),
        1,
        "{said}"
    );
}

#[test]
fn a_copy_of_a_trace_counts_in_no_sum() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.copy_as("copy");
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "again");
    let root = recorded.root();
    for (verb, options) in [
        (&["replay"][..], &["--json", "-s"][..]),
        (&["diff"], &["--with", "eager", "--json"]),
        (&["stats"], &["--json"]),
    ] {
        let (said, objects) = call(root, verb, &["trace", "copy", "again"], options);
        let error = "error: trace and copy are the same trace; name each once";
        assert!(said.contains(error), "{said}");
        let (_, of_two) = call(root, verb, &["trace", "again"], options);
        let pooled = |objects: &[Value]| {
            let mut pooled = objects.iter().filter(|it| it["type"] == "pooled");
            pooled.next().cloned().unwrap()
        };
        assert_eq!(pooled(&objects), pooled(&of_two), "{said}");
    }
    check(
        root,
        &["stats", "trace", "copy", "--person", "^"],
        2,
        &["copy and trace are the same trace; name each once"],
    );
}

#[test]
fn people_are_drawn_each_with_all_of_their_traces() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.copy_as("anna-w1");
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "anna-w2");
    let root = recorded.root();
    let both = ["anna-w1", "anna-w2"];
    let policies = ["-p", "default", "-p", "eager"];
    let compare =
        |options: &[&str]| call(root, &["compare"], &both, &[&policies, options].concat());

    let (said, _) = compare(&[]);
    let expect = [
        "Difference from default, over 2 traces of 2 people, with 95 % intervals:",
        "Each trace is taken for another person's; --person says whose they are.",
        "With 2 people an interval means little: it is narrower than it should be, and it takes 10 people.",
    ];
    for expect in expect {
        assert!(said.contains(expect), "{said}");
    }
    let (said, _) = compare(&["--person", "^(.*)-w"]);
    let one = "All traces are of one person: a difference between policies has no interval.";
    assert!(said.contains(one) && !said.contains("95 %"), "{said}");

    let (_, by_trace) = compare(&["--json"]);
    let (said, by_person) = compare(&["--json", "--person", "^(.*)-w"]);
    let (by_trace, by_person) = (&by_trace[0], &by_person[0]);
    assert_eq!(
        (&by_trace["people"], &by_person["people"]),
        (&2.into(), &1.into()),
        "{said}"
    );
    assert_eq!(by_person["traces"][1]["person"], "anna");
    let saved = |it: &Value| it["rows"][1]["against_base"]["saved_gib_h_per_active_hour"].clone();
    assert!(
        saved(by_trace).is_object() && saved(by_person).is_null(),
        "{said}"
    );
    assert_eq!(
        by_trace["rows"][1]["pooled"],
        by_person["rows"][1]["pooled"]
    );

    // The same rule for stats.
    let (_, of_one) = call(root, &["stats"], &both, &["--json", "--person", "^(.*)-w"]);
    assert_eq!(of_one.len(), 1);
    assert_eq!(of_one[0]["person"], "anna");
    assert_eq!(of_one[0]["traces"].as_array().unwrap().len(), 2);
    let (_, of_two) = call(root, &["stats"], &both, &["--json"]);
    let people: Vec<&Value> = of_two.iter().map(|it| &it["person"]).collect();
    assert_eq!(
        people,
        [&Value::from("anna-w1"), &"anna-w2".into(), &Value::Null]
    );
    // What regular expressions have anywhere: classes, and letters whatever their case.
    for pattern in [r"^(\w+)-\w\d$", r"(?i)^(ANNA)\b"] {
        let (_, of_one) = call(root, &["stats"], &both, &["--json", "--person", pattern]);
        assert_eq!(of_one.len(), 1, "{pattern}");
    }
    for verb in ["compare", "stats"] {
        let wrong = "error: --person: ^x does not match the trace \"anna-w1\"";
        check(
            root,
            &[verb, both[0], both[1], "--person", "^x"],
            2,
            &[wrong],
        );
        // What is not there is no name that it could match.
        let wrong = "sim: error: nowhere: cannot be read";
        let args = [verb, "nowhere", both[0], "--person", "^anna"];
        check(root, &args, 2, &[wrong]);
        let wrong = "'--person <REGEX>': not a regular expression: unclosed group";
        check(
            root,
            &[verb, both[0], both[1], "--person", "("],
            2,
            &[wrong],
        );
    }
}

#[test]
fn no_line_of_a_table_is_wider_than_the_terminal() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "again");
    let compare = |width: Option<&str>| {
        let mut sim = cargo_bin_cmd!("sim");
        sim.args(["compare", "trace", "again", "--curve", "--ablate"]);
        sim.current_dir(recorded.root()).env_remove("COLUMNS");
        sim.envs(width.map(|width| ("COLUMNS", width)));
        let output = sim.output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    };
    let tables = |said: &str| -> Vec<String> {
        let is_of_table = |line: &&str| line.starts_with(['│', '┌', '└', '╞', '├']);
        said.lines()
            .filter(is_of_table)
            .map(str::to_owned)
            .collect()
    };
    let count = |said: &str, what: &str| said.matches(what).count();
    let wide = compare(None);
    assert_eq!(
        count(&wide, "┌"),
        3,
        "policies, differences, families: {wide}"
    );
    for width in [60, 80, 120] {
        let said = compare(Some(&width.to_string()));
        for line in tables(&said) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        // Nothing is left out.
        for column in ["saved GiB·h", "violations", "reloads / h", "90 % saved"] {
            assert_eq!(
                count(&said, column),
                count(&wide, column),
                "{column}: {said}"
            );
        }
    }
}
