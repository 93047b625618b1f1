//! Erases what was recorded and learnt, what `sim` has packed of it, and the key that hostnames are
//! hashed under.
//!
//! It removes what the host and `sim` themselves make, by name, and nothing else; a file of
//! somebody's own stays and is told. While a host writes, nothing is removed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use recorder::{PackedFile, StoredTrace, WriteError};
use serde::Serialize;
use thiserror::Error;

use crate::paths::{Paths, UNFINISHED};
use crate::policy_file;

/// A host writes one of the traces.
#[derive(Debug, Error)]
#[error(
    "nothing was erased: {} writes {}; close the browser, or disable the extension, and try again",
    self.host(),
    .path.display()
)]
pub struct StillWriting {
    /// The host's process, where it is known.
    pub pid: Option<u32>,
    /// The lock that it holds.
    pub path: PathBuf,
}

impl StillWriting {
    /// Names the host.
    pub fn host(&self) -> String {
        self.pid.map_or_else(
            || "a host".to_owned(),
            |pid| format!("the host of process {pid}"),
        )
    }
}

/// What there is to erase.
#[derive(Debug)]
pub struct Plan {
    traces: Vec<StoredTrace>,
    folder: PathBuf,
    packed: Vec<PackedFile>,
    packed_folder: PathBuf,
    files: Vec<Item>,
    stays: Vec<PathBuf>,
}

/// A file that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub holds: &'static str,
    /// Its length.
    pub bytes: u64,
}

/// A browser session that goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// The trace's id.
    pub session: String,
    /// When its last segment was opened, in Unix milliseconds.
    pub last_opened_ms: i64,
    /// How many files it is.
    pub files: usize,
    /// What they take together.
    pub bytes: u64,
}

/// What `sim` has packed of traces, wherever these were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packed {
    /// Its folder.
    pub folder: PathBuf,
    /// How many files it is.
    pub files: usize,
    /// What they take together.
    pub bytes: u64,
}

impl Item {
    /// Looks at a file; `None` where there is none.
    fn find(path: PathBuf, holds: &'static str) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            metadata => {
                let bytes = metadata?.len();
                Ok(Some(Self { path, holds, bytes }))
            }
        }
    }
}

/// What was erased, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether it was; else it is only what would be.
    pub is_erased: bool,
    /// The folder of logs.
    pub folder: PathBuf,
    /// The logs, oldest first.
    pub sessions: Vec<Session>,
    /// What is packed of these and of other traces.
    pub packed: Packed,
    /// What lies beside the logs.
    pub files: Vec<Item>,
    /// Files that stay: settings, and what is not the host's.
    pub stays: Vec<PathBuf>,
    /// What could not be erased, and why.
    pub failures: Vec<String>,
}

impl Plan {
    /// Looks at what there is. It writes nothing: the disk may be full.
    ///
    /// # Errors
    /// [`StillWriting`]; what the file system says.
    pub fn make(paths: &Paths) -> anyhow::Result<Self> {
        let folder = paths.traces();
        let traces = nobody_writes(&folder)?;
        // The key first: if all else fails, what was hashed under it says nothing any more.
        let mut files = Vec::from_iter(Item::find(paths.host_key(), "the key of hashed names")?);
        files.extend(Item::find(paths.knowledge(), "what was learnt of hosts")?);
        // Where it serves in place of the policy file, it is what protects the protected domains.
        if !policy_file::is_out_of_force(&paths.policy()) {
            let holds = "a copy of the policy, with the protected domains";
            files.extend(Item::find(paths.last_good_policy(), holds)?);
        }
        let mut stays = Vec::new();
        for path in list(paths.state())? {
            // What a host was writing when it was stopped.
            if is_unfinished(&path) {
                files.extend(Item::find(path, "an unfinished file")?);
            } else if path != folder && files.iter().all(|item| item.path != path) {
                stays.push(path);
            }
        }
        let lock = |trace: &StoredTrace| folder.join(format!("{}.lock", trace.session.simple()));
        let locks: BTreeSet<PathBuf> = traces.iter().map(lock).collect();
        let files_of_traces: BTreeSet<&PathBuf> = traces.iter().flat_map(|it| &it.files).collect();
        let mut others = list(&folder)?;
        others.retain(|path| !locks.contains(path) && !files_of_traces.contains(path));
        stays.append(&mut others);
        let (packed, packed_folder) = (paths.packed().list()?, paths.packed().path());
        let files_of_packed: BTreeSet<&PathBuf> = packed.iter().map(|it| &it.path).collect();
        let mut others = list(paths.cache())?;
        others.append(&mut list(packed_folder)?);
        others.retain(|path| path != packed_folder && !files_of_packed.contains(path));
        stays.append(&mut others);
        stays.append(&mut list(paths.config())?);
        Ok(Self {
            traces,
            folder,
            packed_folder: packed_folder.to_owned(),
            packed,
            files,
            stays,
        })
    }

    /// Says what goes and what stays.
    pub fn report(&self) -> Report {
        let session = |trace: &StoredTrace| Session {
            session: trace.session.to_string(),
            last_opened_ms: trace.last_opened_ms,
            files: trace.files.len(),
            bytes: trace.bytes,
        };
        Report {
            is_erased: false,
            folder: self.folder.clone(),
            // One that is only a lock has nothing in it.
            sessions: (self.traces.iter().map(session))
                .filter(|it| it.files > 0)
                .collect(),
            packed: Packed {
                folder: self.packed_folder.clone(),
                files: self.packed.len(),
                bytes: self.packed.iter().map(|it| it.bytes).sum(),
            },
            files: self.files.clone(),
            stays: self.stays.clone(),
            failures: Vec::new(),
        }
    }

    /// Whether there is nothing to erase.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.packed.is_empty()
            && self.traces.iter().all(|it| it.files.is_empty())
    }

    /// Erases it. What cannot be erased is told, and the rest goes all the same.
    ///
    /// # Errors
    /// [`StillWriting`]: a host has begun since the plan was made. What the file system says.
    pub fn carry_out(self) -> anyhow::Result<Report> {
        nobody_writes(&self.folder)?;
        let mut report = self.report();
        report.is_erased = true;
        let mut failures = Vec::new();
        for item in &self.files {
            if let Err(error) = remove_file(&item.path) {
                failures.push(format!("{}: {error}", item.path.display()));
            }
        }
        for file in &self.packed {
            if let Err(error) = file.remove() {
                failures.push(format!("{}: {error}", file.path.display()));
            }
        }
        for trace in self.traces {
            if let Err(error) = trace.remove() {
                failures.push(error.to_string());
            }
        }
        for folder in [self.folder, self.packed_folder] {
            match fs::remove_dir(&folder) {
                Err(error)
                    if !matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
                    ) =>
                {
                    failures.push(format!("{}: {error}", folder.display()));
                }
                _ => {}
            }
        }
        report.failures = failures;
        Ok(report)
    }
}

impl Report {
    /// Says it for people.
    pub fn to_text(&self) -> String {
        let goes = if self.is_erased { "erased" } else { "to erase" };
        let mut lines = Vec::new();
        for Item { path, holds, .. } in &self.files {
            lines.push(format!("{goes}: {} ({holds})", path.display()));
        }
        if !self.sessions.is_empty() {
            let files: usize = self.sessions.iter().map(|session| session.files).sum();
            let bytes: u64 = self.sessions.iter().map(|session| session.bytes).sum();
            lines.push(format!(
                "{goes}: {} (browser sessions: {}; files: {files}; bytes: {bytes})",
                self.folder.display(),
                self.sessions.len()
            ));
        }
        let Packed {
            folder,
            files,
            bytes,
        } = &self.packed;
        if *files > 0 {
            lines.push(format!(
                "{goes}: {} (traces that sim has packed; files: {files}; bytes: {bytes})",
                folder.display()
            ));
        }
        if lines.is_empty() {
            lines.push("nothing to erase".to_owned());
        }
        for path in &self.stays {
            lines.push(format!("stays: {}", path.display()));
        }
        lines.join("\n") + "\n"
    }
}

/// Lists the traces of a folder, if nobody writes one of them.
///
/// # Errors
/// [`StillWriting`]; what the file system says.
pub fn nobody_writes(folder: &Path) -> anyhow::Result<Vec<StoredTrace>> {
    let traces = StoredTrace::list(folder)?;
    for trace in &traces {
        match trace.check_is_free() {
            Err(WriteError::Locked { path, pid }) => {
                return Err(StillWriting { pid, path }.into());
            }
            result => result?,
        }
    }
    Ok(traces)
}

/// Whether a file is one that is written whole and then renamed, and was not.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(UNFINISHED))
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all(),
    }
}
