//! The verbs, one file each.

mod explain;
mod info;
mod replay;
mod verify;

use std::path::{Path, PathBuf};

use crate::args::Command;
use crate::console::Console;
use crate::outcome::{Outcome, is_broken_pipe};

/// Runs a verb.
pub(crate) fn run(command: Command, console: &mut Console) -> anyhow::Result<Outcome> {
    match command {
        Command::Verify(args) => verify::run(&args, console),
        Command::Info(args) => info::run(&args, console),
        Command::Replay(args) => replay::run(args, console),
        Command::Explain(args) => explain::run(&args, console),
    }
}

/// Does the same with each trace. One that fails is told, and the others go on; the worst outcome
/// counts.
fn each_trace(
    traces: &[PathBuf],
    console: &mut Console,
    mut run: impl FnMut(&Path, &mut Console) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Outcome> {
    let mut worst = Outcome::Yes;
    for trace in traces {
        let outcome = match run(trace, console) {
            Ok(outcome) => outcome,
            Err(error) if is_broken_pipe(&error) => return Err(error),
            Err(error) => {
                console.error(&error);
                Outcome::of_error(&error)
            }
        };
        worst = worst.max(outcome);
    }
    Ok(worst)
}
