//! Baselines that look at their tabs every so often, held against models that do look every time,
//! at every tab: the same decisions, the same score, and the same state after every line.

use std::collections::BTreeMap;

use engine::{
    Change, Decision, Event, Input, Level, Mode, Output, Policy, Projection, Reason, Seq, Tab,
    TabId, WindowId, World,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use recorder::{Body, Line, Suspended, TabActivated, TabChanged, TabLoaded};
use simulator::baselines::{ALL, AnyPolicy, Baseline, named};
use simulator::replay::Replay;

use crate::properties::{body, lines};
use crate::recording::{MINUTE, START_MS, tab};

/// What is done at each tick.
trait Looks {
    const NAME: &str;
    const PERIOD_MS: i64;

    /// Takes in what an event did.
    fn follow(&mut self, _world: &World, _input: &Input) {}

    /// The tabs that go, each with its idle time and its TTL.
    fn look(&mut self, world: &World, asked: &Asked) -> Vec<(TabId, i64, i64)>;

    fn project(&self, tick: Option<i64>, asked: &Asked, projection: &mut Projection);
}

/// The tabs that were asked for, each with when it was last in front.
#[derive(Default)]
struct Asked(BTreeMap<TabId, i64>);

impl Asked {
    fn holds(&self, tab: &Tab) -> bool {
        self.0.contains_key(&tab.id)
    }

    fn follow(&mut self, world: &World) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    let tab = world.tab(id).unwrap();
                    if tab.is_discarded || self.0.get(&id) != Some(&tab.last_active.now) {
                        self.0.remove(&id);
                    }
                }
                Change::Renamed { old, new } => rename(&mut self.0, old, new),
                Change::Gone(id) => drop(self.0.remove(&id)),
            }
        }
    }

    fn project(&self, projection: &mut Projection) {
        for (tab, since) in &self.0 {
            projection.line(format_args!("asked {tab} {since}"));
        }
    }
}

fn rename<T>(by_tab: &mut BTreeMap<TabId, T>, old: TabId, new: TabId) {
    if let Some(value) = by_tab.remove(&old) {
        by_tab.insert(new, value);
    }
}

fn project_tick(tick: Option<i64>, projection: &mut Projection) {
    if let Some(tick) = tick {
        projection.line(format_args!("tick {tick}"));
    }
}

fn wall_idle_ms(world: &World, tab: &Tab) -> i64 {
    world.moment().now - world.last_in_front(tab).now
}

/// Looks at every tick, and is told of each.
struct EveryTick<L> {
    looks: L,
    next_ms: Option<i64>,
    asked: Asked,
}

impl<L: Looks> EveryTick<L> {
    fn new(looks: L) -> Self {
        Self {
            looks,
            next_ms: None,
            asked: Asked::default(),
        }
    }

    fn act(&mut self, world: &World, cause: Seq, outputs: &mut Vec<Output>) {
        let now = world.moment().now;
        let next_ms = *self.next_ms.get_or_insert(now + L::PERIOD_MS);
        if now < next_ms {
            return;
        }
        self.next_ms = Some(next_ms + ((now - next_ms) / L::PERIOD_MS + 1) * L::PERIOD_MS);
        let chosen = self.looks.look(world, &self.asked);
        for (rank, (tab, idle_ms, ttl_ms)) in (0..).zip(chosen) {
            let last_active_ms = world.tab(tab).unwrap().last_active.now;
            self.asked.0.insert(tab, last_active_ms);
            outputs.push(Output::Decision(Decision {
                cause,
                tab,
                rank,
                idle_ms,
                ttl_ms,
                in_focus: false,
                familiarity: 1,
                score: 0,
                level: Level::Low,
                reasons: vec![Reason::GateAlways],
                mode: Mode::Enforce,
                policy_hash: L::NAME.to_owned(),
            }));
        }
    }
}

impl<L: Looks> Policy for EveryTick<L> {
    fn name(&self) -> &str {
        L::NAME
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.asked.follow(world);
        self.looks.follow(world, &event.input);
        self.act(world, event.seq, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.looks.project(self.next_ms, &self.asked, projection);
    }

    fn next_due(&self, _: &World) -> Option<i64> {
        self.next_ms
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.act(world, seq, outputs);
    }
}

/// Draws for every tab at every tick.
struct Random(ChaCha8Rng);

impl Looks for Random {
    const NAME: &str = "random";
    const PERIOD_MS: i64 = 60_000;

    fn look(&mut self, world: &World, asked: &Asked) -> Vec<(TabId, i64, i64)> {
        let is_loose = |tab: &&Tab| {
            let is_guarded = tab.is_active || tab.is_pinned || tab.is_audible || tab.is_discarded;
            !is_guarded && !asked.holds(tab)
        };
        let mut chosen: Vec<&Tab> = world.tabs().filter(is_loose).collect();
        chosen.retain(|_| self.0.random_ratio(1, 15));
        let of = |tab: &Tab| (tab.id, wall_idle_ms(world, tab), 0);
        chosen.into_iter().map(of).collect()
    }

    fn project(&self, tick: Option<i64>, asked: &Asked, projection: &mut Projection) {
        projection.line(format_args!("random {}", self.0.get_word_pos()));
        project_tick(tick, projection);
        asked.project(projection);
    }
}

struct AutoTabDiscard;

impl Looks for AutoTabDiscard {
    const NAME: &str = "auto-tab-discard";
    const PERIOD_MS: i64 = 200_000;

    fn look(&mut self, world: &World, asked: &Asked) -> Vec<(TabId, i64, i64)> {
        let is_listed = |tab: &&Tab| {
            let is_web = world.host_of(tab).is_some();
            is_web && !tab.is_discarded && !tab.is_shown() && !tab.is_audible && !asked.holds(tab)
        };
        let may_go = |tab: &&Tab| {
            let is_held = tab.is_loading || tab.is_unsaved || !tab.is_auto_discardable;
            !is_held && wall_idle_ms(world, tab) >= 600_000
        };
        let listed: Vec<&Tab> = world.tabs().filter(is_listed).collect();
        let count = listed.len().saturating_sub(6).min(50);
        let mut ripe: Vec<&Tab> = listed.into_iter().filter(may_go).collect();
        ripe.sort_by_key(|tab| (tab.last_active.now, tab.id));
        let of = |tab: &Tab| (tab.id, wall_idle_ms(world, tab), 600_000);
        ripe.into_iter().take(count).map(of).collect()
    }

    fn project(&self, tick: Option<i64>, asked: &Asked, projection: &mut Projection) {
        project_tick(tick, projection);
        asked.project(projection);
    }
}

#[derive(Default)]
struct TabSuspender {
    fronts: BTreeMap<TabId, bool>,
    records: BTreeMap<TabId, Record>,
}

#[derive(Debug, Default)]
struct Record {
    idle_s: i64,
    active_s: i64,
    switches: u32,
    parked: u32,
    tries: u32,
}

impl Looks for TabSuspender {
    const NAME: &str = "tab-suspender";
    const PERIOD_MS: i64 = 10_000;

    fn follow(&mut self, world: &World, _: &Input) {
        for &change in world.changes() {
            match change {
                Change::Tab(id) => {
                    let Some(tab) = world.tab(id) else { continue };
                    let record = self.records.entry(id).or_default();
                    if self.fronts.insert(id, tab.is_active) == Some(false) && tab.is_active {
                        record.switches += 1;
                    }
                }
                Change::Renamed { old, new } => {
                    rename(&mut self.records, old, new);
                    rename(&mut self.fronts, old, new);
                }
                Change::Gone(id) => {
                    self.records.remove(&id);
                    self.fronts.remove(&id);
                }
            }
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a logarithm, in millionths"
    )]
    fn look(&mut self, world: &World, _: &Asked) -> Vec<(TabId, i64, i64)> {
        let mut tabs: Vec<&Tab> = world.tabs().collect();
        tabs.sort_by_key(|tab| (tab.win, tab.id));
        let mut chosen = None;
        for tab in tabs {
            let record = self.records.entry(tab.id).or_default();
            record.idle_s += 10;
            let millionths = (1e6 * f64::from(record.switches + 1).log2()).floor() as i64;
            let used_ms = (record.active_s + 1 + 450) * millionths / 1_000;
            let ttl_ms = 1_800_000 * (1 + i64::from(record.parked)) + used_ms;
            let may_be_tried = !tab.is_active
                && !tab.is_loading
                && !tab.is_discarded
                && world.host_of(tab).is_some()
                && record.tries <= 2;
            if chosen.is_none() && record.idle_s * 1_000 >= ttl_ms && may_be_tried {
                if tab.is_pinned || tab.is_audible || tab.is_unsaved || tab.is_in_sight {
                    record.idle_s = 0;
                } else {
                    record.tries += 1;
                    record.parked += 1;
                    chosen = Some((tab.id, record.idle_s * 1_000, ttl_ms));
                }
            }
            if tab.is_active {
                record.active_s += if tab.is_audible { 15 } else { 10 };
                record.tries = 0;
            }
            if tab.is_active || tab.is_audible || tab.is_pinned {
                record.idle_s = 0;
            }
        }
        chosen.into_iter().collect()
    }

    fn project(&self, tick: Option<i64>, _: &Asked, projection: &mut Projection) {
        project_tick(tick, projection);
        for (tab, is_in_front) in &self.fronts {
            projection.line(format_args!("front {tab} {is_in_front}"));
        }
        for (tab, record) in &self.records {
            projection.line(format_args!("record {tab} {record:?}"));
        }
    }
}

#[derive(Default)]
struct TabWrangler(BTreeMap<TabId, i64>);

impl Looks for TabWrangler {
    const NAME: &str = "tab-wrangler";
    const PERIOD_MS: i64 = 5_000;

    fn follow(&mut self, world: &World, _: &Input) {
        for &change in world.changes() {
            match change {
                Change::Tab(_) => {}
                Change::Renamed { old, new } => rename(&mut self.0, old, new),
                Change::Gone(id) => drop(self.0.remove(&id)),
            }
        }
    }

    fn look(&mut self, world: &World, asked: &Asked) -> Vec<(TabId, i64, i64)> {
        let now = world.moment().now;
        let mut unlocked: BTreeMap<WindowId, Vec<(i64, TabId, bool)>> = BTreeMap::new();
        for tab in world.tabs() {
            if tab.is_audible {
                self.0.insert(tab.id, now);
            }
            let is_web = world.host_of(tab).is_some();
            let is_locked = tab.is_pinned || tab.is_audible || !is_web || tab.is_discarded;
            if !is_locked && !asked.holds(tab) {
                let heard_ms = self.0.get(&tab.id).copied().unwrap_or(i64::MIN);
                let accessed_ms = world.last_in_front(tab).now.max(heard_ms);
                let tabs = unlocked.entry(tab.win).or_default();
                tabs.push((accessed_ms, tab.id, tab.is_active));
            }
        }
        let mut chosen = Vec::new();
        for mut tabs in unlocked.into_values() {
            let count = tabs.len().saturating_sub(20);
            tabs.sort_unstable();
            tabs.retain(|&(accessed_ms, _, is_active)| {
                now - accessed_ms > 60 * MINUTE && !is_active
            });
            let of = |(accessed_ms, id, _)| (id, now - accessed_ms, 60 * MINUTE);
            chosen.extend(tabs.into_iter().take(count).map(of));
        }
        chosen
    }

    fn project(&self, tick: Option<i64>, asked: &Asked, projection: &mut Projection) {
        project_tick(tick, projection);
        asked.project(projection);
        for (tab, heard_ms) in &self.0 {
            projection.line(format_args!("heard {tab} {heard_ms}"));
        }
    }
}

#[derive(Default)]
struct Tabzen {
    used_ms: BTreeMap<TabId, i64>,
    sites: BTreeMap<String, (u32, i64)>,
}

impl Looks for Tabzen {
    const NAME: &str = "tabzen";
    const PERIOD_MS: i64 = MINUTE;

    fn follow(&mut self, world: &World, input: &Input) {
        let now = world.moment().now;
        match input {
            Input::TabActivated { tab, .. } => {
                self.used_ms.insert(*tab, now);
                if let Some(host) = world.tab(*tab).and_then(|tab| world.host_of(tab)) {
                    let visits = self.sites.entry(host.to_owned()).or_default();
                    *visits = (visits.0 + 1, now);
                }
            }
            Input::TabLoaded { tab, .. } => drop(self.used_ms.entry(*tab).or_insert(now)),
            Input::WindowFocused { win: Some(win) } => {
                let mut tabs = world.tabs();
                if let Some(tab) = tabs.find(|tab| tab.is_active && tab.win == *win) {
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
        self.used_ms.retain(|&tab, _| world.tab(tab).is_some());
    }

    fn look(&mut self, world: &World, asked: &Asked) -> Vec<(TabId, i64, i64)> {
        let now = world.moment().now;
        let of = |tab: &Tab| {
            let host = world.host_of(tab)?;
            let may_not = tab.is_active || tab.is_pinned || tab.is_audible;
            if may_not || tab.is_unsaved || tab.is_discarded || asked.holds(tab) {
                return None;
            }
            let ttl_ms = match self.sites.get(host).map_or(0, |visits| visits.0) {
                5.. => 60 * MINUTE,
                1 => 18 * MINUTE,
                _ => 30 * MINUTE,
            };
            let idle_ms = now - self.used_ms.get(&tab.id).unwrap_or(&now);
            (idle_ms >= ttl_ms).then_some((tab.id, idle_ms, ttl_ms))
        };
        world.tabs().filter_map(of).collect()
    }

    fn project(&self, tick: Option<i64>, asked: &Asked, projection: &mut Projection) {
        project_tick(tick, projection);
        for (tab, used_ms) in &self.used_ms {
            projection.line(format_args!("used {tab} {used_ms}"));
        }
        for (site, (count, last_ms)) in &self.sites {
            projection.line(format_args!("site {site} {count} {last_ms}"));
        }
        asked.project(projection);
    }
}

/// What may happen, and how long after what came before.
fn story() -> impl Strategy<Value = Vec<Line>> {
    let gap_ms = prop_oneof![
        4 => Just(0),
        // Whole ticks and what lies beside them.
        9 => (1..400_i64, -1..=1_i64).prop_map(|(ticks, beside)| ticks * 5_000 + beside),
        4 => 0..70 * MINUTE,
        1 => 0..10 * 60 * MINUTE,
    ];
    let sleep = (0..12 * 60 * MINUTE).prop_map(|ms| {
        Body::Suspended(Suspended {
            ms: ms.cast_unsigned(),
        })
    });
    let body = prop_oneof![12 => body(), 1 => sleep];
    vec((gap_ms, body), 0..50).prop_map(|told| {
        let (gaps, mut bodies): (Vec<i64>, Vec<Body>) = told.into_iter().unzip();
        let mut gaps: Vec<i64> = gaps;
        // Enough tabs that some are too many.
        let many = (1..=28).map(|id| Body::TabOpened(tab(id)));
        bodies.splice(0..0, many);
        gaps.splice(0..0, [1_000; 28]);
        let mut t_ms = START_MS;
        let mut lines = lines(bodies);
        for (line, gap_ms) in lines.iter_mut().zip(gaps) {
            t_ms += gap_ms;
            line.t_ms = t_ms;
        }
        lines
    })
}

/// Whether a baseline comes to what its model comes to.
fn is_as<L: Looks>(lines: &[Line], looks: L, is_ticking: bool) -> Result<(), TestCaseError> {
    let mut model = Replay::new(EveryTick::new(looks));
    let mut replay = Replay::new(named(L::NAME, 7).unwrap());
    model.tick_from_here(is_ticking);
    replay.tick_from_here(is_ticking);
    let (mut expected, mut decided) = (Vec::new(), Vec::new());
    for line in lines {
        model.take(line, &mut expected);
        replay.take(line, &mut decided);
        prop_assert_eq!(&decided, &expected, "{}", line.seq.0);
        prop_assert_eq!(replay.state_hash(), model.state_hash(), "{}", line.seq.0);
    }
    let score = replay.finish(&mut decided);
    prop_assert_eq!(score, model.finish(&mut expected));
    prop_assert_eq!(decided, expected);
    Ok(())
}

/// As [`is_as`] for every baseline that looks every so often.
fn are_as(lines: &[Line], is_ticking: bool) -> Result<(), TestCaseError> {
    is_as(lines, AutoTabDiscard, is_ticking)?;
    is_as(lines, Random(ChaCha8Rng::seed_from_u64(7)), is_ticking)?;
    is_as(lines, TabSuspender::default(), is_ticking)?;
    is_as(lines, TabWrangler::default(), is_ticking)?;
    is_as(lines, Tabzen::default(), is_ticking)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.div_ceil(4),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_tick_that_is_not_waited_for_would_have_changed_nothing(
        lines in story(), is_ticking in any::<bool>()
    ) {
        are_as(&lines, is_ticking)?;
    }
}

#[test]
fn of_a_silence_of_weeks_a_week_is_lived_through() {
    let many = (1..=28).map(|id| Body::TabOpened(tab(id)));
    let audible = Body::TabChanged(TabChanged {
        audible: Some(true),
        ..TabChanged::new(TabId(3))
    });
    let unsaved = Body::TabChanged(TabChanged {
        unsaved: Some(true),
        ..TabChanged::new(TabId(4))
    });
    let loaded = |id| {
        Body::TabLoaded(TabLoaded {
            tab: TabId(id),
            ms: None,
        })
    };
    let bodies = many.chain([audible, unsaved, loaded(5), loaded(6)]);
    let mut lines = lines(bodies.collect());
    let last = lines.last_mut().unwrap();
    last.t_ms += 17 * 24 * 60 * MINUTE;
    are_as(&lines, false).unwrap();
}

/// Counts how often a policy is woken.
struct Counting {
    policy: Box<dyn AnyPolicy>,
    wakes: usize,
}

impl Policy for Counting {
    fn name(&self) -> &str {
        self.policy.name()
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        self.policy.step(world, event, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        self.policy.project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        self.policy.next_due(world)
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        self.policy.pass(world, until_ms);
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        self.wakes += 1;
        self.policy.wake(world, seq, outputs);
    }
}

#[test]
fn a_line_a_week_wakes_nobody_for_nothing() {
    const TABS: i64 = 500;
    const WEEKS: i64 = 52;
    let opened = (1..=TABS).map(|id| Body::TabOpened(tab(id)));
    let win = WindowId(1);
    let activated = |week| {
        let tab = TabId(week % TABS + 1);
        Body::TabActivated(TabActivated { tab, win })
    };
    let mut lines = lines(opened.chain((0..WEEKS).map(activated)).collect());
    for (line, week) in lines.iter_mut().skip(500).zip(1..) {
        line.t_ms += week * 7 * 24 * 60 * MINUTE;
    }
    for name in ALL.iter().flat_map(Baseline::compared) {
        let policy = named(name, 7).unwrap();
        let mut replay = Replay::new(Counting { policy, wakes: 0 });
        for line in &lines {
            replay.take(line, &mut Vec::new());
        }
        // Each tab is discarded about once, and a few each week; the null model draws for its last
        // few tabs for hours. There are 6,000,000 ticks of five seconds in the year.
        let wakes = replay.policy().wakes;
        assert!(wakes < 8_000, "{name}: {wakes}");
    }
}
