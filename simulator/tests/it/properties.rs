//! What holds of a replay whatever the recording says, possible or not.

use engine::{
    DiscardedBy, Engine, Event, Facts, Guard, HostKnowledge, MemorySource, Mode, Orchestrator,
    Output, Policy, PolicyDocument, Projection, Seq, Settings, Severity, TabId, UserState,
    WindowId, World,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use recorder::{
    Body, ClockStepped, DiscardOutcome, DropReason, KnowledgeCarried, Line, Metrics, OrderDropped,
    Paused, PressureSignal, PruneRequested, SessionStarted, SignalSource, Suspended, Tab,
    TabActivated, TabChanged, TabClosed, TabDiscarded, TabLoaded, TabMemory, TabMoved,
    TabNavigated, TabReplaced, TabRestored, UserIdle, Window, WindowClosed, WindowFocused,
    WindowOpened,
};
use simulator::baselines::Never;
use simulator::replay::Replay;

use crate::baselines::{every, numbered};
use crate::fork::spread;
use crate::recording::{START_MS, decision, session_of, tab};

/// A few tabs in two windows, so that events meet.
fn id() -> impl Strategy<Value = TabId> {
    (1..=6_i64).prop_map(TabId)
}

fn win() -> impl Strategy<Value = WindowId> {
    (1..=2_i64).prop_map(WindowId)
}

fn facts() -> impl Strategy<Value = Tab> {
    (id(), win(), any::<[Option<bool>; 5]>()).prop_map(|(id, win, flags)| Tab {
        win,
        active: flags[0],
        discarded: flags[1],
        loading: flags[2],
        audible: flags[3],
        in_sight: flags[4],
        ..tab(id.0)
    })
}

pub(crate) fn body() -> impl Strategy<Value = Body> {
    let by = prop_oneof![Just(DiscardedBy::Orchestrator), Just(DiscardedBy::Other)];
    let state = prop_oneof![Just(UserState::Active), Just(UserState::Idle)];
    prop_oneof![
        1 => vec(facts(), 0..6).prop_map(|tabs| Body::SessionStarted(SessionStarted {
            browser: None,
            browser_version: None,
            extension_version: None,
            idle: Some(UserState::Active),
            windows: vec![Window { win: WindowId(1), focused: true }],
            tabs,
        })),
        3 => facts().prop_map(Body::TabOpened),
        4 => (id(), win()).prop_map(|(tab, win)| Body::TabActivated(TabActivated { tab, win })),
        3 => (id(), 1..4).prop_map(|(tab, host)| Body::TabNavigated(TabNavigated {
            tab,
            host: Some(format!("host-{host}.example.org").into()),
            scheme: None,
            protected: None,
        })),
        3 => id().prop_map(|tab| Body::TabLoaded(TabLoaded { tab, ms: None })),
        2 => (id(), any::<[Option<bool>; 5]>()).prop_map(|(tab, flags)| {
            Body::TabChanged(TabChanged {
                pinned: flags[0],
                audible: flags[1],
                unsaved: flags[2],
                capturing: flags[3],
                in_sight: flags[4],
                ..TabChanged::new(tab)
            })
        }),
        1 => (id(), win()).prop_map(|(tab, win)| Body::TabMoved(TabMoved { tab, win })),
        2 => (id(), id()).prop_map(|(tab, old)| Body::TabReplaced(TabReplaced { tab, old })),
        4 => (id(), by).prop_map(|(tab, by)| Body::TabDiscarded(TabDiscarded { tab, by })),
        3 => id().prop_map(|tab| Body::TabRestored(TabRestored { tab })),
        2 => id().prop_map(|tab| Body::TabClosed(TabClosed { tab })),
        1 => win().prop_map(|win| Body::WindowClosed(WindowClosed { win })),
        1 => state.prop_map(|state| Body::UserIdle(UserIdle { state })),
        1 => proptest::option::of(id()).prop_map(|tab| {
            Body::PruneRequested(PruneRequested { tab })
        }),
        2 => (0..60_u64, id(), any::<bool>()).prop_map(|(decision, tab, ok)| {
            Body::DiscardOutcome(DiscardOutcome { decision: Seq(decision), tab, ok, why: None })
        }),
        1 => (0..60_u64, id()).prop_map(|(decision, tab)| {
            let why = DropReason::HostStopped.to_string();
            Body::OrderDropped(OrderDropped { decision: Seq(decision), tab, why })
        }),
        4 => Just(Body::Metrics(Metrics::default())),
        3 => (0..=16_u64, proptest::option::of(0..=8_u64)).prop_map(|(used, browser)| {
            Body::Metrics(Metrics {
                ram_total: Some(16 << 30),
                ram_used: Some(used << 30),
                ram_available: Some((16 - used) << 30),
                psi_some_avg10: Some(1.0),
                browser_pss: browser.map(|gib| gib << 30),
                ..Metrics::default()
            })
        }),
        2 => (id(), 0..4_u64, any::<bool>()).prop_map(|(tab, gib, is_measured)| {
            let how = if is_measured {
                MemorySource::Measured
            } else {
                MemorySource::Reclaimed
            };
            Body::TabMemory(TabMemory { tab, bytes: gib << 30, how })
        }),
        1 => prop_oneof![Just("moderate"), Just("critical")].prop_map(|severity| {
            Body::PressureSignal(PressureSignal {
                source: SignalSource::Psi,
                severity: match severity { "moderate" => Severity::Moderate, _ => Severity::Critical },
            })
        }),
        1 => (0..=45_000_u64).prop_map(|ms| Body::Suspended(Suspended { ms })),
        1 => proptest::option::of(-100_000..3_000_000_i64).prop_map(|after_ms| {
            Body::Paused(Paused { until_ms: after_ms.map(|ms| START_MS + ms) })
        }),
        1 => (1..4, 1..=8_u8, -100_000_000..100_000_i64, proptest::option::of(0..4_u64)).prop_map(|(host, familiarity, when, gib)| {
            Body::KnowledgeCarried(KnowledgeCarried { hosts: vec![HostKnowledge {
                host: format!("host-{host}.example.org"),
                familiarity,
                last_in_front_ms: Some(START_MS + when),
                bytes: gib.map(|gib| gib << 30),
            }] })
        }),
        1 => win().prop_map(|win| Body::WindowOpened(WindowOpened { win })),
        2 => proptest::option::of(win()).prop_map(|win| Body::WindowFocused(WindowFocused { win })),
        1 => (-100_000..100_000_i64).prop_map(|by_ms| Body::ClockStepped(ClockStepped { by_ms })),
        // Its cause is the line before it; that is put right below.
        3 => id().prop_map(|tab| Body::Decision(decision(Seq(0), tab).into())),
    ]
}

/// A policy that discards whatever it may, as soon as it may.
pub(crate) fn greedy() -> Orchestrator {
    let policy = PolicyDocument::new(Settings {
        gate: engine::Gate::Always,
        ttl_minutes: 1.0,
        focus: engine::Focus {
            enabled: false,
            ..engine::Focus::default()
        },
        ..Settings::default()
    });
    Orchestrator::new(policy.unwrap())
}

/// Our policy, which follows all that it is told in a world of its own, and holds what it is shown
/// against that.
struct Distrustful {
    own: Engine<Orchestrator>,
}

impl Distrustful {
    fn compare(&self, shown: &World) {
        let own = self.own.world();
        // Of what a tab takes that goes elsewhere while it is discarded it hears later.
        let facts = |tab: &engine::Tab| {
            let place = (
                tab.id,
                tab.win,
                tab.is_active,
                tab.is_in_sight,
                tab.is_pinned,
            );
            let page = (tab.is_discarded, tab.is_loading, tab.is_audible);
            let touched = (tab.is_unsaved, tab.is_capturing, tab.silent_since_awake);
            let times = (tab.last_active, tab.known_since);
            (place, page, touched, times, tab.is_auto_discardable)
        };
        let tabs = |world: &World| world.tabs().map(facts).collect::<Vec<_>>();
        assert_eq!(tabs(shown), tabs(&own));
        let order = |world: &World| world.loaded().map(|tab| tab.id).collect::<Vec<_>>();
        assert_eq!(order(shown), order(&own));
        assert_eq!(shown.metrics(), own.metrics());
        assert_eq!(shown.mode(), own.mode());
        assert_eq!(shown.moment(), own.moment());
    }
}

impl Policy for Distrustful {
    fn name(&self) -> &str {
        "distrustful"
    }

    fn step(&mut self, shown: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.own.step(event, outputs);
        self.compare(shown);
    }

    fn project(&self, projection: &mut Projection) {
        self.own.policy().project(projection);
    }
}

/// Leaves tabs that are held on their hosts. Where one goes unseen, a world of its own would count
/// two visits when it comes to the front: there, and where it is by then.
fn stay<P: Policy>(replay: &Replay<P>, body: &mut Body) {
    let world = replay.world();
    let host = |tab: TabId| {
        let is_held = replay.holds(tab) || replay.decides_on(tab);
        let here = world.tab(tab).filter(|_| is_held)?;
        world.host_of(here).map(Into::into)
    };
    match body {
        Body::SessionStarted(started) => {
            for told in &mut started.tabs {
                told.host = host(told.tab).or(told.host.take());
            }
        }
        Body::TabOpened(told) => told.host = host(told.tab).or(told.host.take()),
        Body::TabNavigated(gone) => gone.host = host(gone.tab).or(gone.host.take()),
        _ => {}
    }
}

pub(crate) fn lines(bodies: Vec<Body>) -> Vec<Line> {
    let mut input = Seq(0);
    let line = |(seq, mut body): (u64, Body)| {
        match &mut body {
            Body::Decision(decision) => decision.cause = input,
            _ => input = Seq(seq),
        }
        Line {
            seq: Seq(seq),
            t_ms: START_MS + 45_000 * seq.cast_signed(),
            src: body.source().unwrap(),
            n: None,
            at_ms: None,
            body,
        }
    };
    (0..).zip(bodies).map(line).collect()
}

/// The same after something that happens in every world, so that the clocks of all begin with it.
fn from_the_first(mut bodies: Vec<Body>) -> Vec<Body> {
    bodies.insert(0, Body::WindowOpened(WindowOpened { win: WindowId(1) }));
    bodies
}

/// Puts into a log, at these places and shares of the time up to the next line, that the user is
/// there, which is known.
fn ask(lines: &[Line], asks: &[(Index, i64)]) -> Vec<Line> {
    let mut asked = lines.to_vec();
    for (place, percent) in asks {
        let place = place.index(asked.len());
        let from_ms = asked[place].t_ms;
        let to_ms = asked.get(place + 1).map_or(from_ms, |next| next.t_ms);
        let mut line = asked[0].clone();
        line.t_ms = from_ms + (to_ms - from_ms) * percent / 100;
        asked.insert(place + 1, line);
    }
    for (seq, line) in (0..).zip(&mut asked) {
        line.seq = Seq(seq);
    }
    asked
}

/// What a guard is called in scores.
fn name_of(guard: Guard) -> String {
    let name = serde_json::to_value(guard).unwrap();
    name.as_str().unwrap().to_lowercase()
}

proptest! {
    #[test]
    fn what_the_user_did_is_the_same_in_both_worlds_and_all_is_accounted_for(
        bodies in vec(body(), 0..60)
    ) {
        let mut recorded = Facts::new(Mode::Observe);
        let mut replay = Replay::new(greedy());
        let mut decided = Vec::new();
        for line in lines(bodies) {
            if let Some(event) = line.event() {
                recorded.apply(&event);
            }
            replay.take(&line, &mut decided);
            let places = |tab: &engine::Tab| {
                (tab.id, tab.win, tab.is_active, tab.is_in_sight, tab.is_pinned)
            };
            let ours: Vec<_> = replay.world().tabs().map(places).collect();
            let theirs: Vec<_> = recorded.world().tabs().map(places).collect();
            prop_assert_eq!(ours, theirs);
            for tab in replay.world().tabs() {
                // A tab is discarded because the policy holds it, or because another discarded it.
                let there = recorded.world().tab(tab.id);
                if replay.holds(tab.id) {
                    prop_assert!(tab.is_discarded, "{tab:?}");
                } else if tab.is_discarded {
                    prop_assert!(there.is_some_and(|tab| tab.is_discarded), "{tab:?}");
                }
            }
        }
        let score = replay.finish(&mut decided);
        prop_assert_eq!(score.decisions, decided.len() as u64);
        prop_assert_eq!(score.decisions, score.discards + score.refused + score.unanswered);
        prop_assert_eq!(
            score.discards,
            score.reloads + score.closed_while_held + score.taken_over + score.held_at_end
        );
        prop_assert!(score.early_returns <= score.reloads);
        prop_assert!(score.timed_reloads <= score.reloads);
    }

    #[test]
    fn a_policy_sees_what_it_would_in_a_world_that_it_has_to_itself(
        bodies in vec(body(), 0..60)
    ) {
        let own = Engine::new(greedy(), Mode::Enforce);
        let mut distrustful = Replay::new(Distrustful { own });
        let mut trustful = Replay::new(greedy());
        let (mut expected, mut decided) = (Vec::new(), Vec::new());
        for mut line in lines(from_the_first(bodies)) {
            stay(&trustful, &mut line.body);
            distrustful.take(&line, &mut expected);
            trustful.take(&line, &mut decided);
        }
        distrustful.finish(&mut expected);
        trustful.finish(&mut decided);
        prop_assert_eq!(decided, expected);
    }

    #[test]
    fn the_checker_objects_where_a_guard_holds_by_all_that_the_policy_was_told(
        bodies in vec(body(), 0..60)
    ) {
        let own = Engine::new(greedy(), Mode::Enforce);
        let mut replay = Replay::new(Distrustful { own });
        for mut line in lines(from_the_first(bodies)) {
            stay(&replay, &mut line.body);
            replay.take(&line, &mut Vec::new());
            let own = &replay.policy().own;
            for tab in own.world().tabs() {
                let guards = own.policy().guards(&own.world(), tab);
                let mut guards: Vec<String> = guards.into_iter().map(name_of).collect();
                let mut objections = replay.objections(tab.id);
                // To the checker time passes no slower. A tab that is told of again as in front is in
                // front until now to it, and what is in front is guarded as that.
                for passing in ["young", "recently_audible"] {
                    let holds = guards.iter().any(|guard| guard == passing);
                    let is_thought_to = objections.contains(&passing);
                    prop_assert!(holds || tab.is_shown() || !is_thought_to, "{passing} {tab:?}");
                    guards.retain(|guard| guard != passing);
                    objections.retain(|&name| name != passing);
                }
                guards.sort_unstable();
                objections.sort_unstable();
                prop_assert_eq!(objections, guards, "{:?}", tab);
            }
        }
    }

    #[test]
    fn our_own_policy_breaks_no_guard_and_saves_at_most_the_background(
        bodies in vec(body(), 0..60), is_open in any::<bool>()
    ) {
        let mut replay = Replay::new(greedy());
        if is_open {
            replay = replay.open_loop();
        }
        let mut never = Replay::new(Never);
        for line in lines(bodies) {
            replay.take(&line.clone(), &mut Vec::new());
            never.take(&line, &mut Vec::new());
            for tab in replay.world().tabs() {
                prop_assert!(replay.bytes(tab.id).is_some());
                prop_assert_eq!(replay.bytes(tab.id), never.bytes(tab.id));
            }
        }
        let (score, never) = (replay.finish(&mut Vec::new()), never.finish(&mut Vec::new()));
        prop_assert_eq!(score.violations, 0, "{:?}", score.violated);
        prop_assert!(score.saved_share.is_none_or(|share| (0.0..=1.0).contains(&share)));
        prop_assert!(score.saved_awake_gib_h >= score.saved_gib_h);
        prop_assert!(score.saved_pressed_gib_h.is_none_or(|gib_h| gib_h <= score.saved_gib_h));
        prop_assert_eq!((never.saved_gib_h, never.discards, never.reloads), (0.0, 0, 0));
        prop_assert_eq!(&never.never, &score.never, "the same yardstick for every policy");
        prop_assert_eq!(never.peak_used, never.never.peak_used);
        prop_assert_eq!(never.pressure_high_minutes, never.never.pressure_high_minutes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_policy_decides_otherwise_for_being_asked_more_often(
        mut bodies in vec(body(), 0..30),
        apart in prop_oneof![Just(1), Just(40)],
        asks in vec((any::<Index>(), 0..100_i64), 0..10),
    ) {
        // A sleep tells of the time before it, and what was recorded of decisions names places.
        bodies.retain(|body| !matches!(
            body,
            Body::UserIdle(_) | Body::Suspended(_) | Body::Decision(_) | Body::DiscardOutcome(_)
        ));
        bodies.insert(0, Body::UserIdle(UserIdle { state: UserState::Active }));
        let lines = spread(bodies, apart);
        let asked = ask(&lines, &asks);
        for policy in every() {
            let decide = |lines: &[Line]| {
                let mut replay = Replay::new(policy.boxed());
                let mut decided = Vec::new();
                for line in lines {
                    replay.take(line, &mut decided);
                }
                replay.finish(&mut decided);
                let decided = decided.into_iter();
                decided.map(|it| (it.t_ms, it.decision.tab)).collect::<Vec<_>>()
            };
            prop_assert_eq!(decide(&asked), decide(&lines), "{}", policy.name());
        }
    }
}

#[test]
fn a_leap_of_time_does_not_keep_a_timer_busy_for_ever() {
    let tabs = (1..=3).map(|id| Tab {
        active: Some(id == 1),
        ..tab(id)
    });
    let session = session_of(tabs);
    let short_of_memory = Body::Metrics(Metrics {
        ram_total: Some(16 << 30),
        ram_used: Some(16 << 30),
        ..Metrics::default()
    });
    for policy in numbered(5) {
        for times_ms in [
            [START_MS, i64::MAX],
            [i64::MIN, i64::MIN],
            [i64::MIN, i64::MAX],
        ] {
            let mut replay = Replay::new(simulator::baselines::named(&policy, 0).unwrap());
            for (index, mut line) in
                (0..).zip(lines(vec![session.clone(), short_of_memory.clone()]))
            {
                line.t_ms = times_ms[index];
                replay.take(&line, &mut Vec::new());
            }
            replay.finish(&mut Vec::new());
        }
    }
}
