//! The table: everything that is known of how people use tabs.

use super::measures::Of;
use super::target::{Over, Target, target};
use super::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, WEEK_MS};

const SITE_SWITCHES: &str =
    "browsing data of five people, 10 to 35 by person; applications 41 to 59";

/// Everything that is known of how people use tabs, in one table.
///
/// Where a tolerance is not the range that was published it is a quarter to either side for times,
/// and .06 to either side for shares, unless the sources disagree by more. A range between persons
/// is a tolerance of one person, never of many.
pub const TARGETS: &[Target] = &[
    target("tabs_open_p50", "tabs")
        .about("tabs open, a person's mean over active time: the person in the middle")
        .second_hand(
            2.4,
            "2.4 (Test Pilot 2010, 27,000 users); 3.0 (tab study 2009)",
        )
        .within(1.6, 4.5)
        .over(Over::People(0.5))
        .measured(|it| it.mean(Of::TabsOpen)),
    target("tabs_open_p75", "tabs")
        .about("tabs open, a person's mean over active time: three people of four have no more")
        .second_hand(3.6, "3.6 (Test Pilot 2010); 5.3 (tab study 2009)")
        .within(2.6, 7.0)
        .over(Over::People(0.75))
        .measured(|it| it.mean(Of::TabsOpen)),
    target("tabs_open_p90", "tabs")
        .about("tabs open, a person's mean over active time: nine people of ten have no more")
        .read_off(10.0, "10 (tab study 2009, of those with at most 30)")
        .within(6.0, 16.0)
        .over(Over::People(0.9))
        .measured(|it| it.mean(Of::TabsOpen)),
    target("tabs_open_mean", "tabs")
        .about("tabs open, a person's mean over active time: the mean of people")
        .second_hand(3.2, "3.2 (Test Pilot 2010)")
        .within(2.2, 6.0)
        .over(Over::MeanOfPeople)
        .measured(|it| it.mean(Of::TabsOpen)),
    target("tabs_open_median", "tabs")
        .about("tabs open, a person's median over active time: the person in the middle")
        .second_hand(
            4.0,
            "4, by person 1 to 17 (Dubroy and Balakrishnan 2010, 21 people with many tabs)",
        )
        .one_within(1.0, 17.0)
        .over(Over::People(0.5))
        .measured(|it| it.quantile(Of::TabsOpen, 0.5, 1.0)),
    target("tabs_open_most", "tabs")
        .about("the most tabs open at once: the person in the middle")
        .second_hand(
            12.0,
            "12, by person 5 to 42 (Dubroy and Balakrishnan 2010, 21 people with many tabs)",
        )
        .one_within(5.0, 42.0)
        .over(Over::People(0.5))
        .measured(|it| it.quantile(Of::WeeklyTabs, 1.0, 1.0)),
    target("tabs_weekly_most_p50", "tabs")
        .about("the most tabs open at once in a week: the week in the middle")
        .second_hand(8.0, "8 (Test Pilot 2010); 13 (tab study 2009)")
        .within(6.0, 15.0)
        .one_within(2.0, 42.0)
        .measured(|it| it.quantile(Of::WeeklyTabs, 0.5, 1.0)),
    target("tabs_weekly_most_p90", "tabs")
        .about("the most tabs open at once in a week: nine weeks of ten have no more")
        .read_off(24.0, "24 (tab study 2009, of those with at most 30)")
        .within(16.0, 40.0)
        .measured(|it| it.quantile(Of::WeeklyTabs, 0.9, 1.0)),
    target("tabs_record", "tabs")
        .about("the most tabs that anybody had open")
        .second_hand(1_103.0, "1,103 (Test Pilot 2010, 27,000 users)")
        .measured(|it| it.quantile(Of::WeeklyTabs, 1.0, 1.0)),
    target("one_window", "share")
        .about("active time with no more than one window")
        .second_hand(0.78, ".78 of samples (Test Pilot 2010)")
        .within(0.68, 0.90)
        .one_within(0.0, 1.0)
        .measured(|it| it.share_up_to(Of::WindowsOpen, 1)),
    target("windows_weekly_most_p50", "windows")
        .about("the most windows open at once in a week: the week in the middle")
        .second_hand(3.0, "3 (Test Pilot 2010)")
        .within(2.0, 4.0)
        .one_within(1.0, 6.0)
        .measured(|it| it.quantile(Of::WeeklyWindows, 0.5, 1.0)),
    target("opens_and_closes_per_day", "a day")
        .about("tabs opened and closed on a day with views")
        .second_hand(40.0, "40 a user-day (Test Pilot 2010)")
        .within(28.0, 56.0)
        .one_within(4.0, 400.0)
        .measured(|it| {
            it.needs_tabs()?
                .ratio(it.opens + it.closes, it.days, "no view in it")
        }),
    target("tab_events_per_week", "a week")
        .about("tabs opened, closed, switched, loaded and moved, and events of windows")
        .computed(
            4_345.0,
            "4,345 a user-week (tab study 2009, 939 users), 5,196 on Linux",
        )
        .within(2_200.0, 8_700.0)
        .one_within(400.0, 40_000.0)
        .measured(|it| {
            let weeks = it.needs_tabs()?.span_ms as f64 / WEEK_MS as f64;
            if it.span_ms < DAY_MS {
                return Err("it spans less than a day");
            }
            Ok(it.tab_events as f64 / weeks)
        }),
    target("tab_life_1_min", "share")
        .about("tabs closed within a minute, of those closed within 10 h")
        .read_off(0.38, ".38 (tab study 2009, 200,000 tabs)")
        .within(0.30, 0.46)
        .measured(|it| it.share_up_to(Of::TabLife, MINUTE_MS)),
    target("tab_life_5_min", "share")
        .about("tabs closed within 5 minutes, of those closed within 10 h")
        .read_off(0.71, ".71 (tab study 2009)")
        .within(0.61, 0.81)
        .measured(|it| it.share_up_to(Of::TabLife, 5 * MINUTE_MS)),
    target("tab_life_30_min", "share")
        .about("tabs closed within 30 minutes, of those closed within 10 h")
        .read_off(0.91, ".91 (tab study 2009)")
        .within(0.83, 0.96)
        .measured(|it| it.share_up_to(Of::TabLife, 30 * MINUTE_MS)),
    target("tab_life_1_h", "share")
        .about("tabs closed within an hour, of those closed within 10 h")
        .read_off(0.946, ".946 (tab study 2009)")
        .within(0.88, 0.98)
        .measured(|it| it.share_up_to(Of::TabLife, HOUR_MS)),
    target("tab_life_4_h", "share")
        .about("tabs closed within 4 hours, of those closed within 10 h")
        .read_off(
            0.988,
            ".988 (tab study 2009; its start and end cut long lives off)",
        )
        .within(0.95, 1.0)
        .measured(|it| it.share_up_to(Of::TabLife, 4 * HOUR_MS)),
    target("tab_life_lognormal_median", "min")
        .about("the median of the lognormal distribution fitted to the lives of tabs below 10 h")
        .read_off(1.8, "1.8 (tab study 2009, fitted to the graph)")
        .within(1.2, 2.7)
        .measured(|it| Ok(it.lognormal(Of::TabLife)?.median_ms / MINUTE_MS as f64)),
    target("tab_life_lognormal_sigma", "")
        .about("the sigma of the lognormal distribution fitted to the lives of tabs below 10 h")
        .read_off(2.1, "2.1 (tab study 2009, fitted to the graph)")
        .within(1.6, 2.6)
        .measured(|it| Ok(it.lognormal(Of::TabLife)?.sigma)),
    target("tab_life_weibull_k", "")
        .about("the shape of the Weibull distribution fitted to the lives of tabs below 10 h")
        .read_off(0.42, ".42 (tab study 2009, fitted to the graph)")
        .within(0.34, 0.55)
        .measured(|it| Ok(it.weibull(Of::TabLife)?.k)),
    target("tab_life_weibull_scale", "min")
        .about("the scale of the Weibull distribution fitted to the lives of tabs below 10 h")
        .read_off(4.1, "4.1 (tab study 2009, fitted to the graph)")
        .within(2.7, 6.2)
        .measured(|it| Ok(it.weibull(Of::TabLife)?.scale_ms / MINUTE_MS as f64)),
    target("page_dwell_p50", "s")
        .about("from a view to the next of the session: half are no longer")
        .computed(
            12.8,
            "12.8 (browsing data of five people); 9.4 to 10 (Weinreich 2008)",
        )
        .within(9.4, 16.0)
        .one_within(5.0, 30.0)
        .measured(|it| it.quantile(Of::PageDwell, 0.5, SECOND_MS as f64)),
    target("page_dwell_p90", "s")
        .about("from a view to the next of the session: nine of ten are no longer")
        .computed(
            118.0,
            "118 (browsing data of five people); about 120 (Weinreich 2008)",
        )
        .within(88.0, 148.0)
        .one_within(50.0, 240.0)
        .measured(|it| it.quantile(Of::PageDwell, 0.9, SECOND_MS as f64)),
    target("page_dwell_weibull_k", "")
        .about(
            "the shape of the Weibull distribution fitted to the times from a view to the \
             next; below 1: the longer on a page, the less likely to leave",
        )
        .computed(
            0.61,
            ".61 (browsing data of five people); below 1 (Liu, White and Dumais 2010)",
        )
        .within(0.52, 0.72)
        .one_within(0.45, 0.85)
        .measured(|it| Ok(it.weibull(Of::PageDwell)?.k)),
    target("page_dwell_weibull_scale", "s")
        .about(
            "the scale of the Weibull distribution fitted to the times from a view to the \
             next",
        )
        .computed(34.0, "34 (browsing data of five people)")
        .within(25.0, 43.0)
        .one_within(15.0, 70.0)
        .measured(|it| Ok(it.weibull(Of::PageDwell)?.scale_ms / SECOND_MS as f64)),
    target("site_stay_p50", "s")
        .about("consecutive views of one site: half of the stays are no longer")
        .computed(54.0, "54 (browsing data of five people)")
        .within(40.0, 68.0)
        .one_within(20.0, 120.0)
        .measured(|it| it.quantile(Of::SiteStay, 0.5, SECOND_MS as f64)),
    target("site_stay_p90", "s")
        .about("consecutive views of one site: nine stays of ten are no longer")
        .computed(444.0, "444 (browsing data of five people)")
        .within(333.0, 555.0)
        .one_within(200.0, 900.0)
        .measured(|it| it.quantile(Of::SiteStay, 0.9, SECOND_MS as f64)),
    target("site_stay_weibull_k", "")
        .about("the shape of the Weibull distribution fitted to stays on a site")
        .computed(0.65, ".65 (browsing data of five people)")
        .within(0.55, 0.78)
        .one_within(0.45, 0.95)
        .measured(|it| Ok(it.weibull(Of::SiteStay)?.k)),
    target("site_stay_weibull_scale", "s")
        .about("the scale of the Weibull distribution fitted to stays on a site")
        .computed(114.0, "114 (browsing data of five people)")
        .within(85.0, 143.0)
        .one_within(50.0, 240.0)
        .measured(|it| Ok(it.weibull(Of::SiteStay)?.scale_ms / SECOND_MS as f64)),
    target("site_switches_per_hour", "an hour")
        .about("changes of site in an active hour: the person in the middle")
        .computed(20.0, SITE_SWITCHES)
        .within(10.0, 35.0)
        .one_within(9.0, 59.0)
        .over(Over::People(0.5))
        .measured(|it| {
            let hours = it.active_ms as f64 / HOUR_MS as f64;
            if it.active_ms == 0 {
                return Err("no session in it");
            }
            Ok(it.site_switches as f64 / hours)
        }),
    target("tab_switches", "share")
        .about("views that follow on one of another tab, of those that follow on one")
        .quoted(0.57, "at least .57 of the time (Huang and White 2010)")
        .measured(|it| {
            it.needs_tabs()?
                .ratio(it.tab_switches, it.followed, "no two views in it")
        }),
    target("session_p50", "min")
        .about(
            "from the first view to the last and 60 s for that one, no 30 minutes without one \
             between: half of the sessions are no longer",
        )
        .computed(
            30.0,
            "30 (browsing data of five people); applications 12 to 19",
        )
        .within(22.0, 38.0)
        .one_within(10.0, 90.0)
        .measured(|it| it.quantile(Of::Session, 0.5, MINUTE_MS as f64)),
    target("session_p90", "min")
        .about(
            "from the first view to the last and 60 s for that one, no 30 minutes without one \
             between: nine sessions of ten are no longer",
        )
        .computed(
            144.0,
            "144 (browsing data of five people); applications 86 to 105",
        )
        .within(100.0, 180.0)
        .one_within(40.0, 360.0)
        .measured(|it| it.quantile(Of::Session, 0.9, MINUTE_MS as f64)),
    target("sites_1_h_p50", "sites")
        .about("sites seen in the hour before a view: before half of the views there are no more")
        .computed(9.0, "9 (browsing data of five people); applications 5 to 7")
        .within(6.0, 12.0)
        .one_within(3.0, 18.0)
        .measured(|it| it.quantile(Of::SitesOneHour, 0.5, 1.0)),
    target("sites_1_h_p90", "sites")
        .about("sites seen in the hour before a view: before nine views of ten there are no more")
        .computed(18.0, "18 (browsing data of five people)")
        .within(13.0, 23.0)
        .one_within(6.0, 36.0)
        .measured(|it| it.quantile(Of::SitesOneHour, 0.9, 1.0)),
    target("sites_8_h_p50", "sites")
        .about(
            "sites seen in the eight hours before a view: before half of the views there are \
             no more",
        )
        .computed(24.0, "24 (browsing data of five people)")
        .within(16.0, 32.0)
        .one_within(6.0, 50.0)
        .measured(|it| it.quantile(Of::SitesEightHours, 0.5, 1.0)),
    target("sites_8_h_p90", "sites")
        .about(
            "sites seen in the eight hours before a view: before nine views of ten there are \
             no more",
        )
        .computed(45.0, "45 (browsing data of five people)")
        .within(32.0, 60.0)
        .one_within(12.0, 90.0)
        .measured(|it| it.quantile(Of::SitesEightHours, 0.9, 1.0)),
    target("return_10_min", "share")
        .about("departures from a site that are followed by a return within 10 minutes")
        .computed(
            0.39,
            ".39, by person .25 to .46 (browsing data of five people)",
        )
        .within(0.33, 0.45)
        .one_within(0.25, 0.46)
        .measured(|it| it.returns(0, 10 * MINUTE_MS)),
    target("return_1_h", "share")
        .about("departures from a site that are followed by a return within an hour")
        .computed(
            0.60,
            ".60, by person .30 to .78 (browsing data of five people)",
        )
        .within(0.54, 0.66)
        .one_within(0.30, 0.78)
        .measured(|it| it.returns(0, HOUR_MS)),
    target("return_24_h", "share")
        .about("departures from a site that are followed by a return within a day")
        .computed(
            0.74,
            ".74, by person .38 to .91 (browsing data of five people)",
        )
        .within(0.66, 0.82)
        .one_within(0.38, 0.91)
        .measured(|it| it.returns(0, DAY_MS)),
    target("return_1_h_idle_10_min", "share")
        .about("sites away for 10 minutes that are returned to in the next hour")
        .computed(
            0.37,
            ".37, by person .07 to .62 (browsing data of five people)",
        )
        .within(0.25, 0.45)
        .one_within(0.07, 0.62)
        .measured(|it| it.returns(10 * MINUTE_MS, HOUR_MS)),
    target("return_1_h_idle_1_h", "share")
        .about("sites away for an hour that are returned to in the next hour")
        .computed(
            0.13,
            ".13, by person .03 to .22 (browsing data of five people)",
        )
        .within(0.07, 0.19)
        .one_within(0.03, 0.22)
        .measured(|it| it.returns(HOUR_MS, HOUR_MS)),
    target("return_1_h_idle_4_h", "share")
        .about("sites away for four hours that are returned to in the next hour")
        .computed(
            0.024,
            ".024, by person .006 to .056 (browsing data of five people)",
        )
        .within(0.010, 0.050)
        .one_within(0.006, 0.056)
        .measured(|it| it.returns(4 * HOUR_MS, HOUR_MS)),
    target("return_24_h_idle_1_h", "share")
        .about("sites away for an hour that are returned to in the next day")
        .computed(
            0.37,
            ".37 (browsing data of five people); applications .51 to .77",
        )
        .within(0.30, 0.50)
        .one_within(0.10, 0.80)
        .measured(|it| it.returns(HOUR_MS, DAY_MS)),
    target("return_24_h_idle_4_h", "share")
        .about("sites away for four hours that are returned to in the next day")
        .computed(
            0.23,
            ".23 (browsing data of five people); applications .40 to .65",
        )
        .within(0.17, 0.36)
        .one_within(0.07, 0.70)
        .measured(|it| it.returns(4 * HOUR_MS, DAY_MS)),
    target("return_24_h_idle_24_h", "share")
        .about("sites away for a day that are returned to in the next day")
        .computed(
            0.11,
            ".11 (browsing data of five people); applications .20 to .41",
        )
        .within(0.06, 0.20)
        .one_within(0.03, 0.45)
        .measured(|it| it.returns(DAY_MS, DAY_MS)),
    target("threads_activated_once", "share")
        .about("threads of a site, with 24 h without it between them, that have one stay only")
        .computed(0.67, ".67 (browsing data of five people)")
        .within(0.59, 0.75)
        .one_within(0.50, 0.85)
        .measured(|it| it.ratio(it.threads_of_one_stay, it.threads, "no site in it")),
    target("switch_after_close_1_s", "share")
        .about(
            "closes of the tab in front after which the tab that came up was left for one of \
             another site within a second",
        )
        .read_off(0.05, ".047 (tab study 2009)")
        .within(0.0, 0.12)
        .measured(|it| it.switches_after_close(SECOND_MS)),
    target("switch_after_close_5_s", "share")
        .about(
            "closes of the tab in front after which the tab that came up was left for one of \
             another site within 5 seconds",
        )
        .read_off(0.23, ".230 (tab study 2009)")
        .within(0.14, 0.32)
        .measured(|it| it.switches_after_close(5 * SECOND_MS)),
    target("switch_after_close_10_s", "share")
        .about(
            "closes of the tab in front after which the tab that came up was left for one of \
             another site within 10 seconds",
        )
        .read_off(0.29, ".292 (tab study 2009)")
        .within(0.20, 0.40)
        .measured(|it| it.switches_after_close(10 * SECOND_MS)),
    target("discarded_to_reloaded_p25", "s")
        .about(
            "from a tab's discard to its reload, of tabs that were reloaded: a quarter take no \
             longer",
        )
        .quoted(60.0, "60 (Firefox telemetry, bug 1729911)")
        .measured(|it| it.quantile(Of::DiscardedToReloaded, 0.25, SECOND_MS as f64)),
    target("discarded_to_reloaded_p50", "s")
        .about(
            "from a tab's discard to its reload, of tabs that were reloaded: half take no \
             longer. It says as much of who discards as of the user",
        )
        .quoted(251.0, "251 (Firefox telemetry, bug 1729911)")
        .measured(|it| it.quantile(Of::DiscardedToReloaded, 0.5, SECOND_MS as f64)),
    target("idle_discarded_to_reloaded_p50", "s")
        .about(
            "from a tab's discard to its reload, of reloaded tabs that were idle for 10 \
             minutes when they were discarded: half take no longer",
        )
        .quoted(945.0, "945 (Firefox telemetry, bug 1729911)")
        .measured(|it| it.quantile(Of::IdleDiscardedToReloaded, 0.5, SECOND_MS as f64)),
    target("processes_p50", "processes")
        .about(
            "processes of the browser: in half of the samples there are no more; what was \
             published counts renderers alone",
        )
        .second_hand(6.2, "6.2 renderers (Reis 2019, Chrome 69 on Windows)")
        .measured(|it| it.quantile(Of::Processes, 0.5, 1.0)),
    target("processes_p99", "processes")
        .about(
            "processes of the browser: in 99 samples of 100 there are no more; what was \
             published counts renderers alone",
        )
        .second_hand(52.7, "52.7 renderers (Reis 2019, Chrome 69 on Windows)")
        .measured(|it| it.quantile(Of::Processes, 0.99, 1.0)),
    target("tab_memory_p50", "MB")
        .about("what a tab was measured to hold: half hold no more")
        .quoted(
            100.0,
            "50 (2015); static pages 50 to 80, ordinary 100 to 200, applications 200 to 500 (a \
             vendor's page, weak)",
        )
        .within(50.0, 200.0)
        .one_within(50.0, 500.0)
        .measured(|it| it.quantile(Of::TabBytes, 0.5, 1e6)),
    target("tab_reclaimed_p50", "MB")
        .about("what one discard was seen to free: half free no more")
        .quoted(39.1, "39.1, 46 (Edge, tabs put to sleep)")
        .measured(|it| it.quantile(Of::ReclaimedBytes, 0.5, 1e6)),
    target("tab_reclaimed_share_p50", "share")
        .about(
            "what one discard was seen to free, of what the tab was last measured to hold: \
             half free no more",
        )
        .quoted(0.84, ".83, .85 (Edge, tabs put to sleep)")
        .measured(|it| it.quantile(Of::ReclaimedShare, 0.5, 1e3)),
    target("browser_memory_saved", "share")
        .about("what sleeping tabs take off the browser's memory")
        .quoted(0.26, ".26, the median of about 13,000 devices (Edge)")
        .measured(|_| {
            Err(
                "a trace does not tell what the browser would have held; a replay under a policy \
             does",
            )
        }),
    target("reload_p50", "s")
        .about("how long a discarded tab took to load again")
        .unknown("no distribution is published")
        .measured(|it| it.quantile(Of::Reload, 0.5, SECOND_MS as f64)),
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
            assert!(!target.about.is_empty(), "{}", target.name);
            assert!(!target.published.is_empty(), "{}", target.name);
            if let (Some(value), Some((least, most))) = (target.value, target.tolerance) {
                assert!((least..=most).contains(&value), "{}", target.name);
            }
        }
    }
}
