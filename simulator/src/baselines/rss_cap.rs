//! `rss-cap`: while the browser holds more than 2 GB, the largest background tab goes.
//!
//! Source: the README of cpprust/tab-memory-manager, which looks every second. A trace has the
//! browser's resident memory now and then: at each reading as many go as the tabs' known bytes say
//! are too many. It names no guard but the foreground.

use std::cmp::Reverse;

use engine::{
    DEFAULT_TAB_BYTES, Event, Input, Output, Policy, Projection, Seq, Tab, TtlClock, World,
};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, idle_ms};

/// The cap, in bytes of resident memory.
const CAP_BYTES: u64 = 2_000_000_000;

/// Keeps the browser below 2 GB.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RssCap {
    asked: Asked,
}

impl RssCap {
    /// Creates the policy.
    pub fn new() -> Self {
        Self::default()
    }

    fn act(&mut self, world: &World, seq: Seq, rss_bytes: u64, outputs: &mut Vec<Output>) {
        let bytes = |tab: &Tab| world.known_bytes(tab).unwrap_or(DEFAULT_TAB_BYTES);
        let mut background: Vec<&Tab> = (world.tabs())
            .filter(|tab| !tab.is_active && !tab.is_discarded && !self.asked.holds(tab))
            .collect();
        background.sort_by_key(|tab| (Reverse(bytes(tab)), tab.id));
        let mut left_bytes = rss_bytes;
        let mut choices = Vec::new();
        for tab in background {
            if left_bytes <= CAP_BYTES {
                break;
            }
            left_bytes = left_bytes.saturating_sub(bytes(tab));
            choices.push(Choice {
                tab: tab.id,
                idle_ms: idle_ms(world, tab, TtlClock::Wall),
                ttl_ms: 0,
                in_focus: false,
            });
        }
        let cause = Cause::memory("rss-cap", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Policy for RssCap {
    fn name(&self) -> &str {
        "rss-cap"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        if let Input::Metrics(metrics) = &event.input
            && let Some(rss_bytes) = metrics.browser_rss
        {
            self.act(world, event.seq, rss_bytes, outputs);
        }
    }

    fn project(&self, projection: &mut Projection) {
        self.asked.project(projection);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "the browser's memory between two readings: it looks every second",
            "the memory of a tab where it was not measured",
        ]
    }
}

#[cfg(test)]
mod tests {
    use engine::{MemorySource, Metrics, TabId};

    use super::super::scene::{MIB, Scene};
    use super::*;

    #[test]
    fn the_largest_go_until_the_rest_fits() {
        let mut scene = Scene::new(RssCap::new(), 5);
        for (id, mib) in [(1, 900), (2, 100), (3, 300), (4, 200)] {
            let tab = TabId(id);
            let bytes = mib * MIB;
            let how = MemorySource::Measured;
            scene.tell(Input::TabMemory { tab, bytes, how });
        }
        let reading = |browser_rss| {
            Input::Metrics(Metrics {
                browser_rss,
                ..Metrics::default()
            })
        };
        scene.tell(reading(None)).tell(reading(Some(CAP_BYTES)));
        assert!(scene.tabs().is_empty());
        scene.tell(reading(Some(CAP_BYTES + 400 * MIB)));
        assert_eq!(scene.tabs(), [3, 4]);
        scene.tell(reading(Some(CAP_BYTES + 101 * MIB)));
        assert_eq!(
            scene.tabs()[2..],
            [2, 5],
            "an unknown tab is taken for 80 MiB"
        );
    }
}
