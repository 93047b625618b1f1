//! Looks at a whole trace before anything is decided.
//!
//! Two replays run side by side. In one nothing is discarded: there the guards stand as they do
//! for a policy that has kept its hands off. In the other every tab is discarded the moment they
//! let it go: its holds are the longest that any policy can come to that keeps our guards, and
//! none of them depends on another. A guard that comes back later does not count, since a tab that
//! is gone makes no sound and takes no input.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use engine::{Event, Seq, TabId};
use recorder::Line;

use crate::baselines::{Clairvoyant, Never, Planned};
use crate::packed::{Damaged, PackedTrace};

use super::discards::Intent;
use super::frontier::Frontier;
use super::hold::{Decided, Hold, HoldEnd};
use super::recording::Recording;
use super::run::{Run, awake_until};
use super::score::Score;
use super::step::Step;

/// A look at a trace under way.
#[derive(Clone, Debug)]
pub struct Clairvoyance {
    recording: Recording,
    /// Where nothing is discarded.
    never: Run<Never>,
    /// Where every tab is discarded as soon as it may be.
    all: Run<Never>,
    /// The tabs that are not discarded there and that time alone sets free, and when it does at the
    /// earliest (`t_ms`): later, where the machine sleeps meanwhile.
    ripening: BTreeMap<TabId, i64>,
    /// How many of the holds there have been looked at.
    seen: usize,
}

impl Clairvoyance {
    /// Starts with an empty world and the domains that are protected.
    pub fn new(protected_domains: &[String]) -> Self {
        let mut never = Run::new(Never);
        never.protect(protected_domains);
        let mut all = never.clone();
        all.keep_holds();
        Self {
            recording: Recording::new(),
            never,
            all,
            ripening: BTreeMap::new(),
            seen: 0,
        }
    }

    /// Takes the next line of the recording in.
    pub fn take(&mut self, line: &Line) {
        if let Some(step) = Step::of(line) {
            self.take_step(&step);
        }
    }

    /// The same for what matters of a line.
    pub fn take_step(&mut self, step: &Step) {
        let Step::Event(event) = step else { return };
        self.pass_time(event);
        let Self {
            recording,
            never,
            all,
            ..
        } = self;
        recording.step(event);
        for run in [never, all] {
            run.follow(recording, event);
        }
        self.follow();
        self.discard_free();
    }

    /// Looks at a whole packed trace.
    ///
    /// # Errors
    /// A trace that is damaged.
    pub fn of(trace: &PackedTrace, protected_domains: &[String]) -> Result<Foresight, Damaged> {
        let mut this = Self::new(protected_domains);
        let mut steps = trace.steps();
        while let Some(step) = steps.lend()? {
            this.take_step(step);
        }
        Ok(this.finish())
    }

    /// Ends the look.
    pub fn finish(self) -> Foresight {
        let (_, holds) = self.all.finish(&self.recording, &mut Vec::new());
        Foresight::new(holds)
    }

    /// Lets the time up to an event pass, and discards each tab when its time has come.
    fn pass_time(&mut self, event: &Event) {
        let until_ms = awake_until(event);
        while let Some(due_ms) = self.next_due(until_ms) {
            self.never.pass_to(&self.recording, due_ms);
            self.all.pass_to(&self.recording, due_ms);
            self.discard_free();
        }
    }

    /// When the next tab is set free, if it is before a time.
    fn next_due(&mut self, until_ms: i64) -> Option<i64> {
        loop {
            let next = self.ripening.iter().min_by_key(|(_, due_ms)| **due_ms);
            let (&tab, &due_ms) = next.filter(|(_, due_ms)| **due_ms < until_ms)?;
            self.look_at(tab);
            if self.ripening.get(&tab) == Some(&due_ms) {
                return Some(due_ms);
            }
        }
    }

    /// Follows which tabs may have become free: those to which something happened, and those that came
    /// back.
    fn follow(&mut self) {
        let holds = self.all.holds.as_deref().unwrap_or_default();
        let returned = holds[self.seen..].iter();
        let returned = returned.filter(|hold| hold.end == HoldEnd::Needed);
        let returned: Vec<TabId> = returned.map(|hold| hold.until_tab).collect();
        self.seen = holds.len();
        for tab in returned {
            self.look_at(tab);
        }
        for index in 0..self.recording.touched().len() {
            self.look_at(self.recording.touched()[index]);
        }
    }

    /// Works out when time alone sets a tab free, if it does.
    fn look_at(&mut self, tab: TabId) {
        match self.free_from(tab).filter(|_| !self.all.holds(tab)) {
            Some(from_ms) => drop(self.ripening.insert(tab, from_ms)),
            None => drop(self.ripening.remove(&tab)),
        }
    }

    fn free_from(&self, tab: TabId) -> Option<i64> {
        (self.never.watch).free_from(self.recording.books(), tab)
    }

    /// Discards the tabs that no guard holds any more.
    fn discard_free(&mut self) {
        let now_ms = self.never.t_ms;
        let due = self
            .ripening
            .iter()
            .filter(|(_, due_ms)| **due_ms <= now_ms);
        let due: Vec<TabId> = due.map(|(&tab, _)| tab).collect();
        for tab in due {
            self.look_at(tab);
            if self
                .ripening
                .get(&tab)
                .is_some_and(|&due_ms| due_ms <= now_ms)
            {
                self.ripening.remove(&tab);
                let decided = Decided {
                    seq: self.all.seq,
                    t_ms: now_ms,
                    tab,
                };
                let intent = Intent {
                    decided,
                    expected_bytes: 0,
                    objections: Vec::new(),
                };
                self.all.discard(&self.recording, tab, &intent);
            }
        }
        debug_assert!((self.recording.world().tabs()).all(|tab| {
            let due_ms = self.ripening.get(&tab.id);
            let is_noted = |from_ms| due_ms.is_some_and(|&due_ms| due_ms <= from_ms);
            self.all.holds(tab.id) || self.free_from(tab.id).is_none_or(is_noted)
        }));
    }
}

/// What a clairvoyant knows of a trace: every time for which a tab can be gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Foresight {
    holds: Vec<Hold>,
    /// What a tab had weighed in the background when the last guard let it go, by the absence that
    /// followed.
    free_from_byte_ms: BTreeMap<(u64, Option<Seq>), u128>,
    frontier: Frontier,
}

impl Foresight {
    fn new(holds: Vec<Hold>) -> Self {
        let saved = |hold: &Hold| hold.saved_byte_ms();
        let without_return = holds.iter().filter(|hold| hold.end != HoldEnd::Needed);
        let returns = holds.iter().filter(|hold| hold.end == HoldEnd::Needed);
        let frontier = Frontier::new(
            without_return.map(saved).fold(0, u128::saturating_add),
            returns.map(saved).collect(),
        );
        let free_from = holds.iter().map(|it| (it.absence(), it.from_byte_ms));
        Self {
            free_from_byte_ms: free_from.collect(),
            frontier,
            holds,
        }
    }

    /// The most that can be saved with each number of reloads.
    pub fn frontier(&self) -> Frontier {
        self.frontier.clone()
    }

    /// Measures the score of a replay of the same trace against the frontier. `holds` are that
    /// replay's.
    pub fn measure(&self, score: &mut Score, holds: &[Hold]) {
        // What was saved before the guards let the tab go is left out.
        let bounded = |hold: &Hold| {
            let free_from = *self.free_from_byte_ms.get(&hold.absence())?;
            let from = hold.from_byte_ms.max(free_from);
            Some(hold.to_byte_ms.saturating_sub(from))
        };
        let bounded = holds.iter().filter_map(bounded);
        score.measure(&self.frontier, bounded.fold(0, u128::saturating_add));
    }

    /// The policy that saves the most with so many reloads.
    pub fn clairvoyant(&self, reloads: u64) -> Clairvoyant {
        let mut worth = self.by_worth();
        worth.truncate(usize::try_from(reloads).unwrap_or(usize::MAX));
        let without_return = self.holds.iter().filter(|hold| hold.end != HoldEnd::Needed);
        Clairvoyant::new(without_return.chain(worth).map(|hold| Planned {
            seq: hold.seq,
            t_ms: hold.t_ms,
            tab: hold.tab,
        }))
    }

    /// The longest time around a line for which a tab can be gone, by its id at the beginning of
    /// that time, and from how many reloads on a clairvoyant takes it: from 0 where the tab is not
    /// needed again, never where it saves nothing.
    pub fn around(&self, tab: TabId, seq: Seq) -> Option<(&Hold, Option<u64>)> {
        let hold = self.holds.iter().find(|hold| {
            hold.tab == tab && hold.seq <= seq && hold.until_seq.is_none_or(|until| seq < until)
        })?;
        let from_reloads = if hold.end == HoldEnd::Needed {
            let rank = self.by_worth().iter().position(|other| *other == hold);
            rank.map(|rank| rank as u64 + 1)
        } else {
            Some(0)
        };
        Some((hold, from_reloads))
    }

    /// The holds with a return that are worth a reload, those that save most first.
    fn by_worth(&self) -> Vec<&Hold> {
        let is_worth = |hold: &&Hold| hold.end == HoldEnd::Needed && hold.saved_byte_ms() > 0;
        let mut worth: Vec<&Hold> = self.holds.iter().filter(is_worth).collect();
        worth.sort_by_key(|hold| (Reverse(hold.saved_byte_ms()), hold.until_seq, hold.serial));
        worth
    }
}
