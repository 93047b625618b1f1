//! The handshake, requests, and messages that are none.

use serde_json::{Value, json};

use crate::client::{EAGER_POLICY, Home, Host, discarded, hello, new_session, session_started};

#[test]
fn the_handshake_names_versions_log_and_policy() {
    let home = Home::new();
    let (mut host, hello) = Host::connect(&home, &new_session());
    assert_eq!(hello["protocol"], 1);
    assert_eq!(hello["engine"], engine::SEMANTICS);
    assert_eq!(hello["host_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(hello["last_n"], 0);
    assert_eq!(hello["mode"], "observe");
    assert_eq!(
        hello["policy_hash"],
        engine::PolicyDocument::default().hash()
    );

    assert_eq!(host.ask(json!({"type": "ping"}))["type"], "pong");
    host.log_events(&[session_started(3)]);
    let status = host.await_status("sample", |status| status["metrics"]["cpu"].is_number());
    assert_eq!(status["session"], hello["session"]);
    assert_eq!(status["tabs"], 3);
    assert_eq!(
        status["log"],
        json!({"state": "writing", "error": null, "synced_n": 1})
    );
    assert!(status["metrics"]["ram_total"].as_u64().unwrap() > 0);
    assert!(
        status["metrics"]["browser_rss"].as_u64().unwrap() > 0,
        "the test is the browser"
    );
    assert_eq!(status["cluster"]["tabs"], json!([1]));

    let explanation = host.ask(json!({"type": "explain", "tab": 1}));
    assert!(
        explanation["explanation"]["guards"]
            .as_array()
            .unwrap()
            .contains(&json!("ACTIVE"))
    );
    let unknown = host.ask(json!({"type": "explain", "tab": 77}));
    assert_eq!(
        (&unknown["type"], &unknown["explanation"]),
        (&json!("explanation"), &Value::Null)
    );

    host.send(&crate::client::hello(&new_session()));
    host.expect_error("bad_message");
    host.close();
    assert!(home.read_trace().is_sealed);
}

#[test]
fn the_first_message_must_be_a_hello() {
    let home = Home::new();
    let mut host = Host::start(&home);
    let error = host.ask(json!({"type": "status"}));
    assert_eq!(error["code"], "hello_expected");
    host.send(&hello(&new_session()));
    host.expect("hello");
    host.close();
}

#[test]
fn a_stranger_is_refused() {
    for origin in [
        "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/",
        "chrome-extension://kmlfpgoielmcmbgmfohfgkbbbikedcba/page.html",
        "https://example.org/",
    ] {
        let home = Home::new();
        let mut host = Host::start_for(&home, origin);
        host.expect_error("forbidden_origin");
        assert_eq!(host.await_end().0, Some(1), "{origin}");
        assert!(!home.traces().exists(), "{origin}");
    }
}

#[test]
fn a_hello_that_cannot_be_served_ends_the_connection() {
    #[track_caller]
    fn check(change: (&str, Value), code: &str) -> Value {
        let home = Home::new();
        let mut host = Host::start(&home);
        let mut hello = hello(&new_session());
        hello[change.0] = change.1;
        host.send(&hello);
        let error = host.expect_error(code);
        assert_eq!(host.await_end().0, Some(1));
        assert!(!home.traces().exists());
        error
    }
    check(("incognito", json!(true)), "private_window");
    let error = check(("protocol", json!([2, 3])), "protocol_mismatch");
    assert_eq!(
        (&error["protocol"], &error["fix"]),
        (&json!([1, 1]), &json!("update the host"))
    );
    let error = check(("protocol", json!([0, 0])), "protocol_mismatch");
    assert_eq!(error["fix"], "update the extension");
}

#[test]
fn what_is_no_message_is_answered_and_the_next_one_read() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let mut check = |length: u32, bytes: &[u8], code: &str| {
        host.send_frame(length, bytes);
        host.expect_error(code);
        assert_eq!(
            host.ask(json!({"type": "ping"}))["type"],
            "pong",
            "after {code}"
        );
    };
    let too_large = vec![b' '; (1 << 20) + 1];
    check((1 << 20) + 1, &too_large, "message_too_large");
    check(1, b"{", "not_json");
    check(0, b"", "not_json");
    check(2, b"\xff\xfe", "not_json");
    check(2, b"[]", "bad_message");
    check(15, br#"{"type":"sing"}"#, "unknown_type");
    check(17, br#"{"type":"events"}"#, "bad_message");
    // The largest that passes.
    let mut largest = br#"{"type":"ping","request":999}"#.to_vec();
    largest.resize(1 << 20, b' ');
    host.send_frame(1 << 20, &largest);
    assert_eq!(host.expect("pong")["request"], 999);
    host.close();
}

#[test]
fn a_stream_that_is_out_of_step_ends_the_connection_and_seals_the_log() {
    #[track_caller]
    fn check(length: u32, bytes: &[u8]) {
        let home = Home::new();
        let (mut host, _) = Host::connect(&home, &new_session());
        host.log_events(&[session_started(2)]);
        host.send_frame(length, bytes);
        host.hang_up();
        host.expect_error("framing");
        assert_eq!(host.await_end().0, Some(3));
        assert!(home.read_trace().is_sealed);
    }
    check(100, b"{\"type\"");
    check(u32::MAX, b"");
    check(64 * 1024 * 1024 + 1, b"");
}

#[test]
fn orders_come_one_at_a_time_and_are_followed_to_their_end() {
    let home = Home::with_policy(EAGER_POLICY);
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(5)]);
    host.send_events(&[json!({"type": "prune_requested"})]);
    let first = host.expect("discard_tab");
    assert_eq!(
        (&first["tab"], &first["host"]),
        (&json!(2), &json!("host-2.example"))
    );
    assert_eq!(first["in_focus"], false);
    assert!(
        first["reasons"]
            .as_array()
            .unwrap()
            .contains(&json!("REQUESTED"))
    );
    host.status();
    assert_eq!(
        host.passed("discard_tab"),
        0,
        "the second waits for the outcome of the first"
    );

    host.send_events(&discarded(&first, 102));
    let second = host.expect("discard_tab");
    assert_eq!(second["tab"], 3);
    host.log_events(&[json!({
        "type": "discard_outcome", "decision": second["decision"], "tab": 3, "ok": false,
        "why": "AUDIBLE",
    })]);

    let recent = |host: &mut Host| {
        let status = host.status();
        let rows = status["recent"].as_array().unwrap().iter();
        rows.map(|row| json!([row["tab"], row["host"], row["outcome"], row["why"]]))
            .collect::<Value>()
    };
    let refused = json!([3, "host-3.example", "refused", "AUDIBLE"]);
    let row = |outcome: &str| json!([102, "host-2.example", outcome, null]);
    assert_eq!(recent(&mut host), json!([refused, row("discarded")]));
    assert_eq!(host.status()["discarded"], 1);
    host.log_events(&[json!({"type": "tab_restored", "tab": 102})]);
    assert_eq!(recent(&mut host), json!([refused, row("returned")]));
    host.log_events(&[json!({"type": "tab_closed", "tab": 102})]);
    assert_eq!(recent(&mut host), json!([refused, row("closed")]));
    host.close();

    let trace = home.read_trace();
    assert_eq!(trace.of_type("decision").len(), 2);
    assert!(trace.is_sealed);
}

#[test]
fn what_one_discard_freed_is_measured() {
    const PAGE_BYTES: usize = 300 << 20;
    let home = Home::with_policy(EAGER_POLICY);
    let (mut host, _) = Host::connect(&home, &new_session());
    // This process is the browser. What it holds here is the tab.
    let page = vec![1_u8; PAGE_BYTES];
    host.log_events(&[session_started(2)]);
    // Somebody looks. By the time it answers once more it has measured what is held.
    host.status();
    host.status();
    host.send_events(&[json!({"type": "prune_requested", "tab": 2})]);
    let order = host.expect("discard_tab");
    drop(std::hint::black_box(page));
    host.log_events(&discarded(&order, 102));
    let status = host.await_status("measure", |status| !status["recent"][0]["bytes"].is_null());
    host.close();

    let trace = home.read_trace();
    let measured = trace.of_type("tab_memory");
    let recorder::Body::TabMemory(memory) = &measured[0].body else {
        panic!()
    };
    assert_eq!((measured.len(), memory.tab), (1, engine::TabId(102)));
    assert_eq!(status["recent"][0]["bytes"], memory.bytes);
    let share = memory.bytes as f64 / PAGE_BYTES as f64;
    assert!((0.7..1.3).contains(&share), "{} bytes", memory.bytes);
}

#[test]
fn observing_notes_what_it_would_have_done_and_orders_nothing() {
    let home = Home::with_policy(EAGER_POLICY);
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(5)]);
    let status = host.await_status("decision", |it| it["observed"]["decisions"] == 2);
    let expected = 2 * engine::DEFAULT_TAB_BYTES;
    assert_eq!(status["observed"]["bytes_expected"], expected);
    assert_eq!(status["recent"][1]["mode"], "observe");
    assert_eq!(status["recent"][1]["outcome"], Value::Null);
    host.log_events(&[json!({"type": "tab_activated", "tab": 2, "win": 1})]);
    assert_eq!(host.status()["recent"][1]["outcome"], "returned");
    assert_eq!(host.passed("discard_tab"), 0);
    host.close();
    assert_eq!(home.read_trace().of_type("decision").len(), 2);
}
