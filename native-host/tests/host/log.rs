//! The log: every acknowledged event once, whatever happens to the host.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use recorder::{Body, ResumeReason};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{
    EAGER_POLICY, Home, Host, discarded, new_session, read_trace, session_started,
};

fn opened(tab: i64) -> Value {
    json!({"type": "tab_opened", "tab": tab, "win": 1, "host": "new.example", "scheme": "https"})
}

#[test]
fn an_event_is_in_the_log_once_and_before_it_is_acknowledged() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let n = host.log_events(&[session_started(3), opened(10), opened(11)]);
    assert_eq!(n, 3);
    assert_eq!(
        home.read_trace().numbers(),
        [1, 2, 3],
        "it was acknowledged"
    );

    // Sent again, some of it new: the new is taken.
    host.go_back_to(1);
    host.log_events(&[opened(10), opened(11), opened(12)]);
    // A gap: nothing from there on is taken.
    host.go_back_to(6);
    host.send_events(&[opened(14)]);
    assert_eq!(host.expect_error("event_gap")["expected"], 5);
    host.go_back_to(4);
    host.log_events(&[opened(13), opened(14)]);
    assert_eq!(host.status()["tabs"], 8);
    host.close();
    assert_eq!(home.read_trace().numbers(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_bad_event_is_told_as_dropped_and_the_rest_taken() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(2)]);
    let n = host.send_events(&[
        opened(10),
        json!({"type": "tab_closed"}),
        json!({"type": "metrics", "ram_total": 1}),
        json!({"type": "tab_navigated", "tab": 10, "host": "a.example/path", "scheme": "https"}),
        opened(11),
    ]);
    for n in 3..=5 {
        assert_eq!(host.expect_error("bad_event")["n"], n);
    }
    host.expect_ack(n);
    host.send(&json!({"type": "events", "events": [{"type": "tab_closed", "tab": 11}]}));
    host.expect_error("bad_message");
    host.close();

    let trace = home.read_trace();
    assert_eq!(trace.numbers(), [1, 2, 6]);
    let dropped = trace.of_type("dropped");
    let dropped: Vec<_> = dropped
        .iter()
        .map(|line| match &line.body {
            Body::Dropped(it) => (it.from, it.count, it.why.as_str()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(dropped, [3, 4, 5].map(|n| (Some(n), 1, "bad_event")));
}

#[test]
fn lost_events_are_told_and_counted_on_from() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(2), opened(10)]);
    // The log has 1 and 2 already: 3 to 7 are lost.
    host.send(&json!({"type": "lost", "from": 1, "count": 7, "why": "outbox_full"}));
    host.expect_ack(7);
    host.send(&json!({"type": "lost", "from": 2, "count": 3, "why": "outbox_full"}));
    host.send(&json!({"type": "lost", "from": 12, "count": 1, "why": "outbox_full"}));
    assert_eq!(host.expect_error("event_gap")["expected"], 8);
    // Why is one of three words: others could tell of a page.
    host.send(&json!({"type": "lost", "from": 8, "count": 1, "why": "https://a.example/"}));
    host.expect_error("bad_message");
    host.go_back_to(7);
    host.log_events(&[session_started(4)]);
    host.close();

    let trace = home.read_trace();
    assert_eq!(trace.numbers(), [1, 2, 8]);
    let [line] = trace.of_type("dropped")[..] else {
        panic!()
    };
    let Body::Dropped(dropped) = &line.body else {
        panic!()
    };
    assert_eq!(
        (dropped.from, dropped.count, &*dropped.why),
        (Some(3), 5, "outbox_full")
    );
}

#[test]
fn an_event_that_waited_keeps_its_time_and_none_lies_in_the_future() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(2)]);
    let at = |tab, at_ms| json!({"type": "tab_closed", "tab": tab, "at_ms": at_ms});
    let before = crate::client::now_ms();
    std::thread::sleep(Duration::from_millis(60));
    host.log_events(&[
        at(10, before + 30),
        at(11, before),
        at(12, before + 86_400_000),
    ]);
    host.close();

    let trace = home.read_trace();
    let times: Vec<i64> = trace
        .of_type("tab_closed")
        .iter()
        .map(|line| line.t_ms)
        .collect();
    assert!(times[0] < before + 60, "it keeps its time");
    assert_eq!(times[1], times[0], "the log never goes back");
    assert!(
        times[2] < before + 10_000,
        "a clock that is ahead does not take the log ahead"
    );
}

#[test]
fn a_killed_host_is_gone_on_from_with_nothing_lost_and_nothing_twice() {
    let home = Home::with_policy(EAGER_POLICY);
    let session = new_session();
    let (mut host, first) = Host::connect(&home, &session);
    host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    host.log_events(&[session_started(6)]);
    host.send_events(&[json!({"type": "prune_requested"})]);
    let order = host.expect("discard_tab");
    let acknowledged = host.log_events(&discarded(&order, 102));
    // Sent and not acknowledged: it may be in the log or not.
    host.send_events(&[opened(10), opened(11)]);
    host.kill();
    let (before, was_sealed) = (home.read_trace(), home.read_trace().is_sealed);
    assert!(!was_sealed);

    let (mut host, second) = Host::connect(&home, &session);
    assert_eq!(second["session"], first["session"]);
    assert_eq!(second["mode"], "enforce");
    let last_n = second["last_n"].as_u64().unwrap();
    assert!(last_n >= acknowledged, "{last_n} of {acknowledged}");
    // What the host before decided is known, and not ordered again.
    let status = host.status();
    assert_eq!(status["recent"][1]["tab"], 102);
    assert_eq!(status["recent"][1]["outcome"], "discarded");
    assert_eq!(host.passed("discard_tab"), 0);
    host.go_back_to(acknowledged);
    let n = host.log_events(&[opened(10), opened(11), opened(12)]);
    assert_eq!(host.status()["tabs"], 9);
    host.close();

    let trace = home.read_trace();
    assert!(trace.is_sealed);
    assert_eq!(trace.numbers(), (1..=n).collect::<Vec<_>>());
    assert_eq!(
        trace.lines[..before.lines.len()],
        before.lines[..],
        "no line is rewritten"
    );
    let [line] = trace.of_type("log_resumed")[..] else {
        panic!()
    };
    let Body::LogResumed(resumed) = &line.body else {
        panic!()
    };
    assert_eq!(
        (resumed.last_n, resumed.why),
        (last_n, ResumeReason::HostRestarted)
    );
}

#[test]
fn a_torn_line_is_set_aside() {
    let home = Home::new();
    let session = new_session();
    let (mut host, _) = Host::connect(&home, &session);
    host.log_events(&[session_started(2)]);
    host.kill();
    let file = fs::read_dir(home.traces())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes.extend_from_slice(br#"{"type":"tab_closed","seq":99,"#);
    fs::write(&file, bytes).unwrap();
    assert_eq!(home.read_trace().torn_bytes, 30);

    let (mut host, _) = Host::connect(&home, &session);
    host.log_events(&[opened(10)]);
    host.close();
    let trace = home.read_trace();
    assert_eq!((trace.torn_bytes, trace.numbers()), (0, vec![1, 2]));
    let Body::LogResumed(resumed) = &trace.of_type("log_resumed")[0].body else {
        panic!()
    };
    assert_eq!(resumed.torn_bytes, 30);
}

#[test]
fn a_damaged_log_is_left_as_it_is_and_a_new_one_begun() {
    let home = Home::new();
    let session = new_session();
    let (mut host, first) = Host::connect(&home, &session);
    host.log_events(&[session_started(2)]);
    host.close();
    let file = fs::read_dir(home.traces())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("observe", "enforce", 1)).unwrap();

    let (mut host, second) = Host::connect(&home, &session);
    assert_ne!(second["session"], first["session"]);
    assert_eq!(second["last_n"], 0);
    // It has acknowledged 1 to the damaged log, and goes on counting.
    host.go_back_to(1);
    let n = host.log_events(&[session_started(2)]);
    let new = host.status()["session"].as_str().unwrap().replace('-', "");
    host.close();
    let of_new = |path: &std::path::PathBuf| path.to_string_lossy().contains(&new);
    let mut files = fs::read_dir(home.traces())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    assert_eq!(read_trace(&files.find(of_new).unwrap()).numbers(), [n]);
}

#[test]
fn whatever_ends_the_host_the_log_is_sealed_within_a_second() {
    #[track_caller]
    fn check(end: impl FnOnce(&mut Host)) {
        let home = Home::new();
        let (mut host, _) = Host::connect(&home, &new_session());
        let n = host.log_events(&[session_started(50)]);
        // Not acknowledged yet when the end comes.
        let last = host.send_events(&[opened(100), opened(101)]);
        host.status();
        end(&mut host);
        let (code, took) = host.await_end();
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(1), "{took:?}");
        let trace = home.read_trace();
        assert!(trace.is_sealed);
        assert_eq!(trace.numbers(), (n..=last).collect::<Vec<_>>());
    }
    check(Host::hang_up);
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        check(|host| kill_process(host.pid(), signal).unwrap());
    }
}

#[test]
fn a_worker_that_comes_back_goes_on_with_its_log() {
    let home = Home::new();
    let session = new_session();
    let (mut host, first) = Host::connect(&home, &session);
    host.log_events(&[session_started(3)]);
    host.close();
    let (mut host, second) = Host::connect(&home, &session);
    assert_eq!(
        (&second["session"], &second["last_n"]),
        (&first["session"], &json!(1))
    );
    host.log_events(&[opened(10)]);
    host.close();

    let trace = home.read_trace();
    assert_eq!(trace.numbers(), [1, 2]);
    assert_eq!(trace.of_type("log_opened").len(), 2);
    let Body::LogResumed(resumed) = &trace.of_type("log_resumed")[0].body else {
        panic!()
    };
    assert_eq!(resumed.why, ResumeReason::WorkerRestarted);
    assert_eq!(
        trace.of_type("policy_changed").len(),
        1,
        "nothing was changed meanwhile"
    );
}

#[test]
fn what_a_session_learnt_is_carried_into_the_next() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let visit = |tab| json!({"type": "tab_activated", "tab": tab, "win": 1});
    host.log_events(&[session_started(3), visit(2), visit(1), visit(2), visit(1)]);
    host.close();
    let before = home.read_trace();
    fs::remove_dir_all(home.traces()).unwrap();

    let (host, hello) = Host::connect(&home, &new_session());
    host.close();
    let trace = home.read_trace();
    assert_eq!(hello["last_n"], 0);
    let types: Vec<_> = trace
        .lines
        .iter()
        .map(|line| line.body.type_name())
        .collect();
    let beginning = [
        "log_opened",
        "policy_changed",
        "knowledge_carried",
        "mode_changed",
    ];
    assert_eq!(types[..4], beginning);
    let Body::KnowledgeCarried(carried) = &trace.lines[2].body else {
        panic!()
    };
    let known = carried
        .hosts
        .iter()
        .find(|known| known.host == "host-2.example")
        .unwrap();
    assert_eq!(known.familiarity, 2, "{:?}", before.state_hash);
}

/// What a browser that is started now is told of the hosts.
fn carried(home: &Home) -> BTreeMap<String, u8> {
    fs::remove_dir_all(home.traces()).unwrap();
    Host::connect(home, &new_session()).0.close();
    let trace = home.read_trace();
    let carried = trace.of_type("knowledge_carried");
    let [Body::KnowledgeCarried(carried)] =
        carried.iter().map(|line| &line.body).collect::<Vec<_>>()[..]
    else {
        panic!("{carried:?}")
    };
    (carried.hosts.iter())
        .map(|known| (known.host.clone(), known.familiarity))
        .collect()
}

#[test]
fn what_each_of_two_browsers_learnt_is_kept_in_whatever_order_they_end() {
    for order in [[0, 1], [1, 0]] {
        let home = Home::new();
        let visit = |tab| json!({"type": "tab_activated", "tab": tab, "win": 1});
        let (mut seldom, _) = Host::connect(&home, &new_session());
        let (mut often, _) = Host::connect(&home, &new_session());
        seldom.log_events(&[session_started(3), opened(10), visit(10), visit(2)]);
        let visits = [visit(2), visit(1), visit(2), visit(1)];
        often.log_events(&[session_started(2)]);
        often.log_events(&visits);
        let mut hosts = [Some(seldom), Some(often)];
        for index in order {
            hosts[index].take().unwrap().close();
        }
        let carried = carried(&home);
        assert_eq!(carried.get("new.example"), Some(&1), "{carried:?}");
        assert_eq!(carried.get("host-2.example"), Some(&2), "{carried:?}");
    }
}

#[test]
fn browsers_that_end_at_the_same_moment_keep_what_each_has_learnt() {
    let home = Home::new();
    let mut hosts: Vec<Host> = (0..12)
        .map(|browser| {
            let (mut host, _) = Host::connect(&home, &new_session());
            let mut tab = opened(10);
            tab["host"] = format!("browser-{browser}.example").into();
            let visit = json!({"type": "tab_activated", "tab": 10, "win": 1});
            host.log_events(&[session_started(1), tab, visit]);
            host
        })
        .collect();
    for host in &mut hosts {
        host.hang_up();
    }
    for host in hosts {
        host.close();
    }
    let carried = carried(&home);
    assert_eq!(carried.len(), 12 + 1, "{carried:?}");
}

#[test]
fn nobody_else_can_read_what_is_kept() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    host.log_events(&[session_started(2)]);
    host.close();
    let mut open = vec![home.state(), home.config().join("tab-orchestrator")];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let metadata = fs::metadata(&path).unwrap();
        let expect = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            metadata.permissions().mode() & 0o777,
            expect,
            "{}",
            path.display()
        );
        files += i32::from(metadata.is_file());
        if metadata.is_dir() {
            open.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    assert!(files >= 5, "{files}");
}

#[test]
fn a_host_that_is_killed_again_and_again_loses_nothing_that_it_acknowledged() {
    let home = Home::with_policy(EAGER_POLICY);
    let session = new_session();
    let (mut sent, mut acknowledged) = (0, 0);
    for round in 0..15 {
        let (mut host, hello) = Host::connect(&home, &session);
        let last_n = hello["last_n"].as_u64().unwrap();
        assert!(
            (acknowledged..=sent).contains(&last_n),
            "round {round}: the log has {last_n}, acknowledged were {acknowledged} of {sent}"
        );
        // The extension resends and goes on; an order may be on its way when the end comes.
        host.go_back_to(last_n);
        host.send_events(&[session_started(5)]);
        for tab in 0..round * 7 {
            host.send_events(&[
                opened(100 + tab),
                json!({"type": "tab_closed", "tab": 100 + tab}),
            ]);
        }
        sent = host.send_events(&[json!({"type": "prune_requested"})]);
        if round % 3 == 0 {
            host.expect_ack(last_n + 1);
            acknowledged = last_n + 1;
        } else if round % 3 == 1 {
            host.status();
        }
        host.kill();
    }
    let (host, hello) = Host::connect(&home, &session);
    host.close();
    let trace = home.read_trace();
    assert!(trace.is_sealed);
    let last_n = hello["last_n"].as_u64().unwrap();
    assert_eq!(trace.numbers(), (1..=last_n).collect::<Vec<_>>());
    assert_eq!(trace.of_type("log_resumed").len(), 15);
}
