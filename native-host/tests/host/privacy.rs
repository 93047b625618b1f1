//! Privacy: what the log tells of hosts, how long it is kept, and that it goes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use engine::{Mode, PolicyDocument, Settings};
use native_host::clock::Reading;
use native_host::privacy_choice::PrivacyChoice;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use recorder::{Body, HostKey, Line, Naming, PackedFolder, Privacy, StoredTrace};
use serde_json::{Value, json};

use crate::client::{
    EAGER_POLICY, Home, Host, PROGRAM, ReadTrace, discarded, new_session, now_ms, read_trace,
    session_started,
};
use crate::session::Bench;

const DAY_MS: i64 = 86_400_000;

/// Every byte below a folder, decompressed.
fn bytes_below(folder: &Path) -> String {
    let mut open = vec![folder.to_owned()];
    let mut all = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            open.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        all.extend(match path.extension() {
            Some(extension) if extension == "zst" => zstd::decode_all(&*bytes).unwrap(),
            _ => bytes,
        });
        all.extend(path.to_string_lossy().trim_end_matches(".zst").bytes());
    }
    String::from_utf8(all).unwrap()
}

/// The traces of a folder, in their order.
pub(crate) fn traces(home: &Home) -> Vec<ReadTrace> {
    let mut files: Vec<_> = fs::read_dir(home.traces())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().contains("-0000.jsonl"))
        .collect();
    files.sort();
    files.iter().map(|file| read_trace(file)).collect()
}

fn privacy(trace: &ReadTrace) -> Privacy {
    match &trace.lines[0].body {
        Body::LogOpened(header) => header.privacy,
        other => panic!("{other:?}"),
    }
}

fn tab(id: i64, host: &str) -> Value {
    json!({
        "tab": id, "win": 1, "host": host, "scheme": "https", "active": id == 1,
        "pinned": false, "audible": false, "discarded": false, "loading": false,
        "last_accessed": now_ms() - 3_600_000,
    })
}

fn started(hosts: &[&str]) -> Value {
    let mut event = session_started(0);
    let tabs = (1..).zip(hosts).map(|(id, host)| tab(id, host));
    event["tabs"] = tabs.collect();
    event
}

/// Chooses, and waits for the log that begins with it.
fn choose(host: &mut Host, privacy: &str) -> Value {
    let status = host.ask(json!({"type": "set_privacy", "privacy": privacy}));
    assert_eq!(status["privacy"]["privacy"], privacy, "{status}");
    host.expect("hello")
}

#[test]
fn a_choice_holds_at_once_and_begins_a_new_trace() {
    let home = Home::new();
    let session = new_session();
    let (mut host, first) = Host::connect(&home, &session);
    let status = host.status();
    let expect = json!({"privacy": "hostname", "keep_days": 30, "keep_mib": 256, "removed": null});
    assert_eq!(status["privacy"], expect);
    let open = ["www.one.test", "www.two.test"];
    let last_n = host.log_events(&[started(&open)]);
    let until_ms = now_ms() + 3_600_000;
    host.ask(json!({"type": "pause", "until_ms": until_ms}));

    let second = choose(&mut host, "keyed-hash");
    assert_ne!(second["session"], first["session"]);
    assert_eq!(second["last_n"], 0);
    // It begins with the first event that the one before does not have.
    host.go_back_to(last_n + 1);
    host.send_events(&[started(&open)]);
    assert_eq!(host.expect_error("event_gap")["expected"], last_n + 1);
    host.go_back_to(last_n);
    host.log_events(&[started(&open)]);
    let status = host.status();
    assert_eq!(status["paused_until_ms"], until_ms, "a pause goes on");
    assert_eq!(status["policy_hash"], first["policy_hash"]);
    // What was learnt is under the new names, too.
    let beside = fs::read_to_string(home.state().join("knowledge.json")).unwrap();
    assert!(!beside.contains("one.test"), "{beside}");
    assert!(beside.contains(".invalid"), "{beside}");
    // The same again changes nothing.
    let status = host.ask(json!({"type": "set_privacy", "privacy": "keyed-hash"}));
    assert_eq!(status["session"], second["session"]);
    host.close();

    // So it is after a restart, in the same trace.
    let (host, third) = Host::connect(&home, &session);
    assert_eq!(third["session"], second["session"]);
    host.close();
    let both = fs::read_dir(home.traces()).unwrap().count();
    assert_eq!(both, 3, "two traces, one of them of two segments");
    let (host, fourth) = Host::connect(&home, &new_session());
    assert_ne!(fourth["session"], third["session"]);
    host.close();
}

#[test]
fn every_mode_reads_and_decides_as_it_was_written() {
    let home = Home::with_policy(EAGER_POLICY);
    let (mut host, _) = Host::connect(&home, &new_session());
    let open = ["one.test", "www.two.co.uk", "docs.google.com", "a.zoom.us"];
    for privacy in ["hostname", "site", "keyed-hash", "hostname"] {
        if privacy != "hostname" || host.status()["privacy"]["privacy"] != "hostname" {
            choose(&mut host, privacy);
        }
        host.log_events(&[started(&open)]);
        host.log_events(&[json!({"type": "prune_requested"})]);
    }
    host.close();
    let traces = traces(&home);
    let modes: Vec<Privacy> = traces.iter().map(privacy).collect();
    use Privacy::{Hostname, KeyedHash, Site};
    assert_eq!(modes, [Hostname, Site, KeyedHash, Hostname]);
    for trace in &traces {
        assert!(trace.is_sealed);
        let decided: Vec<i64> = trace
            .of_type("decision")
            .into_iter()
            .map(|line| match &line.body {
                Body::Decision(it) => it.tab.0,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(decided, [2], "{:?}", privacy(trace));
    }
}

#[test]
fn an_order_names_the_real_host_and_a_protected_one_is_spared() {
    let home = Home::with_policy(EAGER_POLICY);
    let session = new_session();
    let (mut host, _) = Host::connect(&home, &session);
    choose(&mut host, "keyed-hash");
    host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    // A subdomain that is listed, and one of the same site that is not.
    let open = [
        "one.test",
        "docs.google.com",
        "news.google.com",
        "www.two.test",
    ];
    host.log_events(&[started(&open)]);
    host.send_events(&[json!({"type": "prune_requested"})]);
    let order = host.expect("discard_tab");
    assert_eq!(order["host"], "news.google.com");
    host.log_events(&discarded(&order, 103));
    let order = host.expect("discard_tab");
    assert_eq!(order["host"], "www.two.test");
    host.log_events(&discarded(&order, 104));
    let status = host.status();
    assert_eq!(status["recent"][0]["host"], "www.two.test");
    let explanation = host.ask(json!({"type": "explain", "tab": 2}));
    assert_eq!(explanation["explanation"]["host"], "docs.google.com");
    assert_eq!(explanation["explanation"]["guards"], json!(["PROTECTED"]));
    // The tab went on: what the log has of the decision cannot be turned back.
    host.log_events(&[json!({"type": "tab_navigated", "tab": 104, "host": "else.test"})]);
    assert_eq!(host.status()["recent"][0]["host"], Value::Null);
    host.kill();

    // After a restart the names are known again from what is open.
    let (mut host, _) = Host::connect(&home, &session);
    assert_eq!(host.status()["recent"][1]["host"], Value::Null);
    host.log_events(&[started(&["one.test", "docs.google.com", "three.test"])]);
    host.send_events(&[json!({"type": "prune_requested", "tab": 3})]);
    assert_eq!(host.expect("discard_tab")["host"], "three.test");
    host.close();
}

#[test]
fn an_outcome_is_told_in_the_log_of_its_decision_or_not_at_all() {
    let home = Home::with_policy(EAGER_POLICY);
    let session = new_session();
    let (mut host, _) = Host::connect(&home, &session);
    host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    host.log_events(&[started(&["one.test", "two.test"])]);
    host.send_events(&[json!({"type": "prune_requested"})]);
    let order = host.expect("discard_tab");
    choose(&mut host, "site");
    // The extension was at it while the log became another.
    host.send_events(&discarded(&order, 102));
    host.expect_error("bad_event");
    host.log_events(&[started(&["one.test", "two.test"])]);

    // Of its own decisions it takes one outcome each.
    host.send_events(&[json!({"type": "prune_requested"})]);
    let order = host.expect("discard_tab");
    let [.., outcome] = discarded(&order, 103);
    let mut of_another_tab = outcome.clone();
    of_another_tab["tab"] = json!(1);
    let last = host.send_events(&[of_another_tab, outcome.clone(), outcome]);
    for n in [last - 2, last] {
        assert_eq!(host.expect_error("bad_event")["n"], n);
    }
    host.close();
    let outcomes = traces(&home);
    let outcomes = outcomes
        .iter()
        .map(|it| it.of_type("discard_outcome").len());
    assert_eq!(outcomes.collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn another_list_of_protected_domains_needs_new_marks() {
    let home = Home::with_policy(EAGER_POLICY);
    let session = new_session();
    let (mut host, first) = Host::connect(&home, &session);
    let protect = |domains: &[&str]| json!({"type": "change_policy", "policy": {"protected_domains": domains}});
    host.log_events(&[started(&["one.test", "www.two.test"])]);
    host.ask(protect(&["www.nine.test"]));
    assert_eq!(
        host.status()["session"],
        first["session"],
        "the list itself is in the log"
    );

    let hidden = choose(&mut host, "keyed-hash");
    host.log_events(&[started(&["one.test", "www.two.test"])]);
    host.ask(json!({"type": "change_policy", "policy": {"cooldown_seconds": 11}}));
    assert_eq!(host.status()["session"], hidden["session"]);
    let answer = host.ask(protect(&["www.two.test"]));
    assert_eq!(
        answer["policy"]["protected_domains"],
        json!(["www.two.test"])
    );
    let anew = host.expect("hello");
    assert_ne!(anew["session"], hidden["session"]);
    assert_eq!(anew["policy_hash"], answer["policy_hash"]);
    host.log_events(&[started(&["one.test", "www.two.test"])]);
    host.log_events(&[json!({"type": "prune_requested"})]);
    let explanation = host.ask(json!({"type": "explain", "tab": 2}));
    assert_eq!(explanation["explanation"]["guards"], json!(["PROTECTED"]));
    host.close();

    // So it is where the file was changed while no host was there.
    let text = fs::read_to_string(home.policy_file()).unwrap();
    let text = text.replace("www.two.test", "www.three.test");
    fs::write(home.policy_file(), text).unwrap();
    let (host, last) = Host::connect(&home, &session);
    assert_ne!(last["session"], anew["session"]);
    host.close();
    let last = traces(&home).pop().unwrap();
    assert_eq!(last.of_type("decision").len(), 0);
}

#[test]
fn a_choice_that_cannot_be_is_refused_and_the_one_before_holds() {
    let home = Home::new();
    let (mut host, hello) = Host::connect(&home, &new_session());
    for (member, value) in [("keep_days", 0), ("keep_days", 9_999), ("keep_mib", 1)] {
        let error = host.ask(json!({"type": "set_privacy", member: value}));
        assert_eq!(error["code"], "bad_privacy", "{error}");
        assert_eq!(error["field"], member, "{error}");
    }
    let error = host.ask(json!({"type": "set_privacy", "privacy": "none"}));
    assert_eq!(error["code"], "bad_message");
    let status = host.ask(json!({"type": "set_privacy", "keep_days": 7}));
    let expect = json!({"privacy": "hostname", "keep_days": 7, "keep_mib": 256, "removed": null});
    assert_eq!(status["privacy"], expect);
    assert_eq!(status["session"], hello["session"]);

    // A place where nothing can be kept.
    fs::remove_file(home.state().join("privacy.json")).unwrap();
    std::os::unix::fs::symlink("nowhere/privacy.json", home.state().join("privacy.json")).unwrap();
    let error = host.ask(json!({"type": "set_privacy", "privacy": "site"}));
    assert_eq!(error["code"], "bad_privacy", "{error}");
    assert_eq!(host.status()["privacy"], expect);
    host.close();
}

#[test]
fn without_its_key_nothing_is_written_and_with_another_a_new_trace_begins() {
    let home = Home::new();
    let session = new_session();
    let (mut host, _) = Host::connect(&home, &session);
    let hidden = choose(&mut host, "keyed-hash");
    host.log_events(&[
        started(&["one.test", "two.test"]),
        json!({"type": "tab_activated", "tab": 2, "win": 1}),
    ]);
    host.close();
    let key = home.state().join("host-key");
    fs::write(&key, "no key").unwrap();
    let (host, hello) = Host::connect(&home, &session);
    assert_ne!(hello["session"], hidden["session"]);
    host.close();
    let last = traces(&home).pop().unwrap();
    assert_eq!(last.of_type("knowledge_carried").len(), 0);

    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    let before = bytes_below(&home.traces()).len();
    let mut host = Host::start(&home);
    host.send(&crate::client::hello(&session));
    let error = host.expect_error("log_unavailable");
    assert!(error["message"].as_str().unwrap().contains("host-key"));
    host.send_events(&[started(&["secret.test"])]);
    assert_eq!(host.status()["log"]["state"], "failed");
    assert_eq!(bytes_below(&home.traces()).len(), before);
    // It is tried again, and all is well when there can be a key.
    fs::remove_dir(&key).unwrap();
    host.expect("hello");
    host.close();
}

#[test]
fn an_event_of_a_private_window_is_refused() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let mut private = started(&["one.test", "private.test"]);
    private["tabs"][1]["incognito"] = true.into();
    host.log_events(&[
        private,
        json!({"type": "tab_opened", "tab": 7, "win": 1, "host": "private.test", "incognito": true}),
    ]);
    for _ in 0..2 {
        let error = host.expect_error("bad_event");
        assert!(
            error["message"].as_str().unwrap().contains("private"),
            "{error}"
        );
    }
    host.log_events(&[started(&["one.test"])]);
    host.close();
    assert_eq!(home.read_trace().of_type("dropped").len(), 2);
    assert!(!bytes_below(&home.state()).contains("private.test"));
}

#[test]
fn what_one_browser_is_told_holds_in_the_other() {
    let home = Home::new();
    let (mut one, _) = Host::connect(&home, &new_session());
    let (mut other, before) = Host::connect(&home, &new_session());
    choose(&mut one, "keyed-hash");
    let after = other.expect("hello");
    assert_ne!(after["session"], before["session"]);
    let status = other.status();
    assert_eq!(status["privacy"]["privacy"], "keyed-hash");
    other.log_events(&[started(&["www.one.test"])]);
    other.close();
    one.close();
    assert!(!bytes_below(&home.state()).contains("one.test"));
}

#[test]
fn a_choice_takes_nothing_back_that_another_browser_was_told_just_now() {
    let home = Home::new();
    let (mut one, _) = Host::connect(&home, &new_session());
    let (mut other, _) = Host::connect(&home, &new_session());
    choose(&mut one, "keyed-hash");
    // Before it has looked by itself.
    let status = other.ask(json!({"type": "set_privacy", "keep_days": 7}));
    assert_eq!(status["privacy"]["privacy"], "keyed-hash");
    assert_eq!(status["privacy"]["keep_days"], 7);
    one.close();
    other.close();
}

#[test]
fn what_a_browser_learnt_is_kept_as_the_other_was_told() {
    let home = Home::new();
    let (mut one, _) = Host::connect(&home, &new_session());
    let (mut other, _) = Host::connect(&home, &new_session());
    other.log_events(&[started(&["www.one.test", "www.two.test"])]);
    choose(&mut one, "site");
    // Before it has looked.
    other.close();
    one.close();
    let kept = fs::read_to_string(home.state().join("knowledge.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(kept["privacy"], "site");
    assert_eq!(kept["hosts"][0]["host"], "one.test", "{kept}");
}

/// `PRIVACY.md` shows a line of each mode.
#[test]
fn the_examples_for_people_are_what_is_written() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../PRIVACY.md");
    let page = fs::read_to_string(page).unwrap();
    let shown: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split_once('\n').unwrap().0)
        .collect();
    let told = Line::parse(shown[0].as_bytes()).unwrap();
    let key = || HostKey::new([7; 32]);
    let namings = [
        Naming::Hostname,
        Naming::Site(key()),
        Naming::KeyedHash(key()),
    ];
    assert_eq!(shown.len(), namings.len());
    for (naming, shown) in namings.iter().zip(shown) {
        let mut line = told.clone();
        naming.rename(&mut line.body, &PolicyDocument::default());
        let mut written = Vec::new();
        line.write(&mut written);
        assert_eq!(String::from_utf8(written).unwrap().trim_end(), shown);
    }
    let PrivacyChoice {
        keep_days,
        keep_mib,
        ..
    } = PrivacyChoice::default();
    for said in [
        format!("**{keep_days} days**"),
        format!("**{keep_mib} MiB**"),
    ] {
        assert!(page.contains(&said), "{said}");
    }
    // Everything that is kept is told.
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    choose(&mut host, "keyed-hash");
    host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    host.close();
    for file in files_below(home.path()) {
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        let is_told = page.contains(&format!("`{name}`")) || file.contains("/traces/");
        assert!(is_told, "{file}");
    }
}

#[test]
fn the_largest_snapshot_fits_into_a_line_in_every_mode() {
    // As PROTOCOL.md has it, of tabs to which the host adds the most.
    let mut tabs = Vec::new();
    let mut left_bytes = 900_000 - session_started(0).to_string().len();
    loop {
        let mut tab = tab(i64::try_from(tabs.len()).unwrap() + 1, "a");
        tab.as_object_mut().unwrap().remove("last_accessed");
        match left_bytes.checked_sub(tab.to_string().len() + 1 + 64) {
            Some(left) => left_bytes = left,
            None => break,
        }
        tabs.push(tab);
    }
    let tab_count = tabs.len();
    assert!(tab_count > 4_000, "{tab_count}");
    let mut snapshot = session_started(0);
    snapshot["tabs"] = tabs.into();
    for privacy in ["hostname", "site", "keyed-hash"] {
        let home = Home::new();
        let (mut host, _) = Host::connect(&home, &new_session());
        if privacy != "hostname" {
            choose(&mut host, privacy);
        }
        host.log_events(std::slice::from_ref(&snapshot));
        assert_eq!(host.status()["tabs"], tab_count, "{privacy}");
        host.close();
    }
}

// ---- Retention and erasing --------------------------------------------------------------------

/// A trace of so many days ago, as far as its name and the file system tell.
pub(crate) fn write_old_trace(home: &Home, days: i64, bytes: usize) -> PathBuf {
    let t_ms = now_ms() - days * DAY_MS;
    let session = recorder::new_session(t_ms);
    let file = home
        .traces()
        .join(recorder::file_name(t_ms, session, 0).unwrap());
    fs::create_dir_all(home.traces()).unwrap();
    fs::write(&file, vec![b'x'; bytes]).unwrap();
    let age = Duration::from_millis((days * DAY_MS).unsigned_abs());
    let written = fs::File::open(&file).unwrap();
    written.set_modified(SystemTime::now() - age).unwrap();
    file
}

/// What `sim` would keep of a trace: whole, and what a run of it that was killed leaves.
fn pack(home: &Home, trace: &Path) -> [PathBuf; 2] {
    let packed = home.packed();
    let session = StoredTrace::list(&home.traces()).unwrap();
    let session = session
        .iter()
        .find(|it| it.files.iter().any(|file| file == trace));
    let session = session.unwrap().session;
    let unfinished = PackedFolder::unfinished(session) + "3f";
    let files = [packed.place(session, trace), packed.path().join(unfinished)];
    packed.create().unwrap();
    for file in &files {
        fs::write(file, "one.test").unwrap();
    }
    files
}

#[test]
fn what_is_packed_of_a_log_goes_with_it() {
    let home = Home::new();
    let [old, kept] = [40, 3].map(|days| pack(&home, &write_old_trace(&home, days, 9)));
    let (mut host, _) = Host::connect(&home, &new_session());
    host.await_status("removal", |_| old.iter().all(|file| !file.exists()));
    host.close();
    assert!(kept.iter().all(|file| file.exists()));
}

#[test]
fn a_log_stays_until_what_is_packed_of_it_can_go() {
    let home = Home::new();
    write_old_trace(&home, 2, 9);
    let old = write_old_trace(&home, 40, 9);
    let [packed, unfinished] = pack(&home, &old);
    fs::remove_file(&packed).unwrap();
    fs::create_dir_all(packed.join("in the way")).unwrap();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.await_status("what can go", |_| !unfinished.exists());
    host.log_events(&[session_started(1)]);
    assert!(old.exists(), "whoever looked next would not know of it");
    fs::remove_dir_all(&packed).unwrap();
    host.ask(json!({"type": "set_privacy", "keep_days": 29}));
    host.await_status("removal", |_| !old.exists());
    host.close();
}

#[test]
fn what_is_too_old_or_too_much_goes_at_the_start_and_when_it_is_chosen() {
    let home = Home::new();
    for (days, bytes) in [(33, 9 << 20), (31, 9 << 20), (4, 9 << 20), (2, 9)] {
        write_old_trace(&home, days, bytes);
    }
    let (mut host, _) = Host::connect(&home, &new_session());
    let is_told = |status: &Value| !status["privacy"]["removed"].is_null();
    let removed = &host.await_status("removal", is_told)["privacy"]["removed"];
    assert_eq!(
        (&removed["traces"], &removed["bytes"]),
        (&json!(1), &json!(9 << 20))
    );
    assert_eq!(
        fs::read_dir(home.traces()).unwrap().count(),
        5,
        "and a lock"
    );

    host.ask(json!({"type": "set_privacy", "keep_mib": 16}));
    host.await_status("removal of what is too much", |_| {
        fs::read_dir(home.traces()).unwrap().count() == 4
    });
    host.ask(json!({"type": "set_privacy", "keep_days": 1}));
    host.await_status("removal of what is too old", |_| {
        fs::read_dir(home.traces()).unwrap().count() == 3
    });
    host.log_events(&[session_started(2)]);
    host.close();
    let last = StoredTrace::list(&home.traces()).unwrap().pop().unwrap();
    assert!(
        read_trace(&last.files[0]).is_sealed,
        "the one that was written stayed"
    );
}

#[test]
fn a_choice_that_cannot_be_read_removes_nothing() {
    let home = Home::new();
    let logs = [400, 3].map(|days| write_old_trace(&home, days, 9));
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.state().join("privacy.json"), "{").unwrap();
    let (mut host, _) = Host::connect(&home, &new_session());
    let expect = json!({
        "privacy": "keyed-hash", "keep_days": 3_650, "keep_mib": 1_048_576, "removed": null,
    });
    assert_eq!(host.status()["privacy"], expect);
    host.close();
    assert!(logs.iter().all(|log| log.exists()));
}

#[test]
fn a_choice_that_is_not_kept_removes_nothing() {
    let home = Home::new();
    let logs = [20, 4].map(|days| write_old_trace(&home, days, 9));
    let choice = home.state().join("privacy.json");
    let hidden = r#"{"privacy":"keyed-hash","keep_days":30,"keep_mib":256}"#;
    fs::write(&choice, hidden).unwrap();
    // Without a key there is no log.
    fs::create_dir(home.state().join("host-key")).unwrap();
    let mut host = Host::start(&home);
    host.send(&crate::client::hello(&new_session()));
    host.expect_error("log_unavailable");
    fs::remove_file(&choice).unwrap();
    std::os::unix::fs::symlink("nowhere/privacy.json", &choice).unwrap();
    let error = host.ask(json!({"type": "set_privacy", "keep_days": 1}));
    assert_eq!(error["code"], "bad_privacy", "{error}");
    host.kill();
    assert!(logs.iter().all(|log| log.exists()));
}

/// Runs `erase`, and returns its exit code, its stdout and its stderr.
fn erase(home: &Home, args: &[&str]) -> (Option<i32>, String, String) {
    let output = home
        .command()
        .arg("erase")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            files.push(
                path.strip_prefix(folder)
                    .unwrap()
                    .to_string_lossy()
                    .into_owned(),
            );
        }
    }
    files.sort();
    files
}

#[test]
fn erase_shows_what_goes_and_removes_that_and_nothing_else() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    choose(&mut host, "keyed-hash");
    host.log_events(&[started(&["one.test", "two.test"])]);

    let before = files_below(home.path());
    let pid = host.pid().as_raw_nonzero().to_string();
    for args in [&["--yes"][..], &["--dry-run"]] {
        let (code, out, err) = erase(&home, args);
        assert_eq!((code, &*out), (Some(1), ""));
        assert!(err.contains(&pid), "{err}");
    }
    assert_eq!(files_below(home.path()), before);
    host.close();

    fs::write(home.traces().join("notes.txt"), "mine").unwrap();
    fs::write(home.state().join(".unfinished-3f"), "{}").unwrap();
    let segment = files_below(&home.traces()).remove(0);
    fs::write(home.traces().join(format!("{segment}.torn")), "{").unwrap();
    // It is of a trace that may lie anywhere.
    pack(&home, &home.traces().join(&segment));
    fs::write(home.packed().path().join("notes.txt"), "mine").unwrap();
    let before = files_below(home.path());
    let (code, out, err) = erase(&home, &["--dry-run", "--json"]);
    assert_eq!((code, &*err), (Some(0), ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["is_erased"], false);
    assert_eq!(report["sessions"].as_array().unwrap().len(), 2);
    assert_eq!(report["packed"]["files"], 2);
    let stays = |report: &Value| -> Vec<String> {
        let paths = report["stays"].as_array().unwrap().iter();
        let mut paths: Vec<String> = paths
            .map(|path| {
                Path::new(path.as_str().unwrap())
                    .strip_prefix(home.path())
                    .unwrap()
            })
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        paths.sort();
        paths
    };
    assert_eq!(files_below(home.path()), before);
    // Nobody can be asked.
    for args in [&[][..], &["--json"]] {
        assert_eq!(erase(&home, args).0, Some(2));
    }
    assert_eq!(files_below(home.path()), before);

    let (code, out, err) = erase(&home, &["--yes"]);
    assert_eq!((code, &*err), (Some(0), ""));
    for said in [
        "host-key",
        "knowledge.json",
        "last-good-policy.toml (a copy of the policy",
        "traces",
        "packed (traces that sim has packed; files: 2; bytes: 16)",
        "stays: ",
    ] {
        assert!(out.contains(said), "{out}");
    }
    let left = files_below(home.path());
    assert_eq!(left, stays(&report), "what stays was told");
    let expect = [
        "cache/tab-orchestrator/packed/notes.txt",
        "config/tab-orchestrator/policy.toml",
        "state/tab-orchestrator/privacy.json",
        "state/tab-orchestrator/traces/notes.txt",
    ];
    assert_eq!(left, expect);
    fs::remove_file(home.traces().join("notes.txt")).unwrap();
    fs::remove_file(home.packed().path().join("notes.txt")).unwrap();
    let (code, out, _) = erase(&home, &["--yes", "--json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["sessions"]), (Some(0), &json!([])));
    assert!(!home.traces().exists() && !home.packed().path().exists());
    assert!(erase(&home, &[]).1.contains("nothing to erase"));
    assert_eq!(erase(&home, &["--yes", "--dry-run"]).0, Some(2));
}

#[test]
fn the_last_good_policy_stays_while_the_file_is_refused() {
    let home = Home::with_policy("protected_domains = [\"bank.test\"]\n");
    let (host, _) = Host::connect(&home, &new_session());
    host.close();
    let last_good = home.state().join("last-good-policy.toml");
    let spoil: [fn(&Path); 2] = [
        |path| fs::write(path, "protected_domains = 3").unwrap(),
        |path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("elsewhere.toml", path).unwrap();
        },
    ];
    for spoil in spoil {
        spoil(&home.policy_file());
        let (code, out, _) = erase(&home, &["--yes"]);
        assert_eq!(code, Some(0));
        assert!(
            out.contains(&format!("stays: {}", last_good.display())),
            "{out}"
        );
        assert!(last_good.exists());
    }
    fs::remove_file(home.policy_file()).unwrap();
    assert_eq!(erase(&home, &["--yes"]).0, Some(0));
    assert!(!last_good.exists(), "it would serve no more");
}

#[test]
fn a_file_in_place_of_the_cache_keeps_nothing_from_being_erased() {
    for place in [
        "cache",
        "cache/tab-orchestrator",
        "cache/tab-orchestrator/packed",
    ] {
        let home = Home::new();
        write_old_trace(&home, 1, 1);
        let place = home.path().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, "mine").unwrap();
        let (code, _, err) = erase(&home, &["--yes"]);
        assert_eq!((code, &*err), (Some(0), ""), "{place:?}");
        assert!(!home.traces().exists() && place.exists());
    }
}

#[test]
fn any_number_of_sessions_can_be_erased() {
    let home = Home::new();
    for days in 1..=100 {
        write_old_trace(&home, days, 1);
    }
    let few_open_files = format!("ulimit -n 50; exec {PROGRAM} erase --yes");
    let output = Command::new("sh")
        .args(["-c", &few_open_files])
        .envs(
            home.command()
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), &*said), (Some(0), ""));
    assert!(!home.traces().exists());
}

#[test]
fn what_cannot_be_erased_is_told_and_the_rest_goes() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    choose(&mut host, "site");
    host.log_events(&[started(&["one.test"])]);
    host.close();
    let key = home.state().join("host-key");
    fs::remove_file(&key).unwrap();
    fs::create_dir(&key).unwrap();
    let (code, _, err) = erase(&home, &["--yes"]);
    assert_eq!(code, Some(3));
    assert!(err.contains("host-key"), "{err}");
    assert!(!home.traces().exists());
}

// ---- The property -----------------------------------------------------------------------------

/// Something that happens.
#[derive(Clone, Debug)]
enum Act {
    Open(i64, String),
    Navigate(i64, String),
    Activate(i64),
    Close(i64),
    Wait(i64),
}

/// Sites, some of which are their only host.
const SITES: [&str; 6] = [
    "qalpha.test",
    "qbeta.co.uk",
    "qgamma.github.io",
    "xn--qdelta-3ya.example",
    "qnas",
    "10.77.88.99",
];

fn sites() -> impl Strategy<Value = String> + Clone {
    prop::sample::select(SITES.to_vec()).prop_map(str::to_owned)
}

fn hosts() -> impl Strategy<Value = String> + Clone {
    let sub = prop::sample::select(vec!["", "www.", "qdocs.", "a.qdocs."]);
    (sub, sites()).prop_map(|(sub, site)| {
        let has_hosts_below =
            site.contains(|byte: char| byte.is_ascii_alphabetic()) && site.contains('.');
        if has_hosts_below {
            format!("{sub}{site}")
        } else {
            site
        }
    })
}

fn acts(host: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = Vec<Act>> {
    let tab = 1..8_i64;
    let act = prop_oneof![
        2 => (tab.clone(), host.clone()).prop_map(|(tab, host)| Act::Open(tab + 10, host)),
        2 => (tab.clone(), host).prop_map(|(tab, host)| Act::Navigate(tab, host)),
        3 => tab.clone().prop_map(Act::Activate),
        1 => tab.prop_map(Act::Close),
        4 => (1_000..120_000_i64).prop_map(Act::Wait),
    ];
    prop::collection::vec(act, 1..25)
}

fn protecting(domains: &[String]) -> PolicyDocument {
    let eager = PolicyDocument::from_toml(EAGER_POLICY).unwrap();
    PolicyDocument::new(Settings {
        protected_domains: domains.to_vec(),
        ..Settings::from(eager)
    })
    .unwrap()
}

/// A session that was written under some names.
struct Written {
    lines: Vec<Line>,
    bytes: String,
    /// What every tab really showed, by the `n` of the event that told it.
    told: BTreeMap<u64, (i64, String)>,
}

impl Written {
    /// Lives through a session and reads it back, with every decision and checkpoint verified.
    fn live(naming: &Naming, policy: &PolicyDocument, open: &[String], acts: &[Act]) -> Self {
        let mut bench = Bench::new();
        bench.naming = naming.clone();
        bench.policy = policy.clone();
        bench.now = Reading {
            wall_ms: 1_767_323_045_000,
            ..bench.now
        };
        let mut told = BTreeMap::new();
        let mut session = bench.open(Mode::Enforce);
        let hosts: Vec<&str> = open.iter().map(String::as_str).collect();
        let mut first = started(&hosts);
        for tab in first["tabs"].as_array_mut().unwrap() {
            tab["last_accessed"] = (bench.now.wall_ms - 3_600_000).into();
        }
        bench.take(&mut session, &[first]).unwrap();
        for act in acts {
            let events = match act {
                Act::Wait(ms) => {
                    bench.pass(*ms);
                    bench.tick(&mut session).unwrap();
                    continue;
                }
                Act::Open(id, host) => vec![
                    json!({"type": "tab_opened", "tab": id, "win": 1, "host": host, "loading": false}),
                ],
                Act::Navigate(id, host) => vec![
                    json!({"type": "tab_navigated", "tab": id, "host": host}),
                    json!({"type": "tab_loaded", "tab": id}),
                ],
                Act::Activate(id) => vec![json!({"type": "tab_activated", "tab": id, "win": 1})],
                Act::Close(id) => vec![json!({"type": "tab_closed", "tab": id})],
            };
            if let Act::Open(id, host) | Act::Navigate(id, host) = act {
                told.insert(session.last_n() + 1, (*id, host.clone()));
            }
            bench.take(&mut session, &events).unwrap();
        }
        bench.pass(90_000);
        bench.tick(&mut session).unwrap();
        for order in bench.sent.take() {
            if order["type"] == "discard_tab" {
                let host = order["host"].as_str().unwrap();
                assert!(!policy.protects(host), "{host}");
            }
        }
        bench.close(session);
        let lines = read_trace(bench.folder.path()).lines;
        let bytes = bytes_below(bench.folder.path());
        Self { lines, bytes, told }
    }

    /// What was decided, without the hash of the policy, whose lists are written in other words.
    fn decisions(&self) -> Vec<engine::Decision> {
        self.lines
            .iter()
            .filter_map(|line| match &line.body {
                Body::Decision(it) => Some(engine::Decision {
                    policy_hash: String::new(),
                    ..it.clone().into()
                }),
                _ => None,
            })
            .collect()
    }

    /// Checks that no decision hits a tab that showed a protected host.
    fn spares_what_is_protected(&self, policy: &PolicyDocument, open: &[String]) {
        let mut shown: BTreeMap<i64, &String> = (1..).zip(open).collect();
        for line in &self.lines {
            if let Some((tab, host)) = line.n.and_then(|n| self.told.get(&n)) {
                shown.insert(*tab, host);
            }
            if let Body::Decision(decision) = &line.body {
                let host = shown[&decision.tab.0];
                assert!(!policy.protects(host), "{host} was to be discarded");
            }
        }
    }
}

fn namings() -> [Naming; 3] {
    let key = || HostKey::new([9; 32]);
    [
        Naming::Hostname,
        Naming::Site(key()),
        Naming::KeyedHash(key()),
    ]
}

#[test]
fn no_name_is_written_that_the_mode_hides_and_no_guard_is_weaker_for_it() {
    let decided = AtomicUsize::new(0);
    let spared = AtomicUsize::new(0);
    let domains = prop::collection::vec(
        ("\\.?", hosts()).prop_map(|(dot, host)| format!("{dot}{host}")),
        0..4,
    );
    let open = prop::collection::vec(hosts(), 4..8);
    let config = Config::with_cases(40);
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(domains, open, acts(hosts())), |(domains, open, acts)| {
        let policy = protecting(&domains);
        let told = acts.iter().filter_map(|act| match act {
            Act::Open(_, host) | Act::Navigate(_, host) => Some(host),
            _ => None,
        });
        let listed = domains
            .iter()
            .map(|domain| domain.trim_start_matches('.').to_owned());
        let hosts: Vec<String> = told.cloned().chain(open.clone()).chain(listed).collect();
        let [plain, site, hashed] =
            namings().map(|naming| Written::live(&naming, &policy, &open, &acts));
        for written in [&plain, &site, &hashed] {
            written.spares_what_is_protected(&policy, &open);
        }
        assert_eq!(site.decisions(), hashed.decisions());
        for host in &hosts {
            let of_site = recorder::site_of(host);
            assert!(
                !hashed.bytes.contains(of_site),
                "{of_site} in the hashed log"
            );
            assert!(
                of_site == host || !site.bytes.contains(host),
                "{host} in the log of sites"
            );
        }
        assert!(!hashed.bytes.contains("qdocs") && !site.bytes.contains("qdocs"));
        decided.fetch_add(hashed.decisions().len(), Ordering::Relaxed);
        let is_protected = |host: &&String| policy.protects(host);
        spared.fetch_add(open.iter().filter(is_protected).count(), Ordering::Relaxed);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}\n{runner}"));
    // It would hold of sessions in which nothing happens, too.
    let (decided, spared) = (decided.into_inner(), spared.into_inner());
    assert!(decided > 50 && spared > 10, "{decided} {spared}");
}

#[test]
fn where_every_host_is_a_site_all_modes_decide_alike() {
    let domains = prop::collection::vec(sites().prop_map(|site| format!(".{site}")), 0..3);
    let open = prop::collection::vec(sites(), 4..8);
    let mut runner = TestRunner::new(Config::with_cases(20));
    let result = runner.run(&(domains, open, acts(sites())), |(domains, open, acts)| {
        let policy = protecting(&domains);
        let [plain, site, hashed] =
            namings().map(|naming| Written::live(&naming, &policy, &open, &acts).decisions());
        assert_eq!(plain, site);
        assert_eq!(site, hashed);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}\n{runner}"));
}

/// The check of the property can fail: under their own names all hosts are there.
#[test]
fn a_plain_log_has_the_names() {
    let open = ["www.qalpha.test".to_owned()];
    let written = Written::live(&Naming::Hostname, &protecting(&[]), &open, &[]);
    assert!(written.bytes.contains("www.qalpha.test"));
}
