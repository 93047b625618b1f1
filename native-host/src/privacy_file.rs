//! The choice of privacy: how hostnames are written, and how long logs are kept.
//!
//! One file holds it for all browsers of a user. The settings page changes it through the host, and
//! a host sees within seconds what another one was told.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use recorder::{Privacy, Retention};
use serde::{Deserialize, Serialize};

use crate::paths::read_file;
use crate::watched_file::WatchedFile;

const MAX_FILE_BYTES: usize = 4 << 10;

/// For how many days logs may be kept.
pub const KEEP_DAYS: RangeInclusive<u32> = 1..=3_650;

/// How much of logs may be kept, in MiB. A segment takes up to 16.
pub const KEEP_MIB: RangeInclusive<u32> = 16..=1_048_576;

/// How hostnames are written, and how long logs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrivacyChoice {
    /// How hostnames are written.
    pub privacy: Privacy,
    /// For how many days a log is kept.
    pub keep_days: u32,
    /// How much of logs is kept together, in MiB.
    pub keep_mib: u32,
}

impl Default for PrivacyChoice {
    fn default() -> Self {
        Self {
            privacy: Privacy::Hostname,
            keep_days: 30,
            keep_mib: 256,
        }
    }
}

impl PrivacyChoice {
    /// Checks that each number is within its range.
    ///
    /// # Errors
    /// The name of the first that is not, with what was found and what was expected.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        for (name, found, range) in [
            ("keep_days", self.keep_days, KEEP_DAYS),
            ("keep_mib", self.keep_mib, KEEP_MIB),
        ] {
            if !range.contains(&found) {
                let (from, to) = (range.start(), range.end());
                return Err((name, format!("found {found}, expected {from} to {to}")));
            }
        }
        Ok(())
    }

    /// How long logs are kept.
    pub fn retention(&self) -> Retention {
        Retention {
            days: self.keep_days,
            bytes: u64::from(self.keep_mib) << 20,
        }
    }
}

/// The file with the choice, and what was read of it.
#[derive(Debug)]
pub struct PrivacyFile {
    watched: WatchedFile,
}

impl PrivacyFile {
    /// Reads the choice to start with. Where there is none, nothing was chosen.
    pub fn open(path: PathBuf) -> (Self, PrivacyChoice) {
        let mut file = Self {
            watched: WatchedFile::new(path),
        };
        let choice = file.poll().unwrap_or_default();
        (file, choice)
    }

    /// Looks whether the file was changed, and reads it if so. One that is gone changes nothing.
    ///
    /// Where it cannot be read, names are hashed: what somebody may have wanted hidden is not told
    /// for a slip of an editor.
    pub fn poll(&mut self) -> Option<PrivacyChoice> {
        if !self.watched.has_changed() {
            return None;
        }
        let choice = Self::read(self.watched.path())
            .and_then(|choice| choice.ok_or("it is gone".to_owned()));
        let choice = choice.unwrap_or_else(|problem| {
            crate::report(format_args!(
                "hostnames are hashed, because {} cannot be read: {problem}",
                self.watched.path().display()
            ));
            PrivacyChoice {
                privacy: Privacy::KeyedHash,
                ..PrivacyChoice::default()
            }
        });
        Some(choice)
    }

    /// Keeps a choice.
    ///
    /// # Errors
    /// What the system says. The file is as it was then.
    pub fn store(&mut self, choice: &PrivacyChoice) -> io::Result<()> {
        let mut text = serde_json::to_vec(choice)?;
        text.push(b'\n');
        self.watched.write(&text)
    }

    /// Reads a file with a choice; `None` where there is none.
    ///
    /// # Errors
    /// Why there is no choice in it, for people.
    pub fn read(path: &Path) -> Result<Option<PrivacyChoice>, String> {
        let text = read_file(path, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
        let Some(text) = text else { return Ok(None) };
        let choice: PrivacyChoice =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match choice.check() {
            Ok(()) => Ok(Some(choice)),
            Err((name, problem)) => Err(format!("{name}: {problem}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_kept_and_seen_and_one_that_cannot_be_read_hides_the_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("privacy.json");
        let open = || PrivacyFile::open(path.clone());
        let (mut file, choice) = open();
        assert_eq!(choice, PrivacyChoice::default());
        assert_eq!(file.poll(), None);
        let chosen = PrivacyChoice {
            privacy: Privacy::Site,
            keep_days: 7,
            keep_mib: 16,
        };
        let (mut another, _) = open();
        file.store(&chosen).unwrap();
        assert_eq!(file.poll(), None, "it is its own");
        assert_eq!(another.poll(), Some(chosen));
        assert_eq!(another.poll(), None);
        assert_eq!(open().1, chosen);
        for damaged in [
            "",
            r#"{"privacy":"none","keep_days":7,"keep_mib":16}"#,
            r#"{"privacy":"hostname","keep_days":0,"keep_mib":16}"#,
            r#"{"privacy":"hostname","keep_days":7,"keep_mib":15}"#,
            r#"{"privacy":"hostname"}"#,
        ] {
            std::fs::write(&path, damaged).unwrap();
            let found = file.poll().unwrap();
            assert_eq!(found.privacy, Privacy::KeyedHash, "{damaged}");
            assert_eq!(open().1, found);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.poll(), None);
    }
}
