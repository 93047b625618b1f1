//! Which loaded tabs stand beside each other: on one host, in one window, last in front first.
//!
//! Focus mode asks for them at each attempt, and a scan of all tabs would be what it costs. Only a
//! policy that asks pays for the order, with each tab that comes to the front.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use crate::event::{TabId, WindowId};
use crate::hosts::HostId;
use crate::world::Tab;

/// The loaded tabs, by host and by window.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours {
    by_host: BTreeSet<(HostId, i64, TabId)>,
    by_window: BTreeSet<(WindowId, i64, TabId)>,
}

/// Where a loaded tab stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    win: WindowId,
    host: Option<HostId>,
    last_active: i64,
    id: TabId,
}

impl Place {
    /// Nowhere, where the tab is discarded: there is nothing left to keep.
    pub(crate) fn of(tab: &Tab) -> Option<Self> {
        (!tab.is_discarded).then_some(Self {
            win: tab.win,
            host: tab.host(),
            last_active: tab.last_active.now,
            id: tab.id,
        })
    }

    fn in_window(self) -> (WindowId, i64, TabId) {
        (self.win, self.last_active, self.id)
    }

    fn on_host(self) -> Option<(HostId, i64, TabId)> {
        self.host.map(|host| (host, self.last_active, self.id))
    }
}

impl Neighbours {
    /// Takes a tab from one place to another.
    pub(crate) fn move_tab(&mut self, from: Option<Place>, to: Option<Place>) {
        if from == to {
            return;
        }
        if let Some(place) = from {
            self.by_window.remove(&place.in_window());
            if let Some(on_host) = place.on_host() {
                self.by_host.remove(&on_host);
            }
        }
        if let Some(place) = to {
            self.by_window.insert(place.in_window());
            self.by_host.extend(place.on_host());
        }
    }

    /// The loaded tabs on a host, last in front first.
    pub(crate) fn on_host(&self, host: HostId) -> impl DoubleEndedIterator<Item = TabId> {
        let places = self.by_host.range(all_under(host)).rev();
        places.map(|&(_, _, tab)| tab)
    }

    /// The loaded tabs of a window, last in front first.
    pub(crate) fn in_window(&self, win: WindowId) -> impl Iterator<Item = TabId> {
        let places = self.by_window.range(all_under(win)).rev();
        places.map(|&(_, _, tab)| tab)
    }
}

/// All that stands under a key.
fn all_under<K: Copy>(key: K) -> RangeInclusive<(K, i64, TabId)> {
    (key, i64::MIN, TabId(i64::MIN))..=(key, i64::MAX, TabId(i64::MAX))
}
