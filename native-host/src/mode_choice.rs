//! The mode and the pause: whether decisions are carried out, and made.

use engine::Mode;
use serde::{Deserialize, Serialize};

use crate::choice_file::Choice;

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

/// For a slip of an editor nothing is put to sleep.
impl Choice for ModeChoice {
    fn when_unreadable() -> (Self, &'static str) {
        (Self::default(), "decisions are only noted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice_file::ChoiceFile;

    #[test]
    fn a_choice_is_kept_and_seen_and_one_that_cannot_be_read_carries_nothing_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mode.json");
        let open = || ChoiceFile::open(path.clone());
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
