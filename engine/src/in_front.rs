//! The order in which tabs were last in front, or opened if they never were.
//!
//! Focus mode asks for it at each attempt, and a scan of all tabs would be what it costs.

use crate::event::TabId;
use crate::order::Order;
use crate::tab::Tab;
use crate::tab_map::TabMap;

/// Tabs, by when they were last in front.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFront {
    order: Order<Key>,
}

impl InFront {
    /// The order of tabs.
    pub(crate) fn of(tabs: &TabMap<Tab>) -> Self {
        Self {
            order: tabs.values().map(key).collect(),
        }
    }

    /// Takes in a tab that is new, or has another key.
    pub(crate) fn add(&mut self, tab: &Tab) {
        self.order.add(key(tab));
    }

    /// Takes in a tab that has another id, and had another key before.
    pub(crate) fn rename(&mut self, before: Key, tab: &Tab, tabs: &TabMap<Tab>) {
        let holds = |&key: &Key| tab_of(key, tabs).is_some();
        self.order.rename(&before, key(tab), holds);
    }

    /// Notes that no tab has a key any more.
    pub(crate) fn lose(&mut self, key: Key, tabs: &TabMap<Tab>) {
        self.order.lose(&key, |&key| tab_of(key, tabs).is_some());
    }

    /// The tabs, last in front first.
    pub(crate) fn last_first<'a>(&'a self, tabs: &'a TabMap<Tab>) -> impl Iterator<Item = &'a Tab> {
        let all = self.order.iter().rev();
        all.filter_map(|&key| tab_of(key, tabs))
    }
}

/// What orders tabs: when they were last in front, by the log's time.
pub(crate) type Key = (i64, TabId);

/// What orders a tab.
pub(crate) fn key(tab: &Tab) -> Key {
    (tab.last_active.now, tab.id)
}

/// The tab of a key, if that holds.
fn tab_of(found: Key, tabs: &TabMap<Tab>) -> Option<&Tab> {
    tabs.get(found.1).filter(|tab| key(tab) == found)
}
