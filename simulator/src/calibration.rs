//! How people use tabs: what has been published and measured of it, and the same figures computed
//! from a trace.
//!
//! [`TARGETS`] is the one table: each row names a quantity, gives the published value with its
//! source, says what else would still pass for it, and holds the function that computes it. A
//! [`Calibration`] takes in the lines of one person's traces; a [`Pool`] adds people up and makes
//! the rows. Memory is bounded, whatever the trace: values are kept in histograms that are exact to
//! one part in a thousand, and sites beyond the first 65,536 are not followed.
//!
//! # Definitions
//! They are those under which the computed targets were measured, on a log of page visits: on the
//! same visits the same figures come out.
//!
//! - A *view* begins when another tab comes to the front of the window with the focus, and when the
//!   tab in front navigates. A view that another follows within a second is none: redirects, and
//!   tabs that are passed on the way to another. Nor is one of a page without a host; the view
//!   before it lasts until the next.
//! - A *session* ends where no view begins for 30 minutes; its last view counts 60 s. Time spent in
//!   sessions is *active* time here, whether or not the browser tells idleness.
//! - A *site* is a hostname. (Taking registrable domains instead moves the figures by a few
//!   percent: the median stay from 54 to 60 s, the return within ten minutes from .39 to .42.)
//! - A *stay* is the consecutive views of one site; a *return gap* goes from the end of a stay to
//!   the start of the next on that site. The last departure from a site is censored: it counts as
//!   away for as long as the trace goes on, and for nothing after (Kaplan and Meier 1958). So the
//!   share that returns does not depend on how long the trace is.
//! - A *thread* is the stays on a site with less than 24 h between them.
//!
//! Logarithms and powers come from the platform, so figures are rounded to four digits.

mod course;
mod measures;
mod person;
mod pool;
mod target;
mod targets;

pub use course::Course;
pub use measures::{Measures, Of, Weibull};
pub use person::{Calibration, Person};
pub use pool::{Pool, Row};
pub use target::{Mark, Over, Target};
pub use targets::TARGETS;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;
