//! Reads another program's SQLite database: never the file itself, which may be in use and locked,
//! but a copy; and by what columns it has, never by its version alone.
//!
//! The copy holds more of somebody's past than is ever wanted of it, so it has no name: however the
//! process ends, it is gone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::error::ImportError;
use super::page::{Page, PageError, Pages};

/// How often a file that is being written to is copied anew.
const COPIES_MAX: u32 = 5;

/// What every SQLite database begins with (sqlite.org/fileformat2.html, 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The longest text or row that is read. A URL in a browser has at most 2 MiB.
const VALUE_BYTES_MAX: i32 = 16 << 20;

/// A copy of a database, gone when it is dropped.
pub(super) struct Copy {
    pub(super) db: Connection,
    path: PathBuf,
}

impl Copy {
    /// Copies a database with what is not yet in it (its journal and write-ahead log), and checks
    /// that it is whole.
    ///
    /// The folder is one that nobody else may enter. Only the journal and the log have names there,
    /// until SQLite has read them, and are what a process that is killed by then leaves.
    pub(super) fn open(path: &Path, folder: &Path) -> Result<Self, ImportError> {
        let cannot = |error: io::Error| ImportError::unusable(path, could_not(&error));
        check_kind(path)?;
        let names = Names(folder.join("copy"));
        let file = names.create("").map_err(cannot)?;
        // The copy is opened for writing, so that SQLite can undo or complete what was going on.
        let db = Connection::open_with_flags(&names.0, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let this = Self {
            db: db.map_err(|error| of_sqlite(path, &error))?,
            path: path.to_owned(),
        };
        let mut tries = 0;
        loop {
            let before = state(path);
            copy_all(path, &file, &names).map_err(cannot)?;
            tries += 1;
            // Written to meanwhile: the copy may hold halves of two states.
            if state(path) == before {
                break;
            }
            if tries == COPIES_MAX {
                return Err(ImportError::unusable(
                    path,
                    "it is written to all the time; close the browser and try again",
                ));
            }
        }
        // SQLite takes the rights of what lies beside a database from whatever has its name.
        names.create("").map_err(cannot)?;
        this.prepare().map_err(|error| this.wrong(&error))?;
        names.remove().map_err(cannot)?;
        this.check()?;
        Ok(this)
    }

    fn prepare(&self) -> rusqlite::Result<()> {
        // What a stranger's file defines is not to run code (its CHECKs would, at every row that is
        // looked at), no value is to fill the memory, and a broken cell is to be found.
        self.db.pragma_update(None, "trusted_schema", "OFF")?;
        self.db
            .pragma_update(None, "ignore_check_constraints", "ON")?;
        self.db
            .set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
        self.db.pragma_update(None, "cell_size_check", "ON")?;
        // Nobody else reads it, so that no memory is shared over a file.
        self.db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // The first read rolls back what was unfinished. Then what is in the log comes into the
        // database, and nothing beside it is needed any more.
        self.db
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        self.db.pragma_update(None, "journal_mode", "OFF")?;
        self.db.pragma_update(None, "query_only", "ON")
    }

    fn check(&self) -> Result<(), ImportError> {
        let verdict: String = self
            .db
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| self.wrong(&error))?;
        if verdict == "ok" {
            return Ok(());
        }
        Err(ImportError::damaged(
            &self.path,
            format!("the database is damaged: {}", verdict.trim()),
        ))
    }

    /// The columns of a table; none where there is no such table.
    pub(super) fn columns(&self, table: &str) -> Result<BTreeSet<String>, ImportError> {
        let read = || -> rusqlite::Result<BTreeSet<String>> {
            // A view could be made to run for ever, and a virtual table is code.
            let mut info = self.db.prepare(
                "SELECT name FROM pragma_table_info(?1) WHERE EXISTS (SELECT 1 FROM
                 pragma_table_list(?1) AS list WHERE list.schema = 'main' AND list.type = 'table')",
            )?;
            let names = info.query_map([table], |row| row.get(0))?;
            names.collect()
        };
        read().map_err(|error| self.wrong(&error))
    }

    /// Gives the copy an index, where a query looks up each row and a stranger's file may have none.
    pub(super) fn index(&self, table: &str, columns: &str) -> Result<(), ImportError> {
        let make = || {
            self.db.pragma_update(None, "query_only", "OFF")?;
            self.db
                .execute_batch(&format!("CREATE INDEX sim_{table} ON {table} ({columns})"))?;
            self.db.pragma_update(None, "query_only", "ON")
        };
        make().map_err(|error| self.wrong(&error))
    }

    /// Refuses a database that lacks what every known version has.
    pub(super) fn require(
        &self,
        what: &str,
        tables: &[(&str, &[&str])],
    ) -> Result<(), ImportError> {
        for (table, wanted) in tables {
            let found = self.columns(table)?;
            if found.is_empty() {
                return Err(ImportError::unusable(
                    &self.path,
                    format!(
                        "found a database without a table {table:?}, expected {what}{}",
                        self.likely()?
                    ),
                ));
            }
            if let Some(missing) = wanted.iter().find(|column| !found.contains(**column)) {
                return Err(ImportError::unusable(
                    &self.path,
                    format!(
                        "found a table {table:?} without a column {missing:?}, expected {what} of \
                         the last ten years; a newer sim may know this version"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What the database is, if another importer knows it.
    fn likely(&self) -> Result<&'static str, ImportError> {
        let hints = [
            (
                "moz_places",
                "; it looks like Firefox's, try sim import firefox",
            ),
            (
                "visits",
                "; it looks like a Chromium browser's, try sim import chrome",
            ),
        ];
        for (table, hint) in hints {
            if !self.columns(table)?.is_empty() {
                return Ok(hint);
            }
        }
        Ok("")
    }

    /// Says what SQLite found wrong with the file.
    pub(super) fn wrong(&self, error: &rusqlite::Error) -> ImportError {
        of_sqlite(&self.path, error)
    }
}

/// Looks at the first bytes, for a clearer word than SQLite has.
fn check_kind(path: &Path) -> Result<(), ImportError> {
    let cannot = |error: io::Error| ImportError::unusable(path, could_not(&error));
    let mut head = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    if !file.metadata().map_err(cannot)?.is_file() {
        return Err(ImportError::unusable(
            path,
            "found a folder without a history in it, expected a profile or its database",
        ));
    }
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut head)
        .map_err(cannot)?;
    match head.as_slice() {
        [] => Err(ImportError::unusable(
            path,
            "the file is empty, expected an SQLite database",
        )),
        head if head == MAGIC => Ok(()),
        head if MAGIC.starts_with(head) => Err(ImportError::damaged(
            path,
            "the file is cut off within its first 16 bytes",
        )),
        _ => Err(ImportError::unusable(
            path,
            "found no SQLite database: the file is encrypted, or something else",
        )),
    }
}

/// What SQLite finds or makes beside a database.
const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// The name of a copy, and those of what lies beside it. Dropped, there is nothing of any of them.
struct Names(PathBuf);

impl Names {
    /// Makes an empty file for the user alone.
    fn create(&self, suffix: &str) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(with_suffix(&self.0, suffix))
    }

    /// Takes the names away. Who has a file open keeps it.
    fn remove(&self) -> io::Result<()> {
        for suffix in [""].iter().chain(&BESIDE) {
            match fs::remove_file(with_suffix(&self.0, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // What cannot be removed goes with its folder.
        let _ = self.remove();
    }
}

/// Copies a database into a file that has no name any more, and what lies beside it for it under
/// its names. What is not there any more is not copied.
fn copy_all(from: &Path, mut to: &File, names: &Names) -> io::Result<()> {
    names.remove()?;
    to.set_len(0)?;
    to.rewind()?;
    io::copy(&mut File::open(from)?, &mut to)?;
    for suffix in ["-journal", "-wal"] {
        match File::open(with_suffix(from, suffix)) {
            Ok(mut beside) => drop(io::copy(&mut beside, &mut names.create(suffix)?)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What changes when a database is written to: sizes and times of its files.
fn state(path: &Path) -> [Option<(u64, SystemTime)>; 3] {
    ["", "-journal", "-wal"].map(|suffix| {
        let file = fs::metadata(with_suffix(path, suffix)).ok()?;
        Some((file.len(), file.modified().ok()?))
    })
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn could_not(error: &io::Error) -> String {
    format!("cannot be copied: {error}")
}

fn of_sqlite(path: &Path, error: &rusqlite::Error) -> ImportError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => ImportError::unusable(
            path,
            "found no SQLite database that can be read: it is encrypted, or something else",
        ),
        Some(ErrorCode::DatabaseCorrupt) => {
            ImportError::damaged(path, format!("the database is damaged: {error}"))
        }
        _ => ImportError::unusable(path, format!("cannot be read: {error}")),
    }
}

/// Reads a number, whatever type a stranger's file gave the cell.
pub(super) fn integer(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<i64>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Integer(number) => Some(number),
        _ => None,
    })
}

/// Reads the page that a URL names, whatever type a stranger's file gave the cell.
pub(super) fn page(
    row: &Row<'_>,
    index: usize,
    pages: &mut Pages,
) -> rusqlite::Result<Result<Page, PageError>> {
    Ok(match row.get_ref(index)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => std::str::from_utf8(bytes)
            .map_err(|_| PageError::NoUtf8)
            .and_then(|url| pages.of_url(url)),
        _ => Err(PageError::Empty),
    })
}
