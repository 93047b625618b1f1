//! A file that others change, too: looked at now and then.
//!
//! Not watched by a notification of the system: this is the same on every platform, costs one system
//! call, and an editor that writes a new file and renames it over the old one is seen as well as one
//! that writes in place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::paths::write_private_file;

/// A file, and which of its contents was seen last.
#[derive(Debug)]
pub struct WatchedFile {
    path: PathBuf,
    seen: Option<Stamp>,
}

impl WatchedFile {
    /// A file of which nothing was seen yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, seen: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its content is another than the one that was seen last; then it counts as seen. One
    /// that is gone has not changed: an editor may be about to put a new one in its place.
    pub fn has_changed(&mut self) -> bool {
        let stamp = Stamp::of(&self.path);
        if stamp.is_none() || stamp == self.seen {
            return false;
        }
        self.seen = stamp;
        true
    }

    /// Writes a content, which counts as seen.
    ///
    /// # Errors
    /// What the system says. The file is as it was then.
    pub fn write(&mut self, content: &[u8]) -> io::Result<()> {
        write_private_file(&self.path, content)?;
        self.seen = Stamp::of(&self.path);
        Ok(())
    }
}

/// What tells one content of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// Looks at a file; `None` where there is none.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            bytes: metadata.size(),
            // The time of change, not of modification: an editor can set that one back.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}
