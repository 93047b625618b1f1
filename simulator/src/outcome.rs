//! What became of a command.

use std::io;

use recorder::ReadError;
use simulator::import::ImportError;
use simulator::state::StateError;

use crate::commands::{DamagedRows, DamagedSource};

/// What became of a command, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was done, and where it was a question, the answer is yes.
    Yes,
    /// The question could not be asked: wrong use, no such file, nothing to compare.
    NotAnswered,
    /// The answer is no.
    No,
    /// A trace, a saved state or a source to import is damaged.
    Damaged,
}

impl Outcome {
    /// Judges an error.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        if is_broken_pipe(error) {
            return Self::Yes;
        }
        let trace = error.downcast_ref::<ReadError>();
        let state = error.downcast_ref::<StateError>();
        let import = error.downcast_ref::<ImportError>();
        let is_in_rows = error.downcast_ref::<DamagedRows>().is_some()
            || error.downcast_ref::<DamagedSource>().is_some();
        if trace.is_some_and(ReadError::is_corruption)
            || state.is_some_and(StateError::is_corruption)
            || import.is_some_and(ImportError::is_damage)
            || is_in_rows
        {
            Self::Damaged
        } else {
            Self::NotAnswered
        }
    }
}

/// Whether nobody reads the output any more, which is no failure: they have seen enough.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
