//! The last decisions and what became of them, as the popup shows them.
//!
//! It is made from the log's lines alone, so that it is the same after a restart.

use std::collections::VecDeque;

use engine::{Mode, Seq, TabId, World};
use recorder::{Body, Decision, Line};

use crate::protocol::{Observed, Outcome, RecentDecision};

/// How many decisions are kept.
const KEPT: usize = 20;

/// The last decisions, newest first.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    decisions: VecDeque<RecentDecision>,
    observed: Observed,
}

impl Recent {
    /// The last decisions, newest first.
    pub fn decisions(&self) -> impl Iterator<Item = &RecentDecision> {
        self.decisions.iter()
    }

    /// What observe mode would have done in this trace.
    pub fn observed(&self) -> Observed {
        self.observed
    }

    /// Takes a decision in. `expected_bytes` is what the tab was expected to free.
    pub fn decide(&mut self, line: &Line, decision: &Decision, world: &World, expected_bytes: u64) {
        let is_observed = decision.mode == Mode::Observe;
        if is_observed {
            self.observed.decisions += 1;
            self.observed.bytes_expected += expected_bytes;
        }
        let host = world.tab(decision.tab).and_then(|tab| world.host_of(tab));
        self.decisions.truncate(KEPT - 1);
        self.decisions.push_front(RecentDecision {
            decision: line.seq,
            tab: decision.tab,
            host: host.map(str::to_owned),
            t_ms: line.t_ms,
            mode: decision.mode,
            outcome: None,
            why: None,
            reasons: decision.reasons.clone(),
            level: decision.level,
            score: decision.score,
            idle_ms: decision.idle_ms,
            ttl_ms: decision.ttl_ms,
            in_focus: decision.in_focus,
            familiarity: decision.familiarity,
            // What a discard freed is told when it was measured, and not guessed before.
            bytes: is_observed.then_some(expected_bytes),
        });
    }

    /// Takes any other line in, after the world has.
    pub fn note(&mut self, body: &Body, world: &World) {
        match body {
            Body::DiscardOutcome(it) => {
                let outcome = if it.ok {
                    Outcome::Discarded
                } else {
                    Outcome::Refused
                };
                self.became(it.decision, outcome, it.why.as_ref());
            }
            Body::OrderDropped(it) => self.became(it.decision, Outcome::Refused, Some(&it.why)),
            Body::TabReplaced(it) => {
                for entry in self.of(it.old) {
                    entry.tab = it.tab;
                }
            }
            Body::TabRestored(it) => self.came_back(it.tab, Mode::Enforce),
            // In observe mode nothing was discarded: coming back is looking at the tab.
            Body::TabActivated(it) => self.came_back(it.tab, Mode::Observe),
            Body::TabClosed(it) => self.closed(|tab| tab == it.tab),
            Body::SessionStarted(_) => self.closed(|tab| world.tab(tab).is_none()),
            Body::TabMemory(it) => {
                let found = self
                    .of(it.tab)
                    .find(|entry| entry.outcome == Some(Outcome::Discarded));
                if let Some(entry) = found {
                    entry.bytes = Some(it.bytes);
                }
            }
            _ => {}
        }
    }

    /// Begins to count what observe mode would have done, at the log's beginning.
    pub fn begin(&mut self, t_ms: i64) {
        self.observed.since_ms = t_ms;
    }

    fn became(&mut self, decision: Seq, outcome: Outcome, why: Option<&String>) {
        let mut decisions = self.decisions.iter_mut();
        if let Some(entry) = decisions.find(|entry| entry.decision == decision) {
            // The tab may have been closed or come back before the outcome was told.
            entry.outcome.get_or_insert(outcome);
            entry.why = why.cloned();
        }
    }

    fn of(&mut self, tab: TabId) -> impl Iterator<Item = &mut RecentDecision> {
        self.decisions
            .iter_mut()
            .filter(move |entry| entry.tab == tab)
    }

    fn came_back(&mut self, tab: TabId, mode: Mode) {
        let found = self.of(tab).find(|entry| entry.mode == mode);
        if let Some(entry) = found
            && matches!(entry.outcome, None | Some(Outcome::Discarded))
        {
            entry.outcome = Some(Outcome::Returned);
        }
    }

    fn closed(&mut self, is_gone: impl Fn(TabId) -> bool) {
        for entry in self.decisions.iter_mut().filter(|entry| is_gone(entry.tab)) {
            if entry.outcome != Some(Outcome::Refused) {
                entry.outcome = Some(Outcome::Closed);
            }
        }
    }
}
