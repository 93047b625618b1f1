//! A file of rows: only ever added to, a line a finished unit.
//!
//! Where a program was stopped in the middle of a line, that line is no row: it is cut off before
//! the next is added, and its unit is done again. Rows stay on disk; what is kept of each is where
//! it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use simulator::sweep::Version;
use thiserror::Error;

use crate::console::Console;
use crate::reading::shown;

/// Rows that are damaged.
#[derive(Debug, Error)]
#[error("{place}: {problem}")]
pub(crate) struct DamagedRows {
    place: String,
    problem: String,
}

impl DamagedRows {
    pub(super) fn new(place: &str, problem: String) -> Self {
        Self {
            place: place.to_owned(),
            problem,
        }
    }

    /// There are two rows of a unit, and they are not the same.
    pub(super) fn differing(place: &str, unit: &str) -> Self {
        let problem = format!(
            "found two rows of unit {unit} that differ; one of the machines is not to be trusted"
        );
        Self::new(place, problem)
    }
}

/// A file of rows.
pub(super) struct RowFile {
    path: PathBuf,
    file: File,
    /// Where the row of each unit stands.
    places: BTreeMap<String, Place>,
    /// Who made them.
    versions: BTreeSet<Version>,
    /// Where the last whole line ends.
    end: u64,
}

#[derive(Clone, Copy)]
struct Place {
    at: u64,
    bytes: usize,
}

/// What every row says of itself.
#[derive(Deserialize)]
struct Label {
    unit: String,
    engine: u32,
    sim: String,
    rows: u32,
}

impl RowFile {
    /// Opens a file to add to. Nobody else may add to it meanwhile.
    pub(super) fn open(path: &Path, console: &mut Console) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let file = file.with_context(|| format!("cannot open {}", shown(path)))?;
        // What is done is read back from it.
        if !file.metadata()?.is_file() {
            bail!(
                "{}: found something else than a file; name a file for the rows",
                shown(path)
            );
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "{}: another program adds rows to it at the moment",
                shown(path)
            ),
            Err(TryLockError::Error(error)) => return Err(error).context(shown(path)),
        }
        let this = Self::index(path, file, console)?;
        this.file.set_len(this.end).with_context(|| shown(path))?;
        Ok(this)
    }

    /// Opens a file to read from.
    pub(super) fn read(path: &Path, console: &mut Console) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", shown(path)))?;
        Self::index(path, file, console)
    }

    fn index(path: &Path, file: File, console: &mut Console) -> anyhow::Result<Self> {
        let mut reader = BufReader::new(&file);
        let (mut places, mut versions) = (BTreeMap::new(), BTreeSet::new());
        let (mut at, mut line) = (0, Vec::new());
        for number in 1.. {
            line.clear();
            if reader
                .read_until(b'\n', &mut line)
                .with_context(|| shown(path))?
                == 0
            {
                break;
            }
            let Some(row) = line.strip_suffix(b"\n") else {
                console.note(format_args!(
                    "{}: its last line is unfinished and is passed over: {} bytes",
                    shown(path),
                    line.len()
                ));
                break;
            };
            let label: Label = serde_json::from_slice(row).map_err(|error| {
                DamagedRows::new(
                    &format!("{}, line {number}", shown(path)),
                    format!("not a row as `sim sweep run` writes it: {error}"),
                )
            })?;
            let place = Place {
                at,
                bytes: row.len(),
            };
            versions.insert(Version {
                engine: label.engine,
                sim: label.sim,
                rows: label.rows,
            });
            if let Some(before) = places.insert(label.unit.clone(), place)
                && read_row(&file, before).with_context(|| shown(path))? != row
            {
                return Err(DamagedRows::differing(&shown(path), &label.unit).into());
            }
            at += line.len() as u64;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            places,
            versions,
            end: at,
        })
    }

    /// What it is called.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Who made the rows in it.
    pub(super) fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter()
    }

    /// The units that it has rows of.
    pub(super) fn units(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// Whether the unit's row is there.
    pub(super) fn has(&self, unit: &str) -> bool {
        self.places.contains_key(unit)
    }

    /// The row of a unit.
    pub(super) fn row(&self, unit: &str) -> anyhow::Result<Option<String>> {
        let Some(place) = self.places.get(unit) else {
            return Ok(None);
        };
        let row = read_row(&self.file, *place);
        let row = row.with_context(|| format!("cannot read {}", shown(&self.path)))?;
        Ok(Some(String::from_utf8(row)?))
    }

    /// Adds the row of a unit.
    pub(super) fn push(&mut self, unit: &str, row: &str) -> anyhow::Result<()> {
        let mut line = row.to_owned();
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written.with_context(|| {
            format!(
                "cannot add to {}; once that is mended, the same command goes on from what stands in \
                 it",
                shown(&self.path)
            )
        })?;
        let place = Place {
            at: self.end,
            bytes: row.len(),
        };
        self.places.insert(unit.to_owned(), place);
        self.end += line.len() as u64;
        Ok(())
    }

    /// Makes sure that all of it is on disk.
    pub(super) fn sync(&self) -> anyhow::Result<()> {
        self.file.sync_all().with_context(|| shown(&self.path))
    }
}

fn read_row(file: &File, place: Place) -> io::Result<Vec<u8>> {
    let mut row = vec![0; place.bytes];
    file.read_exact_at(&mut row, place.at)?;
    Ok(row)
}
