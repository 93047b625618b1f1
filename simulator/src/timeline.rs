//! The course of a replay: pressure, open and loaded tabs, discards and returns, over the time that
//! the user was there.
//!
//! Takes a replay's steps one at a time. What is kept does not grow with the trace: time is cut
//! into a fixed number of stretches, which merge two by two whenever time goes beyond the last one,
//! so that the same trace is always thinned the same. Nothing is decided and nothing written here.

use engine::{Input, Level, Policy};
use serde::Serialize;

use crate::replay::{Replay, Replayed, Score, Step, Tally};

/// How many stretches there are at most; even, since they merge two by two. More than this cannot
/// be told apart on a screen.
pub const STRETCHES_MAX: usize = 480;

/// How long a stretch is at first, in milliseconds.
const FIRST_WIDTH_MS: i64 = 1_000;

/// What was going on, stretch by stretch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// How long each stretch is, in milliseconds of the active clock.
    pub width_ms: i64,
    /// When the first one begins, by the log's time; absent where there is no event.
    pub from_ms: Option<i64>,
    /// The stretches in which there was a line, in order. In between all is as it was.
    pub stretches: Vec<Stretch>,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// Its place among all, from 0.
    pub index: usize,
    /// Open tabs at its end.
    pub open: usize,
    /// Those that were loaded, at its end.
    pub loaded: usize,
    /// The pressure at its end, as [`Replay::pressure`] has it.
    pub pressure: Option<Pressure>,
    /// The most pressure in it.
    pub peak: Option<Pressure>,
    /// Discards in it.
    pub discards: u64,
    /// Discarded tabs that were needed again in it.
    pub reloads: u64,
    /// Those of them that came back within 10 minutes of the user's time.
    pub early_returns: u64,
}

/// How badly memory was wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pressure {
    /// The level.
    pub level: Level,
    /// The score, from 0 to 100.
    pub score: u8,
}

/// Collects a timeline from a replay under way.
#[derive(Clone, Debug)]
pub struct Collector {
    timeline: Timeline,
    /// What had happened up to the last line.
    before: Counts,
    open: usize,
    loaded: usize,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    discards: u64,
    reloads: u64,
    early_returns: u64,
}

impl From<Tally> for Counts {
    fn from(tally: Tally) -> Self {
        Self {
            discards: tally.discards,
            reloads: tally.reloads,
            early_returns: tally.early_returns,
        }
    }
}

impl Default for Collector {
    fn default() -> Self {
        Self {
            timeline: Timeline {
                width_ms: FIRST_WIDTH_MS,
                ..Timeline::default()
            },
            before: Counts::default(),
            open: 0,
            loaded: 0,
        }
    }
}

impl Collector {
    /// Lets a replay take a step, and notes what became of it. A discard stands where the line does
    /// that it came with.
    pub fn take<P: Policy>(
        &mut self,
        replay: &mut Replay<P>,
        step: &Step,
        decided: &mut Vec<Replayed>,
    ) {
        replay.take_step(step, decided);
        if let Step::Event(event) = step {
            self.timeline.from_ms.get_or_insert(event.t_ms);
            self.note(replay, matches!(event.input, Input::Metrics(_)));
        }
    }

    fn note<P: Policy>(&mut self, replay: &Replay<P>, is_sample: bool) {
        let world = replay.world();
        let tally = replay.tally();
        let counts = Counts::from(tally);
        // Most lines are samples, and by themselves those open and discard nothing.
        if !is_sample || counts != self.before {
            self.open = world.tab_count();
            self.loaded = world.tabs().filter(|tab| !tab.is_discarded).count();
        }
        let pressure = replay.pressure().map(|state| Pressure {
            level: state.level,
            score: state.score,
        });
        let (open, loaded) = (self.open, self.loaded);
        let before = std::mem::replace(&mut self.before, counts);
        let stretch = self.stretch_at(i64::try_from(tally.active_ms).unwrap_or(i64::MAX));
        stretch.open = open;
        stretch.loaded = loaded;
        stretch.pressure = pressure;
        stretch.peak = stretch.peak.max(pressure);
        stretch.add(before, counts);
    }

    /// The stretch at a time since the beginning, which is the last one or a new one.
    fn stretch_at(&mut self, since_ms: i64) -> &mut Stretch {
        let timeline = &mut self.timeline;
        let index = loop {
            let index = usize::try_from(since_ms.max(0) / timeline.width_ms);
            match index.ok().filter(|&index| index < STRETCHES_MAX) {
                Some(index) => break index,
                None => timeline.halve(),
            }
        };
        // Clocks never run backwards.
        if timeline
            .stretches
            .last()
            .is_none_or(|last| last.index < index)
        {
            timeline.stretches.push(Stretch::new(index));
        }
        let last = timeline.stretches.len() - 1;
        &mut timeline.stretches[last]
    }

    /// Ends it with the score of the replay, which carries out at its end what was decided last.
    pub fn finish(mut self, score: &Score) -> Timeline {
        let counts = Counts {
            discards: score.discards,
            reloads: score.reloads,
            early_returns: score.early_returns,
        };
        if let Some(last) = self.timeline.stretches.last_mut() {
            last.add(self.before, counts);
            let discarded = counts.discards.saturating_sub(self.before.discards);
            let discarded = usize::try_from(discarded).unwrap_or(usize::MAX);
            last.loaded = last.loaded.saturating_sub(discarded);
        }
        self.timeline
    }
}

impl Timeline {
    /// Makes stretches twice as long.
    fn halve(&mut self) {
        self.width_ms = self.width_ms.saturating_mul(2);
        let mut merged: Vec<Stretch> = Vec::with_capacity(self.stretches.len().div_ceil(2));
        for mut stretch in self.stretches.drain(..) {
            stretch.index /= 2;
            match merged.last_mut() {
                Some(last) if last.index == stretch.index => last.follow(stretch),
                _ => merged.push(stretch),
            }
        }
        self.stretches = merged;
    }

    /// How long all of it is, in milliseconds of the active clock.
    pub fn length_ms(&self) -> i64 {
        let stretches = self.stretches.last().map_or(0, |last| last.index + 1);
        i64::try_from(stretches).map_or(i64::MAX, |count| count.saturating_mul(self.width_ms))
    }

    /// Whether the trace tells of memory anywhere.
    pub fn has_pressure(&self) -> bool {
        self.stretches.iter().any(|it| it.peak.is_some())
    }
}

impl Stretch {
    fn new(index: usize) -> Self {
        Self {
            index,
            open: 0,
            loaded: 0,
            pressure: None,
            peak: None,
            discards: 0,
            reloads: 0,
            early_returns: 0,
        }
    }

    /// Adds what happened from one line to another.
    fn add(&mut self, before: Counts, after: Counts) {
        self.discards += after.discards.saturating_sub(before.discards);
        self.reloads += after.reloads.saturating_sub(before.reloads);
        self.early_returns += after.early_returns.saturating_sub(before.early_returns);
    }

    /// Becomes one with the stretch after it.
    fn follow(&mut self, next: Self) {
        *self = Self {
            index: self.index,
            peak: self.peak.max(next.peak),
            discards: self.discards + next.discards,
            reloads: self.reloads + next.reloads,
            early_returns: self.early_returns + next.early_returns,
            ..next
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_times_nothing_grows_and_nothing_is_lost(
            steps in prop::collection::vec((0..i64::MAX / 4096, 0_u64..5), 1..2_000),
            small in any::<bool>(),
        ) {
            let mut collector = Collector::default();
            let (mut at, mut discards) = (0_i64, 0);
            for (ms, more) in steps {
                at = at.saturating_add(if small { ms % 5_000 } else { ms });
                discards += more;
                collector.stretch_at(at).discards += more;
                let stretches = &collector.timeline.stretches;
                prop_assert!(stretches.len() <= STRETCHES_MAX);
                prop_assert!(stretches.windows(2).all(|two| two[0].index < two[1].index));
                prop_assert!(collector.timeline.length_ms() > at || at == i64::MAX);
            }
            let sum: u64 = collector.timeline.stretches.iter().map(|it| it.discards).sum();
            prop_assert_eq!(sum, discards);
        }
    }
}
