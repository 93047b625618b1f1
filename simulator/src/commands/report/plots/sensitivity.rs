//! What a setting does: savings, early returns and reloads by its values.

use serde_json::Value;
use simulator::plot::{Axis, Color, Mark, Plot, Scale, Series, Shape};

use super::super::figures::{Sensitivity, SensitivityPoint, Spread};
use super::super::shown_value;
use super::{BLUE, GREEN, ORANGE, series};
use crate::console::{Safe, cut};

/// How far beside its value a dot stands, where another stands on the other side.
const BESIDE: f64 = 0.08;

/// A setting whose values span this factor is drawn on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 8.0;

/// What is saved and what returns early, by the values of a setting; and the reloads.
pub(in super::super) fn sensitivity(of: &Sensitivity, all: &[Sensitivity]) -> [Plot; 2] {
    let axis = ValueAxis::new(of);
    let shares = |it: &SensitivityPoint| [it.saved_share, it.early_return_rate];
    let reloads = |it: &SensitivityPoint| [it.reloads_per_active_hour];
    let points = || all.iter().flat_map(|it| &it.points);
    let share_max = 100.0 * most(points().flat_map(shares));
    let reload_max = most(points().flat_map(reloads));
    let plot = |what: &str, y: Axis, series: Vec<Series>| Plot {
        title: format!("{}: {what}", of.setting),
        description: in_words(of),
        x: axis.axis.clone(),
        y,
        series,
        labels: Vec::new(),
    };
    let shares = [
        axis.line("saved", of, BLUE, |it| it.saved_share, 100.0),
        axis.line(
            "early returns",
            of,
            ORANGE,
            |it| it.early_return_rate,
            100.0,
        ),
        vec![axis.mark(&of.marked, share_max)],
    ];
    let reloads = [
        axis.line(
            "reloads an hour",
            of,
            GREEN,
            |it| it.reloads_per_active_hour,
            1.0,
        ),
        vec![axis.mark(&of.marked, reload_max)],
    ];
    let from_zero = |label: &str, most: f64| {
        let axis = Axis::new(label, Scale::Linear);
        axis.from_to(0.0, most).with_margin(0.04)
    };
    [
        plot(
            "savings and early returns",
            from_zero("%", share_max),
            shares.concat(),
        ),
        plot("reloads", from_zero("/ h", reload_max), reloads.concat()),
    ]
}

/// The most of some spreads, and never nothing.
fn most(of: impl Iterator<Item = Option<Spread>>) -> f64 {
    of.flatten().map(|it| it.most).fold(0.01, f64::max)
}

fn in_words(of: &Sensitivity) -> String {
    let told = |it: &SensitivityPoint| {
        let mean = |spread: Option<Spread>, factor: f64, decimals: usize| {
            spread.map_or("unknown".to_owned(), |it| {
                format!("{:.decimals$}", factor * it.mean)
            })
        };
        format!(
            "{}: saved {} %, early {} %, reloads an hour {}",
            Safe(&shown_value(&it.value)),
            mean(it.saved_share, 100.0, 1),
            mean(it.early_return_rate, 100.0, 1),
            mean(it.reloads_per_active_hour, 1.0, 2)
        )
    };
    let values: Vec<String> = of.points.iter().map(told).collect();
    format!(
        "{}. Marked: {}.",
        values.join("; "),
        Safe(&shown_value(&of.marked))
    )
}

/// Where the values of a setting lie: numbers on an axis of numbers, all else by name.
struct ValueAxis {
    axis: Axis,
    /// Empty where they are numbers.
    names: Vec<Value>,
}

impl ValueAxis {
    fn new(of: &Sensitivity) -> Self {
        let numbers = of.points.iter().map(|it| it.value.as_f64());
        if let Some(numbers) = numbers.collect::<Option<Vec<f64>>>() {
            let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let scale = if least > 0.0 && most / least >= LOGARITHMIC_FROM {
                Scale::Logarithmic
            } else {
                Scale::Linear
            };
            return Self {
                axis: Axis::new(of.unit, scale).with_margin(0.04),
                names: Vec::new(),
            };
        }
        let names: Vec<Value> = of.points.iter().map(|it| it.value.clone()).collect();
        let shown = names.iter().map(|it| cut(&shown_value(it), 14)).collect();
        Self {
            axis: Axis::of_names("", shown),
            names,
        }
    }

    fn place(&self, value: &Value) -> Option<f64> {
        if self.names.is_empty() {
            return value.as_f64();
        }
        let place = self.names.iter().position(|it| it == value)?;
        Some(place as f64)
    }

    /// A line with its shade; between names there is nothing, so there are dots alone.
    fn line(
        &self,
        name: &str,
        of: &Sensitivity,
        color: Color,
        pick: fn(&SensitivityPoint) -> Option<Spread>,
        factor: f64,
    ) -> Vec<Series> {
        let known = of
            .points
            .iter()
            .filter_map(|it| Some((self.place(&it.value)?, pick(it)?)));
        let known: Vec<(f64, Spread)> = known.collect();
        let points = |pick: fn(&Spread) -> f64| -> Vec<(f64, f64)> {
            known
                .iter()
                .map(|(x, it)| (*x, factor * pick(it)))
                .collect()
        };
        let means = points(|it| it.mean);
        let mark = Mark::Points(Shape::Disc);
        if !self.names.is_empty() {
            let beside = if color == ORANGE { BESIDE } else { -BESIDE };
            let means = means.into_iter().map(|(x, y)| (x + beside, y)).collect();
            let spans = known.iter().map(|(x, it)| {
                let x = x + beside;
                let ends = vec![(x, factor * it.least), (x, factor * it.most)];
                series("", Mark::Line, color, ends)
            });
            return spans.chain([series(name, mark, color, means)]).collect();
        }
        let mut shade = points(|it| it.most);
        shade.extend(points(|it| it.least).into_iter().rev());
        let is_spread = known.iter().any(|(_, it)| it.least < it.most);
        vec![
            series(
                "",
                Mark::Area,
                color,
                if is_spread { shade } else { Vec::new() },
            ),
            series(name, Mark::Line, color, means.clone()),
            series("", mark, color, means),
        ]
    }

    /// An upright line at a value.
    fn mark(&self, value: &Value, height: f64) -> Series {
        let place = self.place(value);
        let ends = place.map(|x| vec![(x, 0.0), (x, height)]);
        Series::new("", Mark::ThinLine, ends.unwrap_or_default()).colored(Color::Muted)
    }
}
