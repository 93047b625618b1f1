//! The websites that a test sends a browser to: one server on this machine, whatever the host. It
//! tells which pages were seen, so that a test waits for pages and never for time.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use super::PATIENCE;

/// A server that runs until the test ends.
pub(super) struct Website {
    port: u16,
    seen: Receiver<String>,
}

impl Website {
    /// Serves on a port that is free.
    pub(super) fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, seen) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tell = tell.clone();
                thread::spawn(move || answer(stream, port, &tell));
            }
        });
        Self { port, seen }
    }

    /// Where a page is, for a browser to which every host is this machine.
    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// Waits until a browser shows a page of this host.
    pub(super) fn wait_for(&self, host: &str) {
        while self.seen.recv_timeout(PATIENCE).expect(host) != host {}
    }
}

/// Answers one request. Each page says that it is there by asking for `/seen`.
fn answer(mut stream: TcpStream, port: u16, tell: &Sender<String>) -> Option<()> {
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
        "/seen" => tell.send(host).ok(),
        "/written" => tell.send("written".to_owned()).ok(),
        _ => Some(()),
    }
}

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
