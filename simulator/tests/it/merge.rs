//! Several traces as one.

use std::fs;

use engine::Mode;
use recorder::Body;

use crate::commands::check;
use crate::recording::{Recorded, short_of_memory};
use crate::traces::{lines, said};

/// A trace, and a copy of it that is a day later, in the folder "later".
fn two_days() -> Recorded {
    let recorded = short_of_memory(Mode::Enforce).close();
    let later = recorded.root().join("later");
    fs::create_dir(&later).unwrap();
    // All times of the day begin so, and nothing else does.
    let text = fs::read_to_string(recorded.segment()).unwrap();
    let text: String = text
        .lines()
        .filter(|line| {
            !line.contains("\"type\":\"checkpoint\"") && !line.contains("\"type\":\"log_closed\"")
        })
        .map(|line| {
            line.replace(":17672", ":17682")
                .replace("019b7700", "019b7701")
                + "\n"
        })
        .collect();
    let mut seq = 0;
    let text: String = text
        .lines()
        .map(|line| {
            let (head, tail) = line.split_once("\"seq\":").unwrap();
            let (_, tail) = tail.split_once(',').unwrap();
            seq += 1;
            format!("{head}\"seq\":{},{tail}\n", seq - 1)
        })
        .collect();
    fs::write(later.join("later.jsonl"), text).unwrap();
    recorded
}

#[test]
fn ids_do_not_meet_and_the_gap_is_told() {
    let recorded = two_days();
    check(
        recorded.root(),
        &["merge", "later", "trace", "-o", "both"],
        0,
        &["both: "],
    );
    let merged = said(&recorded.root().join("both"));
    let first = said(&recorded.root().join("trace"));
    let (head, tail) = merged.split_at(first.len());
    for (merged, first) in head.iter().zip(&first) {
        assert_eq!(
            (merged.t_ms, merged.body.type_name()),
            (first.t_ms, first.body.type_name())
        );
    }
    let Body::SessionStarted(closed) = &tail[0].body else {
        panic!("{:?}", tail[0])
    };
    assert!(closed.tabs.is_empty() && closed.windows.is_empty());
    let Body::Suspended(slept) = tail[1].body else {
        panic!("{:?}", tail[1])
    };
    assert_eq!(
        i64::try_from(slept.ms).unwrap(),
        tail[1].t_ms - tail[0].t_ms
    );
    for line in &tail[2..] {
        if let Body::TabActivated(it) = line.body {
            assert!(it.tab.0 > 1 << 32 && it.win.0 == (1 << 32) + 1, "{line:?}");
        }
    }
    let tab_ids = lines(&recorded.root().join("both"));
    assert!(tab_ids.len() > merged.len());
}

#[test]
fn traces_that_overlap_are_refused_and_nothing_is_left() {
    let recorded = short_of_memory(Mode::Enforce).close();
    recorded.copy_as("copy");
    let args = ["merge", "trace", "copy", "-o", "both"];
    check(
        recorded.root(),
        &args,
        2,
        &["copy cannot follow: it begins", "do not overlap"],
    );
    assert_eq!(fs::read_dir(recorded.root()).unwrap().count(), 2);
}
