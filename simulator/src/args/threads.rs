//! How many threads work.

use std::str::FromStr;
use std::thread;

/// So many threads, from 1 to 1024; one a core unless it is said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads(pub(crate) usize);

impl Default for Threads {
    fn default() -> Self {
        Self(thread::available_parallelism().map_or(1, usize::from))
    }
}

impl FromStr for Threads {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let threads = text
            .parse()
            .ok()
            .filter(|threads| (1..=1_024).contains(threads));
        threads
            .map(Self)
            .ok_or_else(|| "expected a number from 1 to 1024".to_owned())
    }
}
