//! What the log says so far: the engine on it, and what else is told of it.
//!
//! A line is taken in here after it was written, and in the same way when a restarted host reads
//! it again. So what the host knows is what the log says, whichever way it came to know it.

use std::collections::{BTreeMap, VecDeque};

use engine::{Engine, Mode, Orchestrator, Output, PolicyDocument, Seq, TabId};
use recorder::{Body, DiscardOutcome, Line, Metrics};

use crate::recent::Recent;

/// What the log says so far.
#[derive(Debug)]
pub struct History {
    engine: Engine<Orchestrator>,
    /// What the engine answered to the last input and the log does not have yet.
    awaited: VecDeque<Output>,
    scratch: Vec<Output>,
    recent: Recent,
    /// The decisions to be carried out of which no outcome was told, with their tabs.
    open: BTreeMap<Seq, TabId>,
    has_metrics: bool,
    offset_ms: i64,
    first_t_ms: Option<i64>,
    is_begun: bool,
    diverged_at: Option<Seq>,
}

impl Default for History {
    fn default() -> Self {
        let policy = Orchestrator::new(PolicyDocument::default());
        Self {
            engine: Engine::new(policy, Mode::Observe),
            awaited: VecDeque::new(),
            scratch: Vec::new(),
            recent: Recent::default(),
            open: BTreeMap::new(),
            has_metrics: false,
            offset_ms: 0,
            first_t_ms: None,
            is_begun: false,
            diverged_at: None,
        }
    }
}

impl History {
    /// Takes a line of the log in, in its order.
    pub fn follow(&mut self, line: &Line) {
        if self.first_t_ms.is_none() {
            self.first_t_ms = Some(line.t_ms);
            self.recent.begin(line.t_ms);
        }
        if let Some(output) = line.output() {
            if self.awaited.pop_front() != Some(output) {
                self.diverged_at.get_or_insert(line.seq);
            }
            if let Body::Decision(decision) = &line.body {
                let world = self.engine.world();
                let bytes = world
                    .tab(decision.tab)
                    .map_or(0, |tab| self.engine.policy().expected_bytes(&world, tab));
                self.recent.decide(line, decision, &world, bytes);
                if decision.mode == Mode::Enforce {
                    self.open.insert(line.seq, decision.tab);
                }
            }
            return;
        }
        if let Some(event) = line.event() {
            // Outputs stand right after their input.
            if !self.awaited.is_empty() {
                self.diverged_at.get_or_insert(line.seq);
            }
            self.engine.step(&event, &mut self.scratch);
            self.awaited.extend(self.scratch.drain(..));
        }
        self.recent.note(&line.body, &self.engine.world());
        match &line.body {
            Body::Metrics(_) => self.has_metrics = true,
            Body::ClockStepped(it) => self.offset_ms = it.by_ms,
            Body::ModeChanged(_) => self.is_begun = true,
            Body::DiscardOutcome(it) => drop(self.open.remove(&it.decision)),
            Body::OrderDropped(it) => drop(self.open.remove(&it.decision)),
            Body::Checkpoint(it)
                if it
                    .state
                    .as_ref()
                    .is_some_and(|state| *state != self.engine.state_hash()) =>
            {
                self.diverged_at.get_or_insert(line.seq);
            }
            _ => {}
        }
    }

    /// The engine, after the last line.
    pub fn engine(&self) -> &Engine<Orchestrator> {
        &self.engine
    }

    /// The next output of the engine that the log does not have yet.
    pub fn awaited(&self) -> Option<&Output> {
        self.awaited.front()
    }

    /// Whether an outcome is one of a decision of this log, of which none was told yet.
    pub fn awaits(&self, outcome: &DiscardOutcome) -> bool {
        self.open.get(&outcome.decision) == Some(&outcome.tab)
    }

    /// The last decisions.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// The last sample of the machine, with the browser's memory as it was last measured.
    pub fn metrics(&self) -> Option<Metrics> {
        (self.has_metrics).then(|| (*self.engine.world().metrics()).into())
    }

    /// The wall clock less `t_ms`.
    pub fn offset_ms(&self) -> i64 {
        self.offset_ms
    }

    /// Whether the log has all that stands at its beginning: the first mode is the last of it.
    pub fn is_begun(&self) -> bool {
        self.is_begun
    }

    /// The line from which on the log has other outputs than this engine gives, or another state.
    /// Such a log was written by another engine than it says, and is not to be gone on with.
    pub fn diverged_at(&self) -> Option<Seq> {
        self.diverged_at
    }
}
