//! What leaves keeps the structure and nothing that leads back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Mode, TabId};
use recorder::{Body, Line, Origin, Privacy};

use crate::commands::check;
use crate::recording::{Recorded, short_of_memory};
use crate::traces::{lines, said, text};

fn anonymized(recorded: &Recorded, name: &str) -> Vec<Line> {
    check(
        recorded.root(),
        &["anonymize", "trace", "-o", name],
        0,
        &[name],
    );
    said(&recorded.root().join(name))
}

/// The decisions as far as they do not tell times: their causes by place among the inputs.
fn structure(lines: &[Line]) -> Vec<String> {
    let mut ids = BTreeMap::new();
    let mut number = |id: TabId| {
        let next = ids.len();
        *ids.entry(id).or_insert(next)
    };
    let place = |seq| lines.iter().position(|line| line.seq == seq).unwrap();
    lines
        .iter()
        .map(|line| match &line.body {
            Body::Decision(it) => format!(
                "decision {} of {} rank {} score {} {} {:?} {:?} {}",
                number(it.tab),
                place(it.cause),
                it.rank,
                it.score,
                it.level,
                it.reasons,
                it.mode,
                it.in_focus,
            ),
            Body::PressureChanged(it) => {
                format!("pressure of {} {} {}", place(it.cause), it.level, it.was)
            }
            Body::DiscardOutcome(it) => format!("outcome of {} {}", place(it.decision), it.ok),
            Body::TabReplaced(it) => format!("{} becomes {}", number(it.old), number(it.tab)),
            Body::TabActivated(it) => format!("activated {}", number(it.tab)),
            Body::SessionStarted(it) => format!(
                "session {:?}",
                it.tabs
                    .iter()
                    .map(|tab| (number(tab.tab), tab.active, tab.pinned, tab.protected))
                    .collect::<Vec<_>>()
            ),
            other => other.type_name().to_owned(),
        })
        .collect()
}

#[test]
fn the_structure_stays() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let before = said(&recorded.root().join("trace"));
    assert_eq!(
        structure(&before),
        structure(&anonymized(&recorded, "copy"))
    );
}

#[test]
fn no_host_and_no_id_of_the_original_is_in_the_copy() {
    let recorded = short_of_memory(Mode::Enforce).close();
    anonymized(&recorded, "copy");
    let original = text(&recorded.root().join("trace"));
    let copy = text(&recorded.root().join("copy"));
    let header = &lines(&recorded.root().join("trace"))[0];
    let Body::LogOpened(header) = &header.body else {
        panic!()
    };
    for secret in [
        "host-",
        "example",
        "org",
        "session-1",
        &header.session.to_string(),
        &header.session.simple().to_string(),
        "x86_64",
        // As times are written, since the copy's own names are of random digits.
        "20260101T",
        "\"t_ms\":17672",
        "\"at_ms\":17672",
        "156.0",
        "meet.google",
    ] {
        assert!(
            original.contains(secret),
            "{secret} is not what to look for\n{original}"
        );
        assert!(!copy.contains(secret), "{secret}\n{copy}");
    }
    let Body::LogOpened(header) = &lines(&recorded.root().join("copy"))[0].body else {
        panic!()
    };
    assert_eq!(
        (header.origin, header.privacy),
        (Origin::Derived, Privacy::KeyedHash)
    );
}

fn hosts(lines: &[Line]) -> Vec<Arc<str>> {
    let mut hosts = Vec::new();
    for line in lines {
        match &line.body {
            Body::SessionStarted(it) => {
                hosts.extend(it.tabs.iter().filter_map(|tab| tab.host.clone()));
            }
            Body::TabNavigated(it) => hosts.extend(it.host.clone()),
            _ => {}
        }
    }
    hosts
}

#[test]
fn two_copies_share_no_text_and_no_exact_time() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let one = anonymized(&recorded, "one");
    let other = anonymized(&recorded, "other");
    let names = |lines: &[Line]| hosts(lines).into_iter().collect::<BTreeSet<_>>();
    assert!(names(&one).is_disjoint(&names(&other)));
    let hashes = |lines: &[Line]| {
        let hash = |line: &Line| match &line.body {
            Body::PolicyChanged(it) => Some(it.policy_hash.clone()),
            Body::Decision(it) => Some(it.policy_hash.clone()),
            _ => None,
        };
        lines.iter().filter_map(hash).collect::<BTreeSet<_>>()
    };
    assert!(hashes(&one).is_disjoint(&hashes(&other)));
    let header = |name: &str| match lines(&recorded.root().join(name)).swap_remove(0).body {
        Body::LogOpened(header) => header.session,
        _ => panic!(),
    };
    assert_ne!(header("one"), header("other"));
    let since = |lines: &[Line]| {
        lines
            .iter()
            .map(|line| line.t_ms - lines[0].t_ms)
            .collect::<Vec<_>>()
    };
    assert_ne!(since(&one), since(&other));
    for line in one.iter().chain(&other) {
        assert_eq!(line.t_ms % 5_000, 0);
        assert_eq!(line.at_ms, None);
    }
}

#[test]
fn one_host_has_one_name_and_rare_ones_share_theirs() {
    let recorded = short_of_memory(Mode::Observe).close();
    check(
        recorded.root(),
        &["anonymize", "trace", "-o", "all", "--pool-below", "0"],
        0,
        &[],
    );
    let names = hosts(&said(&recorded.root().join("all")));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 6);
    // Host 2 alone was in front twice.
    check(
        recorded.root(),
        &["anonymize", "trace", "-o", "two", "--pool-below", "2"],
        0,
        &[],
    );
    let names = hosts(&said(&recorded.root().join("two")));
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 2);
    assert_eq!(names.iter().filter(|name| **name == names[1]).count(), 1);
}

#[test]
fn a_preview_writes_nothing() {
    let recorded = short_of_memory(Mode::Observe).close();
    let expect = [
        "6 hosts: 0 get a name",
        "6 were in front less than 3 times",
        "nothing was written",
    ];
    check(recorded.root(), &["anonymize", "trace"], 0, &expect);
    assert_eq!(std::fs::read_dir(recorded.root()).unwrap().count(), 1);
    check(
        recorded.root(),
        &["anonymize", "trace", "--json"],
        0,
        &["\"hosts\":6", "\"written\":null"],
    );
}

#[test]
fn the_list_of_protected_domains_becomes_marks() {
    let mut recording = short_of_memory(Mode::Observe);
    let policy = recording.default_policy();
    let domain = policy.policy.protected_domains[0]
        .trim_start_matches('.')
        .to_owned();
    recording.ext(Body::TabOpened(recorder::Tab {
        host: Some(domain.as_str().into()),
        ..recorder::Tab::new(TabId(77), engine::WindowId(1))
    }));
    let recorded = recording.close();
    let copy = anonymized(&recorded, "copy");
    assert!(!text(&recorded.root().join("copy")).contains(&domain));
    let marked = copy
        .iter()
        .any(|line| matches!(&line.body, Body::TabOpened(tab) if tab.protected == Some(true)));
    assert!(marked);
}
