//! What earlier sessions left: torn ends, and logs of a newer host.
//!
//! Only the ends and the first lines are looked at: reading logs whole is what `sim check` is for.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::SEMANTICS;
use serde::Deserialize;

use crate::health::{Check, Face, Finding, Subject};
use crate::protocol::PROTOCOL;

const MAX_LINE_BYTES: u64 = 1 << 20;

pub(super) const TORN: Check<Subject> = Check {
    id: "log.torn",
    about: "no log ends in the middle of a line",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(5),
    degraded_ms: None,
    may_flap: false,
    fix: "nothing has to be done: it is what a crash leaves, readers stop before it, and a host \
          that goes on with the log sets it aside; `sim recover` makes a whole log of it",
    run: |subject| {
        let (mut torn, mut stumps) = (Vec::new(), 0_u64);
        for path in files_in(&subject.machine.paths.traces()) {
            match extension(&path) {
                Some("jsonl") => match is_torn(&path) {
                    Ok(true) => torn.push(subject.machine.show(&path)),
                    Ok(false) => {}
                    Err(error) => {
                        torn.push(format!("{}: {error}", subject.machine.show(&path)));
                    }
                },
                Some("torn") => stumps += 1,
                _ => {}
            }
        }
        if torn.is_empty() {
            let detail = match stumps {
                0 => "none does".to_owned(),
                1 => "none does; one torn end was set aside".to_owned(),
                _ => format!("none does; {stumps} torn ends were set aside"),
            };
            Finding::healthy(detail)
        } else {
            Finding::degraded(torn.join("\n")).observing(torn.len() as u64, "logs")
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
        let newest = files.iter().rev().find(|it| extension(it) == Some("jsonl"));
        let version = env!("CARGO_PKG_VERSION");
        let format = recorder::FORMAT_VERSION;
        let protocol = PROTOCOL[1];
        let ours =
            format!("host {version}, protocol {protocol}, engine {SEMANTICS}, format {format}");
        match newest.map(|path| (path, Head::read(path))) {
            Some((path, Ok(head))) if head.engine > SEMANTICS || head.v > format => {
                Finding::degraded(format!(
                    "{ours}; {} was written with engine {}, format {}",
                    subject.machine.show(path),
                    head.engine,
                    head.v
                ))
            }
            // A first line that cannot be read is for `log.torn` and `sim check`.
            _ => Finding::healthy(ours),
        }
    },
    repair: None,
};

/// What the first line of a log says of those that wrote it.
#[derive(Deserialize)]
struct Head {
    v: u32,
    engine: u32,
}

impl Head {
    fn read(path: &Path) -> io::Result<Self> {
        let mut line = Vec::new();
        let file = File::open(path)?.take(MAX_LINE_BYTES);
        BufReader::new(file).read_until(b'\n', &mut line)?;
        Ok(serde_json::from_slice(&line)?)
    }
}

/// Sorted by name, which begins with the time. A folder that is not there has none.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn extension(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

fn is_torn(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}
