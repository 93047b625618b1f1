//! What a policy would have done: a recorded trace, run through it in closed loop.
//!
//! A discard changes what follows, so the recording is not simply fed to the policy. What the user
//! and the machine did is kept. What the recorded policy did is taken out: its decisions, its
//! discards, their outcomes and their restores. The replayed policy enforces, its own discards are
//! carried out, and a tab that it discarded comes back when the recording says that it was needed.
//!
//! Readings of memory follow what the policy discards, unless the loop is open: what the machine
//! would have shown is what it showed, plus or minus what the policy's discards differ from the
//! recorded ones.
//!
//! Two worlds run side by side. The one as recorded tells what each tab was really doing; the
//! policy's own tells what it would have been doing. Ids are the same in both, since every
//! `tab_replaced` is kept: it is a rename and nothing else. Nothing here reads a clock or a file,
//! and what is kept grows with the open tabs, not with the trace.

mod clairvoyance;
mod frontier;
mod hold;
mod lockstep;
mod memory;
mod score;
mod step;
mod tally;
mod watch;

use std::collections::BTreeMap;

use engine::{
    Change, DEFAULT_TAB_BYTES, Decision, DiscardedBy, Engine, Event, Input, MemorySource, Metrics,
    Mode, Output, Page, Policy, PolicyDocument, PressureState, Seq, Snapshot, Tab, TabChanges,
    TabFacts, TabId, TabMap, World,
};
use recorder::Line;
use serde::{Deserialize, Serialize};

use crate::baselines::Never;

use hold::Held;
use memory::{Memory, Worlds};
use score::Gauge;
use watch::Watch;

pub use clairvoyance::{Clairvoyance, Foresight};
pub use frontier::{Frontier, Point};
pub use hold::{Decided, Hold, HoldEnd};
pub use lockstep::{AnyReplay, Lockstep, Side, View};
pub use memory::{Source, WITHHELD_BEYOND_PERCENT};
pub use score::{
    Definition, Departure, EARLY_RETURN_MS, Feedback, Machine, SCORES, Score, Span, THRASH_MS,
    scores_table,
};
pub use step::{RecordedDecision, Step};
pub use tally::{Rates, Tally};

/// How often a policy that acts at every sample looks where there is none: once a minute.
pub const TICK_MS: i64 = 60_000;

/// For how long after an event a policy is woken: a week. No timer of any policy takes longer, and
/// a log in which time leaps by a century is gone through as fast as any other.
const WAKES_FOR_MS: i64 = 7 * 24 * 3_600_000;

/// For how long after an event it does so: a day. After that nothing ripens any more that has not,
/// but for a policy on the wall clock.
const TICKS_FOR_MS: i64 = 24 * 3_600_000;

/// A decision that the replay came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// When it was made, by the log's time.
    pub t_ms: i64,
    /// The decision, as a log would have it. Its cause is a seq of the recording.
    #[serde(flatten)]
    pub decision: recorder::Decision,
    /// The host of the tab.
    pub host: Option<String>,
    /// The memory that its discard is expected to give back, in bytes.
    pub expected_bytes: u64,
    /// Whether the recorded policy decided the same. Then the recorded outcome is taken, at its
    /// own time; any other decision succeeds at once.
    pub as_recorded: bool,
}

/// A replay under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Replay<P> {
    engine: Engine<P>,
    /// The world as recorded.
    recorded: Engine<Never>,
    /// The place of the last input, which synthetic events take too: they stand in no log.
    seq: Seq,
    t_ms: i64,
    #[serde(skip)]
    outputs: Vec<Output>,
    /// Decisions on the last input, until the recorded ones have been seen as well.
    fresh: Vec<Decision>,
    /// The recorded decisions on the last input that were to be carried out, by tab.
    recorded_fresh: BTreeMap<TabId, Seq>,
    /// Tabs whose recorded outcome is waited for, by their present id.
    awaiting: TabMap<Awaited>,
    /// Tabs that the policy holds discarded, by their present id.
    held: TabMap<Held>,
    /// The holds that ended, where they are kept.
    holds: Option<Vec<Hold>>,
    /// Whether the recording says what became of a decision that it has, too.
    takes_recorded_outcomes: bool,
    /// When the last sample was shown, or stood in for, where ticks are wanted.
    last_tick_ms: Option<i64>,
    last_event_ms: i64,
    is_ticking: bool,
    /// What came before for each tab that is open, by its present id.
    past: TabMap<Past>,
    memory: Memory,
    watch: Watch,
    /// The pressure as it would have been, and as it would have been without any discard.
    gauge: Gauge,
    never: Gauge,
    #[serde(with = "score::with_totals")]
    score: Score,
}

/// A decision that takes the recorded outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Awaited {
    /// The seq of the recorded decision.
    decision: Seq,
    intent: Intent,
    /// Outcome and discard come in any order.
    is_discarded: bool,
    is_answered: bool,
}

/// What a decision is about to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Intent {
    decided: Decided,
    /// What the discard is expected to free.
    expected_bytes: u64,
    /// The hard guards that it goes against.
    #[serde(deserialize_with = "watch::names")]
    objections: Vec<&'static str>,
}

impl Awaited {
    /// Whether the recording has told of no discard so far. A refusal ends the wait.
    fn is_open(&self) -> bool {
        !self.is_discarded
    }
}

/// What a tab was through.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Past {
    /// How long it last took to load, where that was measured.
    load_ms: Option<u64>,
    /// Whether somebody waits for it to be loaded again.
    is_waited_for: bool,
    /// When the policy last discarded it, on the active clock.
    discarded_active: Option<i64>,
}

/// How a decision is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// As the recording answers its own decision with this seq.
    Recorded(Seq),
    /// At once.
    AtOnce,
    /// At once if it succeeds, else not at all.
    OnSuccess,
}

/// What becomes of a recorded input in the policy's world.
#[derive(Clone, Debug, PartialEq)]
enum Kept {
    /// It happens there, too.
    AsItIs,
    /// It happens in another form.
    Changed(Input),
    /// It is of the recorded policy's making.
    TakenOut,
    /// It comes from a tab that is discarded there.
    Impossible,
    /// It tells of the machine as recorded, which is too far from the one there.
    Withheld,
}

/// What follows a recorded input in the policy's world.
#[derive(Clone, Debug, PartialEq)]
enum Then {
    Nothing,
    /// The policy holds the tab from now on.
    Hold(TabId, Intent),
    /// These tabs, which the policy holds, are needed.
    Return(Vec<TabId>, Return),
}

impl Then {
    fn back(tab: Option<TabId>, how: Return) -> Self {
        tab.map_or(Self::Nothing, |tab| Self::Return(vec![tab], how))
    }
}

/// How a tab comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    /// The engine is still to be told.
    Untold,
    /// By the recorded restore, which it has been told of.
    Told,
}

impl<P: Policy> Replay<P> {
    /// Starts with an empty world. The policy enforces from the first line on.
    pub fn new(policy: P) -> Self {
        Self {
            engine: Engine::new(policy, Mode::Enforce),
            recorded: Engine::new(Never, Mode::Observe),
            seq: Seq(0),
            t_ms: 0,
            outputs: Vec::new(),
            fresh: Vec::new(),
            recorded_fresh: BTreeMap::new(),
            awaiting: TabMap::default(),
            held: TabMap::default(),
            holds: None,
            takes_recorded_outcomes: true,
            last_tick_ms: None,
            last_event_ms: 0,
            is_ticking: false,
            past: TabMap::default(),
            memory: Memory::default(),
            watch: Watch::new(PolicyDocument::default().protected_domains.clone()),
            gauge: Gauge::default(),
            never: Gauge::default(),
            score: Score::default(),
        }
    }

    /// Leaves every sample as it was recorded, whatever the policy frees.
    #[must_use]
    pub fn open_loop(mut self) -> Self {
        self.score.feedback = Feedback::Open;
        self
    }

    /// Takes discards of tabs on these domains for violations, instead of the default ones.
    #[must_use]
    pub fn protecting(mut self, domains: &[String]) -> Self {
        self.protect(domains);
        self
    }

    /// Keeps every hold, to be measured against a [`Frontier`] or told apart from another
    /// policy's. They grow with the discards.
    #[must_use]
    pub fn keeping_holds(mut self) -> Self {
        self.holds = Some(Vec::new());
        self
    }

    /// Lets every decision succeed at once, also one that the recording has.
    #[must_use]
    pub fn carrying_out_all(mut self) -> Self {
        self.takes_recorded_outcomes = false;
        self
    }

    /// Shows the policy an empty sample every [`TICK_MS`] while the recording has none: for policies
    /// that act at every sample, on traces without any.
    #[must_use]
    pub fn ticking(mut self) -> Self {
        self.is_ticking = true;
        self
    }

    /// The same from here on, in the middle of a trace.
    pub fn protect(&mut self, domains: &[String]) {
        self.watch.protect(domains.to_vec());
    }

    /// Starts or stops [ticking](Self::ticking).
    pub fn tick_from_here(&mut self, is_ticking: bool) {
        self.is_ticking = is_ticking;
    }

    /// Goes on under another policy from here on. It takes over as if it had been installed at this
    /// moment and the browser had told it of its tabs; see [`Engine::hand_over`]. What the policy
    /// before it decided on the last input is still carried out.
    pub fn hand_over(&mut self, policy: P) {
        self.engine.hand_over(policy, self.seq, &mut self.outputs);
        self.collect_decisions();
    }

    /// Goes on under another document of our own policy, which takes it in as it does live: its
    /// cooldown, its pressure and what it has under way stay. There must have been an event, whose
    /// time this is; see [`Replay::has_begun`].
    pub fn change_document(&mut self, document: PolicyDocument) {
        self.feed(Input::PolicyChanged(Box::new(document)));
    }

    /// What a tab weighs by what the recording has told so far, in bytes. It is the same for every
    /// policy.
    pub fn bytes(&self, tab: TabId) -> Option<u64> {
        self.memory.bytes(tab)
    }

    /// The policy and the world as it would have been.
    pub fn engine(&self) -> &Engine<P> {
        &self.engine
    }

    /// How many discards so far went against a hard guard.
    pub fn violations(&self) -> u64 {
        self.score.violations
    }

    /// The sums so far, up to the last line.
    pub fn tally(&self) -> Tally {
        self.score
            .tally(self.recorded.world().moment(), &self.gauge)
    }

    /// The pressure as it would have been after the last line, by the default policy's measure
    /// whatever policy is replayed. `None` until a sample has told of memory.
    pub fn pressure(&self) -> Option<&PressureState> {
        self.gauge.pressure()
    }

    /// How many decisions wait for the next line, since the recorded ones on the same input, which
    /// they are held against, may be still to come.
    pub fn open_decisions(&self) -> usize {
        self.fresh.len()
    }

    /// Whether there was an event yet.
    pub fn has_begun(&self) -> bool {
        self.score.span.from_ms.is_some()
    }

    /// Whether the policy holds a tab discarded.
    pub fn holds(&self, tab: TabId) -> bool {
        self.held.contains(tab)
    }

    /// Since which decision the policy holds a tab discarded.
    pub fn held_since(&self, tab: TabId) -> Option<Decided> {
        self.held.get(tab).map(|held| held.decided)
    }

    /// The hard guards that a discard of a tab would go against now, as the checker sees them.
    pub fn objections(&self, tab: TabId) -> Vec<&'static str> {
        self.watch.objections(tab)
    }

    /// Whether it has just decided to discard a tab, on the last line.
    pub fn decides_on(&self, tab: TabId) -> bool {
        self.fresh.iter().any(|decision| decision.tab == tab)
    }

    /// Takes the next line of the recording in, and adds what the policy decided to `decided`. A
    /// decision comes with the first line after its cause and the recorded outputs on that.
    pub fn take(&mut self, line: Line, decided: &mut Vec<Replayed>) {
        if let Some(step) = Step::of(line) {
            self.take_step(&step, decided);
        }
    }

    /// The same for what matters of a line.
    pub fn take_step(&mut self, step: &Step, decided: &mut Vec<Replayed>) {
        match step {
            Step::Event(event) => {
                self.settle(decided);
                self.pass_time(event, decided);
                self.enter(event);
            }
            Step::Decided(recorded) => self.note_recorded(*recorded),
            Step::Unknown => self.score.unknown_lines += 1,
        }
    }

    /// Takes an input of the recording in.
    fn enter(&mut self, event: &Event) {
        self.score.span.begin(event.t_ms);
        self.seq = event.seq;
        self.t_ms = event.t_ms;
        self.last_event_ms = event.t_ms;
        // A machine that slept, or a log that was silent for days, shows nothing of that time.
        let is_shown = matches!(event.input, Input::Metrics(_) | Input::Suspended { .. });
        if is_shown
            || self
                .last_tick_ms
                .is_none_or(|last| event.t_ms.saturating_sub(last) > TICKS_FOR_MS)
        {
            self.last_tick_ms = Some(event.t_ms);
        }
        self.follow(event);
    }

    /// Lets the time up to an event pass, waking the policy whenever it wants to be woken.
    fn pass_time(&mut self, event: &Event, decided: &mut Vec<Replayed>) {
        let until_ms = self.wakes_until(event);
        while let Some(due_ms) = self.next_due().filter(|&due_ms| due_ms < until_ms) {
            self.pass_due(due_ms);
            self.settle(decided);
        }
    }

    /// Until when the policy is woken before an event.
    fn wakes_until(&self, event: &Event) -> i64 {
        let silent_from_ms = self.last_event_ms.saturating_add(WAKES_FOR_MS);
        awake_until(event).min(silent_from_ms)
    }

    /// When the policy is next to be woken, or shown a tick, if no event comes before.
    fn next_due(&self) -> Option<i64> {
        let wanted = self.engine.next_due().into_iter();
        wanted.chain(self.next_tick()).min()
    }

    /// Lets time pass to when something is due, and that happen.
    fn pass_due(&mut self, due_ms: i64) {
        self.pass_to(due_ms);
        if self.next_tick() == Some(due_ms) {
            self.tick();
        }
    }

    /// When the next tick is due, where ticks are wanted.
    fn next_tick(&self) -> Option<i64> {
        let last_ms = self.last_tick_ms.filter(|_| self.is_ticking)?;
        let due_ms = last_ms.saturating_add(TICK_MS);
        (due_ms <= self.last_event_ms.saturating_add(TICKS_FOR_MS)).then_some(due_ms)
    }

    fn tick(&mut self) {
        self.last_tick_ms = Some(self.t_ms);
        self.feed(Input::Metrics(Metrics::default()));
    }

    /// Lets time pass between two events, and the policy act on that.
    fn pass_to(&mut self, t_ms: i64) {
        self.t_ms = t_ms;
        self.recorded.wake(t_ms, self.seq, &mut self.outputs);
        self.pass();
        self.watch.wake(t_ms);
        self.engine.wake(t_ms, self.seq, &mut self.outputs);
        self.collect_decisions();
    }

    /// Ends the replay: adds what was decided last to `decided` and returns the score.
    pub fn finish(self, decided: &mut Vec<Replayed>) -> Score {
        self.finish_with_holds(decided).0
    }

    /// Ends the replay, and returns the score and every hold, in the order in which they ended.
    /// There are none unless they were [kept](Self::keeping_holds).
    pub fn finish_with_holds(mut self, decided: &mut Vec<Replayed>) -> (Score, Vec<Hold>) {
        self.settle(decided);
        for (tab, &held) in self.held.clone().iter() {
            self.note_hold(tab, held, HoldEnd::Trace);
        }
        let mut score = self.score;
        score.unanswered += count(self.awaiting.values().filter(|awaited| awaited.is_open()));
        score.held_at_end = count(self.held.values());
        score.anomalies = self.engine.world().anomalies();
        score.span.end(self.recorded.world().moment());
        score.finish(&self.gauge, &self.never);
        (score, self.holds.unwrap_or_default())
    }

    /// Notes what the recorded policy decided on the last input, if that was to be carried out.
    fn note_recorded(&mut self, recorded: RecordedDecision) {
        let is_known = self.recorded.world().tab(recorded.tab).is_some();
        if recorded.mode == Mode::Enforce && recorded.cause == self.seq && is_known {
            self.recorded_fresh.insert(recorded.tab, recorded.seq);
        }
    }

    /// Carries out what the policy decided on the last input.
    fn settle(&mut self, decided: &mut Vec<Replayed>) {
        if self.fresh.is_empty() && self.recorded_fresh.is_empty() {
            return;
        }
        let recorded = std::mem::take(&mut self.recorded_fresh);
        let is_as_recorded = self.fresh.len() == recorded.len()
            && (self.fresh.iter()).all(|decision| recorded.contains_key(&decision.tab));
        if !is_as_recorded {
            self.score.note_departure(self.seq, self.t_ms);
        }
        for decision in std::mem::take(&mut self.fresh) {
            let recorded_seq = recorded.get(&decision.tab).copied();
            let answer = match recorded_seq.filter(|_| self.takes_recorded_outcomes) {
                Some(decision) => Answer::Recorded(decision),
                None => Answer::AtOnce,
            };
            self.carry_out(decision, answer, decided);
        }
        // A policy may decide again on what its discards did. This ends: a refusal it is not told
        // of can lead to nothing, and each discard leaves a tab less.
        while !self.fresh.is_empty() {
            for decision in std::mem::take(&mut self.fresh) {
                self.carry_out(decision, Answer::OnSuccess, decided);
            }
        }
    }

    fn carry_out(&mut self, decision: Decision, answer: Answer, decided: &mut Vec<Replayed>) {
        let tab = decision.tab;
        let world = self.engine.world();
        let facts = world.tab(tab);
        let intent = Intent {
            decided: Decided {
                seq: self.seq,
                t_ms: self.t_ms,
                tab,
            },
            expected_bytes: (facts.and_then(|tab| world.known_bytes(tab)))
                .unwrap_or(DEFAULT_TAB_BYTES),
            objections: self.watch.objections(tab),
        };
        let can_be_discarded = facts.is_some_and(|tab| !tab.is_discarded);
        let host = facts.and_then(|tab| world.host_of(tab)).map(str::to_owned);
        self.score.note_decision(&decision);
        decided.push(Replayed {
            t_ms: self.t_ms,
            decision: decision.into(),
            host,
            expected_bytes: intent.expected_bytes,
            as_recorded: matches!(answer, Answer::Recorded(_)),
        });
        match answer {
            Answer::Recorded(decision) => {
                let awaited = Awaited {
                    decision,
                    intent,
                    is_discarded: false,
                    is_answered: false,
                };
                let before = self.awaiting.insert(tab, awaited);
                self.score.unanswered += u64::from(before.is_some_and(|awaited| awaited.is_open()));
            }
            Answer::AtOnce | Answer::OnSuccess if can_be_discarded => {
                self.discard(tab, &intent);
                self.tell_outcome(tab, true);
            }
            Answer::AtOnce => {
                self.score.refused += 1;
                self.tell_outcome(tab, false);
            }
            Answer::OnSuccess => self.score.refused += 1,
        }
    }

    /// Discards a tab.
    fn discard(&mut self, tab: TabId, intent: &Intent) {
        let by = DiscardedBy::Orchestrator;
        self.feed(Input::TabDiscarded { tab, by });
        self.hold(tab, intent);
    }

    /// Tells the policy the outcome of a decision of the last input.
    fn tell_outcome(&mut self, tab: TabId, ok: bool) {
        let decision = self.seq;
        self.feed(Input::DiscardOutcome { decision, tab, ok });
    }

    /// Notes that the policy holds a tab discarded from now on.
    fn hold(&mut self, tab: TabId, intent: &Intent) {
        // The recording's clocks are the same for every policy.
        let since = self.recorded.world().moment();
        let held = Held {
            decided: intent.decided,
            since,
            seq: self.seq,
            t_ms: self.t_ms,
            tab,
            weighed: self.memory.weighed(tab, since.active).unwrap_or_default(),
        };
        self.held.insert(tab, held);
        self.revalue(tab);
        self.score.note_discard(intent.expected_bytes);
        self.score.note_violations(&intent.objections);
        let past = self.past.get_or_default(tab);
        past.is_waited_for = false;
        let before = past.discarded_active.replace(since.active);
        let is_again =
            before.is_some_and(|before| since.active.saturating_sub(before) <= score::THRASH_MS);
        self.score.thrash += u64::from(is_again);
    }

    /// Follows in the books of memory what became of a tab.
    fn revalue(&mut self, tab: TabId) {
        let worlds = worlds(&self.recorded, &self.engine, &self.held);
        self.memory.revalue(tab, worlds);
    }

    /// Tells the engine something at the place of the last input.
    fn feed(&mut self, input: Input) {
        let event = Event {
            seq: self.seq,
            t_ms: self.t_ms,
            input,
        };
        self.feed_event(&event);
    }

    /// The same of an event that stands there already.
    fn feed_event(&mut self, event: &Event) {
        self.watch.see(event);
        self.engine.step(event, &mut self.outputs);
        let mut closed = Vec::new();
        for &change in self.engine.world().changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => {
                    self.held.rename(old, new);
                    self.awaiting.rename(old, new);
                }
                Change::Gone(tab) => {
                    closed.extend(self.held.remove(tab).map(|held| (tab, held)));
                    let awaited = self.awaiting.remove(tab);
                    let is_open = awaited.is_some_and(|awaited| awaited.is_open());
                    self.score.unanswered += u64::from(is_open);
                }
            }
        }
        for &change in self.engine.world().changes() {
            let (Change::Tab(tab) | Change::Gone(tab) | Change::Renamed { new: tab, .. }) = change;
            let worlds = worlds(&self.recorded, &self.engine, &self.held);
            self.memory.follow_here(tab, worlds);
        }
        for (tab, held) in closed {
            self.score.closed_while_held += 1;
            self.note_hold(tab, held, HoldEnd::Closed);
        }
        self.collect_decisions();
    }

    /// Notes that a hold has ended, or that the trace has.
    fn note_hold(&mut self, tab: TabId, held: Held, end: HoldEnd) {
        let Some(holds) = &mut self.holds else {
            return;
        };
        let at = self.recorded.world().moment();
        let weighed = match end {
            HoldEnd::Closed => self.memory.weighed_when_gone(tab),
            HoldEnd::Needed | HoldEnd::Trace => self.memory.weighed(tab, at.active),
        };
        let until = (end != HoldEnd::Trace).then_some(self.seq);
        let weighed = weighed.unwrap_or(held.weighed);
        holds.push(held.until(tab, weighed, until, at, end));
    }

    fn collect_decisions(&mut self) {
        let decisions = self.outputs.drain(..).filter_map(|output| match output {
            Output::Decision(decision) => Some(decision),
            Output::PressureChanged(_) => None,
        });
        self.fresh.extend(decisions);
    }

    /// Takes a recorded input in: into the recorded world as it is, into the policy's as far as
    /// it would have happened there.
    fn follow(&mut self, event: &Event) {
        let (kept, then) = self.rewrite(&event.input);
        let was_discarded = match &event.input {
            Input::TabDiscarded { tab, .. } => {
                (self.recorded.world().tab(*tab)).is_some_and(|tab| tab.is_discarded)
            }
            _ => false,
        };
        self.recorded.step(event, &mut self.outputs);
        self.pass();
        self.follow_tabs(&event.input, was_discarded);
        self.follow_machine(&event.input);
        match kept {
            Kept::AsItIs => self.feed_event(event),
            Kept::Changed(input) => self.feed(input),
            Kept::TakenOut => self.score.taken_out += 1,
            Kept::Impossible => self.score.impossible += 1,
            Kept::Withheld => self.score.withheld_signals += 1,
        }
        match then {
            Then::Nothing => {}
            Then::Hold(tab, intent) => self.hold(tab, &intent),
            Then::Return(tabs, how) => {
                for tab in tabs {
                    self.bring_back(tab, how);
                }
            }
        }
    }

    /// Adds up what lies between the last line and this one.
    fn pass(&mut self) {
        let at = self.recorded.world().moment();
        (self.score).pass(at, self.memory.sums(), self.never.is_pressed());
        self.gauge.pass(at);
        self.never.pass(at);
    }

    /// Follows what an input did to the tabs of the recording.
    fn follow_tabs(&mut self, input: &Input, was_discarded: bool) {
        for &change in self.recorded.world().changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => self.past.rename(old, new),
                Change::Gone(tab) => drop(self.past.remove(tab)),
            }
        }
        let worlds = worlds(&self.recorded, &self.engine, &self.held);
        self.memory.follow(worlds);
        match input {
            Input::TabDiscarded { tab, by } => match by {
                DiscardedBy::Orchestrator if was_discarded => {}
                DiscardedBy::Orchestrator => self.memory.note_recorded_discard(*tab, worlds),
                // Whatever the recorded policy did, the tab is gone now.
                DiscardedBy::Other => self.memory.note_other_discard(*tab, worlds),
            },
            Input::TabMemory { tab, how, .. } => match how {
                MemorySource::Measured => self.memory.revalue(*tab, worlds),
                // Its host's median may be another now.
                MemorySource::Reclaimed => self.memory.reweigh(worlds.recorded),
            },
            Input::TabLoaded { tab, load_ms } if worlds.recorded.tab(*tab).is_some() => {
                self.note_loaded(*tab, *load_ms);
            }
            _ => {}
        }
    }

    fn note_loaded(&mut self, tab: TabId, load_ms: Option<u64>) {
        let past = self.past.get_or_default(tab);
        past.load_ms = load_ms.or(past.load_ms);
        if std::mem::take(&mut past.is_waited_for) {
            let load_ms = past.load_ms;
            self.score.note_wait(load_ms);
        }
    }

    /// Counts the time that a reload takes: of the load that the recording has at the same moment,
    /// once that ends, else of the tab's last one.
    fn await_load(&mut self, tab: TabId) {
        let Some(there) = self.recorded.world().tab(tab) else {
            return;
        };
        let past = self.past.get_or_default(tab);
        if there.is_loading {
            past.is_waited_for = true;
        } else {
            let load_ms = past.load_ms;
            self.score.note_wait(load_ms);
        }
    }

    /// Follows what the machine showed. The bytes that a sample is moved by are those before it.
    fn follow_machine(&mut self, input: &Input) {
        let at = self.recorded.world().moment();
        match input {
            Input::Metrics(metrics) => {
                let (here, is_withheld) = self.as_here(metrics);
                self.score.samples += 1;
                self.score.withheld_samples += u64::from(is_withheld);
                self.gauge.sample(&here, at);
                self.never
                    .sample(&self.memory.as_never(metrics).metrics, at);
                self.memory.sample(metrics, self.recorded.world());
            }
            Input::PressureSignal(severity) => {
                if !self.is_signal_withheld() {
                    self.gauge.signal(*severity, at);
                }
                if !self.memory.is_withheld_of_never() {
                    self.never.signal(*severity, at);
                }
            }
            _ => {}
        }
    }

    /// What the policy sees of a recorded sample, and whether a part is withheld.
    fn as_here(&self, metrics: &Metrics) -> (Metrics, bool) {
        match self.score.feedback {
            Feedback::Open => (*metrics, false),
            Feedback::Closed => {
                let shown = self.memory.as_here(metrics);
                (shown.metrics, shown.is_withheld)
            }
        }
    }

    fn is_signal_withheld(&self) -> bool {
        self.score.feedback == Feedback::Closed && self.memory.is_withheld_here()
    }

    /// Says what becomes of a recorded input in the policy's world. Both worlds still stand
    /// before it.
    fn rewrite(&mut self, input: &Input) -> (Kept, Then) {
        match input {
            Input::SessionStarted(snapshot) => self.rewrite_snapshot(snapshot),
            Input::TabOpened(facts) => {
                let mut facts = facts.clone();
                let returns = self.rewrite_facts(&mut facts);
                let then = returns.then_some(facts.tab);
                (
                    Kept::Changed(Input::TabOpened(facts)),
                    Then::back(then, Return::Untold),
                )
            }
            Input::TabActivated { tab, .. } => {
                let back = Some(*tab).filter(|&tab| self.holds(tab));
                (Kept::AsItIs, Then::back(back, Return::Untold))
            }
            Input::TabNavigated { tab, .. } if self.holds(*tab) => {
                let here = self.engine.world().tab(*tab);
                if here.is_some_and(|tab| tab.is_active) {
                    // Somebody looks at it; coming back it catches up with where it went.
                    let then = Then::back(Some(*tab), Return::Untold);
                    (Kept::TakenOut, then)
                } else {
                    (Kept::Impossible, Then::Nothing)
                }
            }
            Input::TabLoaded { tab, .. } => {
                let is_loading = |world: &World| world.tab(*tab).is_some_and(|tab| tab.is_loading);
                let kept = if self.holds(*tab) {
                    Kept::Impossible
                } else if is_loading(self.recorded.world()) && !is_loading(self.engine.world()) {
                    // The end of a restore that did not happen here.
                    Kept::TakenOut
                } else {
                    Kept::AsItIs
                };
                (kept, Then::Nothing)
            }
            Input::TabChanged { tab, changes } if self.holds(*tab) => {
                (rewrite_changes(*tab, *changes), Then::Nothing)
            }
            Input::TabRestored { tab } => {
                let facts = self.engine.world().tab(*tab);
                if facts.is_some_and(|tab| !tab.is_discarded) {
                    return (Kept::TakenOut, Then::Nothing);
                }
                let back = Some(*tab).filter(|&tab| self.holds(tab));
                (Kept::AsItIs, Then::back(back, Return::Told))
            }
            Input::TabDiscarded { tab, by } => self.rewrite_discard(*tab, *by),
            Input::DiscardOutcome { decision, ok, .. } => {
                (self.rewrite_outcome(*decision, *ok), Then::Nothing)
            }
            Input::Metrics(metrics) => {
                let here = self.as_here(metrics).0;
                (Kept::Changed(Input::Metrics(here)), Then::Nothing)
            }
            Input::PressureSignal(_) if self.is_signal_withheld() => {
                (Kept::Withheld, Then::Nothing)
            }
            Input::PolicyChanged(_) | Input::ModeChanged(_) => (Kept::TakenOut, Then::Nothing),
            // What the user and the machine did.
            _ => (Kept::AsItIs, Then::Nothing),
        }
    }

    /// A snapshot tells which tabs are discarded as recorded; the policy's world has its own.
    fn rewrite_snapshot(&self, snapshot: &Snapshot) -> (Kept, Then) {
        let mut snapshot = snapshot.clone();
        let mut returning = Vec::new();
        for facts in &mut snapshot.tabs {
            if self.rewrite_facts(facts) {
                returning.push(facts.tab);
            }
        }
        let then = if returning.is_empty() {
            Then::Nothing
        } else {
            Then::Return(returning, Return::Untold)
        };
        (Kept::Changed(Input::SessionStarted(snapshot)), then)
    }

    /// Makes what is told of a tab fit the policy's world. Returns whether the tab, which the
    /// policy holds, came back while nobody listened.
    fn rewrite_facts(&self, facts: &mut TabFacts) -> bool {
        let is_discarded = |world: &World| world.tab(facts.tab).map(|tab| tab.is_discarded);
        let was_discarded = is_discarded(self.recorded.world()) == Some(true);
        if self.holds(facts.tab) {
            let is_loaded_again = was_discarded && facts.discarded == Some(false);
            let returns = facts.active == Some(true) || is_loaded_again;
            *facts = TabFacts {
                page: None,
                discarded: None,
                loading: None,
                audible: None,
                unsaved: None,
                capturing: None,
                ..facts.clone()
            };
            return returns;
        }
        if was_discarded && is_discarded(self.engine.world()) == Some(false) {
            // Only the recorded policy had discarded it. It may be restored by now or not.
            facts.discarded = None;
        }
        false
    }

    fn rewrite_discard(&mut self, tab: TabId, by: DiscardedBy) -> (Kept, Then) {
        let is_discarded = (self.engine.world().tab(tab)).is_some_and(|tab| tab.is_discarded);
        match (by, self.awaiting.get_mut(tab)) {
            (DiscardedBy::Orchestrator, Some(awaited)) if !is_discarded => {
                awaited.is_discarded = true;
                let then = Then::Hold(tab, awaited.intent.clone());
                if awaited.is_answered {
                    self.awaiting.remove(tab);
                }
                (Kept::AsItIs, then)
            }
            (DiscardedBy::Orchestrator, _) => (Kept::TakenOut, Then::Nothing),
            (DiscardedBy::Other, _) if is_discarded => (Kept::Impossible, Then::Nothing),
            (DiscardedBy::Other, _) => (Kept::AsItIs, Then::Nothing),
        }
    }

    fn rewrite_outcome(&mut self, decision: Seq, ok: bool) -> Kept {
        let awaited = (self.awaiting.iter()).find(|(_, awaited)| awaited.decision == decision);
        let tab = awaited.map(|(tab, _)| tab);
        let Some((tab, awaited)) = tab.and_then(|tab| Some((tab, self.awaiting.get_mut(tab)?)))
        else {
            return Kept::TakenOut;
        };
        awaited.is_answered = true;
        if !ok || awaited.is_discarded {
            self.awaiting.remove(tab);
        }
        self.score.refused += u64::from(!ok);
        Kept::AsItIs
    }

    /// Brings a tab back that the policy holds, unless the recording has a restore of its own to
    /// come; and lets it catch up with what the recording says
    /// of it: where it went and what it does.
    fn bring_back(&mut self, tab: TabId, how: Return) {
        let is_discarded = |tab: &Tab| tab.is_discarded;
        let restore_is_to_come = self.recorded.world().tab(tab).is_some_and(is_discarded);
        if how == Return::Untold && restore_is_to_come {
            return;
        }
        let Some(held) = self.held.remove(tab) else {
            return;
        };
        (self.score).note_reload(held.since, self.recorded.world().moment());
        self.note_hold(tab, held, HoldEnd::Needed);
        self.revalue(tab);
        self.await_load(tab);
        if how == Return::Untold {
            self.feed(Input::TabRestored { tab });
        }
        let recorded = self.recorded.world();
        let Some(there) = recorded.tab(tab) else {
            return;
        };
        let is_loading = there.is_loading;
        let changes = TabChanges {
            audible: there.is_audible.then_some(true),
            unsaved: there.is_unsaved.then_some(true),
            capturing: there.is_capturing.then_some(true),
            ..TabChanges::default()
        };
        let host = recorded.host_of(there);
        let world = self.engine.world();
        let here = world.tab(tab);
        if here.and_then(|tab| world.host_of(tab)) != host {
            let input = Input::TabNavigated {
                tab,
                page: Some(host.map_or(Page::Internal, |host| Page::Web(host.into()))),
                protected: Some(there.is_marked_protected),
            };
            self.feed(input);
        }
        if changes != TabChanges::default() {
            self.feed(Input::TabChanged { tab, changes });
        }
        // Where the recording has a load of its own, that one's end is awaited.
        if how == Return::Untold && !is_loading {
            self.feed(Input::TabLoaded { tab, load_ms: None });
        }
    }
}

/// Until when the machine was awake before an event. One that sleeps wakes nobody.
fn awake_until(event: &Event) -> i64 {
    let slept_ms = match event.input {
        Input::Suspended { ms } => i64::try_from(ms).unwrap_or(i64::MAX),
        _ => 0,
    };
    event.t_ms.saturating_sub(slept_ms)
}

/// Both worlds as they are now.
fn worlds<'a, P: Policy>(
    recorded: &'a Engine<Never>,
    here: &'a Engine<P>,
    held: &'a TabMap<Held>,
) -> Worlds<'a> {
    Worlds {
        recorded: recorded.world(),
        here: here.world(),
        held,
    }
}

/// Takes out of a change what a discarded tab cannot do by itself.
fn rewrite_changes(tab: TabId, changes: TabChanges) -> Kept {
    let possible = TabChanges {
        audible: changes.audible.filter(|&audible| !audible),
        unsaved: changes.unsaved.filter(|&unsaved| !unsaved),
        capturing: changes.capturing.filter(|&capturing| !capturing),
        ..changes
    };
    if possible == changes {
        Kept::AsItIs
    } else if possible == TabChanges::default() {
        Kept::Impossible
    } else {
        let changes = possible;
        Kept::Changed(Input::TabChanged { tab, changes })
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.count() as u64
}
