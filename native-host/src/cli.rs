//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::extensions::ExtensionId;
use crate::install::{Browser, Place};

/// The native messaging host of the tab orchestrator.
///
/// A browser starts it for the extension, with the extension's origin as the first argument. By
/// hand it is only installed and uninstalled.
#[derive(Debug, Parser)]
#[command(
    name = "tab-orchestrator-host",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  tab-orchestrator-host install --browser chromium
  tab-orchestrator-host install --user-data-dir ~/profiles/work
  tab-orchestrator-host uninstall --browser chromium

Policy: $XDG_CONFIG_HOME/tab-orchestrator/policy.toml (~/.config)
Traces: $XDG_STATE_HOME/tab-orchestrator/traces (~/.local/state)"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Let a browser find the host, for this user
    ///
    /// Write the native messaging manifest into the browser's folder. Running it again changes
    /// nothing; run it again when this program was moved.
    Install(InstallArgs),
    /// Take back what install did
    ///
    /// Remove the manifest. The policy and what was recorded stay.
    Uninstall(PlaceArgs),
}

/// What `install` is told.
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// Where to install.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Allow another extension to start the host, besides the project's own (may be repeated)
    #[arg(long = "extension-id", value_name = "ID")]
    pub extension_ids: Vec<ExtensionId>,
}

/// Where the manifest goes.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct PlaceArgs {
    /// The browser, with its usual folder
    #[arg(long, value_enum)]
    browser: Option<Browser>,
    /// A browser that is started with this folder as its --user-data-dir
    #[arg(long, value_name = "FOLDER")]
    user_data_dir: Option<PathBuf>,
}

impl PlaceArgs {
    /// Resolves it to a place.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn resolve(&self) -> anyhow::Result<Place> {
        match (&self.user_data_dir, self.browser) {
            (Some(folder), _) => Ok(Place::of_user_data(std::path::absolute(folder)?)),
            (None, Some(browser)) => Place::of_browser(browser),
            (None, None) => unreachable!("clap requires one of the two"),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
