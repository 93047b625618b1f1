//! Plots as SVG text: lines and points on two axes, in a light and a dark look.
//!
//! Made for reports: a plot names and describes itself for screen readers, tells series apart by
//! more than their colour where it can, and is the same text for the same numbers. Nothing is
//! written here.

mod labels;

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{Drawable, PathElement, PointCollection, Polygon, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, RGBColor, ShapeStyle, TextStyle};
use plotters_backend::{DrawingBackend, DrawingErrorKind};
use thiserror::Error;

use labels::{Area, Pixel};

/// What the plot's text is written in. The reader's own sans-serif: nothing is fetched.
const FONT: &str = "sans-serif";

/// How large text is, in the library's measure: a pixel is 1.24 of it.
const LABEL_SIZE: u32 = 15;
const AXIS_SIZE: u32 = 16;
const TITLE_SIZE: u32 = 21;

/// What is free around a plot, in pixels.
const MARGIN: u32 = 14;

/// What the labels of the lower axis take, in pixels.
const X_LABEL_AREA: u32 = 44;

/// How the names of the series stand below, in pixels.
const LEGEND_ROW_HEIGHT: i32 = 22;
const LEGEND_SIGN_WIDTH: i32 = 20;
const LEGEND_NAME_AT: i32 = 16;

/// How near to each other two ticks may be, in pixels: on the lower axis, where their labels stand
/// side by side, and on the left one.
const TICK_WIDTH: f64 = 36.0;
const TICK_HEIGHT: f64 = 16.0;

/// Up to so many powers of ten are a few, with ticks between them.
const DECADES_FEW: f64 = 3.0;

/// How much an area covers what lies below it.
const AREA_OPACITY: f64 = 0.22;

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

    /// Returns the colour of text and marks that stand back.
    pub fn muted(self) -> Rgb {
        match self {
            Self::Light => Rgb(0x5b, 0x64, 0x6e),
            Self::Dark => Rgb(0x9a, 0xa4, 0xae),
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

/// What a plot is drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// An image of its own, with its title in it.
    Image,
    /// A page that has the title already, on a wide screen.
    Wide,
    /// The same on a telephone: as wide as that, so that text stays readable.
    Narrow,
    /// As wide as [`Form::Wide`] and low, to stand above or below one of those on the same axis.
    WideStrip,
    /// As wide as [`Form::Narrow`] and low.
    NarrowStrip,
    /// One of many, side by side.
    Small,
}

impl Form {
    /// Returns width and height in pixels.
    fn size(self) -> (u32, u32) {
        match self {
            Self::Image => (880, 500),
            Self::Wide => (1_000, 500),
            Self::Narrow => (360, 420),
            Self::WideStrip => (1_000, 210),
            Self::NarrowStrip => (360, 210),
            Self::Small => (380, 230),
        }
    }

    /// Returns what the labels of the left axis take, in pixels.
    fn y_label_area(self) -> u32 {
        match self {
            Self::Image | Self::Wide | Self::WideStrip => 64,
            Self::Narrow | Self::NarrowStrip | Self::Small => 48,
        }
    }
}

/// Numbers on two axes.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// What can be seen in it, for those who cannot.
    pub description: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn, the first one lowest.
    pub series: Vec<Series>,
    /// What points are called. Those that come first find room first.
    pub labels: Vec<Label>,
}

/// What a point is called.
#[derive(Clone, Debug)]
pub struct Label {
    /// The point. One that no axis can show has no label.
    pub at: (f64, f64),
    /// Its name.
    pub text: String,
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
    /// How much of its length is left free at both ends.
    pub margin: f64,
    /// How a value is written.
    pub format: fn(f64) -> String,
    /// What stands at 0, 1, 2 and so on, where these are no numbers but names.
    pub names: Vec<String>,
}

impl Axis {
    /// Makes an axis as long as its series need.
    pub fn new(label: impl Into<String>, scale: Scale) -> Self {
        Self {
            label: label.into(),
            scale,
            range: None,
            margin: 0.0,
            format: |value| format!("{value}"),
            names: Vec::new(),
        }
    }

    /// Makes an axis of names, the first one at 0, the next one at 1.
    pub fn of_names(label: impl Into<String>, names: Vec<String>) -> Self {
        let last = names.len() as f64 - 1.0;
        Self {
            names,
            ..Self::new(label, Scale::Linear).from_to(-0.5, last + 0.5)
        }
    }

    /// Leaves so much of its length free at both ends.
    #[must_use]
    pub fn with_margin(mut self, share: f64) -> Self {
        self.margin = share;
        self
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
    /// Lengths grow as the square root: for counts, of which a few are many more than the rest, and
    /// none is a value, too.
    SquareRoot,
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
            Self::SquareRoot => value.abs().sqrt().copysign(value),
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
    /// Which of the theme's colours it has.
    pub color: Color,
    /// Its points. Those that no axis can show are left out.
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Makes a series in the colour of its place.
    pub fn new(name: impl Into<String>, mark: Mark, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            mark,
            color: Color::OfPlace,
            points,
        }
    }

    /// Makes it of another colour.
    #[must_use]
    pub fn colored(mut self, color: Color) -> Self {
        self.color = color;
        self
    }
}

impl Series {
    /// Its colour, if it has this place among the series.
    fn color_in(&self, theme: Theme, index: usize) -> RGBColor {
        let color = match self.color {
            Color::OfPlace => theme.series(index),
            Color::Series(color) => theme.series(color),
            Color::Muted => theme.muted(),
        };
        color.into()
    }
}

/// Which of a theme's colours a series has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// That of its place among the series.
    OfPlace,
    /// That of this place.
    Series(usize),
    /// That of what stands back.
    Muted,
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
    /// What lies within the points, lightly filled: they are the corners of a shape.
    Area,
    /// A line from zero to each point.
    Stems,
    /// A shape for each point.
    Points(Shape),
}

impl Mark {
    /// The corners of what is drawn through some points.
    fn corners(self, points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
        match self {
            Self::Steps => steps(&points),
            Self::Line | Self::ThinLine | Self::Area | Self::Stems | Self::Points(_) => points,
        }
    }
}

/// What a point looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Round and filled.
    Disc,
    /// The same, small: one of many.
    Dot,
    /// Round and hollow.
    Ring,
    /// On a tip, and filled.
    Diamond,
    /// With a tip upwards, and filled.
    Triangle,
}

/// The sign of a series: a shape on a point, or a piece of its line beside its name.
struct Sign<C> {
    at: C,
    mark: Mark,
    color: RGBColor,
    background: RGBColor,
}

impl<'a, C> PointCollection<'a, C> for &'a Sign<C> {
    type Point = &'a C;
    type IntoIter = std::iter::Once<&'a C>;

    fn point_iter(self) -> Self::IntoIter {
        std::iter::once(&self.at)
    }
}

impl<C, DB: DrawingBackend> Drawable<DB> for Sign<C> {
    fn draw<I: Iterator<Item = Pixel>>(
        &self,
        places: I,
        backend: &mut DB,
        _: (u32, u32),
    ) -> Result<(), DrawingErrorKind<DB::ErrorType>> {
        let filled = ShapeStyle::from(&self.color).filled();
        for (x, y) in places {
            let around = |offsets: &[Pixel]| -> Vec<Pixel> {
                offsets.iter().map(|(dx, dy)| (x + dx, y + dy)).collect()
            };
            match self.mark {
                Mark::Points(Shape::Disc) => backend.draw_circle((x, y), 4, &filled, true)?,
                Mark::Points(Shape::Dot) => backend.draw_circle((x, y), 2, &filled, true)?,
                Mark::Points(Shape::Ring) => {
                    let inside = ShapeStyle::from(&self.background).filled();
                    backend.draw_circle((x, y), 4, &inside, true)?;
                    let edge = ShapeStyle::from(&self.color).stroke_width(2);
                    backend.draw_circle((x, y), 4, &edge, false)?;
                }
                Mark::Points(Shape::Diamond) => {
                    backend.fill_polygon(around(&[(0, -6), (6, 0), (0, 6), (-6, 0)]), &filled)?;
                }
                Mark::Points(Shape::Triangle) => {
                    backend.fill_polygon(around(&[(0, -7), (6, 5), (-6, 5)]), &filled)?;
                }
                Mark::Line | Mark::ThinLine | Mark::Steps => {
                    backend.draw_rect((x - 8, y - 1), (x + 8, y + 1), &filled, true)?;
                }
                Mark::Area => {
                    let light = ShapeStyle::from(&self.color.mix(AREA_OPACITY)).filled();
                    backend.draw_rect((x - 8, y - 6), (x + 8, y + 6), &light, true)?;
                }
                Mark::Stems => {
                    for dx in [-6, 0, 6] {
                        let (top, bottom) = ((x + dx - 1, y - 6), (x + dx + 1, y + 6));
                        backend.draw_rect(top, bottom, &filled, true)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The name of a series below the plot.
struct LegendEntry<'a> {
    /// The middle of its sign.
    at: Pixel,
    sign: Sign<Pixel>,
    name: &'a str,
}

/// A plot while it is drawn.
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Ticks, Ticks>>;

/// Text from a place to the right, at half its height.
fn text(theme: Theme, size: u32) -> TextStyle<'static> {
    TextStyle {
        color: RGBColor::from(theme.ink()).to_backend_color(),
        pos: Pos::new(HPos::Left, VPos::Center),
        ..TextStyle::from((FONT, size))
    }
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
    pub fn svg(&self, theme: Theme, form: Form) -> Result<String, PlotError> {
        let mut svg = String::new();
        self.draw(theme, form, &mut svg)
            .map_err(|problem| PlotError {
                title: self.title.clone(),
                problem,
            })?;
        Ok(self.named(&svg))
    }

    fn draw(&self, theme: Theme, form: Form, svg: &mut String) -> Result<(), String> {
        let ink = RGBColor::from(theme.ink());
        let grid = RGBColor::from(theme.grid());
        let (width, height) = form.size();
        let y_label_area = form.y_label_area();
        let room = (width - y_label_area - 2 * MARGIN, height - X_LABEL_AREA);
        let legend = self.legend(theme, room.0);
        let legend_height = legend
            .last()
            .map_or(0, |entry| entry.at.1 + LEGEND_ROW_HEIGHT);
        let size = (width, height + legend_height.unsigned_abs());
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&RGBColor::from(theme.background()))
            .map_err(|error| error.to_string())?;
        let (above, below) = area.split_vertically(height);
        let mut builder = ChartBuilder::on(&above);
        if form == Form::Image {
            builder.caption(&self.title, text(theme, TITLE_SIZE));
        }
        let mut chart = builder
            .margin(MARGIN)
            .x_label_area_size(X_LABEL_AREA)
            .y_label_area_size(y_label_area)
            .build_cartesian_2d(
                self.ticks(&self.x, |it| it.0, room.0, TICK_WIDTH),
                self.ticks(&self.y, |it| it.1, room.1, TICK_HEIGHT),
            )
            .map_err(|error| error.to_string())?;
        chart
            .configure_mesh()
            .bold_line_style(grid)
            .light_line_style(grid.mix(0.0))
            .axis_style(ink.mix(0.5))
            .label_style(text(theme, LABEL_SIZE))
            .axis_desc_style(text(theme, AXIS_SIZE))
            .x_desc(&*self.x.label)
            .y_desc(&*self.y.label)
            .draw()
            .map_err(|error| error.to_string())?;
        for (index, series) in self.series.iter().enumerate() {
            let color = series.color_in(theme, index);
            let points = self.places(series);
            let drawn = match series.mark {
                Mark::Area => {
                    let style = color.mix(AREA_OPACITY).filled();
                    chart.draw_series([Polygon::new(points, style)])
                }
                Mark::Stems => {
                    let style = ShapeStyle::from(&color).stroke_width(2);
                    let stem = |at: (f64, f64)| PathElement::new(vec![(at.0, 0.0), at], style);
                    chart.draw_series(points.into_iter().map(stem))
                }
                Mark::Points(_) => chart.draw_series(points.into_iter().map(|at| Sign {
                    at,
                    mark: series.mark,
                    color,
                    background: theme.background().into(),
                })),
                Mark::Line | Mark::ThinLine | Mark::Steps => {
                    let width = if series.mark == Mark::ThinLine { 1 } else { 2 };
                    let style = ShapeStyle::from(&color).stroke_width(width);
                    chart.draw_series([PathElement::new(series.mark.corners(points), style)])
                }
            };
            drawn.map_err(|error| error.to_string())?;
        }
        self.draw_labels(theme, &chart, &above)?;
        for entry in legend {
            let (x, y) = entry.at;
            let at = (x + (MARGIN + y_label_area).cast_signed(), y);
            below
                .draw(&Sign { at, ..entry.sign })
                .and_then(|()| {
                    let name = (at.0 + LEGEND_NAME_AT, at.1);
                    below.draw(&Text::new(entry.name, name, text(theme, LABEL_SIZE)))
                })
                .map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())
    }

    /// Lays out the names of the series, in rows.
    fn legend(&self, theme: Theme, width: u32) -> Vec<LegendEntry<'_>> {
        let mut entries = Vec::new();
        let (mut x, mut y) = (LEGEND_SIGN_WIDTH / 2, LEGEND_ROW_HEIGHT / 2);
        let named = self.series.iter().enumerate();
        for (index, series) in named.filter(|(_, series)| !series.name.is_empty()) {
            let name_end = x + LEGEND_NAME_AT + labels::width(&series.name);
            if name_end > width.cast_signed() && !entries.is_empty() {
                (x, y) = (LEGEND_SIGN_WIDTH / 2, y + LEGEND_ROW_HEIGHT);
            }
            entries.push(LegendEntry {
                at: (x, y),
                name: &series.name,
                sign: Sign {
                    at: (x, y),
                    mark: series.mark,
                    color: series.color_in(theme, index),
                    background: theme.background().into(),
                },
            });
            x += LEGEND_NAME_AT + labels::width(&series.name) + LEGEND_SIGN_WIDTH;
        }
        entries
    }

    /// Writes what points are called, where there is room.
    fn draw_labels<'a>(
        &self,
        theme: Theme,
        chart: &Chart<'a, '_>,
        area: &DrawingArea<SVGBackend<'a>, Shift>,
    ) -> Result<(), String> {
        let (columns, rows) = chart.plotting_area().get_pixel_range();
        let within = Area {
            left: columns.start,
            top: rows.start,
            right: columns.end,
            bottom: rows.end,
        };
        let mut marks: Vec<Pixel> = Vec::new();
        let mut lines: Vec<Pixel> = Vec::new();
        for series in &self.series {
            let points = series.mark.corners(self.places(series)).into_iter();
            let pixels: Vec<Pixel> = points.map(|at| chart.backend_coord(&at)).collect();
            match series.mark {
                Mark::Area => {}
                Mark::Points(_) | Mark::Stems => marks.extend(pixels),
                Mark::Line | Mark::ThinLine | Mark::Steps => {
                    let stretches = pixels.windows(2);
                    lines.extend(stretches.flat_map(|ends| labels::between(ends[0], ends[1])));
                }
            }
        }
        let named = self.labels.iter().filter_map(|label| {
            let place = (self.x.scale.place(label.at.0)).zip(self.y.scale.place(label.at.1))?;
            Some((chart.backend_coord(&place), &*label.text))
        });
        let named: Vec<(Pixel, &str)> = named.collect();
        let wanted: Vec<(Pixel, i32)> = (named.iter())
            .map(|&(point, text)| (point, labels::width(text)))
            .collect();
        let leader = RGBColor::from(theme.muted()).mix(0.6);
        let placed = labels::place(&wanted, &marks, &lines, within);
        for (&(point, name), placed) in named.iter().zip(placed) {
            if let Some(end) = placed.leader {
                area.draw(&PathElement::new(vec![point, end], leader))
                    .map_err(|error| error.to_string())?;
            }
            let start = placed.area.text_start();
            area.draw(&Text::new(name, start, text(theme, LABEL_SIZE)))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Where the points of a series lie.
    fn places(&self, series: &Series) -> Vec<(f64, f64)> {
        let place = |&(x, y): &(f64, f64)| self.x.scale.place(x).zip(self.y.scale.place(y));
        series.points.iter().filter_map(place).collect()
    }

    /// Decides where an axis begins and ends, and where it is labelled:
    /// so that ticks have some pixels between them, of all that its length has.
    fn ticks(&self, axis: &Axis, pick: fn((f64, f64)) -> f64, length: u32, spacing: f64) -> Ticks {
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
        let margin = axis.margin * (to - from);
        let (from, to) = (from - margin, to + margin);
        let values =
            match axis.scale {
                _ if !axis.names.is_empty() => (0..axis.names.len()).map(|it| it as f64).collect(),
                Scale::Linear => even_steps(from, to),
                Scale::SquareRoot => std::iter::once(0.0)
                    .chain((0..12).flat_map(|power| {
                        [1.0, 2.0, 5.0].map(|digit: f64| digit * 10_f64.powi(power))
                    }))
                    .collect(),
                // Where it spans few powers of ten, these are too few.
                Scale::Logarithmic if to - from < DECADES_FEW => (-30..=30)
                    .flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
                    .collect(),
                Scale::Logarithmic => (-30..=30).map(|power| 10_f64.powi(power)).collect(),
                Scale::Duration => DURATIONS.iter().map(|&(ms, _)| ms).collect(),
            };
        let name = |value: f64| {
            (axis.names.iter())
                .zip(0..)
                .find(|it| f64::from(it.1).total_cmp(&value).is_eq())
        };
        let label = |value: f64| match axis.scale {
            _ if !axis.names.is_empty() => name(value).map_or(String::new(), |it| it.0.clone()),
            Scale::Duration => DURATIONS
                .iter()
                .find(|(ms, _)| ms.total_cmp(&value).is_eq())
                .map_or(String::new(), |(_, name)| (*name).to_owned()),
            Scale::Linear | Scale::SquareRoot | Scale::Logarithmic => (axis.format)(value),
        };
        let apart = spacing * (to - from) / f64::from(length);
        let mut last = f64::NEG_INFINITY;
        let labels = values.into_iter().filter_map(|value| {
            let place = axis.scale.place(value)?;
            let is_shown = (from - 1e-9..=to + 1e-9).contains(&place) && place - last >= apart;
            is_shown.then(|| {
                last = place;
                (place, label(value))
            })
        });
        Ticks {
            from,
            to,
            labels: labels.collect(),
        }
    }

    /// Says to a screen reader what the image is.
    fn named(&self, svg: &str) -> String {
        let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
        let mut named = format!("<svg role=\"img\"><title>{}</title>", escaped(&self.title));
        if !self.description.is_empty() {
            named += &format!("<desc>{}</desc>", escaped(&self.description));
        }
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
            description: String::new(),
            x: Axis::new("x", x),
            y: Axis::new("y", y),
            labels: points
                .iter()
                .map(|&at| Label {
                    at,
                    text: "<point>".to_owned(),
                })
                .collect(),
            series: vec![
                Series::new("one", Mark::Line, points.clone()),
                Series::new("two", Mark::Steps, points.clone()),
                Series::new("three", Mark::Area, points.clone()),
                Series::new("four", Mark::Stems, points.clone()),
                Series::new("", Mark::Points(Shape::Ring), points),
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
    fn names_stand_at_whole_numbers() {
        let names = vec!["<no>".to_owned(), "yes".to_owned()];
        let mut plot = plot(Scale::Linear, Scale::Linear, vec![(0.0, 1.0), (1.0, 2.0)]);
        plot.x = Axis::of_names("focus", names);
        let ticks = plot.ticks(&plot.x, |it| it.0, 300, TICK_WIDTH);
        assert_eq!((ticks.from, ticks.to), (-0.5, 1.5));
        let expect = [(0.0, "<no>".to_owned()), (1.0, "yes".to_owned())];
        assert_eq!(ticks.labels, expect);
        let svg = plot.svg(Theme::Light, Form::Small).unwrap();
        assert!(svg.contains("&lt;no&gt;"), "{svg}");
    }

    #[test]
    fn a_plot_of_nothing_is_a_plot() {
        for theme in Theme::ALL {
            let svg = plot(Scale::Linear, Scale::Linear, Vec::new())
                .svg(theme, Form::Image)
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
                        plot.svg(Theme::Light, Form::Narrow).unwrap(),
                        plot.svg(Theme::Light, Form::Narrow).unwrap()
                    );
                }
            }
        }
    }
}
