//! `sim sweep`: the same bytes however it is carried out, and nothing wrong passes unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Instant, SystemTime};

use assert_cmd::cargo::cargo_bin;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use simulator::comparison::Loop;
use simulator::sweep::{Task, Unit, UnitTrace, columns_table};
use simulator::synth::draw::Draw;

/// What a sweep leaves to be read.
const RESULTS: [&str; 4] = [
    "results.jsonl",
    "frontier.json",
    "manifest.json",
    "results.parquet",
];

/// What most tests sweep: two traces, and eight variants beside three other policies.
const SMALL: [&str; 6] = [
    "observe",
    "enforce",
    "--vary",
    "ttl_minutes=1..30:4",
    "--vary",
    "focus.enabled=false,true",
];

/// Carries the planned units out.
const RUN: [&str; 6] = [
    "sweep",
    "run",
    "--units",
    "units.jsonl",
    "--rows",
    "rows.jsonl",
];

/// A folder with two recorded traces to work in, and a cache of its own.
struct Desk(tempfile::TempDir);

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for name in ["observe", "enforce"] {
            copy(&recorded(name), &desk.path(name));
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("sim"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("XDG_CACHE_HOME", self.path("cache"));
        command
    }

    fn run_with(&self, args: &[&str], input: &str) -> Said {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // One that stops at the first line does not read the rest.
        let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Said {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs it, which must end so and say that on stderr; returns stdout.
    #[track_caller]
    fn check(&self, args: &[&str], code: i32, expect: &[&str]) -> String {
        checked(self.run_with(args, ""), code, expect)
    }

    /// Sweeps [`SMALL`] into a folder.
    #[track_caller]
    fn sweep(&self, out: &str, more: &[&str], code: i32, expect: &[&str]) -> String {
        let args = [&["sweep"], &SMALL[..], &["--output", out], more].concat();
        self.check(&args, code, expect)
    }

    /// Plans [`SMALL`] into units.jsonl, and returns the lines.
    fn plan(&self) -> Vec<String> {
        let units = self.check(&[&["sweep", "plan"], &SMALL[..]].concat(), 0, &[]);
        fs::write(self.path("units.jsonl"), &units).unwrap();
        units.lines().map(str::to_owned).collect()
    }

    /// Every file of results in a folder.
    fn results(&self, folder: &str) -> BTreeMap<&'static str, Vec<u8>> {
        let read = |name| Some((name, fs::read(self.path(folder).join(name)).ok()?));
        let results: BTreeMap<_, _> = RESULTS.into_iter().filter_map(read).collect();
        let expected = RESULTS.len() - usize::from(cfg!(not(feature = "analysis")));
        assert_eq!(results.len(), expected, "{:?}", results.keys());
        results
    }

    fn lines(&self, path: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(path)).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Changes a file.
    #[track_caller]
    fn edit(&self, path: &str, edit: impl FnOnce(String) -> String) {
        let path = self.path(path);
        let text = fs::read_to_string(&path).unwrap();
        let edited = edit(text.clone());
        assert_ne!(text, edited, "nothing was changed");
        fs::write(path, edited).unwrap();
    }

    /// The packed traces in the cache.
    fn packed(&self) -> Vec<PathBuf> {
        files(&self.path("cache/tab-orchestrator/packed"))
    }
}

#[track_caller]
fn checked(said: Said, code: i32, expect: &[&str]) -> String {
    let Said {
        code: found,
        out,
        err,
    } = said;
    assert_eq!(found, code, "{out}{err}");
    for expect in expect {
        assert!(err.contains(expect), "expected: {expect}\nfound: {err}");
    }
    assert!(!expect.is_empty() || err.is_empty(), "{err}");
    out
}

fn recorded(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../traces/recorded")
        .join(name)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in files(from) {
        fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

// ---- The same bytes -----------------------------------------------------------------------------

#[test]
fn any_number_of_threads_comes_to_the_same_bytes() {
    let desk = Desk::new();
    desk.sweep("one", &["-j", "1"], 0, &[]);
    for threads in ["2", "5"] {
        desk.sweep(threads, &["-j", threads], 0, &[]);
        assert_eq!(desk.results(threads), desk.results("one"), "{threads}");
    }
    let rows = desk.lines("one/results.jsonl");
    assert_eq!(rows.len(), 2 * (3 + 8), "a row a trace and policy");
    let first: Value = serde_json::from_str(&rows[0]).unwrap();
    assert_eq!(first["policy"], "default");
    assert_eq!(first["trace"], "observe");
}

#[test]
fn killed_at_ten_moments_it_comes_to_the_same_bytes() {
    let desk = Desk::new();
    let wide = [
        "sweep",
        "observe",
        "enforce",
        "--vary",
        "ttl_minutes=1..30:20",
        "--vary",
        "batch_high=1..4:4",
        "--output",
    ];
    let begin = Instant::now();
    desk.check(&[&wide[..], &["whole"]].concat(), 0, &[]);
    let whole = begin.elapsed();

    let mut draw = Draw::new(7, 0);
    let (mut killed, mut done) = (0, 0);
    for moment in 1..=10 {
        let mut command = desk.command(&[&wide[..], &["out"]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.as_mut().unwrap();
        // They come to more than the whole together: the last ones strike while it is rechecked
        // or put together.
        let delay = whole.mul_f64(f64::from(moment) * (0.5 + draw.share()) / 40.0);
        thread::sleep(delay);
        child.kill().unwrap();
        killed += u32::from(child.wait().unwrap().signal() == Some(9));
        let rows = fs::read(desk.path("out/rows.jsonl")).unwrap_or_default();
        let whole_lines = rows.iter().filter(|&&byte| byte == b'\n').count();
        assert!(whole_lines >= done, "what was done is still there");
        done = whole_lines;
    }
    assert!(killed >= 2, "it was killed {killed} times");
    let last = desk.run_with(&[&wide[..], &["out"]].concat(), "");
    assert_eq!(last.code, 0, "{}", last.err);

    assert_eq!(desk.results("out"), desk.results("whole"));
    let rows = desk.lines("out/rows.jsonl");
    let units: BTreeSet<String> = rows
        .iter()
        .map(|row| serde_json::from_str::<Value>(row).unwrap()["unit"].to_string())
        .collect();
    assert_eq!(units.len(), rows.len(), "no unit was done twice");
    assert_eq!(sorted(rows), sorted(desk.lines("whole/rows.jsonl")));
}

#[test]
fn parts_carried_out_anywhere_come_to_the_same_bytes() {
    let desk = Desk::new();
    desk.sweep("here", &[], 0, &[]);
    let units = desk.plan();
    let run = ["sweep", "run", "--units", "units.jsonl"];
    for shard in ["1/3", "2/3", "3/3"] {
        let rows = format!("rows-{}.jsonl", &shard[..1]);
        let args = [&run[..], &["--shard", shard, "--rows", &rows]].concat();
        desk.check(&args, 0, &[]);
        // Called again it does nothing again.
        let before = fs::read(desk.path(&rows)).unwrap();
        desk.check(&args, 0, &[]);
        assert_eq!(fs::read(desk.path(&rows)).unwrap(), before);
    }
    let one_by_one: String = units
        .iter()
        .rev()
        .map(|unit| {
            checked(
                desk.run_with(&["sweep", "run", "--unit", "-"], unit),
                0,
                &[],
            )
        })
        .collect();
    fs::write(desk.path("one-by-one.jsonl"), one_by_one).unwrap();
    let all_at_once = desk.check(&[&run[..], &["-j", "2"]].concat(), 0, &[]);
    fs::write(desk.path("all.jsonl"), all_at_once).unwrap();

    for (out, rows) in [
        ("a", &["rows-1.jsonl", "rows-2.jsonl", "rows-3.jsonl"][..]),
        ("b", &["rows-3.jsonl", "rows-1.jsonl", "rows-2.jsonl"]),
        ("c", &["one-by-one.jsonl"]),
        ("d", &["all.jsonl", "rows-2.jsonl", "one-by-one.jsonl"]),
    ] {
        let collect = [
            "sweep",
            "collect",
            "--units",
            "units.jsonl",
            "--output",
            out,
        ];
        desk.check(&[&collect[..], rows].concat(), 0, &[]);
        assert_eq!(desk.results(out), desk.results("here"), "{rows:?}");
    }
}

#[test]
fn its_plan_repeats_it() {
    let desk = Desk::new();
    let samples = [
        "sweep",
        "observe",
        "--vary",
        "ttl_minutes=1..100:log",
        "--vary",
        "target_free_percent=off,20",
        "--latin-hypercube",
        "6",
        "--seed",
        "3",
        "--base",
        "gentle",
        "--with",
        "ttl-15",
        "--open-loop",
        "--output",
        "first",
    ];
    desk.check(&samples, 0, &[]);
    let plan = ["sweep", "--plan", "first/plan.toml", "--output", "again"];
    desk.check(&plan, 0, &[]);
    assert_eq!(desk.results("again"), desk.results("first"));
    let plans = ["first", "again"].map(|out| desk.lines(&format!("{out}/plan.toml")));
    assert_eq!(plans[0], plans[1]);
}

#[cfg(feature = "analysis")]
#[test]
fn a_trace_in_parquet_gives_the_same_bytes() {
    let desk = Desk::new();
    let convert = desk.run_with(&["convert", "enforce", "enforce.parquet"], "");
    assert_eq!(convert.code, 0, "{}", convert.err);
    let vary = ["--vary", "ttl_minutes=1..30:5", "--output"];
    for (trace, out) in [("enforce", "a"), ("enforce.parquet", "b")] {
        desk.check(&[&["sweep", trace], &vary[..], &[out]].concat(), 0, &[]);
    }
    assert_eq!(desk.results("a"), desk.results("b"));
}

// ---- What is done is taken care of --------------------------------------------------------------

#[test]
fn a_finished_sweep_is_not_done_again() {
    let desk = Desk::new();
    desk.sweep("out", &[], 0, &[]);
    let (results, rows) = (desk.results("out"), desk.lines("out/rows.jsonl"));
    let said = desk.sweep("out", &[], 0, &["24 of 24 units are done already"]);
    assert!(
        said.contains("2 units done again, each with the same bytes"),
        "{said}"
    );
    assert_eq!(desk.results("out"), results);
    assert_eq!(desk.lines("out/rows.jsonl"), rows);
}

#[test]
fn a_row_that_cannot_be_repeated_is_found() {
    let desk = Desk::new();
    desk.sweep("out", &[], 0, &[]);
    // Every row, so that one is drawn.
    desk.edit("out/rows.jsonl", |rows| {
        rows.replace("\"samples\":", "\"samples\":1")
    });
    let expect = ["came out otherwise when it was done again: {\"unit\":"];
    let said = desk.sweep("out", &[], 1, &expect);
    assert!(
        said.contains("2 units done again, 2 of them with other bytes"),
        "{said}"
    );
    let said = desk.sweep("out", &["--json"], 1, &expect);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["recheck"], json!({"units": 2, "differing": 2}));
}

#[test]
fn the_folder_of_another_sweep_is_left_alone() {
    let desk = Desk::new();
    desk.sweep("out", &[], 0, &[]);
    let before = desk.results("out");
    let expect = ["out: another sweep stands here", "name another folder"];
    let other = ["observe", "--vary", "ttl_minutes=1,2", "--output"];
    let sweep = |out| [&["sweep"], &other[..], &[out]].concat();
    desk.check(&sweep("out"), 2, &expect);
    desk.check(&sweep("other"), 0, &[]);
    let collect = ["sweep", "collect", "other/rows.jsonl", "--units"];
    let collect = [&collect[..], &["other/units.jsonl", "--output", "out"]].concat();
    desk.check(&collect, 2, &expect);
    assert_eq!(desk.results("out"), before);
}

#[test]
fn the_folder_of_a_tuning_is_left_alone() {
    let desk = Desk::new();
    desk.sweep("out", &[], 0, &[]);
    let tuned = desk.0.path().join("tuned");
    fs::create_dir(&tuned).unwrap();
    fs::write(tuned.join("tune.json"), "{}").unwrap();
    let expect =
        ["tuned: found tune.json, which is a tuning's; give a tuning and a sweep a folder each"];
    desk.sweep("tuned", &[], 2, &expect);
    let collect = ["sweep", "collect", "out/rows.jsonl", "--units"];
    let collect = [&collect[..], &["out/units.jsonl", "--output", "tuned"]].concat();
    desk.check(&collect, 2, &expect);
    assert_eq!(fs::read_dir(&tuned).unwrap().count(), 1);
}

#[test]
fn two_programs_do_not_add_to_the_same_rows() {
    let desk = Desk::new();
    desk.plan();
    let rows = fs::File::create(desk.path("rows.jsonl")).unwrap();
    rows.lock().unwrap();
    desk.check(&RUN, 2, &["rows.jsonl: another program adds rows to it"]);
}

// ---- Rows that are not as they should be --------------------------------------------------------

/// A desk with all rows of its units, and how to collect them.
fn collected() -> (Desk, Vec<&'static str>) {
    let desk = Desk::new();
    desk.plan();
    desk.check(&RUN, 0, &[]);
    let collect = [
        "sweep",
        "collect",
        "--units",
        "units.jsonl",
        "--output",
        "out",
        "rows.jsonl",
    ];
    (desk, collect.into())
}

#[test]
fn what_is_missing_is_said() {
    let (desk, collect) = collected();
    desk.edit("rows.jsonl", |rows| {
        let some: Vec<&str> = rows
            .lines()
            .filter(|row| !row.contains("\"lru-10\""))
            .collect();
        some.join("\n") + "\n"
    });
    desk.check(
        &collect,
        1,
        &[
            "2 rows of 24 are missing: lru-10 on observe (",
            "lru-10 on enforce (",
        ],
    );
    assert!(!desk.path("out").exists());
}

#[test]
fn a_torn_last_line_is_no_row_and_is_done_again() {
    let (desk, collect) = collected();
    desk.check(&collect, 0, &[]);
    let whole = desk.results("out");
    desk.edit("rows.jsonl", |rows| rows[..rows.len() - 20].to_owned());
    let torn = "rows.jsonl: its last line is unfinished and is passed over: ";
    desk.check(&collect, 1, &[torn, "1 row of 24 are missing"]);
    desk.check(&RUN, 0, &[torn]);
    desk.check(&collect, 0, &[]);
    assert_eq!(desk.results("out"), whole);
}

#[test]
fn a_damaged_row_is_damage() {
    for (find, put) in [
        ("{\"unit\"", "{\"unt\""),
        ("\"saved_share\":", "\"saved_share\""),
    ] {
        let (desk, collect) = collected();
        desk.edit("rows.jsonl", |rows| rows.replacen(find, put, 1));
        let expect = [": not a row as `sim sweep run` writes it"];
        desk.check(&collect, 3, &[&["rows.jsonl, line "], &expect[..]].concat());
        assert!(!desk.path("out").exists());
    }
}

#[test]
fn two_rows_of_a_unit_that_differ_are_damage() {
    let differ = "found two rows of unit";
    let edited = |rows: &str| rows.replacen("\"samples\":", "\"samples\":1", 1);
    let (desk, mut collect) = collected();
    let rows = fs::read_to_string(desk.path("rows.jsonl")).unwrap();
    fs::write(desk.path("others.jsonl"), edited(&rows)).unwrap();
    collect.push("others.jsonl");
    desk.check(&collect, 3, &["rows.jsonl and others.jsonl: ", differ]);

    let (desk, collect) = collected();
    desk.edit("rows.jsonl", |rows| rows.clone() + &edited(&rows));
    desk.check(&collect, 3, &["rows.jsonl: ", differ]);

    // The same row twice is none the worse.
    let (desk, collect) = collected();
    desk.edit("rows.jsonl", |rows| rows.clone() + &rows);
    desk.check(&collect, 0, &[]);
}

#[test]
fn rows_of_other_versions_are_refused() {
    let (desk, collect) = collected();
    desk.edit("rows.jsonl", |rows| {
        rows.replacen("\"sim\":\"", "\"sim\":\"9", 1)
    });
    desk.check(
        &collect,
        2,
        &[
            "rows.jsonl: found rows of engine",
            "rows of different versions cannot be compared",
        ],
    );
}

#[test]
fn rows_of_other_sweeps_are_noted() {
    let (desk, mut collect) = collected();
    let other = [
        "sweep",
        "observe",
        "--vary",
        "ttl_minutes=7,8",
        "--output",
        "other",
    ];
    desk.check(&other, 0, &[]);
    collect.push("other/rows.jsonl");
    // The frontier and the policies beside the variants are told from those of the plan by what
    // is varied, but for the frontier.
    let expect = "other/rows.jsonl: 5 rows of units that are not in the plan are left out";
    desk.check(&collect, 0, &[expect]);
}

// ---- Units that are not as they should be -------------------------------------------------------

#[test]
fn a_unit_that_was_changed_is_refused() {
    let desk = Desk::new();
    let units = desk.plan();
    let run = ["sweep", "run", "--unit", "-"];
    let changed = "the unit's id does not fit what it says";
    for (find, put) in [("\"seed\":0", "\"seed\":1"), ("\"lines\":", "\"lines\":1")] {
        let unit = units[2].replacen(find, put, 1);
        assert_ne!(unit, units[2]);
        let said = desk.run_with(&run, &unit);
        // How many lines there are is for estimates alone.
        if find == "\"lines\":" {
            checked(said, 0, &[]);
        } else {
            checked(said, 2, &["stdin, line 1: ", changed]);
        }
    }
    let unit = units[2].replacen("{\"type\"", "{\"more\":1,\"type\"", 1);
    checked(
        desk.run_with(&run, &unit),
        2,
        &["stdin, line 1: not a unit", "`more`"],
    );
    desk.edit("units.jsonl", |units| {
        units.replacen("\"ttl_minutes\":1.0", "\"ttl_minutes\":2.0", 1)
    });
    let run = ["sweep", "run", "--units", "units.jsonl"];
    desk.check(&run, 2, &["units.jsonl, line ", changed]);
}

#[test]
fn a_trace_that_changed_since_it_was_planned_is_refused() {
    let desk = Desk::new();
    let units = desk.plan();
    fs::remove_dir_all(desk.path("observe")).unwrap();
    copy(&recorded("enforce"), &desk.path("observe"));
    let said = desk.run_with(&["sweep", "run", "--unit", "-"], &units[1]);
    checked(
        said,
        2,
        &[
            "observe: found a trace with the digest",
            "was changed since",
        ],
    );
}

#[test]
fn a_unit_of_another_version_is_refused() {
    let desk = Desk::new();
    let units = desk.plan();
    let mut unit: Unit = serde_json::from_str(&units[1]).unwrap();
    unit.version.sim = "0.0.9".to_owned();
    // The id that the other version gave it.
    let content = (
        &unit.version,
        &unit.trace.name,
        &unit.trace.digest,
        &unit.task,
    );
    let digits = Sha256::digest(serde_json::to_vec(&content).unwrap());
    let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    unit.unit = digits[..24].to_owned();
    let line = serde_json::to_string(&unit).unwrap();
    let said = desk.run_with(&["sweep", "run", "--unit", "-"], &line);
    checked(
        said,
        2,
        &[
            "was planned for engine",
            "sim 0.0.9",
            "plan anew, or use that one",
        ],
    );
}

// ---- What cannot be swept -----------------------------------------------------------------------

#[test]
fn what_cannot_be_varied_is_said() {
    #[track_caller]
    fn check(desk: &Desk, args: &[&str], expect: &[&str]) {
        desk.check(
            &[&["sweep", "--output", "out", "observe"], args].concat(),
            2,
            expect,
        );
        assert!(!desk.path("out").exists());
    }
    let desk = Desk::new();
    let vary = |text: &'static str| ["--vary", text];
    check(
        &desk,
        &vary("ttl_minute=1,2"),
        &["there is no setting \"ttl_minute\"; did you mean ttl_minutes?"],
    );
    check(
        &desk,
        &vary("ttl_minutes"),
        &["expected a setting and its values"],
    );
    check(
        &desk,
        &vary("ttl_minutes=0..60:3"),
        &["ttl_minutes: found \"0\", expected"],
    );
    check(
        &desk,
        &vary("ttl_minutes=60..5:3"),
        &["\"60..5:3\", expected a range from a smaller to a larger number"],
    );
    check(
        &desk,
        &vary("ttl_minutes=5..60"),
        &["a grid takes a range with a number of steps"],
    );
    check(
        &desk,
        &vary("focus.enabled=maybe"),
        &["focus.enabled: found \"maybe\""],
    );
    check(
        &desk,
        &["--vary", "ttl_minutes=1..60", "--sobol", "100001"],
        &[
            "found 100001 variants, expected 1 to 100000",
            "take fewer steps",
        ],
    );
    check(
        &desk,
        &[
            "--vary",
            "pressure.medium_score=80",
            "--vary",
            "pressure.high_score=50",
        ],
        &["none of the 1 variants is a valid policy: "],
    );
    check(
        &desk,
        &["--vary", "ttl_minutes=1,2", "--vary", "ttl_minutes=3"],
        &["ttl_minutes: it is varied twice"],
    );
    check(
        &desk,
        &["--vary", "ttl_minutes=1,2", "--base", "never"],
        &["never is a baseline and has no settings to vary"],
    );
    copy(&recorded("observe"), &desk.path("same"));
    check(
        &desk,
        &["same", "--vary", "ttl_minutes=1,2"],
        &["observe and same are the same trace; name each once"],
    );
}

#[test]
fn what_is_wrong_with_a_plan_is_said_by_line_and_key() {
    let desk = Desk::new();
    let plan = "traces = [\"observe\"]\nvary = [\"ttl_minutes=1..60\"]\n";
    for (more, expect) in [
        (
            "sample = 3\n",
            &["plan.toml is not a plan", "line 3", "`sample`"][..],
        ),
        (
            "design = \"sobol\"\n",
            &["plan.toml: samples: missing; say how many"],
        ),
        (
            "samples = 8\n",
            &["plan.toml: samples: found 8, expected none in a grid"],
        ),
        (
            "design = \"random\"\n",
            &["plan.toml is not a plan", "line 3", "`latin-hypercube`"],
        ),
    ] {
        fs::write(desk.path("plan.toml"), plan.to_owned() + more).unwrap();
        desk.check(
            &["sweep", "--plan", "plan.toml", "--output", "out"],
            2,
            expect,
        );
    }
    desk.check(
        &["sweep", "--plan", "nowhere.toml", "--output", "out"],
        2,
        &["cannot read the plan nowhere.toml"],
    );
}

// ---- The cache and the disk ---------------------------------------------------------------------

#[test]
fn a_trace_that_was_replaced_is_packed_anew() {
    let desk = Desk::new();
    copy(&recorded("observe"), &desk.path("trace"));
    let sweep = [
        "sweep",
        "trace",
        "--vary",
        "ttl_minutes=1..30:4",
        "--output",
    ];
    desk.check(&[&sweep[..], &["of-observe"]].concat(), 0, &[]);
    fs::remove_dir_all(desk.path("trace")).unwrap();
    // Under the same name, so that the cache has one in its place.
    let name = files(&recorded("observe"))[0]
        .file_name()
        .unwrap()
        .to_owned();
    fs::create_dir(desk.path("trace")).unwrap();
    fs::copy(
        &files(&recorded("enforce"))[0],
        desk.path("trace").join(name),
    )
    .unwrap();
    desk.check(&[&sweep[..], &["stale"]].concat(), 0, &[]);
    assert_eq!(desk.packed().len(), 1);

    let fresh = Desk::new();
    copy(&desk.path("trace"), &fresh.path("trace"));
    fresh.check(&[&sweep[..], &["fresh"]].concat(), 0, &[]);
    assert_eq!(desk.results("stale"), fresh.results("fresh"));
    assert_ne!(desk.results("stale"), desk.results("of-observe"));
}

#[test]
fn what_is_packed_of_a_trace_that_is_gone_goes_and_nobody_else_sees_what_is_left() {
    let desk = Desk::new();
    desk.sweep("first", &[], 0, &[]);
    let packed = desk.path("cache/tab-orchestrator/packed");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&packed), 0o700);
    assert_eq!(desk.packed().len(), 2);
    assert!(desk.packed().iter().all(|file| mode(file) == 0o600));

    // What a killed one leaves has a name of its own, and so has what is somebody's own.
    let whole = desk.packed()[0].file_name().unwrap().to_owned();
    let unfinished = format!(".unfinished-{}", whole.to_str().unwrap());
    for name in [&unfinished, "notes.txt"] {
        fs::write(packed.join(name), "enforce").unwrap();
    }
    fs::set_permissions(&packed, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(desk.path("enforce")).unwrap();
    copy(&recorded("long"), &desk.path("long"));
    let vary = ["--vary", "ttl_minutes=1,2", "--output", "second"];
    desk.check(&[&["sweep", "observe", "long"], &vary[..]].concat(), 0, &[]);
    let left = desk.packed();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(!packed.join(unfinished).exists() && packed.join("notes.txt").exists());
    assert_eq!(mode(&packed), 0o700);
    let of_enforce = fs::canonicalize(desk.0.path()).unwrap().join("enforce");
    let of_enforce = of_enforce.to_str().unwrap().as_bytes().to_owned();
    for file in left {
        let bytes = fs::read(file).unwrap();
        assert!(!bytes.windows(of_enforce.len()).any(|it| it == of_enforce));
    }
}

#[test]
fn a_damaged_cache_is_made_anew() {
    let desk = Desk::new();
    desk.sweep("first", &[], 0, &[]);
    let spoil: [fn(&mut Vec<u8>); 3] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        |bytes| bytes.truncate(bytes.len() - 3),
        Vec::clear,
    ];
    for (spoil, out) in spoil.into_iter().zip(["flipped", "cut", "empty"]) {
        for packed in desk.packed() {
            let mut bytes = fs::read(&packed).unwrap();
            spoil(&mut bytes);
            fs::write(packed, bytes).unwrap();
        }
        desk.sweep(out, &[], 0, &[".tabpack: the packed trace is damaged: "]);
        assert_eq!(desk.results(out), desk.results("first"));
        desk.sweep(&format!("{out}-again"), &[], 0, &[]);
    }
}

/// Makes a packed trace say that another version of the program packed it, and that each of its
/// steps was of a type which that did not know.
fn as_of_another_version(packed: &[u8]) -> Vec<u8> {
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    let (content, trailer) = packed.split_at(packed.len() - 16);
    let (_, head) = content.split_at(content.len() - word(&trailer[..4]) as usize);
    let mut head: serde_json::Value = serde_json::from_slice(head).unwrap();
    head["about"]["sim"] = "0.0.1".into();
    let head = head.to_string();
    // The tag of a step that is not known.
    let steps = vec![1; 100];
    let mut bytes = [steps, head.clone().into_bytes()].concat();
    let sum = crc32c::crc32c(&bytes);
    bytes.extend(u32::try_from(head.len()).unwrap().to_le_bytes());
    bytes.extend(sum.to_le_bytes());
    bytes.extend(&trailer[8..]);
    bytes
}

#[test]
fn what_another_version_has_packed_is_packed_anew() {
    let desk = Desk::new();
    desk.sweep("first", &[], 0, &[]);
    for (out, is_laid_out_as_now) in [("upgraded", true), ("upgraded-again", false)] {
        for packed in desk.packed() {
            let bytes = fs::read(&packed).unwrap();
            let of_another = if is_laid_out_as_now {
                as_of_another_version(&bytes)
            } else {
                // The number of the layout is the last byte.
                [&bytes[..bytes.len() - 1], b"0"].concat()
            };
            fs::write(packed, of_another).unwrap();
        }
        // That is no news.
        let swept = desk.run_with(&[&["sweep"], &SMALL[..], &["--output", out]].concat(), "");
        assert!(
            swept.code == 0 && !swept.err.contains(".tabpack"),
            "{}",
            swept.err
        );
        assert_eq!(desk.results(out), desk.results("first"));
    }
}

/// The trace `observe` up to its last checkpoint, so not closed: as it was, and with a digit changed
/// that no sum covers then.
struct Changeable {
    file: PathBuf,
    whole: String,
    changed: String,
}

impl Changeable {
    fn on(desk: &Desk) -> Self {
        let file = files(&desk.path("observe")).remove(0);
        let mut whole = fs::read_to_string(&file).unwrap();
        whole.truncate(whole.rfind("{\"type\":\"checkpoint\"").unwrap());
        let field = "\"ram_used\":";
        let digit = whole.rfind(field).unwrap() + field.len();
        let other = if &whole[digit..=digit] == "1" {
            "2"
        } else {
            "1"
        };
        let mut changed = whole.clone();
        changed.replace_range(digit..=digit, other);
        Self {
            file,
            whole,
            changed,
        }
    }

    /// Writes the file, always at the same time.
    fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
        let file = fs::File::options().write(true).open(&self.file).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
}

#[test]
fn a_trace_that_was_changed_under_its_size_and_time_is_found_where_that_is_asked_for() {
    let desk = Desk::new();
    let trace = Changeable::on(&desk);
    trace.write(&trace.whole);
    desk.sweep("first", &[], 0, &[]);
    trace.write(&trace.changed);
    desk.sweep("believed", &[], 0, &[]);
    assert_eq!(desk.results("believed"), desk.results("first"));
    let expect = ["observe: it was changed and kept its size and time"];
    desk.sweep("verified", &["--verify-cache"], 0, &expect);
    assert_ne!(desk.results("verified"), desk.results("first"));
    desk.sweep("again", &["--verify-cache"], 0, &[]);
    assert_eq!(desk.results("again"), desk.results("verified"));
}

#[test]
fn a_torn_end_is_told_once_however_often_it_is_read() {
    let desk = Desk::new();
    let trace = Changeable::on(&desk);
    let times_told = |text: &str, out: &str, more: &[&str]| {
        trace.write(&format!("{text}{{\"type\":\"met"));
        let args = [&["sweep"], &SMALL[..], &["--output", out], more].concat();
        let said = desk.run_with(&args, "");
        assert_eq!(said.code, 0, "{}", said.err);
        said.err.matches("the end is torn").count()
    };
    let verify = ["--verify-cache"];
    assert_eq!(times_told(&trace.whole, "packed", &[]), 1);
    assert_eq!(times_told(&trace.whole, "believed", &[]), 0);
    assert_eq!(times_told(&trace.whole, "verified", &verify), 1);
    assert_eq!(times_told(&trace.changed, "packed-anew", &verify), 1);
}

#[test]
fn a_cache_that_cannot_be_written_is_done_without() {
    let desk = Desk::new();
    desk.sweep("with", &[], 0, &[]);
    let other = Desk::new();
    // Modes would mean nothing to root.
    fs::write(other.path("cache"), "in its place").unwrap();
    other.sweep("without", &[], 0, &[]);
    assert_eq!(other.results("without"), desk.results("with"));
}

/// Runs it where no file can grow beyond so many blocks of 512 bytes.
fn with_little_room(desk: &Desk, blocks: u32, args: &[&str]) -> Said {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    command.args(["-c", &script, "sh"]);
    let sim = desk.command(args);
    command.arg(sim.get_program()).args(sim.get_args());
    command.current_dir(desk.0.path());
    command.env("XDG_CACHE_HOME", desk.path("cache"));
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn a_full_disk_is_told_and_what_is_done_is_kept() {
    let desk = Desk::new();
    desk.sweep("whole", &[], 0, &[]);
    desk.plan();
    let expect = [
        "cannot add to rows.jsonl",
        "the same command goes on from what stands in it",
    ];
    checked(
        with_little_room(&desk, 16, &[&RUN[..], &["-j", "1"]].concat()),
        2,
        &expect,
    );
    desk.check(&RUN, 0, &["rows.jsonl: its last line is unfinished"]);
    let collect = [
        "sweep",
        "collect",
        "--units",
        "units.jsonl",
        "rows.jsonl",
        "--output",
    ];
    desk.check(&[&collect[..], &["out"]].concat(), 0, &[]);
    assert_eq!(desk.results("out"), desk.results("whole"));

    let said = with_little_room(&desk, 16, &[&collect[..], &["full"]].concat());
    checked(said, 2, &["cannot write full/results.jsonl"]);
    assert!(
        !desk.path("full/results.jsonl").exists(),
        "whole or not at all"
    );

    let other = Desk::new();
    let said = with_little_room(
        &other,
        2,
        &[&["sweep"], &SMALL[..], &["--output", "out"]].concat(),
    );
    checked(said, 2, &["cannot be packed into", "make room there"]);
}

#[test]
fn what_is_no_file_takes_no_rows() {
    let desk = Desk::new();
    let units = desk.plan();
    let run = [
        "sweep",
        "run",
        "--units",
        "units.jsonl",
        "--rows",
        "/dev/full",
    ];
    desk.check(&run, 2, &["/dev/full: found something else than a file"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = desk.command(&["sweep", "run", "--unit", "-"]);
    fs::write(desk.path("unit"), &units[1]).unwrap();
    let output = command
        .stdin(fs::File::open(desk.path("unit")).unwrap())
        .stdout(full)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("No space left on device"), "{err}");
}

// ---- The page and the lines ---------------------------------------------------------------------

#[test]
fn the_page_about_sweeps_names_every_column() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("SWEEP.md");
    let text = fs::read_to_string(page).unwrap();
    let table = columns_table();
    assert!(text.contains(&table), "SWEEP.md should hold:\n{table}");
    let desk = Desk::new();
    desk.sweep("out", &[], 0, &[]);
    let row: Map<String, Value> =
        serde_json::from_str(&desk.lines("out/results.jsonl")[0]).unwrap();
    for name in row
        .keys()
        .filter(|name| !SMALL.iter().any(|arg| arg.contains(&***name)))
    {
        assert!(table.contains(&format!("`{name}`")), "{name}");
    }
}

#[cfg(feature = "analysis")]
mod parquet {
    use std::fs::File;
    use std::io::{Cursor, Read as _, Seek as _, SeekFrom};

    use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
    use polars_buffer::Buffer;
    use polars_parquet::read::{
        BasicDecompressor, PageReader, column_iter_to_arrays, infer_schema, read_metadata,
    };

    use super::*;

    /// Every column of a Parquet file that has one row group, with its values.
    fn read(path: &Path) -> Vec<(String, Vec<Value>)> {
        let mut file = File::open(path).unwrap();
        let metadata = read_metadata(&mut file).unwrap();
        let schema = infer_schema(&metadata).unwrap();
        let [group] = &metadata.row_groups[..] else {
            panic!("{} row groups", metadata.row_groups.len());
        };
        let columns = schema.iter_values().zip(group.parquet_columns());
        let read = |(field, column): (&polars_arrow::datatypes::Field, _)| {
            let column: &polars_parquet::read::ColumnChunkMetadata = column;
            let range = column.byte_range();
            file.seek(SeekFrom::Start(range.start)).unwrap();
            let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap()];
            file.read_exact(&mut bytes).unwrap();
            let bytes = Cursor::new(Buffer::from(bytes));
            let pages = PageReader::new(bytes, column, Vec::new(), usize::MAX);
            let pages = BasicDecompressor::new(pages, Vec::new());
            let primitive = &column.descriptor().descriptor.primitive_type;
            let arrays =
                column_iter_to_arrays(vec![pages], vec![primitive], field.clone(), None).unwrap();
            let values = arrays.0.iter().flat_map(|array| values(array.as_ref()));
            (field.name.to_string(), values.collect())
        };
        columns.map(read).collect()
    }

    fn values(array: &dyn Array) -> Vec<Value> {
        let any = array.as_any();
        let value = |row: usize| {
            if array.is_null(row) {
                return Value::Null;
            }
            if let Some(column) = any.downcast_ref::<Utf8ViewArray>() {
                Value::from(column.value(row))
            } else if let Some(column) = any.downcast_ref::<PrimitiveArray<u64>>() {
                Value::from(column.value(row))
            } else if let Some(column) = any.downcast_ref::<PrimitiveArray<f64>>() {
                Value::from(column.value(row))
            } else if let Some(column) = any.downcast_ref::<BooleanArray>() {
                Value::from(column.value(row))
            } else {
                panic!("a column of type {:?}", array.dtype())
            }
        };
        (0..array.len()).map(value).collect()
    }

    #[test]
    fn results_in_parquet_are_the_results() {
        let desk = Desk::new();
        let words = [
            "--vary",
            "ttl_clock=active,wall",
            "--vary",
            "batch_high=1,2",
        ];
        desk.sweep("out", &words, 0, &[]);
        let rows: Vec<Value> = (desk.lines("out/results.jsonl").iter())
            .map(|row| serde_json::from_str(row).unwrap())
            .collect();
        let text = desk.lines("out/results.jsonl").remove(0);
        let columns = read(&desk.path("out/results.parquet"));
        let mut from = 0;
        for (name, values) in &columns {
            let place = text.find(&format!("\"{name}\":")).unwrap();
            assert!(place >= from, "{name}: another order");
            from = place;
            for (row, value) in rows.iter().zip(values) {
                let expect = &row[&**name];
                let is_equal = match value.as_f64().zip(expect.as_f64()) {
                    Some((found, expect)) => found.to_bits() == expect.to_bits(),
                    None => value == expect,
                };
                assert!(is_equal, "{name}: found {value}, expected {expect}");
            }
            assert_eq!(values.len(), rows.len());
        }
        assert_eq!(columns.len(), rows[0].as_object().unwrap().len());
    }
}

/// Any policy's differences, and any values.
fn values() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        proptest::num::f64::NORMAL.prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let table = proptest::collection::btree_map("[a-z_.]{1,16}", value, 0..6);
    table.prop_map(|table| table.into_iter().collect())
}

fn unit() -> impl Strategy<Value = Unit> {
    let trace = (".{0,16}", ".{0,16}", "[0-9a-f]{16}", any::<u64>()).prop_map(
        |(name, path, digest, lines)| UnitTrace {
            name,
            path,
            digest,
            lines,
        },
    );
    let score = (
        ".{0,16}",
        proptest::option::of(values()),
        proptest::option::of("[0-9a-f]{16}"),
        values(),
        any::<[bool; 3]>(),
        any::<u64>(),
        values(),
    );
    let score = score.prop_map(
        |(policy, settings, policy_hash, varied, [is_variant, frontier, is_open], seed, base)| {
            Task::Score {
                policy,
                settings,
                policy_hash,
                varied,
                is_variant,
                frontier,
                loop_: if is_open { Loop::Open } else { Loop::Closed },
                seed,
                base,
            }
        },
    );
    let frontier = values().prop_map(|base| Task::Frontier { base });
    (trace, prop_oneof![1 => frontier, 4 => score]).prop_map(|(trace, task)| Unit::new(trace, task))
}

proptest! {
    #[test]
    fn a_unit_is_read_as_it_was_written(unit in unit()) {
        let line = serde_json::to_string(&unit).unwrap();
        prop_assert!(!line.contains('\n'));
        let back: Unit = serde_json::from_str(&line).unwrap();
        prop_assert!(back.is_whole());
        prop_assert_eq!(&back, &unit);
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), line);
    }
}
