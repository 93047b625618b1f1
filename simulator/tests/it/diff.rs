//! `sim diff`: the decisions in which two policies differ add up to what their scores differ by, and
//! each is given its cause.

use std::fs;

use engine::{
    ActFrom, Guard, Mode, Orchestrator, PolicyDocument, Settings, TabId, UserState, WindowId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use recorder::{Body, Line, TabActivated, UserIdle};
use simulator::baselines::{AnyPolicy, named};
use simulator::difference::{Answer, Cause, Diff};
use simulator::replay::{Replay, Score, Side};

use crate::commands::{check, sim};
use crate::properties::{body, greedy, lines};
use crate::recorded::recordings;
use crate::recording::{MINUTE, Recording, short_of_memory, short_of_memory_again};

/// Ours under a document, and of the baselines those that go by timers, by samples and by chance.
const POLICIES: [&str; 8] = [
    "greedy",
    "eager",
    "default",
    "never",
    "ttl-2",
    "lru-2",
    "original-2026-focus",
    "random",
];

fn policy(name: &str) -> Box<dyn AnyPolicy> {
    if name == "greedy" {
        return Box::new(greedy());
    }
    match PolicyDocument::preset(name) {
        Some(document) => Box::new(Orchestrator::new(document)),
        None => named(name, 7).unwrap(),
    }
}

fn diff(base: Box<dyn AnyPolicy>, with: Box<dyn AnyPolicy>, lines: &[Line]) -> Answer {
    let mut diff = Diff::new(Replay::new(base), Replay::new(with));
    for line in lines {
        diff.take(&line.clone());
    }
    diff.finish()
}

fn alone(name: &str, lines: &[Line]) -> Score {
    let mut replay = Replay::new(policy(name));
    for line in lines {
        replay.take(&line.clone(), &mut Vec::new());
    }
    replay.finish(&mut Vec::new())
}

fn is_close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * (1.0 + left.abs())
}

/// What the groups of a side come to: its discards that the other never made, what it saved, and
/// its reloads.
fn sum(answer: &Answer, side: Side) -> (u64, f64, u64) {
    let groups = answer.differences.groups.iter();
    let groups = groups.filter(|((by, _), _)| *by == side);
    groups.fold((0, 0.0, 0), |(count, saved, reloads), (_, group)| {
        (
            count + group.count - group.later,
            saved + group.saved_gib_h,
            reloads + group.reloads,
        )
    })
}

proptest! {
    #[test]
    fn differences_add_up_to_what_the_scores_differ_by(
        bodies in vec(body(), 0..60), base in select(&POLICIES[..]), with in select(&POLICIES[..])
    ) {
        let lines = lines(bodies);
        let answer = diff(policy(base), policy(with), &lines);
        let [base_score, with_score] = &answer.scores;
        prop_assert_eq!(base_score, &alone(base, &lines), "it is replayed as if it were alone");
        prop_assert_eq!(with_score, &alone(with, &lines));
        let (ours, theirs) = (sum(&answer, Side::Base), sum(&answer, Side::With));
        prop_assert_eq!(base_score.discards + theirs.0, with_score.discards + ours.0);
        prop_assert_eq!(base_score.reloads + theirs.2, with_score.reloads + ours.2);
        prop_assert!(is_close(
            base_score.saved_gib_h + theirs.1,
            with_score.saved_gib_h + ours.1
        ));
        let only_base = answer.list.iter().filter(|one| one.by == Side::Base && one.later.is_none());
        prop_assert_eq!(
            base_score.discards,
            answer.differences.same
                + only_base.count() as u64
                + answer.list.iter().filter(|one| one.later.is_some()).count() as u64
        );
    }

    #[test]
    fn a_policy_does_not_differ_from_itself(
        bodies in vec(body(), 0..60), name in select(&POLICIES[..])
    ) {
        let answer = diff(policy(name), policy(name), &lines(bodies));
        prop_assert_eq!(answer.list, []);
        prop_assert_eq!(answer.differences.same, answer.scores[0].discards);
    }

    #[test]
    fn the_sides_can_be_exchanged(
        bodies in vec(body(), 0..60), base in select(&POLICIES[..]), with in select(&POLICIES[..])
    ) {
        let lines = lines(bodies);
        let mut there = diff(policy(base), policy(with), &lines).list;
        let mut back = diff(policy(with), policy(base), &lines).list;
        for one in &mut back {
            one.by = one.by.other();
        }
        there.sort_by_key(|one| (one.decided, one.by));
        back.sort_by_key(|one| (one.decided, one.by));
        prop_assert_eq!(there, back);
    }
}

/// Ours under the default document, changed.
fn ours(change: impl FnOnce(&mut Settings)) -> Box<dyn AnyPolicy> {
    let mut settings = Settings::default();
    change(&mut settings);
    Box::new(Orchestrator::new(PolicyDocument::new(settings).unwrap()))
}

/// Why the second policy does not discard a tab when the first one does.
#[track_caller]
fn check_cause(
    recording: Recording,
    tab: i64,
    base: Box<dyn AnyPolicy>,
    with: Box<dyn AnyPolicy>,
    expect: Cause,
) {
    let recorded = recording.close();
    let trace = recorder::Trace::open(recorded.root().join("trace")).unwrap();
    let lines: Vec<Line> = trace.read().collect::<Result<_, _>>().unwrap();
    let answer = diff(base, with, &lines);
    let found = answer.list.iter().find(|one| one.decided.tab == TabId(tab));
    let found = found.unwrap_or_else(|| panic!("tab {tab}: {:?}", answer.list));
    assert_eq!((found.by, found.cause), (Side::Base, expect), "{found:?}");
}

#[test]
fn each_cause_is_found() {
    // Tabs 2 to 6 are in front for a minute each, then 6 stays.
    let scene = |used_percent| {
        let mut recording = Recording::new(Mode::Observe);
        recording.session(6);
        for id in 2..=6 {
            recording.wait(MINUTE).activate(id);
        }
        recording.wait(8 * MINUTE).sample(used_percent);
        recording.wait(MINUTE).sample(used_percent);
        recording
    };
    let at_once = || {
        ours(|settings| {
            settings.ttl_minutes = 1.0;
            settings.focus.out_ttl_minutes = 1.0;
            settings.batch_high = 8;
        })
    };
    check_cause(
        scene(95),
        2,
        at_once(),
        ours(|settings| settings.protected_domains = vec!["host-2.example.org".to_owned()]),
        Cause::Guard(Guard::Protected),
    );
    check_cause(
        scene(95),
        2,
        named("lru-2", 0).unwrap(),
        ours(|_| {}),
        Cause::Guard(Guard::Young),
    );
    let unfocused = |minutes: f64| {
        ours(move |settings| {
            settings.focus.enabled = false;
            settings.ttl_minutes = minutes;
        })
    };
    check_cause(scene(95), 2, at_once(), unfocused(60.0), Cause::Ttl);
    check_cause(
        scene(95),
        3,
        at_once(),
        ours(|settings| settings.batch_high = 8),
        Cause::Cluster,
    );
    check_cause(
        scene(60),
        1,
        named("ttl-5", 0).unwrap(),
        unfocused(2.0),
        Cause::Level,
    );
    check_cause(
        scene(90),
        1,
        at_once(),
        ours(|settings| settings.act_from = ActFrom::High),
        Cause::Level,
    );
    let batch_of = |count: u32| {
        ours(move |settings| {
            settings.focus.enabled = false;
            settings.ttl_minutes = 2.0;
            settings.batch_high = count;
        })
    };
    check_cause(scene(95), 2, batch_of(2), batch_of(1), Cause::Rank);
    let cooling_for = |seconds: u32| {
        ours(move |settings| {
            settings.focus.enabled = false;
            settings.ttl_minutes = 2.0;
            settings.batch_high = 1;
            settings.cooldown_seconds = seconds;
        })
    };
    check_cause(
        scene(95),
        2,
        cooling_for(10),
        cooling_for(600),
        Cause::Cooldown,
    );
    // Under pressure all along, so that only the moment of the timer is another.
    check_cause(
        scene(95),
        4,
        named("ttl-5", 0).unwrap(),
        named("never", 0).unwrap(),
        Cause::OwnRule,
    );

    // Tab 2 is visited again and again, and then left.
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3);
    for _ in 0..5 {
        recording.wait(MINUTE).activate(2);
        recording.wait(MINUTE).activate(1);
    }
    recording.wait(4 * MINUTE).sample(95);
    recording.wait(MINUTE).sample(95);
    let familiar = |cap: u8| {
        ours(move |settings| {
            settings.focus.enabled = false;
            settings.ttl_minutes = 2.0;
            settings.familiarity_cap = cap;
            settings.batch_high = 8;
        })
    };
    check_cause(recording, 2, familiar(1), familiar(8), Cause::Familiarity);

    // A timer runs out between two samples.
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3);
    recording.wait(MINUTE).activate(2);
    recording.wait(MINUTE).sample(95);
    recording.wait(20 * MINUTE);
    recording.ext(Body::UserIdle(UserIdle {
        state: UserState::Active,
    }));
    recording.ext(Body::TabActivated(TabActivated {
        tab: TabId(3),
        win: WindowId(1),
    }));
    let idle = || {
        ours(|settings| {
            settings.focus.enabled = false;
            settings.ttl_minutes = 5.0;
        })
    };
    check_cause(
        recording,
        1,
        named("ttl-6", 0).unwrap(),
        idle(),
        Cause::Moment,
    );
}

#[test]
fn the_same_decisions_exit_with_0_and_others_with_1() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "again");
    let folder = recorded.root();
    let same = ["diff", "trace", "--base", "default", "--with", "default"];
    check(folder, &same, 0, &["decisions   5 the same, 0 different\n"]);
    let eager = ["diff", "trace", "--with", "eager"];
    insta::assert_snapshot!("diff", sim(folder, &eager));
    let list = [&eager[..], &["--all"]].concat();
    insta::assert_snapshot!("diff_all", sim(folder, &list));
    let json = [&list[..], &["--json"]].concat();
    insta::assert_snapshot!("diff_json", sim(folder, &json));
    let baseline = ["diff", "trace", "--with", "ttl-5", "--all"];
    insta::assert_snapshot!("diff_baseline", sim(folder, &baseline));
    check(
        folder,
        &["diff", "trace", "again", "--with", "eager"],
        1,
        &["\npooled      2 traces\n"],
    );
    check(folder, &["diff", "trace"], 2, &["--with <FILE|NAME>"]);
    check(
        folder,
        &["diff", "trace", "nowhere", "--with", "default"],
        2,
        &["nowhere: cannot be read", "0 different"],
    );
    assert_eq!(sim(folder, &json), sim(folder, &json));
}

#[test]
fn help_and_json_name_the_same_causes() {
    let folder = tempfile::tempdir().unwrap();
    let help = sim(folder.path(), &["diff", "--help"]);
    for (cause, name, about) in simulator::difference::CAUSES {
        assert!(help.contains(&format!("\n  {name}\n")), "{help}");
        let json = serde_json::to_value(cause).unwrap();
        assert_eq!((json, cause.about()), (name.into(), about));
    }
}

#[test]
fn differences_on_the_recordings_add_up() {
    let folder = tempfile::tempdir().unwrap();
    let said = |base: &str, with: &str| {
        let recordings = recordings();
        let paths = recordings
            .iter()
            .map(|path| fs::canonicalize(path).unwrap());
        let paths: Vec<String> = paths
            .map(|path| path.to_str().unwrap().to_owned())
            .collect();
        let mut args = vec!["diff", "--json", "--base", base, "--with", with];
        args.extend(paths.iter().map(String::as_str));
        sim(folder.path(), &args)
    };
    for (base, with) in [
        ("default", "gentle"),
        ("default", "ttl-5"),
        ("ttl-1", "eager"),
    ] {
        let said = said(base, with);
        let mut lines = 0;
        for line in said
            .lines()
            .filter(|line| line.starts_with("{\"type\":\"trace\""))
        {
            let told: serde_json::Value = serde_json::from_str(line).unwrap();
            let saved = |side: &str| {
                let groups = told["groups"].as_array().unwrap().iter();
                let groups = groups.filter(|group| group["by"] == side);
                groups
                    .map(|group| group["saved_gib_h"].as_f64().unwrap())
                    .sum::<f64>()
            };
            let score = |side: &str| told["scores"][side]["saved_gib_h"].as_f64().unwrap();
            assert!(
                is_close(score("base") + saved("with"), score("with") + saved("base")),
                "{told}"
            );
            lines += 1;
        }
        assert_eq!(lines, recordings().len(), "{said}");
    }
}
