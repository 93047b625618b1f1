//! A headless Firefox that is driven by Marionette: each message is its length, a colon and JSON.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{PATIENCE, Running, told_after};

/// Every host is this machine, so that it contacts nobody else; pages are as they are asked for.
const PREFERENCES: &str = r#"
user_pref("marionette.port", 0);
user_pref("remote.log.level", "Info");
user_pref("network.dns.forceResolve", "127.0.0.1");
user_pref("network.proxy.type", 0);
user_pref("dom.security.https_first", false);
user_pref("dom.disable_open_during_load", false);
"#;

/// Asks Places, which may be a little behind what is on the screen, until it has written a visit.
const UNTIL_WRITTEN: &str = "
const [url, done] = arguments;
const look = () => PlacesUtils.history.fetch(url).then(
    page => page ? done(true) : setTimeout(look, 50),
    error => done(String(error)));
look();";

/// A Firefox of its own, with a profile of its own.
pub(super) struct Firefox {
    stream: BufReader<TcpStream>,
    messages: u64,
    running: Running,
}

impl Firefox {
    /// Starts it, with nothing but an empty tab.
    pub(super) fn start(program: &Path, profile: &Path) -> Self {
        fs::create_dir_all(profile).unwrap();
        fs::write(profile.join("user.js"), PREFERENCES).unwrap();
        let mut running = Running::start(
            Command::new(program)
                .args(["--headless", "--no-remote", "--marionette"])
                // To ask Places.
                .arg("--remote-allow-system-access")
                .arg("--profile")
                .arg(profile)
                .env("HOME", profile)
                .stderr(Stdio::null())
                .stdout(Stdio::piped()),
        );
        let said = running.process.stdout.take().unwrap();
        let port = told_after(said, "Marionette\tINFO\tListening on port ");
        let stream = TcpStream::connect(format!("127.0.0.1:{}", port.trim())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut firefox = Self {
            stream: BufReader::new(stream),
            messages: 0,
            running,
        };
        firefox.hear();
        firefox.ask("WebDriver:NewSession", &json!({}));
        firefox
    }

    /// Opens a page in a new tab.
    pub(super) fn open(&mut self, url: &str) {
        let tab = self.ask(
            "WebDriver:NewWindow",
            &json!({"type": "tab", "focus": true}),
        );
        self.ask(
            "WebDriver:SwitchToWindow",
            &json!({"handle": tab["handle"]}),
        );
        self.go(url);
    }

    /// Opens a page in the tab that is there.
    pub(super) fn go(&mut self, url: &str) {
        self.ask("WebDriver:Navigate", &json!({"url": url}));
    }

    /// Waits until a visit is in the database.
    pub(super) fn wait_until_written(&mut self, url: &str) {
        self.ask("Marionette:SetContext", &json!({"value": "chrome"}));
        let written = self.ask(
            "WebDriver:ExecuteAsyncScript",
            &json!({"script": UNTIL_WRITTEN, "args": [url]}),
        );
        assert_eq!(written["value"], true);
        self.ask("Marionette:SetContext", &json!({"value": "content"}));
    }

    /// Has it end by itself, so that it writes down all that it knows.
    pub(super) fn quit(mut self) {
        self.ask("Marionette:Quit", &json!({"flags": ["eAttemptQuit"]}));
        assert!(self.running.process.wait().unwrap().success());
    }

    fn ask(&mut self, command: &str, parameters: &Value) -> Value {
        self.messages += 1;
        let message = json!([0, self.messages, command, parameters]).to_string();
        write!(self.stream.get_mut(), "{}:{message}", message.len()).unwrap();
        let mut reply = self.hear();
        assert_eq!(reply[1], self.messages, "{command}: {reply}");
        assert_eq!(reply[2], Value::Null, "{command}: {reply}");
        reply[3].take()
    }

    fn hear(&mut self) -> Value {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).unwrap();
        let length = String::from_utf8(length).unwrap();
        let mut message = vec![0; length.trim_end_matches(':').parse().unwrap()];
        self.stream.read_exact(&mut message).unwrap();
        serde_json::from_slice(&message).unwrap()
    }
}
