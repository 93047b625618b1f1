//! What holds for every log, possible or not.

use std::collections::BTreeMap;

use engine::{
    Decision, Engine, Event, Input, Level, Metrics, Mode, Orchestrator, Output, Page,
    PolicyDocument, Reason, Seq, Snapshot, TabFacts, TabId, Verdict, WindowId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::generate::{config, extreme_events, metrics, policy, script};
use crate::watch::Watch;

proptest! {
    #![proptest_config(config(500))]

    /// Guards, awaited outcomes, notes of observe mode, pauses, cooldown, batches.
    #[test]
    fn no_decision_breaks_a_limit(script in script()) {
        let mut watch = Watch::new(script.policy.clone(), script.mode);
        for (event, outputs) in script.log() {
            if let Err(broken) = watch.see(&event, &outputs) {
                prop_assert!(false, "at {}: {broken}", event.seq);
            }
        }
    }

    #[test]
    fn cutting_the_log_changes_no_earlier_decision(script in script(), cut in any::<Index>()) {
        let log = script.log();
        let cut = cut.index(log.len() + 1);
        let mut engine = script.engine();
        for (event, expected) in &log[..cut] {
            prop_assert_eq!(&step(&mut engine, event), expected);
        }
    }

    #[test]
    fn the_same_log_gives_the_same_outputs_and_states(script in script(), split in any::<Index>()) {
        let log = script.log();
        let split = split.index(log.len());
        let (mut one, mut other) = (script.engine(), script.engine());
        let mut copy = None;
        for (index, (event, expected)) in log.iter().enumerate() {
            prop_assert_eq!(&step(&mut one, event), expected);
            prop_assert_eq!(&step(&mut other, event), expected);
            prop_assert_eq!(one.state_hash(), other.state_hash());
            if index == split {
                copy = Some(one.clone());
            } else if let Some(copy) = &mut copy {
                prop_assert_eq!(&step(copy, event), expected);
                prop_assert_eq!(copy.state_hash(), one.state_hash());
            }
        }
    }

    /// Tests run with overflow checks on, so this is a statement about arithmetic, too.
    #[test]
    fn no_sequence_of_events_panics(policy in policy(), events in extreme_events()) {
        let mut engine = Engine::new(Orchestrator::new(policy), Mode::Enforce);
        for event in &events {
            step(&mut engine, event);
            let tabs: Vec<TabId> = engine.world().tabs().map(|tab| tab.id).collect();
            for tab in tabs {
                let explanation = engine.explain(tab).expect("the tab is there");
                prop_assert!(!explanation.to_string().is_empty());
            }
            prop_assert_eq!(engine.state_hash().len(), 32);
            prop_assert!(engine.knowledge().len() <= engine::REMEMBERED_HOSTS);
        }
    }

    /// The next sample is one like the last, at the same moment: a millisecond later a TTL or a
    /// cooldown may have ended.
    #[test]
    fn explain_says_discard_where_the_next_sample_would(script in script()) {
        let mut engine = script.engine();
        for (event, _) in script.log() {
            step(&mut engine, &event);
            let mut ahead = engine.clone();
            let next = Event {
                seq: Seq(event.seq.0 + 1_000),
                t_ms: engine.world().moment().now,
                input: Input::Metrics(*engine.world().metrics()),
            };
            let outputs = step(&mut ahead, &next);
            let decided: Vec<TabId> = decisions(&outputs).map(|decision| decision.tab).collect();
            for tab in engine.world().tabs() {
                let explanation = engine.explain(tab.id).expect("the tab is there");
                prop_assert_eq!(
                    explanation.verdict == Verdict::Discard,
                    decided.contains(&tab.id),
                    "after {:?}: {}", event.input, explanation
                );
                prop_assert_eq!(
                    explanation.needs.is_empty(),
                    explanation.verdict == Verdict::Discard,
                    "after {:?}: {}", event.input, explanation
                );
                prop_assert_eq!(
                    explanation.guards.is_empty(),
                    explanation.verdict != Verdict::Guarded
                );
            }
        }
    }

    #[test]
    fn a_level_is_left_only_well_below_its_threshold(samples in vec(metrics(), 1..60)) {
        let mut engine = Engine::new(Orchestrator::new(PolicyDocument::default()), Mode::Observe);
        let mut was = Level::Low;
        for (index, sample) in (0..).zip(samples) {
            let event = Event { seq: Seq(index), t_ms: 0, input: Input::Metrics(sample) };
            let outputs = step(&mut engine, &event);
            let pressure = engine.policy().pressure();
            let (score, level) = (pressure.score, pressure.level);
            let entered = match score {
                75.. => Level::High,
                50.. => Level::Medium,
                _ => Level::Low,
            };
            // Lower than the score by itself says: never.
            prop_assert!(level >= entered);
            let raises = [Reason::RamHigh, Reason::PsiElevated, Reason::PsiHigh];
            if level > entered && !raises.iter().any(|raise| pressure.reasons.contains(raise)) {
                let threshold = if level == Level::High { 75 } else { 50 };
                prop_assert!(was >= level, "{level} was entered at {score}");
                prop_assert!(score > threshold - 5, "{level} was not left at {score}");
            }
            let told = outputs.iter().find_map(|output| match output {
                Output::PressureChanged(change) => Some((change.was, change.level)),
                Output::Decision(_) => None,
            });
            prop_assert_eq!(told, (was != level).then_some((was, level)));
            was = level;
        }
    }
}

/// What the sessions reach, so that the properties above speak of something. The numbers are
/// printed with `--nocapture`.
#[test]
#[expect(clippy::print_stdout, reason = "how much is reached is worth seeing")]
fn the_sessions_reach_what_they_should() {
    const SESSIONS: u32 = 500;
    let mut runner = TestRunner::deterministic();
    let mut reached: BTreeMap<String, u32> = BTreeMap::new();
    let mut with_decisions = 0;
    for _ in 0..SESSIONS {
        let tree = script().new_tree(&mut runner);
        let script = tree.expect("sessions are not filtered away").current();
        let mut engine = script.engine();
        let mut decided = false;
        for (event, outputs) in script.log() {
            step(&mut engine, &event);
            for tab in engine.world().tabs() {
                let explanation = engine.explain(tab.id).expect("the tab is there");
                *reached
                    .entry(format!("verdict {:?}", explanation.verdict))
                    .or_default() += 1;
            }
            for decision in decisions(&outputs) {
                decided = true;
                let mut facts = vec![
                    "decisions".to_owned(),
                    format!("mode {:?}", decision.mode),
                    format!("level {}", decision.level),
                    format!("in focus {}", decision.in_focus),
                    format!("not the first of its batch {}", decision.rank > 0),
                    format!("familiar {}", decision.familiarity > 1),
                ];
                facts.extend(
                    decision
                        .reasons
                        .iter()
                        .map(|reason| format!("reason {reason}")),
                );
                for fact in facts {
                    *reached.entry(fact).or_default() += 1;
                }
            }
        }
        with_decisions += u32::from(decided);
    }
    println!("{with_decisions} of {SESSIONS} sessions led to decisions");
    for (fact, count) in &reached {
        println!("{count:>7} {fact}");
    }
    assert!(with_decisions >= SESSIONS * 3 / 5, "only {with_decisions}");
    for fact in [
        "verdict Discard",
        "verdict Wait",
        "verdict Keep",
        "verdict Guarded",
        "verdict Noted",
        "verdict Decided",
        "verdict Refused",
        "mode Observe",
        "mode Enforce",
        "level LOW",
        "level MEDIUM",
        "level HIGH",
        "in focus true",
        "in focus false",
        "not the first of its batch true",
        "familiar true",
        "reason RAM_ELEVATED",
        "reason RAM_HIGH",
        "reason CPU_ELEVATED",
        "reason CPU_HIGH",
        "reason ON_BATTERY",
        "reason PSI_ELEVATED",
        "reason PSI_HIGH",
        "reason SWAPPING",
        "reason OS_MODERATE",
        "reason OS_CRITICAL",
        "reason REQUESTED",
        "reason FOCUS_PROACTIVE",
        "reason GATE_ALWAYS",
    ] {
        let count = reached.get(fact).copied().unwrap_or_default();
        assert!(count >= 20, "{fact}: only {count} times");
    }
}

/// Proves that the watchman objects: it is told of decisions that nobody may make.
mod the_watchman_objects {
    use super::*;

    const HOUR: i64 = 3_600_000;

    /// Shows the watchman two tabs, then inputs at their times, each with decisions on these tabs.
    fn verdict(facts: &TabFacts, mode: Mode, steps: &[(i64, Input, &[i64])]) -> String {
        let mut watch = Watch::new(PolicyDocument::default(), mode);
        let other = TabFacts {
            tab: TabId(2),
            ..plain()
        };
        let snapshot = Input::SessionStarted(Snapshot {
            tabs: vec![facts.clone(), other],
            ..Snapshot::default()
        });
        let start = [(0, snapshot, &[][..])];
        for (seq, (t_ms, input, tabs)) in (0..).map(Seq).zip(start.iter().chain(steps)) {
            let is_request = matches!(input, Input::PruneRequested { .. });
            let decisions = (0..).zip(*tabs).map(|(rank, &tab)| {
                Output::Decision(Decision {
                    cause: seq,
                    tab: TabId(tab),
                    rank,
                    idle_ms: 0,
                    ttl_ms: 0,
                    in_focus: false,
                    familiarity: 1,
                    score: 60,
                    level: Level::Medium,
                    reasons: Vec::from_iter(is_request.then_some(Reason::Requested)),
                    mode: if is_request { Mode::Enforce } else { mode },
                    policy_hash: String::new(),
                })
            });
            let event = Event {
                seq,
                t_ms: *t_ms,
                input: input.clone(),
            };
            if let Err(broken) = watch.see(&event, &decisions.collect::<Vec<_>>()) {
                return broken;
            }
        }
        "nothing".to_owned()
    }

    fn plain() -> TabFacts {
        TabFacts {
            page: Some(Page::Web("a.example".into())),
            ..TabFacts::new(TabId(1), WindowId(1))
        }
    }

    fn sample() -> Input {
        Input::Metrics(Metrics::default())
    }

    #[test]
    fn to_a_decision_on_a_guarded_tab() {
        let after = |ms, facts| verdict(&facts, Mode::Enforce, &[(ms, sample(), &[1])]);
        let yes = Some(true);
        #[rustfmt::skip]
        let cases = [
            ("nothing", plain()),
            ("in front", TabFacts { active: yes, ..plain() }),
            ("pinned", TabFacts { pinned: yes, ..plain() }),
            ("audible", TabFacts { audible: yes, ..plain() }),
            ("capturing", TabFacts { capturing: yes, ..plain() }),
            ("in sight", TabFacts { in_sight: yes, ..plain() }),
            ("unsaved", TabFacts { unsaved: yes, ..plain() }),
            ("not auto-discardable", TabFacts { auto_discardable: Some(false), ..plain() }),
            ("protected", TabFacts { protected: yes, ..plain() }),
            ("protected", TabFacts { page: Some(Page::Web("x.zoom.us".into())), ..plain() }),
            ("internal", TabFacts { page: None, ..plain() }),
            ("loading", TabFacts { loading: yes, ..plain() }),
            ("discarded", TabFacts { discarded: yes, ..plain() }),
            ("not there", TabFacts { tab: TabId(3), ..plain() }),
        ];
        for (objection, facts) in cases {
            let verdict = after(HOUR, facts);
            assert!(verdict.contains(objection), "{objection}: {verdict}");
        }
        assert!(after(59_999, plain()).contains("young"));
    }

    #[test]
    fn to_a_decision_at_the_wrong_time() {
        let request = || Input::PruneRequested { tab: None };
        let pause = Input::Paused {
            until_ms: Some(HOUR + 1),
        };
        let enforce = |steps: &[_]| verdict(&plain(), Mode::Enforce, steps);
        for (objection, found) in [
            (
                "in a pause",
                enforce(&[(0, pause, &[]), (HOUR, sample(), &[1])]),
            ),
            ("at once", enforce(&[(HOUR, sample(), &[1, 2])])),
            (
                "after the last",
                enforce(&[(HOUR, sample(), &[1]), (HOUR + 59_999, sample(), &[2])]),
            ),
            (
                "awaited",
                enforce(&[(HOUR, sample(), &[1]), (HOUR + 29_999, request(), &[1])]),
            ),
            (
                "noted already",
                verdict(
                    &plain(),
                    Mode::Observe,
                    &[(HOUR, sample(), &[1]), (2 * HOUR, sample(), &[1])],
                ),
            ),
            (
                "nothing",
                enforce(&[(HOUR, sample(), &[1]), (HOUR + 60_000, sample(), &[1])]),
            ),
        ] {
            assert!(found.contains(objection), "{objection}: {found}");
        }
    }
}

fn step(engine: &mut Engine<Orchestrator>, event: &Event) -> Vec<Output> {
    let mut outputs = Vec::new();
    engine.step(event, &mut outputs);
    outputs
}

fn decisions(outputs: &[Output]) -> impl Iterator<Item = &Decision> {
    outputs.iter().filter_map(|output| match output {
        Output::Decision(decision) => Some(decision),
        Output::PressureChanged(_) => None,
    })
}
