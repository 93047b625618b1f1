//! What holds of every baseline: it is found by its name, it decides the same twice, and from the
//! past alone.

use std::fs;
use std::path::Path;

use engine::{TabId, WindowId};
use recorder::{
    Body, Line, Metrics, Suspended, Tab, TabActivated, TabChanged, TabLoaded, TabNavigated,
};
use simulator::baselines::{ALL, AnyPolicy, Baseline, named};
use simulator::replay::{Replay, Replayed};

use crate::recording::{MINUTE, START_MS, session_of, tab};

const GIB: u64 = 1 << 30;

/// The names of all, with this number for N.
pub(crate) fn numbered(n: u16) -> impl Iterator<Item = String> {
    ALL.iter()
        .map(move |it| it.name.replace("-N", &format!("-{n}")))
}

/// Every baseline, with a number for N.
pub(crate) fn every() -> Vec<Box<dyn AnyPolicy>> {
    let of = |name: String| named(&name, 7).unwrap_or_else(|| panic!("{name} is not found"));
    numbered(10).map(of).collect()
}

/// Two days with 30 tabs: work with pauses, a night's sleep, memory short at times.
pub(crate) fn two_days() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut t_ms = START_MS;
    let mut tell = |t_ms: i64, body: Body| {
        lines.push(Line {
            seq: engine::Seq(lines.len() as u64),
            t_ms,
            src: body.source().unwrap(),
            n: None,
            at_ms: None,
            body,
        });
    };
    let tabs = (1..=30).map(|id| Tab {
        active: Some(id == 1),
        pinned: Some(id == 30),
        ..tab(id)
    });
    tell(t_ms, session_of(tabs));
    for round in 0..120_u64 {
        // Away for ten hours now and then.
        t_ms += if round % 40 == 39 { 600 } else { 5 } * MINUTE;
        let tab = TabId((round * round + round) as i64 % 17 + 1);
        let win = WindowId(1);
        tell(t_ms, Body::TabActivated(TabActivated { tab, win }));
        if round % 3 == 0 {
            let navigated = TabNavigated {
                tab,
                host: Some(format!("host-{}.example.org", round % 7).into()),
                scheme: None,
                protected: None,
            };
            tell(t_ms, Body::TabNavigated(navigated));
            tell(
                t_ms + 900,
                Body::TabLoaded(TabLoaded { tab, ms: Some(900) }),
            );
        }
        if round % 5 == 0 {
            let changed = TabChanged {
                audible: Some(round % 10 == 0),
                unsaved: Some(round % 15 == 0),
                ..TabChanged::new(tab)
            };
            tell(t_ms + 1_000, Body::TabChanged(changed));
        }
        let ram_used = if round % 20 < 10 { 97 } else { 60 } * GIB;
        let metrics = Metrics {
            ram_total: Some(100 * GIB),
            ram_used: Some(ram_used),
            ram_available: Some(100 * GIB - ram_used),
            browser_rss: Some(4 * GIB),
            on_battery: Some(true),
            ..Metrics::default()
        };
        for second in [2, 7, 12] {
            tell(t_ms + second * 1_000, Body::Metrics(metrics));
        }
        if round == 80 {
            t_ms += 8 * 60 * MINUTE;
            let ms = 7 * 60 * MINUTE.cast_unsigned();
            tell(t_ms, Body::Suspended(Suspended { ms }));
        }
    }
    lines
}

fn decide(policy: &dyn AnyPolicy, lines: &[Line]) -> Vec<Replayed> {
    let mut replay = Replay::new(policy.boxed());
    let mut decided = Vec::new();
    for line in lines {
        replay.take(&line.clone(), &mut decided);
    }
    replay.finish(&mut decided);
    decided
}

/// The policies of a table, by the second cell of its rows.
fn policies_in(table: &str) -> Vec<&str> {
    let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
    let names = rows.map(|row| row.split('|').nth(2).unwrap().trim());
    names.map(|name| name.trim_end_matches(" (base)")).collect()
}

#[test]
fn the_published_tables_have_every_policy() {
    let read = |page: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
        fs::read_to_string(file).unwrap()
    };
    let readme = read("../README.md");
    assert!(
        readme.contains(&format!("\n{} other policies", ALL.len())),
        "README.md counts the baselines: {}",
        ALL.len()
    );
    let baselines = ALL.iter().flat_map(|it| it.compared().iter().copied());
    let mut all: Vec<&str> = engine::PRESETS.into_iter().chain(baselines).collect();
    all.push("clairvoyant");
    let (_, table) = readme
        .split_once("made by `cargo xtask comparison`")
        .unwrap();
    let (table, _) = table.split_once("made until here").unwrap();
    for (page, table) in [
        ("README.md", table),
        ("COMPARISON.md", &read("COMPARISON.md")),
    ] {
        assert_eq!(
            policies_in(table),
            all,
            "{page}: run `cargo xtask comparison`"
        );
    }
}

#[test]
fn every_baseline_has_its_name() {
    for (policy, name) in every().iter().zip(numbered(10)) {
        assert_eq!(policy.name(), name);
    }
    for name in ALL.iter().flat_map(Baseline::compared) {
        assert_eq!(
            named(name, 0).map(|it| it.name().to_owned()),
            Some((*name).to_owned())
        );
    }
    for unknown in [
        "",
        "ttl",
        "ttl-",
        "ttl-0",
        "ttl-015",
        "ttl--5",
        "ttl-N",
        "lru-99999",
        "clairvoyant",
    ] {
        assert!(named(unknown, 7).is_none(), "{unknown}");
    }
}

#[test]
fn a_timer_of_a_minute_takes_no_tab_that_is_younger() {
    let mut replay = Replay::new(named("ttl-1", 0).unwrap());
    let mut decided = Vec::new();
    for line in two_days() {
        replay.take(&line, &mut decided);
    }
    let score = replay.finish(&mut decided);
    assert!(score.discards > 20, "{}", score.discards);
    assert!(
        !score.violated.contains_key("young"),
        "{:?}",
        score.violated
    );
}

#[test]
fn every_baseline_decides_the_same_twice_and_from_the_past_alone() {
    let lines = two_days();
    for policy in every() {
        let name = policy.name().to_owned();
        let whole = decide(&*policy, &lines);
        assert_eq!(name == "never", whole.is_empty(), "{name}");
        assert_eq!(whole, decide(&*policy, &lines), "{name}");
        for cut in (0..lines.len()).step_by(41) {
            let part = decide(&*policy, &lines[..cut]);
            assert!(whole.starts_with(&part), "{name}, cut before {cut}");
        }
    }
}

#[test]
fn a_clone_goes_on_as_the_first_does() {
    let lines = two_days();
    let (before, after) = lines.split_at(lines.len() / 2);
    for policy in every() {
        let name = policy.name().to_owned();
        let mut first = Replay::new(policy);
        let mut decided = Vec::new();
        for line in before {
            first.take(&line.clone(), &mut decided);
        }
        let go_on = |mut replay: Replay<Box<dyn AnyPolicy>>| {
            let mut decided = Vec::new();
            for line in after {
                replay.take(&line.clone(), &mut decided);
            }
            let hash = replay.state_hash();
            (replay.finish(&mut decided), decided, hash)
        };
        assert_eq!(go_on(first.clone()), go_on(first), "{name}");
    }
}

/// Decisions carry their time; none lies in the time that the machine slept.
#[test]
fn nobody_is_woken_while_the_machine_sleeps() {
    let lines = two_days();
    let woken = lines
        .iter()
        .find(|line| matches!(line.body, Body::Suspended(_)))
        .unwrap();
    let asleep = woken.t_ms - 7 * 60 * MINUTE..woken.t_ms;
    for policy in every() {
        let decided = decide(&*policy, &lines);
        let found = decided.iter().find(|one| asleep.contains(&one.t_ms));
        assert_eq!(found, None, "{}", policy.name());
    }
}
