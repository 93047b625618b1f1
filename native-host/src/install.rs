//! `install` and `uninstall`: the manifest that lets a browser find the host, for this user.
//!
//! A manifest is written only where the browser's own folder exists: a folder made up for a
//! browser that is not there would hide the mistake. The folders are from Chrome's and Edge's
//! pages on native messaging and from KeePassXC's and browserpass's installers.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;
use thiserror::Error;

use crate::extensions::{ExtensionId, read_others, write_others};
use crate::paths::{Paths, read_file};

/// The name that the extension asks the browser for.
pub const HOST_NAME: &str = "org.tab_orchestrator.host";

const MAX_MANIFEST_BYTES: usize = 64 << 10;

/// A browser that the host can be installed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Browser {
    /// Chromium.
    Chromium,
    /// Google Chrome.
    Chrome,
    /// Microsoft Edge.
    Edge,
    /// Brave.
    Brave,
    /// Vivaldi.
    Vivaldi,
}

/// The system whose folders are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Linux and the other systems that follow the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
}

impl Platform {
    /// The system that this program was built for.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else {
        Self::Linux
    };
}

impl Browser {
    /// The browser's own folder, below `$XDG_CONFIG_HOME` on Linux and below
    /// `~/Library/Application Support` on macOS.
    pub fn folder(self, platform: Platform) -> &'static str {
        match (self, platform) {
            (Self::Chromium, Platform::Linux) => "chromium",
            (Self::Chromium, Platform::MacOs) => "Chromium",
            (Self::Chrome, Platform::Linux) => "google-chrome",
            (Self::Chrome, Platform::MacOs) => "Google/Chrome",
            (Self::Edge, Platform::Linux) => "microsoft-edge",
            (Self::Edge, Platform::MacOs) => "Microsoft Edge",
            (Self::Brave, _) => "BraveSoftware/Brave-Browser",
            (Self::Vivaldi, Platform::Linux) => "vivaldi",
            (Self::Vivaldi, Platform::MacOs) => "Vivaldi",
        }
    }
}

impl std::fmt::Display for Browser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Chromium => "Chromium",
            Self::Chrome => "Google Chrome",
            Self::Edge => "Microsoft Edge",
            Self::Brave => "Brave",
            Self::Vivaldi => "Vivaldi",
        })
    }
}

/// Where a browser looks for the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The browser's own folder.
    browser_folder: PathBuf,
    /// The browser, where it is one of the table.
    browser: Option<Browser>,
}

impl Place {
    /// The place of a browser with its usual folder.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn of_browser(browser: Browser) -> anyhow::Result<Self> {
        let base = match Platform::HERE {
            Platform::Linux => {
                use etcetera::BaseStrategy;
                etcetera::base_strategy::Xdg::new()
                    .context("found no home directory")?
                    .config_dir()
            }
            Platform::MacOs => etcetera::home_dir()
                .context("found no home directory")?
                .join("Library/Application Support"),
        };
        Ok(Self {
            browser_folder: base.join(browser.folder(Platform::HERE)),
            browser: Some(browser),
        })
    }

    /// The place of a browser that was started with `--user-data-dir`.
    pub fn of_user_data(folder: PathBuf) -> Self {
        Self {
            browser_folder: folder,
            browser: None,
        }
    }

    /// The manifest's path.
    pub fn manifest(&self) -> PathBuf {
        self.browser_folder
            .join("NativeMessagingHosts")
            .join(format!("{HOST_NAME}.json"))
    }

    fn check(&self) -> Result<(), NoBrowser> {
        if self.browser_folder.is_dir() {
            return Ok(());
        }
        Err(NoBrowser {
            browser: self.browser,
            folder: self.browser_folder.clone(),
        })
    }
}

/// The browser's own folder is not there.
#[derive(Clone, Debug, Error)]
pub struct NoBrowser {
    browser: Option<Browser>,
    folder: PathBuf,
}

impl std::fmt::Display for NoBrowser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = self.folder.display();
        match self.browser {
            Some(browser) => write!(
                f,
                "found no folder {folder}: {browser} is not installed for this user, or was never \
                 started. Start it once and run this again; for a profile that lies somewhere \
                 else, give its folder with --user-data-dir"
            ),
            None => write!(
                f,
                "found no folder {folder}. Start the browser with it once, or create it"
            ),
        }
    }
}

/// What the browser reads.
#[derive(Serialize)]
struct Manifest<'a> {
    name: &'a str,
    description: &'a str,
    path: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    allowed_origins: Vec<String>,
}

/// What `install` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The manifest.
    pub manifest: PathBuf,
    /// Whether it was written; false if it was so already.
    pub is_new: bool,
    /// The host that it names.
    pub host: PathBuf,
    /// The extensions that may start it.
    pub extensions: Vec<ExtensionId>,
}

/// Writes the manifest, and allows the host to be started by `extensions` besides the project's
/// own and those that were allowed before.
///
/// # Errors
/// [`NoBrowser`] if the browser's folder is not there; else what the system says.
pub fn install(
    place: &Place,
    host: &Path,
    extensions: &[ExtensionId],
    paths: &Paths,
) -> anyhow::Result<Installed> {
    place.check()?;
    let allowed_before = read_others(&paths.extensions())
        .with_context(|| format!("cannot read {}", paths.extensions().display()))?;
    let mut others: BTreeSet<_> = allowed_before.iter().chain(extensions).cloned().collect();
    others.remove(&ExtensionId::own());
    // First who may start the host, then the manifest: a browser that finds the one without the
    // other would start a host that refuses it.
    if others != allowed_before {
        write_others(&paths.extensions(), &others)
            .with_context(|| format!("cannot write {}", paths.extensions().display()))?;
    }
    let extensions: Vec<_> = [ExtensionId::own()].into_iter().chain(others).collect();

    let manifest = place.manifest();
    let host_path = host.to_str().with_context(|| {
        format!(
            "{} is no UTF-8, which a manifest cannot name; move the host",
            host.display()
        )
    })?;
    let mut content = serde_json::to_string_pretty(&Manifest {
        name: HOST_NAME,
        description: "Samples the machine for the tab orchestrator and keeps its log",
        path: host_path,
        kind: "stdio",
        allowed_origins: extensions.iter().map(ExtensionId::origin).collect(),
    })?;
    content.push('\n');
    let present = read_file(&manifest, MAX_MANIFEST_BYTES).ok().flatten();
    let is_new = present.as_ref() != Some(&content);
    if is_new {
        write_manifest(&manifest, &content)
            .with_context(|| format!("cannot write {}", manifest.display()))?;
    }
    Ok(Installed {
        manifest,
        is_new,
        host: host.to_owned(),
        extensions,
    })
}

/// Removes the manifest. Returns its path, and whether there was one.
///
/// What was recorded and the policy stay.
///
/// # Errors
/// What the system says.
pub fn uninstall(place: &Place) -> anyhow::Result<(PathBuf, bool)> {
    let manifest = place.manifest();
    match fs::remove_file(&manifest) {
        Ok(()) => Ok((manifest, true)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((manifest, false)),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", manifest.display())),
    }
}

/// The folder belongs to the browser: it is created with the modes that the user's settings give
/// it, and the manifest is no secret.
fn write_manifest(path: &Path, content: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    fs::create_dir_all(folder)?;
    let draft = path.with_extension("json.new");
    fs::write(&draft, content)?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_browser_has_its_folder_on_every_platform() {
        let rows = Browser::value_variants().iter().map(|&browser| {
            [
                browser.folder(Platform::Linux),
                browser.folder(Platform::MacOs),
            ]
        });
        let expect = [
            ["chromium", "Chromium"],
            ["google-chrome", "Google/Chrome"],
            ["microsoft-edge", "Microsoft Edge"],
            ["BraveSoftware/Brave-Browser", "BraveSoftware/Brave-Browser"],
            ["vivaldi", "Vivaldi"],
        ];
        assert!(rows.eq(expect));
    }

    #[test]
    fn the_hosts_name_is_one_that_browsers_take() {
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        assert!(HOST_NAME.split('.').all(is_part), "{HOST_NAME}");
    }
}
