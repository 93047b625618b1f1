//! What is shown live: a state that comes and goes counts when it was found twice in a row.
//!
//! Without that a value at its threshold would say healthy and degraded in turns, every two
//! seconds. What does not flap, such as a log that failed, is shown at once.

use std::collections::BTreeMap;

use super::registry::{Report, Result, State};

/// What was shown of each check, and what may be shown next.
#[derive(Clone, Debug, Default)]
pub struct Steady {
    shown: BTreeMap<&'static str, Shown>,
}

#[derive(Clone, Debug)]
struct Shown {
    result: Result,
    next: Option<State>,
}

impl Steady {
    /// Takes the next report in, and returns the one to show.
    pub fn settle(&mut self, report: Report) -> Report {
        let checks = report.checks.into_iter().map(|result| self.show(result));
        Report::of(checks.collect())
    }

    fn show(&mut self, result: Result) -> Result {
        let first = Shown {
            result: result.clone(),
            next: None,
        };
        let shown = self.shown.entry(result.id).or_insert(first);
        let is_settled = result.state == shown.result.state
            || shown.next == Some(result.state)
            // There was nothing to look at, or there is nothing any more.
            || [result.state, shown.result.state].contains(&State::Skipped)
            || !result.may_flap;
        if is_settled {
            shown.result = result;
            shown.next = None;
        } else {
            shown.next = Some(result.state);
        }
        shown.result.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(state: State, may_flap: bool) -> Result {
        Result {
            id: "x",
            about: "something",
            state,
            required: true,
            detail: format!("found {state}"),
            observed: None,
            unit: None,
            fix: None,
            elapsed_ms: 0,
            may_flap,
        }
    }

    #[track_caller]
    fn check(may_flap: bool, found: &[State], expect: &[State]) {
        let mut steady = Steady::default();
        for (&found, &expect) in found.iter().zip(expect) {
            let shown = steady.settle(Report::of(vec![result(found, may_flap)]));
            assert_eq!(shown.checks[0].state, expect);
            assert_eq!(shown.checks[0].detail, format!("found {expect}"));
        }
    }

    #[test]
    fn what_may_flap_counts_when_it_was_found_twice() {
        use State::{Degraded as D, Healthy as H, Skipped as S, Unhealthy as U};
        check(true, &[H, D, H, D, D, H, H], &[H, H, H, H, D, D, H]);
        check(true, &[H, D, U, D, D], &[H, H, H, H, D]);
        check(true, &[U, H], &[U, U]);
        check(true, &[U, S, H, D], &[U, S, H, H]);
        check(false, &[H, D, H, U], &[H, D, H, U]);
    }
}
