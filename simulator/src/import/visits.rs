//! A table of page visits as CSV: a user, a time, and a URL or a host in each row.
//!
//! The columns are named by whoever imports it. webtrackR's sample (GESIS, MIT licence) imports
//! with `--user user --time t_ms --host site --page url_id`.

use std::fs::File;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader, ReaderBuilder};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::bounded::{Allowance, Bounded};
use super::error::ImportError;
use super::page::{Page, PageError, Pages, page_key};
use super::staging::{Dates, Progress, ROWS_A_TICK, Source, Staging, Visit};

const RULES: [&str; 5] = [
    "site-threads",
    "close-after",
    "loaded-at-once",
    "no-switches",
    "no-sound-no-pins",
];

/// How much of a file is read at one go.
const BUFFER_BYTES: usize = 64 << 10;

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

/// Reads a table of visits.
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
    let mut table = Table::open(path, layout)?;
    let mut source = Source {
        rules: RULES.to_vec(),
        ..Source::default()
    };
    let mut pages = Pages::default();
    let (mut done, mut kept) = (0_u64, 0_u64);
    while table.next_row()? {
        done += 1;
        if done.is_multiple_of(ROWS_A_TICK) {
            progress(table.allowance.bytes_read(), table.bytes);
        }
        let user = table.cell(table.user)?;
        if user.is_empty() {
            return Err(table.bad(&layout.user, "it is empty, expected who it was"));
        }
        let t_ms = table.time(layout, dates)?;
        let place = table.cell(table.place)?;
        let (page, key) = match &layout.place {
            Place::Url(_) => (pages.of_url(place), Some(place)),
            Place::Host(_) => (pages.of_host(place), None),
        };
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                if error == PageError::NoUrl && Page::of_host(place).is_ok() && kept == 0 {
                    let problem = "found a host, expected a URL; name the column with --host";
                    return Err(table.bad(layout.place.column(), problem));
                }
                if error == PageError::NoHost && Page::of_url(place).is_ok() && kept == 0 {
                    let problem = "found a URL, expected a host; name the column with --url";
                    return Err(table.bad(layout.place.column(), problem));
                }
                source.skips.pages += 1;
                let first = || format!("line {}: {error}", table.line());
                source.skips.first_without_page.get_or_insert_with(first);
                continue;
            }
        };
        let key = match table.page {
            Some(column) => Some(table.cell(column)?),
            None => key,
        };
        let person = staging.person(user);
        let visit = Visit {
            page_key: key.map(page_key),
            ..Visit::new(t_ms, page)
        };
        staging.add(person, None, visit)?;
        kept += 1;
    }
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

impl Place {
    fn column(&self) -> &str {
        let (Self::Url(column) | Self::Host(column)) = self;
        column
    }
}

/// A file with the columns found.
struct Table {
    path: PathBuf,
    bytes: u64,
    reader: Reader<Bounded<File>>,
    allowance: Allowance,
    names: Vec<String>,
    record: ByteRecord,
    user: usize,
    time: usize,
    place: usize,
    page: Option<usize>,
}

impl Table {
    fn open(path: &Path, layout: &Layout) -> Result<Self, ImportError> {
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
        Ok(Self {
            path: path.to_owned(),
            bytes: facts.len(),
            user: find("--user", &layout.user)?,
            time: find("--time", &layout.time)?,
            place,
            page: page.transpose()?,
            reader,
            allowance,
            names,
            record: ByteRecord::new(),
        })
    }

    fn next_row(&mut self) -> Result<bool, ImportError> {
        let before = self.reader.position().line();
        self.allowance.renew();
        let read = self.reader.read_byte_record(&mut self.record);
        let problem = match read {
            Ok(is_there) => return Ok(is_there),
            Err(error) => match error.kind() {
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => format!("found {len} cells, expected {expected_len} as in the header"),
                csv::ErrorKind::Io(error) => {
                    format!("cannot be read: {error}; is a quote left open?")
                }
                _ => error.to_string(),
            },
        };
        Err(ImportError::BadRow {
            path: self.path.clone(),
            line: before,
            column: None,
            problem,
        })
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    fn cell(&self, index: usize) -> Result<&str, ImportError> {
        let bytes = self.record.get(index).unwrap_or_default();
        std::str::from_utf8(bytes).map(str::trim).map_err(|_| {
            self.bad(
                &self.names[index],
                "found bytes that are no UTF-8; save the file as UTF-8",
            )
        })
    }

    /// Reads the time. Where it cannot be one, says in which unit it could.
    fn time(&self, layout: &Layout, dates: Dates) -> Result<i64, ImportError> {
        let text = self.cell(self.time)?;
        let read = |unit: TimeUnit| unit.read(text).filter(|&t_ms| dates.have(t_ms));
        if let Some(t_ms) = read(layout.unit) {
            return Ok(t_ms);
        }
        let fitting = TimeUnit::ALL.into_iter().find(|&unit| read(unit).is_some());
        let hint = match fitting {
            Some(unit) => format!("; it would be one with --time-unit {}", unit.name()),
            None => String::new(),
        };
        let shown: String = text.chars().take(40).collect();
        Err(self.bad(
            &layout.time,
            &format!(
                "found {shown:?}, expected a time between 1990 and now in {:?}{hint}",
                layout.unit.name()
            ),
        ))
    }

    fn bad(&self, column: &str, problem: &str) -> ImportError {
        ImportError::BadRow {
            path: self.path.clone(),
            line: self.line(),
            column: Some(column.to_owned()),
            problem: problem.to_owned(),
        }
    }
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
    use super::*;

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
