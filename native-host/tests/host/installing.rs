//! `install` and `uninstall`, as people run them.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::client::{Home, Host, OWN_ORIGIN, PROGRAM};

const OTHER: &str = "abcdefghijklmnopabcdefghijklmnop";

const MANIFEST: &str = "NativeMessagingHosts/org.tab_orchestrator.host.json";

fn run(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = home.command().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join(MANIFEST)).unwrap()).unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn every_browser_of_the_table_is_installed_for_and_uninstalled() {
    for (browser, folder) in [
        ("chromium", "chromium"),
        ("chrome", "google-chrome"),
        ("edge", "microsoft-edge"),
        ("brave", "BraveSoftware/Brave-Browser"),
        ("vivaldi", "vivaldi"),
    ] {
        let home = Home::new();
        let folder = home.config().join(folder);
        let (code, _, stderr) = run(&home, &["install", "--browser", browser]);
        assert_eq!(code, Some(1), "{browser} is not there");
        assert!(stderr.contains(&*folder.to_string_lossy()), "{stderr}");
        assert!(!folder.exists());

        fs::create_dir_all(&folder).unwrap();
        let (code, stdout, stderr) = run(&home, &["install", "--browser", browser]);
        assert_eq!((code, &*stderr), (Some(0), ""));
        assert!(stdout.starts_with("wrote: "), "{stdout}");
        let expect = json!({
            "name": "org.tab_orchestrator.host",
            "description": "Samples the machine for the tab orchestrator and keeps its log",
            "path": fs::canonicalize(PROGRAM).unwrap(),
            "type": "stdio",
            "allowed_origins": [OWN_ORIGIN],
        });
        assert_eq!(manifest(&folder), expect);

        let (code, stdout, _) = run(&home, &["install", "--browser", browser]);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("found as it should be: "), "{stdout}");

        let (code, stdout, _) = run(&home, &["uninstall", "--browser", browser]);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("removed: "), "{stdout}");
        assert!(!folder.join(MANIFEST).exists());
        let (code, stdout, _) = run(&home, &["uninstall", "--browser", browser]);
        assert_eq!(code, Some(0));
        assert!(stdout.starts_with("not there: "), "{stdout}");
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
        manifest(&folder)["allowed_origins"],
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
        &["install"][..],
        &["install", "--browser", "lynx"],
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
