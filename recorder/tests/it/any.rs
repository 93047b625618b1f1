//! Any line that can be: the strategies that the properties draw from.

use std::sync::Arc;

use engine::{
    DiscardedBy, HostKnowledge, Level, MemorySource, Mode, PRESETS, PolicyDocument, Reason, Seq,
    Severity, TabId, UserState, WindowId,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use recorder::*;
use uuid::Uuid;

/// Any line, of any type, with any values its fields can hold.
pub(crate) fn line() -> BoxedStrategy<Line> {
    let envelope = (
        any::<u64>(),
        any::<i64>(),
        option::of(1..=u64::MAX),
        option::of(any::<i64>()),
    );
    (envelope, body())
        .prop_map(|((seq, t_ms, n, at_ms), body)| {
            let src = body.source().unwrap();
            let is_ext = src == Source::Ext;
            let n = n.filter(|_| is_ext);
            let at_ms = at_ms.filter(|_| is_ext);
            Line {
                seq: Seq(seq),
                t_ms,
                src,
                n,
                at_ms,
                body,
            }
        })
        .boxed()
}

/// Any body of a known type.
pub(crate) fn body() -> BoxedStrategy<Body> {
    prop_oneof![bookkeeping(), from_extension(), from_host(), from_engine()].boxed()
}

pub(crate) fn bookkeeping() -> BoxedStrategy<Body> {
    let opened = (
        (
            any::<u32>(),
            any::<u128>(),
            option::of(".*"),
            any::<u32>(),
            option::of(any::<u64>()),
        ),
        select(vec![Privacy::Hostname, Privacy::Site, Privacy::KeyedHash]),
        select(vec![
            Origin::Recorded,
            Origin::Synthetic,
            Origin::Imported,
            Origin::Derived,
        ]),
        (
            option::of(".*"),
            option::of(any::<u64>()),
            option::of(".*"),
            option::of(".*"),
        ),
        (".*", ".*"),
    )
        .prop_map(
            |(header, privacy, origin, made_by, (host_version, platform))| {
                let (engine, session, extension_session, segment, replaces_from) = header;
                let (generator, seed, importer, derived_from) = made_by;
                Body::LogOpened(LogOpened {
                    format: FORMAT_NAME.to_owned(),
                    v: FORMAT_VERSION,
                    engine,
                    session: Uuid::from_u128(session),
                    extension_session,
                    segment,
                    replaces_from: replaces_from.map(Seq),
                    host_version,
                    platform,
                    privacy,
                    origin,
                    generator,
                    seed,
                    importer,
                    derived_from,
                })
            },
        );
    let why = select(vec![
        ResumeReason::HostRestarted,
        ResumeReason::WorkerRestarted,
    ]);
    prop_oneof![
        opened.boxed(),
        (any::<u64>(), any::<u64>(), any::<u32>(), why).prop_map(
            |(torn_bytes, last_n, engine, why)| {
                Body::LogResumed(LogResumed {
                    torn_bytes,
                    last_n,
                    engine,
                    why,
                })
            }
        ),
        (any::<u64>(), "[0-9a-f]{8}", option::of("[0-9a-f]{32}")).prop_map(
            |(events, crc32c, state)| Body::Checkpoint(Checkpoint {
                events,
                crc32c,
                state
            })
        ),
        (any::<u64>(), "[0-9a-f]{64}", option::of(any::<u32>())).prop_map(
            |(events, sha256, next_segment)| {
                Body::LogClosed(LogClosed {
                    events,
                    sha256,
                    next_segment,
                })
            }
        ),
        (option::of(any::<u64>()), any::<u64>(), ".*")
            .prop_map(|(from, count, why)| Body::Dropped(Dropped { from, count, why })),
        (any::<u64>(), any::<i64>(), ".*").prop_map(|(decision, tab, why)| {
            Body::OrderDropped(OrderDropped {
                decision: Seq(decision),
                tab: TabId(tab),
                why,
            })
        }),
        any::<i64>().prop_map(|by_ms| Body::ClockStepped(ClockStepped { by_ms })),
        any::<u64>().prop_map(|ms| Body::Suspended(Suspended { ms })),
    ]
    .boxed()
}

pub(crate) fn from_extension() -> BoxedStrategy<Body> {
    let tab_id = || any::<i64>().prop_map(TabId);
    let win_id = || any::<i64>().prop_map(WindowId);
    let user = || select(vec![UserState::Active, UserState::Idle, UserState::Locked]);
    let window = (win_id(), any::<bool>()).prop_map(|(win, focused)| Window { win, focused });
    let session = (
        option::of(".*"),
        option::of(".*"),
        option::of(".*"),
        option::of(user()),
        vec(window, 0..3),
        vec(tab(), 0..5),
    )
        .prop_map(
            |(browser, browser_version, extension_version, idle, windows, tabs)| {
                Body::SessionStarted(SessionStarted {
                    browser,
                    browser_version,
                    extension_version,
                    idle,
                    windows,
                    tabs,
                })
            },
        );
    let changed = (
        (tab_id(), flag(), flag(), flag(), flag()),
        (flag(), option::of(any::<i64>()), flag(), flag(), flag()),
    )
        .prop_map(|((tab, pinned, audible, muted, auto_discardable), rest)| {
            let (frozen, group, unsaved, capturing, in_sight) = rest;
            Body::TabChanged(TabChanged {
                tab,
                pinned,
                audible,
                muted,
                auto_discardable,
                frozen,
                group,
                unsaved,
                capturing,
                in_sight,
            })
        });
    let tabs = prop_oneof![
        tab().prop_map(Body::TabOpened),
        (tab_id(), win_id()).prop_map(|(tab, win)| Body::TabActivated(TabActivated { tab, win })),
        (
            tab_id(),
            option::of(hostname()),
            option::of(scheme()),
            flag()
        )
            .prop_map(|(tab, host, scheme, protected)| {
                Body::TabNavigated(TabNavigated {
                    tab,
                    host,
                    scheme,
                    protected,
                })
            }),
        (tab_id(), option::of(any::<u64>()))
            .prop_map(|(tab, ms)| Body::TabLoaded(TabLoaded { tab, ms })),
        changed.boxed(),
        (tab_id(), win_id()).prop_map(|(tab, win)| Body::TabMoved(TabMoved { tab, win })),
        (tab_id(), tab_id()).prop_map(|(tab, old)| Body::TabReplaced(TabReplaced { tab, old })),
        (
            tab_id(),
            select(vec![DiscardedBy::Orchestrator, DiscardedBy::Other])
        )
            .prop_map(|(tab, by)| Body::TabDiscarded(TabDiscarded { tab, by })),
        tab_id().prop_map(|tab| Body::TabRestored(TabRestored { tab })),
        tab_id().prop_map(|tab| Body::TabClosed(TabClosed { tab })),
    ];
    let rest = prop_oneof![
        win_id().prop_map(|win| Body::WindowOpened(WindowOpened { win })),
        win_id().prop_map(|win| Body::WindowClosed(WindowClosed { win })),
        option::of(win_id()).prop_map(|win| Body::WindowFocused(WindowFocused { win })),
        user().prop_map(|state| Body::UserIdle(UserIdle { state })),
        option::of(tab_id()).prop_map(|tab| Body::PruneRequested(PruneRequested { tab })),
        (any::<u64>(), tab_id(), any::<bool>(), option::of(".*")).prop_map(
            |(decision, tab, ok, why)| {
                Body::DiscardOutcome(DiscardOutcome {
                    decision: Seq(decision),
                    tab,
                    ok,
                    why,
                })
            }
        ),
    ];
    prop_oneof![1 => session, 8 => tabs.boxed(), 4 => rest.boxed()].boxed()
}

pub(crate) fn from_host() -> BoxedStrategy<Body> {
    let policy = (
        select(PRESETS.to_vec()),
        1.0..10_080.0,
        select(vec![
            PolicySource::Start,
            PolicySource::File,
            PolicySource::Extension,
        ]),
    )
        .prop_map(|(preset, ttl_minutes, by)| {
            let mut settings = engine::Settings::from(PolicyDocument::preset(preset).unwrap());
            settings.ttl_minutes = ttl_minutes;
            let policy = PolicyDocument::new(settings).unwrap();
            let policy_hash = policy.hash();
            Body::PolicyChanged(PolicyChanged {
                policy: Box::new(policy),
                policy_hash,
                by,
            })
        });
    let known = (
        ".*",
        1..=8_u8,
        option::of(any::<i64>()),
        option::of(any::<u64>()),
    )
        .prop_map(
            |(host, familiarity, last_in_front_ms, bytes)| HostKnowledge {
                host,
                familiarity,
                last_in_front_ms,
                bytes,
            },
        );
    let metrics = (
        (bytes(), bytes(), bytes(), bytes(), bytes()),
        (number(), flag(), number(), number(), number()),
        (bytes(), bytes(), option::of(any::<u32>())),
    )
        .prop_map(|(memory, load, browser)| {
            let (ram_total, ram_used, ram_available, swap_total, swap_used) = memory;
            let (cpu, on_battery, battery, psi_some_avg10, psi_full_avg10) = load;
            let (browser_rss, browser_pss, browser_processes) = browser;
            Body::Metrics(Metrics {
                ram_total,
                ram_used,
                ram_available,
                swap_total,
                swap_used,
                cpu,
                on_battery,
                battery,
                psi_some_avg10,
                psi_full_avg10,
                browser_rss,
                browser_pss,
                browser_processes,
            })
        });
    let signal = (
        select(vec![SignalSource::Psi, SignalSource::Os]),
        select(vec![Severity::Moderate, Severity::Critical]),
    );
    let how = select(vec![MemorySource::Measured, MemorySource::Reclaimed]);
    prop_oneof![
        policy.boxed(),
        mode().prop_map(|mode| Body::ModeChanged(ModeChanged { mode })),
        option::of(any::<i64>()).prop_map(|until_ms| Body::Paused(Paused { until_ms })),
        vec(known, 0..5).prop_map(|hosts| Body::KnowledgeCarried(KnowledgeCarried { hosts })),
        metrics.boxed(),
        signal.prop_map(|(source, severity)| {
            Body::PressureSignal(PressureSignal { source, severity })
        }),
        (any::<i64>(), any::<u64>(), how).prop_map(|(tab, bytes, how)| {
            Body::TabMemory(TabMemory {
                tab: TabId(tab),
                bytes,
                how,
            })
        }),
    ]
    .boxed()
}

pub(crate) fn from_engine() -> BoxedStrategy<Body> {
    let level = || select(vec![Level::Low, Level::Medium, Level::High]);
    let reasons = || {
        let all = vec![
            Reason::RamElevated,
            Reason::RamHigh,
            Reason::CpuElevated,
            Reason::CpuHigh,
            Reason::OnBattery,
            Reason::PsiElevated,
            Reason::PsiHigh,
            Reason::Swapping,
            Reason::OsModerate,
            Reason::OsCritical,
            Reason::Requested,
            Reason::FocusProactive,
            Reason::GateAlways,
        ];
        vec(select(all), 0..4)
    };
    let decision = (
        (
            any::<u64>(),
            any::<i64>(),
            any::<u32>(),
            any::<i64>(),
            any::<i64>(),
            any::<bool>(),
        ),
        (
            any::<u8>(),
            any::<u8>(),
            level(),
            reasons(),
            mode(),
            "[0-9a-f]{16}",
        ),
    )
        .prop_map(|((cause, tab, rank, idle_ms, ttl_ms, in_focus), why)| {
            let (familiarity, score, level, reasons, mode, policy_hash) = why;
            Body::Decision(Decision {
                cause: Seq(cause),
                action: Action::Discard,
                tab: TabId(tab),
                rank,
                idle_ms,
                ttl_ms,
                in_focus,
                familiarity,
                score,
                level,
                reasons,
                mode,
                policy_hash,
            })
        });
    let pressure = (any::<u64>(), any::<u8>(), level(), level(), reasons()).prop_map(
        |(cause, score, level, was, reasons)| {
            Body::PressureChanged(PressureChanged {
                cause: Seq(cause),
                score,
                level,
                was,
                reasons,
            })
        },
    );
    prop_oneof![decision, pressure].boxed()
}

fn tab() -> BoxedStrategy<Tab> {
    (
        (
            any::<i64>(),
            any::<i64>(),
            option::of(hostname()),
            option::of(scheme()),
        ),
        (
            flag(),
            flag(),
            flag(),
            flag(),
            flag(),
            flag(),
            flag(),
            flag(),
            flag(),
        ),
        (option::of(any::<i64>()), flag(), flag(), flag()),
        (option::of(any::<i64>()), option::of(any::<i64>())),
    )
        .prop_map(
            |((tab, win, host, scheme), flags, more, (last_accessed, opener))| {
                let (protected, active, pinned, audible, muted, discarded, loading, frozen, auto) =
                    flags;
                let (group, unsaved, capturing, in_sight) = more;
                Tab {
                    host,
                    scheme,
                    protected,
                    active,
                    pinned,
                    audible,
                    muted,
                    discarded,
                    loading,
                    frozen,
                    auto_discardable: auto,
                    group,
                    unsaved,
                    capturing,
                    in_sight,
                    last_accessed,
                    opener: opener.map(TabId),
                    ..Tab::new(TabId(tab), WindowId(win))
                }
            },
        )
        .boxed()
}

fn hostname() -> impl Strategy<Value = Arc<str>> {
    "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,8}){0,2}".prop_map(Into::into)
}

fn scheme() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9+.-]{0,8}"
}

fn mode() -> impl Strategy<Value = Mode> {
    select(vec![Mode::Observe, Mode::Enforce])
}

fn flag() -> impl Strategy<Value = Option<bool>> {
    any::<Option<bool>>()
}

fn bytes() -> impl Strategy<Value = Option<u64>> {
    any::<Option<u64>>()
}

/// Any number that a measurement can give, however odd: each must read back to the last bit.
fn number() -> impl Strategy<Value = Option<f64>> {
    use proptest::num::f64::{NORMAL, SUBNORMAL, ZERO};
    option::of(prop_oneof![0.0..100.0, NORMAL | SUBNORMAL | ZERO])
}
