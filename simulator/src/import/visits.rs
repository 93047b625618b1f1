//! A table of page visits as CSV: a user, a time, and a URL or a host in each row.
//!
//! The columns are named by whoever imports it. webtrackR's sample (GESIS, MIT licence) imports
//! with `--user user --time t_ms --host site --page url_id`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::bounded::{Allowance, Bounded};
use super::error::ImportError;
use super::page::{Page, PageError, Pages, page_key};
use super::staging::{Dates, Progress, Source, Staging, Visit};

const RULES: [&str; 5] = [
    "site-threads",
    "close-after",
    "loaded-at-once",
    "no-switches",
    "no-sound-no-pins",
];

/// How much of a file is read at one go.
const BUFFER_BYTES: usize = 64 << 10;

/// How much of it is handed on at once, about.
const BATCH_ROWS: usize = 1_024;
const BATCH_BYTES: usize = 64 << 10;

/// How many batches may wait.
const BATCHES_AHEAD: usize = 2;

/// The columns that are read, in the order in which their cells are handed on.
const USER: usize = 0;
const TIME: usize = 1;
const PLACE: usize = 2;
const PAGE: usize = 3;
const COLUMNS: usize = 4;

/// What the columns are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Who.
    pub user: String,
    /// When.
    pub time: String,
    /// Where: a URL or a host.
    pub place: Place,
    /// What tells the pages of a host apart; the URL itself where that is given.
    pub page: Option<String>,
    /// What the times are in.
    pub unit: TimeUnit,
    /// What stands between two cells.
    pub delimiter: u8,
}

/// The column that says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It has URLs.
    Url(String),
    /// It has hosts.
    Host(String),
}

/// What times are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Unix seconds, with or without a fraction.
    Seconds,
    /// Unix milliseconds.
    Milliseconds,
    /// Unix microseconds.
    Microseconds,
    /// Dates such as "2019-03-01T18:32:04Z"; without an offset they are UTC.
    Dates,
}

impl TimeUnit {
    const ALL: [Self; 4] = [
        Self::Seconds,
        Self::Milliseconds,
        Self::Microseconds,
        Self::Dates,
    ];

    /// How the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Dates => "date",
        }
    }

    /// Reads a time as Unix milliseconds.
    fn read(self, text: &str) -> Option<i64> {
        match self {
            Self::Seconds => {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
                let ms: String = fraction.chars().chain("000".chars()).take(3).collect();
                let ms: i64 = ms.parse().ok().filter(|_| is_number)?;
                whole
                    .parse::<i64>()
                    .ok()?
                    .checked_mul(1_000)?
                    .checked_add(ms)
            }
            Self::Milliseconds => text.parse().ok(),
            Self::Microseconds => text.parse::<i64>().ok().map(|us| us.div_euclid(1_000)),
            Self::Dates => {
                let with_offset = text.parse::<Timestamp>().ok();
                let time = with_offset.or_else(|| {
                    let time = text.parse::<DateTime>().ok()?;
                    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
                });
                time.map(Timestamp::as_millisecond)
            }
        }
    }
}

/// Reads a table of visits. A thread of its own parses it, a few batches of rows ahead.
///
/// # Errors
/// The file cannot be read, lacks a column, has a row that does not hold, or has no visit.
pub fn read(
    path: &Path,
    layout: &Layout,
    dates: Dates,
    staging: &mut Staging,
    progress: &mut Progress<'_>,
) -> Result<Source, ImportError> {
    let (ref table, parser) = Table::open(path, layout)?;
    let mut visits = Visits {
        table,
        layout,
        dates,
        staging,
        pages: Pages::default(),
        kept: 0,
        source: Source {
            rules: RULES.to_vec(),
            ..Source::default()
        },
    };
    let mut done = 0;
    thread::scope(|scope| {
        let (full, batches) = sync_channel(BATCHES_AHEAD);
        let (emptied, empty) = channel();
        thread::Builder::new()
            .name("rows".to_owned())
            .spawn_scoped(scope, move || parser.hand_on(table, &full, &empty))
            .map_err(|error| ImportError::unusable(path, format!("cannot be read: {error}")))?;
        for batch in batches {
            let batch = batch?;
            for row in batch.rows() {
                visits.take(row)?;
            }
            done += batch.ends.len();
            progress(batch.bytes_read, table.bytes);
            // At the end nobody needs it.
            let _ = emptied.send(batch);
        }
        Ok::<_, ImportError>(())
    })?;
    let Visits { kept, source, .. } = visits;
    if kept == 0 {
        let problem = if done == 0 {
            "there is no row in it".to_owned()
        } else {
            format!("of {done} rows none can be imported: {}", source.skips)
        };
        return Err(ImportError::unusable(path, problem));
    }
    Ok(source)
}

/// Puts visits in, row by row.
struct Visits<'a> {
    table: &'a Table,
    layout: &'a Layout,
    dates: Dates,
    staging: &'a mut Staging,
    pages: Pages,
    kept: u64,
    source: Source,
}

impl Visits<'_> {
    fn take(&mut self, row: Row<'_>) -> Result<(), ImportError> {
        let (table, layout) = (self.table, self.layout);
        let user = table.cell(row, USER)?;
        if user.is_empty() {
            return Err(table.bad(row, USER, "it is empty, expected who it was"));
        }
        let t_ms = self.time(row)?;
        let place = table.cell(row, PLACE)?;
        let (page, key) = match layout.place {
            Place::Url(_) => (self.pages.of_url(place), Some(place)),
            Place::Host(_) => (self.pages.of_host(place), None),
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                if error == PageError::NoUrl && Page::of_host(place).is_ok() && self.kept == 0 {
                    let problem = "found a host, expected a URL; name the column with --host";
                    return Err(table.bad(row, PLACE, problem));
                }
                if error == PageError::NoHost && Page::of_url(place).is_ok() && self.kept == 0 {
                    let problem = "found a URL, expected a host; name the column with --url";
                    return Err(table.bad(row, PLACE, problem));
                }
                let skips = &mut self.source.skips;
                skips.pages += 1;
                let first = || format!("line {}: {error}", row.line);
                skips.first_without_page.get_or_insert_with(first);
                return Ok(());
            }
        };
        let key = match layout.page {
            Some(_) => Some(table.cell(row, PAGE)?),
            None => key,
        };
        let person = self.staging.person(user);
        let visit = Visit {
            page_key: key.map(page_key),
            ..Visit::new(t_ms, page)
        };
        self.staging.add(person, None, visit)?;
        self.kept += 1;
        Ok(())
    }

    /// Reads the time. Where it cannot be one, says in which unit it could.
    fn time(&self, row: Row<'_>) -> Result<i64, ImportError> {
        let Self { table, dates, .. } = self;
        let unit = self.layout.unit;
        if unit == TimeUnit::Milliseconds
            && let Some(t_ms) = of_digits(row.cells[TIME])
            && dates.have(t_ms)
        {
            return Ok(t_ms);
        }
        let text = table.cell(row, TIME)?;
        let read = |unit: TimeUnit| unit.read(text).filter(|&t_ms| dates.have(t_ms));
        if let Some(t_ms) = read(unit) {
            return Ok(t_ms);
        }
        let fitting = TimeUnit::ALL.into_iter().find(|&unit| read(unit).is_some());
        let hint = match fitting {
            Some(unit) => format!("; it would be one with --time-unit {}", unit.name()),
            None => String::new(),
        };
        let shown: String = text.chars().take(40).collect();
        let unit = unit.name();
        let problem =
            format!("found {shown:?}, expected a time between 1990 and now in {unit:?}{hint}");
        Err(table.bad(row, TIME, &problem))
    }
}

/// A row: its first line in the file, and the cells of [`Table::columns`].
#[derive(Clone, Copy)]
struct Row<'a> {
    line: u64,
    cells: [&'a [u8]; COLUMNS],
}

/// Some rows, as they stand in the file.
#[derive(Default)]
struct Batch {
    /// The cells, one after another.
    bytes: Vec<u8>,
    /// The line of each row, and where in `bytes` its cells end.
    ends: Vec<(u64, [usize; COLUMNS])>,
    /// How much of the file was read.
    bytes_read: u64,
}

impl Batch {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.ends.len() >= BATCH_ROWS
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |&(line, ends)| {
            let cells = ends.map(|end| {
                let cell = &self.bytes[start..end];
                start = end;
                cell
            });
            Row { line, cells }
        })
    }
}

/// What stands above the rows of a file.
struct Table {
    path: PathBuf,
    bytes: u64,
    names: Vec<String>,
    /// Where [`USER`], [`TIME`], [`PLACE`] and [`PAGE`] are among all.
    columns: [Option<usize>; COLUMNS],
}

/// Parses a table's rows.
struct Parser {
    reader: Reader<Bounded<File>>,
    allowance: Allowance,
}

impl Table {
    fn open(path: &Path, layout: &Layout) -> Result<(Self, Parser), ImportError> {
        let cannot =
            |error: std::io::Error| ImportError::unusable(path, format!("cannot be read: {error}"));
        let file = File::open(path).map_err(cannot)?;
        let facts = file.metadata().map_err(cannot)?;
        if !facts.is_file() {
            return Err(ImportError::unusable(
                path,
                "found no file, expected a CSV file",
            ));
        }
        if facts.len() == 0 {
            return Err(ImportError::unusable(
                path,
                "the file is empty, expected a line with the names of the columns",
            ));
        }
        let (bounded, allowance) = Bounded::new(file);
        let mut reader = ReaderBuilder::new()
            .delimiter(layout.delimiter)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(bounded);
        let header = reader.byte_headers().map_err(|error| {
            ImportError::unusable(path, format!("found no header line: {error}"))
        })?;
        let names: Option<Vec<String>> = header
            .iter()
            .map(|name| String::from_utf8(name.to_vec()).ok())
            .collect();
        let Some(names) = names else {
            return Err(ImportError::BadRow {
                path: path.to_owned(),
                line: 1,
                column: None,
                problem: "found bytes that are no UTF-8, expected the names of the columns; \
                          save the file as UTF-8"
                    .to_owned(),
            });
        };
        // Spreadsheets mark their CSV with a byte order mark.
        let names: Vec<String> = names
            .iter()
            .map(|name| name.trim_start_matches('\u{feff}').to_owned())
            .collect();
        let find = |option: &str, wanted: &str| {
            find_column(&names, option, wanted)
                .map_err(|problem| ImportError::unusable(path, problem))
        };
        let place = match &layout.place {
            Place::Url(column) => find("--url", column)?,
            Place::Host(column) => find("--host", column)?,
        };
        let page = layout.page.as_ref().map(|column| find("--page", column));
        let user = find("--user", &layout.user)?;
        let time = find("--time", &layout.time)?;
        let table = Self {
            path: path.to_owned(),
            bytes: facts.len(),
            columns: [Some(user), Some(time), Some(place), page.transpose()?],
            names,
        };
        Ok((table, Parser { reader, allowance }))
    }

    /// What a cell says.
    fn cell<'a>(&self, row: Row<'a>, column: usize) -> Result<&'a str, ImportError> {
        let bytes = row.cells[column];
        let Ok(text) = std::str::from_utf8(bytes) else {
            let problem = "found bytes that are no UTF-8; save the file as UTF-8";
            return Err(self.bad(row, column, problem));
        };
        let is_black = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
        if is_black(bytes.first()) && is_black(bytes.last()) {
            return Ok(text);
        }
        Ok(text.trim())
    }

    fn bad(&self, row: Row<'_>, column: usize, problem: &str) -> ImportError {
        let name = self.columns[column].map(|index| self.names[index].clone());
        self.bad_row(row.line, name, problem.to_owned())
    }

    fn bad_row(&self, line: u64, column: Option<String>, problem: String) -> ImportError {
        ImportError::BadRow {
            path: self.path.clone(),
            line,
            column,
            problem,
        }
    }
}

impl Parser {
    /// Hands all rows on, and in the end what was wrong with one.
    fn hand_on(
        mut self,
        table: &Table,
        full: &SyncSender<Result<Batch, ImportError>>,
        empty: &Receiver<Batch>,
    ) {
        loop {
            let mut batch = empty.try_recv().unwrap_or_default();
            batch.clear();
            let parsed = self.parse(table, &mut batch);
            batch.bytes_read = self.allowance.bytes_read();
            // Whoever takes no more has found another error in what came before.
            let is_taken = full.send(Ok(batch)).is_ok();
            match parsed {
                Ok(true) if is_taken => {}
                Ok(_) => return,
                Err(error) => {
                    let _ = full.send(Err(error));
                    return;
                }
            }
        }
    }

    /// Fills a batch. Says whether there is more.
    fn parse(&mut self, table: &Table, batch: &mut Batch) -> Result<bool, ImportError> {
        let mut record = ByteRecord::new();
        while !batch.is_full() {
            let before = self.reader.position().line();
            self.allowance.renew();
            let read = self.reader.read_byte_record(&mut record);
            let is_there = read.map_err(|error| {
                let problem = match error.kind() {
                    csv::ErrorKind::UnequalLengths {
                        expected_len, len, ..
                    } => format!("found {len} cells, expected {expected_len} as in the header"),
                    csv::ErrorKind::Io(error) => {
                        format!("cannot be read: {error}; is a quote left open?")
                    }
                    _ => error.to_string(),
                };
                table.bad_row(before, None, problem)
            })?;
            if !is_there {
                return Ok(false);
            }
            let ends = table.columns.map(|column| {
                let cell = column.and_then(|index| record.get(index));
                batch.bytes.extend_from_slice(cell.unwrap_or_default());
                batch.bytes.len()
            });
            let line = record.position().map_or(0, csv::Position::line);
            batch.ends.push((line, ends));
        }
        Ok(true)
    }
}

/// The number that so many digits make, where there are no more than it holds.
fn of_digits(bytes: &[u8]) -> Option<i64> {
    if !(1..=18).contains(&bytes.len()) {
        return None;
    }
    bytes.iter().try_fold(0, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| 10 * number + i64::from(digit))
    })
}

/// Where the one column of this name is, or what is wrong with the header.
fn find_column(names: &[String], option: &str, wanted: &str) -> Result<usize, String> {
    let mut places = (0..names.len()).filter(|&index| names[index] == wanted);
    match (places.next(), places.next()) {
        (Some(place), None) => Ok(place),
        (Some(_), Some(_)) => Err(format!(
            "found two columns {wanted:?}, and {option} means one; give each a name of its own"
        )),
        (None, _) => {
            let found: Vec<String> = names.iter().take(20).map(|it| format!("{it:?}")).collect();
            let between = |name: &String| name.chars().find(|char| ";\t|".contains(*char));
            let hint = match names {
                [only] => between(only).map_or_else(String::new, |delimiter| {
                    format!(
                        "; is it a table with --delimiter '{}'?",
                        delimiter.escape_default()
                    )
                }),
                _ => String::new(),
            };
            Err(format!(
                "found no column {wanted:?}, which {option} names; the columns are {}{hint}",
                found.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn digits_are_the_number_that_they_are_parsed_as(text in "[+-]?[0-9]{0,20}[x ]?") {
            let plain = of_digits(text.as_bytes());
            prop_assert!(plain.is_none() || plain == text.parse().ok(), "{text:?}: {plain:?}");
            let is_plain = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(plain.is_some(), is_plain, "{:?}", text);
        }
    }

    #[test]
    fn a_time_is_read_in_its_unit() {
        for (unit, text, expect) in [
            (TimeUnit::Seconds, "1551465124", Some(1_551_465_124_000)),
            (
                TimeUnit::Seconds,
                "1551465124.9637",
                Some(1_551_465_124_963),
            ),
            (TimeUnit::Seconds, "1551465124.x", None),
            (TimeUnit::Seconds, "99999999999999999", None),
            (
                TimeUnit::Milliseconds,
                "1551465124963",
                Some(1_551_465_124_963),
            ),
            (TimeUnit::Milliseconds, "1551465124.5", None),
            (
                TimeUnit::Microseconds,
                "1551465124963999",
                Some(1_551_465_124_963),
            ),
            (
                TimeUnit::Dates,
                "2019-03-01T18:32:04.963Z",
                Some(1_551_465_124_963),
            ),
            (
                TimeUnit::Dates,
                "2019-03-01 20:32:04+02:00",
                Some(1_551_465_124_000),
            ),
            (
                TimeUnit::Dates,
                "2019-03-01 18:32:04",
                Some(1_551_465_124_000),
            ),
            (TimeUnit::Dates, "yesterday", None),
        ] {
            assert_eq!(unit.read(text), expect, "{text} in {}", unit.name());
        }
    }
}
