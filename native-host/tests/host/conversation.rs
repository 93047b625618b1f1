//! The host's side of the acknowledgements against a model of the extension's: events doubled, out
//! of order, with gaps, lost and given up, hosts that end in order and not, power cuts, and disks
//! that fail for a while. The clock and the disk do as they are told.

use std::path::PathBuf;
use std::sync::Arc;

use native_host::clock::Reading;
use native_host::connection::{Connection, Ending, Outside};
use native_host::health::Machine;
use native_host::paths::Paths;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::{EAGER_POLICY, Home, hello, new_session, now_ms, read_trace, session_started};
use crate::extension::{Extension, Wire};
use crate::faulty::{Faults, Trouble};
use crate::session::{Sent, ShortOfMemory};

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// Something in the browser, or somebody asks for something.
    Act,
    /// Some of what was sent is sent once more, from that share of it on.
    Again {
        from_percent: usize,
    },
    /// Events go missing on the way: what comes after them comes alone.
    Gap(usize),
    /// A message that no extension sends.
    Nonsense(&'static str),
    Pass {
        ms: i64,
    },
    /// The port is closed and opened again.
    Reconnect,
    /// The power goes, and of what was not synced so much is left.
    PowerCut {
        left_percent: u64,
    },
    /// So many operations of the disk from here on fail.
    Outage {
        trouble: Trouble,
        operations: usize,
    },
}

const NONSENSE: [&str; 6] = [
    "no JSON",
    "[]",
    "{\"type\":\"events\",\"events\":[{\"type\":\"tab_closed\",\"tab\":1}]}",
    "{\"type\":\"events\",\"events\":7}",
    "{\"type\":\"lost\",\"from\":1,\"count\":1,\"why\":\"outbox_full\"}",
    "{\"type\":\"dream\",\"request\":1}",
];

fn step() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![
        Just(Trouble::Full),
        Just(Trouble::SyncFails),
        Just(Trouble::Broken)
    ];
    prop_oneof![
        8 => Just(Step::Act),
        2 => (0..100_usize).prop_map(|from_percent| Step::Again { from_percent }),
        1 => (1..5_usize).prop_map(Step::Gap),
        1 => prop::sample::select(&NONSENSE[..]).prop_map(Step::Nonsense),
        8 => (1..9_000_i64).prop_map(|ms| Step::Pass { ms }),
        1 => Just(Step::Reconnect),
        2 => (0..=100_u64).prop_map(|left_percent| Step::PowerCut { left_percent }),
        2 => (trouble, 1..8_usize)
            .prop_map(|(trouble, operations)| Step::Outage { trouble, operations }),
    ]
}

/// A host, and what is between it and the extension.
struct Line {
    connection: Connection,
    now: Reading,
}

impl Line {
    /// Lets time pass until the host has something to do, or until then.
    fn wake(&mut self, until_ms: i64) {
        // The host is woken when it asked for it, as its main loop does.
        let due_ms = self.connection.due_ms().max(self.now.boot_ms + 1);
        let ms = due_ms.min(until_ms) - self.now.boot_ms;
        self.now.wall_ms += ms;
        self.now.boot_ms += ms;
        self.now.awake_ms += ms;
        self.connection.tick(self.now);
    }
}

impl Wire for Line {
    fn carry(&mut self, message: &Value) {
        let message = serde_json::to_vec(message).unwrap();
        self.connection.take_message(&message, self.now);
    }
}

fn start() -> Reading {
    Reading {
        // Events have the real time, and no host looks into the future.
        wall_ms: now_ms() + 1_000,
        boot_ms: 1_000_000,
        awake_ms: 900_000,
    }
}

fn paths(home: &Home) -> Paths {
    let below = |name| home.path().join(name);
    Paths::below(&home.config(), &below("state"), &below("cache"))
}

fn connect(home: &Home, faults: &Faults, sent: &Sent, now: Reading) -> Connection {
    let faults = faults.clone();
    let outside = Outside {
        port: Box::new(sent.clone()),
        sampler: Box::new(ShortOfMemory {
            browser_bytes: 1 << 40,
        }),
        storage: Box::new(move || faults.storage()),
        paths: paths(home),
        machine: Arc::new(Machine::find(PathBuf::new()).unwrap()),
    };
    Connection::new(outside, now)
}

struct Conversation {
    home: Home,
    faults: Faults,
    sent: Sent,
    extension: Extension,
    line: Option<Line>,
    now: Reading,
}

impl Conversation {
    fn new(seed: u64) -> Self {
        let mut conversation = Self {
            home: Home::with_policy(EAGER_POLICY),
            faults: Faults::default(),
            sent: Sent::default(),
            extension: Extension::new(seed),
            line: None,
            now: start(),
        };
        conversation.connect();
        conversation
    }

    fn connect(&mut self) {
        let mut line = Line {
            connection: connect(&self.home, &self.faults, &self.sent, self.now),
            now: self.now,
        };
        self.extension.is_cut_off = false;
        line.carry(&hello(&self.extension.session));
        self.line = Some(line);
        self.listen();
    }

    fn line(&mut self) -> &mut Line {
        self.line.as_mut().unwrap()
    }

    /// Gives the extension what the host said, and the host what it answers, to the end.
    fn listen(&mut self) {
        let line = self.line.as_mut().unwrap();
        loop {
            let messages = self.sent.take();
            if messages.is_empty() {
                return;
            }
            for message in messages {
                self.extension.take(&message, line);
            }
        }
    }

    fn pass(&mut self, ms: i64) {
        let until_ms = self.now.boot_ms + ms;
        while self.now.boot_ms < until_ms {
            self.line().wake(until_ms);
            self.now = self.line().now;
            self.listen();
        }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Act => {
                let line = self.line.as_mut().unwrap();
                self.extension.act(line);
            }
            Step::Again { from_percent } => {
                let from = self.extension.sent.len() * from_percent / 100 + 1;
                let line = self.line.as_mut().unwrap();
                self.extension.send_again_from(from as u64, line);
            }
            Step::Gap(count) => {
                for _ in 0..count {
                    self.extension
                        .send(&[json!({"type": "prune_requested"})], &mut Nowhere);
                }
                let line = self.line.as_mut().unwrap();
                self.extension
                    .send(&[json!({"type": "tab_closed", "tab": 4})], line);
            }
            Step::Nonsense(message) => {
                let now = self.now;
                self.line().connection.take_message(message.as_bytes(), now);
                // What the extension would make of the complaint is no matter.
                let complaints = self.sent.take();
                let is_ack = |it: &&Value| it["type"] == "ack" || it["type"] == "hello";
                for message in complaints.iter().filter(is_ack) {
                    let line = self.line.as_mut().unwrap();
                    self.extension.take(message, line);
                }
            }
            Step::Pass { ms } => self.pass(ms),
            Step::Reconnect => {
                // Whether the host can seal is the disk's doing.
                let line = self.line.take().unwrap();
                line.connection.finish(self.now);
                self.hear_last_words();
                self.connect();
            }
            Step::PowerCut { left_percent } => {
                self.line = None;
                self.faults.cut_power(left_percent);
                self.connect();
            }
            Step::Outage {
                trouble,
                operations,
            } => self.faults.set(|plan| {
                plan.trouble = trouble;
                plan.outage = plan.operations..plan.operations + operations;
            }),
        }
        self.listen();
    }

    /// What a host says at its end is heard, and not answered. One whose disk has just got well
    /// greets nobody any more before it acknowledges.
    fn hear_last_words(&mut self) {
        self.extension.is_cut_off = false;
        for message in self.sent.take() {
            self.extension.take(&message, &mut Nowhere);
        }
    }

    /// Waits until everything is acknowledged, ends the host in order, and reads the log.
    fn finish(mut self) {
        self.faults.set(|plan| plan.outage = 0..0);
        // The longest wait for a disk is half a minute.
        self.pass(31_000);
        assert!(!self.extension.is_cut_off);
        // The outcome of an order may just have been sent.
        for _ in 0..10 {
            if self.extension.acknowledged < self.extension.sent.len() as u64 {
                self.pass(1_000);
            }
        }
        let sent = self.extension.sent.len() as u64;
        assert_eq!(self.extension.acknowledged, sent);
        let line = self.line.take().unwrap();
        assert_eq!(line.connection.finish(self.now), Ending::Sealed);
        let trace = self.home.read_trace();
        assert!(trace.is_sealed && trace.torn_bytes == 0);
        assert_eq!(self.extension.find_everything_in(&trace.lines), sent);
    }
}

/// A wire that is cut.
struct Nowhere;

impl Wire for Nowhere {
    fn carry(&mut self, _: &Value) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_happens_between_them_nothing_is_lost_and_nothing_doubled(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut conversation = Conversation::new(seed);
        for step in &steps {
            conversation.step(step);
        }
        conversation.finish();
    }
}

/// A host without an extension's model behind it, whose disk does as it is told.
struct Alone {
    home: Home,
    faults: Faults,
    sent: Sent,
    line: Line,
}

impl Alone {
    /// Begins with the event of that number. Before 1 there is none, so that need not be told.
    fn new(first_n: u64) -> Self {
        let (home, faults, sent) = (Home::new(), Faults::default(), Sent::default());
        let now = start();
        let connection = connect(&home, &faults, &sent, now);
        let mut line = Line { connection, now };
        let mut greeting = hello(&new_session());
        if first_n > 1 {
            greeting["first_n"] = first_n.into();
        }
        line.carry(&greeting);
        Self {
            home,
            faults,
            sent,
            line,
        }
    }

    fn send_event(&mut self, n: u64) {
        let event = json!({"type": "tab_closed", "tab": 1, "n": n, "at_ms": now_ms()});
        self.line
            .carry(&json!({"type": "events", "events": [event]}));
    }

    fn pass(&mut self, ms: i64) {
        let until_ms = self.line.now.boot_ms + ms;
        while self.line.now.boot_ms < until_ms {
            self.line.wake(until_ms);
        }
    }

    fn sleep(&mut self, ms: i64) {
        self.line.now.wall_ms += ms;
        self.line.now.boot_ms += ms;
    }

    /// The state of a check, in the answer to a request.
    fn state_of(&mut self, check: &str, request: &str) -> Value {
        self.sent.take();
        self.line.carry(&json!({"type": request, "request": 1}));
        let [answer] = &self.sent.take()[..] else {
            panic!()
        };
        let mut checks = answer["health"]["checks"].as_array().unwrap().iter();
        checks.find(|it| it["id"] == check).unwrap()["state"].clone()
    }
}

#[test]
fn a_log_that_is_begun_anew_waits_for_what_the_one_before_did_not_acknowledge() {
    #[track_caller]
    fn check(first_n: u64, acknowledged: u64, give_up: impl Fn(&mut Alone)) {
        let mut host = Alone::new(first_n);
        for n in first_n..=acknowledged {
            host.send_event(n);
            host.pass(600);
        }
        let next = acknowledged + 1;
        host.send_event(next);
        host.faults.set(|plan| plan.sync_fails = true);
        host.pass(600);
        give_up(&mut host);
        host.faults.set(|plan| plan.sync_fails = false);
        host.sent.take();
        host.pass(10_000);
        // On its way before the hello is heard.
        host.send_event(next + 1);
        let mut said = host.sent.take();
        said.retain(|it| it["code"] != "log_unavailable");
        let [hello, gap] = &said[..] else {
            panic!("{said:?}")
        };
        assert_eq!(
            [&hello["type"], &hello["last_n"]],
            [&json!("hello"), &json!(0)]
        );
        assert_eq!(
            [&gap["code"], &gap["expected"]],
            [&json!("event_gap"), &json!(next)]
        );
        host.send_event(next);
        host.send_event(next + 1);
        let Alone { home, line, .. } = host;
        assert_eq!(line.connection.finish(line.now), Ending::Sealed);
        let files = std::fs::read_dir(home.traces()).unwrap();
        let segments = files.map(|file| file.unwrap().path());
        let newest = segments.filter(|path| path.extension() == Some("jsonl".as_ref()));
        let trace = read_trace(&newest.max().unwrap());
        assert_eq!(trace.numbers(), [next, next + 1]);
    }
    let take_away = |host: &mut Alone| std::fs::remove_dir_all(host.home.traces()).unwrap();
    let choose_other_names = |host: &mut Alone| {
        let choice = json!({"privacy": "site", "keep_days": 30, "keep_mib": 256});
        std::fs::write(paths(&host.home).privacy(), choice.to_string()).unwrap();
        host.pass(5_000);
    };
    for (first_n, acknowledged) in [(1, 0), (1, 2), (7, 6), (7, 8)] {
        check(first_n, acknowledged, take_away);
        check(first_n, acknowledged, choose_other_names);
    }
}

#[test]
fn at_its_end_a_host_writes_no_name_that_is_to_be_hidden_by_now() {
    let mut host = Alone::new(1);
    host.send_event(1);
    host.pass(600);
    let event = json!({
        "type": "tab_opened", "tab": 2, "win": 1, "host": "hidden.example", "n": 2,
        "at_ms": now_ms(),
    });
    host.line
        .carry(&json!({"type": "events", "events": [event]}));
    host.faults.set(|plan| plan.sync_fails = true);
    host.pass(600);
    let choice = json!({"type": "set_privacy", "request": 1, "privacy": "keyed-hash"});
    host.line.carry(&choice);
    host.faults.set(|plan| plan.sync_fails = false);
    let Alone { home, line, .. } = host;
    // It was not acknowledged: the next host has it from the extension, under the other name.
    assert_eq!(line.connection.finish(line.now), Ending::DataLost);
    for file in std::fs::read_dir(home.traces()).unwrap() {
        let log = std::fs::read(file.unwrap().path()).unwrap();
        let log = String::from_utf8_lossy(&log);
        assert!(!log.contains("hidden.example"), "{log}");
    }
}

#[test]
fn what_was_learnt_outlives_a_log_that_is_not_gone_on_with() {
    let mut host = Alone::new(1);
    let mut started = session_started(1);
    (started["n"], started["at_ms"]) = (1.into(), now_ms().into());
    host.line
        .carry(&json!({"type": "events", "events": [started]}));
    host.pass(600);
    host.send_event(2);
    host.faults.set(|plan| plan.sync_fails = true);
    host.pass(600);
    let choice = json!({"type": "set_privacy", "request": 1, "privacy": "site"});
    host.line.carry(&choice);
    host.faults.set(|plan| plan.sync_fails = false);
    host.pass(5_000);
    let Alone { home, line, .. } = host;
    assert_eq!(line.connection.finish(line.now), Ending::Sealed);
    let newest = crate::privacy::traces(&home).pop().unwrap();
    let [line] = newest.of_type("knowledge_carried")[..] else {
        panic!("{:?}", newest.lines)
    };
    let recorder::Body::KnowledgeCarried(carried) = &line.body else {
        panic!()
    };
    assert_eq!(carried.hosts[0].host, "host-1.example");
}

#[test]
fn what_passes_in_sleep_is_neither_late_nor_old() {
    let mut host = Alone::new(1);
    host.pass(15_000);
    host.sleep(28_800_000);
    assert_eq!(host.state_of("host.loop", "ping"), "HEALTHY");
    assert_eq!(host.state_of("metrics.fresh", "status"), "HEALTHY");
    host.line.now.awake_ms += 28_800_000;
    assert_eq!(host.state_of("host.loop", "ping"), "DEGRADED");
    // What may flap is believed when it is found twice.
    for state in ["HEALTHY", "UNHEALTHY"] {
        assert_eq!(host.state_of("metrics.fresh", "status"), state);
    }
}

#[test]
fn samples_that_no_machine_takes_in_its_sleep_are_not_lost() {
    let mut host = Alone::new(1);
    host.pass(15_000);
    host.faults.set(|plan| plan.space = Some(0));
    host.pass(20_000);
    host.sleep(28_800_000);
    host.pass(20_000);
    host.faults.set(|plan| plan.space = None);
    host.pass(31_000);
    let Alone { home, line, .. } = host;
    assert_eq!(line.connection.finish(line.now), Ending::Sealed);
    let trace = home.read_trace();
    let [line] = trace.of_type("dropped")[..] else {
        panic!()
    };
    let recorder::Body::Dropped(dropped) = &line.body else {
        panic!()
    };
    assert!((4..=14).contains(&dropped.count), "{}", dropped.count);
}

#[test]
fn a_disk_that_fails_at_any_operation_stops_the_host_only_for_a_while() {
    let mut outages = 0;
    for trouble in [Trouble::Full, Trouble::SyncFails, Trouble::Broken] {
        for first in 0.. {
            let mut conversation = Conversation::new(1);
            conversation.faults.set(|plan| {
                plan.trouble = trouble;
                plan.outage = plan.operations + first..plan.operations + first + 3;
            });
            for _ in 0..2 {
                for _ in 0..2 {
                    conversation.step(&Step::Act);
                    let ms = conversation.extension.random.random_range(1..2_000);
                    conversation.step(&Step::Pass { ms });
                }
                conversation.step(&Step::Reconnect);
            }
            let was_hit = conversation
                .faults
                .set(|plan| plan.operations > plan.outage.start);
            conversation.finish();
            if !was_hit {
                break;
            }
            outages += 1;
        }
    }
    assert!(outages > 100, "only {outages} outages");
}
