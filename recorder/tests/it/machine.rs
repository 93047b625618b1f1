//! The writer against a model of it, which is a list: of what was given to it, how much is written
//! and how much is surely on the disk. Hosts come and go, in order and not, and disks fail.

use std::collections::VecDeque;

use proptest::prelude::*;
use recorder::*;
use tempfile::TempDir;

use crate::faulty::{Faults, Trouble};
use crate::support::*;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// The extension tells so many events.
    Events(u64),
    /// The host samples the machine.
    Sample,
    Sync,
    Checkpoint,
    Rotate,
    /// The host ends in order, and another goes on.
    Restart,
    /// The host is killed and the power goes with it: of what was not synced so much is left.
    /// Another goes on.
    Kill {
        left_percent: u64,
    },
    /// So many operations of the disk from here on fail.
    Outage {
        trouble: Trouble,
        operations: usize,
        /// Whether the host does not survive its first failure.
        is_deadly: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let trouble = prop_oneof![
        Just(Trouble::Full),
        Just(Trouble::SyncFails),
        Just(Trouble::Broken)
    ];
    prop_oneof![
        6 => (1..6_u64).prop_map(Step::Events),
        2 => Just(Step::Sample),
        3 => Just(Step::Sync),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Rotate),
        1 => Just(Step::Restart),
        2 => (0..=100_u64).prop_map(|left_percent| Step::Kill { left_percent }),
        3 => (trouble, 1..6_usize, any::<bool>()).prop_map(|(trouble, operations, is_deadly)| {
            Step::Outage { trouble, operations, is_deadly }
        }),
    ]
}

/// A line as the model has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    Event(u64),
    Sample(u64),
}

impl Given {
    fn of(line: &Line) -> Option<Self> {
        match &line.body {
            Body::Metrics(metrics) => Some(Self::Sample(metrics.ram_total?)),
            _ => line.n.map(Self::Event),
        }
    }

    fn all(lines: &[Line]) -> Vec<Self> {
        lines.iter().filter_map(Self::of).collect()
    }
}

/// A writer on a faulty disk, and the model.
struct Machine {
    folder: TempDir,
    faults: Faults,
    writer: Option<TraceWriter>,
    /// Lines that a failed sync lost, which are to be written again.
    again: VecDeque<Line>,
    is_deadly: bool,
    next_sample: u64,
    /// The model: what is in the log.
    log: Vec<Given>,
    /// How much of it is on the disk at least.
    synced: usize,
    failures: usize,
}

impl Machine {
    /// Begins a trace on a disk with these faults, however often that fails.
    fn new(faults: Faults) -> Self {
        let folder = folder();
        let mut failures = 0;
        let writer = loop {
            match TraceWriter::create_on(faults.storage(), folder.path(), &opening(), START_MS) {
                Ok(writer) => break writer,
                Err(_) => failures += 1,
            }
            assert!(failures < 50, "the outage does not end");
        };
        Self {
            folder,
            faults,
            writer: Some(writer),
            again: VecDeque::new(),
            is_deadly: false,
            next_sample: 1,
            log: Vec::new(),
            synced: 0,
            failures,
        }
    }

    fn writer(&mut self) -> &mut TraceWriter {
        self.writer.as_mut().unwrap()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Events(count) => {
                for _ in 0..count {
                    let n = self.writer().last_n() + 1;
                    if !self.attempt(|writer| append_event(writer, n).map(drop)) {
                        return;
                    }
                    self.log.push(Given::Event(n));
                }
            }
            Step::Sample => {
                let id = self.next_sample;
                self.next_sample += 1;
                let body = Body::Metrics(Metrics {
                    ram_total: Some(id),
                    ..Metrics::default()
                });
                if self.attempt(|writer| {
                    let append = writer.append(START_MS, Source::Host, None, None, &body);
                    append.map(drop)
                }) {
                    self.log.push(Given::Sample(id));
                }
            }
            Step::Sync => drop(self.attempt(TraceWriter::sync)),
            Step::Checkpoint => {
                self.attempt(|writer| writer.checkpoint(START_MS, Some("ab")).map(drop));
            }
            Step::Rotate => drop(self.attempt(|writer| writer.rotate(START_MS, None).map(drop))),
            Step::Restart => {
                let closed = self.writer.take().unwrap().close(START_MS, None);
                if closed.is_ok() {
                    self.synced = self.log.len();
                }
                self.resume();
            }
            Step::Kill { left_percent } => self.kill(left_percent),
            Step::Outage {
                trouble,
                operations,
                is_deadly,
            } => {
                self.is_deadly = is_deadly;
                self.faults.set(|plan| {
                    plan.trouble = trouble;
                    plan.outage = plan.operations..plan.operations + operations;
                });
            }
        }
    }

    /// Does something until it succeeds. False if the host died of it instead.
    fn attempt(
        &mut self,
        mut work: impl FnMut(&mut TraceWriter) -> Result<(), WriteError>,
    ) -> bool {
        loop {
            let Err(error) = work(self.writer()) else {
                self.note_synced();
                return true;
            };
            self.failures += 1;
            assert!(self.failures < 1_000, "the outage does not end: {error}");
            self.note_synced();
            if std::mem::take(&mut self.is_deadly) {
                self.kill(50);
                return false;
            }
            if matches!(error, WriteError::SyncFailed { .. }) {
                self.recover();
            }
        }
    }

    /// Makes a writer good whose sync failed, and gives it again what that lost.
    fn recover(&mut self) {
        loop {
            let (mut seen, mut is_well) = (Vec::new(), true);
            match self.writer().recover(&mut |line| seen.push(line.clone())) {
                Ok(lost) => lost
                    .into_iter()
                    .rev()
                    .for_each(|line| self.again.push_front(line)),
                Err(_) => is_well = false,
            }
            while is_well && let Some(line) = self.again.front().cloned() {
                let Line {
                    t_ms,
                    src,
                    n,
                    at_ms,
                    body,
                    ..
                } = line;
                match self.writer().append(t_ms, src, n, at_ms, &body) {
                    Ok(_) => drop(self.again.pop_front()),
                    Err(_) => is_well = false,
                }
            }
            if is_well {
                return;
            }
            self.failures += 1;
            assert!(self.failures < 1_000, "the outage does not end");
        }
    }

    /// Ends the host without warning, and the disk's memory of what was not synced with it.
    fn kill(&mut self, left_percent: u64) {
        self.writer = None;
        self.again.clear();
        self.faults.cut_power(left_percent);
        self.resume();
    }

    /// Lets another host go on, which must find what was synced, and nothing but what was given.
    fn resume(&mut self) {
        let resumed = loop {
            let mut seen = Vec::new();
            let resumed = TraceWriter::resume_on(
                self.faults.storage(),
                self.folder.path(),
                &opening(),
                START_MS,
                &mut |line| seen.push(line.clone()),
            );
            match resumed {
                Ok(resumed) => {
                    let seen = Given::all(&seen);
                    assert!(self.log.starts_with(&seen), "{seen:?} of {:?}", self.log);
                    assert!(seen.len() >= self.synced, "{} were synced", self.synced);
                    self.log = seen;
                    break resumed.expect("the trace is there");
                }
                Err(WriteError::Unreadable(error)) => panic!("{error}"),
                Err(_) => self.failures += 1,
            }
            assert!(self.failures < 1_000, "the outage does not end");
        };
        self.writer = Some(resumed.writer);
        self.synced = self.log.len();
        self.is_deadly = false;
    }

    /// Takes over into the model what the writer says is on the disk.
    fn note_synced(&mut self) {
        let synced_n = self.writer().synced_n();
        let through = |given: &Given| *given == Given::Event(synced_n);
        let of_events = self
            .log
            .iter()
            .position(through)
            .map_or(0, |index| index + 1);
        self.synced = self.synced.max(of_events);
        if self.writer().unsynced_lines() == 0 {
            self.synced = self.log.len();
        }
    }

    /// The log says what the model says.
    fn check(&mut self) {
        let last_n = self.writer().last_n();
        let path = self.writer().path().to_owned();
        let lines = read(&path).0;
        assert_eq!(Given::all(&lines), self.log);
        assert_eq!(counters(&lines), Vec::from_iter(1..=last_n));
    }

    /// Ends the last host in order, and returns how often the disk failed.
    fn finish(mut self) -> usize {
        self.faults.set(|plan| plan.outage = 0..0);
        self.step(&Step::Sync);
        self.check();
        let writer = self.writer.take().unwrap();
        let path = writer.path().to_owned();
        writer.close(START_MS, None).unwrap();
        let (lines, reader) = read(&path);
        assert!(reader.sealed() && reader.torn_tail().is_none());
        assert_eq!(Given::all(&lines), self.log);
        self.failures
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]
    #[test]
    fn the_writer_does_what_its_model_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut machine = Machine::new(Faults::default());
        for step in &steps {
            machine.step(step);
            machine.check();
        }
        machine.finish();
    }
}

/// A day of a host with something of everything.
fn a_day() -> Vec<Step> {
    let work = || [Step::Events(3), Step::Sample, Step::Sync];
    let mut steps = Vec::from(work());
    for then in [
        Step::Checkpoint,
        Step::Rotate,
        Step::Restart,
        Step::Kill { left_percent: 70 },
    ] {
        steps.push(then);
        steps.extend(work());
    }
    steps
}

#[test]
fn a_disk_that_fails_at_any_operation_loses_nothing_and_doubles_nothing() {
    let mut outages = 0;
    for trouble in [Trouble::Full, Trouble::SyncFails, Trouble::Broken] {
        for (length, is_deadly) in [(1, false), (2, false), (7, false), (2, true)] {
            for first in 0.. {
                let faults = Faults::default();
                faults.set(|plan| {
                    plan.trouble = trouble;
                    plan.outage = first..first + length;
                });
                let mut machine = Machine::new(faults);
                machine.is_deadly = is_deadly;
                for step in &a_day() {
                    machine.step(step);
                    machine.check();
                }
                let was_hit = machine.faults.set(|plan| plan.operations > first);
                machine.finish();
                if !was_hit {
                    break;
                }
                outages += 1;
            }
        }
    }
    assert!(outages > 300, "only {outages} outages");
}
