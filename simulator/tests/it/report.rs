//! `sim report` on small sweeps and a small tuning over the bundled recordings: what its page
//! holds, what it keeps out, and what it says of folders that are not as they were written.

use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;
use serde_json::Value;
use tempfile::TempDir;

use crate::browsers::chromium;
use crate::page::show;
use crate::recording::{MINUTE, Recording, short_of_memory};

/// Where a bundled recording is.
fn bundled(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/recorded");
    folder.join(name).display().to_string()
}

fn sim(folder: &Path, args: &[&str]) -> Output {
    cargo_bin_cmd!("sim")
        .args(args)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Sweeps over two recordings, which lie in the folder.
fn swept(args: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let traces = ["enforce", "long"].map(bundled);
    let of_sweep = ["sweep", &traces[0], &traces[1], "--output", "out"];
    let output = sim(folder.path(), &[&of_sweep, args].concat());
    assert!(output.status.success(), "{}", said(&output));
    folder
}

const PARTITION: [&str; 6] = [
    "--vary",
    "focus.enabled=false,true",
    "--vary",
    "ttl_minutes=2,5,30",
    "--vary",
    "gate=pressure,always",
];

fn tuned() -> TempDir {
    let folder = TempDir::new().unwrap();
    let traces = ["enforce", "long", "observe"].map(bundled);
    let traces = traces.each_ref().map(String::as_str);
    let args = "tune --output out --trials 12 --population 6 --folds 3 --windows 1";
    let args: Vec<&str> = args.split(' ').chain(traces).collect();
    let output = sim(folder.path(), &args);
    assert!(output.status.code() <= Some(1), "{}", said(&output));
    folder
}

/// Reports on the folder "out"; returns the page.
fn report(folder: &Path, args: &[&str]) -> String {
    let output = sim(
        folder,
        &[&["report", "out", "--html", "page.html"], args].concat(),
    );
    assert!(output.status.success(), "{}", said(&output));
    fs::read_to_string(folder.join("page.html")).unwrap()
}

fn figures(folder: &Path, args: &[&str]) -> Value {
    let output = sim(folder, &[&["report", "out", "--json"], args].concat());
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[track_caller]
fn has_sections(page: &str, ids: &[&str]) {
    let sections = page.split("<section id=\"").skip(1);
    let found: Vec<&str> = sections.map(|it| it.split('"').next().unwrap()).collect();
    assert_eq!(found, ids);
    for id in ids {
        assert!(page.contains(&format!("<a href=\"#{id}\"")), "{id}");
    }
}

#[test]
fn a_page_of_a_sweep_holds_everything_that_was_found() {
    let folder = swept(&PARTITION);
    let trace = bundled("long");
    let args = [
        "--trace", &trace, "--policy", "default", "--policy", "lru-10",
    ];
    let page = report(folder.path(), &args);
    has_sections(
        &page,
        &[
            "savings",
            "sensitivity",
            "partition",
            "timeline",
            "variants",
            "provenance",
        ],
    );
    // Savings and the partition; two small ones a setting; three of each timeline. Each in two
    // looks, and all but the small ones in two widths.
    assert_eq!(
        page.matches("<svg role=\"img\"").count(),
        4 * 2 + 2 * 6 + 4 * 3 * 2
    );
    assert_eq!(
        page.matches("<desc>").count(),
        page.matches("<svg ").count()
    );
    assert_eq!(page.matches("<h1>").count(), 1);
    let headings = page
        .match_indices("<h")
        .filter_map(|(at, _)| page[at + 2..].chars().next());
    let levels: Vec<u32> = headings.filter_map(|it| it.to_digit(10)).collect();
    assert!(
        levels.windows(2).all(|two| two[1] <= two[0] + 1),
        "{levels:?}"
    );
    assert!(page.contains(">early <small>%"));
    assert!(page.contains("this describes these traces and recommends nothing"));
    assert_eq!(page, report(folder.path(), &args), "the same again");
}

#[test]
fn a_page_of_a_tuning_tells_what_became_of_it_where_nobody_had_looked() {
    let folder = tuned();
    let page = report(folder.path(), &[]);
    has_sections(
        &page,
        &[
            "savings",
            "held-out",
            "sensitivity",
            "variants",
            "provenance",
        ],
    );
    assert!(page.contains("ecommended: "), "{page}");
    assert!(page.contains("95 % intervals over 3 people"));
    let figures = figures(folder.path(), &[]);
    assert_eq!(figures["of"], "tune");
    assert_eq!(figures["held_out"].as_array().unwrap().len(), 3);
    let policies = figures["policies"].as_array().unwrap();
    let count = |role: &str| policies.iter().filter(|it| it["role"] == role).count();
    assert_eq!(count("reference"), 2);
    // Two that are the same policy are one.
    let hashes = policies.iter().filter(|it| it["role"] != "reference");
    let mut hashes: Vec<&str> = hashes
        .map(|it| it["policy_hash"].as_str().unwrap())
        .collect();
    let all = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), all);
    assert!(count("variant") > 1);
}

#[test]
fn figures_add_up_to_what_a_replay_scores() {
    let folder = swept(&PARTITION);
    let trace = bundled("long");
    for policy in ["default", "lru-10", "never"] {
        let figures = figures(folder.path(), &["--trace", &trace, "--policy", policy]);
        let course = &figures["timelines"][0];
        let replay = sim(
            folder.path(),
            &["replay", &trace, "-p", policy, "--summary", "--json"],
        );
        let score: Value = serde_json::from_slice(&replay.stdout).unwrap();
        let stretches = course["timeline"]["stretches"].as_array().unwrap();
        assert!(stretches.len() <= simulator::timeline::STRETCHES_MAX);
        for name in ["discards", "reloads", "early_returns"] {
            let sum: u64 = stretches.iter().map(|it| it[name].as_u64().unwrap()).sum();
            assert_eq!(sum, score[name].as_u64().unwrap(), "{policy}: {name}");
            assert_eq!(course[name], score[name], "{policy}: {name}");
        }
        let width_ms = course["timeline"]["width_ms"].as_i64().unwrap();
        let last = stretches.last().unwrap()["index"].as_i64().unwrap();
        let active_ms = score["span"]["active_ms"].as_i64().unwrap();
        assert_eq!(active_ms / width_ms, last, "{policy}");
    }
}

#[test]
fn the_figures_of_a_sweep_are_those_that_it_told() {
    let folder = swept(&PARTITION);
    let traces = ["enforce", "long"].map(bundled);
    let again = ["sweep", &traces[0], &traces[1], "--output", "out", "--json"];
    let told = sim(folder.path(), &[&again[..], &PARTITION].concat());
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let figures = figures(folder.path(), &[]);
    let policies = figures["policies"].as_array().unwrap();
    assert_eq!(policies.len(), told["policies"].as_array().unwrap().len());
    for (found, expect) in policies.iter().zip(told["policies"].as_array().unwrap()) {
        assert_eq!(found["name"], expect["policy"]);
        for score in [
            "saved_gib_h",
            "saved_share",
            "early_return_rate",
            "reloads",
            "discards",
        ] {
            assert_eq!(found[score], expect[score], "{score} of {}", found["name"]);
        }
    }
    let front = policies.iter().filter(|it| it["is_on_front"] == true);
    assert_eq!(front.count(), told["front"].as_array().unwrap().len());
}

#[test]
fn one_variant_is_a_front() {
    let folder = swept(&["--vary", "ttl_minutes=5", "--no-frontier"]);
    let page = report(folder.path(), &[]);
    assert!(page.contains("One variant is beaten by no other"), "{page}");
    assert!(page.contains("There are no other variants."));
    assert!(page.contains("How much could be saved at most was not asked for."));
}

#[test]
fn where_nothing_can_be_saved_there_is_no_front() {
    // An hour in which there is no tab at all.
    let mut recording = Recording::new(Mode::Enforce);
    recording.wait(MINUTE);
    let recorded = recording.close();
    let args = [
        "sweep",
        "trace",
        "--output",
        "out",
        "--vary",
        "ttl_minutes=5,15",
    ];
    let output = sim(recorded.root(), &args);
    assert!(output.status.success(), "{}", said(&output));
    let page = report(recorded.root(), &["--trace", "trace"]);
    assert!(page.contains("There is no front"), "{page}");
    assert!(
        page.contains("no variant can be told from another"),
        "{page}"
    );
}

#[test]
fn a_trace_without_samples_says_so() {
    let folder = swept(&["--vary", "ttl_minutes=5"]);
    let mut recording = Recording::new(Mode::Enforce);
    recording.session(3).wait(MINUTE).activate(2);
    let recorded = recording.close();
    let trace = recorded.root().join("trace").display().to_string();
    let page = report(folder.path(), &["--trace", &trace]);
    assert!(
        page.contains("There is no sample of memory in this trace"),
        "{page}"
    );
    assert!(!page.contains("<title>Pressure</title>"));
    let page = report(folder.path(), &["--trace", &bundled("long")]);
    assert!(!page.contains("There is no sample of memory in this trace"));
    assert!(page.contains("<title>Pressure</title>"));
}

/// What nobody measured is not 0, and an hour without a sample is none that was calm.
#[test]
fn minutes_at_high_are_told_of_sampled_time_alone() {
    let mut recording = Recording::new(Mode::Enforce);
    recording.session(3).wait(60 * MINUTE).activate(2);
    let recorded = recording.close();
    let unsampled = recorded.root().join("trace").display().to_string();
    let long = bundled("long");
    let told = |traces: &[&str]| {
        let folder = TempDir::new().unwrap();
        let args = "sweep --output out --vary ttl_minutes=5 --no-frontier";
        let args: Vec<&str> = args.split(' ').chain(traces.iter().copied()).collect();
        let output = sim(folder.path(), &args);
        assert!(output.status.success(), "{}", said(&output));
        let table = String::from_utf8(output.stdout).unwrap();
        let rate = &figures(folder.path(), &[])["policies"][0]["high_minutes_per_awake_hour"];
        let row = table.lines().nth(1).unwrap().trim_end();
        (row.ends_with('–'), rate.as_f64())
    };
    let (is_unknown, alone) = told(&[&long]);
    assert!(!is_unknown && alone.unwrap() > 1.0, "{alone:?}");
    assert_eq!(told(&[&long, &unsampled]), (false, alone));
    assert_eq!(told(&[&unsampled]), (true, None));
}

#[test]
fn names_from_strangers_do_nothing_on_a_report() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let evil = "<script>document.title='evil'<b onload=\"x\">&'";
    fs::rename(recorded.root().join("trace"), recorded.root().join(evil)).unwrap();
    let policy = format!("{evil}.toml");
    fs::write(recorded.root().join(&policy), "gate = \"always\"\n").unwrap();
    let args = [
        "sweep",
        evil,
        "--output",
        "out",
        "--vary",
        "ttl_minutes=1,5",
        "--base",
        &policy,
    ];
    let output = sim(recorded.root(), &args);
    assert!(output.status.success(), "{}", said(&output));
    let page = report(recorded.root(), &["--trace", evil, "--policy", &policy]);
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<b "), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

#[test]
fn a_browser_shows_a_report_without_a_complaint_or_a_request() {
    let Some(chromium) = chromium() else {
        return;
    };
    let folder = tuned();
    let trace = bundled("long");
    let shown = show(&chromium, &report(folder.path(), &["--trace", &trace]));
    assert!(shown.document.contains("id=\"provenance\""), "{shown:?}");
    assert_eq!(shown.console, Vec::<String>::new());
    assert_eq!(shown.requests, ["reports.example/page"]);
}

#[test]
fn a_folder_that_cannot_be_reported_says_why() {
    #[track_caller]
    fn check(folder: &Path, exit_code: i32, expect: &[&str]) {
        let output = sim(folder, &["report", "out", "--html", "page.html"]);
        assert_eq!(output.status.code(), Some(exit_code), "{}", said(&output));
        for expect in expect {
            assert!(said(&output).contains(expect), "{}", said(&output));
        }
        assert!(!folder.join("page.html").exists());
    }
    fn edit(file: &Path, from: &str, to: &str) {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(file, text.replacen(from, to, 1)).unwrap();
    }
    let empty = TempDir::new().unwrap();
    check(empty.path(), 2, &["out is no folder"]);
    fs::create_dir(empty.path().join("out")).unwrap();
    check(
        empty.path(),
        2,
        &["found neither tune.json nor results.jsonl"],
    );
    fs::write(empty.path().join("out/rows.jsonl"), "").unwrap();
    check(empty.path(), 2, &["the sweep is not finished"]);

    let folder = swept(&["--vary", "ttl_minutes=5,15"]);
    let results = folder.path().join("out/results.jsonl");
    let whole = fs::read_to_string(&results).unwrap();
    edit(&results, "\"discards\":", "\"discards\":1");
    check(
        folder.path(),
        3,
        &["results.jsonl, line ", "they were changed or cut off"],
    );
    let rows: Vec<&str> = whole.lines().collect();
    fs::write(&results, format!("{}\n{{\"unit\":\n", rows[0])).unwrap();
    check(folder.path(), 3, &["out/results.jsonl, line 2: "]);
    fs::write(&results, whole.replace("\"engine\":1,", "\"engine\":0,")).unwrap();
    check(
        folder.path(),
        2,
        &["found results of engine 0", "expected engine 1"],
    );
    fs::write(&results, &whole).unwrap();
    fs::write(folder.path().join("out/manifest.json"), "{\n\"type\": 3\n").unwrap();
    check(folder.path(), 3, &["out/manifest.json, line "]);

    let version = "{\"engine\":1,\"sim\":\"0.0.1\",\"rows\":1}";
    let tune = |text: String| {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        fs::write(folder.path().join("out/tune.json"), text).unwrap();
        folder
    };
    let other = tune(format!("{{\"type\":\"tune\",\"version\":{version}}}"));
    check(other.path(), 2, &["sim 0.0.1"]);
    let other = tune(format!("{{\"type\":\"sweep\",\"version\":{version}}}"));
    check(
        other.path(),
        3,
        &["found type \"sweep\", expected \"tune\""],
    );
    check(
        tune("{\n".to_owned()).path(),
        3,
        &["out/tune.json, line 2: "],
    );
}

#[test]
fn a_report_goes_somewhere() {
    let folder = TempDir::new().unwrap();
    let output = sim(folder.path(), &["report", "out"]);
    assert_eq!(output.status.code(), Some(2));
    let output = sim(
        folder.path(),
        &["report", "out", "--json", "--policy", "default"],
    );
    assert!(said(&output).contains("--trace"), "{}", said(&output));
}
