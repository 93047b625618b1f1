//! `random`: every minute, each tab that may go does so with a chance of one in fifteen.
//!
//! The null model: it discards as fast as a timer of 15 minutes does in the mean, and knows nothing
//! of which tab was used last. Guards: active, pinned and audible. The same seed draws the same.

use std::collections::BTreeSet;

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, TtlClock, World};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, idle_ms};
use super::ticks::Ticks;
use super::ttl::is_guarded;

/// How often it draws.
const TICK_MS: i64 = 60_000;
/// One in so many goes.
const ONE_IN: u32 = 15;

/// Discards by chance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Random {
    ticks: Ticks,
    random: ChaCha8Rng,
    asked: Asked,
    /// The tabs that may go.
    loose: BTreeSet<TabId>,
}

impl Random {
    /// Creates the policy.
    pub fn new(seed: u64) -> Self {
        Self {
            ticks: Ticks::every(TICK_MS),
            random: ChaCha8Rng::seed_from_u64(seed),
            asked: Asked::default(),
            loose: BTreeSet::new(),
        }
    }

    fn follow(&mut self, world: &World) {
        self.asked.follow(world);
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    let may_go = |tab: &Tab| !is_guarded(tab) && !self.asked.holds(tab);
                    if world.tab(id).is_some_and(may_go) {
                        self.loose.insert(id);
                    } else {
                        self.loose.remove(&id);
                    }
                }
                Change::Renamed { old: id, .. } | Change::Gone(id) => {
                    self.loose.remove(&id);
                }
            }
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let mut chosen: Vec<&Tab> = self.loose.iter().filter_map(|&id| world.tab(id)).collect();
        chosen.retain(|_| self.random.random_ratio(1, ONE_IN));
        for tab in &chosen {
            self.loose.remove(&tab.id);
        }
        let choices = chosen.into_iter().map(|tab| Choice {
            tab: tab.id,
            idle_ms: idle_ms(world, tab, TtlClock::Wall),
            ttl_ms: 0,
            in_focus: false,
        });
        let cause = Cause::timer("random", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Policy for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        projection.line(format_args!("random {}", self.random.get_word_pos()));
        self.ticks.project(projection);
        self.asked.project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        // Any draw may hit.
        let draws_from_ms = (!self.loose.is_empty()).then_some(i64::MIN);
        self.ticks.next_due(world, draws_from_ms)
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.ticks.pass(world, until_ms);
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, Scene};
    use super::*;

    #[test]
    fn a_tab_lasts_a_quarter_of_an_hour_in_the_mean() {
        let mut scene = Scene::new(Random::new(1), 1_001);
        scene.pin(1_001, true).pass(3 * HOUR);
        let discards = scene.discards();
        assert_eq!(
            discards.len(),
            999,
            "all but the one in front and the pinned one"
        );
        let total_ms: i64 = discards.iter().map(|&(at_ms, _)| at_ms).sum();
        let mean_ms = total_ms / 999;
        assert!((14 * MINUTE..16 * MINUTE).contains(&mean_ms), "{mean_ms}");
    }

    #[test]
    fn another_seed_draws_otherwise() {
        let decide = |seed| {
            let mut scene = Scene::new(Random::new(seed), 20);
            scene.pass(HOUR);
            scene.discards().to_vec()
        };
        assert_eq!(decide(1), decide(1));
        assert_ne!(decide(1), decide(2));
    }
}
