//! `tab-suspender`: a timer that grows with the use of a tab.
//!
//! Source: sergey-drpa/Tab-Suspender 12a0213e, `modules/TabObserver.ts`. Every 10 s it adds to a
//! counter of each tab and suspends at most one, by the order of windows and tabs. The timeout of
//! a tab grows with how often it was suspended, how long it was in front and how often it came
//! there. A guard that is met when the time is up starts the counter anew; so does a sound at any
//! time. It replaces the page by one of its own, which frees the page's memory as a discard does.

use std::collections::BTreeMap;

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, World};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide, rename};
use super::fronts::{Fronts, Step};
use super::ticks::Ticks;

/// `tickSize`, in seconds. Time is counted in ticks, so sleep counts as one.
const TICK_S: i64 = 10;
/// `timeout`, in seconds.
const TIMEOUT_S: i64 = 1_800;
/// A tab on which suspending failed so often is left alone until it was in front (`parkTrys`).
const TRIES_MAX: u32 = 2;
/// What [`log2`] counts in.
const MILLIONTHS: i64 = 1_000_000;

/// Discards one tab at a tick, when its own timeout is over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TabSuspender {
    ticks: Ticks,
    fronts: Fronts,
    records: BTreeMap<TabId, Record>,
}

/// What it counts of a tab.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Record {
    /// Since it was in front or a guard was met.
    idle_s: i64,
    /// In front, one and a half times where it made a sound.
    active_s: i64,
    switches: u32,
    parked: u32,
    tries: u32,
}

impl Record {
    /// `calculatedTabTimeFrame`, in milliseconds.
    fn timeout_ms(self) -> i64 {
        let grows_s = (self.active_s + 1).saturating_add(TIMEOUT_S / 4);
        let used_ms = grows_s.saturating_mul(log2(self.switches.saturating_add(1)));
        let fixed_s = TIMEOUT_S.saturating_mul(1 + i64::from(self.parked));
        fixed_s
            .saturating_mul(1_000)
            .saturating_add(used_ms / (MILLIONTHS / 1_000))
    }
}

impl TabSuspender {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(TICK_S * 1_000),
            fronts: Fronts::default(),
            records: BTreeMap::new(),
        }
    }

    fn follow(&mut self, world: &World) {
        for &change in world.changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => rename(&mut self.records, old, new),
                Change::Gone(id) => {
                    self.records.remove(&id);
                }
            }
        }
        for (id, step) in self.fronts.follow(world, |tab| tab.is_active) {
            let record = self.records.entry(id).or_default();
            if step == Step::Came {
                record.switches = record.switches.saturating_add(1);
            }
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let mut tabs: Vec<&Tab> = world.tabs().collect();
        tabs.sort_by_key(|tab| (tab.win, tab.id));
        let mut chosen = None;
        for tab in tabs {
            let record = self.records.entry(tab.id).or_default();
            record.idle_s = record.idle_s.saturating_add(TICK_S);
            let idle_ms = record.idle_s.saturating_mul(1_000);
            let ttl_ms = record.timeout_ms();
            let may_be_tried = !tab.is_active
                && !tab.is_loading
                && !tab.is_discarded
                && world.host_of(tab).is_some()
                && record.tries <= TRIES_MAX;
            if chosen.is_none() && idle_ms >= ttl_ms && may_be_tried {
                if is_exception(tab) {
                    record.idle_s = 0;
                } else {
                    record.tries += 1;
                    record.parked = record.parked.saturating_add(1);
                    chosen = Some(Choice {
                        tab: tab.id,
                        idle_ms,
                        ttl_ms,
                        in_focus: false,
                    });
                }
            }
            if tab.is_active {
                let counted_s = if tab.is_audible {
                    TICK_S * 3 / 2
                } else {
                    TICK_S
                };
                record.active_s = record.active_s.saturating_add(counted_s);
                record.tries = 0;
            }
            if tab.is_active || tab.is_audible || tab.is_pinned {
                record.idle_s = 0;
            }
        }
        decide(Cause::timer("tab-suspender", seq), chosen, outputs);
    }
}

impl Default for TabSuspender {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for TabSuspender {
    fn name(&self) -> &str {
        "tab-suspender"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.follow(world);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.ticks.project(projection);
        self.fronts.project(projection);
        for (tab, record) in &self.records {
            projection.line(format_args!("record {tab} {record:?}"));
        }
    }

    fn next_due(&self, _: &World) -> Option<i64> {
        self.ticks.next_due()
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "the order of tabs in their window, which settles whose turn it is",
            "how many fields were changed: it spares from three on, here from one",
            "its list of sites, some for mail as it ships",
        ]
    }
}

/// Whether it spares a tab: pinned, audible, typed into, or in sight in a split view.
fn is_exception(tab: &Tab) -> bool {
    tab.is_pinned || tab.is_audible || tab.is_unsaved || tab.is_in_sight
}

/// The binary logarithm of a number from 1, in millionths: by integers, so that it is the same on
/// all machines. Squaring the mantissa gives a binary digit at a time.
fn log2(number: u32) -> i64 {
    const ONE: u64 = 1 << 31;
    let whole = number.max(1).ilog2();
    let mut mantissa = (u64::from(number.max(1)) << 31) >> whole;
    let mut digits: i64 = 0;
    for _ in 0..24 {
        mantissa = (mantissa * mantissa) >> 31;
        digits *= 2;
        if mantissa >= 2 * ONE {
            mantissa /= 2;
            digits += 1;
        }
    }
    i64::from(whole) * MILLIONTHS + ((digits * MILLIONTHS) >> 24)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn the_logarithm_is_good_to_a_millionth() {
        for (number, expect) in [(1, 0), (2, 1_000_000), (3, 1_584_962), (10, 3_321_928)] {
            assert!(
                (log2(number) - expect).abs() <= 1,
                "{number}: {}",
                log2(number)
            );
        }
        assert_eq!(log2(u32::MAX), 31_999_999);
    }

    #[test]
    fn one_tab_a_tick_after_half_an_hour() {
        let mut scene = Scene::new(TabSuspender::new(), 3);
        scene.pass(30 * MINUTE - 1);
        assert!(scene.tabs().is_empty());
        scene.pass(HOUR);
        let half_an_hour = 30 * MINUTE;
        assert_eq!(
            scene.discards(),
            [(half_an_hour, 2), (half_an_hour + 10 * SECOND, 3)]
        );
    }

    #[test]
    fn what_is_used_is_kept_longer() {
        let used = Record {
            active_s: 599,
            switches: 3,
            parked: 1,
            ..Record::default()
        };
        // 1,800 · 2 + 600 · 2 + 450 · 2
        assert_eq!(used.timeout_ms(), 5_700_000);
        let mut scene = Scene::new(TabSuspender::new(), 2);
        scene
            .activate(2)
            .pass(10 * MINUTE)
            .activate(1)
            .pass(50 * MINUTE);
        // 1,800 + 601 + 450 s, to the next tick.
        assert_eq!(
            scene.discards(),
            [(10 * MINUTE + 2_850 * SECOND + 10 * SECOND, 2)]
        );
    }

    #[test]
    fn a_guard_met_when_the_time_is_up_starts_it_anew() {
        let mut scene = Scene::new(TabSuspender::new(), 2);
        scene.type_into(2).pass(31 * MINUTE);
        scene
            .change(2, |changes| changes.unsaved = Some(false))
            .pass(28 * MINUTE);
        assert!(scene.tabs().is_empty());
        scene.pass(MINUTE);
        assert_eq!(scene.discards(), [(60 * MINUTE, 2)]);
    }

    #[test]
    fn it_tries_three_times() {
        let mut scene = Scene::new(TabSuspender::new(), 2);
        scene.refuse = true;
        scene.pass(10 * HOUR);
        assert_eq!(scene.tabs(), [2, 2, 2]);
    }

    #[test]
    fn the_half_of_a_split_view_in_sight_is_spared_when_its_time_is_up() {
        let mut scene = Scene::new(TabSuspender::new(), 2);
        scene.see(2, true).pass(31 * MINUTE).see(2, false);
        scene.pass(28 * MINUTE);
        assert!(scene.tabs().is_empty());
        scene.pass(MINUTE);
        assert_eq!(scene.discards(), [(60 * MINUTE, 2)]);
    }
}
