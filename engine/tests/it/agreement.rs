//! The engine and the model, over the same logs, say the same at each event.

use std::fmt::Debug;

use engine::{Engine, Event, Guard, Orchestrator, TabId};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::generate::{Script, config, script};
use crate::model::{Model, RULES, Rule};

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn engine_and_model_agree_at_every_event(script in script()) {
        let model = Model::new(script.policy.clone(), script.mode);
        prop_assert_eq!(first_difference(&script, model, difference_of_states), None);
    }
}

/// Proves that the comparison can fail, and that the sessions reach every rule: a model that
/// lacks any one is told from the engine by what it decides.
#[test]
fn a_model_without_any_one_rule_is_caught() {
    let mut runner = TestRunner::deterministic();
    let mut missed = RULES.to_vec();
    for _ in 0..4_000 {
        let tree = script().new_tree(&mut runner);
        let script = tree.expect("sessions are not filtered away").current();
        missed.retain(|&rule| {
            let model = Model::new(script.policy.clone(), script.mode).without(rule);
            first_difference(&script, model, |_, _| None).is_none()
        });
        if missed.is_empty() {
            return;
        }
    }
    panic!("nothing told the model from the engine without {missed:?}");
}

/// Plays a session to both, up to where their outputs differ or their states do. Says in what.
fn first_difference(
    script: &Script,
    mut model: Model,
    of_states: impl Fn(&Engine<Orchestrator>, &Model) -> Option<String>,
) -> Option<String> {
    let mut engine = script.engine();
    let mut difference = None;
    script.play(|event| {
        let mut found = Vec::new();
        engine.step(event, &mut found);
        if difference.is_none() {
            let expected = model.step(event);
            difference = difference_in("outputs", &found, &expected)
                .or_else(|| of_states(&engine, &model))
                .map(|difference| at(event, &difference));
        }
        found
    });
    difference
}

fn difference_of_states(engine: &Engine<Orchestrator>, model: &Model) -> Option<String> {
    let (world, policy) = (engine.world(), engine.policy());
    let guards = || -> Vec<(TabId, Vec<Guard>)> {
        let guards = world.tabs().map(|tab| (tab.id, policy.guards(&world, tab)));
        guards.collect()
    };
    let guards_of_model = || -> Vec<(TabId, Vec<Guard>)> {
        let of = |tab| model.guards(tab).into_iter().filter_map(guard_of).collect();
        model.tabs().into_iter().map(|tab| (tab, of(tab))).collect()
    };
    difference_in("anomalies", &world.anomalies(), &model.anomalies())
        .or_else(|| difference_in("cluster", &policy.cluster(&world), &model.cluster()))
        .or_else(|| difference_in("guards", &guards(), &guards_of_model()))
}

fn difference_in<T: Debug + PartialEq>(what: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected).then(|| format!("{what}: the engine has {found:?}, the model {expected:?}"))
}

fn at(event: &Event, difference: &str) -> String {
    let Event { seq, t_ms, input } = event;
    format!("at {seq}, {t_ms} ms, {input:?}:\n{difference}")
}

fn guard_of(rule: Rule) -> Option<Guard> {
    Some(match rule {
        Rule::Active => Guard::Active,
        Rule::Pinned => Guard::Pinned,
        Rule::Audible => Guard::Audible,
        Rule::RecentlyAudible => Guard::RecentlyAudible,
        Rule::Capturing => Guard::Capturing,
        Rule::Unsaved => Guard::Unsaved,
        Rule::NotAutoDiscardable => Guard::NotAutoDiscardable,
        Rule::Protected => Guard::Protected,
        Rule::Internal => Guard::Internal,
        Rule::Loading => Guard::Loading,
        Rule::Discarded => Guard::Discarded,
        Rule::Young => Guard::Young,
        _ => return None,
    })
}
