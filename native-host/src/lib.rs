//! The native messaging host: samples the machine, writes the log, runs the engine.
//!
//! A browser starts it for the extension and speaks to it over stdin and stdout; the contract of
//! that is `PROTOCOL.md`, beside this crate's manifest. The host gives the one order of events: it
//! appends an input to the log, steps the engine, appends what the engine decided, and only then
//! tells the extension. It holds no policy of its own, opens no connection and starts no program.

pub mod browser_memory;
pub mod browsers;
pub mod choice_file;
pub mod cli;
pub mod clock;
pub mod connection;
pub mod erase;
pub mod extensions;
pub mod framing;
pub mod health;
pub mod history;
pub mod host_key;
pub mod install;
pub mod kept;
pub mod metrics;
pub mod mode_choice;
pub mod names;
pub mod orders;
pub mod paths;
pub mod policy_file;
mod policy_text;
pub mod power;
pub mod pressure_stall;
pub mod privacy_choice;
pub mod process_tree;
pub mod protocol;
pub mod recent;
pub mod refusals;
pub mod registry_keys;
mod report;
pub mod roots;
pub mod run;
pub mod session;
pub mod watched_file;

pub use report::report;
