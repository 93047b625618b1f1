//! What another policy would have made of a tab at a moment.

use engine::{Explanation, Seq, TabId};
use recorder::Line;
use serde::Serialize;

use crate::biography::Story;
use crate::remedy::{Remedy, remedies};
use crate::replay::{AnyReplay, Decided, Foresight, Hold, HoldEnd};

/// A replay of another policy, under way to a line and beyond.
#[derive(Clone, Debug)]
pub struct Alternative {
    replay: AnyReplay,
    at: Option<Seq>,
    stand: Option<Stand>,
    present: Option<TabId>,
}

/// How a policy stands to a tab at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stand {
    /// Since which decision it holds the tab discarded.
    pub held_since: Option<Decided>,
    /// Whether it decides at this very line to discard it.
    pub decides: bool,
    /// What it says itself, if it is our own policy.
    pub explanation: Option<Explanation>,
    /// Which settings would change that. None are looked for while it holds the tab.
    pub remedies: Vec<Remedy>,
    /// The hard guards that hold in its world, as the checker sees them.
    pub objections: Vec<&'static str>,
    /// How long it holds the tab around this line, or when it does so next.
    pub absence: Option<Absence>,
}

/// A time for which a tab is gone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Absence {
    /// The last line before it.
    pub seq: Seq,
    /// When it begins, by the log's time.
    pub t_ms: i64,
    /// The line that ends it; at the end of the trace there is none.
    pub until_seq: Option<Seq>,
    /// When it ends, by the log's time.
    pub until_ms: i64,
    /// What ends it.
    pub end: HoldEnd,
    /// What it saves, in GiB·h of the active clock.
    pub saved_gib_h: f64,
}

impl Absence {
    fn of(hold: &Hold) -> Self {
        Self {
            seq: hold.decided.seq,
            t_ms: hold.decided.t_ms,
            until_seq: hold.until_seq,
            until_ms: hold.until_ms,
            end: hold.end,
            saved_gib_h: hold.saved_gib_h(),
        }
    }
}

impl Alternative {
    /// Starts with a replay that has taken nothing in. The tab is looked at after the line `at`, or
    /// at the end.
    pub fn new(replay: AnyReplay, at: Option<Seq>) -> Self {
        Self {
            replay: replay.keeping_holds(),
            at,
            stand: None,
            present: None,
        }
    }

    /// Takes the next line in, and the id that the tab has after it, if it is open.
    pub fn take(&mut self, line: &Line, present: Option<TabId>) {
        let seq = line.seq;
        self.replay.take(line, &mut Vec::new());
        self.present = present;
        if self.at == Some(seq) {
            self.look();
        }
    }

    /// Ends it. `None` if the tab was not open at the line. `story` is the tab's.
    pub fn finish(mut self, story: &Story) -> Option<Stand> {
        if self.at.is_none() {
            self.look();
        }
        let mut stand = self.stand?;
        let at = story.at?;
        let (_, holds) = self.replay.finish_with_holds(&mut Vec::new());
        let mut holds: Vec<Hold> = (holds.into_iter())
            .filter(|hold| story.id_at(hold.decided.seq) == Some(hold.decided.tab))
            .filter(|hold| hold.until_seq.is_none_or(|until| until > at))
            .collect();
        holds.sort_by_key(|hold| hold.decided);
        stand.absence = holds.first().map(Absence::of);
        Some(stand)
    }

    fn look(&mut self) {
        let Some(tab) = self.present else {
            return;
        };
        let world = self.replay.world();
        let held_since = self.replay.held_since(tab);
        let ours = (**self.replay.policy()).as_ours();
        self.stand = Some(Stand {
            decides: self.replay.decides_on(tab),
            explanation: ours.and_then(|ours| ours.explain(&world, tab)),
            remedies: ours
                .filter(|_| held_since.is_none())
                .map_or(Vec::new(), |ours| remedies(ours, &world, tab)),
            objections: self.replay.objections(tab),
            absence: None,
            held_since,
        });
    }
}

/// What a clairvoyant would have done with a tab around a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Foreseen {
    /// The longest time for which our guards let it be gone.
    #[serde(flatten)]
    pub absence: Absence,
    /// From how many reloads in the whole trace on it would have been discarded; absent where that
    /// saves nothing.
    pub from_reloads: Option<u64>,
    /// The number of reloads beyond which a clairvoyant saves nothing more.
    pub reloads_max: u64,
}

impl Foreseen {
    /// Looks a tab up by its story. `None` where no such time lies around the line.
    pub fn of(foresight: &Foresight, story: &Story) -> Option<Self> {
        let at = story.at?;
        let (hold, from_reloads) = story.ids.iter().find_map(|id| {
            let around = foresight.around(id.tab, at)?;
            let is_same = story.id_at(around.0.seq) == Some(around.0.tab);
            is_same.then_some(around)
        })?;
        Some(Self {
            absence: Absence::of(hold),
            from_reloads,
            reloads_max: foresight.frontier().reloads_max(),
        })
    }
}
