//! The `sim` command and what is under it, on small traces written the way the host writes them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod baselines;
mod closed_loop;
mod commands;
mod fork;
mod frontier;
mod memory;
mod properties;
mod recorded;
mod recording;
mod what_if;
