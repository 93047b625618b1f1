//! What the extension is told when something is refused or fails, and what to do about it.

use std::io::{self, ErrorKind};

use engine::PolicyError;
use recorder::WriteError;

use crate::policy_file::{Refusal, StoreError};
use crate::protocol::{ErrorCode, ErrorMessage, ExtensionHello, PROTOCOL};

/// What to do about a policy file that was refused.
const CORRECT_THE_FILE: &str = "correct the file; the policy before stays in force";

/// Why the host does not go on with a caller; `None` where it does.
pub fn of_hello(hello: &ExtensionHello) -> Option<Box<ErrorMessage>> {
    if hello.incognito {
        let problem = "the extension runs in a private window, and private windows are never \
                       recorded";
        let fix = "switch off «Allow in Incognito» for the extension";
        return Some(ErrorMessage::new(ErrorCode::PrivateWindow, problem, fix));
    }
    let ([from, to], [theirs_from, theirs_to]) = (PROTOCOL, hello.protocol);
    if theirs_from <= to && from <= theirs_to {
        return None;
    }
    let problem = format!(
        "the extension speaks the protocols {theirs_from} to {theirs_to}, this host {from} to {to}"
    );
    let fix = if to < theirs_from {
        "update the host"
    } else {
        "update the extension"
    };
    let error = ErrorMessage::new(ErrorCode::ProtocolMismatch, problem, fix);
    Some(error.adding("protocol", PROTOCOL.to_vec()))
}

/// A setting that cannot be as it was asked for.
pub fn bad_setting(error: PolicyError) -> Box<ErrorMessage> {
    let PolicyError { field, problem, .. } = error;
    let fix = "correct the setting; the policy before stays in force";
    ErrorMessage::new(ErrorCode::BadPolicy, problem.clone(), fix)
        .adding("field", field)
        .adding("problem", problem)
}

/// A policy that its file does not take.
pub fn unkept_policy(error: StoreError, file_name: &str) -> Box<ErrorMessage> {
    let message = error.to_string();
    match error {
        // Without the field: in an answer that is one of the request.
        StoreError::Refused(Refusal {
            file,
            line,
            problem,
            ..
        }) => ErrorMessage::new(ErrorCode::BadPolicy, message, CORRECT_THE_FILE)
            .adding("file", file)
            .adding("line", line)
            .adding("problem", problem),
        StoreError::Io(_) => {
            let problem = format!("{file_name}: {message}");
            let fix = "make the policy file writable";
            ErrorMessage::new(ErrorCode::BadPolicy, problem.clone(), fix).adding("problem", problem)
        }
    }
}

/// A choice of privacy that cannot be as it was asked for.
pub fn bad_choice(field: &str, problem: String) -> Box<ErrorMessage> {
    let fix = "correct it; what was chosen before stays in force";
    ErrorMessage::new(ErrorCode::BadPrivacy, problem.clone(), fix)
        .adding("field", field)
        .adding("problem", problem)
}

/// A choice of privacy that its file does not take.
pub fn unkept_choice(error: &io::Error) -> Box<ErrorMessage> {
    let problem = format!("the choice cannot be kept: {error}");
    let fix = "make the folder writable for yourself; what was chosen before stays in force";
    ErrorMessage::new(ErrorCode::BadPrivacy, problem, fix)
}

/// A policy file that was changed on the disk, and refused.
pub fn bad_file(refusal: &Refusal) -> Box<ErrorMessage> {
    ErrorMessage::new(ErrorCode::BadPolicy, refusal.to_string(), CORRECT_THE_FILE)
        .adding("file", refusal.file.clone())
        .adding("line", refusal.line)
        .adding("field", refusal.field.clone())
        .adding("problem", refusal.problem.clone())
}

/// A log that cannot be opened or written.
pub fn failed_log(error: &WriteError) -> Box<ErrorMessage> {
    let message = error.to_string();
    let io = match error {
        WriteError::Locked { pid, .. } => {
            let fix = "close the other browser or extension that uses this log; the host tries \
                       again by itself";
            return ErrorMessage::new(ErrorCode::LogLocked, message, fix).adding("pid", *pid);
        }
        WriteError::Io { error, .. } | WriteError::SyncFailed { error, .. } => Some(error.kind()),
        _ => None,
    };
    let fix = match io {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            "make room on the disk; the host tries again by itself"
        }
        Some(ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            "make the folder writable for yourself; the host tries again by itself"
        }
        _ => "look at the folder and the disk; the host tries again by itself",
    };
    ErrorMessage::new(ErrorCode::LogUnavailable, message, fix)
}
