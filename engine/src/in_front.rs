//! The order in which tabs were last in front.
//!
//! Focus mode asks for it at each attempt, and a scan of all tabs would be what it costs.

use crate::event::TabId;
use crate::order::Order;
use crate::tab_map::TabMap;
use crate::world::Tab;

/// Tabs, by when they were last in front.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFront {
    order: Order<(i64, TabId)>,
}

impl InFront {
    /// The order of tabs.
    pub(crate) fn of(tabs: &TabMap<Tab>) -> Self {
        Self {
            order: tabs.values().map(key).collect(),
        }
    }

    /// Takes in a tab that is new.
    pub(crate) fn add(&mut self, tab: &Tab) {
        self.order.add(key(tab));
    }

    /// Notes that one of the tabs has another key now, or is gone.
    pub(crate) fn lose_one(&mut self, tabs: &TabMap<Tab>) {
        self.order.lose_one(|&key| tab_of(key, tabs).is_some());
    }

    /// The loaded tabs, last in front first.
    pub(crate) fn loaded<'a>(&self, tabs: &'a TabMap<Tab>) -> impl Iterator<Item = &'a Tab> {
        let all = self.order.iter().rev();
        let held = all.filter_map(move |&key| tab_of(key, tabs));
        held.filter(|tab| !tab.is_discarded)
    }
}

/// What orders a tab.
pub(crate) fn key(tab: &Tab) -> (i64, TabId) {
    (tab.last_active.now, tab.id)
}

/// The tab of a key, if that holds.
fn tab_of(found: (i64, TabId), tabs: &TabMap<Tab>) -> Option<&Tab> {
    tabs.get(found.1).filter(|tab| key(tab) == found)
}
