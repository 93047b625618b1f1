//! The extension, as far as the wire goes: it numbers events, keeps them, sends again what a host
//! has not got, gives some of it up, and carries orders out. And it holds a log to all that.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use recorder::{Body, ExtEvent, Line};
use serde_json::{Value, json};

use crate::client::{discarded, new_session, now_ms, session_started};

/// How many events a message may carry.
const MESSAGE_EVENTS: usize = 256;

/// The way to a host.
pub(crate) trait Wire {
    /// Sends a message, which need not arrive.
    fn carry(&mut self, message: &Value);
}

/// An event as it was sent.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) message: Value,
    /// What the log has of it; `None` for one that no log may have.
    event: Option<ExtEvent>,
}

/// The extension.
#[derive(Clone)]
pub(crate) struct Extension {
    pub(crate) random: ChaCha8Rng,
    pub(crate) session: String,
    /// All its events; the first one has the number 1.
    pub(crate) sent: Vec<Sent>,
    pub(crate) acknowledged: u64,
    /// Events that were given up before they were acknowledged.
    lost: BTreeSet<u64>,
    /// The decisions that were to be carried out, and their tabs.
    pub(crate) orders: BTreeMap<u64, Value>,
    next_tab: i64,
    /// Whether the host said that it has no log, and not yet that it has one again.
    pub(crate) is_cut_off: bool,
    /// Whether its session fills a message.
    pub(crate) large_session: bool,
}

impl Extension {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            session: new_session(),
            sent: Vec::new(),
            acknowledged: 0,
            lost: BTreeSet::new(),
            orders: BTreeMap::new(),
            next_tab: 1_000,
            is_cut_off: false,
            large_session: false,
        }
    }

    /// Takes a message of the host in, and answers it.
    pub(crate) fn take(&mut self, message: &Value, wire: &mut dyn Wire) {
        let sent = self.sent.len() as u64;
        match message["type"].as_str().unwrap() {
            "hello" => {
                let last_n = message["last_n"].as_u64().unwrap();
                assert!(
                    (self.acknowledged..=sent).contains(&last_n),
                    "the log has {last_n}; acknowledged were {} of {sent}",
                    self.acknowledged
                );
                // A host greets when all that its log has is on the disk.
                self.acknowledged = last_n;
                self.is_cut_off = false;
                self.resend(last_n, wire);
                self.send_session(wire);
            }
            "ack" => {
                let n = message["n"].as_u64().unwrap();
                assert!((self.acknowledged..=sent).contains(&n), "{message}");
                assert!(!self.is_cut_off, "acknowledged without a log: {message}");
                self.acknowledged = n;
            }
            "discard_tab" => {
                let decision = message["decision"].as_u64().unwrap();
                let before = self.orders.insert(decision, message["tab"].clone());
                assert_eq!(before, None, "the decision {decision} was sent twice");
                assert!(!self.is_cut_off, "decided without a log: {message}");
                self.next_tab += 1;
                let outcome = discarded(message, self.next_tab);
                self.send(&outcome, wire);
            }
            "error" => match message["code"].as_str().unwrap() {
                "bad_event" => {}
                "log_unavailable" => self.is_cut_off = true,
                "event_gap" => {
                    let expected = message["expected"].as_u64().unwrap();
                    self.send_again_from(expected, wire);
                }
                code => panic!("{code}: {message}"),
            },
            _ => {}
        }
    }

    /// Sends again what the log has not got, or gives some of it up.
    pub(crate) fn resend(&mut self, last_n: u64, wire: &mut dyn Wire) {
        let mut from = last_n + 1;
        let sent = self.sent.len() as u64;
        if from < sent && self.random.random_bool(0.2) {
            let count = self.random.random_range(1..=sent - last_n);
            wire.carry(&json!({
                "type": "lost", "from": from, "count": count, "why": "outbox_full",
            }));
            self.lost.extend(from..from + count);
            from += count;
        }
        self.send_again_from(from, wire);
    }

    /// Sends all from this number on as it was.
    pub(crate) fn send_again_from(&mut self, n: u64, wire: &mut dyn Wire) {
        let again = usize::try_from(n - 1).unwrap();
        for chunk in self.sent[again..].chunks(MESSAGE_EVENTS) {
            // Large ones fill a message each.
            let at_once = if self.large_session {
                1
            } else {
                MESSAGE_EVENTS
            };
            for events in chunk.chunks(at_once) {
                let events: Vec<&Value> = events.iter().map(|it| &it.message).collect();
                wire.carry(&json!({"type": "events", "events": events}));
            }
        }
    }

    /// Numbers events and sends them.
    pub(crate) fn send(&mut self, events: &[Value], wire: &mut dyn Wire) {
        for event in events {
            let mut message = event.clone();
            message["n"] = (self.sent.len() + 1).into();
            message["at_ms"] = now_ms().into();
            let event = ExtEvent::from_value(&message).ok();
            self.sent.push(Sent { message, event });
        }
        let new = &self.sent[self.sent.len() - events.len()..];
        let events: Vec<&Value> = new.iter().map(|it| &it.message).collect();
        wire.carry(&json!({"type": "events", "events": events}));
    }

    pub(crate) fn send_session(&mut self, wire: &mut dyn Wire) {
        let session = if self.large_session {
            large_session()
        } else {
            session_started(8)
        };
        self.send(&[session], wire);
    }

    /// Something happens in the browser, or somebody asks for something.
    pub(crate) fn act(&mut self, wire: &mut dyn Wire) {
        if self.large_session {
            self.send_session(wire);
            return;
        }
        let request = self.random.random_range(1..1_000_u64);
        match self.random.random_range(0..12) {
            0 => self.send(&[json!({"type": "prune_requested"})], wire),
            1 => wire.carry(&json!({"type": "set_mode", "request": request, "mode": "enforce"})),
            2 => wire.carry(&json!({"type": "status", "request": request})),
            3 => {
                let cooldown = self.random.random_range(10..20);
                let policy = json!({"cooldown_seconds": cooldown});
                wire.carry(&json!({
                    "type": "change_policy", "request": request, "policy": policy,
                }));
            }
            4 => {
                // What no log may hold: it is taken out, and told.
                let host_name = "example.org/path?of=something";
                let bad = json!({"type": "tab_navigated", "tab": 3, "host": host_name});
                self.send(&[bad], wire);
            }
            _ => {
                let count = self.random.random_range(1..=60);
                let events: Vec<Value> = (0..count).map(|_| self.event()).collect();
                self.send(&events, wire);
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
    pub(crate) fn find_everything_in(&self, lines: &[Line]) -> u64 {
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
