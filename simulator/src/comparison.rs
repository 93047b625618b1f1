//! Compares policies: the same traces, the same measure, and beside them the most that anybody
//! could have saved.
//!
//! Each line of a trace is taken in once, by all policies side by side; no policy sees another.
//! What comes out does not depend on how many threads there are.

mod bootstrap;

use rayon::prelude::*;
use recorder::Line;
use serde::{Deserialize, Serialize};

use crate::baselines::AnyPolicy;
use crate::packed::{Damaged, PackedTrace};
use crate::replay::{Abreast, Clairvoyance, Foresight, Frontier, Hold, Replay, Score, Step, Tally};

pub use bootstrap::{Estimate, FEW, RESAMPLES, Ratio, difference_of_ratios};

/// A policy that takes part.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// What it is called in reports.
    pub name: String,
    /// The policy, before it has seen anything.
    pub policy: Box<dyn AnyPolicy>,
    /// The domains whose tabs count as protected when its discards are checked.
    pub protected_domains: Vec<String>,
    /// Whether it acts at every sample, so that a trace without any needs a tick.
    pub is_ticking: bool,
}

impl Entrant {
    /// Sets a replay up for it.
    fn replay(&self, loop_: Loop) -> Replay<Box<dyn AnyPolicy>> {
        let mut replay = Replay::new(self.policy.clone()).protecting(&self.protected_domains);
        if self.is_ticking {
            replay = replay.ticking();
        }
        match loop_ {
            Loop::Closed => replay,
            Loop::Open => replay.open_loop(),
        }
    }
}

/// Runs policies over a packed trace, side by side, and measures each against the frontier where
/// `foresight` is given, which is of the same trace.
///
/// # Errors
/// A trace that is damaged.
pub fn run(
    entrants: &[Entrant],
    trace: &PackedTrace,
    loop_: Loop,
    foresight: Option<&Foresight>,
) -> Result<Vec<Score>, Damaged> {
    let replays = entrants.iter().map(|entrant| entrant.replay(loop_));
    let mut abreast = match foresight {
        Some(_) => Abreast::new(replays.map(Replay::keeping_holds)),
        None => Abreast::new(replays),
    };
    let mut steps = trace.steps();
    while let Some(step) = steps.lend()? {
        abreast.take_step(step);
    }
    let scores = abreast.finish().map(|(mut score, holds)| {
        if let Some(foresight) = foresight {
            foresight.measure(&mut score, &holds);
        }
        score
    });
    Ok(scores.collect())
}

/// Runs policies over a packed trace, side by side, and tells the sums of each part: up to the
/// first of these times (`t_ms`, ascending), from there to the next, and so on to the end. An early
/// return counts where its discard does, so that there are never more of them.
///
/// # Errors
/// A trace that is damaged.
pub fn run_in_parts(
    entrants: &[Entrant],
    trace: &PackedTrace,
    loop_: Loop,
    until_ms: &[i64],
) -> Result<Vec<Vec<Tally>>, Damaged> {
    let replays = entrants.iter().map(|entrant| entrant.replay(loop_));
    let mut abreast = Abreast::new(replays.map(Replay::keeping_holds));
    let mut parts = vec![Vec::with_capacity(until_ms.len() + 1); entrants.len()];
    let mut before = vec![Tally::default(); entrants.len()];
    let mut end_part = |abreast: &Abreast<_>| {
        let parts = parts.iter_mut().zip(&mut before);
        for ((parts, before), now) in parts.zip(abreast.tallies()) {
            parts.push(now - *before);
            *before = now;
        }
    };
    let mut ends = until_ms.iter().peekable();
    let mut steps = trace.steps();
    while let Some(step) = steps.lend()? {
        if let Step::Event(event) = step {
            while ends.next_if(|&&end| event.t_ms >= end).is_some() {
                end_part(&abreast);
            }
        }
        abreast.take_step(step);
    }
    for _ in ends {
        end_part(&abreast);
    }
    end_part(&abreast);
    for (parts, (_, holds)) in parts.iter_mut().zip(abreast.finish()) {
        for part in &mut *parts {
            part.discards = 0;
            part.early_returns = 0;
        }
        for hold in holds {
            let part = &mut parts[until_ms.partition_point(|&end| end <= hold.t_ms)];
            part.discards += 1;
            part.early_returns += u64::from(hold.is_early_return());
        }
    }
    Ok(parts)
}

/// Whether policies see what their discards free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loop {
    /// They do.
    #[default]
    Closed,
    /// Samples are as recorded.
    Open,
}

/// A trace on its way through all policies.
#[derive(Debug)]
pub struct Heat {
    clairvoyance: Clairvoyance,
    /// As many as there are threads.
    groups: Vec<Abreast<Box<dyn AnyPolicy>>>,
}

impl Heat {
    /// Starts a trace. The frontier spares tabs on `protected_domains`.
    pub fn new(entrants: &[Entrant], loop_: Loop, protected_domains: &[String]) -> Self {
        let a_group = entrants.len().div_ceil(rayon::current_num_threads()).max(1);
        let replay = |entrant: &Entrant| entrant.replay(loop_).keeping_holds();
        let groups = entrants.chunks(a_group);
        Self {
            clairvoyance: Clairvoyance::new(protected_domains),
            groups: groups
                .map(|group| Abreast::new(group.iter().map(replay)))
                .collect(),
        }
    }

    /// Takes in what matters of the next lines of the trace.
    pub fn take(&mut self, steps: &[Step]) {
        let Self {
            clairvoyance,
            groups,
        } = self;
        rayon::join(
            || steps.iter().for_each(|step| clairvoyance.take_step(step)),
            || {
                (groups.par_iter_mut())
                    .for_each(|group| steps.iter().for_each(|step| group.take_step(step)));
            },
        );
    }

    /// Ends the trace.
    pub fn finish(self) -> Finish {
        let foresight = self.clairvoyance.finish();
        let ended = self.groups.into_iter().flat_map(Abreast::finish);
        let measured = ended.map(|(mut score, holds)| {
            foresight.measure(&mut score, &holds);
            score
        });
        Finish {
            scores: measured.collect(),
            foresight,
        }
    }
}

/// A trace that all policies have gone through.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The score of each policy, in the order in which they were entered.
    pub scores: Vec<Score>,
    /// What a clairvoyant knows of the trace.
    pub foresight: Foresight,
}

/// The clairvoyant on one trace, which it has to see a second time.
#[derive(Debug)]
pub struct ClairvoyantRun {
    replay: Replay<crate::baselines::Clairvoyant>,
}

impl ClairvoyantRun {
    /// Starts the trace with so many reloads to spend.
    pub fn new(foresight: &Foresight, reloads: u64, loop_: Loop) -> Self {
        let replay = Replay::new(foresight.clairvoyant(reloads))
            .carrying_out_all()
            .keeping_holds();
        Self {
            replay: match loop_ {
                Loop::Closed => replay,
                Loop::Open => replay.open_loop(),
            },
        }
    }

    /// Takes the next line in.
    pub fn take(&mut self, line: &Line) {
        self.replay.take(line, &mut Vec::new());
    }

    /// Ends the trace.
    pub fn finish(self, foresight: &Foresight) -> Score {
        let (mut score, holds): (Score, Vec<Hold>) = self.replay.finish_with_holds(&mut Vec::new());
        foresight.measure(&mut score, &holds);
        score
    }
}

/// Adds up the scores of a policy over all traces, and measures the sum against the pooled
/// frontier.
pub fn pooled<'a>(scores: impl IntoIterator<Item = &'a Score>, frontier: &Frontier) -> Score {
    let mut pooled = Score::default();
    for score in scores {
        pooled.pool(score);
    }
    pooled.measure_pooled(frontier);
    pooled
}

/// Somebody whose traces there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What they are called.
    pub name: String,
    /// Their traces, by number.
    pub traces: Vec<usize>,
}

impl Person {
    /// Adds up what each of their traces has of a ratio.
    fn sum(&self, scores: &[Score], part: fn(&Score) -> Ratio) -> Ratio {
        let parts = self.traces.iter().map(|&trace| part(&scores[trace]));
        parts.fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    }
}

/// How a policy differs from another on the same traces, and how sure that is: 95 % intervals.
/// Absent where it takes two people or a time with the user there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// GiB·h saved in an hour of the user's time.
    pub saved_gib_h_per_active_hour: Option<Estimate>,
    /// Reloads in an hour of the user's time.
    pub reloads_per_active_hour: Option<Estimate>,
    /// The share of discards that were early returns.
    pub early_return_rate: Option<Estimate>,
}

impl Difference {
    /// Compares the scores of two policies, a trace each, person by person: what one person does in
    /// two traces is alike, so people are drawn, with all of their traces. `seed` is what is drawn
    /// from.
    pub fn between(base: &[Score], other: &[Score], people: &[Person], seed: u64) -> Self {
        let estimate = |part: fn(&Score) -> Ratio| {
            let pairs = people.iter();
            let pairs: Vec<_> = pairs
                .map(|person| (person.sum(base, part), person.sum(other, part)))
                .collect();
            bootstrap::difference_of_ratios(&pairs, seed)
        };
        Self {
            saved_gib_h_per_active_hour: estimate(|score| (score.saved_gib_h, hours(score))),
            reloads_per_active_hour: estimate(|score| (score.reloads as f64, hours(score))),
            early_return_rate: estimate(|score| {
                (score.early_returns as f64, score.discards as f64)
            }),
        }
    }
}

/// How long the user was there.
fn hours(score: &Score) -> f64 {
    score.span.active_ms as f64 / 3_600_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(saved_gib_h: f64, reloads: u64) -> Score {
        let mut score = Score::default();
        score.saved_gib_h = saved_gib_h;
        score.reloads = reloads;
        score.span.active_ms = 3_600_000;
        score
    }

    #[test]
    fn a_difference_is_of_the_sums_over_all_traces() {
        let base = [score(1.0, 0), score(3.0, 2)];
        let other = [score(2.0, 0), score(4.0, 0)];
        let person = |name: &str, traces: &[usize]| Person {
            name: name.to_owned(),
            traces: traces.to_vec(),
        };
        let people = [person("anna", &[0]), person("ben", &[1])];
        let difference = Difference::between(&base, &other, &people, 0);
        let saved = difference.saved_gib_h_per_active_hour.unwrap();
        assert_eq!((saved.value, saved.low, saved.high), (1.0, 1.0, 1.0));
        let reloads = difference.reloads_per_active_hour.unwrap();
        assert_eq!(
            (reloads.value, reloads.low, reloads.high),
            (-1.0, -2.0, 0.0)
        );
        assert_eq!(difference.early_return_rate, None, "nothing was discarded");
        let alone = Difference::between(&base, &other, &[person("anna", &[0, 1])], 0);
        assert_eq!(alone.saved_gib_h_per_active_hour, None);
    }

    #[test]
    fn traces_of_one_person_are_no_evidence_of_their_own() {
        // Ten people, of whom each is the same ten times over.
        let scores = |of: fn(usize) -> u64| -> Vec<Score> {
            (0..100).map(|trace| score(1.0, of(trace / 10))).collect()
        };
        let (base, other) = (scores(|_| 5), scores(|person| person as u64));
        let people = |traces: usize| -> Vec<Person> {
            let all: Vec<usize> = (0..100).collect();
            let people = all.chunks(traces).zip(0..);
            let person = |(traces, name): (&[usize], u32)| Person {
                name: name.to_string(),
                traces: traces.to_vec(),
            };
            people.map(person).collect()
        };
        let reloads = |traces| {
            let difference = Difference::between(&base, &other, &people(traces), 0);
            difference.reloads_per_active_hour.unwrap()
        };
        let (by_trace, by_person) = (reloads(1), reloads(10));
        assert!((by_trace.value - by_person.value).abs() < 1e-9);
        let width = |it: Estimate| it.high - it.low;
        // The root of ten.
        let ratio = width(by_person) / width(by_trace);
        assert!((3.0..3.4).contains(&ratio), "{ratio}");
    }
}
