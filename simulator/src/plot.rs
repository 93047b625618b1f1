//! Plots as SVG text: lines and points on two axes, in a light and a dark look.
//!
//! Made for reports: a plot names and describes itself for screen readers, tells series apart by
//! more than their colour where it can, and is the same text for the same numbers. Nothing is
//! written here.

mod axis;
mod drawing;
mod form;
mod labels;
mod legend;
mod series;
mod sign;
mod theme;
mod ticks;

use thiserror::Error;

pub use axis::{Axis, Scale};
pub use form::Form;
pub use series::{Color, Mark, Series, Shape};
pub use theme::{Rgb, Theme};

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
                Series::new("five", Mark::Dashes, points.clone()),
                Series::new("", Mark::Points(Shape::Ring), points),
            ],
        }
    }

    #[test]
    fn a_name_on_an_axis_is_no_markup() {
        let mut plot = plot(Scale::Linear, Scale::Linear, vec![(0.0, 1.0), (1.0, 2.0)]);
        plot.x = Axis::of_names("focus", vec!["<no>".to_owned(), "yes".to_owned()]);
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
