//! Where the trace goes that a command makes of others.

use std::path::PathBuf;

/// Where a new trace goes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Write to this folder, which must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// Compress what is written with zstd
    #[arg(long)]
    pub(crate) compress: bool,
}

/// Where a new trace goes, if one is to be written.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OptionalOutputArgs {
    /// Write to this folder, which must be empty or not there yet
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Compress what is written with zstd
    #[arg(long, requires = "output")]
    compress: bool,
}

impl OptionalOutputArgs {
    /// Where it goes.
    pub(crate) fn given(&self) -> Option<OutputArgs> {
        self.output.clone().map(|output| OutputArgs {
            output,
            compress: self.compress,
        })
    }
}
