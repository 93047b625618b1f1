//! Columns that grow, and the row groups that are made of them: what every Parquet file of this
//! program is written with.

use std::io::Write;
use std::sync::Arc;

use polars_arrow::array::{
    Array, MutableArray, MutableBinaryViewArray, MutableBooleanArray, MutablePrimitiveArray,
};
use polars_arrow::datatypes::{ArrowDataType, ArrowSchema, Field};
use polars_arrow::record_batch::RecordBatchT;
use polars_parquet::write::{
    CompressionOptions, Encoding, FileWriter, StatisticsOptions, Version, WriteOptions,
    row_group_iter,
};
use serde_json::Value;
use thiserror::Error;

/// How many rows, and how many bytes of text, make a row group. Memory is a few times that.
const ROWS_A_GROUP: usize = 65_536;
const TEXT_A_GROUP: usize = 8 << 20;

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
    pub(super) fn data_type(self) -> ArrowDataType {
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

/// A Parquet file that could not be written.
#[derive(Debug, Error)]
#[error("cannot write Parquet: {0}")]
pub struct WriteError(String);

impl WriteError {
    pub(super) fn new(error: &impl ToString) -> Self {
        Self(error.to_string())
    }
}

/// Writes rows, a row group at a time.
pub(super) struct TableWriter<W: Write> {
    file: FileWriter<W>,
    schema: Arc<ArrowSchema>,
    kinds: Vec<Kind>,
    builders: Vec<Builder>,
    rows: usize,
    text_bytes: usize,
}

impl<W: Write> TableWriter<W> {
    /// Begins a file with these columns.
    pub(super) fn new(out: W, columns: &[(&str, Kind)]) -> Result<Self, WriteError> {
        let field = |&(name, kind): &(&str, Kind)| {
            let field = Field::new(name.into(), kind.data_type(), true);
            (field.name.clone(), field)
        };
        let schema: ArrowSchema = columns.iter().map(field).collect();
        let file = FileWriter::try_new(out, schema.clone(), options())
            .map_err(|error| WriteError::new(&error))?;
        let kinds: Vec<Kind> = columns.iter().map(|&(_, kind)| kind).collect();
        Ok(Self {
            file,
            schema: Arc::new(schema),
            builders: builders(&kinds),
            kinds,
            rows: 0,
            text_bytes: 0,
        })
    }

    /// Adds a row, which stands for so many bytes of text: a cell for each column.
    pub(super) fn push(
        &mut self,
        cells: impl IntoIterator<Item = Cell>,
        text_bytes: usize,
    ) -> Result<(), WriteError> {
        for (builder, cell) in self.builders.iter_mut().zip(cells) {
            builder.push(cell);
        }
        self.rows += 1;
        self.text_bytes += text_bytes;
        if self.rows >= ROWS_A_GROUP || self.text_bytes >= TEXT_A_GROUP {
            self.end_group()?;
        }
        Ok(())
    }

    /// Writes what is left and the footer.
    pub(super) fn finish(mut self) -> Result<W, WriteError> {
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
        let builders = std::mem::replace(&mut self.builders, builders(&self.kinds));
        let rows = std::mem::take(&mut self.rows);
        self.text_bytes = 0;
        let arrays: Vec<Box<dyn Array>> = builders.into_iter().map(Builder::finish).collect();
        let batch = RecordBatchT::try_new(rows, self.schema.clone(), arrays)
            .map_err(|error| WriteError::new(&error))?;
        let encodings: Vec<Vec<Encoding>> = self
            .kinds
            .iter()
            .map(|kind| vec![kind.encoding()])
            .collect();
        let fields = self.file.parquet_schema().fields().to_vec();
        let group = row_group_iter(batch, encodings.into(), fields, options());
        self.file
            .write(rows as u64, group)
            .map_err(|error| WriteError::new(&error))
    }
}

fn builders(kinds: &[Kind]) -> Vec<Builder> {
    kinds.iter().map(|&kind| Builder::new(kind)).collect()
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
pub(super) enum Cell {
    Null,
    Text(String),
    Unsigned(u64),
    Signed(i64),
    Number(f64),
    Flag(bool),
}

impl Cell {
    /// Takes a field's value, if the column can hold it.
    pub(super) fn of(kind: Kind, value: Option<&Value>) -> Self {
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

/// A column that grows.
enum Builder {
    Text(MutableBinaryViewArray<str>),
    Unsigned(MutablePrimitiveArray<u64>),
    Signed(MutablePrimitiveArray<i64>),
    Number(MutablePrimitiveArray<f64>),
    Flag(MutableBooleanArray),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Json => Self::Text(MutableBinaryViewArray::new()),
            Kind::Unsigned => Self::Unsigned(MutablePrimitiveArray::new()),
            Kind::Signed => Self::Signed(MutablePrimitiveArray::new()),
            Kind::Number => Self::Number(MutablePrimitiveArray::new()),
            Kind::Flag => Self::Flag(MutableBooleanArray::new()),
        }
    }

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
