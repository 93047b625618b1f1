//! The choice of privacy: how hostnames are written, and how long logs are kept.

use std::ops::RangeInclusive;

use recorder::{Privacy, Retention};
use serde::{Deserialize, Serialize};

use crate::choice_file::Choice;

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
    /// How long logs are kept.
    pub fn retention(&self) -> Retention {
        Retention {
            days: self.keep_days,
            bytes: u64::from(self.keep_mib) << 20,
        }
    }
}

/// For a slip of an editor nothing is told that somebody may have wanted hidden, and nothing removed
/// that somebody may have wanted kept.
impl Choice for PrivacyChoice {
    fn when_unreadable() -> (Self, &'static str) {
        let careful = Self {
            privacy: Privacy::KeyedHash,
            keep_days: *KEEP_DAYS.end(),
            keep_mib: *KEEP_MIB.end(),
        };
        (careful, "hostnames are hashed, and logs are kept")
    }

    /// Checks that each number is within its range.
    fn check(&self) -> Result<(), (&'static str, String)> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice_file::ChoiceFile;

    #[test]
    fn a_choice_is_kept_and_seen_and_one_that_cannot_be_read_hides_the_names_and_keeps_the_logs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("privacy.json");
        let open = || ChoiceFile::open(path.clone());
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
            let expect = PrivacyChoice {
                privacy: Privacy::KeyedHash,
                keep_days: 3_650,
                keep_mib: 1_048_576,
            };
            assert_eq!(found, expect, "{damaged}");
            assert_eq!(open().1, found);
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.poll(), None);
        // The disk that it leads to is away: nobody has taken the choice back.
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).unwrap();
        let (mut file, choice) = open();
        assert_eq!(choice, PrivacyChoice::when_unreadable().0);
        std::fs::write(
            folder.path().join("elsewhere"),
            r#"{"privacy":"site","keep_days":7,"keep_mib":16}"#,
        )
        .unwrap();
        assert_eq!(file.poll(), Some(chosen));
    }
}
