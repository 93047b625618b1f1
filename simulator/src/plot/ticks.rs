//! Where an axis begins and ends, and at which places of it what is written.

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

use super::axis::{Axis, Scale};

/// How many ticks an axis has, about.
const TICKS: f64 = 6.0;

/// Up to so many powers of ten are a few, with ticks between them.
const DECADES_FEW: f64 = 3.0;

/// Ticks for milliseconds.
const DURATIONS: &[(f64, &str)] = &[
    (1.0, "1 ms"),
    (10.0, "10 ms"),
    (100.0, "0.1 s"),
    (1e3, "1 s"),
    (10e3, "10 s"),
    (60e3, "1 min"),
    (600e3, "10 min"),
    (3_600e3, "1 h"),
    (4.0 * 3_600e3, "4 h"),
    (24.0 * 3_600e3, "1 d"),
    (7.0 * 24.0 * 3_600e3, "7 d"),
    (30.0 * 24.0 * 3_600e3, "30 d"),
    (365.0 * 24.0 * 3_600e3, "1 y"),
];

/// Where an axis begins and ends, and what stands at which places of it.
pub(super) struct Ticks {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) labels: Vec<(f64, String)>,
}

impl Ticks {
    /// Decides it for an axis of this length, in pixels, with so many between two ticks. `places` is
    /// where what is drawn lies.
    pub(super) fn new(
        axis: &Axis,
        places: impl Iterator<Item = f64>,
        length: u32,
        spacing: f64,
    ) -> Self {
        let (from, to) = ends(axis, places);
        let apart = spacing * (to - from) / f64::from(length);
        let mut last = f64::NEG_INFINITY;
        let labels = values(axis, from, to).into_iter().filter_map(|value| {
            let place = axis.scale.place(value)?;
            let is_shown = (from - 1e-9..=to + 1e-9).contains(&place) && place - last >= apart;
            is_shown.then(|| {
                last = place;
                (place, label(axis, value))
            })
        });
        Self {
            from,
            to,
            labels: labels.collect(),
        }
    }
}

impl Ranged for Ticks {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (low, high): (i32, i32)) -> i32 {
        let share = (place - self.from) / (self.to - self.from);
        // Whoever gives a range of their own may have points far outside it.
        let share = share.clamp(-1.0, 2.0);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a place on a drawing, in pixels"
        )]
        let pixels = (share * f64::from(high - low)).round() as i32;
        low + pixels
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            return Vec::new();
        }
        self.labels.iter().map(|&(place, _)| place).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Ticks {
    fn format_ext(&self, place: &f64) -> String {
        let here = self
            .labels
            .iter()
            .find(|(at, _)| at.total_cmp(place).is_eq());
        here.map_or(String::new(), |(_, label)| label.clone())
    }
}

/// Where an axis begins and ends.
fn ends(axis: &Axis, places: impl Iterator<Item = f64>) -> (f64, f64) {
    let reach = match axis.range {
        Some((from, to)) => axis.scale.place(from).zip(axis.scale.place(to)),
        None => places.fold(None, |reach, place| {
            let (from, to) = reach.unwrap_or((place, place));
            Some((place.min(from), place.max(to)))
        }),
    };
    let (from, to) = match reach {
        Some((from, to)) if from < to => (from, to),
        Some((from, _)) => (from - 0.5, from + 0.5),
        None => (0.0, 1.0),
    };
    let margin = axis.margin * (to - from);
    (from - margin, to + margin)
}

/// The values that an axis may be labelled at, and more.
fn values(axis: &Axis, from: f64, to: f64) -> Vec<f64> {
    let one_two_five = |power: i32| [1.0, 2.0, 5.0].map(|digit: f64| digit * 10_f64.powi(power));
    match axis.scale {
        _ if !axis.names.is_empty() => (0..axis.names.len()).map(|it| it as f64).collect(),
        Scale::Linear => even_steps(from, to),
        Scale::SquareRoot => {
            let least = if axis.is_whole {
                0
            } else {
                power_below(to * to)
            };
            std::iter::once(0.0)
                .chain((least..12).flat_map(one_two_five))
                .collect()
        }
        // Where it spans few powers of ten, these are too few.
        Scale::Logarithmic if to - from < DECADES_FEW => {
            (-30..=30).flat_map(one_two_five).collect()
        }
        Scale::Logarithmic => (-30..=30).map(|power| 10_f64.powi(power)).collect(),
        Scale::Duration => DURATIONS.iter().map(|&(ms, _)| ms).collect(),
    }
}

/// What is written at a value.
fn label(axis: &Axis, value: f64) -> String {
    let is_here = |at: f64| at.total_cmp(&value).is_eq();
    match axis.scale {
        _ if !axis.names.is_empty() => {
            let mut named = axis.names.iter().zip(0..);
            let here = named.find(|it| is_here(f64::from(it.1)));
            here.map_or(String::new(), |it| it.0.clone())
        }
        Scale::Duration => {
            let here = DURATIONS.iter().find(|it| is_here(it.0));
            here.map_or(String::new(), |it| it.1.to_owned())
        }
        Scale::Linear | Scale::SquareRoot | Scale::Logarithmic => (axis.format)(value),
    }
}

/// The power of ten that is a tenth of a value at least, and a hundredth at most; no more than 0.
fn power_below(value: f64) -> i32 {
    let mut power = 0;
    while power > -30 && 10_f64.powi(power + 1) > value {
        power -= 1;
    }
    power
}

/// Steps of 1, 2 or 5 times a power of ten.
fn even_steps(from: f64, to: f64) -> Vec<f64> {
    let rough = (to - from) / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= rough)
        .unwrap_or(rough);
    let first = (from / step).ceil();
    let places = (0..).map(|index| (first + f64::from(index)) * step);
    // What is written is a decimal number: the last bits of a product are no part of it.
    let rounded = places.map(|place| format!("{place:.9e}").parse().unwrap_or(place));
    rounded
        .take_while(|&place| place <= to + step * 1e-9)
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round_numbers() {
        let check = |from, to, expect: &[f64]| assert_eq!(even_steps(from, to), expect);
        check(0.0, 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(-3.0, 7.0, &[-2.0, 0.0, 2.0, 4.0, 6.0]);
        check(0.0, 53.0, &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
    }

    #[test]
    fn rates_below_one_have_ticks_and_counts_none_between_two() {
        let check = |axis: &Axis, most: f64, expect: &[&str]| {
            let places = [0.0, most].map(|value| axis.scale.place(value).unwrap());
            let ticks = Ticks::new(axis, places.into_iter(), 850, 36.0);
            let labels: Vec<&str> = ticks.labels.iter().map(|(_, label)| &**label).collect();
            assert_eq!(labels, expect, "up to {most}");
        };
        let rates = Axis::new("reloads an hour", Scale::SquareRoot);
        check(
            &rates,
            0.072,
            &["0", "0.001", "0.002", "0.005", "0.01", "0.02", "0.05"],
        );
        check(
            &rates,
            0.5,
            &["0", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5"],
        );
        check(&rates, 3.0, &["0", "0.1", "0.2", "0.5", "1", "2"]);
        let counts = Axis::new("reloads", Scale::SquareRoot).of_counts();
        check(&counts, 2.0, &["0", "1", "2"]);
        check(&counts, 40.0, &["0", "1", "2", "5", "10", "20"]);
    }

    #[test]
    fn names_stand_at_whole_numbers() {
        let names = vec!["<no>".to_owned(), "yes".to_owned()];
        let axis = Axis::of_names("focus", names);
        let ticks = Ticks::new(&axis, [0.0, 1.0].into_iter(), 300, 36.0);
        assert_eq!((ticks.from, ticks.to), (-0.5, 1.5));
        let expect = [(0.0, "<no>".to_owned()), (1.0, "yes".to_owned())];
        assert_eq!(ticks.labels, expect);
    }
}
