//! The command line's top level. What a command may be told stands with the command; here, and in
//! the files below, is what no command has alone.

pub(crate) mod glossary;
pub(crate) mod output;
pub(crate) mod threads;
pub(crate) mod time;

use clap::Parser;

use crate::commands::Command;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, or the answer is yes
  1  the answer is no: something differs, or is not there
  2  not answered: wrong use, a file that cannot be opened, nothing that can be compared
  3  a trace or a saved state is damaged

A TRACE is a folder that holds one trace, or any segment of it (.jsonl or .jsonl.zst). Where several
can be named, a folder stands for each trace in it or, where it has none itself, in the folders in
it; a trace is taken once, however many of its segments are named, and a file between them that is
none by its name, such as a README.md, is passed over with a note. A program built with `--features
analysis` takes a Parquet file as well.";

/// Replay recorded browser sessions: verify, describe, explain, and try other policies
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}
