//! One connection of an extension: the handshake, its messages, and the log's good and bad days.
//!
//! Like the session it starts no thread and waits for nothing.

use std::sync::Arc;

use engine::{PolicyDocument, PolicyError, SEMANTICS};
use recorder::{PolicySource, Storage, WriteError};

use crate::choice_file::{Choice as _, ChoiceFile};
use crate::clock::Reading;
use crate::framing::{FramingError, MAX_MESSAGE_BYTES};
use crate::health::{self, Face, Live, LiveLog, Machine, Registry, Report, Steady, Subject};
use crate::host_key;
use crate::kept;
use crate::metrics::Sampler;
use crate::mode_choice::ModeChoice;
use crate::paths::Paths;
use crate::policy_file::{PolicyFile, lay_over};
use crate::privacy_choice::PrivacyChoice;
use crate::protocol::{
    Cluster, ErrorCode, ErrorMessage, ExtensionHello, FocusStatus, HostHello, Incoming, LogState,
    LogStatus, MAX_EVENTS, Observed, Outgoing, PROTOCOL, PolicyAnswer, PrivacyStatus,
    RemovedTraces, Status,
};
use crate::refusals::{self, EXTENSION_BUG};
use crate::session::{Beginning, Port, SAMPLE_MS, Session, Tools};

/// How often the files are looked at that people and other hosts change.
const POLL_MS: i64 = 2_500;

/// How often what was learnt of the hosts is kept. A host that is killed learns it again from the
/// log, unless the browser goes with it.
const KNOWLEDGE_MS: i64 = 10 * 60_000;

/// How often logs are looked through for what is too old or too much: once a day.
const RETENTION_MS: i64 = 86_400_000;

/// How long the first try to write a failed log again is waited for; each waits twice as long.
const FIRST_RETRY_MS: i64 = 1_000;

/// The longest wait for a try.
const LONGEST_RETRY_MS: i64 = 30_000;

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

enum Log {
    /// There was no hello yet.
    Closed,
    Open(Box<Session>),
    Failed(Failure),
}

/// A log that cannot be written.
struct Failure {
    /// The session, where it had been open; it can be made good again.
    session: Option<Box<Session>>,
    error: Box<ErrorMessage>,
    retry_ms: i64,
    wait_ms: i64,
    lost_samples: u64,
    /// Up to when the lost samples are counted, on the awake clock.
    counted_ms: i64,
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
                let error = ErrorMessage::new(ErrorCode::HelloExpected, problem, EXTENSION_BUG);
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
                self.send(ErrorMessage::new(
                    ErrorCode::Framing,
                    problem,
                    EXTENSION_BUG,
                ));
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
            Log::Open(session) => session.due_ms(),
            Log::Failed(failure) => failure.retry_ms,
        };
        let of_retention = match &self.log {
            Log::Closed => i64::MAX,
            Log::Open(_) | Log::Failed(_) => self.next_retention_ms,
        };
        of_log
            .min(self.next_poll_ms)
            .min(self.next_knowledge_ms)
            .min(of_retention)
    }

    /// How the connection ended, if the host ended it.
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    /// Ends the connection: seals the log and keeps what was learnt.
    pub fn finish(mut self, now: Reading) -> Ending {
        let ending = self.ending.unwrap_or(Ending::Sealed);
        let Outside { port, sampler, .. } = &mut self.outside;
        let mut tools = Tools {
            port: &mut **port,
            sampler: &mut **sampler,
        };
        let (mut session, lost_samples) = match self.log {
            Log::Closed => return ending,
            Log::Open(session) => (session, None),
            Log::Failed(Failure { session: None, .. }) => return Ending::DataLost,
            Log::Failed(Failure {
                session: Some(session),
                lost_samples,
                ..
            }) => (session, Some(lost_samples)),
        };
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
            self.send(ErrorMessage::new(
                ErrorCode::BadMessage,
                problem,
                EXTENSION_BUG,
            ));
            return;
        }
        if let Some(error) = refusals::of_hello(&hello) {
            self.send(error);
            self.ending = Some(Ending::Refused);
            return;
        }
        self.first_n = hello.first_n;
        self.hello = Some(hello);
        self.open_log(0, FIRST_RETRY_MS, now);
    }

    fn take(&mut self, message: Incoming, now: Reading) {
        match message {
            Incoming::Hello(_) => unreachable!("a hello is taken before"),
            Incoming::Events { events } if events.len() > MAX_EVENTS => {
                let count = events.len();
                let problem = format!("found {count} events, expected at most {MAX_EVENTS}");
                self.send(ErrorMessage::new(
                    ErrorCode::BadMessage,
                    problem,
                    EXTENSION_BUG,
                ));
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
            Incoming::Status { request } => self.send_status(request, now),
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

    // ---- Mode ---------------------------------------------------------------------------------

    fn choose_mode(&mut self, request: u64, change: impl FnOnce(&mut ModeChoice), now: Reading) {
        // What another host was told meanwhile stays.
        self.poll_mode(now);
        let mut choice = self.mode;
        change(&mut choice);
        if !self.tell_mode(choice, now) {
            self.send_log_error(request);
            return;
        }
        self.mode = choice;
        if let Err(error) = self.mode_file.store(&choice) {
            crate::report(format_args!(
                "mode and pause hold for this session only: {error}"
            ));
        }
        self.send_status(request, now);
    }

    fn poll_mode(&mut self, now: Reading) {
        if let Some(choice) = self.mode_file.poll() {
            // Where the log cannot be written it is told there when it can.
            self.tell_mode(choice, now);
            self.mode = choice;
        }
    }

    /// Logs what of a choice is new. False if the log could not be written.
    fn tell_mode(&mut self, choice: ModeChoice, now: Reading) -> bool {
        let before = self.mode;
        self.with_log(now, |session, tools| {
            if choice.mode != before.mode {
                session.set_mode(choice.mode, now, tools)?;
            }
            if choice.paused_until_ms != before.paused_until_ms {
                session.pause(choice.paused_until_ms, now, tools)?;
            }
            Ok(())
        })
    }

    // ---- Privacy ------------------------------------------------------------------------------

    fn set_privacy(&mut self, request: u64, choice: PrivacyChoice, now: Reading) {
        if matches!(self.log, Log::Closed) {
            self.send_log_error(request);
            return;
        }
        if let Err((field, problem)) = choice.check() {
            let error = refusals::bad_choice(field, problem);
            self.send(error.answering(request));
            return;
        }
        // A full disk has no room for the file until something goes.
        if matches!(self.log, Log::Failed(_)) {
            self.remove_surplus(choice, now);
        }
        // The file first: a choice that it does not have would be gone with the next start, and
        // names would be told again.
        if let Err(error) = self.privacy_file.store(&choice) {
            let error = refusals::unkept_choice(&error);
            self.send(error.answering(request));
            return;
        }
        self.use_privacy(choice, now);
        self.send_status(request, now);
    }

    fn poll_privacy(&mut self, now: Reading) {
        if let Some(choice) = self.privacy_file.poll() {
            self.use_privacy(choice, now);
        }
    }

    fn use_privacy(&mut self, choice: PrivacyChoice, now: Reading) {
        self.privacy = choice;
        if matches!(&self.log, Log::Open(session) if session.privacy() != choice.privacy) {
            self.begin_anew(now);
        }
        // What is left out of the new choice goes now, and not tomorrow.
        self.next_retention_ms = now.boot_ms;
    }

    /// Seals the log, and begins another with what is chosen now.
    fn begin_anew(&mut self, now: Reading) {
        let Log::Open(session) = std::mem::replace(&mut self.log, Log::Closed) else {
            unreachable!("it is called with an open log");
        };
        kept::keep(&self.outside.paths, session.knowledge(), now.wall_ms);
        let Outside { port, sampler, .. } = &mut self.outside;
        let mut tools = Tools {
            port: &mut **port,
            sampler: &mut **sampler,
        };
        let (last_n, acknowledged_n) = (session.last_n(), session.acknowledged_n());
        let in_log_before = match session.close(now, &mut tools) {
            Ok(()) => last_n,
            // What was not acknowledged is sent again.
            Err(error) => {
                crate::report(format_args!("the log before stays unsealed: {error}"));
                acknowledged_n
            }
        };
        self.begin_after(in_log_before);
        self.open_log(0, FIRST_RETRY_MS, now);
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

    // ---- Policy -------------------------------------------------------------------------------

    fn change_policy(
        &mut self,
        request: u64,
        policy: Result<PolicyDocument, PolicyError>,
        now: Reading,
    ) {
        if !matches!(self.log, Log::Open(_)) {
            self.send_log_error(request);
            return;
        }
        let policy = match policy {
            Ok(policy) => policy,
            Err(error) => {
                let error = refusals::bad_setting(error);
                self.send(error.answering(request));
                return;
            }
        };
        // The file first: it is the truth, and a policy that it does not have would be gone with
        // the next start.
        if let Err(error) = self.policy_file.store(&policy) {
            let error = refusals::unkept_policy(error, &self.policy_file.name());
            self.send(error.answering(request));
            return;
        }
        if self.use_policy(&policy, PolicySource::Extension, now) {
            self.send_policy(request);
        } else {
            self.send_log_error(request);
        }
    }

    fn poll_policy(&mut self, now: Reading) {
        match self.policy_file.poll() {
            None => {}
            Some(Ok(policy)) => {
                self.use_policy(&policy, PolicySource::File, now);
            }
            // Before the hello nobody listens; it is told after it.
            Some(Err(_)) if !matches!(self.log, Log::Open(_)) => {}
            Some(Err(refusal)) => self.send(refusals::bad_file(&refusal)),
        }
    }

    /// Takes a policy into force. False if the log could not be written; it is told there then
    /// when it can.
    fn use_policy(&mut self, policy: &PolicyDocument, by: PolicySource, now: Reading) -> bool {
        if *policy == self.policy {
            return true;
        }
        self.policy = policy.clone();
        if matches!(&self.log, Log::Open(session) if !session.marks_hold(policy)) {
            self.begin_anew(now);
            return matches!(self.log, Log::Open(_));
        }
        self.with_log(now, |session, tools| {
            session.change_policy(policy, by, now, tools)
        })
    }

    // ---- The log ------------------------------------------------------------------------------

    /// Does something with the log. False if there is none, or it failed at it.
    fn with_log(
        &mut self,
        now: Reading,
        work: impl FnOnce(&mut Session, &mut Tools<'_>) -> Result<(), WriteError>,
    ) -> bool {
        let Log::Open(session) = &mut self.log else {
            return false;
        };
        let Outside { port, sampler, .. } = &mut self.outside;
        let mut tools = Tools {
            port: &mut **port,
            sampler: &mut **sampler,
        };
        let Err(error) = work(session, &mut tools) else {
            return true;
        };
        let Log::Open(session) = std::mem::replace(&mut self.log, Log::Closed) else {
            unreachable!("the session is borrowed from it");
        };
        self.fail(Some(session), &error, 0, FIRST_RETRY_MS, now);
        false
    }

    /// Remembers what a log begins with, where nothing else tells: the first event that came.
    fn note_first(&mut self, n: Option<u64>) {
        self.first_n = self.first_n.or(n);
    }

    /// Remembers what the next log begins with: what follows the last event that need not come
    /// again, if there is one.
    fn begin_after(&mut self, n: u64) {
        if n > 0 {
            self.first_n = Some(n + 1);
        }
    }

    fn open_log(&mut self, lost_samples: u64, wait_ms: i64, now: Reading) {
        let Some(hello) = &self.hello else { return };
        let extension_session = hello.extension_session;
        let paths = &self.outside.paths;
        let (naming, is_key_new) = match host_key::naming(self.privacy.privacy, &paths.host_key()) {
            Ok(found) => found,
            Err(error) => {
                let path = paths.host_key();
                self.fail(
                    None,
                    &WriteError::Io { path, error },
                    lost_samples,
                    wait_ms,
                    now,
                );
                return;
            }
        };
        let beginning = Beginning {
            extension_session,
            policy: self.policy.clone(),
            mode: self.mode,
            knowledge: kept::take_up(&naming, is_key_new, paths),
            // Its names would be under another key from here on.
            may_go_on: !is_key_new,
            naming,
            lost_samples,
        };
        match Session::open(&paths.traces(), &*self.outside.storage, &beginning, now) {
            Ok(session) => self.opened(Box::new(session)),
            Err(error) => self.fail(None, &error, lost_samples, wait_ms, now),
        }
    }

    fn retry_log(&mut self, now: Reading) {
        if !matches!(&self.log, Log::Failed(failure) if now.boot_ms >= failure.retry_ms) {
            return;
        }
        let Log::Failed(mut failure) = std::mem::replace(&mut self.log, Log::Closed) else {
            unreachable!("it was looked at above");
        };
        failure.count_lost_samples(now);
        let wait_ms = (failure.wait_ms * 2).min(LONGEST_RETRY_MS);
        match failure.session {
            None => self.open_log(failure.lost_samples, wait_ms, now),
            // The list of protected domains or the choice of privacy was changed meanwhile.
            Some(session)
                if !session.marks_hold(&self.policy)
                    || session.privacy() != self.privacy.privacy =>
            {
                self.begin_after(session.acknowledged_n());
                drop(session);
                self.open_log(failure.lost_samples, wait_ms, now);
            }
            Some(mut session) => {
                let Outside { port, sampler, .. } = &mut self.outside;
                let mut tools = Tools {
                    port: &mut **port,
                    sampler: &mut **sampler,
                };
                let lost_samples = failure.lost_samples;
                match session.recover(&self.policy, self.mode, lost_samples, now, &mut tools) {
                    Ok(()) => self.opened(session),
                    // What it wrote is gone or damaged: the next try opens the log anew.
                    Err(error @ WriteError::Unreadable(_)) => {
                        self.begin_after(session.acknowledged_n());
                        self.fail(None, &error, lost_samples, wait_ms, now);
                    }
                    // The session keeps count of what was lost up to here.
                    Err(error) => self.fail(Some(session), &error, 0, wait_ms, now),
                }
            }
        }
        if let Log::Failed(next) = &mut self.log {
            next.counted_ms = failure.counted_ms;
        }
    }

    fn opened(&mut self, mut session: Box<Session>) {
        session.begin_with(self.first_n);
        let hello = HostHello {
            protocol: PROTOCOL[1],
            host_version: env!("CARGO_PKG_VERSION"),
            engine: SEMANTICS,
            session: session.id(),
            last_n: session.last_n(),
            mode: self.mode.mode,
            policy_hash: self.policy.hash(),
        };
        self.log = Log::Open(session);
        self.send(Outgoing::Hello(hello));
        if let Some(refusal) = self.policy_file.refusal() {
            let error = refusals::bad_file(refusal);
            self.send(error);
        }
    }

    fn fail(
        &mut self,
        session: Option<Box<Session>>,
        error: &WriteError,
        lost_samples: u64,
        wait_ms: i64,
        now: Reading,
    ) {
        crate::report(format_args!("{error}"));
        let error = refusals::failed_log(error);
        self.send(error.clone());
        self.log = Log::Failed(Failure {
            session,
            error,
            retry_ms: now.boot_ms + wait_ms,
            wait_ms,
            lost_samples,
            counted_ms: now.awake_ms,
        });
    }

    // ---- Answers ------------------------------------------------------------------------------

    fn send(&mut self, message: impl Into<Outgoing>) {
        self.outside.port.send(&message.into());
    }

    fn send_policy(&mut self, request: u64) {
        let answer = PolicyAnswer::new(request, self.policy.clone(), self.policy_file.place());
        self.send(Outgoing::Policy(Box::new(answer)));
    }

    fn send_log_error(&mut self, request: u64) {
        if let Log::Failed(failure) = &self.log {
            let error = failure.error.clone();
            self.send(error.answering(request));
        }
    }

    fn send_status(&mut self, request: u64, now: Reading) {
        let mut status = match &self.log {
            Log::Open(session) => session.status(request),
            Log::Failed(failure) => self.status_without_log(request, Some(&failure.error.message)),
            Log::Closed => self.status_without_log(request, None),
        };
        // The log's may have its lists under other names.
        status.policy_hash = self.policy.hash();
        status.privacy = PrivacyStatus {
            choice: self.privacy,
            removed: self.removed,
        };
        status.policy_error = self.policy_file.refusal().cloned();
        let health = self.health(Face::Readiness, now);
        status.health = Some(self.steady.settle(health));
        self.send(Outgoing::Status(Box::new(status)));
    }

    fn status_without_log(&self, request: u64, error: Option<&String>) -> Status {
        Status {
            request,
            mode: self.mode.mode,
            paused_until_ms: self.mode.paused_until_ms,
            score: None,
            level: None,
            reasons: Vec::new(),
            metrics: None,
            policy_hash: self.policy.hash(),
            tabs: 0,
            discarded: 0,
            cluster: Cluster::default(),
            cooldown_ms: 0,
            session: None,
            log: LogStatus {
                state: LogState::Failed,
                error: error.cloned(),
                synced_n: 0,
            },
            observed: Observed::default(),
            recent: Vec::new(),
            focus: FocusStatus {
                enabled: self.policy.focus.enabled,
                proactive: self.policy.focus.proactive,
            },
            privacy: PrivacyStatus::default(),
            policy_error: None,
            health: None,
        }
    }

    fn health(&self, face: Face, now: Reading) -> Report {
        let session = match &self.log {
            Log::Open(session) => Some(session),
            Log::Closed | Log::Failed(_) => None,
        };
        let log = match &self.log {
            Log::Open(_) => LiveLog::Writing,
            Log::Closed => LiveLog::Waiting,
            Log::Failed(failure) => LiveLog::Failed {
                error: failure.error.message.clone(),
                fix: failure.error.fix.clone(),
            },
        };
        // No loop turns while the machine sleeps.
        let waited_ms = now.awake_ms - self.ticked.awake_ms;
        let late_ms = waited_ms - (self.due_ms() - self.ticked.boot_ms);
        let live = Live {
            loop_late_ms: late_ms.max(0).unsigned_abs(),
            log,
            sample_age_ms: session.and_then(|session| session.sample_age_ms(now)),
            has_memory: session.is_none_or(|session| session.has_memory()),
            policy_refusal: self.policy_file.refusal().cloned(),
            // There is one protocol so far: who said hello speaks it.
            protocol: self.hello.as_ref().map(|_| PROTOCOL[1]),
        };
        let subject = Arc::new(Subject {
            machine: Arc::clone(&self.outside.machine),
            live: Some(live),
        });
        self.checks.run(face, &subject)
    }
}

impl Failure {
    fn count_lost_samples(&mut self, now: Reading) {
        let lost = (now.awake_ms - self.counted_ms) / SAMPLE_MS;
        self.lost_samples += lost.unsigned_abs();
        self.counted_ms += lost * SAMPLE_MS;
    }
}
