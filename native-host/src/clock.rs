//! The log's time: the wall clock when the trace was opened, plus the time since the machine
//! booted, which runs through sleep.
//!
//! Three clocks of the machine are read together. The wall clock can be set, and moves nothing;
//! boot time tells how much time passed; the awake clock stands still while the machine sleeps,
//! so that the difference of the two is the time it slept.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use recorder::{Body, ClockStepped, Suspended};

/// The wall clock counts as set when it moved this much against the log's time. Less is the slow
/// correction that every machine makes.
const STEP_MS: u64 = 1_000;

/// The machine counts as having slept when boot time went on for this much more than the awake
/// clock.
const SLEEP_MS: i64 = 1_000;

/// The three clocks at one moment, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Unix time, as the machine has it now.
    pub wall_ms: i64,
    /// Since the machine booted; runs through sleep.
    pub boot_ms: i64,
    /// Since some moment before the host started; stands still in sleep.
    pub awake_ms: i64,
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct MachineClock {
    started: Instant,
}

impl MachineClock {
    /// Begins to count awake time.
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }

    /// Reads all three.
    pub fn read(&self) -> Reading {
        Reading {
            // A clock that was set to before 1970 is as good as one that stands at 1970.
            wall_ms: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, whole_ms),
            boot_ms: boot_ms(),
            // The standard library's clock stands still in sleep on Linux and macOS alike.
            awake_ms: whole_ms(self.started.elapsed()),
        }
    }
}

fn boot_ms() -> i64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(target_os = "linux")]
    let clock = ClockId::Boottime;
    // macOS counts sleep in this one.
    #[cfg(not(target_os = "linux"))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000)
        .saturating_add(time.tv_nsec / 1_000_000)
}

fn whole_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The clock of one trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceClock {
    /// `t_ms` less boot time.
    base_ms: i64,
    /// The wall clock less `t_ms`, as the log has it.
    offset_ms: i64,
    /// Boot time less awake time when it was last looked at.
    asleep_ms: i64,
}

impl TraceClock {
    /// Starts the clock of a new trace: `t_ms` is the wall clock.
    pub fn open(now: Reading) -> Self {
        Self {
            base_ms: now.wall_ms - now.boot_ms,
            offset_ms: 0,
            asleep_ms: now.boot_ms - now.awake_ms,
        }
    }

    /// Goes on with a trace, which ended at `last_t_ms` and has the wall clock ahead of it by
    /// `offset_ms`. A wall clock that was set back meanwhile does not take the log back, and one
    /// that was set ahead takes it on by no more than the machine is up: a trace is gone on with
    /// only in the browser session that began it.
    pub fn resume(last_t_ms: i64, offset_ms: i64, now: Reading) -> Self {
        let latest_ms = last_t_ms.saturating_add(now.boot_ms);
        let t_ms = now.wall_ms.saturating_sub(offset_ms);
        let t_ms = t_ms.clamp(last_t_ms, latest_ms);
        Self {
            base_ms: t_ms.saturating_sub(now.boot_ms),
            offset_ms,
            asleep_ms: now.boot_ms - now.awake_ms,
        }
    }

    /// The log's time.
    pub fn t_ms(&self, now: Reading) -> i64 {
        self.base_ms.saturating_add(now.boot_ms)
    }

    /// The log's time of a moment that the wall clock tells.
    pub fn t_ms_of_wall(&self, wall_ms: i64) -> i64 {
        wall_ms.saturating_sub(self.offset_ms)
    }

    /// What the wall clock shows at a moment of the log's time.
    pub fn wall_of_t_ms(&self, t_ms: i64) -> i64 {
        t_ms.saturating_add(self.offset_ms)
    }

    /// Looks whether the machine slept or the wall clock was set since it last looked, and returns
    /// the first of it. It has to be logged before anything else, and then there may be more.
    pub fn look(&mut self, now: Reading) -> Option<Body> {
        let asleep_ms = now.boot_ms - now.awake_ms;
        let slept_ms = asleep_ms - self.asleep_ms;
        if slept_ms >= SLEEP_MS {
            self.asleep_ms = asleep_ms;
            return Some(Body::Suspended(Suspended {
                ms: slept_ms.unsigned_abs(),
            }));
        }
        let offset_ms = now.wall_ms.saturating_sub(self.t_ms(now));
        if offset_ms.abs_diff(self.offset_ms) >= STEP_MS {
            self.offset_ms = offset_ms;
            return Some(Body::ClockStepped(ClockStepped { by_ms: offset_ms }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Reading = Reading {
        wall_ms: 1_000_000,
        boot_ms: 50_000,
        awake_ms: 48_000,
    };

    fn later(ms: i64) -> Reading {
        Reading {
            wall_ms: START.wall_ms + ms,
            boot_ms: START.boot_ms + ms,
            awake_ms: START.awake_ms + ms,
        }
    }

    #[test]
    fn a_night_is_slept_once() {
        let mut clock = TraceClock::open(START);
        assert_eq!(clock.look(later(999)), None);
        let morning = Reading {
            awake_ms: START.awake_ms + 1_000,
            ..later(28_801_000)
        };
        let slept = Body::Suspended(Suspended { ms: 28_800_000 });
        assert_eq!(clock.look(morning), Some(slept));
        assert_eq!(clock.t_ms(morning), 1_000_000 + 28_801_000);
        assert_eq!(clock.look(morning), None);

        // Set while it slept: both are told, the sleep first.
        let set = Reading {
            wall_ms: 0,
            boot_ms: morning.boot_ms + 5_000,
            ..morning
        };
        assert!(matches!(
            clock.look(set),
            Some(Body::Suspended(Suspended { ms: 5_000 }))
        ));
        assert!(matches!(clock.look(set), Some(Body::ClockStepped(_))));
        assert_eq!(clock.look(set), None);
    }

    #[test]
    fn a_wall_clock_that_is_set_moves_nothing_and_is_told_with_its_new_offset() {
        let mut clock = TraceClock::open(START);
        let stepped = |by_ms| Some(Body::ClockStepped(ClockStepped { by_ms }));
        let set = |ms, by| Reading {
            wall_ms: later(ms).wall_ms + by,
            ..later(ms)
        };
        assert_eq!(clock.look(set(10, 999)), None);
        assert_eq!(clock.look(set(20, -3_600_000)), stepped(-3_600_000));
        assert_eq!(clock.t_ms(set(20, -3_600_000)), 1_000_020);
        assert_eq!(clock.t_ms_of_wall(set(15, -3_600_000).wall_ms), 1_000_015);
        assert_eq!(clock.wall_of_t_ms(1_000_015), set(15, -3_600_000).wall_ms);
        assert_eq!(clock.look(set(30, -3_599_500)), None);
        assert_eq!(clock.look(set(40, 0)), stepped(0));
    }

    #[test]
    fn a_resumed_clock_goes_on_and_never_back() {
        #[track_caller]
        fn check(last_t_ms: i64, offset_ms: i64, expect_t_ms: i64, expect: Option<i64>) {
            let mut clock = TraceClock::resume(last_t_ms, offset_ms, START);
            assert_eq!(clock.t_ms(START), expect_t_ms);
            let step = expect.map(|by_ms| Body::ClockStepped(ClockStepped { by_ms }));
            assert_eq!(clock.look(START), step);
        }
        check(990_000, 0, 1_000_000, None);
        check(990_000, -5_000, 1_005_000, None);
        // Set back by an hour while no host ran.
        check(
            1_000_000 + 3_600_000,
            0,
            1_000_000 + 3_600_000,
            Some(-3_600_000),
        );
        // A little behind: within what a machine corrects slowly.
        check(1_000_500, 0, 1_000_500, None);
        // Set ahead by a year while no host ran: the machine has been up for 50 s.
        const YEAR_MS: i64 = 365 * 86_400_000;
        let last_t_ms = START.wall_ms - 1_000 - YEAR_MS;
        check(last_t_ms, 0, last_t_ms + 50_000, Some(YEAR_MS - 49_000));
        // What only a log says that somebody wrote by hand.
        check(i64::MAX, 0, i64::MAX, Some(1_000_000 - i64::MAX));
        check(990_000, i64::MIN, 1_040_000, Some(-40_000));
    }

    #[test]
    fn the_machine_clocks_run() {
        let clock = MachineClock::start();
        let (first, second) = (clock.read(), clock.read());
        assert!(first.wall_ms > 1_700_000_000_000);
        assert!(second.boot_ms >= first.boot_ms && first.boot_ms > 0);
        assert!(second.awake_ms >= first.awake_ms);
    }
}
