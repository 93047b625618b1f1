//! What can be wrong with a source, for people and for exit codes.

use std::io;
use std::path::{Path, PathBuf};

use recorder::WriteError;
use thiserror::Error;

/// A source that could not be imported.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be opened, is of another kind, or has nothing to import.
    #[error("{}: {problem}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What was found, what was expected, what to do.
        problem: String,
    },
    /// The file is cut off or damaged.
    #[error("{}: {problem}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A row does not hold.
    #[error("{}, line {line}{}: {problem}", .path.display(), in_column(.column))]
    BadRow {
        /// The file.
        path: PathBuf,
        /// The row's first line, from 1.
        line: u64,
        /// The column, where it is one.
        column: Option<String>,
        /// What was found, what was expected, what to do.
        problem: String,
    },
    /// What is read is sorted in a temporary file, and that failed.
    #[error("cannot sort the visits in a temporary file (TMPDIR names its folder): {0}")]
    Staging(#[from] rusqlite::Error),
    /// The same of what is sorted without SQLite.
    #[error("cannot sort the visits in a temporary file (TMPDIR names its folder): {0}")]
    Sorting(#[from] io::Error),
    /// The trace could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl ImportError {
    pub(super) fn unusable(path: &Path, problem: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(super) fn damaged(path: &Path, problem: impl Into<String>) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    /// Whether the source is damaged, rather than not there or not of the right kind.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

fn in_column(column: &Option<String>) -> String {
    column
        .as_ref()
        .map_or_else(String::new, |column| format!(", column {column:?}"))
}
