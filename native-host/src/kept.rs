//! What outlives a browser session besides the policy: the mode, and what was learnt of the hosts.

use std::io;
use std::path::Path;

use engine::{HostKnowledge, Mode};
use serde::{Deserialize, Serialize};

use crate::paths::{read_file, write_private_file};

const MAX_FILE_BYTES: usize = 4 << 20;

#[derive(Serialize, Deserialize)]
struct KeptMode {
    mode: Mode,
}

#[derive(Serialize, Deserialize)]
struct KeptKnowledge {
    hosts: Vec<HostKnowledge>,
}

/// Reads the mode that was set last. Without one, or one that can be read, decisions are only
/// noted.
pub fn read_mode(path: &Path) -> Mode {
    read::<KeptMode>(path).map_or(Mode::Observe, |kept| kept.mode)
}

/// Keeps the mode.
///
/// # Errors
/// What the system says.
pub fn write_mode(path: &Path, mode: Mode) -> io::Result<()> {
    write(path, &KeptMode { mode })
}

/// Reads what was learnt of the hosts; nothing where that cannot be read.
pub fn read_knowledge(path: &Path) -> Vec<HostKnowledge> {
    read::<KeptKnowledge>(path).map_or_else(Vec::new, |kept| kept.hosts)
}

/// Keeps what was learnt of the hosts.
///
/// # Errors
/// What the system says.
pub fn write_knowledge(path: &Path, hosts: Vec<HostKnowledge>) -> io::Result<()> {
    write(path, &KeptKnowledge { hosts })
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Option<T> {
    let text = match read_file(path, MAX_FILE_BYTES) {
        Ok(text) => text?,
        Err(error) => {
            crate::report(format_args!("{} is passed over: {error}", path.display()));
            return None;
        }
    };
    serde_json::from_str(&text)
        .inspect_err(|error| {
            crate::report(format_args!("{} is passed over: {error}", path.display()));
        })
        .ok()
}

fn write(path: &Path, kept: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(kept)?;
    text.push(b'\n');
    write_private_file(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        assert_eq!(read_mode(&path), Mode::Observe);
        write_mode(&path, Mode::Enforce).unwrap();
        assert_eq!(read_mode(&path), Mode::Enforce);
        std::fs::write(&path, r#"{"mode":"kill"}"#).unwrap();
        assert_eq!(read_mode(&path), Mode::Observe);

        let known = HostKnowledge {
            host: "a.example".to_owned(),
            familiarity: 3,
            last_in_front_ms: Some(1),
            bytes: None,
        };
        write_knowledge(&path, vec![known.clone()]).unwrap();
        assert_eq!(read_knowledge(&path), [known]);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read_knowledge(&path), []);
    }
}
