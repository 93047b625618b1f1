//! The table of browsers: where each of them keeps its own folder and looks for native messaging
//! manifests, on Linux, macOS and Windows.
//!
//! It is data. `install`, `uninstall` and `doctor` read the same rows; nothing here touches a
//! disk. A path begins with `~/` (the home folder), `$XDG_CONFIG_HOME/` or `/`.
//!
//! Sources: developer.chrome.com and learn.microsoft.com («Native messaging»), MDN («Native
//! manifests»), the installers of KeePassXC, browserpass, passff and Bitwarden, Chromium's
//! `native_process_launcher_win.cc` and Firefox's `NativeManifests.sys.mjs`. Chromium and Firefox
//! on Linux were tried; the other rows rest on these sources. Where the sources disagree on a
//! system's folder (Brave and Vivaldi on Linux) there is none: the user's folder is enough.

/// The system whose folders are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Os {
    /// Linux and the other systems that follow the XDG base directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl Os {
    /// The system that this program was built for.
    pub const HERE: Self = if cfg!(target_os = "macos") {
        Self::MacOs
    } else if cfg!(windows) {
        Self::Windows
    } else {
        Self::Linux
    };
}

/// Whose manifests a browser reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `allowed_origins`, and the caller's origin as the host's first argument.
    Chromium,
    /// `allowed_extensions`, and the manifest's path and the add-on's id as its arguments.
    Firefox,
}

/// A browser that the host can be installed for.
#[derive(Debug, PartialEq, Eq)]
pub struct Browser {
    /// What `--browser` calls it.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// Whose manifests it reads.
    pub family: Family,
    /// On Linux; `None` where it does not run.
    pub linux: Option<Folders>,
    /// On macOS.
    pub macos: Option<Folders>,
    /// On Windows.
    pub windows: Option<Keys>,
    /// In a sandbox, where the host cannot be reached from.
    pub sandboxed: Sandboxed,
}

/// A browser's folders on one system.
#[derive(Debug, PartialEq, Eq)]
pub struct Folders {
    /// Its own: it is there for this user when one of them exists.
    pub own: &'static [&'static str],
    /// Where it looks for the user's manifests.
    pub hosts: &'static str,
    /// Where it looks for the system's. They are looked at and never written.
    pub system_hosts: &'static [&'static str],
    /// Where an administrator's policies stand, as JSON; none where that is not known.
    pub policies: &'static [&'static str],
}

/// A browser's keys in the registry of Windows, below `HKEY_CURRENT_USER`.
#[derive(Debug, PartialEq, Eq)]
pub struct Keys {
    /// Its own: it is there for this user when one of them exists.
    pub own: &'static [&'static str],
    /// Below each of these a key named like the host has the manifest's path as its default value.
    pub hosts: &'static [&'static str],
}

/// Where a browser that runs in a sandbox keeps its data.
#[derive(Debug, PartialEq, Eq)]
pub struct Sandboxed {
    /// Flatpak: its folder, and where it would look for manifests.
    pub flatpak: Option<[&'static str; 2]>,
    /// Snap: its folder.
    pub snap: Option<&'static str>,
}

const NO_SANDBOX: Sandboxed = Sandboxed {
    flatpak: None,
    snap: None,
};

/// All browsers, in the order in which they are told.
pub static BROWSERS: &[Browser] = &[
    Browser {
        id: "chrome",
        name: "Google Chrome",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/google-chrome"],
            hosts: "$XDG_CONFIG_HOME/google-chrome/NativeMessagingHosts",
            system_hosts: &["/etc/opt/chrome/native-messaging-hosts"],
            policies: &["/etc/opt/chrome/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Google/Chrome"],
            hosts: "~/Library/Application Support/Google/Chrome/NativeMessagingHosts",
            system_hosts: &["/Library/Google/Chrome/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: Some(Keys {
            own: &[r"Software\Google\Chrome"],
            hosts: &[r"Software\Google\Chrome\NativeMessagingHosts"],
        }),
        sandboxed: Sandboxed {
            flatpak: Some([
                "~/.var/app/com.google.Chrome",
                "~/.var/app/com.google.Chrome/config/google-chrome/NativeMessagingHosts",
            ]),
            snap: None,
        },
    },
    Browser {
        id: "chrome-beta",
        name: "Google Chrome Beta",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/google-chrome-beta"],
            hosts: "$XDG_CONFIG_HOME/google-chrome-beta/NativeMessagingHosts",
            system_hosts: &["/etc/opt/chrome/native-messaging-hosts"],
            policies: &["/etc/opt/chrome/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Google/Chrome Beta"],
            hosts: "~/Library/Application Support/Google/Chrome Beta/NativeMessagingHosts",
            system_hosts: &["/Library/Google/Chrome/NativeMessagingHosts"],
            policies: &[],
        }),
        // It reads Chrome's key.
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "chrome-dev",
        name: "Google Chrome Dev",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/google-chrome-unstable"],
            hosts: "$XDG_CONFIG_HOME/google-chrome-unstable/NativeMessagingHosts",
            system_hosts: &["/etc/opt/chrome/native-messaging-hosts"],
            policies: &["/etc/opt/chrome/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Google/Chrome Dev"],
            hosts: "~/Library/Application Support/Google/Chrome Dev/NativeMessagingHosts",
            system_hosts: &["/Library/Google/Chrome/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "chrome-canary",
        name: "Google Chrome Canary",
        family: Family::Chromium,
        linux: None,
        macos: Some(Folders {
            own: &["~/Library/Application Support/Google/Chrome Canary"],
            hosts: "~/Library/Application Support/Google/Chrome Canary/NativeMessagingHosts",
            system_hosts: &["/Library/Google/Chrome/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "chrome-for-testing",
        name: "Chrome for Testing",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/google-chrome-for-testing"],
            hosts: "$XDG_CONFIG_HOME/google-chrome-for-testing/NativeMessagingHosts",
            system_hosts: &["/etc/opt/chrome_for_testing/native-messaging-hosts"],
            policies: &["/etc/opt/chrome_for_testing/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Google/ChromeForTesting"],
            hosts: "~/Library/Application Support/Google/ChromeForTesting/NativeMessagingHosts",
            system_hosts: &[],
            policies: &[],
        }),
        windows: Some(Keys {
            own: &[r"Software\Google\Chrome for Testing"],
            hosts: &[r"Software\Google\Chrome for Testing\NativeMessagingHosts"],
        }),
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "chromium",
        name: "Chromium",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/chromium"],
            hosts: "$XDG_CONFIG_HOME/chromium/NativeMessagingHosts",
            system_hosts: &["/etc/chromium/native-messaging-hosts"],
            policies: &["/etc/chromium/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Chromium"],
            hosts: "~/Library/Application Support/Chromium/NativeMessagingHosts",
            system_hosts: &["/Library/Application Support/Chromium/NativeMessagingHosts"],
            policies: &[],
        }),
        // It falls back to Chrome's.
        windows: Some(Keys {
            own: &[r"Software\Chromium"],
            hosts: &[r"Software\Chromium\NativeMessagingHosts"],
        }),
        sandboxed: Sandboxed {
            flatpak: Some([
                "~/.var/app/org.chromium.Chromium",
                "~/.var/app/org.chromium.Chromium/config/chromium/NativeMessagingHosts",
            ]),
            snap: Some("~/snap/chromium"),
        },
    },
    Browser {
        id: "edge",
        name: "Microsoft Edge",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/microsoft-edge"],
            hosts: "$XDG_CONFIG_HOME/microsoft-edge/NativeMessagingHosts",
            system_hosts: &["/etc/opt/edge/native-messaging-hosts"],
            policies: &["/etc/opt/edge/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Microsoft Edge"],
            hosts: "~/Library/Application Support/Microsoft Edge/NativeMessagingHosts",
            system_hosts: &["/Library/Microsoft/Edge/NativeMessagingHosts"],
            policies: &[],
        }),
        // It falls back to Chromium's, then to Chrome's.
        windows: Some(Keys {
            own: &[r"Software\Microsoft\Edge"],
            hosts: &[r"Software\Microsoft\Edge\NativeMessagingHosts"],
        }),
        sandboxed: Sandboxed {
            flatpak: Some([
                "~/.var/app/com.microsoft.Edge",
                "~/.var/app/com.microsoft.Edge/config/microsoft-edge/NativeMessagingHosts",
            ]),
            snap: None,
        },
    },
    Browser {
        id: "edge-beta",
        name: "Microsoft Edge Beta",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/microsoft-edge-beta"],
            hosts: "$XDG_CONFIG_HOME/microsoft-edge-beta/NativeMessagingHosts",
            system_hosts: &["/etc/opt/edge/native-messaging-hosts"],
            policies: &["/etc/opt/edge/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Microsoft Edge Beta"],
            hosts: "~/Library/Application Support/Microsoft Edge Beta/NativeMessagingHosts",
            system_hosts: &["/Library/Microsoft/Edge/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "edge-dev",
        name: "Microsoft Edge Dev",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/microsoft-edge-dev"],
            hosts: "$XDG_CONFIG_HOME/microsoft-edge-dev/NativeMessagingHosts",
            system_hosts: &["/etc/opt/edge/native-messaging-hosts"],
            policies: &["/etc/opt/edge/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Microsoft Edge Dev"],
            hosts: "~/Library/Application Support/Microsoft Edge Dev/NativeMessagingHosts",
            system_hosts: &["/Library/Microsoft/Edge/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "edge-canary",
        name: "Microsoft Edge Canary",
        family: Family::Chromium,
        linux: None,
        macos: Some(Folders {
            own: &["~/Library/Application Support/Microsoft Edge Canary"],
            hosts: "~/Library/Application Support/Microsoft Edge Canary/NativeMessagingHosts",
            system_hosts: &["/Library/Microsoft/Edge/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "brave",
        name: "Brave",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser"],
            hosts: "$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser/NativeMessagingHosts",
            system_hosts: &[],
            policies: &["/etc/brave/policies/managed"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/BraveSoftware/Brave-Browser"],
            hosts: "~/Library/Application Support/BraveSoftware/Brave-Browser/NativeMessagingHosts",
            system_hosts: &[],
            policies: &[],
        }),
        // KeePassXC writes Chrome's key, Bitwarden Brave's: both.
        windows: Some(Keys {
            own: &[r"Software\BraveSoftware\Brave-Browser"],
            hosts: &[
                r"Software\Google\Chrome\NativeMessagingHosts",
                r"Software\BraveSoftware\Brave-Browser\NativeMessagingHosts",
            ],
        }),
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "brave-beta",
        name: "Brave Beta",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Beta"],
            hosts: "$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Beta/NativeMessagingHosts",
            system_hosts: &[],
            policies: &["/etc/brave/policies/managed"],
        }),
        macos: None,
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "brave-nightly",
        name: "Brave Nightly",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Nightly"],
            hosts: "$XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Nightly/NativeMessagingHosts",
            system_hosts: &[],
            policies: &["/etc/brave/policies/managed"],
        }),
        macos: None,
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "brave-origin",
        name: "Brave Origin",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/BraveSoftware/Brave-Origin"],
            hosts: "$XDG_CONFIG_HOME/BraveSoftware/Brave-Origin/NativeMessagingHosts",
            system_hosts: &[],
            policies: &["/etc/brave/policies/managed"],
        }),
        macos: None,
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "vivaldi",
        name: "Vivaldi",
        family: Family::Chromium,
        linux: Some(Folders {
            own: &["$XDG_CONFIG_HOME/vivaldi"],
            hosts: "$XDG_CONFIG_HOME/vivaldi/NativeMessagingHosts",
            system_hosts: &[],
            // Sources disagree, and looking at both costs nothing.
            policies: &[
                "/etc/opt/vivaldi/policies/managed",
                "/etc/vivaldi/policies/managed",
            ],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Vivaldi"],
            hosts: "~/Library/Application Support/Vivaldi/NativeMessagingHosts",
            system_hosts: &[],
            policies: &[],
        }),
        // KeePassXC and passff write Chrome's key, Bitwarden Vivaldi's: both.
        windows: Some(Keys {
            own: &[r"Software\Vivaldi"],
            hosts: &[
                r"Software\Google\Chrome\NativeMessagingHosts",
                r"Software\Vivaldi\NativeMessagingHosts",
            ],
        }),
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "arc",
        name: "Arc",
        family: Family::Chromium,
        linux: None,
        macos: Some(Folders {
            own: &["~/Library/Application Support/Arc/User Data"],
            hosts: "~/Library/Application Support/Arc/User Data/NativeMessagingHosts",
            system_hosts: &["/Library/Application Support/Arc/User Data/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: None,
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "firefox",
        name: "Firefox",
        family: Family::Firefox,
        linux: Some(Folders {
            // New profiles are below the configuration folder; manifests are not.
            own: &["~/.mozilla/firefox", "$XDG_CONFIG_HOME/mozilla/firefox"],
            hosts: "~/.mozilla/native-messaging-hosts",
            system_hosts: &[
                "/usr/lib/mozilla/native-messaging-hosts",
                "/usr/lib64/mozilla/native-messaging-hosts",
            ],
            policies: &["/etc/firefox/policies"],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/Firefox"],
            hosts: "~/Library/Application Support/Mozilla/NativeMessagingHosts",
            system_hosts: &["/Library/Application Support/Mozilla/NativeMessagingHosts"],
            policies: &[],
        }),
        windows: Some(Keys {
            own: &[r"Software\Mozilla\Firefox"],
            hosts: &[r"Software\Mozilla\NativeMessagingHosts"],
        }),
        sandboxed: Sandboxed {
            flatpak: Some([
                "~/.var/app/org.mozilla.firefox",
                "~/.var/app/org.mozilla.firefox/.mozilla/native-messaging-hosts",
            ]),
            snap: Some("~/snap/firefox"),
        },
    },
    Browser {
        id: "librewolf",
        name: "LibreWolf",
        family: Family::Firefox,
        linux: Some(Folders {
            own: &["~/.librewolf"],
            hosts: "~/.librewolf/native-messaging-hosts",
            system_hosts: &["/usr/lib/librewolf/native-messaging-hosts"],
            policies: &[],
        }),
        macos: Some(Folders {
            own: &["~/Library/Application Support/LibreWolf"],
            hosts: "~/Library/Application Support/LibreWolf/NativeMessagingHosts",
            system_hosts: &["/Library/Application Support/LibreWolf/NativeMessagingHosts"],
            policies: &[],
        }),
        // passff writes LibreWolf's key; others say Mozilla's: both.
        windows: Some(Keys {
            own: &[r"Software\LibreWolf"],
            hosts: &[
                r"Software\LibreWolf\NativeMessagingHosts",
                r"Software\Mozilla\NativeMessagingHosts",
            ],
        }),
        sandboxed: NO_SANDBOX,
    },
    Browser {
        id: "waterfox",
        name: "Waterfox",
        family: Family::Firefox,
        linux: Some(Folders {
            own: &["~/.waterfox"],
            hosts: "~/.waterfox/native-messaging-hosts",
            system_hosts: &[],
            policies: &[],
        }),
        macos: None,
        windows: None,
        sandboxed: NO_SANDBOX,
    },
];

impl Browser {
    /// The browser that `--browser` calls so.
    pub fn by_id(id: &str) -> Option<&'static Self> {
        BROWSERS.iter().find(|browser| browser.id == id)
    }

    /// Its folders on a system that has folders for this.
    pub fn folders(&self, os: Os) -> Option<&Folders> {
        match os {
            Os::Linux => self.linux.as_ref(),
            Os::MacOs => self.macos.as_ref(),
            Os::Windows => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, a line a path.
    fn listing() -> String {
        let mut text = String::new();
        for browser in BROWSERS {
            text.push_str(&format!(
                "{} ({}), {:?}\n",
                browser.name, browser.id, browser.family
            ));
            for (os, folders) in [("linux", &browser.linux), ("macos", &browser.macos)] {
                let Some(folders) = folders else { continue };
                let rows = [
                    ("own", folders.own),
                    ("hosts", std::slice::from_ref(&folders.hosts)),
                    ("system", folders.system_hosts),
                    ("policies", folders.policies),
                ];
                for (what, paths) in rows {
                    for path in paths {
                        text.push_str(&format!("  {os:<8}{what:<9}{path}\n"));
                    }
                }
            }
            if let Some(keys) = &browser.windows {
                for (what, keys) in [("own", keys.own), ("hosts", keys.hosts)] {
                    for key in keys {
                        text.push_str(&format!("  windows {what:<9}HKCU\\{key}\n"));
                    }
                }
            }
            for path in browser.sandboxed.flatpak.iter().flatten() {
                text.push_str(&format!("  flatpak {path}\n"));
            }
            if let Some(path) = browser.sandboxed.snap {
                text.push_str(&format!("  snap    {path}\n"));
            }
        }
        text
    }

    #[test]
    fn the_whole_table() {
        insta::assert_snapshot!(listing());
    }

    /// What vendors and well-kept installers say, written down apart from the table.
    #[test]
    fn every_place_that_the_sources_name_is_in_the_table() {
        const PLACES: &str = "
            $XDG_CONFIG_HOME/google-chrome/NativeMessagingHosts
            $XDG_CONFIG_HOME/google-chrome-beta/NativeMessagingHosts
            $XDG_CONFIG_HOME/google-chrome-unstable/NativeMessagingHosts
            /etc/opt/chrome/native-messaging-hosts
            $XDG_CONFIG_HOME/google-chrome-for-testing/NativeMessagingHosts
            /etc/opt/chrome_for_testing/native-messaging-hosts
            $XDG_CONFIG_HOME/chromium/NativeMessagingHosts
            /etc/chromium/native-messaging-hosts
            $XDG_CONFIG_HOME/microsoft-edge/NativeMessagingHosts
            $XDG_CONFIG_HOME/microsoft-edge-beta/NativeMessagingHosts
            $XDG_CONFIG_HOME/microsoft-edge-dev/NativeMessagingHosts
            /etc/opt/edge/native-messaging-hosts
            $XDG_CONFIG_HOME/BraveSoftware/Brave-Browser/NativeMessagingHosts
            $XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Beta/NativeMessagingHosts
            $XDG_CONFIG_HOME/BraveSoftware/Brave-Browser-Nightly/NativeMessagingHosts
            $XDG_CONFIG_HOME/BraveSoftware/Brave-Origin/NativeMessagingHosts
            $XDG_CONFIG_HOME/vivaldi/NativeMessagingHosts
            ~/.mozilla/native-messaging-hosts
            /usr/lib/mozilla/native-messaging-hosts
            /usr/lib64/mozilla/native-messaging-hosts
            ~/.librewolf/native-messaging-hosts
            /usr/lib/librewolf/native-messaging-hosts
            ~/.waterfox/native-messaging-hosts
            ~/.var/app/org.mozilla.firefox/.mozilla/native-messaging-hosts
            ~/.var/app/com.google.Chrome/config/google-chrome/NativeMessagingHosts
            ~/.var/app/org.chromium.Chromium/config/chromium/NativeMessagingHosts
            ~/.var/app/com.microsoft.Edge/config/microsoft-edge/NativeMessagingHosts
            ~/Library/Application Support/Google/Chrome/NativeMessagingHosts
            ~/Library/Application Support/Google/Chrome Beta/NativeMessagingHosts
            ~/Library/Application Support/Google/Chrome Dev/NativeMessagingHosts
            ~/Library/Application Support/Google/Chrome Canary/NativeMessagingHosts
            /Library/Google/Chrome/NativeMessagingHosts
            ~/Library/Application Support/Google/ChromeForTesting/NativeMessagingHosts
            ~/Library/Application Support/Chromium/NativeMessagingHosts
            /Library/Application Support/Chromium/NativeMessagingHosts
            ~/Library/Application Support/Microsoft Edge/NativeMessagingHosts
            ~/Library/Application Support/Microsoft Edge Beta/NativeMessagingHosts
            ~/Library/Application Support/Microsoft Edge Dev/NativeMessagingHosts
            ~/Library/Application Support/Microsoft Edge Canary/NativeMessagingHosts
            /Library/Microsoft/Edge/NativeMessagingHosts
            ~/Library/Application Support/BraveSoftware/Brave-Browser/NativeMessagingHosts
            ~/Library/Application Support/Vivaldi/NativeMessagingHosts
            ~/Library/Application Support/Arc/User Data/NativeMessagingHosts
            /Library/Application Support/Arc/User Data/NativeMessagingHosts
            ~/Library/Application Support/Mozilla/NativeMessagingHosts
            /Library/Application Support/Mozilla/NativeMessagingHosts
            HKCU\\Software\\Google\\Chrome\\NativeMessagingHosts
            HKCU\\Software\\Google\\Chrome for Testing\\NativeMessagingHosts
            HKCU\\Software\\Chromium\\NativeMessagingHosts
            HKCU\\Software\\Microsoft\\Edge\\NativeMessagingHosts
            HKCU\\Software\\BraveSoftware\\Brave-Browser\\NativeMessagingHosts
            HKCU\\Software\\Vivaldi\\NativeMessagingHosts
            HKCU\\Software\\Mozilla\\NativeMessagingHosts
            HKCU\\Software\\LibreWolf\\NativeMessagingHosts";
        let listing = listing();
        for place in PLACES
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let is_there = listing
                .lines()
                .any(|line| line.ends_with(&format!(" {place}")));
            assert!(is_there, "{place}");
        }
    }

    #[test]
    fn every_row_holds_together() {
        let mut ids: Vec<_> = BROWSERS.iter().map(|browser| browser.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), BROWSERS.len(), "an id stands twice");
        for browser in BROWSERS {
            assert!(
                browser.linux.is_some() || browser.macos.is_some(),
                "{} runs nowhere",
                browser.id
            );
            for folders in [&browser.linux, &browser.macos].into_iter().flatten() {
                assert!(!folders.own.is_empty(), "{}", browser.id);
                let is_of_user = |path: &&str| path.starts_with('~') || path.starts_with('$');
                assert!(folders.own.iter().all(is_of_user), "{}", browser.id);
                assert!(is_of_user(&folders.hosts), "{}", browser.id);
                let is_of_system = |path: &&str| path.starts_with('/');
                assert!(
                    folders.system_hosts.iter().all(is_of_system),
                    "{}",
                    browser.id
                );
            }
        }
    }
}
