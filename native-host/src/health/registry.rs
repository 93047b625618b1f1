//! The registry: what a check is, how all of a face are run, and what comes of it.
//!
//! Checks run at once, each on a thread of its own, and the registry waits for each no longer than
//! its timeout: a disk that hangs makes a check unhealthy and holds up nobody. It reads a clock
//! for that and does nothing else of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use thiserror::Error;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// There was nothing to look at.
    Skipped,
    /// As it should be.
    Healthy,
    /// It works, but not as it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "SKIPPED",
            Self::Healthy => "HEALTHY",
            Self::Degraded => "DEGRADED",
            Self::Unhealthy => "UNHEALTHY",
        })
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Is the host there and does it turn? It looks at nothing that the host depends on.
    Liveness,
    /// Can the host do its work now?
    Readiness,
    /// Is everything in place on this machine?
    Doctor,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// What was found, for people. The home folder is written as `~`.
    pub detail: String,
    /// What was measured, with its unit.
    pub observed: Option<(u64, &'static str)>,
    /// What to do about it, where that is more than the check says in general.
    pub fix: Option<String>,
}

impl Finding {
    /// A finding without a measure.
    pub fn new(state: State, detail: impl Into<String>) -> Self {
        Self {
            state,
            detail: detail.into(),
            observed: None,
            fix: None,
        }
    }

    /// As it should be.
    pub fn healthy(detail: impl Into<String>) -> Self {
        Self::new(State::Healthy, detail)
    }

    /// It works, but not as it should.
    pub fn degraded(detail: impl Into<String>) -> Self {
        Self::new(State::Degraded, detail)
    }

    /// It does not work.
    pub fn unhealthy(detail: impl Into<String>) -> Self {
        Self::new(State::Unhealthy, detail)
    }

    /// There was nothing to look at.
    pub fn skipped(detail: impl Into<String>) -> Self {
        Self::new(State::Skipped, detail)
    }

    /// Adds what was measured.
    #[must_use]
    pub fn observing(mut self, value: u64, unit: &'static str) -> Self {
        self.observed = Some((value, unit));
        self
    }

    /// Adds what to do about this very finding.
    #[must_use]
    pub fn fixed_by(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Sets right what is safe to set right, and says what it did, a sentence a deed.
pub type Repair<S> = fn(&S) -> anyhow::Result<Vec<String>>;

/// One thing to look at in a subject.
#[derive(Clone, Debug)]
pub struct Check<S> {
    /// Its name, which never changes.
    pub id: &'static str,
    /// What it looks at.
    pub about: &'static str,
    /// Who sees it.
    pub faces: &'static [Face],
    /// Whether it can make the whole unhealthy.
    pub is_required: bool,
    /// How long it may take. Past that it counts as unhealthy, and nobody waits for it.
    pub timeout: Duration,
    /// From how many milliseconds on a healthy one counts as degraded.
    pub degraded_ms: Option<u64>,
    /// Whether it may come and go: then it counts when it was found twice in a row.
    pub may_flap: bool,
    /// What to do when it is not healthy.
    pub fix: &'static str,
    /// Looks.
    pub run: fn(&S) -> Finding,
    /// Sets right what is safe to set right.
    pub repair: Option<Repair<S>>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Result {
    /// The check.
    pub id: &'static str,
    /// What it looks at.
    pub about: &'static str,
    /// How it is.
    pub state: State,
    /// Whether it can make the whole unhealthy.
    pub required: bool,
    /// What was found.
    pub detail: String,
    /// What was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed: Option<u64>,
    /// The unit of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'static str>,
    /// What to do; `None` where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// How long it took.
    pub elapsed_ms: u64,
    /// See [`Check::may_flap`].
    #[serde(skip)]
    pub may_flap: bool,
}

/// What came of all checks of a face.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst of the required ones; degraded where another fails.
    pub state: State,
    /// Every check, in the registry's order.
    pub checks: Vec<Result>,
}

impl Report {
    /// Combines what came of single checks.
    pub fn of(checks: Vec<Result>) -> Self {
        let weight = |check: &Result| match check.state {
            State::Skipped => State::Healthy,
            State::Unhealthy if !check.required => State::Degraded,
            state => state,
        };
        let state = checks.iter().map(weight).max();
        Self {
            state: state.unwrap_or(State::Skipped),
            checks,
        }
    }
}

/// Two checks have one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("found the check {0:?} twice, expected each id once; give one of them another")]
pub struct DuplicateId(pub &'static str);

/// Checks, in the order in which they are told.
#[derive(Debug)]
pub struct Registry<S> {
    entries: Vec<Entry<S>>,
}

#[derive(Debug)]
struct Entry<S> {
    check: Check<S>,
    /// A check that ran out of time may still run: it is not started once more beside itself.
    is_running: Arc<AtomicBool>,
}

impl<S: Send + Sync + 'static> Registry<S> {
    /// Takes the checks.
    ///
    /// # Errors
    /// If an id stands twice.
    pub fn new(checks: Vec<Check<S>>) -> std::result::Result<Self, DuplicateId> {
        let mut ids = BTreeSet::new();
        if let Some(check) = checks.iter().find(|check| !ids.insert(check.id)) {
            return Err(DuplicateId(check.id));
        }
        let entries = checks.into_iter().map(|check| Entry {
            check,
            is_running: Arc::default(),
        });
        Ok(Self {
            entries: entries.collect(),
        })
    }

    /// The checks of a face, in their order.
    pub fn checks(&self, face: Face) -> impl Iterator<Item = &Check<S>> {
        self.entries
            .iter()
            .map(|entry| &entry.check)
            .filter(move |check| check.faces.contains(&face))
    }

    /// Runs the checks of a face at once. Whichever ends first, they are told in their order.
    pub fn run(&self, face: Face, subject: &Arc<S>) -> Report {
        let started: Vec<_> = self
            .entries
            .iter()
            .filter(|entry| entry.check.faces.contains(&face))
            .map(|entry| entry.start(subject))
            .collect();
        Report::of(started.into_iter().map(Running::wait).collect())
    }
}

impl<S: Send + Sync + 'static> Entry<S> {
    fn start(&self, subject: &Arc<S>) -> Running<'_, S> {
        let started = Instant::now();
        let answer = if self.is_running.swap(true, Ordering::AcqRel) {
            None
        } else {
            let (sender, answer) = sync_channel(1);
            let running = Held(Arc::clone(&self.is_running));
            let (run, subject) = (self.check.run, Arc::clone(subject));
            let thread = thread::Builder::new().name(self.check.id.to_owned());
            let spawned = thread.spawn(move || {
                let finding = run(&subject);
                let elapsed = started.elapsed();
                // Free before it is told: who has the answer may ask again.
                drop(running);
                // Nobody waits for it any more if it took too long.
                let _ = sender.send((finding, elapsed));
            });
            // The machine has no thread left: as if it had taken too long.
            spawned.is_ok().then_some(answer)
        };
        Running {
            check: &self.check,
            started,
            answer,
        }
    }
}

/// Gives a check free again, however its thread ends.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A check that was started.
struct Running<'a, S> {
    check: &'a Check<S>,
    started: Instant,
    /// `None` where an earlier run of it goes on still.
    answer: Option<Receiver<(Finding, Duration)>>,
}

impl<S> Running<'_, S> {
    fn wait(self) -> Result {
        let left = self.check.timeout.saturating_sub(self.started.elapsed());
        let answer = match &self.answer {
            Some(answer) => answer.recv_timeout(left),
            None => Err(RecvTimeoutError::Timeout),
        };
        let (finding, elapsed) = match answer {
            Ok((finding, elapsed)) if elapsed <= self.check.timeout => (finding, elapsed),
            Ok((_, elapsed)) => (self.timed_out(), elapsed),
            Err(RecvTimeoutError::Timeout) => (self.timed_out(), self.started.elapsed()),
            Err(RecvTimeoutError::Disconnected) => {
                let finding = Finding::unhealthy("the check itself broke")
                    .fixed_by("report it as a bug of the host");
                (finding, self.started.elapsed())
            }
        };
        self.conclude(finding, elapsed)
    }

    fn timed_out(&self) -> Finding {
        let limit = self.check.timeout.as_millis();
        Finding::unhealthy(format!("timeout: no answer within {limit} ms"))
    }

    fn conclude(&self, finding: Finding, elapsed: Duration) -> Result {
        let check = self.check;
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let mut finding = finding;
        if finding.state == State::Healthy && check.degraded_ms.is_some_and(|it| elapsed_ms >= it) {
            finding.state = State::Degraded;
            finding.detail = format!("{}; slow: it took {elapsed_ms} ms", finding.detail);
        }
        let is_bad = matches!(finding.state, State::Degraded | State::Unhealthy);
        let fix = finding.fix.or_else(|| Some(check.fix.to_owned()));
        Result {
            id: check.id,
            about: check.about,
            state: finding.state,
            required: check.is_required,
            detail: finding.detail,
            observed: finding.observed.map(|(value, _)| value),
            unit: finding.observed.map(|(_, unit)| unit),
            fix: fix.filter(|_| is_bad),
            elapsed_ms,
            may_flap: check.may_flap,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::Sender;
    use std::sync::{Condvar, Mutex};

    /// A gate that a check can be held at.
    #[derive(Debug, Default)]
    struct Gate {
        is_open: Mutex<bool>,
        opened: Condvar,
        order: Mutex<Option<Sender<&'static str>>>,
        start_count: AtomicUsize,
    }

    impl Gate {
        fn wait(&self) {
            let is_open = self.is_open.lock().unwrap();
            drop(
                self.opened
                    .wait_while(is_open, |is_open| !*is_open)
                    .unwrap(),
            );
        }

        fn open(&self) {
            *self.is_open.lock().unwrap() = true;
            self.opened.notify_all();
        }

        fn tell(&self, id: &'static str) {
            let order = self.order.lock().unwrap();
            order.as_ref().unwrap().send(id).unwrap();
        }
    }

    fn check(id: &'static str, run: fn(&Gate) -> Finding) -> Check<Gate> {
        Check {
            id,
            about: "something",
            faces: &[Face::Readiness],
            is_required: true,
            timeout: Duration::from_secs(20),
            degraded_ms: None,
            may_flap: false,
            fix: "do something",
            run,
            repair: None,
        }
    }

    fn run(checks: Vec<Check<Gate>>) -> Report {
        Registry::new(checks)
            .unwrap()
            .run(Face::Readiness, &Arc::default())
    }

    #[test]
    fn an_id_stands_once() {
        let checks = vec![
            check("a", |_| Finding::healthy("")),
            check("b", |_| Finding::healthy("")),
            check("a", |_| Finding::healthy("")),
        ];
        let error = Registry::new(checks).unwrap_err();
        assert_eq!(error, DuplicateId("a"));
        assert!(error.to_string().contains("\"a\" twice"), "{error}");
    }

    #[test]
    fn only_a_required_check_makes_the_whole_unhealthy() {
        use State::{Degraded, Healthy, Skipped, Unhealthy};
        #[track_caller]
        fn combined(states: &[(State, bool)], expect: State) {
            let results = states.iter().map(|&(state, required)| Result {
                id: "x",
                about: "",
                state,
                required,
                detail: String::new(),
                observed: None,
                unit: None,
                fix: None,
                elapsed_ms: 0,
                may_flap: false,
            });
            assert_eq!(Report::of(results.collect()).state, expect, "{states:?}");
        }
        combined(&[], Skipped);
        combined(&[(Skipped, true)], Healthy);
        combined(&[(Healthy, true), (Skipped, false)], Healthy);
        combined(&[(Degraded, false), (Healthy, true)], Degraded);
        combined(&[(Degraded, true)], Degraded);
        combined(&[(Unhealthy, false), (Healthy, true)], Degraded);
        combined(&[(Unhealthy, true), (Degraded, true)], Unhealthy);
    }

    #[test]
    fn a_check_past_its_time_is_unhealthy_and_holds_up_nobody() {
        let mut hung = check("hung", |gate| {
            gate.start_count.fetch_add(1, Ordering::AcqRel);
            gate.wait();
            Finding::healthy("at last")
        });
        hung.timeout = Duration::from_millis(30);
        let other = check("other", |_| Finding::healthy("fine"));
        let registry = Registry::new(vec![hung, other]).unwrap();
        let gate = Arc::new(Gate::default());
        let first = registry.run(Face::Readiness, &gate);
        assert_eq!(first.state, State::Unhealthy);
        assert_eq!(first.checks[0].detail, "timeout: no answer within 30 ms");
        assert_eq!(first.checks[0].fix.as_deref(), Some("do something"));
        assert_eq!(first.checks[1].state, State::Healthy);
        // It still hangs, and is not started once more beside itself.
        let second = registry.run(Face::Readiness, &gate);
        assert_eq!(second.checks[0].state, State::Unhealthy);
        assert!(gate.start_count.load(Ordering::Acquire) <= 1);
        gate.open();
        while registry.entries[0].is_running.load(Ordering::Acquire) {
            thread::yield_now();
        }
        registry.entries[0]
            .start(&gate)
            .answer
            .unwrap()
            .recv()
            .unwrap();
        assert_eq!(gate.start_count.load(Ordering::Acquire), 2);
    }

    #[test]
    fn results_come_in_the_registrys_order_whichever_ends_first() {
        let gate = Arc::new(Gate::default());
        let (sender, ended) = std::sync::mpsc::channel();
        *gate.order.lock().unwrap() = Some(sender);
        let last = check("first of all", |gate| {
            gate.wait();
            gate.tell("first of all");
            Finding::healthy("")
        });
        let first = check("second", |gate| {
            gate.tell("second");
            gate.open();
            Finding::healthy("")
        });
        let registry = Registry::new(vec![last, first]).unwrap();
        let report = registry.run(Face::Readiness, &gate);
        let ids: Vec<_> = report.checks.iter().map(|it| it.id).collect();
        assert_eq!(ids, ["first of all", "second"]);
        assert_eq!(
            ended.try_iter().collect::<Vec<_>>(),
            ["second", "first of all"]
        );
    }

    #[test]
    fn a_slow_check_is_degraded_from_a_threshold_that_may_be_zero() {
        let mut slow = check("slow", |_| Finding::healthy("fine"));
        slow.degraded_ms = Some(0);
        let mut other = check("other", |_| Finding::healthy("fine"));
        other.degraded_ms = Some(20_000);
        let report = run(vec![slow, other]);
        assert_eq!(report.checks[0].state, State::Degraded);
        assert!(report.checks[0].detail.starts_with("fine; slow: "));
        assert_eq!(report.checks[1].state, State::Healthy);
        assert_eq!(report.checks[1].fix, None);
    }

    #[test]
    fn a_check_that_panics_is_unhealthy_and_ends_nothing() {
        let report = run(vec![
            check("broken", |gate| {
                let order = gate.order.lock().unwrap();
                order.as_ref().expect("nobody listens");
                unreachable!()
            }),
            check("other", |_| Finding::healthy("fine")),
        ]);
        assert_eq!(report.checks[0].detail, "the check itself broke");
        assert_eq!(report.checks[1].state, State::Healthy);
    }
}
