//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};

use crate::browsers::{BROWSERS, Browser};
use crate::extensions::ExtensionId;
use crate::install::{NoBrowser, Place};
use crate::roots::Roots;

/// The native messaging host of the tab orchestrator.
///
/// A browser starts it for the extension, and names the extension in its arguments. By hand it is
/// installed, uninstalled and looked after.
#[derive(Debug, Parser)]
#[command(
    name = "tab-orchestrator-host",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  tab-orchestrator-host install
  tab-orchestrator-host install --browser chromium
  tab-orchestrator-host install --user-data-dir ~/profiles/work
  tab-orchestrator-host doctor --fix
  tab-orchestrator-host uninstall
  tab-orchestrator-host erase --dry-run

Exit codes: 0 fine, 1 the answer is no, 2 usage, 3 data lost
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
    /// Let browsers find the host, for this user
    ///
    /// Write the native messaging manifest into the folder of a browser, or of every browser that
    /// is there. Running it again changes nothing; run it again when this program was moved.
    Install(InstallArgs),
    /// Take back what install did
    ///
    /// Remove the manifest of a browser, or every one of the table. The policy, what was recorded
    /// and what sim has packed of it stay; see erase.
    Uninstall(PlaceArgs),
    /// Look whether everything is in place, and say what to do where it is not
    ///
    /// Browsers, manifests, policies of an administrator, folders, disk, logs, sensors. Exits with
    /// 1 when something that is needed does not work.
    Doctor(DoctorArgs),
    /// Erase what was recorded and learnt, what sim has packed, and the key of hashed hostnames
    ///
    /// Show what goes and what stays, ask, and remove it. The settings stay. While a host writes,
    /// nothing is removed.
    ///
    /// The exit code is 0 when it is gone, or when there was nothing; 1 when a host writes or the
    /// answer was no; 3 when something could not be removed.
    Erase(EraseArgs),
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

/// Where the manifest goes: without either, to every browser that is there.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct PlaceArgs {
    /// The browser, with its usual folder [default: every browser that is there]
    #[arg(long, value_parser = browser_parser())]
    browser: Option<&'static Browser>,
    /// A browser that is started with this folder as its --user-data-dir
    #[arg(long, value_name = "FOLDER")]
    user_data_dir: Option<PathBuf>,
}

impl PlaceArgs {
    /// The place that is named; `None` for all.
    ///
    /// # Errors
    /// [`NoBrowser`] if the browser that is named does not run on this system.
    pub fn named(&self, roots: &Roots) -> anyhow::Result<Option<Place>> {
        if let Some(folder) = &self.user_data_dir {
            return Ok(Some(Place::of_user_data(std::path::absolute(folder)?)));
        }
        let Some(browser) = self.browser else {
            return Ok(None);
        };
        let place = Place::of_browser(browser, roots).ok_or(NoBrowser::NotOnThisSystem(browser))?;
        Ok(Some(place))
    }
}

fn browser_parser() -> impl TypedValueParser<Value = &'static Browser> {
    let ids = PossibleValuesParser::new(BROWSERS.iter().map(|browser| browser.id));
    ids.map(|id| Browser::by_id(&id).expect("the ids are those of the table"))
}

/// What `doctor` is told.
#[derive(Clone, Copy, Debug, Args)]
pub struct DoctorArgs {
    /// Set right what is safe to set right, and say what was done
    #[arg(long)]
    pub fix: bool,
    /// Exit with 1 when something is degraded, too
    #[arg(long)]
    pub strict: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// What `erase` is told.
#[derive(Clone, Copy, Debug, Args)]
pub struct EraseArgs {
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Only show what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Write a JSON report, which goes with --yes or --dry-run
    #[arg(long)]
    pub json: bool,
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
