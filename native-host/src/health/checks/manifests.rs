//! The manifests by which browsers find the host: the most frequent trouble of all, in the order
//! in which KeePassXC's troubleshooting looks: is there one, can it be read, does it name this
//! program, does it name our extension.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;

use crate::browsers::Browser;
use crate::extensions::{ExtensionId, read_others};
use crate::health::{Check, Face, Finding, State, Subject};
use crate::install::{HOST_NAME, MANIFEST_NAME, Manifest, Place, allowed_in, install};

pub(super) const PRESENT: Check<Subject> = Check {
    id: "manifest.present",
    about: "every browser found has a manifest of the host",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "run `tab-orchestrator-host install`, or `doctor --fix`",
    run: |subject| {
        let browsers: Vec<_> = subject.machine.roots.browsers().collect();
        let missing: Vec<_> = browsers
            .iter()
            .filter(|browser| manifest_of(subject, browser).is_none())
            .map(|browser| browser.name)
            .collect();
        if browsers.is_empty() {
            Finding::skipped("there is no browser")
        } else if missing.len() == browsers.len() {
            Finding::unhealthy("no browser has one")
        } else if missing.is_empty() {
            Finding::healthy("each has one")
        } else {
            Finding::degraded(format!("missing for {}", missing.join(", ")))
        }
    },
    repair: Some(|subject| {
        let place = |browser| manifest_of(subject, browser).is_none();
        install_where(subject, place)
    }),
};

pub(super) const VALID: Check<Subject> = Check {
    id: "manifest.valid",
    about: "manifests can be read and are those of the host",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "run `tab-orchestrator-host install`, or `doctor --fix`",
    run: |subject| {
        judge(subject, |_, seen| match &seen.manifest {
            Err(error) => Some((State::Unhealthy, format!("cannot be read: {error}"))),
            Ok(it) if it.name != HOST_NAME => Some((
                State::Unhealthy,
                format!("has the name {:?}, expected {HOST_NAME:?}", it.name),
            )),
            Ok(it) if it.kind != "stdio" => Some((
                State::Unhealthy,
                format!("has the type {:?}, expected \"stdio\"", it.kind),
            )),
            Ok(_) => None,
        })
    },
    repair: Some(|subject| {
        install_where(subject, |browser| {
            let seen = manifest_of(subject, browser);
            seen.is_some_and(|seen| {
                seen.manifest
                    .map_or(true, |it| it.name != HOST_NAME || it.kind != "stdio")
            })
        })
    }),
};

pub(super) const PATH: Check<Subject> = Check {
    id: "manifest.path",
    about: "manifests name this program, where it lies now",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "run `tab-orchestrator-host install` with the program where it is to stay, or \
          `doctor --fix`",
    run: |subject| {
        judge(subject, |_, seen| {
            let path = &seen.manifest.as_ref().ok()?.path;
            let shown = subject.machine.show(path);
            if *path == subject.machine.program && is_program(path) {
                None
            } else if *path == subject.machine.program {
                let problem = format!("names {shown}, which may not be run");
                Some((State::Unhealthy, problem))
            } else if is_program(path) {
                let problem = format!("names another program, {shown}");
                Some((State::Degraded, problem))
            } else {
                let problem = format!("names {shown}, where no program is");
                Some((State::Unhealthy, problem))
            }
        })
    },
    repair: Some(|subject| {
        install_where(subject, |browser| {
            let manifest = manifest_of(subject, browser).and_then(|seen| seen.manifest.ok());
            manifest.is_some_and(|it| it.path != subject.machine.program)
        })
    }),
};

pub(super) const EXTENSIONS: Check<Subject> = Check {
    id: "manifest.extensions",
    about: "manifests allow the extension, and nobody whom the host would refuse",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "run `tab-orchestrator-host install`, with `--extension-id` for an id of your own, or \
          `doctor --fix`",
    run: |subject| {
        judge(subject, |browser, seen| {
            let expect = expected_extensions(subject, browser);
            let found = seen.manifest.as_ref().ok()?.allowed(browser.family);
            let missing: Vec<_> = expect.iter().filter(|id| !found.contains(id)).collect();
            let surplus: Vec<_> = found.iter().filter(|id| !expect.contains(id)).collect();
            let list = |ids: &[&String]| {
                let ids: Vec<_> = ids.iter().map(|id| id.as_str()).collect();
                ids.join(", ")
            };
            if !missing.is_empty() {
                let problem = format!("does not allow {}", list(&missing));
                Some((State::Unhealthy, problem))
            } else if !surplus.is_empty() {
                let problem = format!("allows {}, which the host refuses", list(&surplus));
                Some((State::Degraded, problem))
            } else {
                None
            }
        })
    },
    repair: Some(|subject| {
        install_where(subject, |browser| {
            let manifest = manifest_of(subject, browser).and_then(|seen| seen.manifest.ok());
            let expect = expected_extensions(subject, browser);
            manifest.is_some_and(|it| it.allowed(browser.family) != expect)
        })
    }),
};

/// A manifest that is there.
struct Seen {
    path: PathBuf,
    manifest: io::Result<Manifest>,
}

/// The manifest that a browser reads: the user's, or else the system's.
fn manifest_of(subject: &Subject, browser: &Browser) -> Option<Seen> {
    let roots = &subject.machine.roots;
    let folders = browser.folders(roots.os)?;
    let mut hosts = [folders.hosts]
        .into_iter()
        .chain(folders.system_hosts.iter().copied());
    hosts.find_map(|folder| {
        let path = roots.resolve(folder).join(MANIFEST_NAME);
        let manifest = Manifest::read(&path).transpose()?;
        Some(Seen { path, manifest })
    })
}

/// Asks of each manifest what is wrong with it, and tells the worst with all of them.
fn judge(
    subject: &Subject,
    problem: impl Fn(&'static Browser, &Seen) -> Option<(State, String)>,
) -> Finding {
    let mut seen_count = 0_u64;
    let mut worst = State::Healthy;
    let mut problems = Vec::new();
    for browser in subject.machine.roots.browsers() {
        let Some(seen) = manifest_of(subject, browser) else {
            continue;
        };
        seen_count += 1;
        if let Some((state, problem)) = problem(browser, &seen) {
            worst = worst.max(state);
            let path = subject.machine.show(&seen.path);
            problems.push(format!("{}: {path} {problem}", browser.name));
        }
    }
    if seen_count == 0 {
        Finding::skipped("there is no manifest")
    } else if problems.is_empty() {
        Finding::healthy("as they should be").observing(seen_count, "manifests")
    } else {
        Finding::new(worst, problems.join("\n")).observing(seen_count, "manifests")
    }
}

fn expected_extensions(subject: &Subject, browser: &Browser) -> Vec<String> {
    let others = read_others(&subject.machine.paths.extensions()).unwrap_or_default();
    let ids = allowed_in(browser.family, others);
    ids.iter().map(ExtensionId::in_manifest).collect()
}

fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Writes the user's manifest anew for the browsers that need it.
fn install_where(
    subject: &Subject,
    is_needed: impl Fn(&'static Browser) -> bool,
) -> anyhow::Result<Vec<String>> {
    let machine = &subject.machine;
    let mut done = Vec::new();
    for place in Place::present(&machine.roots) {
        let Some(browser) = place.browser().filter(|browser| is_needed(browser)) else {
            continue;
        };
        let installed = install(&place, &machine.program, &[], &machine.paths)?;
        if installed.is_new {
            let path = machine.show(&installed.manifest);
            done.push(format!("wrote {path} for {}", browser.name));
        }
    }
    Ok(done)
}
