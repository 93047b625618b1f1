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

use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars_arrow::array::{
    Array, BooleanArray, MutableArray, MutableBinaryViewArray, MutableBooleanArray,
    MutablePrimitiveArray, PrimitiveArray, Utf8ViewArray,
};
use polars_arrow::compute::concatenate::concatenate;
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_buffer::Buffer;
use polars_parquet::read::{
    BasicDecompressor, FileMetadata, PageReader, RowGroupMetadata, column_iter_to_arrays,
    infer_schema, read_metadata,
};
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions,
    row_group_iter,
};
use recorder::{Line, SegmentSource};
use serde_json::{Map, Value};
use thiserror::Error;

/// How many rows, and how many bytes of text, make a row group. Memory is a few times that.
const ROWS_A_GROUP: usize = 65_536;
const TEXT_A_GROUP: usize = 8 << 20;

/// The largest page that is read, and the most that a row group's columns may be. Files of this
/// writer stay far below; a file from a stranger may ask for anything.
const LARGEST_PAGE_BYTES: usize = 32 << 20;
const LARGEST_GROUP_BYTES: usize = 128 << 20;
const MOST_ROWS_A_GROUP: usize = 1 << 20;

/// The bytes that a Parquet file begins with.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// An unsigned integer of 64 bits.
    Unsigned,
    /// A signed integer of 64 bits.
    Signed,
    /// A number with a fraction, of 64 bits.
    Number,
    /// Yes or no.
    Flag,
    /// A list or an object, as JSON.
    Json,
}

impl Kind {
    fn data_type(self) -> ArrowDataType {
        match self {
            Self::Text | Self::Json => ArrowDataType::Utf8View,
            Self::Unsigned => ArrowDataType::UInt64,
            Self::Signed => ArrowDataType::Int64,
            Self::Number => ArrowDataType::Float64,
            Self::Flag => ArrowDataType::Boolean,
        }
    }

    fn encoding(self) -> Encoding {
        match self {
            Self::Number | Self::Flag => Encoding::Plain,
            Self::Text | Self::Json | Self::Unsigned | Self::Signed => Encoding::RleDictionary,
        }
    }
}

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

/// A Parquet file that could not be written.
#[derive(Debug, Error)]
#[error("cannot write Parquet: {0}")]
pub struct WriteError(String);

impl WriteError {
    fn new(error: &impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// Writes lines as rows.
pub struct Writer<W: Write> {
    file: FileWriter<W>,
    schema: Arc<ArrowSchema>,
    builders: Vec<Builder>,
    rows: usize,
    text_bytes: usize,
    rebuilt: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What the Parquet layer refuses.
    pub fn new(out: W) -> Result<Self, WriteError> {
        let schema = schema();
        let file = FileWriter::try_new(out, schema.clone(), options())
            .map_err(|error| WriteError::new(&error))?;
        Ok(Self {
            file,
            schema: Arc::new(schema),
            builders: builders(),
            rows: 0,
            text_bytes: 0,
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
        let cells: Vec<Cell> = COLUMNS
            .iter()
            .map(|&(name, kind)| Cell::of(kind, fields.get(name)))
            .collect();
        self.rebuilt.clear();
        let is_said = rebuild(&cells, &mut self.rebuilt).is_ok()
            && self.rebuilt.strip_suffix(b"\n") == Some(text.as_bytes());
        for ((builder, cell), (name, _)) in self.builders.iter_mut().zip(cells).zip(COLUMNS) {
            match *name {
                RAW if is_said => builder.push(Cell::Null),
                RAW => builder.push(Cell::Text(text.to_owned())),
                _ => builder.push(cell),
            }
        }
        self.rows += 1;
        self.text_bytes += text.len();
        if self.rows >= ROWS_A_GROUP || self.text_bytes >= TEXT_A_GROUP {
            self.end_group()?;
        }
        Ok(())
    }

    /// Writes what is left and the footer.
    ///
    /// # Errors
    /// What cannot be written.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.end_group()?;
        self.file
            .end(None)
            .map_err(|error| WriteError::new(&error))?;
        Ok(self.file.into_inner())
    }

    fn end_group(&mut self) -> Result<(), WriteError> {
        if self.rows == 0 {
            return Ok(());
        }
        let builders = std::mem::replace(&mut self.builders, builders());
        let rows = std::mem::take(&mut self.rows);
        self.text_bytes = 0;
        let arrays: Vec<Box<dyn Array>> = builders.into_iter().map(Builder::finish).collect();
        let batch = RecordBatchT::try_new(rows, self.schema.clone(), arrays)
            .map_err(|error| WriteError::new(&error))?;
        let encodings: Vec<Vec<Encoding>> = COLUMNS
            .iter()
            .map(|(_, kind)| vec![kind.encoding()])
            .collect();
        let fields = self.file.parquet_schema().fields().to_vec();
        let group = row_group_iter(batch, encodings.into(), fields, options());
        self.file
            .write(rows as u64, group)
            .map_err(|error| WriteError::new(&error))
    }
}

fn schema() -> ArrowSchema {
    let field = |&(name, kind): &(&str, Kind)| Field::new(name.into(), kind.data_type(), true);
    COLUMNS
        .iter()
        .map(field)
        .map(|field| (field.name.clone(), field))
        .collect()
}

fn options() -> WriteOptions {
    WriteOptions {
        statistics: StatisticsOptions::default(),
        version: Version::V1,
        compression: CompressionOptions::Zstd(None),
        data_page_size: None,
    }
}

/// What stands in a row's column.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Null,
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Number(f64),
    Flag(bool),
}

impl Cell {
    /// Takes a field's value, if the column can hold it.
    fn of(kind: Kind, value: Option<&Value>) -> Self {
        let cell = match (kind, value) {
            (_, None | Some(Value::Null)) => None,
            (Kind::Text, Some(Value::String(text))) => Some(Self::Text(text.clone())),
            (Kind::Unsigned, Some(value)) => value.as_u64().map(Self::Unsigned),
            (Kind::Signed, Some(value)) => value.as_i64().map(Self::Signed),
            (Kind::Number, Some(value)) => value.as_f64().map(Self::Number),
            (Kind::Flag, Some(value)) => value.as_bool().map(Self::Flag),
            (Kind::Json, Some(value)) => Some(Self::Text(value.to_string())),
            (Kind::Text, Some(_)) => None,
        };
        cell.unwrap_or(Self::Null)
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

/// A column that grows.
enum Builder {
    Text(MutableBinaryViewArray<str>),
    Unsigned(MutablePrimitiveArray<u64>),
    Signed(MutablePrimitiveArray<i64>),
    Number(MutablePrimitiveArray<f64>),
    Flag(MutableBooleanArray),
}

fn builders() -> Vec<Builder> {
    let builder = |&(_, kind): &(&str, Kind)| match kind {
        Kind::Text | Kind::Json => Builder::Text(MutableBinaryViewArray::new()),
        Kind::Unsigned => Builder::Unsigned(MutablePrimitiveArray::new()),
        Kind::Signed => Builder::Signed(MutablePrimitiveArray::new()),
        Kind::Number => Builder::Number(MutablePrimitiveArray::new()),
        Kind::Flag => Builder::Flag(MutableBooleanArray::new()),
    };
    COLUMNS.iter().map(builder).collect()
}

impl Builder {
    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.push(Some(text)),
            (Self::Unsigned(column), Cell::Unsigned(number)) => column.push(Some(number)),
            (Self::Signed(column), Cell::Signed(number)) => column.push(Some(number)),
            (Self::Number(column), Cell::Number(number)) => column.push(Some(number)),
            (Self::Flag(column), Cell::Flag(flag)) => column.push(Some(flag)),
            (Self::Text(column), _) => column.push_null(),
            (Self::Unsigned(column), _) => column.push(None),
            (Self::Signed(column), _) => column.push(None),
            (Self::Number(column), _) => column.push(None),
            (Self::Flag(column), _) => column.push(None),
        }
    }

    fn finish(self) -> Box<dyn Array> {
        match self {
            Self::Text(mut column) => column.as_box(),
            Self::Unsigned(mut column) => column.as_box(),
            Self::Signed(mut column) => column.as_box(),
            Self::Number(mut column) => column.as_box(),
            Self::Flag(mut column) => column.as_box(),
        }
    }
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

    fn open(&self, segment: usize) -> io::Result<Box<dyn BufRead + Send>> {
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
            let bytes = Cursor::new(Buffer::from(bytes));
            let pages = PageReader::new(bytes, column, Vec::new(), LARGEST_PAGE_BYTES);
            let decompressor = BasicDecompressor::new(pages, Vec::new());
            let primitive = &column.descriptor().descriptor.primitive_type;
            let (arrays, _) =
                column_iter_to_arrays(vec![decompressor], vec![primitive], field.clone(), None)
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
