//! Where segments are written. The disk is one such place; a test's is another, which fails when
//! it is told to.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Opens segments for writing.
pub trait Storage: Send {
    /// Creates a file that must not exist yet.
    ///
    /// # Errors
    /// What the file system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;

    /// Opens a file to write on at its end.
    ///
    /// # Errors
    /// What the file system says.
    fn append(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment that is written at its end.
pub trait SegmentFile: Send {
    /// Writes some of the bytes at the end, and tells how many.
    ///
    /// # Errors
    /// What the file system says. Nothing was written then.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns once everything written is on the disk.
    ///
    /// # Errors
    /// What the file system says. It is not known then what is on the disk.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// What the file system says.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;
}

/// The file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Storage for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(open_private(
            path,
            OFlags::CREATE | OFlags::EXCL | OFlags::APPEND,
        )?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(open_private(path, OFlags::APPEND)?))
    }
}

impl SegmentFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }
}

/// Opens a file for writing that only its owner may read. A symbolic link is not followed: the
/// folder may have been writable to others before it was ours.
pub(crate) fn open_private(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(
        path,
        flags,
        Mode::RUSR | Mode::WUSR,
    )?))
}

/// Creates a folder that only its owner may enter, and those above it, where there is none.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Returns once the names in a folder are on the disk: without it, a new file can be gone after a
/// power cut although its content was synced.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Writes all bytes. What is short of space writes a part first and fails at the next try, so
/// that one try more tells the reason.
pub(crate) fn write_all(file: &mut dyn SegmentFile, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes a file, if it is there still.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Writes a whole file anew, to the disk.
pub(crate) fn write_new(
    path: &Path,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = open_private(path, OFlags::CREATE | OFlags::TRUNC)?;
    write(&mut file)?;
    file.sync_all()
}
