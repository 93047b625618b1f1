//! The course of a trace under a policy, taken from a replay.

use std::ops::ControlFlow;
use std::path::Path;

use recorder::Trace;
use simulator::replay::Step;
use simulator::timeline::Collector;

use super::super::note_what_is_not_scored;
use super::figures::Course;
use crate::console::Console;
use crate::policy::NamedPolicy;
use crate::reading::{Show, read, shown};

/// Replays a trace in closed loop.
pub(super) fn course(
    path: &Path,
    trace: &Trace,
    policy: &NamedPolicy,
    console: &mut Console,
) -> anyhow::Result<Course> {
    let mut replay = policy.replay();
    let mut collector = Collector::default();
    let mut decided = Vec::new();
    let end = read(trace, Show::Progress, console, |line, _| {
        if let Some(step) = Step::of(line) {
            collector.take(&mut replay, &step, &mut decided);
            decided.clear();
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let score = replay.finish(&mut decided);
    note_what_is_not_scored(path, trace, score.samples > 0, console);
    Ok(Course {
        trace: shown(path),
        digest: end.digest,
        lines: end.lines,
        policy: policy.name.clone(),
        policy_hash: policy.hash.clone(),
        active_hours: score.span.active_ms as f64 / 3.6e6,
        saved_gib_h: score.saved_gib_h,
        saved_share: score.saved_share,
        discards: score.discards,
        reloads: score.reloads,
        early_returns: score.early_returns,
        timeline: collector.finish(&score),
    })
}
