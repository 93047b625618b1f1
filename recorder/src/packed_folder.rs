//! Where `sim` keeps packed traces from one run to the next.
//!
//! What is packed of a trace holds what the trace holds, hosts included, so whoever removes a trace
//! removes that, too. It goes by the names of files alone: they begin with the trace's id, and what
//! has another name is not touched.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use engine::hex;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::storage::{create_folder, remove_if_there};

/// What a name ends in.
const SUFFIX: &str = ".tabpack";

/// What the name of one begins with that is not whole yet.
const UNFINISHED: &str = ".unfinished-";

/// The folder of packed traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFolder(PathBuf);

/// A packed trace as it lies in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The id of its trace.
    pub session: Uuid,
    /// Whether it is whole; else it is being written, or whoever wrote it was stopped.
    pub is_whole: bool,
    /// Its length.
    pub bytes: u64,
}

impl PackedFolder {
    /// The folder within the user's cache folder, which is `$XDG_CACHE_HOME` or `~/.cache`.
    pub fn below(cache: &Path) -> Self {
        Self(cache.join("tab-orchestrator/packed"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for the user alone. One that is open to others is closed to them.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(&self) -> io::Result<()> {
        create_folder(&self.0)?;
        if fs::metadata(&self.0)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&self.0, Permissions::from_mode(0o700))?;
        }
        Ok(())
    }

    /// Where a trace is kept whose first file is this one.
    pub fn place(&self, session: Uuid, first_file: &Path) -> PathBuf {
        let place = Sha256::digest(first_file.as_os_str().as_encoded_bytes());
        let (session, place) = (session.simple(), hex(&place[..12]));
        self.0.join(format!("{session}-{place}{SUFFIX}"))
    }

    /// What the name of a file begins with in which a trace is packed, until it gets its place.
    pub fn unfinished(session: Uuid) -> String {
        format!("{UNFINISHED}{}-", session.simple())
    }

    /// Finds what there is, by name. Where there is no such folder, there is nothing.
    ///
    /// # Errors
    /// What the file system says.
    pub fn list(&self) -> io::Result<Vec<PackedFile>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if is_absence(&error) => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut files = Vec::new();
        for entry in entries {
            files.extend(PackedFile::find(entry?.path())?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Removes all that is packed of a trace, wherever that was.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove_of(&self, session: Uuid) -> io::Result<()> {
        let of_it = self.list()?.into_iter().filter(|it| it.session == session);
        of_it.into_iter().try_for_each(|file| file.remove())
    }
}

impl PackedFile {
    fn find(path: PathBuf) -> io::Result<Option<Self>> {
        let Some((session, is_whole)) = told_by_name(&path) else {
            return Ok(None);
        };
        let bytes = match fs::symlink_metadata(&path) {
            // It got its place meanwhile, or somebody else removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            metadata => metadata?.len(),
        };
        Ok(Some(Self {
            path,
            session,
            is_whole,
            bytes,
        }))
    }

    /// Removes it, if it is there still. Whoever has mapped it keeps it that long.
    ///
    /// # Errors
    /// What the file system says.
    pub fn remove(&self) -> io::Result<()> {
        remove_if_there(&self.path)
    }
}

/// Whether an error says that there is no such folder, or something else in a folder's place.
fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The session of the trace that a file is packed of, and whether it is whole.
fn told_by_name(path: &Path) -> Option<(Uuid, bool)> {
    let name = path.file_name()?.to_str()?;
    let (name, is_whole) = match name.strip_prefix(UNFINISHED) {
        Some(name) => (name, false),
        None => (name.strip_suffix(SUFFIX)?, true),
    };
    let (session, _) = name.split_once('-')?;
    Some((Uuid::try_parse(session).ok()?, is_whole))
}
