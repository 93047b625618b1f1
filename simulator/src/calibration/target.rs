//! A row of the calibration table: what was published of a quantity, and how it is computed.

use serde::Serialize;

use super::measures::{Answer, Measures};

/// Where a published value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mark {
    /// Quoted from the publication.
    #[serde(rename = "Q")]
    Quoted,
    /// At second hand: another's notes that quote it.
    #[serde(rename = "S")]
    SecondHand,
    /// Computed from data.
    #[serde(rename = "C")]
    Computed,
    /// Read off a published graph, to about a tenth.
    #[serde(rename = "D")]
    ReadOff,
}

impl Mark {
    /// Returns the letter that stands for it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Quoted => "Q",
            Self::SecondHand => "S",
            Self::Computed => "C",
            Self::ReadOff => "D",
        }
    }
}

/// What a row's value is taken over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    /// All that happened to all people together.
    Events,
    /// People, each of whom has one value: this quantile of them.
    People(f64),
    /// The same: their mean.
    MeanOfPeople,
}

/// A row of the calibration table.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// What it is called in JSON.
    pub name: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// What it is.
    pub about: &'static str,
    /// The published value; `None` where none is known.
    pub value: Option<f64>,
    /// What was published, in words, with the source.
    pub published: &'static str,
    /// How that is known.
    pub mark: Mark,
    /// From where to where a value of many people still passes for the published one; `None` where
    /// a row is shown and not judged.
    pub tolerance: Option<(f64, f64)>,
    /// The same for one person alone, where it is known how people differ.
    pub of_one: Option<(f64, f64)>,
    /// What the value is taken over.
    pub over: Over,
    /// Computes it.
    pub(super) measure: fn(&Measures) -> Answer,
}

/// Begins a row, by its name and unit: of all events, and not judged unless it is said.
pub(super) const fn target(name: &'static str, unit: &'static str) -> Draft {
    Draft(Target {
        name,
        unit,
        about: "",
        value: None,
        published: "",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |_| Err("nobody said how to compute it"),
    })
}

/// A row that is not yet said how to compute.
pub(super) struct Draft(Target);

impl Draft {
    /// What it is.
    pub(super) const fn about(mut self, about: &'static str) -> Self {
        self.0.about = about;
        self
    }

    /// A value that is quoted from the publication, and what was published.
    pub(super) const fn quoted(self, value: f64, published: &'static str) -> Self {
        self.known(Some(value), published, Mark::Quoted)
    }

    /// A value at second hand.
    pub(super) const fn second_hand(self, value: f64, published: &'static str) -> Self {
        self.known(Some(value), published, Mark::SecondHand)
    }

    /// A value that is computed from data.
    pub(super) const fn computed(self, value: f64, published: &'static str) -> Self {
        self.known(Some(value), published, Mark::Computed)
    }

    /// A value that is read off a published graph.
    pub(super) const fn read_off(self, value: f64, published: &'static str) -> Self {
        self.known(Some(value), published, Mark::ReadOff)
    }

    /// No value is known, and why.
    pub(super) const fn unknown(self, published: &'static str) -> Self {
        self.known(None, published, Mark::Quoted)
    }

    const fn known(mut self, value: Option<f64>, published: &'static str, mark: Mark) -> Self {
        self.0.value = value;
        self.0.published = published;
        self.0.mark = mark;
        self
    }

    /// From where to where many people pass.
    pub(super) const fn within(mut self, least: f64, most: f64) -> Self {
        self.0.tolerance = Some((least, most));
        self
    }

    /// From where to where one person passes.
    pub(super) const fn one_within(mut self, least: f64, most: f64) -> Self {
        self.0.of_one = Some((least, most));
        self
    }

    /// What its value is taken over.
    pub(super) const fn over(mut self, over: Over) -> Self {
        self.0.over = over;
        self
    }

    /// How it is computed.
    pub(super) const fn measured(mut self, measure: fn(&Measures) -> Answer) -> Target {
        self.0.measure = measure;
        self.0
    }
}
