//! What tabs weigh, what a policy sees of the machine, and what it is judged by.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use engine::{
    DiscardedBy, Event, HostKnowledge, Input, MemorySource, Metrics, Mode, Orchestrator, Output,
    Policy, PolicyDocument, Projection, Seq, Severity, TabId, UserState, WindowId, World,
};
use recorder::{
    Body, KnowledgeCarried, Line, PressureSignal, SignalSource, Tab, TabActivated, TabChanged,
    TabClosed, TabDiscarded, TabLoaded, TabMemory, TabNavigated, TabReplaced, TabRestored, Trace,
    UserIdle,
};
use simulator::baselines::Never;
use simulator::replay::{Replay, Score, Source, scores_table};

use crate::recording::{MINUTE, START_MS, decision, session_of, short_of_memory, tab};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Decides on given tabs at given lines, and remembers what it saw of the machine.
#[derive(Clone, Debug, Default)]
struct Dictated {
    at: BTreeMap<u64, Vec<i64>>,
    samples: Vec<Metrics>,
    signals: u64,
}

impl Policy for Dictated {
    fn name(&self) -> &str {
        "dictated"
    }

    fn step(&mut self, _: &World, event: &Event, outputs: &mut Vec<Output>) {
        match &event.input {
            Input::Metrics(metrics) => self.samples.push(*metrics),
            Input::PressureSignal(_) => self.signals += 1,
            _ => {}
        }
        for tab in self.at.remove(&event.seq.0).into_iter().flatten() {
            outputs.push(Output::Decision(decision(event.seq, TabId(tab))));
        }
    }

    fn project(&self, _: &mut Projection) {}
}

fn dictated(decide: &[(u64, &[i64])]) -> Replay<Dictated> {
    let at = decide
        .iter()
        .map(|(seq, tabs)| (*seq, tabs.to_vec()))
        .collect();
    Replay::new(Dictated {
        at,
        ..Dictated::default()
    })
}

/// Runs lines that are a minute apart. The first is a snapshot of tabs 1 to 4, tab 1 in front.
fn run<P: Policy + Clone>(mut replay: Replay<P>, bodies: &[Body]) -> (Replay<P>, Score) {
    for line in lines(bodies) {
        replay.take(&line, &mut Vec::new());
    }
    let score = replay.clone().finish(&mut Vec::new());
    (replay, score)
}

fn score(decide: &[(u64, &[i64])], bodies: &[Body]) -> Score {
    run(dictated(decide), bodies).1
}

fn lines(bodies: &[Body]) -> Vec<Line> {
    let first = session();
    let bodies = std::iter::once(&first).chain(bodies);
    let line = |(seq, body): (u64, &Body)| Line {
        seq: Seq(seq),
        t_ms: START_MS + MINUTE * seq.cast_signed(),
        src: body.source().unwrap(),
        n: None,
        at_ms: None,
        body: body.clone(),
    };
    (0..).zip(bodies).map(line).collect()
}

fn session() -> Body {
    let tabs = (1..=4).map(|id| Tab {
        active: Some(id == 1),
        ..tab(id)
    });
    session_of(tabs)
}

fn user(state: UserState) -> Body {
    Body::UserIdle(UserIdle { state })
}

fn tick() -> Body {
    user(UserState::Active)
}

fn activated(id: i64) -> Body {
    Body::TabActivated(TabActivated {
        tab: TabId(id),
        win: WindowId(1),
    })
}

fn loaded(id: i64, ms: Option<u64>) -> Body {
    Body::TabLoaded(TabLoaded { tab: TabId(id), ms })
}

fn discarded(id: i64, by: DiscardedBy) -> Body {
    Body::TabDiscarded(TabDiscarded { tab: TabId(id), by })
}

fn restored(id: i64) -> Body {
    Body::TabRestored(TabRestored { tab: TabId(id) })
}

fn weighed(id: i64, bytes: u64, how: MemorySource) -> Body {
    Body::TabMemory(TabMemory {
        tab: TabId(id),
        bytes,
        how,
    })
}

fn measured(id: i64, bytes: u64) -> Body {
    weighed(id, bytes, MemorySource::Measured)
}

fn recorded(cause: u64, tab: i64) -> Body {
    Body::Decision(decision(Seq(cause), TabId(tab)).into())
}

/// A sample of a machine with 100 GiB, with stall time and swap.
fn sample(used_gib: u64, browser_gib: u64) -> Body {
    Body::Metrics(recorder::Metrics {
        ram_total: Some(100 * GIB),
        ram_used: Some(used_gib * GIB),
        ram_available: Some((100 - used_gib) * GIB),
        swap_total: Some(8 * GIB),
        swap_used: Some(GIB),
        psi_some_avg10: Some(1.0),
        psi_full_avg10: Some(0.5),
        browser_rss: Some((browser_gib + 1) * GIB),
        browser_pss: Some(browser_gib * GIB),
        ..recorder::Metrics::default()
    })
}

fn signal() -> Body {
    Body::PressureSignal(PressureSignal {
        source: SignalSource::Os,
        severity: Severity::Critical,
    })
}

#[track_caller]
fn near(found: impl Into<Option<f64>>, expect: f64) {
    let found = found.into().unwrap();
    assert!((found - expect).abs() < 1e-9, "{found}, not {expect}");
}

#[test]
fn the_bytes_of_a_tab_come_from_the_first_source_that_is_there() {
    let mut replay = Replay::new(Never);
    let navigated = Body::TabNavigated(TabNavigated {
        tab: TabId(2),
        host: Some("host-3.example.org".into()),
        scheme: None,
        protected: None,
    });
    let knowledge = Body::KnowledgeCarried(KnowledgeCarried {
        hosts: vec![HostKnowledge {
            host: "host-4.example.org".to_owned(),
            familiarity: 1,
            last_in_front_ms: None,
            bytes: Some(7 * MIB),
        }],
    });
    let fit = |mib: u64| mib * 2048 / 2531;
    let steps = [
        // Before any word of memory: what Chromium assumes.
        (tick(), [80, 80, 80, 80]),
        // The mean over the four loaded tabs.
        (sample(50, 4), [1024, 1024, 1024, 1024]),
        (measured(2, 300 * MIB), [1024, 300, 1024, 1024]),
        (knowledge, [1024, 300, 1024, 7]),
        (
            weighed(3, 500 * MIB, MemorySource::Reclaimed),
            [1024, 300, 500, 7],
        ),
        // Another page: its host's median stands for it.
        (navigated, [1024, 500, 500, 7]),
        // Tab 1 is the mean of 2 GiB over four tabs. All four come to 1,519 MiB and are not blown up.
        (sample(50, 2), [512, 500, 500, 7]),
        (measured(2, 1512 * MIB), [512, 1512, 500, 7]),
        // 2,531 MiB are made to fit.
        (sample(50, 2), [512, 1512, 500, 7].map(fit)),
        // What was measured of a tab that is gone is no part of what is read.
        (
            discarded(2, DiscardedBy::Orchestrator),
            [fit(512), 1512, fit(500), fit(7)],
        ),
        // What is guessed of one is guessed as of the others.
        (
            discarded(4, DiscardedBy::Orchestrator),
            [fit(512), 1512, fit(500), fit(7)],
        ),
    ];
    let lines = lines(&steps.clone().map(|(body, _)| body));
    replay.take(&lines[0].clone(), &mut Vec::new());
    for (line, (body, expect)) in lines[1..].iter().zip(steps) {
        replay.take(&line.clone(), &mut Vec::new());
        let found = [1, 2, 3, 4].map(|id| replay.bytes(TabId(id)).unwrap() / MIB);
        assert_eq!(found, expect, "after {body:?}");
    }
}

#[test]
fn what_a_tab_weighs_is_the_same_for_every_policy() {
    let recorded = short_of_memory(Mode::Observe).close();
    let mut never = Replay::new(Never);
    let mut eager = Replay::new(Orchestrator::new(PolicyDocument::preset("eager").unwrap()));
    for line in recorded_lines(recorded.root()) {
        never.take(&line.clone(), &mut Vec::new());
        eager.take(&line, &mut Vec::new());
        for tab in never.world().tabs() {
            assert_eq!(never.bytes(tab.id), eager.bytes(tab.id));
        }
    }
}

#[test]
fn samples_follow_what_the_policy_frees() {
    let bodies = [
        measured(2, GIB),
        sample(50, 10),
        sample(50, 10),
        activated(2),
        sample(50, 10),
    ];
    let (replay, score) = run(dictated(&[(2, &[2])]), &bodies);
    let seen: Vec<_> = (replay.policy().samples.iter())
        .map(|it| {
            [
                it.ram_used,
                it.ram_available,
                it.browser_pss,
                it.browser_rss,
            ]
        })
        .map(|bytes| bytes.map(|bytes| bytes.unwrap() / GIB))
        .collect();
    let as_recorded = [50, 50, 10, 11];
    assert_eq!(seen, [as_recorded, [49, 51, 9, 10], as_recorded]);
    assert!(
        (replay.policy().samples)
            .iter()
            .all(|it| it.psi_some_avg10 == Some(1.0))
    );
    assert_eq!((score.samples, score.withheld_samples), (3, 0));
    assert_eq!(score.peak_used, Some(50 * GIB));

    let (replay, score) = run(dictated(&[(2, &[2])]).open_loop(), &bodies);
    let used = (replay.policy().samples.iter()).map(|it| it.ram_used);
    assert_eq!(used.collect::<Vec<_>>(), [Some(50 * GIB); 3]);
    assert_eq!(score.reloads, 1, "a return costs all the same");
}

#[test]
fn samples_of_a_recording_that_discarded_show_what_its_policy_freed() {
    let bodies = [
        measured(3, GIB),
        tick(),
        recorded(2, 3),
        discarded(3, DiscardedBy::Orchestrator),
        sample(50, 10),
        discarded(4, DiscardedBy::Other),
        sample(49, 10),
    ];
    let (replay, score) = run(dictated(&[]), &bodies);
    let used = (replay.policy().samples.iter()).map(|it| it.ram_used.unwrap() / GIB);
    assert_eq!(used.collect::<Vec<_>>(), [51, 50]);
    assert_eq!(
        (score.peak_used, score.never.peak_used),
        (Some(51 * GIB), Some(51 * GIB))
    );
    let (replay, score) = run(dictated(&[(2, &[3])]), &bodies);
    let used = (replay.policy().samples.iter()).map(|it| it.ram_used.unwrap() / GIB);
    assert_eq!(used.collect::<Vec<_>>(), [50, 49], "discarded here, too");
    assert_eq!(
        (score.peak_used, score.never.peak_used),
        (Some(50 * GIB), Some(51 * GIB))
    );
}

#[test]
fn a_tab_that_another_discards_after_the_recorded_policy_is_gone_under_every_policy() {
    let bodies = [
        measured(3, GIB),
        discarded(3, DiscardedBy::Orchestrator),
        sample(50, 10),
        discarded(3, DiscardedBy::Other),
        sample(50, 10),
    ];
    let (replay, score) = run(Replay::new(Never), &bodies);
    assert!(replay.world().tab(TabId(3)).unwrap().is_discarded);
    assert_eq!(replay.world().metrics().ram_used, Some(50 * GIB));
    assert_eq!(score.peak_used, score.never.peak_used);
}

#[test]
fn a_tab_that_takes_the_id_of_another_takes_over_nothing_of_it() {
    let replaced = Body::TabReplaced(TabReplaced {
        tab: TabId(3),
        old: TabId(2),
    });
    let bodies = [
        discarded(2, DiscardedBy::Other),
        measured(3, GIB),
        discarded(3, DiscardedBy::Orchestrator),
        replaced,
        sample(50, 10),
    ];
    let (_, score) = run(Replay::new(Never), &bodies);
    assert_eq!(score.peak_used, Some(50 * GIB));
    assert_eq!(score.never.peak_used, Some(50 * GIB));
}

#[test]
fn what_the_kernel_said_of_a_very_different_machine_is_withheld() {
    let bodies = [
        measured(2, 3 * GIB),
        sample(50, 10),
        signal(),
        sample(50, 10),
        activated(2),
        signal(),
        sample(50, 10),
    ];
    let (replay, score) = run(dictated(&[(2, &[2])]), &bodies);
    let policy = replay.policy();
    let stalls: Vec<_> = (policy.samples.iter())
        .map(|it| {
            (
                it.psi_some_avg10.is_some(),
                it.psi_full_avg10.is_some(),
                it.swap_used.is_some(),
            )
        })
        .collect();
    let there = (true, true, true);
    assert_eq!(stalls, [there, (false, false, false), there]);
    assert_eq!(policy.signals, 1);
    assert_eq!((score.withheld_samples, score.withheld_signals), (1, 1));
    near(score.withheld_share, 1.0 / 3.0);
    let (replay, score) = run(dictated(&[(2, &[2])]).open_loop(), &bodies);
    assert_eq!((replay.policy().signals, score.withheld_signals), (2, 0));
}

#[test]
fn never_saves_nothing_and_costs_nothing() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let recorded = short_of_memory(mode).close();
        let mut replay = Replay::new(Never);
        for line in recorded_lines(recorded.root()) {
            replay.take(&line, &mut Vec::new());
        }
        let score = replay.finish(&mut Vec::new());
        near(score.saved_gib_h, 0.0);
        near(score.saved_share, 0.0);
        near(score.saved_awake_gib_h, 0.0);
        near(score.saved_pressed_gib_h, 0.0);
        near(score.reload_wait_s, 0.0);
        assert_eq!((score.discards, score.reloads, score.thrash), (0, 0, 0));
        assert_eq!(
            score.pressure_high_minutes,
            score.never.pressure_high_minutes
        );
    }
}

#[test]
fn discarding_a_tab_that_is_never_used_again_costs_nothing() {
    let mut bodies = vec![measured(2, GIB), measured(3, 2 * GIB), measured(4, GIB)];
    bodies.extend(vec![tick(); 57]);
    let score = score(&[(30, &[2])], &bodies);
    near(score.saved_gib_h, 0.5);
    near(score.reload_wait_s, 0.0);
    near(score.early_return_rate, 0.0);
    near(score.reloads_per_active_hour, 0.0);
    assert_eq!((score.reloads, score.violations), (0, 0));
    assert_eq!(score.saved_by_source, BTreeMap::from([(Source::Tab, 1.0)]));
    assert_eq!(
        score.saved_pressed_gib_h, None,
        "nothing is known of the machine"
    );
    assert_eq!((score.peak_used, score.pressure_high_minutes), (None, None));
}

#[test]
fn all_of_the_background_is_a_share_of_one_and_what_comes_after_the_departure_is_told() {
    let bodies = vec![tick(); 10];
    let score = score(&[(0, &[2, 3, 4])], &bodies);
    near(score.saved_share, 1.0);
    near(score.departed_saved_share, 1.0);
    assert_eq!(
        score.saved_by_source,
        BTreeMap::from([(Source::Default, 1.0)])
    );
    assert_eq!(score.violated, BTreeMap::from([("young", 3)]));
}

#[test]
fn memory_that_is_freed_while_nobody_is_there_helps_nobody() {
    let mut bodies = vec![measured(2, GIB), tick(), user(UserState::Idle)];
    bodies.extend(vec![user(UserState::Idle); 29]);
    bodies.extend([tick(), tick()]);
    let score = score(&[(2, &[2])], &bodies);
    near(score.saved_gib_h, 2.0 / 60.0);
    near(score.saved_awake_gib_h, 32.0 / 60.0);
}

#[test]
fn discards_by_others_save_nothing() {
    let bodies = [
        measured(2, GIB),
        tick(),
        tick(),
        discarded(2, DiscardedBy::Other),
        tick(),
        tick(),
    ];
    near(score(&[(2, &[2])], &bodies).saved_gib_h, 2.0 / 60.0);
    near(score(&[], &bodies).saved_gib_h, 0.0);
}

#[test]
fn memory_counts_as_pressed_by_the_level_without_any_discard() {
    // 90 % is MEDIUM, 95 % is HIGH; 6 GiB less of it is below both.
    let mut bodies = vec![measured(2, 6 * GIB), sample(60, 24)];
    bodies.extend([
        sample(90, 24),
        sample(90, 24),
        sample(95, 24),
        sample(60, 24),
        tick(),
    ]);
    let score = score(&[(2, &[2])], &bodies);
    near(score.saved_gib_h, 30.0 / 60.0);
    near(score.saved_pressed_gib_h, 18.0 / 60.0);
    near(score.never.pressure_medium_minutes, 2.0);
    near(score.never.pressure_high_minutes, 1.0);
    near(score.pressure_medium_minutes, 1.0);
    near(score.pressure_high_minutes, 0.0);
    assert_eq!(score.never.peak_used, Some(95 * GIB));
    assert_eq!(score.peak_used, Some(89 * GIB));
}

#[test]
fn a_reload_takes_as_long_as_the_recording_says() {
    let wait = |bodies: &[Body]| {
        let score = score(&[(2, &[2])], bodies);
        (score.reload_wait_s, score.timed_reloads, score.reloads)
    };
    let last_load = [loaded(2, Some(700)), tick(), activated(2)];
    assert_eq!(wait(&last_load), (Some(0.7), 1, 1), "as its last load");
    assert_eq!(wait(&[tick(), tick(), activated(2)]), (None, 0, 1));
    let restore = [
        loaded(2, Some(700)),
        tick(),
        recorded(2, 2),
        discarded(2, DiscardedBy::Orchestrator),
        activated(2),
        restored(2),
        loaded(2, Some(300)),
    ];
    assert_eq!(wait(&restore), (Some(0.3), 1, 1), "as its own restore");
}

#[test]
fn a_tab_that_is_discarded_twice_within_half_an_hour_thrashes() {
    let twice = |apart: usize| {
        let mut bodies = vec![tick(), tick(), activated(2), activated(1)];
        bodies.extend(vec![tick(); apart]);
        score(&[(2, &[2]), (apart as u64 + 2, &[2])], &bodies).thrash
    };
    assert_eq!((twice(30), twice(31)), (1, 0));
}

#[test]
fn a_tab_that_comes_into_sight_beside_another_is_loaded_again() {
    let in_sight = |in_sight| {
        Body::TabChanged(TabChanged {
            in_sight: Some(in_sight),
            ..TabChanged::new(TabId(2))
        })
    };
    let reloads = |bodies: &[Body]| score(&[(2, &[2])], bodies).reloads;
    assert_eq!(reloads(&[tick(), tick(), in_sight(true)]), 1);
    assert_eq!(reloads(&[tick(), tick(), in_sight(false)]), 0);
    let told_anew = Body::TabOpened(Tab {
        in_sight: Some(true),
        ..tab(2)
    });
    assert_eq!(reloads(&[tick(), tick(), told_anew]), 1);
}

#[test]
fn the_checker_of_guards_objects_to_what_each_of_them_protects() {
    let changed = |change: fn(&mut TabChanged)| {
        let mut body = TabChanged::new(TabId(2));
        change(&mut body);
        Body::TabChanged(body)
    };
    let navigated = |host: Option<&str>| {
        Body::TabNavigated(TabNavigated {
            tab: TabId(2),
            host: host.map(Into::into),
            scheme: host.is_none().then(|| "chrome".to_owned()),
            protected: None,
        })
    };
    let audible = || changed(|tab| tab.audible = Some(true));
    let silent = || changed(|tab| tab.audible = Some(false));
    let in_sight = || changed(|tab| tab.in_sight = Some(true));
    let out_of_sight = || changed(|tab| tab.in_sight = Some(false));
    for (before, expect) in [
        (vec![tick()], None),
        (vec![activated(2)], Some("active")),
        (vec![in_sight()], Some("active")),
        (vec![in_sight(), tick(), out_of_sight()], Some("young")),
        (vec![in_sight(), out_of_sight(), tick()], None),
        (vec![activated(2), activated(1)], Some("young")),
        (vec![changed(|tab| tab.pinned = Some(true))], Some("pinned")),
        (vec![audible()], Some("audible")),
        (vec![audible(), silent()], Some("recently_audible")),
        (vec![audible(), silent(), tick()], None),
        (
            vec![changed(|tab| tab.capturing = Some(true))],
            Some("capturing"),
        ),
        (
            vec![changed(|tab| tab.unsaved = Some(true))],
            Some("unsaved"),
        ),
        (
            vec![changed(|tab| tab.auto_discardable = Some(false))],
            Some("not_auto_discardable"),
        ),
        (vec![navigated(None), loaded(2, None)], Some("internal")),
        (vec![navigated(Some("a.example.org"))], Some("loading")),
        (
            vec![navigated(Some("a.test")), loaded(2, None)],
            Some("protected"),
        ),
        (
            vec![navigated(Some("b.a.test")), loaded(2, None)],
            Some("protected"),
        ),
        (vec![navigated(Some("a.test.org")), loaded(2, None)], None),
        (vec![navigated(Some("ba.test")), loaded(2, None)], None),
    ] {
        let at = before.len() as u64 + 1;
        let bodies: Vec<Body> = std::iter::once(tick()).chain(before.clone()).collect();
        let replay = dictated(&[(at, &[2])]).protecting(&[".a.test".to_owned()]);
        let score = run(replay, &bodies).1;
        let found: Vec<&str> = score.violated.keys().copied().collect();
        assert_eq!(
            score.violations,
            u64::from(expect.is_some()),
            "{before:?}: {found:?}"
        );
        assert!(
            expect.is_none_or(|expect| found.contains(&expect)),
            "{before:?}: {found:?}"
        );
    }
}

#[test]
fn a_recording_under_its_own_policy_is_replayed_as_it_was_with_and_without_feedback() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let lines = recorded_lines(recorded.root());
    let decided = |replay: Replay<Orchestrator>| {
        let mut replay = replay;
        let mut decided = Vec::new();
        for line in &lines {
            replay.take(&line.clone(), &mut decided);
        }
        let score = replay.finish(&mut decided);
        (decided, score)
    };
    let policy = || Replay::new(Orchestrator::new(PolicyDocument::default()));
    let (closed, closed_score) = decided(policy());
    let (open, open_score) = decided(policy().open_loop());
    let there = (lines.iter())
        .filter(|line| matches!(line.body, Body::Decision(_)))
        .count();
    assert_eq!((there, closed.len()), (5, 5));
    assert!(closed.iter().all(|decision| decision.as_recorded));
    assert_eq!(closed, open);
    assert_eq!(
        (closed_score.departure, closed_score.withheld_samples),
        (None, 0)
    );
    assert_eq!(closed_score.departed_saved_share, Some(0.0));
    assert!(closed_score.saved_gib_h > 0.0);
    near(closed_score.saved_gib_h, open_score.saved_gib_h);
    assert_eq!(
        closed_score.reload_wait_s,
        Some(0.3),
        "its one restore took 300 ms"
    );
}

#[test]
fn a_closed_tab_saves_no_longer() {
    let closed = Body::TabClosed(TabClosed { tab: TabId(2) });
    let bodies = [measured(2, GIB), tick(), tick(), closed, tick(), tick()];
    near(score(&[(2, &[2])], &bodies).saved_gib_h, 2.0 / 60.0);
}

#[test]
fn traces_are_pooled_as_if_they_were_one() {
    let mut bodies = vec![
        measured(2, GIB),
        sample(95, 20),
        loaded(2, Some(700)),
        activated(2),
    ];
    let first = score(&[(2, &[2])], &bodies);
    bodies.extend(vec![tick(); 26]);
    let second = score(&[(4, &[3])], &bodies);
    let mut pooled = Score::default();
    pooled.pool(&first);
    let mut itself = first.clone();
    itself.departure = None;
    assert_eq!(pooled, itself);
    pooled.pool(&second);
    near(pooled.saved_gib_h, first.saved_gib_h + second.saved_gib_h);
    near(pooled.early_return_rate, 0.5);
    near(pooled.reloads_per_active_hour, 60.0 / 34.0);
    near(pooled.reload_wait_s, 0.7);
    near(pooled.departed_saved_share, 1.0);
    assert_eq!((pooled.discards, pooled.peak_used), (2, Some(95 * GIB)));
    assert_eq!(pooled.span.active_ms, 34 * MINUTE);
}

#[test]
fn the_page_about_scores_is_made_from_their_declarations() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("SCORES.md");
    let text = fs::read_to_string(page).unwrap();
    assert!(
        text.contains(&scores_table()),
        "SCORES.md should hold:\n{}",
        scores_table()
    );
}

fn recorded_lines(root: &Path) -> Vec<Line> {
    let trace = Trace::open(root.join("trace")).unwrap();
    trace.read().collect::<Result<_, _>>().unwrap()
}
