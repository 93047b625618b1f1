//! The table: everything that is known of how people use tabs.

use serde::Serialize;

use super::measures::{Answer, Measures, Of};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS};

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

const SITE_SWITCHES: &str =
    "browsing data of five people, 10 to 35 by person; applications 41 to 59";

/// Everything that is known of how people use tabs, in one table.
///
/// Where a tolerance is not the range that was published it is a quarter to either side for times,
/// and .06 to either side for shares, unless the sources disagree by more. A range between persons
/// is a tolerance of one person, never of many.
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
        about: "tabs open, a person's mean over active time: three people of four have no more",
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
        about: "tabs open, a person's mean over active time: nine people of ten have no more",
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
        about: "tabs open, a person's mean over active time: the mean of people",
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
        tolerance: None,
        of_one: Some((1.0, 17.0)),
        over: Over::People(0.5),
        measure: |it| it.quantile(Of::TabsOpen, 0.5, 1.0),
    },
    Target {
        name: "tabs_open_most",
        unit: "tabs",
        about: "the most tabs open at once: the person in the middle",
        value: Some(12.0),
        published: "12, by person 5 to 42 (Dubroy and Balakrishnan 2010, 21 people with many tabs)",
        mark: Mark::SecondHand,
        tolerance: None,
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
        about: "the most tabs open at once in a week: nine weeks of ten have no more",
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
        about: "tabs closed within 5 minutes, of those closed within 10 h",
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
        about: "tabs closed within 30 minutes, of those closed within 10 h",
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
        about: "tabs closed within an hour, of those closed within 10 h",
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
        about: "tabs closed within 4 hours, of those closed within 10 h",
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
        about: "the sigma of the lognormal distribution fitted to the lives of tabs below 10 h",
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
        about: "the scale of the Weibull distribution fitted to the lives of tabs below 10 h",
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
        about: "from a view to the next of the session: half are no longer",
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
        about: "from a view to the next of the session: nine of ten are no longer",
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
        about: "the shape of the Weibull distribution fitted to the times from a view to the next; \
                below 1: the longer on a page, the less likely to leave",
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
        about: "the scale of the Weibull distribution fitted to the times from a view to the next",
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
        about: "consecutive views of one site: half of the stays are no longer",
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
        about: "consecutive views of one site: nine stays of ten are no longer",
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
        about: "the shape of the Weibull distribution fitted to stays on a site",
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
        about: "the scale of the Weibull distribution fitted to stays on a site",
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
        about: "from the first view to the last and 60 s for that one, no 30 minutes without one \
                between: half of the sessions are no longer",
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
        about: "from the first view to the last, no 30 minutes without one between: nine sessions of \
                ten are no longer",
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
        about: "sites seen in the hour before a view: before half of the views there are no more",
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
        about: "sites seen in the hour before a view: before nine views of ten there are no more",
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
        about: "sites seen in the eight hours before a view: before half of the views there are no more",
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
        about: "sites seen in the eight hours before a view: before nine views of ten there are no more",
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
        about: "departures from a site that are followed by a return within an hour",
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
        about: "departures from a site that are followed by a return within a day",
        value: Some(0.74),
        published: ".74, by person .38 to .91 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.66, 0.82)),
        of_one: Some((0.38, 0.91)),
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
        about: "sites away for an hour that are returned to in the next hour",
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
        about: "sites away for four hours that are returned to in the next hour",
        value: Some(0.024),
        published: ".024, by person .006 to .056 (browsing data of five people)",
        mark: Mark::Computed,
        tolerance: Some((0.010, 0.050)),
        of_one: Some((0.006, 0.056)),
        over: Over::Events,
        measure: |it| it.returns(4 * HOUR_MS, HOUR_MS),
    },
    Target {
        name: "return_24_h_idle_1_h",
        unit: "share",
        about: "sites away for an hour that are returned to in the next day",
        value: Some(0.37),
        published: ".37 (browsing data of five people); applications .51 to .77",
        mark: Mark::Computed,
        tolerance: Some((0.30, 0.50)),
        of_one: Some((0.10, 0.80)),
        over: Over::Events,
        measure: |it| it.returns(HOUR_MS, DAY_MS),
    },
    Target {
        name: "return_24_h_idle_4_h",
        unit: "share",
        about: "sites away for four hours that are returned to in the next day",
        value: Some(0.23),
        published: ".23 (browsing data of five people); applications .40 to .65",
        mark: Mark::Computed,
        tolerance: Some((0.17, 0.36)),
        of_one: Some((0.07, 0.70)),
        over: Over::Events,
        measure: |it| it.returns(4 * HOUR_MS, DAY_MS),
    },
    Target {
        name: "return_24_h_idle_24_h",
        unit: "share",
        about: "sites away for a day that are returned to in the next day",
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
        about: "closes of the tab in front after which the tab that came up was left for one of \
                another site within 5 seconds",
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
        about: "closes of the tab in front after which the tab that came up was left for one of \
                another site within 10 seconds",
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
        about: "from a tab's discard to its reload, of tabs that were reloaded: a quarter take no longer",
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
        about: "from a tab's discard to its reload, of tabs that were reloaded: half take no longer. It \
                says as much of who discards as of the user",
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
        about: "from a tab's discard to its reload, of reloaded tabs that were idle for 10 minutes when \
                they were discarded: half take no longer",
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
        about: "processes of the browser: in half of the samples there are no more; what was published \
                counts renderers alone",
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
        about: "processes of the browser: in 99 samples of 100 there are no more; what was published \
                counts renderers alone",
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
        about: "what a tab was measured to hold: half hold no more",
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
        about: "what one discard was seen to free: half free no more",
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
        about: "what one discard was seen to free, of what the tab was last measured to hold: half free \
                no more",
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A row is also shown without those above it.
    #[test]
    fn what_a_row_is_can_be_read_alone() {
        let abouts: BTreeSet<&str> = TARGETS.iter().map(|target| target.about).collect();
        assert_eq!(abouts.len(), TARGETS.len());
        let leans = |about: &&str| {
            let words = ["the same", "that distribution", "fitted to it"];
            words.iter().any(|words| about.contains(words))
        };
        assert_eq!(abouts.into_iter().find(leans), None);
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
}
