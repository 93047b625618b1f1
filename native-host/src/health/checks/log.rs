//! What earlier sessions left: torn ends, and logs of a newer host.
//!
//! Only the ends and the first lines are looked at: checking logs whole is what `sim check` is for.
//! The end of a compressed one is found by decompressing it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::SEMANTICS;
use recorder::{FileEnd, Flaw, ReadError, Segment, is_named_as_segment};

use crate::health::{Check, Face, Finding, Subject};
use crate::protocol::PROTOCOL;

/// So much of compressed logs is read to see how they end, the newest first. A segment holds
/// 16 MiB.
const READ_BYTES_MAX: u64 = 256 << 20;

const COMPRESSED: &str = ".jsonl.zst";

pub(super) const TORN: Check<Subject> = Check {
    id: "log.torn",
    about: "no log ends in the middle of a line, and compressed ones can be read to their end",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(5),
    degraded_ms: None,
    may_flap: false,
    fix: "nothing has to be done: it is what a crash leaves, readers stop before it, and a host \
          that goes on with the log sets it aside; `sim recover` makes a whole log of it",
    run: |subject| {
        let files = files_in(&subject.machine.paths.traces());
        let mut left_bytes = READ_BYTES_MAX;
        let (mut bad, mut is_damaged, mut unread) = (Vec::new(), false, 0);
        for path in files.iter().rev().filter(|path| is_named_as_segment(path)) {
            let shown = subject.machine.show(path);
            match FileEnd::of(path, &mut left_bytes) {
                Ok(FileEnd::Whole) => {}
                Ok(FileEnd::Torn) => bad.push(shown),
                Ok(FileEnd::Unread) => unread += 1,
                // A host compressed it meanwhile, or it was old enough to go.
                Err(error) if is_gone(&error) => {}
                Err(error) => {
                    is_damaged |= error.is_corruption();
                    bad.push(format!("{shown}: {}", error.flaw));
                }
            }
        }
        let partly = (unread > 0).then(|| {
            let all = files.iter().filter(|path| has_suffix(path, COMPRESSED));
            let all = all.count();
            format!("the oldest {unread} of {all} compressed ones were not read to their end")
        });
        if bad.is_empty() {
            let stumps = files.iter().filter(|path| has_suffix(path, ".torn"));
            let stumps = match stumps.count() {
                0 => None,
                1 => Some("one torn end was set aside".to_owned()),
                count => Some(format!("{count} torn ends were set aside")),
            };
            let told = [Some("none does".to_owned()), stumps, partly];
            return Finding::healthy(Vec::from_iter(told.into_iter().flatten()).join("; "));
        }
        let count = bad.len() as u64;
        bad.extend(partly);
        let finding = Finding::degraded(bad.join("\n")).observing(count, "logs");
        match is_damaged {
            true => finding.fixed_by(
                "`sim check` tells what is damaged, `sim recover` makes a whole log of what is left",
            ),
            false => finding,
        }
    },
    repair: None,
};

pub(super) const VERSIONS: Check<Subject> = Check {
    id: "host.versions",
    about: "no log was written by a newer host than this",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "install the newest host, and remove the older one",
    run: |subject| {
        let files = files_in(&subject.machine.paths.traces());
        let version = env!("CARGO_PKG_VERSION");
        let format = recorder::FORMAT_VERSION;
        let protocol = PROTOCOL[1];
        let ours =
            format!("host {version}, protocol {protocol}, engine {SEMANTICS}, format {format}");
        let segments = files.iter().rev().filter(|path| is_named_as_segment(path));
        // Not the newest alone: this host may have written since.
        let mut newer = segments.filter_map(|path| match Segment::open(path) {
            Ok(it) if it.header.engine > SEMANTICS => {
                Some((path, format!("engine {}", it.header.engine)))
            }
            Err(ReadError {
                flaw: Flaw::NewerVersion { found },
                ..
            }) => Some((path, format!("format {found}"))),
            // A first line that cannot be read is for `log.torn` and `sim check`.
            _ => None,
        });
        match newer.next() {
            Some((path, version)) => {
                let shown = subject.machine.show(path);
                Finding::degraded(format!("{ours}; {shown} was written with {version}"))
            }
            None => Finding::healthy(ours),
        }
    },
    repair: None,
};

/// Sorted by name, which begins with the time. A folder that is not there has none.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(suffix))
}

fn is_gone(error: &ReadError) -> bool {
    matches!(&error.flaw, Flaw::Io(error) if error.kind() == ErrorKind::NotFound)
}
