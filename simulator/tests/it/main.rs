//! The `sim` command and what is under it, on small traces written the way the host writes them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(
    clippy::disallowed_types,
    reason = "the tests drive a real browser over a socket of this machine"
)]

mod abreast;
mod anonymize;
mod baselines;
mod browsers;
mod busy;
mod check;
mod closed_loop;
mod commands;
mod convert;
mod cut;
mod diff;
mod every_tick;
mod explain;
mod fork;
mod frontier;
mod hostile;
mod import;
mod import_browser;
mod interrupted;
mod memory;
mod merge;
mod named_traces;
mod packed;
mod page;
mod privacy;
mod properties;
mod recorded;
mod recording;
mod recover;
mod report;
mod snapshot;
mod stats;
mod sweep;
mod synth;
mod traces;
mod tune;
mod what_if;
