//! The clairvoyant frontier: held against brute force, reached by the clairvoyant, and never beaten
//! by a policy that keeps our guards.

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    DiscardedBy, Event, Orchestrator, Output, Policy, PolicyDocument, Projection, Seq, TabId,
    UserState, WindowId, World,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::seq::IteratorRandom as _;
use rand_chacha::ChaCha8Rng;
use recorder::{
    Body, Line, Metrics, Tab, TabActivated, TabChanged, TabClosed, TabDiscarded, TabLoaded,
    TabRestored, Trace, UserIdle,
};
use simulator::baselines::{self, Never};
use simulator::replay::{Clairvoyance, Foresight, Hold, Replay, Score};

use crate::baselines::numbered;
use crate::recorded::recordings;
use crate::recording::{MINUTE, START_MS, decision, session_of, tab};

fn look_ahead(lines: &[Line]) -> Foresight {
    let mut clairvoyance = Clairvoyance::new(&PolicyDocument::default().protected_domains);
    for line in lines {
        clairvoyance.take(&line.clone());
    }
    clairvoyance.finish()
}

fn run<P: Policy>(replay: Replay<P>, lines: &[Line]) -> (Score, Vec<Hold>) {
    let mut replay = replay.keeping_holds();
    for line in lines {
        replay.take(&line.clone(), &mut Vec::new());
    }
    replay.finish_with_holds(&mut Vec::new())
}

fn sum_gib_h(holds: &[Hold]) -> f64 {
    holds.iter().map(Hold::saved_gib_h).sum()
}

fn is_close(left: f64, right: f64) -> bool {
    (left - right).abs() <= 1e-9 * (1.0 + left.abs())
}

/// Decides on given tabs at given lines.
#[derive(Clone, Debug)]
struct Dictated(BTreeMap<u64, Vec<TabId>>);

impl Policy for Dictated {
    fn name(&self) -> &str {
        "dictated"
    }

    fn step(&mut self, _: &World, event: &Event, outputs: &mut Vec<Output>) {
        for tab in self.0.remove(&event.seq.0).into_iter().flatten() {
            outputs.push(Output::Decision(decision(event.seq, tab)));
        }
    }

    fn project(&self, _: &mut Projection) {}
}

/// What may happen to three tabs in a window, a minute or two apart.
fn happening() -> impl Strategy<Value = Body> {
    let id = || (1..=3_i64).prop_map(TabId);
    prop_oneof![
        5 => id().prop_map(|tab| Body::TabActivated(TabActivated { tab, win: WindowId(1) })),
        2 => (id(), any::<bool>()).prop_map(|(tab, audible)| Body::TabChanged(TabChanged {
            audible: Some(audible),
            ..TabChanged::new(tab)
        })),
        1 => (id(), any::<bool>()).prop_map(|(tab, pinned)| Body::TabChanged(TabChanged {
            pinned: Some(pinned),
            ..TabChanged::new(tab)
        })),
        1 => id().prop_map(|tab| Body::TabClosed(TabClosed { tab })),
        1 => id().prop_map(|tab| Body::TabDiscarded(TabDiscarded { tab, by: DiscardedBy::Other })),
        1 => Just(Body::UserIdle(UserIdle { state: UserState::Idle })),
        1 => Just(Body::UserIdle(UserIdle { state: UserState::Active })),
        1 => (1..4_u64).prop_map(|gib| Body::Metrics(Metrics {
            ram_total: Some(16 << 30),
            browser_pss: Some(gib << 28),
            ..Metrics::default()
        })),
    ]
}

/// A small session. All happens on the minute, as guards end on it: so whoever may decide after
/// each line alone has every choice that counts.
fn session(happenings: Vec<(Body, i64)>) -> Vec<Line> {
    let facts = |id: i64| Tab {
        active: Some(id == 1),
        host: Some(format!("host-{id}.example.org").into()),
        ..tab(id)
    };
    let first = session_of((1..=3).map(facts));
    // A sample changes nothing, and gives a choice at the very end of a guard.
    let tick = || (Body::Metrics(Metrics::default()), 1);
    let mut discarded = BTreeSet::new();
    let mut bodies = Vec::new();
    for (body, minutes) in happenings {
        bodies.push(tick());
        bodies.push((body.clone(), minutes));
        match body {
            Body::TabDiscarded(TabDiscarded { tab, .. }) => {
                discarded.insert(tab);
            }
            // A browser loads what is looked at, and that ends before the tab is old again.
            Body::TabActivated(TabActivated { tab, .. }) if discarded.remove(&tab) => {
                bodies.push((Body::TabRestored(TabRestored { tab }), 0));
                bodies.push((Body::TabLoaded(TabLoaded { tab, ms: None }), 0));
            }
            _ => {}
        }
    }
    let happenings = bodies;
    let mut t_ms = START_MS;
    (0..)
        .zip(
            std::iter::once((first, 0))
                .chain(happenings)
                .chain([tick(), tick()]),
        )
        .map(|(seq, (body, minutes))| {
            t_ms += MINUTE * minutes;
            Line {
                seq: Seq(seq),
                t_ms,
                src: body.source().unwrap(),
                n: None,
                at_ms: None,
                body,
            }
        })
        .collect()
}

/// The most that any choice of discards saves, by its number of reloads. A choice that goes against
/// a guard does not count, as the checker sees it.
fn brute_force(lines: &[Line]) -> BTreeMap<u64, f64> {
    let mut best = BTreeMap::new();
    let mut plans = vec![BTreeMap::new()];
    for line in lines {
        // Of each tab only the first discard between two activations counts.
        let mut longer = Vec::new();
        for plan in plans {
            for chosen in 0..8_u8 {
                let tabs = (1..=3_i64).filter(|id| chosen & (1 << (id - 1)) != 0);
                let tabs: Vec<TabId> = tabs.map(TabId).collect();
                let mut plan: BTreeMap<u64, Vec<TabId>> = plan.clone();
                plan.insert(line.seq.0, tabs);
                let upto = &lines[..=usize::try_from(line.seq.0).unwrap()];
                let replay = Replay::new(Dictated(plan.clone())).carrying_out_all();
                let (score, _) = run(replay, upto);
                if score.violations == 0 && score.refused == 0 {
                    longer.push(plan);
                }
            }
        }
        plans = longer;
    }
    for plan in plans {
        let replay = Replay::new(Dictated(plan)).carrying_out_all();
        let (score, holds) = run(replay, lines);
        assert!(is_close(score.saved_gib_h, sum_gib_h(&holds)), "{score:?}");
        let saved = best.entry(score.reloads).or_insert(0.0_f64);
        *saved = saved.max(score.saved_gib_h);
    }
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_frontier_is_what_brute_force_finds(
        happenings in vec((happening(), 1..3_i64), 1..4)
    ) {
        let lines = session(happenings);
        let frontier = look_ahead(&lines).frontier();
        let mut most = 0.0_f64;
        for (reloads, saved) in brute_force(&lines) {
            most = most.max(saved);
            let bound = frontier.saved_gib_h(reloads);
            prop_assert!(is_close(bound, most), "{reloads} reloads: {bound}, by force {most}");
        }
        let reached = frontier.saved_gib_h(frontier.reloads_max());
        prop_assert!(is_close(reached, most), "at most {reached}, by force {most}");
    }
}

/// The budgets that matter.
fn budgets(foresight: &Foresight) -> impl Iterator<Item = u64> {
    0..=foresight.frontier().reloads_max() + 1
}

/// Holds the clairvoyant against the frontier at every budget: it gets there, and with no more
/// reloads.
#[track_caller]
fn check_clairvoyant(lines: &[Line]) {
    let foresight = look_ahead(lines);
    let frontier = foresight.frontier();
    for reloads in budgets(&foresight) {
        let replay = Replay::new(foresight.clairvoyant(reloads)).carrying_out_all();
        let (mut score, holds) = run(replay, lines);
        foresight.measure(&mut score, &holds);
        assert!(score.reloads <= reloads, "{} of {reloads}", score.reloads);
        let bound = frontier.saved_gib_h(reloads);
        assert!(
            is_close(score.saved_gib_h, bound),
            "{reloads} reloads: {} of {bound}",
            score.saved_gib_h
        );
        assert!(
            score
                .frontier_share
                .is_none_or(|share| is_close(share, 1.0)),
            "{score:?}"
        );
        assert_eq!(score.excess_reloads, Some(0));
    }
}

/// Holds a policy against the frontier.
#[track_caller]
fn check_bound<P: Policy>(policy: P, lines: &[Line], foresight: &Foresight) -> Score {
    let name = policy.name().to_owned();
    let (mut score, holds) = run(Replay::new(policy), lines);
    foresight.measure(&mut score, &holds);
    assert!(is_close(score.saved_gib_h, sum_gib_h(&holds)), "{name}");
    let share = score.frontier_share.unwrap_or(0.0);
    assert!(share <= 1.0 + 1e-12, "{name}: {share} of the frontier");
    if score.violations == 0 {
        let bound = foresight.frontier().saved_gib_h(score.reloads);
        assert!(
            score.saved_gib_h <= bound * (1.0 + 1e-12),
            "{name}: {} where {bound} is the most",
            score.saved_gib_h
        );
    }
    score
}

fn recorded() -> Vec<(String, Vec<Line>)> {
    let read = |path: &std::path::PathBuf| {
        let lines = Trace::open(path)
            .unwrap()
            .read()
            .map(Result::unwrap)
            .collect();
        (
            path.file_name().unwrap().to_string_lossy().into_owned(),
            lines,
        )
    };
    recordings().iter().map(read).collect()
}

#[test]
fn the_clairvoyant_is_on_the_frontier_at_every_budget() {
    for (_, lines) in recorded() {
        check_clairvoyant(&lines);
    }
}

#[test]
fn never_saves_nothing_and_reloads_nothing() {
    for (name, lines) in recorded() {
        let foresight = look_ahead(&lines);
        let score = check_bound(Never, &lines, &foresight);
        assert_eq!((score.saved_gib_h, score.reloads), (0.0, 0), "{name}");
        assert_eq!(score.frontier_share, Some(0.0), "{name}");
        assert_eq!(score.excess_reloads, Some(0), "{name}");
    }
}

#[test]
fn no_policy_beats_the_frontier_on_a_bundled_recording() {
    for (name, lines) in recorded() {
        let foresight = look_ahead(&lines);
        for preset in engine::PRESETS {
            let document = PolicyDocument::preset(preset).unwrap();
            let score = check_bound(Orchestrator::new(document), &lines, &foresight);
            assert_eq!(score.violations, 0, "{name} {preset}");
        }
        let mut known = BTreeSet::new();
        for policy in numbered(5) {
            check_bound(baselines::named(&policy, 0).unwrap(), &lines, &foresight);
            known.insert(policy);
        }
        assert_eq!(known.len(), baselines::ALL.len());
    }
}

#[test]
fn to_discard_what_is_never_used_again_costs_nothing() {
    let activate = |tab: i64| {
        let (tab, win) = (TabId(tab), WindowId(1));
        (Body::TabActivated(TabActivated { tab, win }), 2)
    };
    // Tab 3 is never looked at; tab 2 is, at the end.
    let lines = session(vec![activate(1), activate(1), activate(2), activate(1)]);
    let plan = |tab: i64| Dictated(BTreeMap::from([(3, vec![TabId(tab)])]));
    let (unused, _) = run(Replay::new(plan(3)), &lines);
    assert_eq!((unused.discards, unused.reloads), (1, 0));
    assert!(unused.saved_gib_h > 0.0);
    let (used, _) = run(Replay::new(plan(2)), &lines);
    assert_eq!((used.discards, used.reloads), (1, 1));
    let foresight = look_ahead(&lines);
    assert_eq!(
        foresight.frontier().reloads_max(),
        1 + 1,
        "tabs 2 and 1 come back"
    );
    check_clairvoyant(&lines);
}

/// Discards at another's moments, but a tab drawn from those that are loaded in the background.
#[derive(Clone, Debug)]
struct Shuffled {
    random: ChaCha8Rng,
    moments: BTreeMap<u64, usize>,
}

impl Policy for Shuffled {
    fn name(&self) -> &str {
        "shuffled"
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        let count = self.moments.remove(&event.seq.0).unwrap_or(0);
        let loaded = world
            .tabs()
            .filter(|tab| !tab.is_active && !tab.is_discarded);
        let drawn = loaded.sample(&mut self.random, count);
        outputs.extend(
            drawn
                .iter()
                .map(|tab| Output::Decision(decision(event.seq, tab.id))),
        );
    }

    fn project(&self, _: &mut Projection) {}
}

#[test]
fn to_shuffle_which_tab_is_discarded_lowers_the_share_to_chance() {
    let (_, lines) = recorded().remove(1);
    let foresight = look_ahead(&lines);
    let reloads = 5;
    let replay = Replay::new(foresight.clairvoyant(reloads)).carrying_out_all();
    let (mut score, holds) = run(replay, &lines);
    foresight.measure(&mut score, &holds);
    assert!(is_close(score.frontier_share.unwrap(), 1.0));
    let mut moments: BTreeMap<u64, usize> = BTreeMap::new();
    for hold in &holds {
        *moments.entry(hold.seq.0).or_default() += 1;
    }
    let share = |seed: u64| {
        let random = ChaCha8Rng::seed_from_u64(seed);
        let moments = moments.clone();
        let replay = Replay::new(Shuffled { random, moments }).carrying_out_all();
        let (mut score, holds) = run(replay, &lines);
        foresight.measure(&mut score, &holds);
        score.frontier_share.unwrap()
    };
    // Chance is a level, not a number: two halves of the draws find the same.
    let mean = |seeds: std::ops::Range<u64>| seeds.map(share).sum::<f64>() / 40.0;
    let (one, other) = (mean(0..40), mean(40..80));
    assert!((one - other).abs() < 0.1, "{one} and {other}");
    assert!(one < 0.9, "{one}");
}
