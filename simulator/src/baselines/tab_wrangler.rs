//! `tab-wrangler`: Tab Wrangler, discarding where it would close.
//!
//! Source: tabwrangler/tabwrangler 7ebbde7e. Every 5 s it looks at each window by itself: what was
//! not accessed for an hour goes, oldest first, as long as 20 tabs that nothing locks are left in
//! the window. The clock is the wall's. A tab that makes a sound counts as accessed. Here it
//! discards, and a discarded tab counts as gone: that compares the choice of tabs, not the harm,
//! since what it closes does not come back by a click.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, WindowId, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, rename};
use super::ticks::Ticks;
use super::timers::Queue;

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
    /// At which tick each tab that is silent now was last found to make a sound (`t_ms`).
    heard_ms: BTreeMap<TabId, i64>,
    /// The tabs that make a sound, each with the number of ticks before it did.
    sounding: BTreeMap<TabId, u64>,
    asked: Asked,
    windows: BTreeMap<WindowId, Unlocked>,
    /// The window in which each tab is counted.
    places: BTreeMap<TabId, WindowId>,
    /// When the first tab of each window with too many is old.
    old_ms: Queue<WindowId>,
}

/// The tabs of a window that nothing locks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Unlocked {
    tabs: BTreeSet<TabId>,
    /// When each of them is old, but for the one in front: the browser refuses to discard it.
    old_ms: Queue<TabId>,
}

impl Unlocked {
    fn excess(&self) -> usize {
        self.tabs.len().saturating_sub(KEPT)
    }

    fn take_out(&mut self, tab: TabId) {
        self.tabs.remove(&tab);
        self.old_ms.cancel(tab);
    }
}

impl TabWrangler {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(TICK_MS),
            heard_ms: BTreeMap::new(),
            sounding: BTreeMap::new(),
            asked: Asked::default(),
            windows: BTreeMap::new(),
            places: BTreeMap::new(),
            old_ms: Queue::default(),
        }
    }

    fn follow(&mut self, world: &World) {
        self.asked.follow(world);
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    self.take_out(id);
                    if let Some(tab) = world.tab(id) {
                        self.listen(tab);
                        self.file(world, tab);
                    }
                }
                Change::Renamed { old, new } => {
                    self.take_out(old);
                    rename(&mut self.heard_ms, old, new);
                    rename(&mut self.sounding, old, new);
                }
                Change::Gone(id) => {
                    self.take_out(id);
                    self.heard_ms.remove(&id);
                    self.sounding.remove(&id);
                }
            }
        }
    }

    /// Follows whether a tab makes a sound.
    fn listen(&mut self, tab: &Tab) {
        if tab.is_audible {
            self.sounding.entry(tab.id).or_insert(self.ticks.count());
        } else {
            if let Some(heard_ms) = self.heard_ms(tab.id) {
                self.heard_ms.insert(tab.id, heard_ms);
            }
            self.sounding.remove(&tab.id);
        }
    }

    /// At which tick a tab was last found to make a sound.
    fn heard_ms(&self, tab: TabId) -> Option<i64> {
        let is_heard = |&before: &u64| self.ticks.count() > before;
        let now_ms = self.sounding.get(&tab).copied().filter(is_heard);
        let now_ms = now_ms.and_then(|_| self.ticks.last_ms());
        now_ms.or_else(|| self.heard_ms.get(&tab).copied())
    }

    /// Counts a tab in its window, if nothing locks it.
    fn file(&mut self, world: &World, tab: &Tab) {
        if is_locked(world, tab) || self.asked.holds(tab) {
            return;
        }
        let old_ms = (self.accessed_ms(tab))
            .saturating_add(TTL_MS)
            .saturating_add(1);
        let window = self.windows.entry(tab.win).or_default();
        window.tabs.insert(tab.id);
        window
            .old_ms
            .set(tab.id, (!tab.is_active).then_some(old_ms));
        self.places.insert(tab.id, tab.win);
        self.time(tab.win);
    }

    fn take_out(&mut self, tab: TabId) {
        if let Some(win) = self.places.remove(&tab) {
            if let Some(window) = self.windows.get_mut(&win) {
                window.take_out(tab);
            }
            self.time(win);
        }
    }

    /// Notes when the first tab of a window may go.
    fn time(&mut self, win: WindowId) {
        let Some(window) = self.windows.get(&win) else {
            return;
        };
        let old_ms = window.old_ms.first_due().filter(|_| window.excess() > 0);
        self.old_ms.set(win, old_ms);
        if window.tabs.is_empty() {
            self.windows.remove(&win);
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let now = world.moment().now;
        let windows: BTreeSet<WindowId> = std::iter::from_fn(|| self.old_ms.pop(now)).collect();
        let mut choices = Vec::new();
        for win in windows {
            let Some(window) = self.windows.get_mut(&win) else {
                continue;
            };
            let count = window.excess();
            let old = std::iter::from_fn(|| window.old_ms.pop(now));
            let old: Vec<TabId> = old.take(count).collect();
            for id in old {
                self.take_out(id);
                let Some(tab) = world.tab(id) else { continue };
                choices.push(Choice {
                    tab: id,
                    idle_ms: now.saturating_sub(self.accessed_ms(tab)),
                    ttl_ms: TTL_MS,
                    in_focus: false,
                });
            }
            self.time(win);
        }
        let cause = Cause::timer("tab-wrangler", seq);
        self.asked.ask(world, cause, choices, outputs);
    }

    /// When a tab that is not in front was last accessed.
    fn accessed_ms(&self, tab: &Tab) -> i64 {
        let heard_ms = self.heard_ms.get(&tab.id).copied();
        heard_ms.map_or(tab.last_active.now, |heard_ms| {
            heard_ms.max(tab.last_active.now)
        })
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
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.ticks.project(projection);
        self.asked.project(projection);
        let tabs: BTreeSet<TabId> = (self.heard_ms.keys())
            .chain(self.sounding.keys())
            .copied()
            .collect();
        for tab in tabs {
            if let Some(heard_ms) = self.heard_ms(tab) {
                projection.line(format_args!("heard {tab} {heard_ms}"));
            }
        }
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        self.ticks.next_due(world, self.old_ms.first_due())
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.ticks.pass(world, until_ms);
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
