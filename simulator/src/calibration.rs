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
//!   the start of the next on that site. The last departure from a site is censored: it counts where
//!   the question is decided before the trace ends, and is left out elsewhere.
//! - A *thread* is the stays on a site with less than 24 h between them.
//!
//! Logarithms and powers come from the platform, so figures are rounded to four digits.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Facts, Input, MemorySource, Mode, TabId};
use hdrhistogram::Histogram;
use recorder::{Body, Line, Origin};
use serde::Serialize;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
const WEEK_MS: i64 = 7 * DAY_MS;

/// A gap between views that ends a session, and what the view before it counts.
const SESSION_GAP_MS: i64 = 30 * MINUTE_MS;
const LAST_VIEW_MS: i64 = MINUTE_MS;

/// A view that another follows sooner was passed over.
const SHORTEST_VIEW_MS: i64 = SECOND_MS;

/// A site that was away for longer comes back as another thread.
const THREAD_GAP_MS: i64 = DAY_MS;

/// The published lifetimes of tabs are those below this.
const TAB_LIFE_BELOW_MS: i64 = 10 * HOUR_MS;

/// A tab that was left for the next one this shortly before it was closed was closed in front: some
/// browsers tell of the next tab first.
const CLOSE_AFTER_SWITCH_MS: i64 = 250;

/// The idle time that one published row asks of a discarded tab.
const IDLE_FLOOR_MS: i64 = 10 * MINUTE_MS;

/// How many sites are followed, and how many of them are counted as seen of late.
const SITES_FOLLOWED: usize = 65_536;
const RECENT_SITES_COUNTED: usize = 4_096;

/// How many points the course of open tabs has at most.
const COURSE_POINTS: usize = 1_024;

/// The fewest values a distribution is fitted to.
const FEWEST_TO_FIT: u64 = 20;

/// Digits that a histogram keeps: an error of one part in a thousand.
const DIGITS: u8 = 3;

/// The largest value that a histogram tells apart: a century in milliseconds, 3 TB.
const LARGEST: u64 = 100 * 366 * 24 * 3_600_000;

// ---- The table --------------------------------------------------------------------------------

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
    measure: fn(&Measures) -> Answer,
}

/// A row of the table, beside what a trace says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// As in [`Target::name`].
    pub name: &'static str,
    /// As in [`Target::unit`].
    pub unit: &'static str,
    /// As in [`Target::about`].
    pub about: &'static str,
    /// As in [`Target::value`].
    pub target: Option<f64>,
    /// As in [`Target::published`].
    pub published: &'static str,
    /// As in [`Target::mark`].
    pub mark: Mark,
    /// The tolerance that applies: that of one person where there is one.
    pub tolerance: Option<(f64, f64)>,
    /// What the trace says.
    pub got: Option<f64>,
    /// The least and the greatest value of a person, where there are several.
    pub by_person: Option<(f64, f64)>,
    /// Whether it lies within the tolerance; `None` where it is not judged or not known.
    pub within: Option<bool>,
    /// Why the trace does not say.
    pub absent: Option<String>,
}

/// A value, or why there is none.
type Answer = Result<f64, &'static str>;

const SITE_SWITCHES: &str =
    "browsing data of five people, 10 to 35 by person; applications 41 to 59";

/// Everything that is known of how people use tabs, in one table.
///
/// Where a tolerance is not the range that was published it is a quarter to either side for times,
/// and .06 to either side for shares, unless the sources disagree by more.
pub const TARGETS: &[Target] = &[
    Target {
        name: "tabs_open_p50",
        unit: "tabs",
        about: "tabs open, a person's mean over active time: the person in the middle",
        value: Some(2.4),
        published: "2.4 (Test Pilot 2010, 27,000 users); 3.0 (tab study 2009)",
        mark: Mark::SecondHand,
        tolerance: Some((1.6, 4.5)),
        of_one: None,
        over: Over::People(0.5),
        measure: |it| it.mean(Of::TabsOpen),
    },
    Target {
        name: "tabs_open_p75",
        unit: "tabs",
        about: "the same: three people of four have no more",
        value: Some(3.6),
        published: "3.6 (Test Pilot 2010); 5.3 (tab study 2009)",
        mark: Mark::SecondHand,
        tolerance: Some((2.6, 7.0)),
        of_one: None,
        over: Over::People(0.75),
        measure: |it| it.mean(Of::TabsOpen),
    },
    Target {
        name: "tabs_open_p90",
        unit: "tabs",
        about: "the same: nine people of ten have no more",
        value: Some(10.0),
        published: "10 (tab study 2009, of those with at most 30)",
        mark: Mark::ReadOff,
        tolerance: Some((6.0, 16.0)),
        of_one: None,
        over: Over::People(0.9),
        measure: |it| it.mean(Of::TabsOpen),
    },
    Target {
        name: "tabs_open_mean",
        unit: "tabs",
        about: "the same: the mean of people",
        value: Some(3.2),
        published: "3.2 (Test Pilot 2010)",
        mark: Mark::SecondHand,
        tolerance: Some((2.2, 6.0)),
        of_one: None,
        over: Over::MeanOfPeople,
        measure: |it| it.mean(Of::TabsOpen),
    },
    Target {
        name: "tabs_open_median",
        unit: "tabs",
        about: "tabs open, a person's median over active time: the person in the middle",
        value: Some(4.0),
        published: "4, by person 1 to 17 (Dubroy and Balakrishnan 2010, 21 people with many tabs)",
        mark: Mark::SecondHand,
        tolerance: Some((1.0, 17.0)),
        of_one: Some((1.0, 17.0)),
        over: Over::People(0.5),
        measure: |it| it.quantile(Of::TabsOpen, 0.5, 1.0),
    },
    Target {
        name: "tabs_open_most",
        unit: "tabs",
        about: "the most tabs open at once: the person in the middle",
        value: Some(12.0),
        published: "12, by person 5 to 42 (Dubroy and Balakrishnan 2010)",
        mark: Mark::SecondHand,
        tolerance: Some((5.0, 42.0)),
        of_one: Some((5.0, 42.0)),
        over: Over::People(0.5),
        measure: |it| it.quantile(Of::WeeklyTabs, 1.0, 1.0),
    },
    Target {
        name: "tabs_weekly_most_p50",
        unit: "tabs",
        about: "the most tabs open at once in a week: the week in the middle",
        value: Some(8.0),
        published: "8 (Test Pilot 2010); 13 (tab study 2009)",
        mark: Mark::SecondHand,
        tolerance: Some((6.0, 15.0)),
        of_one: Some((2.0, 42.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::WeeklyTabs, 0.5, 1.0),
    },
    Target {
        name: "tabs_weekly_most_p90",
        unit: "tabs",
        about: "the same: nine weeks of ten have no more",
        value: Some(24.0),
        published: "24 (tab study 2009, of those with at most 30)",
        mark: Mark::ReadOff,
        tolerance: Some((16.0, 40.0)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::WeeklyTabs, 0.9, 1.0),
    },
    Target {
        name: "tabs_record",
        unit: "tabs",
        about: "the most tabs that anybody had open",
        value: Some(1_103.0),
        published: "1,103 (Test Pilot 2010, 27,000 users)",
        mark: Mark::SecondHand,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::WeeklyTabs, 1.0, 1.0),
    },
    Target {
        name: "one_window",
        unit: "share",
        about: "active time with no more than one window",
        value: Some(0.78),
        published: ".78 of samples (Test Pilot 2010)",
        mark: Mark::SecondHand,
        tolerance: Some((0.68, 0.90)),
        of_one: Some((0.0, 1.0)),
        over: Over::Events,
        measure: |it| it.share_up_to(Of::WindowsOpen, 1),
    },
    Target {
        name: "windows_weekly_most_p50",
        unit: "windows",
        about: "the most windows open at once in a week: the week in the middle",
        value: Some(3.0),
        published: "3 (Test Pilot 2010)",
        mark: Mark::SecondHand,
        tolerance: Some((2.0, 4.0)),
        of_one: Some((1.0, 6.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::WeeklyWindows, 0.5, 1.0),
    },
    Target {
        name: "opens_and_closes_per_day",
        unit: "a day",
        about: "tabs opened and closed on a day with views",
        value: Some(40.0),
        published: "40 a user-day (Test Pilot 2010)",
        mark: Mark::SecondHand,
        tolerance: Some((28.0, 56.0)),
        of_one: Some((4.0, 400.0)),
        over: Over::Events,
        measure: |it| {
            it.needs_tabs()?
                .ratio(it.opens + it.closes, it.days, "no view in it")
        },
    },
    Target {
        name: "tab_events_per_week",
        unit: "a week",
        about: "tabs opened, closed, switched, loaded and moved, and events of windows",
        value: Some(4_345.0),
        published: "4,345 a user-week (tab study 2009, 939 users), 5,196 on Linux",
        mark: Mark::Computed,
        tolerance: Some((2_200.0, 8_700.0)),
        of_one: Some((400.0, 40_000.0)),
        over: Over::Events,
        measure: |it| {
            let weeks = it.needs_tabs()?.span_ms as f64 / WEEK_MS as f64;
            if it.span_ms < DAY_MS {
                return Err("it spans less than a day");
            }
            Ok(it.tab_events as f64 / weeks)
        },
    },
    Target {
        name: "tab_life_1_min",
        unit: "share",
        about: "tabs closed within a minute, of those closed within 10 h",
        value: Some(0.38),
        published: ".38 (tab study 2009, 200,000 tabs)",
        mark: Mark::ReadOff,
        tolerance: Some((0.30, 0.46)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.share_up_to(Of::TabLife, MINUTE_MS),
    },
    Target {
        name: "tab_life_5_min",
        unit: "share",
        about: "the same, within 5 minutes",
        value: Some(0.71),
        published: ".71 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.61, 0.81)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.share_up_to(Of::TabLife, 5 * MINUTE_MS),
    },
    Target {
        name: "tab_life_30_min",
        unit: "share",
        about: "the same, within 30 minutes",
        value: Some(0.91),
        published: ".91 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.83, 0.96)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.share_up_to(Of::TabLife, 30 * MINUTE_MS),
    },
    Target {
        name: "tab_life_1_h",
        unit: "share",
        about: "the same, within an hour",
        value: Some(0.946),
        published: ".946 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.88, 0.98)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.share_up_to(Of::TabLife, HOUR_MS),
    },
    Target {
        name: "tab_life_4_h",
        unit: "share",
        about: "the same, within 4 hours",
        value: Some(0.988),
        published: ".988 (tab study 2009; its start and end cut long lives off)",
        mark: Mark::ReadOff,
        tolerance: Some((0.95, 1.0)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.share_up_to(Of::TabLife, 4 * HOUR_MS),
    },
    Target {
        name: "tab_life_lognormal_median",
        unit: "min",
        about: "the median of the lognormal distribution fitted to the lives of tabs below 10 h",
        value: Some(1.8),
        published: "1.8 (tab study 2009, fitted to the graph)",
        mark: Mark::ReadOff,
        tolerance: Some((1.2, 2.7)),
        of_one: None,
        over: Over::Events,
        measure: |it| Ok(it.lognormal(Of::TabLife)?.median_ms / MINUTE_MS as f64),
    },
    Target {
        name: "tab_life_lognormal_sigma",
        unit: "",
        about: "the sigma of that distribution",
        value: Some(2.1),
        published: "2.1 (tab study 2009, fitted to the graph)",
        mark: Mark::ReadOff,
        tolerance: Some((1.6, 2.6)),
        of_one: None,
        over: Over::Events,
        measure: |it| Ok(it.lognormal(Of::TabLife)?.sigma),
    },
    Target {
        name: "tab_life_weibull_k",
        unit: "",
        about: "the shape of the Weibull distribution fitted to the lives of tabs below 10 h",
        value: Some(0.42),
        published: ".42 (tab study 2009, fitted to the graph)",
        mark: Mark::ReadOff,
        tolerance: Some((0.34, 0.55)),
        of_one: None,
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::TabLife)?.k),
    },
    Target {
        name: "tab_life_weibull_scale",
        unit: "min",
        about: "the scale of that distribution",
        value: Some(4.1),
        published: "4.1 (tab study 2009, fitted to the graph)",
        mark: Mark::ReadOff,
        tolerance: Some((2.7, 6.2)),
        of_one: None,
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::TabLife)?.scale_ms / MINUTE_MS as f64),
    },
    Target {
        name: "page_dwell_p50",
        unit: "s",
        about: "from a view to the next of the session",
        value: Some(12.8),
        published: "12.8 (browsing data of five people); 9.4 to 10 (Weinreich 2008)",
        mark: Mark::Computed,
        tolerance: Some((9.4, 16.0)),
        of_one: Some((5.0, 30.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::PageDwell, 0.5, SECOND_MS as f64),
    },
    Target {
        name: "page_dwell_p90",
        unit: "s",
        about: "the same: nine views of ten are no longer",
        value: Some(118.0),
        published: "118 (browsing data of five people); about 120 (Weinreich 2008)",
        mark: Mark::Computed,
        tolerance: Some((88.0, 148.0)),
        of_one: Some((50.0, 240.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::PageDwell, 0.9, SECOND_MS as f64),
    },
    Target {
        name: "page_dwell_weibull_k",
        unit: "",
        about: "the shape of the Weibull distribution fitted to it; below 1: the longer on a page, \
                the less likely to leave",
        value: Some(0.61),
        published: ".61 (browsing data of five people); below 1 (Liu, White and Dumais 2010)",
        mark: Mark::Computed,
        tolerance: Some((0.52, 0.72)),
        of_one: Some((0.45, 0.85)),
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::PageDwell)?.k),
    },
    Target {
        name: "page_dwell_weibull_scale",
        unit: "s",
        about: "the scale of that distribution",
        value: Some(34.0),
        published: "34 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((25.0, 43.0)),
        of_one: Some((15.0, 70.0)),
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::PageDwell)?.scale_ms / SECOND_MS as f64),
    },
    Target {
        name: "site_stay_p50",
        unit: "s",
        about: "consecutive views of one site",
        value: Some(54.0),
        published: "54 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((40.0, 68.0)),
        of_one: Some((20.0, 120.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SiteStay, 0.5, SECOND_MS as f64),
    },
    Target {
        name: "site_stay_p90",
        unit: "s",
        about: "the same: nine stays of ten are no longer",
        value: Some(444.0),
        published: "444 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((333.0, 555.0)),
        of_one: Some((200.0, 900.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SiteStay, 0.9, SECOND_MS as f64),
    },
    Target {
        name: "site_stay_weibull_k",
        unit: "",
        about: "the shape of the Weibull distribution fitted to it",
        value: Some(0.65),
        published: ".65 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.55, 0.78)),
        of_one: Some((0.45, 0.95)),
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::SiteStay)?.k),
    },
    Target {
        name: "site_stay_weibull_scale",
        unit: "s",
        about: "the scale of that distribution",
        value: Some(114.0),
        published: "114 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((85.0, 143.0)),
        of_one: Some((50.0, 240.0)),
        over: Over::Events,
        measure: |it| Ok(it.weibull(Of::SiteStay)?.scale_ms / SECOND_MS as f64),
    },
    Target {
        name: "site_switches_per_hour",
        unit: "an hour",
        about: "changes of site in an active hour: the person in the middle",
        value: Some(20.0),
        published: SITE_SWITCHES,
        mark: Mark::Computed,
        tolerance: Some((10.0, 35.0)),
        of_one: Some((9.0, 59.0)),
        over: Over::People(0.5),
        measure: |it| {
            let hours = it.active_ms as f64 / HOUR_MS as f64;
            if it.active_ms == 0 {
                return Err("no session in it");
            }
            Ok(it.site_switches as f64 / hours)
        },
    },
    Target {
        name: "tab_switches",
        unit: "share",
        about: "views that follow on one of another tab, of those that follow on one",
        value: Some(0.57),
        published: "at least .57 of the time (Huang and White 2010)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| {
            it.needs_tabs()?
                .ratio(it.tab_switches, it.followed, "no two views in it")
        },
    },
    Target {
        name: "session_p50",
        unit: "min",
        about: "from the first view to the last, no 30 minutes without one between",
        value: Some(30.0),
        published: "30 (browsing data of five people); applications 12 to 19",
        mark: Mark::Computed,
        tolerance: Some((22.0, 38.0)),
        of_one: Some((10.0, 90.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::Session, 0.5, MINUTE_MS as f64),
    },
    Target {
        name: "session_p90",
        unit: "min",
        about: "the same: nine sessions of ten are no longer",
        value: Some(144.0),
        published: "144 (browsing data of five people); applications 86 to 105",
        mark: Mark::Computed,
        tolerance: Some((100.0, 180.0)),
        of_one: Some((40.0, 360.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::Session, 0.9, MINUTE_MS as f64),
    },
    Target {
        name: "sites_1_h_p50",
        unit: "sites",
        about: "sites seen in the hour before a view",
        value: Some(9.0),
        published: "9 (browsing data of five people); applications 5 to 7",
        mark: Mark::Computed,
        tolerance: Some((6.0, 12.0)),
        of_one: Some((3.0, 18.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SitesOneHour, 0.5, 1.0),
    },
    Target {
        name: "sites_1_h_p90",
        unit: "sites",
        about: "the same: before nine views of ten there are no more",
        value: Some(18.0),
        published: "18 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((13.0, 23.0)),
        of_one: Some((6.0, 36.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SitesOneHour, 0.9, 1.0),
    },
    Target {
        name: "sites_8_h_p50",
        unit: "sites",
        about: "sites seen in the eight hours before a view",
        value: Some(24.0),
        published: "24 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((16.0, 32.0)),
        of_one: Some((6.0, 50.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SitesEightHours, 0.5, 1.0),
    },
    Target {
        name: "sites_8_h_p90",
        unit: "sites",
        about: "the same: before nine views of ten there are no more",
        value: Some(45.0),
        published: "45 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((32.0, 60.0)),
        of_one: Some((12.0, 90.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::SitesEightHours, 0.9, 1.0),
    },
    Target {
        name: "return_10_min",
        unit: "share",
        about: "departures from a site that are followed by a return within 10 minutes",
        value: Some(0.39),
        published: ".39, by person .25 to .46 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.33, 0.45)),
        of_one: Some((0.25, 0.46)),
        over: Over::Events,
        measure: |it| it.returns(0, 10 * MINUTE_MS),
    },
    Target {
        name: "return_1_h",
        unit: "share",
        about: "the same, within an hour",
        value: Some(0.60),
        published: ".60, by person .30 to .78 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.54, 0.66)),
        of_one: Some((0.30, 0.78)),
        over: Over::Events,
        measure: |it| it.returns(0, HOUR_MS),
    },
    Target {
        name: "return_24_h",
        unit: "share",
        about: "the same, within a day",
        value: Some(0.74),
        published: ".74, by person .37 to .91 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.66, 0.82)),
        of_one: Some((0.37, 0.91)),
        over: Over::Events,
        measure: |it| it.returns(0, DAY_MS),
    },
    Target {
        name: "return_1_h_idle_10_min",
        unit: "share",
        about: "sites away for 10 minutes that are returned to in the next hour",
        value: Some(0.37),
        published: ".37, by person .07 to .62 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.25, 0.45)),
        of_one: Some((0.07, 0.62)),
        over: Over::Events,
        measure: |it| it.returns(10 * MINUTE_MS, HOUR_MS),
    },
    Target {
        name: "return_1_h_idle_1_h",
        unit: "share",
        about: "the same, of sites away for an hour",
        value: Some(0.13),
        published: ".13, by person .03 to .22 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.07, 0.19)),
        of_one: Some((0.03, 0.22)),
        over: Over::Events,
        measure: |it| it.returns(HOUR_MS, HOUR_MS),
    },
    Target {
        name: "return_1_h_idle_4_h",
        unit: "share",
        about: "the same, of sites away for four hours",
        value: Some(0.024),
        published: ".024, by person .006 to .058 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.010, 0.050)),
        of_one: Some((0.006, 0.058)),
        over: Over::Events,
        measure: |it| it.returns(4 * HOUR_MS, HOUR_MS),
    },
    Target {
        name: "return_24_h_idle_1_h",
        unit: "share",
        about: "sites away for an hour that are returned to in the next day",
        value: Some(0.38),
        published: ".38 (browsing data of five people); applications .51 to .77",
        mark: Mark::Computed,
        tolerance: Some((0.30, 0.50)),
        of_one: Some((0.10, 0.80)),
        over: Over::Events,
        measure: |it| it.returns(HOUR_MS, DAY_MS),
    },
    Target {
        name: "return_24_h_idle_4_h",
        unit: "share",
        about: "the same, of sites away for four hours",
        value: Some(0.24),
        published: ".24 (browsing data of five people); applications .40 to .65",
        mark: Mark::Computed,
        tolerance: Some((0.17, 0.36)),
        of_one: Some((0.07, 0.70)),
        over: Over::Events,
        measure: |it| it.returns(4 * HOUR_MS, DAY_MS),
    },
    Target {
        name: "return_24_h_idle_24_h",
        unit: "share",
        about: "the same, of sites away for a day",
        value: Some(0.11),
        published: ".11 (browsing data of five people); applications .20 to .41",
        mark: Mark::Computed,
        tolerance: Some((0.06, 0.20)),
        of_one: Some((0.03, 0.45)),
        over: Over::Events,
        measure: |it| it.returns(DAY_MS, DAY_MS),
    },
    Target {
        name: "threads_activated_once",
        unit: "share",
        about: "threads of a site, ended by 24 h without it, that have one stay only",
        value: Some(0.67),
        published: ".67 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.59, 0.75)),
        of_one: Some((0.50, 0.85)),
        over: Over::Events,
        measure: |it| it.ratio(it.threads_of_one_stay, it.threads, "no site in it"),
    },
    Target {
        name: "switch_after_close_1_s",
        unit: "share",
        about: "closes of the tab in front after which the tab that came up was left for one of \
                another site within a second",
        value: Some(0.05),
        published: ".047 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.0, 0.12)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.switches_after_close(SECOND_MS),
    },
    Target {
        name: "switch_after_close_5_s",
        unit: "share",
        about: "the same, within 5 seconds",
        value: Some(0.23),
        published: ".230 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.14, 0.32)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.switches_after_close(5 * SECOND_MS),
    },
    Target {
        name: "switch_after_close_10_s",
        unit: "share",
        about: "the same, within 10 seconds",
        value: Some(0.29),
        published: ".292 (tab study 2009)",
        mark: Mark::ReadOff,
        tolerance: Some((0.20, 0.40)),
        of_one: None,
        over: Over::Events,
        measure: |it| it.switches_after_close(10 * SECOND_MS),
    },
    Target {
        name: "discarded_to_reloaded_p25",
        unit: "s",
        about: "from a tab's discard to its reload, of tabs that were reloaded",
        value: Some(60.0),
        published: "60 (Firefox telemetry, bug 1729911)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::DiscardedToReloaded, 0.25, SECOND_MS as f64),
    },
    Target {
        name: "discarded_to_reloaded_p50",
        unit: "s",
        about: "the same: half of them take no longer. It says as much of who discards as of the user",
        value: Some(251.0),
        published: "251 (Firefox telemetry, bug 1729911)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::DiscardedToReloaded, 0.5, SECOND_MS as f64),
    },
    Target {
        name: "idle_discarded_to_reloaded_p50",
        unit: "s",
        about: "the same, of tabs that were idle for 10 minutes when they were discarded",
        value: Some(945.0),
        published: "945 (Firefox telemetry, bug 1729911)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::IdleDiscardedToReloaded, 0.5, SECOND_MS as f64),
    },
    Target {
        name: "processes_p50",
        unit: "processes",
        about: "processes of the browser; what was published counts renderers alone",
        value: Some(6.2),
        published: "6.2 renderers (Reis 2019, Chrome 69 on Windows)",
        mark: Mark::SecondHand,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::Processes, 0.5, 1.0),
    },
    Target {
        name: "processes_p99",
        unit: "processes",
        about: "the same: in 99 samples of 100 there are no more",
        value: Some(52.7),
        published: "52.7 renderers (Reis 2019, Chrome 69 on Windows)",
        mark: Mark::SecondHand,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::Processes, 0.99, 1.0),
    },
    Target {
        name: "tab_memory_p50",
        unit: "MB",
        about: "what a tab was measured to hold",
        value: Some(100.0),
        published: "50 (2015); static pages 50 to 80, ordinary 100 to 200, applications 200 to 500 \
                    (a vendor's page, weak)",
        mark: Mark::Quoted,
        tolerance: Some((50.0, 200.0)),
        of_one: Some((50.0, 500.0)),
        over: Over::Events,
        measure: |it| it.quantile(Of::TabBytes, 0.5, 1e6),
    },
    Target {
        name: "tab_reclaimed_p50",
        unit: "MB",
        about: "what one discard was seen to free",
        value: Some(39.1),
        published: "39.1, 46 (Edge, tabs put to sleep)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::ReclaimedBytes, 0.5, 1e6),
    },
    Target {
        name: "tab_reclaimed_share_p50",
        unit: "share",
        about: "the same, of what the tab was last measured to hold",
        value: Some(0.84),
        published: ".83, .85 (Edge, tabs put to sleep)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::ReclaimedShare, 0.5, 1e3),
    },
    Target {
        name: "browser_memory_saved",
        unit: "share",
        about: "what sleeping tabs take off the browser's memory",
        value: Some(0.26),
        published: ".26, the median of about 13,000 devices (Edge)",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |_| {
            Err(
                "a trace does not tell what the browser would have held; a replay under a policy does",
            )
        },
    },
    Target {
        name: "reload_p50",
        unit: "s",
        about: "how long a discarded tab took to load again",
        value: None,
        published: "no distribution is published",
        mark: Mark::Quoted,
        tolerance: None,
        of_one: None,
        over: Over::Events,
        measure: |it| it.quantile(Of::Reload, 0.5, SECOND_MS as f64),
    },
];

// ---- What is measured -------------------------------------------------------------------------

/// The distributions that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Tabs open, weighted by milliseconds of active time.
    TabsOpen,
    /// Windows open, weighted by milliseconds of active time.
    WindowsOpen,
    /// The most tabs open in a week with views.
    WeeklyTabs,
    /// The most windows open in a week with views.
    WeeklyWindows,
    /// Lives of tabs that were opened and closed in the trace, in milliseconds.
    TabLife,
    /// From a view to the next of its session, in milliseconds.
    PageDwell,
    /// Stays on a site, in milliseconds.
    SiteStay,
    /// Sessions, in milliseconds.
    Session,
    /// Sites seen in the hour before a view.
    SitesOneHour,
    /// Sites seen in the eight hours before a view.
    SitesEightHours,
    /// From the end of a stay to the next on that site, in milliseconds.
    ReturnGap,
    /// From the end of the last stay on a site to the end of the trace, in milliseconds.
    CensoredGap,
    /// From the close of the tab in front to a switch to another site, in milliseconds.
    SwitchAfterClose,
    /// From a discard to the reload, in milliseconds.
    DiscardedToReloaded,
    /// The same, of tabs that had been idle.
    IdleDiscardedToReloaded,
    /// Loads of discarded tabs, in milliseconds.
    Reload,
    /// Processes of the browser.
    Processes,
    /// What tabs held, in bytes.
    TabBytes,
    /// What discards freed, in bytes.
    ReclaimedBytes,
    /// The same, in thousandths of what the tab held.
    ReclaimedShare,
}

impl Of {
    const COUNT: usize = Self::ReclaimedShare as usize + 1;

    /// Why there is nothing of it.
    fn absent(self) -> &'static str {
        match self {
            Self::TabsOpen | Self::WindowsOpen | Self::Session | Self::SiteStay => {
                "no session in it"
            }
            Self::WeeklyTabs | Self::WeeklyWindows => "no view in it",
            Self::TabLife => "no tab was opened and closed in it within 10 h",
            Self::PageDwell => "no two views in a session",
            Self::SitesOneHour | Self::SitesEightHours => "no view of a site in it",
            Self::ReturnGap | Self::CensoredGap => "no departure from a site in it",
            Self::SwitchAfterClose => "no tab in front was closed",
            Self::DiscardedToReloaded => "no tab was discarded and loaded again",
            Self::IdleDiscardedToReloaded => {
                "no tab was discarded after 10 minutes and loaded again"
            }
            Self::Reload => "no load of a discarded tab was timed",
            Self::Processes => "no sample tells the browser's processes",
            Self::TabBytes => "no tab was measured",
            Self::ReclaimedBytes => "no discard was measured",
            Self::ReclaimedShare => "no discard of a tab that had been measured was",
        }
    }

    /// Whether it says something of tabs, which a trace made of page visits cannot.
    fn needs_tabs(self) -> bool {
        matches!(
            self,
            Self::TabsOpen
                | Self::WindowsOpen
                | Self::WeeklyTabs
                | Self::WeeklyWindows
                | Self::TabLife
                | Self::SwitchAfterClose
        )
    }
}

/// What was measured of one person, or of several together.
#[derive(Clone, Debug)]
pub struct Measures {
    histograms: Vec<Histogram<u64>>,
    opens: u64,
    closes: u64,
    days: u64,
    tab_events: u64,
    span_ms: i64,
    active_ms: i64,
    site_switches: u64,
    tab_switches: u64,
    followed: u64,
    threads: u64,
    threads_of_one_stay: u64,
    closes_in_front: u64,
    /// Whether all tabs were made up from page visits.
    only_threads: bool,
}

/// A Weibull distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Weibull {
    /// Its shape.
    pub k: f64,
    /// Its scale, in milliseconds.
    pub scale_ms: f64,
}

impl Weibull {
    /// The share of values above this one.
    pub fn share_above(&self, ms: f64) -> f64 {
        (-(ms / self.scale_ms).powf(self.k)).exp()
    }
}

/// A lognormal distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Lognormal {
    median_ms: f64,
    sigma: f64,
}

impl Default for Measures {
    fn default() -> Self {
        let proof = "the bounds and the digits are in range";
        let histogram = || Histogram::new_with_bounds(1, LARGEST, DIGITS).expect(proof);
        Self {
            histograms: (0..Of::COUNT).map(|_| histogram()).collect(),
            opens: 0,
            closes: 0,
            days: 0,
            tab_events: 0,
            span_ms: 0,
            active_ms: 0,
            site_switches: 0,
            tab_switches: 0,
            followed: 0,
            threads: 0,
            threads_of_one_stay: 0,
            closes_in_front: 0,
            only_threads: true,
        }
    }
}

impl Measures {
    /// Adds what was measured of others.
    fn add(&mut self, other: &Self) {
        for (histogram, other) in self.histograms.iter_mut().zip(&other.histograms) {
            histogram.add(other).expect("both have the same bounds");
        }
        self.opens += other.opens;
        self.closes += other.closes;
        self.days += other.days;
        self.tab_events += other.tab_events;
        self.span_ms = self.span_ms.saturating_add(other.span_ms);
        self.active_ms = self.active_ms.saturating_add(other.active_ms);
        self.site_switches += other.site_switches;
        self.tab_switches += other.tab_switches;
        self.followed += other.followed;
        self.threads += other.threads;
        self.threads_of_one_stay += other.threads_of_one_stay;
        self.closes_in_front += other.closes_in_front;
        self.only_threads &= other.only_threads;
    }

    /// Keeps a value. What lies before its beginning is as short as can be.
    fn note(&mut self, of: Of, value: i64) {
        self.histograms[of as usize].saturating_record(u64::try_from(value).unwrap_or(0));
    }

    /// Keeps a number for as long as it held.
    fn note_for(&mut self, of: Of, value: usize, ms: i64) {
        let ms = u64::try_from(ms).unwrap_or(0);
        self.histograms[of as usize].saturating_record_n(value as u64, ms);
    }

    /// The values of a distribution, in order, each with how often it was there.
    pub fn values(&self, of: Of) -> impl Iterator<Item = (u64, u64)> {
        let histogram = &self.histograms[of as usize];
        histogram.iter_recorded().map(|value| {
            (
                histogram.median_equivalent(value.value_iterated_to()),
                value.count_at_value(),
            )
        })
    }

    /// The distribution, if there is anything of it.
    fn known(&self, of: Of) -> Result<&Histogram<u64>, &'static str> {
        if of.needs_tabs() {
            self.needs_tabs()?;
        }
        let histogram = &self.histograms[of as usize];
        if histogram.is_empty() {
            return Err(of.absent());
        }
        Ok(histogram)
    }

    fn needs_tabs(&self) -> Result<&Self, &'static str> {
        if self.only_threads {
            return Err("its tabs are made up from page visits");
        }
        Ok(self)
    }

    fn mean(&self, of: Of) -> Answer {
        self.known(of).map(Histogram::mean)
    }

    /// The quantile, in units of so many.
    fn quantile(&self, of: Of, quantile: f64, unit: f64) -> Answer {
        let histogram = self.known(of)?;
        let value = histogram.value_at_quantile(quantile);
        Ok(histogram.median_equivalent(value) as f64 / unit)
    }

    fn share_up_to(&self, of: Of, value: i64) -> Answer {
        let histogram = self.known(of)?;
        Ok(up_to(histogram, value) as f64 / histogram.len() as f64)
    }

    #[expect(
        clippy::unused_self,
        reason = "rows read as what is asked of the measures"
    )]
    fn ratio(&self, count: u64, of: u64, absent: &'static str) -> Answer {
        if of == 0 {
            return Err(absent);
        }
        Ok(count as f64 / of as f64)
    }

    /// The share of departures, idle for so long, that are returned from within the time after.
    /// Those that were not observed for long enough are left out.
    fn returns(&self, idle_ms: i64, within_ms: i64) -> Answer {
        let returned = &self.histograms[Of::ReturnGap as usize];
        let censored = &self.histograms[Of::CensoredGap as usize];
        let until = idle_ms + within_ms;
        let before = if idle_ms == 0 {
            0
        } else {
            up_to(returned, idle_ms - 1)
        };
        let yes = up_to(returned, until) - before;
        let of = returned.len() - before + (censored.len() - up_to(censored, until - 1));
        self.ratio(yes, of, "no departure was observed for that long")
    }

    fn switches_after_close(&self, within_ms: i64) -> Answer {
        self.needs_tabs()?;
        let switches = &self.histograms[Of::SwitchAfterClose as usize];
        let absent = Of::SwitchAfterClose.absent();
        self.ratio(up_to(switches, within_ms), self.closes_in_front, absent)
    }

    /// Fits a Weibull distribution by maximum likelihood. The values are whole milliseconds: where
    /// many are below one, k comes out too high by about the share of those.
    pub fn weibull(&self, of: Of) -> Result<Weibull, &'static str> {
        let logarithms = self.logarithms(of)?;
        let count = self.known(of)?.len() as f64;
        // Taken from the mean, so that no power of them leaves the range of numbers.
        let mean = mean(&logarithms, count);
        let slope = |k: f64| {
            let (mut powers, mut weighted) = (0.0, 0.0);
            for &(logarithm, count) in &logarithms {
                let power = count * (k * (logarithm - mean)).exp();
                powers += power;
                weighted += power * (logarithm - mean);
            }
            (weighted / powers - 1.0 / k, powers)
        };
        // It grows with k, and crosses zero once.
        let (mut low, mut high) = (0.02, 20.0);
        if slope(high).0 < 0.0 {
            return Err("its values hardly differ");
        }
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if slope(middle).0 < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let k = 0.5 * (low + high);
        let scale_ms = ((slope(k).1 / count).ln() / k + mean).exp();
        Ok(Weibull { k, scale_ms })
    }

    /// Departures from sites as they come back: for each gap after which some did, the share that
    /// was away for longer. Kaplan and Meier's estimate, which counts a departure for as long as
    /// it was observed.
    pub fn still_away(&self) -> Vec<(f64, f64)> {
        let mut away = 1.0;
        let mut points = Vec::new();
        for (gap_ms, returned, at_risk) in self.departures() {
            away *= 1.0 - returned as f64 / at_risk as f64;
            points.push((gap_ms as f64, away));
        }
        points
    }

    /// How likely a site that was away for so long (in milliseconds) is returned to in the next
    /// hour, in steps of a third of the time away.
    pub fn return_by_idle(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut idle_ms = MINUTE_MS;
        while idle_ms <= 4 * WEEK_MS {
            if let Ok(share) = self.returns(idle_ms, HOUR_MS) {
                points.push((idle_ms as f64, share));
            }
            idle_ms += idle_ms / 3;
        }
        points
    }

    /// For each return gap: how many had it, and how many departures were observed for as long.
    fn departures(&self) -> Vec<(u64, u64, u64)> {
        let censored = &self.histograms[Of::CensoredGap as usize];
        let mut left = self.histograms[Of::ReturnGap as usize].len();
        let mut departures = Vec::new();
        for (gap_ms, returned) in self.values(Of::ReturnGap) {
            let gap = i64::try_from(gap_ms).unwrap_or(i64::MAX);
            let observed = censored.len() - up_to(censored, gap - 1);
            departures.push((gap_ms, returned, left + observed));
            left -= returned;
        }
        departures
    }

    /// The share of a distribution's values that are greater, by value.
    pub fn share_above(&self, of: Of) -> Vec<(f64, f64)> {
        let total = self.histograms[of as usize].len();
        let mut above = total;
        let mut points = Vec::new();
        for (value, count) in self.values(of) {
            above -= count;
            points.push((value as f64, above as f64 / total as f64));
        }
        points
    }

    fn lognormal(&self, of: Of) -> Result<Lognormal, &'static str> {
        let logarithms = self.logarithms(of)?;
        let count = self.known(of)?.len() as f64;
        let mean = mean(&logarithms, count);
        let squares: f64 = logarithms
            .iter()
            .map(|(logarithm, count)| count * (logarithm - mean).powi(2))
            .sum();
        Ok(Lognormal {
            median_ms: mean.exp(),
            sigma: (squares / count).sqrt(),
        })
    }

    /// The logarithms of a distribution's values, each with how often it was there. What took no
    /// time took a millisecond.
    fn logarithms(&self, of: Of) -> Result<Vec<(f64, f64)>, &'static str> {
        if self.known(of)?.len() < FEWEST_TO_FIT {
            return Err("too few values to fit a distribution to");
        }
        let logarithm = |(value, count): (u64, u64)| ((value.max(1) as f64).ln(), count as f64);
        Ok(self.values(of).map(logarithm).collect())
    }
}

fn mean(values: &[(f64, f64)], count: f64) -> f64 {
    values
        .iter()
        .map(|(value, times)| value * times)
        .sum::<f64>()
        / count
}

/// How many values are no greater.
fn up_to(histogram: &Histogram<u64>, value: i64) -> u64 {
    match u64::try_from(value) {
        Ok(value) if !histogram.is_empty() => histogram.count_between(0, value),
        _ => 0,
    }
}

// ---- One person -------------------------------------------------------------------------------

/// What one person's traces say, taken in line by line, the earliest trace first.
#[derive(Clone, Debug)]
pub struct Calibration {
    facts: Facts,
    measures: Measures,
    course: Course,
    tabs: BTreeMap<TabId, Kept>,
    site_ids: BTreeMap<String, usize>,
    sites: Vec<Site>,
    /// Sites that were seen of late, by the time of their last view.
    recent: BTreeSet<(i64, usize)>,
    began_ms: Option<i64>,
    last_ms: i64,
    last_day: Option<i64>,
    week: Week,
    /// The tab in front, and the one before it with the time it was left.
    front: Option<TabId>,
    front_site: Option<SiteId>,
    left: Option<(TabId, i64)>,
    closed: Option<Closed>,
    /// A view that has begun and may yet turn out to be none.
    pending: Option<View>,
    last: Option<View>,
    session_began_ms: i64,
    stay: Option<Stay>,
}

/// What is kept of an open tab.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    opened_ms: Option<i64>,
    discarded_ms: Option<i64>,
    was_idle: bool,
    is_restoring: bool,
    bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct View {
    t_ms: i64,
    tab: TabId,
    site: SiteId,
}

/// A site that is followed, or one of those that came when there were too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SiteId {
    Followed(usize),
    Unfollowed,
}

#[derive(Clone, Copy, Debug)]
struct Site {
    last_view_ms: i64,
    left_ms: Option<i64>,
    stays: u64,
}

#[derive(Clone, Copy, Debug)]
struct Stay {
    site: SiteId,
    began_ms: i64,
}

/// A close of the tab in front, and the tab that came up.
#[derive(Clone, Copy, Debug)]
struct Closed {
    t_ms: i64,
    next: Option<(TabId, Option<SiteId>)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Week {
    index: i64,
    tabs: usize,
    windows: usize,
    has_views: bool,
}

/// How many tabs were open over time: the most in each of equal spans, which grow as they become
/// too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// When it begins, in Unix milliseconds.
    pub from_ms: i64,
    /// How long a span is, in milliseconds.
    pub span_ms: i64,
    /// The most tabs open in each span.
    pub tabs: Vec<usize>,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            from_ms: 0,
            span_ms: MINUTE_MS,
            tabs: Vec::new(),
        }
    }
}

impl Course {
    fn note(&mut self, t_ms: i64, tabs: usize) {
        if self.tabs.is_empty() {
            self.from_ms = t_ms;
        }
        let passed = t_ms.saturating_sub(self.from_ms).max(0);
        while passed / self.span_ms >= COURSE_POINTS as i64 {
            self.span_ms = self.span_ms.saturating_mul(2);
            let merged = self.tabs.chunks(2);
            self.tabs = merged
                .map(|pair| pair.iter().copied().max().unwrap_or(0))
                .collect();
        }
        let index = usize::try_from(passed / self.span_ms).unwrap_or(0);
        let before = self.tabs.last().copied().unwrap_or(tabs);
        while self.tabs.len() <= index {
            self.tabs.push(before);
        }
        let most = &mut self.tabs[index];
        *most = tabs.max(*most);
    }
}

/// One person, measured.
#[derive(Clone, Debug)]
pub struct Person {
    /// What was measured.
    pub measures: Measures,
    /// Tabs open over time.
    pub course: Course,
}

impl Default for Calibration {
    fn default() -> Self {
        Self::new()
    }
}

impl Calibration {
    /// Starts with nothing known of the person.
    pub fn new() -> Self {
        Self {
            facts: Facts::new(Mode::Observe),
            measures: Measures::default(),
            course: Course::default(),
            tabs: BTreeMap::new(),
            site_ids: BTreeMap::new(),
            sites: Vec::new(),
            recent: BTreeSet::new(),
            began_ms: None,
            last_ms: 0,
            last_day: None,
            week: Week::default(),
            front: None,
            front_site: None,
            left: None,
            closed: None,
            pending: None,
            last: None,
            session_began_ms: 0,
            stay: None,
        }
    }

    /// Takes the next line in. Another `log_opened` may begin the person's next trace.
    pub fn take(&mut self, line: &Line) {
        if let Body::LogOpened(header) = &line.body {
            if header.segment == 0 {
                self.begin_trace();
            }
            let is_made_up = header.origin == Origin::Imported
                && header
                    .importer
                    .as_deref()
                    .is_some_and(|importer| importer.contains("site-thread"));
            self.measures.only_threads &= is_made_up;
        }
        if let Some(event) = line.event() {
            self.step(&event);
        }
    }

    /// Ends the account: what is still open is as long as it was seen.
    pub fn finish(mut self) -> Person {
        if let Some(view) = self.pending.take() {
            self.begin_view(view);
        }
        if let Some(last) = self.last {
            self.end_session(last);
        }
        self.end_week();
        let until_ms = self
            .last_ms
            .max(self.last.map_or(0, |last| last.t_ms + LAST_VIEW_MS));
        for site in std::mem::take(&mut self.sites) {
            self.end_thread(site.stays);
            if let Some(left_ms) = site.left_ms {
                self.measures.note(Of::CensoredGap, until_ms - left_ms);
            }
        }
        if let Some(began_ms) = self.began_ms {
            self.measures.span_ms = self.last_ms.saturating_sub(began_ms);
        }
        Person {
            measures: self.measures,
            course: self.course,
        }
    }

    /// Another browser session: other tabs, the same sites.
    fn begin_trace(&mut self) {
        self.facts = Facts::new(Mode::Observe);
        self.tabs.clear();
        self.front = None;
        self.front_site = None;
        self.left = None;
        self.closed = None;
    }

    fn step(&mut self, event: &Event) {
        // A trace that was put before its time has no time of its own.
        let t_ms = event.t_ms.max(self.last_ms);
        self.spend(t_ms);
        self.note_before(event, t_ms);
        self.facts.apply(event);
        self.note_changes(event, t_ms);
        self.note_front(event, t_ms);
        let world = self.facts.world();
        self.week.tabs = self.week.tabs.max(world.tab_count());
        self.week.windows = self.week.windows.max(world.window_count());
        self.course.note(t_ms, world.tab_count());
    }

    /// Counts the time up to an event for what was open until then.
    fn spend(&mut self, t_ms: i64) {
        let began_ms = *self.began_ms.get_or_insert(t_ms);
        let seen = self.pending.or(self.last);
        if seen.is_some_and(|view| t_ms - view.t_ms <= SESSION_GAP_MS) {
            let world = self.facts.world();
            let passed = t_ms - self.last_ms;
            self.measures
                .note_for(Of::TabsOpen, world.tab_count(), passed);
            self.measures
                .note_for(Of::WindowsOpen, world.window_count(), passed);
        }
        self.last_ms = t_ms;
        let week = (t_ms - began_ms) / WEEK_MS;
        if week != self.week.index {
            self.end_week();
            self.week = Week {
                index: week,
                ..Week::default()
            };
        }
    }

    fn end_week(&mut self) {
        if self.week.has_views {
            self.measures.note_for(Of::WeeklyTabs, self.week.tabs, 1);
            self.measures
                .note_for(Of::WeeklyWindows, self.week.windows, 1);
        }
    }

    /// Notes what must be known of tabs before the event changes them.
    fn note_before(&mut self, event: &Event, t_ms: i64) {
        let measures = &mut self.measures;
        measures.tab_events += u64::from(matches!(
            event.input,
            Input::TabOpened(_)
                | Input::TabClosed { .. }
                | Input::TabActivated { .. }
                | Input::TabNavigated { .. }
                | Input::TabMoved { .. }
                | Input::WindowOpened { .. }
                | Input::WindowClosed { .. }
                | Input::WindowFocused { .. }
        ));
        let world = self.facts.world();
        match event.input {
            Input::TabDiscarded { tab, .. } => {
                let Some(idle_ms) = world.tab(tab).map(|it| t_ms - world.last_in_front(it).now)
                else {
                    return;
                };
                let kept = self.tabs.entry(tab).or_default();
                kept.discarded_ms = Some(t_ms);
                kept.was_idle = idle_ms >= IDLE_FLOOR_MS;
            }
            Input::TabRestored { tab } => {
                let Some(kept) = self.tabs.get_mut(&tab) else {
                    return;
                };
                kept.is_restoring = true;
                if let Some(discarded_ms) = kept.discarded_ms.take() {
                    measures.note(Of::DiscardedToReloaded, t_ms - discarded_ms);
                    if kept.was_idle {
                        measures.note(Of::IdleDiscardedToReloaded, t_ms - discarded_ms);
                    }
                }
            }
            Input::TabLoaded { tab, load_ms } => {
                let Some(kept) = self.tabs.get_mut(&tab) else {
                    return;
                };
                if std::mem::take(&mut kept.is_restoring)
                    && let Some(load_ms) = load_ms
                {
                    measures.note(Of::Reload, i64::try_from(load_ms).unwrap_or(i64::MAX));
                }
            }
            Input::TabMemory { tab, bytes, how } => {
                let value = i64::try_from(bytes).unwrap_or(i64::MAX);
                let kept = self.tabs.get_mut(&tab);
                match how {
                    MemorySource::Measured => {
                        measures.note(Of::TabBytes, value);
                        if let Some(kept) = kept {
                            kept.bytes = Some(bytes);
                        }
                    }
                    MemorySource::Reclaimed => {
                        measures.note(Of::ReclaimedBytes, value);
                        let held = kept.and_then(|kept| kept.bytes).filter(|&held| held > 0);
                        if let Some(held) = held {
                            let thousandths = bytes.saturating_mul(1_000) / held;
                            let thousandths = i64::try_from(thousandths).unwrap_or(i64::MAX);
                            measures.note(Of::ReclaimedShare, thousandths);
                        }
                    }
                }
            }
            Input::Metrics(metrics) => {
                if let Some(processes) = metrics.browser_processes {
                    measures.note(Of::Processes, i64::from(processes));
                }
            }
            _ => {}
        }
    }

    /// Follows tabs that came, went and changed their ids.
    fn note_changes(&mut self, event: &Event, t_ms: i64) {
        let is_opened = matches!(event.input, Input::TabOpened(_));
        let is_closed = matches!(
            event.input,
            Input::TabClosed { .. } | Input::WindowClosed { .. }
        );
        for &change in self.facts.world().changes() {
            match change {
                Change::Tab(tab) => {
                    if self.tabs.contains_key(&tab) {
                        continue;
                    }
                    let opened_ms = is_opened.then_some(t_ms);
                    self.measures.opens += u64::from(is_opened);
                    let kept = Kept {
                        opened_ms,
                        ..Kept::default()
                    };
                    self.tabs.insert(tab, kept);
                }
                Change::Renamed { old, new } => {
                    if let Some(kept) = self.tabs.remove(&old) {
                        self.tabs.insert(new, kept);
                    }
                    for id in [self.front.as_mut(), self.left.as_mut().map(|(id, _)| id)] {
                        if let Some(id) = id.filter(|id| **id == old) {
                            *id = new;
                        }
                    }
                    if let Some(view) = self.pending.as_mut().filter(|view| view.tab == old) {
                        view.tab = new;
                    }
                    if let Some(view) = self.last.as_mut().filter(|view| view.tab == old) {
                        view.tab = new;
                    }
                }
                Change::Gone(tab) => {
                    let kept = self.tabs.remove(&tab);
                    if !is_closed {
                        continue;
                    }
                    self.measures.closes += 1;
                    let life_ms = kept
                        .and_then(|kept| kept.opened_ms)
                        .map(|opened_ms| t_ms - opened_ms);
                    if let Some(life_ms) = life_ms.filter(|&life_ms| life_ms < TAB_LIFE_BELOW_MS) {
                        self.measures.note(Of::TabLife, life_ms);
                    }
                    self.closed = match (self.front, self.left) {
                        (Some(front), _) if front == tab => Some(Closed { t_ms, next: None }),
                        (Some(front), Some((left, left_ms)))
                            if left == tab && t_ms - left_ms <= CLOSE_AFTER_SWITCH_MS =>
                        {
                            self.measures.closes_in_front += 1;
                            Some(Closed {
                                t_ms: left_ms,
                                next: Some((front, self.front_site)),
                            })
                        }
                        _ => self.closed,
                    };
                }
            }
        }
    }

    /// Begins a view where another tab is in front, or the one in front navigated.
    fn note_front(&mut self, event: &Event, t_ms: i64) {
        let world = self.facts.world();
        let Some(tab) = world.tab_in_front() else {
            return;
        };
        let id = tab.id;
        let host = world.host_of(tab).map(str::to_owned);
        let is_other = self.front != Some(id);
        let navigates = matches!(event.input, Input::TabNavigated { tab, .. } if tab == id);
        if !is_other && !navigates {
            return;
        }
        let site = host.map(|host| self.site(host));
        if is_other {
            self.note_switch(id, site, t_ms);
            self.left = self.front.replace(id).map(|left| (left, t_ms));
        }
        self.front_site = site;
        // A log of page visits has no pages without a host.
        let Some(site) = site else { return };
        let view = View {
            t_ms,
            tab: id,
            site,
        };
        if let Some(before) = self.pending.replace(view)
            && t_ms - before.t_ms >= SHORTEST_VIEW_MS
        {
            self.begin_view(before);
        }
    }

    /// Notes a switch to another tab, which may follow on a close.
    fn note_switch(&mut self, tab: TabId, site: Option<SiteId>, t_ms: i64) {
        let Some(closed) = &mut self.closed else {
            return;
        };
        match closed.next {
            None => {
                closed.next = Some((tab, site));
                self.measures.closes_in_front += 1;
            }
            Some((next, next_site)) if next != tab => {
                if next_site != site {
                    let after_ms = t_ms - closed.t_ms;
                    self.measures.note(Of::SwitchAfterClose, after_ms);
                }
                self.closed = None;
            }
            Some(_) => {}
        }
    }

    fn site(&mut self, host: String) -> SiteId {
        if let Some(&index) = self.site_ids.get(&host) {
            return SiteId::Followed(index);
        }
        if self.sites.len() == SITES_FOLLOWED {
            return SiteId::Unfollowed;
        }
        let index = self.sites.len();
        self.site_ids.insert(host, index);
        self.sites.push(Site {
            last_view_ms: i64::MIN,
            left_ms: None,
            stays: 0,
        });
        SiteId::Followed(index)
    }

    /// Counts a view that was none in passing.
    fn begin_view(&mut self, view: View) {
        self.week.has_views = true;
        let day = view.t_ms.div_euclid(DAY_MS);
        if self.last_day.replace(day) != Some(day) {
            self.measures.days += 1;
        }
        match self.last.replace(view) {
            Some(last) if view.t_ms - last.t_ms <= SESSION_GAP_MS => {
                self.measures.note(Of::PageDwell, view.t_ms - last.t_ms);
                self.measures.followed += 1;
                self.measures.tab_switches += u64::from(last.tab != view.tab);
            }
            Some(last) => {
                self.end_session(last);
                self.session_began_ms = view.t_ms;
            }
            None => self.session_began_ms = view.t_ms,
        }
        if self.stay.is_none_or(|stay| stay.site != view.site) {
            self.measures.site_switches += u64::from(self.stay.is_some());
            self.end_stay(view.t_ms);
            self.begin_stay(view.site, view.t_ms);
        }
        if let SiteId::Followed(index) = view.site {
            self.note_recent(index, view.t_ms);
        }
    }

    fn end_session(&mut self, last: View) {
        let until_ms = last.t_ms + LAST_VIEW_MS;
        self.end_stay(until_ms);
        let session_ms = until_ms - self.session_began_ms;
        self.measures.note(Of::Session, session_ms);
        self.measures.active_ms = self.measures.active_ms.saturating_add(session_ms);
    }

    fn begin_stay(&mut self, site: SiteId, t_ms: i64) {
        self.stay = Some(Stay {
            site,
            began_ms: t_ms,
        });
        let SiteId::Followed(index) = site else {
            return;
        };
        if let Some(left_ms) = self.sites[index].left_ms.take() {
            self.measures.note(Of::ReturnGap, t_ms - left_ms);
            if t_ms - left_ms > THREAD_GAP_MS {
                let stays = std::mem::take(&mut self.sites[index].stays);
                self.end_thread(stays);
            }
        }
        self.sites[index].stays += 1;
    }

    fn end_stay(&mut self, t_ms: i64) {
        let Some(stay) = self.stay.take() else { return };
        self.measures.note(Of::SiteStay, t_ms - stay.began_ms);
        if let SiteId::Followed(index) = stay.site {
            self.sites[index].left_ms = Some(t_ms);
        }
    }

    fn end_thread(&mut self, stays: u64) {
        self.measures.threads += u64::from(stays > 0);
        self.measures.threads_of_one_stay += u64::from(stays == 1);
    }

    /// Counts the sites seen of late.
    fn note_recent(&mut self, index: usize, t_ms: i64) {
        let site = &mut self.sites[index];
        self.recent.remove(&(site.last_view_ms, index));
        site.last_view_ms = t_ms;
        self.recent.insert((t_ms, index));
        while self
            .recent
            .first()
            .is_some_and(|&(seen_ms, _)| t_ms - seen_ms >= 8 * HOUR_MS)
        {
            self.recent.pop_first();
        }
        let since = |ms: i64| {
            let recent = self.recent.range((t_ms - ms + 1, 0)..);
            recent.take(RECENT_SITES_COUNTED).count()
        };
        let (one_hour, eight_hours) = (since(HOUR_MS), since(8 * HOUR_MS));
        self.measures.note_for(Of::SitesOneHour, one_hour, 1);
        self.measures.note_for(Of::SitesEightHours, eight_hours, 1);
    }
}

// ---- Several people ---------------------------------------------------------------------------

/// Several people together.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    measures: Measures,
    people: usize,
    /// By row, what each person's value is.
    values: Vec<Vec<f64>>,
    /// By row, why the last person who has no value has none.
    absent: Vec<Option<&'static str>>,
}

impl Pool {
    /// Starts with nobody.
    pub fn new() -> Self {
        Self {
            values: vec![Vec::new(); TARGETS.len()],
            absent: vec![None; TARGETS.len()],
            ..Self::default()
        }
    }

    /// Adds a person.
    pub fn add(&mut self, person: &Measures) {
        self.people += 1;
        self.measures.add(person);
        for (index, target) in TARGETS.iter().enumerate() {
            match (target.measure)(person) {
                Ok(value) => self.values[index].push(value),
                Err(absent) => self.absent[index] = Some(absent),
            }
        }
    }

    /// How many people there are.
    pub fn people(&self) -> usize {
        self.people
    }

    /// What was measured of all of them together.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// Makes the rows of [`TARGETS`].
    pub fn rows(&self) -> Vec<Row> {
        TARGETS
            .iter()
            .enumerate()
            .map(|(index, target)| self.row(index, target))
            .collect()
    }

    fn row(&self, index: usize, target: &Target) -> Row {
        let mut values = self.values[index].clone();
        values.sort_by(f64::total_cmp);
        let absent = || self.absent[index].unwrap_or("nobody in it").to_owned();
        let got = match target.over {
            Over::Events => (target.measure)(&self.measures).map_err(str::to_owned),
            Over::People(_) | Over::MeanOfPeople if values.is_empty() => Err(absent()),
            Over::MeanOfPeople => Ok(values.iter().sum::<f64>() / values.len() as f64),
            Over::People(quantile) => of_people(&values, quantile),
        };
        let tolerance = match target.of_one {
            Some(of_one) if self.people == 1 => Some(of_one),
            _ => target.tolerance,
        };
        let (got, absent) = match got {
            Ok(got) => (Some(rounded(got)), None),
            Err(absent) => (None, Some(absent)),
        };
        let by_person = match values[..] {
            [least, .., most] => Some((rounded(least), rounded(most))),
            _ => None,
        };
        let within = got
            .zip(tolerance)
            .map(|(got, (least, most))| (least..=most).contains(&got));
        Row {
            name: target.name,
            unit: target.unit,
            about: target.about,
            target: target.value,
            published: target.published,
            mark: target.mark,
            tolerance,
            got,
            by_person,
            within,
            absent,
        }
    }
}

/// The quantile of people's values, which are in order; of an even number the lower one counts.
fn of_people(values: &[f64], quantile: f64) -> Result<f64, String> {
    // So many that somebody stands above the quantile.
    let fewest = (1.0 / (1.0 - quantile) - 1e-9).ceil().max(1.0);
    if quantile > 0.5 && (values.len() as f64) < fewest {
        return Err(format!(
            "it takes {fewest} people, and there are {}",
            values.len()
        ));
    }
    let wanted = quantile * values.len() as f64;
    let found = (1..)
        .zip(values)
        .find(|&(rank, _)| f64::from(rank) >= wanted);
    found
        .map(|(_, &value)| value)
        .ok_or_else(|| "nobody in it".to_owned())
}

/// Rounds to four digits: the rest differs from one platform's logarithms to another's.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measured(of: Of, values: impl IntoIterator<Item = i64>) -> Measures {
        let mut measures = Measures {
            only_threads: false,
            ..Measures::default()
        };
        values
            .into_iter()
            .for_each(|value| measures.note(of, value));
        measures
    }

    #[test]
    fn rows_have_names_of_their_own_and_tolerances_that_hold_the_target() {
        let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names.len(), TARGETS.len());
        for target in TARGETS {
            if let (Some(value), Some((least, most))) = (target.value, target.tolerance) {
                assert!((least..=most).contains(&value), "{}", target.name);
            }
        }
    }

    #[test]
    fn departures_that_were_not_observed_for_long_enough_do_not_count() {
        let mut measures = measured(Of::ReturnGap, [MINUTE_MS, 2 * HOUR_MS]);
        measures.note(Of::CensoredGap, 30 * MINUTE_MS);
        measures.note(Of::CensoredGap, DAY_MS);
        let check = |idle_ms, within_ms, expect: f64| {
            let got = measures.returns(idle_ms, within_ms).unwrap();
            assert!((got - expect).abs() < 1e-9, "{got}, expected {expect}");
        };
        check(0, 10 * MINUTE_MS, 0.25);
        check(0, HOUR_MS, 1.0 / 3.0);
        check(HOUR_MS, HOUR_MS, 0.5);
        check(HOUR_MS, 30 * MINUTE_MS, 0.0);
        assert!(measures.returns(DAY_MS, HOUR_MS).is_err());
    }

    #[test]
    fn who_was_not_observed_is_not_taken_to_have_stayed_away() {
        let mut measures = measured(Of::ReturnGap, [10, 30]);
        measures.note(Of::CensoredGap, 20);
        measures.note(Of::CensoredGap, 40);
        // Four at the first return, two at the second: three of four, then half of that.
        assert_eq!(measures.still_away(), [(10.0, 0.75), (30.0, 0.375)]);
    }

    #[test]
    fn a_course_has_a_bounded_number_of_points_and_loses_no_peak() {
        let mut course = Course::default();
        for minute in 0..100_000 {
            course.note(minute * MINUTE_MS, if minute == 77_777 { 500 } else { 3 });
        }
        assert!(course.tabs.len() <= COURSE_POINTS);
        assert_eq!(course.tabs.iter().max(), Some(&500));
    }

    #[test]
    fn quantiles_over_people_need_people() {
        assert_eq!(of_people(&[1.0], 0.5), Ok(1.0));
        assert!(of_people(&[1.0, 2.0, 3.0], 0.75).is_err());
        assert_eq!(of_people(&[1.0, 2.0, 3.0, 4.0], 0.75), Ok(3.0));
    }

    proptest! {
        #[test]
        fn a_weibull_distribution_is_found_again(
            shape_percent in 35_u32..150,
            // Long enough that whole milliseconds can tell its values: at the least shape and
            // scale 2 % of them are below half of one, which makes k 1.7 % too high.
            scale_s in 30_u32..600,
        ) {
            let (k, scale_ms) = (f64::from(shape_percent) / 100.0, f64::from(scale_s) * 1e3);
            // Its quantiles stand for values drawn from it.
            let count = 4_000;
            let values = (0..count).map(|index| {
                let above = (f64::from(index) + 0.5) / f64::from(count);
                #[expect(clippy::cast_possible_truncation, reason = "milliseconds far below 2^63")]
                let value = (scale_ms * (-above.ln()).powf(1.0 / k)).round() as i64;
                value
            });
            let fit = measured(Of::PageDwell, values).weibull(Of::PageDwell).unwrap();
            prop_assert!((fit.k / k - 1.0).abs() < 0.03, "{fit:?} of k {k}");
            prop_assert!((fit.scale_ms / scale_ms - 1.0).abs() < 0.03, "{fit:?} of {scale_ms}");
        }

        #[test]
        fn one_person_pooled_is_that_person(gaps in prop::collection::vec(0_i64..1_000_000, 0..50)) {
            let person = measured(Of::ReturnGap, gaps);
            let mut pool = Pool::new();
            pool.add(&person);
            let pooled = (pool.measures().returns(0, HOUR_MS), pool.people());
            prop_assert_eq!(pooled, (person.returns(0, HOUR_MS), 1));
        }
    }
}
