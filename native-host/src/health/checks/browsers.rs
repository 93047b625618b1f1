//! The browsers of this user: those that can start the host, and those whose sandbox keeps them
//! from it.

use std::time::Duration;

use crate::browsers::BROWSERS;
use crate::health::{Check, Face, Finding, Subject};

pub(super) const FOUND: Check<Subject> = Check {
    id: "browser.found",
    about: "a browser that the host can be installed for",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "start the browser once, so that it makes its folder; a profile that lies somewhere else \
          is not looked at: give its folder to `install --user-data-dir`",
    run: |subject| {
        let names: Vec<_> = subject.machine.roots.browsers().map(|it| it.name).collect();
        let count = names.len() as u64;
        let finding = if names.is_empty() {
            Finding::unhealthy("none of those that it can be installed for")
        } else {
            Finding::healthy(names.join(", "))
        };
        finding.observing(count, "browsers")
    },
    repair: None,
};

pub(super) const SANDBOXED: Check<Subject> = Check {
    id: "browser.sandboxed",
    about: "browsers in a sandbox, which cannot start the host",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "use the browser's own package (deb, rpm or archive) where you want the host; in the \
          sandbox the extension does nothing and says so",
    run: |subject| {
        let roots = &subject.machine.roots;
        let is_there = |path: &str| roots.resolve(path).is_dir();
        let mut found = Vec::new();
        for browser in BROWSERS {
            if browser
                .sandboxed
                .flatpak
                .is_some_and(|[folder, _]| is_there(folder))
            {
                found.push(format!(
                    "{} from Flatpak is not supported: it cannot start programs outside of its \
                     sandbox, and a copy inside would see no process of the machine",
                    browser.name
                ));
            }
            if browser.sandboxed.snap.is_some_and(is_there) {
                found.push(format!(
                    "{} from Snap is not supported: it reaches programs outside only through a \
                     portal that most systems do not have",
                    browser.name
                ));
            }
        }
        if found.is_empty() {
            Finding::healthy("none")
        } else {
            Finding::degraded(found.join("\n"))
        }
    },
    repair: None,
};
