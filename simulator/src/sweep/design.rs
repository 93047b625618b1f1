//! Which variants of a policy are tried: all of a grid, or samples that fill the space.

use std::collections::BTreeSet;

use engine::PolicyDocument;
use serde_json::Value;

use super::space::{Space, SpaceError, word};
use crate::synth::draw::Draw;

/// The most variants of a sweep: each is a policy that is kept.
pub const MOST_VARIANTS: usize = 100_000;

/// How variants are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// Every combination of values.
    Grid,
    /// So many samples, each in a row and column of its own (McKay, Beckman and Conover 1979).
    LatinHypercube(usize),
    /// So many points of the Sobol sequence, scrambled as Owen does (Burley 2020).
    Sobol(usize),
}

/// A variant of a policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Its values, in the order of the dimensions.
    pub values: Vec<Value>,
    /// The policy.
    pub document: PolicyDocument,
}

impl Variant {
    /// What it is called: its values.
    pub fn label(&self, space: &Space) -> String {
        let names = space.dimensions().iter().zip(&self.values);
        let words: Vec<String> = names
            .map(|(dimension, value)| format!("{}={}", dimension.name(), word(value)))
            .collect();
        words.join(" ")
    }
}

impl Design {
    /// Chooses the variants. Those that are no valid policy are left out, and those that come to
    /// the same policy as one before; `seed` is for samples.
    ///
    /// # Errors
    /// A range that a grid cannot take.
    pub fn variants(self, space: &Space, seed: u64) -> Result<Vec<Variant>, SpaceError> {
        let points = self.points(space, seed)?;
        let mut seen = BTreeSet::new();
        let valid = points.into_iter().filter_map(|values| {
            let document = space.document(&values).ok()?;
            Some(Variant { values, document })
        });
        Ok(valid.filter(|it| seen.insert(it.document.hash())).collect())
    }

    /// How many points it has, before any is left out; `None` where that cannot be counted.
    ///
    /// # Errors
    /// A range that a grid cannot take.
    pub fn point_count(self, space: &Space) -> Result<Option<usize>, SpaceError> {
        match self {
            Self::LatinHypercube(samples) | Self::Sobol(samples) => Ok(Some(samples)),
            Self::Grid => {
                let mut count = Some(1_usize);
                for dimension in space.dimensions() {
                    let values = dimension.each()?.len();
                    count = count.and_then(|count| count.checked_mul(values));
                }
                Ok(count)
            }
        }
    }

    fn points(self, space: &Space, seed: u64) -> Result<Vec<Vec<Value>>, SpaceError> {
        let dimensions = space.dimensions();
        let at = |places: Vec<f64>| {
            let values = dimensions.iter().zip(places);
            values
                .map(|(dimension, place)| dimension.at(place))
                .collect()
        };
        Ok(match self {
            Self::Grid => {
                let mut points = vec![Vec::new()];
                for dimension in dimensions {
                    let values = dimension.each()?;
                    let longer = |point: Vec<Value>| {
                        let with = values.iter().map(move |value| {
                            let mut point = point.clone();
                            point.push(value.clone());
                            point
                        });
                        with.collect::<Vec<_>>()
                    };
                    points = points.into_iter().flat_map(longer).collect();
                }
                points
            }
            Self::LatinHypercube(samples) => {
                let columns = (0..).zip(dimensions);
                let columns: Vec<Vec<f64>> = columns
                    .map(|(stream, _)| strata(samples, &mut Draw::new(seed, stream)))
                    .collect();
                let place = |index: usize| columns.iter().map(|column| column[index]).collect();
                (0..samples).map(place).map(at).collect()
            }
            Self::Sobol(samples) => {
                let seed = scramble(seed);
                let places = |index: u32| {
                    let dimensions = (0..).zip(dimensions);
                    let place = |(dimension, _)| sobol_burley::sample(index, dimension, seed);
                    dimensions.map(place).map(f64::from).collect()
                };
                let samples = u32::try_from(samples).unwrap_or(u32::MAX);
                (0..samples).map(places).map(at).collect()
            }
        })
    }
}

/// One place in each of `count` equal parts, in a random order.
fn strata(count: usize, draw: &mut Draw) -> Vec<f64> {
    let mut places: Vec<f64> = (0..count)
        .map(|part| (part as f64 + draw.share()) / count as f64)
        .collect();
    // Fisher and Yates.
    for last in (1..count).rev() {
        places.swap(last, draw.index(last + 1));
    }
    places
}

/// Both halves of a seed in one.
fn scramble(seed: u64) -> u32 {
    let [a, b, c, d, ..] = (seed ^ (seed >> 32)).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::Dimension;

    fn space(texts: &[&str]) -> Space {
        let dimensions = texts.iter().map(|text| Dimension::parse(text).unwrap());
        Space::new(PolicyDocument::default(), dimensions.collect()).unwrap()
    }

    #[test]
    fn a_grid_has_every_combination_but_those_that_are_no_policy() {
        let space = space(&[
            "pressure.medium_score=40,60,80",
            "pressure.high_score=50,75",
        ]);
        let variants = Design::Grid.variants(&space, 0).unwrap();
        let labels: Vec<String> = variants.iter().map(|it| it.label(&space)).collect();
        assert_eq!(
            labels,
            [
                "pressure.medium_score=40 pressure.high_score=50",
                "pressure.medium_score=40 pressure.high_score=75",
                "pressure.medium_score=60 pressure.high_score=75",
            ]
        );
        assert_eq!(Design::Grid.point_count(&space), Ok(Some(6)));
    }

    #[test]
    fn samples_fill_each_dimension_evenly_and_are_the_same_again() {
        let space = space(
            &["ttl_minutes=0..1000", "cooldown_seconds=10..1010"].map(|text| {
                if text.starts_with("ttl") {
                    "ttl_minutes=1..1001"
                } else {
                    text
                }
            }),
        );
        for design in [Design::LatinHypercube(100), Design::Sobol(128)] {
            let variants = design.variants(&space, 7).unwrap();
            assert_eq!(variants, design.variants(&space, 7).unwrap());
            assert_ne!(variants, design.variants(&space, 8).unwrap());
            for dimension in 0..2 {
                let mut counts = [0; 10];
                for variant in &variants {
                    let place = space.dimensions()[dimension].place_of(&variant.values[dimension]);
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        reason = "0 to 9"
                    )]
                    let part = (place * 10.0).min(9.0) as usize;
                    counts[part] += 1;
                }
                assert!(
                    counts.iter().all(|count| (8..=17).contains(count)),
                    "{counts:?}"
                );
            }
        }
    }
}
