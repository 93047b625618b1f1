//! The legend: the names of the series, in rows below the plot.

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::Text;
use plotters::prelude::SVGBackend;
use plotters::style::TextStyle;

use super::labels::{self, Pixel};
use super::series::Series;
use super::sign::Sign;
use super::theme::Theme;

/// How the names stand, in pixels.
const ROW_HEIGHT: i32 = 22;
const SIGN_WIDTH: i32 = 20;
const NAME_AT: i32 = 16;

/// The names of some series, each in its place.
pub(super) struct Legend<'a>(Vec<Entry<'a>>);

struct Entry<'a> {
    sign: Sign<Pixel>,
    name: &'a str,
}

impl<'a> Legend<'a> {
    /// Lays them out, in rows that are as wide as there is room. Series without a name have none.
    pub(super) fn new(series: &'a [Series], theme: Theme, width: u32) -> Self {
        let mut entries = Vec::new();
        let (mut x, mut y) = (SIGN_WIDTH / 2, ROW_HEIGHT / 2);
        let named = series.iter().enumerate();
        for (index, series) in named.filter(|(_, series)| !series.name.is_empty()) {
            let name_end = x + NAME_AT + labels::width(&series.name);
            if name_end > width.cast_signed() && !entries.is_empty() {
                (x, y) = (SIGN_WIDTH / 2, y + ROW_HEIGHT);
            }
            entries.push(Entry {
                name: &series.name,
                sign: Sign {
                    at: (x, y),
                    mark: series.mark,
                    color: series.color_in(theme, index),
                    background: theme.background().into(),
                },
            });
            x += NAME_AT + labels::width(&series.name) + SIGN_WIDTH;
        }
        Self(entries)
    }

    /// How high all rows are together, in pixels.
    pub(super) fn height(&self) -> u32 {
        let last = self.0.last();
        last.map_or(0, |entry| entry.sign.at.1 + ROW_HEIGHT)
            .unsigned_abs()
    }

    /// Draws it, so far from the left.
    pub(super) fn draw(
        self,
        left: u32,
        style: &TextStyle<'_>,
        area: &DrawingArea<SVGBackend<'_>, Shift>,
    ) -> Result<(), String> {
        for Entry { sign, name } in self.0 {
            let at = (sign.at.0 + left.cast_signed(), sign.at.1);
            let name_at = (at.0 + NAME_AT, at.1);
            area.draw(&Sign { at, ..sign })
                .and_then(|()| area.draw(&Text::new(name, name_at, style.clone())))
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
