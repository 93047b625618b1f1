//! One trace, one writer; and one host at a time that looks for the trace of an extension's session.
//!
//! A lock of the kernel's on a file of its own, beside the segments, since segments come and go.
//! The kernel drops it with the process, however that ends; the process id in it is only told to
//! people.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use uuid::Uuid;

use crate::storage::{create_folder, open_private};
use crate::writer::{LOCK_WAIT, WriteError};

/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// The right to write a trace, or to look for one to go on with and begin it where there is none.
/// It ends when this is dropped.
#[derive(Debug)]
pub struct TraceLock {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _file: File,
}

impl TraceLock {
    /// Takes the lock on the opening of a trace for an extension's session, and makes the folder
    /// where there is none. Held while a trace is resumed or else created, it keeps two hosts that
    /// are started together from beginning one each.
    ///
    /// # Errors
    /// [`WriteError::Locked`] where another process still holds it after 3 s; what the file system
    /// refuses.
    pub fn take_for_opening(folder: &Path, extension_session: Uuid) -> Result<Self, WriteError> {
        create_folder(folder).map_err(WriteError::io(folder))?;
        Self::take(folder, extension_session, LOCK_WAIT)
    }

    /// Takes the lock of a trace; waits that long for whoever holds it.
    pub(crate) fn take(folder: &Path, session: Uuid, wait: Duration) -> Result<Self, WriteError> {
        let path = path(folder, session);
        let fail = WriteError::io(&path);
        let until = Instant::now() + wait;
        loop {
            let mut file = open_private(&path, OFlags::CREATE).map_err(fail)?;
            match file.try_lock() {
                // The holder before may have removed the file between opening and locking it;
                // then the lock is on a file that nobody else will find.
                Ok(()) if is_at(&file, &path).map_err(fail)? => {
                    // As well as it goes: a full disk may have no room for it, and it must be
                    // possible to take a trace away from there.
                    let _ =
                        (file.set_len(0)).and_then(|()| writeln!(file, "{}", std::process::id()));
                    return Ok(Self { path, _file: file });
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(locked(path));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(RETRY),
                Err(TryLockError::Error(error)) => return Err(fail(error)),
            }
        }
    }

    /// Looks whether somebody holds the lock of a trace; makes no file for that.
    pub(crate) fn check_is_free(folder: &Path, session: Uuid) -> Result<(), WriteError> {
        let path = path(folder, session);
        let locking = match open_private(&path, OFlags::empty()) {
            Ok(file) => file.try_lock_shared(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(TryLockError::Error(error)),
        };
        match locking {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(locked(path)),
            Err(TryLockError::Error(error)) => Err(WriteError::Io { path, error }),
        }
    }
}

impl Drop for TraceLock {
    fn drop(&mut self) {
        // While it is held, so that no one's but ours can be removed. If it stays, nothing is
        // lost: only the kernel's lock counts.
        let _ = fs::remove_file(&self.path);
    }
}

fn path(folder: &Path, session: Uuid) -> PathBuf {
    folder.join(format!("{}.lock", session.simple()))
}

fn locked(path: PathBuf) -> WriteError {
    let pid = fs::read_to_string(&path).ok();
    let pid = pid.and_then(|text| text.trim().parse().ok());
    WriteError::Locked { path, pid }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
