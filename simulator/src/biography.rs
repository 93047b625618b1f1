//! One tab's story in a trace: its ids, what was decided on it, and the engine's explanation of it
//! at a moment.
//!
//! A tab's id changes when it is discarded, and any of its ids names it. Which tab is meant is
//! found in a first pass ([`Search`]); the second one ([`Biography`]) follows it. What both keep
//! grows with the open tabs, not with the trace.

use std::collections::{BTreeMap, VecDeque};

use engine::{
    Change, Engine, Explanation, Facts, Mode, Orchestrator, Output, PolicyDocument, Seq, TabId,
    World,
};
use recorder::{Body, Line};
use serde::Serialize;

use crate::remedy::{Remedy, remedies};

/// How many decisions on a tab, and how many of its ids, are kept: the last ones.
const HISTORY: usize = 1_000;

/// Finds out which tab an id means.
#[derive(Clone, Debug)]
pub struct Search {
    wanted: TabId,
    facts: Facts,
    /// Where each open tab began, by its present id.
    births: BTreeMap<TabId, Birth>,
    found: Option<Birth>,
}

/// A tab, whatever its id becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Birth {
    /// Its first id.
    pub tab: TabId,
    /// The seq of the line that first told of it.
    pub seq: Seq,
}

impl Search {
    /// Starts to look for the first tab that ever has this id.
    pub fn new(wanted: TabId) -> Self {
        Self {
            wanted,
            facts: Facts::new(Mode::Observe),
            births: BTreeMap::new(),
            found: None,
        }
    }

    /// Takes the next line in. Returns the tab once it is found.
    pub fn take(&mut self, line: &Line) -> Option<Birth> {
        let Some(event) = line.event().filter(|_| self.found.is_none()) else {
            return self.found;
        };
        self.facts.apply(&event);
        for &change in self.facts.world().changes() {
            match change {
                Change::Tab(tab) => {
                    let seq = event.seq;
                    self.births.entry(tab).or_insert(Birth { tab, seq });
                }
                Change::Renamed { old, new } => {
                    if let Some(birth) = self.births.remove(&old) {
                        self.births.insert(new, birth);
                    }
                }
                Change::Gone(tab) => {
                    self.births.remove(&tab);
                }
            }
            self.found = self.found.or(self.births.get(&self.wanted).copied());
        }
        self.found
    }

    /// Ends a search that found nothing: returns the tabs that are open, by id.
    pub fn open_tabs(&self) -> Vec<TabId> {
        self.births.keys().copied().collect()
    }
}

/// A tab's story, under way.
#[derive(Clone, Debug)]
pub struct Biography {
    engine: Engine<Orchestrator>,
    outputs: Vec<Output>,
    birth: Birth,
    at: Option<Seq>,
    /// Its present id; absent before it is opened and after it is closed.
    present: Option<TabId>,
    story: Story,
}

/// A tab's story.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    /// Every id it had, first to last.
    pub ids: VecDeque<IdUse>,
    /// The line after which it is explained.
    pub at: Option<Seq>,
    /// What the engine says of it there; absent where it was not open.
    pub explanation: Option<Explanation>,
    /// Which single settings would have led to another answer.
    pub remedies: Vec<Remedy>,
    /// The line that closed it.
    pub closed: Option<Seq>,
    /// What was decided on it in the whole trace.
    pub decisions: VecDeque<PastDecision>,
    /// Earlier decisions, which are not kept.
    pub forgotten: u64,
}

impl Story {
    /// The id that the tab has after a line, if it is open there. Of a tab with a long history the
    /// first ids are not kept.
    pub fn id_at(&self, seq: Seq) -> Option<TabId> {
        if self.closed.is_some_and(|closed| closed <= seq) {
            return None;
        }
        let ids = self.ids.iter().rev();
        let id = ids.into_iter().find(|id| id.since <= seq)?;
        Some(id.tab)
    }
}

/// An id of a tab from a line on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct IdUse {
    /// The id.
    pub tab: TabId,
    /// The line.
    pub since: Seq,
}

/// What was decided on a tab.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PastDecision {
    /// The line of the decision.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
    /// The decision.
    #[serde(flatten)]
    pub decision: recorder::Decision,
    /// What became of it, where that is known.
    pub outcome: Option<Outcome>,
}

/// What became of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The line that tells.
    pub seq: Seq,
    /// Whether the tab was discarded.
    pub ok: bool,
    /// Why not.
    pub why: Option<String>,
}

impl Biography {
    /// Starts to follow a tab. It is explained after the line `at`, or at the end.
    pub fn new(birth: Birth, at: Option<Seq>) -> Self {
        let policy = Orchestrator::new(PolicyDocument::default());
        Self {
            engine: Engine::new(policy, Mode::Observe),
            outputs: Vec::new(),
            birth,
            at,
            present: None,
            story: Story {
                ids: VecDeque::new(),
                at: None,
                explanation: None,
                remedies: Vec::new(),
                closed: None,
                decisions: VecDeque::new(),
                forgotten: 0,
            },
        }
    }

    /// Takes the next line in.
    pub fn take(&mut self, line: &Line) {
        let Line { seq, t_ms, .. } = *line;
        match &line.body {
            Body::Decision(decision) if self.present == Some(decision.tab) => {
                let past = PastDecision {
                    seq,
                    t_ms,
                    decision: decision.clone(),
                    outcome: None,
                };
                if keep_last(&mut self.story.decisions, past) {
                    self.story.forgotten += 1;
                }
            }
            Body::DiscardOutcome(it) => {
                let (ok, why) = (it.ok, it.why.clone());
                self.note_outcome(it.decision, Outcome { seq, ok, why });
            }
            Body::OrderDropped(it) => {
                let (ok, why) = (false, Some(it.why.clone()));
                self.note_outcome(it.decision, Outcome { seq, ok, why });
            }
            _ => {}
        }
        if let Some(event) = line.event() {
            self.engine.step(&event, &mut self.outputs);
            self.outputs.clear();
            self.follow(seq);
        }
        if self.at == Some(seq) {
            self.explain(seq);
        }
        if self.at.is_none() {
            self.story.at = Some(seq);
        }
    }

    fn note_outcome(&mut self, decision: Seq, outcome: Outcome) {
        let mut decisions = self.story.decisions.iter_mut().rev();
        if let Some(past) = decisions.find(|past| past.seq == decision) {
            past.outcome = Some(outcome);
        }
    }

    /// Ends the story. Its `at` is absent if the trace ended before the line that was asked for.
    pub fn finish(mut self) -> Story {
        if let (None, Some(last)) = (self.at, self.story.at) {
            self.explain(last);
        }
        self.story
    }

    /// The tab's present id, while it is open.
    pub fn present(&self) -> Option<TabId> {
        self.present
    }

    /// What the log says at the end of what was taken in.
    pub fn world(&self) -> World<'_> {
        self.engine.world()
    }

    fn explain(&mut self, seq: Seq) {
        self.story.at = Some(seq);
        self.story.explanation = self.present.and_then(|tab| self.engine.explain(tab));
        self.story.remedies = self.present.map_or(Vec::new(), |tab| {
            remedies(self.engine.policy(), &self.engine.world(), tab)
        });
    }

    fn follow(&mut self, seq: Seq) {
        for &change in self.engine.world().changes() {
            let present = match change {
                Change::Tab(tab) if seq == self.birth.seq && tab == self.birth.tab => Some(tab),
                Change::Renamed { old, new } if self.present == Some(old) => Some(new),
                Change::Gone(tab) if self.present == Some(tab) => None,
                _ => continue,
            };
            if let Some(tab) = present.filter(|_| present != self.present) {
                keep_last(&mut self.story.ids, IdUse { tab, since: seq });
            }
            if present.is_none() {
                self.story.closed = Some(seq);
            }
            self.present = present;
        }
    }
}

/// Adds to the end and, where it is full, takes from the front. Returns whether it did.
fn keep_last<T>(list: &mut VecDeque<T>, item: T) -> bool {
    let is_full = list.len() == HISTORY;
    if is_full {
        list.pop_front();
    }
    list.push_back(item);
    is_full
}
