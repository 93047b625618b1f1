//! What is measured: distributions and counts, and what follows from them.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{HOUR_MS, MINUTE_MS, WEEK_MS};

/// The fewest values a distribution is fitted to.
const FEWEST_TO_FIT: u64 = 20;

/// The fewest departures that a point of the curve of returns is made of: with fewer, one of them
/// moves it by more than five points.
pub const FEWEST_AWAY: u64 = 20;

/// Digits that a histogram keeps: an error of one part in a thousand.
const DIGITS: u8 = 3;

/// The largest value that a histogram tells apart: a century in milliseconds, 3 TB.
const LARGEST: u64 = 100 * 366 * 24 * 3_600_000;

/// A value, or why there is none.
pub(super) type Answer = Result<f64, &'static str>;

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
    pub(super) fn needs_tabs(self) -> bool {
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
    pub(super) opens: u64,
    pub(super) closes: u64,
    pub(super) days: u64,
    pub(super) tab_events: u64,
    pub(super) span_ms: i64,
    pub(super) active_ms: i64,
    pub(super) site_switches: u64,
    pub(super) tab_switches: u64,
    pub(super) followed: u64,
    pub(super) threads: u64,
    pub(super) threads_of_one_stay: u64,
    pub(super) closes_in_front: u64,
    /// Whether all tabs were made up from page visits.
    pub(super) only_threads: bool,
}

/// Departures from sites that were away for so long.
struct Departures {
    gap_ms: u64,
    /// How many came back then.
    returned: u64,
    /// How many were observed for as long, those among them.
    observed: u64,
}

impl Departures {
    /// The share of those that were away for so long that are so for longer.
    fn stay_away(&self) -> f64 {
        1.0 - self.returned as f64 / self.observed as f64
    }
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
pub(super) struct Lognormal {
    pub(super) median_ms: f64,
    pub(super) sigma: f64,
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
    pub(super) fn add(&mut self, other: &Self) {
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
    pub(super) fn note(&mut self, of: Of, value: i64) {
        self.histograms[of as usize].saturating_record(u64::try_from(value).unwrap_or(0));
    }

    /// Keeps a number for as long as it held.
    pub(super) fn note_for(&mut self, of: Of, value: usize, ms: i64) {
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

    pub(super) fn needs_tabs(&self) -> Result<&Self, &'static str> {
        if self.only_threads {
            return Err("its tabs are made up from page visits");
        }
        Ok(self)
    }

    pub(super) fn mean(&self, of: Of) -> Answer {
        self.known(of).map(Histogram::mean)
    }

    /// The quantile, in units of so many.
    pub(super) fn quantile(&self, of: Of, quantile: f64, unit: f64) -> Answer {
        let histogram = self.known(of)?;
        let value = histogram.value_at_quantile(quantile);
        Ok(histogram.median_equivalent(value) as f64 / unit)
    }

    pub(super) fn share_up_to(&self, of: Of, value: i64) -> Answer {
        let histogram = self.known(of)?;
        Ok(up_to(histogram, value) as f64 / histogram.len() as f64)
    }

    #[expect(
        clippy::unused_self,
        reason = "rows read as what is asked of the measures"
    )]
    pub(super) fn ratio(&self, count: u64, of: u64, absent: &'static str) -> Answer {
        if of == 0 {
            return Err(absent);
        }
        Ok(count as f64 / of as f64)
    }

    /// The share of departures, idle for so long, that are returned from within the time after: by
    /// Kaplan and Meier's estimate, so that it does not depend on how long the trace is. Known only
    /// where a departure was observed for all of that time, or all came back before.
    pub(super) fn returns(&self, idle_ms: i64, within_ms: i64) -> Answer {
        let until_ms = idle_ms + within_ms;
        let mut away = 1.0;
        for departure in self.departures() {
            let gap_ms = i64::try_from(departure.gap_ms).unwrap_or(i64::MAX);
            if (idle_ms..=until_ms).contains(&gap_ms) {
                away *= departure.stay_away();
            }
        }
        let is_observed = [Of::ReturnGap, Of::CensoredGap].iter().any(|&of| {
            let gaps = &self.histograms[of as usize];
            gaps.len() > up_to(gaps, until_ms - 1)
        });
        let unseen = &self.histograms[Of::CensoredGap as usize];
        let all_came_back = away <= 0.0 && up_to(unseen, until_ms) == up_to(unseen, idle_ms - 1);
        if !is_observed && !all_came_back {
            return Err("no departure was observed for that long");
        }
        Ok(1.0 - away)
    }

    pub(super) fn switches_after_close(&self, within_ms: i64) -> Answer {
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
        for departure in self.departures() {
            away *= departure.stay_away();
            points.push((departure.gap_ms as f64, away));
        }
        points
    }

    /// How likely a site that was away for so long (in milliseconds) is returned to in the next
    /// hour, in steps of a third of the time away, as long as there are [`FEWEST_AWAY`] departures
    /// to tell it by.
    pub fn return_by_idle(&self) -> Vec<(f64, f64)> {
        let away_for = |idle_ms: i64| -> u64 {
            let gaps = [Of::ReturnGap, Of::CensoredGap].map(|of| &self.histograms[of as usize]);
            gaps.map(|gaps| gaps.len() - up_to(gaps, idle_ms - 1))
                .iter()
                .sum()
        };
        let mut points = Vec::new();
        let mut idle_ms = MINUTE_MS;
        while idle_ms <= 4 * WEEK_MS && away_for(idle_ms) >= FEWEST_AWAY {
            if let Ok(share) = self.returns(idle_ms, HOUR_MS) {
                points.push((idle_ms as f64, share));
            }
            idle_ms += idle_ms / 3;
        }
        points
    }

    /// The return gaps, the shortest first.
    fn departures(&self) -> impl Iterator<Item = Departures> {
        let count = |of: Of| self.histograms[of as usize].len();
        let mut left = count(Of::ReturnGap) + count(Of::CensoredGap);
        let mut censored = self.values(Of::CensoredGap).peekable();
        self.values(Of::ReturnGap).map(move |(gap_ms, returned)| {
            while let Some((_, unseen)) = censored.next_if(|&(seen_ms, _)| seen_ms < gap_ms) {
                left -= unseen;
            }
            let observed = left;
            left -= returned;
            Departures {
                gap_ms,
                returned,
                observed,
            }
        })
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

    pub(super) fn lognormal(&self, of: Of) -> Result<Lognormal, &'static str> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::DAY_MS;
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
    fn departures_that_were_not_observed_for_long_enough_count_for_as_long_as_they_were() {
        let mut measures = measured(Of::ReturnGap, [MINUTE_MS, 2 * HOUR_MS]);
        measures.note(Of::CensoredGap, 30 * MINUTE_MS);
        measures.note(Of::CensoredGap, DAY_MS);
        let check = |idle_ms, within_ms, expect: f64| {
            let got = measures.returns(idle_ms, within_ms).unwrap();
            assert!((got - expect).abs() < 1e-9, "{got}, expected {expect}");
        };
        // Four at the first return, two at the second.
        check(0, 10 * MINUTE_MS, 0.25);
        check(0, HOUR_MS, 0.25);
        check(0, 3 * HOUR_MS, 1.0 - 0.75 * 0.5);
        check(HOUR_MS, HOUR_MS, 0.5);
        check(HOUR_MS, 30 * MINUTE_MS, 0.0);
        assert!(measures.returns(DAY_MS, HOUR_MS).is_err());
        // A quick return near the end says nothing of what the rest would have done.
        assert!(measures.returns(HOUR_MS, DAY_MS).is_err());
        let all = measured(Of::ReturnGap, [MINUTE_MS, 2 * HOUR_MS]);
        assert_eq!(all.returns(HOUR_MS, DAY_MS), Ok(1.0), "nobody is left");
        // That the longest gap happens to be a return does not make up for those that were lost.
        let mut short = measured(Of::ReturnGap, [MINUTE_MS, 20 * MINUTE_MS]);
        short.note(Of::CensoredGap, 10 * MINUTE_MS);
        assert!(short.returns(0, HOUR_MS).is_err());
        assert_eq!(short.returns(15 * MINUTE_MS, HOUR_MS), Ok(1.0));
    }

    #[test]
    fn a_handful_of_departures_makes_no_curve() {
        let gaps =
            |minutes: &[i64]| measured(Of::ReturnGap, minutes.iter().map(|it| it * MINUTE_MS));
        assert_eq!(gaps(&[2; 19]).return_by_idle(), []);
        let mut many = gaps(&[2; 20]);
        let until = |measures: &Measures| measures.return_by_idle().last().unwrap().0;
        assert!(until(&many) <= (2 * MINUTE_MS) as f64);
        // One that was away for an hour says nothing of others.
        many.note(Of::ReturnGap, HOUR_MS);
        assert!(until(&many) <= (2 * MINUTE_MS) as f64);
    }

    #[test]
    fn who_was_not_observed_is_not_taken_to_have_stayed_away() {
        let mut measures = measured(Of::ReturnGap, [10, 30]);
        measures.note(Of::CensoredGap, 20);
        measures.note(Of::CensoredGap, 40);
        // Four at the first return, two at the second: three of four, then half of that.
        assert_eq!(measures.still_away(), [(10.0, 0.75), (30.0, 0.375)]);
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
    }
}
