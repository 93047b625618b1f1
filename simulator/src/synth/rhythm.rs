//! When a person uses the browser: sessions by the hour of the day and the day of the week.

use super::draw::Draw;
use super::profile::Rhythm;
use super::rounding::whole_ms;

const MINUTE_MS: f64 = 60_000.0;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Sessions begin by a Poisson process whose rate follows the hours of the week, and which stands
/// still during a session and for the pause after it. Times of day are UTC's.
#[derive(Clone, Debug)]
pub(super) struct Sessions {
    /// Sessions to be expected in each hour of a week, from Monday's first.
    by_hour: Vec<f64>,
    pause_ms: i64,
    median_ms: f64,
    sigma: f64,
    draw: Draw,
}

impl Sessions {
    /// `factor` is how much more often than others of the kind this person uses the browser.
    pub(super) fn new(rhythm: &Rhythm, factor: f64, draw: Draw) -> Self {
        let total: f64 = rhythm.hours.iter().sum();
        let by_hour = rhythm.weekdays.iter().flat_map(|weekday| {
            let a_day = rhythm.sessions_per_day * factor * weekday;
            rhythm.hours.iter().map(move |hour| a_day * hour / total)
        });
        Self {
            by_hour: by_hour.collect(),
            pause_ms: whole_ms(rhythm.pause_minutes * MINUTE_MS),
            median_ms: rhythm.session_minutes * MINUTE_MS,
            sigma: rhythm.session_sigma,
            draw,
        }
    }

    /// Draws when the next session begins; `None` where that is not before `until_ms`.
    pub(super) fn next_start(&mut self, since_ms: i64, until_ms: i64) -> Option<i64> {
        let mut t_ms = since_ms.checked_add(self.pause_ms)?;
        let mut left = self.draw.exponential(1.0);
        while t_ms < until_ms {
            let rate = self.by_hour[hour_of_week(t_ms)];
            let hour_ends_ms = t_ms - t_ms.rem_euclid(HOUR_MS) + HOUR_MS;
            let expected = rate * (hour_ends_ms - t_ms) as f64 / HOUR_MS as f64;
            if expected > left {
                let start_ms = t_ms + whole_ms(left / rate * HOUR_MS as f64);
                return (start_ms < until_ms).then_some(start_ms);
            }
            left -= expected;
            t_ms = hour_ends_ms;
        }
        None
    }

    /// Draws how long a session is, in milliseconds.
    pub(super) fn length_ms(&mut self) -> i64 {
        whole_ms(self.draw.lognormal(self.median_ms, self.sigma))
    }
}

/// The hour of the week, from 0 to 167. The first day of Unix time was a Thursday.
fn hour_of_week(t_ms: i64) -> usize {
    const THURSDAY: i64 = 3;
    let hour = (t_ms + THURSDAY * DAY_MS).rem_euclid(7 * DAY_MS) / HOUR_MS;
    usize::try_from(hour).expect("a remainder of a positive number is not below 0")
}

#[cfg(test)]
mod tests {
    use super::super::profile::Profile;
    use super::*;

    #[test]
    fn sessions_keep_to_the_hours_and_days() {
        let mut rhythm = Profile::named("typical").unwrap().rhythm;
        rhythm.sessions_per_day = 6.0;
        rhythm.hours = vec![0.0; 24];
        rhythm.hours[9..17].fill(1.0);
        rhythm.weekdays = vec![1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0];
        let mut sessions = Sessions::new(&rhythm, 1.0, Draw::new(0, 0));
        // 2026-01-05 was a Monday.
        let from_ms = 1_767_571_200_000;
        let mut t_ms = from_ms;
        let mut count = 0;
        while let Some(start_ms) = sessions.next_start(t_ms, from_ms + 70 * DAY_MS) {
            let hour = (start_ms - from_ms) / HOUR_MS;
            assert!(
                (9..17).contains(&(hour % 24)) && hour / 24 % 7 < 5,
                "{hour}"
            );
            assert!(start_ms - t_ms >= sessions.pause_ms);
            t_ms = start_ms;
            count += 1;
        }
        // Fifty days of six, less what the pauses took.
        assert!((170..300).contains(&count), "{count}");
    }
}
