//! The reader takes nothing on trust, and says where what is wrong.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use recorder::*;
use tempfile::TempDir;

use crate::support::*;

/// A closed trace of one segment.
fn small_closed() -> (TempDir, PathBuf, Vec<u8>) {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 4);
    writer
        .append(START_MS + 5_000, Source::Host, None, None, &metrics())
        .unwrap();
    let path = writer.path().to_owned();
    writer.close(START_MS + 6_000, Some("00ff")).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// A trace of two segments, the first compressed, not closed.
fn two_segments() -> (TempDir, PathBuf) {
    let folder = folder();
    let mut writer = create(folder.path());
    append_events(&mut writer, 1, 10);
    let rotation = writer.rotate(START_MS + 11_000, None).unwrap();
    append_events(&mut writer, 11, 5);
    writer.sync().unwrap();
    (folder, rotation.compressed.unwrap())
}

fn without_bookkeeping(lines: &[Line]) -> Vec<&Line> {
    lines.iter().filter(|line| line.event().is_some()).collect()
}

#[track_caller]
fn check(path: &Path, expect: &str) -> ReadError {
    let error = read_error(path);
    let text = error.to_string();
    assert!(text.contains(expect), "found: {text}\nexpected: {expect}");
    error
}

#[track_caller]
fn check_at(path: &Path, line: u64, expect: &str) {
    let error = check(path, expect);
    assert_eq!(error.at.map(|at| at.line), Some(line), "{error}");
    assert!(error.is_corruption(), "{error}");
}

#[test]
fn a_closed_trace_reads_whole() {
    let (folder, path, bytes) = small_closed();
    let (lines, reader) = read(&path);
    assert_eq!(
        type_names(&lines),
        [
            "log_opened",
            "tab_activated",
            "tab_activated",
            "tab_activated",
            "tab_activated",
            "metrics",
            "checkpoint",
            "log_closed"
        ]
    );
    assert!(reader.sealed());
    assert_eq!(reader.torn_tail(), None);
    assert_eq!(reader.missing_segment(), None);
    assert_eq!((reader.line_count(), reader.unknown_count()), (8, 0));
    assert_eq!(
        read(folder.path()).0,
        lines,
        "the folder names the trace, too"
    );
    let mut rewritten = Vec::new();
    lines.iter().for_each(|line| line.write(&mut rewritten));
    assert_eq!(rewritten, bytes, "what the writer writes is canonical");
}

#[test]
fn a_compressed_segment_reads_like_a_plain_one() {
    let (folder, path, bytes) = small_closed();
    let (plain, plain_reader) = read(&path);
    let compressed = folder.path().join(format!(
        "{}.zst",
        path.file_name().unwrap().to_str().unwrap()
    ));
    fs::write(&compressed, zstd::encode_all(&*bytes, 3).unwrap()).unwrap();
    assert_eq!(
        read(&path).0,
        plain,
        "both files are there: a rotation was stopped between"
    );
    fs::remove_file(&path).unwrap();
    let (lines, reader) = read(&compressed);
    assert_eq!(lines, plain);
    assert!(reader.sealed());
    assert_eq!(reader.digest(), plain_reader.digest());
}

#[test]
fn any_segment_and_the_folder_name_the_whole_trace() {
    let (folder, first) = two_segments();
    let second = files_ending(folder.path(), ".jsonl").remove(0);
    let (lines, reader) = read(&first);
    assert_eq!(counters(&lines), Vec::from_iter(1..=15));
    assert!(!reader.sealed());
    assert_eq!(read(&second).0, lines);
    assert_eq!(read(folder.path()).0, lines);
    assert_eq!(Trace::open(&first).unwrap().segments().len(), 2);
}

#[test]
fn a_log_cut_anywhere_reads_up_to_there_and_goes_on() {
    let (_folder, _, bytes) = small_closed();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let header_bytes = lines[0].len();
    for cut in 0..bytes.len() {
        let folder = folder();
        let path = folder
            .path()
            .join("20260102T030405Z-00000000000000000000000000000001-0000.jsonl");
        fs::write(&path, &bytes[..cut]).unwrap();
        if cut < header_bytes {
            check(&path, "an empty trace");
            continue;
        }
        let whole_bytes = bytes[..cut]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap()
            + 1;
        let whole_lines = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        let (read_lines, reader) = read(&path);
        assert_eq!(read_lines.len(), whole_lines);
        assert!(!reader.sealed());
        let torn_bytes = cut - whole_bytes;
        match reader.torn_tail() {
            None => assert_eq!(torn_bytes, 0),
            Some(torn) => {
                assert_eq!(
                    (torn.byte, torn.bytes),
                    (whole_bytes as u64, torn_bytes as u64)
                );
            }
        }

        let mut seen = Vec::new();
        let resumed =
            TraceWriter::resume(folder.path(), &opening(), START_MS + 9_000, &mut |line| {
                seen.push(line.clone());
            });
        let Resumed {
            mut writer,
            last_n,
            torn_bytes: told,
            ..
        } = resumed.unwrap().unwrap();
        assert_eq!(seen, read_lines);
        assert_eq!(told, torn_bytes as u64);
        append_events(&mut writer, last_n + 1, 2);
        writer.close(START_MS + 10_000, None).unwrap();
        let (read_lines, reader) = read(&path);
        assert!(reader.sealed());
        assert_eq!(counters(&read_lines), Vec::from_iter(1..=last_n + 2));
        let aside = files_ending(folder.path(), ".torn");
        let kept: Vec<u8> = aside
            .iter()
            .flat_map(|path| fs::read(path).unwrap())
            .collect();
        assert_eq!(
            kept,
            &bytes[whole_bytes..cut],
            "nothing of the tail is lost"
        );
    }
}

#[test]
fn a_flipped_bit_in_a_closed_log_is_reported_or_changes_nothing() {
    let (folder, path, bytes) = small_closed();
    let (original, _) = read(&path);
    let expect = without_bookkeeping(&original);
    let mut harmless = 0;
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[index] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let Ok(trace) = Trace::open(folder.path()) else {
                continue;
            };
            let mut reader = trace.read();
            let lines: Result<Vec<Line>, ReadError> = reader.by_ref().collect();
            if let Ok(lines) = lines {
                assert_eq!(
                    without_bookkeeping(&lines),
                    expect,
                    "bit {bit} of byte {index}"
                );
                harmless += 1;
            }
        }
    }
    // Only the seal itself is not sealed.
    let seal_bits = bytes.len()
        - bytes[..bytes.len() - 1]
            .iter()
            .rposition(|&byte| byte == b'\n')
            .unwrap();
    assert!(
        harmless < seal_bits * 8,
        "{harmless} of {} flips",
        bytes.len() * 8
    );
}

#[test]
fn a_changed_line_fails_the_checkpoint_or_the_seal() {
    let (_folder, path, bytes) = small_closed();
    let text = String::from_utf8(bytes).unwrap();
    fs::write(&path, text.replacen("\"cpu\":12.5", "\"cpu\":13.5", 1)).unwrap();
    check_at(&path, 7, "the checkpoint does not match");
    fs::write(
        &path,
        text.replacen("\"state\":\"00ff\"", "\"state\":\"00fe\"", 1),
    )
    .unwrap();
    check_at(&path, 8, "the seal does not match");
}

#[test]
fn a_missing_or_doubled_line_is_a_gap() {
    let (_folder, path, bytes) = small_closed();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    fs::write(&path, [&lines[..2], &lines[3..]].concat().concat()).unwrap();
    check_at(&path, 3, "found seq 3, expected 2");
    fs::write(&path, [&lines[..3], &lines[2..]].concat().concat()).unwrap();
    check_at(&path, 4, "found seq 2, expected 3");
}

#[test]
fn a_bad_line_is_corruption_but_for_a_torn_last_one() {
    #[track_caller]
    fn check_line(bad: &[u8], expect: &str) {
        let (_folder, path, bytes) = small_closed();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        fs::write(&path, [lines[0], lines[1], bad, lines[2]].concat()).unwrap();
        check_at(&path, 3, expect);
        let place = read_error(&path).at.unwrap();
        assert_eq!(place.byte, (lines[0].len() + lines[1].len()) as u64);

        fs::write(&path, [lines[0], lines[1], bad].concat()).unwrap();
        let (read_lines, reader) = read(&path);
        assert_eq!(read_lines.len(), 2);
        assert_eq!(reader.torn_tail().unwrap().bytes, bad.len() as u64);
    }
    check_line(b"\n", "found an empty line");
    check_line(b"{\n", "column 1: EOF while parsing");
    check_line(b"nonsense\n", "found no JSON object");
    check_line(b"\0\0\0\0\n", "found no JSON object");
    check_line(b"\xff\xff\n", "no UTF-8");
    check_line(
        b"{\"type\":\"tab_closed\",\"seq\":2,\"t_ms\":1767323046000,\"src\":\"ext\"}\n",
        "missing field `tab`",
    );
    check_line(
        b"{\"type\":\"tab_closed\",\"seq\":2,\"t_ms\":1767323046000,\"src\":\"ext\",\"tab\":1}\r\n",
        "line end of another kind",
    );
}

#[test]
fn a_file_with_foreign_line_ends_or_a_byte_order_mark_says_so() {
    let (_folder, path, bytes) = small_closed();
    let text = String::from_utf8(bytes).unwrap();
    fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    check(&path, "line end of another kind");
    fs::write(&path, format!("\u{feff}{text}")).unwrap();
    assert!(!check(&path, "byte order mark").is_corruption());
}

#[test]
fn a_line_without_end_is_refused_before_it_is_kept() {
    let (_folder, path, bytes) = small_closed();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(lines[0]).unwrap();
    file.write_all(&vec![b'x'; MAX_LINE_BYTES]).unwrap();
    check_at(&path, 2, "found a line of more than 1048576 bytes");

    // A bomb: 64 MiB without a line end in a few kilobytes.
    let compressed = path.with_extension("jsonl.zst");
    let mut encoder = zstd::Encoder::new(fs::File::create(&compressed).unwrap(), 3).unwrap();
    encoder.write_all(lines[0]).unwrap();
    for _ in 0..64 {
        encoder.write_all(&[b'x'; 1 << 20]).unwrap();
    }
    encoder.finish().unwrap();
    fs::remove_file(&path).unwrap();
    check_at(&compressed, 2, "found a line of more than 1048576 bytes");
}

#[test]
fn damaged_compressed_data_is_corruption() {
    let (_folder, path) = two_segments();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 6]).unwrap();
    assert!(check(&path, "the compressed data is damaged").is_corruption());
    fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    assert!(check(&path, "the compressed data is damaged").is_corruption());
}

#[test]
fn time_and_the_extensions_counter_may_not_go_back() {
    let (_folder, path, bytes) = small_closed();
    let text = String::from_utf8(bytes).unwrap();
    let t_ms = START_MS + 3_000;
    let earlier = text.replacen(
        &format!("\"t_ms\":{t_ms}"),
        &format!("\"t_ms\":{}", t_ms - 2_000),
        1,
    );
    fs::write(&path, earlier).unwrap();
    check_at(&path, 4, "expected no less than the last");
    fs::write(&path, text.replacen("\"n\":3,", "\"n\":2,", 1)).unwrap();
    check_at(&path, 4, "found n 2 after 2");
    fs::write(&path, text.replacen("\"n\":3,", "\"n\":4,", 1)).unwrap();
    check_at(&path, 4, "found n 4 after 2");
}

#[test]
fn nothing_may_stand_after_the_seal() {
    let (_folder, path, bytes) = small_closed();
    for more in [&b"x"[..], b"\n", b"{}\n"] {
        fs::write(&path, [&bytes[..], more].concat()).unwrap();
        check_at(&path, 9, "found bytes after the seal");
    }
}

#[test]
fn a_newer_version_is_refused_with_the_version_it_needs() {
    let (_folder, path, bytes) = small_closed();
    let text = String::from_utf8(bytes).unwrap();
    let newer = "{\"type\":\"log_opened\",\"format\":\"tab-trace\",\"v\":2,\"all\":\"new\"}\n";
    for text in [text.replacen("\"v\":1", "\"v\":2", 1), newer.to_owned()] {
        fs::write(&path, text).unwrap();
        let error = check(
            &path,
            "is in version 2 of the trace format, and this program reads up to version 1",
        );
        assert!(!error.is_corruption());
    }
}

#[test]
fn what_is_no_trace_is_told() {
    let folder = folder();
    let path = folder.path().join("other.jsonl");
    assert!(!check(&path, "cannot be read").is_corruption());
    assert!(!check(folder.path(), "there is no .jsonl or .jsonl.zst file").is_corruption());
    for (bytes, expect) in [
        (&b""[..], "an empty trace"),
        (b"no end", "its first line has no end"),
        (b"text\n", "not a trace: found no JSON object"),
        (
            b"{\"type\":\"tab_closed\"}\n",
            "it begins with a line of type \"tab_closed\"",
        ),
        (
            b"{\"type\":\"log_opened\",\"format\":\"other\",\"v\":1}\n",
            "expected a line of type \"log_opened\"",
        ),
        (
            b"{\"type\":\"log_opened\",\"format\":\"tab-trace\",\"v\":0}\n",
            "no version that ever was",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        assert!(!check(&path, expect).is_corruption());
        assert!(!check(folder.path(), expect).is_corruption());
    }
    // A trace's file by another name was said to be empty.
    let (_folder, path, _) = small_closed();
    let other = path.with_extension("log");
    fs::copy(&path, &other).unwrap();
    assert!(!check(&other, "its name ends neither in .jsonl nor in .jsonl.zst").is_corruption());
    let path = folder.path().join("other.jsonl");
    fs::write(
        &path,
        b"{\"type\":\"log_opened\",\"format\":\"tab-trace\",\"v\":1}\n",
    )
    .unwrap();
    check_at(&path, 1, "missing field");
}

#[test]
fn a_folder_of_several_traces_lists_them() {
    let (folder, path, _) = small_closed();
    let writer = create(folder.path());
    let error = check(folder.path(), "holds 2 traces; name one of: ").to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(error.contains(writer.path().to_str().unwrap()), "{error}");
    assert_eq!(
        read(&path).0.len(),
        8,
        "a trace among others is named by its file"
    );
    let each = Trace::open_each(folder.path()).unwrap();
    let first_files: Vec<_> = each.iter().map(|(first, _)| first.clone()).collect();
    assert_eq!(first_files, files_ending(folder.path(), ".jsonl"));
    // A month of logs is no line to read.
    let more: Vec<_> = (0..4).map(|_| create(folder.path())).collect();
    let files = files_ending(folder.path(), ".jsonl");
    let last: Vec<String> = (files[3..].iter())
        .map(|file| file.display().to_string())
        .collect();
    let expect = format!(
        "holds 6 traces; name one of them, the last of which are: {}",
        last.join(", ")
    );
    assert!(check(folder.path(), &expect).to_string().ends_with(&expect));
    drop(more);
    for (first, trace) in each {
        assert_eq!(trace.unwrap().segments()[0].path, first);
    }
}

#[test]
fn a_missing_segment_is_told() {
    let (folder, first) = two_segments();
    let second = files_ending(folder.path(), ".jsonl").remove(0);
    let bytes = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    assert!(check(&second, "segment 0 of the trace is missing").is_corruption());

    fs::write(&first, bytes).unwrap();
    fs::remove_file(&second).unwrap();
    let (lines, reader) = read(&first);
    assert_eq!(counters(&lines), Vec::from_iter(1..=10));
    assert!(!reader.sealed());
    assert_eq!(reader.missing_segment(), Some(1));
}

#[test]
fn two_files_for_one_segment_are_told() {
    let (folder, _, bytes) = small_closed();
    fs::write(folder.path().join("copy.jsonl"), bytes).unwrap();
    let error = check(folder.path(), "says that it is segment 0, and so does");
    assert!(error.is_corruption());
}

#[test]
fn a_file_that_is_named_is_read_whatever_copies_lie_beside_it() {
    let (folder, path, bytes) = small_closed();
    let text = String::from_utf8(bytes).unwrap();
    let copy = folder.path().join("copy.jsonl");
    let (first, _) = text.split_at(text.find('\n').unwrap() + 1);
    fs::write(&copy, first).unwrap();
    assert_eq!(read(&path).0.len(), text.lines().count());
    assert_eq!(read(&copy).0.len(), 1);
}

#[test]
fn a_segment_that_does_not_go_on_from_the_one_before_is_told() {
    let (folder, first) = two_segments();
    let second = files_ending(folder.path(), ".jsonl").remove(0);
    let text = fs::read_to_string(&second).unwrap();
    let found = text
        .split("\"seq\":")
        .nth(1)
        .unwrap()
        .split(',')
        .next()
        .unwrap()
        .to_owned();

    // The second begins too late, and then too early.
    fs::write(
        &second,
        text.replacen(&format!("\"seq\":{found}"), "\"seq\":99", 1),
    )
    .unwrap();
    check_at(&first, 1, "found seq 99, expected 13");
    fs::write(
        &second,
        text.replacen(&format!("\"seq\":{found}"), "\"seq\":5", 1),
    )
    .unwrap();
    check_at(
        &first,
        1,
        "it begins with seq 5, and the segment before it goes on from there",
    );
    fs::write(&second, text.replacen("\"engine\":1", "\"engine\":2", 1)).unwrap();
    check_at(&first, 1, "engine 2, expected 1");
    drop(folder);
}

#[test]
fn unknown_types_are_passed_over_and_counted() {
    let (_folder, path, bytes) = small_closed();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let unknown = b"{\"type\":\"tab_dreamt\",\"seq\":2,\"t_ms\":1767323046000,\"src\":\"ext\",\"n\":2,\"of\":[1]}\n";
    fs::write(&path, [lines[0], lines[1], unknown].concat()).unwrap();
    let (lines, reader) = read(&path);
    assert_eq!(lines.len(), 3);
    assert_eq!(reader.unknown_count(), 1);
}

#[test]
fn the_reader_tells_where_it_is() {
    let (_folder, path, bytes) = small_closed();
    let mut reader = Trace::open(&path).unwrap().read();
    assert_eq!(reader.position(), None);
    reader.next().unwrap().unwrap();
    reader.next().unwrap().unwrap();
    let second = bytes.iter().position(|&byte| byte == b'\n').unwrap() as u64 + 1;
    let at = LinePlace {
        line: 2,
        byte: second,
    };
    assert_eq!(reader.position(), Some(Position { file: path, at }));
}

/// Some batches of lines, over two segments, whole and cut, plain and compressed.
#[test]
fn what_is_read_ahead_is_what_is_read() {
    for compression in [Compression::Plain, Compression::Zstd] {
        let folder = folder();
        let path = folder.path().join("trace");
        let composer = TraceComposer::create(&path, &opening(), START_MS, compression).unwrap();
        let mut composer = composer.with_segment_bytes(300_000);
        for n in 0..4_000_u64 {
            let t_ms = START_MS + n.cast_signed();
            composer.append(t_ms, Some(t_ms), event(n)).unwrap();
        }
        composer.finish(START_MS + 4_000).unwrap();
        let (lines, reader) = read(&path);
        assert!(lines.len() > 4_000 && reader.sealed());

        let trace = Trace::open(&path).unwrap();
        assert_eq!(trace.segments().len(), 2);
        let last = &trace.segments()[1].path;
        let bytes = fs::read(last).unwrap();
        for length in (bytes.len() / 2..bytes.len()).step_by(bytes.len() / 100) {
            fs::write(last, &bytes[..length]).unwrap();
            check_ahead(&trace);
        }
        if compression == Compression::Plain {
            let long = vec![b' '; MAX_LINE_BYTES];
            for broken in [b"{}\n".to_vec(), b"no line\n".to_vec(), long] {
                fs::write(last, [&bytes[..bytes.len() / 2], &broken, b"\n{"].concat()).unwrap();
                read_error(&path);
            }
        }
    }
}

/// Whoever stops in the middle waits for nothing and leaves nothing running that matters.
#[test]
fn who_reads_ahead_may_stop() {
    let (_folder, path, _) = small_closed();
    let trace = Trace::open(&path).unwrap();
    for count in 0..4 {
        let lines = trace
            .read_ahead()
            .take(count)
            .collect::<Result<Vec<_>, _>>();
        assert_eq!(lines.unwrap().len(), count);
    }
}
