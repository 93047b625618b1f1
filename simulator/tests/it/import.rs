//! Other programs' records of browsing become traces that hold: of any history, of bad files never.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use assert_cmd::cargo::{cargo_bin, cargo_bin_cmd};
use engine::{Engine, Event, Mode, Orchestrator, PolicyDocument, Seq};
use proptest::prelude::*;
use recorder::{Body, Source as From, Trace};
use rusqlite::{Connection, params};
use rustix::process::{Pid, Signal, kill_process};
use simulator::import::visits::{Layout, Place, TimeUnit};
use simulator::import::{Dates, ImportError, Rules, Staging, chrome, visits, weave};
use tempfile::TempDir;

/// 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;
const EPOCH_MS: i64 = 11_644_473_600_000;

fn dates() -> Dates {
    Dates::until(BEGIN_MS + 1_000 * DAY_MS)
}

/// Everything that is told of everybody, each person's on their own.
fn told(
    staging: Staging,
    source: &simulator::import::Source,
    rules: Rules,
) -> Vec<Vec<(i64, Body)>> {
    let mut people = Vec::new();
    let mut staged = staging.sorted().unwrap();
    for person in staged.people().to_vec() {
        let mut lines = Vec::new();
        let told = weave(
            &mut staged,
            &person,
            source,
            rules,
            &mut |_, _| {},
            &mut |t_ms, body| {
                lines.push((t_ms, body));
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(told.visits, person.visits);
        assert_eq!(told.events, lines.len() as u64);
        people.push(lines);
    }
    people
}

/// The engine finds nothing out of place, and time never goes back.
fn check_holds(lines: &[(i64, Body)]) {
    let mut engine = Engine::new(Orchestrator::new(PolicyDocument::default()), Mode::Observe);
    let mut outputs = Vec::new();
    let mut last_ms = i64::MIN;
    for ((t_ms, body), seq) in lines.iter().zip(0..) {
        assert!(*t_ms >= last_ms, "{t_ms} after {last_ms}: {body:?}");
        last_ms = *t_ms;
        assert_eq!(body.source(), Some(From::Ext));
        let event = Event {
            seq: Seq(seq),
            t_ms: *t_ms,
            input: body.clone().input().unwrap(),
        };
        engine.step(&event, &mut outputs);
        assert_eq!(engine.world().anomalies(), 0, "{body:?}");
    }
    assert!(matches!(lines[0].1, Body::SessionStarted(_)));
}

/// A visit as Chromium keeps it.
#[derive(Clone, Debug)]
struct Row {
    t_ms: i64,
    host: u8,
    from: Option<usize>,
    opener: Option<usize>,
    transition: i64,
    tab: Option<u8>,
    win: u8,
    foreground_us: i64,
    duration_us: i64,
    end: i64,
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (
        0..40 * DAY_MS,
        0..12_u8,
        proptest::option::of(0..40_usize),
        proptest::option::weighted(0.1, 0..40_usize),
        prop_oneof![
            6 => Just(0x3000_0000_i64),
            1 => Just(0x1000_0000),
            1 => Just(0x2000_0000 | 0x8000_0000),
            1 => Just(0x3000_0003),
        ],
        proptest::option::weighted(0.7, 1..9_u8),
        1..4_u8,
        prop_oneof![Just(-1_000_000), Just(0), 1..90_000_000_i64],
        0..7_200_000_000_i64,
        0..9_i64,
    );
    let row = row.prop_map(
        |(at, host, from, opener, transition, tab, win, foreground_us, duration_us, end)| Row {
            t_ms: BEGIN_MS + at,
            host,
            from,
            opener,
            transition,
            tab,
            win,
            foreground_us,
            duration_us,
            end,
        },
    );
    proptest::collection::vec(row, 1..40)
}

/// Writes a history as a schema of ours has it: the oldest has neither openers nor annotations.
fn history(rows: &[Row], is_old: bool) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("History");
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let opener = if is_old { "" } else { ", opener_visit INTEGER" };
    db.execute_batch(&format!(
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
         INSERT INTO meta VALUES ('version', '70'), ('last_compatible_version', '16');
         CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, title TEXT);
         CREATE TABLE visits (id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER,
             from_visit INTEGER, transition INTEGER, visit_duration INTEGER{opener});"
    ))
    .unwrap();
    if !is_old {
        db.execute_batch(
            "CREATE TABLE context_annotations (visit_id INTEGER PRIMARY KEY,
                 page_end_reason INTEGER, total_foreground_duration INTEGER,
                 window_id INTEGER, tab_id INTEGER);",
        )
        .unwrap();
    }
    for host in 0..12 {
        let url = format!("https://h{host}.site{}.example/secret?{host}", host / 3);
        db.execute(
            "INSERT INTO urls VALUES (?, ?, 'secret')",
            params![host, url],
        )
        .unwrap();
    }
    let id = |index: usize| index as i64 + 1;
    for (index, row) in rows.iter().enumerate() {
        let visit_time = (row.t_ms + EPOCH_MS) * 1_000;
        db.execute(
            "INSERT INTO visits (id, url, visit_time, from_visit, transition, visit_duration)
             VALUES (?, ?, ?, ?, ?, ?)",
            params![
                id(index),
                row.host,
                visit_time,
                row.from.map_or(0, id),
                row.transition,
                row.duration_us
            ],
        )
        .unwrap();
        if is_old {
            continue;
        }
        db.execute(
            "UPDATE visits SET opener_visit = ? WHERE id = ?",
            params![row.opener.map_or(0, id), id(index)],
        )
        .unwrap();
        db.execute(
            "INSERT INTO context_annotations VALUES (?, ?, ?, ?, ?)",
            params![
                id(index),
                row.end,
                row.foreground_us,
                if row.tab.is_some() {
                    i64::from(row.win)
                } else {
                    -1
                },
                row.tab.map_or(-1, i64::from)
            ],
        )
        .unwrap();
    }
    db.execute_batch("COMMIT").unwrap();
    (folder, path)
}

/// Writes a history of 500 visits in one tab.
fn plain_history() -> (TempDir, PathBuf) {
    let row = Row {
        t_ms: BEGIN_MS,
        host: 0,
        from: None,
        opener: None,
        transition: 0x3000_0000,
        tab: Some(1),
        win: 1,
        foreground_us: 0,
        duration_us: 0,
        end: 0,
    };
    history(&vec![row; 500], false)
}

fn read_history(path: &Path) -> Result<Vec<Vec<(i64, Body)>>, ImportError> {
    let mut staging = Staging::new()?;
    let folder = path.parent().unwrap();
    let source = chrome::read(path, folder, dates(), &mut staging, &mut |_, _| {})?;
    Ok(told(staging, &source, Rules::default()))
}

proptest! {
    // Each case writes and copies a database or two.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_history_becomes_a_trace_that_holds(rows in rows(), is_old: bool) {
        let (_folder, path) = history(&rows, is_old);
        match read_history(&path) {
            Ok(people) => {
                prop_assert_eq!(people.len(), 1);
                check_holds(&people[0]);
                let text = format!("{people:?}");
                prop_assert!(!text.contains("secret"));
                prop_assert_eq!(people, read_history(&path).unwrap());
            }
            // Redirects and frames alone are nothing to import.
            Err(error) => prop_assert!(error.to_string().contains("none can be imported")),
        }
    }

    #[test]
    fn any_table_becomes_traces_that_hold(
        rows in proptest::collection::vec((0..3_u8, 0..40 * DAY_MS, 0..8_u8, 0..3_u8), 1..60),
        hours in 1..100_i64,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("visits.csv");
        let mut text = "who,when,where,page\n".to_owned();
        for (who, at, host, page) in &rows {
            text += &format!("{who},{},h{host}.example,{page}\n", BEGIN_MS + at);
        }
        fs::write(&path, text).unwrap();
        let mut staging = Staging::new().unwrap();
        let source = visits::read(&path, &layout(), dates(), &mut staging, &mut |_, _| {}).unwrap();
        let rules = Rules { close_after_ms: hours * 3_600_000 };
        let people = told(staging, &source, rules);
        for lines in &people {
            check_holds(lines);
            // Of a source without tab ids no two tabs are on one site at a time.
            let mut open = std::collections::BTreeMap::new();
            for (_, body) in lines {
                match body {
                    Body::TabOpened(tab) => {
                        let host = tab.host.clone().unwrap();
                        prop_assert!(!open.values().any(|it| *it == host), "{} twice", host);
                        open.insert(tab.tab, host);
                    }
                    Body::TabClosed(it) => {
                        open.remove(&it.tab);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn layout() -> Layout {
    Layout {
        user: "who".to_owned(),
        time: "when".to_owned(),
        place: Place::Host("where".to_owned()),
        page: Some("page".to_owned()),
        unit: TimeUnit::Milliseconds,
        delimiter: b',',
    }
}

/// Calls `sim import … --output out` in a folder.
#[track_caller]
fn check(folder: &Path, args: &[&str], exit_code: i32, expect: &[&str]) {
    let output = cargo_bin_cmd!("sim")
        .arg("import")
        .args(args)
        .args(["--output", "out"])
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(exit_code), "{said}");
    for expect in expect {
        assert!(said.contains(expect), "expected: {expect}\n{said}");
    }
    if exit_code != 0 {
        let left: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name == "out" || name.starts_with('.'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

const TABLE: [&str; 7] = ["visits", "in", "--user", "who", "--time", "when", "--host"];

#[test]
fn a_table_that_does_not_hold_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let host: Vec<&str> = TABLE.into_iter().chain(["where"]).collect();
    let good = format!("who,when,where\na,{BEGIN_MS},h.example\n");
    for (text, expect) in [
        (
            String::new(),
            "the file is empty, expected a line with the names",
        ),
        (
            "who;when;where\na;1;h.example\n".to_owned(),
            "the columns are \"who;when;where\"; is it a table with --delimiter ';'?",
        ),
        (
            "who,when,when,where\na,1,2,h.example\n".to_owned(),
            "found two columns \"when\", and --time means one",
        ),
        ("who,when,where\n".to_owned(), "there is no row in it"),
        (
            "who,when\na,1\n".to_owned(),
            "found no column \"where\", which --host names; the columns are \"who\", \"when\"",
        ),
        (
            format!("{good}b,{},h.example\n", BEGIN_MS / 1_000),
            "in, line 3, column \"when\": found \"1767225600\", expected a time between 1990 and \
             now in \"ms\"; it would be one with --time-unit s",
        ),
        (
            format!("{good}b,2019-03-01T18:32:04Z,h.example\n"),
            "it would be one with --time-unit date",
        ),
        (format!("{good}b,99999999999999,h.example\n"), "line 3"),
        (format!("{good}b,{BEGIN_MS}\n"), "found 2 cells, expected 3"),
        (
            format!("who,when,where\na,{BEGIN_MS},https://h.example/\n"),
            "found a URL, expected a host; name the column with --url",
        ),
        (
            format!("who,when,where\na,{BEGIN_MS},\n"),
            "of 1 rows none can be imported: 1 without a page that can be read (the first: line 2: \
             it is empty)",
        ),
        (
            format!("{good}\"b,{BEGIN_MS},h.example\n{}", "x".repeat(3 << 20)),
            "is a quote left open?",
        ),
    ] {
        fs::write(folder.path().join("in"), text).unwrap();
        check(folder.path(), &host, 2, &[expect]);
    }
    fs::write(
        folder.path().join("in"),
        format!("{good}\u{e9},{BEGIN_MS},h.example\n").as_bytes(),
    )
    .unwrap();
    check(folder.path(), &host, 0, &["out/_: 1 visit in 1 tab"]);
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    let latin: Vec<u8> = [good.as_bytes(), b"\xe9,1767225600000,h.example\n"].concat();
    fs::write(folder.path().join("in"), latin).unwrap();
    check(
        folder.path(),
        &host,
        2,
        &["line 3, column \"who\": found bytes that are no UTF-8"],
    );
}

#[test]
fn of_a_long_table_the_first_flaw_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let host = [&TABLE[..], &["where"]].concat();
    for (bad_time, short) in [(9_000, 9_001), (9_001, 9_000), (20, 9_000), (12_000, 3)] {
        let mut text = "who,when,where\n".to_owned();
        for line in 2..=12_000 {
            text += &match line {
                _ if line == bad_time => "a,1,h.example\n".to_owned(),
                _ if line == short => format!("a,{BEGIN_MS}\n"),
                _ => format!("a,{},h{}.example\n", BEGIN_MS + line, line % 7),
            };
        }
        fs::write(folder.path().join("in"), text).unwrap();
        let expect = if bad_time < short {
            format!("in, line {bad_time}, column \"when\": found \"1\"")
        } else {
            format!("in, line {short}: found 2 cells")
        };
        check(folder.path(), &host, 2, &[&expect]);
    }
}

#[test]
fn a_database_that_does_not_hold_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    let (_kept, good) = plain_history();
    let bytes = fs::read(&good).unwrap();
    let chrome = ["chrome", "in"];

    fs::write(&input, "").unwrap();
    check(
        folder.path(),
        &chrome,
        2,
        &["the file is empty, expected an SQLite database"],
    );
    fs::write(&input, [7; 4_096]).unwrap();
    check(
        folder.path(),
        &chrome,
        2,
        &["found no SQLite database: the file is encrypted"],
    );
    fs::write(&input, &bytes[..9]).unwrap();
    check(
        folder.path(),
        &chrome,
        3,
        &["cut off within its first 16 bytes"],
    );
    fs::write(&input, &bytes[..bytes.len() / 2]).unwrap();
    check(folder.path(), &chrome, 3, &["the database is damaged"]);
    check(
        folder.path(),
        &["chrome", "nothing"],
        2,
        &["nothing: cannot be copied"],
    );
    fs::copy(&good, &input).unwrap();
    check(
        folder.path(),
        &["firefox", "in"],
        2,
        &["try sim import chrome"],
    );

    let change = |sql: &str| {
        fs::copy(&good, &input).unwrap();
        Connection::open(&input)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
    };
    change("UPDATE meta SET value = 99 WHERE key = 'last_compatible_version'");
    check(
        folder.path(),
        &chrome,
        2,
        &["only readers of schema 99 and later understand"],
    );
    change("ALTER TABLE visits DROP COLUMN transition");
    check(
        folder.path(),
        &chrome,
        2,
        &["without a column \"transition\""],
    );
    change("DELETE FROM visits");
    check(folder.path(), &chrome, 2, &["there is no visit in it"]);
    change("UPDATE visits SET visit_time = 0");
    check(
        folder.path(),
        &chrome,
        2,
        &["of 500 visits none can be imported: 500 dated before 1990"],
    );

    change("UPDATE urls SET url = CAST(x'68747470733a2f2fff2e6578616d706c652f' AS TEXT)");
    check(folder.path(), &chrome, 2, &["visit 1: it is no UTF-8"]);

    fs::create_dir(folder.path().join("profile")).unwrap();
    check(
        folder.path(),
        &["chrome", "profile"],
        2,
        &["found a folder without a history in it"],
    );

    // A browser that runs holds a lock; the file is copied and never opened.
    fs::copy(&good, &input).unwrap();
    let running = Connection::open(&input).unwrap();
    running.execute_batch("BEGIN EXCLUSIVE").unwrap();
    check(folder.path(), &chrome, 0, &["500 visits in 1 tab"]);
}

#[test]
fn what_is_not_yet_in_a_database_is_read_with_it() {
    let (folder, source) = plain_history();
    let input = folder.path().join("in");
    let check = |expect| {
        check(folder.path(), &["chrome", "in"], 0, &[expect]);
        fs::remove_dir_all(folder.path().join("out")).unwrap();
    };

    // A log that nobody has taken over yet, of a browser that runs.
    fs::copy(&source, &input).unwrap();
    let running = Connection::open(&input).unwrap();
    running
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             DELETE FROM visits WHERE id > 300;",
        )
        .unwrap();
    assert!(folder.path().join("in-wal").metadata().unwrap().len() > 0);
    check("300 visits in 1 tab");
    drop(running);
    // It is a database with a log, and there is none.
    assert!(!folder.path().join("in-wal").exists());
    check("300 visits in 1 tab");

    // A journal that a killed browser has left: what it had begun is undone.
    let running = Connection::open(&source).unwrap();
    running
        .execute_batch(
            "PRAGMA cache_size = 2; BEGIN; UPDATE visits SET visit_time = 0; DELETE FROM urls;",
        )
        .unwrap();
    let journal = folder.path().join("History-journal");
    assert!(journal.metadata().unwrap().len() > 0);
    fs::copy(&source, &input).unwrap();
    fs::copy(&journal, folder.path().join("in-journal")).unwrap();
    check("500 visits in 1 tab");
}

/// Every file below a folder but the source.
fn left_behind(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(left_behind(&path));
        } else if !path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("in")
        {
            files.push(path);
        }
    }
    files
}

/// The source's log is a pipe: whoever writes to it knows that the database is copied already, and
/// that SQLite has not begun.
#[test]
fn whoever_kills_an_import_leaves_no_copy_of_the_history() {
    let is_told = |bytes: &[u8]| bytes.windows(6).any(|it| it == b"secret");
    for signal in [Signal::TERM, Signal::KILL] {
        let (folder, source) = plain_history();
        let input = folder.path().join("in");
        fs::rename(source, &input).unwrap();
        assert!(is_told(&fs::read(&input).unwrap()));
        let log = folder.path().join("in-wal");
        assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
        let temporary = folder.path().join("temporary");
        fs::create_dir(&temporary).unwrap();
        let mut import = Command::new(cargo_bin!("sim"));
        import
            .args(["import", "chrome", "in", "--output", "out"])
            .current_dir(folder.path())
            .env("TMPDIR", &temporary)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = import.spawn().unwrap();
        let mut log = fs::File::options().write(true).open(&log).unwrap();
        // More than a pipe holds: some of it is copied.
        log.write_all(&vec![b'x'; 1 << 20]).unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));

        let left = left_behind(folder.path());
        let names_max = if signal == Signal::TERM { 0 } else { 2 };
        assert!(left.len() <= names_max, "{left:?}");
        for file in left {
            let place = file.parent().unwrap();
            assert_eq!(place, folder.path().join(".sim-out"));
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(place), mode(&file)), (0o700, 0o600));
            assert!(!is_told(&fs::read(&file).unwrap()), "{file:?}");
        }
        drop(log);
        fs::remove_file(folder.path().join("in-wal")).unwrap();
        assert!(import.status().unwrap().success());
        assert!(!folder.path().join(".sim-out").exists());
        assert_eq!(fs::read_dir(temporary).unwrap().count(), 0);
    }
}

#[test]
fn firefox_tells_redirects_frames_and_views() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("places.sqlite");
    let db = Connection::open(&input).unwrap();
    let at = |s: i64| (BEGIN_MS + s * 1_000) * 1_000;
    db.execute_batch(&format!(
        "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT, title TEXT);
         CREATE TABLE moz_historyvisits (id INTEGER PRIMARY KEY, from_visit INTEGER,
             place_id INTEGER, visit_date INTEGER, visit_type INTEGER, session INTEGER);
         CREATE TABLE moz_places_metadata (id INTEGER PRIMARY KEY, place_id INTEGER,
             referrer_place_id INTEGER, created_at INTEGER, updated_at INTEGER,
             total_view_time INTEGER);
         PRAGMA user_version = 77;
         INSERT INTO moz_places VALUES (1, 'https://a.example/x', ''),
             (2, 'https://short.example/y', ''), (3, 'https://b.example/z', ''),
             (4, 'https://frame.example/', ''), (5, 'https://behind.example/', '');
         INSERT INTO moz_historyvisits VALUES (1, 0, 1, {}, 2, 0), (2, 1, 2, {}, 1, 0),
             (3, 2, 3, {}, 6, 0), (4, 3, 4, {}, 8, 0), (5, 1, 5, {}, 1, 0);
         INSERT INTO moz_places_metadata VALUES (1, 1, NULL, {}, {}, 9000),
             (2, 5, NULL, {}, {}, 0);",
        at(0),
        at(10),
        at(10),
        at(11),
        at(20),
        at(0) / 1_000,
        at(9) / 1_000,
        at(20) / 1_000,
        at(20) / 1_000,
    ))
    .unwrap();
    check(
        folder.path(),
        &["firefox", "."],
        0,
        &["1 on the way of a redirect, 1 in a frame"],
    );
    let lines: Vec<Body> = Trace::open(folder.path().join("out"))
        .unwrap()
        .read()
        .map(|line| line.unwrap().body)
        .collect();
    let shown: Vec<String> = lines
        .iter()
        .filter_map(|body| match body {
            Body::TabOpened(tab) => Some(format!(
                "{} opens {} from {:?}",
                tab.tab,
                tab.host.as_ref().unwrap(),
                tab.opener.map(|it| it.0)
            )),
            Body::TabNavigated(it) => Some(format!(
                "{} goes on to {}",
                it.tab,
                it.host.as_ref().unwrap()
            )),
            Body::TabActivated(it) => Some(format!("{} comes to the front", it.tab)),
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        [
            "1 opens a.example from None",
            "1 comes to the front",
            // The link went through a redirect, in the same tab.
            "1 goes on to b.example",
            // The other link was of a page that the tab had left: it opened a tab, never seen.
            "2 opens behind.example from Some(1)",
        ]
    );
}

#[test]
fn activitywatch_tells_who_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    // The server gives the newest first.
    fs::write(
        &input,
        r#"{"buckets": {
          "aw-watcher-window_pc": {"events": [{"timestamp": "2026-01-01T00:00:00Z", "data": {"app": "x"}}]},
          "aw-watcher-web-firefox_pc": {"hostname": "pc", "type": "web.tab.current", "events": [
            {"id": 3, "timestamp": "2026-01-01T00:20:00Z", "duration": 60, "data": {"url": "https://a.example/secret", "title": "t", "incognito": false}},
            {"id": 9, "timestamp": "2026-01-01T00:05:00Z", "duration": 60, "data": {"url": "https://private.example/", "incognito": true}},
            {"id": 2, "timestamp": "2026-01-01T00:02:00Z", "duration": 120.5, "data": {"url": "https://b.example/", "audible": true}},
            {"id": 1, "timestamp": "2026-01-01T00:00:00+00:00", "duration": 120, "data": {"url": "https://a.example/secret"}}]},
          "aw-watcher-afk_pc": {"hostname": "pc", "events": [
            {"timestamp": "2026-01-01T00:15:00Z", "duration": 400, "data": {"status": "not-afk"}},
            {"timestamp": "2026-01-01T00:08:00Z", "duration": 420, "data": {"status": "afk"}},
            {"timestamp": "2025-12-31T23:55:00Z", "duration": 780, "data": {"status": "not-afk"}}]}
        }}"#,
    )
    .unwrap();
    check(
        folder.path(),
        &["activitywatch", "in"],
        0,
        &["1 in a private window"],
    );
    let out = folder.path().join("out/aw-watcher-web-firefox_pc");
    let mut told = Vec::new();
    for line in Trace::open(&out).unwrap().read() {
        let line = line.unwrap();
        let what = match line.body {
            Body::SessionStarted(it) => format!("begins {:?}", it.idle.unwrap()),
            Body::TabOpened(tab) => format!("opens {}", tab.host.unwrap()),
            Body::TabActivated(it) => format!("shows {}", it.tab),
            Body::TabNavigated(_) => "loads".to_owned(),
            Body::WindowFocused(it) => format!("focus {:?}", it.win.map(|it| it.0)),
            Body::UserIdle(it) => format!("{:?}", it.state),
            _ => continue,
        };
        told.push(format!("{} {what}", (line.t_ms - BEGIN_MS) / 1_000));
    }
    assert_eq!(
        told,
        [
            "0 begins Active",
            "0 opens a.example",
            "0 shows 1",
            "120 opens b.example",
            "120 shows 2",
            "240 focus None",
            "480 Idle",
            "900 Active",
            // The same page: it was there all the time, and is not loaded again.
            "1200 focus Some(1)",
            "1200 shows 1",
            "1260 focus None",
            "1300 Idle",
        ]
    );
    fs::remove_dir_all(folder.path().join("out")).unwrap();

    for (text, exit_code, expect) in [
        ("{", 3, "the file is cut off"),
        (
            r#"{"buckets": {"aw-watcher-web-x": {"events": ["#,
            3,
            "the file is cut off",
        ),
        ("[]", 2, "expected an export of ActivityWatch"),
        ("{}", 2, "missing field `buckets`"),
        (r#"{"buckets": {}}"#, 2, "found no bucket of a web watcher"),
        (
            r#"{"buckets": {"aw-watcher-web-x": {"events": [{"timestamp": 7}]}}}"#,
            2,
            "in, line 1: ",
        ),
        (
            r#"{"buckets": {"aw-watcher-web-x": {"events": [{"timestamp": "1989-01-01T00:00:00Z"}]}}}"#,
            2,
            "1 dated before 1990",
        ),
    ] {
        fs::write(&input, text).unwrap();
        check(
            folder.path(),
            &["activitywatch", "in"],
            exit_code,
            &[expect],
        );
    }
}

#[test]
fn an_export_with_nothing_in_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let of_web = r#"{"buckets": {"aw-watcher-web-firefox": {"events": []}}}"#;
    for (text, expect) in [
        ("", "the file is empty, expected what ActivityWatch exports"),
        (of_web, "there is no event in it"),
        (r#"{"buckets": {}}"#, "found no bucket of a web watcher"),
    ] {
        fs::write(folder.path().join("in"), text).unwrap();
        check(folder.path(), &["activitywatch", "in"], 2, &[expect]);
    }
}

#[test]
fn a_model_that_does_not_hold_is_told_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("machine.toml"), "[machine]\nfoo = 1\n").unwrap();
    fs::write(folder.path().join("in"), "").unwrap();
    check(
        folder.path(),
        &["activitywatch", "in", "--metrics", "machine.toml"],
        2,
        &["machine.toml, line 2: unknown field `foo`"],
    );
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "who,when,where\n".to_owned();
    for index in 0..3_000_i64 {
        let (who, host) = (index % 3, index * index % 17);
        text += &format!("p{who},{},h{host}.example\n", BEGIN_MS + index * 60_000);
    }
    fs::write(folder.path().join("in"), text).unwrap();
    let host: Vec<&str> = TABLE.into_iter().chain(["where"]).collect();
    let bytes = || {
        check(folder.path(), &host, 0, &["out/p0: 1,000 visits", "out/p2"]);
        let mut files = Vec::new();
        for person in fs::read_dir(folder.path().join("out")).unwrap() {
            for file in fs::read_dir(person.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
        files.sort();
        fs::remove_dir_all(folder.path().join("out")).unwrap();
        files
    };
    let first = bytes();
    assert_eq!(first.len(), 3);
    assert!(first == bytes());
}

#[test]
fn a_machine_brings_samples_and_changes_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "who,when,where\n".to_owned();
    for index in 0..300_i64 {
        let t_ms = BEGIN_MS + index * 60_000 + index / 100 * DAY_MS;
        text += &format!("p,{t_ms},h{}.example\n", index * index % 17);
    }
    fs::write(folder.path().join("in"), text).unwrap();
    let lines = |more: &[&str]| {
        let args: Vec<&str> = TABLE
            .into_iter()
            .chain(["where"])
            .chain(more.to_vec())
            .collect();
        check(folder.path(), &args, 0, &["300 visits"]);
        let out = folder.path().join("out");
        let lines: Vec<recorder::Line> = Trace::open(out.join("p"))
            .unwrap()
            .read()
            .map(Result::unwrap)
            .collect();
        fs::remove_dir_all(out).unwrap();
        lines
    };
    let of_person = |lines: &[recorder::Line]| -> Vec<(Option<i64>, Body)> {
        let theirs = lines.iter().filter(|line| line.src == From::Ext);
        theirs.map(|line| (line.at_ms, line.body.clone())).collect()
    };
    let plain = lines(&[]);
    let powered = lines(&["--metrics", "typical", "--seed", "7"]);
    assert_eq!(of_person(&plain), of_person(&powered));
    assert_eq!(powered, lines(&["--metrics", "typical", "--seed", "7"]));
    assert_ne!(powered, lines(&["--metrics", "typical", "--seed", "8"]));
    let count = |is: fn(&Body) -> bool| powered.iter().filter(|line| is(&line.body)).count();
    assert!(count(|body| matches!(body, Body::Metrics(_))) > 1_000);
    // Two nights between three days.
    assert_eq!(count(|body| matches!(body, Body::Suspended(_))), 2);
    let Body::LogOpened(header) = &powered[0].body else {
        panic!("{:?}", powered[0]);
    };
    assert_eq!(header.seed, Some(7));
    assert!(
        header
            .importer
            .as_ref()
            .unwrap()
            .ends_with("seeded-machine=typical")
    );

    let args: Vec<&str> = TABLE
        .into_iter()
        .chain(["where", "--metrics", "none.toml"])
        .collect();
    check(
        folder.path(),
        &args,
        2,
        &["--metrics none.toml is neither \"typical\" nor a file"],
    );
}
