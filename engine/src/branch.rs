//! A world beside the facts: what would have been, had other tabs been discarded.
//!
//! A replay follows what happened once, for all policies, and keeps for each only what is otherwise
//! there: the clock between two events, what the machine shows, and the tabs that only one of
//! the two has discarded, or whose pages do something else since. All the rest — windows, what is in
//! front, hosts — no policy changes.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::clock::Moment;
use crate::event::{Input, Metrics, Mode, TabFacts, TabId};
use crate::facts::{Change, Facts};
use crate::hosts::HostId;
use crate::tab::Tab;
use crate::tab_map::TabMap;
use crate::world::World;

/// How a world differs from the facts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Branch {
    pub(crate) moment: Moment,
    pub(crate) metrics: Metrics,
    pub(crate) mode: Mode,
    /// The tabs that are otherwise.
    tabs: TabMap<Tab>,
    /// What changed, unless it is what the facts say.
    #[serde(skip)]
    changes: Option<SmallVec<[Change; 2]>>,
    /// The hosts whose familiarity changed since something last happened here, or with that.
    pub(crate) newly_familiar: Vec<HostId>,
    /// Whether something happened here since.
    is_heard: bool,
}

impl Branch {
    /// Starts where the facts do, before the first event. The mode stays.
    pub fn new(mode: Mode) -> Self {
        Self {
            moment: Moment::default(),
            metrics: Metrics::default(),
            mode,
            tabs: TabMap::default(),
            changes: None,
            newly_familiar: Vec::new(),
            is_heard: false,
        }
    }

    /// What there is to see.
    pub fn world<'a>(&'a self, facts: &'a Facts) -> World<'a> {
        World::on(self, facts)
    }

    /// Keeps a tab as it was before the event that is about to be [followed](Self::follow).
    pub fn keep(&mut self, before: &Tab) {
        self.tabs.get_or_insert_with(before.id, || *before);
    }

    /// Follows the facts over an event. `here` is what happens of it; where that is not the same, or
    /// nothing, the tabs that it is about were kept.
    pub fn follow(&mut self, facts: &Facts, here: Option<&Input>) {
        self.advance(facts, here.is_some());
        let changed = here.and_then(|input| self.undergo(input));
        if self.tabs.is_empty() {
            return;
        }
        for &change in &facts.changes {
            match change {
                Change::Tab(tab) => self.settle(facts, tab),
                Change::Renamed { old, new } => self.tabs.rename(old, new),
                Change::Gone(tab) => drop(self.tabs.remove(tab)),
            }
        }
        if let Some(tab) = changed.filter(|&tab| !facts.changes.contains(&Change::Tab(tab))) {
            self.settle(facts, tab);
            let mut changes = SmallVec::from_slice(&facts.changes);
            changes.push(Change::Tab(tab));
            self.changes = Some(changes);
        }
        // Nobody hears of its memory.
        if let Some(Input::TabMemory { tab, .. }) = here {
            self.settle(facts, *tab);
        }
    }

    /// Follows the facts over an event that happens here, too, to no tab that is otherwise.
    pub fn go_along(&mut self, facts: &Facts) {
        self.advance(facts, true);
    }

    fn advance(&mut self, facts: &Facts, is_heard: bool) {
        self.moment = facts.clocks.moment();
        self.changes = None;
        self.hear(facts.newly_familiar, is_heard);
    }

    /// Lets something happen here alone, at the moment to which time has passed.
    pub fn happen(&mut self, facts: &Facts, input: &Input) {
        self.hear(None, true);
        if let Some(there) = input.page_in().and_then(|tab| facts.tabs.get(tab)) {
            self.keep(there);
        }
        let changed = self.undergo(input);
        if let Some(tab) = changed {
            self.settle(facts, tab);
        }
        self.changes = Some(changed.map(Change::Tab).into_iter().collect());
    }

    /// Lets time pass up to `t_ms` without an event.
    ///
    /// Nothing but the clocks moves, and they show at the next event what they would have shown
    /// without. The time must have been awake: a later event cannot take back as slept what was
    /// passed over here.
    pub fn pass(&mut self, facts: &Facts, t_ms: i64) {
        self.hear(None, true);
        self.changes = Some(SmallVec::new());
        self.moment = facts.clocks.moment_at(t_ms);
    }

    /// Names every tab as changed, though nothing did: for a policy that sees this world for the
    /// first time.
    pub fn announce(&mut self, facts: &Facts) {
        self.hear(None, true);
        self.changes = Some(facts.tabs.ids().map(Change::Tab).collect());
    }

    /// Takes up, after it was restored, with facts that were, too.
    ///
    /// # Errors
    /// It has a tab that they have not.
    pub fn rejoin(&mut self, facts: &Facts) -> Result<(), &'static str> {
        let mut are_all_there = true;
        self.tabs
            .for_each_mut(|tab, here| match facts.tabs.get(tab) {
                Some(there) => *here = there.with_page_of(here),
                None => are_all_there = false,
            });
        if are_all_there {
            Ok(())
        } else {
            Err("a tab is otherwise that is not there")
        }
    }

    /// What the last event changed, where the facts say this of it.
    pub(crate) fn changes<'a>(&'a self, there: &'a [Change]) -> &'a [Change] {
        self.changes.as_deref().unwrap_or(there)
    }

    /// A tab, if it is otherwise.
    #[inline]
    pub fn kept(&self, tab: TabId) -> Option<&Tab> {
        self.tabs.get(tab)
    }

    /// Notes whose familiarity changed, and whether somebody hears of it.
    fn hear(&mut self, newly_familiar: Option<HostId>, is_heard: bool) {
        if self.is_heard {
            self.newly_familiar.clear();
        }
        self.newly_familiar.extend(newly_familiar);
        self.is_heard = is_heard;
    }

    /// Takes in what an input does here to what is otherwise. Returns the tab, where it is one page
    /// that something happens to.
    fn undergo(&mut self, input: &Input) -> Option<TabId> {
        match input {
            Input::SessionStarted(snapshot) => {
                for told in &snapshot.tabs {
                    self.learn(told);
                }
            }
            Input::TabOpened(told) => self.learn(told),
            Input::Metrics(metrics) => self.metrics.take_over(metrics),
            _ => {
                let tab = self.tabs.get_mut(input.page_in()?)?;
                tab.undergo(input, self.moment);
                return Some(tab.id);
            }
        }
        None
    }

    fn learn(&mut self, told: &TabFacts) {
        if let Some(tab) = self.tabs.get_mut(told.tab) {
            tab.learn(told, self.moment);
        }
    }

    /// Brings a tab that is otherwise up to what the facts say, and lets it go if that is all.
    fn settle(&mut self, facts: &Facts, tab: TabId) {
        let Some(here) = self.tabs.get_mut(tab) else {
            return;
        };
        let Some(there) = facts.tabs.get(tab) else {
            return;
        };
        *here = there.with_page_of(here);
        if here == there {
            self.tabs.remove(tab);
        }
    }
}
