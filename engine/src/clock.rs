//! The three clocks: all time, time the machine was awake, time the user was there.
//!
//! A night, a lunch or a closed lid must age no tab, so user windows run on the user's time and
//! machine windows on the machine's. Nothing here reads a real clock: time comes with each event.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::{Event, Input, UserState};
use crate::settings::TtlClock;

/// How long after the extension's last event somebody is still taken to be there, where the
/// browser cannot tell idleness: 30 minutes, the gap that ends a session in the browsing data
/// that the defaults were tuned on.
const GAP_MS: i64 = 30 * 60_000;

/// A point in time, on each of the three clocks, in milliseconds.
///
/// All three start at the first event's `t_ms`; from there on each runs at most as fast as the
/// one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The log's time, `t_ms`.
    pub now: i64,
    /// The same less the time the machine slept.
    pub awake: i64,
    /// The same less the time the user was idle or away.
    pub active: i64,
}

impl Moment {
    /// Reads one of the clocks.
    pub fn on(self, clock: TtlClock) -> i64 {
        match clock {
            TtlClock::Wall => self.now,
            TtlClock::Awake => self.awake,
            TtlClock::Active => self.active,
        }
    }

    /// A moment at which all three clocks show the same.
    fn alike(t_ms: i64) -> Self {
        Self {
            now: t_ms,
            awake: t_ms,
            active: t_ms,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.now, self.awake, self.active)
    }
}

/// The clocks' state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Clocks {
    moment: Moment,
    /// What the user does; `None` where the browser cannot tell, and the gap rule holds.
    user: Option<UserState>,
    /// The awake clock at the last event that shows somebody is there.
    last_seen_awake: i64,
    /// The first event's time.
    started_ms: Option<i64>,
}

impl Clocks {
    pub(crate) fn moment(&self) -> Moment {
        self.moment
    }

    pub(crate) fn user(&self) -> Option<UserState> {
        self.user
    }

    pub(crate) fn last_seen_awake(&self) -> i64 {
        self.last_seen_awake
    }

    pub(crate) fn started_ms(&self) -> Option<i64> {
        self.started_ms
    }

    /// The moment at which it was `t_ms`. Before the log all clocks ran alike. Of a moment within
    /// it that the log has not seen only the present is sure not to be too early; so moments
    /// stand in one order, whichever clock they are read on.
    pub(crate) fn moment_of(&self, t_ms: i64) -> Moment {
        if self.started_ms.is_some_and(|started| t_ms < started) {
            Moment::alike(t_ms)
        } else {
            self.moment
        }
    }

    /// Goes on to an event. Returns false if the event's time lies before the last one's.
    pub(crate) fn advance(&mut self, event: &Event) -> bool {
        if self.started_ms.is_none() {
            self.started_ms = Some(event.t_ms);
            self.moment = Moment::alike(event.t_ms);
            self.last_seen_awake = event.t_ms;
        }
        let is_in_order = event.t_ms >= self.moment.now;
        let slept = match event.input {
            Input::Suspended { ms } => i64::try_from(ms).unwrap_or(i64::MAX),
            _ => 0,
        };
        self.go_on(event.t_ms, slept);
        if event.input.shows_presence() {
            self.last_seen_awake = self.moment.awake;
        }
        match &event.input {
            Input::SessionStarted(snapshot) => self.user = snapshot.user,
            Input::UserIdle(state) => self.user = Some(*state),
            _ => {}
        }
        is_in_order
    }

    /// The moment at `t_ms`, if nothing happens until then.
    pub(crate) fn moment_at(&self, t_ms: i64) -> Moment {
        let mut then = self.clone();
        then.pass(t_ms);
        then.moment
    }

    /// Goes on to a time at which nothing happens. The same span in one step or in several comes
    /// to the same.
    pub(crate) fn pass(&mut self, t_ms: i64) {
        if self.started_ms.is_some() {
            self.go_on(t_ms, 0);
        }
    }

    fn go_on(&mut self, t_ms: i64, slept_ms: i64) {
        let Moment { now, awake, active } = self.moment;
        let passed = t_ms.saturating_sub(now).max(0);
        let was_awake = passed - slept_ms.min(passed);
        let was_there = match self.user {
            Some(UserState::Active) => was_awake,
            Some(UserState::Idle | UserState::Locked) => 0,
            None => {
                let until = self.last_seen_awake.saturating_add(GAP_MS);
                until.saturating_sub(awake).clamp(0, was_awake)
            }
        };
        self.moment = Moment {
            now: now.max(t_ms),
            awake: awake.saturating_add(was_awake),
            active: active.saturating_add(was_there),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Seq, Snapshot};

    const MINUTE: i64 = 60_000;

    #[track_caller]
    fn check(steps: &[(i64, Input)], expect: (i64, i64, i64)) {
        let mut clocks = Clocks::default();
        for (minute, input) in steps {
            clocks.advance(&Event {
                seq: Seq(0),
                t_ms: minute * MINUTE,
                input: input.clone(),
            });
        }
        let moment = clocks.moment();
        let found = (
            moment.now / MINUTE,
            moment.awake / MINUTE,
            moment.active / MINUTE,
        );
        assert_eq!(found, expect, "now, awake, active in minutes");
    }

    #[test]
    fn time_passed_in_pieces_is_the_same_time() {
        for user in [None, Some(UserState::Active), Some(UserState::Idle)] {
            let event = |minute: i64, input| Event {
                seq: Seq(0),
                t_ms: minute * MINUTE,
                input,
            };
            let mut at_once = Clocks::default();
            let mut in_pieces = Clocks::default();
            in_pieces.pass(7 * MINUTE);
            for clocks in [&mut at_once, &mut in_pieces] {
                clocks.advance(&event(10, started(user)));
            }
            for minute in [5, 11, 39, 40, 41, 41, 60] {
                in_pieces.pass(minute * MINUTE);
            }
            for clocks in [&mut at_once, &mut in_pieces] {
                clocks.advance(&event(75, idle(UserState::Active)));
                clocks.advance(&event(76, sample()));
            }
            assert_eq!(at_once.moment(), in_pieces.moment(), "{user:?}");
        }
    }

    fn started(user: Option<UserState>) -> Input {
        Input::SessionStarted(Snapshot {
            user,
            ..Snapshot::default()
        })
    }

    fn idle(state: UserState) -> Input {
        Input::UserIdle(state)
    }

    fn slept(minutes: u64) -> Input {
        Input::Suspended {
            ms: minutes * 60_000,
        }
    }

    fn sample() -> Input {
        Input::Metrics(crate::event::Metrics::default())
    }

    #[test]
    fn idle_and_locked_time_does_not_count_as_active() {
        use UserState::{Active, Idle, Locked};
        check(&[(0, started(Some(Active))), (10, sample())], (10, 10, 10));
        check(
            &[
                (0, started(Some(Active))),
                (10, idle(Idle)),
                (15, idle(Locked)),
                (40, idle(Active)),
                (45, sample()),
            ],
            (45, 45, 15),
        );
    }

    #[test]
    fn sleep_during_idle_is_subtracted_once() {
        use UserState::{Active, Idle};
        check(
            &[
                (0, started(Some(Active))),
                (10, idle(Idle)),
                (70, slept(50)),
                (80, idle(Active)),
                (90, sample()),
            ],
            (90, 40, 20),
        );
        check(
            &[(0, started(Some(Active))), (60, slept(50)), (70, sample())],
            (70, 20, 20),
        );
    }

    #[test]
    fn without_idle_detection_a_long_gap_does_not_count() {
        let opened = Input::WindowOpened {
            win: crate::event::WindowId(1),
        };
        check(
            &[(0, started(None)), (20, sample()), (29, sample())],
            (29, 29, 29),
        );
        check(
            &[(0, started(None)), (20, sample()), (100, sample())],
            (100, 100, 30),
        );
        check(
            &[
                (0, started(None)),
                (100, sample()),
                (110, opened.clone()),
                (120, sample()),
            ],
            (120, 120, 40),
        );
        check(
            &[(0, started(None)), (100, slept(90)), (110, opened)],
            (110, 20, 20),
        );
    }

    #[test]
    fn no_leap_is_too_far() {
        let mut clocks = Clocks::default();
        for t_ms in [i64::MIN, i64::MAX] {
            let input = sample();
            clocks.advance(&Event {
                seq: Seq(0),
                t_ms,
                input,
            });
            assert_eq!(clocks.moment().now, t_ms);
        }
    }

    #[test]
    fn time_that_goes_back_stands_still() {
        check(
            &[(10, sample()), (5, sample()), (12, sample())],
            (12, 12, 12),
        );
        check(
            &[(0, started(Some(UserState::Active))), (5, slept(1_000))],
            (5, 0, 0),
        );
    }
}
