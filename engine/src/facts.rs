//! The facts: what the log says of the browser, its windows and tabs, the user and the machine.
//!
//! They know no policy: not what is too long, too much or worth keeping. Events about tabs that are
//! not known, or out of place, are counted as anomalies and change nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use smallvec::SmallVec;

use crate::clock::{Clocks, Moment};
use crate::event::{
    Event, HostKnowledge, Input, MemorySource, Metrics, Mode, Page, Snapshot, TabFacts, TabId,
    WindowId,
};
use crate::hosts::{HostId, Hosts};
use crate::in_front::{self, InFront};
use crate::tab::Tab;
use crate::tab_map::TabMap;
use crate::world::World;

/// How much later than the log a snapshot must say that a tab was in front to be believed: 60 s.
const ACCESSED_LATER_MS: i64 = 60_000;

/// Something that a policy which keeps tabs in order must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A tab is new, or a fact about it changed.
    Tab(TabId),
    /// A tab has another id.
    Renamed {
        /// The id it had.
        old: TabId,
        /// The id it has.
        new: TabId,
    },
    /// A tab is gone.
    Gone(TabId),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) active: Option<TabId>,
}

/// What the log says so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Facts {
    pub(crate) clocks: Clocks,
    pub(crate) windows: BTreeMap<WindowId, Window>,
    pub(crate) tabs: TabMap<Tab>,
    pub(crate) hosts: Hosts,
    /// Missing while a snapshot is taken in.
    #[serde(skip)]
    in_front: Option<InFront>,
    pub(crate) focused: Option<WindowId>,
    pub(crate) last_focused: Option<WindowId>,
    pub(crate) last_activated: Option<WindowId>,
    /// The tabs in sight beside another.
    #[serde(skip)]
    pub(crate) in_sight: BTreeSet<TabId>,
    /// The host in front, and the last one that was. A page without a host is in front of none.
    pub(crate) host_in_front: Option<Arc<str>>,
    pub(crate) last_host_in_front: Option<Arc<str>>,
    pub(crate) metrics: Metrics,
    pub(crate) mode: Mode,
    pub(crate) paused_until_ms: Option<i64>,
    /// The wall clock less `t_ms`.
    pub(crate) wall_offset_ms: i64,
    pub(crate) anomalies: u64,
    #[serde(skip)]
    pub(crate) changes: Vec<Change>,
    /// The host that came to the front with the last event, if its familiarity changed.
    #[serde(skip)]
    pub(crate) newly_familiar: Option<HostId>,
}

impl Serialize for Facts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Facts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut facts = Self::deserialize(deserializer)?;
        facts.reindex().map_err(de::Error::custom)?;
        Ok(facts)
    }
}

impl Facts {
    /// Starts before the first event. The mode holds until the log says otherwise.
    pub fn new(mode: Mode) -> Self {
        Self {
            clocks: Clocks::default(),
            windows: BTreeMap::new(),
            tabs: TabMap::default(),
            hosts: Hosts::default(),
            in_front: Some(InFront::default()),
            focused: None,
            last_focused: None,
            last_activated: None,
            in_sight: BTreeSet::new(),
            host_in_front: None,
            last_host_in_front: None,
            metrics: Metrics::default(),
            mode,
            paused_until_ms: None,
            wall_offset_ms: 0,
            anomalies: 0,
            changes: Vec::new(),
            newly_familiar: None,
        }
    }

    /// What there is to see.
    pub fn world(&self) -> World<'_> {
        World::of(self)
    }

    /// The tab in front of the last focused window. See [`World::tab_in_front`].
    pub(crate) fn tab_in_front(&self) -> Option<&Tab> {
        let of = |win: Option<WindowId>| win.and_then(|win| self.windows.get(&win));
        let window = of(self.last_focused).or_else(|| of(self.last_activated))?;
        self.tabs.get(window.active?)
    }

    /// Every tab, last in front first.
    pub(crate) fn last_in_front_first(&self) -> impl Iterator<Item = &Tab> {
        let in_front = self.in_front.iter();
        in_front.flat_map(|in_front| in_front.last_first(&self.tabs))
    }

    /// Works out, after the rest was restored, what follows from it.
    fn reindex(&mut self) -> Result<(), &'static str> {
        if self.tabs.iter().any(|(id, tab)| tab.id != id) {
            return Err("a tab stands under the id of another");
        }
        let shown = (self.tabs.values()).filter_map(|tab| Some((tab.host?, tab.id)));
        self.hosts.reindex(shown)?;
        self.in_front = Some(InFront::of(&self.tabs));
        let in_sight = self.tabs.values().filter(|tab| tab.is_in_sight);
        self.in_sight = in_sight.map(|tab| tab.id).collect();
        Ok(())
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        self.changes.clear();
        self.newly_familiar = None;
        if !self.clocks.advance(event) {
            self.anomalies += 1;
        }
        let input = &event.input;
        match input {
            Input::SessionStarted(snapshot) => self.reconcile(snapshot),
            Input::TabOpened(facts) => self.open_or_update(facts, false),
            Input::TabActivated { tab, win } => self.activate(*tab, *win),
            Input::TabNavigated {
                tab,
                page,
                protected,
            } => {
                let host = self.show(*tab, page.as_ref());
                self.edit(*tab, |tab, at| {
                    tab.host = host;
                    tab.is_marked_protected = protected.unwrap_or(false);
                    tab.bytes = None;
                    tab.undergo(input, at);
                });
            }
            Input::TabLoaded { tab, .. } => self.edit(*tab, |tab, at| tab.undergo(input, at)),
            Input::TabChanged { tab, changes } => {
                self.edit(*tab, |tab, at| tab.undergo(input, at));
                self.put_in_sight(*tab, changes.in_sight);
            }
            Input::TabDiscarded { tab, .. } => self.turn(*tab, input, true),
            Input::TabRestored { tab } => self.turn(*tab, input, false),
            Input::TabMoved { tab, win } => self.move_tab(*tab, *win),
            Input::TabReplaced { tab, old } => self.rename(*old, *tab),
            Input::TabClosed { tab } => {
                if !self.remove_tab(*tab) {
                    self.anomalies += 1;
                }
            }
            Input::WindowOpened { win } => {
                self.windows.entry(*win).or_default();
            }
            Input::WindowClosed { win } => self.close_window(*win),
            Input::WindowFocused { win } => self.focus(*win),
            Input::ModeChanged(mode) => self.mode = *mode,
            Input::Paused { until_ms } => self.paused_until_ms = *until_ms,
            Input::KnowledgeCarried(knowledge) => self.carry(knowledge),
            Input::Metrics(metrics) => self.metrics.take_over(metrics),
            Input::TabMemory { tab, bytes, how } => self.weigh(*tab, *bytes, *how),
            Input::ClockStepped { by_ms } => self.wall_offset_ms = *by_ms,
            Input::UserIdle(_)
            | Input::PruneRequested { .. }
            | Input::DiscardOutcome { .. }
            | Input::PolicyChanged(_)
            | Input::PressureSignal(_)
            | Input::Suspended { .. } => {}
        }
        if may_change_front(input) {
            self.count_visit();
        }
    }

    fn reconcile(&mut self, snapshot: &Snapshot) {
        // A snapshot tells of times long past: the order is made anew once all is told.
        self.in_front = None;
        let told: BTreeSet<TabId> = snapshot.tabs.iter().map(|facts| facts.tab).collect();
        let gone: Vec<TabId> = self.tabs.ids().filter(|id| !told.contains(id)).collect();
        for id in gone {
            self.remove_tab(id);
        }
        let windows: BTreeSet<WindowId> = (snapshot.windows.iter().map(|window| window.win))
            .chain(snapshot.tabs.iter().map(|facts| facts.win))
            .collect();
        self.windows.retain(|win, _| windows.contains(win));
        for &win in &windows {
            self.windows.entry(win).or_default();
        }
        for facts in &snapshot.tabs {
            self.open_or_update(facts, true);
        }
        let focused = snapshot
            .windows
            .iter()
            .find(|window| window.focused)
            .map(|window| window.win);
        if focused != self.focused {
            self.focus(focused);
        }
        self.forget_closed_windows();
        self.in_front = Some(InFront::of(&self.tabs));
    }

    /// A tab that is told of twice is updated: events that fire while the extension takes its
    /// snapshot may repeat what that says.
    fn open_or_update(&mut self, facts: &TabFacts, in_snapshot: bool) {
        self.windows.entry(facts.win).or_default();
        if self.tabs.contains(facts.tab) {
            self.update(facts, in_snapshot);
        } else {
            self.open(facts, in_snapshot);
        }
        let is_active = self.tabs.get(facts.tab).is_some_and(|tab| tab.is_active);
        match facts.active {
            Some(true) if !is_active => self.activate(facts.tab, facts.win),
            Some(false) => self.deactivate(facts.tab),
            _ => {}
        }
        self.put_in_sight(facts.tab, facts.in_sight);
    }

    fn open(&mut self, facts: &TabFacts, in_snapshot: bool) {
        let known_since = self.clocks.moment();
        let accessed_ms = self.accessed_ms(facts, in_snapshot);
        let last_active = accessed_ms.map_or(known_since, |t_ms| self.clocks.moment_of(t_ms));
        let host = match &facts.page {
            Some(Page::Web(name)) => Some(self.hosts.attach(name, facts.tab)),
            Some(Page::Internal) | None => None,
        };
        let tab = Tab {
            id: facts.tab,
            win: facts.win,
            is_marked_protected: facts.protected.unwrap_or(false),
            is_active: false,
            is_pinned: facts.pinned.unwrap_or(false),
            is_audible: facts.audible.unwrap_or(false),
            silent_since_awake: None,
            is_discarded: facts.discarded.unwrap_or(false),
            is_loading: facts.loading.unwrap_or(false),
            is_auto_discardable: facts.auto_discardable.unwrap_or(true),
            is_unsaved: facts.unsaved.unwrap_or(false),
            is_capturing: facts.capturing.unwrap_or(false),
            is_in_sight: false,
            last_active,
            known_since,
            bytes: None,
            host,
        };
        if let Some(in_front) = &mut self.in_front {
            in_front.add(&tab);
        }
        self.tabs.insert(tab.id, tab);
        self.changes.push(Change::Tab(facts.tab));
    }

    /// When a snapshot says that a tab was last in front (`t_ms`).
    fn accessed_ms(&self, facts: &TabFacts, in_snapshot: bool) -> Option<i64> {
        let wall_ms = facts.last_accessed.filter(|_| in_snapshot)?;
        Some(wall_ms.saturating_sub(self.wall_offset_ms))
    }

    fn update(&mut self, facts: &TabFacts, in_snapshot: bool) {
        if let Some(page) = &facts.page {
            let host = self.show(facts.tab, Some(page));
            self.edit(facts.tab, |tab, _| tab.host = host);
        }
        if self
            .tabs
            .get(facts.tab)
            .is_some_and(|tab| tab.win != facts.win)
        {
            self.move_tab(facts.tab, facts.win);
        }
        // Used while events were lost. The browser's own time differs a little from the event's, so
        // a small difference says nothing.
        let accessed = self.accessed_ms(facts, in_snapshot);
        let seen = accessed.map(|t_ms| (t_ms, self.clocks.moment_of(t_ms)));
        self.edit(facts.tab, |tab, at| {
            if let Some((t_ms, moment)) = seen
                && t_ms.saturating_sub(tab.last_active.now) > ACCESSED_LATER_MS
            {
                tab.last_active = moment;
            }
            tab.learn(facts, at);
        });
    }

    /// A tab that is activated in another window than it was known in is believed, though it is
    /// an anomaly: not to believe it could cost a guard.
    fn activate(&mut self, id: TabId, win: WindowId) {
        let Some(tab) = self.tabs.get(id) else {
            self.anomalies += 1;
            return;
        };
        if tab.win != win {
            self.anomalies += 1;
            self.move_tab(id, win);
        }
        let window = self.windows.entry(win).or_default();
        let before = window.active.replace(id);
        if let Some(before) = before.filter(|&before| before != id) {
            self.leave_front(before);
        }
        self.edit(id, |tab, at| {
            tab.is_active = true;
            tab.last_active = at;
        });
        self.last_activated = Some(win);
    }

    fn deactivate(&mut self, id: TabId) {
        let Some(tab) = self.tabs.get(id).filter(|tab| tab.is_active) else {
            return;
        };
        if let Some(window) = self.windows.get_mut(&tab.win) {
            window.active = None;
        }
        self.leave_front(id);
    }

    fn leave_front(&mut self, id: TabId) {
        self.edit(id, |tab, at| {
            tab.is_active = false;
            tab.last_active = at;
        });
    }

    /// Puts a tab in sight or out of it, if that is told and new. Either is a moment at which it was
    /// looked at, like coming to the front or leaving it.
    fn put_in_sight(&mut self, id: TabId, told: Option<bool>) {
        let Some(is_in_sight) = told else { return };
        if (self.tabs.get(id)).is_none_or(|tab| tab.is_in_sight == is_in_sight) {
            return;
        }
        self.edit(id, |tab, at| {
            tab.is_in_sight = is_in_sight;
            tab.last_active = at;
        });
        if is_in_sight {
            self.in_sight.insert(id);
        } else {
            self.in_sight.remove(&id);
        }
    }

    /// Notes that a tab shows a page from here on. Returns its host, which the caller puts into
    /// the tab.
    fn show(&mut self, id: TabId, page: Option<&Page>) -> Option<HostId> {
        let was = self.tabs.get(id)?.host;
        let name = match page {
            Some(Page::Web(name)) => Some(name),
            Some(Page::Internal) | None => None,
        };
        if name == was.map(|was| &self.hosts.get(was).name) {
            return was;
        }
        let host = name.map(|name| self.hosts.attach(name, id));
        if let Some(was) = was {
            self.hosts.detach(was, id);
        }
        host
    }

    fn move_tab(&mut self, id: TabId, win: WindowId) {
        let Some(tab) = self.tabs.get(id) else {
            self.anomalies += 1;
            return;
        };
        if tab.win == win {
            return;
        }
        self.deactivate(id);
        self.windows.entry(win).or_default();
        self.edit(id, |tab, at| {
            tab.win = win;
            if tab.is_in_sight {
                tab.last_active = at;
            }
        });
    }

    fn rename(&mut self, old: TabId, new: TabId) {
        if old == new || !self.tabs.contains(old) {
            self.anomalies += 1;
            return;
        }
        if self.remove_tab(new) {
            self.anomalies += 1;
        }
        let Some(mut tab) = self.tabs.remove(old) else {
            return;
        };
        let before = in_front::key(&tab);
        tab.id = new;
        if tab.is_active
            && let Some(window) = self.windows.get_mut(&tab.win)
        {
            window.active = Some(new);
        }
        if tab.is_in_sight {
            self.in_sight.remove(&old);
            self.in_sight.insert(new);
        }
        if let Some(host) = tab.host {
            self.hosts.rename(host, old, new);
        }
        self.tabs.insert(new, tab);
        if let Some(in_front) = &mut self.in_front {
            in_front.rename(before, &tab, &self.tabs);
        }
        self.changes.push(Change::Renamed { old, new });
        self.changes.push(Change::Tab(new));
    }

    /// Discards or restores a tab, which is neither twice.
    fn turn(&mut self, id: TabId, input: &Input, is_discarded: bool) {
        if (self.tabs.get(id)).is_some_and(|tab| tab.is_discarded == is_discarded) {
            self.anomalies += 1;
            return;
        }
        self.edit(id, |tab, at| tab.undergo(input, at));
    }

    /// Returns false if there is no such tab.
    fn remove_tab(&mut self, id: TabId) -> bool {
        let Some(tab) = self.tabs.remove(id) else {
            return false;
        };
        if let Some(in_front) = &mut self.in_front {
            in_front.lose(in_front::key(&tab), &self.tabs);
        }
        if tab.is_active
            && let Some(window) = self.windows.get_mut(&tab.win)
        {
            window.active = None;
        }
        if tab.is_in_sight {
            self.in_sight.remove(&id);
        }
        if let Some(host) = tab.host {
            self.hosts.detach(host, id);
        }
        self.changes.push(Change::Gone(id));
        true
    }

    fn close_window(&mut self, win: WindowId) {
        if !self.windows.contains_key(&win) {
            self.anomalies += 1;
            return;
        }
        let inside: Vec<TabId> = self
            .tabs
            .values()
            .filter(|tab| tab.win == win)
            .map(|tab| tab.id)
            .collect();
        for id in inside {
            self.remove_tab(id);
        }
        self.windows.remove(&win);
        self.forget_closed_windows();
    }

    fn forget_closed_windows(&mut self) {
        for win in [
            &mut self.focused,
            &mut self.last_focused,
            &mut self.last_activated,
        ] {
            *win = win.filter(|win| self.windows.contains_key(win));
        }
    }

    fn focus(&mut self, win: Option<WindowId>) {
        if win.is_some_and(|win| !self.windows.contains_key(&win)) {
            self.anomalies += 1;
            return;
        }
        for changed in [self.focused, win].into_iter().flatten() {
            let active = self.windows.get(&changed).and_then(|window| window.active);
            if let Some(active) = active {
                self.edit(active, |tab, at| tab.last_active = at);
            }
            self.look_beside(changed, active);
        }
        self.focused = win;
        self.last_focused = win.or(self.last_focused);
    }

    /// Notes of what a window shows beside the tab in front that it is looked at until now, or from
    /// now on.
    fn look_beside(&mut self, win: WindowId, front: Option<TabId>) {
        let is_beside =
            |id: &TabId| front != Some(*id) && self.tabs.get(*id).is_some_and(|tab| tab.win == win);
        let beside: SmallVec<[TabId; 2]> =
            (self.in_sight.iter().copied()).filter(is_beside).collect();
        for id in beside {
            self.edit(id, |tab, at| tab.last_active = at);
        }
    }

    fn carry(&mut self, knowledge: &[HostKnowledge]) {
        self.hosts.carry(knowledge);
        // Any host may have become another familiarity. It happens once, at the beginning.
        self.changes.extend(self.tabs.ids().map(Change::Tab));
    }

    fn weigh(&mut self, id: TabId, bytes: u64, how: MemorySource) {
        let Some(tab) = self.tabs.get_mut(id) else {
            self.anomalies += 1;
            return;
        };
        tab.bytes = Some(bytes);
        if let (MemorySource::Reclaimed, Some(host)) = (how, tab.host) {
            self.hosts.add_freed_bytes(host, bytes);
        }
    }

    /// Changes a tab. An unknown tab is an anomaly.
    fn edit(&mut self, id: TabId, change: impl FnOnce(&mut Tab, Moment)) {
        let at = self.clocks.moment();
        let Some(tab) = self.tabs.get_mut(id) else {
            self.anomalies += 1;
            return;
        };
        let before = in_front::key(tab);
        change(tab, at);
        if in_front::key(tab) != before {
            self.reorder_in_front(id, before);
        }
        if self.changes.last() != Some(&Change::Tab(id)) {
            self.changes.push(Change::Tab(id));
        }
    }

    /// Puts a tab where it belongs in the order in front, which had another key before.
    fn reorder_in_front(&mut self, id: TabId, before: in_front::Key) {
        if let (Some(in_front), Some(tab)) = (&mut self.in_front, self.tabs.get(id)) {
            in_front.add(tab);
            in_front.lose(before, &self.tabs);
        }
    }

    /// Counts a visit when another host than the last one comes to the front.
    fn count_visit(&mut self) {
        let host = self.tab_in_front().and_then(|tab| tab.host);
        let name = host.map(|host| &self.hosts.get(host).name);
        let is_same = match (name, &self.host_in_front) {
            // Mostly it is the same name in the same place.
            (Some(name), Some(before)) => Arc::ptr_eq(name, before) || name == before,
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        let now = self.clocks.moment().now;
        let name = name.cloned();
        if let Some(left) = std::mem::replace(&mut self.host_in_front, name.clone()) {
            self.hosts.leave(&left, now);
        }
        let (Some(host), Some(name)) = (host, name) else {
            return;
        };
        if self.last_host_in_front.as_ref() == Some(&name) {
            return;
        }
        self.last_host_in_front = Some(name);
        if self.hosts.visit(host, now) {
            self.newly_familiar = Some(host);
        }
    }
}

/// Whether another tab may be in front after it, or another page in that tab.
fn may_change_front(input: &Input) -> bool {
    matches!(
        input,
        Input::SessionStarted(_)
            | Input::TabOpened(_)
            | Input::TabActivated { .. }
            | Input::TabNavigated { .. }
            | Input::TabMoved { .. }
            | Input::TabReplaced { .. }
            | Input::TabClosed { .. }
            | Input::WindowOpened { .. }
            | Input::WindowClosed { .. }
            | Input::WindowFocused { .. }
    )
}
