//! The pictures of a report.

use engine::Level;
use serde_json::Value;
use simulator::plot::{Axis, Color, Label, Mark, Plot, Scale, Series, Shape};
use simulator::timeline::{Pressure, Stretch, Timeline};

use super::figures::{
    HeldOutFront, Partition, PartitionPoint, Place, Policy, Report, Role, Sensitivity,
    SensitivityPoint, Spread,
};
use super::shown_value;
use crate::console::{Safe, cut};

/// The places of the theme's colours.
const BLUE: Color = Color::Series(0);
const ORANGE: Color = Color::Series(1);
const GREEN: Color = Color::Series(2);
const YELLOW: Color = Color::Series(4);

/// So many variants are drawn; of more, some that are evenly spread.
pub(super) const POINTS_MAX: usize = 1_500;

/// How far beside its value a dot stands, where another stands on the other side.
const BESIDE: f64 = 0.08;

/// A setting whose values span this factor is drawn on a logarithmic axis.
const LOGARITHMIC_FROM: f64 = 8.0;

fn savings_axis() -> Axis {
    Axis::new("saved of the background, %", Scale::Linear).with_margin(0.06)
}

fn reloads_axis() -> Axis {
    let axis = Axis::new("reloads in an hour of the user's time", Scale::SquareRoot);
    Axis {
        format: |value| format!("{}", (value * 1e6).round() / 1e6),
        ..axis.with_margin(0.05)
    }
}

fn at(place: &Place) -> (f64, f64) {
    (place.reloads_per_active_hour, 100.0 * place.saved_share)
}

fn place(policy: &Policy) -> Option<(f64, f64)> {
    Place::of(&policy.rates).as_ref().map(at)
}

/// A series that the legend names only if there is something of it.
fn series(name: &str, mark: Mark, color: Color, points: Vec<(f64, f64)>) -> Series {
    let name = if points.is_empty() { "" } else { name };
    Series::new(name, mark, points).colored(color)
}

/// Savings against reloads: all variants, their front, those that stand beside them, the frontier.
pub(super) fn savings(report: &Report) -> Plot {
    let policies = &report.policies;
    let of = |role: Role| policies.iter().filter(move |it| it.role == role);
    let beaten: Vec<(f64, f64)> = of(Role::Variant)
        .filter(|it| !it.is_on_front)
        .filter_map(place)
        .collect();
    let front = front(policies);
    let reloads_max = policies
        .iter()
        .filter_map(place)
        .map(|it| it.0)
        .fold(0.0, f64::max);
    let named = of(Role::Chosen).chain(of(Role::Reference));
    let labels = named.filter_map(|it| {
        let text = cut(&it.name, 28);
        Some(Label {
            at: place(it)?,
            text,
        })
    });
    let points = |role| of(role).filter_map(place).collect();
    Plot {
        title: "Memory saved against reloads".to_owned(),
        description: savings_in_words(report),
        x: reloads_axis(),
        y: savings_axis(),
        series: vec![
            series(
                "the most that can be saved",
                Mark::Steps,
                GREEN,
                frontier(&report.frontier, reloads_max),
            ),
            series(
                "variants",
                Mark::Points(Shape::Dot),
                Color::Muted,
                super::super::sweep::thinned(&beaten, POINTS_MAX),
            ),
            series("beaten by no other", Mark::Line, BLUE, front.clone()),
            series("", Mark::Points(Shape::Disc), BLUE, front),
            series(
                "others",
                Mark::Points(Shape::Triangle),
                ORANGE,
                points(Role::Reference),
            ),
            series(
                "chosen",
                Mark::Points(Shape::Diamond),
                BLUE,
                points(Role::Chosen),
            ),
        ],
        labels: labels.collect(),
    }
}

/// The front, those with fewest reloads first.
fn front(policies: &[Policy]) -> Vec<(f64, f64)> {
    let on_front = policies.iter().filter(|it| it.is_on_front);
    let mut front: Vec<(f64, f64)> = on_front.filter_map(place).collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    front
}

/// The frontier as far as the policies reach; from there on it says nothing of them.
fn frontier(all: &[Place], reloads_max: f64) -> Vec<(f64, f64)> {
    let reached = all.iter().map(at).take_while(|it| it.0 <= reloads_max);
    let mut points: Vec<(f64, f64)> = reached.collect();
    if let Some(&(_, saved)) = points.last() {
        points.push((reloads_max, saved));
    }
    points
}

fn savings_in_words(report: &Report) -> String {
    let told = |it: &Policy| {
        let (reloads, saved) = place(it)?;
        let name = Safe(&it.name);
        Some(format!(
            "{name} saves {saved:.1} % with {reloads:.2} reloads an hour."
        ))
    };
    let others = report.policies.iter().filter(|it| it.role != Role::Variant);
    let mut sentences: Vec<String> = others.filter_map(told).collect();
    let front = front(&report.policies);
    if let (Some(first), Some(last)) = (front.first(), front.last()) {
        sentences.push(format!(
            "The front of the variants goes from {:.1} % with {:.2} reloads an hour to {:.1} % with \
             {:.2}.",
            first.1, first.0, last.1, last.0
        ));
    }
    sentences.push("The table of variants has the numbers.".to_owned());
    sentences.join(" ")
}

/// The fronts of the searches in training, and the same policies where they were held out.
pub(super) fn held_out(fronts: &[HeldOutFront]) -> Plot {
    let mut all = Vec::new();
    for (index, front) in fronts.iter().enumerate() {
        // The legend names each kind once.
        let named = |name| if index == 0 { name } else { "" };
        let places = |of: &[Place]| -> Vec<(f64, f64)> { of.iter().map(at).collect() };
        let (training, held_out) = (places(&front.training), places(&front.held_out));
        all.push(series(
            named("in training"),
            Mark::Line,
            BLUE,
            training.clone(),
        ));
        all.push(series("", Mark::Points(Shape::Disc), BLUE, training));
        all.push(series("", Mark::ThinLine, ORANGE, held_out.clone()));
        let held_out = series(
            named("held out"),
            Mark::Points(Shape::Ring),
            ORANGE,
            held_out,
        );
        all.push(held_out);
    }
    Plot {
        title: "The front in training and where it was held out".to_owned(),
        description: format!(
            "{} searches. Where the rings lie below and to the right of the line, what looked good \
             in training was luck.",
            fronts.len()
        ),
        x: reloads_axis(),
        y: savings_axis(),
        series: all,
        labels: Vec::new(),
    }
}

/// What is saved and what returns early, by the values of a setting; and the reloads.
pub(super) fn sensitivity(of: &Sensitivity, all: &[Sensitivity]) -> [Plot; 2] {
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

/// Early returns against savings, with and without the focus partition.
pub(super) fn partition(of: &Partition) -> Plot {
    let line = |points: &[PartitionPoint]| -> Vec<(f64, f64)> {
        let place = |it: &PartitionPoint| (100.0 * it.saved_share, 100.0 * it.early_return_rate);
        points.iter().map(place).collect()
    };
    let (with, without) = (line(&of.with), line(&of.without));
    Plot {
        title: "Partition first, threshold second".to_owned(),
        description:
            "Early returns against savings: the variants that no other of their side beats \
                      in both, a line each with and without the focus partition. Lower and further \
                      to the right is better."
                .to_owned(),
        x: savings_axis().with_margin(0.05),
        y: Axis::new("early returns of the discards, %", Scale::Linear).with_margin(0.06),
        labels: Vec::new(),
        series: vec![
            series(
                "without the partition",
                Mark::ThinLine,
                ORANGE,
                without.clone(),
            ),
            series("", Mark::Points(Shape::Ring), ORANGE, without),
            series("with it", Mark::Line, BLUE, with.clone()),
            series("", Mark::Points(Shape::Disc), BLUE, with),
        ],
    }
}

/// A trace's pressure, its tabs, and its discards and returns, all over the same time.
pub(super) struct CoursePlots {
    /// None where the trace does not tell of memory.
    pub(super) pressure: Option<Plot>,
    pub(super) tabs: Plot,
    pub(super) events: Plot,
}

pub(super) fn course(timeline: &Timeline) -> CoursePlots {
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

    #[test]
    fn a_frontier_goes_as_far_as_the_policies() {
        let all: Vec<Place> = (0..10)
            .map(|it| Place {
                reloads_per_active_hour: f64::from(it),
                saved_share: 0.5,
            })
            .collect();
        assert_eq!(frontier(&all, 1.5), [(0.0, 50.0), (1.0, 50.0), (1.5, 50.0)]);
        assert_eq!(frontier(&[], 1.5), []);
    }
}
