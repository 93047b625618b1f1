//! `chrome-memory-saver-{conservative,medium,aggressive}`: Chrome's timer.
//!
//! Source: `memory_saver_mode_policy.cc` (f24a8e13) and `user_tuning/tab_revisit_tracker.cc`. A
//! timer starts when a page is hidden and counts the time the machine is awake. It ends once: if a
//! guard holds then, nothing happens until the page was visible again. A tab that was returned to
//! too often has no timer at all. Off as Chrome ships; medium where it is switched on.

use std::collections::BTreeMap;

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, TtlClock, World};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide, rename};
use super::chromium::{Attempted, hidden_ms, is_protected};
use super::fronts::{Fronts, Step};
use super::timers::Timers;

const HOUR_MS: i64 = 3_600_000;

/// What holds of every discard of Chromium's, and the last three of proactive ones alone.
const NOT_OBSERVABLE: [&str; 10] = [
    "picture in picture",
    "PDF documents",
    "app windows",
    "the user's list of sites that stay active",
    "casting, Bluetooth and USB",
    "DevTools open on the tab",
    "pages of the browser itself, which it discards and which are not told from files here",
    "sites that may show notifications",
    "a title or favicon that changed in the background",
    "windows that are hidden behind others",
];

/// How eager the timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Eagerness {
    /// "Moderate": 6 h, up to 15 revisits.
    Conservative,
    /// "Balanced": 4 h, up to 15 revisits.
    Medium,
    /// "Maximum": 2 h, up to 5 revisits.
    Aggressive,
}

/// Discards what was hidden for hours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ChromeMemorySaver {
    eagerness: Eagerness,
    timers: Timers,
    fronts: Fronts,
    revisits: BTreeMap<TabId, u32>,
    attempted: Attempted,
}

impl ChromeMemorySaver {
    /// Creates the policy.
    pub fn new(eagerness: Eagerness) -> Self {
        Self {
            eagerness,
            timers: Timers::on(TtlClock::Awake),
            fronts: Fronts::default(),
            revisits: BTreeMap::new(),
            attempted: Attempted::default(),
        }
    }

    fn ttl_ms(&self) -> i64 {
        match self.eagerness {
            Eagerness::Conservative => 6 * HOUR_MS,
            Eagerness::Medium => 4 * HOUR_MS,
            Eagerness::Aggressive => 2 * HOUR_MS,
        }
    }

    fn revisits_max(&self) -> u32 {
        match self.eagerness {
            Eagerness::Conservative | Eagerness::Medium => 15,
            Eagerness::Aggressive => 5,
        }
    }

    fn follow(&mut self, world: &World) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    if world.tab(id).is_some_and(|tab| tab.is_discarded) {
                        self.timers.cancel(id);
                    }
                }
                Change::Renamed { old, new } => {
                    self.timers.rename(old, new);
                    rename(&mut self.revisits, old, new);
                }
                Change::Gone(id) => {
                    self.timers.cancel(id);
                    self.revisits.remove(&id);
                }
            }
        }
        for (id, step) in self.fronts.follow(world, Tab::is_shown) {
            let Some(tab) = world.tab(id) else { continue };
            match step {
                Step::Came => {
                    self.timers.cancel(id);
                    *self.revisits.entry(id).or_default() += 1;
                }
                Step::NewInFront => {}
                Step::New | Step::Left => {
                    let revisits = self.revisits.get(&id).copied().unwrap_or(0);
                    if !tab.is_discarded && revisits <= self.revisits_max() {
                        let due = tab.last_active.awake.saturating_add(self.ttl_ms());
                        self.timers.set(id, due);
                    }
                }
            }
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let mut choices = Vec::new();
        while let Some(id) = self.timers.pop(world) {
            let Some(tab) = world.tab(id) else { continue };
            if is_protected(world, tab) || self.attempted.holds(id) {
                continue;
            }
            self.attempted.note(id);
            choices.push(Choice {
                tab: id,
                idle_ms: hidden_ms(world, tab),
                ttl_ms: self.ttl_ms(),
                in_focus: false,
            });
        }
        decide(Cause::timer(self.name(), seq), choices, outputs);
    }
}

impl Policy for ChromeMemorySaver {
    fn name(&self) -> &str {
        match self.eagerness {
            Eagerness::Conservative => "chrome-memory-saver-conservative",
            Eagerness::Medium => "chrome-memory-saver-medium",
            Eagerness::Aggressive => "chrome-memory-saver-aggressive",
        }
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.attempted.follow(world, event);
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.timers.project(projection);
        self.fronts.project(projection);
        self.attempted.project(projection);
        for (tab, revisits) in &self.revisits {
            projection.line(format_args!("revisits {tab} {revisits}"));
        }
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        self.timers.next_due(world)
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &NOT_OBSERVABLE
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, Scene};
    use super::*;

    fn scene(eagerness: Eagerness, tab_count: i64) -> Scene<ChromeMemorySaver> {
        Scene::new(ChromeMemorySaver::new(eagerness), tab_count)
    }

    #[test]
    fn each_mode_has_its_hours() {
        for (eagerness, hours) in [
            (Eagerness::Conservative, 6),
            (Eagerness::Medium, 4),
            (Eagerness::Aggressive, 2),
        ] {
            let mut scene = scene(eagerness, 2);
            scene.pass(hours * HOUR - 1);
            assert!(scene.tabs().is_empty(), "{eagerness:?}");
            scene.pass(1);
            assert_eq!(scene.discards(), [(hours * HOUR, 2)], "{eagerness:?}");
        }
    }

    #[test]
    fn sleep_does_not_count() {
        let mut scene = scene(Eagerness::Aggressive, 2);
        scene.pass(HOUR).sleep(8 * HOUR).pass(HOUR);
        assert_eq!(scene.discards(), [(10 * HOUR, 2)]);
    }

    #[test]
    fn a_timer_that_ends_while_a_guard_holds_is_lost() {
        let mut scene = scene(Eagerness::Aggressive, 5);
        scene.pin(2, true).sound(3, true).type_into(4);
        scene.change(5, |changes| changes.auto_discardable = Some(false));
        scene
            .pass(3 * HOUR)
            .pin(2, false)
            .sound(3, false)
            .pass(5 * HOUR);
        assert!(scene.tabs().is_empty());
        scene.activate(2).activate(1).pass(2 * HOUR);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn a_minute_of_silence_is_needed() {
        let mut scene = scene(Eagerness::Aggressive, 3);
        scene
            .sound(2, true)
            .sound(3, true)
            .pass(2 * HOUR - MINUTE)
            .sound(2, false);
        scene.pass(1).sound(3, false).pass(HOUR);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn what_was_returned_to_too_often_has_no_timer() {
        let mut scene = scene(Eagerness::Aggressive, 3);
        for _ in 0..5 {
            scene.activate(2).activate(1);
        }
        scene.activate(2).activate(3).pass(3 * HOUR);
        // Tab 2 was returned to 6 times, tab 1, which began in front, 5 times.
        assert_eq!(scene.tabs(), [1]);
    }

    #[test]
    fn a_document_on_which_it_was_attempted_is_left_alone() {
        let mut scene = scene(Eagerness::Aggressive, 2);
        scene.refuse = true;
        scene.pass(2 * HOUR).activate(2).activate(1).pass(3 * HOUR);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn the_timer_starts_when_a_page_is_out_of_sight() {
        let mut scene = scene(Eagerness::Aggressive, 2);
        scene.see(2, true).pass(3 * HOUR).see(2, false);
        scene.pass(2 * HOUR);
        assert_eq!(scene.discards(), [(5 * HOUR, 2)]);
    }
}
