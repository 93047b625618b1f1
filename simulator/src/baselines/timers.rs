//! A timer a tab, on one clock.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Projection, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asked::{Choice, idle_ms};

/// What is due when, by tab. No tab has two timers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Timers {
    clock: TtlClock,
    #[serde(skip)]
    queue: BTreeSet<(i64, TabId)>,
    due: BTreeMap<TabId, i64>,
}

impl Serialize for Timers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Timers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let restored = Self::deserialize(deserializer)?;
        let mut timers = Self::on(restored.clock);
        for (tab, due) in restored.due {
            timers.set(tab, due);
        }
        Ok(timers)
    }
}

impl Timers {
    /// Starts without any. The clock is the wall's or the machine's: it must run whenever time
    /// passes, so that the moment at which a timer ends can be told beforehand.
    pub(super) fn on(clock: TtlClock) -> Self {
        debug_assert!(
            clock != TtlClock::Active,
            "nobody knows when the user is back"
        );
        Self {
            clock,
            queue: BTreeSet::new(),
            due: BTreeMap::new(),
        }
    }

    /// Follows what an event did: each tab that changed gets the timer that `due` says, or none.
    pub(super) fn follow(&mut self, world: &World, due: impl Fn(&Tab) -> Option<i64>) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => match world.tab(id).and_then(&due) {
                    Some(due) => self.set(id, due),
                    None => drop(self.cancel(id)),
                },
                Change::Renamed { old, new } => self.rename(old, new),
                Change::Gone(id) => drop(self.cancel(id)),
            }
        }
    }

    /// Takes out the timers that have ended; returns their tabs, each with its idle time by the
    /// wall clock, for a policy with one TTL.
    pub(super) fn take_ripe(&mut self, world: &World, ttl_ms: i64) -> Vec<Choice> {
        let ripe = std::iter::from_fn(|| self.pop(world));
        let choice = |tab| {
            Some(Choice {
                tab,
                idle_ms: idle_ms(world, world.tab(tab)?, TtlClock::Wall),
                ttl_ms,
                in_focus: false,
            })
        };
        ripe.filter_map(choice).collect()
    }

    /// Sets the timer of a tab, anew if need be.
    pub(super) fn set(&mut self, tab: TabId, due: i64) {
        self.cancel(tab);
        self.queue.insert((due, tab));
        self.due.insert(tab, due);
    }

    /// Takes the timer of a tab back. Returns when it would have ended.
    pub(super) fn cancel(&mut self, tab: TabId) -> Option<i64> {
        let due = self.due.remove(&tab)?;
        self.queue.remove(&(due, tab));
        Some(due)
    }

    /// Gives the timer of a tab to its new id.
    pub(super) fn rename(&mut self, old: TabId, new: TabId) {
        if let Some(due) = self.cancel(old) {
            self.set(new, due);
        }
    }

    /// Takes out the first of the timers that have ended.
    pub(super) fn pop(&mut self, world: &World) -> Option<TabId> {
        let &(due, tab) = self.queue.first()?;
        if due > world.moment().on(self.clock) {
            return None;
        }
        self.cancel(tab);
        Some(tab)
    }

    /// When the first one ends, by the log's time.
    pub(super) fn next_due(&self, world: &World) -> Option<i64> {
        let &(due, _) = self.queue.first()?;
        let moment = world.moment();
        let left_ms = due.saturating_sub(moment.on(self.clock));
        Some(moment.now.saturating_add(left_ms))
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        for (due, tab) in &self.queue {
            projection.line(format_args!("timer {due} {tab}"));
        }
    }
}
