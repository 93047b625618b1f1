//! The session alone, with clocks, samples and a disk that do as they are told.

use std::cell::RefCell;
use std::rc::Rc;

use engine::{Mode, PolicyDocument};
use native_host::clock::Reading;
use native_host::metrics::{Detail, Sampler};
use native_host::mode_choice::ModeChoice;
use native_host::protocol::{Outcome, Outgoing};
use native_host::session::{Beginning, Port, SAMPLE_MS, Session, Tools};
use recorder::{Body, Line, Metrics, Naming, PolicySource, WriteError};
use serde_json::{Value, json};

use crate::client::{EAGER_POLICY, ReadTrace, discarded, now_ms, read_trace, session_started};
use crate::faulty::{Faults, Trouble};

/// Keeps what is sent to it.
#[derive(Clone, Default)]
pub(crate) struct Sent(Rc<RefCell<Vec<Value>>>);

impl Sent {
    pub(crate) fn take(&self) -> Vec<Value> {
        self.0.take()
    }

    fn take_types(&self) -> Vec<String> {
        let types = self.take().into_iter();
        types
            .map(|message| message["type"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The tabs of the orders in what was sent.
    fn ordered_tabs(&self) -> Vec<i64> {
        let orders = self.take().into_iter();
        let orders = orders.filter(|message| message["type"] == "discard_tab");
        orders.map(|it| it["tab"].as_i64().unwrap()).collect()
    }
}

impl Port for Sent {
    fn send(&mut self, message: &Outgoing) {
        self.0
            .borrow_mut()
            .push(serde_json::to_value(message).unwrap());
    }
}

/// A machine that is always short of memory, with a browser that shrinks at every look.
pub(crate) struct ShortOfMemory {
    pub(crate) browser_bytes: u64,
}

impl Sampler for ShortOfMemory {
    fn sample(&mut self, detail: Detail) -> Metrics {
        let mut metrics = Metrics {
            ram_total: Some(16 << 30),
            ram_used: Some(15 << 30),
            ram_available: Some(1 << 30),
            cpu: Some(10.0),
            ..Metrics::default()
        };
        if detail != Detail::Machine {
            self.browser_bytes -= 50 << 20;
            metrics.browser_pss = Some(self.browser_bytes);
            metrics.browser_processes = Some(5);
        }
        metrics
    }
}

pub(crate) fn choice(mode: Mode) -> ModeChoice {
    ModeChoice {
        mode,
        paused_until_ms: None,
    }
}

/// A session and everything around it.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) naming: Naming,
    pub(crate) policy: PolicyDocument,
    faults: Faults,
    pub(crate) sent: Sent,
    port: Sent,
    sampler: ShortOfMemory,
    pub(crate) now: Reading,
    last_n: u64,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let sent = Sent::default();
        Self {
            folder: tempfile::tempdir().unwrap(),
            naming: Naming::Hostname,
            policy: Self::policy(),
            faults: Faults::default(),
            port: sent.clone(),
            sent,
            sampler: ShortOfMemory {
                browser_bytes: 4 << 30,
            },
            now: Reading {
                wall_ms: now_ms(),
                boot_ms: 1_000_000,
                awake_ms: 900_000,
            },
            last_n: 0,
        }
    }

    fn policy() -> PolicyDocument {
        PolicyDocument::from_toml(EAGER_POLICY).unwrap()
    }

    pub(crate) fn open(&self, mode: Mode) -> Session {
        let beginning = Beginning {
            extension_session: uuid::Uuid::from_u128(7),
            policy: self.policy.clone(),
            mode: choice(mode),
            knowledge: Vec::new(),
            naming: self.naming.clone(),
            may_go_on: true,
            lost_samples: 0,
        };
        let faults = self.faults.clone();
        Session::open(
            self.folder.path(),
            &move || faults.storage(),
            &beginning,
            self.now,
        )
        .unwrap()
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now.wall_ms += ms;
        self.now.boot_ms += ms;
        self.now.awake_ms += ms;
    }

    /// Does something with the session, now and with these tools.
    fn with<T>(&mut self, work: impl FnOnce(Reading, &mut Tools<'_>) -> T) -> T {
        let mut tools = Tools {
            port: &mut self.port,
            sampler: &mut self.sampler,
        };
        work(self.now, &mut tools)
    }

    pub(crate) fn take(
        &mut self,
        session: &mut Session,
        events: &[Value],
    ) -> Result<(), WriteError> {
        let events: Vec<Value> = events
            .iter()
            .map(|event| {
                self.last_n += 1;
                let mut event = event.clone();
                event["n"] = self.last_n.into();
                event["at_ms"] = self.now.wall_ms.into();
                event
            })
            .collect();
        self.with(|now, tools| session.take_events(&events, now, tools))
    }

    pub(crate) fn tick(&mut self, session: &mut Session) -> Result<(), WriteError> {
        self.with(|now, tools| session.tick(now, tools))
    }

    pub(crate) fn close(&mut self, session: Session) {
        self.with(|now, tools| session.close(now, tools)).unwrap();
    }
}

#[test]
fn nothing_is_told_before_it_is_synced_and_at_rest_one_wake_does_it_all() {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Enforce);
    bench.take(&mut session, &[session_started(4)]).unwrap();
    assert_eq!(
        bench.sent.take_types(),
        [""; 0],
        "it is written, and not synced yet"
    );
    bench.pass(session.due_ms() - bench.now.boot_ms);
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.take_types(), ["ack"]);

    // The first sample leads to two decisions, which are synced at once; one order is sent.
    bench.pass(session.due_ms() - bench.now.boot_ms);
    bench.tick(&mut session).unwrap();
    let sent = bench.sent.take();
    assert_eq!((sent.len(), &sent[0]["tab"]), (1, &json!(2)));

    // Nobody answers. The next one is sent when the outcome is given up.
    let mut waited_ms = 0;
    while bench.sent.0.borrow().is_empty() {
        let wait_ms = session.due_ms() - bench.now.boot_ms;
        assert!((1..=SAMPLE_MS).contains(&wait_ms), "{wait_ms}");
        waited_ms += wait_ms;
        bench.pass(wait_ms);
        bench.tick(&mut session).unwrap();
    }
    assert_eq!(
        (waited_ms, &bench.sent.take()[0]["tab"]),
        (30_000, &json!(3))
    );
    bench.close(session);
    read_trace(bench.folder.path());
}

#[test]
fn a_discard_is_measured_between_its_order_and_its_settling() {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Enforce);
    bench.take(&mut session, &[session_started(4)]).unwrap();
    bench.pass(1_000);
    bench.tick(&mut session).unwrap();
    // The order first: somebody waits for it.
    let [order, acknowledgement] = &bench.sent.take()[..] else {
        panic!()
    };
    assert_eq!(acknowledgement["type"], "ack");
    bench.pass(50);
    bench.take(&mut session, &discarded(order, 102)).unwrap();
    bench.pass(299);
    bench.tick(&mut session).unwrap();
    assert_eq!(
        bench
            .sent
            .0
            .borrow()
            .iter()
            .filter(|it| it["type"] == "discard_tab")
            .count(),
        0
    );
    bench.pass(1);
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.take()[0]["tab"], 3);
    bench.close(session);

    let trace = read_trace(bench.folder.path());
    let [line] = trace.of_type("tab_memory")[..] else {
        panic!()
    };
    let Body::TabMemory(memory) = &line.body else {
        panic!()
    };
    assert_eq!((memory.tab.0, memory.bytes), (102, 50 << 20));
}

/// Begins a session in which the order for tab 2, which is returned, is open, and the one for tab 3
/// waits.
fn with_an_order_that_waits() -> (Bench, Session, Value) {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Enforce);
    bench.take(&mut session, &[session_started(3)]).unwrap();
    bench.pass(1_000);
    bench.tick(&mut session).unwrap();
    let first = bench.sent.take().swap_remove(0);
    assert_eq!(first["tab"], 2);
    (bench, session, first)
}

#[test]
fn an_order_is_sent_only_while_its_decision_stands() {
    /// Something happens while the order for tab 2 is open, and the one for tab 3 waits.
    #[track_caller]
    fn check(meanwhile: impl FnOnce(&mut Bench, &mut Session), expect: Result<i64, &str>) {
        let (mut bench, mut session, first) = with_an_order_that_waits();
        bench.pass(50);
        meanwhile(&mut bench, &mut session);
        bench.take(&mut session, &discarded(&first, 102)).unwrap();
        bench.pass(300);
        bench.tick(&mut session).unwrap();
        assert_eq!(bench.sent.ordered_tabs(), Vec::from_iter(expect.ok()));
        let why = told_of(&session, 3);
        assert_eq!(why.as_deref(), expect.err(), "as the popup shows it");
        bench.close(session);
        let trace = read_trace(bench.folder.path());
        assert_eq!(trace.of_type("decision").len(), 2);
        let dropped = Vec::from_iter(expect.err().map(|why| (3, why.to_owned())));
        assert_eq!(dropped_orders(&trace), dropped);
    }
    let protect = |bench: &mut Bench, session: &mut Session| {
        let text = format!("protected_domains = [\"host-3.example\"]\n{EAGER_POLICY}");
        let policy = PolicyDocument::from_toml(&text).unwrap();
        let by = PolicySource::Extension;
        bench.with(|now, tools| session.change_policy(&policy, by, now, tools))
    };
    let set_mode = |bench: &mut Bench, session: &mut Session, mode| {
        bench.with(|now, tools| session.set_mode(mode, now, tools))
    };
    let pause = |bench: &mut Bench, session: &mut Session, ms: Option<i64>| {
        bench.with(|now, tools| session.pause(ms.map(|ms| now.wall_ms + ms), now, tools))
    };
    let take = |bench: &mut Bench, session: &mut Session, events: [Value; 2]| {
        for event in events {
            bench.take(session, &[event]).unwrap();
            bench.pass(100);
        }
    };
    let activated = |tab: i64| json!({"type": "tab_activated", "tab": tab, "win": 1});
    let sounds = |is: bool| json!({"type": "tab_changed", "tab": 3, "audible": is});
    check(|_, _| {}, Ok(3));
    let hour = Some(3_600_000);
    check(|bench, it| pause(bench, it, hour).unwrap(), Err("PAUSED"));
    check(
        |bench, it| set_mode(bench, it, Mode::Observe).unwrap(),
        Err("OBSERVING"),
    );
    check(|bench, it| protect(bench, it).unwrap(), Err("PROTECTED"));
    check(
        |bench, it| take(bench, it, [3, 1].map(activated)),
        Err("YOUNG"),
    );
    check(
        |bench, it| take(bench, it, [true, false].map(sounds)),
        Err("RECENTLY_AUDIBLE"),
    );
    // What was ended before its turn came does not count.
    let briefly = |bench: &mut Bench, session: &mut Session| {
        pause(bench, session, Some(3_600_000)).unwrap();
        pause(bench, session, None).unwrap();
        set_mode(bench, session, Mode::Observe).unwrap();
        set_mode(bench, session, Mode::Enforce).unwrap();
    };
    check(briefly, Ok(3));
}

/// What the status says that a tab was not discarded for, where an order for it was dropped.
fn told_of(session: &Session, tab: i64) -> Option<String> {
    let recent = session.status(0).recent;
    let decision = recent.into_iter().find(|it| it.tab.0 == tab)?;
    assert_eq!(
        decision.outcome,
        decision.why.as_ref().map(|_| Outcome::Refused)
    );
    decision.why
}

/// The orders that a log says were dropped: their tabs, and why. Each names its decision.
fn dropped_orders(trace: &ReadTrace) -> Vec<(i64, String)> {
    let dropped = trace.of_type("order_dropped").into_iter();
    let told = dropped.map(|line| {
        let Body::OrderDropped(it) = &line.body else {
            panic!()
        };
        let decided = &trace.lines[usize::try_from(it.decision.0).unwrap()];
        assert!(matches!(&decided.body, Body::Decision(decision) if decision.tab == it.tab));
        (it.tab.0, it.why.clone())
    });
    told.collect()
}

#[test]
fn an_order_for_a_tab_that_was_closed_is_dropped() {
    let (mut bench, mut session, first) = with_an_order_that_waits();
    let closed = json!({"type": "tab_closed", "tab": 3});
    bench.take(&mut session, &[closed]).unwrap();
    bench.take(&mut session, &discarded(&first, 102)).unwrap();
    bench.pass(300);
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.ordered_tabs(), [0; 0]);
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(dropped_orders(&trace), [(3, "GONE".to_owned())]);
}

#[test]
fn an_order_that_waited_in_vain_is_dropped_when_its_turn_comes() {
    /// Nobody answers, and the engine gives both tabs up with the open order.
    #[track_caller]
    fn check(policy: Option<&PolicyDocument>, expect: (&[i64], &str)) {
        let (mut bench, mut session, _) = with_an_order_that_waits();
        if let Some(policy) = policy {
            let by = PolicySource::Extension;
            bench
                .with(|now, tools| session.change_policy(policy, by, now, tools))
                .unwrap();
        }
        for _ in 0..7 {
            bench.pass(5_000);
            bench.tick(&mut session).unwrap();
        }
        assert_eq!(bench.sent.ordered_tabs(), expect.0);
        bench.close(session);
        let trace = read_trace(bench.folder.path());
        assert_eq!(dropped_orders(&trace)[0], (3, expect.1.to_owned()));
    }
    check(None, (&[3], "DECIDED_AGAIN"));
    // There is no pressure any more.
    check(Some(&PolicyDocument::default()), (&[], "EXPIRED"));
}

#[test]
fn an_order_whose_measure_before_cannot_be_logged_was_never_sent() {
    let (mut bench, mut session, first) = with_an_order_that_waits();
    bench.pass(50);
    // The outcome is written, and the sample before the next order is not.
    bench.faults.set(|plan| {
        plan.outage = plan.operations + 1..usize::MAX;
        plan.trouble = Trouble::Full;
    });
    let refused = json!({
        "type": "discard_outcome", "decision": first["decision"], "tab": 2, "ok": false,
        "why": "ACTIVE",
    });
    bench.take(&mut session, &[refused]).unwrap_err();
    assert_eq!(bench.sent.ordered_tabs(), [0; 0]);
    bench.faults.set(|plan| plan.outage = 0..0);
    let policy = Bench::policy();
    bench
        .with(|now, tools| session.recover(&policy, choice(Mode::Enforce), 0, now, tools))
        .unwrap();
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(dropped_orders(&trace), [(3, "LOG_UNAVAILABLE".to_owned())]);
}

#[test]
fn an_order_that_waits_ends_with_the_log_or_its_host() {
    let reason = |why: &str| [(3, why.to_owned())];
    let (mut bench, session, _) = with_an_order_that_waits();
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(dropped_orders(&trace), reason("HOST_STOPPED"));

    // The host is killed between a wish and its decisions.
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Enforce);
    bench.take(&mut session, &[session_started(2)]).unwrap();
    bench
        .faults
        .set(|plan| plan.outage = plan.operations + 1..usize::MAX);
    bench
        .take(&mut session, &[json!({"type": "prune_requested"})])
        .unwrap_err();
    drop(session);
    bench.faults.set(|plan| plan.outage = 0..0);
    let session = bench.open(Mode::Enforce);
    assert_eq!(told_of(&session, 2).as_deref(), Some("HOST_STOPPED"));
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(dropped_orders(&trace), [(2, "HOST_STOPPED".to_owned())]);

    let (mut bench, mut session, _) = with_an_order_that_waits();
    bench.faults.set(|plan| plan.sync_fails = true);
    bench.pass(5_000);
    bench.tick(&mut session).unwrap_err();
    let recover = |bench: &mut Bench, session: &mut Session| {
        let policy = Bench::policy();
        bench.with(|now, tools| session.recover(&policy, choice(Mode::Enforce), 0, now, tools))
    };
    recover(&mut bench, &mut session).unwrap_err();
    bench.faults.set(|plan| plan.sync_fails = false);
    recover(&mut bench, &mut session).unwrap();
    assert_eq!(told_of(&session, 3).as_deref(), Some("LOG_UNAVAILABLE"));
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(dropped_orders(&trace), reason("LOG_UNAVAILABLE"));
}

#[test]
fn no_order_sleeps_over_a_night() {
    let (mut bench, mut session, first) = with_an_order_that_waits();
    bench.now.wall_ms += 28_800_000;
    bench.now.boot_ms += 28_800_000;
    // The extension carries out in the morning what it was told in the evening.
    bench.take(&mut session, &discarded(&first, 102)).unwrap();
    for _ in 0..29 {
        bench.pass(1_000);
        bench.tick(&mut session).unwrap();
    }
    let orders = bench.sent.take();
    let order = orders.iter().find(|it| it["type"] == "discard_tab");
    assert!(order.is_none(), "{order:?}");
    // The engine has given it up, and decides on the day's own samples.
    bench.pass(5_000);
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.ordered_tabs(), [3]);
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    assert_eq!(trace.of_type("decision").len(), 3);
    assert_eq!(dropped_orders(&trace), [(3, "SLEPT".to_owned())]);
}

#[test]
fn a_failed_sync_acknowledges_nothing_and_orders_nothing() {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Enforce);
    bench.take(&mut session, &[session_started(4)]).unwrap();
    bench.pass(500);
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.take_types(), ["ack"]);

    bench.faults.set(|plan| plan.sync_fails = true);
    let closed = json!({"type": "tab_closed", "tab": 4});
    bench.take(&mut session, &[closed]).unwrap();
    bench.pass(500);
    let error = bench.tick(&mut session).unwrap_err();
    assert!(matches!(error, WriteError::SyncFailed { .. }), "{error}");
    let recover = |bench: &mut Bench, session: &mut Session| {
        bench.with(|now, tools| {
            session.recover(&Bench::policy(), choice(Mode::Observe), 1, now, tools)
        })
    };
    recover(&mut bench, &mut session).unwrap_err();
    recover(&mut bench, &mut session).unwrap_err();
    assert_eq!(bench.sent.take_types(), [""; 0]);

    bench.faults.set(|plan| plan.sync_fails = false);
    recover(&mut bench, &mut session).unwrap();
    assert_eq!(
        (session.last_n(), session.status(0).tabs),
        (2, 3),
        "what was taken is not lost"
    );
    assert_eq!(
        session.status(0).mode,
        Mode::Observe,
        "it was changed meanwhile"
    );
    bench.tick(&mut session).unwrap();
    assert_eq!(bench.sent.take(), [json!({"type": "ack", "n": 2})]);
    bench.close(session);

    let trace = read_trace(bench.folder.path());
    assert_eq!(trace.numbers(), [1, 2]);
    let [line] = trace.of_type("dropped")[..] else {
        panic!()
    };
    let Body::Dropped(dropped) = &line.body else {
        panic!()
    };
    assert_eq!((dropped.from, dropped.count), (None, 3));
}

#[test]
fn a_disk_that_fails_again_at_any_operation_of_a_recovery_doubles_nothing() {
    /// Something leads to two decisions, whose sync fails. Returns how many recoveries failed.
    #[track_caller]
    fn check(cause: impl Fn(&mut Bench, &mut Session) -> Result<(), WriteError>) -> usize {
        let recover = |bench: &mut Bench, session: &mut Session| {
            bench.pass(1_000);
            let policy = Bench::policy();
            bench.with(|now, tools| session.recover(&policy, choice(Mode::Enforce), 0, now, tools))
        };
        let mut failures = 0;
        for trouble in [Trouble::Full, Trouble::SyncFails, Trouble::Broken] {
            for well in 0.. {
                let mut bench = Bench::new();
                let mut session = bench.open(Mode::Enforce);
                bench.take(&mut session, &[session_started(4)]).unwrap();
                bench.pass(500);
                bench.tick(&mut session).unwrap();
                bench.faults.set(|plan| plan.sync_fails = true);
                cause(&mut bench, &mut session).unwrap_err();
                bench.faults.set(|plan| {
                    plan.sync_fails = false;
                    plan.trouble = trouble;
                    plan.outage = plan.operations + well..plan.operations + well + 2;
                });
                failures += usize::from(recover(&mut bench, &mut session).is_err());
                let was_hit = bench.faults.set(|plan| plan.operations > plan.outage.start);
                bench.faults.set(|plan| plan.outage = 0..0);
                recover(&mut bench, &mut session).unwrap();
                bench.close(session);
                let trace = read_trace(bench.folder.path());
                assert_eq!(trace.numbers(), Vec::from_iter(1..=bench.last_n));
                assert_eq!(trace.of_type("decision").len(), 2);
                let samples = trace.of_type("metrics");
                assert!(samples.windows(2).all(|it| it[0].t_ms < it[1].t_ms));
                if !was_hit {
                    break;
                }
            }
        }
        failures
    }
    let wish = json!({"type": "prune_requested"});
    let of_wish = check(|bench, session| bench.take(session, std::slice::from_ref(&wish)));
    let of_sample = check(|bench, session| {
        bench.pass(500);
        bench.tick(session)
    });
    assert!(of_wish > 20 && of_sample > 20, "{of_wish}, {of_sample}");
}

#[test]
fn a_sleep_is_told_before_anything_that_comes_after_it() {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Observe);
    bench.take(&mut session, &[session_started(4)]).unwrap();
    // A night with the lid closed, and a wall clock that was set meanwhile.
    bench.now.wall_ms += 28_800_000 - 7_200_000;
    bench.now.boot_ms += 28_800_000;
    let closed = json!({"type": "tab_closed", "tab": 4});
    bench.take(&mut session, &[closed]).unwrap();
    bench.close(session);

    let trace = read_trace(bench.folder.path());
    let is_first = |line: &Line| line.body.type_name() == "suspended";
    let first = trace.lines.iter().position(is_first).unwrap();
    let of = |index: usize| &trace.lines[first + index];
    assert!(matches!(&of(0).body, Body::Suspended(it) if it.ms == 28_800_000));
    assert!(matches!(&of(1).body, Body::ClockStepped(it) if it.by_ms == -7_200_000));
    assert!(matches!(&of(2).body, Body::TabClosed(_)));
    // The event's own time is of the clock that was set back, and is read so.
    assert_eq!(of(2).t_ms, of(1).t_ms);
    let began = trace.lines[0].t_ms;
    assert_eq!(of(2).t_ms - began, 28_800_000);
}

#[test]
fn a_host_that_comes_back_after_the_wall_clock_was_set_goes_on_in_time() {
    let mut bench = Bench::new();
    let mut session = bench.open(Mode::Observe);
    bench.take(&mut session, &[session_started(4)]).unwrap();
    bench.close(session);
    bench.pass(10_000);
    bench.now.wall_ms -= 3_600_000;
    let session = bench.open(Mode::Observe);
    bench.close(session);
    let trace = read_trace(bench.folder.path());
    let [line] = trace.of_type("clock_stepped")[..] else {
        panic!()
    };
    let Body::ClockStepped(stepped) = &line.body else {
        panic!()
    };
    assert_eq!(
        stepped.by_ms, -3_590_000,
        "no host saw the ten seconds pass"
    );
}
