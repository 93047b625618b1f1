//! The rules of the engine, each as a small session. A test is named after its rule.

use engine::{
    ActFrom, Belongs, DiscardedBy, Gate, GateState, Guard, HostKnowledge, Input, Level,
    MemorySource, Metrics, Mode, Page, Rank, Reason, Severity, TabChanges, TabFacts, TabId,
    TtlClock, UserState, Verdict, WindowId,
};

use crate::scene::{
    GIB, HOUR, MIB, MINUTE, SECOND, START_MS, Scene, YES, tab, tab_here, used_percent, web,
};

/// No tab is decided on.
const NONE: [i64; 0] = [];

mod world_and_clocks {
    use super::*;

    #[test]
    fn a_night_with_the_lid_closed_ages_no_tab() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        let ms = 8 * HOUR as u64;
        scene.wait(8 * HOUR).tell(Input::Suspended { ms });
        assert_eq!(scene.at_high(), NONE);
        assert_eq!(scene.wait(3 * MINUTE).at_high(), [2]);
    }

    #[test]
    fn a_lunch_ages_no_tab() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene
            .user(UserState::Idle)
            .wait(HOUR)
            .user(UserState::Active);
        assert_eq!(scene.at_high(), NONE);
        assert_eq!(scene.wait(3 * MINUTE).at_high(), [2]);
    }

    #[test]
    fn a_policy_may_count_all_time_that_the_machine_is_awake() {
        let awake = |policy: &mut engine::Settings| policy.ttl_clock = TtlClock::Awake;
        let mut scene = Scene::under(awake, [tab(2, "b.example")]);
        scene.user(UserState::Locked).wait(HOUR);
        assert_eq!(scene.at_high(), [2]);
    }

    #[test]
    fn a_policy_may_count_all_time() {
        let wall = |policy: &mut engine::Settings| policy.ttl_clock = TtlClock::Wall;
        let mut scene = Scene::under(wall, [tab(2, "b.example")]);
        scene.wait(HOUR).tell(Input::Suspended { ms: HOUR as u64 });
        assert_eq!(scene.at_high(), [2]);
    }

    #[test]
    fn where_idleness_cannot_be_told_time_stops_half_an_hour_after_the_last_event() {
        let longer = |policy: &mut engine::Settings| policy.focus.out_ttl_minutes = 31.0;
        let mut scene = Scene::blank(longer);
        scene.snapshot(None, [tab(2, "b.example")]);
        assert_eq!(scene.wait(10 * HOUR).at_high(), NONE);
        assert_eq!(scene.explain(2).idle_ms, 30 * MINUTE);
        scene.activate(1, 1);
        assert_eq!(scene.wait(MINUTE).at_high(), [2]);
    }

    #[test]
    fn a_tab_read_for_half_an_hour_is_fresh_when_it_is_left() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.activate(2, 2).focus(Some(2)).wait(30 * MINUTE);
        scene.activate(1, 1).focus(Some(1));
        assert_eq!(scene.explain(2).idle_ms, 0);
    }

    #[test]
    fn the_tab_in_front_of_the_focused_window_is_in_use_now() {
        let mut scene = Scene::of([]);
        scene.wait(HOUR).at_low();
        assert_eq!(scene.explain(1).idle_ms, 0);
        scene.focus(None).wait(MINUTE).at_low();
        assert_eq!(scene.explain(1).idle_ms, MINUTE);
    }

    #[test]
    fn what_is_in_sight_beside_the_tab_in_front_is_in_use_too() {
        let mut scene = Scene::of([tab_here(2, "b.example")]);
        scene.see(2, true).wait(HOUR);
        assert_eq!(scene.at_high(), NONE);
        assert_eq!(scene.explain(2).idle_ms, 0);
        scene.see(2, false).wait(5 * MINUTE).at_low();
        assert_eq!(scene.explain(2).idle_ms, 5 * MINUTE);
    }

    #[test]
    fn what_a_window_shows_was_in_use_until_another_had_the_focus() {
        let mut scene = Scene::of([tab_here(2, "b.example")]);
        scene.see(2, true).wait(HOUR);
        scene.focus(None).wait(HOUR);
        assert_eq!(scene.at_high(), NONE);
        assert_eq!(scene.explain(2).idle_ms, HOUR);
        assert_eq!(scene.explain(2).guards, [Guard::Active]);
    }

    #[test]
    fn it_stays_in_sight_under_another_id_in_another_window_and_discarded() {
        let mut scene = Scene::of([tab_here(2, "b.example")]);
        scene.see(2, true);
        let by = DiscardedBy::Other;
        scene.tell(Input::TabReplaced {
            tab: TabId(3),
            old: TabId(2),
        });
        let tab = TabId(3);
        scene.tell(Input::TabDiscarded { tab, by });
        scene.tell(Input::TabRestored { tab });
        scene.tell(Input::TabLoaded { tab, load_ms: None });
        scene.tell(Input::TabMoved {
            tab,
            win: WindowId(2),
        });
        assert_eq!(scene.wait(HOUR).at_high(), NONE);
        assert_eq!(scene.explain(3).guards, [Guard::Active]);
        scene.see(3, false).wait(HOUR);
        assert_eq!(scene.at_high(), [3]);
    }

    #[test]
    fn the_last_focused_window_is_the_context_while_another_program_has_the_focus() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.activate(2, 2).focus(Some(2)).focus(None);
        assert_eq!(scene.cluster(), [2]);
    }

    #[test]
    fn where_no_focus_was_told_the_window_of_the_last_activation_is_the_context() {
        let mut scene = Scene::blank(|_| {});
        scene.tell(Input::TabOpened(tab_here(1, "a.example")));
        scene.tell(Input::TabOpened(tab(2, "b.example")));
        scene.activate(1, 1).activate(2, 2);
        assert_eq!(scene.cluster(), [2]);
    }

    #[test]
    fn idle_from_before_the_log_counts_up_to_the_ttl() {
        let accessed = |id, ago: i64| TabFacts {
            last_accessed: Some(START_MS - ago),
            ..tab(id, "b.example")
        };
        let scene = Scene::of([accessed(2, 4 * MINUTE), accessed(3, 5 * HOUR)]);
        assert_eq!(scene.explain(2).idle_ms, 4 * MINUTE);
        assert_eq!(scene.explain(3).idle_ms, 15 * MINUTE);
    }

    #[test]
    fn the_wall_clock_may_be_set_between_last_accessed_and_the_log() {
        let mut scene = Scene::blank(|_| {});
        scene.tell(Input::ClockStepped { by_ms: 2 * HOUR });
        let accessed = TabFacts {
            last_accessed: Some(START_MS + 2 * HOUR - 4 * MINUTE),
            ..tab(2, "b.example")
        };
        scene.snapshot(Some(UserState::Active), [accessed]);
        assert_eq!(scene.explain(2).idle_ms, 4 * MINUTE);
    }

    #[test]
    fn a_snapshot_keeps_what_was_known_of_a_tab_and_forgets_tabs_that_are_gone() {
        let audible = TabFacts {
            audible: YES,
            ..tab(2, "b.example")
        };
        let mut scene = Scene::of([audible, tab(3, "c.example")]);
        scene.wait(5 * MINUTE);
        let bare = TabFacts::new(TabId(2), WindowId(2));
        scene.snapshot(Some(UserState::Active), [bare]);
        let explanation = scene.explain(2);
        assert_eq!(explanation.host.as_deref(), Some("b.example"));
        assert_eq!(explanation.guards, [Guard::Audible]);
        assert_eq!(explanation.idle_ms, 5 * MINUTE);
        assert!(scene.engine.explain(TabId(3)).is_none());
    }

    #[test]
    fn events_about_unknown_tabs_are_counted_and_change_nothing_else() {
        let scene = Scene::of([tab(2, "b.example")]);
        let (tab, win, old) = (TabId(9), WindowId(9), TabId(8));
        for input in [
            Input::TabActivated { tab, win },
            Input::TabNavigated {
                tab,
                page: None,
                protected: None,
            },
            Input::TabLoaded { tab, load_ms: None },
            Input::TabChanged {
                tab,
                changes: TabChanges::default(),
            },
            Input::TabMoved { tab, win },
            Input::TabReplaced { tab, old },
            Input::TabDiscarded {
                tab,
                by: DiscardedBy::Other,
            },
            Input::TabRestored { tab },
            Input::TabClosed { tab },
            Input::WindowClosed { win },
            Input::WindowFocused { win: Some(win) },
            Input::TabMemory {
                tab,
                bytes: 1,
                how: MemorySource::Measured,
            },
            // Out of place: it is loaded.
            Input::TabRestored { tab: TabId(2) },
        ] {
            let mut scene = scene.clone();
            let tabs = format!("{:?}", scene.engine.world().tabs().collect::<Vec<_>>());
            scene.tell(input.clone());
            let world = scene.engine.world();
            assert_eq!(world.anomalies(), 1, "{input:?}");
            assert_eq!(
                format!("{:?}", world.tabs().collect::<Vec<_>>()),
                tabs,
                "{input:?}"
            );
            assert_eq!(world.window_count(), 2, "{input:?}");
            assert_eq!(scene.cluster(), [1], "{input:?}");
        }
    }

    #[test]
    fn a_tab_activated_in_another_window_than_known_is_believed() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.activate(2, 1);
        assert_eq!(scene.cluster()[0], 2);
        assert_eq!(scene.engine.world().anomalies(), 1);
    }

    #[test]
    fn time_that_goes_back_stands_still() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.wait(4 * MINUTE).at_low();
        scene.wait(-2 * MINUTE).at_low();
        assert_eq!(scene.explain(2).idle_ms, 4 * MINUTE);
        assert_eq!(scene.engine.world().anomalies(), 1);
    }

    #[test]
    fn a_tab_of_a_later_snapshot_hides_no_tab_of_the_context() {
        // An hour of absence lies between the two clocks when tab 3 is first told of. Dated back
        // alike on each clock it came before tab 2 by one of them and after it by the other.
        let mut scene = Scene::of([tab_here(2, "b.example")]);
        scene.wait(MINUTE).user(UserState::Idle);
        scene.wait(HOUR).user(UserState::Active);
        let missed = TabFacts {
            last_accessed: Some(START_MS + 30 * MINUTE),
            ..tab_here(3, "c.example")
        };
        scene.snapshot(Some(UserState::Active), [tab_here(2, "b.example"), missed]);
        assert_eq!(scene.cluster(), [1, 3, 2]);
    }
}

mod pressure {
    use super::*;

    /// Takes one sample; says what it is worth.
    #[track_caller]
    fn check(metrics: Metrics, score: u8, level: Level, reasons: &[Reason]) {
        let mut scene = Scene::of([]);
        scene.sample(metrics);
        let found = (scene.score(), scene.level(), scene.reasons());
        assert_eq!(found, (score, level, reasons), "{metrics:?}");
    }

    #[test]
    fn memory_adds_up_to_70_the_processor_20_the_battery_10() {
        use Reason::{CpuElevated, CpuHigh, OnBattery, RamElevated, RamHigh};
        check(used_percent(70), 0, Level::Low, &[]);
        check(used_percent(85), 42, Level::Low, &[]);
        check(used_percent(95), 70, Level::High, &[RamHigh]);
        let cpu = |cpu| Metrics {
            cpu: Some(cpu),
            ..used_percent(50)
        };
        check(cpu(40.0), 0, Level::Low, &[]);
        check(cpu(76.0), 13, Level::Low, &[CpuElevated]);
        check(cpu(95.0), 20, Level::Low, &[CpuHigh]);
        let all = Metrics {
            cpu: Some(80.0),
            on_battery: YES,
            ..used_percent(89)
        };
        check(all, 78, Level::High, &[RamElevated, CpuElevated, OnBattery]);
    }

    #[test]
    fn little_available_memory_counts_like_much_in_use() {
        let scarce = Metrics {
            ram_available: Some(10 * GIB),
            ..used_percent(60)
        };
        check(scarce, 47, Level::Low, &[Reason::RamElevated]);
    }

    #[test]
    fn a_level_is_left_when_the_score_is_5_below_its_threshold() {
        let mut scene = Scene::of([]);
        let level_at = |scene: &mut Scene, tenths: u64| {
            scene.sample(Metrics {
                ram_used: Some(tenths * 100 * GIB / 1_000),
                ram_available: None,
                ..used_percent(0)
            });
            (scene.score(), scene.level())
        };
        assert_eq!(level_at(&mut scene, 878), (50, Level::Medium));
        assert_eq!(level_at(&mut scene, 865), (46, Level::Medium));
        assert_eq!(level_at(&mut scene, 860), (45, Level::Low));
        assert_eq!(level_at(&mut scene, 865), (46, Level::Low));
    }

    #[test]
    fn stalled_tasks_raise_the_level() {
        let stalled = |some, full| Metrics {
            psi_some_avg10: Some(some),
            psi_full_avg10: Some(full),
            ..used_percent(50)
        };
        check(stalled(9.9, 0.0), 0, Level::Low, &[]);
        check(stalled(10.0, 0.0), 0, Level::Medium, &[Reason::PsiElevated]);
        let both = [Reason::PsiElevated, Reason::PsiHigh];
        check(stalled(10.0, 10.0), 0, Level::High, &both);
    }

    #[test]
    fn a_signal_of_the_operating_system_holds_for_30_seconds() {
        let mut scene = Scene::of([]);
        scene.tell(Input::PressureSignal(Severity::Moderate));
        assert_eq!(scene.level(), Level::Medium);
        scene.wait(30 * SECOND - 1).at_low();
        assert_eq!(scene.reasons(), [Reason::OsModerate]);
        scene.wait(1).at_low();
        assert_eq!((scene.level(), scene.reasons()), (Level::Low, &[][..]));
    }

    #[test]
    fn a_moderate_signal_does_not_prolong_a_critical_one() {
        let mut scene = Scene::of([]);
        scene.tell(Input::PressureSignal(Severity::Critical));
        scene.wait(10 * SECOND);
        scene.tell(Input::PressureSignal(Severity::Moderate));
        assert_eq!(scene.level(), Level::High);
        scene.wait(20 * SECOND).at_low();
        assert_eq!(scene.level(), Level::Medium);
    }

    #[test]
    fn growing_use_of_swap_is_named_and_raises_nothing() {
        let swap = |gib: u64| Metrics {
            swap_used: Some(gib * GIB),
            ..used_percent(50)
        };
        let mut scene = Scene::of([]);
        scene.sample(swap(10));
        scene.wait(MINUTE).sample(swap(12));
        assert_eq!(scene.reasons(), [Reason::Swapping]);
        assert_eq!(scene.level(), Level::Low);
        scene.wait(MINUTE + 1).sample(swap(14));
        assert_eq!(scene.reasons(), [], "not within a minute");
    }
}

mod guards {
    use super::*;

    #[test]
    fn a_hard_guard_holds_under_any_pressure_and_against_any_request() {
        let plain = tab(2, "b.example");
        for (guard, facts) in [
            (
                Guard::Active,
                TabFacts {
                    active: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Active,
                TabFacts {
                    in_sight: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Pinned,
                TabFacts {
                    pinned: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Audible,
                TabFacts {
                    audible: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Capturing,
                TabFacts {
                    capturing: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Unsaved,
                TabFacts {
                    unsaved: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::NotAutoDiscardable,
                TabFacts {
                    auto_discardable: Some(false),
                    ..plain.clone()
                },
            ),
            (
                Guard::Protected,
                TabFacts {
                    protected: YES,
                    ..plain.clone()
                },
            ),
            (Guard::Protected, tab(2, "docs.google.com")),
            (Guard::Protected, tab(2, "us02web.zoom.us")),
            (
                Guard::Internal,
                TabFacts {
                    page: Some(Page::Internal),
                    ..plain.clone()
                },
            ),
            (
                Guard::Internal,
                TabFacts {
                    page: None,
                    ..plain.clone()
                },
            ),
            (
                Guard::Loading,
                TabFacts {
                    loading: YES,
                    ..plain.clone()
                },
            ),
            (
                Guard::Discarded,
                TabFacts {
                    discarded: YES,
                    ..plain.clone()
                },
            ),
        ] {
            let always = |policy: &mut engine::Settings| policy.gate = Gate::Always;
            let mut scene = Scene::under(always, [facts]);
            scene.wait(HOUR);
            assert_eq!(scene.at_high(), NONE, "{guard:?}");
            assert_eq!(scene.asked_for(None), NONE, "{guard:?}");
            assert_eq!(scene.asked_for(Some(2)), NONE, "{guard:?}");
            let explanation = scene.explain(2);
            assert_eq!(explanation.guards, [guard]);
            assert_eq!(explanation.verdict, Verdict::Guarded);
        }
        let mut scene = Scene::of([plain]);
        assert_eq!(scene.wait(HOUR).at_high(), [2], "without a guard it goes");
    }

    #[test]
    fn a_tab_that_fell_silent_is_left_alone_for_a_minute() {
        let audible = TabFacts {
            audible: YES,
            ..tab(2, "b.example")
        };
        let mut scene = Scene::of([audible]);
        let silent = TabChanges {
            audible: Some(false),
            ..TabChanges::default()
        };
        scene.wait(HOUR).change(2, silent);
        assert_eq!(scene.wait(MINUTE - 1).at_high(), NONE);
        assert_eq!(scene.explain(2).guards, [Guard::RecentlyAudible]);
        assert_eq!(scene.wait(1).at_high(), [2]);
    }

    #[test]
    fn no_request_discards_a_tab_that_was_in_front_within_the_last_minute() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        assert_eq!(scene.wait(MINUTE - 1).asked_for(Some(2)), NONE);
        assert_eq!(scene.explain(2).guards, [Guard::Young]);
        assert_eq!(scene.wait(1).asked_for(Some(2)), [2]);
    }

    #[test]
    fn a_tab_that_navigates_is_loading_until_it_is_loaded() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.wait(HOUR).tell(Input::TabNavigated {
            tab: TabId(2),
            page: Some(web("c.example")),
            protected: None,
        });
        assert_eq!(scene.at_high(), NONE);
        scene.tell(Input::TabLoaded {
            tab: TabId(2),
            load_ms: None,
        });
        assert_eq!(scene.at_high(), [2]);
    }
}

mod focus {
    use super::*;

    #[test]
    fn tabs_outside_the_context_go_after_3_minutes_and_inside_after_15() {
        let mut scene = Scene::of([tab(2, "b.example"), tab(3, "front.example")]);
        assert_eq!(scene.wait(3 * MINUTE - 1).at_high(), NONE);
        assert_eq!(scene.wait(1).at_high(), [2]);
        assert_eq!(
            scene.wait(12 * MINUTE - 1).at_medium(),
            [2],
            "its outcome never came"
        );
        assert_eq!(scene.wait(MINUTE).at_high(), [2, 3]);
        assert!(scene.decisions[3].in_focus);
        assert_eq!(scene.decisions[3].ttl_ms, 15 * MINUTE);
    }

    #[test]
    fn the_context_is_the_tab_in_front_then_its_host_then_its_window_newest_first() {
        let mut scene = Scene::of([
            tab(2, "front.example"),
            tab(3, "front.example"),
            tab_here(4, "d.example"),
            tab_here(5, "e.example"),
            tab(6, "f.example"),
        ]);
        scene.wait(MINUTE).activate(2, 2);
        scene.wait(MINUTE).activate(4, 1);
        scene.wait(MINUTE).activate(1, 1);
        assert_eq!(scene.cluster(), [1, 2, 3, 4, 5]);
        scene.wait(8 * MINUTE).at_low();
        assert_eq!(
            scene.cluster(),
            [1, 2, 3, 4],
            "10 minutes after it was in front"
        );
    }

    #[test]
    fn what_is_in_sight_beside_the_tab_in_front_comes_next() {
        let tabs = [tab_here(2, "b.example"), tab_here(3, "front.example")];
        let mut scene = Scene::of(tabs);
        scene.see(2, true).wait(HOUR);
        assert_eq!(scene.cluster(), [1, 2, 3]);
        assert_eq!(scene.explain(2).in_focus, Some(Belongs::InSight));
    }

    #[test]
    fn the_context_holds_at_most_its_cap() {
        let small = |policy: &mut engine::Settings| policy.focus.cluster_cap = 3;
        let tabs = (2..9).map(|id| tab_here(id, "b.example"));
        let scene = Scene::under(small, tabs);
        assert_eq!(scene.cluster(), [1, 8, 7]);
    }

    #[test]
    fn pages_without_a_host_have_no_host_in_common() {
        let internal = |id, win| TabFacts {
            page: Some(Page::Internal),
            ..TabFacts::new(TabId(id), WindowId(win))
        };
        let mut scene = Scene::of([internal(2, 1), internal(3, 1), internal(4, 2)]);
        scene.wait(MINUTE).activate(2, 1);
        assert_eq!(scene.cluster(), [2, 1, 3]);
        assert_eq!(scene.explain(3).in_focus, Some(Belongs::SameWindow));
    }

    #[test]
    fn a_discarded_tab_takes_no_place_in_the_context() {
        let discarded = TabFacts {
            discarded: YES,
            ..tab_here(2, "front.example")
        };
        let scene = Scene::of([discarded, tab(3, "front.example")]);
        assert_eq!(scene.cluster(), [1, 3]);
    }

    #[test]
    fn a_tab_that_leaves_the_context_is_ripe_at_once() {
        let mut scene = Scene::of([tab(2, "front.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), NONE);
        scene.navigate(1, "elsewhere.example");
        assert_eq!(scene.at_high(), [2]);
    }

    #[test]
    fn without_focus_mode_one_ttl_holds_for_all() {
        let off = |policy: &mut engine::Settings| policy.focus.enabled = false;
        let mut scene = Scene::under(off, [tab(2, "b.example")]);
        assert_eq!(scene.cluster(), NONE);
        assert_eq!(scene.wait(15 * MINUTE - 1).at_high(), NONE);
        assert_eq!(scene.wait(1).at_high(), [2]);
    }
}

mod familiarity {
    use super::*;

    /// Goes to the host of tab 2 so many times, from that of tab 1.
    fn visits(scene: &mut Scene, count: usize) {
        for _ in 0..count {
            scene.focus(Some(2)).activate(2, 2);
            scene.focus(Some(1)).activate(1, 1);
        }
    }

    #[test]
    fn what_is_returned_to_is_kept_longer() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        visits(&mut scene, 3);
        let explanation = scene.explain(2);
        assert_eq!(explanation.familiarity, 3);
        assert_eq!(explanation.ttl_ms, 9 * MINUTE);
        visits(&mut scene, 9);
        assert_eq!(scene.explain(2).familiarity, 8);
    }

    #[test]
    fn coming_back_to_the_host_one_was_on_is_no_visit() {
        let internal = TabFacts {
            page: Some(Page::Internal),
            ..TabFacts::new(TabId(3), WindowId(2))
        };
        let mut scene = Scene::of([tab(2, "b.example"), internal]);
        scene.focus(Some(2)).activate(2, 2);
        for _ in 0..3 {
            scene.activate(3, 2).activate(2, 2);
            scene.navigate(2, "b.example");
        }
        assert_eq!(scene.explain(2).familiarity, 1);
    }

    #[test]
    fn familiarity_starts_again_after_a_day_away() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        visits(&mut scene, 4);
        scene.wait(24 * HOUR);
        visits(&mut scene, 1);
        assert_eq!(scene.explain(2).familiarity, 5);
        scene.wait(24 * HOUR + 1);
        visits(&mut scene, 1);
        assert_eq!(scene.explain(2).familiarity, 1);
    }

    #[test]
    fn a_cap_of_1_switches_familiarity_off() {
        let off = |policy: &mut engine::Settings| policy.familiarity_cap = 1;
        let mut scene = Scene::under(off, [tab(2, "b.example")]);
        visits(&mut scene, 4);
        assert_eq!(scene.explain(2).ttl_ms, 3 * MINUTE);
    }

    #[test]
    fn familiarity_is_carried_into_the_next_session() {
        let mut before = Scene::of([tab(2, "b.example")]);
        visits(&mut before, 4);
        let mut scene = Scene::blank(|_| {});
        scene.tell(Input::KnowledgeCarried(before.engine.knowledge()));
        scene.snapshot(Some(UserState::Active), [tab(2, "b.example")]);
        assert_eq!(scene.explain(2).familiarity, 4);
    }

    #[test]
    fn at_most_4096_hosts_are_carried() {
        let mut scene = Scene::of([]);
        let hosts = (0..5_000).map(|number| HostKnowledge {
            host: format!("{number}.example"),
            familiarity: 2,
            last_in_front_ms: Some(START_MS - number),
            bytes: None,
        });
        scene.tell(Input::KnowledgeCarried(hosts.collect()));
        let carried = scene.engine.knowledge();
        assert_eq!(carried.len(), engine::REMEMBERED_HOSTS);
        let oldest = carried
            .iter()
            .filter_map(|host| host.last_in_front_ms)
            .min();
        assert!(
            oldest > Some(START_MS - 4_096),
            "the least recently visited are forgotten"
        );
    }
}

mod gating {
    use super::*;

    fn three_tabs() -> [TabFacts; 3] {
        [
            tab(2, "b.example"),
            tab(3, "c.example"),
            tab(4, "d.example"),
        ]
    }

    #[test]
    fn one_tab_goes_at_medium_two_at_high_none_at_low() {
        let mut scene = Scene::of(three_tabs());
        scene.wait(5 * MINUTE);
        assert_eq!(scene.clone().at_low(), NONE);
        assert_eq!(scene.clone().at_medium(), [2]);
        assert_eq!(scene.at_high(), [2, 3]);
    }

    #[test]
    fn a_policy_may_act_at_high_only() {
        let high = |policy: &mut engine::Settings| policy.act_from = ActFrom::High;
        let mut scene = Scene::under(high, three_tabs());
        scene.wait(5 * MINUTE);
        assert_eq!(scene.at_medium(), NONE);
        let needs = scene.explain(2).needs;
        assert_eq!(needs, ["pressure: the score is 56, and HIGH starts at 75"]);
        assert_eq!(scene.at_high(), [2, 3]);
    }

    #[test]
    fn a_proactive_policy_takes_one_at_low() {
        let proactive = |policy: &mut engine::Settings| policy.focus.proactive = true;
        let mut scene = Scene::under(proactive, three_tabs());
        assert_eq!(scene.wait(5 * MINUTE).at_low(), [2]);
        assert_eq!(scene.decisions[0].reasons, [Reason::FocusProactive]);
        assert_eq!(
            scene.wait(MINUTE - 1).at_low(),
            NONE,
            "the cooldown holds all the same"
        );
    }

    #[test]
    fn an_open_gate_skips_level_cooldown_and_batch() {
        let always = |policy: &mut engine::Settings| policy.gate = Gate::Always;
        let tabs = three_tabs();
        let mut scene = Scene::under(always, tabs);
        assert_eq!(scene.wait(3 * MINUTE).at_low(), [2, 3, 4]);
        assert_eq!(scene.decisions[0].reasons, [Reason::GateAlways]);
        assert_eq!(
            scene.wait(30 * SECOND).at_low(),
            [2, 3, 4],
            "no outcome came"
        );
    }

    #[test]
    fn nothing_is_decided_for_a_minute_after_a_prune_that_decided_something() {
        let mut scene = Scene::of(three_tabs());
        assert_eq!(scene.at_high(), NONE, "nothing is ripe: no cooldown begins");
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2, 3]);
        assert_eq!(scene.wait(MINUTE - 1).at_high(), NONE);
        assert_eq!(scene.explain(4).gate, GateState::CoolingDown { left_ms: 1 });
        assert_eq!(scene.wait(1).at_medium(), [2]);
    }

    #[test]
    fn nothing_is_decided_in_a_pause() {
        let mut scene = Scene::of(three_tabs());
        let until_ms = Some(START_MS + HOUR);
        scene.tell(Input::Paused { until_ms });
        scene.wait(HOUR - 1);
        assert_eq!(scene.at_high(), NONE);
        assert_eq!(scene.asked_for(Some(2)), NONE);
        assert_eq!(scene.wait(1).at_high(), [2, 3]);
    }

    #[test]
    fn observe_mode_notes_a_tab_once_until_it_is_used() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.mode(Mode::Observe).wait(5 * MINUTE);
        assert_eq!(scene.at_high(), [2]);
        assert_eq!(scene.decisions[0].mode, Mode::Observe);
        assert_eq!(scene.wait(HOUR).at_high(), NONE);
        assert_eq!(scene.explain(2).verdict, Verdict::Noted);
        let mut navigated = scene.clone();
        assert_eq!(navigated.navigate(2, "b.example").at_high(), [2]);
        scene
            .activate(2, 2)
            .tell(Input::TabOpened(tab(5, "e.example")));
        scene.activate(5, 2);
        assert_eq!(scene.at_high(), NONE, "it was in front a moment ago");
        assert_eq!(scene.wait(3 * MINUTE).at_high(), [2]);
    }

    #[test]
    fn a_switch_to_enforce_lifts_the_notes_of_observe_mode() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.mode(Mode::Observe).wait(5 * MINUTE).at_high();
        assert_eq!(scene.wait(HOUR).mode(Mode::Enforce).at_high(), [2]);
    }

    #[test]
    fn a_tab_is_not_decided_on_again_until_its_outcome_or_30_seconds_have_come() {
        let quick = |policy: &mut engine::Settings| policy.cooldown_seconds = 10;
        let mut scene = Scene::under(quick, [tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        assert_eq!(scene.wait(30 * SECOND - 1).at_high(), NONE);
        assert_eq!(scene.explain(2).verdict, Verdict::Decided);
        assert_eq!(scene.wait(1).at_high(), [2]);
    }

    #[test]
    fn a_decision_stays_awaited_when_its_tab_navigates() {
        let quick = |policy: &mut engine::Settings| policy.cooldown_seconds = 10;
        let mut scene = Scene::under(quick, [tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        scene.navigate(2, "b.example");
        assert_eq!(scene.wait(20 * SECOND).at_high(), NONE);
        assert_eq!(scene.wait(10 * SECOND).at_high(), [2]);
    }

    #[test]
    fn a_decision_is_known_by_the_id_its_tab_had() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        scene.tell(Input::TabReplaced {
            tab: TabId(7),
            old: TabId(2),
        });
        scene.refuse();
        assert_eq!(scene.explain(7).verdict, Verdict::Refused);
    }

    #[test]
    fn a_refused_tab_is_passed_over_for_10_minutes() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        scene.refuse();
        assert_eq!(scene.wait(9 * MINUTE).at_high(), NONE);
        let explanation = scene.explain(2);
        assert_eq!(explanation.verdict, Verdict::Refused);
        assert_eq!(
            explanation.needs,
            ["1 min 00 s to pass, or a change of the tab"]
        );
        assert_eq!(scene.wait(MINUTE - 1).at_high(), NONE);
        assert_eq!(scene.asked_for(Some(2)), NONE);
        assert_eq!(scene.explain(2).verdict, Verdict::Refused);
        assert_eq!(scene.wait(1).at_high(), [2]);
    }

    #[test]
    fn a_refusal_that_comes_after_30_seconds_counts() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        assert_eq!(scene.wait(40 * SECOND).at_low(), NONE);
        scene.refuse();
        assert_eq!(scene.wait(MINUTE).at_high(), NONE);
    }

    #[test]
    fn a_refused_tab_is_taken_again_when_it_changes() {
        for change in [
            Input::TabChanged {
                tab: TabId(2),
                changes: TabChanges::default(),
            },
            Input::TabMoved {
                tab: TabId(2),
                win: WindowId(3),
            },
            // A move that says nothing new once left the tab held though not refused.
            Input::TabMoved {
                tab: TabId(2),
                win: WindowId(2),
            },
        ] {
            let mut scene = Scene::of([tab(2, "b.example")]);
            assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
            scene.refuse().wait(MINUTE).tell(change.clone());
            assert_eq!(scene.at_high(), [2], "{change:?}");
        }
    }

    #[test]
    fn a_request_that_was_refused_is_not_noted_again() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.mode(Mode::Observe).wait(5 * MINUTE);
        assert_eq!(scene.at_high(), [2]);
        assert_eq!(scene.asked_for(Some(2)), [2]);
        scene.refuse();
        assert_eq!(scene.wait(HOUR).at_high(), NONE);
        assert_eq!(scene.explain(2).verdict, Verdict::Noted);
    }
}

mod selection {
    use super::*;

    fn weigh(scene: &mut Scene, tab: i64, mib: u64, how: MemorySource) {
        let (tab, bytes) = (TabId(tab), mib * MIB);
        scene.tell(Input::TabMemory { tab, bytes, how });
    }

    #[test]
    fn the_tab_longest_out_of_the_front_goes_first() {
        let mut scene = Scene::of([
            tab(2, "b.example"),
            tab(3, "c.example"),
            tab(4, "d.example"),
        ]);
        scene.wait(MINUTE).activate(2, 2);
        scene.wait(MINUTE).activate(4, 2).activate(3, 2);
        scene.wait(MINUTE).activate(1, 2);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2, 4]);
        assert_eq!(scene.wait(MINUTE).at_high(), [2, 4], "no outcome came");
    }

    #[test]
    fn ties_go_by_tab_id() {
        let mut scene = Scene::of([
            tab(9, "b.example"),
            tab(3, "c.example"),
            tab(5, "d.example"),
        ]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [3, 5]);
    }

    #[test]
    fn of_two_tabs_whose_idle_time_is_capped_the_one_in_front_earlier_goes_first() {
        let accessed = |id, ago: i64| TabFacts {
            last_accessed: Some(START_MS - ago),
            ..tab(id, "b.example")
        };
        let mut scene = Scene::of([accessed(2, HOUR), accessed(3, 2 * HOUR)]);
        assert_eq!(scene.at_medium(), [3]);
    }

    #[test]
    fn by_size_the_tabs_own_bytes_count_before_its_hosts_median_before_80_mib() {
        let largest = |policy: &mut engine::Settings| {
            policy.rank = Rank::Largest;
            policy.batch_high = 9;
        };
        let tabs = [
            tab(2, "unknown.example"),
            tab(3, "host.example"),
            tab(4, "host.example"),
            tab(5, "own.example"),
        ];
        let mut scene = Scene::under(largest, tabs);
        for (freed, tab_was) in [(300, 4), (100, 4), (200, 4)] {
            weigh(&mut scene, tab_was, freed, MemorySource::Reclaimed);
        }
        weigh(&mut scene, 4, 60, MemorySource::Measured);
        weigh(&mut scene, 5, 150, MemorySource::Measured);
        let expected = [(2, 80), (3, 200), (4, 60), (5, 150)];
        for (tab, mib) in expected {
            assert_eq!(scene.explain(tab).expected_bytes, mib * MIB, "{tab}");
        }
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [3, 5, 2, 4]);
    }

    #[test]
    fn a_target_takes_as_many_as_are_expected_to_reach_it() {
        let target = |policy: &mut engine::Settings| policy.target_free_percent = Some(6.0);
        let tabs = (2..=20).map(|id| tab(id, &format!("{id}.example")));
        let mut scene = Scene::under(target, tabs);
        for id in 2..=20 {
            weigh(&mut scene, id, 400, MemorySource::Measured);
        }
        scene.wait(5 * MINUTE);
        // 1 GiB is missing, at 400 MiB each.
        assert_eq!(scene.clone().at_high(), [2, 3, 4]);
        let out_of = Metrics {
            ram_available: Some(0),
            ..used_percent(95)
        };
        assert_eq!(scene.clone().sample(out_of).len(), 8, "at most `batch_max`");
        let enough = Metrics {
            ram_available: Some(6 * GIB),
            ..used_percent(95)
        };
        assert_eq!(scene.sample(enough), NONE);
    }

    #[test]
    fn a_target_counts_what_is_not_in_use_where_nothing_else_is_known() {
        let target = |policy: &mut engine::Settings| policy.target_free_percent = Some(6.0);
        let tabs = (2..=5).map(|id| tab(id, "b.example"));
        let mut scene = Scene::under(target, tabs);
        for id in 2..=5 {
            weigh(&mut scene, id, 400, MemorySource::Measured);
        }
        let metrics = Metrics {
            ram_available: None,
            ..used_percent(95)
        };
        assert_eq!(scene.wait(5 * MINUTE).sample(metrics), [2, 3, 4]);
    }

    #[test]
    fn a_request_takes_as_many_as_at_high_whatever_level_cooldown_ttl_and_mode() {
        let tabs = [
            tab(2, "b.example"),
            tab(3, "c.example"),
            tab_here(4, "d.example"),
        ];
        let mut scene = Scene::of(tabs);
        scene.mode(Mode::Observe).wait(MINUTE);
        assert_eq!(scene.asked_for(None), [2, 3]);
        assert_eq!(scene.wait(SECOND).asked_for(None), [4]);
        for decision in &scene.decisions {
            assert_eq!(decision.mode, Mode::Enforce);
            assert_eq!(decision.reasons, [Reason::Requested]);
            assert_eq!(decision.ttl_ms, MINUTE);
        }
        assert_eq!(scene.asked_for(None), NONE, "all are awaited");
    }

    #[test]
    fn a_request_takes_the_tab_it_names_though_observe_mode_has_noted_it() {
        let mut scene = Scene::of([tab(2, "b.example"), tab(3, "c.example")]);
        scene.mode(Mode::Observe).wait(5 * MINUTE).at_high();
        assert_eq!(scene.asked_for(Some(3)), [3]);
        assert_eq!(scene.asked_for(Some(99)), NONE, "there is no such tab");
    }

    #[test]
    fn a_decision_says_what_led_to_it() {
        let mut scene = Scene::of([tab(2, "front.example")]);
        let metrics = Metrics {
            on_battery: YES,
            ..used_percent(95)
        };
        scene.wait(20 * MINUTE).sample(metrics);
        let decision = &scene.decisions[0];
        assert_eq!(decision.rank, 0);
        assert_eq!(decision.idle_ms, 20 * MINUTE);
        assert_eq!(decision.ttl_ms, 15 * MINUTE);
        assert!(decision.in_focus);
        assert_eq!(decision.familiarity, 1);
        assert_eq!((decision.score, decision.level), (80, Level::High));
        assert_eq!(decision.reasons, [Reason::RamHigh, Reason::OnBattery]);
        assert_eq!(
            decision.policy_hash,
            scene.engine.policy().document().hash()
        );
    }

    #[test]
    fn a_policy_that_changed_holds_from_the_next_sample() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.wait(2 * MINUTE);
        assert_eq!(scene.at_high(), NONE);
        let eager = engine::PolicyDocument::preset("eager").expect("it is a preset");
        scene.tell(Input::PolicyChanged(Box::new(eager)));
        assert_eq!(scene.at_high(), [2]);
    }
}

mod explain {
    use super::*;

    #[test]
    fn it_says_what_must_change() {
        let pinned = TabFacts {
            pinned: YES,
            ..tab(2, "b.example")
        };
        let mut scene = Scene::of([pinned]);
        scene.wait(MINUTE).at_low();
        let explanation = scene.explain(2);
        assert_eq!(
            explanation.needs,
            [
                "a hard guard to end: it is pinned",
                "2 min 00 s more out of the front",
                "pressure: the score is 0, and MEDIUM starts at 50",
            ]
        );
        let text = explanation.to_string();
        assert!(
            text.starts_with("tab 2 (b.example): kept: a hard guard holds\n"),
            "{text}"
        );
        assert!(text.contains("not seen   a camera"), "{text}");
    }

    #[test]
    fn a_tab_that_never_was_in_front_is_not_said_to_have_been() {
        let mut scene = Scene::of([]);
        scene.tell(Input::TabOpened(tab_here(2, "b.example")));
        let text = scene.explain(2).to_string();
        let expect = "inside: it was opened or in front in the same window lately";
        assert!(text.contains(expect), "{text}");
        let expect = "guard      it was opened or in front a moment ago";
        assert!(text.contains(expect), "{text}");
        scene.wait(MINUTE).at_low();
        let text = scene.explain(2).to_string();
        let expect = "kept: it was opened or in front too lately";
        assert!(text.contains(expect), "{text}");
    }

    #[test]
    fn a_tab_that_is_not_its_turn_waits() {
        let mut scene = Scene::of([tab(2, "b.example"), tab(3, "c.example")]);
        scene.wait(5 * MINUTE).at_low();
        let explanation = scene.explain(3);
        assert_eq!(explanation.verdict, Verdict::Wait);
        assert_eq!((explanation.rank, explanation.ripe), (Some(1), 2));
        assert_eq!(scene.at_medium(), [2]);
        assert_eq!(scene.explain(2).verdict, Verdict::Decided);
        assert_eq!(scene.explain(3).rank, Some(0));
    }

    #[test]
    fn a_refusal_that_is_over_is_over() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        assert_eq!(scene.wait(5 * MINUTE).at_high(), [2]);
        scene.refuse().wait(10 * MINUTE).activate(1, 1);
        assert_eq!(scene.explain(2).verdict, Verdict::Discard);
    }

    #[test]
    fn a_signal_that_is_over_opens_no_gate() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.at_low();
        scene.tell(Input::PressureSignal(Severity::Critical));
        scene.wait(5 * MINUTE).activate(1, 1);
        let explanation = scene.explain(2);
        assert_eq!(explanation.verdict, Verdict::Wait);
        assert_eq!(explanation.gate, GateState::LevelTooLow);
    }

    #[test]
    fn a_policy_that_changed_counts_at_once() {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.wait(2 * MINUTE).at_medium();
        scene.wait(2 * MINUTE).activate(1, 1);
        assert_eq!(scene.explain(2).verdict, Verdict::Discard);
        let gentle = engine::PolicyDocument::preset("gentle").expect("it is a preset");
        scene.tell(Input::PolicyChanged(Box::new(gentle)));
        assert_eq!(scene.explain(2).gate, GateState::LevelTooLow);
    }
}

#[test]
fn the_state_hash_tells_of_sight_only_where_it_is_told() {
    let hash = |in_sight| {
        let mut scene = Scene::of([tab(2, "b.example")]);
        scene.change(
            2,
            TabChanges {
                in_sight,
                ..TabChanges::default()
            },
        );
        scene.engine.state_hash()
    };
    assert_eq!(hash(Some(false)), hash(None));
    assert_ne!(hash(YES), hash(None));
}

#[test]
fn the_state_hash_tells_last_samples_apart() {
    // Both are calm and score 0, and a target for free memory would tell them apart.
    let hash_after = |percent| {
        let mut scene = Scene::of([]);
        scene.sample(used_percent(percent));
        scene.engine.state_hash()
    };
    assert_ne!(hash_after(40), hash_after(50));
    assert_eq!(hash_after(40), hash_after(40));
}
