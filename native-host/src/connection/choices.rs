//! What people choose: mode and pause, privacy, policy. A choice holds once its file or the log has
//! it, and what another browser's host was told is seen in the file.

use std::io::{self, ErrorKind};

use engine::{PolicyDocument, PolicyError};
use recorder::PolicySource;

use super::Connection;
use super::log::Log;
use crate::choice_file::Choice as _;
use crate::clock::Reading;
use crate::mode_choice::ModeChoice;
use crate::privacy_choice::PrivacyChoice;
use crate::refusals;

impl Connection {
    pub(super) fn choose_mode(
        &mut self,
        request: u64,
        change: impl FnOnce(&mut ModeChoice),
        now: Reading,
    ) {
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

    pub(super) fn poll_mode(&mut self, now: Reading) {
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

    pub(super) fn set_privacy(&mut self, request: u64, choice: PrivacyChoice, now: Reading) {
        if matches!(self.log, Log::Closed) {
            self.send_log_error(request);
            return;
        }
        if let Err((field, problem)) = choice.check() {
            let error = refusals::bad_choice(field, problem);
            self.send(error.answering(request));
            return;
        }
        // The file first: a choice that it does not have would be gone with the next start, and
        // names would be told again.
        let mut kept = self.privacy_file.store(&choice);
        if kept.as_ref().is_err_and(is_for_want_of_room) {
            // There is some once what is left out of the choice is gone.
            self.remove_surplus(choice, now);
            kept = self.privacy_file.store(&choice);
        }
        if let Err(error) = kept {
            let error = refusals::unkept_choice(&error);
            self.send(error.answering(request));
            return;
        }
        self.use_privacy(choice, now);
        self.send_status(request, now);
    }

    pub(super) fn poll_privacy(&mut self, now: Reading) {
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

    pub(super) fn change_policy(
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

    pub(super) fn poll_policy(&mut self, now: Reading) {
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
}

fn is_for_want_of_room(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded
    )
}
