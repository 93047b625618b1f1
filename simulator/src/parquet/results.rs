//! The results of a sweep as a Parquet file: a row a line of `results.jsonl`, the same columns in
//! the same order, null where a line has null.

use std::io::Write;

use serde_json::{Map, Value};

use super::columns::{Cell, Kind, TableWriter, WriteError};
use crate::sweep::{Column, Holds};

/// Writes rows of results.
pub struct ResultsWriter<W: Write> {
    columns: Vec<Column>,
    table: TableWriter<W>,
}

impl<W: Write> ResultsWriter<W> {
    /// Begins a file with these columns.
    ///
    /// # Errors
    /// What the Parquet layer refuses.
    pub fn new(out: W, columns: Vec<Column>) -> Result<Self, WriteError> {
        let names: Vec<(&str, Kind)> = columns.iter().map(|it| (&*it.name, kind(it))).collect();
        let table = TableWriter::new(out, &names)?;
        Ok(Self { columns, table })
    }

    /// Adds a row, given as its line.
    ///
    /// # Errors
    /// A line that is no JSON object; what cannot be written.
    pub fn push(&mut self, line: &str) -> Result<(), WriteError> {
        let fields: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| WriteError::new(&error))?;
        let cells = self
            .columns
            .iter()
            .map(|it| Cell::of(kind(it), fields.get(&*it.name)));
        self.table.push(cells, line.len())
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(self) -> Result<W, WriteError> {
        self.table.finish()
    }
}

fn kind(column: &Column) -> Kind {
    match column.holds {
        Holds::Text => Kind::Text,
        Holds::Count => Kind::Unsigned,
        Holds::Number => Kind::Number,
        Holds::Switch => Kind::Flag,
    }
}
