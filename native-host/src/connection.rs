//! One connection of an extension: the handshake, its messages, and what is due meanwhile.
//!
//! Like the session it starts no thread and waits for nothing.

mod answers;
mod choices;
mod log;

use std::mem;
use std::sync::Arc;

use engine::PolicyDocument;
use recorder::Storage;

use crate::choice_file::ChoiceFile;
use crate::clock::Reading;
use crate::framing::{FramingError, MAX_MESSAGE_BYTES};
use crate::health::{self, Face, Machine, Registry, Steady, Subject};
use crate::kept;
use crate::metrics::Sampler;
use crate::mode_choice::ModeChoice;
use crate::paths::Paths;
use crate::policy_file::{PolicyFile, lay_over};
use crate::privacy_choice::PrivacyChoice;
use crate::protocol::{
    ErrorCode, ErrorMessage, ExtensionHello, Incoming, MAX_EVENTS, Outgoing, RemovedTraces,
};
use crate::refusals;
use crate::session::{Port, Tools};

use log::{Failure, Log};

/// How often the files are looked at that people and other hosts change.
const POLL_MS: i64 = 2_500;

/// How often what was learnt of the hosts is kept. A host that is killed learns it again from the
/// log, unless the browser goes with it.
const KNOWLEDGE_MS: i64 = 10 * 60_000;

/// How often logs are looked through for what is too old or too much: once a day.
const RETENTION_MS: i64 = 86_400_000;

/// How a connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The extension closed it, and the log is sealed or was never opened.
    Sealed,
    /// The host refused to go on with this caller.
    Refused,
    /// Something is missing: of the input, or of the log.
    DataLost,
}

/// What a connection reaches the outside by.
pub struct Outside {
    /// To the extension.
    pub port: Box<dyn Port>,
    /// To the machine.
    pub sampler: Box<dyn Sampler>,
    /// Makes the place where segments are written.
    pub storage: Box<dyn Fn() -> Box<dyn Storage>>,
    /// Where files are kept.
    pub paths: Paths,
    /// What health looks at.
    pub machine: Arc<Machine>,
}

impl Outside {
    /// What a session needs of it.
    fn tools(&mut self) -> Tools<'_> {
        Tools {
            port: &mut *self.port,
            sampler: &mut *self.sampler,
        }
    }
}

/// One connection of an extension.
pub struct Connection {
    outside: Outside,
    policy_file: PolicyFile,
    policy: PolicyDocument,
    mode_file: ChoiceFile<ModeChoice>,
    mode: ModeChoice,
    privacy_file: ChoiceFile<PrivacyChoice>,
    privacy: PrivacyChoice,
    hello: Option<ExtensionHello>,
    log: Log,
    /// The event that a log without one begins with, where that is known. See
    /// [`Connection::begin_after`].
    first_n: Option<u64>,
    /// What was removed last for its age or its size.
    removed: Option<RemovedTraces>,
    next_retention_ms: i64,
    next_poll_ms: i64,
    next_knowledge_ms: i64,
    ticked: Reading,
    ending: Option<Ending>,
    checks: Registry<Subject>,
    steady: Steady,
}

impl Connection {
    /// Begins a connection: reads the policy and the mode. The log waits for the hello.
    pub fn new(outside: Outside, now: Reading) -> Self {
        let paths = &outside.paths;
        let (policy_file, policy) = PolicyFile::open(paths.policy(), paths.last_good_policy());
        let (mode_file, mode) = ChoiceFile::open(paths.mode());
        let (privacy_file, privacy) = ChoiceFile::open(paths.privacy());
        Self {
            outside,
            policy_file,
            policy,
            mode_file,
            mode,
            privacy_file,
            privacy,
            hello: None,
            log: Log::Closed,
            first_n: None,
            removed: None,
            next_retention_ms: now.boot_ms,
            next_poll_ms: now.boot_ms + POLL_MS,
            next_knowledge_ms: now.boot_ms + KNOWLEDGE_MS,
            ticked: now,
            ending: None,
            checks: health::checks::registry(),
            steady: Steady::default(),
        }
    }

    /// Takes a message of the extension in.
    pub fn take_message(&mut self, message: &[u8], now: Reading) {
        match Incoming::read(message) {
            Err(error) => self.send(error),
            Ok(Incoming::Hello(hello)) => self.take_hello(hello, now),
            Ok(message) if self.hello.is_none() => {
                let problem = "found another message before the first hello";
                let error = ErrorMessage::bug(ErrorCode::HelloExpected, problem);
                self.send(error.answering(message.request()));
            }
            Ok(message) => self.take(message, now),
        }
    }

    /// Takes in that a message could not be read. All but one that was merely too large end the
    /// connection.
    pub fn take_framing_error(&mut self, error: &FramingError) {
        let problem = error.to_string();
        match error {
            FramingError::TooLarge { .. } => {
                let fix = format!("send at most {MAX_MESSAGE_BYTES} bytes in a message");
                self.send(ErrorMessage::new(ErrorCode::MessageTooLarge, problem, fix));
            }
            FramingError::OutOfStep { .. } | FramingError::Truncated { .. } => {
                crate::report(format_args!("{problem}"));
                self.send(ErrorMessage::bug(ErrorCode::Framing, problem));
                self.ending = Some(Ending::DataLost);
            }
            FramingError::Io(_) => {
                crate::report(format_args!("cannot read stdin: {problem}"));
                self.ending = Some(Ending::DataLost);
            }
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Reading) {
        if now.boot_ms >= self.next_poll_ms {
            self.next_poll_ms = now.boot_ms + POLL_MS;
            self.poll_policy(now);
            self.poll_mode(now);
            self.poll_privacy(now);
        }
        self.retry_log(now);
        self.with_log(now, |session, tools| session.tick(now, tools));
        if now.boot_ms >= self.next_knowledge_ms {
            self.next_knowledge_ms = now.boot_ms + KNOWLEDGE_MS;
            if let Log::Open(session) = &self.log {
                kept::keep(&self.outside.paths, session.knowledge(), now.wall_ms);
            }
        }
        // A log that failed may want the room.
        if now.boot_ms >= self.next_retention_ms && !matches!(self.log, Log::Closed) {
            self.next_retention_ms = now.boot_ms + RETENTION_MS;
            self.remove_surplus(self.privacy, now);
        }
        self.ticked = now;
    }

    /// When [`Connection::tick`] has something to do, in boot time.
    pub fn due_ms(&self) -> i64 {
        let of_log = match &self.log {
            Log::Closed => i64::MAX,
            Log::Open(session) => session.due_ms().min(self.next_retention_ms),
            Log::Failed(failure) => failure.retry_ms.min(self.next_retention_ms),
        };
        of_log.min(self.next_poll_ms).min(self.next_knowledge_ms)
    }

    /// How the connection ended, if the host ended it.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Ends the connection: seals the log and keeps what was learnt.
    pub fn finish(mut self, now: Reading) -> Ending {
        let ending = self.ending.unwrap_or(Ending::Sealed);
        let (mut session, lost_samples) = match mem::replace(&mut self.log, Log::Closed) {
            Log::Closed => return ending,
            Log::Open(session) => (session, None),
            Log::Failed(Failure { session: None, .. }) => return Ending::DataLost,
            Log::Failed(Failure {
                session: Some(session),
                lost_samples,
                ..
            }) if self.may_go_on(&session) => (session, Some(lost_samples)),
            Log::Failed(_) => {
                crate::report(format_args!(
                    "the log stays unsealed: its hosts have names or marks that are not chosen \
                     any more"
                ));
                return Ending::DataLost;
            }
        };
        let mut tools = self.outside.tools();
        let recovered = match lost_samples {
            None => Ok(()),
            // A last try: the disk may have room again.
            Some(lost) => session.recover(&self.policy, self.mode, lost, now, &mut tools),
        };
        let knowledge = session.knowledge();
        // The seal first: a browser gives its hosts two seconds.
        if let Err(error) = recovered.and_then(|()| session.close(now, &mut tools)) {
            crate::report(format_args!("the log stays unsealed: {error}"));
            return Ending::DataLost;
        }
        kept::keep(&self.outside.paths, knowledge, now.wall_ms);
        ending
    }

    fn take_hello(&mut self, hello: ExtensionHello, now: Reading) {
        if self.hello.is_some() {
            let problem = "found a second hello";
            self.send(ErrorMessage::bug(ErrorCode::BadMessage, problem));
            return;
        }
        if let Some(error) = refusals::of_hello(&hello) {
            self.send(error);
            self.ending = Some(Ending::Refused);
            return;
        }
        self.first_n = hello.first_n;
        self.hello = Some(hello);
        self.open_log(now);
    }

    fn take(&mut self, message: Incoming, now: Reading) {
        match message {
            Incoming::Hello(_) => unreachable!("a hello is taken before"),
            Incoming::Events { events } if events.len() > MAX_EVENTS => {
                let count = events.len();
                let problem = format!("found {count} events, expected at most {MAX_EVENTS}");
                self.send(ErrorMessage::bug(ErrorCode::BadMessage, problem));
            }
            // While there is no log they are passed over: they were not acknowledged, and the
            // next hello tells from where to send again.
            Incoming::Events { events } => {
                self.with_log(now, |session, tools| {
                    session.take_events(&events, now, tools)
                });
                self.note_first(events.first().and_then(|event| event.get("n")?.as_u64()));
            }
            Incoming::Lost(lost) => {
                self.with_log(now, |session, tools| session.take_lost(&lost, now, tools));
                self.note_first(Some(lost.from));
            }
            Incoming::Status { request } => {
                self.send_status(request, now);
                self.with_log(now, |session, tools| session.expect_wish(now, tools));
            }
            Incoming::Explain { request, tab } => match &self.log {
                Log::Open(session) => {
                    let explanation = session.explain(tab).map(Box::new);
                    self.send(Outgoing::Explanation {
                        request,
                        tab,
                        explanation,
                    });
                }
                Log::Closed | Log::Failed(_) => self.send_log_error(request),
            },
            Incoming::Policy { request } => self.send_policy(request),
            Incoming::ChangePolicy { request, policy } => {
                // What somebody has just saved is what is changed.
                self.poll_policy(now);
                let policy = lay_over(&self.policy, &policy);
                self.change_policy(request, policy, now);
            }
            Incoming::SetMode { request, mode } => {
                self.choose_mode(request, |choice| choice.mode = mode, now);
            }
            Incoming::Pause { request, until_ms } => {
                self.choose_mode(request, |choice| choice.paused_until_ms = until_ms, now);
            }
            Incoming::SetPrivacy {
                request,
                privacy,
                keep_days,
                keep_mib,
            } => {
                self.poll_privacy(now);
                let choice = PrivacyChoice {
                    privacy: privacy.unwrap_or(self.privacy.privacy),
                    keep_days: keep_days.unwrap_or(self.privacy.keep_days),
                    keep_mib: keep_mib.unwrap_or(self.privacy.keep_mib),
                };
                self.set_privacy(request, choice, now);
            }
            Incoming::Ping { request } => {
                let health = self.health(Face::Liveness, now);
                self.send(Outgoing::Pong { request, health });
            }
        }
    }

    /// Removes logs that are too old for a choice, and the oldest of what is too much.
    fn remove_surplus(&mut self, choice: PrivacyChoice, now: Reading) {
        let traces = self.outside.paths.traces();
        let packed = self.outside.paths.packed();
        let removal = match choice.retention().apply(&traces, packed, now.wall_ms) {
            Ok(removal) => removal,
            Err(error) => {
                let path = traces.display();
                crate::report(format_args!("{path}: old logs stay: {error}"));
                return;
            }
        };
        for error in &removal.failures {
            crate::report(format_args!("an old log stays as it is: {error}"));
        }
        if removal.removed.is_empty() {
            return;
        }
        let bytes = removal.removed.iter().map(|trace| trace.bytes).sum();
        let removed = RemovedTraces {
            traces: removal.removed.len(),
            bytes,
            at_ms: now.wall_ms,
        };
        let PrivacyChoice {
            keep_days,
            keep_mib,
            ..
        } = choice;
        crate::report(format_args!(
            "removed logs of {} browser sessions, {bytes} bytes: kept are {keep_days} days and \
             {keep_mib} MiB",
            removed.traces
        ));
        self.removed = Some(removed);
    }

    fn send(&mut self, message: impl Into<Outgoing>) {
        self.outside.port.send(&message.into());
    }
}
