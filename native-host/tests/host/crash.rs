//! The crash test: the real host, stopped with SIGKILL at random moments, again and again. After
//! every kill each event that was acknowledged is in the log once and in its order, and the log's
//! decisions are the engine's.
//!
//! What is done is drawn from a seed; where in its work a kill hits the host is the machine's
//! doing. `cargo xtask crash` runs it at length and asks the real `sim verify` as well; what came
//! of that stands in `recorder/FAULTS.md`. A killed process leaves behind what it had handed to
//! the kernel: what a power cut takes with it is the matter of the recorder's tests.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use recorder::{Body, ExtEvent, Line, SEGMENT_BYTES};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::client::{
    EAGER_POLICY, HasLeft, Home, Host, PATIENCE, ReadTrace, discarded, hello, new_session, now_ms,
    read_killed_trace, session_started,
};

const DEFAULT_KILLS: u64 = 40;
const DEFAULT_SEED: u64 = 1;

/// How many hosts of one log are killed. Then it is ended in order, and another begun.
const KILLS_OF_A_LOG: u64 = 25;

/// One kill in so many is aimed at the closing of a full segment.
const KILLS_TO_A_ROTATION: u64 = 40;

/// How many events a message may carry.
const MESSAGE_EVENTS: usize = 256;

#[test]
fn a_host_that_is_killed_at_random_moments_loses_nothing_that_it_acknowledged() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("CRASH_KILLS").unwrap_or(DEFAULT_KILLS);
    let seed = number("CRASH_SEED").unwrap_or(DEFAULT_SEED);
    say(&format!(
        "crash test: {kills} kills, drawn from CRASH_SEED={seed}"
    ));
    let started = Instant::now();
    let mut campaign = Campaign {
        random: ChaCha8Rng::seed_from_u64(seed),
        sim: env::var_os("CRASH_SIM").map(PathBuf::from),
        found: Found::default(),
    };
    let rotations = kills / KILLS_TO_A_ROTATION;
    let mut left = kills - rotations;
    while left > 0 {
        let of_this_log = left.min(KILLS_OF_A_LOG);
        campaign.live(of_this_log);
        left -= of_this_log;
    }
    campaign.rotate(rotations);
    let found = campaign.found;
    say(&format!("{found:#?}\nin {:.0?}", started.elapsed()));
    assert_eq!(found.kills, kills);
    assert!(found.unsealed > 0, "no kill came while a log was open");
    assert!(found.acknowledged > 0 && found.orders > 0);
}

/// Says something that the harness does not keep to itself.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What the kills hit.
#[derive(Debug, Default)]
struct Found {
    kills: u64,
    /// Kills before the log had a line.
    before_a_log: u64,
    /// Kills of a log that was not sealed.
    unsealed: u64,
    /// Kills of a log that was.
    sealed: u64,
    torn_tails: u64,
    /// Kills between an input and its last output.
    outputs_missing: u64,
    /// Kills between the seal of a full segment and the end of its compression.
    within_a_rotation: u64,
    logs: u64,
    segments: u64,
    /// Events that were acknowledged and found.
    acknowledged: u64,
    /// Events that the log tells as lost, as the extension did or because they were bad.
    told_as_dropped: u64,
    orders: u64,
    lines_read: u64,
    verified_by_sim: u64,
}

/// What a kill waits for, before its delay.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The host was started.
    Started,
    /// It said hello.
    Greeted,
    /// It sent so many messages after that.
    Heard(u32),
    /// It was told to end, some messages after that.
    HungUp(u32),
}

struct Campaign {
    random: ChaCha8Rng,
    /// The `sim` to be asked, too.
    sim: Option<PathBuf>,
    found: Found,
}

impl Campaign {
    /// The life of one log: so many hosts that are killed, and one that ends it in order.
    fn live(&mut self, kills: u64) {
        let home = Home::with_policy(EAGER_POLICY);
        let mut extension = Extension::new(self.random.random());
        for _ in 0..kills {
            let heard = self.random.random_range(1..12);
            let moment = match self.random.random_range(0..10) {
                0 | 1 => Moment::Started,
                2..=4 => Moment::Greeted,
                5..=7 => Moment::Heard(heard),
                _ => Moment::HungUp(heard),
            };
            let delay = Duration::from_micros(match moment {
                // Sealing takes some milliseconds, and then it is over.
                Moment::HungUp(_) => self.random.random_range(0..20_000),
                // As often a few microseconds as tens of milliseconds: what the host does at a
                // stretch is of all these lengths.
                _ => {
                    let up_to_micros = 1 << self.random.random_range(2..16);
                    self.random.random_range(0..up_to_micros)
                }
            });
            extension.meet_and_kill(&home, moment, delay);
            self.hold_killed(&home, &extension);
        }
        self.end(&home, &mut extension);
    }

    /// Kills at the closing of a full segment: at its seal, while the next one is begun, while it
    /// is compressed.
    fn rotate(&mut self, kills: u64) {
        if kills == 0 {
            return;
        }
        let (full, extension_of_full) = fill_segment();
        for _ in 0..kills {
            let (home, mut extension) = (full.copy(), extension_of_full.clone());
            let delay = Duration::from_micros(self.random.random_range(0..200_000));
            extension.meet_and_kill(&home, Moment::Greeted, delay);
            let trace = self.hold_killed(&home, &extension).expect("a log");
            let is_closed = trace.lines.iter().any(|line| {
                matches!(&line.body, Body::LogClosed(closed) if closed.next_segment.is_some())
            });
            let is_plain =
                the_only_log(&home).is_some_and(|it| it.extension() == Some("jsonl".as_ref()));
            self.found.within_a_rotation += u64::from(is_closed && is_plain);
            self.end(&home, &mut extension);
        }
    }

    /// A last host brings the log to its end. Then nothing may be missing.
    fn end(&mut self, home: &Home, extension: &mut Extension) {
        extension.resend_and_close(home);
        let trace = self.hold(home, extension).expect("a log");
        assert!(trace.is_sealed);
        assert_eq!((trace.torn_bytes, trace.not_written), (0, 0));
        let last_n = extension.find_everything_in(&trace.lines);
        assert_eq!(last_n, extension.sent.len() as u64, "the last event");
        let found = &mut self.found;
        found.logs += 1;
        found.segments += trace.of_type("log_opened").len() as u64;
        found.acknowledged += extension.acknowledged;
        found.told_as_dropped += extension.acknowledged - trace.numbers().len() as u64;
        found.orders += extension.orders.len() as u64;
    }

    fn hold_killed(&mut self, home: &Home, extension: &Extension) -> Option<ReadTrace> {
        let trace = self.hold(home, extension);
        let found = &mut self.found;
        found.kills += 1;
        match &trace {
            None => found.before_a_log += 1,
            Some(trace) if trace.is_sealed => found.sealed += 1,
            Some(trace) => {
                found.unsealed += 1;
                found.torn_tails += u64::from(trace.torn_bytes > 0);
                found.outputs_missing += u64::from(trace.not_written > 0);
            }
        }
        trace
    }

    /// Holds the log to what the extension knows, and to what the engine makes of it.
    fn hold(&mut self, home: &Home, extension: &Extension) -> Option<ReadTrace> {
        let Some(path) = the_only_log(home) else {
            assert_eq!(extension.acknowledged, 0, "what was acknowledged is gone");
            return None;
        };
        let trace = read_killed_trace(&path);
        self.found.lines_read += trace.lines.len() as u64;
        extension.find_everything_in(&trace.lines);
        if let Some(sim) = &self.sim {
            verify(sim, &path);
            self.found.verified_by_sim += 1;
        }
        Some(trace)
    }
}

/// The log of a home, by its first segment; `None` where no line of one was written. A host that
/// is killed when it has created its first segment leaves a file without a line, and the next one
/// begins with another name.
fn the_only_log(home: &Home) -> Option<PathBuf> {
    let mut logs = BTreeMap::new();
    let entries = fs::read_dir(home.traces()).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".jsonl.zst")
            || name.ends_with(".jsonl") && fs::read(&path).unwrap().contains(&b'\n')
        {
            let session = name.split('-').nth(1).unwrap().to_owned();
            let first = logs.entry(session).or_insert_with(|| path.clone());
            *first = path.min(first.clone());
        }
    }
    assert!(logs.len() <= 1, "a log was not gone on with: {logs:?}");
    logs.into_values().next()
}

/// Asks the real `sim verify`.
fn verify(sim: &Path, path: &Path) {
    let verify = Command::new(sim)
        .args(["verify", "--json"])
        .arg(path)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&verify.stdout);
    assert!(
        verify.status.success() && report.contains("\"verdict\":\"equal\""),
        "{report}{}",
        String::from_utf8_lossy(&verify.stderr)
    );
}

/// Makes a home with a log that is almost full: the next large event closes its segment.
fn fill_segment() -> (Home, Extension) {
    let home = Home::new();
    let mut extension = Extension::new(0);
    extension.large_session = true;
    let mut host = Host::start(&home);
    host.send(&hello(&extension.session));
    host.expect("hello");
    loop {
        extension.send_session(&mut host);
        host.expect_ack(extension.sent.len() as u64);
        extension.acknowledged = extension.sent.len() as u64;
        let path = the_only_log(&home).unwrap();
        let bytes = fs::metadata(path).unwrap().len();
        let event_bytes = extension.sent[0].message.to_string().len() as u64;
        assert!(bytes < SEGMENT_BYTES, "the segment is closed already");
        if bytes + event_bytes > SEGMENT_BYTES {
            break;
        }
    }
    host.kill();
    (home, extension)
}

/// An event as it was sent.
#[derive(Clone)]
struct Sent {
    message: Value,
    /// What the log has of it; `None` for one that no log may have.
    event: Option<ExtEvent>,
}

/// The extension, as far as the wire goes: it numbers events, keeps them, sends again what a new
/// host has not got, and carries orders out.
#[derive(Clone)]
struct Extension {
    random: ChaCha8Rng,
    session: String,
    /// All its events; the first one has the number 1.
    sent: Vec<Sent>,
    acknowledged: u64,
    /// Events that were given up before they were acknowledged.
    lost: BTreeSet<u64>,
    /// The decisions that were to be carried out, and their tabs.
    orders: BTreeMap<u64, Value>,
    next_tab: i64,
    /// Whether its session fills a message.
    large_session: bool,
}

impl Extension {
    fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            session: new_session(),
            sent: Vec::new(),
            acknowledged: 0,
            lost: BTreeSet::new(),
            orders: BTreeMap::new(),
            next_tab: 1_000,
            large_session: false,
        }
    }

    /// Connects to a host of its own and works with it until that is killed.
    fn meet_and_kill(&mut self, home: &Home, moment: Moment, delay: Duration) {
        let mut host = Host::start(home);
        let mut killer = None;
        if matches!(moment, Moment::Started) {
            killer = Some(kill_after(&host, delay));
        }
        host.send(&hello(&self.session));
        let (mut greeted, mut heard) = (false, 0);
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "the kill at {moment:?} never came");
            // Between two messages the extension does something of its own.
            let pause = Duration::from_micros(self.random.random_range(0..1_500));
            match host.next_message(pause) {
                Err(HasLeft) => break,
                Ok(None) if greeted => self.act(&mut host),
                Ok(None) => {}
                Ok(Some(message)) => {
                    heard += u32::from(greeted);
                    greeted |= message["type"] == "hello";
                    // Armed before the answer, so that it can hit what the answer causes.
                    if killer.is_none() && moment.has_come(greeted, heard) {
                        if matches!(moment, Moment::HungUp(_)) {
                            host.hang_up();
                        }
                        killer = Some(kill_after(&host, delay));
                    }
                    self.take(&message, &mut host);
                }
            }
        }
        killer.expect("no host leaves by itself").join().unwrap();
        host.kill();
    }

    /// Connects to a host, sends again what is missing, and lets it end in order.
    fn resend_and_close(&mut self, home: &Home) {
        let mut host = Host::start(home);
        host.send(&hello(&self.session));
        let until = Instant::now() + PATIENCE;
        while self.sent.is_empty() || self.acknowledged < self.sent.len() as u64 {
            assert!(Instant::now() < until, "an acknowledgement is missing");
            if let Some(message) = host.next_message(PATIENCE).unwrap() {
                self.take(&message, &mut host);
            }
        }
        host.close();
    }

    /// Takes a message of the host in, and answers it.
    fn take(&mut self, message: &Value, host: &mut Host) {
        let sent = self.sent.len() as u64;
        match message["type"].as_str().unwrap() {
            "hello" => {
                let last_n = message["last_n"].as_u64().unwrap();
                assert!(
                    (self.acknowledged..=sent).contains(&last_n),
                    "the log has {last_n}; acknowledged were {} of {sent}",
                    self.acknowledged
                );
                self.resend(last_n, host);
                self.send_session(host);
            }
            "ack" => {
                let n = message["n"].as_u64().unwrap();
                assert!((self.acknowledged + 1..=sent).contains(&n), "{message}");
                self.acknowledged = n;
            }
            "discard_tab" => {
                let decision = message["decision"].as_u64().unwrap();
                let before = self.orders.insert(decision, message["tab"].clone());
                assert_eq!(before, None, "the decision {decision} was sent twice");
                self.next_tab += 1;
                let outcome = discarded(message, self.next_tab);
                self.send(&outcome, host);
            }
            "error" => assert_eq!(message["code"], "bad_event", "{message}"),
            _ => {}
        }
    }

    /// Sends again what the log has not got, or gives some of it up.
    fn resend(&mut self, last_n: u64, host: &mut Host) {
        let mut from = last_n + 1;
        let sent = self.sent.len() as u64;
        if from < sent && self.random.random_bool(0.2) {
            let count = self.random.random_range(1..=sent - last_n);
            host.send(&json!({
                "type": "lost", "from": from, "count": count, "why": "outbox_full",
            }));
            self.lost.extend(from..from + count);
            from += count;
        }
        let again = usize::try_from(from - 1).unwrap();
        for chunk in self.sent[again..].chunks(MESSAGE_EVENTS) {
            // Large ones fill a message each.
            let at_once = if self.large_session {
                1
            } else {
                MESSAGE_EVENTS
            };
            for events in chunk.chunks(at_once) {
                let events: Vec<&Value> = events.iter().map(|it| &it.message).collect();
                host.send(&json!({"type": "events", "events": events}));
            }
        }
    }

    /// Numbers events and sends them.
    fn send(&mut self, events: &[Value], host: &mut Host) {
        for event in events {
            let mut message = event.clone();
            message["n"] = (self.sent.len() + 1).into();
            message["at_ms"] = now_ms().into();
            let event = ExtEvent::from_value(&message).ok();
            self.sent.push(Sent { message, event });
        }
        let new = &self.sent[self.sent.len() - events.len()..];
        let events: Vec<&Value> = new.iter().map(|it| &it.message).collect();
        host.send(&json!({"type": "events", "events": events}));
    }

    fn send_session(&mut self, host: &mut Host) {
        let session = if self.large_session {
            large_session()
        } else {
            session_started(8)
        };
        self.send(&[session], host);
    }

    /// Something happens in the browser, or somebody asks for something.
    fn act(&mut self, host: &mut Host) {
        if self.large_session {
            self.send_session(host);
            return;
        }
        let request = self.random.random_range(1..1_000_u64);
        match self.random.random_range(0..12) {
            0 => self.send(&[json!({"type": "prune_requested"})], host),
            1 => host.send(&json!({"type": "set_mode", "request": request, "mode": "enforce"})),
            2 => host.send(&json!({"type": "status", "request": request})),
            3 => {
                let cooldown = self.random.random_range(10..20);
                let policy = json!({"cooldown_seconds": cooldown});
                host.send(&json!({
                    "type": "change_policy", "request": request, "policy": policy,
                }));
            }
            4 => {
                // What no log may hold: it is taken out, and told.
                let host_name = "example.org/path?of=something";
                let bad = json!({"type": "tab_navigated", "tab": 3, "host": host_name});
                self.send(&[bad], host);
            }
            _ => {
                let count = self.random.random_range(1..=60);
                let events: Vec<Value> = (0..count).map(|_| self.event()).collect();
                self.send(&events, host);
            }
        }
    }

    fn event(&mut self) -> Value {
        let tab = self.random.random_range(1..30);
        match self.random.random_range(0..6) {
            0 => json!({"type": "tab_opened", "tab": tab, "win": 1, "host": "new.example"}),
            1 => json!({"type": "tab_closed", "tab": tab}),
            2 => json!({"type": "tab_navigated", "tab": tab, "host": "other.example"}),
            3 => json!({"type": "tab_loaded", "tab": tab, "ms": 321}),
            4 => json!({"type": "tab_changed", "tab": tab, "audible": tab % 2 == 0}),
            _ => json!({"type": "tab_activated", "tab": tab, "win": 1}),
        }
    }

    /// Finds every event once, as it was sent and in its order, or told as lost where that is true;
    /// all that were acknowledged; and every order as the decision that it was. Returns the highest
    /// number.
    fn find_everything_in(&self, lines: &[Line]) -> u64 {
        let mut next_n = 1;
        for line in lines {
            if let Some(n) = line.n {
                assert_eq!(n, next_n, "at seq {}", line.seq);
                let sent = &self.sent[usize::try_from(n).unwrap() - 1];
                let event = sent.event.as_ref().expect("a bad event is in the log");
                assert_eq!((line.at_ms, &line.body), (Some(event.at_ms), &event.body));
                next_n += 1;
            } else if let Body::Dropped(dropped) = &line.body
                && let Some(from) = dropped.from
            {
                assert_eq!(from, next_n, "at seq {}", line.seq);
                next_n += dropped.count;
                for n in from..next_n {
                    let is_bad = self.sent[usize::try_from(n).unwrap() - 1].event.is_none();
                    assert!(is_bad || self.lost.contains(&n), "{n} is told as lost");
                }
            }
        }
        assert!(
            next_n > self.acknowledged,
            "{} were acknowledged",
            self.acknowledged
        );
        let mut decisions = lines.iter().filter_map(|line| match &line.body {
            Body::Decision(decision) => Some((line.seq.0, decision.tab.0)),
            _ => None,
        });
        for (&seq, tab) in &self.orders {
            let decided = decisions.find(|&(decided, _)| decided == seq);
            assert_eq!(decided, Some((seq, tab.as_i64().unwrap())));
        }
        next_n - 1
    }
}

impl Moment {
    fn has_come(self, greeted: bool, heard_since: u32) -> bool {
        match self {
            Self::Started => true,
            Self::Greeted => greeted,
            Self::Heard(count) | Self::HungUp(count) => heard_since >= count,
        }
    }
}

/// Kills a host after a while, whatever it and the extension do then.
fn kill_after(host: &Host, delay: Duration) -> JoinHandle<()> {
    // The process is not waited for before this thread was: the id stays its own.
    let (pid, at) = (host.pid(), Instant::now() + delay);
    thread::spawn(move || {
        // A sleep takes fifty microseconds more than it is told.
        thread::sleep(delay.saturating_sub(Duration::from_micros(100)));
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        kill_process(pid, Signal::KILL).unwrap();
    })
}

/// A session that takes most of a message.
fn large_session() -> Value {
    let mut session = session_started(2_600);
    for (tab, index) in session["tabs"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(0_u32..)
    {
        let label = "a-name-that-takes-room-".repeat(2);
        tab["host"] =
            format!("{label}{index}.{label}{index}.{label}{index}.{label}.example").into();
    }
    session
}
