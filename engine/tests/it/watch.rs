//! A watchman over decisions. It keeps its own books from the raw events, a set of objections a
//! tab, and knows nothing of how the engine or the model decide.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Decision, Event, Gate, Input, Level, Mode, Output, Page, PolicyDocument, Reason, TabChanges,
    TabFacts, TabId, WindowId,
};

#[derive(Clone, Debug)]
struct Known {
    win: WindowId,
    host: Option<String>,
    objections: BTreeSet<&'static str>,
    /// Until when it counts as lately audible, on the awake clock.
    sounded_until: i64,
    /// When it was surely in front, or opened, by the log's time.
    in_front_ms: i64,
    is_shadowed: bool,
    /// The id it had in a decision, and until when that is awaited, on the awake clock.
    awaited: Option<(TabId, i64)>,
}

impl Known {
    fn object(&mut self, to: &'static str, holds: Option<bool>) {
        match holds {
            Some(true) => drop(self.objections.insert(to)),
            Some(false) => drop(self.objections.remove(to)),
            None => {}
        }
    }

    fn change(&mut self, changes: &TabChanges, awake: i64) {
        if changes.audible == Some(false) && self.objections.contains("audible") {
            self.sounded_until = awake + 60_000;
        }
        self.object("audible", changes.audible);
        self.object("pinned", changes.pinned);
        self.object("unsaved", changes.unsaved);
        self.object("capturing", changes.capturing);
        let is_forbidden = changes.auto_discardable.map(|allowed| !allowed);
        self.object("not auto-discardable", is_forbidden);
    }

    /// A tab that was in sight was looked at until it no longer is.
    fn see(&mut self, in_sight: Option<bool>, now_ms: i64) {
        if in_sight == Some(false) && self.objections.contains("in sight") {
            self.in_front_ms = now_ms;
        }
        self.object("in sight", in_sight);
    }
}

/// What is watched over. Its methods say what a decision broke.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    policy: PolicyDocument,
    mode: Mode,
    now_ms: Option<i64>,
    awake: i64,
    paused_until_ms: Option<i64>,
    tabs: BTreeMap<TabId, Known>,
    fronts: BTreeMap<WindowId, TabId>,
    focused: Option<WindowId>,
    wall_offset_ms: i64,
    last_prune_awake: Option<i64>,
}

impl Watch {
    pub(crate) fn new(policy: PolicyDocument, mode: Mode) -> Self {
        Self {
            policy,
            mode,
            now_ms: None,
            awake: 0,
            paused_until_ms: None,
            tabs: BTreeMap::new(),
            fronts: BTreeMap::new(),
            focused: None,
            wall_offset_ms: 0,
            last_prune_awake: None,
        }
    }

    /// Takes an event in, then looks at what the engine answered. Says what is wrong with it.
    pub(crate) fn see(&mut self, event: &Event, outputs: &[Output]) -> Result<(), String> {
        self.take_in(event);
        let decisions: Vec<&Decision> = outputs
            .iter()
            .filter_map(|output| match output {
                Output::Decision(decision) => Some(decision),
                Output::PressureChanged(_) => None,
            })
            .collect();
        if decisions.is_empty() {
            return Ok(());
        }
        self.check_occasion(event, &decisions)?;
        for (rank, decision) in (0..).zip(decisions) {
            if decision.rank != rank || decision.cause != event.seq {
                return Err(format!("{decision:?} has a wrong rank or cause"));
            }
            self.check_tab(decision)?;
        }
        self.last_prune_awake = Some(self.awake);
        Ok(())
    }

    /// Whether anything may be decided now, and so many.
    fn check_occasion(&self, event: &Event, decisions: &[&Decision]) -> Result<(), String> {
        let now_ms = self.now_ms.unwrap_or_default();
        let count = decisions.len();
        if self.paused_until_ms.is_some_and(|until| until > now_ms) {
            return Err(format!("{count} decisions in a pause"));
        }
        let policy = &self.policy;
        let at_high = policy.batch_high as usize;
        let at_medium = policy.batch_medium as usize;
        let to_target = match policy.target_free_percent {
            Some(_) => policy.batch_max as usize,
            None => 0,
        };
        let (is_request, at_most) = match &event.input {
            Input::PruneRequested { tab: Some(_) } => (true, 1),
            Input::PruneRequested { tab: None } => (true, at_high.max(to_target)),
            Input::Metrics(_) | Input::PressureSignal(_) => {
                let is_high = decisions
                    .iter()
                    .all(|decision| decision.level == Level::High);
                let by_level = if is_high { at_high } else { at_medium };
                match policy.gate {
                    Gate::Always => (false, usize::MAX),
                    Gate::Pressure => (false, by_level.max(to_target)),
                }
            }
            other => return Err(format!("{count} decisions at {other:?}")),
        };
        if count > at_most {
            return Err(format!(
                "{count} decisions at once, at most {at_most} are allowed"
            ));
        }
        let passed = self.last_prune_awake.map(|last| self.awake - last);
        let cooldown_ms = i64::from(policy.cooldown_seconds) * 1_000;
        let is_cooling_down = passed.is_some_and(|passed| passed < cooldown_ms);
        if is_cooling_down && !is_request && policy.gate == Gate::Pressure {
            return Err(format!("a prune {passed:?} ms after the last"));
        }
        let mode = if is_request { Mode::Enforce } else { self.mode };
        if decisions.iter().any(|decision| decision.mode != mode) {
            return Err(format!("a decision is not in {mode:?}"));
        }
        Ok(())
    }

    /// Whether this tab may be decided on.
    fn check_tab(&mut self, decision: &Decision) -> Result<(), String> {
        let now_ms = self.now_ms.unwrap_or_default();
        let minimum_ms = i64::from(self.policy.ttl_minimum_seconds) * 1_000;
        let is_front = self.fronts.values().any(|&front| front == decision.tab);
        let domains = &self.policy.protected_domains;
        let Some(tab) = self.tabs.get_mut(&decision.tab) else {
            return Err(format!("{decision:?} is about a tab that is not there"));
        };
        let mut objections = tab.objections.clone();
        if is_front {
            objections.insert("in front");
        }
        if self.awake < tab.sounded_until {
            objections.insert("lately audible");
        }
        // By the log's time: the user's windows are never longer than that.
        if now_ms - tab.in_front_ms < minimum_ms {
            objections.insert("young");
        }
        match &tab.host {
            None => drop(objections.insert("internal")),
            Some(host) => {
                let parents = host.match_indices('.').map(|(dot, _)| &host[dot..]);
                let names = parents.chain([host.as_str()]).map(str::to_owned);
                let mut names = names.chain([format!(".{host}")]);
                if names.any(|name| domains.contains(&name)) {
                    objections.insert("protected");
                }
            }
        }
        if tab.awaited.is_some_and(|(_, until)| self.awake < until) {
            objections.insert("awaited");
        }
        if tab.is_shadowed && !decision.reasons.contains(&Reason::Requested) {
            objections.insert("noted already");
        }
        if !objections.is_empty() {
            return Err(format!("{decision:?} against {objections:?}"));
        }
        match decision.mode {
            Mode::Observe => tab.is_shadowed = true,
            Mode::Enforce => tab.awaited = Some((decision.tab, self.awake + 30_000)),
        }
        Ok(())
    }

    fn take_in(&mut self, event: &Event) {
        let before = self.now_ms.unwrap_or(event.t_ms);
        let now_ms = before.max(event.t_ms);
        self.now_ms = Some(now_ms);
        self.awake += now_ms - before;
        if let Input::Suspended { ms } = event.input {
            let slept = i64::try_from(ms).unwrap_or(i64::MAX);
            self.awake -= slept.min(now_ms - before);
        }
        self.look_at_front();
        self.apply(&event.input);
        self.look_at_front();
    }

    /// The tab in front of the focused window is in use.
    fn look_at_front(&mut self) {
        let front = self.focused.and_then(|win| self.fronts.get(&win));
        let known = front.and_then(|front| self.tabs.get_mut(front));
        if let (Some(known), Some(now_ms)) = (known, self.now_ms) {
            known.in_front_ms = now_ms;
        }
    }

    fn apply(&mut self, input: &Input) {
        let awake = self.awake;
        match input {
            Input::SessionStarted(snapshot) => {
                self.tabs
                    .retain(|id, _| snapshot.tabs.iter().any(|facts| facts.tab == *id));
                let tabs = &self.tabs;
                self.fronts.retain(|_, front| tabs.contains_key(front));
                for facts in &snapshot.tabs {
                    self.told(facts, true);
                }
                let focused = snapshot.windows.iter().find(|window| window.focused);
                self.focused = focused.map(|window| window.win);
            }
            Input::TabOpened(facts) => self.told(facts, false),
            Input::TabActivated { tab, win } => self.activated(*tab, *win),
            Input::TabNavigated {
                tab,
                page,
                protected,
            } => self.with(*tab, |known| {
                known.host = host_of(page);
                known.object("protected", Some(*protected == Some(true)));
                known.object("loading", Some(true));
                known.object("discarded", Some(false));
                known.object("unsaved", Some(false));
                known.is_shadowed = false;
            }),
            Input::TabLoaded { tab, .. } => {
                self.with(*tab, |known| known.object("loading", Some(false)));
            }
            Input::TabChanged { tab, changes } => {
                let now_ms = self.now_ms.unwrap_or_default();
                self.with(*tab, |known| {
                    known.change(changes, awake);
                    known.see(changes.in_sight, now_ms);
                });
            }
            Input::TabMoved { tab, win } => self.moved(*tab, *win),
            Input::TabReplaced { tab, old } => self.renamed(*old, *tab),
            Input::TabDiscarded { tab, .. } => self.with(*tab, |known| {
                if !known.objections.contains("discarded") {
                    known.object("discarded", Some(true));
                    known.object("loading", Some(false));
                    let ended = TabChanges {
                        audible: Some(false),
                        unsaved: Some(false),
                        capturing: Some(false),
                        ..TabChanges::default()
                    };
                    known.change(&ended, awake);
                    known.awaited = None;
                    known.is_shadowed = false;
                }
            }),
            Input::TabRestored { tab } => self.with(*tab, |known| {
                if known.objections.remove("discarded") {
                    known.object("loading", Some(true));
                }
            }),
            Input::TabClosed { tab } => self.gone(*tab),
            Input::WindowClosed { win } => {
                self.tabs.retain(|_, known| known.win != *win);
                self.fronts.remove(win);
            }
            Input::WindowFocused { win } => self.focused = *win,
            Input::DiscardOutcome { tab, .. } => {
                for known in self.tabs.values_mut() {
                    known.awaited = known.awaited.filter(|(decided_as, _)| decided_as != tab);
                }
            }
            Input::PolicyChanged(policy) => self.policy = (**policy).clone(),
            Input::ModeChanged(mode) => {
                self.mode = *mode;
                for known in self.tabs.values_mut() {
                    known.is_shadowed &= *mode == Mode::Observe;
                }
            }
            Input::Paused { until_ms } => self.paused_until_ms = *until_ms,
            Input::ClockStepped { by_ms } => self.wall_offset_ms = *by_ms,
            _ => {}
        }
    }

    fn told(&mut self, facts: &TabFacts, in_snapshot: bool) {
        let (now_ms, awake) = (self.now_ms.unwrap_or_default(), self.awake);
        let accessed_ms = facts.last_accessed.map(|wall| wall - self.wall_offset_ms);
        let accessed_ms = accessed_ms.filter(|&then| in_snapshot && then < now_ms);
        self.tabs.entry(facts.tab).or_insert_with(|| Known {
            win: facts.win,
            host: None,
            objections: BTreeSet::new(),
            sounded_until: i64::MIN,
            in_front_ms: accessed_ms.unwrap_or(now_ms),
            is_shadowed: false,
            awaited: None,
        });
        self.moved(facts.tab, facts.win);
        self.with(facts.tab, |known| {
            if facts.page.is_some() {
                known.host = host_of(&facts.page);
            }
            known.object("protected", facts.protected);
            known.object("discarded", facts.discarded);
            known.object("loading", facts.loading);
            if facts.discarded == Some(true) {
                known.awaited = None;
                known.is_shadowed = false;
            }
            let changes = TabChanges {
                pinned: facts.pinned,
                audible: facts.audible,
                auto_discardable: facts.auto_discardable,
                unsaved: facts.unsaved,
                capturing: facts.capturing,
                in_sight: None,
            };
            known.change(&changes, awake);
            known.see(facts.in_sight, now_ms);
        });
        match facts.active {
            Some(true) => self.activated(facts.tab, facts.win),
            Some(false) => self.leaves_front(facts.tab),
            None => {}
        }
    }

    fn activated(&mut self, id: TabId, win: WindowId) {
        if !self.tabs.contains_key(&id) {
            return;
        }
        self.moved(id, win);
        if let Some(&front) = self.fronts.get(&win) {
            self.leaves_front(front);
        }
        self.fronts.insert(win, id);
        let now_ms = self.now_ms.unwrap_or_default();
        self.with(id, |known| {
            known.in_front_ms = now_ms;
            known.is_shadowed = false;
        });
    }

    fn moved(&mut self, id: TabId, win: WindowId) {
        if self.tabs.get(&id).is_some_and(|known| known.win != win) {
            self.leaves_front(id);
            self.with(id, |known| known.win = win);
        }
    }

    fn renamed(&mut self, old: TabId, new: TabId) {
        if old == new || !self.tabs.contains_key(&old) {
            return;
        }
        self.gone(new);
        if let Some(known) = self.tabs.remove(&old) {
            self.tabs.insert(new, known);
        }
        for front in self.fronts.values_mut().filter(|front| **front == old) {
            *front = new;
        }
    }

    fn leaves_front(&mut self, id: TabId) {
        let now_ms = self.now_ms.unwrap_or_default();
        let fronts_before = self.fronts.len();
        self.fronts.retain(|_, front| *front != id);
        if self.fronts.len() < fronts_before {
            self.with(id, |known| known.in_front_ms = now_ms);
        }
    }

    fn gone(&mut self, id: TabId) {
        self.tabs.remove(&id);
        self.fronts.retain(|_, front| *front != id);
    }

    fn with(&mut self, id: TabId, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.tabs.get_mut(&id) {
            change(known);
        }
    }
}

fn host_of(page: &Option<Page>) -> Option<String> {
    match page {
        Some(Page::Web(host)) => Some(host.to_string()),
        Some(Page::Internal) | None => None,
    }
}
