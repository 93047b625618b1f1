//! A world beside the facts: what would have been, had other tabs been discarded.
//!
//! A replay follows what happened once, for all policies, and keeps for each only what is otherwise
//! there: the clock between two events, what the machine shows, and the tabs that only one of
//! the two has discarded, or whose pages do something else since. All the rest — windows, what is in
//! front, hosts — no policy changes.

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::event::{Input, Metrics, Mode, TabId};
use crate::facts::{Change, Facts};
use crate::hosts::HostId;
use crate::tab::Tab;
use crate::tab_map::TabMap;
use crate::world::World;

/// How a world differs from the facts.
///
/// Where an event of the log is another here, or none, the tabs that it is about are
/// [kept](Self::keep) before the facts take it in; after that the branch [follows](Self::follow) them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Branch {
    pub(crate) moment: Moment,
    pub(crate) metrics: Metrics,
    pub(crate) mode: Mode,
    /// The tabs that are otherwise.
    tabs: TabMap<Tab>,
    #[serde(skip)]
    pub(crate) changes: Vec<Change>,
    #[serde(skip)]
    pub(crate) newly_familiar: Vec<HostId>,
    /// The same with events that did not happen here, since the last that did.
    unheard: Vec<HostId>,
}

impl Branch {
    /// Starts where the facts do, before the first event. The mode stays.
    pub fn new(mode: Mode) -> Self {
        Self {
            moment: Moment::default(),
            metrics: Metrics::default(),
            mode,
            tabs: TabMap::default(),
            changes: Vec::new(),
            newly_familiar: Vec::new(),
            unheard: Vec::new(),
        }
    }

    /// What there is to see.
    pub fn world<'a>(&'a self, facts: &'a Facts) -> World<'a> {
        World::on(self, facts)
    }

    /// Keeps the tabs as they are here to whose pages an event, which the facts are about to take
    /// in, does something else here.
    pub fn keep(&mut self, facts: &Facts, input: &Input) {
        match input {
            Input::SessionStarted(snapshot) => {
                for told in &snapshot.tabs {
                    self.keep_tab(facts, told.tab);
                }
            }
            Input::TabOpened(told) => self.keep_tab(facts, told.tab),
            _ => {
                if let Some(tab) = input.page_in() {
                    self.keep_tab(facts, tab);
                }
            }
        }
    }

    /// Follows the facts over an event. `here` is what happens of it; where that is nothing, the
    /// tabs that it is about were kept, and how familiar a host became is heard of with what happens
    /// next.
    pub fn follow(&mut self, facts: &Facts, here: Option<&Input>) {
        self.moment = facts.clocks.moment();
        self.unheard.extend(facts.newly_familiar);
        if let Some(input) = here {
            self.hear();
            self.changes.extend_from_slice(&facts.changes);
            self.undergo(input);
        }
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
        // Nobody hears of its memory.
        if let Some(Input::TabMemory { tab, .. }) = here {
            self.settle(facts, *tab);
        }
    }

    /// Lets something happen here alone, at the moment to which time has passed.
    pub fn happen(&mut self, facts: &Facts, input: &Input) {
        self.hear();
        let page = input.page_in().filter(|&tab| facts.tabs.contains(tab));
        if let Some(tab) = page {
            self.keep_tab(facts, tab);
            self.changes.push(Change::Tab(tab));
        }
        self.undergo(input);
        if let Some(tab) = page {
            self.settle(facts, tab);
        }
    }

    /// Lets time pass without an event.
    pub fn pass(&mut self, facts: &Facts, t_ms: i64) {
        self.hear();
        self.moment = facts.clocks.moment_at(t_ms);
    }

    /// Names every tab as changed, though nothing did: for a policy that sees this world for the
    /// first time.
    pub fn announce(&mut self, facts: &Facts) {
        self.hear();
        self.changes = facts.tabs.ids().map(Change::Tab).collect();
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

    /// A tab, if it is otherwise.
    #[inline]
    pub(crate) fn kept(&self, tab: TabId) -> Option<&Tab> {
        self.tabs.get(tab)
    }

    /// What a tab of the facts is here.
    pub(crate) fn of<'a>(&'a self, there: &'a Tab) -> &'a Tab {
        self.kept(there.id).unwrap_or(there)
    }

    fn keep_tab(&mut self, facts: &Facts, tab: TabId) {
        if let Some(there) = facts.tabs.get(tab) {
            self.tabs.get_or_insert_with(tab, || *there);
        }
    }

    /// Begins what is heard of next.
    fn hear(&mut self) {
        self.changes.clear();
        self.newly_familiar.clear();
        self.newly_familiar.append(&mut self.unheard);
    }

    /// Takes in what an input does here to what is otherwise.
    fn undergo(&mut self, input: &Input) {
        let at = self.moment;
        match input {
            Input::SessionStarted(snapshot) => {
                for told in &snapshot.tabs {
                    if let Some(tab) = self.tabs.get_mut(told.tab) {
                        tab.learn(told, at);
                    }
                }
            }
            Input::TabOpened(told) => {
                if let Some(tab) = self.tabs.get_mut(told.tab) {
                    tab.learn(told, at);
                }
            }
            Input::Metrics(metrics) => self.metrics = metrics.after(&self.metrics),
            _ => {
                if let Some(tab) = input.page_in().and_then(|tab| self.tabs.get_mut(tab)) {
                    tab.undergo(input, at);
                }
            }
        }
    }

    /// Brings a tab that is otherwise up to what the facts say, and lets it go if that is all.
    fn settle(&mut self, facts: &Facts, tab: TabId) {
        let (Some(there), Some(here)) = (facts.tabs.get(tab), self.tabs.get_mut(tab)) else {
            return;
        };
        *here = there.with_page_of(here);
        if here == there {
            self.tabs.remove(tab);
        }
    }
}
