//! `original-2026` and `original-2026-focus`: the orchestrator this project set out to better.
//!
//! Source: tase-nikol/tab-memory-orchestrator 6694faeb, `extenstion/src/*.js` and
//! `native-host/src/pressure.rs`. Its clock is the wall's. Its quirks are kept: a tab counts as
//! used when it is activated and when it has loaded, but not when it is left; a tab it has never
//! heard of was used at the beginning of time; and the cooldown runs though no tab was found. The
//! second name is the same with focus mode switched on, which is off as it ships.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Change, Event, Input, Level, Metrics, Output, Policy, Projection, Reason, Seq, Tab, TabId,
    World,
};
use serde::{Deserialize, Serialize};

use super::asked::{Cause, Choice, decide};

/// `ttlMinutes`, settings.js.
const TTL_MS: i64 = 15 * 60_000;
/// `focusOutTtlMinutes`, settings.js.
const FOCUS_OUT_TTL_MS: i64 = 3 * 60_000;
/// `focusClusterMinutes`, settings.js.
const CLUSTER_MS: i64 = 10 * 60_000;
/// `MAX_CLUSTER`, focus.js.
const CLUSTER_MAX: usize = 12;
/// `cooldownSeconds`, settings.js.
const COOLDOWN_MS: i64 = 60_000;
/// The scores at which the levels begin, pressure.rs.
const MEDIUM_SCORE: u8 = 50;
const HIGH_SCORE: u8 = 75;
/// How many tabs go at HIGH; one at MEDIUM.
const BATCH_HIGH: usize = 2;

/// The policy of the original.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Original {
    has_focus_mode: bool,
    /// When each tab was last used (`t_ms`). The original forgets a tab whose id changes.
    activity: BTreeMap<TabId, i64>,
    last_attempt_ms: Option<i64>,
}

impl Original {
    /// Creates the policy, with focus mode on or off.
    pub fn new(has_focus_mode: bool) -> Self {
        Self {
            has_focus_mode,
            activity: BTreeMap::new(),
            last_attempt_ms: None,
        }
    }

    fn note_activity(&mut self, world: &World, input: &Input) {
        let now = world.moment().now;
        match input {
            Input::SessionStarted(_) => {
                for tab in world.tabs() {
                    let idle_ms = if tab.is_active { 0 } else { TTL_MS };
                    let since = now.saturating_sub(idle_ms);
                    self.activity.entry(tab.id).or_insert(since);
                }
            }
            Input::TabActivated { tab, .. } | Input::TabLoaded { tab, .. }
                if world.tab(*tab).is_some() =>
            {
                self.activity.insert(*tab, now);
            }
            Input::WindowFocused { win: Some(win) } => {
                let in_front = world.tabs().find(|tab| tab.is_active && tab.win == *win);
                if let Some(tab) = in_front {
                    self.activity.insert(tab.id, now);
                }
            }
            _ => {}
        }
        for &change in world.changes() {
            if let Change::Gone(tab) | Change::Renamed { old: tab, .. } = change {
                self.activity.remove(&tab);
            }
        }
    }

    fn last_active_ms(&self, tab: &Tab) -> i64 {
        self.activity.get(&tab.id).copied().unwrap_or(0)
    }

    fn attempt(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        let now = world.moment().now;
        let score = score(world.metrics());
        let (level, count) = match score {
            HIGH_SCORE.. => (Level::High, BATCH_HIGH),
            MEDIUM_SCORE.. => (Level::Medium, 1),
            _ => return,
        };
        let cools_down = |last: i64| now.saturating_sub(last) < COOLDOWN_MS;
        if self.last_attempt_ms.is_some_and(cools_down) {
            return;
        }
        self.last_attempt_ms = Some(now);
        let cause = Cause {
            policy: self.name(),
            seq,
            score,
            level,
            reason: Reason::RamElevated,
        };
        let mut ripe = self.candidates(world);
        ripe.truncate(count);
        decide(cause, ripe, outputs);
    }

    fn candidates(&self, world: &World) -> Vec<Choice> {
        let now = world.moment().now;
        let cluster = self.cluster(world);
        let mut found: Vec<(i64, Choice)> = Vec::new();
        for tab in world.tabs() {
            let is_spared = tab.is_active || tab.is_pinned || tab.is_audible || tab.is_discarded;
            if is_spared || world.host_of(tab).is_none() {
                continue;
            }
            let last_active_ms = self.last_active_ms(tab);
            let idle_ms = now.saturating_sub(last_active_ms);
            let in_focus = cluster.contains(&tab.id);
            let ttl_ms = if in_focus || !self.has_focus_mode {
                TTL_MS
            } else {
                FOCUS_OUT_TTL_MS
            };
            if idle_ms >= ttl_ms {
                let choice = Choice {
                    tab: tab.id,
                    idle_ms,
                    ttl_ms,
                    in_focus,
                };
                found.push((last_active_ms, choice));
            }
        }
        // Stable: ties stay in the order of the tabs, of which the log has the ids alone.
        found.sort_by_key(|&(last_active_ms, _)| last_active_ms);
        found.into_iter().map(|(_, choice)| choice).collect()
    }

    /// Every tab on the host in front, beyond the cap if need be, then what was used lately in the
    /// same window. Empty when focus mode is off.
    fn cluster(&self, world: &World) -> BTreeSet<TabId> {
        let mut cluster = BTreeSet::new();
        let now = world.moment().now;
        let Some(front) = world.tab_in_front().filter(|_| self.has_focus_mode) else {
            return cluster;
        };
        cluster.insert(front.id);
        let host = world.host_of(front);
        let is_on_host = |tab: &Tab| host.is_some() && world.host_of(tab) == host;
        cluster.extend(world.tabs().filter(|tab| is_on_host(tab)).map(|tab| tab.id));
        let mut recent: Vec<&Tab> = world
            .tabs()
            .filter(|tab| tab.win == front.win && !is_on_host(tab))
            .filter(|tab| now.saturating_sub(self.last_active_ms(tab)) <= CLUSTER_MS)
            .collect();
        recent.sort_by_key(|tab| std::cmp::Reverse(self.last_active_ms(tab)));
        for tab in recent {
            if cluster.len() >= CLUSTER_MAX {
                break;
            }
            cluster.insert(tab.id);
        }
        cluster
    }
}

impl Policy for Original {
    fn name(&self) -> &str {
        if self.has_focus_mode {
            "original-2026-focus"
        } else {
            "original-2026"
        }
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.note_activity(world, &event.input);
        if let Input::Metrics(_) = event.input {
            self.attempt(world, event.seq, outputs);
        }
    }

    fn project(&self, projection: &mut Projection) {
        for (tab, since) in &self.activity {
            projection.line(format_args!("activity {tab} {since}"));
        }
        if let Some(last) = self.last_attempt_ms {
            projection.line(format_args!("attempt {last}"));
        }
    }

    fn not_observable(&self) -> &[&str] {
        &[
            "the order of tabs in their window, which breaks its ties",
            "which pages without a host it would discard all the same (files, extensions)",
            "its protected domains, an empty list as it ships",
        ]
    }
}

/// The score of a sample: memory 70, processor 20, battery 10. Free is what is not in use.
fn score(metrics: &Metrics) -> u8 {
    let share = |value: f64| value.clamp(0.0, 1.0);
    let ram = match (metrics.ram_total, metrics.ram_used) {
        (Some(total), Some(used)) if total > 0 => {
            let used = used as f64 / total as f64;
            let free = 1.0 - used;
            share((used - 0.70) / 0.25).max(share((0.20 - free) / 0.15))
        }
        _ => 0.0,
    };
    let cpu = metrics.cpu.map_or(0.0, |cpu| share((cpu - 40.0) / 55.0));
    let battery = if metrics.on_battery == Some(true) {
        10
    } else {
        0
    };
    (points(70.0 * ram) + points(20.0 * cpu) + battery).min(100)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of at most 70 points"
)]
fn points(share: f64) -> u8 {
    share.round() as u8
}

#[cfg(test)]
mod tests {
    use engine::Page;

    use super::super::scene::{GIB, MINUTE, SECOND, Scene, facts};
    use super::*;

    fn original() -> Original {
        Original::new(false)
    }

    #[test]
    fn the_score_is_the_originals() {
        for (used, cpu, on_battery, expect) in [
            (70, 40.0, false, 0),
            (80, 40.0, false, 28),
            // Used has (90 − 70) / 25, free (20 − 10) / 15.
            (90, 40.0, false, 56),
            (95, 95.0, true, 100),
            (80, 95.0, true, 58),
        ] {
            let metrics = Metrics {
                ram_total: Some(100 * GIB),
                ram_used: Some(used * GIB),
                // Ignored by it.
                ram_available: Some(GIB),
                cpu: Some(cpu),
                on_battery: Some(on_battery),
                ..Metrics::default()
            };
            assert_eq!(score(&metrics), expect, "{used} % used");
        }
        assert_eq!(score(&Metrics::default()), 0);
    }

    /// Memory alone is at most 70 points, which is MEDIUM.
    #[test]
    fn one_tab_a_cooldown_at_medium_the_oldest_first() {
        let mut scene = Scene::new(original(), 4);
        scene.pass(SECOND).activate(2).pass(15 * MINUTE).used(99);
        assert_eq!(
            scene.tabs(),
            [3],
            "all but 1 and 2 were last used 15 min before it began"
        );
        scene.pass(59 * SECOND).used(99);
        assert_eq!(scene.tabs(), [3]);
        scene.pass(SECOND).used(99).pass(MINUTE).used(99);
        assert_eq!(scene.tabs(), [3, 4, 1]);
        scene.pass(MINUTE).used(70);
        assert_eq!(scene.tabs().len(), 3);
    }

    #[test]
    fn two_tabs_at_high() {
        let mut scene = Scene::new(original(), 4);
        let high = Metrics {
            ram_total: Some(100 * GIB),
            ram_used: Some(96 * GIB),
            on_battery: Some(true),
            ..Metrics::default()
        };
        scene.tell(Input::Metrics(high));
        assert_eq!(scene.tabs(), [2, 3]);
    }

    #[test]
    fn the_cooldown_runs_though_no_tab_was_found() {
        let mut scene = Scene::new(original(), 2);
        scene
            .pin(2, true)
            .used(99)
            .pin(2, false)
            .pass(30 * SECOND)
            .used(99);
        assert!(scene.tabs().is_empty());
        scene.pass(30 * SECOND).used(99);
        assert_eq!(scene.tabs(), [2]);
    }

    #[test]
    fn a_tab_is_used_when_it_is_activated_not_when_it_is_left() {
        let mut scene = Scene::new(original(), 2);
        scene.activate(2).pass(20 * MINUTE).activate(1).used(99);
        assert_eq!(scene.tabs(), [2], "read for 20 minutes, left a moment ago");
    }

    #[test]
    fn a_tab_it_never_heard_of_is_as_old_as_time() {
        let mut scene = Scene::new(original(), 1);
        scene.pass(MINUTE).open(2).used(99);
        assert_eq!(scene.tabs(), [2]);
        let mut scene = Scene::new(original(), 1);
        let tab = TabId(2);
        scene
            .pass(MINUTE)
            .open(2)
            .tell(Input::TabLoaded { tab, load_ms: None })
            .used(99);
        assert!(scene.tabs().is_empty());
    }

    #[test]
    fn with_focus_mode_the_host_in_front_is_kept_longer() {
        let mut scene = Scene::new(Original::new(true), 2);
        for id in [3, 4] {
            let page = Some(Page::Web(format!("host-{}.example.org", id - 2).into()));
            scene.tell(Input::TabOpened(engine::TabFacts { page, ..facts(id) }));
            let tab = TabId(id);
            scene.tell(Input::TabLoaded { tab, load_ms: None });
        }
        // 2 is older than any TTL; 4 shares its host and was used lately in the same window.
        scene.pass(3 * MINUTE).used(99).pass(8 * MINUTE).used(99);
        assert_eq!(
            scene.tabs(),
            [2, 4],
            "out of the cluster 10 minutes after its use"
        );
        scene.pass(3 * MINUTE).used(99);
        assert_eq!(scene.tabs(), [2, 4], "3 is on the host in front");
        scene.pass(MINUTE).used(99);
        assert_eq!(scene.tabs(), [2, 4, 3], "inside, 15 minutes are enough");
    }
}
