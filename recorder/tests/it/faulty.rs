//! A disk that fails when it is told to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use recorder::{Disk, SegmentFile, Storage};

/// What the disk does wrong from now on. Shared with the storage that a writer holds.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Plan>>);

#[derive(Default)]
pub(crate) struct Plan {
    /// How many more bytes fit; `None` for any number.
    pub(crate) space: Option<usize>,
    /// Whether a sync fails, and what was written since the last one is gone.
    pub(crate) sync_fails: bool,
    /// Whether cutting fails.
    pub(crate) truncate_fails: bool,
    /// Whether no file can be created.
    pub(crate) create_fails: bool,
    /// How many times `write` was called.
    pub(crate) writes: usize,
}

impl Faults {
    pub(crate) fn set(&self, change: impl FnOnce(&mut Plan)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(crate) fn writes(&self) -> usize {
        self.0.lock().unwrap().writes
    }

    pub(crate) fn storage(&self) -> Box<dyn Storage> {
        Box::new(self.clone())
    }

    fn wrap(
        &self,
        path: &Path,
        file: io::Result<Box<dyn SegmentFile>>,
    ) -> io::Result<Box<dyn SegmentFile>> {
        let synced_bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        let (faults, path) = (self.clone(), path.to_owned());
        Ok(Box::new(FaultyFile {
            file: file?,
            faults,
            path,
            synced_bytes,
        }))
    }
}

impl Storage for Faults {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        if self.0.lock().unwrap().create_fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.wrap(path, Disk.create(path))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.wrap(path, Disk.append(path))
    }
}

struct FaultyFile {
    file: Box<dyn SegmentFile>,
    faults: Faults,
    path: PathBuf,
    synced_bytes: u64,
}

impl SegmentFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut plan = self.faults.0.lock().unwrap();
        plan.writes += 1;
        let fits = plan.space.unwrap_or(bytes.len()).min(bytes.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        plan.space = plan.space.map(|space| space - fits);
        self.file.write(&bytes[..fits])
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.faults.0.lock().unwrap().sync_fails {
            // The worst that a disk may do: what it could not keep reads as something else.
            let mut bytes = fs::read(&self.path)?;
            for byte in &mut bytes[usize::try_from(self.synced_bytes).unwrap()..] {
                *byte = 0;
            }
            fs::write(&self.path, bytes)?;
            return Err(io::Error::other("the disk is broken"));
        }
        self.file.sync()?;
        self.synced_bytes = fs::metadata(&self.path)?.len();
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        if self.faults.0.lock().unwrap().truncate_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.file.truncate(bytes)
    }
}
