//! Every command reads a log whose hosts have other names, and judges it as the one it could have
//! been.

use engine::Mode;
use recorder::{Body, HostKey, Line, Naming};

use crate::commands::check;
use crate::recording::{Recording, short_of_memory};
use crate::traces::{said, text};

fn namings() -> [Naming; 2] {
    let key = || HostKey::new([5; 32]);
    [Naming::Site(key()), Naming::KeyedHash(key())]
}

/// A recording in which every host is a site of its own.
fn sites() -> Vec<Line> {
    let recorded = short_of_memory(Mode::Enforce).close();
    said(&recorded.root().join("trace"))
        .iter()
        .map(|line| {
            let mut bytes = Vec::new();
            line.write(&mut bytes);
            let text = String::from_utf8(bytes).unwrap();
            let text = text.replace(".example.org", ".example");
            Line::parse(text.trim_end().as_bytes()).unwrap()
        })
        .collect()
}

fn decided(lines: &[Line]) -> usize {
    let is_decision = |line: &&Line| matches!(line.body, Body::Decision(_));
    lines.iter().filter(is_decision).count()
}

#[test]
fn a_log_under_other_names_is_verified_checked_and_told() {
    for (naming, shown) in namings().iter().zip(["hosts by site", "hosts as hashes"]) {
        let retold = Recording::retell(sites(), naming).close();
        let lines = said(&retold.root().join("trace"));
        let count = decided(&lines);
        assert!(count > 0, "{naming:?}");
        let expect = format!("{count} of {count}");
        check(retold.root(), &["verify", "trace"], 0, &[&expect]);
        check(retold.root(), &["check", "trace"], 0, &[]);
        check(retold.root(), &["info", "trace"], 0, &[shown]);
        check(retold.root(), &["replay", "trace"], 0, &[]);
        let is_hidden = matches!(naming, Naming::KeyedHash(_));
        let shows_host = text(&retold.root().join("trace")).contains("host-2");
        assert_eq!(shows_host, !is_hidden);
    }
}

#[test]
fn a_log_under_other_names_can_be_given_away() {
    for naming in &namings() {
        let retold = Recording::retell(sites(), naming).close();
        check(retold.root(), &["anonymize", "trace", "-o", "copy"], 0, &[]);
        let (before, after) = (retold.root().join("trace"), retold.root().join("copy"));
        let count = decided(&said(&before));
        assert!(count > 0, "{naming:?}");
        assert_eq!(decided(&said(&after)), count);
        let name = naming.name_of("host-2.example");
        assert!(text(&before).contains(&name));
        assert!(!text(&after).contains(&name), "no name is carried over");
        check(retold.root(), &["check", "copy"], 0, &[]);
    }
}
