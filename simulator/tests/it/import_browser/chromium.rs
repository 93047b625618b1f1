//! A headless Chromium that opens and closes tabs by the HTTP side of its DevTools.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::browsers::QUIET;

use super::{PATIENCE, Running, told_after};

/// A Chromium of its own, with a profile of its own.
pub(super) struct Chromium {
    port: String,
    _running: Running,
}

impl Chromium {
    /// Starts it at a page.
    pub(super) fn start(program: &Path, profile: &Path, url: &str) -> Self {
        let mut running = Running::start(
            Command::new(program)
                .args(QUIET)
                .args([
                    "--disable-popup-blocking",
                    "--host-resolver-rules=MAP * 127.0.0.1",
                    "--remote-debugging-port=0",
                ])
                .arg(format!("--user-data-dir={}", profile.display()))
                .arg(url)
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        );
        let said = running.process.stderr.take().unwrap();
        let address = told_after(said, "DevTools listening on ws://127.0.0.1:");
        let (port, _) = address.split_once('/').unwrap();
        Self {
            port: port.to_owned(),
            _running: running,
        }
    }

    /// Opens a page in a new tab, and returns the tab.
    pub(super) fn open(&self, url: &str) -> String {
        let target = self.ask("PUT", &format!("/json/new?{url}"));
        target["id"].as_str().unwrap().to_owned()
    }

    /// Closes a tab.
    pub(super) fn close(&self, tab: &str) {
        self.ask("GET", &format!("/json/close/{tab}"));
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
}
