//! `install` and `uninstall`: the manifest that lets a browser find the host, for this user.
//!
//! A manifest is written only where the browser's own folder exists: a folder made up for a
//! browser that is not there would hide the mistake. Where that is says the table of `browsers`.
//! What was recorded, and the policy, are never touched.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::browsers::{BROWSERS, Browser, Family};
use crate::extensions::{ExtensionId, read_others, write_others};
use crate::paths::{Paths, read_file};
use crate::roots::Roots;

/// The name that the extension asks the browser for.
pub const HOST_NAME: &str = "org.tab_orchestrator.host";

/// The manifest's file name.
pub const MANIFEST_NAME: &str = "org.tab_orchestrator.host.json";

const MAX_MANIFEST_BYTES: usize = 64 << 10;

/// Where a browser looks for the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    family: Family,
    /// The browser, where it is one of the table.
    browser: Option<&'static Browser>,
    /// The browser's own folders, of which one is there.
    own: Vec<PathBuf>,
    /// The folder that it reads manifests from.
    hosts: PathBuf,
}

impl Place {
    /// The place of a browser with its usual folder; `None` if it has none on this system.
    pub fn of_browser(browser: &'static Browser, roots: &Roots) -> Option<Self> {
        let folders = browser.folders(roots.os)?;
        Some(Self {
            family: browser.family,
            browser: Some(browser),
            own: folders.own.iter().map(|own| roots.resolve(own)).collect(),
            hosts: roots.resolve(folders.hosts),
        })
    }

    /// The place of a browser of Chromium's family that was started with `--user-data-dir`.
    pub fn of_user_data(folder: PathBuf) -> Self {
        Self {
            family: Family::Chromium,
            browser: None,
            hosts: folder.join("NativeMessagingHosts"),
            own: vec![folder],
        }
    }

    /// Every place of the table on this system, whether the browser is there or not.
    pub fn all(roots: &Roots) -> Vec<Self> {
        BROWSERS
            .iter()
            .filter_map(|browser| Self::of_browser(browser, roots))
            .collect()
    }

    /// The places of the browsers that are there.
    pub fn present(roots: &Roots) -> Vec<Self> {
        roots
            .browsers()
            .filter_map(|browser| Self::of_browser(browser, roots))
            .collect()
    }

    /// The manifest's path.
    pub fn manifest(&self) -> PathBuf {
        self.hosts.join(MANIFEST_NAME)
    }

    /// The browser, where it is one of the table.
    pub fn browser(&self) -> Option<&'static Browser> {
        self.browser
    }

    /// Whose manifest is read here.
    pub fn family(&self) -> Family {
        self.family
    }

    fn check(&self) -> Result<(), NoBrowser> {
        if self.own.iter().any(|own| own.is_dir()) {
            return Ok(());
        }
        Err(NoBrowser::NotHere {
            browser: self.browser,
            folder: self.own[0].clone(),
        })
    }
}

/// There is no browser to install for.
#[derive(Clone, Debug, Error)]
pub enum NoBrowser {
    /// The browser's own folder is not there.
    NotHere {
        /// The browser, where it is one of the table.
        browser: Option<&'static Browser>,
        /// Where it would be.
        folder: PathBuf,
    },
    /// The browser does not run on this system.
    NotOnThisSystem(&'static Browser),
    /// None of the table is there.
    None,
}

impl std::fmt::Display for NoBrowser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotHere {
                browser: Some(browser),
                folder,
            } => write!(
                f,
                "found no folder {}: {} is not installed for this user, or was never started. \
                 Start it once and run this again; for a profile that lies somewhere else, give \
                 its folder with --user-data-dir",
                folder.display(),
                browser.name
            ),
            Self::NotHere {
                browser: None,
                folder,
            } => write!(
                f,
                "found no folder {}. Start the browser with it once, or create it",
                folder.display()
            ),
            Self::NotOnThisSystem(browser) => write!(
                f,
                "{} does not run on this system, or has no folder that is known",
                browser.name
            ),
            Self::None => f.write_str(
                "found no browser of this user that the host can be installed for. Start yours \
                 once and run this again; for a profile that lies somewhere else, give its folder \
                 with --user-data-dir",
            ),
        }
    }
}

/// What the browser reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The host's name.
    pub name: String,
    /// What it is, for people.
    pub description: String,
    /// The program.
    pub path: PathBuf,
    /// How it is spoken to.
    #[serde(rename = "type")]
    pub kind: String,
    /// Chromium's family: the origins that may start it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_origins: Vec<String>,
    /// Firefox's family: the add-ons that may start it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_extensions: Vec<String>,
}

impl Manifest {
    /// The manifest as it should be for a family of browsers.
    fn new(family: Family, host: &Path, extensions: &[ExtensionId]) -> Self {
        let named = extensions.iter().filter(|id| id.family() == family);
        let named: Vec<_> = named.map(ExtensionId::in_manifest).collect();
        let (allowed_origins, allowed_extensions) = match family {
            Family::Chromium => (named, Vec::new()),
            Family::Firefox => (Vec::new(), named),
        };
        Self {
            name: HOST_NAME.to_owned(),
            description: "Samples the machine for the tab orchestrator and keeps its log"
                .to_owned(),
            path: host.to_owned(),
            kind: "stdio".to_owned(),
            allowed_origins,
            allowed_extensions,
        }
    }

    /// Reads one; `None` where there is none.
    ///
    /// # Errors
    /// What the system says; what is wrong with its text, with line and column.
    pub fn read(path: &Path) -> io::Result<Option<Self>> {
        let Some(text) = read_file(path, MAX_MANIFEST_BYTES)? else {
            return Ok(None);
        };
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// What names those that may start the host.
    pub fn allowed(&self, family: Family) -> &[String] {
        match family {
            Family::Chromium => &self.allowed_origins,
            Family::Firefox => &self.allowed_extensions,
        }
    }
}

/// What `install` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// The manifest.
    pub manifest: PathBuf,
    /// Whether it was written; false if it was so already.
    pub is_new: bool,
    /// The extensions that may start the host, of this browser's family.
    pub extensions: Vec<ExtensionId>,
}

/// Writes the manifest, and allows the host to be started by `extensions` besides the project's
/// own and those that were allowed before. One that names another program is written anew.
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
    for family in [Family::Chromium, Family::Firefox] {
        others.remove(&ExtensionId::own(family));
    }
    // First who may start the host, then the manifest: a browser that finds the one without the
    // other would start a host that refuses it.
    if others != allowed_before {
        write_others(&paths.extensions(), &others)
            .with_context(|| format!("cannot write {}", paths.extensions().display()))?;
    }
    let extensions = allowed_in(place.family, others);
    if host.to_str().is_none() {
        anyhow::bail!(
            "{} is no UTF-8, which a manifest cannot name; move the host",
            host.display()
        );
    }
    let manifest = place.manifest();
    let mut content =
        serde_json::to_string_pretty(&Manifest::new(place.family, host, &extensions))?;
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
        extensions,
    })
}

/// The extensions that a manifest for this family names: the project's own, then the others.
pub fn allowed_in(family: Family, others: BTreeSet<ExtensionId>) -> Vec<ExtensionId> {
    let others = others.into_iter().filter(|id| id.family() == family);
    [ExtensionId::own(family)]
        .into_iter()
        .chain(others)
        .collect()
}

/// Removes the manifest, and the folders that were made for it and are empty now. Returns the
/// manifest's path, and whether there was one.
///
/// # Errors
/// What the system says.
pub fn uninstall(place: &Place) -> anyhow::Result<(PathBuf, bool)> {
    let manifest = place.manifest();
    let was_there = remove_if_there(&manifest)?;
    // A host that was killed in the middle of writing one leaves it.
    remove_if_there(&draft_of(&manifest))?;
    if was_there {
        remove_empty(place);
    }
    Ok((manifest, was_there))
}

/// Forgets which other extensions may start the host, where no browser of the table has a
/// manifest any more. Returns the file, if there was one.
///
/// # Errors
/// What the system says.
pub fn forget_extensions(roots: &Roots, paths: &Paths) -> anyhow::Result<Option<PathBuf>> {
    let is_installed = |place: &Place| place.manifest().exists();
    let file = paths.extensions();
    if Place::all(roots).iter().any(is_installed) || !remove_if_there(&file)? {
        return Ok(None);
    }
    if let Some(folder) = file.parent() {
        // It stays where there is a policy in it.
        let _ = fs::remove_dir(folder);
    }
    Ok(Some(file))
}

fn remove_if_there(path: &Path) -> anyhow::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot remove {}", path.display())),
    }
}

/// Firefox's folder for manifests is not within its own folder: the one above may be ours, too.
fn remove_empty(place: &Place) {
    let is_own = |folder: &Path| place.own.iter().any(|own| own.starts_with(folder));
    for folder in place.hosts.ancestors().take(2) {
        // A folder with something in it stays: the system refuses.
        if is_own(folder) || fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// The folder belongs to the browser: it is created with the modes that the user's settings give
/// it, and the manifest is no secret.
fn write_manifest(path: &Path, content: &str) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    fs::create_dir_all(folder)?;
    let draft = draft_of(path);
    fs::write(&draft, content)?;
    fs::rename(&draft, path)
}

fn draft_of(manifest: &Path) -> PathBuf {
    manifest.with_extension("json.new")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_name_is_one_that_browsers_take() {
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        assert!(HOST_NAME.split('.').all(is_part), "{HOST_NAME}");
        assert_eq!(MANIFEST_NAME, format!("{HOST_NAME}.json"));
    }
}
