//! Cuts a piece out of a trace, such that it is a trace of its own.
//!
//! A cut that does not begin with the trace begins with what was the case there: the policy and
//! the mode in force, what was known of the hosts, everything open, what was measured. A cut by
//! tabs keeps what happened to them, and what happened to the windows, the user and the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use engine::{Facts, HostKnowledge, Mode, Seq, TabId, World};
use recorder::{
    Body, ClockStepped, KnowledgeCarried, Line, ModeChanged, Paused, PolicyChanged, SessionStarted,
    Source, Tab, TabMemory, Window,
};

use crate::derivation::Piece;

/// What is cut out. What is not said cuts nothing off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The first line.
    pub from_seq: Option<Seq>,
    /// The last line.
    pub to_seq: Option<Seq>,
    /// The first moment (`t_ms`).
    pub from_ms: Option<i64>,
    /// The last moment (`t_ms`).
    pub to_ms: Option<i64>,
    /// The tabs, by every id they had; see [`every_id_of`].
    pub tabs: Option<BTreeSet<TabId>>,
}

impl Selection {
    fn is_before(&self, line: &Line) -> bool {
        self.from_seq.is_some_and(|from| line.seq < from)
            || self.from_ms.is_some_and(|from| line.t_ms < from)
    }

    fn is_after(&self, line: &Line) -> bool {
        self.to_seq.is_some_and(|to| line.seq > to) || self.to_ms.is_some_and(|to| line.t_ms > to)
    }

    fn has(&self, tab: TabId) -> bool {
        self.tabs.as_ref().is_none_or(|tabs| tabs.contains(&tab))
    }
}

/// Finds every id that some tabs had, from each tab's ids before and after it was replaced.
pub fn every_id_of(tabs: &BTreeSet<TabId>, renames: &[(TabId, TabId)]) -> BTreeSet<TabId> {
    let mut beside: BTreeMap<TabId, Vec<TabId>> = BTreeMap::new();
    for &(old, new) in renames {
        beside.entry(old).or_default().push(new);
        beside.entry(new).or_default().push(old);
    }
    let mut found = tabs.clone();
    let mut open: Vec<TabId> = tabs.iter().copied().collect();
    while let Some(id) = open.pop() {
        for &other in beside.get(&id).into_iter().flatten() {
            if found.insert(other) {
                open.push(other);
            }
        }
    }
    found
}

/// What a snapshot tells of a tab and the engine is not told.
#[derive(Clone, Debug, Default)]
struct Aside {
    scheme: Option<String>,
    muted: Option<bool>,
    frozen: Option<bool>,
    group: Option<i64>,
}

/// A cut under way.
#[derive(Clone, Debug)]
pub struct Cut {
    selection: Selection,
    facts: Facts,
    asides: BTreeMap<TabId, Aside>,
    policy: Option<PolicyChanged>,
    /// The last snapshot, without windows and tabs: what it says of the browser.
    browser: Option<SessionStarted>,
    has_begun: bool,
}

impl Cut {
    /// Begins before the first line.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            facts: Facts::new(Mode::Observe),
            asides: BTreeMap::new(),
            policy: None,
            browser: None,
            has_begun: false,
        }
    }

    /// Takes the next line in, and adds what stays to `pieces`. Breaks off after the last one.
    pub fn take(&mut self, line: Line, pieces: &mut Vec<Piece>) -> ControlFlow<()> {
        if self.selection.is_after(&line) {
            return ControlFlow::Break(());
        }
        if self.selection.is_before(&line) {
            self.follow(&line);
            return ControlFlow::Continue(());
        }
        if !self.has_begun {
            self.has_begun = true;
            self.begin(line.t_ms, pieces);
        }
        let in_front = self.selected_in_front();
        self.follow(&line);
        let t_ms = line.t_ms;
        let at_ms = line.at_ms;
        let is_exts = line.src == Source::Ext;
        match self.select(line) {
            Some(piece) => pieces.push(piece),
            // Another tab came to the front: this one is not there any more.
            None if in_front.iter().any(|&tab| self.has_left_front(tab)) => {
                let body = Body::SessionStarted(self.snapshot());
                pieces.push(Piece {
                    at_ms: at_ms.filter(|_| is_exts),
                    ..Piece::new(t_ms, body)
                });
            }
            None => {}
        }
        ControlFlow::Continue(())
    }

    /// What the world says, in the words of the log.
    fn begin(&self, t_ms: i64, pieces: &mut Vec<Piece>) {
        let world = self.facts.world();
        let mut say = |body| pieces.push(Piece::new(t_ms, body));
        if let Some(policy) = &self.policy {
            say(Body::PolicyChanged(policy.clone()));
        }
        if world.mode() != Mode::Observe {
            say(Body::ModeChanged(ModeChanged { mode: world.mode() }));
        }
        if let Some(until) = world.paused_until_ms() {
            let until_ms = Some(until);
            say(Body::Paused(Paused { until_ms }));
        }
        if world.wall_offset_ms() != 0 {
            let by_ms = world.wall_offset_ms();
            say(Body::ClockStepped(ClockStepped { by_ms }));
        }
        let hosts = self.knowledge();
        if !hosts.is_empty() {
            say(Body::KnowledgeCarried(KnowledgeCarried { hosts }));
        }
        if self.browser.is_some() || world.tab_count() > 0 {
            say(Body::SessionStarted(self.snapshot()));
        }
        for tab in world.tabs().filter(|tab| self.selection.has(tab.id)) {
            if let Some(bytes) = tab.bytes {
                say(Body::TabMemory(TabMemory {
                    tab: tab.id,
                    bytes,
                    how: engine::MemorySource::Measured,
                }));
            }
        }
        if *world.metrics() != engine::Metrics::default() {
            say(Body::Metrics((*world.metrics()).into()));
        }
    }

    /// What was known of the hosts. The snapshot that follows counts as a visit of the host in
    /// front, which is therefore told with one visit less.
    fn knowledge(&self) -> Vec<HostKnowledge> {
        let world = self.facts.world();
        let mut hosts = world.knowledge();
        let in_front = world.tab_in_front();
        let in_front = in_front.filter(|tab| self.selection.has(tab.id));
        let in_front = in_front.and_then(|tab| world.host_of(tab));
        if let Some(known) = hosts.iter_mut().find(|it| in_front == Some(&*it.host)) {
            if known.familiarity > 1 {
                known.familiarity -= 1;
            } else {
                known.last_in_front_ms = None;
            }
        }
        hosts
    }

    /// Everything open that is selected.
    fn snapshot(&self) -> SessionStarted {
        let world = self.facts.world();
        let windows = world.windows().map(|win| Window {
            win,
            focused: world.focused_window() == Some(win),
        });
        let tabs = world.tabs().filter(|tab| self.selection.has(tab.id));
        let browser = self.browser.as_ref();
        SessionStarted {
            browser: browser.and_then(|it| it.browser.clone()),
            browser_version: browser.and_then(|it| it.browser_version.clone()),
            extension_version: browser.and_then(|it| it.extension_version.clone()),
            idle: world.user(),
            windows: windows.collect(),
            tabs: tabs.map(|tab| self.facts(&world, tab)).collect(),
        }
    }

    fn facts(&self, world: &World, tab: &engine::Tab) -> Tab {
        let aside = self.asides.get(&tab.id).cloned().unwrap_or_default();
        let host = world.host_of(tab).map(Into::into);
        let last_in_front_ms = world.last_in_front(tab).now;
        Tab {
            scheme: aside.scheme.filter(|_| host.is_none()),
            host,
            protected: Some(tab.is_marked_protected),
            active: Some(tab.is_active),
            pinned: Some(tab.is_pinned),
            audible: Some(tab.is_audible),
            muted: aside.muted,
            discarded: Some(tab.is_discarded),
            loading: Some(tab.is_loading),
            frozen: aside.frozen,
            auto_discardable: Some(tab.is_auto_discardable),
            group: aside.group,
            unsaved: Some(tab.is_unsaved),
            capturing: Some(tab.is_capturing),
            in_sight: tab.is_in_sight.then_some(true),
            last_accessed: Some(last_in_front_ms.saturating_add(world.wall_offset_ms())),
            ..Tab::new(tab.id, tab.win)
        }
    }

    fn selected_in_front(&self) -> Vec<TabId> {
        let Some(tabs) = &self.selection.tabs else {
            return Vec::new();
        };
        let world = self.facts.world();
        let in_front = |id: &&TabId| world.tab(**id).is_some_and(|tab| tab.is_active);
        tabs.iter().filter(in_front).copied().collect()
    }

    fn has_left_front(&self, tab: TabId) -> bool {
        let tab = self.facts.world().tab(tab);
        tab.is_some_and(|tab| !tab.is_active)
    }

    /// Steps the world, and keeps what it does not.
    fn follow(&mut self, line: &Line) {
        match &line.body {
            Body::PolicyChanged(change) => self.policy = Some(change.clone()),
            Body::SessionStarted(session) => {
                self.browser = Some(SessionStarted {
                    windows: Vec::new(),
                    tabs: Vec::new(),
                    ..session.clone()
                });
            }
            _ => {}
        }
        if let Some(event) = line.event() {
            self.facts.apply(&event);
        }
        match &line.body {
            Body::SessionStarted(session) => {
                let world = self.facts.world();
                self.asides.retain(|&id, _| world.tab(id).is_some());
                for tab in &session.tabs {
                    self.keep_aside(tab);
                }
            }
            Body::TabOpened(tab) => self.keep_aside(tab),
            Body::TabNavigated(it) => {
                self.asides
                    .entry(it.tab)
                    .or_default()
                    .scheme
                    .clone_from(&it.scheme);
            }
            Body::TabChanged(it) => {
                let aside = self.asides.entry(it.tab).or_default();
                aside.muted = it.muted.or(aside.muted);
                aside.frozen = it.frozen.or(aside.frozen);
                aside.group = it.group.or(aside.group);
            }
            Body::TabReplaced(it) => {
                if let Some(aside) = self.asides.remove(&it.old) {
                    self.asides.insert(it.tab, aside);
                }
            }
            Body::TabClosed(it) => {
                self.asides.remove(&it.tab);
            }
            Body::WindowClosed(_) => {
                let world = self.facts.world();
                self.asides.retain(|&id, _| world.tab(id).is_some());
            }
            _ => {}
        }
    }

    fn keep_aside(&mut self, tab: &Tab) {
        let aside = self.asides.entry(tab.tab).or_default();
        if tab.host.is_some() || tab.scheme.is_some() {
            aside.scheme.clone_from(&tab.scheme);
        }
        aside.muted = tab.muted.or(aside.muted);
        aside.frozen = tab.frozen.or(aside.frozen);
        aside.group = tab.group.or(aside.group);
    }

    /// Returns what stays of a line; `None` where it is about other tabs alone.
    fn select(&self, line: Line) -> Option<Piece> {
        let mut piece = Piece::from(line);
        let has = |tab| self.selection.has(tab);
        let stays = match &mut piece.body {
            Body::SessionStarted(it) => {
                it.tabs.retain(|tab| has(tab.tab));
                for tab in &mut it.tabs {
                    tab.opener = tab.opener.filter(|&opener| has(opener));
                }
                true
            }
            Body::TabOpened(it) => {
                it.opener = it.opener.filter(|&opener| has(opener));
                has(it.tab)
            }
            Body::TabActivated(it) => has(it.tab),
            Body::TabNavigated(it) => has(it.tab),
            Body::TabLoaded(it) => has(it.tab),
            Body::TabChanged(it) => has(it.tab),
            Body::TabMoved(it) => has(it.tab),
            Body::TabReplaced(it) => has(it.tab),
            Body::TabDiscarded(it) => has(it.tab),
            Body::TabRestored(it) => has(it.tab),
            Body::TabClosed(it) => has(it.tab),
            Body::PruneRequested(it) => it.tab.is_none_or(has),
            Body::DiscardOutcome(it) => has(it.tab),
            Body::OrderDropped(it) => has(it.tab),
            Body::TabMemory(it) => has(it.tab),
            Body::Decision(it) => has(it.tab),
            _ => true,
        };
        stays.then_some(piece)
    }
}
