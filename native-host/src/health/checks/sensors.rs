//! What can be measured on this machine.

use std::time::Duration;

use crate::browsers::Os;
use crate::health::{Check, Face, Finding, Subject};

pub(super) const MEMORY: Check<Subject> = Check {
    id: "sensor.memory",
    about: "the machine's memory can be read",
    faces: &[Face::Doctor],
    is_required: true,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "nothing can be decided without it; report this system as not supported",
    run: |subject| match subject.machine.sensors.memory_bytes() {
        Some(bytes) => Finding::healthy("it can be read").observing(bytes, "bytes"),
        None => Finding::unhealthy("it cannot be read"),
    },
    repair: None,
};

pub(super) const STALL: Check<Subject> = Check {
    id: "sensor.stall",
    about: "the system tells how long programs waited for memory (PSI)",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(2),
    degraded_ms: None,
    may_flap: false,
    fix: "boot the kernel with psi=1; without it pressure is told from memory alone",
    run: |subject| {
        if subject.machine.roots.os != Os::Linux {
            return Finding::skipped("only Linux tells it");
        }
        match subject.machine.sensors.stall() {
            Some(_) => Finding::healthy("it does"),
            None => Finding::degraded("it does not: there is no /proc/pressure/memory"),
        }
    },
    repair: None,
};

pub(super) const BATTERY: Check<Subject> = Check {
    id: "sensor.battery",
    about: "the system tells whether it runs on a battery",
    faces: &[Face::Doctor],
    is_required: false,
    timeout: Duration::from_secs(5),
    degraded_ms: None,
    may_flap: false,
    fix: "nothing has to be done: without it the battery has no say in the pressure",
    run: |subject| {
        let power = subject.machine.sensors.power();
        match (power.on_battery, power.charge_percent) {
            (None, _) => Finding::degraded("it does not"),
            (Some(_), None) => Finding::healthy("there is none"),
            (Some(_), Some(_)) => Finding::healthy("there is one"),
        }
    },
    repair: None,
};
