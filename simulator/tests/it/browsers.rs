//! The real browsers that some tests drive.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

const CHROMIUMS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

const FIREFOXES: [&str; 3] = [
    "/usr/bin/firefox-esr",
    "/usr/bin/firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
];

/// What keeps a Chromium from doing anything of its own.
pub(crate) const QUIET: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Finds Chromium, where `CHROMIUM` says or at one of its usual places.
pub(crate) fn chromium() -> Option<PathBuf> {
    find("Chromium", env::var_os("CHROMIUM"), &CHROMIUMS)
}

/// Finds Firefox, where `FIREFOX` says or at one of its usual places.
pub(crate) fn firefox() -> Option<PathBuf> {
    find("Firefox", env::var_os("FIREFOX"), &FIREFOXES)
}

/// Finds a browser. Where there is none the test is to end, and that is said; in CI it fails.
fn find(name: &str, named: Option<OsString>, places: &[&str]) -> Option<PathBuf> {
    let places = places.iter().map(PathBuf::from);
    let mut places = named.map(PathBuf::from).into_iter().chain(places);
    let found = places.find(|path| path.exists());
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none_or(|ci| ci != "true"),
            "there is no {name}, and in CI there must be"
        );
        // Said to the terminal itself: what a test prints is kept from people when it passes.
        let mut terminal = io::stderr();
        writeln!(terminal, "SKIPPED: there is no {name} on this machine").unwrap();
    }
    found
}
