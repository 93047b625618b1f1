//! How people use tabs: what has been published and measured of it, and the same figures computed
//! from a trace.
//!
//! [`TARGETS`] is the one table: each row names a quantity, gives the published value with its
//! source, says what else would still pass for it, and holds the function that computes it. A
//! [`Calibration`] takes in the lines of one person's traces; a [`Pool`] adds people up and makes
//! the rows. Memory is bounded, whatever the trace: values are kept in histograms that are exact to
//! one part in a thousand, and sites beyond the first 65,536 are not followed.
//!
//! What a view, a session, a site, a stay and a thread are here stands in `STATS.md`, beside this
//! crate's manifest.
//!
//! Logarithms and powers come from the platform, so figures are rounded to four digits.

mod course;
mod measures;
mod person;
mod pool;
mod target;
mod targets;

pub use course::Course;
pub use measures::{FEWEST_AWAY, Measures, Of, Weibull};
pub use person::{Calibration, Person};
pub use pool::{Pool, Row};
pub use target::{Mark, Over, Target};
pub use targets::TARGETS;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
