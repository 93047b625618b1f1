//! Makes logs: of few tabs, windows and hosts, so that events meet, and with steps in time that
//! straddle the engine's limits. Possible and impossible orders both occur.

use std::fmt;

use engine::{
    DiscardedBy, Event, HostKnowledge, Input, MemorySource, Metrics, Mode, Output, Page,
    PolicyDocument, SETTINGS, Seq, Settings, Severity, Snapshot, TabChanges, TabFacts, TabId,
    Takes, UserState, WindowFacts, WindowId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use proptest::test_runner::Config;

/// At least so many cases, more where `PROPTEST_CASES` says so. Failures are not kept as seeds,
/// which mean nothing once a strategy changes: the message holds the whole session.
pub(crate) fn config(cases: u32) -> Config {
    let defaults = Config::default();
    Config {
        cases: defaults.cases.max(cases),
        failure_persistence: None,
        ..defaults
    }
}

/// Hosts: two plain ones, one that the policies here protect, one that they protect with all
/// below, and one that the default policy protects.
const HOSTS: [&str; 5] = [
    "a.example",
    "b.example",
    "bank.example",
    "mail.safe.example",
    "docs.google.com",
];

const START_MS: i64 = 1_767_225_600_000;
const GIB: u64 = 1 << 30;

/// What happens next, and how much later.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    after_ms: i64,
    what: What,
}

/// What happens: an event of its own, or an answer to what was decided.
#[derive(Clone, Debug)]
enum What {
    Event(Input),
    /// The browser discards a tab that was decided on. `order` shuffles the three lines that tell
    /// of it, and the tab gets another id, or keeps it.
    Discarded {
        nth: usize,
        order: [Line; 3],
        new_id: Option<TabId>,
    },
    /// The extension or the browser refuses.
    Refused {
        nth: usize,
    },
}

#[derive(Clone, Copy, Debug)]
enum Line {
    Replaced,
    Discarded,
    Outcome,
}

/// A session that can be played.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) policy: PolicyDocument,
    pub(crate) mode: Mode,
    pub(crate) steps: Vec<Step>,
}

impl fmt::Debug for Script {
    /// Writes a step a line: a failing session is read by people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} {}", self.mode, self.policy.to_json())?;
        for step in &self.steps {
            writeln!(f, "+{} ms {:?}", step.after_ms, step.what)?;
        }
        Ok(())
    }
}

impl Script {
    /// Plays the session: `subject` gets each event and answers with what the engine under test
    /// puts out, so that outcomes can speak of real decisions.
    pub(crate) fn play(&self, mut subject: impl FnMut(&Event) -> Vec<Output>) {
        let mut seq = 0;
        let mut t_ms = START_MS;
        let mut decisions: Vec<(Seq, TabId)> = Vec::new();
        for step in &self.steps {
            t_ms += step.after_ms;
            for input in step.what.inputs(&decisions) {
                let event = Event {
                    seq: Seq(seq),
                    t_ms,
                    input,
                };
                let outputs = subject(&event);
                for output in &outputs {
                    seq += 1;
                    if let Output::Decision(decision) = output {
                        decisions.push((Seq(seq), decision.tab));
                    }
                }
                seq += 1;
            }
        }
    }

    /// The events of the session and what an engine answers to each.
    pub(crate) fn log(&self) -> Vec<(Event, Vec<Output>)> {
        let mut engine = self.engine();
        let mut log = Vec::new();
        self.play(|event| {
            let mut outputs = Vec::new();
            engine.step(event, &mut outputs);
            log.push((event.clone(), outputs.clone()));
            outputs
        });
        log
    }

    /// An engine at the beginning of the session.
    pub(crate) fn engine(&self) -> engine::Engine<engine::Orchestrator> {
        engine::Engine::new(engine::Orchestrator::new(self.policy.clone()), self.mode)
    }
}

impl What {
    fn inputs(&self, decisions: &[(Seq, TabId)]) -> Vec<Input> {
        // Counted from the latest one.
        let decision = |nth: usize| decisions.iter().rev().nth(nth).copied();
        match self {
            Self::Event(input) => vec![input.clone()],
            Self::Discarded { nth, order, new_id } => {
                let Some((decision, tab)) = decision(*nth) else {
                    return Vec::new();
                };
                let mut present = tab;
                order
                    .iter()
                    .filter_map(|line| match line {
                        Line::Replaced => new_id.map(|new| {
                            present = new;
                            Input::TabReplaced { tab: new, old: tab }
                        }),
                        Line::Discarded => Some(Input::TabDiscarded {
                            tab: present,
                            by: DiscardedBy::Orchestrator,
                        }),
                        Line::Outcome => Some(Input::DiscardOutcome {
                            decision,
                            tab,
                            ok: true,
                        }),
                    })
                    .collect()
            }
            Self::Refused { nth } => decision(*nth)
                .map(|(decision, tab)| Input::DiscardOutcome {
                    decision,
                    tab,
                    ok: false,
                })
                .into_iter()
                .collect(),
        }
    }
}

/// Sessions that look like sessions, in whatever order.
pub(crate) fn script() -> BoxedStrategy<Script> {
    let first = prop_oneof![
        9 => snapshot(true).prop_map(Input::SessionStarted),
        1 => input(),
    ];
    let first = first.prop_map(|input| Step {
        after_ms: 0,
        what: What::Event(input),
    });
    (policy(), mode(), first, vec(step(), 1..70))
        .prop_map(|(policy, mode, first, mut steps)| {
            steps.insert(0, first);
            Script {
                policy,
                mode,
                steps,
            }
        })
        .boxed()
}

/// Events with nothing left out: any id, any time, any number.
pub(crate) fn extreme_events() -> BoxedStrategy<Vec<Event>> {
    let number = prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0_i64),
        any::<i64>(),
        START_MS..START_MS + 10_000_000,
    ];
    let event = (
        any::<u64>(),
        number,
        input(),
        extreme_input(),
        any::<bool>(),
    );
    let event = event.prop_map(|(seq, t_ms, usual, extreme, is_usual)| Event {
        seq: Seq(seq),
        t_ms,
        input: if is_usual { usual } else { extreme },
    });
    vec(event, 1..60).boxed()
}

fn step() -> BoxedStrategy<Step> {
    let what = prop_oneof![
        30 => input().prop_map(What::Event),
        1 => (0_usize..4, orders(), option::weighted(0.7, new_tab_id()))
            .prop_map(|(nth, order, new_id)| What::Discarded { nth, order, new_id }),
        2 => (0_usize..3).prop_map(|nth| What::Refused { nth }),
    ];
    (pause(), what)
        .prop_map(|(after_ms, what)| Step { after_ms, what })
        .boxed()
}

fn orders() -> impl Strategy<Value = [Line; 3]> {
    Just([Line::Replaced, Line::Discarded, Line::Outcome]).prop_shuffle()
}

/// Time between events, with a liking for the spans at which something ends.
fn pause() -> impl Strategy<Value = i64> {
    let minute = 60_000;
    prop_oneof![
        15 => Just(0_i64),
        8 => 1_i64..1_000,
        20 => Just(5_000_i64),
        10 => Just(10_000_i64),
        6 => Just(30_000_i64),
        16 => Just(minute),
        4 => select(vec![minute - 1, minute + 1, 9_999, 29_999]),
        12 => Just(3 * minute),
        5 => Just(10 * minute),
        5 => Just(15 * minute),
        5 => 0_i64..10 * minute,
        2 => 30 * minute..5 * 60 * minute,
        1 => 24 * 60 * minute..30 * 60 * minute,
        1 => -10_000_i64..0,
    ]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![2 => Just(Mode::Enforce), 1 => Just(Mode::Observe)]
}

fn tab_id() -> impl Strategy<Value = TabId> {
    (1_i64..=8).prop_map(TabId)
}

fn new_tab_id() -> impl Strategy<Value = TabId> {
    prop_oneof![5 => 9_i64..=14, 1 => 1_i64..=8].prop_map(TabId)
}

fn win_id() -> impl Strategy<Value = WindowId> {
    (1_i64..=3).prop_map(WindowId)
}

fn host() -> impl Strategy<Value = String> {
    let hosts = [6, 5, 1, 1, 1].into_iter().zip(HOSTS);
    Union::new_weighted(
        hosts
            .map(|(weight, host)| (weight, Just(host.to_owned())))
            .collect(),
    )
}

fn page() -> impl Strategy<Value = Page> {
    prop_oneof![12 => host().prop_map(|host| Page::Web(host.into())), 1 => Just(Page::Internal)]
}

/// A flag that a log may tell of, and that is mostly not set.
fn seldom() -> impl Strategy<Value = Option<bool>> {
    prop_oneof![8 => Just(None), 8 => Just(Some(false)), 1 => Just(Some(true))]
}

fn tab_facts(is_first: bool) -> BoxedStrategy<TabFacts> {
    let page = option::weighted(if is_first { 0.97 } else { 0.6 }, page());
    let active = prop_oneof![3 => Just(None), 2 => Just(Some(false)), 1 => Just(Some(true))];
    let auto_discardable =
        prop_oneof![8 => Just(None), 8 => Just(Some(true)), 1 => Just(Some(false))];
    let last_accessed = option::weighted(0.4, -3_600_000_i64..3_600_000);
    (
        (tab_id(), win_id(), page, seldom(), active, seldom()),
        (
            seldom(),
            seldom(),
            seldom(),
            auto_discardable,
            seldom(),
            seldom(),
            seldom(),
            last_accessed,
        ),
    )
        .prop_map(|(first, second)| {
            let (tab, win, page, protected, active, pinned) = first;
            let (
                audible,
                discarded,
                loading,
                auto_discardable,
                unsaved,
                capturing,
                in_sight,
                accessed,
            ) = second;
            TabFacts {
                page,
                protected,
                active,
                pinned,
                audible,
                discarded,
                loading,
                auto_discardable,
                unsaved,
                capturing,
                in_sight,
                last_accessed: accessed.map(|ms| START_MS + ms),
                ..TabFacts::new(tab, win)
            }
        })
        .boxed()
}

fn snapshot(is_first: bool) -> BoxedStrategy<Snapshot> {
    let user = prop_oneof![
        4 => Just(Some(UserState::Active)),
        1 => Just(Some(UserState::Idle)),
        1 => Just(None),
    ];
    let windows = vec(win_id(), 1..4);
    let focused = option::weighted(0.8, win_id());
    let tabs = vec(tab_facts(is_first), if is_first { 4..12 } else { 0..10 });
    (user, windows, focused, tabs)
        .prop_map(|(user, mut windows, focused, tabs)| {
            windows.sort();
            windows.dedup();
            let windows = windows.into_iter().map(|win| WindowFacts {
                win,
                focused: focused == Some(win),
            });
            Snapshot {
                user,
                windows: windows.collect(),
                tabs,
            }
        })
        .boxed()
}

fn changes() -> BoxedStrategy<TabChanges> {
    let told = || option::weighted(0.5, any::<bool>());
    let one = prop_oneof![
        3 => told().prop_map(|audible| TabChanges { audible, ..TabChanges::default() }),
        2 => told().prop_map(|pinned| TabChanges { pinned, ..TabChanges::default() }),
        2 => told().prop_map(|unsaved| TabChanges { unsaved, ..TabChanges::default() }),
        2 => told().prop_map(|capturing| TabChanges { capturing, ..TabChanges::default() }),
        3 => told().prop_map(|in_sight| TabChanges { in_sight, ..TabChanges::default() }),
        2 => told().prop_map(|auto_discardable| TabChanges {
            auto_discardable,
            ..TabChanges::default()
        }),
    ];
    // Mostly back to what lets a tab be discarded.
    let calm = TabChanges {
        pinned: Some(false),
        audible: Some(false),
        auto_discardable: Some(true),
        unsaved: Some(false),
        capturing: Some(false),
        in_sight: Some(false),
    };
    prop_oneof![3 => one, 2 => Just(calm)].boxed()
}

pub(crate) fn metrics() -> BoxedStrategy<Metrics> {
    let used = prop_oneof![
        3 => 400_u64..700,
        2 => 700_u64..850,
        4 => 850_u64..900,
        4 => 900_u64..940,
        4 => 940_u64..1_000,
    ];
    let available = prop_oneof![
        6 => Just(0_i64).prop_map(Some),
        2 => (-100_i64..100).prop_map(Some),
        2 => Just(None),
    ];
    let percent = || option::of(prop_oneof![3 => 0.0..100.0, 1 => Just(10.0), 1 => Just(75.0)]);
    let psi = || prop_oneof![5 => Just(None), 4 => (0.0..10.0).prop_map(Some), 1 => (9.0..30.0).prop_map(Some)];
    let swap = option::weighted(0.7, prop_oneof![0_u64..100, 0_u64..1_000]);
    let known = prop_oneof![20 => Just(true), 1 => Just(false)];
    (
        (used, available, percent(), option::of(any::<bool>())),
        (psi(), psi(), swap, known),
    )
        .prop_map(
            |((used, available, cpu, on_battery), (some, full, swap, known))| {
                let total = 16 * GIB;
                let used_bytes = total / 1_000 * used;
                Metrics {
                    ram_total: known.then_some(total),
                    ram_used: Some(used_bytes),
                    ram_available: available.map(|off| {
                        (total - used_bytes).saturating_add_signed(off * (total / 1_000) as i64)
                    }),
                    swap_used: swap.map(|used| used * (total / 1_000)),
                    cpu,
                    on_battery,
                    psi_some_avg10: some,
                    psi_full_avg10: full,
                    ..Metrics::default()
                }
            },
        )
        .boxed()
}

fn knowledge() -> impl Strategy<Value = Vec<HostKnowledge>> {
    let host = (
        host(),
        0_u8..=9,
        option::weighted(0.8, -100_000_000_i64..0),
        option::of(0_u64..300 << 20),
    );
    let host = host.prop_map(|(host, familiarity, ago, bytes)| HostKnowledge {
        host,
        familiarity,
        last_in_front_ms: ago.map(|ago| START_MS + ago),
        bytes,
    });
    vec(host, 0..4)
}

fn input() -> BoxedStrategy<Input> {
    let severity = select(vec![Severity::Moderate, Severity::Critical]);
    let user = select(vec![
        UserState::Active,
        UserState::Active,
        UserState::Idle,
        UserState::Locked,
    ]);
    let how = select(vec![MemorySource::Measured, MemorySource::Reclaimed]);
    let by = select(vec![DiscardedBy::Orchestrator, DiscardedBy::Other]);
    let tabs = prop_oneof![
        10 => (tab_id(), win_id()).prop_map(|(tab, win)| Input::TabActivated { tab, win }),
        4 => (tab_id(), option::weighted(0.9, page()), seldom()).prop_map(
            |(tab, page, protected)| Input::TabNavigated { tab, page, protected }
        ),
        6 => (tab_id(), option::of(any::<u64>()))
            .prop_map(|(tab, load_ms)| Input::TabLoaded { tab, load_ms }),
        6 => (tab_id(), changes()).prop_map(|(tab, changes)| Input::TabChanged { tab, changes }),
        2 => (tab_id(), win_id()).prop_map(|(tab, win)| Input::TabMoved { tab, win }),
        2 => (new_tab_id(), tab_id()).prop_map(|(tab, old)| Input::TabReplaced { tab, old }),
        1 => (tab_id(), new_tab_id()).prop_map(|(tab, old)| Input::TabReplaced { tab, old }),
        2 => (tab_id(), by).prop_map(|(tab, by)| Input::TabDiscarded { tab, by }),
        3 => tab_id().prop_map(|tab| Input::TabRestored { tab }),
        2 => tab_id().prop_map(|tab| Input::TabClosed { tab }),
        5 => tab_facts(true).prop_map(Input::TabOpened),
        3 => (tab_id(), 0_u64..600 << 20, how)
            .prop_map(|(tab, bytes, how)| Input::TabMemory { tab, bytes, how }),
        2 => (0_u64..99, tab_id(), any::<bool>()).prop_map(|(decision, tab, ok)| {
            Input::DiscardOutcome { decision: Seq(decision), tab, ok }
        }),
    ];
    let windows = prop_oneof![
        1 => win_id().prop_map(|win| Input::WindowOpened { win }),
        1 => win_id().prop_map(|win| Input::WindowClosed { win }),
        8 => option::weighted(0.7, win_id()).prop_map(|win| Input::WindowFocused { win }),
    ];
    let user = prop_oneof![
        4 => user.prop_map(Input::UserIdle),
        4 => option::weighted(0.3, tab_id()).prop_map(|tab| Input::PruneRequested { tab }),
        2 => option::weighted(0.7, -60_000_i64..14_400_000)
            .prop_map(|ms| Input::Paused { until_ms: ms.map(|ms| START_MS + ms) }),
        2 => mode().prop_map(Input::ModeChanged),
        1 => policy().prop_map(|policy| Input::PolicyChanged(Box::new(policy))),
    ];
    let machine = prop_oneof![
        40 => metrics().prop_map(Input::Metrics),
        4 => severity.prop_map(Input::PressureSignal),
        3 => (0_u64..5_000_000).prop_map(|ms| Input::Suspended { ms }),
        1 => (-100_000_i64..100_000).prop_map(|by_ms| Input::ClockStepped { by_ms }),
        1 => knowledge().prop_map(Input::KnowledgeCarried),
        1 => snapshot(false).prop_map(Input::SessionStarted),
    ];
    prop_oneof![10 => tabs, 2 => windows, 2 => user, 11 => machine].boxed()
}

fn extreme_input() -> BoxedStrategy<Input> {
    let id = || {
        prop_oneof![
            Just(i64::MIN),
            Just(i64::MAX),
            Just(-1_i64),
            1_i64..4,
            any::<i64>()
        ]
    };
    let tab = move || id().prop_map(TabId);
    let win = move || id().prop_map(WindowId);
    let big = || prop_oneof![Just(u64::MAX), Just(0_u64), any::<u64>()];
    let float = || {
        option::of(prop_oneof![
            Just(f64::NAN),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
            any::<f64>(),
        ])
    };
    let metrics = (
        (
            option::of(big()),
            option::of(big()),
            option::of(big()),
            option::of(big()),
        ),
        (float(), float(), float()),
    );
    let metrics = metrics.prop_map(|((total, used, available, swap), (cpu, some, full))| {
        Input::Metrics(Metrics {
            ram_total: total,
            ram_used: used,
            ram_available: available,
            swap_used: swap,
            cpu,
            psi_some_avg10: some,
            psi_full_avg10: full,
            ..Metrics::default()
        })
    });
    let facts = (
        tab(),
        win(),
        option::of(any::<i64>()),
        option::of(any::<bool>()),
    );
    let facts = facts.prop_map(|(tab, win, last_accessed, active)| TabFacts {
        page: Some(Page::Web("\u{0}é.example".into())),
        last_accessed,
        active,
        ..TabFacts::new(tab, win)
    });
    let windows = vec((win(), any::<bool>()), 0..3);
    let snapshot = (windows, vec(facts.clone(), 0..5)).prop_map(|(windows, tabs)| {
        let windows = windows
            .into_iter()
            .map(|(win, focused)| WindowFacts { win, focused });
        Input::SessionStarted(Snapshot {
            user: None,
            windows: windows.collect(),
            tabs,
        })
    });
    let how = select(vec![MemorySource::Measured, MemorySource::Reclaimed]);
    let carried = (any::<u8>(), option::of(any::<i64>()), option::of(big())).prop_map(
        |(familiarity, last_in_front_ms, bytes)| {
            Input::KnowledgeCarried(vec![HostKnowledge {
                host: HOSTS[0].to_owned(),
                familiarity,
                last_in_front_ms,
                bytes,
            }])
        },
    );
    prop_oneof![
        4 => metrics,
        2 => facts.prop_map(Input::TabOpened),
        2 => snapshot,
        2 => (tab(), win()).prop_map(|(tab, win)| Input::TabActivated { tab, win }),
        1 => (tab(), win()).prop_map(|(tab, win)| Input::TabMoved { tab, win }),
        1 => (tab(), tab()).prop_map(|(tab, old)| Input::TabReplaced { tab, old }),
        1 => option::of(win()).prop_map(|win| Input::WindowFocused { win }),
        1 => win().prop_map(|win| Input::WindowClosed { win }),
        1 => option::of(tab()).prop_map(|tab| Input::PruneRequested { tab }),
        1 => (big(), tab(), any::<bool>()).prop_map(|(decision, tab, ok)| {
            Input::DiscardOutcome { decision: Seq(decision), tab, ok }
        }),
        1 => (tab(), big(), how).prop_map(|(tab, bytes, how)| Input::TabMemory { tab, bytes, how }),
        1 => option::of(any::<i64>()).prop_map(|until_ms| Input::Paused { until_ms }),
        1 => any::<i64>().prop_map(|by_ms| Input::ClockStepped { by_ms }),
        2 => big().prop_map(|ms| Input::Suspended { ms }),
        1 => carried,
    ]
    .boxed()
}

/// Policies: half of them quick to act, so that sessions of an hour see decisions; the others
/// drawn from the whole table of settings.
pub(crate) fn policy() -> BoxedStrategy<PolicyDocument> {
    prop_oneof![3 => quick_policy(), 1 => any_policy()].boxed()
}

fn quick_policy() -> BoxedStrategy<PolicyDocument> {
    let minutes = || select(vec![1.0, 1.0, 2.0, 3.0, 5.0, 15.0]);
    let batch = || select(vec![1_u32, 2, 3, 64]);
    let target = option::weighted(0.2, 5.0..60.0);
    let whole = (
        (minutes(), minutes(), select(vec![1.0, 10.0, 60.0])),
        (select(vec![60_u32, 60, 60, 150]), select(vec![1_u8, 2, 8])),
        (
            select(vec![10_u32, 10, 60, 600]),
            batch(),
            batch(),
            batch(),
            target,
        ),
        (
            0..8_u8,
            0..4_u8,
            any::<bool>(),
            any::<bool>(),
            select(vec![1_u32, 2, 3, 12]),
        ),
        (0..3_u8, select(vec![0_u8, 5, 20]), any::<bool>()),
    );
    whole
        .prop_map(|(times, limits, batches, switches, last)| {
            let (ttl_minutes, out_ttl_minutes, cluster_minutes) = times;
            let (ttl_minimum_seconds, familiarity_cap) = limits;
            let (cooldown_seconds, batch_high, batch_medium, batch_max, target) = batches;
            let (gate, focus, proactive, act_from_high, cluster_cap) = switches;
            let (clock, hysteresis, largest) = last;
            let mut settings = Settings {
                ttl_minutes,
                ttl_clock: [
                    engine::TtlClock::Active,
                    engine::TtlClock::Awake,
                    engine::TtlClock::Wall,
                ][usize::from(clock)],
                ttl_minimum_seconds,
                familiarity_cap,
                gate: if gate == 0 {
                    engine::Gate::Always
                } else {
                    engine::Gate::Pressure
                },
                act_from: if act_from_high {
                    engine::ActFrom::High
                } else {
                    engine::ActFrom::Medium
                },
                cooldown_seconds,
                batch_high,
                batch_medium,
                batch_max,
                target_free_percent: target,
                rank: if largest {
                    engine::Rank::Largest
                } else {
                    engine::Rank::Lru
                },
                ..Settings::default()
            };
            settings.protected_domains.push(".safe.example".to_owned());
            settings.protected_domains.push("bank.example".to_owned());
            settings.focus = engine::Focus {
                enabled: focus > 0,
                proactive,
                out_ttl_minutes,
                cluster_minutes,
                cluster_cap,
            };
            settings.pressure.hysteresis = hysteresis;
            PolicyDocument::new(settings).expect("each value is within its range")
        })
        .boxed()
}

/// Any valid policy, from the table of settings: half of the settings keep their defaults, the
/// others are at an end of their range or anywhere between.
fn any_policy() -> BoxedStrategy<PolicyDocument> {
    let settings = vec((any::<bool>(), 0_u8..4, 0.0..=1.0_f64), SETTINGS.len());
    settings
        .prop_map(|draws| {
            let mut document = PolicyDocument::default().to_json();
            for (setting, (keeps_default, kind, share)) in SETTINGS.iter().zip(draws) {
                if keeps_default {
                    continue;
                }
                let value = match setting.takes {
                    Takes::Number {
                        min, max, whole, ..
                    } => {
                        let number = match kind {
                            0 => min,
                            1 => max,
                            2 => min + share * (max - min),
                            // Near the lower end, where more happens.
                            _ => min + share * (max - min) / 100.0,
                        };
                        let text = if whole {
                            format!("{number:.0}")
                        } else {
                            number.to_string()
                        };
                        serde_json::from_str(&text).expect("a finite number is JSON")
                    }
                    Takes::Switch => serde_json::json!(share > 0.5),
                    Takes::Choice { of } => serde_json::json!(of[usize::from(kind) % of.len()]),
                    Takes::Domains => {
                        serde_json::json!([HOSTS[usize::from(kind)], ".safe.example"])
                    }
                };
                let pointer = format!("/{}", setting.path.replace('.', "/"));
                let place = document.pointer_mut(&pointer);
                *place.expect("the table names settings of the document") = value;
            }
            // Thresholds that contradict each other have their defaults after all.
            PolicyDocument::from_json(&document.to_string()).unwrap_or_else(|_| {
                document["pressure"] = PolicyDocument::default().to_json()["pressure"].take();
                PolicyDocument::from_json(&document.to_string())
                    .expect("no other settings are paired")
            })
        })
        .boxed()
}
