//! `sim synth`: the same bytes for ever, people that nothing but their number tells apart, and
//! figures like those of real ones.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use proptest::prelude::*;
use recorder::{Body, Line, Source, Trace};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use simulator::calibration::TARGETS;
use simulator::check::Check;
use simulator::synth::draw::Draw;
use simulator::synth::generation::{GENERATOR, Generation};
use simulator::synth::profile::{PROFILES, Population, Profile, names, range};
use tempfile::TempDir;

const MONDAY_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;

fn synth(args: &[&str], folder: &Path) -> Output {
    cargo_bin_cmd!("sim")
        .arg("synth")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Calls `sim synth`, which is to say nothing on stderr; returns stdout.
#[track_caller]
fn made(args: &[&str], folder: &Path) -> String {
    let output = synth(args, folder);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Calls `sim synth`, which is to fail as wrong use and leave nothing; returns stderr.
#[track_caller]
fn refused(args: &[&str], folder: &Path) -> String {
    let before = entries(folder);
    let output = synth(args, folder);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(output.stdout, b"");
    assert_eq!(entries(folder), before);
    String::from_utf8(output.stderr).unwrap()
}

pub(crate) fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Every file under a folder, by its path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for name in entries(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            for (inner, bytes) in files(&path) {
                all.insert(format!("{name}/{inner}"), bytes);
            }
        } else {
            all.insert(name, fs::read(path).unwrap());
        }
    }
    all
}

fn hash(folder: &Path) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files(folder) {
        hasher.update(name);
        hasher.update(bytes);
    }
    let digest = hasher.finalize();
    digest[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn generation(population: Population, days: i64) -> Generation {
    Generation {
        population,
        seed: 0,
        from_ms: MONDAY_MS,
        until_ms: MONDAY_MS + days * DAY_MS,
    }
}

#[test]
fn the_same_seed_is_the_same_bytes_for_ever() {
    // A hash that differs means that every trace made before can no longer be made: raise
    // GENERATOR with it, and say so in the changelog.
    let expected = [
        ("light", "be0688012b1b9dfe"),
        ("typical", "c78658ad1fcbeb5c"),
        ("heavy", "5cc420a3f540e6b5"),
        ("power", "9e977be17489f91a"),
        ("developer", "43d26471235cfd59"),
        ("researcher", "1839cb601ae5cda5"),
        ("kiosk", "27639f6ab35b266e"),
    ];
    let folder = TempDir::new().unwrap();
    let found = expected.map(|(profile, _)| {
        made(
            &["-p", profile, "--days", "2", "--output", profile],
            folder.path(),
        );
        (profile, hash(&folder.path().join(profile)))
    });
    assert_eq!(
        found,
        expected.map(|(profile, hash)| (profile, hash.to_owned()))
    );
}

#[test]
fn people_do_not_depend_on_each_other_nor_on_threads() {
    let folder = TempDir::new().unwrap();
    let args = [
        "-p",
        "mixed",
        "--days",
        "1",
        "--sample-every",
        "60",
        "--seed",
        "3",
    ];
    let make = |people: &str, threads: &str| {
        let out = format!("{people}-on-{threads}");
        let output = cargo_bin_cmd!("sim")
            .arg("synth")
            .args(args)
            .args(["-n", people, "--output", &out])
            .env("RAYON_NUM_THREADS", threads)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        files(&folder.path().join(out))
    };
    let nine = make("9", "1");
    assert_eq!(nine.len(), 9);
    assert_eq!(nine, make("9", "4"));
    let four = make("4", "2");
    assert!(four.iter().all(|(name, bytes)| &nine[name] == bytes));
    let other_seed = generation(Population::named("mixed").unwrap(), 1)
        .person(0)
        .next();
    assert!(other_seed.is_some());
}

#[test]
fn another_seed_is_another_person() {
    let lines = |seed| {
        let generation = Generation {
            seed,
            ..generation(Population::named("typical").unwrap(), 2)
        };
        generation.person(0).collect::<Vec<_>>()
    };
    assert_ne!(lines(0), lines(1));
    assert_eq!(lines(1), lines(1));
}

#[test]
fn kinds_are_as_frequent_as_their_weights_say() {
    let generation = generation(Population::named("mixed").unwrap(), 1);
    let total: f64 = generation
        .population
        .members
        .iter()
        .map(|member| member.weight)
        .sum();
    for first in [0, 1_000, 123_456] {
        for member in &generation.population.members {
            let people = first..first + 200;
            let found = people.filter(|&number| generation.member(number).name == member.name);
            let expected = 200.0 * member.weight / total;
            let found = found.count() as f64;
            assert!(
                (found - expected).abs() <= 2.0,
                "{}: {found}, {expected}",
                member.name
            );
        }
    }
}

#[test]
fn the_mixed_population_is_within_every_tolerance() {
    let folder = TempDir::new().unwrap();
    let said = made(
        &[
            "--check",
            "-n",
            "120",
            "--days",
            "21",
            "--sample-every",
            "120",
            "--json",
        ],
        folder.path(),
    );
    let report: Value = serde_json::from_str(&said).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), TARGETS.len());
    let judged = rows.iter().filter(|row| row["within"] == true).count();
    let to_judge = TARGETS
        .iter()
        .filter(|target| target.tolerance.is_some())
        .count();
    assert_eq!(judged, to_judge);
    // The table's own tolerances, and no others.
    assert!(rows.iter().all(|row| row["why"].is_null()));
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}

#[test]
fn every_profile_is_within_its_own_tolerances() {
    let folder = TempDir::new().unwrap();
    for (name, _) in PROFILES {
        #[rustfmt::skip]
        let args = ["--check", "-p", name, "-n", "40", "--days", "14", "--sample-every", "600", "--json"];
        let report: Value = serde_json::from_str(&made(&args, folder.path())).unwrap();
        let rows = report["rows"].as_array().unwrap();
        let off = rows.iter().find(|row| row["within"] == false);
        assert_eq!(off, None, "{name}");
        // What it expects of itself says why.
        let profile = Profile::named(name).unwrap();
        let own = rows.iter().filter(|row| row["why"].is_string()).count();
        assert_eq!(own, profile.expect.len());
    }
}

/// A departure near the end is seen for a short time only: who is back by then must not stand for
/// the rest.
#[test]
fn how_often_the_same_people_return_does_not_depend_on_how_long_they_are_watched() {
    let folder = TempDir::new().unwrap();
    let rows = ["3", "28"].map(|days| {
        #[rustfmt::skip]
        let args = ["--check", "-p", "typical", "-n", "60", "--days", days, "--sample-every", "600", "--json"];
        // Three days are too few for some other row.
        let said = synth(&args, folder.path()).stdout;
        let report: Value = serde_json::from_slice(&said).unwrap();
        let rows = report["rows"].as_array().unwrap().iter();
        let returns = rows.filter(|row| row["name"].as_str().unwrap().starts_with("return_"));
        let returns = returns.map(|row| (row["name"].clone(), row["got"].as_f64().unwrap()));
        returns.collect::<Vec<_>>()
    });
    let [short, long] = &rows;
    assert_eq!(short.len(), 9);
    for ((name, short), (_, long)) in short.iter().zip(long) {
        assert!((short - long).abs() < 0.03, "{name}: {short}, {long}");
    }
}

#[test]
fn a_check_fails_where_people_are_not_like_people() {
    let folder = TempDir::new().unwrap();
    let spoiled =
        "like = \"typical\"\n[attention]\ndwell_k = 2.5\n[tabs]\nglance = 0.0\nkeep = 0.9\n";
    fs::write(folder.path().join("spoiled.toml"), spoiled).unwrap();
    let args = [
        "--check",
        "-p",
        "spoiled.toml",
        "-n",
        "10",
        "--days",
        "7",
        "--sample-every",
        "600",
    ];
    let output = synth(&args, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).unwrap();
    for row in ["page_dwell_weibull_k", "tab_life_5_min", "tabs_open_p50"] {
        let is_off = |line: &str| line.contains("OFF") && line.contains(&format!(" {row} "));
        assert!(said.lines().any(is_off), "{row} passes:\n{said}");
    }
}

#[test]
fn a_row_that_is_expected_and_not_there_is_missed() {
    let folder = TempDir::new().unwrap();
    let text =
        "like = \"typical\"\n[expect.browser_memory_saved]\nfrom = 0.2\nto = 0.3\nwhy = \"so\"\n";
    fs::write(folder.path().join("mine.toml"), text).unwrap();
    let args = [
        "--check",
        "-p",
        "mine.toml",
        "-n",
        "1",
        "--days",
        "1",
        "--json",
    ];
    let output = synth(&args, folder.path());
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["name"] == "browser_memory_saved")
        .unwrap();
    assert_eq!(
        (&row["within"], &row["why"]),
        (&Value::Bool(false), &Value::from("so"))
    );
}

#[test]
fn a_printed_profile_makes_the_same_people() {
    for name in names() {
        let folder = TempDir::new().unwrap();
        let printed = made(&["-p", name, "--print-profile"], folder.path());
        fs::write(folder.path().join(format!("{name}.toml")), &printed).unwrap();
        let read = Population::from_toml(name, &printed).unwrap();
        assert_eq!(read, Population::named(name).unwrap(), "{name}");
        let file = format!("{name}.toml");
        let again = made(&["-p", &file, "--print-profile"], folder.path());
        assert_eq!(printed, again);
    }
}

#[test]
fn a_printed_profile_has_every_number() {
    for (name, _) in PROFILES {
        let profile = Profile::named(name).unwrap();
        let table: toml::Table = profile.to_toml().parse().unwrap();
        for (field, _) in numbers(&table) {
            assert!(range(&field).is_some(), "{field} has no range");
        }
        assert!(numbers(&table).len() > 150);
    }
}

#[test]
fn wrong_use_says_what_is_wrong() {
    let folder = TempDir::new().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("taken")).unwrap();
    fs::write(path.join("taken/file"), "").unwrap();
    for (name, text) in [
        (
            "unknown.toml",
            "like = \"typical\"\n\n[tabs]\nkeeep = 0.1\n",
        ),
        ("range.toml", "like = \"typical\"\n[tabs]\n\nkeep = 1.5\n"),
        (
            "hours.toml",
            "like = \"typical\"\n[rhythm]\nhours = [1, 2]\n",
        ),
        ("like.toml", "like = \"heavi\"\n"),
        ("nan.toml", "like = \"typical\"\n[spread]\ndwell = nan\n"),
        ("missing.toml", "about = \"nobody\"\n"),
        (
            "row.toml",
            "like = \"typical\"\n[expect.tab_life_1_mim]\nfrom = 0\nto = 1\nwhy = \"x\"\n",
        ),
        (
            "people.toml",
            "about = \"some\"\n[people]\ntypical = 1\nnobody = 2\n",
        ),
        (
            "class.toml",
            "like = \"typical\"\n[sites]\n\"a/b\" = { known = 1, new = 1, dwell = 1, pages = 2, \
             mib = 90, mib_sigma = 0, load_ms = 9, sound = 0, plays_on = 0, form = 0, capture = 0 }\n",
        ),
        ("broken.toml", "like = \"typical\"\n[tabs\n"),
    ] {
        fs::write(path.join(name), text).unwrap();
    }
    for (args, expect) in [
        (
            &["-p", "typcal", "--output", "o"][..],
            "did you mean typical?",
        ),
        (
            &["-p", "research", "--output", "o"],
            "did you mean researcher?",
        ),
        (
            &["-p", "no.toml", "--output", "o"],
            "cannot read the profile no.toml",
        ),
        (&[], "--output must name a folder"),
        (&["--output", "taken"], "taken is there already"),
        (
            &["-p", "unknown.toml", "--output", "o"],
            "unknown.toml, line 4: unknown field `keeep`",
        ),
        (
            &["-p", "range.toml", "--output", "o"],
            "line 4: tabs.keep: found 1.5, expected 0 to 1",
        ),
        (
            &["-p", "hours.toml", "--output", "o"],
            "line 3: rhythm.hours: found 2 numbers, expected 24",
        ),
        (
            &["-p", "like.toml", "--output", "o"],
            "line 1: like: there is no profile called \"heavi\"; did you mean heavy?",
        ),
        (
            &["-p", "nan.toml", "--output", "o"],
            "line 3: spread.dwell: found nan, expected 0 to 2",
        ),
        (
            &["-p", "missing.toml", "--output", "o"],
            "missing field `spread`",
        ),
        (
            &["-p", "row.toml", "--output", "o"],
            "did you mean tab_life_1_min?",
        ),
        (
            &["-p", "people.toml", "--output", "o"],
            "line 4: people.nobody: there is no profile",
        ),
        (
            &["-p", "class.toml", "--output", "o"],
            "line 3: sites.a/b: expected a name of 1 to 32 letters",
        ),
        (&["-p", "broken.toml", "--output", "o"], "line 2: "),
        (&["--days", "0", "--output", "o"], "--days"),
        (
            &["--from", "monday", "--output", "o"],
            "expected a date as 2026-01-05",
        ),
    ] {
        let said = refused(args, path);
        assert!(
            said.contains(expect),
            "{args:?}\nfound: {said}\nexpected: {expect}"
        );
    }
}

#[test]
fn a_disk_that_takes_no_more_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    // A limit on the size of files stands for a full disk: a write beyond it fails.
    let command = "trap '' XFSZ; ulimit -f 64; exec \"$0\" synth -n 3 --days 3 --output people";
    let output = Command::new("sh")
        .args(["-c", command])
        .arg(cargo_bin!("sim"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("cannot write") && stderr.contains("File too large"),
        "{stderr}"
    );
    assert_eq!(entries(folder.path()), Vec::<String>::new());
}

#[test]
fn what_a_killed_try_left_is_removed_and_what_another_makes_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join(".sim-out");
    fs::create_dir_all(left.join("whole/person-0001")).unwrap();
    fs::create_dir_all(left.join(".whole.partial")).unwrap();
    let args = ["--days", "1", "--output", "out"];
    let lock = fs::File::open(&left).unwrap();
    lock.lock().unwrap();
    let said = refused(&args, folder.path());
    assert!(
        said.contains("another process makes \"out\" right now")
            || said.contains("another process makes out right now"),
        "{said}"
    );
    drop(lock);
    made(&args, folder.path());
    assert_eq!(entries(folder.path()), ["out"]);
}

#[test]
fn other_verbs_take_synthetic_traces() {
    let folder = TempDir::new().unwrap();
    let short = "like = \"power\"\n[machine]\nram_gib = [[4, 1]]\n";
    fs::write(folder.path().join("short.toml"), short).unwrap();
    let args = [
        "-n",
        "2",
        "-p",
        "short.toml",
        "--days",
        "2",
        "--output",
        "people",
    ];
    made(&args, folder.path());
    let sim = |args: &[&str]| {
        let mut sim = cargo_bin_cmd!("sim");
        sim.args(args).current_dir(folder.path()).output().unwrap()
    };
    let traces = ["people/person-0001", "people/person-0002"];
    let checked = sim(&["check", traces[0], traces[1]]);
    assert!(checked.status.success(), "{checked:?}");
    let verified = sim(&["verify", traces[0]]);
    assert_eq!(verified.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&verified.stdout).contains("not applicable"),
        "{verified:?}"
    );
    let compared = sim(&[
        "compare", traces[0], traces[1], "--policy", "default", "--json",
    ]);
    assert!(compared.status.success(), "{compared:?}");
    let replayed = sim(&["replay", traces[0], "--summary", "--json"]);
    assert!(replayed.status.success(), "{replayed:?}");
    let summary: Value = serde_json::from_slice(&replayed.stdout).unwrap();
    assert!(summary["discards"].as_u64().unwrap() > 0, "{summary}");
    assert_eq!(summary["violations"], 0);
    let header = Trace::open(folder.path().join(traces[0]))
        .unwrap()
        .header()
        .clone();
    assert_eq!(header.seed, Some(0));
    assert!(
        header
            .generator
            .unwrap()
            .starts_with(&format!("synth {GENERATOR}; profile short "))
    );
}

#[test]
fn machines_sleep_at_night_and_stall_when_memory_is_short() {
    let generation = generation(Population::named("power").unwrap(), 14);
    let (mut slept_ms, mut stalls, mut others, mut restored) = (0, 0, 0, 0);
    for number in 0..8 {
        for (_, body) in generation.person(number) {
            match body {
                Body::Suspended(it) => slept_ms += it.ms,
                Body::Metrics(it) => stalls += u64::from(it.psi_some_avg10 > Some(10.0)),
                Body::TabDiscarded(_) => others += 1,
                Body::TabRestored(_) => restored += 1,
                _ => {}
            }
        }
    }
    let nights_ms = 8 * 14 * 5 * 3_600_000;
    assert!(slept_ms > nights_ms, "{slept_ms}");
    assert!(
        stalls > 0 && others > 0 && restored > 0,
        "{stalls} {others} {restored}"
    );
}

/// The numbers of a table by their fields.
fn numbers(table: &toml::Table) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                let inner = numbers(inner).into_iter();
                found.extend(inner.map(|(field, number)| (format!("{name}.{field}"), number)));
            }
            toml::Value::Float(number) => found.push((name.clone(), *number)),
            toml::Value::Array(values) => {
                let first = values.first().and_then(toml::Value::as_float);
                found.extend(first.map(|number| (name.clone(), number)));
            }
            _ => {}
        }
    }
    found
}

fn put(table: &mut toml::Table, field: &str, number: f64) {
    match field.split_once('.') {
        Some((name, rest)) => {
            put(
                table.get_mut(name).unwrap().as_table_mut().unwrap(),
                rest,
                number,
            );
        }
        None => match table.get_mut(field).unwrap() {
            toml::Value::Array(values) => values[0] = number.into(),
            value => *value = number.into(),
        },
    }
}

/// Some bundled profile with some of its numbers anywhere in their ranges.
fn any_profile() -> impl Strategy<Value = Profile> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), 0.0_f64..=1.0), 0..40);
    (0..PROFILES.len(), changes).prop_filter_map("what goes together", |(index, changes)| {
        let profile = Profile::named(PROFILES[index].0).unwrap();
        let mut table: toml::Table = profile.to_toml().parse().unwrap();
        let fields: Vec<String> = numbers(&table)
            .into_iter()
            .map(|(field, _)| field)
            .filter(|field| !field.starts_with("expect."))
            .collect();
        for (which, at) in changes {
            let field = which.get(&fields);
            let (from, to) = range(field).unwrap();
            // Towards the lower end, where most of what is usual is.
            put(&mut table, field, from + (to - from) * at * at * at);
        }
        Profile::from_toml(&table.to_string()).ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_odd_about_anybody(profile in any_profile(), seed in any::<u64>()) {
        let text = profile.to_toml();
        let generation = Generation {
            seed,
            ..generation(Population::from_toml("any", &text).unwrap(), 3)
        };
        let mut check = Check::default();
        let mut bytes = Vec::new();
        let mut last_ms = MONDAY_MS;
        let opened = (MONDAY_MS, Body::LogOpened(generation.opening(0).header()));
        // Some of them do a great deal.
        let lines = std::iter::once(opened).chain(generation.person(0).take(10_000));
        for ((t_ms, body), seq) in lines.zip(0_u64..) {
            prop_assert!((last_ms..generation.until_ms).contains(&t_ms), "{t_ms} after {last_ms}");
            last_ms = t_ms;
            let src = body.source().unwrap();
            let line = Line {
                seq: engine::Seq(seq),
                t_ms,
                src,
                n: (src == Source::Ext).then_some(seq + 1),
                at_ms: (src == Source::Ext).then_some(t_ms),
                body,
            };
            bytes.clear();
            line.write(&mut bytes);
            check.take(&line, bytes.strip_suffix(b"\n").unwrap());
        }
        let findings = check.finish();
        let odd: Vec<_> = findings
            .iter()
            // No composer made checkpoints here.
            .filter(|finding| finding.kind != simulator::check::Kind::CheckpointOverdue)
            .collect();
        prop_assert!(odd.is_empty(), "{odd:?}\n{text}");
    }

    #[test]
    fn streams_of_people_are_apart(seed in any::<u64>(), number in 0_u64..1_000) {
        let first = |stream| Draw::new(seed, stream).bits();
        prop_assert_ne!(first(16 * (number + 1)), first(16 * (number + 2)));
    }
}
