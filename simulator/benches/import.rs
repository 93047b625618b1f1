//! How fast histories and tables become traces, in events a second.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::ItemsCount;
use rusqlite::{Connection, params};
use simulator::import::visits::{Layout, Place, TimeUnit};
use simulator::import::{Dates, Rules, Source, Staging, chrome, visits, weave};
use tempfile::TempDir;

const BEGIN_MS: i64 = 1_767_225_600_000;
const EPOCH_MS: i64 = 11_644_473_600_000;
const VISITS: i64 = 100_000;

fn main() {
    divan::main();
}

/// The host of a visit: a few that are come back to all the time, and many that are not.
fn host(index: i64) -> i64 {
    let spread = index.wrapping_mul(2_654_435_761) % 4_093;
    if index % 3 == 0 { spread } else { spread % 13 }
}

fn dates() -> Dates {
    Dates::until(BEGIN_MS + VISITS * 60_000)
}

fn history() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("History");
    let mut db = Connection::open(&path).unwrap();
    db.execute_batch(
        "CREATE TABLE urls (id INTEGER PRIMARY KEY, url TEXT);
         CREATE TABLE visits (id INTEGER PRIMARY KEY, url INTEGER, visit_time INTEGER,
             from_visit INTEGER, transition INTEGER, visit_duration INTEGER);",
    )
    .unwrap();
    let all = db.transaction().unwrap();
    for id in 0..4_093 {
        let url = format!("https://www.h{id}.example/a/path?and=more");
        all.execute("INSERT INTO urls VALUES (?, ?)", params![id, url])
            .unwrap();
    }
    for index in 0..VISITS {
        let visit_time = (BEGIN_MS + index * 20_000 + EPOCH_MS) * 1_000;
        all.execute(
            "INSERT INTO visits VALUES (?, ?, ?, 0, ?, 0)",
            params![index + 1, host(index), visit_time, 0x3000_0000],
        )
        .unwrap();
    }
    all.commit().unwrap();
    (folder, path)
}

fn table() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("visits.csv");
    let mut text = "who,when,where\n".to_owned();
    for index in 0..VISITS {
        let (who, t_ms) = (index % 7, BEGIN_MS + index * 20_000);
        writeln!(text, "{who},{t_ms},www.h{}.example", host(index)).unwrap();
    }
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// Imports up to the lines, and returns how many there are.
fn import(path: &Path, read: impl Fn(&Path, &mut Staging) -> Source) -> u64 {
    let mut staging = Staging::new().unwrap();
    let source = read(path, &mut staging);
    let mut events = 0;
    let mut staged = staging.sorted().unwrap();
    for person in staged.people().to_vec() {
        let rules = Rules::default();
        let told = weave(
            &mut staged,
            &person,
            &source,
            rules,
            &mut |_, _| {},
            &mut |_, line| {
                divan::black_box(line);
                Ok(())
            },
        );
        events += told.unwrap().events;
    }
    events
}

#[divan::bench(sample_count = 5)]
fn of_chrome(bencher: Bencher<'_, '_>) {
    let (_folder, path) = history();
    let read = |path: &Path, staging: &mut Staging| {
        let folder = path.parent().unwrap();
        chrome::read(path, folder, dates(), staging, &mut |_, _| {}).unwrap()
    };
    let events = import(&path, read);
    bencher
        .counter(ItemsCount::new(events))
        .bench(|| import(&path, read));
}

#[divan::bench(sample_count = 5)]
fn of_a_table(bencher: Bencher<'_, '_>) {
    let (_folder, path) = table();
    let layout = Layout {
        user: "who".to_owned(),
        time: "when".to_owned(),
        place: Place::Host("where".to_owned()),
        page: None,
        unit: TimeUnit::Milliseconds,
        delimiter: b',',
    };
    let read = |path: &Path, staging: &mut Staging| {
        visits::read(path, &layout, dates(), staging, &mut |_, _| {}).unwrap()
    };
    let events = import(&path, read);
    bencher
        .counter(ItemsCount::new(events))
        .bench(|| import(&path, read));
}
