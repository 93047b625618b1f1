//! Two policies over one recording, side by side, so that each can be asked what it makes of a tab
//! at the moment at which the other discards it.
//!
//! Neither learns of the other: each comes to the decisions and the score of a replay of its own.

use std::borrow::Cow;
use std::collections::BTreeSet;

use engine::{Engine, Explanation, PolicyDocument, Settings, TabId};
use recorder::{Body, Line};
use serde::Serialize;

use crate::baselines::AnyPolicy;

use super::Replay;
use super::hold::{Decided, Hold};
use super::score::Score;
use super::watch::Watch;

/// A replay of a policy of any kind.
pub type AnyReplay = Replay<Box<dyn AnyPolicy>>;

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
    base: AnyReplay,
    with: AnyReplay,
}

impl Lockstep {
    /// Starts with two replays that have taken nothing in.
    pub fn new(base: AnyReplay, with: AnyReplay) -> Self {
        Self {
            base: base.keeping_holds(),
            with: with.keeping_holds(),
        }
    }

    /// Takes the next line of the recording in. `look` sees every decision of either side, beside
    /// what the other one makes of the tab at that moment.
    pub fn take(&mut self, line: Line, mut look: impl FnMut(Side, Decided, &View<'_>)) {
        if matches!(line.body, Body::Decision(_) | Body::Unknown { .. }) {
            // These decide nothing.
            self.base.take(line.clone(), &mut Vec::new());
            self.with.take(line, &mut Vec::new());
        } else if let Some(event) = line.into_event() {
            self.settle(&mut look);
            let until_ms = self.base.wakes_until(&event);
            let due = |replay: &AnyReplay| replay.next_due().filter(|&due_ms| due_ms < until_ms);
            while let Some(due_ms) = earlier(due(&self.base), due(&self.with)) {
                for replay in [&mut self.base, &mut self.with] {
                    if due(replay) == Some(due_ms) {
                        replay.pass_due(due_ms);
                    }
                }
                self.settle(&mut look);
            }
            self.base.enter(&event);
            self.with.enter(&event);
        }
    }

    /// Ends both replays: returns the score of each and its holds.
    pub fn finish(
        mut self,
        mut look: impl FnMut(Side, Decided, &View<'_>),
    ) -> [(Score, Vec<Hold>); 2] {
        self.settle(&mut look);
        [self.base, self.with].map(|replay| replay.finish_with_holds(&mut Vec::new()))
    }

    /// Shows what both have decided, and carries it out.
    fn settle(&mut self, look: &mut impl FnMut(Side, Decided, &View<'_>)) {
        let mut seen = BTreeSet::new();
        for side in [Side::Base, Side::With] {
            for tab in self.of(side).fresh.iter().map(|decision| decision.tab) {
                self.show(side, tab, look);
                seen.insert((side, tab));
            }
        }
        for side in [Side::Base, Side::With] {
            let mut decided = Vec::new();
            match side {
                Side::Base => self.base.settle(&mut decided),
                Side::With => self.with.settle(&mut decided),
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
        look(side, decided, &View::new(self.of(side.other()), decided));
    }

    fn of(&self, side: Side) -> &AnyReplay {
        match side {
            Side::Base => &self.base,
            Side::With => &self.with,
        }
    }
}

/// How a replay stands to a tab at the moment at which the other one decides to discard it.
#[derive(Clone, Debug)]
pub struct View<'a> {
    replay: &'a AnyReplay,
    engine: Cow<'a, Engine<Box<dyn AnyPolicy>>>,
    watch: Cow<'a, Watch>,
    tab: TabId,
}

impl<'a> View<'a> {
    fn new(replay: &'a AnyReplay, decided: Decided) -> Self {
        let mut view = Self {
            replay,
            engine: Cow::Borrowed(&replay.engine),
            watch: Cow::Borrowed(&replay.watch),
            tab: decided.tab,
        };
        // It was not woken when the other was, and must not learn of it. A copy takes its place.
        if decided.t_ms > replay.t_ms {
            let engine = view.engine.to_mut();
            engine.wake(decided.t_ms, decided.seq, &mut Vec::new());
            view.watch.to_mut().wake(decided.t_ms);
        }
        view
    }

    /// The policy and its world.
    pub fn engine(&self) -> &Engine<Box<dyn AnyPolicy>> {
        &self.engine
    }

    /// The tab's host.
    pub fn host(&self) -> Option<&str> {
        let world = self.engine.world();
        world.host_of(world.tab(self.tab)?)
    }

    /// Since which decision it holds the tab discarded.
    pub fn held_since(&self) -> Option<Decided> {
        self.replay.held_since(self.tab)
    }

    /// Whether it has decided the same at the same moment.
    pub fn decides_too(&self) -> bool {
        self.replay.decides_on(self.tab)
    }

    /// Whether it has decided to discard another tab at the same moment.
    pub fn decides_on_another(&self) -> bool {
        let mut fresh = self.replay.fresh.iter();
        fresh.any(|decision| decision.tab != self.tab)
    }

    /// The hard guards that a discard would go against, as the checker sees them.
    pub fn objections(&self) -> Vec<&'static str> {
        self.watch.objections(self.tab)
    }

    /// What it says itself of the tab, if it is our own policy.
    pub fn explain(&self) -> Option<Explanation> {
        (**self.engine.policy())
            .as_ours()?
            .explain(self.engine.world(), self.tab)
    }

    /// What it would say under other settings, if it is our own policy.
    pub fn explain_under(&self, change: impl FnOnce(&mut Settings)) -> Option<Explanation> {
        let ours = (**self.engine.policy()).as_ours()?;
        let mut settings = Settings::from(ours.document().clone());
        change(&mut settings);
        let document = PolicyDocument::new(settings).ok()?;
        ours.explain_under(self.engine.world(), self.tab, document)
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}
