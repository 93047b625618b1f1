//! The `History` database of a Chromium browser: Chrome, Edge, Brave, Vivaldi, Opera, Chromium.
//!
//! Sources: `components/history/core/browser/` (`visit_database.cc`, `history_database.cc`,
//! `visit_annotations_database.cc`, `history_types.h`) and `ui/base/page_transition_types.h` of
//! Chromium; schema 70, as Chromium 156 makes it. What a version does not have is found out from
//! its columns: older ones have no `opener_visit`, no ids of other devices, no
//! `context_annotations`, or such without ids of tabs and windows.

use std::collections::BTreeSet;
use std::path::Path;

use super::error::ImportError;
use super::page::Pages;
use super::sqlite::{Copy, integer, page};
use super::staging::{Dates, Details, Progress, ROWS_A_TICK, Source, Staging, Visit};

/// The newest schema that this importer was written for. The database says itself which is the
/// oldest that can still read it.
const SCHEMA: i64 = 70;

/// From 1601, where Chromium's time begins, to 1970.
const EPOCH_MS: i64 = 11_644_473_600_000;

/// `ui::PageTransition`: what a visit came from stands in the low byte.
const CORE_MASK: i64 = 0xff;
const AUTO_SUBFRAME: i64 = 3;
const MANUAL_SUBFRAME: i64 = 4;
/// The entry that a search by keyword leaves for the engine's own page, where nobody went.
const KEYWORD_GENERATED: i64 = 10;
/// The last of a chain of redirects.
const CHAIN_END: i64 = 0x2000_0000;

/// `history::VisitSource`: `SOURCE_BROWSED` has no row; 0 is from another device, from 3 on from
/// another browser. 2 was added by an extension.
const SOURCE_BROWSED: i64 = 1;

/// `page_load_metrics::PageEndReason`: the tab or the browser was closed.
const END_CLOSE: i64 = 6;

/// The rules that hold where the columns are there, and those that always hold.
const RULES: [&str; 6] = [
    "from-visits",
    "site-threads",
    "close-after",
    "loaded-at-once",
    "no-switches",
    "no-sound-no-pins",
];

/// Reads a `History` database, through a copy in a folder that nobody else may enter.
///
/// # Errors
/// The file cannot be read, is damaged or of another kind, or there is no visit in it.
pub fn read(
    path: &Path,
    folder: &Path,
    dates: Dates,
    staging: &mut Staging,
    progress: &mut Progress<'_>,
) -> Result<Source, ImportError> {
    let copy = Copy::open(path, folder)?;
    copy.require(
        "the History of a Chromium browser",
        &[
            (
                "visits",
                &["id", "url", "visit_time", "transition", "from_visit"],
            ),
            ("urls", &["id", "url"]),
        ],
    )?;
    let schema = schema(&copy, path)?;
    let columns = Columns::of(&copy)?;
    let mut source = Source {
        version: schema.map(|schema| format!("schema {schema}")),
        rules: columns.rules(),
        ..Source::default()
    };
    let wrong = |error: rusqlite::Error| copy.wrong(&error);
    let total: i64 = copy
        .db
        .query_row("SELECT count(*) FROM visits", [], |row| row.get(0))
        .map_err(wrong)?;
    let total = u64::try_from(total).unwrap_or(0);
    let person = staging.person(&name_of(path));
    let mut visits = copy.db.prepare(&columns.query()).map_err(wrong)?;
    let mut rows = visits.query([]).map_err(wrong)?;
    let mut pages = Pages::default();
    let (mut done, mut kept) = (0, 0_u64);
    while let Some(row) = rows.next().map_err(wrong)? {
        done += 1;
        if done % ROWS_A_TICK == 0 {
            progress(done, total);
        }
        let number = |index| integer(row, index).map_err(wrong);
        let positive = |index| Ok::<_, ImportError>(number(index)?.filter(|&id| id > 0));
        let skips = &mut source.skips;
        let Some(id) = number(0)? else { continue };
        let from = positive(4)?;
        let transition = number(3)?.unwrap_or(CHAIN_END);
        let is_elsewhere = number(6)?.is_some_and(|source| source != SOURCE_BROWSED && source != 2)
            || number(7)? == Some(1);
        let skipped = match transition & CORE_MASK {
            _ if is_elsewhere => Some(&mut skips.elsewhere),
            AUTO_SUBFRAME | MANUAL_SUBFRAME => Some(&mut skips.subframes),
            KEYWORD_GENERATED => Some(&mut skips.generated),
            _ if transition & CHAIN_END == 0 => Some(&mut skips.redirects),
            _ => None,
        };
        if let Some(skipped) = skipped {
            *skipped += 1;
            staging.pass_over(id, from)?;
            continue;
        }
        let Some(t_ms) = number(1)?.map(unix_ms).filter(|&t_ms| dates.have(t_ms)) else {
            skips.dates += 1;
            continue;
        };
        let page = match page(row, 2, &mut pages).map_err(wrong)? {
            Ok(page) => page,
            Err(error) => {
                skips.pages += 1;
                let first = || format!("visit {id}: {error}");
                skips.first_without_page.get_or_insert_with(first);
                continue;
            }
        };
        // An absent duration is -1 s where the column has one.
        let ms = |us: Option<i64>| us.filter(|&us| us >= 0).map(|us| us / 1_000);
        let is_closed = number(12)? == Some(END_CLOSE);
        let closed_ms = ms(positive(8)?)
            .filter(|_| is_closed)
            .map(|ms| t_ms.saturating_add(ms))
            .filter(|&closed_ms| dates.have(closed_ms));
        let details = Details {
            is_behind: ms(number(9)?) == Some(0),
            until_ms: None,
            closed_ms,
            win: positive(10)?,
            tab: positive(11)?,
            from,
            opener: positive(5)?,
        };
        let visit = Visit {
            details: Some(Box::new(details)),
            ..Visit::new(t_ms, page)
        };
        staging.add(person, Some(id), visit)?;
        kept += 1;
    }
    if kept == 0 {
        return Err(nothing(path, total, &source));
    }
    Ok(source)
}

fn nothing(path: &Path, total: u64, source: &Source) -> ImportError {
    let problem = if total == 0 {
        "there is no visit in it".to_owned()
    } else {
        format!("of {total} visits none can be imported: {}", source.skips)
    };
    ImportError::unusable(path, problem)
}

/// The name of the profile, which is that of the folder.
fn name_of(path: &Path) -> String {
    path.parent()
        .and_then(Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn unix_ms(us: i64) -> i64 {
    us.div_euclid(1_000).saturating_sub(EPOCH_MS)
}

/// Reads the version, and refuses a database that says that it is too new for us.
fn schema(copy: &Copy, path: &Path) -> Result<Option<i64>, ImportError> {
    if copy.columns("meta")?.is_empty() {
        return Ok(None);
    }
    let value = |key: &str| -> rusqlite::Result<Option<i64>> {
        let mut meta = copy
            .db
            .prepare("SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?")?;
        let mut rows = meta.query([key])?;
        rows.next()?.map_or(Ok(None), |row| integer(row, 0))
    };
    let wrong = |error: rusqlite::Error| copy.wrong(&error);
    let readable_from = value("last_compatible_version").map_err(wrong)?;
    if let Some(needed) = readable_from.filter(|&needed| needed > SCHEMA) {
        return Err(ImportError::unusable(
            path,
            format!(
                "found a History that only readers of schema {needed} and later understand, \
                 expected one for schema {SCHEMA} or before; use a newer sim"
            ),
        ));
    }
    value("version").map_err(wrong)
}

/// What this version of the schema has.
struct Columns {
    visits: BTreeSet<String>,
    annotations: BTreeSet<String>,
    has_source: bool,
}

impl Columns {
    fn of(copy: &Copy) -> Result<Self, ImportError> {
        Ok(Self {
            visits: copy.columns("visits")?,
            annotations: copy.columns("context_annotations")?,
            has_source: ["id", "source"].iter().all(|column| {
                copy.columns("visit_source")
                    .is_ok_and(|it| it.contains(*column))
            }),
        })
    }

    fn has_annotations(&self) -> bool {
        self.annotations.contains("visit_id")
    }

    fn rules(&self) -> Vec<&'static str> {
        let mut rules = Vec::new();
        if self.has_annotations() && self.annotations.contains("tab_id") {
            rules.push("real-tabs");
        }
        if self.visits.contains("opener_visit") {
            rules.push("openers");
        }
        if self.has_annotations() && self.annotations.contains("total_foreground_duration") {
            rules.push("opened-behind");
        }
        rules.extend(RULES);
        rules
    }

    /// The visits with what is known of them; null for what this version does not have.
    fn query(&self) -> String {
        let of = |has: bool, column: &str| {
            if has {
                column.to_owned()
            } else {
                "NULL".to_owned()
            }
        };
        let visit = |name: &str| of(self.visits.contains(name), &format!("v.{name}"));
        let noted = |name: &str| {
            let has = self.has_annotations() && self.annotations.contains(name);
            of(has, &format!("c.{name}"))
        };
        let is_synced = of(
            self.visits.contains("originator_cache_guid"),
            "coalesce(v.originator_cache_guid, '') <> ''",
        );
        let mut text = format!(
            "SELECT v.id, v.visit_time, u.url, v.transition, v.from_visit, {}, {}, {is_synced}, \
             {}, {}, {}, {}, {} FROM visits AS v LEFT JOIN urls AS u ON u.id = v.url",
            visit("opener_visit"),
            of(self.has_source, "s.source"),
            visit("visit_duration"),
            noted("total_foreground_duration"),
            noted("window_id"),
            noted("tab_id"),
            noted("page_end_reason"),
        );
        if self.has_source {
            text += " LEFT JOIN visit_source AS s ON s.id = v.id";
        }
        if self.has_annotations() {
            text += " LEFT JOIN context_annotations AS c ON c.visit_id = v.id";
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_begins_in_1601() {
        assert_eq!(unix_ms(13_439_966_747_762_483), 1_795_493_147_762);
        assert_eq!(unix_ms(0), -EPOCH_MS);
    }
}
