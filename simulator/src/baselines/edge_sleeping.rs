//! `edge-sleeping`: what Edge discards of its sleeping tabs.
//!
//! Source: the policies `SleepingTabsTimeout` and `AutoDiscardSleepingTabsEnabled`
//! (learn.microsoft.com) and the product's FAQ (techcommunity). A tab falls asleep two hours after
//! it was hidden: it is frozen, which frees no page. After a day and a half asleep it is discarded.
//! Only that is a discard here. Which clock it counts on is not documented: the wall's is taken. A
//! guard puts the end off until it ceases, which is not documented either.

use engine::{Event, Output, Policy, Projection, Seq, Tab, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause};
use super::timers::Timers;

/// `SleepingTabsTimeout`: 7,200 s.
const SLEEPS_AFTER_MS: i64 = 7_200_000;
/// `AutoDiscardSleepingTabsEnabled`: 1.5 days asleep.
const DISCARDS_AFTER_MS: i64 = 36 * 3_600_000;
/// From the moment a tab is hidden to its discard.
const TTL_MS: i64 = SLEEPS_AFTER_MS + DISCARDS_AFTER_MS;

/// Discards what slept for a day and a half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgeSleeping {
    timers: Timers,
    asked: Asked,
}

impl EdgeSleeping {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            timers: Timers::on(TtlClock::Wall),
            asked: Asked::default(),
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let choices = self.timers.take_ripe(world, TTL_MS);
        let cause = Cause::timer("edge-sleeping", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Default for EdgeSleeping {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for EdgeSleeping {
    fn name(&self) -> &str {
        "edge-sleeping"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        self.timers.follow(world, |tab| {
            let may_go = !is_exempt(tab) && !tab.is_discarded && !self.asked.holds(tab);
            may_go.then(|| tab.last_active.now.saturating_add(TTL_MS))
        });
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.timers.project(projection);
        self.asked.project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        self.timers.next_due(world)
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "what a sleeping tab frees before it is discarded",
            "that heavy tabs sleep sooner when memory is short",
            "locks (Web Lock, IndexedDB)",
            "pages that share a process group with another",
            "sites of an intranet",
            "DevTools open on the tab",
            "mirroring, WebUSB",
            "the user's list of sites",
        ]
    }
}

/// Whether a tab stays awake: visible, audible or capturing. Pinned tabs sleep.
fn is_exempt(tab: &Tab) -> bool {
    tab.is_shown() || tab.is_audible || tab.is_capturing
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, Scene};
    use super::*;

    #[test]
    fn a_day_and_a_half_after_it_fell_asleep() {
        let mut scene = Scene::new(EdgeSleeping::new(), 3);
        scene
            .pin(3, true)
            .pass(HOUR)
            .activate(2)
            .activate(1)
            .pass(100 * HOUR);
        assert_eq!(scene.discards(), [(38 * HOUR, 3), (39 * HOUR, 2)]);
    }

    #[test]
    fn a_sound_keeps_it_awake() {
        let mut scene = Scene::new(EdgeSleeping::new(), 2);
        scene.sound(2, true).pass(50 * HOUR);
        assert!(scene.tabs().is_empty());
        scene.sound(2, false);
        assert_eq!(scene.discards(), [(50 * HOUR, 2)]);
    }

    #[test]
    fn what_is_in_sight_does_not_sleep() {
        let mut scene = Scene::new(EdgeSleeping::new(), 2);
        scene.see(2, true).pass(50 * HOUR).see(2, false);
        scene.pass(50 * HOUR);
        assert_eq!(scene.discards(), [(88 * HOUR, 2)]);
    }
}
