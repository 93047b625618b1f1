//! `install` and `uninstall`, as people run them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use native_host::browsers::{BROWSERS, Browser, Family, Os};
use native_host::extensions::OWN_ADD_ON;
use serde_json::{Value, json};

use crate::client::{Home, Host, OWN_ORIGIN, PROGRAM, new_session};

const OTHER: &str = "abcdefghijklmnopabcdefghijklmnop";

const OTHER_ADD_ON: &str = "other@add-on.example";

fn run(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = home.command().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn manifest_in(hosts: &Path) -> Value {
    let manifest = hosts.join("org.tab_orchestrator.host.json");
    serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap()
}

/// Everything below a folder, with its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
            found.insert(path, None);
        } else {
            let content = fs::read(&path).unwrap();
            found.insert(path, Some(content));
        }
    }
    found
}

fn browsers_here() -> Vec<&'static Browser> {
    let here = BROWSERS.iter();
    here.filter(|browser| browser.folders(Os::HERE).is_some())
        .collect()
}

/// Makes the browser's own folder, as its first start does.
fn start_once(home: &Home, browser: &Browser) {
    let own = browser.folders(Os::HERE).unwrap().own[0];
    fs::create_dir_all(home.roots().resolve(own)).unwrap();
}

fn hosts(home: &Home, browser: &Browser) -> PathBuf {
    let hosts = browser.folders(Os::HERE).unwrap().hosts;
    home.roots().resolve(hosts)
}

#[test]
fn every_browser_of_the_table_is_installed_for_and_nothing_is_left() {
    let expect = |browser: &Browser| {
        let mut manifest = json!({
            "name": "org.tab_orchestrator.host",
            "description": "Samples the machine for the tab orchestrator and keeps its log",
            "path": fs::canonicalize(PROGRAM).unwrap(),
            "type": "stdio",
        });
        match browser.family {
            Family::Chromium => manifest["allowed_origins"] = json!([OWN_ORIGIN]),
            Family::Firefox => manifest["allowed_extensions"] = json!([OWN_ADD_ON]),
        }
        manifest
    };
    for browser in browsers_here() {
        let home = Home::new();
        let name = ["--browser", browser.id];
        let install = [&["install"][..], &name].concat();
        let uninstall = [&["uninstall"][..], &name].concat();
        let (code, _, stderr) = run(&home, &install);
        assert_eq!(code, Some(1), "{} is not there", browser.id);
        assert!(stderr.contains(browser.name), "{stderr}");
        assert_eq!(tree(home.path()), BTreeMap::new());

        start_once(&home, browser);
        let before = tree(home.path());
        let (code, stdout, stderr) = run(&home, &install);
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.starts_with("wrote: "), "{stdout}");
        assert_eq!(manifest_in(&hosts(&home, browser)), expect(browser));

        let (code, stdout, _) = run(&home, &install);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("found as it should be: "), "{stdout}");

        let (code, stdout, _) = run(&home, &uninstall);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("removed: "), "{stdout}");
        assert_eq!(tree(home.path()), before, "{} leaves something", browser.id);
        let (code, stdout, _) = run(&home, &uninstall);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("not there: "), "{stdout}");
    }
}

#[test]
fn all_browsers_that_are_there_are_installed_for_at_once_and_nothing_is_left() {
    let home = Home::new();
    let (code, _, stderr) = run(&home, &["install"]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("found no browser"), "{stderr}");

    let there = ["chromium", "brave", "firefox"].map(|id| Browser::by_id(id).unwrap());
    for browser in there {
        start_once(&home, browser);
    }
    let before = tree(home.path());
    let other = ["--extension-id", OTHER, "--extension-id", OTHER_ADD_ON];
    let (code, _, _) = run(&home, &[&["install"][..], &other].concat());
    assert_eq!(code, Some(0));
    for browser in browsers_here() {
        let is_there = there.contains(&browser);
        assert_eq!(hosts(&home, browser).exists(), is_there, "{}", browser.id);
    }
    let [chromium, _, firefox] = there.map(|browser| manifest_in(&hosts(&home, browser)));
    let origins = json!([OWN_ORIGIN, format!("chrome-extension://{OTHER}/")]);
    assert_eq!(chromium["allowed_origins"], origins);
    let add_ons = json!([OWN_ADD_ON, OTHER_ADD_ON]);
    assert_eq!(firefox["allowed_extensions"], add_ons);

    let (code, stdout, _) = run(&home, &["uninstall"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        stdout.lines().count(),
        4,
        "three manifests and the list: {stdout}"
    );
    assert_eq!(tree(home.path()), before);
    let (_, stdout, _) = run(&home, &["uninstall"]);
    assert_eq!(stdout, "found nothing to remove\n");
}

#[test]
fn a_host_that_goes_on_after_it_was_uninstalled_is_told() {
    let home = Home::new();
    start_once(&home, Browser::by_id("chromium").unwrap());
    run(&home, &["install"]);
    let (host, _) = Host::connect(&home, &new_session());
    let (code, stdout, _) = run(&home, &["uninstall"]);
    assert_eq!(code, Some(0));
    let told = format!(
        "the host of process {} still runs",
        host.pid().as_raw_nonzero()
    );
    assert!(
        stdout.lines().last().unwrap().starts_with(&told),
        "{stdout}"
    );
    host.close();
    let (_, stdout, _) = run(&home, &["uninstall"]);
    assert_eq!(stdout, "found nothing to remove\n");
}

#[test]
fn the_policy_and_what_others_keep_beside_a_manifest_stay() {
    let home = Home::with_policy("");
    let firefox = Browser::by_id("firefox").unwrap();
    start_once(&home, firefox);
    let folder = hosts(&home, firefox);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("other.json"), "{}").unwrap();
    let before = tree(home.path());
    run(&home, &["install", "--extension-id", OTHER_ADD_ON]);
    run(&home, &["uninstall"]);
    assert_eq!(tree(home.path()), before);
}

#[test]
fn a_manifest_that_names_another_program_is_written_anew() {
    let home = Home::new();
    let chromium = Browser::by_id("chromium").unwrap();
    start_once(&home, chromium);
    run(&home, &["install"]);
    let path = hosts(&home, chromium).join("org.tab_orchestrator.host.json");
    let good = fs::read_to_string(&path).unwrap();
    let program = fs::canonicalize(PROGRAM).unwrap();
    let stale = good.replace(program.to_str().unwrap(), "/opt/old/host");
    assert_ne!(stale, good);
    fs::write(&path, &stale).unwrap();
    run(&home, &["install"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), good);
    fs::write(&path, &stale).unwrap();
    let (_, stdout, _) = run(&home, &["doctor", "--fix"]);
    assert!(stdout.contains("fixed: wrote "), "{stdout}");
    assert_eq!(fs::read_to_string(&path).unwrap(), good);
}

#[test]
fn firefox_starts_the_host_with_a_manifest_and_an_add_on() {
    let home = Home::new();
    let manifest = home.path().join("org.tab_orchestrator.host.json");
    let manifest = manifest.to_str().unwrap();
    let mut host = Host::start_with(&home, &[manifest, OWN_ADD_ON]);
    host.send(&crate::client::hello(&crate::client::new_session()));
    host.expect("hello");
    host.close();
    for arguments in [&[manifest, OTHER_ADD_ON][..], &[manifest, ""], &[manifest]] {
        let mut host = Host::start_with(&home, arguments);
        host.expect_error("forbidden_origin");
        assert_eq!(host.await_end().0, Some(1), "{arguments:?}");
    }
}

#[test]
fn another_extension_may_start_the_host_once_it_is_named() {
    let home = Home::new();
    let origin = format!("chrome-extension://{OTHER}/");
    let mut host = Host::start_for(&home, &origin);
    host.expect_error("forbidden_origin");

    let folder = home.path().join("profile");
    fs::create_dir(&folder).unwrap();
    let user_data = folder.to_str().unwrap();
    let arguments = [
        "install",
        "--user-data-dir",
        user_data,
        "--extension-id",
        OTHER,
    ];
    let (code, stdout, _) = run(&home, &arguments);
    assert_eq!(code, Some(0));
    assert!(stdout.contains(OTHER), "{stdout}");
    assert_eq!(
        manifest_in(&folder.join("NativeMessagingHosts"))["allowed_origins"],
        json!([OWN_ORIGIN, origin])
    );
    // Installing again without it takes nothing back.
    let (_, stdout, _) = run(&home, &["install", "--user-data-dir", user_data]);
    assert!(stdout.starts_with("found as it should be: "), "{stdout}");

    let mut host = Host::start_for(&home, &origin);
    host.send(&crate::client::hello(&crate::client::new_session()));
    host.expect("hello");
    host.close();
}

#[test]
fn a_command_that_cannot_be_meant_is_a_usage_error() {
    for arguments in [
        &["install", "--browser", "lynx"][..],
        &["doctor", "--everything"],
        &[
            "install",
            "--browser",
            "chromium",
            "--extension-id",
            "short",
        ],
        &["install", "--browser", "chromium", "--user-data-dir", "x"],
        &["sing"],
        &[],
    ] {
        let home = Home::new();
        let (code, stdout, stderr) = run(&home, arguments);
        assert_eq!(code, Some(2), "{arguments:?}");
        assert_eq!(stdout, "", "{arguments:?}");
        assert!(
            stderr.contains("--help") || stderr.contains("Usage"),
            "{arguments:?}: {stderr}"
        );
    }
    let home = Home::new();
    let (code, stdout, _) = run(&home, &["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("install --browser chromium"), "{stdout}");
}
