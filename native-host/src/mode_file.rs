//! The mode and the pause: whether decisions are carried out, and made.
//!
//! One file holds them for all browsers of a user. The popup and the settings page change it through
//! the host, and a host sees within seconds what another one was told.

use std::io;
use std::path::PathBuf;

use engine::Mode;
use serde::{Deserialize, Serialize};

use crate::paths::read_file;
use crate::watched_file::WatchedFile;

const MAX_FILE_BYTES: usize = 4 << 10;

/// What was switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModeChoice {
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// Until when nothing is decided, by the wall clock.
    #[serde(default)]
    pub paused_until_ms: Option<i64>,
}

impl Default for ModeChoice {
    fn default() -> Self {
        Self {
            mode: Mode::Observe,
            paused_until_ms: None,
        }
    }
}

/// The file with the choice, and what was read of it.
#[derive(Debug)]
pub struct ModeFile {
    watched: WatchedFile,
}

impl ModeFile {
    /// Reads the choice to start with. Where there is none, nothing was chosen.
    pub fn open(path: PathBuf) -> (Self, ModeChoice) {
        let mut file = Self {
            watched: WatchedFile::new(path),
        };
        let choice = file.poll().unwrap_or_default();
        (file, choice)
    }

    /// Looks whether the file was changed, and reads it if so. One that is gone changes nothing.
    ///
    /// Where it cannot be read, decisions are only noted.
    pub fn poll(&mut self) -> Option<ModeChoice> {
        if !self.watched.has_changed() {
            return None;
        }
        let choice = self.read().unwrap_or_else(|error| {
            let path = self.watched.path().display();
            crate::report(format_args!("{path} is passed over: {error}"));
            ModeChoice::default()
        });
        Some(choice)
    }

    /// Keeps a choice.
    ///
    /// # Errors
    /// What the system says. The file is as it was then.
    pub fn store(&mut self, choice: &ModeChoice) -> io::Result<()> {
        let mut text = serde_json::to_vec(choice)?;
        text.push(b'\n');
        self.watched.write(&text)
    }

    fn read(&self) -> io::Result<ModeChoice> {
        let text = read_file(self.watched.path(), MAX_FILE_BYTES)?;
        Ok(serde_json::from_str(&text.unwrap_or_default())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_kept_and_seen_and_one_that_cannot_be_read_carries_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mode.json");
        let open = || ModeFile::open(path.clone());
        let (mut file, choice) = open();
        assert_eq!(choice, ModeChoice::default());
        let (mut another, _) = open();
        let chosen = ModeChoice {
            mode: Mode::Enforce,
            paused_until_ms: Some(7),
        };
        file.store(&chosen).unwrap();
        assert_eq!(file.poll(), None, "it is its own");
        assert_eq!(another.poll(), Some(chosen));
        assert_eq!(another.poll(), None);
        assert_eq!(open().1, chosen);
        // As it was written before there was a pause in it.
        std::fs::write(&path, r#"{"mode":"enforce"}"#).unwrap();
        let unpaused = ModeChoice {
            paused_until_ms: None,
            ..chosen
        };
        assert_eq!(file.poll(), Some(unpaused));
        for damaged in ["", "{", r#"{"mode":"kill"}"#] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(file.poll(), Some(ModeChoice::default()), "{damaged}");
            assert_eq!(open().1, ModeChoice::default());
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.poll(), None);
    }
}
