//! Two policies over one recording, side by side, so that each can be asked what it makes of a tab
//! at the moment at which the other discards it.
//!
//! Neither learns of the other: each comes to the decisions and the score of a replay of its own.

use std::borrow::Cow;
use std::collections::BTreeSet;

use engine::{Branch, Event, Explanation, Orchestrator, PolicyDocument, Settings, TabId, World};
use recorder::Line;
use serde::Serialize;

use crate::baselines::AnyPolicy;

use super::hold::{Decided, Hold};
use super::recording::Recording;
use super::run::Run;
use super::score::Score;
use super::watch::Watch;
use super::{Replay, Step};

/// A replay of a policy of any kind.
pub type AnyReplay = Replay<Box<dyn AnyPolicy>>;

type AnyRun = Run<Box<dyn AnyPolicy>>;

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The one that is compared with.
    Base,
    /// The one that is compared.
    With,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Base => Self::With,
            Self::With => Self::Base,
        }
    }
}

/// Two replays under way.
#[derive(Clone, Debug)]
pub struct Lockstep {
    recording: Recording,
    base: AnyRun,
    with: AnyRun,
}

impl Lockstep {
    /// Starts with two replays that have taken nothing in.
    pub fn new(base: AnyReplay, with: AnyReplay) -> Self {
        Self {
            recording: Recording::new(),
            base: base.keeping_holds().run,
            with: with.keeping_holds().run,
        }
    }

    /// Takes the next line of the recording in. `look` sees every decision of either side, beside
    /// what the other one makes of the tab at that moment.
    pub fn take(&mut self, line: &Line, mut look: impl FnMut(Side, Decided, &View<'_>)) {
        match Step::of(line) {
            Some(Step::Event(event)) => {
                self.settle(&mut look);
                self.pass_time(&event, &mut look);
                let Self {
                    recording,
                    base,
                    with,
                } = self;
                recording.step(&event);
                for run in [base, with] {
                    run.follow(recording, &event);
                }
            }
            Some(Step::Decided(recorded)) => {
                for run in [&mut self.base, &mut self.with] {
                    run.note_recorded(&self.recording, recorded);
                }
            }
            Some(Step::Dropped { decision }) => {
                self.settle(&mut look);
                for run in [&mut self.base, &mut self.with] {
                    run.note_dropped(&self.recording, decision, &mut Vec::new());
                }
            }
            Some(Step::Unknown) => {
                self.base.note_unknown();
                self.with.note_unknown();
            }
            None => {}
        }
    }

    /// Ends both replays: returns the score of each and its holds.
    pub fn finish(
        mut self,
        mut look: impl FnMut(Side, Decided, &View<'_>),
    ) -> [(Score, Vec<Hold>); 2] {
        self.settle(&mut look);
        let recording = &self.recording;
        [self.base, self.with].map(|run| run.finish(recording, &mut Vec::new()))
    }

    /// Lets the time up to an event pass.
    fn pass_time(&mut self, event: &Event, look: &mut impl FnMut(Side, Decided, &View<'_>)) {
        let until_ms = self.base.wakes_until(event);
        loop {
            let recording = &self.recording;
            let due = |run: &AnyRun| run.next_due(recording).filter(|&due_ms| due_ms < until_ms);
            let Some(due_ms) = earlier(due(&self.base), due(&self.with)) else {
                break;
            };
            for run in [&mut self.base, &mut self.with] {
                if due(run) == Some(due_ms) {
                    run.pass_due(recording, due_ms);
                }
            }
            self.settle(look);
        }
        for run in [&mut self.base, &mut self.with] {
            run.rest(&self.recording, event);
        }
    }

    /// Shows what both have decided, and carries it out.
    fn settle(&mut self, look: &mut impl FnMut(Side, Decided, &View<'_>)) {
        let mut seen = BTreeSet::new();
        for side in [Side::Base, Side::With] {
            for tab in self.of(side).fresh.iter().map(|fresh| fresh.decision.tab) {
                self.show(side, tab, look);
                seen.insert((side, tab));
            }
        }
        for side in [Side::Base, Side::With] {
            let mut decided = Vec::new();
            match side {
                Side::Base => self.base.settle(&self.recording, &mut decided),
                Side::With => self.with.settle(&self.recording, &mut decided),
            }
            // What a policy decides on what its own discards did.
            for tab in decided.into_iter().map(|replayed| replayed.decision.tab) {
                if seen.insert((side, tab)) {
                    self.show(side, tab, look);
                }
            }
        }
    }

    fn show(&self, side: Side, tab: TabId, look: &mut impl FnMut(Side, Decided, &View<'_>)) {
        let here = self.of(side);
        let decided = Decided {
            seq: here.seq,
            t_ms: here.t_ms,
            tab,
        };
        let other = self.of(side.other());
        look(side, decided, &View::new(&self.recording, other, decided));
    }

    fn of(&self, side: Side) -> &AnyRun {
        match side {
            Side::Base => &self.base,
            Side::With => &self.with,
        }
    }
}

/// How a replay stands to a tab at the moment at which the other one decides to discard it.
#[derive(Clone, Debug)]
pub struct View<'a> {
    recording: &'a Recording,
    run: &'a AnyRun,
    policy: Cow<'a, Box<dyn AnyPolicy>>,
    branch: Cow<'a, Branch>,
    watch: Cow<'a, Watch>,
    tab: TabId,
}

impl<'a> View<'a> {
    fn new(recording: &'a Recording, run: &'a AnyRun, decided: Decided) -> Self {
        let mut view = Self {
            recording,
            run,
            policy: Cow::Borrowed(&run.policy),
            branch: Cow::Borrowed(&run.branch),
            watch: Cow::Borrowed(&run.watch),
            tab: decided.tab,
        };
        // It was not woken when the other was, and must not learn of it. A copy takes its place.
        if decided.t_ms > run.t_ms {
            let facts = recording.facts();
            view.watch.to_mut().wake(decided.t_ms);
            (view.policy.to_mut()).pass(&view.branch.world(facts), decided.t_ms);
            view.branch.to_mut().pass(facts, decided.t_ms);
            let world = view.branch.world(facts);
            (view.policy.to_mut()).wake(&world, decided.seq, &mut Vec::new());
        }
        view
    }

    /// The policy's world.
    pub fn world(&self) -> World<'_> {
        self.branch.world(self.recording.facts())
    }

    /// The tab's host.
    pub fn host(&self) -> Option<&str> {
        let world = self.world();
        world.host_of(world.tab(self.tab)?)
    }

    /// Since which decision it holds the tab discarded.
    pub fn held_since(&self) -> Option<Decided> {
        self.run.held_since(self.tab)
    }

    /// Whether it has decided the same at the same moment.
    pub fn decides_too(&self) -> bool {
        self.run.decides_on(self.tab)
    }

    /// Whether it has decided to discard another tab at the same moment.
    pub fn decides_on_another(&self) -> bool {
        let mut fresh = self.run.fresh.iter();
        fresh.any(|fresh| fresh.decision.tab != self.tab)
    }

    /// The hard guards that a discard would go against, as the checker sees them.
    pub fn objections(&self) -> Vec<&'static str> {
        self.watch.objections(self.recording.books(), self.tab)
    }

    /// What it says itself of the tab, if it is our own policy.
    pub fn explain(&self) -> Option<Explanation> {
        self.ours()?.explain(&self.world(), self.tab)
    }

    /// What it would say under other settings, if it is our own policy.
    pub fn explain_under(&self, change: impl FnOnce(&mut Settings)) -> Option<Explanation> {
        let ours = self.ours()?;
        let mut settings = Settings::from(ours.document().clone());
        change(&mut settings);
        let document = PolicyDocument::new(settings).ok()?;
        ours.explain_under(&self.world(), self.tab, document)
    }

    fn ours(&self) -> Option<&Orchestrator> {
        let policy: &dyn AnyPolicy = &**self.policy;
        policy.as_ours()
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
