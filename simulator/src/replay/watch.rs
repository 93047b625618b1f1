//! Finds discards of tabs that one of our hard guards protects.
//!
//! It keeps books of its own from the raw events of the policy's world and shares no code with
//! the engine's guards, so that a flaw in those is not judged by itself. Where it cannot be sure
//! it does not object: idle time is taken by the log's time, the longest of the three clocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, de};

use engine::{Event, Input, Page, TabChanges, TabFacts, TabId, TabMap, WindowId};

/// How long a tab counts as lately audible, and as young: 60 s, which no setting shortens.
const MINUTE_MS: i64 = 60_000;

/// A guard that a discard went against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objection {
    Pinned,
    Audible,
    Capturing,
    Unsaved,
    Forbidden,
    MarkedProtected,
    Loading,
    Discarded,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Known {
    win: WindowId,
    host: Option<Arc<str>>,
    /// A bit for each objection.
    objections: u8,
    /// Until when it counts as lately audible, on the awake clock.
    sounded_until: i64,
    /// When it last was surely in front, or opened, by the log's time: the one that is in front of
    /// the focused window is so now.
    in_front_ms: i64,
}

impl Known {
    fn has(&self, objection: Objection) -> bool {
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
            self.sounded_until = awake.saturating_add(MINUTE_MS);
        }
        self.object(Objection::Audible, changes.audible);
        self.object(Objection::Pinned, changes.pinned);
        self.object(Objection::Unsaved, changes.unsaved);
        self.object(Objection::Capturing, changes.capturing);
        let is_forbidden = changes.auto_discardable.map(|allowed| !allowed);
        self.object(Objection::Forbidden, is_forbidden);
    }
}

/// The guards, as they are called in reports.
const GUARDS: [&str; 12] = [
    "active",
    "pinned",
    "audible",
    "recently_audible",
    "capturing",
    "unsaved",
    "not_auto_discardable",
    "protected",
    "internal",
    "loading",
    "discarded",
    "young",
];

/// What is said against the discard of a tab that is not there.
const UNKNOWN: &str = "unknown";

/// A guard's name that was read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name(&'static str);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = String::deserialize(deserializer)?;
        let mut names = GUARDS.into_iter().chain([UNKNOWN]);
        names
            .find(|name| *name == found)
            .map(Self)
            .ok_or_else(|| de::Error::custom(format!("there is no guard called {found:?}")))
    }
}

/// Reads names of guards.
pub(super) fn names<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<&'static str>, D::Error> {
    let names = Vec::<Name>::deserialize(deserializer)?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// Reads counts by guard.
pub(super) fn counts<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<&'static str, u64>, D::Error> {
    let counts = BTreeMap::<Name, u64>::deserialize(deserializer)?;
    Ok(counts
        .into_iter()
        .map(|(name, count)| (name.0, count))
        .collect())
}

/// What is watched over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Watch {
    protected_domains: Vec<String>,
    /// The log's time, once it has begun.
    now_ms: Option<i64>,
    /// For how long the machine has slept since then.
    slept_ms: i64,
    tabs: TabMap<Known>,
    fronts: BTreeMap<WindowId, TabId>,
    focused: Option<WindowId>,
    wall_offset_ms: i64,
}

impl Watch {
    /// Starts with an empty world. A domain with a dot before it stands for all below it, too.
    pub(super) fn new(protected_domains: Vec<String>) -> Self {
        Self {
            protected_domains,
            now_ms: None,
            slept_ms: 0,
            tabs: TabMap::default(),
            fronts: BTreeMap::new(),
            focused: None,
            wall_offset_ms: 0,
        }
    }

    /// Takes these domains for the protected ones from here on.
    pub(super) fn protect(&mut self, domains: Vec<String>) {
        self.protected_domains = domains;
    }

    /// The host that a tab was last said to show.
    pub(super) fn host_of(&self, tab: TabId) -> Option<&str> {
        self.tabs.get(tab)?.host.as_deref()
    }

    /// The guards that a discard of a tab would go against now.
    pub(super) fn objections(&self, tab: TabId) -> Vec<&'static str> {
        let Some(known) = self.tabs.get(tab) else {
            return vec![UNKNOWN];
        };
        let now_ms = self.now_ms.unwrap_or_default();
        let passing = [
            (self.awake() < known.sounded_until, "recently_audible"),
            (
                now_ms.saturating_sub(self.in_front_ms(tab, known)) < MINUTE_MS,
                "young",
            ),
        ];
        (self.standing(tab, known).into_iter().chain(passing))
            .filter_map(|(holds, name)| holds.then_some(name))
            .collect()
    }

    /// From when on no guard speaks against a discard of a tab (`t_ms`), if nothing else happens;
    /// never where one holds that does not pass with time.
    pub(super) fn free_from(&self, tab: TabId) -> Option<i64> {
        let known = self.tabs.get(tab)?;
        if self.standing(tab, known).iter().any(|&(holds, _)| holds) {
            return None;
        }
        let now_ms = self.now_ms.unwrap_or_default();
        let sounds_for_ms = known.sounded_until.saturating_sub(self.awake()).max(0);
        let old_from = self.in_front_ms(tab, known).saturating_add(MINUTE_MS);
        Some(now_ms.saturating_add(sounds_for_ms).max(old_from))
    }

    /// The guards that hold until something happens.
    fn standing(&self, tab: TabId, known: &Known) -> [(bool, &'static str); 10] {
        [
            (self.fronts.get(&known.win) == Some(&tab), "active"),
            (known.has(Objection::Pinned), "pinned"),
            (known.has(Objection::Audible), "audible"),
            (known.has(Objection::Capturing), "capturing"),
            (known.has(Objection::Unsaved), "unsaved"),
            (known.has(Objection::Forbidden), "not_auto_discardable"),
            (self.is_protected(known), "protected"),
            (known.host.is_none(), "internal"),
            (known.has(Objection::Loading), "loading"),
            (known.has(Objection::Discarded), "discarded"),
        ]
    }

    /// Takes in that time has passed, awake and without an event.
    pub(super) fn wake(&mut self, t_ms: i64) {
        self.pass(t_ms);
    }

    /// Takes an event of the policy's world in.
    pub(super) fn see(&mut self, event: &Event) {
        let passed_ms = self.pass(event.t_ms);
        if let Input::Suspended { ms } = event.input {
            let slept_ms = i64::try_from(ms).map_or(passed_ms, |ms| ms.min(passed_ms));
            self.slept_ms = self.slept_ms.saturating_add(slept_ms);
        }
        self.apply(&event.input);
    }

    /// Goes on to a time, and tells how long it is until then. Time that goes back stands still.
    fn pass(&mut self, t_ms: i64) -> i64 {
        let before = self.now_ms.unwrap_or(t_ms);
        let now_ms = before.max(t_ms);
        self.now_ms = Some(now_ms);
        now_ms.saturating_sub(before)
    }

    /// The awake clock.
    fn awake(&self) -> i64 {
        self.now_ms
            .unwrap_or_default()
            .saturating_sub(self.slept_ms)
    }

    fn is_protected(&self, known: &Known) -> bool {
        known.has(Objection::MarkedProtected)
            || known.host.as_deref().is_some_and(|host| {
                (self.protected_domains.iter()).any(|domain| match domain.strip_prefix('.') {
                    Some(top) => host == top || host.ends_with(domain.as_str()),
                    None => host == domain.as_str(),
                })
            })
    }

    /// The tab in front of the focused window, which is in use.
    fn in_use(&self) -> Option<TabId> {
        self.fronts.get(&self.focused?).copied()
    }

    fn in_front_ms(&self, tab: TabId, known: &Known) -> i64 {
        if self.in_use() == Some(tab) {
            self.now_ms.unwrap_or_default()
        } else {
            known.in_front_ms
        }
    }

    fn focus(&mut self, win: Option<WindowId>) {
        if let Some(left) = self.in_use() {
            let now_ms = self.now_ms.unwrap_or_default();
            self.with(left, |known| known.in_front_ms = now_ms);
        }
        self.focused = win;
    }

    fn apply(&mut self, input: &Input) {
        let awake = self.awake();
        match input {
            Input::SessionStarted(snapshot) => {
                let told: std::collections::BTreeSet<TabId> =
                    snapshot.tabs.iter().map(|facts| facts.tab).collect();
                self.tabs.retain(|id, _| told.contains(&id));
                let tabs = &self.tabs;
                self.fronts.retain(|_, front| tabs.contains(*front));
                for facts in &snapshot.tabs {
                    self.told(facts, true);
                }
                let focused = snapshot.windows.iter().find(|window| window.focused);
                self.focus(focused.map(|window| window.win));
            }
            Input::TabOpened(facts) => self.told(facts, false),
            Input::TabActivated { tab, win } => self.activated(*tab, *win),
            Input::TabNavigated {
                tab,
                page,
                protected,
            } => self.with(*tab, |known| {
                known.show(page.as_ref());
                known.object(Objection::MarkedProtected, Some(*protected == Some(true)));
                known.object(Objection::Loading, Some(true));
                known.object(Objection::Discarded, Some(false));
                known.object(Objection::Unsaved, Some(false));
            }),
            Input::TabLoaded { tab, .. } => {
                self.with(*tab, |known| known.object(Objection::Loading, Some(false)));
            }
            Input::TabChanged { tab, changes } => {
                self.with(*tab, |known| known.change(*changes, awake));
            }
            Input::TabMoved { tab, win } => self.moved(*tab, *win),
            Input::TabReplaced { tab, old } => self.renamed(*old, *tab),
            Input::TabDiscarded { tab, .. } => self.with(*tab, |known| {
                if !known.has(Objection::Discarded) {
                    known.object(Objection::Discarded, Some(true));
                    known.object(Objection::Loading, Some(false));
                    let ended = TabChanges {
                        audible: Some(false),
                        unsaved: Some(false),
                        capturing: Some(false),
                        ..TabChanges::default()
                    };
                    known.change(ended, awake);
                }
            }),
            Input::TabRestored { tab } => self.with(*tab, |known| {
                if known.has(Objection::Discarded) {
                    known.object(Objection::Discarded, Some(false));
                    known.object(Objection::Loading, Some(true));
                }
            }),
            Input::TabClosed { tab } => self.gone(*tab),
            Input::WindowClosed { win } => {
                self.tabs.retain(|_, known| known.win != *win);
                self.fronts.remove(win);
            }
            Input::WindowFocused { win } => self.focus(*win),
            Input::ClockStepped { by_ms } => self.wall_offset_ms = *by_ms,
            _ => {}
        }
    }

    fn told(&mut self, facts: &TabFacts, in_snapshot: bool) {
        let (now_ms, awake) = (self.now_ms.unwrap_or_default(), self.awake());
        let accessed_ms =
            (facts.last_accessed).map(|wall| wall.saturating_sub(self.wall_offset_ms));
        let accessed_ms = accessed_ms.filter(|&then| in_snapshot && then < now_ms);
        self.tabs.get_or_insert_with(facts.tab, || Known {
            win: facts.win,
            host: None,
            objections: 0,
            sounded_until: i64::MIN,
            in_front_ms: accessed_ms.unwrap_or(now_ms),
        });
        self.moved(facts.tab, facts.win);
        self.with(facts.tab, |known| {
            if facts.page.is_some() {
                known.show(facts.page.as_ref());
            }
            known.object(Objection::MarkedProtected, facts.protected);
            known.object(Objection::Discarded, facts.discarded);
            known.object(Objection::Loading, facts.loading);
            let changes = TabChanges {
                pinned: facts.pinned,
                audible: facts.audible,
                auto_discardable: facts.auto_discardable,
                unsaved: facts.unsaved,
                capturing: facts.capturing,
            };
            known.change(changes, awake);
        });
        match facts.active {
            Some(true) => self.activated(facts.tab, facts.win),
            Some(false) => self.leaves_front(facts.tab),
            None => {}
        }
    }

    fn activated(&mut self, id: TabId, win: WindowId) {
        if !self.tabs.contains(id) {
            return;
        }
        self.moved(id, win);
        let now_ms = self.now_ms.unwrap_or_default();
        let left = self.fronts.insert(win, id);
        for tab in left.into_iter().chain([id]) {
            self.with(tab, |known| known.in_front_ms = now_ms);
        }
    }

    fn moved(&mut self, id: TabId, win: WindowId) {
        if self.tabs.get(id).is_some_and(|known| known.win != win) {
            self.leaves_front(id);
            self.with(id, |known| known.win = win);
        }
    }

    fn renamed(&mut self, old: TabId, new: TabId) {
        if old == new || !self.tabs.contains(old) {
            return;
        }
        self.gone(new);
        if let Some(known) = self.tabs.remove(old) {
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
        self.tabs.remove(id);
        self.fronts.retain(|_, front| *front != id);
    }

    fn with(&mut self, id: TabId, change: impl FnOnce(&mut Known)) {
        if let Some(known) = self.tabs.get_mut(id) {
            change(known);
        }
    }
}
