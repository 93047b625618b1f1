//! The policy and the mode: who may change them, and that they last.

use std::fs;

use recorder::{Body, PolicySource};
use serde_json::json;

use crate::client::{Home, Host, ReadTrace, new_session, session_started};

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
    assert_eq!(answer["file"], "policy.toml");
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

    let answer = host.ask(json!({"type": "change_policy", "preset": "gentle"}));
    assert_eq!(answer["policy"]["ttl_minutes"], 45.0);

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
        (PolicySource::Extension, 45.0),
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
        // By its name, and by what it is said to set, which is what the settings page does.
        for change in [json!({"preset": name}), json!({"policy": preset["policy"]})] {
            let put_back = host.ask(json!({"type": "change_policy", "policy": own}));
            assert_eq!(put_back["policy_hash"], own.hash());
            let mut change = change;
            change["type"] = json!("change_policy");
            let answer = host.ask(change);
            assert_eq!(answer["policy_hash"], expect.hash(), "{name}: {answer}");
        }
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
    refused(json!({"type": "change_policy", "preset": "bold"}), "preset");
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
fn the_mode_outlives_the_browser_and_a_pause_does_not() {
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
    assert_eq!(home.read_trace().of_type("mode_changed").len(), 2);
    fs::remove_dir_all(home.traces()).unwrap();

    let (mut host, hello) = Host::connect(&home, &new_session());
    assert_eq!(hello["mode"], "enforce");
    assert!(host.status()["paused_until_ms"].is_null());
    host.ask(json!({"type": "pause", "until_ms": until}));
    assert!(host.ask(json!({"type": "pause"}))["paused_until_ms"].is_null());
    host.close();
    let trace = home.read_trace();
    let [line] = trace.of_type("mode_changed")[..] else {
        panic!()
    };
    let Body::ModeChanged(changed) = &line.body else {
        panic!()
    };
    assert_eq!(changed.mode, engine::Mode::Enforce);
}
