//! A browser, as far as the host can tell: it starts the host in folders of its own, speaks the
//! protocol over the pipes, and reads the log afterwards.

use std::collections::VecDeque;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::{Engine, Mode, Orchestrator, Output, PolicyDocument};
use native_host::browsers::Os;
use native_host::framing::{FramingError, MessageReader};
use native_host::roots::Roots;
use recorder::{Body, Line, PackedFolder, Trace};
use serde_json::{Value, json};

use crate::extension::Wire;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tab-orchestrator-host");

pub(crate) const OWN_ORIGIN: &str = "chrome-extension://kmlfpgoielmcmbgmfohfgkbbbikedcba/";

/// Any reading of any machine is HIGH for it, and a tab outside the working context is ripe after
/// a minute.
pub(crate) const EAGER_POLICY: &str = "\
cooldown_seconds = 10
[focus]
out_ttl_minutes = 1.0
[pressure]
used_from_percent = 0.0
used_full_percent = 0.1
medium_score = 1
high_score = 2
";

/// No answer takes this long. What takes longer is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Folders for one user.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A home on a disk.
    pub(crate) fn below(folder: &Path) -> Self {
        Self(tempfile::tempdir_in(folder).unwrap())
    }

    /// A home with a policy.
    pub(crate) fn with_policy(policy: &str) -> Self {
        let home = Self::new();
        fs::create_dir_all(home.policy_file().parent().unwrap()).unwrap();
        fs::write(home.policy_file(), policy).unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("config")
    }

    /// Where the paths of browsers begin.
    pub(crate) fn roots(&self) -> Roots {
        Roots {
            os: Os::HERE,
            home: self.path().to_owned(),
            config: self.config(),
            root: PathBuf::from("/"),
        }
    }

    pub(crate) fn policy_file(&self) -> PathBuf {
        self.config().join("tab-orchestrator/policy.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path().join("state/tab-orchestrator")
    }

    pub(crate) fn traces(&self) -> PathBuf {
        self.state().join("traces")
    }

    /// Where `sim` keeps packed traces.
    pub(crate) fn packed(&self) -> PackedFolder {
        PackedFolder::below(&self.path().join("cache"))
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.config())
            .env("XDG_STATE_HOME", self.path().join("state"))
            .env("XDG_CACHE_HOME", self.path().join("cache"));
        command
    }

    /// Makes a home with the same files.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            fs::create_dir_all(copy.path().join(&folder)).unwrap();
            for entry in fs::read_dir(self.path().join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let name = folder.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    folders.push(name);
                } else {
                    fs::copy(entry.path(), copy.path().join(name)).unwrap();
                }
            }
        }
        copy
    }

    /// Reads the one trace there is, and steps an engine of its own on it: the decisions and the
    /// state at every checkpoint must be those that the log has.
    pub(crate) fn read_trace(&self) -> ReadTrace {
        read_trace(&self.traces())
    }
}

/// A trace that holds in every respect.
pub(crate) struct ReadTrace {
    pub(crate) lines: Vec<Line>,
    pub(crate) is_sealed: bool,
    pub(crate) torn_bytes: u64,
    pub(crate) state_hash: String,
    /// Outputs of the last input that the log does not have: its writer was killed before.
    pub(crate) not_written: usize,
}

impl ReadTrace {
    /// The lines of a type, in their order.
    pub(crate) fn of_type(&self, type_name: &str) -> Vec<&Line> {
        self.lines
            .iter()
            .filter(|line| line.body.type_name() == type_name)
            .collect()
    }

    /// The `n` of every event of the extension, in their order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.lines.iter().filter_map(|line| line.n).collect()
    }
}

pub(crate) fn read_trace(path: &Path) -> ReadTrace {
    let trace = read_killed_trace(path);
    assert_eq!(trace.not_written, 0, "an output is missing at the end");
    trace
}

/// Reads the trace of a host that was killed: outputs of its last input may be missing.
pub(crate) fn read_killed_trace(path: &Path) -> ReadTrace {
    let trace = Trace::open(path).unwrap();
    let mut reader = trace.read();
    let lines: Vec<Line> = reader.by_ref().map(|line| line.unwrap()).collect();
    let mut engine = Engine::new(Orchestrator::new(PolicyDocument::default()), Mode::Observe);
    let mut awaited = VecDeque::new();
    let (mut outputs, mut checkpoints) = (Vec::<Output>::new(), 0);
    for line in &lines {
        if let Some(output) = line.output() {
            assert_eq!(awaited.pop_front(), Some(output), "at seq {}", line.seq);
        } else if let Some(event) = line.event() {
            assert!(
                awaited.is_empty(),
                "an output is missing before seq {}",
                line.seq
            );
            engine.step(&event, &mut outputs);
            awaited.extend(outputs.drain(..));
        } else if let Body::Checkpoint(checkpoint) = &line.body {
            checkpoints += 1;
            assert_eq!(checkpoint.state.as_deref(), Some(&*engine.state_hash()));
        }
    }
    assert!(
        awaited.is_empty() || !reader.sealed(),
        "a sealed log has all outputs"
    );
    assert!(
        checkpoints > 0 || !reader.sealed(),
        "a sealed log has a checkpoint"
    );
    ReadTrace {
        is_sealed: reader.sealed(),
        torn_bytes: reader.torn_tail().map_or(0, |tail| tail.bytes),
        state_hash: engine.state_hash(),
        not_written: awaited.len(),
        lines,
    }
}

/// The host closed its output.
#[derive(Debug)]
pub(crate) struct HasLeft;

/// A running host, and the extension's side of the connection.
pub(crate) struct Host {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    messages: Receiver<Value>,
    /// Messages that came while another was waited for.
    passed: Vec<Value>,
    last_n: u64,
    last_request: u64,
}

impl Host {
    /// Starts the host as a browser does.
    pub(crate) fn start(home: &Home) -> Self {
        Self::start_for(home, OWN_ORIGIN)
    }

    pub(crate) fn start_for(home: &Home, origin: &str) -> Self {
        Self::start_with(home, &[origin, "--parent-window=0"])
    }

    pub(crate) fn start_with(home: &Home, arguments: &[&str]) -> Self {
        let mut child = home
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut reader = MessageReader::new(child.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            // Anything on stdout that is no message ends this in a panic, and the test with it; but
            // for half a message at the end, which a host leaves that is killed.
            loop {
                let message = match reader.read() {
                    Ok(Some(message)) => serde_json::from_slice(&message).unwrap(),
                    Ok(None) | Err(FramingError::Truncated { .. }) => return,
                    Err(error) => panic!("{error}"),
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let stdin = child.stdin.take();
        Self {
            child,
            stdin,
            messages,
            passed: Vec::new(),
            last_n: 0,
            last_request: 0,
        }
    }

    /// Starts the host and says hello.
    pub(crate) fn connect(home: &Home, session: &str) -> (Self, Value) {
        let mut host = Self::start(home);
        host.send(&hello(session));
        let answer = host.expect("hello");
        host.last_n = answer["last_n"].as_u64().unwrap();
        (host, answer)
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let message = serde_json::to_vec(message).unwrap();
        self.send_frame(u32::try_from(message.len()).unwrap(), &message);
    }

    pub(crate) fn send_frame(&mut self, length: u32, bytes: &[u8]) {
        // The host may have left already, and then what it said before tells why; or the input was
        // closed.
        let Some(stdin) = &mut self.stdin else { return };
        let _ = stdin.write_all(&length.to_ne_bytes());
        let _ = stdin.write_all(bytes);
        let _ = stdin.flush();
    }

    /// Numbers events and sends them. Returns the last number.
    pub(crate) fn send_events(&mut self, events: &[Value]) -> u64 {
        let numbered: Vec<Value> = events
            .iter()
            .map(|event| {
                self.last_n += 1;
                let mut event = event.clone();
                event["n"] = self.last_n.into();
                if event.get("at_ms").is_none() {
                    event["at_ms"] = now_ms().into();
                }
                event
            })
            .collect();
        self.send(&json!({"type": "events", "events": numbered}));
        self.last_n
    }

    /// Sends events and waits until they are acknowledged.
    pub(crate) fn log_events(&mut self, events: &[Value]) -> u64 {
        let n = self.send_events(events);
        self.expect_ack(n);
        n
    }

    pub(crate) fn expect_ack(&mut self, n: u64) {
        while self.expect("ack")["n"].as_u64().unwrap() < n {}
    }

    /// Sends again from this number on.
    pub(crate) fn go_back_to(&mut self, last_n: u64) {
        self.last_n = last_n;
    }

    /// Asks something and returns the answer, of whatever type.
    pub(crate) fn ask(&mut self, mut request: Value) -> Value {
        self.last_request += 1;
        let number = self.last_request;
        request["request"] = number.into();
        self.send(&request);
        self.expect_that(&format!("an answer to {request}"), |message| {
            message["request"].as_u64() == Some(number)
        })
    }

    pub(crate) fn status(&mut self) -> Value {
        let status = self.ask(json!({"type": "status"}));
        assert_eq!(status["type"], "status", "{status}");
        status
    }

    /// Waits until the status is as wanted.
    pub(crate) fn await_status(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.status();
            if is_wanted(&status) {
                return status;
            }
            assert!(Instant::now() < until, "still no {what}: {status}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a message of a type.
    pub(crate) fn expect(&mut self, type_name: &str) -> Value {
        self.expect_that(type_name, |message| message["type"] == type_name)
    }

    /// Waits for an error with a code.
    pub(crate) fn expect_error(&mut self, code: &str) -> Value {
        let error = self.expect_that(&format!("the error {code}"), |message| {
            message["code"] == code
        });
        for member in ["message", "fix"] {
            assert!(!error[member].as_str().unwrap().is_empty(), "{error}");
        }
        error
    }

    pub(crate) fn expect_that(&mut self, what: &str, is_wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(index) = self.passed.iter().position(&is_wanted) {
            return self.passed.remove(index);
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) if is_wanted(&message) => return message,
                Ok(message) => self.passed.push(message),
                Err(RecvTimeoutError::Timeout) => panic!("no {what} came; but {:?}", self.passed),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the host left without {what}; but {:?}", self.passed)
                }
            }
        }
    }

    /// The next message, whatever it is; `None` where none comes in that time.
    ///
    /// # Errors
    /// When the host has left and all that it said was taken.
    pub(crate) fn next_message(&mut self, wait: Duration) -> Result<Option<Value>, HasLeft> {
        match self.messages.recv_timeout(wait) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(HasLeft),
        }
    }

    /// Messages of a type that came while others were waited for.
    pub(crate) fn passed(&self, type_name: &str) -> usize {
        self.passed
            .iter()
            .filter(|message| message["type"] == type_name)
            .count()
    }

    pub(crate) fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Closes the host's input, as a browser does that closes the port.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for the host's end and returns its exit code and how long that took.
    pub(crate) fn await_end(&mut self) -> (Option<i32>, Duration) {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), started.elapsed());
            }
            assert!(started.elapsed() < PATIENCE, "the host does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the connection in order.
    pub(crate) fn close(mut self) {
        self.hang_up();
        assert_eq!(self.await_end().0, Some(0));
    }

    /// Stops the host without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Wire for Host {
    fn carry(&mut self, message: &Value) {
        self.send(message);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // A test that failed leaves no host behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn hello(session: &str) -> Value {
    json!({
        "type": "hello", "protocol": [1, 1], "extension_version": "0.1.0",
        "extension_session": session, "browser": "chromium", "browser_version": "156.0",
        "incognito": false,
    })
}

pub(crate) fn new_session() -> String {
    uuid::Uuid::now_v7().to_string()
}

pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

/// A window with so many tabs, each on a host of its own and last in front an hour ago; the first
/// one is in front.
pub(crate) fn session_started(tab_count: i64) -> Value {
    let tabs: Vec<Value> = (1..=tab_count)
        .map(|tab| {
            json!({
                "tab": tab, "win": 1, "host": format!("host-{tab}.example"), "scheme": "https",
                "active": tab == 1, "pinned": false, "audible": false, "discarded": false,
                "loading": false, "last_accessed": now_ms() - 3_600_000,
            })
        })
        .collect();
    json!({
        "type": "session_started", "browser": "chromium", "browser_version": "156.0",
        "extension_version": "0.1.0", "idle": "active",
        "windows": [{"win": 1, "focused": true}], "tabs": tabs,
    })
}

/// What the extension tells of a discard that it carried out.
pub(crate) fn discarded(order: &Value, new_tab: i64) -> [Value; 3] {
    let (old, decision) = (&order["tab"], &order["decision"]);
    [
        json!({"type": "tab_replaced", "tab": new_tab, "old": old}),
        json!({"type": "tab_discarded", "tab": new_tab, "by": "orchestrator"}),
        json!({"type": "discard_outcome", "decision": decision, "tab": old, "ok": true}),
    ]
}
