//! A disk that fails when it is told to.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
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
    /// How many operations there were.
    pub(crate) operations: usize,
    /// The operations that fail, counted from 0, and how.
    pub(crate) outage: Range<usize>,
    pub(crate) trouble: Trouble,
    /// Of the files that were opened: how many bytes are surely on the disk.
    pub(crate) synced_bytes: BTreeMap<PathBuf, u64>,
}

/// What is wrong with a disk during an outage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is full: the first write takes a part, the next ones and new files are refused.
    #[default]
    Full,
    /// What was written cannot be synced, and is lost.
    SyncFails,
    /// Nothing works, cutting off a part of a line neither.
    Broken,
}

/// What a disk can be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Write,
    Sync,
    Truncate,
}

impl Plan {
    /// Counts an operation, and tells whether the outage lets it fail.
    fn fails(&mut self, operation: Operation) -> bool {
        let number = self.operations;
        self.operations += 1;
        self.outage.contains(&number)
            && match self.trouble {
                Trouble::Full => matches!(operation, Operation::Create | Operation::Write),
                Trouble::SyncFails => operation == Operation::Sync,
                Trouble::Broken => true,
            }
    }
}

impl Faults {
    /// Changes the plan, or looks at it.
    pub(crate) fn set<T>(&self, change: impl FnOnce(&mut Plan) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Takes away what a power cut takes: of what was not synced, all but so much.
    pub(crate) fn cut_power(&self, left_percent: u64) {
        for (path, &synced) in &self.0.lock().unwrap().synced_bytes {
            // It may be compressed by now.
            let Ok(file) = fs::OpenOptions::new().write(true).open(path) else {
                continue;
            };
            let bytes = file.metadata().unwrap().len();
            let left = bytes.saturating_sub(synced) * left_percent / 100;
            file.set_len(bytes.min(synced + left)).unwrap();
        }
    }

    pub(crate) fn storage(&self) -> Box<dyn Storage> {
        Box::new(self.clone())
    }

    fn wrap(
        &self,
        path: &Path,
        file: io::Result<Box<dyn SegmentFile>>,
    ) -> io::Result<Box<dyn SegmentFile>> {
        let file = file?;
        let (faults, path) = (self.clone(), path.to_owned());
        Ok(Box::new(FaultyFile { file, faults, path }))
    }
}

impl Storage for Faults {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let mut plan = self.0.lock().unwrap();
        if plan.fails(Operation::Create) || plan.create_fails {
            return Err(io::ErrorKind::StorageFull.into());
        }
        plan.synced_bytes.insert(path.to_owned(), 0);
        self.wrap(path, Disk.create(path))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        // What a host finds on the disk is there.
        let bytes = fs::metadata(path)?.len();
        self.set(|plan| *plan.synced_bytes.entry(path.to_owned()).or_insert(bytes));
        self.wrap(path, Disk.append(path))
    }
}

struct FaultyFile {
    file: Box<dyn SegmentFile>,
    faults: Faults,
    path: PathBuf,
}

impl SegmentFile for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut plan = self.faults.0.lock().unwrap();
        plan.writes += 1;
        if plan.fails(Operation::Write) {
            // What goes wrong goes wrong in the middle of a line.
            let half = bytes.len() / 2;
            let is_first = plan.operations - 1 == plan.outage.start;
            if !is_first || half == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            return self.file.write(&bytes[..half]);
        }
        let fits = plan.space.unwrap_or(bytes.len()).min(bytes.len());
        if fits == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        plan.space = plan.space.map(|space| space - fits);
        self.file.write(&bytes[..fits])
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut plan = self.faults.0.lock().unwrap();
        let fails = plan.fails(Operation::Sync) || plan.sync_fails;
        let synced_bytes = plan.synced_bytes.entry(self.path.clone()).or_default();
        let bytes = fs::metadata(&self.path)?.len();
        if fails {
            // The worst that a disk may do: what it could not keep reads as something else.
            let lost = vec![0; usize::try_from(bytes.saturating_sub(*synced_bytes)).unwrap()];
            let file = fs::OpenOptions::new().write(true).open(&self.path)?;
            file.write_all_at(&lost, *synced_bytes)?;
            return Err(io::Error::other("the disk is broken"));
        }
        // What is on this disk is what is counted here: the real one need not be waited for.
        *synced_bytes = bytes;
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        let mut plan = self.faults.0.lock().unwrap();
        if plan.fails(Operation::Truncate) || plan.truncate_fails {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.file.truncate(bytes)
    }
}
