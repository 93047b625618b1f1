//! The log's good and bad days: it is opened, fails, is tried again, and is followed by another.

use engine::SEMANTICS;
use recorder::WriteError;

use super::Connection;
use crate::clock::Reading;
use crate::host_key;
use crate::kept;
use crate::protocol::{ErrorMessage, HostHello, Outgoing, PROTOCOL};
use crate::refusals;
use crate::session::{Beginning, SAMPLE_MS, Session, Tools};

/// How long the first try to write a failed log again is waited for; each waits twice as long.
const FIRST_RETRY_MS: i64 = 1_000;

/// The longest wait for a try.
const LONGEST_RETRY_MS: i64 = 30_000;

/// The log of a connection.
pub(super) enum Log {
    /// There was no hello yet.
    Closed,
    Open(Box<Session>),
    Failed(Failure),
}

/// A log that cannot be written.
pub(super) struct Failure {
    /// The session, where it had been open; it can be made good again.
    pub(super) session: Option<Box<Session>>,
    pub(super) error: Box<ErrorMessage>,
    /// When it is tried again, in boot time.
    pub(super) retry_ms: i64,
    wait_ms: i64,
    pub(super) lost_samples: u64,
    /// Up to when the lost samples are counted, on the awake clock.
    counted_ms: i64,
}

impl Connection {
    /// Does something with the log. False if there is none, or it failed at it.
    pub(super) fn with_log(
        &mut self,
        now: Reading,
        work: impl FnOnce(&mut Session, &mut Tools<'_>) -> Result<(), WriteError>,
    ) -> bool {
        let Log::Open(session) = &mut self.log else {
            return false;
        };
        let mut tools = self.outside.tools();
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
    pub(super) fn note_first(&mut self, n: Option<u64>) {
        self.first_n = self.first_n.or(n);
    }

    /// Remembers what the next log begins with: what follows the last event that need not come
    /// again, if there is one.
    fn begin_after(&mut self, n: u64) {
        if n > 0 {
            self.first_n = Some(n + 1);
        }
    }

    /// Opens the log: goes on with the extension's session, or begins anew.
    pub(super) fn open_log(&mut self, now: Reading) {
        self.try_to_open(0, FIRST_RETRY_MS, now);
    }

    fn try_to_open(&mut self, lost_samples: u64, wait_ms: i64, now: Reading) {
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

    /// Whether a log that failed may be gone on with: neither the choice of privacy nor, where it
    /// matters, the list of protected domains was changed meanwhile.
    pub(super) fn may_go_on(&self, session: &Session) -> bool {
        session.marks_hold(&self.policy) && session.privacy() == self.privacy.privacy
    }

    pub(super) fn retry_log(&mut self, now: Reading) {
        if !matches!(&self.log, Log::Failed(failure) if now.boot_ms >= failure.retry_ms) {
            return;
        }
        let Log::Failed(mut failure) = std::mem::replace(&mut self.log, Log::Closed) else {
            unreachable!("it was looked at above");
        };
        failure.count_lost_samples(now);
        let wait_ms = (failure.wait_ms * 2).min(LONGEST_RETRY_MS);
        match failure.session {
            None => self.try_to_open(failure.lost_samples, wait_ms, now),
            Some(session) if !self.may_go_on(&session) => {
                self.begin_after(session.acknowledged_n());
                kept::keep(&self.outside.paths, session.knowledge(), now.wall_ms);
                // Its lock would be in the way.
                drop(session);
                self.try_to_open(failure.lost_samples, wait_ms, now);
            }
            Some(mut session) => {
                let mut tools = self.outside.tools();
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

    /// Seals the log, and begins another with what is chosen now.
    pub(super) fn begin_anew(&mut self, now: Reading) {
        let Log::Open(session) = std::mem::replace(&mut self.log, Log::Closed) else {
            unreachable!("it is called with an open log");
        };
        kept::keep(&self.outside.paths, session.knowledge(), now.wall_ms);
        let mut tools = self.outside.tools();
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
        self.open_log(now);
    }
}

impl Failure {
    fn count_lost_samples(&mut self, now: Reading) {
        let lost = (now.awake_ms - self.counted_ms) / SAMPLE_MS;
        self.lost_samples += lost.unsigned_abs();
        self.counted_ms += lost * SAMPLE_MS;
    }
}
