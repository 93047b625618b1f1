//! Room on the disk of the log.

use std::time::Duration;

use crate::health::{Check, Face, Finding, Subject};

/// A segment of the log is closed at 16 MiB: with less than one the next line may be the last.
const FULL_BYTES: u64 = 16 << 20;

/// Some days of heavy use.
const SHORT_BYTES: u64 = 256 << 20;

pub(super) const FREE: Check<Subject> = Check {
    id: "disk.free",
    about: "there is room on the disk for the log",
    faces: &[Face::Readiness, Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(1),
    degraded_ms: None,
    may_flap: true,
    fix: "make room on the disk",
    run: |subject| {
        let traces = subject.machine.paths.traces();
        let folder = traces.ancestors().find(|path| path.is_dir());
        let sensors = &subject.machine.sensors;
        match folder.map(|folder| sensors.free_bytes(folder)) {
            None => Finding::unhealthy("there is no file system"),
            Some(Err(error)) => Finding::unhealthy(format!("cannot be told: {error}")),
            Some(Ok(bytes)) => {
                let mebibytes = bytes >> 20;
                let finding = if bytes < FULL_BYTES {
                    Finding::unhealthy(format!("{mebibytes} MiB are free, too few to go on"))
                } else if bytes < SHORT_BYTES {
                    Finding::degraded(format!("{mebibytes} MiB are free"))
                } else {
                    Finding::healthy("there is enough")
                };
                finding.observing(bytes, "bytes")
            }
        }
    },
    repair: None,
};
