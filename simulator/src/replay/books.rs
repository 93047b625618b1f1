//! What raw events say of tabs, as far as a guard asks for it.
//!
//! The checker's books share no code with the engine's world, so that a flaw in that is not judged by
//! itself. They are kept once, of the recording; beside them each policy has a
//! [`Watch`](super::watch::Watch), which knows what is otherwise there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::{Event, Input, Page, TabChanges, TabFacts, TabId, TabMap, WindowId};
use serde::{Deserialize, Serialize};

/// For how long a tab that fell silent counts as lately audible: 60 s, which no setting shortens.
const SOUNDED_MS: i64 = 60_000;

/// What speaks against a discard until something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    Pinned,
    Audible,
    Capturing,
    Unsaved,
    Forbidden,
    MarkedProtected,
    Loading,
    Discarded,
}

/// In what condition a tab's page is. What a policy does changes nothing else of a tab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Condition {
    pub(super) host: Option<Arc<str>>,
    /// A bit for each objection.
    objections: u8,
    /// Until when it counts as lately audible, on the awake clock.
    pub(super) sounded_until: i64,
}

impl Condition {
    /// Before anything was said of it.
    const UNTOLD: Self = Self {
        host: None,
        objections: 0,
        sounded_until: i64::MIN,
    };

    pub(super) fn has(&self, objection: Objection) -> bool {
        self.objections & (1 << objection as u8) != 0
    }

    fn object(&mut self, objection: Objection, holds: Option<bool>) {
        match holds {
            Some(true) => self.objections |= 1 << objection as u8,
            Some(false) => self.objections &= !(1 << objection as u8),
            None => {}
        }
    }

    fn show(&mut self, page: Option<&Page>) {
        let host = match page {
            Some(Page::Web(host)) => Some(host),
            Some(Page::Internal) | None => None,
        };
        // Mostly it stays, and counting who shares it takes longer than to look.
        if self.host.as_ref() != host {
            self.host = host.cloned();
        }
    }

    fn change(&mut self, changes: TabChanges, awake: i64) {
        if changes.audible == Some(false) && self.has(Objection::Audible) {
            self.sounded_until = awake.saturating_add(SOUNDED_MS);
        }
        self.object(Objection::Audible, changes.audible);
        self.object(Objection::Pinned, changes.pinned);
        self.object(Objection::Unsaved, changes.unsaved);
        self.object(Objection::Capturing, changes.capturing);
        let is_forbidden = changes.auto_discardable.map(|allowed| !allowed);
        self.object(Objection::Forbidden, is_forbidden);
    }

    /// Takes in what an event does to the page, at a time of the awake clock.
    pub(super) fn undergo(&mut self, input: &Input, awake: i64) {
        match input {
            Input::TabNavigated {
                page, protected, ..
            } => {
                self.show(page.as_ref());
                self.object(Objection::MarkedProtected, Some(*protected == Some(true)));
                self.object(Objection::Loading, Some(true));
                self.object(Objection::Discarded, Some(false));
                self.object(Objection::Unsaved, Some(false));
            }
            Input::TabLoaded { .. } => self.object(Objection::Loading, Some(false)),
            Input::TabChanged { changes, .. } => self.change(*changes, awake),
            Input::TabDiscarded { .. } if !self.has(Objection::Discarded) => {
                self.object(Objection::Discarded, Some(true));
                self.object(Objection::Loading, Some(false));
                let ended = TabChanges {
                    audible: Some(false),
                    unsaved: Some(false),
                    capturing: Some(false),
                    ..TabChanges::default()
                };
                self.change(ended, awake);
            }
            Input::TabRestored { .. } if self.has(Objection::Discarded) => {
                self.object(Objection::Discarded, Some(false));
                self.object(Objection::Loading, Some(true));
            }
            _ => {}
        }
    }

    /// Takes in what is told of the tab.
    pub(super) fn learn(&mut self, told: &TabFacts, awake: i64) {
        if told.page.is_some() {
            self.show(told.page.as_ref());
        }
        self.object(Objection::MarkedProtected, told.protected);
        self.object(Objection::Discarded, told.discarded);
        self.object(Objection::Loading, told.loading);
        let changes = TabChanges {
            pinned: told.pinned,
            audible: told.audible,
            auto_discardable: told.auto_discardable,
            unsaved: told.unsaved,
            capturing: told.capturing,
            ..TabChanges::default()
        };
        self.change(changes, awake);
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    win: WindowId,
    /// When it last was surely in front, or opened, by the log's time: the one that is in front of
    /// the focused window is so now.
    in_front_ms: i64,
    page: Condition,
}

/// What a recording says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Books {
    /// The log's time, once it has begun.
    now_ms: Option<i64>,
    /// For how long the machine has slept since then.
    slept_ms: i64,
    tabs: TabMap<Known>,
    fronts: BTreeMap<WindowId, TabId>,
    /// Those in sight beside another.
    in_sight: BTreeSet<TabId>,
    focused: Option<WindowId>,
    wall_offset_ms: i64,
    /// The tab that the last event discarded or renamed, as it was before.
    #[serde(skip)]
    before: Option<(TabId, Condition)>,
}

impl Books {
    /// The log's time, which never goes back.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms.unwrap_or_default()
    }

    /// What the awake clock shows at a time from the last event on.
    pub(super) fn awake_at(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.slept_ms)
    }

    /// Whether a tab is there.
    pub(super) fn contains(&self, tab: TabId) -> bool {
        self.tabs.contains(tab)
    }

    /// The page of a tab, as recorded.
    pub(super) fn page(&self, tab: TabId) -> Option<&Condition> {
        self.tabs.get(tab).map(|known| &known.page)
    }

    /// The tab that the last event discarded or renamed, as it was before.
    pub(super) fn before(&self) -> Option<&(TabId, Condition)> {
        self.before.as_ref()
    }

    /// Whether a tab is in front of its window, or in sight beside the one that is.
    pub(super) fn is_shown(&self, tab: TabId) -> bool {
        let known = self.tabs.get(tab);
        known.is_some_and(|known| self.fronts.get(&known.win) == Some(&tab))
            || self.in_sight.contains(&tab)
    }

    /// When a tab last was surely in front, or opened, by the log's time, as it stands at a time
    /// from the last event on.
    pub(super) fn in_front_ms(&self, tab: TabId, now_ms: i64) -> i64 {
        match self.tabs.get(tab) {
            Some(known) if !self.is_in_use(tab, known) => known.in_front_ms,
            _ => now_ms,
        }
    }

    /// Whether the focused window shows a tab.
    fn is_in_use(&self, tab: TabId, known: &Known) -> bool {
        self.focused == Some(known.win) && self.is_shown(tab)
    }

    /// Takes an event in.
    pub(super) fn see(&mut self, event: &Event) {
        let passed_ms = self.pass(event.t_ms);
        self.before = None;
        let now_ms = self.now_ms();
        match &event.input {
            Input::SessionStarted(snapshot) => {
                let told: BTreeSet<TabId> = snapshot.tabs.iter().map(|told| told.tab).collect();
                self.tabs.retain(|id, _| told.contains(&id));
                let tabs = &self.tabs;
                self.fronts.retain(|_, front| tabs.contains(*front));
                self.in_sight.retain(|&tab| tabs.contains(tab));
                for told in &snapshot.tabs {
                    self.learn(told, true);
                }
                let focused = snapshot.windows.iter().find(|window| window.focused);
                self.focus(focused.map(|window| window.win));
            }
            Input::TabOpened(told) => self.learn(told, false),
            Input::TabActivated { tab, win } => self.activate(*tab, *win),
            Input::TabMoved { tab, win } => self.move_tab(*tab, *win),
            Input::TabReplaced { tab, old } => self.rename(*old, *tab),
            Input::TabClosed { tab } => self.forget(*tab),
            Input::WindowClosed { win } => {
                self.tabs.retain(|_, known| known.win != *win);
                self.fronts.remove(win);
                let tabs = &self.tabs;
                self.in_sight.retain(|&tab| tabs.contains(tab));
            }
            Input::WindowFocused { win } => self.focus(*win),
            Input::ClockStepped { by_ms } => self.wall_offset_ms = *by_ms,
            Input::Suspended { ms } => {
                let slept_ms = i64::try_from(*ms).map_or(passed_ms, |ms| ms.min(passed_ms));
                self.slept_ms = self.slept_ms.saturating_add(slept_ms);
            }
            input => {
                let awake = self.awake_at(now_ms);
                if let Some(tab) = input.page_in()
                    && let Some(known) = self.tabs.get_mut(tab)
                {
                    if let Input::TabDiscarded { .. } = input {
                        self.before = Some((tab, known.page.clone()));
                    }
                    known.page.undergo(input, awake);
                }
                if let Input::TabChanged { tab, changes } = input {
                    self.put_in_sight(*tab, changes.in_sight);
                }
            }
        }
    }

    /// Goes on to a time, and tells how long it is until then. Time that goes back stands still.
    fn pass(&mut self, t_ms: i64) -> i64 {
        let before = self.now_ms.unwrap_or(t_ms);
        let now_ms = before.max(t_ms);
        self.now_ms = Some(now_ms);
        now_ms.saturating_sub(before)
    }

    /// The tab in front of the focused window, which is in use.
    fn in_use(&self) -> Option<TabId> {
        self.fronts.get(&self.focused?).copied()
    }

    fn focus(&mut self, win: Option<WindowId>) {
        if let Some(left) = self.in_use() {
            self.leave(left);
        }
        self.focused = win;
    }

    fn learn(&mut self, told: &TabFacts, in_snapshot: bool) {
        let now_ms = self.now_ms();
        let awake = self.awake_at(now_ms);
        let accessed_ms = (told.last_accessed).map(|wall| wall.saturating_sub(self.wall_offset_ms));
        let accessed_ms = accessed_ms.filter(|&then| in_snapshot && then < now_ms);
        let known = self.tabs.get_or_insert_with(told.tab, || Known {
            win: told.win,
            in_front_ms: accessed_ms.unwrap_or(now_ms),
            page: Condition::UNTOLD,
        });
        known.page.learn(told, awake);
        self.move_tab(told.tab, told.win);
        match told.active {
            Some(true) => self.activate(told.tab, told.win),
            Some(false) => self.leave_front(told.tab),
            None => {}
        }
        self.put_in_sight(told.tab, told.in_sight);
    }

    fn put_in_sight(&mut self, id: TabId, told: Option<bool>) {
        let is_new = match told {
            Some(true) => self.tabs.contains(id) && self.in_sight.insert(id),
            Some(false) => self.in_sight.remove(&id),
            None => false,
        };
        if is_new {
            self.leave(id);
        }
    }

    fn activate(&mut self, id: TabId, win: WindowId) {
        if !self.tabs.contains(id) {
            return;
        }
        self.move_tab(id, win);
        let left = self.fronts.insert(win, id);
        for tab in left.into_iter().chain([id]) {
            self.leave(tab);
        }
    }

    fn move_tab(&mut self, id: TabId, win: WindowId) {
        if self.tabs.get(id).is_some_and(|known| known.win != win) {
            self.leave_front(id);
            if self.in_sight.contains(&id) {
                self.leave(id);
            }
            self.with(id, |known| known.win = win);
        }
    }

    fn rename(&mut self, old: TabId, new: TabId) {
        if old == new {
            return;
        }
        let Some(known) = self.tabs.remove(old) else {
            return;
        };
        self.before = Some((old, known.page.clone()));
        self.forget(new);
        self.tabs.insert(new, known);
        for front in self.fronts.values_mut().filter(|front| **front == old) {
            *front = new;
        }
        if self.in_sight.remove(&old) {
            self.in_sight.insert(new);
        }
    }

    fn leave_front(&mut self, id: TabId) {
        let fronts_before = self.fronts.len();
        self.fronts.retain(|_, front| *front != id);
        if self.fronts.len() < fronts_before {
            self.leave(id);
        }
    }

    /// Notes that a tab was in front until now.
    fn leave(&mut self, id: TabId) {
        let now_ms = self.now_ms();
        self.with(id, |known| known.in_front_ms = now_ms);
    }

    fn forget(&mut self, id: TabId) {
        self.tabs.remove(id);
        self.fronts.retain(|_, front| *front != id);
        self.in_sight.remove(&id);
    }

    fn with(&mut self, id: TabId, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.tabs.get_mut(id) {
            change(known);
        }
    }
}
