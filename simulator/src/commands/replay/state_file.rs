//! The file that a saved state is kept in.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use simulator::state::{BYTES_MAX, State};
use tempfile::NamedTempFile;

use crate::reading::shown;
use crate::writing::of_target;

/// Reads a saved state.
pub(super) fn load(file: &Path) -> anyhow::Result<State> {
    let cannot_read = || format!("cannot read the state {}", shown(file));
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(cannot_read)?;
    opened
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .with_context(cannot_read)?;
    if bytes.len() as u64 > BYTES_MAX {
        bail!(
            "{} is larger than any state that is read, which is {} MiB",
            shown(file),
            BYTES_MAX >> 20
        );
    }
    State::from_bytes(&bytes).with_context(|| shown(file))
}

/// Writes a file beside, then gives it its name: whatever happens, what is there under that name
/// is whole.
pub(super) fn save(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let write = || -> io::Result<()> {
        let mut beside = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        beside.write_all(bytes)?;
        beside.as_file().sync_all()?;
        beside.persist(file)?;
        Ok(())
    };
    let written = write().map_err(of_target);
    written.with_context(|| format!("cannot write the state {}", shown(file)))
}
