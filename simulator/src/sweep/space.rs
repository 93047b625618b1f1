//! What is varied: settings of a policy, each over a list of values or a range.

use std::fmt;

use engine::{PolicyDocument, PolicyError, SETTINGS, Setting, Settings, Takes};
use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::design::Variant;
use crate::meant::{did_you_mean, meant};

/// Digits that a value drawn from a range keeps: more say nothing that a trace could tell apart.
const SIGNIFICANT_DIGITS: i32 = 4;

/// A range has a value beside another a tenth of it away.
const NEIGHBOURHOOD: usize = 11;

/// The most steps that a range is cut into.
const MOST_STEPS: usize = 10_000;

/// What is wrong with something to be varied.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpaceError {
    /// There is no `=` in it.
    #[error(
        "found {0:?}, expected a setting and its values, such as ttl_minutes=5..60:12 or \
         focus.enabled=false,true"
    )]
    NoValues(String),
    /// No setting is called that.
    #[error("there is no setting {name:?}; {}the settings are {}", did_you_mean(.meant), settings())]
    UnknownSetting {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        meant: Vec<&'static str>,
    },
    /// The setting takes other values.
    #[error("{setting}: found {found:?}, expected {expected}")]
    BadValue {
        /// The setting.
        setting: &'static str,
        /// What was found.
        found: String,
        /// What it takes.
        expected: String,
    },
    /// A grid has to know how fine it is.
    #[error(
        "{0}: a grid takes a range with a number of steps, such as 5..60:12; samples take any range"
    )]
    NoSteps(&'static str),
    /// The same setting twice.
    #[error("{0}: it is varied twice")]
    Twice(&'static str),
}

/// A setting and the values that it is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Dimension {
    setting: &'static Setting,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    List(Vec<Value>),
    Range(Range),
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Range {
    from: f64,
    to: f64,
    /// Into how many values it is cut, both ends among them.
    steps: Option<usize>,
    /// Whether equal steps are equal factors.
    is_logarithmic: bool,
}

impl Range {
    /// The value at a place from 0 to 1. The ends are what was asked for, to the digit.
    fn at(&self, place: f64) -> f64 {
        if place <= 0.0 {
            return self.from;
        }
        if place >= 1.0 {
            return self.to;
        }
        let value = if self.is_logarithmic {
            let (from, to) = (libm::log(self.from), libm::log(self.to));
            libm::exp(from + place * (to - from))
        } else {
            self.from + place * (self.to - self.from)
        };
        // Few digits may lead beyond an end that has more.
        rounded(value).clamp(self.from, self.to)
    }

    fn step(&self, index: usize, steps: usize) -> f64 {
        self.at(index as f64 / (steps - 1) as f64)
    }
}

fn rounded(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the exponent of a number fits"
    )]
    let magnitude = libm::log10(value.abs()).floor() as i32;
    let unit = libm::pow(10.0, f64::from((SIGNIFICANT_DIGITS - 1 - magnitude).abs()));
    if magnitude < SIGNIFICANT_DIGITS {
        (value * unit).round() / unit
    } else {
        (value / unit).round() * unit
    }
}

impl Dimension {
    /// Reads `SETTING=VALUES`: values between commas, or a range `FROM..TO`, with `:STEPS` for how
    /// many values it is cut into, and `:log` where steps are to be equal factors.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, SpaceError> {
        let (name, values) = text
            .split_once('=')
            .ok_or_else(|| SpaceError::NoValues(text.to_owned()))?;
        Self::new(name.trim(), values.trim())
    }

    /// Reads the values of a setting.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn new(name: &str, values: &str) -> Result<Self, SpaceError> {
        let setting = SETTINGS.iter().find(|setting| setting.path == name);
        let setting = setting.ok_or_else(|| SpaceError::UnknownSetting {
            name: name.to_owned(),
            meant: meant(name, SETTINGS.iter().map(|setting| setting.path)),
        })?;
        let range = match setting.takes {
            Takes::Number { .. } => parse_range(setting, values)?,
            _ => None,
        };
        let values = match range {
            Some(range) => Values::Range(range),
            None => {
                let values = values.split(',').map(|value| parse(setting, value.trim()));
                let mut values: Vec<Value> = values.collect::<Result<_, _>>()?;
                values.dedup();
                Values::List(values)
            }
        };
        Ok(Self { setting, values })
    }

    /// The setting's path.
    pub fn name(&self) -> &'static str {
        self.setting.path
    }

    /// Every value, in order.
    ///
    /// # Errors
    /// A range that is not cut into steps.
    pub fn each(&self) -> Result<Vec<Value>, SpaceError> {
        match &self.values {
            Values::List(values) => Ok(values.clone()),
            Values::Range(range) => {
                let steps = range.steps.ok_or(SpaceError::NoSteps(self.name()))?;
                let values = (0..steps).map(|index| self.number(range.step(index, steps)));
                let mut values: Vec<Value> = values.collect();
                values.dedup();
                Ok(values)
            }
        }
    }

    /// The value at a place from 0 to 1.
    pub fn at(&self, place: f64) -> Value {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a place is within 0 and 1, so this is an index"
        )]
        let index = |count: usize| ((place * count as f64) as usize).min(count - 1);
        match &self.values {
            Values::List(values) => values[index(values.len())].clone(),
            Values::Range(range) => self.number(match range.steps {
                Some(steps) => range.step(index(steps), steps),
                None => range.at(place),
            }),
        }
    }

    /// The values a little to either side, of a number; nothing else lies beside another.
    pub fn beside(&self, value: &Value) -> Vec<Value> {
        let count = match &self.values {
            Values::List(values) if values.iter().all(Value::is_number) => values.len(),
            Values::List(_) => return Vec::new(),
            Values::Range(range) => range.steps.unwrap_or(NEIGHBOURHOOD).min(NEIGHBOURHOOD),
        };
        let step = 1.0 / count.saturating_sub(1).max(1) as f64;
        let place = self.place_of(value);
        // Of few whole numbers the next one lies further away than that.
        let first_other = |side: f64| {
            let steps = (1..=count).map(|steps| place + side * step * steps as f64);
            let mut values = steps.map(|place| self.at(place.clamp(0.0, 1.0)));
            values.find(|other| other != value)
        };
        let mut beside: Vec<Value> = [-1.0, 1.0].into_iter().filter_map(first_other).collect();
        beside.dedup();
        beside
    }

    /// The same, and every other choice where there are no sides.
    pub fn one_step_away(&self, value: &Value) -> Vec<Value> {
        match &self.values {
            Values::List(values) if !values.iter().all(Value::is_number) => values
                .iter()
                .filter(|&other| other != value)
                .cloned()
                .collect(),
            _ => self.beside(value),
        }
    }

    /// Values across all of it, at most so many.
    pub fn across(&self, most: usize) -> Vec<Value> {
        let mut values = match &self.values {
            Values::List(values) => values.clone(),
            Values::Range(_) => (0..most)
                .map(|index| self.at(index as f64 / (most - 1).max(1) as f64))
                .collect(),
        };
        values.dedup();
        values
    }

    /// How far a value lies along the dimension, from 0 to 1: for distances between variants.
    pub fn place_of(&self, value: &Value) -> f64 {
        match &self.values {
            Values::List(values) => {
                let index = values.iter().position(|other| other == value);
                index.unwrap_or(0) as f64 / values.len().saturating_sub(1).max(1) as f64
            }
            Values::Range(range) => {
                let value = value.as_f64().unwrap_or(range.from);
                let along = |value: f64| match range.is_logarithmic {
                    true => libm::log(value),
                    false => value,
                };
                let (from, to) = (along(range.from), along(range.to));
                ((along(value) - from) / (to - from)).clamp(0.0, 1.0)
            }
        }
    }

    /// A number as the setting has it.
    fn number(&self, value: f64) -> Value {
        number(self.setting, value)
    }
}

impl fmt::Display for Dimension {
    /// Writes it as it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.name())?;
        match &self.values {
            Values::List(values) => {
                let words: Vec<String> = values.iter().map(word).collect();
                f.write_str(&words.join(","))
            }
            Values::Range(range) => {
                write!(f, "{}..{}", range.from, range.to)?;
                if let Some(steps) = range.steps {
                    write!(f, ":{steps}")?;
                }
                f.write_str(if range.is_logarithmic { ":log" } else { "" })
            }
        }
    }
}

/// A value as it stands on a command line.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::Null => "off".to_owned(),
        Value::String(word) => word.clone(),
        other => other.to_string(),
    }
}

fn number(setting: &Setting, value: f64) -> Value {
    let is_whole = matches!(setting.takes, Takes::Number { whole: true, .. });
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within the setting's range, which fits"
    )]
    if is_whole {
        Value::from(value.round() as u64)
    } else {
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

fn bad(setting: &'static Setting, found: &str) -> SpaceError {
    SpaceError::BadValue {
        setting: setting.path,
        found: found.to_owned(),
        expected: match setting.takes {
            Takes::Domains => "another setting: lists of domains cannot be varied".to_owned(),
            Takes::Number { optional: true, .. } => format!("{setting}, or off"),
            _ => setting.to_string(),
        },
    }
}

fn parse(setting: &'static Setting, word: &str) -> Result<Value, SpaceError> {
    let value = match setting.takes {
        Takes::Number { optional: true, .. } if word == "off" => Some(Value::Null),
        Takes::Number { .. } => return bounded(setting, word).map(|it| number(setting, it)),
        Takes::Switch => word.parse().ok().map(Value::Bool),
        Takes::Choice { of } => (of.contains(&word)).then(|| Value::from(word)),
        Takes::Domains => None,
    };
    value.ok_or_else(|| bad(setting, word))
}

/// A number within the setting's range.
fn bounded(setting: &'static Setting, word: &str) -> Result<f64, SpaceError> {
    let Takes::Number {
        min, max, whole, ..
    } = setting.takes
    else {
        return Err(bad(setting, word));
    };
    let value = word.parse().ok();
    value
        .filter(|value: &f64| (min..=max).contains(value) && (!whole || value.fract() == 0.0))
        .ok_or_else(|| bad(setting, word))
}

fn parse_range(setting: &'static Setting, text: &str) -> Result<Option<Range>, SpaceError> {
    let Some((from, rest)) = text.split_once("..") else {
        return Ok(None);
    };
    let mut parts = rest.split(':');
    let to = parts.next().unwrap_or_default();
    let mut range = Range {
        from: bounded(setting, from)?,
        to: bounded(setting, to)?,
        steps: None,
        is_logarithmic: false,
    };
    for part in parts {
        match part.parse() {
            Ok(steps) if (2..=MOST_STEPS).contains(&steps) => range.steps = Some(steps),
            Err(_) if part == "log" && range.from > 0.0 => range.is_logarithmic = true,
            _ => {
                return Err(SpaceError::BadValue {
                    setting: setting.path,
                    found: text.to_owned(),
                    expected: format!(
                        "FROM..TO, FROM..TO:STEPS with 2 to {MOST_STEPS} steps, or FROM..TO:STEPS:log \
                         with FROM above 0"
                    ),
                });
            }
        }
    }
    if range.from >= range.to {
        return Err(SpaceError::BadValue {
            setting: setting.path,
            found: text.to_owned(),
            expected: "a range from a smaller to a larger number".to_owned(),
        });
    }
    Ok(Some(range))
}

/// The names of all settings, for people.
fn settings() -> String {
    let paths: Vec<&str> = SETTINGS.iter().map(|setting| setting.path).collect();
    paths.join(", ")
}

/// A policy, and what of it is varied.
#[derive(Clone, Debug)]
pub struct Space {
    base: PolicyDocument,
    dimensions: Vec<Dimension>,
}

impl Space {
    /// Varies a policy.
    ///
    /// # Errors
    /// A setting that is varied twice.
    pub fn new(base: PolicyDocument, dimensions: Vec<Dimension>) -> Result<Self, SpaceError> {
        for (index, dimension) in dimensions.iter().enumerate() {
            let before = &dimensions[..index];
            if before.iter().any(|other| other.name() == dimension.name()) {
                return Err(SpaceError::Twice(dimension.name()));
            }
        }
        Ok(Self { base, dimensions })
    }

    /// The policy that is varied.
    pub fn base(&self) -> &PolicyDocument {
        &self.base
    }

    /// What is varied.
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The policy that is varied, as a variant.
    pub fn own_variant(&self) -> Variant {
        let document = self.base.to_json();
        let value = |dimension: &Dimension| {
            let names = dimension.name().split('.');
            names.fold(&document, |value, name| &value[name]).clone()
        };
        Variant {
            values: self.dimensions.iter().map(value).collect(),
            document: self.base.clone(),
        }
    }

    /// How far two variants lie apart in the dimension in which they differ most, from 0 to 1.
    pub fn distance(&self, one: &Variant, other: &Variant) -> f64 {
        let places = one.values.iter().zip(&other.values).zip(&self.dimensions);
        let apart = places.map(|((one, other), dimension)| {
            (dimension.place_of(one) - dimension.place_of(other)).abs()
        });
        apart.fold(0.0, f64::max)
    }

    /// The policy with these values, in the order of the dimensions.
    ///
    /// # Errors
    /// What keeps them from being a policy together.
    pub fn document(&self, values: &[Value]) -> Result<PolicyDocument, PolicyError> {
        let names = self.dimensions.iter().map(Dimension::name);
        with(&self.base, names.zip(values.iter().cloned()))
    }
}

/// A policy with other values for some of its settings, by their paths.
///
/// # Errors
/// What keeps it from being a policy.
pub(super) fn with<'a>(
    base: &PolicyDocument,
    values: impl Iterator<Item = (&'a str, Value)>,
) -> Result<PolicyDocument, PolicyError> {
    let mut document = base.to_json();
    for (path, value) in values {
        set(&mut document, path, value);
    }
    let settings: Settings = serde_json::from_value(document).map_err(|error| PolicyError {
        line: None,
        field: None,
        problem: error.to_string(),
    })?;
    PolicyDocument::new(settings)
}

fn set(document: &mut Value, path: &str, value: Value) {
    let mut place = document;
    for name in path.split('.') {
        place = place.as_object_mut().map_or_else(
            || unreachable!("a path leads through tables"),
            |table| {
                table
                    .entry(name)
                    .or_insert_with(|| Value::Object(Map::new()))
            },
        );
    }
    *place = value;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_and_lists_are_read() {
        #[track_caller]
        fn check(text: &str, expect: &[Value]) {
            let dimension = Dimension::parse(text).unwrap();
            assert_eq!(dimension.each().unwrap(), expect);
            assert_eq!(dimension.to_string(), text, "it is written as it is read");
            for value in expect {
                assert!((0.0..=1.0).contains(&dimension.place_of(value)));
            }
        }
        check(
            "ttl_minutes=5..60:3",
            &[json!(5.0), json!(32.5), json!(60.0)],
        );
        check(
            "ttl_minutes=1..100:3:log",
            &[json!(1.0), json!(10.0), json!(100.0)],
        );
        check("focus.enabled=false,true", &[json!(false), json!(true)]);
        check(
            "batch_high=1..4:4",
            &[json!(1), json!(2), json!(3), json!(4)],
        );
        check("ttl_clock=active,wall", &[json!("active"), json!("wall")]);
        check("target_free_percent=off,15.0", &[Value::Null, json!(15.0)]);
    }

    #[test]
    fn places_reach_every_value() {
        let list = Dimension::parse("familiarity_cap=1,4,8").unwrap();
        assert_eq!(
            [0.0, 0.5, 0.99].map(|place| list.at(place)),
            [json!(1), json!(4), json!(8)]
        );
        let range = Dimension::parse("ttl_minutes=1..1000:log").unwrap();
        assert_eq!(range.at(0.0), json!(1.0));
        assert_eq!(range.at(1.0 / 3.0), json!(10.0));
        assert_eq!(range.at(0.123_456), json!(2.346), "four digits");
        assert_eq!(range.each(), Err(SpaceError::NoSteps("ttl_minutes")));
    }

    #[test]
    fn no_value_lies_outside_its_range() {
        for range in [
            "ttl_minutes=1.00004..1.00006",
            "ttl_minutes=1.00006..9.99994",
            "ttl_minutes=1.00006..9.99996:log",
            "ttl_minutes=10074..10076:3",
        ] {
            let dimension = Dimension::parse(range).unwrap();
            let Values::Range(Range { from, to, .. }) = dimension.values else {
                panic!("{range} is no range");
            };
            for place in 0..=100 {
                let value = dimension.at(f64::from(place) / 100.0).as_f64().unwrap();
                assert!((from..=to).contains(&value), "{range}: {value}");
            }
            assert_eq!(dimension.at(0.0), json!(from), "{range}");
            assert_eq!(dimension.at(1.0), json!(to), "{range}");
        }
    }

    #[test]
    fn few_whole_numbers_lie_beside_each_other() {
        for range in ["batch_medium=1..4", "batch_medium=1..4:log"] {
            let range = Dimension::parse(range).unwrap();
            let beside = [1, 2, 3, 4].map(|value| range.beside(&json!(value)));
            let expect = [&[2][..], &[1, 3], &[2, 4], &[3]];
            assert_eq!(
                beside,
                expect.map(|values| values.iter().map(|it| json!(it)).collect::<Vec<_>>())
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        #[track_caller]
        fn check(text: &str, expect: &str) {
            let error = Dimension::parse(text).unwrap_err().to_string();
            assert!(
                error.starts_with(expect),
                "found: {error}\nexpected: {expect}"
            );
        }
        check(
            "ttl_minutes",
            "found \"ttl_minutes\", expected a setting and its values",
        );
        check(
            "ttl_minuets=5",
            "there is no setting \"ttl_minuets\"; did you mean ttl_minutes? the settings are ttl_",
        );
        check(
            "enabld=true",
            "there is no setting \"enabld\"; did you mean focus.enabled?",
        );
        check(
            "colour=red",
            "there is no setting \"colour\"; the settings are ttl_minutes, ",
        );
        check(
            "ttl_minutes=0..60:3",
            "ttl_minutes: found \"0\", expected 1 to 10080 minutes",
        );
        check(
            "ttl_minutes=60..5:3",
            "ttl_minutes: found \"60..5:3\", expected a range from",
        );
        check(
            "ttl_minutes=5..60:1",
            "ttl_minutes: found \"5..60:1\", expected FROM..TO",
        );
        check(
            "focus.enabled=maybe",
            "focus.enabled: found \"maybe\", expected true or false",
        );
        check(
            "batch_high=1.5",
            "batch_high: found \"1.5\", expected 1 to 64 tabs",
        );
        check(
            "rank=biggest",
            "rank: found \"biggest\", expected lru, largest",
        );
        check(
            "protected_domains=a.org",
            "protected_domains: found \"a.org\", expected another",
        );
    }

    #[test]
    fn a_document_has_the_values_and_what_cannot_be_together_is_refused() {
        let dimensions = ["ttl_minutes=5,20", "focus.enabled=false,true"];
        let dimensions = dimensions.map(|text| Dimension::parse(text).unwrap());
        let space = Space::new(PolicyDocument::default(), dimensions.into()).unwrap();
        let document = space.document(&[json!(20.0), json!(false)]).unwrap();
        assert_eq!(
            (document.ttl_minutes, document.focus.enabled),
            (20.0, false)
        );
        let scores = Dimension::parse("pressure.medium_score=50,90").unwrap();
        let space = Space::new(PolicyDocument::default(), vec![scores.clone()]).unwrap();
        let error = space.document(&[json!(90)]).unwrap_err().to_string();
        assert!(
            error.starts_with("pressure.medium_score: found 90"),
            "{error}"
        );
        let twice = Space::new(PolicyDocument::default(), vec![scores.clone(), scores]);
        assert_eq!(
            twice.unwrap_err(),
            SpaceError::Twice("pressure.medium_score")
        );
    }
}
