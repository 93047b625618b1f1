//! What a replay is judged by.
//!
//! Bytes never stand without early returns: a policy can free much and be wrong most of the time.

use std::collections::BTreeMap;

use engine::{Decision, Level, Moment, Seq};
use serde::Serialize;

/// A discarded tab that is back within this much of the user's own time was a mistake: 10 minutes
/// of the active clock, the engine's own measure of regret.
pub const EARLY_RETURN_MS: i64 = 10 * 60_000;

/// What came of a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Score {
    /// The time it covers.
    pub span: Span,
    /// What the policy decided.
    pub decisions: u64,
    /// Decisions that were carried out.
    pub discards: u64,
    /// Decisions that the browser or a guard refused at the last moment.
    pub refused: u64,
    /// Decisions taken over from the recording, which does not tell what became of them.
    pub unanswered: u64,
    /// Discarded tabs that were needed again.
    pub reloads: u64,
    /// Reloads within [`EARLY_RETURN_MS`] of the discard.
    pub early_returns: u64,
    /// Early returns over discards; absent where nothing was discarded.
    pub early_return_rate: Option<f64>,
    /// Discarded tabs that were closed without having been needed.
    pub closed_while_held: u64,
    /// Tabs that were still discarded at the end.
    pub held_at_end: u64,
    /// What the discards were expected to give back, in bytes, all together.
    pub expected_bytes: u64,
    /// Decisions by the level of pressure.
    pub by_level: BTreeMap<Level, u64>,
    /// Decisions by reason. A decision can have several.
    pub by_reason: BTreeMap<String, u64>,
    /// Where the policy first decided otherwise than was recorded.
    pub departure: Option<Departure>,
    /// Discards from there on over all discards: the share that rests on what a replay can only
    /// suppose. Absent where nothing was discarded.
    pub departed_share: Option<f64>,
    /// Recorded events of the recorded policy's making that were left out.
    pub taken_out: u64,
    /// Recorded events that were left out because their tab was discarded here.
    pub impossible: u64,
    /// Events about unknown tabs or out of place, in the policy's world.
    pub anomalies: u64,
    /// Lines of a type that is not known.
    pub unknown_lines: u64,
    #[serde(skip)]
    discards_departed: u64,
}

/// A stretch of a trace on the three clocks, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its beginning, by the log's time; absent where there is no event.
    pub from_ms: Option<i64>,
    /// All time.
    pub wall_ms: i64,
    /// The time the machine was awake.
    pub awake_ms: i64,
    /// The time the user was there.
    pub active_ms: i64,
}

/// The first difference from the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// The seq of the input.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
}

impl Span {
    /// Notes an event's time.
    pub fn begin(&mut self, t_ms: i64) {
        self.from_ms.get_or_insert(t_ms);
    }

    /// Ends the stretch. The clocks of a world all start at its first event.
    pub fn end(&mut self, at: Moment) {
        if let Some(from) = self.from_ms {
            self.wall_ms = at.now.saturating_sub(from);
            self.awake_ms = at.awake.saturating_sub(from);
            self.active_ms = at.active.saturating_sub(from);
        }
    }
}

impl Score {
    pub(super) fn note_decision(&mut self, decision: &Decision) {
        self.decisions += 1;
        *self.by_level.entry(decision.level).or_default() += 1;
        for reason in &decision.reasons {
            *self.by_reason.entry(reason.to_string()).or_default() += 1;
        }
    }

    pub(super) fn note_discard(&mut self, expected_bytes: u64) {
        self.discards += 1;
        self.expected_bytes = self.expected_bytes.saturating_add(expected_bytes);
        self.discards_departed += u64::from(self.departure.is_some());
    }

    pub(super) fn note_reload(&mut self, since: Moment, now: Moment) {
        self.reloads += 1;
        let gone_ms = now.active.saturating_sub(since.active);
        self.early_returns += u64::from(gone_ms <= EARLY_RETURN_MS);
    }

    pub(super) fn note_departure(&mut self, seq: Seq, t_ms: i64) {
        self.departure.get_or_insert(Departure { seq, t_ms });
    }

    pub(super) fn finish(&mut self) {
        self.early_return_rate = share(self.early_returns, self.discards);
        self.departed_share = share(self.discards_departed, self.discards);
    }
}

fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}
