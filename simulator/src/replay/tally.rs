//! The sums that a replay comes to, whole numbers all, so that a part of a trace is the difference
//! of two and many traces are a sum.

use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

use super::score::gib_h;

/// What a policy did over a stretch of time, as sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes saved over the active clock, in byte-milliseconds.
    pub saved_byte_ms: u128,
    /// The same while the pressure, had nothing been discarded, was MEDIUM or HIGH.
    pub saved_pressed_byte_ms: u128,
    /// Bytes that could have been saved over the active clock, in byte-milliseconds.
    pub background_byte_ms: u128,
    /// How long the user was there.
    pub active_ms: u64,
    /// How long the machine was awake since its memory was first sampled.
    pub sampled_ms: u64,
    /// How long the pressure was MEDIUM, of that.
    pub medium_ms: u64,
    /// How long it was HIGH.
    pub high_ms: u64,
    /// Discards.
    pub discards: u64,
    /// Discarded tabs that were needed again.
    pub reloads: u64,
    /// Those that were needed within 10 minutes of the user's own time.
    pub early_returns: u64,
    /// Discards that went against a hard guard.
    pub violations: u64,
}

impl Tally {
    /// The same in the units that are told.
    pub fn sums(&self) -> Sums {
        let hours = |ms: u64| ms as f64 / 3_600_000.0;
        let minutes = |ms: u64| (self.sampled_ms > 0).then_some(ms as f64 / 60_000.0);
        Sums {
            saved_gib_h: gib_h(self.saved_byte_ms),
            background_gib_h: gib_h(self.background_byte_ms),
            active_hours: hours(self.active_ms),
            sampled_hours: hours(self.sampled_ms),
            pressure_medium_minutes: minutes(self.medium_ms),
            pressure_high_minutes: minutes(self.high_ms),
            discards: self.discards,
            reloads: self.reloads,
            early_returns: self.early_returns,
            violations: self.violations,
        }
    }

    /// The rates that policies are compared by.
    pub fn rates(&self) -> Rates {
        self.sums().rates()
    }
}

/// What a policy did, as sums in the units that are told: columns of a row of results, of one trace
/// or added up over many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
pub struct Sums {
    /// In GiB·h of the active clock.
    pub saved_gib_h: f64,
    /// What could have been saved, in GiB·h of the active clock.
    pub background_gib_h: f64,
    /// How long the user was there.
    pub active_hours: f64,
    /// How long the machine was awake since its memory was first sampled.
    pub sampled_hours: f64,
    /// Of that, at MEDIUM; absent where memory was never sampled.
    pub pressure_medium_minutes: Option<f64>,
    /// Of that, at HIGH; absent where memory was never sampled.
    pub pressure_high_minutes: Option<f64>,
    /// Discards.
    pub discards: u64,
    /// Discarded tabs that were needed again.
    pub reloads: u64,
    /// Those that were needed within 10 minutes of the user's own time.
    pub early_returns: u64,
    /// Discards that went against a hard guard.
    pub violations: u64,
}

impl Sums {
    /// The rates that policies are compared by.
    pub fn rates(&self) -> Rates {
        let ratio = |part: f64, of: f64| (of > 0.0).then(|| part / of);
        let high_minutes = self.pressure_high_minutes;
        Rates {
            saved_share: ratio(self.saved_gib_h, self.background_gib_h),
            reloads_per_active_hour: ratio(self.reloads as f64, self.active_hours),
            early_return_rate: ratio(self.early_returns as f64, self.discards as f64),
            high_minutes_per_awake_hour: high_minutes.and_then(|it| ratio(it, self.sampled_hours)),
            saved_gib_h: self.saved_gib_h,
            reloads: self.reloads,
            discards: self.discards,
            violations: self.violations,
        }
    }
}

impl Add for Sums {
    type Output = Self;

    /// What is known of one alone is known of both.
    fn add(self, other: Self) -> Self {
        let known = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one + other),
            _ => one.or(other),
        };
        Self {
            saved_gib_h: self.saved_gib_h + other.saved_gib_h,
            background_gib_h: self.background_gib_h + other.background_gib_h,
            active_hours: self.active_hours + other.active_hours,
            sampled_hours: self.sampled_hours + other.sampled_hours,
            pressure_medium_minutes: known(
                self.pressure_medium_minutes,
                other.pressure_medium_minutes,
            ),
            pressure_high_minutes: known(self.pressure_high_minutes, other.pressure_high_minutes),
            discards: self.discards + other.discards,
            reloads: self.reloads + other.reloads,
            early_returns: self.early_returns + other.early_returns,
            violations: self.violations + other.violations,
        }
    }
}

/// What a policy comes to, by shares and hours; absent where there is nothing to divide by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Of the bytes in the background, what was saved.
    pub saved_share: Option<f64>,
    /// Reloads in an hour of the user's time.
    pub reloads_per_active_hour: Option<f64>,
    /// Of the discards, those whose tab was back within 10 minutes of the user's time.
    pub early_return_rate: Option<f64>,
    /// Minutes at HIGH in an hour awake, of those in which the memory was sampled.
    pub high_minutes_per_awake_hour: Option<f64>,
    /// In GiB·h of the active clock.
    pub saved_gib_h: f64,
    /// Discarded tabs that were needed again.
    pub reloads: u64,
    /// Discards.
    pub discards: u64,
    /// Discards that went against a hard guard.
    pub violations: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.with(other, u128::saturating_add, u64::saturating_add)
    }
}

impl Sub for Tally {
    type Output = Self;

    /// What came after an earlier tally of the same replay.
    fn sub(self, earlier: Self) -> Self {
        self.with(earlier, u128::saturating_sub, u64::saturating_sub)
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), Self::add)
    }
}

impl Tally {
    fn with(
        self,
        other: Self,
        wide: impl Fn(u128, u128) -> u128,
        of: impl Fn(u64, u64) -> u64,
    ) -> Self {
        Self {
            saved_byte_ms: wide(self.saved_byte_ms, other.saved_byte_ms),
            saved_pressed_byte_ms: wide(self.saved_pressed_byte_ms, other.saved_pressed_byte_ms),
            background_byte_ms: wide(self.background_byte_ms, other.background_byte_ms),
            active_ms: of(self.active_ms, other.active_ms),
            sampled_ms: of(self.sampled_ms, other.sampled_ms),
            medium_ms: of(self.medium_ms, other.medium_ms),
            high_ms: of(self.high_ms, other.high_ms),
            discards: of(self.discards, other.discards),
            reloads: of(self.reloads, other.reloads),
            early_returns: of(self.early_returns, other.early_returns),
            violations: of(self.violations, other.violations),
        }
    }
}
