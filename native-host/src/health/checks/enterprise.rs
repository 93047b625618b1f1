//! An administrator's policies that keep the host or the extension out.
//!
//! Chromium's family makes one set of policies of every file of a folder, whatever its name
//! (chromeenterprise.google, «Set Chrome browser policies on managed PCs»; `LoadFromPath` in its
//! config_dir_policy_loader.cc), Firefox reads one `policies.json` (mozilla.github.io,
//! «policy-templates»), which is strict JSON. Those of macOS are property lists and those of Windows keys of its
//! registry; neither is looked at.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::browsers::{Family, Os};
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
                let folder = roots.resolve(folder);
                for (state, path, problem) in problems_of(browser.family, &folder) {
                    worst = worst.max(state);
                    let path = subject.machine.show(&path);
                    problems.push(format!("{}: {path}: {problem}", browser.name));
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

/// What is wrong with the policies of a folder: how bad it is, and the file or folder.
fn problems_of(family: Family, folder: &Path) -> Vec<(State, PathBuf, String)> {
    let mut problems = Vec::new();
    let mut policies = Map::new();
    for file in files_of(family, folder) {
        match read(family, &file) {
            // Of a policy that is in two files, Chromium takes the last one as it is.
            Ok(mut found) => policies.append(&mut found),
            Err(error) => {
                let problem = format!("cannot be read: {error}");
                problems.push((State::Degraded, file, problem));
            }
        }
    }
    let policies = Value::Object(policies);
    let found = match family {
        Family::Chromium => of_chromium(&policies),
        Family::Firefox => of_firefox(&policies["policies"]),
    };
    let of_folder = |(state, problem)| (state, folder.to_owned(), problem);
    problems.extend(found.into_iter().map(of_folder));
    problems
}

/// The files that a browser reads, in its order. A folder that is not there has none.
fn files_of(family: Family, folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| match family {
            Family::Chromium => !path.is_dir(),
            Family::Firefox => path.ends_with("policies.json"),
        })
        .collect();
    files.sort();
    files
}

fn read(family: Family, file: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = read_file(file, MAX_POLICY_BYTES)?.unwrap_or_default();
    match family {
        Family::Chromium => Ok(as_chromium_reads(&text)?),
        Family::Firefox => Ok(serde_json::from_str(&text)?),
    }
}

/// Reads JSON with Chromium's own parser, and what it lets pass in files of policies:
/// `JSON_PARSE_CHROMIUM_EXTENSIONS` (comments, newlines in strings, `\xNN`) and
/// `JSON_ALLOW_TRAILING_COMMAS`; and a byte order mark.
fn as_chromium_reads(text: &str) -> serde_json_lenient::Result<Map<String, Value>> {
    let (replace_invalid, newlines, control, v_escapes, x_escapes) =
        (false, true, false, false, true);
    // It takes comments and trailing commas unless it is told not to.
    let mut reader = serde_json_lenient::Deserializer::from_slice_with_options(
        text.trim_start_matches('\u{feff}').as_bytes(),
        replace_invalid,
        newlines,
        control,
        v_escapes,
        x_escapes,
    );
    let policies = Map::deserialize(&mut reader)?;
    reader.end()?;
    Ok(policies)
}

fn of_chromium(policies: &Value) -> Vec<(State, String)> {
    let mut problems = Vec::from_iter(of_chromium_on_extension(policies));
    let lists = |policy: &str, name: &str| lists(policies, policy, |entry| entry == name);
    if (lists("NativeMessagingBlocklist", HOST_NAME) || lists("NativeMessagingBlocklist", "*"))
        && !lists("NativeMessagingAllowlist", HOST_NAME)
    {
        let problem = "NativeMessagingBlocklist forbids the host";
        problems.push((State::Unhealthy, problem.to_owned()));
    }
    if policies["NativeMessagingUserLevelHosts"] == false {
        let problem = "NativeMessagingUserLevelHosts forbids hosts that a user installed; one for \
                       the whole machine is not";
        problems.push((State::Unhealthy, problem.to_owned()));
    }
    problems
}

/// What becomes of the extension, as `Refresh` in Chromium's extension_management.cc has it: what
/// is said of its id counts before what is said of all, and ExtensionSettings before the lists.
fn of_chromium_on_extension(policies: &Value) -> Option<(State, String)> {
    const SETTINGS: &str = "ExtensionSettings";
    const BLOCK: &str = "ExtensionInstallBlocklist";
    const FORCE: &str = "ExtensionInstallForcelist";
    const ALLOW: &str = "ExtensionInstallAllowlist";

    let own = ExtensionId::own(Family::Chromium).to_string();
    let lists = |policy: &str, name: &str| {
        // Of the extensions to install each may have an address after it.
        lists(policies, policy, |entry| {
            entry.split(';').next() == Some(name)
        })
    };
    let is_own = |ids: &str| ids.split(',').any(|id| id.trim() == own);
    let settings = policies[SETTINGS].as_object().into_iter().flatten();
    let own_settings = settings.clone().find(|(ids, _)| is_own(ids));
    let mode = |settings: &Value| settings["installation_mode"].as_str().map(str::to_owned);
    let of_own = match own_settings.and_then(|(_, it)| Some((mode(it)?, it))) {
        // Without an address nothing that is said of the id counts.
        Some((mode, it)) if mode.ends_with("_installed") && !it["update_url"].is_string() => None,
        Some((mode, _)) => Some((SETTINGS, mode)),
        None if lists(FORCE, &own) => Some((FORCE, "force_installed".to_owned())),
        None if lists(BLOCK, &own) => Some((BLOCK, "blocked".to_owned())),
        None if lists(ALLOW, &own) => Some((ALLOW, "allowed".to_owned())),
        None => None,
    };
    let of_all = match mode(&policies[SETTINGS]["*"]) {
        Some(mode) => Some((SETTINGS, mode)),
        None => lists(BLOCK, "*").then(|| (BLOCK, "blocked".to_owned())),
    };
    let is_blocked = |mode: &str| matches!(mode, "blocked" | "removed");
    match (of_own.as_ref().or(of_all.as_ref()), &of_all) {
        (Some((policy, mode)), _) if is_blocked(mode) => {
            Some((State::Unhealthy, format!("{policy} forbids the extension")))
        }
        // Then none can be loaded unpacked (`IsLoadingUnpackedAllowed` in unpacked_installer.cc).
        (Some((_, own)), Some((policy, mode))) if own == "allowed" && is_blocked(mode) => {
            let problem = format!("{policy} forbids the extension where it is loaded unpacked");
            Some((State::Degraded, problem))
        }
        _ => None,
    }
}

/// Whether a policy that is a list has such an entry.
fn lists(policies: &Value, policy: &str, is_it: impl Fn(&str) -> bool) -> bool {
    let entries = policies[policy].as_array().into_iter().flatten();
    entries.filter_map(Value::as_str).any(is_it)
}

fn of_firefox(policies: &Value) -> Vec<(State, String)> {
    let settings = &policies["ExtensionSettings"];
    let own = ExtensionId::own(Family::Firefox).to_string();
    let mode = |name: &str| settings[name]["installation_mode"].as_str();
    let is_blocked = mode(&own).or(mode("*")) == Some("blocked");
    is_blocked
        .then(|| {
            let problem = "ExtensionSettings forbids the extension";
            (State::Unhealthy, problem.to_owned())
        })
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
        fn check(found: &[(State, String)], expect: &[&str]) {
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for ((state, found), expect) in found.iter().zip(expect) {
                assert_eq!(*state, State::Unhealthy, "{found}");
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

    #[test]
    fn chromium_lets_the_extension_be_or_does_not() {
        #[track_caller]
        fn check(policies: &Value, expect: State) {
            let found = of_chromium_on_extension(policies);
            let state = found.as_ref().map_or(State::Healthy, |(state, _)| *state);
            assert_eq!(state, expect, "{policies}: {found:?}");
        }
        let own = &ExtensionId::own(Family::Chromium).to_string();
        let several = &format!("{own}, abcdefghijklmnopabcdefghijklmnop");
        let mode = |mode: &str| json!({"installation_mode": mode});
        let forced =
            json!({"installation_mode": "force_installed", "update_url": "https://a.example/"});
        let (all, blocked) = (json!(["*"]), mode("blocked"));
        for (policies, expect) in [
            (json!({"ExtensionInstallBlocklist": all}), State::Unhealthy),
            (
                json!({"ExtensionSettings": {"*": blocked}}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionSettings": {"*": mode("removed")}}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionSettings": {own: blocked}}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionSettings": {several: blocked}}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionSettings": {own: mode("removed")}}),
                State::Unhealthy,
            ),
            // Whatever an older list says.
            (
                json!({"ExtensionSettings": {"*": mode("allowed")}, "ExtensionInstallBlocklist": all}),
                State::Healthy,
            ),
            (
                json!({"ExtensionSettings": {own: mode("allowed")}, "ExtensionInstallBlocklist": [own]}),
                State::Healthy,
            ),
            (
                json!({"ExtensionSettings": {own: forced}, "ExtensionInstallBlocklist": all}),
                State::Healthy,
            ),
            (
                json!({"ExtensionSettings": {own: mode("force_installed")}, "ExtensionInstallBlocklist": all}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionSettings": {own: {}, "*": blocked}}),
                State::Unhealthy,
            ),
            (
                json!({"ExtensionInstallForcelist": [format!("{own};https://a.example/")], "ExtensionInstallBlocklist": all}),
                State::Healthy,
            ),
            (
                json!({"ExtensionInstallAllowlist": [own], "ExtensionInstallBlocklist": [own]}),
                State::Unhealthy,
            ),
            // As a package alone.
            (
                json!({"ExtensionInstallAllowlist": [own], "ExtensionInstallBlocklist": all}),
                State::Degraded,
            ),
            (
                json!({"ExtensionSettings": {several: mode("allowed"), "*": blocked}}),
                State::Degraded,
            ),
            (
                json!({"ExtensionInstallBlocklist": ["abcdefghijklmnopabcdefghijklmnop"]}),
                State::Healthy,
            ),
        ] {
            check(&policies, expect);
        }
    }

    #[test]
    fn a_file_is_read_as_its_browser_reads_it() {
        const BY_HAND: &str = r#"// Of the school, since March.
            {
                /* No host but ours: */
                "NativeMessagingBlocklist": ["*",], // all
                "NativeMessagingUserLevelHosts": false,
            }
        "#;
        #[track_caller]
        fn check(family: Family, name: &str, text: &str, expect: &[State]) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            let found = problems_of(family, folder.path());
            let states: Vec<State> = found.iter().map(|(state, ..)| *state).collect();
            assert_eq!(states, expect, "{text}: {found:?}");
        }
        let chromium = |text: &str, expect| check(Family::Chromium, "1.json", text, expect);
        chromium(BY_HAND, &[State::Unhealthy, State::Unhealthy]);
        chromium(
            r#"{"NativeMessagingBlocklist": ["\x2a"]}"#,
            &[State::Unhealthy],
        );
        chromium("\u{feff}{}", &[]);
        chromium("{\"HomepageLocation\": \"two\nlines\"}", &[]);
        for broken in [
            "",
            "{",
            "{} {}",
            "{'a': 1}",
            "[]",
            "{\"a\": 1,,}",
            "# no comment\n{}",
        ] {
            chromium(broken, &[State::Degraded]);
        }
        let firefox = |text: &str, expect| check(Family::Firefox, "policies.json", text, expect);
        firefox("{}", &[]);
        firefox("{} // strict", &[State::Degraded]);
    }

    #[test]
    fn the_files_of_a_folder_are_one_set_of_policies() {
        #[track_caller]
        fn check(family: Family, files: &[(&str, Value)], expect: &[State]) {
            let folder = tempfile::tempdir().unwrap();
            for (name, policies) in files {
                fs::write(folder.path().join(name), policies.to_string()).unwrap();
            }
            fs::create_dir(folder.path().join("folder")).unwrap();
            let found = problems_of(family, folder.path());
            let states: Vec<State> = found.iter().map(|(state, ..)| *state).collect();
            assert_eq!(states, expect, "{found:?}");
        }
        let block = || json!({"NativeMessagingBlocklist": ["*"]});
        let allow = || json!({"NativeMessagingAllowlist": [HOST_NAME]});
        let unblock = || json!({"NativeMessagingBlocklist": []});
        let is_bad = &[State::Unhealthy];
        check(
            Family::Chromium,
            &[("1.json", block()), ("2.json", allow())],
            &[],
        );
        check(
            Family::Chromium,
            &[("1.json", block()), ("2.json", unblock())],
            &[],
        );
        check(
            Family::Chromium,
            &[("1.json", unblock()), ("2.json", block())],
            is_bad,
        );
        check(
            Family::Chromium,
            &[("1.json", allow()), ("hosts", block())],
            &[],
        );
        check(Family::Chromium, &[("hosts.json~", block())], is_bad);
        let broken = json!("no object");
        check(
            Family::Chromium,
            &[("1.json", broken), ("2.json", block())],
            &[State::Degraded, State::Unhealthy],
        );
        let settings = json!({"ExtensionSettings": {"*": {"installation_mode": "blocked"}}});
        let policies = json!({"policies": settings});
        check(
            Family::Firefox,
            &[("policies.json", policies.clone())],
            is_bad,
        );
        check(Family::Firefox, &[("old.json", policies)], &[]);
    }
}
