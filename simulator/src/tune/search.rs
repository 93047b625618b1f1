//! Looks for variants that save much and need few reloads: NSGA-III (Deb and Jain 2014) over the
//! settings that are varied, with limits as constraints, a generation at a time.
//!
//! The search asks for variants and is told what each came to; it never runs one. The same seed and
//! answers make the same questions.

use optimizer::multi_objective::MultiObjectiveStudy;
use optimizer::parameter::{FloatParam, Parameter as _};
use optimizer::sampler::nsga3::Nsga3Sampler;
use optimizer::{Direction, Trial};
use serde_json::Value;

use crate::replay::Rates;
use crate::sweep::{Dimension, Space, Variant};

/// What is made as small as possible: the share saved with its sign changed, reloads, early
/// returns and time at HIGH.
const OBJECTIVES: usize = 4;

/// Worse than any policy comes to.
const HOPELESS: f64 = 1e6;

/// A variant and what it came to.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The variant.
    pub variant: Variant,
    /// What it came to in training.
    pub rates: Rates,
}

/// A search under way.
pub struct Search<'a> {
    space: &'a Space,
    study: MultiObjectiveStudy,
    places: Vec<FloatParam>,
    population: usize,
    /// What was asked and not yet answered.
    asked: Vec<Trial>,
    has_begun: bool,
}

impl<'a> Search<'a> {
    /// Begins with generations of so many variants.
    pub fn new(space: &'a Space, population: usize, seed: u64) -> Self {
        let sampler = Nsga3Sampler::builder()
            .population_size(population)
            .seed(seed)
            .build();
        let names = space.dimensions().iter().map(Dimension::name);
        Self {
            study: MultiObjectiveStudy::with_sampler(
                vec![Direction::Minimize; OBJECTIVES],
                sampler,
            ),
            places: names
                .map(|name| FloatParam::new(0.0, 1.0).name(name))
                .collect(),
            space,
            population,
            asked: Vec::new(),
            has_begun: false,
        }
    }

    /// Asks what the variants of the next generation come to, each by its values. Those that are no
    /// valid policy are `None`.
    ///
    /// # Errors
    /// What the optimizer says.
    pub fn ask(&mut self) -> Result<Vec<Option<Variant>>, optimizer::Error> {
        // The optimizer learns from a first one alone how many dimensions there are.
        let count = if self.has_begun { self.population } else { 1 };
        self.has_begun = true;
        let mut variants = Vec::with_capacity(count);
        for _ in 0..count {
            let mut trial = self.study.ask();
            let mut values: Vec<Value> = Vec::new();
            for (place, dimension) in self.places.iter().zip(self.space.dimensions()) {
                values.push(dimension.at(place.suggest(&mut trial)?));
            }
            self.asked.push(trial);
            let document = self.space.document(&values).ok();
            variants.push(document.map(|document| Variant { values, document }));
        }
        Ok(variants)
    }

    /// Answers: for each variant of the generation what it came to and by how much it exceeds a
    /// limit (0 or less where it keeps all).
    ///
    /// # Errors
    /// What the optimizer says.
    pub fn tell(&mut self, answers: &[Option<(Rates, f64)>]) -> Result<(), optimizer::Error> {
        for (mut trial, answer) in self.asked.drain(..).zip(answers) {
            let (objectives, excess) = match answer {
                Some((rates, excess)) => (
                    objectives(rates).to_vec(),
                    excess.clamp(-HOPELESS, HOPELESS),
                ),
                None => (vec![HOPELESS; OBJECTIVES], HOPELESS),
            };
            trial.set_constraints(vec![excess]);
            self.study.tell(trial, Ok::<_, String>(objectives))?;
        }
        Ok(())
    }
}

/// What is made as small as possible.
pub fn objectives(rates: &Rates) -> [f64; OBJECTIVES] {
    [
        -rates.saved_share.unwrap_or(0.0),
        rates.reloads_per_active_hour.unwrap_or(0.0),
        rates.early_return_rate.unwrap_or(0.0),
        rates.high_minutes_per_awake_hour.unwrap_or(0.0),
    ]
}

#[cfg(test)]
mod tests {
    use engine::PolicyDocument;

    use super::*;
    use crate::replay::Tally;

    fn space() -> Space {
        let dimensions = ["ttl_minutes=1..101", "familiarity_cap=1,2,4,8"];
        let dimensions = dimensions.map(|text| Dimension::parse(text).unwrap());
        Space::new(PolicyDocument::default(), dimensions.into()).unwrap()
    }

    /// A made-up world in which short TTLs save and cost, and the limit is met from 40 minutes on.
    fn world(variant: &Variant) -> (Rates, f64) {
        let short = 101.0 - variant.document.ttl_minutes;
        let mut rates = Tally::default().rates();
        rates.saved_share = Some(short / 100.0);
        rates.reloads_per_active_hour = Some(short / 10.0);
        (rates, short / 10.0 - 6.1)
    }

    fn run(seed: u64) -> Vec<Tried> {
        let space = space();
        let mut search = Search::new(&space, 16, seed);
        let mut tried = Vec::new();
        for _ in 0..20 {
            let variants = search.ask().unwrap();
            let answers: Vec<_> = variants.iter().map(|it| it.as_ref().map(world)).collect();
            search.tell(&answers).unwrap();
            tried.extend(variants.into_iter().flatten().map(|variant| Tried {
                rates: world(&variant).0,
                variant,
            }));
        }
        tried
    }

    #[test]
    fn it_comes_near_the_best_within_the_limit_and_does_so_again() {
        let tried = run(3);
        let kept = tried.iter().filter(|it| world(&it.variant).1 <= 0.0);
        let best = kept
            .map(|it| it.rates.saved_share.unwrap())
            .fold(0.0, f64::max);
        assert!((0.59..=0.61).contains(&best), "{best}");
        let values = |tried: Vec<Tried>| -> Vec<_> {
            tried.into_iter().map(|it| it.variant.values).collect()
        };
        assert_eq!(values(tried), values(run(3)));
        assert_ne!(values(run(3)), values(run(4)));
    }
}
