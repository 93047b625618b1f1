//! A line of a log: what is read is written so that it reads the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use recorder::Line;

fuzz_target!(|bytes: &[u8]| {
    let Ok(line) = Line::parse(bytes) else {
        return;
    };
    #[cfg(feature = "canary")]
    if let recorder::Body::WindowClosed(closed) = &line.body {
        assert!(
            closed.win.0 <= 7,
            "the canary: a window that the corpus does not have"
        );
    }
    // A type that is not known keeps nothing but its name.
    if matches!(line.body, recorder::Body::Unknown { .. }) {
        return;
    }
    let mut written = Vec::new();
    line.write(&mut written);
    let text = written.strip_suffix(b"\n").expect("a line has an end");
    let again = Line::parse(text).expect("what was written reads back");
    assert_eq!(again, line);
});
