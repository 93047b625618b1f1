//! What one policy would have done: its world beside the recorded one, and what came of it.

use std::collections::BTreeMap;

use engine::{
    Branch, Change, Event, Input, Metrics, Mode, Moment, Output, Policy, PolicyDocument, Seq,
    Severity, TabId, TabMap, World,
};
use serde::{Deserialize, Serialize};

use super::discards::{Awaited, Fresh, Past};
use super::hold::{Decided, Held, Hold, HoldEnd};
use super::recording::Recording;
use super::rewrite::{Kept, Then, happens_anyway};
use super::savings::Savings;
use super::score::{self, Feedback, Gauge, Score};
use super::tally::Tally;
use super::watch::Watch;
use super::weights::Shown;
use super::{Replayed, TICK_MS};

/// For how long after an event a policy is woken: a week. No timer of any policy takes longer, and
/// a log in which time leaps by a century is gone through as fast as any other.
const WAKES_FOR_MS: i64 = 7 * 24 * 3_600_000;

/// For how long after an event it does so: a day. After that nothing ripens any more that has not,
/// but for a policy on the wall clock.
const TICKS_FOR_MS: i64 = 24 * 3_600_000;

/// A policy on its way through a recording.
///
/// For each event it first lets the time up to it pass, in [`Run::pass_time`], and follows it in
/// [`Run::follow`] once the [`Recording`] has.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run<P> {
    pub(super) policy: P,
    /// Its world, beside the recorded one.
    pub(super) branch: Branch,
    /// The place of the last input, which synthetic events take too: they stand in no log.
    pub(super) seq: Seq,
    pub(super) t_ms: i64,
    /// The same moment on the recording's clocks, which are the same for every policy.
    pub(super) at: Moment,
    #[serde(skip)]
    outputs: Vec<Output>,
    /// Decisions on the last input, until the recorded ones have been seen as well.
    pub(super) fresh: Vec<Fresh>,
    /// The recorded decisions on the last input that were to be carried out, by tab.
    pub(super) recorded_fresh: BTreeMap<TabId, Seq>,
    /// Tabs whose recorded outcome is waited for, by their present id.
    pub(super) awaiting: TabMap<Awaited>,
    /// Tabs that the policy holds discarded, by their present id.
    pub(super) held: TabMap<Held>,
    /// The holds that ended, where they are kept.
    pub(super) holds: Option<Vec<Hold>>,
    /// Whether the recording says what became of a decision that it has, too.
    pub(super) takes_recorded_outcomes: bool,
    /// When the last sample was shown, or stood in for, where ticks are wanted.
    last_tick_ms: Option<i64>,
    last_event_ms: i64,
    is_ticking: bool,
    /// What came before for each tab that is open, by its present id.
    pub(super) past: TabMap<Past>,
    pub(super) savings: Savings,
    pub(super) watch: Watch,
    /// The pressure as it would have been.
    gauge: Gauge,
    #[serde(with = "score::with_totals")]
    pub(super) score: Score,
}

impl<P: Policy> Run<P> {
    /// Starts with an empty world. The policy enforces from the first line on.
    pub(super) fn new(policy: P) -> Self {
        Self {
            policy,
            branch: Branch::new(Mode::Enforce),
            seq: Seq(0),
            t_ms: 0,
            at: Moment::default(),
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
            savings: Savings::default(),
            watch: Watch::new(PolicyDocument::default().protected_domains.clone()),
            gauge: Gauge::default(),
            score: Score::default(),
        }
    }

    /// Leaves every sample as it was recorded.
    pub(super) fn open_loop(&mut self) {
        self.score.feedback = Feedback::Open;
    }

    /// Takes these domains for the protected ones from here on.
    pub(super) fn protect(&mut self, domains: &[String]) {
        self.watch.protect(domains.to_vec());
    }

    /// Keeps every hold.
    pub(super) fn keep_holds(&mut self) {
        self.holds = Some(Vec::new());
    }

    /// Lets every decision succeed at once, also one that the recording has.
    pub(super) fn carry_out_all(&mut self) {
        self.takes_recorded_outcomes = false;
    }

    /// Starts or stops ticking.
    pub(super) fn tick_from_here(&mut self, is_ticking: bool) {
        self.is_ticking = is_ticking;
    }

    /// Goes on under another policy.
    ///
    /// It is told of all that is open by a snapshot at the place of the last event, with every tab
    /// named as changed; so it begins its books as at the start of a session. The world has seen no
    /// such event and stays as it is. Before the first event there is nothing to tell, and no time
    /// at which its books could begin.
    pub(super) fn hand_over(&mut self, recording: &Recording, policy: P) {
        self.policy = policy;
        if !self.has_begun() {
            return;
        }
        let facts = recording.facts();
        self.branch.announce(facts);
        let world = self.branch.world(facts);
        let event = Event {
            seq: self.seq,
            t_ms: world.moment().now,
            input: Input::SessionStarted(world.snapshot()),
        };
        self.policy.step(&world, &event, &mut self.outputs);
        self.collect_decisions(recording);
    }

    /// The world as it would have been.
    pub(super) fn world<'a>(&'a self, recording: &'a Recording) -> World<'a> {
        self.branch.world(recording.facts())
    }

    /// The sums so far, up to the last line.
    pub(super) fn tally(&self, recording: &Recording) -> Tally {
        self.score.tally(
            self.at,
            &self.savings.saved_at(self.at),
            recording.weights().background_byte_ms(self.at.active),
            self.gauge.seen_at(self.at),
        )
    }

    /// The pressure as it would have been.
    pub(super) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Whether there was an event yet.
    pub(super) fn has_begun(&self) -> bool {
        self.score.span.from_ms.is_some()
    }

    /// Whether the policy holds a tab discarded.
    pub(super) fn holds(&self, tab: TabId) -> bool {
        self.held.contains(tab)
    }

    /// Whether another program has discarded a tab that the policy holds, too.
    pub(super) fn is_taken_over(&self, tab: TabId) -> bool {
        self.held.get(tab).is_some_and(|held| held.is_taken_over)
    }

    /// Since which decision the policy holds a tab discarded.
    pub(super) fn held_since(&self, tab: TabId) -> Option<Decided> {
        self.held.get(tab).map(|held| held.decided)
    }

    /// The guards that a discard of a tab would go against now, as the checker sees them.
    pub(super) fn objections(&self, recording: &Recording, tab: TabId) -> Vec<&'static str> {
        self.watch.objections(recording.books(), tab)
    }

    /// Whether it has just decided to discard a tab, on the last line.
    pub(super) fn decides_on(&self, tab: TabId) -> bool {
        self.fresh.iter().any(|fresh| fresh.decision.tab == tab)
    }

    /// Notes a line of a type that is not known.
    pub(super) fn note_unknown(&mut self) {
        self.score.unknown_lines += 1;
    }

    /// Follows the recording over an event.
    pub(super) fn follow(&mut self, recording: &Recording, event: &Event) {
        self.enter(event);
        if let Input::Metrics(metrics) = &event.input {
            self.take_sample(recording, metrics);
        } else if happens_anyway(&event.input) && self.is_apart_from(recording.touched()) {
            self.go_along(recording, event);
        } else {
            self.branch_off(recording, event);
        }
    }

    /// Whether these tabs are here as they were recorded, and neither held nor decided on.
    fn is_apart_from(&self, tabs: &[TabId]) -> bool {
        (tabs.iter()).all(|&tab| {
            self.branch.kept(tab).is_none()
                && !self.held.contains(tab)
                && !self.awaiting.contains(tab)
        })
    }

    /// Follows an event that happens here as it was recorded, to tabs with which nothing else has
    /// happened: what [`Run::branch_off`] would come to, without looking for what is otherwise.
    fn go_along(&mut self, recording: &Recording, event: &Event) {
        debug_assert_eq!(
            self.rewrite(recording, &event.input),
            (Kept::AsItIs, Vec::new())
        );
        debug_assert!((recording.touched().iter()).all(|&tab| !self.savings.has_share_of(tab)));
        self.at = recording.world().moment();
        self.follow_past(recording, &event.input);
        self.branch.go_along(recording.facts());
        self.watch.follow(recording.books(), Some(&event.input));
        self.step(recording, event);
    }

    /// Shows the policy a sample, as the machine would have been here. It changes no tab.
    fn take_sample(&mut self, recording: &Recording, metrics: &Metrics) {
        let shown = match self.score.feedback {
            Feedback::Closed => recording.weights().shown(metrics, self.savings.freed()),
            Feedback::Open => Shown::as_recorded(metrics),
        };
        self.at = recording.world().moment();
        self.score.samples += 1;
        self.score.withheld_samples += u64::from(shown.is_withheld);
        self.gauge.sample(&shown.metrics, self.at);
        self.savings.press(recording.never().is_pressed(), self.at);
        let event = self.now(Input::Metrics(shown.metrics));
        self.branch.follow(recording.facts(), Some(&event.input));
        self.step(recording, &event);
        self.follow_weights(recording);
    }

    /// Follows an event that may be otherwise here.
    fn branch_off(&mut self, recording: &Recording, event: &Event) {
        let (kept, then) = self.rewrite(recording, &event.input);
        if kept.is_otherwise() {
            for tab in recording.all_before() {
                self.branch.keep(tab);
            }
        }
        self.at = recording.world().moment();
        self.follow_past(recording, &event.input);
        if let Input::PressureSignal(severity) = event.input {
            self.follow_signal(recording, severity, &kept);
        }
        let happens = kept.happens();
        if !happens {
            self.branch.follow(recording.facts(), None);
            self.watch.follow(recording.books(), None);
        }
        match kept {
            Kept::AsItIs => self.take_in(recording, event),
            Kept::Changed(input) => self.take_in(recording, &self.now(*input)),
            Kept::TakenOut => self.score.taken_out += 1,
            Kept::Impossible => self.score.impossible += 1,
            Kept::Withheld => self.score.withheld_signals += 1,
        }
        self.follow_weights(recording);
        for then in then {
            match then {
                Then::Hold(tab, intent) => self.hold(recording, tab, &intent),
                Then::Return(tab, how) => self.bring_back(recording, tab, how),
                Then::TakeOver(tab) => self.take_over(recording, tab),
            }
        }
        if !happens {
            self.wake_at_once(recording);
        }
    }

    /// Wakes the policy if it wants to be at this very moment, of which an event that does not happen
    /// here tells it nothing.
    fn wake_at_once(&mut self, recording: &Recording) {
        let world = self.branch.world(recording.facts());
        if self.policy.next_due(&world) == Some(world.moment().now) {
            self.policy.wake(&world, self.seq, &mut self.outputs);
            self.collect_decisions(recording);
        }
    }

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
    }

    /// Lets the time up to an event pass: what was decided is carried out, and the policy woken
    /// whenever it wants to be.
    #[inline]
    pub(super) fn pass_time(
        &mut self,
        recording: &Recording,
        event: &Event,
        decided: &mut Vec<Replayed>,
    ) {
        self.settle(recording, decided);
        while let Some(due_ms) = self.next_due(recording)
            && due_ms < self.wakes_until(event)
        {
            self.pass_due(recording, due_ms);
            self.settle(recording, decided);
        }
        self.rest(recording, event);
    }

    /// Tells the policy of the time up to an event in which nothing was due any more.
    pub(super) fn rest(&mut self, recording: &Recording, event: &Event) {
        let until_ms = self.wakes_until(event);
        let world = self.branch.world(recording.facts());
        self.policy.pass(&world, until_ms);
    }

    /// Until when the policy is woken before an event.
    pub(super) fn wakes_until(&self, event: &Event) -> i64 {
        let silent_from_ms = self.last_event_ms.saturating_add(WAKES_FOR_MS);
        awake_until(event).min(silent_from_ms)
    }

    /// When the policy is next to be woken, or shown a tick, if no event comes before.
    pub(super) fn next_due(&self, recording: &Recording) -> Option<i64> {
        let world = self.world(recording);
        let wanted = self.policy.next_due(&world);
        let wanted = wanted.filter(|&due_ms| due_ms > world.moment().now);
        match (wanted, self.next_tick()) {
            (Some(wanted), Some(tick)) => Some(wanted.min(tick)),
            (wanted, tick) => wanted.or(tick),
        }
    }

    /// Lets time pass to when something is due, and that happen.
    pub(super) fn pass_due(&mut self, recording: &Recording, due_ms: i64) {
        self.pass_to(recording, due_ms);
        if self.next_tick() == Some(due_ms) {
            self.tick(recording);
        }
    }

    /// When the next tick is due, where ticks are wanted.
    fn next_tick(&self) -> Option<i64> {
        let last_ms = self.last_tick_ms.filter(|_| self.is_ticking)?;
        let due_ms = last_ms.saturating_add(TICK_MS);
        (due_ms <= self.last_event_ms.saturating_add(TICKS_FOR_MS)).then_some(due_ms)
    }

    fn tick(&mut self, recording: &Recording) {
        self.last_tick_ms = Some(self.t_ms);
        self.feed(recording, Input::Metrics(Metrics::default()));
    }

    /// Lets time pass between two events, and the policy act on that.
    pub(super) fn pass_to(&mut self, recording: &Recording, t_ms: i64) {
        self.t_ms = t_ms;
        self.watch.wake(t_ms);
        (self.policy).pass(&self.branch.world(recording.facts()), t_ms);
        self.branch.pass(recording.facts(), t_ms);
        let world = self.branch.world(recording.facts());
        self.at = world.moment();
        self.policy.wake(&world, self.seq, &mut self.outputs);
        self.collect_decisions(recording);
    }

    /// Ends it: adds what was decided last to `decided`, and returns the score and every hold, in
    /// the order in which they ended. There are none unless they were kept.
    pub(super) fn finish(
        mut self,
        recording: &Recording,
        decided: &mut Vec<Replayed>,
    ) -> (Score, Vec<Hold>) {
        self.settle(recording, decided);
        let mut held_at_end = 0;
        for (tab, &held) in self.held.clone().iter() {
            if !held.is_taken_over {
                held_at_end += 1;
                self.note_hold(recording, tab, held, HoldEnd::Trace);
            }
        }
        let mut score = self.score;
        score.unanswered += count(self.awaiting.values().filter(|awaited| awaited.is_open()));
        score.held_at_end = held_at_end;
        score.anomalies = recording.world().anomalies();
        score.span.end(self.at);
        score.finish(
            self.savings.saved_at(self.at),
            recording.weights().background_byte_ms(self.at.active),
            self.gauge.seen_at(self.at),
            recording.never().seen_at(self.at),
        );
        (score, self.holds.unwrap_or_default())
    }

    /// Follows in the books of what is saved what became of a tab.
    pub(super) fn revalue(&mut self, recording: &Recording, tab: TabId) {
        let is_held = (self.held.get(tab)).is_some_and(|held| !held.is_taken_over);
        if !is_held && self.branch.kept(tab).is_none() {
            // It is as recorded.
            self.savings.forget(tab, self.at);
            return;
        }
        let account = recording.weights().account(tab);
        let here = self.world(recording).tab(tab);
        let is_discarded = here.is_some_and(|tab| tab.is_discarded);
        (self.savings).note(tab, account, is_held, is_discarded, self.at);
    }

    /// An event at the place of the last input.
    fn now(&self, input: Input) -> Event {
        Event {
            seq: self.seq,
            t_ms: self.t_ms,
            input,
        }
    }

    /// Lets something happen in the policy's world alone.
    pub(super) fn feed(&mut self, recording: &Recording, input: Input) {
        self.branch.happen(recording.facts(), &input);
        self.watch.happen(recording.books(), &input);
        self.act(recording, &self.now(input));
    }

    /// Takes in what an event of the recording is in the policy's world.
    fn take_in(&mut self, recording: &Recording, event: &Event) {
        self.branch.follow(recording.facts(), Some(&event.input));
        self.watch.follow(recording.books(), Some(&event.input));
        self.act(recording, event);
    }

    /// Lets the policy act on an event of its world, and follows what that has changed.
    fn act(&mut self, recording: &Recording, event: &Event) {
        self.step(recording, event);
        for index in 0..self.world(recording).changes().len() {
            let tab = match self.world(recording).changes()[index] {
                Change::Tab(tab) => tab,
                Change::Renamed { old, new } => {
                    self.held.rename(old, new);
                    self.awaiting.rename(old, new);
                    new
                }
                Change::Gone(tab) => {
                    self.wait_no_longer(tab);
                    let held = self.held.remove(tab).filter(|held| !held.is_taken_over);
                    if let Some(held) = held {
                        self.score.closed_while_held += 1;
                        self.note_hold(recording, tab, held, HoldEnd::Closed);
                    }
                    tab
                }
            };
            self.revalue(recording, tab);
        }
    }

    /// Shows the policy an event of its world.
    fn step(&mut self, recording: &Recording, event: &Event) {
        let world = self.branch.world(recording.facts());
        self.policy.step(&world, event, &mut self.outputs);
        self.collect_decisions(recording);
    }

    /// Takes the decisions out of what the policy put out, if that is anything.
    #[inline]
    fn collect_decisions(&mut self, recording: &Recording) {
        if !self.outputs.is_empty() {
            self.collect_from_outputs(recording);
        }
    }

    fn collect_from_outputs(&mut self, recording: &Recording) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            if let Output::Decision(decision) = output {
                let objections = self.objections(recording, decision.tab);
                self.fresh.push(Fresh {
                    decision,
                    objections,
                });
            }
        }
        self.outputs = outputs;
    }

    /// Follows what the operating system signalled.
    fn follow_signal(&mut self, recording: &Recording, severity: Severity, kept: &Kept) {
        if *kept != Kept::Withheld {
            self.gauge.signal(severity, self.at);
        }
        self.savings.press(recording.never().is_pressed(), self.at);
    }

    /// Follows what an event of the recording did to what its tabs weigh.
    fn follow_weights(&mut self, recording: &Recording) {
        let weights = recording.weights();
        self.savings.weigh_by(weights.scale(), self.at);
        for &tab in weights.changed() {
            self.revalue(recording, tab);
        }
    }
}

/// Until when the machine was awake before an event. One that sleeps wakes nobody.
pub(super) fn awake_until(event: &Event) -> i64 {
    let slept_ms = match event.input {
        Input::Suspended { ms } => i64::try_from(ms).unwrap_or(i64::MAX),
        _ => 0,
    };
    event.t_ms.saturating_sub(slept_ms)
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.count() as u64
}
