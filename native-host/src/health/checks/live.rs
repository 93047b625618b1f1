//! A running host's own state: its loop, its log, its samples, its protocol.

use std::time::Duration;

use crate::health::{Check, Face, Finding, LiveLog, Subject};
use crate::protocol;
use crate::session::SAMPLE_MS;

/// An answer within this is what the extension waits for.
const LATE_MS: u64 = 1_000;

/// Three samples that did not come.
const OLD_MS: u64 = 3 * SAMPLE_MS.unsigned_abs();

/// A minute without one: nothing that is decided on it means anything.
const STALE_MS: u64 = 60_000;

const NO_HOST: &str = "no running host is asked";

pub(super) const LOOP: Check<Subject> = Check {
    id: "host.loop",
    about: "the host's loop turns and is not late",
    faces: &[Face::Liveness],
    is_required: true,
    timeout: Duration::from_millis(500),
    degraded_ms: None,
    may_flap: false,
    fix: "wait a moment; if it stays, restart the browser",
    run: |subject| {
        let Some(live) = &subject.live else {
            return Finding::skipped(NO_HOST);
        };
        let late = live.loop_late_ms;
        let finding = if late < LATE_MS {
            Finding::healthy("the loop turns")
        } else {
            Finding::degraded(format!("the loop was {late} ms late"))
        };
        finding.observing(late, "ms")
    },
    repair: None,
};

pub(super) const LOG: Check<Subject> = Check {
    id: "log.writing",
    about: "the log is locked for this host and can be written",
    faces: &[Face::Readiness],
    is_required: true,
    timeout: Duration::from_millis(500),
    degraded_ms: None,
    // A log that failed stays so until a try to write it went well.
    may_flap: false,
    fix: "look at the folder of the log and at the disk; the host tries again by itself",
    run: |subject| match subject.live.as_ref().map(|live| &live.log) {
        None => Finding::skipped(NO_HOST),
        Some(LiveLog::Writing) => Finding::healthy("it is written"),
        Some(LiveLog::Waiting) => {
            Finding::unhealthy("it is not open yet").fixed_by("wait for the extension to say hello")
        }
        Some(LiveLog::Failed { error, fix }) => {
            let home = subject.machine.roots.home.display().to_string();
            let error = error.replace(&home, "~");
            let detail = format!("nothing is decided until it can be written: {error}");
            Finding::unhealthy(detail).fixed_by(fix)
        }
    },
    repair: None,
};

pub(super) const METRICS: Check<Subject> = Check {
    id: "metrics.fresh",
    about: "the last sample of the machine is young and tells its memory",
    faces: &[Face::Readiness],
    is_required: true,
    timeout: Duration::from_millis(500),
    degraded_ms: None,
    may_flap: true,
    fix: "restart the browser; if it stays, run `tab-orchestrator-host doctor`",
    run: |subject| {
        let Some(live) = &subject.live else {
            return Finding::skipped(NO_HOST);
        };
        if !matches!(live.log, LiveLog::Writing) {
            return Finding::skipped("nothing is sampled while the log cannot be written");
        }
        let Some(age) = live.sample_age_ms else {
            return Finding::healthy("the first one is on its way");
        };
        let seconds = age / 1_000;
        let finding = if !live.has_memory {
            Finding::unhealthy("it does not tell the machine's memory")
        } else if age >= STALE_MS {
            Finding::unhealthy(format!("it is {seconds} s old"))
        } else if age >= OLD_MS {
            Finding::degraded(format!("it is {seconds} s old"))
        } else {
            Finding::healthy("it is young")
        };
        finding.observing(age, "ms")
    },
    repair: None,
};

pub(super) const PROTOCOL: Check<Subject> = Check {
    id: "protocol.agreed",
    about: "host and extension speak the same protocol",
    faces: &[Face::Readiness],
    is_required: true,
    timeout: Duration::from_millis(500),
    degraded_ms: None,
    may_flap: false,
    fix: "update the older of the two, host or extension",
    run: |subject| {
        let newest = protocol::PROTOCOL[1];
        match subject.live.as_ref().map(|live| live.protocol) {
            None => Finding::skipped(NO_HOST),
            Some(None) => Finding::unhealthy("the extension has not said hello yet"),
            Some(Some(agreed)) if agreed < newest => {
                Finding::degraded(format!("they speak {agreed}, this host knows {newest}"))
            }
            Some(Some(agreed)) => Finding::healthy(format!("they speak {agreed}")),
        }
    },
    repair: None,
};
