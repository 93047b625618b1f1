//! What is drawn of some numbers: points and how they are marked.

use plotters::style::RGBColor;

use super::theme::Theme;

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

    /// Its colour, if it has this place among the series.
    pub(super) fn color_in(&self, theme: Theme, index: usize) -> RGBColor {
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
    /// The same, broken, so that a line which it lies on is seen.
    Dashes,
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
    pub(super) fn corners(self, points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
        match self {
            Self::Steps => steps(&points),
            Self::Line
            | Self::ThinLine
            | Self::Dashes
            | Self::Area
            | Self::Stems
            | Self::Points(_) => points,
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

/// The corners of a line that holds each value until the next.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corner = |pair: &[(f64, f64)]| [pair[0], (pair[1].0, pair[0].1)];
    let corners = points.windows(2).flat_map(corner);
    corners.chain(points.last().copied()).collect()
}
