//! The world: what the log says of the browser, its windows and tabs, the user and the machine.
//!
//! It knows facts and no policy: not what is too long, too much or worth keeping. Events about
//! tabs it does not know, or out of place, are counted as anomalies and change nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::clock::{Clocks, Moment};
use crate::event::{
    Event, HostKnowledge, Input, MemorySource, Metrics, Mode, Page, Snapshot, TabChanges, TabFacts,
    TabId, UserState, WindowFacts, WindowId,
};
use crate::hosts::{HostId, Hosts};
use crate::in_front::{self, InFront};
use crate::projection::{Projection, known};
use crate::tab_map::TabMap;

/// How much later than the log a snapshot must say that a tab was in front to be believed: 60 s.
const ACCESSED_LATER_MS: i64 = 60_000;

/// A tab as the log has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tab {
    /// The browser's id for it.
    pub id: TabId,
    /// Its window.
    pub win: WindowId,
    /// Whether the log itself marks it as protected.
    pub is_marked_protected: bool,
    /// Whether it is in front of its window.
    pub is_active: bool,
    /// Whether it is pinned.
    pub is_pinned: bool,
    /// Whether it makes a sound.
    pub is_audible: bool,
    /// When it last fell silent, on the awake clock.
    pub silent_since_awake: Option<i64>,
    /// Whether it is discarded.
    pub is_discarded: bool,
    /// Whether it is loading.
    pub is_loading: bool,
    /// Whether the browser or another extension may discard it.
    pub is_auto_discardable: bool,
    /// Whether a form in it was touched.
    pub is_unsaved: bool,
    /// Whether it captures the screen, a camera or a microphone.
    pub is_capturing: bool,
    /// The last moment that something put it in front, left it or told of it; the moment it was
    /// opened if it never was in front. It may lie before the log's beginning. See
    /// [`World::last_in_front`] for a tab that is being looked at.
    pub last_active: Moment,
    /// The moment the log first told of it.
    pub known_since: Moment,
    /// Its memory in bytes, by the last measurement.
    pub bytes: Option<u64>,
    host: Option<HostId>,
}

impl Tab {
    /// The host of its page, in the table of its world.
    pub(crate) fn host(&self) -> Option<HostId> {
        self.host
    }
}

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
struct Window {
    active: Option<TabId>,
}

/// What the log says so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct World {
    clocks: Clocks,
    windows: BTreeMap<WindowId, Window>,
    tabs: TabMap<Tab>,
    hosts: Hosts,
    /// Where the policy asks for it.
    #[serde(skip)]
    in_front: Option<InFront>,
    focused: Option<WindowId>,
    last_focused: Option<WindowId>,
    last_activated: Option<WindowId>,
    /// The host in front, and the last one that was. A page without a host is in front of none.
    host_in_front: Option<Arc<str>>,
    last_host_in_front: Option<Arc<str>>,
    metrics: Metrics,
    mode: Mode,
    paused_until_ms: Option<i64>,
    /// The wall clock less `t_ms`.
    wall_offset_ms: i64,
    anomalies: u64,
    #[serde(skip)]
    changes: Vec<Change>,
}

impl Serialize for World {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for World {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut world = Self::deserialize(deserializer)?;
        world.reindex().map_err(de::Error::custom)?;
        Ok(world)
    }
}

impl World {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            clocks: Clocks::default(),
            windows: BTreeMap::new(),
            tabs: TabMap::default(),
            hosts: Hosts::default(),
            in_front: None,
            focused: None,
            last_focused: None,
            last_activated: None,
            host_in_front: None,
            last_host_in_front: None,
            metrics: Metrics::default(),
            mode,
            paused_until_ms: None,
            wall_offset_ms: 0,
            anomalies: 0,
            changes: Vec::new(),
        }
    }

    /// The moment of the last event.
    pub fn moment(&self) -> Moment {
        self.clocks.moment()
    }

    /// The moment at `t_ms`, if nothing happens until then.
    pub fn moment_at(&self, t_ms: i64) -> Moment {
        self.clocks.moment_at(t_ms)
    }

    /// Whether there was an event yet.
    pub(crate) fn has_begun(&self) -> bool {
        self.clocks.started_ms().is_some()
    }

    /// Every tab, by id.
    pub fn tabs(&self) -> impl Iterator<Item = &Tab> {
        self.tabs.values()
    }

    /// How many tabs there are.
    pub fn tab_count(&self) -> usize {
        self.tabs.len()
    }

    /// The tab with an id.
    pub fn tab(&self, id: TabId) -> Option<&Tab> {
        self.tabs.get(id)
    }

    /// Every window, by id.
    pub fn windows(&self) -> impl Iterator<Item = WindowId> {
        self.windows.keys().copied()
    }

    /// The window with the focus; `None` where another program has it, or it is not known.
    pub fn focused_window(&self) -> Option<WindowId> {
        self.focused
    }

    /// What the user does; `None` where the browser cannot tell.
    pub fn user(&self) -> Option<UserState> {
        self.clocks.user()
    }

    /// The wall clock less `t_ms`, in milliseconds.
    pub fn wall_offset_ms(&self) -> i64 {
        self.wall_offset_ms
    }

    /// How many windows there are.
    pub fn window_count(&self) -> usize {
        self.windows.len()
    }

    /// The host of a tab; `None` on an internal page, or where it is not known.
    pub fn host_of(&self, tab: &Tab) -> Option<&str> {
        tab.host.map(|host| &*self.hosts.get(host).name)
    }

    /// How familiar a tab's host is: 1 to [`FAMILIARITY_MAX`](crate::FAMILIARITY_MAX).
    pub fn familiarity(&self, tab: &Tab) -> u8 {
        tab.host
            .map_or(1, |host| self.hosts.get(host).familiarity())
    }

    /// When a tab was last in front: now, for the tab in front of the focused window.
    pub fn last_in_front(&self, tab: &Tab) -> Moment {
        if tab.is_active && self.focused == Some(tab.win) {
            self.moment()
        } else {
            tab.last_active
        }
    }

    /// The memory that a tab is expected to give back, in bytes: its own where it was measured,
    /// else the median of what discards on its host freed; `None` where neither is known.
    pub fn known_bytes(&self, tab: &Tab) -> Option<u64> {
        tab.bytes.or_else(|| {
            tab.host
                .and_then(|host| self.hosts.get(host).median_bytes())
        })
    }

    /// The tab in front of the last focused window: what the user works in. The window stays when
    /// another program has the focus. Where the log tells of no focus it is the window in which a
    /// tab was last activated.
    pub fn tab_in_front(&self) -> Option<&Tab> {
        let of = |win: Option<WindowId>| win.and_then(|win| self.windows.get(&win));
        let window = of(self.last_focused).or_else(|| of(self.last_activated))?;
        self.tabs.get(window.active?)
    }

    /// The loaded tabs on a tab's host, itself too, last in front first.
    pub fn loaded_on_host_of(&self, tab: &Tab) -> Vec<&Tab> {
        let on_host = |host| loaded_on(&self.hosts, host, &self.tabs);
        let mut tabs: Vec<&Tab> = tab.host.into_iter().flat_map(on_host).collect();
        tabs.sort_unstable_by_key(|tab| Reverse(in_front::key(tab)));
        tabs
    }

    /// The loaded tabs, last in front first. Only the world of a policy that
    /// [looks at neighbours](crate::Policy::looks_at_neighbours) knows their order.
    pub fn loaded(&self) -> impl Iterator<Item = &Tab> {
        let order = self.in_front.as_ref();
        let order = order.expect("a policy says whether it looks at neighbours");
        order.loaded(&self.tabs)
    }

    /// The last sample of the machine.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether decisions are carried out.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The end of a pause that is not over yet (`t_ms`).
    pub fn paused_until_ms(&self) -> Option<i64> {
        self.paused_until_ms
            .filter(|&until| until > self.moment().now)
    }

    /// How many events were about unknown tabs, or out of place.
    pub fn anomalies(&self) -> u64 {
        self.anomalies
    }

    /// What the last event changed, in the order in which it did.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What a later session should know of the hosts, by name.
    pub fn knowledge(&self) -> Vec<HostKnowledge> {
        self.hosts.knowledge()
    }

    /// All that is open, as a browser would tell it now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let window = |&win: &WindowId| WindowFacts {
            win,
            focused: self.focused == Some(win),
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
                last_accessed: Some(last_in_front_ms.saturating_add(self.wall_offset_ms)),
            }
        };
        Snapshot {
            user: self.clocks.user(),
            windows: self.windows.keys().map(window).collect(),
            tabs: self.tabs.values().map(facts).collect(),
        }
    }

    /// Names every tab as changed, though nothing did: for a policy that sees this world for the
    /// first time.
    pub(crate) fn announce(&mut self) {
        self.changes = self.tabs.ids().map(Change::Tab).collect();
    }

    /// Knows from here on in which order tabs were in front.
    pub(crate) fn know_neighbours(&mut self) {
        self.in_front = Some(InFront::of(&self.tabs));
    }

    /// Works out, after the rest was restored, what follows from it.
    fn reindex(&mut self) -> Result<(), &'static str> {
        if self.tabs.iter().any(|(id, tab)| tab.id != id) {
            return Err("a tab stands under the id of another");
        }
        let shown = (self.tabs.values()).filter_map(|tab| Some((tab.host?, tab.id)));
        self.hosts.reindex(shown)?;
        self.know_neighbours();
        Ok(())
    }

    /// Lets time pass without an event.
    pub(crate) fn pass(&mut self, t_ms: i64) {
        self.changes.clear();
        self.clocks.pass(t_ms);
    }

    /// Takes an event in.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.changes.clear();
        if !self.clocks.advance(event) {
            self.anomalies += 1;
        }
        match &event.input {
            Input::SessionStarted(snapshot) => self.reconcile(snapshot),
            Input::TabOpened(facts) => self.open_or_update(facts, false),
            Input::TabActivated { tab, win } => self.activate(*tab, *win),
            Input::TabNavigated {
                tab,
                page,
                protected,
            } => {
                self.navigate(*tab, page.as_ref(), protected.unwrap_or(false));
            }
            Input::TabLoaded { tab, .. } => self.edit(*tab, |tab, _| tab.is_loading = false),
            Input::TabChanged { tab, changes } => {
                self.edit(*tab, |tab, at| apply_changes(tab, *changes, at));
            }
            Input::TabMoved { tab, win } => self.move_tab(*tab, *win),
            Input::TabReplaced { tab, old } => self.rename(*old, *tab),
            Input::TabDiscarded { tab, .. } => self.discard(*tab),
            Input::TabRestored { tab } => self.restore(*tab),
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
            Input::Metrics(metrics) => self.sample(metrics),
            Input::TabMemory { tab, bytes, how } => self.weigh(*tab, *bytes, *how),
            Input::ClockStepped { by_ms } => self.wall_offset_ms = *by_ms,
            Input::UserIdle(_)
            | Input::PruneRequested { .. }
            | Input::DiscardOutcome { .. }
            | Input::PolicyChanged(_)
            | Input::PressureSignal(_)
            | Input::Suspended { .. } => {}
        }
        if may_change_front(&event.input) {
            self.count_visit();
        }
    }

    /// Writes down what the state hash covers.
    pub(crate) fn project(&self, projection: &mut Projection) {
        let host = |name: &Option<Arc<str>>| known(name.clone());
        let win = |win: Option<WindowId>| known(win.map(|win| win.0));
        projection.line(format_args!(
            "clock {} {} {} {}",
            known(self.clocks.started_ms()),
            self.moment(),
            known(self.clocks.user().map(|user| format!("{user:?}"))),
            self.clocks.last_seen_awake(),
        ));
        projection.line(format_args!(
            "session {:?} {} {} {}",
            self.mode,
            known(self.paused_until_ms),
            self.wall_offset_ms,
            self.anomalies
        ));
        projection.line(format_args!(
            "front {} {} {} {} {}",
            win(self.focused),
            win(self.last_focused),
            win(self.last_activated),
            host(&self.host_in_front),
            host(&self.last_host_in_front),
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
        } = self.metrics;
        projection.line(format_args!(
            "metrics {} {} {} {} {} {} {}",
            known(ram_total),
            known(ram_used),
            known(ram_available),
            known(cpu),
            known(on_battery),
            known(psi_some_avg10),
            known(psi_full_avg10),
        ));
        for (win, window) in &self.windows {
            projection.line(format_args!("window {} {}", win.0, known(window.active)));
        }
        for tab in self.tabs.values() {
            let flags = [
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
        for host in self.hosts.iter() {
            host.project(projection);
        }
    }

    fn reconcile(&mut self, snapshot: &Snapshot) {
        // A snapshot tells of times long past: the order is made anew once all is told.
        let in_front = self.in_front.take();
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
        if in_front.is_some() {
            self.know_neighbours();
        }
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
    }

    fn open(&mut self, facts: &TabFacts, in_snapshot: bool) {
        let known_since = self.moment();
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
            let TabFacts {
                pinned,
                audible,
                auto_discardable,
                unsaved,
                capturing,
                ..
            } = *facts;
            let changes = TabChanges {
                pinned,
                audible,
                auto_discardable,
                unsaved,
                capturing,
            };
            apply_changes(tab, changes, at);
            tab.is_marked_protected = facts.protected.unwrap_or(tab.is_marked_protected);
            tab.is_discarded = facts.discarded.unwrap_or(tab.is_discarded);
            tab.is_loading = facts.loading.unwrap_or(tab.is_loading);
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

    fn navigate(&mut self, id: TabId, page: Option<&Page>, is_marked_protected: bool) {
        let host = self.show(id, page);
        self.edit(id, |tab, _| {
            tab.host = host;
            tab.is_marked_protected = is_marked_protected;
            tab.is_loading = true;
            tab.is_discarded = false;
            tab.is_unsaved = false;
            tab.bytes = None;
        });
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
        self.edit(id, |tab, _| tab.win = win);
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
        if let Some(host) = tab.host {
            self.hosts.rename(host, old, new);
        }
        self.tabs.insert(new, tab);
        self.reorder_in_front(new, before);
        self.changes.push(Change::Renamed { old, new });
        self.changes.push(Change::Tab(new));
    }

    fn discard(&mut self, id: TabId) {
        if self.tabs.get(id).is_some_and(|tab| tab.is_discarded) {
            self.anomalies += 1;
            return;
        }
        self.edit(id, |tab, at| {
            tab.is_discarded = true;
            tab.is_loading = false;
            tab.is_unsaved = false;
            tab.is_capturing = false;
            let changes = TabChanges {
                audible: Some(false),
                ..TabChanges::default()
            };
            apply_changes(tab, changes, at);
        });
    }

    fn restore(&mut self, id: TabId) {
        if self.tabs.get(id).is_some_and(|tab| !tab.is_discarded) {
            self.anomalies += 1;
            return;
        }
        self.edit(id, |tab, _| {
            tab.is_discarded = false;
            tab.is_loading = true;
        });
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
        }
        self.focused = win;
        self.last_focused = win.or(self.last_focused);
    }

    fn carry(&mut self, knowledge: &[HostKnowledge]) {
        self.hosts.carry(knowledge);
        // Any host may have become another familiarity. It happens once, at the beginning.
        self.changes.extend(self.tabs.ids().map(Change::Tab));
    }

    fn sample(&mut self, metrics: &Metrics) {
        let Metrics {
            browser_rss,
            browser_pss,
            browser_processes,
            ..
        } = self.metrics;
        self.metrics = *metrics;
        // The browser's own memory is measured seldom; the last reading stays known.
        self.metrics.browser_rss = metrics.browser_rss.or(browser_rss);
        self.metrics.browser_pss = metrics.browser_pss.or(browser_pss);
        self.metrics.browser_processes = metrics.browser_processes.or(browser_processes);
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
        let at = self.moment();
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
        let now = self.moment().now;
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
        let is_another_familiarity = self.hosts.visit(host, now);
        if is_another_familiarity && self.in_front.is_some() {
            let changed = self.changes.len();
            let loaded = loaded_on(&self.hosts, host, &self.tabs);
            self.changes.extend(loaded.map(|tab| Change::Tab(tab.id)));
            let key = |change: &Change| match *change {
                Change::Tab(tab) => self.tabs.get(tab).map(in_front::key),
                Change::Renamed { .. } | Change::Gone(_) => None,
            };
            self.changes[changed..].sort_unstable_by_key(key);
        }
    }
}

/// The loaded tabs on a host, in no order.
fn loaded_on<'a>(
    hosts: &Hosts,
    host: HostId,
    tabs: &'a TabMap<Tab>,
) -> impl Iterator<Item = &'a Tab> {
    let ids = hosts.get(host).tabs.iter();
    let on_host = ids.filter_map(|&id| tabs.get(id));
    on_host.filter(|tab| !tab.is_discarded)
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

fn apply_changes(tab: &mut Tab, changes: TabChanges, at: Moment) {
    if tab.is_audible && changes.audible == Some(false) {
        tab.silent_since_awake = Some(at.awake);
    }
    tab.is_pinned = changes.pinned.unwrap_or(tab.is_pinned);
    tab.is_audible = changes.audible.unwrap_or(tab.is_audible);
    tab.is_auto_discardable = changes.auto_discardable.unwrap_or(tab.is_auto_discardable);
    tab.is_unsaved = changes.unsaved.unwrap_or(tab.is_unsaved);
    tab.is_capturing = changes.capturing.unwrap_or(tab.is_capturing);
}
