//! What the browser takes, as it was last measured, and for how long that says what it takes now.
//!
//! Measuring walks the page tables of every process, some two milliseconds each: with twenty
//! processes a discard is done long before the walk is. So what a discard frees is not to be had by
//! a walk that begins when the order has gone out. An order that nobody waits for goes out after
//! one; for one that somebody waits for, it is done while they look and have asked for nothing yet.

use recorder::Body;

/// For how long a measure serves for the beginning of a discard that somebody waits for, in
/// milliseconds, while nothing is seen to take or free memory.
const LATELY_MS: i64 = 15_000;

/// How long after a measure there is another while somebody looks, in milliseconds: before it is too
/// old to serve. With twenty processes that is half a percent of a core.
const AGAIN_MS: i64 = 10_000;

/// How long after it there is another where it does not serve any more, in milliseconds.
const ANEW_MS: i64 = 3_000;

/// The browser's proportional memory.
#[derive(Debug, Default)]
pub struct BrowserMemory {
    /// When it was last measured, in boot time.
    measured_ms: Option<i64>,
    /// What was found, in bytes. `None` where a process ended meanwhile, and once something was
    /// seen to take or free memory.
    bytes: Option<u64>,
}

impl BrowserMemory {
    /// Notes a measure; `None` where one was made in vain.
    pub fn note(&mut self, bytes: Option<u64>, now_ms: i64) {
        self.measured_ms = Some(now_ms);
        self.bytes = bytes;
    }

    /// Takes in what happened in the browser.
    pub fn happened(&mut self, body: &Body) {
        if moves_memory(body) {
            self.bytes = None;
        }
    }

    /// What was found at this very moment.
    pub fn now(&self, now_ms: i64) -> Option<u64> {
        self.bytes.filter(|_| self.measured_ms == Some(now_ms))
    }

    /// What was found a short while ago at most.
    pub fn lately(&self, now_ms: i64) -> Option<u64> {
        self.bytes
            .filter(|_| !self.is_older_than(LATELY_MS, now_ms))
    }

    /// Whether it should be measured once more while somebody looks.
    pub fn is_wanted(&self, now_ms: i64) -> bool {
        let again_ms = match self.bytes {
            Some(_) => AGAIN_MS,
            None => ANEW_MS,
        };
        self.is_older_than(again_ms, now_ms)
    }

    fn is_older_than(&self, age_ms: i64, now_ms: i64) -> bool {
        (self.measured_ms).is_none_or(|then| now_ms.saturating_sub(then) > age_ms)
    }
}

/// Whether something happened that makes pages take memory, or give it back.
pub fn moves_memory(body: &Body) -> bool {
    matches!(
        body,
        Body::TabOpened(_)
            | Body::TabNavigated(_)
            | Body::TabLoaded(_)
            | Body::TabDiscarded(_)
            | Body::TabRestored(_)
            | Body::TabClosed(_)
            | Body::WindowClosed(_)
            | Body::SessionStarted(_)
    )
}

#[cfg(test)]
mod tests {
    use engine::{TabId, WindowId};
    use recorder::{TabActivated, TabClosed};

    use super::*;

    #[test]
    fn a_measure_serves_until_it_is_old_or_something_moves_memory() {
        let mut memory = BrowserMemory::default();
        assert!(memory.is_wanted(0));
        assert_eq!(memory.lately(0), None);

        memory.note(Some(7), 1_000);
        assert_eq!((memory.now(1_000), memory.now(1_001)), (Some(7), None));
        assert!(!memory.is_wanted(11_000) && memory.is_wanted(11_001));
        assert_eq!(memory.lately(16_000), Some(7));
        assert_eq!(memory.lately(16_001), None);

        let (tab, win) = (TabId(1), WindowId(1));
        memory.happened(&Body::TabActivated(TabActivated { tab, win }));
        assert_eq!(memory.lately(2_000), Some(7));
        memory.happened(&Body::TabClosed(TabClosed { tab }));
        assert_eq!(memory.lately(2_000), None);
        assert!(
            !memory.is_wanted(4_000),
            "it is not measured at every event"
        );
        assert!(memory.is_wanted(4_001));
    }

    #[test]
    fn a_measure_in_vain_leaves_nothing() {
        let mut memory = BrowserMemory::default();
        memory.note(Some(7), 1_000);
        memory.note(None, 2_000);
        assert_eq!((memory.now(2_000), memory.lately(2_000)), (None, None));
        assert!(!memory.is_wanted(5_000) && memory.is_wanted(5_001));
    }
}
