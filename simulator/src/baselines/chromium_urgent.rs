//! `chromium-urgent`: Chromium's answer to critical pressure, one tab at a time.
//!
//! Source: `urgent_page_discarding_policy.cc`, `page_discarding_helper.cc` (071de997) and
//! `components/memory_pressure/system_memory_pressure_evaluator_linux.cc`. At each sample with
//! critical pressure one page is discarded, the one hidden the longest. On Windows and macOS the
//! system says what is critical; Chromium has a rule for Linux, used on Chromecast, while desktop
//! Linux has no evaluator at all and never comes to this. The rule stands here for all of them.

use engine::{
    Event, Input, Level, Metrics, Output, Policy, Projection, Reason, Seq, Severity, Tab, World,
};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide};
use super::chromium::{Attempted, HIDDEN_MS, hidden_ms, is_protected};

/// How much memory is available when it is critical, in percent of all.
const CRITICAL_PERCENT: u64 = 15;
/// How often pressure is sampled; every critical sample is told.
const SAMPLE_MS: i64 = 5_000;

/// What holds of every discard of Chromium's, and no trace tells.
const NOT_OBSERVABLE: [&str; 7] = [
    "picture in picture",
    "PDF documents",
    "app windows",
    "the user's list of sites that stay active",
    "casting, Bluetooth and USB",
    "DevTools open on the tab",
    "pages of the browser itself, which it discards and which are not told from files here",
];

/// Discards one tab at each critical sample.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ChromiumUrgent {
    last_sample_awake: Option<i64>,
    attempted: Attempted,
}

impl ChromiumUrgent {
    /// Creates the policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a sample is taken now and is critical.
    fn is_critical(&mut self, world: &World, metrics: &Metrics) -> bool {
        let awake = world.moment().awake;
        let is_early = |last: i64| awake.saturating_sub(last) < SAMPLE_MS;
        if self.last_sample_awake.is_some_and(is_early) {
            return false;
        }
        self.last_sample_awake = Some(awake);
        let (Some(available), Some(total)) = (metrics.free_bytes(), metrics.ram_total) else {
            return false;
        };
        u128::from(available) * 100 <= u128::from(total) * u128::from(CRITICAL_PERCENT)
    }

    fn act(&mut self, world: &World, seq: Seq, reason: Reason, outputs: &mut Vec<Output>) {
        let may_go = |tab: &&Tab| !is_protected(world, tab) && !self.attempted.holds(tab.id);
        let oldest = world
            .tabs()
            .filter(may_go)
            .min_by_key(|tab| (tab.last_active.awake, tab.id));
        let Some(tab) = oldest else { return };
        self.attempted.note(tab.id);
        let choice = Choice {
            tab: tab.id,
            idle_ms: hidden_ms(world, tab),
            ttl_ms: HIDDEN_MS,
            in_focus: false,
        };
        let cause = Cause {
            policy: self.name(),
            seq,
            score: 0,
            level: Level::High,
            reason,
        };
        decide(cause, [choice], outputs);
    }
}

impl Policy for ChromiumUrgent {
    fn name(&self) -> &str {
        "chromium-urgent"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.attempted.follow(world, event);
        match &event.input {
            Input::Metrics(metrics) if self.is_critical(world, metrics) => {
                self.act(world, event.seq, Reason::RamHigh, outputs);
            }
            Input::PressureSignal(Severity::Critical) => {
                self.act(world, event.seq, Reason::OsCritical, outputs);
            }
            _ => {}
        }
    }

    fn project(&self, projection: &mut Projection) {
        if let Some(last) = self.last_sample_awake {
            projection.line(format_args!("sample {last}"));
        }
        self.attempted.project(projection);
    }

    fn not_observable(&self) -> &[&str] {
        &NOT_OBSERVABLE
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn one_tab_a_sample_the_one_hidden_longest() {
        let mut scene = Scene::new(ChromiumUrgent::new(), 4);
        scene.pass(MINUTE).activate(3).pass(MINUTE).activate(1);
        scene.pass(10 * MINUTE).used(84);
        assert!(scene.tabs().is_empty(), "16 % are available");
        scene.pass(5 * SECOND).used(85).pass(SECOND).used(85);
        assert_eq!(scene.tabs(), [2]);
        for _ in 0..4 {
            scene.pass(5 * SECOND).used(99);
        }
        assert_eq!(scene.tabs(), [2, 4, 3]);
    }

    #[test]
    fn ten_minutes_hidden_and_no_guard() {
        let mut scene = Scene::new(ChromiumUrgent::new(), 4);
        scene
            .type_into(2)
            .pin(3, true)
            .pass(10 * MINUTE - 1)
            .used(99);
        assert!(scene.tabs().is_empty());
        scene.pass(5 * SECOND).used(99).pass(5 * SECOND).used(99);
        assert_eq!(scene.tabs(), [4]);
    }

    #[test]
    fn what_the_system_calls_critical_is_critical() {
        let mut scene = Scene::new(ChromiumUrgent::new(), 3);
        scene
            .pass(10 * MINUTE)
            .tell(Input::PressureSignal(Severity::Moderate));
        scene.tell(Input::PressureSignal(Severity::Critical));
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn a_page_in_sight_is_not_hidden() {
        let mut scene = Scene::new(ChromiumUrgent::new(), 2);
        scene.see(2, true).pass(20 * MINUTE).used(99);
        assert!(scene.tabs().is_empty());
        scene.see(2, false).pass(10 * MINUTE).used(99);
        assert_eq!(scene.tabs(), [2]);
    }
}
