//! A clock that ticks: something is looked at every so often, from the log's beginning on.

use engine::{Projection, World};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The ticks of one policy, by the log's time. What a machine slept through comes as one tick.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Ticks {
    period_ms: i64,
    next_ms: Option<i64>,
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
        }
        late_ms >= 0
    }

    /// When it ticks next.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.next_ms
    }

    /// Adds to the state hash.
    pub(super) fn project(&self, projection: &mut Projection) {
        if let Some(next) = self.next_ms {
            projection.line(format_args!("tick {next}"));
        }
    }
}
