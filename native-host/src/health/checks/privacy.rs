//! The choice of privacy and the key that hostnames are hashed under. Who may read the two files is
//! looked at with all others, by `folder.modes`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use recorder::Privacy;

use crate::choice_file::ChoiceFile;
use crate::health::{Check, Face, Finding, Subject};
use crate::host_key::{self, Found};
use crate::kept;
use crate::privacy_choice::PrivacyChoice;

pub(super) const CHOICE: Check<Subject> = Check {
    id: "privacy.choice",
    about: "the choice of privacy can be read",
    faces: &[Face::Doctor],
    // Nothing is told that may have been hidden, and nothing goes that may have been kept.
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "make the choice anew on the settings page; until then hostnames are hashed, and logs are \
          kept",
    run: |subject| {
        let path = subject.machine.paths.privacy();
        match ChoiceFile::<PrivacyChoice>::read(&path) {
            Ok(None) => Finding::healthy("none was made: the defaults hold"),
            Ok(Some(_)) => Finding::healthy("it can be read"),
            Err(problem) => {
                Finding::degraded(format!("{}: {problem}", subject.machine.show(&path)))
            }
        }
    },
    repair: None,
};

pub(super) const KEY: Check<Subject> = Check {
    id: "privacy.key",
    about: "the key that hostnames are hashed under is there, and nobody else's",
    faces: &[Face::Doctor],
    // Where it is needed and cannot be read no log is written.
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "put the file back as it was before a browser starts; else another key is made, and no \
          name that was hashed before can be told again",
    run: |subject| {
        let paths = &subject.machine.paths;
        let path = paths.host_key();
        let shown = subject.machine.show(&path);
        match host_key::find(&path) {
            Ok(Found::Key(_)) => match fs::metadata(&path) {
                Ok(it) if path.is_symlink() && it.mode() & 0o077 != 0 => {
                    Finding::degraded(format!(
                        "{shown} leads to a file that is open to others: mode {:04o}",
                        it.mode() & 0o777
                    ))
                    .fixed_by("`chmod go=` on the file that it leads to")
                }
                Ok(_) => Finding::healthy("it is there"),
                Err(error) => Finding::degraded(format!("{shown}: {error}")),
            },
            Ok(Found::Damaged) => {
                Finding::degraded(format!("{shown}: found no key of 64 hex digits"))
            }
            Ok(Found::Nothing) if was_used(subject) => {
                Finding::degraded(format!("{shown} is gone, and names were hashed under it"))
            }
            Ok(Found::Nothing) => Finding::healthy("there is none yet: it is made when needed"),
            Err(error) if is_needed(subject) => Finding::unhealthy(format!("{shown}: {error}"))
                .fixed_by(
                    "make it a file that you may read, or delete it, and another key is made; no \
                     log is written until then",
                ),
            Err(error) => Finding::degraded(format!("{shown}: {error}")).fixed_by(
                "make it a file that you may read, or delete it; it is needed once hostnames are \
                 hashed",
            ),
        }
    },
    repair: None,
};

/// Whether names are hashed. They are where the choice cannot be read.
fn is_needed(subject: &Subject) -> bool {
    match ChoiceFile::<PrivacyChoice>::read(&subject.machine.paths.privacy()) {
        Ok(choice) => choice.unwrap_or_default().privacy != Privacy::Hostname,
        Err(_) => true,
    }
}

/// Whether what was learnt of hosts is kept under names that were hashed.
fn was_used(subject: &Subject) -> bool {
    let kept = kept::read_knowledge(&subject.machine.paths.knowledge());
    kept.is_some_and(|kept| kept.privacy == Privacy::KeyedHash)
}
