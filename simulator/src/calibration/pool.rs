//! Several people together, beside the table.

use serde::Serialize;

use super::measures::Measures;
use super::target::{Mark, Over, Target};
use super::targets::TARGETS;

/// A row of the table, beside what a trace says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As in [`Target::name`].
    pub name: &'static str,
    /// As in [`Target::unit`].
    pub unit: &'static str,
    /// As in [`Target::about`].
    pub about: &'static str,
    /// As in [`Target::value`].
    pub target: Option<f64>,
    /// As in [`Target::published`].
    pub published: &'static str,
    /// As in [`Target::mark`].
    pub mark: Mark,
    /// The tolerance that applies: that of one person where there is one.
    pub tolerance: Option<(f64, f64)>,
    /// What the trace says.
    pub got: Option<f64>,
    /// The least and the greatest value of a person, where there are several.
    pub by_person: Option<(f64, f64)>,
    /// Whether it lies within the tolerance; `None` where it is not judged or not known.
    pub within: Option<bool>,
    /// Why the trace does not say.
    pub absent: Option<String>,
}

/// Several people together.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    measures: Measures,
    people: usize,
    /// By row, what each person's value is.
    values: Vec<Vec<f64>>,
    /// By row, why the last person who has no value has none.
    absent: Vec<Option<&'static str>>,
}

impl Pool {
    /// Starts with nobody.
    pub fn new() -> Self {
        Self {
            values: vec![Vec::new(); TARGETS.len()],
            absent: vec![None; TARGETS.len()],
            ..Self::default()
        }
    }

    /// Adds a person.
    pub fn add(&mut self, person: &Measures) {
        self.people += 1;
        self.measures.add(person);
        for (index, target) in TARGETS.iter().enumerate() {
            match (target.measure)(person) {
                Ok(value) => self.values[index].push(value),
                Err(absent) => self.absent[index] = Some(absent),
            }
        }
    }

    /// How many people there are.
    pub fn people(&self) -> usize {
        self.people
    }

    /// What was measured of all of them together.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Makes the rows of [`TARGETS`].
    pub fn rows(&self) -> Vec<Row> {
        TARGETS
            .iter()
            .enumerate()
            .map(|(index, target)| self.row(index, target))
            .collect()
    }

    fn row(&self, index: usize, target: &Target) -> Row {
        let mut values = self.values[index].clone();
        values.sort_by(f64::total_cmp);
        let absent = || self.absent[index].unwrap_or("nobody in it").to_owned();
        let got = match target.over {
            Over::Events => (target.measure)(&self.measures).map_err(str::to_owned),
            Over::People(_) | Over::MeanOfPeople if values.is_empty() => Err(absent()),
            Over::MeanOfPeople => Ok(values.iter().sum::<f64>() / values.len() as f64),
            Over::People(quantile) => of_people(&values, quantile),
        };
        let tolerance = match target.of_one {
            Some(of_one) if self.people == 1 => Some(of_one),
            _ => target.tolerance,
        };
        let (got, absent) = match got {
            Ok(got) => (Some(rounded(got)), None),
            Err(absent) => (None, Some(absent)),
        };
        let by_person = match values[..] {
            [least, .., most] => Some((rounded(least), rounded(most))),
            _ => None,
        };
        let within = got
            .zip(tolerance)
            .map(|(got, (least, most))| (least..=most).contains(&got));
        Row {
            name: target.name,
            unit: target.unit,
            about: target.about,
            target: target.value,
            published: target.published,
            mark: target.mark,
            tolerance,
            got,
            by_person,
            within,
            absent,
        }
    }
}

/// The quantile of people's values, which are in order; of an even number the lower one counts.
fn of_people(values: &[f64], quantile: f64) -> Result<f64, String> {
    // So many that somebody stands above the quantile.
    let fewest = (1.0 / (1.0 - quantile) - 1e-9).ceil().max(1.0);
    if quantile > 0.5 && (values.len() as f64) < fewest {
        return Err(format!(
            "it takes {fewest} people, and there are {}",
            values.len()
        ));
    }
    let wanted = quantile * values.len() as f64;
    let found = (1..)
        .zip(values)
        .find(|&(rank, _)| f64::from(rank) >= wanted);
    found
        .map(|(_, &value)| value)
        .ok_or_else(|| "nobody in it".to_owned())
}

/// Rounds to four digits: the rest differs from one platform's logarithms to another's.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{HOUR_MS, Of};
    use super::*;

    #[test]
    fn quantiles_over_people_need_people() {
        assert_eq!(of_people(&[1.0], 0.5), Ok(1.0));
        assert!(of_people(&[1.0, 2.0, 3.0], 0.75).is_err());
        assert_eq!(of_people(&[1.0, 2.0, 3.0, 4.0], 0.75), Ok(3.0));
    }

    proptest! {
        #[test]
        fn one_person_pooled_is_that_person(gaps in prop::collection::vec(0_i64..1_000_000, 0..50)) {
            let mut person = Measures::default();
            gaps.into_iter().for_each(|gap| person.note(Of::ReturnGap, gap));
            let mut pool = Pool::new();
            pool.add(&person);
            let pooled = (pool.measures().returns(0, HOUR_MS), pool.people());
            prop_assert_eq!(pooled, (person.returns(0, HOUR_MS), 1));
        }
    }
}
