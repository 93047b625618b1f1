//! Our own folders and files: who may start the host, who may read what it keeps, and whether a
//! log can be written.

use std::fs::{self, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;

use crate::extensions::ExtensionId;
use crate::health::{Check, Face, Finding, Subject};
use crate::paths::read_file;

const MAX_FILE_BYTES: usize = 64 << 10;

pub(super) const EXTENSIONS_FILE: Check<Subject> = Check {
    id: "host.extensions",
    about: "the list of other extensions that may start the host",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "correct the line or delete it; the file is extensions.txt, beside the policy",
    run: |subject| {
        let path = subject.machine.paths.extensions();
        let shown = subject.machine.show(&path);
        let text = match read_file(&path, MAX_FILE_BYTES) {
            Ok(Some(text)) => text,
            Ok(None) => return Finding::healthy("none but the project's own"),
            Err(error) => return Finding::degraded(format!("{shown}: {error}")),
        };
        let lines = (1..)
            .zip(text.lines())
            .map(|(number, line)| (number, line.trim()));
        let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let mut count = 0;
        for (number, line) in entries {
            if let Err(error) = line.parse::<ExtensionId>() {
                return Finding::degraded(format!("{shown}: line {number}: {error}"));
            }
            count += 1;
        }
        Finding::healthy(format!("{count} besides the project's own"))
    },
    repair: None,
};

pub(super) const MODES: Check<Subject> = Check {
    id: "folder.modes",
    about: "nobody else can read what is kept",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(5),
    degraded_ms: None,
    may_flap: false,
    fix: "run `doctor --fix`, or `chmod -R go=` on the folders that are named",
    run: |subject| {
        let mut problems = Vec::new();
        let user = rustix::process::geteuid().as_raw();
        for (path, metadata) in kept(subject) {
            let shown = subject.machine.show(&path);
            if metadata.uid() != user {
                problems.push(format!("{shown} belongs to another user"));
            } else if is_open(&metadata) {
                let mode = metadata.mode() & 0o777;
                problems.push(format!("{shown} is open to others: mode {mode:04o}"));
            }
        }
        match problems.len() {
            0 => Finding::healthy("only you can"),
            1..=3 => Finding::degraded(problems.join("\n")),
            count => {
                let rest = count - 3;
                Finding::degraded(format!("{}\nand {rest} more", problems[..3].join("\n")))
            }
        }
    },
    repair: Some(|subject| {
        let mut done = Vec::new();
        for (path, metadata) in kept(subject) {
            if !is_open(&metadata) {
                continue;
            }
            let mode = metadata.mode() & 0o700;
            match fs::set_permissions(&path, Permissions::from_mode(mode)) {
                // A host runs, and took it away.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                closed => {
                    closed?;
                    done.push(format!("closed {} to others", subject.machine.show(&path)));
                }
            }
        }
        Ok(done)
    }),
};

pub(super) const LOG: Check<Subject> = Check {
    id: "log.folder",
    about: "the folder of the log can be written",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "make it a folder that you may write",
    run: |subject| {
        let traces = subject.machine.paths.traces();
        // It is made at the first hello: what counts then is the nearest that is there.
        let found = traces
            .ancestors()
            .find_map(|path| match fs::metadata(path) {
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                result => Some((path, result)),
            });
        let Some((path, result)) = found else {
            return Finding::unhealthy("there is no file system");
        };
        let shown = subject.machine.show(path);
        match result {
            Err(error) => Finding::unhealthy(format!("{shown}: {error}")),
            Ok(it) if !it.is_dir() => Finding::unhealthy(format!("{shown} is not a folder")),
            Ok(_) if rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_err() => {
                Finding::unhealthy(format!("{shown} may not be written"))
            }
            Ok(_) if path == traces => Finding::healthy("it can be written"),
            Ok(_) => Finding::healthy("it is not there yet, and can be made"),
        }
    },
    repair: None,
};

/// Our folders and what is in them, links left out: what they lead to is not ours.
fn kept(subject: &Subject) -> Vec<(PathBuf, Metadata)> {
    let paths = &subject.machine.paths;
    let mut kept = Vec::new();
    for folder in [paths.config(), paths.state(), paths.cache()] {
        // One that is not there is no problem, and one that cannot be read is told by its modes.
        let _ = collect(folder, &mut kept);
    }
    kept
}

fn collect(path: &Path, into: &mut Vec<(PathBuf, Metadata)>) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_symlink() {
        return Ok(());
    }
    let is_folder = metadata.is_dir();
    into.push((path.to_owned(), metadata));
    if is_folder {
        let mut below: Vec<_> = fs::read_dir(path)?.flatten().map(|it| it.path()).collect();
        below.sort();
        for path in below {
            // A file may go while the folder is read: a host runs.
            let _ = collect(&path, into);
        }
    }
    Ok(())
}

fn is_open(metadata: &Metadata) -> bool {
    metadata.mode() & 0o077 != 0
}
