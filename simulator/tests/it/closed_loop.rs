//! What a replay keeps of a recording and what it takes out, under a policy whose decisions the
//! test dictates and that writes down what it is told.

use std::collections::BTreeMap;

use engine::{
    DiscardedBy, Engine, Event, Input, Mode, Orchestrator, Output, Page, Policy, PolicyDocument,
    Projection, Seq, TabChanges, TabId, UserState, WindowId, World,
};
use recorder::{
    Body, DiscardOutcome, DropReason, Line, ModeChanged, OrderDropped, Tab, TabActivated,
    TabChanged, TabClosed, TabDiscarded, TabLoaded, TabNavigated, TabReplaced, TabRestored, Trace,
    UserIdle,
};
use simulator::baselines::Never;
use simulator::replay::{Departure, Replay, Replayed, Score};

use crate::recording::{MINUTE, START_MS, decision, session_of, short_of_memory, tab};

/// Decides on given tabs at given lines, and remembers what it saw.
#[derive(Clone, Debug, Default)]
struct Dictated {
    at: BTreeMap<u64, Vec<i64>>,
    seen: Vec<String>,
}

impl Policy for Dictated {
    fn name(&self) -> &str {
        "dictated"
    }

    fn step(&mut self, _: &World, event: &Event, outputs: &mut Vec<Output>) {
        if let Some(told) = told(&event.input) {
            self.seen.push(format!("{} {told}", event.seq));
        }
        for tab in self.at.remove(&event.seq.0).into_iter().flatten() {
            outputs.push(Output::Decision(decision(event.seq, TabId(tab))));
        }
    }

    fn project(&self, _: &mut Projection) {}
}

fn told(input: &Input) -> Option<String> {
    Some(match input {
        Input::SessionStarted(snapshot) => {
            let discarded = snapshot
                .tabs
                .iter()
                .filter(|tab| tab.discarded == Some(true));
            let discarded: Vec<i64> = discarded.map(|tab| tab.tab.0).collect();
            format!("snapshot, discarded {discarded:?}")
        }
        Input::TabActivated { tab, .. } => format!("activated {tab}"),
        Input::TabNavigated { tab, page, .. } => match page {
            Some(Page::Web(host)) => format!("navigated {tab} {host}"),
            _ => format!("navigated {tab}"),
        },
        Input::TabLoaded { tab, .. } => format!("loaded {tab}"),
        Input::TabChanged { tab, changes } => {
            let TabChanges {
                pinned, audible, ..
            } = changes;
            format!("changed {tab} pinned {pinned:?} audible {audible:?}")
        }
        Input::TabReplaced { tab, old } => format!("replaced {old} by {tab}"),
        Input::TabDiscarded { tab, by } => format!("discarded {tab} by {by:?}"),
        Input::TabRestored { tab } => format!("restored {tab}"),
        Input::TabClosed { tab } => format!("closed {tab}"),
        Input::DiscardOutcome { tab, ok, .. } => format!("outcome {tab} {ok}"),
        Input::ModeChanged(_) | Input::PolicyChanged(_) => "a setting".to_owned(),
        _ => return None,
    })
}

/// What a replay came to, and what its policy was told of tabs.
struct Told {
    seen: Vec<String>,
    decided: Vec<Replayed>,
    score: Score,
}

/// Replays lines that are a minute apart. The first one is a snapshot of tabs 1 to 4 with tab 1 in
/// front; `decide` says on what line the policy decides on which tabs.
fn replay(bodies: &[Body], decide: &[(u64, &[i64])]) -> Told {
    let policy = Dictated {
        at: decide
            .iter()
            .map(|(seq, tabs)| (*seq, tabs.to_vec()))
            .collect(),
        seen: Vec::new(),
    };
    let mut replay = Replay::new(policy);
    let mut decided = Vec::new();
    let first = session(&[]);
    for (index, body) in (0..).zip(std::iter::once(&first).chain(bodies)) {
        replay.take(&line(index, body.clone()), &mut decided);
    }
    let mut last = replay.clone();
    let score = replay.finish(&mut decided);
    let ended = score.discards + score.refused + score.unanswered;
    assert_eq!(score.decisions, ended, "each decision comes to one end");
    let gone = score.reloads + score.closed_while_held + score.taken_over + score.held_at_end;
    assert_eq!(score.discards, gone, "each discard comes to one end");
    // What is decided last is carried out at the end; look at it there, too.
    last.take(&line(1_000, user(UserState::Active)), &mut Vec::new());
    let seen = last.policy().seen[1..].to_vec();
    Told {
        seen,
        decided,
        score,
    }
}

fn line(seq: u64, body: Body) -> Line {
    Line {
        seq: Seq(seq),
        t_ms: START_MS + MINUTE * seq.min(100).cast_signed(),
        src: body.source().unwrap(),
        n: None,
        at_ms: None,
        body,
    }
}

fn session(discarded: &[i64]) -> Body {
    let tabs = (1..=4).map(|id| Tab {
        active: Some(id == 1),
        discarded: Some(discarded.contains(&id)),
        ..tab(id)
    });
    session_of(tabs)
}

fn user(state: UserState) -> Body {
    Body::UserIdle(UserIdle { state })
}

fn activated(id: i64) -> Body {
    Body::TabActivated(TabActivated {
        tab: TabId(id),
        win: WindowId(1),
    })
}

fn navigated(id: i64, host: &str) -> Body {
    Body::TabNavigated(TabNavigated {
        tab: TabId(id),
        host: Some(host.into()),
        scheme: None,
        protected: None,
    })
}

fn loaded(id: i64) -> Body {
    Body::TabLoaded(TabLoaded {
        tab: TabId(id),
        ms: None,
    })
}

fn closed(id: i64) -> Body {
    Body::TabClosed(TabClosed { tab: TabId(id) })
}

fn restored(id: i64) -> Body {
    Body::TabRestored(TabRestored { tab: TabId(id) })
}

fn discarded(id: i64, by: DiscardedBy) -> Body {
    Body::TabDiscarded(TabDiscarded { tab: TabId(id), by })
}

fn replaced(old: i64, new: i64) -> Body {
    Body::TabReplaced(TabReplaced {
        tab: TabId(new),
        old: TabId(old),
    })
}

fn outcome(decision: u64, id: i64, ok: bool) -> Body {
    Body::DiscardOutcome(DiscardOutcome {
        decision: Seq(decision),
        tab: TabId(id),
        ok,
        why: None,
    })
}

fn recorded(cause: u64, tab: i64) -> Body {
    Body::Decision(decision(Seq(cause), TabId(tab)).into())
}

#[test]
fn a_discard_of_its_own_succeeds_at_once_and_the_tab_is_reloaded_when_it_is_needed() {
    let it = replay(
        &[
            user(UserState::Active),
            user(UserState::Active),
            activated(2),
        ],
        &[(1, &[2])],
    );
    assert_eq!(
        it.seen,
        [
            "1 discarded 2 by Orchestrator",
            "1 outcome 2 true",
            "3 activated 2",
            "3 restored 2",
            "3 loaded 2",
        ]
    );
    assert_eq!(
        (it.score.discards, it.score.reloads, it.score.early_returns),
        (1, 1, 1)
    );
    assert_eq!(it.score.early_return_rate, Some(1.0));
    assert_eq!(it.decided[0].host.as_deref(), Some("host-2.example.org"));
    let departure = Departure {
        seq: Seq(1),
        t_ms: START_MS + MINUTE,
    };
    assert_eq!(it.score.departure, Some(departure));
}

#[test]
fn early_is_measured_on_the_users_own_time() {
    let away = vec![user(UserState::Idle); 30];
    let mut bodies = vec![user(UserState::Active)];
    bodies.extend(away);
    bodies.extend([user(UserState::Active), activated(2)]);
    assert_eq!(
        replay(&bodies, &[(1, &[2])]).score.early_returns,
        1,
        "30 minutes away are none"
    );
    let mut bodies = vec![user(UserState::Active); 12];
    bodies.push(activated(2));
    let score = replay(&bodies, &[(1, &[2])]).score;
    assert_eq!((score.reloads, score.early_returns), (1, 0));
}

#[test]
fn what_the_recorded_policy_did_is_taken_out() {
    let it = replay(
        &[
            Body::ModeChanged(ModeChanged {
                mode: Mode::Enforce,
            }),
            user(UserState::Active),
            recorded(2, 3),
            replaced(3, 13),
            discarded(13, DiscardedBy::Orchestrator),
            outcome(3, 3, true),
            activated(13),
            restored(13),
            loaded(13),
        ],
        &[],
    );
    assert_eq!(it.seen, ["4 replaced 3 by 13", "7 activated 13"]);
    assert_eq!(
        it.score.taken_out, 5,
        "mode, discard, outcome, restore and its load"
    );
    let departure = Departure {
        seq: Seq(2),
        t_ms: START_MS + 2 * MINUTE,
    };
    assert_eq!(it.score.departure, Some(departure));
    assert_eq!(it.score.anomalies, 0);
}

#[test]
fn the_same_decision_takes_the_recorded_outcome_at_its_own_time() {
    let with_outcome = |events: Vec<Body>| {
        let mut bodies = vec![user(UserState::Active), recorded(1, 3)];
        bodies.extend(events);
        replay(&bodies, &[(1, &[3])])
    };
    let discarded = || discarded(13, DiscardedBy::Orchestrator);

    let it = with_outcome(vec![replaced(3, 13), discarded(), outcome(2, 3, true)]);
    let expect = [
        "3 replaced 3 by 13",
        "4 discarded 13 by Orchestrator",
        "5 outcome 3 true",
    ];
    assert_eq!(it.seen, expect);
    assert!(it.decided[0].as_recorded);
    assert_eq!((it.score.discards, it.score.departure), (1, None));

    let it = with_outcome(vec![outcome(2, 3, true), replaced(3, 13), discarded()]);
    let expect = [
        "3 outcome 3 true",
        "4 replaced 3 by 13",
        "5 discarded 13 by Orchestrator",
    ];
    assert_eq!(it.seen, expect, "in any order");
    assert_eq!((it.score.discards, it.score.held_at_end), (1, 1));

    let it = with_outcome(vec![outcome(2, 3, false)]);
    assert_eq!(it.seen, ["3 outcome 3 false"]);
    assert_eq!(
        (it.score.discards, it.score.refused),
        (0, 1),
        "refused stays refused"
    );

    let why = DropReason::Slept.to_string();
    let tab = TabId(3);
    let never_sent = |decision| {
        Body::OrderDropped(OrderDropped {
            decision: Seq(decision),
            tab,
            why: why.clone(),
        })
    };
    let it = with_outcome(vec![never_sent(2), closed(3)]);
    assert_eq!(it.seen, ["4 closed 3"], "no policy is told of it");
    assert_eq!((it.score.refused, it.score.unanswered), (1, 0));
    let it = with_outcome(vec![never_sent(1), closed(3)]);
    assert_eq!((it.score.refused, it.score.unanswered), (0, 1));

    let it = with_outcome(vec![]);
    assert_eq!((it.score.discards, it.score.unanswered), (0, 1));
    let it = with_outcome(vec![closed(3)]);
    assert_eq!((it.score.discards, it.score.unanswered), (0, 1));
}

#[test]
fn a_recorded_restore_ends_the_policys_own_discard_as_well() {
    let it = replay(
        &[
            user(UserState::Active),
            recorded(1, 3),
            replaced(3, 13),
            discarded(13, DiscardedBy::Orchestrator),
            outcome(2, 3, true),
            activated(13),
            restored(13),
            loaded(13),
        ],
        &[(1, &[3])],
    );
    assert_eq!(
        it.seen[3..],
        ["6 activated 13", "7 restored 13", "8 loaded 13"]
    );
    assert_eq!((it.score.reloads, it.score.taken_out), (1, 0));
}

#[test]
fn a_discarded_tab_does_nothing_by_itself_and_catches_up_when_it_is_back() {
    let audible = |id, audible| {
        Body::TabChanged(TabChanged {
            audible: Some(audible),
            ..TabChanged::new(TabId(id))
        })
    };
    let pinned = Body::TabChanged(TabChanged {
        pinned: Some(true),
        audible: Some(true),
        ..TabChanged::new(TabId(2))
    });
    let it = replay(
        &[
            user(UserState::Active),
            navigated(2, "elsewhere.example.org"),
            loaded(2),
            audible(2, true),
            audible(2, false),
            pinned,
            discarded(2, DiscardedBy::Other),
            restored(2),
            loaded(2),
        ],
        &[(1, &[2])],
    );
    assert_eq!(
        it.seen[2..],
        [
            "5 changed 2 pinned None audible Some(false)",
            "6 changed 2 pinned Some(true) audible None",
            "8 restored 2",
            "8 navigated 2 elsewhere.example.org",
            "9 loaded 2",
        ],
        "another program discarded the tab after it was discarded here; its restore brings it back"
    );
    assert_eq!(it.score.impossible, 4);
    let it = replay(
        &[
            user(UserState::Active),
            navigated(2, "elsewhere.example.org"),
            audible(2, true),
            activated(2),
            loaded(2),
        ],
        &[(1, &[2])],
    );
    assert_eq!(
        it.seen[2..],
        [
            "4 activated 2",
            "4 restored 2",
            "4 navigated 2 elsewhere.example.org",
            "4 changed 2 pinned None audible Some(true)",
            "5 loaded 2",
        ]
    );
}

#[test]
fn discards_by_others_are_facts() {
    let it = replay(
        &[
            discarded(2, DiscardedBy::Other),
            user(UserState::Active),
            activated(2),
            restored(2),
            loaded(2),
        ],
        &[(2, &[2])],
    );
    assert_eq!(
        it.seen,
        [
            "1 discarded 2 by Other",
            "2 outcome 2 false",
            "3 activated 2",
            "4 restored 2",
            "5 loaded 2"
        ]
    );
    let score = it.score;
    assert_eq!(
        (score.discards, score.refused, score.reloads),
        (0, 1, 0),
        "not ours to count"
    );
}

#[test]
fn a_tab_that_others_discard_as_well_is_held_by_nobody() {
    let it = replay(
        &[
            user(UserState::Active),
            user(UserState::Active),
            discarded(2, DiscardedBy::Other),
            activated(2),
            restored(2),
            loaded(2),
        ],
        &[(1, &[2])],
    );
    let score = it.score;
    assert_eq!((score.discards, score.taken_over), (1, 1));
    assert_eq!(
        (score.reloads, score.early_returns, score.timed_reloads),
        (0, 0, 0),
        "it would have been loaded again without the policy, too"
    );
}

#[test]
fn a_snapshot_tells_of_the_world_as_recorded() {
    let it = replay(
        &[
            user(UserState::Active),
            recorded(1, 3),
            discarded(3, DiscardedBy::Orchestrator),
            outcome(2, 3, true),
            session(&[3, 4]),
            activated(2),
        ],
        &[(1, &[2])],
    );
    assert_eq!(
        it.seen[2..],
        [
            "5 snapshot, discarded [4]",
            "6 activated 2",
            "6 restored 2",
            "6 loaded 2"
        ],
        "tab 2 stays discarded, 3 stays loaded, 4 was discarded by another while nobody listened"
    );
    assert_eq!(it.score.held_at_end, 0);
}

#[test]
fn a_tab_that_was_in_front_while_nobody_listened_came_back() {
    let Body::SessionStarted(mut snapshot) = session(&[]) else {
        unreachable!("it is a snapshot");
    };
    for tab in &mut snapshot.tabs {
        tab.active = Some(tab.tab == TabId(2));
    }
    let it = replay(
        &[user(UserState::Active), Body::SessionStarted(snapshot)],
        &[(1, &[2])],
    );
    assert_eq!(
        it.seen[2..],
        ["2 snapshot, discarded []", "2 restored 2", "2 loaded 2"]
    );
    assert_eq!((it.score.reloads, it.score.anomalies), (1, 0));
}

#[test]
fn a_decision_comes_to_one_discard_though_its_outcome_is_never_told() {
    let it = replay(
        &[
            user(UserState::Active),
            recorded(1, 2),
            discarded(2, DiscardedBy::Orchestrator),
            activated(2),
            restored(2),
            loaded(2),
            activated(1),
            user(UserState::Active),
            recorded(8, 2),
            discarded(2, DiscardedBy::Orchestrator),
            outcome(9, 2, true),
        ],
        &[(1, &[2])],
    );
    let score = it.score;
    assert_eq!(
        (score.discards, score.reloads, score.held_at_end),
        (1, 1, 0)
    );
}

#[test]
fn a_decision_that_was_never_answered_does_not_take_the_discard_of_a_later_one() {
    let it = replay(
        &[
            user(UserState::Active),
            recorded(1, 2),
            user(UserState::Active),
            activated(2),
            activated(1),
            user(UserState::Active),
            recorded(6, 2),
            discarded(2, DiscardedBy::Orchestrator),
            outcome(7, 2, true),
        ],
        &[(1, &[2])],
    );
    let score = it.score;
    assert_eq!(
        (score.discards, score.unanswered, score.held_at_end),
        (0, 1, 0)
    );
}

#[test]
fn a_tab_that_others_discard_while_nobody_listens_is_held_by_nobody() {
    let it = replay(
        &[
            user(UserState::Active),
            session(&[2]),
            activated(2),
            restored(2),
            loaded(2),
        ],
        &[(1, &[2])],
    );
    let score = it.score;
    assert_eq!((score.discards, score.taken_over, score.reloads), (1, 1, 0));
}

#[test]
fn a_closed_tab_was_not_needed() {
    let bodies = [
        user(UserState::Active),
        replaced(2, 12),
        closed(12),
        activated(3),
    ];
    let score = replay(&bodies, &[(1, &[2, 3, 4])]).score;
    assert_eq!((score.discards, score.closed_while_held), (3, 1));
    assert_eq!((score.reloads, score.held_at_end), (1, 1));
}

#[test]
fn a_policy_that_reacts_to_its_own_discards_comes_to_an_end() {
    /// Wants the same tabs whatever it is told.
    #[derive(Clone)]
    struct Stubborn;

    impl Policy for Stubborn {
        fn name(&self) -> &str {
            "stubborn"
        }

        fn step(&mut self, _: &World, event: &Event, outputs: &mut Vec<Output>) {
            for tab in [2, 3, 99] {
                outputs.push(Output::Decision(decision(event.seq, TabId(tab))));
            }
        }

        fn project(&self, _: &mut Projection) {}
    }

    let mut replay = Replay::new(Stubborn);
    replay.take(&line(0, session(&[])), &mut Vec::new());
    let score = replay.finish(&mut Vec::new());
    assert_eq!(score.discards, 2);
    assert_eq!(score.decisions, score.discards + score.refused);
}

#[test]
fn a_recording_under_its_own_policy_comes_to_the_same_state() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let lines = lines(&recorded.root().join("trace"));
    let mut as_recorded = Engine::new(default_policy(), Mode::Enforce);
    let mut replay = Replay::new(default_policy());
    let mut decided = Vec::new();
    for line in lines {
        if let Some(event) = line.event() {
            as_recorded.step(&event, &mut Vec::new());
        }
        replay.take(&line, &mut decided);
    }
    assert_eq!(replay.state_hash(), as_recorded.state_hash());
    let score = replay.finish(&mut decided);
    assert_eq!((decided.len(), score.departure), (5, None));
    assert!(decided.iter().all(|decided| decided.as_recorded));
}

#[test]
fn never_discards_nothing_and_departs_where_the_recording_discards_first() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let mut replay = Replay::new(Never);
    let mut decided = Vec::new();
    for line in lines(&recorded.root().join("trace")) {
        replay.take(&line, &mut decided);
    }
    assert!(
        replay
            .world()
            .tabs()
            .all(|tab| !tab.is_discarded && !tab.is_loading)
    );
    let score = replay.finish(&mut decided);
    assert_eq!(
        (decided.len(), score.discards, score.early_return_rate),
        (0, 0, None)
    );
    assert!(score.departure.is_some());
    assert_eq!(score.anomalies, 0);
}

#[test]
fn cutting_the_trace_changes_no_earlier_decision() {
    for mode in [Mode::Observe, Mode::Enforce] {
        let recorded = short_of_memory(mode).close();
        let lines = lines(&recorded.root().join("trace"));
        for preset in engine::PRESETS {
            let decide = |lines: &[Line]| {
                let policy = PolicyDocument::preset(preset).unwrap();
                let mut replay = Replay::new(Orchestrator::new(policy));
                let mut decided = Vec::new();
                for line in lines {
                    replay.take(&line.clone(), &mut decided);
                }
                replay.finish(&mut decided);
                decided
            };
            let whole = decide(&lines);
            assert!(preset == "gentle" || !whole.is_empty(), "{preset}");
            for cut in 0..lines.len() {
                let part = decide(&lines[..cut]);
                for (part, whole) in part.iter().zip(&whole) {
                    // Whether the recording says the same may stand behind the cut.
                    assert_eq!(part.decision, whole.decision, "{preset}, cut before {cut}");
                }
                assert!(part.len() <= whole.len(), "{preset}, cut before {cut}");
            }
        }
    }
}

fn default_policy() -> Orchestrator {
    Orchestrator::new(PolicyDocument::default())
}

fn lines(folder: &std::path::Path) -> Vec<Line> {
    let trace = Trace::open(folder).unwrap();
    trace.read().collect::<Result<_, _>>().unwrap()
}
