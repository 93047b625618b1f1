//! Traces from a stranger who means harm: bounded time and memory, a clear error, no panic, and
//! nothing of theirs reaches a terminal or a page as anything but text.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use assert_cmd::cargo::cargo_bin_cmd;
use engine::{Mode, TabId, WindowId};
use recorder::{
    Body, ClockStepped, DiscardOutcome, Dropped, KnowledgeCarried, Metrics, Opening, Paused,
    PruneRequested, Suspended, Tab, TabLoaded, TabMemory, TabNavigated,
};

use crate::recording::{MINUTE, Recorded, Recording, browse, opening, tab};

/// What steers a terminal, turns text around, ends an element, an attribute or a line, is a formula
/// to a spreadsheet, and leads out of a folder.
const POISON: &str = "\u{1b}]0;t\u{7}\u{1b}[31m\u{9b}2J\r\n\u{202e}\u{2066}\u{feff}\
                      <script>alert(1)</script>\"'&=cmd|' /C calc'!A0\u{0}../../x";

fn poison() -> Option<String> {
    Some(POISON.to_owned())
}

/// A trace that is in order, and in which every text is poison.
fn poisoned() -> Recorded {
    let mut recording = Recording::opened(
        Mode::Enforce,
        &Opening {
            extension_session: poison(),
            host_version: POISON.to_owned(),
            platform: POISON.to_owned(),
            ..opening()
        },
    );
    browse(&mut recording);
    for id in 20..23 {
        recording.ext(Body::TabOpened(Tab {
            host: Some(POISON.into()),
            scheme: poison(),
            ..tab(id)
        }));
    }
    for id in 2..5 {
        let tab = recording.present(id);
        recording.ext(Body::TabNavigated(TabNavigated {
            tab,
            host: Some(format!("{POISON}{id}").into()),
            scheme: poison(),
            protected: None,
        }));
    }
    recording.activate(21).wait(10 * MINUTE);
    for _ in 0..20 {
        recording.wait(MINUTE).sample(95);
        recording.carry_out();
    }
    recording.ext(Body::DiscardOutcome(DiscardOutcome {
        decision: engine::Seq(3),
        tab: TabId(2),
        ok: false,
        why: poison(),
    }));
    recording.host(Body::Dropped(Dropped {
        from: None,
        count: 3,
        why: POISON.to_owned(),
    }));
    recording.checkpoint();
    let recorded = recording.kill();
    // A type and a field that nobody knows.
    let name = serde_json::to_string(POISON).unwrap();
    append(
        &recorded.segment(),
        &format!("{{\"type\":{name},"),
        &format!("{name}:{name}}}"),
    );
    recorded
}

/// Appends a line, between whose beginning and end its envelope stands.
fn append(path: &Path, begin: &str, end: &str) {
    let seq = fs::read(path)
        .unwrap()
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    let mut file = File::options().append(true).open(path).unwrap();
    let t_ms = i64::MAX;
    writeln!(
        file,
        "{begin}\"seq\":{seq},\"t_ms\":{t_ms},\"src\":\"host\",{end}"
    )
    .unwrap();
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let started = Instant::now();
    let output = cargo_bin_cmd!("sim")
        .args(args)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .timeout(Duration::from_secs(60))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    assert!(
        output.status.code().is_some(),
        "{args:?} took {:?}",
        started.elapsed()
    );
    output
}

/// What no terminal should be given.
fn steers_a_terminal(char: char) -> bool {
    char != '\n' && char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The first line of a text that does.
fn harm(args: &[&str], text: &[u8]) -> Option<String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find(|line| line.contains(steers_a_terminal))?;
    Some(format!("{args:?} writes {line:?}"))
}

#[test]
fn no_text_of_a_trace_steers_a_terminal_or_is_part_of_a_page() {
    let recorded = poisoned();
    let root = recorded.root();
    // The same under a name that is poison, too, as far as names can be.
    let named = "\u{1b}[31m\u{202e}<script>alert(1)</script>".replace('/', "-");
    fs::create_dir(root.join(&named)).unwrap();
    let segment = recorded.segment();
    let copy = root.join(&named).join(segment.file_name().unwrap());
    fs::copy(&segment, copy).unwrap();

    for (trace, out) in [("trace", "one"), (&*named, "two")] {
        let (swept, page) = (&*format!("{out}-swept"), &*format!("{out}.html"));
        let (cut, merged) = (&*format!("{out}-cut"), &*format!("{out}-merged"));
        let (recovered, other) = (&*format!("{out}-recovered"), &*format!("{out}.jsonl"));
        #[rustfmt::skip]
        let commands: &[&[&str]] = &[
            &["verify", trace],
            &["verify", trace, "--json"],
            &["info", trace],
            &["info", trace, "--json"],
            &["check", trace],
            &["check", trace, "--json"],
            &["replay", trace],
            &["replay", trace, "--json"],
            &["replay", trace, "--policy", "lru-5"],
            &["replay", trace, "--policy", trace],
            &["compare", trace, "--policy", "default", "--policy", "eager"],
            &["compare", trace, "--json"],
            &["compare", trace, "--html", "compare.html"],
            &["diff", trace, "--base", "default", "--with", "eager", "--all"],
            &["diff", trace, "--base", "default", "--with", "eager", "--json"],
            &["explain", trace, "--tab", "21"],
            &["explain", trace, "--tab", "21", "--json"],
            &["explain", trace, "--tab", "102"],
            &["stats", trace],
            &["stats", trace, "--json"],
            &["cut", trace, "--from-seq", "0", "--to-seq", "40", "--output", cut],
            &["merge", trace, "trace", "--output", merged],
            &["recover", trace],
            &["recover", trace, "--output", recovered],
            &["anonymize", trace],
            &["convert", trace, other],
            &["sweep", trace, "--vary", "ttl_minutes=5,30", "--output", swept],
            &["report", swept, "--html", page, "--trace", trace],
            &["report", swept, "--json"],
            &["snapshot", "check", "snapshots", "--traces", "."],
            &["tune", trace, "--output", "tuned"],
        ];
        let (mut harmful, mut answered) = (Vec::new(), 0);
        for args in commands {
            let output = run(root, args);
            harmful.extend(harm(args, &output.stdout));
            harmful.extend(harm(args, &output.stderr));
            answered += u32::from(!output.stdout.is_empty());
        }
        assert!(harmful.is_empty(), "{harmful:#?}");
        assert!(answered >= 20, "only {answered} commands said something");
    }
    for page in ["compare.html", "one.html", "two.html"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        assert!(
            !text.contains("<script>alert") && !text.contains('\u{1b}'),
            "{page}"
        );
    }
}

/// Begins a trace that is in order, for something to be put behind it.
fn begun() -> Recorded {
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3);
    recording.wait(MINUTE).sample(95);
    recording.kill()
}

/// What every verb that reads a whole trace says of one that cannot be read.
fn check_is_told(root: &Path, expect: &str) {
    for verb in ["verify", "info", "check", "replay", "stats", "compare"] {
        let output = run(root, &[verb, "trace"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{verb}: {said}");
        assert!(said.contains(expect), "{verb}: {said}");
        assert!(said.len() < 4_096, "{verb} repeats what it was given");
    }
}

#[test]
fn lines_that_are_too_long_or_too_deep_are_told_and_not_kept() {
    for (bytes, expect) in [
        (vec![b'x'; 64 << 20], "of more than 1048576 bytes"),
        (vec![b'['; 1 << 19], "line 7"),
        (b"{\"type\":".repeat(100_000), "line 7"),
        (b"{\"type\":\"paused\",\"x\":".repeat(40_000), "line 7"),
    ] {
        let recorded = begun();
        let mut file = File::options()
            .append(true)
            .open(recorded.segment())
            .unwrap();
        file.write_all(&bytes).unwrap();
        // So that it is no torn tail.
        file.write_all(b"\n{}\n").unwrap();
        check_is_told(recorded.root(), expect);
    }
}

#[test]
fn what_unpacks_to_more_than_it_should_is_stopped_at() {
    let compressed = |bytes: &[u8]| {
        let recorded = begun();
        let segment = recorded.segment();
        let begin = fs::read(&segment).unwrap();
        fs::remove_file(&segment).unwrap();
        let begin = zstd::encode_all(&*begin, 3).unwrap();
        fs::write(
            format!("{}.zst", segment.display()),
            [&*begin, bytes].concat(),
        )
        .unwrap();
        recorded
    };
    for (fill, expect) in [(b' ', "of more than 1048576 bytes"), (b'\n', "line 7")] {
        let bomb = zstd::encode_all(&*vec![fill; 512 << 20], 1).unwrap();
        assert!(bomb.len() < 64 << 10, "a bomb is small: {}", bomb.len());
        check_is_told(compressed(&bomb).root(), expect);
    }
    // A frame that asks for a window of two GiB: magic, descriptor, window, and an empty block.
    let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    check_is_told(compressed(&greedy).root(), "memory");
}

#[test]
fn numbers_that_are_none_or_out_of_range_are_told() {
    for fields in [
        "\"type\":\"metrics\",\"cpu\":NaN",
        "\"type\":\"metrics\",\"cpu\":Infinity",
        "\"type\":\"metrics\",\"cpu\":1e999",
        "\"type\":\"metrics\",\"ram_total\":18446744073709551616",
        "\"type\":\"metrics\",\"ram_total\":-1",
        "\"type\":\"metrics\",\"ram_total\":1.5",
        "\"type\":\"tab_memory\",\"tab\":9223372036854775808,\"bytes\":1,\"how\":\"measured\"",
    ] {
        let recorded = begun();
        append(&recorded.segment(), &format!("{{{fields},"), "\"x\":1}");
        append(&recorded.segment(), "{\"type\":\"paused\",", "\"x\":1}");
        check_is_told(recorded.root(), "line 7");
    }
}

#[test]
fn numbers_at_the_ends_of_their_range_are_taken() {
    let mut recording = Recording::new(Mode::Enforce);
    recording.session(3);
    for id in [i64::MIN, -1, 0, i64::MAX] {
        recording.ext(Body::TabOpened(Tab {
            win: WindowId(id),
            last_accessed: Some(id),
            group: Some(id),
            opener: Some(TabId(id.wrapping_add(1))),
            ..tab(id)
        }));
        recording.ext(Body::TabLoaded(TabLoaded {
            tab: TabId(id),
            ms: Some(u64::MAX),
        }));
        recording.host(Body::TabMemory(TabMemory {
            tab: TabId(id),
            bytes: u64::MAX,
            how: engine::MemorySource::Measured,
        }));
    }
    for (bytes, percent) in [(u64::MAX, f64::MAX), (0, -f64::MAX), (1, 1e-320)] {
        recording.host(Body::Metrics(Metrics {
            ram_total: Some(bytes),
            ram_used: Some(bytes),
            ram_available: Some(u64::MAX - bytes),
            swap_total: Some(bytes),
            swap_used: Some(bytes),
            cpu: Some(percent),
            battery: Some(percent),
            on_battery: Some(true),
            psi_some_avg10: Some(percent),
            psi_full_avg10: Some(percent),
            browser_rss: Some(bytes),
            browser_pss: Some(bytes),
            browser_processes: Some(u32::MAX),
        }));
        recording.wait(20 * MINUTE).activate(2);
        recording.ext(Body::PruneRequested(PruneRequested { tab: None }));
        recording.carry_out();
    }
    recording.host(Body::KnowledgeCarried(KnowledgeCarried {
        hosts: vec![engine::HostKnowledge {
            host: "host-1.example.org".to_owned(),
            familiarity: 8,
            last_in_front_ms: Some(i64::MIN),
            bytes: Some(u64::MAX),
        }],
    }));
    for ms in [u64::MAX, 1] {
        recording.host(Body::Suspended(Suspended { ms }));
    }
    for by_ms in [i64::MIN, i64::MAX] {
        recording.host(Body::ClockStepped(ClockStepped { by_ms }));
    }
    for until_ms in [Some(i64::MIN), Some(i64::MAX), None] {
        recording.host(Body::Paused(Paused { until_ms }));
    }
    recording.host(Body::Dropped(Dropped {
        from: None,
        count: u64::MAX,
        why: "damaged".to_owned(),
    }));
    let recorded = recording.close();
    #[rustfmt::skip]
    let commands: &[&[&str]] = &[
        &["verify", "trace"],
        &["info", "trace"],
        &["info", "trace", "--json"],
        &["check", "trace"],
        &["replay", "trace"],
        &["replay", "trace", "--policy", "chrome-memory-saver"],
        &["compare", "trace"],
        &["compare", "trace", "--html", "compare.html"],
        &["diff", "trace", "--base", "default", "--with", "eager"],
        &["stats", "trace"],
        &["explain", "trace", "--tab", "9223372036854775807"],
        &["explain", "trace", "--tab", "-9223372036854775808"],
        &["sweep", "trace", "--vary", "ttl_minutes=5,30", "--output", "swept"],
        &["report", "swept", "--html", "page.html", "--trace", "trace"],
        &["cut", "trace", "--from-seq", "3", "--output", "cut"],
        &["anonymize", "trace", "--output", "anonymous"],
        &["convert", "trace", "other.jsonl"],
        &["recover", "trace"],
    ];
    let answered = commands.iter().filter(|args| {
        let output = run(recorded.root(), args);
        !output.stdout.is_empty()
    });
    assert!(answered.count() >= 12);
}

#[test]
fn names_of_people_lead_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let inside = root.path().join("in");
    fs::create_dir(&inside).unwrap();
    let names = [
        "../../up",
        "/etc",
        "..",
        ".",
        "a/b",
        "c\\d",
        "\u{1b}[2J",
        "NUL",
        "x\u{0}y",
    ];
    let mut table = "user,time,url\n".to_owned();
    for name in names {
        table += &format!("\"{name}\",1767225600,https://example.org/\n");
    }
    fs::write(inside.join("visits.csv"), table).unwrap();
    #[rustfmt::skip]
    let args = [
        "import", "visits", "visits.csv", "--user", "user", "--time", "time", "--time-unit", "s",
        "--url", "url", "--output", "people",
    ];
    let output = run(&inside, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(harm(&args, &output.stdout), None);
    let count = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!(count(&inside.join("people")), names.len());
    assert_eq!(
        count(root.path()),
        1,
        "something was written beside the folder"
    );
}

/// A history in the form of Chromium's, with as many visits, made worse by a statement.
fn hostile_history(path: &Path, visits: &str, worse: &str) {
    let _ = fs::remove_file(path);
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(&format!(
            "PRAGMA writable_schema = ON;
             CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT);
             INSERT INTO meta VALUES ('version', '70'), ('last_compatible_version', '16');
             CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT, title TEXT);
             INSERT INTO urls VALUES (1, 'https://example.org/', '');
             {visits}
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
             INSERT INTO visits (id, url, visit_time, from_visit, transition, visit_duration)
                 SELECT i, 1, 13411700000000000 + i * 1000000, 0, 805306368, 0 FROM n;
             {worse}"
        ))
        .unwrap();
}

#[test]
fn a_hostile_history_costs_no_more_than_its_size() {
    let columns = "id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER, from_visit INTEGER, \
                   transition INTEGER, visit_duration INTEGER";
    let plain = format!("CREATE TABLE visits ({columns});");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("History");
    let import = |output: &str, exit_code: i32, expect: &str| {
        let started = Instant::now();
        let args = ["import", "chrome", "History", "--output", output];
        let answer = run(folder.path(), &args);
        let said = String::from_utf8_lossy(&answer.stderr);
        assert_eq!(answer.status.code(), Some(exit_code), "{said}");
        assert!(said.contains(expect), "{said}");
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{:?}",
            started.elapsed()
        );
    };
    // A rule of the file's own, which makes a text of 900 MB to look at each row.
    let rule = "UPDATE sqlite_schema SET sql = replace(sql, 'transition INTEGER', \
                'transition INTEGER CHECK (length(printf(''%.*c'', 900000000, ''x'')) > 0)') \
                WHERE name = 'visits';";
    hostile_history(&path, &plain, rule);
    import("by-rule", 0, "");
    // A cell that unfolds from nothing.
    let cell = "UPDATE urls SET url = 'https://' || hex(zeroblob(200000000));";
    hostile_history(&path, &plain, cell);
    import("by-cell", 2, "too big");
    // What is no table, but code of SQLite's that looks like one.
    let virtual_table = "CREATE VIRTUAL TABLE visits USING fts5(id, url, visit_time, from_visit, \
                         transition, visit_duration);";
    hostile_history(&path, virtual_table, "");
    import("by-code", 2, "without a table \"visits\"");
}

#[test]
fn more_tabs_than_any_browser_has_are_not_kept() {
    let recorded = begun();
    let mut lines = fs::read_to_string(recorded.segment()).unwrap();
    let seq = lines.lines().count();
    for tab in 0..30_000 {
        let (seq, n) = (seq + tab, tab + 2);
        lines += &format!(
            "{{\"type\":\"tab_opened\",\"seq\":{seq},\"t_ms\":1767299999000,\"src\":\"ext\",\"n\":{n},\
             \"at_ms\":1767299999000,\"tab\":{},\"win\":1}}\n",
            tab + 1_000
        );
    }
    fs::write(recorded.segment(), lines).unwrap();
    for verb in ["verify", "info", "check", "replay", "stats"] {
        let output = run(recorded.root(), &[verb, "trace"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{verb}: {said}");
        let expect = "line 20003: found more than 20000 tabs and windows open at once";
        assert!(said.contains(expect), "{verb}: {said}");
    }
}
