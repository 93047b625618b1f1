//! `sim`: what happened in a recorded trace, why, and what another policy would have done.
//!
//! Data goes to stdout, talk to stderr. This file alone turns an outcome into an exit code.

mod args;
mod commands;
mod console;
mod named_traces;
mod outcome;
mod page;
mod people;
mod policy;
mod reading;
mod trace_cache;
mod unfinished;
mod writing;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::console::Console;
use crate::outcome::Outcome;

fn main() -> ExitCode {
    let args = Args::parse();
    let mut console = Console::new();
    let outcome = commands::run(args.command, &mut console)
        .and_then(|outcome| console.flush().map(|()| outcome))
        .unwrap_or_else(|error| {
            if !outcome::is_broken_pipe(&error) {
                console.error(&error);
            }
            Outcome::of_error(&error)
        });
    ExitCode::from(match outcome {
        Outcome::Yes => 0,
        Outcome::No => 1,
        Outcome::NotAnswered => 2,
        Outcome::Damaged => 3,
    })
}
