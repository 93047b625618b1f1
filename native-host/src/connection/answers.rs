//! What a connection answers to questions.

use std::sync::Arc;

use super::Connection;
use super::log::Log;
use crate::clock::Reading;
use crate::health::{Face, Live, LiveLog, Report, Subject};
use crate::protocol::{
    Cluster, FocusStatus, LogState, LogStatus, Observed, Outgoing, PROTOCOL, PolicyAnswer,
    PrivacyStatus, Status,
};

impl Connection {
    pub(super) fn send_policy(&mut self, request: u64) {
        let answer = PolicyAnswer::new(request, self.policy.clone(), self.policy_file.place());
        self.send(Outgoing::Policy(Box::new(answer)));
    }

    pub(super) fn send_log_error(&mut self, request: u64) {
        if let Log::Failed(failure) = &self.log {
            let error = failure.error.clone();
            self.send(error.answering(request));
        }
    }

    pub(super) fn send_status(&mut self, request: u64, now: Reading) {
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

    pub(super) fn health(&self, face: Face, now: Reading) -> Report {
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
