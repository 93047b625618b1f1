//! Replays side by side over one recording: each comes to what it comes to alone.

use engine::{Orchestrator, PRESETS, PolicyDocument};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use recorder::{Line, Trace};
use simulator::baselines::AnyPolicy;
use simulator::comparison::{Entrant, Loop, run, run_in_parts};
use simulator::replay::{Abreast, Lockstep, Replay, Step, Tally};

use crate::baselines::{every, two_days};
use crate::fork::spread;
use crate::packed::packed;
use crate::properties::{body, greedy, lines};
use crate::recorded::recordings;

type AnyReplay = Replay<Box<dyn AnyPolicy>>;

/// Every baseline, our presets, and ours at its greediest; each with the loop closed and open.
fn replays() -> Vec<AnyReplay> {
    let ours = PRESETS.map(|name| Orchestrator::new(PolicyDocument::preset(name).unwrap()));
    let ours = ours.into_iter().chain([greedy()]);
    let policies = (every().into_iter()).chain(ours.map(|policy| policy.boxed()));
    policies
        .flat_map(|policy| {
            let replay = Replay::new(policy).keeping_holds().ticking();
            [replay.clone(), replay.open_loop()]
        })
        .collect()
}

/// Replays steps side by side, and each alone.
fn check(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut abreast = Abreast::new(replays());
    let mut alone = replays();
    for step in steps {
        abreast.take_step(step);
        for replay in &mut alone {
            replay.take_step(step, &mut Vec::new());
        }
        prop_assert!(abreast.tallies().eq(alone.iter().map(Replay::tally)));
    }
    for (abreast, alone) in abreast.finish().zip(alone) {
        prop_assert_eq!(abreast, alone.finish_with_holds(&mut Vec::new()));
    }
    Ok(())
}

fn steps(lines: impl IntoIterator<Item = Line>) -> Vec<Step> {
    lines
        .into_iter()
        .filter_map(|line| Step::of(&line))
        .collect()
}

#[test]
fn on_recordings_they_are_as_alone() {
    for path in recordings() {
        let trace = Trace::open(&path).unwrap();
        check(&steps(trace.read().map(Result::unwrap))).unwrap();
    }
    check(&steps(two_days())).unwrap();
}

proptest! {
    #[test]
    fn whatever_happens_they_are_as_alone(bodies in vec(body(), 0..60)) {
        check(&steps(lines(bodies)))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_the_discards_of_a_part_no_more_return_early_than_there_are(
        bodies in vec(body(), 0..60),
        ends in vec(any::<Index>(), 0..4),
    ) {
        let entrants = (every().into_iter().chain([greedy().boxed()])).map(|policy| Entrant {
            name: String::new(),
            policy,
            protected_domains: Vec::new(),
            is_ticking: true,
        });
        let entrants: Vec<Entrant> = entrants.collect();
        let lines = lines(bodies);
        let trace = packed(&lines);
        let until_ms = ends.iter().map(|end| lines.get(end.index(lines.len() + 1)));
        let mut until_ms: Vec<i64> = until_ms.flatten().map(|line| line.t_ms).collect();
        until_ms.sort_unstable();
        let scores = run(&entrants, &trace, Loop::Closed, None).unwrap();
        let all = run_in_parts(&entrants, &trace, Loop::Closed, &until_ms).unwrap();
        for (score, parts) in scores.iter().zip(all) {
            prop_assert_eq!(parts.len(), until_ms.len() + 1);
            prop_assert!(parts.iter().all(|part| part.early_returns <= part.discards));
            let counts = |tally: Tally| (tally.discards, tally.reloads, tally.early_returns);
            let sum = counts(parts.into_iter().sum());
            prop_assert_eq!(sum, (score.discards, score.reloads, score.early_returns));
        }
    }

    #[test]
    fn in_lockstep_each_of_two_is_as_alone(
        bodies in vec(body(), 0..40),
        both in [any::<Index>(), any::<Index>()],
        apart in prop_oneof![Just(1), Just(40)],
    ) {
        let lines = spread(bodies, apart);
        let [base, with] = both.map(|which| which.get(&replays()).clone());
        let mut lockstep = Lockstep::new(base.clone(), with.clone());
        for line in &lines {
            lockstep.take(line, |_, _, view| drop((view.explain(), view.objections())));
        }
        let found = lockstep.finish(|_, _, _| {});
        let expect = [base, with].map(|mut replay| {
            for line in &lines {
                replay.take(line, &mut Vec::new());
            }
            replay.finish_with_holds(&mut Vec::new())
        });
        prop_assert_eq!(found, expect);
    }
}
