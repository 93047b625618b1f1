//! Visits on their way from a source to a trace: put in as they come, taken out in order.
//!
//! They wait in a sorter, and where they name each other, how they do in a temporary SQLite
//! database. What of both does not fit in memory is in files without a name, so that memory does
//! not grow with the source. Of a page they hold the host, or the scheme. They are taken out twice:
//! first to decide which tab each was in, then to tell what happened.

use std::fmt;
use std::io;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::HashMap;
use super::error::ImportError;
use super::page::Page;
use super::sorter::{Cursor, Sortable, Sorter};

/// The oldest date that is believed: 1990, before there was a web.
const EARLIEST_MS: i64 = 631_152_000_000;

/// How far the clock of a source may run ahead: a day, which also covers any time zone.
const AHEAD_MS: i64 = 86_400_000;

/// How many bytes of visits may wait in memory. To sort them takes half as much again.
const MEMORY_BYTES: usize = 40 << 20;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// When, in Unix milliseconds.
    pub t_ms: i64,
    /// Where.
    pub page: Page,
    /// Tells this page from others of its host, within the source: the same number, the same
    /// page, and coming back to it is no load. `None` where every visit is a load.
    pub page_key: Option<i64>,
    /// What else is known. Most tables know no more, and a visit that waits shall be small.
    pub details: Option<Box<Details>>,
}

/// What a browser knows of a visit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Whether it was in front for no time at all.
    pub is_behind: bool,
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
            details: None,
        }
    }

    /// What else is known, which may be nothing.
    pub(super) fn details(&self) -> &Details {
        const NONE: &Details = &Details {
            is_behind: false,
            until_ms: None,
            closed_ms: None,
            tab: None,
            win: None,
            from: None,
            opener: None,
        };
        self.details.as_deref().unwrap_or(NONE)
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
    /// Whether anything tells when they were there.
    pub knows_presence: bool,
}

/// How far importing has come: rows done, and of how many where that is known.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;

/// Something of somebody's, at its moment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) person: i64,
    /// The visit's id, where others may name it; else its place among all.
    pub(super) id: i64,
    pub(super) what: What,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum What {
    Presence { t_ms: i64, is_idle: bool },
    Visit { visit: Visit, is_named: bool },
}

/// All of them are gone through several times.
const _: () = assert!(size_of::<Moment>() <= 64);

impl Moment {
    pub(super) fn t_ms(&self) -> i64 {
        match &self.what {
            What::Presence { t_ms, .. } => *t_ms,
            What::Visit { visit, .. } => visit.t_ms,
        }
    }
}

impl Sortable for Moment {
    type Key = (i64, i64, bool, i64);

    /// By person and time; that somebody came stands before where they went.
    fn key(&self) -> Self::Key {
        let is_visit = matches!(self.what, What::Visit { .. });
        (self.person, self.t_ms(), is_visit, self.id)
    }

    fn held_bytes(&self) -> usize {
        match &self.what {
            What::Presence { .. } => 0,
            What::Visit { visit, .. } => {
                let details = visit.details.as_deref().map_or(0, size_of_val);
                visit.page.name_bytes() + details
            }
        }
    }
}

/// The staging area.
pub struct Staging {
    /// How visits name each other.
    pub(super) db: Connection,
    memory_bytes: usize,
    moments: Sorter<Moment>,
    /// How many moments have no id of their own.
    unnamed: i64,
    people: Vec<Person>,
    numbers: HashMap<String, i64>,
}

impl Staging {
    /// Makes an empty one.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn new() -> Result<Self, ImportError> {
        Self::within(MEMORY_BYTES)
    }

    /// Makes one that lets so many bytes wait in memory.
    pub(super) fn within(memory_bytes: usize) -> Result<Self, ImportError> {
        // An empty name makes a database that spills to a file without one.
        let db = Connection::open("")?;
        db.pragma_update(None, "journal_mode", "OFF")?;
        db.pragma_update(None, "synchronous", "OFF")?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.execute_batch(
            "CREATE TABLE passed (id INTEGER PRIMARY KEY, from_id INTEGER);
             CREATE TABLE placed (id INTEGER PRIMARY KEY, tab INTEGER NOT NULL);
             BEGIN;",
        )?;
        Ok(Self {
            db,
            memory_bytes,
            moments: Sorter::new(memory_bytes),
            unnamed: 0,
            people: Vec::new(),
            numbers: HashMap::default(),
        })
    }

    /// Finds somebody by name, or takes them in.
    pub(super) fn person(&mut self, name: &str) -> i64 {
        if let Some(&id) = self.numbers.get(name) {
            return id;
        }
        let id = i64::try_from(self.people.len() + 1).unwrap_or(i64::MAX);
        self.numbers.insert(name.to_owned(), id);
        self.people.push(Person {
            id,
            name: name.to_owned(),
            visits: 0,
            from_ms: i64::MAX,
            to_ms: i64::MIN,
            knows_presence: false,
        });
        id
    }

    /// Puts a visit in; `id` is its id in the source, where others may name it.
    pub(super) fn add(
        &mut self,
        person: i64,
        id: Option<i64>,
        visit: Visit,
    ) -> Result<(), ImportError> {
        let t_ms = visit.t_ms;
        let known = self.known(person);
        known.visits += 1;
        known.from_ms = known.from_ms.min(t_ms);
        known.to_ms = known.to_ms.max(t_ms);
        let moment = Moment {
            person,
            id: id.unwrap_or_else(|| self.next_unnamed()),
            what: What::Visit {
                visit,
                is_named: id.is_some(),
            },
        };
        Ok(self.moments.add(moment)?)
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
        &mut self,
        person: i64,
        t_ms: i64,
        is_idle: bool,
    ) -> Result<(), ImportError> {
        self.known(person).knows_presence = true;
        let moment = Moment {
            person,
            id: self.next_unnamed(),
            what: What::Presence { t_ms, is_idle },
        };
        Ok(self.moments.add(moment)?)
    }

    fn next_unnamed(&mut self) -> i64 {
        self.unnamed += 1;
        self.unnamed
    }

    fn known(&mut self, person: i64) -> &mut Person {
        let index = usize::try_from(person - 1).expect("people are numbered from 1");
        &mut self.people[index]
    }

    /// Puts everything in order.
    ///
    /// # Errors
    /// The temporary file cannot be written or read.
    pub fn sorted(self) -> Result<Staged, ImportError> {
        let has_visit = |person: &Person| person.visits > 0;
        let moments = self.moments.sorted()?;
        Ok(Staged {
            db: self.db,
            memory_bytes: self.memory_bytes,
            to_place: moments.cursor()?,
            to_tell: moments.cursor()?,
            people: self.people.into_iter().filter(has_visit).collect(),
        })
    }
}

/// What was staged, in order: one person after another.
pub struct Staged {
    pub(super) db: Connection,
    pub(super) memory_bytes: usize,
    /// The same twice: what has no tab yet is always ahead of what is not told yet.
    pub(super) to_place: Cursor<Moment>,
    pub(super) to_tell: Cursor<Moment>,
    people: Vec<Person>,
}

impl Staged {
    /// Everybody with a visit, in the order in which they came.
    pub fn people(&self) -> &[Person] {
        &self.people
    }
}

impl Cursor<Moment> {
    /// Somebody's next moment. People are asked for in their order.
    pub(super) fn peek_of(&mut self, person: i64) -> io::Result<Option<&Moment>> {
        while self.peek().is_some_and(|next| next.person < person) {
            self.advance()?;
        }
        Ok(self.peek().filter(|next| next.person == person))
    }
}
