//! Where a command writes: data to stdout, talk to stderr; and how numbers look to people.
//!
//! A trace may come from a stranger, so its text reaches a terminal only through [`Safe`].

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use jiff::Timestamp;
use recorder::{Flaw, ReadError};
use serde::Serialize;

/// What is said of a trace that is damaged or torn.
pub(crate) const RECOVER_HELPS: &str = "; «sim recover» tells what is left of it";

/// The two streams.
pub(crate) struct Console {
    out: BufWriter<StdoutLock<'static>>,
    /// What was explained already.
    explained: BTreeSet<&'static str>,
}

impl Console {
    pub(crate) fn new() -> Self {
        Self {
            out: BufWriter::new(io::stdout().lock()),
            explained: BTreeSet::new(),
        }
    }

    /// Writes a line of data.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> anyhow::Result<()> {
        writeln!(self.out, "{line}")?;
        Ok(())
    }

    /// Writes a JSON object on a line of its own. It may be read on a terminal, too: what
    /// [`Safe`] escapes is escaped here as JSON does.
    pub(crate) fn json(&mut self, object: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string(object)?;
        self.line(in_safe_json(text))
    }

    /// Whether data is read by people as it comes.
    pub(crate) fn is_terminal(&self) -> bool {
        self.out.get_ref().is_terminal()
    }

    /// How many characters fit into a line where people read the data: what the terminal says, and
    /// elsewhere what `COLUMNS` does, if that is set.
    pub(crate) fn width(&self) -> Option<usize> {
        if self.is_terminal() {
            return comfy_table::Table::new().width().map(usize::from);
        }
        std::env::var("COLUMNS").ok()?.parse().ok()
    }

    /// Whether data may be coloured: on a terminal, unless `NO_COLOR` says otherwise.
    pub(crate) fn is_coloured(&self) -> bool {
        self.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// Asks for an answer, and reads a line. There is none at the end of what is typed.
    pub(crate) fn ask(&mut self, question: &str) -> anyhow::Result<Option<String>> {
        self.out.flush()?;
        write!(io::stderr(), "{question} ")?;
        let mut answer = String::new();
        let length = io::stdin().read_line(&mut answer)?;
        Ok((length > 0).then(|| answer.trim().to_owned()))
    }

    pub(crate) fn flush(&mut self) -> anyhow::Result<()> {
        self.out.flush()?;
        Ok(())
    }

    /// Tells of something that does not change the outcome.
    pub(crate) fn note(&mut self, note: impl fmt::Display) {
        self.talk("note", &note.to_string());
    }

    /// The same of what may be so of many, each of which is named. What it means is told once.
    pub(crate) fn note_of_many(&mut self, note: impl fmt::Display, meaning: &'static str) {
        if self.explained.insert(meaning) {
            self.note(format_args!("{note}: {meaning}"));
        } else {
            self.note(note);
        }
    }

    /// Tells of a failure, with what led to it and, of a damaged trace, what helps.
    pub(crate) fn error(&mut self, error: &anyhow::Error) {
        let is_left = |damage: &ReadError| {
            // Of a file in another form there is nothing that could be read on its own.
            damage.is_corruption() && !matches!(damage.flaw, Flaw::Damaged(_))
        };
        let helps = match error.downcast_ref().is_some_and(is_left) {
            true => RECOVER_HELPS,
            false => "",
        };
        self.talk("error", &format!("{error:#}{helps}"));
    }

    /// Data that is written already comes first. Where stderr is closed, nobody wants to know.
    fn talk(&mut self, kind: &str, text: &str) {
        let _ = self.out.flush();
        let _ = writeln!(io::stderr(), "sim: {kind}: {}", Safe(text));
    }
}

/// Text from a trace, fit for a terminal: what would move the cursor, change colours or turn the
/// direction of writing is escaped.
pub(crate) struct Safe<'a>(pub(crate) &'a str);

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.contains(is_unsafe) {
            return f.pad(self.0);
        }
        let escape = |char: char| {
            if is_unsafe(char) {
                char.escape_unicode().to_string()
            } else {
                char.to_string()
            }
        };
        f.pad(&self.0.chars().map(escape).collect::<String>())
    }
}

fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// JSON that says the same. What is not safe stands in strings alone.
fn in_safe_json(json: String) -> String {
    if !json.contains(is_unsafe) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for char in json.chars() {
        if is_unsafe(char) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        } else {
            text.push(char);
        }
    }
    text
}

/// Text from a trace, cut to a width with an ellipsis.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let safe = Safe(text).to_string();
    if safe.chars().count() <= width {
        return safe;
    }
    let head: String = safe.chars().take(width.saturating_sub(1)).collect();
    head + "…"
}

/// The log's time as a date, in UTC.
pub(crate) fn date(t_ms: i64) -> String {
    match Timestamp::from_millisecond(t_ms) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{t_ms} ms"),
    }
}

/// A span of time, in its two largest units.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let (large, small) = match (days, hours, minutes) {
        (0, 0, 0) => return format!("{seconds} s"),
        (0, 0, minutes) => ((minutes, "min"), (seconds % 60, "s")),
        (0, hours, minutes) => ((hours, "h"), (minutes % 60, "min")),
        (days, hours, _) => ((days, "d"), (hours % 24, "h")),
    };
    match small.0 {
        0 => format!("{} {}", large.0, large.1),
        _ => format!("{} {} {:02} {}", large.0, large.1, small.0, small.1),
    }
}

/// A number of bytes, in the unit that fits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1_024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1_024.0;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if value < 1_023.95 {
            break;
        }
        value /= 1_024.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// A number with its thousands set apart.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: "1 reload", "1,200 reloads".
pub(crate) fn count(of: u64, noun: &str) -> String {
    let ending = if of == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", number(of))
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_a_trace_cannot_steer_a_terminal() {
        for (text, expect) in [
            ("example.org", "example.org"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("bücher.example", "bücher.example"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("two\nlines", "two\\u{a}lines"),
            ("\u{202e}gro.elpmaxe", "\\u{202e}gro.elpmaxe"),
            ("\u{9b}2J", "\\u{9b}2J"),
        ] {
            assert_eq!(Safe(text).to_string(), expect);
        }
        assert_eq!(cut("a-rather-long-name.example.org", 12), "a-rather-lo…");
        assert_eq!(
            format!("{:>6}|{:<4}|", Safe("ab"), Safe("c")),
            "    ab|c   |"
        );
    }

    #[test]
    fn json_for_a_terminal_says_the_same() {
        let said = "\u{9b}2J\u{202e}\u{e0041}\u{7f}ü\n";
        let json = in_safe_json(serde_json::to_string(said).unwrap());
        assert_eq!(json, r#""\u009b2J\u202e\udb40\udc41\u007fü\n""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), said);
    }

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [0, 59_999, 60_000, 3_599_000, 3_660_000, 90_000_000].map(span),
            [
                "0 s",
                "59 s",
                "1 min",
                "59 min 59 s",
                "1 h 01 min",
                "1 d 01 h"
            ]
        );
        assert_eq!(
            [512, 80 << 20, (1 << 30) - 1, 3 << 29, u64::MAX].map(bytes),
            ["512 B", "80.0 MiB", "1.0 GiB", "1.5 GiB", "16384.0 PiB"]
        );
        assert_eq!(date(1_767_225_612_345), "2026-01-01 00:00:12");
        assert_eq!(date(i64::MAX), "9223372036854775807 ms");
        assert_eq!(
            [count(1, "tab"), count(2_000, "tab")],
            ["1 tab", "2,000 tabs"]
        );
    }
}
