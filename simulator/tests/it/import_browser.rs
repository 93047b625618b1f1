//! A real Chromium browses a server of our own; its history, imported, is what was visited.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin_cmd;
use recorder::{Body, Trace};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::chromium::{QUIET, chromium};

/// How long the browser may take for anything, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the browser is sent to. Each page says that it is there by asking for `/seen`.
fn body(host: &str, path: &str, port: u16) -> String {
    let inside = match path {
        "/frame" => format!("<iframe src='http://inner.example.net:{port}/in'></iframe>"),
        "/opens" => format!("<script>open('http://child.example.com:{port}/c')</script>"),
        "/link" => format!("<script>location = 'http://next.example.org:{port}/n'</script>"),
        // Chromium writes its history down every 10 seconds.
        "/end" => "<script>setTimeout(() => fetch('/written'), 12000)</script>".to_owned(),
        _ => String::new(),
    };
    format!("<!doctype html><title>a secret title</title>{host}{inside}<img src='/seen'>")
}

/// Answers one request; tells which page was seen.
fn answer(mut stream: TcpStream, port: u16, seen: &Sender<String>) -> Option<()> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let request = lines.next()?.ok()?;
    let path = request.split(' ').nth(1)?.to_owned();
    let headers: Vec<String> = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let host = headers
        .iter()
        .find_map(|line| line.strip_prefix("Host: "))?;
    let host = host.split(':').next()?.to_owned();
    let head = if path == "/redirect" {
        format!("302 Found\r\nLocation: http://target.example.org:{port}/landed")
    } else {
        "200 OK\r\nContent-Type: text/html".to_owned()
    };
    let body = body(&host, &path, port);
    write!(
        stream,
        "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    match path.as_str() {
        "/seen" => seen.send(host).ok(),
        "/written" => seen.send("written".to_owned()).ok(),
        _ => Some(()),
    }
}

/// Serves until the test ends. Returns the port and who tells what was seen.
fn serve() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (seen, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = seen.clone();
            thread::spawn(move || answer(stream, port, &seen));
        }
    });
    (port, told)
}

struct Browser {
    process: Child,
    port: String,
}

impl Browser {
    fn start(program: &Path, profile: &Path, url: &str) -> Self {
        let mut process = Command::new(program)
            .args(QUIET)
            .args([
                "--disable-popup-blocking",
                "--host-resolver-rules=MAP * 127.0.0.1",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, after) = line.split_once("DevTools listening on ws://127.0.0.1:")?;
                Some(after.split('/').next()?.to_owned())
            })
            .expect("the browser says where it listens");
        // The pipe must stay open and must not fill.
        thread::spawn(move || lines.for_each(drop));
        Self { process, port }
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let mut reply = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reply.read_line(&mut line).unwrap();
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reply.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap_or(Value::Null)
    }

    fn open(&self, url: &str) -> String {
        let target = self.ask("PUT", &format!("/json/new?{url}"));
        target["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
        {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

fn wait_for(told: &Receiver<String>, host: &str) {
    while told.recv_timeout(PATIENCE).expect(host) != host {}
}

#[test]
fn a_history_of_chromium_is_what_was_visited() {
    let Some(chromium) = chromium() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile");
    let (port, told) = serve();
    let url = |host: &str, path: &str| format!("http://{host}:{port}{path}");

    let browser = Browser::start(&chromium, &profile, &url("start.example.org", "/start"));
    wait_for(&told, "start.example.org");
    let first = browser.open(&url("a.example.org", "/one"));
    wait_for(&told, "a.example.org");
    browser.open(&url("b.example.org", "/redirect"));
    wait_for(&told, "target.example.org");
    browser.open(&url("c.example.org", "/frame"));
    wait_for(&told, "inner.example.net");
    browser.open(&url("d.example.org", "/opens"));
    wait_for(&told, "child.example.com");
    browser.ask("GET", &format!("/json/close/{first}"));
    browser.open(&url("end.example.org", "/end"));
    wait_for(&told, "written");

    // The browser still runs, and holds its database locked.
    let out = folder.path().join("trace");
    let imported = cargo_bin_cmd!("sim")
        .args(["import", "chrome", "--json", "--out"])
        .args([&out, &profile.join("Default")])
        .output()
        .unwrap();
    drop(browser);
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    let report: Value = serde_json::from_slice(&imported.stdout).unwrap();
    assert_eq!(report["source"]["skips"]["redirects"], 1, "{report}");
    let rules = report["source"]["rules"].as_array().unwrap();
    assert!(rules.contains(&Value::from("real-tabs")), "{report}");

    let mut told = Vec::new();
    for line in Trace::open(&out).unwrap().read() {
        match line.unwrap().body {
            Body::TabOpened(tab) => {
                told.push(format!("{} opens {}", tab.tab, tab.host.unwrap()));
                assert_eq!(tab.win.0, 1);
            }
            Body::TabClosed(it) => told.push(format!("{} closes", it.tab)),
            Body::TabNavigated(it) => told.push(format!("{} goes on to {:?}", it.tab, it.host)),
            _ => {}
        }
    }
    assert_eq!(
        told,
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
    let text: String = fs::read_dir(&out)
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    assert!(!text.contains("secret") && !text.contains("/one"), "{text}");
}
