//! Where things are kept, and that nobody else can read them.
//!
//! The XDG base directories, on macOS too: `$XDG_CONFIG_HOME/tab-orchestrator` for what people
//! edit, `$XDG_STATE_HOME/tab-orchestrator` for what the host keeps,
//! `$XDG_CACHE_HOME/tab-orchestrator` for what `sim` keeps of it. Folders have mode 0700, files 0600.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use recorder::PackedFolder;
use thiserror::Error;

/// The project's folder in each of the base directories.
const FOLDER: &str = "tab-orchestrator";

/// What the name of a file begins with that is not whole yet.
pub const UNFINISHED: &str = ".unfinished-";

/// The host's folders and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    cache: PathBuf,
    packed: PackedFolder,
}

impl Paths {
    /// Finds them from the environment. Nothing is created.
    ///
    /// # Errors
    /// If there is no home directory.
    pub fn find() -> Result<Self, NoHome> {
        let base = etcetera::choose_base_strategy().map_err(|_| NoHome)?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self::below(&base.config_dir(), &state, &base.cache_dir()))
    }

    /// The folders within these base directories.
    pub fn below(config: &Path, state: &Path, cache: &Path) -> Self {
        Self {
            config: config.join(FOLDER),
            state: state.join(FOLDER),
            cache: cache.join(FOLDER),
            packed: PackedFolder::below(cache),
        }
    }

    /// The folder of what people edit.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of what the host keeps.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder of what can be made anew at any time. The host puts nothing there.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// Where `sim` keeps packed traces.
    pub fn packed(&self) -> &PackedFolder {
        &self.packed
    }

    /// The policy, for people to edit.
    pub fn policy(&self) -> PathBuf {
        self.config.join("policy.toml")
    }

    /// The extensions besides the project's own that may start the host.
    pub fn extensions(&self) -> PathBuf {
        self.config.join("extensions.txt")
    }

    /// The folder of traces.
    pub fn traces(&self) -> PathBuf {
        self.state.join("traces")
    }

    /// The last policy that was found to be valid.
    pub fn last_good_policy(&self) -> PathBuf {
        self.state.join("last-good-policy.toml")
    }

    /// Whether decisions are carried out.
    pub fn mode(&self) -> PathBuf {
        self.state.join("mode.json")
    }

    /// How hostnames are written, and how long logs are kept.
    pub fn privacy(&self) -> PathBuf {
        self.state.join("privacy.json")
    }

    /// The key that hostnames are hashed under.
    pub fn host_key(&self) -> PathBuf {
        self.state.join("host-key")
    }

    /// What the sessions before had learnt of the hosts.
    pub fn knowledge(&self) -> PathBuf {
        self.state.join("knowledge.json")
    }
}

/// There is nowhere to keep anything.
#[derive(Clone, Copy, Debug, Error)]
#[error("found no home directory; set HOME, or XDG_CONFIG_HOME and XDG_STATE_HOME")]
pub struct NoHome;

/// Creates a folder, and those above it that are missing, for the user alone. One that is there
/// and open to others is closed to them.
///
/// # Errors
/// What the system says.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let permissions = fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Replaces a file in one step, or leaves it as it was: whoever reads it, and whenever the power
/// fails, finds the old content or the new. Its folder is created where it is missing.
///
/// A link stays one: the file that it leads to is replaced, and keeps its own rights.
///
/// # Errors
/// What the system says; a link that leads nowhere.
pub fn write_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.is_symlink() {
        return write_where_it_leads(path, content);
    }
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    create_private_folder(folder)?;
    draft(folder, content)?.persist(path)?;
    fs::File::open(folder)?.sync_all()
}

/// Like [`write_private_file`], for a file that is not there yet.
///
/// # Errors
/// What the system says; `AlreadyExists` where somebody was faster.
pub fn create_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    create_private_folder(folder)?;
    draft(folder, content)?.persist_noclobber(path)?;
    fs::File::open(folder)?.sync_all()
}

fn write_where_it_leads(link: &Path, content: &[u8]) -> io::Result<()> {
    let path = fs::canonicalize(link).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => leads_nowhere(),
        _ => error,
    })?;
    let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
    let file = draft(folder, content)?;
    let rights = fs::metadata(&path)?.permissions();
    file.as_file().set_permissions(rights)?;
    file.persist(&path)?;
    fs::File::open(folder)?.sync_all()
}

/// Writes a file without a name yet, to the disk, with mode 0600.
fn draft(folder: &Path, content: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    Ok(file)
}

fn leads_nowhere() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it is a link that leads nowhere")
}

/// Reads a text file; `None` where there is none.
///
/// # Errors
/// What the system says; a link that leads nowhere, as to a disk that is away; no regular file; more
/// than `max_bytes`; no UTF-8.
pub fn read_file(path: &Path, max_bytes: usize) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if path.is_symlink() {
                Err(leads_nowhere())
            } else {
                Ok(None)
            };
        }
        Err(error) => return Err(error),
        // Opening a pipe would wait for somebody to write to it.
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is not a regular file",
            ));
        }
        Ok(_) => {}
    }
    let mut text = String::new();
    let limit = u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    fs::File::open(path)?
        .take(limit)
        .read_to_string(&mut text)?;
    if text.len() > max_bytes {
        let problem = format!("it is longer than {max_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn nobody_else_can_read_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/c.txt");
        write_private_file(&file, b"one").unwrap();
        write_private_file(&file, b"two").unwrap();
        assert_eq!(read_file(&file, 3).unwrap().as_deref(), Some("two"));
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
        let left: Vec<_> = fs::read_dir(folder.path().join("a/b")).unwrap().collect();
        assert_eq!(left.len(), 1, "no temporary file stays behind");

        fs::set_permissions(folder.path().join("a/b"), Permissions::from_mode(0o755)).unwrap();
        create_private_folder(&folder.path().join("a/b")).unwrap();
        assert_eq!(mode(&folder.path().join("a/b")), 0o700);
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_not_ours() {
        let folder = tempfile::tempdir().unwrap();
        let (own, theirs) = (folder.path().join("own"), folder.path().join("theirs"));
        let (link, file) = (own.join("link"), theirs.join("file"));
        fs::create_dir(&own).unwrap();
        fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::symlink("../theirs/file", &link).unwrap();
        let error = write_private_file(&link, b"one").unwrap_err();
        assert_eq!(error.to_string(), "it is a link that leads nowhere");
        assert!(link.is_symlink() && !file.exists());

        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        fs::set_permissions(&theirs, Permissions::from_mode(0o750)).unwrap();
        write_private_file(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(read_file(&file, 3).unwrap().as_deref(), Some("two"));
        assert_eq!((mode(&theirs), mode(&file)), (0o750, 0o640));
        assert_eq!(fs::read_dir(&theirs).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_text_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_file(&folder.path().join("none"), 9).unwrap(), None);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("none", &link).unwrap();
        let error = read_file(&link, 9).unwrap_err();
        assert_eq!(error.to_string(), "it is a link that leads nowhere");
        assert!(read_file(folder.path(), 9).is_err());
        let long = folder.path().join("long");
        fs::File::create(&long).unwrap().set_len(10).unwrap();
        assert_eq!(
            read_file(&long, 9).unwrap_err().kind(),
            io::ErrorKind::FileTooLarge
        );
        fs::write(&long, b"\xff").unwrap();
        assert_eq!(
            read_file(&long, 9).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
