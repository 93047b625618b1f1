//! What is due next: in any order of numbers, and a timer a tab, on one clock.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Projection, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::asked::{Choice, idle_ms};

/// What is due when, each once: on any clock, or by any count.
#[derive(Clone, Debug)]
pub(super) struct Queue<K> {
    order: BTreeSet<(i64, K)>,
    due: BTreeMap<K, i64>,
}

impl<K: Ord> Default for Queue<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            due: BTreeMap::new(),
        }
    }
}

impl<K: Serialize + Ord> Serialize for Queue<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.due.serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de> + Copy + Ord> Deserialize<'de> for Queue<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let due = BTreeMap::<K, i64>::deserialize(deserializer)?;
        let order = due.iter().map(|(&key, &due)| (due, key)).collect();
        Ok(Self { order, due })
    }
}

impl<K: Copy + Ord> Queue<K> {
    /// Sets when something is due, anew if need be, or that it is not.
    pub(super) fn set(&mut self, key: K, due: Option<i64>) {
        self.cancel(key);
        if let Some(due) = due {
            self.order.insert((due, key));
            self.due.insert(key, due);
        }
    }

    /// Takes one out. Returns when it would have been due.
    pub(super) fn cancel(&mut self, key: K) -> Option<i64> {
        let due = self.due.remove(&key)?;
        self.order.remove(&(due, key));
        Some(due)
    }

    /// Gives what is one's to another.
    pub(super) fn rename(&mut self, old: K, new: K) {
        if let Some(due) = self.cancel(old) {
            self.set(new, Some(due));
        }
    }

    /// Takes out the first of what is due.
    pub(super) fn pop(&mut self, now: i64) -> Option<K> {
        let &(due, key) = self.order.first()?;
        if due > now {
            return None;
        }
        self.cancel(key);
        Some(key)
    }

    /// When the first is due.
    pub(super) fn first_due(&self) -> Option<i64> {
        self.order.first().map(|&(due, _)| due)
    }
}

/// What is due when, by tab. No tab has two timers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timers {
    clock: TtlClock,
    queue: Queue<TabId>,
}

impl Timers {
    /// Starts without any. The clock is the wall's or the machine's: it must run whenever time
    /// passes, so that the moment at which a timer ends can be told beforehand.
    pub(super) fn on(clock: TtlClock) -> Self {
        assert!(
            clock != TtlClock::Active,
            "no timer runs on the user's clock: nobody knows when they are back; look at every event"
        );
        Self {
            clock,
            queue: Queue::default(),
        }
    }

    /// Follows what an event did: each tab that changed gets the timer that `due` says, or none.
    pub(super) fn follow(&mut self, world: &World, due: impl Fn(&Tab) -> Option<i64>) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => self.queue.set(id, world.tab(id).and_then(&due)),
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
        self.queue.set(tab, Some(due));
    }

    /// Takes the timer of a tab back. Returns when it would have ended.
    pub(super) fn cancel(&mut self, tab: TabId) -> Option<i64> {
        self.queue.cancel(tab)
    }

    /// Gives the timer of a tab to its new id.
    pub(super) fn rename(&mut self, old: TabId, new: TabId) {
        self.queue.rename(old, new);
    }

    /// Takes out the first of the timers that have ended.
    pub(super) fn pop(&mut self, world: &World) -> Option<TabId> {
        self.queue.pop(world.moment().on(self.clock))
    }

    /// When the first one ends, by the log's time.
    pub(super) fn next_due(&self, world: &World) -> Option<i64> {
        let due = self.queue.first_due()?;
        let moment = world.moment();
        let left_ms = due.saturating_sub(moment.on(self.clock));
        Some(moment.now.saturating_add(left_ms))
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        for (due, tab) in &self.queue.order {
            projection.line(format_args!("timer {due} {tab}"));
        }
    }
}
