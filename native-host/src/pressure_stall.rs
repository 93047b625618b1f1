//! Stall time: how much of the last ten seconds tasks waited for memory.
//!
//! Linux tells it in `/proc/pressure/memory` (docs.kernel.org, «PSI - Pressure Stall
//! Information»). Elsewhere, and in kernels built without it, it is not known.

use std::fs;
use std::path::Path;

/// Where Linux tells it.
pub const MEMORY: &str = "/proc/pressure/memory";

/// Shares of the last 10 s, 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MemoryStall {
    /// In which some task waited for memory.
    pub some_avg10: f64,
    /// In which all tasks waited for memory at once.
    pub full_avg10: f64,
}

/// Reads the stall time; `None` where the system does not tell it.
pub fn read(path: impl AsRef<Path>) -> Option<MemoryStall> {
    parse(&fs::read_to_string(path).ok()?)
}

fn parse(text: &str) -> Option<MemoryStall> {
    let avg10 = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let field = line
            .split_ascii_whitespace()
            .find_map(|field| field.strip_prefix("avg10="))?;
        field
            .parse()
            .ok()
            .filter(|share| (0.0..=100.0).contains(share))
    };
    Some(MemoryStall {
        some_avg10: avg10("some ")?,
        full_avg10: avg10("full ")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shares_are_read_or_none() {
        #[track_caller]
        fn check(text: &str, expect: Option<(f64, f64)>) {
            let found = parse(text).map(|stall| (stall.some_avg10, stall.full_avg10));
            assert_eq!(found, expect, "{text:?}");
        }
        let some = "some avg10=12.40 avg60=0.50 avg300=0.10 total=1\n";
        let full = "full avg10=3.07 avg60=0.50 avg300=0.10 total=1\n";
        check(&format!("{some}{full}"), Some((12.40, 3.07)));
        check(&format!("{full}{some}"), Some((12.40, 3.07)));
        check(some, None);
        check("", None);
        check(&format!("{some}full avg10=x"), None);
        check(&format!("{some}full avg10=-1.00"), None);
        check(&format!("{some}full avg10=NaN"), None);
    }
}
