//! `tab-wrangler`: Tab Wrangler, discarding where it would close.
//!
//! Source: tabwrangler/tabwrangler 7ebbde7e. Every 5 s it looks at each window by itself: what was
//! not accessed for an hour goes, oldest first, as long as 20 tabs that nothing locks are left in
//! the window. The clock is the wall's. A tab that makes a sound counts as accessed. Here it
//! discards, and a discarded tab counts as gone: that compares the choice of tabs, not the harm,
//! since what it closes does not come back by a click.

use std::collections::BTreeMap;

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, WindowId, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, rename};
use super::ticks::Ticks;

/// `minutesInactive`.
const TTL_MS: i64 = 60 * 60_000;
/// How often it looks.
const TICK_MS: i64 = 5_000;
/// `minTabs`, by the strategy `givenWindow`.
const KEPT: usize = 20;

/// Discards old tabs down to 20 in a window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TabWrangler {
    ticks: Ticks,
    /// At which tick each tab was last found to make a sound (`t_ms`).
    heard_ms: BTreeMap<TabId, i64>,
    asked: Asked,
}

impl TabWrangler {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(TICK_MS),
            heard_ms: BTreeMap::new(),
            asked: Asked::default(),
        }
    }

    fn follow(&mut self, world: &World) {
        for &change in world.changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => rename(&mut self.heard_ms, old, new),
                Change::Gone(id) => {
                    self.heard_ms.remove(&id);
                }
            }
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let now = world.moment().now;
        let mut unlocked: BTreeMap<WindowId, Vec<&Tab>> = BTreeMap::new();
        for tab in world.tabs() {
            if tab.is_audible {
                self.heard_ms.insert(tab.id, now);
            }
            if !is_locked(world, tab) && !self.asked.holds(tab) {
                unlocked.entry(tab.win).or_default().push(tab);
            }
        }
        let mut choices = Vec::new();
        for mut tabs in unlocked.into_values() {
            let count = tabs.len().saturating_sub(KEPT);
            tabs.sort_by_key(|tab| (self.accessed_ms(world, tab), tab.id));
            let idle_ms = |tab: &Tab| now.saturating_sub(self.accessed_ms(world, tab));
            let old = tabs.into_iter().filter(|tab| idle_ms(tab) > TTL_MS);
            // The browser refuses to discard what is in front of a window.
            choices.extend(
                old.filter(|tab| !tab.is_active)
                    .take(count)
                    .map(|tab| Choice {
                        tab: tab.id,
                        idle_ms: idle_ms(tab),
                        ttl_ms: TTL_MS,
                        in_focus: false,
                    }),
            );
        }
        let cause = Cause::timer("tab-wrangler", seq);
        self.asked.ask(world, cause, choices, outputs);
    }

    fn accessed_ms(&self, world: &World, tab: &Tab) -> i64 {
        let heard_ms = self.heard_ms.get(&tab.id).copied();
        let in_front_ms = world.last_in_front(tab).now;
        heard_ms.map_or(in_front_ms, |heard_ms| heard_ms.max(in_front_ms))
    }
}

impl Default for TabWrangler {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for TabWrangler {
    fn name(&self) -> &str {
        "tab-wrangler"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.ticks.project(projection);
        self.asked.project(projection);
        for (tab, heard_ms) in &self.heard_ms {
            projection.line(format_args!("heard {tab} {heard_ms}"));
        }
    }

    fn next_due(&self, _: &World) -> Option<i64> {
        self.ticks.next_due()
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "tabs and windows that the user locked",
            "the user's list of sites, of which it ships none on the web",
        ]
    }
}

/// Whether it leaves a tab out of all counts: pinned, audible, a page of the browser's, or gone.
fn is_locked(world: &World, tab: &Tab) -> bool {
    tab.is_pinned || tab.is_audible || world.host_of(tab).is_none() || tab.is_discarded
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn what_was_not_accessed_for_an_hour_goes_down_to_twenty() {
        let mut scene = Scene::new(TabWrangler::new(), 24);
        scene.pin(24, true).pass(MINUTE).activate(2).activate(1);
        scene.pass(HOUR - MINUTE);
        assert!(scene.tabs().is_empty());
        scene.pass(5 * SECOND);
        assert_eq!(scene.tabs(), [3, 4, 5], "23 are unlocked, the oldest first");
        scene.pass(5 * HOUR);
        assert_eq!(scene.tabs().len(), 3);
    }

    #[test]
    fn a_tab_that_made_a_sound_counts_as_accessed_then() {
        let mut scene = Scene::new(TabWrangler::new(), 21);
        scene
            .sound(2, true)
            .pass(30 * MINUTE)
            .sound(2, false)
            .pass(HOUR);
        assert_eq!(scene.tabs(), [3]);
    }

    #[test]
    fn each_window_is_by_itself() {
        let mut scene = Scene::new(TabWrangler::new(), 22);
        for id in 2..=3 {
            let tab = TabId(id);
            let win = WindowId(2);
            scene.tell(engine::Input::TabMoved { tab, win });
        }
        scene.pass(2 * HOUR);
        assert!(scene.tabs().is_empty(), "20 in one window, 2 in the other");
    }
}
