//! `tabzen`: a timer that learns which sites are visited often.
//!
//! Source: mthcht/tabzen 80391de9, `background.js`. Every minute it looks at all tabs. The timeout
//! is doubled for what was visited five times, and shortened for what was visited once. A tab
//! counts as used when it is activated, not when it is left, and one that was never activated when
//! it had loaded; of a tab it knows nothing of it takes this very moment. The clock is the wall's.
//! It keeps that in the memory of a worker which browsers stop; here, as it was meant, the memory
//! stays. It replaces the page by one of its own, which frees the page's memory as a discard does.

use std::collections::{BTreeMap, BTreeSet};

use engine::{Change, Event, Input, Output, Policy, Projection, Seq, Tab, TabId, World};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Cause, Choice};
use super::ticks::Ticks;
use super::timers::Queue;

const MINUTE_MS: i64 = 60_000;
/// `ALARM_TICK_PERIOD_MIN`.
const TICK_MS: i64 = MINUTE_MS;
/// `suspendAfterMinutes`.
const TTL_MS: i64 = 30 * MINUTE_MS;
/// `visitsThreshold`, and the TTL from there on: `frequentTabMultiplier` is 2.
const FREQUENT_VISITS: u32 = 5;
const FREQUENT_TTL_MS: i64 = 60 * MINUTE_MS;
/// The TTL after one visit: `rareTabMultiplier` is 0.6.
const RARE_TTL_MS: i64 = 18 * MINUTE_MS;
/// How many sites it remembers.
const SITES_MAX: usize = 1_000;

/// Discards old tabs, those of rare sites sooner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tabzen {
    ticks: Ticks,
    /// When each tab was last used (`t_ms`). It forgets a tab whose id changes.
    used_ms: BTreeMap<TabId, i64>,
    sites: BTreeMap<String, Visits>,
    asked: Asked,
    /// When the TTL of each tab that it does not spare is over (`t_ms`).
    ends_ms: Queue<TabId>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Visits {
    count: u32,
    last_ms: i64,
}

impl Tabzen {
    /// Creates the policy.
    pub fn new() -> Self {
        Self {
            ticks: Ticks::every(TICK_MS),
            used_ms: BTreeMap::new(),
            sites: BTreeMap::new(),
            asked: Asked::default(),
            ends_ms: Queue::default(),
        }
    }

    fn follow(&mut self, world: &World, input: &Input) {
        self.asked.follow(world);
        let now = world.moment().now;
        match input {
            Input::TabActivated { tab, .. } => {
                if let Some(tab) = world.tab(*tab) {
                    self.used_ms.insert(tab.id, now);
                    if let Some(host) = world.host_of(tab) {
                        for host in self.note_visit(host, now) {
                            self.time_all_on(world, &host);
                        }
                    }
                }
            }
            Input::TabLoaded { tab, .. } if world.tab(*tab).is_some() => {
                self.used_ms.entry(*tab).or_insert(now);
            }
            Input::WindowFocused { win: Some(win) } => {
                let in_front = world.tabs().find(|tab| tab.is_active && tab.win == *win);
                if let Some(tab) = in_front {
                    self.used_ms.insert(tab.id, now);
                }
            }
            _ => {}
        }
        for &change in world.changes() {
            if let Change::Gone(tab) | Change::Renamed { old: tab, .. } = change {
                self.used_ms.remove(&tab);
            }
        }
        for &change in world.changes() {
            let (Change::Tab(id) | Change::Gone(id) | Change::Renamed { old: id, .. }) = change;
            self.time(world, id);
        }
    }

    /// Counts a visit. Returns the sites whose TTL it changes.
    fn note_visit(&mut self, host: &str, now: i64) -> Vec<String> {
        let before = self.site_ttl_ms(host);
        let visits = self.sites.entry(host.to_owned()).or_default();
        visits.count = visits.count.saturating_add(1);
        visits.last_ms = now;
        let mut changed = Vec::new();
        if self.site_ttl_ms(host) != before {
            changed.push(host.to_owned());
        }
        if self.sites.len() > SITES_MAX {
            let oldest = self.sites.iter().min_by_key(|(_, visits)| visits.last_ms);
            if let Some(host) = oldest.map(|(host, _)| host.clone()) {
                self.sites.remove(&host);
                changed.push(host);
            }
        }
        changed
    }

    /// Notes anew when the TTLs of all tabs on a site are over.
    fn time_all_on(&mut self, world: &World, host: &str) {
        for tab in world.tabs().filter(|tab| world.host_of(tab) == Some(host)) {
            self.time(world, tab.id);
        }
    }

    /// Notes when the TTL of a tab is over. Of one of which it knows nothing that is never.
    fn time(&mut self, world: &World, id: TabId) {
        let may_go = |tab: &&Tab| !is_spared(world, tab) && !self.asked.holds(tab);
        let end_ms = (world.tab(id).filter(may_go)).and_then(|tab| {
            let used_ms = self.used_ms.get(&id)?;
            Some(used_ms.saturating_add(self.ttl_ms(world, tab)))
        });
        self.ends_ms.set(id, end_ms);
    }

    fn ttl_ms(&self, world: &World, tab: &Tab) -> i64 {
        (world.host_of(tab)).map_or(TTL_MS, |host| self.site_ttl_ms(host))
    }

    fn site_ttl_ms(&self, host: &str) -> i64 {
        match self.sites.get(host).map_or(0, |visits| visits.count) {
            FREQUENT_VISITS.. => FREQUENT_TTL_MS,
            1 => RARE_TTL_MS,
            _ => TTL_MS,
        }
    }

    fn act(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        if !self.ticks.tick(world) {
            return;
        }
        let now = world.moment().now;
        let over: BTreeSet<TabId> = std::iter::from_fn(|| self.ends_ms.pop(now)).collect();
        let choice = |id: TabId| {
            let used_ms = self.used_ms.get(&id)?;
            Some(Choice {
                tab: id,
                idle_ms: now.saturating_sub(*used_ms),
                ttl_ms: self.ttl_ms(world, world.tab(id)?),
                in_focus: false,
            })
        };
        let choices: Vec<Choice> = over.into_iter().filter_map(choice).collect();
        let cause = Cause::timer("tabzen", seq);
        self.asked.ask(world, cause, choices, outputs);
    }
}

impl Default for Tabzen {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Tabzen {
    fn name(&self) -> &str {
        "tabzen"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.follow(world, &event.input);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.ticks.project(projection);
        for (tab, used_ms) in &self.used_ms {
            projection.line(format_args!("used {tab} {used_ms}"));
        }
        for (site, visits) in &self.sites {
            projection.line(format_args!(
                "site {site} {} {}",
                visits.count, visits.last_ms
            ));
        }
        self.asked.project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        self.ticks.next_due(world, self.ends_ms.first_due())
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.ticks.pass(world, until_ms);
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "the first part of a path: it counts visits by that, here by host",
            "visits before the trace began",
            "whether the machine is offline, when it suspends nothing",
            "the user's rules, none as it ships",
        ]
    }
}

/// Whether it spares a tab: no web page, in front, pinned, audible, typed into or gone already.
fn is_spared(world: &World, tab: &Tab) -> bool {
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
    fn a_site_has_the_timeout_of_its_visits() {
        let mut scene = Scene::new(Tabzen::new(), 4);
        for (id, visits) in [(2, 1), (3, 2), (4, 5)] {
            for _ in 0..visits {
                scene.activate(id);
            }
        }
        scene.activate(1).pass(18 * MINUTE - 1);
        assert!(scene.tabs().is_empty());
        scene.pass(3 * HOUR);
        assert_eq!(
            scene.discards(),
            [(18 * MINUTE, 2), (30 * MINUTE, 3), (60 * MINUTE, 4)]
        );
    }

    #[test]
    fn a_tab_is_used_when_it_is_activated_not_when_it_is_left() {
        let mut scene = Scene::new(Tabzen::new(), 2);
        scene.activate(2).pass(HOUR).activate(1).pass(MINUTE);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn a_tab_it_knows_nothing_of_stays() {
        let mut scene = Scene::new(Tabzen::new(), 2);
        scene.pass(9 * HOUR);
        assert!(scene.tabs().is_empty());
        let tab = TabId(2);
        scene
            .tell(Input::TabLoaded { tab, load_ms: None })
            .pass(30 * MINUTE);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn guards_put_it_off() {
        let mut scene = Scene::new(Tabzen::new(), 3);
        scene
            .activate(2)
            .activate(3)
            .activate(1)
            .type_into(2)
            .pin(3, true);
        scene.pass(2 * HOUR);
        assert!(scene.tabs().is_empty());
        scene.pin(3, false).pass(MINUTE);
        assert_eq!(scene.tabs(), [3]);
    }

    #[test]
    fn the_oldest_of_a_thousand_sites_is_forgotten() {
        let mut policy = Tabzen::new();
        for number in 0..1_001 {
            policy.note_visit(&format!("{number}.example.org"), number);
        }
        assert_eq!(policy.sites.len(), SITES_MAX);
        assert!(!policy.sites.contains_key("0.example.org"));
    }
}
