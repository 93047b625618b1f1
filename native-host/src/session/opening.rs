//! How a log is begun, gone on with, and made good again after it could not be written.

use std::collections::VecDeque;
use std::path::Path;

use engine::{HostKnowledge, PolicyDocument, SEMANTICS};
use recorder::{
    Body, DropReason, Dropped, KnowledgeCarried, LogResumed, ModeChanged, Naming, Opening, Origin,
    Paused, PolicySource, ResumeReason, Resumed, Storage, TraceLock, TraceWriter, WriteError,
};
use uuid::Uuid;

use super::{FIRST_SAMPLE_MS, SAMPLE_MS, Session, Tools};
use crate::browser_memory::BrowserMemory;
use crate::clock::{Reading, TraceClock};
use crate::history::History;
use crate::metrics::Detail;
use crate::mode_choice::ModeChoice;
use crate::names::Names;
use crate::orders::Orders;

/// What a line with a session's knowledge may take, so that it stays below the longest line.
const KNOWLEDGE_BYTES: usize = 900 << 10;

/// What a session begins with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The extension's session, which names the trace to go on with.
    pub extension_session: Uuid,
    /// The policy in force.
    pub policy: PolicyDocument,
    /// Whether decisions are carried out, and made.
    pub mode: ModeChoice,
    /// What the session before had learnt of the hosts, under the names that they have in the log.
    pub knowledge: Vec<HostKnowledge>,
    /// The names that hosts have in the log.
    pub naming: Naming,
    /// Whether a trace that is there already may be gone on with.
    pub may_go_on: bool,
    /// How many samples could not be logged before.
    pub lost_samples: u64,
}

impl Session {
    /// Opens the log: goes on with the trace of the extension's session where there is one that
    /// can be gone on with, and begins one where there is not.
    ///
    /// `storage` makes the place where segments are written.
    ///
    /// # Errors
    /// What the file system refuses; another host that writes the trace.
    pub fn open(
        folder: &Path,
        storage: &dyn Fn() -> Box<dyn Storage>,
        beginning: &Beginning,
        now: Reading,
    ) -> Result<Self, WriteError> {
        let opening = Opening {
            session: recorder::new_session(now.wall_ms),
            extension_session: Some(beginning.extension_session.to_string()),
            engine: SEMANTICS,
            host_version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            privacy: beginning.naming.privacy(),
            origin: Origin::Recorded,
            generator: None,
            seed: None,
            importer: None,
            derived_from: None,
        };
        let _lock = TraceLock::take_for_opening(folder, beginning.extension_session)?;
        let mut history = History::default();
        // The log's time is not known before the log is read: what the writer begins gets that of
        // the last line.
        let resumed = beginning.may_go_on.then(|| {
            TraceWriter::resume_on(storage(), folder, &opening, i64::MIN, &mut |line| {
                history.follow(line);
            })
        });
        let resumed = match resumed.transpose() {
            Ok(resumed) => resumed.flatten(),
            // A damaged trace stays as it is, for `sim` to tell what is wrong with it.
            Err(WriteError::Unreadable(error)) if !matches!(error.flaw, recorder::Flaw::Io(_)) => {
                crate::report(format_args!("a new log is begun: {error}"));
                None
            }
            Err(error) => return Err(error),
        };
        if let Some(resumed) = resumed {
            match history.diverged_at() {
                None if history.is_begun() && !marks_hold(&history, beginning) => {
                    crate::report(format_args!(
                        "a new log is begun: the list of protected domains is another, and the \
                         old one has the marks of the one before"
                    ));
                }
                None => return Self::go_on(resumed, history, beginning, now),
                Some(seq) => crate::report(format_args!(
                    "a new log is begun: from seq {seq} on the old one has decisions that this \
                     engine does not make"
                )),
            }
        }
        let writer = TraceWriter::create_on(storage(), folder, &opening, now.wall_ms)?;
        let clock = TraceClock::open(now);
        let mut session = Self::new(writer, History::default(), clock, beginning, now);
        session.begin(beginning, now)?;
        Ok(session)
    }

    fn new(
        writer: TraceWriter,
        history: History,
        clock: TraceClock,
        beginning: &Beginning,
        now: Reading,
    ) -> Self {
        Self {
            acknowledged_n: writer.last_n(),
            first_n: None,
            writer,
            history,
            clock,
            orders: Orders::default(),
            unsynced_orders: Vec::new(),
            has_unsynced_decision: false,
            again: VecDeque::new(),
            unsynced_since_ms: None,
            next_sample_ms: now.boot_ms + FIRST_SAMPLE_MS,
            last_sample_ms: None,
            browser_memory: BrowserMemory::default(),
            next_browser_sample_ms: now.boot_ms,
            lost_samples: beginning.lost_samples,
            naming: beginning.naming.clone(),
            policy: beginning.policy.clone(),
            names: Names::default(),
        }
    }

    /// Writes what stands at the beginning of a trace.
    fn begin(&mut self, beginning: &Beginning, now: Reading) -> Result<(), WriteError> {
        self.record_policy(&beginning.policy, PolicySource::Start, now)?;
        let hosts = within_a_line(beginning.knowledge.clone());
        if !hosts.is_empty() {
            self.record(now, Body::KnowledgeCarried(KnowledgeCarried { hosts }))?;
        }
        self.record(
            now,
            Body::ModeChanged(ModeChanged {
                mode: beginning.mode.mode,
            }),
        )?;
        self.tell_pause(beginning.mode, now)?;
        self.tell_lost_samples(now)?;
        self.writer.sync()
    }

    fn go_on(
        resumed: Resumed,
        history: History,
        beginning: &Beginning,
        now: Reading,
    ) -> Result<Self, WriteError> {
        let clock = TraceClock::resume(resumed.last_t_ms, history.offset_ms(), now);
        let mut session = Self::new(resumed.writer, history, clock, beginning, now);
        session.write_awaited(resumed.last_t_ms)?;
        let why = if resumed.was_sealed {
            ResumeReason::WorkerRestarted
        } else {
            ResumeReason::HostRestarted
        };
        let body = Body::LogResumed(LogResumed {
            torn_bytes: resumed.torn_bytes,
            last_n: resumed.last_n,
            engine: SEMANTICS,
            why,
        });
        session.record(now, body)?;
        // Nobody is told of what was decided above: by now it is the decision of a host that is
        // gone.
        session.drop_orders(DropReason::HostStopped, now)?;
        session.look(now)?;
        if session.history.is_begun() {
            session.tell_settings(&beginning.policy, beginning.mode, now)?;
        } else {
            // The host before was stopped, or its disk full, in the middle of the beginning.
            session.begin(beginning, now)?;
        }
        session.tell_lost_samples(now)?;
        session.writer.sync()?;
        Ok(session)
    }

    /// Writes policy, mode and pause where the log has others: they were changed while nothing
    /// could be written.
    fn tell_settings(
        &mut self,
        policy: &PolicyDocument,
        choice: ModeChoice,
        now: Reading,
    ) -> Result<(), WriteError> {
        if *self.history.engine().policy().document() != self.naming.policy(policy) {
            self.record_policy(policy, PolicySource::Start, now)?;
        }
        let mode = choice.mode;
        if self.history.engine().world().mode() != mode {
            self.record(now, Body::ModeChanged(ModeChanged { mode }))?;
        }
        self.tell_pause(choice, now)
    }

    fn tell_pause(&mut self, choice: ModeChoice, now: Reading) -> Result<(), WriteError> {
        let until_ms = choice.paused_until_ms;
        let until_ms = until_ms.map(|wall_ms| self.clock.t_ms_of_wall(wall_ms));
        let until_ms = until_ms.filter(|&until_ms| until_ms > self.clock.t_ms(now));
        if self.history.engine().world().paused_until_ms() != until_ms {
            self.record(now, Body::Paused(Paused { until_ms }))?;
        }
        Ok(())
    }

    /// Makes a log that could not be written good again, after its cause is gone. Everything that
    /// was written is read anew, so that engine and log agree whatever the failure left behind.
    /// `lost_samples` are those that could not be logged since the last try.
    ///
    /// It ends with a sample: a log that took one can be written.
    ///
    /// # Errors
    /// What the file system still refuses. It may be tried again.
    pub fn recover(
        &mut self,
        policy: &PolicyDocument,
        mode: ModeChoice,
        lost_samples: u64,
        now: Reading,
        tools: &mut Tools<'_>,
    ) -> Result<(), WriteError> {
        self.lost_samples += lost_samples;
        let mut history = History::default();
        let unsynced = self.writer.recover(&mut |line| history.follow(line))?;
        self.history = history;
        self.unsynced_orders.clear();
        // Those of an earlier try come first.
        for line in unsynced.into_iter().rev() {
            self.again.push_front(line);
        }
        self.write_awaited(self.writer.last_t_ms())?;
        while let Some(line) = self.again.front().cloned() {
            let t_ms = self.write(line.into())?.t_ms;
            // The log has it, whatever becomes of what it leads to.
            self.again.pop_front();
            self.write_awaited(t_ms)?;
        }
        self.look(now)?;
        // What was decided before the failure has had its moment.
        self.orders.let_go();
        self.drop_orders(DropReason::LogUnavailable, now)?;
        self.tell_settings(policy, mode, now)?;
        self.tell_lost_samples(now)?;
        self.sample(Detail::Machine, now, tools)?;
        self.next_sample_ms = now.boot_ms + SAMPLE_MS;
        self.writer.sync()?;
        // Acknowledgements and orders wait for the next tick: the extension is greeted first.
        self.unsynced_since_ms = None;
        Ok(())
    }

    fn tell_lost_samples(&mut self, now: Reading) -> Result<(), WriteError> {
        if self.lost_samples > 0 {
            let why = "log_unavailable".to_owned();
            let dropped = Dropped {
                from: None,
                count: self.lost_samples,
                why,
            };
            self.record(now, Body::Dropped(dropped))?;
            self.lost_samples = 0;
        }
        Ok(())
    }
}

/// Whether the marks in a log are those of the list that it is to be gone on with.
fn marks_hold(history: &History, beginning: &Beginning) -> bool {
    let logged = history.engine().policy().document();
    let wanted = beginning.naming.policy(&beginning.policy);
    beginning.naming == Naming::Hostname || logged.protected_domains == wanted.protected_domains
}

/// Cuts what was learnt to what fits on a line: the hosts that were in front last stay.
fn within_a_line(mut hosts: Vec<HostKnowledge>) -> Vec<HostKnowledge> {
    // What stands around the name takes less than this.
    let bytes = |known: &HostKnowledge| known.host.len() + 100;
    let mut total: usize = hosts.iter().map(bytes).sum();
    if total > KNOWLEDGE_BYTES {
        hosts.sort_by_key(|known| std::cmp::Reverse(known.last_in_front_ms));
        while total > KNOWLEDGE_BYTES {
            total -= hosts.pop().as_ref().map_or(total, bytes);
        }
        hosts.sort_by(|one, other| one.host.cmp(&other.host));
    }
    hosts
}
