//! A trace as a Parquet file: a row a line, a column a field, nothing lost. The columns are in
//! `PARQUET.md`, beside this crate's manifest.
//!
//! A row is read back as the line that it was, byte for byte. What the columns cannot say (a field
//! or type of a later version, another order or spacing) makes the writer keep the line's text in
//! `raw`: it builds each line from its columns again and compares. Reading gives bytes, which
//! `recorder` checks as it checks a file of lines, so that a Parquet file is trusted no more.
//!
//! Parquet is written and read by polars' own layer for it, a row group at a time. `polars` itself
//! would bring an asynchronous runtime with sockets, which has no place in a program from which
//! nothing leaves the machine.

mod columns;
mod results;

use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars_arrow::array::{Array, BooleanArray, PrimitiveArray, Utf8ViewArray};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::ArrowSchema;
use polars_buffer::Buffer;
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, PageReader, RowGroupMetadata, column_iter_to_arrays,
    infer_schema, read_metadata,
};
use recorder::{Line, SegmentSource};
use serde_json::{Map, Value};

use columns::{Cell, TableWriter};

pub use columns::{Kind, WriteError};
pub use results::ResultsWriter;

/// The largest page that is read, and the most that a row group's columns may be. Files of this
/// writer stay far below; a file from a stranger may ask for anything.
const LARGEST_PAGE_BYTES: usize = 32 << 20;
const LARGEST_GROUP_BYTES: usize = 128 << 20;
const MOST_ROWS_A_GROUP: usize = 1 << 20;

/// The bytes that a Parquet file begins with.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// The column that has the text of a line that the others cannot say.
const RAW: &str = "raw";

/// Every column: the envelope, then the fields of all types of lines in the order in which they
/// first come in the format's tables. A name means the same in every type that has it.
pub const COLUMNS: &[(&str, Kind)] = &[
    ("type", Kind::Text),
    ("seq", Kind::Unsigned),
    ("t_ms", Kind::Signed),
    ("src", Kind::Text),
    ("n", Kind::Unsigned),
    ("at_ms", Kind::Signed),
    ("format", Kind::Text),
    ("v", Kind::Unsigned),
    ("engine", Kind::Unsigned),
    ("session", Kind::Text),
    ("extension_session", Kind::Text),
    ("segment", Kind::Unsigned),
    ("replaces_from", Kind::Unsigned),
    ("host_version", Kind::Text),
    ("platform", Kind::Text),
    ("privacy", Kind::Text),
    ("origin", Kind::Text),
    ("generator", Kind::Text),
    ("seed", Kind::Unsigned),
    ("importer", Kind::Text),
    ("derived_from", Kind::Text),
    ("torn_bytes", Kind::Unsigned),
    ("last_n", Kind::Unsigned),
    ("why", Kind::Text),
    ("events", Kind::Unsigned),
    ("crc32c", Kind::Text),
    ("state", Kind::Text),
    ("sha256", Kind::Text),
    ("next_segment", Kind::Unsigned),
    ("from", Kind::Unsigned),
    ("count", Kind::Unsigned),
    ("by_ms", Kind::Signed),
    ("ms", Kind::Unsigned),
    ("browser", Kind::Text),
    ("browser_version", Kind::Text),
    ("extension_version", Kind::Text),
    ("idle", Kind::Text),
    ("windows", Kind::Json),
    ("tabs", Kind::Json),
    ("tab", Kind::Signed),
    ("win", Kind::Signed),
    ("host", Kind::Text),
    ("scheme", Kind::Text),
    ("protected", Kind::Flag),
    ("active", Kind::Flag),
    ("pinned", Kind::Flag),
    ("audible", Kind::Flag),
    ("muted", Kind::Flag),
    ("discarded", Kind::Flag),
    ("loading", Kind::Flag),
    ("frozen", Kind::Flag),
    ("auto_discardable", Kind::Flag),
    ("group", Kind::Signed),
    ("unsaved", Kind::Flag),
    ("capturing", Kind::Flag),
    ("in_sight", Kind::Flag),
    ("last_accessed", Kind::Signed),
    ("opener", Kind::Signed),
    ("old", Kind::Signed),
    ("by", Kind::Text),
    ("decision", Kind::Unsigned),
    ("ok", Kind::Flag),
    ("policy", Kind::Json),
    ("policy_hash", Kind::Text),
    ("mode", Kind::Text),
    ("until_ms", Kind::Signed),
    ("hosts", Kind::Json),
    ("ram_total", Kind::Unsigned),
    ("ram_used", Kind::Unsigned),
    ("ram_available", Kind::Unsigned),
    ("swap_total", Kind::Unsigned),
    ("swap_used", Kind::Unsigned),
    ("cpu", Kind::Number),
    ("on_battery", Kind::Flag),
    ("battery", Kind::Number),
    ("psi_some_avg10", Kind::Number),
    ("psi_full_avg10", Kind::Number),
    ("browser_rss", Kind::Unsigned),
    ("browser_pss", Kind::Unsigned),
    ("browser_processes", Kind::Unsigned),
    ("source", Kind::Text),
    ("severity", Kind::Text),
    ("bytes", Kind::Unsigned),
    ("how", Kind::Text),
    ("cause", Kind::Unsigned),
    ("action", Kind::Text),
    ("rank", Kind::Unsigned),
    ("idle_ms", Kind::Signed),
    ("ttl_ms", Kind::Signed),
    ("in_focus", Kind::Flag),
    ("familiarity", Kind::Unsigned),
    ("score", Kind::Unsigned),
    ("level", Kind::Text),
    ("was", Kind::Text),
    ("reasons", Kind::Json),
    (RAW, Kind::Text),
];

/// Writes lines as rows.
pub struct Writer<W: Write> {
    table: TableWriter<W>,
    rebuilt: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What the Parquet layer refuses.
    pub fn new(out: W) -> Result<Self, WriteError> {
        Ok(Self {
            table: TableWriter::new(out, COLUMNS)?,
            rebuilt: Vec::new(),
        })
    }

    /// Adds a line, given as it stands in its file, with or without its end.
    ///
    /// # Errors
    /// What cannot be written; a line that is no UTF-8.
    pub fn push(&mut self, text: &[u8]) -> Result<(), WriteError> {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|error| WriteError::new(&error))?;
        // A line may be more than a JSON value can be made of: a name that stands twice.
        let fields: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
        let mut cells: Vec<Cell> = COLUMNS
            .iter()
            .map(|&(name, kind)| Cell::of(kind, fields.get(name)))
            .collect();
        self.rebuilt.clear();
        let is_said = rebuild(&cells, &mut self.rebuilt).is_ok()
            && self.rebuilt.strip_suffix(b"\n") == Some(text.as_bytes());
        for (cell, (name, _)) in cells.iter_mut().zip(COLUMNS) {
            if *name == RAW {
                *cell = if is_said {
                    Cell::Null
                } else {
                    Cell::Text(text.to_owned())
                };
            }
        }
        self.table.push(cells, text.len())
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(self) -> Result<W, WriteError> {
        self.table.finish()
    }
}

/// Writes the line that a row's columns say, in its canonical form.
fn rebuild(cells: &[Cell], out: &mut Vec<u8>) -> Result<(), String> {
    let mut json = Vec::with_capacity(256);
    for (&(name, kind), cell) in COLUMNS.iter().zip(cells) {
        if name == RAW || *cell == Cell::Null {
            continue;
        }
        json.push(if json.is_empty() { b'{' } else { b',' });
        let proof = "a Vec takes every write";
        write!(json, "\"{name}\":").expect(proof);
        match cell {
            Cell::Null => {}
            Cell::Text(text) if kind == Kind::Json => json.extend_from_slice(text.as_bytes()),
            Cell::Text(text) => serde_json::to_writer(&mut json, text).expect(proof),
            Cell::Unsigned(number) => write!(json, "{number}").expect(proof),
            Cell::Signed(number) => write!(json, "{number}").expect(proof),
            Cell::Number(number) => serde_json::to_writer(&mut json, number).expect(proof),
            Cell::Flag(flag) => write!(json, "{flag}").expect(proof),
        }
    }
    json.push(b'}');
    let line = Line::parse(&json).map_err(|error| error.to_string())?;
    line.write(out);
    Ok(())
}

// ---- Reading ----------------------------------------------------------------------------------

/// A Parquet file that holds a trace.
#[derive(Clone, Debug)]
pub struct ParquetTrace {
    path: PathBuf,
    shape: Arc<Shape>,
    /// The rows at which segments begin.
    segments: Vec<usize>,
}

/// What the footer says.
#[derive(Debug)]
struct Shape {
    metadata: FileMetadata,
    schema: ArrowSchema,
    row_count: usize,
}

impl ParquetTrace {
    /// Opens a file and finds its segments.
    ///
    /// # Errors
    /// What the system refuses; damaged data and columns of other types, as `InvalidData`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let shape = unless_panic(|| {
            let metadata = read_metadata(&mut file).map_err(|error| damaged(&error))?;
            let schema = infer_schema(&metadata).map_err(|error| damaged(&error))?;
            let rows = metadata.row_groups.iter().map(RowGroupMetadata::num_rows);
            let row_count = rows.sum();
            Ok(Shape {
                metadata,
                schema,
                row_count,
            })
        })?;
        check_columns(&shape.schema)?;
        let mut segments = Vec::new();
        let mut first_row = 0;
        for group in 0..shape.metadata.row_groups.len() {
            let Some(column) = shape.read_column(&mut file, group, "type")? else {
                break;
            };
            let rows = shape.metadata.row_groups[group].num_rows();
            for row in 0..rows {
                if column.cell(row) == Cell::Text("log_opened".to_owned()) {
                    segments.push(first_row + row);
                }
            }
            first_row += rows;
        }
        if segments.first().is_none_or(|&first| first > 0) {
            let problem = "its first row is not of type \"log_opened\": not a trace as `sim \
                           convert` writes it";
            return Err(damaged(&problem));
        }
        Ok(Self {
            path: path.to_owned(),
            shape: Arc::new(shape),
            segments,
        })
    }
}

impl SegmentSource for ParquetTrace {
    fn segment_count(&self) -> usize {
        self.segments.len()
    }

    fn open(&self, segment: usize) -> io::Result<Box<dyn Read + Send>> {
        let from = self.segments.get(segment).copied();
        let to = self.segments.get(segment + 1).copied();
        Ok(Box::new(Rows {
            file: File::open(&self.path)?,
            shape: self.shape.clone(),
            next: from.unwrap_or(self.shape.row_count),
            end: to.unwrap_or(self.shape.row_count),
            group: None,
            line: Vec::new(),
            given: 0,
        }))
    }
}

/// Holds the columns of a file to what they must be. Columns that are not there are empty.
fn check_columns(schema: &ArrowSchema) -> io::Result<()> {
    for &(name, kind) in COLUMNS {
        if let Some(field) = schema.get(name)
            && field.dtype != kind.data_type()
        {
            let problem = format!(
                "column {name:?}: found {:?}, expected {:?}",
                field.dtype,
                kind.data_type()
            );
            return Err(damaged(&problem));
        }
    }
    Ok(())
}

fn damaged(error: &impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// Does what may panic on data that are damaged: the Parquet layer proves less than it assumes.
fn unless_panic<T>(run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|_| Err(damaged(&"its data are not what its footer says")))
}

/// Holds the pages of a column to the rows of its group. Room is made for as many values as a page
/// says that it has, before any is read.
fn hold_to(rows: usize, mut pages: BasicDecompressor, name: &str) -> io::Result<()> {
    let check = |count: usize| {
        let problem = || format!("column {name:?}: a page of {count} values among {rows} rows");
        (count <= rows)
            .then_some(())
            .ok_or_else(|| damaged(&problem()))
    };
    let dictionary = pages.read_dict_page().map_err(|error| damaged(&error))?;
    dictionary.map_or(Ok(()), |page| check(page.num_values))?;
    for page in pages {
        check(page.map_err(|error| damaged(&error))?.num_values())?;
    }
    Ok(())
}

impl Shape {
    /// Reads a column of a row group; `None` where the file has no such column.
    fn read_column(&self, file: &mut File, group: usize, name: &str) -> io::Result<Option<Column>> {
        let (Some(group), Some(field)) =
            (self.metadata.row_groups.get(group), self.schema.get(name))
        else {
            return Ok(None);
        };
        let mut columns = group.parquet_columns().iter();
        let Some(column) = columns.find(|it| {
            let path = &it.descriptor().path_in_schema;
            path.len() == 1 && path[0].as_str() == name
        }) else {
            return Ok(None);
        };
        let rows = group.num_rows();
        let size = column.uncompressed_size().max(column.compressed_size());
        if rows > MOST_ROWS_A_GROUP || !(0..=LARGEST_GROUP_BYTES as i64).contains(&size) {
            let problem = format!(
                "column {name:?} of a row group has {size} bytes in {rows} rows, expected at most \
                 {LARGEST_GROUP_BYTES} in {MOST_ROWS_A_GROUP}"
            );
            return Err(damaged(&problem));
        }
        let range = unless_panic(|| Ok(column.byte_range()))?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        let length = range.end.saturating_sub(range.start);
        file.take(length.min(LARGEST_GROUP_BYTES as u64))
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(damaged(&"it ends in the middle of a row group"));
        }
        let array = unless_panic(|| {
            let bytes = Buffer::from(bytes);
            let pages = || {
                let bytes = Cursor::new(bytes.clone());
                let pages = PageReader::new(bytes, column, Vec::new(), LARGEST_PAGE_BYTES);
                BasicDecompressor::new(pages, Vec::new())
            };
            hold_to(rows, pages(), name)?;
            let primitive = &column.descriptor().descriptor.primitive_type;
            let (arrays, _) =
                column_iter_to_arrays(vec![pages()], vec![primitive], field.clone(), None)
                    .map_err(|error| damaged(&error))?;
            let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
            concatenate(&arrays).map_err(|error| damaged(&error))
        })?;
        if array.len() != rows {
            let problem = format!(
                "column {name:?}: found {} values, expected {rows}",
                array.len()
            );
            return Err(damaged(&problem));
        }
        Ok(Some(Column(array)))
    }
}

/// A column of a row group.
struct Column(Box<dyn Array>);

impl Column {
    fn cell(&self, row: usize) -> Cell {
        let any = self.0.as_any();
        if self.0.is_null(row) {
            return Cell::Null;
        }
        if let Some(column) = any.downcast_ref::<Utf8ViewArray>() {
            Cell::Text(column.value(row).to_owned())
        } else if let Some(column) = any.downcast_ref::<PrimitiveArray<u64>>() {
            Cell::Unsigned(column.value(row))
        } else if let Some(column) = any.downcast_ref::<PrimitiveArray<i64>>() {
            Cell::Signed(column.value(row))
        } else if let Some(column) = any.downcast_ref::<PrimitiveArray<f64>>() {
            Cell::Number(column.value(row))
        } else if let Some(column) = any.downcast_ref::<BooleanArray>() {
            Cell::Flag(column.value(row))
        } else {
            Cell::Null
        }
    }
}

/// A row group that is read.
struct Group {
    first_row: usize,
    rows: usize,
    /// In the order of [`COLUMNS`].
    columns: Vec<Option<Column>>,
}

/// The rows of a segment, given as the bytes of its lines.
struct Rows {
    file: File,
    shape: Arc<Shape>,
    next: usize,
    end: usize,
    group: Option<Group>,
    line: Vec<u8>,
    given: usize,
}

impl Rows {
    /// Puts the next row's line into the buffer; nothing after the last.
    fn advance(&mut self) -> io::Result<()> {
        self.line.clear();
        self.given = 0;
        if self.next >= self.end {
            return Ok(());
        }
        let row = self.next;
        let group = match self.group.take() {
            Some(group) if row < group.first_row + group.rows => group,
            _ => self.read_group(row)?,
        };
        let cells: Vec<Cell> = group
            .columns
            .iter()
            .map(|column| {
                let cell = |column: &Column| column.cell(row - group.first_row);
                column.as_ref().map_or(Cell::Null, cell)
            })
            .collect();
        self.group = Some(group);
        match cells.last() {
            Some(Cell::Text(raw)) => {
                self.line.extend_from_slice(raw.as_bytes());
                self.line.push(b'\n');
            }
            _ => rebuild(&cells, &mut self.line)
                .map_err(|error| damaged(&format!("row {row}: {error}")))?,
        }
        self.next += 1;
        Ok(())
    }

    fn read_group(&mut self, row: usize) -> io::Result<Group> {
        let mut first_row = 0;
        for (index, group) in self.shape.metadata.row_groups.iter().enumerate() {
            let rows = group.num_rows();
            if row < first_row + rows {
                let mut columns = Vec::new();
                for (name, _) in COLUMNS {
                    columns.push(self.shape.read_column(&mut self.file, index, name)?);
                }
                return Ok(Group {
                    first_row,
                    rows,
                    columns,
                });
            }
            first_row += rows;
        }
        Err(damaged(&format!("row {row} is in no row group")))
    }
}

impl BufRead for Rows {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.given >= self.line.len() {
            self.advance()?;
        }
        Ok(&self.line[self.given..])
    }

    fn consume(&mut self, count: usize) {
        self.given += count;
    }
}

impl Read for Rows {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let given = self.fill_buf()?;
        let count = given.len().min(out.len());
        out[..count].copy_from_slice(&given[..count]);
        self.consume(count);
        Ok(count)
    }
}
