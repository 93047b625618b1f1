//! `auto-tab-discard`: the most used discarding extension, as it ships.
//!
//! Source: rNeomy/auto-tab-discard 71e9dde3 (v3 0.7.2), `v3/worker/modes/number.mjs` and
//! `core/prefs.mjs`. Every 200 s it lists the tabs that could go and keeps six. Tabs that a guard
//! holds count as kept *and* are added to what may go, so with six of them every old tab goes.
//! Pinned tabs are no exception. The clock is the wall's.

use std::collections::BTreeSet;

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, idle_ms};
use super::ticks::Ticks;
use super::timers::Queue;

/// `period`.
const PERIOD_MS: i64 = 600_000;
/// The alarm: a third of the period, from 1 to 20 min.
const CHECK_MS: i64 = 200_000;
/// `number`: how many tabs are kept.
const KEPT: usize = 6;
/// `max.single.discard`: how many go in one run.
const RUN_MAX: usize = 50;

/// Discards old tabs and keeps six.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AutoTabDiscard {
    ticks: Ticks,
    asked: Asked,
    /// The tabs that are counted.
    listed: BTreeSet<TabId>,
    /// When each of them is old, but for those that a guard holds.
    old_ms: Queue<TabId>,
}

impl AutoTabDiscard {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(CHECK_MS),
            asked: Asked::default(),
            listed: BTreeSet::new(),
            old_ms: Queue::default(),
        }
    }

    fn follow(&mut self, world: &World) {
        self.asked.follow(world);
        for &change in world.changes() {
            let (Change::Tab(id) | Change::Renamed { old: id, .. } | Change::Gone(id)) = change;
            self.unlist(id);
            let may_be_listed = |tab: &&Tab| is_listed(world, tab) && !self.asked.holds(tab);
            if let Some(tab) = world.tab(id).filter(may_be_listed) {
                self.listed.insert(id);
                let old_ms = tab.last_active.now.saturating_add(PERIOD_MS);
                self.old_ms.set(id, is_loose(tab).then_some(old_ms));
            }
        }
    }

    fn unlist(&mut self, tab: TabId) {
        self.listed.remove(&tab);
        self.old_ms.cancel(tab);
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let now = world.moment().now;
        let count = self.listed.len().saturating_sub(KEPT).min(RUN_MAX);
        let mut choices = Vec::new();
        while choices.len() < count
            && let Some(id) = self.old_ms.pop(now)
        {
            self.unlist(id);
            let Some(tab) = world.tab(id) else { continue };
            choices.push(Choice {
                tab: id,
                idle_ms: idle_ms(world, tab, TtlClock::Wall),
                ttl_ms: PERIOD_MS,
                in_focus: false,
            });
        }
        let cause = Cause::timer("auto-tab-discard", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Default for AutoTabDiscard {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for AutoTabDiscard {
    fn name(&self) -> &str {
        "auto-tab-discard"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.ticks.project(projection);
        self.asked.project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        let first_ms = self.old_ms.first_due();
        let from_ms = first_ms.filter(|_| self.listed.len() > KEPT);
        self.ticks.next_due(world, from_ms)
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.ticks.pass(world, until_ms);
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "picture in picture",
            "keys typed into a PDF",
            "the user's list of sites, empty as it ships",
        ]
    }
}

/// Whether a tab counts: a page of the web, loaded, neither in front nor audible.
fn is_listed(world: &World, tab: &Tab) -> bool {
    world.host_of(tab).is_some() && !tab.is_discarded && !tab.is_shown() && !tab.is_audible
}

/// Whether no guard holds it.
fn is_loose(tab: &Tab) -> bool {
    !tab.is_loading && !tab.is_unsaved && tab.is_auto_discardable
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn at_each_alarm_what_is_old_goes_down_to_six() {
        let mut scene = Scene::new(AutoTabDiscard::new(), 9);
        scene.pass(10 * MINUTE - 1);
        assert!(scene.tabs().is_empty());
        scene.pass(HOUR);
        assert_eq!(scene.discards(), [(600 * SECOND, 2), (600 * SECOND, 3)]);
    }

    #[test]
    fn the_oldest_go_first_and_pinned_ones_too() {
        let mut scene = Scene::new(AutoTabDiscard::new(), 9);
        scene.pin(4, true).pass(MINUTE);
        for id in [2, 3, 1] {
            scene.activate(id);
        }
        scene.pass(HOUR);
        assert_eq!(scene.tabs(), [4, 5]);
    }

    #[test]
    fn six_exceptions_let_every_old_tab_go() {
        let mut scene = Scene::new(AutoTabDiscard::new(), 10);
        for id in 2..=7 {
            scene.type_into(id);
        }
        scene.pass(10 * MINUTE);
        assert_eq!(scene.tabs(), [8, 9, 10]);
    }

    #[test]
    fn six_tabs_are_left_alone() {
        let mut scene = Scene::new(AutoTabDiscard::new(), 8);
        scene.sound(8, true).pass(HOUR);
        assert!(scene.tabs().is_empty());
    }

    #[test]
    fn the_other_half_of_a_split_view_is_left_alone_and_does_not_count() {
        let mut scene = Scene::new(AutoTabDiscard::new(), 9);
        scene.see(2, true).pass(HOUR);
        assert_eq!(scene.tabs(), [3], "seven could go");
    }
}
