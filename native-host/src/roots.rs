//! Where the table's paths begin, and which of its browsers are there.

use std::path::{Path, PathBuf};

use crate::browsers::{BROWSERS, Browser, Os};

/// Where the paths of the table begin on this machine, or on one made up for a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roots {
    /// Whose rows are meant.
    pub os: Os,
    /// `~`.
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME`.
    pub config: PathBuf,
    /// `/`.
    pub root: PathBuf,
}

impl Roots {
    /// Finds them from the environment.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn find() -> Result<Self, crate::paths::NoHome> {
        use etcetera::BaseStrategy;
        let base = etcetera::choose_base_strategy().map_err(|_| crate::paths::NoHome)?;
        Ok(Self {
            os: Os::HERE,
            home: base.home_dir().to_owned(),
            config: base.config_dir(),
            root: PathBuf::from("/"),
        })
    }

    /// The place that a path of the table means.
    pub fn resolve(&self, path: &str) -> PathBuf {
        if let Some(rest) = path.strip_prefix("~/") {
            self.home.join(rest)
        } else if let Some(rest) = path.strip_prefix("$XDG_CONFIG_HOME/") {
            self.config.join(rest)
        } else {
            self.root.join(path.trim_start_matches('/'))
        }
    }

    /// A path as it is shown to people: the home folder is `~`, so that a report can be shown to
    /// somebody without the user's name in it.
    pub fn show(&self, path: &Path) -> String {
        if let Ok(rest) = path.strip_prefix(&self.home) {
            format!("~/{}", rest.display())
        } else if let Ok(rest) = path.strip_prefix(&self.root) {
            format!("/{}", rest.display())
        } else {
            path.display().to_string()
        }
    }

    /// Whether the browser's own folder is there.
    pub fn has(&self, browser: &Browser) -> bool {
        let folders = browser.folders(self.os);
        folders.is_some_and(|it| it.own.iter().any(|own| self.resolve(own).is_dir()))
    }

    /// The browsers whose own folder is there.
    pub fn browsers(&self) -> impl Iterator<Item = &'static Browser> {
        BROWSERS.iter().filter(|browser| self.has(browser))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_without_the_users_name() {
        let roots = Roots {
            os: Os::Linux,
            home: "/fake/home/ada".into(),
            config: "/fake/home/ada/.config".into(),
            root: "/fake".into(),
        };
        for (path, resolved, shown) in [
            ("~/.librewolf", "/fake/home/ada/.librewolf", "~/.librewolf"),
            (
                "$XDG_CONFIG_HOME/chromium",
                "/fake/home/ada/.config/chromium",
                "~/.config/chromium",
            ),
            ("/etc/chromium", "/fake/etc/chromium", "/etc/chromium"),
        ] {
            assert_eq!(roots.resolve(path), Path::new(resolved));
            assert_eq!(roots.show(Path::new(resolved)), shown);
        }
        assert_eq!(roots.show(Path::new("/elsewhere")), "/elsewhere");
    }
}
