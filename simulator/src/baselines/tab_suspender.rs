//! `tab-suspender`: a timer that grows with the use of a tab.
//!
//! Source: sergey-drpa/Tab-Suspender 12a0213e, `modules/TabObserver.ts`. Every 10 s it adds to a
//! counter of each tab and suspends at most one, by the order of windows and tabs. The timeout of
//! a tab grows with how often it was suspended, how long it was in front and how often it came
//! there. A guard that is met when the time is up starts the counter anew; so does a sound at any
//! time. It replaces the page by one of its own, which frees the page's memory as a discard does.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Output, Policy, Projection, Seq, Tab, TabId, WindowId, World};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide, rename};
use super::fronts::{Fronts, Step};
use super::ticks::Ticks;
use super::timers::Queue;

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
    counters: BTreeMap<TabId, Counter>,
    /// At which tick the timeout of each tab ends, if it may be tried then.
    ends: Queue<TabId>,
    /// The tabs whose timeout is over, by the order in which they are looked at.
    over: BTreeSet<(WindowId, TabId)>,
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

/// A record as it was at a tick, and how it is counted on from there.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Counter {
    record: Record,
    /// The number of the tick.
    at: u64,
    /// Where the tab is filed.
    win: WindowId,
    is_in_front: bool,
    is_audible: bool,
    is_pinned: bool,
}

impl Counter {
    /// Starts for a tab of which nothing was counted yet.
    fn new(tab: &Tab, at: u64) -> Self {
        let mut counter = Self {
            record: Record::default(),
            at,
            win: tab.win,
            is_in_front: false,
            is_audible: false,
            is_pinned: false,
        };
        counter.look(tab);
        counter
    }

    /// Counts from here on as the tab is now.
    fn look(&mut self, tab: &Tab) {
        self.win = tab.win;
        self.is_in_front = tab.is_active;
        self.is_audible = tab.is_audible;
        self.is_pinned = tab.is_pinned;
    }

    /// The record after a tick.
    fn record_at(&self, tick: u64) -> Record {
        let mut record = self.record;
        let ticks = i64::try_from(tick.saturating_sub(self.at)).unwrap_or(i64::MAX);
        if ticks == 0 {
            return record;
        }
        record.idle_s = record.idle_s.saturating_add(ticks.saturating_mul(TICK_S));
        if self.is_in_front {
            let counted_s = if self.is_audible {
                TICK_S * 3 / 2
            } else {
                TICK_S
            };
            record.active_s = (record.active_s).saturating_add(ticks.saturating_mul(counted_s));
            record.tries = 0;
        }
        if self.is_in_front || self.is_audible || self.is_pinned {
            record.idle_s = 0;
        }
        record
    }

    /// Counts up to a tick.
    fn settle(&mut self, tick: u64) {
        self.record = self.record_at(tick);
        self.at = tick;
    }

    /// At which tick its timeout is over, if the tab stays as it is: the next one at the earliest.
    fn end(&self) -> i64 {
        let left_ms = (self.record.timeout_ms())
            .saturating_sub(self.record.idle_s.saturating_mul(1_000))
            .max(1);
        let ticks = (left_ms - 1) / (TICK_S * 1_000) + 1;
        i64::try_from(self.at)
            .unwrap_or(i64::MAX)
            .saturating_add(ticks)
    }
}

impl TabSuspender {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(TICK_S * 1_000),
            fronts: Fronts::default(),
            counters: BTreeMap::new(),
            ends: Queue::default(),
            over: BTreeSet::new(),
        }
    }

    fn follow(&mut self, world: &World) {
        let tick = self.ticks.count();
        let mut came: BTreeSet<TabId> =
            (self.fronts.follow(world, |tab| tab.is_active).into_iter())
                .filter_map(|(id, step)| (step == Step::Came).then_some(id))
                .collect();
        for &change in world.changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => {
                    self.take_out(old);
                    rename(&mut self.counters, old, new);
                }
                Change::Gone(id) => {
                    self.take_out(id);
                    self.counters.remove(&id);
                }
            }
        }
        for &change in world.changes() {
            let Change::Tab(id) = change else { continue };
            let Some(tab) = world.tab(id) else { continue };
            self.take_out(id);
            let counter = (self.counters.entry(id)).or_insert_with(|| Counter::new(tab, tick));
            counter.settle(tick);
            counter.look(tab);
            if came.remove(&id) {
                counter.record.switches = counter.record.switches.saturating_add(1);
            }
            self.file(world, tab);
        }
    }

    /// Takes a tab out of those that are waited for, or whose turn it is.
    fn take_out(&mut self, id: TabId) {
        self.ends.cancel(id);
        if let Some(counter) = self.counters.get(&id) {
            self.over.remove(&(counter.win, id));
        }
    }

    /// Waits for the end of a tab's timeout, if it may be tried then.
    fn file(&mut self, world: &World, tab: &Tab) {
        let Some(counter) = self.counters.get(&tab.id) else {
            return;
        };
        let may_be_tried = !tab.is_active
            && !tab.is_loading
            && !tab.is_discarded
            && world.host_of(tab).is_some()
            && counter.record.tries <= TRIES_MAX;
        // Of these the counter stays at nought.
        let is_counted = !tab.is_pinned && !tab.is_audible;
        let end = (may_be_tried && is_counted).then(|| counter.end());
        self.ends.set(tab.id, end);
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let tick = self.ticks.count();
        while let Some(id) = self.ends.pop(i64::try_from(tick).unwrap_or(i64::MAX)) {
            if let Some(counter) = self.counters.get(&id) {
                self.over.insert((counter.win, id));
            }
        }
        let mut chosen = None;
        while chosen.is_none()
            && let Some((_, id)) = self.over.pop_first()
        {
            let (Some(tab), Some(counter)) = (world.tab(id), self.counters.get_mut(&id)) else {
                continue;
            };
            counter.settle(tick);
            let record = &mut counter.record;
            if tab.is_unsaved || tab.is_in_sight {
                record.idle_s = 0;
            } else {
                chosen = Some(Choice {
                    tab: id,
                    idle_ms: record.idle_s.saturating_mul(1_000),
                    ttl_ms: record.timeout_ms(),
                    in_focus: false,
                });
                record.tries += 1;
                record.parked = record.parked.saturating_add(1);
            }
            self.file(world, tab);
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
        for (tab, counter) in &self.counters {
            let record = counter.record_at(self.ticks.count());
            projection.line(format_args!("record {tab} {record:?}"));
        }
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        let is_over = (!self.over.is_empty()).then_some(0);
        let end = is_over.or_else(|| self.ends.first_due());
        self.ticks.next_due_at(world, end)
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.ticks.pass(world, until_ms);
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

/// The binary logarithm of a number from 1, in whole millionths: by integers, so that it is the
/// same on all machines. Squaring the mantissa gives a binary digit at a time.
fn log2(number: u32) -> i64 {
    const ONE: u128 = 1 << 62;
    let whole = number.max(1).ilog2();
    let mut mantissa = (u128::from(number.max(1)) << 62) >> whole;
    let mut digits: i64 = 0;
    for _ in 0..40 {
        mantissa = (mantissa * mantissa) >> 62;
        digits *= 2;
        if mantissa >= 2 * ONE {
            mantissa /= 2;
            digits += 1;
        }
    }
    i64::from(whole) * MILLIONTHS + ((digits * MILLIONTHS) >> 40)
}

#[cfg(test)]
mod tests {
    use super::super::scene::{HOUR, MINUTE, SECOND, Scene};
    use super::*;

    #[test]
    fn the_logarithm_is_exact_in_whole_millionths() {
        let known = [(1, 0), (2, 1_000_000), (3, 1_584_962), (9, 3_169_925)];
        for (number, expect) in known {
            assert_eq!(log2(number), expect, "{number}");
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
