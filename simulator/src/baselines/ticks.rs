//! A clock that ticks: something is looked at every so often, from the log's beginning on.
//!
//! A tick at which nothing would be found is not waited for, only counted: a policy that ticks
//! says from when on there is something to find, and costs nothing until then.

use engine::{Projection, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The ticks of one policy, by the log's time. What a machine slept through comes as one tick.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Ticks {
    period_ms: i64,
    next_ms: Option<i64>,
    /// When it ticked last.
    last_ms: Option<i64>,
    count: u64,
}

/// No policy looks more often: a second.
const PERIOD_MIN_MS: i64 = 1_000;

impl Serialize for Ticks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Ticks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ticks = Self::deserialize(deserializer)?;
        if ticks.period_ms < PERIOD_MIN_MS {
            return Err(de::Error::custom(
                "a clock that ticks more than once a second",
            ));
        }
        Ok(ticks)
    }
}

impl Ticks {
    /// Ticks first one period after the first event.
    pub(super) fn every(period_ms: i64) -> Self {
        Self {
            period_ms,
            next_ms: None,
            last_ms: None,
            count: 0,
        }
    }

    /// Counts the ticks up to a time, not included, at which there was nothing to find. One that is
    /// due already stays so.
    pub(super) fn pass(&mut self, world: &World, until_ms: i64) {
        let Some(next) = self.next_ms.filter(|&next| next > world.moment().now) else {
            return;
        };
        let span_ms = until_ms.saturating_sub(next);
        if span_ms > 0 {
            let more = (span_ms - 1) / self.period_ms;
            let last = next.saturating_add(more.saturating_mul(self.period_ms));
            self.next_ms = Some(last.saturating_add(self.period_ms));
            self.last_ms = Some(last);
            self.count = self.count.saturating_add(more.unsigned_abs() + 1);
        }
    }

    /// Whether it ticks now. To be asked at each event and whenever the policy is woken.
    pub(super) fn tick(&mut self, world: &World) -> bool {
        let now = world.moment().now;
        let Some(next) = self.next_ms else {
            self.next_ms = Some(now.saturating_add(self.period_ms));
            return false;
        };
        let late_ms = now.saturating_sub(next);
        if late_ms >= 0 {
            let periods = late_ms / self.period_ms + 1;
            self.next_ms = Some(next.saturating_add(periods.saturating_mul(self.period_ms)));
            self.last_ms = Some(now);
            self.count = self.count.saturating_add(1);
        }
        late_ms >= 0
    }

    /// How often it ticked.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// When it ticked last, by the log's time.
    pub(super) fn last_ms(&self) -> Option<i64> {
        self.last_ms
    }

    /// When it ticks at which there is something to find, if that is there from a time on. A tick
    /// that is due now is one in any case.
    pub(super) fn next_due(&self, world: &World, from_ms: Option<i64>) -> Option<i64> {
        let next = self.next_ms?;
        if next <= world.moment().now {
            return Some(next);
        }
        let wait_ms = from_ms?.saturating_sub(next).max(0);
        let periods = wait_ms / self.period_ms + i64::from(wait_ms % self.period_ms > 0);
        Some(next.saturating_add(periods.saturating_mul(self.period_ms)))
    }

    /// The same, if there is something to find from the tick on that has this number, from 1.
    pub(super) fn next_due_at(&self, world: &World, number: Option<i64>) -> Option<i64> {
        let count = i64::try_from(self.count).unwrap_or(i64::MAX);
        let from_ms = self.next_ms.zip(number).map(|(next, number)| {
            let periods = number.saturating_sub(count).saturating_sub(1).max(0);
            next.saturating_add(periods.saturating_mul(self.period_ms))
        });
        self.next_due(world, from_ms)
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        if let Some(next) = self.next_ms {
            projection.line(format_args!("tick {next}"));
        }
    }
}
