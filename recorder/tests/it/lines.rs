//! A line reads back as it was written, and what is wrong with one is told.

use engine::{Input, Page, Seq, TabId, WindowId};
use proptest::prelude::*;
use recorder::{Body, ExtEvent, LINE_TYPES, Line, Source, TabActivated, TabNavigated};

use crate::any;

fn written(line: &Line) -> Vec<u8> {
    let mut bytes = Vec::new();
    line.write(&mut bytes);
    bytes
}

fn without_end(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap()
}

/// Where to change a line, how much to take out there, and what to put in its stead.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let pieces = [
        "0",
        "-",
        "-0",
        "9",
        ".5",
        "e3",
        ",",
        "\"",
        "}",
        "{",
        "[",
        "]",
        "\\",
        " ",
        "null",
        "true",
        "false",
        "\u{e9}",
        "\r",
        "\"n\":1",
        ",\"tab\":1",
        ",\"seq\":1",
        "18446744073709551616",
    ];
    let piece = prop::sample::select(pieces.map(|piece| piece.as_bytes().to_vec()).to_vec());
    let bytes = proptest::collection::vec(any::<u8>(), 0..2);
    (
        any::<prop::sample::Index>(),
        0..4_usize,
        prop_oneof![piece, bytes],
    )
}

proptest! {
    #[test]
    fn a_line_reads_back_as_it_was_written(line in any::line()) {
        let bytes = written(&line);
        let read = Line::parse(without_end(&bytes)).unwrap();
        prop_assert_eq!(&read, &line);
        prop_assert_eq!(written(&read), bytes);
    }

    #[test]
    fn what_the_writer_writes_is_read_in_the_canonical_form(line in any::line()) {
        let bytes = written(&line);
        let text = without_end(&bytes);
        let read = Line::parse_canonical(text);
        // Escapes and unknown types are left to the general path, and they alone.
        let is_left = text.contains(&b'\\') || matches!(line.body, Body::Unknown { .. });
        prop_assert_eq!(read.is_none(), is_left);
        prop_assert!(read.is_none_or(|read| read == line));
    }

    #[test]
    fn the_canonical_form_says_the_same_as_the_general_one_or_nothing(
        line in any::line(),
        changes in proptest::collection::vec(change(), 1..4),
    ) {
        let mut bytes = written(&line);
        bytes.pop();
        for (at, remove, insert) in changes {
            let at = at.index(bytes.len() + 1);
            let end = bytes.len().min(at + remove);
            bytes.splice(at..end, insert);
        }
        if let Some(read) = Line::parse_canonical(&bytes) {
            prop_assert_eq!(Line::parse_general(&bytes), Ok(read));
        }
    }

    #[test]
    fn a_number_in_the_canonical_form_is_the_general_one_to_the_last_bit(
        number in r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
    ) {
        let text = format!(
            r#"{{"type":"metrics","seq":1,"t_ms":2,"src":"host","ram_total":5,"cpu":{number}}}"#
        );
        let bits = |line: Line| match line.body {
            Body::Metrics(it) => it.cpu.map(f64::to_bits),
            _ => None,
        };
        let canonical = Line::parse_canonical(text.as_bytes()).map(bits);
        prop_assert_eq!(canonical, Line::parse_general(text.as_bytes()).ok().map(bits));
    }

    /// Of whatever length, and however near to the line's end.
    #[test]
    fn a_whole_number_in_the_canonical_form_is_the_general_one(
        number in r"-?[0-9]{0,25}", behind in r#"|,"cpu":1\.5"#,
    ) {
        let head = r#"{"type":"metrics","seq":1,"t_ms":"#;
        for text in [
            format!(r#"{head}{number},"src":"host"{behind}}}"#),
            format!(r#"{head}2,"src":"host","ram_total":{number}{behind}}}"#),
        ] {
            let general = Line::parse_general(text.as_bytes()).ok();
            prop_assert_eq!(Line::parse_canonical(text.as_bytes()), general);
        }
    }

    #[test]
    fn the_order_of_fields_and_the_spacing_do_not_matter(line in any::line()) {
        let value: serde_json::Value = serde_json::from_slice(&written(&line)).unwrap();
        // A `Value` keeps its members by name, so the type no longer stands first.
        let spaced = serde_json::to_string_pretty(&value).unwrap().replace('\n', " ");
        prop_assert_eq!(Line::parse(spaced.as_bytes()), Ok(line));
    }

    #[test]
    fn null_is_as_good_as_absent(line in any::line()) {
        let bytes = written(&line);
        let open = &bytes[..bytes.len() - 2];
        let known: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let mut with_nulls = open.to_vec();
        for field in ["n", "at_ms", "host", "muted", "ms", "tab", "cpu", "until_ms", "why", "x"] {
            if known.get(field).is_none() {
                with_nulls.extend_from_slice(format!(",\"{field}\":null").as_bytes());
            }
        }
        with_nulls.push(b'}');
        prop_assert_eq!(Line::parse(&with_nulls), Ok(line));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Line::parse(&bytes);
        let _ = ExtEvent::parse(&bytes);
    }

    #[test]
    fn an_event_of_the_extension_reads_the_same_from_text_and_value(
        body in any::from_extension(), n in 1..u64::MAX, at_ms in any::<i64>(),
    ) {
        let line = Line { seq: Seq(0), t_ms: 0, src: Source::Ext, n: Some(n), at_ms: Some(at_ms), body };
        let mut value: serde_json::Value = serde_json::from_slice(&written(&line)).unwrap();
        for field in ["seq", "t_ms", "src"] {
            value.as_object_mut().unwrap().remove(field);
        }
        let event = ExtEvent { n, at_ms, body: line.body };
        prop_assert_eq!(ExtEvent::from_value(&value), Ok(event.clone()));
        prop_assert_eq!(ExtEvent::parse(value.to_string().as_bytes()), Ok(event));
    }

    #[test]
    fn outputs_of_the_engine_come_back_from_the_log(body in any::from_engine()) {
        let line = Line { seq: Seq(9), t_ms: 0, src: Source::Engine, n: None, at_ms: None, body };
        prop_assert_eq!(line.event(), None);
        let output = line.output().unwrap();
        prop_assert_eq!(Body::from(output), line.body);
    }
}

#[test]
fn what_is_not_in_the_canonical_form_is_left_to_the_general_path() {
    #[track_caller]
    fn check(line: &str) {
        assert_eq!(Line::parse_canonical(line.as_bytes()), None);
        Line::parse_general(line.as_bytes()).unwrap();
    }
    let ext = r#""seq":1,"t_ms":2,"src":"ext","n":3,"at_ms":4"#;
    check(&format!(r#"{{"type":"tab_closed",{ext},"tab":5 }}"#));
    check(&format!(r#"{{"type":"tab_closed","tab":5,{ext}}}"#));
    check(&format!(r#"{{{ext},"type":"tab_closed","tab":5}}"#));
    check(&format!(r#"{{"type":"tab_closed",{ext},"tab":5,"new":6}}"#));
    check(&format!(r#"{{"type":"tab_moved",{ext},"win":6,"tab":5}}"#));
    check(&format!(r#"{{"type":"tab_\u0063losed",{ext},"tab":5}}"#));
    check(&format!(r#"{{"type":"tab_of_tomorrow",{ext},"tab":5}}"#));
}

#[test]
fn a_line_stands_in_its_canonical_form() {
    let line = Line {
        seq: Seq(41),
        t_ms: 1_767_225_612_345,
        src: Source::Ext,
        n: Some(37),
        at_ms: Some(1_767_225_612_344),
        body: Body::TabActivated(TabActivated {
            tab: TabId(412),
            win: WindowId(3),
        }),
    };
    let expect = concat!(
        r#"{"type":"tab_activated","seq":41,"t_ms":1767225612345,"src":"ext","n":37,"#,
        r#""at_ms":1767225612344,"tab":412,"win":3}"#,
        "\n"
    );
    assert_eq!(String::from_utf8(written(&line)).unwrap(), expect);
}

#[test]
fn a_line_without_fields_of_its_own_is_closed_well() {
    let text = r#"{"type":"paused","seq":1,"t_ms":2,"src":"host"}"#;
    let line = Line::parse(text.as_bytes()).unwrap();
    assert_eq!(
        String::from_utf8(written(&line)).unwrap(),
        format!("{text}\n")
    );
}

#[test]
fn a_number_that_is_none_is_left_out() {
    let body = Body::Metrics(recorder::Metrics {
        cpu: Some(f64::NAN),
        battery: Some(f64::INFINITY),
        ..recorder::Metrics::default()
    });
    let line = Line {
        seq: Seq(1),
        t_ms: 2,
        src: Source::Host,
        n: None,
        at_ms: None,
        body,
    };
    let expect = "{\"type\":\"metrics\",\"seq\":1,\"t_ms\":2,\"src\":\"host\"}\n";
    assert_eq!(String::from_utf8(written(&line)).unwrap(), expect);
}

#[test]
fn what_is_wrong_with_a_line_is_told_with_its_field() {
    #[track_caller]
    fn check(line: impl AsRef<[u8]>, expect: &str) {
        let error = Line::parse(line.as_ref()).unwrap_err().to_string();
        assert!(error.contains(expect), "found: {error}\nexpected: {expect}");
    }
    let host = r#""seq":1,"t_ms":2,"src":"host""#;
    check("", "found an empty line");
    check("\u{feff}{}", "byte order mark");
    check("{}\r", "line end of another kind");
    check(
        b"{\"type\":\"\xff\"}",
        "column 10: found bytes that are no UTF-8",
    );
    check("[]", "found no JSON object");
    check("{}", "missing field `type`");
    check(
        "{\"type\":4}",
        "type: invalid type: integer `4`, expected a string",
    );
    check(
        r#"{"type":"paused","t_ms":2,"src":"host"}"#,
        "missing field `seq`",
    );
    check(
        r#"{"type":"paused","seq":-1,"t_ms":2,"src":"host"}"#,
        "seq: invalid value: integer `-1`",
    );
    check(
        r#"{"type":"paused","seq":1,"seq":1,"t_ms":2,"src":"host"}"#,
        "duplicate field `seq`",
    );
    check(
        format!(r#"{{"type":"paused",{host},"type":"paused"}}"#),
        "duplicate field `type`",
    );
    check(
        format!(r#"{{"type":"paused",{host}}}}}"#),
        "trailing characters",
    );
    check(format!(r#"{{"type":"paused",{host}"#), "EOF while parsing");
    check(
        format!(r#"{{"type":"suspended",{host}}}"#),
        "missing field `ms`",
    );
    check(
        format!(r#"{{"type":"metrics",{host},"ram_used":-5}}"#),
        "ram_used: invalid value: integer `-5`, expected u64",
    );
    check(
        format!(r#"{{"type":"metrics",{host},"ram_used":18446744073709551616}}"#),
        "ram_used: invalid type: floating point",
    );
    check(
        format!(r#"{{"type":"metrics",{host},"cpu":1e999}}"#),
        "cpu: number out of range",
    );
    check(
        format!(r#"{{"type":"metrics",{host},"cpu":NaN}}"#),
        "cpu: expected value",
    );
    check(
        format!(r#"{{"type":"mode_changed",{host},"mode":"sleep"}}"#),
        "mode: unknown variant `sleep`, expected `observe` or `enforce`",
    );
    check(
        format!(
            r#"{{"type":"policy_changed",{host},"policy":{{"ttl_minutes":0}},"policy_hash":"","by":"file"}}"#
        ),
        "policy: ttl_minutes: found 0.0, expected 1 to 10080 minutes",
    );
    check(
        r#"{"type":"metrics","seq":1,"t_ms":2,"src":"ext"}"#,
        r#"src: found "ext", expected "host" for a metrics"#,
    );
    check(
        r#"{"type":"metrics","seq":1,"t_ms":2,"src":"host","n":4}"#,
        r#"n: found on a line of "host""#,
    );
    // Nesting costs neither stack nor memory.
    let deep = "[".repeat(100_000);
    check(
        format!(r#"{{"type":"metrics",{host},"x":{deep}"#),
        "x: EOF while parsing a list",
    );
}

#[test]
fn an_unknown_type_is_passed_over_and_an_unknown_field_too() {
    let text = r#"{"type":"tab_teleported","seq":7,"t_ms":2,"src":"ext","n":4,"to":{"moon":[1]}}"#;
    let line = Line::parse(text.as_bytes()).unwrap();
    assert_eq!(
        line.body,
        Body::Unknown {
            type_name: "tab_teleported".to_owned()
        }
    );
    assert_eq!((line.seq, line.n), (Seq(7), Some(4)));
    assert_eq!(line.event(), None);

    let text = r#"{"type":"tab_closed","seq":7,"t_ms":2,"src":"ext","tab":1,"mood":{"a":[{}]}}"#;
    let line = Line::parse(text.as_bytes()).unwrap();
    assert_eq!(
        line.event().unwrap().input,
        Input::TabClosed { tab: TabId(1) }
    );
}

#[test]
fn a_page_is_told_by_its_host_or_its_scheme() {
    #[track_caller]
    fn check(host: Option<&str>, scheme: Option<&str>, expect: Option<&Page>) {
        let navigated = TabNavigated {
            tab: TabId(1),
            host: host.map(Into::into),
            scheme: scheme.map(str::to_owned),
            protected: None,
        };
        let Some(Input::TabNavigated { page, .. }) = Body::TabNavigated(navigated).input() else {
            panic!("a navigation is an input");
        };
        assert_eq!(page.as_ref(), expect);
    }
    check(
        Some("example.org"),
        None,
        Some(&Page::Web("example.org".into())),
    );
    check(
        Some("example.org"),
        Some("https"),
        Some(&Page::Web("example.org".into())),
    );
    check(None, Some("chrome"), Some(&Page::Internal));
    check(None, None, None);
}

#[test]
fn the_extension_may_send_only_what_is_its_own() {
    #[track_caller]
    fn check(event: &str, expect: &str) {
        let error = ExtEvent::parse(event.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expect), "found: {error}\nexpected: {expect}");
        let value = serde_json::from_str(event).unwrap();
        let error = ExtEvent::from_value(&value).unwrap_err().to_string();
        assert!(error.contains(expect), "found: {error}\nexpected: {expect}");
    }
    check(
        r#"{"type":"metrics","n":1,"at_ms":2}"#,
        r#"type: found "metrics", expected an event of"#,
    );
    check(
        r#"{"type":"decide","n":1,"at_ms":2}"#,
        r#"type: found "decide", expected an event of"#,
    );
    check(
        r#"{"type":"tab_closed","at_ms":2,"tab":1}"#,
        "missing field `n`",
    );
    check(
        r#"{"type":"tab_closed","n":0,"at_ms":2,"tab":1}"#,
        "missing field `n`",
    );
    check(
        r#"{"type":"tab_closed","n":1,"tab":1}"#,
        "missing field `at_ms`",
    );
    check(
        r#"{"type":"tab_closed","n":1,"at_ms":2}"#,
        "missing field `tab`",
    );
    check(
        r#"{"type":"tab_closed","n":1,"at_ms":2,"tab":1,"seq":4}"#,
        "seq: the log gives it",
    );
    check(
        r#"{"type":"tab_closed","n":1,"at_ms":2,"tab":1,"src":"ext"}"#,
        "src: the log gives it",
    );
    for host in [
        "",
        "Example.org",
        "example.org/path",
        "example.org:80",
        "a b",
        "u@a",
        "[::1",
        "é.fr",
    ] {
        let event =
            format!(r#"{{"type":"tab_navigated","n":1,"at_ms":2,"tab":1,"host":"{host}"}}"#);
        check(&event, "host: expected a hostname alone");
        let tab = format!(r#"{{"tab":1,"win":1,"host":"{host}"}}"#);
        let session = r#"{"type":"session_started","n":1,"at_ms":2,"windows":[],"tabs":["#;
        check(
            &format!("{session}{tab}]}}"),
            "host: expected a hostname alone",
        );
    }
    let event = r#"{"type":"tab_navigated","n":1,"at_ms":2,"tab":1,"scheme":"file:///home"}"#;
    check(event, "scheme: expected a scheme alone");
    for host in [
        "example.org",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "xn--e1afmkfd.xn--p1ai",
        "a_b.c",
    ] {
        let event =
            format!(r#"{{"type":"tab_navigated","n":1,"at_ms":2,"tab":1,"host":"{host}"}}"#);
        assert!(ExtEvent::parse(event.as_bytes()).is_ok(), "{host}");
    }
}

#[test]
fn no_two_types_have_one_name() {
    for (index, line_type) in LINE_TYPES.iter().enumerate() {
        assert!(
            LINE_TYPES[..index]
                .iter()
                .all(|earlier| earlier.name != line_type.name)
        );
    }
}
