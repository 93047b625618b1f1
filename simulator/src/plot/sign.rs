//! The sign of a series: a shape on a point, or a piece of its line beside its name.

use plotters::element::{Drawable, PointCollection};
use plotters::style::{Color as _, RGBColor, ShapeStyle};
use plotters_backend::{DrawingBackend, DrawingErrorKind};

use super::labels::Pixel;
use super::series::{Mark, Shape};

/// How much an area covers what lies below it.
pub(super) const AREA_OPACITY: f64 = 0.22;

/// The sign of a series, at its middle.
pub(super) struct Sign<C> {
    pub(super) at: C,
    pub(super) mark: Mark,
    pub(super) color: RGBColor,
    pub(super) background: RGBColor,
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
                Mark::Dashes => {
                    for (from, to) in [(-8, -2), (2, 8)] {
                        backend.draw_rect((x + from, y - 1), (x + to, y + 1), &filled, true)?;
                    }
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
