//! The policy and the mode: who may change them, and that they last.

use std::fs;

use recorder::{Body, PolicySource};
use serde_json::json;

use crate::client::{Home, Host, ReadTrace, new_session, session_started};
use crate::privacy::traces;

fn changes(trace: &ReadTrace) -> Vec<(PolicySource, f64)> {
    let lines = trace.of_type("policy_changed").into_iter();
    lines
        .map(|line| match &line.body {
            Body::PolicyChanged(it) => {
                assert_eq!(it.policy_hash, it.policy.hash());
                (it.by, it.policy.ttl_minutes)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_file_is_the_truth_and_the_extension_changes_it_through_the_host() {
    let home = Home::new();
    let (mut host, hello) = Host::connect(&home, &new_session());
    let text = fs::read_to_string(home.policy_file()).unwrap();
    assert_eq!(
        text,
        engine::PolicyDocument::default().to_toml(),
        "it is written at first"
    );

    let answer = host.ask(json!({"type": "policy"}));
    assert_eq!(answer["policy_hash"], hello["policy_hash"]);
    assert_eq!(answer["policy"], answer["defaults"]);
    assert_eq!(
        answer["file"], "~/config/tab-orchestrator/policy.toml",
        "its owner can find it, and nobody's name is told"
    );
    let presets = answer["presets"].as_array().unwrap().iter();
    let names: Vec<_> = presets.map(|preset| &preset["name"]).collect();
    assert_eq!(names, engine::PRESETS);
    assert_eq!(
        answer["settings"].as_array().unwrap().len(),
        engine::SETTINGS.len()
    );

    let part = json!({"type": "change_policy", "policy": {"ttl_minutes": 20, "focus": {"enabled": false}}});
    let answer = host.ask(part);
    assert_eq!(answer["policy"]["ttl_minutes"], 20.0);
    assert_eq!(answer["policy"]["focus"]["enabled"], false);
    assert_eq!(answer["policy"]["focus"]["cluster_cap"], 12);
    let stored = fs::read_to_string(home.policy_file()).unwrap();
    let stored = engine::PolicyDocument::from_toml(&stored).unwrap();
    assert_eq!(answer["policy_hash"], stored.hash());

    // As an editor does it: a new file, renamed over the old one.
    let draft = home.policy_file().with_extension("new");
    fs::write(&draft, "ttl_minutes = 33").unwrap();
    fs::rename(&draft, home.policy_file()).unwrap();
    let hash = engine::PolicyDocument::from_toml("ttl_minutes = 33")
        .unwrap()
        .hash();
    host.await_status("policy of the file", |status| status["policy_hash"] == hash);
    host.close();

    let expect = [
        (PolicySource::Start, 15.0),
        (PolicySource::Extension, 20.0),
        (PolicySource::File, 33.0),
    ];
    assert_eq!(changes(&home.read_trace()), expect);
}

#[test]
fn a_preset_keeps_protected_domains_and_all_that_it_is_not_about() {
    let own = "# My own.\nttl_minutes = 33 # long\nfamiliarity_cap = 2\n\
               protected_domains = [\"mybank.example\"]\n[focus]\nenabled = false\n";
    let home = Home::with_policy(own);
    let own = engine::PolicyDocument::from_toml(own).unwrap();
    let (mut host, _) = Host::connect(&home, &new_session());
    let presets = host.ask(json!({"type": "policy"}))["presets"].clone();
    for preset in presets.as_array().unwrap() {
        let name = preset["name"].as_str().unwrap();
        let expect = engine::Preset::named(name).unwrap().over(&own);
        assert_eq!(expect.protected_domains, ["mybank.example"]);
        let put_back = host.ask(json!({"type": "change_policy", "policy": own}));
        assert_eq!(put_back["policy_hash"], own.hash());
        let answer = host.ask(json!({"type": "change_policy", "policy": preset["policy"]}));
        assert_eq!(answer["policy_hash"], expect.hash(), "{name}: {answer}");
    }
    let stored = fs::read_to_string(home.policy_file()).unwrap();
    assert!(
        stored.starts_with("# My own.\nttl_minutes = 5.0 # long\n"),
        "{stored}"
    );
    host.close();
}

#[test]
fn a_bad_policy_is_refused_with_its_reason_and_the_old_one_stays() {
    let home = Home::with_policy("ttl_minutes = 20");
    let session = new_session();
    let (mut host, hello) = Host::connect(&home, &session);
    let mut refused = |change, field: &str| {
        let error = host.ask(change);
        assert_eq!(error["code"], "bad_policy", "{error}");
        assert_eq!(error["field"], field, "{error}");
        assert!(!error["problem"].as_str().unwrap().is_empty());
    };
    refused(
        json!({"type": "change_policy", "policy": {"ttl_minutes": 0}}),
        "ttl_minutes",
    );
    let error = host.ask(json!({"type": "change_policy", "policy": {"bold": 1}}));
    assert_eq!(error["code"], "bad_policy");
    let error = host.ask(json!({"type": "change_policy"}));
    assert_eq!(error["code"], "bad_message");

    fs::write(home.policy_file(), "\n[focus]\ncluster_cap = 999").unwrap();
    let error = host.expect_error("bad_policy");
    assert_eq!(
        (&error["line"], &error["field"]),
        (&json!(3), &json!("focus.cluster_cap"))
    );
    assert_eq!(error["file"], "policy.toml");
    let status = host.status();
    assert_eq!(status["policy_hash"], hello["policy_hash"]);
    assert_eq!(status["policy_error"]["line"], 3);
    host.close();

    // After a restart the bad file is still there, and the policy before still holds.
    let (mut host, again) = Host::connect(&home, &session);
    assert_eq!(again["policy_hash"], hello["policy_hash"]);
    assert_eq!(host.expect_error("bad_policy")["line"], 3);
    fs::write(home.policy_file(), "ttl_minutes = 21").unwrap();
    let status = host.await_status("good policy", |status| status["policy_error"].is_null());
    assert_ne!(status["policy_hash"], hello["policy_hash"]);
    host.close();
    let expect = [(PolicySource::Start, 20.0), (PolicySource::File, 21.0)];
    assert_eq!(changes(&home.read_trace()), expect);
}

#[test]
fn a_policy_that_changed_between_two_hosts_is_told_by_the_second() {
    let home = Home::with_policy("ttl_minutes = 20");
    let session = new_session();
    Host::connect(&home, &session).0.close();
    fs::write(home.policy_file(), "ttl_minutes = 25").unwrap();
    Host::connect(&home, &session).0.close();
    let expect = [(PolicySource::Start, 20.0), (PolicySource::Start, 25.0)];
    assert_eq!(changes(&home.read_trace()), expect);
}

#[test]
fn a_change_does_not_write_over_a_file_that_was_refused() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let edited = "# after a month\nttl_minutes = 37\nprotected_domains = [\"bank.example\"]\n\
                  [focus]\ncluster_cap = 999\n";
    let focus_off = json!({"type": "change_policy", "policy": {"focus": {"enabled": false}}});
    // Before the host has looked at it by itself.
    fs::write(home.policy_file(), edited).unwrap();
    for change in [
        focus_off.clone(),
        json!({"type": "change_policy", "policy": {"ttl_minutes": 45}}),
    ] {
        let error = host.ask(change);
        assert_eq!(error["code"], "bad_policy", "{error}");
        let message = error["message"].as_str().unwrap();
        let expect = "the file has to be corrected first: policy.toml: line 5: focus.cluster_cap: ";
        assert!(message.starts_with(expect), "{error}");
        assert_eq!(
            (&error["file"], &error["line"]),
            (&json!("policy.toml"), &json!(5))
        );
        assert!(error["field"].is_null(), "none of the request is wrong");
    }
    assert_eq!(fs::read_to_string(home.policy_file()).unwrap(), edited);

    // Once it is good, a change is laid over it, and not over what was in force before.
    fs::write(home.policy_file(), edited.replace("999", "9")).unwrap();
    let answer = host.ask(focus_off.clone());
    assert_eq!(answer["policy"]["ttl_minutes"], 37.0, "{answer}");
    assert_eq!(
        answer["policy"]["protected_domains"],
        json!(["bank.example"])
    );
    assert_eq!(answer["policy"]["focus"]["cluster_cap"], 9);
    assert_eq!(answer["policy"]["focus"]["enabled"], false);

    // Of a file that was refused and is gone there is nothing to lose.
    fs::write(home.policy_file(), edited).unwrap();
    assert_eq!(host.ask(focus_off.clone())["code"], "bad_policy");
    fs::remove_file(home.policy_file()).unwrap();
    assert_eq!(host.ask(focus_off)["type"], "policy");
    assert!(host.status()["policy_error"].is_null());
    host.close();
}

#[test]
fn a_policy_file_that_is_a_link_stays_one() {
    let home = Home::new();
    let dotfiles = home.path().join("dotfiles");
    fs::create_dir_all(&dotfiles).unwrap();
    fs::write(dotfiles.join("policy.toml"), "ttl_minutes = 20\n").unwrap();
    fs::create_dir_all(home.policy_file().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("../../dotfiles/policy.toml", home.policy_file()).unwrap();

    let (mut host, _) = Host::connect(&home, &new_session());
    let answer = host.ask(json!({"type": "change_policy", "policy": {"ttl_minutes": 25}}));
    assert_eq!(answer["policy"]["ttl_minutes"], 25.0, "{answer}");
    assert!(home.policy_file().is_symlink());
    let stored = fs::read_to_string(dotfiles.join("policy.toml")).unwrap();
    assert_eq!(stored, "ttl_minutes = 25.0\n");
    assert_eq!(fs::read_dir(&dotfiles).unwrap().count(), 1);
    host.close();
}

fn pauses(trace: &ReadTrace) -> Vec<Option<i64>> {
    let lines = trace.of_type("paused").into_iter();
    lines
        .map(|line| match &line.body {
            Body::Paused(it) => it.until_ms,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_mode_and_a_pause_outlive_the_browser() {
    let home = Home::new();
    let (mut host, _) = Host::connect(&home, &new_session());
    let status = host.ask(json!({"type": "set_mode", "mode": "enforce"}));
    assert_eq!(
        (&status["type"], &status["mode"]),
        (&json!("status"), &json!("enforce"))
    );
    let until = crate::client::now_ms() + 900_000;
    let status = host.ask(json!({"type": "pause", "until_ms": until}));
    assert_eq!(status["paused_until_ms"], until);
    host.log_events(&[session_started(3)]);
    host.close();
    let trace = home.read_trace();
    assert_eq!(trace.of_type("mode_changed").len(), 2);
    assert_eq!(pauses(&trace), [Some(until)]);
    fs::remove_dir_all(home.traces()).unwrap();

    let (mut host, hello) = Host::connect(&home, &new_session());
    assert_eq!(hello["mode"], "enforce");
    assert_eq!(host.status()["paused_until_ms"], until);
    assert!(host.ask(json!({"type": "pause"}))["paused_until_ms"].is_null());
    host.close();
    let trace = home.read_trace();
    assert_eq!(pauses(&trace), [Some(until), None]);
    let [line] = trace.of_type("mode_changed")[..] else {
        panic!()
    };
    let Body::ModeChanged(changed) = &line.body else {
        panic!()
    };
    assert_eq!(changed.mode, engine::Mode::Enforce);
    fs::remove_dir_all(home.traces()).unwrap();

    let (mut host, _) = Host::connect(&home, &new_session());
    assert!(host.status()["paused_until_ms"].is_null());
    host.close();
    assert_eq!(pauses(&home.read_trace()), [], "it was ended");
}

#[test]
fn a_log_that_is_gone_on_with_takes_the_mode_and_the_pause_from_their_file() {
    let home = Home::new();
    let session = new_session();
    let keep = |text: String| fs::write(home.state().join("mode.json"), text).unwrap();
    let (mut host, _) = Host::connect(&home, &session);
    host.log_events(&[session_started(3)]);
    host.close();
    let until = crate::client::now_ms() + 900_000;
    keep(format!(r#"{{"mode":"enforce","paused_until_ms":{until}}}"#));
    let (mut host, hello) = Host::connect(&home, &session);
    assert_eq!(hello["mode"], "enforce");
    assert_eq!(host.status()["paused_until_ms"], until);
    host.kill();
    // The log has it already.
    Host::connect(&home, &session).0.close();
    // As it was written before there was a pause in it, and with one that is over.
    for ended in [
        r#"{"mode":"observe"}"#,
        r#"{"mode":"observe","paused_until_ms":7}"#,
    ] {
        keep(ended.to_owned());
        let (mut host, hello) = Host::connect(&home, &session);
        assert_eq!(hello["mode"], "observe");
        assert!(host.status()["paused_until_ms"].is_null());
        host.close();
    }
    assert_eq!(pauses(&home.read_trace()), [Some(until), None]);
}

#[test]
fn the_mode_and_a_pause_hold_in_every_browser() {
    let home = Home::new();
    let (mut one, _) = Host::connect(&home, &new_session());
    let (mut other, _) = Host::connect(&home, &new_session());
    one.ask(json!({"type": "set_mode", "mode": "enforce"}));
    other.await_status("enforce mode", |status| status["mode"] == "enforce");
    other.ask(json!({"type": "set_mode", "mode": "observe"}));
    one.await_status("observe mode", |status| status["mode"] == "observe");

    // What one is told at the same moment takes nothing back that the other was told.
    let until = crate::client::now_ms() + 900_000;
    one.ask(json!({"type": "set_mode", "mode": "enforce"}));
    let status = other.ask(json!({"type": "pause", "until_ms": until}));
    assert_eq!(
        (&status["mode"], &status["paused_until_ms"]),
        (&json!("enforce"), &json!(until))
    );
    let status = one.await_status("pause", |status| status["paused_until_ms"] == until);
    assert_eq!(status["mode"], "enforce");
    one.ask(json!({"type": "pause"}));
    other.await_status("end of the pause", |status| {
        status["paused_until_ms"].is_null()
    });
    one.close();
    other.close();
    for trace in traces(&home) {
        assert_eq!(trace.of_type("mode_changed").len(), 4);
        assert_eq!(pauses(&trace), [Some(until), None]);
    }
}
