//! An axis: what it measures, and how values lie on it.

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
    /// Whether nothing lies between two whole numbers.
    pub is_whole: bool,
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
            is_whole: false,
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

    /// Makes it an axis of counts.
    #[must_use]
    pub fn of_counts(mut self) -> Self {
        self.is_whole = true;
        self
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
    /// Lengths grow as the square root: for counts and rates, of which a few are many more than the
    /// rest, and none is a value, too.
    SquareRoot,
    /// Equal ratios are equally long. What is not above zero is not drawn.
    Logarithmic,
    /// The same, for milliseconds, with ticks at seconds, minutes, hours and days.
    Duration,
}

impl Scale {
    /// Where a value lies, in units of the drawing.
    pub(super) fn place(self, value: f64) -> Option<f64> {
        let place = match self {
            Self::Linear => value,
            Self::SquareRoot => value.abs().sqrt().copysign(value),
            Self::Logarithmic | Self::Duration if value > 0.0 => value.log10(),
            Self::Logarithmic | Self::Duration => return None,
        };
        place.is_finite().then_some(place)
    }
}
