//! What a baseline has asked the browser to discard and was not answered yet.
//!
//! A tab is asked for once in an absence: not again until it was in front, or was seen discarded.
//! So nothing is asked twice while an outcome is on its way, and a refusal ends the matter.

use std::collections::BTreeMap;

use engine::{
    Change, Decision, Level, Mode, Output, Projection, Reason, Seq, Tab, TabId, TtlClock, World,
};
use serde::{Deserialize, Serialize};

/// A tab to discard, and the numbers that led to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    pub(super) tab: TabId,
    pub(super) idle_ms: i64,
    pub(super) ttl_ms: i64,
    pub(super) in_focus: bool,
}

/// Who discards, and what drives it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause<'a> {
    pub(super) policy: &'a str,
    pub(super) seq: Seq,
    pub(super) score: u8,
    pub(super) level: Level,
    pub(super) reason: Reason,
}

impl<'a> Cause<'a> {
    /// A timer ran out, whatever the pressure.
    pub(super) fn timer(policy: &'a str, seq: Seq) -> Self {
        Self {
            policy,
            seq,
            score: 0,
            level: Level::Low,
            reason: Reason::GateAlways,
        }
    }

    /// Memory is short.
    pub(super) fn memory(policy: &'a str, seq: Seq) -> Self {
        Self {
            policy,
            seq,
            score: 0,
            level: Level::High,
            reason: Reason::RamHigh,
        }
    }
}

/// The tabs that were asked for, each with when it was last in front (`t_ms`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Asked(BTreeMap<TabId, i64>);

impl Asked {
    /// Takes in what the last event changed. To be called at each event, first of all.
    pub(super) fn follow(&mut self, world: &World) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    let (Some(tab), Some(&since)) = (world.tab(id), self.0.get(&id)) else {
                        continue;
                    };
                    if tab.is_discarded || tab.last_active.now != since {
                        self.0.remove(&id);
                    }
                }
                Change::Renamed { old, new } => rename(&mut self.0, old, new),
                Change::Gone(id) => {
                    self.0.remove(&id);
                }
            }
        }
    }

    /// Whether the tab was asked for.
    pub(super) fn holds(&self, tab: &Tab) -> bool {
        self.0.contains_key(&tab.id)
    }

    /// How many tabs are on their way out.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Asks for tabs, in this order.
    pub(super) fn ask(
        &mut self,
        world: &World,
        cause: Cause<'_>,
        choices: impl IntoIterator<Item = Choice>,
        outputs: &mut Vec<Output>,
    ) {
        let choices: Vec<Choice> = choices.into_iter().collect();
        for tab in choices.iter().filter_map(|choice| world.tab(choice.tab)) {
            self.0.insert(tab.id, tab.last_active.now);
        }
        decide(cause, choices, outputs);
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        for (tab, since) in &self.0 {
            projection.line(format_args!("asked {tab} {since}"));
        }
    }
}

/// Says which tabs to discard, in this order.
pub(super) fn decide(
    cause: Cause<'_>,
    choices: impl IntoIterator<Item = Choice>,
    outputs: &mut Vec<Output>,
) {
    for (rank, choice) in (0..).zip(choices) {
        outputs.push(Output::Decision(Decision {
            cause: cause.seq,
            tab: choice.tab,
            rank,
            idle_ms: choice.idle_ms,
            ttl_ms: choice.ttl_ms,
            in_focus: choice.in_focus,
            familiarity: 1,
            score: cause.score,
            level: cause.level,
            reasons: vec![cause.reason],
            mode: Mode::Enforce,
            policy_hash: cause.policy.to_owned(),
        }));
    }
}

/// How long a tab has not been in front, by a clock.
pub(super) fn idle_ms(world: &World, tab: &Tab, clock: TtlClock) -> i64 {
    let since = world.last_in_front(tab).on(clock);
    world.moment().on(clock).saturating_sub(since).max(0)
}

/// Gives what is known of a tab to its new id.
pub(super) fn rename<T>(by_tab: &mut BTreeMap<TabId, T>, old: TabId, new: TabId) {
    if let Some(value) = by_tab.remove(&old) {
        by_tab.insert(new, value);
    }
}
