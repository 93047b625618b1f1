//! The course of open tabs.

use serde::Serialize;

use super::MINUTE_MS;

/// How many points it has at most.
const COURSE_POINTS: usize = 1_024;

/// How many tabs were open over time: the most in each of equal spans, which grow as they become
/// too many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Course {
    /// When it begins, in Unix milliseconds.
    pub from_ms: i64,
    /// How long a span is, in milliseconds.
    pub span_ms: i64,
    /// The most tabs open in each span.
    pub tabs: Vec<usize>,
    /// How many are open now.
    #[serde(skip)]
    now: usize,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            from_ms: 0,
            span_ms: MINUTE_MS,
            tabs: Vec::new(),
            now: 0,
        }
    }
}

impl Course {
    pub(super) fn note(&mut self, t_ms: i64, tabs: usize) {
        if self.tabs.is_empty() {
            self.from_ms = t_ms;
        }
        let passed = t_ms.saturating_sub(self.from_ms).max(0);
        while passed / self.span_ms >= COURSE_POINTS as i64 {
            self.span_ms = self.span_ms.saturating_mul(2);
            let merged = self.tabs.chunks(2);
            self.tabs = merged
                .map(|pair| pair.iter().copied().max().unwrap_or(0))
                .collect();
        }
        let index = usize::try_from(passed / self.span_ms).unwrap_or(0);
        // What was open last stayed so until now.
        if self.tabs.len() <= index {
            self.tabs.resize(index + 1, self.now);
        }
        self.now = tabs;
        let most = &mut self.tabs[index];
        *most = tabs.max(*most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_has_a_bounded_number_of_points_and_loses_no_peak() {
        let mut course = Course::default();
        for minute in 0..100_000 {
            course.note(minute * MINUTE_MS, if minute == 77_777 { 500 } else { 3 });
        }
        assert!(course.tabs.len() <= COURSE_POINTS);
        assert_eq!(course.tabs.iter().max(), Some(&500));
    }

    #[test]
    fn a_course_falls_when_tabs_are_closed() {
        let mut course = Course::default();
        for (seconds, tabs) in [(0, 1), (10, 9), (20, 2), (200, 3), (210, 1), (300, 1)] {
            course.note(seconds * 1_000, tabs);
        }
        assert_eq!(course.tabs, [9, 2, 2, 3, 1, 1]);
    }
}
