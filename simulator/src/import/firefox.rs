//! The `places.sqlite` of Firefox and what is built on it.
//!
//! Sources: `toolkit/components/places/` (`nsPlacesTables.h`, `nsINavHistoryService.idl`) and
//! `browser/components/places/Interactions.sys.mjs` of Firefox. View times are in
//! `moz_places_metadata`, which older versions do not have: a row for each stretch of time that a
//! page was open and used. Firefox keeps no ids of tabs.

use std::path::Path;

use super::error::ImportError;
use super::page::Pages;
use super::sqlite::{Copy, integer, page};
use super::staging::{Dates, Details, Progress, ROWS_A_TICK, Source, Staging, Visit};

/// `nsINavHistoryService`: how a visit came about.
const EMBED: i64 = 4;
const REDIRECT_PERMANENT: i64 = 5;
const REDIRECT_TEMPORARY: i64 = 6;
const DOWNLOAD: i64 = 7;
const FRAMED_LINK: i64 = 8;

/// A view begins when its page is shown, which may be noted a little before the visit is.
const VIEW_BEFORE_MS: i64 = 2_000;

const RULES: [&str; 6] = [
    "from-visits",
    "site-threads",
    "close-after",
    "loaded-at-once",
    "no-switches",
    "no-sound-no-pins",
];

/// Reads a `places.sqlite`, through a copy in a folder that nobody else may enter.
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
        "the places.sqlite of Firefox",
        &[
            (
                "moz_historyvisits",
                &["id", "from_visit", "place_id", "visit_date", "visit_type"],
            ),
            ("moz_places", &["id", "url"]),
        ],
    )?;
    let wrong = |error: rusqlite::Error| copy.wrong(&error);
    let views = copy.columns("moz_places_metadata")?;
    let has_views = ["place_id", "created_at", "total_view_time"]
        .iter()
        .all(|column| views.contains(*column));
    let schema: i64 = copy
        .db
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(wrong)?;
    let mut source = Source {
        version: Some(format!("schema {schema}")),
        browser: Some("Firefox".to_owned()),
        rules: if has_views {
            vec!["opened-behind"]
        } else {
            Vec::new()
        },
        ..Source::default()
    };
    source.rules.extend(RULES);
    let total: i64 = copy
        .db
        .query_row("SELECT count(*) FROM moz_historyvisits", [], |row| {
            row.get(0)
        })
        .map_err(wrong)?;
    let total = u64::try_from(total).unwrap_or(0);
    let name = path
        .parent()
        .and_then(Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let person = staging.person(&name);
    copy.index("moz_historyvisits", "from_visit")?;
    if has_views {
        copy.index("moz_places_metadata", "place_id, created_at")?;
    }
    let mut visits = copy.db.prepare(&query(has_views)).map_err(wrong)?;
    let mut rows = visits.query([]).map_err(wrong)?;
    let mut pages = Pages::default();
    let (mut done, mut kept) = (0, 0_u64);
    while let Some(row) = rows.next().map_err(wrong)? {
        done += 1;
        if done % ROWS_A_TICK == 0 {
            progress(done, total);
        }
        let number = |index| integer(row, index).map_err(wrong);
        let skips = &mut source.skips;
        let Some(id) = number(0)? else { continue };
        let from = number(4)?.filter(|&from| from > 0);
        let skipped = match number(3)? {
            Some(EMBED | FRAMED_LINK | DOWNLOAD) => Some(&mut skips.subframes),
            _ if number(5)? == Some(1) => Some(&mut skips.redirects),
            _ => None,
        };
        if let Some(skipped) = skipped {
            *skipped += 1;
            staging.pass_over(id, from)?;
            continue;
        }
        let t_ms = number(1)?.map(|us| us.div_euclid(1_000));
        let Some(t_ms) = t_ms.filter(|&t_ms| dates.have(t_ms)) else {
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
        let details = Details {
            is_behind: number(6)? == Some(0),
            from,
            ..Details::default()
        };
        let visit = Visit {
            details: Some(Box::new(details)),
            ..Visit::new(t_ms, page)
        };
        staging.add(person, Some(id), visit)?;
        kept += 1;
    }
    if kept == 0 {
        let problem = if total == 0 {
            "there is no visit in it".to_owned()
        } else {
            format!("of {total} visits none can be imported: {}", source.skips)
        };
        return Err(ImportError::unusable(path, problem));
    }
    Ok(source)
}

/// The visits; whether a redirect led on from them; how long their page was seen until the next
/// visit to it.
fn query(has_views: bool) -> String {
    let redirects = format!("{REDIRECT_PERMANENT}, {REDIRECT_TEMPORARY}");
    let seen = if has_views {
        format!(
            "(SELECT sum(m.total_view_time) FROM moz_places_metadata AS m
              WHERE m.place_id = v.place_id
                AND m.created_at >= v.visit_date / 1000 - {VIEW_BEFORE_MS}
                AND m.created_at < coalesce(v.again / 1000 - {VIEW_BEFORE_MS},
                                            9223372036854775807))"
        )
    } else {
        "NULL".to_owned()
    };
    format!(
        "SELECT v.id, v.visit_date, p.url, v.visit_type, v.from_visit,
                EXISTS (SELECT 1 FROM moz_historyvisits AS r
                        WHERE r.from_visit = v.id AND r.visit_type IN ({redirects})),
                {seen}
         FROM (SELECT *, lead(visit_date) OVER (PARTITION BY place_id ORDER BY visit_date, id)
                         AS again
               FROM moz_historyvisits) AS v
         LEFT JOIN moz_places AS p ON p.id = v.place_id"
    )
}
