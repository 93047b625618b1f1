//! What is odd is found, and what is in order is left in peace.

use std::fs;

use engine::{DiscardedBy, Mode, TabId, WindowId};
use recorder::{
    Body, DiscardOutcome, DropReason, OrderDropped, TabActivated, TabChanged, TabClosed,
    TabDiscarded, TabLoaded, TabNavigated, TabRestored, WindowClosed,
};

use crate::commands::{check, edit, sim};
use crate::recording::{Recorded, Recording, short_of_memory, tab};

#[test]
fn what_is_in_order_is_left_in_peace() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let recorded = short_of_memory(mode).close();
        check(recorded.root(), &["check", "trace"], 0, &["nothing odd"]);
    }
}

#[track_caller]
fn found(what: impl FnOnce(&mut Recording) -> engine::Seq, kind: &str) {
    let mut recording = short_of_memory(Mode::Observe);
    what(&mut recording);
    let recorded = recording.kill();
    let kind = format!("\"kind\":\"{kind}\",\"count\":1");
    check(recorded.root(), &["check", "trace", "--json"], 1, &[&kind]);
}

#[test]
fn what_cannot_have_happened_is_found() {
    let one = TabId(1);
    let win = WindowId(1);
    found(
        |it| {
            it.ext(Body::TabLoaded(TabLoaded {
                tab: TabId(99),
                ms: None,
            }))
        },
        "unknown_tab",
    );
    found(
        |it| {
            it.ext(Body::TabClosed(TabClosed { tab: TabId(3) }));
            it.ext(Body::TabClosed(TabClosed { tab: TabId(3) }))
        },
        "closed_tab",
    );
    found(
        |it| {
            it.ext(Body::TabOpened(tab(50)));
            it.ext(Body::TabOpened(tab(50)))
        },
        "opened_twice",
    );
    let elsewhere = Body::TabActivated(TabActivated {
        tab: one,
        win: WindowId(7),
    });
    found(|it| it.ext(elsewhere), "wrong_window");
    found(
        |it| it.ext(Body::WindowClosed(WindowClosed { win: WindowId(9) })),
        "unknown_window",
    );
    found(
        |it| it.ext(Body::TabLoaded(TabLoaded { tab: one, ms: None })),
        "loaded_without_loading",
    );
    found(
        |it| it.ext(Body::TabRestored(TabRestored { tab: one })),
        "restored_not_discarded",
    );
    let by = DiscardedBy::Other;
    found(
        |it| {
            it.ext(Body::TabActivated(TabActivated { tab: one, win }));
            it.ext(Body::TabDiscarded(TabDiscarded { tab: one, by }))
        },
        "discarded_in_front",
    );
    let in_sight = TabChanged {
        in_sight: Some(true),
        ..TabChanged::new(TabId(3))
    };
    found(
        |it| {
            it.ext(Body::TabChanged(in_sight));
            it.ext(Body::TabDiscarded(TabDiscarded { tab: TabId(3), by }))
        },
        "discarded_in_front",
    );
    let outcome = DiscardOutcome {
        decision: engine::Seq(1),
        tab: one,
        ok: true,
        why: None,
    };
    found(
        |it| it.ext(Body::DiscardOutcome(outcome)),
        "outcome_without_decision",
    );
    let dropped = OrderDropped {
        decision: engine::Seq(1),
        tab: one,
        why: DropReason::Slept.to_string(),
    };
    found(
        |it| it.host(Body::OrderDropped(dropped)),
        "outcome_without_decision",
    );
    found(
        |it| {
            it.invent(engine::Seq(1), one);
            engine::Seq(0)
        },
        "output_out_of_place",
    );
    found(|it| it.wait(3_600_000).sample(40), "hole");
}

#[test]
fn what_no_trace_may_hold_is_found() {
    for (host, is_leak) in [
        ("example.org", false),
        ("example.org/path", true),
        ("example.org:8080", true),
        ("user@example.org", true),
        ("Example.org", true),
    ] {
        let mut recording = short_of_memory(Mode::Observe);
        recording.ext(Body::TabNavigated(TabNavigated {
            tab: TabId(1),
            host: Some(host.into()),
            scheme: None,
            protected: None,
        }));
        let recorded = recording.kill();
        let (exit_code, expect) = if is_leak {
            (1, "leak_host")
        } else {
            (0, "in_order")
        };
        check(
            recorded.root(),
            &["check", "trace", "--json"],
            exit_code,
            &[expect],
        );
    }
}

fn with_line(line: &str) -> Recorded {
    let recorded = short_of_memory(Mode::Observe).kill();
    let path = recorded.segment();
    let text = fs::read_to_string(&path).unwrap();
    let seq = text.lines().count();
    let line = line.replace("SEQ", &seq.to_string());
    fs::write(&path, text + &line + "\n").unwrap();
    recorded
}

#[test]
fn titles_in_fields_that_are_not_known_are_found() {
    let line = "{\"type\":\"window_opened\",\"seq\":SEQ,\"t_ms\":1767299999000,\"src\":\"ext\",\"win\":5,\"title\":\"My secret plans\"}";
    let expect = ["unknown_field", "leak_text", "My secret plans"];
    let recorded = with_line(line);
    check(recorded.root(), &["check", "trace", "--json"], 1, &expect);
    let line = "{\"type\":\"tab_hummed\",\"seq\":SEQ,\"t_ms\":1767299999000,\"src\":\"ext\",\"of\":{\"url\":\"https://example.org/?q=1\"}}";
    let recorded = with_line(line);
    check(
        recorded.root(),
        &["check", "trace", "--json"],
        1,
        &["unknown_type", "of.url"],
    );
}

#[test]
fn damage_is_told_with_the_way_out_by_every_verb() {
    let recorded = short_of_memory(Mode::Observe).close();
    edit(&recorded, "\"tab\":3", "\"tab\":4");
    let verbs: [&[&str]; 15] = [
        &["check", "trace"],
        &["verify", "trace"],
        &["info", "trace"],
        &["replay", "trace"],
        &["compare", "trace"],
        &["diff", "trace", "--with", "eager"],
        &["snapshot", "accept", "kept", "--traces", "."],
        &["explain", "trace", "--tab", "3"],
        &["cut", "trace", "--output", "cut"],
        &["anonymize", "trace"],
        &["stats", "trace"],
        &["convert", "trace", "converted.jsonl"],
        &[
            "sweep",
            "trace",
            "--vary",
            "ttl_minutes=1",
            "--output",
            "swept",
        ],
        &["sweep", "plan", "trace", "--vary", "ttl_minutes=1"],
        &["tune", "trace", "--output", "tuned"],
    ];
    for verb in verbs {
        let said = sim(recorded.root(), verb);
        assert!(
            said.contains("does not match: ")
                && said.contains("; «sim recover» tells what is left"),
            "{verb:?}: {said}"
        );
        assert_eq!(said.matches("sim recover").count(), 1, "{verb:?}: {said}");
        assert!(said.ends_with("exit code 3\n"), "{verb:?}: {said}");
    }
}

#[test]
fn a_torn_end_is_told_with_the_way_out() {
    let recorded = short_of_memory(Mode::Observe).kill();
    let mut bytes = fs::read(recorded.segment()).unwrap();
    bytes.truncate(bytes.len() - 9);
    fs::write(recorded.segment(), bytes).unwrap();
    let note = "are an unfinished line and are passed over; «sim recover» tells what is left";
    for verb in ["check", "info", "replay", "stats"] {
        check(recorded.root(), &[verb, "trace"], 0, &[note]);
    }
}
