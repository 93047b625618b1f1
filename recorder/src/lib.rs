//! The append-only log of tab events and metric samples.
//!
//! A trace is one browser session, kept as JSON Lines in one or more segments. This crate has the
//! wire types, the writer with its lock, checkpoints, seals and rotation, the streaming reader, and
//! what a restarted host needs to go on with its trace. It decides nothing. The contract is
//! `FORMAT.md`, beside this crate's manifest.

mod convert;
mod line;
mod wire;

pub use line::*;
pub use wire::*;
