//! Pages: what they hold, what they keep out, and how a real browser takes them.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;

use crate::browsers::{QUIET, chromium};
use crate::recording::{Recorded, short_of_memory, short_of_memory_again};

/// Writes the page of a comparison beside a trace, which is given twice under names that nobody
/// should trust.
fn compare(recorded: &Recorded, args: &[&str]) -> String {
    let output = cargo_bin_cmd!("sim")
        .args(["compare", "--html", "pages/page.html"])
        .args(args)
        .current_dir(recorded.root())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success());
    fs::read_to_string(recorded.root().join("pages/page.html")).unwrap()
}

/// Two traces, "trace" and "other".
fn two_traces() -> Recorded {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.add(&short_of_memory_again(Mode::Enforce).close(), "other");
    recorded
}

/// A comparison of everything that a page can show.
fn all(recorded: &Recorded) -> String {
    let args = ["trace", "other", "-p", "default", "-p", "ttl-5"];
    compare(recorded, &[&args[..], &["--ablate", "--curve"]].concat())
}

#[test]
fn a_page_of_a_comparison_holds_everything_that_was_found() {
    let recorded = two_traces();
    let page = all(&recorded);
    for id in [
        "table",
        "picture",
        "differences",
        "parts",
        "families",
        "not-observable",
        "provenance",
    ] {
        assert!(page.contains(&format!("<section id=\"{id}\"")), "{id}");
        assert!(page.contains(&format!("<a href=\"#{id}\"")), "{id}");
    }
    let at = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} in {page}"))
    };
    assert!(at(">saved <small>GiB·h") < at(">early <small>%"));
    assert!(at(">Our policy<") < at(">Our policy without a part<"));
    assert!(at(">Others<") < at(">The bound<"));
    assert!(at(">change <small>points") > at(">change <small>GiB·h"));
    assert!(at("<th scope=\"row\">") > at("<th scope=\"col\""));
    assert!(page.contains("tabindex=\"0\""));
    // Two plots, in two looks and two widths.
    assert_eq!(page.matches("<svg role=\"img\"").count(), 8);
    assert_eq!(page.matches("<desc>").count(), 8);
    assert_eq!(page, all(&recorded), "the same again");
}

#[test]
fn early_returns_stand_beside_whatever_is_said_to_be_saved() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let page = compare(&recorded, &["trace", "--columns", "saved_share,violations"]);
    assert_eq!(page.matches("<th scope=\"col\"").count(), 4 + 4 + 2);
    assert!(page.contains(">early <small>%"));
    cargo_bin_cmd!("sim")
        .args(["compare", "trace", "--columns", "saved"])
        .current_dir(recorded.root())
        .assert()
        .code(2);
}

#[test]
fn names_from_strangers_do_nothing_on_a_page() {
    let recorded = two_traces();
    let evil = "<script>document.title='evil'<b onload=\"x\">&'";
    fs::rename(recorded.root().join("trace"), recorded.root().join(evil)).unwrap();
    let policy = format!("{evil}.toml");
    fs::write(recorded.root().join(&policy), "gate = \"always\"\n").unwrap();
    let page = compare(
        &recorded,
        &[evil, "other", "-p", &policy, "--ablate", "--curve"],
    );
    assert!(!page.contains("<script"), "{page}");
    assert!(!page.contains("<b "), "{page}");
    assert!(page.contains("&lt;script&gt;"), "{page}");
}

/// Whose servers a browser asks of its own accord.
const MAKERS: [&str; 3] = ["google.com", "googleapis.com", "gstatic.com"];

/// What a browser does with a page.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The document as it then is.
    pub(crate) document: String,
    /// What stands on its console.
    pub(crate) console: Vec<String>,
    /// What it asks of any server.
    pub(crate) requests: Vec<String>,
}

/// Answers one request, if it comes to one: a browser opens connections that it may not need.
fn answer(mut stream: TcpStream, page: &str, asked: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    let path = request.split(' ').nth(1)?;
    let host = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .find_map(|line| Some(line.strip_prefix("Host: ")?.to_owned()))?;
    // The browser asks its maker for the time and for updates, whatever it is told.
    if !MAKERS.iter().any(|maker| host.ends_with(maker)) {
        asked.send(format!("{host}{path}")).ok()?;
    }
    let body = if path == "/page" { page } else { "" };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

/// Shows a page, from a server that every name leads to.
pub(crate) fn show(chromium: &Path, page: &str) -> Shown {
    show_in(chromium, page, 1_280)
}

/// Shows it in a window of this width.
fn show_in(chromium: &Path, page: &str, width: u32) -> Shown {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, asked) = mpsc::channel();
    let page: Arc<str> = page.into();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (page, tell) = (Arc::clone(&page), tell.clone());
            thread::spawn(move || answer(stream, &page, &tell));
        }
    });
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args(QUIET)
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--host-resolver-rules=MAP * 127.0.0.1:{port}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("http://reports.example/page")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let console = told.lines().filter(|line| line.contains("CONSOLE"));
    Shown {
        document: String::from_utf8(output.stdout).unwrap(),
        console: console.map(str::to_owned).collect(),
        requests: asked.try_iter().collect(),
    }
}

#[test]
fn a_browser_shows_a_page_without_a_complaint_or_a_request() {
    let Some(chromium) = chromium() else {
        return;
    };
    let recorded = two_traces();
    let page = all(&recorded);
    let shown = show(&chromium, &page);
    assert!(shown.document.contains("id=\"provenance\""), "{shown:?}");
    assert_eq!(shown.console, Vec::<String>::new());
    assert_eq!(shown.requests, ["reports.example/page"]);

    // If something came to stand on a page all the same, its policy would keep it still.
    let intruder =
        "<img src=\"http://elsewhere.example/image\"><script>document.title = 'evil'</script>";
    let intruded = page.replace("</header>", &format!("</header>{intruder}"));
    let shown = show(&chromium, &intruded);
    assert!(!shown.document.contains("<title>evil"), "{shown:?}");
    assert_eq!(shown.requests, ["reports.example/page"]);
    assert!(!shown.console.is_empty(), "it is not told: {shown:?}");

    // And without the policy this test would have seen it.
    let policy = intruded.find("<meta http-equiv").unwrap();
    let after = policy + intruded[policy..].find('>').unwrap() + 1;
    let unguarded = format!("{}{}", &intruded[..policy], &intruded[after..]);
    let shown = show(&chromium, &unguarded);
    assert!(shown.document.contains("<title>evil"), "{shown:?}");
    assert_eq!(
        shown.requests,
        ["reports.example/page", "elsewhere.example/image"]
    );
}

#[test]
fn a_telephone_scrolls_a_wide_table_and_not_the_page() {
    let Some(chromium) = chromium() else {
        return;
    };
    let page = all(&two_traces());
    let policy = page.find("<meta http-equiv").unwrap();
    let after = policy + page[policy..].find('>').unwrap() + 1;
    let measuring = "<script>\
        const { scrollWidth, clientWidth } = document.documentElement;\
        document.title = `${scrollWidth - clientWidth} px too wide`;\
        </script>";
    let measured = format!("{}{}", &page[..policy], &page[after..]).replace("</html>", measuring);
    let shown = show_in(&chromium, &measured, 500).document;
    assert!(shown.contains("<title>0 px too wide<"), "{shown}");
}
