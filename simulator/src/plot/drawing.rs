//! Draws a plot: its axes, its series, what points are called, and the legend below.

use plotters::chart::{ChartBuilder, ChartContext};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::drawing::{DrawingArea, IntoDrawingArea as _};
use plotters::element::{DashedPathElement, PathElement, Polygon, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, RGBColor, ShapeStyle, TextStyle};

use super::Plot;
use super::form::Form;
use super::labels::{self, Area, Pixel};
use super::legend::Legend;
use super::series::{Mark, Series};
use super::sign::{AREA_OPACITY, Sign};
use super::theme::Theme;
use super::ticks::Ticks;

/// What the plot's text is written in. The reader's own sans-serif: nothing is fetched.
const FONT: &str = "sans-serif";

/// How large text is, in the library's measure: a pixel is 1.24 of it.
const LABEL_SIZE: u32 = 15;
const AXIS_SIZE: u32 = 16;
const TITLE_SIZE: u32 = 21;

/// How long a dash is, and the gap after it, in pixels.
const DASHES: (i32, i32) = (7, 7);

/// What is free around a plot, in pixels.
const MARGIN: u32 = 14;

/// What the labels of the lower axis take, in pixels.
const X_LABEL_AREA: u32 = 44;

/// How near to each other two ticks may be, in pixels: on the lower axis, where their labels stand
/// side by side, and on the left one.
const TICK_WIDTH: f64 = 36.0;
const TICK_HEIGHT: f64 = 16.0;

/// A plot while it is drawn.
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Ticks, Ticks>>;

impl Plot {
    /// Draws it as SVG.
    pub(super) fn draw(&self, theme: Theme, form: Form, svg: &mut String) -> Result<(), String> {
        let ink = RGBColor::from(theme.ink());
        let grid = RGBColor::from(theme.grid());
        let (width, height) = form.size();
        let y_label_area = form.y_label_area();
        let room = (width - y_label_area - 2 * MARGIN, height - X_LABEL_AREA);
        let legend = Legend::new(&self.series, theme, room.0);
        let size = (width, height + legend.height());
        let area = SVGBackend::with_string(svg, size).into_drawing_area();
        area.fill(&RGBColor::from(theme.background()))
            .map_err(|error| error.to_string())?;
        let (above, below) = area.split_vertically(height);
        let places = || self.series.iter().flat_map(|series| self.places(series));
        let mut builder = ChartBuilder::on(&above);
        if form == Form::Image {
            builder.caption(&self.title, text(theme, TITLE_SIZE));
        }
        let mut chart = builder
            .margin(MARGIN)
            .x_label_area_size(X_LABEL_AREA)
            .y_label_area_size(y_label_area)
            .build_cartesian_2d(
                Ticks::new(&self.x, places().map(|it| it.0), room.0, TICK_WIDTH),
                Ticks::new(&self.y, places().map(|it| it.1), room.1, TICK_HEIGHT),
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
            self.draw_series(series, series.color_in(theme, index), theme, &mut chart)?;
        }
        self.draw_labels(theme, &chart, &above)?;
        legend.draw(MARGIN + y_label_area, &text(theme, LABEL_SIZE), &below)?;
        area.present().map_err(|error| error.to_string())
    }

    /// Draws what belongs to one series.
    fn draw_series(
        &self,
        series: &Series,
        color: RGBColor,
        theme: Theme,
        chart: &mut Chart<'_, '_>,
    ) -> Result<(), String> {
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
            Mark::Dashes => {
                let style = ShapeStyle::from(&color).stroke_width(2);
                let (dash, gap) = DASHES;
                chart.draw_series([DashedPathElement::new(points, dash, gap, style)])
            }
        };
        drawn.map(|_| ()).map_err(|error| error.to_string())
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
                Mark::Line | Mark::ThinLine | Mark::Dashes | Mark::Steps => {
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
}

/// Text from a place to the right, at half its height.
fn text(theme: Theme, size: u32) -> TextStyle<'static> {
    TextStyle {
        color: RGBColor::from(theme.ink()).to_backend_color(),
        pos: Pos::new(HPos::Left, VPos::Center),
        ..TextStyle::from((FONT, size))
    }
}
