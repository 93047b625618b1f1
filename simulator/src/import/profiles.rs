//! Where browsers keep their histories.
//!
//! Sources: `docs/user_data_dir.md` of Chromium, and Mozilla's "Profiles - Where Firefox stores
//! your bookmarks, passwords and other user data"; the folders of the snap and flatpak packages
//! are those that the packages have on Linux.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The user's home.
    pub home: PathBuf,
    /// Where programs keep their settings: `$XDG_CONFIG_HOME` on Linux.
    pub config: PathBuf,
}

/// Which browsers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Those that are built on Chromium.
    Chromium,
    /// Those that are built on Firefox.
    Firefox,
}

/// A profile with a history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Profile {
    /// The browser.
    pub browser: &'static str,
    /// The name of the profile's folder.
    pub name: String,
    /// The database.
    pub history: PathBuf,
}

/// Browser, where below the settings on Linux, where below the home on a Mac.
const CHROMIUM: [(&str, &str, &str); 8] = [
    (
        "Chrome",
        "google-chrome",
        "Library/Application Support/Google/Chrome",
    ),
    (
        "Chrome Beta",
        "google-chrome-beta",
        "Library/Application Support/Google/Chrome Beta",
    ),
    (
        "Chromium",
        "chromium",
        "Library/Application Support/Chromium",
    ),
    (
        "Edge",
        "microsoft-edge",
        "Library/Application Support/Microsoft Edge",
    ),
    (
        "Brave",
        "BraveSoftware/Brave-Browser",
        "Library/Application Support/BraveSoftware/Brave-Browser",
    ),
    ("Vivaldi", "vivaldi", "Library/Application Support/Vivaldi"),
    (
        "Opera",
        "opera",
        "Library/Application Support/com.operasoftware.Opera",
    ),
    ("Thorium", "thorium", "Library/Application Support/Thorium"),
];

/// Browser and where below the home; of packages that have a home of their own.
const CHROMIUM_PACKAGED: [(&str, &str); 5] = [
    ("Chromium", "snap/chromium/common/chromium"),
    ("Chromium", ".var/app/org.chromium.Chromium/config/chromium"),
    ("Chrome", ".var/app/com.google.Chrome/config/google-chrome"),
    (
        "Brave",
        ".var/app/com.brave.Browser/config/BraveSoftware/Brave-Browser",
    ),
    ("Edge", ".var/app/com.microsoft.Edge/config/microsoft-edge"),
];

/// Browser and where below the home.
const FIREFOX: [(&str, &str); 5] = [
    ("Firefox", ".mozilla/firefox"),
    ("Firefox", "Library/Application Support/Firefox/Profiles"),
    ("Firefox", "snap/firefox/common/.mozilla/firefox"),
    ("Firefox", ".var/app/org.mozilla.firefox/.mozilla/firefox"),
    ("LibreWolf", ".librewolf"),
];

/// Finds the profiles of a family, sorted.
pub fn find(family: Family, places: &Places) -> Vec<Profile> {
    let Places { home, config } = places;
    let folders: Vec<(&'static str, PathBuf)> = match family {
        Family::Chromium => CHROMIUM
            .iter()
            .flat_map(|(browser, linux, mac)| {
                [(*browser, config.join(linux)), (*browser, home.join(mac))]
            })
            .chain(
                CHROMIUM_PACKAGED
                    .iter()
                    .map(|(browser, path)| (*browser, home.join(path))),
            )
            .collect(),
        Family::Firefox => FIREFOX
            .iter()
            .map(|(browser, path)| (*browser, home.join(path)))
            .chain([("Firefox", config.join("mozilla/firefox"))])
            .collect(),
    };
    let mut profiles: Vec<Profile> = folders
        .iter()
        .flat_map(|(browser, folder)| profiles_in(family, browser, folder))
        .collect();
    profiles.sort();
    profiles.dedup();
    profiles
}

/// Finds the database that a path names: the file itself, or its profile's folder.
pub fn history_of(family: Family, path: &Path) -> PathBuf {
    let inside = path.join(file_name(family));
    if inside.is_file() {
        inside
    } else {
        path.to_owned()
    }
}

fn file_name(family: Family) -> &'static str {
    match family {
        Family::Chromium => "History",
        Family::Firefox => "places.sqlite",
    }
}

/// A folder that cannot be read has no profiles for us.
fn profiles_in(family: Family, browser: &'static str, folder: &Path) -> Vec<Profile> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let subfolders = entries.map(|entry| entry.path());
    // Opera keeps its one profile in the folder itself.
    subfolders
        .chain([folder.to_owned()])
        .filter_map(|profile| {
            let history = profile.join(file_name(family));
            let name = profile.file_name()?.to_string_lossy().into_owned();
            // Guests and the system's own windows keep nothing.
            let is_users = name != "System Profile" && name != "Guest Profile";
            (is_users && history.is_file()).then_some(Profile {
                browser,
                name,
                history,
            })
        })
        .collect()
}
