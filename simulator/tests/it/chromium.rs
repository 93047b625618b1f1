//! The real browser that some tests drive.

use std::env;
use std::io::{self, Write as _};
use std::path::PathBuf;

const CHROMIUMS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// What keeps it from doing anything of its own.
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

/// Finds the browser, where `CHROMIUM` says or at one of its usual places. Where there is none the
/// test is to end, and that is said; in CI it fails.
pub(crate) fn chromium() -> Option<PathBuf> {
    let named = env::var_os("CHROMIUM").map(PathBuf::from);
    let mut places = named.into_iter().chain(CHROMIUMS.map(PathBuf::from));
    let found = places.find(|path| path.exists());
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none_or(|ci| ci != "true"),
            "there is no Chromium, and in CI there must be"
        );
        // Said to the terminal itself: what a test prints is kept from people when it passes.
        let mut terminal = io::stderr();
        writeln!(terminal, "SKIPPED: there is no Chromium on this machine").unwrap();
    }
    found
}
