//! Plots as SVG text: lines and points on two axes, in a light and a dark look.
//!
//! Made for reports: a plot names itself for screen readers, tells series apart by more than their
//! colour where it can, and is the same text for the same numbers. Nothing is written here.

use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::IntoDrawingArea as _;
use plotters::element::{Circle, IntoDynElement as _, PathElement, Rectangle};
use plotters::prelude::SVGBackend;
use plotters::style::{Color as _, RGBColor, ShapeStyle, TextStyle};
use thiserror::Error;

/// The size of a plot in pixels, unless it is asked for otherwise.
const SIZE: (u32, u32) = (760, 400);

/// What the plot's text is written in. The reader's own sans-serif: nothing is fetched.
const FONT: &str = "sans-serif";

/// How many ticks an axis has, about.
const TICKS: f64 = 6.0;

/// A look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    /// Dark on white.
    Light,
    /// Light on near black.
    Dark,
}

impl Theme {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// Returns the word for it, as it stands in file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    /// Returns the background's colour.
    pub fn background(self) -> Rgb {
        match self {
            Self::Light => Rgb(0xff, 0xff, 0xff),
            Self::Dark => Rgb(0x14, 0x17, 0x1c),
        }
    }

    /// Returns the colour of text and axes.
    pub fn ink(self) -> Rgb {
        match self {
            Self::Light => Rgb(0x22, 0x26, 0x2b),
            Self::Dark => Rgb(0xdd, 0xe1, 0xe6),
        }
    }

    /// Returns the colour of the grid.
    pub fn grid(self) -> Rgb {
        match self {
            Self::Light => Rgb(0xe4, 0xe7, 0xea),
            Self::Dark => Rgb(0x2c, 0x31, 0x38),
        }
    }

    /// Returns the colour of a series. After the last one they begin anew.
    ///
    /// The palette of Okabe and Ito ("Color universal design", 2008), which people of any colour
    /// vision can tell apart; on dark the darker ones are lightened.
    pub fn series(self, index: usize) -> Rgb {
        const LIGHT: [Rgb; 6] = [
            Rgb(0x00, 0x72, 0xb2),
            Rgb(0xd5, 0x5e, 0x00),
            Rgb(0x00, 0x9e, 0x73),
            Rgb(0xcc, 0x79, 0xa7),
            Rgb(0xe6, 0x9f, 0x00),
            Rgb(0x56, 0xb4, 0xe9),
        ];
        const DARK: [Rgb; 6] = [
            Rgb(0x56, 0xb4, 0xe9),
            Rgb(0xf2, 0x8a, 0x3c),
            Rgb(0x2f, 0xc7, 0x9a),
            Rgb(0xe5, 0x9c, 0xc4),
            Rgb(0xf0, 0xe4, 0x42),
            Rgb(0x8c, 0xa9, 0xff),
        ];
        match self {
            Self::Light => LIGHT[index % LIGHT.len()],
            Self::Dark => DARK[index % DARK.len()],
        }
    }
}

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// Returns the colour as CSS has it.
    pub fn css(self) -> String {
        let Self(red, green, blue) = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

impl From<Rgb> for RGBColor {
    fn from(Rgb(red, green, blue): Rgb) -> Self {
        Self(red, green, blue)
    }
}

/// Numbers on two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn, the first one lowest.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// How values lie on it.
    pub scale: Scale,
    /// Where it begins and ends; what the series need where it is `None`.
    pub range: Option<(f64, f64)>,
    /// How a value is written.
    pub format: fn(f64) -> String,
}

impl Axis {
    /// Makes an axis as long as its series need.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self {
            label: label.into(),
            scale,
            range: None,
            format: |value| format!("{value}"),
        }
    }

    /// Makes an axis from here to there, whatever the series need.
    #[must_use]
    pub fn from_to(mut self, from: f64, to: f64) -> Self {
        self.range = Some((from, to));
        self
    }
}

/// How values lie on an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Equal steps are equally long.
    Linear,
    /// Equal ratios are equally long. What is not above zero is not drawn.
    Logarithmic,
    /// The same, for milliseconds, with ticks at seconds, minutes, hours and days.
    Duration,
}

impl Scale {
    /// Where a value lies, in units of the drawing.
    fn place(self, value: f64) -> Option<f64> {
        let place = match self {
            Self::Linear => value,
            Self::Logarithmic | Self::Duration if value > 0.0 => value.log10(),
            Self::Logarithmic | Self::Duration => return None,
        };
        place.is_finite().then_some(place)
    }
}

/// Some points that belong together.
#[derive(Clone, Debug)]
pub struct Series {
    /// What the legend calls it; nothing where it is empty.
    pub name: String,
    /// How it is drawn.
    pub mark: Mark,
    /// Which of the theme's colours it has; its place among the series where it is `None`.
    pub color: Option<usize>,
    /// Its points. Those that no axis can show are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Makes a series in the colour of its place.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            mark,
            color: None,
            points,
        }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A line from point to point.
    Line,
    /// The same, thin: something to compare with.
    ThinLine,
    /// A line that holds each value until the next.
    Steps,
    /// A dot a point.
    Points,
}

/// A plot that could not be drawn.
#[derive(Debug, Error)]
#[error("cannot draw {title:?}: {problem}")]
pub struct PlotError {
    title: String,
    problem: String,
}

impl Plot {
    /// Draws it.
    ///
    /// # Errors
    /// What the drawing library refuses. No numbers are known that make it do so.
    pub fn svg(&self, theme: Theme) -> Result<String, PlotError> {
        let mut svg = String::new();
        self.draw(theme, &mut svg).map_err(|problem| PlotError {
            title: self.title.clone(),
            problem,
        })?;
        Ok(self.named(&svg))
    }

    fn draw(&self, theme: Theme, svg: &mut String) -> Result<(), String> {
        let ink = RGBColor::from(theme.ink());
        let grid = RGBColor::from(theme.grid());
        let text = |size: u32| TextStyle::from((FONT, size)).color(&ink);
        let (x, y) = (
            self.ticks(&self.x, |it| it.0),
            self.ticks(&self.y, |it| it.1),
        );
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&RGBColor::from(theme.background()))
            .map_err(|error| error.to_string())?;
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, text(17))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)
            .map_err(|error| error.to_string())?;
        chart
            .configure_mesh()
            .bold_line_style(grid)
            .light_line_style(grid.mix(0.0))
            .axis_style(ink.mix(0.5))
            .label_style(text(12))
            .axis_desc_style(text(13))
            .x_desc(&*self.x.label)
            .y_desc(&*self.y.label)
            .draw()
            .map_err(|error| error.to_string())?;
        for (index, series) in self.series.iter().enumerate() {
            let color = RGBColor::from(theme.series(series.color.unwrap_or(index)));
            let points = self.places(series);
            let drawn = match series.mark {
                Mark::Points => chart.draw_series(
                    points
                        .into_iter()
                        .map(|point| Circle::new(point, 3, color.filled()).into_dyn()),
                ),
                Mark::Line | Mark::ThinLine | Mark::Steps => {
                    let points = match series.mark {
                        Mark::Steps => steps(&points),
                        _ => points,
                    };
                    let width = if series.mark == Mark::ThinLine { 1 } else { 2 };
                    let style = ShapeStyle::from(&color).stroke_width(width);
                    chart.draw_series([PathElement::new(points, style).into_dyn()])
                }
            };
            let drawn = drawn.map_err(|error| error.to_string())?;
            if !series.name.is_empty() {
                drawn.label(&*series.name).legend(move |(x, y)| {
                    Rectangle::new([(x, y - 1), (x + 16, y + 1)], color.filled())
                });
            }
        }
        if self.series.iter().any(|series| !series.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(RGBColor::from(theme.background()).mix(0.85))
                .border_style(grid)
                .label_font(text(12))
                .draw()
                .map_err(|error| error.to_string())?;
        }
        drop(chart);
        area.present().map_err(|error| error.to_string())
    }

    /// Where the points of a series lie.
    fn places(&self, series: &Series) -> Vec<(f64, f64)> {
        let place = |&(x, y): &(f64, f64)| self.x.scale.place(x).zip(self.y.scale.place(y));
        series.points.iter().filter_map(place).collect()
    }

    /// Decides where an axis begins and ends, and where it is labelled.
    fn ticks(&self, axis: &Axis, pick: fn((f64, f64)) -> f64) -> Ticks {
        let places = self.series.iter().flat_map(|series| self.places(series));
        let reach = match axis.range {
            Some((from, to)) => axis.scale.place(from).zip(axis.scale.place(to)),
            None => places.map(pick).fold(None, |reach, place| {
                let (from, to) = reach.unwrap_or((place, place));
                Some((place.min(from), place.max(to)))
            }),
        };
        let (from, to) = match reach {
            Some((from, to)) if from < to => (from, to),
            Some((from, _)) => (from - 0.5, from + 0.5),
            None => (0.0, 1.0),
        };
        let values = match axis.scale {
            Scale::Linear => even_steps(from, to),
            Scale::Logarithmic => (-30..=30).map(|power| 10_f64.powi(power)).collect(),
            Scale::Duration => DURATIONS.iter().map(|&(ms, _)| ms).collect(),
        };
        let label = |value: f64| match axis.scale {
            Scale::Duration => DURATIONS
                .iter()
                .find(|(ms, _)| ms.total_cmp(&value).is_eq())
                .map_or(String::new(), |(_, name)| (*name).to_owned()),
            Scale::Linear | Scale::Logarithmic => (axis.format)(value),
        };
        let labels = values.into_iter().filter_map(|value| {
            let place = axis.scale.place(value)?;
            (from - 1e-9..=to + 1e-9)
                .contains(&place)
                .then(|| (place, label(value)))
        });
        Ticks {
            from,
            to,
            labels: labels.collect(),
        }
    }

    /// Says to a screen reader what the image is.
    fn named(&self, svg: &str) -> String {
        let title = self.title.replace('&', "&amp;").replace('<', "&lt;");
        let named = format!("<svg role=\"img\"><title>{title}</title>");
        match svg.split_once('>') {
            Some((open, rest)) => {
                let attributes = open.trim_start_matches("<svg");
                let head = named.replacen('>', &format!("{attributes}>"), 1);
                format!("{head}{rest}")
            }
            None => svg.to_owned(),
        }
    }
}

/// Where an axis begins and ends, and what stands at which places of it.
struct Ticks {
    from: f64,
    to: f64,
    labels: Vec<(f64, String)>,
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

/// The corners of a line that holds each value until the next.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corner = |pair: &[(f64, f64)]| [pair[0], (pair[1].0, pair[0].1)];
    let corners = points.windows(2).flat_map(corner);
    corners.chain(points.last().copied()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plot(x: Scale, y: Scale, points: Vec<(f64, f64)>) -> Plot {
        Plot {
            title: "A < B & \"C\"".to_owned(),
            x: Axis::new("x", x),
            y: Axis::new("y", y),
            series: vec![
                Series::new("one", Mark::Line, points.clone()),
                Series::new("two", Mark::Steps, points.clone()),
                Series::new("", Mark::Points, points),
            ],
        }
    }

    #[test]
    fn linear_ticks_are_round_numbers() {
        let check = |from, to, expect: &[f64]| assert_eq!(even_steps(from, to), expect);
        check(0.0, 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]);
        check(-3.0, 7.0, &[-2.0, 0.0, 2.0, 4.0, 6.0]);
        check(0.0, 53.0, &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
    }

    #[test]
    fn a_plot_of_nothing_is_a_plot() {
        for theme in Theme::ALL {
            let svg = plot(Scale::Linear, Scale::Linear, Vec::new())
                .svg(theme)
                .unwrap();
            assert!(svg.starts_with("<svg role=\"img\""), "{svg}");
            assert!(svg.contains("<title>A &lt; B &amp; \"C\"</title>"), "{svg}");
            assert!(svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(
                svg.contains(&theme.background().css().to_uppercase()),
                "{svg}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_numbers_can_be_drawn(
            points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..8),
            near in prop::collection::vec((-1e3..1e3, 1e-3..1e9), 0..8),
        ) {
            for (x, y) in [
                (Scale::Linear, Scale::Linear),
                (Scale::Duration, Scale::Logarithmic),
                (Scale::Logarithmic, Scale::Duration),
            ] {
                for points in [&points, &near] {
                    let plot = plot(x, y, points.clone());
                    prop_assert_eq!(
                        plot.svg(Theme::Light).unwrap(),
                        plot.svg(Theme::Light).unwrap()
                    );
                }
            }
        }
    }
}
