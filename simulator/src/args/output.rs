//! Where the trace goes that a command makes of others.

use std::path::PathBuf;

/// Where a new trace goes.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write to this folder, which must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Compress what is written with zstd
    #[arg(long)]
    pub(crate) compress: bool,
}
