//! Our policy: when tabs are discarded, which, and how many.
//!
//! At each sample, signal or request it passes the gate (pause, level, cooldown), finds the
//! working context, and takes the first few of the ripe tabs that no hard guard holds.

mod choosing;
mod following;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::{
    Decision, Event, Input, Level, Mode, Output, PressureChange, Reason, Seq, TabId,
};
use crate::focus::{cluster, ms_of};
use crate::guard::{Guard, NOT_OBSERVABLE, silent_from_awake, standing_guards};
use crate::policy::Policy;
use crate::policy_document::PolicyDocument;
use crate::pressure::PressureState;
use crate::projection::{Projection, known};
use crate::recency::Recency;
use crate::settings::{ActFrom, Gate};
use crate::tab::Tab;
use crate::world::World;

use choosing::Candidate;

/// How long the outcome of a decision is waited for: 30 s of the awake clock.
const OUTCOME_MS: i64 = 30_000;

/// How long a tab that the browser refused to discard is passed over: 10 min of the awake clock.
const REFUSED_MS: i64 = 10 * 60_000;

/// What a tab of unknown size is expected to give back: 80 MiB, what Chromium itself assumes of a
/// page whose footprint it does not know.
pub const DEFAULT_TAB_BYTES: u64 = 80 << 20;

/// The policy that a [`PolicyDocument`] describes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Orchestrator {
    document: PolicyDocument,
    hash: String,
    pressure: PressureState,
    /// The last time that tabs were decided on, on the awake clock.
    last_prune_awake: Option<i64>,
    /// An entry may outlast the time for which it holds its tab: a refusal can come late.
    orders: BTreeMap<TabId, Order>,
    /// The tabs that observe mode has decided on.
    shadowed: BTreeSet<TabId>,
    recency: Recency,
    /// Before when no tab is ripe, on the policy's clock, where that is known.
    #[serde(skip)]
    ripe_from: Option<i64>,
}

/// What became of a decision that was to be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Order {
    /// The outcome is not known yet. Discarding may have changed the tab's id.
    Awaiting { decided_as: TabId, until_awake: i64 },
    /// Refused at the last moment, by a guard or by the browser.
    Refused { until_awake: i64 },
}

/// Why a tab is not decided on again, now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Observe mode has decided on it.
    Shadowed,
    /// The outcome of a decision is awaited.
    Awaiting { until_awake: i64 },
    /// It was refused.
    Refused { until_awake: i64 },
}

/// Whether tabs are being discarded, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GateState {
    /// They are.
    Open,
    /// The user paused it.
    Paused {
        /// The end of the pause (`t_ms`).
        until_ms: i64,
    },
    /// The level of pressure is too low.
    LevelTooLow,
    /// Some were discarded a moment ago.
    CoolingDown {
        /// What is left of the pause after that, in milliseconds of the awake clock.
        left_ms: i64,
    },
}

/// Why a decision does not stand any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Lapse {
    /// The tab is not there under the id that it had.
    Gone,
    /// Nothing is decided for a while.
    Paused,
    /// Decisions are only noted now.
    Observing,
    /// Its outcome was waited for in vain.
    Expired,
    /// A hard guard holds.
    #[serde(untagged)]
    Guarded(Guard),
}

impl Orchestrator {
    /// Creates the policy.
    pub fn new(document: PolicyDocument) -> Self {
        Self {
            hash: document.hash(),
            document,
            pressure: PressureState::default(),
            last_prune_awake: None,
            orders: BTreeMap::new(),
            shadowed: BTreeSet::new(),
            recency: Recency::default(),
            ripe_from: None,
        }
    }

    /// The document in force.
    pub fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The hash of the document in force.
    pub fn policy_hash(&self) -> &str {
        &self.hash
    }

    /// The pressure after the last sample or signal.
    pub fn pressure(&self) -> &PressureState {
        &self.pressure
    }

    /// The working context: the tab in front first. Empty when focus mode is off.
    pub fn cluster(&self, world: &World) -> Vec<TabId> {
        cluster(world, &self.document).to_vec()
    }

    /// What is left of the cooldown, in milliseconds of the awake clock.
    pub fn cooldown_left_ms(&self, world: &World) -> i64 {
        let cooldown_ms = i64::from(self.document.cooldown_seconds) * 1_000;
        self.last_prune_awake.map_or(0, |last| {
            last.saturating_add(cooldown_ms)
                .saturating_sub(world.moment().awake)
                .max(0)
        })
    }

    /// The memory that a tab is expected to give back, in bytes.
    pub fn expected_bytes(&self, world: &World, tab: &Tab) -> u64 {
        world.known_bytes(tab).unwrap_or(DEFAULT_TAB_BYTES)
    }

    /// How long ago a tab was opened or last in front, in milliseconds of the policy's clock. What
    /// lies before the log's first word of the tab counts up to `ttl_minutes`.
    pub fn idle_ms(&self, world: &World, tab: &Tab) -> i64 {
        world
            .moment()
            .on(self.document.ttl_clock)
            .saturating_sub(self.idle_since(world, tab))
            .max(0)
    }

    /// How long a tab has to be out of the front, in milliseconds of the policy's clock.
    pub(crate) fn ttl_ms(&self, in_focus: bool, familiarity: u8) -> i64 {
        let times = i64::from(familiarity.min(self.document.familiarity_cap));
        (ms_of(self.ttl_minutes(in_focus)) * times).max(self.minimum_ms())
    }

    /// The same in minutes, before familiarity and the minimum.
    pub(crate) fn ttl_minutes(&self, in_focus: bool) -> f64 {
        if in_focus || !self.document.focus.enabled {
            self.document.ttl_minutes
        } else {
            self.document.focus.out_ttl_minutes
        }
    }

    /// Every hard guard that holds for a tab now, in the order of declaration.
    pub fn guards(&self, world: &World, tab: &Tab) -> Vec<Guard> {
        let mut guards: Vec<Guard> = standing_guards(world, tab, &self.document).collect();
        if silent_from_awake(tab).is_some_and(|from| from > world.moment().awake) {
            guards.push(Guard::RecentlyAudible);
        }
        if self.idle_ms(world, tab) < self.minimum_ms() {
            guards.push(Guard::Young);
        }
        guards.sort_unstable();
        guards
    }

    /// Why what was decided on a tab, for these reasons, may not be done any more; `None` while
    /// its outcome is awaited, no hard guard holds, nothing is paused, and decisions are carried
    /// out, or this one was asked for.
    pub fn lapse(&self, world: &World, tab: TabId, reasons: &[Reason]) -> Option<Lapse> {
        let Some(tab) = world.tab(tab) else {
            return Some(Lapse::Gone);
        };
        if let Some(&guard) = self.guards(world, tab).first() {
            return Some(Lapse::Guarded(guard));
        }
        if world.paused_until_ms().is_some() {
            return Some(Lapse::Paused);
        }
        if world.mode() != Mode::Enforce && !reasons.contains(&Reason::Requested) {
            return Some(Lapse::Observing);
        }
        let is_awaited = matches!(
            self.standing(world, tab.id),
            Some(Standing::Awaiting { .. })
        );
        (!is_awaited).then_some(Lapse::Expired)
    }

    pub(crate) fn standing(&self, world: &World, tab: TabId) -> Option<Standing> {
        let awake = world.moment().awake;
        match self.orders.get(&tab) {
            Some(&Order::Awaiting { until_awake, .. }) if until_awake > awake => {
                Some(Standing::Awaiting { until_awake })
            }
            Some(&Order::Refused { until_awake }) if until_awake > awake => {
                Some(Standing::Refused { until_awake })
            }
            _ => (self.shadowed.contains(&tab)).then_some(Standing::Shadowed),
        }
    }

    /// Works out the pressure that a sample like the last one would show now.
    pub(crate) fn pressure_at_next_sample(&self, world: &World) -> PressureState {
        let mut pressure = self.pressure.clone();
        pressure.sample(world.metrics(), world.moment());
        pressure.evaluate(world.metrics(), world.moment(), &self.document.pressure);
        pressure
    }

    /// Whether an attempt at discarding is made at a level.
    pub(crate) fn gate(&self, world: &World, level: Level) -> GateState {
        if let Some(until_ms) = world.paused_until_ms() {
            return GateState::Paused { until_ms };
        }
        if self.document.gate == Gate::Always {
            return GateState::Open;
        }
        if !self.is_reached(level) && !self.is_proactive() {
            return GateState::LevelTooLow;
        }
        match self.cooldown_left_ms(world) {
            0 => GateState::Open,
            left_ms => GateState::CoolingDown { left_ms },
        }
    }

    fn minimum_ms(&self) -> i64 {
        i64::from(self.document.ttl_minimum_seconds) * 1_000
    }

    fn is_reached(&self, level: Level) -> bool {
        level >= self.acts_from()
    }

    /// The level from which tabs are discarded.
    pub(crate) fn acts_from(&self) -> Level {
        match self.document.act_from {
            ActFrom::Medium => Level::Medium,
            ActFrom::High => Level::High,
        }
    }

    fn is_proactive(&self) -> bool {
        self.document.focus.enabled && self.document.focus.proactive
    }

    fn idle_since(&self, world: &World, tab: &Tab) -> i64 {
        let clock = self.document.ttl_clock;
        let last_active = world.last_in_front(tab).on(clock);
        let known_since = tab.known_since.on(clock);
        last_active.max(known_since.saturating_sub(ms_of(self.document.ttl_minutes)))
    }

    fn attempt(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        let level = self.pressure.level;
        if self.gate(world, level) != GateState::Open {
            return;
        }
        self.settle(world);
        let now = world.moment().on(self.document.ttl_clock);
        if self.ripe_from.is_some_and(|ripe_from| now < ripe_from) {
            debug_assert!(self.next_batch(world, level).is_empty());
            return;
        }
        let chosen = self.next_batch(world, level);
        if chosen.is_empty() {
            self.ripe_from = Some(self.first_ripe());
            return;
        }
        let mut reasons = self.pressure.reasons.clone();
        if self.document.gate == Gate::Always {
            reasons.push(Reason::GateAlways);
        } else if !self.is_reached(level) {
            reasons.push(Reason::FocusProactive);
        }
        self.decide(world, event.seq, &chosen, &reasons, world.mode(), outputs);
    }

    /// What the user asks for is done at once: no level, no cooldown, no TTL and no mode is
    /// looked at. Hard guards hold all the same, and so does a pause.
    fn prune(
        &mut self,
        world: &World,
        event: &Event,
        tab: Option<TabId>,
        outputs: &mut Vec<Output>,
    ) {
        if world.paused_until_ms().is_some() {
            return;
        }
        self.settle(world);
        let chosen = self.requested_batch(world, tab);
        self.decide(
            world,
            event.seq,
            &chosen,
            &[Reason::Requested],
            Mode::Enforce,
            outputs,
        );
    }

    fn decide(
        &mut self,
        world: &World,
        cause: Seq,
        chosen: &[Candidate],
        reasons: &[Reason],
        mode: Mode,
        outputs: &mut Vec<Output>,
    ) {
        let at = world.moment();
        if !chosen.is_empty() {
            self.last_prune_awake = Some(at.awake);
        }
        for (rank, candidate) in (0..).zip(chosen) {
            let Candidate {
                key,
                ttl_ms,
                in_focus,
                familiarity,
            } = *candidate;
            let tab = key.tab;
            match mode {
                Mode::Observe => {
                    self.shadowed.insert(tab);
                }
                Mode::Enforce => {
                    let until_awake = at.awake.saturating_add(OUTCOME_MS);
                    let decided_as = tab;
                    let order = Order::Awaiting {
                        decided_as,
                        until_awake,
                    };
                    self.orders.insert(tab, order);
                }
            }
            self.recency.displace(tab);
            outputs.push(Output::Decision(Decision {
                cause,
                tab,
                rank,
                idle_ms: at
                    .on(self.document.ttl_clock)
                    .saturating_sub(key.idle_since),
                ttl_ms,
                in_focus,
                familiarity: familiarity.min(self.document.familiarity_cap),
                score: self.pressure.score,
                level: self.pressure.level,
                reasons: reasons.to_vec(),
                mode,
                policy_hash: self.hash.clone(),
            }));
        }
    }

    fn evaluate_pressure(&mut self, world: &World, cause: Seq, outputs: &mut Vec<Output>) {
        let was = self.pressure.level;
        self.pressure
            .evaluate(world.metrics(), world.moment(), &self.document.pressure);
        if self.pressure.level != was {
            outputs.push(Output::PressureChanged(PressureChange {
                cause,
                score: self.pressure.score,
                level: self.pressure.level,
                was,
                reasons: self.pressure.reasons.clone(),
            }));
        }
    }
}

impl Policy for Orchestrator {
    fn name(&self) -> &str {
        "orchestrator"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.follow(world, event);
        match &event.input {
            Input::Metrics(metrics) => {
                self.pressure.sample(metrics, world.moment());
                self.evaluate_pressure(world, event.seq, outputs);
                self.attempt(world, event, outputs);
            }
            Input::PressureSignal(severity) => {
                self.pressure.signal(*severity, world.moment());
                self.evaluate_pressure(world, event.seq, outputs);
                self.attempt(world, event, outputs);
            }
            Input::PruneRequested { tab } => self.prune(world, event, *tab, outputs),
            _ => {}
        }
    }

    fn project(&self, projection: &mut Projection) {
        projection.line(format_args!(
            "policy {} {}",
            self.hash,
            known(self.last_prune_awake)
        ));
        self.pressure.project(projection);
        for tab in &self.shadowed {
            projection.line(format_args!("shadowed {tab}"));
        }
        for (tab, order) in &self.orders {
            match order {
                Order::Awaiting {
                    decided_as,
                    until_awake,
                } => {
                    projection.line(format_args!("awaiting {tab} {decided_as} {until_awake}"));
                }
                Order::Refused { until_awake } => {
                    projection.line(format_args!("refused {tab} {until_awake}"));
                }
            }
        }
    }

    fn not_observable(&self) -> &[&str] {
        &NOT_OBSERVABLE
    }
}
