//! The world as a policy sees it: the facts of the log, or, where it is replayed, what they would
//! have been.

use std::cmp::Reverse;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::branch::Branch;
use crate::clock::Moment;
use crate::event::{
    HostKnowledge, Metrics, Mode, Page, Snapshot, TabFacts, TabId, UserState, WindowFacts, WindowId,
};
use crate::facts::{Change, Facts};
use crate::hosts::HostId;
use crate::in_front;
use crate::policy::Policy;
use crate::projection::{Projection, known};
use crate::tab::Tab;

/// What there is to see.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    facts: &'a Facts,
    /// How it is otherwise.
    branch: Option<&'a Branch>,
}

impl<'a> World<'a> {
    /// What the log says.
    pub(crate) fn of(facts: &'a Facts) -> Self {
        Self {
            facts,
            branch: None,
        }
    }

    /// What a branch makes of it.
    pub(crate) fn on(branch: &'a Branch, facts: &'a Facts) -> Self {
        Self {
            facts,
            branch: Some(branch),
        }
    }

    /// The moment of the last event, or to which time has passed since.
    pub fn moment(&self) -> Moment {
        match self.branch {
            Some(branch) => branch.moment,
            None => self.facts.clocks.moment(),
        }
    }

    /// Every tab, by id.
    pub fn tabs(&self) -> impl Iterator<Item = &'a Tab> + use<'a> {
        let world = *self;
        self.facts.tabs.values().map(move |there| world.here(there))
    }

    /// How many tabs there are.
    pub fn tab_count(&self) -> usize {
        self.facts.tabs.len()
    }

    /// The tab with an id.
    #[inline]
    pub fn tab(&self, id: TabId) -> Option<&'a Tab> {
        let kept = self.branch.and_then(|branch| branch.kept(id));
        kept.or_else(|| self.facts.tabs.get(id))
    }

    /// What a tab of the facts is here.
    #[inline]
    fn here(&self, there: &'a Tab) -> &'a Tab {
        let kept = self.branch.and_then(|branch| branch.kept(there.id));
        kept.unwrap_or(there)
    }

    /// Every window, by id.
    pub fn windows(&self) -> impl Iterator<Item = WindowId> + use<'a> {
        self.facts.windows.keys().copied()
    }

    /// How many windows there are.
    pub fn window_count(&self) -> usize {
        self.facts.windows.len()
    }

    /// The window with the focus; `None` where another program has it, or it is not known.
    pub fn focused_window(&self) -> Option<WindowId> {
        self.facts.focused
    }

    /// What the user does; `None` where the browser cannot tell.
    pub fn user(&self) -> Option<UserState> {
        self.facts.clocks.user()
    }

    /// The wall clock less `t_ms`, in milliseconds.
    pub fn wall_offset_ms(&self) -> i64 {
        self.facts.wall_offset_ms
    }

    /// The host of a tab; `None` on an internal page, or where it is not known.
    pub fn host_of(&self, tab: &Tab) -> Option<&'a str> {
        let hosts = &self.facts.hosts;
        tab.host.map(|host| &*hosts.get(host).name)
    }

    /// How familiar a tab's host is: 1 to [`FAMILIARITY_MAX`](crate::FAMILIARITY_MAX).
    pub fn familiarity(&self, tab: &Tab) -> u8 {
        tab.host
            .map_or(1, |host| self.facts.hosts.get(host).familiarity())
    }

    /// When a tab was last in front, or opened if it never was: now, for what the focused window
    /// shows, in front or beside that.
    pub fn last_in_front(&self, tab: &Tab) -> Moment {
        if tab.is_shown() && self.facts.focused == Some(tab.win) {
            self.moment()
        } else {
            tab.last_active
        }
    }

    /// The memory that a tab is expected to give back, in bytes: its own where it was measured,
    /// else the median of what discards on its host freed; `None` where neither is known.
    pub fn known_bytes(&self, tab: &Tab) -> Option<u64> {
        tab.bytes.or_else(|| {
            let host = self.facts.hosts.get(tab.host?);
            host.median_bytes()
        })
    }

    /// The tab in front of the last focused window: what the user works in. The window stays when
    /// another program has the focus. Where the log tells of no focus it is the window in which a
    /// tab was last activated.
    pub fn tab_in_front(&self) -> Option<&'a Tab> {
        Some(self.here(self.facts.tab_in_front()?))
    }

    /// The loaded tabs that a window shows in a split view, by id.
    pub(crate) fn loaded_in_sight(&self, win: WindowId) -> impl Iterator<Item = &'a Tab> + use<'a> {
        let world = *self;
        let ids = self.facts.in_sight.iter();
        let tabs = ids.filter_map(move |&id| world.tab(id));
        tabs.filter(move |tab| tab.win == win && !tab.is_discarded)
    }

    /// The loaded tabs on a tab's host, itself too, last in front first.
    pub(crate) fn loaded_on_host_of(&self, tab: &Tab) -> SmallVec<[&'a Tab; 8]> {
        let on_host = tab.host.into_iter().flat_map(|host| self.on_host(host));
        let mut tabs: SmallVec<[&Tab; 8]> = on_host.filter(|tab| !tab.is_discarded).collect();
        tabs.sort_unstable_by_key(|tab| Reverse(in_front::key(tab)));
        tabs
    }

    /// The hosts whose familiarity the last event changed, in no order.
    pub(crate) fn newly_familiar(&self) -> &'a [HostId] {
        match self.branch {
            Some(branch) => &branch.newly_familiar,
            None => self.facts.newly_familiar.as_slice(),
        }
    }

    /// The tabs on a host, in no order.
    pub(crate) fn on_host(&self, host: HostId) -> impl Iterator<Item = &'a Tab> + use<'a> {
        let world = *self;
        let ids = self.facts.hosts.tabs(host).iter();
        ids.filter_map(move |&id| world.tab(id))
    }

    /// The loaded tabs, last in front first.
    pub fn loaded(&self) -> impl Iterator<Item = &'a Tab> + use<'a> {
        let world = *self;
        let all = self.facts.last_in_front_first();
        let here = all.map(move |there| world.here(there));
        here.filter(|tab| !tab.is_discarded)
    }

    /// The last sample of the machine.
    pub fn metrics(&self) -> &'a Metrics {
        match self.branch {
            Some(branch) => &branch.metrics,
            None => &self.facts.metrics,
        }
    }

    /// Whether decisions are carried out.
    pub fn mode(&self) -> Mode {
        self.branch.map_or(self.facts.mode, |branch| branch.mode)
    }

    /// The end of a pause that is not over yet (`t_ms`).
    pub fn paused_until_ms(&self) -> Option<i64> {
        let until = self.facts.paused_until_ms?;
        (until > self.moment().now).then_some(until)
    }

    /// How many events were about unknown tabs, or out of place.
    pub fn anomalies(&self) -> u64 {
        self.facts.anomalies
    }

    /// What the last event changed, in the order in which it did.
    pub fn changes(&self) -> &'a [Change] {
        match self.branch {
            Some(branch) => branch.changes(&self.facts.changes),
            None => &self.facts.changes,
        }
    }

    /// What a later session should know of the hosts, by name.
    pub fn knowledge(&self) -> Vec<HostKnowledge> {
        self.facts.hosts.knowledge()
    }

    /// All that is open, as a browser would tell it now.
    pub fn snapshot(&self) -> Snapshot {
        let window = |win: WindowId| WindowFacts {
            win,
            focused: self.facts.focused == Some(win),
        };
        let facts = |tab: &Tab| {
            let last_in_front_ms = self.last_in_front(tab).now;
            TabFacts {
                tab: tab.id,
                win: tab.win,
                page: self.host_of(tab).map(|host| Page::Web(host.into())),
                protected: Some(tab.is_marked_protected),
                active: Some(tab.is_active),
                pinned: Some(tab.is_pinned),
                audible: Some(tab.is_audible),
                discarded: Some(tab.is_discarded),
                loading: Some(tab.is_loading),
                auto_discardable: Some(tab.is_auto_discardable),
                unsaved: Some(tab.is_unsaved),
                capturing: Some(tab.is_capturing),
                in_sight: tab.is_in_sight.then_some(true),
                last_accessed: Some(last_in_front_ms.saturating_add(self.wall_offset_ms())),
            }
        };
        Snapshot {
            user: self.user(),
            windows: self.windows().map(window).collect(),
            tabs: self.tabs().map(facts).collect(),
        }
    }

    /// A fingerprint of it and of a policy's state, 32 hex digits: equal for two that took in the
    /// same log. See [`Projection`] for what it covers.
    pub fn state_hash(&self, policy: &(impl Policy + ?Sized)) -> String {
        let mut projection = Projection::default();
        self.project(&mut projection);
        policy.project(&mut projection);
        projection.hash()
    }

    /// Writes down what the state hash covers.
    fn project(&self, projection: &mut Projection) {
        let facts = self.facts;
        let host = |name: &Option<Arc<str>>| known(name.clone());
        let win = |win: Option<WindowId>| known(win.map(|win| win.0));
        projection.line(format_args!(
            "clock {} {} {} {}",
            known(facts.clocks.started_ms()),
            self.moment(),
            known(self.user().map(|user| format!("{user:?}"))),
            facts.clocks.last_seen_awake(),
        ));
        projection.line(format_args!(
            "session {:?} {} {} {}",
            self.mode(),
            known(facts.paused_until_ms),
            facts.wall_offset_ms,
            facts.anomalies
        ));
        projection.line(format_args!(
            "front {} {} {} {} {}",
            win(facts.focused),
            win(facts.last_focused),
            win(facts.last_activated),
            host(&facts.host_in_front),
            host(&facts.last_host_in_front),
        ));
        let Metrics {
            ram_total,
            ram_used,
            ram_available,
            cpu,
            on_battery,
            psi_some_avg10,
            psi_full_avg10,
            ..
        } = self.metrics();
        projection.line(format_args!(
            "metrics {} {} {} {} {} {} {}",
            known(*ram_total),
            known(*ram_used),
            known(*ram_available),
            known(*cpu),
            known(*on_battery),
            known(*psi_some_avg10),
            known(*psi_full_avg10),
        ));
        for (win, window) in &facts.windows {
            projection.line(format_args!("window {} {}", win.0, known(window.active)));
        }
        for tab in self.tabs() {
            // The highest shows only where it is set.
            let flags = [
                tab.is_in_sight,
                tab.is_marked_protected,
                tab.is_active,
                tab.is_pinned,
                tab.is_audible,
                tab.is_discarded,
                tab.is_loading,
                tab.is_auto_discardable,
                tab.is_unsaved,
                tab.is_capturing,
            ];
            let flags = flags
                .iter()
                .fold(0, |bits, &flag| bits * 2 + u32::from(flag));
            projection.line(format_args!(
                "tab {} {} {} {flags:09b} {} {} {} {}",
                tab.id,
                tab.win.0,
                known(self.host_of(tab)),
                known(tab.silent_since_awake),
                tab.last_active,
                tab.known_since,
                known(tab.bytes),
            ));
        }
        for host in facts.hosts.iter() {
            host.project(projection);
        }
    }
}
