//! `sim explain`: what would have changed the answer, and what others would have done.

use engine::{
    Engine, Event, Explanation, Input, Mode, Orchestrator, PolicyDocument, Seq, TabId, Takes,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use recorder::{Body, Line, PruneRequested, TabChanged};
use serde_json::{Value, json};
use simulator::remedy::{Obstacle, Remedy, To, remedies};

use crate::commands::{check, sim};
use crate::properties::{body, lines};
use crate::recording::{MINUTE, Recording, short_of_memory};

/// An engine that has seen a recording.
fn engine(document: PolicyDocument, lines: Vec<Line>) -> Engine<Orchestrator> {
    let mut engine = Engine::new(Orchestrator::new(document), Mode::Enforce);
    for line in lines {
        if let Some(event) = line.event() {
            engine.step(&event, &mut Vec::new());
        }
    }
    engine
}

/// What the engine says once a document has come into force.
fn after_change(
    engine: &Engine<Orchestrator>,
    tab: TabId,
    document: PolicyDocument,
) -> Option<Explanation> {
    let mut engine = engine.clone();
    let event = Event {
        seq: Seq(1_000),
        t_ms: engine.world().moment().now,
        input: Input::PolicyChanged(Box::new(document)),
    };
    engine.step(&event, &mut Vec::new());
    engine.explain(tab)
}

/// The same remedy, a step nearer to what is now.
fn less(remedy: &Remedy) -> Option<Remedy> {
    let settings = engine::SETTINGS.iter();
    let setting = settings
        .clone()
        .find(|setting| setting.path == remedy.setting)?;
    let Takes::Number { whole, .. } = setting.takes else {
        return None;
    };
    let step = |value: &Value, by: f64| -> Value {
        let value = value.as_f64().unwrap();
        if whole {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number")]
            let value = (value + by) as i64;
            json!(value)
        } else {
            json!(((value * 10.0).round() + by) / 10.0)
        }
    };
    let to = match &remedy.to {
        To::AtMost(value) => To::AtMost(step(value, 1.0)),
        To::AtLeast(value) => To::AtLeast(step(value, -1.0)),
        To::Is(_) | To::Without(_) => return None,
    };
    Some(Remedy {
        to,
        ..remedy.clone()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_setting_that_is_named_does_what_is_said_of_it_and_less_does_not(
        bodies in vec(body(), 0..60), preset in select(&engine::PRESETS[..])
    ) {
        let document = PolicyDocument::preset(preset).unwrap();
        let engine = engine(document.clone(), lines(bodies));
        let (policy, world) = (engine.policy(), engine.world());
        for tab in world.tabs().map(|tab| tab.id) {
            let explanation = engine.explain(tab).unwrap();
            let obstacles = Obstacle::of(&explanation);
            for remedy in remedies(policy, &world, tab) {
                prop_assert!(obstacles.contains(&remedy.lifts), "{remedy}");
                prop_assert!(!remedy.lifts.is_lifted(&explanation), "{remedy}");
                let changed = remedy.apply(policy.document()).unwrap();
                let then = after_change(&engine, tab, changed.clone()).unwrap();
                let asked = policy.explain_under(&world, tab, changed).unwrap();
                prop_assert_eq!(&then, &asked, "a change of policy does the same");
                prop_assert!(remedy.lifts.is_lifted(&then), "{remedy}: {then}");
                prop_assert_eq!(then.verdict, remedy.then);
                let nearly = less(&remedy).and_then(|less| less.apply(policy.document()));
                if let Some(nearly) = nearly {
                    let then = policy.explain_under(&world, tab, nearly).unwrap();
                    prop_assert!(!remedy.lifts.is_lifted(&then), "less than {remedy}: {then}");
                }
            }
        }
        prop_assert_eq!(policy.document(), &document, "to ask changes nothing");
    }
}

/// The settings that are named for a tab at the end.
fn named(recording: Recording, tab: i64) -> Vec<String> {
    let recorded = recording.close();
    let trace = recorder::Trace::open(recorded.root().join("trace")).unwrap();
    let lines = trace.read().collect::<Result<_, _>>().unwrap();
    let engine = engine(PolicyDocument::default(), lines);
    let found = remedies(engine.policy(), &engine.world(), TabId(tab));
    found
        .iter()
        .map(|remedy| format!("{}: {remedy}", remedy.lifts))
        .collect()
}

#[track_caller]
fn check_named(recording: Recording, tab: i64, expect: &[&str]) {
    let found = named(recording, tab);
    for expect in expect {
        assert!(
            found.iter().any(|found| found == expect),
            "{expect}\n{found:#?}"
        );
    }
}

#[test]
fn what_would_have_changed_it_is_named() {
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3);
    for _ in 0..3 {
        recording.wait(MINUTE).activate(2);
        recording.wait(MINUTE).activate(1);
    }
    // Seven minutes out of the front, on a host that was visited three times, in the working
    // context; and a score of 42.
    recording.wait(7 * MINUTE).sample(85);
    check_named(
        recording,
        2,
        &[
            "ends its TTL: ttl_minutes at most 2.3 (now 15)",
            "opens the gate: pressure.medium_score at most 42 (now 50)",
            "opens the gate: focus.proactive = true (now false)",
        ],
    );
}

#[test]
fn what_another_policy_and_a_clairvoyant_would_have_done_is_told() {
    let recorded = short_of_memory(Mode::Observe).close();
    let folder = recorded.root();
    let explain = |args: &str| {
        let args: Vec<&str> = ["explain", "trace"]
            .into_iter()
            .chain(args.split(' '))
            .collect();
        sim(folder, &args)
    };
    insta::assert_snapshot!("explain_policy", explain("--tab 2 --at 14 --policy gentle"));
    insta::assert_snapshot!(
        "explain_policy_holds",
        explain("--tab 2 --at 20 --policy eager")
    );
    insta::assert_snapshot!(
        "explain_baseline",
        explain("--tab 2 --at 10 --policy ttl-5")
    );
    insta::assert_snapshot!(
        "explain_clairvoyant",
        explain("--tab 2 --at 14 --clairvoyant")
    );
    insta::assert_snapshot!(
        "explain_all_json",
        explain("--tab 2 --at 14 --policy gentle --clairvoyant --json")
    );
    // It is in front.
    let at_the_end = [
        "explain",
        "trace",
        "--tab",
        "2",
        "--clairvoyant",
        "-p",
        "ttl-5",
    ];
    check(
        folder,
        &at_the_end,
        0,
        &[
            "clairvoyant  keeps it: the guards leave no time around this line",
            "hard guards of ours that hold in its world: active",
        ],
    );
    check(
        folder,
        &[
            "explain",
            "trace",
            "--tab",
            "2",
            "--at",
            "1",
            "-p",
            "ttl-5",
            "--clairvoyant",
        ],
        1,
        &[
            "clairvoyant  not open at this line",
            "tab 2: not open at this line",
            "ttl-5: not open at this line",
        ],
    );
    check(
        folder,
        &["explain", "trace", "--tab", "2", "-p", "gentel"],
        2,
        &["did you mean gentle?"],
    );
    check(
        folder,
        &["explain", "trace", "--tab", "2", "--seed", "3"],
        2,
        &["--policy <FILE|NAME>"],
    );
}

#[test]
fn what_is_told_of_a_policy_is_what_its_replay_does() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let folder = recorded.root();
    for policy in ["default", "eager", "ttl-5"] {
        let replayed = sim(folder, &["replay", "trace", "--json", "-d", "-p", policy]);
        let decisions = replayed.lines().filter(|line| line.starts_with('{'));
        let mut seen = 0;
        for decision in decisions {
            let decision: Value = serde_json::from_str(decision).unwrap();
            let (tab, at) = (&decision["tab"], &decision["cause"]);
            let (tab, at) = (tab.to_string(), at.to_string());
            let args = [
                "explain", "trace", "--json", "--tab", &tab, "--at", &at, "-p", policy,
            ];
            let said = sim(folder, &args);
            let said: Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
            let stand = &said["alternative"]["stand"];
            assert_eq!(stand["absence"]["t_ms"], decision["t_ms"], "{stand}");
            // A timer decides between two lines, when the line has passed.
            let is_timer = policy == "ttl-5" && stand["decides"] == false;
            assert!(stand["decides"] == true || is_timer, "{stand}");
            seen += 1;
        }
        assert!(seen > 3, "{policy}: {replayed}");
    }
}

#[test]
fn a_guard_is_lifted_by_no_setting_but_the_list_of_domains() {
    let document = PolicyDocument::from_toml("protected_domains = [\"host-3.example.org\"]");
    let mut recording = Recording::new(Mode::Observe);
    recording.session(3);
    let pinned = TabChanged {
        pinned: Some(true),
        ..TabChanged::new(TabId(2))
    };
    recording.ext(Body::TabChanged(pinned));
    recording.wait(30 * MINUTE).sample(95);
    recording.ext(Body::PruneRequested(PruneRequested {
        tab: Some(TabId(2)),
    }));
    let recorded = recording.close();
    let trace = recorder::Trace::open(recorded.root().join("trace")).unwrap();
    let lines: Vec<Line> = trace.read().collect::<Result<_, _>>().unwrap();
    // The recorded policy is left out, so that the list above is in force.
    let lines = lines
        .into_iter()
        .filter(|line| !matches!(line.body, Body::PolicyChanged(_)));
    let engine = engine(document.unwrap(), lines.collect());
    let of = |tab| remedies(engine.policy(), &engine.world(), TabId(tab));
    assert_eq!(of(2), [], "it is pinned");
    let protected: Vec<String> = of(3).iter().map(Remedy::to_string).collect();
    assert_eq!(
        protected,
        [r#"protected_domains without "host-3.example.org""#]
    );
}
