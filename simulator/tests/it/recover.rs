//! What is left of a damaged trace, and that the account of it is exact.

use std::fs;

use engine::{Mode, TabId, WindowId};
use recorder::{Body, Found, Line, Salvage, TabActivated};
use simulator::derivation::Piece;
use simulator::recover::{Account, Recovery};

use crate::commands::check;
use crate::recording::{Recorded, Recording, short_of_memory};
use crate::traces::{is_writers, lines, said};

fn small() -> Recording {
    let mut recording = Recording::new(Mode::Observe);
    recording.session(2);
    for tab in [2, 1, 2] {
        recording.wait(1_000).ext(Body::TabActivated(TabActivated {
            tab: TabId(tab),
            win: WindowId(1),
        }));
    }
    recording.checkpoint().wait(1_000).sample(40);
    recording
}

fn recover(recorded: &Recorded) -> (Account, Vec<Piece>) {
    let salvage = Salvage::open(recorded.segment()).unwrap();
    let mut recovery = Recovery::default();
    let mut pieces = Vec::new();
    let mut reader = salvage.read();
    for found in &mut reader {
        let found: Found = found.unwrap();
        recovery.take(found, &mut pieces);
    }
    (recovery.finish(reader.vouched(), &mut pieces), pieces)
}

fn kept(pieces: &[Piece]) -> Vec<(i64, Body)> {
    let is_owners = |piece: &&Piece| {
        let line = |body: &Body| Line {
            seq: engine::Seq(0),
            t_ms: 0,
            src: recorder::Source::Host,
            n: None,
            at_ms: None,
            body: body.clone(),
        };
        !is_writers(&line(&piece.body))
            && !matches!(piece.body, Body::Dropped(_) | Body::Unknown { .. })
    };
    pieces
        .iter()
        .filter(is_owners)
        .map(|piece| (piece.t_ms, piece.body.clone()))
        .collect()
}

#[test]
fn a_log_cut_at_any_byte_keeps_every_whole_line() {
    let recorded = small().close();
    let path = recorded.segment();
    let whole = fs::read(&path).unwrap();
    for length in 0..=whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (account, _) = recover(&recorded);
        let line_count = whole[..length]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        assert_eq!(account.lines_kept, line_count as u64, "{length}");
        let last_end = whole[..length]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |at| at + 1);
        assert_eq!(
            account.bytes_damaged,
            (length - last_end) as u64,
            "{length}"
        );
        assert_eq!(account.lines_missing, 0);
        assert_eq!(account.is_whole(), length == last_end, "{length}");
        assert_eq!(account.is_sealed, length == whole.len());
    }
}

#[test]
fn a_flipped_bit_is_told_or_changes_nothing() {
    let recorded = small().close();
    let path = recorded.segment();
    let original = fs::read(&path).unwrap();
    let (account, pieces) = recover(&recorded);
    assert!(account.is_whole(), "{account:?}");
    let (line_count, expected) = (account.lines_kept, kept(&pieces));
    for byte in 0..original.len() {
        for bit in [0, 4, 6] {
            let mut flipped = original.clone();
            flipped[byte] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let Ok(_) = Salvage::open(&path) else {
                // The version became a newer one.
                continue;
            };
            let (account, pieces) = recover(&recorded);
            let context = || format!("byte {byte} bit {bit}: {account:?}");
            if account.is_whole() {
                assert_eq!(kept(&pieces), expected, "{}", context());
            }
            assert!(account.lines_kept + 3 >= line_count, "{}", context());
            let told = account.lines_kept + account.lines_missing;
            assert!(told <= line_count, "{}", context());
            let at_end = account.lines_damaged_at_end + account.broken_ends;
            assert!(told + at_end + 1 >= line_count, "{}", context());
        }
    }
}

#[test]
fn what_is_kept_is_a_trace_and_the_loss_is_in_it() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let path = recorded.segment();
    let text = fs::read_to_string(&path).unwrap();
    let before = lines(&recorded.root().join("trace"));
    let mut changed: Vec<&str> = text.lines().collect();
    changed[10] = "{\"type\":\"tab_activ";
    changed.drain(20..23);
    fs::write(&path, changed.join("\n") + "\n").unwrap();
    let expect = ["something is lost", "4 lines missing", "1 line damaged"];
    check(recorded.root(), &["recover", "trace"], 3, &expect);
    check(
        recorded.root(),
        &["recover", "trace", "-o", "saved"],
        3,
        &expect,
    );
    let lost: u64 = said(&recorded.root().join("saved"))
        .iter()
        .map(|line| match &line.body {
            Body::Dropped(it) if it.why == "damaged" => it.count,
            _ => 0,
        })
        .sum();
    assert_eq!(lost, 4);
    assert_eq!(before.len(), text.lines().count());
    check(
        recorded.root(),
        &["info", "saved"],
        0,
        &["derived from another"],
    );
    check(
        recorded.root(),
        &["recover", "trace", "--json"],
        3,
        &["\"lines_missing\":4"],
    );
    // The damaged file was not touched.
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        changed.join("\n") + "\n"
    );
}

#[test]
fn what_is_whole_is_written_as_it_was() {
    let recorded = short_of_memory(Mode::Observe).close();
    check(
        recorded.root(),
        &["recover", "trace", "-o", "same"],
        0,
        &["nothing is lost"],
    );
    let bodies = |name: &str| {
        let lines = said(&recorded.root().join(name)).into_iter();
        lines
            .map(|line| (line.t_ms, line.body.type_name().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bodies("trace"), bodies("same"));
}

#[test]
fn damaged_compressed_data_ends_the_file_and_is_told() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let args = ["cut", "trace", "-o", "compressed", "--compress"];
    check(recorded.root(), &args, 0, &[]);
    let folder = recorded.root().join("compressed");
    let path = fs::read_dir(&folder)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(&path, bytes).unwrap();
    check(
        recorded.root(),
        &["recover", "compressed"],
        3,
        &["1 end of a file"],
    );
}
