//! What other programs kept of somebody's browsing: the importers end, and what they make can be
//! told as lines of a trace. The first byte chooses the importer.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use recorder::Body;
use simulator::import::visits::{self, Layout, Place, TimeUnit};
use simulator::import::{Dates, Rules, Staging, activitywatch, chrome, firefox, weave};

/// 2030-01-01, in Unix milliseconds.
const NOW_MS: i64 = 1_893_456_000_000;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("source");
    fs::write(&path, bytes).expect("a file");
    let mut staging = Staging::new().expect("a staging area");
    let (dates, progress) = (Dates::until(NOW_MS), &mut |_, _| {});
    let layout = |unit, place| Layout {
        user: "user".to_owned(),
        time: "time".to_owned(),
        place,
        page: None,
        unit,
        delimiter: b',',
    };
    let source = match choice % 5 {
        0 => chrome::read(&path, folder.path(), dates, &mut staging, progress),
        1 => firefox::read(&path, folder.path(), dates, &mut staging, progress),
        2 => activitywatch::read(&path, dates, &mut staging, progress),
        3 => {
            let layout = layout(TimeUnit::Seconds, Place::Url("url".to_owned()));
            visits::read(&path, &layout, dates, &mut staging, progress)
        }
        _ => {
            let layout = layout(TimeUnit::Dates, Place::Host("host".to_owned()));
            visits::read(&path, &layout, dates, &mut staging, progress)
        }
    };
    let Ok(source) = source else { return };
    let mut staged = staging.sorted().expect("what is staged can be sorted");
    for person in staged.people().to_vec() {
        let mut last_ms = i64::MIN;
        let told = weave(
            &mut staged,
            &person,
            &source,
            Rules::default(),
            &mut |_, _| {},
            &mut |t_ms, body| {
                assert!(t_ms >= last_ms, "time went back");
                assert!(!matches!(body, Body::Unknown { .. }));
                last_ms = t_ms;
                Ok(())
            },
        );
        told.expect("what is staged can be told");
    }
});
