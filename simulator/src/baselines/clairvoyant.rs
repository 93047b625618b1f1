//! `clairvoyant`: what somebody would have done who knew how the trace goes on. The bound that no
//! policy beats which keeps our guards.
//!
//! It is no policy that could ever run: what it does is planned beforehand, from the whole trace,
//! by [`Foresight`](crate::replay::Foresight). To carry the plan out as any policy's decisions are
//! gives it every score that the others have.

use std::collections::VecDeque;

use engine::{Event, Output, Policy, Projection, Seq, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide, idle_ms};

/// A discard that is planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Planned {
    /// The last input before it.
    pub seq: Seq,
    /// When it is to be, by the log's time.
    pub t_ms: i64,
    /// The tab, by its id then.
    pub tab: engine::TabId,
}

/// Discards tabs by plan.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clairvoyant {
    plan: VecDeque<Planned>,
}

impl Clairvoyant {
    /// Creates the policy with its plan, in any order.
    pub fn new(plan: impl IntoIterator<Item = Planned>) -> Self {
        let mut plan: Vec<Planned> = plan.into_iter().collect();
        plan.sort_unstable();
        Self { plan: plan.into() }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let now_ms = world.moment().now;
        let mut choices = Vec::new();
        while let Some(planned) = self.plan.front().copied() {
            if (planned.seq, planned.t_ms) > (seq, now_ms) {
                break;
            }
            self.plan.pop_front();
            choices.extend(world.tab(planned.tab).map(|tab| Choice {
                tab: tab.id,
                idle_ms: idle_ms(world, tab, TtlClock::Active),
                ttl_ms: 0,
                in_focus: false,
            }));
        }
        decide(Cause::timer(self.name(), seq), choices, outputs);
    }
}

impl Policy for Clairvoyant {
    fn name(&self) -> &str {
        "clairvoyant"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        for Planned { seq, t_ms, tab } in &self.plan {
            projection.line(format_args!("planned {seq} {t_ms} {tab}"));
        }
    }

    fn next_due(&self, _: &World) -> Option<i64> {
        self.plan.front().map(|planned| planned.t_ms)
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }
}
