//! Where two policies decide differently on the same recording, why, and what came of it.
//!
//! In each absence of a tab (from when it was left until it is needed again, is closed, or the
//! trace ends) a policy discards it once or not at all. Two policies differ where one does and the
//! other does not, or where one does so earlier. The cause is why the other one did not discard the
//! tab at the moment at which the first one decided to: asked of its own explanation if it is our
//! policy, under other settings if that is the question. A baseline cannot explain itself; of it is
//! said what can be seen.
//!
//! What is saved by one side and not by the other adds up: what the groups of one side save less
//! what those of the other do is the difference of the two scores, and so it is with reloads.

use std::collections::BTreeMap;

use engine::{Explanation, GateState, Guard, Seq, Verdict};
use recorder::Line;
use serde::{Serialize, Serializer};

use crate::replay::{AnyReplay, Decided, Hold, HoldEnd, Lockstep, Score, Side, View};

/// Why a policy did not discard a tab at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A hard guard holds.
    Guard(Guard),
    /// The tab belongs to the working context.
    Cluster,
    /// The tab's host is familiar.
    Familiarity,
    /// It was opened or in front too lately.
    Ttl,
    /// The user paused it.
    Paused,
    /// The level of pressure is too low.
    Level,
    /// It discarded something a moment ago.
    Cooldown,
    /// Others come first.
    Rank,
    /// It has nothing to act on at that moment.
    Moment,
    /// It has decided, and the tab was not discarded.
    Decided,
    /// The tab was refused.
    Refused,
    /// A baseline has its reasons.
    OwnRule,
}

/// Every cause: what it is called and what it means of the policy that did not discard the tab.
pub const CAUSES: [(Cause, &str, &str); 23] = [
    (
        Cause::Guard(Guard::Active),
        "active",
        "a hard guard: it is in front of a window, or in sight beside the tab that is",
    ),
    (
        Cause::Guard(Guard::Pinned),
        "pinned",
        "a hard guard: it is pinned",
    ),
    (
        Cause::Guard(Guard::Audible),
        "audible",
        "a hard guard: it makes a sound",
    ),
    (
        Cause::Guard(Guard::RecentlyAudible),
        "recently_audible",
        "a hard guard: it made a sound within the last minute",
    ),
    (
        Cause::Guard(Guard::Capturing),
        "capturing",
        "a hard guard: it captures the screen, a camera or a microphone",
    ),
    (
        Cause::Guard(Guard::Unsaved),
        "unsaved",
        "a hard guard: a form in it was touched",
    ),
    (
        Cause::Guard(Guard::NotAutoDiscardable),
        "not_auto_discardable",
        "a hard guard: the user or another extension has forbidden it",
    ),
    (
        Cause::Guard(Guard::Protected),
        "protected",
        "a hard guard: its domain is protected",
    ),
    (
        Cause::Guard(Guard::Internal),
        "internal",
        "a hard guard: it is no web page",
    ),
    (
        Cause::Guard(Guard::Loading),
        "loading",
        "a hard guard: it is loading",
    ),
    (
        Cause::Guard(Guard::Discarded),
        "discarded",
        "a hard guard: it is discarded already",
    ),
    (
        Cause::Guard(Guard::Young),
        "young",
        "a hard guard: it was opened or in front a moment ago",
    ),
    (
        Cause::Cluster,
        "cluster",
        "the tab belongs to the working context; outside it its TTL would be over",
    ),
    (
        Cause::Familiarity,
        "familiarity",
        "the tab's host is familiar; if it were not, its TTL would be over",
    ),
    (Cause::Ttl, "ttl", "the tab's TTL is not over"),
    (Cause::Paused, "paused", "the user has paused it"),
    (
        Cause::Level,
        "level",
        "the TTL is over, and the level of pressure is too low",
    ),
    (
        Cause::Cooldown,
        "cooldown",
        "the TTL is over, and it discarded another tab a moment ago",
    ),
    (
        Cause::Rank,
        "rank",
        "the TTL is over, and other tabs come first",
    ),
    (
        Cause::Moment,
        "moment",
        "it would discard the tab, and decides only when a sample comes",
    ),
    (
        Cause::Decided,
        "decided",
        "it has decided to discard the tab, which is still to be done or was not done",
    ),
    (
        Cause::Refused,
        "refused",
        "the browser has refused the tab, which is passed over for a while",
    ),
    (
        Cause::OwnRule,
        "own_rule",
        "a baseline, which cannot explain itself; no hard guard holds",
    ),
];

impl Cause {
    /// What it is called.
    pub fn name(self) -> &'static str {
        self.definition().1
    }

    /// What it means of the policy that did not discard the tab.
    pub fn about(self) -> &'static str {
        self.definition().2
    }

    fn definition(self) -> &'static (Self, &'static str, &'static str) {
        let mut causes = CAUSES.iter();
        let found = causes.find(|(cause, ..)| *cause == self);
        found.expect("every cause is listed; a test holds it")
    }

    /// The hard guard of a name.
    fn guard(name: &str) -> Option<Self> {
        let mut causes = CAUSES.iter();
        let found =
            causes.find(|(cause, known, _)| matches!(cause, Self::Guard(_)) && *known == name)?;
        Some(found.0)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Asks a policy why it does not discard a tab now.
fn cause(view: &View<'_>, explanation: Option<&Explanation>) -> Cause {
    if view.decides_too() || view.held_since().is_some() {
        return Cause::Decided;
    }
    let Some(explanation) = explanation else {
        let guards = view.objections();
        let guard = guards.first().and_then(|name| Cause::guard(name));
        return guard.unwrap_or(Cause::OwnRule);
    };
    if let Some(&guard) = explanation.guards.first() {
        return Cause::Guard(guard);
    }
    match explanation.verdict {
        Verdict::Noted | Verdict::Decided => Cause::Decided,
        Verdict::Refused => Cause::Refused,
        Verdict::Keep => kept(view),
        // The cooldown that began with this very decision kept nobody from anything.
        _ if view.decides_on_another() => Cause::Rank,
        _ => match explanation.gate {
            GateState::Paused { .. } => Cause::Paused,
            GateState::LevelTooLow => Cause::Level,
            GateState::CoolingDown { .. } => Cause::Cooldown,
            GateState::Open if explanation.verdict == Verdict::Wait => Cause::Rank,
            GateState::Open => Cause::Moment,
        },
    }
}

/// What keeps the TTL of a tab from being over: the working context if it would be over outside
/// it, whatever the familiarity; then familiarity; else how long it is.
fn kept(view: &View<'_>) -> Cause {
    let is_ripe = |outside: bool, unfamiliar: bool| {
        let explanation = view.explain_under(|settings| {
            if outside {
                // The tab in front alone, which is guarded.
                settings.focus.cluster_cap = 1;
            }
            if unfamiliar {
                settings.familiarity_cap = 1;
            }
        });
        explanation.is_some_and(|explanation| explanation.rank.is_some())
    };
    if is_ripe(true, false) {
        Cause::Cluster
    } else if is_ripe(false, true) {
        Cause::Familiarity
    } else if is_ripe(true, true) {
        Cause::Cluster
    } else {
        Cause::Ttl
    }
}

/// What the other policy made of a tab, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// How long ago it was opened or last in front, in milliseconds of the policy's clock.
    pub idle_ms: i64,
    /// How long it has to be, in milliseconds of the same clock.
    pub ttl_ms: i64,
    /// How familiar its host is.
    pub familiarity: u8,
    /// Whether it belongs to the working context.
    pub in_focus: bool,
    /// The pressure score.
    pub score: u8,
    /// The level of pressure.
    pub level: engine::Level,
}

impl Numbers {
    fn of(explanation: &Explanation) -> Self {
        Self {
            idle_ms: explanation.idle_ms,
            ttl_ms: explanation.ttl_ms,
            familiarity: explanation.familiarity,
            in_focus: explanation.in_focus.is_some(),
            score: explanation.score,
            level: explanation.level,
        }
    }
}

/// A tab that one policy discarded and the other did not, or only later.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Which policy discarded it, or did so first.
    pub by: Side,
    /// When it decided to.
    #[serde(flatten)]
    pub decided: Decided,
    /// The host of the tab.
    pub host: Option<String>,
    /// Why the other did not.
    pub cause: Cause,
    /// What our policy says of the tab where it is the other one.
    pub other: Option<Numbers>,
    /// When the other one discarded it after all, in the same absence.
    pub later: Option<Decided>,
    /// What was saved by the one and not by the other, in GiB·h of the active clock.
    pub saved_gib_h: f64,
    /// Whether it cost a reload that the other did without.
    pub is_reload: bool,
    /// Whether that reload came within 10 minutes of the user's own time.
    pub is_early_return: bool,
}

/// The differences with one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// How many there are.
    pub count: u64,
    /// In how many of them the other one discarded the tab later.
    pub later: u64,
    /// What was saved by the one and not by the other, in GiB·h of the active clock.
    pub saved_gib_h: f64,
    /// The reloads that the other did without.
    pub reloads: u64,
    /// Those of them within 10 minutes of the user's own time.
    pub early_returns: u64,
}

impl Group {
    fn add(&mut self, difference: &Difference) {
        self.pool(&Self {
            count: 1,
            later: u64::from(difference.later.is_some()),
            saved_gib_h: difference.saved_gib_h,
            reloads: u64::from(difference.is_reload),
            early_returns: u64::from(difference.is_early_return),
        });
    }

    fn pool(&mut self, other: &Self) {
        self.count += other.count;
        self.later += other.later;
        self.saved_gib_h += other.saved_gib_h;
        self.reloads += other.reloads;
        self.early_returns += other.early_returns;
    }
}

/// What two policies have in common and what not, on one recording or several.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Differences {
    /// Discards that both came to at the same moment.
    pub same: u64,
    /// The differences by who discarded the tab and why the other did not.
    pub groups: BTreeMap<(Side, Cause), Group>,
}

impl Differences {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.groups.values().map(|group| group.count).sum()
    }

    /// Takes those of another recording in.
    pub fn pool(&mut self, other: &Self) {
        self.same += other.same;
        for (&key, group) in &other.groups {
            self.groups.entry(key).or_default().pool(group);
        }
    }
}

/// How two policies differ on one recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The differences by cause.
    pub differences: Differences,
    /// Each of them, in the order of the decisions.
    pub list: Vec<Difference>,
    /// The score of either side.
    pub scores: [Score; 2],
}

/// What is known of a decision when it is made.
#[derive(Clone, Debug)]
struct Note {
    host: Option<String>,
    cause: Cause,
    other: Option<Numbers>,
}

impl Note {
    fn of(view: &View<'_>) -> Self {
        // What both decide needs no explanation.
        let explanation = (!view.decides_too()).then(|| view.explain()).flatten();
        Self {
            host: view.host().map(str::to_owned),
            cause: cause(view, explanation.as_ref()),
            other: explanation.as_ref().map(Numbers::of),
        }
    }
}

/// A comparison under way. What is kept grows with the decisions, not with the trace.
#[derive(Clone, Debug)]
pub struct Diff {
    lockstep: Lockstep,
    notes: BTreeMap<(Side, Decided), Note>,
}

impl Diff {
    /// Starts with two replays that have taken nothing in.
    pub fn new(base: AnyReplay, with: AnyReplay) -> Self {
        Self {
            lockstep: Lockstep::new(base, with),
            notes: BTreeMap::new(),
        }
    }

    /// Takes the next line of the recording in.
    pub fn take(&mut self, line: &Line) {
        let notes = &mut self.notes;
        self.lockstep.take(line, |side, decided, view| {
            notes.insert((side, decided), Note::of(view));
        });
    }

    /// Ends the comparison.
    pub fn finish(self) -> Answer {
        let Self {
            lockstep,
            mut notes,
        } = self;
        let ended = lockstep.finish(|side, decided, view| {
            notes.insert((side, decided), Note::of(view));
        });
        let [(base_score, base), (with_score, with)] = ended;
        let mut absences: BTreeMap<_, [Option<&Hold>; 2]> = BTreeMap::new();
        for (index, hold) in
            (base.iter().map(|hold| (0, hold))).chain(with.iter().map(|hold| (1, hold)))
        {
            absences.entry(hold.absence()).or_default()[index] = Some(hold);
        }
        let mut differences = Differences::default();
        let mut list = Vec::new();
        for holds in absences.into_values() {
            let (by, hold, later) = match holds {
                [Some(base), Some(with)] if begin(base) == begin(with) => {
                    differences.same += 1;
                    continue;
                }
                [Some(base), Some(with)] if begin(base) < begin(with) => {
                    (Side::Base, base, Some(with))
                }
                [Some(base), Some(with)] => (Side::With, with, Some(base)),
                [Some(base), None] => (Side::Base, base, None),
                [None, Some(with)] => (Side::With, with, None),
                [None, None] => continue,
            };
            let note = notes.remove(&(by, hold.decided));
            let note = note.expect("a hold begins with a decision, and each was looked at");
            let is_alone = later.is_none();
            list.push(Difference {
                by,
                decided: hold.decided,
                host: note.host,
                cause: note.cause,
                other: note.other,
                later: later.map(|hold| Decided {
                    seq: hold.seq,
                    t_ms: hold.t_ms,
                    tab: hold.tab,
                }),
                saved_gib_h: later.map_or_else(
                    || hold.saved_gib_h(),
                    |later| hold.saved_before_gib_h(later),
                ),
                is_reload: is_alone && hold.end == HoldEnd::Needed,
                is_early_return: is_alone && hold.is_early_return(),
            });
        }
        list.sort_by_key(|difference| (difference.decided, difference.by));
        for difference in &list {
            let key = (difference.by, difference.cause);
            differences.groups.entry(key).or_default().add(difference);
        }
        Answer {
            differences,
            list,
            scores: [base_score, with_score],
        }
    }
}

/// When a tab was discarded. A decision that takes the recorded outcome is carried out later than
/// it was made, and may be overtaken.
fn begin(hold: &Hold) -> (Seq, i64) {
    (hold.seq, hold.t_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_listed_once() {
        let others = |cause| {
            // A new cause does not compile until it is listed here, and so in the table.
            match cause {
                Cause::Guard(_)
                | Cause::Cluster
                | Cause::Familiarity
                | Cause::Ttl
                | Cause::Paused
                | Cause::Level
                | Cause::Cooldown
                | Cause::Rank
                | Cause::Moment
                | Cause::Decided
                | Cause::Refused
                | Cause::OwnRule => {}
            }
        };
        let mut names: Vec<&str> = CAUSES.map(|(_, name, _)| name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CAUSES.len());
        for (cause, name, about) in CAUSES {
            others(cause);
            if let Cause::Guard(guard) = cause {
                assert_eq!(about, format!("a hard guard: {guard}"));
                let known = serde_json::to_value(guard).unwrap();
                assert_eq!(known, name.to_uppercase());
            }
            assert_eq!((cause.name(), cause.about()), (name, about));
        }
    }
}
