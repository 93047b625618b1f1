//! The policy file: in a running host whether it was refused, else whether it would be.

use std::time::Duration;

use engine::PolicyDocument;

use crate::health::{Check, Face, Finding, Subject};
use crate::paths::read_file;
use crate::policy_file::MAX_POLICY_BYTES;

pub(super) const LOADED: Check<Subject> = Check {
    id: "policy.loaded",
    about: "the policy file can be read and is in force",
    faces: &[Face::Readiness, Face::Doctor],
    // With a bad one the policy before stays in force.
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "correct the file; the policy before stays in force until then",
    run: |subject| {
        if let Some(live) = &subject.live {
            return match &live.policy_refusal {
                None => Finding::healthy("it is in force"),
                Some(refusal) => Finding::degraded(refusal.to_string()),
            };
        }
        let path = subject.machine.paths.policy();
        let shown = subject.machine.show(&path);
        match read_file(&path, MAX_POLICY_BYTES) {
            Err(error) => Finding::degraded(format!("{shown}: {error}")),
            Ok(None) => Finding::healthy("there is none yet: the defaults will be written"),
            Ok(Some(text)) => match PolicyDocument::from_toml(&text) {
                Ok(_) => Finding::healthy("it can be read"),
                Err(error) => Finding::degraded(format!("{shown}: {error}")),
            },
        }
    },
    repair: None,
};
