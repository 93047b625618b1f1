//! What a replay is judged by.
//!
//! Each score is declared once, with its unit and what it means: the field, its documentation, the
//! table [`SCORES`] that the help text prints, and `SCORES.md` beside this crate are all made from
//! that. Bytes never stand without early returns: a policy can free much and be wrong most of the
//! time.

use std::collections::BTreeMap;
use std::fmt::Write;

use engine::{Decision, Level, Metrics, Moment, Pressure, PressureState, Seq, Severity};
use serde::{Deserialize, Serialize};

use super::frontier::Frontier;
use super::savings::Saved;
use super::scale::Source;
use super::tally::Tally;
use super::watch;

/// A discarded tab that is back within this much of the user's own time was a mistake: 10 minutes
/// of the active clock, the engine's own measure of regret.
pub const EARLY_RETURN_MS: i64 = 10 * 60_000;

/// A tab that is discarded again within this much of the user's own time thrashes: 30 minutes of
/// the active clock.
pub const THRASH_MS: i64 = 30 * 60_000;

/// A score, as the help text and `SCORES.md` tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its name, in JSON too.
    pub name: &'static str,
    /// What it counts in.
    pub unit: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Whether it has no fraction.
    pub is_whole: bool,
}

/// The types that scores have.
trait Number {
    const IS_WHOLE: bool;
}

impl Number for u64 {
    const IS_WHOLE: bool = true;
}

impl Number for f64 {
    const IS_WHOLE: bool = false;
}

impl<T: Number> Number for Option<T> {
    const IS_WHOLE: bool = T::IS_WHOLE;
}

/// Declares the scores, and what else a replay tells.
macro_rules! scores {
    (
        scores: $( #[doc = $about:literal] $name:ident: $type:ty, $unit:literal; )+
        besides: $( $(#[$other_about:meta])+ $other:ident: $other_type:ty; )+
    ) => {
        /// What came of a replay.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct Score {
            $( #[doc = $about] pub $name: $type, )+
            $( $(#[$other_about])+ pub $other: $other_type, )+
            #[serde(skip)]
            totals: Totals,
        }

        /// Every score, in order.
        pub const SCORES: &[Definition] = &[ $( Definition {
            name: stringify!($name),
            unit: $unit,
            about: $about.trim_ascii(),
            is_whole: <$type as Number>::IS_WHOLE,
        }, )+ ];
    };
}

scores! {
    scores:
    /// Bytes of the tabs that the policy holds discarded, over the time that the user was there. Tabs in front, and tabs that another program has discarded, count as nothing. Memory freed while nobody is there helps nobody.
    saved_gib_h: f64, "GiB·h, active clock";
    /// The same over the bytes of all tabs in the background that nobody but a policy discarded: 1 if none of them was ever loaded. Absent where there were none.
    saved_share: Option<f64>, "share";
    /// The same bytes over the time that the machine was awake.
    saved_awake_gib_h: f64, "GiB·h, awake clock";
    /// The same bytes over the time that the user was there and the pressure, had no policy discarded anything, was MEDIUM or HIGH: memory freed when it was short. Absent without samples of memory.
    saved_pressed_gib_h: Option<f64>, "GiB·h, active clock";
    /// Decisions that were carried out.
    discards: u64, "discards";
    /// Discarded tabs that were needed again. One that another program has discarded meanwhile as well does not count.
    reloads: u64, "reloads";
    /// Reloads over the time that the user was there. Absent where that is none.
    reloads_per_active_hour: Option<f64>, "reloads / h";
    /// How long the user waited for reloads: by each one's own recorded restore, else as long as the tab's last measured load. Absent where there were reloads and none could be measured; `timed_reloads` tells how many were.
    reload_wait_s: Option<f64>, "s";
    /// Discards whose tab was back within 10 minutes of the user's own time, over all discards. Absent where nothing was discarded.
    early_return_rate: Option<f64>, "share";
    /// Awake time at MEDIUM since the first sample of memory, by the default policy's measure of pressure and the memory as it would have been. Absent without samples of memory.
    pressure_medium_minutes: Option<f64>, "min, awake clock";
    /// Awake time at HIGH, in the same way.
    pressure_high_minutes: Option<f64>, "min, awake clock";
    /// Discards of a tab that had been discarded within 30 minutes of the user's own time before.
    thrash: u64, "discards";
    /// The most memory in use at any sample, as it would have been. Absent without samples of memory.
    peak_used: Option<u64>, "bytes";
    /// Discards of a tab that one of our hard guards protects, found by a checker that shares no code with them. Never more than 0 for a policy of ours.
    violations: u64, "discards";
    /// `saved_gib_h` over what a clairvoyant who keeps our guards saves with the same number of reloads. What was saved while a guard held is left out. Absent unless the frontier was asked for, and where there is nothing to save.
    frontier_share: Option<f64>, "share";
    /// Reloads over what the clairvoyant needs to save as much. Absent unless the frontier was asked for.
    excess_reloads: Option<u64>, "reloads";

    besides:
    /// The time it covers.
    span: Span;
    /// Whether the policy saw what its discards freed.
    feedback: Feedback;
    /// What the policy decided.
    decisions: u64;
    /// Decisions that the browser or a guard refused at the last moment, or whose order was dropped before it was sent.
    refused: u64;
    /// Decisions taken over from the recording, which does not tell what became of them.
    unanswered: u64;
    /// Reloads within [`EARLY_RETURN_MS`] of the discard.
    early_returns: u64;
    /// Reloads whose time is known.
    timed_reloads: u64;
    /// Discarded tabs that were closed without having been needed.
    closed_while_held: u64;
    /// Discarded tabs that another program discarded as well, before anybody needed them.
    taken_over: u64;
    /// Tabs that were still discarded at the end.
    held_at_end: u64;
    /// What the discards were expected to give back, in bytes, all together.
    expected_bytes: u64;
    /// Where the bytes in `saved_gib_h` are from, as shares of it. Empty where nothing was saved.
    saved_by_source: BTreeMap<Source, f64>;
    /// The pressure had no policy discarded anything.
    never: Machine;
    /// Samples of the machine.
    samples: u64;
    /// Samples whose stall time and swap were withheld, since the memory in use would have been
    /// another by more than 2 % of the machine's.
    withheld_samples: u64;
    /// The same as a share of all samples. Absent where there were none.
    withheld_share: Option<f64>;
    /// Signals of the operating system that were withheld for the same reason.
    withheld_signals: u64;
    /// Decisions by the level of pressure.
    by_level: BTreeMap<Level, u64>;
    /// Decisions by reason. A decision can have several.
    by_reason: BTreeMap<String, u64>;
    /// Which guards the violations went against. A discard can go against several.
    #[serde(deserialize_with = "watch::counts")]
    violated: BTreeMap<&'static str, u64>;
    /// Where the policy first decided otherwise than was recorded.
    departure: Option<Departure>;
    /// Discards from there on over all discards: the share that rests on what a replay can only
    /// suppose. Absent where nothing was discarded.
    departed_share: Option<f64>;
    /// The part of `saved_gib_h` that comes after it. Absent where nothing was saved.
    departed_saved_share: Option<f64>;
    /// Recorded events of the recorded policy's making that were left out.
    taken_out: u64;
    /// Recorded events that were left out because their tab was discarded here.
    impossible: u64;
    /// Recorded events about unknown tabs, or out of place.
    anomalies: u64;
    /// Lines of a type that is not known.
    unknown_lines: u64;
}

/// Writes the table of scores, in Markdown: what `SCORES.md` holds.
pub fn scores_table() -> String {
    let mut text = "| score | unit | meaning |\n|---|---|---|\n".to_owned();
    for Definition {
        name, unit, about, ..
    } in SCORES
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {unit} | {about} |");
    }
    text
}

/// Whether a policy sees what its discards free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// Samples follow what the policy frees.
    #[default]
    Closed,
    /// Samples are as recorded.
    Open,
}

/// The pressure on a machine over a trace, by the default policy's measure. Absent without samples
/// of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Awake time at MEDIUM, in minutes.
    pub pressure_medium_minutes: Option<f64>,
    /// Awake time at HIGH, in minutes.
    pub pressure_high_minutes: Option<f64>,
    /// The most memory in use at any sample, in bytes.
    pub peak_used: Option<u64>,
}

/// A stretch of a trace on the three clocks, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Adds another stretch. The beginning is the earlier one.
    fn pool(&mut self, other: Self) {
        self.from_ms = self.from_ms.into_iter().chain(other.from_ms).min();
        self.wall_ms = self.wall_ms.saturating_add(other.wall_ms);
        self.awake_ms = self.awake_ms.saturating_add(other.awake_ms);
        self.active_ms = self.active_ms.saturating_add(other.active_ms);
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
        self.totals.departed_discards += u64::from(self.departure.is_some());
    }

    pub(super) fn note_violations(&mut self, objections: &[&'static str]) {
        self.violations += u64::from(!objections.is_empty());
        for objection in objections {
            *self.violated.entry(objection).or_default() += 1;
        }
    }

    pub(super) fn note_reload(&mut self, since: Moment, now: Moment) {
        self.reloads += 1;
        let gone_ms = now.active.saturating_sub(since.active);
        self.early_returns += u64::from(gone_ms <= EARLY_RETURN_MS);
    }

    pub(super) fn note_departure(&mut self, seq: Seq, t_ms: i64) {
        self.departure.get_or_insert(Departure { seq, t_ms });
    }

    /// Ends it with what was saved, what could have been (in byte-milliseconds of the active
    /// clock), and what the gauges showed.
    pub(super) fn finish(
        &mut self,
        saved: Saved,
        background_byte_ms: u128,
        here: Seen,
        never: Seen,
    ) {
        self.totals.saved = saved;
        self.totals.background = background_byte_ms;
        self.totals.here = here;
        self.totals.never = never;
        self.derive();
    }

    /// Notes how long a reload took, where that is known.
    pub(super) fn note_wait(&mut self, load_ms: Option<u64>) {
        if let Some(ms) = load_ms {
            self.timed_reloads += 1;
            self.totals.reload_wait_ms = self.totals.reload_wait_ms.saturating_add(ms);
        }
    }

    /// Takes the score of another trace in, as if both were one: counts, bytes and times are added
    /// up, shares and rates are of the sums, and peaks are the highest. The first departure, which
    /// is a place in one trace, is left out; the shares that come after it are there.
    pub fn pool(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.discards, other.discards),
            (&mut self.reloads, other.reloads),
            (&mut self.thrash, other.thrash),
            (&mut self.violations, other.violations),
            (&mut self.decisions, other.decisions),
            (&mut self.refused, other.refused),
            (&mut self.unanswered, other.unanswered),
            (&mut self.early_returns, other.early_returns),
            (&mut self.timed_reloads, other.timed_reloads),
            (&mut self.closed_while_held, other.closed_while_held),
            (&mut self.taken_over, other.taken_over),
            (&mut self.held_at_end, other.held_at_end),
            (&mut self.expected_bytes, other.expected_bytes),
            (&mut self.samples, other.samples),
            (&mut self.withheld_samples, other.withheld_samples),
            (&mut self.withheld_signals, other.withheld_signals),
            (&mut self.taken_out, other.taken_out),
            (&mut self.impossible, other.impossible),
            (&mut self.anomalies, other.anomalies),
            (&mut self.unknown_lines, other.unknown_lines),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        add_counts(&mut self.by_level, &other.by_level);
        add_counts(&mut self.by_reason, &other.by_reason);
        add_counts(&mut self.violated, &other.violated);
        self.span.pool(other.span);
        self.feedback = other.feedback;
        self.departure = None;
        self.totals.pool(&other.totals);
        self.frontier_share = None;
        self.excess_reloads = None;
        self.derive();
    }

    /// Measures it against a frontier of the same trace, or of the same traces, with what was
    /// saved of what the frontier bounds.
    pub(super) fn measure(&mut self, frontier: &Frontier, bounded_byte_ms: u128) {
        self.totals.bounded = bounded_byte_ms;
        self.frontier_share = share(bounded_byte_ms, frontier.saved_byte_ms(self.reloads));
        let needed = frontier.reloads_for(bounded_byte_ms);
        self.excess_reloads = Some(self.reloads.saturating_sub(needed));
    }

    /// Measures a pooled score against the pooled frontier of its traces, each of which was
    /// measured against its own.
    pub fn measure_pooled(&mut self, frontier: &Frontier) {
        self.measure(frontier, self.totals.bounded);
    }

    /// The bytes of all tabs in the background that nobody but a policy discarded, over the time
    /// that the user was there: what `saved_share` is a share of. In GiB·h of the active clock.
    pub fn background_gib_h(&self) -> f64 {
        gib_h(self.totals.background)
    }

    /// What of `saved_gib_h` the frontier bounds: without what was saved while a guard held. 0
    /// unless it was measured against one. In GiB·h of the active clock.
    pub fn bounded_gib_h(&self) -> f64 {
        gib_h(self.totals.bounded)
    }

    /// How long the machine was awake since its memory was first sampled, in milliseconds.
    pub fn sampled_ms(&self) -> i64 {
        self.totals.here.known_ms.unwrap_or(0)
    }

    /// The sums at a moment of a replay under way.
    pub(super) fn tally(
        &self,
        at: Moment,
        saved: &Saved,
        background_byte_ms: u128,
        here: Seen,
    ) -> Tally {
        let since = |clock: i64| {
            let from = self.span.from_ms.unwrap_or(clock);
            clock.saturating_sub(from).max(0).unsigned_abs()
        };
        Tally {
            saved_byte_ms: saved.total(),
            saved_pressed_byte_ms: saved.pressed,
            background_byte_ms,
            active_ms: since(at.active),
            sampled_ms: here.known_ms.unwrap_or(0).max(0).unsigned_abs(),
            medium_ms: here.medium_ms.max(0).unsigned_abs(),
            high_ms: here.high_ms.max(0).unsigned_abs(),
            discards: self.discards,
            reloads: self.reloads,
            early_returns: self.early_returns,
            violations: self.violations,
        }
    }

    /// Works out what follows from the sums.
    fn derive(&mut self) {
        let totals = &self.totals;
        let saved_byte_ms = totals.saved.total();
        self.saved_gib_h = gib_h(saved_byte_ms);
        self.saved_share = share(saved_byte_ms, totals.background);
        self.saved_awake_gib_h = gib_h(totals.saved.awake);
        let never = totals.never.machine();
        self.saved_pressed_gib_h = never.map(|_| gib_h(totals.saved.pressed));
        self.saved_by_source = (Source::ALL.into_iter())
            .filter_map(|source| {
                let share = share(totals.saved.by_source[source as usize], saved_byte_ms)?;
                (share > 0.0).then_some((source, share))
            })
            .collect();
        self.departed_saved_share = share(totals.saved.departed, saved_byte_ms);

        let active_h = self.span.active_ms as f64 / HOUR_MS;
        self.reloads_per_active_hour = (active_h > 0.0).then(|| self.reloads as f64 / active_h);
        let is_timed = self.reloads == 0 || self.timed_reloads > 0;
        self.reload_wait_s = is_timed.then_some(totals.reload_wait_ms as f64 / 1_000.0);
        self.early_return_rate = share(self.early_returns.into(), self.discards.into());
        self.departed_share = share(totals.departed_discards.into(), self.discards.into());
        self.withheld_share = share(self.withheld_samples.into(), self.samples.into());

        let machine = totals.here.machine().unwrap_or_default();
        self.pressure_medium_minutes = machine.pressure_medium_minutes;
        self.pressure_high_minutes = machine.pressure_high_minutes;
        self.peak_used = machine.peak_used;
        self.never = never.unwrap_or_default();
    }
}

/// Saves and restores a score with its sums, which a report leaves out.
pub(super) mod with_totals {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Score, Totals};

    /// Saves a score and its sums.
    pub(in super::super) fn serialize<S: Serializer>(
        score: &Score,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (score, &score.totals).serialize(serializer)
    }

    /// Restores a score and its sums.
    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Score, D::Error> {
        let (score, totals) = <(Score, Totals)>::deserialize(deserializer)?;
        Ok(Score { totals, ..score })
    }
}

/// Sums that scores are worked out from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Totals {
    saved: Saved,
    /// What could have been saved, over the active clock.
    background: u128,
    /// What was saved of what the clairvoyant frontier bounds.
    bounded: u128,
    reload_wait_ms: u64,
    departed_discards: u64,
    here: Seen,
    never: Seen,
}

impl Totals {
    fn pool(&mut self, other: &Self) {
        self.saved.pool(other.saved);
        self.background = self.background.saturating_add(other.background);
        self.bounded = self.bounded.saturating_add(other.bounded);
        self.reload_wait_ms = self.reload_wait_ms.saturating_add(other.reload_wait_ms);
        self.departed_discards += other.departed_discards;
        self.here.pool(other.here);
        self.never.pool(other.never);
    }
}

/// What a gauge showed over a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Awake time since a sample first told of memory; absent where none did.
    known_ms: Option<i64>,
    /// How much of that was at MEDIUM, and at HIGH.
    medium_ms: i64,
    high_ms: i64,
    peak_used: Option<u64>,
}

impl Seen {
    fn machine(&self) -> Option<Machine> {
        let minutes = |ms: i64| Some(ms as f64 / 60_000.0);
        self.known_ms.map(|_| Machine {
            pressure_medium_minutes: minutes(self.medium_ms),
            pressure_high_minutes: minutes(self.high_ms),
            peak_used: self.peak_used,
        })
    }

    fn pool(&mut self, other: Self) {
        self.medium_ms = self.medium_ms.saturating_add(other.medium_ms);
        self.high_ms = self.high_ms.saturating_add(other.high_ms);
        self.peak_used = self.peak_used.max(other.peak_used);
        if let Some(theirs) = other.known_ms {
            self.known_ms = Some(self.known_ms.unwrap_or(0).saturating_add(theirs));
        }
    }
}

/// Measures the pressure by the default policy, whatever policy is replayed: one yardstick.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Gauge {
    pressure: PressureState,
    settings: Pressure,
    metrics: Metrics,
    seen: Seen,
    /// Up to when that is counted, on the awake clock.
    counted_to: i64,
}

impl Gauge {
    /// Whether the level is MEDIUM or HIGH.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressure.level >= Level::Medium
    }

    /// The pressure, once it is known.
    pub(super) fn pressure(&self) -> Option<&PressureState> {
        self.seen.known_ms.map(|_| &self.pressure)
    }

    /// What it has shown up to a moment, since the last sample of which nothing has changed.
    pub(super) fn seen_at(&self, at: Moment) -> Seen {
        let mut seen = self.seen;
        let Some(known_ms) = &mut seen.known_ms else {
            return seen;
        };
        let passed_ms = at.awake.saturating_sub(self.counted_to);
        *known_ms = known_ms.saturating_add(passed_ms);
        match self.pressure.level {
            Level::Low => {}
            Level::Medium => seen.medium_ms = seen.medium_ms.saturating_add(passed_ms),
            Level::High => seen.high_ms = seen.high_ms.saturating_add(passed_ms),
        }
        seen
    }

    pub(super) fn sample(&mut self, metrics: &Metrics, at: Moment) {
        self.pass(at);
        if metrics.ram_total.is_some()
            && (metrics.ram_used.is_some() || metrics.ram_available.is_some())
        {
            self.seen.known_ms.get_or_insert(0);
        }
        self.seen.peak_used = self.seen.peak_used.max(metrics.ram_used);
        self.metrics = *metrics;
        self.pressure.sample(metrics, at);
        self.pressure.evaluate(metrics, at, &self.settings);
    }

    pub(super) fn signal(&mut self, severity: Severity, at: Moment) {
        self.pass(at);
        self.pressure.signal(severity, at);
        self.pressure.evaluate(&self.metrics, at, &self.settings);
    }

    fn pass(&mut self, at: Moment) {
        self.seen = self.seen_at(at);
        self.counted_to = at.awake;
    }
}

const HOUR_MS: f64 = 3_600_000.0;

fn add_counts<K: Clone + Ord>(mine: &mut BTreeMap<K, u64>, theirs: &BTreeMap<K, u64>) {
    for (key, count) in theirs {
        *mine.entry(key.clone()).or_default() += count;
    }
}

pub(super) fn gib_h(byte_ms: u128) -> f64 {
    byte_ms as f64 / (1_u64 << 30) as f64 / HOUR_MS
}

fn share(part: u128, of: u128) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}
