//! `lru-N`: at most N tabs are loaded; the one that was out of the front the longest goes first.
//!
//! What igorlogius/limit-active-tabs does, with N = 3 as it ships (peers, "Newer/nearest peers").
//! Guards: active, pinned and audible. Tabs that a guard holds count towards N all the same.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Output, Policy, Projection, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asked::{Asked, Cause, Choice, idle_ms};
use super::ttl::is_guarded;

/// Keeps N tabs loaded.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Lru {
    name: String,
    loaded_max: usize,
    /// The loaded tabs, by when they were last in front (`t_ms`).
    #[serde(skip)]
    order: BTreeSet<(i64, TabId)>,
    since: BTreeMap<TabId, i64>,
    asked: Asked,
}

impl Serialize for Lru {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Lru {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut lru = Self::deserialize(deserializer)?;
        lru.order = lru.since.iter().map(|(&tab, &ms)| (ms, tab)).collect();
        Ok(lru)
    }
}

impl Lru {
    /// Creates the policy with the number of tabs that stay loaded.
    pub fn new(loaded_max: u16) -> Self {
        Self {
            name: format!("lru-{loaded_max}"),
            loaded_max: usize::from(loaded_max),
            order: BTreeSet::new(),
            since: BTreeMap::new(),
            asked: Asked::default(),
        }
    }

    fn place(&mut self, tab: &Tab) {
        self.take_out(tab.id);
        if !tab.is_discarded {
            self.order.insert((tab.last_active.now, tab.id));
            self.since.insert(tab.id, tab.last_active.now);
        }
    }

    fn take_out(&mut self, tab: TabId) {
        if let Some(since) = self.since.remove(&tab) {
            self.order.remove(&(since, tab));
        }
    }

    fn choices(&self, world: &World) -> Vec<Choice> {
        let staying = self.order.len().saturating_sub(self.asked.count());
        let may_go = |tab: &&Tab| !is_guarded(tab) && !self.asked.holds(tab);
        let oldest = self.order.iter().filter_map(|&(_, id)| world.tab(id));
        oldest
            .filter(may_go)
            .take(staying.saturating_sub(self.loaded_max))
            .map(|tab| Choice {
                tab: tab.id,
                idle_ms: idle_ms(world, tab, TtlClock::Wall),
                ttl_ms: 0,
                in_focus: false,
            })
            .collect()
    }
}

impl Policy for Lru {
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    if let Some(tab) = world.tab(id) {
                        self.place(tab);
                    }
                }
                Change::Renamed { old: id, .. } | Change::Gone(id) => self.take_out(id),
            }
        }
        if world.changes().is_empty() {
            return;
        }
        let choices = self.choices(world);
        let cause = Cause::timer(&self.name, event.seq);
        self.asked.ask(world, cause, choices, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        // The order follows from the world.
        self.asked.project(projection);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MINUTE, Scene};
    use super::*;

    #[test]
    fn the_tab_out_of_the_front_the_longest_goes() {
        let mut scene = Scene::new(Lru::new(3), 3);
        for id in [3, 2, 1] {
            scene.pass(MINUTE).activate(id);
        }
        scene.pass(MINUTE).open(4);
        assert_eq!(scene.discards(), [(4 * MINUTE, 3)]);
        scene.pass(MINUTE).activate(3);
        assert_eq!(scene.discards()[1..], [(5 * MINUTE, 2)]);
    }

    #[test]
    fn guarded_tabs_stay_and_count() {
        let mut scene = Scene::new(Lru::new(2), 2);
        scene.pin(2, true).pass(MINUTE).open(3);
        assert_eq!(scene.discards(), [(MINUTE, 3)]);
        scene.pass(MINUTE).open(4).pin(4, true);
        assert_eq!(scene.discards()[1..], [(2 * MINUTE, 4)]);
    }

    #[test]
    fn a_refused_tab_is_not_made_up_for_by_another() {
        let mut scene = Scene::new(Lru::new(2), 3);
        scene.refuse = true;
        scene.pass(MINUTE).sound(1, true);
        assert_eq!(scene.discards(), [(0, 2)]);
    }
}
