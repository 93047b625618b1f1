//! `great-suspender`: a timer a tab, tried once.
//!
//! Source: The Great Suspender 7.1 (greatsuspender/thegreatsuspender 108c2370) and The Marvellous
//! Suspender 9.0.3 (gioxx/MarvellousSuspender c7155aba), `src/js/gsStorage.js` and the alarms of
//! `gsTabSuspendManager`. The timer starts when a tab leaves the front, and anew when it is
//! updated. If a guard holds when it ends, the tab is left open until something starts the timer
//! again. The clock is the wall's. It replaces the page by one of its own, which frees the page's
//! memory as a discard does.

use engine::{Change, Event, Input, Output, Policy, Projection, Seq, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice, idle_ms};
use super::fronts::{Fronts, Step};
use super::timers::Timers;

/// `gsTimeToSuspend`.
const TTL_MS: i64 = 60 * 60_000;

/// Discards what no guard holds an hour after its last use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GreatSuspender {
    timers: Timers,
    fronts: Fronts,
    asked: Asked,
}

impl GreatSuspender {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            timers: Timers::on(TtlClock::Wall),
            fronts: Fronts::default(),
            asked: Asked::default(),
        }
    }

    fn follow(&mut self, world: &World, input: &Input) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    if world.tab(id).is_some_and(|tab| tab.is_discarded) {
                        self.timers.cancel(id);
                    }
                }
                Change::Renamed { old, new } => self.timers.rename(old, new),
                Change::Gone(id) => {
                    self.timers.cancel(id);
                }
            }
        }
        for (id, step) in self.fronts.follow(world, |tab| tab.is_active) {
            match step {
                Step::New | Step::Left => self.start(world, id),
                Step::Came | Step::NewInFront => {
                    self.timers.cancel(id);
                }
            }
        }
        if let Input::TabLoaded { tab, .. } | Input::TabChanged { tab, .. } = input {
            self.start(world, *tab);
        }
    }

    fn start(&mut self, world: &World, id: TabId) {
        let may_go = |tab: &&Tab| !tab.is_active && !tab.is_discarded;
        if world.tab(id).filter(may_go).is_some() {
            let due = world.moment().now.saturating_add(TTL_MS);
            self.timers.set(id, due);
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let mut choices = Vec::new();
        while let Some(id) = self.timers.pop(world) {
            let Some(tab) = world.tab(id) else { continue };
            let is_spared = is_guarded(world, tab) || self.asked.holds(tab);
            choices.extend((!is_spared).then(|| Choice {
                tab: id,
                idle_ms: idle_ms(world, tab, TtlClock::Wall),
                ttl_ms: TTL_MS,
                in_focus: false,
            }));
        }
        let cause = Cause::timer("great-suspender", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Default for GreatSuspender {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for GreatSuspender {
    fn name(&self) -> &str {
        "great-suspender"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        self.follow(world, &event.input);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.timers.project(projection);
        self.fronts.project(projection);
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
            "the user's list of sites, empty as it ships",
            "tabs that the user told it to leave alone",
            "keys typed into a PDF",
        ]
    }
}

/// Whether a tab is no web page, in front, pinned, audible, typed into or gone already.
fn is_guarded(world: &World, tab: &Tab) -> bool {
    world.host_of(tab).is_none()
        || tab.is_active
        || tab.is_pinned
        || tab.is_audible
        || tab.is_unsaved
        || tab.is_discarded
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, Scene};
    use super::*;

    #[test]
    fn an_hour_after_it_left_the_front() {
        let mut scene = Scene::new(GreatSuspender::new(), 2);
        scene.pass(MINUTE).activate(2).pass(HOUR - 1);
        assert!(scene.tabs().is_empty());
        scene.pass(1);
        assert_eq!(scene.discards(), [(HOUR + MINUTE, 1)]);
    }

    #[test]
    fn a_guard_at_the_end_of_the_timer_saves_a_tab_for_good() {
        let mut scene = Scene::new(GreatSuspender::new(), 3);
        scene.type_into(2).pin(3, true).pass(5 * HOUR);
        assert!(scene.tabs().is_empty());
        scene.activate(3).pin(3, false).activate(1).pass(HOUR);
        assert_eq!(scene.tabs(), [3]);
    }

    #[test]
    fn an_update_starts_the_timer_anew() {
        let mut scene = Scene::new(GreatSuspender::new(), 2);
        let tab = TabId(2);
        scene
            .pass(30 * MINUTE)
            .tell(Input::TabLoaded { tab, load_ms: None });
        scene
            .pass(30 * MINUTE)
            .sound(2, true)
            .sound(2, false)
            .pass(HOUR - 1);
        assert!(scene.tabs().is_empty());
        scene.pass(1);
        assert_eq!(scene.tabs(), [2]);
    }
}
