//! `ttl-N`: a blind timer. A tab that was not in front for N minutes of the wall clock goes.
//!
//! The simplest rule there is, and what most extensions come down to: no pressure, no ranking, and
//! a lunch ages every tab. Its guards are the three that nearly every peer has: active, pinned and
//! audible. A guard that holds when the time is up only puts the discard off.

use engine::{Event, Output, Policy, Projection, Seq, Tab, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause};
use super::timers::Timers;

/// Discards tabs by age.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ttl {
    name: String,
    ttl_ms: i64,
    timers: Timers,
    asked: Asked,
}

impl Ttl {
    /// Creates the policy with its TTL in minutes.
    pub fn new(minutes: u16) -> Self {
        Self {
            name: format!("ttl-{minutes}"),
            ttl_ms: i64::from(minutes) * 60_000,
            timers: Timers::on(TtlClock::Wall),
            asked: Asked::default(),
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let choices = self.timers.take_ripe(world, self.ttl_ms);
        let cause = Cause::timer(&self.name, seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Policy for Ttl {
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        self.timers.follow(world, |tab| {
            let may_go = !is_guarded(tab) && !self.asked.holds(tab);
            may_go.then(|| tab.last_active.now.saturating_add(self.ttl_ms))
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
}

/// Whether a tab may not go: it is in front, pinned or audible, or gone already.
pub(super) fn is_guarded(tab: &Tab) -> bool {
    tab.is_active || tab.is_pinned || tab.is_audible || tab.is_discarded
}

#[cfg(test)]
mod tests {
    use super::super::scene::{MINUTE, Scene};
    use super::*;

    #[test]
    fn a_tab_goes_when_its_time_is_up_though_nothing_happens() {
        let mut scene = Scene::new(Ttl::new(15), 3);
        scene.pass(MINUTE).activate(2).pass(15 * MINUTE - 1);
        assert_eq!(scene.discards(), [(15 * MINUTE, 3)]);
        scene.pass(1);
        assert_eq!(scene.discards(), [(15 * MINUTE, 3), (16 * MINUTE, 1)]);
    }

    #[test]
    fn a_guard_puts_it_off_until_it_ends() {
        let mut scene = Scene::new(Ttl::new(15), 4);
        scene.pin(2, true).sound(3, true).pass(20 * MINUTE);
        assert_eq!(scene.discards(), [(15 * MINUTE, 4)]);
        scene.pin(2, false).pass(MINUTE).sound(3, false);
        assert_eq!(scene.discards()[1..], [(20 * MINUTE, 2), (21 * MINUTE, 3)]);
    }

    #[test]
    fn a_refused_tab_is_asked_for_again_after_it_was_in_front() {
        let mut scene = Scene::new(Ttl::new(15), 2);
        scene.refuse = true;
        scene.pass(60 * MINUTE);
        assert_eq!(scene.discards(), [(15 * MINUTE, 2)]);
        scene.activate(2).activate(1).pass(15 * MINUTE);
        assert_eq!(scene.discards()[1..], [(75 * MINUTE, 2)]);
    }

    #[test]
    fn the_time_asleep_counts_as_it_does_on_a_wall() {
        let mut scene = Scene::new(Ttl::new(15), 2);
        scene.sleep(8 * 60 * MINUTE);
        assert_eq!(scene.discards(), [(8 * 60 * MINUTE, 2)]);
    }
}
