//! What becomes of what a policy decides: its tabs are discarded and held, until somebody needs them or
//! they are closed.

use engine::{
    Change, DEFAULT_TAB_BYTES, Decision, DiscardedBy, Input, Mode, Page, Policy, Seq, Tab,
    TabChanges, TabId,
};
use serde::{Deserialize, Serialize};

use super::Replayed;
use super::hold::{Decided, Held, HoldEnd};
use super::recording::Recording;
use super::rewrite::Return;
use super::run::Run;
use super::score;
use super::step::RecordedDecision;
use super::watch;

/// A decision that waits to be carried out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Fresh {
    pub(super) decision: Decision,
    /// The hard guards that it goes against.
    #[serde(deserialize_with = "watch::names")]
    pub(super) objections: Vec<&'static str>,
}

/// A decision that takes the recorded outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Awaited {
    /// The seq of the recorded decision.
    pub(super) decision: Seq,
    pub(super) intent: Intent,
    /// Outcome and discard come in any order.
    pub(super) is_discarded: bool,
    pub(super) is_answered: bool,
}

/// What a decision is about to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) decided: Decided,
    /// What the discard is expected to free.
    pub(super) expected_bytes: u64,
    /// The hard guards that it goes against.
    #[serde(deserialize_with = "watch::names")]
    pub(super) objections: Vec<&'static str>,
}

impl Awaited {
    /// Whether the recording has told of no discard so far. A refusal ends the wait.
    pub(super) fn is_open(&self) -> bool {
        !self.is_discarded
    }
}

/// What the policy did to a tab.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Past {
    /// Whether somebody waits for it to be loaded again.
    is_waited_for: bool,
    /// When it was last discarded, on the active clock.
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

impl<P: Policy> Run<P> {
    /// Notes what the recorded policy decided on the last input, if that was to be carried out.
    pub(super) fn note_recorded(&mut self, recording: &Recording, recorded: RecordedDecision) {
        let is_known = recording.world().tab(recorded.tab).is_some();
        if recorded.mode == Mode::Enforce && recorded.cause == self.seq && is_known {
            self.recorded_fresh.insert(recorded.tab, recorded.seq);
        }
    }

    /// Carries out what the policy decided on the last input, if it decided anything.
    #[inline]
    pub(super) fn settle(&mut self, recording: &Recording, decided: &mut Vec<Replayed>) {
        if !self.fresh.is_empty() || !self.recorded_fresh.is_empty() {
            self.carry_out_fresh(recording, decided);
        }
    }

    fn carry_out_fresh(&mut self, recording: &Recording, decided: &mut Vec<Replayed>) {
        let recorded = std::mem::take(&mut self.recorded_fresh);
        let is_as_recorded = self.fresh.len() == recorded.len()
            && (self.fresh.iter()).all(|fresh| recorded.contains_key(&fresh.decision.tab));
        if !is_as_recorded {
            self.score.note_departure(self.seq, self.t_ms);
            self.savings.depart(self.at);
        }
        // What is recorded of a tab from here on follows from what was decided on it last.
        for &tab in recorded.keys() {
            self.wait_no_longer(tab);
        }
        for fresh in std::mem::take(&mut self.fresh) {
            let recorded_seq = recorded.get(&fresh.decision.tab).copied();
            let answer = match recorded_seq.filter(|_| self.takes_recorded_outcomes) {
                Some(decision) => Answer::Recorded(decision),
                None => Answer::AtOnce,
            };
            self.carry_out(recording, fresh, answer, decided);
        }
        // A policy may decide again on what its discards did. This ends: a refusal it is not told
        // of can lead to nothing, and each discard leaves a tab less.
        while !self.fresh.is_empty() {
            for fresh in std::mem::take(&mut self.fresh) {
                self.carry_out(recording, fresh, Answer::OnSuccess, decided);
            }
        }
    }

    fn carry_out(
        &mut self,
        recording: &Recording,
        fresh: Fresh,
        answer: Answer,
        decided: &mut Vec<Replayed>,
    ) {
        let Fresh {
            decision,
            objections,
        } = fresh;
        let tab = decision.tab;
        let world = self.world(recording);
        let facts = world.tab(tab);
        let intent = Intent {
            decided: Decided {
                seq: self.seq,
                t_ms: self.t_ms,
                tab,
            },
            expected_bytes: (facts.and_then(|tab| world.known_bytes(tab)))
                .unwrap_or(DEFAULT_TAB_BYTES),
            objections,
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
                self.wait_no_longer(tab);
                self.awaiting.insert(tab, awaited);
            }
            Answer::AtOnce | Answer::OnSuccess if can_be_discarded => {
                self.discard(recording, tab, &intent);
                self.tell_outcome(recording, tab, true);
            }
            Answer::AtOnce => {
                self.score.refused += 1;
                self.tell_outcome(recording, tab, false);
            }
            Answer::OnSuccess => self.score.refused += 1,
        }
    }

    /// How many discards went against a hard guard, and how many more that are decided would.
    pub(super) fn violations(&self) -> u64 {
        let fresh = self.fresh.iter().map(|fresh| &fresh.objections);
        let awaited = self.awaiting.values().filter(|awaited| awaited.is_open());
        let all = fresh.chain(awaited.map(|awaited| &awaited.intent.objections));
        self.score.violations + all.filter(|objections| !objections.is_empty()).count() as u64
    }

    /// Waits no longer for the recorded outcome of a decision on a tab.
    pub(super) fn wait_no_longer(&mut self, tab: TabId) {
        let awaited = self.awaiting.remove(tab);
        let is_open = awaited.is_some_and(|awaited| awaited.is_open());
        self.score.unanswered += u64::from(is_open);
    }

    /// Discards a tab.
    pub(super) fn discard(&mut self, recording: &Recording, tab: TabId, intent: &Intent) {
        let by = DiscardedBy::Orchestrator;
        self.feed(recording, Input::TabDiscarded { tab, by });
        self.hold(recording, tab, intent);
    }

    /// Tells the policy the outcome of a decision of the last input.
    fn tell_outcome(&mut self, recording: &Recording, tab: TabId, ok: bool) {
        let decision = self.seq;
        self.feed(recording, Input::DiscardOutcome { decision, tab, ok });
    }

    /// Notes that the policy holds a tab discarded from now on.
    pub(super) fn hold(&mut self, recording: &Recording, tab: TabId, intent: &Intent) {
        let since = self.at;
        let held = Held {
            decided: intent.decided,
            since,
            seq: self.seq,
            t_ms: self.t_ms,
            tab,
            weighed: (recording.weights().weighed(tab, since.active)).unwrap_or_default(),
            is_taken_over: false,
        };
        self.held.insert(tab, held);
        self.revalue(recording, tab);
        self.score.note_discard(intent.expected_bytes);
        self.score.note_violations(&intent.objections);
        let past = self.past.get_or_default(tab);
        past.is_waited_for = false;
        let before = past.discarded_active.replace(since.active);
        let is_again =
            before.is_some_and(|before| since.active.saturating_sub(before) <= score::THRASH_MS);
        self.score.thrash += u64::from(is_again);
    }

    /// Notes that a hold has ended, or that the trace has.
    pub(super) fn note_hold(
        &mut self,
        recording: &Recording,
        tab: TabId,
        held: Held,
        end: HoldEnd,
    ) {
        let Some(holds) = &mut self.holds else {
            return;
        };
        let at = self.at;
        let weights = recording.weights();
        let weighed = match end {
            HoldEnd::Closed => weights.weighed_when_gone(tab),
            HoldEnd::Needed | HoldEnd::TakenOver | HoldEnd::Trace => {
                weights.weighed(tab, at.active)
            }
        };
        let until = (end != HoldEnd::Trace).then_some(self.seq);
        let weighed = weighed.unwrap_or(held.weighed);
        holds.push(held.until(tab, weighed, until, at, end));
    }

    /// Follows what an event of the recording did to what the policy did to its tabs.
    #[inline]
    pub(super) fn follow_past(&mut self, recording: &Recording, input: &Input) {
        if self.past.is_empty() {
            return;
        }
        for &change in recording.world().changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => self.past.rename(old, new),
                Change::Gone(tab) => drop(self.past.remove(tab)),
            }
        }
        if let Input::TabLoaded { tab, .. } = *input
            && let Some(past) = self.past.get_mut(tab)
            && std::mem::take(&mut past.is_waited_for)
        {
            self.score.note_wait(recording.load_ms(tab));
        }
    }

    /// Brings a tab back that the policy holds, unless the recording has a restore of its own to
    /// come; and lets it catch up with what the recording says of it: where it went and what it does.
    pub(super) fn bring_back(&mut self, recording: &Recording, tab: TabId, how: Return) {
        let is_discarded = |tab: &Tab| tab.is_discarded;
        let restore_is_to_come = recording.world().tab(tab).is_some_and(is_discarded);
        if how == Return::Untold && restore_is_to_come {
            return;
        }
        let Some(held) = self.held.remove(tab) else {
            return;
        };
        self.revalue(recording, tab);
        if !held.is_taken_over {
            self.score.note_reload(held.since, self.at);
            self.note_hold(recording, tab, held, HoldEnd::Needed);
            self.await_load(recording, tab);
        }
        if how == Return::Untold {
            self.feed(recording, Input::TabRestored { tab });
        }
        let recorded = recording.world();
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
        if self.watch.host_of(recording.books(), tab) != host {
            let input = Input::TabNavigated {
                tab,
                page: Some(host.map_or(Page::Internal, |host| Page::Web(host.into()))),
                protected: Some(there.is_marked_protected),
            };
            self.feed(recording, input);
        }
        if changes != TabChanges::default() {
            self.feed(recording, Input::TabChanged { tab, changes });
        }
        // Where the recording has a load of its own, that one's end is awaited.
        if how == Return::Untold && !is_loading {
            self.feed(recording, Input::TabLoaded { tab, load_ms: None });
        }
    }

    /// Notes that another program has discarded a tab that the policy holds, too: it would be gone
    /// without the policy as well.
    pub(super) fn take_over(&mut self, recording: &Recording, tab: TabId) {
        let Some(held) = self.held.get_mut(tab).filter(|held| !held.is_taken_over) else {
            return;
        };
        held.is_taken_over = true;
        let held = *held;
        self.score.taken_over += 1;
        self.note_hold(recording, tab, held, HoldEnd::TakenOver);
    }

    /// Counts the time that a reload takes: of the load that the recording has at the same moment,
    /// once that ends, else of the tab's last one.
    fn await_load(&mut self, recording: &Recording, tab: TabId) {
        let Some(there) = recording.world().tab(tab) else {
            return;
        };
        if there.is_loading {
            self.past.get_or_default(tab).is_waited_for = true;
        } else {
            self.score.note_wait(recording.load_ms(tab));
        }
    }
}
