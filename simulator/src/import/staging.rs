//! Visits on their way from a source to a trace: put in as they come, taken out in order.
//!
//! They wait in a temporary SQLite database, which has no name and is gone when it is closed, so
//! that memory does not grow with the source. Of a page it holds the host, or the scheme.

use std::fmt;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;

use super::error::ImportError;
use super::page::Page;

/// The oldest date that is believed: 1990, before there was a web.
const EARLIEST_MS: i64 = 631_152_000_000;

/// How far the clock of a source may run ahead: a day, which also covers any time zone.
const AHEAD_MS: i64 = 86_400_000;

/// What is kept in memory of the temporary database, in KiB.
const CACHE_KIB: i64 = 32 << 10;

/// Visits are read at most this far between two calls that tell how far.
pub(super) const ROWS_A_TICK: u64 = 4_096;

/// What an importer found, and how it read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What the source calls itself, such as "schema 70".
    pub version: Option<String>,
    /// The browser, where the source is one.
    pub browser: Option<String>,
    /// The names of the rules that filled what it does not tell.
    pub rules: Vec<&'static str>,
    /// Rows that are not visits of the user's, or cannot be used.
    pub skips: Skips,
}

/// How many rows were passed over, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Skips {
    /// Steps of a redirect before its last.
    pub redirects: u64,
    /// Pages within pages, and downloads.
    pub subframes: u64,
    /// Entries that a browser makes for itself, where nobody went.
    pub generated: u64,
    /// Visits on another device, or of another browser.
    pub elsewhere: u64,
    /// Private windows.
    pub private: u64,
    /// Times before 1990 or in the future.
    pub dates: u64,
    /// Nothing that names a page.
    pub pages: u64,
    /// What the first of the rows without a page had there and where; for people.
    #[serde(skip)]
    pub first_without_page: Option<String>,
}

impl fmt::Display for Skips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told: Vec<String> = [
            (self.redirects, "on the way of a redirect"),
            (self.subframes, "in a frame or a download"),
            (self.generated, "made by the browser itself"),
            (self.elsewhere, "of another device or browser"),
            (self.private, "in a private window"),
            (self.dates, "dated before 1990 or in the future"),
            (self.pages, "without a page that can be read"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        f.write_str(&told.join(", "))?;
        match &self.first_without_page {
            Some(first) => write!(f, " (the first: {first})"),
            None => Ok(()),
        }
    }
}

/// The dates that a visit may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    latest_ms: i64,
}

impl Dates {
    /// Believes dates from 1990 to a day from now, which is in Unix milliseconds.
    pub fn until(now_ms: i64) -> Self {
        Self {
            latest_ms: now_ms.saturating_add(AHEAD_MS),
        }
    }

    /// Whether a time can be that of a visit.
    pub fn have(self, t_ms: i64) -> bool {
        (EARLIEST_MS..=self.latest_ms).contains(&t_ms)
    }
}

/// A page that somebody went to. What is `None` is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// When, in Unix milliseconds.
    pub t_ms: i64,
    /// Where.
    pub page: Page,
    /// Tells this page from others of its host, within the source: the same number, the same
    /// page, and coming back to it is no load. `None` where every visit is a load.
    pub page_key: Option<i64>,
    /// How long it was in front, in all.
    pub foreground_ms: Option<i64>,
    /// Until when it was in front without a break.
    pub until_ms: Option<i64>,
    /// When its tab was closed, where that ended it.
    pub closed_ms: Option<i64>,
    /// The browser's own id of the tab.
    pub tab: Option<i64>,
    /// The browser's own id of the window.
    pub win: Option<i64>,
    /// The id of the visit it came from.
    pub from: Option<i64>,
    /// The id of the visit whose tab opened this one.
    pub opener: Option<i64>,
}

impl Visit {
    /// Creates a visit of which only time and place are known.
    pub fn new(t_ms: i64, page: Page) -> Self {
        Self {
            t_ms,
            page,
            page_key: None,
            foreground_ms: None,
            until_ms: None,
            closed_ms: None,
            tab: None,
            win: None,
            from: None,
            opener: None,
        }
    }
}

/// Somebody whose visits are staged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their number, in the order in which they came.
    pub id: i64,
    /// Their name in the source.
    pub name: String,
    /// How many visits there are.
    pub visits: u64,
    /// The time of the first.
    pub from_ms: i64,
    /// The time of the last.
    pub to_ms: i64,
}

/// How far importing has come: rows done, and of how many where that is known.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// The staging area.
pub struct Staging {
    pub(super) db: Connection,
}

impl Staging {
    /// Makes an empty one.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn new() -> Result<Self, ImportError> {
        // An empty name makes a database that spills to a file without one.
        let db = Connection::open("")?;
        db.pragma_update(None, "journal_mode", "OFF")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.execute_batch(
            "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
             CREATE TABLE visits (
                 id INTEGER PRIMARY KEY, person INTEGER NOT NULL, t_ms INTEGER NOT NULL,
                 host TEXT, scheme TEXT, page_key INTEGER, foreground_ms INTEGER,
                 until_ms INTEGER, closed_ms INTEGER, tab INTEGER, win INTEGER,
                 from_id INTEGER, opener_id INTEGER);
             CREATE TABLE passed (id INTEGER PRIMARY KEY, from_id INTEGER);
             CREATE TABLE presence (
                 id INTEGER PRIMARY KEY, person INTEGER NOT NULL, t_ms INTEGER NOT NULL,
                 is_idle INTEGER NOT NULL);
             CREATE TABLE placed (
                 id INTEGER PRIMARY KEY, tab INTEGER NOT NULL, opener INTEGER);
             BEGIN;",
        )?;
        Ok(Self { db })
    }

    /// Finds somebody by name, or takes them in.
    pub(super) fn person(&self, name: &str) -> rusqlite::Result<i64> {
        let mut find = self
            .db
            .prepare_cached("SELECT id FROM people WHERE name = ?")?;
        if let Some(id) = find.query_row([name], |row| row.get(0)).optional()? {
            return Ok(id);
        }
        let mut add = self
            .db
            .prepare_cached("INSERT INTO people (name) VALUES (?)")?;
        add.insert([name])
    }

    /// Puts a visit in; `id` is its id in the source, where others may name it.
    pub(super) fn add(&self, person: i64, id: Option<i64>, visit: &Visit) -> rusqlite::Result<()> {
        let mut add = self
            .db
            .prepare_cached("INSERT INTO visits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")?;
        add.execute(params![
            id,
            person,
            visit.t_ms,
            visit.page.host(),
            visit.page.scheme(),
            visit.page_key,
            visit.foreground_ms,
            visit.until_ms,
            visit.closed_ms,
            visit.tab,
            visit.win,
            visit.from,
            visit.opener,
        ])?;
        Ok(())
    }

    /// Notes a visit that is left out, so that what came from it can be followed back.
    pub(super) fn pass_over(&self, id: i64, from: Option<i64>) -> rusqlite::Result<()> {
        let mut add = self
            .db
            .prepare_cached("INSERT OR REPLACE INTO passed VALUES (?, ?)")?;
        add.execute(params![id, from])?;
        Ok(())
    }

    /// Notes that somebody went away or came back.
    pub(super) fn note_presence(
        &self,
        person: i64,
        t_ms: i64,
        is_idle: bool,
    ) -> rusqlite::Result<()> {
        let mut add = self
            .db
            .prepare_cached("INSERT INTO presence (person, t_ms, is_idle) VALUES (?, ?, ?)")?;
        add.execute(params![person, t_ms, is_idle])?;
        Ok(())
    }

    /// Everybody with a visit, in the order in which they came.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub fn people(&self) -> Result<Vec<Person>, ImportError> {
        self.db.execute_batch(
            "CREATE INDEX IF NOT EXISTS visits_in_order ON visits (person, t_ms, id);
             CREATE INDEX IF NOT EXISTS presence_in_order ON presence (person, t_ms, id);",
        )?;
        let mut people = self.db.prepare(
            "SELECT people.id, name, count(*), min(t_ms), max(t_ms) FROM people JOIN visits ON person = people.id
             GROUP BY people.id ORDER BY people.id",
        )?;
        let people = people.query_map([], |row| {
            let visits: i64 = row.get(2)?;
            Ok(Person {
                id: row.get(0)?,
                name: row.get(1)?,
                visits: u64::try_from(visits).unwrap_or(0),
                from_ms: row.get(3)?,
                to_ms: row.get(4)?,
            })
        })?;
        Ok(people.collect::<rusqlite::Result<_>>()?)
    }
}
