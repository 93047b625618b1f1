//! Keys of the registry of Windows, behind a trait, so that what is written there can be tested
//! where there is none.
//!
//! The rest of the host is not yet built for Windows (its locks, modes and signals are those of
//! Unix), so nothing calls this there: table and keys wait for it.

use std::io;

use crate::browsers::{BROWSERS, Browser};
use crate::install::HOST_NAME;

/// Keys below `HKEY_CURRENT_USER`, of which only the default value is used.
pub trait RegistryKeys {
    /// Whether there is a key.
    fn has(&self, key: &str) -> bool;

    /// The default value of a key; `None` where there is none.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, key: &str) -> io::Result<Option<String>>;

    /// Sets the default value of a key, which is created where it is missing.
    ///
    /// # Errors
    /// What the system says.
    fn write(&mut self, key: &str, value: &str) -> io::Result<()>;

    /// Removes a key. One that is not there is no error.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&mut self, key: &str) -> io::Result<()>;
}

/// The registry of this machine. Compiled on Windows only, and never run so far.
#[cfg(windows)]
#[derive(Debug)]
pub struct UserKeys;

#[cfg(windows)]
impl RegistryKeys for UserKeys {
    fn has(&self, key: &str) -> bool {
        windows_registry::CURRENT_USER.open(key).is_ok()
    }

    fn read(&self, key: &str) -> io::Result<Option<String>> {
        let value = windows_registry::CURRENT_USER
            .open(key)
            .and_then(|key| key.get_string(""));
        match value.map_err(io::Error::from) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&mut self, key: &str, value: &str) -> io::Result<()> {
        let key = windows_registry::CURRENT_USER.create(key)?;
        Ok(key.set_string("", value)?)
    }

    fn remove(&mut self, key: &str) -> io::Result<()> {
        match windows_registry::CURRENT_USER
            .remove_tree(key)
            .map_err(io::Error::from)
        {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Names the manifest in the keys that a browser looks for hosts in. Returns the keys.
///
/// # Errors
/// What the system says.
pub fn install(
    browser: &Browser,
    manifest: &str,
    registry: &mut dyn RegistryKeys,
) -> io::Result<Vec<String>> {
    let keys = keys_of(browser);
    for key in &keys {
        registry.write(key, manifest)?;
    }
    Ok(keys)
}

/// Removes the keys of a browser, but for those that another browser that is there reads, too.
/// Returns what was removed.
///
/// # Errors
/// What the system says.
pub fn uninstall(browser: &Browser, registry: &mut dyn RegistryKeys) -> io::Result<Vec<String>> {
    let needed: Vec<_> = present(registry)
        .filter(|other| other.id != browser.id)
        .flat_map(keys_of)
        .collect();
    let mut keys = keys_of(browser);
    keys.retain(|key| !needed.contains(key) && registry.has(key));
    for key in &keys {
        registry.remove(key)?;
    }
    Ok(keys)
}

/// The browsers whose own key is there.
pub fn present(registry: &dyn RegistryKeys) -> impl Iterator<Item = &'static Browser> {
    BROWSERS.iter().filter(|browser| {
        let keys = browser.windows.as_ref();
        keys.is_some_and(|keys| keys.own.iter().any(|key| registry.has(key)))
    })
}

fn keys_of(browser: &Browser) -> Vec<String> {
    let keys = browser.windows.iter().flat_map(|keys| keys.hosts);
    keys.map(|key| format!(r"{key}\{HOST_NAME}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Fake(BTreeMap<String, String>);

    impl Fake {
        fn with(browsers: &[&str]) -> Self {
            let own = browsers.iter().map(|id| {
                let keys = Browser::by_id(id).unwrap().windows.as_ref().unwrap();
                (keys.own[0].to_owned(), String::new())
            });
            Self(own.collect())
        }
    }

    impl RegistryKeys for Fake {
        fn has(&self, key: &str) -> bool {
            self.0.contains_key(key)
        }

        fn read(&self, key: &str) -> io::Result<Option<String>> {
            Ok(self.0.get(key).cloned())
        }

        fn write(&mut self, key: &str, value: &str) -> io::Result<()> {
            self.0.insert(key.to_owned(), value.to_owned());
            Ok(())
        }

        fn remove(&mut self, key: &str) -> io::Result<()> {
            self.0.remove(key);
            Ok(())
        }
    }

    #[test]
    fn every_browser_of_windows_is_installed_for_and_nothing_is_left() {
        for browser in BROWSERS.iter().filter(|browser| browser.windows.is_some()) {
            let mut registry = Fake::with(&[browser.id]);
            let before = registry.0.clone();
            let keys = install(browser, r"C:\host.json", &mut registry).unwrap();
            assert!(!keys.is_empty());
            for key in &keys {
                assert_eq!(
                    registry.read(key).unwrap().as_deref(),
                    Some(r"C:\host.json")
                );
            }
            assert_eq!(uninstall(browser, &mut registry).unwrap(), keys);
            assert_eq!(registry.0, before, "{}", browser.id);
            assert_eq!(uninstall(browser, &mut registry).unwrap(), [""; 0]);
        }
    }

    #[test]
    fn a_key_that_another_browser_reads_stays() {
        let mut registry = Fake::with(&["brave", "chrome"]);
        let [brave, chrome] = ["brave", "chrome"].map(|id| Browser::by_id(id).unwrap());
        assert_eq!(present(&registry).collect::<Vec<_>>(), [chrome, brave]);
        install(brave, "x", &mut registry).unwrap();
        install(chrome, "x", &mut registry).unwrap();
        uninstall(brave, &mut registry).unwrap();
        for key in keys_of(chrome) {
            assert!(registry.has(&key), "{key}");
        }
    }
}
