//! How a trace goes: pressure, tabs, discards and returns, over the time that the user was there.

use engine::Level;
use simulator::plot::{Axis, Color, Mark, Plot, Scale, Shape};
use simulator::timeline::{Pressure, Stretch, Timeline};

use super::{BLUE, ORANGE, YELLOW, series};

/// A trace's pressure, its tabs, and its discards and returns, all over the same time.
pub(in super::super) struct CoursePlots {
    /// None where the trace does not tell of memory.
    pub(in super::super) pressure: Option<Plot>,
    pub(in super::super) tabs: Plot,
    pub(in super::super) events: Plot,
}

pub(in super::super) fn course(timeline: &Timeline) -> CoursePlots {
    let time = TimeAxis::of(timeline);
    CoursePlots {
        pressure: timeline.has_pressure().then(|| pressure(timeline, &time)),
        tabs: tabs(timeline, &time),
        events: events(timeline, &time),
    }
}

/// The time that the user was there.
struct TimeAxis {
    ms: f64,
    unit: &'static str,
    end: f64,
}

impl TimeAxis {
    fn of(timeline: &Timeline) -> Self {
        let length_ms = timeline.length_ms() as f64;
        let (ms, unit) = match length_ms {
            short if short < 3.0 * 3.6e6 => (6e4, "minutes"),
            _ => (3.6e6, "hours"),
        };
        Self {
            ms,
            unit,
            end: length_ms / ms,
        }
    }

    /// When a stretch begins and ends.
    fn of_stretch(&self, stretch: &Stretch, timeline: &Timeline) -> (f64, f64) {
        let width = timeline.width_ms as f64 / self.ms;
        let from = stretch.index as f64 * width;
        (from, from + width)
    }

    fn axis(&self) -> Axis {
        let label = format!("{} of the user's time", self.unit);
        Axis::new(label, Scale::Linear).from_to(0.0, self.end)
    }

    /// The steps of a value that holds until the next.
    fn steps(&self, timeline: &Timeline, value: impl Fn(&Stretch) -> [f64; 2]) -> Vec<(f64, f64)> {
        let steps = timeline.stretches.iter().flat_map(|it| {
            let (from, to) = self.of_stretch(it, timeline);
            let [within, after] = value(it);
            [(from, within), (to, after)]
        });
        let mut steps: Vec<(f64, f64)> = steps.collect();
        steps.extend(steps.last().map(|&(_, value)| (self.end, value)));
        steps.dedup_by(|next, last| next == last);
        steps
    }
}

fn pressure(timeline: &Timeline, time: &TimeAxis) -> Plot {
    let of = |value: fn(Pressure) -> f64| {
        move |it: &Stretch| [it.peak, it.pressure].map(|it| it.map_or(0.0, value))
    };
    let score = time.steps(timeline, of(|it| f64::from(it.score)));
    let medium = |it: Pressure| if it.level >= Level::Medium { 50.0 } else { 0.0 };
    let high = |it: Pressure| if it.level >= Level::High { 100.0 } else { 0.0 };
    Plot {
        title: "Pressure".to_owned(),
        description: "The score of the pressure from 0 to 100, and when its level was MEDIUM or \
                      HIGH, as it would have been under this policy."
            .to_owned(),
        x: time.axis(),
        y: Axis::new("pressure", Scale::Linear).from_to(0.0, 100.0),
        series: vec![
            series(
                "MEDIUM, to half the height",
                Mark::Area,
                YELLOW,
                shape(&time.steps(timeline, of(medium))),
            ),
            series(
                "HIGH, to the full height",
                Mark::Area,
                ORANGE,
                shape(&time.steps(timeline, of(high))),
            ),
            series("score", Mark::Steps, Color::Muted, score),
        ],
        labels: Vec::new(),
    }
}

/// What lies between steps and zero; nothing where all of them are zero.
fn shape(steps: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if steps.iter().all(|&(_, value)| value == 0.0) {
        return Vec::new();
    }
    let mut corners = Vec::new();
    for pair in steps.windows(2) {
        let [(from, value), (to, _)] = [pair[0], pair[1]];
        corners.extend([(from, value), (to, value)]);
    }
    let ends = corners.first().copied().zip(corners.last().copied());
    corners.extend(
        ends.into_iter()
            .flat_map(|(first, last)| [(last.0, 0.0), (first.0, 0.0)]),
    );
    corners
}

fn tabs(timeline: &Timeline, time: &TimeAxis) -> Plot {
    let steps =
        |value: fn(&Stretch) -> usize| time.steps(timeline, move |it| [value(it) as f64; 2]);
    let most = timeline.stretches.iter().map(|it| it.open).max();
    Plot {
        title: "Tabs".to_owned(),
        description: format!(
            "Open tabs, at most {}, and how many of them were loaded.",
            most.unwrap_or(0)
        ),
        x: time.axis(),
        y: counts_axis("tabs")
            .from_to(0.0, most.unwrap_or(1).max(1) as f64)
            .with_margin(0.05),
        series: vec![
            series("open", Mark::Steps, Color::Muted, steps(|it| it.open)),
            series("loaded", Mark::Steps, BLUE, steps(|it| it.loaded)),
        ],
        labels: Vec::new(),
    }
}

/// An axis of counts, upwards and downwards: a part of one is not labelled.
fn counts_axis(label: &str) -> Axis {
    Axis {
        format: |value| match value.fract().abs() < 1e-9 {
            true => format!("{}", value.abs()),
            false => String::new(),
        },
        ..Axis::new(label, Scale::Linear)
    }
}

fn events(timeline: &Timeline, time: &TimeAxis) -> Plot {
    let points = |value: fn(&Stretch) -> u64, sign: f64| -> Vec<(f64, f64)> {
        let some = timeline.stretches.iter().filter(|it| value(it) > 0);
        let point = |it: &Stretch| {
            let (from, to) = time.of_stretch(it, timeline);
            (f64::midpoint(from, to), sign * value(it) as f64)
        };
        some.map(point).collect()
    };
    let sum = |value: fn(&Stretch) -> u64| timeline.stretches.iter().map(value).sum::<u64>();
    let most = |value: fn(&Stretch) -> u64| timeline.stretches.iter().map(value).max();
    let (up, down) = (most(|it| it.discards), most(|it| it.reloads));
    let range = (-(down.unwrap_or(0) as f64), up.unwrap_or(0).max(1) as f64);
    let y = counts_axis("discards, returns").from_to(range.0, range.1);
    Plot {
        title: "Discards and returns".to_owned(),
        description: format!(
            "{} discards upwards, {} returns downwards, {} of them early, within 10 minutes of the \
             user's time.",
            sum(|it| it.discards),
            sum(|it| it.reloads),
            sum(|it| it.early_returns)
        ),
        x: time.axis(),
        y: y.with_margin(0.08),
        series: vec![
            series(
                "discards, upwards",
                Mark::Stems,
                BLUE,
                points(|it| it.discards, 1.0),
            ),
            series(
                "returns, downwards",
                Mark::Stems,
                Color::Muted,
                points(|it| it.reloads, -1.0),
            ),
            series(
                "early returns",
                Mark::Points(Shape::Diamond),
                ORANGE,
                points(|it| it.early_returns, -1.0),
            ),
        ],
        labels: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_ends_where_it_begins() {
        assert_eq!(
            shape(&[(0.0, 1.0), (2.0, 0.0), (3.0, 0.0)]),
            [
                (0.0, 1.0),
                (2.0, 1.0),
                (2.0, 0.0),
                (3.0, 0.0),
                (3.0, 0.0),
                (0.0, 0.0)
            ]
        );
        assert_eq!(shape(&[(0.0, 0.0), (2.0, 0.0)]), []);
    }
}
