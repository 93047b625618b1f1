//! The recording as it was: the world, what its tabs weigh, and the pressure there would have been
//! had nobody discarded anything. It is the same for every policy, so any number of them share it.

use engine::{
    Change, DiscardedBy, Event, Facts, Input, MemorySource, Mode, Tab, TabId, TabMap, World,
};
use serde::{Deserialize, Serialize};

use super::books::Books;
use super::score::Gauge;
use super::weights::Weights;

/// A recording under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Recording {
    facts: Facts,
    /// What the checker of guards goes by.
    books: Books,
    /// The tabs to which the last event happened, as they were before it, by id.
    #[serde(skip)]
    before: Vec<Tab>,
    /// The tabs to which it happened, or which it changed.
    #[serde(skip)]
    touched: Vec<TabId>,
    weights: Weights,
    /// The pressure had no policy discarded anything.
    never: Gauge,
    /// How long each open tab last took to load, where that was measured.
    load_ms: TabMap<u64>,
}

impl Recording {
    pub(super) fn new() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            books: Books::default(),
            before: Vec::new(),
            touched: Vec::new(),
            weights: Weights::default(),
            never: Gauge::default(),
            load_ms: TabMap::default(),
        }
    }

    /// What the log says, up to the last event.
    pub(super) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// What the checker of guards goes by.
    pub(super) fn books(&self) -> &Books {
        &self.books
    }

    /// The world after the last event.
    pub(super) fn world(&self) -> World<'_> {
        self.facts.world()
    }

    /// The tabs to which the last event happened, as they were before it.
    pub(super) fn all_before(&self) -> &[Tab] {
        &self.before
    }

    /// One of them.
    pub(super) fn before(&self, tab: TabId) -> Option<&Tab> {
        let place = self.before.binary_search_by_key(&tab, |tab| tab.id);
        Some(&self.before[place.ok()?])
    }

    /// The tabs to which the last event happened, or which it changed.
    pub(super) fn touched(&self) -> &[TabId] {
        &self.touched
    }

    /// What its tabs weigh.
    pub(super) fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The pressure had no policy discarded anything.
    pub(super) fn never(&self) -> &Gauge {
        &self.never
    }

    /// How long a tab last took to load, where that was measured.
    pub(super) fn load_ms(&self, tab: TabId) -> Option<u64> {
        self.load_ms.get(tab).copied()
    }

    /// Takes the next event in.
    pub(super) fn step(&mut self, event: &Event) {
        self.look_back(&event.input);
        self.facts.apply(event);
        self.books.see(event);
        let world = &self.facts.world();
        self.touched.clear();
        for &change in world.changes() {
            match change {
                Change::Tab(tab) => self.touched.push(tab),
                Change::Renamed { old, new } => {
                    self.touched.extend([old, new]);
                    self.load_ms.rename(old, new);
                }
                Change::Gone(tab) => {
                    self.touched.push(tab);
                    self.load_ms.remove(tab);
                }
            }
        }
        if let Input::TabMemory { tab, .. } = event.input {
            self.touched.push(tab);
        }
        self.weights.follow(&event.input, world);
        let at = world.moment();
        match event.input {
            // What its own policy discards again is gone already, whoever had discarded it. Whatever
            // that did, what others discard is gone now.
            Input::TabDiscarded { tab, by } => {
                let is_again = self.before(tab).is_some_and(|before| before.is_discarded);
                if by == DiscardedBy::Other || !is_again {
                    self.weights.note_discard(tab, by, world);
                }
            }
            Input::TabMemory { tab, how, .. } => match how {
                MemorySource::Measured => self.weights.revalue(tab, world),
                // Its host's median may be another now.
                MemorySource::Reclaimed => self.weights.revalue_all(world),
            },
            Input::TabLoaded {
                tab,
                load_ms: Some(load_ms),
            } if world.tab(tab).is_some() => {
                self.load_ms.insert(tab, load_ms);
            }
            Input::Metrics(ref metrics) => {
                let freed_bytes = -self.weights.freed_by_policy();
                let never = self.weights.shown(metrics, freed_bytes).metrics;
                self.never.sample(&never, at);
                self.weights.sample(metrics, world);
            }
            Input::PressureSignal(severity)
                if !self.weights.is_beyond(self.weights.freed_by_policy()) =>
            {
                self.never.signal(severity, at);
            }
            _ => {}
        }
    }

    /// Notes how the tabs are to which an event is about to happen.
    fn look_back(&mut self, input: &Input) {
        let world = self.facts.world();
        self.before.clear();
        match input {
            Input::SessionStarted(_) => self.before.extend(world.tabs()),
            Input::TabOpened(told) => self.before.extend(world.tab(told.tab)),
            _ => (self.before).extend(input.page_in().and_then(|tab| world.tab(tab))),
        }
    }
}
