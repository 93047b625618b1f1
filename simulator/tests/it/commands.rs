//! Each verb, as it is called: what it says, where it says it, and how it exits.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::{Lapse, Mode, Output, SEMANTICS, TabId};
use recorder::{Body, DropReason, Origin, PruneRequested, TabNavigated};

use crate::recording::{
    MINUTE, Recorded, Recording, browse, short_of_memory, short_of_memory_again,
};

/// Calls `sim` in a folder; returns exit code, stdout and stderr as one text.
pub(crate) fn sim(folder: &Path, args: &[&str]) -> String {
    let output = cargo_bin_cmd!("sim")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let mut text = format!("$ sim {}\n", args.join(" "));
    text += &String::from_utf8(output.stdout).unwrap();
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        text += &format!("stderr: {line}\n");
    }
    text + &format!("exit code {}\n", output.status.code().unwrap())
}

#[track_caller]
pub(crate) fn check(folder: &Path, args: &[&str], exit_code: i32, expect: &[&str]) {
    let said = sim(folder, args);
    assert!(
        said.ends_with(&format!("exit code {exit_code}\n")),
        "{said}"
    );
    for expect in expect {
        assert!(said.contains(expect), "expected: {expect}\n{said}");
    }
}

/// A trace in which something is not as the engine says.
fn falsified(falsify: fn(Output) -> Option<Output>) -> Recorded {
    let mut recording = Recording::new(Mode::Enforce);
    recording.falsify = falsify;
    browse(&mut recording);
    recording.close()
}

/// Changes the bytes of a trace.
pub(crate) fn edit(recorded: &Recorded, from: &str, to: &str) {
    let path = recorded.segment();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn help() {
    let here = Path::new(".");
    insta::assert_snapshot!("help", sim(here, &["--help"]));
    let verbs = [
        "verify",
        "info",
        "replay",
        "compare",
        "diff",
        "snapshot",
        "explain",
        "import",
        "check",
        "cut",
        "merge",
        "recover",
        "anonymize",
        "stats",
        "convert",
        "synth",
        "sweep",
        "sweep plan",
        "sweep run",
        "sweep collect",
        "tune",
        "report",
    ];
    for verb in verbs {
        let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
        let name = format!("help_{}", verb.replace(' ', "_"));
        let said = sim(here, &words);
        for example in examples(&said) {
            assert!(example.contains("sim "), "a line of its own: {example}");
        }
        insta::assert_snapshot!(name, said);
    }
}

/// The examples of a help text, a command a line, as they are pasted.
fn examples(help: &str) -> impl Iterator<Item = &str> {
    let (_, examples) = help.split_once("\nExamples:\n").unwrap_or_default();
    examples.lines().take_while(|line| line.starts_with("  "))
}

#[test]
fn verify_says_how_much_is_equal() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let recorded = short_of_memory(mode).close();
        let expect = "trace: 5 of 5 decisions equal, 2 of 2 pressure changes equal, \
                      3 of 3 checkpoints equal\n";
        check(recorded.root(), &["verify", "trace"], 0, &[expect]);
    }
    let recorded = short_of_memory(Mode::Enforce).close();
    insta::assert_snapshot!(sim(recorded.root(), &["verify", "trace", "--json"]));
}

#[test]
fn verify_names_the_first_difference() {
    let longer = falsified(|output| match output {
        Output::Decision(mut decision) if decision.tab == TabId(3) => {
            decision.idle_ms += 1;
            Some(Output::Decision(decision))
        }
        other => Some(other),
    });
    insta::assert_snapshot!(
        "verify_another_field",
        sim(longer.root(), &["verify", "trace"])
    );
    insta::assert_snapshot!(
        "verify_json",
        sim(longer.root(), &["verify", "trace", "--json"])
    );

    let silent = falsified(|output| match output {
        Output::PressureChanged(_) => None,
        other => Some(other),
    });
    insta::assert_snapshot!(
        "verify_not_recorded",
        sim(silent.root(), &["verify", "trace"])
    );

    // The engine that is verified says less than what was recorded.
    let mut talkative = short_of_memory(Mode::Observe);
    let seq = talkative.host(Body::Metrics(recorder::Metrics::default()));
    talkative.invent(seq, TabId(1));
    insta::assert_snapshot!(
        "verify_not_computed",
        sim(talkative.close().root(), &["verify", "trace"])
    );

    let mut other_state = Recording::new(Mode::Observe);
    other_state.state_hash = |hash| hash.chars().rev().collect();
    browse(&mut other_state);
    insta::assert_snapshot!(
        "verify_state",
        sim(other_state.close().root(), &["verify", "trace"])
    );
}

#[test]
fn verify_says_what_cannot_be_compared() {
    let other = SEMANTICS + 1;
    let not_comparable = format!(
        "trace: not comparable: version {other} of the engine decided in the trace, and this is \
         version {SEMANTICS}"
    );
    for (origin, engine, expect) in [
        (
            Origin::Synthetic,
            SEMANTICS,
            "trace: not applicable: the trace is synthetic, and only what was recorded live",
        ),
        (Origin::Recorded, other, &*not_comparable),
    ] {
        let recorded = Recording::with(Mode::Observe, origin, engine).close();
        check(recorded.root(), &["verify", "trace"], 2, &[expect]);
        let json = r#""verdict":"not_comparable""#;
        check(recorded.root(), &["verify", "trace", "--json"], 2, &[json]);
    }
    // A host that has only begun.
    let recorded = Recording::new(Mode::Observe).kill();
    check(
        recorded.root(),
        &["verify", "trace"],
        2,
        &["trace: nothing to compare: no decision, no change of pressure and no state is recorded"],
    );
    check(
        recorded.root(),
        &["verify", "trace", "--json"],
        2,
        &[r#""verdict":"not_comparable","obstacle":{"why":"nothing_recorded"}"#],
    );
}

#[test]
fn a_log_that_ends_early_is_no_difference() {
    // Killed between an input and its outputs.
    let mut recording = short_of_memory(Mode::Enforce);
    recording.falsify = |_| None;
    recording.wait(MINUTE).sample(94);
    let recorded = recording.kill();
    let expect = [
        "5 of 5 decisions equal",
        "stderr: sim: note: the log ends before 1 output of the last input were written",
    ];
    check(recorded.root(), &["verify", "trace"], 0, &expect);

    // Killed within a line.
    let mut recording = short_of_memory(Mode::Enforce);
    recording.wait(MINUTE).sample(50);
    let recorded = recording.kill();
    let path = recorded.segment();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    for verb in ["verify", "info", "replay"] {
        let expect = ["sim: note: ", "the end is torn: "];
        check(recorded.root(), &[verb, "trace"], 0, &expect);
    }
}

#[test]
fn info() {
    let recorded = short_of_memory(Mode::Enforce).close();
    insta::assert_snapshot!("info", sim(recorded.root(), &["info", "trace"]));
    insta::assert_snapshot!(
        "info_json",
        sim(recorded.root(), &["info", "trace", "--json"])
    );
}

#[test]
fn replay() {
    for (name, mode, policy) in [
        ("replay_observed", Mode::Observe, "default"),
        ("replay_as_recorded", Mode::Enforce, "default"),
        ("replay_eager", Mode::Enforce, "eager"),
        ("replay_nothing", Mode::Enforce, "gentle"),
    ] {
        let recorded = short_of_memory(mode).close();
        let args = ["replay", "trace", "--policy", policy];
        insta::assert_snapshot!(name, sim(recorded.root(), &args));
    }
    let recorded = short_of_memory(Mode::Observe).close();
    insta::assert_snapshot!(
        "replay_json",
        sim(recorded.root(), &["replay", "trace", "--json"])
    );
}

#[test]
fn replay_writes_what_is_asked_for() {
    let recorded = short_of_memory(Mode::Observe).close();
    recorded.add(&short_of_memory_again(Mode::Observe).close(), "again");
    let lines = |args: &[&str]| {
        let said = sim(recorded.root(), &[&["replay", "trace"], args].concat());
        said.lines().count() - 2
    };
    let (header, decisions, blank) = (1, 4, 1);
    let summary = lines(&["--summary"]);
    assert_eq!(lines(&["--decisions"]), header + decisions);
    assert_eq!(lines(&[]), header + decisions + blank + summary);
    assert_eq!(lines(&["--json"]), decisions + 1);
    assert_eq!(lines(&["--json", "-s"]), 1);
    assert_eq!(lines(&["--json", "-d"]), decisions);
    assert_eq!(
        lines(&["again", "--json"]),
        2 * (decisions + 1) + 1,
        "one trace after another, then both together"
    );
    check(
        recorded.root(),
        &["replay", "trace", "-s", "-d"],
        2,
        &["cannot be used with"],
    );
}

#[test]
fn several_traces_are_pooled() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "again");
    let expect = [
        "\npooled      2 traces\ntime        38 min 01 s,",
        "\nsaved       1.241 GiB·h, 61.3 % of the background; early returns 20.0 %\n",
        "\nreloads     2 (3.16 an hour)",
    ];
    check(
        recorded.root(),
        &["replay", "trace", "again", "-s"],
        0,
        &expect,
    );
    let said = sim(recorded.root(), &["replay", "trace", "nowhere", "-s"]);
    assert!(!said.contains("pooled"), "{said}");
}

#[test]
fn replay_measures_against_the_frontier_where_it_is_asked_to() {
    let recorded = short_of_memory(Mode::Observe).close();
    recorded.add(&short_of_memory_again(Mode::Observe).close(), "again");
    let line = "of what a clairvoyant saves with as many reloads; ";
    check(
        recorded.root(),
        &["replay", "trace", "--frontier"],
        0,
        &["frontier    ", line],
    );
    let said = sim(
        recorded.root(),
        &["replay", "trace", "again", "--frontier", "--json", "-s"],
    );
    let shares = said.matches(r#""frontier_share":0."#).count();
    assert_eq!(shares, 3, "each, and pooled: {said}");
    check(
        recorded.root(),
        &["replay", "trace", "--policy", "clairvoyant"],
        2,
        &["the clairvoyant has to see the whole trace beforehand"],
    );
}

#[test]
fn replay_takes_a_baseline_by_its_name() {
    let recorded = short_of_memory(Mode::Observe).close();
    for (policy, expect) in [
        ("ttl-5", "ttl-5 (baseline), engine 1, sim 0.1.0, no seed"),
        ("random", "random (baseline), engine 1, sim 0.1.0, seed 3"),
        ("tabzen", "not seen    the first part of a path: "),
    ] {
        let args = ["replay", "trace", "--seed", "3", "-p", policy];
        check(recorded.root(), &args, 0, &[expect]);
    }
    let timer = sim(recorded.root(), &["replay", "trace", "-d", "-p", "ttl-5"]);
    insta::assert_snapshot!("replay_timer", timer);
}

#[test]
fn replay_takes_a_policy_from_a_file() {
    let recorded = short_of_memory(Mode::Observe).close();
    let folder = recorded.root();
    fs::write(folder.join("short.toml"), "[focus]\nout_ttl_minutes = 1\n").unwrap();
    fs::write(
        folder.join("short.json"),
        r#"{"focus":{"out_ttl_minutes":1.0}}"#,
    )
    .unwrap();
    let replay = |policy| sim(folder, &["replay", "trace", "--json", "-d", "-p", policy]);
    let toml = replay("short.toml");
    assert!(toml.contains(r#""ttl_ms":60000"#), "{toml}");
    assert_eq!(
        toml.lines().skip(1).collect::<Vec<_>>(),
        replay("short.json").lines().skip(1).collect::<Vec<_>>()
    );

    fs::write(folder.join("bad.toml"), "\n[focus]\ncluster_cap = 999\n").unwrap();
    fs::write(folder.join("odd.toml"), "ttl_minuets = 5\n").unwrap();
    fs::write(folder.join("odd.json"), "{\n\"ttl_minutes\": \"5\"\n}").unwrap();
    for (policy, expect) in [
        (
            "bad.toml",
            "bad.toml, line 3: focus.cluster_cap: found 999, expected 1 to 64 tabs",
        ),
        ("odd.toml", "odd.toml, line 1: unknown field `ttl_minuets`"),
        ("odd.json", "odd.json, line 2: invalid type: string \"5\""),
        ("none.toml", "cannot read the policy none.toml: "),
        (
            "gentel",
            "called \"gentel\"; did you mean gentle? the presets are default, gentle, eager",
        ),
        (
            "great-suspendr",
            "called \"great-suspendr\"; did you mean great-suspender? ",
        ),
        (
            "bold",
            "there is no preset, no baseline and no file called \"bold\"; the presets are default, \
             gentle, eager; the baselines are ttl-N, lru-N, original-2026, ",
        ),
        (
            "ttl-0",
            "no baseline called \"ttl-0\": at its end stands a number of minutes from 1 to 65535",
        ),
        ("ttl-1.5", "a number of minutes from 1 to 65535"),
        ("ttl-", "a number of minutes from 1 to 65535"),
        ("lru-99999", "a number of tabs from 1 to 65535"),
        ("ttl-5.toml", "cannot read the policy ttl-5.toml: "),
        ("ttl-x", "did you mean ttl-N?"),
    ] {
        check(
            folder,
            &["replay", "trace", "-p", policy],
            2,
            &["stderr: sim: error: ", expect],
        );
    }
}

#[test]
fn an_order_that_was_never_sent_is_no_open_question() {
    let mut recording = short_of_memory(Mode::Enforce);
    recording.ext(Body::PruneRequested(PruneRequested {
        tab: Some(TabId(6)),
    }));
    recording.drop_orders(DropReason::Lapsed(Lapse::Paused));
    let recorded = recording.close();
    let check = |args: &[&str], expect: &str| check(recorded.root(), args, 0, &[expect]);
    check(&["verify", "trace"], "");
    check(&["check", "trace"], "");
    check(&["info", "trace"], " carried out, 1 refused");
    check(&["replay", "trace"], " 1 refused, 0 without an outcome");
    check(&["explain", "trace", "--tab", "6"], " (PAUSED)");
}

#[test]
fn explain() {
    let mut recording = short_of_memory(Mode::Enforce);
    recording.host(Body::PolicyChanged(recording.default_policy()));
    recording.ext(Body::PruneRequested(PruneRequested {
        tab: Some(TabId(6)),
    }));
    recording.refuse("unsaved");
    recording.ext(Body::TabClosed(recorder::TabClosed { tab: TabId(104) }));
    let recorded = recording.close();
    let explain = |args: &[&str]| sim(recorded.root(), &[&["explain", "trace"], args].concat());
    insta::assert_snapshot!("explain", explain(&["--tab", "5"]));
    insta::assert_snapshot!("explain_refused", explain(&["--tab", "6"]));
    insta::assert_snapshot!("explain_earlier", explain(&["--tab", "105", "--at", "20"]));
    insta::assert_snapshot!("explain_closed", explain(&["--tab", "4"]));
    insta::assert_snapshot!(
        "explain_json",
        explain(&["--tab", "3", "--at", "40", "--json"])
    );
    for (args, exit_code, expect) in [
        (
            ["--tab", "7", "--at", "9"],
            2,
            "there is no tab 7 in 019b7700",
        ),
        (
            ["--tab", "2", "--at", "999"],
            2,
            "there is no such line; the last one has the seq ",
        ),
        (
            ["--tab", "2", "--at", "1"],
            1,
            "tab 2: not open at this line",
        ),
        (
            ["--tab", "two", "--at", "1"],
            2,
            "invalid value 'two' for '--tab <ID>'",
        ),
    ] {
        check(
            recorded.root(),
            &[&["explain", "trace"], &args[..]].concat(),
            exit_code,
            &[expect],
        );
    }
}

#[test]
fn a_damaged_trace_is_told_by_file_line_and_byte() {
    for (from, to, expect) in [
        (
            r#"tab_activated","seq""#,
            r#"tab_activated""seq""#,
            ".jsonl, line 5 (byte ",
        ),
        (r#""seq":4,"#, r#""seq":5,"#, ".jsonl, line 5 (byte "),
        (
            r#""tab":2,"win":1}"#,
            r#""tab":3,"win":1}"#,
            ".jsonl, line 33 (byte 7219): the checkpoint does not match",
        ),
    ] {
        let recorded = short_of_memory(Mode::Observe).close();
        edit(&recorded, from, to);
        for verb in ["verify", "info", "replay"] {
            check(
                recorded.root(),
                &[verb, "trace"],
                3,
                &["stderr: sim: error: trace/", expect],
            );
        }
        check(
            recorded.root(),
            &["explain", "trace", "--tab", "2"],
            3,
            &[expect],
        );
    }
}

#[test]
fn what_cannot_be_opened_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::write(folder.path().join("other.jsonl"), "{\"type\":\"note\"}\n").unwrap();
    for (trace, expect) in [
        ("nowhere", "nowhere: cannot be read: "),
        ("empty", "empty: not a trace: "),
        ("other.jsonl", "other.jsonl, line 1 (byte 0): not a trace: "),
    ] {
        for verb in ["verify", "info", "replay"] {
            check(folder.path(), &[verb, trace], 2, &[expect]);
        }
    }
    let recorded = short_of_memory(Mode::Observe).close();
    edit(&recorded, r#""v":1"#, r#""v":9"#);
    check(
        recorded.root(),
        &["info", "trace"],
        2,
        &["is in version 9 of the trace format"],
    );
}

#[test]
fn a_trace_may_be_as_short_as_can_be() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("nothing.jsonl"), "").unwrap();
    let mut recording = Recording::new(Mode::Observe);
    recording.session(1);
    let recorded = recording.kill();
    let text = fs::read_to_string(recorded.segment()).unwrap();
    // Only the line that opens it; and one event.
    for (name, lines) in [("opened", 1), ("one", 4)] {
        let lines: Vec<&str> = text.lines().take(lines).collect();
        fs::create_dir(folder.path().join(name)).unwrap();
        let path = folder.path().join(name).join("trace.jsonl");
        fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    for verb in ["verify", "info", "replay", "compare"] {
        let expect = "nothing.jsonl: an empty trace: there is no line in it";
        check(folder.path(), &[verb, "nothing.jsonl"], 2, &[expect]);
    }
    for trace in ["opened", "one"] {
        check(
            folder.path(),
            &["replay", trace],
            0,
            &["saved       0.000 GiB·h"],
        );
        check(
            folder.path(),
            &["compare", trace, "--html", "page.html"],
            0,
            &["1   default (base)", "   clairvoyant "],
        );
        check(folder.path(), &["info", trace], 0, &[]);
    }
}

#[test]
fn a_session_that_never_ends_is_scored_as_far_as_it_goes() {
    let mut recording = short_of_memory(Mode::Enforce);
    recording.wait(30 * MINUTE).sample(50);
    let recorded = recording.kill();
    check(
        recorded.root(),
        &["replay", "trace"],
        0,
        &["still discarded at the end"],
    );
    let mut text = fs::read_to_string(recorded.segment()).unwrap();
    text += r#"{"type":"tab_activated","seq":"#;
    fs::write(recorded.segment(), text).unwrap();
    check(
        recorded.root(),
        &["compare", "trace", "-p", "default"],
        0,
        &["the end is torn: 30 bytes", "1   default (base)"],
    );
}

#[test]
fn what_a_trace_without_samples_leaves_open_is_said() {
    let mut recording = Recording::new(Mode::Observe);
    recording.session(6).wait(40 * MINUTE).activate(2);
    let recorded = recording.close();
    let note = "trace: there is no sample of the machine in it: what was saved under pressure";
    check(
        recorded.root(),
        &["replay", "trace", "--policy", "ttl-15"],
        0,
        &[note, "saved       0.", "unknown under pressure"],
    );
    // Nothing but a tick lets a policy act that acts at every sample.
    let policy = "gate = \"always\"\n[focus]\nenabled = false\n";
    fs::write(recorded.root().join("always.toml"), policy).unwrap();
    check(
        recorded.root(),
        &["replay", "trace", "--policy", "always.toml", "--summary"],
        0,
        &[
            note,
            "decisions   5: 5 carried out",
            "by reason: GATE_ALWAYS 5",
        ],
    );
    // A sweep or a tuning of such traces would find that nothing is better than anything.
    for verb in ["sweep", "tune"] {
        let args = [
            verb,
            "trace",
            "--vary",
            "ttl_minutes=5,10",
            "--output",
            verb,
        ];
        let said = sim(recorded.root(), &args);
        assert!(said.contains(note), "{said}");
    }
    // Of many traces each is named, and what it means is told once.
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3).wait(20 * MINUTE).activate(2);
    recorded.add(&recording.close(), "other");
    let said = sim(
        recorded.root(),
        &["compare", "trace", "other", "-p", "ttl-15"],
    );
    assert!(
        said.contains("other: there is no sample of the machine in it\n"),
        "{said}"
    );
    assert_eq!(said.matches("are not scored").count(), 1, "{said}");
}

#[test]
fn a_trace_of_another_version_of_the_engine_is_replayed_and_that_is_said() {
    let mut recording = Recording::with(Mode::Observe, Origin::Recorded, SEMANTICS + 1);
    recording.session(3).sample(50);
    let other = recording.close();
    let ours = short_of_memory(Mode::Observe).close();
    let trace = other.root().join("trace");
    check(
        ours.root(),
        &["compare", "trace", trace.to_str().unwrap(), "-p", "default"],
        0,
        &["it was recorded by version 2 of the engine, and is replayed by version 1"],
    );
}

#[test]
fn one_bad_trace_does_not_keep_the_others_from_being_read() {
    let recorded = short_of_memory(Mode::Observe).close();
    let args = ["verify", "nowhere", "trace"];
    check(
        recorded.root(),
        &args,
        2,
        &["nowhere: cannot be read", "trace: 5 of 5 decisions equal"],
    );
}

#[test]
fn a_name_from_a_trace_cannot_steer_the_terminal() {
    let mut recording = Recording::new(Mode::Enforce);
    recording.session(6);
    recording.ext(Body::TabNavigated(TabNavigated {
        tab: TabId(2),
        host: Some("\u{1b}]0;evil\u{7}\u{202e}".into()),
        scheme: None,
        protected: None,
    }));
    recording.ext(Body::TabLoaded(recorder::TabLoaded {
        tab: TabId(2),
        ms: None,
    }));
    recording.wait(20 * MINUTE).sample(94);
    recording.refuse("\u{1b}[2Jno");
    let recorded = recording.close();
    for args in [
        &["replay", "trace"][..],
        &["info", "trace"],
        &["explain", "trace", "--tab", "2"],
        &["explain", "trace", "--tab", "2", "--json"],
    ] {
        let said = sim(recorded.root(), args);
        assert!(said.contains("exit code 0"), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
        assert!(
            args.contains(&"--json") || !said.contains('\u{202e}'),
            "{said:?}"
        );
    }
    check(
        recorded.root(),
        &["replay", "trace"],
        0,
        &["\\u{1b}]0;evil\\u{7}\\u{202e}"],
    );
}

#[test]
fn the_same_trace_gives_the_same_bytes() {
    let recorded = short_of_memory(Mode::Enforce).close();
    for args in [
        &["replay", "trace", "--json"][..],
        &["info", "trace", "--json"],
    ] {
        assert_eq!(sim(recorded.root(), args), sim(recorded.root(), args));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let recorded = short_of_memory(Mode::Observe).close();
    for verb in ["replay", "info", "verify"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("sim"));
        command
            .args([verb, "trace"])
            .current_dir(recorded.root())
            .stdout(writer);
        let output = command
            .stderr(std::process::Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), &*output.stderr),
            (Some(0), &b""[..]),
            "{verb}"
        );
    }
}
