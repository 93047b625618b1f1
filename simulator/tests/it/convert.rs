//! A trace in another form is the same trace.

use std::fs;
use std::path::Path;

use assert_cmd::cargo::cargo_bin_cmd;
use engine::Mode;

use crate::recording::{Recorded, short_of_memory};

/// Calls `sim` in a folder; returns exit code and what it said.
fn sim(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = cargo_bin_cmd!("sim")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let said =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), said)
}

#[track_caller]
fn check(folder: &Path, args: &[&str], exit_code: i32, expect: &str) {
    let (code, said) = sim(folder, args);
    assert_eq!(code, exit_code, "{args:?}: {said}");
    assert!(
        said.contains(expect),
        "{args:?}: expected: {expect}\n{said}"
    );
}

fn recorded() -> Recorded {
    short_of_memory(Mode::Enforce).close()
}

#[test]
fn compressed_and_back_is_the_same_file() {
    let recorded = recorded();
    let here = recorded.root();
    let original = fs::read(recorded.segment()).unwrap();
    let name = recorded.segment().file_name().unwrap().to_owned();
    // Into a folder, a segment keeps its name.
    check(
        here,
        &["convert", "trace", "a/", "--to", "jsonl.zst"],
        0,
        ".jsonl.zst",
    );
    check(here, &["convert", "a", "b/", "--to", "jsonl"], 0, "digest");
    assert_eq!(fs::read(here.join("b").join(name)).unwrap(), original);
    check(here, &["convert", "a", "c.jsonl"], 0, "digest");
    assert_eq!(fs::read(here.join("c.jsonl")).unwrap(), original);
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let recorded = recorded();
    let here = recorded.root();
    fs::write(here.join("b.jsonl"), "mine").unwrap();
    check(
        here,
        &["convert", "trace", "b.jsonl"],
        2,
        "is there already; say --force",
    );
    assert_eq!(fs::read(here.join("b.jsonl")).unwrap(), b"mine");
    check(
        here,
        &["convert", "trace", "b.jsonl", "--force"],
        0,
        "digest",
    );
    assert_eq!(
        fs::read(here.join("b.jsonl")).unwrap(),
        fs::read(recorded.segment()).unwrap()
    );
}

#[test]
fn a_name_without_a_form_is_asked_about() {
    let recorded = recorded();
    let expect = "the name says no form; end it in .jsonl, .jsonl.zst or .parquet";
    check(recorded.root(), &["convert", "trace", "out"], 2, expect);
}

#[test]
fn nothing_of_a_damaged_trace_is_left_behind() {
    let recorded = recorded();
    let text = fs::read_to_string(recorded.segment()).unwrap();
    fs::write(
        recorded.segment(),
        text.replacen("\"seq\":5,", "\"seq\":6,", 1),
    )
    .unwrap();
    check(
        recorded.root(),
        &["convert", "trace", "b.jsonl"],
        3,
        "expected 5",
    );
    let files: Vec<_> = fs::read_dir(recorded.root())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(files, ["trace"]);
}

#[cfg(not(feature = "analysis"))]
#[test]
fn without_the_feature_parquet_says_how_to_get_it() {
    let recorded = recorded();
    let here = recorded.root();
    let expect = "build it with `cargo build --release -p simulator --features analysis`";
    check(here, &["convert", "trace", "a.parquet"], 2, expect);
    fs::write(here.join("b.parquet"), "PAR1 and more").unwrap();
    check(here, &["info", "b.parquet"], 2, expect);
}

#[cfg(feature = "analysis")]
mod parquet {
    use std::io::Read as _;
    use std::path::PathBuf;

    use proptest::prelude::*;
    use recorder::{LINE_TYPES, SegmentSource as _, Trace};
    use simulator::parquet::{COLUMNS, ParquetTrace, Writer};

    use super::*;

    fn bundled() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/recorded");
        let mut traces: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.is_dir())
            .collect();
        traces.sort();
        assert!(!traces.is_empty());
        traces
    }

    /// Writes lines as Parquet and gives what reads back.
    fn there_and_back(text: &str, path: &Path) -> String {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for line in text.split_inclusive('\n') {
            writer.push(line.as_bytes()).unwrap();
        }
        fs::write(path, writer.finish().unwrap()).unwrap();
        let source = ParquetTrace::open(path).unwrap();
        let mut again = String::new();
        for segment in 0..source.segment_count() {
            let mut lines = source.open(segment).unwrap();
            lines.read_to_string(&mut again).unwrap();
        }
        again
    }

    #[test]
    fn every_field_has_a_column() {
        let schema: serde_json::Value = serde_json::from_str(&recorder::schema()).unwrap();
        for line_type in LINE_TYPES {
            let fields = schema["$defs"][line_type.name]["properties"]
                .as_object()
                .unwrap();
            for field in fields.keys() {
                let known = COLUMNS.iter().any(|(name, _)| name == field);
                assert!(known, "{} of {} has no column", field, line_type.name);
            }
        }
    }

    #[test]
    fn the_page_names_every_column() {
        let page = include_str!("../../PARQUET.md");
        for (name, _) in COLUMNS {
            assert!(page.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn bundled_traces_come_back_byte_for_byte_and_score_the_same() {
        let folder = tempfile::tempdir().unwrap();
        for trace in bundled() {
            let from = trace.to_str().unwrap();
            let here = folder.path();
            check(
                here,
                &["convert", from, "x.parquet", "--force"],
                0,
                "digest",
            );
            check(
                here,
                &["convert", "x.parquet", "x.jsonl", "--force"],
                0,
                "digest",
            );
            let original = Trace::open(&trace).unwrap().segments()[0].path.clone();
            assert_eq!(
                fs::read(here.join("x.jsonl")).unwrap(),
                fs::read(original).unwrap(),
                "{from}"
            );
            // A decision names the session, and a summary the file.
            for policy in ["default", "ttl-15"] {
                let replay = |file: &str| {
                    let (code, said) = sim(here, &["replay", file, "--policy", policy, "--json"]);
                    assert_eq!(code, 0, "{said}");
                    said.replace(file, "")
                };
                assert_eq!(
                    replay("x.jsonl"),
                    replay("x.parquet"),
                    "{from} under {policy}"
                );
            }
            check(here, &["verify", "x.parquet"], 0, "equal");
        }
    }

    #[test]
    fn lines_that_are_not_in_the_writers_form_come_back_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let trace = &bundled()[0];
        let segment = Trace::open(trace).unwrap().segments()[0].path.clone();
        let first = fs::read_to_string(segment).unwrap();
        let first = first.split_inclusive('\n').next().unwrap();
        for line in [
            r#"{"type":"tab_closed","seq":1,"t_ms":5,"src":"ext","tab":7,"colour":"red"}"#,
            r#"{"type":"of_a_later_version","seq":1,"t_ms":5,"src":"host","tab":"seven"}"#,
            r#"{ "seq": 1, "type": "tab_closed", "t_ms": 5, "src": "ext", "tab": 7 }"#,
            r#"{"type":"metrics","seq":1,"t_ms":5,"src":"host","cpu":71.50,"battery":1e2}"#,
            r#"{"type":"metrics","seq":1,"t_ms":5,"src":"host","ram_total":18446744073709551615}"#,
            r#"{"type":"tab_closed","seq":1,"t_ms":-9223372036854775808,"src":"ext","tab":-7}"#,
            r#"{"type":"tab_navigated","seq":1,"t_ms":5,"src":"ext","tab":7,"host":"\u00e9"}"#,
            r#"{"type":"tab_navigated","seq":1,"t_ms":5,"src":"ext","tab":7,"host":null}"#,
        ] {
            let text = format!("{first}{line}\n");
            assert_eq!(there_and_back(&text, &path), text);
        }
    }

    #[test]
    fn several_row_groups_and_segments_keep_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let segment = Trace::open(&bundled()[0]).unwrap().segments()[0]
            .path
            .clone();
        let text = fs::read_to_string(segment).unwrap();
        let many = text.repeat(160);
        assert!(many.lines().count() > 65_536);
        assert!(there_and_back(&many, &path) == many);
    }

    #[test]
    fn damaged_files_are_told_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        let trace = bundled()[0].clone();
        check(
            here,
            &["convert", trace.to_str().unwrap(), "x.parquet"],
            0,
            "digest",
        );
        let whole = fs::read(here.join("x.parquet")).unwrap();
        for cut in [4, whole.len() / 2, whole.len() - 1] {
            fs::write(here.join("y.parquet"), &whole[..cut]).unwrap();
            check(here, &["info", "y.parquet"], 3, "the file is damaged");
        }
        fs::write(here.join("z.parquet"), b"PAR1\0\0\0\0PAR1").unwrap();
        check(here, &["info", "z.parquet"], 3, "the file is damaged");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_damaged_byte_never_ends_the_program(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.parquet");
            let segment = Trace::open(&bundled()[0]).unwrap().segments()[0].path.clone();
            let text = fs::read_to_string(segment).unwrap();
            prop_assert_eq!(&there_and_back(&text, &path), &text);
            let mut bytes = fs::read(&path).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            fs::write(&path, bytes).unwrap();
            if let Ok(source) = ParquetTrace::open(&path) {
                for segment in 0..source.segment_count() {
                    let mut again = Vec::new();
                    if let Ok(mut lines) = source.open(segment) {
                        let _ = lines.read_to_end(&mut again);
                    }
                }
            }
        }
    }
}
