//! What becomes of what was recorded, in the policy's world: the user and the machine did the same
//! there, the recorded policy did nothing, and a tab that is discarded does nothing by itself.

use engine::{
    DiscardedBy, Input, MemorySource, Policy, Seq, Snapshot, Tab, TabChanges, TabFacts, TabId,
};

use super::Replayed;
use super::discards::Intent;
use super::recording::Recording;
use super::run::Run;
use super::score::Feedback;

/// What becomes of a recorded input in the policy's world.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kept {
    /// It happens there, too.
    AsItIs,
    /// It happens in another form.
    Changed(Box<Input>),
    /// It is of the recorded policy's making.
    TakenOut,
    /// It comes from a tab that is discarded there.
    Impossible,
    /// It is all withheld.
    Withheld,
}

impl Kept {
    /// Whether it does something else there to what it is about.
    pub(super) fn is_otherwise(&self) -> bool {
        matches!(self, Self::Changed(_) | Self::TakenOut | Self::Impossible)
    }

    /// Whether it happens in the policy's world, in whatever form.
    pub(super) fn happens(&self) -> bool {
        matches!(self, Self::AsItIs | Self::Changed(_))
    }
}

/// What follows for a tab from a recorded input, in the policy's world.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Then {
    /// The policy holds it from now on.
    Hold(TabId, Box<Intent>),
    /// The policy holds it, and it is needed.
    Return(TabId, Return),
    /// Another program discards it, which the policy may hold, as well.
    TakeOver(TabId),
}

/// How a tab comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Return {
    /// The engine is still to be told.
    Untold,
    /// By the recorded restore, which it has been told of.
    Told,
}

/// Whether an event happens whatever a policy has done, unless that was to a tab that it is about.
pub(super) fn happens_anyway(input: &Input) -> bool {
    match input {
        Input::TabActivated { .. }
        | Input::TabNavigated { .. }
        | Input::TabLoaded { .. }
        | Input::TabChanged { .. }
        | Input::TabMoved { .. }
        | Input::TabReplaced { .. }
        | Input::TabClosed { .. }
        | Input::TabMemory {
            how: MemorySource::Measured,
            ..
        }
        | Input::WindowOpened { .. }
        | Input::WindowClosed { .. }
        | Input::WindowFocused { .. }
        | Input::UserIdle(_)
        | Input::PruneRequested { .. }
        | Input::Paused { .. }
        | Input::KnowledgeCarried(_)
        | Input::Suspended { .. }
        | Input::ClockStepped { .. } => true,
        // What tells of discards, of many tabs, of the machine or of the recorded policy.
        Input::SessionStarted(_)
        | Input::TabOpened(_)
        | Input::TabDiscarded { .. }
        | Input::TabRestored { .. }
        | Input::TabMemory {
            how: MemorySource::Reclaimed,
            ..
        }
        | Input::DiscardOutcome { .. }
        | Input::Metrics(_)
        | Input::PressureSignal(_)
        | Input::PolicyChanged(_)
        | Input::ModeChanged(_) => false,
    }
}

impl<P: Policy> Run<P> {
    /// Says what becomes of a recorded input in the policy's world, which still stands before it, and
    /// what follows. A sample of the machine is [taken](Run::follow) otherwise.
    pub(super) fn rewrite(&mut self, recording: &Recording, input: &Input) -> (Kept, Vec<Then>) {
        let back = |tab: TabId, how: Return| match self.holds(tab) {
            true => vec![Then::Return(tab, how)],
            false => Vec::new(),
        };
        match input {
            Input::SessionStarted(snapshot) => self.rewrite_snapshot(recording, snapshot),
            Input::TabOpened(facts) => match self.rewrite_facts(recording, facts) {
                Some((facts, then)) => {
                    let kept = Kept::Changed(Box::new(Input::TabOpened(facts)));
                    (kept, Vec::from_iter(then))
                }
                None => (Kept::AsItIs, Vec::new()),
            },
            Input::TabActivated { tab, .. } => (Kept::AsItIs, back(*tab, Return::Untold)),
            Input::TabNavigated { tab, .. } if self.holds(*tab) => {
                let before = self.before(recording, *tab);
                if before.is_some_and(Tab::is_shown) || self.is_taken_over(*tab) {
                    // Somebody looks at it, or it was discarded there, too; coming back it catches
                    // up with where it went.
                    (Kept::TakenOut, back(*tab, Return::Untold))
                } else {
                    (Kept::Impossible, Vec::new())
                }
            }
            Input::TabLoaded { tab, .. } => {
                let is_loading = |tab: Option<&Tab>| tab.is_some_and(|tab| tab.is_loading);
                let (here, there) = (self.before(recording, *tab), recording.before(*tab));
                let kept = if self.holds(*tab) {
                    Kept::Impossible
                } else if !is_loading(here) && is_loading(there) {
                    // The end of a restore that did not happen here.
                    Kept::TakenOut
                } else {
                    Kept::AsItIs
                };
                (kept, Vec::new())
            }
            Input::TabChanged { tab, changes } if self.holds(*tab) => {
                let kept = rewrite_changes(*tab, *changes);
                match changes.in_sight {
                    Some(true) => (kept, back(*tab, Return::Untold)),
                    Some(false) | None => (kept, Vec::new()),
                }
            }
            Input::TabRestored { tab } => {
                let before = self.before(recording, *tab);
                if before.is_some_and(|tab| !tab.is_discarded) {
                    (Kept::TakenOut, Vec::new())
                } else {
                    (Kept::AsItIs, back(*tab, Return::Told))
                }
            }
            Input::TabDiscarded { tab, by } => self.rewrite_discard(recording, *tab, *by),
            Input::DiscardOutcome { decision, ok, .. } => {
                (self.rewrite_outcome(*decision, *ok), Vec::new())
            }
            Input::PressureSignal(_) if self.is_signal_withheld(recording) => {
                (Kept::Withheld, Vec::new())
            }
            Input::PolicyChanged(_) | Input::ModeChanged(_) => (Kept::TakenOut, Vec::new()),
            // What the user and the machine did.
            _ => (Kept::AsItIs, Vec::new()),
        }
    }

    /// A tab to which an input happened, as it was here before.
    fn before<'a>(&'a self, recording: &'a Recording, tab: TabId) -> Option<&'a Tab> {
        let kept = self.branch.kept(tab);
        kept.or_else(|| recording.before(tab))
    }

    /// A snapshot tells which tabs are discarded as recorded; the policy's world has its own.
    fn rewrite_snapshot(&self, recording: &Recording, snapshot: &Snapshot) -> (Kept, Vec<Then>) {
        let mut snapshot = snapshot.clone();
        let mut all = Vec::new();
        for facts in &mut snapshot.tabs {
            if let Some((rewritten, then)) = self.rewrite_facts(recording, facts) {
                *facts = rewritten;
                all.extend(then);
            }
        }
        let input = Input::SessionStarted(snapshot);
        (Kept::Changed(Box::new(input)), all)
    }

    /// Makes what is told of a tab fit the policy's world, where it does not. Says as well what
    /// became of the tab, which the policy holds, while nobody listened.
    fn rewrite_facts(
        &self,
        recording: &Recording,
        facts: &TabFacts,
    ) -> Option<(TabFacts, Option<Then>)> {
        let is_discarded = |tab: Option<&Tab>| tab.map(|tab| tab.is_discarded);
        let was_discarded = is_discarded(recording.before(facts.tab)) == Some(true);
        if self.holds(facts.tab) {
            let is_shown = facts.active == Some(true) || facts.in_sight == Some(true);
            let then = match facts.discarded {
                Some(true) if !was_discarded => Some(Then::TakeOver(facts.tab)),
                Some(false) if was_discarded => Some(Then::Return(facts.tab, Return::Untold)),
                _ => is_shown.then_some(Then::Return(facts.tab, Return::Untold)),
            };
            let facts = TabFacts {
                page: None,
                discarded: None,
                loading: None,
                audible: None,
                unsaved: None,
                capturing: None,
                ..facts.clone()
            };
            return Some((facts, then));
        }
        if was_discarded && is_discarded(self.before(recording, facts.tab)) == Some(false) {
            // Only the recorded policy had discarded it. It may be restored by now or not.
            let discarded = None;
            return Some((
                TabFacts {
                    discarded,
                    ..facts.clone()
                },
                None,
            ));
        }
        None
    }

    fn is_signal_withheld(&self, recording: &Recording) -> bool {
        self.score.feedback == Feedback::Closed
            && recording.weights().is_beyond(self.savings.freed())
    }

    fn rewrite_discard(
        &mut self,
        recording: &Recording,
        tab: TabId,
        by: DiscardedBy,
    ) -> (Kept, Vec<Then>) {
        let before = self.before(recording, tab);
        let is_discarded = before.is_some_and(|tab| tab.is_discarded);
        match (by, self.awaiting.get_mut(tab)) {
            (DiscardedBy::Orchestrator, Some(awaited)) if awaited.is_open() && !is_discarded => {
                awaited.is_discarded = true;
                let then = Then::Hold(tab, Box::new(awaited.intent.clone()));
                if awaited.is_answered {
                    self.awaiting.remove(tab);
                }
                (Kept::AsItIs, vec![then])
            }
            (DiscardedBy::Orchestrator, _) => (Kept::TakenOut, Vec::new()),
            (DiscardedBy::Other, _) if is_discarded => {
                (Kept::Impossible, vec![Then::TakeOver(tab)])
            }
            (DiscardedBy::Other, _) => (Kept::AsItIs, Vec::new()),
        }
    }

    /// Takes in that a recorded order was never sent: what it stood for is not done here either.
    pub(super) fn note_dropped(
        &mut self,
        recording: &Recording,
        decision: Seq,
        decided: &mut Vec<Replayed>,
    ) {
        // The decision may have been made on the last event.
        self.settle(recording, decided);
        self.rewrite_outcome(decision, false);
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
        Kept::Changed(Box::new(Input::TabChanged { tab, changes }))
    }
}
