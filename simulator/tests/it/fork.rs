//! A replay that is stopped, saved and gone on with, under the same policy or another.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::{
    DiscardedBy, MemorySource, Mode, Orchestrator, PRESETS, PolicyDocument, SEMANTICS, Seq, TabId,
    WindowId,
};
use proptest::collection::vec;
use proptest::prelude::*;
use recorder::{
    Body, Line, TabActivated, TabChanged, TabClosed, TabDiscarded, TabLoaded, TabMemory, TabMoved,
    TabNavigated, TabReplaced, TabRestored,
};
use sha2::{Digest, Sha256};
use simulator::baselines::{AnyPolicy, Never, named};
use simulator::replay::{Replay, Replayed, Score};
use simulator::state::{About, FORMAT, MAGIC, PolicyLabel, State, StateError};

use crate::baselines::{every, two_days};
use crate::commands::check;
use crate::properties::{body, greedy, lines};
use crate::recording::{Recorded, short_of_memory};

type AnyReplay = Replay<Box<dyn AnyPolicy>>;

/// Every baseline, our presets, and ours at its greediest.
fn policies() -> Vec<Box<dyn AnyPolicy>> {
    let ours = PRESETS.map(|name| Orchestrator::new(PolicyDocument::preset(name).unwrap()));
    let ours = ours.into_iter().chain([greedy()]);
    (every().into_iter())
        .chain(ours.map(|policy| policy.boxed()))
        .collect()
}

fn take(replay: &mut AnyReplay, lines: &[Line]) -> Vec<Replayed> {
    let mut decided = Vec::new();
    for line in lines {
        replay.take(&line.clone(), &mut decided);
    }
    decided
}

/// What a replay comes to: its decisions, its score as a report has it, its state.
fn end(
    mut replay: AnyReplay,
    mut decided: Vec<Replayed>,
    lines: &[Line],
) -> (Vec<Replayed>, Score, String) {
    decided.extend(take(&mut replay, lines));
    let hash = replay.state_hash();
    (decided.clone(), replay.finish(&mut decided), hash)
}

fn state(replay: AnyReplay) -> State {
    let about = About {
        engine: SEMANTICS,
        session: "session-1".to_owned(),
        seq: Seq(1),
        digest: "0123456789abcdef".to_owned(),
        policy: PolicyLabel {
            name: replay.policy().name().to_owned(),
            hash: None,
            seed: None,
        },
        before: Vec::new(),
        violations_before: 0,
    };
    State { about, replay }
}

/// Replays lines with a stop at a cut, and without.
fn check_stopped(
    policy: &dyn AnyPolicy,
    is_open: bool,
    lines: &[Line],
    cut: usize,
) -> Result<(), TestCaseError> {
    let start = || {
        let replay = Replay::new(policy.boxed());
        if is_open { replay.open_loop() } else { replay }
    };
    let (before, after) = lines.split_at(cut);
    let mut stopped = start();
    let decided = take(&mut stopped, before);
    let hash = stopped.state_hash();
    let bytes = state(stopped).to_bytes();
    let restored =
        State::from_bytes(&bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&restored.to_bytes(), &bytes);
    prop_assert_eq!(restored.replay.state_hash(), hash);
    let whole = end(start(), Vec::new(), lines);
    let parts = end(restored.replay, decided, after);
    prop_assert_eq!(&parts, &whole, "{} cut before {}", policy.name(), cut);
    let json = |score| serde_json::to_string(score).unwrap();
    prop_assert_eq!(json(&parts.1), json(&whole.1));
    Ok(())
}

/// Makes the checksum fit the bytes.
fn seal(bytes: &mut [u8]) {
    if bytes.len() >= 44 {
        let checksum = Sha256::digest(&bytes[44..]);
        bytes[12..44].copy_from_slice(&checksum);
    }
}

/// Lines a given time apart.
pub(crate) fn spread(bodies: Vec<recorder::Body>, apart: i64) -> Vec<Line> {
    let mut lines = lines(bodies);
    let first = lines.first().map_or(0, |line| line.t_ms);
    for line in &mut lines {
        line.t_ms = first + (line.t_ms - first) * apart;
    }
    lines
}

/// Everything that a log could say of a tab that never was.
fn of_no_tab(tab: TabId) -> Vec<Body> {
    let (win, by, old) = (WindowId(1), DiscardedBy::Other, TabId(tab.0 + 1));
    vec![
        Body::TabActivated(TabActivated { tab, win }),
        Body::TabNavigated(TabNavigated {
            tab,
            host: Some(format!("host-{tab}.example.org").into()),
            scheme: None,
            protected: None,
        }),
        Body::TabLoaded(TabLoaded { tab, ms: Some(9) }),
        Body::TabChanged(TabChanged {
            audible: Some(true),
            in_sight: Some(true),
            ..TabChanged::new(tab)
        }),
        Body::TabMoved(TabMoved { tab, win }),
        Body::TabReplaced(TabReplaced { tab, old }),
        Body::TabDiscarded(TabDiscarded { tab, by }),
        Body::TabRestored(TabRestored { tab }),
        Body::TabMemory(TabMemory {
            tab,
            bytes: 1 << 30,
            how: MemorySource::Measured,
        }),
        Body::TabClosed(TabClosed { tab }),
        Body::TabLoaded(TabLoaded { tab, ms: None }),
        Body::TabActivated(TabActivated { tab, win }),
    ]
}

#[test]
fn of_tabs_that_never_were_nothing_is_kept() {
    let lines = lines((0..1_000).map(TabId).flat_map(of_no_tab).collect());
    for policy in policies() {
        let mut replay = Replay::new(policy.boxed());
        let sizes = lines.chunks(lines.len() / 2).map(|lines| {
            take(&mut replay, lines);
            state(replay.clone()).to_bytes().len()
        });
        let sizes: Vec<usize> = sizes.collect();
        // Counts grow by some digits.
        assert!(sizes[1] < sizes[0] + 100, "{}: {sizes:?}", policy.name());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_replay_that_is_stopped_and_gone_on_with_is_as_one_that_was_not(
        bodies in vec(body(), 0..60),
        cut in any::<prop::sample::Index>(),
        apart in prop_oneof![Just(1), Just(40)],
        is_open in any::<bool>(),
    ) {
        let lines = spread(bodies, apart);
        let cut = cut.index(lines.len() + 1);
        for policy in policies() {
            check_stopped(&*policy, is_open, &lines, cut)?;
        }
    }

    #[test]
    fn any_policy_can_follow_any_other(
        bodies in vec(body(), 0..60),
        cut in any::<prop::sample::Index>(),
        first in any::<prop::sample::Index>(),
        apart in prop_oneof![Just(1), Just(40)],
    ) {
        let lines = spread(bodies, apart);
        let (before, after) = lines.split_at(cut.index(lines.len() + 1));
        let mut stopped = Replay::new(first.get(&policies()).boxed());
        let decided = take(&mut stopped, before);
        let world = |replay: &AnyReplay| {
            let world = replay.world();
            let tabs: Vec<_> = world.tabs().copied().collect();
            format!("{tabs:?} {} {}", world.moment(), world.anomalies())
        };
        for policy in policies() {
            let mut replay = stopped.clone();
            replay.hand_over(policy);
            prop_assert_eq!(world(&replay), world(&stopped));
            // What it has taken over can be saved as well.
            let bytes = state(replay).to_bytes();
            let mut replay = State::from_bytes(&bytes).unwrap().replay;
            let mut decided = decided.clone();
            decided.extend(take(&mut replay, after));
            let is_ours = replay.policy().name() == "orchestrator";
            let score = replay.finish(&mut decided);
            prop_assert_eq!(score.decisions, decided.len() as u64);
            prop_assert_eq!(score.decisions, score.discards + score.refused + score.unanswered);
            // What the policy before had decided is its own.
            prop_assert!(score.violations <= stopped.violations() || !is_ours);
        }
    }

    #[test]
    fn our_policy_takes_another_document_in_as_it_does_live(
        bodies in vec(body(), 1..60), cut in any::<prop::sample::Index>(),
    ) {
        let lines = lines(bodies);
        let cut = cut.index(lines.len());
        let start = || Replay::new(greedy().boxed());
        let mut forked = start();
        take(&mut forked, &lines[..cut]);
        prop_assume!(forked.has_begun());
        let document = PolicyDocument::preset("gentle").unwrap();
        forked.change_document(document.clone());
        prop_assert_eq!(forked.world().anomalies(), {
            let mut same = start();
            take(&mut same, &lines[..cut]);
            same.world().anomalies()
        });
        let policy_hash = document.hash();
        let decided = take(&mut forked, &lines[cut..]);
        let (old, new): (Vec<_>, Vec<_>) = decided
            .into_iter()
            .partition(|one| one.decision.policy_hash != policy_hash);
        // What was decided on the last line before it is still carried out, and nothing after.
        prop_assert!(old.iter().all(|one| one.decision.cause < Seq(cut as u64)));
        prop_assert!(new.iter().all(|one| one.decision.cause >= Seq(cut as u64)));
    }

    #[test]
    fn a_policy_that_had_nothing_to_decide_so_far_takes_over_as_if_it_had_been_there(
        bodies in vec(body(), 0..60),
        cut in any::<prop::sample::Index>(),
    ) {
        let lines = lines(bodies);
        let (before, after) = lines.split_at(cut.index(lines.len() + 1));
        for policy in [named("ttl-3", 0).unwrap(), greedy().boxed()] {
            let mut there = Replay::new(policy.boxed());
            let earlier = take(&mut there, before);
            prop_assume!(earlier.is_empty() && there.open_decisions() == 0);
            let mut forked = Replay::new(Never.boxed());
            take(&mut forked, before);
            forked.hand_over(policy);
            let chosen = |replay, lines| {
                let (decided, ..) = end(replay, Vec::new(), lines);
                let chosen = decided.into_iter().map(|one| (one.t_ms, one.decision.tab));
                chosen.collect::<Vec<_>>()
            };
            prop_assert_eq!(chosen(forked, after), chosen(there, after));
        }
    }

    /// The checksum is made to fit, so that what is behind it is reached.
    #[test]
    fn a_state_that_was_made_to_do_harm_does_none(
        bodies in vec(body(), 20..60),
        policy in any::<prop::sample::Index>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in proptest::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let lines = lines(bodies);
        let (before, after) = lines.split_at(lines.len() / 2);
        let mut replay = Replay::new(policy.get(&policies()).boxed());
        take(&mut replay, before);
        let mut bytes = state(replay).to_bytes();
        // What is in no name is a value, or says of what kind one is.
        let is_of_name = |byte: &u8| (0x20..0x7f).contains(byte);
        let places: Vec<usize> = (44..bytes.len())
            .filter(|&place| !is_of_name(&bytes[place]))
            .collect();
        for (place, byte) in changes {
            bytes[*place.get(&places)] = byte;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        seal(&mut bytes);
        if let Ok(state) = State::from_bytes(&bytes) {
            end(state.replay, Vec::new(), after);
        }
    }
}

#[test]
fn every_policy_goes_on_after_two_days() {
    let lines = two_days();
    for policy in policies() {
        for third in 1..=2 {
            check_stopped(&*policy, false, &lines, lines.len() * third / 3).unwrap();
        }
    }
}

#[test]
fn what_is_no_state_of_this_version_is_refused() {
    let good = state(Replay::new(Never.boxed())).to_bytes();
    let refused = |bytes: &[u8]| State::from_bytes(bytes).unwrap_err();
    assert_eq!(refused(b""), StateError::NotAState);
    assert_eq!(refused(b"{\"seq\":0}"), StateError::NotAState);
    assert!(refused(&MAGIC).is_corruption());
    for length in MAGIC.len()..good.len() {
        assert!(refused(&good[..length]).is_corruption(), "{length}");
    }
    for place in 12..good.len() {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        assert!(refused(&bytes).is_corruption(), "{place}");
    }
    let mut newer = good.clone();
    newer[8] += 1;
    assert_eq!(
        refused(&newer),
        StateError::OtherFormat { found: FORMAT + 1 }
    );

    let mut other_engine = state(Replay::new(Never.boxed()));
    other_engine.about.engine += 1;
    let found = SEMANTICS + 1;
    assert_eq!(
        refused(&other_engine.to_bytes()),
        StateError::OtherEngine { found }
    );

    let mut longer = good.clone();
    longer.push(0);
    seal(&mut longer);
    assert!(matches!(refused(&longer), StateError::Foreign(_)));
    let mut renamed = good;
    let at = renamed
        .windows(7)
        .position(|name| name == b"anomali")
        .unwrap();
    renamed[at] = b'A';
    seal(&mut renamed);
    assert!(matches!(refused(&renamed), StateError::Foreign(_)));
}

/// Calls `sim replay` and returns what it says on stdout.
#[track_caller]
fn replay(folder: &Path, args: &[&str]) -> String {
    let output = cargo_bin_cmd!("sim")
        .arg("replay")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn recorded() -> Recorded {
    short_of_memory(Mode::Enforce).close()
}

/// Lines of the trace.
fn line_count(recorded: &Recorded) -> usize {
    fs::read_to_string(recorded.segment())
        .unwrap()
        .lines()
        .count()
}

#[test]
fn under_the_same_policy_the_same_bytes_are_written() {
    let recorded = recorded();
    let folder = recorded.root();
    for policy in ["default", "eager", "ttl-1", "random"] {
        for format in [&["--json"][..], &[]] {
            let args = |more: &[&'static str]| [&["trace"][..], format, more].concat();
            let whole = replay(
                folder,
                &[&args(&[])[..], &["--policy", policy, "--seed", "3"]].concat(),
            );
            for until in (0..line_count(&recorded)).step_by(7) {
                let until = until.to_string();
                let cut = [
                    "--decisions",
                    "--policy",
                    policy,
                    "--seed",
                    "3",
                    "--until",
                    &until,
                    "--save-state",
                    "saved",
                ];
                let first = replay(folder, &[&args(&[])[..], &cut].concat());
                let rest = replay(folder, &args(&["--from-state", "saved"]));
                // The heading of the table is there again.
                let rest = if format.is_empty() {
                    rest.split_once('\n').unwrap().1
                } else {
                    &rest
                };
                assert_eq!(first + rest, whole, "{policy}, until {until}");
            }
        }
    }
}

#[test]
fn a_state_can_be_saved_on_the_way_from_another() {
    let recorded = recorded();
    let folder = recorded.root();
    let whole = replay(folder, &["trace", "--policy", "ttl-1", "--summary"]);
    let first = [
        "trace",
        "--policy",
        "ttl-1",
        "--until",
        "20",
        "--save-state",
        "at-20",
    ];
    replay(folder, &first);
    let second = [
        "trace",
        "--from-state",
        "at-20",
        "--until",
        "33",
        "--save-state",
        "at-33",
    ];
    replay(folder, &second);
    assert_eq!(
        replay(folder, &["trace", "--summary", "--from-state", "at-33"]),
        whole
    );
    // The same policy by its name.
    let again = [
        "trace",
        "--summary",
        "--from-state",
        "at-20",
        "--policy",
        "ttl-1",
    ];
    assert_eq!(replay(folder, &again), whole);
}

#[test]
fn another_policy_takes_over() {
    let recorded = recorded();
    let folder = recorded.root();
    let first = [
        "trace",
        "--policy",
        "never",
        "--until",
        "25",
        "--save-state",
        "at-25",
    ];
    replay(folder, &first);
    for policy in ["ttl-1", "default"] {
        let second = [
            "trace",
            "--from-state",
            "at-25",
            "--policy",
            policy,
            "--until",
            "30",
            "--save-state",
            "at-30",
        ];
        replay(folder, &second);
        let name = format!("replay_{policy}_after_never").replace('-', "_");
        insta::assert_snapshot!(name, replay(folder, &["trace", "--from-state", "at-30"]));
    }
    let ours = [
        "trace",
        "--from-state",
        "at-30",
        "--policy",
        "eager",
        "--json",
        "--summary",
    ];
    let said: serde_json::Value = serde_json::from_str(&replay(folder, &ours)).unwrap();
    let before = serde_json::to_string(&said["before"]).unwrap();
    insta::assert_snapshot!("replay_before", before);
}

#[test]
fn what_cannot_be_gone_on_with_is_refused() {
    let recorded = recorded();
    let folder = recorded.root();
    let last = (line_count(&recorded) - 1).to_string();
    let beyond = format!("--until is at seq 999, and the trace goes as far as seq {last}");
    let all = [
        "replay",
        "trace",
        "--summary",
        "--until",
        "999",
        "--save-state",
        "saved",
    ];
    check(folder, &all, 2, &[&beyond]);
    assert!(!folder.join("saved").exists(), "nothing is left behind");

    let save = [
        "replay",
        "trace",
        "--summary",
        "--until",
        "30",
        "--save-state",
        "saved",
    ];
    check(
        folder,
        &save,
        0,
        &["the state after seq 30 is saved in saved"],
    );
    let from =
        |args: &[&'static str]| [&["replay", "trace", "--from-state", "saved"][..], args].concat();
    check(
        folder,
        &from(&["--until", "29"]),
        2,
        &["saved after seq 30, which lies behind --until 29"],
    );
    check(
        folder,
        &from(&["nowhere"]),
        2,
        &["--from-state means a line of one trace"],
    );
    check(
        folder,
        &from(&["--seed", "1"]),
        2,
        &["--seed is for a policy that begins"],
    );
    check(folder, &from(&["--open-loop"]), 2, &["--open-loop"]);
    check(
        folder,
        &from(&["--policy", "egaer"]),
        2,
        &["did you mean eager?"],
    );
    let several = ["replay", "trace", "nowhere", "--until", "3"];
    check(folder, &several, 2, &["--until means a line of one trace"]);
    let nowhere = [
        "replay",
        "trace",
        "--until",
        "3",
        "--save-state",
        "saved/state",
    ];
    check(
        folder,
        &nowhere,
        2,
        &["sim: error: cannot make saved: File exists"],
    );
    check(
        folder,
        &["replay", "trace", "--from-state", "none"],
        2,
        &["cannot read the state none"],
    );

    let bytes = fs::read(folder.join("saved")).unwrap();
    fs::write(folder.join("saved"), &bytes[..bytes.len() / 2]).unwrap();
    check(folder, &from(&[]), 3, &["saved: is damaged"]);
    fs::write(folder.join("saved"), "text").unwrap();
    check(
        folder,
        &from(&[]),
        2,
        &["saved: is no saved state of a replay"],
    );

    // The same session, and another history.
    fs::write(folder.join("saved"), &bytes).unwrap();
    let other = short_of_memory(Mode::Observe).close();
    fs::write(other.root().join("saved"), &bytes).unwrap();
    check(
        other.root(),
        &from(&[]),
        2,
        &["the lines up to seq 30 have the digest"],
    );
    let mut state = State::from_bytes(&bytes).unwrap();
    state.about.session = "another".to_owned();
    fs::write(folder.join("saved"), state.to_bytes()).unwrap();
    check(
        folder,
        &from(&[]),
        2,
        &["the state was saved in session another"],
    );
}

#[test]
fn stopping_is_as_if_the_trace_ended_there() {
    let recorded = recorded();
    let text = fs::read_to_string(recorded.segment()).unwrap();
    let cut: String = text.split_inclusive('\n').take(31).collect();
    let stopped = replay(recorded.root(), &["trace", "--until", "30"]);
    fs::write(recorded.segment(), cut).unwrap();
    assert_eq!(stopped, replay(recorded.root(), &["trace"]));
}
