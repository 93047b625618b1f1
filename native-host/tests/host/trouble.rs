//! Disks that are full, folders that cannot be written, logs that another host holds.

use std::fs;

use recorder::Body;
use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value, json};

use crate::client::{EAGER_POLICY, Home, Host, hello, new_session, session_started};

fn opened(tab: i64) -> Value {
    json!({"type": "tab_opened", "tab": tab, "win": 1, "host": "new.example", "scheme": "https"})
}

#[test]
fn without_a_log_nothing_is_taken_and_the_hello_waits() {
    let home = Home::new();
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.traces(), "no folder").unwrap();
    let mut host = Host::start(&home);
    host.send(&hello(&new_session()));
    let error = host.expect_error("log_unavailable");
    assert!(
        error["message"].as_str().unwrap().contains("traces"),
        "{error}"
    );

    host.send_events(&[session_started(3)]);
    let status = host.status();
    assert_eq!(status["log"]["state"], "failed");
    assert!(!status["log"]["error"].as_str().unwrap().is_empty());
    assert_eq!(
        (&status["level"], &status["session"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(host.ask(json!({"type": "ping"}))["type"], "pong");
    assert_eq!(host.ask(json!({"type": "policy"}))["type"], "policy");
    for request in [
        json!({"type": "set_mode", "mode": "enforce"}),
        json!({"type": "pause"}),
        json!({"type": "change_policy", "policy": {"ttl_minutes": 5}}),
        json!({"type": "explain", "tab": 1}),
    ] {
        assert_eq!(host.ask(request)["code"], "log_unavailable");
    }

    fs::remove_file(home.traces()).unwrap();
    let hello = host.expect("hello");
    assert_eq!(
        (&hello["last_n"], &hello["mode"]),
        (&json!(0), &json!("observe"))
    );
    host.go_back_to(0);
    host.log_events(&[session_started(3)]);
    assert_eq!(host.passed("ack"), 0, "nothing was acknowledged before");
    host.close();
    assert_eq!(home.read_trace().numbers(), [1]);
}

#[test]
fn a_log_that_is_there_at_last_begins_with_what_it_was_too_late_for() {
    let home = Home::new();
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.traces(), "no folder").unwrap();
    let mut host = Host::start(&home);
    host.send(&hello(&new_session()));
    host.expect_error("log_unavailable");
    host.send_events(&[session_started(3)]);
    fs::remove_file(home.traces()).unwrap();
    host.expect("hello");
    // On its way before the hello was heard.
    host.send_events(&[opened(10)]);
    assert_eq!(host.expect_error("event_gap")["expected"], 1);
    host.go_back_to(0);
    host.log_events(&[session_started(3), opened(10)]);
    host.close();
    assert_eq!(home.read_trace().numbers(), [1, 2]);
}

#[test]
fn a_log_begins_with_the_event_that_the_hello_names() {
    let home = Home::new();
    let mut host = Host::start(&home);
    let mut greeting = hello(&new_session());
    greeting["first_n"] = json!(7);
    host.send(&greeting);
    assert_eq!(host.expect("hello")["last_n"], 0);
    host.go_back_to(7);
    host.send_events(&[opened(10)]);
    assert_eq!(host.expect_error("event_gap")["expected"], 7);
    host.go_back_to(6);
    host.log_events(&[session_started(3), opened(10)]);
    host.close();
    assert_eq!(home.read_trace().numbers(), [7, 8]);
}

#[test]
fn a_host_that_never_had_a_log_says_so_with_its_exit_code() {
    let home = Home::new();
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.traces(), "no folder").unwrap();
    let mut host = Host::start(&home);
    host.send(&hello(&new_session()));
    host.expect_error("log_unavailable");
    host.hang_up();
    assert_eq!(host.await_end().0, Some(3));
}

const NO_LIMIT: Rlimit = Rlimit {
    current: None,
    maximum: None,
};

/// Lets the host's files grow by so many bytes from here, and no further.
fn limit_growth(home: &Home, host: &Host, bytes: u64) {
    let length = |path: std::path::PathBuf| fs::metadata(path).unwrap().len();
    let log = fs::read_dir(home.traces())
        .unwrap()
        .map(|entry| length(entry.unwrap().path()));
    let present = log.max().unwrap();
    let limit = Rlimit {
        current: Some(present + bytes),
        maximum: None,
    };
    prlimit(Some(host.pid()), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_full_disk_stops_everything_and_room_lets_it_go_on() {
    let home = Home::with_policy(EAGER_POLICY);
    let (mut host, first) = Host::connect(&home, &new_session());
    let acknowledged = host.log_events(&[session_started(4)]);
    // Whatever comes next is cut in its middle.
    limit_growth(&home, &host, 40);
    host.send_events(&[opened(10), opened(11)]);
    let error = host.expect_error("log_unavailable");
    assert!(error["fix"].as_str().unwrap().contains("room"), "{error}");
    host.send_events(&[json!({"type": "prune_requested"})]);
    assert_eq!(host.status()["log"]["state"], "failed");
    // It has tried again in vain.
    host.expect_error("log_unavailable");
    assert_eq!((host.passed("ack"), host.passed("discard_tab")), (0, 0));

    prlimit(Some(host.pid()), Resource::Fsize, NO_LIMIT).unwrap();
    let again = host.expect("hello");
    assert_eq!(again["session"], first["session"]);
    assert_eq!(again["last_n"], acknowledged);
    host.go_back_to(acknowledged);
    let n = host.log_events(&[session_started(4), opened(10), opened(11)]);
    assert_eq!(host.status()["tabs"], 6);
    host.close();

    let trace = home.read_trace();
    assert!(trace.is_sealed);
    assert_eq!(trace.numbers(), (1..=n).collect::<Vec<_>>());
    assert_eq!(
        trace.torn_bytes, 0,
        "no line is glued onto the stump of another"
    );
}

#[test]
fn samples_that_could_not_be_logged_are_told_as_dropped() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(2)]);
    limit_growth(&home, &host, 40);
    // A sample finds it full, and two tries later it still is: by the next one 7 s are gone.
    for _ in 0..3 {
        host.expect_error("log_unavailable");
    }
    prlimit(Some(host.pid()), Resource::Fsize, NO_LIMIT).unwrap();
    host.expect("hello");
    host.close();
    let trace = home.read_trace();
    let [line] = trace.of_type("dropped")[..] else {
        panic!()
    };
    let Body::Dropped(dropped) = &line.body else {
        panic!()
    };
    assert_eq!((dropped.from, &*dropped.why), (None, "log_unavailable"));
    assert!((1..=3).contains(&dropped.count), "{}", dropped.count);
}

#[test]
fn a_log_that_another_host_writes_is_waited_for() {
    let home = Home::new();
    let session = new_session();
    let (mut first, opened_by_first) = Host::connect(&home, &session);
    first.log_events(&[session_started(3)]);
    let mut second = Host::start(&home);
    second.send(&hello(&session));
    let error = second.expect_error("log_locked");
    assert_eq!(error["pid"], first.child.id());
    first.log_events(&[opened(10)]);
    first.close();
    let hello = second.expect("hello");
    assert_eq!(hello["session"], opened_by_first["session"]);
    assert_eq!(hello["last_n"], 2);
    second.close();
    assert_eq!(home.read_trace().numbers(), [1, 2]);
}

/// Starts two hosts for one session at once. One of them writes; the other says which one that is.
fn start_together(home: &Home, session: &str) {
    let mut hosts = [Host::start(home), Host::start(home)];
    for host in &mut hosts {
        host.send(&hello(session));
    }
    let answers = hosts.each_mut().map(|host| {
        host.expect_that("hello or log_locked", |it| {
            it["type"] == "hello" || it["code"] == "log_locked"
        })
    });
    let [first, second] = &mut hosts;
    let (writer, other, refusal) = match [&answers[0]["type"], &answers[1]["type"]] {
        [one, two] if one == "hello" && two == "error" => (first, second, &answers[1]),
        [one, two] if one == "error" && two == "hello" => (second, first, &answers[0]),
        _ => panic!("not exactly one of two hosts writes: {answers:?}"),
    };
    assert_eq!(refusal["pid"], writer.child.id());
    let n = writer.log_events(&[session_started(3), opened(10)]);
    other.hang_up();
    assert_eq!(other.await_end().0, Some(3), "it never had a log");
    writer.hang_up();
    assert_eq!(writer.await_end().0, Some(0));
    let trace = home.read_trace();
    assert_eq!(trace.numbers(), (1..=n).collect::<Vec<_>>());
    assert!(trace.is_sealed);
}

#[test]
fn of_two_hosts_that_are_started_together_one_writes_and_the_other_says_who() {
    // They wait for three seconds: most of that side by side.
    for _ in 0..4 {
        std::thread::scope(|scope| {
            for _ in 0..25 {
                scope.spawn(|| start_together(&Home::new(), &new_session()));
            }
        });
    }
}

#[test]
fn a_log_that_was_taken_away_is_begun_anew() {
    let home = Home::new();
    let (mut host, first) = Host::connect(&home, &new_session());
    let acknowledged = host.log_events(&[session_started(2)]);
    limit_growth(&home, &host, 40);
    host.send_events(&[opened(10)]);
    host.expect_error("log_unavailable");
    fs::remove_dir_all(home.traces()).unwrap();
    prlimit(Some(host.pid()), Resource::Fsize, NO_LIMIT).unwrap();

    let second = host.expect("hello");
    assert_ne!(second["session"], first["session"]);
    assert_eq!(second["last_n"], 0);
    host.go_back_to(acknowledged);
    let n = host.log_events(&[opened(10), session_started(3)]);
    host.close();
    assert_eq!(home.read_trace().numbers(), [n - 1, n]);
}
