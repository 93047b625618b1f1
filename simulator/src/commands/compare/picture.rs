//! The picture: what each policy saved against its reloads, under the clairvoyant frontier.
//!
//! Points are what the table shows, rounded as there, so that a picture differs only where the
//! table does.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use simulator::curve::Curve;
use simulator::plot::{Axis, Color, Form, Label, Mark, Plot, Scale, Series, Shape, Theme};
use simulator::replay::Point;

use super::{Comparison, Kind, Row};
use crate::console::{Safe, count, cut};
use crate::reading::shown;
use crate::writing::write_whole;

/// The places of the theme's colours.
const OURS: Color = Color::Series(0);
const GUARDED: Color = Color::Series(1);
const FRONTIER: Color = Color::Series(2);
const ABLATION: Color = Color::Series(3);

/// On an axis as long as this in pixels, points of the frontier that are nearer are one.
const FRONTIER_STEPS: f64 = 1_000.0;

/// Writes it as SVG, light and dark.
pub(super) fn write(comparison: &Comparison, folder: &Path) -> anyhow::Result<()> {
    let plot = savings(comparison);
    for theme in Theme::ALL {
        let file = folder.join(format!("comparison-{}.svg", theme.name()));
        let svg = plot.svg(theme, Form::Image)?;
        write_whole(&file, svg.as_bytes())
            .with_context(|| format!("cannot write the picture {}", shown(&file)))?;
    }
    Ok(())
}

/// Savings against reloads.
pub(super) fn savings(comparison: &Comparison) -> Plot {
    let of = |is_shown: &dyn Fn(&Row) -> bool| -> Vec<(f64, f64)> {
        let rows = comparison.rows.iter().filter(|row| is_shown(row));
        rows.map(place).collect()
    };
    let breaks = |row: &Row| row.kind == Kind::Baseline && row.pooled.violations > 0;
    let points = |name: &str, shape, color, points| {
        let name = if Vec::is_empty(&points) { "" } else { name };
        Series::new(name, Mark::Points(shape), points).colored(color)
    };
    let reloads_max = comparison.rows.iter().map(|row| row.pooled.reloads).max();
    let frontier = frontier(&comparison.frontier, reloads_max.unwrap_or(0));
    Plot {
        title: "Memory saved against reloads".to_owned(),
        description: description(comparison),
        x: Axis::new("reloads", Scale::SquareRoot)
            .of_counts()
            .with_margin(0.09),
        y: Axis::new("saved, GiB·h", Scale::Linear).with_margin(0.06),
        series: vec![
            Series::new("the most that can be saved", Mark::Steps, frontier).colored(FRONTIER),
            points(
                "other policies",
                Shape::Disc,
                Color::Muted,
                of(&|row| row.kind == Kind::Baseline && !breaks(row)),
            ),
            points(
                "others that take guarded tabs, too",
                Shape::Ring,
                GUARDED,
                of(&breaks),
            ),
            points(
                "ours without a part",
                Shape::Disc,
                ABLATION,
                of(&|row| row.kind == Kind::Ablation),
            ),
            points(
                "ours",
                Shape::Diamond,
                OURS,
                of(&|row| row.kind == Kind::Ours),
            ),
            points(
                "clairvoyant",
                Shape::Triangle,
                FRONTIER,
                of(&|row| row.kind == Kind::Clairvoyant),
            ),
        ],
        labels: labels(&comparison.rows),
    }
}

/// Where a row lies: reloads, and GiB·h as the table has them.
fn place(row: &Row) -> (f64, f64) {
    let saved = (row.pooled.saved_gib_h * 1e3).round() / 1e3;
    (row.pooled.reloads as f64, saved)
}

/// The points of the frontier, as many as can be told apart, on to where the last policy lies.
fn frontier(all: &[Point], reloads_max: u64) -> Vec<(f64, f64)> {
    let rounded = |saved: f64| (saved * 1e4).round() / 1e4;
    let last = all.last();
    let end = last.map_or(0, |point| point.reloads.max(reloads_max));
    let step = (end as f64).sqrt() / FRONTIER_STEPS;
    let mut points: Vec<(f64, f64)> = Vec::new();
    for point in all {
        let reloads = point.reloads as f64;
        let is_apart = (points.last()).is_none_or(|last| reloads.sqrt() - last.0.sqrt() >= step);
        if is_apart {
            points.push((reloads, rounded(point.saved_gib_h)));
        }
    }
    points.extend(last.map(|point| (end as f64, rounded(point.saved_gib_h))));
    points
}

/// A label for each place: the numbers of all rows there, and the names of ours.
fn labels(rows: &[Row]) -> Vec<Label> {
    // Places as whole numbers, so that equal ones are one.
    let mut places: BTreeMap<(u64, String), Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let (_, saved) = place(row);
        let here = places.entry((row.pooled.reloads, format!("{saved:.3}")));
        here.or_default().push(index);
    }
    let is_named = |index: &usize| matches!(rows[*index].kind, Kind::Ours | Kind::Clairvoyant);
    let mut heaps: Vec<Vec<usize>> = places.into_values().collect();
    // Those with much text find room first.
    heaps.sort_by_key(|heap| {
        let named = heap.iter().any(is_named);
        (!named, std::cmp::Reverse(heap.len()), heap[0])
    });
    let label = |heap: Vec<usize>| {
        let (named, others): (Vec<usize>, Vec<usize>) = heap.iter().partition(|it| is_named(it));
        let names = (named.iter()).map(|&it| format!("{} {}", it + 1, cut(&rows[it].name, 24)));
        let texts: Vec<String> = names.chain(runs(&others)).collect();
        Label {
            at: place(&rows[heap[0]]),
            text: texts.join(", "),
        }
    };
    heaps.into_iter().map(label).collect()
}

/// Writes the numbers of rows, each run of them as its two ends.
fn runs(indexes: &[usize]) -> Vec<String> {
    let runs = indexes.chunk_by(|before, after| before + 1 == *after);
    let write = |run: &[usize]| match *run {
        [first, .., last] if run.len() > 2 => vec![format!("{}–{}", first + 1, last + 1)],
        _ => run.iter().map(|index| (index + 1).to_string()).collect(),
    };
    runs.flat_map(write).collect()
}

/// What can be seen, in words.
fn description(comparison: &Comparison) -> String {
    let points = (comparison.frontier.first()).zip(comparison.frontier.last());
    let frontier = points.map_or(String::new(), |(first, last)| {
        format!(
            "The most that can be saved rises from {:.3} GiB·h without any reload to {:.3} GiB·h \
             with {}. ",
            first.saved_gib_h, last.saved_gib_h, last.reloads
        )
    });
    let base = comparison.base_row();
    let (_, saved) = place(base);
    format!(
        "{frontier}{} saves {saved:.3} GiB·h with {}. The table has every point.",
        Safe(&base.name),
        count(base.pooled.reloads, "reload")
    )
}

/// Families: the share saved against reloads.
pub(super) fn families(curves: &[Curve]) -> Plot {
    // Two flat timers are the same where nobody is ever away: the line of one must not hide that of
    // the one before it.
    let marks = [Mark::Line, Mark::Dashes].into_iter().cycle();
    let series = curves.iter().zip(marks).map(|(curve, mark)| {
        let point = |it: &simulator::curve::CurvePoint| (it.reloads as f64, 100.0 * it.saved_share);
        let points = curve.points.iter().map(point).collect();
        Series::new(cut(&curve.name, 40), mark, points)
    });
    let names: Vec<String> = curves.iter().map(|curve| cut(&curve.name, 40)).collect();
    Plot {
        title: "Families of policies, at all TTLs".to_owned(),
        description: format!(
            "One line for each of {}. The table has where they pass 70, 80 and 90 %.",
            names.join(", ")
        ),
        x: Axis::new("reloads", Scale::SquareRoot)
            .of_counts()
            .with_margin(0.02),
        y: Axis::new("saved of the background, %", Scale::Linear).with_margin(0.02),
        series: series.collect(),
        labels: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use simulator::curve::{CurvePoint, SHARES};
    use simulator::plot::Rgb;

    use super::*;

    #[test]
    fn runs_of_three_or_more_are_written_as_their_ends() {
        assert_eq!(runs(&[0, 1, 4, 5, 6, 9]), ["1", "2", "5–7", "10"]);
        assert_eq!(runs(&[]), Vec::<String>::new());
    }

    #[test]
    fn families_that_come_to_the_same_are_all_seen() {
        let curve = |name: &str| Curve {
            name: name.to_owned(),
            points: [(10, 0.2), (40, 0.6), (160, 0.9)]
                .map(|(reloads, saved_share)| CurvePoint {
                    saved_share,
                    saved_gib_h: saved_share,
                    reloads,
                })
                .into(),
            reloads_at: [None; SHARES.len()],
        };
        let svg = families(&[curve("active"), curve("wall")])
            .svg(Theme::Light, Form::Image)
            .unwrap();
        let lines = |index: usize| {
            let Rgb(red, green, blue) = Theme::Light.series(index);
            let stroke = format!("stroke=\"#{red:02X}{green:02X}{blue:02X}\" stroke-width=\"2\"");
            svg.matches(&stroke).count()
        };
        assert_eq!(lines(0), 1, "{svg}");
        assert!(lines(1) > 10, "dashes, with gaps between them: {svg}");
    }

    #[test]
    fn a_frontier_of_many_points_keeps_its_ends() {
        let all: Vec<Point> = (0..=20_000)
            .map(|reloads| Point {
                reloads,
                saved_gib_h: reloads as f64,
            })
            .collect();
        let drawn = frontier(&all, 30_000);
        assert_eq!(drawn.first(), Some(&(0.0, 0.0)));
        assert_eq!(drawn.last(), Some(&(30_000.0, 20_000.0)));
        assert!(drawn.len() < 2_000, "{}", drawn.len());
        assert_eq!(frontier(&[], 3), []);
    }
}
