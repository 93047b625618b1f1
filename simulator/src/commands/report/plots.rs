//! The pictures of a report.

mod course;
mod sensitivity;

use simulator::plot::{Axis, Color, Label, Mark, Plot, Scale, Series, Shape};

use super::figures::{HeldOutFront, Partition, PartitionPoint, Place, Policy, Report, Role};
use crate::console::{Safe, cut};

pub(super) use course::course;
pub(super) use sensitivity::sensitivity;

/// The places of the theme's colours.
const BLUE: Color = Color::Series(0);
const ORANGE: Color = Color::Series(1);
const GREEN: Color = Color::Series(2);
const YELLOW: Color = Color::Series(4);

/// So many variants are drawn; of more, some that are evenly spread.
pub(super) const POINTS_MAX: usize = 1_500;

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

#[cfg(test)]
mod tests {
    use super::*;

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
