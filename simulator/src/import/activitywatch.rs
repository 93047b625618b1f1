//! Buckets of ActivityWatch, as its server exports them: what the web watchers saw in front, and
//! when the AFK watcher saw nobody.
//!
//! Sources: `aw-server`'s `/api/0/export`, `aw-watcher-web` (an event a page in front: `url`,
//! `title`, `audible`, `incognito`, `tabCount`) and `aw-watcher-afk` (`status` "afk" or "not-afk").
//! A browser is a bucket, and becomes a trace of its own. Events may come in any order; the server
//! gives the newest first.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use jiff::Timestamp;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Serialize};

use super::bounded::{Allowance, Bounded};
use super::error::ImportError;
use super::page::{Pages, page_key};
use super::sorter::{Sortable, Sorter};
use super::staging::{Dates, Details, Progress, ROWS_A_TICK, Source, Staging, Visit};

const WEB_WATCHER: &str = "aw-watcher-web";
const AFK_WATCHER: &str = "aw-watcher-afk";

/// The AFK watcher looks every 5 seconds; a shorter hole between two events is none.
const POLL_MS: i64 = 5_000;

/// How many bytes of what the AFK watchers saw may wait in memory.
const PRESENCES_BYTES: usize = 8 << 20;

const RULES: [&str; 5] = [
    "site-threads",
    "close-after",
    "loaded-at-once",
    "front-until",
    "no-sound-no-pins",
];

/// Reads an export.
///
/// # Errors
/// The file cannot be read, is no export, or has no event of a web watcher.
pub fn read(
    path: &Path,
    dates: Dates,
    staging: &mut Staging,
    progress: &mut Progress<'_>,
) -> Result<Source, ImportError> {
    let cannot =
        |error: std::io::Error| ImportError::unusable(path, format!("cannot be read: {error}"));
    let file = File::open(path).map_err(cannot)?;
    let total = file.metadata().map_err(cannot)?.len();
    if total == 0 {
        return Err(ImportError::unusable(
            path,
            "the file is empty, expected what ActivityWatch exports as JSON",
        ));
    }
    let (reader, allowance) = Bounded::new(file);
    let importer = RefCell::new(Importer {
        dates,
        staging,
        allowance,
        progress,
        total,
        done: 0,
        kept: 0,
        source: Source::default(),
        web: Vec::new(),
        afk: Vec::new(),
        presences: Sorter::new(PRESENCES_BYTES),
        pages: Pages::default(),
        failed: None,
    });
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(reader));
    let read = Export(&importer)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    let importer = importer.into_inner();
    if let Some(error) = importer.failed {
        return Err(error);
    }
    if let Err(error) = read {
        let (line, problem) = (error.line() as u64, error.to_string());
        return Err(if error.is_eof() {
            ImportError::damaged(path, format!("the file is cut off: {problem}"))
        } else {
            ImportError::BadRow {
                path: path.to_owned(),
                line,
                column: None,
                problem: format!("{problem}; expected what ActivityWatch exports as JSON"),
            }
        });
    }
    importer.finish(path)
}

struct Importer<'a, 'p> {
    dates: Dates,
    staging: &'a mut Staging,
    allowance: Allowance,
    progress: &'a mut Progress<'p>,
    total: u64,
    done: u64,
    kept: u64,
    source: Source,
    /// The persons that web buckets became, with their hosts.
    web: Vec<(i64, Option<String>)>,
    /// The AFK buckets, with their hosts.
    afk: Vec<(i64, Option<String>)>,
    /// When somebody was there, by those buckets.
    presences: Sorter<Presence>,
    pages: Pages,
    /// What went wrong on our side while the file was read.
    failed: Option<ImportError>,
}

/// What a bucket is to us.
#[derive(Clone, Copy)]
enum Bucket {
    Web { person: i64 },
    Afk { bucket: i64 },
    Other,
}

/// That somebody was there.
#[derive(Serialize, Deserialize)]
struct Presence {
    bucket: i64,
    from_ms: i64,
    until_ms: i64,
}

impl Sortable for Presence {
    type Key = (i64, i64, i64);

    fn key(&self) -> Self::Key {
        (self.bucket, self.from_ms, self.until_ms)
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

/// An event of either watcher. Its title is not read.
#[derive(Deserialize)]
struct Event {
    timestamp: Timestamp,
    #[serde(default)]
    duration: f64,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    url: Option<String>,
    #[serde(default)]
    incognito: Option<bool>,
    status: Option<String>,
}

impl Importer<'_, '_> {
    fn bucket(&mut self, id: &str) -> Result<Bucket, ImportError> {
        if id.starts_with(WEB_WATCHER) {
            let person = self.staging.person(id);
            self.web.push((person, None));
            return Ok(Bucket::Web { person });
        }
        if id.starts_with(AFK_WATCHER) {
            let bucket = i64::try_from(self.afk.len()).unwrap_or(i64::MAX);
            self.afk.push((bucket, None));
            return Ok(Bucket::Afk { bucket });
        }
        Ok(Bucket::Other)
    }

    fn host(&mut self, of: Bucket, host: String) {
        let last = match of {
            Bucket::Web { .. } => self.web.last_mut(),
            Bucket::Afk { .. } => self.afk.last_mut(),
            Bucket::Other => None,
        };
        if let Some((_, known)) = last {
            *known = Some(host);
        }
    }

    fn event(&mut self, of: Bucket, event: &Event) -> Result<(), ImportError> {
        self.done += 1;
        self.allowance.renew();
        if self.done.is_multiple_of(ROWS_A_TICK) {
            (self.progress)(self.allowance.bytes_read(), self.total);
        }
        let skips = &mut self.source.skips;
        let t_ms = event.timestamp.as_millisecond();
        let until_ms = t_ms.saturating_add(whole_ms(event.duration));
        if !self.dates.have(t_ms) || !self.dates.have(until_ms) {
            skips.dates += 1;
            return Ok(());
        }
        match of {
            Bucket::Other => {}
            Bucket::Afk { bucket } => {
                if event.data.status.as_deref() == Some("not-afk") {
                    self.presences.add(Presence {
                        bucket,
                        from_ms: t_ms,
                        until_ms,
                    })?;
                }
            }
            Bucket::Web { .. } if event.data.incognito == Some(true) => skips.private += 1,
            Bucket::Web { person } => {
                let url = event.data.url.as_deref().unwrap_or_default();
                match self.pages.of_url(url) {
                    Ok(page) => {
                        let details = Details {
                            until_ms: Some(until_ms),
                            ..Details::default()
                        };
                        let visit = Visit {
                            page_key: Some(page_key(url)),
                            details: Some(Box::new(details)),
                            ..Visit::new(t_ms, page)
                        };
                        self.staging.add(person, None, visit)?;
                        self.kept += 1;
                    }
                    Err(error) => {
                        skips.pages += 1;
                        let first = || format!("the event of {}: {error}", event.timestamp);
                        skips.first_without_page.get_or_insert_with(first);
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(mut self, path: &Path) -> Result<Source, ImportError> {
        if self.kept == 0 {
            let problem = if self.web.is_empty() {
                format!("found no bucket of a web watcher ({WEB_WATCHER}-…), expected at least one")
            } else if self.done == 0 {
                "there is no event in it".to_owned()
            } else {
                format!(
                    "of {} events none can be imported: {}",
                    self.done, self.source.skips
                )
            };
            return Err(ImportError::unusable(path, problem));
        }
        let mut watched: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for (person, host) in &self.web {
            // With one AFK watcher there is no doubt whom it watched, whatever it is called.
            let by_host = self.afk.iter().find(|(_, its_host)| its_host == host);
            let only = (self.afk.len() == 1).then(|| self.afk.first()).flatten();
            if let Some(&(bucket, _)) = by_host.or(only) {
                watched.entry(bucket).or_default().push(*person);
            }
        }
        let is_afk_known = note_presences(self.presences, &watched, self.staging)?;
        self.source.rules = RULES.to_vec();
        self.source.rules.extend(is_afk_known.then_some("afk"));
        Ok(self.source)
    }
}

/// Those whom a bucket watched were there while any event of it says so, and away else. Returns
/// whether there is any such event.
fn note_presences(
    presences: Sorter<Presence>,
    watched: &BTreeMap<i64, Vec<i64>>,
    staging: &mut Staging,
) -> Result<bool, ImportError> {
    let mut presences = presences.sorted()?.cursor()?;
    let mut is_any = false;
    while let Some(&Presence {
        bucket,
        from_ms,
        mut until_ms,
    }) = presences.peek()
    {
        presences.advance()?;
        while let Some(next) = presences.peek()
            && next.bucket == bucket
            && next.from_ms - until_ms <= POLL_MS
        {
            until_ms = until_ms.max(next.until_ms);
            presences.advance()?;
        }
        let people = watched.get(&bucket).map_or(&[][..], Vec::as_slice);
        is_any |= !people.is_empty();
        for &person in people {
            staging.note_presence(person, from_ms, false)?;
            staging.note_presence(person, until_ms, true)?;
        }
    }
    Ok(is_any)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from a float saturates, and not-a-number becomes 0"
)]
fn whole_ms(seconds: f64) -> i64 {
    ((seconds * 1_000.0).round() as i64).max(0)
}

/// The whole file: `{"buckets": {id: bucket}}`.
struct Export<'a, 'b, 'p>(&'a RefCell<Importer<'b, 'p>>);

/// What stands under `buckets`.
struct Buckets<'a, 'b, 'p>(&'a RefCell<Importer<'b, 'p>>);

/// One bucket: `{"hostname": …, "events": […]}`, in any order.
struct Contents<'a, 'b, 'p>(&'a RefCell<Importer<'b, 'p>>, Bucket);

/// The events of a bucket, taken in one at a time.
struct Events<'a, 'b, 'p>(&'a RefCell<Importer<'b, 'p>>, Bucket);

/// Passes on what went wrong on our side, for which the JSON is not to blame.
fn or_stop<T, E: serde::de::Error>(
    importer: &RefCell<Importer<'_, '_>>,
    result: Result<T, ImportError>,
) -> Result<T, E> {
    result.map_err(|error| {
        let told = E::custom("stopped");
        importer.borrow_mut().failed = Some(error);
        told
    })
}

macro_rules! read_as_map {
    ($what:ident, $expecting:literal, |$self:ident, $map:ident| $body:block) => {
        impl<'de> DeserializeSeed<'de> for $what<'_, '_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
                json.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $what<'_, '_, '_> {
            type Value = ();

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($expecting)
            }

            fn visit_map<A: MapAccess<'de>>($self, mut $map: A) -> Result<(), A::Error> $body
        }
    };
}

read_as_map!(Export, "an export of ActivityWatch", |self, map| {
    let mut has_buckets = false;
    while let Some(key) = map.next_key::<String>()? {
        if key == "buckets" {
            map.next_value_seed(Buckets(self.0))?;
            has_buckets = true;
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    if has_buckets {
        Ok(())
    } else {
        Err(A::Error::missing_field("buckets"))
    }
});

read_as_map!(Buckets, "buckets by their ids", |self, map| {
    while let Some(id) = map.next_key::<String>()? {
        self.0.borrow().allowance.renew();
        let bucket = self.0.borrow_mut().bucket(&id);
        let bucket = or_stop(self.0, bucket)?;
        map.next_value_seed(Contents(self.0, bucket))?;
    }
    Ok(())
});

read_as_map!(Contents, "a bucket", |self, map| {
    while let Some(key) = map.next_key::<String>()? {
        match key.as_str() {
            "hostname" => {
                let host: Option<String> = map.next_value()?;
                let mut importer = self.0.borrow_mut();
                importer.host(self.1, host.unwrap_or_default());
            }
            "events" => map.next_value_seed(Events(self.0, self.1))?,
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(())
});

impl<'de> DeserializeSeed<'de> for Events<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        if let Bucket::Other = self.1 {
            while seq.next_element::<IgnoredAny>()?.is_some() {
                self.0.borrow().allowance.renew();
            }
            return Ok(());
        }
        while let Some(event) = seq.next_element::<Event>()? {
            let taken = self.0.borrow_mut().event(self.1, &event);
            or_stop(self.0, taken)?;
        }
        Ok(())
    }
}
