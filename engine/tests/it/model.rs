//! The engine as its design tells it, written as plainly as can be.
//!
//! A list of tabs, and everything worked out anew from it at each step: no index, no order that
//! is kept, no code of the engine but its words for inputs and outputs. It is slow, and meant to
//! be easy to see right. [`Rule`] names what can be left out of it, to prove that the comparison
//! would notice.

use engine::{
    ActFrom, Decision, Event, Gate, HostKnowledge, Input, Level, MemorySource, Metrics, Mode,
    Output, Page, PolicyDocument, PressureChange, Rank, Reason, Seq, Severity, Snapshot,
    TabChanges, TabFacts, TabId, TtlClock, UserState, WindowId,
};

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DEFAULT_BYTES: u64 = 80 * 1024 * 1024;

macro_rules! rules {
    ($($rule:ident),+ $(,)?) => {
        /// What can be left out of the model, to see whether that is noticed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Rule { $($rule),+ }

        pub(crate) const RULES: &[Rule] = &[$(Rule::$rule),+];
    };
}

rules! {
    Active,
    Pinned,
    Audible,
    RecentlyAudible,
    Capturing,
    Unsaved,
    NotAutoDiscardable,
    Protected,
    Internal,
    Loading,
    Discarded,
    Young,
    IdleTimeDoesNotCount,
    SleepDoesNotCount,
    IdleBeforeTheLogIsCapped,
    LeavingTheFrontCounts,
    InSight,
    LeavingSightCounts,
    InSightIsContext,
    Pause,
    Cooldown,
    Batch,
    Target,
    Hysteresis,
    SignalEnds,
    Swapping,
    SameHostIsContext,
    SameWindowIsContext,
    ContextIsCapped,
    ReturnsCount,
    FamiliarityEnds,
    Outcome,
    Shadow,
    EnforceLiftsShadows,
    Refusal,
    ChangeLiftsRefusal,
    RequestsSkipTtl,
    RequestsAreEnforced,
    MeasuredBytes,
    MedianBytes,
}

/// The three clocks at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Clocks {
    now: i64,
    awake: i64,
    active: i64,
}

impl Clocks {
    fn read(self, clock: TtlClock) -> i64 {
        match clock {
            TtlClock::Wall => self.now,
            TtlClock::Awake => self.awake,
            TtlClock::Active => self.active,
        }
    }
}

#[derive(Clone, Debug)]
struct Tab {
    id: TabId,
    win: WindowId,
    host: Option<String>,
    marked_protected: bool,
    active: bool,
    pinned: bool,
    audible: bool,
    silent_since: Option<i64>,
    discarded: bool,
    loading: bool,
    auto_discardable: bool,
    unsaved: bool,
    capturing: bool,
    in_sight: bool,
    last_active: Clocks,
    known_since: Clocks,
    bytes: Option<u64>,
    shadowed: bool,
    order: Order,
}

impl Tab {
    fn is_shown(&self) -> bool {
        self.active || self.in_sight
    }
}

/// What became of the last decision on a tab that was to be carried out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    None,
    Decided { as_tab: TabId, until: i64 },
    Refused { until: i64 },
}

/// What the hosts are known by, in the order in which it came.
#[derive(Clone, Debug)]
enum Note {
    CameToFront { host: String, now: i64 },
    LeftFront { host: String, now: i64 },
    Freed { host: String, bytes: u64 },
    Carried(HostKnowledge),
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    without: Option<Rule>,
    history: Vec<Event>,
    awake_times: Vec<i64>,
    at: Clocks,
    policy: PolicyDocument,
    mode: Mode,
    paused_until: Option<i64>,
    wall_offset: i64,
    windows: Vec<WindowId>,
    tabs: Vec<Tab>,
    focused: Option<WindowId>,
    last_focused: Option<WindowId>,
    last_activated: Option<WindowId>,
    front: Option<String>,
    notes: Vec<Note>,
    metrics: Metrics,
    score: u8,
    level: Level,
    level_of_score: Level,
    reasons: Vec<Reason>,
    last_prune: Option<i64>,
    anomalies: u64,
}

impl Model {
    pub(crate) fn new(policy: PolicyDocument, mode: Mode) -> Self {
        Self {
            without: None,
            history: Vec::new(),
            awake_times: Vec::new(),
            at: Clocks::default(),
            policy,
            mode,
            paused_until: None,
            wall_offset: 0,
            windows: Vec::new(),
            tabs: Vec::new(),
            focused: None,
            last_focused: None,
            last_activated: None,
            front: None,
            notes: Vec::new(),
            metrics: Metrics::default(),
            score: 0,
            level: Level::Low,
            level_of_score: Level::Low,
            reasons: Vec::new(),
            last_prune: None,
            anomalies: 0,
        }
    }

    /// A model that lacks a rule.
    pub(crate) fn without(self, rule: Rule) -> Self {
        Self {
            without: Some(rule),
            ..self
        }
    }

    pub(crate) fn anomalies(&self) -> u64 {
        self.anomalies
    }

    pub(crate) fn step(&mut self, event: &Event) -> Vec<Output> {
        if self.history.last().is_some() && event.t_ms < self.at.now {
            self.anomalies += 1;
        }
        self.history.push(event.clone());
        self.at = self.clocks();
        self.awake_times.push(self.at.awake);
        self.take_in(&event.input);
        self.after_each_event();
        match &event.input {
            Input::Metrics(_) | Input::PressureSignal(_) => {
                let mut outputs = self.feel_pressure(event.seq);
                outputs.extend(self.attempt(event.seq));
                outputs
            }
            Input::PruneRequested { tab } => self.prune(event.seq, *tab),
            _ => Vec::new(),
        }
    }

    fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    // Clocks.

    /// Adds up, over all of the log, the time that counts on each clock.
    fn clocks(&self) -> Clocks {
        let Some(first) = self.history.first() else {
            return Clocks::default();
        };
        let mut at = Clocks {
            now: first.t_ms,
            awake: first.t_ms,
            active: first.t_ms,
        };
        let mut user: Option<UserState> = None;
        let mut last_sign_of_life = at.awake;
        for event in &self.history {
            let passed = (event.t_ms - at.now).max(0);
            let slept = match event.input {
                Input::Suspended { ms } if self.has(Rule::SleepDoesNotCount) => {
                    i64::try_from(ms).unwrap_or(i64::MAX).min(passed)
                }
                _ => 0,
            };
            let awake = passed - slept;
            let away = match user {
                Some(UserState::Active) => 0,
                Some(UserState::Idle | UserState::Locked) => awake,
                None => (at.awake + awake - (last_sign_of_life + 30 * MINUTE)).clamp(0, awake),
            };
            at.now += passed;
            at.awake += awake;
            at.active += awake;
            if self.has(Rule::IdleTimeDoesNotCount) {
                at.active -= away;
            }
            if event.input.shows_presence() {
                last_sign_of_life = at.awake;
            }
            match &event.input {
                Input::SessionStarted(snapshot) => user = snapshot.user,
                Input::UserIdle(state) => user = Some(*state),
                _ => {}
            }
        }
        at
    }

    // World.

    fn take_in(&mut self, input: &Input) {
        match input {
            Input::SessionStarted(snapshot) => self.session_started(snapshot),
            Input::TabOpened(facts) => self.told_of_tab(facts, false),
            Input::TabActivated { tab, win } => self.activated(*tab, *win),
            Input::TabNavigated {
                tab,
                page,
                protected,
            } => self.change(*tab, |tab, _| {
                tab.host = host_of(page.as_ref());
                tab.marked_protected = *protected == Some(true);
                tab.loading = true;
                tab.discarded = false;
                tab.unsaved = false;
                tab.bytes = None;
                tab.shadowed = false;
                if matches!(tab.order, Order::Refused { .. }) {
                    tab.order = Order::None;
                }
            }),
            Input::TabLoaded { tab, .. } => self.change(*tab, |tab, _| tab.loading = false),
            Input::TabChanged { tab, changes } => {
                self.change(*tab, |tab, at| changed(tab, *changes, at));
                self.told_of_sight(*tab, changes.in_sight);
                self.lift_refusal(*tab);
            }
            Input::TabMoved { tab, win } => {
                if self.find(*tab).is_none() {
                    self.anomalies += 1;
                } else {
                    self.moved(*tab, *win);
                    self.lift_refusal(*tab);
                }
            }
            Input::TabReplaced { tab, old } => self.replaced(*old, *tab),
            Input::TabDiscarded { tab, .. } => {
                if self.find(*tab).is_some_and(|tab| tab.discarded) {
                    self.anomalies += 1;
                    return;
                }
                self.change(*tab, |tab, at| {
                    tab.discarded = true;
                    tab.loading = false;
                    tab.unsaved = false;
                    tab.capturing = false;
                    let silent = TabChanges {
                        audible: Some(false),
                        ..TabChanges::default()
                    };
                    changed(tab, silent, at);
                });
            }
            Input::TabRestored { tab } => {
                if self.find(*tab).is_some_and(|tab| !tab.discarded) {
                    self.anomalies += 1;
                    return;
                }
                self.change(*tab, |tab, _| {
                    tab.discarded = false;
                    tab.loading = true;
                });
            }
            Input::TabClosed { tab } => {
                if self.find(*tab).is_none() {
                    self.anomalies += 1;
                }
                self.tabs.retain(|other| other.id != *tab);
            }
            Input::WindowOpened { win } => self.window_known(*win),
            Input::WindowClosed { win } => {
                if !self.windows.contains(win) {
                    self.anomalies += 1;
                }
                self.tabs.retain(|tab| tab.win != *win);
                self.windows.retain(|other| other != win);
                self.forget_closed_windows();
            }
            Input::WindowFocused { win } => self.window_focused(*win),
            Input::DiscardOutcome { tab, ok, .. } => self.outcome(*tab, *ok),
            Input::PolicyChanged(policy) => self.policy = (**policy).clone(),
            Input::ModeChanged(mode) => {
                self.mode = *mode;
                if *mode == Mode::Enforce && self.has(Rule::EnforceLiftsShadows) {
                    for tab in &mut self.tabs {
                        tab.shadowed = false;
                    }
                }
            }
            Input::Paused { until_ms } => self.paused_until = *until_ms,
            Input::KnowledgeCarried(hosts) => {
                self.notes.extend(hosts.iter().cloned().map(Note::Carried));
            }
            Input::Metrics(metrics) => self.metrics = *metrics,
            Input::TabMemory { tab, bytes, how } => {
                self.change(*tab, |tab, _| tab.bytes = Some(*bytes));
                let host = self.find(*tab).and_then(|tab| tab.host.clone());
                if let (MemorySource::Reclaimed, Some(host)) = (how, host) {
                    self.notes.push(Note::Freed {
                        host,
                        bytes: *bytes,
                    });
                }
            }
            Input::ClockStepped { by_ms } => self.wall_offset = *by_ms,
            Input::UserIdle(_)
            | Input::PruneRequested { .. }
            | Input::PressureSignal(_)
            | Input::Suspended { .. } => {}
        }
    }

    /// What is so after every event.
    fn after_each_event(&mut self) {
        let at = self.at;
        for tab in &mut self.tabs {
            // What the focused window shows is in use now.
            if tab.is_shown() && self.focused == Some(tab.win) {
                tab.last_active = at;
            }
            if tab.is_shown() || tab.discarded {
                tab.shadowed = false;
                if tab.discarded || matches!(tab.order, Order::Refused { .. }) {
                    tab.order = Order::None;
                }
            }
        }
        let front = self.tab_in_front().and_then(|tab| tab.host.clone());
        if front != self.front {
            let now = at.now;
            if let Some(host) = self.front.take() {
                self.notes.push(Note::LeftFront { host, now });
            }
            if let Some(host) = front.clone() {
                self.notes.push(Note::CameToFront { host, now });
            }
            self.front = front;
        }
    }

    fn session_started(&mut self, snapshot: &Snapshot) {
        self.tabs
            .retain(|tab| snapshot.tabs.iter().any(|facts| facts.tab == tab.id));
        self.windows = snapshot.windows.iter().map(|facts| facts.win).collect();
        for facts in &snapshot.tabs {
            self.window_known(facts.win);
        }
        for facts in &snapshot.tabs {
            self.told_of_tab(facts, true);
        }
        let mut focused = snapshot.windows.iter().filter(|facts| facts.focused);
        let focused = focused.next().map(|facts| facts.win);
        if focused != self.focused {
            self.window_focused(focused);
        }
        self.forget_closed_windows();
    }

    fn told_of_tab(&mut self, facts: &TabFacts, in_snapshot: bool) {
        self.window_known(facts.win);
        if self.find(facts.tab).is_some() {
            self.moved(facts.tab, facts.win);
            let accessed = facts.last_accessed.filter(|_| in_snapshot);
            let then = accessed.map(|wall| (wall - self.wall_offset, self.at_wall_clock(wall)));
            self.change(facts.tab, |tab, at| {
                if let Some((t_ms, moment)) = then
                    && t_ms - tab.last_active.now > 60 * SECOND
                {
                    tab.last_active = moment;
                }
                if facts.page.is_some() {
                    tab.host = host_of(facts.page.as_ref());
                }
                let changes = TabChanges {
                    pinned: facts.pinned,
                    audible: facts.audible,
                    auto_discardable: facts.auto_discardable,
                    unsaved: facts.unsaved,
                    capturing: facts.capturing,
                    in_sight: None,
                };
                changed(tab, changes, at);
                tab.marked_protected = facts.protected.unwrap_or(tab.marked_protected);
                tab.discarded = facts.discarded.unwrap_or(tab.discarded);
                tab.loading = facts.loading.unwrap_or(tab.loading);
            });
        } else {
            let last_accessed = facts.last_accessed.filter(|_| in_snapshot);
            self.tabs.push(Tab {
                id: facts.tab,
                win: facts.win,
                host: host_of(facts.page.as_ref()),
                marked_protected: facts.protected == Some(true),
                active: false,
                pinned: facts.pinned == Some(true),
                audible: facts.audible == Some(true),
                silent_since: None,
                discarded: facts.discarded == Some(true),
                loading: facts.loading == Some(true),
                auto_discardable: facts.auto_discardable != Some(false),
                unsaved: facts.unsaved == Some(true),
                capturing: facts.capturing == Some(true),
                in_sight: false,
                last_active: last_accessed.map_or(self.at, |wall| self.at_wall_clock(wall)),
                known_since: self.at,
                bytes: None,
                shadowed: false,
                order: Order::None,
            });
        }
        let is_active = self.find(facts.tab).is_some_and(|tab| tab.active);
        match facts.active {
            Some(true) if !is_active => self.activated(facts.tab, facts.win),
            Some(false) => self.leaves_front(facts.tab),
            Some(true) | None => {}
        }
        self.told_of_sight(facts.tab, facts.in_sight);
    }

    fn told_of_sight(&mut self, id: TabId, told: Option<bool>) {
        let is_known = self.find(id).is_some() && self.has(Rule::InSight);
        let counts = self.has(Rule::LeavingSightCounts);
        if let Some(in_sight) = told.filter(|_| is_known) {
            self.change(id, |tab, at| {
                if in_sight != tab.in_sight && (in_sight || counts) {
                    tab.last_active = at;
                }
                tab.in_sight = in_sight;
            });
        }
    }

    /// A moment by the wall clock. Before the log all clocks ran alike. Of a moment within it,
    /// at which the log saw nothing, only the present is sure not to be too early.
    fn at_wall_clock(&self, wall: i64) -> Clocks {
        let then = wall - self.wall_offset;
        match self.history.first() {
            Some(first) if then < first.t_ms => Clocks {
                now: then,
                awake: then,
                active: then,
            },
            _ => self.at,
        }
    }

    fn activated(&mut self, id: TabId, win: WindowId) {
        let Some(tab) = self.find(id) else {
            self.anomalies += 1;
            return;
        };
        if tab.win != win {
            self.anomalies += 1;
            self.moved(id, win);
        }
        let others: Vec<TabId> = (self.tabs.iter())
            .filter(|tab| tab.win == win && tab.id != id)
            .map(|tab| tab.id)
            .collect();
        for other in others {
            self.leaves_front(other);
        }
        self.window_known(win);
        self.change(id, |tab, at| {
            tab.active = true;
            tab.last_active = at;
        });
        self.last_activated = Some(win);
    }

    fn leaves_front(&mut self, id: TabId) {
        let counts = self.has(Rule::LeavingTheFrontCounts);
        if self.find(id).is_some_and(|tab| tab.active) {
            self.change(id, |tab, at| {
                tab.active = false;
                if counts {
                    tab.last_active = at;
                }
            });
        }
    }

    fn moved(&mut self, id: TabId, win: WindowId) {
        if self.find(id).is_some_and(|tab| tab.win != win) {
            self.leaves_front(id);
            self.window_known(win);
            self.change(id, |tab, at| {
                tab.win = win;
                if tab.in_sight {
                    tab.last_active = at;
                }
            });
        }
    }

    fn replaced(&mut self, old: TabId, new: TabId) {
        if old == new || self.find(old).is_none() {
            self.anomalies += 1;
            return;
        }
        if self.find(new).is_some() {
            self.anomalies += 1;
            self.tabs.retain(|tab| tab.id != new);
        }
        self.change(old, |tab, _| tab.id = new);
    }

    fn window_focused(&mut self, win: Option<WindowId>) {
        if win.is_some_and(|win| !self.windows.contains(&win)) {
            self.anomalies += 1;
            return;
        }
        for tab in &mut self.tabs {
            let loses = self.focused == Some(tab.win);
            let gains = win == Some(tab.win);
            if tab.is_shown() && (loses || gains) {
                tab.last_active = self.at;
            }
        }
        self.focused = win;
        if win.is_some() {
            self.last_focused = win;
        }
    }

    fn window_known(&mut self, win: WindowId) {
        if !self.windows.contains(&win) {
            self.windows.push(win);
        }
    }

    fn forget_closed_windows(&mut self) {
        let windows = &self.windows;
        let open = |win: Option<WindowId>| win.filter(|win| windows.contains(win));
        self.focused = open(self.focused);
        self.last_focused = open(self.last_focused);
        self.last_activated = open(self.last_activated);
    }

    fn outcome(&mut self, decided: TabId, ok: bool) {
        if ok || !self.has(Rule::Refusal) {
            return;
        }
        let until = self.at.awake + 10 * MINUTE;
        let mut about: Vec<&mut Tab> = (self.tabs.iter_mut())
            .filter(|tab| matches!(tab.order, Order::Decided { as_tab, .. } if as_tab == decided))
            .collect();
        about.sort_by_key(|tab| tab.id);
        if let Some(tab) = about.first_mut() {
            tab.order = Order::Refused { until };
        }
    }

    fn lift_refusal(&mut self, id: TabId) {
        let lifts = self.has(Rule::ChangeLiftsRefusal);
        for tab in self.tabs.iter_mut().filter(|tab| tab.id == id) {
            if lifts && matches!(tab.order, Order::Refused { .. }) {
                tab.order = Order::None;
            }
        }
    }

    fn find(&self, id: TabId) -> Option<&Tab> {
        self.tabs.iter().find(|tab| tab.id == id)
    }

    fn change(&mut self, id: TabId, change: impl FnOnce(&mut Tab, Clocks)) {
        match self.tabs.iter_mut().find(|tab| tab.id == id) {
            Some(tab) => change(tab, self.at),
            None => self.anomalies += 1,
        }
    }

    // Hosts.

    /// Counts the visits of a host: how often it came to the front after another one.
    fn familiarity(&self, tab: &Tab) -> u8 {
        let Some(of) = tab.host.as_deref() else {
            return 1;
        };
        let mut visits: u8 = 0;
        let mut last_in_front = None;
        let mut last_host: Option<&str> = None;
        for note in &self.notes {
            match note {
                Note::CameToFront { host, now } => {
                    let is_visit = last_host != Some(host) || !self.has(Rule::ReturnsCount);
                    last_host = Some(host);
                    if host == of && is_visit {
                        let is_long_away = last_in_front.is_some_and(|last| now - last > 24 * HOUR);
                        visits = if is_long_away && self.has(Rule::FamiliarityEnds) {
                            1
                        } else {
                            (visits + 1).min(8)
                        };
                        last_in_front = Some(*now);
                    }
                }
                Note::LeftFront { host, now } if host == of => last_in_front = Some(*now),
                // What this session has learnt itself stands.
                Note::Carried(known)
                    if known.host == of && visits == 0 && known.last_in_front_ms.is_some() =>
                {
                    visits = known.familiarity.clamp(1, 8);
                    last_in_front = known.last_in_front_ms;
                }
                _ => {}
            }
        }
        visits.clamp(1, 8)
    }

    fn expected_bytes(&self, tab: &Tab) -> u64 {
        if let Some(bytes) = tab.bytes.filter(|_| self.has(Rule::MeasuredBytes)) {
            return bytes;
        }
        let mut freed = Vec::new();
        for note in &self.notes {
            match note {
                Note::Freed { host, bytes } if tab.host.as_ref() == Some(host) => {
                    freed.push(*bytes);
                }
                Note::Carried(known)
                    if tab.host.as_ref() == Some(&known.host) && freed.is_empty() =>
                {
                    freed.extend(known.bytes);
                }
                _ => {}
            }
        }
        // The median of the last nine.
        let mut freed = freed.split_off(freed.len().saturating_sub(9));
        freed.sort_unstable();
        let median = freed.get(freed.len() / 2).copied();
        median
            .filter(|_| self.has(Rule::MedianBytes))
            .unwrap_or(DEFAULT_BYTES)
    }

    // Focus.

    fn tab_in_front(&self) -> Option<&Tab> {
        let win = self.last_focused.or(self.last_activated)?;
        self.tabs.iter().find(|tab| tab.win == win && tab.active)
    }

    pub(crate) fn cluster(&self) -> Vec<TabId> {
        let focus = &self.policy.focus;
        let Some(front) = self.tab_in_front().filter(|_| focus.enabled) else {
            return Vec::new();
        };
        let clock = self.policy.ttl_clock;
        let recently = self.at.read(clock) - minutes(focus.cluster_minutes);
        let mut newest_first: Vec<&Tab> = (self.tabs.iter())
            .filter(|tab| !tab.discarded && tab.id != front.id)
            .collect();
        newest_first.sort_by_key(|tab| (-tab.last_active.now, -tab.id.0));

        let is_on_host = |tab: &Tab| {
            tab.host.is_some() && tab.host == front.host && self.has(Rule::SameHostIsContext)
        };
        let is_in_window = |tab: &Tab| {
            tab.win == front.win
                && tab.last_active.read(clock) >= recently
                && self.has(Rule::SameWindowIsContext)
        };
        let mut members = vec![front.id];
        if self.has(Rule::InSightIsContext) {
            let mut beside: Vec<TabId> = (newest_first.iter())
                .filter(|tab| tab.in_sight && tab.win == front.win)
                .map(|tab| tab.id)
                .collect();
            beside.sort();
            members.extend(beside);
        }
        newest_first.retain(|tab| !members.contains(&tab.id));
        members.extend((newest_first.iter().filter(|tab| is_on_host(tab))).map(|tab| tab.id));
        members.extend(
            (newest_first.iter())
                .filter(|tab| !is_on_host(tab) && is_in_window(tab))
                .map(|tab| tab.id),
        );
        if self.has(Rule::ContextIsCapped) {
            members.truncate(focus.cluster_cap as usize);
        }
        members
    }

    // Pressure.

    fn feel_pressure(&mut self, cause: Seq) -> Vec<Output> {
        let was = self.level;
        let settings = self.policy.pressure.clone();
        let metrics = self.metrics;
        let total = metrics.ram_total.filter(|&total| total > 0);
        let percent = |bytes: u64| total.map(|total| 100.0 * bytes as f64 / total as f64);
        let used = metrics.ram_used.and_then(percent);
        let free = self.free_bytes().and_then(percent);

        let rising = |value: Option<f64>, from: f64, to: f64| {
            value.map_or(0.0, |value| ((value - from) / (to - from)).clamp(0.0, 1.0))
        };
        let ram = rising(used, settings.used_from_percent, settings.used_full_percent);
        let scarce = rising(free, settings.free_from_percent, settings.free_full_percent);
        let cpu = rising(
            metrics.cpu,
            settings.cpu_from_percent,
            settings.cpu_full_percent,
        );
        let on_battery = metrics.on_battery == Some(true);
        let points = (f64::from(settings.ram_weight) * ram.max(scarce)).round()
            + (f64::from(settings.cpu_weight) * cpu).round()
            + if on_battery {
                f64::from(settings.battery_weight)
            } else {
                0.0
            };
        self.score = (0..=100)
            .rfind(|&score| f64::from(score) <= points)
            .unwrap_or(0);

        let hysteresis = if self.has(Rule::Hysteresis) {
            settings.hysteresis
        } else {
            0
        };
        // At score 0 every level is left, however wide the hysteresis.
        let stays = |level: Level, threshold: u8| {
            self.score >= threshold
                || (self.level_of_score >= level
                    && self.score > threshold.saturating_sub(hysteresis))
        };
        self.level_of_score = if stays(Level::High, settings.high_score) {
            Level::High
        } else if stays(Level::Medium, settings.medium_score) {
            Level::Medium
        } else {
            Level::Low
        };

        let above = |value: Option<f64>, limit: f64| value.is_some_and(|value| value > limit);
        let below = |value: Option<f64>, limit: f64| value.is_some_and(|value| value < limit);
        let from = |value: Option<f64>, limit: f64| value.is_some_and(|value| value >= limit);
        let is_ram_high = above(used, settings.ram_high_used_percent)
            || below(free, settings.ram_high_free_percent);
        let is_ram_elevated = above(used, settings.ram_elevated_used_percent)
            || below(free, settings.ram_elevated_free_percent);
        let is_cpu_high = above(metrics.cpu, settings.cpu_high_percent);
        let is_cpu_elevated = above(metrics.cpu, settings.cpu_elevated_percent);
        let signal = self.signal();
        let facts = [
            (is_ram_high, Reason::RamHigh, Level::High),
            (
                is_ram_elevated && !is_ram_high,
                Reason::RamElevated,
                Level::Low,
            ),
            (is_cpu_high, Reason::CpuHigh, Level::Low),
            (
                is_cpu_elevated && !is_cpu_high,
                Reason::CpuElevated,
                Level::Low,
            ),
            (on_battery, Reason::OnBattery, Level::Low),
            (
                from(metrics.psi_some_avg10, settings.psi_elevated_percent),
                Reason::PsiElevated,
                Level::Medium,
            ),
            (
                from(metrics.psi_full_avg10, settings.psi_high_percent),
                Reason::PsiHigh,
                Level::High,
            ),
            (
                metrics.ram_total.is_some_and(|total| {
                    self.swap_growth() > total as f64 * settings.swapping_percent / 100.0
                }),
                Reason::Swapping,
                Level::Low,
            ),
            (
                signal == Some(Severity::Moderate),
                Reason::OsModerate,
                Level::Medium,
            ),
            (
                signal == Some(Severity::Critical),
                Reason::OsCritical,
                Level::High,
            ),
        ];
        self.level = self.level_of_score;
        self.reasons.clear();
        for (holds, reason, raises_to) in facts {
            if holds {
                self.reasons.push(reason);
                self.level = self.level.max(raises_to);
            }
        }
        if self.level == was {
            return Vec::new();
        }
        vec![Output::PressureChanged(PressureChange {
            cause,
            score: self.score,
            level: self.level,
            was,
            reasons: self.reasons.clone(),
        })]
    }

    /// The free memory of the last sample, in bytes.
    fn free_bytes(&self) -> Option<u64> {
        let Metrics {
            ram_total,
            ram_used,
            ram_available,
            ..
        } = self.metrics;
        ram_available.or_else(|| Some(ram_total?.saturating_sub(ram_used?)))
    }

    /// The gravest signal of the last 30 s.
    fn signal(&self) -> Option<Severity> {
        self.with_awake_times()
            .filter_map(|(awake, event)| match event.input {
                Input::PressureSignal(severity) => Some((awake, severity)),
                _ => None,
            })
            .filter(|(awake, _)| self.at.awake - awake < 30 * SECOND || !self.has(Rule::SignalEnds))
            .map(|(_, severity)| severity)
            .max()
    }

    /// By how much swap grew up to the last sample, within a minute.
    fn swap_growth(&self) -> f64 {
        if !self.has(Rule::Swapping) {
            return 0.0;
        }
        let samples: Vec<(i64, Metrics)> = self
            .with_awake_times()
            .filter_map(|(awake, event)| match event.input {
                Input::Metrics(metrics) => Some((awake, metrics)),
                _ => None,
            })
            .collect();
        let Some(&(last, _)) = samples.last() else {
            return 0.0;
        };
        let of_the_minute: Vec<u64> = (samples.iter())
            .filter(|(awake, _)| last - awake <= MINUTE)
            .filter_map(|(_, metrics)| metrics.swap_used)
            .collect();
        match (of_the_minute.last(), of_the_minute.iter().min()) {
            (Some(latest), Some(least)) => (latest - least) as f64,
            _ => 0.0,
        }
    }

    /// The events so far, each with the awake clock at its time.
    fn with_awake_times(&self) -> impl Iterator<Item = (i64, &Event)> {
        self.awake_times.iter().copied().zip(&self.history)
    }

    // Guards.

    /// Every tab, by id.
    pub(crate) fn tabs(&self) -> Vec<TabId> {
        let mut tabs: Vec<TabId> = self.tabs.iter().map(|tab| tab.id).collect();
        tabs.sort();
        tabs
    }

    /// The hard guards that hold for a tab, by the names that the engine gives them.
    pub(crate) fn guards(&self, id: TabId) -> Vec<Rule> {
        self.find(id)
            .map_or_else(Vec::new, |tab| self.guards_of(tab))
    }

    fn guards_of(&self, tab: &Tab) -> Vec<Rule> {
        let minimum = i64::from(self.policy.ttl_minimum_seconds) * SECOND;
        let is_listed = tab.host.as_deref().is_some_and(|host| {
            self.policy.protected_domains.iter().any(|domain| {
                host == domain
                    || (domain.starts_with('.')
                        && (host.ends_with(domain.as_str()) || host == &domain[1..]))
            })
        });
        let fell_silent_lately = tab
            .silent_since
            .is_some_and(|since| self.at.awake - since < 60 * SECOND);
        [
            (tab.is_shown(), Rule::Active),
            (tab.pinned, Rule::Pinned),
            (tab.audible, Rule::Audible),
            (fell_silent_lately, Rule::RecentlyAudible),
            (tab.capturing, Rule::Capturing),
            (tab.unsaved, Rule::Unsaved),
            (!tab.auto_discardable, Rule::NotAutoDiscardable),
            (tab.marked_protected || is_listed, Rule::Protected),
            (tab.host.is_none(), Rule::Internal),
            (tab.loading, Rule::Loading),
            (tab.discarded, Rule::Discarded),
            (self.idle_ms(tab) < minimum, Rule::Young),
        ]
        .into_iter()
        .filter(|&(holds, guard)| holds && self.has(guard))
        .map(|(_, guard)| guard)
        .collect()
    }

    fn idle_ms(&self, tab: &Tab) -> i64 {
        let clock = self.policy.ttl_clock;
        let idle = self.at.read(clock) - tab.last_active.read(clock);
        // What lies before the log's first word of the tab counts up to the TTL.
        let known = self.at.read(clock) - tab.known_since.read(clock);
        let before = idle - known;
        let before = if self.has(Rule::IdleBeforeTheLogIsCapped) {
            before.min(minutes(self.policy.ttl_minutes))
        } else {
            before
        };
        known + before
    }

    fn ttl_ms(&self, tab: &Tab, cluster: &[TabId]) -> i64 {
        let focus = &self.policy.focus;
        let base = if !focus.enabled || cluster.contains(&tab.id) {
            self.policy.ttl_minutes
        } else {
            focus.out_ttl_minutes
        };
        let times = self.familiarity(tab).min(self.policy.familiarity_cap);
        let minimum = i64::from(self.policy.ttl_minimum_seconds) * SECOND;
        (minutes(base) * i64::from(times)).max(minimum)
    }

    // Selection.

    fn is_paused(&self) -> bool {
        self.has(Rule::Pause) && self.paused_until.is_some_and(|until| until > self.at.now)
    }

    fn attempt(&mut self, cause: Seq) -> Vec<Output> {
        let from = match self.policy.act_from {
            ActFrom::Medium => Level::Medium,
            ActFrom::High => Level::High,
        };
        let is_pressed = self.level >= from;
        let is_proactive = self.policy.focus.enabled && self.policy.focus.proactive;
        let is_always = self.policy.gate == Gate::Always;
        let cooldown = i64::from(self.policy.cooldown_seconds) * SECOND;
        let is_cooling_down = (self.last_prune)
            .is_some_and(|last| self.at.awake - last < cooldown && self.has(Rule::Cooldown));
        let may_act = is_always || ((is_pressed || is_proactive) && !is_cooling_down);
        if self.is_paused() || !may_act {
            return Vec::new();
        }

        let cluster = self.cluster();
        let ripe = (self.tabs.iter())
            .filter(|tab| self.guards_of(tab).is_empty())
            .filter(|tab| !self.is_held(tab) && !self.is_shadowed(tab))
            .filter(|tab| self.idle_ms(tab) >= self.ttl_ms(tab, &cluster))
            .collect();
        let ordered = self.ordered(ripe);
        let chosen = if is_always {
            ordered
        } else {
            let level = if is_pressed { self.level } else { Level::Low };
            self.batch(ordered, level)
        };
        let chosen: Vec<(TabId, i64)> = chosen
            .iter()
            .map(|tab| (tab.id, self.ttl_ms(tab, &cluster)))
            .collect();
        let mut reasons = self.reasons.clone();
        if is_always {
            reasons.push(Reason::GateAlways);
        } else if !is_pressed {
            reasons.push(Reason::FocusProactive);
        }
        self.decide(cause, &chosen, &reasons, self.mode)
    }

    fn prune(&mut self, cause: Seq, asked_for: Option<TabId>) -> Vec<Output> {
        if self.is_paused() {
            return Vec::new();
        }
        let cluster = self.cluster();
        let minimum = i64::from(self.policy.ttl_minimum_seconds) * SECOND;
        let is_due = |tab: &Tab| {
            self.has(Rule::RequestsSkipTtl) || self.idle_ms(tab) >= self.ttl_ms(tab, &cluster)
        };
        let eligible = (self.tabs.iter())
            .filter(|tab| asked_for.is_none_or(|id| tab.id == id))
            .filter(|tab| self.guards_of(tab).is_empty() && !self.is_held(tab))
            .filter(|tab| is_due(tab))
            .collect();
        let ordered = self.ordered(eligible);
        let chosen = match asked_for {
            Some(_) => ordered,
            None => {
                let batch = self.batch(ordered.clone(), Level::High);
                let is_target_reached = batch.is_empty();
                if is_target_reached && self.has(Rule::Batch) {
                    ordered
                        .into_iter()
                        .take(self.policy.batch_high as usize)
                        .collect()
                } else {
                    batch
                }
            }
        };
        let chosen: Vec<(TabId, i64)> = chosen.iter().map(|tab| (tab.id, minimum)).collect();
        let mode = if self.has(Rule::RequestsAreEnforced) {
            Mode::Enforce
        } else {
            self.mode
        };
        self.decide(cause, &chosen, &[Reason::Requested], mode)
    }

    fn is_held(&self, tab: &Tab) -> bool {
        match tab.order {
            Order::Decided { until, .. } => self.at.awake < until && self.has(Rule::Outcome),
            Order::Refused { until } => self.at.awake < until,
            Order::None => false,
        }
    }

    fn is_shadowed(&self, tab: &Tab) -> bool {
        tab.shadowed && self.has(Rule::Shadow)
    }

    fn ordered<'a>(&self, mut tabs: Vec<&'a Tab>) -> Vec<&'a Tab> {
        let clock = self.policy.ttl_clock;
        match self.policy.rank {
            // Where the cap makes two alike, the one that was in front earlier goes first.
            Rank::Lru => {
                tabs.sort_by_key(|tab| (-self.idle_ms(tab), tab.last_active.read(clock), tab.id));
            }
            Rank::Largest => {
                tabs.sort_by_key(|tab| (u64::MAX - self.expected_bytes(tab), tab.id));
            }
        }
        tabs
    }

    fn batch<'a>(&self, ordered: Vec<&'a Tab>, level: Level) -> Vec<&'a Tab> {
        if !self.has(Rule::Batch) {
            return ordered;
        }
        let target = self.policy.target_free_percent;
        let target = target.filter(|_| self.has(Rule::Target));
        if let (Some(target), Some(total), Some(free)) =
            (target, self.metrics.ram_total, self.free_bytes())
        {
            let mut missing = (total as f64 * target / 100.0 - free as f64).floor();
            let mut chosen = Vec::new();
            for tab in ordered {
                if missing > 0.0 && chosen.len() < self.policy.batch_max as usize {
                    missing -= self.expected_bytes(tab) as f64;
                    chosen.push(tab);
                }
            }
            return chosen;
        }
        let count = match level {
            Level::High => self.policy.batch_high,
            Level::Medium | Level::Low => self.policy.batch_medium,
        };
        ordered.into_iter().take(count as usize).collect()
    }

    fn decide(
        &mut self,
        cause: Seq,
        chosen: &[(TabId, i64)],
        reasons: &[Reason],
        mode: Mode,
    ) -> Vec<Output> {
        let cluster = self.cluster();
        let mut outputs = Vec::new();
        for (rank, &(id, ttl_ms)) in (0..).zip(chosen) {
            let Some(tab) = self.find(id) else { continue };
            outputs.push(Output::Decision(Decision {
                cause,
                tab: id,
                rank,
                idle_ms: self.idle_ms(tab),
                ttl_ms,
                in_focus: cluster.contains(&id),
                familiarity: self.familiarity(tab).min(self.policy.familiarity_cap),
                score: self.score,
                level: self.level,
                reasons: reasons.to_vec(),
                mode,
                policy_hash: self.policy.hash(),
            }));
        }
        if !chosen.is_empty() {
            self.last_prune = Some(self.at.awake);
        }
        let until = self.at.awake + 30 * SECOND;
        for tab in &mut self.tabs {
            if chosen.iter().any(|&(id, _)| id == tab.id) {
                match mode {
                    Mode::Observe => tab.shadowed = true,
                    Mode::Enforce => {
                        let as_tab = tab.id;
                        tab.order = Order::Decided { as_tab, until };
                    }
                }
            }
        }
        outputs
    }
}

fn host_of(page: Option<&Page>) -> Option<String> {
    match page {
        Some(Page::Web(host)) => Some(host.to_string()),
        Some(Page::Internal) | None => None,
    }
}

fn changed(tab: &mut Tab, changes: TabChanges, at: Clocks) {
    if tab.audible && changes.audible == Some(false) {
        tab.silent_since = Some(at.awake);
    }
    tab.pinned = changes.pinned.unwrap_or(tab.pinned);
    tab.audible = changes.audible.unwrap_or(tab.audible);
    tab.auto_discardable = changes.auto_discardable.unwrap_or(tab.auto_discardable);
    tab.unsaved = changes.unsaved.unwrap_or(tab.unsaved);
    tab.capturing = changes.capturing.unwrap_or(tab.capturing);
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "at most 10,080 minutes, by the settings' ranges"
)]
fn minutes(minutes: f64) -> i64 {
    (minutes * 60_000.0).round() as i64
}
