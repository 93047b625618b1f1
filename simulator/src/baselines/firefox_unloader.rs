//! `firefox-unloader`: what Firefox does on Linux when memory runs out.
//!
//! Source: `browser/components/tabbrowser/TabUnloader.sys.mjs` (mozilla/gecko-dev 06845dd9) and
//! `xpcom/base/AvailableMemoryWatcherLinux.cpp` (bf5c46f8). While memory is low one tab goes at
//! each look. Tabs have a base weight, a pinned one a little more, so pinned tabs go too; typed
//! text is no guard. Among the lightest tabs, all but ten, age and memory are ranked and summed.

use std::cmp::Reverse;

use engine::{
    DEFAULT_TAB_BYTES, Event, Input, Metrics, Output, Policy, Projection, Seq, Tab, TtlClock, World,
};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, idle_ms};

/// `browser.tabs.min_inactive_duration_before_unload`, on the wall clock.
const INACTIVE_MS: i64 = 600_000;
/// How often the watcher looks, and how often while memory is low.
const LOOK_MS: i64 = 5_000;
const LOOK_LOW_MS: i64 = 1_000;
/// `browser.low_commit_space_threshold_percent` and `…_mb`.
const LOW_PERCENT: u128 = 5;
const LOW_BYTES: u64 = 200 << 20;
/// The weight from which a tab never goes: selected, audible, in a call.
const WEIGHT_NEVER: u32 = 100_000;
/// The weight of a pinned tab.
const WEIGHT_PINNED: u32 = 2;
/// How many tabs are left out of the ranking at least.
const LEFT_OUT_MIN: usize = 10;

/// Discards one tab at each look while memory is low.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FirefoxUnloader {
    last_look_awake: Option<i64>,
    was_low: bool,
    asked: Asked,
}

impl FirefoxUnloader {
    /// Creates the policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the watcher looks now and memory is low.
    fn sees_low_memory(&mut self, world: &World, metrics: &Metrics) -> bool {
        let awake = world.moment().awake;
        let every = if self.was_low { LOOK_LOW_MS } else { LOOK_MS };
        let is_early = |last: i64| awake.saturating_sub(last) < every;
        if self.last_look_awake.is_some_and(is_early) {
            return false;
        }
        self.last_look_awake = Some(awake);
        self.was_low = is_low(metrics);
        self.was_low
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let order = order(world);
        let Some(tab) = order.into_iter().find(|tab| !self.asked.holds(tab)) else {
            return;
        };
        let choice = Choice {
            tab: tab.id,
            idle_ms: idle_ms(world, tab, TtlClock::Wall),
            ttl_ms: INACTIVE_MS,
            in_focus: false,
        };
        let cause = Cause::memory("firefox-unloader", seq);
        self.asked.ask(world, cause, [choice], outputs);
    }
}

impl Policy for FirefoxUnloader {
    fn name(&self) -> &str {
        "firefox-unloader"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        if let Input::Metrics(metrics) = &event.input
            && self.sees_low_memory(world, metrics)
        {
            self.act(world, event.seq, outputs);
        }
    }

    fn project(&self, projection: &mut Projection) {
        if let Some(last) = self.last_look_awake {
            projection.line(format_args!("look {last} {}", self.was_low));
        }
        self.asked.project(projection);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "picture in picture",
            "private windows, whose tabs it never takes",
            "calls (WebRTC), but for what the trace says of capturing",
            "which processes a tab shares with others, its third rank",
            "the memory of a tab where it was not measured",
            "pages that ask before they are left, which the browser refuses to unload",
            "memory between two samples: it looks every 5 s, every second while it is low",
        ]
    }
}

fn is_low(metrics: &Metrics) -> bool {
    let (Some(available), Some(total)) = (metrics.free_bytes(), metrics.ram_total) else {
        return false;
    };
    let percent = (u128::from(available) * 100).checked_div(u128::from(total));
    percent.is_some_and(|percent| percent <= LOW_PERCENT) || available < LOW_BYTES
}

fn weight(tab: &Tab) -> u32 {
    if tab.is_shown() || tab.is_audible || tab.is_capturing {
        WEIGHT_NEVER
    } else if tab.is_pinned {
        WEIGHT_PINNED
    } else {
        0
    }
}

/// The tabs in the order in which they go.
fn order<'a>(world: &World<'a>) -> Vec<&'a Tab> {
    let last_accessed = |tab: &Tab| world.last_in_front(tab).now;
    let is_old = |tab: &&Tab| idle_ms(world, tab, TtlClock::Wall) >= INACTIVE_MS;
    let mut tabs: Vec<&Tab> = world
        .tabs()
        .filter(|tab| !tab.is_discarded)
        .filter(is_old)
        .collect();
    tabs.sort_by_key(|tab| (weight(tab), last_accessed(tab), tab.id));
    let lowest = tabs.first().map_or(0, |tab| weight(tab));
    let heavier = tabs.iter().filter(|tab| weight(tab) != lowest).count();
    let ranked = tabs.len().saturating_sub(heavier.max(LEFT_OUT_MIN));
    if ranked > 1 {
        let bytes = |tab: &Tab| world.known_bytes(tab).unwrap_or(DEFAULT_TAB_BYTES);
        let head = &mut tabs[..ranked];
        let mut by_memory = head.to_vec();
        by_memory.sort_by_key(|tab| (Reverse(bytes(tab)), last_accessed(tab), tab.id));
        // They stand in the order of their age, so the place is the rank by age.
        let mut sums: Vec<(usize, i64, &Tab)> = (head.iter().enumerate())
            .map(|(by_age, tab)| {
                let by_memory = by_memory.iter().position(|other| other.id == tab.id);
                let sum = by_age + by_memory.unwrap_or(ranked);
                (sum, last_accessed(tab), *tab)
            })
            .collect();
        sums.sort_by_key(|&(sum, last_accessed, tab)| (sum, last_accessed, tab.id));
        for (place, (_, _, tab)) in head.iter_mut().zip(sums) {
            *place = tab;
        }
    }
    tabs.retain(|tab| weight(tab) < WEIGHT_NEVER);
    tabs
}

#[cfg(test)]
mod tests {
    use engine::{MemorySource, TabId};

    use super::super::scene::{GIB, MIB, MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn memory_is_low_at_five_percent_or_200_mib() {
        for (available, total, expect) in [
            (6 * GIB - 1, 100 * GIB, true),
            (6 * GIB, 100 * GIB, false),
            (199 * MIB, GIB, true),
            (200 * MIB, GIB, false),
            (0, 0, true),
        ] {
            let metrics = Metrics {
                ram_total: Some(total),
                ram_available: Some(available),
                ..Metrics::default()
            };
            assert_eq!(is_low(&metrics), expect, "{available} of {total}");
        }
        assert!(!is_low(&Metrics::default()));
    }

    #[test]
    fn one_tab_a_look_the_oldest_first_and_pinned_ones_last() {
        let mut scene = Scene::new(FirefoxUnloader::new(), 5);
        scene
            .pin(2, true)
            .sound(3, true)
            .pass(MINUTE)
            .activate(4)
            .activate(1);
        scene.pass(11 * MINUTE).used(94);
        assert!(scene.tabs().is_empty());
        for _ in 0..5 {
            scene.pass(5 * SECOND).used(95);
        }
        assert_eq!(scene.tabs(), [5, 4, 2]);
    }

    #[test]
    fn it_looks_more_often_while_memory_is_low() {
        let mut scene = Scene::new(FirefoxUnloader::new(), 4);
        scene.pass(10 * MINUTE).used(50).pass(SECOND).used(99);
        assert!(scene.tabs().is_empty(), "the last look was a second ago");
        scene.pass(4 * SECOND).used(99).pass(SECOND).used(99);
        assert_eq!(scene.tabs(), [2, 3]);
    }

    #[test]
    fn ten_minutes_out_of_the_front_and_typed_text_is_no_guard() {
        let mut scene = Scene::new(FirefoxUnloader::new(), 2);
        scene.type_into(2).pass(10 * MINUTE - 1).used(99);
        assert!(scene.tabs().is_empty());
        scene.pass(SECOND).used(99);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn beyond_ten_tabs_memory_counts_as_much_as_age() {
        let mut scene = Scene::new(FirefoxUnloader::new(), 1);
        for id in 2..=14 {
            scene.pass(SECOND).open(id);
            let bytes = if id == 4 { GIB } else { 10 * MIB };
            let how = MemorySource::Measured;
            let tab = TabId(id);
            scene.tell(Input::TabMemory { tab, bytes, how });
        }
        // 13 old tabs, 3 of them ranked: 2, 3 and 4, by age 0, 1, 2 and by memory 1, 2, 0.
        scene.pass(15 * MINUTE).used(99);
        assert_eq!(scene.tabs(), [2], "a tie goes to the older");
        scene.pass(SECOND).used(99);
        assert_eq!(
            scene.tabs(),
            [2, 3],
            "two are ranked now, 3 and 4, and the tie again"
        );
        let mut scene = scene.clone();
        scene.pass(SECOND).used(99);
        assert_eq!(
            scene.tabs()[2],
            4,
            "eleven are left, none is ranked, the oldest goes"
        );
    }

    #[test]
    fn what_is_in_sight_never_goes() {
        let mut scene = Scene::new(FirefoxUnloader::new(), 2);
        scene.see(2, true).pass(20 * MINUTE).used(99);
        scene.tell(Input::WindowFocused { win: None });
        scene.pass(20 * MINUTE).used(99);
        assert!(scene.tabs().is_empty());
        scene.see(2, false).pass(10 * MINUTE).used(99);
        assert_eq!(scene.tabs(), [2]);
    }
}
