//! Runs recorded traces through the engine: to verify what was decided, to describe what is in
//! them, to explain one tab, and to find out what another policy would have done.
//!
//! Everything here takes lines in one at a time and does no I/O, but for the importers, which read
//! what other programs wrote. The `sim` command reads the traces, chooses among these and writes
//! what they say.

pub mod ablation;
pub mod alternative;
pub mod anonymize;
pub mod baselines;
pub mod biography;
pub mod calibration;
pub mod check;
pub mod comparison;
pub mod contents;
pub mod curve;
pub mod cut;
pub mod derivation;
pub mod difference;
pub mod identifiers;
pub mod import;
pub mod meant;
pub mod merge;
pub mod packed;
pub mod pareto;
#[cfg(feature = "analysis")]
pub mod parquet;
pub mod plot;
pub mod recover;
pub mod remedy;
pub mod replay;
pub mod snapshot;
pub mod state;
pub mod sweep;
pub mod synth;
pub mod timeline;
pub mod tune;
pub mod verify;
