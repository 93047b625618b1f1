//! Pressure: how badly memory is wanted, as a score, a level and reasons.
//!
//! Memory dominates, the processor modifies, the battery adds a small bias. Stall time (PSI) and
//! the operating system's own signals can only raise the level.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::event::{Level, Metrics, Reason, Severity};
use crate::projection::{Projection, known};
use crate::settings::Pressure;

/// How long a signal of the operating system holds: 30 s of the awake clock.
const SIGNAL_MS: i64 = 30_000;

/// Over how long the growth of swap is measured: a minute of the awake clock.
const SWAP_WINDOW_MS: i64 = 60_000;

/// The pressure after the last sample or signal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PressureState {
    /// The score: 0 to 100.
    pub score: u8,
    /// The level, raised by stall time and signals where they say so.
    pub level: Level,
    /// Why, in the order of declaration.
    pub reasons: Vec<Reason>,
    /// The level that the score alone gives, with hysteresis.
    score_level: Level,
    /// Until when a signal holds, on the awake clock.
    moderate_until: Option<i64>,
    critical_until: Option<i64>,
    /// Use of swap over the last minute, kept as rising minima: the first is the least.
    swap: VecDeque<(i64, u64)>,
}

impl PressureState {
    /// Notes a signal of the operating system. Each holds for its own time: a moderate one does
    /// not prolong a critical one.
    pub fn signal(&mut self, severity: Severity, at: Moment) {
        let until = match severity {
            Severity::Moderate => &mut self.moderate_until,
            Severity::Critical => &mut self.critical_until,
        };
        *until = Some(at.awake.saturating_add(SIGNAL_MS));
    }

    /// Notes the use of swap.
    pub fn sample(&mut self, metrics: &Metrics, at: Moment) {
        let oldest = at.awake.saturating_sub(SWAP_WINDOW_MS);
        while self.swap.front().is_some_and(|&(when, _)| when < oldest) {
            self.swap.pop_front();
        }
        if let Some(used) = metrics.swap_used {
            if let Some((when, before)) = self.swap.back_mut()
                && *before == used
            {
                *when = at.awake;
                return;
            }
            while self.swap.back().is_some_and(|&(_, before)| before >= used) {
                self.swap.pop_back();
            }
            self.swap.push_back((at.awake, used));
        }
    }

    /// Works score, level and reasons out anew.
    pub fn evaluate(&mut self, metrics: &Metrics, at: Moment, settings: &Pressure) {
        let ram = Ram::of(metrics);
        self.score = score(ram, metrics, settings);
        self.score_level = self.level_of_score(settings);
        self.level = self.score_level;
        self.reasons.clear();

        let Pressure {
            ram_high_free_percent: high_free,
            ram_high_used_percent: high_used,
            ram_elevated_free_percent: elevated_free,
            ram_elevated_used_percent: elevated_used,
            ..
        } = *settings;
        if ram.is_beyond(high_used, high_free) {
            self.raise(Level::High, Reason::RamHigh);
        } else if ram.is_beyond(elevated_used, elevated_free) {
            self.raise(Level::Low, Reason::RamElevated);
        }
        let cpu = metrics.cpu.unwrap_or(0.0);
        if cpu > settings.cpu_high_percent {
            self.raise(Level::Low, Reason::CpuHigh);
        } else if cpu > settings.cpu_elevated_percent {
            self.raise(Level::Low, Reason::CpuElevated);
        }
        if metrics.on_battery == Some(true) {
            self.raise(Level::Low, Reason::OnBattery);
        }
        if metrics
            .psi_some_avg10
            .is_some_and(|some| some >= settings.psi_elevated_percent)
        {
            self.raise(Level::Medium, Reason::PsiElevated);
        }
        if metrics
            .psi_full_avg10
            .is_some_and(|full| full >= settings.psi_high_percent)
        {
            self.raise(Level::High, Reason::PsiHigh);
        }
        if self.is_swapping(metrics, settings) {
            self.raise(Level::Low, Reason::Swapping);
        }
        for until in [&mut self.moderate_until, &mut self.critical_until] {
            *until = until.filter(|&until| until > at.awake);
        }
        if self.critical_until.is_some() {
            self.raise(Level::High, Reason::OsCritical);
        } else if self.moderate_until.is_some() {
            self.raise(Level::Medium, Reason::OsModerate);
        }
    }

    /// Writes down what the state hash covers.
    pub(crate) fn project(&self, projection: &mut Projection) {
        projection.line(format_args!(
            "pressure {} {} {} {:?}",
            self.score, self.level, self.score_level, self.reasons
        ));
        projection.line(format_args!(
            "signal {} {}",
            known(self.moderate_until),
            known(self.critical_until)
        ));
        projection.line(format_args!("swap {:?}", self.swap));
    }

    fn raise(&mut self, level: Level, reason: Reason) {
        self.level = self.level.max(level);
        self.reasons.push(reason);
    }

    /// A level is entered at its threshold and left when the score is a good deal below it.
    fn level_of_score(&self, settings: &Pressure) -> Level {
        let holds = |level: Level, threshold: u8| {
            self.score >= threshold
                || (self.score_level >= level
                    && self.score > threshold.saturating_sub(settings.hysteresis))
        };
        if holds(Level::High, settings.high_score) {
            Level::High
        } else if holds(Level::Medium, settings.medium_score) {
            Level::Medium
        } else {
            Level::Low
        }
    }

    fn is_swapping(&self, metrics: &Metrics, settings: &Pressure) -> bool {
        // One is not more than itself.
        if self.swap.len() < 2 {
            return false;
        }
        let (Some(&(_, least)), Some(&(_, latest)), Some(total)) =
            (self.swap.front(), self.swap.back(), metrics.ram_total)
        else {
            return false;
        };
        latest > least && as_f64(latest - least) > as_f64(total) * settings.swapping_percent / 100.0
    }
}

/// Memory in use and free, in percent, where known.
#[derive(Clone, Copy)]
struct Ram {
    used: Option<f64>,
    free: Option<f64>,
}

impl Ram {
    fn of(metrics: &Metrics) -> Self {
        let Some(total) = metrics.ram_total.filter(|&total| total > 0) else {
            return Self {
                used: None,
                free: None,
            };
        };
        let percent = |bytes: u64| 100.0 * as_f64(bytes) / as_f64(total);
        Self {
            used: metrics.ram_used.map(percent),
            free: metrics.free_bytes().map(percent),
        }
    }

    fn is_beyond(self, used_percent: f64, free_percent: f64) -> bool {
        self.used.is_some_and(|used| used > used_percent)
            || self.free.is_some_and(|free| free < free_percent)
    }
}

fn score(ram: Ram, metrics: &Metrics, settings: &Pressure) -> u8 {
    let share = |value: f64, from: f64, full: f64| {
        let (beyond, whole) = (value - from, full - from);
        // Mostly nothing is short, and a division takes longest of all that is done here.
        if beyond * whole < 0.0 {
            0.0
        } else {
            (beyond / whole).clamp(0.0, 1.0)
        }
    };
    let used = ram.used.map_or(0.0, |used| {
        share(used, settings.used_from_percent, settings.used_full_percent)
    });
    let free = ram.free.map_or(0.0, |free| {
        share(free, settings.free_from_percent, settings.free_full_percent)
    });
    let cpu = metrics.cpu.map_or(0.0, |cpu| {
        share(cpu, settings.cpu_from_percent, settings.cpu_full_percent)
    });
    let ram_points = points(settings.ram_weight, used.max(free));
    let cpu_points = points(settings.cpu_weight, cpu);
    let battery_points = if metrics.on_battery == Some(true) {
        settings.battery_weight
    } else {
        0
    };
    ram_points
        .saturating_add(cpu_points)
        .saturating_add(battery_points)
        .min(100)
}

/// A share of a weight, rounded half up. `f64::round` is a call on processors that may lack it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a weight is at most 100 and a share lies between 0 and 1, NaN becomes 0"
)]
fn points(weight: u8, share: f64) -> u8 {
    if share <= 0.0 {
        return 0;
    }
    let exact = f64::from(weight) * share;
    let whole = exact as u8;
    whole + u8::from(exact - f64::from(whole) >= 0.5)
}

/// Bytes as a float, for shares. Beyond 2^53 bytes the last digits are lost, the same everywhere.
pub(crate) fn as_f64(bytes: u64) -> f64 {
    // Processors have one instruction for numbers with a sign, and need several for others.
    i64::try_from(bytes).map_or(bytes as f64, |bytes| bytes as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn sample(used_percent: f64, cpu: f64) -> Metrics {
        let total = 100 * GIB;
        let used = (0..1_000)
            .filter(|&step| f64::from(step) < 10.0 * used_percent)
            .count();
        let used = used as u64 * (total / 1_000);
        Metrics {
            ram_total: Some(total),
            ram_used: Some(used),
            ram_available: Some(total - used),
            cpu: Some(cpu),
            ..Metrics::default()
        }
    }

    fn at(second: i64) -> Moment {
        Moment {
            now: second * 1_000,
            awake: second * 1_000,
            active: second * 1_000,
        }
    }

    /// Takes samples five seconds apart; returns score, level and reasons after the last.
    fn after(samples: &[Metrics]) -> (u8, Level, Vec<Reason>) {
        let mut state = PressureState::default();
        for (index, metrics) in samples.iter().enumerate() {
            let at = at(5 * index as i64);
            state.sample(metrics, at);
            state.evaluate(metrics, at, &Pressure::default());
        }
        (state.score, state.level, state.reasons)
    }

    #[test]
    fn points_are_rounded_as_floats_are() {
        for weight in 0..=100 {
            for step in 0..=10_000 {
                let share = f64::from(step) / 10_000.0;
                let rounded = (f64::from(weight) * share).round();
                let difference = f64::from(points(weight, share)) - rounded;
                assert!(difference.abs() < 0.5, "{weight} × {share}");
            }
        }
        assert_eq!(points(1, 0.499_999_999_999_999_94), 0);
        assert_eq!(points(100, f64::NAN), 0);
    }

    #[test]
    fn memory_dominates_and_the_rest_modifies() {
        use Reason::{CpuElevated, CpuHigh, OnBattery, RamElevated, RamHigh};
        let on_battery = |metrics| Metrics {
            on_battery: Some(true),
            ..metrics
        };
        for (metrics, score, level, reasons) in [
            (sample(50.0, 0.0), 0, Level::Low, vec![]),
            (sample(80.0, 0.0), 28, Level::Low, vec![]),
            (sample(87.5, 0.0), 49, Level::Low, vec![RamElevated]),
            (sample(88.0, 0.0), 50, Level::Medium, vec![RamElevated]),
            (sample(50.0, 100.0), 20, Level::Low, vec![CpuHigh]),
            (
                on_battery(sample(87.0, 80.0)),
                73,
                Level::Medium,
                vec![RamElevated, CpuElevated, OnBattery],
            ),
            (
                on_battery(sample(88.0, 82.0)),
                75,
                Level::High,
                vec![RamElevated, CpuElevated, OnBattery],
            ),
            (sample(94.0, 0.0), 67, Level::High, vec![RamHigh]),
            (
                on_battery(sample(100.0, 100.0)),
                100,
                Level::High,
                vec![RamHigh, CpuHigh, OnBattery],
            ),
        ] {
            assert_eq!(after(&[metrics]), (score, level, reasons), "{metrics:?}");
        }
    }

    #[test]
    fn free_memory_counts_where_little_is_used() {
        // Much in caches that cannot be given back: little is available though little is used.
        let metrics = Metrics {
            ram_available: Some(10 * GIB),
            ..sample(60.0, 0.0)
        };
        assert_eq!(
            after(&[metrics]),
            (47, Level::Low, vec![Reason::RamElevated])
        );
        let unknown = Metrics {
            ram_available: None,
            ..sample(90.0, 0.0)
        };
        assert_eq!(after(&[unknown]).0, after(&[sample(90.0, 0.0)]).0);
    }

    #[test]
    fn a_level_is_left_below_its_threshold_only() {
        let medium = sample(88.0, 0.0);
        assert_eq!(
            after(&[medium, sample(86.5, 0.0)]).1,
            Level::Medium,
            "46 is not yet 5 below"
        );
        assert_eq!(after(&[medium, sample(86.0, 0.0)]).1, Level::Low, "45 is");
        let high = Metrics {
            on_battery: Some(true),
            ..sample(88.0, 82.0)
        };
        assert_eq!(after(&[high, sample(86.5, 0.0)]).1, Level::Medium);
    }

    #[test]
    fn stall_time_and_signals_only_raise() {
        let psi = |some, full| Metrics {
            psi_some_avg10: Some(some),
            psi_full_avg10: Some(full),
            ..sample(50.0, 0.0)
        };
        assert_eq!(after(&[psi(9.9, 9.9)]), (0, Level::Low, vec![]));
        assert_eq!(
            after(&[psi(10.0, 0.0)]),
            (0, Level::Medium, vec![Reason::PsiElevated])
        );
        let both = vec![Reason::PsiElevated, Reason::PsiHigh];
        assert_eq!(after(&[psi(40.0, 10.0)]), (0, Level::High, both));

        let mut state = PressureState::default();
        let calm = sample(50.0, 0.0);
        let mut level_at = |second, signal: Option<Severity>| {
            if let Some(severity) = signal {
                state.signal(severity, at(second));
            }
            state.evaluate(&calm, at(second), &Pressure::default());
            state.level
        };
        assert_eq!(level_at(0, Some(Severity::Critical)), Level::High);
        assert_eq!(
            level_at(10, Some(Severity::Moderate)),
            Level::High,
            "the severe one still holds"
        );
        assert_eq!(level_at(29, None), Level::High);
        assert_eq!(level_at(30, None), Level::Medium, "it is over");
        assert_eq!(level_at(39, None), Level::Medium);
        assert_eq!(level_at(40, None), Level::Low);
        assert_eq!(level_at(41, Some(Severity::Moderate)), Level::Medium);
    }

    #[test]
    fn swapping_is_growth_within_a_minute() {
        let swap = |used| Metrics {
            swap_used: Some(used),
            ..sample(50.0, 0.0)
        };
        assert_eq!(after(&[swap(50 * GIB), swap(51 * GIB)]).2, vec![]);
        assert_eq!(
            after(&[swap(50 * GIB), swap(52 * GIB)]).2,
            vec![Reason::Swapping]
        );
        assert_eq!(
            after(&[swap(50 * GIB), swap(10 * GIB), swap(12 * GIB)]).2,
            vec![Reason::Swapping]
        );
        let mut slow: Vec<_> = (0..30).map(|step| swap(step * GIB / 20)).collect();
        assert_eq!(after(&slow).2, vec![]);
        slow.push(swap(5 * GIB));
        assert_eq!(after(&slow).2, vec![Reason::Swapping]);
    }

    #[test]
    fn a_sample_without_numbers_is_calm() {
        assert_eq!(after(&[Metrics::default()]), (0, Level::Low, vec![]));
        let nonsense = Metrics {
            ram_total: Some(0),
            ram_used: Some(5),
            ..Metrics::default()
        };
        assert_eq!(after(&[nonsense]), (0, Level::Low, vec![]));
    }
}
