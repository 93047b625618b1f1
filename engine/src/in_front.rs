//! The order in which tabs were last in front.
//!
//! Focus mode asks for it at each attempt, and a scan of all tabs would be what it costs. So each
//! tab that comes to the front, or leaves it, is written down behind the others. What was written of
//! it before stays where it is and is passed over, until there is more of that than there are tabs.

use std::collections::VecDeque;

use crate::event::TabId;
use crate::tab_map::TabMap;
use crate::world::Tab;

/// So many entries are kept however few tabs there are.
const ENTRIES_MIN: usize = 64;

/// Tabs, by when they were last in front.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFront {
    /// In their order. One that is not what its tab says now, does not hold.
    entries: VecDeque<(i64, TabId)>,
}

impl InFront {
    /// The order of tabs.
    pub(crate) fn of(tabs: &TabMap<Tab>) -> Self {
        let mut entries: Vec<_> = tabs.values().map(entry).collect();
        entries.sort_unstable();
        Self {
            entries: entries.into(),
        }
    }

    /// Notes when a tab, which is one of these, was last in front.
    pub(crate) fn note(&mut self, tab: TabId, tabs: &TabMap<Tab>) {
        let Some(entry) = tabs.get(tab).map(entry) else {
            return;
        };
        if self.entries.back().is_none_or(|last| *last < entry) {
            self.entries.push_back(entry);
        } else if let Err(index) = self.entries.binary_search(&entry) {
            self.entries.insert(index, entry);
        }
        if self.entries.len() > 2 * tabs.len().max(ENTRIES_MIN) {
            self.entries.retain(|&found| tab_of(found, tabs).is_some());
        }
    }

    /// The loaded tabs, last in front first.
    pub(crate) fn loaded<'a>(&self, tabs: &'a TabMap<Tab>) -> impl Iterator<Item = &'a Tab> {
        let held = move |&entry: &_| tab_of(entry, tabs);
        let all = self.entries.iter().rev().filter_map(held);
        all.filter(|tab| !tab.is_discarded)
    }
}

/// What orders a tab.
pub(crate) fn entry(tab: &Tab) -> (i64, TabId) {
    (tab.last_active.now, tab.id)
}

/// The tab of an entry, if that holds.
fn tab_of(found: (i64, TabId), tabs: &TabMap<Tab>) -> Option<&Tab> {
    tabs.get(found.1).filter(|tab| entry(tab) == found)
}
