//! Health: one registry of checks, and the three faces that are looked at through it.
//!
//! *Liveness* is asked with a ping, *readiness* with a status, and *doctor* by hand. A check says
//! which faces it belongs to. `HEALTH.md`, beside this crate's manifest, lists all checks.
//!
//! The method is that of PulseCheck (github.com/tase-nikol/pulsecheck-py), with what it leaves
//! open closed: an id stands once, the registry itself holds a check to its time, and only a
//! required check can make the whole unhealthy.

pub mod checks;
pub mod doctor;
mod registry;
mod steady;
mod subject;

pub use registry::{Check, DuplicateId, Face, Finding, Registry, Repair, Report, Result, State};
pub use steady::Steady;
pub use subject::{Live, LiveLog, Machine, MachineSensors, Sensors, Subject};
