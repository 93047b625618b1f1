//! A real browser visits a server of our own; its history, imported, is what was visited.

mod chromium;
mod firefox;
mod website;

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use recorder::{Body, Trace};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::browsers;

use chromium::Chromium;
use firefox::Firefox;
use website::Website;

/// How long a browser may take for anything, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_history_of_chromium_is_what_was_visited() {
    let Some(stage) = Stage::of(browsers::chromium()) else {
        return;
    };
    let Stage { profile, site, .. } = &stage;

    let browser = Chromium::start(
        &stage.program,
        profile,
        &site.url("start.example.org", "/start"),
    );
    site.wait_for("start.example.org");
    let first = browser.open(&site.url("a.example.org", "/one"));
    site.wait_for("a.example.org");
    browser.open(&site.url("b.example.org", "/redirect"));
    site.wait_for("target.example.org");
    browser.open(&site.url("c.example.org", "/frame"));
    site.wait_for("inner.example.net");
    browser.open(&site.url("d.example.org", "/opens"));
    site.wait_for("child.example.com");
    browser.close(&first);
    browser.open(&site.url("end.example.org", "/end"));
    site.wait_for("written");

    // The browser still runs, and holds its database locked.
    let out = stage.folder.path().join("trace");
    let report = import("chrome", &profile.join("Default"), &out);
    drop(browser);
    assert_eq!(report["source"]["skips"]["redirects"], 1, "{report}");
    let rules = report["source"]["rules"].as_array().unwrap();
    assert!(rules.contains(&Value::from("real-tabs")), "{report}");
    assert_eq!(
        told(&out),
        [
            "1 opens start.example.org",
            "2 opens a.example.org",
            "3 opens target.example.org",
            "4 opens c.example.org",
            "5 opens d.example.org",
            "6 opens child.example.com",
            "2 closes",
            "7 opens end.example.org",
        ]
    );
}

/// Firefox keeps no ids of tabs, so tabs are told by the rules alone: the one that `d.example`
/// opened goes on in the tab of `d.example`, and what comes back to `a.example` in its own.
#[test]
fn a_history_of_firefox_is_what_was_visited() {
    let Some(stage) = Stage::of(browsers::firefox()) else {
        return;
    };
    let Stage { profile, site, .. } = &stage;

    let mut browser = Firefox::start(&stage.program, profile);
    browser.go(&site.url("start.example", "/start"));
    browser.open(&site.url("www.a.example", "/one"));
    browser.open(&site.url("b.example", "/redirect"));
    browser.open(&site.url("c.example", "/frame"));
    site.wait_for("inner.example.net");
    browser.open(&site.url("d.example", "/opens"));
    site.wait_for("child.example.com");
    browser.open(&site.url("e.example", "/link"));
    site.wait_for("next.example.org");
    browser.open(&site.url("a.example", "/two"));
    let end = site.url("end.example", "/last");
    browser.open(&end);
    browser.wait_until_written(&end);

    // The browser still runs, and holds its database locked.
    let out = stage.folder.path().join("trace");
    let report = import("firefox", profile, &out);
    assert_eq!(report["source"]["skips"]["redirects"], 1, "{report}");
    let visited = [
        "1 opens start.example",
        "2 opens www.a.example",
        "3 opens target.example.org",
        "4 opens c.example",
        "5 opens d.example",
        "5 goes on to child.example.com",
        "6 opens e.example",
        "6 goes on to next.example.org",
        "2 goes on to a.example",
        "7 opens end.example",
    ];
    assert_eq!(told(&out), visited);

    // It is the same when the browser has ended, and has written down how long pages were seen.
    browser.quit();
    let out = stage.folder.path().join("trace-afterwards");
    import("firefox", profile, &out);
    assert_eq!(told(&out), visited);
}

/// What a browser is sent over.
struct Stage {
    program: PathBuf,
    folder: TempDir,
    profile: PathBuf,
    site: Website,
}

impl Stage {
    /// Prepares it, if the browser is on this machine.
    fn of(program: Option<PathBuf>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self {
            program: program?,
            profile: folder.path().join("profile"),
            folder,
            site: Website::serve(),
        })
    }
}

/// Imports a profile, and returns what `sim` reports.
fn import(importer: &str, profile: &Path, out: &Path) -> Value {
    let imported = cargo_bin_cmd!("sim")
        .args(["import", importer, "--json", "--output"])
        .args([out, profile])
        .output()
        .unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    serde_json::from_slice(&imported.stdout).unwrap()
}

/// What became of which tab, in the trace's order; and nothing but hosts is in it.
fn told(out: &Path) -> Vec<String> {
    let text: String = fs::read_dir(out)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(!text.contains("secret") && !text.contains("/one"), "{text}");
    let mut told = Vec::new();
    for line in Trace::open(out).unwrap().read() {
        match line.unwrap().body {
            Body::TabOpened(tab) => {
                told.push(format!("{} opens {}", tab.tab, tab.host.unwrap()));
                assert_eq!(tab.win.0, 1);
            }
            Body::TabClosed(it) => told.push(format!("{} closes", it.tab)),
            Body::TabNavigated(it) => {
                told.push(format!("{} goes on to {}", it.tab, it.host.unwrap()));
            }
            _ => {}
        }
    }
    told
}

/// A program that ends with the test.
struct Running {
    process: Child,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let process = command.stdin(Stdio::null()).spawn().unwrap();
        Self { process }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has ended, its id may be another's.
        let Ok(None) = self.process.try_wait() else {
            return;
        };
        if let Some(pid) = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

/// The rest of the line on which a program says this.
fn told_after(said: impl Read + Send + 'static, this: &str) -> String {
    let mut lines = BufReader::new(said).lines();
    let address = lines
        .by_ref()
        .map_while(Result::ok)
        .find_map(|line| Some(line.split_once(this)?.1.to_owned()))
        .expect("the browser says where it listens");
    // The pipe must stay open and must not fill.
    thread::spawn(move || lines.for_each(drop));
    address
}
