//! The file that a saved state is kept in.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use simulator::state::{BYTES_MAX, State};

use crate::reading::shown;

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
