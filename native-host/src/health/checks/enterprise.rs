//! An administrator's policies that keep the host or the extension out.
//!
//! Chromium's family reads every JSON file of a folder (chromeenterprise.google, «Set Chrome
//! browser policies on managed PCs»), Firefox one `policies.json` (mozilla.github.io,
//! «policy-templates»). Those of macOS are property lists and those of Windows keys of its
//! registry; neither is looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::browsers::{Browser, Family, Os};
use crate::extensions::ExtensionId;
use crate::health::{Check, Face, Finding, State, Subject};
use crate::install::HOST_NAME;
use crate::paths::read_file;

const MAX_POLICY_BYTES: usize = 4 << 20;

pub(super) const POLICIES: Check<Subject> = Check {
    id: "browser.policies",
    about: "an administrator's policies let host and extension be",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "ask the administrator of this machine to allow it",
    run: |subject| {
        let roots = &subject.machine.roots;
        if roots.os != Os::Linux {
            return Finding::skipped("they are looked at on Linux only");
        }
        let mut worst = State::Healthy;
        let mut problems = Vec::new();
        for browser in roots.browsers() {
            let folders = browser.folders(roots.os).into_iter();
            for folder in folders.flat_map(|it| it.policies) {
                for file in json_files(&roots.resolve(folder)) {
                    for (state, problem) in problems_of(browser, &file) {
                        worst = worst.max(state);
                        let file = subject.machine.show(&file);
                        problems.push(format!("{}: {file}: {problem}", browser.name));
                    }
                }
            }
        }
        if problems.is_empty() {
            Finding::healthy("none stands in the way")
        } else {
            Finding::new(worst, problems.join("\n"))
        }
    },
    repair: None,
};

/// A folder that is not there has no files.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "json"))
        .collect();
    files.sort();
    files
}

fn problems_of(browser: &Browser, file: &Path) -> Vec<(State, String)> {
    let policies = read_file(file, MAX_POLICY_BYTES).and_then(|text| {
        let text = text.unwrap_or_default();
        Ok(serde_json::from_str::<Value>(&text)?)
    });
    let policies = match policies {
        Ok(policies) => policies,
        Err(error) => return vec![(State::Degraded, format!("cannot be read: {error}"))],
    };
    let problems = match browser.family {
        Family::Chromium => of_chromium(&policies),
        Family::Firefox => of_firefox(&policies["policies"]),
    };
    problems
        .into_iter()
        .map(|it| (State::Unhealthy, it))
        .collect()
}

fn of_chromium(policies: &Value) -> Vec<String> {
    let lists = |policy: &str, name: &str| {
        let entries = policies[policy].as_array();
        entries.is_some_and(|it| it.iter().any(|entry| entry == name))
    };
    let own = ExtensionId::own(Family::Chromium).to_string();
    let mut problems = Vec::new();
    for (what, name, block, allow) in [
        (
            "host",
            HOST_NAME,
            "NativeMessagingBlocklist",
            "NativeMessagingAllowlist",
        ),
        (
            "extension",
            &*own,
            "ExtensionInstallBlocklist",
            "ExtensionInstallAllowlist",
        ),
    ] {
        if (lists(block, name) || lists(block, "*")) && !lists(allow, name) {
            problems.push(format!("{block} forbids the {what}"));
        }
    }
    if policies["NativeMessagingUserLevelHosts"] == false {
        problems.push(
            "NativeMessagingUserLevelHosts forbids hosts that a user installed; one for the whole \
             machine is not"
                .to_owned(),
        );
    }
    problems
}

fn of_firefox(policies: &Value) -> Vec<String> {
    let settings = &policies["ExtensionSettings"];
    let own = ExtensionId::own(Family::Firefox).to_string();
    let mode = |name: &str| settings[name]["installation_mode"].as_str();
    let is_blocked = mode(&own).or(mode("*")) == Some("blocked");
    is_blocked
        .then(|| "ExtensionSettings forbids the extension".to_owned())
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_stands_in_the_way_or_does_not() {
        #[track_caller]
        fn check(found: &[String], expect: &[&str]) {
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for (found, expect) in found.iter().zip(expect) {
                assert!(found.starts_with(expect), "{found}");
            }
        }
        let own = ExtensionId::own(Family::Chromium).to_string();
        check(&of_chromium(&json!({})), &[]);
        check(&of_chromium(&json!([])), &[]);
        check(
            &of_chromium(&json!({"NativeMessagingBlocklist": ["*"]})),
            &["NativeMessagingBlocklist"],
        );
        check(
            &of_chromium(&json!({"NativeMessagingBlocklist": ["other.host"]})),
            &[],
        );
        check(
            &of_chromium(&json!({
                "NativeMessagingBlocklist": ["*"], "NativeMessagingAllowlist": [HOST_NAME],
            })),
            &[],
        );
        check(
            &of_chromium(&json!({
                "NativeMessagingUserLevelHosts": false, "ExtensionInstallBlocklist": [own],
            })),
            &["ExtensionInstallBlocklist", "NativeMessagingUserLevelHosts"],
        );
        let own = ExtensionId::own(Family::Firefox).to_string();
        let blocked = json!({"ExtensionSettings": {"*": {"installation_mode": "blocked"}}});
        check(&of_firefox(&blocked), &["ExtensionSettings"]);
        let mut allowed = blocked;
        allowed["ExtensionSettings"][own] = json!({"installation_mode": "allowed"});
        check(&of_firefox(&allowed), &[]);
        check(&of_firefox(&Value::Null), &[]);
    }
}
